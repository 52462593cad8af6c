/* The user's database: the writer's file, or a reader's view of it. */
#include "database/database.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "database/duckdb/serve.h"
#include "database/state.h"

#define RETRY_MS 20
#define READER_PATIENCE_US                                                                                   \
    ((int64_t)10 * 1000000) /* for a writer that is just opening or closing the file                         \
                             */
#define STOP_PATIENCE_MS 5000
#define REMOTE_ATTEMPTS 5

struct fo_database {
    const fo_settings *settings; /* borrowed */
    const fo_cancel *cancel;     /* borrowed */
    char *path;
    fo_engine *engine; /* NULL: rows come from the process that writes */
    fo_conn *conn;
    fo_server *server;       /* writer only */
    const char *const *keep; /* statements whose answers are kept at the close */
    size_t n_keep;
};

static void
database_pause(void)
{
    struct timespec t = { .tv_nsec = RETRY_MS * 1000000L };

    nanosleep(&t, NULL);
}

/* The file itself where the path is a link: its log and its socket stand beside it, whichever way one comes.
 */
static finops_code
database_path(const char *path, char **ret, finops_error **err)
{
    char real[PATH_MAX];
    const char *found = realpath(path, real);

    errno = ENOMEM; /* unless the current folder cannot be told */
    *ret = found ? fo_strdup(found) : fo_path_absolute(path);
    return *ret ? FINOPS_OK : fo_error_errno(err, errno, "find %s from the current folder", path);
}

static finops_code
database_new(const fo_settings *settings, const fo_cancel *cancel, fo_database **ret, finops_error **err)
{
    FO_AUTO(fo_database_closep) fo_database *db = fo_zalloc(sizeof(*db));

    if (!db)
        return fo_error_oom(err);
    finops_code rc = database_path(settings->duckdb.database_path, &db->path, err);
    if (rc != FINOPS_OK)
        return rc;
    if (strchr(db->path, '?')) /* the engine takes it for the start of options and puts its log elsewhere */
        return fo_error_set(err, FINOPS_E_CONFIG, "the path of a database cannot hold a '?': %s", db->path);
    db->settings = settings;
    db->cancel = cancel;
    *ret = FO_TAKE(db);
    return FINOPS_OK;
}

static finops_code
database_open_file(const fo_settings *settings, const char *path, bool read_only, fo_engine **ret,
                   finops_error **err)
{
    FO_AUTO(fo_freep) char *temp = fo_format("%s.tmp", path);
    fo_engine_options options = { .path = path,
                                  .read_only = read_only,
                                  .memory_limit = settings->duckdb.memory_limit,
                                  .threads = (unsigned)settings->duckdb.threads,
                                  .temp_directory = settings->duckdb.temp_directory };

    if (!temp)
        return fo_error_oom(err);
    if (!options.temp_directory)
        options.temp_directory = temp;
    return fo_engine_open(&options, ret, err);
}

/* Tries to become the writer until the time is up. */
static finops_code
database_open_writing(const fo_settings *settings, const char *path, const fo_cancel *cancel, fo_engine **ret,
                      finops_error **err)
{
    int64_t until = fo_clock_monotonic() + settings->duckdb.lock_timeout * 1000000;

    for (;;) {
        FO_AUTO(finops_error_freep) finops_error *why = NULL;
        finops_code rc = database_open_file(settings, path, false, ret, &why);

        if (rc == FINOPS_OK)
            return rc;
        if (rc == FINOPS_E_BUSY && fo_cancelled(cancel))
            return fo_error_set(err, FINOPS_E_CANCELLED, "stopped while waiting for %s", path);
        if (rc != FINOPS_E_BUSY || fo_clock_monotonic() >= until) {
            if (err)
                *err = FO_TAKE(why);
            if (rc == FINOPS_E_BUSY)
                fo_error_hint(err, "another finops process or program has it open; wait for it, or raise "
                                   "[database.duckdb] lock_timeout");
            return rc;
        }
        database_pause();
    }
}

