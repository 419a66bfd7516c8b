# SPDX-License-Identifier: LGPL-3.0
"""In a broker: the connection, its memory, the stages of serving, settings."""
