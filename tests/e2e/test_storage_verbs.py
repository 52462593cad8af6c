"""finops storage: objects listed, copied, synced and removed, in folders of this machine and in MinIO."""
import json
import os
import signal
import subprocess
import time

import pytest

MANY = 300


class Folder:
    """Places that are folders, below the one finops runs in."""

    def __init__(self, finops):
        self.finops, self.n = finops, 0

    def new(self):
        self.n += 1
        return "place%d" % self.n

    def at(self, address, key):
        path = self.finops.folder / address / key
        return path.read_bytes() if path.is_file() else None


class Bucket:
    """Places that are buckets of a MinIO."""

    def __init__(self, finops, server):
        self.finops, self.server = finops, server
        finops.env.update(server.env())

    def new(self):
        return "s3://" + self.server.new_bucket()

    def at(self, address, key):
        status, body = self.server.client.request("GET", "/" + address[5:] + "/" + key)[:2]
        return body if status == 200 else None


@pytest.fixture(params=["folder", "minio"])
def places(request, finops):
    if request.param == "folder":
        return Folder(finops)
    return Bucket(finops, request.getfixturevalue("minio"))


@pytest.fixture
def tree(finops):
    """A folder of five files: src/a.csv, src/b/c.csv, ..."""
    files = {"a.csv": b"a" * 10, "b/c.csv": b"c" * 20, "b/d.txt": b"d" * 30, "b/e/f.csv": b"", "z": b"z"}
    for name, data in files.items():
        path = finops.folder / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return files


def keys(finops, address, *args):
    return [row["key"] for row in finops.rows("storage", "ls", "--recursive", address, *args)]


def done(finops, *args, **kwargs):
    """The one row that says what was done, without the time."""
    (row,) = finops.rows("storage", *args, **kwargs)
    return {name: value for name, value in row.items() if name != "seconds"}


def summary(objects=0, bytes=0, skipped=0, deleted=0, failed=0):  # noqa: A002
    return {"objects": objects, "bytes": bytes, "skipped": skipped, "deleted": deleted, "failed": failed}


def test_what_is_put_is_listed_shown_read_and_gone_after_rm(finops, places, tree):
    place = places.new()
    assert done(finops, "put", "src/a.csv", "src/z", place + "/in/") == summary(2, 11)
    assert keys(finops, place) == ["in/a.csv", "in/z"]
    assert [row["key"] for row in finops.rows("storage", "ls", place)] == ["in/"]
    (row,) = finops.rows("storage", "stat", place + "/in/a.csv")
    assert (row["key"].endswith("a.csv"), row["size"]) == (True, 10)
    assert finops.run("storage", "cat", place + "/in/a.csv", place + "/in/z").stdout == "a" * 10 + "z"
    assert done(finops, "rm", place + "/in/a.csv") == summary(deleted=1)
    assert places.at(place, "in/a.csv") is None and places.at(place, "in/z") == b"z"
    assert "in/a.csv" in finops.run("storage", "rm", place + "/in/a.csv", status=1).stderr


def test_a_tree_goes_there_and_back_unchanged(finops, places, tree):
    place = places.new()
    assert done(finops, "put", "--recursive", "src", place + "/t") == summary(5, 61)
    for name, data in tree.items():
        assert places.at(place, "t/" + name) == data
    assert done(finops, "get", "--recursive", place + "/t", "back/") == summary(5, 61)
    for name, data in tree.items():
        assert (finops.folder / "back" / name).read_bytes() == data


def test_only_what_is_included_and_not_excluded_is_copied(finops, places, tree):
    place = places.new()
    finops.run("storage", "cp", "--recursive", "src", place, "--include", "*.csv", "--exclude", "b/e/**")
    assert keys(finops, place) == ["a.csv", "b/c.csv"]


def test_a_dry_run_tells_what_would_be_done_and_does_nothing(finops, places, tree):
    place = places.new()
    rows = finops.rows("storage", "cp", "--recursive", "--dry-run", "src/b", place + "/b")
    assert [(row["action"], row["bytes"]) for row in rows] == [("copy", 20), ("copy", 30), ("copy", 0)]
    assert [row["to"][-5:] for row in rows] == ["c.csv", "d.txt", "f.csv"]
    assert keys(finops, place + "/") == []
    finops.run("storage", "put", "--recursive", "src", place)
    assert len(finops.rows("storage", "rm", "--recursive", "--dry-run", place)) == 5
    assert len(keys(finops, place)) == 5


