/* Runs the cases of a storage: a prefix each, below one for all, which is empty at the end. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conformance/guard.h"
#include "conformance/storage/probe.h"
#include "resilience/deadline.h"
#include "storage/storage.h"

#define CASE_US (120 * INT64_C(1000000))
#define LONG_FACTOR 10
#define UNIT ((uint64_t)1 << 20)
#define GRACE_US (2 * INT64_C(1000000)) /* a deadline is kept by looking at it from time to time */

/* clang-format off */
#define AREAS(row) \
    row(keys) \
    row(put) \
    row(read) \
    row(list) \
    row(remove) \
    row(copy) \
    row(conditions) \
    row(parts) \
    row(integrity) \
    row(control)
/* clang-format on */
#define DECLARE(name) extern const fo_probe_area fo_probes_##name;
#define ENTRY(name) &fo_probes_##name,

AREAS(DECLARE)

const fo_probe_area *const fo_probe_areas[] = { AREAS(ENTRY) NULL };

typedef struct suite {
    finops_storage *storage;
    fo_storage_conformance_options options;
    char prefix[40]; /* of the run */
    unsigned serial;
    fo_conformance_summary summary;
    finops_code rc; /* of the run */
    finops_error *err;

    /* With the guard's lock held. */
    fo_guard guard;
    const char *area, *name; /* of what runs */
    bool told;               /* it did, and it is tidied up after it */
    size_t at_area, at;      /* the case after it */
} suite;

static bool
is_cancelled(void *arg)
{
    return fo_cancelled(arg);
}

static int64_t
limit_of(const suite *s, unsigned flags)
{
    return (s->options.case_us ? s->options.case_us : CASE_US) * (flags & FO_PROBE_LONG ? LONG_FACTOR : 1);
}

/* ---- what hangs ---- */

/* What follows ends before its deadline and somewhat more, or it hangs. */
static void
watch(suite *s, const char *area, const char *name, unsigned flags)
{
    int64_t limit = limit_of(s, flags);

    (void)pthread_mutex_lock(&s->guard.lock);
    s->told = fo_streq(area, s->area) && fo_streq(name, s->name);
    s->area = area;
    s->name = name;
    fo_guard_begin(&s->guard, limit + limit / 4 + GRACE_US);
    (void)pthread_mutex_unlock(&s->guard.lock);
}

static void
watch_end(suite *s)
{
    (void)pthread_mutex_lock(&s->guard.lock);
    fo_guard_end(&s->guard);
    (void)pthread_mutex_unlock(&s->guard.lock);
}

static void
tell(suite *s, const char *area, const char *name, fo_case_outcome outcome, const char *why, int64_t us)
{
    const fo_case_result result = {
        .area = area, .name = name, .outcome = outcome, .why = why, .seconds = (double)us / 1e6
    };

    s->summary.passed += outcome == FO_CASE_OK;
    s->summary.failed += outcome == FO_CASE_FAILED;
    s->summary.not_claimed += outcome == FO_CASE_NOT_CLAIMED;
    s->summary.not_run += outcome == FO_CASE_NOT_RUN;
    if (s->options.each)
        s->options.each(&result, s->options.arg);
}

/* The one that hangs has failed, those after it are not run. */
static void
strike(suite *s)
{
    int64_t us = fo_clock_monotonic() - s->guard.started_us;
    char why[120];

    (void)snprintf(why, sizeof(why), "%s: no end after %" PRId64 " s, see --case-timeout",
                   s->told ? "what it left cannot be removed: it hangs" : "it hangs", us / 1000000);
    if (s->told) /* as what it was, too */
        tell(s, "list", "L9 nothing of the suite is left behind", FO_CASE_FAILED, why, us);
    else
        tell(s, s->area, s->name, FO_CASE_FAILED, why, us);
    for (size_t a = s->at_area, i = s->at; fo_probe_areas[a]; a++, i = 0)
        for (; i < fo_probe_areas[a]->n; i++)
            if (fo_case_matches(s->options.filter, fo_probe_areas[a]->name, fo_probe_areas[a]->cases[i].name))
                tell(s, fo_probe_areas[a]->name, fo_probe_areas[a]->cases[i].name, FO_CASE_NOT_RUN,
                     "a case before it hangs", 0);
    (void)snprintf(s->summary.left, sizeof(s->summary.left), "%s", s->prefix);
    (void)snprintf(s->summary.hung, sizeof(s->summary.hung), "%s: %s", s->area, s->name);
}

