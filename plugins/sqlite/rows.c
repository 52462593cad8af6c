/*
 * Results out: an Arrow stream over a statement, built by hand.
 *
 * A column of SQLite may hold anything in any row. What a column of the stream is follows from the declared
 * type, if there is one, and from the values of the first batch, which are all looked at before one is
 * stored. A value of a later batch that does not fit ends the stream with an error; a CAST in the statement
 * avoids it.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite.h"

#define BATCH_ROWS 2048
#define FIRST_ROWS 256 /* whose values decide */
#define BATCH_BYTES (8 << 20)

/* One column while it is filled. The buffers are those of the Arrow array, which takes them over. */
typedef struct column {
    uint8_t *valid;
    void *values; /* int64, double, int32 of dates, bits of bool, int32 offsets of texts and bytes */
    char *data;   /* of texts and bytes */
    size_t size, room;
    int64_t nulls;
} column;

typedef struct rows {
    sqlite_conn *c;
    sqlite3_stmt *q;
    int n;
    bool as_text, done;
    finops_column_type *types;
    struct ArrowArray first; /* read when the stream is opened */
    char error[256];
} rows;

/* Whether a column of this type can hold the value. */
static bool
holds(finops_column_type type, sqlite3_value *v)
{
    const char *text;
    int64_t us;
    int32_t days;

    switch (sqlite3_value_type(v)) {
    case SQLITE_INTEGER:
        return type == FINOPS_TYPE_INT || type == FINOPS_TYPE_DOUBLE || type == FINOPS_TYPE_TEXT ||
               (type == FINOPS_TYPE_BOOL && (sqlite3_value_int64(v) & ~INT64_C(1)) == 0);
    case SQLITE_FLOAT:
        return type == FINOPS_TYPE_DOUBLE || type == FINOPS_TYPE_TEXT;
    case SQLITE_TEXT:
        text = (const char *)sqlite3_value_text(v);
        return type == FINOPS_TYPE_TEXT || (type == FINOPS_TYPE_DATE && sqlite_parse_date(text, &days)) ||
               (type == FINOPS_TYPE_DOUBLE && strcmp(text, "NaN") == 0) ||
               ((type == FINOPS_TYPE_TIMESTAMP || type == FINOPS_TYPE_TIMESTAMP_TZ) &&
                sqlite_parse_timestamp(text, &us));
    case SQLITE_BLOB:
        return type == FINOPS_TYPE_BYTES || type == FINOPS_TYPE_TEXT;
    default:
        return true;
    }
}

/* The type that holds what the column held so far and this value, too. */
static finops_column_type
widen(finops_column_type type, sqlite3_value *v)
{
    static const finops_column_type own[] = { [SQLITE_INTEGER] = FINOPS_TYPE_INT,
                                              [SQLITE_FLOAT] = FINOPS_TYPE_DOUBLE,
                                              [SQLITE_TEXT] = FINOPS_TYPE_TEXT,
                                              [SQLITE_BLOB] = FINOPS_TYPE_BYTES };
    finops_column_type wanted = own[sqlite3_value_type(v) % 5];

    if (holds(type, v))
        return type;
    if (type == FINOPS_TYPE_OTHER || (type == FINOPS_TYPE_BOOL && wanted != FINOPS_TYPE_BYTES))
        return wanted;
    return type == FINOPS_TYPE_INT && wanted == FINOPS_TYPE_DOUBLE ? wanted : FINOPS_TYPE_TEXT;
}

/* What a column is before any value is seen. */
static finops_column_type
declared_type(const rows *r, int i)
{
    finops_column_type type = sqlite_type(sqlite3_column_decltype(r->q, i), NULL, NULL);

    if (r->as_text || type == FINOPS_TYPE_DECIMAL || type == FINOPS_TYPE_JSON)
        return FINOPS_TYPE_TEXT;
    return type;
}

static bool
has_data(finops_column_type type)
{
    return type == FINOPS_TYPE_TEXT || type == FINOPS_TYPE_BYTES;
}

/* ---- one column: filled value by value, then an array ---- */

static void
column_done(column *k)
{
    free(k->valid);
    free(k->values);
    free(k->data);
}

static bool
append_bytes(column *k, const void *bytes, size_t size)
{
    if (k->size + size > k->room || !k->data) {
        size_t room = (k->size + size) * 2 + 64;
        char *data = realloc(k->data, room);
        if (!data)
            return false;
        k->data = data;
        k->room = room;
    }
    if (size)
        memcpy(k->data + k->size, bytes, size);
    k->size += size;
    return true;
}

