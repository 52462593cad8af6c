/*
 * Answers kept beside the database file, "<database>.kept": what a few statements gave when the file was last
 * closed. Opening a file of many wide tables costs the engine half a second; a run that finds nothing to do
 * asks here first and need not open it.
 *
 * An answer holds only for the very file it was taken from: size, time, inode, and the checksums and counter
 * that the engine writes into its header with each checkpoint. Whatever else touches the file makes the
 * answers void, and the file is opened as ever.
 */
#ifndef FO_DATABASE_DUCKDB_KEPT_H
#define FO_DATABASE_DUCKDB_KEPT_H

#include "engine/engine.h"

#define FO_KEPT_MARK 256

/*
 * What tells one state of a database file from every other. "" while its log holds what the file does not.
 *
 * It holds the file open: closing any descriptor of a file gives up all locks that the process has on it, and
 * so those of an engine. Done with it when the engine has closed the file.
 */
typedef struct fo_kept_mark {
    char text[FO_KEPT_MARK];
    int fd; /* -1 */
} fo_kept_mark;

#define FO_KEPT_MARK_INIT ((fo_kept_mark){ "", -1 })

fo_kept_mark fo_kept_mark_of(const char *database_path);
void fo_kept_mark_done(fo_kept_mark *mark);

typedef struct fo_kept fo_kept;

/* NULL when there are no answers for the file as it is now, for whatever reason. The process has it not open.
 */
fo_kept *fo_kept_open(const char *database_path);
/* The rows of a statement, borrowed; NULL when its answer was not kept. */
const fo_rows *fo_kept_rows(const fo_kept *kept, const char *sql);
void fo_kept_close(fo_kept *kept);
void fo_kept_closep(fo_kept **kept);

/* Room for the answers of n statements. NULL: no memory. */
fo_kept *fo_kept_new(size_t n);
/* The i-th; takes the rows, also on failure. The text is copied. */
finops_code fo_kept_set(fo_kept *kept, size_t i, const char *sql, fo_rows *rows, finops_error **err);
/* Writes them for the file of that mark; call when the file is closed. Nothing is written for "". */
finops_code fo_kept_write(const fo_kept *kept, const char *database_path, const fo_kept_mark *mark,
                          finops_error **err);

#endif
