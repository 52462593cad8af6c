/*
 * Databases: the front door to every backend.
 *
 * A finops_database is one backend with its configuration: it is cheap to open, connects when first used,
 * keeps a pool of connections and their health, and may be used from any number of threads. A finops_session
 * is a connection taken out of the pool: one thread at a time, but for finops_session_cancel(). What a driver leaves out is done here the
 * general way, or answered with FINOPS_E_UNSUPPORTED ("time travel is not supported by postgresql").
 *
 * Calls retry what may be retried: transient failures before anything was changed, on a new connection,
 * within the call's deadline. A commit is never repeated; when its outcome is unknown the error says so.
 */
#ifndef FINOPS_DATABASE_H
#define FINOPS_DATABASE_H

#include "finops/registry.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct finops_database finops_database;
typedef struct finops_session finops_session;

/* Connections to a database without FINOPS_DATABASE_CONCURRENT_WRITERS are closed when they are given back,
 * beyond `min`: other processes may want to write. */
typedef struct finops_pool_options {
    unsigned max;             /* connections at most; default 8 */
    unsigned max_idle;        /* default: max */
    int64_t max_lifetime_us;  /* 0: no limit */
    int64_t acquire_us;       /* how long to wait for one; default 30 s */
    int64_t validate_idle_us; /* one idle for longer is checked before it is handed out; default 1 s */
    unsigned min;             /* kept open by the health monitor; default 0 */
    int64_t idle_us;          /* the monitor closes what was idle for longer, down to min; 0: no limit */
} finops_pool_options;

typedef struct finops_pool_figures {
    unsigned open, idle, waiting;
    uint64_t acquired, created, discarded, timeouts;
} finops_pool_figures;

/*
 * Opens a backend by name; settings are checked against its option table first. pool may be NULL. The
 * registry must outlive the database. FINOPS_E_NOT_FOUND: no driver of that name ("did you mean");
 * FINOPS_E_CONFIG.
 */
FINOPS_API finops_code finops_database_open(finops_registry *registry, const char *backend,
                                            const finops_setting *settings, size_t n_settings,
                                            const finops_pool_options *pool, finops_database **ret,
                                            finops_error **err);
/*
 * Hands out no more sessions, ends all waiting for one and closes what is idle. Sessions that are still out
 * go on; the last one released takes the connection to the backend with it. NULL is fine.
 */
FINOPS_API void finops_database_close(finops_database *database);
/* The backend's name, "postgresql". Borrowed from the database. Any thread. */
FINOPS_API const char *finops_database_backend(const finops_database *database);
/* What it can do, told without connecting. Any thread. */
FINOPS_API void finops_database_capabilities(const finops_database *database, finops_capabilities *ret);
/* Asks the backend now; never fails for a database that is down: that is its answer. */
FINOPS_API finops_code finops_database_health(finops_database *database, const finops_call *call,
                                              finops_health *ret, finops_error **err);
/* The pool's figures at this moment. Any thread. */
FINOPS_API void finops_database_pool(const finops_database *database, finops_pool_figures *ret);

/* Zero stands for the default. */
typedef struct finops_monitor_options {
    int64_t interval_us;       /* between two checks; 30 s */
    int64_t error_interval_us; /* after one that was not fine; 60 s */
    /* Called after each check, in the monitor's thread; must not close the database. May be NULL. */
    void (*checked)(const finops_health *health, void *arg);
    void *arg;
} finops_monitor_options;
/* Checks the health now and then in a thread of its own, until the database is closed, and looks after the
 * pool: what is too old is closed, `min` connections are kept. FINOPS_E_EXISTS when it does so already. */
FINOPS_API finops_code finops_database_monitor(finops_database *database,
                                               const finops_monitor_options *options, finops_error **err);
/* What the last check said, asked or by the monitor, and how long ago; FINOPS_E_NOT_FOUND before the first.
 */
FINOPS_API finops_code finops_database_last_health(finops_database *database, finops_health *ret,
                                                   int64_t *ret_age_us, finops_error **err);

