"""The conformance suite with hooks: a server that restarts, is away, has a full disk or takes rights away."""
import contextlib
import json
import os
import subprocess

import pytest

import hooks
from postgresql import Database, running_postgresql
from test_adbc import library, settings

FAULTS = ["outage", "disk", "rights"]
BALLAST = 128  # MiB: what the small disk holds


@pytest.fixture(scope="module")
def server():
    with running_postgresql() as one:
        yield one


@pytest.fixture(scope="module")
def small_disk(server):
    """A file system of the server's own, on which a test's database lies; its log and everything else are elsewhere."""
    folder = server.folder / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % BALLAST, "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("no right to mount a small file system: a full disk is not tested here")
    place = folder / "space"
    place.mkdir()
    owner = server.data.stat()
    os.chown(place, owner.st_uid, owner.st_gid)
    yield place
    server.stop()
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder):
    with open(folder / "ballast", "wb", buffering=0) as f, contextlib.suppress(OSError):
        while f.write(b"\0" * 4096):
            pass


def empty(folder):
    (folder / "ballast").unlink()


class Mortal:
    """A database on a small disk, and a user in it who is no superuser."""

    def __init__(self, server, disk):
        self.server, self.disk, self.password = server, disk, server.password
        self.inside = server.new_database()  # as the superuser
        name = self.inside.name
        self.user = "user_" + name
        Database(server, "postgres").sql("CREATE TABLESPACE \"space_%s\" LOCATION '%s'" % (name, disk))
        Database(server, "postgres").sql('ALTER DATABASE "%s" SET TABLESPACE "space_%s"' % (name, name))
        self.inside.sql("CREATE ROLE \"%s\" LOGIN PASSWORD '%s'; GRANT CREATE ON DATABASE \"%s\" TO \"%s\""
                        % (self.user, self.password, name, self.user))

    def drop(self):
        Database(self.server, "postgres").sql('DROP DATABASE "%s" WITH (FORCE)' % self.inside.name)
        Database(self.server, "postgres").sql('DROP TABLESPACE "space_%s"' % self.inside.name)

    def cut(self, *_):
        self.inside.sql("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = '%s'" % self.user)

    def own(self, owner, schema, table):
        """Who owns a table may always do everything with it, hence another owner."""
        self.inside.sql('ALTER TABLE "%s"."%s" OWNER TO "%s"; ALTER SCHEMA "%s" OWNER TO "%s"'
                        % (schema, table, owner, schema, owner))

    def revoke(self, schema, table):
        self.own(self.server.user, schema, table)
        self.inside.sql('GRANT USAGE ON SCHEMA "%s" TO "%s"; GRANT SELECT ON "%s"."%s" TO "%s"'
                        % (schema, self.user, schema, table, self.user))

    def restore(self, schema, table):
        self.own(self.user, schema, table)

    def hooks(self):
        return {"restart": lambda *_: self.server.restart(), "stop": lambda *_: self.server.stop(),
                "start": lambda *_: self.server.start(), "kill-connections": self.cut, "fill-disk": lambda *_: fill(self.disk),
                "free-disk": lambda *_: empty(self.disk), "revoke-rights": self.revoke, "restore-rights": self.restore}


@pytest.fixture
def mortal(server, small_disk):
    one = Mortal(server, small_disk)
    yield one
    one.drop()


def through_libpq(mortal):
    return "postgresql", mortal.inside.env(user=mortal.user)


def through_adbc(mortal):
    uri = "postgresql://%s:%s@127.0.0.1:%d/%s" % (mortal.user, mortal.password, mortal.server.port, mortal.inside.name)
    return "adbc", settings(library("adbc_driver_postgresql"), "uri=" + uri)


def suite(finops, name, area, folder, env):
    done = finops.run("backends", "test", name, "--filter", area, "--hooks", folder, "--format", "json", env=env, status=None)
    assert done.stdout, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("area", FAULTS)
