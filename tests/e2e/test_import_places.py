"""Bills wherever a storage can be: read through it, every sum compared, and what changes meanwhile is noticed."""
import base64
import json
import pathlib
import shutil
import urllib.parse
import uuid
from decimal import Decimal

import duckdb
import pytest

from bills import loaded
from minidfs import minidfs  # noqa: F401
from network import Gate
from sshd import sshd  # noqa: F401

FORMS = [("v1", "csv"), ("v2", "parquet")]
KEY = "one:" + base64.b64encode(bytes(range(32))).decode()


class Place:
    """A container of a service: its address, and the environment that lets the program in."""

    def __init__(self, address, env, is_fast=False):
        self.address, self.env, self.is_fast = address, env, is_fast


def azure_env(azurite, endpoint=None):
    return {"AZURE_STORAGE_CONNECTION_STRING": "DefaultEndpointsProtocol=http;AccountName=%s;AccountKey=%s;BlobEndpoint=%s" % (
        azurite.account, azurite.key, endpoint or azurite.endpoint)}


def sftp_home(finops, sshd):  # noqa: F811
    """What ssh itself would find: the server's key and ours, in the home of who runs the program."""
    folder = pathlib.Path(finops.env["HOME"]) / ".ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "known_hosts").write_text(sshd.known_host)
    shutil.copy(sshd.key, folder / "id_ed25519")


@pytest.fixture(params=["az", "gs", "sftp", "hdfs"])
def place(request, finops):
    """A place of each service, by an address alone; what else is needed comes from where that service's tools look."""
    server = request.getfixturevalue({"az": "azurite", "gs": "fake_gcs", "sftp": "sshd", "hdfs": "minidfs"}[request.param])
    if request.param == "az":
        return Place("az://" + server.new_container(), azure_env(server), is_fast=True)
    if request.param == "gs":
        return Place("gs://" + server.new_bucket(), {"STORAGE_EMULATOR_HOST": server.endpoint}, is_fast=True)
    if request.param == "sftp":
        sftp_home(finops, server)
        return Place("sftp://%s@%s/%s" % (server.user, server.host, server.new_folder()), {})
    return Place("hdfs://%s/%s" % (server.host, server.new_folder()), {"HADOOP_USER_NAME": server.user})


def sample(finops, version, form, *flags):
    """(folder, totals, files by month) of what `finops sample` writes."""
    folder = finops.folder / ("sample-" + uuid.uuid4().hex[:8])
    finops.run("sample", "--out", folder, "--rows", 300, "--months", 2, "--seed", 5, "--start", "2026-05", "--cur-version",
               version, "--format", form, "--bucket", "bills", *flags)
    months = json.loads((folder / "expected.json").read_text())["months"]
    return (folder / "bills", {m: (v["rows"], Decimal(v["unblended"])) for m, v in months.items()},
            {m: v["files"] for m, v in months.items()})


def upload(finops, folder, address):
    finops.run("storage", "cp", "--recursive", "%s/" % folder, address + "/")


@pytest.mark.parametrize("version,form", FORMS)
def test_a_copy_of_a_bucket_is_imported_from_where_it_is(finops, place, version, form):
    folder, totals, _ = sample(finops, version, form)
    finops.env.update(place.env)
    places = (place.address, place.address + "/a copy/of it")
    for address in places if place.is_fast else places[1:]:
        upload(finops, folder, address)
        database = ["--database-path", uuid.uuid4().hex + ".duckdb"]
        export, = finops.rows("aws", "list-exports", "--bucket", address + "/exports")
        assert export["source_uri"] == address + "/exports/sample-cur"
        manifests = finops.rows("aws", "list-manifests", "--bucket", address, "--prefix", "exports")
        assert [m["billing_period"] for m in manifests] == sorted(totals) and not any(m["error"] for m in manifests)
        for want in ("load", "current"):
            rows = finops.rows("aws", "import-cur", "--bucket", address, "--prefix", "exports", *database)
            assert {row["action"] for row in rows} == {want}
            assert loaded(finops.folder / database[1]) == totals
        agrees = finops.rows("aws", "reconcile", "--bucket", address, "--prefix", "exports", *database)
        assert {row["files"] for row in agrees} == {"agree"}
        reach, = [r for r in finops.rows("doctor", "--bucket", address, "--prefix", "exports", status=None)
                  if r["check"] == "source"]
        assert reach["status"] == "ok" and "1 export, 2 months" in reach["detail"]


