/* A sample on disk: where things lie, what is refused, what is left behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "sample/sample.h"

#define V1_FOLDER "b-1/p/q/cur/20260501-20260601/"

typedef struct place {
    char folder[64];
    char *out;
    fo_sample_options o;
} place;

static int
setup(void **state)
{
    place *p = fo_zalloc(sizeof(place));

    if (!p)
        return 1;
    memcpy(p->folder, "/tmp/finops-sample-XXXXXX", 26);
    if (!mkdtemp(p->folder))
        return 1;
    p->out = fo_path_join(p->folder, "out");
    p->o = (fo_sample_options){
        .out = p->out,
        .rows = 300,
        .months = 1,
        .accounts = 2,
        .seed = 1,
        .format = "csv",
        .cur_version = "v1",
        .start = "2026-05",
        .export_name = "cur",
        .bucket = "b-1",
        .prefix = "p/q",
    };
    *state = p;
    return 0;
}

static void
remove_tree(const char *root)
{
    FO_AUTO(fo_strv_done) fo_strv files = FO_STRV_INIT;

    (void)fo_walk(root, &files, NULL);
    for (size_t i = 0; i < files.n; i++) {
        FO_AUTO(fo_freep) char *path = fo_path_join(root, files.items[i]);
        char *slash;

        (void)unlink(path);
        while ((slash = strrchr(path, '/')) != NULL && slash > path + strlen(root)) {
            *slash = '\0';
            (void)rmdir(path);
        }
    }
    (void)rmdir(root);
}

static int
teardown(void **state)
{
    place *p = *state;

    fo_mem_fail_at(0);
    fo_clock_fix(-1);
    remove_tree(p->out);
    remove_tree(p->folder);
    fo_free(p->out);
    fo_free(p);
    return 0;
}

static void
write_ok(const fo_sample_options *o)
{
    FO_AUTO(fo_sample_result_done) fo_sample_result r = { 0 };
    finops_error *err = NULL;

    if (fo_sample_write(o, &r, &err) != FINOPS_OK)
        fail_msg("%s", finops_error_text(err));
    assert_true(r.files > 0);
}

static void
refused(const fo_sample_options *o, finops_code code, const char *says)
{
    FO_AUTO(fo_sample_result_done) fo_sample_result r = { 0 };
    finops_error *err = NULL;

    assert_int_equal(fo_sample_write(o, &r, &err), code);
    if (!strstr(finops_error_text(err), says))
        fail_msg("\"%s\" does not say \"%s\"", finops_error_text(err), says);
    finops_error_free(err);
    assert_null(r.bucket);
}

/* Names and SHA-256 of all files below a folder. */
static void
fingerprint(const char *root, fo_str *ret)
{
    FO_AUTO(fo_strv_done) fo_strv files = FO_STRV_INIT;
    char hex[FO_SHA256_HEX];

    assert_int_equal(fo_walk(root, &files, NULL), FINOPS_OK);
    for (size_t i = 0; i < files.n; i++) {
        FO_AUTO(fo_freep) char *path = fo_path_join(root, files.items[i]);
        FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

        assert_int_equal(fo_file_read(path, 64 << 20, &text, NULL), FINOPS_OK);
        assert_int_equal(fo_sha256_hex(text.data, text.len, hex, NULL), FINOPS_OK);
        fo_str_addf(ret, "%s %s\n", files.items[i], hex);
    }
    assert_true(fo_str_ok(ret));
}

static json_t *
read_json(const place *p, const char *name)
{
    FO_AUTO(fo_freep) char *path = fo_path_join(p->out, name);
    json_t *j = json_load_file(path, 0, NULL);

    if (!j)
        fail_msg("%s is no JSON", path);
    return j;
}

static bool
exists(const place *p, const char *name)
{
    FO_AUTO(fo_freep) char *path = fo_path_join(p->out, name);

    return access(path, F_OK) == 0;
}

