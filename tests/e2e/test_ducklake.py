"""Bills in a lake: the same commands, open Parquet files, and every state of them."""
import os
import subprocess

import duckdb
import pytest

from lakes import attached, catalog
from memory import peak_kib

MONTHS = ("2026-05", "2026-06", "2026-07")


@pytest.fixture
def lake(finops):
    """A finops whose bills go to a lake."""
    finops.env["OPEN_FINOPS_DATABASE_BACKEND"] = "ducklake"
    return finops


@pytest.fixture(scope="module")
def filled(tmp_path_factory, sample, new_home):
    home = new_home(tmp_path_factory.mktemp("lake"))
    home.run("aws", "import-cur", "--bucket", sample / "sample-billing")
    return home


@pytest.fixture(scope="module")
def new_home():
    from conftest import Finops

    def make(folder, **env):
        home = Finops(folder)
        home.env.update(OPEN_FINOPS_DATABASE_BACKEND="ducklake", **env)
        return home
    return make


def files(home):
    return sorted((home.folder / "data" / "finops.ducklake.files").rglob("*.parquet"))


def bills(home):
    return [f for f in files(home) if "aws_billing" in f.parts]


def test_the_months_are_there_to_the_last_digit(filled, sample):
    with attached(catalog(filled)) as outside:
        found = outside.sql("SELECT billing_period, count(*), sum(line_item_unblended_cost)::VARCHAR "
                            "FROM lake.aws_billing.sample_cur GROUP BY 1 ORDER BY 1").fetchall()
    assert [f[0] for f in found] == list(MONTHS)
    state = {r["billing_period"]: r for r in filled.rows("aws", "show-state")}
    for period, rows, cost in found:
        assert int(state[period]["row_count"]) == rows and state[period]["total_cost"] == cost
    said = filled.rows("aws", "reconcile", "--bucket", sample / "sample-billing")
    assert len(said) == 3 and {r["table"] for r in said} == {"agree"}


def test_names_of_months_and_of_all_answer(filled):
    one = "SELECT count(*) AS n, sum(line_item_unblended_cost) AS c FROM aws_billing."
    for period in MONTHS:
        view = filled.rows("query", one + "sample_cur_" + period.replace("-", "_"))
        unified = filled.rows("query", one + f"sample_cur_unified WHERE billing_period = '{period}'")
        assert view == unified and int(view[0]["n"]) > 0
    names = filled.rows("query", "SELECT column_name FROM (DESCRIBE aws_billing.sample_cur_2026_06)")
    assert "billing_period" not in [n["column_name"] for n in names]


def test_another_run_finds_nothing_to_do_and_writes_nothing(filled, sample):
    before = [f.stat().st_mtime_ns for f in files(filled)], catalog(filled).stat().st_mtime_ns
    said = filled.run("aws", "import-cur", "--bucket", sample / "sample-billing")
    assert "0 months loaded, 3 already current" in said.stderr
    assert before == ([f.stat().st_mtime_ns for f in files(filled)], catalog(filled).stat().st_mtime_ns)


def test_of_an_import_only_the_bill_is_in_files(filled):
    assert {f.parts[-3] for f in files(filled)} == {"sample_cur"} and len(files(filled)) == 3
    with attached(catalog(filled)) as outside:
        assert outside.sql("SELECT count(*), sum(row_count) FROM lake.billing_state.load_state WHERE current_version").fetchall() == [
            (3, outside.sql("SELECT count(*) FROM lake.aws_billing.sample_cur").fetchone()[0])]


def test_files_are_cut_by_billing_period_and_compressed_with_zstd(filled):
    assert {f.parent.name for f in bills(filled)} == {f"billing_period={m}" for m in MONTHS}
    for file in bills(filled):
        kinds = duckdb.sql(f"SELECT DISTINCT compression FROM parquet_metadata('{file}')").fetchall()
        assert kinds == [("ZSTD",)]


