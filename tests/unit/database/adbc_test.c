/* The ADBC backend. DuckDB's own library is an ADBC driver, too: it stands for all of them here. */
#include <errno.h>
#include <math.h>
#include <nanoarrow/nanoarrow.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "config/settings.h"
#include "database/adbc/adbc_internal.h"
#include "database/adbc/driver.h"

/* ---- SQL ---- */

static finops_code
check(const char *sql, size_t n_params)
{
    size_t length = 0;

    return fo_adbc_check_sql(sql, n_params, &length, NULL);
}

static void
one_statement_is_told_from_two(void **state)
{
    (void)state;
    assert_int_equal(check("SELECT 1", 0), FINOPS_OK);
    assert_int_equal(check("SELECT 1;", 0), FINOPS_OK);
    assert_int_equal(check("SELECT ';' AS \"a;b\" /* ; */; -- ; x", 0), FINOPS_OK);
    assert_int_equal(check("SELECT 'it''s; fine'", 0), FINOPS_OK);
    assert_int_equal(check("SELECT $x$; DROP$x$", 0), FINOPS_OK);
    assert_int_equal(check("SELECT 1; DROP TABLE t", 0), FINOPS_E_USAGE);
    assert_int_equal(check("SELECT '1'; -- x\n SELECT 2", 0), FINOPS_E_USAGE);
    assert_int_equal(check(" -- nothing", 0), FINOPS_E_USAGE);
    assert_int_equal(check("", 0), FINOPS_E_USAGE);
    assert_int_equal(check("/* open", 0), FINOPS_E_USAGE);
}

/* Months, days and nanoseconds, 16 bytes, which the printing of times would read as two times. */
static void
a_type_that_has_no_text_is_refused_and_not_made_up(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    struct ArrowArrayStream from = { 0 }, to = { 0 };
    struct ArrowSchema schema;

    (void)state;
    ArrowSchemaInit(&schema);
    assert_int_equal(ArrowSchemaSetTypeStruct(&schema, 1), 0);
    assert_int_equal(ArrowSchemaSetType(schema.children[0], NANOARROW_TYPE_INTERVAL_MONTH_DAY_NANO), 0);
    assert_int_equal(ArrowSchemaSetName(schema.children[0], "wait"), 0);
    assert_int_equal(ArrowBasicArrayStreamInit(&from, &schema, 0), 0);
    assert_int_equal(fo_adbc_convert(&from, NULL, NULL, &to, &err), FINOPS_E_UNSUPPORTED);
    assert_non_null(strstr(finops_error_text(err), "column wait"));
    assert_null(from.release); /* taken */
    assert_null(to.release);
}

static void
what_follows_a_statement_is_left_out(void **state)
{
    size_t length = 0;

    (void)state;
    assert_int_equal(fo_adbc_check_sql("SELECT 1 ; -- x", 0, &length, NULL), FINOPS_OK);
    assert_int_equal(length, strlen("SELECT 1"));
}

static void
parameters_without_a_value_are_refused(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    size_t length;

    (void)state;
    assert_int_equal(check("SELECT $1, $2, $1", 2), FINOPS_OK);
    assert_int_equal(check("SELECT '$3', \"$4\" -- $5", 0), FINOPS_OK);
    assert_int_equal(fo_adbc_check_sql("SELECT $1, $10", 9, &length, &err), FINOPS_E_ARGUMENT);
    assert_string_equal(finops_error_text(err), "there is no value for parameter $10");
}

static void
names_are_quoted_and_joined_where_there_are_no_schemas(void **state)
{
    char option[] = "x";
    adbc_database with = { .ingest_schema = option }, without = { 0 };
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    (void)state;
    fo_adbc_add_table(&sql, &with, "a\"b", "t");
    fo_str_addc(&sql, ' ');
    fo_adbc_add_table(&sql, &without, "a\"b", "t");
    fo_str_addc(&sql, ' ');
    fo_adbc_add_table(&sql, &without, NULL, "t");
    assert_string_equal(fo_str_z(&sql), "\"a\"\"b\".\"t\" \"a\"\"b__t\" \"t\"");
}

