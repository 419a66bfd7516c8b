# SPDX-License-Identifier: LGPL-3.0
"""Pages and metrics: the history for people who would rather look than read (docs/web.md).

viewers.py   who asks: the token of a loopback address, or the user that a proxy names
asking.py    one request's view of the database: whose, of which moment, for how long
clusters.py  which databases are shown, and which of them a request asks
pages/       what each page shows, one page a file; the metrics
server/      routes, errors and headers; the sockets
templates/   how it shows it
static/      style, the script of the pages, and the libraries of others (vendor/)

Everything is read-only. Whose jobs are shown is decided in joblist/visibility.py.
"""

__all__ = ["asking", "clusters", "pages", "server", "viewers"]
