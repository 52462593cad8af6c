"""finops backends: what there is, how it does, and whether it keeps its promises."""
import contextlib
import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from test_plugins import plugin  # noqa: F401


def suite(finops, name, *args, env=None, status=None):
    """The cases of `finops backends test`, as rows; a failure shows which."""
    done = finops.run("backends", "test", name, *args, "--format", "json", env=env, status=status)
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done


def failures(rows):
    return [f"{r['area']}: {r['name']}: {r['why']}" for r in rows if r["outcome"] == "FAILED"]


def test_both_built_in_databases_are_listed(finops):
    rows = {r["name"]: r for r in finops.rows("backends", "list")}
    assert {"duckdb", "postgresql"} <= set(rows)
    for row in rows.values():
        assert row["status"] == "ready" and row["origin"] == "built in" and row["summary"] and row["version"]
    assert "exact_decimals" in rows["duckdb"]["capabilities"].split()
    assert "server" in rows["postgresql"]["capabilities"].split()


def test_nothing_is_made_by_listing(finops):
    finops.run("backends", "list")
    finops.run("backends", "describe", "duckdb")
    assert list(finops.folder.iterdir()) == []


def test_a_backend_is_described_with_its_options(finops):
    rows = finops.rows("backends", "describe", "postgresql")
    options = {r["name"]: r for r in rows if r["part"] == "option"}
    assert "OPEN_FINOPS_DATABASE_POSTGRESQL_HOST" in options["host"]["env"].split()
    assert "PGPASSWORD" in options["password"]["env"].split()
    assert "secret" in options["password"]["type"]
    assert all(r["help"] and r["type"] for r in options.values())
    told = {r["name"]: r["value"] for r in rows if r["part"] == "capability"}
    assert told["dialect"] == "postgresql" and told["max_identifier"] == "63"


def test_a_secret_of_the_environment_is_not_shown(finops):
    done = finops.run("backends", "describe", "postgresql", env={"PGPASSWORD": "s3cr3t-word"})
    assert "s3cr3t-word" not in done.stdout + done.stderr


def test_an_unknown_backend_is_named_with_the_nearest(finops):
    done = finops.run("backends", "describe", "postgres", status=1)
    assert "there is no backend postgres" in done.stderr and "did you mean postgresql" in done.stderr
    done = finops.run("backends", "health", "nothing", status=1)
    assert "there is no backend nothing" in done.stderr


def test_what_is_no_plugin_is_refused_with_the_reason(finops):
    (finops.folder / "text.so").write_text("no object\n")
    done = finops.run("backends", "check", "text.so", "absent.so", "--format", "json", status=1)
    rows = json.loads(done.stdout)
    assert [r["file"] for r in rows if r["result"] == "problem"] == ["text.so", "absent.so"]
    assert all(r["detail"] for r in rows)


def test_a_broken_plugin_is_listed_and_stops_nothing(finops):
    plugins = finops.folder / "plugins"
    plugins.mkdir()
    (plugins / "broken.so").write_text("no object\n")
    rows = {r["name"]: r for r in finops.rows("backends", "list", "--plugin-path", plugins)}
    assert rows["broken"]["status"] == "broken" and rows["broken"]["origin"].endswith("broken.so")
    assert rows["broken"]["summary"]
    assert rows["duckdb"]["status"] == "ready"


def test_plugins_are_watched(finops):
    plugins = finops.folder / "plugins"
    plugins.mkdir()
    watch = finops.start("backends", "watch", "--plugin-path", plugins, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         text=True)
    try:
        assert "watching" in watch.stderr.readline()
        time.sleep(0.5)  # the watch starts after that line
        (plugins / "new.so").write_text("no object\n")
        line = watch.stdout.readline()
        assert " broken " in line and "new" in line
        (plugins / "new.so").unlink()
        assert " removed " in watch.stdout.readline()
    finally:
        watch.send_signal(signal.SIGTERM)
        assert watch.wait(20) in (0, 130)
        watch.stdout.close()
        watch.stderr.close()


def test_health_of_a_file(finops):
    rows = finops.rows("backends", "health")
    assert [(r["backend"], r["state"]) for r in rows] == [("duckdb", "up")]
    assert rows[0]["version"].startswith("DuckDB") and float(rows[0]["latency_ms"]) >= 0


