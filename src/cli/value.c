/* One value of an Arrow array as text; nested values become JSON. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/value_internal.h"

__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;

/* ---- numbers ---- */

static const void *
slot(const struct ArrowArray *a, int64_t row, size_t buffer, unsigned width)
{
    return (const char *)a->buffers[buffer] + (size_t)(a->offset + row) * width;
}

static int64_t
read_int(const void *p, unsigned width)
{
    int8_t i8;
    int16_t i16;
    int32_t i32;
    int64_t i64;

    switch (width) {
    case 1:
        return memcpy(&i8, p, 1), i8;
    case 2:
        return memcpy(&i16, p, 2), i16;
    case 4:
        return memcpy(&i32, p, 4), i32;
    default:
        return memcpy(&i64, p, 8), i64;
    }
}

static uint64_t
read_uint(const void *p, unsigned width)
{
    uint64_t mask = width >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * width)) - 1;

    return (uint64_t)read_int(p, width) & mask;
}

/* The digits of v, last first; how many. Most values fit 64 bits, whose division is ten times as fast. */
static int
digits_of(uint128 v, char digits[48])
{
    int n = 0;

    for (; v > UINT64_MAX; v /= 10)
        digits[n++] = (char)('0' + (int)(v % 10));
    for (uint64_t low = (uint64_t)v; low > 0; low /= 10)
        digits[n++] = (char)('0' + (int)(low % 10));
    return n;
}

/* A plain decimal number: no exponent, every digit of the type's scale. */
static void
add_number(fo_str *out, bool negative, uint128 v, int scale)
{
    char digits[48], text[64];
    int n = digits_of(v, digits), len = 0, fraction = scale > 0 ? scale : 0;

    assert(fraction <= FO_VALUE_SCALE_MAX);
    if (n == 0)
        digits[n++] = '0';
    if (negative)
        text[len++] = '-';
    if (n <= fraction)
        text[len++] = '0';
    for (int i = n - 1; i >= fraction; i--)
        text[len++] = digits[i];
    if (fraction > 0)
        text[len++] = '.';
    for (int i = fraction - 1; i >= 0; i--)
        text[len++] = i < n ? digits[i] : '0';
    fo_str_addn(out, text, (size_t)len);
    for (int i = scale; i < 0 && v > 0; i++)
        fo_str_addc(out, '0');
}

static void
add_decimal(fo_str *out, const void *p, unsigned width, int scale)
{
    int128 v;

    if (width == 16)
        memcpy(&v, p, 16);
    else
        v = read_int(p, width);
    add_number(out, v < 0, v < 0 ? -(uint128)v : (uint128)v, scale);
}

/* The shortest text that reads back as the same number. %g drops zeros at the end, so that the first
 * precision that reads back is the shortest; below the normal range fewer digits may do. */
static fo_cell_kind
add_double(fo_str *out, double d, bool single)
{
    int from = single ? 6 : 15, to = single ? 9 : 17;
    char text[40];

    if (d != d || d - d != 0) {
        fo_str_add(out, d != d ? "NaN" : d > 0 ? "Infinity" : "-Infinity");
        return FO_CELL_TEXT;
    }
    if (__builtin_fabs(d) < (single ? (double)__FLT_MIN__ : __DBL_MIN__))
        from = 1;
    for (int digits = from; digits <= to; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, d);
        if (single ? strtof(text, NULL) == (float)d : strtod(text, NULL) == d)
            break;
    }
    fo_str_add(out, text);
    return FO_CELL_LITERAL;
}

/* ---- times ---- */

static int64_t
floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Days since 1970 to a date; the era arithmetic of
 * http://howardhinnant.github.io/date_algorithms.html#civil_from_days. */
static void
add_date(fo_str *out, int64_t days)
{
    int64_t z = days + 719468;
    int64_t era = floor_div(z, 146097);
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int64_t month = mp < 10 ? mp + 3 : mp - 9;
    int64_t year = yoe + era * 400 + (month <= 2);

    fo_str_addf(out, "%s%04lld-%02lld-%02lld",
                year < 0      ? "-"
                : year > 9999 ? "+"
                              : "",
                (long long)(year < 0 ? -year : year), (long long)month,
                (long long)(doy - (153 * mp + 2) / 5 + 1));
}