/* ---- a case ---- */

static void
probe_begin(suite *s, const fo_probe_case *c, fo_probe *ret)
{
    union {
        const fo_cancel *in;
        void *out; /* atomics are looked at only */
    } cancel = { .in = s->options.cancel };

    *ret = (fo_probe){ .c = c, .storage = s->storage, .ruling = FO_RULING_INIT };
    ret->unit = s->options.unit ? s->options.unit : UNIT;
    ret->parts = (finops_transfer){ .part_size = 5 * ret->unit, .single_max = 5 * ret->unit };
    if (s->storage) {
        ret->stage = fo_storage_stage(s->storage);
        ret->features = finops_storage_features(s->storage);
    }
    (void)snprintf(ret->prefix, sizeof(ret->prefix), "%s/%03u/", s->prefix, s->serial++);
    ret->call.deadline_us = fo_deadline_in(limit_of(s, c->flags));
    if (s->options.cancel) {
        ret->call.cancelled = is_cancelled;
        ret->call.arg = cancel.out;
    }
}

/*
 * All of the case's objects, and the parts that a storage keeps of uploads that were closed; one that cannot
 * be removed is told of at the end of the run.
 */
static void
probe_end(fo_probe *p)
{
    if (p->storage)
        (void)finops_storage_delete_prefix(p->storage, p->prefix, NULL, NULL, NULL);
    if (p->storage && fo_probe_has(p, FINOPS_STORAGE_SWEEP) && fo_probe_has(p, FINOPS_STORAGE_PARTS_STAY))
        (void)finops_storage_sweep(p->storage, p->prefix, INT64_MAX, NULL, NULL, NULL, NULL);
    fo_strv_done(&p->texts);
    fo_ruling_done(&p->ruling);
}

static bool
is_claimed(const suite *s, fo_probe *p)
{
    uint64_t missing = p->c->needs & ~p->features;

    if (s->options.list)
        return false;
    if ((p->c->flags & FO_PROBE_LONG) && !s->options.with_long)
        return fo_ruling_skip(&p->ruling, "takes long: only with --long");
    if ((p->c->flags & FO_PROBE_FILES) && fo_probe_has(p, FINOPS_STORAGE_FLAT_KEYS))
        return fo_ruling_skip(&p->ruling, "its keys are no paths of files");
    return missing ? fo_probe_refuses(p, missing) : true;
}

static fo_case_outcome
judge(const suite *s, fo_probe *p)
{
    if (is_claimed(s, p) && p->c->run(p) && p->ruling.why.len == 0)
        return FO_CASE_OK;
    if (s->options.list)
        return FO_CASE_NOT_CLAIMED;
    if (!p->ruling.why.len)
        fo_ruling_fail(&p->ruling, "failed without a reason");
    return p->ruling.not_claimed ? FO_CASE_NOT_CLAIMED : FO_CASE_FAILED;
}

static void
case_run(suite *s, const char *area, const fo_probe_case *c)
{
    int64_t started = fo_clock_monotonic();
    fo_case_outcome outcome;
    fo_probe p;

    if (!s->options.list)
        watch(s, area, c->name, c->flags);
    probe_begin(s, c, &p);
    outcome = judge(s, &p);
    if (!s->options.list)
        watch_end(s);
    tell(s, area, c->name, outcome, outcome == FO_CASE_OK ? "" : fo_str_z(&p.ruling.why),
         fo_clock_monotonic() - started);
    if (!s->options.list)
        watch(s, area, c->name, c->flags);
    probe_end(&p);
    if (!s->options.list)
        watch_end(s);
}

/* ---- the end ---- */

static bool
left_over(const finops_object *object, void *arg)
{
    fo_probe *p = arg;

    return fo_ruling_fail(&p->ruling, "%s is left over", object->key);
}

