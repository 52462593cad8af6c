/*
 * What a database backend is: one const struct of this type, in the table of built-ins or returned by a
 * plugin.
 *
 * A driver classifies failures (finops_code) and does nothing about them: retry, pool, circuit breaker,
 * deadlines of waiting and the general way of doing what a driver leaves out are in the front door,
 * finops/database.h.
 *
 * Three objects. The *config* is a struct the option table fills. A *database* (`self`) stands for one
 * configuration and may be used from many threads. A *connection* (`conn`) belongs to one thread at a time;
 * only `cancel` may be called from another while a call runs on it. Nothing is shared between two databases:
 * a driver keeps no writable globals, or guards them itself.
 *
 * Ownership. What comes in is borrowed for the call. What `ret_…` gives belongs to the caller, outputs are
 * written on success and untouched on failure. A stream that comes in is consumed: released by the driver,
 * also on failure. A stream that goes out borrows the connection, which runs nothing else until it is
 * released.
 *
 * Texts are UTF-8 and end with NUL. Identifiers are raw, never quoted: quoting them is the driver's business.
 */
#ifndef FINOPS_SYS_DATABASE_DRIVER_H
#define FINOPS_SYS_DATABASE_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "finops/arrow.h"
#include "finops/error.h"
#include "finops/sys/call.h"
#include "finops/sys/option.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of this header. A driver built against an older one loads as long as the upper 16 bits are the same. */
#define FINOPS_DATABASE_ABI 0x00010000u

/* What a database can do. Each bit a driver sets is a set of tests of the conformance suite that it must
 * pass. */
enum {
    FINOPS_DATABASE_TRANSACTIONS = 1 << 0,       /* begin, commit, rollback over rows */
    FINOPS_DATABASE_DDL_IN_TRANSACTION = 1 << 1, /* CREATE, DROP, ALTER … are rolled back, too */
    FINOPS_DATABASE_READS_FILES = 1 << 2,        /* finops_source.sql: its own SQL reads bill files */
    FINOPS_DATABASE_NESTED = 1 << 3, /* MAP, STRUCT, LIST are types; without it they are stored as JSON */
    FINOPS_DATABASE_TIME_TRAVEL = 1 << 4,
    FINOPS_DATABASE_CONCURRENT_WRITERS = 1 << 5, /* from several processes */
    FINOPS_DATABASE_SCHEMAS = 1 << 6, /* namespaces of tables; without it the name is "schema__table" */
    FINOPS_DATABASE_VIEWS_PIN_TABLES = 1 << 7, /* a table that a view reads cannot be dropped */
    FINOPS_DATABASE_EXACT_DECIMALS = 1 << 8, /* 38 digits are kept; without it decimals are stored as text */
    FINOPS_DATABASE_SERVER = 1 << 9,         /* a server that may be down while others are up */
    FINOPS_DATABASE_NO_KEYS = 1 << 10        /* tables have no primary keys, and INSERT no ON CONFLICT */
};

/* The flavour of SQL; the front door's dialect knows how each says what differs. */
typedef enum finops_dialect {
    FINOPS_DIALECT_GENERIC = 0, /* SQL-92 and what SQLite understands */
    FINOPS_DIALECT_DUCKDB,
    FINOPS_DIALECT_POSTGRESQL
} finops_dialect;

typedef struct finops_capabilities {
    uint64_t features; /* FINOPS_DATABASE_* */
    finops_dialect dialect;
    unsigned max_identifier; /* bytes; 0: no limit worth telling */
    unsigned max_precision;  /* digits of a decimal */
    unsigned max_parameters; /* of one statement */
    char quote;              /* around identifiers, doubled inside: '"' */
} finops_capabilities;

/* One statement. */
typedef struct finops_statement {
    const char *sql; /* parameters are $1, $2 …, in every dialect */
    const char *const
        *params; /* each a text, which the statement casts where it needs another type; NULL: SQL NULL */
    size_t n_params;
    bool as_text; /* every column of the result comes as utf8, as the database prints it; a boolean as "true"
                     or "false" */
    const finops_call *call; /* may be NULL */
} finops_statement;

