-- SPDX-License-Identifier: LGPL-3.0
-- Projections of a site that were left behind: which version, and why it failed. The version is
-- empty for one that cannot be loaded. The table is made when the first one fails.
CREATE TABLE IF NOT EXISTS view_failure (
    name    TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    reason  TEXT NOT NULL
) WITHOUT ROWID;
