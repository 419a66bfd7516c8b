# SPDX-License-Identifier: LGPL-3.0
"""What goes wrong while a request is answered: the asker is told, and nothing stops."""

from __future__ import annotations

import syslog
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from errno import EIO

from eventstore.errors import StoreError
from joblist.live.ports import Bus, Message
from joblist.protocol.errors import RpcError


@contextmanager
def answering(bus: Bus, message: Message) -> Iterator[None]:
    """Turn exceptions into error responses; what nobody foresaw is logged, too."""
    try:
        yield
    except RpcError as error:
        bus.respond_error(message, error.errno, error.text)
    except StoreError as error:
        bus.respond_error(message, EIO, str(error))
    except Exception:  # noqa: BLE001 - one request must not end the service
        unforeseen(bus, f"answering {message.request.topic}")
        bus.respond_error(message, EIO, "internal error: see the log")


def unforeseen(bus: Bus, where: str) -> None:
    """Log the exception that is being handled: it is a fault of this program."""
    for line in (f"{where} failed; please report:\n" + traceback.format_exc()).splitlines():
        bus.log(syslog.LOG_ERR, line)