@pytest.mark.parametrize("way", [through_libpq, through_adbc])
def test_postgresql_bears_faults(finops, mortal, tmp_path, way, area):
    name, env = way(mortal)
    with hooks.folder(tmp_path, mortal.hooks()) as folder:
        rows = suite(finops, name, area, folder, env)
    assert [r["name"] + ": " + r["why"] for r in rows if r["outcome"] == "FAILED"] == []
    # All are claimed, but for locks, which ADBC has none of.
    assert {r["why"] for r in rows if r["outcome"] != "ok"} <= ({"locks"} if name == "adbc" else set())
    assert len(rows) >= 5
    assert mortal.inside.value("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'finops_test%'") == "0"


@pytest.fixture
def small_folder(tmp_path):
    """A file system for a database file."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % BALLAST, "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("no right to mount a small file system: a full disk is not tested here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("name", ["duckdb", "sqlite"])
def test_a_database_in_a_file_bears_a_full_disk(finops, sqlite_plugins, small_folder, tmp_path, name):
    env = {"OPEN_FINOPS_PLUGIN_PATH": str(sqlite_plugins), "OPEN_FINOPS_DATABASE_%s_DATABASE_PATH" % name.upper(): str(small_folder / "bills")}
    with hooks.folder(tmp_path, {"fill-disk": lambda *_: fill(small_folder), "free-disk": lambda *_: empty(small_folder)}) as folder:
        rows = suite(finops, name, "disk", folder, env)
    assert [(r["name"], r["why"]) for r in rows if r["outcome"] != "ok"] == []
    assert len(rows) >= 6


def nothing(*_):
    """A hook that says it did something and did not."""


def test_a_fault_that_never_came_is_no_success(finops, postgresql, tmp_path):
    env = postgresql.new_database().env()
    names = ["restart", "kill-connections", "fill-disk", "free-disk", "revoke-rights", "restore-rights"]
    with hooks.folder(tmp_path, dict.fromkeys(names, nothing)) as folder:
        rows = [row for area in FAULTS for row in suite(finops, "postgresql", area, folder, env)]
    ok = {r["name"] for r in rows if r["outcome"] == "ok"}
    # Where all is to go on as before, nothing is missed when nothing happened.
    assert ok == {"what was written outlives a restart", "sessions of the pool work after a restart",
                  "readers work after a restart", "sessions of the pool work after their connections were cut",
                  "a reader goes on after its connection was cut",
                  "a transaction begins though the pool's connection was cut"}
    assert {r["why"] for r in rows if r["outcome"] == "not claimed"} == {
        "no hook stop", "a connection that can be cut in the middle of a result"}


def test_what_a_failing_hook_prints_is_shown_and_what_it_did_is_undone(finops, postgresql, tmp_path):
    undone = []

    def fail(schema, table):
        raise RuntimeError("no such machine for %s" % table)
    with hooks.folder(tmp_path, {"fill-disk": fail, "free-disk": lambda *names: undone.append(names)}) as folder:
        rows = suite(finops, "postgresql", "disk: a write to*", folder, postgresql.new_database().env())
    row, = rows
    assert row["outcome"] == "FAILED"
    assert "exit status 1: RuntimeError: no such machine for t" in row["why"] and "fill-disk" in row["why"]
    (schema, table), = undone
    assert schema.startswith("finops_test_") and table.endswith("_a")


def test_cases_without_their_hooks_are_not_claimed(finops, tmp_path):
    rows = json.loads(finops.run("backends", "test", "duckdb", "--filter", "outage", "--format", "json").stdout)
    assert {r["outcome"] for r in rows} == {"not claimed"}
    assert {r["why"] for r in rows} == {"no hook %s: only with --hooks" % name for name in ("restart", "kill-connections", "stop")}
    with hooks.folder(tmp_path, {"stop": nothing}) as folder:
        (folder / "restart").write_text("no program\n")
        rows = suite(finops, "duckdb", "outage", folder, None)
    assert {r["why"] for r in rows} == {"no hook %s" % name for name in ("restart", "kill-connections", "start")}


def test_a_folder_of_hooks_that_is_not_there_is_a_mistake(finops):
    done = finops.run("backends", "test", "duckdb", "--hooks", "nowhere", status=2)
    assert "nowhere" in done.stderr
