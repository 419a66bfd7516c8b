-- SPDX-License-Identifier: LGPL-3.0

-- name: load_at
-- (restart, ended, why) of the load that had begun by a time.
SELECT restart, ended, why FROM node_load
WHERE restart <= ?
ORDER BY restart DESC LIMIT 1;
