# SPDX-License-Identifier: LGPL-3.0
"""An instance that names its cluster, and databases that are of this one or of another."""

from __future__ import annotations

import pytest

from eventstore.reading.cluster import cluster
from eventstore.storage.connection import open_readonly
from tests.support.flux.instance import Instances

pytestmark = pytest.mark.flux


def test_an_instance_tells_its_cluster(run: Instances) -> None:
    config = run.folder / "config" / "job-list.toml"
    for name, status in (("tuolumne", 0), ("elcap", 1)):
        config.write_text(f'[job-list]\ncluster = "{name}"\n', "utf-8")
        run(
            f"""
            flux run true; away
            set +e
            ours dbpath=$OUT/shared.sqlite 2>/dev/null
            test $? = {status} || exit 9
            flux dmesg >$OUT/{name}.log
            flux python -m flux_jobdb --db $OUT/shared.sqlite serve 2>$OUT/{name}.err &
            sleep 3; kill $! 2>/dev/null; wait
            flux module list | grep -q job-list && away
            true
            """
        )
    said = "its cluster is tuolumne, not elcap"
    assert said in (run.folder / "elcap.log").read_text("utf-8")
    assert said in (run.folder / "elcap.err").read_text("utf-8")
    assert said not in (run.folder / "tuolumne.log").read_text("utf-8")
    with open_readonly(str(run.folder / "shared.sqlite")) as store, store.snapshot() as db:
        assert "tuolumne" == cluster(db)
