"""scripts/fetch.sh against a lock of small packages made here: pip reads them from a folder, npm is a stand-in."""

import hashlib
import io
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import time
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NPM = """#!/bin/sh
# npm pack --silent NAME@VERSION
echo "$3" >>"$FAKE_REGISTRY/npm.log"
[ ! -e "$FAKE_REGISTRY/npm.fails" ] || { echo "npm: no such package" >&2; exit 1; }
cp "$FAKE_REGISTRY"/engine-1.0.tgz .
"""


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def tar_of(path, files):
    with tarfile.open(path, "w:gz") as t:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            t.addfile(info, io.BytesIO(text.encode()))


def wheel_of(path, files):
    with zipfile.ZipFile(path, "w") as z:
        for name, text in files.items():
            z.writestr(name, text)


class Project:
    """A checkout with the real scripts and a small lock, its own cache and its own registries."""

    def __init__(self, folder):
        self.root, self.cache, self.registry = folder / "project", folder / "cache", folder / "registry"
        shutil.copytree(ROOT / "scripts", self.root / "scripts")
        (folder / "bin").mkdir()
        self.registry.mkdir()
        npm = folder / "bin" / "npm"
        npm.write_text(NPM)
        npm.chmod(0o755)
        self.path = "%s:%s" % (folder / "bin", os.environ["PATH"])
        self.packages()
        self.write_lock()

    def packages(self):
        tar_of(self.registry / "engine-1.0.tgz", {"package/libengine.so": "engine", "package/other": "x"})
        metadata = "Metadata-Version: 2.1\nName: headers\nVersion: 2.0\n"
        backend = '[build-system]\nrequires = ["nothing-has-this-name"]\nbuild-backend = "mesonpy"\n'
        files = {"PKG-INFO": metadata, "pyproject.toml": backend, "include/engine.h": "/* h */", "src/a/b.c": "b"}
        tar_of(self.registry / "headers-2.0.tar.gz", {"headers-2.0/" + k: v for k, v in files.items()})
        info = "extension-3.0.dist-info/"
        wheel_of(
            self.registry / "extension-3.0-py3-none-any.whl",
            {
                "extension/x.bin": "extension",
                info + "METADATA": "Metadata-Version: 2.1\nName: extension\nVersion: 3.0\n",
                info + "WHEEL": "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
                info + "RECORD": "",
            },
        )

    def write_lock(self, wrong="", comment=""):
        rows = [
            ("npm", "@e/engine", "1.0", "engine-1.0.tgz", ["package/libengine.so -> lib/libengine.so"]),
            ("pypi-sdist", "headers", "2.0", "headers-2.0.tar.gz",
             ["headers-2.0/include/engine.h -> include/engine.h", "headers-2.0/src -> src/headers"]),
            ("pypi-wheel", "extension", "3.0", "extension-3.0-py3-none-any.whl", ["extension/x.bin -> ext/x.bin"]),
        ]
        text = "# a lock %s\n" % comment
        for kind, package, version, file, takes in rows:
            found = "0" * 64 if package == wrong else digest(self.registry / file)
            text += "%s any %s %s %s %s build\n" % (kind, package, version, file, found)
            text += "".join("    %s\n" % take for take in takes)
        (self.root / "deps.lock").write_text(text)

    def start(self):
        env = dict(os.environ, PATH=self.path, XDG_CACHE_HOME=str(self.cache), FAKE_REGISTRY=str(self.registry),
                   PIP_NO_INDEX="1", PIP_FIND_LINKS=str(self.registry), PIP_NO_CACHE_DIR="1")
        command = [str(self.root / "scripts" / "fetch.sh")]
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def fetch(self):
        process = self.start()
        out, err = process.communicate(timeout=120)
        assert out == ""
        return process.returncode, err

    def deps(self):
        """Every file in deps/ with its content."""
        deps = self.root / "deps"
        return {p.relative_to(deps).as_posix(): p.read_text() for p in deps.rglob("*") if p.is_file()}

    def downloads(self):
        return sorted(p.name for p in (self.cache / "finops" / "downloads").glob("[!.]*"))

    def npm_calls(self):
        log = self.registry / "npm.log"
        return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


