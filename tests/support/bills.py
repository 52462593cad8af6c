"""Bills in a bucket: what `finops sample` writes, uploaded, with the totals it wrote beside them.

    def test_something(finops, new_bill):
        bill = new_bill("v1", "csv")
        finops.run("aws", "import-cur", "--bucket", bill.bucket, env=bill.env)
        assert loaded(finops.database) == bill.totals
"""

import json
import uuid
from decimal import Decimal

import duckdb
import pytest


def query(path, sql):
    with duckdb.connect(str(path), read_only=True) as db:
        return db.sql(sql).fetchall()


def loaded(path):
    """{month: (rows, sum of costs)} of the sample's view, read by another program."""
    sql = "SELECT billing_period, count(*), sum(line_item_unblended_cost) FROM aws_billing.sample_cur_unified GROUP BY 1"
    return {month: (rows, cost) for month, rows, cost in query(path, sql)}


class Bill:
    def __init__(self, minio, bucket, folder):
        self.minio, self.bucket, self.folder, self.env = minio, bucket, folder / bucket, minio.env()
        months = json.loads((folder / "expected.json").read_text())["months"]
        self.totals = {m: (v["rows"], Decimal(v["unblended"])) for m, v in months.items()}
        self.files = {m: v["files"] for m, v in months.items()}
        minio.new_bucket(bucket)
        minio.put_tree(bucket, self.folder)

    def manifest(self, month):
        """The key of the month's current manifest."""
        first = month.replace("-", "") + "01-"
        found = [p.relative_to(self.folder).as_posix() for p in self.folder.rglob("*-Manifest.json")]
        return min((k for k in found if first in k or "PERIOD=" + month in k), key=len)

    def change_manifest(self, month, change):
        """Uploads the manifest as change(document) leaves it."""
        document = json.loads(self.minio.get(self.bucket, self.manifest(month)))
        change(document)
        self.minio.put(self.bucket, self.manifest(month), json.dumps(document).encode())

    def restore(self):
        self.minio.put_tree(self.bucket, self.folder)


@pytest.fixture
def new_bill(finops, minio):
    def make(version="v1", form="csv", *flags, rows=300, months=2, server=minio):
        bucket = "b-" + uuid.uuid4().hex[:12]
        folder = finops.folder / ("sample-" + bucket)
        finops.run("sample", "--out", folder, "--rows", rows, "--months", months, "--seed", 5, "--start", "2026-05",
                   "--cur-version", version, "--format", form, "--bucket", bucket, *flags)
        return Bill(server, bucket, folder)
    return make
