/* Checksums of the rows of a stream. */
#include "billing/migrate_verify.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <nanoarrow/nanoarrow.h>

#include "base/mem.h"
#include "billing/migrate_cell.h"
#include "engine/engine.h"

void
fo_check_done(fo_check *check)
{
    for (size_t i = 0; i < check->n; i++) {
        fo_free(check->columns[i].name);
        fo_cell_free(check->columns[i].cell);
    }
    fo_free(check->columns);
    fo_free(check->hashes);
    fo_strv_done(&check->json);
    fo_strv_done(&check->amounts);
    *check = (fo_check){ 0 };
}

static finops_code
check_columns(fo_check *check, const struct ArrowSchema *schema, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    check->columns = fo_array((size_t)schema->n_children + 1, sizeof(*check->columns));
    if (!check->columns)
        return fo_error_oom(err);
    for (int64_t i = 0; rc == FINOPS_OK && i < schema->n_children; i++) {
        const char *name = schema->children[i]->name ? schema->children[i]->name : "";
        fo_check_column *c = &check->columns[check->n++];

        c->name = fo_strdup(name);
        rc = c->name ? fo_cell_make(schema->children[i], &c->cell, err) : fo_error_oom(err);
        if (rc != FINOPS_OK)
            break;
        c->decimal = c->cell->type == NANOARROW_TYPE_DECIMAL128;
        c->scale = c->cell->scale;
        c->cell->json = fo_strv_has(&check->json, name);
        c->cell->amounts = fo_strv_has(&check->amounts, name);
    }
    return rc;
}

static finops_code
column_pass(fo_check *check, size_t at, const struct ArrowArrayView *view, finops_error **err)
{
    fo_check_column *c = &check->columns[at];
    finops_code rc = FINOPS_OK;
    uint64_t h = 0;

    for (int64_t i = 0; rc == FINOPS_OK && i < view->length; i++) {
        rc = fo_cell_hash(c->cell, view, i, &h, err);
        c->sum += h;
        check->hashes[i] = fo_hash_mix(check->hashes[i] + at, h);
        if (c->decimal && !ArrowArrayViewIsNull(view, i))
            (void)__builtin_add_overflow(c->total, fo_cell_decimal(view, i), &c->total);
    }
    return rc == FINOPS_OK ? rc : fo_error_wrap(err, rc, "column %s", c->name);
}

static finops_code
batch_pass(fo_check *check, struct ArrowArrayView *view, finops_error **err)
{
    size_t n = (size_t)view->length;
    void *hashes = check->hashes;
    finops_code rc = FINOPS_OK;

    if (view->offset != 0) /* a struct's children know nothing of its offset */
        return fo_error_set(err, FINOPS_E_INTERNAL, "a batch begins at row %" PRId64, view->offset);
    if (!fo_grow(&hashes, &check->cap, n + 1, sizeof(*check->hashes)))
        return fo_error_oom(err);
    check->hashes = hashes;
    memset(check->hashes, 0, n * sizeof(*check->hashes));
    for (size_t i = 0; rc == FINOPS_OK && i < check->n; i++)
        rc = column_pass(check, i, view->children[i], err);
    for (size_t i = 0; i < n; i++)
        check->whole += check->hashes[i];
    check->rows += view->length;
    if (rc == FINOPS_OK && check->passed)
        check->passed(check->rows, check->arg);
    return rc;
}

/* The stream as it is wrapped. */
typedef struct tee {
    struct ArrowArrayStream inner;
    struct ArrowArrayView view;
    fo_check *check; /* borrowed */
    finops_error *error;
} tee;

static int
tee_schema(struct ArrowArrayStream *self, struct ArrowSchema *out)
{
    tee *t = self->private_data;

    return t->inner.get_schema(&t->inner, out);
}

static int
tee_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
    tee *t = self->private_data;
    struct ArrowError why = { 0 };
    int errnum;

    finops_error_freep(&t->error);
    errnum = t->inner.get_next(&t->inner, out);
    if (errnum || !out->release)
        return errnum;
    if (ArrowArrayViewSetArray(&t->view, out, &why) != NANOARROW_OK)
        (void)fo_error_set(&t->error, FINOPS_E_INTERNAL, "a batch cannot be read: %s", why.message);
    else if (batch_pass(t->check, &t->view, &t->error) == FINOPS_OK)
        return 0;
    out->release(out);
    return EINVAL;
}