/* "10:00:00", with the digits of a fraction that is not zero and no zeros at its end. Hours may pass 24. */
static void
add_clock(fo_str *out, uint64_t ticks, int scale)
{
    uint64_t per_second = 1, seconds, fraction;

    for (int i = 0; i < scale; i++)
        per_second *= 10;
    seconds = ticks / per_second;
    fraction = ticks % per_second;
    fo_str_addf(out, "%02llu:%02u:%02u", (unsigned long long)(seconds / 3600), (unsigned)(seconds / 60 % 60),
                (unsigned)(seconds % 60));
    if (fraction == 0)
        return;
    for (; fraction % 10 == 0; scale--)
        fraction /= 10;
    fo_str_addf(out, ".%0*llu", scale, (unsigned long long)fraction);
}

static void
add_signed_clock(fo_str *out, int64_t ticks, int scale)
{
    if (ticks < 0)
        fo_str_addc(out, '-');
    add_clock(out, ticks < 0 ? -(uint64_t)ticks : (uint64_t)ticks, scale);
}

/* The engine's infinities are the ends of the range. */
static bool
add_infinity(fo_str *out, int64_t v, int64_t max)
{
    if (v != max && v != -max)
        return false;
    fo_str_add(out, v > 0 ? "infinity" : "-infinity");
    return true;
}

static void
add_timestamp(fo_str *out, int64_t v, const fo_value_type *t, bool iso)
{
    int64_t day = 86400, days;

    for (int i = 0; i < t->scale; i++)
        day *= 10;
    if (add_infinity(out, v, INT64_MAX))
        return;
    days = floor_div(v, day);
    add_date(out, days);
    fo_str_addc(out, iso ? 'T' : ' ');
    add_clock(out, (uint64_t)v - (uint64_t)days * (uint64_t)day, t->scale);
    if (iso || t->zone)
        fo_str_addc(out, 'Z');
}

static void
add_part(fo_str *out, bool *any, long long n, const char *unit)
{
    if (n == 0)
        return;
    fo_str_addf(out, "%s%lld %s%s", *any ? " " : "", n, unit, n == 1 || n == -1 ? "" : "s");
    *any = true;
}

/* "1 year 2 months 3 days 04:05:06", as the engine reads it back. */
static void
add_interval(fo_str *out, int32_t months, int32_t days, int64_t nanos)
{
    bool any = false;

    add_part(out, &any, months / 12, "year");
    add_part(out, &any, months % 12, "month");
    add_part(out, &any, days, "day");
    if (nanos == 0 && any)
        return;
    if (any)
        fo_str_addc(out, ' ');
    add_signed_clock(out, nanos, 9);
}

static void
add_time(const fo_value_type *t, const void *p, bool iso, fo_str *out)
{
    int64_t v = t->width <= 8 ? read_int(p, t->width) : 0;

    switch (t->kind) {
    case V_DATE:
        if (!add_infinity(out, v, INT32_MAX))
            add_date(out, v);
        break;
    case V_DATE_MS:
        add_date(out, floor_div(v, 86400000));
        break;
    case V_TIMESTAMP:
        add_timestamp(out, v, t, iso);
        break;
    case V_TIME:
    case V_DURATION:
        add_signed_clock(out, v, t->scale);
        break;
    case V_MONTHS:
        add_interval(out, (int32_t)v, 0, 0);
        break;
    case V_DAY_TIME:
        add_interval(out, 0, (int32_t)read_int(p, 4), read_int((const char *)p + 4, 4) * 1000000);
        break;
    default:
        add_interval(out, (int32_t)read_int(p, 4), (int32_t)read_int((const char *)p + 4, 4),
                     read_int((const char *)p + 8, 8));
    }
}

/* ---- texts ---- */

typedef struct span {
    const char *p;
    size_t n;
} span;

static span
view_span(const struct ArrowArray *a, int64_t row)
{
    const char *v = slot(a, row, 1, 16);
    size_t n = (size_t)read_uint(v, 4);

    if (n <= 12)
        return (span){ v + 4, n };
    return (span){ (const char *)a->buffers[2 + read_uint(v + 8, 4)] + read_uint(v + 12, 4), n };
}

