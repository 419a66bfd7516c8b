# SPDX-License-Identifier: LGPL-3.0
"""The Flux instance that this process runs in (FLUX_URI): a connection, its database."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from eventstore.errors import JobdbError

if TYPE_CHECKING:
    from joblist.broker.connection import Link

__all__ = ["connected", "database_of_instance"]


def connected() -> Link:
    """Connect to the instance; raises JobdbError where none can be reached."""
    from joblist.broker.connection import connect  # noqa: PLC0415

    try:
        return connect()
    except ImportError as error:
        raise JobdbError(
            f"Flux's Python bindings cannot be imported ({error}); put them on PYTHONPATH"
        ) from error
    except OSError as error:
        raise JobdbError(f"{error.strerror}; run this inside of a Flux instance") from error


def database_of_instance() -> str | None:
    """Return the database of the enclosing Flux instance; None outside of an instance."""
    if "FLUX_URI" not in os.environ:
        return None
    from joblist.broker.settings import Settings, database  # noqa: PLC0415

    try:
        link = connected()
        return database(Settings(link.tables).now(), link.attribute)
    except (JobdbError, OSError):
        return None
