/* Rows of a batch, one after another. */
#include "database/postgresql/encode.h"

#include <assert.h>
#include <string.h>

#define FIRST_ROOM 4096
#define FIXED_A_FIELD 64 /* any value but a text: a decimal of 38 digits has 12 + 2 * 11 bytes */

bool
fo_pg_buffer_room(fo_pg_buffer *b, size_t n)
{
    assert(b);
    if (b->cap - b->len >= n)
        return true;
    return fo_grow((void **)&b->data, &b->cap, b->len + n, 1);
}

void
fo_pg_encoder_done(fo_pg_encoder *e)
{
    if (e->batch.release)
        e->batch.release(&e->batch);
    ArrowArrayViewReset(&e->view);
    fo_pg_source_done(&e->source);
    fo_free(e->fields);
    fo_free(e->out.data);
    *e = (fo_pg_encoder){ 0 };
}

finops_code
fo_pg_encoder_init(fo_pg_encoder *e, const struct ArrowSchema *schema, finops_error **err)
{
    struct ArrowError why;
    finops_code rc;

    assert(e && schema);
    *e = (fo_pg_encoder){ 0 };
    rc = fo_pg_source_init(&e->source, schema, err);
    if (rc != FINOPS_OK)
        return rc;
    if (e->source.type != NANOARROW_TYPE_STRUCT || e->source.n_children == 0)
        return fo_error_set(err, FINOPS_E_DATA, "the rows have no columns");
    if (e->source.n_children > 1600)
        return fo_error_set(err, FINOPS_E_DATA, "%zu columns, PostgreSQL takes 1600", e->source.n_children);
    if (ArrowArrayViewInitFromSchema(&e->view, schema, &why) != NANOARROW_OK)
        return fo_error_set(err, FINOPS_E_DATA, "a column has a type that cannot be written: %s",
                            why.message);
    e->n = e->source.n_children;
    e->fixed = e->n * FIXED_A_FIELD;
    e->fields = fo_array(e->n, sizeof(*e->fields));
    return e->fields ? FINOPS_OK : fo_error_oom(err);
}

finops_code
fo_pg_encoder_map(fo_pg_encoder *e, const fo_pg_columns_list *columns, finops_error **err)
{
    for (size_t i = 0; i < e->n; i++) {
        const fo_pg_source *source = &e->source.children[i];
        const fo_pg_column *column = NULL;
        finops_code rc;

        for (size_t k = 0; k < columns->n && !column; k++)
            if (fo_streq(columns->items[k].name, source->name))
                column = &columns->items[k];
        if (!column)
            return fo_error_set(err, FINOPS_E_DATA, "the table has no column %s", source->name);
        rc = fo_pg_field_init(&e->fields[i], source, column, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    return FINOPS_OK;
}

/* Signature, no flags, no extension. */
finops_code
fo_pg_encoder_header(fo_pg_encoder *e, finops_error **err)
{
    static const char signature[11] = "PGCOPY\n\377\r\n"; /* with its NUL */

    if (!fo_pg_buffer_room(&e->out, FIRST_ROOM))
        return fo_error_oom(err);
    memcpy(e->out.data + e->out.len, signature, sizeof(signature));
    e->out.len += sizeof(signature);
    fo_pg_put32(&e->out, 0);
    fo_pg_put32(&e->out, 0);
    return FINOPS_OK;
}

finops_code
fo_pg_encoder_trailer(fo_pg_encoder *e, finops_error **err)
{
    if (!fo_pg_buffer_room(&e->out, 2))
        return fo_error_oom(err);
    fo_pg_put16(&e->out, UINT16_MAX);
    return FINOPS_OK;
}

/* One look at all texts of the batch, as they lie one behind another, instead of one at each. */
static bool
has_nul(const struct ArrowArrayView *view)
{
    const int32_t *offsets = view->buffer_views[1].data.as_int32 + view->offset;
    const size_t n = (size_t)(offsets[view->length] - offsets[0]);

    return n > 0 && memchr(view->buffer_views[2].data.as_char + offsets[0], '\0', n) != NULL;
}

static void
bind_field(fo_pg_field *f, const struct ArrowArrayView *view)
{
    f->view = view;
    f->offset = view->offset;
    f->validity = view->null_count == 0 ? NULL : view->buffer_views[0].data.as_uint8;
    f->values = view->buffer_views[1].data.data;
    f->data = view->buffer_views[2].data.as_char;
    f->has_nul = f->source->type != NANOARROW_TYPE_STRING || f->source->dictionary || view->length == 0 ||
                 has_nul(view);
    if (f->source->type == NANOARROW_TYPE_NA)
        f->validity = NULL; /* its only buffer is none; every value is NULL */
}

finops_code
fo_pg_encoder_batch(fo_pg_encoder *e, struct ArrowArray *batch, finops_error **err)
{
    struct ArrowError why;

    assert(e && batch && batch->release);
    if (e->batch.release) {
        e->before += e->batch.length;
        e->batch.release(&e->batch);
    }
    ArrowArrayMove(batch, &e->batch);
    e->next = 0;
    if (ArrowArrayViewSetArray(&e->view, &e->batch, &why) != NANOARROW_OK)
        return fo_error_set(err, FINOPS_E_DATA, "rows that break the Arrow format: %s", why.message);
    for (size_t i = 0; i < e->n; i++)
        bind_field(&e->fields[i], e->view.children[i]);
    return FINOPS_OK;
}

static bool
is_null(const fo_pg_field *f, int64_t i)
{
    i += f->offset;
    return f->validity && !(f->validity[i / 8] >> (i % 8) & 1);
}

static finops_code
encode_row(fo_pg_encoder *e, int64_t i, finops_error **err)
{
    if (!fo_pg_buffer_room(&e->out, e->fixed + 2))
        return fo_error_oom(err);
    fo_pg_put16(&e->out, (uint16_t)e->n);
    for (size_t k = 0; k < e->n; k++) {
        const fo_pg_field *f = &e->fields[k];
        finops_code rc;

        if (is_null(f, i)) {
            fo_pg_put32(&e->out, UINT32_MAX);
            continue;
        }
        rc = f->put(e, f, i, err);
        if (rc != FINOPS_OK)
            return rc == FINOPS_E_MEMORY ? rc
                                         : fo_error_wrap(err, rc, "column %s, row %lld", f->source->name,
                                                         (long long)(e->before + e->next + 1));
    }
    return FINOPS_OK;
}

finops_code
fo_pg_encoder_rows(fo_pg_encoder *e, size_t limit, bool *ret_more, finops_error **err)
{
    while (e->next < e->batch.length && e->out.len < limit) {
        finops_code rc = encode_row(e, e->batch.offset + e->next, err);

        if (rc != FINOPS_OK)
            return rc;
        e->next++;
    }
    *ret_more = e->next < e->batch.length;
    return FINOPS_OK;
}
