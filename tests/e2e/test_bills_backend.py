"""Bills need schemas: a database without them is refused by name before anything is read."""
import pytest

from test_adbc import sqlite as through_adbc  # noqa: F401

VERBS = [("aws", "import-cur", "--bucket", "./nowhere"), ("aws", "import-cur", "--bucket", "s3://nowhere", "--dry-run"),
         ("aws", "import-cur", "--file", "nowhere.csv", "--export-name", "e"), ("aws", "show-state"), ("report",),
         ("aws", "diff", "--period", "2026-05"), ("aws", "reconcile", "--bucket", "./nowhere"),
         ("aws", "prune", "--before", "2026-05", "--yes")]


@pytest.fixture
def by_plugin(finops, sqlite_plugins):
    finops.env.update(OPEN_FINOPS_PLUGIN_PATH=str(sqlite_plugins), OPEN_FINOPS_DATABASE_BACKEND="sqlite",
                      OPEN_FINOPS_DATABASE_SQLITE_DATABASE_PATH=str(finops.folder / "bills.sqlite"))
    return finops


@pytest.fixture(params=["by_plugin", "through_adbc"])
def without(request):
    """A finops whose database has no schemas, and the backend's name."""
    return request.getfixturevalue(request.param), {"by_plugin": "sqlite", "through_adbc": "adbc"}[request.param]


@pytest.mark.parametrize("verb", VERBS, ids=lambda v: " ".join(v[:2] + v[2:3]))
def test_a_database_without_schemas_holds_no_bills(without, verb):
    finops, name = without
    said = finops.run(*verb, status=2)
    assert f"backend {name} holds no bills: it has no schemas" in said.stderr and "duckdb" in said.stderr
    assert "nowhere" not in said.stderr and said.stdout == "" and not (finops.folder / "bills.sqlite").exists()


def test_what_is_no_bill_is_welcome_there(without):
    finops, _ = without
    (finops.folder / "r.csv").write_text("id,n\na,1\n")
    finops.run("load", "--table", "t", "--mode", "create", "r.csv")
    finops.run("query", "--write", "INSERT INTO t VALUES ('b', 2)")
    assert [r["id"] for r in finops.rows("query", "SELECT id FROM t ORDER BY id")] == ["a", "b"]
    said = finops.run("doctor", status=None)
    assert "holds no bills: it has no schemas" in said.stdout


def test_one_of_several_databases_that_has_no_schemas_keeps_the_other_complete(by_plugin, sample):
    said = by_plugin.run("aws", "import-cur", "--bucket", sample / "sample-billing", "--backend", "sqlite,duckdb", status=3)
    assert "backend sqlite holds no bills" in said.stderr and "1 of 2 backends are complete" in said.stderr
