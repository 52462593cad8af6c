/*
 * Drives the PostgreSQL driver from a test, one command a line on standard input, fields separated by tabs:
 *
 *   connect [read_only]           options are name=value arguments of the program
 *   exec SQL PARAM...             rows are discarded; prints "changed N"
 *   rows SQL PARAM...             prints schema and rows, typed; "text SQL" as the server prints them
 *   write MODE SCHEMA TABLE SQL   rows of a DuckDB statement; MODE append, create, widen
 *   replace SCHEMA TABLE COLUMN VALUE SQL
 *   columns SCHEMA TABLE | tables SCHEMA | begin | commit | rollback | health | alive
 *   lock NAME MS | unlock NAME | deadline MS | cancel_after MS
 *
 * "-" is NULL. Each command ends with "ok" or "error CODE TEXT".
 */
#include <nanoarrow/nanoarrow.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/settings.h"
#include "database/postgresql/driver.h"
#include "engine/engine.h"

static const finops_database_driver *const driver = &fo_postgresql_driver;

typedef struct tool {
    fo_postgresql_settings settings;
    void *self;
    void *conn;
    fo_engine *engine;
    fo_conn *duck;
    finops_call call;
    long cancel_ms;
    finops_error *err;
} tool;

static const char *
null(const char *text)
{
    return text && strcmp(text, "-") == 0 ? NULL : text;
}

static void
option(tool *t, char *text)
{
    char *value = strchr(text, '=');

    if (!value)
        return;
    *value++ = '\0';
    for (const finops_option *o = fo_postgresql_options; o->name; o++) {
        char *slot = (char *)&t->settings + o->offset;

        if (strcmp(o->name, text) != 0)
            continue;
        if (o->type == FINOPS_OPT_INT)
            *(int64_t *)(void *)slot = strtoll(value, NULL, 10);
        else if (o->type == FINOPS_OPT_BOOL)
            *(bool *)(void *)slot = strcmp(value, "true") == 0;
        else
            *(char **)(void *)slot = value;
        return;
    }
    fprintf(stderr, "no option %s\n", text);
    exit(2);
}

static void
print_cell(const struct ArrowArrayView *view, const struct ArrowSchema *schema, int64_t row)
{
    struct ArrowSchemaView type;
    struct ArrowBufferView bytes;

    if (ArrowArrayViewIsNull(view, row)) {
        printf("\tNULL");
        return;
    }
    (void)ArrowSchemaViewInit(&type, schema, NULL);
    switch (type.storage_type) {
    case NANOARROW_TYPE_FLOAT:
    case NANOARROW_TYPE_DOUBLE:
        printf("\t%.17g", ArrowArrayViewGetDoubleUnsafe(view, row));
        return;
    case NANOARROW_TYPE_DECIMAL128: {
        struct ArrowDecimal decimal;
        struct ArrowBuffer text;

        ArrowDecimalInit(&decimal, 128, type.decimal_precision, type.decimal_scale);
        ArrowArrayViewGetDecimalUnsafe(view, row, &decimal);
        ArrowBufferInit(&text);
        if (ArrowDecimalAppendStringToBuffer(&decimal, &text) == NANOARROW_OK)
            printf("\t%.*s", (int)text.size_bytes, (const char *)text.data);
        ArrowBufferReset(&text);
        return;
    }
    case NANOARROW_TYPE_STRING:
        bytes = ArrowArrayViewGetBytesUnsafe(view, row);
        printf("\t%.*s", (int)bytes.size_bytes, bytes.data.as_char);
        return;
    case NANOARROW_TYPE_BINARY:
        bytes = ArrowArrayViewGetBytesUnsafe(view, row);
        printf("\t");
        for (int64_t i = 0; i < bytes.size_bytes; i++)
            printf("%02x", bytes.data.as_uint8[i]);
        return;
    default:
        printf("\t%lld", (long long)ArrowArrayViewGetIntUnsafe(view, row));
    }
}

static finops_code
print_stream(tool *t, struct ArrowArrayStream *stream)
{
    struct ArrowSchema schema = { 0 };
    struct ArrowArrayView view;
    struct ArrowArray batch = { 0 };
    int errnum = stream->get_schema(stream, &schema);

    if (errnum)
        return fo_stream_error(stream, errnum, &t->err);
    printf("schema");
    for (int64_t i = 0; i < schema.n_children; i++)
        printf("\t%s:%s", schema.children[i]->name, schema.children[i]->format);
    printf("\n");
    (void)ArrowArrayViewInitFromSchema(&view, &schema, NULL);
    while ((errnum = stream->get_next(stream, &batch)) == 0 && batch.release) {
        (void)ArrowArrayViewSetArray(&view, &batch, NULL);
        for (int64_t row = 0; row < batch.length; row++) {
            printf("row");
            for (int64_t i = 0; i < schema.n_children; i++)
                print_cell(view.children[i], schema.children[i], row);
            printf("\n");
        }
        batch.release(&batch);
    }
    ArrowArrayViewReset(&view);
    schema.release(&schema);
    return errnum ? fo_stream_error(stream, errnum, &t->err) : FINOPS_OK;
}

