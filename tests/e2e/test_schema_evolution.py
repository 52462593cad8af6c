"""A bill's columns come, go, change their names and their types, from month to month and within one."""
import json

import duckdb
import pytest

EXPORT = "acme"
VIEW = "aws_billing.acme_unified"


def line(month, **columns):
    """A bill of one line as a SELECT; None leaves a column out."""
    values = {"bill_payer_account_id": "'111122223333'", "bill_billing_period_start_date": f"TIMESTAMP '{month}-01'",
              "line_item_usage_account_id": "'444455556666'", "line_item_usage_start_date": f"TIMESTAMP '{month}-02 03:00:00'",
              "line_item_line_item_type": "'Usage'", "line_item_currency_code": "'USD'",
              "line_item_unblended_cost": "1.5::DECIMAL(38,18)", **columns}
    return "SELECT " + ", ".join(f'{v} AS "{k}"' for k, v in values.items() if v is not None)


def imported(finops, *selects, args=(), status=0, kind="parquet"):
    """Imports one file for each SELECT, all of one month or of several."""
    files = []
    for i, select in enumerate(selects):
        path = finops.folder / f"part-{i}.{kind}"
        duckdb.sql(f"COPY ({select}) TO '{path}' (FORMAT {kind})")
        files += ["--file", path.name]
    return finops.run("aws", "import-cur", "--export-name", EXPORT, *files, *args, status=status)


def answers(finops, columns, table=VIEW):
    """Rows of the view, oldest month first; columns in SQL."""
    rows = finops.rows("query", f"SELECT billing_period AS period, {columns} FROM {table} ORDER BY 1")
    return [tuple(row.values())[1:] for row in rows]


def test_columns_that_go_come_and_change_their_type_answer_in_every_month(every_backend):
    imported(every_backend, line("2026-01", gone="'a'", number="1::INT", word="'abc'", blob="{'a': 1}", text="'abc'",
                                 resource_tags="MAP {'user_team': 'x'}"))
    imported(every_backend, line("2026-02", came="'b'", number="1.25::DECIMAL(10,2)", word="7::INT", blob="{'a': 2}",
                                 text="{'a': 1}", resource_tags="'{\"user_team\": \"y\"}'", line_item_unblended_cost="'2.25'",
                                 line_item_usage_start_date="TIMESTAMPTZ '2026-02-02 05:00:00+02'",
                                 line_item_usage_account_id="12345678901::BIGINT"))
    assert answers(every_backend, "gone, came, number, word") == [("a", None, "1", "abc"), (None, "b", "1.25", "7")]
    assert answers(every_backend, "resource_tags_user_team, line_item_usage_account_id") == [("x", "444455556666"), ("y", "012345678901")]
    assert answers(every_backend, "CAST(line_item_unblended_cost AS DECIMAL(9, 2)), line_item_usage_start_date") == [
        ("1.50", "2026-01-02T03:00:00Z"), ("2.25", "2026-02-02T03:00:00Z")]
    (first,), (second,) = answers(every_backend, "text")
    assert first == "abc" and json.loads(second) == {"a": 1}


def test_files_of_one_month_may_differ(finops):
    imported(finops, line("2026-01", x="1::INT", y="{'a': 1}", extra="'here'"), line("2026-01", x="'abc'", y="'plain'"))
    rows = sorted(answers(finops, "x, y, extra"))
    assert [(x, extra) for x, _, extra in rows] == [("1", "here"), ("abc", None)]
    assert json.loads(rows[0][1]) == {"a": 1} and rows[1][1] == "plain"


LOST = [("line_item_unblended_cost", "'n/a'", 'DECIMAL(38,18) and cannot keep "n/a"'),
        ("line_item_unblended_cost", "true", 'DECIMAL(38,18) and cannot keep "true"'),
        ("line_item_unblended_cost", "123456789012345678901234.5", 'DECIMAL(38,18) and cannot keep "123456789012345678901234.5"'),
        ("line_item_usage_start_date", "TIMESTAMP_NS '2026-02-02 03:00:00.123456789'", 'cannot keep "2026-02-02 03:00:00.123456789"'),
        ("line_item_usage_start_date", "1770000000", 'TIMESTAMP and cannot keep "1770000000"'),
        ("resource_tags", "'no json'", 'MAP(VARCHAR, VARCHAR) and cannot keep "no json"')]


