/*
 * Types: which SQL type holds which Arrow type, and the texts of what SQLite has no type for.
 *
 * SQLite has integers, doubles, texts and bytes. Decimals, dates and timestamps are kept as text, so that no
 * digit is lost. A declared type with TEXT in its name makes SQLite leave such texts alone (with DECIMAL it
 * would make them doubles), and the word before _TEXT tells what the column is for:
 * https://www.sqlite.org/datatype3.html#determination_of_column_affinity
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sqlite.h"

#define DAY INT64_C(86400)

__extension__ typedef __int128 int128;
__extension__ typedef unsigned __int128 uint128;

/* The first row whose word is in the declared type wins. */
static const struct {
    const char *pattern; /* of sqlite3_strlike */
    finops_column_type type;
} declared_types[] = {
    { "%DECIMAL%", FINOPS_TYPE_DECIMAL },
    { "%NUMERIC%", FINOPS_TYPE_DECIMAL },
    { "%TIMESTAMPTZ%", FINOPS_TYPE_TIMESTAMP_TZ },
    { "%WITH TIME ZONE%", FINOPS_TYPE_TIMESTAMP_TZ },
    { "%TIMESTAMP%", FINOPS_TYPE_TIMESTAMP },
    { "%DATETIME%", FINOPS_TYPE_TIMESTAMP },
    { "%DATE%", FINOPS_TYPE_DATE },
    { "%JSON%", FINOPS_TYPE_JSON },
    { "%BOOL%", FINOPS_TYPE_BOOL },
    { "%INT%", FINOPS_TYPE_INT },
    { "%CHAR%", FINOPS_TYPE_TEXT },
    { "%CLOB%", FINOPS_TYPE_TEXT },
    { "%TEXT%", FINOPS_TYPE_TEXT },
    { "%BLOB%", FINOPS_TYPE_BYTES },
    { "%REAL%", FINOPS_TYPE_DOUBLE },
    { "%FLOA%", FINOPS_TYPE_DOUBLE },
    { "%DOUB%", FINOPS_TYPE_DOUBLE },
};

finops_column_type
sqlite_type(const char *declared, int *ret_precision, int *ret_scale)
{
    int precision = 0, scale = 0;

    for (size_t i = 0; declared && i < sizeof(declared_types) / sizeof(declared_types[0]); i++) {
        if (sqlite3_strlike(declared_types[i].pattern, declared, 0) != 0)
            continue;
        if (declared_types[i].type == FINOPS_TYPE_DECIMAL)
            sscanf(declared, "%*[^(](%4d,%4d)", &precision, &scale);
        if (ret_precision)
            *ret_precision = precision;
        if (ret_scale)
            *ret_scale = scale;
        return declared_types[i].type;
    }
    return FINOPS_TYPE_OTHER;
}

static bool
starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Digits and scale of "d:38,18". Only 128 bits are known here, which is all that finops sends. */
static bool
decimal_format(const char *format, int *ret_precision, int *ret_scale)
{
    int bits = 128;

    return sscanf(format, "d:%4d,%4d,%4d", ret_precision, ret_scale, &bits) >= 2 && bits == 128 &&
           *ret_scale >= -38 && *ret_scale <= 38;
}

/* Lists, structs and maps of what can be stored itself. */
static bool
nested_is_known(const struct ArrowSchema *schema, char *buf, size_t size)
{
    if (schema->dictionary || !strchr("lLsm", schema->format[1]) || schema->format[2] != '\0')
        return false;
    for (int64_t i = 0; i < schema->n_children; i++)
        if (!sqlite_declare(schema->children[i], buf, size))
            return false;
    return true;
}

