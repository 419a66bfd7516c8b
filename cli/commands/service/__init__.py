# SPDX-License-Identifier: LGPL-3.0
"""Commands that run beside other services.

serve.py       answers job-list's requests over an ordinary connection
install.py     makes Flux load the broker module in job-list's place
accounting.py  feeds finished jobs to flux-accounting
publish.py     sends events, jobs or nodes to Kafka
web.py         serves the history as pages
"""

__all__ = ["accounting", "install", "publish", "serve", "web"]
