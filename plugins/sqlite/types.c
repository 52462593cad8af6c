/*
 * Types: which SQL type holds which Arrow type, and the texts of what SQLite has no type for.
 *
 * SQLite has integers, doubles, texts and bytes. Decimals, dates and timestamps are kept as text, so that no
 * digit is lost. A declared type with TEXT in its name makes SQLite leave such texts alone (with DECIMAL it
 * would make them doubles), and the word before _TEXT tells what the column is for:
 * https://www.sqlite.org/datatype3.html#determination_of_column_affinity
 */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sqlite.h"

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
sqlite_type(const char *declared, int ret_digits[2])
{
    for (size_t i = 0; declared && i < sizeof(declared_types) / sizeof(declared_types[0]); i++) {
        if (sqlite3_strlike(declared_types[i].pattern, declared, 0) != 0)
            continue;
        if (declared_types[i].type == FINOPS_TYPE_DECIMAL)
            sscanf(declared, "%*[^(](%4d,%4d)", &ret_digits[0], &ret_digits[1]);
        return declared_types[i].type;
    }
    return FINOPS_TYPE_OTHER;
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
static const char *
declare_nested(const struct ArrowSchema *schema, char *buf, int size)
{
    bool known = schema->format[1] && strchr("lLsm", schema->format[1]) && !schema->format[2];

    for (int64_t i = 0; known && i < schema->n_children; i++)
        known = sqlite_declare(schema->children[i], buf, size) != NULL;
    return known ? "JSON_TEXT" : NULL;
}

const char *
sqlite_declare(const struct ArrowSchema *schema, char *buf, int size)
{
    const char *f = schema->dictionary ? schema->dictionary->format : schema->format;
    int precision, scale;

    switch (f[0]) {
    case 'd':
        return decimal_format(f, &precision, &scale)
                   ? sqlite3_snprintf(size, buf, "DECIMAL_TEXT(%d,%d)", precision, scale)
                   : NULL;
    case 't': /* the zone of a timestamp follows "tsu:" */
        if (f[1] == 's')
            return strlen(f) > 4 ? "TIMESTAMPTZ_TEXT" : "TIMESTAMP_TEXT";
        return f[1] == 'd' ? "DATE_TEXT" : f[1] == 't' ? "TIME_TEXT" : NULL;
    case '+':
        return schema->dictionary ? NULL : declare_nested(schema, buf, size);
    case 'w':
        return "BLOB";
    }
    if (strlen(f) != 1)
        return NULL;
    if (f[0] == 'L')
        return "DECIMAL_TEXT(20,0)"; /* half of them do not fit into SQLite's integers */
    if (strchr("cCsSiIl", f[0]))
        return "BIGINT";
    if (strchr("zZ", f[0]))
        return "BLOB";
    return f[0] == 'b' ? "BOOLEAN" : strchr("fg", f[0]) ? "DOUBLE" : strchr("uUn", f[0]) ? "TEXT" : NULL;
}

/* ---- values of an array; k counts from the start of its buffers ---- */

static bool
is_null(const struct ArrowArray *array, int64_t row)
{
    const uint8_t *valid = array->n_buffers > 0 ? array->buffers[0] : NULL;
    int64_t k = array->offset + row;

    if (array->n_buffers == 0) /* the null type */
        return true;
    return valid && !(valid[k / 8] >> (k % 8) & 1);
}

static int64_t
integer(char format, const void *values, int64_t k)
{
    switch (format) {
    case 'b':
        return ((const uint8_t *)values)[k / 8] >> (k % 8) & 1;
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

/* Texts and bytes, lists and maps: what is between the offsets k and k + 1. */
static int64_t
span(bool large, const struct ArrowArray *array, int64_t k, int64_t *ret_size)
{
    char format = large ? 'l' : 'i';
    int64_t from = integer(format, array->buffers[1], k);

    *ret_size = integer(format, array->buffers[1], k + 1) - from;
    return from;
}

static const char *
bytes_of(const char *format, const struct ArrowArray *array, int64_t k, int64_t *ret_size)
{
    int64_t from;

    if (format[0] == 'w') {
        sscanf(format, "w:%9" SCNd64, ret_size);
        return (const char *)array->buffers[1] + k * *ret_size;
    }
    from = span(format[0] == 'U' || format[0] == 'Z', array, k, ret_size);
    return *ret_size > 0 ? (const char *)array->buffers[2] + from : "";
}

/* ---- values as text; `json`: with quotes where JSON has them ---- */

static void print(sqlite3_str *to, const struct ArrowSchema *schema, const struct ArrowArray *array,
                  int64_t row, bool json);

/* "td", "ts" and "tt" in all units. A fraction of 0 is left out: '.' sorts behind nothing and '+'. */
static void
print_temporal(sqlite3_str *to, const char *format, const void *values, int64_t k)
{
    bool days = format[2] == 'D', narrow = days || (format[1] == 't' && strchr("sm", format[2]));
    int digits = format[2] == 'm' ? 3 : format[2] == 'u' ? 6 : format[2] == 'n' ? 9 : 0;
    int64_t value = integer(narrow ? 'i' : 'l', values, k), unit = 1, fraction;
    struct tm tm;
    time_t second;

    for (int i = 0; i < digits; i++)
        unit *= 10;
    fraction = (value % unit + unit) % unit; /* times before 1970 are negative */
    second = days ? value * 86400 : value / unit - (value % unit < 0);
    if (!gmtime_r(&second, &tm)) { /* no year of this size */
        sqlite3_str_appendf(to, "%lld", (long long)value);
        return;
    }
    if (format[1] != 't')
        sqlite3_str_appendf(to, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
    if (format[1] != 'd')
        sqlite3_str_appendf(to, "%s%02d:%02d:%02d", format[1] == 's' ? " " : "", tm.tm_hour, tm.tm_min,
                            tm.tm_sec);
    if (format[1] != 'd' && fraction)
        sqlite3_str_appendf(to, ".%0*lld", digits, (long long)fraction);
    if (format[1] == 's' && strlen(format) > 4)
        sqlite3_str_appendall(to, "+00"); /* as PostgreSQL and DuckDB print it: one statement for all */
}

static void
print_decimal(sqlite3_str *to, const char *format, const void *values, int64_t k)
{
    char text[48], *at = text + sizeof(text) - 1;
    int precision, scale = 0;
    int128 value;
    uint128 rest;

    memcpy(&value, (const char *)values + k * 16, 16);
    rest = value < 0 ? -(uint128)value : (uint128)value;
    decimal_format(format, &precision, &scale);
    *at = '\0';
    for (int n = 0; rest || n <= scale || n == 0; n++, rest /= 10) {
        if (n == scale && n > 0)
            *--at = '.';
        *--at = (char)('0' + (int)(rest % 10));
    }
    sqlite3_str_appendf(to, "%s%s", value < 0 ? "-" : "", at);
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
        if (c == '"' || c == '\\')
            sqlite3_str_appendchar(to, 1, '\\');
        if (c < 0x20)
            sqlite3_str_appendf(to, "\\u%04x", c);
        else
            sqlite3_str_appendchar(to, 1, (char)c);
    }
    sqlite3_str_appendchar(to, 1, '"');
}

/* A name of JSON: always a text. */
static void
print_key(sqlite3_str *to, const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t row)
{
    bool text = strchr("uU", schema->format[0]) != NULL;

    sqlite3_str_appendall(to, text ? "" : "\"");
    print(to, schema, array, row, text);
    sqlite3_str_appendall(to, text ? ":" : "\":");
}

/* Lists and maps are spans of their child, structs one row of each. */
static void
print_nested(sqlite3_str *to, const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t k)
{
    char kind = schema->format[1];
    int64_t n = schema->n_children, from = kind == 's' ? 0 : span(kind == 'L', array, k, &n);

    sqlite3_str_appendchar(to, 1, strchr("lL", kind) ? '[' : '{');
    for (int64_t i = from; i < from + n; i++) {
        const struct ArrowSchema *type = schema->children[kind == 's' ? i : 0];
        const struct ArrowArray *values = array->children[kind == 's' ? i : 0];
        sqlite3_str_appendall(to, i > from ? "," : "");
        if (kind == 's') {
            print_quoted(to, type->name, (int64_t)strlen(type->name));
            sqlite3_str_appendall(to, ":");
            print(to, type, values, k, true);
        } else if (kind == 'm') { /* entries: a struct of key and value */
            print_key(to, type->children[0], values->children[0], values->offset + i);
            print(to, type->children[1], values->children[1], values->offset + i, true);
        } else {
            print(to, type, values, i, true);
        }
    }
    sqlite3_str_appendchar(to, 1, strchr("lL", kind) ? ']' : '}');
}

static double
real(char format, const void *values, int64_t k)
{
    return format == 'f' ? (double)((const float *)values)[k] : ((const double *)values)[k];
}

/* What JSON has no quotes for. */
static void
print_number(sqlite3_str *to, char format, const void *values, int64_t k, bool json)
{
    if (format == 'b')
        sqlite3_str_appendall(to, integer(format, values, k) ? "true" : "false");
    else if (format == 'L')
        sqlite3_str_appendf(to, "%llu", (unsigned long long)integer(format, values, k));
    else if (!strchr("fg", format))
        sqlite3_str_appendf(to, "%lld", (long long)integer(format, values, k));
    else if (!json || isfinite(real(format, values, k)))
        sqlite3_str_appendf(to, "%!.17g", real(format, values, k));
    else
        sqlite3_str_appendall(to, "null"); /* JSON knows no other numbers */
}

static void
print(sqlite3_str *to, const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t row,
      bool json)
{
    int64_t k = array->offset + row, size = 0;
    const char *f = schema->format, *quote = json && strchr("tzZw", f[0]) ? "\"" : "", *bytes;

    if (is_null(array, row)) {
        sqlite3_str_appendall(to, "null");
        return;
    }
    if (schema->dictionary) {
        print(to, schema->dictionary, array->dictionary, integer(f[0], array->buffers[1], k), json);
        return;
    }
    sqlite3_str_appendall(to, quote);
    switch (f[0]) {
    case '+':
        print_nested(to, schema, array, k);
        break;
    case 'd':
        print_decimal(to, f, array->buffers[1], k);
        break;
    case 't':
        print_temporal(to, f, array->buffers[1], k);
        break;
    case 'u':
    case 'U':
        bytes = bytes_of(f, array, k, &size);
        if (json)
            print_quoted(to, bytes, size);
        else
            sqlite3_str_append(to, bytes, (int)size);
        break;
    case 'z':
    case 'Z':
    case 'w':
        bytes = bytes_of(f, array, k, &size);
        for (int64_t i = 0; i < size; i++)
            sqlite3_str_appendf(to, "%02X", (unsigned char)bytes[i]);
        break;
    default:
        print_number(to, f[0], array->buffers[1], k, json);
    }
    sqlite3_str_appendall(to, quote);
}

static int
bind_printed(sqlite3_stmt *q, int at, const struct ArrowSchema *schema, const struct ArrowArray *array,
             int64_t row)
{
    sqlite3_str *text = sqlite3_str_new(sqlite3_db_handle(q));
    char *z;

    print(text, schema, array, row, false);
    sqlite3_str_appendchar(text, 1, '\0'); /* an empty text is no NULL */
    z = sqlite3_str_finish(text);
    return z ? sqlite3_bind_text(q, at, z, -1, sqlite3_free) : SQLITE_NOMEM;
}

/* Texts and bytes are bound where they are: the batch outlives the row. */
int
sqlite_bind(sqlite3_stmt *q, int at, const struct ArrowSchema *schema, const struct ArrowArray *array,
            int64_t row, bool as_text)
{
    int64_t k = array->offset + row, size = 0;
    char f = schema->format[0];
    const char *bytes;
    double value;

    if (is_null(array, row))
        return sqlite3_bind_null(q, at);
    if (schema->dictionary)
        return sqlite_bind(q, at, schema->dictionary, array->dictionary, integer(f, array->buffers[1], k),
                           as_text);
    if (strchr(as_text ? "uU" : "uUzZw", f)) {
        bytes = bytes_of(schema->format, array, k, &size);
        return strchr("uU", f)
                   ? sqlite3_bind_text64(q, at, bytes, (sqlite3_uint64)size, SQLITE_STATIC, SQLITE_UTF8)
                   : sqlite3_bind_blob64(q, at, bytes, (sqlite3_uint64)size, SQLITE_STATIC);
    }
    if (as_text || !strchr("bcCsSiIlfg", f))
        return bind_printed(q, at, schema, array, row);
    if (!strchr("fg", f))
        return sqlite3_bind_int64(q, at, integer(f, array->buffers[1], k));
    value = real(f, array->buffers[1], k);
    /* SQLite would make NULL of NaN. In a column of doubles the text stays, and reads as NaN again. */
    return isnan(value) ? sqlite3_bind_text(q, at, "NaN", 3, SQLITE_STATIC)
                        : sqlite3_bind_double(q, at, value);
}

/* ---- and back ---- */

bool
sqlite_parse_time(const char *text, bool date, int64_t *ret_us)
{
    struct tm tm = { 0 }, asked;
    int64_t us = 0;
    int used = 0;

    if (sscanf(text, "%6d-%2d-%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &used) != 3)
        return false;
    text += used;
    if (!date) {
        if (sscanf(text, "%*1[ T]%2d:%2d:%2d%n", &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) != 3)
            return false;
        text += used;
        if (*text == '.')
            for (int unit = 100000; isdigit((unsigned char)*++text); unit /= 10) /* 0 for nanoseconds */
                us += (*text - '0') * unit;
        if (strcmp(text, "Z") == 0 || strcmp(text, "+00") == 0 || strcmp(text, "+00:00") == 0)
            text = "";
    }
    tm.tm_year -= 1900;
    tm.tm_mon--;
    asked = tm; /* 31 April would become 1 May */
    return !__builtin_mul_overflow(timegm(&tm), INT64_C(1000000), ret_us) &&
           !__builtin_add_overflow(*ret_us, us, ret_us) && *text == '\0' && tm.tm_mon == asked.tm_mon &&
           tm.tm_mday == asked.tm_mday && tm.tm_min == asked.tm_min;
}
