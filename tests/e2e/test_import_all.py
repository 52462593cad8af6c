"""--atomic all: every month of a run is there afterwards, or none is."""
import json

MONTHS = ("2026-05", "2026-06", "2026-07")
LOADED = "SELECT billing_period, version_id, row_count FROM billing_state.load_state WHERE current_version ORDER BY 1"
SUMS = "SELECT billing_period, count(*) AS n, sum(line_item_unblended_cost) AS c FROM aws_billing.sample_cur_unified GROUP BY 1 ORDER BY 1"


def imported(finops, bucket, *args, status=0):
    return finops.run("aws", "import-cur", "--bucket", bucket / "sample-billing", *args, status=status)


def damage(bucket, period):
    damaged = next(bucket.rglob(f"BILLING_PERIOD={period}/*.parquet"))
    half = len(damaged.read_bytes()) // 2  # the footer is whole, a page is not
    damaged.write_bytes(damaged.read_bytes()[:half] + bytes(4096) + damaged.read_bytes()[half + 4096:])


def test_all_months_come_with_one_commit(every_backend, new_finops, sample):
    said = every_backend.rows("aws", "import-cur", "--bucket", sample / "sample-billing", "--atomic", "all")
    assert [(r["billing_period"], r["action"]) for r in said] == [(m, "load") for m in MONTHS]
    month_by_month = new_finops()
    imported(month_by_month, sample)
    assert every_backend.rows("query", LOADED) == month_by_month.rows("query", LOADED)
    assert [(r["n"], float(r["c"])) for r in every_backend.rows("query", SUMS)] == [(r["n"], float(r["c"])) for r in month_by_month.rows("query", SUMS)]
    if every_backend.backend == "ducklake":
        made = [s for s in every_backend.rows("lake", "snapshots") if str(s["message"]).startswith("import ")]
        assert len(made) == 1 and all(m in made[0]["message"] for m in MONTHS)
        trail = every_backend.rows("lake", "history")
        assert [(t["billing_period"], t["status"], t["snapshot_id"]) for t in trail] == [
            (m, "completed", made[0]["snapshot_id"]) for m in MONTHS]
    again = every_backend.rows("aws", "import-cur", "--bucket", sample / "sample-billing", "--atomic", "all")
    assert {r["action"] for r in again} == {"current"}


def test_when_the_last_month_fails_the_first_is_as_it_was(every_backend, sample, copy_of):
    bucket = copy_of(sample)
    imported(every_backend, bucket, "--end-date", "2026-06")
    before, sums = every_backend.rows("query", LOADED), every_backend.rows("query", SUMS)
    every_backend.run("sample", "--out", bucket, "--rows", 1500, "--months", 3, "--accounts", 4, "--seed", 11, "--start", "2026-05",
             "--restate", "2026-06")
    damage(bucket, "2026-07")
    said = every_backend.run("aws", "import-cur", "--bucket", bucket / "sample-billing", "--atomic", "all", "--format", "json", status=None)
    assert said.returncode not in (0, 3) and "none was" in said.stderr
    assert {r["billing_period"]: r["action"] for r in json.loads(said.stdout)} == {"2026-05": "current", "2026-06": "undone", "2026-07": "failed"}
    assert every_backend.rows("query", LOADED) == before and every_backend.rows("query", SUMS) == sums
    failed = every_backend.rows("query", "SELECT billing_period, status FROM billing_state.load_states WHERE status <> 'completed'")
    assert failed == [{"billing_period": "2026-07", "status": "failed"}]
    imported(every_backend, bucket, status=3)  # month by month the good one comes
    assert every_backend.rows("query", LOADED) != before


def test_reset_cannot_go_with_it(every_backend, sample):
    said = imported(every_backend, sample, "--atomic", "all", "--reset", "--yes", status=2)
    assert "--atomic all" in said.stderr
