"""Sessions over a real PostgreSQL while it is restarted, its backends are killed, and it is away: nothing done twice,
nothing lost, and the breaker opens and recovers."""
import os
import pathlib
import signal
import subprocess
import time

import pytest

from postgresql import running_postgresql

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Front:
    """tests/support/front_tool.c, told what to do a line at a time."""

    def __init__(self, program, settings, backend="postgresql"):
        self.process = subprocess.Popen([program, backend, *("%s=%s" % pair for pair in settings.items())],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, "HOME": "/nonexistent"})

    def ask(self, *fields):
        """(lines, error): error is None or [code, text]."""
        self.process.stdin.write("\t".join(map(str, fields)) + "\n")
        self.process.stdin.flush()
        lines = []
        for line in self.process.stdout:
            fields = line.rstrip("\n").split("\t")
            if fields[0] == "ok":
                return lines, None
            if fields[0] == "error":
                return lines, fields[1:]
            lines.append(fields[1:])
        raise AssertionError("the tool died: %s" % lines)

    def __call__(self, *fields):
        lines, error = self.ask(*fields)
        assert error is None, error
        return lines[0] if lines else None

    def refused(self, *fields):
        lines, error = self.ask(*fields)
        assert error is not None, lines
        return error

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(30) == 0
        self.process.stdout.close()


@pytest.fixture(scope="session")
def front_tool():
    build = pathlib.Path(os.environ.get("FINOPS", ROOT / "build" / "finops")).parent
    subprocess.run(["ninja", "-C", build, "tests/front_tool"], check=True, capture_output=True)
    return str(build / "tests" / "front_tool")


@pytest.fixture(scope="module")
def server():
    with running_postgresql() as one:
        yield one


@pytest.fixture
def db(server):
    if server.process.poll() is not None:
        server.start()
    return server.new_database()


@pytest.fixture
def front(front_tool, db):
    tool = Front(front_tool, {k: v for k, v in db.settings().items() if v is not None})
    yield tool
    tool.close()


def kill_backends(db):
    db.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
           " WHERE datname = current_database() AND pid <> pg_backend_pid()")


def test_a_read_goes_on_when_its_backend_was_killed(front, db):
    front("acquire", "a", "ro")
    before = front("value", "a", "SELECT pg_backend_pid()")
    kill_backends(db)
    after = front("value", "a", "SELECT pg_backend_pid()")
    assert before != after


def test_a_write_whose_backend_was_killed_fails_and_is_not_repeated(front, db):
    db.sql("CREATE TABLE t (x int)")
    front("acquire", "a")
    front("exec", "a", "INSERT INTO t VALUES (1)")
    kill_backends(db)
    code, _ = front.refused("exec", "a", "INSERT INTO t VALUES (2)")
    assert code == "transient"
    front("release", "a")
    front("acquire", "a")
    front("exec", "a", "INSERT INTO t VALUES (3)")
    assert db.sql("SELECT x FROM t ORDER BY x") == [["1"], ["3"]]


def test_a_transaction_whose_backend_was_killed_leaves_nothing(front, db):
    db.sql("CREATE TABLE t (x int)")
    front("acquire", "a")
    front("begin", "a")
    front("exec", "a", "INSERT INTO t VALUES (1)")
    kill_backends(db)
    assert front.refused("commit", "a")[0] == "transient"
    front("release", "a")
    assert db.sql("SELECT * FROM t") == []
    assert front("pool")[:2] == ["0", "0"]


def test_a_transaction_begins_though_the_pools_connection_was_killed(front, db):
    db.sql("CREATE TABLE t (x int)")
    front("acquire", "a")
    front("release", "a")
    kill_backends(db)
    front("acquire", "a")
    front("begin", "a")
    front("exec", "a", "INSERT INTO t VALUES (1)")
    front("commit", "a")
    assert db.value("SELECT count(*) FROM t") == "1"


