# SPDX-License-Identifier: LGPL-3.0
"""What tests and benchmarks share: data, stand-ins, and checks of several tests."""
