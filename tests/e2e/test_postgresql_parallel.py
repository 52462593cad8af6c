"""Long streams into PostgreSQL, over one connection and over several: whatever goes wrong, and wherever, the table is as
it was and nothing lies about."""
import threading
import time

import pytest

from test_postgresql_driver import Tool, connections, db, driver_tool, open_tool, tool  # noqa: F401

ROWS = 100000
LONG = "SELECT i, repeat('x', 100) AS x, (i / 7)::DECIMAL(38,18) AS d FROM range(%d) r(i)" % ROWS
BILL = ("replace", None, "bill", None, None)
MONTH = ("replace", None, "bill", "month", "2026-05")


def left(db):  # noqa: F811
    return db.sql("SELECT relname FROM pg_class WHERE relname ~ '^finops_new_'")


def writers(db, table="bill"):  # noqa: F811
    """Transactions that the rows are from: each connection has one."""
    return int(db.value("SELECT count(DISTINCT xmin::text) FROM %s" % table))


def whole(db, table="bill"):  # noqa: F811
    return db.sql("SELECT count(*), count(DISTINCT i), min(i), max(i), sum(d)::numeric(38,3) FROM %s" % table) == [
        [str(ROWS), str(ROWS), "0", str(ROWS - 1), "714278571.429"]] and left(db) == []


def test_a_table_is_replaced(tool, db, connections):  # noqa: F811
    tool(*BILL, "SELECT 1 AS i")
    lines = tool(*BILL, LONG)
    assert lines[0] == ["before_swap"] and lines[1][:2] == ["written", str(ROWS)] and whole(db)
    assert (writers(db) > 1) == (connections > 1)


def test_a_partition_is_replaced(tool, db, connections):  # noqa: F811
    for month in ("2026-05", "2026-06", "2026-05"):
        tool("replace", None, "bill", "month", month, LONG.replace("SELECT", "SELECT '%s' AS month," % month))
    assert db.sql("SELECT month, count(*), count(DISTINCT i) FROM bill GROUP BY 1 ORDER BY 1") == [
        ["2026-05", str(ROWS), str(ROWS)], ["2026-06", str(ROWS), str(ROWS)]]
    assert (writers(db, "bill__2026_05") > 1) == (connections > 1) and left(db) == []


@pytest.mark.parametrize("mode", ["create", "widen"])
def test_a_new_table_is_written(tool, db, connections, mode):  # noqa: F811
    tool("write", mode, None, "bill", LONG)
    assert whole(db) and (writers(db) > 1) == (connections > 1)
    assert tool.refused("write", "create", None, "bill", LONG)[0] == "exists"
    tool("write", "widen", None, "bill", "SELECT 1::BIGINT AS i, 'more' AS y")
    assert db.value("SELECT count(y) FROM bill") == "1"


def test_rows_appended_to_a_table_are_all_there_or_none(tool, db):  # noqa: F811
    tool("write", "create", None, "bill", "SELECT i FROM (%s) LIMIT 0" % LONG)
    tool("write", "append", None, "bill", "SELECT i FROM (%s)" % LONG)
    assert writers(db) == 1
    tool.refused("write", "append", None, "bill", "SELECT CASE WHEN i = 90000 THEN 'x' ELSE i::TEXT END AS i FROM (%s)" % LONG)
    assert db.value("SELECT count(*) FROM bill") == str(ROWS)


def test_the_table_belongs_to_the_callers_transaction(tool, db):  # noqa: F811
    tool(*BILL, "SELECT 1 AS i")
    tool("begin")
    tool(*BILL, LONG)
    assert tool.rows("SELECT count(*) FROM bill") == [[str(ROWS)]]
    assert all(line[2] != name for line in tool("tables", "public") for (name,) in left(db))
    tool("rollback")
    assert db.sql("SELECT i FROM bill") == [["1"]] and left(db) == []
    tool("begin")
    tool(*BILL, LONG)
    tool("commit")
    assert whole(db)


def test_two_tables_in_one_transaction_go_with_it(tool, db):  # noqa: F811
    for end, tables in (("rollback", 0), ("commit", 2)):
        tool("begin")
        for name in ("bill", "other"):
            tool("replace", None, name, None, None, LONG)
        tool(end)
        assert left(db) == []
        assert db.value("SELECT count(*) FROM pg_class WHERE relname IN ('bill', 'other')") == str(tables)


@pytest.mark.parametrize("isolation", ["REPEATABLE READ", "SERIALIZABLE"])
def test_a_transaction_with_a_snapshot_sees_what_it_wrote(tool, db, isolation):  # noqa: F811
    tool("begin")
    tool("exec", "SET TRANSACTION ISOLATION LEVEL " + isolation)
    tool(*BILL, LONG)
    assert tool.rows("SELECT count(*) FROM bill") == [[str(ROWS)]]
    tool("commit")
    assert whole(db) and writers(db) == 1


def test_a_schema_of_the_transaction_itself_is_written_to(tool, db):  # noqa: F811
    tool("begin")
    tool("exec", "CREATE SCHEMA mine")
    tool("replace", "mine", *BILL[2:], LONG)
    tool("commit")
    assert whole(db, "mine.bill") and writers(db, "mine.bill") == 1


def test_a_schema_that_the_transaction_has_locked_is_written_to(tool, db):  # noqa: F811
    db.sql("CREATE SCHEMA mine")
    tool("begin")
    tool("exec", "ALTER SCHEMA mine RENAME TO ours")
    tool("replace", "ours", *BILL[2:], LONG)
    tool("commit")
    assert whole(db, "ours.bill")


