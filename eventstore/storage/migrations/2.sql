-- SPDX-License-Identifier: LGPL-3.0
-- What follows from other columns or resembles other rows is left out of `data` (compact.py).
-- Rows from before have all of it.
ALTER TABLE event ADD COLUMN form INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobspec ADD COLUMN base INTEGER;
ALTER TABLE R ADD COLUMN base INTEGER;
