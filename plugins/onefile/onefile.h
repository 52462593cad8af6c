/*
 * Objects in one SQLite file, as a storage of finops: what the files of this plugin share.
 *
 * driver.c   connections, calls that end early, and the struct finops calls
 * read.c     stat, read and list
 * write.c    put, remove, copy and move
 * upload.c   objects that come in parts
 */
#ifndef ONEFILE_PLUGIN_H
#define ONEFILE_PLUGIN_H

#include <sqlite3.h>

#include <finops/sys/plugin.h>

/* Columns of every statement that tells of an object, in this order. */
#define ONEFILE_COLUMNS "id, size, modified, content_type, content_encoding, cache_control, metadata"

/* SQLite keeps less than 1 GB in a row. */
#define ONEFILE_CHUNK_MAX ((size_t)512 << 20)

/* One connection, of one thread at a time; those that nobody uses wait in a list. */
typedef struct onefile_conn {
    sqlite3 *db;
    finops_call call; /* of the call that runs */
    struct onefile_conn *next;
} onefile_conn;

typedef struct onefile_storage onefile_storage;

/* driver.c */

/*
 * A connection for the call. Without `create`, FINOPS_E_NOT_FOUND when the file is not there. Gives it back
 * to the storage with onefile_release(), which ends its transaction, if there is one, undoing it.
 */
finops_code onefile_acquire(onefile_storage *s, bool create, const finops_call *call, onefile_conn **ret,
                            finops_error **err);
void onefile_release(onefile_storage *s, onefile_conn *c);
/* Whether the call is to go on: FINOPS_OK, FINOPS_E_TIMEOUT or FINOPS_E_CANCELLED. */
finops_code onefile_check(const finops_call *call, finops_error **err);
/* What SQLite said last, as an error. Returns its code, never FINOPS_OK. */
finops_code onefile_fail(const onefile_conn *c, finops_error **err);
finops_code onefile_no_memory(finops_error **err);
/* A statement without parameters and rows. */
finops_code onefile_run(onefile_conn *c, const char *sql, finops_error **err);
/* The clock on the wall, UTC, in microseconds since 1970. */
int64_t onefile_wall_us(void);
/* A statement whose first parameter is a key, as bytes. */
finops_code onefile_prepare(onefile_conn *c, const char *sql, const char *key, sqlite3_stmt **ret,
                            finops_error **err);

/* read.c */

finops_code onefile_stat(void *self, const char *key, const finops_call *call, finops_object *ret,
                         finops_error **err);
finops_code onefile_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err);
finops_code onefile_list(void *self, const finops_list *list, finops_each_object each, void *arg,
                         finops_error **err);
/* The object of a key, in the connection's transaction; *ret owns its texts. FINOPS_E_NOT_FOUND. */
finops_code onefile_find(onefile_conn *c, const char *key, finops_object *ret, finops_error **err);

/* write.c */

/* A transaction that writes; it ends with onefile_end(), which commits what went well. */
finops_code onefile_begin(onefile_storage *s, const finops_call *call, bool create, onefile_conn **ret,
                          finops_error **err);
finops_code onefile_end(onefile_storage *s, onefile_conn *c, finops_code code, finops_error **err);
/* Runs a prepared statement without rows, and frees it. */
finops_code onefile_step(onefile_conn *c, sqlite3_stmt *q, finops_error **err);
/* In the transaction: makes the object's row, in place of the one there is if the conditions hold. */
finops_code onefile_insert(onefile_conn *c, const finops_put *put, int64_t size, int64_t *ret_id,
                           finops_error **err);
finops_code onefile_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
                        finops_error **err);
finops_code onefile_remove(void *self, const finops_remove *remove, finops_error **err);
finops_code onefile_copy(void *self, const finops_copy *copy, finops_object *ret, finops_error **err);
finops_code onefile_move(void *self, const finops_copy *move, finops_error **err);

/* upload.c */

finops_code onefile_upload(void *self, const finops_put *put, finops_upload **ret, finops_error **err);
finops_code onefile_sweep(void *self, const char *prefix, int64_t begun_before_us, const finops_call *call,
                          finops_each_object each, void *arg, finops_error **err);

#endif
