/*
 * Arrow's type of a column. The formats are those of
 * https://arrow.apache.org/docs/format/CDataInterface.html#data-type-description-format-strings
 */
#include <string.h>

#include "base/mem.h"
#include "cli/value_internal.h"

#define DEPTH_MAX 64 /* of nested types */

typedef struct format_row {
    const char *format;
    value_kind kind;
    unsigned width;
    int scale;
} format_row;

/* Formats that are complete as they stand. */
static const format_row formats[] = {
    { "n", V_NULL, 0, 0 },        { "b", V_BOOL, 0, 0 },        { "c", V_INT, 1, 0 },
    { "C", V_UINT, 1, 0 },        { "s", V_INT, 2, 0 },         { "S", V_UINT, 2, 0 },
    { "i", V_INT, 4, 0 },         { "I", V_UINT, 4, 0 },        { "l", V_INT, 8, 0 },
    { "L", V_UINT, 8, 0 },        { "f", V_FLOAT, 4, 0 },       { "g", V_DOUBLE, 8, 0 },
    { "z", V_BYTES, 4, 0 },       { "Z", V_BYTES, 8, 0 },       { "vz", V_BYTES_VIEW, 16, 0 },
    { "u", V_TEXT, 4, 0 },        { "U", V_TEXT, 8, 0 },        { "vu", V_TEXT_VIEW, 16, 0 },
    { "tdD", V_DATE, 4, 0 },      { "tdm", V_DATE_MS, 8, 0 },   { "tts", V_TIME, 4, 0 },
    { "ttm", V_TIME, 4, 3 },      { "ttu", V_TIME, 8, 6 },      { "ttn", V_TIME, 8, 9 },
    { "tDs", V_DURATION, 8, 0 },  { "tDm", V_DURATION, 8, 3 },  { "tDu", V_DURATION, 8, 6 },
    { "tDn", V_DURATION, 8, 9 },  { "tiM", V_MONTHS, 4, 0 },    { "tiD", V_DAY_TIME, 8, 0 },
    { "tin", V_INTERVAL, 16, 0 }, { "+l", V_LIST, 4, 0 },       { "+L", V_LIST, 8, 0 },
    { "+vl", V_LIST_VIEW, 4, 0 }, { "+vL", V_LIST_VIEW, 8, 0 }, { "+s", V_STRUCT, 0, 0 },
    { "+m", V_MAP, 4, 0 },
};

/* ---- types ---- */

static bool
read_number(const char **p, unsigned *ret)
{
    unsigned n = 0;
    const char *start = *p;

    while (fo_is_digit(**p) && n < 1000000)
        n = n * 10 + (unsigned)(*(*p)++ - '0');
    *ret = n;
    return *p > start;
}

/* "d:38,18", "d:38,-2", "d:9,2,32": bytes by the third number, 16 without. */
static bool
read_decimal(const char *p, fo_value_type *t)
{
    unsigned precision, scale, bits = 128;
    bool negative;

    if (!read_number(&p, &precision) || *p++ != ',')
        return false;
    negative = *p == '-';
    p += negative;
    if (!read_number(&p, &scale))
        return false;
    if (*p == ',' && (p++, !read_number(&p, &bits)))
        return false;
    t->kind = V_DECIMAL;
    t->scale = negative ? -(int)scale : (int)scale;
    t->width = bits / 8;
    return *p == '\0' && scale <= FO_VALUE_SCALE_MAX && (bits == 32 || bits == 64 || bits == 128);
}

