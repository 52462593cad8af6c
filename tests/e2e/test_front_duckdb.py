"""A program that keeps a DuckDB file open through the pool of the library, and others that want it."""
import pytest

from test_front_postgresql import Front, front_tool  # noqa: F401


@pytest.fixture
def shared(finops, front_tool):  # noqa: F811
    """finops, and another process that has written to the same file and is idle now."""
    path = finops.folder / "finops.duckdb"
    finops.env.update(OPEN_FINOPS_DATABASE_DUCKDB_DATABASE_PATH=str(path), OPEN_FINOPS_DATABASE_DUCKDB_LOCK_TIMEOUT="1")
    tool = Front(front_tool, {"database_path": path}, "duckdb")
    tool("acquire", "a")
    tool("exec", "a", "CREATE TABLE t (x int)")
    tool("release", "a")
    yield finops, tool
    tool.close()


def test_a_program_that_has_written_keeps_no_other_from_writing(shared):
    finops, tool = shared
    for x in range(3):
        finops.run("query", "--write", "INSERT INTO t VALUES (%d)" % x)
        tool("acquire", "a")
        assert tool("value", "a", "SELECT count(*) FROM t") == [str(x + 1)]
        tool("release", "a")


def test_a_program_that_has_read_keeps_no_other_from_writing(shared):
    finops, tool = shared
    for x in range(3):
        tool("acquire", "r", "ro")
        assert tool("value", "r", "SELECT count(*) FROM t") == [str(x)]
        tool("release", "r")
        finops.run("query", "--write", "INSERT INTO t VALUES (%d)" % x)


def test_who_writes_keeps_the_file(shared):
    finops, tool = shared
    tool("acquire", "a")
    assert "has it open" in finops.run("query", "--write", "INSERT INTO t VALUES (1)", status=None).stderr
    assert finops.rows("query", "SELECT count(*) AS n FROM t") == [{"n": 0}]
    tool("release", "a")
    finops.run("query", "--write", "INSERT INTO t VALUES (1)")
