/* Values of Arrow arrays as texts, and as JSON where they are nested. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "database/adbc/adbc_internal.h"

#define DAY INT64_C(86400)

__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;

static bool
nested_is_printable(const struct ArrowSchema *schema)
{
    if (!schema->format[1] || !strchr("lLsm", schema->format[1]) || schema->format[2] != '\0')
        return false;
    for (int64_t i = 0; i < schema->n_children; i++)
        if (!fo_adbc_printable(schema->children[i]))
            return false;
    return true;
}

static bool
decimal_format(const char *format, int *ret_scale)
{
    int precision, bits = 128;

    return sscanf(format, "d:%4d,%4d,%4d", &precision, ret_scale, &bits) >= 2 && bits == 128 &&
           *ret_scale >= -38 && *ret_scale <= 38;
}

bool
fo_adbc_printable(const struct ArrowSchema *schema)
{
    const char *f = schema->format;
    int scale;

    if (schema->dictionary)
        return fo_adbc_printable(schema->dictionary);
    if (f[0] == '+')
        return nested_is_printable(schema);
    if (f[0] == 'd')
        return decimal_format(f, &scale);
    if (f[0] == 't')
        return f[1] == 'd' || f[1] == 's' || f[1] == 't';
    return fo_starts(f, "w:") || (strlen(f) == 1 && strchr("nbcCsSiIlLfguUzZ", f[0]));
}

bool
fo_adbc_is_null(const struct ArrowArray *array, int64_t row)
{
    const uint8_t *valid = array->n_buffers > 0 ? array->buffers[0] : NULL;
    int64_t k = array->offset + row;

    if (array->n_buffers == 0) /* the null type */
        return true;
    return valid && !(valid[k / 8] >> (k % 8) & 1);
}

int64_t
fo_adbc_integer(char format, const void *values, int64_t k)
{
    switch (format) {
    case 'c':
        return ((const int8_t *)values)[k];
    case 'C':
        return ((const uint8_t *)values)[k];
    case 's':
        return ((const int16_t *)values)[k];
    case 'S':
        return ((const uint16_t *)values)[k];
    case 'i':
        return ((const int32_t *)values)[k];
    case 'I':
        return ((const uint32_t *)values)[k];
    default:
        return ((const int64_t *)values)[k];
    }
}

/* Times before 1970 are negative. */
static int64_t
floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Civil dates: http://howardhinnant.github.io/date_algorithms.html */
static void
print_date(fo_str *to, int64_t days)
{
    int64_t z = days + 719468, era = floor_div(z, 146097), doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int64_t month = mp < 10 ? mp + 3 : mp - 9;

    fo_str_addf(to, "%04" PRId64 "-%02" PRId64 "-%02" PRId64, yoe + era * 400 + (month <= 2), month,
                doy - (153 * mp + 2) / 5 + 1);
}

static int64_t
per_second(char unit, int *ret_digits)
{
    *ret_digits = unit == 's' ? 0 : unit == 'm' ? 3 : unit == 'u' ? 6 : 9;
    return unit == 's' ? 1 : unit == 'm' ? 1000 : unit == 'u' ? 1000000 : 1000000000;
}

/* "td", "ts" and "tt" in all units. */
static void
print_temporal(fo_str *to, const char *format, const void *values, int64_t k)
{
    bool narrow = fo_starts(format, "tdD") || fo_starts(format, "tts") || fo_starts(format, "ttm");
    int64_t value = narrow ? ((const int32_t *)values)[k] : ((const int64_t *)values)[k];
    int digits;
    int64_t unit = per_second(format[2], &digits), second = floor_div(value, unit);
    int64_t fraction = value - second * unit, day = floor_div(second, DAY);

    if (format[1] == 'd') {
        print_date(to, narrow ? value : floor_div(value, DAY * 1000));
        return;
    }
    if (format[1] == 's') {
        print_date(to, day);
        fo_str_addc(to, ' ');
        second -= day * DAY;
    }
    fo_str_addf(to, "%02" PRId64 ":%02" PRId64 ":%02" PRId64, second / 3600, second / 60 % 60, second % 60);
    if (fraction)
        fo_str_addf(to, ".%0*" PRId64, digits, fraction);
    if (format[1] == 's' && strlen(format) > 4)
        fo_str_add(to, "+00");
}

static void
print_decimal(fo_str *to, const char *format, const void *values, int64_t k)
{
    int scale = 0, at = 0;
    char digits[48];
    int128 value;
    uint128 rest;

    memcpy(&value, (const char *)values + k * 16, 16);
    rest = value < 0 ? -(uint128)value : (uint128)value;
    decimal_format(format, &scale);
    for (; rest || at <= (scale > 0 ? scale : 0); rest /= 10)
        digits[at++] = (char)('0' + (int)(rest % 10));
    if (value < 0)
        fo_str_addc(to, '-');
    while (at-- > 0) {
        fo_str_addc(to, digits[at]);
        if (at == scale && scale > 0)
            fo_str_addc(to, '.');
    }
    for (; scale < 0 && value != 0; scale++)
        fo_str_addc(to, '0');
}