def test_a_path_or_a_role_of_the_session_counts(tool, db):  # noqa: F811
    db.sql("CREATE SCHEMA other; CREATE ROLE \"owner %s\"; GRANT CREATE, USAGE ON SCHEMA other TO \"owner %s\"" % (db.name, db.name))
    tool("exec", "SET search_path TO other")
    tool(*BILL, LONG)
    assert whole(db, "other.bill")
    tool("exec", "SET ROLE \"owner %s\"" % db.name)
    tool("replace", None, "mine", None, None, LONG)
    assert db.value("SELECT tableowner FROM pg_tables WHERE tablename = 'mine'") == "owner " + db.name and left(db) == []


def test_a_server_without_connections_left_is_written_to_over_one(open_tool, db):  # noqa: F811
    db.sql("CREATE ROLE \"one %s\" LOGIN PASSWORD 'x' CONNECTION LIMIT 1; GRANT CREATE ON SCHEMA public TO \"one %s\"" % (db.name, db.name))
    one = open_tool(db.settings(user="one " + db.name, password="x"))
    one(*BILL, LONG)
    assert whole(db) and writers(db) == 1


@pytest.mark.parametrize("own", [True, False], ids=["own transaction", "the caller's"])
def test_a_bad_value_is_named_by_its_row_and_nothing_is_stored(tool, db, own):  # noqa: F811
    tool(*MONTH, "SELECT '2026-05' AS month, 7 AS i")
    if not own:
        tool("begin")
    code, text, _ = tool.refused(*MONTH, "SELECT '2026-05' AS month, CASE WHEN i = 90000 THEN 9000000000 ELSE i END AS i FROM (%s)" % LONG)
    assert code == "data" and "column i, row 90001: 9000000000 does not fit integer" in text
    if not own:
        assert "rolled back" in tool.refused("commit")[1]
    assert db.sql("SELECT i FROM bill") == [["7"]] and left(db) == []
    assert tool("alive") == [["alive", "1"]]


def test_a_value_that_the_server_refuses_ends_all(tool, db):  # noqa: F811
    tool(*MONTH, "SELECT '2026-05' AS month, 7::BIGINT AS i")
    db.sql("ALTER TABLE bill ADD CONSTRAINT small CHECK (i < 90000)")
    code, text, _ = tool.refused(*MONTH, LONG.replace("SELECT", "SELECT '2026-05' AS month,"))
    assert code == "data" and "small" in text
    assert db.sql("SELECT i FROM bill") == [["7"]] and left(db) == []


def test_rows_that_end_in_an_error_are_not_stored(tool, db):  # noqa: F811
    tool(*BILL, "SELECT 7 AS i")
    code, text, _ = tool.refused(*BILL, "SELECT CASE WHEN i = 90000 THEN error('a torn file') ELSE i END AS i FROM (%s)" % LONG)
    assert "a torn file" in text
    assert db.sql("SELECT i FROM bill") == [["7"]] and left(db) == []


@pytest.mark.parametrize("how, code", [("deadline", "timeout"), ("cancel_after", "cancelled")])
def test_a_call_that_is_over_ends_all_connections(tool, db, how, code):  # noqa: F811
    tool(*BILL, "SELECT 7 AS i")
    tool.send(how, 1000)
    began = time.monotonic()
    assert tool.refused(*BILL, LONG.replace(str(ROWS), "200000000"))[0] == code
    assert time.monotonic() - began < 8
    assert db.sql("SELECT i FROM bill") == [["7"]] and left(db) == []
    assert db.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%' AND state = 'active'") == "0"
    assert tool("alive") == [["alive", "1"]]
    tool(*BILL, LONG)
    assert whole(db)


def test_any_killed_backend_ends_all(driver_tool, db, connections):  # noqa: F811
    for n in range(connections):
        tool = Tool(driver_tool, db.settings(copy_connections=connections))  # noqa: F811
        tool("connect")
        tool(*BILL, "SELECT 7 AS i")
        tool.send(*BILL, LONG.replace(str(ROWS), "200000000"))
        pids, until = [], time.monotonic() + 20
        while len(pids) < connections and time.monotonic() < until:
            pids = db.sql("SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%' ORDER BY backend_start")
        db.sql("SELECT pg_terminate_backend(%s)" % pids[n][0])
        assert tool.answer()[1][0] == "transient"
        tool("connect")
        until = time.monotonic() + 20
        while True:  # a backend of the server that has not noticed yet that nobody listens keeps its staging table
            tool(*BILL, "SELECT 8 AS i")
            if left(db) == [] or time.monotonic() > until:
                break
            time.sleep(0.2)
        assert db.sql("SELECT i FROM bill") == [["8"]] and left(db) == []
        tool.close()


def test_readers_read_the_old_rows_meanwhile(tool, open_tool, db):  # noqa: F811
    tool(*BILL, "SELECT 7 AS i")
    reader, seen, over = open_tool(db.settings()), set(), threading.Event()

    def read():
        while not over.is_set():
            seen.add(reader.rows("SELECT count(*) FROM bill")[0][0])
    thread = threading.Thread(target=read)
    thread.start()
    tool(*BILL, LONG)
    over.set()
    thread.join()
    assert seen <= {"1", str(ROWS)} and "1" in seen and whole(db)


def test_importers_side_by_side_drop_nothing_of_each_other(driver_tool, db, connections):  # noqa: F811
    failures = []

    def importer(name):
        one = Tool(driver_tool, db.settings(copy_connections=connections))
        one("connect")
        for _ in range(4):
            one.send("replace", None, name, None, None, LONG)
            failures.extend(one.answer()[1])
        one.close()
    threads = [threading.Thread(target=importer, args=(name,)) for name in ("one", "two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == [] and all(whole(db, name) for name in ("one", "two", "three"))
