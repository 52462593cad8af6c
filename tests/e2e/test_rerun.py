"""A run with nothing to do does not open the database, and whatever else touched the file is noticed."""
import json
import shutil

import duckdb
import pytest

ARGS = ("aws", "import-cur", "--bucket")


@pytest.fixture
def done(finops, sample):
    """A database that holds all of the sample."""
    finops.bucket = sample / "sample-billing"
    finops.run(*ARGS, finops.bucket)
    return finops


def actions(finops, *more):
    return {r["billing_period"]: r["action"] for r in finops.rows(*ARGS, finops.bucket, *more)}


ALL_CURRENT = {"2026-05": "current", "2026-06": "current", "2026-07": "current"}


def test_nothing_to_do_needs_no_lock(done):
    with duckdb.connect(str(done.database)):  # nobody else can open the file now
        assert actions(done) == ALL_CURRENT
        assert actions(done, "--dry-run") == ALL_CURRENT
        assert "lock_timeout" in done.run(*ARGS, done.bucket, "--force", status=1,
                                          env={"OPEN_FINOPS_DATABASE_DUCKDB_LOCK_TIMEOUT": "0"}).stderr


def test_what_another_program_changed_is_noticed(done):
    with duckdb.connect(str(done.database)) as db:
        db.sql("DELETE FROM billing_state.load_state WHERE billing_period = '2026-06'")
    assert actions(done) == {**ALL_CURRENT, "2026-06": "load"}
    assert actions(done) == ALL_CURRENT


def test_what_stands_in_the_log_alone_is_noticed(done):
    db = duckdb.connect(str(done.database))
    db.sql("PRAGMA disable_checkpoint_on_shutdown")
    db.sql("DELETE FROM billing_state.load_state WHERE billing_period = '2026-06'")
    db.close()
    assert done.database.with_suffix(".duckdb.wal").stat().st_size > 0
    assert actions(done) == {**ALL_CURRENT, "2026-06": "load"}


def test_another_file_in_its_place_is_noticed(done, new_finops, sample):
    other = new_finops()
    other.bucket = done.bucket
    other.run(*ARGS, other.bucket, "--start-date", "2026-07")
    shutil.copy2(other.database, done.database)
    assert actions(done) == {"2026-05": "load", "2026-06": "load", "2026-07": "current"}


def test_a_database_that_is_gone_is_made_anew(done):
    done.database.unlink()
    assert actions(done) == {period: "load" for period in ALL_CURRENT}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format":1,"file":"","answers":[]}'])
def test_answers_that_make_no_sense_are_passed_over(done, text):
    done.database.with_suffix(".duckdb.kept").write_text(text)
    assert actions(done) == ALL_CURRENT


def test_one_new_month_among_old_ones(done, tmp_path):
    """The first months are told from what was kept, the database is opened for the new one."""
    bucket = tmp_path / "bills"
    shutil.copytree(done.bucket, bucket)
    done.bucket = bucket
    done.run(*ARGS, bucket)
    manifest = next(p for p in bucket.rglob("*-Manifest.json") if "2026-07" in str(p) or "20260701" in str(p))
    text = manifest.read_text()
    key = "executionId" if "executionId" in text else "assemblyId"
    body = json.loads(text)
    body[key] = "another-version"
    manifest.write_text(json.dumps(body))
    assert actions(done) == {**ALL_CURRENT, "2026-07": "replace"}
    assert actions(done) == ALL_CURRENT


def test_pruned_months_stay_pruned(done):
    done.run("aws", "prune", "--before", "2026-06", "--yes")
    for _ in range(2):
        assert actions(done) == {**ALL_CURRENT, "2026-05": "pruned"}
