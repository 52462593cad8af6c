/*
 * Options: what a module can be told, declared once.
 *
 * From a row come the TOML/YAML key, the environment name, the --flag, the help line, the reference page, the
 * JSON schema, the range check and redaction. A table ends with a row whose name is NULL.
 */
#ifndef FINOPS_SYS_OPTION_H
#define FINOPS_SYS_OPTION_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum finops_option_type {
    FINOPS_OPT_STRING = 0, /* char *, owned by the filled struct; NULL when unset and without default */
    FINOPS_OPT_BOOL,       /* bool */
    FINOPS_OPT_INT,        /* int64_t */
    FINOPS_OPT_SIZE,       /* uint64_t bytes: 512, 8MiB, 2GB */
    FINOPS_OPT_ENUM,       /* char *, one of the words of `allow` */
    FINOPS_OPT_DATE,       /* char *, YYYY-MM-DD or YYYY-MM */
    FINOPS_OPT_LIST /* char **, NULL-ended: repeated flag, TOML/YAML array, or commas in the environment */
} finops_option_type;

enum {
    FINOPS_OPT_REQUIRED = 1 << 0, /* an error when nothing sets it */
    FINOPS_OPT_SECRET = 1 << 1,   /* never a flag, never printed */
    FINOPS_OPT_NO_FLAG = 1 << 2,  /* configuration only */
    FINOPS_OPT_FLAG_ONLY = 1 << 3 /* command line only */
};

typedef struct finops_option {
    const char *name; /* snake_case; the flag is the same with '-' for '_' */
    finops_option_type type;
    size_t offset;     /* where the value goes in the struct the table fills */
    unsigned flags;    /* FINOPS_OPT_* bits */
    const char *value; /* default as text, NULL: none */
    const char *allow; /* ENUM: words separated by blanks */
    int64_t min, max;  /* INT and SIZE: checked when max is not 0 */
    const char *env; /* further environment names, separated by blanks, after OPEN_FINOPS_<SECTION>_<NAME> */
    const char *needs; /* another option of the table that must be set too */
    const char *arg;   /* placeholder in help, e.g. "PATH"; NULL: from the type */
    const char *help;  /* one sentence */
} finops_option;

/* One option of a configuration, as text: { "host", "localhost" }. */
typedef struct finops_setting {
    const char *name;
    const char *value;
} finops_setting;

#ifdef __cplusplus
}
#endif
#endif
