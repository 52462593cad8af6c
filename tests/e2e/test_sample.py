"""finops sample, from outside: its bills read back by other programs, and added up again."""

import csv
import gzip
import hashlib
import json
import os
import pathlib
import subprocess
from collections import defaultdict
from decimal import Decimal

import duckdb
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FINOPS = os.environ.get("FINOPS_PROGRAM") or str(ROOT / "build/finops")
LAYOUTS = [("v1", "csv"), ("v1", "parquet"), ("v2", "csv"), ("v2", "parquet")]
LINE_TYPES = {
    "Usage", "Tax", "Fee", "Credit", "Refund", "RIFee", "DiscountedUsage", "SavingsPlanCoveredUsage", "SavingsPlanNegation",
    "SavingsPlanRecurringFee", "SavingsPlanUpfrontFee", "EdpDiscount",
}  # fmt: skip
layouts = pytest.mark.parametrize("version, fmt", LAYOUTS, ids=["-".join(x) for x in LAYOUTS])


def sample(out, *flags, ok=True):
    done = subprocess.run([FINOPS, "sample", "--out", str(out), *map(str, flags)], capture_output=True, text=True, timeout=120)
    assert (done.returncode == 0) == ok, done.stderr
    return done


def small(out, version, fmt, *flags):
    sample(out, "--rows", 3000, "--months", 3, "--accounts", 4, "--seed", 7, "--start", "2026-05", "--cur-version", version,
           "--format", fmt, *flags)  # fmt: skip
    return json.loads((out / "expected.json").read_text())


def snake(name):
    out = ""
    for ch in name:
        if not ch.isalnum():
            out += "" if out.endswith("_") else "_"
        else:
            out += ("_" if ch.isupper() and out and not out.endswith("_") else "") + ch.lower()
    return out


def rows_of(bucket, files):
    """Lines as dicts of text by snake-case names; empty is None."""
    for name in files:
        path = bucket / name
        if name.endswith(".csv.gz"):
            with gzip.open(path, "rt", encoding="utf-8", newline="") as f:
                for row in csv.DictReader(f):
                    yield {snake(k): v or None for k, v in row.items()}
        else:
            got = duckdb.sql(f"SELECT * FROM read_parquet('{path}', hive_partitioning=false)")
            names = got.columns
            for row in got.fetchall():
                yield dict(zip(names, (repr(v) if isinstance(v, float) else v for v in row)))


def money(row, name):
    return Decimal(row[name] or 0) if row.get(name) is not None else Decimal(0)


def amortized(r):
    kind = r["line_item_line_item_type"]
    cost = money(r, "line_item_unblended_cost")
    if kind == "SavingsPlanCoveredUsage":
        return money(r, "savings_plan_savings_plan_effective_cost")
    if kind == "SavingsPlanRecurringFee":
        return money(r, "savings_plan_total_commitment_to_date") - money(r, "savings_plan_used_commitment")
    if kind in ("SavingsPlanNegation", "SavingsPlanUpfrontFee"):
        return Decimal(0)
    if kind == "DiscountedUsage":
        return money(r, "reservation_effective_cost")
    if kind == "RIFee":
        return money(r, "reservation_unused_amortized_upfront_fee_for_billing_period") + money(r, "reservation_unused_recurring_fee")
    if kind == "Fee" and r.get("reservation_reservation_a_r_n"):
        return Decimal(0)
    return cost


def add_up(rows):
    groups = {"all": lambda r: "all", "by_service": lambda r: r["line_item_product_code"],
              "by_line_item_type": lambda r: r["line_item_line_item_type"], "by_account": lambda r: r["line_item_usage_account_id"]}  # fmt: skip
    sums = {g: defaultdict(lambda: [0, Decimal(0), Decimal(0), Decimal(0)]) for g in groups}
    for r in rows:
        costs = money(r, "line_item_unblended_cost"), money(r, "line_item_net_unblended_cost"), amortized(r)
        for group, key in groups.items():
            s = sums[group][key(r)]
            s[0] += 1
            for i, c in enumerate(costs):
                s[i + 1] += c
    return sums


def as_expected(entry):
    return [entry["rows"], Decimal(entry["unblended"]), Decimal(entry["net"]), Decimal(entry["amortized"])]


def check_month(bucket, month):
    sums = add_up(rows_of(bucket, month["files"]))
    assert sums["all"]["all"] == as_expected(month)
    for group in ("by_service", "by_line_item_type", "by_account"):
        assert dict(sums[group]) == {k: as_expected(v) for k, v in month[group].items()}, group
    return sums


