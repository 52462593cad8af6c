"""The ADBC backend: SQLite and PostgreSQL through their published ADBC drivers."""

import decimal
import importlib.util
import pathlib
import re

import pytest


def library(name):
    """The shared library in a driver's wheel."""
    spec = importlib.util.find_spec(name)
    assert spec, f"{name} is missing: tests/requirements.txt names it"
    return next(pathlib.Path(spec.origin).parent.glob("libadbc_driver_*.so"))


def settings(driver, *options):
    return {"OPEN_FINOPS_DATABASE_BACKEND": "adbc", "OPEN_FINOPS_DATABASE_ADBC_DRIVER": str(driver),
            "OPEN_FINOPS_DATABASE_ADBC_OPTIONS": ",".join(options)}


@pytest.fixture
def sqlite(finops):
    finops.env.update(settings(library("adbc_driver_sqlite"), f"uri=file:{finops.folder}/bills.sqlite"))
    return finops


@pytest.fixture
def through_adbc(finops, postgresql):
    server = postgresql.new_database()
    s = server.settings()
    uri = f"postgresql://{s['user']}:{s['password']}@127.0.0.1:{s['port']}/{s['database']}"
    finops.env.update(settings(library("adbc_driver_postgresql"), f"uri={uri}"))
    finops.server = server
    return finops


def passed(said):
    found = re.search(r"^(\d+) passed, (\d+) failed", said, re.M)
    assert found, said
    return int(found[1]), int(found[2])


def test_postgresql_passes_the_conformance_suite(through_adbc):
    done = through_adbc.run("backends", "test", "adbc", "--failed", status=None)
    count, failed = passed(done.stdout)
    assert failed == 0 and count > 900, done.stdout
    left = through_adbc.server.value("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'finops_test%'")
    assert left == "0"


def areas(finops):
    listed = finops.run("backends", "test", "adbc", "--list").stdout
    return sorted(set(re.findall(r"^\s*(\w+): ", listed, re.M)))


def test_sqlite_passes_the_conformance_suite(sqlite):
    """All of it but "control": SQLite's driver cannot be told to stop, so deadlines are met between batches only."""
    total = 0
    for area in areas(sqlite):
        if area == "control":
            continue
        done = sqlite.run("backends", "test", "adbc", "--failed", "--filter", area, status=None)
        count, failed = passed(done.stdout)
        assert failed == 0, done.stdout
        total += count
    assert total > 800


def test_a_database_is_healthy_and_tells_its_version(sqlite):
    row = sqlite.rows("backends", "health")[0]
    assert row["backend"] == "adbc" and row["state"] == "up" and row["version"].startswith("SQLite 3.")


def test_rows_are_queried_and_not_changed(through_adbc):
    through_adbc.server.sql("CREATE TABLE costs (day date, amount numeric(38,18));"
                            "INSERT INTO costs VALUES ('2026-01-31', 0.100000000000000001)")
    out = through_adbc.run("query", "SELECT day, amount FROM costs", "--format", "csv").stdout
    assert out.splitlines() == ["day,amount", "2026-01-31,0.100000000000000001"]
    refused = through_adbc.run("query", "DELETE FROM costs", status=2)
    assert "read-only" in refused.stderr
    assert through_adbc.server.value("SELECT count(*) FROM costs") == "1"


def test_a_bill_is_imported_through_adbc(through_adbc):
    through_adbc.run("sample", "--out", "bills", "--bucket", "acme", "--prefix", "cur", "--export-name", "acme-cur",
                     "--start", "2026-01", "--months", "2", "--rows", "500", "--quiet")
    imported = ("aws", "import-cur", "--bucket", "bills/acme", "--prefix", "cur")
    assert [row["rows"] for row in through_adbc.rows(*imported)] == [500, 500]
    assert [row["action"] for row in through_adbc.rows(*imported)] == ["current", "current"]
    assert [row["billing_period"] for row in through_adbc.rows("aws", "show-state")] == ["2026-01", "2026-02"]
    assert through_adbc.run("report").stdout.startswith("USD 2026-02")
    table = "aws_billing.acme_cur_2026_01"
    kept, = through_adbc.server.sql(f"SELECT count(*), sum(line_item_unblended_cost) FROM {table}")
    state = through_adbc.rows("aws", "show-state")[0]
    assert kept[0] == "500" and decimal.Decimal(kept[1]) == decimal.Decimal(state["total_cost"])


@pytest.mark.parametrize("driver, says", [("/nowhere/libadbc.so", "load the adbc driver /nowhere/libadbc.so"),
                                          ("libm.so.6", "libm.so.6 is no adbc driver"), ("", "adbc.driver")])
def test_what_is_no_driver_is_named(finops, driver, says):
    finops.env.update(settings(driver))
    refused = finops.run("query", "SELECT 1", status=None)
    assert refused.returncode != 0 and says in refused.stderr


def test_a_password_in_the_options_is_not_shown(finops):
    finops.env.update(settings("postgresql", "uri=postgresql://u:s3cret@127.0.0.1:1/d"))
    for args in (("config", "show"), ("query", "SELECT 1"), ("backends", "describe", "adbc")):
        done = finops.run(*args, status=None)
        assert "s3cret" not in done.stdout + done.stderr, args
