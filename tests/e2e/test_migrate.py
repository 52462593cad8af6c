"""finops migrate: bills from one database to another, read back by DuckDB's own package and psql."""
import hashlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import time

import duckdb
import pytest
from conftest import Finops

import lakes
from memory import peak_kib

EXTENSIONS = pathlib.Path(__file__).resolve().parents[2] / "deps" / "extensions"
LEGACY = pathlib.Path(__file__).resolve().parents[3] / "shared" / "data" / "legacy" / "finops.duckdb"
MONTHS = ["2026-05", "2026-06", "2026-07"]
FILTER = "billing_period, count(*), sum(line_item_unblended_cost)::VARCHAR, count(DISTINCT line_item_resource_id)"


@pytest.fixture
def full(finops, loaded):
    """A finops of the test's own whose DuckDB file holds the sample."""
    finops.database.parent.mkdir()
    shutil.copy(loaded.database, finops.database)
    return finops


@pytest.fixture(scope="module")
def moved(tmp_path_factory, loaded):
    """Such a finops whose bills were migrated into a lake, once; for tests that only read that."""
    home = Finops(tmp_path_factory.mktemp("moved"))
    home.database.parent.mkdir()
    shutil.copy(loaded.database, home.database)
    home.before = digest(home.database)
    home.said = home.rows("migrate", "--from", "duckdb", "--to", "ducklake")
    return home


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def lake_of(finops, name="finops.ducklake"):
    outside = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    for extension in ("httpfs", "ducklake"):
        outside.load_extension(str(EXTENSIONS / f"{extension}.duckdb_extension"))
    outside.execute(f"ATTACH 'ducklake:{finops.folder / 'data' / name}' AS lake (READ_ONLY)")
    return outside


def months_of(db, table):
    return db.sql(f"SELECT {FILTER} FROM {table} GROUP BY 1 ORDER BY 1").fetchall()


def rows_of(db, table, columns):
    """Every row as text, sorted: the same whatever order and engine they came from."""
    listed = ", ".join(f'CAST("{c}" AS VARCHAR)' for c in columns)
    return sorted(db.sql(f"SELECT {listed} FROM {table}").fetchall(), key=str)


def actions(said):
    return [(r["billing_period"], r["action"]) for r in said if r["action"] != "left out"]


def answers_are_those_of(finops, one, other, sample, **env):
    """report, reconcile, diff and a further import say the same of both backends."""
    for words in (["report", "--by", "account", "--cost", "amortized"], ["aws", "diff", "--period", "2026-06", "--export-name", "sample-cur"]):
        said = [finops.run(*words, "--format", "json", env={"OPEN_FINOPS_DATABASE_BACKEND": b, **env}, status=None)
                for b in (one, other)]
        assert said[0].stdout == said[1].stdout and said[0].returncode == said[1].returncode, words
    env = {"OPEN_FINOPS_DATABASE_BACKEND": other, **env}
    checked = finops.rows("aws", "reconcile", "--bucket", sample / "sample-billing", env=env)
    assert [r["table"] for r in checked] == ["agree"] * 3
    again = finops.rows("aws", "import-cur", "--bucket", sample / "sample-billing", env=env)
    assert actions(again) == [(m, "current") for m in MONTHS]


def test_a_duckdb_file_becomes_a_lake_and_stays_what_it_was(moved, sample):
    full, said = moved, moved.said
    assert actions(said) == [(m, "copy") for m in MONTHS] and {r["object"] for r in said} == {"aws_billing.sample_cur"}
    assert all("columns" in r["verified"] and int(r["rows"]) == 1500 for r in said)
    assert digest(full.database) == moved.before
    with duckdb.connect(str(full.database), read_only=True) as source, lake_of(full) as lake:
        assert months_of(source, "aws_billing.sample_cur_unified") == months_of(lake, "lake.aws_billing.sample_cur")
        columns = [c[0] for c in source.sql("DESCRIBE aws_billing.sample_cur_2026_06").fetchall()]
        assert rows_of(source, "aws_billing.sample_cur_2026_06", columns) == \
            rows_of(lake, "lake.aws_billing.sample_cur_2026_06", columns)
        for state in ("ledger", "column_names", "retention", "schema_versions"):
            names = [c[0] for c in source.sql(f"DESCRIBE billing_state.{state}").fetchall()]
            assert rows_of(source, f"billing_state.{state}", names) == rows_of(lake, f"lake.billing_state.{state}", names)
        assert lake.sql("SELECT DISTINCT table_name FROM lake.billing_state.load_state").fetchall() == [("sample_cur",)]
    answers_are_those_of(full, "duckdb", "ducklake", sample)
    messages = [r["message"] for r in full.rows("lake", "snapshots", "--backend", "ducklake")]
    assert any(m and m.startswith("migrate sample-cur 2026-05 from duckdb") for m in messages)