def test_what_would_be_lost_is_refused_by_column_value_file_and_row(finops):
    imported(finops, line("2026-02", resource_tags="MAP {'user_team': 'x'}"))
    before = answers(finops, "line_item_unblended_cost, resource_tags_user_team")
    for column, value, words in LOST:
        good, bad = (line("2026-02", **{"resource_tags": "NULL::VARCHAR", column: v}) for v in ("NULL", value))
        done = imported(finops, line("2026-02"), f"SELECT * FROM ({good}) UNION ALL BY NAME {bad}", status=1)
        assert f"part-1.parquet row 2: column {column} is " in done.stderr and words in done.stderr, done.stderr
        assert "--column-mapping" in done.stderr
    assert answers(finops, "line_item_unblended_cost, resource_tags_user_team") == before
    errors = [row["error"] for row in finops.rows("query", "SELECT error FROM billing_state.load_states WHERE status = 'failed'")]
    for column, _, words in LOST:  # the time tells the month, which is so never begun
        assert any(words in error for error in errors) == (column != "line_item_usage_start_date")


def test_a_type_without_values_is_no_reason_to_refuse(finops):
    imported(finops, line("2026-02", line_item_unblended_rate="NULL::BOOLEAN", resource_tags="NULL::INT", line_item_usage_end_date="NULL::INT"))
    assert answers(finops, "line_item_unblended_rate, line_item_usage_end_date") == [(None, None)]


def test_a_table_of_all_months_gets_what_it_can_keep_and_nothing_else(every_backend):
    """The lake has one anyway; a column of it has the type of the first month."""
    single = ("--table-strategy", "single")
    imported(every_backend, line("2026-01", x="MAP {'a': 'b'}", word="'abc'"), args=single)
    imported(every_backend, line("2026-02", x="'{\"a\": \"c\"}'", word="MAP {'k': 'v'}"), args=single)
    kept = answers(every_backend, "x, word")
    (x,), (y,) = ([json.loads(v) if isinstance(v, str) else v for v in row[:1]] for row in kept)
    assert (x, y) == ({"a": "b"}, {"a": "c"})
    assert kept[0][1] == "abc" and json.loads(kept[1][1]) == {"k": "v"}
    if every_backend.backend == "postgresql":  # where the column is JSON, which keeps any text
        imported(every_backend, line("2026-03", x="'words'"), args=single)
        assert answers(every_backend, "x")[2] == ('"words"',)
    else:
        done = imported(every_backend, line("2026-03", x="'words'"), args=single, status=1)
        assert 'part-0.parquet row 1: column x of table aws_billing.acme is MAP(VARCHAR, VARCHAR) and cannot keep "words"' in done.stderr
        assert answers(every_backend, "x, word") == kept


def test_a_column_that_somebody_made_narrower_takes_what_it_can_keep(finops):
    single = ("--table-strategy", "single")
    imported(finops, line("2026-01", x="1"), args=single)
    with duckdb.connect(str(finops.database)) as db:
        db.sql("DROP VIEW aws_billing.acme_unified")
        db.sql("ALTER TABLE aws_billing.acme ALTER line_item_unblended_cost TYPE DECIMAL(12, 2)")
        db.sql("ALTER TABLE aws_billing.acme ALTER x TYPE INTEGER")
    imported(finops, line("2026-02", x="2"), args=single)
    assert answers(finops, "x, line_item_unblended_cost", "aws_billing.acme")[1] == (2, "1.50")
    for column, value, words in (("line_item_unblended_cost", "0.125", 'DECIMAL(12,2) and cannot keep "0.125"'),
                                 ("x", "'007'", 'INTEGER and cannot keep "007"')):
        for kind in ("parquet", "csv"):
            done = imported(finops, line("2026-02", **{**{"x": "2"}, column: value}), args=single, status=1, kind=kind)
            assert f"column {column} " in done.stderr and words[:30] in done.stderr and value.strip("'") in done.stderr, done.stderr
    assert len(answers(finops, "x", "aws_billing.acme")) == 2


def mapping(finops, **names):
    """What `--column-mapping` takes."""
    path = finops.folder / "columns.toml"
    path.write_text("[columns]\n" + "".join(f'"{old}" = "{new}"\n' for old, new in names.items()))
    return ("--column-mapping", path.name)


def kept_mappings(finops):
    """What became of the columns of each version, oldest month first."""
    rows = finops.rows("query", "SELECT v.column_mappings FROM billing_state.schema_versions AS v JOIN billing_state.load_state AS s "
                       "ON s.version_id = v.version_id WHERE s.current_version ORDER BY s.billing_period")
    return [m if isinstance(m, dict) else json.loads(m) for m in (row["column_mappings"] for row in rows)]


