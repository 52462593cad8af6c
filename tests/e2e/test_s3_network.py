"""The way to S3: credentials, regions, addressing, certificates, proxies, broken connections, memory."""
import json
import os
import re
import subprocess
import urllib.parse

import pytest
from bills import loaded
from network import Proxy, Relay
from servers import DOMAIN, running_minio
from test_s3 import GET, LIST, actions, allow, session_env

RSS_LIMIT_KIB = 1900 * 1024
QUICK = {"OPEN_FINOPS_NETWORK_TIMEOUT": "10"}  # a test that waits for a timeout is broken


def without_keys(env):
    return {k: v for k, v in env.items() if k not in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}


def lists(finops, bill, env, *flags):
    """Whether the bucket's export is found: one signed request."""
    rows = finops.rows(*flags, "aws", "list-exports", "--bucket", bill.bucket, env=env)
    return [r["export_name"] for r in rows] == ["sample-cur"]


def write_config(finops, text, mode=0o600):
    path = finops.folder / "config.toml"
    path.touch()
    path.chmod(mode)
    path.write_text(text)


def write_profiles(finops, **profiles):
    folder = finops.folder / ".aws"
    folder.mkdir(mode=0o700)
    text = "".join(f"[{name}]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
                   for name, (key, secret) in profiles.items())
    (folder / "credentials").touch(0o600)
    (folder / "credentials").write_text(text)


def test_profiles_of_the_aws_files_give_the_keys(finops, new_bill):
    bill = new_bill()
    real = (bill.minio.access_key, bill.minio.secret_key)
    write_profiles(finops, default=("AKIANOBODY", "none"), work=real)
    env = without_keys(bill.env)
    assert "InvalidAccessKeyId" in finops.run("aws", "list-exports", "--bucket", bill.bucket, env=env, status=1).stderr
    assert lists(finops, bill, {**env, "AWS_PROFILE": "work"})
    assert lists(finops, bill, {**env, "OPEN_FINOPS_AWS_PROFILE": "work"})
    write_config(finops, '[aws]\nprofile = "work"\n')
    finops.run("aws", "import-cur", "--bucket", bill.bucket, env=env)
    assert loaded(finops.database) == bill.totals


def test_no_credentials_at_all_says_where_to_put_them(finops, new_bill):
    bill = new_bill()
    env = {**without_keys(bill.env), "AWS_EC2_METADATA_DISABLED": "true"}
    said = finops.run("aws", "list-exports", "--bucket", bill.bucket, env=env, status=1).stderr
    assert "no AWS credentials" in said and "AWS_ACCESS_KEY_ID" in said
    said = finops.run("aws", "list-exports", "--bucket", bill.bucket, env={**env, "AWS_PROFILE": "gone"}, status=2).stderr
    assert "gone" in said


def keys_config(bill):
    return (f'[aws]\nbucket = "{bill.bucket}"\nendpoint_url = "{bill.minio.endpoint}"\nregion = "us-east-1"\n'
            f'access_key_id = "{bill.minio.access_key}"\nsecret_access_key = "{bill.minio.secret_key}"\n')


def test_a_configuration_file_gives_everything(finops, new_bill):
    bill = new_bill()
    write_config(finops, keys_config(bill))
    finops.run("aws", "import-cur")
    assert loaded(finops.database) == bill.totals
    assert bill.minio.secret_key not in finops.run("config", "show").stdout


def test_a_configuration_file_with_keys_that_all_can_read_is_refused(finops, new_bill):
    bill = new_bill()
    write_config(finops, keys_config(bill), mode=0o644)
    done = finops.run("aws", "import-cur", status=2)
    assert "config.toml" in done.stderr and "chmod 600" in done.stderr
    assert bill.minio.secret_key not in done.stdout + done.stderr


def test_the_open_finops_names_win_over_those_of_aws(finops, new_bill):
    bill = new_bill()
    env = {"OPEN_FINOPS_" + name: value for name, value in bill.env.items()}
    assert lists(finops, bill, {**env, "AWS_ACCESS_KEY_ID": "AKIANOBODY", "AWS_SECRET_ACCESS_KEY": "x"})
    finops.run("aws", "import-cur", env={**env, "OPEN_FINOPS_AWS_BUCKET": bill.bucket})
    assert loaded(finops.database) == bill.totals


