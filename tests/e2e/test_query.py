"""finops query from outside: formats are read back by other programs."""

import pyarrow.ipc
import pyarrow.parquet
import pytest


@pytest.fixture
def loaded(finops):
    finops.run("sample", "--out", "s", "--rows", "3000", "--months", "2", "--seed", "4", "--start", "2026-01")
    finops.run("aws", "import-cur", "--bucket", "./s/sample-billing")
    return finops


def test_parquet_and_arrow_are_what_other_programs_read(loaded):
    sql = "SELECT line_item_unblended_cost AS cost, resource_tags, line_item_usage_start_date FROM aws_billing.sample_cur_unified"
    loaded.run("query", sql, "--output", "out.parquet")
    loaded.run("query", sql, "--output", "out.arrow")
    parquet = pyarrow.parquet.read_table(loaded.folder / "out.parquet")
    arrow = pyarrow.ipc.open_stream(loaded.folder / "out.arrow").read_all()
    assert parquet.num_rows == arrow.num_rows == 6000
    assert sum(parquet["cost"].to_pylist()) == sum(arrow["cost"].to_pylist())
    assert str(parquet.schema.field("cost").type) == "decimal128(38, 18)"


def test_a_query_changes_nothing_unless_it_may(loaded):
    refused = loaded.run("query", "DELETE FROM billing_state.ledger", status=2)
    assert "--write" in refused.stderr
    assert loaded.rows("query", "SELECT count(*) AS n FROM billing_state.ledger")[0]["n"] > 0
    for sql in ("SELECT 1; SELECT 2", "COPY (SELECT 1) TO 'x.csv'", "ATTACH 'other.db'", "INSTALL httpfs"):
        loaded.run("query", sql, status=2)
    loaded.run("query", "CREATE TABLE mine AS SELECT 42 AS answer", "--write")
    assert loaded.rows("query", "SELECT answer FROM mine")[0]["answer"] == 42


def test_a_failing_query_leaves_the_old_file(loaded):
    (loaded.folder / "out.csv").write_text("old")
    loaded.run("query", "SELECT error('stop') FROM range(3)", "--output", "out.csv", status=1)
    assert (loaded.folder / "out.csv").read_text() == "old"
    assert sorted(p.name for p in loaded.folder.iterdir() if p.name.startswith("out")) == ["out.csv"]
