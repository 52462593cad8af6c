/* Keeping a lake small: states that are no longer wanted, and files that no state needs. */
#ifndef FO_BILLING_LAKE_MAINTAIN_H
#define FO_BILLING_LAKE_MAINTAIN_H

#include "database/statement.h"

/* What one step did, or in a dry run would do, to one table or to the lake; -1: says nothing of that. */
typedef struct fo_lake_step {
    const char *step; /* "expire states", "flush rows", "rewrite files", "merge files", "remove files", ... */
    const char *table;                                         /* "schema.table", "export period", or NULL */
    int64_t states, rows, files_removed, files_written, bytes; /* bytes: that were freed */
} fo_lake_step;
typedef void fo_lake_each_step(const fo_lake_step *step, void *arg);

typedef struct fo_lake_maintain_options {
    int64_t expire_us; /* states older than that go; -1: age is no reason */
    int64_t keep;      /* the newest ones stay; -1: their number is no reason to go */
    int64_t grace_us;  /* what is younger stays in any case, and files for so long after their last state */
    bool alone;        /* no other process has the lake open: see lake_maintain.c */
    bool dry_run;
    fo_lake_each_step *each;
    void *arg;
} fo_lake_maintain_options;

/*
 * Expires states, never the newest one nor one with a tag; writes rows that the catalog holds into files;
 * writes files anew that are mostly deleted; merges small ones; removes files that no state needs. Every
 * state that stays has the rows it had. Others may read and write meanwhile when it is not `alone`: then it
 * only expires states and removes files.
 */
finops_code fo_lake_maintain(fo_database *database, const fo_lake_maintain_options *options,
                             finops_error **err);

/*
 * Removes what writers that failed or were killed left: files that no state knows and that are older than
 * `older_than_us`, nor younger than the oldest import at work; and marks attempts that nobody works on as
 * ended.
 */
finops_code fo_lake_cleanup(fo_database *database, int64_t older_than_us, bool dry_run,
                            fo_lake_each_step *each, void *arg, finops_error **err);

/* For both: files of expired states, that nobody can read any more since `before_us`. */
finops_code fo_lake_remove_files(fo_database *database, int64_t before_us, bool dry_run,
                                 fo_lake_each_step *each, void *arg, finops_error **err);
/* A statement that may lose against another writer is run again. */
finops_code fo_lake_patiently(fo_database *database, const char *sql, const fo_param *params, size_t n,
                              fo_rows **ret, finops_error **err);

#endif
