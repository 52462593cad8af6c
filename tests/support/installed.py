"""finops as it is installed, for plugins that are built outside of its tree, and guides whose commands are run there."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("FINOPS", ROOT / "build" / "finops")).parent
BLOCK = re.compile(r"^<!-- installed (run|file (\S+)) -->\n```\w*\n(.*?)^```$(?:\n+```text\n(.*?)^```$)?", re.S | re.M)


@pytest.fixture(scope="session")
def prefix(tmp_path_factory):
    folder = tmp_path_factory.mktemp("install")
    subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", folder], check=True, timeout=120)
    return next(folder.rglob("bin/finops")).parents[1]


@pytest.fixture(scope="session")
def env(prefix, tmp_path_factory):
    """An environment in which finops is installed: the program, and pkg-config that finds it where it was put."""
    tools = tmp_path_factory.mktemp("tools")
    wrapper = tools / "pkg-config"
    wrapper.write_text('#!/bin/sh\nexec %s --define-variable=prefix=%s "$@"\n' % (shutil.which("pkg-config"), prefix))
    wrapper.chmod(0o755)
    found = next(prefix.rglob("pkgconfig/finops.pc")).parent
    return {"PATH": f"{tools}:{prefix}/bin:/usr/local/bin:/usr/bin:/bin", "PKG_CONFIG_PATH": str(found),
            "PKG_CONFIG": str(wrapper), "HOME": str(tools), "LANG": "C.UTF-8", "FINOPS_SOURCE": str(ROOT)}


def run(env, cwd, *command, status=0):
    done = subprocess.run([str(c) for c in command], cwd=cwd, env=env, timeout=300, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}"
    return done.stdout


def built(env, folder, name):
    """The folder of plugins with plugins/NAME, built by its own meson.build far from the source."""
    shutil.copytree(ROOT / "plugins" / name, folder / "source")
    run(env, folder, "meson", "setup", "build", "source")
    run(env, folder, "ninja", "-C", "build")
    plugins = folder / "plugins"
    plugins.mkdir(mode=0o755)
    shutil.copy(folder / "build" / (name + ".so"), plugins)
    (plugins / (name + ".so")).chmod(0o755)
    return plugins


def needs_installed_headers_only(name):
    for source in (ROOT / "plugins" / name).glob("*.[ch]"):
        for header in re.findall(r'#include [<"]([^>"]+)', source.read_text()):
            assert header == name + ".h" or not (ROOT / "src" / header).exists(), f"{source.name} includes {header}"


def run_guide(env, folder, guide):
    """Every block of the guide that is marked, in order, and what it says it prints."""
    blocks = BLOCK.findall((ROOT / "docs" / "guides" / guide).read_text(encoding="utf-8"))
    exported = {}
    for kind, name, text, shown in blocks:
        if name:
            (folder / name).write_text(text)
            continue
        exported.update(re.findall(r"^export (\w+)=(.*)$", text.replace("$PWD", str(folder)), re.M))
        said = run({**env, **exported}, folder, "bash", "-eu", "-o", "pipefail", "-c", text)
        flat = re.sub(r"[ ]+", " ", said)
        for line in shown.splitlines():
            assert re.sub(r"[ ]+", " ", line).strip() in flat, f"{text}\ndid not say {line!r} but\n{said}"
    return len(blocks)
