/*
 * Walks through folders and all that is below them, in no order: whether there is a file, and what writes
 * left behind that never ended. For drivers whose keys are paths of files; storage/tree.h has listings.
 */
#ifndef FO_STORAGE_VISIT_H
#define FO_STORAGE_VISIT_H

#include "base/error.h"
#include "finops/sys/storage_driver.h"

/* ---- what is left over ---- */

typedef struct fo_sweep {
    const char *prefix;
    int64_t before_us;
    finops_each_object each; /* may be NULL */
    void *arg;
} fo_sweep;

/* Whether keys below a folder ("a/b/", "") can begin with the prefix. */
bool fo_sweep_enters(const fo_sweep *sweep, const char *folder);
/* The key that a file in the folder was to get, and when that began; *ret_key stays NULL for files that are
 * not to be swept. */
finops_code fo_sweep_key(const fo_sweep *sweep, const char *folder, const char *name, char **ret_key,
                         int64_t *ret_begun_us, finops_error **err);

/* ---- servers that tell what a name stands for ---- */

typedef enum fo_visit_kind { FO_VISIT_OTHER, FO_VISIT_FILE, FO_VISIT_FOLDER, FO_VISIT_LINK } fo_visit_kind;
typedef struct fo_visitor fo_visitor;

typedef struct fo_visit {
    void *arg; /* of all below */
    /* Tells all names of a folder, "a/b" or "" for the root, but "." and "..". FINOPS_E_NOT_FOUND: it is
     * gone. */
    finops_code (*names)(void *arg, const char *folder, fo_visitor *to, finops_error **err);
    /* Removes a file; one that is not there is fine. */
    finops_code (*remove)(void *arg, const char *key, finops_error **err);
} fo_visit;

/* One name; false: no more of this folder are needed. */
finops_code fo_visit_name(fo_visitor *to, const char *name, fo_visit_kind kind, int64_t size, bool *ret_more,
                          finops_error **err);
/* Whether there is a file, or a link, anywhere below a folder; who may not look is told that there is. */
finops_code fo_visit_has_file(const fo_visit *visit, const char *folder, bool *ret, finops_error **err);
/* Removes what is left over, unless `each` says no. */
finops_code fo_visit_sweep(const fo_visit *visit, const fo_sweep *sweep, finops_error **err);

#endif
