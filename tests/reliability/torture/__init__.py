# SPDX-License-Identifier: LGPL-3.0
"""Breaking the store on purpose: what takes minutes is run by `make torture`."""
