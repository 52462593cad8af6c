"""Who has a month in hand: importers that end, hang or come late, and what becomes of their work."""
import pytest

from lakes import attached, catalog


@pytest.fixture
def lake(finops):
    finops.env["OPEN_FINOPS_DATABASE_BACKEND"] = "ducklake"
    return finops


def two_exports(home):
    """A bucket with two exports."""
    together = home.folder / "all" / "exports"
    together.mkdir(parents=True)
    for n, export in enumerate(("one-cur", "two-cur")):
        home.run("sample", "--out", export, "--export-name", export, "--rows", 300, "--months", 1, "--start", "2026-05", "--seed", n + 1)
        (home.folder / export / "sample-billing" / "exports" / export).rename(together / export)
    return home.folder / "all"


def test_several_exports_can_be_one_transaction(lake):
    lake.run("aws", "import-cur", "--bucket", two_exports(lake), "--atomic", "all")
    with attached(catalog(lake)) as outside:
        made = outside.sql("SELECT commit_message FROM lake.snapshots() WHERE commit_message LIKE 'import%'").fetchall()
    assert len(made) == 1 and "one-cur" in made[0][0] and "two-cur" in made[0][0]
