"""Publishing is atomic: versions, restatements, failures, concurrent readers and writers."""
import json
import subprocess
import time
from decimal import Decimal

import duckdb
import pytest

from conftest import Finops

EXPORT = ("--export-name", "acme-cur-hourly")


def table_sum(path, table="acme_cur_hourly_2024_11"):
    with duckdb.connect(str(path), read_only=True) as db:
        return db.sql(f"SELECT count(*), sum(line_item_unblended_cost) FROM aws_billing.{table}").fetchone()


def state(finops):
    return {r["billing_period"]: r for r in finops.rows("aws", "show-state") if r["current_version"]}


@pytest.fixture
def bucket(shared, copy_of):
    return copy_of(shared / "aws-cur-v1" / "acme-billing")


def november(bucket):
    return bucket / "cur/acme/acme-cur-hourly/20241101-20241201"


def point_at(bucket, assembly):
    """Makes an assembly the current one, as the provider does: its manifest is copied to the top."""
    folder = november(bucket)
    text = (folder / assembly / "acme-cur-hourly-Manifest.json").read_text()
    (folder / "acme-cur-hourly-Manifest.json").write_text(text)


def want(expected, superseded=None):
    v1 = expected["aws"]["111122223333"]["cur-v1-csv"]
    v = v1["superseded"][superseded] if superseded else v1["2024-11"]
    return v["rows"], Decimal(v["unblended"])


def test_a_restated_month_is_replaced_and_an_older_assembly_comes_back(finops, bucket, expected):
    point_at(bucket, "20241128T043015Z")
    finops.run("aws", "import-cur", "--bucket", bucket)
    assert table_sum(finops.database) == want(expected, "20241128T043015Z")
    point_at(bucket, "20241204T071522Z")
    rows = finops.rows("aws", "import-cur", "--bucket", bucket)
    assert {r["billing_period"]: r["action"] for r in rows} == {"2024-10": "current", "2024-11": "replace", "2024-12": "current"}
    assert table_sum(finops.database) == want(expected)
    point_at(bucket, "20241128T043015Z")
    finops.run("aws", "import-cur", "--bucket", bucket)
    assert table_sum(finops.database) == want(expected, "20241128T043015Z")
    history = [r for r in finops.rows("aws", "show-state", "--history") if r["billing_period"] == "2024-11"]
    assert sorted((r["version_id"], r["current_version"]) for r in history) == [
        ("20241128T043015Z", True), ("20241204T071522Z", False)]


def test_the_current_version_again_changes_nothing(finops, bucket):
    finops.run("aws", "import-cur", "--bucket", bucket)
    before = state(finops)
    assert all(r["action"] == "current" for r in finops.rows("aws", "import-cur", "--bucket", bucket))
    assert state(finops) == before


def test_a_month_that_fails_is_recorded_and_stops_no_other(finops, bucket, expected):
    point_at(bucket, "20241128T043015Z")
    finops.run("aws", "import-cur", "--bucket", bucket)
    point_at(bucket, "20241204T071522Z")
    (november(bucket) / "20241204T071522Z" / "acme-cur-hourly-00002.csv.gz").unlink()
    finops.database.unlink()
    finops.run("aws", "import-cur", "--bucket", bucket, status=3)
    rows = {r["billing_period"]: r for r in finops.rows("aws", "show-state")}
    assert rows["2024-10"]["load_completed"] and rows["2024-12"]["load_completed"]
    assert not rows["2024-11"]["load_completed"]
    assert "acme-cur-hourly-00002.csv.gz" in rows["2024-11"]["error_message"]


def test_a_failing_restatement_leaves_the_month_as_it_was(finops, bucket, expected):
    point_at(bucket, "20241128T043015Z")
    finops.run("aws", "import-cur", "--bucket", bucket)
    point_at(bucket, "20241204T071522Z")
    broken = november(bucket) / "20241204T071522Z" / "acme-cur-hourly-00003.csv.gz"
    broken.write_bytes(broken.read_bytes()[:-20])
    done = finops.run("aws", "import-cur", "--bucket", bucket, status=3)
    assert "acme-cur-hourly-00003.csv.gz" in done.stderr
    assert table_sum(finops.database) == want(expected, "20241128T043015Z")
    assert state(finops)["2024-11"]["version_id"] == "20241128T043015Z"


def test_force_reloads_and_reset_starts_over(finops, bucket, expected):
    finops.run("aws", "import-cur", "--bucket", bucket)
    rows = finops.rows("aws", "import-cur", "--bucket", bucket, "--force", "--start-date", "2024-11", "--end-date", "2024-11")
    assert [(r["billing_period"], r["action"]) for r in rows] == [("2024-11", "reload")]
    assert table_sum(finops.database) == want(expected)
    refused = finops.run("aws", "import-cur", "--bucket", bucket, "--reset", status=2)
    assert "--yes" in refused.stderr
    rows = finops.rows("aws", "import-cur", "--bucket", bucket, "--reset", "--yes")
    assert {r["action"] for r in rows} == {"load"}
    assert table_sum(finops.database) == want(expected)


