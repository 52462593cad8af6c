/* Objects out: what is known of one, its bytes, and lists of many. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onefile.h"

#define METADATA_MAX 256

/* ---- an object from a row of ONEFILE_COLUMNS ---- */

/* "name\0value\0name\0value\0" */
static size_t
metadata_parse(const char *bytes, size_t n, finops_metadata *items)
{
    size_t count = 0;

    for (const char *p = bytes, *end = bytes + n; p && p < end && count < METADATA_MAX; count++) {
        items[count].name = p;
        items[count].value = p + strlen(p) + 1;
        p = items[count].value + strlen(items[count].value) + 1;
    }
    return count;
}

static finops_code
object_of_row(sqlite3_stmt *q, const char *key, finops_object *ret, finops_error **err)
{
    finops_metadata metadata[METADATA_MAX];
    const char *bytes = sqlite3_column_blob(q, 6);
    char version[24];

    (void)snprintf(version, sizeof(version), "%lld", (long long)sqlite3_column_int64(q, 0));
    const finops_object o = {
        .key = key,
        .size = sqlite3_column_int64(q, 1),
        .modified_us = sqlite3_column_int64(q, 2),
        .version = version,
        .etag = version,
        .content_type = (const char *)sqlite3_column_text(q, 3),
        .content_encoding = (const char *)sqlite3_column_text(q, 4),
        .cache_control = (const char *)sqlite3_column_text(q, 5),
        .metadata = metadata,
        .n_metadata = metadata_parse(bytes, (size_t)sqlite3_column_bytes(q, 6), metadata),
    };
    return finops_object_copy(&o, ret, err);
}

finops_code
onefile_find(onefile_conn *c, const char *key, finops_object *ret, finops_error **err)
{
    sqlite3_stmt *q = NULL;
    finops_code code =
        onefile_prepare(c, "SELECT " ONEFILE_COLUMNS " FROM objects WHERE key = ?1", key, &q, err);

    if (code != FINOPS_OK)
        return code;
    switch (sqlite3_step(q)) {
    case SQLITE_ROW:
        code = object_of_row(q, key, ret, err);
        break;
    case SQLITE_DONE:
        code = finops_error_new(err, FINOPS_E_NOT_FOUND, "%s does not exist", key);
        break;
    default:
        code = onefile_fail(c, err);
    }
    sqlite3_finalize(q);
    return code;
}

finops_code
onefile_stat(void *self, const char *key, const finops_call *call, finops_object *ret, finops_error **err)
{
    onefile_conn *c = NULL;
    finops_code code = onefile_acquire(self, false, call, &c, err);

    if (code != FINOPS_OK)
        return code;
    code = onefile_find(c, key, ret, err);
    onefile_release(self, c);
    return code;
}

/* ---- bytes ---- */

/* Holds a connection and, with it, a read transaction: it reads on what was there, whoever writes. */
typedef struct reader {
    finops_reader base;
    onefile_storage *storage;
    onefile_conn *conn;
    sqlite3_stmt *chunks;
    const char *data; /* of the chunk at hand, from `at` on */
    size_t n;
    int64_t at, end;
} reader;

/* The chunk that holds byte `at`. */
static finops_code
chunk_next(reader *r, finops_error **err)
{
    int step = sqlite3_step(r->chunks);
    int64_t from;

    if (step == SQLITE_DONE)
        return finops_error_new(err, FINOPS_E_CORRUPT, "bytes of the object are missing");
    if (step != SQLITE_ROW)
        return onefile_fail(r->conn, err);
    from = r->at - sqlite3_column_int64(r->chunks, 0);
    r->data = sqlite3_column_blob(r->chunks, 1);
    r->n = (size_t)sqlite3_column_bytes(r->chunks, 1);
    if (from < 0 || (size_t)from >= r->n)
        return finops_error_new(err, FINOPS_E_CORRUPT, "bytes of the object are missing");
    r->data += from;
    r->n -= (size_t)from;
    return FINOPS_OK;
}