/* All digits, which SQLite would not print; "0.1" where they say the same. */
static bool
append_double(column *k, double value)
{
    char text[40];

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (digits == 17 || memcmp(&(double){ strtod(text, NULL) }, &value, sizeof(value)) == 0)
            break;
    }
    return append_bytes(k, text, strlen(text));
}

/* A text, or bytes; bytes in a column of texts in hexadecimal. */
static bool
append_data(column *k, finops_column_type type, sqlite3_value *v)
{
    bool blob = sqlite3_value_type(v) == SQLITE_BLOB, real = sqlite3_value_type(v) == SQLITE_FLOAT;
    const unsigned char *bytes = blob ? sqlite3_value_blob(v) : sqlite3_value_text(v);
    int size = sqlite3_value_bytes(v);
    bool ok = true;

    if (real)
        return append_double(k, sqlite3_value_double(v));
    if (!blob || type == FINOPS_TYPE_BYTES)
        return (bytes || size == 0) && append_bytes(k, bytes, (size_t)size);
    for (int i = 0; i < size && ok; i++)
        ok = append_bytes(k, &"0123456789ABCDEF"[bytes[i] >> 4], 1) &&
             append_bytes(k, &"0123456789ABCDEF"[bytes[i] & 15], 1);
    return ok;
}

/* False: no memory. */
static bool
append(column *k, finops_column_type type, int64_t row, sqlite3_value *v)
{
    bool null = sqlite3_value_type(v) == SQLITE_NULL;

    if (null)
        k->nulls++;
    else
        k->valid[row / 8] |= (uint8_t)(1 << row % 8);
    if (has_data(type)) {
        bool ok = null || append_data(k, type, v);
        ((int32_t *)k->values)[row + 1] = (int32_t)k->size;
        return ok;
    }
    if (null)
        return true;
    if (type == FINOPS_TYPE_DOUBLE)
        ((double *)k->values)[row] = sqlite3_value_type(v) == SQLITE_TEXT ? NAN : sqlite3_value_double(v);
    else if (type == FINOPS_TYPE_DATE)
        sqlite_parse_date((const char *)sqlite3_value_text(v), (int32_t *)k->values + row);
    else if (type == FINOPS_TYPE_TIMESTAMP || type == FINOPS_TYPE_TIMESTAMP_TZ)
        sqlite_parse_timestamp((const char *)sqlite3_value_text(v), (int64_t *)k->values + row);
    else if (type == FINOPS_TYPE_BOOL)
        ((uint8_t *)k->values)[row / 8] |= (uint8_t)(sqlite3_value_int(v) << row % 8);
    else
        ((int64_t *)k->values)[row] = sqlite3_value_int64(v);
    return true;
}

static void
array_release(struct ArrowArray *a)
{
    for (int64_t i = 0; i < a->n_children; i++) {
        if (a->children[i] && a->children[i]->release)
            a->children[i]->release(a->children[i]);
        free(a->children[i]);
    }
    if (a->n_buffers > 1)
        column_done(a->private_data);
    free(a->private_data);
    free(a->children);
    free(a->buffers);
    a->release = NULL;
}

/* Makes an array of the column, which is empty afterwards. False: no memory. */
static bool
column_finish(column *k, finops_column_type type, int64_t n_rows, struct ArrowArray *ret)
{
    column *owned = malloc(sizeof(*owned));
    const void **buffers = malloc(3 * sizeof(*buffers));

    if (!owned || !buffers || (has_data(type) && !append_bytes(k, "", 0))) {
        free(owned);
        free(buffers);
        return false;
    }
    *owned = *k;
    *k = (column){ 0 };
    buffers[0] = owned->valid;
    buffers[1] = owned->values;
    buffers[2] = owned->data;
    *ret = (struct ArrowArray){ .length = n_rows,
                                .null_count = owned->nulls,
                                .n_buffers = has_data(type) ? 3 : 2,
                                .buffers = buffers,
                                .release = array_release,
                                .private_data = owned };
    return true;
}

/* ---- one batch ---- */

