"""A lake as another program sees it, and what makes lakes for tests."""
import pathlib

import duckdb

EXTENSIONS = pathlib.Path(__file__).resolve().parents[2] / "deps" / "extensions"


def attached(address, *options):
    """The lake in DuckDB's Python package with the extension of its makers, under the name `lake`."""
    outside = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    for name in ("httpfs", "sqlite_scanner", "postgres_scanner", "ducklake"):
        outside.load_extension(str(EXTENSIONS / f"{name}.duckdb_extension"))
    outside.execute(f"ATTACH 'ducklake:{address}' AS lake ({', '.join(('READ_ONLY', *options))})")
    return outside


def catalog(home):
    """Where a lake with a catalog in a DuckDB file has it."""
    return home.folder / "data" / "finops.ducklake"


def on_postgresql(home, database, files):
    """Settings of a home whose lake's catalog is in a database of a server."""
    at = database.settings()
    home.env.update(OPEN_FINOPS_DATABASE_DUCKLAKE_DATA_PATH=str(files),
                    OPEN_FINOPS_DATABASE_DUCKLAKE_CATALOG=f"postgresql://{at['user']}:{at['password']}@/"
                    f"{at['database']}?host={at['host']}&port={at['port']}")
    return home


def postgresql_address(database):
    at = database.settings()
    return (f"postgres:dbname={at['database']} host={at['host']} port={at['port']} user={at['user']} "
            f"password={at['password']}")


def every_state(outside, sql):
    """{state: rows} of a statement with %s where AT goes, in each state whose catalog has the table."""
    found = {}
    for (state,) in outside.sql("SELECT snapshot_id FROM lake.snapshots() ORDER BY 1").fetchall():
        try:
            found[state] = outside.sql(sql % f"AT (VERSION => {state})").fetchall()
        except duckdb.CatalogException:
            continue  # the table came later
    return found
