/*
 * Streams with other types: what a driver or a table cannot take is made what it can, and results that are
 * asked for as text become it.
 */
#include <errno.h>
#include <math.h>
#include <nanoarrow/nanoarrow.h>
#include <stdio.h>
#include <string.h>

#include "database/adbc/adbc_internal.h"

typedef struct converter {
    struct ArrowArrayStream from;
    struct ArrowSchema schema; /* of `from` */
    adbc_target *targets;
    adbc_feed *feed;
    fo_str text; /* of one value */
    char error[256];
} converter;

static const char json_extension[] = "arrow.json";

static enum ArrowType
type_of(adbc_target target)
{
    switch (target) {
    case ADBC_INT64:
        return NANOARROW_TYPE_INT64;
    case ADBC_INT32:
        return NANOARROW_TYPE_INT32;
    case ADBC_INT16:
        return NANOARROW_TYPE_INT16;
    case ADBC_DOUBLE:
        return NANOARROW_TYPE_DOUBLE;
    case ADBC_DATE:
        return NANOARROW_TYPE_DATE32;
    case ADBC_DECIMAL:
        return NANOARROW_TYPE_DECIMAL128;
    default:
        return NANOARROW_TYPE_STRING;
    }
}

static int
set_type(struct ArrowSchema *schema, adbc_target target)
{
    if (target == ADBC_DECIMAL)
        return ArrowSchemaSetTypeDecimal(schema, NANOARROW_TYPE_DECIMAL128, 38, 0);
    return ArrowSchemaSetType(schema, type_of(target));
}

/* ---- one value ---- */

static int
append_text(converter *v, struct ArrowArray *to, const struct ArrowSchema *schema, const struct ArrowArray *a,
            int64_t row, bool json)
{
    fo_str_clear(&v->text);
    fo_adbc_print(&v->text, schema, a, row, json);
    if (!fo_str_ok(&v->text))
        return ENOMEM;
    return ArrowArrayAppendString(to, (struct ArrowStringView){ fo_str_z(&v->text), (int64_t)v->text.len });
}

static int
append_number(struct ArrowArray *to, adbc_target target, const struct ArrowSchema *schema,
              const struct ArrowArray *a, int64_t row)
{
    int64_t k = a->offset + row;
    char f = schema->format[0];
    const void *values = a->buffers[1];

    if (target == ADBC_DATE) { /* from milliseconds */
        int64_t ms = ((const int64_t *)values)[k];
        return ArrowArrayAppendInt(to, ms / 86400000 - (ms % 86400000 < 0));
    }
    if (target == ADBC_DOUBLE && f == 'f')
        return ArrowArrayAppendDouble(to, (double)((const float *)values)[k]);
    if (target == ADBC_DOUBLE && f == 'g')
        return ArrowArrayAppendDouble(to, ((const double *)values)[k]);
    if (target == ADBC_DOUBLE)
        return ArrowArrayAppendDouble(to, (double)fo_adbc_integer(f, values, k));
    if (f == 'L')
        return ArrowArrayAppendUInt(to, ((const uint64_t *)values)[k]);
    return ArrowArrayAppendInt(to, fo_adbc_integer(f, values, k));
}

static int
append_decimal(converter *v, struct ArrowArray *to, const struct ArrowSchema *schema,
               const struct ArrowArray *a, int64_t row)
{
    struct ArrowDecimal value;
    int rc;

    ArrowDecimalInit(&value, 128, 38, 0);
    fo_str_clear(&v->text);
    fo_adbc_print(&v->text, schema, a, row, false);
    if (!fo_str_ok(&v->text))
        return ENOMEM;
    rc = ArrowDecimalSetDigits(&value, ArrowCharView(fo_str_z(&v->text)));
    return rc == 0 ? ArrowArrayAppendDecimal(to, &value) : rc;
}

static int
append(converter *v, adbc_target target, struct ArrowArray *to, const struct ArrowSchema *schema,
       const struct ArrowArray *a, int64_t row)
{
    if (fo_adbc_is_null(a, row))
        return ArrowArrayAppendNull(to, 1);
    if (schema->dictionary)
        return append(v, target, to, schema->dictionary, a->dictionary,
                      fo_adbc_integer(schema->format[0], a->buffers[1], a->offset + row));
    if (target == ADBC_TEXT || target == ADBC_JSON)
        return append_text(v, to, schema, a, row, target == ADBC_JSON && schema->format[0] == '+');
    if (target == ADBC_DECIMAL)
        return append_decimal(v, to, schema, a, row);
    return append_number(to, target, schema, a, row);
}

