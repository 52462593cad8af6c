/*
 * The embedded DuckDB: one fo_engine is one open database (file or memory), one fo_conn a connection to it.
 *
 * An engine may be used from many threads, a connection from one at a time. Extensions load lazily, from the
 * folder beside the program, with signature checks on and downloads off.
 */
#ifndef FO_ENGINE_ENGINE_H
#define FO_ENGINE_ENGINE_H

#include <duckdb.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/str.h"
#include "finops/arrow.h"

struct finops_call; /* finops/sys/database_driver.h */

typedef struct fo_engine fo_engine;
typedef struct fo_conn fo_conn;

typedef struct fo_engine_options {
    const char *path; /* NULL: in memory */
    bool read_only;
    uint64_t memory_limit;        /* bytes, 0: the engine's own default */
    unsigned threads;             /* 0: as many as cores */
    const char *temp_directory;   /* NULL: the engine's own default */
    const char *secret_directory; /* where secrets that were kept would be; NULL: none are looked for */
} fo_engine_options;

/* FINOPS_E_BUSY when another process holds the file (the hint names its process id when known). */
finops_code fo_engine_open(const fo_engine_options *options, fo_engine **ret, finops_error **err);
/* Its connections are closed before. */
void fo_engine_close(fo_engine *engine);
void fo_engine_closep(fo_engine **engine);
/* Loads an extension that ships with the program once; FINOPS_E_NOT_FOUND says where it was looked for. */
finops_code fo_engine_load_extension(fo_engine *engine, const char *name, finops_error **err);
/*
 * Folder of the extensions: $FINOPS_EXTENSION_DIR, else beside the program (build/extensions or
 * ../lib/finops/extensions).
 */
finops_code fo_engine_extension_dir(fo_str *ret, finops_error **err);
/* Connections that are opened from here on begin in this attached database. Not while others open some. */
finops_code fo_engine_set_home(fo_engine *engine, const char *database, finops_error **err);

finops_code fo_conn_open(fo_engine *engine, fo_conn **ret, finops_error **err);
void fo_conn_close(fo_conn *conn);
void fo_conn_closep(fo_conn **conn);
/*
 * While set, a requested cancel interrupts the running statement within 100 ms; it, and every later one but
 * ROLLBACK, then fails with FINOPS_E_CANCELLED. `cancel` must outlive the connection, or be set to NULL
 * again.
 */
void fo_conn_set_cancel(fo_conn *conn, const fo_cancel *cancel);
/*
 * The same for a call with a deadline: FINOPS_E_TIMEOUT past it. From here on its `cancelled` and `progress`
 * are called, by a thread of the connection, while a statement runs or a stream is open; neither may use the
 * connection but to cancel. Copied; NULL: no call.
 */
void fo_conn_set_call(fo_conn *conn, const struct finops_call *call);
/* Ends the statement that runs, if one does, with FINOPS_E_CANCELLED. Any thread. */
void fo_conn_cancel(fo_conn *conn);
/* 0..1 of the running statement, negative when unknown. Any thread. */
double fo_conn_progress(fo_conn *conn);
/* Progress is unknown until this was called; it makes small statements slower. */
finops_code fo_conn_measure_progress(fo_conn *conn, finops_error **err);
duckdb_connection fo_conn_native(fo_conn *conn);
fo_engine *fo_conn_engine(const fo_conn *conn);

/*
 * A bound parameter: text, or NULL for SQL NULL. Statements cast where they need another type
 * ($1::TIMESTAMP).
 */
typedef const char *fo_param;

/* Runs one or more statements without parameters, discarding rows. */
finops_code fo_conn_exec(fo_conn *conn, const char *sql, finops_error **err);
/* Runs one statement with parameters; *ret_changed (may be NULL) gets the rows changed. */
finops_code fo_conn_bind_exec(fo_conn *conn, const char *sql, const fo_param *params, size_t n,
                              int64_t *ret_changed, finops_error **err);

/*
 * Small results as text: every column is cast to VARCHAR; NULL cells are NULL pointers. Of statements that
 * are no SELECT (INSERT … RETURNING, EXPLAIN) only text and whole numbers.
 */
typedef struct fo_rows fo_rows;
finops_code fo_conn_rows(fo_conn *conn, const char *sql, const fo_param *params, size_t n, fo_rows **ret,
                         finops_error **err);
size_t fo_rows_count(const fo_rows *rows);
size_t fo_rows_columns(const fo_rows *rows);
const char *fo_rows_name(const fo_rows *rows, size_t column);
const char *fo_rows_text(const fo_rows *rows, size_t row, size_t column); /* borrowed */
int64_t fo_rows_int(const fo_rows *rows, size_t row, size_t column);      /* 0 for NULL */
/* Collects a stream whose columns are all utf8 (what the casts above make); consumes the stream. */
finops_code fo_rows_from_stream(struct ArrowArrayStream *stream, fo_rows **ret, finops_error **err);
/* "SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (sql)": the text form that fo_rows_from_stream takes. */
finops_code fo_rows_sql(const char *sql, fo_str *ret, finops_error **err);
/* Whether sql is a SELECT, or what the engine takes for one: SHOW, DESCRIBE, FROM, VALUES. */
finops_code fo_conn_selects(fo_conn *conn, const char *sql, const fo_param *params, size_t n, bool *ret,
                            finops_error **err);
/* FINOPS_E_USAGE unless sql is one statement that only reads. */
finops_code fo_read_only_check(fo_conn *conn, const char *sql, finops_error **err);
/* Rows made by hand, of columns without names; one cell a column, NULL for NULL, copied. false: no memory. */
fo_rows *fo_rows_new(size_t columns);
bool fo_rows_add(fo_rows *rows, const char *const *cells);
void fo_rows_free(fo_rows *rows);
void fo_rows_freep(fo_rows **rows);

/*
 * Any result as an Arrow stream, batch by batch in bounded memory. The stream borrows the connection: release
 * it before the connection closes or runs another statement. The caller releases *ret. Dictionaries (ENUM)
 * come as the engine exports them.
 */
finops_code fo_conn_stream(fo_conn *conn, const char *sql, const fo_param *params, size_t n,
                           struct ArrowArrayStream *ret, finops_error **err);

/*
 * The error of a stream whose get_schema or get_next gave errnum: the code it stands for and the stream's own
 * text.
 */
finops_code fo_stream_error(struct ArrowArrayStream *stream, int errnum, finops_error **err);

/*
 * Exact text forms for statements that cannot take parameters: "a""b" and 'it''s'. One quoting function per
 * kind.
 */
void fo_sql_ident(fo_str *sql, const char *name);
void fo_sql_literal(fo_str *sql, const char *text); /* NULL gives NULL */
/*
 * A file's address as a literal for read_parquet() and its like: they take patterns, this one matches that
 * file alone.
 */
void fo_sql_file(fo_str *sql, const char *address);

/* Where a statement ends: before the semicolon, blanks and comments that follow it. */
size_t fo_sql_end(const char *sql);

#endif
