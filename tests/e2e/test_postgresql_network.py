"""PostgreSQL over a network that loses what is sent, without a word to anybody (tests/support/network.py, Gate): the
program notices by itself, in bounded time, and afterwards nothing is lost and nothing is there twice."""
import shutil
import signal
import time

import pytest

from network import Gate
from test_front_postgresql import Front, front_tool  # noqa: F401
from test_postgresql_driver import Tool, driver_tool  # noqa: F401

IMPORT = ("aws", "import-cur", "--bucket")
SOON = 60  # seconds in which a stall of 1 s must be noticed and made good, on a machine that does much else
MANY = "SELECT i, repeat('x', 500) AS x, (i / 7)::DECIMAL(38,18) AS d FROM range(%d) r(i)"


@pytest.fixture
def db(postgresql):
    return postgresql.new_database()


@pytest.fixture
def gate(db):
    with Gate("127.0.0.1:%d" % db.server.port) as one:
        yield one


def through(gate, db, **more):
    return db.settings(host="127.0.0.1", port=gate.host.rsplit(":", 1)[1], stall_timeout=1, connect_timeout=2, **more)


def env_through(gate, db, **more):
    options = {"DATABASE_POSTGRESQL_" + k.upper(): str(v) for k, v in through(gate, db, **more).items()}
    return {"OPEN_FINOPS_" + k: v for k, v in {"DATABASE_BACKEND": "postgresql", **options}.items()}


@pytest.fixture
def bucket(sample, tmp_path):
    shutil.copytree(sample / "sample-billing", tmp_path / "bills")
    return tmp_path / "bills"


def staged(db):
    return db.sql("SELECT relname FROM pg_class WHERE relname ~ '^finops_new_'")


