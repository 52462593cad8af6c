"""finops report: every figure is added up a second time by another program."""
import shutil
import time
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
VIEW = "aws_billing.sample_cur_unified"


def query(finops, sql):
    with duckdb.connect(str(finops.database), read_only=True) as db:
        return db.sql(sql).fetchall()


def costs(rows, key):
    return {row[key]: Decimal(str(row["cost"])) for row in rows}


def line(**columns):
    """One line of a CUR bill; the values are SQL."""
    return {
        "identity_line_item_id": "'x'", "bill_payer_account_id": "'000000000001'",
        "bill_billing_period_start_date": "TIMESTAMP '2026-01-01'", "line_item_usage_account_id": "'000000000001'",
        "line_item_line_item_type": "'Usage'", "line_item_usage_start_date": "TIMESTAMP '2026-01-15'",
        "line_item_product_code": "'AmazonEC2'", "line_item_currency_code": "'USD'",
        "line_item_unblended_cost": "CAST(1 AS DOUBLE)", **columns}


DIMENSIONS = {
    "service": "line_item_product_code", "account": "line_item_usage_account_id", "usage_type": "line_item_usage_type",
    "line_item_type": "line_item_line_item_type", "region": "nullif(product_region_code, '')",
    "day": "strftime(line_item_usage_start_date, '%Y-%m-%d')",
}


@pytest.mark.parametrize("by", DIMENSIONS)
def test_a_month_by_each_dimension_has_the_sums_of_the_view(loaded, by):
    rows = loaded.rows("report", "--by", by, "--period", "2026-06")
    want = query(loaded, f"SELECT {DIMENSIONS[by]}, sum(line_item_unblended_cost), count(*) FROM {VIEW} "
                         "WHERE billing_period = '2026-06' GROUP BY 1")
    assert costs(rows, by) == {key: cost for key, cost, _ in want}
    assert {r[by]: r["lines"] for r in rows} == {key: lines for key, _, lines in want}
    assert {(r["currency"], r["period"]) for r in rows} == {("USD", "2026-06")}


def test_the_newest_month_is_the_default_and_the_largest_cost_comes_first(loaded):
    rows = loaded.rows("report")
    assert {r["period"] for r in rows} == {"2026-07"}
    amounts = [Decimal(str(r["cost"])) for r in rows]
    assert amounts == sorted(amounts, reverse=True)


@pytest.mark.parametrize("model, sql", [
    ("unblended", "sum(line_item_unblended_cost)"),
    ("net", "sum(coalesce(line_item_net_unblended_cost, line_item_unblended_cost))"), ("amortized", AMORTIZED)])
def test_each_cost_model_by_month_is_exact(loaded, model, sql):
    columns = {c for c, in query(loaded, f"SELECT column_name FROM (DESCRIBE {VIEW})")}
    if "line_item_net_unblended_cost" not in columns and model == "net":
        sql = "sum(line_item_unblended_cost)"
    rows = loaded.rows("report", "--by", "month", "--cost", model)
    assert costs(rows, "month") == dict(query(loaded, f"SELECT billing_period, {sql} FROM {VIEW} GROUP BY 1"))
    assert [r["month"] for r in rows] == ["2026-05", "2026-06", "2026-07"]


def test_compare_shows_the_month_before_and_the_change(loaded):
    rows = loaded.rows("report", "--period", "2026-06", "--compare")
    before = dict(query(loaded, f"SELECT line_item_product_code, sum(line_item_unblended_cost) FROM {VIEW} "
                                "WHERE billing_period = '2026-05' GROUP BY 1"))
    for row in rows:
        old = before.pop(row["service"], None)
        assert row["previous_cost"] is None if old is None else Decimal(str(row["previous_cost"])) == old
        assert Decimal(str(row["change"])) == Decimal(str(row["cost"])) - (old or 0)
    assert not before


def test_months_and_days_are_compared_with_those_one_month_earlier(loaded):
    months = loaded.rows("report", "--by", "month", "--compare")
    assert months[0]["previous_cost"] is None
    assert [m["previous_cost"] for m in months[1:]] == [m["cost"] for m in months[:-1]]
    days = loaded.rows("report", "--by", "day", "--period", "2026-06", "--compare")
    earlier = costs(loaded.rows("report", "--by", "day", "--period", "2026-05"), "day")
    assert sum(Decimal(str(d["previous_cost"] or 0)) for d in days) == sum(earlier.values())
    by_day = {d["day"]: d for d in days}
    assert Decimal(str(by_day["2026-06-30"]["previous_cost"])) == earlier["2026-05-30"]
    assert Decimal(str(by_day["2026-05-31"]["cost"])) == 0  # June has none to put it beside