static finops_code
run_rows(tool *t, bool as_text, char **fields, size_t n)
{
    const char *params[16];
    struct ArrowArrayStream stream = { 0 };
    finops_statement statement = {
        .sql = fields[1], .params = params, .n_params = n - 2, .as_text = as_text, .call = &t->call
    };
    finops_code rc;

    for (size_t i = 2; i < n; i++)
        params[i - 2] = null(fields[i]);
    rc = driver->execute(t->conn, &statement, &stream, NULL, &t->err);
    if (rc == FINOPS_OK) {
        rc = print_stream(t, &stream);
        stream.release(&stream);
    }
    return rc;
}

static finops_code
run_exec(tool *t, char **fields, size_t n)
{
    const char *params[16];
    finops_statement statement = { .sql = fields[1], .params = params, .n_params = n - 2, .call = &t->call };
    int64_t changed = -2;
    finops_code rc;

    for (size_t i = 2; i < n; i++)
        params[i - 2] = null(fields[i]);
    rc = driver->execute(t->conn, &statement, NULL, &changed, &t->err);
    if (rc == FINOPS_OK)
        printf("changed\t%lld\n", (long long)changed);
    return rc;
}

static finops_code
duck_open(tool *t)
{
    const fo_engine_options options = { 0 };
    finops_code rc = FINOPS_OK;

    if (!t->engine)
        rc = fo_engine_open(&options, &t->engine, &t->err);
    if (rc == FINOPS_OK && !t->duck)
        rc = fo_conn_open(t->engine, &t->duck, &t->err);
    return rc;
}

static finops_code
duck_stream(tool *t, const char *sql, struct ArrowArrayStream *ret)
{
    finops_code rc = duck_open(t);

    return rc == FINOPS_OK ? fo_conn_stream(t->duck, sql, NULL, 0, ret, &t->err) : rc;
}

static void
print_result(const finops_write_result *r)
{
    printf("written\t%lld\t%lld\t%.6f\n", (long long)r->rows, (long long)r->bytes, r->seconds);
}

static finops_code
run_write(tool *t, char **f)
{
    struct ArrowArrayStream stream = { 0 };
    finops_source source = { .stream = &stream };
    finops_write write = { .schema = null(f[2]), .table = f[3], .call = &t->call };
    finops_write_result result;
    finops_code rc = duck_stream(t, f[4], &stream);

    write.mode = strcmp(f[1], "append") == 0   ? FINOPS_WRITE_APPEND
                 : strcmp(f[1], "create") == 0 ? FINOPS_WRITE_CREATE
                                               : FINOPS_WRITE_WIDEN;
    if (rc == FINOPS_OK)
        rc = driver->write(t->conn, &write, &source, &result, &t->err);
    if (rc == FINOPS_OK)
        print_result(&result);
    if (stream.release) {
        printf("the stream was not consumed\n");
        stream.release(&stream);
    }
    return rc;
}

static finops_code
before_swap(void *arg, finops_error **err)
{
    (void)arg;
    (void)err;
    printf("before_swap\n");
    return FINOPS_OK;
}

static finops_code
run_replace(tool *t, char **f)
{
    struct ArrowArrayStream stream = { 0 };
    finops_source source = { .stream = &stream };
    finops_partition partition = { .schema = null(f[1]),
                                   .table = f[2],
                                   .column = null(f[3]),
                                   .value = null(f[4]),
                                   .before_swap = before_swap,
                                   .call = &t->call };
    finops_write_result result;
    finops_code rc = duck_stream(t, f[5], &stream);

    if (rc == FINOPS_OK)
        rc = driver->replace_partition(t->conn, &partition, &source, &result, &t->err);
    if (rc == FINOPS_OK)
        print_result(&result);
    if (stream.release) {
        printf("the stream was not consumed\n");
        stream.release(&stream);
    }
    return rc;
}

static bool
print_column(const finops_column *c, void *arg)
{
    (void)arg;
    printf("column\t%s\t%d\t%d\t%d\t%s\t%d\n", c->name, (int)c->type, c->precision, c->scale, c->native,
           c->nullable);
    return true;
}

static bool
print_name(const char *schema, const char *name, bool is_view, void *arg)
{
    (void)arg;
    printf("name\t%s\t%s\t%d\n", schema, name, is_view);
    return true;
}

static finops_code
run_connect(tool *t, char **f, size_t n)
{
    const int64_t begin = fo_clock_monotonic();
    finops_code rc = FINOPS_OK;

    driver->disconnect(t->conn);
    t->conn = NULL;
    if (!t->self)
        rc = driver->open(&t->settings, &t->self, &t->err);
    if (rc == FINOPS_OK)
        rc = driver->connect(t->self, n > 1 && strcmp(f[1], "read_only") == 0 ? FINOPS_CONNECT_READ_ONLY : 0,
                             &t->call, &t->conn, &t->err);
    if (rc == FINOPS_OK)
        printf("connected\t%lld\n", (long long)(fo_clock_monotonic() - begin));
    return rc;
}

