"""What a provider changed in the bill between two states of a lake, against a computation of our own over both states."""
import csv
import functools
import io
import json
from collections import Counter, defaultdict
from decimal import Decimal

import pytest

from lakes import attached, catalog, on_postgresql, postgresql_address

TABLE = "aws_billing.sample_cur"
SIZES = ("--rows", 300, "--months", 2, "--seed", 11, "--start", "2026-05")
COST, RATE = "line_item_unblended_cost", "line_item_unblended_rate"
DIMENSIONS = {"service": "line_item_product_code", "account": "line_item_usage_account_id", "usage_type": "line_item_usage_type",
              "region": "product_region_code", "line_item_type": "line_item_line_item_type", "resource": "line_item_resource_id",
              "operation": "line_item_operation", "payer": "bill_payer_account_id", "month": "billing_period"}
FIGURES = ("old", "new", "change", "old_rows", "new_rows", "added", "removed", "repriced")


# ---- the other computation: lines are Python values, counted ----

@functools.cache
def lines_of(home, state):
    with attached(catalog(home)) as outside:
        return read_lines(outside, state)


def read_lines(outside, state):
    found = outside.execute(f"SELECT * FROM lake.{TABLE} AT (VERSION => {state})")
    names = [column[0] for column in found.description]
    return [dict(zip(names, row)) for row in found.fetchall()]


def tags_of(line):
    tags = dict(line.get("resource_tags") or {}) | {
        k.removeprefix("resource_tags_"): v for k, v in line.items() if k.startswith("resource_tags_")}
    return {k: v for k, v in tags.items() if v}


def region_of(line):
    return line.get("product_region_code") or line.get("product_region") or None


def key_of(line, names):
    pricing = [n for n in names if n.startswith("pricing_") and not isinstance(line[n], Decimal)
               and n not in ("pricing_rate_id", "pricing_rate_code", "pricing_public_on_demand_cost", "pricing_public_on_demand_rate")]
    columns = [*(d for d in DIMENSIONS.values() if d != "product_region_code"), "line_item_currency_code", "line_item_usage_start_date", "line_item_usage_end_date", *sorted(pricing)]
    return (region_of(line), *(line[c] or None for c in columns)), frozenset(tags_of(line).items())


def group_of(line, by):
    return tuple((tags_of(line).get("user_" + b[4:]) if b.startswith("tag:") else
                  region_of(line) if b == "region" else line[DIMENSIONS[b]]) or None for b in by)


def expected(home, old, new, by, cost=COST, period=None):
    """{(currency, dimensions...): figures} of all groups in the months that differ."""
    sides = [[x for x in lines_of(home, s) if period in (None, x["billing_period"])] for s in (old, new)]
    same = [Counter(map(repr, (x for x in side if x["billing_period"] == m))) for m in ("2026-05", "2026-06") for side in sides]
    same = [m for m, a, b in zip(("2026-05", "2026-06"), same[::2], same[1::2]) if a == b]
    sides = [[x for x in side if x["billing_period"] not in same] for side in sides]
    names = set.intersection(*(set(side[0]) for side in sides))
    groups = defaultdict(lambda: dict.fromkeys(FIGURES, 0))
    counts = defaultdict(lambda: (Counter(), Counter()))
    for i, side in enumerate(sides):
        for line in side:
            place = (line["line_item_currency_code"], *group_of(line, by))
            groups[place]["new" if i else "old"] += line[cost] or 0
            groups[place]["new_rows" if i else "old_rows"] += 1
            counts[place, key_of(line, names)][i][line[cost] or 0, line[RATE]] += 1
    for (place, _), (before, after) in counts.items():
        gone, come = (before - after).total(), (after - before).total()
        both = min(gone, come)
        for name, n in (("added", come - both), ("removed", gone - both), ("repriced", both)):
            groups[place][name] += n
    for g in groups.values():
        g["change"] = g["new"] - g["old"]
    return groups


def changed(groups):
    return {k: g for k, g in groups.items() if any(g[n] for n in ("change", "added", "removed", "repriced"))}


# ---- ours ----

def figures(row):
    return {n: Decimal(str(row[n])) for n in FIGURES}


