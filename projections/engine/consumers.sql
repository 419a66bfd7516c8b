-- SPDX-License-Identifier: LGPL-3.0
-- The cursors of consumers, in a file of their own beside the database.
CREATE TABLE consumer (
    name   TEXT PRIMARY KEY,
    batch  INTEGER NOT NULL,
    digest BLOB    NOT NULL,
    note   TEXT    NOT NULL  -- what the consumer saved with the cursor
)
