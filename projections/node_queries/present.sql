-- SPDX-License-Identifier: LGPL-3.0

-- name: present
SELECT host, twin, rank, up, torpid, excluded, drained, reason, unknown FROM node
WHERE rank NOT NULL
ORDER BY rank;
