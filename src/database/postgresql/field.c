/* Which way a column of a batch goes into a column of a table. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/decimal.h"
#include "database/postgresql/encode.h"

#define EPOCH_DAYS 10957 /* from 1970 to 2000, where PostgreSQL's times begin */
#define EPOCH_MICROS ((int64_t)EPOCH_DAYS * 86400 * 1000000)
#define MICROS_A_DAY ((int64_t)86400 * 1000000)
#define DATE_MIN (-2451545 + EPOCH_DAYS) /* 4714-11-24 BC, in days since 1970 */
#define DATE_MAX (2145031948 + EPOCH_DAYS)
#define TIMESTAMP_MIN (-211813488000000000 + EPOCH_MICROS) /* the end is that of 64 bits */
#define JSONB_VERSION 1
#define SHOWN_MAX 60 /* bytes of a value in a message */

static finops_code
unfit(const pg_field *f, pg_value *v, finops_error **err)
{
    const char *text;
    size_t n;

    pg_value_text(v, &text, &n);
    return fo_error_set(err, FINOPS_E_DATA, "%.*s does not fit %s", n > SHOWN_MAX ? SHOWN_MAX : (int)n,
                        v->kind == PG_V_BYTES ? "a value" : text, f->native);
}

/* Room for n bytes here and for all that is fixed behind it. */
static bool
room(pg_encoder *e, size_t n)
{
    return pg_buffer_room(&e->out, n + e->fixed);
}

static finops_code
put_null(pg_encoder *e)
{
    pg_put32(&e->out, UINT32_MAX);
    return FINOPS_OK;
}

/* Pairs that need no value in between. Row i counts from the begin of the column's buffers. */

static finops_code
put_bool(pg_encoder *e, const pg_field *f, int64_t i, finops_error **err)
{
    const uint8_t *bits = f->values;

    (void)err;
    i += f->offset;
    pg_put32(&e->out, 1);
    e->out.data[e->out.len++] = bits[i / 8] >> (i % 8) & 1;
    return FINOPS_OK;
}

static finops_code
put_int16(pg_encoder *e, const pg_field *f, int64_t i, finops_error **err)
{
    (void)err;
    pg_put32(&e->out, 2);
    pg_put16(&e->out, ((const uint16_t *)f->values)[i + f->offset]);
    return FINOPS_OK;
}

static finops_code
put_32(pg_encoder *e, const pg_field *f, int64_t i, finops_error **err)
{
    (void)err;
    pg_put32(&e->out, 4);
    pg_put32(&e->out, ((const uint32_t *)f->values)[i + f->offset]);
    return FINOPS_OK;
}

static finops_code
put_64(pg_encoder *e, const pg_field *f, int64_t i, finops_error **err)
{
    (void)err;
    pg_put32(&e->out, 8);
    pg_put64(&e->out, ((const uint64_t *)f->values)[i + f->offset]);
    return FINOPS_OK;
}

static finops_code
put_int32_as_64(pg_encoder *e, const pg_field *f, int64_t i, finops_error **err)
{
    (void)err;
    pg_put32(&e->out, 8);
    pg_put64(&e->out, (uint64_t)((const int32_t *)f->values)[i + f->offset]);
    return FINOPS_OK;
}

static finops_code
put_micros(pg_encoder *e, const pg_field *f, int64_t v, finops_error **err)
{
    int64_t theirs;

    if (v == PG_MICROS_FOREVER)
        theirs = INT64_MAX;
    else if (v == -PG_MICROS_FOREVER)
        theirs = INT64_MIN;
    else if (v < TIMESTAMP_MIN || __builtin_sub_overflow(v, EPOCH_MICROS, &theirs))
        return fo_error_set(err, FINOPS_E_DATA, "a time is out of the range of %s", f->native);
    pg_put32(&e->out, 8);
    pg_put64(&e->out, (uint64_t)theirs);
    return FINOPS_OK;
}

static finops_code
put_timestamp(pg_encoder *e, const pg_field *f, int64_t i, finops_error **err)
{
    return put_micros(e, f, ((const int64_t *)f->values)[i + f->offset], err);
}

