"""Plugins from outside: good ones come, go and are replaced while the program runs, bad ones are told and stop nothing."""
import os
import pathlib
import queue
import shutil
import signal
import subprocess
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = ROOT / "tests" / "support" / "plugins" / "plugin.c"
PATIENCE = 30


@pytest.fixture(scope="session")
def plugin(tmp_path_factory):
    """Builds a plugin of the tests: plugin("good"), plugin("good", PLUGIN_VERSION='"2.0"')."""
    folder = tmp_path_factory.mktemp("plugins")

    def build(name, **macros):
        target = folder / ("%s-%s.so" % (name, "-".join(sorted(macros)) or "plain"))
        if not target.exists():
            defines = ["-D%s=%s" % item for item in {"PLUGIN_NAME": '"%s"' % name, **macros}.items()]
            subprocess.run(["cc", "-std=gnu17", "-fPIC", "-shared", "-fvisibility=hidden", "-I", ROOT / "include", *defines,
                            "-o", target, SOURCE], check=True, timeout=120)
            target.chmod(0o755)  # whatever the umask
        return target
    return build


@pytest.fixture
def folder(finops, tmp_path):
    path = tmp_path / "plugins"
    path.mkdir(mode=0o755)
    finops.env["OPEN_FINOPS_PLUGIN_PATH"] = str(path)
    return path


def install(source, target):
    shutil.copyfile(source, target)  # into the file that is there, as cp does
    target.chmod(0o755)


def listed(finops, **kwargs):
    return {row["name"]: row for row in finops.rows("backends", "list", **kwargs)}


def test_a_broken_plugin_stops_neither_the_program_nor_the_others(finops, folder, plugin):
    install(plugin("good"), folder / "good.so")
    install(plugin("crash", CRASH_LOAD=1), folder / "a_crash.so")
    install(plugin("exits", EXITS=1), folder / "exits.so")
    install(plugin("old", WRONG_ABI=1), folder / "old.so")
    (folder / "text.so").write_text("hello")
    (folder / "text.so").chmod(0o644)
    rows = listed(finops, status=None)
    assert rows["good"]["status"] == "ready" and rows["good"]["origin"] == str(folder / "good.so")
    assert rows["duckdb"]["status"] == "ready"
    assert {rows[name]["status"] for name in ("a_crash", "exits", "old", "text")} == {"broken"}
    assert "signal 11" in str(rows["a_crash"])
    assert "built against version 2.1" in str(rows["old"])
    finops.run("query", "SELECT 1", "--write")


def test_check_tells_every_problem_and_its_exit_status(finops, plugin):
    assert finops.run("backends", "check", plugin("good")).returncode == 0
    bad = finops.run("backends", "check", plugin("bad", BAD_OPTIONS=1, INCOMPLETE=1), status=1)
    assert "the required function write is missing" in bad.stdout + bad.stderr
    assert "option depth" in bad.stdout + bad.stderr


def test_a_plugin_that_others_may_write_is_not_loaded(finops, folder, plugin):
    install(plugin("crash", CRASH_LOAD=1), folder / "open.so")
    (folder / "open.so").chmod(0o777)
    row = listed(finops, status=None)["open"]
    assert row["status"] == "broken" and "can be written by others (mode 0777)" in str(row)
    (folder / "open.so").unlink()
    install(plugin("good"), folder / "good.so")
    folder.chmod(0o775)
    assert "can be written by others (mode 0775)" in str(listed(finops, status=None)["good"])


def test_the_section_of_a_plugin_is_checked_when_it_is_opened(finops, folder, plugin):
    install(plugin("good"), folder / "good.so")
    config = finops.folder / "config.toml"
    config.write_text('[database]\nbackend = "good"\n[database.good]\npath = "/x"\ndepht = 2\n')
    finops.run("config", "check")
    refused = finops.run("query", "SELECT 1", status=2)
    assert "config.toml:5: database.good.depht: unknown key, did you mean depth?" in refused.stderr
    config.write_text('[database]\nbackend = "good"\n[database.good]\npath = "/x"\n')
    opened = finops.run("query", "SELECT 1", status=1)
    assert "open /x: version 1.0 stores nothing" in opened.stderr
    misspelt = finops.run("query", "SELECT 1", status=1, env={"OPEN_FINOPS_DATABASE_GOOD_PATH": "/y",
                                                              "OPEN_FINOPS_DATABASE_GOOD_PTAH": "/z"})
    assert "open /y: " in misspelt.stderr
    assert "OPEN_FINOPS_DATABASE_GOOD_PTAH is no option of database.good" in misspelt.stderr
    assert "GOOD_PATH is" not in misspelt.stderr
    config.write_text('[database]\nbackend = "goood"\n')
    assert "did you mean good?" in finops.run("query", "SELECT 1", status=1).stderr


@pytest.fixture
def watching(finops, folder):
    """Lines of `finops backends watch` as they come."""
    lines = queue.Queue()
    program = finops.start("backends", "watch", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def read():
        for line in program.stdout:
            lines.put(line)
    reader = threading.Thread(target=read, daemon=True)
    reader.start()

    def expect(*words):
        line = lines.get(timeout=PATIENCE)
        assert all(word in line for word in words), line
    expect.program = program
    yield expect
    if program.poll() is None:
        program.send_signal(signal.SIGTERM)
    program.wait(timeout=PATIENCE)
    reader.join(timeout=PATIENCE)


def test_a_running_program_notices_plugins_that_come_change_and_go(folder, plugin, watching):
    install(plugin("good"), folder / "good.so")
    watching("added", "good 1.0")
    install(plugin("good", PLUGIN_VERSION='"2.0"'), folder / "good.so")
    watching("removed", "good 1.0")
    watching("added", "good 2.0")
    install(plugin("good", CRASH_CALL=1), folder / "good.so")
    watching("removed", "good 2.0")
    watching("broken", "good")
    install(plugin("other"), folder / ".new")
    os.replace(folder / ".new", folder / "good.so")
    watching("removed", "good")
    watching("added", "other 1.0")
    (folder / "good.so").unlink()
    watching("removed", "other 1.0")
    assert watching.program.poll() is None
