"""Every command on PostgreSQL gives what it gives on DuckDB; psql reads the tables back."""
import json
import shutil
import signal
import subprocess
import time
from decimal import Decimal

import pytest

from test_import import CASES

IMPORT = ("aws", "import-cur", "--bucket")
READS = [
    ("report", "--by", "service"),
    ("report", "--by", "account", "--compare"),
    ("report", "--by", "region", "--cost", "amortized", "--period", "2026-06", "--compare"),
    ("report", "--by", "day", "--period", "2026-07", "--compare"),
    ("report", "--by", "month", "--period", "2026-05..2026-07", "--compare"),
    ("report", "--by", "usage_type", "--top", "5", "--cost", "net", "--exclude", "tax,credit"),
    ("report", "--by", "tag:team", "--period", "2026-05..2026-07"),
    ("query", "SELECT billing_period, count(*) AS n, sum(line_item_unblended_cost) AS cost, "
              "min(line_item_usage_start_date) AS first FROM aws_billing.sample_cur_unified GROUP BY 1 ORDER BY 1"),
]


class Both:
    """The same commands on DuckDB and on PostgreSQL, each in a folder of its own."""

    def __init__(self, new_finops, server):
        self.duck, self.post, self.server = new_finops(), new_finops(), server
        self.post.env.update(server.env())

    def run(self, *args, status=0):
        return [f.run(*args, status=status) for f in (self.duck, self.post)]

    def same(self, *args, drop=()):
        rows = [f.rows(*args) for f in (self.duck, self.post)]
        for row in (row for side in rows for row in side if isinstance(row, dict)):
            for name in drop:
                row.pop(name, None)
        assert rows[0] == rows[1], args
        return rows[1]


@pytest.fixture
def both(new_finops, postgresql):
    return Both(new_finops, postgresql.new_database())


@pytest.fixture
def bucket(sample, tmp_path):
    shutil.copytree(sample / "sample-billing", tmp_path / "bills")
    return tmp_path / "bills"


def restate(bucket, period, version):
    """The month comes again under another version, as the provider delivers it."""
    manifest = next(p for p in bucket.rglob("*-Manifest.json") if period in str(p) or period.replace("-", "") + "01" in str(p))
    body = json.loads(manifest.read_text())
    body["executionId" if "executionId" in body else "assemblyId"] = version
    manifest.write_text(json.dumps(body))


def test_every_command_gives_the_same(both, bucket):
    both.same(*IMPORT, bucket, drop=("seconds",))
    for args in READS:
        both.same(*args)
    both.same("aws", "reconcile", "--bucket", bucket)
    both.same("aws", "show-state", drop=("load_timestamp",))
    assert {r["action"] for r in both.same(*IMPORT, bucket, drop=("seconds",))} == {"current"}
    assert {r["action"] for r in both.same(*IMPORT, bucket, "--force", drop=("seconds",))} == {"reload"}
    restate(bucket, "2026-06", "another")
    assert {r["action"] for r in both.same(*IMPORT, bucket, drop=("seconds",))} == {"current", "replace"}
    both.same("aws", "diff", "--period", "2026-06")
    both.same("aws", "show-state", "--history", drop=("load_timestamp",))
    both.run("aws", "prune", "--before", "2026-06", "--yes")
    for args in READS:
        both.same(*args)
    assert {r["action"] for r in both.same(*IMPORT, bucket, drop=("seconds",))} == {"current", "pruned"}
    both.same(*IMPORT, bucket, "--force", "--table-strategy", "single", drop=("seconds",))
    for args in READS:
        both.same(*args)
    both.same(*IMPORT, bucket, "--reset", "--yes", drop=("seconds",))
    for args in READS:
        both.same(*args)


