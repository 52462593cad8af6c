/*
 * Counts what is done with a storage, and says at debug what failed. Attempts are counted where they are
 * made, in the retry layer, and read from there; so each is counted once.
 */
#include "storage/layers/metrics.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "storage/layers/retry.h"

typedef atomic_uint_fast64_t counter;

typedef struct op_counters {
    counter calls, errors, bytes, total_us, latency[FO_LATENCY_BUCKETS];
} op_counters;

typedef struct metrics_layer {
    fo_pass pass;
    bool has_retry; /* which logs attempts */
    op_counters ops[FO_OP_COUNT_];
    counter codes[FINOPS_E_COUNT_], readers, uploads;
} metrics_layer;

static const finops_option metrics_options[] = {
    { "enabled", FINOPS_OPT_BOOL, offsetof(fo_metrics_config, enabled), .value = "true",
      .help = "Count calls, bytes, failures and how long they took." },
    { 0 },
};

static void
add(counter *c, uint64_t n)
{
    atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

static uint64_t
get(const counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

/* ---- one call ---- */

static void
log_failure(fo_storage_op op, const char *key, finops_code rc, int64_t us, finops_error **err)
{
    char ms[24];
    const fo_field fields[] = { { "op", fo_storage_op_name(op) },
                                { "key", key },
                                { "ms", ms },
                                { "code", finops_code_name(rc) },
                                { "error", err ? finops_error_text(*err) : NULL } };

    (void)snprintf(ms, sizeof(ms), "%" PRId64, us / 1000);
    fo_log_fields(FO_LOG_DEBUG, fields, FO_COUNT(fields), "storage attempt failed");
}

static unsigned
bucket(int64_t us)
{
    unsigned n = us > 0 ? 64 - (unsigned)__builtin_clzll((unsigned long long)us) : 0;

    return n < FO_LATENCY_BUCKETS ? n : FO_LATENCY_BUCKETS - 1;
}

/* A call is over that took so long; returns its code. */
static finops_code
count(metrics_layer *m, fo_storage_op op, const char *key, int64_t us, finops_code rc, finops_error **err)
{
    op_counters *c = &m->ops[op];

    add(&c->calls, 1);
    add(&c->total_us, us > 0 ? (uint64_t)us : 0);
    add(&c->latency[bucket(us)], 1);
    if (rc == FINOPS_OK)
        return rc;
    add(&c->errors, 1);
    add(&m->codes[rc], 1);
    if (!m->has_retry && fo_log_enabled(FO_LOG_DEBUG))
        log_failure(op, key, rc, us, err);
    return rc;
}

/* A slot that is timed: its operation, parameters, the key, and the arguments for below. */
#define TIMED(slot, op, parameters, key, arguments)                                                          \
    static finops_code metrics_##slot parameters                                                             \
    {                                                                                                        \
        metrics_layer *m = self;                                                                             \
        int64_t begin = fo_clock_monotonic();                                                                \
        finops_code rc = FO_BELOW(m, slot) arguments;                                                        \
                                                                                                             \
        return count(m, op, key, fo_clock_monotonic() - begin, rc, err);                                     \
    }

TIMED(stat, FO_OP_STAT,
      (void *self, const char *key, const finops_call *call, finops_object *ret, finops_error **err), key,
      (FO_SELF(m), key, call, ret, err))
TIMED(list, FO_OP_LIST,
      (void *self, const finops_list *list, finops_each_object each, void *arg, finops_error **err),
      list->prefix, (FO_SELF(m), list, each, arg, err))
TIMED(remove, FO_OP_REMOVE, (void *self, const finops_remove *remove, finops_error **err), remove->key,
      (FO_SELF(m), remove, err))
TIMED(remove_many, FO_OP_REMOVE_MANY,
      (void *self, const char *const *keys, size_t n, const finops_call *call, finops_each_removed each,
       void *arg, finops_error **err),
      n ? keys[0] : NULL, (FO_SELF(m), keys, n, call, each, arg, err))
TIMED(copy, FO_OP_COPY, (void *self, const finops_copy *copy, finops_object *ret, finops_error **err),
      copy->from, (FO_SELF(m), copy, ret, err))
TIMED(move, FO_OP_MOVE, (void *self, const finops_copy *move, finops_error **err), move->from,
      (FO_SELF(m), move, err))
TIMED(presign, FO_OP_PRESIGN, (void *self, const finops_presign *presign, char **ret, finops_error **err),
      presign->key, (FO_SELF(m), presign, ret, err))
TIMED(sweep, FO_OP_SWEEP,
      (void *self, const char *prefix, int64_t before_us, const finops_call *call, finops_each_object each,
       void *arg, finops_error **err),
      prefix, (FO_SELF(m), prefix, before_us, call, each, arg, err))

static finops_code
metrics_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
            finops_error **err)
{
    metrics_layer *m = self;
    int64_t begin = fo_clock_monotonic();
    finops_code rc = FO_BELOW(m, put)(FO_SELF(m), put, data, n, ret, err);

    if (rc == FINOPS_OK)
        add(&m->ops[FO_OP_PUT].bytes, n);
    return count(m, FO_OP_PUT, put->key, fo_clock_monotonic() - begin, rc, err);
}

/* ---- readers ---- */

typedef struct metrics_reader {
    fo_pass_reader pass;
    int64_t us; /* spent in it */
    finops_code rc;
} metrics_reader;

static finops_code
reader_read(finops_reader *reader, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    metrics_reader *r = (metrics_reader *)reader;
    metrics_layer *m = r->pass.layer;
    int64_t begin = fo_clock_monotonic();
    size_t got = 0;
    finops_code rc = r->pass.below->read(r->pass.below, buffer, n, &got, err);

    r->us += fo_clock_monotonic() - begin;
    if (rc != FINOPS_OK) {
        if (r->rc == FINOPS_OK && !m->has_retry && fo_log_enabled(FO_LOG_DEBUG))
            log_failure(FO_OP_READ, reader->object.key, rc, r->us, err);
        r->rc = rc;
        return rc;
    }
    add(&m->ops[FO_OP_READ].bytes, got);
    *ret_n = got;
    return rc;
}

static void
reader_close(finops_reader *reader)
{
    metrics_reader *r = (metrics_reader *)reader;
    metrics_layer *m;

    if (!r)
        return;
    m = r->pass.layer;
    add(&m->ops[FO_OP_READ].calls, 1);
    add(&m->ops[FO_OP_READ].total_us, (uint64_t)r->us);
    add(&m->ops[FO_OP_READ].latency[bucket(r->us)], 1);
    if (r->rc != FINOPS_OK) {
        add(&m->ops[FO_OP_READ].errors, 1);
        add(&m->codes[r->rc], 1);
    }
    add(&m->readers, UINT64_MAX);
    fo_pass_reader_close(reader);
}

static finops_code
metrics_read(void *self, const finops_get *what, finops_reader **ret, finops_error **err)
{
    metrics_layer *m = self;
    int64_t begin = fo_clock_monotonic();
    metrics_reader *r = fo_zalloc(sizeof(*r));
    finops_code rc = r ? FO_BELOW(m, read)(FO_SELF(m), what, &r->pass.below, err) : fo_error_oom(err);

    if (rc != FINOPS_OK) {
        fo_free(r);
        return count(m, FO_OP_READ, what->key, fo_clock_monotonic() - begin, rc, err);
    }
    r->us = fo_clock_monotonic() - begin;
    fo_pass_reader_ready(&r->pass, m, reader_read);
    r->pass.base.close = reader_close;
    add(&m->readers, 1);
    *ret = &r->pass.base;
    return FINOPS_OK;
}

/* ---- uploads ---- */

static finops_code
upload_part(finops_upload *upload, unsigned number, int64_t offset, const void *data, size_t n,
            const finops_call *call, finops_error **err)
{
    fo_pass_upload *u = (fo_pass_upload *)upload;
    metrics_layer *m = u->layer;
    int64_t begin = fo_clock_monotonic();
    finops_code rc = u->below->part(u->below, number, offset, data, n, call, err);

    if (rc == FINOPS_OK)
        add(&m->ops[FO_OP_PART].bytes, n);
    return count(m, FO_OP_PART, NULL, fo_clock_monotonic() - begin, rc, err);
}

static finops_code
upload_commit(finops_upload *upload, unsigned parts, int64_t size, const finops_call *call,
              finops_object *ret, finops_error **err)
{
    fo_pass_upload *u = (fo_pass_upload *)upload;
    int64_t begin = fo_clock_monotonic();
    finops_code rc = u->below->commit(u->below, parts, size, call, ret, err);

    return count(u->layer, FO_OP_COMMIT, NULL, fo_clock_monotonic() - begin, rc, err);
}

static void
upload_close(finops_upload *upload)
{
    metrics_layer *m = upload ? ((fo_pass_upload *)upload)->layer : NULL;

    if (m)
        add(&m->uploads, UINT64_MAX);
    fo_pass_upload_close(upload);
}

static finops_code
metrics_upload_begin(void *self, const finops_put *put, finops_upload **ret, finops_error **err)
{
    metrics_layer *m = self;
    int64_t begin = fo_clock_monotonic();
    fo_pass_upload *u = fo_zalloc(sizeof(*u));
    finops_code rc = u ? FO_BELOW(m, upload)(FO_SELF(m), put, &u->below, err) : fo_error_oom(err);

    (void)count(m, FO_OP_UPLOAD, put->key, fo_clock_monotonic() - begin, rc, err);
    if (rc != FINOPS_OK) {
        fo_free(u);
        return rc;
    }
    fo_pass_upload_ready(u, m, upload_part, upload_commit);
    u->base.close = upload_close;
    add(&m->uploads, 1);
    *ret = &u->base;
    return FINOPS_OK;
}

/* ---- writers ---- */

typedef struct metrics_writer {
    finops_writer base;
    finops_writer *below;
    metrics_layer *layer;
    int64_t us;
    finops_code rc;
} metrics_writer;

static finops_code
writer_write(finops_writer *writer, const void *data, size_t n, finops_error **err)
{
    metrics_writer *w = (metrics_writer *)writer;
    int64_t begin = fo_clock_monotonic();
    finops_code rc = w->below->write(w->below, data, n, err);

    w->us += fo_clock_monotonic() - begin;
    if (rc == FINOPS_OK)
        add(&w->layer->ops[FO_OP_WRITE].bytes, n);
    else
        w->rc = rc;
    return rc;
}

static finops_code
writer_commit(finops_writer *writer, finops_object *ret, finops_error **err)
{
    metrics_writer *w = (metrics_writer *)writer;
    int64_t begin = fo_clock_monotonic();
    finops_code rc = w->below->commit(w->below, ret, err);

    w->us += fo_clock_monotonic() - begin;
    w->rc = rc;
    return rc;
}

static void
writer_close(finops_writer *writer)
{
    metrics_writer *w = (metrics_writer *)writer;

    if (!w)
        return;
    w->below->close(w->below);
    (void)count(w->layer, FO_OP_WRITE, NULL, w->us, w->rc, NULL);
    add(&w->layer->uploads, UINT64_MAX);
    fo_free(w);
}

static finops_code
metrics_write(void *self, const finops_put *put, finops_writer **ret, finops_error **err)
{
    metrics_layer *m = self;
    int64_t begin = fo_clock_monotonic();
    metrics_writer *w = fo_zalloc(sizeof(*w));
    finops_code rc = w ? FO_BELOW(m, write)(FO_SELF(m), put, &w->below, err) : fo_error_oom(err);

    if (rc != FINOPS_OK) {
        fo_free(w);
        return count(m, FO_OP_WRITE, put->key, fo_clock_monotonic() - begin, rc, err);
    }
    w->layer = m;
    w->us = fo_clock_monotonic() - begin;
    w->base = (finops_writer){ .write = writer_write, .commit = writer_commit, .close = writer_close };
    add(&m->uploads, 1);
    *ret = &w->base;
    return FINOPS_OK;
}

/* ---- the layer ---- */

static const finops_storage_driver slots = {
    .stat = metrics_stat,
    .list = metrics_list,
    .read = metrics_read,
    .put = metrics_put,
    .remove = metrics_remove,
    .upload = metrics_upload_begin,
    .write = metrics_write,
    .remove_many = metrics_remove_many,
    .copy = metrics_copy,
    .move = metrics_move,
    .presign = metrics_presign,
    .sweep = metrics_sweep,
};

static finops_code
metrics_wrap(const void *config, const char *address, fo_stage below, fo_stage *ret, finops_error **err)
{
    const fo_metrics_config *c = config;
    finops_code rc = FINOPS_OK;
    metrics_layer *m;

    (void)address;
    if (!c->enabled) {
        *ret = below;
        return FINOPS_OK;
    }
    m = fo_pass_new(&fo_metrics_layer, sizeof(*m), &slots, below, &rc, err);
    if (!m)
        return rc;
    m->has_retry = fo_pass_find(&below, &fo_retry_layer) != NULL;
    *ret = fo_pass_stage(&m->pass);
    return FINOPS_OK;
}

const fo_layer fo_metrics_layer = {
    .name = "metrics",
    .options = metrics_options,
    .config_size = sizeof(fo_metrics_config),
    .wrap = metrics_wrap,
};

/* ---- reading the figures ---- */

static void
read_op(const op_counters *c, fo_op_figures *ret)
{
    *ret = (fo_op_figures){ .calls = get(&c->calls),
                            .errors = get(&c->errors),
                            .bytes = get(&c->bytes),
                            .total_us = get(&c->total_us) };
    ret->attempts = ret->calls;
    for (size_t i = 0; i < FO_LATENCY_BUCKETS; i++)
        ret->latency[i] = get(&c->latency[i]);
}

bool
fo_metrics_read(const fo_stage *stage, fo_storage_figures *ret)
{
    const metrics_layer *m = fo_pass_find(stage, &fo_metrics_layer);
    fo_attempts attempts;

    if (!m)
        return false;
    *ret = (fo_storage_figures){ .open_readers = get(&m->readers),
                                 .open_uploads = get(&m->uploads),
                                 .retry_budget = -1 };
    for (size_t i = 0; i < FINOPS_E_COUNT_; i++)
        ret->codes[i] = get(&m->codes[i]);
    for (size_t i = 0; i < FO_OP_COUNT_; i++)
        read_op(&m->ops[i], &ret->ops[i]);
    ret->bytes_in = ret->ops[FO_OP_READ].bytes;
    ret->bytes_out = ret->ops[FO_OP_PUT].bytes + ret->ops[FO_OP_PART].bytes + ret->ops[FO_OP_WRITE].bytes;
    if (!fo_retry_attempts(stage, &attempts))
        return true;
    ret->retry_budget = attempts.budget;
    for (size_t i = 0; i < FO_OP_COUNT_; i++) {
        ret->ops[i].attempts = attempts.attempts[i];
        ret->ops[i].retries = attempts.retries[i];
    }
    return true;
}

uint64_t
fo_metrics_percentile(const fo_op_figures *figures, double share)
{
    double want = share * (double)figures->calls, seen = 0;

    for (unsigned i = 0; i < FO_LATENCY_BUCKETS; i++) {
        seen += (double)figures->latency[i];
        if (seen >= want && seen > 0)
            return (uint64_t)1 << i;
    }
    return 0;
}

static void
json_op(const char *name, const fo_op_figures *f, bool first, fo_str *ret)
{
    fo_str_addf(ret,
                "%s\"%s\":{\"calls\":%" PRIu64 ",\"errors\":%" PRIu64 ",\"attempts\":%" PRIu64
                ",\"retries\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"total_us\":%" PRIu64 ",\"p50_us\":%" PRIu64
                ",\"p99_us\":%" PRIu64 "}",
                first ? "" : ",", name, f->calls, f->errors, f->attempts, f->retries, f->bytes, f->total_us,
                fo_metrics_percentile(f, 0.5), fo_metrics_percentile(f, 0.99));
}

void
fo_metrics_json(const fo_storage_figures *figures, fo_str *ret)
{
    bool first = true;

    fo_str_addf(ret, "{\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64 ",\"operations\":{",
                figures->bytes_in, figures->bytes_out);
    for (int i = 0; i < FO_OP_COUNT_; i++) {
        if (figures->ops[i].calls == 0 && figures->ops[i].attempts == 0)
            continue;
        json_op(fo_storage_op_name((fo_storage_op)i), &figures->ops[i], first, ret);
        first = false;
    }
    fo_str_add(ret, "},\"errors\":{");
    first = true;
    for (int i = 0; i < FINOPS_E_COUNT_; i++) {
        if (figures->codes[i] == 0)
            continue;
        fo_str_addf(ret, "%s\"%s\":%" PRIu64, first ? "" : ",", finops_code_name((finops_code)i),
                    figures->codes[i]);
        first = false;
    }
    fo_str_add(ret, "}}");
}
