"""Importers of a lake that are killed at any moment: the month is the old one or the new one, what they left is found, and no
state ever loses a row. FINOPS_TEST_LONG=1 makes it hundreds of rounds (FINOPS_KILL_ROUNDS says how many)."""
import itertools
import os
import pathlib
import random
import signal
import subprocess
import time

import pytest

from conftest import Finops
from lakes import IMPORT, Lake, attached, catalog, on_postgresql, postgresql_address, versions  # noqa: F401

LONG = os.environ.get("FINOPS_TEST_LONG") == "1"
ROUNDS = int(os.environ.get("FINOPS_KILL_ROUNDS", "200" if LONG else "2"))
SEED = int(os.environ.get("FINOPS_KILL_SEED", "7"))


@pytest.fixture(params=["duckdb", "postgresql"])
def lake(request, tmp_path):
    home = Finops(tmp_path)
    home.env["OPEN_FINOPS_DATABASE_BACKEND"] = "ducklake"
    if request.param == "duckdb":
        return Lake(home, lambda: catalog(home))
    database = request.getfixturevalue("postgresql").new_database()
    on_postgresql(home, database, tmp_path / "files")
    return Lake(home, lambda: postgresql_address(database))


def killed(lake, after):
    """Starts an import and kills it with all it has in hand; True when it was still at work."""
    process = lake.home.start(*IMPORT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(timeout=after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


def test_no_kill_costs_a_row(lake, versions, capsys):  # noqa: F811
    chance = random.Random(SEED)
    names, now = ["one", "two"], versions["one"][1]
    lake.source(versions["one"][0])
    begin = time.monotonic()
    lake.home.run(*IMPORT)
    usual, kills, cleaned = time.monotonic() - begin, 0, 0
    for turn in itertools.count():
        if turn >= ROUNDS and kills > 0:  # those of a short form may all have come too late: it goes on until one did not
            break
        assert turn < ROUNDS + 20, "no kill met an import at work"
        folder, new = versions[names[(turn + 1) % 2]]
        lake.source(folder)
        kills += killed(lake, chance.uniform(0.02, usual * 1.1))
        between = lake.totals()
        assert all(between[m] in (now[m], new[m]) for m in new) and between.keys() == new.keys(), (turn, between)
        lake.read_all()
        if turn % 2 == 0:  # cleaned before the next import, and after it
            cleaned += clean(lake)
        lake.home.run(*IMPORT)
        assert lake.totals() == new, turn
        if turn % 2 == 1:
            cleaned += clean(lake)
        if LONG and turn % 20 == 19:
            lake.read_all(again=True)
            lake.home.run("lake", "maintain", "--keep", 60, "--grace", "0")
            lake.read_all(again=True)
        now = new
    states = lake.read_all(again=True)
    stays_clean(lake)
    with capsys.disabled():
        print(f" [{turn} rounds, {kills} killed at work, {cleaned} leftovers removed, {len(states)} states read] ", end="")


def clean(lake):
    """Removes what was left; no import is unfinished then and every state is what it was."""
    steps = lake.home.rows("lake", "cleanup", "--older-than", "0")
    assert lake.unfinished() == []
    lake.read_all(again=not LONG)
    return sum(int(s["files_removed"] or 0) for s in steps)


def stays_clean(lake):
    """Once cleaned there is nothing more, and each file that is left is one of the catalog's."""
    clean(lake)
    assert clean(lake) == 0
    with attached(lake.address()) as outside:
        known = {pathlib.Path(p).name for (p,) in outside.sql(
            "SELECT path FROM __ducklake_metadata_lake.ducklake_data_file UNION ALL "
            "SELECT path FROM __ducklake_metadata_lake.ducklake_delete_file").fetchall()}
    there = {f.name for f in lake.home.folder.rglob("*.parquet") if "bills" not in f.parts}
    assert there == known
