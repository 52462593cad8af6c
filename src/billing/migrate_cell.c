/*
 * Hashes of values, the same for one value whatever type an engine keeps it in: numbers by their value, times
 * as microseconds of UTC, maps, structs and JSON objects as the set of their pairs (pairs without a value are
 * none).
 */
#include "billing/migrate_cell.h"

#include <assert.h>
#include <string.h>

#include <nanoarrow/nanoarrow.h>

#include "base/mem.h"
#include "base/str.h"

#define DEPTH_MAX 64 /* of values within values */

__extension__ typedef unsigned __int128 wide;

static const uint64_t k_null = 0x9e3779b97f4a7c15U, k_text = 0xa0761d6478bd642fU,
                      k_number = 0xe7037ed1a0b428dbU, k_time = 0x8ebc6af09c88c6e3U,
                      k_bool = 0x589965cc75374cc3U, k_pairs = 0x1d8e4e27c47d124fU,
                      k_list = 0xeb44accab455d165U;

uint64_t
fo_hash_mix(uint64_t a, uint64_t b)
{
    wide m = (wide)(a ^ 0x2d358dccaa6c78a5U) * (b ^ 0x8bb84b93962eacc9U);

    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t
hash_bytes(uint64_t seed, const char *p, size_t n)
{
    uint64_t h = seed, word;
    size_t left = n;

    for (; left >= sizeof(word); left -= sizeof(word), p += sizeof(word)) {
        memcpy(&word, p, sizeof(word));
        h = fo_hash_mix(h, word);
    }
    word = 0;
    if (left)
        memcpy(&word, p, left);
    return fo_hash_mix(h ^ (uint64_t)n, word);
}

static uint64_t
hash_number(fo_decimal v)
{
    wide u = (wide)v;

    return fo_hash_mix(fo_hash_mix(k_number, (uint64_t)u), (uint64_t)(u >> 64));
}

/* A decimal by its value: 1.5 and 1.50 are one. */
static uint64_t
hash_decimal(fo_decimal v, int scale)
{
    fo_decimal scaled = v;

    for (; scale > FO_DECIMAL_SCALE && scaled % 10 == 0; scale--)
        scaled /= 10;
    for (; scale < FO_DECIMAL_SCALE; scale++)
        if (__builtin_mul_overflow(scaled, 10, &scaled))
            break;
    if (scale == FO_DECIMAL_SCALE)
        return hash_number(scaled);
    for (; v != 0 && v % 10 == 0; scale--)
        v /= 10;
    return fo_hash_mix(hash_number(v), (uint64_t)(int64_t)scale);
}

static uint64_t
hash_real(double v)
{
    fo_decimal exact;

    if (fo_decimal_from_double(v, &exact) == FO_DECIMAL_EXACT)
        return hash_number(exact);
    return hash_bytes(k_number, (const char *)&v, sizeof(v));
}

static uint64_t
hash_pair(uint64_t key, uint64_t value)
{
    return fo_hash_mix(key, value);
}

/* ---- JSON ---- */

typedef struct json_scan {
    const char *p, *end;
    fo_str text; /* of a string with escapes */
    unsigned depth;
    bool amounts;
    bool bad;
} json_scan;

static uint64_t json_value(json_scan *s, bool *ret_null);

static void
json_blanks(json_scan *s)
{
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
        s->p++;
}

static bool
json_take(json_scan *s, char c)
{
    json_blanks(s);
    if (s->p >= s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

static uint32_t
json_hex(json_scan *s)
{
    uint32_t v = 0;

    for (int i = 0; i < 4; i++, s->p++) {
        char c = s->p < s->end ? fo_lower(*s->p) : 'x';

        if (!fo_is_digit(c) && (c < 'a' || c > 'f')) {
            s->bad = true;
            return 0;
        }
        v = v << 4 | (uint32_t)(fo_is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    return v;
}

static void
add_utf8(fo_str *text, uint32_t c)
{
    if (c < 0x80) {
        fo_str_addc(text, (char)c);
        return;
    }
    if (c < 0x800) {
        fo_str_addc(text, (char)(0xC0 | c >> 6));
    } else {
        fo_str_addc(text, (char)(c < 0x10000 ? 0xE0 | c >> 12 : 0xF0 | c >> 18));
        if (c >= 0x10000)
            fo_str_addc(text, (char)(0x80 | (c >> 12 & 0x3F)));
        fo_str_addc(text, (char)(0x80 | (c >> 6 & 0x3F)));
    }
    fo_str_addc(text, (char)(0x80 | (c & 0x3F)));
}

static void
json_escape(json_scan *s)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    char c = s->p < s->end ? *s->p++ : '\0';
    const char *at = c ? strchr(from, c) : NULL;

    if (c != 'u') {
        fo_str_addc(&s->text, at ? to[at - from] : c);
        return;
    }
    uint32_t code = json_hex(s);
    if (code >= 0xD800 && code < 0xDC00 && s->end - s->p > 6 && s->p[0] == '\\' && s->p[1] == 'u') {
        s->p += 2;
        code = 0x10000 + ((code - 0xD800) << 10) + (json_hex(s) - 0xDC00);
    }
    add_utf8(&s->text, code);
}

/* Behind the opening quote. A value that is to be an amount counts as the number it is. */
static uint64_t
json_string(json_scan *s, bool amount)
{
    const char *begin = s->p;
    fo_decimal v;

    while (s->p < s->end && *s->p != '"' && *s->p != '\\')
        s->p++;
    if (s->p < s->end && *s->p == '"') {
        size_t n = (size_t)(s->p++ - begin);
        if (amount && fo_decimal_parse(begin, n, &v) == FO_DECIMAL_EXACT)
            return hash_number(v);
        return hash_bytes(k_text, begin, n);
    }
    fo_str_clear(&s->text);
    fo_str_addn(&s->text, begin, (size_t)(s->p - begin));
    while (s->p < s->end && *s->p != '"') {
        char c = *s->p++;

        if (c == '\\')
            json_escape(s);
        else
            fo_str_addc(&s->text, c);
    }
    s->bad |= s->p >= s->end || !fo_str_ok(&s->text);
    s->p++;
    return hash_bytes(k_text, fo_str_z(&s->text), s->text.len);
}

static uint64_t
json_object(json_scan *s)
{
    uint64_t h = k_pairs;

    if (json_take(s, '}'))
        return h;
    do {
        bool null = false;

        if (!json_take(s, '"')) {
            s->bad = true;
            break;
        }
        uint64_t key = json_string(s, false);
        s->bad |= !json_take(s, ':');
        uint64_t value = json_value(s, &null);
        if (!null)
            h += hash_pair(key, value);
    } while (!s->bad && json_take(s, ','));
    s->bad |= !json_take(s, '}');
    return h;
}

static uint64_t
json_array(json_scan *s)
{
    uint64_t h = k_list;

    if (json_take(s, ']'))
        return h;
    do {
        bool null = false;
        uint64_t value = json_value(s, &null);

        h = fo_hash_mix(h, null ? k_null : value);
    } while (!s->bad && json_take(s, ','));
    s->bad |= !json_take(s, ']');
    return h;
}

/* A number, true, false or null. */
static uint64_t
json_word(json_scan *s, bool *ret_null)
{
    const char *begin = s->p;
    fo_decimal v;

    while (s->p < s->end && !strchr(",]} \t\r\n", *s->p))
        s->p++;
    size_t n = (size_t)(s->p - begin);
    *ret_null = n == 4 && memcmp(begin, "null", 4) == 0;
    if ((n == 4 && memcmp(begin, "true", 4) == 0) || (n == 5 && memcmp(begin, "false", 5) == 0))
        return fo_hash_mix(k_bool, n == 4);
    s->bad |= n == 0;
    if (fo_decimal_parse(begin, n, &v) == FO_DECIMAL_EXACT)
        return hash_number(v);
    return hash_bytes(k_number, begin, n);
}

static uint64_t
json_value(json_scan *s, bool *ret_null)
{
    uint64_t h;

    if (++s->depth > DEPTH_MAX) {
        s->bad = true;
        return 0;
    }
    if (json_take(s, '"'))
        h = json_string(s, s->amounts);
    else if (json_take(s, '{'))
        h = json_object(s);
    else if (json_take(s, '['))
        h = json_array(s);
    else
        h = json_word(s, ret_null);
    s->depth--;
    return h;
}

static finops_code
hash_json(const char *p, size_t n, bool amounts, uint64_t *ret, finops_error **err)
{
    json_scan s = { .p = p, .end = p + n, .text = FO_STR_INIT, .amounts = amounts };
    bool null = false;

    *ret = json_value(&s, &null);
    if (null)
        *ret = k_null;
    json_blanks(&s);
    bool bad = s.bad || s.p < s.end;
    fo_str_done(&s.text);
    return bad ? fo_error_set(err, FINOPS_E_DATA, "a text that was to be JSON is none") : FINOPS_OK;
}

/* ---- Arrow ---- */

void
fo_cell_free(fo_cell *cell)
{
    if (!cell)
        return;
    for (size_t i = 0; i < cell->n; i++) {
        fo_cell_free(cell->children ? cell->children[i] : NULL);
        fo_free(cell->names ? cell->names[i] : NULL);
    }
    fo_free(cell->children);
    fo_free(cell->names);
    fo_free(cell);
}

static void
cell_unit(fo_cell *cell, enum ArrowTimeUnit unit)
{
    cell->multiply = unit == NANOARROW_TIME_UNIT_SECOND  ? 1000000
                     : unit == NANOARROW_TIME_UNIT_MILLI ? 1000
                                                         : 1;
    cell->divide = unit == NANOARROW_TIME_UNIT_NANO ? 1000 : 1;
}

static finops_code
cell_children(fo_cell *cell, const struct ArrowSchema *schema, finops_error **err)
{
    finops_code rc = FINOPS_OK;
    size_t n = (size_t)schema->n_children;

    cell->children = fo_array(n + 1, sizeof(*cell->children));
    cell->names = fo_array(n + 1, sizeof(*cell->names));
    if (!cell->children || !cell->names)
        return fo_error_oom(err);
    cell->n = n;
    for (size_t i = 0; rc == FINOPS_OK && i < n; i++) {
        cell->names[i] = fo_strdup(schema->children[i]->name ? schema->children[i]->name : "");
        rc = cell->names[i] ? fo_cell_make(schema->children[i], &cell->children[i], err) : fo_error_oom(err);
    }
    return rc;
}

static bool
cell_known(enum ArrowType type)
{
    static const enum ArrowType known[] = {
        NANOARROW_TYPE_NA,         NANOARROW_TYPE_BOOL,         NANOARROW_TYPE_UINT8,
        NANOARROW_TYPE_INT8,       NANOARROW_TYPE_UINT16,       NANOARROW_TYPE_INT16,
        NANOARROW_TYPE_UINT32,     NANOARROW_TYPE_INT32,        NANOARROW_TYPE_UINT64,
        NANOARROW_TYPE_INT64,      NANOARROW_TYPE_FLOAT,        NANOARROW_TYPE_DOUBLE,
        NANOARROW_TYPE_STRING,     NANOARROW_TYPE_LARGE_STRING, NANOARROW_TYPE_STRING_VIEW,
        NANOARROW_TYPE_BINARY,     NANOARROW_TYPE_LARGE_BINARY, NANOARROW_TYPE_BINARY_VIEW,
        NANOARROW_TYPE_DATE32,     NANOARROW_TYPE_TIME64,       NANOARROW_TYPE_TIMESTAMP,
        NANOARROW_TYPE_DECIMAL128, NANOARROW_TYPE_LIST,         NANOARROW_TYPE_LARGE_LIST,
        NANOARROW_TYPE_MAP,        NANOARROW_TYPE_STRUCT,
    };

    for (size_t i = 0; i < FO_COUNT(known); i++)
        if (known[i] == type)
            return true;
    return false;
}

finops_code
fo_cell_make(const struct ArrowSchema *schema, fo_cell **ret, finops_error **err)
{
    struct ArrowSchemaView view;
    fo_cell *cell = fo_zalloc(sizeof(*cell));
    finops_code rc = FINOPS_OK;

    if (!cell)
        return fo_error_oom(err);
    if (ArrowSchemaViewInit(&view, schema, NULL) != NANOARROW_OK || schema->dictionary ||
        !cell_known(view.type))
        rc = fo_error_set(err, FINOPS_E_UNSUPPORTED, "column %s has a type (%s) that cannot be compared",
                          schema->name ? schema->name : "", schema->format);
    if (rc == FINOPS_OK) {
        cell->type = view.type;
        cell->scale = view.decimal_scale;
        if (view.type == NANOARROW_TYPE_TIMESTAMP || view.type == NANOARROW_TYPE_TIME64)
            cell_unit(cell, view.time_unit);
        rc = cell_children(cell, schema, err);
    }
    if (rc == FINOPS_OK)
        *ret = cell;
    else
        fo_cell_free(cell);
    return rc;
}

fo_decimal
fo_cell_decimal(const struct ArrowArrayView *view, int64_t i)
{
    fo_decimal v;

    memcpy(&v, view->buffer_views[1].data.as_uint8 + (size_t)(i + view->offset) * sizeof(v), sizeof(v));
    return v;
}

/* Where the values of a list or map begin, as its child counts them. */
static int64_t
list_begin(const struct ArrowArrayView *view, int64_t i)
{
    return ArrowArrayViewListChildOffset(view, i + view->offset);
}

static finops_code
hash_list(const fo_cell *cell, const struct ArrowArrayView *view, int64_t i, uint64_t *ret,
          finops_error **err)
{
    finops_code rc = FINOPS_OK;
    uint64_t h = k_list, one = 0;

    for (int64_t at = list_begin(view, i); rc == FINOPS_OK && at < list_begin(view, i + 1); at++) {
        rc = fo_cell_hash(cell->children[0], view->children[0], at, &one, err);
        h = fo_hash_mix(h, one);
    }
    *ret = h;
    return rc;
}

static finops_code
hash_map(const fo_cell *cell, const struct ArrowArrayView *view, int64_t i, uint64_t *ret, finops_error **err)
{
    const fo_cell *pair = cell->children[0];
    const struct ArrowArrayView *pairs = view->children[0];
    finops_code rc = FINOPS_OK;
    uint64_t key = 0, value = 0;

    *ret = k_pairs;
    for (int64_t at = list_begin(view, i); rc == FINOPS_OK && at < list_begin(view, i + 1); at++) {
        int64_t in = at + pairs->offset; /* a struct's children know nothing of its offset */
        if (ArrowArrayViewIsNull(pairs->children[1], in))
            continue;
        rc = fo_cell_hash(pair->children[0], pairs->children[0], in, &key, err);
        if (rc == FINOPS_OK)
            rc = fo_cell_hash(pair->children[1], pairs->children[1], in, &value, err);
        *ret += hash_pair(key, value);
    }
    return rc;
}

static finops_code
hash_struct(const fo_cell *cell, const struct ArrowArrayView *view, int64_t i, uint64_t *ret,
            finops_error **err)
{
    finops_code rc = FINOPS_OK;
    int64_t in = i + view->offset;
    uint64_t value = 0;

    *ret = k_pairs;
    for (size_t c = 0; rc == FINOPS_OK && c < cell->n; c++) {
        if (ArrowArrayViewIsNull(view->children[c], in))
            continue;
        rc = fo_cell_hash(cell->children[c], view->children[c], in, &value, err);
        *ret += hash_pair(hash_bytes(k_text, cell->names[c], strlen(cell->names[c])), value);
    }
    return rc;
}

static uint64_t
hash_int(const fo_cell *cell, const struct ArrowArrayView *view, int64_t i)
{
    fo_decimal v = ArrowArrayViewGetIntUnsafe(view, i);

    if (cell->type == NANOARROW_TYPE_UINT64)
        v = (fo_decimal)ArrowArrayViewGetUIntUnsafe(view, i);
    return hash_decimal(v, 0);
}

static uint64_t
hash_time(const fo_cell *cell, const struct ArrowArrayView *view, int64_t i)
{
    int64_t v = ArrowArrayViewGetIntUnsafe(view, i);

    return fo_hash_mix(k_time,
                       (uint64_t)(cell->divide > 1 ? v / cell->divide : v) * (uint64_t)cell->multiply);
}

finops_code
fo_cell_hash(const fo_cell *cell, const struct ArrowArrayView *view, int64_t i, uint64_t *ret,
             finops_error **err)
{
    if (ArrowArrayViewIsNull(view, i)) {
        *ret = k_null;
        return FINOPS_OK;
    }
    switch (cell->type) {
    case NANOARROW_TYPE_STRING:
    case NANOARROW_TYPE_LARGE_STRING:
    case NANOARROW_TYPE_STRING_VIEW:
    case NANOARROW_TYPE_BINARY:
    case NANOARROW_TYPE_LARGE_BINARY:
    case NANOARROW_TYPE_BINARY_VIEW: {
        struct ArrowStringView text = ArrowArrayViewGetStringUnsafe(view, i);
        if (cell->json)
            return hash_json(text.data, (size_t)text.size_bytes, cell->amounts, ret, err);
        *ret = hash_bytes(k_text, text.data, (size_t)text.size_bytes);
        return FINOPS_OK;
    }
    case NANOARROW_TYPE_DECIMAL128:
        *ret = hash_decimal(fo_cell_decimal(view, i), cell->scale);
        return FINOPS_OK;
    case NANOARROW_TYPE_TIMESTAMP:
    case NANOARROW_TYPE_TIME64:
        *ret = hash_time(cell, view, i);
        return FINOPS_OK;
    case NANOARROW_TYPE_BOOL:
        *ret = fo_hash_mix(k_bool, (uint64_t)ArrowArrayViewGetIntUnsafe(view, i));
        return FINOPS_OK;
    case NANOARROW_TYPE_FLOAT:
    case NANOARROW_TYPE_DOUBLE:
        *ret = hash_real(ArrowArrayViewGetDoubleUnsafe(view, i));
        return FINOPS_OK;
    case NANOARROW_TYPE_MAP:
        return hash_map(cell, view, i, ret, err);
    case NANOARROW_TYPE_STRUCT:
        return hash_struct(cell, view, i, ret, err);
    case NANOARROW_TYPE_LIST:
    case NANOARROW_TYPE_LARGE_LIST:
        return hash_list(cell, view, i, ret, err);
    default:
        *ret = hash_int(cell, view, i);
        return FINOPS_OK;
    }
}
