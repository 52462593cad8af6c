/*
 * Objects in one SQLite file, as a storage of finops: a dataset that is one file, to be copied or mailed.
 *
 * An object is a row, and its bytes are chunks, one for each part it came in. SQLite's transactions give what
 * finops asks of a storage: others see the old object or the new one, conditions hold, and a crash leaves
 * nothing half written. It has one writer at a time.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "onefile.h"

#define BUSY_SLEEP_MS 2
#define PROGRESS_STEPS 5000 /* instructions of SQLite's machine between two looks at the clock */

/* What the option table fills. */
typedef struct onefile_config {
    char *path;
} onefile_config;

struct onefile_storage {
    pthread_mutex_t lock;
    onefile_conn *idle; /* under the lock */
    char path[];
};

static const finops_option onefile_options[] = {
    { "path", FINOPS_OPT_STRING, offsetof(onefile_config, path), .flags = FINOPS_OPT_REQUIRED, .arg = "FILE",
      .help = "File that holds the objects; made when the first is written" },
    { 0 },
};

/* Chunks of an upload under way have its id, negative, in place of an object's. */
static const char *const setup[] = {
    "PRAGMA auto_vacuum = full", /* of a new file: what is removed makes it smaller */
    "PRAGMA journal_mode = wal",
    "PRAGMA synchronous = full",
    "CREATE TABLE IF NOT EXISTS objects (id INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE, "
    "size INTEGER NOT NULL, modified INTEGER NOT NULL, content_type TEXT, content_encoding TEXT, "
    "cache_control TEXT, metadata BLOB);"
    "CREATE TABLE IF NOT EXISTS uploads (id INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL, "
    "begun INTEGER NOT NULL);"
    "CREATE TABLE IF NOT EXISTS chunks (object INTEGER NOT NULL, number INTEGER NOT NULL, "
    "at INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (object, number));"
    "CREATE TRIGGER IF NOT EXISTS object_goes AFTER DELETE ON objects "
    "BEGIN DELETE FROM chunks WHERE object = OLD.id; END;"
    "CREATE TRIGGER IF NOT EXISTS upload_goes AFTER DELETE ON uploads "
    "BEGIN DELETE FROM chunks WHERE object = -OLD.id; END",
};

/* ---- calls ---- */

finops_code
onefile_no_memory(finops_error **err)
{
    return finops_error_new(err, FINOPS_E_MEMORY, "out of memory");
}

static int64_t
now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t
onefile_wall_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static finops_code
call_code(const finops_call *call)
{
    if (call->cancelled && call->cancelled(call->arg))
        return FINOPS_E_CANCELLED;
    return call->deadline_us && now_us() > call->deadline_us ? FINOPS_E_TIMEOUT : FINOPS_OK;
}

finops_code
onefile_check(const finops_call *call, finops_error **err)
{
    finops_code code = call ? call_code(call) : FINOPS_OK;

    if (code == FINOPS_E_CANCELLED)
        return finops_error_new(err, code, "cancelled");
    return code == FINOPS_OK ? code : finops_error_new(err, code, "past the deadline");
}

/* SQLite calls this while a statement runs; not 0 ends it. */
static int
on_progress(void *arg)
{
    const onefile_conn *c = arg;

    return call_code(&c->call) != FINOPS_OK;
}

/* And this while another connection writes; 0 gives up. A writer of another process may be killed, but not
 * wait for ever: its lock ends with it. */
static int
on_busy(void *arg, int times)
{
    (void)times;
    if (on_progress(arg))
        return 0;
    sqlite3_sleep(BUSY_SLEEP_MS);
    return 1;
}

finops_code
onefile_fail(const onefile_conn *c, finops_error **err)
{
    finops_code code = onefile_check(&c->call, err);

    if (code != FINOPS_OK)
        return code;
    switch (sqlite3_errcode(c->db)) {
    case SQLITE_NOMEM:
        return onefile_no_memory(err);
    case SQLITE_TOOBIG:
        code = FINOPS_E_ARGUMENT;
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        code = FINOPS_E_CORRUPT;
        break;
    case SQLITE_CANTOPEN:
        code = FINOPS_E_CONFIG;
        break;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        code = FINOPS_E_DENIED;
        break;
    default:
        code = FINOPS_E_IO;
    }
    return finops_error_new(err, code, "sqlite: %s", sqlite3_errmsg(c->db));
}

/* ---- connections ---- */

static void
conn_close(onefile_conn *c)
{
    sqlite3_close_v2(c->db);
    free(c);
}

static finops_code
conn_open(const onefile_storage *s, bool create, const finops_call *call, onefile_conn **ret,
          finops_error **err)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
    onefile_conn *c;
    finops_code code = FINOPS_OK;

    if (!create && access(s->path, F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR))
        return finops_error_new(err, FINOPS_E_NOT_FOUND, "%s does not exist", s->path);
    c = calloc(1, sizeof(*c));
    if (!c)
        return onefile_no_memory(err);
    c->call = call ? *call : (finops_call){ 0 };
    if (sqlite3_open_v2(s->path, &c->db, flags, NULL) != SQLITE_OK)
        code = c->db ? onefile_fail(c, err) : onefile_no_memory(err);
    if (code == FINOPS_OK) {
        sqlite3_busy_handler(c->db, on_busy, c);
        sqlite3_progress_handler(c->db, PROGRESS_STEPS, on_progress, c);
    }
    for (size_t i = 0; code == FINOPS_OK && i < sizeof(setup) / sizeof(setup[0]); i++)
        code = onefile_run(c, setup[i], err);
    if (code != FINOPS_OK) {
        conn_close(c);
        return code;
    }
    *ret = c;
    return FINOPS_OK;
}

