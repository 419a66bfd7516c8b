# SPDX-License-Identifier: LGPL-3.0
"""Flux for tests: instances of it, and what stands in for its Python bindings.

instance.py  starts instances, and runs scripts in them
tool.py      runs inside an instance: makes jobs, asks questions
fake.py      bindings that do what a test says
"""

__all__ = ["fake", "instance", "tool"]
