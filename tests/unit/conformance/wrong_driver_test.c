/*
 * The suite can fail: DuckDB's driver is made wrong in one way at a time, and the cases about that fail while
 * those about other things pass.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "conformance/conformance.h"
#include "database/duckdb/driver.h"
#include "database/session.h"
#include "registry/registry.h"

/* What each wrong driver does otherwise; the rest is DuckDB's. */
static finops_database_driver wrong;

/* ---- a stream that changes what passes ---- */

typedef struct meddler {
    struct ArrowArrayStream inner;
    void (*meddle)(const struct ArrowSchema *schema, struct ArrowArray *batch);
} meddler;

static int
meddler_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    meddler *m = stream->private_data;

    return m->inner.get_schema(&m->inner, out);
}

static int
meddler_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    meddler *m = stream->private_data;
    struct ArrowSchema schema;
    int errnum = m->inner.get_next(&m->inner, out);

    if (errnum || !out->release || m->inner.get_schema(&m->inner, &schema) != 0)
        return errnum;
    m->meddle(&schema, out);
    schema.release(&schema);
    return 0;
}

static const char *
meddler_error(struct ArrowArrayStream *stream)
{
    meddler *m = stream->private_data;

    return m->inner.get_last_error(&m->inner);
}

static void
meddler_release(struct ArrowArrayStream *stream)
{
    meddler *m = stream->private_data;

    m->inner.release(&m->inner);
    fo_free(m);
    stream->release = NULL;
}

static finops_code
write_meddled(void *conn, const finops_write *write, const finops_source *source, finops_write_result *ret,
              void (*meddle)(const struct ArrowSchema *, struct ArrowArray *), finops_error **err)
{
    meddler *m = fo_zalloc(sizeof(*m));
    struct ArrowArrayStream outer = { .get_schema = meddler_schema,
                                      .get_next = meddler_next,
                                      .get_last_error = meddler_error,
                                      .release = meddler_release,
                                      .private_data = m };
    const finops_source changed = { .stream = &outer };

    assert_non_null(m);
    if (!source->stream) {
        fo_free(m);
        return fo_duckdb_driver.write(conn, write, source, ret, err);
    }
    m->inner = *source->stream;
    m->meddle = meddle;
    source->stream->release = NULL;
    return fo_duckdb_driver.write(conn, write, &changed, ret, err);
}

/* ---- what is wrong ---- */

static int64_t dropped;

static void
drop_last(const struct ArrowSchema *schema, struct ArrowArray *batch)
{
    (void)schema;
    if (batch->length < 2)
        return;
    batch->length--;
    dropped++;
    for (int64_t i = 0; i < batch->n_children; i++)
        batch->children[i]->length--;
}

/* Nor does it admit to it. */
static finops_code
write_dropping_rows(void *conn, const finops_write *write, const finops_source *source,
                    finops_write_result *ret, finops_error **err)
{
    finops_code rc;

    dropped = 0;
    rc = write_meddled(conn, write, source, ret, drop_last, err);
    if (rc == FINOPS_OK)
        ret->rows += dropped;
    return rc;
}

static void
round_down(const struct ArrowSchema *schema, struct ArrowArray *batch)
{
    for (int64_t i = 0; i < batch->n_children; i++) {
        union {
            const void *in;
            int64_t *out; /* low halves at even places */
        } values = { .in = batch->children[i]->n_buffers > 1 ? batch->children[i]->buffers[1] : NULL };

        if (strncmp(schema->children[i]->format, "d:38,18", 8) != 0)
            continue;
        for (int64_t row = 0; row < batch->children[i]->length; row++)
            values.out[2 * row] &= ~INT64_C(7);
    }
}

static finops_code
write_rounding_decimals(void *conn, const finops_write *write, const finops_source *source,
                        finops_write_result *ret, finops_error **err)
{
    return write_meddled(conn, write, source, ret, round_down, err);
}

static finops_code
rollback_that_commits(void *conn, finops_error **err)
{
    return fo_duckdb_driver.commit(conn, NULL, err);
}

static finops_code
connect_for_writing(void *self, unsigned flags, const finops_call *call, void **ret, finops_error **err)
{
    (void)flags;
    return fo_duckdb_driver.connect(self, 0, call, ret, err);
}

/* The month goes, and all the others with it. */
static finops_code
replace_everything(void *conn, const finops_partition *partition, const finops_source *source,
                   finops_write_result *ret, finops_error **err)
{
    finops_partition all = *partition;

    all.column = all.value = NULL;
    return fo_duckdb_driver.replace_partition(conn, &all, source, ret, err);
}