static const char *
tee_error(struct ArrowArrayStream *self)
{
    tee *t = self->private_data;

    return t->error ? finops_error_text(t->error) : t->inner.get_last_error(&t->inner);
}

static void
tee_release(struct ArrowArrayStream *self)
{
    tee *t = self->private_data;

    if (t->inner.release)
        t->inner.release(&t->inner);
    ArrowArrayViewReset(&t->view);
    finops_error_freep(&t->error);
    fo_free(t);
    *self = (struct ArrowArrayStream){ 0 };
}

static finops_code
tee_begin(tee *t, finops_error **err)
{
    struct ArrowSchema schema = { 0 };
    int errnum = t->inner.get_schema(&t->inner, &schema);
    finops_code rc = errnum ? fo_stream_error(&t->inner, errnum, err) : FINOPS_OK;

    if (rc != FINOPS_OK)
        return rc;
    rc = check_columns(t->check, &schema, err);
    if (rc == FINOPS_OK && ArrowArrayViewInitFromSchema(&t->view, &schema, NULL) != NANOARROW_OK)
        rc = fo_error_oom(err);
    schema.release(&schema);
    return rc;
}

finops_code
fo_check_tee(struct ArrowArrayStream *stream, fo_check *check, finops_error **err)
{
    tee *t = fo_zalloc(sizeof(*t));

    assert(stream && stream->release && check && !check->columns);
    if (!t) {
        stream->release(stream);
        return fo_error_oom(err);
    }
    t->inner = *stream;
    t->check = check;
    *stream = (struct ArrowArrayStream){ .get_schema = tee_schema,
                                         .get_next = tee_next,
                                         .get_last_error = tee_error,
                                         .release = tee_release,
                                         .private_data = t };
    finops_code rc = tee_begin(t, err);
    if (rc != FINOPS_OK)
        stream->release(stream);
    return rc;
}

finops_code
fo_check_read(struct ArrowArrayStream *stream, fo_check *check, finops_error **err)
{
    finops_code rc = fo_check_tee(stream, check, err);

    for (bool end = rc != FINOPS_OK; !end;) {
        struct ArrowArray batch = { 0 };
        int errnum = stream->get_next(stream, &batch);

        if (errnum)
            rc = fo_stream_error(stream, errnum, err);
        end = errnum || !batch.release;
        if (!errnum && batch.release)
            batch.release(&batch);
    }
    if (stream->release)
        stream->release(stream);
    return rc;
}

size_t
fo_check_decimals(const fo_check *check)
{
    size_t n = 0;

    for (size_t i = 0; i < check->n; i++)
        n += check->columns[i].decimal;
    return n;
}

finops_code
fo_check_same(const fo_check *source, const fo_check *target, finops_error **err)
{
    if (source->rows != target->rows)
        return fo_error_set(err, FINOPS_E_DRIFT, "%" PRId64 " rows were read and %" PRId64 " are in the copy",
                            source->rows, target->rows);
    if (source->n != target->n)
        return fo_error_set(err, FINOPS_E_DRIFT, "%zu columns were read and %zu are in the copy", source->n,
                            target->n);
    for (size_t i = 0; i < source->n; i++) {
        const fo_check_column *a = &source->columns[i], *b = &target->columns[i];

        if (a->decimal && b->decimal && a->scale == b->scale && a->total != b->total)
            return fo_error_set(err, FINOPS_E_DRIFT, "the sum of column %s is another one in the copy",
                                a->name);
        if (a->sum != b->sum)
            return fo_error_set(err, FINOPS_E_DRIFT, "the values of column %s are others in the copy",
                                a->name);
    }
    if (source->whole != target->whole)
        return fo_error_set(err, FINOPS_E_DRIFT, "values are in other rows of the copy");
    return FINOPS_OK;
}
