"""finops aws diff: what a restatement changed, added up a second time from the bills themselves."""
import json
import shutil
from decimal import Decimal

import duckdb
import pytest


@pytest.fixture(scope="module")
def restated(tmp_path_factory, new_home):
    """A month loaded in two versions; the figures of both are those that the sample says of itself."""
    home = new_home()
    home.run("sample", "--out", "bills", "--rows", 1500, "--months", 2, "--accounts", 3, "--seed", 5, "--start", "2026-05",
             "--delivery", "create-new")
    home.run("aws", "import-cur", "--bucket", home.folder / "bills" / "sample-billing")
    home.old = ledger(home)
    home.run("sample", "--out", "bills", "--restate", "2026-06")
    home.run("aws", "import-cur", "--bucket", home.folder / "bills" / "sample-billing")
    return home


@pytest.fixture(scope="module")
def new_home(tmp_path_factory, request):
    finops = request.getfixturevalue("loaded")  # for its class
    return lambda: type(finops)(tmp_path_factory.mktemp("diff"))


def query(finops, sql):
    with duckdb.connect(str(finops.database), read_only=True) as db:
        return db.sql(sql).fetchall()


def ledger(finops):
    """The current month by the table, not by the ledger: (account, service, type, currency) -> (cost, rows)."""
    return {key: (cost, rows) for *key4, cost, rows in query(finops, """
        SELECT line_item_usage_account_id, line_item_product_code, line_item_line_item_type, line_item_currency_code,
            sum(line_item_unblended_cost), count(*) FROM aws_billing.sample_cur_2026_06 GROUP BY ALL""")
        for key in [tuple(key4)]}


def versions(finops):
    return [v for v, in query(finops, "SELECT version_id FROM billing_state.load_state WHERE billing_period = '2026-06' "
                                      "ORDER BY completed_timestamp")]


def amount(value):
    return None if value is None else Decimal(str(value))


def test_the_changes_are_those_between_the_two_tables(restated):
    rows = restated.rows("aws", "diff", "--period", "2026-06")
    new = ledger(restated)
    want = {}
    for key in {*restated.old, *new}:
        before, after = restated.old.get(key), new.get(key)
        if before != after:
            want[key] = (before and before[0], after and after[0])
    got = {(r["account_id"], r["service"], r["line_item_type"], r["currency"]): (amount(r["old"]), amount(r["new"])) for r in rows}
    assert want and got == want
    for row in rows:
        assert amount(row["change"]) == (amount(row["new"]) or 0) - (amount(row["old"]) or 0)


def test_the_largest_change_comes_first(restated):
    changes = [abs(amount(r["change"])) for r in restated.rows("aws", "diff", "--period", "2026-06")]
    assert len(changes) > 1 and changes == sorted(changes, reverse=True)


def test_the_total_line_counts_what_is_equal_too(restated):
    text = restated.run("aws", "diff", "--period", "2026-06").stdout
    old, new = versions(restated)
    assert text.splitlines()[0] == f"sample-cur 2026-06, unblended cost: {old} -> {new}"
    total = [line for line in text.splitlines() if line.startswith("total")]
    assert len(total) == 1
    currency, before, after = total[0].split()[1:4]
    assert currency == "USD"
    for shown, exact in ((before, restated.old), (after, ledger(restated))):
        assert abs(Decimal(shown.replace(",", "")) - sum(cost for cost, _ in exact.values())) <= Decimal("0.005")
    assert total[0].split()[-2:] == [str(sum(n for _, n in t.values())) for t in (restated.old, ledger(restated))]


def test_versions_are_found_by_their_beginnings_and_the_way_round_is_ours(restated):
    old, new = versions(restated)
    n = next(i for i in range(len(old)) if old[i] != new[i]) + 1
    there = restated.rows("aws", "diff", "--period", "2026-06", "--from", old[:n], "--to", new[:n])
    back = restated.rows("aws", "diff", "--period", "2026-06", "--from", new, "--to", old)
    assert there == restated.rows("aws", "diff", "--period", "2026-06")
    assert sorted(amount(r["change"]) for r in back) == sorted(-amount(r["change"]) for r in there)


def test_other_cost_models_are_compared_too(restated):
    for model in ("net", "amortized"):
        rows = restated.rows("aws", "diff", "--period", "2026-06", "--cost", model)
        want = dict(query(restated, f"SELECT version_id, sum({model}) FROM billing_state.ledger WHERE billing_period = "
                                    "'2026-06' GROUP BY 1"))
        old, new = versions(restated)
        assert sum(amount(r["change"]) for r in rows) == want[new] - want[old]


