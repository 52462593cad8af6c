"""finops aws import-cur --land: raw report files kept in the storage bronze, and imported from there."""
import hashlib
import json
import re
import time

import pytest

from bills import loaded

FORMS = [("v1", "csv"), ("v2", "parquet")]


def landed_keys(finops, month):
    return [row["key"] for row in finops.rows("storage", "ls", "--recursive",
                                              "bronze:system=aws/table=cur/export=sample-cur/period=%s/" % month)]


def record(finops, month):
    return json.loads(finops.run("storage", "cat", "bronze:system=aws/table=cur/export=sample-cur/period=%s/"
                                 "current-Manifest.json" % month).stdout)


@pytest.fixture(params=["folder", "bucket"])
def bronze(request, finops, minio):
    """A configuration with a storage bronze."""
    address = "./raw" if request.param == "folder" else "s3://%s/raw" % minio.new_bucket()
    (finops.folder / "config.toml").write_text('[storage.bronze]\naddress = "%s"\n' % address)
    return address


@pytest.mark.parametrize("version,form", FORMS)
def test_raw_files_are_landed_as_they_are_and_only_once(finops, new_bill, bronze, version, form):
    bill = new_bill(version, form)
    first = finops.run("aws", "import-cur", "--land", "--bucket", bill.bucket, env=bill.env)
    assert loaded(finops.database) == bill.totals
    finops.env.update(bill.env)
    for month in bill.totals:
        said = record(finops, month)
        folder = "system=aws/table=cur/export=sample-cur/period=%s/version=%s/" % (month, said["version"])
        assert said["source"].startswith("s3://" + bill.bucket)
        assert sorted(landed_keys(finops, month)) == sorted(
            [folder + f["key"] for f in said["files"]] + [folder.split("version=")[0] + "current-Manifest.json"])
        for f in said["files"]:
            raw = (bill.folder / f["key"]).read_bytes()
            done = finops.start("storage", "cat", "bronze:" + folder + f["key"], stdout=-1)
            assert hashlib.sha256(done.communicate()[0]).digest() == hashlib.sha256(raw).digest()
            assert f["size"] == len(raw) and f["checksum"].startswith("crc64nvme:")
    n = sum(len(record(finops, month)["files"]) for month in bill.totals)
    assert "%d raw files landed" % n in first.stderr
    again = finops.run("aws", "import-cur", "--land", "--bucket", bill.bucket)
    assert "0 raw files landed (0 bytes), %d were there" % n in again.stderr


def aged(path, days):
    """A file on its way has the time when it was begun in its name."""
    head, begun, rest = re.fullmatch(r"(\.finops~)([0-9a-f]{14,16})(~.*)", path.name).groups()
    old = "%0*x" % (len(begun), int(begun, 16) - days * 86400 * 1000000)
    return path.rename(path.with_name(head + old + rest))


def test_what_killed_landings_left_is_removed_after_a_day(finops, new_bill, minio):
    bill = new_bill("v1", "csv")
    (finops.folder / "config.toml").write_text('[storage.bronze]\naddress = "./raw"\n')
    below = finops.folder / "raw" / "system=aws/table=cur/export=sample-cur"
    (finops.folder / "large").write_bytes(bytes(64 << 20))
    left = []
    for place in ("bronze:system=aws/table=cur/export=sample-cur/a/large", "bronze:system=aws/table=cur/export=sample-cur/b/large",
                  "bronze:system=aws/table=cur/export=other/large"):
        while True:  # it may end before it is killed
            known = set((finops.folder / "raw").rglob(".finops~*"))
            put = finops.start("storage", "put", "--quiet", "large", place)
            while put.poll() is None and set((finops.folder / "raw").rglob(".finops~*")) == known:
                time.sleep(0.0005)
            put.kill()
            put.wait()
            new = set((finops.folder / "raw").rglob(".finops~*")) - known
            if new:
                break
        left += new
    old, young, others = aged(left[0], 2), left[1], aged(left[2], 2)
    told = finops.run("aws", "import-cur", "--land", "--bucket", bill.bucket, env=bill.env).stderr
    assert "unfinished files of earlier landings of sample-cur were removed: 1" in told
    assert not old.exists() and young.exists() and others.exists(), "another's, or one that may be at work"
    assert loaded(finops.database) == bill.totals and below.is_dir()


