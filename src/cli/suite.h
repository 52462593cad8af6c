/* What the verbs that run a conformance suite share: its cases printed as they end, and how it all ended. */
#ifndef FO_CLI_SUITE_H
#define FO_CLI_SUITE_H

#include "cli/cli_internal.h"
#include "conformance/conformance.h"

typedef struct fo_suite_printer {
    fo_cli *cli;
    bool failed;        /* print the failed cases alone */
    bool list;          /* print names; nothing is run */
    const char *filter; /* for the message when nothing matches */
    finops_code code;   /* of a subject that failed */
    fo_table *table;    /* NULL: a line a case, as it ends */
    unsigned n;
    bool out_of_memory;
} fo_suite_printer;

finops_code fo_suite_begin(fo_suite_printer *p, finops_error **err);
void fo_suite_done(fo_suite_printer *p);
/* `arg` is the printer. */
void fo_suite_case(const fo_case_result *result, void *arg);
/* Prints the table and the counts. rc is that of the run, whose subject is the verb's first argument;
 * p->code when a case failed, FINOPS_E_TIMEOUT when one hung. */
finops_code fo_suite_end(fo_suite_printer *p, const fo_conformance_summary *summary, finops_code rc,
                         finops_error **err);

#endif
