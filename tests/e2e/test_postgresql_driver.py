"""The PostgreSQL driver against real servers: what the conformance suite of `finops backends test` cannot know, because
it looks at the server from outside (psql), stops it, speaks TLS, or takes rights away."""
import os
import pathlib
import signal
import stat
import subprocess
import threading
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Tool:
    """tests/support/driver_tool.c: a connection that is told what to do, a line at a time."""

    def __init__(self, program, settings, env=None):
        self.process = subprocess.Popen([program, *("%s=%s" % pair for pair in settings.items() if pair[1] is not None)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, "HOME": "/nonexistent", **(env or {})})

    def send(self, *fields):
        self.process.stdin.write("\t".join("-" if f is None else str(f) for f in fields) + "\n")
        self.process.stdin.flush()

    def answer(self):
        lines = []
        for line in self.process.stdout:
            fields = line.rstrip("\n").split("\t")
            if fields[0] in ("ok", "error"):
                return lines, fields[1:]
            lines.append(fields)
        raise AssertionError("the tool died: %s" % lines)

    def __call__(self, *fields):
        """Lines of output; fails when the command does."""
        self.send(*fields)
        lines, error = self.answer()
        assert not error, error
        return lines

    def refused(self, *fields):
        """[code, text, hint] of a command that must fail."""
        self.send(*fields)
        lines, error = self.answer()
        assert error, lines
        return error

    def rows(self, sql, *params):
        return [line[1:] for line in self("rows", sql, *params) if line[0] == "row"]

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(30) == 0
        self.process.stdout.close()


@pytest.fixture(scope="session")
def driver_tool():
    build = pathlib.Path(os.environ.get("FINOPS", ROOT / "build" / "finops")).parent
    subprocess.run(["ninja", "-C", build, "tests/driver_tool"], check=True, capture_output=True)
    return str(build / "tests" / "driver_tool")


@pytest.fixture(params=[1, 4], ids=["one_connection", "four_connections"])
def connections(request):
    return request.param


@pytest.fixture
def open_tool(driver_tool, connections):
    tools = []

    def start(settings, env=None, connect=True):
        tools.append(Tool(driver_tool, {"copy_connections": connections, **settings}, env))
        if connect:
            tools[-1]("connect")
        return tools[-1]
    yield start
    for tool in tools:
        tool.close()


@pytest.fixture
def db(postgresql):
    return postgresql.new_database()


@pytest.fixture
def tool(open_tool, db):
    return open_tool(db.settings())


EVERY_TYPE = """SELECT 1::TINYINT AS i1, -2::SMALLINT AS i2, 2147483647 AS i4, -9223372036854775808 AS i8,
    18446744073709551615::UBIGINT AS u8, 1.5::FLOAT AS f4, 0.1::DOUBLE AS f8, -0.000000000000000001::DECIMAL(38,18) AS d,
    99999999999999999999999999999999999999::HUGEINT AS h, 'naïve ☃ \U0001F642'::VARCHAR AS t, '' AS empty, true AS b,
    DATE '0001-01-01' AS d1, DATE '9999-12-31' AS d2, TIMESTAMP '1969-12-31 23:59:59.999999' AS ts,
    TIMESTAMPTZ '2026-05-31 22:00:00-02' AS tz, TIMESTAMP_NS '2026-05-31 10:00:00.123456789' AS ns,
    TIMESTAMP_S '2026-05-31 10:00:00' AS s, 'infinity'::TIMESTAMP AS inf, '-infinity'::DATE AS dinf,
    '\\x00\\xFF'::BLOB AS bytes, TIME '23:59:59.5' AS tm, uuid '00112233-4455-6677-8899-aabbccddeeff' AS u,
    MAP {'team': 'a"b', 'x': NULL} AS m, {'n': 1.50::DECIMAL(9,2), 'l': [1, NULL], 't': TIMESTAMP '2026-01-01'} AS st,
    NULL::INTEGER AS nothing, 'red'::ENUM('red', 'green') AS e"""


