/* The driver of DuckDB: connections, statements and transactions. */
#include "database/duckdb/driver.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "config/config.h"
#include "database/duckdb/shared.h"
#include "database/duckdb/serve.h"

#define FEATURES                                                                                             \
    (FINOPS_DATABASE_TRANSACTIONS | FINOPS_DATABASE_DDL_IN_TRANSACTION | FINOPS_DATABASE_READS_FILES |       \
     FINOPS_DATABASE_NESTED | FINOPS_DATABASE_SCHEMAS | FINOPS_DATABASE_EXACT_DECIMALS)

void
fo_duckdb_done(fo_duckdb *database)
{
    fo_instance_memory_close(database->memory);
    fo_free(database->settings.database_path);
    fo_free(database->settings.temp_directory);
    (void)pthread_mutex_destroy(&database->lock);
}

finops_code
fo_duckdb_init(fo_duckdb *database, const fo_duckdb_settings *settings, finops_error **err)
{
    (void)pthread_mutex_init(&database->lock, NULL);
    database->settings = *settings;
    database->settings.temp_directory = settings->temp_directory ? fo_strdup(settings->temp_directory) : NULL;
    database->settings.database_path = settings->database_path ? fo_strdup(settings->database_path) : NULL;
    if (!settings->database_path)
        return fo_error_set(err, FINOPS_E_CONFIG, "database_path is not set");
    if (!database->settings.database_path || (settings->temp_directory && !database->settings.temp_directory))
        return fo_error_oom(err);
    return FINOPS_OK;
}

static void
database_close(void *self)
{
    if (!self)
        return;
    fo_duckdb_done(self);
    fo_free(self);
}

static finops_code
database_open(const void *config, void **ret_self, finops_error **err)
{
    const fo_duckdb_settings *settings = config;
    fo_duckdb *database = fo_zalloc(sizeof(*database));

    assert(settings && ret_self);
    if (!database)
        return fo_error_oom(err);
    finops_code rc = fo_duckdb_init(database, settings, err);
    database->product = "DuckDB";
    database->in_memory = fo_streq(settings->database_path, ":memory:");
    if (rc == FINOPS_OK)
        *ret_self = database;
    else
        database_close(database);
    return rc;
}

static void
database_capabilities(void *self, finops_capabilities *ret)
{
    (void)self;
    *ret = (finops_capabilities){ .features = FEATURES,
                                  .dialect = FINOPS_DIALECT_DUCKDB,
                                  .max_precision = 38,
                                  .max_parameters = 65535,
                                  .quote = '"' };
}

/* The one database in memory of the configuration, made for its first connection. */
static finops_code
database_memory(fo_duckdb *database, fo_instance **ret, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    *ret = NULL;
    if (!database->in_memory)
        return rc;
    (void)pthread_mutex_lock(&database->lock);
    if (!database->memory)
        rc = fo_instance_memory(&database->settings, database->plan, &database->memory, err);
    *ret = database->memory;
    (void)pthread_mutex_unlock(&database->lock);
    return rc;
}

finops_code
fo_duckdb_connect(void *self, unsigned flags, const finops_call *call, void **ret_conn, finops_error **err)
{
    fo_duckdb *database = self;
    fo_duckdb_link *c = fo_zalloc(sizeof(*c));
    fo_instance *memory;
    finops_code rc = c ? FINOPS_OK : fo_error_oom(err);

    assert(database && ret_conn);
    if (rc == FINOPS_OK)
        rc = database_memory(database, &memory, err);
    if (rc == FINOPS_OK) {
        c->database = database;
        c->read_only = flags & FINOPS_CONNECT_READ_ONLY;
        rc = fo_link_open(&database->settings, database->plan, memory, c->read_only, call, &c->link, err);
    }
    if (rc == FINOPS_OK)
        *ret_conn = c;
    else
        fo_free(c);
    return rc;
}

finops_code
fo_duckdb_rollback(void *conn, finops_error **err)
{
    fo_duckdb_link *c = conn;

    if (!c->transaction)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "there is no transaction to roll back");
    c->transaction = false;
    return fo_link_transaction(c->link, "ROLLBACK", err);
}

void
fo_duckdb_disconnect(void *conn)
{
    fo_duckdb_link *c = conn;

    if (!c)
        return;
    if (c->transaction)
        (void)fo_duckdb_rollback(c, NULL);
    fo_link_close(c->link);
    fo_free(c);
}