def test_prune_removes_old_months_for_good(finops, bucket):
    finops.run("aws", "import-cur", "--bucket", bucket)
    rows = finops.rows("aws", "prune", "--before", "2024-12", "--yes")
    assert [r["billing_period"] for r in rows] == ["2024-10", "2024-11"]
    assert list(state(finops)) == ["2024-12"]
    rows = finops.rows("aws", "import-cur", "--bucket", bucket)
    assert {r["billing_period"]: r["action"] for r in rows} == {"2024-10": "pruned", "2024-11": "pruned", "2024-12": "current"}
    with duckdb.connect(str(finops.database), read_only=True) as db:
        assert db.sql("SELECT DISTINCT billing_period FROM aws_billing.acme_cur_hourly_unified").fetchall() == [("2024-12",)]


def test_a_dry_run_writes_nothing(finops, bucket):
    rows = finops.rows("aws", "import-cur", "--bucket", bucket, "--dry-run")
    assert [r["action"] for r in rows] == ["load"] * 3
    assert not finops.database.exists()


def test_equal_names_from_two_sources_are_kept_apart(finops, bucket, tmp_path, expected):
    other = tmp_path / "elsewhere"
    bucket_copy = bucket.rename(tmp_path / "first")
    import shutil
    shutil.copytree(bucket_copy, other)
    finops.run("aws", "import-cur", "--bucket", bucket_copy)
    done = finops.run("aws", "import-cur", "--bucket", other)
    assert str(other) in done.stderr and "kept apart" in done.stderr
    names = {r["export_name"] for r in finops.rows("aws", "show-state")}
    assert len(names) == 2 and "acme-cur-hourly" in names
    again = finops.rows("aws", "import-cur", "--bucket", other)
    assert {r["action"] for r in again} == {"current"}
    assert table_sum(finops.database) == want(expected)


@pytest.fixture(scope="module")
def slow_bill(tmp_path_factory):
    """A sample of our own whose import takes some seconds."""
    made = Finops(tmp_path_factory.mktemp("slow"))
    made.run("sample", "--out", "big", "--rows", "1200000", "--months", "1", "--accounts", "5", "--seed", "7",
             "--format", "csv", "--cur-version", "v1", timeout=600)
    return made.folder / "big" / bucket_below(made, "big")


@pytest.fixture
def slow_import(finops, slow_bill):
    """The slow bill, for a database in which there is another one."""
    finops.run("sample", "--out", "small", "--rows", "2000", "--months", "2", "--accounts", "5", "--seed", "8",
               "--export-name", "small", "--format", "csv", "--cur-version", "v1")
    finops.run("aws", "import-cur", "--bucket", "./small/" + bucket_below(finops, "small"))
    return slow_bill


def bucket_below(finops, name):
    folders = [p.name for p in (finops.folder / name).iterdir() if p.is_dir()]
    assert len(folders) == 1
    return folders[0]


def test_readers_answer_within_a_second_while_an_import_runs(finops, slow_import):
    writer = finops.start("aws", "import-cur", "--bucket", slow_import, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    answered = 0
    slowest = 0
    try:
        deadline = time.monotonic() + 60
        while writer.poll() is None and time.monotonic() < deadline:
            for verb in (["query", "SELECT count(*) AS n FROM aws_billing.small_unified"], ["aws", "show-state"],
                         ["report", "--export-name", "small"]):
                start = time.monotonic()
                rows = finops.rows(*verb)
                slowest = max(slowest, time.monotonic() - start)
                assert rows
            if writer.poll() is None:
                answered += 1
        assert writer.wait(60) == 0, writer.stderr.read()
    finally:
        writer.kill()
        writer.wait()
    assert answered >= 2, "the import was over too soon to prove anything"
    print(f"{answered} rounds beside the import, the slowest answer took {slowest:.2f} s")
    assert slowest < 1


def test_two_imports_at_once_do_no_harm(finops, slow_import):
    first = finops.start("aws", "import-cur", "--bucket", slow_import, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    second = finops.start("aws", "import-cur", "--bucket", slow_import, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    statuses = sorted((first.wait(120), second.wait(120)))
    assert statuses[0] == 0
    if statuses[1] != 0:
        loser = second if second.returncode else first
        assert "database" in str(loser.stderr.read())
    months = [r for r in finops.rows("aws", "show-state") if r["export_name"] != "small"]
    assert all(r["load_completed"] for r in months)


def test_json_of_the_import_is_one_document(finops, bucket):
    done = finops.run("aws", "import-cur", "--bucket", bucket, "--format", "json")
    assert len(json.loads(done.stdout)) == 3
