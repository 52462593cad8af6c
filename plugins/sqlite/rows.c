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

#define BATCH_ROWS 1024
#define BATCH_BYTES (8 << 20) /* ends a batch; SQLite's own limit of a text keeps a column under 2 GB */

/* The buffers of one column of a batch. */
typedef struct column {
    const void *buffers[3];
    uint8_t valid[BATCH_ROWS / 8];
    union {
        int64_t integers[BATCH_ROWS];
        double doubles[BATCH_ROWS];
        int32_t days[BATCH_ROWS];
        uint8_t bits[BATCH_ROWS / 8];
        int32_t ends[BATCH_ROWS + 1]; /* of texts and bytes */
    } values;
    char *data; /* the texts and bytes; of sqlite3_malloc() */
} column;

typedef struct rows {
    sqlite_conn *c;
    sqlite3_stmt *q;
    int n;
    bool done;
    finops_column_type *types;
    struct ArrowArray first; /* read when the stream is opened */
    char error[256];
} rows;

static bool
is_data(finops_column_type type)
{
    return type == FINOPS_TYPE_TEXT || type == FINOPS_TYPE_BYTES;
}

static bool
is_instant(finops_column_type type)
{
    return type == FINOPS_TYPE_TIMESTAMP || type == FINOPS_TYPE_TIMESTAMP_TZ;
}