static finops_code
run_health(tool *t)
{
    finops_health health = { 0 };
    finops_code rc = driver->health(t->self, &t->call, &health, &t->err);

    if (rc == FINOPS_OK)
        printf("health\t%d\t%.3f\t%s\t%s\n", (int)health.state, health.latency_ms, health.version,
               health.detail);
    return rc;
}

static finops_code
run_lock(tool *t, char **f)
{
    const finops_call call = { .deadline_us = fo_clock_monotonic() + strtoll(f[2], NULL, 10) * 1000 };

    return driver->lock(t->conn, f[1], &call, &t->err);
}

static finops_code
run_commit(tool *t)
{
    bool unknown = false;
    finops_code rc = driver->commit(t->conn, &unknown, &t->err);

    if (unknown)
        printf("unknown outcome\n");
    return rc;
}

/* Each command, with the fields it needs. */
static finops_code
run(tool *t, char **f, size_t n)
{
    const char *c = f[0];

    if (strcmp(c, "connect") == 0)
        return run_connect(t, f, n);
    if (strcmp(c, "exec") == 0 && n >= 2)
        return run_exec(t, f, n);
    if ((strcmp(c, "rows") == 0 || strcmp(c, "text") == 0) && n >= 2)
        return run_rows(t, c[0] == 't', f, n);
    if (strcmp(c, "write") == 0 && n == 5)
        return run_write(t, f);
    if (strcmp(c, "replace") == 0 && n == 6)
        return run_replace(t, f);
    if (strcmp(c, "columns") == 0 && n == 3)
        return driver->columns(t->conn, null(f[1]), f[2], print_column, NULL, &t->err);
    if (strcmp(c, "tables") == 0 && n == 2)
        return driver->tables(t->conn, null(f[1]), print_name, NULL, &t->err);
    if (strcmp(c, "begin") == 0)
        return driver->begin(t->conn, &t->err);
    if (strcmp(c, "commit") == 0)
        return run_commit(t);
    if (strcmp(c, "rollback") == 0)
        return driver->rollback(t->conn, &t->err);
    if (strcmp(c, "health") == 0)
        return run_health(t);
    if (strcmp(c, "lock") == 0 && n == 3)
        return run_lock(t, f);
    if (strcmp(c, "unlock") == 0 && n == 2)
        return driver->unlock(t->conn, f[1], &t->err);
    if (strcmp(c, "alive") == 0) {
        printf("alive\t%d\n", driver->is_alive(t->conn));
        return FINOPS_OK;
    }
    return fo_error_set(&t->err, FINOPS_E_ARGUMENT, "unknown command %s", c);
}

static void *
cancel_main(void *arg)
{
    tool *t = arg;
    const struct timespec wait = { t->cancel_ms / 1000, t->cancel_ms % 1000 * 1000000 };

    (void)nanosleep(&wait, NULL);
    driver->cancel(t->conn);
    return NULL;
}

/* What counts for the next command only. */
static bool
prepare(tool *t, char **f, size_t n)
{
    if (n == 2 && strcmp(f[0], "deadline") == 0) {
        t->call.deadline_us = fo_clock_monotonic() + strtoll(f[1], NULL, 10) * 1000;
        return true;
    }
    if (n == 2 && strcmp(f[0], "cancel_after") == 0) {
        t->cancel_ms = strtol(f[1], NULL, 10);
        return duck_open(t) == FINOPS_OK; /* takes time of its own */
    }
    return false;
}

static void
step(tool *t, char *line)
{
    pthread_t thread;
    char *fields[16];
    bool cancelling;
    size_t n = 0;
    finops_code rc;

    line[strcspn(line, "\n")] = '\0';
    for (char *p = line; p && n < FO_COUNT(fields);)
        fields[n++] = strsep(&p, "\t");
    if (prepare(t, fields, n))
        return;
    cancelling = t->cancel_ms > 0 && pthread_create(&thread, NULL, cancel_main, t) == 0;
    rc = run(t, fields, n);
    if (cancelling)
        (void)pthread_join(thread, NULL);
    t->cancel_ms = 0;
    t->call.deadline_us = 0;
    if (rc == FINOPS_OK) {
        printf("ok\n");
    } else {
        printf("error\t%s\t%s\t%s\n", finops_code_name(rc), finops_error_text(t->err),
               finops_error_hint(t->err) ? finops_error_hint(t->err) : "");
        finops_error_free(t->err);
        t->err = NULL;
    }
    (void)fflush(stdout);
}

int
main(int argc, char **argv)
{
    tool t = { .settings = { .connect_timeout = 10, .application_name = NULL } };
    char *line = NULL;
    size_t cap = 0;

    for (int i = 1; i < argc; i++)
        option(&t, argv[i]);
    while (getline(&line, &cap, stdin) > 0)
        step(&t, line);
    free(line);
    driver->disconnect(t.conn);
    driver->close(t.self);
    if (t.duck)
        fo_conn_close(t.duck);
    if (t.engine)
        fo_engine_close(t.engine);
    return 0;
}
