# SPDX-License-Identifier: LGPL-3.0
"""Requests, read and checked as flux-core's list.c does it: same order, same words."""

from __future__ import annotations

from collections.abc import Sequence
from errno import EPROTO

import msgspec

from joblist.protocol import payload
from joblist.protocol.budgets import Budgets
from joblist.protocol.errors import RpcError, cut
from joblist.protocol.payload import (
    PayloadError,
    anything,
    int32,
    int64,
    number,
    string,
    unpack,
)
from projections.constraints.tree import Constraint, ConstraintError, Most, TooLargeError, parse
from projections.job.state import ACTIVE, INACTIVE, USERID_UNKNOWN

ROLE_OWNER = 1
ROLE_USER = 2
ROLE_ADMIN = 8
_NO_STATE = ~(ACTIVE | INACTIVE)


class Credential(msgspec.Struct, frozen=True):
    """Who sent a request: the message's user id and its roles (RFC 12)."""

    userid: int = 0
    rolemask: int = ROLE_OWNER

    @property
    def allowed(self) -> bool:
        """Whether the service answers to this at all."""
        return bool(self.rolemask & (ROLE_OWNER | ROLE_USER))

    @property
    def owner(self) -> bool:
        """Whether this is the instance's owner."""
        return bool(self.rolemask & ROLE_OWNER)

    @property
    def privileged(self) -> bool:
        """Whether private mode leaves all jobs visible."""
        return bool(self.rolemask & (ROLE_OWNER | ROLE_ADMIN))


class ListRequest(msgspec.Struct, frozen=True):
    """``job-list.list``; ``max_entries`` 0: no limit, ``since``: seconds since the epoch."""

    max_entries: int
    attrs: list[object]
    since: float
    constraint: object  # JSON, or UNSET if there is none


class ListIdRequest(msgspec.Struct, frozen=True):
    """``job-list.list-id``: one job, once it has been in ``state`` (0: any)."""

    id: int
    attrs: Sequence[object]
    state: int


def read_list(text: bytes | None) -> ListRequest:
    """Read a ``list`` request; raises RpcError."""
    try:
        members = payload.loads(text)
        most = unpack(members, "max_entries", int32)
        attrs = unpack(members, "attrs", anything)
        since = unpack(members, "since", number, 0.0)
        constraint = unpack(members, "constraint", anything, msgspec.UNSET)
    except PayloadError as error:
        raise _invalid(str(error)) from error
    if constraint is msgspec.UNSET:
        constraint = _legacy_constraint(members)
    if most < 0:
        raise _invalid("max_entries < 0 not allowed")
    if since < 0:
        raise _invalid("since < 0.0 not allowed")
    return ListRequest(most, _array(attrs), since, constraint)


def _legacy_constraint(members: dict[str, object]) -> object:
    """Return the constraint that a request of the old form stands for.

    If a member of that form is missing or ill-typed, the request is not of that form.
    """
    try:
        userid = unpack(members, "userid", int32)
        states = unpack(members, "states", int32)
        results = unpack(members, "results", int32)
        name = unpack(members, "name", string, None)
        queue = unpack(members, "queue", string, None)
    except PayloadError:
        return msgspec.UNSET
    terms: list[object] = []
    if userid & USERID_UNKNOWN != USERID_UNKNOWN:
        terms.append({"userid": [userid]})
    if name is not None:
        terms.append({"name": [name]})
    if queue is not None:
        terms.append({"queue": [queue]})
    if states:
        terms.append({"states": [states]})
    if results:
        terms.append({"results": [results]})
    return {"and": terms}


def read_constraint(obj: object, max_hosts: int, budgets: Budgets) -> Constraint:
    """Read a request's constraint; raises RpcError."""
    most = Most(max_hosts, budgets.max_operators, budgets.max_values)
    try:
        return parse(obj, most=most)
    except ConstraintError as error:
        raise _invalid(f"constraint object invalid: {cut(str(error))}") from error
    except TooLargeError as error:
        name = "max_operators" if error.operators else "max_values"
        raise budgets.exceeded(name) from error


class _ListIdForm(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    id: int
    attrs: list[str]
    state: int = 0


_decode_list_id = msgspec.json.Decoder(_ListIdForm).decode


def read_list_id(text: bytes | None) -> ListIdRequest:
    """Read a ``list-id`` request; raises RpcError."""
    if text is not None and payload.is_plain(text):
        try:
            form = _decode_list_id(text)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            pass  # the general way finds out what is wrong, or that nothing is
        else:
            if not form.state & _NO_STATE:
                return ListIdRequest(form.id, form.attrs, form.state)
    return read_any_list_id(text)


def read_any_list_id(text: bytes | None) -> ListIdRequest:
    """Read a ``list-id`` request of whatever form; raises RpcError."""
    try:
        members = payload.loads(text)
        jobid = unpack(members, "id", int64)
        attrs = unpack(members, "attrs", anything)
        state = unpack(members, "state", int32, 0)
    except PayloadError as error:
        raise _invalid(str(error)) from error
    wanted = _array(attrs)
    if state & _NO_STATE:
        raise _invalid("invalid state specified")
    return ListIdRequest(jobid, wanted, state)


def _array(attrs: object) -> list[object]:
    if not isinstance(attrs, list):
        raise _invalid("attrs must be an array")
    return attrs


def _invalid(text: str) -> RpcError:
    return RpcError(EPROTO, f"invalid payload: {text}")