def test_health_of_a_server(finops, postgresql):
    env = postgresql.new_database().env()
    rows = {r["backend"]: r for r in finops.rows("backends", "health", env=env)}
    assert rows["postgresql"]["state"] == "up" and rows["postgresql"]["version"].startswith("PostgreSQL")


def test_a_server_that_is_down_is_told_and_stops_no_other(finops):
    env = {"OPEN_FINOPS_DATABASE_POSTGRESQL_HOST": "/nowhere", "OPEN_FINOPS_DATABASE_POSTGRESQL_PORT": "1"}
    done = finops.run("backends", "health", "--format", "json", env=env, status=3)
    rows = {r["backend"]: r for r in json.loads(done.stdout)}
    assert rows["duckdb"]["state"] == "up" and rows["postgresql"]["state"] == "down"
    assert "/nowhere" in rows["postgresql"]["detail"]
    assert "1 of 2 backends is down" in done.stderr
    finops.run("backends", "health", "postgresql", env=env, status=1)


def test_health_is_watched(finops):
    watch = finops.start("backends", "health", "--watch", "--interval", "1", stdout=subprocess.PIPE, text=True)
    try:
        lines = [watch.stdout.readline() for _ in range(3)]
        assert all(" duckdb up, " in line for line in lines), lines
    finally:
        watch.send_signal(signal.SIGTERM)
        assert watch.wait(20) in (0, 130)
        watch.stdout.close()


def test_a_folder_of_plugins_that_is_not_there_is_told(finops):
    said = finops.run("backends", "list", "--plugin-path", "plugins:/nowhere").stderr
    assert "no folder plugins," in said and "no folder /nowhere," in said
    assert not finops.run("backends", "list").stderr


def test_one_file_that_is_no_plugin_hides_no_other(finops):
    (finops.folder / "a.so").write_text("text")
    done = finops.run("backends", "check", "a.so", ".", "no.so", "--format", "json", status=1)
    assert [r["file"] for r in json.loads(done.stdout)] == ["a.so", ".", "no.so"]


@pytest.mark.parametrize("key", ["OPEN_FINOPS_DATABASE_BACKEND", "OPEN_FINOPS_ROUTING_BILLS", "OPEN_FINOPS_ROUTING_FINDINGS"])
def test_config_check_knows_which_backends_there_are(finops, key):
    assert "fine" in finops.run("config", "check", env={key: "duckdb,postgresql"}).stdout
    said = finops.run("config", "check", env={key: "duckdb,nowhere"}, status=2)
    assert "no database backend is called nowhere" in said.stderr and not said.stdout


@pytest.mark.parametrize("args", [("test", "duckdb", "--list"), ("test", "duckdb", "--filter", "health"),
                                  ("health", "--watch"), ("list",)])
def test_a_full_disk_is_told(finops, args):
    with open("/dev/full", "w") as full:
        done = finops.start("backends", *args, stdout=full, stderr=subprocess.PIPE, text=True)
        assert "write the output" in done.communicate(timeout=30)[1]
    assert done.returncode == 1


@contextlib.contextmanager
def watching(finops, *args, **env):
    """The seconds between two lines of --watch, and what they say."""
    watch = finops.start("backends", "health", "--watch", *args, stdout=subprocess.PIPE, text=True, env=env)

    def gap():
        watch.stdout.readline()
        begin = time.monotonic()
        line = watch.stdout.readline()
        return time.monotonic() - begin, line
    try:
        yield gap
    finally:
        watch.send_signal(signal.SIGTERM)
        assert watch.wait(20) in (0, 130)
        watch.stdout.close()


DOWN = {"OPEN_FINOPS_DATABASE_POSTGRESQL_HOST": "/nowhere", "OPEN_FINOPS_DATABASE_POSTGRESQL_PORT": "1"}


def test_health_is_watched_as_often_as_the_configuration_says(finops):
    with watching(finops, "duckdb", OPEN_FINOPS_CONNECTIONS_HEALTH_INTERVAL="2") as gap:
        seconds, line = gap()
        assert " duckdb up, " in line and 1.5 < seconds < 20