def diff(home, old, *args, **kwargs):
    return home.rows("lake", "diff", "--from", old, *args, **kwargs)


def check(home, old, new, by, *args, **kwargs):
    """Every figure of every group agrees with the computation from outside."""
    rows = diff(home, old, "--to", new, "--by", ",".join(by), *args)
    found = {(r["currency"], *(r[b] for b in by)): figures(r) for r in rows}
    assert found == changed(expected(home, old, new, by, **kwargs)) and len(found) == len(rows)
    for currency in {r["currency"] for r in rows}:
        sizes = [abs(Decimal(r["change"])) for r in rows if r["currency"] == currency]
        assert sizes == sorted(sizes, reverse=True)
    return rows


def newest(home):
    return int(home.rows("lake", "snapshots")[-1]["snapshot_id"])


def write(home, *statements):
    home.run("query", "--write", "; ".join(statements))
    return newest(home)


def fresh(folder, *flags):
    from conftest import Finops

    home = Finops(folder)
    home.env["OPEN_FINOPS_DATABASE_BACKEND"] = "ducklake"
    home.run("sample", "--out", "bills", *SIZES, *flags)
    home.run("aws", "import-cur", "--bucket", "bills/sample-billing")
    home.first = newest(home)
    return home


@pytest.fixture(scope="module")
def one_lake(tmp_path_factory):
    return fresh(tmp_path_factory.mktemp("lake"))


@pytest.fixture
def lake(one_lake):
    """A lake that tests change one after the other; `first` is the state each of them begins with."""
    one_lake.first = newest(one_lake)
    return one_lake


def restated_lake(folder, *flags):
    """May was delivered and imported again; then some of June is not what it was."""
    home = fresh(folder, *flags)
    home.run("sample", "--out", "bills", *SIZES, "--restate", "2026-05")
    home.run("aws", "import-cur", "--bucket", "bills/sample-billing")
    home.second = newest(home)
    pick = "billing_period = '2026-06' AND hash(identity_line_item_id) % {} = 0"
    home.third = write(home, f"UPDATE {TABLE} SET {COST} = {COST} * 1.013, {RATE} = {RATE} * 1.013 WHERE " + pick.format(5),
                       f"UPDATE {TABLE} SET line_item_currency_code = 'EUR' WHERE " + pick.format(7),
                       f"DELETE FROM {TABLE} WHERE " + pick.format(11),
                       f"UPDATE {TABLE} SET line_item_operation = NULL, product_region_code = '' WHERE " + pick.format(13),
                       f"INSERT INTO {TABLE} BY NAME SELECT * FROM {TABLE} WHERE " + pick.format(3))
    return home


@pytest.fixture(scope="module")
def restated(tmp_path_factory):
    home = restated_lake(tmp_path_factory.mktemp("v2"))
    home.run("lake", "tag", "close", "--version", home.second)
    return home


def test_bills_of_the_first_generation_too(tmp_path):
    home = restated_lake(tmp_path, "--cur-version", "v1")
    assert check(home, home.first, home.third, ["account", "region", "tag:team", "tag:environment"])


@pytest.mark.parametrize("by", ["service", "resource,region", "account,line_item_type,usage_type,month,operation,payer,tag:team"])
def test_every_figure_agrees_with_a_computation_from_outside(restated, by):
    assert check(restated, restated.first, restated.third, by.split(","))


def test_net_and_amortized_costs_are_compared(restated):
    check(restated, restated.first, restated.second, ["service"], "--cost", "net", cost="line_item_net_unblended_cost")
    rows = diff(restated, restated.first, "--by", "total", "--cost", "amortized")
    then, now = (restated.rows("report", "--by", "month", "--cost", "amortized", "--period", "2026-05..2026-06", "--version", v)
                 for v in (restated.first, restated.third))
    total = [sum(Decimal(r["cost"]) for r in rs) for rs in (then, now)]
    assert sum(Decimal(r["change"]) for r in rows) == total[1] - total[0]


