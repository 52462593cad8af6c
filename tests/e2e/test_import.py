"""finops aws import-cur against real and realistic bills: every sum is checked by another program."""
from decimal import Decimal

import duckdb
import pytest

AMORTIZED = """sum(CASE line_item_line_item_type
  WHEN 'SavingsPlanCoveredUsage' THEN coalesce(savings_plan_savings_plan_effective_cost, 0)
  WHEN 'SavingsPlanRecurringFee' THEN coalesce(savings_plan_total_commitment_to_date, 0) - coalesce(savings_plan_used_commitment, 0)
  WHEN 'SavingsPlanNegation' THEN 0 WHEN 'SavingsPlanUpfrontFee' THEN 0
  WHEN 'DiscountedUsage' THEN coalesce(reservation_effective_cost, 0)
  WHEN 'RIFee' THEN coalesce(reservation_unused_amortized_upfront_fee_for_billing_period, 0) + coalesce(reservation_unused_recurring_fee, 0)
  WHEN 'Fee' THEN CASE WHEN coalesce(reservation_reservation_a_r_n, '') <> '' THEN 0 ELSE line_item_unblended_cost END
  ELSE line_item_unblended_cost END)"""


def query(path, sql):
    with duckdb.connect(str(path), read_only=True) as db:
        return db.sql(sql).fetchall()


def month_totals(path, table):
    return query(path, f"SELECT count(*), sum(line_item_unblended_cost) FROM aws_billing.{table}")[0]


def check_month(path, table, want):
    rows, cost = month_totals(path, table)
    assert (rows, cost) == (want["rows"], Decimal(want["unblended"]))
    amortized = query(path, f"SELECT {AMORTIZED} FROM aws_billing.{table}")[0][0]
    assert amortized == Decimal(want["amortized"])
    for group, column in (("by_service", "line_item_product_code"), ("by_account", "line_item_usage_account_id"),
                          ("by_line_item_type", "line_item_line_item_type")):
        got = {k: (n, c) for k, n, c in query(
            path, f"SELECT {column}, count(*), sum(line_item_unblended_cost) FROM aws_billing.{table} GROUP BY 1")}
        assert got == {k: (v["rows"], Decimal(v["unblended"])) for k, v in want[group].items()}


CASES = [
    ("aws-cur-v1/acme-billing", "cur/acme", "acme-cur-hourly", "acme_cur_hourly", "111122223333", "cur-v1-csv"),
    ("aws-cur-v1/globex-finance", "exports", "globex-cur", "globex_cur", "888877776666", "cur-v1-csv"),
    ("aws-cur-v1/globex-finance", "exports", "globex-cur-parquet", "globex_cur_parquet", "888877776666", "cur-v1-parquet"),
    ("aws-cur-v2/acme-billing", "cur/acme", "acme-cur2", "acme_cur2", "111122223333", "cur-v2-parquet"),
    ("aws-cur-v2/acme-billing", "cur/acme", "acme-cur2-versions", "acme_cur2_versions", "111122223333", "cur-v2-versions"),
    ("aws-cur-v2/globex-finance", "exports", "globex-cur2", "globex_cur2", "888877776666", "cur-v2-parquet"),
    ("aws-cur-v2/globex-finance", "exports", "globex-cur2-csv", "globex_cur2_csv", "888877776666", "cur-v2-csv"),
]


@pytest.mark.parametrize("bucket,prefix,export,base,account,kind", CASES, ids=[c[2] for c in CASES])
@pytest.mark.parametrize("strategy", ["separate", "single"])
def test_every_month_has_the_expected_sums(finops, shared, expected, bucket, prefix, export, base, account, kind, strategy):
    finops.run("aws", "import-cur", "--bucket", shared / bucket, "--prefix", prefix, "--export-name", export,
               "--table-strategy", strategy)
    months = {m: v for m, v in expected["aws"][account][kind].items() if m != "superseded"}
    assert months
    for month, want in months.items():
        table = f"{base}_{month.replace('-', '_')}" if strategy == "separate" else \
            f"{base} WHERE billing_period = '{month}'"
        if strategy == "separate":
            check_month(finops.database, table, want)
        else:
            rows, cost = month_totals(finops.database, table)
            assert (rows, cost) == (want["rows"], Decimal(want["unblended"]))
        got = query(finops.database, f"SELECT count(*), sum(line_item_unblended_cost) FROM aws_billing.{base}_unified "
                                     f"WHERE billing_period = '{month}'")[0]
        assert got == (want["rows"], Decimal(want["unblended"]))
    ledger = query(finops.database, "SELECT billing_period, sum(row_count), sum(unblended), sum(amortized) FROM "
                                    "billing_state.ledger GROUP BY 1 ORDER BY 1")
    assert ledger == [(m, v["rows"], Decimal(v["unblended"]), Decimal(v["amortized"])) for m, v in sorted(months.items())]


def test_all_exports_of_a_bucket_come_without_a_name(finops, shared):
    rows = finops.rows("aws", "import-cur", "--bucket", shared / "aws-cur-v2" / "acme-billing")
    assert {r["export_name"] for r in rows} == {"acme-cur2", "acme-cur2-versions"}
    assert {r["action"] for r in rows} == {"load"}
    again = finops.rows("aws", "import-cur", "--bucket", shared / "aws-cur-v2" / "acme-billing")
    assert {r["action"] for r in again} == {"current"}