def test_one_that_is_down_is_asked_after_the_interval_for_errors(finops):
    env = {**DOWN, "OPEN_FINOPS_CONNECTIONS_HEALTH_INTERVAL": "60", "OPEN_FINOPS_CONNECTIONS_HEALTH_INTERVAL_ERROR": "2"}
    with watching(finops, "postgresql", **env) as gap:
        seconds, line = gap()
        assert " postgresql down: " in line and 1.5 < seconds < 30


def test_an_interval_of_the_command_line_counts_for_both(finops):
    for backend in ("duckdb", "postgresql"):
        with watching(finops, backend, "--interval", "1", **DOWN) as gap:
            seconds, line = gap()
            assert " %s " % backend in line and seconds < 20


def test_duckdb_passes_the_suite(finops):
    rows, done = suite(finops, "duckdb")
    assert failures(rows) == []
    assert done.returncode == 0
    assert sum(r["outcome"] == "ok" for r in rows) > 900
    left = finops.rows("query", "SELECT count(*) AS n FROM information_schema.schemata WHERE schema_name LIKE 'finops_test%'")
    assert left == [{"n": 0}]


def test_postgresql_passes_the_suite(finops, postgresql):
    database = postgresql.new_database()
    rows, done = suite(finops, "postgresql", env=database.env())
    assert failures(rows) == []
    assert done.returncode == 0
    assert sum(r["outcome"] == "ok" for r in rows) > 900
    assert database.value("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'finops_test%'") == "0"


@pytest.mark.skipif("FINOPS_TEST_LONG" not in os.environ, reason="takes minutes; FINOPS_TEST_LONG=1 runs it")
@pytest.mark.parametrize("name", ["duckdb", "postgresql"])
def test_ten_million_rows(finops, postgresql, name):
    rows, _ = suite(finops, name, "--long", "--filter", "rows: ten million*", env=postgresql.new_database().env())
    assert [r["outcome"] for r in rows] == ["ok", "ok"], rows


def test_the_suite_speaks_to_people_a_line_a_case(finops):
    done = finops.run("backends", "test", "duckdb", "--filter", "params: NULL*")
    assert done.stdout.splitlines() == ["ok          params: NULL is NULL", "ok          params: NULL comes back as NULL",
                                        "2 passed, 0 failed, 0 not claimed"]


def test_what_is_not_claimed_is_told_apart(finops):
    rows, _ = suite(finops, "duckdb", "--filter", "names: a table name longer*")
    assert {r["outcome"] for r in rows} == {"not claimed"}
    rows, _ = suite(finops, "duckdb", "--filter", "rows: ten million*")
    assert all("--long" in r["why"] for r in rows)


def test_a_case_that_hangs_ends_the_run_and_is_told(finops, plugin, tmp_path):
    plugins = tmp_path / "plugins"
    plugins.mkdir(mode=0o755)
    shutil.copy(plugin("stalls", STALLS=1), plugins / "stalls.so")
    began = time.monotonic()
    done = finops.run("backends", "test", "stalls", "--filter", "params", "--case-timeout", 1, "--plugin-path", plugins, status=1)
    assert time.monotonic() - began < 10
    *lines, summary = done.stdout.splitlines()
    failed = [line for line in lines if line.startswith("FAILED")]
    assert len(failed) == 1 and "it hangs: no end after 1 s" in failed[0]
    after = lines[lines.index(failed[0]) + 1:]
    assert after and all(line.startswith("not run     params: ") for line in after)
    assert summary.startswith("%d passed, 1 failed, " % (len(lines) - len(after) - 1))
    assert summary.endswith(", %d not run" % len(after))
    assert 'stalls hangs in "params: ' in done.stderr
    assert "could not be removed" not in done.stderr


def test_cases_are_listed_without_a_run(finops):
    done = finops.run("backends", "test", "duckdb", "--list")
    lines = done.stdout.splitlines()
    assert len(lines) > 900 and len(set(lines)) == len(lines)
    assert "types: decimal(38,18) comes back as it was" in lines


def test_no_case_that_matches_is_a_mistake(finops):
    done = finops.run("backends", "test", "duckdb", "--filter", "no such area", status=2)
    assert "no case matches no such area" in done.stderr


def test_a_server_that_is_away_cannot_be_tested(finops):
    done = finops.run("backends", "test", "postgresql", status=1,
                      env={"OPEN_FINOPS_DATABASE_POSTGRESQL_HOST": "/nowhere"})
    assert "make a schema for the tests" in done.stderr
