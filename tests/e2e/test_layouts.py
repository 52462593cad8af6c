"""Layouts beyond the generated sets: FOCUS delivered as a Data Export, real manifests of 2018 and 2019, odd folders."""
import json
import shutil

import duckdb


def lay_focus(bucket, shared):
    """A FOCUS 1.0 export as AWS delivers it: the layout of Data Exports over the FOCUS table."""
    export = bucket / "exports" / "acme-focus"
    data, metadata = export / "data" / "BILLING_PERIOD=2024-10", export / "metadata" / "BILLING_PERIOD=2024-10"
    data.mkdir(parents=True)
    metadata.mkdir(parents=True)
    shutil.copyfile(shared / "focus-1.2-aws" / "focus-1.2.snappy.parquet", data / "acme-focus-00001.snappy.parquet")
    (metadata / "acme-focus-Manifest.json").write_text(json.dumps({
        "executionId": "e1", "exportName": "acme-focus", "contentType": "Parquet", "query": "SELECT BilledCost FROM FOCUS_1_2_AWS",
        "dataFiles": ["s3://acme/exports/acme-focus/data/BILLING_PERIOD=2024-10/acme-focus-00001.snappy.parquet"]}))


def test_a_focus_export_is_loaded_like_a_cur(finops, shared, tmp_path):
    lay_focus(tmp_path / "acme", shared)
    finops.run("aws", "import-cur", "--bucket", tmp_path / "acme")
    state = finops.rows("aws", "show-state")[0]
    assert (state["data_format_version"], state["table_name"], state["currency"]) == ("focus-1.2", "acme_focus_2024_10", "USD")
    with duckdb.connect(str(finops.database), read_only=True) as db:
        got = db.sql("SELECT sum(billed_cost)::VARCHAR, sum(effective_cost)::VARCHAR FROM aws_billing.acme_focus_2024_10").fetchone()
        ledger = db.sql("SELECT sum(unblended)::VARCHAR, sum(amortized)::VARCHAR FROM billing_state.ledger").fetchone()
    assert got == ledger == ("5556.234342611400000000", "760.959054940200000000")


def test_real_manifests_of_other_years_parse(finops, shared, tmp_path):
    bucket = tmp_path / "old"
    names = set()
    for source in sorted((shared / "aws-cur-manifests-ice").glob("*.json")):
        manifest = json.loads(source.read_text())
        period = manifest["billingPeriod"]
        name = f"{manifest['reportName']}-{source.stem}"
        folder = bucket / "p" / name / f"{period['start'][:8]}-{period['end'][:8]}"
        folder.mkdir(parents=True)
        shutil.copyfile(source, folder / f"{name}-Manifest.json")
        names.add(name)
    rows = finops.rows("aws", "list-manifests", "--bucket", bucket)
    assert {r["export_name"] for r in rows} == names
    for r in rows:
        named = not r["error"] and r["version_id"]
        assert named or "outside its export's folder" in r["error"]
    assert sum(1 for r in rows if not r["error"]) >= 5


def test_listing_shows_exports_with_their_months(finops, shared):
    rows = finops.rows("aws", "list-exports", "--bucket", shared / "aws-cur-v1" / "globex-finance")
    assert [(r["export_name"], r["cur_version"], r["months"], r["first_period"], r["last_period"]) for r in rows] == [
        ("globex-cur", "v1", 3, "2024-10", "2024-12"), ("globex-cur-parquet", "v1", 3, "2024-10", "2024-12")]
    assert finops.rows("aws", "list-exports", "--bucket", shared / "aws-cur-v1" / "globex-finance", "--cur-version", "v2") == []


def test_several_payers_come_from_one_configuration(finops, shared):
    (finops.folder / "config.toml").write_text(f'''
[[aws.exports]]
bucket = "{shared}/aws-cur-v1/acme-billing"
[[aws.exports]]
bucket = "{shared}/aws-cur-v2/globex-finance"
export_name = "globex-cur2"
''')
    rows = finops.rows("aws", "import-cur")
    assert {r["export_name"] for r in rows} == {"acme-cur-hourly", "globex-cur2"}
    assert len(rows) == 6


def test_dates_choose_months(finops, shared):
    bucket = shared / "aws-cur-v1" / "acme-billing"
    rows = finops.rows("aws", "import-cur", "--bucket", bucket, "--start-date", "2024-11", "--end-date", "2024-11-30")
    assert [r["billing_period"] for r in rows] == ["2024-11"]
    done = finops.run("aws", "import-cur", "--bucket", bucket, "--export-name", "acme-cur-daily", status=1)
    assert "acme-cur-daily" in done.stderr and "list-exports" in done.stderr


def test_one_source_that_is_away_does_not_stop_the_others(finops, shared):
    (finops.folder / "config.toml").write_text(f'''
[[aws.exports]]
bucket = "./gone/away"
[[aws.exports]]
bucket = "{shared}/aws-cur-v2/globex-finance"
''')
    done = finops.run("aws", "import-cur", "--export-name", "globex-cur2", status=3)
    assert "gone/away" in done.stderr
    assert len(finops.rows("aws", "show-state")) == 3
    finops.run("aws", "import-cur", "--bucket", shared / "aws-cur-v2" / "globex-finance", "--export-name", "globex-cur2")


def test_the_data_folder_is_where_the_database_goes(finops, shared):
    (finops.folder / "config.toml").write_text('[project]\ndata_dir = "elsewhere"\n')
    finops.run("aws", "import-cur", "--bucket", shared / "aws-cur-v2" / "globex-finance", "--start-date", "2024-12")
    assert (finops.folder / "elsewhere" / "finops.duckdb").exists()


def test_listing_goes_on_when_a_source_is_away(finops, shared):
    (finops.folder / "config.toml").write_text(f'''
[[aws.exports]]
bucket = "./gone/away"
[[aws.exports]]
bucket = "{shared}/aws-cur-v2/globex-finance"
''')
    done = finops.run("aws", "list-exports", "--format", "csv", status=3)
    assert "gone/away" in done.stderr and "globex-cur2" in done.stdout


def test_a_configuration_that_is_not_there_is_a_usage_error(finops):
    assert "nowhere.toml" in finops.run("aws", "show-state", "--config", "nowhere.toml", status=2).stderr
