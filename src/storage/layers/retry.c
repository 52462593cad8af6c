/*
 * Trying again, as the standard mode of the AWS SDKs does: pauses of random length up to 50 ms (1 s when
 * throttled), doubled up to 20 s; a budget of 500 that a retry takes 14 (5) out of and a success fills;
 * Retry-After is kept to. https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
 *
 * What is tried again is the smallest thing: a reader goes on at the next byte of the version it began with,
 * a listing after its last key, an upload with the part that failed, a batch with the keys that failed.
 */
#include "storage/layers/retry_internal.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "resilience/deadline.h"

#define MILLIS ((int64_t)1000)
#define MICROS ((int64_t)1000000)
#define BUDGET 500
#define COST 14
#define COST_THROTTLED 5

static const finops_option retry_options[] = {
    { "attempts", FINOPS_OPT_INT, offsetof(fo_retry_config, attempts), .value = "5", .min = 1, .max = 100,
      .help = "Times a request is sent at most, the first included." },
    { "timeout", FINOPS_OPT_INT, offsetof(fo_retry_config, timeout), .value = "0", .min = 0, .max = 86400,
      .help = "Seconds for all attempts together where the caller sets no limit; 0: none." },
    { 0 },
};

/* ---- one call with its attempts ---- */

/* A stream may take as long as it moves: the limit of all attempts is for those between two signs of life. */
static bool
streams(const fo_retrying *t)
{
    return t->op == FO_OP_READ || t->op == FO_OP_LIST || t->op == FO_OP_SWEEP;
}

void
fo_retrying_begin(fo_retrying *t, fo_retry_self *layer, fo_storage_op op, const char *key,
                  const finops_call *call)
{
    int64_t deadline_us;

    *t = (fo_retrying){ .layer = layer, .op = op, .key = key };
    if (call)
        t->call = *call;
    t->begun_us = layer->options.clock_us();
    deadline_us = t->call.deadline_us;
    if (!deadline_us && layer->timeout_us)
        deadline_us = t->begun_us + layer->timeout_us;
    if (!streams(t))
        t->call.deadline_us = deadline_us;
    fo_retry_init(&t->retry, &layer->options, &layer->budget, deadline_us);
}

static void
log_attempt(const fo_retrying *t, finops_code rc)
{
    char attempt[16], ms[24];
    const fo_field fields[] = { { "op", fo_storage_op_name(t->op) },
                                { "key", t->key },
                                { "attempt", attempt },
                                { "ms", ms },
                                { "code", finops_code_name(rc) },
                                { "error", finops_error_text(t->why) } };

    if (!fo_log_enabled(FO_LOG_DEBUG))
        return;
    (void)snprintf(attempt, sizeof(attempt), "%u", t->retry.attempt + 1);
    (void)snprintf(ms, sizeof(ms), "%" PRId64, (t->layer->options.clock_us() - t->begun_us) / MILLIS);
    fo_log_fields(FO_LOG_DEBUG, fields, FO_COUNT(fields), "storage attempt failed");
}

/* What the answer means for another attempt: a stall and bytes damaged on the way are bad luck, too. */
static finops_code
as_luck(fo_retrying *t, finops_code rc)
{
    if (rc == FINOPS_E_TIMEOUT && !fo_deadline_passed(t->call.deadline_us, t->layer->options.clock_us()))
        return FINOPS_E_TRANSIENT;
    if (rc == FINOPS_E_CORRUPT && !t->damaged && !t->handed_out) {
        t->damaged = true;
        return FINOPS_E_TRANSIENT;
    }
    return rc;
}

bool
fo_retrying_again(fo_retrying *t, finops_code rc)
{
    fo_retry_self *r = t->layer;
    int64_t after_us = finops_error_retry_after(t->why);
    bool again;

    if (!t->counted)
        atomic_fetch_add_explicit(&r->attempts[t->op], 1, memory_order_relaxed);
    t->counted = false;
    if (rc != FINOPS_OK)
        log_attempt(t, rc);
    if (t->last)
        return false;
    rc = as_luck(t, rc);
    again = fo_retry_again_after(&t->retry, rc, after_us, t->call.cancelled, t->call.arg);
    if (!again)
        return false;
    atomic_fetch_add_explicit(&r->retries[t->op], 1, memory_order_relaxed);
    t->doubt = t->doubt || after_us != 0;
    finops_error_freep(&t->why);
    t->begun_us = r->options.clock_us();
    return true;
}

