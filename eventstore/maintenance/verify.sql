-- SPDX-License-Identifier: LGPL-3.0

-- name: batches
SELECT batch, source, first, last, rejects, committed, checks, digest FROM batch
ORDER BY batch;
