/* What finops_bill_csv() says of bad files: code, file, line and column, the same for every size of blocks.
 */
#include "csv_test.h"

static const fo_csv_column typed[] = { { "id", FO_CSV_TEXT },
                                       { "cost", FO_CSV_DECIMAL },
                                       { "start", FO_CSV_TIMESTAMP } };

/* A three-column file of this text is refused. */
static void
refused(fixture *f, const char *text, finops_code code, const char *message)
{
    job_columns(f, typed, 3);
    job_text(f, "acme.csv", text, 3);
    job_fails(f, code, message);
}

static void
a_wrong_number_of_fields_is_refused_by_line(void **state)
{
    refused(*state, "a,b,c\n1,2,\n3,4\n", FINOPS_E_DATA, "acme.csv line 3: 2 fields where the header has 3");
    refused(*state, "a,b,c\n\"1\n\n\",2,\r\n3,4,,6\n", FINOPS_E_DATA,
            "acme.csv line 5: 4 fields where the header has 3");
    refused(*state, "a,b,c\n1,2,\n\n3,4,\n", FINOPS_E_DATA,
            "acme.csv line 3: 1 fields where the header has 3");
    refused(*state, "a,b,c\n1,2", FINOPS_E_DATA, "acme.csv line 2: 2 fields where the header has 3");
    refused(*state, "a,b,c\n,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\n",
            FINOPS_E_DATA, "acme.csv line 2: 73 fields where the header has 3");
}

static void
a_value_of_the_wrong_type_is_refused_by_column(void **state)
{
    refused(*state, "a,b,c\n1,2,\n1,x,\n", FINOPS_E_DATA, "acme.csv line 3: column cost: \"x\" is no number");
    refused(*state, "a,b,c\n1,\" 2\",\n", FINOPS_E_DATA, "acme.csv line 2: column cost: \" 2\" is no number");
    refused(*state, "a,b,c\n1,\"2\"\"\n3\",\n", FINOPS_E_DATA,
            "acme.csv line 2: column cost: \"2\"?3\" is no number");
    refused(*state, "a,b,c\n1,123456789012345678901,\n", FINOPS_E_DATA,
            "acme.csv line 2: column cost: \"123456789012345678901\" is a number of more than 20 digits "
            "before the point");
    refused(*state, "a,b,c\n1,2,2024-02-30\n", FINOPS_E_DATA,
            "acme.csv line 2: column start: \"2024-02-30\" is no time");
}

static void
a_long_value_is_cut_between_characters(void **state)
{
    refused(*state,
            "a,b,c\n1,0123456789012345678901234567890123456789012345678901234567\xe2\x82\xac and more,\n",
            FINOPS_E_DATA,
            "acme.csv line 2: column cost: \"0123456789012345678901234567890123456789012345678901234567...\" "
            "is no number");
}

static void
the_first_bad_record_is_named_whatever_its_column(void **state)
{
    refused(*state, "a,b,c\n1,2,\n1,2,x\n\"1\"x,2,\n1,y,\n1\n", FINOPS_E_DATA,
            "acme.csv line 3: column start: \"x\" is no time");
    refused(*state, "a,b,c\n1,2,\n\"1\"x,2,y\n1,\xff,\n", FINOPS_E_DATA,
            "acme.csv line 3: column id: \"\"1\"x\" has text after its closing quote");
    refused(*state, "a,b,c\n\xff,2,\n1,y,\n1\n", FINOPS_E_DATA, "acme.csv line 2: text is not UTF-8");
    refused(*state, "a,b,c\n1,2\n\xff,y,\n1\n", FINOPS_E_DATA,
            "acme.csv line 2: 2 fields where the header has 3");
}

static void
text_after_a_closing_quote_is_refused(void **state)
{
    static const int targets[] = { -1, 1, 2 };
    fixture *f = *state;

    refused(*state, "a,b,c\n\"1\" ,2,\n", FINOPS_E_DATA,
            "acme.csv line 2: column id: \"\"1\" \" has text after its closing quote");
    refused(*state, "a,b,c\n\"1\"x\"\",2,\n", FINOPS_E_DATA,
            "acme.csv line 2: column id: \"\"1\"x\"\"\" has text after its closing quote");
    /* A field that goes to no column has to be a field too. */
    job_columns(f, typed, 3);
    job_file(f, "skip.csv", fixture_file(f, "skip.csv", "a,b,c\n\"1\"x,2,\n", 14), 3, targets);
    job_fails(f, FINOPS_E_DATA, "skip.csv line 2: field 1: \"\"1\"x\" has text after its closing quote");
}

static void
an_open_quote_is_refused_where_its_record_begins(void **state)
{
    refused(*state, "a,b,c\n1,2,\n3,\"4,\n5,6,\n7,8,\n", FINOPS_E_DATA,
            "acme.csv line 3: a quoted field has no closing quote");
    refused(*state, "a,b,\"c\n1,2,\n", FINOPS_E_DATA, "acme.csv line 1: a quoted field has no closing quote");
}