static void
v1_lies_as_aws_delivers_it(void **state)
{
    place *p = *state;
    json_t *top, *own;

    write_ok(&p->o);
    assert_true(exists(p, V1_FOLDER "20260604T071521Z/cur-00001.csv.gz"));
    assert_true(exists(p, V1_FOLDER "20260528T043015Z/cur-00001.csv.gz")); /* superseded */
    assert_true(exists(p, V1_FOLDER "20260528T043015Z/cur-Manifest.json"));
    top = read_json(p, V1_FOLDER "cur-Manifest.json");
    own = read_json(p, V1_FOLDER "20260604T071521Z/cur-Manifest.json");
    assert_true(json_equal(top, own));
    assert_string_equal(json_string_value(json_object_get(top, "assemblyId")), "20260604T071521Z");
    assert_string_equal(json_string_value(json_array_get(json_object_get(top, "reportKeys"), 0)),
                        "p/q/cur/20260501-20260601/20260604T071521Z/cur-00001.csv.gz");
    json_decref(top);
    json_decref(own);
}

static void
v2_lies_as_aws_delivers_it(void **state)
{
    place *p = *state;
    json_t *m, *old;
    const char *current;

    p->o.cur_version = "v2";
    p->o.delivery = "create-new";
    p->o.prefix = "";
    write_ok(&p->o);
    m = read_json(p, "b-1/cur/metadata/BILLING_PERIOD=2026-05/cur-Manifest.json");
    current = json_string_value(json_array_get(json_object_get(m, "dataFiles"), 0));
    assert_true(fo_starts(current, "s3://b-1/cur/data/BILLING_PERIOD=2026-05/2026-06-04T07:15:21."));
    assert_true(exists(p, current + strlen("s3://")));
    json_decref(m);
    m = read_json(p, "expected.json");
    old = json_object_get(json_object_get(json_object_get(m, "months"), "2026-05"), "superseded");
    assert_int_equal(json_array_size(old), 1);
    json_decref(m);
}

static void
the_gzip_header_has_no_time(void **state)
{
    static const unsigned char want[8] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0 };
    place *p = *state;
    FO_AUTO(fo_freep) char *path = fo_path_join(p->out, V1_FOLDER "20260604T071521Z/cur-00001.csv.gz");
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    write_ok(&p->o);
    assert_int_equal(fo_file_read(path, 64 << 20, &text, NULL), FINOPS_OK);
    assert_memory_equal(text.data, want, sizeof(want));
}

static void
the_same_options_give_the_same_bytes_over_an_earlier_sample(void **state)
{
    place *p = *state;
    FO_AUTO(fo_str_done) fo_str a = FO_STR_INIT, b = FO_STR_INIT;

    write_ok(&p->o);
    fingerprint(p->out, &a);
    p->o.seed = 2;
    p->o.export_name = "other";
    write_ok(&p->o);
    p->o.seed = 1;
    p->o.export_name = "cur";
    write_ok(&p->o);
    fingerprint(p->out, &b);
    assert_string_equal(fo_str_z(&a), fo_str_z(&b));
}

static void
the_months_end_with_the_one_before_the_clocks(void **state)
{
    place *p = *state;
    FO_AUTO(fo_sample_result_done) fo_sample_result r = { 0 };
    int64_t now;

    assert_true(fo_time_parse("2026-01-15", 10, &now));
    fo_clock_fix(now);
    p->o.start = NULL;
    p->o.months = 2;
    assert_int_equal(fo_sample_write(&p->o, &r, NULL), FINOPS_OK);
    assert_string_equal(r.first, "2025-11");
    assert_string_equal(r.last, "2025-12");
    assert_int_equal(r.rows, 2 * 300 + 300 * 27 / 30); /* and November's early version */
}

static void
a_month_is_cut_into_files(void **state)
{
    place *p = *state;
    FO_AUTO(fo_sample_result_done) fo_sample_result r = { 0 };

    p->o.file_rows = 100;
    assert_int_equal(fo_sample_write(&p->o, &r, NULL), FINOPS_OK);
    assert_int_equal(r.files, 6); /* 261 and 300 lines */
    assert_true(exists(p, V1_FOLDER "20260604T071521Z/cur-00003.csv.gz"));
    assert_false(exists(p, V1_FOLDER "20260604T071521Z/cur-00004.csv.gz"));
}

static void
restate_supersedes_and_keeps_what_was(void **state)
{
    place *p = *state;
    json_t *m, *month;

    write_ok(&p->o);
    p->o.restate = "2026-05";
    p->o.rows = 1; /* does not count */
    write_ok(&p->o);
    m = read_json(p, V1_FOLDER "cur-Manifest.json");
    assert_string_equal(json_string_value(json_object_get(m, "assemblyId")), "20260605T071522Z");
    json_decref(m);
    assert_true(exists(p, V1_FOLDER "20260604T071521Z/cur-00001.csv.gz"));
    m = read_json(p, "expected.json");
    month = json_object_get(json_object_get(m, "months"), "2026-05");
    assert_int_equal(json_integer_value(json_object_get(month, "version")), 2);
    assert_int_equal(json_array_size(json_object_get(month, "superseded")), 2);
    json_decref(m);
}

