/* Types: each sample is written and read back in several ways, and what the catalog says of it. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "conformance/samples.h"

typedef enum type_mode {
    BY_ARROW,
    BY_TEXT,
    CATALOG,
    SLICED,
    COLUMN_SLICED,
    SPARSE_BATCHES,
    APPENDED,
    ONLY_NULLS,
    N_MODES
} type_mode;

static const char *const sentences[N_MODES] = {
    "%s comes back as it was", "%s is printed as it was",        "%s is told by the catalog",
    "%s from a slice",         "%s from columns with an offset", "%s with bitmaps and empty batches",
    "%s added to a table",     "%s with nothing but NULL",
};

/* The columns of each table: n, the row's number, and c. */
static fo_batch_spec
spec_of(const fo_sample *sample, fo_batch_column columns[2])
{
    columns[0] = (fo_batch_column){ .name = "n", .format = "l" };
    columns[1] = (fo_batch_column){
        .name = "c", .format = sample->format, .values = sample->values, .n_values = fo_sample_count(sample)
    };
    return (fo_batch_spec){ .columns = columns, .n_columns = 2, .rows = (int64_t)fo_sample_count(sample) };
}

/* "Not supported" is an answer for the rare ones. */
static bool
write_sample(fo_trial *t, const fo_sample *sample, finops_write_mode mode, const fo_batch_spec *spec)
{
    finops_error *err = NULL;
    finops_write_result result = { 0 };
    finops_code rc = fo_trial_write_raw(t, NULL, "a", mode, spec, &result, &err);

    if (rc == FINOPS_E_UNSUPPORTED && (sample->flags & FO_SAMPLE_MAY_REFUSE)) {
        fo_trial_skip(t, "refused: %s", finops_error_text(err));
        finops_error_freep(&err);
        return false;
    }
    return fo_trial_ok(t, rc, &err, "write") &&
           fo_trial_true(t, result.rows == spec->rows, "the write says it wrote %lld rows, not %lld",
                         (long long)result.rows, (long long)spec->rows);
}

static bool
cell_is(fo_trial *t, const fo_sample *sample, const fo_result *rows, size_t row, size_t value, bool as_text)
{
    const char *got = fo_result_cell(rows, row, 0);
    const char *want = fo_sample_wanted(sample, value);
    bool shape_only = as_text && (sample->flags & FO_SAMPLE_NO_TEXT);
    bool same = shape_only ? (got != NULL) == (want != NULL)
                           : fo_value_same(sample->kind, sample->flags & FO_SAMPLE_SINGLE, want, got);

    return fo_trial_true(t, same, "row %zu: %s%s%s became %s%s%s", row, want ? "\"" : "",
                         want ? want : "NULL", want ? "\"" : "", got ? "\"" : "", got ? got : "NULL",
                         got ? "\"" : "");
}

static bool
is_text_format(const char *format)
{
    return strcmp(format, "u") == 0 || strcmp(format, "U") == 0 || strcmp(format, "vu") == 0;
}

/* Rows of column c in order of n, `rounds` times the sample's values. */
static bool
read_sample(fo_trial *t, const fo_sample *sample, bool as_text, size_t rounds)
{
    FO_AUTO(fo_result_done) fo_result rows = { 0 };
    finops_error *err = NULL;
    const finops_statement statement = { .sql = fo_trial_sql(t, "SELECT c FROM {a} ORDER BY n"),
                                         .as_text = as_text };
    size_t n = fo_sample_count(sample);
    finops_code rc = fo_trial_run(t, NULL, &statement, &rows, &err);

    if (!fo_trial_ok(t, rc, &err, statement.sql))
        return false;
    if (rows.n_rows != n * rounds || rows.n_columns != 1)
        return fo_trial_fail(t, "%zu rows of %zu columns came back, not %zu of 1", rows.n_rows,
                             rows.n_columns, n * rounds);
    if (!fo_streq(rows.names.items[0], "c"))
        return fo_trial_fail(t, "the column c came back as %s", rows.names.items[0]);
    if (as_text && !is_text_format(rows.formats.items[0]))
        return fo_trial_fail(t, "a result asked for as text has the Arrow format %s", rows.formats.items[0]);
    for (size_t i = 0; i < rows.n_rows; i++)
        if (!cell_is(t, sample, &rows, i, i / rounds, as_text))
            return false;
    return true;
}

static bool
decimals_fit(fo_trial *t, const fo_sample *sample)
{
    int precision, scale;

    fo_sample_digits(sample, &precision, &scale);
    if (precision && t->caps.max_precision && (unsigned)precision > t->caps.max_precision &&
        (t->caps.features & FINOPS_DATABASE_EXACT_DECIMALS))
        return fo_trial_skip(t, "decimals of %u digits at most", t->caps.max_precision);
    return true;
}