def test_reports_of_the_koku_bucket_load_with_and_without_prefix(finops, shared, expected):
    finops.run("aws", "import-cur", "--bucket", shared / "aws-cur-koku" / "bucket")
    for table, name in (("koku_local_2018_08", "koku-local-1"), ("my_report_2018_08", "my-report-1")):
        sample = next(v for k, v in expected["public_samples"].items() if k.endswith(name + ".csv.gz"))
        got = query(finops.database, f"SELECT line_item_product_code, count(*), sum(line_item_unblended_cost) FROM "
                                     f"aws_billing.{table} GROUP BY 1 ORDER BY 1")
        assert got == [(r["service"], r["n"], Decimal(r["unblended"])) for r in sample]


def test_a_bare_report_file_loads_by_path(finops, shared, expected):
    path = shared / "aws-cur-anonymised" / "sample-anonymous-aws-export-dataset.csv"
    finops.run("aws", "import-cur", "--file", path, "--export-name", "anon")
    sample = expected["public_samples"]["aws-cur-anonymised/sample-anonymous-aws-export-dataset.csv"]
    got = query(finops.database, "SELECT line_item_product_code, count(*), sum(line_item_unblended_cost) FROM "
                                 "aws_billing.anon_2023_11 GROUP BY 1 ORDER BY 1")
    assert got == [(r["service"], r["n"], Decimal(r["unblended"])) for r in sample]


def test_a_focus_sample_splits_into_its_months(finops, shared, expected):
    finops.run("aws", "import-cur", "--file", shared / "focus-sample-1.0" / "focus_sample.csv", "--export-name", "focus")
    sample = expected["public_samples"]["focus-sample-1.0/focus_sample.csv"]
    got = query(finops.database, "SELECT provider_name, billing_period, billing_currency, count(*), sum(billed_cost), "
                                 "sum(effective_cost), sum(list_cost) FROM aws_billing.focus_unified GROUP BY 1, 2, 3 ORDER BY 1, 2")
    assert got == [(r["ProviderName"], r["billing_month"], r["BillingCurrency"], r["n"], Decimal(r["billed"]),
                    Decimal(r["effective"]), Decimal(r["list"])) for r in sample]


@pytest.mark.parametrize("name", ["focus-1.1.csv.gz", "focus-1.2.csv.gz", "focus-1.2.snappy.parquet"])
def test_focus_fixtures_have_their_totals(finops, shared, name):
    finops.run("aws", "import-cur", "--file", shared / "focus-1.2-aws" / name, "--export-name", "focus")
    got = query(finops.database, "SELECT count(*), sum(billed_cost), sum(effective_cost) FROM aws_billing.focus_unified")[0]
    assert got == (388, Decimal("5556.2343426114"), Decimal("760.9590549402"))


def test_text_stays_text(finops, shared):
    finops.run("aws", "import-cur", "--bucket", shared / "aws-cur-v1" / "globex-finance", "--export-name", "globex-cur")
    types = dict(query(finops.database, "SELECT column_name, data_type FROM information_schema.columns "
                                        "WHERE table_name = 'globex_cur_2024_10'"))
    assert types["bill_payer_account_id"] == types["line_item_usage_account_id"] == "VARCHAR"
    assert {t for c, t in types.items() if c.startswith("resource_tags")} == {"VARCHAR"}
    assert types["line_item_unblended_cost"] == types["line_item_unblended_rate"] == "DECIMAL(38,18)"
    assert types["line_item_usage_start_date"] == "TIMESTAMP"


def test_maps_stay_nested_and_are_columns_too(finops, shared):
    finops.run("aws", "import-cur", "--bucket", shared / "aws-cur-v2" / "globex-finance")
    for base in ("globex_cur2", "globex_cur2_csv"):
        nested, flat = query(finops.database, f"""
            SELECT count(*) FILTER (resource_tags['user_environment'] IS NOT NULL),
                   count(*) FILTER (resource_tags_user_environment = resource_tags['user_environment'])
            FROM aws_billing.{base}_unified""")[0]
        assert nested == flat > 0


def test_a_database_of_the_earlier_tool_takes_new_months(finops, shared):
    finops.database.parent.mkdir()
    finops.database.write_bytes((shared / "legacy" / "finops.duckdb").read_bytes())
    state = finops.rows("aws", "show-state")
    assert [r["billing_period"] for r in state] == ["2025-01", "2025-02"]
    sample = shared / "aws-cur-anonymised" / "sample-anonymous-aws-export-dataset.csv"
    finops.run("aws", "import-cur", "--file", sample, "--export-name", "legacy-cur")
    rows, cost = query(finops.database, "SELECT count(*), sum(line_item_unblended_cost) FROM aws_billing.legacy_cur_unified")[0]
    added = query(finops.database, "SELECT sum(line_item_unblended_cost) FROM aws_billing.legacy_cur_2023_11")[0][0]
    assert rows == 6000 + 1281
    assert round(cost - added, 4) == Decimal("218146.0054")
    assert query(finops.database, "SELECT DISTINCT typeof(line_item_unblended_cost), typeof(bill_payer_account_id) "
                                  "FROM aws_billing.legacy_cur_unified") == [("DECIMAL(38,18)", "VARCHAR")]
    assert query(finops.database, "SELECT count(*) FROM aws_billing._dlt_loads")[0][0] > 0