def test_the_second_time_there_is_nothing_to_do(moved):
    full = moved
    with lake_of(full) as lake:
        version = lake.sql("SELECT max(snapshot_id) FROM lake.snapshots()").fetchone()
    said = full.run("migrate", "--from", "duckdb", "--to", "ducklake")
    assert "0 months copied and verified, 3 already there" in said.stderr
    with lake_of(full) as lake:
        assert lake.sql("SELECT max(snapshot_id) FROM lake.snapshots()").fetchone() == version


def test_a_lake_becomes_tables_of_months_again(moved, sample):
    full = moved
    said = full.rows("migrate", "--from", "ducklake", "--to", "duckdb", "--to-path", "data/back.duckdb")
    assert [r["object"] for r in said] == [f"aws_billing.sample_cur_{m.replace('-', '_')}" for m in MONTHS]
    back = full.folder / "data" / "back.duckdb"
    with duckdb.connect(str(full.database), read_only=True) as one, duckdb.connect(str(back), read_only=True) as two:
        for month in MONTHS:
            table = f"aws_billing.sample_cur_{month.replace('-', '_')}"
            described = one.sql(f"DESCRIBE {table}").fetchall()
            assert set(described) <= set(two.sql(f"DESCRIBE {table}").fetchall())
            columns = [c[0] for c in described]
            assert rows_of(one, table, columns) == rows_of(two, table, columns)
        tables = "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = 'aws_billing' ORDER BY 1"
        assert one.sql(tables).fetchall() == two.sql(tables).fetchall()
        state = "SELECT billing_period, version_id, table_name, row_count, total_cost FROM billing_state.load_state ORDER BY 1"
        assert one.sql(state).fetchall() == two.sql(state).fetchall()
    answers_are_those_of(full, "duckdb", "duckdb", sample, OPEN_FINOPS_DATABASE_DUCKDB_DATABASE_PATH="data/back.duckdb")


def test_tables_of_months_become_one_where_that_is_asked_for(full, sample):
    full.run("migrate", "--from", "duckdb", "--to", "duckdb", "--to-path", "data/single.duckdb", "--table-strategy", "single")
    single = full.folder / "data" / "single.duckdb"
    with duckdb.connect(str(full.database), read_only=True) as one, duckdb.connect(str(single), read_only=True) as two:
        assert months_of(one, "aws_billing.sample_cur_unified") == months_of(two, "aws_billing.sample_cur")
        assert months_of(two, "aws_billing.sample_cur_unified") == months_of(two, "aws_billing.sample_cur")


def test_postgresql_and_a_lake_keep_every_digit_and_every_tag(full, sample, postgresql):
    server = postgresql.new_database()
    env = {**server.env(), "OPEN_FINOPS_DATABASE_POSTGRESQL_SSLMODE": "disable"}
    said = full.rows("migrate", "--from", "duckdb", "--to", "postgresql", env=env)
    assert actions(said) == [(m, "copy") for m in MONTHS]
    sums = server.sql("SELECT billing_period, count(*), sum(line_item_unblended_cost) "
                      "FROM aws_billing.sample_cur_unified GROUP BY 1 ORDER BY 1")
    with duckdb.connect(str(full.database), read_only=True) as source:
        assert [list(map(str, m[:3])) for m in months_of(source, "aws_billing.sample_cur_unified")] == \
            [list(map(str, s)) for s in sums]
    answers_are_those_of(full, "duckdb", "postgresql", sample, **env)
    full.run("migrate", "--from", "postgresql", "--to", "ducklake", env=env)
    with duckdb.connect(str(full.database), read_only=True) as source, lake_of(full) as lake:
        described = source.sql("DESCRIBE aws_billing.sample_cur_2026_06").fetchall()
        there = {c[0]: c[1] for c in lake.sql("DESCRIBE lake.aws_billing.sample_cur_2026_06").fetchall()}
        assert [there[c[0]] for c in described if len(c[0]) < 60] == [c[1] for c in described if len(c[0]) < 60]
        columns = [c[0] for c in described if len(c[0]) < 60 and not c[1].startswith("MAP")]
        assert rows_of(source, "aws_billing.sample_cur_2026_06", columns) == \
            rows_of(lake, "lake.aws_billing.sample_cur_2026_06", columns)
    answers_are_those_of(full, "duckdb", "ducklake", sample)