def others(db):
    """Backends of the program that are still there; a lost one is given a moment to end."""
    until = time.monotonic() + 5
    while time.monotonic() < until:
        left = db.sql("SELECT pid, state, query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        if not left:
            break
        time.sleep(0.1)
    return left


def bills_are_complete(finops, db):
    """As many rows in each month as its state says, and the state says what the same import gives without faults."""
    months = db.sql("SELECT billing_period, sum(row_count) FROM billing_state.load_state WHERE current_version GROUP BY 1 ORDER BY 1")
    assert len(months) == 3
    assert db.sql("SELECT billing_period, count(*) FROM aws_billing.sample_cur_unified GROUP BY 1 ORDER BY 1") == months
    assert db.sql("SELECT billing_period, sum(row_count) FROM billing_state.ledger GROUP BY 1 ORDER BY 1") == months
    assert staged(db) == []


FAULTS = {
    "rows are not taken": (b"PGCOPY", lambda link: link.stall("up")),
    "nothing goes either way in a copy": (b"PGCOPY", lambda link: link.stall()),
    "the answer to a copy is lost": (b"PGCOPY", lambda link: link.stall("down")),
    "a query does not arrive": (b"INSERT INTO billing_state.ledger", lambda link: link.stall("up")),
    "the answer to a query is lost": (b"INSERT INTO billing_state.ledger", lambda link: link.stall("down")),
    "a commit does not arrive": (b"COMMIT", lambda link: link.stall("up")),
    "the answer to a commit is lost": (b"COMMIT", lambda link: link.stall("down")),
    "the connection is reset in a copy, and the server hears nothing of it": (b"PGCOPY", lambda link: link.reset()),
    "the connection is reset at a commit, and the server hears nothing of it": (b"COMMIT", lambda link: link.reset()),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_import_makes_good_what_the_network_loses(finops, db, gate, bucket, fault):
    gate.at(*FAULTS[fault])
    began = time.monotonic()
    finops.run(*IMPORT, bucket, env=env_through(gate, db))
    assert gate.seen == 1 and time.monotonic() - began < SOON
    bills_are_complete(finops, db)
    assert others(db) == []


def test_an_import_through_a_dead_network_ends_and_the_next_one_completes_it(finops, db, gate, bucket):
    gate.at(b"PGCOPY", lambda link: gate.stall())
    began = time.monotonic()
    done = finops.run(*IMPORT, bucket, env=env_through(gate, db), status=None)
    assert done.returncode != 0 and "the server does not answer" in done.stderr, done.stderr
    assert time.monotonic() - began < 2 * SOON
    gate.go()
    finops.run(*IMPORT, bucket, env=env_through(gate, db))
    bills_are_complete(finops, db)


def test_latency_is_no_fault(finops, db, gate, bucket):
    gate.delay = 0.03
    finops.run(*IMPORT, bucket, env=env_through(gate, db))
    bills_are_complete(finops, db)


@pytest.fixture
def open_tool(driver_tool):  # noqa: F811
    tools = []

    def start(settings):
        tools.append(Tool(driver_tool, settings))
        tools[-1]("connect")
        return tools[-1]
    yield start
    for tool in tools:
        if tool.process.poll() is None:
            tool.close()


def test_a_server_that_works_in_silence_is_waited_for(open_tool, db, gate):
    tool = open_tool(through(gate, db))
    assert tool.rows("SELECT 1 FROM (SELECT pg_sleep(4)) AS s") == [["1"]]
    assert len(gate.links) > 1  # it was asked


def test_who_waits_for_a_lock_is_not_taken_for_lost(open_tool, db, gate):
    tool, other = open_tool(through(gate, db)), open_tool(db.settings())
    other("lock", "month", 1000)
    code, _, _ = tool.refused("lock", "month", 3500)
    assert code == "busy" and tool.rows("SELECT 1") == [["1"]]


@pytest.mark.parametrize("directions", [("up",), ("down",), ("up", "down")], ids=" and ".join)
@pytest.mark.parametrize("connections", [1, 4])
def test_a_stall_in_a_long_copy_is_transient_and_leaves_nothing(open_tool, db, gate, connections, directions):
    tool = open_tool(through(gate, db, copy_connections=connections))
    tool("replace", None, "bill", None, None, "SELECT 1 AS n")
    gate.at(b"PGCOPY", lambda link: link.stall(*directions))
    began = time.monotonic()
    code, text, _ = tool.refused("replace", None, "bill", None, None, MANY % 400000)
    assert code == "transient" and "the connection is lost" in text and time.monotonic() - began < SOON
    tool("connect")  # which ends what the server still has of it
    assert tool.rows("SELECT n FROM bill") == [["1"]]
    assert tool("replace", None, "bill", None, None, MANY % 40000)[-1][:2] == ["written", "40000"]
    assert staged(db) == [] and db.value("SELECT count(*) FROM bill") == "40000"


@pytest.mark.parametrize("late", [False, True], ids=["a link of the helpers", "the link of the transaction"])
def test_any_of_several_links_may_stall(open_tool, db, gate, late):
    tool = open_tool(through(gate, db, copy_connections=3))
    tool("begin")
    links = []

    def stall_one(link):
        links.append(link)
        if (link is gate.links[0]) == late and not any(other.closed for other in links):
            link.stall()
    gate.at(b"PGCOPY", stall_one, times=3)
    code, text, _ = tool.refused("replace", None, "bill", None, None, MANY % 400000)
    assert code == "transient" and "the connection is lost" in text and len(links) == 3
    tool.send("rollback")
    tool.answer()
    tool("connect")
    assert tool("replace", None, "bill", None, None, MANY % 40000)[-1][:2] == ["written", "40000"]
    assert staged(db) == [] and db.value("SELECT count(*) FROM bill") == "40000"


def test_ctrl_c_ends_a_copy_that_stalls(open_tool, db, gate):
    tool = open_tool(through(gate, db, copy_connections=4))
    tool.send("cancel_after", 1500)
    gate.at(b"PGCOPY", lambda link: link.stall(), times=4)
    began = time.monotonic()
    code, _, _ = tool.refused("replace", None, "bill", None, None, MANY % 400000)
    assert code in ("cancelled", "transient") and time.monotonic() - began < SOON


def test_a_commit_whose_answer_is_lost_is_unknown_and_then_certain(open_tool, db, gate):
    db.sql("CREATE TABLE t (x int)")
    tool = open_tool(through(gate, db))
    tool("begin")
    tool("exec", "INSERT INTO t VALUES (1)")
    gate.at(b"COMMIT", lambda link: link.stall("up"))
    tool.send("commit")
    lines, error = tool.answer()
    assert lines == [["unknown outcome"]] and error[0] == "transient"
    # Its backend has been ended: what comes later cannot commit it any more.
    gate.go()
    time.sleep(0.5)
    assert db.value("SELECT count(*) FROM t") == "0"


@pytest.fixture
def front(front_tool, db, gate):  # noqa: F811
    tool = Front(front_tool, through(gate, db))
    yield tool
    gate.go()
    tool.close()


def test_idle_connections_that_died_quietly_are_replaced(front, gate):
    for name in "abc":
        front("acquire", name)
    for name in "abc":
        front("release", name)
    for link in gate.links:
        link.stall()
    time.sleep(1.2)
    began = time.monotonic()
    front("acquire", "a")
    assert front("value", "a", "SELECT 1") == ["1"] and time.monotonic() - began < SOON


def test_a_read_over_a_connection_that_died_quietly_is_done_again(front, gate):
    front("acquire", "a", "ro")
    gate.links[0].stall()
    began = time.monotonic()
    assert front("value", "a", "SELECT 1") == ["1"] and time.monotonic() - began < SOON


def test_the_breaker_opens_in_a_dead_network_and_recovers(front, gate):
    front("pause", 500)
    gate.stall()
    for _ in range(6):
        front("deadline", 300)
        front.refused("acquire", "a")
    assert front("breaker") == ["open"]
    began = time.monotonic()
    assert "left alone" in front.refused("acquire", "a")[1] and time.monotonic() - began < 0.2
    gate.go()
    time.sleep(0.8)
    front("deadline", 5000)
    front("acquire", "a")
    assert front("breaker") == ["closed"] and front("value", "a", "SELECT 1") == ["1"]


def test_health_says_that_a_dead_network_is_down(finops, db, gate):
    gate.stall()
    began = time.monotonic()
    done = finops.run("backends", "health", "--format", "json", env=env_through(gate, db), status=None)
    assert "no answer from 127.0.0.1" in done.stdout and time.monotonic() - began < SOON
    gate.go()
    done = finops.run("backends", "health", "--format", "json", env=env_through(gate, db), status=None)
    assert '"up"' in done.stdout


def test_a_killed_importers_rows_are_dropped_by_the_next_one_and_not_before(open_tool, db):
    dead, alive, later = (open_tool(db.settings(copy_connections=3)) for _ in range(3))
    alive("begin")
    alive("replace", None, "other", None, None, MANY % 40000)
    assert len(staged(db)) == 1
    dead.send("replace", None, "bill", None, None, MANY % 20000000)
    until = time.monotonic() + 20
    while len(staged(db)) < 2 and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(0.3)
    dead.process.send_signal(signal.SIGKILL)
    dead.process.wait()
    time.sleep(0.5)
    assert len(staged(db)) == 2
    later("replace", None, "bill", None, None, MANY % 40000)
    assert len(staged(db)) == 1  # that of the transaction which is open
    alive("commit")
    assert staged(db) == [] and db.value("SELECT count(*) FROM other") == "40000"
    assert [line[2] for line in later("tables", "public")] == ["bill", "other"]
