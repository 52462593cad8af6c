/* Which way a column of a batch goes into a column of a table. */
#include <assert.h>
#include <string.h>

#include "database/postgresql/encode.h"

#define EPOCH_DAYS 10957 /* from 1970 to 2000, where PostgreSQL's times begin */
#define EPOCH_MICROS ((int64_t)EPOCH_DAYS * 86400 * 1000000)
#define DATE_MIN (-2451545 + EPOCH_DAYS) /* 4714-11-24 BC, in days since 1970 */
#define DATE_MAX (2145031948 + EPOCH_DAYS)
#define TIMESTAMP_MIN (-211813488000000000 + EPOCH_MICROS) /* the end is that of 64 bits */
#define JSONB_VERSION 1

/* Room for n bytes here and for all that is fixed behind it. */
bool
fo_pg_encoder_room(fo_pg_encoder *e, size_t n)
{
    return fo_pg_buffer_room(&e->out, n + e->fixed);
}

static finops_code
put_null(fo_pg_encoder *e)
{
    fo_pg_put32(&e->out, UINT32_MAX);
    return FINOPS_OK;
}

/* Pairs that need no value in between. Row i counts from the begin of the column's buffers. */

static finops_code
put_bool(fo_pg_encoder *e, const fo_pg_field *f, int64_t i, finops_error **err)
{
    const uint8_t *bits = f->values;

    (void)err;
    i += f->offset;
    fo_pg_put32(&e->out, 1);
    e->out.data[e->out.len++] = bits[i / 8] >> (i % 8) & 1;
    return FINOPS_OK;
}

static finops_code
put_int16(fo_pg_encoder *e, const fo_pg_field *f, int64_t i, finops_error **err)
{
    (void)err;
    fo_pg_put32(&e->out, 2);
    fo_pg_put16(&e->out, ((const uint16_t *)f->values)[i + f->offset]);
    return FINOPS_OK;
}

static finops_code
put_32(fo_pg_encoder *e, const fo_pg_field *f, int64_t i, finops_error **err)
{
    (void)err;
    fo_pg_put32(&e->out, 4);
    fo_pg_put32(&e->out, ((const uint32_t *)f->values)[i + f->offset]);
    return FINOPS_OK;
}

static finops_code
put_64(fo_pg_encoder *e, const fo_pg_field *f, int64_t i, finops_error **err)
{
    (void)err;
    fo_pg_put32(&e->out, 8);
    fo_pg_put64(&e->out, ((const uint64_t *)f->values)[i + f->offset]);
    return FINOPS_OK;
}

static finops_code
put_int32_as_64(fo_pg_encoder *e, const fo_pg_field *f, int64_t i, finops_error **err)
{
    (void)err;
    fo_pg_put32(&e->out, 8);
    fo_pg_put64(&e->out, (uint64_t)((const int32_t *)f->values)[i + f->offset]);
    return FINOPS_OK;
}

finops_code
fo_pg_put_micros(fo_pg_encoder *e, const fo_pg_field *f, int64_t v, finops_error **err)
{
    int64_t theirs;

    if (v == PG_MICROS_FOREVER)
        theirs = INT64_MAX;
    else if (v == -PG_MICROS_FOREVER)
        theirs = INT64_MIN;
    else if (v < TIMESTAMP_MIN || __builtin_sub_overflow(v, EPOCH_MICROS, &theirs))
        return fo_error_set(err, FINOPS_E_DATA, "a time is out of the range of %s", f->native);
    fo_pg_put32(&e->out, 8);
    fo_pg_put64(&e->out, (uint64_t)theirs);
    return FINOPS_OK;
}

static finops_code
put_timestamp(fo_pg_encoder *e, const fo_pg_field *f, int64_t i, finops_error **err)
{
    return fo_pg_put_micros(e, f, ((const int64_t *)f->values)[i + f->offset], err);
}

finops_code
fo_pg_put_days(fo_pg_encoder *e, const fo_pg_field *f, int64_t v, finops_error **err)
{
    int32_t theirs;

    if (v == PG_DAYS_FOREVER)
        theirs = INT32_MAX;
    else if (v == -PG_DAYS_FOREVER)
        theirs = INT32_MIN;
    else if (v < DATE_MIN || v > DATE_MAX)
        return fo_error_set(err, FINOPS_E_DATA, "a date is out of the range of %s", f->native);
    else
        theirs = (int32_t)(v - EPOCH_DAYS);
    fo_pg_put32(&e->out, 4);
    fo_pg_put32(&e->out, (uint32_t)theirs);
    return FINOPS_OK;
}

static finops_code
put_date(fo_pg_encoder *e, const fo_pg_field *f, int64_t i, finops_error **err)
{
    return fo_pg_put_days(e, f, ((const int32_t *)f->values)[i + f->offset], err);
}

