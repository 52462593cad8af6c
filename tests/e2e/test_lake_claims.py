"""Who has a month in hand: importers that end, hang or come late, and what becomes of their work."""
import json
import shutil
import signal
import subprocess
import time
from decimal import Decimal

import duckdb
import pytest

from conftest import Finops
from lakes import BILL, attached, catalog, on_postgresql, postgresql_address

STATE = "lake.billing_state.load_states"


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


@pytest.fixture(params=["postgresql", "sqlite"])
def machines(request, tmp_path, sample_of_two):
    """Makes programs in folders of their own, with one lake; `bills` is what the provider has."""
    database = request.getfixturevalue("postgresql").new_database() if request.param == "postgresql" else None

    def make(name):
        (tmp_path / name).mkdir()
        home = Finops(tmp_path / name)
        home.env.update(OPEN_FINOPS_DATABASE_BACKEND="ducklake", OPEN_FINOPS_DATABASE_DUCKLAKE_CLAIM_TIMEOUT="2")
        if database:
            return on_postgresql(home, database, tmp_path / "files")
        home.env.update(OPEN_FINOPS_DATABASE_DUCKLAKE_CATALOG="sqlite",
                        OPEN_FINOPS_DATABASE_DUCKLAKE_DATABASE_PATH=str(tmp_path / "lake"))
        return home
    make.address = lambda: postgresql_address(database) if database else f"sqlite:{tmp_path / 'lake'}"
    make.database, make.files = database, tmp_path / "files"
    make.bills = tmp_path / "bills"
    shutil.copytree(sample_of_two, make.bills)
    make.restate = lambda: Finops(tmp_path).run("sample", "--out", "bills", "--restate", "2026-05")
    make.current = lambda: json.loads((make.bills / "expected.json").read_text())["months"]["2026-05"]
    return make


@pytest.fixture(scope="module")
def sample_of_two(tmp_path_factory):
    home = Finops(tmp_path_factory.mktemp("bills"))
    home.run("sample", "--out", "bills", "--rows", 40000, "--months", 1, "--start", "2026-05", "--delivery", "create-new")
    return home.folder / "bills"


def load(machines):
    return "aws", "import-cur", "--bucket", machines.bills / "sample-billing"


def ask(machines, sql):
    with attached(machines.address()) as outside:
        return outside.sql(sql).fetchall()


def has_begun(outside):
    try:
        return outside.sql(f"SELECT 1 FROM {STATE} WHERE status = 'started'").fetchall() != []
    except duckdb.Error as error:  # SQLite, while somebody writes
        assert "locked" in str(error)
        return False


def stopped_at_work(home, machines):
    """A stopped import that has begun with the month and not ended. One that ended before it was seen is followed by another."""
    with attached(machines.address()) as outside:
        for _ in range(20):
            process = home.start(*load(machines), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            while process.poll() is None:
                if has_begun(outside):
                    process.send_signal(signal.SIGSTOP)
                    if has_begun(outside):
                        return process
                    process.send_signal(signal.SIGCONT)  # in the middle of a commit, or it has ended
                time.sleep(0.002)
            said = process.communicate()
            assert process.returncode == 0, said
            machines.restate()
    raise AssertionError(said)


def is_current(machines):
    """The month is what the provider has, once, and nobody is at it."""
    now = machines.current()
    found = ask(machines, f"SELECT count(*), sum(line_item_unblended_cost) FROM {BILL}")
    assert found == [(now["rows"], Decimal(now["unblended"]))]
    state = ask(machines, "SELECT version_id FROM lake.billing_state.load_state WHERE current_version AND load_completed AND "
                          "export_name = 'sample-cur'")
    assert state == [(now["assembly"],)] and ask(machines, f"SELECT * FROM {STATE} WHERE status = 'started'") == []


def test_the_work_of_a_killed_importer_is_taken_over_at_once(machines):
    one, other = machines("one"), machines("other")
    one.run(*load(machines))
    machines.restate()
    killed = stopped_at_work(one, machines)  # so that the other one waits for it
    waits = other.start(*load(machines), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                        env={"OPEN_FINOPS_DATABASE_DUCKLAKE_CLAIM_TIMEOUT": "3600"})
    for line in waits.stderr:
        if "another importer has" in line:
            break
    begin = time.monotonic()
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    said = waits.communicate(timeout=60)
    assert waits.returncode == 0 and time.monotonic() - begin < 20, said
    is_current(machines)
    told = [h for h in other.rows("lake", "history") if h["error"]]
    assert len(told) == 1 and "taken over by" in told[0]["error"] and told[0]["status"] == "failed"


@pytest.mark.parametrize("machines", ["postgresql"], indirect=True)  # a lock of a file ends with its process alone
def test_one_that_hangs_loses_its_claim_and_cannot_publish_any_more(machines):
    one, other = machines("one"), machines("other")
    one.run(*load(machines))
    machines.restate()
    hangs = stopped_at_work(one, machines)
    machines.restate()  # what it has in hand is old now
    said = other.run(*load(machines))
    assert "its claim is taken over" in said.stderr
    is_current(machines)
    hangs.send_signal(signal.SIGCONT)
    said = hangs.communicate(timeout=60)
    is_current(machines)
    assert "is left out" in said[1] or (hangs.returncode == 1 and "1 failed" in said[1]), said  # as its connection was lost


def writing(home, machines):
    """An import that has begun to write its month and not published it."""
    process = home.start(*load(machines), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None:
        if list(machines.files.glob("aws_billing/sample_cur/*/*.parquet")):
            process.send_signal(signal.SIGSTOP)
            return process
        time.sleep(0.002)
    raise AssertionError(process.communicate())


@pytest.mark.parametrize("machines", ["postgresql"], indirect=True)
def test_who_writes_a_month_holds_up_nobody_else(machines, tmp_path):
    one, other = machines("one"), machines("other")
    patient = {"OPEN_FINOPS_DATABASE_DUCKLAKE_CLAIM_TIMEOUT": "3600", "OPEN_FINOPS_DATABASE_DUCKLAKE_PERFORMANCE_CHUNK_SIZE": "2048"}
    one.env.update(patient)
    other.env.update(patient)
    stopped = writing(one, machines)
    other.run("sample", "--out", "own", "--export-name", "two-cur", "--rows", 300, "--months", 1, "--start", "2026-05")
    said = other.run("aws", "import-cur", "--bucket", "own/sample-billing", "--format", "json", timeout=60)
    assert [(m["export_name"], m["action"]) for m in json.loads(said.stdout)] == [("two-cur", "load")]
    assert len(ask(machines, f"SELECT * FROM {STATE} WHERE status = 'started'")) == 1
    stopped.send_signal(signal.SIGCONT)
    told = stopped.communicate(timeout=120)
    assert stopped.returncode == 0, told
    is_current(machines)