def test_a_version_that_is_none_or_several_is_named(restated):
    old, _ = versions(restated)
    done = restated.run("aws", "diff", "--period", "2026-06", "--from", "nothing", status=1)
    assert "no complete version of 2026-06" in done.stderr and old in done.stderr
    done = restated.run("aws", "diff", "--period", "2026-06", "--from", old[:4], status=2)
    assert "fits 2 versions" in done.stderr
    assert "same version" in restated.run("aws", "diff", "--period", "2026-06", "--from", old, "--to", old, status=2).stderr


def test_one_version_has_nothing_to_be_compared_with(restated):
    done = restated.run("aws", "diff", "--period", "2026-05", status=1)
    assert "one version only" in done.stderr and "hint" in done.stderr
    assert "2024-01 is not loaded" in restated.run("aws", "diff", "--period", "2024-01", status=1).stderr


def test_the_period_must_be_given(restated):
    assert "--period" in restated.run("aws", "diff", status=2).stderr


def test_with_several_exports_one_must_be_named(finops, sample, tmp_path):
    finops.run("aws", "import-cur", "--bucket", sample / "sample-billing")
    finops.run("sample", "--out", tmp_path / "two", "--rows", 500, "--months", 1, "--export-name", "second", "--start", "2026-07")
    finops.run("aws", "import-cur", "--bucket", tmp_path / "two" / "sample-billing")
    done = finops.run("aws", "diff", "--period", "2026-07", status=2)
    assert "sample-cur, second" in done.stderr and "--export-name" in done.stderr
    assert "one version only" in finops.run("aws", "diff", "--period", "2026-07", "--export-name", "second", status=1).stderr


def test_going_back_to_an_older_version_compares_with_the_one_left(finops, tmp_path):
    finops.run("sample", "--out", "bills", "--rows", 500, "--months", 1, "--start", "2026-06", "--delivery", "create-new")
    bills = finops.folder / "bills" / "sample-billing"
    manifest = next(p for p in bills.rglob("sample-cur-Manifest.json") if p.parent.name == "BILLING_PERIOD=2026-06")
    first = manifest.read_text()
    finops.run("aws", "import-cur", "--bucket", bills)
    finops.run("sample", "--out", "bills", "--restate", "2026-06")
    finops.run("aws", "import-cur", "--bucket", bills)
    forward = finops.rows("aws", "diff", "--period", "2026-06")
    manifest.write_text(first)
    finops.run("aws", "import-cur", "--bucket", bills)
    back = finops.rows("aws", "diff", "--period", "2026-06")
    assert [amount(r["change"]) for r in back] and \
        sorted(amount(r["change"]) for r in back) == sorted(-amount(r["change"]) for r in forward)
    assert json.loads(first)["executionId"] in finops.run("aws", "diff", "--period", "2026-06").stdout


def test_the_example_restatement_has_the_expected_change(finops, shared, expected, copy_of):
    bills = copy_of(shared / "aws-cur-v2" / "acme-billing")
    month = bills / "cur/acme/acme-cur2-versions/metadata/BILLING_PERIOD=2024-11"
    manifest = month / "acme-cur2-versions-Manifest.json"
    current = manifest.read_text()
    old = sorted(p for p in month.iterdir() if p.is_dir())[0] / manifest.name
    command = ("aws", "import-cur", "--bucket", bills, "--export-name", "acme-cur2-versions")
    manifest.write_text(old.read_text())
    finops.run(*command)
    manifest.write_text(current)
    finops.run(*command)
    rows = finops.rows("aws", "diff", "--period", "2024-11")
    figures = expected["aws"]["111122223333"]["cur-v1-csv"]
    before, after = figures["superseded"]["20241128T043015Z"], figures["2024-11"]
    assert sum(amount(r["change"]) for r in rows) == Decimal(after["unblended"]) - Decimal(before["unblended"])
    assert sum(r["new_rows"] - r["old_rows"] for r in rows) == after["rows"] - before["rows"]


def test_a_database_of_the_earlier_tool_has_no_ledger(finops, shared):
    finops.database.parent.mkdir()
    shutil.copy(shared / "legacy" / "finops.duckdb", finops.database)
    done = finops.run("aws", "diff", "--period", "2025-01", status=1)
    assert "ledger" in done.stderr and "hint" in done.stderr
