"""Storage in files under kill -9, a full disk and a sweep: an object is old or new, and nothing is left for long.

FINOPS_KILLS sets how many times (default 200; scripts/soak.sh runs thousands).
"""
import os
import pathlib
import random
import signal
import subprocess
import time

import pytest

KILLS = int(os.environ.get("FINOPS_KILLS", "200"))
ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def suite_tool():
    build = pathlib.Path(os.environ.get("FINOPS", ROOT / "build" / "finops")).parent
    subprocess.run(["ninja", "-C", build, "tests/suite_tool"], check=True, capture_output=True)
    return str(build / "tests" / "suite_tool")


def run(tool, folder, *command, **options):
    return subprocess.run([tool, "file://%s" % folder, *command], capture_output=True, text=True, timeout=60, **options)


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def is_whole(path):
    """Each object is one number, that many times."""
    data = path.read_bytes()
    number = data[:8]
    return len(data) >= 8 and data == number * int.from_bytes(number, "little")


@pytest.mark.parametrize("command", ["forever", "parts"])
def test_a_put_that_is_killed_leaves_the_old_object_or_the_new(suite_tool, tmp_path, command):
    random.seed(20261121)
    folder, key = tmp_path / "store", "deep/folder/object"
    (tmp_path / "first").write_bytes((1).to_bytes(8, "little"))
    assert run(suite_tool, folder, "put", key, tmp_path / "first").returncode == 0
    seen = set()
    for n in range(KILLS // 2):
        process = subprocess.Popen([suite_tool, "file://%s" % folder, command, key], stderr=subprocess.PIPE)
        time.sleep(random.uniform(0.001, 0.06))
        assert process.poll() is None, process.stderr.read()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert is_whole(folder / key), f"after kill {n + 1}"
        seen.add((folder / key).stat().st_size)
        if n % 10 == 9:
            assert run(suite_tool, folder, "list", "").stdout == key + "\n"
            swept = run(suite_tool, folder, "sweep", "")
            assert swept.returncode == 0, swept.stderr
            assert files(folder) == [key], f"after kill {n + 1}"
    assert len(seen) > 1, "no put ever ended"


def test_a_sweep_leaves_what_a_living_process_writes(suite_tool, tmp_path):
    folder = tmp_path / "store"
    with subprocess.Popen([suite_tool, "file://%s" % folder, "slow", "a/live", "1500"], stdout=subprocess.PIPE, text=True) as live:
        assert live.stdout.readline() == "begun\n"
        dead = subprocess.Popen([suite_tool, "file://%s" % folder, "slow", "b/dead", "60000"], stdout=subprocess.PIPE, text=True)
        assert dead.stdout.readline() == "begun\n"
        dead.kill()
        dead.communicate()
        assert len(files(folder)) == 2
        swept = run(suite_tool, folder, "sweep", "")
        assert (swept.returncode, swept.stdout) == (0, "b/dead\n"), swept.stderr
        assert not (folder / "b").exists()
        assert live.stdout.read() == "committed\n"
    assert live.returncode == 0
    assert files(folder) == ["a/live"]
    assert (folder / "a/live").read_text() == "slow"


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip("cannot mount a small tmpfs: %s" % mounted.stderr.strip())
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_leaves_the_old_object_whole_and_is_named(suite_tool, tmp_path, small_disk):
    (tmp_path / "small").write_bytes(b"s" * 300_000)
    (tmp_path / "large").write_bytes(b"l" * 2_000_000)
    assert run(suite_tool, small_disk, "put", "a/b", tmp_path / "small").returncode == 0
    for key in ("a/b", "c/d"):
        full = run(suite_tool, small_disk, "put", key, tmp_path / "large")
        assert full.returncode == 1
        assert full.stderr.startswith("io: ") and "no space left on device" in full.stderr
    assert files(small_disk) == ["a/b"]
    assert not (small_disk / "c").exists()
    assert (small_disk / "a/b").read_bytes() == b"s" * 300_000
    assert run(suite_tool, small_disk, "put", "a/b", tmp_path / "small").returncode == 0
