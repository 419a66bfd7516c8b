# SPDX-License-Identifier: LGPL-3.0
"""Attacks that the module does not stand yet, by the test's name, with what was seen.

Whoever mends one takes its line out; when there is none left, this file goes.
"""

NOT_YET: dict[str, str] = {}
