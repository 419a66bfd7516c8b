# SPDX-License-Identifier: LGPL-3.0
"""Quantiles and means of whole numbers, without floating point.

A quantile between two values is on the straight line between them (SQL's percentile_cont, and
what numpy and pandas do by default), so that the median of an even number of values is the
middle of the two in the middle. Results are rounded to whole numbers, halves to even ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction


def quantile(ordered: Sequence[int], percent: int) -> int:
    """Return the value below which ``percent`` of the values are; there must be one."""
    place, rest = divmod((len(ordered) - 1) * percent, 100)
    low = ordered[place]
    if not rest:
        return low
    return round(low + Fraction((ordered[place + 1] - low) * rest, 100))


def mean(values: Sequence[int]) -> int:
    """Return the mean of the values; there must be one."""
    return round(Fraction(sum(values), len(values)))
