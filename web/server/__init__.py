# SPDX-License-Identifier: LGPL-3.0
"""The server of the pages; needs the extra `web`.

app.py      routes, errors and headers
serving.py  a socket of the loopback interface with a token, or a unix socket
"""

__all__ = ["app", "serving"]
