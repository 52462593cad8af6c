"""--stats and --verbose: what storages did is told, on standard error, and agrees with what was done."""
import json
import os

import pytest

from network import Relay

MIB = 1 << 20


def stats(finops, *args, **kwargs):
    """What --stats json says of each storage, by its address."""
    told = finops.run("storage", *args, "--stats", "json", **kwargs).stderr
    line, = [line for line in told.splitlines() if line.startswith("[")]
    return {s["storage"]: s for s in json.loads(line)}


def test_calls_and_bytes_are_those_that_were_made(finops, minio):
    finops.env.update(minio.env())
    place = "s3://" + minio.new_bucket()
    (finops.folder / "src").mkdir()
    for n in range(5):
        (finops.folder / "src" / ("a%d" % n)).write_bytes(bytes(1000))
    (finops.folder / "src" / "large").write_bytes(os.urandom(40 * MIB))
    did = stats(finops, "put", "--recursive", "src/", place)[place]
    ops = did["figures"]["operations"]
    assert ops["put"]["calls"] == 5 and ops["put"]["bytes"] == 5000
    assert ops["part"]["bytes"] == 40 * MIB == did["figures"]["bytes_out"] - 5000
    assert (ops["upload"]["calls"], ops["commit"]["calls"]) == (1, 1)
    assert did["breaker"] == "closed" and did["retry_budget"] == 500 and did["figures"]["errors"] == {}
    assert all(0 < op["p50_us"] <= op["p99_us"] for op in ops.values())
    ops = stats(finops, "get", "--recursive", place + "/", "there/")[place]["figures"]["operations"]
    assert ops["read"]["bytes"] == 5000 + 40 * MIB and ops["list"]["calls"] >= 1
    for verb in (["ls", place], ["du", place], ["stat", place + "/a1"], ["cat", place + "/a1"], ["sync", "src/", place],
                 ["rm", place + "/a1"], ["mv", place + "/a2", place + "/a1"], ["cp", place + "/a3", place + "/a2"],
                 ["sweep", place]):
        assert stats(finops, *verb)[place]["figures"]["operations"], verb


def test_a_broken_connection_is_one_retry_and_no_failure(finops, minio):
    finops.env.update(minio.env())
    bucket = minio.new_bucket()
    minio.put(bucket, "a", b"x" * 2 * MIB)
    with Relay(minio.host, after=MIB, cuts=1) as relay:
        did = stats(finops, "cat", "s3://%s/a" % bucket, env={"AWS_ENDPOINT_URL": "http://" + relay.host})
    read = did["s3://" + bucket]["figures"]["operations"]["read"]
    assert (read["calls"], read["errors"], read["retries"], read["bytes"]) == (1, 0, 1, 2 * MIB)
    failed = finops.run("storage", "cat", "--stats", "json", "s3://%s/b" % bucket, status=1).stderr
    line, = [line for line in failed.splitlines() if line.startswith("[")]
    figures = json.loads(line)[0]["figures"]
    assert figures["operations"]["read"]["errors"] == 1 and figures["errors"] == {"not_found": 1}


def test_the_cache_tells_what_it_had(finops):
    (finops.folder / "place").mkdir()
    (finops.folder / "place" / "a").write_bytes(b"content")
    config = finops.folder / "config.toml"
    config.touch(0o600)
    config.write_text('[storage.kept]\naddress = "./place"\n[storage.kept.cache]\nfolder = "./cache"\nfresh = 60\n')
    did, = stats(finops, "cat", "kept:a", "kept:a", "kept:a").values()
    assert (did["cache"]["misses"], did["cache"]["hits"]) == (1, 2)


def test_the_table_is_for_people_and_results_stay_what_they_are(finops):
    (finops.folder / "a").write_bytes(b"content")
    done = finops.run("storage", "cat", "--stats", "table", "a")
    assert done.stdout == "content"
    lines = done.stderr.splitlines()
    assert lines[0].split() == ["storage", "operation", "calls", "failed", "retries", "bytes", "p50_ms", "p99_ms"]
    assert lines[1].split()[1:6] == ["read", "1", "0", "0", "7"]
    assert "breaker closed" in lines[2] and "7 bytes read" in lines[2]
    assert finops.run("storage", "cat", "a").stderr == ""
    assert "table or json" in finops.run("storage", "cat", "--stats", "xml", "a", status=2).stderr


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_import_that_is_verbose_tells_what_its_storages_did(finops, azurite, form):
    finops.run("sample", "--out", "sample", "--rows", 300, "--months", 1, "--format", form, "--bucket", "bills")
    finops.env["AZURE_STORAGE_CONNECTION_STRING"] = "DefaultEndpointsProtocol=http;AccountName=%s;AccountKey=%s;BlobEndpoint=%s" % (
        azurite.account, azurite.key, azurite.endpoint)
    place = "az://" + azurite.new_container()
    finops.run("storage", "cp", "--recursive", "sample/bills/", place + "/")
    told = finops.run("aws", "import-cur", "--verbose", "--bucket", place).stderr
    read, = [line.split() for line in told.splitlines() if line.startswith(place) and " read " in line and "breaker" not in line]
    files = [p for p in (finops.folder / "sample" / "bills").rglob("*") if p.is_file()]
    assert int(read[2]) >= 2 and int(read[5]) >= sum(p.stat().st_size for p in files if p.name.endswith((".gz", ".parquet")))
    assert place + ": breaker closed" in told
    assert "breaker" not in finops.run("aws", "import-cur", "--force", "--bucket", place).stderr