def test_a_month_is_replaced_as_a_whole_and_its_old_state_stays(lake, sample, copy_of):
    bucket = copy_of(sample)
    lake.run("aws", "import-cur", "--bucket", bucket / "sample-billing")
    with attached(catalog(lake)) as outside:
        version = outside.sql("SELECT max(snapshot_id) FROM lake.snapshots()").fetchone()[0]
        before = outside.sql("SELECT billing_period, sum(line_item_unblended_cost) FROM lake.aws_billing.sample_cur GROUP BY 1 ORDER BY 1").fetchall()
    lake.run("sample", "--out", bucket, "--rows", 1500, "--months", 3, "--accounts", 4, "--seed", 11, "--start", "2026-05",
             "--restate", "2026-06")
    said = lake.rows("aws", "import-cur", "--bucket", bucket / "sample-billing")
    assert [(r["billing_period"], r["action"]) for r in said if r["action"] != "current"] == [("2026-06", "replace")]
    with attached(catalog(lake)) as outside:
        sums = "SELECT billing_period, sum(line_item_unblended_cost) FROM lake.aws_billing.sample_cur %s GROUP BY 1 ORDER BY 1"
        after, old = outside.sql(sums % "").fetchall(), outside.sql(sums % f"AT (VERSION => {version})").fetchall()
        state = outside.sql("SELECT billing_period, count(*) FILTER (current_version) FROM lake.billing_state.load_state GROUP BY 1").fetchall()
        changes = outside.sql(f"SELECT changes FROM lake.snapshots() WHERE snapshot_id > {version} AND list_contains("
                              "map_keys(changes), 'tables_deleted_from')").fetchall()
    assert old == before and after[0] == before[0] and after[2] == before[2] and after[1] != before[1]
    assert {n for _, n in state} == {1} and len(changes) >= 1


def test_an_import_that_fails_leaves_the_month_as_it_was(lake, sample, copy_of):
    bucket = copy_of(sample)
    lake.run("aws", "import-cur", "--bucket", bucket / "sample-billing", "--end-date", "2026-06")
    damaged = next(bucket.rglob("BILLING_PERIOD=2026-07/*.parquet"))
    half = len(damaged.read_bytes()) // 2  # the footer is whole, a page is not
    damaged.write_bytes(damaged.read_bytes()[:half] + bytes(4096) + damaged.read_bytes()[half + 4096:])
    said = lake.run("aws", "import-cur", "--bucket", bucket / "sample-billing", status=3)
    assert "2026-07" in said.stdout and len(bills(lake)) == 2  # nothing of it is left
    assert lake.rows("query", "SELECT DISTINCT billing_period FROM aws_billing.sample_cur ORDER BY 1") == [
        {"billing_period": "2026-05"}, {"billing_period": "2026-06"}]
    assert [r["billing_period"] for r in lake.rows("aws", "show-state") if r["current_version"]] == ["2026-05", "2026-06"]


def test_old_months_are_pruned_with_their_views(lake, sample):
    lake.run("aws", "import-cur", "--bucket", sample / "sample-billing")
    lake.run("aws", "prune", "--before", "2026-07", "--yes")
    views = lake.rows("query", "SELECT view_name FROM duckdb_views() WHERE NOT internal ORDER BY 1")
    assert [v["view_name"] for v in views if not v["view_name"].startswith("aws_billing_")] == [
        "billing_2026_07", "billing_unified", "load_states", "sample_cur_2026_07", "sample_cur_unified"]
    assert {v["view_name"][-8:] for v in views if v["view_name"].startswith("aws_billing_")} == {"_2026_07"}
    assert lake.rows("query", "SELECT DISTINCT billing_period AS p FROM aws_billing.sample_cur_unified") == [{"p": "2026-07"}]


@pytest.mark.parametrize("setting,value", [("COMPRESSION", "snappy"), ("PARTITION_STRATEGY", "account"),
                                           ("PARTITION_STRATEGY", "yearly"), ("DATA_PATH", "elsewhere/files")])
def test_an_option_does_what_it_says(lake, sample, setting, value):
    lake.env[f"OPEN_FINOPS_DATABASE_DUCKLAKE_{setting}"] = value
    lake.run("aws", "import-cur", "--bucket", sample / "sample-billing", "--start-date", "2026-06")
    found = bills(lake) or sorted((lake.folder / "elsewhere").rglob("*.parquet"))
    paths = " ".join(str(f.relative_to(lake.folder)) for f in found)
    if value == "snappy":
        assert duckdb.sql(f"SELECT DISTINCT compression FROM parquet_metadata('{found[0]}')").fetchall() == [("SNAPPY",)]
    elif value == "account":
        assert len({f.parent for f in found}) > 2 and "account_id=" in paths
    elif value == "yearly":
        assert "year=2026" in paths and "billing_period" not in paths
    else:
        assert paths.startswith("elsewhere/files/aws_billing/") and lake.rows("query", "SELECT count(*) AS n FROM aws_billing.sample_cur") != []


