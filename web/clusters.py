# SPDX-License-Identifier: LGPL-3.0
"""Which databases are shown, and which of them a request asks.

Where there are several, ``cluster=NAME`` in an address chooses one. Without it, what can be
shown of all together is so, and the rest is of the first one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from joblist.config import Config
from joblist.protocol.requests import Credential
from web.asking import Asking, Counted, asked


class Clusters:
    """Databases by the names of their clusters, in order."""

    def __init__(self, paths: Mapping[str, str]) -> None:
        self.paths = paths
        self.counted = {name: Counted() for name in paths}

    @property
    def names(self) -> list[str]:
        """The clusters that can be chosen from; none where there is one database."""
        return list(self.paths) if len(self.paths) > 1 else []

    def chosen(self, given: Mapping[str, str]) -> str | None:
        """Return the cluster that an address names; raises LookupError for an unknown one."""
        if not self.names or not given.get("cluster"):
            return None
        name = given["cluster"]
        if name not in self.paths:
            raise LookupError(f"{name!a:.100}: there is no such cluster here")
        return name

    @contextmanager
    def asked(
        self, config: Config, viewer: Credential, given: Mapping[str, str], *, together: bool
    ) -> Iterator[list[Asking]]:
        """Open what a request asks: one database, or all of them at one moment."""
        chosen = self.chosen(given)
        names = [chosen] if chosen is not None else list(self.paths)
        with ExitStack() as opened:
            found: list[Asking] = []
            for name in names if together else names[:1]:
                asking = opened.enter_context(
                    asked(self.paths[name], config, viewer, given.get("at", ""),
                          self.counted[name])
                )  # fmt: skip
                asking.cluster = name
                found.append(asking)
                asking.now = found[0].now
            yield found