const char *
sqlite_declare(const struct ArrowSchema *schema, char *buf, size_t size)
{
    const char *f = schema->dictionary ? schema->dictionary->format : schema->format;
    int precision, scale;

    if (f[0] == 'd' && decimal_format(f, &precision, &scale))
        return sqlite3_snprintf((int)size, buf, "DECIMAL_TEXT(%d,%d)", precision, scale);
    if (f[0] == 't' && f[1] == 's')
        return strlen(f) > 4 ? "TIMESTAMPTZ_TEXT" : "TIMESTAMP_TEXT"; /* the zone follows "tsu:" */
    if (starts(f, "td"))
        return "DATE_TEXT";
    if (starts(f, "tt"))
        return "TIME_TEXT";
    if (f[0] == '+')
        return nested_is_known(schema, buf, size) ? "JSON_TEXT" : NULL;
    if (starts(f, "w:"))
        return "BLOB";
    if (strlen(f) != 1)
        return NULL;
    if (strchr("cCsSiIl", f[0]))
        return "BIGINT";
    if (f[0] == 'L')
        return "DECIMAL_TEXT(20,0)"; /* half of them do not fit into SQLite's integers */
    if (f[0] == 'f' || f[0] == 'g')
        return "DOUBLE";
    if (f[0] == 'b')
        return "BOOLEAN";
    if (f[0] == 'z' || f[0] == 'Z')
        return "BLOB";
    return f[0] == 'u' || f[0] == 'U' || f[0] == 'n' ? "TEXT" : NULL;
}

bool
sqlite_is_null(const struct ArrowArray *array, int64_t row)
{
    const uint8_t *valid = array->n_buffers > 0 ? array->buffers[0] : NULL;
    int64_t k = array->offset + row;

    if (array->n_buffers == 0) /* the null type */
        return true;
    return valid && !(valid[k / 8] >> (k % 8) & 1);
}

int64_t
sqlite_integer(char format, const void *values, int64_t k)
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

double
sqlite_double(char format, const void *values, int64_t k)
{
    return format == 'f' ? (double)((const float *)values)[k] : ((const double *)values)[k];
}

/* Floor division: times before 1970 are negative. */
static int64_t
floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Civil dates: http://howardhinnant.github.io/date_algorithms.html */
static void
print_date(sqlite3_str *to, int64_t days)
{
    int64_t z = days + 719468, era = floor_div(z, 146097), doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int64_t month = mp < 10 ? mp + 3 : mp - 9;

    sqlite3_str_appendf(to, "%04lld-%02lld-%02lld", (long long)(yoe + era * 400 + (month <= 2)),
                        (long long)month, (long long)(doy - (153 * mp + 2) / 5 + 1));
}

/* Seconds of a day and the fraction, which is left out when it is 0: '.' sorts behind nothing and '+'. */
static void
print_time(sqlite3_str *to, int64_t second, int64_t fraction, int digits)
{
    sqlite3_str_appendf(to, "%02lld:%02lld:%02lld", (long long)(second / 3600), (long long)(second / 60 % 60),
                        (long long)(second % 60));
    if (fraction)
        sqlite3_str_appendf(to, ".%0*lld", digits, (long long)fraction);
}

static int64_t
per_second(char unit, int *ret_digits)
{
    *ret_digits = unit == 's' ? 0 : unit == 'm' ? 3 : unit == 'u' ? 6 : 9;
    return unit == 's' ? 1 : unit == 'm' ? 1000 : unit == 'u' ? 1000000 : 1000000000;
}

/* "td", "ts" and "tt" in all units. */
static void
print_temporal(sqlite3_str *to, const char *format, const void *values, int64_t k)
{
    bool narrow = starts(format, "tdD") || starts(format, "tts") || starts(format, "ttm");
    int64_t value = narrow ? ((const int32_t *)values)[k] : ((const int64_t *)values)[k];
    int digits;
    int64_t unit = per_second(format[2], &digits), second = floor_div(value, unit), day;

    if (format[1] == 'd') {
        print_date(to, narrow ? value : floor_div(value, DAY * 1000));
        return;
    }
    day = floor_div(second, DAY);
    if (format[1] == 's') {
        print_date(to, day);
        sqlite3_str_appendchar(to, 1, ' ');
        second -= day * DAY;
    }
    print_time(to, second, value - floor_div(value, unit) * unit, digits);
    if (format[1] == 's' && strlen(format) > 4)
        sqlite3_str_appendall(to, "+00"); /* as PostgreSQL and DuckDB print it: one statement for all */
}