def test_differences_sum_to_the_difference_of_the_totals(restated):
    totals = {r["currency"]: figures(r) for r in diff(restated, restated.first, "--by", "total")}
    assert set(totals) == {"USD", "EUR"}
    with attached(catalog(restated)) as outside:
        sums = "SELECT line_item_currency_code, sum(line_item_unblended_cost) FROM lake." + TABLE + " AT (VERSION => {}) GROUP BY 1"
        old, new = (dict(outside.sql(sums.format(s)).fetchall()) for s in (restated.first, restated.third))
    for by, limit in (("service", 1), ("resource,tag:team", 3)):
        rows = diff(restated, restated.first, "--by", by, "--limit", limit)
        for currency, total in totals.items():
            mine = [figures(r) for r in rows if r["currency"] == currency]
            assert sum(m["change"] for m in mine) == total["change"] == new.get(currency, 0) - old.get(currency, 0)
            assert limit == 0 or len(mine) <= limit + 1
            for name in ("added", "removed", "repriced"):
                assert sum(m[name] for m in mine) == total[name]
        assert limit == 0 or "(others)" in {r[by.split(",")[0]] for r in rows}


def test_tables_end_with_totals_and_csv_has_every_digit(restated):
    said = restated.run("lake", "diff", "--from", restated.first, "--limit", 1).stdout.splitlines()
    assert said[0].startswith(f"sample-cur, 2026-05, 2026-06, unblended cost: state {restated.first} of 20")
    assert said[1].split()[:4] == ["service", "currency", "old", "new"] and said[-1].startswith("total ")
    assert " others)" in said[-2]
    text = restated.run("lake", "diff", "--from", restated.first, "--to", "close", "--format", "csv").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows == [{k: str(v) for k, v in r.items()} for r in diff(restated, restated.first, "--to", "close")]
    assert all(len(r["change"].split(".")[1]) == 18 for r in rows)


def test_the_other_way_round_is_the_opposite(restated):
    there, back = (diff(restated, *ends) for ends in ((restated.first, "--to", restated.third), (restated.third, "--to", restated.first)))
    opposite = {(r["currency"], r["service"]): (-Decimal(r["change"]), r["removed"], r["added"], r["repriced"]) for r in back}
    assert opposite == {(r["currency"], r["service"]): (Decimal(r["change"]), r["added"], r["removed"], r["repriced"]) for r in there}


def test_states_are_named_by_number_time_and_tag(restated):
    time = {int(s["snapshot_id"]): s["time"] for s in restated.rows("lake", "snapshots")}
    first = diff(restated, restated.first, "--to", restated.second)
    assert first and first == diff(restated, time[restated.first], "--to", "close") == diff(
        restated, restated.first, "--to", time[restated.second])
    assert diff(restated, restated.first) == diff(restated, restated.first, "--to", "2100-01-01")


def test_one_month_can_be_asked_for(restated):
    assert check(restated, restated.first, restated.third, ["service", "month"], "--period", "2026-06", period="2026-06")
    assert diff(restated, restated.first, "--to", restated.second, "--period", "2026-06") == []


@pytest.mark.parametrize("args,words", [
    (("--from", 999999), "no state 999999"), (("--from", 1, "--to", "then"), "no state or tag then"),
    (("--from", "2001-01-01"), "no state at 2001-01-01"), (("--from", 0, "--to", 1), "no bill is in state 0 or 1"),
    (("--from", 20, "--by", "servce"), "did you mean service?"), (("--from", 20, "--by", "tag:tem"), "did you mean tag:team?"),
    (("--from", 20, "--by", "service,service"), "named once"), (("--from", 20, "--period", "2020-01"), "2020-01 is in neither state"),
    (("--from", 20, "--export-name", "other"), "no month of export other"), ((), "needs --from"),
    (("--from", 20, "--backend", "duckdb"), "not supported by duckdb")])
def test_what_makes_no_sense_is_refused(restated, args, words):
    said = restated.run("lake", "diff", *args, status=None)
    assert said.returncode in (1, 2) and words in said.stderr and said.stdout == ""