static bool
read_format(const char *f, fo_value_type *t)
{
    static const char units[] = "smun";
    const char *unit, *p;

    for (size_t i = 0; i < FO_COUNT(formats); i++)
        if (strcmp(formats[i].format, f) == 0) {
            t->kind = formats[i].kind;
            t->width = formats[i].width;
            t->scale = formats[i].scale;
            return true;
        }
    if (fo_starts(f, "d:"))
        return read_decimal(f + 2, t);
    if (fo_starts(f, "ts") && f[2] && (unit = strchr(units, f[2])) && f[3] == ':') {
        *t = (fo_value_type){
            .kind = V_TIMESTAMP, .width = 8, .scale = 3 * (int)(unit - units), .zone = f[4] != '\0'
        };
        return true;
    }
    if (fo_starts(f, "w:") || fo_starts(f, "+w:")) {
        t->kind = f[0] == 'w' ? V_FIXED : V_FIXED_LIST;
        p = f + (f[0] == 'w' ? 2 : 3);
        return read_number(&p, &t->width) && *p == '\0';
    }
    if (fo_starts(f, "+ud:") || fo_starts(f, "+us:")) {
        t->kind = f[2] == 'd' ? V_DENSE_UNION : V_SPARSE_UNION;
        return true;
    }
    return false;
}

static finops_code type_new(const struct ArrowSchema *schema, unsigned depth, fo_value_type **ret,
                            finops_error **err);

static void
type_freep(fo_value_type **t)
{
    fo_value_type_free(*t);
}

static finops_code
type_children(fo_value_type *t, const struct ArrowSchema *schema, unsigned depth, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (schema->n_children > 0) {
        t->children = fo_array((size_t)schema->n_children, sizeof(*t->children));
        if (!t->children)
            return fo_error_oom(err);
    }
    for (int64_t i = 0; rc == FINOPS_OK && i < schema->n_children; i++) {
        t->n = (size_t)i + 1;
        rc = type_new(schema->children[i], depth + 1, &t->children[i], err);
    }
    if (rc == FINOPS_OK && schema->dictionary)
        rc = type_new(schema->dictionary, depth + 1, &t->dictionary, err);
    return rc;
}

static bool
children_fit(const fo_value_type *t)
{
    switch (t->kind) {
    case V_LIST:
    case V_LIST_VIEW:
    case V_FIXED_LIST:
        return t->n == 1;
    case V_MAP:
        return t->n == 1 && t->children[0]->kind == V_STRUCT && t->children[0]->n == 2;
    default:
        return !t->dictionary || t->kind == V_INT || t->kind == V_UINT;
    }
}

static finops_code
type_new(const struct ArrowSchema *schema, unsigned depth, fo_value_type **ret, finops_error **err)
{
    FO_AUTO(type_freep) fo_value_type *t = fo_zalloc(sizeof(*t));
    const char *name = schema->name ? schema->name : "";
    finops_code rc;

    if (!t)
        return fo_error_oom(err);
    if (depth > DEPTH_MAX || !read_format(schema->format, t))
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "column %s: cannot show values of Arrow type \"%s\"",
                            name, schema->format);
    t->name = fo_strdup(name);
    if (!t->name)
        return fo_error_oom(err);
    rc = type_children(t, schema, depth, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!children_fit(t))
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "column %s: malformed Arrow type \"%s\"", name,
                            schema->format);
    *ret = FO_TAKE(t);
    return FINOPS_OK;
}

finops_code
fo_value_type_new(const struct ArrowSchema *schema, fo_value_type **ret, finops_error **err)
{
    return type_new(schema, 0, ret, err);
}

void
fo_value_type_free(fo_value_type *t)
{
    if (!t)
        return;
    for (size_t i = 0; t->children && i < t->n; i++)
        fo_value_type_free(t->children[i]);
    fo_value_type_free(t->dictionary);
    fo_free(t->children);
    fo_free(t->name);
    fo_free(t);
}

bool
fo_value_type_numeric(const fo_value_type *t)
{
    if (t->dictionary)
        return fo_value_type_numeric(t->dictionary);
    return t->kind == V_INT || t->kind == V_UINT || t->kind == V_FLOAT || t->kind == V_DOUBLE ||
           t->kind == V_DECIMAL;
}
