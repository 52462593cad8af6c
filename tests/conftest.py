"""Fixtures of all Python tests: the program as a user runs it, in a folder of its own; servers are in support/."""
import json
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from azurite import azurite  # noqa: F401
from bills import new_bill  # noqa: F401
from fake_gcs import fake_gcs  # noqa: F401
from postgresql import postgresql, postgresql_tls  # noqa: F401
from servers import minio, moto, versitygw  # noqa: F401
from sqlite import sqlite_plugins  # noqa: F401

ROOT = pathlib.Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"

# A shell has what it runs in the background ignore Ctrl-C, and what we start would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Finops:
    """The program, run in one working folder with an environment that holds nothing of the user's."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.program = os.environ.get("FINOPS", str(ROOT / "build" / "finops"))
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    @property
    def database(self):
        return self.folder / "data" / "finops.duckdb"

    def run(self, *args, status=0, env=None, timeout=300, stdin=None):
        """Runs the program; `status` is the exit status that must come (None: any)."""
        done = subprocess.run([self.program, *map(str, args)], cwd=self.folder, env={**self.env, **(env or {})},
                              capture_output=True, text=True, timeout=timeout, input=stdin)
        if status is not None:
            assert done.returncode == status, f"{args}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *args, env=None, **kwargs):
        return subprocess.Popen([self.program, *map(str, args)], cwd=self.folder, env={**self.env, **(env or {})}, **kwargs)

    def rows(self, *args, **kwargs):
        """The rows a verb prints as JSON."""
        return json.loads(self.run(*args, "--format", "json", **kwargs).stdout, parse_float=str)


@pytest.fixture
def finops(tmp_path):
    return Finops(tmp_path)


@pytest.fixture
def new_finops(tmp_path_factory):
    return lambda: Finops(tmp_path_factory.mktemp("finops"))


@pytest.fixture(params=["duckdb", "ducklake", "postgresql"])
def every_backend(request, new_finops):
    """A finops of each backend in turn, which `backend` names."""
    finops = new_finops()
    finops.backend = finops.env["OPEN_FINOPS_DATABASE_BACKEND"] = request.param
    if request.param == "postgresql":
        finops.env.update(request.getfixturevalue("postgresql").new_database().env())
    return finops


@pytest.fixture(scope="session")
def shared():
    """The example bills; they are beside the project in CI and may be absent elsewhere."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is absent: the example bills are not tested here")
    return SHARED


@pytest.fixture(scope="session")
def expected(shared):
    return json.loads((shared / "expected.json").read_text())


@pytest.fixture
def copy_of(tmp_path):
    def copy(source):
        target = tmp_path / "bills" / source.name
        shutil.copytree(source, target)
        for path in [target, *target.rglob("*")]:  # the originals may be read-only
            path.chmod(0o755 if path.is_dir() else 0o644)
        return target
    return copy


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """A small bill of three months as AWS delivers it: the folder that `finops sample` wrote."""
    home = Finops(tmp_path_factory.mktemp("sample"))
    home.run("sample", "--out", "bills", "--rows", 1500, "--months", 3, "--accounts", 4, "--seed", 11, "--start", "2026-05")
    return home.folder / "bills"


@pytest.fixture(scope="session")
def loaded(tmp_path_factory, sample):
    """The program in a folder whose database holds the sample; for tests that only read."""
    home = Finops(tmp_path_factory.mktemp("loaded"))
    home.run("aws", "import-cur", "--bucket", sample / "sample-billing")
    return home


@pytest.fixture
def parquet_bill(tmp_path):
    """Writes a bill of a few lines, each a dict of columns and SQL values, as one Parquet file."""
    import duckdb

    def write(name, lines):
        path = tmp_path / name
        columns = ", ".join('"%s"' % c for c in lines[0])
        values = ", ".join("(%s)" % ", ".join(line[c] for c in lines[0]) for line in lines)
        duckdb.sql("COPY (SELECT * FROM (VALUES %s) AS t(%s)) TO '%s' (FORMAT parquet)" % (values, columns, path))
        return path
    return write


def pytest_collection_modifyitems(items):
    """Tests that need a server run last, in the order scripts/test-servers.sh builds them: it may still be at it."""
    built = ["minio", "azurite", "fake_gcs"]
    items.sort(key=lambda item: max((i + 1 for i, server in enumerate(built)
                                     if any(server in name for name in getattr(item, "fixturenames", ()))), default=0))
