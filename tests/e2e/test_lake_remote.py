"""A lake whose Parquet files are in object storage: MinIO and Azurite, read back by other programs."""
import base64
import http.server
import json
import subprocess
import threading
import time
import urllib.parse

import duckdb
import pytest

import azurite as azurite_server
from lakes import EXTENSIONS, catalog
from postgresql import make_certificates
from test_ducklake import MONTHS, bills

MONTH = "2026-05"


class Bucket:
    """A bucket of MinIO or a container of Azurite: what finops and DuckDB's own package are told of it."""

    def __init__(self, scheme, server):
        self.scheme, self.server = scheme, server
        self.name = server.new_bucket() if scheme == "s3" else server.new_container()
        self.address = f"{scheme}://{self.name}/lake"
        self.env = server.env() if scheme == "s3" else {"AZURE_STORAGE_CONNECTION_STRING": self.connection_string()}

    def connection_string(self, key=None):
        return (f"DefaultEndpointsProtocol=http;AccountName={self.server.account};AccountKey={key or self.server.key};"
                f"BlobEndpoint={self.server.endpoint};")

    def wrong(self, secret):
        if self.scheme == "s3":
            return {"AWS_SECRET_ACCESS_KEY": secret}
        return {"AZURE_STORAGE_CONNECTION_STRING": self.connection_string(secret)}

    def secret_sql(self):
        s = self.server
        if self.scheme == "az":
            return f"CREATE SECRET (TYPE azure, CONNECTION_STRING '{self.connection_string()}')"
        return (f"CREATE SECRET (TYPE s3, KEY_ID '{s.access_key}', SECRET '{s.secret_key}', REGION '{s.region}', "
                f"ENDPOINT '{s.host}', URL_STYLE 'path', USE_SSL false)")

    def files(self, home):
        return [k["key"] for k in home.rows("storage", "ls", "--recursive", self.address + "/")]


@pytest.fixture(params=["s3", "az"])
def bucket(request):
    return Bucket(request.param, request.getfixturevalue("minio" if request.param == "s3" else "azurite"))


def lake_in(bucket, home):
    home.bucket = bucket
    home.env.update(bucket.env, OPEN_FINOPS_DATABASE_BACKEND="ducklake", OPEN_FINOPS_DATABASE_DUCKLAKE_DATA_PATH=bucket.address)
    return home


@pytest.fixture
def lake(new_finops, bucket):
    return lake_in(bucket, new_finops())


def outside(home):
    other = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    for name in ("httpfs", "ducklake", *(("azure",) if home.bucket.scheme == "az" else ())):
        other.load_extension(str(EXTENSIONS / f"{name}.duckdb_extension"))
    other.execute(home.bucket.secret_sql())
    other.execute(f"ATTACH 'ducklake:{catalog(home)}' AS lake (READ_ONLY)")
    return other


def test_the_rows_are_in_the_bucket_and_every_command_works(lake, sample, copy_of):
    source = copy_of(sample)
    lake.run("aws", "import-cur", "--bucket", source / "sample-billing")
    keys = lake.bucket.files(lake)
    assert {k.split("/")[-2] for k in keys if "sample_cur" in k} == {f"billing_period={m}" for m in MONTHS}
    assert bills(lake) == []
    with outside(lake) as other:
        found = other.sql("SELECT billing_period, count(*), sum(line_item_unblended_cost)::VARCHAR FROM lake.aws_billing.sample_cur "
                          "GROUP BY 1 ORDER BY 1").fetchall()
    state = {r["billing_period"]: r for r in lake.rows("aws", "show-state")}
    assert [(p, str(n), c) for p, n, c in found] == [(p, str(state[p]["row_count"]), state[p]["total_cost"]) for p in MONTHS]
    before = lake.rows("report", "--period", "2026-06")
    version = lake.rows("lake", "snapshots")[-1]["snapshot_id"]
    lake.run("sample", "--out", source, "--rows", 1500, "--months", 3, "--accounts", 4, "--seed", 11, "--start", "2026-05",
             "--restate", "2026-06")
    lake.run("aws", "import-cur", "--bucket", source / "sample-billing")
    assert lake.rows("report", "--period", "2026-06", "--version", version) == before != lake.rows("report", "--period", "2026-06")
    said = lake.rows("aws", "reconcile", "--bucket", source / "sample-billing")
    assert {r["table"] for r in said} == {"agree"}


def test_wrong_keys_are_told_without_showing_them_and_nothing_is_loaded(lake, sample):
    secret = base64.b64encode(b"not the secret of anybody").decode()
    lake.run("aws", "import-cur", "--bucket", sample / "sample-billing", "--end-date", MONTH)
    done = lake.run("aws", "import-cur", "--bucket", sample / "sample-billing", status=None, env=lake.bucket.wrong(secret))
    said = done.stdout + done.stderr
    assert done.returncode in (1, 3) and secret not in said
    assert any(word in said for word in ("403", "denied", "Forbidden", "failed to authenticate"))
    assert [r["billing_period"] for r in lake.rows("aws", "show-state") if r["load_completed"] in (True, "true")] == [MONTH]


