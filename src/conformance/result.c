/* Reads any Arrow stream as texts. It trusts nothing: every batch is validated before a cell is looked at. */
#include "conformance/result.h"

#include <assert.h>
#include <inttypes.h>
#include <nanoarrow/nanoarrow.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "finops/sys/plugin.h"

#define DAY_US INT64_C(86400000000)

typedef struct reader {
    struct ArrowArrayStream *stream;
    struct ArrowSchema schema;
    struct ArrowArrayView view;
    struct ArrowArray batch;
} reader;

static bool render(fo_str *out, const struct ArrowArrayView *view, const struct ArrowSchema *schema,
                   int64_t row, bool json);

void
fo_result_done(fo_result *result)
{
    fo_strv_done(&result->names);
    fo_strv_done(&result->formats);
    fo_strv_done(&result->cells);
    *result = (fo_result){ 0 };
}

const char *
fo_result_cell(const fo_result *result, size_t row, size_t column)
{
    if (row >= result->n_rows || column >= result->n_columns)
        return NULL;
    return result->cells.items[row * result->n_columns + column];
}

static void
reader_done(reader *r)
{
    if (r->batch.release)
        ArrowArrayRelease(&r->batch);
    ArrowArrayViewReset(&r->view);
    if (r->schema.release)
        ArrowSchemaRelease(&r->schema);
    if (r->stream->release)
        r->stream->release(r->stream);
}

/* ---- rendering ---- */

static void
quoted(fo_str *out, const char *text, size_t n, bool json)
{
    if (json)
        fo_str_add_json(out, text, n);
    else
        fo_str_addn(out, text, n);
}

static void
render_time(fo_str *out, int64_t value, enum ArrowTimeUnit unit, bool zone, bool json)
{
    static const int64_t per_second[] = { 1, 1000, 1000000, 1000000000 };
    int64_t per = per_second[unit], seconds = value / per, rest = value % per;
    char text[FO_TIME_TEXT], all[64];

    if (rest < 0) {
        rest += per;
        seconds--;
    }
    if (seconds < INT64_MIN / 1000000 || seconds > INT64_MAX / 1000000) {
        fo_str_addf(out, "%" PRId64 " (beyond any calendar)", value);
        return;
    }
    (void)fo_time_format(seconds * 1000000, text);
    text[strcspn(text, "Z")] = '\0';
    (void)snprintf(all, sizeof(all), "%s.%09" PRId64 "%s", text, rest * (1000000000 / per), zone ? "Z" : "");
    quoted(out, all, strlen(all), json);
}

static void
render_date(fo_str *out, int64_t days, bool json)
{
    char text[FO_TIME_TEXT];

    if (days < INT64_MIN / DAY_US || days > INT64_MAX / DAY_US) {
        fo_str_addf(out, "day %" PRId64, days);
        return;
    }
    (void)fo_time_format(days * DAY_US, text);
    quoted(out, text, strcspn(text, "T"), json);
}

static bool
render_decimal(fo_str *out, const struct ArrowArrayView *view, const struct ArrowSchemaView *type,
               int64_t row)
{
    struct ArrowDecimal decimal;
    struct ArrowBuffer buffer;
    bool ok;

    ArrowDecimalInit(&decimal, type->decimal_bitwidth, type->decimal_precision, type->decimal_scale);
    ArrowBufferInit(&buffer);
    ArrowArrayViewGetDecimalUnsafe(view, row, &decimal);
    ok = ArrowDecimalAppendStringToBuffer(&decimal, &buffer) == NANOARROW_OK;
    if (ok)
        fo_str_addn(out, (const char *)buffer.data, (size_t)buffer.size_bytes);
    ArrowBufferReset(&buffer);
    return ok;
}

static void
render_bytes(fo_str *out, struct ArrowBufferView bytes, bool json)
{
    if (json)
        fo_str_addc(out, '"');
    for (int64_t i = 0; i < bytes.size_bytes; i++)
        fo_str_addf(out, "%02x", bytes.data.as_uint8[i]);
    if (json)
        fo_str_addc(out, '"');
}

static bool
render_map(fo_str *out, const struct ArrowArrayView *view, const struct ArrowSchema *schema, int64_t row)
{
    const struct ArrowArrayView *entries = view->children[0];
    const struct ArrowSchema *types = schema->children[0];
    int64_t from = ArrowArrayViewListChildOffset(view, row + view->offset);
    int64_t to = ArrowArrayViewListChildOffset(view, row + view->offset + 1);
    bool ok = true;

    fo_str_addc(out, '{');
    for (int64_t i = from; ok && i < to; i++) {
        int64_t at = i + entries->offset;

        fo_str_add(out, i > from ? "," : "");
        ok = render(out, entries->children[0], types->children[0], at, true);
        fo_str_addc(out, ':');
        ok = ok && render(out, entries->children[1], types->children[1], at, true);
    }
    fo_str_addc(out, '}');
    return ok;
}

