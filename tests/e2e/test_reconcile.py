"""finops aws reconcile: each of the four places is falsified in turn, and that one is named."""
import json
import re
import shutil
from decimal import Decimal

import duckdb
import pytest

PLACES = ("files", "manifest", "table", "ledger")


@pytest.fixture
def bills(sample, copy_of):
    return copy_of(sample / "sample-billing")


@pytest.fixture
def months(finops, bills):
    """reconcile as rows by period; `status` is the exit status that must come."""
    finops.run("aws", "import-cur", "--bucket", bills)

    def run(*flags, status=0, bucket=bills):
        where = ("--bucket", bucket) if bucket else ()
        return {r["billing_period"]: r for r in finops.rows("aws", "reconcile", *where, *flags, status=status)}
    return run


def change(finops, sql):
    with duckdb.connect(str(finops.database)) as db:
        db.sql(sql)


def words(row):
    return {place: row[place] for place in PLACES}


ALL_AGREE = dict.fromkeys(PLACES, "agree")


def test_a_fresh_import_agrees_everywhere(months, sample):
    expected = json.loads((sample / "expected.json").read_text())
    result = months()
    assert list(result) == ["2026-05", "2026-06", "2026-07"]
    for row in result.values():
        assert (row["result"], words(row), row["detail"]) == ("agrees", ALL_AGREE, None)
        assert row["total_cost"].endswith(" USD") and row["total_cost"].split()[0] in json.dumps(expected)


def test_one_month_can_be_chosen(months):
    assert list(months("--period", "2026-06")) == ["2026-06"]


def test_a_lost_row_of_the_table_is_drift(finops, months):
    change(finops, "DELETE FROM aws_billing.sample_cur_2026_06 WHERE rowid = 7")
    result = months(status=1)
    assert words(result["2026-06"]) == {**ALL_AGREE, "table": "differs"}
    table, ledger = map(int, re.search(r"USD rows: (\d+) in the table, (\d+) in the ledger", result["2026-06"]["detail"]).groups())
    assert ledger - table == 1
    assert [r["result"] for r in result.values()] == ["agrees", "drift", "agrees"]


def test_a_changed_amount_is_drift_down_to_the_last_digit(finops, months):
    change(finops, "UPDATE aws_billing.sample_cur_2026_06 SET line_item_unblended_cost = line_item_unblended_cost + "
                   "0.000000000000000001 WHERE rowid = 7")
    detail = months(status=1)["2026-06"]["detail"]
    assert "USD unblended: " in detail and "rows" not in detail


def test_a_changed_ledger_is_drift_against_files_and_table(finops, months):
    change(finops, "UPDATE billing_state.ledger SET amortized = amortized + 1 WHERE billing_period = '2026-05'")
    row = months(status=1)["2026-05"]
    assert words(row) == {**ALL_AGREE, "files": "differ", "table": "differs"} and "USD amortized" in row["detail"]


def test_a_lost_table_or_ledger_is_said(finops, months):
    change(finops, "DELETE FROM billing_state.ledger WHERE billing_period = '2026-05'")
    change(finops, "DROP VIEW aws_billing.sample_cur_unified")
    change(finops, "DROP TABLE aws_billing.sample_cur_2026_06")
    result = months(status=1)
    assert result["2026-05"]["ledger"] == "missing" and result["2026-06"]["table"] == "missing"


def data_file(bills, period):
    return next(p for p in bills.rglob("*.parquet") if period in str(p))


def test_other_files_than_those_loaded_are_drift(months, bills):
    shutil.copy(data_file(bills, "2026-05"), data_file(bills, "2026-06"))
    row = months(status=1)["2026-06"]
    assert words(row) == {**ALL_AGREE, "files": "differ"} and "in the files" in row["detail"]


def test_a_cut_or_lost_file_is_named(months, bills):
    cut, lost = data_file(bills, "2026-05"), data_file(bills, "2026-06")
    cut.write_bytes(cut.read_bytes()[:-100])
    lost.unlink()
    result = months(status=1)
    for period, path in (("2026-05", cut), ("2026-06", lost)):
        assert result[period]["files"] == "unreadable" and path.name in result[period]["detail"]
    assert result["2026-07"]["result"] == "agrees"


def test_a_newer_version_at_the_provider_is_drift_until_it_is_imported(finops):
    finops.run("sample", "--out", "bills", "--rows", 500, "--months", 2, "--start", "2026-06")
    bills = finops.folder / "bills" / "sample-billing"
    finops.run("aws", "import-cur", "--bucket", bills)
    finops.run("sample", "--out", "bills", "--restate", "2026-06")
    row, other = finops.rows("aws", "reconcile", "--bucket", bills, status=1)
    assert (row["result"], row["manifest"], row["files"], row["table"]) == ("drift", "other version", "other version", "agree")
    assert "import-cur" in row["detail"] and other["result"] == "agrees"
    finops.run("aws", "import-cur", "--bucket", bills)
    assert {r["result"] for r in finops.rows("aws", "reconcile", "--bucket", bills)} == {"agrees"}