def test_within_one_place_objects_are_copied_and_moved(finops, places, tree):
    place = places.new()
    finops.run("storage", "put", "src/a.csv", place + "/one")
    finops.run("storage", "cp", place + "/one", place + "/two")
    finops.run("storage", "mv", place + "/one", place + "/three/")
    assert keys(finops, place) == ["three/one", "two"]
    assert places.at(place, "three/one") == places.at(place, "two") == tree["a.csv"]


def test_a_move_to_elsewhere_leaves_nothing_behind(finops, places, tree):
    place = places.new()
    assert done(finops, "mv", "--recursive", "src/b", place + "/b")["objects"] == 3
    assert keys(finops, place) == ["b/c.csv", "b/d.txt", "b/e/f.csv"]
    assert not [p for p in (finops.folder / "src" / "b").rglob("*") if p.is_file()]
    assert (finops.folder / "src" / "a.csv").exists()


def test_create_only_leaves_what_is_there(finops, places, tree):
    place = places.new()
    finops.run("storage", "put", "--create-only", "src/a.csv", place + "/x")
    failed = finops.run("storage", "put", "--create-only", "src/b/c.csv", place + "/x", status=1)
    assert "exist" in failed.stderr
    assert places.at(place, "x") == tree["a.csv"]


def test_standard_input_of_any_length_becomes_an_object(finops, places):
    place = places.new()
    text = "0123456789" * 2_000_000  # more than one part
    assert done(finops, "put", "-", place + "/long", stdin=text) == summary(1, len(text))
    assert places.at(place, "long") == text.encode()
    finops.run("storage", "put", "-", place + "/none", stdin="")
    assert places.at(place, "none") == b""


def test_sync_copies_what_is_new_or_other_and_nothing_twice(finops, places, tree):
    place = places.new()
    assert done(finops, "sync", "src", place + "/s") == summary(5, 61)
    assert done(finops, "sync", "src", place + "/s") == summary(skipped=5)
    later = time.time() + 100
    (finops.folder / "src" / "a.csv").write_bytes(b"A" * 10)  # newer, as long
    os.utime(finops.folder / "src" / "a.csv", (later, later))
    (finops.folder / "src" / "new").write_bytes(b"n")
    assert done(finops, "sync", "src", place + "/s") == summary(2, 11, skipped=4)
    assert places.at(place, "s/a.csv") == b"A" * 10


def test_sync_by_checksum_sees_what_time_and_size_do_not(finops, places, tree):
    place = places.new()
    finops.run("storage", "sync", "src", place)
    (finops.folder / "src" / "a.csv").write_bytes(b"A" * 10)
    os.utime(finops.folder / "src" / "a.csv", (1, 1))
    os.utime(finops.folder / "src" / "z", None)
    assert done(finops, "sync", "src", place, "--exclude", "z") == summary(skipped=4)
    assert done(finops, "sync", "--checksum", "src", place) == summary(1, 10, skipped=4)
    assert places.at(place, "a.csv") == b"A" * 10


def test_sync_removes_what_is_too_much_only_when_asked(finops, places, tree):
    place = places.new()
    finops.run("storage", "sync", "src", place)
    (finops.folder / "src" / "z").unlink()
    assert done(finops, "sync", "src", place) == summary(skipped=4)
    rows = finops.rows("storage", "sync", "--delete", "--dry-run", "src", place)
    assert [(row["action"], row["from"]) for row in rows if row["action"] == "delete"][0][1].endswith("z")
    assert done(finops, "sync", "--delete", "src", place) == summary(skipped=4, deleted=1)
    assert "z" not in keys(finops, place)


def test_sync_from_a_folder_that_is_not_there_removes_nothing(finops, places, tree):
    place = places.new()
    finops.run("storage", "sync", "src", place)
    assert "nothing below" in finops.run("storage", "sync", "--delete", "missing", place, status=1).stderr
    assert len(keys(finops, place)) == 5


def test_rm_of_a_folder_asks_and_spares_what_only_begins_so(finops, places, tree):
    place = places.new()
    finops.run("storage", "put", "--recursive", "src/b", place + "/a")
    finops.run("storage", "put", "src/z", place + "/ab")
    assert "--yes" in finops.run("storage", "rm", "--recursive", place + "/a", status=2).stderr
    assert done(finops, "rm", "--recursive", "--yes", place + "/a") == summary(deleted=3)
    assert keys(finops, place) == ["ab"]