def test_every_type_is_what_psql_reads(tool, db):
    tool("write", "create", None, "every", EVERY_TYPE.replace("\n", " "))
    names = [name for name, in db.sql("SELECT attname FROM pg_attribute WHERE attrelid = 'every'::regclass AND attnum > 0 "
                                      "ORDER BY attnum")]
    row = dict(zip(names, db.sql("SELECT * FROM every")[0]))
    assert row == {
        "i1": "1", "i2": "-2", "i4": "2147483647", "i8": "-9223372036854775808", "u8": "18446744073709551615", "f4": "1.5",
        "f8": "0.1", "d": "-0.000000000000000001", "h": "99999999999999999999999999999999999999", "t": "naïve ☃ \U0001F642",
        "empty": "", "b": "t", "d1": "0001-01-01", "d2": "9999-12-31", "ts": "1969-12-31 23:59:59.999999",
        "tz": "2026-06-01 00:00:00+00", "ns": "2026-05-31 10:00:00.123456", "s": "2026-05-31 10:00:00", "inf": "infinity",
        "dinf": "-infinity", "bytes": "\\x00ff", "tm": "23:59:59.5", "u": "00112233-4455-6677-8899-aabbccddeeff",
        "m": '{"x": null, "team": "a\\"b"}', "st": '{"l": [1, null], "n": 1.50, "t": "2026-01-01 00:00:00"}',
        "nothing": None, "e": "red"}


def test_types_of_a_new_table_follow_those_of_the_rows(tool, db):
    tool("write", "create", None, "every", EVERY_TYPE.replace("\n", " "))
    types = dict(db.sql("SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
                        "WHERE attrelid = 'every'::regclass AND attnum > 0"))
    assert [types[n] for n in ("i1", "i4", "i8", "u8", "d", "h", "ts", "tz", "m", "st", "bytes")] == [
        "smallint", "integer", "bigint", "numeric(20,0)", "numeric(38,18)", "numeric(38,0)", "timestamp without time zone",
        "timestamp with time zone", "jsonb", "jsonb", "bytea"]


@pytest.mark.parametrize("column, value, stored", [
    ("bigint", "7::INTEGER", "7"), ("numeric", "0.1::DOUBLE", "0.1"), ("numeric(38,18)", "'12.5'", "12.500000000000000000"),
    ("numeric(10,2)", "1.005::DOUBLE", "1.01"), ("double precision", "1.25::DECIMAL(9,2)", "1.25"), ("text", "1.50::DECIMAL(9,2)", "1.50"),
    ("jsonb", "'{\"a\": 1.10}'", '{"a": 1.10}'), ("json", "MAP {'k': 1}", '{"k":1}'), ("timestamptz", "'2026-05-31T10:00:00Z'",
    "2026-05-31 10:00:00+00"), ("date", "TIMESTAMP '2026-05-31'", "2026-05-31"), ("uuid", "'00112233-4455-6677-8899-aabbccddeeff'",
    "00112233-4455-6677-8899-aabbccddeeff"), ("varchar(3)", "'äöü'", "äöü"), ("boolean", "'false'", "f"), ("smallint", "'-3'", "-3"),
    ("integer", "5.00::DECIMAL(9,2)", "5"), ("text", "TIMESTAMP '2026-05-31 10:00:00'", "2026-05-31 10:00:00")])
def test_rows_take_the_types_of_the_table(tool, db, column, value, stored):
    db.sql("CREATE TABLE t (c %s)" % column)
    tool("write", "append", None, "t", "SELECT %s AS c" % value)
    assert db.value("SELECT c FROM t") == stored


@pytest.mark.parametrize("column, value, words", [
    ("integer", "2147483648", "column c, row 3: 2147483648 does not fit integer"),
    ("numeric(5,2)", "1.234::DECIMAL(9,3)", "column c, row 3: 1.234 does not fit numeric(5,2)"),
    ("text", "'a' || chr(0)", "column c, row 3: a text holds a NUL character"),
    ("varchar(3)", "'abcd'", "column c, row 3: abcd does not fit character varying(3)"),
    ("jsonb", "'{'", "line 3, column c"), ("numeric", "'1,5'", "column c, row 3: 1,5 does not fit numeric"),
    ("inet", "'x'", "column c: string does not go into a column of type inet")])
def test_a_value_that_does_not_fit_is_named_and_nothing_is_stored(tool, db, column, value, words):
    db.sql("CREATE TABLE t (c %s)" % column)
    code, text, _ = tool.refused("write", "append", None, "t",
                                 "SELECT CASE WHEN i = 2 THEN %s END AS c FROM range(5) r(i) ORDER BY i" % value)
    assert code == "data" and words in text
    assert db.value("SELECT count(*) FROM t") == "0"
    assert tool("alive") == [["alive", "1"]]


