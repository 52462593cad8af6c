/*
 * Rows into tables by COPY ... FROM STDIN (FORMAT binary).
 *
 * The encoder fills a buffer, libpq takes it whole, and the socket is written without waiting for more than
 * it takes: the server works while the next rows are encoded.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "database/postgresql/table.h"
#include "finops/sys/plugin.h"

#define CHUNK ((size_t)128 << 10) /* sent at once: more is slower, as it leaves the processor's cache */
#define SHRINK ((size_t)4 << 20)  /* a buffer that one huge row made this large is given back */

finops_code
fo_pg_copy_init(fo_pg_copy *copy, fo_pg_conn *c, const finops_source *source, finops_error **err)
{
    finops_code rc;
    int errnum;

    *copy = (fo_pg_copy){ .conn = c, .stream = source->stream, .sent = &copy->own_sent };
    if (!source->stream)
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "reading files by its own SQL is not supported");
    errnum = source->stream->get_schema(source->stream, &copy->schema);
    if (errnum) {
        const char *why = source->stream->get_last_error(source->stream);

        copy->schema.release = NULL;
        return fo_error_set(err, finops_stream_code(errnum), "%s", why ? why : "the rows have no schema");
    }
    rc = fo_pg_encoder_init(&copy->encoder, &copy->schema, err);
    if (rc == FINOPS_OK)
        fo_pg_ahead_init(&copy->own_ahead, source->stream);
    copy->ahead = &copy->own_ahead;
    return rc;
}

void
fo_pg_copy_part_done(fo_pg_copy *copy)
{
    fo_pg_encoder_done(&copy->encoder);
    fo_pg_columns_done(&copy->columns);
}

void
fo_pg_copy_done(fo_pg_copy *copy)
{
    fo_pg_ahead_done(&copy->own_ahead);
    fo_pg_copy_part_done(copy);
    for (size_t i = 0; i < copy->n_helpers; i++)
        fo_pg_disconnect(copy->helpers[i]);
    copy->n_helpers = 0;
    if (copy->schema.release)
        copy->schema.release(&copy->schema);
    if (copy->stream && copy->stream->release)
        copy->stream->release(copy->stream);
    copy->stream = NULL;
}

/* By the names of the columns of the stream, which the table has. */
static finops_code
ask_for_rows(fo_pg_copy *copy, const char *schema, const char *table, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_pg_clearp) PGresult *result = NULL;
    finops_code rc;

    fo_str_add(&sql, "COPY ");
    rc = fo_pg_table(&sql, schema, table, err);
    for (size_t i = 0; i < copy->encoder.n && rc == FINOPS_OK; i++) {
        fo_str_add(&sql, i ? ", " : " (");
        rc = fo_pg_ident(&sql, copy->encoder.source.children[i].name, err);
    }
    fo_str_add(&sql, ") FROM STDIN (FORMAT binary)");
    if (rc == FINOPS_OK)
        rc = fo_str_check(&sql, err);
    /* The simple protocol: after an error the server takes no end of the rows for a statement. */
    if (rc == FINOPS_OK && !PQsendQuery(copy->conn->pg, fo_str_z(&sql)))
        rc = fo_pg_error(copy->conn, NULL, err);
    if (rc == FINOPS_OK)
        rc = fo_pg_next(copy->conn, &result, err);
    if (rc != FINOPS_OK || PQresultStatus(result) == PGRES_COPY_IN)
        return rc;
    rc = fo_pg_error(copy->conn, result, err);
    fo_pg_drain(copy->conn);
    return rc;
}

finops_code
fo_pg_copy_start(fo_pg_copy *copy, const char *schema, const char *table, finops_error **err)
{
    finops_code rc;

    fo_pg_columns_done(&copy->columns);
    rc = fo_pg_table_columns(copy->conn, schema, table, &copy->columns, err);
    if (rc == FINOPS_OK && !copy->columns.exists)
        return fo_error_set(err, FINOPS_E_NOT_FOUND, "the table does not exist");
    if (rc == FINOPS_OK)
        rc = fo_pg_encoder_map(&copy->encoder, &copy->columns, err);
    return rc == FINOPS_OK ? ask_for_rows(copy, schema, table, err) : rc;
}

/*
 * Whether the server has given up already. While it takes rows libpq reads nothing of what it says; the first
 * byte of an error's message is 'E'. With TLS it shows at the end only.
 */
