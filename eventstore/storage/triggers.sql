-- SPDX-License-Identifier: LGPL-3.0
-- The store is append-only: SQLite refuses UPDATE and DELETE of a stored row in whichever
-- program has the file open. Two limits:
--   * INSERT OR REPLACE fires DELETE triggers only if `PRAGMA recursive_triggers` is on, as it is
--     in our connections (connection.py). In another program it overwrites a row; `verify` names
--     the row then.
--   * A source whose end is not written yet can be changed; its end is written once.

CREATE TRIGGER job_no_update BEFORE UPDATE ON job
BEGIN SELECT RAISE(ABORT, 'flux-jobdb: job is append-only'); END;
CREATE TRIGGER job_no_delete BEFORE DELETE ON job
BEGIN SELECT RAISE(ABORT, 'flux-jobdb: job is append-only'); END;

CREATE TRIGGER event_no_update BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'flux-jobdb: event is append-only'); END;
CREATE TRIGGER event_no_delete BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'flux-jobdb: event is append-only'); END;

CREATE TRIGGER jobspec_no_update BEFORE UPDATE ON jobspec
BEGIN SELECT RAISE(ABORT, 'flux-jobdb: jobspec is append-only'); END;
CREATE TRIGGER jobspec_no_delete BEFORE DELETE ON jobspec
BEGIN SELECT RAISE(ABORT, 'flux-jobdb: jobspec is append-only'); END;

CREATE TRIGGER R_no_update BEFORE UPDATE ON R
BEGIN SELECT RAISE(ABORT, 'flux-jobdb: R is append-only'); END;
CREATE TRIGGER R_no_delete BEFORE DELETE ON R
BEGIN SELECT RAISE(ABORT, 'flux-jobdb: R is append-only'); END;

CREATE TRIGGER notice_no_update BEFORE UPDATE ON notice
BEGIN SELECT RAISE(ABORT, 'flux-jobdb: notice is append-only'); END;
CREATE TRIGGER notice_no_delete BEFORE DELETE ON notice
BEGIN SELECT RAISE(ABORT, 'flux-jobdb: notice is append-only'); END;

CREATE TRIGGER purged_no_update BEFORE UPDATE ON purged
BEGIN SELECT RAISE(ABORT, 'flux-jobdb: purged is append-only'); END;
CREATE TRIGGER purged_no_delete BEFORE DELETE ON purged
BEGIN SELECT RAISE(ABORT, 'flux-jobdb: purged is append-only'); END;

CREATE TRIGGER gone_no_update BEFORE UPDATE ON gone
BEGIN SELECT RAISE(ABORT, 'flux-jobdb: gone is append-only'); END;
CREATE TRIGGER gone_no_delete BEFORE DELETE ON gone
BEGIN SELECT RAISE(ABORT, 'flux-jobdb: gone is append-only'); END;

CREATE TRIGGER batch_no_update BEFORE UPDATE ON batch
BEGIN SELECT RAISE(ABORT, 'flux-jobdb: batch is append-only'); END;
CREATE TRIGGER batch_no_delete BEFORE DELETE ON batch
BEGIN SELECT RAISE(ABORT, 'flux-jobdb: batch is append-only'); END;

CREATE TRIGGER reject_no_update BEFORE UPDATE ON reject
BEGIN SELECT RAISE(ABORT, 'flux-jobdb: reject is append-only'); END;
CREATE TRIGGER reject_no_delete BEFORE DELETE ON reject
BEGIN SELECT RAISE(ABORT, 'flux-jobdb: reject is append-only'); END;

CREATE TRIGGER source_ends_once BEFORE UPDATE ON source WHEN OLD.ended IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'flux-jobdb: a source ends once'); END;
CREATE TRIGGER source_no_delete BEFORE DELETE ON source
BEGIN SELECT RAISE(ABORT, 'flux-jobdb: source is append-only'); END;
