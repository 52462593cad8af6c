/* Values of a result: from the text the server prints to Arrow. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "database/postgresql/rows_internal.h"

#define MICROS_A_DAY ((int64_t)86400 * 1000000)
#define NUMBER_MAX 400 /* bytes of a double's text */

__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 uwide;

bool
fo_pg_numeric_typmod(int typmod, int *ret_precision, int *ret_scale)
{
    const int packed = typmod - 4; /* the header's size, as every typmod has it */

    if (typmod < 4)
        return false;
    *ret_precision = (packed >> 16) & 0xffff;
    *ret_scale = ((packed & 0x7ff) ^ 0x400) - 0x400; /* 11 bits with sign, since version 15 */
    return true;
}

fo_pg_cell
fo_pg_cell_of(unsigned oid, int typmod)
{
    int precision, scale;

    switch (oid) {
    case PG_BOOL:
        return (fo_pg_cell){ .kind = PG_CELL_BOOL };
    case PG_INT2:
        return (fo_pg_cell){ .kind = PG_CELL_INT, .arrow = NANOARROW_TYPE_INT16 };
    case PG_INT4:
        return (fo_pg_cell){ .kind = PG_CELL_INT, .arrow = NANOARROW_TYPE_INT32 };
    case PG_INT8:
        return (fo_pg_cell){ .kind = PG_CELL_INT, .arrow = NANOARROW_TYPE_INT64 };
    case PG_FLOAT4:
        return (fo_pg_cell){ .kind = PG_CELL_DOUBLE, .arrow = NANOARROW_TYPE_FLOAT };
    case PG_FLOAT8:
        return (fo_pg_cell){ .kind = PG_CELL_DOUBLE, .arrow = NANOARROW_TYPE_DOUBLE };
    case PG_NUMERIC:
        if (!fo_pg_numeric_typmod(typmod, &precision, &scale))
            return (fo_pg_cell){ .kind = PG_CELL_ANY_DECIMAL };
        if (precision > 38 || scale < 0 || scale > precision)
            return (fo_pg_cell){ .kind = PG_CELL_TEXT };
        return (fo_pg_cell){ .kind = PG_CELL_DECIMAL, .precision = precision, .scale = scale };
    case PG_DATE:
        return (fo_pg_cell){ .kind = PG_CELL_DATE };
    case PG_TIMESTAMP:
        return (fo_pg_cell){ .kind = PG_CELL_TIMESTAMP };
    case PG_TIMESTAMPTZ:
        return (fo_pg_cell){ .kind = PG_CELL_TIMESTAMP, .zone = true };
    case PG_BYTEA:
        return (fo_pg_cell){ .kind = PG_CELL_BYTES };
    default:
        return (fo_pg_cell){ .kind = PG_CELL_TEXT };
    }
}

int
fo_pg_cell_schema(const fo_pg_cell *cell, struct ArrowSchema *schema)
{
    switch (cell->kind) {
    case PG_CELL_BOOL:
        return ArrowSchemaSetType(schema, NANOARROW_TYPE_BOOL);
    case PG_CELL_INT:
    case PG_CELL_DOUBLE:
        return ArrowSchemaSetType(schema, cell->arrow);
    case PG_CELL_DECIMAL:
        return ArrowSchemaSetTypeDecimal(schema, NANOARROW_TYPE_DECIMAL128, cell->precision, cell->scale);
    case PG_CELL_DATE:
        return ArrowSchemaSetType(schema, NANOARROW_TYPE_DATE32);
    case PG_CELL_TIMESTAMP:
        return ArrowSchemaSetTypeDateTime(schema, NANOARROW_TYPE_TIMESTAMP, NANOARROW_TIME_UNIT_MICRO,
                                          cell->zone ? "UTC" : NULL);
    case PG_CELL_BYTES:
        return ArrowSchemaSetType(schema, NANOARROW_TYPE_BINARY);
    case PG_CELL_TEXT:
    case PG_CELL_BOOL_TEXT:
    case PG_CELL_ANY_DECIMAL:
        break;
    }
    return ArrowSchemaSetType(schema, NANOARROW_TYPE_STRING);
}