static void
print_decimal(sqlite3_str *to, const char *format, const void *values, int64_t k)
{
    int precision, scale, at = 0;
    char digits[48];
    int128 value;
    uint128 rest;

    memcpy(&value, (const char *)values + k * 16, 16);
    rest = value < 0 ? -(uint128)value : (uint128)value;
    decimal_format(format, &precision, &scale);
    for (; rest || at <= (scale > 0 ? scale : 0); rest /= 10)
        digits[at++] = (char)('0' + (int)(rest % 10));
    if (value < 0)
        sqlite3_str_appendchar(to, 1, '-');
    while (at-- > 0) {
        sqlite3_str_appendchar(to, 1, digits[at]);
        if (at == scale && scale > 0)
            sqlite3_str_appendchar(to, 1, '.');
    }
    if (scale < 0 && value != 0)
        sqlite3_str_appendchar(to, -scale, '0');
}

/* A text in quotes. Bytes above 127 are UTF-8 already. */
static void
print_quoted(sqlite3_str *to, const char *text, int64_t size)
{
    sqlite3_str_appendchar(to, 1, '"');
    for (int64_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20)
            sqlite3_str_appendf(to, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            sqlite3_str_appendf(to, "\\%c", c);
        else
            sqlite3_str_appendchar(to, 1, (char)c);
    }
    sqlite3_str_appendchar(to, 1, '"');
}

const char *
sqlite_bytes(const char *format, const struct ArrowArray *array, int64_t k, int64_t *ret_size)
{
    bool large = format[0] == 'U' || format[0] == 'Z';
    const int32_t *near = array->buffers[1];
    const int64_t *far = array->buffers[1];
    int64_t from, end;

    if (format[0] == 'w') {
        sscanf(format, "w:%9" SCNd64, ret_size);
        return (const char *)array->buffers[1] + k * *ret_size;
    }
    from = large ? far[k] : near[k];
    end = large ? far[k + 1] : near[k + 1];
    *ret_size = end - from;
    return end > from ? (const char *)array->buffers[2] + from : "";
}

static void
print_bytes(sqlite3_str *to, const char *format, const struct ArrowArray *array, int64_t k, bool json)
{
    int64_t size = 0;
    const char *bytes = sqlite_bytes(format, array, k, &size);

    if (format[0] == 'u' || format[0] == 'U') {
        if (json)
            print_quoted(to, bytes, size);
        else
            sqlite3_str_append(to, bytes, (int)size);
        return;
    }
    sqlite3_str_appendall(to, json ? "\"" : "");
    for (int64_t i = 0; i < size; i++)
        sqlite3_str_appendf(to, "%02X", (unsigned char)bytes[i]);
    sqlite3_str_appendall(to, json ? "\"" : "");
}

/* JSON's keys are texts. */
static void
print_key(sqlite3_str *to, const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t row)
{
    bool text = strchr("uU", schema->format[0]) != NULL;

    sqlite3_str_appendall(to, text ? "" : "\"");
    sqlite_print(to, schema, array, row, text);
    sqlite3_str_appendall(to, text ? "" : "\"");
}

/* Lists and maps are spans of their child, structs one row of each. */
static void
print_nested(sqlite3_str *to, const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t k)
{
    bool map = schema->format[1] == 'm', object = map || schema->format[1] == 's';
    const int32_t *near = array->n_buffers > 1 ? array->buffers[1] : NULL;
    const int64_t *far = array->n_buffers > 1 ? array->buffers[1] : NULL;
    bool large = schema->format[1] == 'L', is_struct = object && !map;
    int64_t from = is_struct ? 0 : large ? far[k] : near[k];
    int64_t end = is_struct ? schema->n_children : large ? far[k + 1] : near[k + 1];
    const struct ArrowSchema *type = is_struct ? NULL : schema->children[0];
    const struct ArrowArray *values = is_struct ? NULL : array->children[0];

    sqlite3_str_appendchar(to, 1, object ? '{' : '[');
    for (int64_t i = from; i < end; i++) {
        if (i > from)
            sqlite3_str_appendall(to, ",");
        if (is_struct) {
            const char *name = schema->children[i]->name;
            print_quoted(to, name, (int64_t)strlen(name));
            sqlite3_str_appendall(to, ":");
            sqlite_print(to, schema->children[i], array->children[i], k, true);
        } else if (map) { /* entries: a struct of key and value */
            print_key(to, type->children[0], values->children[0], values->offset + i);
            sqlite3_str_appendall(to, ":");
            sqlite_print(to, type->children[1], values->children[1], values->offset + i, true);
        } else {
            sqlite_print(to, type, values, i, true);
        }
    }
    sqlite3_str_appendchar(to, 1, object ? '}' : ']');
}