def test_a_lake_knows_where_its_files_are(lake, sample):
    one = ("aws", "import-cur", "--bucket", sample / "sample-billing", "--quiet")
    lake.run(*one, "--end-date", "2026-06", env={"OPEN_FINOPS_DATABASE_DUCKLAKE_DATA_PATH": "elsewhere/files"})
    lake.run(*one)  # which is not told any more
    found = {str(f.relative_to(lake.folder)) for f in lake.folder.rglob("*.parquet")}
    assert len(found) == 3 and all(f.startswith("elsewhere/files/aws_billing/sample_cur/billing_period=2026-0") for f in found)
    with attached(catalog(lake)) as outside:
        known = outside.sql("SELECT count(*) FROM __ducklake_metadata_lake.ducklake_data_file WHERE path_is_relative").fetchone()[0]
        assert known == 3 and outside.sql("SELECT count(*) FROM lake.aws_billing.sample_cur").fetchone()[0] == 4500


def test_row_groups_have_the_rows_of_a_chunk(lake):
    lake.env["OPEN_FINOPS_DATABASE_DUCKLAKE_PERFORMANCE_CHUNK_SIZE"] = "2048"
    lake.run("sample", "--out", "b", "--rows", 5000, "--months", 1, "--quiet")
    lake.run("aws", "import-cur", "--bucket", "b/sample-billing", "--quiet")
    groups = duckdb.sql(f"SELECT DISTINCT row_group_id, row_group_num_rows FROM parquet_metadata('{bills(lake)[0]}')").fetchall()
    assert sorted(n for _, n in groups) == [904, 2048, 2048]


def test_of_one_month_no_file_of_another_is_read(filled):
    with attached(catalog(filled)) as outside:
        plan = outside.sql("EXPLAIN ANALYZE SELECT sum(line_item_unblended_cost) FROM lake.aws_billing.sample_cur WHERE "
                           "billing_period = '2026-06'").fetchall()[0][1]
        assert "Total Files Read: 1 " in plan and "=2026-06" in plan
        assert "Total Files Read: 3 " in outside.sql("EXPLAIN ANALYZE SELECT sum(line_item_unblended_cost) FROM lake.aws_billing.sample_cur"
                                                     ).fetchall()[0][1]


LONG = pytest.mark.skipif(os.environ.get("FINOPS_TEST_LONG") != "1", reason="takes minutes; FINOPS_TEST_LONG=1 runs it")


@LONG
def test_an_import_stays_near_its_memory_limit(lake):
    lake.run("sample", "--out", "big", "--rows", 400000, "--months", 1, "--quiet", timeout=300)
    peaks = {}
    for limit in ("2GB", "600MiB"):
        lake.env["OPEN_FINOPS_DATABASE_DUCKLAKE_PERFORMANCE_MEMORY_LIMIT"] = limit
        peaks[limit] = peak_kib(lake.start("aws", "import-cur", "--bucket", "big/sample-billing", "--quiet", "--force"))
    assert lake.rows("query", "SELECT count(*) AS n FROM aws_billing.sample_cur") == [{"n": 400000}]
    assert peaks["600MiB"] < (600 + 350) * 1024 < peaks["2GB"], peaks  # 350: libraries, and what readers of Parquet hold


def test_encrypted_files_are_read_with_the_catalog_alone(lake, sample):
    lake.env["OPEN_FINOPS_DATABASE_DUCKLAKE_ENABLE_ENCRYPTION"] = "true"
    lake.run("aws", "import-cur", "--bucket", sample / "sample-billing", "--start-date", "2026-07")
    with pytest.raises(duckdb.Error):
        duckdb.sql(f"SELECT * FROM read_parquet('{bills(lake)[0]}')").fetchall()
    with attached(catalog(lake)) as outside:
        assert outside.sql("SELECT count(*) FROM lake.aws_billing.sample_cur").fetchone()[0] > 0