def test_lines_with_new_ids_are_the_same_lines(lake):
    state = write(lake, f"UPDATE {TABLE} SET identity_line_item_id = 'new-' || identity_line_item_id, pricing_rate_id = 'r' || pricing_rate_id")
    ids = [{x["identity_line_item_id"] for x in lines_of(lake, s)} for s in (lake.first, state)]
    assert len(ids[0]) > 100 and not ids[0] & ids[1]
    assert diff(lake, lake.first) == []
    total, = diff(lake, lake.first, "--by", "total")
    assert total["old"] == total["new"] and int(total["old_rows"]) == int(total["new_rows"]) > 500


def test_lines_that_are_alike_are_counted(lake):
    """Of a line that is there five times three stay, of one that is there twice one stays, one is repriced and one comes."""
    a, b = [x["identity_line_item_id"] for x in lines_of(lake, lake.first) if x[COST] > 1 and x["billing_period"] == "2026-05"][:2]

    def copies(line, *ids):
        parts = (f"SELECT * REPLACE ('{i}' AS identity_line_item_id) FROM {TABLE} WHERE identity_line_item_id = '{line}'" for i in ids)
        return f"INSERT INTO {TABLE} BY NAME " + " UNION ALL ".join(parts)

    old = write(lake, copies(a, "a0", "a1", "a2", "a3"), copies(b, "b0"))
    new = write(lake, f"DELETE FROM {TABLE} WHERE identity_line_item_id IN ('a0', 'a1')", copies(b, "c0"),
                f"UPDATE {TABLE} SET {COST} = {COST} + 1 WHERE identity_line_item_id IN ('b0', '{b}')")
    rows = check(lake, old, new, ["resource"])
    assert [sum(int(r[n]) for r in rows) for n in ("added", "removed", "repriced")] == [1, 2, 1]


def test_a_price_alone_is_a_repriced_line(lake):
    new = write(lake, f"UPDATE {TABLE} SET {RATE} = {RATE} * 2 WHERE {COST} > 5 AND {RATE} IS NOT NULL")
    rows = check(lake, lake.first, new, ["service"])
    assert rows and all(int(r["repriced"]) > 0 and Decimal(r["change"]) == 0 and int(r["added"]) == 0 for r in rows)


def test_null_and_empty_are_one_and_tags_are_a_set(lake):
    lake.run("query", "--write", f"UPDATE {TABLE} SET line_item_operation = coalesce(line_item_operation, ''), pricing_term = "
             "coalesce(pricing_term, ''), resource_tags = map_concat(map_from_entries(list_reverse(map_entries(resource_tags))), "
             "MAP {'user_unknown': ''})")
    assert diff(lake, lake.first) == []


def test_bills_that_were_not_there_are_all_new(lake):
    row, = diff(lake, 2, "--by", "total")
    assert int(row["added"]) == int(row["new_rows"]) > 500 and (int(row["removed"]), Decimal(row["old"])) == (0, 0)


def test_a_column_need_not_be_in_the_older_state(lake):
    lake.run("query", "--write", "; ".join((
        f"ALTER TABLE {TABLE} ADD COLUMN pricing_zone VARCHAR", f"ALTER TABLE {TABLE} ADD COLUMN resource_tags_user_squad VARCHAR",
        f"ALTER TABLE {TABLE} DROP COLUMN product_region_code", f"UPDATE {TABLE} SET pricing_zone = 'z' || {COST}::VARCHAR",
        f"UPDATE {TABLE} SET {COST} = {COST} + 1000000 WHERE line_item_product_code = 'AmazonS3'")))
    assert diff(lake, lake.first, "--to", lake.first + 1) == []
    row, = diff(lake, lake.first)
    n = int(row["old_rows"])
    assert row["service"] == "AmazonS3" and [int(row[f]) for f in ("new_rows", "added", "removed", "repriced")] == [n, 0, 0, n]
    assert Decimal(row["change"]) == n * 1000000
    said = lake.run("lake", "diff", "--from", lake.first, "--by", "region", "--format", "json")
    assert "sample-cur has no region in state" in said.stderr
    assert sum(Decimal(r["change"]) for r in json.loads(said.stdout, parse_float=str)) == n * 1000000


