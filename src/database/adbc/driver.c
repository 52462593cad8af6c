/*
 * The ADBC backend: connections and transactions through a driver of the operator's choice.
 *
 * ADBC tells little of what a database is like; its SQL is that of `dialect`, which is guessed from the
 * driver's name when the configuration does not say.
 */
#include "database/adbc/driver.h"

#include <string.h>
#include <strings.h>

#include "config/settings.h"
#include "database/adbc/adbc_internal.h"

/* ---- a configuration ---- */

static void
adbc_close(void *self)
{
    adbc_database *d = self;
    struct AdbcError e = ADBC_ERROR_INIT;

    if (!d)
        return;
    if (d->ready)
        d->driver.DatabaseRelease(&d->database, &e);
    if (e.release)
        e.release(&e);
    pthread_mutex_destroy(&d->lock);
    fo_free(d->library);
    fo_free(d->entrypoint);
    fo_free(d->ingest_schema);
    for (char **o = d->options; o && *o; o++)
        fo_free(*o);
    fo_free(d->options);
    fo_free(d);
}

static finops_dialect
dialect_of(const fo_adbc_settings *o)
{
    const char *word = o->dialect                ? o->dialect
                       : strrchr(o->driver, '/') ? strrchr(o->driver, '/')
                                                 : o->driver;

    if (strcasestr(word, "postgres"))
        return FINOPS_DIALECT_POSTGRESQL;
    return strcasestr(word, "duckdb") ? FINOPS_DIALECT_DUCKDB : FINOPS_DIALECT_GENERIC;
}

/* "SQLite" in the driver's name, and nothing against it in the configuration. */
static bool
is_sqlite(const fo_adbc_settings *o)
{
    const char *base = strrchr(o->driver, '/');

    return dialect_of(o) == FINOPS_DIALECT_GENERIC && strcasestr(base ? base : o->driver, "sqlite") != NULL;
}