@pytest.mark.parametrize("version,form", FORMS)
def test_bare_files_and_records_are_read_from_there(finops, place, version, form):
    folder, totals, files = sample(finops, version, form)
    finops.env.update(place.env)
    upload(finops, folder, place.address)
    keys = [place.address + "/" + key for keys in files.values() for key in keys]
    finops.run("aws", "import-cur", "--export-name", "sample-cur", "--file", *keys)
    assert loaded(finops.database) == totals
    finops.run("load", "--table", "raw", "--mode", "create", *keys)
    with duckdb.connect(str(finops.database), read_only=True) as db:
        assert db.sql("SELECT count(*) FROM raw").fetchone()[0] == sum(rows for rows, _ in totals.values())


def test_a_record_that_is_refused_names_the_file_it_came_from(finops, place):
    finops.env.update(place.env)
    duckdb.sql("COPY (SELECT * FROM (VALUES (1.25), (0.125)) AS t(cost)) TO '%s' (FORMAT parquet)" % (finops.folder / "a.parquet"))
    finops.run("storage", "put", "a.parquet", place.address + "/in/")
    said = finops.run("load", "--table", "t", "--mode", "create", "--types", "cost=DECIMAL(10,2)", place.address + "/in/a.parquet",
                      status=1).stderr
    assert place.address + "/in/a.parquet line 2" in said


@pytest.mark.parametrize("version,form", FORMS)
@pytest.mark.parametrize("kind", ["s3", "az", "folder"])
def test_a_named_storage_is_a_source_also_where_its_objects_are_changed(finops, request, minio, version, form, kind):
    folder, totals, _ = sample(finops, version, form)
    if kind == "az":
        azurite = request.getfixturevalue("azurite")
        finops.env.update(azure_env(azurite))
    address = {"s3": lambda: "s3://%s/some/where" % minio.new_bucket(), "az": lambda: "az://%s/raw" % azurite.new_container(),
               "folder": lambda: "./stored"}[kind]()
    finops.env.update(minio.env())
    config = finops.folder / "config.toml"
    config.touch(0o600)
    config.write_text('[storage.raw]\naddress = "%s"\n[storage.raw.compress]\nformat = "zstd"\n'
                      '[storage.raw.encrypt]\nkey = "%s"\n' % (address, KEY))
    upload(finops, folder, "raw:copy")
    finops.run("aws", "import-cur", "--bucket", "raw:copy")
    assert loaded(finops.database) == totals
    assert {r["files"] for r in finops.rows("aws", "reconcile", "--bucket", "raw:copy")} == {"agree"}


def replaced(gate, words, nth, put):
    """Calls put() when the nth request with these words is on its way."""
    seen = []
    gate.at(words, lambda link: (seen.append(link), len(seen) == nth and put()), times=1000)
    return seen


@pytest.mark.parametrize("version,form", FORMS)
def test_an_object_that_is_replaced_during_the_import_fails_its_month(finops, new_bill, version, form):
    bill = new_bill(version, form)
    month = min(bill.totals)
    key = bill.files[month][0]
    old, new = bill.minio.get(bill.bucket, key), bill.minio.get(bill.bucket, bill.files["2026-06"][0])
    with Gate(bill.minio.host) as gate:
        env = {**bill.env, "AWS_ENDPOINT_URL": "http://" + gate.host}
        seen = replaced(gate, ("GET /%s/%s" % (bill.bucket, urllib.parse.quote(key))).encode(), 2, lambda: bill.minio.put(bill.bucket, key, new))
        said = finops.run("aws", "import-cur", "--bucket", bill.bucket, status=3, env=env).stderr
        assert len(seen) >= 2 and "changed" in said and key in said
    assert loaded(finops.database) == {"2026-06": bill.totals["2026-06"]}
    bill.minio.put(bill.bucket, key, old)
    finops.run("aws", "import-cur", "--bucket", bill.bucket, env=bill.env)
    assert loaded(finops.database) == bill.totals