static finops_code
put_days(pg_encoder *e, const pg_field *f, int64_t v, finops_error **err)
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
    pg_put32(&e->out, 4);
    pg_put32(&e->out, (uint32_t)theirs);
    return FINOPS_OK;
}

static finops_code
put_date(pg_encoder *e, const pg_field *f, int64_t i, finops_error **err)
{
    return put_days(e, f, ((const int32_t *)f->values)[i + f->offset], err);
}

static finops_code
put_decimal(pg_encoder *e, const pg_field *f, int64_t i, finops_error **err)
{
    pg_numeric v;
    pg_wide wide;

    (void)err;
    memcpy(&wide, (const char *)f->values + (size_t)(i + f->offset) * sizeof(wide), sizeof(wide));
    pg_numeric_from_decimal(wide, f->source->scale, &v);
    pg_numeric_put(&e->out, &v);
    return FINOPS_OK;
}

static finops_code
put_bytes(pg_encoder *e, const char *p, size_t n, finops_error **err)
{
    if (n > INT32_MAX)
        return fo_error_set(err, FINOPS_E_DATA, "a value has %zu bytes, PostgreSQL takes 1 GiB", n);
    if (!room(e, n + 4))
        return fo_error_oom(err);
    pg_put32(&e->out, (uint32_t)n);
    if (n > 0)
        memcpy(e->out.data + e->out.len, p, n);
    e->out.len += n;
    return FINOPS_OK;
}

static finops_code
put_characters(pg_encoder *e, const char *p, size_t n, finops_error **err)
{
    if (n > 0 && memchr(p, '\0', n))
        return fo_error_set(err, FINOPS_E_DATA, "a text holds a NUL character, which PostgreSQL does not keep");
    return put_bytes(e, p, n, err);
}

static finops_code
put_text(pg_encoder *e, const pg_field *f, int64_t i, finops_error **err)
{
    const int32_t *offsets = (const int32_t *)f->values + i + f->offset;

    if (!f->has_nul)
        return put_bytes(e, f->data + offsets[0], (size_t)(offsets[1] - offsets[0]), err);
    return put_characters(e, f->data + offsets[0], (size_t)(offsets[1] - offsets[0]), err);
}

static finops_code
put_jsonb_text(pg_encoder *e, const char *p, size_t n, finops_error **err)
{
    if (n > INT32_MAX - 1)
        return fo_error_set(err, FINOPS_E_DATA, "a value has %zu bytes, PostgreSQL takes 1 GiB", n);
    if (!room(e, n + 5))
        return fo_error_oom(err);
    pg_put32(&e->out, (uint32_t)n + 1);
    e->out.data[e->out.len++] = JSONB_VERSION;
    if (n > 0)
        memcpy(e->out.data + e->out.len, p, n);
    e->out.len += n;
    return FINOPS_OK;
}

/* The length is known behind the text. */
static finops_code
put_nested(pg_encoder *e, const pg_field *f, int64_t i, finops_error **err)
{
    const size_t at = e->out.len;
    finops_code rc;
    uint32_t n;

    e->out.len += 4;
    if (f->oid == PG_JSONB)
        e->out.data[e->out.len++] = JSONB_VERSION;
    rc = pg_json_add(&e->out, f->source, f->view, i, err);
    if (rc != FINOPS_OK)
        return rc;
    if (e->out.len - at - 4 > INT32_MAX)
        return fo_error_set(err, FINOPS_E_DATA, "a value has more than the 1 GiB that PostgreSQL takes");
    n = __builtin_bswap32((uint32_t)(e->out.len - at - 4));
    memcpy(e->out.data + at, &n, sizeof(n));
    return room(e, 0) ? FINOPS_OK : fo_error_oom(err);
}

/* All other pairs: a value, and then what it becomes. */

static finops_code
numeric_of(const pg_field *f, pg_value *v, pg_numeric *ret, finops_error **err)
{
    const char *text;
    size_t n;

    pg_value_text(v, &text, &n);
    if (!pg_numeric_parse(text, n, ret))
        return unfit(f, v, err);
    return FINOPS_OK;
}

