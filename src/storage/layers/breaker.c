/*
 * Leaves a service alone that failed too often in a row, retries included, and asks with one call after a
 * pause. An answer that says no (not found, another version) is an answer.
 */
#include "storage/layers/breaker.h"

#include <inttypes.h>

#include "storage/object.h"

#define MILLIS ((int64_t)1000)
#define MICROS ((int64_t)1000000)

typedef struct breaker_layer {
    fo_pass pass;
    fo_breaker breaker;
    char *address;
} breaker_layer;

static const finops_option breaker_options[] = {
    { "failures", FINOPS_OPT_INT, offsetof(fo_breaker_config, failures), .value = "5", .min = 0, .max = 1000,
      .help = "Failed calls in a row after which the service is left alone; 0: never." },
    { "pause", FINOPS_OPT_INT, offsetof(fo_breaker_config, pause), .value = "5", .min = 1, .max = 3600,
      .help = "Seconds for which it is left alone, doubled each time up to a minute." },
    { 0 },
};

/* What the caller has given up already says nothing of the service. */
static finops_code
enter(breaker_layer *b, const finops_call *call, uint64_t *ret_ticket, finops_error **err)
{
    int64_t wait_us = 0;
    finops_code rc = fo_call_check(call, err);

    if (rc != FINOPS_OK)
        return rc;
    if (fo_breaker_allow(&b->breaker, ret_ticket, &wait_us))
        return FINOPS_OK;
    rc = fo_error_set(err, FINOPS_E_BREAKER_OPEN, "%s failed too often and is left alone for %" PRId64 " ms",
                      b->address, (wait_us + MILLIS - 1) / MILLIS);
    fo_error_hint(err, "it is asked again after that; breaker.failures = 0 switches this off");
    return rc;
}

static finops_code
leave(breaker_layer *b, uint64_t ticket, finops_code rc)
{
    fo_breaker_report(&b->breaker, ticket, fo_verdict_of(rc));
    return rc;
}

/* A slot that asks, hands on and tells: its call, its parameters, and the arguments for below. */
#define GUARDED(slot, call, parameters, arguments)                                                           \
    static finops_code breaker_##slot parameters                                                             \
    {                                                                                                        \
        breaker_layer *b = self;                                                                             \
        uint64_t ticket = 0;                                                                                 \
        finops_code rc = enter(b, call, &ticket, err);                                                       \
                                                                                                             \
        return rc == FINOPS_OK ? leave(b, ticket, FO_BELOW(b, slot) arguments) : rc;                         \
    }

GUARDED(stat, call,
        (void *self, const char *key, const finops_call *call, finops_object *ret, finops_error **err),
        (FO_SELF(b), key, call, ret, err))
GUARDED(list, list->call,
        (void *self, const finops_list *list, finops_each_object each, void *arg, finops_error **err),
        (FO_SELF(b), list, each, arg, err))
GUARDED(put, put->call,
        (void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
         finops_error **err),
        (FO_SELF(b), put, data, n, ret, err))
GUARDED(remove, remove->call, (void *self, const finops_remove *remove, finops_error **err),
        (FO_SELF(b), remove, err))
GUARDED(remove_many, call,
        (void *self, const char *const *keys, size_t n, const finops_call *call, finops_each_removed each,
         void *arg, finops_error **err),
        (FO_SELF(b), keys, n, call, each, arg, err))
GUARDED(copy, copy->call, (void *self, const finops_copy *copy, finops_object *ret, finops_error **err),
        (FO_SELF(b), copy, ret, err))
GUARDED(move, move->call, (void *self, const finops_copy *move, finops_error **err), (FO_SELF(b), move, err))
GUARDED(sweep, call,
        (void *self, const char *prefix, int64_t before_us, const finops_call *call, finops_each_object each,
         void *arg, finops_error **err),
        (FO_SELF(b), prefix, before_us, call, each, arg, err))

/* ---- readers: what breaks off for good is a failure, too ---- */

static finops_code
reader_read(finops_reader *reader, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    fo_pass_reader *r = (fo_pass_reader *)reader;
    breaker_layer *b = r->layer;
    finops_code rc = r->below->read(r->below, buffer, n, ret_n, err);

    if (rc != FINOPS_OK)
        fo_breaker_observe(&b->breaker, fo_verdict_of(rc));
    return rc;
}

