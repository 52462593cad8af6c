/*
 * Objects that come in parts: each part is a chunk, and belongs to the upload until the commit gives all of
 * them to the object.
 */
#include <stdlib.h>
#include <string.h>

#include "onefile.h"

#define PARTS_MAX 10000

/* Texts of the put are behind it, in one block of memory. */
typedef struct upload {
    finops_upload base;
    onefile_storage *storage;
    int64_t id;
    finops_object texts; /* what the put says of the object */
    char *if_version;    /* of the put; NULL: none */
    bool create_only;
    finops_object stored; /* by a commit; its key is NULL before */
} upload;

/* A statement whose first parameter is a number. */
static finops_code
prepare_id(onefile_conn *c, const char *sql, int64_t id, sqlite3_stmt **ret, finops_error **err)
{
    sqlite3_stmt *q = NULL;

    if (sqlite3_prepare_v2(c->db, sql, -1, &q, NULL) != SQLITE_OK ||
        sqlite3_bind_int64(q, 1, id) != SQLITE_OK) {
        finops_code code = onefile_fail(c, err);

        sqlite3_finalize(q);
        return code;
    }
    *ret = q;
    return FINOPS_OK;
}

static finops_code
run_id(onefile_conn *c, const char *sql, int64_t id, finops_error **err)
{
    sqlite3_stmt *q = NULL;
    finops_code code = prepare_id(c, sql, id, &q, err);

    return code == FINOPS_OK ? onefile_step(c, q, err) : code;
}

/* ---- parts ---- */

/* FINOPS_E_NOT_FOUND: it was swept, or committed. */
static finops_code
upload_check(onefile_conn *c, int64_t id, finops_error **err)
{
    sqlite3_stmt *q = NULL;
    finops_code code = prepare_id(c, "SELECT 1 FROM uploads WHERE id = ?1", id, &q, err);
    int step;

    if (code != FINOPS_OK)
        return code;
    step = sqlite3_step(q);
    if (step == SQLITE_DONE)
        code = finops_error_new(err, FINOPS_E_NOT_FOUND, "the upload is over");
    else if (step != SQLITE_ROW)
        code = onefile_fail(c, err);
    sqlite3_finalize(q);
    return code;
}

static finops_code
chunk_put(onefile_conn *c, int64_t id, unsigned number, int64_t at, const void *data, size_t n,
          finops_error **err)
{
    sqlite3_stmt *q = NULL;
    finops_code code = prepare_id(c, "INSERT OR REPLACE INTO chunks VALUES (-?1, ?2, ?3, ?4)", id, &q, err);

    if (code != FINOPS_OK)
        return code;
    if (sqlite3_bind_int64(q, 2, number) != SQLITE_OK || sqlite3_bind_int64(q, 3, at) != SQLITE_OK ||
        sqlite3_bind_blob64(q, 4, n > 0 ? data : "", n, SQLITE_STATIC) != SQLITE_OK) {
        code = onefile_fail(c, err);
        sqlite3_finalize(q);
        return code;
    }
    return onefile_step(c, q, err);
}

static finops_code
upload_part(finops_upload *base, unsigned number, int64_t offset, const void *data, size_t n,
            const finops_call *call, finops_error **err)
{
    upload *u = (upload *)base;
    onefile_conn *c = NULL;
    finops_code code;

    if (number < 1 || number > PARTS_MAX || n > ONEFILE_CHUNK_MAX)
        return finops_error_new(err, FINOPS_E_ARGUMENT, "part %u of %zu bytes cannot be", number, n);
    code = onefile_begin(u->storage, call, true, &c, err);
    if (code != FINOPS_OK)
        return code;
    code = upload_check(c, u->id, err);
    if (code == FINOPS_OK)
        code = chunk_put(c, u->id, number, offset, data, n, err);
    return onefile_end(u->storage, c, code, err);
}

/* ---- commit ---- */

