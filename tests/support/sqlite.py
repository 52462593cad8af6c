"""The example plugin of plugins/sqlite, built for the tests: a backend without schemas and without locks."""
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def sqlite_plugins(tmp_path_factory):
    """The folder of plugins that holds it: OPEN_FINOPS_PLUGIN_PATH."""
    folder = tmp_path_factory.mktemp("sqlite-plugin")
    os.chmod(folder, 0o755)
    target = folder / "sqlite.so"
    sources = sorted((ROOT / "plugins" / "sqlite").glob("*.c"))
    subprocess.run(["cc", "-std=gnu17", "-O1", "-fPIC", "-shared", "-fvisibility=hidden", "-I", ROOT / "include", "-o", target,
                    *sources, "-lsqlite3"], check=True, timeout=120)
    target.chmod(0o755)  # whatever the umask
    return folder
