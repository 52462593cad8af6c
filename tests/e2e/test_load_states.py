"""The load state in the words of the domain: load_states and schema_versions, on every backend."""
import json
import pathlib

import duckdb
import pyarrow.parquet

QUERY = ("SELECT export_name, billing_period, version_id, account_id, status, record_count, file_paths, snapshot_id, error, "
         "load_start_time <= load_end_time AS in_order FROM billing_state.load_states ORDER BY billing_period, load_start_time")


def imported(finops, bucket, status=0, *args):
    return finops.run("aws", "import-cur", "--bucket", bucket / "sample-billing", *args, status=status)


def test_a_load_says_whose_bill_it_was_from_which_files_and_how_it_ended(every_backend, sample):
    imported(every_backend, sample)
    states = every_backend.rows("query", QUERY)
    assert [s["billing_period"] for s in states] == ["2026-05", "2026-06", "2026-07"]
    payers = set()
    for state in states:
        files = json.loads(state["file_paths"])
        assert state["status"] == "completed" and state["error"] is None and state["in_order"] in (True, "true", "t")
        assert files and all(state["billing_period"] in f for f in files)
        assert sum(pyarrow.parquet.read_metadata(f).num_rows for f in files) == int(state["record_count"])
        payers |= set(pyarrow.parquet.read_table(files[0])["bill_payer_account_id"].to_pylist())
    assert {s["account_id"] for s in states} == payers


def test_the_columns_of_the_files_and_what_became_of_them_are_kept(every_backend, sample):
    imported(every_backend, sample)
    kept = every_backend.rows("query", "SELECT v.column_mappings, s.file_paths, v.schema_hash = t.schema_hash AS same FROM billing_state.schema_versions "
                              "AS v JOIN billing_state.load_states AS s ON s.version_id = v.version_id JOIN billing_state.load_state "
                              "AS t ON t.version_id = v.version_id")
    assert len(kept) == 3
    for row in kept:
        mappings = row["column_mappings"] if isinstance(row["column_mappings"], dict) else json.loads(row["column_mappings"])
        headers = pyarrow.parquet.read_schema(json.loads(row["file_paths"])[0]).names
        assert row["same"] in (True, "true", "t") and set(mappings) == set(headers)
        assert mappings["line_item_unblended_cost"] == "line_item_unblended_cost"


def test_a_load_that_failed_says_why(every_backend, sample, copy_of):
    bucket = copy_of(sample)
    imported(every_backend, bucket, 0, "--end-date", "2026-06")
    damaged = next(bucket.rglob("BILLING_PERIOD=2026-07/*.parquet"))
    damaged.write_bytes(damaged.read_bytes()[:200])
    imported(every_backend, bucket, 3)
    last = every_backend.rows("query", QUERY)[-1]
    assert last["status"] == "failed" and damaged.name in last["error"]
    assert json.loads(last["file_paths"]) and last["record_count"] is None and last["snapshot_id"] is None


def test_a_load_nobody_works_on_any_more_was_rolled_back(every_backend, sample):
    imported(every_backend, sample)
    for until, status in (("2099-01-01", "started"), ("2020-01-01", "rolled_back")):
        every_backend.run("query", "--write", "UPDATE billing_state.load_state SET load_completed = false, claimed_by = 'gone:1', "
                                     f"claim_expires = TIMESTAMP '{until}' WHERE billing_period = '2026-07'")
        assert [s["status"] for s in every_backend.rows("query", QUERY)] == ["completed", "completed", status]


def test_a_load_into_a_lake_says_which_state_it_made(new_finops, sample):
    home = new_finops()
    home.env["OPEN_FINOPS_DATABASE_BACKEND"] = "ducklake"
    imported(home, sample)
    made = {int(s["snapshot_id"]): s["message"] for s in home.rows("lake", "snapshots")}
    for state in home.rows("query", QUERY):
        assert made[int(state["snapshot_id"])] == f"import sample-cur {state['billing_period']}, version {state['version_id']}"


def test_a_database_of_an_older_version_gets_them(new_finops, sample):
    home = new_finops()
    imported(home, sample)
    with duckdb.connect(str(home.database)) as db:
        db.sql("DROP VIEW billing_state.load_states")
        db.sql("DROP TABLE billing_state.schema_versions")
        db.sql("ALTER TABLE billing_state.load_state DROP COLUMN file_paths")
    imported(home, sample, 0, "--force")
    assert all(pathlib.Path(f).exists() for s in home.rows("query", QUERY) for f in json.loads(s["file_paths"]))
