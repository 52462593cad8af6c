/* finops_records(): where records end, what is wrong with them, numbers as they are written. */
#include "engine/records_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static const int two_targets[] = { 0, 1 };

typedef struct fixture {
    fo_engine *engine;
    fo_conn *conn;
    fo_files *files;
    char path[40];
    fo_records_file input;
    fo_records_job job;
} fixture;

static int
set_up(void **state)
{
    const fo_engine_options options = { .threads = 2 };
    fixture *f = fo_zalloc(sizeof(*f));
    int fd;

    if (!f)
        return -1;
    *state = f;
    (void)snprintf(f->path, sizeof(f->path), "/tmp/finops-records-XXXXXX");
    fd = mkstemp(f->path);
    if (fd < 0 || close(fd) != 0 || fo_engine_open(&options, &f->engine, NULL) != FINOPS_OK ||
        fo_conn_open(f->engine, &f->conn, NULL) != FINOPS_OK ||
        fo_files_open(f->engine, &(fo_files_options){ 0 }, &f->files, NULL) != FINOPS_OK)
        return -1;
    f->input = (fo_records_file){ .address = f->path, .label = "x" };
    f->job = (fo_records_job){ .files = f->files, .inputs = &f->input, .n_inputs = 1 };
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;

    fo_files_close(f->files);
    fo_conn_close(f->conn);
    fo_engine_close(f->engine);
    finops_error_free(f->job.failure);
    (void)unlink(f->path);
    fo_free(f);
    return 0;
}

static void
fill(const fixture *f, const char *text, size_t n)
{
    FILE *file = fopen(f->path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static void
csv(fixture *f)
{
    f->input.targets = two_targets;
    f->input.n_fields = 2;
    f->job.n_columns = 2;
}

/* Line and text of every record, then line and problem of every bad one. */
static void
records_are(fixture *f, const char *columns, const char *expected)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    assert_int_equal(fo_records_register(f->conn, &f->job, NULL), FINOPS_OK);
    fo_str_addf(&sql,
                "SELECT coalesce(string_agg(line || ':' || %s, '|' ORDER BY line), '') FROM finops_records()",
                columns);
    if (fo_conn_rows(f->conn, fo_str_z(&sql), NULL, 0, &rows, &err) != FINOPS_OK)
        fail_msg("%s", finops_error_text(err));
    assert_string_equal(fo_rows_text(rows, 0, 0), expected);
}

static void
lines_keep_their_numbers_and_blank_ones_are_no_records(void **state)
{
    static const char text[] = "\xef\xbb\xbf{}\r\n\n  \r\n[1]\nx";
    fixture *f = *state;

    fill(f, text, sizeof(text) - 1);
    records_are(f, "record", "1:{}|4:[1]|5:x");
}

static void
an_empty_file_has_no_records(void **state)
{
    fixture *f = *state;

    fill(f, "", 0);
    records_are(f, "record", "");
}

static void
numbers_come_as_they_are_written_and_texts_stay(void **state)
{
    static const char text[] = "{\"a 1\":-1.50e+3,\"b\":[0.10,7],\"c\":\"1.5 \\\" 2\",\"d\":true}";
    fixture *f = *state;

    fill(f, text, sizeof(text) - 1);
    records_are(f, "exact",
                "1:{\"a 1\":\"-1.50e+3\",\"b\":[\"0.10\",\"7\"],\"c\":\"1.5 \\\" 2\",\"d\":true}");
}

static void
a_record_of_csv_ends_outside_quotes(void **state)
{
    static const char text[] = "a,b\n1,\"x\ny\"\"\n\"\n2,q\"r\n,\n";
    fixture *f = *state;

    csv(f);
    fill(f, text, sizeof(text) - 1);
    records_are(f, "coalesce(f0, 'NULL') || '=' || coalesce(f1, 'NULL')",
                "2:1=x\ny\"\n|5:2=q\"r|6:NULL=NULL");
}

static void
what_is_wrong_is_told_of_each_record(void **state)
{
    static const char text[] = "a,b\n1\n1,2,3\n\"1\"x,2\n1,\xff\n1,\"2\n";
    fixture *f = *state;

    csv(f);
    fill(f, text, sizeof(text) - 1);
    records_are(
        f, "problem",
        "2:1 fields where the header has 2|3:3 fields where the header has 2|4:text follows a closing "
        "quote|5:byte 3 of the record is no UTF-8|6:a quoted field does not end");
}

static void
a_record_may_be_longer_than_what_is_read_at_once(void **state)
{
    size_t n = ((size_t)3 << 20) + 12;
    char *text = fo_alloc(n);
    fixture *f = *state;

    assert_non_null(text);
    memset(text, 'x', n);
    memcpy(text, "a,b\n\"", 5);
    memcpy(text + n - 7, "\",1\n2,3", 7);
    csv(f);
    fill(f, text, n);
    fo_free(text);
    records_are(f, "length(f0) || '=' || f1", "2:3145728=1|3:1=3");
}

static void
a_file_that_breaks_off_is_the_statements_failure_with_its_code(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fixture *f = *state;
    finops_code rc;

    fill(f, "\x1f\x8b\x08\x00", 4);
    assert_int_equal(fo_records_register(f->conn, &f->job, NULL), FINOPS_OK);
    rc = fo_conn_exec(f->conn, "SELECT count(*) FROM finops_records()", &err);
    assert_int_not_equal(rc, FINOPS_OK);
    assert_int_equal(fo_records_error(&f->job, rc, &err), FINOPS_E_CORRUPT);
    assert_non_null(strstr(finops_error_text(err), "read x"));
}

static void
reading_survives_every_failed_allocation(void **state)
{
    static const char text[] = "{\"a\":1}\n\xff\n";
    fixture *f = *state;
    bool hit = true;

    fill(f, text, sizeof(text) - 1);
    assert_int_equal(fo_records_register(f->conn, &f->job, NULL), FINOPS_OK);
    for (unsigned n = 1; hit; n++) {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        finops_code rc;

        assert_true(n < 100);
        fo_mem_fail_at(n);
        rc = fo_conn_exec(f->conn, "SELECT count(*) FROM finops_records()", &err);
        rc = fo_records_error(&f->job, rc, &err);
        hit = fo_mem_failed();
        fo_mem_fail_at(0);
        assert_true(hit || rc == FINOPS_OK);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_keep_their_numbers_and_blank_ones_are_no_records, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_empty_file_has_no_records, set_up, tear_down),
        cmocka_unit_test_setup_teardown(numbers_come_as_they_are_written_and_texts_stay, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_record_of_csv_ends_outside_quotes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_told_of_each_record, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_record_may_be_longer_than_what_is_read_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_breaks_off_is_the_statements_failure_with_its_code,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(reading_survives_every_failed_allocation, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