def test_a_session_needs_its_token(finops, new_bill):
    bill = new_bill()
    env = session_env(bill.minio, allow((LIST, bill.bucket), (GET, bill.bucket + "/*")))
    finops.run("aws", "import-cur", "--bucket", bill.bucket, env=env)
    assert loaded(finops.database) == bill.totals
    for token in ("", "x" + env["AWS_SESSION_TOKEN"]):
        done = finops.run("aws", "list-exports", "--bucket", bill.bucket, env={**env, "AWS_SESSION_TOKEN": token}, status=1)
        assert "403" in done.stderr and "hint:" in done.stderr
        assert env["AWS_SESSION_TOKEN"] not in done.stderr


@pytest.fixture
def proxy(minio):
    with Proxy({DOMAIN: minio.host}) as server:
        yield server


def through(proxy, bill, **more):
    return {**bill.env, "AWS_ENDPOINT_URL": "http://" + DOMAIN, "OPEN_FINOPS_NETWORK_PROXY": proxy.url, **more}


def test_the_bucket_stands_in_the_host_or_in_the_path(finops, new_bill, proxy):
    bill = new_bill()
    for addressing, start in (("virtual", f"http://{bill.bucket}.{DOMAIN}/"), ("path", f"http://{DOMAIN}/{bill.bucket}")):
        proxy.requests.clear()
        finops.run("aws", "import-cur", "--force", "--bucket", bill.bucket,
                   env=through(proxy, bill, OPEN_FINOPS_AWS_ADDRESSING=addressing))
        assert proxy.requests and all(target.startswith(start) for _, target in proxy.requests)
        assert loaded(finops.database) == bill.totals


def test_the_region_is_signed(finops, new_bill, proxy):
    bill = new_bill()
    for region in ("eu-central-1", "ap-south-1"):
        proxy.headers.clear()
        assert lists(finops, bill, through(proxy, bill, AWS_REGION=region))
        assert all(f"/{region}/s3/aws4_request" in "".join(h) for h in proxy.headers) and proxy.headers


def test_a_listing_is_one_request(finops, new_bill, proxy):
    bill = new_bill()
    assert lists(finops, bill, through(proxy, bill))
    assert len(proxy.requests) == 1


def test_a_proxy_gets_its_user_and_nobody_else_does(finops, new_bill, proxy):
    bill = new_bill()
    url = proxy.url.replace("http://", "http://me:p%40ss@")
    env = {k: v for k, v in through(proxy, bill).items() if k != "OPEN_FINOPS_NETWORK_PROXY"}
    write_config(finops, f'[network]\nproxy = "{url}"\n')
    assert lists(finops, bill, env)
    assert any("Proxy-Authorization: Basic bWU6cEBzcw==" in h for h in proxy.headers)
    write_config(finops, '[network]\nproxy = "http://me:p%40ss@127.0.0.1:9"\nretries = 0\n')
    done = finops.run("-v", "aws", "list-exports", "--bucket", bill.bucket, env=env, status=1)
    assert "p%40ss" not in done.stderr and "p@ss" not in done.stderr and "proxy" in done.stderr


ASIDE = "minio.localhost"  # a name of this machine that is not treated as such


@pytest.mark.parametrize("listed, direct", [
    (ASIDE, True), ("x.example, .localhost", True), ("*.LOCALHOST", True), ("*", True), (ASIDE + ":{port}", True),
    (ASIDE + ":1", False), ("inio.localhost,example", False)])