def test_a_stretch_of_months_is_compared_with_as_many_before(loaded):
    rows = loaded.rows("report", "--period", "2026-06..2026-07", "--by", "account", "--compare")
    want = dict(query(loaded, f"SELECT line_item_usage_account_id, sum(line_item_unblended_cost) FROM {VIEW} "
                              "WHERE billing_period >= '2026-06' GROUP BY 1"))
    assert costs(rows, "account") == want
    before = dict(query(loaded, f"SELECT line_item_usage_account_id, sum(line_item_unblended_cost) FROM {VIEW} "
                                "WHERE billing_period = '2026-05' GROUP BY 1"))
    assert {r["account"]: Decimal(str(r["previous_cost"])) for r in rows if r["previous_cost"] is not None} == before


def test_line_item_types_can_be_left_out(loaded):
    rows = loaded.rows("report", "--exclude", "tax,Credit", "--exclude", "refund", "--by", "line_item_type")
    want = query(loaded, f"SELECT line_item_line_item_type, sum(line_item_unblended_cost) FROM {VIEW} WHERE billing_period = "
                         "'2026-07' AND line_item_line_item_type NOT IN ('Tax', 'Credit', 'Refund') GROUP BY 1")
    assert costs(rows, "line_item_type") == dict(want)


def test_accounts_can_be_chosen(loaded):
    accounts = [r["account"] for r in loaded.rows("report", "--by", "account")]
    chosen = loaded.rows("report", "--by", "account", "--account", accounts[0], "--account", accounts[1])
    assert [r["account"] for r in chosen] == accounts[:2]


def test_the_top_and_the_rest_add_up_to_everything(loaded):
    everything = loaded.rows("report", "--by", "usage_type")
    top = loaded.rows("report", "--by", "usage_type", "--top", 3)
    assert top[:3] == everything[:3] and len(top) == 4 and top[3]["usage_type"] == "(others)"
    assert sum(costs(top, "usage_type").values()) == sum(Decimal(str(r["cost"])) for r in everything)


@pytest.mark.parametrize("written", ["team", "user:team", "user_team", "Team"])
def test_a_tag_is_found_as_people_write_it(loaded, written):
    keys = [k for k, in query(loaded, f"SELECT DISTINCT unnest(map_keys(resource_tags)) FROM {VIEW} ORDER BY 1")]
    assert "user_team" in keys, keys
    rows = loaded.rows("report", "--by", f"tag:{written}")
    want = dict(query(loaded, f"SELECT nullif(resource_tags['user_team'], ''), sum(line_item_unblended_cost) FROM {VIEW} "
                              "WHERE billing_period = '2026-07' GROUP BY 1"))
    assert costs(rows, "tag") == want
    assert None in want  # lines without the tag are there, too


def test_an_unknown_tag_names_the_nearest(loaded):
    done = loaded.run("report", "--by", "tag:taem", status=2)
    assert "no bill has the tag taem" in done.stderr and "did you mean tag:team" in done.stderr


@pytest.mark.parametrize("flags, message", [
    (["--by", "servise"], "did you mean service"), (["--by", "tag:"], "tag:"), (["--exclude", "credits"], "did you mean credit"),
    (["--period", "2026-13"], "YYYY-MM"), (["--period", "2026-07..2026-05"], "YYYY-MM"),
    (["--period", "2026-05...2026-06"], "YYYY-MM")])
def test_what_cannot_be_meant_is_refused_with_advice(loaded, flags, message):
    done = loaded.run("report", *flags, status=2)
    assert message in done.stderr and not done.stdout


def test_a_month_that_is_not_loaded_says_which_are(loaded):
    done = loaded.run("report", "--period", "2024-01", status=1)
    assert "no bill of 2024-01 is loaded" in done.stderr and "2026-05 to 2026-07" in done.stderr
    assert "no month of export other" in loaded.run("report", "--export-name", "other", status=1).stderr


