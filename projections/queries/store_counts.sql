-- SPDX-License-Identifier: LGPL-3.0

-- name: counts
-- One row; the columns are the members of StoreCounts, in their order.
SELECT
    (SELECT count(*) FROM job) AS jobs,
    (SELECT count(*) FROM event) AS events,
    (SELECT count(*) FROM jobspec) AS jobspecs,
    (SELECT count(*) FROM R) AS Rs,
    (SELECT count(*) FROM batch) AS batches,
    (SELECT count(*) FROM reject) AS rejects,
    (SELECT count(*) FROM notice WHERE kind = 'purge') AS purges,
    (SELECT count(*) FROM notice WHERE kind = 'boot') AS boots,
    (SELECT count(*) FROM source) AS sources,
    (SELECT count(*) FROM source WHERE ended IS NULL) AS sources_unfinished,
    (SELECT timestamp FROM event ORDER BY seq LIMIT 1) AS first_event,
    (SELECT timestamp FROM event ORDER BY seq DESC LIMIT 1) AS last_event;