def test_names_over_63_bytes_are_refused(tool, db):
    code, text, _ = tool.refused("write", "create", None, "ü" * 32, "SELECT 1 AS a")
    assert code == "data" and "64 bytes, PostgreSQL keeps 63" in text
    assert tool("tables", "public") == []


def test_results_come_in_batches_of_bounded_memory(tool, db):
    rows = tool.rows("SELECT i, i * 1.5::numeric(10,2) AS d, repeat('x', 100) FROM generate_series(1, 20000) i")
    assert len(rows) == 20000 and rows[-1][:2] == ["20000", "30000.000000000000000000"]


def test_a_sum_is_a_decimal_and_a_third_is_text(tool):
    lines = tool("rows", "SELECT sum(x) AS s, 1::numeric / 3 AS t FROM (VALUES (1.10), (2.20)) v(x)")
    assert lines[0] == ["schema", "s:d:38,18", "t:u"]
    assert lines[1] == ["row", "3.300000000000000000", "0.33333333333333333333"]


def test_a_deadline_ends_the_statement_on_the_server(tool, db):
    tool.send("deadline", 300)
    began = time.monotonic()
    code, text, _ = tool.refused("exec", "SELECT pg_sleep(60)")
    assert code == "timeout" and "the deadline passed" in text and time.monotonic() - began < 5
    assert db.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(60)%' AND state = 'active'") == "0"
    assert tool("alive") == [["alive", "1"]] and tool.rows("SELECT 1") == [["1"]]


