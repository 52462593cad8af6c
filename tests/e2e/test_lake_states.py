"""States of a lake: their names, what is in them, who made them, and going back to one."""
import re

import pytest

from lakes import attached, catalog

SIZES = ("--rows", 300, "--months", 2, "--seed", 11, "--start", "2026-05")
TOTALS = ("SELECT billing_period AS p, count(*) AS n, sum(line_item_unblended_cost) AS c "
          "FROM aws_billing.sample_cur_unified GROUP BY 1 ORDER BY 1")


def restate(home, *args):
    home.run("sample", "--out", "bills", *SIZES, *args)
    return home.rows("aws", "import-cur", "--bucket", "bills/sample-billing")


def newest(home):
    return int(home.rows("lake", "snapshots")[-1]["snapshot_id"])


@pytest.fixture(scope="module")
def new_lake(tmp_path_factory):
    from conftest import Finops

    def make():
        home = Finops(tmp_path_factory.mktemp("lake"))
        home.env["OPEN_FINOPS_DATABASE_BACKEND"] = "ducklake"
        return home
    return make


@pytest.fixture(scope="module")
def two(new_lake):
    """A lake in which May was restated: it, the first state's number, and the totals of both."""
    home = new_lake()
    restate(home)
    first, old = newest(home), home.rows("query", TOTALS)
    home.run("lake", "tag", "close")
    restate(home, "--restate", "2026-05")
    return home, first, old, home.rows("query", TOTALS)


def test_a_tag_is_a_name_of_a_state(two):
    home, first, old, new = two
    assert old != new
    assert [(t["name"], int(t["snapshot_id"])) for t in home.rows("lake", "tags")] == [("close", first)]
    assert home.rows("query", TOTALS, "--version", "close") == old
    assert home.rows("query", TOTALS, "--version", first) == old
    report = ("report", "--period", "2026-05", "--format", "json", "--version")
    assert home.run(*report, "close").stdout == home.run(*report, first).stdout
    with attached(catalog(home)) as outside:
        found = outside.sql("SELECT name, snapshot_id, created_by FROM lake.billing_state.lake_tags").fetchall()
    assert found[0][:2] == ("close", first) and "@" in found[0][2]


def test_tags_are_given_by_number_and_time_and_taken_away(two):
    home, first, *_ = two
    time = {int(s["snapshot_id"]): s["time"] for s in home.rows("lake", "snapshots")}[first]
    home.run("lake", "tag", "by-number", "--version", first)
    home.run("lake", "tag", "by-time", "--at", time)
    home.run("lake", "tag", "again", "--version", "close")
    assert {int(t["snapshot_id"]) for t in home.rows("lake", "tags")} == {first}
    home.run("lake", "tag", "again", "--version", first)  # is so already
    for name in ("by-number", "by-time", "again"):
        home.run("lake", "untag", name)
    assert [t["name"] for t in home.rows("lake", "tags")] == ["close"]


@pytest.mark.parametrize("args,words", [
    (("tag", "close"), "tag close names state"), (("tag", "22"), "begins with a letter"),
    (("tag", "a b"), "begins with a letter"), (("tag", "x", "--version", 9999), "no state 9999"),
    (("tag", "x", "--version", "nobody"), "no state or tag nobody"), (("untag", "nobody"), "no tag nobody"),
    (("tag", "x", "--at", "2001-01-01"), "no state at 2001-01-01"), (("tag", "x", "--at", "soon"), "expected a time"),
    (("tag", "x", "--at", "2030-01-01", "--version", 1), "cannot both"),
    (("tags", "--backend", "duckdb"), "not supported by duckdb")])
def test_a_name_that_makes_no_sense_is_refused(two, args, words):
    said = two[0].run("lake", *args, status=None)
    assert said.returncode != 0 and words in said.stderr
    assert [t["name"] for t in two[0].rows("lake", "tags")] == ["close"]


