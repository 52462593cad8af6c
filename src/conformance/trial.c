/* What cases share: statements, rows and judgements that write down why. */
#include "conformance/trial.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

#define SHOWN_MAX 300 /* of a statement or result in a reason */

/* ---- judgement ---- */

bool
fo_trial_fail(fo_trial *t, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)fo_ruling_failv(&t->ruling, fmt, ap);
    va_end(ap);
    return false;
}

bool
fo_trial_skip(fo_trial *t, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)fo_ruling_skipv(&t->ruling, fmt, ap);
    va_end(ap);
    return false;
}

bool
fo_trial_true(fo_trial *t, bool is, const char *fmt, ...)
{
    va_list ap;

    if (is)
        return true;
    va_start(ap, fmt);
    (void)fo_ruling_failv(&t->ruling, fmt, ap);
    va_end(ap);
    return false;
}

bool
fo_trial_ok(fo_trial *t, finops_code rc, finops_error **err, const char *what)
{
    return fo_ruling_ok(&t->ruling, rc, err, what);
}

bool
fo_trial_fails(fo_trial *t, finops_code rc, finops_code want, finops_error **err, const char *what)
{
    return fo_ruling_fails(&t->ruling, rc, want, want, err, what);
}

bool
fo_trial_fails_either(fo_trial *t, finops_code rc, finops_code want, finops_code other, finops_error **err,
                      const char *what)
{
    return fo_ruling_fails(&t->ruling, rc, want, other, err, what);
}

bool
fo_trial_refused(fo_trial *t, finops_code rc, finops_error **err, const char *what)
{
    return fo_trial_fails(t, rc, rc == FINOPS_OK ? FINOPS_E_DATABASE : rc, err, what);
}

/* ---- names and statements ---- */

static const char *
keep(fo_trial *t, fo_str *text)
{
    char *owned = fo_str_take(text);

    if (!owned || !fo_strv_take(&t->texts, owned)) {
        fo_trial_fail(t, "no memory");
        return "";
    }
    return t->texts.items[t->texts.n - 1];
}

const char *
fo_trial_keep(fo_trial *t, const char *fmt, ...)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    va_list ap;

    va_start(ap, fmt);
    fo_str_addv(&text, fmt, ap);
    va_end(ap);
    return keep(t, &text);
}

const char *
fo_trial_name(fo_trial *t, const char *table)
{
    return fo_trial_keep(t, "t%03u_%s", t->serial, table);
}

const char *
fo_trial_quote(fo_trial *t, const char *identifier)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    char quote = t->caps.quote ? t->caps.quote : '"';

    fo_str_addc(&text, quote);
    for (; *identifier; identifier++) {
        if (*identifier == quote)
            fo_str_addc(&text, quote);
        fo_str_addc(&text, *identifier);
    }
    fo_str_addc(&text, quote);
    return keep(t, &text);
}

const char *
fo_trial_qualified(fo_trial *t, const char *schema, const char *table)
{
    if (t->caps.features & FINOPS_DATABASE_SCHEMAS)
        return fo_trial_keep(t, "%s.%s", fo_trial_quote(t, schema), fo_trial_quote(t, table));
    return fo_trial_quote(t, fo_trial_keep(t, "%s__%s", schema, table));
}

const char *
fo_trial_sql(fo_trial *t, const char *sql)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    char name[64];

    while (*sql) {
        const char *end = *sql == '{' ? strchr(sql, '}') : NULL;

        if (!end) {
            fo_str_addc(&text, *sql++);
            continue;
        }
        (void)snprintf(name, sizeof(name), "%.*s", (int)(end - sql - 1), sql + 1);
        fo_str_add(&text, fo_trial_qualified(t, t->schema, fo_trial_name(t, name)));
        sql = end + 1;
    }
    return keep(t, &text);
}

/* ---- statements ---- */

static finops_session *
session_of(fo_trial *t, finops_session *s)
{
    return s ? s : t->session;
}

finops_code
fo_trial_run(fo_trial *t, finops_session *s, const finops_statement *statement, fo_result *ret,
             finops_error **err)
{
    struct ArrowArrayStream stream = { 0 };
    finops_code rc;

    rc = finops_session_execute(session_of(t, s), statement, ret ? &stream : NULL, NULL, err);
    if (rc != FINOPS_OK || !ret)
        return rc;
    return fo_result_read(&stream, ret, err);
}

bool
fo_trial_exec(fo_trial *t, finops_session *s, const char *sql)
{
    finops_error *err = NULL;
    const finops_statement statement = { .sql = fo_trial_sql(t, sql) };
    finops_code rc = fo_trial_run(t, s, &statement, NULL, &err);

    return fo_trial_ok(t, rc, &err, statement.sql);
}

static finops_code
exec_text(fo_trial *t, finops_session *s, const char *sql, finops_error **err)
{
    FO_AUTO(fo_result_done) fo_result rows = { 0 };
    const finops_statement statement = { .sql = sql, .as_text = true };

    return fo_trial_run(t, s, &statement, &rows, err);
}

