# SPDX-License-Identifier: LGPL-3.0
"""Commands that run beside other services.

- ``serve``: answers job-list's requests over an ordinary connection
- ``install``: makes Flux load the broker module in job-list's place
- ``accounting``: feeds finished jobs to flux-accounting
"""

__all__ = ["accounting", "install", "serve"]
