# SPDX-License-Identifier: LGPL-3.0
"""Numbers in the texts of constraints, read as the C library's strtod(3) reads them."""

from __future__ import annotations

import re
from collections.abc import Callable

# What strtod(3) reads in the C locale. Python's float() differs: it accepts "1_0", white space
# after the number and digits of other scripts, but neither hexadecimal numbers nor "nan(tag)".
_NUMBER = re.compile(
    r"""[ \t\n\v\f\r]* (?P<sign>[+-]?) (?:
        (?P<decimal> [0-9]+ (?: \. [0-9]* )? | \. [0-9]+ ) (?: e [+-]? [0-9]+ )?
      | 0x (?P<hex> [0-9a-f]+ (?: \. [0-9a-f]* )? | \. [0-9a-f]+ ) (?: p [+-]? [0-9]+ )?
      | (?P<word> inf (?: inity )? | nan (?: \( [0-9a-z_]* \) )? )
    )""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)


_LEAST_NORMAL = 2.0**-1022  # DBL_MIN
_GREATEST = (2.0 - 2.0**-52) * 2.0**1023  # DBL_MAX


def strtod(text: str) -> float:
    """Return the number that is all of `text`; nothing at all is 0.0. Raises ValueError.

    Numbers beyond the normal range are refused. (The C library accepts subnormal numbers that
    are exact, such as 0x1p-1074; here they are refused, too.)
    """
    if not text:
        return 0.0
    if match := _NUMBER.fullmatch(text):
        if match["word"]:
            return float(match["sign"] + match["word"][:3])
        value = _read(float.fromhex if match["hex"] else float, text)
        is_zero = not (match["hex"] or match["decimal"]).strip("0.")
        if is_zero or _LEAST_NORMAL <= abs(value) <= _GREATEST:
            return value
    raise ValueError(text)


def _read(reader: Callable[[str], float], text: str) -> float:
    try:
        return reader(text)
    except OverflowError:  # of float.fromhex only; float makes it infinite
        return float("inf")
