"""finops load: records of any tool, on DuckDB and on PostgreSQL, read back by those databases' own programs."""
import gzip
import json
from decimal import Decimal

import duckdb
import pytest

HOSTILE = 'a"; DROP TABLE x; -- ž'
TYPES = ("--types", "cost=DECIMAL(38,18),at=TIMESTAMP")


class Duck:
    """finops on DuckDB; rows are read back by the duckdb module."""

    name = "duckdb"

    def __init__(self, finops):
        self.finops = finops

    def sql(self, text):
        with duckdb.connect(str(self.finops.database), read_only=True) as db:
            db.sql("SET TimeZone = 'UTC'")
            return [[None if cell is None else str(cell) for cell in row] for row in db.sql(text).fetchall()]

    def types(self, table):
        return dict(self.sql("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = '%s' ORDER BY "
                             "column_index" % table.replace("'", "''")))

    def exists(self, table):
        return self.finops.database.exists() and bool(self.types(table))


class Post:
    """finops on PostgreSQL; rows are read back by psql."""

    name = "postgresql"

    def __init__(self, finops, server):
        self.finops, self.server = finops, server
        finops.env.update(server.env())

    def sql(self, text):
        return self.server.sql(text)

    def types(self, table):
        return dict(self.sql("SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute a JOIN pg_class c ON "
                             "c.oid = attrelid WHERE attnum > 0 AND NOT attisdropped AND relkind = 'r' AND relname = '%s'"
                             % table.replace("'", "''")))

    def exists(self, table):
        return bool(self.types(table))


@pytest.fixture
def duck(new_finops):
    return Duck(new_finops())


@pytest.fixture(params=["duckdb", "postgresql"])
def db(request, new_finops):
    if request.param == "duckdb":
        return Duck(new_finops())
    return Post(new_finops(), request.getfixturevalue("postgresql").new_database())


@pytest.fixture
def load(db):
    def run(*args, status=0, **kwargs):
        done = db.finops.run("load", "--print", "json", *args, status=status, **kwargs)
        row = json.loads(done.stdout)[0] if done.stdout else {}
        return row, done.stderr
    return run


def ndjson(folder, name, *lines):
    """A file of lines; what is no text is made one."""
    path = folder / name
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)) + "\n" for line in lines),
                    encoding="utf-8")
    return path


def test_records_come_back_as_they_were_written(db, load, tmp_path):
    path = ndjson(tmp_path, "a.ndjson",
                  '{"id": 1, "cost": 0.123456789012345678, "name": "žluťoučký 🐎", "at": "2026-01-31T23:59:59.5Z", "ok": true}',
                  "",
                  '{"id": 2, "cost": 12345678901234567890.123456789012345678, "name": null, "ok": false}',
                  '{"id": 3, "cost": 123456.789, "name": "", "at": "2026-01-01T02:00:00+02:00"}',
                  '{"id": -4, "cost": -1e-18, "name": "1.50 \\"q\\" \\\\ \\u00e9"}',
                  '{"id": 9223372036854775807, "cost": "0.1"}')
    row, _ = load("--table", "t", "--mode", "create", *TYPES, path)
    assert row["table"].endswith(".t") and (row["rows"], row["rejected"], row["backend"]) == (5, 0, db.name)
    rows = db.sql("SELECT id, cost, name, ok FROM t ORDER BY id")
    assert [int(r[0]) for r in rows] == [-4, 1, 2, 3, 9223372036854775807]
    assert [Decimal(r[1]) for r in rows] == [Decimal(d) for d in (
        "-0.000000000000000001", "0.123456789012345678", "12345678901234567890.123456789012345678", "123456.789", "0.1")]
    assert [r[2] for r in rows] == ['1.50 "q" \\ é', "žluťoučký 🐎", None, "", None]
    assert [None if r[3] is None else r[3][0].lower() for r in rows] == [None, "t", "f", None, None]
    seconds = "SELECT id, extract(epoch FROM \"at\") FROM t WHERE \"at\" IS NOT NULL ORDER BY id"
    assert [float(r[1]) for r in db.sql(seconds)] == [1769903999.5, 1767225600.0]
    types = db.types("t")
    if db.name == "duckdb":
        assert types == {"id": "BIGINT", "cost": "DECIMAL(38,18)", "name": "VARCHAR", "at": "TIMESTAMP", "ok": "BOOLEAN"}
    else:
        assert types == {"id": "bigint", "cost": "numeric(38,18)", "name": "text", "at": "timestamp with time zone",
                         "ok": "boolean"}


