/* Rows in numbers: none, one, odd batches, many; every one arrives once and in its place. */
#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "conformance/trial.h"

static const fo_batch_column mixed[] = { { .name = "i", .format = "l" },
                                         { .name = "t", .format = "u" },
                                         { .name = "d", .format = "d:38,18" },
                                         { .name = "f", .format = "g" } };

typedef struct shape {
    const char *name;
    int64_t rows, batch;
    unsigned flags;
} shape;

static const shape shapes[] = {
    { "one row", 1, 0, 0 },
    { "two rows in two batches", 2, 1, 0 },
    { "a thousand rows in batches of one", 1000, 1, 0 },
    { "batches of seven", 1000, 7, 0 },
    { "batches of 2047, 2048 and 2049 and what is left", 5000, 2047, 0 },
    { "batches of 2048", 10000, 2048, 0 },
    { "batches of 2049", 10000, 2049, 0 },
    { "batches of 65536", 100000, 65536, 0 },
    { "a hundred thousand rows in one batch", 100000, 0, 0 },
    { "a hundred thousand rows in batches of 1000", 100000, 1000, 0 },
    { "an empty batch before each other", 1000, 100, FO_BATCH_EMPTY_BETWEEN },
    { "slices in batches of 100", 1000, 100, FO_BATCH_OFFSET },
    { "columns with offsets in batches of 100", 1000, 100, FO_BATCH_CHILD_OFFSET },
    { "slices of 2049 with bitmaps", 10000, 2049, FO_BATCH_OFFSET | FO_BATCH_BITMAP },
    { "columns with offsets and bitmaps", 10000, 2049, FO_BATCH_CHILD_OFFSET | FO_BATCH_BITMAP },
    { "ten million rows", 10000000, 100000, 0 },
};

/* Sums over all rows show what is missing, doubled or mixed up. */
static bool
shape_arrives(fo_trial *t)
{
    const shape *s = t->c->data;
    int64_t last = s->rows - 1, sum = s->rows * last / 2;

    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE,
                          &(fo_batch_spec){ .columns = mixed,
                                            .n_columns = FO_COUNT(mixed),
                                            .rows = s->rows,
                                            .batch = s->batch,
                                            .flags = s->flags }) &&
           fo_trial_expect(t, NULL, "SELECT count(*), count(DISTINCT i), min(i), max(i), sum(i) FROM {a}",
                           fo_trial_keep(t, "%" PRId64 "|%" PRId64 "|0|%" PRId64 "|%" PRId64, s->rows,
                                         s->rows, last, sum)) &&
           fo_trial_expect(t, NULL, "SELECT count(*) FROM {a} WHERE t <> 'row ' || CAST(i AS VARCHAR(20))",
                           "0") &&
           fo_trial_expect(t, NULL, "SELECT count(*) FROM {a} WHERE f <> i + 0.5", "0") &&
           fo_trial_expect(t, NULL, "SELECT count(*) FROM {a} WHERE CAST(d AS DOUBLE PRECISION) <> i + 0.5",
                           "0");
}

static bool
shape_is_read(fo_trial *t)
{
    const shape *s = t->c->data;
    struct ArrowArrayStream stream = { 0 };
    const finops_statement all = { .sql = fo_trial_sql(t, "SELECT * FROM {a}") };
    finops_error *err = NULL;
    int64_t rows = -1;

    if (!fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE,
                        &(fo_batch_spec){ .columns = mixed,
                                          .n_columns = FO_COUNT(mixed),
                                          .rows = s->rows,
                                          .batch = s->batch,
                                          .flags = s->flags }) ||
        !fo_trial_ok(t, finops_session_execute(t->session, &all, &stream, NULL, &err), &err, all.sql) ||
        !fo_trial_ok(t, fo_result_count(&stream, &rows, &err), &err, all.sql))
        return false;
    return fo_trial_true(t, rows == s->rows, "%" PRId64 " rows were read of %" PRId64, rows, s->rows);
}

static bool
make(size_t index, fo_case *ret, char name[FO_CASE_NAME])
{
    const shape *s = &shapes[index / 2 % FO_COUNT(shapes)];

    if (index >= FO_COUNT(shapes) * 2)
        return false;
    (void)snprintf(name, FO_CASE_NAME, index % 2 ? "%s: all are read" : "%s: all arrive", s->name);
    *ret = (fo_case){ .name = name,
                      .run = index % 2 ? shape_is_read : shape_arrives,
                      .data = s,
                      .is_long = s->rows > 1000000 };
    return true;
}