/* Integers of any width, floats and booleans. */
static void
print_number(sqlite3_str *to, char format, const void *v, int64_t k)
{
    switch (format) {
    case 'b':
        sqlite3_str_appendall(to, ((const uint8_t *)v)[k / 8] >> (k % 8) & 1 ? "true" : "false");
        return;
    case 'f':
    case 'g':
        if (isfinite(sqlite_double(format, v, k)))
            sqlite3_str_appendf(to, "%!.17g", sqlite_double(format, v, k));
        else
            sqlite3_str_appendall(to, "null"); /* JSON knows no other numbers */
        return;
    case 'L':
        sqlite3_str_appendf(to, "%llu", (unsigned long long)((const uint64_t *)v)[k]);
        return;
    default:
        sqlite3_str_appendf(to, "%lld", (long long)sqlite_integer(format, v, k));
    }
}

void
sqlite_print(sqlite3_str *to, const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t row,
             bool json)
{
    int64_t k = array->offset + row;
    const char *f = schema->format;

    if (sqlite_is_null(array, row)) {
        sqlite3_str_appendall(to, "null");
    } else if (schema->dictionary) {
        sqlite_print(to, schema->dictionary, array->dictionary, sqlite_integer(f[0], array->buffers[1], k),
                     json);
    } else if (f[0] == '+') {
        print_nested(to, schema, array, k);
    } else if (strchr("uUzZw", f[0])) {
        print_bytes(to, f, array, k, json);
    } else if (f[0] == 'd') {
        print_decimal(to, f, array->buffers[1], k);
    } else if (f[0] == 't') {
        sqlite3_str_appendall(to, json ? "\"" : "");
        print_temporal(to, f, array->buffers[1], k);
        sqlite3_str_appendall(to, json ? "\"" : "");
    } else {
        print_number(to, f[0], array->buffers[1], k);
    }
}

bool
sqlite_parse_date(const char *text, int32_t *ret_days)
{
    int year, month, day, used = 0;
    int64_t y, era, yoe, doy;

    if (sscanf(text, "%6d-%2d-%2d%n", &year, &month, &day, &used) != 3 || text[used] != '\0')
        return false;
    y = year - (month <= 2);
    era = floor_div(y, 400);
    yoe = y - era * 400;
    doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    *ret_days = (int32_t)(era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468);
    return true;
}

bool
sqlite_parse_timestamp(const char *text, int64_t *ret_us)
{
    char date[16] = "", fraction[8] = "";
    int hour = 0, minute = 0, second = 0, used = 0, more = 0;
    int64_t us = 0;
    int32_t days;

    if (sscanf(text, "%15[-0-9]%*1[ T]%2d:%2d:%2d%n", date, &hour, &minute, &second, &used) < 4)
        return false;
    if (sscanf(text + used, ".%6[0-9]%n", fraction, &more) == 1)
        used += more;
    for (int i = 0; i < 6; i++)
        us = us * 10 + (i < (int)strlen(fraction) ? fraction[i] - '0' : 0);
    used += (int)strspn(text + used, "0123456789"); /* of nanoseconds */
    if (text[used] != '\0' && strcmp(text + used, "+00") != 0 && strcmp(text + used, "+00:00") != 0 &&
        strcmp(text + used, "Z") != 0)
        return false;
    if (!sqlite_parse_date(date, &days))
        return false;
    *ret_us = (days * DAY + hour * 3600 + minute * 60 + second) * 1000000 + us;
    return true;
}
