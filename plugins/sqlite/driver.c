/*
 * SQLite as a database of finops: connections, statements, transactions, and the struct finops calls.
 *
 * One file is one database; each connection opens it. SQLite has no schemas, so table b of schema a is the
 * table "a__b". It has one writer at a time: a second one waits `busy_timeout`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sqlite.h"

#define BUSY_SLEEP_MS 5
#define PROGRESS_STEPS 5000 /* instructions of SQLite's machine between two looks at the clock */

/* What the option table fills. */
typedef struct sqlite_config {
    char *database_path;
    int64_t busy_timeout;
    char *journal_mode;
} sqlite_config;

/* One configuration, used from many threads: nothing in it changes. */
typedef struct sqlite_database {
    int64_t busy_ms;
    char journal[16];
    char path[];
} sqlite_database;

static const finops_option sqlite_options[] = {
    { "database_path", FINOPS_OPT_STRING, offsetof(sqlite_config, database_path),
      .flags = FINOPS_OPT_REQUIRED, .arg = "FILE",
      .help = "File of the SQLite database; it is made when it is not there." },
    { "busy_timeout", FINOPS_OPT_INT, offsetof(sqlite_config, busy_timeout), .value = "10", .min = 0,
      .max = 86400, .arg = "SECONDS", .help = "Seconds to wait while another connection writes." },
    { "journal_mode", FINOPS_OPT_ENUM, offsetof(sqlite_config, journal_mode), .value = "wal",
      .allow = "wal delete truncate persist",
      .help = "How SQLite undoes what was not committed; with wal, readers and the writer do not wait for "
              "each other." },
    { 0 },
};

/* ---- the database: a configuration, nothing is opened yet ---- */

static finops_code
sqlite_open(const void *config, void **ret_self, finops_error **err)
{
    const sqlite_config *o = config;
    size_t size = strlen(o->database_path) + 1;
    sqlite_database *d;

    if (o->database_path[0] == '\0' || o->database_path[0] == ':')
        return finops_error_new(err, FINOPS_E_CONFIG,
                                "database_path '%s' is not a file, which connections can share",
                                o->database_path);
    d = malloc(sizeof(*d) + size);
    if (!d)
        return sqlite_no_memory(err);
    d->busy_ms = o->busy_timeout * 1000;
    sqlite3_snprintf(sizeof(d->journal), d->journal, "%s", o->journal_mode);
    memcpy(d->path, o->database_path, size);
    *ret_self = d;
    return FINOPS_OK;
}

static void
sqlite_capabilities(void *self, finops_capabilities *ret)
{
    (void)self;
    *ret =
        (finops_capabilities){ .features = FINOPS_DATABASE_TRANSACTIONS | FINOPS_DATABASE_DDL_IN_TRANSACTION,
                               .dialect = FINOPS_DIALECT_GENERIC,
                               .max_precision = 38,
                               .max_parameters = 32766,
                               .quote = '"' };
}

/* ---- calls: how they end before they are done, and what SQLite's codes mean ---- */

int64_t
sqlite_now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

void
sqlite_call_begin(sqlite_conn *c, const finops_call *call)
{
    c->call = call ? *call : (finops_call){ 0 };
    c->ended = FINOPS_OK;
    atomic_store(&c->stop, false);
}

bool
sqlite_goes_on(sqlite_conn *c)
{
    if (atomic_load(&c->stop) || (c->call.cancelled && c->call.cancelled(c->call.arg)))
        c->ended = FINOPS_E_CANCELLED;
    else if (c->call.deadline_us && sqlite_now_us() > c->call.deadline_us)
        c->ended = FINOPS_E_TIMEOUT;
    return c->ended == FINOPS_OK;
}

/* SQLite calls this while a statement runs; not 0 ends it. */
static int
on_progress(void *conn)
{
    return !sqlite_goes_on(conn);
}

/* And this when another connection writes; 0 gives up. */
static int
on_busy(void *conn, int times)
{
    sqlite_conn *c = conn;

    if ((int64_t)times * BUSY_SLEEP_MS >= c->busy_ms || !sqlite_goes_on(c))
        return 0;
    usleep(BUSY_SLEEP_MS * 1000);
    return 1;
}

static void
sqlite_cancel(void *conn)
{
    sqlite_conn *c = conn;

    atomic_store(&c->stop, true);
    sqlite3_interrupt(c->db);
}

