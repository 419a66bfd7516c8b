-- SPDX-License-Identifier: LGPL-3.0
-- From here on there are notices of the resource module, which are read in the order of their
-- times (events/resource_notices.py).
CREATE INDEX notice_by_time ON notice (kind, time);
DROP INDEX notice_by_kind;