static void
native_types_are_understood(void **state)
{
    int precision = 0, scale = 0;

    (void)state;
    assert_int_equal(fo_adbc_type_of("numeric(38,18)", &precision, &scale), FINOPS_TYPE_DECIMAL);
    assert_true(precision == 38 && scale == 18);
    assert_int_equal(fo_adbc_type_of("timestamp with time zone", NULL, NULL), FINOPS_TYPE_TIMESTAMP_TZ);
    assert_int_equal(fo_adbc_type_of("timestamp without time zone", NULL, NULL), FINOPS_TYPE_TIMESTAMP);
    assert_int_equal(fo_adbc_type_of("DATE_TEXT", NULL, NULL), FINOPS_TYPE_DATE);
    assert_int_equal(fo_adbc_type_of("bigint", NULL, NULL), FINOPS_TYPE_INT);
    assert_int_equal(fo_adbc_type_of("interval", NULL, NULL), FINOPS_TYPE_OTHER);
    assert_int_equal(fo_adbc_type_of(NULL, NULL, NULL), FINOPS_TYPE_OTHER);
}

/* ---- streams ---- */

/* A stream of one batch: column n with 1, NULL and 3, column d with three doubles. */
static void
make_stream(struct ArrowArrayStream *ret, double third)
{
    struct ArrowSchema schema;
    struct ArrowArray batch;

    ArrowSchemaInit(&schema);
    assert_int_equal(ArrowSchemaSetTypeStruct(&schema, 2), 0);
    assert_int_equal(ArrowSchemaSetType(schema.children[0], NANOARROW_TYPE_INT64), 0);
    assert_int_equal(ArrowSchemaSetName(schema.children[0], "n"), 0);
    assert_int_equal(ArrowSchemaSetType(schema.children[1], NANOARROW_TYPE_DOUBLE), 0);
    assert_int_equal(ArrowSchemaSetName(schema.children[1], "d"), 0);
    assert_int_equal(ArrowArrayInitFromSchema(&batch, &schema, NULL), 0);
    assert_int_equal(ArrowArrayStartAppending(&batch), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(i == 1 ? ArrowArrayAppendNull(batch.children[0], 1)
                                : ArrowArrayAppendInt(batch.children[0], i == 0 ? 1 : 70000),
                         0);
        assert_int_equal(ArrowArrayAppendDouble(batch.children[1], i == 2 ? third : 0.1 + i), 0);
        assert_int_equal(ArrowArrayFinishElement(&batch), 0);
    }
    assert_int_equal(ArrowArrayFinishBuildingDefault(&batch, NULL), 0);
    assert_int_equal(ArrowBasicArrayStreamInit(ret, &schema, 1), 0);
    ArrowBasicArrayStreamSetArray(ret, 0, &batch);
}

static finops_code
convert(adbc_target n, adbc_target d, double third, adbc_feed *feed, struct ArrowArray *ret_batch)
{
    struct ArrowArrayStream from, to;
    adbc_target *targets = fo_zalloc(2 * sizeof(*targets));
    int rc;

    assert_non_null(targets);
    targets[0] = n;
    targets[1] = d;
    make_stream(&from, third);
    assert_int_equal(fo_adbc_convert(&from, targets, feed, &to, NULL), FINOPS_OK);
    rc = to.get_next(&to, ret_batch);
    assert_true(rc == 0 || to.get_last_error(&to));
    to.release(&to);
    return rc ? finops_stream_code(rc) : FINOPS_OK;
}

static void
values_become_texts_with_all_their_digits(void **state)
{
    struct ArrowArray batch = { 0 };
    const int32_t *offsets;

    (void)state;
    assert_int_equal(convert(ADBC_TEXT, ADBC_TEXT, 1.0 / 3, NULL, &batch), FINOPS_OK);
    assert_int_equal(batch.length, 3);
    assert_true(fo_adbc_is_null(batch.children[0], 1));
    offsets = batch.children[1]->buffers[1];
    assert_int_equal(offsets[3], strlen("0.1"
                                        "1.1"
                                        "0.3333333333333333"));
    assert_memory_equal(batch.children[1]->buffers[2], "0.11.10.3333333333333333", (size_t)offsets[3]);
    batch.release(&batch);
}

static void
a_number_too_large_for_its_column_is_refused(void **state)
{
    adbc_conn conn = { 0 };
    adbc_feed feed = { .c = &conn };
    struct ArrowArray batch = { 0 };

    (void)state;
    assert_int_equal(convert(ADBC_INT16, ADBC_KEEP, 1, &feed, &batch), FINOPS_E_DATA);
    assert_int_equal(feed.failed, FINOPS_E_DATA);
    assert_string_equal(feed.error, "column n: a number is too large for its column");
    assert_int_equal(convert(ADBC_INT32, ADBC_KEEP, 1, &feed, &batch), FINOPS_OK);
    assert_int_equal(feed.rows, 3);
    batch.release(&batch);
}

