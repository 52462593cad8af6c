"""A lake whose Parquet files are in object storage: MinIO, read back by other programs."""
import duckdb
import pytest

from lakes import EXTENSIONS, catalog
from test_ducklake import MONTHS, bills


@pytest.fixture
def lake(new_finops, minio):
    home = new_finops()
    home.bucket = minio.new_bucket()
    home.env.update(minio.env(), OPEN_FINOPS_DATABASE_BACKEND="ducklake",
                    OPEN_FINOPS_DATABASE_DUCKLAKE_DATA_PATH=f"s3://{home.bucket}/lake")
    return home


def outside(home, minio):
    other = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    for name in ("httpfs", "ducklake"):
        other.load_extension(str(EXTENSIONS / f"{name}.duckdb_extension"))
    other.execute(f"CREATE SECRET (TYPE s3, KEY_ID '{minio.access_key}', SECRET '{minio.secret_key}', REGION '{minio.region}', "
                  f"ENDPOINT '{minio.host}', URL_STYLE 'path', USE_SSL false)")
    other.execute(f"ATTACH 'ducklake:{catalog(home)}' AS lake (READ_ONLY)")
    return other


def test_the_rows_are_in_the_bucket_and_every_command_works(lake, minio, sample, copy_of):
    bucket = copy_of(sample)
    lake.run("aws", "import-cur", "--bucket", bucket / "sample-billing")
    keys = lake.rows("storage", "ls", "--recursive", f"s3://{lake.bucket}/lake/")
    assert {k["key"].split("/")[-2] for k in keys if "sample_cur" in k["key"]} == {f"billing_period={m}" for m in MONTHS}
    assert bills(lake) == []
    with outside(lake, minio) as other:
        found = other.sql("SELECT billing_period, count(*), sum(line_item_unblended_cost)::VARCHAR FROM lake.aws_billing.sample_cur "
                          "GROUP BY 1 ORDER BY 1").fetchall()
    state = {r["billing_period"]: r for r in lake.rows("aws", "show-state")}
    assert [(p, str(n), c) for p, n, c in found] == [(p, str(state[p]["row_count"]), state[p]["total_cost"]) for p in MONTHS]
    before = lake.rows("report", "--period", "2026-06")
    version = lake.rows("lake", "snapshots")[-1]["snapshot_id"]
    lake.run("sample", "--out", bucket, "--rows", 1500, "--months", 3, "--accounts", 4, "--seed", 11, "--start", "2026-05",
             "--restate", "2026-06")
    lake.run("aws", "import-cur", "--bucket", bucket / "sample-billing")
    assert lake.rows("report", "--period", "2026-06", "--version", version) == before != lake.rows("report", "--period", "2026-06")
    said = lake.rows("aws", "reconcile", "--bucket", bucket / "sample-billing")
    assert {r["table"] for r in said} == {"agree"}


def test_wrong_keys_are_told_without_showing_them_and_nothing_is_loaded(lake, sample):
    lake.run("aws", "import-cur", "--bucket", sample / "sample-billing", "--end-date", "2026-05")
    said = lake.run("aws", "import-cur", "--bucket", sample / "sample-billing", status=None,
                    env={"AWS_SECRET_ACCESS_KEY": "not-the-secret-of-anybody"})
    assert said.returncode in (1, 3) and "not-the-secret" not in said.stdout + said.stderr
    assert "403" in said.stdout + said.stderr or "denied" in (said.stdout + said.stderr).lower() or "Forbidden" in said.stdout + said.stderr
    assert [r["billing_period"] for r in lake.rows("aws", "show-state") if r["load_completed"] in (True, "true")] == ["2026-05"]


def test_a_place_a_lake_cannot_be_in_is_refused(lake, sample):
    lake.env["OPEN_FINOPS_DATABASE_DUCKLAKE_DATA_PATH"] = "sftp://host/folder"
    said = lake.run("aws", "import-cur", "--bucket", sample / "sample-billing", status=None)
    assert said.returncode != 0 and "sftp://host/folder" in said.stderr and "s3://" in said.stderr


def test_an_encrypted_lake_in_a_bucket_is_unreadable_without_its_catalog(lake, minio, sample):
    lake.env["OPEN_FINOPS_DATABASE_DUCKLAKE_ENABLE_ENCRYPTION"] = "true"
    lake.run("aws", "import-cur", "--bucket", sample / "sample-billing", "--end-date", "2026-05")
    key = next(k["key"] for k in lake.rows("storage", "ls", "--recursive", f"s3://{lake.bucket}/lake/") if "sample_cur" in k["key"])
    with outside(lake, minio) as other:
        assert other.sql("SELECT count(*) FROM lake.aws_billing.sample_cur").fetchone()[0] > 0
        with pytest.raises(duckdb.Error):
            other.sql(f"SELECT count(*) FROM read_parquet('s3://{lake.bucket}/{key.removeprefix(f's3://{lake.bucket}/')}')").fetchone()
