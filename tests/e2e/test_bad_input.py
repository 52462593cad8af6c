"""Broken deliveries: each names the file (and line), loses nothing and leaves the month as it was."""
import gzip
import json
import pathlib

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

HEADER = ["identity/LineItemId", "bill/BillingPeriodStartDate", "lineItem/UsageAccountId", "lineItem/LineItemType",
          "lineItem/ProductCode", "lineItem/CurrencyCode", "lineItem/UnblendedCost", "resourceTags/user:note"]
ROW = ["id1", "2024-11-01T00:00:00Z", "001234567890", "Usage", "AmazonEC2", "USD", "1.5", "ok"]


class Delivery:
    """A v1 export of one month that a test can break."""

    def __init__(self, folder):
        self.bucket = folder / "bucket"
        self.export = self.bucket / "cur" / "exp"
        self.month = self.export / "20241101-20241201"

    def write(self, version, files, **changes):
        folder = self.month / version
        folder.mkdir(parents=True)
        keys = []
        for name, data in files.items():
            if data is not None:
                (folder / name).write_bytes(data)
            keys.append(f"cur/exp/20241101-20241201/{version}/{name}")
        manifest = {"assemblyId": version, "account": "001234567890", "bucket": "bucket", "reportName": "exp",
                    "contentType": "text/csv", "compression": "GZIP", "reportKeys": keys, **changes}
        self.manifest(json.dumps(manifest))

    def manifest(self, text):
        self.month.mkdir(parents=True, exist_ok=True)
        (self.month / "exp-Manifest.json").write_text(text)


def csv(*rows, header=HEADER, end="\n"):
    return end.join([",".join(header), *[",".join(r) for r in rows], ""]).encode()


def row(**changes):
    return [changes.get(h.split("/")[1].split(":")[-1], v) for h, v in zip(HEADER, ROW)]


GOOD = gzip.compress(csv(ROW, row(LineItemId="id2", UnblendedCost="2.25")))


@pytest.fixture
def delivery(tmp_path):
    return Delivery(tmp_path)


def load(finops, delivery, status=0):
    return finops.run("aws", "import-cur", "--bucket", delivery.bucket, status=status)


def loaded(finops, sql="SELECT count(*), sum(line_item_unblended_cost)::VARCHAR FROM aws_billing.exp_2024_11"):
    with duckdb.connect(str(finops.database), read_only=True) as db:
        return db.sql(sql).fetchone()


def many(n):
    return csv(*[row(LineItemId=f"id{i}", note=f"a longer note {i} to fill the file") for i in range(n)])


def cut_between_rows():
    """A csv.gz whose deflate data ends cleanly after a row, without end mark, CRC and length."""
    import zlib
    text = many(400)
    half = text.index(b"\nid200") + 1
    c = zlib.compressobj(6, zlib.DEFLATED, 31)
    return c.compress(text[:half]) + c.flush(zlib.Z_SYNC_FLUSH)


def wrong_crc():
    data = bytearray(gzip.compress(many(50)))
    data[-6] ^= 0xFF
    return bytes(data)


def parquet(**columns):
    import io
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