/* ---- modes ---- */

static bool
comes_back(fo_trial *t, const fo_sample *sample, bool as_text, unsigned flags, int64_t batch)
{
    fo_batch_column columns[2];
    fo_batch_spec spec = spec_of(sample, columns);

    spec.flags = flags;
    spec.batch = batch;
    return write_sample(t, sample, FINOPS_WRITE_CREATE, &spec) && read_sample(t, sample, as_text, 1);
}

static bool
type_fits(const fo_trial *t, const fo_sample *sample, const fo_found_column *c)
{
    bool exact = t->caps.features & FINOPS_DATABASE_EXACT_DECIMALS;
    bool nested = t->caps.features & FINOPS_DATABASE_NESTED;

    switch (sample->kind) {
    case FINOPS_TYPE_DECIMAL:
        return c->type == FINOPS_TYPE_DECIMAL || (!exact && c->type == FINOPS_TYPE_TEXT);
    case FINOPS_TYPE_INT:
        return c->type == FINOPS_TYPE_INT ||
               ((sample->flags & FO_SAMPLE_WIDE) &&
                (c->type == FINOPS_TYPE_DECIMAL || c->type == FINOPS_TYPE_TEXT));
    case FINOPS_TYPE_LIST:
    case FINOPS_TYPE_STRUCT:
    case FINOPS_TYPE_MAP:
        return nested ? c->type == sample->kind : c->type == FINOPS_TYPE_JSON || c->type == FINOPS_TYPE_TEXT;
    default:
        return c->type == sample->kind;
    }
}

static bool
catalog_tells(fo_trial *t, const fo_sample *sample)
{
    fo_batch_column columns[2];
    fo_batch_spec spec = spec_of(sample, columns);
    fo_found_column c;
    int precision, scale;
    size_t n = 0;

    fo_sample_digits(sample, &precision, &scale);
    if (!write_sample(t, sample, FINOPS_WRITE_CREATE, &spec) || !fo_trial_column(t, "a", "c", &c, &n))
        return false;
    if (!c.found || n != 2)
        return fo_trial_fail(t, "the catalog tells %zu columns, c is %samong them", n, c.found ? "" : "not ");
    if (!type_fits(t, sample, &c))
        return fo_trial_fail(t, "the catalog says type %d for what was written as type %d", c.type,
                             sample->kind);
    if (c.type == FINOPS_TYPE_DECIMAL && precision && (c.precision != precision || c.scale != scale))
        return fo_trial_fail(t, "the catalog says decimal(%d,%d)", c.precision, c.scale);
    return fo_trial_true(t, c.nullable, "the catalog says NOT NULL") &&
           fo_trial_true(t, c.has_native, "the catalog gives no native type");
}

static bool
added(fo_trial *t, const fo_sample *sample)
{
    fo_batch_column columns[2];
    fo_batch_spec spec = spec_of(sample, columns);

    return write_sample(t, sample, FINOPS_WRITE_CREATE, &spec) &&
           write_sample(t, sample, FINOPS_WRITE_APPEND, &spec) && read_sample(t, sample, false, 2);
}

static bool
only_nulls(fo_trial *t, const fo_sample *sample)
{
    static const char *const nothing[] = { NULL };
    fo_batch_column columns[2];
    fo_batch_spec spec = spec_of(sample, columns);

    columns[1].values = nothing;
    columns[1].n_values = 1;
    return write_sample(t, sample, FINOPS_WRITE_CREATE, &spec) &&
           fo_trial_expect(t, NULL, "SELECT count(*), count(c) FROM {a}",
                           fo_trial_keep(t, "%lld|0", (long long)spec.rows));
}

static bool
sample_run(fo_trial *t)
{
    const fo_sample *sample = t->c->data;

    if (!decimals_fit(t, sample))
        return false;
    switch ((type_mode)t->c->mode) {
    case BY_ARROW:
        return comes_back(t, sample, false, 0, 0);
    case BY_TEXT:
        return comes_back(t, sample, true, 0, 0);
    case CATALOG:
        return catalog_tells(t, sample);
    case SLICED:
        return comes_back(t, sample, false, FO_BATCH_OFFSET, 2);
    case COLUMN_SLICED:
        return comes_back(t, sample, false, FO_BATCH_CHILD_OFFSET, 2);
    case SPARSE_BATCHES:
        return comes_back(t, sample, false, FO_BATCH_BITMAP | FO_BATCH_EMPTY_BETWEEN, 1);
    case APPENDED:
        return added(t, sample);
    default:
        return only_nulls(t, sample);
    }
}