void
fo_retrying_moved(fo_retrying *t)
{
    t->retry.attempt = 0;
    if (!t->call.deadline_us && t->layer->timeout_us)
        t->retry.deadline_us = t->layer->options.clock_us() + t->layer->timeout_us;
}

finops_code
fo_retrying_end(fo_retrying *t, finops_code rc, finops_error **err)
{
    if (rc == FINOPS_OK) {
        finops_error_freep(&t->why);
        return rc;
    }
    if (t->call.cancelled && fo_retry_helps(rc) && t->call.cancelled(t->call.arg))
        rc = fo_error_set(&t->why, FINOPS_E_CANCELLED, "cancelled");
    else if (t->retry.attempt > 1)
        rc = fo_error_wrap(&t->why, rc, "%u attempts%s", t->retry.attempt,
                           t->retry.dry ? " and no budget for more" : "");
    else if (t->retry.dry)
        rc = fo_error_wrap(&t->why, rc, "not tried again, for too much fails");
    if (err)
        *err = FO_TAKE(t->why);
    finops_error_freep(&t->why);
    return rc;
}

/* ---- calls that may simply be made again ---- */

static finops_code
retry_stat(void *self, const char *key, const finops_call *call, finops_object *ret, finops_error **err)
{
    fo_retry_self *r = self;
    finops_code rc;
    fo_retrying t;

    fo_retrying_begin(&t, r, FO_OP_STAT, key, call);
    do
        rc = FO_BELOW(r, stat)(FO_SELF(r), key, &t.call, ret, &t.why);
    while (fo_retrying_again(&t, rc));
    if (rc == FINOPS_OK)
        fo_object_hide(ret, FO_WRITE_ID);
    return fo_retrying_end(&t, rc, err);
}

static finops_code
retry_remove(void *self, const finops_remove *remove, finops_error **err)
{
    fo_retry_self *r = self;
    finops_remove what = *remove;
    finops_code rc;
    fo_retrying t;

    fo_retrying_begin(&t, r, FO_OP_REMOVE, remove->key, remove->call);
    what.call = &t.call;
    do
        rc = FO_BELOW(r, remove)(FO_SELF(r), &what, &t.why);
    while (fo_retrying_again(&t, rc));
    return fo_retrying_end(&t, rc, err);
}

static finops_code
retry_copy(void *self, const finops_copy *copy, finops_object *ret, finops_error **err)
{
    fo_retry_self *r = self;
    finops_copy what = *copy;
    finops_code rc;
    fo_retrying t;

    fo_retrying_begin(&t, r, FO_OP_COPY, copy->from, copy->call);
    what.call = &t.call;
    do
        rc = FO_BELOW(r, copy)(FO_SELF(r), &what, ret, &t.why);
    while (fo_retrying_again(&t, rc));
    if (t.doubt && rc == FINOPS_E_EXISTS)
        fo_error_hint(&t.why, "an attempt whose answer was lost may have made it; compare them");
    return fo_retrying_end(&t, rc, err);
}

static finops_code
retry_move(void *self, const finops_copy *move, finops_error **err)
{
    fo_retry_self *r = self;
    finops_copy what = *move;
    finops_code rc;
    fo_retrying t;

    fo_retrying_begin(&t, r, FO_OP_MOVE, move->from, move->call);
    what.call = &t.call;
    do
        rc = FO_BELOW(r, move)(FO_SELF(r), &what, &t.why);
    while (fo_retrying_again(&t, rc));
    if (t.doubt && (rc == FINOPS_E_NOT_FOUND || rc == FINOPS_E_EXISTS))
        fo_error_hint(&t.why, "an attempt whose answer was lost may have moved it; look at %s", move->to);
    return fo_retrying_end(&t, rc, err);
}