BROKEN = {
    "a missing file": ({"exp-2.csv.gz": None}, ["exp-2.csv.gz"]),
    "a gzip cut in the middle": ({"exp-2.csv.gz": gzip.compress(many(400))[:700]}, ["exp-2.csv.gz"]),
    "a gzip cut between two rows": ({"exp-2.csv.gz": cut_between_rows()}, ["exp-2.csv.gz"]),
    "a gzip with a wrong checksum": ({"exp-2.csv.gz": wrong_crc()}, ["exp-2.csv.gz"]),
    "a file that is no gzip": ({"exp-2.csv.gz": b"PK\x03\x04 no gzip at all"}, ["exp-2.csv.gz"]),
    "bytes after the gzip": ({"exp-2.csv.gz": GOOD + b"garbage"}, ["exp-2.csv.gz"]),
    "an empty file": ({"exp-2.csv.gz": gzip.compress(b"")}, ["exp-2.csv.gz"]),
    "too many fields": ({"exp-2.csv.gz": gzip.compress(csv(ROW, ROW + ["more"]))}, ["exp-2.csv.gz", "line 3", "9 fields"]),
    "too few fields": ({"exp-2.csv.gz": gzip.compress(csv(ROW, ROW[:5], ROW))}, ["exp-2.csv.gz", "line 3", "5 fields"]),
    "a cost that is no number": ({"exp-2.csv.gz": gzip.compress(csv(ROW, row(UnblendedCost="1x5")))},
                                 ["exp-2.csv.gz", "line 3", "unblended", "1x5"]),
    "a time that is none": ({"exp-2.csv.gz": gzip.compress(csv(row(BillingPeriodStartDate="2024-13-01T00:00:00Z")))},
                            ["exp-2.csv.gz", "line 2"]),
    "invalid UTF-8": ({"exp-2.csv.gz": gzip.compress(csv(ROW, ROW).replace(b",ok\n", b",caf\xe9\n"))},
                      ["exp-2.csv.gz", "UTF-8", "line 2"]),
    "an open quote": ({"exp-2.csv.gz": gzip.compress(csv(ROW, row(note='"never closed')))}, ["exp-2.csv.gz"]),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_file_is_named_and_the_month_stays(finops, delivery, what):
    files, words = BROKEN[what]
    delivery.write("v1", {"exp-1.csv.gz": GOOD})
    load(finops, delivery)
    before = loaded(finops)
    delivery.write("v2", {"exp-1.csv.gz": GOOD, **files})
    done = load(finops, delivery, status=1)
    for word in words:
        assert word.lower() in done.stderr.lower(), f"{what}: {word!r} is not said: {done.stderr}"
    assert loaded(finops) == before
    state = {r["version_id"]: r for r in finops.rows("aws", "show-state", "--history")}
    assert state["v1"]["current_version"] and state["v1"]["load_completed"]
    assert not state["v2"]["current_version"] and "exp-2.csv.gz" in state["v2"]["error_message"]


def test_the_first_load_of_a_broken_month_leaves_no_table(finops, delivery):
    delivery.write("v1", {"exp-1.csv.gz": GOOD, "exp-2.csv.gz": GOOD[:-4]})
    load(finops, delivery, status=1)
    assert loaded(finops, "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'aws_billing'") == (0,)


@pytest.mark.parametrize("data,what", [(b"PAR1", "short"), (b"no parquet", "text"), (None, "missing")])
def test_a_broken_parquet_file_is_named(finops, delivery, data, what):
    good = parquet(line_item_unblended_cost=[1.5], bill_billing_period_start_date=["2024-11-01T00:00:00Z"])
    delivery.write("v1", {"exp-1.snappy.parquet": good}, contentType="Parquet")
    load(finops, delivery)
    broken = good[:-20] if what == "short" else data
    delivery.write("v2", {"exp-1.snappy.parquet": good, "exp-2.snappy.parquet": broken}, contentType="Parquet")
    done = load(finops, delivery, status=1)
    assert "exp-2.snappy.parquet" in done.stderr and "SELECT" not in done.stderr
    assert loaded(finops) == (1, "1.500000000000000000")


@pytest.mark.parametrize("text,word", [
    ("this is no JSON", "not JSON"), ("[]", "not a JSON object"), ("{}", "assemblyId"),
    ('{"assemblyId": "v2", "reportKeys": []}', "no files"),
    ('{"assemblyId": "v2", "reportKeys": ["cur/exp/../../../etc/passwd"]}', "not plain"),
    ('{"assemblyId": "v2", "reportKeys": ["file:///etc/passwd"]}', "file:///etc/passwd"),
    ('{"assemblyId": "v2", "reportKeys": ["cur/other/x.csv"]}', "outside"),
    ('{"assemblyId": "v2", "reportKeys": ["cur/exp/a\\nb.csv"]}', "control"),
])
def test_a_broken_manifest_is_named_and_the_month_stays(finops, delivery, text, word):
    delivery.write("v1", {"exp-1.csv.gz": GOOD})
    load(finops, delivery)
    before = loaded(finops)
    delivery.manifest(text)
    done = load(finops, delivery, status=1)
    assert "exp-Manifest.json" in done.stderr and word in done.stderr
    assert loaded(finops) == before


def test_a_month_with_rows_is_not_replaced_by_one_without_unless_forced(finops, delivery):
    delivery.write("v1", {"exp-1.csv.gz": GOOD})
    load(finops, delivery)
    delivery.write("v2", {"exp-1.csv.gz": gzip.compress(csv())})
    assert "--force" in load(finops, delivery, status=1).stderr
    assert loaded(finops)[0] == 2
    finops.run("aws", "import-cur", "--bucket", delivery.bucket, "--force")
    assert loaded(finops)[0] == 0


def test_files_without_rows_quoted_newlines_and_600_columns_are_normal(finops, delivery):
    header = HEADER + [f"resourceTags/user:tag{i}" for i in range(592)]
    wide = csv(ROW + [f"v{i}" for i in range(592)], header=header)
    odd = csv(row(note='"two\nlines, ""quoted"""'), end="\r\n")
    delivery.write("v1", {"exp-1.csv.gz": gzip.compress(wide), "exp-2.csv.gz": gzip.compress(csv()),
                          "exp-3.csv.gz": gzip.compress(odd), "exp-4.csv.gz": gzip.compress(csv(ROW)[:-1])})
    load(finops, delivery)
    assert loaded(finops) == (3, "4.500000000000000000")
    assert loaded(finops, "SELECT resource_tags_user_note, resource_tags_user_tag591 FROM aws_billing.exp_2024_11 "
                          "WHERE resource_tags_user_note LIKE 'two%'") == ('two\nlines, "quoted"', None)


def test_several_gzip_members_and_comments_in_headers_are_normal(finops, delivery):
    text = many(10)
    cut = text.index(b"\nid5") + 1
    first = bytearray(gzip.compress(text[:cut]))
    first[3] |= 16  # FCOMMENT
    commented = bytes(first[:10]) + b"made by a tool\0" + bytes(first[10:])
    delivery.write("v1", {"exp-1.csv.gz": commented + gzip.compress(text[cut:])})
    load(finops, delivery)
    assert loaded(finops)[0] == 10


def test_two_headers_of_one_name_keep_both_values(finops, delivery):
    header = HEADER + ["resourceTags/user:Cost Center", "resourceTags/user:cost-center"]
    delivery.write("v1", {"exp-1.csv.gz": gzip.compress(csv(ROW + ["first", "second"], header=header))})
    done = load(finops, delivery)
    assert "resourceTags/user:cost-center" in done.stderr
    import hashlib
    other = "resource_tags_user_cost_center_" + hashlib.sha256(b"resourceTags/user:cost-center").hexdigest()[:6]
    assert loaded(finops, f"SELECT resource_tags_user_cost_center, {other} FROM aws_billing.exp_unified") == ("first", "second")


def test_identifiers_and_tags_keep_their_zeros_and_money_its_digits(finops, delivery):
    delivery.write("v1", {"exp-1.csv.gz": gzip.compress(csv(
        row(note="00123", UnblendedCost="0.000000000000000001"), row(note="1e5", UnblendedCost="1E-7"),
        row(note="2024-01-01", UnblendedCost="12345678901234567890.123456789012345678"),
        row(note="true", UnblendedCost="0.0000000000000000005")))})
    done = load(finops, delivery)
    assert "rounded" in done.stderr
    with duckdb.connect(str(finops.database), read_only=True) as db:
        got = db.sql("SELECT resource_tags_user_note, line_item_unblended_cost::VARCHAR, line_item_usage_account_id "
                     "FROM aws_billing.exp_2024_11 ORDER BY 1").fetchall()
    assert got == [("00123", "0.000000000000000001", "001234567890"), ("1e5", "0.000000100000000000", "001234567890"),
                   ("2024-01-01", "12345678901234567890.123456789012345678", "001234567890"),
                   ("true", "0.000000000000000001", "001234567890")]


def test_a_double_becomes_its_shortest_decimal(finops, delivery):
    values = [890123.4567891234, 0.1, 1e-7, -2.5, 123456789.123456789, 5e-324]
    delivery.write("v1", {"exp-1.snappy.parquet": parquet(
        line_item_unblended_cost=values, identity_line_item_id=[str(i) for i in range(6)])}, contentType="Parquet")
    load(finops, delivery)
    with duckdb.connect(str(finops.database), read_only=True) as db:
        got = [r[0] for r in db.sql("SELECT line_item_unblended_cost FROM aws_billing.exp_2024_11 "
                                    "ORDER BY identity_line_item_id").fetchall()]
    from decimal import Decimal
    assert got == [Decimal(repr(v)).quantize(Decimal("1e-18")) for v in values]


def test_columns_may_come_go_move_and_change_type(finops, delivery):
    files = {
        "exp-1.snappy.parquet": parquet(line_item_unblended_cost=[1.5], line_item_product_code=["A"], line_item_usage_account_id=["01"]),
        "exp-2.snappy.parquet": parquet(line_item_usage_account_id=pa.array([17], pa.int64()), line_item_unblended_cost=["2.5"],
                                        product_region=["eu"]),
        "exp-3.snappy.parquet": parquet(line_item_product_code=["B"], line_item_unblended_cost=pa.array([3], pa.int32())),
    }
    delivery.write("v1", files, contentType="Parquet")
    load(finops, delivery)
    with duckdb.connect(str(finops.database), read_only=True) as db:
        got = db.sql("SELECT line_item_unblended_cost::VARCHAR, line_item_product_code, line_item_usage_account_id, product_region "
                     "FROM aws_billing.exp_unified ORDER BY 1").fetchall()
    assert got == [("1.500000000000000000", "A", "01", None), ("2.500000000000000000", None, "000000000017", "eu"),
                   ("3.000000000000000000", "B", None, None)]


def test_currencies_are_reported_and_never_summed_together(finops, delivery):
    delivery.write("v1", {"exp-1.csv.gz": gzip.compress(csv(ROW, row(CurrencyCode="EUR", UnblendedCost="7")))})
    rows = finops.rows("aws", "import-cur", "--bucket", delivery.bucket)
    assert rows[0]["total_cost"] == "7 EUR, 1.5 USD"
    state = finops.rows("aws", "show-state")[0]
    assert state["total_cost"] is None and state["currency"] == "EUR,USD"


def test_a_path_that_is_missing_is_an_error_with_advice(finops):
    done = finops.run("aws", "import-cur", "--bucket", "./nowhere", status=1)
    assert "nowhere" in done.stderr
    done = finops.run("aws", "import-cur", status=2)
    assert "--bucket" in done.stderr
    assert not pathlib.Path(finops.database).exists()