static void
a_restated_month_that_is_written_over_leaves_no_old_files(void **state)
{
    place *p = *state;

    p->o.cur_version = "v2";
    p->o.file_rows = 150;
    write_ok(&p->o);
    assert_true(exists(p, "b-1/p/q/cur/data/BILLING_PERIOD=2026-05/cur-00002.csv.gz"));
    assert_false(exists(p, "b-1/p/q/cur/data/BILLING_PERIOD=2026-05/cur-00003.csv.gz"));
    p->o.restate = "2026-05";
    write_ok(&p->o); /* one line more */
    assert_true(exists(p, "b-1/p/q/cur/data/BILLING_PERIOD=2026-05/cur-00003.csv.gz"));
}

static void
a_folder_with_other_content_is_refused_by_name(void **state)
{
    place *p = *state;
    FO_AUTO(fo_freep) char *path = NULL;

    write_ok(&p->o);
    path = fo_path_join(p->out, V1_FOLDER "notes.txt");
    assert_int_equal(fo_file_write_atomic(path, "x", 1, 0600, NULL), FINOPS_OK);
    refused(&p->o, FINOPS_E_EXISTS, "20260501-20260601/notes.txt, which is no part of a sample");
    assert_true(exists(p, V1_FOLDER "cur-Manifest.json")); /* nothing was removed */
}

static void
a_record_of_another_program_is_refused(void **state)
{
    place *p = *state;
    FO_AUTO(fo_freep) char *path = fo_path_join(p->out, "expected.json");

    assert_int_equal(fo_mkdirs(p->out, NULL), FINOPS_OK);
    assert_int_equal(fo_file_write_atomic(path, "{}", 2, 0600, NULL), FINOPS_OK);
    refused(&p->o, FINOPS_E_DATA, "expected.json was not written by finops sample");
}

static void
each_bad_option_is_named(void **state)
{
    place *p = *state;
    fo_sample_options good = p->o, o = good;

    o.rows = 299;
    refused(&o, FINOPS_E_USAGE, "rows 299 is not between 300 and 50000000");
    o = good, o.months = 37;
    refused(&o, FINOPS_E_USAGE, "months 37");
    o = good, o.accounts = 0;
    refused(&o, FINOPS_E_USAGE, "accounts 0");
    o = good, o.format = "orc";
    refused(&o, FINOPS_E_USAGE, "format 'orc' is neither csv nor parquet");
    o = good, o.cur_version = "v3";
    refused(&o, FINOPS_E_USAGE, "report version 'v3'");
    o = good, o.start = "2026-13";
    refused(&o, FINOPS_E_USAGE, "start '2026-13'");
    o = good, o.start = "2100-01";
    refused(&o, FINOPS_E_USAGE, "between 2000 and 2099");
    o = good, o.bucket = "Big";
    refused(&o, FINOPS_E_USAGE, "bucket 'Big'");
    o = good, o.prefix = "a/../b";
    refused(&o, FINOPS_E_USAGE, "prefix 'a/../b'");
    o = good, o.export_name = "x/y";
    refused(&o, FINOPS_E_USAGE, "export name 'x/y'");
    o = good, o.out = "";
    refused(&o, FINOPS_E_USAGE, "no folder");
    o = good, o.delivery = "create-new";
    refused(&o, FINOPS_E_USAGE, "create-new is for v2");
    assert_int_not_equal(access(p->out, F_OK), 0);
}

static void
restate_names_what_is_missing(void **state)
{
    place *p = *state;

    p->o.restate = "2026-05";
    refused(&p->o, FINOPS_E_NOT_FOUND, "find the sample in");
    p->o.restate = NULL;
    write_ok(&p->o);
    p->o.restate = "2026-06";
    refused(&p->o, FINOPS_E_NOT_FOUND, "has no month 2026-06");
    p->o.restate = "soon";
    refused(&p->o, FINOPS_E_USAGE, "'soon'");
}

static void
stop_at_once(void *arg, const fo_sample_progress *progress)
{
    assert_string_equal(progress->period, "2026-05");
    fo_cancel_request(arg);
}

