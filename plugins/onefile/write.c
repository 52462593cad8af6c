/* Objects in: each change is one transaction, in which its conditions are looked at, too. */
#include <stdlib.h>
#include <string.h>

#include "onefile.h"

finops_code
onefile_begin(onefile_storage *s, const finops_call *call, bool create, onefile_conn **ret,
              finops_error **err)
{
    finops_code code = onefile_acquire(s, create, call, ret, err);

    if (code != FINOPS_OK)
        return code;
    code = onefile_run(*ret, "BEGIN IMMEDIATE", err);
    if (code != FINOPS_OK)
        onefile_release(s, *ret);
    return code;
}

finops_code
onefile_end(onefile_storage *s, onefile_conn *c, finops_code code, finops_error **err)
{
    if (code == FINOPS_OK)
        code = onefile_check(&c->call, err);
    if (code == FINOPS_OK)
        code = onefile_run(c, "COMMIT", err);
    onefile_release(s, c);
    return code;
}

finops_code
onefile_step(onefile_conn *c, sqlite3_stmt *q, finops_error **err)
{
    finops_code code = sqlite3_step(q) == SQLITE_DONE ? FINOPS_OK : onefile_fail(c, err);

    sqlite3_finalize(q);
    return code;
}

/* The version of a key in this transaction: texts of at most 24 bytes, "" when it is not there. */
static finops_code
version_of(onefile_conn *c, const char *key, char *ret, size_t size, finops_error **err)
{
    finops_object o = { 0 };
    finops_error *why = NULL;
    finops_code code = onefile_find(c, key, &o, &why);

    if (code == FINOPS_OK)
        sqlite3_snprintf((int)size, ret, "%s", o.version);
    else
        ret[0] = '\0';
    finops_object_done(&o);
    if (code == FINOPS_OK || code == FINOPS_E_NOT_FOUND) {
        finops_error_free(why);
        return FINOPS_OK;
    }
    if (err)
        *err = why;
    else
        finops_error_free(why);
    return code;
}

static finops_code
conditions(onefile_conn *c, const char *key, bool create_only, const char *if_version, finops_error **err)
{
    char version[24];
    finops_code code;

    if (!create_only && !if_version)
        return FINOPS_OK;
    code = version_of(c, key, version, sizeof(version), err);
    if (code != FINOPS_OK)
        return code;
    if (create_only && version[0])
        return finops_error_new(err, FINOPS_E_EXISTS, "it exists");
    if (if_version && strcmp(if_version, version) != 0)
        return finops_error_new(err, FINOPS_E_PRECONDITION,
                                version[0] ? "it is another version" : "there is no such object to replace");
    return FINOPS_OK;
}

/* ---- put ---- */

/* "name\0value\0name\0value\0" into *ret, to be freed; NULL without any. */
static finops_code
metadata_bytes(const finops_put *put, char **ret, size_t *ret_n, finops_error **err)
{
    size_t n = 0;
    char *at;

    for (size_t i = 0; i < put->n_metadata; i++)
        n += strlen(put->metadata[i].name) + strlen(put->metadata[i].value) + 2;
    *ret = NULL;
    *ret_n = n;
    if (n == 0)
        return FINOPS_OK;
    at = *ret = malloc(n);
    if (!at)
        return onefile_no_memory(err);
    for (size_t i = 0; i < put->n_metadata; i++) {
        at = stpcpy(at, put->metadata[i].name) + 1;
        at = stpcpy(at, put->metadata[i].value) + 1;
    }
    return FINOPS_OK;
}