/* Every part there, one behind the other, and as many bytes as there must be. Others are dropped. */
static finops_code
parts_check(onefile_conn *c, int64_t id, unsigned parts, int64_t size, finops_error **err)
{
    sqlite3_stmt *q = NULL;
    finops_code code = prepare_id(
        c, "SELECT number, at, length(data) FROM chunks WHERE object = -?1 AND number <= ?2 ORDER BY number",
        id, &q, err);
    unsigned seen = 0;
    int64_t bytes = 0;
    int step;

    if (code != FINOPS_OK)
        return code;
    sqlite3_bind_int64(q, 2, parts);
    while ((step = sqlite3_step(q)) == SQLITE_ROW && sqlite3_column_int64(q, 0) == seen + 1 &&
           sqlite3_column_int64(q, 1) == bytes) {
        seen++;
        bytes += sqlite3_column_int64(q, 2);
    }
    if (step != SQLITE_ROW && step != SQLITE_DONE)
        code = onefile_fail(c, err);
    else if (seen != parts)
        code = finops_error_new(err, FINOPS_E_ARGUMENT, "part %u was not sent, or lies elsewhere", seen + 1);
    else if (bytes != size)
        code = finops_error_new(err, FINOPS_E_ARGUMENT, "the parts have %lld bytes, and must have %lld",
                                (long long)bytes, (long long)size);
    sqlite3_finalize(q);
    return code;
}

/* The chunks become the object's. What was sent and is no part of it goes with the upload. */
static finops_code
chunks_give(onefile_conn *c, int64_t id, int64_t object, unsigned parts, finops_error **err)
{
    sqlite3_stmt *q = NULL;
    finops_code code =
        prepare_id(c, "UPDATE chunks SET object = ?2 WHERE object = -?1 AND number <= ?3", id, &q, err);

    if (code != FINOPS_OK)
        return code;
    sqlite3_bind_int64(q, 2, object);
    sqlite3_bind_int64(q, 3, parts);
    code = onefile_step(c, q, err);
    return code == FINOPS_OK ? run_id(c, "DELETE FROM uploads WHERE id = ?1", id, err) : code;
}

static finops_code
commit_once(upload *u, onefile_conn *c, unsigned parts, int64_t size, finops_object *stored,
            finops_error **err)
{
    const finops_put put = { .key = u->texts.key,
                             .size = size,
                             .content_type = u->texts.content_type,
                             .content_encoding = u->texts.content_encoding,
                             .cache_control = u->texts.cache_control,
                             .metadata = u->texts.metadata,
                             .n_metadata = u->texts.n_metadata,
                             .create_only = u->create_only,
                             .if_version = u->if_version };
    int64_t object = 0;
    finops_code code = upload_check(c, u->id, err);

    if (code == FINOPS_OK)
        code = parts_check(c, u->id, parts, size, err);
    if (code == FINOPS_OK)
        code = onefile_insert(c, &put, size, &object, err);
    if (code == FINOPS_OK)
        code = chunks_give(c, u->id, object, parts, err);
    return code == FINOPS_OK ? onefile_find(c, put.key, stored, err) : code;
}

static finops_code
upload_commit(finops_upload *base, unsigned parts, int64_t size, const finops_call *call, finops_object *ret,
              finops_error **err)
{
    upload *u = (upload *)base;
    finops_object stored = { 0 };
    onefile_conn *c = NULL;
    finops_code code = FINOPS_OK;

    if (!u->stored.key) {
        code = onefile_begin(u->storage, call, true, &c, err);
        if (code != FINOPS_OK)
            return code;
        code = commit_once(u, c, parts, size, &stored, err);
        code = onefile_end(u->storage, c, code, err);
        if (code == FINOPS_OK)
            u->stored = stored;
        else
            finops_object_done(&stored);
    }
    return code == FINOPS_OK && ret ? finops_object_copy(&u->stored, ret, err) : code;
}

/* ---- begin and end ---- */

static void
upload_drop(onefile_storage *s, int64_t id)
{
    onefile_conn *c = NULL;

    if (onefile_begin(s, NULL, false, &c, NULL) == FINOPS_OK)
        (void)onefile_end(s, c, run_id(c, "DELETE FROM uploads WHERE id = ?1", id, NULL), NULL);
}

static void
upload_close(finops_upload *base)
{
    upload *u = (upload *)base;

    if (!u)
        return;
    if (u->id && !u->stored.key)
        upload_drop(u->storage, u->id);
    finops_object_done(&u->texts);
    finops_object_done(&u->stored);
    free(u->if_version);
    free(u);
}