typedef enum finops_column_type {
    FINOPS_TYPE_OTHER = 0, /* see native */
    FINOPS_TYPE_BOOL,
    FINOPS_TYPE_INT, /* any width up to 64 bits */
    FINOPS_TYPE_DOUBLE,
    FINOPS_TYPE_DECIMAL,
    FINOPS_TYPE_TEXT,
    FINOPS_TYPE_BYTES,
    FINOPS_TYPE_DATE,
    FINOPS_TYPE_TIMESTAMP,    /* without zone */
    FINOPS_TYPE_TIMESTAMP_TZ, /* an instant */
    FINOPS_TYPE_JSON,
    FINOPS_TYPE_MAP, /* of text to something */
    FINOPS_TYPE_STRUCT,
    FINOPS_TYPE_LIST
} finops_column_type;

/* One column of a table as it is. */
typedef struct finops_column {
    const char *name;
    finops_column_type type;
    int precision, scale; /* of a decimal */
    const char *native;   /* the type as the database spells it */
    bool nullable;
} finops_column;

/* A table's columns in order, or names of tables. `each` returns false to stop. Texts are borrowed for the
 * call. */
typedef bool (*finops_each_column)(const finops_column *column, void *arg);
typedef bool (*finops_each_name)(const char *schema, const char *name, bool is_view, void *arg);

typedef enum finops_write_mode {
    FINOPS_WRITE_APPEND =
        0,               /* the table is there and has the columns; matched by name, absent ones stay NULL */
    FINOPS_WRITE_CREATE, /* FINOPS_E_EXISTS when it is there */
    FINOPS_WRITE_WIDEN   /* made, or given the columns it lacks, then appended to */
} finops_write_mode;

/* Where rows go. */
typedef struct finops_write {
    const char *schema;
    const char *table;
    finops_write_mode mode;
    bool unlogged; /* may be lost in a crash of the server: for tables that are made again (hint) */
    const finops_call *call;
} finops_write;

/* Rows that stage() put where they will be, and that nobody sees yet. */
typedef struct finops_staged {
    char *where; /* the driver's own, free() */
    int64_t rows;
} finops_staged;

/* Rows to be stored: a stream, or for FINOPS_DATABASE_READS_FILES a SELECT in the database's own SQL. */
typedef struct finops_source {
    struct ArrowArrayStream *stream; /* consumed; NULL when sql or staged is given */
    const char *sql;
    const finops_staged *staged; /* what this driver's stage() gave, for replace_partition() alone */
} finops_source;

typedef struct finops_write_result {
    int64_t rows;
    int64_t bytes; /* sent, as good as the driver knows; 0: unknown */
    double seconds;
} finops_write_result;

/* One part of a table, replaced as a whole: a billing period of a bill. */
typedef struct finops_partition {
    const char *schema;
    const char *table;
    const char *column; /* rows whose column has this value (text); NULL: all rows, the table is made anew */
    const char *value;
    /*
     * Called once when the new rows stand under the table's name and the old ones are about to go: the moment
     * to turn views from the old table to the new one (FINOPS_DATABASE_VIEWS_PIN_TABLES). Its failure is the
     * call's. May be NULL.
     */
    finops_code (*before_swap)(void *arg, finops_error **err);
    void *arg;
    const finops_call *call;
} finops_partition;

typedef enum finops_health_state {
    FINOPS_HEALTH_UP = 0,
    FINOPS_HEALTH_DEGRADED,
    FINOPS_HEALTH_DOWN
} finops_health_state;

typedef struct finops_health {
    finops_health_state state;
    double latency_ms;
    char version[64]; /* of the server, "PostgreSQL 15.8" */
    char detail[256]; /* why it is not up; "" else */
} finops_health;

enum {
    FINOPS_CONNECT_READ_ONLY = 1 << 0 /* statements that only read; others are FINOPS_E_USAGE */
};

