"""Content that is signed in chunks, against servers that check each signature, and what changes on its way to them."""

import os
import socketserver
import threading

import pytest

from network import BLOCK, Server, close_quietly, connect, pump
from storage_driver import Tool, storage_tool  # noqa: F401

MIB = 1 << 20
CHUNK = 64 << 10


class Meddler(socketserver.BaseRequestHandler):
    """Changes the first `words` that come by, and remembers what went up."""

    def handle(self):
        server = self.server
        with connect(server.target) as upstream:
            down = threading.Thread(target=lambda: (pump(upstream, self.request), close_quietly(self.request)), daemon=True)
            down.start()
            try:
                while data := self.request.recv(BLOCK):
                    with server.lock:
                        server.sent += data
                        if server.words and server.words in data:
                            data = data.replace(server.words, server.words.swapcase(), 1)
                            server.words = None
                    upstream.sendall(data)
            except OSError:
                pass
            close_quietly(upstream)
            down.join(10)


class Between(Server):
    def __init__(self, target, words=None):
        super().__init__(Meddler)
        self.target, self.words, self.sent = target, words, b""


@pytest.fixture(params=["minio", "versitygw"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def open_tool(storage_tool, server):
    tools = []
    common = {"bucket": server.new_bucket(), "region": server.region, "access_key_id": server.access_key,
              "secret_access_key": server.secret_key}

    def start(endpoint, **options):
        tools.append(Tool(storage_tool, "s3", {**common, "endpoint_url": endpoint, **options}))
        return tools[-1]
    yield start
    for tool in tools:
        tool.close()


def host_of(server):
    return server.endpoint.partition("://")[2]


@pytest.mark.parametrize("checksum", ["crc64nvme", "crc32c", "md5"])
def test_content_in_signed_chunks_is_stored_as_it_is(server, open_tool, checksum):
    with Between(host_of(server)) as between:
        s3 = open_tool("http://" + between.host, payload_signing="chunked", checksum=checksum)
        for size in (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7):
            data = os.urandom(size)
            put = s3("put", key="a %d" % size, data=data, content_encoding="x", metadata={"a": "b c"})["object"]
            stat = s3("stat", key="a %d" % size)["object"]
            assert s3("get", key="a %d" % size)["data"] == data
            assert (stat["content_encoding"], stat["metadata"]) == ("x", {"a": "b c"})
            if checksum != "md5":
                assert put["checksum"] == stat["checksum"] and put["checksum"].startswith(checksum)
        parts = [os.urandom(5 * MIB), os.urandom(5 * MIB + 1), b"end"]
        s3("upload", key="parts", parts=parts)
        assert s3("get", key="parts")["data"] == b"".join(parts)
        form = b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + (b"" if checksum == "md5" else b"-TRAILER")
        assert between.sent.count(form + b"\r\n") == 5 + 3
        assert between.sent.count(b"x-amz-trailer-signature:") == (0 if checksum == "md5" else 8)


@pytest.mark.parametrize("signing", ["chunked", "signed"])
def test_what_is_changed_on_its_way_is_refused(server, open_tool, signing):
    """In the second chunk, so that the request's own signature holds."""
    with Between(host_of(server), words=b"meddle") as between:
        s3 = open_tool("http://" + between.host, payload_signing=signing, checksum="none")
        told = s3("put", code=None, key="a", data=bytes(CHUNK + 100) + b"meddle" + bytes(100))
        assert between.words is None and told["code"] != "ok", told
        s3("stat", code="not_found", key="a")
        s3("put", key="a", data=b"meddle")
        assert s3("get", key="a")["data"] == b"meddle"


def test_a_part_that_is_changed_on_its_way_is_refused(server, open_tool):
    with Between(host_of(server), words=b"meddle") as between:
        s3 = open_tool("http://" + between.host, payload_signing="chunked")
        told = s3("upload", code=None, key="p", parts=[bytes(5 * MIB), b"meddle"])
        assert told["code"] != "ok" and between.words is None
        s3("stat", code="not_found", key="p")


def test_parts_over_plain_http_go_in_chunks_by_themselves(server, open_tool):
    """0.0.0.0 leads to this machine and is no address of it, so that others could listen."""
    with Between(host_of(server)) as between:
        s3 = open_tool("http://0.0.0.0:" + between.host.rpartition(":")[2])
        s3("put", key="small", data=b"123456789")
        assert b"STREAMING" not in between.sent and b"UNSIGNED" not in between.sent
        parts = [os.urandom(5 * MIB), b"123456789"]
        s3("upload", key="large", parts=parts)
        assert between.sent.count(b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER\r\n") == 2
        assert b"UNSIGNED" not in between.sent
        assert s3("get", key="large")["data"] == b"".join(parts)