def test_a_state_tells_what_it_changed(two):
    home = two[0]
    imports = [s for s in home.rows("lake", "snapshots") if s["message"]]
    state = imports[-1]["snapshot_id"]
    shown = {r["table_name"]: r for r in home.rows("lake", "show", state)}
    with attached(catalog(home)) as outside:
        for table, row in shown.items():
            added, removed = (outside.sql(
                "SELECT count(*) FROM ducklake_table_changes('lake', '%s', '%s', %s, %s) WHERE change_type IN (%s)"
                % (*table.split("."), state, state, kinds)
            ).fetchone()[0] for kinds in ("'insert', 'update_postimage'", "'delete', 'update_preimage'"))
            assert (int(row["rows_added"]), int(row["rows_removed"])) == (added, removed), table
    bill = shown["aws_billing.sample_cur"]
    assert int(bill["rows_added"]) > 0 and int(bill["rows_removed"]) == 300 and int(bill["files_removed"]) == 1
    assert bill["changes"] == imports[-1]["changes"] and re.fullmatch(  # names, not numbers of the catalog
        r"tables_deleted_from: aws_billing\.sample_cur, billing_state\.load_state; "
        r"tables_inserted_into: aws_billing\.sample_cur, [a-z_., ]*billing_state\.load_state[a-z_., ]*", bill["changes"])
    assert bill["author"] == imports[-1]["author"] and bill["message"] == imports[-1]["message"]
    assert '"billing_period":"2026-05"' in bill["details"]
    assert home.run("lake", "show", state, "--format", "csv").stdout.count("\n") == len(shown) + 1
    assert int(home.rows("lake", "show", "close")[0]["snapshot_id"]) == two[1]
    assert "no state 12345" in home.run("lake", "show", 12345, status=1).stderr


def test_history_tells_who_loaded_what_with_which_result(new_lake):
    home = new_lake()
    restate(home)
    home.run("sample", "--out", "bills", *SIZES, "--restate", "2026-05")
    file = max((home.folder / "bills").rglob("*PERIOD=2026-05/**/*.parquet"), key=lambda f: f.stat().st_mtime)
    whole = file.read_bytes()
    half = len(whole) // 2  # the footer is whole, a page is not
    file.write_bytes(whole[:half] + bytes(4096) + whole[half + 4096:])
    home.run("aws", "import-cur", "--bucket", "bills/sample-billing", status=3)
    file.write_bytes(whole)
    home.run("aws", "import-cur", "--bucket", "bills/sample-billing")
    home.run("aws", "import-cur", "--bucket", "bills/sample-billing", "--force", "--start-date", "2026-06")
    history = home.rows("lake", "history")
    told = [(h["billing_period"], h["status"]) for h in history]
    assert sorted(told[:2]) == [("2026-05", "completed"), ("2026-06", "completed")]  # they were loaded side by side
    assert told[2:] == [("2026-05", "failed"), ("2026-05", "completed"), ("2026-06", "completed")]
    failed, done = history[2], history[3]
    assert failed["version_id"] == done["version_id"] and failed["error"] and not done["error"]
    assert failed["rows"] is None and int(done["rows"]) > 0 and failed["author"]
    states = {s["snapshot_id"]: s for s in home.rows("lake", "snapshots")}
    for h in history:
        if h["status"] == "completed":
            assert h["version_id"] in states[h["snapshot_id"]]["message"] and "@" in h["author"]
            assert len(h["file_paths"]) == int(h["files"]) and h["file_paths"][0].endswith(".parquet")
    assert len({h["snapshot_id"] for h in history}) == 5
    assert len(home.rows("lake", "history", "--period", "2026-06")) == 2
    assert home.rows("lake", "history", "--export-name", "other") == []


BILL = "lake.aws_billing.sample_cur"


def differing(home, state, where="true"):
    """Rows that the bill has now or had in the state, and not in both; other columns than it had must be NULL."""
    with attached(catalog(home)) as outside:
        names = [c[0] for c in outside.sql(f"FROM {BILL} AT (VERSION => {state}) LIMIT 0").description]
        new = [c[0] for c in outside.sql(f"FROM {BILL} LIMIT 0").description if c[0] not in names]
        columns = ", ".join(f'"{n}"' for n in names)
        now = f"SELECT {columns} FROM {BILL} WHERE {where}"
        old = f"SELECT {columns} FROM {BILL} AT (VERSION => {state}) WHERE {where}"
        values = " OR ".join(f'"{n}" IS NOT NULL' for n in new) or "false"
        return (outside.sql(f"SELECT count(*) FROM (({now} EXCEPT ALL {old}) UNION ALL ({old} EXCEPT ALL {now}))").fetchone()[0]
                + outside.sql(f"SELECT count(*) FROM {BILL} WHERE ({where}) AND ({values})").fetchone()[0])


