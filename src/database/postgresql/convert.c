/* A value of any kind into a column of any type that can take it, or a message that names what does not fit.
 */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/decimal.h"
#include "database/postgresql/encode.h"

#define MICROS_A_DAY ((int64_t)86400 * 1000000)
#define SHOWN_MAX 60 /* bytes of a value in a message */

static finops_code
unfit(const fo_pg_field *f, fo_pg_value *v, finops_error **err)
{
    const char *text;
    size_t n;

    fo_pg_value_text(v, &text, &n);
    return fo_error_set(err, FINOPS_E_DATA, "%.*s does not fit %s", n > SHOWN_MAX ? SHOWN_MAX : (int)n,
                        v->kind == PG_V_BYTES ? "a value" : text, f->native);
}

static finops_code
numeric_of(const fo_pg_field *f, fo_pg_value *v, fo_pg_numeric *ret, finops_error **err)
{
    const char *text;
    size_t n;

    fo_pg_value_text(v, &text, &n);
    if (!fo_pg_numeric_parse(text, n, ret))
        return unfit(f, v, err);
    return FINOPS_OK;
}

/* A double is rounded by the server: its decimals were never exact. */
static finops_code
value_numeric(fo_pg_encoder *e, const fo_pg_field *f, fo_pg_value *v, finops_error **err)
{
    fo_decimal_result exact = FO_DECIMAL_BAD;
    fo_decimal quick;
    fo_pg_numeric number;
    finops_code rc;

    if (v->kind == PG_V_DOUBLE && !v->single && f->scale == FO_DECIMAL_SCALE)
        exact = fo_decimal_from_double(v->real, &quick);
    if (exact == FO_DECIMAL_EXACT) {
        fo_pg_numeric_from_decimal(quick, FO_DECIMAL_SCALE, &number);
    } else {
        rc = numeric_of(f, v, &number, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    if (!fo_pg_numeric_fits(&number, f->precision, f->scale, v->kind == PG_V_DOUBLE))
        return unfit(f, v, err);
    if (!fo_pg_encoder_room(e, PG_NUMERIC_BYTES(number.n)))
        return fo_error_oom(err);
    fo_pg_numeric_put(&e->out, &number);
    return FINOPS_OK;
}

/* The number as a whole one; false when it has decimals or is too large for 64 bits. */
static bool
whole_of(const fo_pg_numeric *v, int64_t *ret)
{
    fo_pg_wide whole = 0;

    if (v->sign >= PG_NAN || !fo_pg_numeric_fits(v, 20, 0, false))
        return false;
    for (int i = 0; i <= (v->n > 0 ? v->weight : -1); i++)
        whole = whole * 10000 + (i < v->n ? v->groups[i] : 0);
    if (v->sign == PG_NEGATIVE)
        whole = -whole;
    *ret = (int64_t)whole;
    return whole >= INT64_MIN && whole <= INT64_MAX;
}

static finops_code
value_int(fo_pg_encoder *e, const fo_pg_field *f, fo_pg_value *v, finops_error **err)
{
    const int64_t max = f->oid == PG_INT2 ? INT16_MAX : f->oid == PG_INT4 ? INT32_MAX : INT64_MAX;
    fo_pg_numeric number;
    int64_t whole = 0;
    finops_code rc = FINOPS_OK;

    if (v->kind == PG_V_INT || v->kind == PG_V_BOOL) {
        if (v->whole > max || v->whole < -(fo_pg_wide)max - 1)
            return unfit(f, v, err);
        whole = (int64_t)v->whole;
    } else {
        rc = numeric_of(f, v, &number, err);
        if (rc == FINOPS_OK && (!whole_of(&number, &whole) || whole > max || whole < -max - 1))
            rc = unfit(f, v, err);
    }
    if (rc != FINOPS_OK)
        return rc;
    fo_pg_put32(&e->out, f->oid == PG_INT2 ? 2 : f->oid == PG_INT4 ? 4 : 8);
    if (f->oid == PG_INT2)
        fo_pg_put16(&e->out, (uint16_t)whole);
    else if (f->oid == PG_INT4)
        fo_pg_put32(&e->out, (uint32_t)whole);
    else
        fo_pg_put64(&e->out, (uint64_t)whole);
    return FINOPS_OK;
}

/* A text that is a number, and nothing beside it: strtod alone takes blanks and hexadecimal. */
static finops_code
double_of(const fo_pg_field *f, fo_pg_value *v, double *ret, finops_error **err)
{
    char copy[PG_VALUE_TEXT];
    fo_pg_numeric number;
    const char *text;
    size_t n;
    finops_code rc = numeric_of(f, v, &number, err);

    if (rc != FINOPS_OK)
        return rc;
    fo_pg_value_text(v, &text, &n);
    if (n >= sizeof(copy))
        return unfit(f, v, err);
    memcpy(copy, text, n);
    copy[n] = '\0';
    *ret = strtod(copy, NULL);
    return FINOPS_OK;
}

static finops_code
value_double(fo_pg_encoder *e, const fo_pg_field *f, fo_pg_value *v, finops_error **err)
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
        fo_pg_put32(&e->out, 8);
        fo_pg_put64(&e->out, bits);
        return FINOPS_OK;
    }
    single = (float)real;
    if (isinf(single) && !isinf(real))
        return unfit(f, v, err);
    memcpy(&half, &single, sizeof(half));
    fo_pg_put32(&e->out, 4);
    fo_pg_put32(&e->out, half);
    return FINOPS_OK;
}

