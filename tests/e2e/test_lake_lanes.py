"""Months of one import that are loaded side by side: max_concurrent_loads."""
import gzip
import json
import re
import shutil
import signal
import subprocess
import time
import urllib.parse
from decimal import Decimal

import duckdb
import pytest

from lakes import attached, catalog
from network import Proxy
from servers import DOMAIN

LOADS = "OPEN_FINOPS_DATABASE_DUCKLAKE_PERFORMANCE_MAX_CONCURRENT_LOADS"
MONTHS = ["2026-05", "2026-06", "2026-07", "2026-08", "2026-09", "2026-10"]


@pytest.fixture
def lake(finops):
    finops.env["OPEN_FINOPS_DATABASE_BACKEND"] = "ducklake"
    return finops


@pytest.fixture(scope="module")
def six_months(tmp_path_factory):
    from conftest import Finops
    home = Finops(tmp_path_factory.mktemp("six"))
    home.run("sample", "--out", "bills", "--rows", 400, "--months", 6, "--start", MONTHS[0], "--format", "csv", "--cur-version", "v1")
    return home.folder / "bills"


def wanted(folder):
    return {m: (v["rows"], Decimal(v["unblended"])) for m, v in json.loads((folder / "expected.json").read_text())["months"].items()}


def totals(home):
    with attached(catalog(home)) as outside:
        return {m: (n, c) for m, n, c in outside.sql(
            "SELECT billing_period, count(*), sum(line_item_unblended_cost) FROM lake.aws_billing.sample_cur GROUP BY 1").fetchall()}


def overlaps(proxy, months):
    """How many months had been asked for and were asked for again later, at most at one time."""
    asked = [m for method, target in proxy.requests for m in months
             if method == "GET" and re.search(m.replace("-", "") + r"\d\d-|=" + m, urllib.parse.unquote(target))
             and "anifest" not in target and "list-type" not in target]
    assert set(asked) == set(months)
    spans = {m: (asked.index(m), len(asked) - 1 - asked[::-1].index(m)) for m in months}
    return max(sum(first <= at <= last for first, last in spans.values()) for at in range(len(asked)))


def report(bills, month):
    """The file of the month's newest version."""
    return max(f for f in bills.rglob("*.csv.gz") if month.replace("-", "") + "01-" in str(f))


@pytest.mark.parametrize("loads, least, most", [(1, 1, 1), (3, 2, 3)])
def test_so_many_months_are_read_at_a_time(lake, new_bill, minio, loads, least, most):
    bill = new_bill("v2", "parquet", months=4)
    with Proxy({DOMAIN: minio.host}) as proxy:
        proxy.delay = 0.1
        lake.env.update(bill.env, AWS_ENDPOINT_URL="http://" + DOMAIN, OPEN_FINOPS_NETWORK_PROXY=proxy.url)
        said = lake.run("aws", "import-cur", "--bucket", bill.bucket, "--format", "json", env={LOADS: str(loads)})
    assert least <= overlaps(proxy, sorted(bill.totals)) <= most
    assert totals(lake) == bill.totals
    assert [m["billing_period"] for m in json.loads(said.stdout)] == sorted(bill.totals)