static bool
server_refused(const fo_pg_conn *c)
{
    char first;

    return !PQsslInUse(c->pg) && recv(PQsocket(c->pg), &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1 &&
           first == 'E';
}

static finops_code
copy_send(fo_pg_copy *copy, finops_error **err)
{
    fo_pg_encoder *e = &copy->encoder;
    fo_pg_conn *c = copy->conn;
    int unsent;

    if (PQputCopyData(c->pg, (const char *)e->out.data, (int)e->out.len) != 1)
        return fo_pg_error(c, NULL, err);
    copy->bytes += (int64_t)e->out.len;
    e->out.len = 0;
    if (e->out.cap > SHRINK) {
        fo_free(e->out.data);
        e->out = (fo_pg_buffer){ 0 };
    }
    while ((unsent = PQflush(c->pg)) > 0) {
        finops_code rc = fo_pg_wait(c, POLLIN | POLLOUT, err);

        if (rc != FINOPS_OK)
            return rc;
        if (c->stop != FINOPS_OK || server_refused(c))
            return FINOPS_OK; /* the result says why */
        if (!PQconsumeInput(c->pg))
            break;
    }
    return unsent < 0 ? fo_pg_error(c, NULL, err) : FINOPS_OK;
}

/* One batch, *ret_more false behind the last one. */
static finops_code
copy_batch(fo_pg_copy *copy, fo_pg_batch *batch, bool *ret_more, finops_error **err)
{
    bool more = true;
    int64_t sent;
    finops_code rc;

    rc = fo_pg_ahead_next(copy->ahead, copy->conn, batch, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret_more = batch->array.release != NULL;
    if (!*ret_more)
        return FINOPS_OK;
    copy->rows += batch->rows;
    sent = atomic_fetch_add(copy->sent, batch->rows) + batch->rows;
    rc = fo_pg_encoder_batch(&copy->encoder, &batch->array, err);
    copy->encoder.before = batch->before;
    while (rc == FINOPS_OK && more) {
        rc = fo_pg_encoder_rows(&copy->encoder, CHUNK, &more, err);
        if (rc == FINOPS_OK && copy->encoder.out.len >= CHUNK)
            rc = copy_send(copy, err);
        if (copy->conn->stop != FINOPS_OK)
            break;
    }
    if (rc == FINOPS_OK && copy->conn->call.progress)
        copy->conn->call.progress(-1, sent, copy->conn->call.arg);
    return rc;
}

finops_code
fo_pg_copy_rows(fo_pg_copy *copy, finops_error **err)
{
    fo_pg_batch batch = FO_PG_BATCH_NONE;
    fo_pg_conn *c = copy->conn;
    bool more = true;
    finops_code rc = fo_pg_encoder_header(&copy->encoder, err);

    while (rc == FINOPS_OK && more && c->stop == FINOPS_OK && !server_refused(c)) {
        rc = copy_batch(copy, &batch, &more, err);
        if (rc == FINOPS_OK)
            rc = fo_pg_call_check(c, err);
    }
    if (rc == FINOPS_OK && !more)
        rc = fo_pg_encoder_trailer(&copy->encoder, err);
    if (rc == FINOPS_OK && !more)
        rc = copy_send(copy, err);
    copy->complete = rc == FINOPS_OK && !more && c->stop == FINOPS_OK;
    return rc;
}

finops_code
fo_pg_copy_end(fo_pg_copy *copy, finops_code rc, finops_error **err)
{
    FO_AUTO(fo_pg_clearp) PGresult *result = NULL;
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    fo_pg_conn *c = copy->conn;
    const bool fine = rc == FINOPS_OK && copy->complete && !server_refused(c);
    unsigned long long n;
    finops_code said;

    if (c->broken || PQputCopyEnd(c->pg, fine ? NULL : "the rows end early") < 0)
        return rc != FINOPS_OK ? rc : fo_pg_error(c, NULL, err);
    said = fo_pg_next(c, &result, &why);
    if (said == FINOPS_OK && PQresultStatus(result) != PGRES_COMMAND_OK)
        said = fo_pg_error(c, result, &why);
    fo_pg_drain(c);
    if (rc == FINOPS_OK && said != FINOPS_OK) {
        (void)fo_error_set(err, said, "%s", finops_error_text(why));
        if (finops_error_hint(why))
            fo_error_hint(err, "%s", finops_error_hint(why));
        rc = said;
    }
    if (rc == FINOPS_OK && (!fo_parse_u64(PQcmdTuples(result), &n) || (int64_t)n != copy->rows))
        rc = fo_error_set(err, FINOPS_E_INTERNAL, "%lld rows were sent, the server took %s",
                          (long long)copy->rows, PQcmdTuples(result));
    return rc;
}

finops_code
fo_pg_copy_run(fo_pg_copy *copy, const char *schema, const char *table, finops_error **err)
{
    finops_code rc;

    if (copy->n_helpers > 0)
        return fo_pg_parallel_run(copy, schema, table, err);
    rc = fo_pg_copy_start(copy, schema, table, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = fo_pg_copy_rows(copy, err);
    return fo_pg_copy_end(copy, rc, err);
}

/*
 * A table that is not there is filled under another name and gets its own at the end: several connections may
 * then fill it, and nobody sees half of it.
 */
static finops_code
write_new(fo_pg_copy *copy, const finops_write *write, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    char name[PG_IDENT_MAX + 1];
    const fo_pg_new_table table = { .schema = write->schema, .table = name, .unlogged = write->unlogged };
    finops_code rc = fo_pg_stage_name(copy->conn, write->table, name, err);

    if (rc == FINOPS_OK)
        rc = fo_pg_table_sql(&copy->encoder, &table, &sql, err);
    if (rc == FINOPS_OK)
        rc = fo_pg_stage_make(copy, name, fo_str_z(&sql), err);
    if (rc == FINOPS_OK)
        rc = fo_pg_copy_run(copy, write->schema, name, err);
    fo_str_clear(&sql);
    fo_str_add(&sql, "ALTER TABLE ");
    if (rc == FINOPS_OK)
        rc = fo_pg_table(&sql, write->schema, name, err);
    fo_str_add(&sql, " RENAME TO ");
    if (rc == FINOPS_OK)
        rc = fo_pg_ident(&sql, write->table, err);
    if (rc == FINOPS_OK)
        rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_pg_run(copy->conn, fo_str_z(&sql), NULL, 0, NULL, err) : rc;
}

/* The table as the mode wants it, and the rows. `own`: the transaction is not the caller's. */
static finops_code
write_in(fo_pg_copy *copy, const finops_write *write, bool own, finops_error **err)
{
    FO_AUTO(fo_pg_columns_done) fo_pg_columns_list columns = { 0 };
    const fo_pg_new_table table = { .schema = write->schema,
                                    .table = write->table,
                                    .unlogged = write->unlogged };
    finops_code rc = FINOPS_OK;

    if (write->mode != FINOPS_WRITE_APPEND)
        rc = fo_pg_table_find(copy->conn, write->schema, write->table, &columns, err);
    if (rc == FINOPS_OK && write->mode != FINOPS_WRITE_APPEND) {
        if (own && !columns.exists && fo_pg_stage_wanted(copy))
            return write_new(copy, write, err);
        rc = columns.exists && write->mode == FINOPS_WRITE_WIDEN
                 ? fo_pg_table_widen(copy->conn, &copy->encoder, &columns, write->schema, write->table, err)
                 : fo_pg_table_create(copy->conn, &copy->encoder, &table, err);
    }
    return rc == FINOPS_OK ? fo_pg_copy_run(copy, write->schema, write->table, err) : rc;
}

static finops_code
write_rows(fo_pg_copy *copy, const finops_write *write, finops_error **err)
{
    bool own = false;
    finops_code rc = FINOPS_OK;

    if (write->mode != FINOPS_WRITE_APPEND)
        rc = fo_pg_own_begin(copy->conn, &own, err);
    if (rc != FINOPS_OK)
        return rc;
    if (own)
        rc = fo_pg_stage_sweep_beside(copy->conn, err);
    if (rc == FINOPS_OK)
        rc = write_in(copy, write, own, err);
    return fo_pg_own_end(copy->conn, own, rc, err);
}

finops_code
fo_pg_write(void *conn, const finops_write *write, const finops_source *source, finops_write_result *ret,
            finops_error **err)
{
    const int64_t begin = fo_clock_monotonic();
    FO_AUTO(fo_pg_copy_done) fo_pg_copy copy = { .stream = source->stream };
    finops_code rc;

    assert(conn && write && write->table && source);
    rc = fo_pg_call_begin(conn, write->call, err);
    if (rc == FINOPS_OK)
        rc = fo_pg_keep_read_only(conn, err);
    if (rc == FINOPS_OK)
        rc = fo_pg_copy_init(&copy, conn, source, err);
    if (rc == FINOPS_OK)
        rc = write_rows(&copy, write, err);
    if (rc != FINOPS_OK)
        return fo_error_wrap(err, rc, "postgresql write %s", write->table);
    if (ret)
        *ret = (finops_write_result){ .rows = copy.rows,
                                      .bytes = copy.bytes,
                                      .seconds = (double)(fo_clock_monotonic() - begin) / 1e6 };
    return FINOPS_OK;
}
