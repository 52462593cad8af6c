"""A database plugin as an outsider makes it: from an installed finops and its headers alone, by the guide's own words."""

import contextlib
import json
import re
import shutil
import sqlite3
import subprocess

import pytest

from installed import ROOT, built as build_plugin, env, needs_installed_headers_only, prefix, run, run_guide  # noqa: F401
from memory import peak_kib


@pytest.fixture(scope="module")
def built(env, tmp_path_factory):  # noqa: F811
    return build_plugin(env, tmp_path_factory.mktemp("sqlite"), "sqlite")


@pytest.fixture
def with_plugin(env, built, tmp_path):  # noqa: F811
    return {**env, "OPEN_FINOPS_PLUGIN_PATH": str(built), "OPEN_FINOPS_DATABASE_BACKEND": "sqlite",
            "OPEN_FINOPS_DATABASE_SQLITE_DATABASE_PATH": str(tmp_path / "bills.sqlite")}


def test_the_example_needs_installed_headers_only():
    needs_installed_headers_only("sqlite")


def test_the_example_installs_where_plugins_are_looked_for(env, prefix, tmp_path):  # noqa: F811
    shutil.copytree(ROOT / "plugins" / "sqlite", tmp_path / "source")
    run(env, tmp_path, "make", "-C", "source", "install")
    installed = prefix / "lib/finops/plugins/sqlite.so"
    rows = run(env, tmp_path, "finops", "backends", "list")
    installed.unlink()
    assert re.search(r"^sqlite +1\.0\.0 +ready +" + re.escape(str(installed)), rows, re.M), rows


def test_the_example_is_found_and_sound(with_plugin, built, tmp_path):
    assert "ok" in run(with_plugin, tmp_path, "finops", "backends", "check", built / "sqlite.so")
    assert "sqlite" in run(with_plugin, tmp_path, "finops", "backends", "list")


def test_the_example_passes_the_conformance_suite(with_plugin, tmp_path):
    said = run(with_plugin, tmp_path, "finops", "backends", "test", "sqlite", "--failed")
    assert re.search(r"^\d{3,} passed, 0 failed", said, re.M), said


def test_its_rows_are_queried_and_not_changed(with_plugin, tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "bills.sqlite")) as database:
        database.execute("CREATE TABLE costs (day DATE_TEXT, amount 'DECIMAL_TEXT(38,18)')")
        database.execute("INSERT INTO costs VALUES ('2026-01-31', '0.100000000000000001')")
        database.commit()
    rows = run(with_plugin, tmp_path, "finops", "query", "SELECT * FROM costs", "--format", "csv")
    assert rows.splitlines() == ["day,amount", "2026-01-31,0.100000000000000001"]
    assert "only reads" in run(with_plugin, tmp_path, "finops", "query", "DELETE FROM costs", status=2)


def test_times_that_there_are_not_stay_what_they_are(with_plugin, tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "bills.sqlite")) as database:
        database.execute("CREATE TABLE t (d DATE, s TIMESTAMP, z TIMESTAMPTZ_TEXT)")
        database.execute("INSERT INTO t VALUES ('2026-02-30', '1969-12-31 23:59:59.5', '2026-01-31T24:00:00Z')")
        database.commit()
    row, = json.loads(run(with_plugin, tmp_path, "finops", "query", "SELECT * FROM t", "--format", "json"))
    assert row == {"d": "2026-02-30", "s": "1969-12-31T23:59:59.5Z", "z": "2026-01-31T24:00:00Z"}


def test_big_values_come_a_few_at_a_time(with_plugin, tmp_path):
    """64 texts of 9 MB from the first batch on, whose values decide on the types: 576 MB, were they one batch."""
    with contextlib.closing(sqlite3.connect(tmp_path / "bills.sqlite")) as database:
        database.execute("CREATE TABLE t (i INTEGER)")
    sql = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 64) SELECT i, printf('%.*c', 9000000, 'x') FROM r"
    program = shutil.which("finops", path=with_plugin["PATH"])
    child = subprocess.Popen([program, "query", sql, "--format", "csv"], cwd=tmp_path, env=with_plugin, stdout=subprocess.DEVNULL)
    peak = peak_kib(child)
    assert child.returncode == 0
    assert peak < 250 * 1024


def test_every_command_of_the_guide_works(env, tmp_path):  # noqa: F811
    assert run_guide(env, tmp_path, "write-a-database-plugin.md") >= 8