typedef struct finops_database_driver {
    uint32_t abi;                 /* FINOPS_DATABASE_ABI */
    uint32_t size;                /* sizeof(finops_database_driver) it was built with */
    const char *name;             /* "postgresql": [database.postgresql], --backend postgresql */
    const char *version;          /* of the driver, "1.0.0" */
    const char *summary;          /* one sentence for `finops backends list` */
    const finops_option *options; /* of [database.<name>] */
    size_t config_size;           /* bytes the table fills in for open() */

    /* Required. */

    /* Takes what it needs of the config and touches no network or file yet. */
    finops_code (*open)(const void *config, void **ret_self, finops_error **err);
    /* All connections are closed before. NULL is fine. */
    void (*close)(void *self);
    /* What is known without connecting. Any thread. */
    void (*capabilities)(void *self, finops_capabilities *ret);
    /* flags: FINOPS_CONNECT_*. FINOPS_E_AUTH, _NOT_FOUND (no such database), _TRANSIENT (not reachable),
     * _TIMEOUT. */
    finops_code (*connect)(void *self, unsigned flags, const finops_call *call, void **ret_conn,
                           finops_error **err);
    /* Open transactions are rolled back. NULL is fine. */
    void (*disconnect)(void *conn);
    /*
     * One statement. ret_stream NULL: rows, if any, are discarded; else the rows in batches of bounded size.
     * The stream's errors carry the errno that finops_stream_code() reads. *ret_changed (may be NULL): rows
     * changed, -1 when unknown.
     */
    finops_code (*execute)(void *conn, const finops_statement *statement, struct ArrowArrayStream *ret_stream,
                           int64_t *ret_changed, finops_error **err);
    /* All rows of the source or none, in the caller's transaction when one is open. */
    finops_code (*write)(void *conn, const finops_write *write, const finops_source *source,
                         finops_write_result *ret, finops_error **err);
    /* Columns of a table or view, none when it does not exist. */
    finops_code (*columns)(void *conn, const char *schema, const char *table, finops_each_column each,
                           void *arg, finops_error **err);
    /* Tables and views of a schema (NULL: all but the system's), by schema and name. */
    finops_code (*tables)(void *conn, const char *schema, finops_each_name each, void *arg,
                          finops_error **err);

    /* Optional; NULL: the front door does it the general way or answers FINOPS_E_UNSUPPORTED. */

    /* Needed by FINOPS_DATABASE_TRANSACTIONS. A failed commit whose outcome is unknown is FINOPS_E_TRANSIENT
     * and `unknown_outcome` true. */
    finops_code (*begin)(void *conn, finops_error **err);
    finops_code (*commit)(void *conn, bool *ret_unknown_outcome, finops_error **err);
    finops_code (*rollback)(void *conn, finops_error **err);
    /* Whether the connection can still be used; quick, no round trip needed. Absent: SELECT 1. */
    bool (*is_alive)(void *conn);
    /* Ends the call that runs on the connection in another thread, which then answers FINOPS_E_CANCELLED. */
    void (*cancel)(void *conn);
    /* Swap of one partition. General way: DELETE and write in one transaction. */
    finops_code (*replace_partition)(void *conn, const finops_partition *partition,
                                     const finops_source *source, finops_write_result *ret,
                                     finops_error **err);
    /* General way: connect and SELECT 1. */
    finops_code (*health)(void *self, const finops_call *call, finops_health *ret, finops_error **err);
    /* A lock of the database between processes, by name, until `unlock` or the connection ends; FINOPS_E_BUSY
     * when another holds it at the deadline. */
    finops_code (*lock)(void *conn, const char *name, const finops_call *call, finops_error **err);
    finops_code (*unlock)(void *conn, const char *name, finops_error **err);
    /*
     * For databases whose writers take turns: the slow part of replace_partition() without the turn. Writes
     * the rows outside of a transaction, for a partition of a table that is there; what it gave is then the
     * source of replace_partition(). FINOPS_E_UNSUPPORTED: not for this partition, and the source is not
     * consumed.
     */
    finops_code (*stage)(void *conn, const finops_partition *partition, const finops_source *source,
                         finops_staged *ret, finops_error **err);
    /* What was staged is not wanted: removed as far as that is possible. */
    void (*unstage)(void *conn, const finops_staged *staged);
} finops_database_driver;

#ifdef __cplusplus
}
#endif
#endif