/* SQLite has one code for everything that is wrong with a statement; the rest is in its text. */
static finops_code
code_of(int native, const char *text)
{
    static const unsigned char codes[] = {
        [SQLITE_BUSY] = FINOPS_E_BUSY,
        [SQLITE_LOCKED] = FINOPS_E_BUSY,
        [SQLITE_INTERRUPT] = FINOPS_E_CANCELLED,
        [SQLITE_NOMEM] = FINOPS_E_MEMORY,
        [SQLITE_FULL] = FINOPS_E_IO,
        [SQLITE_IOERR] = FINOPS_E_IO,
        [SQLITE_CANTOPEN] = FINOPS_E_NOT_FOUND,
        [SQLITE_READONLY] = FINOPS_E_DENIED,
        [SQLITE_PERM] = FINOPS_E_DENIED,
        [SQLITE_AUTH] = FINOPS_E_DENIED,
        [SQLITE_CORRUPT] = FINOPS_E_CORRUPT,
        [SQLITE_NOTADB] = FINOPS_E_CORRUPT,
        [SQLITE_CONSTRAINT] = FINOPS_E_DATA,
        [SQLITE_MISMATCH] = FINOPS_E_DATA,
        [SQLITE_TOOBIG] = FINOPS_E_DATA,
    };
    size_t primary = native & 0xff;

    if (primary < sizeof(codes) && codes[primary])
        return codes[primary];
    if (strncmp(text, "no such table", 13) == 0)
        return FINOPS_E_NOT_FOUND;
    return strstr(text, " already exists") ? FINOPS_E_EXISTS : FINOPS_E_DATABASE;
}

finops_code
sqlite_fail(sqlite_conn *c, const char *what, finops_error **err)
{
    const char *text = sqlite3_errmsg(c->db);

    if (c->ended != FINOPS_OK)
        return finops_error_new(err, c->ended, "%s: %s", what,
                                c->ended == FINOPS_E_TIMEOUT ? "the deadline passed" : "cancelled");
    return finops_error_new(err, code_of(sqlite3_extended_errcode(c->db), text), "%s: %s", what, text);
}

finops_code
sqlite_no_memory(finops_error **err)
{
    return finops_error_new(err, FINOPS_E_MEMORY, "out of memory");
}

finops_code
sqlite_run(sqlite_conn *c, finops_error **err, const char *format, ...)
{
    va_list args;
    char *sql;
    int rc;

    va_start(args, format);
    sql = sqlite3_vmprintf(format, args);
    va_end(args);
    if (!sql)
        return sqlite_no_memory(err);
    rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);
    sqlite3_free(sql);
    return rc == SQLITE_OK ? FINOPS_OK : sqlite_fail(c, "sqlite", err);
}

/* ---- connections ---- */

static void
sqlite_disconnect(void *conn)
{
    sqlite_conn *c = conn;

    if (c)
        sqlite3_close_v2(c->db);
    free(c);
}

static finops_code
conn_setup(sqlite_conn *c, const sqlite_database *d, const finops_call *call, finops_error **err)
{
    c->busy_ms = d->busy_ms;
    sqlite3_busy_handler(c->db, on_busy, c);
    sqlite3_progress_handler(c->db, PROGRESS_STEPS, on_progress, c);
    sqlite3_limit(c->db, SQLITE_LIMIT_ATTACHED, 0); /* a statement reaches this file and no other */
    sqlite_call_begin(c, call);
    if (c->read_only) /* reads the file: opening it does not */
        return sqlite_run(c, err, "SELECT count(*) FROM sqlite_master");
    return sqlite_run(c, err, "PRAGMA journal_mode = %s", d->journal);
}