@pytest.mark.parametrize("version,form", FORMS)
def test_a_later_import_reads_what_was_landed(finops, new_bill, bronze, version, form):
    bill = new_bill(version, form)
    finops.env.update(bill.env)
    finops.run("aws", "import-cur", "--land", "--bucket", bill.bucket)
    for month in bill.totals:
        for key in record(finops, month)["files"]:
            bill.minio.delete(bill.bucket, key["key"])
    same = finops.rows("aws", "import-cur", "--bucket", "bronze:")
    assert {row["action"] for row in same} == {"current"}
    rows = finops.rows("aws", "import-cur", "--bucket", "bronze:", "--backend", "duckdb", "--database-path", "new.duckdb")
    assert {row["action"] for row in rows} == {"load"}
    assert loaded(finops.folder / "new.duckdb") == bill.totals


def test_a_restated_month_is_landed_beside_the_one_before(finops, new_bill, bronze):
    bill = new_bill()
    finops.env.update(bill.env)
    finops.run("aws", "import-cur", "--land", "--bucket", bill.bucket)
    before = record(finops, "2026-05")["version"]
    bill.change_manifest("2026-05", lambda m: m.update(assemblyId="restated-1"))
    finops.run("aws", "import-cur", "--land", "--bucket", bill.bucket)
    assert record(finops, "2026-05")["version"] == "restated-1"
    versions = {key.split("version=")[1].split("/")[0] for key in landed_keys(finops, "2026-05") if "version=" in key}
    assert versions == {before, "restated-1"}
    rows = finops.rows("aws", "import-cur", "--bucket", "bronze:", "--database-path", "new.duckdb")
    assert "restated-1" in {row["version_id"] for row in rows}


def test_a_landed_file_that_was_changed_is_landed_again(finops, new_bill, bronze):
    bill = new_bill()
    finops.env.update(bill.env)
    finops.run("aws", "import-cur", "--land", "--bucket", bill.bucket)
    said = record(finops, "2026-05")
    key = "bronze:system=aws/table=cur/export=sample-cur/period=2026-05/version=%s/%s" % (
        said["version"], said["files"][0]["key"])
    finops.run("storage", "put", "-", key, stdin="x" * said["files"][0]["size"])
    assert "1 raw files landed" in finops.run("aws", "import-cur", "--land", "--bucket", bill.bucket).stderr


def test_a_month_that_cannot_be_landed_is_not_loaded_and_stops_no_other(finops, new_bill):
    bill = new_bill()
    finops.env.update(bill.env)
    (finops.folder / "config.toml").write_text('[storage.bronze]\naddress = "./raw"\n')
    blocked = finops.folder / "raw/system=aws/table=cur/export=sample-cur"
    blocked.mkdir(parents=True)
    (blocked / "period=2026-05").write_text("a file where a folder should be")
    done = finops.run("aws", "import-cur", "--land", "--bucket", bill.bucket, status=3)
    assert "land sample-cur 2026-05" in done.stderr
    assert loaded(finops.database) == {"2026-06": bill.totals["2026-06"]}


def test_what_is_missing_for_landing_is_told_before_anything_is_loaded(finops, new_bill):
    bill = new_bill()
    finops.env.update(bill.env)
    told = finops.run("aws", "import-cur", "--land", "--bucket", bill.bucket, status=2).stderr
    assert "no storage is called bronze" in told and not finops.database.exists()
    assert "no storage is called nowhere" in \
        finops.run("aws", "import-cur", "--bucket", "nowhere:", status=2).stderr


def test_a_record_does_not_lead_out_of_its_folder(finops, new_bill):
    bill = new_bill()
    finops.env.update(bill.env)
    (finops.folder / "config.toml").write_text('[storage.bronze]\naddress = "./raw"\n')
    finops.run("aws", "import-cur", "--land", "--bucket", bill.bucket)
    path = finops.folder / "raw/system=aws/table=cur/export=sample-cur/period=2026-05/current-Manifest.json"
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "version": "..", "manifest": said["manifest"]}))
    assert "that cannot be" in finops.run("aws", "import-cur", "--bucket", "bronze:", status=1).stderr