static void
nan_is_refused_where_it_would_become_null(void **state)
{
    adbc_conn conn = { 0 };
    adbc_feed feed = { .c = &conn };
    struct ArrowArray batch = { 0 };

    (void)state;
    assert_int_equal(convert(ADBC_KEEP, ADBC_NUMBERS, NAN, &feed, &batch), FINOPS_E_UNSUPPORTED);
    assert_string_equal(feed.error, "column d: the database has no NaN");
    assert_int_equal(convert(ADBC_KEEP, ADBC_NUMBERS, INFINITY, &feed, &batch), FINOPS_OK);
    batch.release(&batch);
}

/* ---- a driver ---- */

/* The engine's own library: under a sanitizer the loader does not look where the program does. */
static const char *
duckdb_library(void)
{
    const char *path = getenv("FINOPS_LIBDUCKDB");

    return path ? path : "libduckdb.so";
}

static finops_code
open_duckdb(void **ret_self, void **ret_conn, finops_error **err)
{
    char library[4096], entry[] = "duckdb_adbc_init", dialect[] = "duckdb";
    fo_adbc_settings settings = { .driver = library, .entrypoint = entry, .dialect = dialect };

    (void)snprintf(library, sizeof(library), "%s", duckdb_library());
    finops_code rc = fo_adbc_driver.open(&settings, ret_self, err);

    if (rc != FINOPS_OK)
        return rc;
    rc = fo_adbc_driver.connect(*ret_self, 0, NULL, ret_conn, err);
    if (rc != FINOPS_OK) {
        fo_adbc_driver.close(*ret_self);
        *ret_self = NULL;
    }
    return rc;
}

static finops_code
write_rows(void *conn, finops_write_mode mode, finops_error **err)
{
    struct ArrowArrayStream stream;
    const finops_source source = { .stream = &stream };
    const finops_write write = { .schema = "main", .table = "t", .mode = mode };
    finops_write_result result = { 0 };
    finops_code rc;

    make_stream(&stream, 0.5);
    rc = fo_adbc_driver.write(conn, &write, &source, &result, err);
    assert_null(stream.release); /* consumed either way */
    assert_int_equal(result.rows, rc == FINOPS_OK ? 3 : 0);
    return rc;
}

static finops_code
count_rows(void *conn, int64_t *ret, finops_error **err)
{
    const finops_statement statement = { .sql = "SELECT count(*) AS n FROM main.t" };
    struct ArrowArrayStream stream;
    struct ArrowArray batch = { 0 };
    finops_code rc = fo_adbc_driver.execute(conn, &statement, &stream, NULL, err);

    if (rc != FINOPS_OK)
        return rc;
    assert_int_equal(stream.get_next(&stream, &batch), 0);
    *ret = ((const int64_t *)batch.children[0]->buffers[1])[batch.children[0]->offset];
    batch.release(&batch);
    stream.release(&stream);
    return FINOPS_OK;
}

static void
rows_are_written_and_rolled_back(void **state)
{
    void *self = NULL, *conn = NULL;
    int64_t n = 0;

    (void)state;
    assert_int_equal(open_duckdb(&self, &conn, NULL), FINOPS_OK);
    assert_int_equal(write_rows(conn, FINOPS_WRITE_APPEND, NULL), FINOPS_E_NOT_FOUND);
    assert_int_equal(write_rows(conn, FINOPS_WRITE_CREATE, NULL), FINOPS_OK);
    assert_int_equal(write_rows(conn, FINOPS_WRITE_CREATE, NULL), FINOPS_E_EXISTS);
    assert_int_equal(fo_adbc_driver.begin(conn, NULL), FINOPS_OK);
    assert_int_equal(write_rows(conn, FINOPS_WRITE_WIDEN, NULL), FINOPS_OK);
    assert_int_equal(fo_adbc_driver.rollback(conn, NULL), FINOPS_OK);
    assert_int_equal(count_rows(conn, &n, NULL), FINOPS_OK);
    assert_int_equal(n, 3);
    fo_adbc_driver.disconnect(conn);
    fo_adbc_driver.close(self);
}