static finops_code
copy_options(adbc_database *d, char **options, finops_error **err)
{
    size_t n = 0;

    while (options && options[n])
        n++;
    d->options = fo_zalloc((n + 1) * sizeof(*d->options));
    for (size_t i = 0; d->options && i < n; i++) {
        const char *equals = strchr(options[i], '=');
        if (!equals || equals == options[i])
            return fo_error_set(err, FINOPS_E_CONFIG, "an entry of database.adbc.options is not key=value");
        d->options[i] = fo_strdup(options[i]);
        if (!d->options[i])
            return fo_error_oom(err);
    }
    return d->options ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
adbc_open(const void *config, void **ret_self, finops_error **err)
{
    const fo_adbc_settings *o = config;
    const char *schema_option;
    adbc_database *d;
    finops_code rc;

    if (!o->driver || !o->driver[0])
        return fo_error_set(err, FINOPS_E_CONFIG, "database.adbc.driver is not set");
    d = fo_zalloc(sizeof(*d));
    if (!d)
        return fo_error_oom(err);
    pthread_mutex_init(&d->lock, NULL);
    d->dialect = dialect_of(o);
    d->sqlite = is_sqlite(o);
    schema_option = o->ingest_schema                       ? o->ingest_schema
                    : d->dialect == FINOPS_DIALECT_GENERIC ? ""
                                                           : "adbc.ingest.target_db_schema";
    d->library = fo_strdup(o->driver);
    d->entrypoint = o->entrypoint ? fo_strdup(o->entrypoint) : NULL;
    d->ingest_schema = schema_option[0] ? fo_strdup(schema_option) : NULL;
    rc = !d->library || (o->entrypoint && !d->entrypoint) || (schema_option[0] && !d->ingest_schema)
             ? fo_error_oom(err)
             : copy_options(d, o->options, err);
    if (rc != FINOPS_OK) {
        adbc_close(d);
        return rc;
    }
    *ret_self = d;
    return FINOPS_OK;
}

static void
adbc_capabilities(void *self, finops_capabilities *ret)
{
    const adbc_database *d = self;
    finops_capabilities caps = { .features =
                                     FINOPS_DATABASE_TRANSACTIONS | FINOPS_DATABASE_DDL_IN_TRANSACTION,
                                 .dialect = d->dialect,
                                 .max_precision = 38,
                                 .max_parameters = 32766,
                                 .quote = '"' };

    if (d->ingest_schema)
        caps.features |= FINOPS_DATABASE_SCHEMAS;
    if (d->dialect != FINOPS_DIALECT_GENERIC)
        caps.features |= FINOPS_DATABASE_EXACT_DECIMALS;
    if (d->dialect == FINOPS_DIALECT_POSTGRESQL) {
        caps.features |=
            FINOPS_DATABASE_CONCURRENT_WRITERS | FINOPS_DATABASE_VIEWS_PIN_TABLES | FINOPS_DATABASE_SERVER;
        caps.max_identifier = 63;
        /* Its driver reads through COPY, whose snapshot is older than its locks: who waited for a table that
         * was dropped and made again finds it empty. Without the claim nobody does that to a table. */
        caps.features &= ~(uint64_t)FINOPS_DATABASE_DDL_IN_TRANSACTION;
    }
    *ret = caps;
}

/* ---- connections ---- */

static void
adbc_disconnect(void *conn)
{
    adbc_conn *c = conn;
    struct AdbcError e = ADBC_ERROR_INIT;

    if (!c)
        return;
    if (c->in_transaction && c->database->driver.ConnectionRollback)
        c->database->driver.ConnectionRollback(&c->connection, &e);
    if (e.release)
        e.release(&e);
    e = ADBC_ERROR_INIT;
    if (c->connection.private_data)
        c->database->driver.ConnectionRelease(&c->connection, &e);
    if (e.release)
        e.release(&e);
    fo_adbc_call_done(c);
    fo_free(c);
}

/* Not every driver knows the option; the database is told in its own words, too. */
static finops_code
make_read_only(adbc_conn *c, finops_error **err)
{
    struct AdbcError e = ADBC_ERROR_INIT;
    AdbcStatusCode status =
        c->database->driver.ConnectionSetOption(&c->connection, ADBC_CONNECTION_OPTION_READ_ONLY, "true", &e);

    if (e.release)
        e.release(&e);
    if (c->database->dialect == FINOPS_DIALECT_POSTGRESQL)
        return fo_adbc_run(c, "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", err);
    if (c->database->sqlite)
        return fo_adbc_run(c, "PRAGMA query_only = 1", err);
    if (status == ADBC_STATUS_OK)
        return FINOPS_OK;
    return fo_error_set(err, FINOPS_E_UNSUPPORTED, "the adbc driver has no read-only connections");
}

static finops_code
conn_open(adbc_conn *c, finops_error **err)
{
    const struct AdbcDriver *v = &c->database->driver;
    struct AdbcError e = ADBC_ERROR_INIT;
    AdbcStatusCode status = v->ConnectionNew(&c->connection, &e);

    c->connection.private_driver = &c->database->driver;
    if (status == ADBC_STATUS_OK)
        status = v->ConnectionInit(&c->connection, &c->database->database, &e);
    if (status != ADBC_STATUS_OK)
        return fo_adbc_fail(status, &e, "connect", err);
    if (c->database->sqlite) { /* two connections wait for one another */
        finops_code rc = fo_adbc_run(c, "PRAGMA busy_timeout = 10000", err);
        if (rc != FINOPS_OK)
            return rc;
    }
    return c->read_only ? make_read_only(c, err) : FINOPS_OK;
}

static finops_code
adbc_connect(void *self, unsigned flags, const finops_call *call, void **ret_conn, finops_error **err)
{
    adbc_database *d = self;
    adbc_conn *c;
    finops_code rc = fo_adbc_load(d, err);

    if (rc != FINOPS_OK)
        return rc;
    c = fo_zalloc(sizeof(*c));
    if (!c)
        return fo_error_oom(err);
    c->database = d;
    c->read_only = flags & FINOPS_CONNECT_READ_ONLY;
    c->call.over = true;
    rc = fo_adbc_call_init(c, err);
    if (rc != FINOPS_OK) {
        fo_free(c);
        return rc;
    }
    fo_adbc_call_begin(c, call);
    rc = fo_adbc_call_check(c);
    rc = rc == FINOPS_OK ? conn_open(c, err) : fo_error_set(err, rc, "connect: the call is over");
    if (rc != FINOPS_OK) {
        adbc_disconnect(c);
        return rc;
    }
    *ret_conn = c;
    return FINOPS_OK;
}

/* ---- transactions: ADBC has one open all the time, unless each statement is its own ---- */

/* SQLite's begins by reading, and cannot become a writer when another did meanwhile. Its driver does not mind
 * that it is begun in SQL. */
static finops_code
sqlite_run(adbc_conn *c, const char *sql, bool open, finops_error **err)
{
    finops_code rc = fo_adbc_run(c, sql, err);

    if (rc == FINOPS_OK) {
        c->in_transaction = open;
        c->broken = false;
    }
    return rc;
}

static finops_code
set_autocommit(adbc_conn *c, bool on, finops_error **err)
{
    struct AdbcError e = ADBC_ERROR_INIT;
    AdbcStatusCode status = c->database->driver.ConnectionSetOption(
        &c->connection, ADBC_CONNECTION_OPTION_AUTOCOMMIT,
        on ? ADBC_OPTION_VALUE_ENABLED : ADBC_OPTION_VALUE_DISABLED, &e);

    if (status != ADBC_STATUS_OK)
        return fo_adbc_fail(status, &e, on ? "end the transaction" : "begin", err);
    c->in_transaction = !on;
    c->broken = false;
    return FINOPS_OK;
}

static finops_code
adbc_begin(void *conn, finops_error **err)
{
    adbc_conn *c = conn;

    if (c->in_transaction)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "a transaction is open already");
    fo_adbc_call_begin(c, NULL);
    if (c->database->sqlite)
        return sqlite_run(c, c->read_only ? "BEGIN" : "BEGIN IMMEDIATE", true, err);
    return set_autocommit(c, false, err);
}