static finops_code
put_decimal(fo_pg_encoder *e, const fo_pg_field *f, int64_t i, finops_error **err)
{
    fo_pg_numeric v;
    fo_pg_wide wide;

    (void)err;
    memcpy(&wide, (const char *)f->values + (size_t)(i + f->offset) * sizeof(wide), sizeof(wide));
    fo_pg_numeric_from_decimal(wide, f->source->scale, &v);
    fo_pg_numeric_put(&e->out, &v);
    return FINOPS_OK;
}

finops_code
fo_pg_put_bytes(fo_pg_encoder *e, const char *p, size_t n, finops_error **err)
{
    if (n > INT32_MAX)
        return fo_error_set(err, FINOPS_E_DATA, "a value has %zu bytes, PostgreSQL takes 1 GiB", n);
    if (!fo_pg_encoder_room(e, n + 4))
        return fo_error_oom(err);
    fo_pg_put32(&e->out, (uint32_t)n);
    if (n > 0)
        memcpy(e->out.data + e->out.len, p, n);
    e->out.len += n;
    return FINOPS_OK;
}

finops_code
fo_pg_put_characters(fo_pg_encoder *e, const char *p, size_t n, finops_error **err)
{
    if (n > 0 && memchr(p, '\0', n))
        return fo_error_set(err, FINOPS_E_DATA,
                            "a text holds a NUL character, which PostgreSQL does not keep");
    return fo_pg_put_bytes(e, p, n, err);
}

static finops_code
put_text(fo_pg_encoder *e, const fo_pg_field *f, int64_t i, finops_error **err)
{
    const int32_t *offsets = (const int32_t *)f->values + i + f->offset;

    if (!f->has_nul)
        return fo_pg_put_bytes(e, f->data + offsets[0], (size_t)(offsets[1] - offsets[0]), err);
    return fo_pg_put_characters(e, f->data + offsets[0], (size_t)(offsets[1] - offsets[0]), err);
}

finops_code
fo_pg_put_jsonb(fo_pg_encoder *e, const char *p, size_t n, finops_error **err)
{
    if (n > INT32_MAX - 1)
        return fo_error_set(err, FINOPS_E_DATA, "a value has %zu bytes, PostgreSQL takes 1 GiB", n);
    if (!fo_pg_encoder_room(e, n + 5))
        return fo_error_oom(err);
    fo_pg_put32(&e->out, (uint32_t)n + 1);
    e->out.data[e->out.len++] = JSONB_VERSION;
    if (n > 0)
        memcpy(e->out.data + e->out.len, p, n);
    e->out.len += n;
    return FINOPS_OK;
}

