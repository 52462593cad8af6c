/* Nested values as JSON text. Decimals are numbers with all their digits; what JSON has no word for is text.
 */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "database/postgresql/encode.h"

static finops_code
add(fo_pg_buffer *out, const char *p, size_t n, finops_error **err)
{
    if (!fo_pg_buffer_room(out, n))
        return fo_error_oom(err);
    if (n > 0)
        memcpy(out->data + out->len, p, n);
    out->len += n;
    return FINOPS_OK;
}

static size_t
escaped(unsigned char c, char buf[8])
{
    static const char hex[] = "0123456789abcdef";

    if (c == '"' || c == '\\') {
        buf[0] = '\\';
        buf[1] = (char)c;
        return 2;
    }
    memcpy(buf, "\\u00", 4);
    buf[4] = hex[c >> 4];
    buf[5] = hex[c & 15];
    return 6;
}

static finops_code
add_string(fo_pg_buffer *out, const char *p, size_t n, finops_error **err)
{
    char buf[8];
    size_t done = 0;
    finops_code rc = add(out, "\"", 1, err);

    for (size_t i = 0; i < n && rc == FINOPS_OK; i++) {
        const unsigned char c = (unsigned char)p[i];

        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        if (c == 0)
            return fo_error_set(err, FINOPS_E_DATA,
                                "a text holds a NUL character, which PostgreSQL does not keep");
        rc = add(out, p + done, i - done, err);
        if (rc == FINOPS_OK)
            rc = add(out, buf, escaped(c, buf), err);
        done = i + 1;
    }
    if (rc == FINOPS_OK)
        rc = add(out, p + done, n - done, err);
    return rc == FINOPS_OK ? add(out, "\"", 1, err) : rc;
}

static finops_code
add_hex(fo_pg_buffer *out, const char *p, size_t n, finops_error **err)
{
    static const char hex[] = "0123456789abcdef";

    if (!fo_pg_buffer_room(out, 2 * n + 2))
        return fo_error_oom(err);
    out->data[out->len++] = '"';
    for (size_t i = 0; i < n; i++) {
        out->data[out->len++] = (uint8_t)hex[(unsigned char)p[i] >> 4];
        out->data[out->len++] = (uint8_t)hex[(unsigned char)p[i] & 15];
    }
    out->data[out->len++] = '"';
    return FINOPS_OK;
}

static finops_code
add_leaf(fo_pg_buffer *out, const fo_pg_source *source, const struct ArrowArrayView *view, int64_t i,
         bool key, finops_error **err)
{
    const char *text;
    fo_pg_value v;
    size_t n;
    finops_code rc = fo_pg_value_get(source, view, i, &v, err);

    if (rc != FINOPS_OK)
        return rc;
    if (v.kind == PG_V_NULL)
        return key ? add(out, "\"\"", 2, err) : add(out, "null", 4, err);
    if (v.kind == PG_V_BYTES)
        return add_hex(out, v.text, v.n, err);
    fo_pg_value_text(&v, &text, &n);
    if (!key && (v.kind == PG_V_BOOL || v.kind == PG_V_INT || v.kind == PG_V_NUMBER ||
                 (v.kind == PG_V_DOUBLE && isfinite(v.real))))
        return add(out, text, n, err);
    return add_string(out, text, n, err);
}

static finops_code add_value(fo_pg_buffer *out, const fo_pg_source *source, const struct ArrowArrayView *view,
                             int64_t i, finops_error **err);

static void
list_range(const fo_pg_source *source, const struct ArrowArrayView *view, int64_t i, int64_t *begin,
           int64_t *end)
{
    i += view->offset;
    if (source->type == NANOARROW_TYPE_FIXED_SIZE_LIST) {
        *begin = i * view->layout.child_size_elements;
        *end = *begin + view->layout.child_size_elements;
        return;
    }
    *begin = ArrowArrayViewListChildOffset(view, i);
    *end = ArrowArrayViewListChildOffset(view, i + 1);
}

static finops_code
add_list(fo_pg_buffer *out, const fo_pg_source *source, const struct ArrowArrayView *view, int64_t i,
         finops_error **err)
{
    int64_t begin, end;
    finops_code rc = add(out, "[", 1, err);

    list_range(source, view, i, &begin, &end);
    for (int64_t at = begin; at < end && rc == FINOPS_OK; at++) {
        if (at > begin)
            rc = add(out, ",", 1, err);
        if (rc == FINOPS_OK)
            rc = add_value(out, &source->children[0], view->children[0], at, err);
    }
    return rc == FINOPS_OK ? add(out, "]", 1, err) : rc;
}

static finops_code
add_map(fo_pg_buffer *out, const fo_pg_source *source, const struct ArrowArrayView *view, int64_t i,
        finops_error **err)
{
    const fo_pg_source *entry = &source->children[0];
    const struct ArrowArrayView *entries = view->children[0];
    int64_t begin, end;
    finops_code rc;

    if (fo_pg_source_nested(&entry->children[0]))
        return fo_error_set(err, FINOPS_E_UNSUPPORTED,
                            "a map whose keys are not plain values has no JSON form");
    rc = add(out, "{", 1, err);
    list_range(source, view, i, &begin, &end);
    for (int64_t at = begin; at < end && rc == FINOPS_OK; at++) {
        if (at > begin)
            rc = add(out, ",", 1, err);
        if (rc == FINOPS_OK)
            rc = add_leaf(out, &entry->children[0], entries->children[0], at + entries->offset, true, err);
        if (rc == FINOPS_OK)
            rc = add(out, ":", 1, err);
        if (rc == FINOPS_OK)
            rc = add_value(out, &entry->children[1], entries->children[1], at + entries->offset, err);
    }
    return rc == FINOPS_OK ? add(out, "}", 1, err) : rc;
}

static finops_code
add_struct(fo_pg_buffer *out, const fo_pg_source *source, const struct ArrowArrayView *view, int64_t i,
           finops_error **err)
{
    finops_code rc = add(out, "{", 1, err);

    for (size_t c = 0; c < source->n_children && rc == FINOPS_OK; c++) {
        const char *name = source->children[c].name;

        if (c > 0)
            rc = add(out, ",", 1, err);
        if (rc == FINOPS_OK)
            rc = add_string(out, name, strlen(name), err);
        if (rc == FINOPS_OK)
            rc = add(out, ":", 1, err);
        if (rc == FINOPS_OK)
            rc = add_value(out, &source->children[c], view->children[c], i + view->offset, err);
    }
    return rc == FINOPS_OK ? add(out, "}", 1, err) : rc;
}

static finops_code
add_value(fo_pg_buffer *out, const fo_pg_source *source, const struct ArrowArrayView *view, int64_t i,
          finops_error **err)
{
    if (!fo_pg_source_nested(source))
        return add_leaf(out, source, view, i, false, err);
    if (ArrowArrayViewIsNull(view, i))
        return add(out, "null", 4, err);
    if (source->dictionary)
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "dictionaries of nested values are not supported");
    if (source->type == NANOARROW_TYPE_MAP)
        return add_map(out, source, view, i, err);
    if (source->type == NANOARROW_TYPE_STRUCT)
        return add_struct(out, source, view, i, err);
    return add_list(out, source, view, i, err);
}

finops_code
fo_pg_json_add(fo_pg_buffer *out, const fo_pg_source *source, const struct ArrowArrayView *view, int64_t i,
               finops_error **err)
{
    assert(out && source && view);
    return add_value(out, source, view, i, err);
}