static span
text_span(const fo_value_type *t, const struct ArrowArray *a, int64_t row)
{
    const char *offsets;
    int64_t from, to;

    if (t->kind == V_TEXT_VIEW || t->kind == V_BYTES_VIEW)
        return view_span(a, row);
    if (t->kind == V_FIXED)
        return (span){ slot(a, row, 1, t->width), t->width };
    offsets = slot(a, row, 1, t->width);
    from = read_int(offsets, t->width);
    to = read_int(offsets + t->width, t->width);
    return (span){ a->buffers[2] ? (const char *)a->buffers[2] + from : "", (size_t)(to - from) };
}

/* Bytes as the engine writes and reads them: printable ASCII as it is, the rest as \xHH. */
static void
add_bytes(fo_str *out, span s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c >= 0x20 && c < 0x7F && c != '\\' && c != '"' && c != '\'')
            fo_str_addc(out, (char)c);
        else
            fo_str_addf(out, "\\x%02X", (unsigned)c);
    }
}

/* ---- values ---- */

static bool
is_null(const fo_value_type *t, const struct ArrowArray *a, int64_t row)
{
    int64_t at = a->offset + row;

    if (t->kind == V_NULL)
        return true;
    if (t->kind == V_DENSE_UNION || t->kind == V_SPARSE_UNION || a->null_count == 0 || a->n_buffers < 1 ||
        !a->buffers[0])
        return false;
    return !(((const uint8_t *)a->buffers[0])[at / 8] >> (at % 8) & 1);
}

static fo_cell_kind add_value(const fo_value_type *t, const struct ArrowArray *a, int64_t row, bool iso,
                              fo_str *out);

/* A value inside another one. */
static void
add_json(const fo_value_type *t, const struct ArrowArray *a, int64_t row, fo_str *out)
{
    size_t before = out->len;
    fo_cell_kind kind;

    if (!t->dictionary && (t->kind == V_TEXT || t->kind == V_TEXT_VIEW) && !is_null(t, a, row)) {
        span s = text_span(t, a, row);

        fo_json_string(out, s.p, s.n);
        return;
    }
    kind = add_value(t, a, row, true, out);
    if (kind == FO_CELL_NULL) {
        fo_str_add(out, "null");
    } else if (kind == FO_CELL_TEXT && fo_str_ok(out)) {
        char *text = fo_strndup(out->data ? out->data + before : "", out->len - before);
        size_t n = out->len - before;

        out->len = before;
        if (text)
            fo_json_string(out, text, n);
        else
            out->failed = true;
        fo_free(text);
    }
}

static void
add_items(const fo_value_type *t, const struct ArrowArray *a, int64_t from, int64_t to, fo_str *out)
{
    fo_str_addc(out, '[');
    for (int64_t i = from; i < to; i++) {
        if (i > from)
            fo_str_add(out, ", ");
        add_json(t, a, i, out);
    }
    fo_str_addc(out, ']');
}

static void
add_struct(const fo_value_type *t, const struct ArrowArray *a, int64_t row, fo_str *out)
{
    fo_str_addc(out, '{');
    for (size_t i = 0; i < t->n; i++) {
        if (i > 0)
            fo_str_add(out, ", ");
        fo_json_string(out, t->children[i]->name, strlen(t->children[i]->name));
        fo_str_add(out, ": ");
        add_json(t->children[i], a->children[i], a->offset + row, out);
    }
    fo_str_addc(out, '}');
}

/* Keys that are no text become the text of their JSON, since JSON's keys are texts. */
static void
add_map(const fo_value_type *t, const struct ArrowArray *a, int64_t from, int64_t to, fo_str *out)
{
    const fo_value_type *entry = t->children[0];
    const struct ArrowArray *entries = a->children[0];

    fo_str_addc(out, '{');
    for (int64_t i = from; i < to; i++) {
        FO_AUTO(fo_str_done) fo_str key = FO_STR_MAX(out->max);

        if (i > from)
            fo_str_add(out, ", ");
        add_json(entry->children[0], entries->children[0], entries->offset + i, &key);
        if (!fo_str_ok(&key))
            out->failed = true;
        else if (key.len > 0 && key.data[0] == '"')
            fo_str_addn(out, key.data, key.len);
        else
            fo_json_string(out, fo_str_z(&key), key.len);
        fo_str_add(out, ": ");
        add_json(entry->children[1], entries->children[1], entries->offset + i, out);
    }
    fo_str_addc(out, '}');
}