def test_a_host_of_no_proxy_is_reached_without_the_proxy(finops, new_bill, listed, direct):
    bill = new_bill()
    port = bill.minio.host.rsplit(":", 1)[1]
    listed = listed.format(port=port)
    with Proxy({ASIDE: bill.minio.host}) as proxy:
        env = {**bill.env, "AWS_ENDPOINT_URL": f"http://{ASIDE}:{port}", "OPEN_FINOPS_AWS_ADDRESSING": "path"}
        proxied = {**env, "OPEN_FINOPS_NETWORK_PROXY": proxy.url}
        # "http_proxy" is none of our names, and the library that fetches falls back to it
        for more in ({"NO_PROXY": listed}, {"no_proxy": listed, "http_proxy": proxy.url}):
            proxy.requests.clear()
            assert lists(finops, bill, {**proxied, **more})
            assert bool(proxy.requests) != direct, more
        write_config(finops, f'[network]\nno_proxy = "{listed}"\n')
        proxy.requests.clear()
        assert lists(finops, bill, {**proxied, "http_proxy": proxy.url})
        assert bool(proxy.requests) != direct
        [shown] = [r for r in finops.rows("doctor", "--bucket", bill.bucket, env=proxied) if r["check"] == "proxy"]
        assert f"not for {listed} (" in shown["detail"] and "config.toml:2" in shown["detail"]


def test_a_bucket_in_the_host_is_looked_for_in_no_proxy(finops, new_bill, proxy):
    bill = new_bill()
    assert lists(finops, bill, through(proxy, bill, NO_PROXY="elsewhere." + DOMAIN)) and proxy.requests
    for listed in (DOMAIN, f"{bill.bucket}.{DOMAIN}"):
        proxy.requests.clear()
        env = through(proxy, bill, NO_PROXY=listed, OPEN_FINOPS_NETWORK_RETRIES="0")
        said = finops.run("aws", "list-exports", "--bucket", bill.bucket, env=env, status=1).stderr
        assert "resolve host" in said and not proxy.requests


@pytest.fixture(scope="session")
def secure(tmp_path_factory):
    """MinIO with TLS by an authority of its own, in a region that it insists on."""
    certs = tmp_path_factory.mktemp("certs")
    names = f"subjectAltName=IP:127.0.0.1,DNS:{DOMAIN},DNS:*.{DOMAIN}"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", "/CN=finops test", "-addext", names, "-keyout", certs / "private.key",
                    "-out", certs / "public.crt"], check=True, capture_output=True)
    with running_minio(certs=certs, region="eu-central-1", domain=DOMAIN) as server:
        yield server


@pytest.fixture
def secure_bill(secure, new_bill):
    return new_bill("v2", "csv", server=secure)


def test_an_own_authority_is_trusted_when_it_is_named(finops, secure_bill):
    bill, ca = secure_bill, secure_bill.minio.ca_file
    said = finops.run("aws", "list-exports", "--bucket", bill.bucket, env=bill.env, status=2).stderr
    assert "certificate" in said and "hint: set network.ca_file" in said
    for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "OPEN_FINOPS_NETWORK_CA_FILE"):
        assert lists(finops, bill, {**bill.env, name: ca})
    write_config(finops, f'[network]\nca_file = "{ca}"\n')
    finops.run("aws", "import-cur", "--bucket", bill.bucket, env=bill.env)
    assert loaded(finops.database) == bill.totals


def bytes_read(told):
    """What the storages of an import read themselves, which is all of csv, and Parquet that the engine cannot reach."""
    line, = [line for line in told.splitlines() if "bytes read, " in line]
    return int(line.partition(" bytes read, ")[0].rpartition(" ")[2])


