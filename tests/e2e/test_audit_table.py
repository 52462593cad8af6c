"""The audit log as a table of the database that was changed: on DuckDB, PostgreSQL, and a plugin without schemas and
locks; what was done to it is looked at and tampered with by each database's own program."""
import contextlib
import json
import sqlite3
import subprocess

import duckdb
import pytest

BACKENDS = ("duckdb", "postgresql", "sqlite")


class Store:
    """finops on one backend with audit.table set, and that backend's own way to look and to tamper."""

    table = "finops_audit.log"

    def __init__(self, name, finops, database=None):
        self.name, self.finops, self.database = name, finops, database
        self.seen = self.table.replace(".", "__") if name == "sqlite" else self.table
        finops.env["OPEN_FINOPS_AUDIT_TABLE"] = self.table

    def sql(self, text):
        if self.name == "postgresql":
            return self.database.sql(text)
        path = str(self.finops.folder / "bills.sqlite" if self.name == "sqlite" else self.finops.database)
        with contextlib.closing(sqlite3.connect(path) if self.name == "sqlite" else duckdb.connect(path)) as db:
            rows = db.execute(text).fetchall()
            db.commit() if self.name == "sqlite" else None
            return [[None if cell is None else str(cell) for cell in row] for row in rows]

    def entries(self):
        return self.sql("SELECT operation, object, row_count, outcome FROM %s ORDER BY seq" % self.seen)

    def load(self, *args, **kwargs):
        return self.finops.run("load", "--table", "t", *args, **kwargs)

    def verify(self, *args, status=0):
        return self.finops.run("audit", "verify", "--table", *args, status=status)


def prepare(name, finops, request):
    if name == "postgresql":
        database = request.getfixturevalue("postgresql").new_database()
        finops.env.update(database.env())
        return Store(name, finops, database)
    if name == "sqlite":
        folder = request.getfixturevalue("sqlite_plugins")
        finops.env.update(OPEN_FINOPS_PLUGIN_PATH=str(folder), OPEN_FINOPS_DATABASE_BACKEND="sqlite",
                          OPEN_FINOPS_DATABASE_SQLITE_DATABASE_PATH=str(finops.folder / "bills.sqlite"))
    return Store(name, finops)


@pytest.fixture(params=BACKENDS)
def store(request, finops):
    return prepare(request.param, finops, request)


@pytest.fixture
def records(tmp_path):
    path = tmp_path / "records.csv"
    path.write_text("id,name\n1,a\n2,b\n3,c\n")
    return path


@pytest.fixture
def filled(store, records):
    store.load("--mode", "create", records)
    for _ in range(3):
        store.load(records)
    return store


def test_every_change_is_a_row_of_the_database_that_was_changed(store, records):
    store.load("--mode", "create", records)
    store.load(records)
    wrote = [row for row in store.entries() if row[0] == "write"]
    assert [(row[2], row[3]) for row in wrote] == [("3", "ok"), ("3", "ok")]
    assert all(row[1].endswith("t") for row in wrote)
    who = store.sql("SELECT DISTINCT user_name, host, backend FROM %s" % store.seen)
    assert len(who) == 1 and all(who[0]) and who[0][2] == store.name
    shown = json.loads(store.verify("--format", "json").stdout)[0]
    assert (shown["table"], int(shown["rows"])) == (store.table, len(store.entries()))
    assert store.sql("SELECT hash FROM %s ORDER BY seq DESC LIMIT 1" % store.seen) == [[shown["last"]]]


def test_what_failed_is_recorded_after_it_was_rolled_back(store, records, tmp_path):
    store.load("--mode", "create", records)
    store.sql("CREATE UNIQUE INDEX one_each ON t (id)")
    bad = tmp_path / "bad.csv"
    bad.write_text("id,name\n4,d\n2,again\n")
    store.load(bad, status=1)
    assert store.sql("SELECT count(*) FROM t") == [["3"]]
    ends = [(row[0], row[3]) for row in store.entries()][-2:]
    assert ends[0][0] == "write" and ends[0][1] != "ok"
    assert ends[1] == ("rollback", "ok")
    store.verify()


def test_what_only_reads_is_not_recorded(filled):
    before = filled.entries()
    filled.finops.run("query", "SELECT count(*) FROM t")
    assert filled.entries() == before


TAMPER = {
    "changed": (["UPDATE {t} SET row_count = 1000000 WHERE seq = 4"], "row 4 was changed"),
    "user changed": (["UPDATE {t} SET user_name = 'nobody' WHERE seq = 4"], "row 4 was changed"),
    "made NULL": (["UPDATE {t} SET row_count = NULL, object = NULL WHERE seq = 3"], "row 3 was changed"),
    "removed": (["DELETE FROM {t} WHERE seq = 4"], "row 4 is missing"),
    "first removed": (["DELETE FROM {t} WHERE seq = 1"], "row 1 is missing"),
    "removed and closed up": (["DELETE FROM {t} WHERE seq = 4", "UPDATE {t} SET seq = 4 WHERE seq = 5",
                               "UPDATE {t} SET seq = 5 WHERE seq = 6"], "row 4 was changed"),
    "put in": (["UPDATE {t} SET seq = -seq WHERE seq > 4", "UPDATE {t} SET seq = 1 - seq WHERE seq < 0",
                "INSERT INTO {t} SELECT 5, event_time, user_name, host, pid, backend, operation, object, row_count, "
                "duration_us, outcome, previous_hash, hash FROM {t} WHERE seq = 4"], "row 5 was changed"),
    "reordered": (["UPDATE {t} SET seq = -5 WHERE seq = 4", "UPDATE {t} SET seq = 4 WHERE seq = 5",
                   "UPDATE {t} SET seq = 5 WHERE seq = -5"], "row 4 was changed"),
    "before the first": (["INSERT INTO {t} SELECT -seq, event_time, user_name, host, pid, backend, operation, object, "
                          "row_count, duration_us, outcome, previous_hash, hash FROM {t} WHERE seq = 4"], "row 1 has no number"),
}


