"""SFTP over a real OpenSSH server: the verbs, host keys, logins, broken connections, and the conformance suite."""

import base64
import contextlib
import hashlib
import os
import pathlib
import subprocess
import threading
import time

import pytest

from network import Gate, Relay
from sshd import running_sshd, sshd  # noqa: F401
from storage_driver import Tool, run_suite, storage_tool  # noqa: F401

MIB = 1 << 20
SLOW = 0.003  # seconds for 64 KiB: so that what is to be broken off is still on its way


@pytest.fixture
def folder(sshd):  # noqa: F811
    return sshd.new_folder()


@pytest.fixture
def open_tool(storage_tool):  # noqa: F811
    tools = []

    def start(options, env=None):
        tools.append(Tool(storage_tool, "sftp", options, env))
        return tools[-1]
    yield start
    for tool in tools:
        tool.close()


@pytest.fixture
def place(finops, sshd, folder):  # noqa: F811
    """Makes the place "files" of the configuration."""
    def write(**options):
        options = {**sshd.options(), **options}
        lines = ["%s = %s" % (k, ('["%s"]' if k == "host_key" else '"%s"') % v) for k, v in options.items() if k != "host"]
        text = '[storage.files]\naddress = "sftp://%s/%s"\n%s\n' % (options["host"], folder, "\n".join(lines))
        (finops.folder / "config.toml").write_text(text)
        return pathlib.Path(folder)
    return write


def files(path):
    return sorted(str(p.relative_to(path)) for p in pathlib.Path(path).rglob("*") if p.is_file())


def test_the_verbs_work_on_a_place_of_sftp(finops, place):
    root = place()
    for name, text in (("a.csv", "one\n"), ("deep/er/b.csv", "two\n")):
        path = finops.folder / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    finops.run("storage", "put", "--quiet", "--recursive", "out", "files:in/")
    assert files(root) == ["in/a.csv", "in/deep/er/b.csv"]
    assert [r["key"] for r in finops.rows("storage", "ls", "--recursive", "files:")] == files(root)
    assert finops.run("storage", "cat", "files:in/a.csv").stdout == "one\n"
    finops.run("storage", "mv", "--quiet", "files:in/a.csv", "files:moved/a.csv")
    finops.run("storage", "get", "--quiet", "--recursive", "files:", "back/")
    assert files(root) == files(finops.folder / "back") == ["in/deep/er/b.csv", "moved/a.csv"]
    assert (finops.folder / "back" / "in/deep/er/b.csv").read_text() == "two\n"
    finops.run("storage", "rm", "--recursive", "--yes", "files:in/")
    assert files(root) == ["moved/a.csv"]
    assert "in/a.csv" in finops.run("storage", "cat", "files:in/a.csv", status=None).stderr


def test_two_slashes_behind_the_host_are_the_root(finops, sshd, folder):  # noqa: F811
    ssh = finops.folder / ".ssh"
    ssh.mkdir(mode=0o700)
    (ssh / "known_hosts").write_text(sshd.known_host)
    (ssh / "id_ed25519").write_bytes(pathlib.Path(sshd.key).read_bytes())
    (ssh / "id_ed25519").chmod(0o600)
    (finops.folder / "a").write_text("text")
    address = "sftp://%s@%s/%s" % (sshd.user, sshd.host, folder)
    finops.run("storage", "put", "--quiet", "a", address + "/in/")
    finops.run("storage", "mv", "--quiet", address + "/in/a", address + "/out/b")
    assert files(folder) == ["out/b"] and finops.run("storage", "cat", address + "/out/b").stdout == "text"
    assert [r["key"] for r in finops.rows("storage", "ls", "--recursive", address)] == [folder[1:] + "/out/b"]


def test_a_large_file_comes_back_as_it_went(finops, place):
    root, data = place(), os.urandom(40 * MIB + 3)
    (finops.folder / "large").write_bytes(data)
    finops.run("storage", "put", "--quiet", "large", "files:x/large")
    finops.run("storage", "get", "--quiet", "files:x/large", "again")
    for path in (root / "x" / "large", finops.folder / "again"):
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(data).digest()