static finops_code
reader_read(finops_reader *base, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    reader *r = (reader *)base;
    finops_code code = onefile_check(&r->conn->call, err);

    if (n > (size_t)(r->end - r->at))
        n = (size_t)(r->end - r->at);
    if (code == FINOPS_OK && n > 0 && r->n == 0)
        code = chunk_next(r, err);
    if (code != FINOPS_OK)
        return code;
    if (n > r->n)
        n = r->n;
    if (n > 0)
        memcpy(buffer, r->data, n);
    r->data += n;
    r->n -= n;
    r->at += (int64_t)n;
    *ret_n = n;
    return FINOPS_OK;
}

static void
reader_close(finops_reader *base)
{
    reader *r = (reader *)base;

    sqlite3_finalize(r->chunks);
    if (r->conn)
        onefile_release(r->storage, r->conn);
    finops_object_done(&r->base.object);
    free(r);
}

/* Which bytes of how many there are. */
static finops_code
range(const finops_get *get, int64_t size, int64_t *ret_offset, int64_t *ret_length, finops_error **err)
{
    int64_t left;

    if (get->suffix > 0) {
        *ret_length = get->suffix < size ? get->suffix : size;
        *ret_offset = size - *ret_length;
        return FINOPS_OK;
    }
    if (get->offset < 0 || get->suffix < 0)
        return finops_error_new(err, FINOPS_E_ARGUMENT, "a range cannot begin at a negative offset");
    if (get->offset > size || (get->offset == size && size > 0))
        return finops_error_new(err, FINOPS_E_RANGE, "the range begins at byte %lld of %lld",
                                (long long)get->offset, (long long)size);
    left = size - get->offset;
    *ret_offset = get->offset;
    *ret_length = get->length < 0 || get->length > left ? left : get->length;
    return FINOPS_OK;
}

static finops_code
conditions(const finops_get *get, const finops_object *o, finops_error **err)
{
    if (get->if_version && strcmp(get->if_version, o->version) != 0)
        return finops_error_new(err, FINOPS_E_PRECONDITION, "it is another version");
    if (get->unless_version && strcmp(get->unless_version, o->version) == 0)
        return finops_error_new(err, FINOPS_E_UNCHANGED, "it is still that version");
    return FINOPS_OK;
}

static finops_code
reader_begin(reader *r, const finops_get *get, finops_error **err)
{
    finops_object *o = &r->base.object;
    finops_code code = onefile_run(r->conn, "BEGIN", err);

    if (code == FINOPS_OK)
        code = onefile_find(r->conn, get->key, o, err);
    if (code == FINOPS_OK)
        code = conditions(get, o, err);
    if (code == FINOPS_OK)
        code = range(get, o->size, &r->base.offset, &r->base.length, err);
    if (code != FINOPS_OK)
        return code;
    r->at = r->base.offset;
    r->end = r->base.offset + r->base.length;
    if (sqlite3_prepare_v2(r->conn->db,
                           "SELECT at, data FROM chunks WHERE object = ?1 AND at + length(data) > ?2 "
                           "ORDER BY number",
                           -1, &r->chunks, NULL) != SQLITE_OK ||
        sqlite3_bind_int64(r->chunks, 1, strtoll(o->version, NULL, 10)) != SQLITE_OK ||
        sqlite3_bind_int64(r->chunks, 2, r->at) != SQLITE_OK)
        return onefile_fail(r->conn, err);
    return FINOPS_OK;
}

finops_code
onefile_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err)
{
    reader *r = calloc(1, sizeof(*r));
    finops_code code;

    if (!r)
        return onefile_no_memory(err);
    r->storage = self;
    r->base.read = reader_read;
    r->base.close = reader_close;
    code = onefile_acquire(self, false, get->call, &r->conn, err);
    if (code == FINOPS_OK)
        code = reader_begin(r, get, err);
    if (code != FINOPS_OK) {
        reader_close(&r->base);
        return code;
    }
    *ret = &r->base;
    return FINOPS_OK;
}

/* ---- lists ---- */

/* Keys in order from a lower bound on; `from` is a buffer of its size, keys have at most so many bytes. */
typedef struct cursor {
    const finops_list *list;
    char from[FINOPS_STORAGE_KEY_MAX + 2];
    bool beyond; /* keys above `from`; else from it on */
} cursor;

static bool
is_below(const finops_list *list, const char *text)
{
    return strncmp(text, list->prefix, strlen(list->prefix)) == 0;
}

