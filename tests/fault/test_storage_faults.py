"""What is left of uploads that were killed and disks that are full: nothing that a list shows, and nothing a sweep leaves."""
import json
import os
import random
import re
import resource
import signal
import subprocess
import time

import pytest

from bills import loaded

MIB = 1 << 20
KILLS = min(int(os.environ.get("FINOPS_KILLS", "200")) // 20, 200)


def files(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def uploads(server, bucket, key):
    """Uploads of one key that were begun and not ended. MinIO lists those of a whole key only."""
    text = server.client.expect(200, "GET", "/" + bucket, query={"uploads": "", "prefix": key}).decode()
    return re.findall(r"<UploadId>(.+?)</UploadId>", text)


def kill_after(process, seconds):
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    return process.wait() == -signal.SIGKILL


def test_an_upload_in_parts_that_is_killed_is_not_seen_and_is_swept(finops, minio):
    random.seed(20261121)
    finops.env.update(minio.env())
    bucket, key = minio.new_bucket(), "deep/large"
    address = "s3://%s/%s" % (bucket, key)
    data = os.urandom(48 * MIB)
    (finops.folder / "large").write_bytes(data)
    began = time.monotonic()
    finops.run("storage", "put", "--quiet", "large", address)
    whole = time.monotonic() - began
    minio.put(bucket, key, b"old")
    killed = left = 0
    for n in range(KILLS):
        put = finops.start("storage", "put", "--quiet", "large", address, stderr=subprocess.DEVNULL)
        if kill_after(put, whole * random.uniform(0.1, 0.9)):
            killed += 1
        content = minio.get(bucket, key)
        assert content in (b"old", data), "after kill %d" % (n + 1)
        if content == data:  # it had just ended
            minio.put(bucket, key, b"old")
        assert [r["key"] for r in finops.rows("storage", "ls", "--recursive", "s3://" + bucket)] == [key]
        left = max(left, len(uploads(minio, bucket, key)))
    assert killed > 0 and left > 0, "no put was killed on its way"
    assert finops.rows("storage", "sweep", address) == [], "they are young"
    shown = finops.rows("storage", "sweep", "--older-than", "0", "--dry-run", address)
    assert {r["key"] for r in shown} == {key} and len(uploads(minio, bucket, key)) == len(shown)
    assert len(finops.rows("storage", "sweep", "--older-than", "0", address)) == len(shown)
    assert uploads(minio, bucket, key) == []
    assert minio.get(bucket, key) == b"old", "a sweep takes no object"
    finops.run("storage", "put", "--quiet", "large", address)
    assert minio.get(bucket, key) == data


@pytest.mark.parametrize("verb", ["put", "get"])
def test_a_transfer_to_a_folder_that_is_killed_is_swept_by_the_verb(finops, verb):
    (finops.folder / "large").write_bytes(os.urandom(64 * MIB))
    store = finops.folder / "store"
    for _ in range(10):  # on a busy machine it may end before it is killed
        transfer = finops.start("storage", verb, "--quiet", "large", "store/deep/large", stderr=subprocess.DEVNULL)
        while transfer.poll() is None and not files(store):
            time.sleep(0.0005)
        kill_after(transfer, 0)
        if not (store / "deep/large").exists():
            break
        (store / "deep/large").unlink()
    assert len(files(store)) == 1
    assert finops.rows("storage", "ls", "--recursive", "store") == []
    (row,) = finops.rows("storage", "sweep", "--older-than", "0", "--dry-run", "store")
    assert (row["action"], row["key"], len(files(store))) == ("would remove", "deep/large", 1)
    (row,) = finops.rows("storage", "sweep", "--older-than", "0", "store")
    assert (row["action"], row["key"], files(store)) == ("removed", "deep/large", [])


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip("cannot mount a small tmpfs: %s" % mounted.stderr.strip())
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("verb", ["put", "get"])
def test_a_full_disk_leaves_what_was_there_and_is_named(finops, small_disk, verb):
    """As a target of `put` a storage in files, of `get` a file."""
    (finops.folder / "large").write_bytes(os.urandom(8 * MIB))
    (small_disk / "file").write_bytes(b"old")
    target = small_disk / "file"
    told = finops.run("storage", verb, "--quiet", "large", target, status=1).stderr
    assert "no space left on device" in told.lower()
    assert files(small_disk) == ["file"] and target.read_bytes() == b"old"


@pytest.mark.parametrize("parts", ["small", "large"])
def test_a_file_that_may_not_grow_leaves_what_was_there_and_is_named(finops, parts):
    """Needs no rights: the kernel refuses what goes beyond a file size, as a quota would."""
    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB))
    (finops.folder / "in").write_bytes(os.urandom((2 if parts == "small" else 48) * MIB))
    (finops.folder / "store").mkdir()
    (finops.folder / "store" / "a").write_bytes(b"old")
    done = finops.start("storage", "put", "--quiet", "in", "store/a", stderr=subprocess.PIPE, text=True, preexec_fn=limit)
    _, told = done.communicate(timeout=60)
    assert done.returncode == 1 and "file too large" in told.lower(), told
    assert files(finops.folder / "store") == ["a"]
    assert (finops.folder / "store" / "a").read_bytes() == b"old"