def test_an_object_that_is_fetched_is_of_one_version(finops, azurite):
    folder, totals, files = sample(finops, "v2", "parquet")
    container = azurite.new_container()
    finops.env.update(azure_env(azurite))
    upload(finops, folder, "az://" + container)
    key, other = files["2026-05"][0], (folder / files["2026-06"][0]).read_bytes()
    with Gate(azurite.host) as gate:
        finops.env.update(azure_env(azurite, azurite.endpoint.replace(azurite.host, gate.host)))
        replaced(gate, ("GET /%s/%s/%s" % (azurite.account, container, urllib.parse.quote(key))).encode(), 1,
                 lambda: azurite.expect(201, "PUT", "/%s/%s" % (container, key), other, {"x-ms-blob-type": "BlockBlob"}))
        said = finops.run("aws", "import-cur", "--bucket", "az://" + container, status=3).stderr
    assert "changed" in said and key in said
    assert loaded(finops.database) == {"2026-06": totals["2026-06"]}


def test_files_that_are_fetched_do_not_wait_for_one_another(finops, azurite):
    """The answer to the first is held back until the second was asked for."""
    container = azurite.new_container()
    finops.env.update(azure_env(azurite))
    for n in range(6):
        duckdb.sql("COPY (SELECT %d AS n FROM range(1000)) TO '%s' (FORMAT parquet)" % (n, finops.folder / ("f%d.parquet" % n)))
    finops.run("storage", "put", "--quiet", *["f%d.parquet" % n for n in range(6)], "az://%s/" % container)
    asked = []

    def hold_the_first(link):
        asked.append(link)
        if len(asked) == 1:
            link.stall("down")
        if len(asked) == 2:
            asked[0].closed = set()

    with Gate(azurite.host) as gate:
        finops.env.update(azure_env(azurite, azurite.endpoint.replace(azurite.host, gate.host)))
        gate.at(b"GET /", hold_the_first, times=1000)
        finops.run("load", "--table", "t", "--mode", "create", *["az://%s/f%d.parquet" % (container, n) for n in range(6)], timeout=20)
    assert len(asked) >= 6
    with duckdb.connect(str(finops.database), read_only=True) as db:
        assert db.sql("SELECT count(*), sum(n) FROM t").fetchone() == (6000, 15000)


def test_the_first_file_that_is_missing_is_named(finops, place):
    finops.env.update(place.env)
    duckdb.sql("COPY (SELECT 1 AS n) TO '%s' (FORMAT parquet)" % (finops.folder / "a.parquet"))
    finops.run("storage", "put", "--quiet", "a.parquet", place.address + "/")
    keys = ["a.parquet", "b.parquet", "a.parquet", "c.parquet"]
    said = finops.run("load", "--table", "t", "--mode", "create", *["%s/%s" % (place.address, k) for k in keys], status=1).stderr
    assert "b.parquet" in said and "c.parquet" not in said


@pytest.mark.parametrize("version,form", FORMS)
def test_credentials_of_a_process_read_csv_and_parquet_alike(finops, new_bill, version, form):
    bill = new_bill(version, form)
    script = finops.folder / "keys.sh"
    script.write_text("#!/bin/sh\necho run >> %s/runs\ncat <<END\n%s\nEND\n" % (finops.folder, json.dumps(
        {"Version": 1, "AccessKeyId": bill.minio.access_key, "SecretAccessKey": bill.minio.secret_key,
         "Expiration": "2099-01-01T00:00:00Z"})))
    script.chmod(0o700)
    (finops.folder / ".aws").mkdir()
    (finops.folder / ".aws" / "config").write_text("[profile work]\ncredential_process = %s\n" % script)
    env = {k: v for k, v in bill.env.items() if not k.startswith("AWS_ACCESS") and not k.startswith("AWS_SECRET")}
    finops.run("aws", "import-cur", "--bucket", bill.bucket, env={**env, "AWS_PROFILE": "work"})
    assert loaded(finops.database) == bill.totals
