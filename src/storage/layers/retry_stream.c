/* Reading on at the next byte of the same version, and listing on after the last key. */
#include "storage/layers/retry_internal.h"

#include <string.h>

#include "base/str.h"

/* ---- reading on where it broke off ---- */

typedef struct retry_reader {
    finops_reader base;
    finops_reader *below; /* NULL: broken off */
    fo_retrying trial;
    finops_object object; /* owns what base.object shows */
    finops_get get;       /* of the rest; the texts are in `object` */
    int64_t done;
} retry_reader;

static finops_code
reader_open(retry_reader *r)
{
    fo_retry_self *l = r->trial.layer;

    return FO_BELOW(l, read)(FO_SELF(l), &r->get, &r->below, &r->trial.why);
}

static void
reader_break(retry_reader *r)
{
    if (r->below)
        r->below->close(r->below);
    r->below = NULL;
}

/* Opened again, it goes on with the next byte of the same version. */
static finops_code
reader_resume(retry_reader *r)
{
    if (r->below)
        return FINOPS_OK;
    r->get = (finops_get){ .key = r->object.key,
                           .offset = r->base.offset + r->done,
                           .length = r->base.length - r->done,
                           .if_version = r->object.version,
                           .call = &r->trial.call };
    return reader_open(r);
}

static finops_code
reader_step(retry_reader *r, void *buffer, size_t n, size_t *ret_n)
{
    finops_code rc = reader_resume(r);

    if (rc == FINOPS_OK)
        rc = r->below->read(r->below, buffer, n, ret_n, &r->trial.why);
    if (rc != FINOPS_OK)
        reader_break(r);
    return rc;
}

/* Without a version nobody knows whether the rest is of the same object. */
static bool
may_resume(const retry_reader *r)
{
    return r->done < r->base.length && (r->done == 0 || r->object.version);
}

static finops_code
reader_read(finops_reader *reader, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    retry_reader *r = (retry_reader *)reader;
    fo_retrying *t = &r->trial;
    size_t got = 0;
    finops_code rc;

    t->begun_us = t->layer->options.clock_us();
    t->counted = r->below != NULL;
    t->last = !may_resume(r);
    rc = reader_step(r, buffer, n, &got);
    if (rc != FINOPS_OK)
        while (fo_retrying_again(t, rc))
            rc = reader_step(r, buffer, n, &got);
    if (rc != FINOPS_OK)
        return fo_retrying_end(t, rc, err);
    if (got > 0)
        fo_retrying_moved(t);
    t->handed_out = t->handed_out || got > 0;
    r->done += (int64_t)got;
    *ret_n = got;
    return FINOPS_OK;
}

static void
reader_close(finops_reader *reader)
{
    retry_reader *r = (retry_reader *)reader;

    if (!r)
        return;
    reader_break(r);
    finops_error_free(r->trial.why);
    finops_object_done(&r->object);
    fo_free(r);
}

static finops_code
reader_ready(retry_reader *r, finops_error **err)
{
    finops_object seen = r->below->object;
    finops_code rc;

    seen.key = r->get.key;
    rc = finops_object_copy(&seen, &r->object, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_object_hide(&r->object, FO_WRITE_ID);
    r->trial.key = r->object.key;
    r->base = (finops_reader){ .object = r->object,
                               .offset = r->below->offset,
                               .length = r->below->length,
                               .read = reader_read,
                               .close = reader_close };
    fo_retrying_moved(&r->trial);
    return FINOPS_OK;
}

finops_code
fo_retry_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err)
{
    retry_reader *r = fo_zalloc(sizeof(*r));
    finops_code rc;

    if (!r)
        return fo_error_oom(err);
    fo_retrying_begin(&r->trial, self, FO_OP_READ, get->key, get->call);
    r->get = *get;
    r->get.call = &r->trial.call;
    do
        rc = reader_open(r);
    while (fo_retrying_again(&r->trial, rc));
    rc = fo_retrying_end(&r->trial, rc, err);
    if (rc == FINOPS_OK)
        rc = reader_ready(r, err);
    if (rc == FINOPS_OK)
        *ret = &r->base;
    else
        reader_close(&r->base);
    return rc;
}

/* ---- listing on after the last key ---- */

typedef struct listing {
    fo_retrying trial;
    finops_each_object each;
    void *arg;
    fo_str last; /* key that was told; "" */
} listing;

static bool
listed(const finops_object *object, void *arg)
{
    listing *l = arg;

    /* A prefix is told again when there are keys of it above the key the listing began after. */
    if (l->last.len > 0 && strcmp(object->key, fo_str_z(&l->last)) <= 0)
        return true;
    fo_str_clear(&l->last);
    fo_str_add(&l->last, object->key);
    fo_retrying_moved(&l->trial);
    return l->each(object, l->arg);
}

finops_code
fo_retry_list(void *self, const finops_list *list, finops_each_object each, void *arg, finops_error **err)
{
    fo_retry_self *r = self;
    listing l = { .each = each, .arg = arg, .last = FO_STR_INIT };
    finops_list what = *list;
    FO_AUTO(fo_str_done) fo_str from = FO_STR_INIT;
    finops_code rc;

    fo_retrying_begin(&l.trial, r, FO_OP_LIST, list->prefix, list->call);
    what.call = &l.trial.call;
    do {
        if (l.last.len > 0) {
            fo_str_clear(&from);
            fo_str_add(&from, fo_str_z(&l.last));
            what.start_after = fo_str_z(&from);
        }
        rc = FO_BELOW(r, list)(FO_SELF(r), &what, listed, &l, &l.trial.why);
    } while (fo_str_ok(&l.last) && fo_str_ok(&from) && fo_retrying_again(&l.trial, rc));
    fo_str_done(&l.last);
    return fo_retrying_end(&l.trial, rc, err);
}
