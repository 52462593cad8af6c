/* Arrow streams into the engine. */
#include "engine/scan.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "engine/engine_internal.h"

/*
 * A stream as the engine wants it: it asks for the schema again and again without releasing it, and gets ours
 * each time. Errors are kept, for the engine makes a text of them.
 */
typedef struct source {
    struct ArrowArrayStream inner;
    struct ArrowSchema schema;
    finops_code rc;
    finops_error *error;
} source;

/* The children stay ours; the engine only looks at them. */
static void
schema_release(struct ArrowSchema *schema)
{
    schema->release = NULL;
}

static int
source_schema(struct ArrowArrayStream *self, struct ArrowSchema *out)
{
    source *s = self->private_data;

    *out = s->schema;
    out->release = schema_release;
    return 0;
}

/* NULLs of a dictionary's column that nobody counted (-1) the engine takes for none. */
static void
nulls_count(struct ArrowArray *array)
{
    const uint8_t *bitmap = array->n_buffers > 0 ? array->buffers[0] : NULL;

    array->null_count = 0;
    for (int64_t i = array->offset; bitmap && i < array->offset + array->length; i++)
        array->null_count += !(bitmap[i / 8] >> (i % 8) & 1);
}

/* The engine knows no offset of a whole batch: its columns get it. */
static void
batch_straighten(struct ArrowArray *batch)
{
    for (int64_t i = 0; i < batch->n_children; i++) {
        struct ArrowArray *column = batch->children[i];

        if (batch->offset || column->length != batch->length) {
            column->offset += batch->offset;
            column->length = batch->length;
            column->null_count = column->null_count ? -1 : 0;
        }
        if (column->dictionary && column->null_count < 0)
            nulls_count(column);
    }
    batch->offset = 0;
}

static int
source_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
    source *s = self->private_data;
    int errnum = s->inner.get_next(&s->inner, out);

    if (errnum && s->rc == FINOPS_OK)
        s->rc = fo_stream_error(&s->inner, errnum, &s->error);
    if (!errnum && out->release)
        batch_straighten(out);
    return errnum;
}

static const char *
source_last_error(struct ArrowArrayStream *self)
{
    source *s = self->private_data;

    return finops_error_text(s->error);
}

static void
source_release(struct ArrowArrayStream *self)
{
    source *s = self->private_data;

    s->schema.release(&s->schema);
    s->inner.release(&s->inner);
    finops_error_free(s->error);
    fo_free(s);
    *self = (struct ArrowArrayStream){ 0 };
}

/* The scan does not say why it takes no rows; asked about the columns alone the engine does. */
static finops_code
scan_refused(fo_conn *conn, source *s, finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    duckdb_arrow_converted_schema converted = NULL;

    (void)fo_engine_error_data(&why, duckdb_schema_from_arrow(conn->native, &s->schema, &converted));
    duckdb_destroy_arrow_converted_schema(&converted);
    return fo_error_set(err, FINOPS_E_UNSUPPORTED, "the engine does not take the rows%s%s", why ? ": " : "",
                        finops_error_text(why));
}

finops_code
fo_engine_scan_stream(fo_conn *conn, const char *name, struct ArrowArrayStream *stream, finops_error **err)
{
    source *s;
    int errnum;

    assert(conn && name && stream && stream->release);
    s = fo_zalloc(sizeof(*s));
    if (!s)
        return fo_error_oom(err);
    errnum = stream->get_schema(stream, &s->schema);
    if (errnum) {
        fo_free(s);
        return fo_stream_error(stream, errnum, err);
    }
    s->inner = *stream;
    *stream = (struct ArrowArrayStream){ source_schema, source_next, source_last_error, source_release, s };
    /* Deprecated, but the calls that are to follow it take batches, not streams, and copy every value. */
    if (duckdb_arrow_scan(conn->native, name, (duckdb_arrow_stream)stream) == DuckDBSuccess)
        return FINOPS_OK;
    return scan_refused(conn, s, err);
}

finops_code
fo_engine_scan_error(struct ArrowArrayStream *stream, finops_code rc, finops_error **err)
{
    source *s = stream->get_next == source_next ? stream->private_data : NULL;

    if (rc == FINOPS_OK || !s || s->rc == FINOPS_OK)
        return rc;
    if (err) {
        finops_error_free(*err);
        *err = FO_TAKE(s->error);
    }
    return s->rc;
}

struct fo_scan {
    struct ArrowArrayStream stream;
    fo_conn *conn; /* its own: the statement's is in a transaction, which may write to one database only */
    char name[32]; /* of the database in memory; "" until there is one */
    char relation[48];
};