def test_a_delivered_month_that_is_not_loaded_is_drift_unless_it_is_not_wanted(finops, sample):
    bills = sample / "sample-billing"
    finops.run("aws", "import-cur", "--bucket", bills, "--start-date", "2026-06", "--end-date", "2026-06")
    result = {r["billing_period"]: r for r in finops.rows("aws", "reconcile", "--bucket", bills, status=1)}
    assert list(result) == ["2026-06", "2026-07"]  # what is older than all that was asked for was left out on purpose
    assert result["2026-07"]["table"] == "not loaded" and result["2026-07"]["version_id"] is None
    finops.run("aws", "import-cur", "--bucket", bills)
    finops.run("aws", "prune", "--before", "2026-06", "--yes")
    assert {r["result"] for r in finops.rows("aws", "reconcile", "--bucket", bills)} == {"agrees"}


def test_a_broken_manifest_is_said_and_the_others_are_compared(months, bills):
    manifest = next(p for p in bills.rglob("*Manifest.json") if "2026-05" in str(p))
    manifest.write_text("{")
    result = months(status=1)
    assert result["2026-05"]["manifest"] == "unusable" and manifest.name in result["2026-05"]["detail"]
    assert words(result["2026-05"])["table"] == "agree" and result["2026-06"]["result"] == "agrees"


def test_without_a_source_table_and_ledger_are_compared(finops, months):
    result = finops.rows("aws", "reconcile")
    assert {(r["result"], r["files"], r["manifest"]) for r in result} == {("agrees", "not read", "not found")}
    assert "files and manifests are not read" in finops.run("aws", "reconcile").stderr
    change(finops, "DELETE FROM aws_billing.sample_cur_2026_06 WHERE rowid = 7")
    assert {r["billing_period"] for r in finops.rows("aws", "reconcile", status=1) if r["result"] == "drift"} == {"2026-06"}


def test_the_single_table_is_compared_month_by_month(finops, sample):
    bills = sample / "sample-billing"
    finops.run("aws", "import-cur", "--bucket", bills, "--table-strategy", "single")
    assert {r["result"] for r in finops.rows("aws", "reconcile", "--bucket", bills)} == {"agrees"}
    change(finops, "DELETE FROM aws_billing.sample_cur WHERE rowid = (SELECT min(rowid) FROM aws_billing.sample_cur "
                   "WHERE billing_period = '2026-06')")
    result = finops.rows("aws", "reconcile", "--bucket", bills, status=1)
    assert [r["billing_period"] for r in result if r["table"] == "differs"] == ["2026-06"]


def test_bare_files_are_not_read_again(finops, bills):
    finops.run("aws", "import-cur", "--file", data_file(bills, "2026-05"), "--export-name", "bare")
    row, = finops.rows("aws", "reconcile")
    assert (row["result"], row["manifest"], row["files"], row["table"]) == ("agrees", "none", "not read", "agree")


@pytest.mark.parametrize("version, fmt", [("v1", "csv"), ("v1", "parquet"), ("v2", "csv")])
def test_every_layout_agrees(finops, version, fmt):
    finops.run("sample", "--out", "bills", "--rows", 800, "--months", 2, "--cur-version", version, "--format", fmt)
    bills = finops.folder / "bills" / "sample-billing"
    finops.run("aws", "import-cur", "--bucket", bills)
    rows = finops.rows("aws", "reconcile", "--bucket", bills)
    assert len(rows) == 2 and all(words(r) == ALL_AGREE for r in rows)


def test_the_example_bills_agree(finops, shared, expected):
    bills = shared / "aws-cur-v1" / "globex-finance"
    finops.run("aws", "import-cur", "--bucket", bills)
    rows = finops.rows("aws", "reconcile", "--bucket", bills)
    assert {r["result"] for r in rows} == {"agrees"}
    want = expected["aws"]["888877776666"]["cur-v1-csv"]
    for row in rows:
        assert row["rows"] == want[row["billing_period"]]["rows"]
        assert Decimal(row["total_cost"].split()[0]) == Decimal(want[row["billing_period"]]["unblended"])


def test_months_of_the_earlier_tool_have_no_ledger_and_are_no_drift(finops, shared):
    finops.database.parent.mkdir()
    shutil.copy(shared / "legacy" / "finops.duckdb", finops.database)
    before = finops.database.read_bytes()
    rows = finops.rows("aws", "reconcile")
    assert [(r["billing_period"], r["result"], r["rows"]) for r in rows] == [
        ("2025-01", "no ledger", 3000), ("2025-02", "no ledger", 3000)]
    assert finops.database.read_bytes() == before