def test_a_lake_stays_encrypted_or_not(lake, sample):
    one = ("aws", "import-cur", "--bucket", sample / "sample-billing", "--start-date")
    key = "OPEN_FINOPS_DATABASE_DUCKLAKE_ENABLE_ENCRYPTION"
    lake.run(*one, "2026-07", env={key: "true"})
    lake.run(*one, "2026-06")  # what the lake is counts
    for file in bills(lake):
        with pytest.raises(duckdb.Error):
            duckdb.sql(f"SELECT * FROM read_parquet('{file}')").fetchall()
    lake.env["OPEN_FINOPS_DATABASE_DUCKLAKE_DATABASE_PATH"] = "plain/lake"
    lake.run(*one, "2026-07")
    said = lake.run(*one, "2026-06", env={key: "true"}, status=None)
    assert said.returncode != 0 and "is not encrypted" in said.stderr


def test_a_catalog_in_sqlite(lake, sample):
    lake.env["OPEN_FINOPS_DATABASE_DUCKLAKE_CATALOG"] = "sqlite"
    lake.run("aws", "import-cur", "--bucket", sample / "sample-billing")
    assert catalog(lake).read_bytes()[:15] == b"SQLite format 3"
    assert lake.rows("aws", "reconcile", "--bucket", sample / "sample-billing")[0]["table"] == "agree"


@pytest.fixture
def shared_lake(new_home, tmp_path, postgresql):
    """Makes programs in folders of their own, as on machines of their own, with one lake."""
    server = postgresql.new_database()
    at = server.settings()

    def make(name):
        (tmp_path / name).mkdir()
        home = new_home(tmp_path / name)
        home.env.update(OPEN_FINOPS_DATABASE_DUCKLAKE_DATA_PATH=str(tmp_path / "files"),
                        OPEN_FINOPS_DATABASE_DUCKLAKE_CATALOG=f"postgresql://{at['user']}:{at['password']}@/"
                        f"{at['database']}?host={at['host']}&port={at['port']}")
        return home
    make.server = server
    return make


def test_a_catalog_in_postgresql(shared_lake, sample):
    one, other = shared_lake("one"), shared_lake("other")
    one.run("aws", "import-cur", "--bucket", sample / "sample-billing")
    assert int(shared_lake.server.value("SELECT count(*) FROM ducklake_data_file")) > 0 and not catalog(one).exists()
    assert other.rows("aws", "reconcile", "--bucket", sample / "sample-billing")[0]["table"] == "agree"


def test_importers_that_share_a_catalog_load_each_month_once(shared_lake, sample):
    homes = [shared_lake(name) for name in ("a", "b", "c")]
    running = [home.start("aws", "import-cur", "--bucket", sample / "sample-billing", stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) for home in homes]
    said = [p.communicate(timeout=300) for p in running]
    assert [p.returncode for p in running] == [0, 0, 0], said
    rows = homes[0].rows("query", "SELECT billing_period AS p, count(*) AS n FROM aws_billing.sample_cur GROUP BY 1 ORDER BY 1")
    assert [(r["p"], int(r["n"])) for r in rows] == [(m, 1500) for m in MONTHS]
    state = homes[0].rows("aws", "show-state")
    assert len(state) == 3 and all(r["current_version"] and r["load_completed"] for r in state)


def test_a_password_of_the_catalog_is_never_shown(lake, sample):
    lake.env["OPEN_FINOPS_DATABASE_DUCKLAKE_CATALOG"] = "postgresql://finops:very-secret@127.0.0.1:1/nowhere"
    said = lake.run("aws", "import-cur", "--bucket", sample / "sample-billing", status=1)
    assert "very-secret" not in said.stdout + said.stderr and "catalog" in said.stderr
    assert "very-secret" not in lake.run("config", "show").stdout


