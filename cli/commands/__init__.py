# SPDX-License-Identifier: LGPL-3.0
"""The commands, one a file: ``command`` in each is what ``cli.main`` runs."""
