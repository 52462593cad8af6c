/*
 * The conformance suite of storage: what every backend must do, ours and outsiders', alone and behind any
 * layers. Each case begins with the id of the behaviour it shows ("K1").
 *
 * A case that needs a feature the storage does not claim is "not claimed", once it has been seen that the
 * storage refuses it; a claimed one is tested. A run works below a prefix of its own and leaves nothing
 * there.
 */
#ifndef FO_CONFORMANCE_STORAGE_H
#define FO_CONFORMANCE_STORAGE_H

#include "conformance/conformance.h"
#include "finops/storage.h"

typedef struct fo_storage_conformance_options {
    const char *filter; /* glob over "area: name", the area or the name alone; NULL: all */
    uint64_t unit;      /* what the sizes of large objects and of parts are counted in; 0: a MiB */
    bool with_long;     /* also what takes minutes: a hundred thousand keys */
    bool list;          /* run nothing: tell the names, all as not claimed */
    int64_t case_us;    /* a case that takes longer is ended by its deadline, or hangs; 0: two minutes */
    const fo_cancel *cancel;
    void (*each)(const fo_case_result *result, void *arg); /* one at a time, any thread; may be NULL */
    void *arg;
} fo_storage_conformance_options;

/*
 * Runs the cases one after another; storage may be NULL with `list`. A failed case is no error of the run;
 * FINOPS_OK says that all were run, or that one hung (ret->hung: the storage must not be closed then).
 * FINOPS_E_CANCELLED between two cases; else the code with which nothing could be stored at all. ret->left is
 * the prefix when something could not be removed.
 */
finops_code fo_storage_conformance_run(finops_storage *storage, const fo_storage_conformance_options *options,
                                       fo_conformance_summary *ret, finops_error **err);

#endif
