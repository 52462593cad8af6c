"""finops aws over S3: a real server, really signed requests, every sum read back by another program."""
import pathlib
from decimal import Decimal

import pytest
from bills import loaded, query
from test_import import CASES, check_month

LIST = "s3:ListBucket"
GET = "s3:GetObject"


def allow(*pairs):
    """A policy of actions and the resources below arn:aws:s3:::."""
    return {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": action, "Resource": "arn:aws:s3:::" + resource} for action, resource in pairs]}


def session_env(minio, policy):
    key, secret, token = minio.client.assume_role(policy)
    return {**minio.env(), "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": token}


def actions(rows):
    return {row["billing_period"]: row["action"] for row in rows}


def load(finops, bill, status=0):
    """Imports the bucket; what it said on stderr."""
    return finops.run("aws", "import-cur", "--bucket", bill.bucket, status=status, env=bill.env).stderr


@pytest.fixture(scope="session")
def shared_buckets(minio, shared):
    """The example bills in the buckets their manifests name; both generations side by side."""
    for bucket in ("acme-billing", "globex-finance"):
        minio.new_bucket(bucket)
        for generation in ("aws-cur-v1", "aws-cur-v2"):
            minio.put_tree(bucket, shared / generation / bucket)
    return minio


@pytest.mark.parametrize("folder,prefix,export,base,account,kind", CASES, ids=[c[2] for c in CASES])
def test_the_example_bills_have_the_expected_sums(finops, shared_buckets, expected, folder, prefix, export, base, account, kind):
    bucket = "s3://" + pathlib.PurePath(folder).name
    finops.run("aws", "import-cur", "--bucket", bucket, "--prefix", prefix, "--export-name", export, env=shared_buckets.env())
    months = {m: v for m, v in expected["aws"][account][kind].items() if m != "superseded"}
    assert months
    for month, want in months.items():
        check_month(finops.database, f"{base}_{month.replace('-', '_')}", want)


LAYOUTS = [("v1", "csv"), ("v1", "parquet"), ("v2", "csv"), ("v2", "parquet"), ("v2", "csv", "--delivery", "create-new"),
           ("v2", "parquet", "--delivery", "create-new")]


@pytest.mark.parametrize("layout", LAYOUTS, ids=[" ".join((*x[:2], *x[3:])) for x in LAYOUTS])
def test_every_layout_loads_and_loads_once(finops, new_bill, layout):
    bill = new_bill(*layout)
    for want in ("load", "current"):
        rows = finops.rows("aws", "import-cur", "--bucket", "s3://" + bill.bucket, env=bill.env)
        assert actions(rows) == {m: want for m in bill.totals}
        assert loaded(finops.database) == bill.totals


def test_exports_and_manifests_are_listed_from_the_bucket(finops, new_bill):
    bill = new_bill("v2", "parquet")
    export, = finops.rows("aws", "list-exports", "--bucket", bill.bucket, env=bill.env)
    assert export["export_name"] == "sample-cur" and export["cur_version"] == "v2"
    manifests = finops.rows("aws", "list-manifests", "--bucket", bill.bucket, env=bill.env)
    assert [m["billing_period"] for m in manifests] == sorted(bill.totals)
    assert not finops.database.exists()


def test_a_prefix_in_the_address_and_beside_it_mean_the_same(finops, new_bill):
    bill = new_bill()
    whole = finops.rows("aws", "list-exports", "--bucket", bill.bucket, env=bill.env)
    for flags in (["--bucket", f"s3://{bill.bucket}/exports/"], ["--bucket", bill.bucket, "--prefix", "exports"]):
        assert finops.rows("aws", "list-exports", *flags, env=bill.env) == whole
    assert "no billing export" in finops.run("aws", "import-cur", "--bucket", bill.bucket, "--prefix", "exp", status=1,
                                             env=bill.env).stderr


def test_bare_files_load_by_their_addresses(finops, new_bill):
    bill = new_bill("v2", "parquet")
    keys = [f"s3://{bill.bucket}/{key}" for files in bill.files.values() for key in files]
    finops.run("aws", "import-cur", "--export-name", "sample-cur", "--file", *keys, env=bill.env)
    assert loaded(finops.database) == bill.totals


def test_a_restated_month_is_replaced_and_may_go_back(finops, new_bill):
    bill = new_bill("v1", "csv")
    month = min(bill.totals)
    top = bill.manifest(month)
    old, = bill.folder.glob("exports/*/20260501-20260601/20260528T*/*-Manifest.json")
    bill.minio.put(bill.bucket, top, old.read_bytes())
    load(finops, bill)
    before = loaded(finops.database)
    assert before[month] != bill.totals[month]
    bill.restore()
    load(finops, bill)
    assert loaded(finops.database) == bill.totals
    bill.minio.put(bill.bucket, top, old.read_bytes())
    load(finops, bill)
    assert loaded(finops.database) == before


def test_a_wrong_secret_is_an_error_about_credentials(finops, new_bill):
    bill = new_bill()
    wrong = "wrong/secret+of=nobody"
    for key, secret in ((bill.minio.access_key, wrong), ("AKIANOBODY", bill.minio.secret_key)):
        env = {**bill.env, "AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret}
        done = finops.run("-v", "aws", "import-cur", "--bucket", bill.bucket, status=1, env=env)
        assert "credentials" in done.stderr and bill.bucket in done.stderr
        assert "LINE 1" not in done.stderr and "SECRET '" not in done.stderr
        for told in (done.stdout, done.stderr):
            assert secret not in told and key not in told
    for path in finops.folder.rglob("*.duckdb*"):
        assert wrong.encode() not in path.read_bytes()


def test_a_missing_bucket_is_named(finops, minio):
    done = finops.run("aws", "import-cur", "--bucket", "s3://no-such-bucket", status=2, env=minio.env())
    assert "no-such-bucket" in done.stderr and "NoSuchBucket" in done.stderr and "hint: create the bucket" in done.stderr


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_manifest_that_names_another_bucket_is_refused(finops, new_bill, version):
    bill = new_bill(version, "csv")
    first, last = sorted(bill.totals)

    def change(document):
        if version == "v1":
            document["bucket"] = "elsewhere"
        else:
            document["dataFiles"] = [f.replace(bill.bucket, "elsewhere") for f in document["dataFiles"]]
    bill.change_manifest(first, change)
    assert "elsewhere" in load(finops, bill, status=3)
    assert loaded(finops.database) == {last: bill.totals[last]}


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_deleted_file_fails_its_month_until_it_is_back(finops, new_bill, form):
    bill = new_bill("v2", form)
    first, last = sorted(bill.totals)
    bill.minio.delete(bill.bucket, bill.files[first][0])
    said = load(finops, bill, status=3)
    assert bill.files[first][0] in said and "404" in said
    assert loaded(finops.database) == {last: bill.totals[last]}
    state = {r["billing_period"]: r for r in finops.rows("aws", "show-state")}
    assert not state[first]["load_completed"] and "404" in state[first]["error_message"]
    bill.restore()
    load(finops, bill)
    assert loaded(finops.database) == bill.totals


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_truncated_file_leaves_the_month_as_it_was(finops, new_bill, form):
    bill = new_bill("v2", form)
    first = min(bill.totals)
    key = bill.files[first][0]
    load(finops, bill)
    whole = bill.minio.get(bill.bucket, key)
    for cut in (len(whole) // 2, len(whole) - 1, 0):
        bill.minio.put(bill.bucket, key, whole[:cut])
        bill.change_manifest(first, lambda document: document.update(executionId="later-%d" % cut))
        said = load(finops, bill, status=3)
        assert pathlib.PurePath(key).name in said
        assert loaded(finops.database) == bill.totals


def test_the_least_policy_is_list_and_get_below_the_prefix(finops, new_bill):
    bill = new_bill("v2", "parquet")
    policy = allow((LIST, bill.bucket), (GET, bill.bucket + "/exports/*"))
    policy["Statement"][0]["Condition"] = {"StringLike": {"s3:prefix": "exports/*"}}
    env = session_env(bill.minio, policy)
    finops.run("aws", "import-cur", "--bucket", bill.bucket, "--prefix", "exports", env=env)
    assert loaded(finops.database) == bill.totals
    refused = finops.run("aws", "import-cur", "--bucket", bill.bucket, status=1, env=env).stderr
    assert "AccessDenied" in refused and LIST in refused


def test_what_the_policy_lacks_is_named_and_no_secret_is_kept(finops, new_bill):
    bill = new_bill()
    env = session_env(bill.minio, allow((LIST, bill.bucket)))
    done = finops.run("aws", "import-cur", "--bucket", bill.bucket, status=1, env=env)
    assert "AccessDenied" in done.stderr
    state = repr(query(finops.database, "SELECT * FROM billing_state.load_state"))
    assert "AccessDenied" in state
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        assert env[name] not in state + done.stdout + done.stderr


def test_several_buckets_and_accounts_load_in_one_run(finops, new_bill):
    bills = [new_bill("v1", "csv"), new_bill("v2", "parquet", "--export-name", "other")]
    config = finops.folder / "config.toml"
    config.touch(0o600)
    entries = []
    for bill in bills:
        env = session_env(bill.minio, allow((LIST, bill.bucket), (GET, bill.bucket + "/*")))
        entries.append(f'[[aws.exports]]\nbucket = "{bill.bucket}"\naccess_key_id = "{env["AWS_ACCESS_KEY_ID"]}"\n'
                       f'secret_access_key = "{env["AWS_SECRET_ACCESS_KEY"]}"\nsession_token = "{env["AWS_SESSION_TOKEN"]}"\n')
    config.write_text("".join(entries))
    finops.run("aws", "import-cur", env={"AWS_ENDPOINT_URL": bills[0].minio.endpoint})
    assert loaded(finops.database) == bills[0].totals
    rows, = query(finops.database, "SELECT count(*), sum(line_item_unblended_cost) FROM aws_billing.other_unified")
    assert rows == tuple(sum((t[i] for t in bills[1].totals.values()), Decimal(0)) for i in (0, 1))
