/*
 * A limit for every attempt that has none of its own, so that a service that takes a call and never answers
 * is noticed; the layer for retries is around this one and may ask again.
 *
 * What streams is limited from one sign of life to the next and not as a whole: slow but moving goes on.
 */
#include <inttypes.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "resilience/deadline.h"
#include "storage/layers/deadline.h"
#include "storage/layers/layer.h"

#define MICROS ((int64_t)1000000)

typedef struct deadline_layer {
    fo_pass pass;
    int64_t limit_us;
} deadline_layer;

static const finops_option deadline_options[] = {
    { "timeout", FINOPS_OPT_INT, offsetof(fo_deadline_config, timeout), .value = "0", .min = 0, .max = 86400,
      .help =
          "Seconds one attempt may take, and a transfer may stand still; 0: no limit but the backend's." },
    { 0 },
};

/* ---- calls that come back ---- */

static finops_call
limited(const deadline_layer *d, const finops_call *call)
{
    finops_call c = call ? *call : (finops_call){ 0 };

    c.deadline_us = fo_deadline_first(c.deadline_us, fo_deadline_in(d->limit_us));
    return c;
}

/* Says whose limit it was. */
static finops_code
told(const deadline_layer *d, finops_code rc, const finops_call *call, finops_error **err)
{
    if (rc != FINOPS_E_TIMEOUT || (call && fo_deadline_passed(call->deadline_us, fo_clock_monotonic())))
        return rc;
    return fo_error_wrap(err, rc, "no end after %" PRId64 " s (deadline.timeout)", d->limit_us / MICROS);
}

static finops_code
deadline_stat(void *self, const char *key, const finops_call *call, finops_object *ret, finops_error **err)
{
    deadline_layer *d = self;
    finops_call c = limited(d, call);

    return told(d, FO_BELOW(d, stat)(FO_SELF(d), key, &c, ret, err), call, err);
}

static finops_code
deadline_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
             finops_error **err)
{
    deadline_layer *d = self;
    finops_call c = limited(d, put->call);
    finops_put p = *put;

    p.call = &c;
    return told(d, FO_BELOW(d, put)(FO_SELF(d), &p, data, n, ret, err), put->call, err);
}

static finops_code
deadline_remove(void *self, const finops_remove *remove, finops_error **err)
{
    deadline_layer *d = self;
    finops_call c = limited(d, remove->call);
    finops_remove r = *remove;

    r.call = &c;
    return told(d, FO_BELOW(d, remove)(FO_SELF(d), &r, err), remove->call, err);
}

static finops_code
deadline_remove_many(void *self, const char *const *keys, size_t n, const finops_call *call,
                     finops_each_removed each, void *arg, finops_error **err)
{
    deadline_layer *d = self;
    finops_call c = limited(d, call);

    return told(d, FO_BELOW(d, remove_many)(FO_SELF(d), keys, n, &c, each, arg, err), call, err);
}

static finops_code
deadline_copy(void *self, const finops_copy *copy, finops_object *ret, finops_error **err)
{
    deadline_layer *d = self;
    finops_call c = limited(d, copy->call);
    finops_copy what = *copy;

    what.call = &c;
    return told(d, FO_BELOW(d, copy)(FO_SELF(d), &what, ret, err), copy->call, err);
}

static finops_code
deadline_move(void *self, const finops_copy *move, finops_error **err)
{
    deadline_layer *d = self;
    finops_call c = limited(d, move->call);
    finops_copy what = *move;

    what.call = &c;
    return told(d, FO_BELOW(d, move)(FO_SELF(d), &what, err), move->call, err);
}

static finops_code
deadline_presign(void *self, const finops_presign *presign, char **ret, finops_error **err)
{
    deadline_layer *d = self;
    finops_call c = limited(d, presign->call);
    finops_presign p = *presign;

    p.call = &c;
    return told(d, FO_BELOW(d, presign)(FO_SELF(d), &p, ret, err), presign->call, err);
}

/* ---- streams ----
 *
 * A driver may copy the deadline when a stream begins, but asks `cancelled` while it lasts: that is where the
 * limit that moves is. */

typedef struct watch {
    const finops_call *outer; /* may be NULL */
    finops_call call;         /* what the driver sees */
    atomic_llong until_us;
    int64_t limit_us;
} watch;

static bool
outer_cancelled(const watch *w)
{
    return w->outer && w->outer->cancelled && w->outer->cancelled(w->outer->arg);
}

static bool
watch_cancelled(void *arg)
{
    watch *w = arg;

    return outer_cancelled(w) || fo_clock_monotonic() >= atomic_load(&w->until_us);
}

static void
watch_progress(double fraction, int64_t done, void *arg)
{
    const watch *w = arg;

    w->outer->progress(fraction, done, w->outer->arg);
}

static void
watch_alive(watch *w)
{
    atomic_store(&w->until_us, fo_deadline_in(w->limit_us));
}

static void
watch_begin(watch *w, const deadline_layer *d, const finops_call *outer)
{
    *w = (watch){ .outer = outer, .limit_us = d->limit_us };
    w->call = (finops_call){ .deadline_us = outer ? outer->deadline_us : 0,
                             .cancelled = watch_cancelled,
                             .progress = outer && outer->progress ? watch_progress : NULL,
                             .arg = w };
    watch_alive(w);
}

