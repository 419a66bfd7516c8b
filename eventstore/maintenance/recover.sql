-- SPDX-License-Identifier: LGPL-3.0

-- name: append_source
INSERT INTO source (source, name, boot, started, ended, outcome)
VALUES (?, ?, ?, ?, ?, ?);

-- name: append_recovery
-- A source that says that the store was recovered, and is not complete.
INSERT INTO source (name, started, ended, outcome)
VALUES (?, ?, ?, 'recovered');

-- name: number_of_seqs
SELECT (SELECT count(*) FROM event) + (SELECT count(*) FROM notice);