static void
a_nul_byte_is_refused(void **state)
{
    fixture *f = *state;

    job_columns(f, typed, 3);
    job_file(f, "acme.csv", fixture_file(f, "acme.csv", "a,b,c\n1,2,\nx\0y,2,\n", 19), 3, NULL);
    job_fails(f, FINOPS_E_DATA, "acme.csv line 3: a NUL byte");
}

static void
a_file_without_a_header_is_refused(void **state)
{
    fixture *f = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_strv_done) fo_strv names = FO_STRV_INIT;

    refused(f, "", FINOPS_E_DATA, "acme.csv is empty: it has no header");
    refused(f, "\xef\xbb\xbf", FINOPS_E_DATA, "acme.csv is empty: it has no header");
    refused(f, "a,b\n1,2\n", FINOPS_E_DATA, "acme.csv: its header has 2 fields and had 3 before");
    assert_int_equal(fo_csv_header(f->files, fixture_file(f, "b.csv", "", 0), "b.csv", &names, NULL, &err),
                     FINOPS_E_DATA);
    assert_string_equal(finops_error_text(err), "b.csv is empty: it has no header");
    finops_error_freep(&err);
    assert_int_equal(
        fo_csv_header(f->files, fixture_file(f, "b.csv", "\na\n", 3), "b.csv", &names, NULL, &err),
        FINOPS_E_DATA);
    assert_string_equal(finops_error_text(err), "b.csv has no header: its first line is empty");
    assert_int_equal(names.n, 0);
}

static void
a_damaged_header_is_refused(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "a,\"b", "b.csv: header: a quoted field has no closing quote" },
        { "a,\"b\"c\n", "b.csv: header: text after the closing quote of field 2" },
        { "a,\xff\n", "b.csv: header: text is not UTF-8" },
    };
    fixture *f = *state;

    for (size_t i = 0; i < FO_COUNT(cases); i++) {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        FO_AUTO(fo_strv_done) fo_strv names = FO_STRV_INIT;
        const char *path = fixture_file(f, "b.csv", cases[i].text, strlen(cases[i].text));

        assert_int_equal(fo_csv_header(f->files, path, "b.csv", &names, NULL, &err), FINOPS_E_DATA);
        assert_string_equal(finops_error_text(err), cases[i].message);
        assert_int_equal(names.n, 0);
    }
}

static void
what_is_stored_otherwise_is_refused(void **state)
{
    fixture *f = *state;

    job_columns(f, typed, 3);
    job_text(f, "acme.csv.gz", "a,b,c\n1,2,\n", 3);
    job_fails(f, FINOPS_E_CORRUPT, "acme.csv.gz: not a gzip file");
    job_columns(f, typed, 3);
    job_text(f, "acme.csv.gz", "", 3);
    job_fails(f, FINOPS_E_CORRUPT, "acme.csv.gz: gzip file is empty");
    job_columns(f, typed, 3);
    job_text(f, "acme.csv.zip", "PK\x03\x04 and so on", 3);
    job_fails(f, FINOPS_E_UNSUPPORTED, "acme.csv.zip is a zip archive, which is not read");
}

/* gzip of "a,b,c\n1,2,\n" by gzip -n. */
static const uint8_t small_gz[] = { 0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03, 0x4b,
                                    0xd4, 0x49, 0xd2, 0x49, 0xe6, 0x32, 0xd4, 0x31, 0xd2, 0xe1, 0x02,
                                    0x00, 0x91, 0x82, 0x9b, 0xe0, 0x0b, 0x00, 0x00, 0x00 };

static void
damaged_gzip_is_refused_by_file(void **state)
{
    fixture *f = *state;
    uint8_t bytes[sizeof(small_gz)];

    memcpy(bytes, small_gz, sizeof(bytes));
    job_columns(f, typed, 3);
    job_file(f, "acme.csv.gz", fixture_file(f, "acme.csv.gz", bytes, sizeof(bytes)), 3, NULL);
    job_gives(f, "SELECT id, cost::INT FROM finops_bill_csv()", "1|2\n");
    for (size_t n = 1; n < sizeof(bytes); n++) {
        fixture_file(f, "acme.csv.gz", bytes, n);
        job_fails(f, FINOPS_E_CORRUPT, "acme.csv.gz: gzip data ends in the middle: the file is truncated");
    }
    bytes[sizeof(bytes) - 8] ^= 1;
    fixture_file(f, "acme.csv.gz", bytes, sizeof(bytes));
    job_fails(f, FINOPS_E_CORRUPT, "acme.csv.gz: gzip checksum or length does not match the data");
}

