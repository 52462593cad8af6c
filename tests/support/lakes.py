"""A lake as another program sees it, and what makes lakes for tests."""
import os
import pathlib
import shutil

import duckdb
import pytest

BILL = "lake.aws_billing.sample_cur"
TOTALS = f"SELECT billing_period, count(*), sum(line_item_unblended_cost) FROM {BILL} GROUP BY 1 ORDER BY 1"
EVERYTHING = ("SELECT billing_period, count(*), sum(line_item_unblended_cost), bit_xor(hash(t)), sum(hash(t)) "
              f"FROM (FROM {BILL} AT (VERSION => %d)) AS t GROUP BY 1 ORDER BY 1")
IMPORT = ("aws", "import-cur", "--bucket", "bills/sample-billing", "--quiet")
EXTENSIONS = pathlib.Path(__file__).resolve().parents[2] / "deps" / "extensions"


def attached(address, *options):
    """The lake in DuckDB's Python package with the extension of its makers, under the name `lake`."""
    outside = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    scanner = {"postgres": ("postgres_scanner",), "sqlite": ("sqlite_scanner",)}.get(str(address).split(":")[0], ())
    for name in (*scanner, "ducklake"):
        outside.load_extension(str(EXTENSIONS / f"{name}.duckdb_extension"))
    outside.execute(f"ATTACH 'ducklake:{address}' AS lake ({', '.join(('READ_ONLY', *options))})")
    return outside


def catalog(home):
    """Where a lake with a catalog in a DuckDB file has it."""
    return home.folder / "data" / "finops.ducklake"


def on_postgresql(home, database, files):
    """Settings of a home whose lake's catalog is in a database of a server."""
    home.env.update(OPEN_FINOPS_DATABASE_DUCKLAKE_DATA_PATH=str(files),
                    OPEN_FINOPS_DATABASE_DUCKLAKE_CATALOG=postgresql_catalog(database))
    return home


def postgresql_catalog(database):
    at = database.settings()
    return f"postgresql://{at['user']}:{at['password']}@/{at['database']}?host={at['host']}&port={at['port']}"


def postgresql_address(database):
    at = database.settings()
    return (f"postgres:dbname={at['database']} host={at['host']} port={at['port']} user={at['user']} "
            f"password={at['password']}")


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """Two versions of a bill, and what each month of them comes to."""
    folder = tmp_path_factory.mktemp("versions")
    from conftest import Finops

    made = Finops(folder)
    sizes = ("--rows", 20000 if os.environ.get("FINOPS_TEST_LONG") == "1" else 1000, "--months", 2, "--seed", 11, "--start", "2026-05")
    found = {}
    for name in ("one", "two"):
        made.run("sample", "--out", "bills", *sizes, *(("--restate", "2026-05") if name == "two" else ()))
        if name == "two":
            made.run("sample", "--out", "bills", *sizes, "--restate", "2026-06")
        shutil.copytree(folder / "bills", folder / name)
    for name in ("one", "two"):
        home = Finops(tmp_path_factory.mktemp(name))
        home.env["OPEN_FINOPS_DATABASE_BACKEND"] = "ducklake"
        (home.folder / "bills").symlink_to(folder / name)
        home.run(*IMPORT)
        with attached(catalog(home)) as outside:
            found[name] = (folder / name, {m: (n, c) for m, n, c in outside.sql(TOTALS).fetchall()})
    assert all(found["one"][1][m] != found["two"][1][m] for m in found["one"][1])
    return found


class Lake:
    """A lake under test: its programs and the way to it from outside."""

    def __init__(self, home, address):
        self.home, self.address, self.seen = home, address, {}

    def source(self, folder):
        link = self.home.folder / "bills"
        link.unlink(missing_ok=True)
        link.symlink_to(folder)

    def totals(self):
        with attached(self.address()) as outside:
            return {m: (n, c) for m, n, c in outside.sql(TOTALS).fetchall()}

    def unfinished(self):
        with attached(self.address()) as outside:
            return outside.sql("SELECT * FROM lake.billing_state.load_states WHERE status = 'started'").fetchall()

    def read_all(self, again=False):
        """Every row of every state; one that was seen before must be what it was."""
        with attached(self.address()) as outside:
            states = [s for (s,) in outside.sql("SELECT snapshot_id FROM lake.snapshots() ORDER BY 1").fetchall()]
            first = outside.sql("SELECT begin_snapshot FROM __ducklake_metadata_lake.ducklake_table WHERE table_name = "
                                "'sample_cur'").fetchall()[0][0]
            for state in states:
                if state >= first and (again or state not in self.seen):
                    rows = outside.sql(EVERYTHING % state).fetchall()
                    assert self.seen.setdefault(state, rows) == rows, f"state {state} is not what it was"
        return states
