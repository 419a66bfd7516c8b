# SPDX-License-Identifier: LGPL-3.0
"""Following the journal, also while the store fails or has gone."""
