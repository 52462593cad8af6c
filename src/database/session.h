/*
 * A session as the rest of the program uses it: statements without ceremony, small results as text, and what
 * only the program may see of the backend behind it. The public part is finops/database.h.
 *
 * As every session, one is used by one thread at a time.
 */
#ifndef FO_DATABASE_SESSION_H
#define FO_DATABASE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"
#include "config/settings.h"
#include "engine/engine.h"
#include "finops/database.h"

/*
 * Opens the backend of the configuration; backend NULL: the one it names. Nothing is connected yet. The
 * settings are not needed any more when it returns, the registry is.
 */
finops_code fo_database_open_settings(finops_registry *registry, const fo_settings *settings,
                                      const char *backend, finops_database **ret,
                                      finops_error **err) FO_MUST_USE;
/* How often the configuration wants its databases looked at: the two intervals; the rest stays. */
void fo_monitor_settings(const fo_settings *settings, finops_monitor_options *ret);
void finops_database_closep(finops_database **database);
/* "closed", "half_open" or, while the backend is left alone, "open". */
const char *fo_database_breaker(finops_database *database);
void finops_session_releasep(finops_session **session);

/* One statement; rows, if any, are discarded. Parameters are $1, $2 …; NULL is SQL NULL. *ret_changed (may be
 * NULL): rows changed, -1 when unknown. */
finops_code fo_session_exec(finops_session *session, const char *sql, const char *const *params, size_t n,
                            int64_t *ret_changed, finops_error **err);
/* A small result, every cell as the database prints it. */
finops_code fo_session_rows(finops_session *session, const char *sql, const char *const *params, size_t n,
                            fo_rows **ret, finops_error **err);
/* Any result in its own types, in batches. Release the stream before the session is used again. */
finops_code fo_session_stream(finops_session *session, const char *sql, const char *const *params, size_t n,
                              struct ArrowArrayStream *ret, finops_error **err);

/*
 * The call of every statement and write that names none: it is cancelled when `cancel` is requested. NULL:
 * none again. `cancel` must live until the session is released. Rollback is never stopped by it.
 */
void fo_session_set_cancel(finops_session *session, const fo_cancel *cancel);
/* The call that is used when none is given; NULL when there is none. */
const finops_call *fo_session_call(const finops_session *session);

const finops_capabilities *fo_session_capabilities(const finops_session *session);
finops_database *fo_session_database(const finops_session *session);
/* The driver's own connection, and the driver: for what only that backend's own code knows. */
void *fo_session_native(const finops_session *session);
const finops_database_driver *fo_session_driver(const finops_session *session);
bool fo_session_in_transaction(const finops_session *session);
/* Whether the last commit failed without telling what became of it: look at the load state before anything is
 * repeated. */
bool fo_session_commit_unknown(const finops_session *session);

/* Takes a new connection in the place of one that was lost: no transaction is open and no lock held any more.
 * The old one stays when there is none to be had. */
finops_code fo_session_reconnect(finops_session *session, finops_error **err);

/* A lock of the database between processes, until `unlock` or the session is released; FINOPS_E_BUSY when
 * another holds it at the call's deadline. Backends without locks: FINOPS_E_UNSUPPORTED. */
finops_code fo_session_lock(finops_session *session, const char *name, const finops_call *call,
                            finops_error **err);
finops_code fo_session_unlock(finops_session *session, const char *name, finops_error **err);

/* The driver's stage() and unstage(), see there; the latter gives *staged back. */
finops_code fo_session_stage(finops_session *session, const finops_partition *partition,
                             const finops_source *source, finops_staged *ret, finops_error **err);
void fo_session_unstage(finops_session *session, finops_staged *staged);

/* The schema that tables without one are in, as drivers are told it: "main", "public"; NULL: none. */
const char *fo_session_own_schema(const finops_session *session);
/* Makes a schema that is not there; nothing where the database has none. Outside a transaction. */
finops_code fo_session_make_schema(finops_session *session, const char *schema, finops_error **err);

#endif
