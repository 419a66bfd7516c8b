-- SPDX-License-Identifier: LGPL-3.0
-- Tables of the engine; those of the views are in definitions/.

-- Each view: the version of the projection that made it, the last seq that it has applied, and
-- the names of its tables, separated by blanks.
CREATE TABLE IF NOT EXISTS view (
    name       TEXT PRIMARY KEY,
    version    TEXT NOT NULL,
    checkpoint INTEGER NOT NULL,
    tables     TEXT NOT NULL
);

-- The states of unfinished jobs (MessagePack, projections.job.state.Job), at the checkpoint of the
-- view "fold".
CREATE TABLE IF NOT EXISTS fold (job INTEGER PRIMARY KEY, data BLOB NOT NULL);

-- An unfinished rebuild: the views and versions that it makes (JSON), and how far it has come.
CREATE TABLE IF NOT EXISTS rebuild (plan TEXT NOT NULL, checkpoint INTEGER NOT NULL);