def test_while_an_object_is_replaced_it_is_the_old_or_the_new(open_tool, sshd, folder):  # noqa: F811
    """Seen by a program that looks at the server's own files: never missing, never in part."""
    tool, path, seen, over = open_tool(sshd.options(folder=folder)), pathlib.Path(folder, "a/object"), set(), threading.Event()
    whole = {bytes([n]) * (300_000 + n) for n in range(40)}
    tool("put", key="a/object", data=min(whole))

    def look():
        while not over.is_set():
            seen.add(path.read_bytes())
    reader = threading.Thread(target=look)
    reader.start()
    for data in sorted(whole):
        tool("put", key="a/object", data=data)
    over.set()
    reader.join(30)
    assert not reader.is_alive() and seen and seen <= whole
    assert files(folder) == ["a/object"]


def test_a_host_whose_key_changed_is_refused(open_tool):
    with running_sshd() as server:
        known = server.folder / "known_hosts"
        by_file = {**server.options(folder=server.new_folder(), known_hosts=known), "host_key": None}
        pinned = server.options(folder=by_file["folder"])
        known.write_text("[127.0.0.1]:%d ssh-ed25519 %s\n" % (server.port, base64.b64encode(b"\0" * 51).decode()))
        open_tool(by_file)("put", code="config", key="a", data=b"1")
        known.write_text(server.known_host)
        old = server.fingerprint
        for options in (by_file, pinned):
            tool = open_tool(options)
            tool("put", key="a", data=b"1")
            assert tool("get", key="a")["data"] == b"1"
        server.stop()
        server.start("another")
        assert server.fingerprint != old
        for options in (by_file, pinned, {**by_file, "host_key_checking": "accept-new"}):
            refused = open_tool(options)("put", code="config", key="a", data=b"2")
            assert server.fingerprint in refused["error"], refused
        assert pathlib.Path(by_file["folder"], "a").read_bytes() == b"1"
        assert known.read_text().split()[2] in (server.folder / "host.pub").read_text(), "it was not noted"
        open_tool({**pinned, "host_key": old + "," + server.fingerprint})("put", key="a", data=b"3")


def test_a_key_that_is_not_let_in_is_an_auth_error(open_tool, sshd, folder):  # noqa: F811
    stranger = sshd.new_key("stranger-" + os.path.basename(folder))
    refused = open_tool(sshd.options(folder=folder, private_key=stranger))("stat", code="auth", key="x")
    assert "PRIVATE" not in refused["error"]
    open_tool(sshd.options(folder=folder, user="nobody-here"))("stat", code="auth", key="x")
    missing = open_tool(sshd.options(folder=folder, private_key=stranger + ".none"))("stat", code="config", key="x")
    assert stranger + ".none" in missing["error"]


@contextlib.contextmanager
def running_agent(folder):
    socket = str(folder / "agent")
    process = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 10
        while not os.path.exists(socket) and time.monotonic() < until:
            time.sleep(0.01)
        yield {"SSH_AUTH_SOCK": socket}
    finally:
        process.terminate()
        process.wait(10)


def test_the_keys_of_an_agent_log_in(open_tool, sshd, folder, tmp_path):  # noqa: F811
    options = {**sshd.options(folder=folder), "private_key": None}
    with running_agent(tmp_path) as env:
        open_tool(options, env)("stat", code="auth", key="x")
        for key in (sshd.new_key("other-" + os.path.basename(folder)), sshd.key):
            subprocess.run(["ssh-add", "-q", key], env={**os.environ, **env}, check=True)
        tool = open_tool(options, env)
        tool("put", key="by agent", data=b"1")
        assert tool("get", key="by agent")["data"] == b"1"
        open_tool({**options, "agent": "false"}, env)("stat", code="auth", key="x")