static bool
is_one_of(const fo_pg_value *v, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (v->n == strlen(words[i]) && strncasecmp(v->text, words[i], v->n) == 0)
            return true;
    return false;
}

static finops_code
value_bool(fo_pg_encoder *e, const fo_pg_field *f, fo_pg_value *v, finops_error **err)
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
    fo_pg_put32(&e->out, 1);
    e->out.data[e->out.len++] = is;
    return FINOPS_OK;
}

static finops_code
value_text(fo_pg_encoder *e, const fo_pg_field *f, fo_pg_value *v, finops_error **err)
{
    const char *text;
    size_t n, characters = 0;

    fo_pg_value_text(v, &text, &n);
    for (size_t i = 0; f->length > 0 && i < n; i++)
        characters += ((unsigned char)text[i] & 0xc0) != 0x80;
    if (f->length > 0 && characters > (size_t)f->length)
        return unfit(f, v, err);
    return fo_pg_put_characters(e, text, n, err);
}

static finops_code
value_json(fo_pg_encoder *e, const fo_pg_field *f, fo_pg_value *v, finops_error **err)
{
    const bool literal = v->kind == PG_V_TEXT || v->kind == PG_V_BOOL || v->kind == PG_V_INT ||
                         v->kind == PG_V_NUMBER || (v->kind == PG_V_DOUBLE && isfinite(v->real));
    char quoted[PG_VALUE_TEXT + 2] = "\"";
    const char *text;
    size_t n;

    fo_pg_value_text(v, &text, &n);
    if (n > 0 && memchr(text, '\0', n))
        return fo_error_set(err, FINOPS_E_DATA,
                            "a text holds a NUL character, which PostgreSQL does not keep");
    if (!literal) { /* a time, NaN: short, and without anything to escape */
        memcpy(quoted + 1, text, n);
        quoted[n + 1] = '"';
        text = quoted;
        n += 2;
    }
    return f->oid == PG_JSONB ? fo_pg_put_jsonb(e, text, n, err) : fo_pg_put_bytes(e, text, n, err);
}

/* Any of a date, a time and a text of them, in microseconds since 1970. */
static finops_code
micros_of(const fo_pg_field *f, fo_pg_value *v, int64_t *ret, finops_error **err)
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
value_timestamp(fo_pg_encoder *e, const fo_pg_field *f, fo_pg_value *v, finops_error **err)
{
    int64_t micros = 0;
    finops_code rc = micros_of(f, v, &micros, err);

    return rc == FINOPS_OK ? fo_pg_put_micros(e, f, micros, err) : rc;
}

