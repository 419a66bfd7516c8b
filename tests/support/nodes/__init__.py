# SPDX-License-Identifier: LGPL-3.0
"""What tests of nodes share."""
