/*
 * SQLite as a database of finops: what the files of this plugin share.
 *
 * driver.c  connections, statements, transactions, and the struct finops calls
 * rows.c    results out: an Arrow stream over a statement
 * load.c    rows in: an Arrow stream into a table
 * types.c   which SQL type holds which Arrow type, and the texts of what SQLite has no type for
 */
#ifndef SQLITE_PLUGIN_H
#define SQLITE_PLUGIN_H

#include <sqlite3.h>
#include <stdatomic.h>

#include <finops/sys/plugin.h>

/* One connection; one thread at a time, but `stop`. */
typedef struct sqlite_conn {
    sqlite3 *db;
    bool read_only;
    int64_t busy_ms;
    finops_call call;  /* of the call that runs: a copy, so that a stream has it, too */
    atomic_bool stop;  /* set by another thread */
    finops_code ended; /* why a handler ended the call; FINOPS_OK: none did */
} sqlite_conn;

/* driver.c */

/* What SQLite said last, as an error: "what: message". Returns its code. */
finops_code sqlite_fail(sqlite_conn *c, const char *what, finops_error **err);
finops_code sqlite_no_memory(finops_error **err);
int64_t sqlite_now_us(void);
/* A call begins: it can be ended from now on. NULL: by nobody. */
void sqlite_call_begin(sqlite_conn *c, const finops_call *call);
/* Whether the call is to go on; c->ended says why not. */
bool sqlite_goes_on(sqlite_conn *c);
/* Statements without parameters and results. `format` is one of sqlite3_mprintf, with %w for identifiers. */
finops_code sqlite_run(sqlite_conn *c, finops_error **err, const char *format, ...);
/* "schema__table", to be freed with sqlite3_free(); NULL without memory. */
char *sqlite_table_name(const char *schema, const char *table);
/* Within a call. */
finops_code sqlite_columns(sqlite_conn *c, const char *schema, const char *table, finops_each_column each,
                           void *arg, finops_error **err);

/* rows.c: the rows of a statement, which the stream finalises. Takes q also on failure. */
finops_code sqlite_rows_open(sqlite_conn *c, sqlite3_stmt *q, bool as_text, struct ArrowArrayStream *ret,
                             finops_error **err);

/* load.c */
finops_code sqlite_write(void *conn, const finops_write *write, const finops_source *source,
                         finops_write_result *ret, finops_error **err);

/* types.c */

/* What a column declared as this holds; precision and scale of a decimal. */
finops_column_type sqlite_type(const char *declared, int ret_digits[2]);
/* The declaration of a column for Arrow values of this format, NULL when there is none. `buf` may be used. */
const char *sqlite_declare(const struct ArrowSchema *schema, char *buf, int size);
/* Binds the value of a row; `as_text`: as a text, whatever it is. Returns SQLite's code. */
int sqlite_bind(sqlite3_stmt *q, int at, const struct ArrowSchema *schema, const struct ArrowArray *array,
                int64_t row, bool as_text);
/* An ISO date, or timestamp, as microseconds since 1970. False when it is none. */
bool sqlite_parse_time(const char *text, bool date, int64_t *ret_us);

#endif
