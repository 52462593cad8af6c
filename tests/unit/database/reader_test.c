/* Records out of files: which types they get without being told, and what happens when memory runs out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "database/reader.h"

typedef struct file {
    char path[64];
    fo_settings settings;
    fo_data_reader *reader;
} file;

static int
file_setup(void **state)
{
    file *f = fo_zalloc(sizeof(*f));

    assert_non_null(f);
    (void)snprintf(f->path, sizeof(f->path), "/tmp/finops-reader-%ld", (long)getpid());
    *state = f;
    return 0;
}

static int
file_teardown(void **state)
{
    file *f = *state;

    fo_data_reader_close(f->reader);
    (void)unlink(f->path);
    fo_free(f);
    return 0;
}

static void
put(const file *f, const char *text)
{
    FILE *out = fopen(f->path, "we");

    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static finops_code
open_and_read(file *f, bool csv)
{
    const char *const paths[] = { f->path };
    const fo_data_files files = { .paths = paths, .n_paths = 1 };
    finops_code rc = fo_data_reader_open(&f->settings, NULL, NULL, &f->reader, NULL);

    if (rc != FINOPS_OK)
        return rc;
    return csv ? fo_data_read_csv(f->reader, &files, NULL) : fo_data_read_ndjson(f->reader, &files, NULL);
}

/* "a=BIGINT b=DOUBLE" */
static void
expect_types(file *f, bool csv, const char *want)
{
    FO_AUTO(fo_str_done) fo_str got = FO_STR_INIT;

    assert_int_equal(open_and_read(f, csv), FINOPS_OK);
    for (size_t i = 0; i < fo_data_columns(f->reader); i++) {
        const char *type;
        bool given;
        const char *name = fo_data_column(f->reader, i, &type, &given);

        assert_false(given);
        fo_str_addf(&got, "%s%s=%s", i ? " " : "", name, type);
    }
    assert_string_equal(fo_str_z(&got), want);
}

static void
whole_numbers_of_csv_keep_every_digit(void **state)
{
    put(*state, "a,b,c,d\n"
                "1,12345678901234567890,9223372036854775807,123456789012345678901234567890123456789\n"
                "-2,3,0,1\n");
    expect_types(*state, true, "a=BIGINT b=DECIMAL(38,0) c=BIGINT d=VARCHAR");
}

static void
numbers_with_decimals_of_csv_keep_every_digit(void **state)
{
    put(*state, "a,b,c,d\n"
                "0.1,12345678901234567890.5,1e300,0.1234567890123456789e5\n"
                "2.50,0.125,7,1\n");
    expect_types(*state, true, "a=DOUBLE b=DECIMAL(38,3) c=DOUBLE d=VARCHAR");
}

static void
what_is_no_number_of_csv_is_what_it_looks_like(void **state)
{
    put(*state,
        "a,b,c,d,e\n007,true,2026-01-31,2026-01-31 10:00:00,\n8,false,2026-02-01,2026-01-31T10:00:00Z,\n");
    expect_types(*state, true, "a=VARCHAR b=BOOLEAN c=DATE d=TIMESTAMP e=VARCHAR");
}

static void
numbers_of_ndjson_keep_every_digit(void **state)
{
    put(*state, "{\"a\":1,\"b\":12345678901234567890,\"c\":0.1,\"d\":12345678901234567890.25,\"e\":\"x\"}\n"
                "{\"a\":2,\"b\":99999999999999999999999999999999999999,\"c\":2,\"d\":1,\"e\":null}\n");
    expect_types(*state, false, "a=BIGINT b=DECIMAL(38,0) c=DOUBLE d=DECIMAL(38,2) e=VARCHAR");
}

static void
numbers_inside_objects_keep_every_digit(void **state)
{
    put(*state,
        "{\"o\":{\"a\":1,\"long\":12345678901234567890,\"l\":[0.5,{\"x\":\"y\"}]},\"p\":{\"c\":1,\"d\":0.5}}"
        "\n"
        "{\"o\":{\"b)\\\", \":[{\"c d\":12345678901234567890.25}]},\"q\":[1e3,0.12345678901234567890]}\n");
    expect_types(*state, false,
                 "o=STRUCT(a DECIMAL(38,0), long DECIMAL(38,0), l VARCHAR[], \"b)\"\", \" STRUCT(\"c d\" "
                 "DECIMAL(38,2))[]) p=STRUCT(c BIGINT, d DOUBLE) q=VARCHAR[]");
}

/* Opens, settles the columns and makes the rows; every n-th allocation fails once. */
static void
survive(file *f, bool csv)
{
    finops_code rc;
    bool failed;
    unsigned n = 0;

    do {
        struct ArrowArrayStream stream = { 0 };

        fo_mem_fail_at(++n);
        rc = open_and_read(f, csv);
        if (rc == FINOPS_OK)
            rc = fo_data_stream(f->reader, true, &stream, NULL);
        failed = fo_mem_failed();
        fo_mem_fail_at(0);
        /* What fails inside a function that the engine calls comes back as the engine's own failure. */
        assert_true(rc == FINOPS_OK || (failed && (rc == FINOPS_E_MEMORY || rc == FINOPS_E_DATABASE)));
        if (stream.release)
            stream.release(&stream);
        fo_data_reader_closep(&f->reader);
    } while (failed && n < 5000);
    assert_int_equal(rc, FINOPS_OK);
}

static void
reading_csv_survives_every_failed_allocation(void **state)
{
    put(*state, "a,b\n1,x\n12345678901234567890,y\n");
    survive(*state, true);
}

static void
reading_ndjson_survives_every_failed_allocation(void **state)
{
    put(*state, "{\"a\":12345678901234567890,\"b\":{\"c\":12345678901234567890}}\n");
    survive(*state, false);
}

#define FILES(name) cmocka_unit_test_setup_teardown(name, file_setup, file_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        FILES(whole_numbers_of_csv_keep_every_digit),
        FILES(numbers_with_decimals_of_csv_keep_every_digit),
        FILES(what_is_no_number_of_csv_is_what_it_looks_like),
        FILES(numbers_of_ndjson_keep_every_digit),
        FILES(numbers_inside_objects_keep_every_digit),
        FILES(reading_csv_survives_every_failed_allocation),
        FILES(reading_ndjson_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
