"""Places of the configuration as sources: records and bare files by name:key, bills of several entries, each in its own."""
import json
from decimal import Decimal

import duckdb
import pytest

KEY = "one:" + "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.fixture
def places(finops, minio):
    """[storage.far] is a bucket, [storage.near] a folder whose objects are compressed and encrypted."""
    finops.env.update(minio.env())
    config = finops.folder / "config.toml"
    config.touch(0o600)
    config.write_text('[storage.far]\naddress = "s3://%s/some/where"\n[storage.near]\naddress = "./stored"\n'
                      '[storage.near.compress]\nformat = "zstd"\n[storage.near.encrypt]\nkey = "%s"\n' % (minio.new_bucket(), KEY))
    return config


def count(finops, table):
    with duckdb.connect(str(finops.database), read_only=True) as db:
        return db.sql("SELECT count(*), sum(n) FROM %s" % table).fetchone()


@pytest.mark.parametrize("form", ["csv", "ndjson", "parquet"])
def test_records_of_several_places_are_one_table(finops, places, form):
    for n, name in enumerate(["far:in/a." + form, "near:in/a." + form, "a:b." + form]):
        local = str(finops.folder / ("local." + form))
        if form == "parquet":
            duckdb.sql("COPY (SELECT %d AS n FROM range(10)) TO '%s' (FORMAT parquet)" % (n, local))
        else:
            text = {"csv": "n\n" + "%d\n" % n * 10, "ndjson": '{"n": %d}\n' % n * 10}[form]
            (finops.folder / local).write_text(text)
        if name[1] == ":":
            (finops.folder / name).write_bytes((finops.folder / local).read_bytes())
        else:
            finops.run("storage", "put", "--quiet", local, name)
    assert (finops.folder / "stored").is_dir()
    finops.run("load", "--table", "t", "--mode", "create", "far:in/a." + form, "near:in/a." + form, "a:b." + form)
    assert count(finops, "t") == (30, 30)


def test_a_place_or_a_file_that_is_not_there_is_named(finops, places):
    said = finops.run("load", "--table", "t", "--mode", "create", "nowhere:a.csv", status=2).stderr
    assert '"nowhere:a.csv": no storage is called nowhere' in said
    said = finops.run("load", "--table", "t", "--mode", "create", "far:a.csv", status=1).stderr
    assert "/some/where/a.csv" in said
    said = finops.run("load", "--table", "t", "--mode", "create", "near:a.parquet", status=1).stderr
    assert "stored" in said


def sample(finops, name, seed):
    folder = finops.folder / name
    finops.run("sample", "--out", folder, "--rows", 300, "--months", 1, "--seed", seed, "--start", "2026-05", "--bucket", "bills",
               "--export-name", name)
    (month, totals), = json.loads((folder / "expected.json").read_text())["months"].items()
    return folder / "bills", month, (totals["rows"], Decimal(totals["unblended"])), totals["files"]


def unified(finops, export):
    with duckdb.connect(str(finops.database), read_only=True) as db:
        rows, cost = db.sql("SELECT count(*), sum(line_item_unblended_cost) FROM aws_billing.%s_unified" % export).fetchone()
    return rows, cost


def test_bare_files_of_a_place_are_imported(finops, places):
    folder, _, totals, files = sample(finops, "one", 1)
    finops.run("storage", "cp", "--recursive", "--quiet", "%s/" % folder, "near:copy/")
    finops.run("aws", "import-cur", "--export-name", "one", "--file", *["near:copy/" + f for f in files])
    assert unified(finops, "one") == totals


def test_each_entry_of_exports_may_be_in_a_place(finops, places):
    totals = {}
    for name, place in (("one", "far"), ("two", "near")):
        folder, _, totals[name], _ = sample(finops, name, len(place))
        finops.run("storage", "cp", "--recursive", "--quiet", "%s/" % folder, place + ":copy/")
    with open(places, "a", encoding="utf-8") as f:
        f.write('[[aws.exports]]\nbucket = "far:copy"\nexport_name = "one"\n[[aws.exports]]\nbucket = "near:copy"\nexport_name = "two"\n')
    loads = finops.rows("aws", "import-cur")
    assert sorted((r["export_name"], r["action"]) for r in loads) == [("one", "load"), ("two", "load")]
    assert {name: unified(finops, name) for name in totals} == totals
    assert {r["action"] for r in finops.rows("aws", "import-cur")} == {"current"}
    with open(places, "a", encoding="utf-8") as f:
        f.write('[[aws.exports]]\nbucket = "nowhere:"\nexport_name = "three"\n')
    assert 'aws.bucket "nowhere:": no storage is called nowhere' in finops.run("aws", "import-cur", status=2).stderr
