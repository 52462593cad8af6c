/*
 * Open databases of this process, shared by the real path of their file, and the links of connections to
 * them.
 *
 * A file is open once in a process, to write or to read. A link that may write keeps it open to write; a link
 * that only reads uses the instance that is open, whichever it is, else opens the file to read, else asks the
 * process that writes it, through its socket. Between statements a reading link holds nothing: it is detached
 * when the last writer leaves or one comes, and attached again when it is used next. The first link's
 * settings count for all that share its instance.
 *
 * A link belongs to one thread at a time; the instances behind it are guarded.
 */
#ifndef FO_DATABASE_DUCKDB_INSTANCE_H
#define FO_DATABASE_DUCKDB_INSTANCE_H

#include "config/settings.h"
#include "engine/engine.h"
#include "finops/sys/database_driver.h"

typedef struct fo_instance fo_instance;
typedef struct fo_link fo_link;

/*
 * What an engine is given before its first connection: a lake is attached to it. The engine is one in memory
 * then, and the path of the instance that of the file the lake's catalog is in.
 */
typedef struct fo_instance_plan {
    finops_code (*set_up)(fo_engine *engine, bool read_only, const struct fo_instance_plan *plan,
                          finops_error **err);
    const char *checkpoint;       /* statement that leaves the file whole and without a log */
    const char *section;          /* of its settings, for advice: "database.ducklake" */
    const char *secret_directory; /* see fo_engine_options */
} fo_instance_plan;

/*
 * The absolute path of the file itself where the path is a link: its log and its socket stand beside it,
 * whichever way one comes. FINOPS_E_CONFIG for one that the engine cannot take.
 */
finops_code fo_instance_path(const char *database_path, char **ret, finops_error **err);
/* Whether this process has the file open. */
bool fo_instance_is_open(const char *path);
/*
 * Whether nobody has the file open, as far as can be told without trying. If so, it is looked at from
 * outside: FINOPS_E_CORRUPT when it is no database. That it is not there is fine.
 */
finops_code fo_instance_probe(const char *path, bool *ret_closed, finops_error **err);

/* A database in memory, or of a plan whose catalog is no file of this machine's engine; it lives until it is
 * closed, its links are closed before. plan may be NULL. */
finops_code fo_instance_memory(const fo_duckdb_settings *settings, const fo_instance_plan *plan,
                               fo_instance **ret, finops_error **err);
void fo_instance_memory_close(fo_instance *instance);

/*
 * settings and plan (may be NULL) are borrowed until the link is closed; memory: of fo_instance_memory, NULL
 * for a file.
 *
 * To write: creates the file and its folder when missing and waits lock_timeout for another process, then
 * FINOPS_E_BUSY. To read: FINOPS_E_NOT_FOUND, with a hint, when there is no file. `call` (may be NULL) ends
 * the waiting.
 */
finops_code fo_link_open(const fo_duckdb_settings *settings, const fo_instance_plan *plan,
                         fo_instance *memory, bool read_only, const finops_call *call, fo_link **ret,
                         finops_error **err);
/* The last that may write closes the file, after a checkpoint during which readers are still served. */
void fo_link_close(fo_link *link);
void fo_link_closep(fo_link **link);

/* A writer's engine and connection; NULL for a reader. Borrowed. */
fo_engine *fo_link_engine(const fo_link *link);
fo_conn *fo_link_conn(const fo_link *link);

/*
 * Brackets what is done with the connection, which obeys the call (may be NULL) meanwhile; *ret is NULL when
 * the rows come from another process. They nest; the innermost call counts, and ends with its bracket.
 */
finops_code fo_link_begin(fo_link *link, const finops_call *call, fo_conn **ret, finops_error **err);
void fo_link_end(fo_link *link);
/* Ends what runs in another thread. */
void fo_link_cancel(fo_link *link);
/* "BEGIN", "COMMIT" or "ROLLBACK"; after a COMMIT that failed nothing is left of it. FINOPS_E_UNSUPPORTED
 * when the rows come from another process. */
finops_code fo_link_transaction(fo_link *link, const char *sql, finops_error **err);

/*
 * Rows of one statement; a reader's only reads, else FINOPS_E_USAGE. The stream brackets itself and borrows
 * the link.
 */
finops_code fo_link_stream(fo_link *link, const finops_statement *statement, struct ArrowArrayStream *ret,
                           finops_error **err);
/* fo_link_stream for small results, every cell as text. */
finops_code fo_link_rows(fo_link *link, const char *sql, fo_rows **ret, finops_error **err);

/* A writer's: the answers of these statements are kept beside the file when it closes, see kept.h. */
finops_code fo_link_keep(fo_link *link, const char *const *statements, size_t n, finops_error **err);

#endif