def test_one_object_that_fails_stops_no_other(finops, places, tree):
    place = places.new()
    failed = finops.run("storage", "put", "src/a.csv", "src/missing", "src/z", place + "/in/", status=3)
    assert "src/missing" in failed.stderr and "1 of 3 objects were not copied" in failed.stderr
    assert keys(finops, place) == ["in/a.csv", "in/z"]


def test_many_objects_go_at_once_and_all_arrive(finops, places):
    place = places.new()
    for i in range(MANY):
        path = finops.folder / "many" / ("%02d" % (i % 7)) / ("%d.bin" % i)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % i * i)
    assert done(finops, "put", "--recursive", "--parallel", "16", "many", place)["objects"] == MANY
    assert len(keys(finops, place)) == MANY
    assert done(finops, "get", "--recursive", "--parallel", "5", place, "back/")["objects"] == MANY
    for i in range(MANY):
        assert (finops.folder / "back" / ("%02d" % (i % 7)) / ("%d.bin" % i)).read_bytes() == b"%d" % i * i


def test_du_counts_by_folder(finops, places, tree):
    place = places.new()
    finops.run("storage", "put", "--recursive", "src", place)
    (row,) = finops.rows("storage", "du", place)
    assert (row["objects"], row["bytes"]) == (5, 61)
    rows = finops.rows("storage", "du", "--depth", "1", place)
    assert sorted((row["folder"], row["objects"], row["bytes"]) for row in rows if row["folder"]) == [("b/", 3, 50)]


def test_ctrl_c_leaves_nothing_half_done(finops, places):
    place = places.new()
    process = finops.start("storage", "put", "-", place + "/half", stdin=-1, stdout=-1, stderr=-1)
    process.stdin.write(b"x" * 20_000_000)
    process.stdin.flush()
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 1 and b"stopped" in told
    assert places.at(place, "half") is None
    if isinstance(places, Folder):
        assert not [p for p in (finops.folder / place).rglob("*") if p.is_file()]


def test_a_folder_is_not_copied_into_itself(finops, places, tree):
    place = places.new()
    finops.run("storage", "put", "--recursive", "src", place + "/t")
    assert "overlap" in finops.run("storage", "cp", "--recursive", place + "/t", place + "/t/again", status=2).stderr


def test_a_presigned_address_reads_without_credentials(finops, minio):
    import urllib.request

    finops.env.update(minio.env())
    bucket = minio.new_bucket()
    minio.put(bucket, "k", b"secret text")
    url = finops.run("storage", "presign", "--expires", "60", "s3://%s/k" % bucket).stdout.strip()
    assert minio.secret_key not in url
    assert urllib.request.urlopen(url, timeout=20).read() == b"secret text"


def test_links_to_files_elsewhere_are_the_users_own(finops, tree):
    (finops.folder / "lib").mkdir()
    (finops.folder / "lib" / "data").write_bytes(b"linked")
    (finops.folder / "src" / "link").symlink_to(finops.folder / "lib" / "data")
    assert done(finops, "cp", "src/link", "copy") == summary(1, 6)
    assert (finops.folder / "copy").read_bytes() == b"linked"


def test_words_that_name_nothing_are_told(finops):
    assert "no storage is called" in finops.run("storage", "ls", "nowhere:key", status=2).stderr
    assert "nope" in finops.run("storage", "ls", "nope://b/k", status=1).stderr
    assert "nothing at missing" in finops.run("storage", "ls", "missing", status=1).stderr
    assert "is a folder" in finops.run("storage", "cp", ".", "x", status=2).stderr


def test_backends_tells_services_and_their_options(finops):
    rows = {row["name"]: row for row in finops.rows("storage", "backends")}
    assert rows["local"]["schemes"] == "file" and rows["local"]["status"] == "ready"
    options = [row["option"] for row in finops.rows("storage", "backends", "local")]
    assert options[0] == "path" and "retry.attempts" in options
    assert "local" not in [row["name"] for row in finops.rows("backends", "list")]
    assert json.loads(finops.run("storage", "backends", "--format", "json").stdout)