/*
 * flags: FINOPS_CONNECT_*. Waits for a connection until the call's or the pool's deadline: FINOPS_E_TIMEOUT.
 * When there is room for a new one, connecting ends at the call's deadline or when the driver gives up.
 */
FINOPS_API finops_code finops_session_acquire(finops_database *database, unsigned flags,
                                              const finops_call *call, finops_session **ret,
                                              finops_error **err);
/* An open transaction is rolled back. NULL is fine. */
FINOPS_API void finops_session_release(finops_session *session);
/*
 * Ends the call that runs on the session in another thread, or the reading of the stream it gave: it answers
 * FINOPS_E_CANCELLED, nothing of it remains, and the session can be used on (in a transaction: rolled back). It is
 * asked for and returns at once; a call that is about to end may still succeed. Does nothing when no call runs, never
 * stops commit and rollback, and leaves the next call alone.
 *
 * The only function of a session that any thread may call while another uses it, any number of times. The caller sees
 * to it that the session is not released meanwhile. Not from a signal handler, and not from the callbacks of a call on
 * the same session, which have `cancelled` for that. NULL is fine.
 */
FINOPS_API void finops_session_cancel(finops_session *session);

/* See finops_database_driver for what these do; deadlines, progress and cancel are in the `call` of each. */
FINOPS_API finops_code finops_session_execute(finops_session *session, const finops_statement *statement,
                                              struct ArrowArrayStream *ret_stream, int64_t *ret_changed,
                                              finops_error **err);
/* All rows of the source or none. A stream is consumed, also on failure. */
FINOPS_API finops_code finops_session_write(finops_session *session, const finops_write *write,
                                            const finops_source *source, finops_write_result *ret,
                                            finops_error **err);
/* Readers see the old rows or the new ones; in an open transaction, when it commits. A stream is consumed. */
FINOPS_API finops_code finops_session_replace_partition(finops_session *session,
                                                        const finops_partition *partition,
                                                        const finops_source *source, finops_write_result *ret,
                                                        finops_error **err);
/* Columns of a table or view in order; none when it does not exist. */
FINOPS_API finops_code finops_session_columns(finops_session *session, const char *schema, const char *table,
                                              finops_each_column each, void *arg, finops_error **err);
/* Tables and views of a schema, of all but the system's when it is NULL. */
FINOPS_API finops_code finops_session_tables(finops_session *session, const char *schema,
                                             finops_each_name each, void *arg, finops_error **err);
/* FINOPS_E_ARGUMENT when a transaction is open; FINOPS_E_UNSUPPORTED where there are none. */
FINOPS_API finops_code finops_session_begin(finops_session *session, finops_error **err);
/* Never tried twice: when its outcome is unknown the error says so. */
FINOPS_API finops_code finops_session_commit(finops_session *session, finops_error **err);
/* Undoes all since begin; the session can be used on. Runs also when the user asked to stop. */
FINOPS_API finops_code finops_session_rollback(finops_session *session, finops_error **err);

/*
 * What writing a stream of this schema to the table would do: each difference is told.
 * ADDED: the table gets the column (FINOPS_WRITE_WIDEN). WIDENED: the column's type is another one that keeps
 * every value. REFUSED: the write would fail, or a value might not be kept.
 */
typedef enum finops_change_kind {
    FINOPS_CHANGE_ADDED = 0,
    FINOPS_CHANGE_WIDENED,
    FINOPS_CHANGE_REFUSED
} finops_change_kind;
typedef struct finops_change {
    finops_change_kind kind;
    const char *column;
    const char *from; /* type in the table, NULL when it has none */
    const char *to;   /* type of the stream */
    const char *reason;
} finops_change;
/* Compares and changes nothing; differences are told column by column. Texts are borrowed for the call. */
FINOPS_API finops_code finops_session_validate(finops_session *session, const finops_write *write,
                                               const struct ArrowSchema *schema,
                                               void (*each)(const finops_change *change, void *arg),
                                               void *arg, finops_error **err);

#ifdef __cplusplus
}
#endif
#endif