bool
fo_trial_exec_fails(fo_trial *t, finops_session *s, const char *sql, finops_code want)
{
    finops_error *err = NULL;
    const char *all = fo_trial_sql(t, sql);
    finops_code rc = exec_text(t, s, all, &err);

    return fo_trial_fails(t, rc, want, &err, all);
}

bool
fo_trial_exec_refused(fo_trial *t, finops_session *s, const char *sql)
{
    finops_error *err = NULL;
    const char *all = fo_trial_sql(t, sql);
    finops_code rc = exec_text(t, s, all, &err);

    return fo_trial_refused(t, rc, &err, all);
}

static void
result_line(const fo_result *rows, fo_str *ret)
{
    for (size_t r = 0; r < rows->n_rows; r++) {
        fo_str_add(ret, r ? ";" : "");
        for (size_t c = 0; c < rows->n_columns; c++) {
            const char *cell = fo_result_cell(rows, r, c);

            fo_str_addf(ret, "%s%s", c ? "|" : "", cell ? cell : "NULL");
        }
    }
}

static bool
expect(fo_trial *t, finops_session *s, const finops_statement *statement, const char *want)
{
    FO_AUTO(fo_result_done) fo_result rows = { 0 };
    FO_AUTO(fo_str_done) fo_str got = FO_STR_INIT;
    finops_error *err = NULL;
    finops_code rc = fo_trial_run(t, s, statement, &rows, &err);

    if (!fo_trial_ok(t, rc, &err, statement->sql))
        return false;
    result_line(&rows, &got);
    return fo_trial_true(t, strcmp(fo_str_z(&got), want) == 0, "%.*s gave \"%.*s\", not \"%.*s\"", SHOWN_MAX,
                         statement->sql, SHOWN_MAX, fo_str_z(&got), SHOWN_MAX, want);
}

bool
fo_trial_expect(fo_trial *t, finops_session *s, const char *sql, const char *want)
{
    return expect(t, s, &(const finops_statement){ .sql = fo_trial_sql(t, sql), .as_text = true }, want);
}

bool
fo_trial_expect_with(fo_trial *t, const char *sql, const char *const *params, size_t n, const char *want)
{
    const finops_statement statement = {
        .sql = fo_trial_sql(t, sql), .params = params, .n_params = n, .as_text = true
    };

    return expect(t, NULL, &statement, want);
}

bool
fo_trial_count(fo_trial *t, finops_session *s, const char *table, int64_t want)
{
    return fo_trial_expect(t, s, fo_trial_keep(t, "SELECT count(*) FROM {%s}", table),
                           fo_trial_keep(t, "%" PRId64, want));
}

bool
fo_trial_tx_begin(fo_trial *t, finops_session *s)
{
    finops_error *err = NULL;
    finops_code rc = finops_session_begin(session_of(t, s), &err);

    return fo_trial_ok(t, rc, &err, "begin");
}

bool
fo_trial_tx_commit(fo_trial *t, finops_session *s)
{
    finops_error *err = NULL;
    finops_code rc = finops_session_commit(session_of(t, s), &err);

    return fo_trial_ok(t, rc, &err, "commit");
}

bool
fo_trial_tx_rollback(fo_trial *t, finops_session *s)
{
    finops_error *err = NULL;
    finops_code rc = finops_session_rollback(session_of(t, s), &err);

    return fo_trial_ok(t, rc, &err, "rollback");
}

bool
fo_trial_open(fo_trial *t, unsigned flags, finops_session **ret)
{
    finops_error *err = NULL;
    finops_code rc = finops_session_acquire(t->database, flags, NULL, ret, &err);

    return fo_trial_ok(t, rc, &err, "acquire another session");
}

void
fo_trial_closep(finops_session **s)
{
    finops_session_release(*s);
    *s = NULL;
}

/* ---- rows ---- */

/* A stream belongs to whom it is given, also on failure: released once, and here if it was not at all. */
static void
released_once(fo_trial *t, const char *what, unsigned released, struct ArrowArrayStream *stream)
{
    if (released != 1)
        fo_trial_fail(t, "%s released the stream %u times, not once", what, released);
    if (released == 0 && stream->release)
        stream->release(stream);
}

finops_code
fo_trial_write_at(fo_trial *t, finops_session *s, const finops_write *write, const fo_batch_spec *spec,
                  finops_write_result *ret, finops_error **err)
{
    struct ArrowArrayStream stream;
    const finops_source source = { .stream = &stream };
    fo_batch_spec counted = *spec;
    unsigned released = 0;
    finops_code rc;

    counted.released = &released;
    if (!fo_batch_stream(&counted, &stream))
        return fo_error_oom(err);
    rc = finops_session_write(session_of(t, s), write, &source, ret, err);
    released_once(t, "write", released, &stream);
    return rc;
}