@pytest.fixture(scope="module")
def restated(tmp_path_factory, new_home):
    """A lake with two states of June, the number of the first one, and the total each had."""
    home = new_home(tmp_path_factory.mktemp("restated"))
    sizes = ("--rows", 1500, "--months", 2, "--seed", 11, "--start", "2026-05")
    home.run("sample", "--out", "bills", *sizes)
    home.run("aws", "import-cur", "--bucket", "bills/sample-billing")
    version = int(home.rows("lake", "snapshots")[-1]["snapshot_id"])
    total = "SELECT sum(line_item_unblended_cost) AS c FROM aws_billing.sample_cur_2026_05"
    old = home.rows("query", total)
    home.run("sample", "--out", "bills", *sizes, "--restate", "2026-05")
    home.run("aws", "import-cur", "--bucket", "bills/sample-billing")
    new = home.rows("query", total)
    assert old != new
    return home, version, total, old, new


def test_the_past_is_read_by_the_number_of_a_state(restated):
    home, version, total, old, new = restated
    assert home.rows("query", total, "--version", version) == old
    assert home.rows("query", total) == new
    then, now = (home.run("report", "--period", "2026-05", *at).stdout for at in (("--version", version), ()))
    assert then != now


def test_the_past_is_read_by_time(restated):
    home, version, total, old, new = restated
    time = {int(s["snapshot_id"]): s["time"] for s in home.rows("lake", "snapshots")}[version]
    assert home.rows("query", total, "--at", time) == old
    assert home.rows("query", total, "--at", "2100-01-01") == new
    said = home.run("query", total, "--at", "2001-01-01", status=1)
    assert "No snapshot found" in said.stderr


@pytest.mark.parametrize("args,words", [(("--at", "yesterday"), "expected a time"), (("--at", "2026-13-01"), "expected a time"),
                                        (("--at", "2026-01-01", "--version", 3), "cannot both"),
                                        (("--version", 3, "--write"), "can only be read"),
                                        (("--version", 3, "--backend", "duckdb"), "not supported by duckdb"),
                                        (("--version", 999999), "999999")])
def test_a_moment_that_makes_no_sense_is_refused(restated, args, words):
    said = restated[0].run("query", "SELECT 1", *args, status=None)
    assert said.returncode != 0 and words in said.stderr


def test_states_tell_who_imported_what(restated):
    home = restated[0]
    states = home.rows("lake", "snapshots")
    assert [int(s["snapshot_id"]) for s in states] == list(range(len(states)))
    told = [s for s in states if s["message"]]
    assert len(told) == 3 and all("@" in s["author"] for s in told)
    assert told[-1]["message"].startswith("import sample-cur 2026-05, version 2026-06")
    said = home.run("lake", "snapshots", "--backend", "duckdb", status=None)
    assert said.returncode != 0 and "time travel is not supported by duckdb" in said.stderr


def test_the_past_is_never_answered_by_another_database(restated):
    home, version, total, old, _ = restated
    elsewhere = {"OPEN_FINOPS_ROUTING_BILLS": "duckdb"}
    said = home.run("query", total, "--version", version, env=elsewhere, status=None)
    assert said.returncode != 0 and "not supported by duckdb" in said.stderr
    routed = {"OPEN_FINOPS_DATABASE_BACKEND": "duckdb", "OPEN_FINOPS_ROUTING_BILLS": "ducklake"}
    assert home.rows("query", total, "--version", version, env=routed) == old


def test_without_the_extension_the_other_backend_is_named(lake, sample, tmp_path):
    lake.env["FINOPS_EXTENSION_DIR"] = str(tmp_path)
    said = lake.run("aws", "import-cur", "--bucket", sample / "sample-billing", status=1)
    assert "ducklake" in said.stderr and "--backend duckdb" in said.stderr
    assert not catalog(lake).exists()


# Nine hundred cases that each make a table, a snapshot of the lake: minutes. All backends run them on a DuckDB file.
@pytest.mark.parametrize("area", ["transactions", "errors", "readonly", "lock", "health", "types: decimal*comes back as it was",
                                  "catalog", "control", "importers", "params", "partition", "rows", "sessions", "write",
                                  *(pytest.param(a, marks=LONG) for a in ("names", "types"))])
def test_the_conformance_suite_passes(lake, area):
    if area in ("catalog", "params", "partition", "rows", "write"):  # of small statements a second thread costs more than it saves
        lake.env["OPEN_FINOPS_DATABASE_DUCKLAKE_THREADS"] = "1"
    said = lake.run("backends", "test", "ducklake", "--filter", area, "--failed", status=None, timeout=3600 if area in ("names", "types") else 300)
    assert said.returncode == 0, said.stdout


