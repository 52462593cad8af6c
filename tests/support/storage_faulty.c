/* See storage_faulty.h. */
#include "storage_faulty.h"

#include <assert.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "finops/sys/plugin.h"
#include "storage/memory/driver.h"
#include "storage/object.h"

static finops_code
say(const faulty_fault *fault, const char *what, finops_error **err)
{
    (void)fo_error_set(err, fault->code, "%s failed as told (request 4442587FB7D0A2F9)", what);
    if (err && fault->tells_when)
        finops_error_set_retry_after(*err, fault->retry_after_us);
    return fault->code;
}

static bool
take(faulty_fault *fault)
{
    unsigned left = atomic_load(&fault->times);

    while (left > 0)
        if (atomic_compare_exchange_weak(&fault->times, &left, left - 1))
            return true;
    return false;
}

static void
enter(faulty *f, fo_storage_op op)
{
    int now = atomic_fetch_add(&f->inside, 1) + 1, most = atomic_load(&f->inside_max);

    atomic_fetch_add(&f->calls[op], 1);
    while (now > most && !atomic_compare_exchange_weak(&f->inside_max, &most, now))
        ;
    if (f->hold_us > 0)
        (void)nanosleep(&(struct timespec){ .tv_nsec = f->hold_us * 1000 }, NULL);
}

static finops_code
leave(faulty *f, finops_code rc)
{
    atomic_fetch_sub(&f->inside, 1);
    return rc;
}

