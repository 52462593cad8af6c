"""Hadoop's own HDFS cluster for tests, one name node and one data node, spoken to through WebHDFS.

`minidfs` is a pytest fixture, one cluster a session; only where $FINOPS_MINIDFS names its jars, see minidfs_jars().
"""

import contextlib
import http.client
import os
import subprocess
import threading
import urllib.parse

import pytest

from servers import ROOT, Server, free_port, running

MAIN = ROOT / "tests" / "support" / "minidfs" / "MiniHdfs.java"
READY_SECONDS = 120


class MiniDfs(Server):
    """host (127.0.0.1:PORT of the name node's HTTP), user, who may do everything."""

    def __init__(self, jars, folder):
        self.user, self.port, self.n = "ann", free_port(), 0
        self.host = "127.0.0.1:%d" % self.port
        command = ["java", "-Xmx512m", "--add-opens", "java.base/java.lang=ALL-UNNAMED", "-Djava.io.tmpdir=" + folder,
                   "-DHADOOP_USER_NAME=" + self.user, "-cp", os.path.join(jars, "*"), str(MAIN), str(self.port),
                   os.path.join(folder, "dfs")]
        self.start(folder, command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder,
                   env={"PATH": os.environ["PATH"], "HOME": folder})

    def wait_until_ready(self):
        late = threading.Timer(READY_SECONDS, self.process.kill)
        late.start()
        said = self.process.stdout.readline()
        late.cancel()
        if not said.startswith(b"ready"):
            self.stop()
            raise RuntimeError("minidfs is not ready: " + self.log_text())

    def request(self, method, path, op, body=None, user=None, **query):
        """(status, body, Location) of one request; `path` has a server in front of it where a redirect named one."""
        url = urllib.parse.urlsplit(path)
        target = url.path + "?" + url.query if url.netloc else "/webhdfs/v1%s?%s" % (urllib.parse.quote(path), urllib.parse.urlencode(
            {"op": op, "user.name": user or self.user, **query}))
        connection = http.client.HTTPConnection(url.netloc or self.host, timeout=60)
        try:
            connection.request(method, target, body)
            response = connection.getresponse()
            return response.status, response.read(), response.getheader("Location")
        finally:
            connection.close()

    def data_node(self):
        """Where the name node sends those who want bytes: HOST:PORT."""
        location = self.request("PUT", "/nothing", "CREATE", overwrite="false")[2]
        return urllib.parse.urlsplit(location).netloc

    def new_folder(self):
        self.n += 1
        return "t%d" % self.n

    def stop(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(30)
        super().stop()


def minidfs_jars():
    if not os.environ.get("FINOPS_MINIDFS"):
        pytest.skip("no MiniDFS: $FINOPS_MINIDFS names the folder that `scripts/test-servers.sh minidfs` prints. It needs Maven and "
                    "a JDK, and its suite takes minutes; elsewhere the driver is tested against a scripted server")
    return os.environ["FINOPS_MINIDFS"]


def running_minidfs():
    jars = minidfs_jars()
    return running("minidfs", lambda folder: MiniDfs(jars, folder))


@pytest.fixture(scope="session")
def minidfs():
    with running_minidfs() as server:
        yield server
