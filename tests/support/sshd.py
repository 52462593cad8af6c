"""A real OpenSSH server for tests: its own keys and folder, on a free port of 127.0.0.1, for who runs the test.

`sshd` is a pytest fixture, one server a session; running_sshd() gives one of your own:

    def test_something(sshd, storage_tool):
        tool = Tool(storage_tool, "sftp", {**sshd.options(), "folder": sshd.new_folder()})
"""

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from servers import READY_SECONDS, free_port

CONFIGURATION = """Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/{host_key}
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
MaxStartups 100
Subsystem sftp internal-sftp {sftp}
"""


def found():
    return shutil.which("sshd", path="/usr/sbin:/usr/bin:/usr/local/sbin")


def program():
    if not found():
        pytest.skip("no sshd: the distribution's package openssh-server has it (scripts/packages.txt)")
    return found()


def children_of(pid):
    for path in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(path.read_text().rsplit(")", 1)[1].split()[1]) == pid:
                yield int(path.parent.name)


class Sshd:
    """host (127.0.0.1:PORT), user, key (a private key that is let in), fingerprint of its own key, root for objects."""

    def __init__(self, folder, sftp=""):
        self.folder, self.port, self.user, self.sftp = pathlib.Path(folder), free_port(), pwd.getpwuid(os.getuid()).pw_name, sftp
        self.host, self.key, self.root = "127.0.0.1:%d" % self.port, str(self.folder / "id"), self.folder / "root"
        self.root.mkdir()
        self.process, self.n = None, 0
        self.new_key("id", let_in=True)
        self.start("host")

    def new_key(self, name, kind="ed25519", let_in=False):
        path = self.folder / name
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True)
        if let_in:
            with open(self.folder / "authorized_keys", "a", encoding="ascii") as f:
                f.write(path.with_suffix(".pub").read_text())
        return str(path)

    def start(self, host_key):
        """With the key of this name, which is made when it is new."""
        if not (self.folder / host_key).exists():
            self.new_key(host_key)
        said = subprocess.run(["ssh-keygen", "-l", "-f", self.folder / (host_key + ".pub")], check=True,
                              capture_output=True, text=True).stdout
        self.fingerprint = said.split()[1]
        self.known_host = "[127.0.0.1]:%d %s" % (self.port, (self.folder / (host_key + ".pub")).read_text())
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", 0o755, exist_ok=True)
        configuration = self.folder / "sshd_config"
        configuration.write_text(CONFIGURATION.format(port=self.port, folder=self.folder, host_key=host_key, sftp=self.sftp))
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([program(), "-D", "-e", "-f", configuration], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, start_new_session=True)
        self.wait_until_ready()

    def wait_until_ready(self):
        until = time.monotonic() + READY_SECONDS
        while time.monotonic() < until and self.process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            time.sleep(0.02)
        self.stop()
        raise RuntimeError("sshd is not ready: " + (self.folder / "log").read_text(errors="replace")[-2000:])

    def options(self, **more):
        return {"host": self.host, "user": self.user, "private_key": self.key, "host_key": self.fingerprint, **more}

    def new_folder(self):
        self.n += 1
        return str(self.root / str(self.n))

    def end_sessions(self):
        """Each connection is served by processes of their own, which outlive the server; the server stays."""
        for child in list(children_of(self.process.pid)):
            for pid in [*children_of(child), child]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.end_sessions()
            self.process.terminate()
            self.process.wait(10)


@contextlib.contextmanager
def running_sshd(sftp=""):
    program()
    folder = tempfile.mkdtemp(prefix="finops-sshd-")
    server = None
    try:
        server = Sshd(folder, sftp)
        yield server
    finally:
        if server:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def sshd():
    with running_sshd() as server:
        yield server