static const char *
bytes_of(const char *format, const struct ArrowArray *array, int64_t k, int64_t *ret_size)
{
    bool large = format[0] == 'U' || format[0] == 'Z';
    const int32_t *near = array->buffers[1];
    const int64_t *far = array->buffers[1];
    int64_t from, end;

    if (format[0] == 'w') {
        *ret_size = 0;
        sscanf(format, "w:%9" SCNd64, ret_size);
        return (const char *)array->buffers[1] + k * *ret_size;
    }
    from = large ? far[k] : near[k];
    end = large ? far[k + 1] : near[k + 1];
    *ret_size = end - from;
    return end > from ? (const char *)array->buffers[2] + from : "";
}

/* Bytes as PostgreSQL and DuckDB's hex() see them; the letters are lower case as PostgreSQL's. */
static void
print_bytes(fo_str *to, const char *format, const struct ArrowArray *array, int64_t k, bool json)
{
    int64_t size = 0;
    const char *bytes = bytes_of(format, array, k, &size);

    if (format[0] == 'u' || format[0] == 'U') {
        if (json)
            fo_str_add_json(to, bytes, (size_t)size);
        else
            fo_str_addn(to, bytes, (size_t)size);
        return;
    }
    fo_str_add(to, json ? "\"\\\\x" : "\\x");
    for (int64_t i = 0; i < size; i++)
        fo_str_addf(to, "%02x", (unsigned char)bytes[i]);
    fo_str_add(to, json ? "\"" : "");
}

/* All digits, and no more of them than needed. */
static void
print_double(fo_str *to, bool single, double value, bool json)
{
    char text[40];

    if (!isfinite(value)) {
        fo_str_add(to, json ? "null" : isnan(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity");
        return;
    }
    for (int digits = single ? 6 : 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, value);
        if (single ? (float)strtod(text, NULL) >= (float)value && (float)strtod(text, NULL) <= (float)value
                   : strtod(text, NULL) >= value && strtod(text, NULL) <= value)
            break;
    }
    fo_str_add(to, text);
    if (json && !strpbrk(text, ".e"))
        fo_str_add(to, ".0");
}

static void
print_number(fo_str *to, char format, const void *v, int64_t k, bool json)
{
    if (format == 'b')
        fo_str_add(to, ((const uint8_t *)v)[k / 8] >> (k % 8) & 1 ? "true" : "false");
    else if (format == 'f')
        print_double(to, true, (double)((const float *)v)[k], json);
    else if (format == 'g')
        print_double(to, false, ((const double *)v)[k], json);
    else if (format == 'L')
        fo_str_addf(to, "%" PRIu64, ((const uint64_t *)v)[k]);
    else
        fo_str_addf(to, "%" PRId64, fo_adbc_integer(format, v, k));
}

/* JSON's keys are texts. */
static void
print_key(fo_str *to, const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t row)
{
    bool text = strchr("uU", schema->format[0]) != NULL;

    fo_str_add(to, text ? "" : "\"");
    fo_adbc_print(to, schema, array, row, text);
    fo_str_add(to, text ? "" : "\"");
}

static void
print_struct(fo_str *to, const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t k)
{
    fo_str_addc(to, '{');
    for (int64_t i = 0; i < schema->n_children; i++) {
        const char *name = schema->children[i]->name;
        fo_str_add(to, i ? "," : "");
        fo_str_add_json(to, name, strlen(name));
        fo_str_addc(to, ':');
        fo_adbc_print(to, schema->children[i], array->children[i], k, true);
    }
    fo_str_addc(to, '}');
}

/* Lists and maps are spans of their child. */
static void
print_span(fo_str *to, const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t k)
{
    bool map = schema->format[1] == 'm', large = schema->format[1] == 'L';
    const int32_t *near = array->buffers[1];
    const int64_t *far = array->buffers[1];
    int64_t from = large ? far[k] : near[k], end = large ? far[k + 1] : near[k + 1];
    const struct ArrowSchema *type = schema->children[0];
    const struct ArrowArray *values = array->children[0];

    fo_str_addc(to, map ? '{' : '[');
    for (int64_t i = from; i < end; i++) {
        fo_str_add(to, i > from ? "," : "");
        if (map) {
            print_key(to, type->children[0], values->children[0], values->offset + i);
            fo_str_addc(to, ':');
            fo_adbc_print(to, type->children[1], values->children[1], values->offset + i, true);
        } else {
            fo_adbc_print(to, type, values, i, true);
        }
    }
    fo_str_addc(to, map ? '}' : ']');
}

void
fo_adbc_print(fo_str *to, const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t row,
              bool json)
{
    int64_t k = array->offset + row;
    const char *f = schema->format;

    if (fo_adbc_is_null(array, row)) {
        fo_str_add(to, "null");
    } else if (schema->dictionary) {
        fo_adbc_print(to, schema->dictionary, array->dictionary, fo_adbc_integer(f[0], array->buffers[1], k),
                      json);
    } else if (f[0] == '+') {
        if (f[1] == 's')
            print_struct(to, schema, array, k);
        else
            print_span(to, schema, array, k);
    } else if (strchr("uUzZw", f[0])) {
        print_bytes(to, f, array, k, json);
    } else if (f[0] == 'd') {
        print_decimal(to, f, array->buffers[1], k);
    } else if (f[0] == 't') {
        fo_str_add(to, json ? "\"" : "");
        print_temporal(to, f, array->buffers[1], k);
        fo_str_add(to, json ? "\"" : "");
    } else {
        print_number(to, f[0], array->buffers[1], k, json);
    }
}