finops_code
onefile_acquire(onefile_storage *s, bool create, const finops_call *call, onefile_conn **ret,
                finops_error **err)
{
    finops_code code = onefile_check(call, err);
    onefile_conn *c;

    if (code != FINOPS_OK)
        return code;
    pthread_mutex_lock(&s->lock);
    c = s->idle;
    if (c)
        s->idle = c->next;
    pthread_mutex_unlock(&s->lock);
    if (!c)
        return conn_open(s, create, call, ret, err);
    c->call = call ? *call : (finops_call){ 0 };
    *ret = c;
    return FINOPS_OK;
}

void
onefile_release(onefile_storage *s, onefile_conn *c)
{
    c->call = (finops_call){ 0 }; /* the end of a transaction is not ended by what ended the call */
    if (!sqlite3_get_autocommit(c->db) && onefile_run(c, "ROLLBACK", NULL) != FINOPS_OK) {
        conn_close(c);
        return;
    }
    pthread_mutex_lock(&s->lock);
    c->next = s->idle;
    s->idle = c;
    pthread_mutex_unlock(&s->lock);
}

/* ---- statements ---- */

finops_code
onefile_run(onefile_conn *c, const char *sql, finops_error **err)
{
    return sqlite3_exec(c->db, sql, NULL, NULL, NULL) == SQLITE_OK ? FINOPS_OK : onefile_fail(c, err);
}

finops_code
onefile_prepare(onefile_conn *c, const char *sql, const char *key, sqlite3_stmt **ret, finops_error **err)
{
    sqlite3_stmt *q = NULL;

    if (sqlite3_prepare_v2(c->db, sql, -1, &q, NULL) != SQLITE_OK ||
        sqlite3_bind_blob(q, 1, key, (int)strlen(key), SQLITE_STATIC) != SQLITE_OK) {
        finops_code code = onefile_fail(c, err);

        sqlite3_finalize(q);
        return code;
    }
    *ret = q;
    return FINOPS_OK;
}

/* ---- what finops calls ---- */

static finops_code
onefile_open(const void *config, void **ret_self, finops_error **err)
{
    const onefile_config *o = config;
    size_t size = strlen(o->path) + 1;
    onefile_storage *s = calloc(1, sizeof(*s) + size);

    if (!s)
        return onefile_no_memory(err);
    pthread_mutex_init(&s->lock, NULL);
    memcpy(s->path, o->path, size);
    *ret_self = s;
    return FINOPS_OK;
}

static void
onefile_close(void *self)
{
    onefile_storage *s = self;

    if (!s)
        return;
    for (onefile_conn *c = s->idle, *next; c; c = next) {
        next = c->next;
        conn_close(c);
    }
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static uint64_t
onefile_features(void *self)
{
    (void)self;
    return FINOPS_STORAGE_FLAT_KEYS | FINOPS_STORAGE_CREATE_ONLY | FINOPS_STORAGE_IF_VERSION |
           FINOPS_STORAGE_REMOVE_IF | FINOPS_STORAGE_UNLESS_VERSION | FINOPS_STORAGE_METADATA |
           FINOPS_STORAGE_COPY | FINOPS_STORAGE_MOVE | FINOPS_STORAGE_SUFFIX | FINOPS_STORAGE_PARTS |
           FINOPS_STORAGE_SWEEP;
}

static const finops_storage_driver onefile_driver = {
    .abi = FINOPS_STORAGE_ABI,
    .size = sizeof(finops_storage_driver),
    .name = "onefile",
    .version = "1.0.0",
    .summary = "Objects in one SQLite file",
    .options = onefile_options,
    .config_size = sizeof(onefile_config),
    .prefix_option = "path",
    .open = onefile_open,
    .close = onefile_close,
    .features = onefile_features,
    .stat = onefile_stat,
    .list = onefile_list,
    .read = onefile_read,
    .put = onefile_put,
    .remove = onefile_remove,
    .upload = onefile_upload,
    .copy = onefile_copy,
    .move = onefile_move,
    .sweep = onefile_sweep,
};

FINOPS_PLUGIN_EXPORT const finops_plugin_info *finops_plugin(uint32_t host_abi);

const finops_plugin_info *
finops_plugin(uint32_t host_abi)
{
    static const finops_storage_driver *const storages[] = { &onefile_driver, NULL };
    static const finops_plugin_info info = { .abi = FINOPS_PLUGIN_ABI,
                                             .size = sizeof(finops_plugin_info),
                                             .name = "onefile",
                                             .version = "1.0.0",
                                             .storages = storages };

    return host_abi >> 16 == FINOPS_PLUGIN_ABI >> 16 ? &info : NULL;
}
