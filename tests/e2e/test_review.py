"""Odd but legal things users do: names that meet, paths, signals, statements that hide a write."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import duckdb
import pytest

HEADER = ("identity/LineItemId,bill/BillingPeriodStartDate,lineItem/UsageAccountId,lineItem/LineItemType,lineItem/ProductCode,"
          "lineItem/CurrencyCode,lineItem/UnblendedCost")


@pytest.fixture
def bill(tmp_path):
    """Writes a bill of one month with the given costs, one line each."""
    def write(name, *costs, end="\n"):
        lines = [f"id{i},2024-11-01T00:00:00Z,001234567890,Usage,AmazonEC2,USD,{c}" for i, c in enumerate(costs)]
        path = tmp_path / name
        path.write_bytes(end.join([HEADER, *lines, ""]).encode())
        return path
    return write


def load(finops, path, name, *flags, status=0):
    return finops.run("aws", "import-cur", "--file", path, "--export-name", name, *flags, status=status)


def sql(finops, text):
    with duckdb.connect(str(finops.database), read_only=True) as db:
        return db.sql(text).fetchall()


def tables(finops):
    return dict(sql(finops, "SELECT export_name, table_name FROM billing_state.load_state WHERE current_version"))


def test_exports_of_bare_files_whose_names_fold_alike_never_share_a_table(finops, bill):
    for i, name in enumerate(["a.b", "a-b", "A_B", "a/b"]):
        load(finops, bill(f"{i}.csv", i + 1), name)
    found = tables(finops)
    assert len(set(found.values())) == 4, found
    for i, table in enumerate(found.values()):
        assert sql(finops, f'SELECT count(*) FROM aws_billing."{table}"') == [(1,)]
    total = sum(sql(finops, f'SELECT sum(line_item_unblended_cost) FROM aws_billing."{t}"')[0][0] for t in found.values())
    assert total == 10


def test_a_second_file_of_a_kept_apart_export_replaces_its_month(finops, bill):
    load(finops, bill("a.csv", 1), "a.b")
    load(finops, bill("b.csv", 2), "a-b")
    load(finops, bill("c.csv", 3), "a-b")
    assert len(tables(finops)) == 2
    assert float(finops.rows("report")[0]["cost"]) == 4


@pytest.mark.parametrize("first, second", [("separate", "single"), ("single", "separate")])
def test_a_table_of_another_export_is_never_written(finops, bill, first, second):
    name = {"separate": "foo", "single": "foo_2024_11"}
    load(finops, bill("1.csv", 1), name[first], "--table-strategy", first)
    failed = load(finops, bill("2.csv", 2, 3), name[second], "--table-strategy", second, status=1)
    assert f"table foo_2024_11 holds export {name[first]}" in failed.stderr
    assert sql(finops, "SELECT count(*), sum(line_item_unblended_cost)::INT FROM aws_billing.foo_2024_11") == [(1, 1)]
    finops.run("aws", "reconcile")


def test_amounts_may_miss_digits_on_one_side_of_the_point(finops, bill):
    load(finops, bill("a.csv", ".5", "5.", "-.25", "+1", "1e3", "", "-0"), "x")
    assert sql(finops, "SELECT sum(line_item_unblended_cost)::VARCHAR FROM aws_billing.x_2024_11") == [("1006.250000000000000000",)]


def test_lines_that_end_in_carriage_returns_alone_are_refused(finops, bill):
    failed = load(finops, bill("a.csv", 1, 2, end="\r"), "x", status=1)
    assert "a.csv: header: its lines end in carriage returns alone" in failed.stderr


@pytest.mark.parametrize("name", ["n" * 120 + ".duckdb", "an odd 'name' \"ü\" [x] *.duckdb"])
def test_a_database_may_have_any_name(finops, sample, name):
    finops.run("aws", "import-cur", "--bucket", sample / "sample-billing", "--database-path", name)
    assert len(finops.rows("aws", "show-state", "--database-path", name)) == 3
    assert sorted(p.name for p in finops.folder.iterdir()) == [name, name + ".kept"]


def test_a_database_path_with_a_question_mark_is_refused_before_anything_is_made(finops, sample):
    failed = finops.run("aws", "import-cur", "--bucket", sample / "sample-billing", "--database-path", "a?/x.duckdb", status=2)
    assert "cannot hold a '?'" in failed.stderr
    assert list(finops.folder.iterdir()) == []


def test_a_link_to_a_database_is_that_database(finops):
    """Log and socket stand beside the file: else a reader would miss the import, and a crash the last months."""
    finops.run("sample", "--out", "bills", "--rows", 60000, "--months", 2, "--start", "2026-05", "--cur-version", "v1",
               "--format", "csv")
    finops.run("aws", "import-cur", "--bucket", "bills/sample-billing", "--end-date", "2026-05")
    (finops.folder / "links").mkdir()
    link = finops.folder / "links" / "bills.duckdb"
    link.symlink_to(finops.database)
    importing = finops.start("aws", "import-cur", "--bucket", "bills/sample-billing", "--database-path", link)
    try:
        path = pathlib.Path(f"{finops.database}.sock")
        while not path.exists() and importing.poll() is None:
            time.sleep(0.005)
        assert finops.rows("query", "SELECT count(*) AS n FROM aws_billing.sample_cur_2026_05") == [{"n": 60000}]
        assert importing.poll() is None, "the import ended before it could be asked"
        importing.kill()
    finally:
        importing.wait()
    assert [p.name for p in link.parent.iterdir()] == ["bills.duckdb"]


def test_a_file_that_has_the_name_of_the_socket_stays(finops, bill):
    path = pathlib.Path(f"{finops.database}.sock")
    path.parent.mkdir()
    path.write_text("mine")
    failed = load(finops, bill("a.csv", 1), "x", status=1)
    assert "finops.duckdb.sock" in failed.stderr
    assert path.read_text() == "mine"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user's socket")
def test_an_answer_of_another_users_socket_is_not_taken(finops, bill):
    load(finops, bill("a.csv", 1), "x")
    path = f"{finops.database}.sock"
    child = os.fork()
    if child == 0:
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        os.chmod(path, 0o777)
        server.listen()
        os.setuid(65534)  # listen() took the credentials of root: connections see those of the moment
        server.listen()
        while True:
            server.accept()
    try:
        deadline = time.monotonic() + 10
        while not os.path.exists(path) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.3)
        assert finops.rows("query", "SELECT 42 AS n", timeout=60) == [{"n": 42}]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


STATEMENTS = ["EXPLAIN ANALYZE DELETE FROM aws_billing.sample_cur_2026_05",
              "/* x */ explain (analyze) delete from aws_billing.sample_cur_2026_05",
              "EXPLAIN ANALYZE COPY (SELECT 1) TO 'evil.csv'", "COPY (SELECT 1) TO 'evil.csv'", "CREATE TABLE t (i INT)"]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_no_statement_writes_through_query(loaded, statement):
    loaded.run("query", statement, status=2)
    assert not (loaded.folder / "evil.csv").exists()


def test_no_statement_writes_through_an_import_that_runs(finops):
    finops.run("sample", "--out", "bills", "--rows", 60000, "--months", 3, "--start", "2026-05", "--cur-version", "v1",
               "--format", "csv")
    finops.run("aws", "import-cur", "--bucket", "bills/sample-billing", "--end-date", "2026-05")
    importing = finops.start("aws", "import-cur", "--bucket", "bills/sample-billing", "--force", "--start-date", "2026-06")
    try:
        path = pathlib.Path(f"{finops.database}.sock")
        while not path.exists() and importing.poll() is None:
            time.sleep(0.005)
        for statement in STATEMENTS:
            finops.run("query", statement, status=2)
        assert importing.poll() is None, "the import ended before it could be asked"
    finally:
        importing.wait()
    assert finops.rows("query", "SELECT count(*) AS n FROM aws_billing.sample_cur_2026_05") == [{"n": 60000}]


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_an_import_and_leaves_nothing_half_done(finops, sent):
    finops.run("sample", "--out", "bills", "--rows", 60000, "--months", 2, "--start", "2026-05", "--cur-version", "v1",
               "--format", "csv")
    importing = finops.start("aws", "import-cur", "--bucket", "bills/sample-billing",
                             preexec_fn=lambda: signal.signal(sent, signal.SIG_DFL))
    path = pathlib.Path(f"{finops.database}.sock")
    while not path.exists() and importing.poll() is None:
        time.sleep(0.005)
    time.sleep(0.2)
    importing.send_signal(sent)
    assert importing.wait(timeout=30) == 1
    assert sorted(p.name for p in finops.database.parent.iterdir()) == ["finops.duckdb", "finops.duckdb.kept"]
    finops.run("aws", "import-cur", "--bucket", "bills/sample-billing")
    assert finops.rows("query", "SELECT count(*) AS n FROM aws_billing.sample_cur_unified") == [{"n": 120000}]


def test_an_import_stopped_after_some_months_is_partly_done(finops):
    finops.run("sample", "--out", "bills", "--rows", 60000, "--months", 6, "--start", "2026-01", "--cur-version", "v1",
               "--format", "csv")
    importing = finops.start("aws", "import-cur", "--bucket", "bills/sample-billing", stderr=subprocess.PIPE,
                             preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    count = "SELECT count(*) AS n FROM billing_state.load_state WHERE current_version"
    while importing.poll() is None:
        asked = finops.run("query", count, "--format", "json", status=None)
        if asked.returncode == 0 and json.loads(asked.stdout)[0]["n"]:
            break
    importing.send_signal(signal.SIGINT)
    said = importing.communicate(timeout=30)[1].decode()
    assert importing.returncode == 3, said
    n = finops.rows("query", count)[0]["n"]
    assert 1 <= n < 6
    assert f"error: stopped on request; {n} month" in said and "hint: run the same command again for the rest" in said
    assert f"{6 - n} month" in finops.run("aws", "import-cur", "--bucket", "bills/sample-billing").stderr


def test_a_reset_for_a_format_the_export_has_not_drops_nothing(finops, sample):
    finops.run("aws", "import-cur", "--bucket", sample / "sample-billing")
    failed = finops.run("aws", "import-cur", "--bucket", sample / "sample-billing", "--reset", "--yes", "--export-format", "csv",
                        status=1)
    assert "no billing export in" in failed.stderr and "--export-format" in failed.stderr
    assert len(finops.rows("aws", "show-state")) == 3


def test_a_current_folder_that_is_gone_is_told_as_that(finops):
    gone = finops.folder / "gone"
    script = f'mkdir "{gone}" && cd "{gone}" && rmdir "{gone}" && exec "{finops.program}" report'
    done = subprocess.run(["sh", "-c", script], env=finops.env, capture_output=True, text=True)
    assert done.returncode == 1
    assert "from the current folder: no such file or directory" in done.stderr


def test_a_parquet_value_that_is_no_amount_names_the_file(finops, parquet_bill):
    line = {"bill_billing_period_start_date": "TIMESTAMP '2024-11-01'", "line_item_currency_code": "'USD'",
            "line_item_unblended_cost": "'abc'"}
    failed = load(finops, parquet_bill("words.parquet", [line]), "x", status=1)
    assert "words.parquet row 1: column line_item_unblended_cost is " in failed.stderr and 'cannot keep "abc"' in failed.stderr


def test_a_source_that_is_not_there_is_named_once(finops, sample):
    bucket = sample / "sample-billing"
    for verb in ("list-exports", "import-cur"):
        for flags in (["./nope"], [bucket, "--prefix", "nope"]):
            failed = finops.run("aws", verb, "--bucket", *flags, status=1)
            assert failed.stderr.count("nope") == 1 and "no such file or directory" in failed.stderr
    assert not finops.database.exists()


def drop(finops, table):
    with duckdb.connect(str(finops.database)) as db:
        db.execute(f"DROP TABLE aws_billing.{table}")


@pytest.mark.parametrize("strategy, table, months, first, last", [
    ("separate", "sample_cur_2026_06", "2026-06", "2026-06", "2026-06"),
    ("single", "sample_cur", "2026-05 to 2026-07", "2026-05", "2026-07")])
def test_a_table_dropped_by_hand_is_told_by_export_and_month(finops, sample, strategy, table, months, first, last):
    bucket = ("--bucket", sample / "sample-billing", "--table-strategy", strategy)
    finops.run("aws", "import-cur", *bucket)
    whole = finops.rows("report", "--by", "month")
    drop(finops, table)
    again = f"aws import-cur --force --export-name sample-cur --start-date {first} --end-date {last}"
    for words in (["report"], ["report", "--by", "tag:team"], ["query", "SELECT count(*) FROM aws_billing.sample_cur_unified"]):
        said = finops.run(*words, status=1).stderr
        assert f"error: the table {table} with sample-cur {months} is missing" in said
        assert f"hint: load it again: finops {again}" in said
    finops.run(*again.split(), *bucket)
    assert finops.rows("report", "--by", "month") == whole


def test_a_table_that_is_only_misspelt_is_not_called_missing(finops, sample):
    finops.run("aws", "import-cur", "--bucket", sample / "sample-billing")
    for table in ("sample_cur_2026_06", "aws_billing.sample_cur_2026_08"):  # no schema; no such month
        said = finops.run("query", f"SELECT * FROM {table}", status=1).stderr
        assert "Table with name" in said and "missing" not in said


def test_a_reader_that_pauses_until_the_import_has_left_is_told_to_come_again(finops):
    finops.run("sample", "--out", "bills", "--rows", 60000, "--months", 2, "--start", "2026-05", "--cur-version", "v1",
               "--format", "csv")
    finops.run("aws", "import-cur", "--bucket", "bills/sample-billing", "--end-date", "2026-05")
    importing = finops.start("aws", "import-cur", "--bucket", "bills/sample-billing", "--force", "--start-date", "2026-06")
    try:
        path = pathlib.Path(f"{finops.database}.sock")
        while not path.exists() and importing.poll() is None:
            time.sleep(0.005)
        reader = finops.start("query", "SELECT * FROM aws_billing.sample_cur_2026_05", "--format", "csv",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert reader.stdout.read(1000)
        assert importing.poll() is None, "the import ended before it could be asked"
    finally:
        importing.wait()
    said = reader.communicate()[1].decode()
    assert reader.returncode == 1
    assert said == "error: read rows: the import that answered the query ended before all rows were read; run the query again\n"
