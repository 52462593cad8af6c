"""Servers for tests: started on a free loopback port, stopped by process id.

`minio` is a pytest fixture, one server a session. Make a bucket of your own in it:

    def test_something(minio):
        bucket = minio.new_bucket()
        minio.put_tree(bucket, folder, prefix="cur")
        run("finops", "aws", "import-cur", "--bucket", "s3://" + bucket, env=minio.env())
"""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

import pytest

import s3

ROOT = pathlib.Path(__file__).resolve().parents[2]
READY_SECONDS = 30
DOMAIN = "s3.test"  # what only a proxy can find; buckets may stand in front of it


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Minio:
    """A running MinIO: endpoint (http://127.0.0.1:PORT), access_key, secret_key, region.

    `certs`, a folder with public.crt (its own authority) and private.key, makes it https; `region` is then the only one
    it takes, and `domain` the name that has the buckets below it.
    """

    def __init__(self, program, folder, certs=None, region=None, domain=None):
        self.port = free_port()
        self.host = "127.0.0.1:%d" % self.port
        self.ca_file = os.path.join(certs, "public.crt") if certs else None
        self.endpoint = ("https://" if certs else "http://") + self.host
        self.access_key, self.secret_key, self.region = "finopstest", uuid.uuid4().hex, region or "us-east-1"
        self.client = s3.Client(self.host, self.access_key, self.secret_key, self.region, self.ca_file)
        self.log = open(os.path.join(folder, "log"), "wb")
        env = {
            "PATH": os.environ["PATH"],
            "HOME": folder,
            "MINIO_ROOT_USER": self.access_key,
            "MINIO_ROOT_PASSWORD": self.secret_key,
            "MINIO_UPDATE": "off",
            "MINIO_BROWSER": "off",
        }
        env.update({"MINIO_SITE_REGION": region} if region else {})
        env.update({"MINIO_DOMAIN": domain} if domain else {})
        command = [program, "server", "--quiet", "--address", self.host]
        command += ["--certs-dir", str(certs)] if certs else []
        command.append(os.path.join(folder, "data"))
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


def cache_folder():
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache", "finops")


def is_cached(server):
    return "FINOPS_" + server.upper().replace("-", "_") in os.environ or any((cache_folder() / "bin").glob(server + "-*"))


def server_program(server, pattern, core=True):
    """The program of a server that scripts/test-servers.sh makes, or what $FINOPS_<SERVER> names.

    scripts/test.sh sets FINOPS_TEST_SERVERS: then a core server is made here, or waited for while another process makes it,
    and one that cannot be had is a failure. Others are, when the run is a long one (FINOPS_TEST_LONG): to build them takes
    minutes. Elsewhere one that is not there yet is a skip that says so.
    """
    made = sorted(str(p) for p in (cache_folder() / "bin").glob(pattern))
    named = os.environ.get("FINOPS_" + server.upper().replace("-", "_"))
    if named:
        return named
    if os.environ.get("FINOPS_TEST_SERVERS") and (core or os.environ.get("FINOPS_TEST_LONG")):
        run = subprocess.run([ROOT / "scripts" / "test-servers.sh", server], capture_output=True, text=True)
        if run.returncode != 0:
            pytest.fail("scripts/test-servers.sh %s: %s" % (server, run.stderr))
        return run.stdout.split()[-1]
    if not made:
        pytest.skip("no %s: scripts/test-servers.sh %s builds it" % (server, server))
    return made[-1]


def minio_program():
    return server_program("minio", "minio-*")


@contextlib.contextmanager
def running_minio(**options):
    folder = tempfile.mkdtemp(prefix="finops-minio-")
    server = Minio(minio_program(), folder, **options)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def minio():
    with running_minio(domain=DOMAIN) as server:
        yield server


class S3Server:
    """A running server that speaks S3, started by `command` with HOST, PORT and FOLDER put in: as Minio above."""

    def __init__(self, folder, command, env=None):
        self.port = free_port()
        self.host = "127.0.0.1:%d" % self.port
        self.endpoint = "http://" + self.host
        self.access_key, self.secret_key, self.region = "finopstest", uuid.uuid4().hex, "us-east-1"
        self.client = s3.Client(self.host, self.access_key, self.secret_key, self.region)
        names = {"PORT": str(self.port), "FOLDER": folder}
        env = {k: v.replace("SECRET", self.secret_key) for k, v in (env or {}).items()}
        self.log = open(os.path.join(folder, "log"), "wb")
        self.process = subprocess.Popen([names.get(word, word.replace("PORT", names["PORT"])) for word in command],
                                        env={"PATH": os.environ["PATH"], "HOME": folder, **env}, stdout=self.log,
                                        stderr=self.log, start_new_session=True)

    wait_until_ready, log_text, env, new_bucket, stop = (
        Minio.wait_until_ready, Minio.log_text, Minio.env, Minio.new_bucket, Minio.stop)


def moto_program():
    """What tests/requirements.txt installs beside the Python that runs this, or $FINOPS_MOTO names."""
    beside = pathlib.Path(sys.executable).parent / "moto_server"
    program = os.environ.get("FINOPS_MOTO") or (str(beside) if beside.exists() else shutil.which("moto_server"))
    if not program:
        pytest.skip("no moto: tests/requirements.txt has it")
    return program


@contextlib.contextmanager
def running_s3(kind):
    """versitygw, which really verifies signatures and checksums, or moto, which has the keys of S3."""
    folder = tempfile.mkdtemp(prefix="finops-%s-" % kind)
    os.mkdir(os.path.join(folder, "data"))
    try:
        if kind == "versitygw":
            server = S3Server(folder, [server_program("versitygw", "versitygw-*", core=False), "--keep-alive", "--quiet", "--port",
                                       "127.0.0.1:PORT", "posix", os.path.join(folder, "data")],
                              {"ROOT_ACCESS_KEY": "finopstest", "ROOT_SECRET_KEY": "SECRET"})
        else:
            server = S3Server(folder, [moto_program(), "-H", "127.0.0.1", "-p", "PORT"])
        try:
            server.wait_until_ready()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def versitygw():
    with running_s3("versitygw") as server:
        yield server


@pytest.fixture(scope="session")
def moto():
    with running_s3("moto") as server:
        yield server