/* What the driver took for the caller's wish was the limit. */
static finops_code
watch_told(const watch *w, finops_code rc, finops_error **err)
{
    if (rc != FINOPS_E_CANCELLED || outer_cancelled(w))
        return rc;
    return fo_error_set(err, FINOPS_E_TIMEOUT, "nothing moved for %" PRId64 " s (deadline.timeout)",
                        w->limit_us / MICROS);
}

typedef struct listing {
    watch watch;
    finops_each_object each;
    void *arg;
} listing;

static bool
listed(const finops_object *object, void *arg)
{
    listing *l = arg;
    bool more = !l->each || l->each(object, l->arg);

    watch_alive(&l->watch);
    return more;
}

static finops_code
deadline_list(void *self, const finops_list *list, finops_each_object each, void *arg, finops_error **err)
{
    deadline_layer *d = self;
    listing l = { .each = each, .arg = arg };
    finops_list what = *list;

    watch_begin(&l.watch, d, list->call);
    what.call = &l.watch.call;
    return watch_told(&l.watch, FO_BELOW(d, list)(FO_SELF(d), &what, listed, &l, err), err);
}

static finops_code
deadline_sweep(void *self, const char *prefix, int64_t before_us, const finops_call *call,
               finops_each_object each, void *arg, finops_error **err)
{
    deadline_layer *d = self;
    listing l = { .each = each, .arg = arg };

    watch_begin(&l.watch, d, call);
    return watch_told(&l.watch,
                      FO_BELOW(d, sweep)(FO_SELF(d), prefix, before_us, &l.watch.call, listed, &l, err), err);
}

typedef struct deadline_reader {
    fo_pass_reader pass;
    watch watch;
} deadline_reader;

static finops_code
reader_read(finops_reader *reader, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    deadline_reader *r = (deadline_reader *)reader;

    watch_alive(&r->watch);
    return watch_told(&r->watch, r->pass.below->read(r->pass.below, buffer, n, ret_n, err), err);
}

static finops_code
deadline_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err)
{
    deadline_layer *d = self;
    finops_get what = *get;
    deadline_reader *r = fo_zalloc(sizeof(*r));
    finops_code rc;

    if (!r)
        return fo_error_oom(err);
    watch_begin(&r->watch, d, get->call);
    what.call = &r->watch.call;
    rc = watch_told(&r->watch, FO_BELOW(d, read)(FO_SELF(d), &what, &r->pass.below, err), err);
    if (rc != FINOPS_OK) {
        fo_free(r);
        return rc;
    }
    fo_pass_reader_ready(&r->pass, d, reader_read);
    *ret = &r->pass.base;
    return FINOPS_OK;
}

/* ---- uploads ---- */

static finops_code
upload_part(finops_upload *upload, unsigned number, int64_t offset, const void *data, size_t n,
            const finops_call *call, finops_error **err)
{
    fo_pass_upload *u = (fo_pass_upload *)upload;
    finops_call c = limited(u->layer, call);

    return told(u->layer, u->below->part(u->below, number, offset, data, n, &c, err), call, err);
}

static finops_code
upload_commit(finops_upload *upload, unsigned parts, int64_t size, const finops_call *call,
              finops_object *ret, finops_error **err)
{
    fo_pass_upload *u = (fo_pass_upload *)upload;
    finops_call c = limited(u->layer, call);

    return told(u->layer, u->below->commit(u->below, parts, size, &c, ret, err), call, err);
}

static finops_code
deadline_upload_begin(void *self, const finops_put *put, finops_upload **ret, finops_error **err)
{
    deadline_layer *d = self;
    finops_call c = limited(d, put->call);
    finops_put p = *put;
    fo_pass_upload *u = fo_zalloc(sizeof(*u));
    finops_code rc;

    if (!u)
        return fo_error_oom(err);
    p.call = &c;
    rc = told(d, FO_BELOW(d, upload)(FO_SELF(d), &p, &u->below, err), put->call, err);
    if (rc != FINOPS_OK) {
        fo_free(u);
        return rc;
    }
    fo_pass_upload_ready(u, d, upload_part, upload_commit);
    *ret = &u->base;
    return FINOPS_OK;
}

static const finops_storage_driver slots = {
    .stat = deadline_stat,
    .list = deadline_list,
    .read = deadline_read,
    .put = deadline_put,
    .remove = deadline_remove,
    .upload = deadline_upload_begin,
    .remove_many = deadline_remove_many,
    .copy = deadline_copy,
    .move = deadline_move,
    .presign = deadline_presign,
    .sweep = deadline_sweep,
};

static finops_code
deadline_wrap(const void *config, const char *address, fo_stage below, fo_stage *ret, finops_error **err)
{
    const fo_deadline_config *c = config;
    finops_code rc = FINOPS_OK;
    deadline_layer *d;

    (void)address;
    if (c->timeout == 0 && c->timeout_us == 0) {
        *ret = below;
        return FINOPS_OK;
    }
    d = fo_pass_new(&fo_deadline_layer, sizeof(*d), &slots, below, &rc, err);
    if (!d)
        return rc;
    d->limit_us = c->timeout_us ? c->timeout_us : c->timeout * MICROS;
    *ret = fo_pass_stage(&d->pass);
    return FINOPS_OK;
}

const fo_layer fo_deadline_layer = {
    .name = "deadline",
    .options = deadline_options,
    .config_size = sizeof(fo_deadline_config),
    .wrap = deadline_wrap,
};