def test_cancel_of_another_thread_ends_a_copy_that_waits_for_a_lock(tool, open_tool, db):
    db.sql("CREATE TABLE t (c bigint)")
    other = open_tool(db.settings())
    other("begin")
    other("exec", "LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
    tool.send("cancel_after", 300)
    code, _, _ = tool.refused("write", "append", None, "t", "SELECT i AS c FROM range(1000000) r(i)")
    assert code == "cancelled"
    other("rollback")
    assert tool("write", "append", None, "t", "SELECT 1::BIGINT AS c")[0][:2] == ["written", "1"]
    assert db.value("SELECT count(*) FROM t") == "1"


def test_a_deadline_in_the_middle_of_a_copy_leaves_nothing(tool, db):
    tool.send("deadline", 400)
    code, _, _ = tool.refused("write", "create", None, "t", "SELECT i AS c, repeat('x', 500) AS x FROM range(50000000) r(i)")
    assert code == "timeout"
    assert db.value("SELECT to_regclass('t')") is None


def test_readers_see_the_old_month_until_the_new_one_is_there(tool, open_tool, db):
    tool("replace", None, "bill", None, None, "SELECT 1 AS n FROM range(3)")
    tool("begin")
    tool("replace", None, "bill", None, None, "SELECT 2 AS n FROM range(5)")
    # The swap holds the lock until the end; readers that began before read on.
    reader = open_tool(db.settings())
    reader.send("deadline", 200)
    reader.refused("rows", "SELECT count(*) FROM bill")
    tool("commit")
    assert reader.rows("SELECT count(*), sum(n) FROM bill") == [["5", "10"]]


def test_a_replaced_table_keeps_its_grants(tool, db):
    tool("replace", None, "bill", None, None, "SELECT 1 AS n")
    db.sql("CREATE ROLE \"reader %s\"; GRANT SELECT ON bill TO \"reader %s\"" % (db.name, db.name))
    tool("replace", None, "bill", None, None, "SELECT 2 AS n")
    assert db.value("SELECT has_table_privilege('reader %s', 'bill', 'SELECT')" % db.name) == "t"


def test_a_brin_index_is_made_on_the_time_column(open_tool, db):
    tool = open_tool(db.settings(brin="true"))
    tool("replace", None, "bill", None, None, "SELECT TIMESTAMP '2026-05-01' AS bill_date, TIMESTAMP '2026-05-01' AS line_item_usage_start_date")
    assert "USING brin (line_item_usage_start_date)" in db.value("SELECT indexdef FROM pg_indexes WHERE tablename = 'bill'")


def test_a_partition_is_attached_and_the_rest_is_left_alone(tool, db):
    for month, rows in (("2026-05", 3), ("2026-06", 4), ("2026-05", 7)):
        tool("replace", None, "bill", "month", month, "SELECT '%s' AS month, i AS n FROM range(%d) r(i)" % (month, rows))
    assert db.sql("SELECT month, count(*) FROM bill GROUP BY 1 ORDER BY 1") == [["2026-05", "7"], ["2026-06", "4"]]
    assert db.sql("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition ORDER BY 1") == [
        ["DEFAULT"], ["FOR VALUES IN ('2026-05')"], ["FOR VALUES IN ('2026-06')"]]
    assert [line[2] for line in tool("tables", "public")] == ["bill"]


def test_two_importers_replace_partitions_of_one_table_at_once(driver_tool, open_tool, db):
    first = open_tool(db.settings())
    first("replace", None, "bill", "month", "2026-01", "SELECT '2026-01' AS month, 0::BIGINT AS n")
    failures = []

    def importer(month):
        tool = Tool(driver_tool, db.settings())
        tool("connect")
        for n in range(5):
            tool.send("replace", None, "bill", "month", month, "SELECT '%s' AS month, %d::BIGINT AS n FROM range(2000)" % (month, n))
            failures.extend(tool.answer()[1])
        tool.close()
    threads = [threading.Thread(target=importer, args=("2026-0%d" % m,)) for m in (1, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert db.sql("SELECT month, count(*), min(n), max(n) FROM bill GROUP BY 1 ORDER BY 1") == [
        ["2026-0%d" % m, "2000", "4", "4"] for m in (1, 2, 3, 4)]


def test_a_lock_keeps_another_importer_out_until_its_holder_is_gone(tool, open_tool, db):
    other = open_tool(db.settings())
    tool("lock", "aws:2026-05", 1000)
    assert other.refused("lock", "aws:2026-05", 200)[0] == "busy"
    tool("unlock", "aws:2026-05")
    other("lock", "aws:2026-05", 1000)


def test_a_killed_backend_is_transient_and_the_next_connection_works(tool, db):
    pid = tool.rows("SELECT pg_backend_pid()")[0][0]
    db.sql("SELECT pg_terminate_backend(%s)" % pid)
    code, _, _ = tool.refused("exec", "SELECT 1")
    assert code == "transient" and tool("alive") == [["alive", "0"]]
    tool("connect")
    assert tool.rows("SELECT 1") == [["1"]]


def test_a_connection_lost_before_commit_is_told_from_one_lost_in_it(tool, db):
    tool("begin")
    pid = tool.rows("SELECT pg_backend_pid()")[0][0]
    db.sql("SELECT pg_terminate_backend(%s)" % pid)
    tool.send("commit")
    lines, error = tool.answer()
    assert error[0] == "transient" and "not known" in error[1] and lines == [["unknown outcome"]]


def test_commit_of_a_failed_transaction_says_that_it_was_rolled_back(tool):
    tool("begin")
    tool.refused("exec", "SELECT 1/0")
    code, text, _ = tool.refused("commit")
    assert code == "database" and "rolled back" in text


def test_a_wrong_password_is_an_auth_error_without_the_password(open_tool, db):
    tool = open_tool(db.settings(password="hunter2-is-wrong"), connect=False)
    code, text, hint = tool.refused("connect")
    assert code == "auth" and "hunter2" not in text + hint and "POSTGRESQL_PASSWORD" in hint


def test_a_database_that_is_not_there_is_not_found(open_tool, db):
    tool = open_tool(db.settings(database="no_such_database"), connect=False)
    assert tool.refused("connect")[0] == "not_found"


def test_nobody_listening_is_transient(open_tool, db):
    tool = open_tool(db.settings(host="127.0.0.1", port=1), connect=False)
    code, text, hint = tool.refused("connect")
    assert code == "transient" and "running" in hint and "Connection refused; Is the server running" in text
    health = tool("health")[0]
    assert health[1] == "2" and "refused" in health[4] and "check host and port" in health[4]


def test_nobody_is_told_to_drop_what_others_made(tool, db):
    db.sql("CREATE TABLE t (c int); CREATE VIEW v AS SELECT c FROM t")
    code, text, hint = tool.refused("exec", "DROP TABLE t")
    assert "view v depends on table t" in text and "CASCADE" not in hint


def test_a_server_that_never_answers_ends_at_the_deadline(open_tool, db):
    import socket
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        tool = open_tool(db.settings(host="127.0.0.1", port=silent.getsockname()[1], connect_timeout=1), connect=False)
        began = time.monotonic()
        code, text, _ = tool.refused("connect")
        assert code == "timeout" and "127.0.0.1" in text and time.monotonic() - began < 5


def test_pgpass_and_service_files_are_read(open_tool, db, tmp_path):
    s = db.settings()
    (tmp_path / ".pgpass").write_text("*:%s:%s:%s:%s\n" % (s["port"], db.name, s["user"], s["password"]))
    (tmp_path / ".pgpass").chmod(stat.S_IRUSR | stat.S_IWUSR)
    (tmp_path / "services").write_text("[bills]\nhost=%s\nport=%s\ndbname=%s\nuser=%s\n" % (s["host"], s["port"], db.name, s["user"]))
    env = {"PGPASSFILE": str(tmp_path / ".pgpass"), "PGSERVICEFILE": str(tmp_path / "services")}
    tool = open_tool({"service": "bills"}, env)
    assert tool.rows("SELECT current_database()::text") == [[db.name]]


def test_a_uri_names_it_all(open_tool, db):
    s = db.settings()
    tool = open_tool({"uri": "postgresql://%s:%s@127.0.0.1:%s/%s?application_name=from_uri" % (s["user"], s["password"], s["port"], db.name)})
    assert tool.rows("SELECT current_setting('application_name')") == [["from_uri"]]


def test_a_uri_that_cannot_be_read_is_not_shown(open_tool):
    tool = open_tool({"uri": "postgresql://u:hunter2%zz@h/d"}, connect=False)
    code, text, hint = tool.refused("connect")
    assert code == "config" and "hunter2" not in text + hint


def test_a_standby_or_read_only_server_is_degraded(tool, db, open_tool):
    assert tool("health")[0][1] == "0"
    db.sql("ALTER DATABASE \"%s\" SET default_transaction_read_only TO on" % db.name)
    health = open_tool(db.settings())("health")[0]
    assert health[1] == "1" and health[3].startswith("PostgreSQL 1") and "read only" in health[4]


def test_a_read_only_connection_cannot_be_talked_into_writing(open_tool, db):
    db.sql("CREATE TABLE t (c int)")
    tool = open_tool(db.settings(), connect=False)
    tool("connect", "read_only")
    for trick in ("SET default_transaction_read_only TO off", "SELECT set_config('default_transaction_read_only', 'off', false)",
                  "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE"):
        tool("exec", trick)
        assert tool.refused("exec", "INSERT INTO t VALUES (1)")[0] == "usage"
    tool.refused("exec", "BEGIN READ WRITE")
    assert tool.refused("exec", "INSERT INTO t VALUES (1)")[0] == "usage"
    assert db.value("SELECT count(*) FROM t") == "0"


def test_a_right_that_was_taken_away_is_denied(tool, open_tool, db):
    db.sql("CREATE TABLE t (c int); CREATE ROLE \"poor %s\" LOGIN PASSWORD 'x'" % db.name)
    poor = open_tool(db.settings(user="poor " + db.name, password="x"))
    code, text, _ = poor.refused("write", "append", None, "t", "SELECT 1 AS c")
    assert code == "denied" and "SQLSTATE 42501" in text


def test_tls_is_verified_with_the_given_authority(open_tool, postgresql_tls):
    db = postgresql_tls.new_database()
    tool = open_tool(db.tcp_settings(sslrootcert=postgresql_tls.ca_file))
    assert tool.rows("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [["1"]]
    # The certificate is for localhost.
    other = open_tool(db.settings(host="127.0.0.1", sslrootcert=postgresql_tls.ca_file), connect=False)
    code, text, hint = other.refused("connect")
    assert code == "auth" and "certificate" in text and "verify-ca" in hint and "host" in hint


@pytest.mark.parametrize("mode", ["verify-full", "verify-ca"])
@pytest.mark.parametrize("how", ["option", "uri", "environment"])
def test_tls_is_verified_with_the_systems_authorities_where_none_is_given(open_tool, postgresql_tls, mode, how):
    db = postgresql_tls.new_database()
    s, env = db.tcp_settings(), {}
    if how == "option":
        s["sslmode"] = mode
    elif how == "environment":
        env["PGSSLMODE"] = mode
    else:
        s = {"uri": "postgresql://%s:%s@localhost:%s/%s?sslmode=%s" % (s["user"], s["password"], s["port"], db.name, mode)}
    code, text, hint = open_tool(s, env, connect=False).refused("connect")
    assert code == "auth" and "certificate verify failed" in text and "root.crt" not in text and "sslrootcert" in hint
    tool = open_tool(s, {**env, "SSL_CERT_FILE": postgresql_tls.ca_file})
    assert tool.rows("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == [["1"]]


def test_tls_of_an_unknown_authority_is_refused(open_tool, postgresql_tls, tmp_path):
    db = postgresql_tls.new_database()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "k", "-out", tmp_path / "other.crt",
                    "-subj", "/CN=other", "-days", "2"], check=True, capture_output=True)
    tool = open_tool(db.tcp_settings(sslrootcert=str(tmp_path / "other.crt")), connect=False)
    assert tool.refused("connect")[0] == "auth"


def test_rows_are_written_over_tls(open_tool, postgresql_tls):
    db = postgresql_tls.new_database()
    tool = open_tool(db.tcp_settings(sslrootcert=postgresql_tls.ca_file))
    tool("write", "create", None, "t", "SELECT i, repeat('x', 300) AS x FROM range(20000) r(i)")
    code, _, _ = tool.refused("write", "append", None, "t", "SELECT 'x' AS i, 'y' AS x FROM range(20000)")
    assert code == "data" and db.value("SELECT count(*) FROM t") == "20000"


def test_a_server_restarted_in_the_middle_of_a_copy_keeps_all_or_nothing(driver_tool):
    from postgresql import running_postgresql

    with running_postgresql() as server:
        db = server.new_database()
        tool = Tool(driver_tool, db.settings())
        tool("connect")
        tool("write", "create", None, "t", "SELECT 1::BIGINT AS n")
        tool.send("write", "append", None, "t", "SELECT i AS n FROM range(200000000) r(i)")
        time.sleep(0.7)
        server.restart(signal.SIGQUIT)
        assert tool.answer()[1][0] == "transient"
        assert db.value("SELECT count(*) FROM t") == "1"
        tool("connect")
        assert tool.rows("SELECT n FROM t") == [["1"]]
        tool.close()


def test_the_conformance_suite_passes(finops, db, connections):
    env = db.env(copy_connections=connections)
    done = finops.run("backends", "test", "postgresql", "--failed", env=env, status=None, timeout=600)
    assert done.returncode == 0, done.stdout


@pytest.fixture
def small_folder(postgresql):
    """A file system of 8 MiB of the server's own."""
    folder = postgresql.folder / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True)
    if mounted.returncode != 0:
        folder.rmdir()
        pytest.skip("no right to mount a small file system: a full disk is not tested here")
    place = folder / "space"
    place.mkdir()
    owner = postgresql.data.stat()
    os.chown(place, owner.st_uid, owner.st_gid)
    yield place
    subprocess.run(["umount", "--lazy", folder], check=True)
    folder.rmdir()


def test_a_full_disk_is_an_io_error_and_nothing_is_stored(tool, db, small_folder):
    db.sql("CREATE TABLESPACE small LOCATION '%s'" % small_folder)
    try:
        db.sql("CREATE TABLE t (i bigint, x text) TABLESPACE small")
        code, text, hint = tool.refused("write", "append", None, "t", "SELECT i, repeat('x', 500) AS x FROM range(100000) r(i)")
        assert code == "io" and "SQLSTATE 53100" in text and "make room" in hint
        assert db.value("SELECT count(*) FROM t") == "0"
        db.sql("DROP TABLE t")  # gives the room back; what replaces it needs some
        db.sql("CREATE TABLE t (i bigint, x text) TABLESPACE small")
        assert tool("write", "append", None, "t", "SELECT 1::BIGINT AS i, 'y' AS x")[0][:2] == ["written", "1"]
    finally:
        db.sql("DROP TABLE IF EXISTS t")
        db.sql("DROP TABLESPACE small")