def state_row(home, state=None):
    at = f" AT (VERSION => {state})" if state is not None else ""
    with attached(catalog(home)) as outside:
        return outside.sql("SELECT version_id, row_count, total_cost, load_timestamp, completed_timestamp, attempt, table_name "
                           f"FROM lake.billing_state.load_state{at} WHERE current_version ORDER BY 1").fetchall()


def test_a_month_is_rolled_back_as_a_new_state_and_the_next_import_brings_the_newest_again(new_lake):
    home = new_lake()
    restate(home)
    first, old = newest(home), home.rows("query", TOTALS)
    home.run("lake", "tag", "close")
    restate(home, "--restate", "2026-05")
    second, new = newest(home), home.rows("query", TOTALS)
    home.run("query", "--write", "ALTER TABLE aws_billing.sample_cur ADD COLUMN came_later INTEGER DEFAULT 7")
    said = home.rows("lake", "rollback", "--to", "close", "--dry-run")
    assert [(m["billing_period"], int(m["rows"])) for m in said] == [("2026-05", 300)] and newest(home) == second + 1
    assert "pass --yes" in home.run("lake", "rollback", "--to", "close", status=2, stdin="").stderr
    said = home.run("lake", "rollback", "--to", "close", "--yes").stderr
    told = [s for s in home.rows("lake", "snapshots") if s["message"]][-1]
    assert f"1 month is as in state {first} again, which is state {newest(home)} now" in said
    assert home.rows("query", TOTALS) == old and differing(home, first, "billing_period = '2026-05'") == 0
    assert state_row(home) == state_row(home, first)
    assert re.fullmatch(rf"rollback of sample-cur 2026-05 to state {first} \(close\)", told["message"]) and "@" in told["author"]
    assert [h["action"] for h in home.rows("lake", "history", "--period", "2026-05")] == ["import", "import", "rollback"]
    assert home.rows("query", TOTALS, "--version", second) == new  # nothing is lost
    assert home.rows("lake", "rollback", "--to", "close", "--yes") == []
    actions = {r["billing_period"]: r["action"] for r in home.rows("aws", "import-cur", "--bucket", "bills/sample-billing")}
    assert actions["2026-05"] == "replace" and home.rows("query", TOTALS) == new
    assert home.rows("aws", "reconcile", "--bucket", "bills/sample-billing")[0]["table"] == "agree"


def test_what_is_held_stays_until_it_is_forced_or_let_go(new_lake):
    home = new_lake()
    restate(home)
    first, old = newest(home), home.rows("query", TOTALS)
    restate(home, "--restate", "2026-05")
    new = home.rows("query", TOTALS)
    held = ("lake", "rollback", "--to", first, "--period", "2026-05", "--yes")
    again = ("aws", "import-cur", "--bucket", "bills/sample-billing")
    home.run(*held, "--hold")
    assert {r["billing_period"]: r["action"] for r in home.rows(*again)}["2026-05"] == "held"
    assert home.rows("query", TOTALS) == old
    home.run(*again, "--force", "--end-date", "2026-05")
    assert home.rows("query", TOTALS) == new
    home.run(*held, "--hold")
    home.run(*held)
    assert {r["billing_period"]: r["action"] for r in home.rows(*again)}["2026-05"] == "replace"
    assert home.rows("query", TOTALS) == new


def test_months_that_came_since_go_and_those_that_went_come_back(new_lake):
    home = new_lake()
    home.run("sample", "--out", "bills", *SIZES)
    home.run("aws", "import-cur", "--bucket", "bills/sample-billing", "--end-date", "2026-05")
    first, old = newest(home), home.rows("query", TOTALS)
    home.run("aws", "import-cur", "--bucket", "bills/sample-billing")
    both, new = newest(home), home.rows("query", TOTALS)
    home.run("lake", "rollback", "--to", first, "--yes")
    views = "SELECT view_name AS v FROM duckdb_views() WHERE NOT internal AND view_name LIKE 'sample_cur%' ORDER BY 1"
    assert home.rows("query", TOTALS) == old
    assert [r["v"] for r in home.rows("query", views)] == ["sample_cur_2026_05", "sample_cur_unified"]
    home.run("lake", "rollback", "--to", both, "--yes")
    assert home.rows("query", TOTALS) == new and differing(home, both) == 0
    assert len(home.rows("query", views)) == 3
    assert "no state 9999" in home.run("lake", "rollback", "--to", 9999, "--yes", status=1).stderr
    assert "no bills yet" in home.run("lake", "rollback", "--to", 0, "--yes", status=1).stderr