static finops_code
scan_attach(fo_scan *scan, finops_error **err)
{
    static atomic_uint count;
    char name[sizeof(scan->name)], sql[128];
    finops_code rc;

    (void)snprintf(name, sizeof(name), "finops_rows_%u", atomic_fetch_add(&count, 1));
    (void)snprintf(sql, sizeof(sql), "ATTACH ':memory:' AS %s", name);
    rc = fo_conn_exec(scan->conn, sql, err);
    if (rc != FINOPS_OK)
        return rc;
    memcpy(scan->name, name, sizeof(name));
    (void)snprintf(scan->relation, sizeof(scan->relation), "%s.main.r", name);
    (void)snprintf(sql, sizeof(sql), "USE %s", name);
    return fo_conn_exec(scan->conn, sql, err);
}

finops_code
fo_scan_open(fo_engine *engine, struct ArrowArrayStream *stream, fo_scan **ret, finops_error **err)
{
    FO_AUTO(fo_scan_closep) fo_scan *scan = fo_zalloc(sizeof(*scan));
    finops_code rc;

    assert(engine && stream && stream->release && ret);
    if (!scan) {
        stream->release(stream);
        return fo_error_oom(err);
    }
    scan->stream = *stream;
    stream->release = NULL;
    rc = fo_conn_open(engine, &scan->conn, err);
    if (rc == FINOPS_OK)
        rc = scan_attach(scan, err);
    if (rc == FINOPS_OK)
        rc = fo_engine_scan_stream(scan->conn, "r", &scan->stream, err);
    if (rc == FINOPS_OK)
        *ret = FO_TAKE(scan);
    return rc;
}

const char *
fo_scan_relation(const fo_scan *scan)
{
    assert(scan);
    return scan->relation;
}

finops_code
fo_scan_error(fo_scan *scan, finops_code rc, finops_error **err)
{
    assert(scan);
    return fo_engine_scan_error(&scan->stream, rc, err);
}

/* A database cannot be detached by the one who uses it; with the connection that use ends. */
static void
scan_detach(fo_scan *scan)
{
    char sql[96];
    FO_AUTO(fo_conn_closep) fo_conn *conn = NULL;

    if (!*scan->name || fo_conn_open(scan->conn->engine, &conn, NULL) != FINOPS_OK)
        return;
    (void)snprintf(sql, sizeof(sql), "DETACH DATABASE IF EXISTS %s", scan->name);
    (void)fo_conn_exec(conn, sql, NULL);
}

void
fo_scan_close(fo_scan *scan)
{
    if (!scan)
        return;
    if (scan->conn)
        scan_detach(scan);
    fo_conn_close(scan->conn);
    if (scan->stream.release)
        scan->stream.release(&scan->stream);
    fo_free(scan);
}

void
fo_scan_closep(fo_scan **scan)
{
    fo_scan_close(*scan);
    *scan = NULL;
}

static finops_code
copy_to(fo_conn *conn, struct ArrowArrayStream *stream, const char *path, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    finops_code rc = fo_engine_scan_stream(conn, "finops_rows", stream, err);

    fo_str_add(&sql, "COPY (SELECT * FROM finops_rows) TO ");
    fo_sql_literal(&sql, path);
    fo_str_add(&sql, " (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)");
    if (rc == FINOPS_OK && !fo_str_ok(&sql))
        rc = fo_error_oom(err);
    return rc == FINOPS_OK ? fo_conn_exec(conn, sql.data, err) : rc;
}

static finops_code
write_file(struct ArrowArrayStream *stream, const char *path, const fo_cancel *cancel, finops_error **err)
{
    FO_AUTO(fo_engine_closep) fo_engine *engine = NULL;
    FO_AUTO(fo_conn_closep) fo_conn *conn = NULL;
    fo_engine_options options = { 0 };
    finops_code rc = fo_engine_open(&options, &engine, err);

    if (rc == FINOPS_OK)
        rc = fo_conn_open(engine, &conn, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_conn_set_cancel(conn, cancel);
    return fo_engine_scan_error(stream, copy_to(conn, stream, path, err), err);
}

/* The data is on the disk before its name is. */
static finops_code
publish(const char *temporary, const char *path, finops_error **err)
{
    int fd = open(temporary, O_RDONLY | O_CLOEXEC);
    int errnum = fd < 0 || fsync(fd) != 0 ? errno : 0;

    if (fd >= 0)
        (void)close(fd);
    if (!errnum && rename(temporary, path) != 0)
        errnum = errno;
    return errnum ? fo_error_errno(err, errnum, "rename the finished file to %s", path) : FINOPS_OK;
}

finops_code
fo_engine_write_parquet(struct ArrowArrayStream *stream, const char *path, const fo_cancel *cancel,
                        finops_error **err)
{
    FO_AUTO(fo_freep) char *temporary = NULL;
    finops_code rc;

    assert(stream && stream->release && path);
    temporary = fo_format("%s.%ld.tmp", path, (long)getpid());
    rc = temporary ? write_file(stream, temporary, cancel, err) : fo_error_oom(err);
    stream->release(stream);
    if (rc == FINOPS_OK)
        rc = publish(temporary, path, err);
    else
        rc = fo_error_wrap(err, rc, "write %s", path);
    if (rc != FINOPS_OK && temporary)
        (void)unlink(temporary);
    return rc;
}