/* ---- nothing ---- */

static bool
an_empty_stream_makes_the_table(fo_trial *t)
{
    fo_found_column d;
    size_t n = 0;

    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE,
                          &(fo_batch_spec){ .columns = mixed, .n_columns = FO_COUNT(mixed) }) &&
           fo_trial_count(t, NULL, "a", 0) && fo_trial_column(t, "a", "d", &d, &n) &&
           fo_trial_true(t, n == FO_COUNT(mixed) && d.found, "the table has %zu columns", n);
}

static bool
an_empty_stream_adds_nothing(fo_trial *t)
{
    return fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 3) &&
           fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_APPEND, 0, 0) &&
           fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_WIDEN, 0, 0) && fo_trial_count(t, NULL, "a", 3);
}

static bool
only_empty_batches_add_nothing(fo_trial *t)
{
    const fo_batch_spec spec = { .columns = mixed, .n_columns = 4, .flags = FO_BATCH_EMPTY_BETWEEN };

    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, &spec) &&
           fo_trial_write(t, NULL, "a", FINOPS_WRITE_APPEND, &spec) && fo_trial_count(t, NULL, "a", 0);
}

/* ---- NULLs ---- */

static bool
nulls_stay_in_their_rows(fo_trial *t)
{
    static const char *const third[] = { "x", "y", NULL };
    const fo_batch_column columns[] = { { .name = "i", .format = "l" },
                                        { .name = "c", .format = "u", .values = third, .n_values = 3 } };
    bool ok = true;

    for (unsigned i = 0; ok && i < 3; i++) {
        static const unsigned flags[] = { 0, FO_BATCH_OFFSET, FO_BATCH_CHILD_OFFSET };
        const fo_batch_spec spec = {
            .columns = columns, .n_columns = 2, .rows = 3000, .batch = 37, .flags = flags[i]
        };

        ok = fo_trial_write(t, NULL, "a", i ? FINOPS_WRITE_APPEND : FINOPS_WRITE_CREATE, &spec);
    }
    return ok &&
           fo_trial_expect(t, NULL, "SELECT count(*), sum(i % 3) FROM {a} WHERE c IS NULL", "3000|6000") &&
           fo_trial_expect(t, NULL, "SELECT count(*) FROM {a} WHERE c = 'x' AND i % 3 <> 0", "0");
}

static bool
rows_of_nothing_but_null(fo_trial *t)
{
    static const char *const nothing[] = { NULL };
    const fo_batch_column columns[] = { { .name = "a", .format = "l", .values = nothing, .n_values = 1 },
                                        { .name = "b", .format = "u", .values = nothing, .n_values = 1 } };

    return fo_trial_write(
               t, NULL, "a", FINOPS_WRITE_CREATE,
               &(fo_batch_spec){ .columns = columns, .n_columns = 2, .rows = 5000, .batch = 999 }) &&
           fo_trial_expect(t, NULL, "SELECT count(*), count(a), count(b) FROM {a}", "5000|0|0");
}

/* ---- reading ---- */

/* A stream given back half read leaves the session fit for the next statement. */
static bool
a_stream_released_early(fo_trial *t)
{
    struct ArrowArrayStream stream = { 0 };
    struct ArrowArray batch = { 0 };
    const finops_statement all = { .sql = fo_trial_sql(t, "SELECT * FROM {a}") };
    finops_error *err = NULL;
    bool ok;

    if (!fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 100000) ||
        !fo_trial_ok(t, finops_session_execute(t->session, &all, &stream, NULL, &err), &err, all.sql))
        return false;
    ok = fo_trial_true(t, stream.get_next(&stream, &batch) == 0 && batch.release,
                       "the first batch is missing");
    if (batch.release)
        batch.release(&batch);
    stream.release(&stream);
    return ok && fo_trial_true(t, stream.release == NULL, "a released stream is not marked as such") &&
           fo_trial_count(t, NULL, "a", 100000);
}

static bool
a_stream_released_unread(fo_trial *t)
{
    const finops_statement all = { .sql = fo_trial_sql(t, "SELECT * FROM {a}") };
    finops_error *err = NULL;
    bool ok = fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 10000);

    for (int i = 0; ok && i < 10; i++) {
        struct ArrowArrayStream stream = { 0 };

        ok = fo_trial_ok(t, finops_session_execute(t->session, &all, &stream, NULL, &err), &err, all.sql);
        if (ok)
            stream.release(&stream);
    }
    return ok && fo_trial_count(t, NULL, "a", 10000);
}