finops_code
fo_database_open_writer(const fo_settings *settings, const fo_cancel *cancel, fo_database **ret,
                        finops_error **err)
{
    FO_AUTO(fo_database_closep) fo_database *db = NULL;

    assert(settings && ret);
    finops_code rc = database_new(settings, cancel, &db, err);
    if (rc == FINOPS_OK)
        rc = fo_mkdirs_for(db->path, err);
    if (rc == FINOPS_OK)
        rc = database_open_writing(settings, db->path, cancel, &db->engine, err);
    if (rc == FINOPS_OK)
        rc = fo_server_start(db->engine, db->path, &db->server, err);
    if (rc == FINOPS_OK)
        rc = fo_conn_open(db->engine, &db->conn, err);
    if (rc == FINOPS_OK)
        rc = fo_state_prepare(db, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_conn_set_cancel(db->conn, cancel);
    *ret = FO_TAKE(db);
    return FINOPS_OK;
}

/* The file itself when it is free; nothing when a writer answers for it. */
static finops_code
database_open_reading(fo_database *db, finops_error **err)
{
    int64_t until = fo_clock_monotonic() + READER_PATIENCE_US;

    for (;;) {
        FO_AUTO(finops_error_freep) finops_error *why = NULL;

        if (fo_remote_reachable(db->path))
            return FINOPS_OK;
        if (access(db->path, F_OK) != 0 && errno == ENOENT) {
            finops_code rc = fo_error_set(err, FINOPS_E_NOT_FOUND, "there is no database %s yet", db->path);
            fo_error_hint(err, "load bills with 'finops aws import-cur', or name another file with "
                               "[database.duckdb] database_path");
            return rc;
        }
        finops_code rc = database_open_file(db->settings, db->path, true, &db->engine, &why);
        if (rc == FINOPS_OK) {
            rc = fo_conn_open(db->engine, &db->conn, err);
            if (rc == FINOPS_OK)
                fo_conn_set_cancel(db->conn, db->cancel);
            return rc;
        }
        if (rc != FINOPS_E_BUSY || fo_clock_monotonic() >= until || fo_cancelled(db->cancel)) {
            if (err)
                *err = FO_TAKE(why);
            return rc;
        }
        database_pause();
    }
}

finops_code
fo_database_open_reader(const fo_settings *settings, const fo_cancel *cancel, fo_database **ret,
                        finops_error **err)
{
    FO_AUTO(fo_database_closep) fo_database *db = NULL;

    assert(settings && ret);
    finops_code rc = database_new(settings, cancel, &db, err);
    if (rc == FINOPS_OK)
        rc = database_open_reading(db, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret = FO_TAKE(db);
    return FINOPS_OK;
}

void
fo_database_keep(fo_database *database, const char *const *statements, size_t n)
{
    assert(database && database->server && statements && n > 0);
    database->keep = statements;
    database->n_keep = n;
}

/*
 * The last words of a writer, while it still holds the file: all is in the file, and this is what the file
 * then is. Should anything fail here, the next run has to open the database, nothing else.
 */
static fo_kept *
database_conclude(fo_database *db, fo_kept_mark *ret_mark)
{
    fo_kept *kept = NULL;

    fo_conn_set_cancel(db->conn, NULL);
    /* The long part of closing: readers are still served during it. */
    if (fo_conn_exec(db->conn, "CHECKPOINT", NULL) == FINOPS_OK && db->n_keep > 0 &&
        fo_database_answers(db, db->keep, db->n_keep, &kept, NULL) == FINOPS_OK)
        *ret_mark = fo_kept_mark_of(db->path);
    return kept;
}

void
fo_database_close(fo_database *database)
{
    FO_AUTO(fo_kept_closep) fo_kept *kept = NULL;
    fo_kept_mark mark = { "" };

    if (!database)
        return;
    if (database->server && database->conn)
        kept = database_conclude(database, &mark);
    fo_server_stop(database->server, STOP_PATIENCE_MS);
    fo_conn_close(database->conn);
    fo_engine_close(database->engine);
    if (kept)
        fo_kept_write(kept, database->path, &mark, NULL);
    fo_free(database->path);
    fo_free(database);
}

void
fo_database_closep(fo_database **database)
{
    fo_database_close(*database);
    *database = NULL;
}

fo_conn *
fo_database_conn(fo_database *database)
{
    return database->server ? database->conn : NULL;
}

fo_engine *
fo_database_engine(fo_database *database)
{
    return database->server ? database->engine : NULL;
}

/* A writer that ends just now closes the door in a reader's face; its file is free a moment later. */
static finops_code
database_stream_remote(fo_database *db, const char *sql, struct ArrowArrayStream *ret, finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code rc = fo_remote_stream(db->path, sql, ret, &why);

    if (rc == FINOPS_E_TRANSIENT || (rc == FINOPS_E_NOT_FOUND && !fo_remote_reachable(db->path)))
        return database_open_reading(db, err);
    if (err)
        *err = FO_TAKE(why);
    return rc;
}

finops_code
fo_database_stream(fo_database *database, const char *sql, struct ArrowArrayStream *ret, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    assert(database && sql && ret);
    for (unsigned attempt = 0; rc == FINOPS_OK && !database->engine && attempt < REMOTE_ATTEMPTS; attempt++) {
        *ret = (struct ArrowArrayStream){ 0 };
        rc = database_stream_remote(database, sql, ret, err);
        if (rc == FINOPS_OK && ret->release)
            return FINOPS_OK;
    }
    if (rc == FINOPS_OK && !database->engine)
        rc = fo_error_set(err, FINOPS_E_BUSY, "the process that writes %s does not answer", database->path);
    if (rc == FINOPS_OK)
        rc = fo_read_only_check(database->conn, sql, err);
    return rc == FINOPS_OK ? fo_conn_stream(database->conn, sql, NULL, 0, ret, err) : rc;
}

finops_code
fo_database_rows(fo_database *database, const char *sql, fo_rows **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    struct ArrowArrayStream stream = { 0 };
    finops_code rc = fo_rows_sql(sql, &text, err);

    if (rc == FINOPS_OK)
        rc = fo_database_stream(database, fo_str_z(&text), &stream, err);
    if (rc != FINOPS_OK)
        return rc;
    return fo_rows_from_stream(&stream, ret, err);
}

finops_code
fo_database_answers(fo_database *database, const char *const *statements, size_t n, fo_kept **ret,
                    finops_error **err)
{
    FO_AUTO(fo_kept_closep) fo_kept *kept = fo_kept_new(n);
    finops_code rc = kept ? FINOPS_OK : fo_error_oom(err);

    for (size_t i = 0; rc == FINOPS_OK && i < n; i++) {
        fo_rows *rows = NULL;
        rc = fo_database_rows(database, statements[i], &rows, err);
        if (rc == FINOPS_OK)
            rc = fo_kept_set(kept, i, statements[i], rows, err);
    }
    if (rc == FINOPS_OK)
        *ret = FO_TAKE(kept);
    return rc;
}

finops_code
fo_database_kept(const fo_settings *settings, fo_kept **ret, bool *ret_exists, finops_error **err)
{
    FO_AUTO(fo_freep) char *path = NULL;

    assert(settings && ret && ret_exists);
    finops_code rc = database_path(settings->duckdb.database_path, &path, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret_exists = access(path, F_OK) == 0 || errno != ENOENT;
    *ret = fo_kept_open(path);
    return FINOPS_OK;
}

finops_code
fo_database_has(fo_database *database, const char *schema, const char *name, bool *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    fo_str_add(&sql, "SELECT count(*) FROM information_schema.tables WHERE table_schema = ");
    fo_sql_literal(&sql, schema);
    fo_str_add(&sql, " AND table_name = ");
    fo_sql_literal(&sql, name);
    finops_code rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_rows(database, fo_str_z(&sql), &rows, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret = fo_rows_int(rows, 0, 0) > 0;
    return FINOPS_OK;
}