def test_psql_reads_typed_tables(both, bucket):
    both.post.run(*IMPORT, bucket)
    types = dict(both.server.sql("SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attnum > 0 AND "
                                 "attrelid = 'aws_billing.sample_cur_2026_05'::regclass"))
    assert types["line_item_unblended_cost"] == "numeric(38,18)"
    assert types["line_item_usage_start_date"] == "timestamp with time zone"
    assert types["resource_tags"] == "jsonb" and types["line_item_usage_account_id"] == "text"
    duck = both.duck
    duck.run(*IMPORT, bucket)
    sums = duck.rows("query", "SELECT billing_period AS p, count(*) AS n, sum(line_item_unblended_cost) AS c FROM "
                              "aws_billing.sample_cur_unified GROUP BY 1 ORDER BY 1")
    rows = both.server.sql("SELECT billing_period, count(*), sum(line_item_unblended_cost) FROM "
                           "aws_billing.sample_cur_unified GROUP BY 1 ORDER BY 1")
    assert [(r["p"], int(r["n"]), Decimal(r["c"])) for r in sums] == [(p, int(n), Decimal(c)) for p, n, c in rows]



@pytest.mark.parametrize("bucket,prefix,export,base,account,kind", CASES, ids=[c[2] for c in CASES])
def test_the_example_bills_have_their_sums_by_psql(both, shared, expected, bucket, prefix, export, base, account, kind):
    both.post.run(*IMPORT, shared / bucket, "--prefix", prefix, "--export-name", export)
    months = {m: v for m, v in expected["aws"][account][kind].items() if m != "superseded"}
    want = [(m, v["rows"], Decimal(v["unblended"])) for m, v in sorted(months.items())]
    sums = "count(*), sum(line_item_unblended_cost)"
    rows = both.server.sql(f"SELECT billing_period, {sums} FROM aws_billing.{base}_unified GROUP BY 1 ORDER BY 1")
    assert [(m, int(n), Decimal(c)) for m, n, c in rows] == want
    rows = [both.server.sql(f"SELECT {sums} FROM aws_billing.{base}_{m.replace('-', '_')}")[0] for m, _, _ in want]
    assert [(int(n), Decimal(c)) for n, c in rows] == [w[1:] for w in want]
    rows = both.server.sql("SELECT billing_period, sum(row_count), sum(unblended), sum(amortized) FROM billing_state.ledger "
                           "GROUP BY 1 ORDER BY 1")
    assert [(m, int(n), Decimal(c), Decimal(a)) for m, n, c, a in rows] == [
        (m, n, c, Decimal(months[m]["amortized"])) for m, n, c in want]


def test_public_and_focus_samples_give_the_same(both, shared):
    both.same(*IMPORT, shared / "aws-cur-koku" / "bucket", drop=("seconds",))
    for path, name in (("aws-cur-anonymised/sample-anonymous-aws-export-dataset.csv", "anon"),
                       ("focus-sample-1.0/focus_sample.csv", "focus"), ("focus-1.2-aws/focus-1.1.csv.gz", "focus11"),
                       ("focus-1.2-aws/focus-1.2.snappy.parquet", "focus12")):
        both.same("aws", "import-cur", "--file", shared / path, "--export-name", name, drop=("seconds",))
        for by in ("service", "account", "region"):
            both.same("report", "--by", by, "--export-name", name)


def test_views_of_others_stay_and_follow(both, bucket):
    both.post.run(*IMPORT, bucket)
    both.server.sql("CREATE VIEW public.monthly AS SELECT billing_period, count(*) AS n FROM aws_billing.sample_cur_unified "
                    "GROUP BY 1")
    restate(bucket, "2026-06", "another")
    both.post.run(*IMPORT, bucket)
    assert both.server.value("SELECT count(*) FROM public.monthly") == "3"
    assert both.server.value("SELECT sum(n) FROM public.monthly") == both.server.value(
        "SELECT sum(row_count) FROM billing_state.load_state WHERE current_version")


