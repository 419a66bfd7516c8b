# SPDX-License-Identifier: LGPL-3.0
"""Who asks: Flux. The protocol of flux-core's job-list module, answered from the views.

    config.py     what a site configures: [job-list], [access], [queues]
    payload.py    requests as jansson reads them, with its errors (jansson.py)
    requests.py   what each request holds, checked as job-list checks it
    service.py    each topic's answer

Nothing here needs Flux; errors are job-list's own, errno and words (errors.py).
"""