MARKS = "SELECT count(*) AS n, sum(line_item_unblended_cost)::VARCHAR AS c FROM "


def payers(home):
    found = home.rows("query", "SELECT DISTINCT bill_payer_account_id AS p FROM aws_billing.sample_cur_unified")
    return sorted(f["p"] for f in found)


def test_names_that_span_exports_answer(lake, sample, copy_of):
    lake.run("aws", "import-cur", "--bucket", sample / "sample-billing", "--start-date", "2026-05", "--end-date", "2026-06")
    for period in MONTHS[:2]:
        of_month = lake.rows("query", MARKS + f"aws_billing.sample_cur_unified WHERE billing_period = '{period}'")
        name = period.replace("-", "_")
        assert lake.rows("query", MARKS + f"aws_billing.billing_{name}") == of_month
        parts = [lake.rows("query", MARKS + f"aws_billing.aws_billing_{p}_{name}")[0]["n"] for p in payers(lake)]
        assert sum(map(int, parts)) == int(of_month[0]["n"])
    lake.run("aws", "import-cur", "--bucket", copy_of(sample) / "sample-billing", "--dataset-name", "aws_billing", "--end-date", "2026-05")
    exports = {s["export_name"] for s in lake.rows("aws", "show-state")}
    both = lake.rows("query", MARKS + "aws_billing.billing_2026_05")[0]
    assert len(exports) == 2 and int(both["n"]) == 2 * int(lake.rows("query", MARKS + "aws_billing.sample_cur_2026_05")[0]["n"])
    states = len(lake.rows("lake", "snapshots"))
    lake.run("aws", "prune", "--export-name", "sample-cur", "--before", "2026-06", "--yes")
    views = {v["view_name"] for v in lake.rows("query", "SELECT view_name FROM duckdb_views() WHERE schema_name = 'aws_billing'")}
    assert {v for v in views if v.startswith("billing_")} == {"billing_unified", "billing_2026_05", "billing_2026_06"}
    assert len(lake.rows("lake", "snapshots")) < states + 20


def test_a_file_of_views_serves_programs_that_open_a_file(lake, sample):
    lake.run("aws", "import-cur", "--bucket", sample / "sample-billing", "--end-date", "2026-06")
    file = lake.folder / "data" / "finops-ducklake.duckdb"
    assert sorted(p.name for p in file.parent.iterdir() if "ducklake.duckdb" in p.name) == [file.name]
    lake.run("aws", "import-cur", "--bucket", sample / "sample-billing")
    with attached(catalog(lake)) as outside:
        outside.execute(f"ATTACH 'ducklake:{catalog(lake)}' AS finops_lake (READ_ONLY); ATTACH '{file}' AS names (READ_ONLY); USE names")
        for name in ("aws_billing.sample_cur_unified", "aws_billing.sample_cur_2026_07", "aws_billing.billing_2026_06",
                     "aws_billing.sample_cur", "billing_state.load_state", "billing_state.load_states"):
            said = outside.sql(f"SELECT count(*) FROM {name}").fetchone()[0]
            assert said == outside.sql(f"SELECT count(*) FROM finops_lake.{name}").fetchone()[0] > 0
        assert outside.sql("SELECT count(*) FROM duckdb_tables() WHERE database_name = 'names'").fetchone() == (0,)


def test_the_file_of_views_can_be_elsewhere_or_not_at_all(lake, sample, tmp_path):
    lake.env["OPEN_FINOPS_DATABASE_DUCKLAKE_DUCKDB_PATH"] = str(tmp_path / "views" / "v.duckdb")
    lake.run("aws", "import-cur", "--bucket", sample / "sample-billing", "--end-date", "2026-05")
    assert (tmp_path / "views" / "v.duckdb").exists() and not (lake.folder / "data" / "finops-ducklake.duckdb").exists()
    (tmp_path / "views" / "v.duckdb").unlink()
    (tmp_path / "views" / "v.duckdb").mkdir()  # nothing can take its place
    said = lake.run("aws", "import-cur", "--bucket", sample / "sample-billing", "--end-date", "2026-06")
    assert "v.duckdb" in said.stderr and len(lake.rows("aws", "show-state")) == 2