def use_three_after_a_restart(front, server, *kind):
    for name in "abc":
        front("acquire", name, *kind)
    for name in "abc":
        front("release", name)
    server.restart()
    time.sleep(1.1)  # idle for longer than a second they are looked at
    for name in "abc":
        front("acquire", name, *kind)
        front("value", name, "SELECT 1")
    assert front("pool")[0] == "3"


def test_readers_go_on_after_a_restart(front, server):
    use_three_after_a_restart(front, server, "ro")


def test_idle_connections_are_replaced_after_a_restart(front, server):
    use_three_after_a_restart(front, server)


def test_a_crash_in_the_middle_of_a_transaction_leaves_nothing(front, db, server):
    db.sql("CREATE TABLE t (x int)")
    front("acquire", "a")
    front("begin", "a")
    front("exec", "a", "INSERT INTO t SELECT generate_series(1, 10000)")
    server.restart(signal.SIGQUIT)
    assert front.refused("exec", "a", "SELECT 1")[0] == "transient"
    front.ask("rollback", "a")
    front("release", "a")
    front("acquire", "a")
    assert front("value", "a", "SELECT count(*) FROM t") == ["0"]


def test_the_breaker_opens_and_recovers(front, db, server):
    front("pause", 300)
    server.stop()
    for _ in range(4):
        front("deadline", 200)
        assert front.refused("acquire", "a")[0] in ("transient", "timeout")
    assert front("breaker") == ["open"]
    began = time.monotonic()
    code, text = front.refused("acquire", "a")
    assert code == "transient" and "left alone" in text
    assert time.monotonic() - began < 0.1
    assert front("health")[0] == "down"
    server.start()
    front("deadline", 5000)
    time.sleep(0.7)
    front("acquire", "a")
    assert front("breaker") == ["closed"]
    assert front("value", "a", "SELECT 1") == ["1"]


def test_a_health_check_closes_the_breaker_before_its_pause_is_over(front, db, server):
    front("pause", 60000)
    server.stop()
    front("deadline", 200)
    for _ in range(6):
        front.refused("acquire", "a")
    assert front("breaker") == ["open"]
    server.start()
    state, version, detail = front("health")
    assert (state, detail) == ("up", "") and version.startswith("PostgreSQL")
    assert front("breaker") == ["closed"]
    front("acquire", "a")


# ---- finops_session_cancel(); under the thread sanitizer: FINOPS=build-tsan/finops pytest -k cancel ----

def test_a_cancel_of_another_thread_ends_the_statement_at_the_server(front, db):
    front("acquire", "a")
    begin = time.monotonic()
    assert front.refused("cancelled", "a", 300, "SELECT pg_sleep(60)")[0] == "cancelled"
    assert time.monotonic() - begin < 10
    assert db.value("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'") == "0"
    assert front("value", "a", "SELECT 1") == ["1"]


def test_what_is_cancelled_is_whole_or_not_there(front, db):
    front("acquire", "a")
    front("exec", "a", "CREATE TABLE t (x bigint)")
    done = 0
    for _ in range(60):
        _, error = front.ask("cancelled", "a", 1, "INSERT INTO t SELECT generate_series(1, 3000)")
        assert error is None or error[0] == "cancelled", error
        done += error is None
    assert db.value("SELECT count(*) FROM t") == str(done * 3000)


def test_a_long_answer_is_cancelled_while_it_is_read(front):
    front("acquire", "a")
    assert front.refused("cancelled", "a", 200, "SELECT x FROM generate_series(1, 300000000) AS s(x)")[0] == "cancelled"
    assert front("value", "a", "SELECT 1") == ["1"]


def test_a_transaction_in_which_a_call_was_cancelled_can_be_rolled_back(front, db):
    front("acquire", "a")
    front("exec", "a", "CREATE TABLE t (x bigint)")
    front("begin", "a")
    front("exec", "a", "INSERT INTO t VALUES (1)")
    assert front.refused("cancelled", "a", 100, "SELECT pg_sleep(60)")[0] == "cancelled"
    front("rollback", "a")
    assert db.value("SELECT count(*) FROM t") == "0"