@pytest.mark.parametrize("case", TAMPER)
def test_tampering_is_found_by_row(filled, case):
    statements, found = TAMPER[case]
    filled.verify()
    for statement in statements:
        filled.sql(statement.format(t=filled.seen))
    refused = filled.verify(status=1)
    assert found in refused.stderr


def test_a_row_with_a_new_hash_of_its_own_shows_at_the_next(filled):
    # As someone would who knows how the hash is made.
    columns = ("seq", "event_time", "user_name", "host", "pid", "backend", "operation", "object", "row_count", "duration_us",
               "outcome", "previous_hash")
    cells = filled.sql("SELECT %s FROM %s WHERE seq = 4" % (", ".join(columns), filled.seen))[0]
    row = dict(zip(columns, cells), user_name="nobody")
    import hashlib
    text = json.dumps(row, separators=(",", ":"), ensure_ascii=False)
    filled.sql("UPDATE %s SET user_name = 'nobody', hash = '%s' WHERE seq = 4"
               % (filled.seen, hashlib.sha256(text.encode()).hexdigest()))
    assert "row 5 does not follow the one before it" in filled.verify(status=1).stderr


def test_a_cut_end_shows_when_the_last_hash_was_noted(filled, records):
    last = json.loads(filled.verify("--format", "json").stdout)[0]["last"]
    filled.load(records)
    filled.verify("--last", last)
    filled.sql("DELETE FROM %s WHERE seq > 3" % filled.seen)
    filled.verify()
    assert "no row has the hash" in filled.verify("--last", last, status=1).stderr


def test_processes_at_the_same_time_make_one_chain(filled, records):
    before = len(filled.entries())
    runs = [filled.finops.start("load", "--table", "t", str(records), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            for _ in range(8)]
    assert [(run.wait(120), run.stderr.read()) for run in runs] == [(0, b"")] * 8
    filled.verify()
    assert len(filled.entries()) == before + 16
    assert filled.sql("SELECT count(*) FROM t") == [["36"]]


def test_the_file_and_the_table_have_the_same_entries(store, records):
    store.finops.env["OPEN_FINOPS_AUDIT_FILE"] = "audit.jsonl"
    store.load("--mode", "create", records)
    lines = [json.loads(line) for line in (store.finops.folder / "audit.jsonl").read_text().splitlines()]
    assert [(line["operation"], line.get("object"), line["outcome"]) for line in lines] == [
        (row[0], row[1], row[3]) for row in store.entries()]
    assert lines[0]["host"] == store.sql("SELECT host FROM %s" % store.seen)[0][0]


def test_nothing_is_changed_when_the_table_cannot_be_written(finops, records, request):
    store = prepare("postgresql", finops, request)
    store.load("--mode", "create", records, env={"OPEN_FINOPS_AUDIT_TABLE": ""})
    store.sql("CREATE ROLE clerk LOGIN PASSWORD 'p'; GRANT ALL ON t TO clerk")
    clerk = {"OPEN_FINOPS_DATABASE_POSTGRESQL_USER": "clerk", "OPEN_FINOPS_DATABASE_POSTGRESQL_PASSWORD": "p"}
    refused = store.load(records, env=clerk, status=1)
    assert "audit table log" in refused.stderr and "nothing is changed while" in refused.stderr
    assert store.sql("SELECT count(*) FROM t") == [["3"]]
    # With rights to append, and none to change what is there, it goes on.
    store.load(records)
    store.sql("GRANT USAGE ON SCHEMA finops_audit TO clerk; GRANT SELECT, INSERT ON finops_audit.log TO clerk")
    store.load(records, env=clerk)
    assert store.sql("SELECT count(*) FROM t") == [["9"]]
    store.verify()


def test_a_month_and_its_audit_rows(finops, sample, request):
    store = prepare("postgresql", finops, request)
    store.finops.run("aws", "import-cur", "--bucket", sample / "sample-billing")
    replaced = [row for row in store.entries() if row[0] == "replace"]
    assert len(replaced) == 3 and {row[3] for row in replaced} == {"ok"}
    store.verify()


def test_a_missing_table_and_a_bad_name_are_said(finops):
    assert "no audit table is named" in finops.run("audit", "verify", "--table", status=2).stderr
    path = finops.folder / "a.csv"
    path.write_text("id\n1\n")
    finops.run("load", "--table", "t", "--mode", "create", path)
    assert "there is no audit table a.b" in finops.run("audit", "verify", "--table", "a.b", status=1).stderr
    refused = finops.run("load", "--table", "t", path, env={"OPEN_FINOPS_AUDIT_TABLE": "a.b.c"}, status=2)
    assert "is no SCHEMA.TABLE" in refused.stderr