/* The length is known behind the text. */
static finops_code
put_nested(fo_pg_encoder *e, const fo_pg_field *f, int64_t i, finops_error **err)
{
    const size_t at = e->out.len;
    finops_code rc;
    uint32_t n;

    e->out.len += 4;
    if (f->oid == PG_JSONB)
        e->out.data[e->out.len++] = JSONB_VERSION;
    rc = fo_pg_json_add(&e->out, f->source, f->view, i, err);
    if (rc != FINOPS_OK)
        return rc;
    if (e->out.len - at - 4 > INT32_MAX)
        return fo_error_set(err, FINOPS_E_DATA, "a value has more than the 1 GiB that PostgreSQL takes");
    n = __builtin_bswap32((uint32_t)(e->out.len - at - 4));
    memcpy(e->out.data + at, &n, sizeof(n));
    return fo_pg_encoder_room(e, 0) ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
put_any(fo_pg_encoder *e, const fo_pg_field *f, int64_t i, finops_error **err)
{
    fo_pg_value v;
    finops_code rc = fo_pg_value_get(f->source, f->view, i, &v, err);

    if (rc != FINOPS_OK)
        return rc;
    return v.kind == PG_V_NULL ? put_null(e) : fo_pg_value_put(e, f, &v, err);
}

/* The usual pairs. */
static fo_pg_put
direct(const fo_pg_field *f)
{
    const fo_pg_source *s = f->source;

    if (s->dictionary)
        return NULL;
    switch (s->type) {
    case NANOARROW_TYPE_BOOL:
        return f->oid == PG_BOOL ? put_bool : NULL;
    case NANOARROW_TYPE_INT16:
        return f->oid == PG_INT2 ? put_int16 : NULL;
    case NANOARROW_TYPE_INT32:
        return f->oid == PG_INT4 ? put_32 : f->oid == PG_INT8 ? put_int32_as_64 : NULL;
    case NANOARROW_TYPE_INT64:
        return f->oid == PG_INT8 ? put_64 : NULL;
    case NANOARROW_TYPE_FLOAT:
        return f->oid == PG_FLOAT4 ? put_32 : NULL;
    case NANOARROW_TYPE_DOUBLE:
        return f->oid == PG_FLOAT8 ? put_64 : NULL;
    case NANOARROW_TYPE_DECIMAL128:
        return f->oid == PG_NUMERIC &&
                       ((f->precision == 0 && f->scale == 0) ||
                        (f->scale >= s->scale && f->precision - f->scale >= s->precision - s->scale))
                   ? put_decimal
                   : NULL;
    case NANOARROW_TYPE_DATE32:
        return f->oid == PG_DATE ? put_date : NULL;
    case NANOARROW_TYPE_TIMESTAMP:
        return s->unit == NANOARROW_TIME_UNIT_MICRO && (f->oid == PG_TIMESTAMP || f->oid == PG_TIMESTAMPTZ)
                   ? put_timestamp
                   : NULL;
    case NANOARROW_TYPE_STRING:
        return f->oid == PG_TEXT || (f->oid == PG_VARCHAR && f->length == 0) || f->oid == PG_JSON ? put_text
                                                                                                  : NULL;
    default:
        return NULL;
    }
}

/* The kind that fo_pg_value_get gives for a source. */
static unsigned
kind_bit(const fo_pg_source *s)
{
    switch (s->type) {
    case NANOARROW_TYPE_NA:
        return ~0u;
    case NANOARROW_TYPE_BOOL:
        return PG_KIND_BIT(PG_V_BOOL);
    case NANOARROW_TYPE_HALF_FLOAT:
    case NANOARROW_TYPE_FLOAT:
    case NANOARROW_TYPE_DOUBLE:
        return PG_KIND_BIT(PG_V_DOUBLE);
    case NANOARROW_TYPE_DECIMAL32:
    case NANOARROW_TYPE_DECIMAL64:
    case NANOARROW_TYPE_DECIMAL128:
    case NANOARROW_TYPE_DECIMAL256:
        return PG_KIND_BIT(PG_V_NUMBER);
    case NANOARROW_TYPE_STRING:
    case NANOARROW_TYPE_LARGE_STRING:
    case NANOARROW_TYPE_STRING_VIEW:
        return PG_KIND_BIT(PG_V_TEXT);
    case NANOARROW_TYPE_BINARY:
    case NANOARROW_TYPE_LARGE_BINARY:
    case NANOARROW_TYPE_BINARY_VIEW:
    case NANOARROW_TYPE_FIXED_SIZE_BINARY:
        return PG_KIND_BIT(PG_V_BYTES);
    case NANOARROW_TYPE_DATE32:
    case NANOARROW_TYPE_DATE64:
        return PG_KIND_BIT(PG_V_DATE);
    case NANOARROW_TYPE_TIMESTAMP:
        return PG_KIND_BIT(PG_V_TIMESTAMP);
    case NANOARROW_TYPE_TIME32:
    case NANOARROW_TYPE_TIME64:
        return PG_KIND_BIT(PG_V_TIME);
    case NANOARROW_TYPE_INT8:
    case NANOARROW_TYPE_UINT8:
    case NANOARROW_TYPE_INT16:
    case NANOARROW_TYPE_UINT16:
    case NANOARROW_TYPE_INT32:
    case NANOARROW_TYPE_UINT32:
    case NANOARROW_TYPE_INT64:
    case NANOARROW_TYPE_UINT64:
        return PG_KIND_BIT(PG_V_INT);
    default:
        return 0;
    }
}

finops_code
fo_pg_field_init(fo_pg_field *f, const fo_pg_source *source, const fo_pg_column *column, finops_error **err)
{
    char name[PG_VALUE_TEXT];

    assert(f && source);
    *f = (fo_pg_field){ .source = source, .oid = column->oid, .native = column->native };
    if (column->oid == PG_NUMERIC)
        (void)fo_pg_numeric_typmod(column->typmod, &f->precision, &f->scale);
    if ((column->oid == PG_VARCHAR || column->oid == PG_BPCHAR) && column->typmod >= 4)
        f->length = column->typmod - 4;
    f->put = direct(f);
    if (!f->put && fo_pg_source_nested(source) && (column->oid == PG_JSON || column->oid == PG_JSONB))
        f->put = put_nested;
    if (!f->put && (kind_bit(source) & fo_pg_value_takes(column->oid)))
        f->put = put_any;
    if (!f->put && source->type == NANOARROW_TYPE_NA)
        f->put = put_any; /* NULL goes into any type */
    if (f->put)
        return FINOPS_OK;
    return fo_error_set(err, FINOPS_E_DATA, "column %s: %s does not go into a column of type %s",
                        source->name, fo_pg_source_name(source, name), column->native);
}
