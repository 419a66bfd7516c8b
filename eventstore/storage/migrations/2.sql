-- SPDX-License-Identifier: LGPL-3.0
-- From here on, `data` leaves out what follows from other columns or resembles other rows
-- (events/compression.py). Older rows keep their whole text.
ALTER TABLE event ADD COLUMN form INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobspec ADD COLUMN base INTEGER;
ALTER TABLE R ADD COLUMN base INTEGER;