def bucket_of(out, record):
    return out / record["options"]["bucket"]


@layouts
def test_the_totals_are_what_another_program_adds_up(tmp_path, version, fmt):
    record = small(tmp_path / "s", version, fmt)
    assert record["complete"] and list(record["months"]) == ["2026-05", "2026-06", "2026-07"]
    for month in record["months"].values():
        check_month(bucket_of(tmp_path / "s", record), month)
        assert month["rows"] == 3000
        for old in month.get("superseded", []):
            check_month(bucket_of(tmp_path / "s", record), old)


def test_all_layouts_bill_the_same_money(tmp_path):
    months = [small(tmp_path / f"{v}{f}", v, f)["months"] for v, f in LAYOUTS]
    for m in months[1:]:
        for period, want in months[0].items():
            assert as_expected(m[period]) == as_expected(want)


def test_every_line_type_is_in_the_first_month_of_the_smallest_sample(tmp_path):
    sample(tmp_path / "s", "--rows", 300, "--months", 1, "--accounts", 1, "--start", "2026-02")
    month = json.loads((tmp_path / "s/expected.json").read_text())["months"]["2026-02"]
    assert set(month["by_line_item_type"]) == LINE_TYPES


@layouts
def test_the_current_manifest_names_the_current_files(tmp_path, version, fmt):
    record = small(tmp_path / "s", version, fmt)
    bucket = bucket_of(tmp_path / "s", record)
    for period, month in record["months"].items():
        y, m = map(int, period.split("-"))
        folder = f"{y}{m:02d}01-{y}{m + 1:02d}01" if version == "v1" else f"metadata/BILLING_PERIOD={period}"
        manifest = json.loads((bucket / "exports/sample-cur" / folder / "sample-cur-Manifest.json").read_text())
        if version == "v1":
            assert (manifest["assemblyId"], manifest["reportKeys"]) == (month["assembly"], month["files"])
        else:
            assert manifest["executionId"] == month["assembly"]
            assert manifest["dataFiles"] == [f"s3://sample-billing/{f}" for f in month["files"]]
        first = next(rows_of(bucket, month["files"]))
        names = [snake(f"{c['category']}/{c['name']}") if version == "v1" else c["name"] for c in manifest["columns"]]
        assert names == list(first) and (version == "v1" or len(names) == 115)


def test_a_superseded_assembly_stays_beside_the_current_one(tmp_path):
    record = small(tmp_path / "s", "v1", "csv")
    (old,) = record["months"]["2026-06"]["superseded"]
    folder = bucket_of(tmp_path / "s", record) / pathlib.Path(old["files"][0]).parent
    assert json.loads((folder / "sample-cur-Manifest.json").read_text())["assemblyId"] == old["assembly"]
    assert old["assembly"] != record["months"]["2026-06"]["assembly"] and old["rows"] < 3000
    assert "Tax" not in old["by_line_item_type"]


def tree(folder):
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


@layouts
def test_the_same_flags_give_the_same_bytes(tmp_path, version, fmt):
    small(tmp_path / "a", version, fmt)
    small(tmp_path / "b", version, fmt)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    small(tmp_path / "a", version, fmt)  # over itself
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_another_seed_gives_another_company(tmp_path):
    small(tmp_path / "a", "v2", "csv")
    small(tmp_path / "b", "v2", "csv", "--seed", 8)
    assert tree(tmp_path / "a")["expected.json"] != tree(tmp_path / "b")["expected.json"]


@layouts
def test_restate_writes_the_next_version_of_one_month(tmp_path, version, fmt):
    before = small(tmp_path / "s", version, fmt, "--file-rows", 1000)
    sample(tmp_path / "s", "--restate", "2026-07")
    record = json.loads((tmp_path / "s/expected.json").read_text())
    month, old = record["months"]["2026-07"], before["months"]["2026-07"]
    assert month["version"] == 2 and month["unblended"] != old["unblended"] and month["rows"] > old["rows"]
    assert month["superseded"][-1]["assembly"] == old["assembly"] != month["assembly"]
    assert {p: m for p, m in record["months"].items() if p != "2026-07"} == {
        p: m for p, m in before["months"].items() if p != "2026-07"
    }
    check_month(bucket_of(tmp_path / "s", record), month)