finops_code
fo_trial_write_raw(fo_trial *t, finops_session *s, const char *table, finops_write_mode mode,
                   const fo_batch_spec *spec, finops_write_result *ret, finops_error **err)
{
    const finops_write write = { .schema = t->schema, .table = fo_trial_name(t, table), .mode = mode };

    return fo_trial_write_at(t, s, &write, spec, ret, err);
}

finops_code
fo_trial_replace_at(fo_trial *t, finops_session *s, const finops_partition *partition,
                    const fo_batch_spec *spec, finops_write_result *ret, finops_error **err)
{
    struct ArrowArrayStream stream;
    const finops_source source = { .stream = &stream };
    finops_partition own = *partition;
    fo_batch_spec counted = *spec;
    unsigned released = 0;
    finops_code rc;

    counted.released = &released;
    own.schema = own.schema ? own.schema : t->schema;
    own.table = own.table ? own.table : fo_trial_name(t, "a");
    if (!fo_batch_stream(&counted, &stream))
        return fo_error_oom(err);
    rc = finops_session_replace_partition(session_of(t, s), &own, &source, ret, err);
    released_once(t, "replace_partition", released, &stream);
    return rc;
}

bool
fo_trial_replace(fo_trial *t, finops_session *s, const finops_partition *partition, const fo_batch_spec *spec)
{
    finops_error *err = NULL;
    finops_write_result result = { .rows = -1 };
    finops_code rc = fo_trial_replace_at(t, s, partition, spec, &result, &err);

    return fo_trial_ok(t, rc, &err, "replace_partition") && t->ruling.why.len == 0 &&
           fo_trial_true(t, result.rows == spec->rows, "replacing with %" PRId64 " rows says %" PRId64,
                         spec->rows, result.rows);
}

bool
fo_trial_write(fo_trial *t, finops_session *s, const char *table, finops_write_mode mode,
               const fo_batch_spec *spec)
{
    finops_error *err = NULL;
    finops_write_result result = { .rows = -1 };
    finops_code rc = fo_trial_write_raw(t, s, table, mode, spec, &result, &err);

    return fo_trial_ok(t, rc, &err, "write") && t->ruling.why.len == 0 &&
           fo_trial_true(t, result.rows == spec->rows, "write of %" PRId64 " rows says it wrote %" PRId64,
                         spec->rows, result.rows) &&
           fo_trial_true(t, result.bytes >= 0 && result.seconds >= 0, "write reports negative figures");
}

bool
fo_trial_write_fails(fo_trial *t, const char *table, finops_write_mode mode, const fo_batch_spec *spec,
                     finops_code want)
{
    finops_error *err = NULL;
    finops_write_result result = { .rows = -7 };
    finops_code rc = fo_trial_write_raw(t, NULL, table, mode, spec, &result, &err);

    return fo_trial_fails(t, rc, want, &err, "write") && t->ruling.why.len == 0 &&
           fo_trial_true(t, result.rows == -7, "a failed write touched its result");
}

bool
fo_trial_numbers(fo_trial *t, finops_session *s, const char *table, finops_write_mode mode, int64_t first,
                 int64_t n)
{
    const fo_batch_column column = { .name = "i", .format = "l" };
    const char *texts[1000];
    fo_batch_column listed = { .name = "i", .format = "l", .values = texts, .n_values = (size_t)n };

    if (first == 0)
        return fo_trial_write(t, s, table, mode,
                              &(fo_batch_spec){ .columns = &column, .n_columns = 1, .rows = n });
    assert(n <= (int64_t)FO_COUNT(texts));
    for (int64_t i = 0; i < n; i++)
        texts[i] = fo_trial_keep(t, "%" PRId64, first + i);
    return fo_trial_write(t, s, table, mode,
                          &(fo_batch_spec){ .columns = &listed, .n_columns = 1, .rows = n });
}

bool
fo_trial_add(fo_trial *t, finops_session *s, const char *table, int64_t first, int64_t n)
{
    return fo_trial_numbers(t, s, table, FINOPS_WRITE_APPEND, first, n);
}

/* ---- columns ---- */

typedef struct column_search {
    const char *name;
    fo_found_column *ret;
    size_t n;
} column_search;

static bool
column_look(const finops_column *column, void *arg)
{
    column_search *search = arg;

    search->n++;
    if (fo_streq(column->name, search->name))
        *search->ret = (fo_found_column){ .found = true,
                                          .type = column->type,
                                          .precision = column->precision,
                                          .scale = column->scale,
                                          .nullable = column->nullable,
                                          .has_native = column->native && *column->native };
    return true;
}

bool
fo_trial_column(fo_trial *t, const char *table, const char *column, fo_found_column *ret, size_t *ret_n)
{
    column_search search = { .name = column, .ret = ret };
    finops_error *err = NULL;
    finops_code rc;

    *ret = (fo_found_column){ 0 };
    rc = finops_session_columns(t->session, t->schema, fo_trial_name(t, table), column_look, &search, &err);
    if (ret_n)
        *ret_n = search.n;
    return fo_trial_ok(t, rc, &err, "columns");
}