static finops_code
bind_object(onefile_conn *c, sqlite3_stmt *q, const finops_put *put, int64_t size, const char *metadata,
            size_t n_metadata, finops_error **err)
{
    if (sqlite3_bind_int64(q, 2, size) == SQLITE_OK &&
        sqlite3_bind_int64(q, 3, onefile_wall_us()) == SQLITE_OK &&
        sqlite3_bind_text(q, 4, put->content_type, -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_bind_text(q, 5, put->content_encoding, -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_bind_text(q, 6, put->cache_control, -1, SQLITE_STATIC) == SQLITE_OK &&
        sqlite3_bind_blob(q, 7, metadata, (int)n_metadata, SQLITE_STATIC) == SQLITE_OK)
        return FINOPS_OK;
    return onefile_fail(c, err);
}

/* A key's rows, which are one or none. */
static finops_code delete (onefile_conn *c, const char *key, finops_error **err)
{
    sqlite3_stmt *q = NULL;
    finops_code code = onefile_prepare(c, "DELETE FROM objects WHERE key = ?1", key, &q, err);

    return code == FINOPS_OK ? onefile_step(c, q, err) : code;
}

finops_code
onefile_insert(onefile_conn *c, const finops_put *put, int64_t size, int64_t *ret_id, finops_error **err)
{
    sqlite3_stmt *q = NULL;
    char *metadata = NULL;
    size_t n_metadata = 0;
    finops_code code = conditions(c, put->key, put->create_only, put->if_version, err);

    if (code == FINOPS_OK)
        code = delete (c, put->key, err);
    if (code == FINOPS_OK)
        code = metadata_bytes(put, &metadata, &n_metadata, err);
    if (code == FINOPS_OK)
        code = onefile_prepare(c,
                               "INSERT INTO objects (key, size, modified, content_type, content_encoding, "
                               "cache_control, metadata) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                               put->key, &q, err);
    if (code == FINOPS_OK)
        code = bind_object(c, q, put, size, metadata, n_metadata, err);
    if (code == FINOPS_OK)
        code = onefile_step(c, q, err);
    else
        sqlite3_finalize(q);
    *ret_id = sqlite3_last_insert_rowid(c->db);
    free(metadata);
    return code;
}

static finops_code
insert_bytes(onefile_conn *c, int64_t id, const void *data, size_t n, finops_error **err)
{
    sqlite3_stmt *q = NULL;

    if (n == 0)
        return FINOPS_OK;
    if (sqlite3_prepare_v2(c->db, "INSERT INTO chunks VALUES (?1, 1, 0, ?2)", -1, &q, NULL) != SQLITE_OK ||
        sqlite3_bind_int64(q, 1, id) != SQLITE_OK ||
        sqlite3_bind_blob64(q, 2, data, n, SQLITE_STATIC) != SQLITE_OK) {
        finops_code code = onefile_fail(c, err);

        sqlite3_finalize(q);
        return code;
    }
    return onefile_step(c, q, err);
}

finops_code
onefile_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
            finops_error **err)
{
    finops_object stored = { 0 };
    onefile_conn *c = NULL;
    int64_t id = 0;
    finops_code code = onefile_begin(self, put->call, true, &c, err);

    if (code != FINOPS_OK)
        return code;
    code = onefile_insert(c, put, (int64_t)n, &id, err);
    if (code == FINOPS_OK)
        code = insert_bytes(c, id, data, n, err);
    if (code == FINOPS_OK && ret)
        code = onefile_find(c, put->key, &stored, err);
    code = onefile_end(self, c, code, err);
    if (code == FINOPS_OK && ret)
        *ret = stored;
    else
        finops_object_done(&stored);
    return code;
}

/* ---- remove, copy, move ---- */

finops_code
onefile_remove(void *self, const finops_remove *remove, finops_error **err)
{
    finops_error *why = NULL;
    char version[24];
    onefile_conn *c = NULL;
    finops_code code = onefile_begin(self, remove->call, false, &c, &why);

    if (code == FINOPS_E_NOT_FOUND) { /* no file, no object */
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
    code = version_of(c, remove->key, version, sizeof(version), err);
    if (code == FINOPS_OK && remove->if_version && version[0] && strcmp(remove->if_version, version) != 0)
        code = finops_error_new(err, FINOPS_E_PRECONDITION, "it is another version");
    if (code == FINOPS_OK)
        code = delete (c, remove->key, err);
    return onefile_end(self, c, code, err);
}

/* What copy and move have in common: the source is there, and is that version; the target may be replaced. */
static finops_code
begin_from(onefile_storage *s, const finops_copy *copy, onefile_conn **ret, finops_error **err)
{
    finops_object from = { 0 };
    finops_code code = onefile_begin(s, copy->call, false, ret, err);

    if (code != FINOPS_OK)
        return code;
    code = onefile_find(*ret, copy->from, &from, err);
    if (code == FINOPS_OK && copy->if_version && strcmp(copy->if_version, from.version) != 0)
        code = finops_error_new(err, FINOPS_E_PRECONDITION, "it is another version");
    finops_object_done(&from);
    if (code == FINOPS_OK)
        code = conditions(*ret, copy->to, copy->create_only, NULL, err);
    if (code == FINOPS_OK)
        code = delete (*ret, copy->to, err);
    if (code != FINOPS_OK)
        onefile_release(s, *ret);
    return code;
}

/* A statement about two keys. */
static finops_code
run_pair(onefile_conn *c, const char *sql, const finops_copy *copy, finops_error **err)
{
    sqlite3_stmt *q = NULL;
    finops_code code = onefile_prepare(c, sql, copy->from, &q, err);

    if (code != FINOPS_OK)
        return code;
    if (sqlite3_bind_blob(q, 2, copy->to, (int)strlen(copy->to), SQLITE_STATIC) != SQLITE_OK ||
        sqlite3_bind_int64(q, 3, onefile_wall_us()) != SQLITE_OK) {
        code = onefile_fail(c, err);
        sqlite3_finalize(q);
        return code;
    }
    return onefile_step(c, q, err);
}

finops_code
onefile_copy(void *self, const finops_copy *copy, finops_object *ret, finops_error **err)
{
    finops_object stored = { 0 };
    onefile_conn *c = NULL;
    finops_code code = begin_from(self, copy, &c, err);

    if (code != FINOPS_OK)
        return code;
    code = run_pair(c,
                    "INSERT INTO objects (key, size, modified, content_type, content_encoding, "
                    "cache_control, metadata) SELECT ?2, size, ?3, content_type, content_encoding, "
                    "cache_control, metadata FROM objects WHERE key = ?1",
                    copy, err);
    if (code == FINOPS_OK)
        code = run_pair(c,
                        "INSERT INTO chunks SELECT t.id, number, at, data FROM chunks, objects f, objects t "
                        "WHERE object = f.id AND f.key = ?1 AND t.key = ?2 AND ?3 > 0",
                        copy, err);
    if (code == FINOPS_OK && ret)
        code = onefile_find(c, copy->to, &stored, err);
    code = onefile_end(self, c, code, err);
    if (code == FINOPS_OK && ret)
        *ret = stored;
    else
        finops_object_done(&stored);
    return code;
}

finops_code
onefile_move(void *self, const finops_copy *move, finops_error **err)
{
    onefile_conn *c = NULL;
    finops_code code = begin_from(self, move, &c, err);

    if (code != FINOPS_OK)
        return code;
    code = run_pair(c, "UPDATE objects SET key = ?2, modified = ?3 WHERE key = ?1", move, err);
    return onefile_end(self, c, code, err);
}