static bool
batch_finish(const rows *r, column *columns, int64_t n_rows, struct ArrowArray *ret)
{
    struct ArrowArray a = { .length = n_rows, .n_buffers = 1, .release = array_release };
    bool ok;

    a.buffers = calloc(1, sizeof(*a.buffers));
    a.children = calloc((size_t)r->n + 1, sizeof(*a.children));
    ok = a.buffers && a.children;
    for (int i = 0; i < r->n && ok; i++) {
        a.children[i] = calloc(1, sizeof(**a.children));
        a.n_children = i + 1;
        ok = a.children[i] && column_finish(&columns[i], r->types[i], n_rows, a.children[i]);
    }
    if (ok)
        *ret = a;
    else
        array_release(&a);
    return ok;
}

static void
columns_free(column *columns, int n)
{
    for (int i = 0; i < n && columns; i++)
        column_done(&columns[i]);
    free(columns);
}

static column *
columns_new(int n)
{
    column *columns = calloc((size_t)n + 1, sizeof(*columns));

    for (int i = 0; i < n && columns; i++) {
        columns[i] = (column){ .valid = calloc(BATCH_ROWS / 8, 1), .values = calloc(BATCH_ROWS + 1, 8) };
        if (!columns[i].valid || !columns[i].values) {
            columns_free(columns, n);
            columns = NULL;
        }
    }
    return columns;
}

static finops_code
no_memory(finops_error **err)
{
    return finops_error_new(err, FINOPS_E_MEMORY, "out of memory");
}

/* One step: *ret_more says whether there is a row. */
static finops_code
step(rows *r, bool *ret_more, finops_error **err)
{
    int rc = sqlite3_step(r->q);

    *ret_more = rc == SQLITE_ROW;
    r->done = !*ret_more;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? FINOPS_OK : sqlite_fail(r->c, "sqlite", err);
}

/* Rows of the statement, appended as they come. */
static finops_code
fill(rows *r, column *columns, int64_t *ret_rows, finops_error **err)
{
    size_t bytes = 0;
    int64_t n = 0;
    bool more = false;
    finops_code rc;

    while (n < BATCH_ROWS && bytes < BATCH_BYTES) {
        rc = step(r, &more, err);
        if (rc != FINOPS_OK || !more)
            break;
        bytes = 0;
        for (int i = 0; i < r->n; i++) {
            sqlite3_value *v = sqlite3_column_value(r->q, i);
            if (!holds(r->types[i], v))
                return finops_error_new(err, FINOPS_E_DATA,
                                        "column %s: '%s' is of another type than the rows before",
                                        sqlite3_column_name(r->q, i), sqlite3_value_text(v));
            if (!append(&columns[i], r->types[i], n, v))
                return no_memory(err);
            bytes += columns[i].size;
        }
        n++;
    }
    *ret_rows = n;
    return rc;
}

/* The first rows, kept until the type of each column is known. */
static finops_code
fill_first(rows *r, column *columns, int64_t *ret_rows, finops_error **err)
{
    sqlite3_value **kept = calloc((size_t)r->n * FIRST_ROWS + 1, sizeof(*kept));
    size_t n = 0, width = (size_t)r->n;
    bool more = true, ok = kept != NULL;
    finops_code rc = FINOPS_OK;

    while (ok && n < FIRST_ROWS) {
        rc = step(r, &more, err);
        if (rc != FINOPS_OK || !more)
            break;
        for (size_t i = 0; i < width && ok; i++) {
            kept[n * width + i] = sqlite3_value_dup(sqlite3_column_value(r->q, (int)i));
            ok = kept[n * width + i] != NULL;
            r->types[i] = ok ? widen(r->types[i], kept[n * width + i]) : r->types[i];
        }
        n++;
    }
    for (size_t i = 0; i < width; i++) /* nothing but NULL */
        r->types[i] = r->types[i] == FINOPS_TYPE_OTHER ? FINOPS_TYPE_TEXT : r->types[i];
    for (size_t i = 0; i < n * width && ok; i++)
        ok = append(&columns[i % width], r->types[i % width], (int64_t)(i / width), kept[i]);
    for (size_t i = 0; kept && i < n * width; i++)
        sqlite3_value_free(kept[i]);
    free(kept);
    *ret_rows = (int64_t)n;
    return ok ? rc : no_memory(err);
}

static finops_code
read_batch(rows *r, bool first, struct ArrowArray *ret, finops_error **err)
{
    column *columns = columns_new(r->n);
    int64_t n = 0;
    finops_code rc;

    if (!columns)
        return no_memory(err);
    rc = first ? fill_first(r, columns, &n, err) : fill(r, columns, &n, err);
    if (rc == FINOPS_OK && n > 0 && r->n > 0 && !batch_finish(r, columns, n, ret))
        rc = no_memory(err);
    columns_free(columns, r->n);
    return rc;
}

