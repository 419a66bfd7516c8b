# SPDX-License-Identifier: LGPL-3.0
"""Profiles of hypothesis: few examples by default, more with HYPOTHESIS_PROFILE=nightly."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings

_NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
_slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
settings.register_profile("ci", max_examples=40, deadline=None, suppress_health_check=_slow)
settings.register_profile(
    "nightly", max_examples=2000, deadline=None, suppress_health_check=_slow
)
settings.register_profile(  # no time to look for the smallest example
    "quick", max_examples=60, deadline=None, suppress_health_check=_slow, phases=_NO_SHRINKING
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))