static finops_code
sqlite_connect(void *self, unsigned flags, const finops_call *call, void **ret_conn, finops_error **err)
{
    const sqlite_database *d = self;
    sqlite_conn *c = calloc(1, sizeof(*c));
    int how;
    finops_code rc;

    if (!c)
        return sqlite_no_memory(err);
    c->read_only = flags & FINOPS_CONNECT_READ_ONLY;
    how = c->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    /* One thread at a time: no mutex, so that values of a row may be used in place. */
    if (sqlite3_open_v2(d->path, &c->db, how | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        rc = sqlite_fail(c, d->path, err);
    else
        rc = conn_setup(c, d, call, err);
    if (rc == FINOPS_OK)
        *ret_conn = c;
    else
        sqlite_disconnect(c);
    return rc;
}

/* ---- statements ---- */

/* Exactly one statement: text behind it is somebody's mistake, or attack. $1 is a name for SQLite, and its
 * number the order of appearance. */
static finops_code
prepare(sqlite_conn *c, const finops_statement *s, sqlite3_stmt *q, const char *tail, finops_error **err)
{
    sqlite3_stmt *more = NULL;
    bool alone = sqlite3_prepare_v2(c->db, tail, -1, &more, NULL) == SQLITE_OK && !more;

    sqlite3_finalize(more);
    if (!alone)
        return finops_error_new(err, FINOPS_E_USAGE, "more than one statement at once");
    if (c->read_only && !sqlite3_stmt_readonly(q))
        return finops_error_new(err, FINOPS_E_USAGE, "the statement writes, and the connection only reads");
    for (int i = 1; i <= sqlite3_bind_parameter_count(q); i++) {
        const char *name = sqlite3_bind_parameter_name(q, i);
        size_t k = 0;
        if (!name || sscanf(name, "$%4zu", &k) != 1 || k < 1 || k > s->n_params)
            return finops_error_new(err, FINOPS_E_ARGUMENT, "there is no value for parameter %s",
                                    name ? name : "?");
        if (sqlite3_bind_text(q, i, s->params[k - 1], -1, SQLITE_TRANSIENT) != SQLITE_OK)
            return sqlite_fail(c, name, err);
    }
    return FINOPS_OK;
}

/* Runs to the end; finalising tells how it ended. */
static finops_code
run_to_end(sqlite_conn *c, sqlite3_stmt *q, finops_error **err)
{
    while (sqlite3_step(q) == SQLITE_ROW)
        continue; /* rows are not wanted */
    return sqlite3_finalize(q) == SQLITE_OK ? FINOPS_OK : sqlite_fail(c, "sqlite", err);
}

static finops_code
sqlite_execute(void *conn, const finops_statement *statement, struct ArrowArrayStream *ret_stream,
               int64_t *ret_changed, finops_error **err)
{
    sqlite_conn *c = conn;
    sqlite3_stmt *q = NULL;
    int64_t before = sqlite3_total_changes64(c->db);
    const char *tail = "";
    finops_code rc;
    bool reads;

    sqlite_call_begin(c, statement->call);
    if (sqlite3_prepare_v2(c->db, statement->sql, -1, &q, &tail) != SQLITE_OK)
        return sqlite_fail(c, "sqlite", err);
    if (!q)
        return finops_error_new(err, FINOPS_E_USAGE, "the statement is empty");
    rc = prepare(c, statement, q, tail, err);
    if (rc != FINOPS_OK) {
        sqlite3_finalize(q);
        return rc;
    }
    reads = sqlite3_stmt_readonly(q);
    rc = ret_stream ? sqlite_rows_open(c, q, statement->as_text, ret_stream, err) : run_to_end(c, q, err);
    if (rc == FINOPS_OK && ret_changed)
        *ret_changed = reads ? -1 : sqlite3_total_changes64(c->db) - before;
    return rc;
}

/* ---- transactions ---- */

static finops_code
sqlite_begin(void *conn, finops_error **err)
{
    sqlite_conn *c = conn;

    sqlite_call_begin(c, NULL);
    /* IMMEDIATE: to become a writer later fails when another wrote meanwhile. */
    return sqlite_run(c, err, c->read_only ? "BEGIN" : "BEGIN IMMEDIATE");
}

/* The file is here: what failed did not happen, and no outcome is unknown. */
static finops_code
sqlite_commit(void *conn, bool *ret_unknown_outcome, finops_error **err)
{
    (void)ret_unknown_outcome;
    sqlite_call_begin(conn, NULL);
    return sqlite_run(conn, err, "COMMIT");
}

static finops_code
sqlite_rollback(void *conn, finops_error **err)
{
    sqlite_conn *c = conn;

    sqlite_call_begin(c, NULL);
    if (sqlite3_get_autocommit(c->db)) /* a full disk did it */
        return FINOPS_OK;
    return sqlite_run(c, err, "ROLLBACK");
}

/* ---- what is there ---- */

char *
sqlite_table_name(const char *schema, const char *table)
{
    return sqlite3_mprintf("%s%s%s", schema ? schema : "", schema && schema[0] ? "__" : "", table);
}

finops_code
sqlite_columns(sqlite_conn *c, const char *schema, const char *table, finops_each_column each, void *arg,
               finops_error **err)
{
    static const char sql[] = "SELECT name, type, \"notnull\" FROM pragma_table_info($1)";
    char *name = sqlite_table_name(schema, table);
    sqlite3_stmt *q = NULL;
    bool more = name != NULL, ok = sqlite3_prepare_v2(c->db, sql, -1, &q, NULL) == SQLITE_OK;

    sqlite3_bind_text(q, 1, name, -1, sqlite3_free);
    while (ok && more && sqlite3_step(q) == SQLITE_ROW) {
        finops_column column = { .name = (const char *)sqlite3_column_text(q, 0),
                                 .native = (const char *)sqlite3_column_text(q, 1),
                                 .nullable = !sqlite3_column_int(q, 2) };
        int digits[2] = { 0 };
        column.type = sqlite_type(column.native, digits);
        column.precision = digits[0];
        column.scale = digits[1];
        more = each(&column, arg);
    }
    ok = sqlite3_finalize(q) == SQLITE_OK && ok;
    return !name ? sqlite_no_memory(err) : ok ? FINOPS_OK : sqlite_fail(c, "list columns", err);
}

static finops_code
columns_of(void *conn, const char *schema, const char *table, finops_each_column each, void *arg,
           finops_error **err)
{
    sqlite_call_begin(conn, NULL);
    return sqlite_columns(conn, schema, table, each, arg, err);
}

static finops_code
sqlite_tables(void *conn, const char *schema, finops_each_name each, void *arg, finops_error **err)
{
    /* "a__b" is b of schema a; a name without is of schema "". */
    static const char sql[] =
        "SELECT CASE WHEN at > 1 THEN substr(name, 1, at - 1) ELSE '' END AS s,"
        " CASE WHEN at > 1 THEN substr(name, at + 2) ELSE name END AS n, type = 'view'"
        " FROM (SELECT name, type, CASE WHEN $1 IS NULL THEN instr(name, '__')"
        "         WHEN substr(name, 1, length($1) + 2) = $1 || '__' THEN length($1) + 1 END AS at"
        "       FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE "
        "'\\')"
        " WHERE at IS NOT NULL ORDER BY s, n";
    sqlite_conn *c = conn;
    sqlite3_stmt *q = NULL;
    bool more = true;

    sqlite_call_begin(c, NULL);
    if (sqlite3_prepare_v2(c->db, sql, -1, &q, NULL) != SQLITE_OK)
        return sqlite_fail(c, "list tables", err);
    sqlite3_bind_text(q, 1, schema, -1, SQLITE_STATIC);
    while (more && sqlite3_step(q) == SQLITE_ROW)
        more = each((const char *)sqlite3_column_text(q, 0), (const char *)sqlite3_column_text(q, 1),
                    sqlite3_column_int(q, 2) != 0, arg);
    return sqlite3_finalize(q) == SQLITE_OK ? FINOPS_OK : sqlite_fail(c, "list tables", err);
}

static finops_code
sqlite_health(void *self, const finops_call *call, finops_health *ret, finops_error **err)
{
    finops_health h = { .state = FINOPS_HEALTH_UP };
    int64_t began = sqlite_now_us();
    void *conn = NULL;
    finops_code rc = sqlite_connect(self, 0, call, &conn, err);

    sqlite_disconnect(conn);
    if (rc != FINOPS_OK)
        return rc;
    h.latency_ms = (double)(sqlite_now_us() - began) / 1000;
    sqlite3_snprintf(sizeof(h.version), h.version, "SQLite %s", sqlite3_libversion());
    *ret = h;
    return FINOPS_OK;
}

/* What is left out the front door does: is_alive is SELECT 1, replace_partition DELETE and write. */
static const finops_database_driver sqlite_driver = {
    .abi = FINOPS_DATABASE_ABI,
    .size = sizeof(finops_database_driver),
    .name = "sqlite",
    .version = "1.0.0",
    .summary = "SQLite: one file, one writer at a time, decimals and times kept as text.",
    .options = sqlite_options,
    .config_size = sizeof(sqlite_config),
    .open = sqlite_open,
    .close = free,
    .capabilities = sqlite_capabilities,
    .connect = sqlite_connect,
    .disconnect = sqlite_disconnect,
    .execute = sqlite_execute,
    .write = sqlite_write,
    .columns = columns_of,
    .tables = sqlite_tables,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .cancel = sqlite_cancel,
    .health = sqlite_health,
};

FINOPS_PLUGIN_EXPORT const finops_plugin_info *finops_plugin(uint32_t host_abi);

const finops_plugin_info *
finops_plugin(uint32_t host_abi)
{
    static const finops_database_driver *const databases[] = { &sqlite_driver, NULL };
    static const finops_plugin_info info = { .abi = FINOPS_PLUGIN_ABI,
                                             .size = sizeof(finops_plugin_info),
                                             .name = "sqlite",
                                             .version = "1.0.0",
                                             .databases = databases };

    return host_abi >> 16 == FINOPS_PLUGIN_ABI >> 16 ? &info : NULL;
}
