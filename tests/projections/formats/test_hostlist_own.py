# SPDX-License-Identifier: LGPL-3.0
"""Hostlists that were written here are read again, whatever their size."""

from __future__ import annotations

import pytest

from projections.formats import hostlist


def test_own_text_has_no_limits() -> None:
    """Ranges that were joined are longer than any that decode() takes."""
    joined = hostlist.concat(
        hostlist.decode("n[1-1000000]"), hostlist.decode("n[1000001-2000000]")
    )
    text = hostlist.encode(joined)
    assert text == "n[1-2000000]"
    with pytest.raises(hostlist.HostlistError):
        hostlist.decode(text)
    assert joined == hostlist.decode_own(text)
    assert hostlist.decode("n[1-3]") == hostlist.decode_own("n[1-3]")
    odd, even = (hostlist.decode(f"n[{','.join(map(str, range(lo, lo + 20480, 2)))}]")
                 for lo in (1, 30000))  # fmt: skip
    assert hostlist.concat(odd, even) == hostlist.decode_own(hostlist.encode((*odd, *even)))
    written = hostlist.encode(hostlist.decode("n[1]a]b"))
    assert hostlist.decode_own(written) is None  # which libhostlist cannot read, either
