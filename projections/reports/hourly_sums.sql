-- SPDX-License-Identifier: LGPL-3.0
-- Sums of whole hours or days, :first <= hour < :end. Each query begins with the columns of a
-- group, which stand for {keys}, and is grouped by them. :from is the first hour of a period.

-- name: usage_of_hours
-- Jobs that ran, but for those that ran before the first hour; in that hour, those that did; node-seconds and
-- the microseconds left over; the same of cores. (Sums of microseconds may exceed 64 bits.)
SELECT {keys} sum(started), sum((jobs - started) * (hour = :from)),
       sum(node_us / 1000000), sum(node_us % 1000000),
       sum(core_us / 1000000), sum(core_us % 1000000)
FROM report_hour WHERE hour >= :first AND hour < :end AND jobs > 0 {grouped};

-- name: usage_of_days
-- The same by day.
SELECT {keys} sum(started), sum(before * (day * 24 = :from)),
       sum(node_s), sum(node_us), sum(core_s), sum(core_us)
FROM report_day WHERE day >= :first AND day < :end AND started + before > 0 {grouped};

-- name: results_of_hours
-- Jobs that became inactive, by result.
SELECT {keys} sum(completed), sum(failed), sum(canceled), sum(timeout)
FROM report_hour WHERE hour >= :first AND hour < :end AND completed + failed + canceled + timeout > 0
{grouped};

-- name: results_of_days
-- The same by day.
SELECT {keys} sum(completed), sum(failed), sum(canceled), sum(timeout)
FROM report_day WHERE day >= :first AND day < :end AND completed + failed + canceled + timeout > 0
{grouped};

-- name: alone
-- Jobs that are in no sum: when they ran, nodes, cores, and their group.
SELECT start, finish, nodes, cores {and_keys} FROM report_alone;