static bool
is_cancelled(void *arg)
{
    (void)arg;
    return true;
}

static void
a_cancelled_statement_ends(void **state)
{
    const finops_call call = { .cancelled = is_cancelled };
    const finops_statement statement = {
        .sql = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
        .call = &call
    };
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    void *self = NULL, *conn = NULL;

    (void)state;
    assert_int_equal(open_duckdb(&self, &conn, NULL), FINOPS_OK);
    assert_int_equal(fo_adbc_driver.execute(conn, &statement, NULL, NULL, &err), FINOPS_E_CANCELLED);
    fo_adbc_driver.disconnect(conn);
    fo_adbc_driver.close(self);
}

static void
what_is_no_driver_is_named(void **state)
{
    char library[] = "libm.so.6", nothing[] = "/nowhere/x.so", bad[] = "novalue";
    char *options[] = { bad, NULL };
    fo_adbc_settings settings = { .driver = library };
    FO_AUTO(finops_error_freep) finops_error *err = NULL, *again = NULL;
    void *self = NULL, *conn = NULL;

    (void)state;
    assert_int_equal(fo_adbc_driver.open(&settings, &self, NULL), FINOPS_OK);
    assert_int_equal(fo_adbc_driver.connect(self, 0, NULL, &conn, &err), FINOPS_E_CONFIG);
    assert_string_equal(finops_error_text(err), "libm.so.6 is no adbc driver: it has no AdbcDriverInit");
    fo_adbc_driver.close(self);
    settings.driver = nothing;
    assert_int_equal(fo_adbc_driver.open(&settings, &self, NULL), FINOPS_OK);
    assert_int_equal(fo_adbc_driver.connect(self, 0, NULL, &conn, &again), FINOPS_E_CONFIG);
    assert_non_null(finops_error_hint(again));
    fo_adbc_driver.close(self);
    settings.options = options;
    assert_int_equal(fo_adbc_driver.open(&settings, &self, NULL), FINOPS_E_CONFIG);
    assert_null(conn);
}

/* Whoever may write into the folder may run code as us. */
static void
a_library_that_strangers_may_write_is_not_loaded(void **state)
{
    char folder[] = "/tmp/finops-adbc-XXXXXX", library[64];
    fo_adbc_settings settings = { .driver = library };
    FO_AUTO(finops_error_freep) finops_error *err = NULL, *again = NULL;
    void *self = NULL, *conn = NULL;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(library, sizeof(library), "%s/libadbc_driver_x.so", folder);
    assert_int_equal(fo_file_write_atomic(library, "x", 1, 0666, NULL), FINOPS_OK);
    assert_int_equal(fo_adbc_driver.open(&settings, &self, NULL), FINOPS_OK);
    assert_int_equal(chmod(library, 0666), 0);
    assert_int_equal(fo_adbc_driver.connect(self, 0, NULL, &conn, &err), FINOPS_E_DENIED);
    assert_non_null(strstr(finops_error_text(err), "can be written by others (mode 0666)"));
    assert_non_null(finops_error_hint(err));
    assert_int_equal(chmod(library, 0644), 0);
    assert_int_equal(fo_adbc_driver.connect(self, 0, NULL, &conn, &again), FINOPS_E_CONFIG); /* no library */
    fo_adbc_driver.close(self);
    (void)unlink(library);
    (void)rmdir(folder);
}

/* ---- a commit whose end is not seen ---- */

static AdbcStatusCode commit_status, after_status;
static const char *commit_state, *commit_message;

static AdbcStatusCode
fake_failure(AdbcStatusCode status, struct AdbcError *e)
{
    union {
        const char *in;
        char *out;
    } message = { .in = commit_message };

    e->message = message.out;
    memcpy(e->sqlstate, commit_state, 5);
    return status;
}

static AdbcStatusCode
fake_commit(struct AdbcConnection *c, struct AdbcError *e)
{
    (void)c;
    return commit_status == ADBC_STATUS_OK ? commit_status : fake_failure(commit_status, e);
}

static AdbcStatusCode
fake_option(struct AdbcConnection *c, const char *key, const char *value, struct AdbcError *e)
{
    (void)c, (void)key, (void)value;
    return after_status == ADBC_STATUS_OK ? after_status : fake_failure(after_status, e);
}