def test_csv_and_gzip_and_several_files(db, load, tmp_path):
    one, two = tmp_path / "one.csv", tmp_path / "two.csv.gz"
    one.write_bytes('\ufeffid,account,cost,note,day\r\n1,007,0.10,"a ""b"",\nc",2026-01-31\r\n2,012345678901,1e2,"",\r\n'.encode())
    with gzip.open(two, "wt", encoding="utf-8") as f:
        f.write("cost,id,more\n3.000000000000000001,3,ž\n")
    row, _ = load("--table", "t", "--mode", "create", "--types", "cost=DECIMAL(38,18)", one, two)
    assert row["rows"] == 3
    assert db.sql("SELECT id, account, note, day, more FROM t ORDER BY id") == [
        ["1", "007", 'a "b",\nc', "2026-01-31", None], ["2", "012345678901", "", None, None], ["3", None, None, None, "ž"]]
    assert [Decimal(r[0]) for r in db.sql("SELECT cost FROM t ORDER BY id")] == [
        Decimal("0.1"), Decimal(100), Decimal("3.000000000000000001")]


def test_a_byte_order_mark_is_no_text(duck, tmp_path):
    (tmp_path / "a.ndjson").write_bytes(b'\xef\xbb\xbf{"n": 1}\n')
    duck.finops.run("load", "--table", "t", "--mode", "create", tmp_path / "a.ndjson")
    assert duck.sql("SELECT n FROM t") == [["1"]]


def test_parquet(db, load, tmp_path):
    path = tmp_path / "a.parquet"
    duckdb.sql("COPY (SELECT i AS id, (i / 8)::DOUBLE AS cost, '1.' || i AS price, CASE WHEN i > 1 THEN 'č' || i END AS name "
               "FROM range(3) r(i)) TO '%s' (FORMAT parquet)" % path)
    load("--table", "t", "--mode", "create", "--types", "cost=DECIMAL(38,18),price=DECIMAL(10,2)", path)
    rows = db.sql("SELECT id, cost, price, name FROM t ORDER BY id")
    assert [(r[0], Decimal(r[1]), Decimal(r[2]), r[3]) for r in rows] == [
        ("0", Decimal(0), Decimal("1.0"), None), ("1", Decimal("0.125"), Decimal("1.1"), None),
        ("2", Decimal("0.25"), Decimal("1.2"), "č2")]
    _, err = load("--table", "u", "--mode", "create", "--types", "cost=DECIMAL(10,2)", path, status=1)
    assert "a.parquet line 2: cost \"0.125\" does not fit DECIMAL(10,2)" in err


def test_nested_values(db, load, tmp_path):
    path = ndjson(tmp_path, "a.ndjson", '{"id": 1, "tags": {"a b": "x", "č": null}, "o": {"k": 1.5, "l": [1, 2]}}',
                  '{"id": 2, "tags": {}, "o": {"m": "z"}}', '{"id": 3, "o": null}')
    load("--table", "t", "--mode", "create", "--types", "tags=MAP(VARCHAR,VARCHAR)", path)
    types = db.types("t")
    if db.name == "duckdb":
        assert types["tags"] == "MAP(VARCHAR, VARCHAR)" and types["o"] == "STRUCT(k DOUBLE, l BIGINT[], m VARCHAR)"
        assert db.sql("SELECT tags['a b'], cardinality(tags), o.k, o.l[2], o.m FROM t ORDER BY id") == [
            ["x", "2", "1.5", "2", None], [None, "0", None, None, "z"], [None, None, None, None, None]]
    else:
        assert types["tags"] == "jsonb" and types["o"] == "jsonb"
        assert db.sql("SELECT tags->>'a b', tags ? 'č', o->>'k', o->'l'->>1, o->>'m' FROM t ORDER BY id") == [
            ["x", "t", "1.5", "2", None], [None, "f", None, None, "z"], [None, None, None, None, None]]


