# SPDX-License-Identifier: LGPL-3.0
"""Which jobs, and which jobs' events, the sender of a request may see.

In private mode (`access.private-mode`), a guest sees no jobs but the guest's own. The owner of
the instance and administrators see all jobs; so does everybody without private mode (flux-core
0.88, list.c and stats.c). Which requests a sender may make is decided in `live/routes.py`.
"""

from __future__ import annotations

from errno import ENOENT, EPERM

from joblist.config import Config
from joblist.protocol.errors import RpcError
from joblist.protocol.requests import Credential
from projections.constraints.tree import And, Constraint, Everything, Userid
from projections.job.state import USERID_UNKNOWN


class Visibility:
    """What one sender may see under a configuration."""

    def __init__(self, config: Config, sender: Credential) -> None:
        self._restricted = config.private and not sender.privileged
        self._own = own_users(sender)

    @property
    def users(self) -> tuple[int, ...] | None:
        """Whose jobs are visible; None: everybody's."""
        return self._own if self._restricted else None

    def of_user(self, userid: int) -> bool:
        """Whether the jobs of a user are visible."""
        return not self._restricted or userid in self._own

    def within(self, constraint: Constraint | None) -> Constraint:
        """Return the constraint that selects the visible jobs among those of ``constraint``.

        None: the request has none. That is not the same as an empty one, for comparisons are
        counted (``max_comparisons``).
        """
        if not self._restricted:
            return Everything() if constraint is None else constraint
        own = Userid(self._own)
        return own if constraint is None else And((constraint, own))

    def check_user(self, userid: int) -> None:
        """Raise RpcError if the jobs of a user are not visible."""
        if not self.of_user(userid):
            # The same errno as for an unknown id; but job-list sends an empty text with it.
            raise RpcError(ENOENT, "")

    def check_all(self) -> None:
        """Raise RpcError unless all jobs are visible: statistics count all of them."""
        if self._restricted:
            raise RpcError(EPERM)


def users_with_events(sender: Credential) -> tuple[int, ...] | None:
    """Return whose jobs' events, jobspecs and R are visible; None: everybody's.

    With or without private mode, they are for the job's owner, the owner of the instance and
    administrators (flux-core 0.88, job-info's allow.c).
    """
    return None if sender.privileged else own_users(sender)


def own_users(sender: Credential) -> tuple[int, ...]:
    """Return the user ids whose jobs a guest may see: the guest's own.

    FLUX_USERID_UNKNOWN stands for all users in a constraint, so that a sender of this id, which
    no user has, sees no job.
    """
    own = sender.userid & USERID_UNKNOWN
    return () if own == USERID_UNKNOWN else (own,)