static finops_code
breaker_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err)
{
    breaker_layer *b = self;
    uint64_t ticket = 0;
    finops_code rc = enter(b, get->call, &ticket, err);
    fo_pass_reader *r;

    if (rc != FINOPS_OK)
        return rc;
    r = fo_zalloc(sizeof(*r));
    rc = leave(b, ticket, r ? FO_BELOW(b, read)(FO_SELF(b), get, &r->below, err) : fo_error_oom(err));
    if (rc != FINOPS_OK) {
        fo_free(r);
        return rc;
    }
    fo_pass_reader_ready(r, b, reader_read);
    *ret = &r->base;
    return FINOPS_OK;
}

/* ---- uploads ---- */

static finops_code
upload_part(finops_upload *upload, unsigned number, int64_t offset, const void *data, size_t n,
            const finops_call *call, finops_error **err)
{
    fo_pass_upload *u = (fo_pass_upload *)upload;
    uint64_t ticket = 0;
    finops_code rc = enter(u->layer, call, &ticket, err);

    if (rc != FINOPS_OK)
        return rc;
    return leave(u->layer, ticket, u->below->part(u->below, number, offset, data, n, call, err));
}

static finops_code
upload_commit(finops_upload *upload, unsigned parts, int64_t size, const finops_call *call,
              finops_object *ret, finops_error **err)
{
    fo_pass_upload *u = (fo_pass_upload *)upload;
    uint64_t ticket = 0;
    finops_code rc = enter(u->layer, call, &ticket, err);

    if (rc != FINOPS_OK)
        return rc;
    return leave(u->layer, ticket, u->below->commit(u->below, parts, size, call, ret, err));
}

static finops_code
breaker_upload_begin(void *self, const finops_put *put, finops_upload **ret, finops_error **err)
{
    breaker_layer *b = self;
    uint64_t ticket = 0;
    finops_code rc = enter(b, put->call, &ticket, err);
    fo_pass_upload *u;

    if (rc != FINOPS_OK)
        return rc;
    u = fo_zalloc(sizeof(*u));
    rc = leave(b, ticket, u ? FO_BELOW(b, upload)(FO_SELF(b), put, &u->below, err) : fo_error_oom(err));
    if (rc != FINOPS_OK) {
        fo_free(u);
        return rc;
    }
    fo_pass_upload_ready(u, b, upload_part, upload_commit);
    *ret = &u->base;
    return FINOPS_OK;
}

/* ---- the layer ---- */

/* To presign asks nobody but, at times, for credentials. */
static const finops_storage_driver slots = {
    .stat = breaker_stat,
    .list = breaker_list,
    .read = breaker_read,
    .put = breaker_put,
    .remove = breaker_remove,
    .upload = breaker_upload_begin,
    .remove_many = breaker_remove_many,
    .copy = breaker_copy,
    .move = breaker_move,
    .sweep = breaker_sweep,
};

static void
breaker_done(void *self)
{
    breaker_layer *b = self;

    fo_breaker_done(&b->breaker);
    fo_free(b->address);
}

static finops_code
breaker_wrap(const void *config, const char *address, fo_stage below, fo_stage *ret, finops_error **err)
{
    const fo_breaker_config *c = config;
    finops_code rc = FINOPS_OK;
    breaker_layer *b;

    if (c->failures == 0) {
        *ret = below;
        return FINOPS_OK;
    }
    b = fo_pass_new(&fo_breaker_layer, sizeof(*b), &slots, below, &rc, err);
    if (!b)
        return rc;
    const fo_breaker_options options = { .failures = (unsigned)c->failures,
                                         .pause_us = c->pause * MICROS,
                                         .clock_us = c->clock ? c->clock->now_us : NULL };
    fo_breaker_init(&b->breaker, &options);
    b->pass.done = breaker_done;
    b->address = fo_strdup(address);
    if (!b->address) {
        fo_pass_drop(&b->pass);
        return fo_error_oom(err);
    }
    *ret = fo_pass_stage(&b->pass);
    return FINOPS_OK;
}

const fo_layer fo_breaker_layer = {
    .name = "breaker",
    .options = breaker_options,
    .config_size = sizeof(fo_breaker_config),
    .wrap = breaker_wrap,
};

bool
fo_breaker_layer_state(const fo_stage *stage, fo_breaker_state *ret)
{
    breaker_layer *b = fo_pass_find(stage, &fo_breaker_layer);

    if (b)
        *ret = fo_breaker_state_now(&b->breaker);
    return b != NULL;
}