static bool
render_struct(fo_str *out, const struct ArrowArrayView *view, const struct ArrowSchema *schema, int64_t row)
{
    bool ok = true;

    fo_str_addc(out, '{');
    for (int64_t i = 0; ok && i < view->n_children; i++) {
        const char *name = schema->children[i]->name ? schema->children[i]->name : "";

        fo_str_add(out, i ? "," : "");
        quoted(out, name, strlen(name), true);
        fo_str_addc(out, ':');
        ok = render(out, view->children[i], schema->children[i], row + view->offset, true);
    }
    fo_str_addc(out, '}');
    return ok;
}

static bool
render_list(fo_str *out, const struct ArrowArrayView *view, const struct ArrowSchema *schema, int64_t row)
{
    int64_t size = view->layout.child_size_elements, from, to;
    bool ok = true;

    if (view->storage_type == NANOARROW_TYPE_FIXED_SIZE_LIST) {
        from = (row + view->offset) * size;
        to = from + size;
    } else {
        from = ArrowArrayViewListChildOffset(view, row + view->offset);
        to = ArrowArrayViewListChildOffset(view, row + view->offset + 1);
    }
    fo_str_addc(out, '[');
    for (int64_t i = from; ok && i < to; i++) {
        fo_str_add(out, i > from ? "," : "");
        ok = render(out, view->children[0], schema->children[0], i, true);
    }
    fo_str_addc(out, ']');
    return ok;
}

static bool
render_scalar(fo_str *out, const struct ArrowArrayView *view, const struct ArrowSchemaView *type, int64_t row,
              bool json)
{
    struct ArrowStringView text;

    switch (type->type) {
    case NANOARROW_TYPE_BOOL:
        fo_str_add(out, ArrowArrayViewGetIntUnsafe(view, row) ? "true" : "false");
        return true;
    case NANOARROW_TYPE_UINT64:
        fo_str_addf(out, "%" PRIu64, ArrowArrayViewGetUIntUnsafe(view, row));
        return true;
    case NANOARROW_TYPE_FLOAT:
    case NANOARROW_TYPE_HALF_FLOAT:
    case NANOARROW_TYPE_DOUBLE:
        fo_str_addf(out, "%.17g", ArrowArrayViewGetDoubleUnsafe(view, row));
        return true;
    case NANOARROW_TYPE_DATE32:
        render_date(out, ArrowArrayViewGetIntUnsafe(view, row), json);
        return true;
    case NANOARROW_TYPE_DATE64:
        render_date(out, ArrowArrayViewGetIntUnsafe(view, row) / 86400000, json);
        return true;
    case NANOARROW_TYPE_TIMESTAMP:
        render_time(out, ArrowArrayViewGetIntUnsafe(view, row), type->time_unit, type->timezone[0], json);
        return true;
    case NANOARROW_TYPE_DECIMAL32:
    case NANOARROW_TYPE_DECIMAL64:
    case NANOARROW_TYPE_DECIMAL128:
    case NANOARROW_TYPE_DECIMAL256:
        return render_decimal(out, view, type, row);
    case NANOARROW_TYPE_STRING:
    case NANOARROW_TYPE_LARGE_STRING:
    case NANOARROW_TYPE_STRING_VIEW:
        text = ArrowArrayViewGetStringUnsafe(view, row);
        quoted(out, text.data, (size_t)text.size_bytes, json);
        return true;
    case NANOARROW_TYPE_BINARY:
    case NANOARROW_TYPE_LARGE_BINARY:
    case NANOARROW_TYPE_BINARY_VIEW:
    case NANOARROW_TYPE_FIXED_SIZE_BINARY:
        render_bytes(out, ArrowArrayViewGetBytesUnsafe(view, row), json);
        return true;
    default:
        fo_str_addf(out, "%" PRId64, ArrowArrayViewGetIntUnsafe(view, row));
        return type->type != NANOARROW_TYPE_INTERVAL_MONTH_DAY_NANO &&
               type->type != NANOARROW_TYPE_INTERVAL_DAY_TIME;
    }
}

/* False: a type that cannot be shown. Row counts from the view's offset. */
static bool
render(fo_str *out, const struct ArrowArrayView *view, const struct ArrowSchema *schema, int64_t row,
       bool json)
{
    struct ArrowSchemaView type;

    if (ArrowSchemaViewInit(&type, schema, NULL) != NANOARROW_OK)
        return false;
    if (ArrowArrayViewIsNull(view, row)) {
        fo_str_add(out, "null");
        return true;
    }
    if (schema->dictionary)
        return render(out, view->dictionary, schema->dictionary, ArrowArrayViewGetIntUnsafe(view, row), json);
    switch (type.type) {
    case NANOARROW_TYPE_MAP:
        return render_map(out, view, schema, row);
    case NANOARROW_TYPE_STRUCT:
        return render_struct(out, view, schema, row);
    case NANOARROW_TYPE_LIST:
    case NANOARROW_TYPE_LARGE_LIST:
    case NANOARROW_TYPE_FIXED_SIZE_LIST:
        return render_list(out, view, schema, row);
    default:
        return render_scalar(out, view, &type, row, json);
    }
}

