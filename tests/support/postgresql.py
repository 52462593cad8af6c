"""A PostgreSQL server for tests: a cluster of its own in a temporary folder, on a free loopback port and a socket.

`postgresql` and `postgresql_tls` are pytest fixtures, one server a session each. Make a database of your own in it:

    def test_something(postgresql):
        server = postgresql.new_database()
        server.sql("CREATE TABLE t (n int)")
        run("finops", ..., env=server.env())

The server is stopped by process id, and its folder removed. Where the machine has no PostgreSQL the tests are skipped
and say so; scripts/test.sh, which installs it, makes that a failure (FINOPS_TEST_SERVERS).
"""

import contextlib
import glob
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

import pytest

from servers import free_port

READY_SECONDS = 30


def programs():
    """The folder of initdb and postgres, the newest there is, or what $FINOPS_POSTGRESQL names."""
    if os.environ.get("FINOPS_POSTGRESQL"):
        return pathlib.Path(os.environ["FINOPS_POSTGRESQL"])
    found = [os.path.dirname(p) for p in glob.glob("/usr/lib/postgresql/*/bin/initdb")]
    found.sort(key=lambda p: float(p.split("/")[4]))
    if not found and shutil.which("initdb"):
        found = [os.path.dirname(os.path.realpath(shutil.which("initdb")))]
    return pathlib.Path(found[-1]) if found else None


def as_user():
    """What starts a program as somebody who is not root: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return [], os.geteuid(), os.getegid()
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return (["setpriv", "--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"],
                    user.pw_uid, user.pw_gid)
    pytest.skip("no PostgreSQL: there is no user postgres or nobody to run it as")


def make_certificates(folder, host="localhost"):
    """An authority, ca.crt, and what it signed for the host: server.crt, server.key."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=finops test authority")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "server.key",
            "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "ext").write_text(f"subjectAltName=DNS:{host}\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "ext", "-out", "server.crt")


class Database:
    """One database of a server."""

    def __init__(self, server, name):
        self.server, self.name = server, name

    def settings(self, **more):
        """Options of [database.postgresql], over the socket."""
        return {"host": str(self.server.folder), "port": self.server.port, "database": self.name,
                "user": self.server.user, "password": self.server.password, **more}

    def tcp_settings(self, **more):
        return self.settings(host="localhost" if self.server.ca_file else "127.0.0.1", **more)

    def env(self, **more):
        """The environment that makes PostgreSQL the backend of finops, and this its database."""
        options = {"DATABASE_POSTGRESQL_" + k.upper(): str(v) for k, v in self.settings(**more).items()}
        return {"OPEN_FINOPS_" + k: v for k, v in {"DATABASE_BACKEND": "postgresql", **options}.items()}

    def psql(self, *args, status=0, stdin=None):
        env = {"PATH": os.environ["PATH"], "PGPASSWORD": self.server.password, "LC_ALL": "C.UTF-8", "TZ": "UTC",
               "PGTZ": "UTC", "HOME": str(self.server.folder)}
        done = subprocess.run([self.server.psql, "-X", "-v", "ON_ERROR_STOP=1", "-h", str(self.server.folder),
                               "-p", str(self.server.port), "-U", self.server.user, "-d", self.name, *args],
                              env=env, capture_output=True, text=True, input=stdin)
        assert status is None or done.returncode == status, done.stdout + done.stderr
        return done.stdout

    def sql(self, text):
        """Rows of one statement or more: lists of texts, None for NULL."""
        out = self.psql("-At", "-F", "\x1f", "-R", "\x1e", "-P", "null=\x1d", "-q", "-c", text)
        rows = [row.split("\x1f") for row in out.rstrip("\n").split("\x1e")] if out.rstrip("\n") else []
        return [[None if cell == "\x1d" else cell for cell in row] for row in rows]

    def value(self, text):
        return self.sql(text)[0][0]


class Postgresql:
    """A running server: folder (of its socket, too), port, user, password, ca_file (with TLS)."""

    user, password = "finops", None

    def __init__(self, folder, tls=False, options=()):
        self.programs = programs()
        if not self.programs:
            say = pytest.fail if os.environ.get("FINOPS_TEST_SERVERS") else pytest.skip
            say("no PostgreSQL: scripts/test.sh installs postgresql-15")
        beside = self.programs / "psql"  # some packages bring the server alone
        self.psql = str(beside) if beside.exists() else shutil.which("psql")
        self.folder, self.port, self.password = pathlib.Path(folder), free_port(), uuid.uuid4().hex
        self.prefix, uid, gid = as_user()
        self.options, self.process = list(options), None
        self.ca_file = None
        if tls:
            make_certificates(self.folder)
            self.ca_file = str(self.folder / "ca.crt")
            (self.folder / "server.key").chmod(0o600)
            self.options += ["ssl=on"] + ["ssl_%s_file=%s" % (what, self.folder / name) for what, name in (
                ("cert", "server.crt"), ("key", "server.key"))]
        (self.folder / "password").write_text(self.password)
        for path in [self.folder, *self.folder.iterdir()]:
            os.chown(path, uid, gid)
        self.data = self.folder / "data"
        self.run("initdb", "-D", self.data, "-U", self.user, "-A", "scram-sha-256", "--pwfile", self.folder / "password",
                 "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync")
        self.log = open(self.folder / "log", "ab")
        self.start()

    def run(self, program, *args):
        done = subprocess.run([*self.prefix, self.programs / program, *map(str, args)], cwd=self.folder,
                              env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self):
        command = [*self.prefix, self.programs / "postgres", "-D", self.data, "-p", str(self.port), "-k", self.folder,
                   "-h", "127.0.0.1"]
        settings = ["fsync=off", "log_min_messages=warning", "max_connections=100", *self.options]
        command += [part for setting in settings for part in ("-c", setting)]
        self.process = subprocess.Popen([str(part) for part in command], cwd=self.folder, stdout=self.log, stderr=self.log,
                                        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}, start_new_session=True)
        self.wait_until_ready()

    def wait_until_ready(self):
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            if Database(self, "postgres").psql("-Atc", "SELECT 1", status=None).strip() == "1":
                return
            time.sleep(0.05)
        self.stop()
        raise RuntimeError("postgres is not ready: " + self.log_text())

    def log_text(self):
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def new_database(self):
        name = "db_" + uuid.uuid4().hex[:12]
        Database(self, "postgres").sql('CREATE DATABASE "%s"' % name)
        return Database(self, name)

    def stop(self, how=signal.SIGINT):
        """SIGINT ends all connections and stops; SIGQUIT is a crash, from which the next start recovers."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait()

    def restart(self, how=signal.SIGINT):
        self.stop(how)
        self.start()


@contextlib.contextmanager
def running_postgresql(**options):
    folder = tempfile.mkdtemp(prefix="finops-postgresql-")
    server = None
    try:
        os.chmod(folder, 0o755)
        server = Postgresql(folder, **options)
        yield server
    finally:
        if server:
            server.stop()
            server.log.close()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql():
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_tls():
    with running_postgresql(tls=True) as server:
        yield server