static void
add_nested(const fo_value_type *t, const struct ArrowArray *a, int64_t row, fo_str *out)
{
    int64_t from = 0, to = 0;
    const char *offsets;

    if (t->kind == V_FIXED_LIST) {
        from = (a->offset + row) * t->width;
        to = from + t->width;
    } else if (t->kind != V_STRUCT) {
        offsets = slot(a, row, 1, t->width);
        from = read_int(offsets, t->width);
        to = t->kind == V_LIST_VIEW ? from + read_int(slot(a, row, 2, t->width), t->width)
                                    : read_int(offsets + t->width, t->width);
    }
    if (t->kind == V_STRUCT)
        add_struct(t, a, row, out);
    else if (t->kind == V_MAP)
        add_map(t, a, from, to, out);
    else
        add_items(t->children[0], a->children[0], from, to, out);
}

/* The type ids are taken as the members' places, which is how the engine numbers them. */
static fo_cell_kind
add_union(const fo_value_type *t, const struct ArrowArray *a, int64_t row, bool iso, fo_str *out)
{
    size_t member = (size_t)read_uint(slot(a, row, 0, 1), 1);
    int64_t at = a->offset + row;

    if (member >= t->n)
        return FO_CELL_NULL;
    if (t->kind == V_DENSE_UNION)
        at = read_int(slot(a, row, 1, 4), 4);
    return add_value(t->children[member], a->children[member], at, iso, out);
}

static fo_cell_kind
add_scalar(const fo_value_type *t, const struct ArrowArray *a, int64_t row, fo_str *out)
{
    const void *p = t->kind == V_BOOL ? NULL : slot(a, row, 1, t->width);
    int64_t at = a->offset + row;
    float f;
    double d;

    switch (t->kind) {
    case V_BOOL:
        fo_str_add(out, ((const uint8_t *)a->buffers[1])[at / 8] >> (at % 8) & 1 ? "true" : "false");
        break;
    case V_INT:
        add_decimal(out, p, t->width, 0);
        break;
    case V_UINT:
        add_number(out, false, read_uint(p, t->width), 0);
        break;
    case V_FLOAT:
        return memcpy(&f, p, 4), add_double(out, (double)f, true);
    case V_DOUBLE:
        return memcpy(&d, p, 8), add_double(out, d, false);
    default:
        add_decimal(out, p, t->width, t->scale);
    }
    return FO_CELL_LITERAL;
}

static fo_cell_kind
add_value(const fo_value_type *t, const struct ArrowArray *a, int64_t row, bool iso, fo_str *out)
{
    span s;

    if (is_null(t, a, row))
        return FO_CELL_NULL;
    if (t->dictionary)
        return add_value(t->dictionary, a->dictionary, read_int(slot(a, row, 1, t->width), t->width), iso,
                         out);
    switch (t->kind) {
    case V_TEXT:
    case V_TEXT_VIEW:
        s = text_span(t, a, row);
        fo_str_addn(out, s.p, s.n);
        return FO_CELL_TEXT;
    case V_BYTES:
    case V_BYTES_VIEW:
    case V_FIXED:
        add_bytes(out, text_span(t, a, row));
        return FO_CELL_TEXT;
    case V_DATE:
    case V_DATE_MS:
    case V_TIME:
    case V_TIMESTAMP:
    case V_DURATION:
    case V_MONTHS:
    case V_DAY_TIME:
    case V_INTERVAL:
        add_time(t, slot(a, row, 1, t->width), iso, out);
        return FO_CELL_TEXT;
    case V_LIST:
    case V_LIST_VIEW:
    case V_FIXED_LIST:
    case V_STRUCT:
    case V_MAP:
        add_nested(t, a, row, out);
        return FO_CELL_LITERAL;
    case V_DENSE_UNION:
    case V_SPARSE_UNION:
        return add_union(t, a, row, iso, out);
    default:
        return add_scalar(t, a, row, out);
    }
}

void
fo_value_cell(const fo_value_type *type, const struct ArrowArray *array, int64_t row, bool iso, fo_cell *ret)
{
    assert(type && array && ret);
    fo_str_clear(&ret->text);
    ret->kind = add_value(type, array, row, iso, &ret->text);
}