def test_decimals_inside_nested_values_are_exact(db, load, tmp_path):
    path = ndjson(tmp_path, "a.ndjson", '{"m": {"a": 0.100000000000000001, "b": 12345678901234567890.5}}')
    load("--table", "t", "--mode", "create", "--types", "m=MAP(VARCHAR,DECIMAL(38,18))", path)
    value = "m['%s']" if db.name == "duckdb" else "m->>'%s'"
    row = db.sql("SELECT %s, %s FROM t" % (value % "a", value % "b"))[0]
    assert [Decimal(v) for v in row] == [Decimal("0.100000000000000001"), Decimal("12345678901234567890.5")]
    bad = ndjson(tmp_path, "b.ndjson", '{"m": {"a": 0.1000000000000000001}}')
    _, err = load("--table", "u", "--mode", "create", "--types", "m=MAP(VARCHAR,DECIMAL(38,18))", bad, status=1)
    assert "b.ndjson line 1: m " in err and "does not fit MAP(VARCHAR, DECIMAL(38,18))" in err


def test_guessed_numbers_inside_nested_values_are_exact(db, load, tmp_path):
    path = ndjson(tmp_path, "a.ndjson", '{"o": {"id": 12345678901234567890, "n": 1, "l": [{"x": 0.12345678901234567890}]}}',
                  '{"o": {"n": -2}}', '{"o": {"id": -99999999999999999999999999999999999999}}', '{"o": null}')
    load("--table", "t", "--mode", "create", path)
    parts = "o.id, o.n, o.l[1].x" if db.name == "duckdb" else "o->>'id', o->>'n', o->'l'->0->>'x'"
    rows = db.sql("SELECT %s FROM t ORDER BY 1" % parts)
    assert sorted((tuple(None if v is None else Decimal(v) for v in row) for row in rows), key=str) == sorted([
        (Decimal("12345678901234567890"), 1, Decimal("0.12345678901234567890")), (None, -2, None),
        (Decimal("-99999999999999999999999999999999999999"), None, None), (None, None, None)], key=str)


@pytest.mark.parametrize("record,kind", [
    ('{"o": {"a": 12345678901234567890}}', "STRUCT(a BIGINT)"), ('{"o": {"a": "abc", "b": 1}}', "STRUCT(a BIGINT, b BIGINT)"),
    ('{"o": {"x": 1234567890123456789012.5}}', "MAP(VARCHAR,DECIMAL(38,18))"), ('{"o": [[1], ["null"]]}', "BIGINT[][]")])
def test_a_member_that_does_not_fit_its_type_is_refused(db, load, tmp_path, record, kind):
    path = ndjson(tmp_path, "a.ndjson", '{"o": null}', record)
    _, err = load("--table", "t", "--mode", "create", "--types", "o=" + kind, path, status=1)
    assert "a.ndjson line 2: o " in err and "does not fit" in err


def test_hostile_names(db, load, tmp_path):
    path = ndjson(tmp_path, "a.ndjson", {"a'b\"c": 1, "x); DROP TABLE t; --": "v", "ünï": None, "file": "f", "line": "l"})
    row, _ = load("--table", HOSTILE, "--schema", 's"; --', "--mode", "create", path)
    assert row["rows"] == 1
    quoted = '"s""; --"."%s"' % HOSTILE.replace('"', '""')
    assert db.sql('SELECT "a\'b""c", "x); DROP TABLE t; --", "ünï", "file", "line" FROM ' + quoted) == [["1", "v", None, "f", "l"]]