fo_engine *
fo_duckdb_engine(void *conn)
{
    return fo_link_engine(((fo_duckdb_link *)conn)->link);
}

fo_conn *
fo_duckdb_conn(void *conn)
{
    return fo_link_conn(((fo_duckdb_link *)conn)->link);
}

void
fo_duckdb_keep(void *conn, const char *const *statements, size_t n)
{
    fo_duckdb_link *c = conn;

    if (!c->read_only && !c->database->in_memory)
        (void)fo_link_keep(c->link, statements, n,
                           NULL); /* without memory for it the next run takes longer */
}

/* Progress costs small statements some time: it is measured once somebody asks for it. */
static finops_code
conn_measure(fo_duckdb_link *c, fo_conn *conn, const finops_call *call, finops_error **err)
{
    finops_code rc;

    if (!call || !call->progress || c->measured || c->transaction)
        return FINOPS_OK;
    rc = fo_conn_measure_progress(conn, err);
    c->measured = rc == FINOPS_OK;
    return rc;
}

finops_code
fo_duckdb_begin_call(fo_duckdb_link *c, const finops_call *call, fo_conn **ret, finops_error **err)
{
    fo_conn *conn;
    finops_code rc;

    if (c->read_only)
        return fo_error_set(err, FINOPS_E_USAGE, "this connection only reads");
    rc = fo_link_begin(c->link, call, &conn, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = conn_measure(c, conn, call, err);
    if (rc == FINOPS_OK)
        *ret = conn;
    else
        fo_link_end(c->link);
    return rc;
}

/* Transactions that are begun and ended by statements, though there are calls for it. */
static void
conn_note_transaction(fo_duckdb_link *c, const char *sql)
{
    static const struct {
        const char *word;
        bool begins;
    } words[] = { { "begin", true }, { "start", true },     { "commit", false },
                  { "end", false },  { "rollback", false }, { "abort", false } };

    sql += strspn(sql, " \t\r\n");
    for (size_t i = 0; i < FO_COUNT(words); i++)
        if (strncasecmp(sql, words[i].word, strlen(words[i].word)) == 0)
            c->transaction = words[i].begins;
}

static finops_code
conn_change(fo_duckdb_link *c, const finops_statement *statement, int64_t *ret_changed, finops_error **err)
{
    fo_conn *conn;
    finops_code rc = fo_duckdb_begin_call(c, statement->call, &conn, err);

    if (rc != FINOPS_OK)
        return rc;
    if (statement->n_params > 0 || ret_changed)
        rc =
            fo_conn_bind_exec(conn, statement->sql, statement->params, statement->n_params, ret_changed, err);
    else
        rc = fo_conn_exec(conn, statement->sql, err);
    fo_link_end(c->link);
    if (rc == FINOPS_OK)
        conn_note_transaction(c, statement->sql);
    return rc;
}

/* A reader's statement, to its end. */
static finops_code
conn_drain(fo_duckdb_link *c, const finops_statement *statement, finops_error **err)
{
    struct ArrowArrayStream stream = { 0 };
    finops_code rc = fo_link_stream(c->link, statement, &stream, err);
    bool more = rc == FINOPS_OK;

    while (more) {
        struct ArrowArray batch = { 0 };
        int errnum = stream.get_next(&stream, &batch);

        if (errnum)
            rc = fo_stream_error(&stream, errnum, err);
        more = !errnum && batch.release;
        if (batch.release)
            batch.release(&batch);
    }
    if (stream.release)
        stream.release(&stream);
    return rc;
}

finops_code
fo_duckdb_execute(void *conn, const finops_statement *statement, struct ArrowArrayStream *ret_stream,
                  int64_t *ret_changed, finops_error **err)
{
    fo_duckdb_link *c = conn;
    finops_code rc;

    assert(c && statement && statement->sql);
    if (!ret_stream && !c->read_only)
        return conn_change(c, statement, ret_changed, err);
    rc = ret_stream ? fo_link_stream(c->link, statement, ret_stream, err) : conn_drain(c, statement, err);
    if (rc == FINOPS_OK && ret_changed)
        *ret_changed = -1;
    return rc;
}

finops_code
fo_duckdb_begin(void *conn, finops_error **err)
{
    fo_duckdb_link *c = conn;
    finops_code rc;

    if (c->transaction)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "a transaction is open already");
    rc = fo_link_transaction(c->link, "BEGIN", err);
    c->transaction = rc == FINOPS_OK;
    return rc;
}