def test_without_a_database_the_next_step_is_named(finops):
    assert "import-cur" in finops.run("report", status=1).stderr
    assert not finops.database.exists()


def test_the_table_has_bars_shares_a_total_and_readable_money(loaded):
    text = loaded.run("report", "--by", "service", "--compare").stdout
    first, heads, *lines = text.splitlines()
    assert first == "USD 2026-07, unblended cost by service"
    assert heads.split() == ["service", "cost", "share", "before", "change", "%"]
    assert lines[-1].split()[0] == "total" and "100.0%" in lines[-1]
    total = Decimal(lines[-1].split()[1].replace(",", ""))
    exact = sum(costs(loaded.rows("report"), "service").values())
    assert abs(total - exact) < Decimal("0.005") + Decimal("1e-9")
    bars = set("█▉▊▋▌▍▎▏░")
    assert all(bars & set(words) or " 0.00 " in words for words in lines[:-1])


def test_tiny_amounts_never_look_like_nothing_and_stay_exact_for_programs(finops, parquet_bill):
    bill = parquet_bill("tiny.parquet", [
        line(line_item_product_code="'tiny'", line_item_unblended_cost="CAST(0.0000000012 AS DOUBLE)"),
        line(line_item_product_code="'minus'", line_item_unblended_cost="CAST(-0.003 AS DOUBLE)"),
        line(line_item_product_code="'large'", line_item_unblended_cost="CAST(1234567.891 AS DOUBLE)"),
        line(line_item_product_code="'none'", line_item_unblended_cost="CAST(0 AS DOUBLE)")])
    finops.run("aws", "import-cur", "--file", bill, "--export-name", "tiny")
    cells = {words[0]: words[1] for words in map(str.split, finops.run("report").stdout.splitlines()[2:])}
    assert cells == {"tiny": "<0.01", "minus": ">-0.01", "large": "1,234,567.89", "none": "0.00", "total": "1,234,567.89"}
    assert finops.rows("report")[1]["cost"] == "0.0000000012"
    assert "0.0000000012" in finops.run("report", "--format", "csv").stdout


def test_currencies_are_never_added_to_one_another(finops, parquet_bill):
    bill = parquet_bill("two.parquet", [
        line(), line(line_item_currency_code="'EUR'", line_item_unblended_cost="CAST(5 AS DOUBLE)"),
        line(line_item_currency_code="'EUR'", line_item_product_code="'AmazonS3'", line_item_unblended_cost="CAST(2 AS DOUBLE)")])
    finops.run("aws", "import-cur", "--file", bill, "--export-name", "two")
    rows = finops.rows("report")
    assert [(r["currency"], r["service"], r["cost"]) for r in rows] == [
        ("EUR", "AmazonEC2", 5), ("EUR", "AmazonS3", 2), ("USD", "AmazonEC2", 1)]
    text = finops.run("report").stdout
    assert "EUR 2026-01" in text and "USD 2026-01" in text
    assert [words.split()[1] for words in text.splitlines() if words.startswith("total")] == ["7.00", "1.00"]


def test_keys_that_differ_by_case_are_told_apart_when_written_so(finops, tmp_path):
    bill = tmp_path / "case.csv"  # by hand: the other program would rename the second column
    bill.write_text(
        "bill/BillingPeriodStartDate,lineItem/UsageAccountId,lineItem/CurrencyCode,lineItem/UnblendedCost,"
        "resourceTags/user:Team,resourceTags/user:team\n2026-01-01T00:00:00Z,000000000001,USD,1,upper,lower\n")
    finops.run("aws", "import-cur", "--file", bill, "--export-name", "case")
    assert finops.rows("report", "--by", "tag:Team")[0]["tag"] == "upper"
    assert finops.rows("report", "--by", "tag:team")[0]["tag"] == "lower"


def test_a_bill_delivered_twice_is_warned_about(finops, parquet_bill):
    finops.run("aws", "import-cur", "--file", parquet_bill("a.parquet", [line()]), "--export-name", "first")
    finops.run("aws", "import-cur", "--file", parquet_bill("b.parquet", [line()]), "--export-name", "second")
    done = finops.run("report")
    assert "000000000001" in done.stderr and "first, second" in done.stderr and "--export-name" in done.stderr
    assert finops.rows("report")[0]["cost"] == 2
    assert {r["export"]: r["cost"] for r in finops.rows("report", "--by", "export")} == {"first": 1, "second": 1}
    only = finops.run("report", "--export-name", "first")
    assert "warning" not in only.stderr


