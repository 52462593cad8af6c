/* Whether a printed value is the one that was meant, however the database prints it. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "conformance/result.h"

static bool
same_bool(const char *want, const char *got)
{
    bool is_true = strcmp(got, "true") == 0 || strcmp(got, "t") == 0 || strcmp(got, "1") == 0;
    bool is_false = strcmp(got, "false") == 0 || strcmp(got, "f") == 0 || strcmp(got, "0") == 0;

    return strcmp(want, "true") == 0 ? is_true : is_false;
}

static bool
same_double(bool single, const char *want, const char *got)
{
    char *end = NULL;
    double a = strtod(want, NULL), b = strtod(got, &end);

    if (end == got || *end)
        return false;
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    return single ? !((float)a < (float)b) && !((float)a > (float)b) : !(a < b) && !(a > b);
}

/* Sign, digits without leading zeros before the point, without trailing ones behind it. */
typedef struct number {
    bool negative;
    const char *whole, *part;
    size_t n_whole, n_part;
} number;

static bool
number_read(const char *text, number *ret)
{
    ret->negative = *text == '-';
    text += *text == '-' || *text == '+';
    while (*text == '0')
        text++;
    ret->whole = text;
    ret->n_whole = strspn(text, "0123456789");
    text += ret->n_whole;
    text += *text == '.';
    ret->part = text;
    ret->n_part = strspn(text, "0123456789");
    if (text[ret->n_part])
        return false;
    while (ret->n_part && ret->part[ret->n_part - 1] == '0')
        ret->n_part--;
    if (!ret->n_whole && !ret->n_part)
        ret->negative = false;
    return true;
}

static bool
same_decimal(const char *want, const char *got)
{
    number a, b;

    return number_read(want, &a) && number_read(got, &b) && a.negative == b.negative &&
           a.n_whole == b.n_whole && a.n_part == b.n_part && memcmp(a.whole, b.whole, a.n_whole) == 0 &&
           memcmp(a.part, b.part, a.n_part) == 0;
}

/* To the microsecond: finer is asked of nobody. */
static bool
same_time(const char *want, const char *got)
{
    int64_t a, b;

    return fo_time_parse(want, strlen(want), &a) && fo_time_parse(got, strlen(got), &b) && a == b;
}

static bool
same_json(const char *want, const char *got)
{
    json_t *a = json_loads(want, JSON_DECODE_ANY, NULL), *b = json_loads(got, JSON_DECODE_ANY, NULL);
    bool same = a && b && json_equal(a, b);

    json_decref(a);
    json_decref(b);
    return same;
}

bool
fo_value_same(finops_column_type kind, bool single, const char *want, const char *got)
{
    if (!want || !got)
        return want == got;
    switch (kind) {
    case FINOPS_TYPE_BOOL:
        return same_bool(want, got);
    case FINOPS_TYPE_DOUBLE:
        return same_double(single, want, got);
    case FINOPS_TYPE_INT:
    case FINOPS_TYPE_DECIMAL:
        return same_decimal(want, got);
    case FINOPS_TYPE_TIMESTAMP:
    case FINOPS_TYPE_TIMESTAMP_TZ:
        return same_time(want, got);
    case FINOPS_TYPE_JSON:
    case FINOPS_TYPE_MAP:
    case FINOPS_TYPE_STRUCT:
    case FINOPS_TYPE_LIST:
        return same_json(want, got);
    default:
        return strcmp(want, got) == 0;
    }
}