def test_readers_are_not_kept_waiting_by_a_load(both, bucket):
    both.post.run(*IMPORT, bucket)
    reader = "SELECT count(*) FROM aws_billing.sample_cur_unified"
    loading = both.post.start(*IMPORT, bucket, "--force", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    counts = set()
    while loading.poll() is None:
        counts.add(both.server.value(reader))
    assert loading.wait() == 0 and counts == {"4500"}, loading.stderr.read()


def test_two_importers_take_turns(both, bucket):
    first, second = (both.post.start(*IMPORT, bucket, "--format", "json", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                     for _ in range(2))
    said = [p.communicate(timeout=120) for p in (first, second)]
    assert first.returncode == 0 and second.returncode == 0, said
    out = [json.loads(o) for o, _ in said]
    loads = [r["billing_period"] for rows in out for r in rows if r["action"] == "load"]
    assert sorted(loads) == ["2026-05", "2026-06", "2026-07"], "each month is loaded by one of them"
    assert both.server.value("SELECT count(*) FROM aws_billing.sample_cur_unified") == "4500"


class Holder:
    """Another importer's lock on a month, held by psql until it is let go."""

    def __init__(self, server, month):
        s = server.server
        self.psql = subprocess.Popen([s.psql, "-X", "-qAt", "-h", str(s.folder), "-p", str(s.port), "-U", s.user, "-d",
                                      server.name], env={"PGPASSWORD": s.password, "PATH": "/usr/bin:/bin"},
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.psql.stdin.write("SELECT 'held' FROM (SELECT pg_advisory_lock(hashtext('finops:finops aws %s'))) AS l;\n" % month)
        self.psql.stdin.flush()
        assert self.psql.stdout.readline() == "held\n"

    def let_go(self):
        self.psql.communicate(timeout=30)


def waits_for_a_month(finops, bucket):
    """An import that has said that another importer has the month."""
    importer = finops.start(*IMPORT, bucket, "--format", "json", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    started = time.monotonic()
    said = importer.stderr.readline()
    assert "another importer has sample-cur 2026-05 in hand; waiting for it" in said
    assert time.monotonic() - started < 10
    return importer


def test_an_importer_that_waits_for_another_says_so_and_goes_on(both, bucket):
    other = Holder(both.server, "sample-cur 2026-05")
    importer = waits_for_a_month(both.post, bucket)
    time.sleep(0.5)
    assert importer.poll() is None and both.server.value("SELECT count(*) FROM billing_state.load_state") == "0"
    other.let_go()
    out, errors = importer.communicate(timeout=60)
    assert importer.returncode == 0, errors
    assert [r["action"] for r in json.loads(out)] == ["load"] * 3
    assert both.server.value("SELECT count(*) FROM aws_billing.sample_cur_unified") == "4500"


def test_an_importer_that_waits_can_be_stopped(both, bucket):
    other = Holder(both.server, "sample-cur 2026-05")
    importer = waits_for_a_month(both.post, bucket)
    importer.send_signal(signal.SIGINT)
    importer.communicate(timeout=10)
    assert importer.returncode == 1
    other.let_go()
    assert {r["action"] for r in both.post.rows(*IMPORT, bucket)} == {"load"}


@pytest.mark.parametrize("wait", [0.05, 0.15, 0.25, 0.4])
def test_an_importer_killed_at_any_moment_leaves_whole_months(both, bucket, wait):
    both.post.run(*IMPORT, bucket)
    restate(bucket, "2026-06", "another")
    killed = both.post.start(*IMPORT, bucket, "--force", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(wait)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert both.server.value("SELECT count(*) FROM aws_billing.sample_cur_unified") == "4500"
    both.post.run(*IMPORT, bucket)
    assert both.server.value("SELECT count(*) FROM aws_billing.sample_cur_unified") == "4500"
    tables = both.server.sql("SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                             "WHERE nspname = 'aws_billing' AND relkind = 'r' ORDER BY 1")
    assert [t for t, in tables] == ["sample_cur_2026_05", "sample_cur_2026_06", "sample_cur_2026_07"]


def test_a_connection_cut_in_the_middle_of_a_load_loses_nothing(both, bucket):
    both.post.run(*IMPORT, bucket)
    loading = both.post.start(*IMPORT, bucket, "--force", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while loading.poll() is None:
        both.server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'finops%' "
                        "AND pid <> pg_backend_pid()")
    assert loading.returncode in (0, 1, 3)
    if loading.returncode:
        assert "postgresql" in loading.stderr.read()
    assert both.server.value("SELECT count(*) FROM aws_billing.sample_cur_unified") == "4500"
    both.post.run(*IMPORT, bucket, "--force")
    assert both.server.value("SELECT count(*) FROM aws_billing.sample_cur_unified") == "4500"


def test_one_lost_connection_is_made_good(both, bucket):
    both.post.run(*IMPORT, bucket)
    loading = both.post.start(*IMPORT, bucket, "--force", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    cut = 0
    while loading.poll() is None and not cut:
        cut = len(both.server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'active' AND "
                                  "application_name LIKE 'finops%' AND query LIKE 'COPY%'"))
    out, errors = loading.communicate(timeout=120)
    assert loading.returncode == 0, out + errors
    assert both.server.value("SELECT count(*) FROM aws_billing.sample_cur_unified") == "4500"


def test_a_restarted_server_is_waited_for(both, bucket, postgresql):
    both.post.run(*IMPORT, bucket)
    loading = both.post.start(*IMPORT, bucket, "--force", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(0.2)
    postgresql.restart(signal.SIGQUIT)  # a crash, from which it recovers
    out, errors = loading.communicate(timeout=120)
    assert loading.returncode in (0, 1, 3), out + errors
    assert both.server.value("SELECT count(*) FROM aws_billing.sample_cur_unified") == "4500"
    both.post.run(*IMPORT, bucket, "--force")
    assert both.server.value("SELECT count(*) FROM aws_billing.sample_cur_unified") == "4500"


def test_a_server_that_is_not_there_is_named(new_finops, postgresql, bucket):
    finops = new_finops()
    server = postgresql.new_database()
    finops.env.update(server.env(host="127.0.0.1", port="9"))
    said = finops.run("report", status=1).stderr
    assert "postgresql" in said and "127.0.0.1" in said
    rows = {r["check"]: r for r in finops.rows("doctor", status=None)}
    assert rows["database"]["status"] == "failed"


def test_a_query_cannot_write_unless_it_may(both, bucket):
    both.post.run(*IMPORT, bucket)
    said = both.post.run("query", "DELETE FROM billing_state.load_state", status=None)
    assert said.returncode != 0 and both.server.value("SELECT count(*) FROM billing_state.load_state") == "3"
    both.post.run("query", "--write", "DELETE FROM billing_state.load_state WHERE billing_period = '2026-05'")
    assert both.server.value("SELECT count(*) FROM billing_state.load_state") == "2"


def test_a_long_report_holds_up_the_swap_and_nobody_else(both, bucket):
    both.post.run(*IMPORT, bucket)
    report = subprocess.Popen([both.server.server.programs / "psql", "-X", "-At", "-h", str(both.server.server.folder), "-p",
                               str(both.server.server.port), "-U", both.server.server.user, "-d", both.server.name, "-c",
                               "SELECT pg_sleep(4) FROM aws_billing.sample_cur_unified LIMIT 1"],
                              env={"PGPASSWORD": both.server.server.password, "PATH": "/usr/bin:/bin"}, stdout=subprocess.DEVNULL)
    time.sleep(0.5)
    loading = both.post.start(*IMPORT, bucket, "--force", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.5)
    reads = 0
    while report.poll() is None:
        assert both.server.value("SELECT count(*) FROM aws_billing.sample_cur_unified") == "4500"
        reads += report.poll() is None
    assert loading.wait() == 0, loading.stderr.read()
    assert reads > 0, "others read while the report and the swap wait for one another"


def test_bills_go_to_several_databases_and_one_that_is_down_keeps_none_back(both, bucket):
    post, server = both.post, both.server
    both_of_them = (*IMPORT, bucket, "--backend", "duckdb,postgresql")
    rows = post.rows(*both_of_them)
    assert {(r["backend"], r["action"]) for r in rows} == {("duckdb", "load"), ("postgresql", "load")}
    assert server.value("SELECT count(*) FROM aws_billing.sample_cur_unified") == "4500"
    one, other = post.rows("report", "--backend", "duckdb"), post.rows("report", "--backend", "postgresql")
    assert one == other and one
    down = post.run(*both_of_them, "--force", env=server.env(host="127.0.0.1", port="9"), status=3)
    assert "1 of 2 backends are complete; not: postgresql" in down.stderr
    routed = {"OPEN_FINOPS_DATABASE_BACKEND": "duckdb", "OPEN_FINOPS_ROUTING_BILLS": "postgresql"}
    assert {r["action"] for r in post.rows(*IMPORT, bucket, env=routed)} == {"current"}
    server.sql("DELETE FROM billing_state.load_state")
    assert {r["action"] for r in post.rows(*IMPORT, bucket, env=routed)} == {"load"}
    assert {r["action"] for r in post.rows(*IMPORT, bucket, "--backend", "duckdb", env=routed)} == {"current"}


@pytest.fixture
def routed(both, bucket):
    """Bills go to both databases by the configuration, and are there."""
    both.post.env.update(OPEN_FINOPS_ROUTING_BILLS="postgresql,duckdb", OPEN_FINOPS_DATABASE_BACKEND="duckdb")
    both.post.run(*IMPORT, bucket)
    return both


def loaded_months(finops, backend):
    return [r["billing_period"] for r in finops.rows("aws", "show-state", "--backend", backend)]


def test_old_months_are_pruned_in_every_database(routed):
    finops = routed.post
    rows = finops.rows("aws", "prune", "--before", "2026-06", "--yes")
    assert [(r["backend"], r["billing_period"]) for r in rows] == [("postgresql", "2026-05"), ("duckdb", "2026-05")]
    for backend in ("duckdb", "postgresql"):
        assert loaded_months(finops, backend) == ["2026-06", "2026-07"]
    rows = finops.rows("aws", "prune", "--before", "2026-07", "--yes", "--backend", "duckdb")
    assert [list(r)[0] for r in rows] == ["export_name"], "of one there is nothing to tell apart"
    assert loaded_months(finops, "duckdb") == ["2026-07"] and len(loaded_months(finops, "postgresql")) == 2


def test_pruning_tells_a_database_that_is_down_and_does_the_others(routed):
    down = routed.server.env(host="127.0.0.1", port="9")
    said = routed.post.run("aws", "prune", "--before", "2026-06", "--yes", status=3, env={
        **down, "OPEN_FINOPS_DATABASE_BACKEND": "duckdb"})
    assert "1 of 2 backends are complete; not: postgresql" in said.stderr and "2026-05" in said.stdout
    assert loaded_months(routed.post, "duckdb") == ["2026-06", "2026-07"]
    assert len(loaded_months(routed.post, "postgresql")) == 3


def test_health_and_doctor_look_at_every_database_that_has_bills(routed):
    finops = routed.post
    assert {r["backend"]: r["state"] for r in finops.rows("backends", "health")} == {"duckdb": "up", "postgresql": "up"}
    listed = finops.rows("backends", "health", "--backend", "duckdb,nowhere", status=3)
    assert {r["backend"]: r["state"] for r in listed} == {"duckdb": "up", "postgresql": "up", "nowhere": "down"}
    details = [r["detail"] for r in finops.rows("doctor") if r["check"] == "database"]
    assert len(details) == 2 and "PostgreSQL" in details[0] and "finops.duckdb" in details[1]
    lost = {"OPEN_FINOPS_ROUTING_BILLS": "duckdb,nowhere"}
    rows = [r for r in finops.rows("doctor", env=lost, status=1) if r["check"] == "database"]
    assert [r["status"] for r in rows] == ["ok", "failed"] and "nowhere" in rows[1]["detail"]


def stopped_at(both, bucket, month, backends):
    """What an import into several says that is stopped while another importer has a month of PostgreSQL in hand."""
    other = Holder(both.server, "sample-cur " + month)
    importer = both.post.start(*IMPORT, bucket, "--backend", backends, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    while "another importer" not in (line := importer.stderr.readline()):
        assert line, "it ended without waiting"
    importer.send_signal(signal.SIGINT)
    _, errors = importer.communicate(timeout=20)
    other.let_go()
    return importer.returncode, errors


def test_an_import_stopped_in_its_second_database_is_partly_done(both, bucket):
    status, errors = stopped_at(both, bucket, "2026-05", "duckdb,postgresql")
    assert status == 3 and "1 of 2 backends are complete" in errors, errors
    assert len(loaded_months(both.post, "duckdb")) == 3


@pytest.mark.parametrize("month,loaded,status", [("2026-05", 0, 1), ("2026-06", 1, 3)])
def test_an_import_stopped_in_its_first_database_does_not_begin_the_second(both, bucket, month, loaded, status):
    (both.post.folder / "file").write_text("no folder")
    both.post.env["OPEN_FINOPS_DATABASE_DUCKDB_DATABASE_PATH"] = "file/found.duckdb"
    ended, errors = stopped_at(both, bucket, month, "postgresql,duckdb")
    assert ended == status and "stopped" in errors and "duckdb" not in errors, errors
    assert both.server.value("SELECT count(*) FROM billing_state.load_state WHERE current_version") == str(loaded)


@pytest.fixture
def analyst(both, bucket, postgresql):
    """A role that may read the unified view and the state; finops as that role."""
    both.post.run(*IMPORT, bucket)
    role = "analyst_" + both.server.name
    both.server.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'pw'; GRANT USAGE ON SCHEMA aws_billing, billing_state TO {role};"
                    f"GRANT SELECT ON aws_billing.sample_cur_unified TO {role};"
                    f"GRANT SELECT ON ALL TABLES IN SCHEMA billing_state TO {role}")
    yield {"OPEN_FINOPS_DATABASE_POSTGRESQL_USER": role, "OPEN_FINOPS_DATABASE_POSTGRESQL_PASSWORD": "pw"}
    both.server.sql(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_who_may_read_the_view_may_still_after_a_prune_and_another_strategy(both, bucket, analyst):
    finops, server = both.post, both.server
    server.sql("CREATE VIEW public.monthly AS SELECT billing_period FROM aws_billing.sample_cur_unified")
    before = finops.rows("report", env=analyst)
    finops.run("aws", "prune", "--before", "2026-06", "--yes")
    assert finops.rows("report", env=analyst) == before
    assert server.value("SELECT min(billing_period) FROM public.monthly") == "2026-06", "views of others stay"
    server.sql("DROP VIEW public.monthly")
    for strategy in ("single", "separate"):
        finops.run(*IMPORT, bucket, "--force", "--table-strategy", strategy)
        assert finops.rows("report", env=analyst) == before


def test_who_may_read_the_view_may_still_when_it_must_be_made_anew(both, bucket, analyst):
    """A column of another type is no column that may be replaced."""
    finops, server = both.post, both.server
    view = "SELECT 'aws_billing.sample_cur_unified'::regclass::oid"
    before, old = finops.rows("report", env=analyst), server.value(view)
    server.sql("CREATE OR REPLACE VIEW aws_billing.sample_cur_unified AS SELECT *, 1 AS gone FROM ("
               + server.value("SELECT rtrim(pg_get_viewdef('aws_billing.sample_cur_unified'::regclass), ';')") + ") AS v")
    finops.run(*IMPORT, bucket, "--force", "--start-date", "2026-07")
    assert server.value(view) != old and finops.rows("report", env=analyst) == before


def test_a_view_that_may_not_be_read_is_not_called_gone(both, analyst):
    both.server.sql("REVOKE SELECT ON aws_billing.sample_cur_unified FROM "
                    + analyst["OPEN_FINOPS_DATABASE_POSTGRESQL_USER"])
    said = both.post.run("report", env=analyst, status=1).stderr
    assert "may not be read by this user" in said and "GRANT SELECT" in said


def test_months_of_another_schema_are_not_pruned_in_name_alone(both, bucket):
    finops = both.post
    finops.run(*IMPORT, bucket, "--dataset-name", "Größe 1")
    said = finops.run("aws", "prune", "--before", "2026-06", "--yes", status=2).stderr
    assert "is in schema Größe 1" in said and "--dataset-name Größe 1" in said
    assert len(loaded_months(finops, "postgresql")) == 3
    finops.run("aws", "prune", "--before", "2026-06", "--yes", "--dataset-name", "Größe 1")
    assert both.server.value("SELECT to_regclass('\"Größe 1\".sample_cur_2026_05') IS NULL") == "t"