def test_modes(db, load, tmp_path):
    one = ndjson(tmp_path, "one.ndjson", {"id": 1, "v": "a"})
    two = ndjson(tmp_path, "two.ndjson", {"id": 2, "more": 1.5})
    _, err = load("--table", "t", one, status=1)
    assert "--mode widen" in err and not db.exists("t")
    load("--table", "t", "--mode", "widen", one)
    load("--table", "t", one)
    _, err = load("--table", "t", "--mode", "create", one, status=1)
    assert "--mode append" in err
    _, err = load("--table", "t", two, status=1)
    assert "more" in err
    load("--table", "t", "--mode", "widen", two)
    assert db.sql("SELECT id, v, more FROM t ORDER BY id, v") == [["1", "a", None], ["1", "a", None], ["2", None, "1.5"]]
    load("--table", "t", "--mode", "replace", two)
    assert db.sql("SELECT id, more FROM t") == [["2", "1.5"]] and list(db.types("t")) == ["id", "more"]


def test_one_partition_is_replaced(db, load, tmp_path):
    may = ndjson(tmp_path, "may.ndjson", {"month": "2026-05", "n": 1}, {"month": "2026-05", "n": 2})
    june = ndjson(tmp_path, "june.ndjson", {"month": "2026-06", "n": 3})
    again = ndjson(tmp_path, "again.ndjson", {"month": "2026-05", "n": 4})
    load("--table", "t", "--mode", "create", may, june)
    load("--table", "t", "--mode", "replace", "--key", "month=2026-05", again)
    assert db.sql("SELECT month, n FROM t ORDER BY n") == [["2026-06", "3"], ["2026-05", "4"]]
    _, err = load("--table", "t", "--mode", "replace", "--key", "month=2026-05", june, status=1)
    assert "june.ndjson line 1: month is not 2026-05" in err
    _, err = load("--table", "t", "--mode", "replace", "--key", "monht=2026-05", again, status=2)
    assert "monht" in err
    load("--table", "t", "--key", "month=2026-05", again, status=2)
    assert db.sql("SELECT month, n FROM t ORDER BY n") == [["2026-06", "3"], ["2026-05", "4"]]


def test_a_table_that_is_there_tells_the_types(db, load, tmp_path):
    load("--table", "t", "--mode", "create", *TYPES, ndjson(tmp_path, "a.ndjson", '{"cost": 0.1, "at": "2026-01-01", "v": "x"}'))
    load("--table", "t", ndjson(tmp_path, "b.ndjson", '{"cost": 0.123456789012345678, "at": "2026-02-01T00:00:00Z", "v": 1.50}'))
    rows = db.sql("SELECT cost, v FROM t ORDER BY v DESC")
    assert [(Decimal(c), v) for c, v in rows] == [(Decimal("0.1"), "x"), (Decimal("0.123456789012345678"), "1.50")]
    _, err = load("--table", "t", ndjson(tmp_path, "c.ndjson", '{"cost": 0.1}', '{"cost": 0.1234567890123456789}'), status=1)
    assert "c.ndjson line 2: cost" in err
    assert db.sql("SELECT count(*) FROM t") == [["2"]]


BAD = [
    ('{"n": 1', "it is no JSON"),
    ("[1]", "it is no JSON object"),
    ('{"n": "x"}', 'n "x" does not fit BIGINT'),
    ('{"n": 1.5}', 'n "1.5" does not fit BIGINT'),
    ('{"n": 9223372036854775808}', 'n "9223372036854775808" does not fit BIGINT'),
    ('{"d": 1e-19}', 'd "1e-19" does not fit DECIMAL(38,18)'),
    ('{"d": 123456789012345678901}', 'd "123456789012345678901" does not fit DECIMAL(38,18)'),
    ('{"t": "2026-02-30"}', 't "2026-02-30" does not fit TIMESTAMP'),
]


@pytest.mark.parametrize("line,reason", BAD)
def test_a_bad_line_is_refused_by_name_and_leaves_nothing(db, load, tmp_path, line, reason):
    path = ndjson(tmp_path, "bad.ndjson", *[{"n": n} for n in range(5000)], line, {"n": 1})
    _, err = load("--table", "t", "--mode", "create", "--types", "n=BIGINT,d=DECIMAL(38,18),t=TIMESTAMP", path, status=1)
    assert "bad.ndjson line 5001: " + reason in err and "--rejects" in err
    assert not db.exists("t")