def test_an_encrypted_lake_in_a_bucket_is_unreadable_without_its_catalog(lake, sample):
    lake.env["OPEN_FINOPS_DATABASE_DUCKLAKE_ENABLE_ENCRYPTION"] = "true"
    lake.run("aws", "import-cur", "--bucket", sample / "sample-billing", "--end-date", MONTH)
    key = next(k for k in lake.bucket.files(lake) if "sample_cur" in k)
    place = f"{lake.bucket.scheme}://{lake.bucket.name}/"
    with outside(lake) as other:
        assert other.sql("SELECT count(*) FROM lake.aws_billing.sample_cur").fetchone()[0] > 0
        with pytest.raises(duckdb.Error, match="encrypted"):
            other.sql(f"SELECT count(*) FROM read_parquet('{place}{key.removeprefix(place)}')").fetchone()


# ---- what is left over ----

EVERYTHING = "SELECT billing_period, count(*), sum(hash(t)) FROM (FROM lake.aws_billing.sample_cur AT (VERSION => %d)) AS t GROUP BY 1 ORDER BY 1"


def states(home):
    """Every row of every state since there is a table."""
    with outside(home) as other:
        first = other.sql("SELECT begin_snapshot FROM __ducklake_metadata_lake.ducklake_table WHERE table_name = 'sample_cur'").fetchone()[0]
        versions = other.sql(f"SELECT snapshot_id FROM lake.snapshots() WHERE snapshot_id >= {first} ORDER BY 1").fetchall()
        return {v: other.sql(EVERYTHING % v).fetchall() for (v,) in versions}


def known(home):
    with outside(home) as other:
        return {path.rsplit("/", 1)[-1] for (path,) in other.sql(
            "SELECT path FROM __ducklake_metadata_lake.ducklake_data_file UNION ALL "
            "SELECT path FROM __ducklake_metadata_lake.ducklake_delete_file").fetchall()}


def in_bucket(bucket):
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as other:
        for name in ("httpfs", *(("azure",) if bucket.scheme == "az" else ())):
            other.load_extension(str(EXTENSIONS / f"{name}.duckdb_extension"))
        other.execute(bucket.secret_sql())
        while True:
            yield {f.rsplit("/", 1)[-1] for (f,) in other.sql(f"SELECT file FROM glob('{bucket.address}/**') WHERE file LIKE '%.parquet'").fetchall()}


