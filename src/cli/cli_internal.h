/* What the files of src/cli share with one another; verbs need cli.h alone. */
#ifndef FO_CLI_CLI_INTERNAL_H
#define FO_CLI_CLI_INTERNAL_H

#include "base/str.h"
#include "cli/cli.h"

/* ---- flags.c: every flag of a verb as one list, and the parser over it ---- */

/* The flags that every verb has. */
typedef struct fo_globals {
    char *config;
    char *format;
    char *log_level;
    char *log_format;
    bool quiet, verbose, no_color, yes, help;
} fo_globals;

typedef enum fo_flag_kind {
    FO_FLAG_OWN,     /* a row of the verb's own options */
    FO_FLAG_SETTING, /* a setting of the configuration that is a flag of this verb */
    FO_FLAG_GLOBAL   /* on every verb */
} fo_flag_kind;

typedef struct fo_flag {
    char name[64]; /* "--export-name" */
    char letter;   /* 'h' of -h; 0: none */
    fo_flag_kind kind;
    const finops_option *option;
    const char *key; /* dotted setting it overrides ("aws.export_name"), NULL: none */
    bool given;
} fo_flag;

typedef struct fo_flags {
    fo_flag *items;
    size_t n;
    size_t cap;
} fo_flags;

/* The flags of a verb: its own, then settings, then those of every verb. verb NULL: the last group alone. */
finops_code fo_flags_of(const fo_verb *verb, fo_flags *ret, finops_error **err);
void fo_flags_done(fo_flags *flags);
/* Whether a flag takes a value, and what stands for it in help: "FILE", "WORD", ... */
bool fo_flag_takes_value(const fo_flag *flag);
const char *fo_flag_placeholder(const fo_flag *flag);
/* The section and row of a dotted setting; NULL when there is none. */
const finops_option *fo_setting_find(const char *key, const fo_config_section **ret_section);

typedef struct fo_parsed {
    const fo_verb *verb;
    fo_globals globals;
    void *options; /* verb->options_size bytes, defaults and flags filled in */
    fo_flags flags;
    char **args; /* borrowed from argv */
    size_t n_args;
    fo_config_override *overrides; /* spelling is borrowed from flags, value from argv or owned by `values` */
    size_t n_overrides;
    fo_strv values;
} fo_parsed;

/* Reads words (without program and verb). FINOPS_E_USAGE says what is wrong and the hint what to write. */
finops_code fo_flags_parse(const fo_verb *verb, char *const *words, size_t n, fo_parsed *ret,
                           finops_error **err);
/* What can only be said once all is read: required and dependent flags, the number of arguments. */
finops_code fo_flags_check(const fo_parsed *parsed, finops_error **err);
void fo_parsed_done(fo_parsed *parsed);
/* Whether a flag was on the command line: "--format". */
bool fo_parsed_given(const fo_parsed *parsed, const char *name);
/* The format named by --format; FO_FORMAT_TABLE when there was none. */
fo_out_format fo_parsed_format(const fo_parsed *parsed);

/* ---- find.c: from words to a verb ---- */

/*
 * The verb that words[0..n) begin with and how many words it took (1 or 2); flags of every verb may stand
 * before it, they are skipped and counted in *ret_at. *ret_verb is NULL when there is no word at all.
 * FINOPS_E_USAGE for an unknown one.
 */
typedef struct fo_found {
    const fo_verb *verb; /* NULL: none; see group */
    const char *group;   /* first word that is a group's name ("aws") and no verb, or NULL */
    size_t at;           /* index of its first word */
    size_t used;         /* words it took */
} fo_found;
finops_code fo_verb_find(char *const *words, size_t n, fo_found *ret, finops_error **err);
/* The verb of exactly this name or NULL. */
const fo_verb *fo_verb_named(const char *name);
bool fo_verb_group(const char *word);

/* ---- help.c ---- */
finops_code fo_help_overview(fo_str *out, unsigned width, bool colour, finops_error **err);
finops_code fo_help_group(fo_str *out, const char *group, unsigned width, bool colour, finops_error **err);
finops_code fo_help_verb(fo_str *out, const fo_verb *verb, unsigned width, bool colour, finops_error **err);
/* The sentence of a flag with its values and default: "How rows are printed: table, json or csv (default
 * table)." */
void fo_help_flag_text(fo_str *out, const fo_flag *flag);

/* ---- completion.c, manual.c ---- */
finops_code fo_completion_script(fo_str *out, const char *shell, finops_error **err);
finops_code fo_manual_man(fo_str *out, finops_error **err);
finops_code fo_manual_markdown(fo_str *out, finops_error **err);

/* ---- term.c ---- */
bool fo_term_colour(int fd, bool no_color);
unsigned fo_term_width(int fd); /* 0: no terminal */

/* ---- out.c: writing results ---- */
/* Writes and empties buf. FINOPS_E_IO with "write the output: ..." on failure. */
finops_code fo_out_flush(FILE *out, fo_str *buf, finops_error **err);
/* The same once buf holds more than 64 KiB. */
finops_code fo_out_maybe(FILE *out, fo_str *buf, finops_error **err);
/* Whether all that was printed with stdio went out. */
finops_code fo_out_check(FILE *out, finops_error **err);
/* The reader of our output went away (`finops ... | head`): no failure of ours, nothing to say. */
bool fo_out_closed(void);
/* For writers of a descriptor that do not come by here: looks whether its reader went away. */
void fo_out_notice_closed(int fd);

#endif
