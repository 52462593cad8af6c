"""Importers and readers of one lake at once, each as on a machine of its own, while the provider restates months: nobody sees an
error, a mix, or an older version after a newer one, and what is there in the end is what the provider has.
FINOPS_TEST_LONG=1 makes it eight and eight for ten minutes (FINOPS_SOAK_WRITERS, _READERS, _SECONDS, _SEED say otherwise)."""
import json
import os
import pathlib
import random
import subprocess
import sys
import threading
import time
from decimal import Decimal

import pytest

from conftest import Finops
from lakes import attached, on_postgresql, postgresql_address

LONG = os.environ.get("FINOPS_TEST_LONG") == "1"
WRITERS = int(os.environ.get("FINOPS_SOAK_WRITERS", "8" if LONG else "3"))
READERS = int(os.environ.get("FINOPS_SOAK_READERS", "8" if LONG else "3"))
SECONDS = float(os.environ.get("FINOPS_SOAK_SECONDS", "600" if LONG else "4"))
SEED = int(os.environ.get("FINOPS_SOAK_SEED", "3"))
STATES = 200 if LONG else 12  # of those made, how many are read again in the end
EXPORTS = {"one_cur": "one-cur", "two_cur": "two-cur"}  # table: export
MONTHS = ("2026-05", "2026-06", "2026-07") if LONG else ("2026-05", "2026-06")
READER = pathlib.Path(__file__).resolve().parents[1] / "support" / "lake_reader.py"


class Provider:
    """Restates a month now and then; `versions[table, month]` are all it ever delivered, oldest first."""

    def __init__(self, folder):
        self.home, self.versions, self.names = Finops(folder), {}, {}
        (self.home.folder / "all" / "exports").mkdir(parents=True)
        for n, (table, export) in enumerate(EXPORTS.items()):
            self.home.run("sample", "--out", export, "--export-name", export, "--rows", 300, "--months", len(MONTHS),
                          "--start", MONTHS[0], "--seed", n + 1, "--delivery", "create-new")
            made = self.home.folder / export / "sample-billing" / "exports" / export  # both are in one bucket
            made.symlink_to(made.rename(self.home.folder / "all" / "exports" / export))
            for month in MONTHS:
                self.note(table, month)

    def note(self, table, month):
        said = json.loads((self.home.folder / EXPORTS[table] / "expected.json").read_text())["months"][month]
        self.versions.setdefault((table, month), []).append((said["rows"], Decimal(said["unblended"])))
        self.names[table, month] = said["assembly"]

    def restate(self, chance):
        table, month = chance.choice(list(EXPORTS)), chance.choice(MONTHS)
        self.home.run("sample", "--out", EXPORTS[table], "--restate", month)
        self.note(table, month)


