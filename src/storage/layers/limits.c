/*
 * How fast and how much at once a service is asked.
 *
 * A request counts while a call of the driver runs. A reader counts while it is opened and while bytes are
 * fetched, not while its owner does something else: so nobody who holds one can wait for himself.
 */
#include "storage/layers/limits.h"

#include "base/clock.h"
#include "resilience/deadline.h"
#include "resilience/gate.h"
#include "resilience/rate.h"
#include "resilience/retry.h"

#define UNIT_BYTES 65536.0 /* that count as much as one more request */

typedef struct limits_layer {
    fo_pass pass;
    fo_rate rate;
    fo_gate gate;
    bool has_rate, has_gate;
    fo_layer_clock clock;
} limits_layer;

static const finops_option limits_options[] = {
    { "rate", FINOPS_OPT_INT, offsetof(fo_limits_config, rate), .value = "0", .min = 0, .max = 1000000,
      .help = "Requests a second at most; 0: as many as there are." },
    { "concurrency", FINOPS_OPT_INT, offsetof(fo_limits_config, concurrency), .value = "0", .min = 0,
      .max = 4096, .help = "Requests at once at most; 0: as many as there are." },
    { "adaptive", FINOPS_OPT_BOOL, offsetof(fo_limits_config, adaptive), .value = "true",
      .help = "Begin with 8 requests at once and find out how many the service can take." },
    { 0 },
};

/* ---- going in and out ---- */

static finops_code
stopped(finops_code rc, finops_error **err)
{
    return rc == FINOPS_E_CANCELLED ? fo_error_set(err, rc, "cancelled while waiting for a turn")
                                    : fo_error_set(err, rc, "the deadline is before the next turn");
}

static finops_code
wait_for_turn(limits_layer *l, const finops_call *call)
{
    int64_t left = fo_deadline_left(call ? call->deadline_us : 0, l->clock.now_us());
    int64_t wait = fo_rate_take(&l->rate, l->clock.now_us(), left);

    if (wait < 0)
        return FINOPS_E_TIMEOUT;
    return fo_sleep(wait, l->clock.sleep_us, call ? call->cancelled : NULL, call ? call->arg : NULL)
               ? FINOPS_OK
               : FINOPS_E_CANCELLED;
}

static finops_code
enter_gate(limits_layer *l, const finops_call *call, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (l->has_gate)
        rc = call ? fo_gate_enter(&l->gate, call->deadline_us, call->cancelled, call->arg)
                  : fo_gate_enter(&l->gate, 0, NULL, NULL);
    return rc == FINOPS_OK ? rc : stopped(rc, err);
}

static finops_code
enter(limits_layer *l, const finops_call *call, finops_error **err)
{
    finops_code rc = l->has_rate ? wait_for_turn(l, call) : FINOPS_OK;

    return rc == FINOPS_OK ? enter_gate(l, call, err) : stopped(rc, err);
}

static finops_code
leave(limits_layer *l, finops_code rc, size_t bytes)
{
    int64_t now = l->clock.now_us();

    if (rc == FINOPS_E_THROTTLED && l->has_rate)
        fo_rate_throttled(&l->rate, now);
    if (rc == FINOPS_E_THROTTLED && l->has_gate)
        fo_gate_throttled(&l->gate, now);
    if (l->has_gate)
        fo_gate_leave(&l->gate, rc == FINOPS_OK ? 1 + (double)bytes / UNIT_BYTES : 0, now);
    return rc;
}

/* ---- calls ---- */

static finops_code
limits_stat(void *self, const char *key, const finops_call *call, finops_object *ret, finops_error **err)
{
    limits_layer *l = self;
    finops_code rc = enter(l, call, err);

    return rc == FINOPS_OK ? leave(l, FO_BELOW(l, stat)(FO_SELF(l), key, call, ret, err), 0) : rc;
}

/* All pages are one request here: only a driver knows where one ends. */
static finops_code
limits_list(void *self, const finops_list *list, finops_each_object each, void *arg, finops_error **err)
{
    limits_layer *l = self;
    finops_code rc = enter(l, list->call, err);

    return rc == FINOPS_OK ? leave(l, FO_BELOW(l, list)(FO_SELF(l), list, each, arg, err), 0) : rc;
}

static finops_code
limits_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
           finops_error **err)
{
    limits_layer *l = self;
    finops_code rc = enter(l, put->call, err);

    return rc == FINOPS_OK ? leave(l, FO_BELOW(l, put)(FO_SELF(l), put, data, n, ret, err), n) : rc;
}

static finops_code
limits_remove(void *self, const finops_remove *remove, finops_error **err)
{
    limits_layer *l = self;
    finops_code rc = enter(l, remove->call, err);

    return rc == FINOPS_OK ? leave(l, FO_BELOW(l, remove)(FO_SELF(l), remove, err), 0) : rc;
}

static finops_code
limits_remove_many(void *self, const char *const *keys, size_t n, const finops_call *call,
                   finops_each_removed each, void *arg, finops_error **err)
{
    limits_layer *l = self;
    finops_code rc = enter(l, call, err);

    return rc == FINOPS_OK ? leave(l, FO_BELOW(l, remove_many)(FO_SELF(l), keys, n, call, each, arg, err), 0)
                           : rc;
}