/* ---- one batch ---- */

/* The child as it is, but seen from the batch's first row. */
static void
keep_child(struct ArrowArray *batch, int64_t i, struct ArrowArray *to)
{
    struct ArrowArray *child = batch->children[i];

    ArrowArrayMove(child, to);
    if (batch->offset || to->length != batch->length) {
        to->offset += batch->offset;
        to->length = batch->length;
        to->null_count = to->n_buffers > 0 && to->buffers[0] ? -1 : 0; /* of a slice: unknown */
    }
}

static int
array_init(struct ArrowArray *to, adbc_target target)
{
    struct ArrowSchema schema = { 0 };
    int rc;

    ArrowSchemaInit(&schema);
    rc = set_type(&schema, target);
    if (rc == 0)
        rc = ArrowArrayInitFromSchema(to, &schema, NULL);
    if (schema.release)
        schema.release(&schema);
    return rc == 0 ? ArrowArrayStartAppending(to) : rc;
}

/* SQLite makes NULL of NaN. */
static bool
has_nan(converter *v, const struct ArrowArray *batch, int64_t i)
{
    const struct ArrowArray *a = batch->children[i];
    bool single = v->schema.children[i]->format[0] == 'f';

    for (int64_t row = batch->offset; row < batch->offset + batch->length; row++) {
        int64_t k = a->offset + row;
        if (fo_adbc_is_null(a, row) ||
            !(single ? isnan(((const float *)a->buffers[1])[k]) : isnan(((const double *)a->buffers[1])[k])))
            continue;
        (void)snprintf(v->error, sizeof(v->error), "column %s: the database has no NaN",
                       v->schema.children[i]->name);
        return true;
    }
    return false;
}

static int
convert_child(converter *v, struct ArrowArray *batch, int64_t i, struct ArrowArray *to)
{
    adbc_target target = v->targets ? v->targets[i] : ADBC_TEXT;
    int rc;

    if (target == ADBC_NUMBERS && has_nan(v, batch, i))
        return EDOM;
    if (target == ADBC_KEEP || target == ADBC_NUMBERS) {
        keep_child(batch, i, to);
        return 0;
    }
    rc = array_init(to, target);
    for (int64_t row = 0; row < batch->length && rc == 0; row++)
        rc = append(v, target, to, v->schema.children[i], batch->children[i], batch->offset + row);
    if (rc == 0)
        rc = ArrowArrayFinishBuildingDefault(to, NULL);
    if (rc == EINVAL)
        (void)snprintf(v->error, sizeof(v->error), "column %s: a number is too large for its column",
                       v->schema.children[i]->name);
    return rc;
}

static int
convert_batch(converter *v, struct ArrowArray *batch, struct ArrowArray *ret)
{
    struct ArrowArray out = { 0 };
    int rc = ArrowArrayInitFromType(&out, NANOARROW_TYPE_STRUCT);

    if (rc == 0)
        rc = ArrowArrayAllocateChildren(&out, batch->n_children);
    for (int64_t i = 0; i < batch->n_children && rc == 0; i++)
        rc = convert_child(v, batch, i, out.children[i]);
    if (rc != 0) {
        if (out.release)
            out.release(&out);
        return rc;
    }
    out.length = batch->length;
    ArrowArrayMove(&out, ret);
    return 0;
}

/* ---- the stream ---- */

static int
convert_schema(converter *v, struct ArrowSchema *ret)
{
    struct ArrowSchema out = { 0 };
    int rc = ArrowSchemaDeepCopy(&v->schema, &out);

    for (int64_t i = 0; i < v->schema.n_children && rc == 0; i++) {
        adbc_target target = v->targets ? v->targets[i] : ADBC_TEXT;
        struct ArrowBuffer metadata;
        if (target == ADBC_KEEP || target == ADBC_NUMBERS)
            continue;
        out.children[i]->release(out.children[i]);
        ArrowSchemaInit(out.children[i]);
        rc = set_type(out.children[i], target);
        if (rc == 0)
            rc = ArrowSchemaSetName(out.children[i], v->schema.children[i]->name);
        if (rc != 0 || target != ADBC_JSON)
            continue;
        rc = ArrowMetadataBuilderInit(&metadata, NULL);
        if (rc == 0)
            rc = ArrowMetadataBuilderAppend(&metadata, ArrowCharView("ARROW:extension:name"),
                                            ArrowCharView(json_extension));
        if (rc == 0)
            rc = ArrowSchemaSetMetadata(out.children[i], (const char *)metadata.data);
        ArrowBufferReset(&metadata);
    }
    if (rc == 0)
        ArrowSchemaMove(&out, ret);
    else if (out.release)
        out.release(&out);
    return rc;
}