def test_maps_go_through_json_and_back(finops, postgresql, parquet_bill):
    server = postgresql.new_database()
    env = {**server.env(), "OPEN_FINOPS_DATABASE_POSTGRESQL_SSLMODE": "disable"}
    line = {"bill_payer_account_id": "'000000000001'", "line_item_usage_start_date": "TIMESTAMP '2026-05-01 01:02:03.000004'",
            "line_item_unblended_cost": "12345678901234567890.123456789012345678::DECIMAL(38,18)",
            "line_item_line_item_type": "'Usage'", "line_item_product_code": "'AmazonEC2'",
            "resource_tags": "MAP {'user_team': 'a \"q\" \\ é 😀', 'user_none': NULL, 'z': ''}",
            "discount": "MAP {'total_discount': 12345678901234567890.000000000000000001::DECIMAL(38,18)}",
            "bill_billing_period_start_date": "TIMESTAMP '2026-05-01'"}
    other = {**line, "resource_tags": "MAP {}", "discount": "NULL", "line_item_unblended_cost": "-0.5::DECIMAL(38,18)"}
    finops.run("aws", "import-cur", "--file", parquet_bill("tags.parquet", [line, other]), "--export-name", "tags")
    finops.run("migrate", "--from", "duckdb", "--to", "postgresql", env=env)
    finops.run("migrate", "--from", "postgresql", "--to", "ducklake", env=env)
    ask = ("SELECT line_item_unblended_cost::VARCHAR, line_item_usage_start_date::VARCHAR, resource_tags['user_team'], "
           "resource_tags['z'], discount['total_discount']::VARCHAR, bill_payer_account_id, resource_tags_user_team "
           "FROM %saws_billing.tags_unified ORDER BY 1")
    with duckdb.connect(str(finops.database), read_only=True) as source, lake_of(finops) as lake:
        lake.execute("USE lake")
        assert source.sql(ask % "").fetchall() == lake.sql(ask % "").fetchall()


def test_the_earlier_tools_database_answers_the_same_in_a_lake(finops, sample):
    if not LEGACY.is_file():
        pytest.skip(f"{LEGACY} is absent: the database of the earlier tool is not tested here")
    finops.database.parent.mkdir()
    shutil.copyfile(LEGACY, finops.database)
    before = digest(finops.database)
    said = finops.rows("migrate", "--from", "duckdb", "--to", "ducklake", env={"TZ": "America/New_York"})
    assert actions(said) == [("2025-01", "copy"), ("2025-02", "copy")]
    assert [r["object"] for r in said if r["action"] == "left out"] == [
        f"aws_billing.{t}" for t in ("_dlt_loads", "_dlt_pipeline_state", "_dlt_version")]
    assert digest(finops.database) == before
    ask = ("SELECT count(*), round(sum(line_item_unblended_cost), 4)::VARCHAR, "
           "sum(epoch(line_item_usage_end_date))::BIGINT FROM aws_billing.legacy_cur_%s")
    with duckdb.connect(str(finops.database), read_only=True) as old, lake_of(finops) as lake:
        old.execute("SET TimeZone = 'UTC'")
        lake.execute("USE lake")
        for name in ("2025_01", "2025_02", "unified"):
            assert old.sql(ask % name).fetchall() == lake.sql(ask % name).fetchall()
        assert lake.sql(ask % "unified").fetchone()[:2] == (6000, "218146.0054")
        by = "SELECT line_item_usage_type, count(*) FROM aws_billing.legacy_cur_unified GROUP BY 1 ORDER BY 1"
        assert old.sql(by).fetchall() == lake.sql(by).fetchall()
    bill = sorted(sample.rglob("*.parquet"))[0]
    finops.run("aws", "import-cur", "--file", bill, "--export-name", "legacy-cur", "--backend", "ducklake")
    with lake_of(finops) as lake:
        lake.execute("USE lake")
        months = lake.sql("SELECT billing_period, count(*) FROM aws_billing.legacy_cur_unified GROUP BY 1 ORDER BY 1").fetchall()
        assert months[:2] == [("2025-01", 3000), ("2025-02", 3000)] and len(months) == 3
        assert lake.sql("SELECT DISTINCT typeof(line_item_unblended_cost), typeof(bill_payer_account_id) "
                        "FROM aws_billing.legacy_cur_unified").fetchall() == [("DECIMAL(38,18)", "VARCHAR")]