static finops_code
limits_copy(void *self, const finops_copy *copy, finops_object *ret, finops_error **err)
{
    limits_layer *l = self;
    finops_code rc = enter(l, copy->call, err);

    return rc == FINOPS_OK ? leave(l, FO_BELOW(l, copy)(FO_SELF(l), copy, ret, err), 0) : rc;
}

static finops_code
limits_move(void *self, const finops_copy *move, finops_error **err)
{
    limits_layer *l = self;
    finops_code rc = enter(l, move->call, err);

    return rc == FINOPS_OK ? leave(l, FO_BELOW(l, move)(FO_SELF(l), move, err), 0) : rc;
}

/* ---- readers ---- */

typedef struct limits_reader {
    fo_pass_reader pass;
    finops_call call; /* a copy: what it has is what the driver's has */
} limits_reader;

static finops_code
reader_read(finops_reader *reader, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    limits_reader *r = (limits_reader *)reader;
    limits_layer *l = r->pass.layer;
    size_t got = 0;
    finops_code rc = enter_gate(l, &r->call, err);

    if (rc != FINOPS_OK)
        return rc;
    rc = r->pass.below->read(r->pass.below, buffer, n, &got, err);
    if (rc == FINOPS_OK)
        *ret_n = got;
    return leave(l, rc, got);
}

static finops_code
limits_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err)
{
    limits_layer *l = self;
    finops_code rc = enter(l, get->call, err);
    limits_reader *r;

    if (rc != FINOPS_OK)
        return rc;
    r = fo_zalloc(sizeof(*r));
    rc = leave(l, r ? FO_BELOW(l, read)(FO_SELF(l), get, &r->pass.below, err) : fo_error_oom(err), 0);
    if (rc != FINOPS_OK) {
        fo_free(r);
        return rc;
    }
    if (get->call)
        r->call = *get->call;
    fo_pass_reader_ready(&r->pass, l, reader_read);
    *ret = &r->pass.base;
    return FINOPS_OK;
}

/* ---- uploads ---- */

static finops_code
upload_part(finops_upload *upload, unsigned number, int64_t offset, const void *data, size_t n,
            const finops_call *call, finops_error **err)
{
    fo_pass_upload *u = (fo_pass_upload *)upload;
    finops_code rc = enter(u->layer, call, err);

    return rc == FINOPS_OK ? leave(u->layer, u->below->part(u->below, number, offset, data, n, call, err), n)
                           : rc;
}

static finops_code
upload_commit(finops_upload *upload, unsigned parts, int64_t size, const finops_call *call,
              finops_object *ret, finops_error **err)
{
    fo_pass_upload *u = (fo_pass_upload *)upload;
    finops_code rc = enter(u->layer, call, err);

    return rc == FINOPS_OK ? leave(u->layer, u->below->commit(u->below, parts, size, call, ret, err), 0) : rc;
}

static finops_code
limits_upload_begin(void *self, const finops_put *put, finops_upload **ret, finops_error **err)
{
    limits_layer *l = self;
    finops_code rc = enter(l, put->call, err);
    fo_pass_upload *u;

    if (rc != FINOPS_OK)
        return rc;
    u = fo_zalloc(sizeof(*u));
    rc = leave(l, u ? FO_BELOW(l, upload)(FO_SELF(l), put, &u->below, err) : fo_error_oom(err), 0);
    if (rc != FINOPS_OK) {
        fo_free(u);
        return rc;
    }
    fo_pass_upload_ready(u, l, upload_part, upload_commit);
    *ret = &u->base;
    return FINOPS_OK;
}

/* ---- the layer ---- */

static const finops_storage_driver slots = {
    .stat = limits_stat,
    .list = limits_list,
    .read = limits_read,
    .put = limits_put,
    .remove = limits_remove,
    .upload = limits_upload_begin,
    .remove_many = limits_remove_many,
    .copy = limits_copy,
    .move = limits_move,
};

static void
limits_done(void *self)
{
    limits_layer *l = self;

    if (l->has_rate)
        fo_rate_done(&l->rate);
    if (l->has_gate)
        fo_gate_done(&l->gate);
}

static finops_code
limits_wrap(const void *config, const char *address, fo_stage below, fo_stage *ret, finops_error **err)
{
    const fo_limits_config *c = config;
    finops_code rc = FINOPS_OK;
    limits_layer *l;

    (void)address;
    if (c->rate == 0 && c->concurrency == 0) {
        *ret = below;
        return FINOPS_OK;
    }
    l = fo_pass_new(&fo_limits_layer, sizeof(*l), &slots, below, &rc, err);
    if (!l)
        return rc;
    l->clock = c->clock ? *c->clock : (fo_layer_clock){ .now_us = fo_clock_monotonic };
    l->has_rate = c->rate > 0;
    if (l->has_rate)
        fo_rate_init(&l->rate, (double)c->rate);
    l->has_gate = c->concurrency > 0;
    if (l->has_gate)
        fo_gate_init(&l->gate, (unsigned)c->concurrency, c->adaptive);
    l->pass.done = limits_done;
    *ret = fo_pass_stage(&l->pass);
    return FINOPS_OK;
}

const fo_layer fo_limits_layer = {
    .name = "limits",
    .options = limits_options,
    .config_size = sizeof(fo_limits_config),
    .wrap = limits_wrap,
};

unsigned
fo_limits_now(const fo_stage *stage)
{
    limits_layer *l = fo_pass_find(stage, &fo_limits_layer);

    return l && l->has_gate ? fo_gate_limit(&l->gate) : 0;
}
