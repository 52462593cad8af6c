/* Columns as they come, and their values one at a time. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "database/postgresql/encode.h"

#define MICROS_A_DAY ((int64_t)86400 * 1000000)
#define DEPTH_MAX 64 /* of nesting */

void
fo_pg_source_done(fo_pg_source *source)
{
    for (size_t i = 0; i < source->n_children; i++)
        fo_pg_source_done(&source->children[i]);
    fo_free(source->children);
    fo_free(source->name);
    *source = (fo_pg_source){ 0 };
}

static bool
is_decimal(enum ArrowType type)
{
    return type == NANOARROW_TYPE_DECIMAL32 || type == NANOARROW_TYPE_DECIMAL64 ||
           type == NANOARROW_TYPE_DECIMAL128 || type == NANOARROW_TYPE_DECIMAL256;
}

static finops_code source_init(fo_pg_source *source, const struct ArrowSchema *schema, int depth,
                               finops_error **err);

static finops_code
children_init(fo_pg_source *source, const struct ArrowSchema *schema, int depth, finops_error **err)
{
    const size_t n = (size_t)schema->n_children;

    if (n == 0)
        return FINOPS_OK;
    source->children = fo_array(n, sizeof(*source->children));
    if (!source->children)
        return fo_error_oom(err);
    for (size_t i = 0; i < n; i++) {
        finops_code rc;

        source->n_children++;
        rc = source_init(&source->children[i], schema->children[i], depth + 1, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    return FINOPS_OK;
}

static finops_code
source_init(fo_pg_source *source, const struct ArrowSchema *schema, int depth, finops_error **err)
{
    struct ArrowSchemaView view;
    struct ArrowError why;

    if (depth > DEPTH_MAX)
        return fo_error_set(err, FINOPS_E_DATA, "types are nested more than %d deep", DEPTH_MAX);
    source->name = fo_strdup(schema->name ? schema->name : "");
    if (!source->name)
        return fo_error_oom(err);
    if (ArrowSchemaViewInit(&view, schema, &why) != NANOARROW_OK)
        return fo_error_set(err, FINOPS_E_DATA, "column %s: %s", source->name, why.message);
    source->dictionary = schema->dictionary != NULL;
    if (source->dictionary && ArrowSchemaViewInit(&view, schema->dictionary, &why) != NANOARROW_OK)
        return fo_error_set(err, FINOPS_E_DATA, "column %s: %s", source->name, why.message);
    source->type = view.type;
    source->zone = view.type == NANOARROW_TYPE_TIMESTAMP && view.timezone && view.timezone[0];
    if (view.type == NANOARROW_TYPE_TIMESTAMP || view.type == NANOARROW_TYPE_TIME32 ||
        view.type == NANOARROW_TYPE_TIME64)
        source->unit = view.time_unit;
    if (is_decimal(source->type)) {
        source->bits = view.decimal_bitwidth;
        source->precision = view.decimal_precision;
        source->scale = view.decimal_scale;
    }
    if (source->scale < 0 || source->scale > source->precision)
        return fo_error_set(err, FINOPS_E_UNSUPPORTED,
                            "column %s: decimal(%d,%d) is not supported by postgresql", source->name,
                            source->precision, source->scale);
    return children_init(source, source->dictionary ? schema->dictionary : schema, depth, err);
}

finops_code
fo_pg_source_init(fo_pg_source *source, const struct ArrowSchema *schema, finops_error **err)
{
    assert(source && schema);
    return source_init(source, schema, 0, err);
}

bool
fo_pg_source_nested(const fo_pg_source *source)
{
    switch (source->type) {
    case NANOARROW_TYPE_LIST:
    case NANOARROW_TYPE_LARGE_LIST:
    case NANOARROW_TYPE_FIXED_SIZE_LIST:
    case NANOARROW_TYPE_MAP:
    case NANOARROW_TYPE_STRUCT:
        return true;
    default:
        return false;
    }
}

static const char *
fixed_type(const fo_pg_source *source)
{
    switch (source->type) {
    case NANOARROW_TYPE_BOOL:
        return "boolean";
    case NANOARROW_TYPE_INT8:
    case NANOARROW_TYPE_UINT8:
    case NANOARROW_TYPE_INT16:
        return "smallint";
    case NANOARROW_TYPE_UINT16:
    case NANOARROW_TYPE_INT32:
        return "integer";
    case NANOARROW_TYPE_UINT32:
    case NANOARROW_TYPE_INT64:
        return "bigint";
    case NANOARROW_TYPE_UINT64:
        return "numeric(20,0)";
    case NANOARROW_TYPE_HALF_FLOAT:
    case NANOARROW_TYPE_FLOAT:
        return "real";
    case NANOARROW_TYPE_DOUBLE:
        return "double precision";
    case NANOARROW_TYPE_NA:
    case NANOARROW_TYPE_STRING:
    case NANOARROW_TYPE_LARGE_STRING:
    case NANOARROW_TYPE_STRING_VIEW:
        return "text";
    case NANOARROW_TYPE_BINARY:
    case NANOARROW_TYPE_LARGE_BINARY:
    case NANOARROW_TYPE_BINARY_VIEW:
    case NANOARROW_TYPE_FIXED_SIZE_BINARY:
        return "bytea";
    case NANOARROW_TYPE_DATE32:
    case NANOARROW_TYPE_DATE64:
        return "date";
    case NANOARROW_TYPE_TIMESTAMP:
        return source->zone ? "timestamp with time zone" : "timestamp";
    case NANOARROW_TYPE_TIME32:
    case NANOARROW_TYPE_TIME64:
        return "time";
    default:
        return fo_pg_source_nested(source) ? "jsonb" : NULL;
    }
}

finops_code
fo_pg_source_type(const fo_pg_source *source, fo_str *sql, finops_error **err)
{
    const char *type = fixed_type(source);
    char buf[PG_VALUE_TEXT];

    assert(sql);
    if (type)
        fo_str_add(sql, type);
    else if (is_decimal(source->type))
        fo_str_addf(sql, "numeric(%d,%d)", source->precision, source->scale);
    else
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "column %s: %s is not supported by postgresql",
                            source->name, fo_pg_source_name(source, buf));
    return FINOPS_OK;
}

const char *
fo_pg_source_name(const fo_pg_source *source, char buf[PG_VALUE_TEXT])
{
    if (is_decimal(source->type))
        (void)snprintf(buf, PG_VALUE_TEXT, "decimal(%d,%d)", source->precision, source->scale);
    else
        (void)snprintf(buf, PG_VALUE_TEXT, "%s", ArrowTypeString(source->type));
    return buf;
}

/* Decimals of any width as text. */
static finops_code
decimal_get(const fo_pg_source *source, const struct ArrowArrayView *view, int64_t i, fo_pg_value *ret,
            finops_error **err)
{
    struct ArrowDecimal decimal;
    struct ArrowBuffer text;

    ret->kind = PG_V_NUMBER;
    ret->text = ret->buf;
    ArrowDecimalInit(&decimal, source->bits, source->precision, source->scale);
    ArrowArrayViewGetDecimalUnsafe(view, i, &decimal);
    if (source->bits <= 128) {
        fo_pg_wide v;

        if (source->bits < 128)
            v = ArrowDecimalGetIntUnsafe(&decimal);
        else
            memcpy(&v, decimal.words, sizeof(v));
        ret->n = fo_pg_decimal_text(v, source->scale, ret->buf);
        return FINOPS_OK;
    }
    ArrowBufferInit(&text);
    if (ArrowDecimalAppendStringToBuffer(&decimal, &text) != NANOARROW_OK ||
        text.size_bytes >= PG_VALUE_TEXT) {
        ArrowBufferReset(&text);
        return fo_error_oom(err);
    }
    ret->n = (size_t)text.size_bytes;
    memcpy(ret->buf, text.data, ret->n);
    ArrowBufferReset(&text);
    return FINOPS_OK;
}

/* Any unit in microseconds, downwards; infinity stays. */
static finops_code
micros_of(int64_t v, enum ArrowTimeUnit unit, int64_t *ret, finops_error **err)
{
    const int64_t factor = unit == NANOARROW_TIME_UNIT_SECOND  ? 1000000
                           : unit == NANOARROW_TIME_UNIT_MILLI ? 1000
                                                               : 1;

    if (v == PG_MICROS_FOREVER || v == -PG_MICROS_FOREVER)
        *ret = v;
    else if (unit == NANOARROW_TIME_UNIT_NANO)
        *ret = v / 1000 - (v % 1000 < 0);
    else if (__builtin_mul_overflow(v, factor, ret))
        return fo_error_set(err, FINOPS_E_DATA, "a time is out of range");
    return FINOPS_OK;
}

static finops_code
time_get(const fo_pg_source *source, int64_t v, fo_pg_value *ret, finops_error **err)
{
    int64_t micros = 0;
    finops_code rc = FINOPS_OK;

    if (source->type == NANOARROW_TYPE_DATE32) {
        ret->kind = PG_V_DATE;
        ret->whole = v;
        return FINOPS_OK;
    }
    if (source->type == NANOARROW_TYPE_DATE64) {
        ret->kind = PG_V_DATE;
        ret->whole = v / 86400000 - (v % 86400000 < 0);
        return FINOPS_OK;
    }
    rc = micros_of(v, source->unit, &micros, err);
    ret->kind = source->type == NANOARROW_TYPE_TIMESTAMP ? PG_V_TIMESTAMP : PG_V_TIME;
    ret->zone = source->zone;
    ret->whole = micros;
    return rc;
}

/* The dictionary's row for an index. */
static bool
dictionary_row(const struct ArrowArrayView **view, int64_t *i)
{
    const struct ArrowArrayView *words = (*view)->dictionary;
    const int64_t at = ArrowArrayViewGetIntUnsafe(*view, *i);

    if (at < 0 || at >= words->length)
        return false;
    *view = words;
    *i = at;
    return true;
}

finops_code
fo_pg_value_get(const fo_pg_source *source, const struct ArrowArrayView *view, int64_t i, fo_pg_value *ret,
                finops_error **err)
{
    struct ArrowBufferView bytes;

    ret->kind = PG_V_NULL;
    if (source->type == NANOARROW_TYPE_NA || ArrowArrayViewIsNull(view, i))
        return FINOPS_OK;
    if (source->dictionary) {
        if (!dictionary_row(&view, &i))
            return fo_error_set(err, FINOPS_E_DATA, "an index is outside of its dictionary");
        if (ArrowArrayViewIsNull(view, i))
            return FINOPS_OK;
    }
    switch (source->type) {
    case NANOARROW_TYPE_BOOL:
        ret->kind = PG_V_BOOL;
        ret->whole = ArrowArrayViewGetIntUnsafe(view, i) != 0;
        return FINOPS_OK;
    case NANOARROW_TYPE_INT8:
    case NANOARROW_TYPE_INT16:
    case NANOARROW_TYPE_INT32:
    case NANOARROW_TYPE_INT64:
        ret->kind = PG_V_INT;
        ret->whole = ArrowArrayViewGetIntUnsafe(view, i);
        return FINOPS_OK;
    case NANOARROW_TYPE_UINT8:
    case NANOARROW_TYPE_UINT16:
    case NANOARROW_TYPE_UINT32:
    case NANOARROW_TYPE_UINT64:
        ret->kind = PG_V_INT;
        ret->whole = (fo_pg_wide)ArrowArrayViewGetUIntUnsafe(view, i);
        return FINOPS_OK;
    case NANOARROW_TYPE_HALF_FLOAT:
    case NANOARROW_TYPE_FLOAT:
    case NANOARROW_TYPE_DOUBLE:
        ret->kind = PG_V_DOUBLE;
        ret->single = source->type != NANOARROW_TYPE_DOUBLE;
        ret->real = ArrowArrayViewGetDoubleUnsafe(view, i);
        return FINOPS_OK;
    case NANOARROW_TYPE_DATE32:
    case NANOARROW_TYPE_DATE64:
    case NANOARROW_TYPE_TIMESTAMP:
    case NANOARROW_TYPE_TIME32:
    case NANOARROW_TYPE_TIME64:
        return time_get(source, ArrowArrayViewGetIntUnsafe(view, i), ret, err);
    default:
        break;
    }
    if (is_decimal(source->type))
        return decimal_get(source, view, i, ret, err);
    bytes = ArrowArrayViewGetBytesUnsafe(view, i);
    ret->kind = strcmp(fixed_type(source) ? fixed_type(source) : "", "text") == 0 ? PG_V_TEXT : PG_V_BYTES;
    ret->text = bytes.data.as_char;
    ret->n = (size_t)bytes.size_bytes;
    return FINOPS_OK;
}

/* "2026-05-31 10:00:00.5+00"; years outside of 0001..9999 as PostgreSQL reads them. */
static size_t
timestamp_text(int64_t micros, bool zone, char buf[PG_VALUE_TEXT])
{
    fo_civil c;
    size_t n;

    if (micros == PG_MICROS_FOREVER || micros == -PG_MICROS_FOREVER)
        return (size_t)snprintf(buf, PG_VALUE_TEXT, micros < 0 ? "-infinity" : "infinity");
    fo_civil_from_micros(micros, &c);
    n = (size_t)snprintf(buf, PG_VALUE_TEXT, "%04d-%02u-%02u %02u:%02u:%02u",
                         c.year > 0 ? c.year : 1 - c.year, c.month, c.day, c.hour, c.minute, c.second);
    if (c.micro) {
        n += (size_t)snprintf(buf + n, PG_VALUE_TEXT - n, ".%06u", c.micro);
        while (buf[n - 1] == '0')
            n--;
    }
    return n +
           (size_t)snprintf(buf + n, PG_VALUE_TEXT - n, "%s%s", zone ? "+00" : "", c.year > 0 ? "" : " BC");
}

/* The calendar repeats every 400 years, of 146097 days: years beyond those of a timestamp are told as well.
 */
static size_t
date_text(int64_t days, char buf[PG_VALUE_TEXT])
{
    int64_t cycles = days / 146097, rest = days % 146097, year;
    fo_civil c;

    if (days == PG_DAYS_FOREVER || days == -PG_DAYS_FOREVER)
        return (size_t)snprintf(buf, PG_VALUE_TEXT, days < 0 ? "-infinity" : "infinity");
    fo_civil_from_micros(rest * MICROS_A_DAY, &c);
    year = c.year + 400 * cycles;
    return (size_t)snprintf(buf, PG_VALUE_TEXT, "%04lld-%02u-%02u%s", (long long)(year > 0 ? year : 1 - year),
                            c.month, c.day, year > 0 ? "" : " BC");
}

static size_t
time_text(int64_t micros, char buf[PG_VALUE_TEXT])
{
    char whole[PG_VALUE_TEXT];
    size_t n = timestamp_text(micros, false, whole) - 11;

    memcpy(buf, whole + 11, n); /* behind "1970-01-01 " */
    return n;
}

void
fo_pg_value_text(fo_pg_value *v, const char **ret, size_t *ret_n)
{
    size_t n = 0;

    *ret = v->buf;
    switch (v->kind) {
    case PG_V_BOOL:
        n = (size_t)snprintf(v->buf, sizeof(v->buf), v->whole ? "true" : "false");
        break;
    case PG_V_INT:
        n = fo_pg_decimal_text(v->whole, 0, v->buf);
        break;
    case PG_V_DOUBLE:
        n = fo_pg_double_text(v->real, v->single, v->buf);
        break;
    case PG_V_DATE:
        n = date_text((int64_t)v->whole, v->buf);
        break;
    case PG_V_TIMESTAMP:
        n = timestamp_text((int64_t)v->whole, v->zone, v->buf);
        break;
    case PG_V_TIME:
        n = time_text((int64_t)v->whole, v->buf);
        break;
    case PG_V_NULL:
    case PG_V_NUMBER:
    case PG_V_TEXT:
    case PG_V_BYTES:
        *ret = v->text;
        n = v->n;
        break;
    }
    *ret_n = n;
}