def test_rejects_are_kept_and_the_rest_is_loaded(db, load, tmp_path):
    lines = [line for line, _ in BAD]
    path = ndjson(tmp_path, "bad.ndjson", *[x for i, line in enumerate(lines) for x in ({"n": i}, line)])
    row, err = load("--table", "t", "--mode", "create", "--types", "n=BIGINT,d=DECIMAL(38,18),t=TIMESTAMP", "--rejects",
                    tmp_path / "rejects", path, status=3)
    assert (row["rows"], row["rejected"]) == (len(BAD), len(BAD)) and "8 of 16 records" in err
    rejects = [json.loads(line) for line in (tmp_path / "rejects").read_text().splitlines()]
    assert [(r["file"], r["line"], r["reason"], r["record"]) for r in rejects] == [
        (str(path), 2 * i + 2, reason, line) for i, (line, reason) in enumerate(BAD)]
    assert db.sql("SELECT count(*), sum(n) FROM t") == [[str(len(BAD)), str(sum(range(len(BAD))))]]
    row, _ = load("--table", "t", "--rejects", tmp_path / "rejects", ndjson(tmp_path, "good.ndjson", {"n": 1}))
    assert row["rejected"] == 0 and (tmp_path / "rejects").read_text() == ""


def test_bad_records_of_csv(db, load, tmp_path):
    path = tmp_path / "bad.csv"
    path.write_bytes(b'n,v\n1,a\n2\n3,"b\nc"\n4,d,e\n5,"f"g\nx,h\n6,\xff\n7,i\x00\n8,"open\n9,k\n')
    _, err = load("--table", "t", "--mode", "create", "--types", "n=INTEGER", path, status=1)
    assert "bad.csv line 3: 1 fields where the header has 2" in err and not db.exists("t")
    load("--table", "t", "--mode", "create", "--types", "n=INTEGER", "--rejects", tmp_path / "r", path, status=3)
    rejects = [json.loads(line) for line in (tmp_path / "r").read_text().splitlines()]
    assert [(r["line"], r["reason"]) for r in rejects] == [
        (3, "1 fields where the header has 2"), (6, "3 fields where the header has 2"), (7, "text follows a closing quote"),
        (8, 'n "x" does not fit INTEGER'), (9, "byte 3 of the record is no UTF-8"), (10, "the record holds a NUL byte"),
        (11, "a quoted field does not end")]
    assert db.sql("SELECT n, v FROM t ORDER BY n") == [["1", "a"], ["3", "b\nc"]]


def test_nothing_that_can_be_read_is_nothing_loaded(db, load, tmp_path):
    path = ndjson(tmp_path, "bad.ndjson", "x", "y")
    _, err = load("--table", "t", "--mode", "create", "--types", "n=INTEGER", "--rejects", tmp_path / "r", path, status=1)
    assert "none of the 2 records" in err and not db.exists("t") and len((tmp_path / "r").read_text().splitlines()) == 2


def test_a_file_that_breaks_off_leaves_nothing(db, load, tmp_path):
    whole = gzip.compress(b"".join(b'{"n": %d, "x": "%d"}\n' % (n, n * 7919 % 104729) for n in range(100000)))
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(whole[:-9])
    _, err = load("--table", "t", "--mode", "create", path, status=1)
    assert "a.ndjson.gz" in err and not db.exists("t")
    path.write_bytes(whole)
    assert load("--table", "t", "--mode", "create", path)[0]["rows"] == 100000
    assert db.sql("SELECT count(*), sum(n) FROM t") == [["100000", "4999950000"]]