/* Neither an object, nor what a listing would not show. */
static bool
nothing_is_left(fo_probe *p)
{
    const char *run = fo_probe_keep(p, "%.*s", (int)strcspn(p->prefix, "/"), p->prefix);
    finops_error *err = NULL;
    finops_code rc = finops_storage_list_files(p->storage, &(finops_list){ .prefix = run, .call = &p->call },
                                               left_over, p, &err);

    if (!fo_probe_ok(p, rc, &err, "list"))
        return false;
    if (!fo_probe_has(p, FINOPS_STORAGE_SWEEP))
        return true;
    rc = finops_storage_sweep(p->storage, run, INT64_MAX, &p->call, left_over, p, &err);
    return fo_probe_ok(p, rc, &err, "sweep");
}

static const fo_probe_case last = { "L9 nothing of the suite is left behind", 0, nothing_is_left, 0 };

static finops_code
cases_run(suite *s, finops_error **err)
{
    for (size_t a = 0; fo_probe_areas[a]; a++)
        for (size_t i = 0; i < fo_probe_areas[a]->n; i++) {
            const fo_probe_case *c = &fo_probe_areas[a]->cases[i];

            s->at_area = a;
            s->at = i + 1;
            if (fo_cancelled(s->options.cancel))
                return fo_error_set(err, FINOPS_E_CANCELLED, "stopped before all cases were run");
            if (fo_case_matches(s->options.filter, fo_probe_areas[a]->name, c->name))
                case_run(s, fo_probe_areas[a]->name, c);
        }
    return FINOPS_OK;
}

/* A storage where nothing can be written fails once, not a hundred times. */
static finops_code
try_storage(suite *s, finops_error **err)
{
    const finops_call call = { .deadline_us = fo_deadline_in(limit_of(s, 0)) };
    FO_AUTO(fo_freep) char *key = fo_format("%s/try", s->prefix);
    finops_code rc;

    if (!key)
        return fo_error_oom(err);
    watch(s, "put", "an object is put and removed, to see whether that can be done", 0);
    rc = finops_storage_put(s->storage, &(finops_put){ .key = key, .call = &call }, "x", 1, NULL, err);
    if (rc == FINOPS_OK)
        rc = finops_storage_delete_file(s->storage, &(finops_remove){ .key = key, .call = &call }, err);
    watch_end(s);
    return rc;
}

static void
run_all(void *arg)
{
    suite *s = arg;
    unsigned failed;

    if (!s->options.list)
        s->rc = try_storage(s, &s->err);
    if (s->rc == FINOPS_OK)
        s->rc = cases_run(s, &s->err);
    failed = s->summary.failed;
    if (s->rc == FINOPS_OK && fo_case_matches(s->options.filter, "list", last.name))
        case_run(s, "list", &last);
    if (s->summary.failed > failed)
        (void)snprintf(s->summary.left, sizeof(s->summary.left), "%s", s->prefix);
}

static finops_code
run_guarded(suite *s, finops_error **err)
{
    bool hangs = false;
    finops_code rc = fo_guard_run(&s->guard, run_all, s, &hangs, err);

    if (rc == FINOPS_OK && hangs)
        strike(s);
    return rc;
}

finops_code
fo_storage_conformance_run(finops_storage *storage, const fo_storage_conformance_options *options,
                           fo_conformance_summary *ret, finops_error **err)
{
    suite *s;
    uint64_t number = 0;
    finops_code rc = FINOPS_OK;

    assert(ret && (storage || options->list));
    if (getentropy(&number, sizeof(number)) != 0)
        return fo_error_set(err, FINOPS_E_IO, "no random number for the prefix of the tests");
    s = fo_zalloc(sizeof(*s));
    if (!s)
        return fo_error_oom(err);
    s->storage = options->list ? NULL : storage;
    s->options = *options;
    (void)snprintf(s->prefix, sizeof(s->prefix), "finops-test-%016" PRIx64, number);
    if (options->list)
        run_all(s);
    else
        rc = run_guarded(s, err);
    if (rc == FINOPS_OK && s->summary.hung[0]) { /* its thread still has the suite */
        *ret = s->summary;
        return rc;
    }
    if (rc == FINOPS_OK)
        rc = s->rc;
    if (rc == FINOPS_OK)
        *ret = s->summary;
    if (err && !*err)
        *err = FO_TAKE(s->err);
    finops_error_free(s->err);
    fo_free(s);
    return rc;
}
