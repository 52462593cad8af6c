"""WebHDFS over a real HDFS: the verbs, rights, host maps, broken connections, and the conformance suite.

Where $FINOPS_MINIDFS is not set all of it is skipped, and the driver is tested by tests/unit/storage/webhdfs_test.c.
"""

import hashlib
import json
import os
import subprocess
import threading
import time

import pytest

from minidfs import minidfs  # noqa: F401
from network import Gate, Relay
from storage_driver import Tool, run_suite, storage_tool  # noqa: F401

MIB = 1 << 20


@pytest.fixture
def folder(minidfs):  # noqa: F811
    return minidfs.new_folder()


@pytest.fixture
def open_tool(storage_tool, minidfs, folder):  # noqa: F811
    tools = []

    def start(**options):
        tools.append(Tool(storage_tool, "hdfs", {"host": minidfs.host, "user": minidfs.user, "folder": folder, **options}))
        return tools[-1]
    yield start
    for tool in tools:
        tool.close()


@pytest.fixture
def place(finops, minidfs, folder):  # noqa: F811
    """Makes the place "files" of the configuration; what it is in HDFS comes back."""
    def write(*lines):
        head = '[storage.files]\naddress = "hdfs://%s/%s"\nuser = "%s"\n' % (minidfs.host, folder, minidfs.user)
        (finops.folder / "config.toml").write_text(head + "\n".join(lines) + "\n")
        return "/" + folder
    return write


def names(minidfs, path):  # noqa: F811
    """What a folder of HDFS holds, hidden names as well."""
    status, body, _ = minidfs.request("GET", path, "LISTSTATUS")
    assert status == 200, body
    return [s["pathSuffix"] for s in json.loads(body)["FileStatuses"]["FileStatus"]]


def content(minidfs, path):  # noqa: F811
    location = minidfs.request("GET", path, "OPEN")[2]
    return minidfs.request("GET", location, "OPEN")[1]


def test_the_verbs_work_on_a_place_of_hdfs(finops, minidfs, place):  # noqa: F811
    root = place()
    for name, text in (("a b.csv", "one\n"), ("deep/er/ä+%.csv", "two\n")):
        path = finops.folder / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    finops.run("storage", "put", "--quiet", "--recursive", "out", "files:in/")
    assert [r["key"] for r in finops.rows("storage", "ls", "--recursive", "files:")] == ["in/a b.csv", "in/deep/er/ä+%.csv"]
    assert content(minidfs, root + "/in/deep/er/ä+%.csv") == b"two\n"
    finops.run("storage", "mv", "--quiet", "files:in/a b.csv", "files:moved/a.csv")
    finops.run("storage", "get", "--quiet", "--recursive", "files:", "back/")
    assert (finops.folder / "back/in/deep/er/ä+%.csv").read_text() == "two\n"
    finops.run("storage", "rm", "--recursive", "--yes", "files:in/")
    assert [r["key"] for r in finops.rows("storage", "ls", "--recursive", "files:")] == ["moved/a.csv"]


def test_a_large_file_comes_back_as_it_went(finops, minidfs, place):  # noqa: F811
    root, data = place(), os.urandom(40 * MIB + 3)
    (finops.folder / "large").write_bytes(data)
    finops.run("storage", "put", "--quiet", "large", "files:x/large")
    finops.run("storage", "get", "--quiet", "files:x/large", "again")
    assert hashlib.sha256((finops.folder / "again").read_bytes()).digest() == hashlib.sha256(data).digest()
    assert names(minidfs, root + "/x") == ["large"]


def test_while_an_object_is_replaced_it_is_the_old_or_the_new(open_tool, minidfs, folder):  # noqa: F811
    """Asked of the name node itself: never missing, never in part."""
    tool, seen, over = open_tool(), set(), threading.Event()
    sizes = set(range(1000, 1040))
    tool("put", key="object", data=bytes(min(sizes)))

    def look():
        while not over.is_set():
            status, body, _ = minidfs.request("GET", "/%s/object" % folder, "GETFILESTATUS")
            seen.add(int(body.split(b'"length":')[1].split(b",")[0]) if status == 200 else status)
    reader = threading.Thread(target=look)
    reader.start()
    for size in sorted(sizes):
        tool("put", key="object", data=bytes(size))
    over.set()
    reader.join(30)
    assert len(seen) > 1 and seen <= sizes
    assert names(minidfs, "/" + folder) == ["object"]


def test_who_may_not_write_is_denied(open_tool, minidfs, folder):  # noqa: F811
    open_tool()("put", key="a", data=b"1")
    minidfs.request("PUT", "/" + folder, "SETPERMISSION", permission="750")
    other = open_tool(user="somebody")
    for op in ("put", "get", "stat", "remove"):
        assert "denied" in other(op, code="denied", key="a", data=b"2")["error"].lower()
    other("list", code="denied")
    assert content(minidfs, "/%s/a" % folder) == b"1"


def test_data_nodes_are_reached_where_the_map_says(open_tool, minidfs):  # noqa: F811
    with Relay(minidfs.data_node()) as relay:
        tool = open_tool(host_map="%s=%s" % (minidfs.data_node(), relay.host))
        tool("put", key="a", data=b"through the relay")
        assert tool("get", key="a")["data"] == b"through the relay"
    open_tool()("get", key="a")
    open_tool(host_map="%s=127.0.0.1:1" % minidfs.data_node())("get", code="transient", key="a")


def test_a_download_whose_connection_breaks_off_goes_on(finops, minidfs, place):  # noqa: F811
    data = os.urandom(24 * MIB)
    (finops.folder / "large").write_bytes(data)
    place()
    finops.run("storage", "put", "--quiet", "large", "files:a/large")
    with Relay(minidfs.data_node(), after=3 * MIB, cuts=2) as relay:
        place('host_map = ["%s=%s"]' % (minidfs.data_node(), relay.host))
        finops.run("storage", "get", "--quiet", "files:a/large", "here", timeout=60)
        assert relay.cut >= 2
    assert (finops.folder / "here").read_bytes() == data


def test_an_upload_whose_connection_breaks_off_is_sent_whole(finops, minidfs, place):  # noqa: F811
    data = os.urandom(24 * MIB)
    (finops.folder / "large").write_bytes(data)
    with Gate(minidfs.data_node(), delay=0.003) as gate:
        root = place('host_map = ["%s=%s"]' % (minidfs.data_node(), gate.host))
        with finops.start("storage", "put", "--quiet", "large", "files:a/large", stderr=subprocess.PIPE) as process:
            until = time.monotonic() + 30
            while not gate.links and time.monotonic() < until:
                time.sleep(0.005)
            time.sleep(0.05)  # into the body
            gate.links[0].reset()
            assert process.wait(60) == 0, process.stderr.read()
        assert len(gate.links) > 1
    assert content(minidfs, root + "/a/large") == data
    assert [n for n in names(minidfs, root + "/a") if not n.startswith(".finops")] == ["large"]


def test_the_conformance_suite_passes(storage_tool, minidfs, folder):  # noqa: F811
    rows = run_suite(storage_tool, "hdfs://%s/%s" % (minidfs.host, folder), {"user": minidfs.user})
    assert len(rows) > 90
    assert [r for r in rows if r["outcome"] not in ("ok", "not claimed")] == []
    status, body, _ = minidfs.request("GET", "/" + folder, "GETCONTENTSUMMARY")
    assert status == 404 or json.loads(body)["ContentSummary"]["fileCount"] == 0
