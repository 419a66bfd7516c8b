-- SPDX-License-Identifier: LGPL-3.0
-- One row each; columns are members of StoreCounts, in their order.

-- name: appended
SELECT
    (SELECT count(*) FROM job) AS jobs,
    (SELECT count(*) FROM event) AS events,
    (SELECT count(*) FROM jobspec) AS jobspecs,
    (SELECT count(*) FROM R) AS Rs,
    (SELECT count(*) FROM batch) AS batches,
    (SELECT count(*) FROM reject) AS rejects;

-- name: appended_since
-- Those behind "ends".
SELECT
    (SELECT count(*) FROM job WHERE key > ?) AS jobs,
    (SELECT count(*) FROM event WHERE seq > ?) AS events,
    (SELECT count(*) FROM jobspec WHERE seq > ?) AS jobspecs,
    (SELECT count(*) FROM R WHERE seq > ?) AS Rs,
    (SELECT count(*) FROM batch WHERE batch > ?) AS batches,
    (SELECT count(*) FROM reject WHERE reject > ?) AS rejects;

-- name: ends
SELECT
    (SELECT coalesce(max(key), 0) FROM job),
    (SELECT coalesce(max(seq), 0) FROM event),
    (SELECT coalesce(max(seq), 0) FROM jobspec),
    (SELECT coalesce(max(seq), 0) FROM R),
    (SELECT coalesce(max(batch), 0) FROM batch),
    (SELECT coalesce(max(reject), 0) FROM reject);

-- name: others
SELECT
    (SELECT count(*) FROM notice WHERE kind = 'purge') AS purges,
    (SELECT count(*) FROM notice WHERE kind = 'boot') AS boots,
    (SELECT count(*) FROM source) AS sources,
    (SELECT count(*) FROM source WHERE ended IS NULL) AS sources_unfinished,
    (SELECT timestamp FROM event ORDER BY seq LIMIT 1) AS first_event,
    (SELECT timestamp FROM event ORDER BY seq DESC LIMIT 1) AS last_event;
