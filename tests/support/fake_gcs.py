"""fake-gcs-server, an emulator of Google Cloud Storage: ranges, generations, uploads of every kind, nobody logs in.

`fake_gcs` is a pytest fixture, one server a session: fake_gcs.endpoint, fake_gcs.new_bucket().
"""

import contextlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

import pytest

from servers import READY_SECONDS, free_port, server_program


class FakeGcs:
    def __init__(self, program, folder):
        self.port = free_port()
        self.host = "127.0.0.1:%d" % self.port
        self.endpoint = "http://" + self.host
        self.log = open(os.path.join(folder, "log"), "wb")
        command = [program, "-scheme", "http", "-host", "127.0.0.1", "-port", str(self.port), "-backend", "memory",
                   "-public-host", self.host, "-log-level", "error"]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, cwd=folder, start_new_session=True)

    def request(self, method, path, document=None):
        """(status, body)"""
        connection = http.client.HTTPConnection(self.host, timeout=30)
        try:
            body = json.dumps(document) if document is not None else None
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def wait_until_ready(self):
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if self.request("GET", "/storage/v1/b?project=p")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        self.stop()
        raise RuntimeError("fake-gcs-server is not ready: " + pathlib.Path(self.log.name).read_text()[-2000:])

    def new_bucket(self):
        name = "b-" + uuid.uuid4().hex[:12]
        status, answer = self.request("POST", "/storage/v1/b?project=p", {"name": name})
        if status != 200:
            raise RuntimeError("new bucket: %d %s" % (status, answer[:500]))
        return name

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


def fake_gcs_program():
    return server_program("fake-gcs", "fake-gcs-server-*", core=False)


@contextlib.contextmanager
def running_fake_gcs():
    folder = tempfile.mkdtemp(prefix="finops-gcs-")
    server = FakeGcs(fake_gcs_program(), folder)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def fake_gcs():
    with running_fake_gcs() as server:
        yield server