def test_the_conformance_suite_runs_over_a_place_of_the_configuration(finops, minio):
    finops.env.update(minio.env())
    bucket = minio.new_bucket()
    (finops.folder / "config.toml").write_text('[storage.raw]\naddress = "s3://%s/some/where"\n' % bucket)
    minio.put(bucket, "some/where/mine", b"kept")
    for place in ("raw", "raw:", "s3://%s/else/where" % bucket):
        rows = json.loads(finops.run("storage", "test", place, "--filter", "conditions", "--format", "json").stdout)
        told = {r["name"].split()[0]: r["outcome"] for r in rows}
        assert len(rows) > 8 and "FAILED" not in told.values() and told["C1"] == told["C4"] == "ok"
    assert keys(finops, "s3://%s" % bucket) == ["some/where/mine"]


def test_a_suite_over_what_cannot_be_written_to_fails_once(finops, minio):
    finops.env.update(minio.env())
    done = finops.run("storage", "test", "s3://no-such-bucket-here", status=None)
    assert done.returncode != 0 and "no-such-bucket-here" in done.stderr and "FAILED" not in done.stdout
    done = finops.run("storage", "test", "misspelt", status=2)
    assert "no storage is called misspelt" in done.stderr and not (finops.folder / "misspelt").exists()


def test_the_cases_of_the_suite_are_listed(finops):
    lines = finops.run("storage", "test", "./x", "--list").stdout.splitlines()
    assert len(lines) > 90 and "keys: K7 a key of 1,024 bytes works" in lines
    assert not (finops.folder / "x").exists()
    assert "no case matches nothing" in finops.run("storage", "test", "./x", "--filter", "nothing", status=2).stderr


def test_a_plugin_that_is_none_is_told(finops):
    (finops.folder / "none.so").write_bytes(b"no library")
    done = finops.run("storage", "check", "none.so", status=1)
    assert "cannot be loaded" in done.stdout


@pytest.mark.parametrize("address,hint", [
    ("sftp://ann@127.0.0.1:1/a", "a server for SSH listens there"), ("hdfs://127.0.0.1:1/a", "its host and port"),
    ("s3://bucket/a", "endpoint_url and region"), ("az://container/a", "account and endpoint_url"), ("gs://bucket/a", "endpoint_url"),
])
def test_who_is_not_reached_is_looked_for_where_it_was_named(finops, address, hint):
    env = {"OPEN_FINOPS_NETWORK_RETRIES": "0", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "a",
           "AWS_SECRET_ACCESS_KEY": "b", "STORAGE_EMULATOR_HOST": "http://127.0.0.1:1", "AZURE_STORAGE_CONNECTION_STRING":
           "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=YQ==;BlobEndpoint=http://127.0.0.1:1/a"}
    told = finops.run("storage", "stat", address, env=env, status=1).stderr
    given = told.partition("hint: ")[2]
    assert "onnect" in told and hint in given and ("region" in given) == address.startswith("s3:"), told


def test_an_address_without_a_key_is_named_as_it_was_written(finops):
    told = finops.run("storage", "ls", "nowhere:", status=2).stderr
    assert '"nowhere:": no storage is called nowhere' in told


@pytest.fixture
def endless_sync(tmp_path):
    """A library that makes a disk which never answers from the fifth fsync() on."""
    if "ASAN_OPTIONS" in os.environ:
        pytest.skip("the sanitizer's library must come first")
    source = tmp_path / "endless.c"
    source.write_text("#include <unistd.h>\nint fsync(int fd);\nint fsync(int fd)\n{\n    static int n;\n    (void)fd;\n"
                      "    while (__atomic_add_fetch(&n, 1, __ATOMIC_SEQ_CST) >= 5)\n        pause();\n    return 0;\n}\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "endless.so", source], check=True)
    return str(tmp_path / "endless.so")


def test_a_case_that_hangs_ends_the_suite_and_is_named(finops, endless_sync):
    (finops.folder / "place").mkdir()
    began = time.monotonic()
    done = finops.run("storage", "test", "./place", "--case-timeout", 1, env={"LD_PRELOAD": endless_sync}, status=1)
    assert time.monotonic() - began < 20
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert len(failed) == 1 and "it hangs: no end after" in failed[0]
    assert sum(line.startswith("not run") for line in done.stdout.splitlines()) > 50
    assert "./place hangs in \"%s\"" % failed[0].removeprefix("FAILED").strip().partition(": it hangs")[0] in done.stderr