/* The end of a stream may be asked for more than once. */
static bool
the_end_stays_the_end(fo_trial *t)
{
    struct ArrowArrayStream stream = { 0 };
    struct ArrowArray batch = { 0 };
    const finops_statement one = { .sql = "SELECT 1" };
    finops_error *err = NULL;
    bool ended = false;
    int after = 0, rc = 0;

    if (!fo_trial_ok(t, finops_session_execute(t->session, &one, &stream, NULL, &err), &err, one.sql))
        return false;
    for (int i = 0; rc == 0 && after < 3 && i < 10; i++) {
        rc = stream.get_next(&stream, &batch);
        ended = ended || (rc == 0 && !batch.release);
        after += ended;
        if (rc == 0 && batch.release)
            batch.release(&batch);
    }
    stream.release(&stream);
    return fo_trial_true(t, rc == 0 && after == 3, "after its end a stream gives error %d", rc);
}

static bool
the_schema_may_be_asked_for_again(fo_trial *t)
{
    struct ArrowArrayStream stream = { 0 };
    const finops_statement two = { .sql = "SELECT 1 AS a, 'x' AS b" };
    finops_error *err = NULL;
    bool ok = true;

    if (!fo_trial_ok(t, finops_session_execute(t->session, &two, &stream, NULL, &err), &err, two.sql))
        return false;
    for (int i = 0; ok && i < 3; i++) {
        struct ArrowSchema schema = { 0 };

        ok = fo_trial_true(t, stream.get_schema(&stream, &schema) == 0 && schema.n_children == 2,
                           "get_schema number %d failed", i + 1);
        if (schema.release)
            schema.release(&schema);
    }
    stream.release(&stream);
    return ok;
}

/* "Batches of bounded size": a hundred thousand texts of 1 KB must not come as one. */
static bool
results_come_in_batches(fo_trial *t)
{
    FO_AUTO(fo_result_done) fo_result rows = { 0 };
    const finops_statement all = { .sql = fo_trial_sql(t, "SELECT i, t FROM {a}") };
    const fo_batch_spec spec = { .columns = mixed, .n_columns = 2, .rows = 300000, .batch = 50000 };
    finops_error *err = NULL;

    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, &spec) &&
           fo_trial_ok(t, fo_trial_run(t, NULL, &all, &rows, &err), &err, all.sql) &&
           fo_trial_true(t, rows.n_rows == 300000, "%zu rows came", rows.n_rows) &&
           fo_trial_true(t, rows.n_batches > 1, "300000 rows came in one batch");
}

static bool
a_batch_outlives_its_stream(fo_trial *t)
{
    struct ArrowArrayStream stream = { 0 };
    struct ArrowArray batch = { 0 };
    const finops_statement all = { .sql = fo_trial_sql(t, "SELECT i FROM {a}") };
    finops_error *err = NULL;
    bool ok;

    if (!fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 10) ||
        !fo_trial_ok(t, finops_session_execute(t->session, &all, &stream, NULL, &err), &err, all.sql))
        return false;
    ok = fo_trial_true(t, stream.get_next(&stream, &batch) == 0 && batch.release && batch.length > 0,
                       "the first batch is missing");
    stream.release(&stream);
    ok = ok && fo_trial_count(t, NULL, "a", 10) &&
         fo_trial_true(t, batch.n_children == 1 && batch.children[0]->buffers[1], "its buffers are gone");
    if (batch.release)
        batch.release(&batch);
    return ok;
}

static const fo_case cases[] = {
    { "an empty stream makes the table", 0, an_empty_stream_makes_the_table },
    { "an empty stream adds nothing", 0, an_empty_stream_adds_nothing },
    { "empty batches alone add nothing", 0, only_empty_batches_add_nothing },
    { "NULLs stay in their rows", 0, nulls_stay_in_their_rows },
    { "rows of nothing but NULL", 0, rows_of_nothing_but_null },
    { "a stream may be released half read", 0, a_stream_released_early },
    { "a stream may be released unread", 0, a_stream_released_unread },
    { "the end of a stream stays the end", 0, the_end_stays_the_end },
    { "the schema of a stream may be asked for again", 0, the_schema_may_be_asked_for_again },
    { "a large result comes in batches", 0, results_come_in_batches },
    { "a batch outlives its stream", 0, a_batch_outlives_its_stream },
};

const fo_case_area fo_cases_rows = { .name = "rows", .cases = cases, .n = FO_COUNT(cases), .make = make };