static void
a_stopped_run_leaves_no_half_file_and_the_next_begins_anew(void **state)
{
    place *p = *state;
    fo_cancel cancel = { 0 };
    FO_AUTO(fo_strv_done) fo_strv files = FO_STRV_INIT;

    p->o.rows = 3000;
    p->o.cancel = &cancel;
    p->o.report = stop_at_once;
    p->o.arg = &cancel;
    fo_cancel_request(&cancel);
    refused(&p->o, FINOPS_E_CANCELLED, "stopped");
    assert_int_equal(fo_walk(p->out, &files, NULL), FINOPS_OK);
    assert_int_equal(files.n, 1);
    assert_string_equal(files.items[0], "expected.json");
    p->o.cancel = NULL;
    p->o.report = NULL;
    write_ok(&p->o);
}

/* The n-th allocation fails, n growing faster and faster; each run is over the remains of the one before. */
static void
a_sample_survives_failed_allocations(void **state)
{
    place *p = *state;
    FO_AUTO(fo_str_done) fo_str a = FO_STR_INIT, b = FO_STR_INIT;
    finops_code rc;

    write_ok(&p->o);
    fingerprint(p->out, &a);
    for (unsigned n = 1;; n += 1 + n / 12) {
        FO_AUTO(fo_sample_result_done) fo_sample_result r = { 0 };

        fo_mem_fail_at(n);
        rc = fo_sample_write(&p->o, &r, NULL);
        if (!fo_mem_failed())
            break;
        assert_int_equal(rc, FINOPS_E_MEMORY);
    }
    fo_mem_fail_at(0);
    assert_int_equal(rc, FINOPS_OK);
    fingerprint(p->out, &b);
    assert_string_equal(fo_str_z(&a), fo_str_z(&b));
}

/* The doubles of a Parquet file, cast to decimals and added up by the engine, against the record. */
static void
parquet_holds_what_the_record_says(void **state)
{
    place *p = *state;
    FO_AUTO(fo_engine_closep) fo_engine *engine = NULL;
    FO_AUTO(fo_conn_closep) fo_conn *conn = NULL;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    FO_AUTO(fo_freep) char *path = fo_path_join(p->out, "b-1/p/q/cur/data/BILLING_PERIOD=2026-05/*.parquet");
    json_t *record, *month;

    p->o.cur_version = "v2";
    p->o.format = "parquet";
    p->o.rows = 5000;
    p->o.file_rows = 3000;
    write_ok(&p->o);
    record = read_json(p, "expected.json");
    month = json_object_get(json_object_get(record, "months"), "2026-05");
    assert_int_equal(fo_engine_open(&(fo_engine_options){ .threads = 1 }, &engine, NULL), FINOPS_OK);
    assert_int_equal(fo_conn_open(engine, &conn, NULL), FINOPS_OK);
    assert_int_equal(fo_conn_rows(conn,
                                  "SELECT count(*), sum(line_item_unblended_cost::DECIMAL(38,10)), "
                                  "sum(line_item_net_unblended_cost::DECIMAL(38,10)) FROM read_parquet($1)",
                                  (const fo_param[]){ path }, 1, &rows, NULL),
                     FINOPS_OK);
    assert_int_equal(fo_rows_int(rows, 0, 0), 5000);
    assert_string_equal(fo_rows_text(rows, 0, 1), json_string_value(json_object_get(month, "unblended")));
    assert_string_equal(fo_rows_text(rows, 0, 2), json_string_value(json_object_get(month, "net")));
    json_decref(record);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(v1_lies_as_aws_delivers_it),
        TEST(v2_lies_as_aws_delivers_it),
        TEST(the_gzip_header_has_no_time),
        TEST(the_same_options_give_the_same_bytes_over_an_earlier_sample),
        TEST(the_months_end_with_the_one_before_the_clocks),
        TEST(a_month_is_cut_into_files),
        TEST(restate_supersedes_and_keeps_what_was),
        TEST(a_restated_month_that_is_written_over_leaves_no_old_files),
        TEST(a_folder_with_other_content_is_refused_by_name),
        TEST(a_record_of_another_program_is_refused),
        TEST(each_bad_option_is_named),
        TEST(restate_names_what_is_missing),
        TEST(a_stopped_run_leaves_no_half_file_and_the_next_begins_anew),
        TEST(a_sample_survives_failed_allocations),
        TEST(parquet_holds_what_the_record_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