def test_what_cannot_be_asked_for(duck, tmp_path):
    path = ndjson(tmp_path, "a.ndjson", {"n": 1})
    for args, words in [
        (("--mode", "create", path), "--table"),
        (("--table", "", path), "no name"),
        (("--table", "t"), "FILE"),
        (("--table", "t", "--types", "n", path), "COLUMN=TYPE"),
        (("--table", "t", "--types", "n=NOTHING", path), "there is no type NOTHING"),
        (("--table", "t", "--types", "n=INT) FROM x; --", path), "there is no type"),
        (("--table", "t", tmp_path / "a.txt"), "--format"),
        (("--table", "t", "--format", "xml", path), "xml"),
    ]:
        assert words in duck.finops.run("load", *args, status=2).stderr, args
    assert "no such file" in duck.finops.run("load", "--table", "t", tmp_path / "no.csv", status=1).stderr
    (tmp_path / "empty.csv").write_text("")
    assert "empty.csv" in duck.finops.run("load", "--table", "t", tmp_path / "empty.csv", status=1).stderr
    assert not duck.finops.database.exists()


def test_what_is_read_is_never_replaced_by_its_rejects(db, load, tmp_path):
    path = ndjson(tmp_path, "a.ndjson", {"n": 1})
    before = path.read_bytes()
    (tmp_path / "link").symlink_to(path)
    for rejects in (path, tmp_path / "." / "a.ndjson", tmp_path / "link"):
        _, said = load("--table", "t", "--mode", "create", "--rejects", rejects, path, status=2)
        assert "is read" in said and path.read_bytes() == before and not db.exists("t"), said
    _, said = load("--table", "t", "--mode", "create", "--rejects", tmp_path / "no" / "r", path, status=1)
    assert "no/r: no such file" in said and ".tmp" not in said and not db.exists("t")


def test_the_backend_that_is_shown_is_the_one_that_has_the_rows(db, load, tmp_path):
    path = ndjson(tmp_path, "a.ndjson", {"n": 1})
    other = {"duckdb": "postgresql", "postgresql": "duckdb"}[db.name]
    row, said = load("--table", "t", "--mode", "create", path,
                     env={"OPEN_FINOPS_DATABASE_BACKEND": other, "OPEN_FINOPS_ROUTING_BILLS": db.name})
    assert row["backend"] == db.name and db.exists("t") and not said


def test_a_type_for_what_no_record_has_is_told(db, load, tmp_path):
    path = ndjson(tmp_path, "a.ndjson", {"cost": 1.5})
    _, said = load("--table", "t", "--mode", "create", "--types", "csot=DECIMAL(9,2)", path)
    assert "no record has csot" in said
    _, said = load("--table", "u", "--mode", "create", "--types", "cost=DECIMAL(9,2)", path)
    assert not said


