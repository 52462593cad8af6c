"""Servers for tests: started on a free loopback port, stopped by process id.

`minio` is a pytest fixture, one server a session. Make a bucket of your own in it:

    def test_something(minio):
        bucket = minio.new_bucket()
        minio.put_tree(bucket, folder, prefix="cur")
        run("finops", "aws", "import-cur", "--bucket", "s3://" + bucket, env=minio.env())
"""

import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid

import pytest

import s3

READY_SECONDS = 30


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Minio:
    """A running MinIO: endpoint (http://127.0.0.1:PORT), access_key, secret_key, region."""

    def __init__(self, program, folder):
        self.port = free_port()
        self.host = "127.0.0.1:%d" % self.port
        self.endpoint = "http://" + self.host
        self.access_key, self.secret_key, self.region = "finopstest", uuid.uuid4().hex, "us-east-1"
        self.client = s3.Client(self.host, self.access_key, self.secret_key, self.region)
        self.log = open(os.path.join(folder, "log"), "wb")
        env = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "MINIO_ROOT_USER": self.access_key,
            "MINIO_ROOT_PASSWORD": self.secret_key,
            "MINIO_UPDATE": "off",
            "MINIO_BROWSER": "off",
        }
        data = os.path.join(folder, "data")
        command = [program, "server", "--quiet", "--address", self.host, data]
        self.process = subprocess.Popen(command, env=env, stdout=self.log, stderr=self.log, start_new_session=True)

    def wait_until_ready(self):
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            try:
                if self.client.request("GET", "/")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        self.stop()
        raise RuntimeError("minio is not ready after %d s: %s" % (READY_SECONDS, self.log_text()))

    def log_text(self):
        return pathlib.Path(self.log.name).read_text(errors="replace")[-2000:]

    def env(self):
        """The environment that points a program at this server."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": self.region,
            "AWS_ENDPOINT_URL": self.endpoint,
        }

    def new_bucket(self, name=None):
        name = name or "b-" + uuid.uuid4().hex[:12]
        self.client.expect(200, "PUT", "/" + name)
        return name

    def put(self, bucket, key, data):
        self.client.expect(200, "PUT", "/%s/%s" % (bucket, key), data)

    def get(self, bucket, key):
        return self.client.expect(200, "GET", "/%s/%s" % (bucket, key))

    def delete(self, bucket, key):
        self.client.expect(204, "DELETE", "/%s/%s" % (bucket, key))

    def put_tree(self, bucket, folder, prefix=""):
        """Uploads every file below folder; keys are the paths relative to it, after the prefix."""
        folder = pathlib.Path(folder)
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            key = "/".join(part for part in (prefix.strip("/"), path.relative_to(folder).as_posix()) if part)
            self.put(bucket, key, path.read_bytes())

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


def minio_program():
    """The server scripts/test-servers.sh built; in CI a missing one is a failure, elsewhere a skip that says so."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache", "finops", "bin")
    built = sorted(cache.glob("minio-*"))
    program = os.environ.get("FINOPS_MINIO") or (str(built[-1]) if built else None)
    if program and os.access(program, os.X_OK):
        return program
    missing = "no MinIO: scripts/test-servers.sh builds it"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def minio():
    folder = tempfile.mkdtemp(prefix="finops-minio-")
    server = Minio(minio_program(), folder)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