static int
add_int(struct ArrowArray *array, const char *text)
{
    unsigned long long n;
    const bool negative = text[0] == '-';

    if (!fo_parse_u64(text + negative, &n))
        return EINVAL;
    return ArrowArrayAppendInt(array, negative ? (int64_t)(0 - n) : (int64_t)n);
}

/* "NaN" and "Infinity" are read as well. */
static int
add_double(struct ArrowArray *array, const char *text)
{
    char *end;
    const double d = strtod(text, &end);

    return *end == '\0' ? ArrowArrayAppendDouble(array, d) : EINVAL;
}

/* Digits with at most one point; those behind the scale must be zeros. */
static bool
decimal_parse(const char *p, size_t n, int precision, int scale, uwide *ret)
{
    uwide v = 0;
    int digits = 0, places = 0;
    bool point = false;

    for (size_t i = 0; i < n; i++) {
        if (p[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (!fo_is_digit(p[i]))
            return false;
        if (point && places == scale) {
            if (p[i] != '0')
                return false;
            continue;
        }
        if ((v != 0 || p[i] != '0') && ++digits > precision)
            return false;
        v = v * 10 + (unsigned)(p[i] - '0');
        places += point;
    }
    for (; places < scale; places++) {
        if (v != 0 && ++digits > precision)
            return false;
        v *= 10;
    }
    *ret = v;
    return n > 0;
}

int
fo_pg_decimal_add(struct ArrowArray *array, const char *text, size_t n, int precision, int scale)
{
    const bool negative = n > 0 && text[0] == '-';
    struct ArrowDecimal decimal;
    uwide magnitude;
    wide value;

    if (!decimal_parse(text + negative, n - negative, precision, scale, &magnitude))
        return EINVAL;
    value = negative ? -(wide)magnitude : (wide)magnitude;
    ArrowDecimalInit(&decimal, 128, precision, scale);
    ArrowDecimalSetBytes(&decimal, (const uint8_t *)&value);
    return ArrowArrayAppendDecimal(array, &decimal) == NANOARROW_OK ? 0 : ENOMEM;
}

static bool
number_until(const char **p, const char *end, char stop, int64_t *ret)
{
    int64_t v = 0;
    const char *q = *p;

    for (; q < end && fo_is_digit(*q) && q - *p < 9; q++)
        v = v * 10 + (*q - '0');
    if (q == *p || (stop && (q == end || *q != stop)))
        return false;
    *ret = v;
    *p = stop ? q + 1 : q;
    return true;
}

/* "2026-05-31", any year up to PostgreSQL's 5874897; *p is then behind it. */
static bool
date_parse(const char **p, const char *end, bool bc, int64_t *ret_days)
{
    int64_t year, month, day;

    if (!number_until(p, end, '-', &year) || !number_until(p, end, '-', &month) ||
        !number_until(p, end, '\0', &day) || month < 1 || month > 12 || day < 1 || day > 31)
        return false;
    *ret_days = fo_days_from_civil((int)(bc ? 1 - year : year), (unsigned)month, (unsigned)day);
    return true;
}

static bool
is_bc(const char *text, size_t *n)
{
    if (*n < 3 || memcmp(text + *n - 3, " BC", 3) != 0)
        return false;
    *n -= 3;
    return true;
}

static int
add_date(struct ArrowArray *array, const char *text, size_t n)
{
    const bool bc = is_bc(text, &n);
    const char *p = text;
    int64_t days;

    if (fo_streq(text, "infinity"))
        return ArrowArrayAppendInt(array, INT32_MAX);
    if (fo_streq(text, "-infinity"))
        return ArrowArrayAppendInt(array, -INT32_MAX);
    if (!date_parse(&p, text + n, bc, &days) || p != text + n)
        return EINVAL;
    return ArrowArrayAppendInt(array, days);
}

/* ".123" are 123000 microseconds. */
static bool
fraction_parse(const char **p, const char *end, int64_t *ret)
{
    int64_t scale = 1000000;

    *ret = 0;
    if (*p == end || **p != '.')
        return true;
    for (++*p; *p < end && fo_is_digit(**p); ++*p) {
        scale /= 10;
        *ret += (**p - '0') * scale;
    }
    return true;
}

/* "2026-05-31 10:00:00.5", with "+00" where there is a zone: every session is in UTC. */
static int
add_timestamp(struct ArrowArray *array, const char *text, size_t n, bool zone)
{
    const bool bc = is_bc(text, &n);
    const char *p = text, *end = text + n;
    int64_t days, hour, minute, second, micro;

    if (fo_streq(text, "infinity"))
        return ArrowArrayAppendInt(array, INT64_MAX);
    if (fo_streq(text, "-infinity"))
        return ArrowArrayAppendInt(array, -INT64_MAX);
    if (!date_parse(&p, end, bc, &days) || p == end || *p++ != ' ' || !number_until(&p, end, ':', &hour) ||
        !number_until(&p, end, ':', &minute) || !number_until(&p, end, '\0', &second) ||
        !fraction_parse(&p, end, &micro))
        return EINVAL;
    if (zone && (end - p != 3 || memcmp(p, "+00", 3) != 0))
        return EINVAL;
    if (!zone && p != end)
        return EINVAL;
    return ArrowArrayAppendInt(array,
                               days * MICROS_A_DAY + ((hour * 60 + minute) * 60 + second) * 1000000 + micro);
}

static int
hex_value(char c)
{
    const char lower = fo_lower(c);

    if (fo_is_digit(c))
        return c - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static int
add_bytes(struct ArrowArray *array, const char *text, size_t n)
{
    FO_AUTO(fo_freep) uint8_t *bytes = NULL;
    struct ArrowBufferView view;

    if (n < 2 || n % 2 != 0 || text[0] != '\\' || text[1] != 'x')
        return EINVAL;
    n = n / 2 - 1;
    bytes = fo_alloc(n + 1);
    if (!bytes)
        return ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const int high = hex_value(text[2 * i + 2]), low = hex_value(text[2 * i + 3]);

        if (high < 0 || low < 0)
            return EINVAL;
        bytes[i] = (uint8_t)(high * 16 + low);
    }
    view.data.as_uint8 = bytes;
    view.size_bytes = (int64_t)n;
    return ArrowArrayAppendBytes(array, view);
}

static int
add(const fo_pg_cell *cell, struct ArrowArray *array, const char *text, size_t n)
{
    switch (cell->kind) {
    case PG_CELL_BOOL:
        return ArrowArrayAppendInt(array, text[0] == 't');
    case PG_CELL_INT:
        return add_int(array, text);
    case PG_CELL_DOUBLE:
        return add_double(array, text);
    case PG_CELL_DECIMAL:
        return fo_pg_decimal_add(array, text, n, cell->precision, cell->scale);
    case PG_CELL_DATE:
        return add_date(array, text, n);
    case PG_CELL_TIMESTAMP:
        return add_timestamp(array, text, n, cell->zone);
    case PG_CELL_BYTES:
        return add_bytes(array, text, n);
    case PG_CELL_BOOL_TEXT:
        return ArrowArrayAppendString(array, ArrowCharView(text[0] == 't' ? "true" : "false"));
    case PG_CELL_TEXT:
    case PG_CELL_ANY_DECIMAL:
        break;
    }
    return ArrowArrayAppendString(array, (struct ArrowStringView){ text, (int64_t)n });
}

finops_code
fo_pg_cell_add(const fo_pg_cell *cell, struct ArrowArray *array, const char *text, size_t n,
               finops_error **err)
{
    const int errnum = add(cell, array, text, n);

    assert(cell && array && text);
    if (errnum == 0)
        return FINOPS_OK;
    if (errnum == ENOMEM)
        return fo_error_oom(err);
    if (cell->kind == PG_CELL_DECIMAL) {
        (void)fo_error_set(err, FINOPS_E_DATA, "%.60s does not fit decimal(%d,%d)", text, cell->precision,
                           cell->scale);
        fo_error_hint(err, "round it in the statement, or cast it to text");
        return FINOPS_E_DATA;
    }
    return fo_error_set(err, FINOPS_E_DATA, "%.60s cannot be read", text);
}
