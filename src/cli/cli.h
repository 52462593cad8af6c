/*
 * The command line: a table of verbs, each one file that fills one row.
 *
 * main.c finds the verb, reads its flags by the option tables, loads the configuration when the verb wants it
 * and runs it. Results go to stdout, everything else to stderr.
 *
 * A new verb is a file src/cli/verb_<name>.c that defines `const fo_verb fo_verb_<name>`, a row in verbs.c
 * and a line in meson.build. Help, completion, the manual page and the reference page then show it by
 * themselves.
 */
#ifndef FO_CLI_CLI_H
#define FO_CLI_CLI_H

#include <stdio.h>

#include "base/cancel.h"
#include "base/error.h"
#include "config/config.h"
#include "finops/arrow.h"

typedef enum fo_out_format {
    FO_FORMAT_TABLE,
    FO_FORMAT_JSON,
    FO_FORMAT_CSV,
    FO_FORMAT_NDJSON,
    FO_FORMAT_PARQUET,
    FO_FORMAT_ARROW
} fo_out_format;

typedef struct fo_cli {
    const struct fo_verb *verb;
    void *options;     /* the verb's own options struct, filled */
    char *const *args; /* positional arguments */
    size_t n_args;
    const fo_config *config;     /* NULL for verbs that want none */
    const fo_settings *settings; /* of config */
    fo_out_format format;
    bool format_given; /* --format was on the command line */
    FILE *out;         /* stdout; results only */
    bool quiet, verbose;
    bool colour;             /* stdout is a terminal and NO_COLOR is unset */
    bool progress;           /* stderr is a terminal and not quiet */
    bool yes;                /* --yes: no questions */
    unsigned width;          /* columns of the terminal, 0 when stdout is none */
    const fo_cancel *cancel; /* set by SIGINT and SIGTERM */
    int64_t progress_at;     /* progress.c's own: when the line was last drawn; 0: there is none */
    bool thread_hangs; /* the verb left a thread behind: the program ends without freeing what it may use */
} fo_cli;

typedef struct fo_verb {
    const char *name;               /* "aws import-cur" */
    const char *args;               /* "SQL", "[PATH...]", NULL: none */
    const char *summary;            /* one line for `finops help` */
    const char *help;               /* paragraphs for --help, or NULL */
    const char *examples;           /* lines "command\n  # what it does\n", or NULL */
    const char *const *config_keys; /* settings that are flags here, NULL-ended: "aws.bucket" is --bucket */
    const finops_option *options;   /* the verb's own flags, or NULL */
    size_t options_size;
    size_t min_args, max_args;
    unsigned flags; /* FO_VERB_* */
    finops_code (*run)(fo_cli *cli, finops_error **err);
} fo_verb;

enum {
    FO_VERB_NO_CONFIG = 1 << 0, /* runs without loading a configuration */
    FO_VERB_ROWS = 1 << 1,      /* prints rows: has --format table|json|csv */
    FO_VERB_STREAM = 1 << 2,    /* also ndjson, parquet, arrow */
    FO_VERB_HIDDEN = 1 << 3,    /* not in help */
    FO_VERB_ASKS = 1 << 4       /* asks before it does something final: has --yes */
};

/* For config_keys of a verb that opens the user's database: --backend and --database-path. */
#define FO_DATABASE_KEYS "database.backend", "database.duckdb.database_path"

/* All verbs, NULL-ended, in the order help shows them (verbs.c, the one list). */
extern const fo_verb *const fo_verbs[];

/*
 * Prints a stream in cli->format to cli->out. Consumes it.
 * Table: aligned columns, numbers right, texts cut to the terminal's width on a terminal only, heading bold
 * with colour; "(no rows)" goes to stderr when empty. JSON: one array of objects, decimals as JSON numbers
 * with all digits, timestamps ISO 8601 with Z, nested values as JSON, NaN and infinities as texts. CSV: RFC
 * 4180 with a header and LF line ends; NULL is an empty field, the empty text "". NDJSON: an object a line.
 */
finops_code fo_render_stream(fo_cli *cli, struct ArrowArrayStream *stream, finops_error **err);

/* Rows a verb made itself: fo_table_add takes n_columns texts (NULL is empty). Same formats; `numeric`
 * columns are right-aligned, and bare numbers in JSON when the text is one ("12.50"; "12,50 USD" stays text).
 */
typedef struct fo_table fo_table;
typedef struct fo_table_column {
    const char *name;    /* snake_case, the JSON key */
    const char *heading; /* shown in tables; NULL: name */
    bool numeric;
} fo_table_column;
fo_table *fo_table_new(const fo_table_column *columns, size_t n); /* NULL: no memory */
bool fo_table_add(fo_table *table, const char *const *cells);
finops_code fo_table_print(fo_cli *cli, const fo_table *table, finops_error **err);
void fo_table_free(fo_table *table);
void fo_table_freep(fo_table **table);

/* "Really? [y/N]" on a terminal; true with --yes; without terminal FINOPS_E_USAGE that says to pass --yes. */
finops_code fo_cli_confirm(fo_cli *cli, const char *question, bool *ret_yes, finops_error **err);

/*
 * One turn for each database that a dataset goes to, with settings that name it alone (ours for the call). Of
 * several each failure is told here, the others go on, and FINOPS_E_PARTIAL is what is less than all and more
 * than nothing; a request to stop ends them all. Of one its own error is returned.
 */
typedef finops_code fo_backend_turn(fo_settings *settings, bool several, void *arg, finops_error **err);
finops_code fo_cli_each_backend(const fo_cli *cli, fo_dataset dataset, fo_backend_turn *turn, void *arg,
                                finops_error **err);

/* A progress line on stderr, redrawn at most ten times a second; nothing when cli->progress is false. */
void fo_progress_show(fo_cli *cli, double fraction, const char *fmt, ...) FO_PRINTF(3, 4);
void fo_progress_clear(fo_cli *cli);

#endif