static finops_code
retry_presign(void *self, const finops_presign *presign, char **ret, finops_error **err)
{
    fo_retry_self *r = self;
    finops_presign what = *presign;
    finops_code rc;
    fo_retrying t;

    fo_retrying_begin(&t, r, FO_OP_PRESIGN, presign->key, presign->call);
    what.call = &t.call;
    do
        rc = FO_BELOW(r, presign)(FO_SELF(r), &what, ret, &t.why);
    while (fo_retrying_again(&t, rc));
    return fo_retrying_end(&t, rc, err);
}

typedef struct sweeping {
    finops_each_object each;
    void *arg;
    bool told;
} sweeping;

static bool
swept(const finops_object *object, void *arg)
{
    sweeping *s = arg;

    s->told = true;
    return !s->each || s->each(object, s->arg);
}

/* What was told would be told again: only a sweep that had not begun is made again. */
static finops_code
retry_sweep(void *self, const char *prefix, int64_t before_us, const finops_call *call,
            finops_each_object each, void *arg, finops_error **err)
{
    fo_retry_self *r = self;
    sweeping s = { .each = each, .arg = arg };
    finops_code rc;
    fo_retrying t;

    fo_retrying_begin(&t, r, FO_OP_SWEEP, prefix, call);
    do
        rc = FO_BELOW(r, sweep)(FO_SELF(r), prefix, before_us, &t.call, swept, &s, &t.why);
    while (fo_retrying_again(&t, rc) && !s.told);
    return fo_retrying_end(&t, rc, err);
}

/* ---- the layer ---- */

static const finops_storage_driver slots = {
    .stat = retry_stat,
    .list = fo_retry_list,
    .read = fo_retry_read,
    .put = fo_retry_put,
    .remove = retry_remove,
    .upload = fo_retry_upload,
    .remove_many = fo_retry_remove_many,
    .copy = retry_copy,
    .move = retry_move,
    .presign = retry_presign,
    .sweep = retry_sweep,
};

static finops_code
retry_wrap(const void *config, const char *address, fo_stage below, fo_stage *ret, finops_error **err)
{
    const fo_retry_config *c = config;
    finops_code rc = FINOPS_OK;
    fo_retry_self *r;

    (void)address;
    if (c->attempts == 1) {
        *ret = below;
        return FINOPS_OK;
    }
    r = fo_pass_new(&fo_retry_layer, sizeof(*r), &slots, below, &rc, err);
    if (!r)
        return rc;
    r->options = (fo_retry_options){ .attempts = (unsigned)c->attempts,
                                     .base_us = 50 * MILLIS,
                                     .throttled_us = MICROS,
                                     .cap_us = 20 * MICROS,
                                     .clock_us = c->clock ? c->clock->now_us : fo_clock_monotonic,
                                     .sleep_us = c->clock ? c->clock->sleep_us : NULL,
                                     .random = c->clock ? c->clock->random : NULL };
    fo_retry_budget_init_as(&r->budget, BUDGET, COST, COST_THROTTLED);
    r->timeout_us = c->timeout * MICROS;
    *ret = fo_pass_stage(&r->pass);
    return FINOPS_OK;
}

const fo_layer fo_retry_layer = {
    .name = "retry",
    .options = retry_options,
    .config_size = sizeof(fo_retry_config),
    .wrap = retry_wrap,
};

bool
fo_retry_attempts(const fo_stage *stage, fo_attempts *ret)
{
    fo_retry_self *r = fo_pass_find(stage, &fo_retry_layer);

    if (!r)
        return false;
    for (int i = 0; i < FO_OP_COUNT_; i++) {
        ret->attempts[i] = atomic_load_explicit(&r->attempts[i], memory_order_relaxed);
        ret->retries[i] = atomic_load_explicit(&r->retries[i], memory_order_relaxed);
    }
    ret->budget = atomic_load(&r->budget.left);
    return true;
}
