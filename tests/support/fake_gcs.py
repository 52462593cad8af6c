"""fake-gcs-server, an emulator of Google Cloud Storage: ranges, generations, uploads of every kind, nobody logs in.

`fake_gcs` is a pytest fixture, one server a session: fake_gcs.endpoint, fake_gcs.new_bucket().
"""

import http.client
import json
import uuid

import pytest

from servers import Server, free_port, running, server_program


class FakeGcs(Server):
    def __init__(self, program, folder):
        self.port = free_port()
        self.host = "127.0.0.1:%d" % self.port
        self.endpoint = "http://" + self.host
        command = [program, "-scheme", "http", "-host", "127.0.0.1", "-port", str(self.port), "-backend", "memory",
                   "-public-host", self.host, "-log-level", "error"]
        self.start(folder, command, cwd=folder)

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

    def is_ready(self):
        return self.request("GET", "/storage/v1/b?project=p")[0] == 200

    def new_bucket(self):
        name = "b-" + uuid.uuid4().hex[:12]
        status, answer = self.request("POST", "/storage/v1/b?project=p", {"name": name})
        if status != 200:
            raise RuntimeError("new bucket: %d %s" % (status, answer[:500]))
        return name


def fake_gcs_program():
    return server_program("fake-gcs", "fake-gcs-server-*", core=False)


def running_fake_gcs():
    return running("gcs", lambda folder: FakeGcs(fake_gcs_program(), folder))


@pytest.fixture(scope="session")
def fake_gcs():
    with running_fake_gcs() as server:
        yield server
