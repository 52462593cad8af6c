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
PLENTY = 6 << 30  # bytes of memory, before any of it is used for files
DOMAIN = "s3.test"  # what only a proxy can find; buckets may stand in front of it


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def is_like_a_disk(folder):
    """Whether files there have what servers ask of theirs: attributes, and to be read around the cache."""
    probe = os.path.join(folder, "finops-probe-" + uuid.uuid4().hex)
    try:
        os.close(os.open(probe, os.O_CREAT | os.O_RDWR | os.O_DIRECT, 0o600))
        os.setxattr(probe, "user.finops", b"1")
        return True
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            os.unlink(probe)


def memory_available():
    with open("/proc/meminfo") as lines:
        return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), 0)


def new_folder(kind):
    """For what a server keeps. All of it is thrown away: in memory where there is plenty, no disk has to keep it first."""
    memory = "/dev/shm"
    plenty = os.path.isdir(memory) and min(memory_available(), shutil.disk_usage(memory).free) > PLENTY
    return tempfile.mkdtemp(prefix="finops-%s-" % kind, dir=memory if plenty and is_like_a_disk(memory) else None)


class Server:
    """A process with a log in its folder, which says that it is ready by is_ready(); OSError is a no. Stopped by its id."""

    def start(self, folder, command, **options):
        self.log = open(os.path.join(folder, "log"), "wb")
        options = {"stdout": self.log, "stderr": self.log, "start_new_session": True, **options}
        self.process = subprocess.Popen(command, **options)

    def wait_until_ready(self):
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(OSError):
                if self.is_ready():
                    return
            time.sleep(0.05)
        self.stop()
        raise RuntimeError("%s is not ready: %s" % (self.process.args, self.log_text()))

    def log_text(self):
        return pathlib.Path(self.log.name).read_text(errors="replace")[-2000:]

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


@contextlib.contextmanager
def running(kind, make):
    """The server that make(folder) starts, ready; it and its folder are gone at the end."""
    folder = new_folder(kind)
    try:
        server = make(folder)
        try:
            server.wait_until_ready()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Minio(Server):
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
        self.start(folder, command, env=env)

    def is_ready(self):
        return self.client.request("GET", "/")[0] == 200

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


def running_minio(**options):
    return running("minio", lambda folder: Minio(minio_program(), folder, **options))


@pytest.fixture(scope="session")
def minio():
    with running_minio(domain=DOMAIN) as server:
        yield server


class S3Server(Server):
    """A running server that speaks S3, started by `command` with HOST, PORT and FOLDER put in: as Minio above."""

    def __init__(self, folder, command, env=None):
        self.port = free_port()
        self.host = "127.0.0.1:%d" % self.port
        self.endpoint = "http://" + self.host
        self.access_key, self.secret_key, self.region = "finopstest", uuid.uuid4().hex, "us-east-1"
        self.client = s3.Client(self.host, self.access_key, self.secret_key, self.region)
        names = {"PORT": str(self.port), "FOLDER": folder}
        env = {k: v.replace("SECRET", self.secret_key) for k, v in (env or {}).items()}
        self.start(folder, [names.get(word, word.replace("PORT", names["PORT"])) for word in command],
                   env={"PATH": os.environ["PATH"], "HOME": folder, **env})

    is_ready, env, new_bucket = Minio.is_ready, Minio.env, Minio.new_bucket


def moto_program():
    """What tests/requirements.txt installs beside the Python that runs this, or $FINOPS_MOTO names."""
    beside = pathlib.Path(sys.executable).parent / "moto_server"
    program = os.environ.get("FINOPS_MOTO") or (str(beside) if beside.exists() else shutil.which("moto_server"))
    if not program:
        pytest.skip("no moto: tests/requirements.txt has it")
    return program


def s3_server(kind, folder):
    os.mkdir(os.path.join(folder, "data"))
    if kind == "moto":
        return S3Server(folder, [moto_program(), "-H", "127.0.0.1", "-p", "PORT"])
    return S3Server(folder, [server_program("versitygw", "versitygw-*", core=False), "--keep-alive", "--quiet", "--port",
                             "127.0.0.1:PORT", "posix", os.path.join(folder, "data")],
                    {"ROOT_ACCESS_KEY": "finopstest", "ROOT_SECRET_KEY": "SECRET"})


def running_s3(kind):
    """versitygw, which really verifies signatures and checksums, or moto, which has the keys of S3."""
    return running(kind, lambda folder: s3_server(kind, folder))


@pytest.fixture(scope="session")
def versitygw():
    with running_s3("versitygw") as server:
        yield server


@pytest.fixture(scope="session")
def moto():
    with running_s3("moto") as server:
        yield server