static finops_code
adbc_rollback(void *conn, finops_error **err)
{
    adbc_conn *c = conn;
    struct AdbcError e = ADBC_ERROR_INIT;
    AdbcStatusCode status;

    if (!c->in_transaction)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "no transaction is open");
    fo_adbc_call_begin(c, NULL);
    if (c->database->sqlite)
        return sqlite_run(c, "ROLLBACK", false, err);
    status = c->database->driver.ConnectionRollback(&c->connection, &e);
    if (status != ADBC_STATUS_OK)
        return fo_adbc_fail(status, &e, "roll back", err);
    return set_autocommit(c, true, err);
}

/* Only the server's own word is believed: the connection may have been lost on the way there or on the way
 * back, and what a driver does behind a COMMIT that came through may fail, too. */
static bool
commit_refused(const struct AdbcError *e)
{
    char state[sizeof(e->sqlstate) + 1] = "";

    memcpy(state, e->sqlstate, sizeof(e->sqlstate));
    return state[0] && !fo_starts(state, "08") && !fo_starts(state, "57") && !fo_starts(state, "40003");
}

/* Two steps for ADBC: the commit, and no transaction after it. */
static finops_code
commit_server(adbc_conn *c, bool *ret_unknown_outcome, finops_error **err)
{
    struct AdbcError e = ADBC_ERROR_INIT;
    AdbcStatusCode status = c->database->driver.ConnectionCommit(&c->connection, &e);
    bool refused = status != ADBC_STATUS_OK && commit_refused(&e);
    finops_code rc =
        status == ADBC_STATUS_OK ? set_autocommit(c, true, err) : fo_adbc_fail(status, &e, "commit", err);

    if (rc == FINOPS_OK || refused)
        return rc;
    if (ret_unknown_outcome)
        *ret_unknown_outcome = true;
    return fo_error_wrap(err, FINOPS_E_TRANSIENT, "the connection failed");
}

static finops_code
adbc_commit(void *conn, bool *ret_unknown_outcome, finops_error **err)
{
    adbc_conn *c = conn;

    if (!c->in_transaction)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "no transaction is open");
    if (c->broken) {
        (void)!adbc_rollback(conn, NULL);
        return fo_error_set(err, FINOPS_E_DATABASE, "commit: a statement of the transaction had failed");
    }
    fo_adbc_call_begin(c, NULL);
    if (c->database->sqlite)
        return sqlite_run(c, "COMMIT", false, err);
    return commit_server(c, ret_unknown_outcome, err);
}

const finops_database_driver fo_adbc_driver = {
    .abi = FINOPS_DATABASE_ABI,
    .size = sizeof(finops_database_driver),
    .name = "adbc",
    .version = FINOPS_VERSION,
    .summary = "Any database with an ADBC driver, a shared library.",
    .options = fo_adbc_options,
    .config_size = sizeof(fo_adbc_settings),
    .open = adbc_open,
    .close = adbc_close,
    .capabilities = adbc_capabilities,
    .connect = adbc_connect,
    .disconnect = adbc_disconnect,
    .execute = fo_adbc_execute,
    .write = fo_adbc_write,
    .columns = fo_adbc_columns,
    .tables = fo_adbc_tables,
    .begin = adbc_begin,
    .commit = adbc_commit,
    .rollback = adbc_rollback,
    .cancel = fo_adbc_cancel,
    .health = fo_adbc_health,
};
