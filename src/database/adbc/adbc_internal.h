/*
 * What the files of the ADBC backend share.
 *
 * library.c loads drivers and tells their errors, call.c ends calls at their deadline, driver.c is
 * connections and transactions, statement.c runs SQL, convert.c changes the types of a stream, print.c writes
 * values as texts, write.c ingests, catalog.c reads what tables there are, sql.c is what the dialects say
 * differently.
 */
#ifndef FO_DATABASE_ADBC_INTERNAL_H
#define FO_DATABASE_ADBC_INTERNAL_H

#include <adbc.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "finops/sys/plugin.h"

/* A configuration. What is below `lock` is filled by the first connection and then only read. */
typedef struct adbc_database {
    char *library, *entrypoint;
    char **options;      /* "key=value", NULL at the end */
    char *ingest_schema; /* the driver's option for the schema of a table to be filled; NULL: it has none */
    finops_dialect dialect;
    bool sqlite; /* of the generic dialect, and with types that are but words */
    pthread_mutex_t lock;
    bool loaded, ready;
    struct AdbcDriver driver;
    struct AdbcDatabase database;
} adbc_database;

/* How a call ends before it is done. `watch` looks after it in a thread of its own: ADBC's calls block. */
typedef struct adbc_call {
    finops_call call; /* a copy: a stream that goes out has it, too */
    atomic_bool stop; /* finops_database_driver.cancel was called */
    _Atomic finops_code ended;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    bool watching, over;
} adbc_call;

typedef struct adbc_conn {
    adbc_database *database;
    struct AdbcConnection connection;
    struct AdbcStatement *running; /* guarded by call.lock: what cancel ends */
    bool read_only, in_transaction;
    bool broken; /* the transaction cannot be committed: part of it failed */
    adbc_call call;
} adbc_conn;

/* ---- library.c ---- */

/* Loads the driver and opens its database, once. */
finops_code fo_adbc_load(adbc_database *d, finops_error **err);
/* Makes an error of what a driver said and releases that. `what` says what was attempted. */
finops_code fo_adbc_fail(AdbcStatusCode status, struct AdbcError *e, const char *what, finops_error **err);
/* The code of a status, with the server's own words where they say more. */
finops_code fo_adbc_code(AdbcStatusCode status, const struct AdbcError *e);

/* ---- call.c ---- */

finops_code fo_adbc_call_init(adbc_conn *c, finops_error **err);
void fo_adbc_call_done(adbc_conn *c);
/* What runs between these two ends at the call's deadline; `begin` alone sets the call of a stream. */
void fo_adbc_call_begin(adbc_conn *c, const finops_call *call);
void fo_adbc_watch_begin(adbc_conn *c, struct AdbcStatement *statement);
void fo_adbc_watch_end(adbc_conn *c);
/* FINOPS_OK, or why the call is over. */
finops_code fo_adbc_call_check(adbc_conn *c);
void fo_adbc_cancel(void *conn);

/* ---- statement.c ---- */

finops_code fo_adbc_execute(void *conn, const finops_statement *statement,
                            struct ArrowArrayStream *ret_stream, int64_t *ret_changed, finops_error **err);
/* A statement of ours, with no call of its own. Parameters are texts. */
finops_code fo_adbc_run(adbc_conn *c, const char *sql, finops_error **err);
finops_code fo_adbc_statement_new(adbc_conn *c, struct AdbcStatement *ret, finops_error **err);
void fo_adbc_statement_free(adbc_conn *c, struct AdbcStatement *statement);
finops_code fo_adbc_fail_call(adbc_conn *c, AdbcStatusCode status, struct AdbcError *e, const char *what,
                              finops_error **err);

/* ---- convert.c ---- */

typedef enum adbc_target {
    ADBC_KEEP = 0,
    ADBC_NUMBERS, /* doubles as they are, and no NaN among them */
    ADBC_TEXT,
    ADBC_JSON, /* a text that says it is JSON */
    ADBC_INT64,
    ADBC_INT32,
    ADBC_INT16,
    ADBC_DOUBLE,
    ADBC_DECIMAL, /* 38 digits, none behind the point */
    ADBC_DATE
} adbc_target;

/* What is known of rows on their way in. */
typedef struct adbc_feed {
    adbc_conn *c;
    int64_t rows;
    finops_code failed; /* why the rows ended early; FINOPS_OK: the driver's doing */
    char error[256];
} adbc_feed;

/*
 * A stream whose columns are those of `from` with other types; takes `from` and `targets` (fo_alloc; NULL:
 * all become texts), also on failure. `feed` (may be NULL) is told about the rows, and ends them with the
 * call.
 */
finops_code fo_adbc_convert(struct ArrowArrayStream *from, adbc_target *targets, adbc_feed *feed,
                            struct ArrowArrayStream *ret, finops_error **err);

/* ---- print.c ---- */

/* The value as text; `json`: as JSON, with quotes where JSON has them. A NULL is "null". */
void fo_adbc_print(fo_str *to, const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t row,
                   bool json);
bool fo_adbc_is_null(const struct ArrowArray *array, int64_t row);
/* Whether values of this type can be printed. */
bool fo_adbc_printable(const struct ArrowSchema *schema);
int64_t fo_adbc_integer(char format, const void *values, int64_t k);

/* ---- write.c ---- */

finops_code fo_adbc_write(void *conn, const finops_write *write, const finops_source *source,
                          finops_write_result *ret, finops_error **err);

/* ---- catalog.c ---- */

/* Rows of texts of a query of ours; `each` returns false to stop. */
typedef bool (*adbc_each_row)(const char *const *cells, void *arg);
finops_code fo_adbc_query(adbc_conn *c, const char *sql, const char *const *params, size_t n_params,
                          adbc_each_row each, void *arg, finops_error **err);
finops_code fo_adbc_columns(void *conn, const char *schema, const char *table, finops_each_column each,
                            void *arg, finops_error **err);
finops_code fo_adbc_health(void *self, const finops_call *call, finops_health *ret, finops_error **err);
finops_code fo_adbc_tables(void *conn, const char *schema, finops_each_name each, void *arg,
                           finops_error **err);

/* ---- sql.c ---- */

/* "a"."b", or "a__b" where there are no schemas. */
void fo_adbc_add_table(fo_str *to, const adbc_database *d, const char *schema, const char *table);
void fo_adbc_add_ident(fo_str *to, const char *name);
/* The type of a column made for Arrow values of this format, as the dialect spells it. */
void fo_adbc_add_type(fo_str *to, const adbc_database *d, const struct ArrowSchema *schema);
/* What a native type holds. */
finops_column_type fo_adbc_type_of(const char *native, int *ret_precision, int *ret_scale);
/*
 * FINOPS_E_USAGE when there is more than one statement, or none, FINOPS_E_ARGUMENT when a parameter has no
 * value; *ret_length: of the statement without what follows it.
 */
finops_code fo_adbc_check_sql(const char *sql, size_t n_params, size_t *ret_length, finops_error **err);

#endif