def test_money_adds_up_within_a_month(tmp_path):
    record = small(tmp_path / "s", "v2", "csv")
    month = record["months"]["2026-05"]
    by = month["by_line_item_type"]
    assert Decimal(by["SavingsPlanNegation"]["unblended"]) == -Decimal(by["SavingsPlanCoveredUsage"]["unblended"])
    assert by["DiscountedUsage"]["unblended"] == "0.0000000000" != by["DiscountedUsage"]["amortized"]
    rows = list(rows_of(bucket_of(tmp_path / "s", record), month["files"]))
    off = sum(money(r, "discount_total_discount") for r in rows)
    assert off > 0 and Decimal(by["EdpDiscount"]["unblended"]) == -off and Decimal(by["EdpDiscount"]["net"]) == 0
    used = sum(money(r, "savings_plan_used_commitment") for r in rows)
    assert used == Decimal(by["SavingsPlanCoveredUsage"]["amortized"])
    for r in rows:
        if r["line_item_line_item_type"] == "SavingsPlanRecurringFee":
            assert money(r, "savings_plan_used_commitment") <= money(r, "savings_plan_total_commitment_to_date")
        if r["line_item_line_item_type"] == "DiscountedUsage":
            parts = money(r, "reservation_recurring_fee_for_usage") + money(r, "reservation_amortized_upfront_cost_for_usage")
            assert money(r, "reservation_effective_cost") == parts > 0


def test_hard_values_survive(tmp_path):
    record = small(tmp_path / "s", "v1", "csv")
    rows = list(rows_of(bucket_of(tmp_path / "s", record), record["months"]["2026-05"]["files"]))
    centers = {r["resource_tags_user_cost_center"] for r in rows}
    notes = {r["resource_tags_user_notes"] for r in rows}
    assert {"00123", "1e5", None} <= centers
    assert any(n and '"' in n and "," in n for n in notes) and any(n and "東京" in n for n in notes)
    assert any(r["line_item_usage_account_id"].startswith("00") for r in rows)
    assert {"AWS", "AWS Marketplace"} == {r["bill_billing_entity"] for r in rows}


def test_maps_are_json_in_text_and_maps_in_parquet(tmp_path):
    text, parquet = small(tmp_path / "t", "v2", "csv"), small(tmp_path / "p", "v2", "parquet")
    a = rows_of(bucket_of(tmp_path / "t", text), text["months"]["2026-06"]["files"])
    b = rows_of(bucket_of(tmp_path / "p", parquet), parquet["months"]["2026-06"]["files"])
    for left, right in zip(a, b, strict=True):
        for name in ("product", "resource_tags", "cost_category", "discount", "tags"):
            assert json.loads(left[name]) == right[name], name
        assert left["identity_line_item_id"] == right["identity_line_item_id"]


def test_costs_grow_over_the_months_and_rest_at_weekends(tmp_path):
    sample(tmp_path / "s", "--rows", 5000, "--months", 6, "--start", "2025-06", "--format", "csv")
    record = json.loads((tmp_path / "s/expected.json").read_text())
    usage = [Decimal(m["by_service"]["AWSLambda"]["unblended"]) for m in record["months"].values()]
    assert usage[-1] > usage[0]
    days = defaultdict(int)
    for r in rows_of(bucket_of(tmp_path / "s", record), record["months"]["2025-06"]["files"]):
        if r["line_item_line_item_type"] == "Usage":
            days[r["line_item_usage_start_date"][:10]] += 1
    assert days["2025-06-07"] < days["2025-06-06"] and days["2025-06-08"] < days["2025-06-09"]


def test_a_folder_with_other_content_is_left_alone(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    done = sample(tmp_path, ok=False)
    assert "precious.txt, which is no part of a sample" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["precious.txt"]


@pytest.mark.parametrize(
    "flags, says",
    [
        (["--rows", "12"], "12"),
        (["--start", "2026-13"], "2026-13"),
        (["--export-name", "a/b"], "a/b"),
        (["--bucket", "Upper"], "Upper"),
        (["--prefix", "../up"], "../up"),
        (["--cur-version", "v1", "--format", "csv", "--delivery", "create-new"], "create-new"),
        (["--restate", "2026-05"], "sample"),
    ],
)
def test_a_bad_option_is_named_and_nothing_is_written(tmp_path, flags, says):
    done = sample(tmp_path / "s", *flags, ok=False)
    assert says in done.stderr and not (tmp_path / "s").exists()