/* Whether a column of this type can hold the value. */
static bool
holds(finops_column_type type, sqlite3_value *v)
{
    const char *text;
    int64_t us;

    if (type == FINOPS_TYPE_TEXT)
        return true;
    switch (sqlite3_value_type(v)) {
    case SQLITE_INTEGER:
        return type == FINOPS_TYPE_INT || type == FINOPS_TYPE_DOUBLE ||
               (type == FINOPS_TYPE_BOOL && (sqlite3_value_int64(v) & ~INT64_C(1)) == 0);
    case SQLITE_FLOAT:
        return type == FINOPS_TYPE_DOUBLE;
    case SQLITE_TEXT:
        text = (const char *)sqlite3_value_text(v);
        return (type == FINOPS_TYPE_DOUBLE && strcmp(text, "NaN") == 0) ||
               (type == FINOPS_TYPE_DATE && sqlite_parse_time(text, true, &us)) ||
               (is_instant(type) && sqlite_parse_time(text, false, &us));
    case SQLITE_BLOB:
        return type == FINOPS_TYPE_BYTES;
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

    if (type == FINOPS_TYPE_OTHER || (type == FINOPS_TYPE_BOOL && wanted != FINOPS_TYPE_BYTES))
        return wanted;
    return type == FINOPS_TYPE_INT && wanted == FINOPS_TYPE_DOUBLE ? wanted : FINOPS_TYPE_TEXT;
}

/* ---- one column of a batch ---- */

/* Bytes as they are or in hexadecimal, doubles with all digits but "0.1" where that is the same. */
static void
add_data(sqlite3_str *to, finops_column_type type, sqlite3_value *v)
{
    bool blob = sqlite3_value_type(v) == SQLITE_BLOB;
    double number = sqlite3_value_type(v) == SQLITE_FLOAT ? sqlite3_value_double(v) : 0;
    char text[40] = "";

    if (sqlite3_value_type(v) == SQLITE_FLOAT) {
        for (int digits = 15; digits <= 17 && strtod(text, NULL) != number; digits++)
            snprintf(text, sizeof(text), "%.*g", digits, number);
        sqlite3_str_appendall(to, text[0] ? text : "0");
    } else if (blob && type == FINOPS_TYPE_TEXT) {
        const unsigned char *bytes = sqlite3_value_blob(v);
        for (int i = 0, size = sqlite3_value_bytes(v); i < size; i++)
            sqlite3_str_appendf(to, "%02X", bytes[i]);
    } else {
        const char *bytes = blob ? sqlite3_value_blob(v) : (const char *)sqlite3_value_text(v);
        sqlite3_str_append(to, bytes, sqlite3_value_bytes(v));
    }
}

static void
set_number(column *k, finops_column_type type, int64_t row, sqlite3_value *v)
{
    int64_t us = 0;

    if (type == FINOPS_TYPE_DOUBLE) {
        k->values.doubles[row] = sqlite3_value_type(v) == SQLITE_TEXT ? NAN : sqlite3_value_double(v);
    } else if (type == FINOPS_TYPE_DATE) {
        sqlite_parse_time((const char *)sqlite3_value_text(v), true, &us);
        k->values.days[row] = (int32_t)(us / INT64_C(86400000000));
    } else if (is_instant(type)) {
        sqlite_parse_time((const char *)sqlite3_value_text(v), false, &k->values.integers[row]);
    } else if (type == FINOPS_TYPE_BOOL) {
        k->values.bits[row / 8] |= (uint8_t)(sqlite3_value_int(v) << row % 8);
    } else {
        k->values.integers[row] = sqlite3_value_int64(v);
    }
}

static void
array_release(struct ArrowArray *a)
{
    column *k = a->private_data;

    for (int64_t i = 0; i < a->n_children; i++)
        if (a->children[i]->release)
            a->children[i]->release(a->children[i]);
    free(a->children);
    if (a->n_buffers == 3)
        sqlite3_free(k->data);
    free(k);
    a->release = NULL;
}

/* An array of the values, of which each n-th is the column's. Gives SQLite's code. */
static int
column_make(finops_column_type type, sqlite3_value **values, int n, int64_t n_rows, struct ArrowArray *ret)
{
    column *k = calloc(1, sizeof(*k));
    sqlite3_str *data = sqlite3_str_new(NULL);
    struct ArrowArray a = { .length = n_rows, .n_buffers = is_data(type) ? 3 : 2, .release = array_release };
    int rc;

    for (int64_t row = 0; k && row < n_rows; row++) {
        sqlite3_value *v = values[row * n];
        bool null = sqlite3_value_type(v) == SQLITE_NULL;
        a.null_count += null;
        k->valid[row / 8] |= (uint8_t)(!null << row % 8);
        if (is_data(type) && !null)
            add_data(data, type, v);
        else if (!null)
            set_number(k, type, row, v);
        if (is_data(type))
            k->values.ends[row + 1] = sqlite3_str_length(data);
    }
    sqlite3_str_appendchar(data, 1, '\0'); /* there are data though all are empty */
    rc = k ? sqlite3_str_errcode(data) : SQLITE_NOMEM;
    if (rc != SQLITE_OK) {
        sqlite3_free(sqlite3_str_finish(data));
        free(k);
        return rc;
    }
    k->data = sqlite3_str_finish(data);
    k->buffers[0] = k->valid;
    k->buffers[1] = &k->values;
    k->buffers[2] = k->data;
    a.buffers = k->buffers;
    a.private_data = k;
    *ret = a;
    return SQLITE_OK;
}

/* ---- one batch ---- */

/* The next row, whose values are kept until their columns are made. The first batch decides on the types. */
static finops_code
keep_row(rows *r, bool first, sqlite3_value **kept, int64_t *bytes, finops_error **err)
{
    for (int i = 0; i < r->n; i++) {
        sqlite3_value *v = kept[i] = sqlite3_value_dup(sqlite3_column_value(r->q, i));
        if (!v)
            return sqlite_no_memory(err);
        if (!holds(r->types[i], v) && !first)
            return finops_error_new(err, FINOPS_E_DATA,
                                    "column %s: '%s' is of another type than the rows before",
                                    sqlite3_column_name(r->q, i), sqlite3_value_text(v));
        if (!holds(r->types[i], v))
            r->types[i] = widen(r->types[i], v);
        *bytes += sqlite3_value_type(v) == SQLITE_TEXT || sqlite3_value_type(v) == SQLITE_BLOB
                      ? sqlite3_value_bytes(v)
                      : 8;
    }
    return FINOPS_OK;
}

/* Rows until the batch is full; *ret_rows also counts one that was not kept whole. */
static finops_code
keep_rows(rows *r, bool first, sqlite3_value **kept, int64_t *ret_rows, finops_error **err)
{
    finops_code rc = FINOPS_OK;
    int64_t bytes = 0;

    for (*ret_rows = 0; rc == FINOPS_OK && *ret_rows < BATCH_ROWS && bytes < BATCH_BYTES; ++*ret_rows) {
        int step = sqlite3_step(r->q);
        r->done = step != SQLITE_ROW;
        if (r->done)
            return step == SQLITE_DONE ? FINOPS_OK : sqlite_fail(r->c, "sqlite", err);
        rc = keep_row(r, first, kept + *ret_rows * r->n, &bytes, err);
    }
    return rc;
}

/* Children in one piece of memory with the pointers to them; NULL without memory. */
static void *
children_new(int n, size_t size)
{
    void **children = calloc((size_t)n + 1, sizeof(*children) + size);

    for (int i = 0; children && i < n; i++)
        children[i] = (char *)(children + n) + (size_t)i * size;
    return children;
}

static finops_code
batch_make(rows *r, sqlite3_value **kept, int64_t n_rows, struct ArrowArray *ret, finops_error **err)
{
    static const void *no_bitmap[1];
    struct ArrowArray a = {
        .length = n_rows, .n_buffers = 1, .buffers = no_bitmap, .release = array_release
    };
    int rc = SQLITE_NOMEM;

    a.children = children_new(r->n, sizeof(**a.children));
    for (int i = 0; a.children && i < r->n; i++) {
        if (r->types[i] == FINOPS_TYPE_OTHER) /* nothing but NULL */
            r->types[i] = FINOPS_TYPE_TEXT;
        rc = column_make(r->types[i], kept + i, r->n, n_rows, a.children[i]);
        if (rc != SQLITE_OK)
            break;
        a.n_children = i + 1;
    }
    if (rc == SQLITE_OK) {
        *ret = a;
        return FINOPS_OK;
    }
    array_release(&a);
    if (rc == SQLITE_NOMEM)
        return sqlite_no_memory(err);
    return finops_error_new(err, FINOPS_E_DATA, "a column is too big for one batch: %s", sqlite3_errstr(rc));
}

static finops_code
read_batch(rows *r, bool first, struct ArrowArray *ret, finops_error **err)
{
    sqlite3_value **kept = calloc((size_t)r->n * BATCH_ROWS + 1, sizeof(*kept));
    int64_t n = 0;
    finops_code rc;

    if (!kept)
        return sqlite_no_memory(err);
    rc = keep_rows(r, first, kept, &n, err);
    if (rc == FINOPS_OK && r->n > 0 && n > 0)
        rc = batch_make(r, kept, n, ret, err);
    for (int64_t i = 0; i < n * r->n; i++)
        sqlite3_value_free(kept[i]);
    free(kept);
    return rc;
}

/* ---- the stream ---- */

static void
schema_release(struct ArrowSchema *s)
{
    for (int64_t i = 0; i < s->n_children; i++)
        if (s->children[i]->release)
            s->children[i]->release(s->children[i]);
    free(s->children);
    free(s->private_data); /* the name */
    s->release = NULL;
}

static int
rows_get_schema(struct ArrowArrayStream *stream, struct ArrowSchema *ret)
{
    static const char *const formats[] = {
        [FINOPS_TYPE_BOOL] = "b",         [FINOPS_TYPE_INT] = "l",
        [FINOPS_TYPE_DOUBLE] = "g",       [FINOPS_TYPE_DATE] = "tdD",
        [FINOPS_TYPE_TEXT] = "u",         [FINOPS_TYPE_BYTES] = "z",
        [FINOPS_TYPE_TIMESTAMP] = "tsu:", [FINOPS_TYPE_TIMESTAMP_TZ] = "tsu:UTC"
    };
    rows *r = stream->private_data;
    struct ArrowSchema s = { .format = "+s", .name = "", .release = schema_release };

    s.children = children_new(r->n, sizeof(**s.children));
    for (int i = 0; s.children && i < r->n; i++) {
        char *name = strdup(sqlite3_column_name(r->q, i));
        *s.children[i] = (struct ArrowSchema){ .format = formats[r->types[i]],
                                               .name = name,
                                               .flags = ARROW_FLAG_NULLABLE,
                                               .release = schema_release,
                                               .private_data = name };
        s.n_children = i + 1;
        if (!name)
            break;
    }
    if (!s.children || (r->n > 0 && !s.children[s.n_children - 1]->name)) {
        schema_release(&s);
        return ENOMEM;
    }
    *ret = s;
    return 0;
}

static int
rows_get_next(struct ArrowArrayStream *stream, struct ArrowArray *ret)
{
    rows *r = stream->private_data;
    finops_error *err = NULL;
    finops_code rc = FINOPS_OK;

    *ret = r->first;
    r->first.release = NULL;
    if (!ret->release && !r->done)
        rc = read_batch(r, false, ret, &err);
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
rows_release(struct ArrowArrayStream *stream)
{
    rows *r = stream->private_data;

    if (r->first.release)
        r->first.release(&r->first);
    sqlite3_finalize(r->q);
    free(r->types);
    free(r);
    stream->release = NULL;
}

finops_code
sqlite_rows_open(sqlite_conn *c, sqlite3_stmt *q, bool as_text, struct ArrowArrayStream *ret,
                 finops_error **err)
{
    rows *r = calloc(1, sizeof(*r));
    struct ArrowArrayStream stream = { rows_get_schema, rows_get_next, rows_get_last_error, rows_release, r };
    finops_code rc;
    int digits[2];

    if (!r) {
        sqlite3_finalize(q);
        return sqlite_no_memory(err);
    }
    *r = (rows){ .c = c, .q = q, .n = sqlite3_column_count(q) };
    r->types = calloc((size_t)r->n + 1, sizeof(*r->types));
    for (int i = 0; i < r->n && r->types; i++) {
        finops_column_type type = sqlite_type(sqlite3_column_decltype(q, i), digits);
        bool text = as_text || type == FINOPS_TYPE_DECIMAL || type == FINOPS_TYPE_JSON;
        r->types[i] = text ? FINOPS_TYPE_TEXT : type;
    }
    rc = r->types ? read_batch(r, true, &r->first, err) : sqlite_no_memory(err);
    if (rc == FINOPS_OK)
        *ret = stream;
    else
        rows_release(&stream);
    return rc;
}