class Soak:
    def __init__(self, folder, database):
        self.folder, self.database, self.errors, self.looks = folder, database, [], []
        self.provider = Provider(folder / "provider")
        self.stop, self.imports, self.begun = folder / "stop", 0, 0

    def machine(self, name):
        (self.folder / name).mkdir()
        home = on_postgresql(Finops(self.folder / name), self.database, self.folder / "files")
        home.env["OPEN_FINOPS_DATABASE_BACKEND"] = "ducklake"
        return home

    def load(self, home, *more):
        return home.run("aws", "import-cur", "--bucket", self.provider.home.folder / "all", *more, status=None)

    def write(self, n):
        home, chance = self.machine(f"writer{n}"), random.Random(SEED * 100 + n)
        while not self.stop.exists():
            month = chance.choice(MONTHS)
            more = chance.choice([(), (), ("--start-date", month, "--end-date", month), ("--atomic", "all"), ("--force",)])
            said = self.load(home, *(("--export-name", chance.choice(list(EXPORTS.values()))) if chance.random() < 0.5 else ()), *more)
            self.imports += 1
            if said.returncode != 0:
                self.errors.append(("writer", n, more, said.returncode, said.stdout, said.stderr))

    def ask(self, n):
        """A reader that is a new program each time."""
        home, chance, seen = self.machine(f"reader{n}"), random.Random(SEED * 1000 + n), []
        self.looks.append(seen)
        while not self.stop.exists():
            table = chance.choice(list(EXPORTS))
            sql = f"SELECT billing_period AS m, count(*) AS n, sum(line_item_unblended_cost)::VARCHAR AS c FROM aws_billing.{table}_unified GROUP BY 1"
            said = home.run("query", "--format", "json", sql, status=None)
            if said.returncode != 0:
                self.errors.append(("finops query", n, said.returncode, said.stdout, said.stderr))
                continue
            seen.append((table, [(r["m"], int(r["n"]), r["c"]) for r in json.loads(said.stdout)]))

    def watch(self, n):
        """A reader that is another program, and stays."""
        said = subprocess.run([sys.executable, str(READER), postgresql_address(self.database), str(self.stop), *EXPORTS],
                              capture_output=True, text=True)
        if said.returncode != 0:
            self.errors.append(("another program", n, said.returncode, said.stderr))
        self.looks.append([json.loads(line) for line in said.stdout.splitlines()])

    def run(self):
        with attached(postgresql_address(self.database)) as outside:
            self.begun = outside.sql("SELECT max(snapshot_id) FROM lake.snapshots()").fetchone()[0]
        chance, end = random.Random(SEED), time.monotonic() + SECONDS
        work = [threading.Thread(target=self.write, args=(n,)) for n in range(WRITERS)]
        work += [threading.Thread(target=self.ask if n % 2 else self.watch, args=(n,)) for n in range(READERS)]
        for thread in work:
            thread.start()
        while time.monotonic() < end and len(self.errors) < 20:
            self.provider.restate(chance)
            time.sleep(chance.uniform(0.1, 0.5))
        self.stop.touch()
        for thread in work:
            thread.join()

    def check_looks(self):
        """What was seen is a version of the month, and never one older than what the same reader saw before."""
        for seen in self.looks:
            newest = {}
            for table, months in seen:
                assert {m for m, _, _ in months} == set(MONTHS), (table, months)
                for month, rows, cost in months:
                    versions = self.provider.versions[table, month]
                    assert (rows, Decimal(cost)) in versions, (table, month, rows, cost)
                    at = versions.index((rows, Decimal(cost)))
                    assert at >= newest.get((table, month), 0), (table, month, "went back to version", at, newest)
                    newest[table, month] = at

    def check_states(self, outside):
        """So does each state of the lake (some of them)."""
        states = [s for (s,) in outside.sql("SELECT snapshot_id FROM lake.snapshots() WHERE commit_message LIKE 'import%' AND "
                                            f"snapshot_id > {self.begun} ORDER BY 1").fetchall()]
        some, newest = sorted(random.Random(SEED).sample(states, min(STATES, len(states)))), {}
        for state in some:
            for table in EXPORTS:
                for month, rows, cost in outside.sql(
                        f"SELECT billing_period, count(*), sum(line_item_unblended_cost) FROM lake.aws_billing.{table} "
                        f"AT (VERSION => {state}) GROUP BY 1").fetchall():
                    versions = self.provider.versions[table, month]
                    assert (rows, cost) in versions, (state, table, month, rows, cost)
                    at = versions.index((rows, cost))
                    assert at >= newest.get((table, month), 0), (state, table, month, at)
                    newest[table, month] = at
        return len(states)

    def check_end(self):
        with attached(postgresql_address(self.database)) as outside:
            ask = lambda sql: outside.sql(sql).fetchall()  # noqa: E731
            for table, export in EXPORTS.items():
                found = {m: (n, c) for m, n, c in ask("SELECT billing_period, count(*), sum(line_item_unblended_cost) FROM "
                                                      f"lake.aws_billing.{table} GROUP BY 1")}
                assert found == {m: self.provider.versions[table, m][-1] for m in MONTHS}
                current = ask("SELECT billing_period, version_id, load_completed, row_count FROM lake.billing_state.load_state "
                              f"WHERE current_version AND export_name = '{export}' ORDER BY 1")
                assert current == [(m, self.provider.names[table, m], True, found[m][0]) for m in MONTHS]
                ledger = ask("SELECT l.billing_period, sum(l.row_count), sum(l.unblended) FROM lake.billing_state.ledger AS l JOIN "
                             "lake.billing_state.load_state AS s USING (export_name, billing_period, version_id) WHERE "
                             f"s.current_version AND export_name = '{export}' GROUP BY 1")
                assert {m: (n, c) for m, n, c in ledger} == found
            assert ask("SELECT export_name, billing_period, version_id, count(*) FROM lake.billing_state.load_state GROUP BY ALL "
                       "HAVING count(*) > 1") == []
            assert ask("SELECT * FROM lake.billing_state.load_states WHERE status <> 'completed'") == []
            return self.check_states(outside)


@pytest.fixture
def soak(tmp_path, postgresql):
    (tmp_path / "provider").mkdir()
    return Soak(tmp_path, postgresql.new_database())


def test_importers_and_readers_at_once(soak, capsys):
    first = soak.machine("first")
    assert soak.load(first).returncode == 0
    soak.run()
    assert soak.errors == []
    assert soak.load(first).returncode == 0
    states = soak.check_end()
    soak.check_looks()
    looks, versions = sum(map(len, soak.looks)), sum(map(len, soak.provider.versions.values()))
    assert looks > 0 and soak.imports > 0
    with capsys.disabled():
        print(f" [{WRITERS} + {READERS}, {soak.imports} imports, {states} states, {versions} versions, {looks} looks] ", end="")
