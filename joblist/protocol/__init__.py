# SPDX-License-Identifier: LGPL-3.0
"""The protocol of job-list as bytes in and bytes out. Pure: no I/O, no clock.

    payload.py    request payloads, read and unpacked as flux-core does it with jansson
    jansson.py    JSON as libjansson reads it, with its error texts, where that matters
    caution.py    which texts only jansson.py reads rightly
    requests.py   what each request holds, checked in job-list's order
    responses.py  the payload of every response
    budgets.py    how much a request, a user and all together may take, with the errors
    errors.py     an errno and a text, as in job-list's error responses

Exact texts matter: clients of job-list show them to users, and tests compare them.
"""

__all__ = ["budgets", "caution", "errors", "jansson", "payload", "requests", "responses"]
