"""Bad networks, as toxiproxy makes them: what goes over them through the retry layer ends whole, or with an error that
names it and nothing half done."""
import json
import os
import subprocess
import threading
import time

import pytest

from toxiproxy import toxiproxy  # noqa: F401

MIB = 1 << 20
SMALL, LARGE = 256 << 10, 20 * MIB + 7  # in one request; in parts
MANY = 24
LONG = bool(os.environ.get("FINOPS_TEST_LONG"))


@pytest.fixture
def link(toxiproxy, minio):  # noqa: F811
    with toxiproxy.link(minio.host) as made:
        yield made


@pytest.fixture
def bucket(finops, minio, link):
    """[storage.far] is the bucket through the link, `minio` the way around it."""
    name = minio.new_bucket()
    finops.env.update(minio.env())
    configure(finops, link, name, 10)
    return name


def configure(finops, link, bucket, attempts):
    config = finops.folder / "config.toml"
    config.touch(0o600)
    config.write_text('[storage.far]\naddress = "s3://%s"\nendpoint_url = "http://%s"\nstall_timeout = 2\n'
                      '[storage.far.retry]\nattempts = %d\n' % (bucket, link.host, attempts))


def retries(told):
    """Of what --stats json says."""
    line, = [line for line in told.splitlines() if line.startswith("[")]
    far = [s["figures"] for s in json.loads(line) if s["storage"].startswith("s3://")]
    return sum(op["retries"] for f in far for op in f["operations"].values())


def get(finops, minio, bucket, size, **kwargs):
    data = os.urandom(size)
    minio.put(bucket, "a", data)
    done = finops.run("storage", "get", "--stats", "json", "far:a", "here", **kwargs)
    if done.returncode == 0:
        assert (finops.folder / "here").read_bytes() == data
    return done


def put(finops, minio, bucket, size, **kwargs):
    data = os.urandom(size)
    minio.put(bucket, "a", b"old")
    (finops.folder / "a").write_bytes(data)
    done = finops.run("storage", "put", "--stats", "json", "a", "far:a", **kwargs)
    if done.returncode == 0:
        assert minio.get(bucket, "a") == data
    return done


def sync(finops, minio, bucket, size, **kwargs):
    tree = finops.folder / "tree"
    tree.mkdir(exist_ok=True)
    for n in range(MANY):
        (tree / ("f%d" % n)).write_bytes(os.urandom(size // MANY))
    done = finops.run("storage", "sync", "--stats", "json", "--parallel", 4, "tree", "far:t/", **kwargs)
    if done.returncode == 0:
        for n in range(MANY):
            assert minio.get(bucket, "t/f%d" % n) == (tree / ("f%d" % n)).read_bytes()
    return done


VERBS = {"get": (get, SMALL), "get in parts": (get, LARGE), "put": (put, SMALL), "put in parts": (put, LARGE), "sync": (sync, SMALL)}

# What is only slow needs no retry; what breaks ends after some.
SLOW = {
    "latency": [("latency", {"latency": 30, "jitter": 15})],
    "bandwidth": [("bandwidth", {"rate": 20_000}), ("bandwidth", {"stream": "upstream", "rate": 20_000})],
    "slicer": [("slicer", {"average_size": 16384, "size_variation": 8192, "delay": 10}),
               ("slicer", {"stream": "upstream", "average_size": 16384, "size_variation": 8192, "delay": 10})],
}
BROKEN = {
    "reset_peer": [("reset_peer", {"toxicity": 0.4, "timeout": 5})],
    "timeout": [("timeout", {"toxicity": 0.3, "timeout": 50})],
    "limit_data": [("limit_data", {"toxicity": 0.5, "bytes": 100_000})],
    "limit_data up": [("limit_data", {"stream": "upstream", "toxicity": 0.4, "bytes": 100_000})],
}


@pytest.mark.parametrize("verb", [verb for verb in VERBS if LONG or verb not in ("get", "put")])
@pytest.mark.parametrize("toxic", [toxic for toxic in SLOW if LONG or toxic != "slicer"])
def test_a_slow_network_is_waited_for(finops, minio, bucket, link, toxic, verb):
    do, size = VERBS[verb]
    for kind, attributes in SLOW[toxic]:
        link.add(kind, **attributes)
    assert retries(do(finops, minio, bucket, size).stderr) == 0


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("toxic", [toxic for toxic in BROKEN if LONG or toxic != "timeout"])
def test_connections_that_break_are_made_again(finops, minio, bucket, link, toxic, verb):
    """Each of them may be the one that holds, so that ten attempts nearly always do; what does not is told and left whole."""
    do, size = VERBS[verb]
    for kind, attributes in BROKEN[toxic]:
        link.add(kind, **attributes)
    done = do(finops, minio, bucket, size, status=None)
    if done.returncode != 0:
        assert done.returncode in (1, 3) and "error: " in done.stderr
        whole_or_nothing(finops, minio, bucket, verb)
    link.clear()
    do(finops, minio, bucket, size)


def whole_or_nothing(finops, minio, bucket, verb):
    if verb.startswith("get"):
        assert not list(finops.folder.glob("*here*"))
        return
    for row in finops.rows("storage", "ls", "--recursive", "s3://" + bucket):
        whole = (finops.folder / row["key"].replace("t/", "tree/")).read_bytes()
        assert minio.get(bucket, row["key"]) in (whole, b"old" if row["key"] == "a" else whole)


def test_a_download_that_is_cut_goes_on_where_it_was(finops, minio, bucket, link):
    """Of each connection 3 MiB come over: the next one needs only the rest, and so two retries are enough for 8 MiB."""
    link.add("limit_data", bytes=3 * MIB)
    data = b"x" * (8 * MIB)
    minio.put(bucket, "a", data)
    done = finops.run("storage", "cat", "--stats", "json", "far:a")
    assert done.stdout.encode() == data and 2 <= retries(done.stderr) <= 4


def test_a_server_that_is_away_is_an_error_that_names_it(finops, minio, bucket, link):
    configure(finops, link, bucket, 2)
    link.down()
    for verb, (do, _) in VERBS.items():
        told = do(finops, minio, bucket, SMALL, status=1).stderr
        assert "onnect" in told and link.host in told, verb
        whole_or_nothing(finops, minio, bucket, verb)
    link.up()
    for do, _ in VERBS.values():
        do(finops, minio, bucket, SMALL)


def test_a_server_that_comes_back_in_time_is_as_if_nothing_had_been(finops, minio, bucket, link):
    link.add("bandwidth", stream="upstream", rate=40_000)
    data = os.urandom(LARGE)
    (finops.folder / "a").write_bytes(data)
    started = finops.start("storage", "put", "--stats", "json", "a", "far:a", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    threading.Timer(0.2, link.down).start()
    threading.Timer(0.4, link.up).start()
    told = started.communicate(timeout=60)[1]
    assert started.returncode == 0, told
    assert minio.get(bucket, "a") == data and retries(told) > 0


def test_a_connection_over_which_nothing_comes_is_given_up(finops, minio, bucket, link):
    """Nothing at all for as long as the toxic is there: the time limit of silence is what ends an attempt."""
    minio.put(bucket, "a", b"text")
    link.add("timeout", timeout=0)
    threading.Timer(2.5, link.clear).start()
    began = time.monotonic()
    done = finops.run("storage", "cat", "--stats", "json", "far:a")
    assert done.stdout == "text" and retries(done.stderr) >= 1 and time.monotonic() - began < 15