/* Of "a/b/c", listed with children below "a/", the bytes of "a/b/"; 0: an object. */
static size_t
folder_of(const finops_list *list, const char *key)
{
    size_t n = strlen(list->prefix);
    const char *slash = list->children ? strchr(key + n, '/') : NULL;

    return slash ? (size_t)(slash - key) + 1 : 0;
}

/* One row told. *ret_next: false ends the listing. */
static finops_code
row_tell(cursor *at, sqlite3_stmt *q, const char *key, finops_each_object each, void *arg, bool *ret_next,
         finops_error **err)
{
    size_t folder = folder_of(at->list, key);
    finops_object o = { .key = at->from, .is_prefix = true, .size = -1, .modified_us = -1 };
    finops_code code;

    at->beyond = true;
    (void)snprintf(at->from, sizeof(at->from), "%s", key);
    if (folder > 0) {
        at->from[folder] = '\0';
        if (!at->list->start_after || strcmp(at->from, at->list->start_after) > 0)
            *ret_next = each(&o, arg);
        at->from[folder - 1] = '/' + 1; /* the first key behind all of the folder's */
        at->beyond = false;
        return FINOPS_OK;
    }
    code = object_of_row(q, key, &o, err);
    if (code != FINOPS_OK)
        return code;
    *ret_next = each(&o, arg);
    finops_object_done(&o);
    return FINOPS_OK;
}

/* The rows from the cursor on, up to a folder, behind which it is looked anew. *ret_more: there was one. */
static finops_code
rows_tell(onefile_conn *c, cursor *at, finops_each_object each, void *arg, bool *ret_more, finops_error **err)
{
    char key[FINOPS_STORAGE_KEY_MAX + 2];
    sqlite3_stmt *q = NULL;
    bool next = true;
    int step;
    finops_code code = onefile_prepare(c,
                                       at->beyond ? "SELECT " ONEFILE_COLUMNS ", key FROM objects "
                                                    "WHERE key > ?1 ORDER BY key"
                                                  : "SELECT " ONEFILE_COLUMNS ", key FROM objects "
                                                    "WHERE key >= ?1 ORDER BY key",
                                       at->from, &q, err);

    *ret_more = false;
    if (code != FINOPS_OK)
        return code;
    /* The statement reads its parameter when it begins: the cursor moves on meanwhile. */
    sqlite3_bind_blob(q, 1, at->from, (int)strlen(at->from), SQLITE_TRANSIENT);
    while (code == FINOPS_OK && next && !*ret_more && (step = sqlite3_step(q)) != SQLITE_DONE) {
        if (step != SQLITE_ROW) {
            code = onefile_fail(c, err);
            break;
        }
        (void)snprintf(key, sizeof(key), "%.*s", sqlite3_column_bytes(q, 7),
                       (const char *)sqlite3_column_blob(q, 7));
        if (!is_below(at->list, key))
            break;
        code = row_tell(at, q, key, each, arg, &next, err);
        *ret_more = next && !at->beyond;
        if (code == FINOPS_OK)
            code = onefile_check(&c->call, err);
    }
    sqlite3_finalize(q);
    return code;
}

finops_code
onefile_list(void *self, const finops_list *list, finops_each_object each, void *arg, finops_error **err)
{
    bool after = list->start_after && strcmp(list->start_after, list->prefix) >= 0;
    cursor at = { .list = list, .beyond = after };
    finops_error *why = NULL;
    onefile_conn *c = NULL;
    finops_code code = onefile_acquire(self, false, list->call, &c, &why);
    bool more = true;

    if (code == FINOPS_E_NOT_FOUND) { /* nothing was written yet: nothing is there */
        finops_error_free(why);
        return FINOPS_OK;
    }
    if (code != FINOPS_OK) {
        if (err)
            *err = why;
        else
            finops_error_free(why);
        return code;
    }
    (void)snprintf(at.from, sizeof(at.from), "%s", after ? list->start_after : list->prefix);
    code = onefile_run(c, "BEGIN", err);
    while (code == FINOPS_OK && more)
        code = rows_tell(c, &at, each, arg, &more, err);
    onefile_release(self, c);
    return code;
}
