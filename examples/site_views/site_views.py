"""What our site counts: node-hours by day, and jobs that ran into their time limit."""

from collections.abc import Iterator

from flux_jobdb import INACTIVE, RUN, TIMEOUT, Add, Job, Put


class NodeHours:
    """Node-hours by user, queue and day, and the jobs that were ended by their limit."""

    name = "node_hours"
    version = 1
    schema = """
        CREATE TABLE node_hours_by_day (
            day        INTEGER NOT NULL,  -- days since the epoch, UTC
            userid     INTEGER NOT NULL,
            queue      TEXT    NOT NULL,
            jobs       INTEGER NOT NULL,
            node_hours REAL    NOT NULL,
            PRIMARY KEY (day, userid, queue)
        );
        CREATE TABLE overrun (
            job INTEGER PRIMARY KEY, jobid INTEGER, userid INTEGER, limit_s REAL
        );
        CREATE INDEX overrun_by_user ON overrun (userid);
    """

    def rows(self, job: Job) -> Iterator[Put | Add]:
        """Return the rows that follow from the job's state."""
        if job.state != INACTIVE or not job.states_mask & RUN:
            return
        hours = (job.t_cleanup - job.t_run) / 3600 * max(job.nnodes, 0)
        day = int(job.t_inactive // 86400)
        yield Add("node_hours_by_day", (day, job.userid, job.queue or ""), (1, hours))
        if job.result == TIMEOUT:
            yield Put("overrun", (job.key, job.id, job.userid, job.duration))


node_hours = NodeHours()