static finops_code
value_date(fo_pg_encoder *e, const fo_pg_field *f, fo_pg_value *v, finops_error **err)
{
    int64_t micros = 0;
    finops_code rc;

    if (v->kind == PG_V_DATE)
        return fo_pg_put_days(e, f, (int64_t)v->whole, err);
    rc = micros_of(f, v, &micros, err);
    if (rc != FINOPS_OK)
        return rc;
    if (micros == PG_MICROS_FOREVER || micros == -PG_MICROS_FOREVER)
        return fo_pg_put_days(e, f, micros > 0 ? PG_DAYS_FOREVER : -PG_DAYS_FOREVER, err);
    if (micros % MICROS_A_DAY != 0)
        return unfit(f, v, err);
    return fo_pg_put_days(e, f, micros / MICROS_A_DAY, err);
}

static finops_code
value_time(fo_pg_encoder *e, const fo_pg_field *f, fo_pg_value *v, finops_error **err)
{
    (void)f;
    (void)err;
    fo_pg_put32(&e->out, 8);
    fo_pg_put64(&e->out, (uint64_t)v->whole);
    return FINOPS_OK;
}

static finops_code
value_bytes(fo_pg_encoder *e, const fo_pg_field *f, fo_pg_value *v, finops_error **err)
{
    (void)f;
    return fo_pg_put_bytes(e, v->text, v->n, err);
}

static finops_code
value_uuid(fo_pg_encoder *e, const fo_pg_field *f, fo_pg_value *v, finops_error **err)
{
    uint8_t bytes[16] = { 0 };
    unsigned digits = 0;

    if (v->kind == PG_V_BYTES)
        return v->n == 16 ? fo_pg_put_bytes(e, v->text, v->n, err) : unfit(f, v, err);
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
    return fo_pg_put_bytes(e, (const char *)bytes, sizeof(bytes), err);
}

/* What each type of a table takes, and how. */
typedef finops_code (*put_value)(fo_pg_encoder *e, const fo_pg_field *f, fo_pg_value *v, finops_error **err);
typedef struct target_row {
    unsigned oid;
    put_value put;
    unsigned takes; /* bits of fo_pg_value_kind */
} target_row;

#define NUMBERS                                                                                              \
    (PG_KIND_BIT(PG_V_INT) | PG_KIND_BIT(PG_V_DOUBLE) | PG_KIND_BIT(PG_V_NUMBER) | PG_KIND_BIT(PG_V_TEXT))
#define TIMES (PG_KIND_BIT(PG_V_DATE) | PG_KIND_BIT(PG_V_TIMESTAMP) | PG_KIND_BIT(PG_V_TEXT))
#define TEXTS (NUMBERS | TIMES | PG_KIND_BIT(PG_V_BOOL) | PG_KIND_BIT(PG_V_TIME))

static const target_row targets[] = {
    { PG_BOOL, value_bool, PG_KIND_BIT(PG_V_BOOL) | PG_KIND_BIT(PG_V_INT) | PG_KIND_BIT(PG_V_TEXT) },
    { PG_INT2, value_int, NUMBERS | PG_KIND_BIT(PG_V_BOOL) },
    { PG_INT4, value_int, NUMBERS | PG_KIND_BIT(PG_V_BOOL) },
    { PG_INT8, value_int, NUMBERS | PG_KIND_BIT(PG_V_BOOL) },
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
    { PG_TIME, value_time, PG_KIND_BIT(PG_V_TIME) },
    { PG_BYTEA, value_bytes, PG_KIND_BIT(PG_V_BYTES) },
    { PG_UUID, value_uuid, PG_KIND_BIT(PG_V_TEXT) | PG_KIND_BIT(PG_V_BYTES) },
};

static const target_row *
target_of(unsigned oid)
{
    for (size_t i = 0; i < FO_COUNT(targets); i++)
        if (targets[i].oid == oid)
            return &targets[i];
    return NULL;
}

unsigned
fo_pg_value_takes(unsigned oid)
{
    const target_row *target = target_of(oid);

    return target ? target->takes : 0;
}

finops_code
fo_pg_value_put(fo_pg_encoder *e, const fo_pg_field *f, fo_pg_value *v, finops_error **err)
{
    const target_row *target = target_of(f->oid);

    assert(target && v->kind != PG_V_NULL);
    return target->put(e, f, v, err);
}
