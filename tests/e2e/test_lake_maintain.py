"""Keeping a lake small, while others read and write: states that stay have what they had."""
import os
import threading
import time

import pytest

from conftest import Finops
from lakes import (IMPORT, TOTALS, Lake, attached, catalog, on_postgresql, postgresql_address,
                   versions)  # noqa: F401

SECONDS = 120 if os.environ.get("FINOPS_TEST_LONG") == "1" else 4


@pytest.fixture
def lake(tmp_path):
    home = Finops(tmp_path)
    home.env["OPEN_FINOPS_DATABASE_BACKEND"] = "ducklake"
    return Lake(home, lambda: catalog(home))


def numbers(lake):
    return [int(s["snapshot_id"]) for s in lake.home.rows("lake", "snapshots")]


def parquet_files(lake):
    return {f for f in lake.home.folder.rglob("*.parquet") if "bills" not in f.parts}


def test_states_expire_by_number_and_age_but_never_a_tagged_one_nor_the_newest(lake, versions):  # noqa: F811
    lake.source(versions["one"][0])
    lake.home.run(*IMPORT)
    tagged = numbers(lake)[-1]
    lake.home.run("lake", "tag", "close")
    lake.source(versions["two"][0])
    lake.home.run(*IMPORT)
    before, files = numbers(lake), parquet_files(lake)
    lake.read_all()
    maintain = ("lake", "maintain", "--keep", 4)
    lake.home.run(*maintain)  # all are younger than a day
    assert numbers(lake)[:len(before)] == before
    some = numbers(lake)
    said = lake.home.rows(*maintain, "--grace", "0", "--dry-run")
    assert [int(s["states"]) for s in said if s["step"] == "expire states"] == [len(some) - 5] and numbers(lake) == some
    lake.home.run("lake", "maintain", "--expire-older-than", "1h", "--grace", "0")  # none is so old
    assert numbers(lake)[:len(some)] == some
    some = numbers(lake)
    said = lake.home.rows(*maintain, "--grace", "0")
    assert [s for s in numbers(lake) if s <= some[-1]] == [tagged, *some[-4:]]
    lake.read_all(again=True)  # those that stay are what they were
    assert lake.home.rows("query", "SELECT count(*) AS n FROM aws_billing.sample_cur", "--version", "close")[0]["n"] == 2000
    assert "no state 3" in lake.home.run("query", "SELECT 1", "--version", 3, status=1).stderr
    lake.home.run("lake", "untag", "close")
    said = lake.home.rows("lake", "maintain", "--keep", 1, "--grace", "0")
    assert tagged not in numbers(lake) and not (files & parquet_files(lake)) - set(current_files(lake))
    freed = [s for s in said if s["step"] == "remove old files"]
    assert int(freed[0]["files_removed"]) > 0 and int(freed[0]["bytes_freed"]) > 0
    assert lake.totals() == versions["two"][1]
    assert [h["status"] for h in lake.home.rows("lake", "history")] == ["completed"] * 4  # out of load_state
    lake.home.run(*IMPORT, "--force")  # and it goes on
    assert lake.totals() == versions["two"][1]


def current_files(lake):
    with attached(lake.address()) as outside:
        return [lake.home.folder / p for (p,) in outside.sql(
            "SELECT data_file FROM ducklake_list_files('lake', 'sample_cur', schema => 'aws_billing')").fetchall()]


def test_small_files_are_merged_and_mostly_deleted_ones_written_anew(lake, versions):  # noqa: F811
    lake.source(versions["one"][0])
    lake.home.run(*IMPORT)
    for _ in range(3):
        lake.home.run("query", "--write", "INSERT INTO aws_billing.sample_cur BY NAME SELECT * FROM aws_billing.sample_cur "
                      "WHERE billing_period = '2026-05' LIMIT 50")
    lake.home.run("query", "--write", "DELETE FROM aws_billing.sample_cur WHERE billing_period = '2026-06' AND "
                  "rowid NOT IN (SELECT rowid FROM aws_billing.sample_cur WHERE billing_period = '2026-06' LIMIT 9)")
    lake.read_all()
    files, rows = len(current_files(lake)), lake.totals()
    said = {s["step"]: s for s in lake.home.rows("lake", "maintain") if s["table"] == "aws_billing.sample_cur"}
    assert int(said["merge files"]["files_removed"]) > int(said["merge files"]["files_written"])
    assert int(said["rewrite files"]["files_written"]) == 1
    assert len(current_files(lake)) < files and lake.totals() == rows
    lake.read_all(again=True)


@pytest.mark.parametrize("args", [("maintain", "--grace", "soon"), ("maintain", "--expire-older-than", "30"),
                                  ("cleanup", "--older-than", "1 day")])
def test_an_age_that_is_none_is_refused(lake, args):
    lake.home.run("query", "--write", "CREATE TABLE t (i INTEGER)")
    assert "expected a time such as 30d" in lake.home.run("lake", *args, status=2).stderr


def test_readers_and_importers_take_no_notice_of_maintenance(tmp_path, postgresql, versions):  # noqa: F811
    database = postgresql.new_database()
    home, other = Finops(tmp_path / "a"), Finops(tmp_path / "b")
    for one in (home, other):
        one.folder.mkdir()
        one.env["OPEN_FINOPS_DATABASE_BACKEND"] = "ducklake"
        on_postgresql(one, database, tmp_path / "files")
    lake = Lake(home, lambda: postgresql_address(database))
    lake.source(versions["one"][0])
    home.run(*IMPORT)
    allowed = {m: {versions[n][1][m] for n in versions} for m in versions["one"][1]}
    over, failures, reads = threading.Event(), [], [0, 0]

    def read(i):
        with attached(lake.address()) as outside:
            while not over.is_set():
                try:
                    found = {m: (n, c) for m, n, c in outside.sql(TOTALS).fetchall()}
                    if found.keys() != allowed.keys() or any(found[m] not in allowed[m] for m in found):
                        failures.append(found)
                except Exception as error:  # any error of a reader is a failure
                    failures.append(error)
                reads[i] += 1

    def maintain():
        while not over.is_set():
            for verb in (("maintain", "--keep", 3, "--grace", "10s"), ("cleanup", "--older-than", "10s")):
                done = other.run("lake", *verb, status=None)
                if done.returncode != 0:
                    failures.append((verb, done.returncode, done.stderr))

    threads = [threading.Thread(target=read, args=(i,)) for i in range(2)] + [threading.Thread(target=maintain)]
    for thread in threads:
        thread.start()
    until, turn = time.monotonic() + SECONDS, 0
    while time.monotonic() < until or turn < 2:
        turn += 1
        lake.source(versions["two" if turn % 2 else "one"][0])
        done = home.run(*IMPORT, status=None, timeout=60)
        if done.returncode != 0:
            failures.append((done.returncode, done.stderr))
    over.set()
    for thread in threads:
        thread.join()
    assert not failures, "\n".join(map(str, failures))
    assert min(reads) > 0
    assert lake.totals() == versions["two" if turn % 2 else "one"][1]