def test_a_killed_run_goes_on_and_copies_no_month_twice(finops):
    finops.run("sample", "--out", "bills", "--rows", 300, "--months", 3, "--start", "2026-01")
    finops.run("aws", "import-cur", "--bucket", "bills/sample-billing")
    run = finops.start("migrate", "--from", "duckdb", "--to", "ducklake", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while run.poll() is None and not list(finops.folder.glob("data/finops.ducklake.files/aws_billing/*/*=2026-02")):
        time.sleep(0.005)
    run.send_signal(signal.SIGKILL)
    assert run.wait() == -signal.SIGKILL
    said = finops.rows("migrate", "--from", "duckdb", "--to", "ducklake")
    assert dict(actions(said)) == {"2026-01": "current", "2026-02": "copy", "2026-03": "copy"}
    with duckdb.connect(str(finops.database), read_only=True) as source, lake_of(finops) as lake:
        assert months_of(source, "aws_billing.sample_cur_unified") == months_of(lake, "lake.aws_billing.sample_cur_unified")
        copied = lake.sql("SELECT commit_message, count(*) FROM lake.snapshots() WHERE commit_message LIKE 'migrate %' "
                          "GROUP BY 1").fetchall()
        assert len(copied) == 3 and {n for _, n in copied} == {1}
        ledger = "SELECT billing_period, count(*), sum(unblended) FROM %sbilling_state.ledger GROUP BY 1 ORDER BY 1"
        assert source.sql(ledger % "").fetchall() == lake.sql(ledger % "lake.").fetchall()


def test_what_is_loaded_since_follows_and_a_foreign_version_is_not_overwritten(finops):
    make, take = ("sample", "--out", "bills", "--rows", 300, "--months", 2, "--start", "2026-05"), ("aws", "import-cur", "--bucket",
                                                                                           "bills/sample-billing")
    migrate = ("migrate", "--from", "duckdb", "--to", "duckdb", "--to-path", "data/other.duckdb")
    other = {"OPEN_FINOPS_DATABASE_DUCKDB_DATABASE_PATH": "data/other.duckdb"}
    finops.run(*make)
    finops.run(*take)
    finops.run(*migrate)
    finops.run(*make, "--restate", "2026-06")
    finops.run(*take)
    assert actions(finops.rows(*migrate)) == [("2026-05", "current"), ("2026-06", "replace")]
    finops.run(*make, "--restate", "2026-06")
    finops.run(*take, env=other)  # the target goes its own way
    said = finops.run(*migrate, status=3)
    assert "sample-cur 2026-06: the target has version" in said.stderr and "--force" in said.stderr
    assert actions(finops.rows(*migrate, "--force")) == [("2026-05", "current"), ("2026-06", "replace")]
    with duckdb.connect(str(finops.database), read_only=True) as source, \
            duckdb.connect(str(finops.folder / "data" / "other.duckdb"), read_only=True) as target:
        assert months_of(source, "aws_billing.sample_cur_unified") == months_of(target, "aws_billing.sample_cur_unified")
        assert target.sql("SELECT count(*) FROM billing_state.load_state WHERE current_version").fetchone() == (2,)


def test_a_table_in_the_way_fails_its_month_alone(full):
    other = full.folder / "data" / "other.duckdb"
    with duckdb.connect(str(other)) as db:
        db.sql("CREATE SCHEMA aws_billing")
        db.sql("CREATE TABLE aws_billing.sample_cur_2026_06 AS SELECT 'mine' AS keep")
    said = full.run("migrate", "--from", "duckdb", "--to", "duckdb", "--to-path", other, "--format", "json", status=3)
    failed = [r for r in json.loads(said.stdout) if r["action"] == "failed"]
    assert [r["billing_period"] for r in failed] == ["2026-06"] and "sample_cur_2026_06" in failed[0]["error"]
    with duckdb.connect(str(other), read_only=True) as db:
        assert db.sql("SELECT * FROM aws_billing.sample_cur_2026_06").fetchall() == [("mine",)]
        assert [m[0] for m in months_of(db, "aws_billing.sample_cur_unified")] == ["2026-05", "2026-07"]
        assert db.sql("SELECT billing_period FROM billing_state.load_state ORDER BY 1").fetchall() == [("2026-05",), ("2026-07",)]
        assert db.sql("SELECT DISTINCT billing_period FROM billing_state.ledger ORDER BY 1").fetchall() == [("2026-05",), ("2026-07",)]


def test_a_copy_that_comes_out_different_is_not_kept(full, postgresql):
    """The server changes one amount of one month by a rule of its own, as a damaged copy would be."""
    server = postgresql.new_database()
    env = {**server.env(), "OPEN_FINOPS_DATABASE_POSTGRESQL_SSLMODE": "disable"}
    server.sql("""
        CREATE FUNCTION damage() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          IF NEW.billing_period = '2026-06' THEN NEW.unblended := NEW.unblended + 0.000000000000000001; END IF;
          RETURN NEW; END $$;
        CREATE SCHEMA billing_state;
        CREATE TABLE billing_state.ledger (vendor varchar NOT NULL, export_name varchar NOT NULL, billing_period varchar NOT NULL,
          version_id varchar NOT NULL, account_id varchar, service varchar, line_item_type varchar, currency varchar,
          row_count bigint NOT NULL, unblended numeric(38,18), net numeric(38,18), amortized numeric(38,18));
        CREATE TRIGGER damage BEFORE INSERT ON billing_state.ledger FOR EACH ROW EXECUTE FUNCTION damage();""")
    said = full.run("migrate", "--from", "duckdb", "--to", "postgresql", env=env, status=3)
    assert "2026-06" in said.stderr and "the sum of column unblended is another one in the copy" in said.stderr
    assert server.value("SELECT string_agg(DISTINCT billing_period, ',') FROM aws_billing.sample_cur_unified") == "2026-05,2026-07"
    assert server.value("SELECT count(*) FROM information_schema.tables WHERE table_name = 'sample_cur_2026_06'") == "0"
    server.sql("DROP TRIGGER damage ON billing_state.ledger")
    assert dict(actions(full.rows("migrate", "--from", "duckdb", "--to", "postgresql", env=env))) == {
        "2026-05": "current", "2026-06": "copy", "2026-07": "current"}


def test_a_dry_run_writes_nothing(full):
    said = full.rows("migrate", "--from", "duckdb", "--to", "ducklake", "--dry-run")
    assert actions(said) == [(m, "copy") for m in MONTHS] and {r["verified"] for r in said} <= {None, ""}
    assert not (full.folder / "data" / "finops.ducklake").exists()


@pytest.mark.parametrize("words", [("--from", "duckdb", "--to", "duckdb"), ("--from", "ducklake", "--to", "ducklake"),
                                   ("--from", "postgresql", "--to", "postgresql"),
                                   ("--from", "duckdb", "--to", "duckdb", "--to-path", "data/../data/finops.duckdb")])
def test_one_database_is_not_migrated_into_itself(full, words):
    assert "source and target are the same database" in full.run("migrate", *words, status=2).stderr


@pytest.mark.parametrize("words", [("--from", "duckdb", "--to", "snowflake"), ("--from", "snowflake", "--to", "duckdb")])
def test_a_backend_that_is_not_there_is_an_error_and_no_rows(full, words):
    said = full.run("migrate", *words, status=1)
    assert said.stdout == "" and "no database backend is called snowflake" in said.stderr


@pytest.mark.skipif(os.environ.get("FINOPS_TEST_LONG") != "1", reason="FINOPS_TEST_LONG=1: some seconds to see a few megabytes")
def test_a_row_group_of_rows_is_in_memory_and_not_the_month(finops):
    finops.run("sample", "--out", "bills", "--rows", 60000, "--months", 1, "--start", "2026-05")
    finops.run("aws", "import-cur", "--bucket", "bills/sample-billing")
    env = {"OPEN_FINOPS_DATABASE_DUCKLAKE_PERFORMANCE_CHUNK_SIZE": "5000"}
    assert peak_kib(finops.start("migrate", "--from", "duckdb", "--to", "ducklake", "--quiet", env=env, stdout=subprocess.DEVNULL)) < 380 << 10


class Catalog:
    """A lake with its catalog in SQLite or PostgreSQL: what finops is told, and DuckDB's own package."""

    def __init__(self, kind, home, request):
        self.env = {"OPEN_FINOPS_DATABASE_DUCKLAKE_DATA_PATH": str(home.folder / "files")}
        if kind == "sqlite":
            self.address, self.env["OPEN_FINOPS_DATABASE_DUCKLAKE_CATALOG"] = f"sqlite:{lakes.catalog(home)}", "sqlite"
        else:
            database = request.getfixturevalue("postgresql").new_database()
            self.address = lakes.postgresql_address(database)
            self.env["OPEN_FINOPS_DATABASE_DUCKLAKE_CATALOG"] = lakes.postgresql_catalog(database)

    def months(self):
        with lakes.attached(self.address) as outside:
            return months_of(outside, "lake.aws_billing.sample_cur")


@pytest.fixture(params=["sqlite", "postgresql"])
def lake_catalog(request, full):
    return Catalog(request.param, full, request)


def migrations(finops, n, *words, env):
    """So many at once; what each printed, by its exit status."""
    running = [finops.start("migrate", *words, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(n)]
    return [(*p.communicate(timeout=120), p.returncode) for p in running]


def test_lakes_with_other_catalogs_are_targets_of_two_at_once_and_sources(full, lake_catalog):
    """One waits until the other is through with the export, and finds it done; or is refused, as where one process alone may write."""
    said = migrations(full, 2, "--from", "duckdb", "--to", "ducklake", "--format", "json", env=lake_catalog.env)
    assert [status for _, _, status in said] == [0, 0], said
    done = [[r["action"] for r in json.loads(out) if r["action"] != "left out"] for out, _, _ in said]
    assert sorted(done) == [["copy"] * 3, ["current"] * 3]
    with duckdb.connect(str(full.database), read_only=True) as source:
        assert months_of(source, "aws_billing.sample_cur_unified") == lake_catalog.months()
    full.run("migrate", "--from", "ducklake", "--to", "duckdb", "--to-path", "data/back.duckdb", env=lake_catalog.env)
    with duckdb.connect(str(full.folder / "data" / "back.duckdb"), read_only=True) as back:
        assert months_of(back, "aws_billing.sample_cur_unified") == lake_catalog.months()
        assert back.sql("SELECT count(*) FROM billing_state.load_state WHERE current_version").fetchone() == (3,)


@pytest.mark.parametrize("target", ["duckdb", "ducklake", "postgresql"])
def test_two_at_once_double_nothing(full, target, request):
    env, words = {}, ("--from", "duckdb", "--to", target)
    if target == "postgresql":
        env = {**request.getfixturevalue("postgresql").new_database().env(), "OPEN_FINOPS_DATABASE_POSTGRESQL_SSLMODE": "disable"}
    if target == "duckdb":
        words += ("--to-path", "data/other.duckdb")
        env["OPEN_FINOPS_DATABASE_DUCKDB_DATABASE_PATH"] = str(full.database)
    said = migrations(full, 2, *words, "--format", "json", env=env)
    fine = [json.loads(out) for out, _, status in said if status == 0]
    assert fine and all(status == 0 or "another" in text for _, text, status in said), said
    assert sorted([r["action"] for r in rows if r["action"] != "left out"] for rows in fine)[0] == ["copy"] * 3
    env["OPEN_FINOPS_DATABASE_BACKEND"] = target
    path = {"OPEN_FINOPS_DATABASE_DUCKDB_DATABASE_PATH": "data/other.duckdb"} if target == "duckdb" else {}
    rows = full.rows("query", "SELECT billing_period, CAST(count(*) AS INTEGER) AS n FROM aws_billing.sample_cur_unified GROUP BY 1 ORDER BY 1",
                     env={**env, **path})
    assert [(r["billing_period"], r["n"]) for r in rows] == [(m, 1500) for m in MONTHS]


def test_a_source_that_is_not_there_is_named_and_not_made(finops):
    said = finops.run("migrate", "--from", "duckdb", "--to", "ducklake", status=None)
    assert said.returncode != 0 and "source" in said.stderr and not finops.database.exists()


def test_pruned_months_keep_their_history(full):
    full.run("aws", "prune", "--before", "2026-06", "--yes")
    full.run("migrate", "--from", "duckdb", "--to", "duckdb", "--to-path", "data/other.duckdb")
    with duckdb.connect(str(full.database), read_only=True) as source, \
            duckdb.connect(str(full.folder / "data" / "other.duckdb"), read_only=True) as target:
        state = "SELECT billing_period, current_version, row_count FROM billing_state.load_state ORDER BY 1"
        assert source.sql(state).fetchall() == target.sql(state).fetchall()
        assert target.sql("SELECT keep_from FROM billing_state.retention").fetchall() == [("2026-06",)]
        assert target.sql("SELECT count(DISTINCT billing_period) FROM billing_state.ledger").fetchone() == (3,)