@pytest.mark.parametrize("of_place", ["ca_file", "proxy"])
def test_parquet_of_a_place_with_a_network_of_its_own_goes_through_it(finops, secure, new_bill, of_place):
    """DuckDB has one proxy and one list of authorities for all: it reads what is in [network], a place's own is fetched."""
    bill = new_bill("v2", "parquet", server=secure)
    files = sum(p.stat().st_size for p in bill.folder.rglob("*.parquet"))
    ca, lines = bill.minio.ca_file, []
    with Proxy({DOMAIN: bill.minio.host}) as proxy:
        if of_place == "proxy":
            lines = ['endpoint_url = "https://%s"' % DOMAIN, 'proxy = "%s"' % proxy.url]
        own, shared = [*lines, 'ca_file = "%s"' % ca], []
        for place, network in ((own, shared), (lines[:1], [*lines[1:], 'ca_file = "%s"' % ca])):
            write_config(finops, "[network]\n%s\n[storage.raw]\naddress = \"s3://%s\"\n%s\n" % (
                "\n".join(network), bill.bucket, "\n".join(place)))
            told = finops.run("aws", "import-cur", "--verbose", "--force", "--bucket", "raw:", env=bill.env).stderr
            assert loaded(finops.database) == bill.totals
            assert (bytes_read(told) > files) == (place == own), told
        assert bool(proxy.requests) == (of_place == "proxy")


def test_another_authority_and_a_missing_file_are_refused(finops, secure_bill):
    other = finops.folder / "other.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-subj", "/CN=other", "-keyout", "/dev/null", "-out", other], check=True, capture_output=True)
    for path in (other, finops.folder / "gone.pem"):
        env = {**secure_bill.env, "AWS_CA_BUNDLE": str(path)}
        said = finops.run("aws", "list-exports", "--bucket", secure_bill.bucket, env=env, status=2).stderr
        assert "ca_file" in said


def test_tls_goes_through_a_tunnel_of_the_proxy(finops, secure_bill):
    bill = secure_bill
    with Proxy({DOMAIN: bill.minio.host}) as proxy:
        env = {**bill.env, "AWS_ENDPOINT_URL": "https://" + DOMAIN, "HTTPS_PROXY": proxy.url, "AWS_CA_BUNDLE": bill.minio.ca_file}
        finops.run("aws", "import-cur", "--bucket", bill.bucket, env=env)
        assert loaded(finops.database) == bill.totals
        assert set(proxy.requests) == {("CONNECT", f"{bill.bucket}.{DOMAIN}:443")}


def test_a_wrong_region_is_corrected_by_what_the_server_says(finops, secure_bill):
    env = {**secure_bill.env, "AWS_REGION": "us-west-2", "AWS_CA_BUNDLE": secure_bill.minio.ca_file}
    assert lists(finops, secure_bill, env)


@pytest.mark.parametrize("layout", [("v1", "csv"), ("v2", "parquet")])
def test_a_connection_cut_once_is_tried_again(finops, new_bill, layout):
    bill = new_bill(*layout, rows=3000)
    with Relay(bill.minio.host, after=100_000, cuts=1) as relay:
        env = {**bill.env, "AWS_ENDPOINT_URL": "http://" + relay.host, **QUICK}
        finops.run("aws", "import-cur", "--bucket", bill.bucket, env=env)
        assert relay.cut >= 1
    assert loaded(finops.database) == bill.totals


def test_a_file_that_is_cut_again_and_again_is_read_on_where_it_was(finops, new_bill):
    bill = new_bill("v1", "csv", rows=3000)
    with Relay(bill.minio.host, after=100_000, cuts=1000) as relay:
        env = {**bill.env, "AWS_ENDPOINT_URL": "http://" + relay.host, "OPEN_FINOPS_NETWORK_RETRIES": "1", **QUICK}
        finops.run("aws", "import-cur", "--bucket", bill.bucket, env=env)
        assert relay.cut >= 4
    assert loaded(finops.database) == bill.totals


@pytest.mark.parametrize("layout", [("v1", "csv"), ("v2", "parquet")])
def test_connections_always_cut_leave_the_month_as_it_was(finops, new_bill, layout):
    bill = new_bill(*layout, rows=3000)
    finops.run("aws", "import-cur", "--bucket", bill.bucket, env=bill.env)
    with Relay(bill.minio.host, after=100_000, cuts=1000, then=1) as relay:  # what moves at all is gone on with
        env = {**bill.env, "AWS_ENDPOINT_URL": "http://" + relay.host, "OPEN_FINOPS_NETWORK_RETRIES": "1", **QUICK}
        done = finops.run("aws", "import-cur", "--force", "--bucket", bill.bucket, env=env, status=1)
        assert relay.cut >= 2
    assert bill.files["2026-05"][0].rsplit("/", 1)[-1] in done.stderr
    assert loaded(finops.database) == bill.totals
    again = finops.rows("aws", "import-cur", "--bucket", bill.bucket, env=bill.env)  # a failed reload is made good
    assert set(actions(again).values()) == {"reload"} and loaded(finops.database) == bill.totals