def test_what_came_of_the_months_is_told_in_their_order(lake, six_months, tmp_path):
    """One that fails leaves the others; one that is there is told between them."""
    bills = tmp_path / "bills"
    shutil.copytree(six_months, bills)
    lake.run("aws", "import-cur", "--bucket", bills / "sample-billing", "--start-date", "2026-07", "--end-date", "2026-07")
    broken = report(bills, "2026-08")
    whole = broken.read_bytes()
    broken.write_bytes(whole[:len(whole) // 2])
    said = lake.run("aws", "import-cur", "--bucket", bills / "sample-billing", "--format", "json", status=3)
    actions = [(m["billing_period"], m["action"]) for m in json.loads(said.stdout)]
    assert actions == [(m, {"2026-07": "current", "2026-08": "failed"}.get(m, "load")) for m in MONTHS]
    all_of_it = wanted(bills)
    assert totals(lake) == {m: all_of_it[m] for m in MONTHS if m != "2026-08"}
    broken.write_bytes(whole)
    said = lake.run("aws", "import-cur", "--bucket", bills / "sample-billing", "--format", "json")
    assert [m["action"] for m in json.loads(said.stdout) if m["billing_period"] == "2026-08"] == ["load"]
    assert totals(lake) == all_of_it
    history = [(h["billing_period"], h["status"]) for h in lake.rows("lake", "history")]
    assert sorted(p for p, status in history if status == "completed") == MONTHS


def test_each_month_has_its_names(lake, six_months):
    lake.run("aws", "import-cur", "--bucket", six_months / "sample-billing", env={LOADS: "4"})
    rows = {m: n for m, (n, _) in wanted(six_months).items()}
    for month in MONTHS:
        for base in ("sample_cur", "billing"):
            found = lake.rows("query", f"SELECT count(*) AS n FROM aws_billing.{base}_{month.replace('-', '_')}")
            assert int(found[0]["n"]) == rows[month], (base, month)


def with_header(bills, month, header):
    """The month's file gets a column of this name, which says so."""
    path = report(bills, month)
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    path.write_bytes(gzip.compress("\n".join([lines[0] + "," + header, *(line + "," + header for line in lines[1:])]).encode() + b"\n"))


def test_months_side_by_side_agree_on_the_names_of_columns(lake, six_months, tmp_path):
    """Headers that fold to one name, each in a month of its own: both keep their values, in columns of their own, as they do
    when one month comes after the other."""
    bills = tmp_path / "bills"
    shutil.copytree(six_months, bills)
    headers = {m: h for m, h in zip(MONTHS, ["acme/Cost-Type", "acme/Cost:Type", "acme/Cost-Type", "acme/Cost:Type", "acme/Cost-Type",
                                             "acme/Cost:Type"])}
    for month, header in headers.items():
        with_header(bills, month, header)
    lake.run("aws", "import-cur", "--bucket", bills / "sample-billing", env={LOADS: "6"})
    named = {r["header"]: r["column_name"] for r in lake.rows("query", "SELECT header, column_name FROM billing_state.column_names "
                                                                       "WHERE header LIKE 'acme/%'")}
    assert set(named) == set(headers.values())
    with attached(catalog(lake)) as outside:
        for month, header in headers.items():
            found = outside.sql(f"SELECT DISTINCT \"{named[header]}\" FROM lake.aws_billing.sample_cur WHERE billing_period = "
                                f"'{month}'").fetchall()
            assert found == [(header,)], (month, named)


def test_a_stop_leaves_whole_months(lake, new_bill, minio):
    bill = new_bill("v2", "parquet", months=6)
    with Proxy({DOMAIN: minio.host}) as proxy:
        proxy.delay = 0.3
        lake.env.update(bill.env, AWS_ENDPOINT_URL="http://" + DOMAIN, OPEN_FINOPS_NETWORK_PROXY=proxy.url)
        process = lake.start("aws", "import-cur", "--bucket", bill.bucket, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while process.poll() is None and not any("duckdb" in h.lower() for headers in list(proxy.headers) for h in headers):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)
    assert process.returncode in (1, 3) and "stopped" in said[1], said  # 3: some were loaded before
    whole = bill.totals
    try:
        there = totals(lake)
    except duckdb.CatalogException:  # it came before the first table
        there = {}
    assert len(there) < 6 and all(there[m] == whole[m] for m in there), said
    lake.run("aws", "import-cur", "--bucket", bill.bucket, env={"AWS_ENDPOINT_URL": minio.endpoint, "OPEN_FINOPS_NETWORK_PROXY": ""})
    assert totals(lake) == whole


def test_without_a_number_of_loads_there_is_none(lake, six_months):
    said = lake.run("aws", "import-cur", "--bucket", six_months / "sample-billing", env={LOADS: "0"}, status=2)
    assert "max_concurrent_loads" in said.stderr
