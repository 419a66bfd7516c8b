# SPDX-License-Identifier: LGPL-3.0
"""The tests: recordings.py finds what real instances said, strategies.py makes the rest up."""