def test_an_empty_table_is_made_of_a_header(db, load, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,cost\n")
    row, _ = load("--table", "t", "--mode", "create", "--types", "cost=DECIMAL(38,18)", path)
    assert row["rows"] == 0 and list(db.types("t")) == ["id", "cost"]


def test_s3(duck, minio, tmp_path):
    bucket = minio.new_bucket()
    (tmp_path / "up").mkdir()
    ndjson(tmp_path / "up", "a.ndjson", {"n": 1}, {"n": 2})
    (tmp_path / "up" / "b.csv").write_text("n\n3\n")
    duckdb.sql("COPY (SELECT 4 AS n) TO '%s' (FORMAT parquet)" % (tmp_path / "up" / "c.parquet"))
    minio.put_tree(bucket, tmp_path / "up", prefix="p")
    for name in ("a.ndjson", "b.csv", "c.parquet"):
        duck.finops.run("load", "--table", "t", "--mode", "widen", "s3://%s/p/%s" % (bucket, name), env=minio.env())
    assert duck.sql("SELECT n FROM t ORDER BY n") == [["1"], ["2"], ["3"], ["4"]]


# ---- several databases ----

@pytest.fixture
def both(new_finops, request):
    """(finops, DuckDB, PostgreSQL) of one folder, with the configuration naming DuckDB."""
    finops = new_finops()
    post = Post(finops, request.getfixturevalue("postgresql").new_database())
    finops.env["OPEN_FINOPS_DATABASE_BACKEND"] = "duckdb"
    return finops, Duck(finops), post


def owners(folder, *lines):
    path = folder / "owners.csv"
    path.write_text("id,owner\n" + "".join(line + "\n" for line in lines))
    return path


def test_records_go_to_every_database_that_is_named(both, tmp_path):
    finops, duck, post = both
    path = owners(tmp_path, "1,a", "2,b")
    done = finops.run("load", "--backend", "duckdb,postgresql", "--table", "t", "--mode", "create", "--print", "json", path)
    assert [(row["backend"], row["table"], row["rows"]) for row in json.loads(done.stdout)] == [
        ("duckdb", "main.t", 2), ("postgresql", "public.t", 2)]
    for db in (duck, post):
        assert db.sql("SELECT id, owner FROM t ORDER BY id") == [["1", "a"], ["2", "b"]]


def test_routing_says_where_records_go_without_bills(both, tmp_path):
    finops, duck, post = both
    finops.run("load", "--table", "t", "--mode", "create", owners(tmp_path, "1,a"), env={"OPEN_FINOPS_ROUTING_RECORDS": "postgresql"})
    assert post.exists("t") and not duck.exists("t")
    finops.run("load", "--table", "u", "--mode", "create", owners(tmp_path, "1,a"),
               env={"OPEN_FINOPS_ROUTING_BILLS": "postgresql, duckdb"})
    assert post.exists("u") and duck.exists("u")
    finops.run("load", "--table", "v", "--mode", "create", "--backend", "duckdb", owners(tmp_path, "1,a"),
               env={"OPEN_FINOPS_ROUTING_RECORDS": "postgresql"})
    assert duck.exists("v") and not post.exists("v")


@pytest.mark.parametrize("order", ["duckdb,postgresql", "postgresql,duckdb"])
def test_one_that_is_down_leaves_the_other_complete(both, tmp_path, order):
    finops, duck, _ = both
    done = finops.run("load", "--backend", order, "--table", "t", "--mode", "create", "--print", "json", owners(tmp_path, "1,a"),
                      env={"OPEN_FINOPS_DATABASE_POSTGRESQL_HOST": "/nowhere"}, status=3)
    assert [row["backend"] for row in json.loads(done.stdout)] == ["duckdb"]
    assert "1 of 2 backends are complete; not: postgresql" in done.stderr and "/nowhere" in done.stderr
    assert duck.sql("SELECT count(*) FROM t") == [["1"]]


def test_one_whose_table_refuses_leaves_the_other_complete(both, tmp_path):
    finops, duck, post = both
    post.sql("CREATE TABLE t (id bigint UNIQUE, owner text); INSERT INTO t VALUES (2, 'old')")
    done = finops.run("load", "--backend", "postgresql,duckdb", "--table", "t", "--mode", "widen", owners(tmp_path, "1,a", "2,b"),
                      status=3)
    assert "not: postgresql" in done.stderr
    assert post.sql("SELECT id, owner FROM t") == [["2", "old"]]
    assert duck.sql("SELECT count(*) FROM t") == [["2"]]


def test_all_that_fail_are_a_failure(both, tmp_path):
    finops, _, _ = both
    path = owners(tmp_path, "1,a")
    done = finops.run("load", "--backend", "duckdb,postgresql", "--table", "none", path, status=1)
    assert "0 of 2 backends are complete" in done.stderr and not done.stdout


def test_each_database_has_its_own_rejects(both, tmp_path):
    finops, duck, post = both
    duck_only = ("--table", "t", "--mode", "create")
    finops.run("load", *duck_only, "--types", "owner=VARCHAR,id=BIGINT", owners(tmp_path, "1,a"))
    post.sql("CREATE TABLE t (id text, owner text)")
    done = finops.run("load", "--backend", "duckdb,postgresql", "--table", "t", "--rejects", "bad.ndjson",
                      owners(tmp_path, "2,b", "three,c"), status=3)
    assert "1 of 2 backends are complete; not: duckdb" in done.stderr
    bad = {name: (finops.folder / ("bad.ndjson." + name)).read_text() for name in ("duckdb", "postgresql")}
    assert "three" in bad["duckdb"] and bad["postgresql"] == ""
    assert duck.sql("SELECT count(*) FROM t") == [["2"]] and post.sql("SELECT count(*) FROM t") == [["2"]]
