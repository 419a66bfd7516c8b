# SPDX-License-Identifier: LGPL-3.0
"""Pages of the list of tables that cannot be read are dropped; the others stay, in order."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventstore.maintenance.schema_pages import drop_damaged_pages

HEADER = 100  # bytes before the first page's b-tree
LEAF = b"\x0d"


def interior(*children: int, header: int = 0, size: int = 512, last: int = 4) -> bytes:
    """Return a page that leads to others; its last cell is so many bytes before its end."""
    page = bytearray(size)
    *left, right = children
    page[header] = 5
    page[header + 3 : header + 5] = len(left).to_bytes(2, "big")
    page[header + 8 : header + 12] = right.to_bytes(4, "big")
    for number, child in enumerate(left):
        at = size - last - 6 * number
        page[at : at + 4] = child.to_bytes(4, "big")[: size - at]
        entry = header + 12 + 2 * number
        page[entry : entry + 2] = at.to_bytes(2, "big")
    return bytes(page)


def file_of(*pages: bytes, size: int = 512, said: int | None = None) -> bytes:
    """Return a file; its first page, which is the root, has room for the header."""
    data = bytearray(b"".join(page.ljust(size, b"\0") for page in pages))
    data[16:18] = (size if said is None else said).to_bytes(2, "big")
    return bytes(data)


def leaves(data: bytes, page: int = 1, size: int = 512) -> list[int]:
    """Return the numbers of the leaves that the root leads to, from left to right."""
    start = (page - 1) * size
    top = start + (HEADER if page == 1 else 0)
    if data[top] != 5:
        return [page]
    count = int.from_bytes(data[top + 3 : top + 5], "big")
    cells = [top + 12 + 2 * number for number in range(count)]
    ends = [start + int.from_bytes(data[at : at + 2], "big") for at in cells]
    children = [int.from_bytes(data[at : at + 4], "big") for at in (*ends, top + 8)]
    return [leaf for child in children for leaf in leaves(data, child, size)]


def mended(tmp_path: Path, data: bytes) -> bytes:
    path = tmp_path / "copy.sqlite"
    path.write_bytes(data)
    drop_damaged_pages(str(path))
    assert len(data) == path.stat().st_size
    return path.read_bytes()


ROOT = interior(2, 3, 4, header=HEADER)


@pytest.mark.parametrize(
    ("pages", "left"),
    [
        ((ROOT, LEAF, LEAF, LEAF), [2, 3, 4]),
        ((ROOT, b"", LEAF, LEAF), [3, 4]),
        ((ROOT, LEAF, b"\x0a", LEAF), [2, 4]),
        ((ROOT, LEAF, LEAF, b"\x0c"), [2, 3]),
        ((ROOT, LEAF, b"", b""), [2]),
        ((ROOT, b"", b"", LEAF), [4]),
        ((ROOT, LEAF, LEAF), [2, 3]),  # the last one is behind the end of the file
        ((interior(2, 0, 3, header=HEADER), LEAF, LEAF), [2, 3]),
        ((interior(2, 3, 0, header=HEADER), LEAF, LEAF), [2, 3]),
        ((ROOT, LEAF, interior(5, 6), LEAF, LEAF, LEAF), [2, 5, 6, 4]),
        ((ROOT, LEAF, interior(5, 6), LEAF, LEAF, b""), [2, 5, 4]),
        ((ROOT, LEAF, interior(5, 6), LEAF, b"", LEAF), [2, 6, 4]),
        ((ROOT, LEAF, interior(5, 6), LEAF, b"", b""), [2, 4]),
        ((ROOT, LEAF, LEAF, interior(5, 6), b"", b""), [2, 3]),
        ((ROOT, LEAF, interior(5, 6, last=3), LEAF, LEAF, LEAF), [2, 4]),  # no such cell
        ((ROOT, interior(6, 5), LEAF, LEAF, LEAF, LEAF), [6, 5, 3, 4]),
    ],
)  # fmt: skip
def test_what_can_be_read_is_left(
    tmp_path: Path, pages: tuple[bytes, ...], left: list[int]
) -> None:
    assert left == leaves(mended(tmp_path, file_of(*pages)))


@pytest.mark.parametrize(
    "pages",
    [
        (ROOT, LEAF, LEAF, LEAF),  # it is whole
        (ROOT, LEAF, interior(5, 6), LEAF, LEAF, LEAF),
        (ROOT,),
        (ROOT, b"", b"", b""),
        (bytes(HEADER) + LEAF,),
        (bytes(HEADER) + b"\x0a",),
        (interior(2, 3, header=HEADER, last=3), LEAF, LEAF),
    ],
)
def test_a_file_of_which_nothing_or_all_can_be_read_stays_as_it_is(
    tmp_path: Path, pages: tuple[bytes, ...]
) -> None:
    data = file_of(*pages)
    assert data == mended(tmp_path, data)


@pytest.mark.parametrize(("levels", "left"), [(20, [2, 21]), (21, [2])])
def test_a_list_of_more_than_20_levels_is_damage(
    tmp_path: Path, levels: int, left: list[int]
) -> None:
    chain = [interior(number) for number in range(4, levels + 2)]
    data = file_of(interior(2, 3, header=HEADER), LEAF, *chain, LEAF)
    assert [2, levels + 1] == leaves(data)
    assert left == leaves(mended(tmp_path, data))


def test_pages_that_lead_back_are_not_followed_for_ever(tmp_path: Path) -> None:
    mended(tmp_path, file_of(interior(2, 1, 3, header=HEADER), LEAF, LEAF))


def test_a_page_may_have_64_kib(tmp_path: Path) -> None:
    """Which the header writes as 1."""
    size = 65536
    root = bytearray(interior(2, header=HEADER, size=size))
    root[HEADER + 3 : HEADER + 5] = (1).to_bytes(2, "big")
    root[HEADER + 12 : HEADER + 14] = (1000).to_bytes(2, "big")
    root[1000:1004] = (3).to_bytes(4, "big")
    data = file_of(bytes(root), b"", LEAF, size=size, said=1)
    assert [3, 2] == leaves(data, size=size)
    assert [3] == leaves(mended(tmp_path, data), size=size)


@pytest.mark.parametrize("size", [0, 2, 256, 511])
def test_a_file_without_a_page_size_stays_as_it_is(tmp_path: Path, size: int) -> None:
    data = file_of(ROOT, LEAF, LEAF, b"", said=size)
    for found in (data, data[:300], data[:17], b""):
        assert found == mended(tmp_path, found)