def test_a_download_whose_connection_breaks_off_goes_on(finops, place, sshd):  # noqa: F811
    data = os.urandom(24 * MIB)
    with Relay(sshd.host, after=5 * MIB, cuts=2) as relay:
        root = place(host=relay.host)
        (root / "a").mkdir(parents=True)
        (root / "a" / "large").write_bytes(data)
        finops.run("storage", "get", "--quiet", "files:a/large", "here", timeout=60)
        assert relay.cut >= 2
    assert (finops.folder / "here").read_bytes() == data
    assert files(finops.folder) == ["config.toml", "here"]


def wait_for_size(root, size):
    """Until a file on its way in has so many bytes."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        for path in root.rglob(".finops*"):
            with contextlib.suppress(OSError):
                if path.stat().st_size >= size:
                    return
        time.sleep(0.002)
    raise AssertionError("nothing arrived: %s" % files(root))


def reset_when(root, size, gate):
    wait_for_size(root, size)
    for link in list(gate.links):
        with contextlib.suppress(OSError):
            link.reset()


def test_an_upload_whose_connection_breaks_off_is_sent_whole(finops, place, sshd):  # noqa: F811
    data = os.urandom(24 * MIB)
    (finops.folder / "large").write_bytes(data)
    with Gate(sshd.host, delay=SLOW) as gate:
        root = place(host=gate.host)
        (root / "a").mkdir(parents=True)
        (root / "a" / "large").write_bytes(b"old")
        with finops.start("storage", "put", "--quiet", "large", "files:a/large", stderr=subprocess.PIPE) as process:
            reset_when(root, 4 * MIB, gate)
            assert (root / "a" / "large").read_bytes() == b"old"
            assert process.wait(60) == 0, process.stderr.read()
        assert len(gate.links) > 1
    assert (root / "a" / "large").read_bytes() == data


def test_an_upload_whose_server_is_gone_leaves_the_old_object_and_a_sweep_the_rest(finops, place, open_tool):
    with running_sshd() as server, Gate(server.host, delay=SLOW) as gate:
        folder = server.new_folder()
        (finops.folder / "large").write_bytes(os.urandom(24 * MIB))
        (finops.folder / "config.toml").write_text(
            '[storage.files]\naddress = "sftp://%s/%s"\nprivate_key = "%s"\nhost_key = ["%s"]\nuser = "%s"\n'
            '[storage.files.retry]\nattempts = 2\n' % (gate.host, folder, server.key, server.fingerprint, server.user))
        tool = open_tool(server.options(folder=folder))
        tool("put", key="a/large", data=b"old")
        with finops.start("storage", "put", "--quiet", "large", "files:a/large", stderr=subprocess.PIPE, text=True) as process:
            wait_for_size(pathlib.Path(folder), 2 * MIB)
            server.stop()
            assert process.wait(60) == 1
            assert gate.host in process.stderr.read()
        server.start("host")
        assert tool("get", code=None, key="a/large")["code"] in ("ok", "transient")
        assert tool("get", key="a/large")["data"] == b"old"
        assert tool.keys() == ["a/large"] and len(files(folder)) == 2
        assert [o["key"] for o in tool("sweep")["objects"]] == ["a/large"]
        assert files(folder) == ["a/large"]


def test_an_upload_that_is_killed_is_seen_by_nobody_and_swept(finops, place, sshd):  # noqa: F811
    (finops.folder / "large").write_bytes(os.urandom(24 * MIB))
    with Gate(sshd.host, delay=SLOW) as gate:
        root = place(host=gate.host)
        with finops.start("storage", "put", "--quiet", "large", "files:a/large") as process:
            wait_for_size(root, MIB)
            process.kill()
        assert finops.rows("storage", "ls", "--recursive", "files:") == [] and len(files(root)) == 1
        assert finops.rows("storage", "sweep", "files:") == [], "it is young"
        assert [r["key"] for r in finops.rows("storage", "sweep", "--older-than", "0", "files:")] == ["a/large"]
        assert files(root) == []


def test_the_conformance_suite_passes(storage_tool, sshd, folder):  # noqa: F811
    options = sshd.options()
    rows = run_suite(storage_tool, "sftp://%s/%s" % (options.pop("host"), folder), options)
    assert len(rows) > 90
    assert [r for r in rows if r["outcome"] not in ("ok", "not claimed")] == []
    assert files(folder) == []
