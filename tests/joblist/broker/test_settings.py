# SPDX-License-Identifier: LGPL-3.0
"""Arguments of the module: what is a number, and what is named as none."""

from __future__ import annotations

import pytest

from joblist.broker.settings import Settings
from joblist.config import ConfigError


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("17", 17), ("007", 7)])
def test_a_number(text: str, value: int) -> None:
    assert value == Settings(dict, [f"max_comparisons={text}"]).now().max_comparisons


@pytest.mark.parametrize(
    "text",
    ["--5", "²", "1²", "-", "", "+1", "1_0", "٣", "1.5", " 1", "9" * 19, "9" * 5000],
)
def test_what_is_no_number_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match=r"job-list\.max_comparisons must be"):
        Settings(dict, [f"max_comparisons={text}"]).now()