/* A double is rounded by the server: its decimals were never exact. */
static finops_code
value_numeric(pg_encoder *e, const pg_field *f, pg_value *v, finops_error **err)
{
    fo_decimal_result exact = FO_DECIMAL_BAD;
    fo_decimal quick;
    pg_numeric number;
    finops_code rc;

    if (v->kind == PG_V_DOUBLE && !v->single && f->scale == FO_DECIMAL_SCALE)
        exact = fo_decimal_from_double(v->real, &quick);
    if (exact == FO_DECIMAL_EXACT) {
        pg_numeric_from_decimal(quick, FO_DECIMAL_SCALE, &number);
    } else {
        rc = numeric_of(f, v, &number, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    if (!pg_numeric_fits(&number, f->precision, f->scale, v->kind == PG_V_DOUBLE))
        return unfit(f, v, err);
    if (!room(e, PG_NUMERIC_BYTES(number.n)))
        return fo_error_oom(err);
    pg_numeric_put(&e->out, &number);
    return FINOPS_OK;
}

/* The number as a whole one; false when it has decimals or is too large for 64 bits. */
static bool
whole_of(const pg_numeric *v, int64_t *ret)
{
    pg_wide whole = 0;

    if (v->sign >= PG_NAN || !pg_numeric_fits(v, 20, 0, false))
        return false;
    for (int i = 0; i <= (v->n > 0 ? v->weight : -1); i++)
        whole = whole * 10000 + (i < v->n ? v->groups[i] : 0);
    if (v->sign == PG_NEGATIVE)
        whole = -whole;
    *ret = (int64_t)whole;
    return whole >= INT64_MIN && whole <= INT64_MAX;
}

static finops_code
value_int(pg_encoder *e, const pg_field *f, pg_value *v, finops_error **err)
{
    const int64_t max = f->oid == PG_INT2 ? INT16_MAX : f->oid == PG_INT4 ? INT32_MAX : INT64_MAX;
    pg_numeric number;
    int64_t whole = 0;
    finops_code rc = FINOPS_OK;

    if (v->kind == PG_V_INT || v->kind == PG_V_BOOL) {
        if (v->whole > max || v->whole < -(pg_wide)max - 1)
            return unfit(f, v, err);
        whole = (int64_t)v->whole;
    } else {
        rc = numeric_of(f, v, &number, err);
        if (rc == FINOPS_OK && (!whole_of(&number, &whole) || whole > max || whole < -max - 1))
            rc = unfit(f, v, err);
    }
    if (rc != FINOPS_OK)
        return rc;
    pg_put32(&e->out, f->oid == PG_INT2 ? 2 : f->oid == PG_INT4 ? 4 : 8);
    if (f->oid == PG_INT2)
        pg_put16(&e->out, (uint16_t)whole);
    else if (f->oid == PG_INT4)
        pg_put32(&e->out, (uint32_t)whole);
    else
        pg_put64(&e->out, (uint64_t)whole);
    return FINOPS_OK;
}

/* A text that is a number, and nothing beside it: strtod alone takes blanks and hexadecimal. */
static finops_code
double_of(const pg_field *f, pg_value *v, double *ret, finops_error **err)
{
    char copy[PG_VALUE_TEXT];
    pg_numeric number;
    const char *text;
    size_t n;
    finops_code rc = numeric_of(f, v, &number, err);

    if (rc != FINOPS_OK)
        return rc;
    pg_value_text(v, &text, &n);
    if (n >= sizeof(copy))
        return unfit(f, v, err);
    memcpy(copy, text, n);
    copy[n] = '\0';
    *ret = strtod(copy, NULL);
    return FINOPS_OK;
}

static finops_code
value_double(pg_encoder *e, const pg_field *f, pg_value *v, finops_error **err)
{
    double real = v->real;
    finops_code rc = FINOPS_OK;
    uint64_t bits;
    uint32_t half;
    float single;

    if (v->kind == PG_V_INT)
        real = (double)v->whole;
    else if (v->kind != PG_V_DOUBLE)
        rc = double_of(f, v, &real, err);
    if (rc != FINOPS_OK)
        return rc;
    if (f->oid == PG_FLOAT8) {
        memcpy(&bits, &real, sizeof(bits));
        pg_put32(&e->out, 8);
        pg_put64(&e->out, bits);
        return FINOPS_OK;
    }
    single = (float)real;
    if (isinf(single) && !isinf(real))
        return unfit(f, v, err);
    memcpy(&half, &single, sizeof(half));
    pg_put32(&e->out, 4);
    pg_put32(&e->out, half);
    return FINOPS_OK;
}

static bool
is_one_of(const pg_value *v, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (v->n == strlen(words[i]) && strncasecmp(v->text, words[i], v->n) == 0)
            return true;
    return false;
}

static finops_code
value_bool(pg_encoder *e, const pg_field *f, pg_value *v, finops_error **err)
{
    static const char *const yes[] = { "true", "t", "1", "yes", "on" };
    static const char *const no[] = { "false", "f", "0", "no", "off" };
    bool is = v->whole != 0;

    if (v->kind == PG_V_TEXT) {
        is = is_one_of(v, yes, FO_COUNT(yes));
        if (!is && !is_one_of(v, no, FO_COUNT(no)))
            return unfit(f, v, err);
    } else if (v->whole != 0 && v->whole != 1) {
        return unfit(f, v, err);
    }
    pg_put32(&e->out, 1);
    e->out.data[e->out.len++] = is;
    return FINOPS_OK;
}

static finops_code
value_text(pg_encoder *e, const pg_field *f, pg_value *v, finops_error **err)
{
    const char *text;
    size_t n, characters = 0;

    pg_value_text(v, &text, &n);
    for (size_t i = 0; f->length > 0 && i < n; i++)
        characters += ((unsigned char)text[i] & 0xc0) != 0x80;
    if (f->length > 0 && characters > (size_t)f->length)
        return unfit(f, v, err);
    return put_characters(e, text, n, err);
}

static finops_code
value_json(pg_encoder *e, const pg_field *f, pg_value *v, finops_error **err)
{
    const bool literal = v->kind == PG_V_TEXT || v->kind == PG_V_BOOL || v->kind == PG_V_INT ||
                         v->kind == PG_V_NUMBER || (v->kind == PG_V_DOUBLE && isfinite(v->real));
    char quoted[PG_VALUE_TEXT + 2] = "\"";
    const char *text;
    size_t n;

    pg_value_text(v, &text, &n);
    if (n > 0 && memchr(text, '\0', n))
        return fo_error_set(err, FINOPS_E_DATA, "a text holds a NUL character, which PostgreSQL does not keep");
    if (!literal) { /* a time, NaN: short, and without anything to escape */
        memcpy(quoted + 1, text, n);
        quoted[n + 1] = '"';
        text = quoted;
        n += 2;
    }
    return f->oid == PG_JSONB ? put_jsonb_text(e, text, n, err) : put_bytes(e, text, n, err);
}

/* Any of a date, a time and a text of them, in microseconds since 1970. */
static finops_code
micros_of(const pg_field *f, pg_value *v, int64_t *ret, finops_error **err)
{
    if (v->kind == PG_V_TIMESTAMP)
        *ret = (int64_t)v->whole;
    else if (v->kind == PG_V_TEXT && !fo_time_parse(v->text, v->n, ret))
        return unfit(f, v, err);
    else if (v->kind == PG_V_DATE && (v->whole == PG_DAYS_FOREVER || v->whole == -PG_DAYS_FOREVER))
        *ret = v->whole > 0 ? PG_MICROS_FOREVER : -PG_MICROS_FOREVER;
    else if (v->kind == PG_V_DATE && __builtin_mul_overflow((int64_t)v->whole, MICROS_A_DAY, ret))
        return unfit(f, v, err);
    return FINOPS_OK;
}

static finops_code
value_timestamp(pg_encoder *e, const pg_field *f, pg_value *v, finops_error **err)
{
    int64_t micros = 0;
    finops_code rc = micros_of(f, v, &micros, err);

    return rc == FINOPS_OK ? put_micros(e, f, micros, err) : rc;
}

static finops_code
value_date(pg_encoder *e, const pg_field *f, pg_value *v, finops_error **err)
{
    int64_t micros = 0;
    finops_code rc;

    if (v->kind == PG_V_DATE)
        return put_days(e, f, (int64_t)v->whole, err);
    rc = micros_of(f, v, &micros, err);
    if (rc != FINOPS_OK)
        return rc;
    if (micros == PG_MICROS_FOREVER || micros == -PG_MICROS_FOREVER)
        return put_days(e, f, micros > 0 ? PG_DAYS_FOREVER : -PG_DAYS_FOREVER, err);
    if (micros % MICROS_A_DAY != 0)
        return unfit(f, v, err);
    return put_days(e, f, micros / MICROS_A_DAY, err);
}

static finops_code
value_time(pg_encoder *e, const pg_field *f, pg_value *v, finops_error **err)
{
    (void)f;
    (void)err;
    pg_put32(&e->out, 8);
    pg_put64(&e->out, (uint64_t)v->whole);
    return FINOPS_OK;
}

static finops_code
value_bytes(pg_encoder *e, const pg_field *f, pg_value *v, finops_error **err)
{
    (void)f;
    return put_bytes(e, v->text, v->n, err);
}

static finops_code
value_uuid(pg_encoder *e, const pg_field *f, pg_value *v, finops_error **err)
{
    uint8_t bytes[16] = { 0 };
    unsigned digits = 0;

    if (v->kind == PG_V_BYTES)
        return v->n == 16 ? put_bytes(e, v->text, v->n, err) : unfit(f, v, err);
    for (size_t i = 0; i < v->n; i++) {
        const char c = fo_lower(v->text[i]);
        const int digit = fo_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

        if (c == '-')
            continue;
        if (digit < 0 || digits == 32)
            return unfit(f, v, err);
        bytes[digits / 2] = (uint8_t)(bytes[digits / 2] << 4 | digit);
        digits++;
    }
    if (digits != 32)
        return unfit(f, v, err);
    return put_bytes(e, (const char *)bytes, sizeof(bytes), err);
}

/* What each type of a table takes, and how. */
typedef finops_code (*put_value)(pg_encoder *e, const pg_field *f, pg_value *v, finops_error **err);
typedef struct target_row {
    unsigned oid;
    put_value put;
    unsigned takes; /* bits of pg_value_kind */
} target_row;

#define BIT(kind) (1u << (kind))
#define NUMBERS (BIT(PG_V_INT) | BIT(PG_V_DOUBLE) | BIT(PG_V_NUMBER) | BIT(PG_V_TEXT))
#define TIMES (BIT(PG_V_DATE) | BIT(PG_V_TIMESTAMP) | BIT(PG_V_TEXT))
#define TEXTS (NUMBERS | TIMES | BIT(PG_V_BOOL) | BIT(PG_V_TIME))

static const target_row targets[] = {
    { PG_BOOL, value_bool, BIT(PG_V_BOOL) | BIT(PG_V_INT) | BIT(PG_V_TEXT) },
    { PG_INT2, value_int, NUMBERS | BIT(PG_V_BOOL) },
    { PG_INT4, value_int, NUMBERS | BIT(PG_V_BOOL) },
    { PG_INT8, value_int, NUMBERS | BIT(PG_V_BOOL) },
    { PG_FLOAT4, value_double, NUMBERS },
    { PG_FLOAT8, value_double, NUMBERS },
    { PG_NUMERIC, value_numeric, NUMBERS },
    { PG_TEXT, value_text, TEXTS },
    { PG_VARCHAR, value_text, TEXTS },
    { PG_BPCHAR, value_text, TEXTS },
    { PG_NAME, value_text, TEXTS },
    { PG_JSON, value_json, TEXTS },
    { PG_JSONB, value_json, TEXTS },
    { PG_DATE, value_date, TIMES },
    { PG_TIMESTAMP, value_timestamp, TIMES },
    { PG_TIMESTAMPTZ, value_timestamp, TIMES },
    { PG_TIME, value_time, BIT(PG_V_TIME) },
    { PG_BYTEA, value_bytes, BIT(PG_V_BYTES) },
    { PG_UUID, value_uuid, BIT(PG_V_TEXT) | BIT(PG_V_BYTES) },
};

static const target_row *
target_of(unsigned oid)
{
    for (size_t i = 0; i < FO_COUNT(targets); i++)
        if (targets[i].oid == oid)
            return &targets[i];
    return NULL;
}

static finops_code
put_any(pg_encoder *e, const pg_field *f, int64_t i, finops_error **err)
{
    pg_value v;
    finops_code rc = pg_value_get(f->source, f->view, i, &v, err);

    if (rc != FINOPS_OK)
        return rc;
    return v.kind == PG_V_NULL ? put_null(e) : target_of(f->oid)->put(e, f, &v, err);
}

/* The usual pairs. */
static pg_put
direct(const pg_field *f)
{
    const pg_source *s = f->source;

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

/* The kind that pg_value_get gives for a source. */
static unsigned
kind_bit(const pg_source *s)
{
    switch (s->type) {
    case NANOARROW_TYPE_NA:
        return ~0u;
    case NANOARROW_TYPE_BOOL:
        return BIT(PG_V_BOOL);
    case NANOARROW_TYPE_HALF_FLOAT:
    case NANOARROW_TYPE_FLOAT:
    case NANOARROW_TYPE_DOUBLE:
        return BIT(PG_V_DOUBLE);
    case NANOARROW_TYPE_DECIMAL32:
    case NANOARROW_TYPE_DECIMAL64:
    case NANOARROW_TYPE_DECIMAL128:
    case NANOARROW_TYPE_DECIMAL256:
        return BIT(PG_V_NUMBER);
    case NANOARROW_TYPE_STRING:
    case NANOARROW_TYPE_LARGE_STRING:
    case NANOARROW_TYPE_STRING_VIEW:
        return BIT(PG_V_TEXT);
    case NANOARROW_TYPE_BINARY:
    case NANOARROW_TYPE_LARGE_BINARY:
    case NANOARROW_TYPE_BINARY_VIEW:
    case NANOARROW_TYPE_FIXED_SIZE_BINARY:
        return BIT(PG_V_BYTES);
    case NANOARROW_TYPE_DATE32:
    case NANOARROW_TYPE_DATE64:
        return BIT(PG_V_DATE);
    case NANOARROW_TYPE_TIMESTAMP:
        return BIT(PG_V_TIMESTAMP);
    case NANOARROW_TYPE_TIME32:
    case NANOARROW_TYPE_TIME64:
        return BIT(PG_V_TIME);
    case NANOARROW_TYPE_INT8:
    case NANOARROW_TYPE_UINT8:
    case NANOARROW_TYPE_INT16:
    case NANOARROW_TYPE_UINT16:
    case NANOARROW_TYPE_INT32:
    case NANOARROW_TYPE_UINT32:
    case NANOARROW_TYPE_INT64:
    case NANOARROW_TYPE_UINT64:
        return BIT(PG_V_INT);
    default:
        return 0;
    }
}

finops_code
pg_field_init(pg_field *f, const pg_source *source, const pg_column *column, finops_error **err)
{
    const target_row *target = target_of(column->oid);
    char name[PG_VALUE_TEXT];

    assert(f && source);
    *f = (pg_field){ .source = source, .oid = column->oid, .native = column->native };
    if (column->oid == PG_NUMERIC && column->typmod >= 4) {
        f->precision = ((column->typmod - 4) >> 16) & 0xffff;
        f->scale = (((column->typmod - 4) & 0x7ff) ^ 0x400) - 0x400;
    }
    if ((column->oid == PG_VARCHAR || column->oid == PG_BPCHAR) && column->typmod >= 4)
        f->length = column->typmod - 4;
    f->put = direct(f);
    if (!f->put && pg_source_nested(source) && (column->oid == PG_JSON || column->oid == PG_JSONB))
        f->put = put_nested;
    if (!f->put && target && (kind_bit(source) & target->takes))
        f->put = put_any;
    if (!f->put && source->type == NANOARROW_TYPE_NA)
        f->put = put_any; /* NULL goes into any type */
    if (f->put)
        return FINOPS_OK;
    return fo_error_set(err, FINOPS_E_DATA, "column %s: %s does not go into a column of type %s", source->name,
                        pg_source_name(source, name), column->native);
}