def test_exports_of_different_payers_are_added_without_a_word(finops, parquet_bill):
    finops.run("aws", "import-cur", "--file", parquet_bill("a.parquet", [line()]), "--export-name", "first")
    other = parquet_bill("b.parquet", [line(bill_payer_account_id="'000000000002'")])
    finops.run("aws", "import-cur", "--file", other, "--export-name", "second")
    done = finops.run("report")
    assert "warning" not in done.stderr
    assert finops.rows("report")[0]["cost"] == 2


def test_a_database_of_the_earlier_tool_is_reported_as_it_is(finops, shared):
    finops.database.parent.mkdir()
    shutil.copy(shared / "legacy" / "finops.duckdb", finops.database)
    before = finops.database.read_bytes()
    rows = finops.rows("report", "--by", "month")
    assert [(r["month"], r["lines"]) for r in rows] == [("2025-01", 3000), ("2025-02", 3000)]
    assert round(sum(costs(rows, "month").values()), 4) == Decimal("218146.0054")
    assert finops.rows("report", "--by", "tag:environment")
    assert sum(r["lines"] for r in finops.rows("report", "--by", "account", "--period", "2025-02")) == 3000
    assert finops.rows("report", "--cost", "amortized")
    assert finops.database.read_bytes() == before


@pytest.mark.parametrize("bucket, prefix, account, kind", [
    ("aws-cur-v1/acme-billing", "cur/acme", "111122223333", "cur-v1-csv"),
    ("aws-cur-v2/globex-finance", "exports", "888877776666", "cur-v2-parquet")])
def test_the_example_bills_have_the_expected_figures(finops, shared, expected, bucket, prefix, account, kind):
    export = "acme-cur-hourly" if account == "111122223333" else "globex-cur2"
    finops.run("aws", "import-cur", "--bucket", shared / bucket, "--prefix", prefix, "--export-name", export)
    months = {m: v for m, v in expected["aws"][account][kind].items() if m != "superseded"}
    for model in ("unblended", "amortized"):
        rows = finops.rows("report", "--by", "month", "--cost", model)
        assert costs(rows, "month") == {m: Decimal(v[model]) for m, v in months.items()}
    for month, want in months.items():
        for by in ("service", "account", "line_item_type", "day"):
            got = costs(finops.rows("report", "--by", by, "--period", month), by)
            assert got == {k: Decimal(v["unblended"]) for k, v in want["by_" + by].items()}, (month, by)


def test_a_focus_bill_by_service_tag_and_category(finops, shared, expected):
    name = "focus-1.2-aws/focus-1.2.snappy.parquet"
    finops.run("aws", "import-cur", "--file", shared / name, "--export-name", "focus")
    want = expected["focus_fixture"][name]
    billed, effective = (costs(finops.rows("report", "--by", "month", "--cost", m), "month") for m in ("unblended", "amortized"))
    assert list(billed.values()) == [Decimal(want["billed"])] and list(effective.values()) == [Decimal(want["effective"])]
    types = {r["line_item_type"] for r in finops.rows("report", "--by", "line_item_type", "--exclude", "tax,credit")}
    assert types == {"Purchase", "Usage"}
    tags = finops.run("report", "--by", "tag:nothing-like-it", status=2).stderr
    key = tags.split("there are: ")[1].split(",")[0].strip()
    assert len(finops.rows("report", "--by", f"tag:{key}")) > 1


def test_a_report_answers_while_an_import_runs(finops, sample, tmp_path):
    finops.run("aws", "import-cur", "--bucket", sample / "sample-billing")
    finops.run("sample", "--out", tmp_path / "large", "--rows", 60000, "--months", 3, "--export-name", "large", "--start", "2025-01")
    running = finops.start("aws", "import-cur", "--bucket", tmp_path / "large" / "sample-billing", "--quiet")
    answers = 0
    while running.poll() is None:
        done = finops.run("report", "--export-name", "sample-cur", "--by", "month", "--format", "csv", status=None)
        if running.poll() is None:  # the writer's last moment has tests of its own
            assert done.returncode == 0 and "2026-05" in done.stdout, done.stderr
            answers += 1
        time.sleep(0.05)
    assert running.returncode == 0 and answers > 0