static finops_code
swap_nothing(void *arg, finops_error **err)
{
    (void)arg;
    (void)err;
    return FINOPS_OK;
}

static finops_code
replace_unasked(void *conn, const finops_partition *partition, const finops_source *source,
                finops_write_result *ret, finops_error **err)
{
    finops_partition quiet = *partition;

    quiet.before_swap = swap_nothing;
    return fo_duckdb_driver.replace_partition(conn, &quiet, source, ret, err);
}

static finops_code
execute_with_empty_for_null(void *conn, const finops_statement *statement,
                            struct ArrowArrayStream *ret_stream, int64_t *ret_changed, finops_error **err)
{
    const char *params[200];
    finops_statement filled = *statement;

    assert_true(statement->n_params <= FO_COUNT(params));
    for (size_t i = 0; i < statement->n_params; i++)
        params[i] = statement->params[i] ? statement->params[i] : "";
    filled.params = params;
    return fo_duckdb_driver.execute(conn, &filled, ret_stream, ret_changed, err);
}

static finops_code
execute_blaming_nobody(void *conn, const finops_statement *statement, struct ArrowArrayStream *ret_stream,
                       int64_t *ret_changed, finops_error **err)
{
    finops_code rc = fo_duckdb_driver.execute(conn, statement, ret_stream, ret_changed, err);

    return rc == FINOPS_OK ? rc : fo_error_set(err, FINOPS_E_DATABASE, "something went wrong");
}

static finops_code
columns_of_nothing(void *conn, const char *schema, const char *table, finops_each_column each, void *arg,
                   finops_error **err)
{
    (void)schema;
    return fo_duckdb_driver.columns(conn, "main", table, each, arg, err);
}

/* ---- running the suite ---- */

typedef struct verdicts {
    fo_strv failed, passed;
} verdicts;

static void
note(const fo_case_result *r, void *arg)
{
    verdicts *v = arg;
    char *line = fo_format("%s: %s", r->area, r->name);

    assert_non_null(line);
    assert_int_equal(r->outcome == FO_CASE_OK, r->why[0] == '\0');
    assert_true(fo_strv_take(r->outcome == FO_CASE_OK ? &v->passed : &v->failed, line));
}

static void
run(const char *filter, verdicts *ret)
{
    const finops_setting settings[] = { { "database_path", ":memory:" }, { "threads", "1" } };
    finops_registry *registry = NULL;
    finops_database *database = NULL;
    finops_error *err = NULL;
    fo_conformance_summary summary = { 0 };

    assert_int_equal(fo_registry_new_empty(&registry, &err), FINOPS_OK);
    assert_int_equal(finops_registry_add(registry, &wrong, &err), FINOPS_OK);
    assert_int_equal(
        finops_database_open(registry, wrong.name, settings, FO_COUNT(settings), NULL, &database, &err),
        FINOPS_OK);
    const fo_conformance_options options = {
        .database = database, .filter = filter, .each = note, .arg = ret
    };
    assert_int_equal(fo_conformance_run(&options, &summary, &err), FINOPS_OK);
    assert_int_equal(summary.passed + summary.failed + summary.not_claimed, 1);
    finops_database_close(database);
    finops_registry_free(registry);
}

static void
verdicts_done(verdicts *v)
{
    fo_strv_done(&v->failed);
    fo_strv_done(&v->passed);
}

/* With the driver as `wrong` is now: the one case fails, the other passes; with DuckDB's own both pass. */
static void
shows(const char *fails, const char *passes)
{
    const finops_database_driver made_wrong = wrong;

    for (int right = 0; right < 2; right++) {
        FO_AUTO(verdicts_done) verdicts v = { 0 };

        if (right)
            wrong = fo_duckdb_driver;
        run(fails, &v);
        run(passes, &v);
        assert_int_equal(v.failed.n + v.passed.n, 2);
        assert_true(fo_strv_has(right ? &v.passed : &v.failed, fails));
        assert_true(fo_strv_has(&v.passed, passes));
        wrong = made_wrong;
    }
}

static int
start_right(void **state)
{
    (void)state;
    wrong = fo_duckdb_driver;
    wrong.name = "wrong";
    return 0;
}

/* ---- tests ---- */