/* What outlives the call. */
static finops_code
put_keep(upload *u, const finops_put *put, finops_error **err)
{
    const finops_object o = { .key = put->key,
                              .size = -1,
                              .modified_us = -1,
                              .content_type = put->content_type,
                              .content_encoding = put->content_encoding,
                              .cache_control = put->cache_control,
                              .metadata = put->metadata,
                              .n_metadata = put->n_metadata };

    u->create_only = put->create_only;
    u->if_version = put->if_version ? strdup(put->if_version) : NULL;
    if (put->if_version && !u->if_version)
        return onefile_no_memory(err);
    return finops_object_copy(&o, &u->texts, err);
}

static finops_code
row_make(upload *u, const finops_put *put, finops_error **err)
{
    sqlite3_stmt *q = NULL;
    onefile_conn *c = NULL;
    int64_t id;
    finops_code code = onefile_begin(u->storage, put->call, true, &c, err);

    if (code != FINOPS_OK)
        return code;
    code = onefile_prepare(c, "INSERT INTO uploads (key, begun) VALUES (?1, ?2)", put->key, &q, err);
    if (code == FINOPS_OK) {
        sqlite3_bind_int64(q, 2, onefile_wall_us());
        code = onefile_step(c, q, err);
    }
    id = sqlite3_last_insert_rowid(c->db);
    code = onefile_end(u->storage, c, code, err);
    if (code == FINOPS_OK)
        u->id = id;
    return code;
}

finops_code
onefile_upload(void *self, const finops_put *put, finops_upload **ret, finops_error **err)
{
    upload *u = calloc(1, sizeof(*u));
    finops_code code;

    if (!u)
        return onefile_no_memory(err);
    u->storage = self;
    u->base = (finops_upload){ .min_part = 1,
                               .max_part = ONEFILE_CHUNK_MAX,
                               .max_parts = PARTS_MAX,
                               .part = upload_part,
                               .commit = upload_commit,
                               .close = upload_close };
    code = put_keep(u, put, err);
    if (code == FINOPS_OK)
        code = row_make(u, put, err);
    if (code != FINOPS_OK) {
        upload_close(&u->base);
        return code;
    }
    *ret = &u->base;
    return FINOPS_OK;
}

/* ---- sweep ---- */

/* The next upload below the prefix behind *id; *id is 0 when there is none. */
static finops_code
next_upload(onefile_conn *c, const char *prefix, int64_t before_us, int64_t *id, finops_object *o, char *key,
            size_t size, finops_error **err)
{
    sqlite3_stmt *q = NULL;
    finops_code code = onefile_prepare(c,
                                       "SELECT id, key, begun, (SELECT sum(length(data)) FROM chunks WHERE "
                                       "object = -id) FROM uploads WHERE substr(key, 1, length(?1)) = ?1 AND "
                                       "begun < ?2 AND id > ?3 ORDER BY id LIMIT 1",
                                       prefix, &q, err);
    int step;

    if (code != FINOPS_OK)
        return code;
    sqlite3_bind_int64(q, 2, before_us);
    sqlite3_bind_int64(q, 3, *id);
    step = sqlite3_step(q);
    *id = 0;
    if (step == SQLITE_ROW) {
        *id = sqlite3_column_int64(q, 0);
        sqlite3_snprintf((int)size, key, "%.*s", sqlite3_column_bytes(q, 1), sqlite3_column_blob(q, 1));
        *o = (finops_object){ .key = key,
                              .modified_us = sqlite3_column_int64(q, 2),
                              .size = sqlite3_column_int64(q, 3) };
    } else if (step != SQLITE_DONE) {
        code = onefile_fail(c, err);
    }
    sqlite3_finalize(q);
    return code;
}

finops_code
onefile_sweep(void *self, const char *prefix, int64_t begun_before_us, const finops_call *call,
              finops_each_object each, void *arg, finops_error **err)
{
    char key[FINOPS_STORAGE_KEY_MAX + 1];
    onefile_conn *c = NULL;
    int64_t id = 0;
    finops_object o;
    finops_code code = onefile_begin(self, call, true, &c, err);

    if (code != FINOPS_OK)
        return code;
    while ((code = next_upload(c, prefix, begun_before_us, &id, &o, key, sizeof(key), err)) == FINOPS_OK &&
           id)
        if (!each || each(&o, arg))
            code = run_id(c, "DELETE FROM uploads WHERE id = ?1", id, err);
    return onefile_end(self, c, code, err);
}