def landed(minio, finops, address):
    """What another program sees in the place."""
    if not address.startswith("s3:"):
        return [name for name in files(finops.folder / "raw") if "/.finops" not in name]
    bucket = address[5:].split("/")[0]
    return re.findall(r"<Key>(.+?)</Key>", minio.client.expect(200, "GET", "/" + bucket, query={"list-type": "2"}).decode())


@pytest.mark.parametrize("to", ["folder", "bucket"])
def test_a_landing_that_is_killed_goes_on_with_the_next(finops, new_bill, minio, to):
    """Each run is killed as soon as one more file is there. What a record names is whole at any moment."""
    bill = new_bill("v1", "csv", months=3)
    finops.env.update(bill.env)
    address = "./raw" if to == "folder" else "s3://%s/raw" % minio.new_bucket()
    (finops.folder / "config.toml").write_text('[storage.bronze]\naddress = "%s"\n' % address)
    command, half = ("aws", "import-cur", "--land", "--bucket", bill.bucket), 0
    for _ in range(4):
        before = landed(minio, finops, address)
        run = finops.start(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while run.poll() is None and landed(minio, finops, address) == before:
            time.sleep(0.001)
        kill_after(run, 0)
        half += check_landed(finops, bill) < len(bill.totals)
    assert half > 0, "no landing was killed on its way"
    done = finops.run(*command)
    assert int(re.search(r"(\d+) were there", done.stderr).group(1)) >= 1, "what was landed is not brought again"
    assert check_landed(finops, bill) == len(bill.totals)
    assert loaded(finops.database) == bill.totals
    finops.run("storage", "sweep", "--older-than", "0", "bronze:")
    if to == "folder":
        assert sorted(landed(minio, finops, address)) == files(finops.folder / "raw")
    rows = finops.rows("aws", "import-cur", "--bucket", "bronze:", "--database-path", "again.duckdb")
    assert {row["action"] for row in rows} == {"load"}
    assert loaded(finops.folder / "again.duckdb") == bill.totals


def check_landed(finops, bill):
    """How many months have a record; all that it names is there as AWS delivered it."""

    listed = {r["key"]: r["size"] for r in finops.rows("storage", "ls", "--recursive", "bronze:")}
    records = [key for key in listed if key.endswith("/current-Manifest.json")]
    for key in records:
        said = json.loads(finops.run("storage", "cat", "bronze:" + key).stdout)
        folder = key.rsplit("/", 1)[0] + "/version=%s/" % said["version"]
        for f in said["files"]:
            assert listed[folder + f["key"]] == f["size"] == (bill.folder / f["key"]).stat().st_size
    return len(records)
