"""kill -9 at random points of an import, then the same command: as if nothing had happened.

FINOPS_KILLS sets how many times (default 200; scripts/soak.sh runs thousands).
"""
import os
import random
import shutil
import signal
import subprocess
import time

import duckdb
import pytest

KILLS = int(os.environ.get("FINOPS_KILLS", "200"))
MONTH = "month_2026_03"


def sample(finops, out, seed, version=None):
    extra = ["--restate", "2026-03"] if version else []
    finops.run("sample", "--out", out, "--rows", "4000", "--months", "2", "--accounts", "3", "--seed", str(seed), "--start", "2026-03",
               "--export-name", "month", "--format", "csv", "--cur-version", "v1", *extra)


def snapshot(path):
    """Everything that must fit together, read by another program."""
    with duckdb.connect(str(path), read_only=True) as db:
        state = db.sql("SELECT billing_period, version_id, row_count, total_cost FROM billing_state.load_state "
                       "WHERE current_version ORDER BY 1").fetchall()
        tables = {r[0] for r in db.sql("SELECT table_name FROM information_schema.tables WHERE table_schema = 'aws_billing' "
                                       "AND table_type = 'BASE TABLE'").fetchall()}
        assert tables == {"month_" + s[0].replace("-", "_") for s in state}, "tables and state differ"
        for period, version, rows, cost in state:
            table = "month_" + period.replace("-", "_")
            assert db.sql(f"SELECT count(*), sum(line_item_unblended_cost) FROM aws_billing.{table}").fetchone() == (rows, cost)
            ledger = db.sql("SELECT sum(row_count), sum(unblended) FROM billing_state.ledger WHERE billing_period = ? AND "
                            "version_id = ?", params=(period, version)).fetchone()
            assert ledger == (rows, cost)
        if state:
            assert db.sql("SELECT count(*) FROM aws_billing.month_unified").fetchone()[0] == sum(s[2] for s in state)
        return state


def kill_once(finops, bucket, after):
    process = finops.start("aws", "import-cur", "--bucket", bucket, "--force", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after)
    killed = process.poll() is None
    if killed:
        process.send_signal(signal.SIGKILL)
    process.wait()
    return killed


def test_an_import_survives_being_killed_at_any_point(finops):
    random.seed(20261121)
    sample(finops, "old", 3)
    sample(finops, "new", 3)
    sample(finops, "new", 3, version=2)
    buckets = ["./%s/%s" % (name, next(p.name for p in (finops.folder / name).iterdir() if p.is_dir())) for name in ("old", "new")]
    finops.run("aws", "import-cur", "--bucket", buckets[0])
    start = time.monotonic()
    finops.run("aws", "import-cur", "--bucket", buckets[0], "--force")
    whole = time.monotonic() - start
    killed = 0
    shutil.copytree(finops.folder / "old", finops.folder / "bills")
    bucket = buckets[0].replace("./old", "./bills")
    finops.database.unlink()
    finops.run("aws", "import-cur", "--bucket", bucket)
    complete = snapshot(finops.database)
    for n in range(KILLS):
        killed += kill_once(finops, bucket, random.uniform(0, whole * 1.1))
        assert snapshot(finops.database) == complete, f"after kill {n + 1}"
        if n % 10 == 9:  # the other version comes in, and is what the next kills must leave
            name = "new" if n % 20 == 9 else "old"
            shutil.rmtree(finops.folder / "bills")
            shutil.copytree(finops.folder / name, finops.folder / "bills")
            finops.run("aws", "import-cur", "--bucket", bucket)
            complete = snapshot(finops.database)
            known = (finops.database.name, finops.database.name + ".kept")
            leftovers = [p.name for p in finops.database.parent.iterdir() if p.name not in known]
            assert leftovers == [], "an import that ended well leaves nothing behind"
    print(f"{killed} of {KILLS} imports were killed before they ended")
    assert killed > KILLS // 3


@pytest.mark.parametrize("when", [0.05, 0.2, 0.5])
def test_the_first_import_killed_leaves_nothing_half_done(finops, when):
    sample(finops, "old", 5)
    bucket = "./old/" + next(p.name for p in (finops.folder / "old").iterdir() if p.is_dir())
    kill_once(finops, bucket, when)
    finops.run("aws", "import-cur", "--bucket", bucket)
    assert len(snapshot(finops.database)) == 2