finops_code
fo_duckdb_commit(void *conn, bool *ret_unknown_outcome, finops_error **err)
{
    fo_duckdb_link *c = conn;

    if (ret_unknown_outcome)
        *ret_unknown_outcome = false;
    if (!c->transaction)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "there is no transaction to commit");
    c->transaction = false; /* one that cannot be committed is rolled back */
    return fo_link_transaction(c->link, "COMMIT", err);
}

bool
fo_duckdb_is_alive(void *conn)
{
    return conn != NULL; /* the database is in this process, and what is not is found when it is asked */
}

void
fo_duckdb_cancel(void *conn)
{
    fo_link_cancel(((fo_duckdb_link *)conn)->link);
}

static finops_code
health_ask(fo_duckdb *database, const finops_call *call, finops_error **err)
{
    finops_statement statement = { .sql = "SELECT 1", .call = call };
    void *conn = NULL;
    finops_code rc = fo_duckdb_connect(database, FINOPS_CONNECT_READ_ONLY, call, &conn, err);

    if (rc == FINOPS_OK)
        rc = fo_duckdb_execute(conn, &statement, NULL, NULL, err);
    fo_duckdb_disconnect(conn);
    return rc;
}

/* Never opens a file that nobody has open: that may take long, and keeps a writer waiting. */
static finops_code
health_look(fo_duckdb *database, const finops_call *call, finops_error **err)
{
    FO_AUTO(fo_freep) char *path = NULL;
    bool closed = false;
    finops_code rc;

    if (database->in_memory)
        return health_ask(database, call, err);
    rc = fo_instance_path(database->settings.database_path, &path, err);
    if (rc == FINOPS_OK)
        rc = fo_instance_probe(path, &closed, err);
    return rc == FINOPS_OK && !closed ? health_ask(database, call, err) : rc;
}

finops_code
fo_duckdb_health(void *self, const finops_call *call, finops_health *ret, finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    fo_duckdb *database = self;
    int64_t begin = fo_clock_monotonic();
    finops_code rc = health_look(database, call, &why);

    if (rc == FINOPS_E_CANCELLED || rc == FINOPS_E_MEMORY || rc == FINOPS_E_CONFIG) {
        if (err)
            *err = FO_TAKE(why);
        return rc;
    }
    *ret = (finops_health){ .state = FINOPS_HEALTH_UP };
    ret->latency_ms = (double)(fo_clock_monotonic() - begin) / 1000;
    (void)snprintf(ret->version, sizeof(ret->version), "%s %s", database->product, duckdb_library_version());
    if (rc != FINOPS_OK) {
        ret->state =
            rc == FINOPS_E_BUSY || rc == FINOPS_E_TIMEOUT ? FINOPS_HEALTH_DEGRADED : FINOPS_HEALTH_DOWN;
        (void)snprintf(ret->detail, sizeof(ret->detail), "%s", finops_error_text(why));
    }
    return FINOPS_OK;
}

const finops_database_driver fo_duckdb_driver = {
    .abi = FINOPS_DATABASE_ABI,
    .size = sizeof(finops_database_driver),
    .name = "duckdb",
    .version = FINOPS_VERSION,
    .summary = "A single file on this machine that needs no server.",
    .options = fo_duckdb_options,
    .config_size = sizeof(fo_duckdb_settings),
    .open = database_open,
    .close = database_close,
    .capabilities = database_capabilities,
    .connect = fo_duckdb_connect,
    .disconnect = fo_duckdb_disconnect,
    .execute = fo_duckdb_execute,
    .write = fo_duckdb_write,
    .columns = fo_duckdb_columns,
    .tables = fo_duckdb_tables,
    .begin = fo_duckdb_begin,
    .commit = fo_duckdb_commit,
    .rollback = fo_duckdb_rollback,
    .is_alive = fo_duckdb_is_alive,
    .cancel = fo_duckdb_cancel,
    .replace_partition = fo_duckdb_replace,
    .health = fo_duckdb_health,
    .lock = fo_duckdb_lock,
    .unlock = fo_duckdb_unlock,
};
