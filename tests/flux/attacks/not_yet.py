# SPDX-License-Identifier: LGPL-3.0
"""Attacks that the module does not stand yet, by the test's name, with what was seen.

Whoever mends one takes its line out; when there is none left, this file goes.
"""

NOT_YET: dict[str, str] = {
    "test_all_jobs_in_one_response": "jobs run at 0.79 of their rate on two cores, where they "
    "run at 0.66 beside flux-core's module",
    "test_clients[watchers]": "p99 0.261 s on two cores, where a ping took 0.249 s once",
    "test_clients[waited-states]": "p99 0.48 s: 20,000 requests at once, 34 us each",
    "test_clients[disconnects]": "p99 2.6 s on two cores, where a ping took 1.3 s",
}
