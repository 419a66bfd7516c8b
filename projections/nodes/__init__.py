# SPDX-License-Identifier: LGPL-3.0
"""Pure: the state of each node, and how each event of the resource journal (RFC 44) changes it.

state.py      a node, and an instance of nodes
inputs.py     what is folded, decoded: events, status, ends
reducers.py   one function for each kind of input
drains.py     drain and undrain, live and replayed
loads.py      a restart: who is there, which drains persist, how the load before ended
timeline.py   from changed nodes to intervals
"""

__all__ = ["drains", "inputs", "loads", "reducers", "state", "timeline"]