def killed_with_files_in_the_bucket(home, sample):
    """An import of two months in one transaction is killed when the first of them is there."""
    look, before = in_bucket(home.bucket), known(home)
    for _ in range(5):
        process = home.start("aws", "import-cur", "--bucket", sample / "sample-billing", "--atomic", "all", "--force",
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and not any(f not in before for f in next(look)):
            time.sleep(0.01)
        process.kill()
        process.wait()
        left = next(look) - known(home)
        if left:
            return left
        before = known(home)
    pytest.fail("no import was killed before its end")


def steps(home, *args):
    return {s["step"]: s for s in home.rows("lake", *args)}


def test_what_a_killed_import_left_goes_and_no_file_that_a_state_needs(lake, sample):
    lake.run("aws", "import-cur", "--bucket", sample / "sample-billing", "--end-date", MONTH)
    left = killed_with_files_in_the_bucket(lake, sample)
    look, were = in_bucket(lake.bucket), states(lake)
    assert steps(lake, "cleanup", "--dry-run")["remove leftovers"]["files_removed"] == 0  # younger than a day
    said = steps(lake, "cleanup", "--older-than", "0")
    assert said["remove leftovers"]["files_removed"] == len(left)
    if lake.bucket.scheme == "s3":  # az:// shows a file that was only begun as an empty one
        assert said["remove leftovers"]["bytes_freed"] > 0
    assert next(look) == known(lake) and were.items() <= states(lake).items()
    lake.run("aws", "import-cur", "--bucket", sample / "sample-billing")
    lake.run("query", "--write", "DELETE FROM aws_billing.sample_cur WHERE billing_period = '2026-06' AND rowid % 10 > 0")
    rows = states(lake)
    assert steps(lake, "maintain")["rewrite files"]["files_written"] > 0
    said = steps(lake, "maintain", "--keep", 1, "--grace", "0")
    assert said["remove old files"]["files_removed"] > 0 and said["remove old files"]["bytes_freed"] > 0
    assert next(look) == known(lake) and list(states(lake).values())[-1] == rows[max(rows)]


# ---- what is told of Azure ----

def azure_settings(**options):
    return {f"OPEN_FINOPS_DATABASE_DUCKLAKE_AZ_{name.upper()}": value for name, value in options.items()}


@pytest.fixture
def in_azure(finops, azurite):
    return lake_in(Bucket("az", azurite), finops)


def test_azure_lets_in_an_account_key_and_a_signature(in_azure, azurite):
    del in_azure.env["AZURE_STORAGE_CONNECTION_STRING"]
    by_key = azure_settings(account=azurite.account, account_key=azurite.key, endpoint_url=azurite.endpoint)
    by_sas, reader = (azure_settings(sas_token="?" + azurite.account_sas(may), endpoint_url=azurite.endpoint)
                      for may in ("rwdlac", "rl"))
    in_azure.run("query", "--write", "CREATE TABLE t AS SELECT 1 AS i", env=by_key)
    in_azure.run("query", "--write", "INSERT INTO t VALUES (2)", env=by_sas)
    folders = f"abfss://{in_azure.bucket.name}@{azurite.account}.dfs.core.windows.net/lake"  # another way to say the same
    reader["OPEN_FINOPS_DATABASE_DUCKLAKE_DATA_PATH"] = folders
    assert in_azure.rows("query", "SELECT sum(i)::INTEGER AS i FROM t", env=reader) == [{"i": 3}]
    done = in_azure.run("query", "--write", "INSERT INTO t VALUES (3)", status=None, env=reader)
    assert done.returncode != 0 and "sig=" not in done.stderr and ("permission" in done.stderr or "credentials" in done.stderr)


class TokenService(http.server.BaseHTTPRequestHandler):
    """What Entra ID answers to an application with its secret. A token that is soon over is asked for anew."""

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        good = form["client_secret"] == ["the secret"] and self.path == "/tenant/oauth2/v2.0/token"
        self.server.given.append(self.path)
        body = json.dumps({"access_token": azurite_server.entra_token(), "token_type": "Bearer", "expires_in": 3600} if good
                          else {"error": "invalid_client"}).encode()
        self.send_response(200 if good else 401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def token_service():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), TokenService) as server:
        server.given = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_azure_lets_in_an_application_of_entra_id(finops, token_service, tmp_path):
    """Tokens go over TLS alone; where its authorities are the extension takes from CURL_CA_INFO."""
    make_certificates(tmp_path, "finopstest.localhost")
    with azurite_server.running_azurite(certs=tmp_path) as azurite:
        finops.env.update(azure_settings(account=azurite.account, tenant_id="tenant", client_id="client",
                                         client_secret="the secret", endpoint_url=azurite.endpoint,
                                         authority_host="http://127.0.0.1:%d" % token_service.server_port),
                          OPEN_FINOPS_DATABASE_BACKEND="ducklake", CURL_CA_INFO=str(tmp_path / "ca.crt"),
                          OPEN_FINOPS_DATABASE_DUCKLAKE_DATA_PATH=f"az://{azurite.new_container()}/lake")
        finops.run("query", "--write", "CREATE TABLE t AS SELECT 42 AS i")
        assert finops.rows("query", "SELECT i FROM t") == [{"i": 42}]
        assert len(token_service.given) == 2  # one a process
        done = finops.run("query", "SELECT i FROM t", status=None, env=azure_settings(client_secret="not so"))
        assert done.returncode != 0 and "not so" not in done.stderr and "token service" in done.stderr


@pytest.mark.parametrize("address, options, message", [
    ("az://box/lake", {}, "az_account is not set"),
    ("az:///lake", {}, "names no container"),
    ("az://account.blob.core.windows.net/box/lake", {}, "az://container/folder"),
    ("az://box/lake", {"account": "a", "credential": "client_secret"}, "needs tenant_id"),
    ("az://box/lake", {"account": "a", "endpoint_url": "http://127.0.0.1:1/a"}, "https://<account>.<service>"),
    ("az://box/lake", {"account": "a", "account_key": "!"}, "not base64"),
], ids=lambda v: v if isinstance(v, str) else "")
def test_what_azure_needs_is_told(finops, address, options, message):
    finops.env.update(azure_settings(**options), OPEN_FINOPS_DATABASE_BACKEND="ducklake",
                      OPEN_FINOPS_DATABASE_DUCKLAKE_DATA_PATH=address)
    assert message in finops.run("query", "SELECT 1", status=None).stderr


def test_a_place_a_lake_cannot_be_in_is_refused(finops):
    finops.env.update(OPEN_FINOPS_DATABASE_BACKEND="ducklake", OPEN_FINOPS_DATABASE_DUCKLAKE_DATA_PATH="sftp://host/folder")
    said = finops.run("query", "SELECT 1", status=None)
    assert said.returncode != 0 and "sftp://host/folder" in said.stderr and "s3://" in said.stderr and "az://" in said.stderr