def test_a_first_run_fills_deps_and_leaves_nothing_else(project):
    status, err = project.fetch()
    assert status == 0, err
    deps = project.deps()
    del deps[".stamp"]
    assert deps == {
        "lib/libengine.so": "engine",
        "include/engine.h": "/* h */",
        "src/headers/a/b.c": "b",
        "ext/x.bin": "extension",
    }
    assert project.downloads() == ["engine-1.0.tgz", "extension-3.0-py3-none-any.whl", "headers-2.0.tar.gz"]
    assert [p.name for p in (project.root / "deps").glob(".new*")] == []


def test_a_second_run_fetches_nothing_and_is_quick(project):
    assert project.fetch()[0] == 0
    shutil.rmtree(project.registry)
    began = time.monotonic()
    assert project.fetch() == (0, "")
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("package, version", [("@e/engine", "1.0"), ("headers", "2.0"), ("extension", "3.0")])
def test_a_bad_checksum_names_package_expected_and_found_and_touches_nothing(project, package, version):
    assert project.fetch()[0] == 0
    before = project.deps()
    shutil.rmtree(project.cache)
    project.write_lock(wrong=package)
    status, err = project.fetch()
    files = {"@e/engine": "engine-1.0.tgz", "headers": "headers-2.0.tar.gz"}
    file = files.get(package, "extension-3.0-py3-none-any.whl")
    assert status == 1
    assert "%s %s: the SHA-256 of %s is not the one in deps.lock" % (package, version, file) in err
    assert "expected " + "0" * 64 in err
    assert re.search(r"found +" + digest(project.registry / file), err)
    assert project.deps() == before
    assert file not in project.downloads()


def test_a_bad_checksum_on_the_first_run_makes_no_deps(project):
    project.write_lock(wrong="headers")
    assert project.fetch()[0] == 1
    assert not (project.root / "deps").exists()


def test_a_spoilt_cache_is_refused_once_and_mended_by_the_next_run(project):
    assert project.fetch()[0] == 0
    shutil.rmtree(project.root / "deps")
    spoilt = project.cache / "finops" / "downloads" / "engine-1.0.tgz"
    spoilt.write_bytes(spoilt.read_bytes()[:-1])
    status, err = project.fetch()
    assert (status, project.npm_calls()) == (1, 1)
    assert "@e/engine 1.0: the SHA-256" in err
    assert not spoilt.exists()
    assert project.fetch()[0] == 0
    assert project.npm_calls() == 2


def test_a_changed_lock_takes_what_is_unchanged_from_the_cache(project):
    assert project.fetch()[0] == 0
    project.write_lock(comment="changed")
    status, err = project.fetch()
    assert status == 0, err
    assert project.npm_calls() == 1
    assert "getting" not in err


def test_a_file_missing_from_deps_is_put_back(project):
    assert project.fetch()[0] == 0
    (project.root / "deps" / "ext" / "x.bin").unlink()
    assert project.fetch()[0] == 0
    assert project.deps()["ext/x.bin"] == "extension"


def test_a_client_that_fails_is_quoted(project):
    (project.registry / "npm.fails").touch()
    status, err = project.fetch()
    assert status == 1
    assert "npm: no such package" in err
    assert "cannot get @e/engine 1.0" in err
    assert not (project.root / "deps").exists()


def test_a_package_without_the_locked_member_is_refused(project):
    lock = project.root / "deps.lock"
    lock.write_text(lock.read_text().replace("package/libengine.so", "package/libgone.so"))
    status, err = project.fetch()
    assert status == 1
    assert "has no package/libgone.so" in err
    assert project.deps() == {}


def test_two_runs_at_once_download_once(project):
    runs = [project.start(), project.start()]
    assert [run.wait(120) for run in runs] == [0, 0]
    for run in runs:
        run.communicate()
    assert project.npm_calls() == 1


def test_the_lock_pins_every_file_and_names_no_address():
    text = (ROOT / "deps.lock").read_text()
    assert "://" not in text and "registry." not in text
    rows = [line.split() for line in text.splitlines() if line[:1].isalpha()]
    assert rows
    for row in rows:
        assert len(row) == 7, row
        kind, machine = row[0], row[1]
        assert kind in ("npm", "pypi-wheel", "pypi-sdist", "go", "maven") and machine in ("x86_64", "arm64", "any")
        assert re.fullmatch(r"h1:[\w+/]{43}=" if kind == "go" else r"[0-9a-f]{64}", row[5]), row
    uses = [sorted(row[6] for row in rows if row[1] == machine) for machine in ("x86_64", "arm64")]
    assert uses[0] == uses[1]
