/* What the tests of the command line share: cmocka, a table of verbs in place of the program's, output caught
 * in memory. */
#ifndef FO_TESTS_CLI_TEST_H
#define FO_TESTS_CLI_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cli/cli_internal.h"

/* The options of "bill load" in verbs_fake.c. */
typedef struct load_options {
    char **files;
    int64_t jobs;
    bool force;
    bool verify;
    char *mode;
    char *from;
    char *to;
} load_options;

typedef struct caught {
    fo_cli cli;
    char *text;
    size_t len;
} caught;

/* A fo_cli that writes into memory. */
void caught_open(caught *c, fo_out_format format);
/* Everything written so far; borrowed. */
const char *caught_text(caught *c);
void caught_done(caught *c);

#endif