/* ---- reading ---- */

static finops_code
stream_failed(struct ArrowArrayStream *stream, int errnum, finops_error **err)
{
    const char *text = stream->get_last_error ? stream->get_last_error(stream) : NULL;

    return fo_error_set(err, finops_stream_code(errnum), "%s",
                        text && *text ? text : "the stream gave no reason");
}

static finops_code
reader_open(reader *r, struct ArrowArrayStream *stream, finops_error **err)
{
    int errnum;

    *r = (reader){ .stream = stream };
    errnum = stream->get_schema(stream, &r->schema);
    if (errnum)
        return stream_failed(stream, errnum, err);
    if (ArrowArrayViewInitFromSchema(&r->view, &r->schema, NULL) != NANOARROW_OK)
        return fo_error_set(err, FINOPS_E_CORRUPT, "the result's schema breaks the Arrow format");
    return FINOPS_OK;
}

/* *ret_end at the end of the stream. */
static finops_code
reader_next(reader *r, bool *ret_end, finops_error **err)
{
    struct ArrowError why = { 0 };
    int errnum;

    if (r->batch.release)
        ArrowArrayRelease(&r->batch);
    errnum = r->stream->get_next(r->stream, &r->batch);
    if (errnum) {
        r->batch.release = NULL;
        return stream_failed(r->stream, errnum, err);
    }
    *ret_end = !r->batch.release;
    if (*ret_end)
        return FINOPS_OK;
    if (ArrowArrayViewSetArray(&r->view, &r->batch, &why) != NANOARROW_OK ||
        ArrowArrayViewValidate(&r->view, NANOARROW_VALIDATION_LEVEL_FULL, &why) != NANOARROW_OK)
        return fo_error_set(err, FINOPS_E_CORRUPT, "a batch breaks the Arrow format: %s", why.message);
    return FINOPS_OK;
}

static bool
add_names(const struct ArrowSchema *schema, fo_result *ret)
{
    ret->n_columns = (size_t)schema->n_children;
    for (int64_t i = 0; i < schema->n_children; i++) {
        const struct ArrowSchema *child = schema->children[i];

        if (!fo_strv_add(&ret->names, child->name ? child->name : "") ||
            !fo_strv_add(&ret->formats, child->format))
            return false;
    }
    return true;
}

static finops_code
add_cell(const reader *r, int64_t row, int64_t column, fo_result *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    const struct ArrowArrayView *view = r->view.children[column];
    char *owned = NULL;

    row += r->view.offset;
    if (!fo_grow((void **)&ret->cells.items, &ret->cells.cap, ret->cells.n + 1, sizeof(char *)))
        return fo_error_oom(err);
    if (!ArrowArrayViewIsNull(view, row)) {
        if (!render(&text, view, r->schema.children[column], row, false))
            return fo_error_set(err, FINOPS_E_UNSUPPORTED, "column %s has a type the suite cannot read: %s",
                                ret->names.items[column], ret->formats.items[column]);
        owned = fo_str_take(&text);
        if (!owned)
            return fo_error_oom(err);
    }
    ret->cells.items[ret->cells.n++] = owned;
    return FINOPS_OK;
}

static finops_code
collect(reader *r, fo_result *ret, finops_error **err)
{
    bool end = false;
    finops_code rc = FINOPS_OK;

    if (!add_names(&r->schema, ret))
        return fo_error_oom(err);
    while (rc == FINOPS_OK) {
        rc = reader_next(r, &end, err);
        if (rc != FINOPS_OK || end)
            break;
        ret->n_batches++;
        for (int64_t row = 0; rc == FINOPS_OK && row < r->batch.length; row++) {
            for (int64_t i = 0; rc == FINOPS_OK && i < r->schema.n_children; i++)
                rc = add_cell(r, row, i, ret, err);
            ret->n_rows++;
        }
    }
    return rc;
}

finops_code
fo_result_read(struct ArrowArrayStream *stream, fo_result *ret, finops_error **err)
{
    FO_AUTO(reader_done) reader r = { .stream = stream };
    FO_AUTO(fo_result_done) fo_result all = { 0 };
    finops_code rc;

    rc = reader_open(&r, stream, err);
    if (rc == FINOPS_OK)
        rc = collect(&r, &all, err);
    if (rc == FINOPS_OK) {
        *ret = all;
        all = (fo_result){ 0 };
    }
    return rc;
}

finops_code
fo_result_count(struct ArrowArrayStream *stream, int64_t *ret_rows, finops_error **err)
{
    FO_AUTO(reader_done) reader r = { .stream = stream };
    int64_t rows = 0;
    bool end = false;
    finops_code rc;

    rc = reader_open(&r, stream, err);
    while (rc == FINOPS_OK) {
        rc = reader_next(&r, &end, err);
        if (rc != FINOPS_OK || end)
            break;
        rows += r.batch.length;
    }
    if (rc == FINOPS_OK)
        *ret_rows = rows;
    return rc;
}