def test_a_column_that_only_the_older_rows_of_a_month_lack_says_nothing(lake):
    """It came with June; then May is delivered again, with it, and with prices, which it lacked before."""
    old = write(lake, f"ALTER TABLE {TABLE} ADD COLUMN pricing_area VARCHAR", f"UPDATE {TABLE} SET pricing_area = 'a' WHERE "
                "billing_period = '2026-06'", f"UPDATE {TABLE} SET {RATE} = NULL WHERE billing_period = '2026-05'")
    new = write(lake, f"UPDATE {TABLE} SET pricing_area = 'b' || line_item_product_code, {RATE} = 7 WHERE billing_period = '2026-05'")
    assert diff(lake, old, "--to", new) == []
    last = write(lake, f"UPDATE {TABLE} SET pricing_area = 'c' WHERE billing_period = '2026-05' AND line_item_product_code = 'AmazonS3'")
    row, = diff(lake, new, "--to", last)  # both have it: another area is another line
    assert row["service"] == "AmazonS3" and int(row["added"]) == int(row["removed"]) == int(row["old_rows"])
    write(lake, f"UPDATE {TABLE} SET {COST} = {COST} + 1 WHERE billing_period = '2026-05' AND line_item_product_code = 'AmazonS3'")
    row, = diff(lake, old)
    assert row["service"] == "AmazonS3" and [int(row[f]) for f in ("added", "removed", "repriced")] == [0, 0, int(row["old_rows"])]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_focus_bills_and_other_catalogs_are_compared_as_well(kind, finops, shared, request):
    finops.env["OPEN_FINOPS_DATABASE_BACKEND"] = "ducklake"
    if kind == "sqlite":
        finops.env["OPEN_FINOPS_DATABASE_DUCKLAKE_CATALOG"], address = "sqlite", f"sqlite:{catalog(finops)}"
    else:
        database = request.getfixturevalue("postgresql").new_database()
        address = postgresql_address(on_postgresql(finops, database, finops.folder / "files") and database)
    finops.run("aws", "import-cur", "--file", shared / "focus-1.2-aws" / "focus-1.2.snappy.parquet", "--export-name", "focus")
    some = "FROM aws_billing.focus WHERE billed_cost > 0 AND hash(resource_id, charge_period_start) % {} = 0"
    states = [newest(finops)] + [write(finops, change) for change in (
        "UPDATE aws_billing.focus SET billed_cost = billed_cost * 1.01 " + some.format(3).removeprefix("FROM aws_billing.focus "),
        "DELETE " + some.format(5), "INSERT INTO aws_billing.focus BY NAME SELECT * " + some.format(2))]
    with attached(address) as outside:
        lines = "lake.aws_billing.focus AT (VERSION => {})"
        sums = [dict(outside.sql(f"SELECT service_name, sum(billed_cost) FROM {lines.format(v)} GROUP BY 1").fetchall()) for v in states]
        rows = [outside.sql(f"SELECT count(*) FROM {lines.format(v)}").fetchone()[0] for v in states]
        hit = outside.sql(f"SELECT count(*) {some.format(3)}".replace("aws_billing.focus", lines.format(states[0]))).fetchone()[0]
    want = [(0, 0, hit), (0, rows[1] - rows[2], 0), (rows[3] - rows[2], 0, 0)]
    for i, counts in enumerate(want):
        assert max(counts) > 0
        found = diff(finops, states[i], "--to", states[i + 1])
        assert tuple(sum(int(r[n]) for r in found) for n in ("added", "removed", "repriced")) == counts
        assert {r["service"]: Decimal(r["change"]) for r in found} == {
            k: v - sums[i][k] for k, v in sums[i + 1].items() if v != sums[i][k]}


def test_a_month_that_is_the_same_is_not_read(lake):
    new = write(lake, f"DELETE FROM {TABLE} WHERE billing_period = '2026-05' AND line_item_product_code = 'AmazonS3'")
    want = changed(expected(lake, lake.first, new, ["service"]))
    gone = [f for f in (lake.folder / "data").rglob("*.parquet") if "billing_period=2026-06" in str(f)]
    assert gone
    for file in gone:
        file.unlink()
    assert {("USD", r["service"]): figures(r) for r in diff(lake, lake.first)} == want
    assert lake.run("lake", "diff", "--from", lake.first).stdout.startswith("sample-cur, 2026-05, ")