static finops_code
try_commit(AdbcStatusCode commit, AdbcStatusCode after, const char *sqlstate, const char *message,
           bool *ret_unknown)
{
    adbc_database d = { .driver = { .ConnectionCommit = fake_commit, .ConnectionSetOption = fake_option } };
    adbc_conn c = { .database = &d, .in_transaction = true };

    commit_status = commit;
    after_status = after;
    commit_state = sqlstate;
    commit_message = message;
    *ret_unknown = false;
    return fo_adbc_driver.commit(&c, ret_unknown, NULL);
}

static void
a_commit_is_refused_by_the_servers_word_only(void **state)
{
    static const char none[5] = "";
    bool unknown;

    (void)state;
    assert_int_equal(try_commit(ADBC_STATUS_OK, ADBC_STATUS_OK, none, "", &unknown), FINOPS_OK);
    assert_false(unknown);
    assert_int_equal(try_commit(ADBC_STATUS_INTEGRITY, ADBC_STATUS_OK, "23505", "twice", &unknown),
                     FINOPS_E_DATA);
    assert_false(unknown);
    assert_int_equal(try_commit(ADBC_STATUS_IO, ADBC_STATUS_OK, "40001", "serialize", &unknown),
                     FINOPS_E_TRANSIENT);
    assert_false(unknown); /* it may be done again */
}

static void
a_commit_whose_connection_failed_has_an_unknown_outcome(void **state)
{
    static const char none[5] = "", words[] = "SSL SYSCALL error: EOF detected";
    bool unknown;

    (void)state;
    assert_int_equal(try_commit(ADBC_STATUS_IO, ADBC_STATUS_OK, none, words, &unknown), FINOPS_E_TRANSIENT);
    assert_true(unknown);
    assert_int_equal(try_commit(ADBC_STATUS_IO, ADBC_STATUS_OK, "57P01", "shutdown", &unknown),
                     FINOPS_E_TRANSIENT);
    assert_true(unknown);
    /* The rows are there: who takes this for a failure writes them twice. */
    assert_int_equal(try_commit(ADBC_STATUS_OK, ADBC_STATUS_IO, none, words, &unknown), FINOPS_E_TRANSIENT);
    assert_true(unknown);
}

/* Everything once, with the n-th allocation failing. */
static finops_code
whole_way(unsigned n, finops_error **err)
{
    void *self = NULL, *conn = NULL;
    int64_t count = 0;
    finops_code rc;

    fo_mem_fail_at(n);
    rc = open_duckdb(&self, &conn, err);
    if (rc == FINOPS_OK)
        rc = write_rows(conn, FINOPS_WRITE_CREATE, err);
    if (rc == FINOPS_OK)
        rc = count_rows(conn, &count, err);
    fo_adbc_driver.disconnect(conn);
    fo_adbc_driver.close(self);
    return rc;
}

static void
every_failed_allocation_is_survived(void **state)
{
    unsigned n = 0;
    bool hit;

    (void)state;
    do {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        finops_code rc = whole_way(++n, &err);
        hit = fo_mem_failed();
        fo_mem_fail_at(0);
        assert_true(hit || rc == FINOPS_OK);
        assert_true(rc == FINOPS_OK || err);
    } while (hit);
    assert_true(n > 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_statement_is_told_from_two),
        cmocka_unit_test(what_follows_a_statement_is_left_out),
        cmocka_unit_test(parameters_without_a_value_are_refused),
        cmocka_unit_test(names_are_quoted_and_joined_where_there_are_no_schemas),
        cmocka_unit_test(native_types_are_understood),
        cmocka_unit_test(values_become_texts_with_all_their_digits),
        cmocka_unit_test(a_number_too_large_for_its_column_is_refused),
        cmocka_unit_test(nan_is_refused_where_it_would_become_null),
        cmocka_unit_test(rows_are_written_and_rolled_back),
        cmocka_unit_test(a_cancelled_statement_ends),
        cmocka_unit_test(what_is_no_driver_is_named),
        cmocka_unit_test(a_library_that_strangers_may_write_is_not_loaded),
        cmocka_unit_test(a_commit_is_refused_by_the_servers_word_only),
        cmocka_unit_test(a_commit_whose_connection_failed_has_an_unknown_outcome),
        cmocka_unit_test(a_type_that_has_no_text_is_refused_and_not_made_up),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