static finops_code
hang(const finops_call *call, finops_error **err)
{
    finops_code rc;

    assert(call && (call->deadline_us || call->cancelled));
    while ((rc = fo_call_check(call, err)) == FINOPS_OK)
        (void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    return rc;
}

/* The fault of a call, or what it does; a call whose answer is lost does it first. */
#define FAULTY(slot, op, parameters, call, arguments)                                                        \
    static finops_code faulty_##slot parameters                                                              \
    {                                                                                                        \
        faulty *f = self;                                                                                    \
        faulty_fault *fault = &f->on[op];                                                                    \
                                                                                                             \
        enter(f, op);                                                                                        \
        if (!take(fault))                                                                                    \
            return leave(f, FO_BELOW(f, slot) arguments);                                                    \
        if (fault->hangs)                                                                                    \
            return leave(f, hang(call, err));                                                                \
        if (fault->done) {                                                                                   \
            finops_code rc = FO_BELOW(f, slot) arguments;                                                    \
            if (rc != FINOPS_OK)                                                                             \
                return leave(f, rc);                                                                         \
        }                                                                                                    \
        return leave(f, say(fault, #slot, err));                                                             \
    }

FAULTY(remove, FO_OP_REMOVE, (void *self, const finops_remove *remove, finops_error **err), remove->call,
       (FO_SELF(f), remove, err))
FAULTY(move, FO_OP_MOVE, (void *self, const finops_copy *move, finops_error **err), move->call,
       (FO_SELF(f), move, err))
FAULTY(sweep, FO_OP_SWEEP,
       (void *self, const char *prefix, int64_t before_us, const finops_call *call, finops_each_object each,
        void *arg, finops_error **err),
       call, (FO_SELF(f), prefix, before_us, call, each, arg, err))
#undef FAULTY

/* With an object that comes back: a lost answer has none. */
#define FAULTY(slot, op, parameters, call, arguments)                                                        \
    static finops_code faulty_##slot parameters                                                              \
    {                                                                                                        \
        faulty *f = self;                                                                                    \
        faulty_fault *fault = &f->on[op];                                                                    \
        finops_object given = { 0 }, *to = ret;                                                              \
        bool bad = take(fault);                                                                              \
        finops_code rc = FINOPS_OK;                                                                          \
                                                                                                             \
        enter(f, op);                                                                                        \
        if (bad && fault->hangs)                                                                             \
            return leave(f, hang(call, err));                                                                \
        if (bad)                                                                                             \
            to = &given;                                                                                     \
        if (!bad || fault->done)                                                                             \
            rc = FO_BELOW(f, slot) arguments;                                                                \
        finops_object_done(&given);                                                                          \
        return leave(f, bad && rc == FINOPS_OK ? say(fault, #slot, err) : rc);                               \
    }

FAULTY(stat, FO_OP_STAT,
       (void *self, const char *key, const finops_call *call, finops_object *ret, finops_error **err), call,
       (FO_SELF(f), key, call, to, err))
FAULTY(put, FO_OP_PUT,
       (void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
        finops_error **err),
       put->call, (FO_SELF(f), put, data, n, to, err))
FAULTY(copy, FO_OP_COPY, (void *self, const finops_copy *copy, finops_object *ret, finops_error **err),
       copy->call, (FO_SELF(f), copy, to, err))

/* ---- batches ---- */

static finops_code
faulty_remove_many(void *self, const char *const *keys, size_t n, const finops_call *call,
                   finops_each_removed each, void *arg, finops_error **err)
{
    faulty *f = self;
    faulty_fault *fault = &f->on[FO_OP_REMOVE_MANY];
    bool bad = take(fault);

    enter(f, FO_OP_REMOVE_MANY);
    atomic_fetch_add(&f->keys, (unsigned)n);
    if (bad && !fault->every)
        return leave(f, say(fault, "remove_many", err));
    for (size_t i = 0; i < n; i++) {
        FO_AUTO(finops_error_freep) finops_error *one = NULL;
        const finops_remove remove = { .key = keys[i], .call = call };
        if (bad && i % fault->every == 0)
            (void)say(fault, keys[i], &one);
        else
            (void)FO_BELOW(f, remove)(FO_SELF(f), &remove, &one);
        if (each)
            each(i, one, arg);
    }
    return leave(f, FINOPS_OK);
}

/* ---- listings ---- */

typedef struct cut_listing {
    faulty_fault *fault;
    finops_each_object each;
    void *arg;
    int64_t told;
    bool cut;
} cut_listing;

static bool
listed(const finops_object *object, void *arg)
{
    cut_listing *c = arg;

    if (c->fault && c->told == c->fault->after) {
        c->cut = true;
        return false;
    }
    c->told++;
    return c->each(object, c->arg);
}

static finops_code
faulty_list(void *self, const finops_list *list, finops_each_object each, void *arg, finops_error **err)
{
    faulty *f = self;
    bool bad = take(&f->on[FO_OP_LIST]);
    cut_listing c = { .fault = bad ? &f->on[FO_OP_LIST] : NULL, .each = each, .arg = arg };
    finops_code rc;

    enter(f, FO_OP_LIST);
    if (bad && c.fault->hangs)
        return leave(f, hang(list->call, err));
    rc = FO_BELOW(f, list)(FO_SELF(f), list, listed, &c, err);
    return leave(f, rc == FINOPS_OK && c.cut ? say(c.fault, "list", err) : rc);
}

/* ---- readers ---- */

typedef struct faulty_reader {
    finops_reader base;
    finops_reader *below;
    faulty *layer;
    const finops_call *call;
    bool bad;
    int64_t done;
} faulty_reader;

static finops_code
reader_read(finops_reader *reader, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    faulty_reader *r = (faulty_reader *)reader;
    const faulty_fault *fault = &r->layer->body;
    finops_code rc;

    if (r->bad && fault->hangs && r->done >= fault->after)
        return hang(r->call, err);
    if (r->bad && r->done >= fault->after)
        return say(fault, "the body", err);
    if (r->bad && (int64_t)n > fault->after - r->done)
        n = (size_t)(fault->after - r->done);
    rc = r->below->read(r->below, buffer, n, ret_n, err);
    if (rc == FINOPS_OK) {
        r->done += (int64_t)*ret_n;
        atomic_fetch_add(&r->layer->bytes_read, *ret_n);
    }
    return rc;
}

static void
reader_close(finops_reader *reader)
{
    faulty_reader *r = (faulty_reader *)reader;

    r->below->close(r->below);
    fo_free(r);
}

static finops_code
faulty_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err)
{
    faulty *f = self;
    faulty_fault *fault = &f->on[FO_OP_READ];
    faulty_reader *r;
    finops_code rc;

    enter(f, FO_OP_READ);
    if (take(fault))
        return leave(f, fault->hangs ? hang(get->call, err) : say(fault, "read", err));
    r = fo_zalloc(sizeof(*r));
    rc = r ? FO_BELOW(f, read)(FO_SELF(f), get, &r->below, err) : fo_error_oom(err);
    if (rc != FINOPS_OK) {
        fo_free(r);
        return leave(f, rc);
    }
    r->layer = f;
    r->call = get->call;
    r->bad = take(&f->body);
    r->base = *r->below;
    r->base.read = reader_read;
    r->base.close = reader_close;
    *ret = &r->base;
    return leave(f, FINOPS_OK);
}

/* ---- uploads ---- */

typedef struct faulty_upload {
    finops_upload base;
    finops_upload *below;
    faulty *layer;
} faulty_upload;

static finops_code
upload_part(finops_upload *upload, unsigned number, int64_t offset, const void *data, size_t n,
            const finops_call *call, finops_error **err)
{
    faulty_upload *u = (faulty_upload *)upload;
    faulty *f = u->layer;

    enter(f, FO_OP_PART);
    if (take(&f->on[FO_OP_PART]))
        return leave(f, say(&f->on[FO_OP_PART], "part", err));
    return leave(f, u->below->part(u->below, number, offset, data, n, call, err));
}

static finops_code
upload_commit(finops_upload *upload, unsigned parts, int64_t size, const finops_call *call,
              finops_object *ret, finops_error **err)
{
    faulty_upload *u = (faulty_upload *)upload;
    faulty *f = u->layer;

    enter(f, FO_OP_COMMIT);
    if (take(&f->on[FO_OP_COMMIT]))
        return leave(f, say(&f->on[FO_OP_COMMIT], "commit", err));
    return leave(f, u->below->commit(u->below, parts, size, call, ret, err));
}

static void
upload_close(finops_upload *upload)
{
    faulty_upload *u = (faulty_upload *)upload;

    u->below->close(u->below);
    fo_free(u);
}

static finops_code
faulty_upload_begin(void *self, const finops_put *put, finops_upload **ret, finops_error **err)
{
    faulty *f = self;
    faulty_upload *u;
    finops_code rc;

    enter(f, FO_OP_UPLOAD);
    if (take(&f->on[FO_OP_UPLOAD]))
        return leave(f, say(&f->on[FO_OP_UPLOAD], "upload", err));
    u = fo_zalloc(sizeof(*u));
    rc = u ? FO_BELOW(f, upload)(FO_SELF(f), put, &u->below, err) : fo_error_oom(err);
    if (rc != FINOPS_OK) {
        fo_free(u);
        return leave(f, rc);
    }
    u->layer = f;
    u->base = *u->below;
    u->base.part = upload_part;
    u->base.commit = upload_commit;
    u->base.close = upload_close;
    *ret = &u->base;
    return leave(f, FINOPS_OK);
}

/* ---- the stage ---- */

static uint64_t
faulty_features(void *self)
{
    faulty *f = self;

    return (FO_BELOW(f, features)(FO_SELF(f)) | f->more) & ~f->pass.less;
}

static const finops_storage_driver slots = {
    .features = faulty_features,
    .stat = faulty_stat,
    .list = faulty_list,
    .read = faulty_read,
    .put = faulty_put,
    .remove = faulty_remove,
    .upload = faulty_upload_begin,
    .copy = faulty_copy,
    .move = faulty_move,
    .sweep = faulty_sweep,
};

static const fo_layer faulty_layer = { .name = "faulty" };

faulty *
faulty_over(fo_stage below, fo_stage *ret)
{
    finops_code rc = FINOPS_OK;
    faulty *f = fo_pass_new(&faulty_layer, sizeof(*f), &slots, below, &rc, NULL);

    assert(f && rc == FINOPS_OK);
    f->pass.driver.remove_many = faulty_remove_many;
    *ret = fo_pass_stage(&f->pass);
    return f;
}

faulty *
faulty_memory(fo_stage *ret)
{
    fo_stage memory = { .driver = &fo_memory_driver };
    finops_code rc = fo_memory_driver.open(NULL, &memory.self, NULL);

    assert(rc == FINOPS_OK);
    (void)rc;
    return faulty_over(memory, ret);
}

void
faulty_fail(faulty *f, fo_storage_op op, unsigned times, finops_code code)
{
    f->on[op].code = code;
    atomic_store(&f->on[op].times, times);
}

void
faulty_body(faulty *f, unsigned times, finops_code code, int64_t after)
{
    f->body.code = code;
    f->body.after = after;
    atomic_store(&f->body.times, times);
}