static bool
make(size_t index, fo_case *ret, char name[FO_CASE_NAME])
{
    const fo_sample *sample = &fo_samples[index / N_MODES];

    if (index >= fo_n_samples * N_MODES)
        return false;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(name, FO_CASE_NAME, sentences[index % N_MODES], sample->label);
#pragma GCC diagnostic pop
    *ret = (fo_case){ .name = name, .run = sample_run, .data = sample, .mode = (unsigned)(index % N_MODES) };
    return true;
}

/* ---- what is no sample ---- */

static bool
six_hundred_columns(fo_trial *t)
{
    static const char *const formats[] = { "l", "u", "g", "d:38,18", "tsu:" };
    fo_batch_column columns[600];
    char names[600][16];
    fo_found_column c;
    size_t n = 0;

    for (size_t i = 0; i < FO_COUNT(columns); i++) {
        (void)snprintf(names[i], sizeof(names[i]), "c%zu", i);
        columns[i] = (fo_batch_column){ .name = names[i], .format = formats[i % FO_COUNT(formats)] };
    }
    return fo_trial_write(
               t, NULL, "a", FINOPS_WRITE_CREATE,
               &(fo_batch_spec){ .columns = columns, .n_columns = 600, .rows = 50, .batch = 20 }) &&
           fo_trial_column(t, "a", "c599", &c, &n) &&
           fo_trial_true(t, n == 600 && c.found, "the catalog tells %zu columns", n) &&
           fo_trial_expect(t, NULL, "SELECT count(*), count(c0), count(c599), min(c1), max(c595) FROM {a}",
                           "50|50|50|row 0|49");
}

static bool
a_long_text(fo_trial *t)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    const char *values[1];
    const fo_batch_column column = { .name = "c", .format = "u", .values = values, .n_values = 1 };

    for (int i = 0; i < 100000; i++)
        fo_str_add(&text, "0123456789");
    values[0] = fo_str_z(&text);
    return fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE,
                          &(fo_batch_spec){ .columns = &column, .n_columns = 1, .rows = 2 }) &&
           fo_trial_expect(t, NULL, "SELECT length(c) FROM {a}", "1000000;1000000") &&
           fo_trial_expect_with(t, "SELECT count(*) FROM {a} WHERE c = $1", values, 1, "2");
}

static bool
money_adds_up(fo_trial *t)
{
    static const char *const cents[] = { "0.1", "0.2", "-0.3", "10000.000000000000000001" };
    const fo_batch_column column = { .name = "c", .format = "d:38,18", .values = cents, .n_values = 4 };
    FO_AUTO(fo_result_done) fo_result rows = { 0 };
    finops_error *err = NULL;
    const finops_statement sum = { .sql = fo_trial_sql(t, "SELECT sum(c) FROM {a}"), .as_text = true };

    if (!fo_trial_write(
            t, NULL, "a", FINOPS_WRITE_CREATE,
            &(fo_batch_spec){ .columns = &column, .n_columns = 1, .rows = 4000, .batch = 1001 }) ||
        !fo_trial_ok(t, fo_trial_run(t, NULL, &sum, &rows, &err), &err, sum.sql))
        return false;
    return fo_trial_true(
        t, fo_value_same(FINOPS_TYPE_DECIMAL, false, "10000000.000000000000001", fo_result_cell(&rows, 0, 0)),
        "4000 amounts add up to %s, not 10000000.000000000000001", fo_result_cell(&rows, 0, 0));
}

static bool
a_result_of_no_rows_has_its_columns(fo_trial *t)
{
    FO_AUTO(fo_result_done) fo_result rows = { 0 };
    finops_error *err = NULL;
    const finops_statement statement = { .sql =
                                             fo_trial_sql(t, "SELECT i, i AS other FROM {a} WHERE i < 0") };

    return fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 3) &&
           fo_trial_ok(t, fo_trial_run(t, NULL, &statement, &rows, &err), &err, statement.sql) &&
           fo_trial_true(t, rows.n_rows == 0 && rows.n_columns == 2 && fo_streq(rows.names.items[1], "other"),
                         "%zu rows of %zu columns", rows.n_rows, rows.n_columns);
}

static bool
expressions_have_types(fo_trial *t)
{
    return fo_trial_expect(t, NULL, "SELECT 1 + 1, 'a' || 'b', NULL", "2|ab|NULL");
}

static const fo_case cases[] = {
    { "a table has six hundred columns", 0, six_hundred_columns },
    { "a text of a million characters", 0, a_long_text },
    { "money adds up to the last digit", FINOPS_DATABASE_EXACT_DECIMALS, money_adds_up },
    { "a result without rows has its columns", 0, a_result_of_no_rows_has_its_columns },
    { "expressions come as text, too", 0, expressions_have_types },
};

const fo_case_area fo_cases_types = { .name = "types", .cases = cases, .n = FO_COUNT(cases), .make = make };