static int
converter_get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *ret)
{
    return convert_schema(stream->private_data, ret);
}

/* Remembers why the rows end, for whoever hears of it only through a driver. */
static int
converter_failed(converter *v, finops_code code, const char *why)
{
    if (why)
        (void)snprintf(v->error, sizeof(v->error), "%s", why);
    if (v->feed) {
        v->feed->failed = code;
        (void)snprintf(v->feed->error, sizeof(v->feed->error), "%s", v->error);
    }
    return finops_stream_errno(code);
}

static int
converter_get_next(struct ArrowArrayStream *stream, struct ArrowArray *ret)
{
    converter *v = stream->private_data;
    struct ArrowArray batch = { 0 };
    finops_code over = v->feed ? fo_adbc_call_check(v->feed->c) : FINOPS_OK;
    int rc;

    if (over != FINOPS_OK)
        return converter_failed(v, over, over == FINOPS_E_TIMEOUT ? "the deadline passed" : "cancelled");
    rc = v->from.get_next(&v->from, &batch);
    if (rc) {
        const char *why = v->from.get_last_error(&v->from);
        return converter_failed(v, finops_stream_code(rc), why ? why : "no reason given");
    }
    *ret = (struct ArrowArray){ 0 };
    if (!batch.release)
        return 0;
    rc = convert_batch(v, &batch, ret);
    if (rc == 0 && v->feed) {
        const finops_call *call = &v->feed->c->call.call;
        v->feed->rows += batch.length;
        if (call->progress)
            call->progress(-1, v->feed->rows, call->arg);
    }
    if (batch.release)
        batch.release(&batch);
    if (rc == ENOMEM)
        return converter_failed(v, FINOPS_E_MEMORY, "out of memory");
    if (rc == EDOM)
        return converter_failed(v, FINOPS_E_UNSUPPORTED, NULL);
    return rc ? converter_failed(v, FINOPS_E_DATA, NULL) : 0;
}

static const char *
converter_get_last_error(struct ArrowArrayStream *stream)
{
    converter *v = stream->private_data;

    return v->error[0] ? v->error : NULL;
}

static void
converter_free(converter *v)
{
    if (v->from.release)
        v->from.release(&v->from);
    if (v->schema.release)
        v->schema.release(&v->schema);
    fo_str_done(&v->text);
    fo_free(v->targets);
    fo_free(v);
}

static void
converter_release(struct ArrowArrayStream *stream)
{
    converter_free(stream->private_data);
    stream->release = NULL;
}

/* What is to be text must be of a type that has one here: the bytes of another would be taken for it. */
static finops_code
all_printable(const converter *v, finops_error **err)
{
    for (int64_t i = 0; i < v->schema.n_children; i++)
        if (!fo_adbc_printable(v->schema.children[i]))
            return fo_error_set(
                err, FINOPS_E_UNSUPPORTED,
                "column %s has the arrow type %s, which has no text here; cast it in the query",
                v->schema.children[i]->name, v->schema.children[i]->format);
    return FINOPS_OK;
}

finops_code
fo_adbc_convert(struct ArrowArrayStream *from, adbc_target *targets, adbc_feed *feed,
                struct ArrowArrayStream *ret, finops_error **err)
{
    converter *v = fo_zalloc(sizeof(*v));
    const char *why;
    int rc;

    if (!v) {
        from->release(from);
        fo_free(targets);
        return fo_error_oom(err);
    }
    *v = (converter){ .from = *from, .targets = targets, .feed = feed, .text = FO_STR_MAX((size_t)1 << 30) };
    from->release = NULL;
    rc = v->from.get_schema(&v->from, &v->schema);
    if (rc) {
        why = v->from.get_last_error(&v->from);
        fo_error_set(err, finops_stream_code(rc), "%s", why ? why : "a stream without schema");
        converter_free(v);
        return finops_stream_code(rc);
    }
    if (!targets && all_printable(v, err) != FINOPS_OK) {
        converter_free(v);
        return FINOPS_E_UNSUPPORTED;
    }
    *ret = (struct ArrowArrayStream){ .get_schema = converter_get_schema,
                                      .get_next = converter_get_next,
                                      .get_last_error = converter_get_last_error,
                                      .release = converter_release,
                                      .private_data = v };
    return FINOPS_OK;
}