def test_a_renamed_column_answers_by_both_names_in_all_months(every_backend):
    imported(every_backend, line("2026-01", cost_center="'one'"))
    renamed = mapping(every_backend, cost_center="cost_centre", never_there="nowhere")
    imported(every_backend, line("2026-02", cost_centre="'two'"), args=renamed)
    both = [("one", "one"), ("two", "two")]
    assert answers(every_backend, "cost_center, cost_centre") == both
    assert kept_mappings(every_backend)[1]["cost_center"] == "cost_centre" and "never_there" not in kept_mappings(every_backend)[1]
    imported(every_backend, line("2026-03", cost_center="'three'"))  # it is remembered without the file
    both.append(("three", "three"))
    assert answers(every_backend, "cost_center, cost_centre") == both
    assert kept_mappings(every_backend)[2]["cost_center"] == "cost_centre"
    if every_backend.backend == "ducklake":  # whose months are views as well
        views = [f"{name}_2026_0{month}" for month in (1, 2, 3) for name in ("acme", "billing", "aws_billing_111122223333")]
        got = every_backend.rows("query", " UNION ALL ".join(f"SELECT '{v}' AS v, cost_center, cost_centre FROM aws_billing.{v}" for v in views))
        assert {row["v"]: (row["cost_center"], row["cost_centre"]) for row in got} == {v: both[int(v[-1]) - 1] for v in views}


@pytest.mark.parametrize("every_backend", ["duckdb", "postgresql"], indirect=True)
def test_a_header_of_the_files_can_become_a_column_that_is_there(every_backend):
    imported(every_backend, line("2026-01"))
    changed = line("2026-02", line_item_unblended_cost=None, **{"Kosten (netto)": "'2.25'"})
    imported(every_backend, changed, args=mapping(every_backend, **{"Kosten (netto)": "line_item_unblended_cost"}))
    assert answers(every_backend, "CAST(line_item_unblended_cost AS DECIMAL(9, 2))") == [("1.50",), ("2.25",)]
    assert answers(every_backend, "CAST(kosten_netto AS DECIMAL(9, 2))") == [("1.50",), ("2.25",)]
    assert kept_mappings(every_backend)[1]["Kosten (netto)"] == "line_item_unblended_cost"
    report = every_backend.rows("report", "--by", "month")
    assert [float(row["cost"]) for row in report] == [1.5, 2.25]


def test_a_file_with_both_names_keeps_both(finops):
    imported(finops, line("2026-01", a="'old'", b="'new'"), line("2026-01", a="'only old'"), args=mapping(finops, a="b"))
    assert sorted(answers(finops, "a, b")) == [("old", "new"), ("only old", "only old")]


def test_names_that_follow_one_another_are_one_column(finops):
    imported(finops, line("2026-01", a="'1'"))
    imported(finops, line("2026-02", b="'2'"), args=mapping(finops, a="b"))
    imported(finops, line("2026-03", c="'3'"), args=mapping(finops, a="b", b="c"))
    assert answers(finops, "a, b, c") == [("1", "1", "1"), ("2", "2", "2"), ("3", "3", "3")]
    for names, words in (({"a": "d"}, "a cannot be renamed to d: it already is b"), ({"c": "a"}, "c cannot be renamed to a: that is renamed to c")):
        done = imported(finops, line("2026-04", c="'4'"), args=mapping(finops, **names), status=None)
        assert done.returncode and words in done.stderr, done.stderr


@pytest.mark.parametrize("text, words", [
    ("[columns\n", "columns.toml:1: "), ("[other]\na = 'b'\n", "columns.toml:1: other: there is nothing but [columns]"), ("", "columns.toml: no [columns]"),
    ("[columns]\na = 1\n", "columns.toml:2: a: the name of a column is missing"),
    ("[columns]\na = 'Kosten (netto)'\n", "columns.toml:2: a: a column is not called Kosten (netto) but kosten_netto"),
    (None, "columns.toml")])
def test_a_mapping_that_makes_no_sense_is_refused_before_anything_is_made(finops, text, words):
    if text is not None:
        (finops.folder / "columns.toml").write_text(text)
    done = imported(finops, line("2026-01"), args=("--column-mapping", "columns.toml"), status=2)
    assert words in done.stderr and not finops.database.exists()


def test_columns_of_a_report_of_version_1_answer_in_months_of_cur_2(finops):
    for month, (version, kind) in enumerate((("v1", "csv"), ("v2", "parquet")), 1):
        finops.run("sample", "--out", version, "--start", f"2026-0{month}", "--months", 1, "--rows", 500, "--cur-version", version, "--format", kind, "--quiet")
        files = [arg for path in sorted(finops.folder.glob(f"{version}/**/*.{'csv.gz' if kind == 'csv' else 'parquet'}")) for arg in ("--file", path)]
        finops.run("aws", "import-cur", "--export-name", EXPORT, *files)
    with duckdb.connect(str(finops.database), read_only=True) as db:
        columns = [c for c, in db.sql("SELECT column_name FROM duckdb_columns() WHERE table_name = 'acme_2026_01'").fetchall()]
        counts = db.sql(f"SELECT billing_period, {', '.join(f'count({c})' for c in columns)} FROM {VIEW} GROUP BY 1 ORDER BY 1").fetchall()
        old, new = (dict(zip(columns, row[1:])) for row in counts)
    lost = [c for c in columns if old[c] >= 20 and new[c] == 0]
    assert len([c for c in columns if c.startswith("resource_tags_")]) > 4 and lost == []