static void
rows_dropped_from_batches_are_found(void **state)
{
    (void)state;
    wrong.write = write_dropping_rows;
    shows("rows: batches of seven: all arrive", "rows: one row: all arrive");
    shows("types: int64 comes back as it was", "errors: a syntax error is named");
}

static void
decimals_that_lose_a_digit_are_found(void **state)
{
    (void)state;
    wrong.write = write_rounding_decimals;
    shows("types: decimal(38,18) comes back as it was", "types: decimal(38,9) comes back as it was");
    shows("types: decimal(38,18) is printed as it was", "types: double comes back as it was");
}

static void
a_rollback_that_commits_is_found(void **state)
{
    (void)state;
    wrong.rollback = rollback_that_commits;
    shows("transactions: rolled back rows are gone", "transactions: committed rows stay");
    shows("transactions: a released session rolls its transaction back", "types: text comes back as it was");
    shows("partition: a rollback brings the old rows back", "partition: all rows are replaced");
}

static void
a_reader_that_writes_is_found(void **state)
{
    (void)state;
    wrong.connect = connect_for_writing;
    shows("readonly: a read-only session refuses DELETE FROM {a}", "readonly: a read-only session reads");
    shows("readonly: a read-only session refuses a write of rows", "write: columns are matched by name");
}

static void
a_partition_that_takes_others_along_is_found(void **state)
{
    (void)state;
    wrong.replace_partition = replace_everything;
    shows("partition: one partition is replaced, others are untouched", "partition: all rows are replaced");
    shows("partition: a partition by a date is replaced", "partition: a whole table that is new is made");
}

static void
a_swap_nobody_was_asked_about_is_found(void **state)
{
    (void)state;
    wrong.replace_partition = replace_unasked;
    shows("partition: before_swap is called once", "partition: replacing twice is as replacing once");
    shows("partition: the error of before_swap stops it", "partition: a partition may become empty");
}

static void
an_empty_text_for_null_is_found(void **state)
{
    (void)state;
    wrong.execute = execute_with_empty_for_null;
    shows("params: NULL comes back as NULL", "params: $10 is not $1 and a zero");
    shows("params: the empty text is not NULL", "params: a percent sign is no format");
}

static void
errors_that_name_nothing_are_found(void **state)
{
    (void)state;
    wrong.execute = execute_blaming_nobody;
    shows("errors: a syntax error is named", "errors: rows nobody asked for are dropped");
    shows("errors: a table that is there is exists", "errors: a failed statement leaves its outputs alone");
}

static void
a_catalog_of_another_schema_is_found(void **state)
{
    (void)state;
    wrong.columns = columns_of_nothing;
    shows("catalog: columns come in their order", "catalog: tables stop when told to");
    shows("types: date is told by the catalog", "types: date comes back as it was");
}

/* ---- the runner itself ---- */

static void
count_case(const fo_case_result *r, void *arg)
{
    assert_true(r->area[0] && r->name[0]);
    assert_null(strchr(r->name, '\n'));
    (*(unsigned *)arg)++;
}

static void
all_cases_are_listed_without_a_database(void **state)
{
    unsigned n = 0;
    fo_conformance_summary summary = { 0 };
    const fo_conformance_options options = { .list = true, .each = count_case, .arg = &n };

    (void)state;
    assert_int_equal(fo_conformance_run(&options, &summary, NULL), FINOPS_OK);
    assert_true(n > 500);
    assert_int_equal(summary.not_claimed, n);
}

static void
remember(const fo_case_result *r, void *arg)
{
    fo_strv *all = arg;
    char *line = fo_format("%s: %s", r->area, r->name);

    assert_non_null(line);
    assert_true(fo_strv_take(all, line));
}

static void
no_two_cases_have_one_name(void **state)
{
    FO_AUTO(fo_strv_done) fo_strv all = FO_STRV_INIT;
    fo_conformance_summary summary;
    const fo_conformance_options options = { .list = true, .each = remember, .arg = &all };

    (void)state;
    assert_int_equal(fo_conformance_run(&options, &summary, NULL), FINOPS_OK);
    fo_strv_sort(&all);
    for (size_t i = 1; i < all.n; i++)
        assert_string_not_equal(all.items[i - 1], all.items[i]);
}

static bool
schema_seen(const char *schema, const char *name, bool is_view, void *arg)
{
    (void)name;
    (void)is_view;
    *(bool *)arg |= fo_starts(schema, "finops_test_");
    return true;
}