/* ---- the stream ---- */

static void
schema_release(struct ArrowSchema *s)
{
    for (int64_t i = 0; i < s->n_children; i++) {
        if (s->children[i] && s->children[i]->release)
            s->children[i]->release(s->children[i]);
        free(s->children[i]);
    }
    free(s->children);
    free(s->private_data); /* the name */
    s->release = NULL;
}

static const char *
format_of(finops_column_type type)
{
    switch (type) {
    case FINOPS_TYPE_BOOL:
        return "b";
    case FINOPS_TYPE_INT:
        return "l";
    case FINOPS_TYPE_DOUBLE:
        return "g";
    case FINOPS_TYPE_DATE:
        return "tdD";
    case FINOPS_TYPE_TIMESTAMP:
        return "tsu:";
    case FINOPS_TYPE_TIMESTAMP_TZ:
        return "tsu:UTC";
    case FINOPS_TYPE_BYTES:
        return "z";
    default:
        return "u";
    }
}

static int
rows_get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *ret)
{
    rows *r = stream->private_data;
    struct ArrowSchema s = { .format = "+s", .name = "", .release = schema_release };
    bool ok;

    s.children = calloc((size_t)r->n + 1, sizeof(*s.children));
    ok = s.children != NULL;
    for (int i = 0; i < r->n && ok; i++) {
        char *name = strdup(sqlite3_column_name(r->q, i));
        s.children[i] = malloc(sizeof(**s.children));
        s.n_children = i + 1;
        ok = name && s.children[i];
        if (s.children[i])
            *s.children[i] = (struct ArrowSchema){ .format = format_of(r->types[i]),
                                                   .name = name,
                                                   .flags = ARROW_FLAG_NULLABLE,
                                                   .release = schema_release,
                                                   .private_data = name };
        else
            free(name);
    }
    if (ok)
        *ret = s;
    else
        schema_release(&s);
    return ok ? 0 : ENOMEM;
}

static int
rows_get_next(struct ArrowArrayStream *stream, struct ArrowArray *ret)
{
    rows *r = stream->private_data;
    finops_error *err = NULL;
    finops_code rc = FINOPS_OK;

    *ret = (struct ArrowArray){ 0 }; /* the end */
    if (r->first.release) {
        *ret = r->first;
        r->first.release = NULL;
    } else if (!r->done) {
        rc = read_batch(r, false, ret, &err);
    }
    if (rc == FINOPS_OK)
        return 0;
    r->done = true;
    sqlite3_snprintf(sizeof(r->error), r->error, "%s", finops_error_text(err));
    finops_error_free(err);
    return finops_stream_errno(rc);
}

static const char *
rows_get_last_error(struct ArrowArrayStream *stream)
{
    rows *r = stream->private_data;

    return r->error[0] ? r->error : NULL;
}

static void
rows_free(rows *r)
{
    if (r->first.release)
        r->first.release(&r->first);
    sqlite3_finalize(r->q);
    free(r->types);
    free(r);
}

static void
rows_release(struct ArrowArrayStream *stream)
{
    rows_free(stream->private_data);
    stream->release = NULL;
}

finops_code
sqlite_rows_open(sqlite_conn *c, sqlite3_stmt *q, bool as_text, struct ArrowArrayStream *ret,
                 finops_error **err)
{
    rows *r = calloc(1, sizeof(*r));
    finops_code rc;

    if (!r) {
        sqlite3_finalize(q);
        return no_memory(err);
    }
    *r = (rows){ .c = c, .q = q, .n = sqlite3_column_count(q), .as_text = as_text };
    r->types = calloc((size_t)r->n + 1, sizeof(*r->types));
    for (int i = 0; i < r->n && r->types; i++)
        r->types[i] = declared_type(r, i);
    rc = r->types ? read_batch(r, true, &r->first, err) : no_memory(err);
    if (rc != FINOPS_OK) {
        rows_free(r);
        return rc;
    }
    *ret = (struct ArrowArrayStream){ .get_schema = rows_get_schema,
                                      .get_next = rows_get_next,
                                      .get_last_error = rows_get_last_error,
                                      .release = rows_release,
                                      .private_data = r };
    return FINOPS_OK;
}
