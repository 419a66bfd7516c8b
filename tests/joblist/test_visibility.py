# SPDX-License-Identifier: LGPL-3.0
"""Which jobs a sender may see: a guest, the owner and an administrator, in both modes."""

from __future__ import annotations

from errno import ENOENT, EPERM

import pytest

from joblist.config import Config
from joblist.protocol.errors import RpcError
from joblist.protocol.requests import ROLE_ADMIN, ROLE_OWNER, ROLE_USER, Credential
from joblist.visibility import Visibility
from projections.constraints.tree import And, Name, Userid
from projections.job.state import USERID_UNKNOWN

GIVEN = Name(("a",))
GUEST = Credential(1001, ROLE_USER)
PRIVATE = Config(private=True)
ALL = {
    "no private mode": (Config(), GUEST),
    "owner": (PRIVATE, Credential(5, ROLE_OWNER)),
    "administrator": (PRIVATE, Credential(1001, ROLE_USER | ROLE_ADMIN)),
}


@pytest.mark.parametrize("case", ALL)
def test_all_jobs_are_visible(case: str) -> None:
    visible = Visibility(*ALL[case])
    assert visible.of_user(1002)
    assert visible.within(GIVEN) is GIVEN
    visible.check_user(1002)
    visible.check_all()


def test_a_guest_sees_own_jobs_only_in_private_mode() -> None:
    visible = Visibility(PRIVATE, GUEST)
    assert Userid((1001,)) == visible.within(None)
    assert visible.of_user(1001)
    assert not visible.of_user(1002)
    assert And((GIVEN, Userid((1001,)))) == visible.within(GIVEN)
    visible.check_user(1001)
    with pytest.raises(RpcError) as unknown:
        visible.check_user(1002)
    assert (ENOENT, "") == (unknown.value.errno, unknown.value.text)
    with pytest.raises(RpcError) as refused:
        visible.check_all()
    assert (EPERM, None) == (refused.value.errno, refused.value.text)


@pytest.mark.parametrize("userid", [USERID_UNKNOWN, -1])
def test_a_sender_without_an_id_sees_no_job(userid: int) -> None:
    """In a constraint, FLUX_USERID_UNKNOWN would select the jobs of all users."""
    visible = Visibility(PRIVATE, Credential(userid, ROLE_USER))
    assert And((GIVEN, Userid(()))) == visible.within(GIVEN)
    assert not visible.of_user(USERID_UNKNOWN)
    assert not visible.of_user(userid)


def test_an_id_is_of_32_bits_as_in_a_constraint() -> None:
    visible = Visibility(PRIVATE, Credential(1001 - 2**32, ROLE_USER))
    assert visible.of_user(1001)