static void
nothing_is_left_in_the_database(void **state)
{
    const finops_setting settings[] = { { "database_path", ":memory:" } };
    finops_registry *registry = NULL;
    finops_database *database = NULL;
    finops_session *session = NULL;
    fo_conformance_summary summary = { 0 };
    bool seen = false;

    (void)state;
    assert_int_equal(fo_registry_new_empty(&registry, NULL), FINOPS_OK);
    assert_int_equal(finops_registry_add(registry, &wrong, NULL), FINOPS_OK);
    assert_int_equal(finops_database_open(registry, wrong.name, settings, 1, NULL, &database, NULL),
                     FINOPS_OK);
    const fo_conformance_options options = { .database = database, .filter = "catalog" };
    assert_int_equal(fo_conformance_run(&options, &summary, NULL), FINOPS_OK);
    assert_true(summary.passed > 10);
    assert_int_equal(finops_session_acquire(database, 0, NULL, &session, NULL), FINOPS_OK);
    assert_int_equal(finops_session_tables(session, NULL, schema_seen, &seen, NULL), FINOPS_OK);
    assert_false(seen);
    finops_session_release(session);
    finops_database_close(database);
    finops_registry_free(registry);
}

static finops_code
execute_keeping_schemas(void *conn, const finops_statement *statement, struct ArrowArrayStream *ret_stream,
                        int64_t *ret_changed, finops_error **err)
{
    if (fo_starts(statement->sql, "DROP SCHEMA"))
        return fo_error_set(err, FINOPS_E_DENIED, "schemas stay");
    return fo_duckdb_driver.execute(conn, statement, ret_stream, ret_changed, err);
}

static void
a_schema_that_cannot_be_dropped_is_told(void **state)
{
    const finops_setting settings[] = { { "database_path", ":memory:" } };
    finops_registry *registry = NULL;
    finops_database *database = NULL;
    fo_conformance_summary summary = { 0 };

    (void)state;
    wrong.execute = execute_keeping_schemas;
    assert_int_equal(fo_registry_new_empty(&registry, NULL), FINOPS_OK);
    assert_int_equal(finops_registry_add(registry, &wrong, NULL), FINOPS_OK);
    assert_int_equal(finops_database_open(registry, wrong.name, settings, 1, NULL, &database, NULL),
                     FINOPS_OK);
    const fo_conformance_options options = { .database = database, .filter = "params: NULL*" };
    assert_int_equal(fo_conformance_run(&options, &summary, NULL), FINOPS_OK);
    assert_int_equal(summary.passed, 2);
    assert_true(fo_starts(summary.left, "finops_test_"));
    assert_string_equal(summary.hung, "");
    finops_database_close(database);
    finops_registry_free(registry);
}

static void
a_cancelled_run_stops(void **state)
{
    const finops_setting settings[] = { { "database_path", ":memory:" } };
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    finops_registry *registry = NULL;
    finops_database *database = NULL;
    fo_conformance_summary summary = { .passed = 77 };
    fo_cancel cancel = { 0 };

    (void)state;
    fo_cancel_request(&cancel);
    assert_int_equal(fo_registry_new_empty(&registry, NULL), FINOPS_OK);
    assert_int_equal(finops_registry_add(registry, &wrong, NULL), FINOPS_OK);
    assert_int_equal(finops_database_open(registry, wrong.name, settings, 1, NULL, &database, NULL),
                     FINOPS_OK);
    const fo_conformance_options options = { .database = database, .cancel = &cancel };
    assert_int_equal(fo_conformance_run(&options, &summary, &err), FINOPS_E_CANCELLED);
    assert_int_equal(summary.passed, 77);
    finops_database_close(database);
    finops_registry_free(registry);
}

#define TEST(f) cmocka_unit_test_setup(f, start_right)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rows_dropped_from_batches_are_found),
        TEST(decimals_that_lose_a_digit_are_found),
        TEST(a_rollback_that_commits_is_found),
        TEST(a_reader_that_writes_is_found),
        TEST(a_partition_that_takes_others_along_is_found),
        TEST(a_swap_nobody_was_asked_about_is_found),
        TEST(an_empty_text_for_null_is_found),
        TEST(errors_that_name_nothing_are_found),
        TEST(a_catalog_of_another_schema_is_found),
        TEST(all_cases_are_listed_without_a_database),
        TEST(no_two_cases_have_one_name),
        TEST(nothing_is_left_in_the_database),
        TEST(a_schema_that_cannot_be_dropped_is_told),
        TEST(a_cancelled_run_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