static void
a_record_of_more_than_64_mib_is_refused(void **state)
{
    fixture *f = *state;
    const char *path = fixture_path(f, "long.csv");
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_true(fputs("a,b,c\n1,2,\n3,\"", file) >= 0);
    for (unsigned i = 0; i < 65; i++) {
        static char text[1 << 20];

        memset(text, i % 2 ? ',' : '\n', sizeof(text));
        assert_int_equal(fwrite(text, 1, sizeof(text), file), sizeof(text));
    }
    assert_int_equal(fclose(file), 0);
    job_columns(f, typed, 3);
    job_file(f, "long.csv", path, 3, NULL);
    job_fails(f, FINOPS_E_DATA, "long.csv line 3: a record of more than 64 MiB; is a quote left open?");
    assert_int_equal(truncate(path, 0), 0);
}

static void
a_missing_file_is_refused(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    fixture *f = *state;

    job_columns(f, typed, 3);
    job_file(f, "none.csv", "/nowhere/none.csv", 3, NULL);
    assert_int_equal(job_run(f, "FROM finops_bill_csv()", &text, &err), FINOPS_E_NOT_FOUND);
    assert_non_null(strstr(finops_error_text(err), "none.csv"));
}

static void
a_requested_cancel_stops_the_reading(void **state)
{
    fo_cancel cancel = { 0 };
    fixture *f = *state;

    fo_cancel_request(&cancel);
    job_columns(f, typed, 3);
    f->job.cancel = &cancel;
    job_text(f, "acme.csv", "a,b,c\n1,2,\n", 3);
    job_fails(f, FINOPS_E_CANCELLED, "reading was stopped");
}

static void
the_function_works_for_one_job_at_a_time(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fixture *f = *state;
    duckdb_result result;

    job_columns(f, typed, 3);
    job_text(f, "acme.csv", "a,b,c\n1,2,\n", 3);
    assert_int_equal(fo_csv_job_begin(f->conn, &f->job, NULL), FINOPS_OK);
    assert_int_equal(fo_csv_job_begin(f->conn, &f->job, &err), FINOPS_E_BUSY);
    fo_csv_job_end(f->conn);
    assert_int_equal(duckdb_query(fo_conn_native(f->conn), "FROM finops_bill_csv()", &result), DuckDBError);
    assert_non_null(strstr(duckdb_result_error(&result), "it works inside an import only"));
    duckdb_destroy_result(&result);
    assert_null(fo_csv_failure(f->conn));
}

static void
a_job_that_makes_no_sense_is_refused(void **state)
{
    static const int wild[] = { 0, 1, 3 };
    fixture *f = *state;

    job_columns(f, typed, 0);
    assert_int_equal(fo_csv_job_begin(f->conn, &f->job, NULL), FINOPS_E_ARGUMENT);
    job_columns(f, typed, 3);
    job_file(f, "a.csv", "a.csv", 3, wild);
    assert_int_equal(fo_csv_job_begin(f->conn, &f->job, NULL), FINOPS_E_ARGUMENT);
    job_columns(f, typed, 3);
    job_file(f, "a.csv", "a.csv", 0, NULL);
    assert_int_equal(fo_csv_job_begin(f->conn, &f->job, NULL), FINOPS_E_ARGUMENT);
}

/* Fails each allocation in turn until a run needs no more of them. */
static void
reading_survives_every_failed_allocation(void **state)
{
    fixture *f = *state;
    finops_code rc = FINOPS_E_MEMORY;

    fo_csv_set_limits(f->conn, (fo_csv_limits){ .block = 16, .input = 16 });
    for (unsigned n = 1; rc != FINOPS_OK; n++) {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
        bool failed;

        job_columns(f, typed, 3);
        job_file(f, "acme.csv.gz", fixture_file(f, "acme.csv.gz", small_gz, sizeof(small_gz)), 3, NULL);
        fo_mem_fail_at(n);
        rc = job_run(f, "SELECT count(*) FROM finops_bill_csv()", &text, &err);
        failed = fo_mem_failed();
        fo_mem_fail_at(0);
        assert_int_equal(rc == FINOPS_OK, !failed);
        if (rc != FINOPS_OK)
            assert_int_equal(rc, FINOPS_E_MEMORY);
    }
    fo_csv_set_limits(f->conn, FO_CSV_LIMITS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_number_of_fields_is_refused_by_line),
        cmocka_unit_test(a_value_of_the_wrong_type_is_refused_by_column),
        cmocka_unit_test(a_long_value_is_cut_between_characters),
        cmocka_unit_test(the_first_bad_record_is_named_whatever_its_column),
        cmocka_unit_test(text_after_a_closing_quote_is_refused),
        cmocka_unit_test(an_open_quote_is_refused_where_its_record_begins),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(a_file_without_a_header_is_refused),
        cmocka_unit_test(a_damaged_header_is_refused),
        cmocka_unit_test(what_is_stored_otherwise_is_refused),
        cmocka_unit_test(damaged_gzip_is_refused_by_file),
        cmocka_unit_test(a_record_of_more_than_64_mib_is_refused),
        cmocka_unit_test(a_missing_file_is_refused),
        cmocka_unit_test(a_requested_cancel_stops_the_reading),
        cmocka_unit_test(the_function_works_for_one_job_at_a_time),
        cmocka_unit_test(a_job_that_makes_no_sense_is_refused),
        cmocka_unit_test(reading_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
