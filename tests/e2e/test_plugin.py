"""A database plugin as an outsider makes it: from an installed finops and its headers alone, by the guide's own words."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guides" / "write-a-database-plugin.md"
BUILD = pathlib.Path(os.environ.get("FINOPS", ROOT / "build" / "finops")).parent
BLOCK = re.compile(r"^<!-- installed (run|file (\S+)) -->\n```\w*\n(.*?)^```$(?:\n+```text\n(.*?)^```$)?", re.S | re.M)


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("install")
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", folder], check=True, timeout=120)
    return next(folder.rglob("bin/finops")).parents[1]


@pytest.fixture(scope="module")
def env(prefix, tmp_path_factory):
    """An environment in which finops is installed: the program, and pkg-config that finds it where it was put."""
    tools = tmp_path_factory.mktemp("tools")
    wrapper = tools / "pkg-config"
    wrapper.write_text('#!/bin/sh\nexec %s --define-variable=prefix=%s "$@"\n' % (shutil.which("pkg-config"), prefix))
    wrapper.chmod(0o755)
    found = next(prefix.rglob("pkgconfig/finops.pc")).parent
    return {"PATH": f"{tools}:{prefix}/bin:/usr/local/bin:/usr/bin:/bin", "PKG_CONFIG_PATH": str(found),
            "PKG_CONFIG": str(wrapper), "HOME": str(tools), "LANG": "C.UTF-8", "FINOPS_SOURCE": str(ROOT)}


def run(env, cwd, *command, status=0):
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=env, timeout=300, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def built(env, tmp_path_factory):
    """plugins/sqlite, built by its own meson.build in a folder far from the source."""
    folder = tmp_path_factory.mktemp("sqlite")
    shutil.copytree(ROOT / "plugins" / "sqlite", folder / "source")
    run(env, folder, "meson", "setup", "build", "source")
    run(env, folder, "ninja", "-C", "build")
    plugins = folder / "plugins"
    plugins.mkdir(mode=0o755)
    shutil.copy(folder / "build" / "sqlite.so", plugins / "sqlite.so")
    (plugins / "sqlite.so").chmod(0o755)
    return plugins


@pytest.fixture
def with_plugin(env, built, tmp_path):
    return {**env, "OPEN_FINOPS_PLUGIN_PATH": str(built), "OPEN_FINOPS_DATABASE_BACKEND": "sqlite",
            "OPEN_FINOPS_DATABASE_SQLITE_DATABASE_PATH": str(tmp_path / "bills.sqlite")}


def test_the_example_needs_installed_headers_only():
    for source in (ROOT / "plugins" / "sqlite").glob("*.[ch]"):
        for name in re.findall(r'#include [<"]([^>"]+)', source.read_text()):
            assert name == "sqlite.h" or not (ROOT / "src" / name).exists(), f"{source.name} includes {name}"


def test_the_example_installs_where_plugins_are_looked_for(env, prefix, tmp_path):
    shutil.copytree(ROOT / "plugins" / "sqlite", tmp_path / "source")
    run(env, tmp_path, "make", "-C", "source", "install")
    installed = prefix / "lib/finops/plugins/sqlite.so"
    rows = run(env, tmp_path, "finops", "backends", "list")
    installed.unlink()
    assert re.search(r"^sqlite +1\.0\.0 +ready +" + re.escape(str(installed)), rows, re.M), rows


def test_the_example_is_found_and_sound(with_plugin, built, tmp_path):
    assert "ok" in run(with_plugin, tmp_path, "finops", "backends", "check", built / "sqlite.so")
    assert "sqlite" in run(with_plugin, tmp_path, "finops", "backends", "list")


def test_the_example_passes_the_conformance_suite(with_plugin, tmp_path):
    said = run(with_plugin, tmp_path, "finops", "backends", "test", "sqlite", "--failed")
    assert re.search(r"^\d{3,} passed, 0 failed", said, re.M), said


def test_its_rows_are_queried_and_not_changed(with_plugin, tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "bills.sqlite")) as database:
        database.execute("CREATE TABLE costs (day DATE_TEXT, amount 'DECIMAL_TEXT(38,18)')")
        database.execute("INSERT INTO costs VALUES ('2026-01-31', '0.100000000000000001')")
        database.commit()
    rows = run(with_plugin, tmp_path, "finops", "query", "SELECT * FROM costs", "--format", "csv")
    assert rows.splitlines() == ["day,amount", "2026-01-31,0.100000000000000001"]
    assert "only reads" in run(with_plugin, tmp_path, "finops", "query", "DELETE FROM costs", status=2)


def test_times_that_there_are_not_stay_what_they_are(with_plugin, tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "bills.sqlite")) as database:
        database.execute("CREATE TABLE t (d DATE, s TIMESTAMP, z TIMESTAMPTZ_TEXT)")
        database.execute("INSERT INTO t VALUES ('2026-02-30', '1969-12-31 23:59:59.5', '2026-01-31T24:00:00Z')")
        database.commit()
    row, = json.loads(run(with_plugin, tmp_path, "finops", "query", "SELECT * FROM t", "--format", "json"))
    assert row == {"d": "2026-02-30", "s": "1969-12-31T23:59:59.5Z", "z": "2026-01-31T24:00:00Z"}


def test_big_values_come_a_few_at_a_time(with_plugin, tmp_path):
    """64 texts of 9 MB from the first batch on, whose values decide on the types: 576 MB, were they one batch."""
    with contextlib.closing(sqlite3.connect(tmp_path / "bills.sqlite")) as database:
        database.execute("CREATE TABLE t (i INTEGER)")
    sql = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 64) SELECT i, printf('%.*c', 9000000, 'x') FROM r"
    program = shutil.which("finops", path=with_plugin["PATH"])
    child = subprocess.Popen([program, "query", sql, "--format", "csv"], cwd=tmp_path, env=with_plugin, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    assert status == 0
    assert used.ru_maxrss < 250 * 1024  # KiB


def test_every_command_of_the_guide_works(env, tmp_path):
    blocks = BLOCK.findall(GUIDE.read_text(encoding="utf-8"))
    assert len(blocks) >= 8
    exported = {}
    for kind, name, text, shown in blocks:
        if name:
            (tmp_path / name).write_text(text)
            continue
        exported.update(re.findall(r"^export (\w+)=(.*)$", text.replace("$PWD", str(tmp_path)), re.M))
        said = run({**env, **exported}, tmp_path, "bash", "-eu", "-o", "pipefail", "-c", text)
        flat = re.sub(r"[ ]+", " ", said)
        for line in shown.splitlines():
            assert re.sub(r"[ ]+", " ", line).strip() in flat, f"{text}\ndid not say {line!r} but\n{said}"