def test_an_endpoint_that_is_not_there_is_named(finops, new_bill):
    bill = new_bill()
    env = {**bill.env, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "OPEN_FINOPS_NETWORK_RETRIES": "0"}
    said = finops.run("aws", "list-exports", "--bucket", bill.bucket, env=env, status=1).stderr
    assert "127.0.0.1:9" in said and "hint: check the address of the service, such as endpoint_url" in said


def test_a_million_rows_come_in_large_reads_and_little_memory(finops, new_bill, proxy):
    bill = new_bill("v1", "csv", "--file-rows", 500_000, rows=1_000_000, months=1)
    child = finops.start("aws", "import-cur", "--bucket", bill.bucket, env=through(proxy, bill), stderr=subprocess.PIPE)
    said = child.stderr.read().decode()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, said
    assert loaded(finops.database) == bill.totals
    assert usage.ru_maxrss < RSS_LIMIT_KIB
    reads = [(target, re.search(r"bytes=(\d+)-(\d+)", "\n".join(h)))
             for (_, target), h in zip(proxy.requests, proxy.headers) if target.endswith(".csv.gz")]
    files = [bill.folder / key for files in bill.files.values() for key in files]
    whole = {f.name: f.stat().st_size for f in files}
    sizes = [int(r[2]) - int(r[1]) + 1 if r else whole[target.rsplit("/", 1)[1]] for target, r in reads]
    assert sum(whole.values()) <= sum(sizes) < sum(whole.values()) * 1.05
    assert len(reads) <= 2 * len(files)  # its header, then all of it
    assert sum(sizes) / len(sizes) > 4 << 20


KEYS_OF_A_PROCESS = """#!/bin/sh
n=$(cat {0}/n); echo $(( (n + 1) % 12 )) > {0}/n
sed "s/EXPIRATION/$(date -u -d '+0.4 seconds' +%Y-%m-%dT%H:%M:%S.%6NZ)/" {0}/keys-$n
"""


def test_the_engine_reads_each_month_with_fresh_credentials(finops, new_bill, proxy):
    """Keys that soon end: what the engine is told when a month begins are others than those of the month before."""
    bill = new_bill("v2", "parquet")
    folder = finops.folder / ".aws"
    folder.mkdir()
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::*"}]}
    for n in range(12):
        key, secret, token = bill.minio.client.assume_role(everything)
        (folder / ("keys-%d" % n)).write_text(json.dumps({"Version": 1, "AccessKeyId": key, "SecretAccessKey": secret,
                                                          "SessionToken": token, "Expiration": "EXPIRATION"}))
    (folder / "n").write_text("0")
    (folder / "keys.sh").write_text(KEYS_OF_A_PROCESS.format(folder))
    (folder / "keys.sh").chmod(0o700)
    (folder / "config").write_text("[profile work]\ncredential_process = %s/keys.sh\n" % folder)
    env = {k: v for k, v in through(proxy, bill).items() if k not in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    proxy.delay = 0.2  # a month is several requests: its keys have ended when the next one begins, however fast the machine
    finops.run("aws", "import-cur", "--bucket", bill.bucket, env={**env, "AWS_PROFILE": "work"})
    assert loaded(finops.database) == bill.totals
    used = {}
    for (_, url), headers in zip(proxy.requests, proxy.headers):
        if any("duckdb" in h.lower() for h in headers if h.lower().startswith("user-agent")):
            month, = [m for m in bill.totals if m in urllib.parse.unquote(url)]
            used.setdefault(month, set()).update(re.findall("Credential=([^/]+)/", " ".join(headers)))
    first, second = (used[month] for month in sorted(used))
    assert first and second and not first & second, used
