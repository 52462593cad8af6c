/*
 * One case while it runs, and what the files of cases share. A case is a function of bool: true when what it
 * says is so. The helpers return false after they wrote down why, so that a case is one chain of &&.
 */
#ifndef FO_CONFORMANCE_TRIAL_H
#define FO_CONFORMANCE_TRIAL_H

#include "base/str.h"
#include "conformance/batch.h"
#include "conformance/conformance.h"
#include "conformance/result.h"
#include "conformance/ruling.h"
#include "database/session.h"

typedef struct fo_trial fo_trial;

typedef struct fo_case {
    const char *name; /* the sentence it proves */
    uint64_t needs;   /* FINOPS_DATABASE_* all of which must be claimed */
    bool (*run)(fo_trial *t);
    const void *data;         /* what a generated case is about */
    unsigned mode;            /* and how */
    bool is_long;             /* only with --long */
    const char *const *hooks; /* all of which must be there, NULL-ended; NULL: none */
    uint64_t unless;          /* FINOPS_DATABASE_* none of which may be claimed */
} fo_case;

/* The cases of one file. Those of `make`, generated, follow the listed ones; it returns false after the last,
 * and may use `name` for the sentence. */
#define FO_CASE_NAME 200
typedef struct fo_case_area {
    const char *name;
    const fo_case *cases;
    size_t n;
    bool (*make)(size_t index, fo_case *ret, char name[FO_CASE_NAME]);
} fo_case_area;

extern const fo_case_area *const fo_case_areas[];

struct fo_trial {
    const fo_case *c;
    const fo_conformance_options *options;
    finops_database *database;            /* the front door */
    finops_session *session;              /* of this case alone */
    const finops_database_driver *driver; /* for what the front door does not offer */
    finops_capabilities caps;
    const char *schema; /* of this run, raw */
    unsigned serial;    /* of the case: part of its tables' names */
    fo_strv texts;      /* what fo_trial_table and fo_trial_sql handed out */
    fo_ruling ruling;
    const char *broken; /* the table that hooks are told, raw */
    /* The hook that undoes one that was run, see fault.h; atomic: the watchdog runs it when the case hangs.
     */
    const char *_Atomic mend;
};

/* ---- judgement ---- */

/* Writes down why, unless a reason was there before. Always false. */
bool fo_trial_fail(fo_trial *t, const char *fmt, ...) FO_PRINTF(2, 3);
/* The case is about something this driver does not offer; the reason. Always false. */
bool fo_trial_skip(fo_trial *t, const char *fmt, ...) FO_PRINTF(2, 3);
bool fo_trial_true(fo_trial *t, bool is, const char *fmt, ...) FO_PRINTF(3, 4);
/* That a call succeeded; frees *err. */
bool fo_trial_ok(fo_trial *t, finops_code rc, finops_error **err, const char *what);
/* That a call failed with this code and said something; frees *err. */
bool fo_trial_fails(fo_trial *t, finops_code rc, finops_code want, finops_error **err, const char *what);
/* ... or with one of two. */
bool fo_trial_fails_either(fo_trial *t, finops_code rc, finops_code want, finops_code other,
                           finops_error **err, const char *what);
/* ... or with any, as long as it says why. */
bool fo_trial_refused(fo_trial *t, finops_code rc, finops_error **err, const char *what);

/* ---- names and statements; texts live as long as the trial ---- */

/* The table's raw name: "t012_a". */
const char *fo_trial_name(fo_trial *t, const char *table);
/* Any identifier in the database's quotes. */
const char *fo_trial_quote(fo_trial *t, const char *identifier);
/* schema.table as statements spell it; without FINOPS_DATABASE_SCHEMAS "schema__table". Raw names in. */
const char *fo_trial_qualified(fo_trial *t, const char *schema, const char *table);
/* The statement with each {x} become the qualified table x of this case. */
const char *fo_trial_sql(fo_trial *t, const char *sql);
const char *fo_trial_keep(fo_trial *t, const char *fmt, ...) FO_PRINTF(2, 3);

/* ---- statements on a session; NULL: the trial's ---- */

finops_code fo_trial_run(fo_trial *t, finops_session *s, const finops_statement *statement, fo_result *ret,
                         finops_error **err);
/* Both take {x}. */
bool fo_trial_exec(fo_trial *t, finops_session *s, const char *sql);
bool fo_trial_exec_fails(fo_trial *t, finops_session *s, const char *sql, finops_code want);
bool fo_trial_exec_refused(fo_trial *t, finops_session *s, const char *sql);
/* That the result, read as text, is "cell|cell;cell|cell", NULL as "NULL". */
bool fo_trial_expect(fo_trial *t, finops_session *s, const char *sql, const char *want);
/* The same after parameters. */
bool fo_trial_expect_with(fo_trial *t, const char *sql, const char *const *params, size_t n,
                          const char *want);
bool fo_trial_count(fo_trial *t, finops_session *s, const char *table, int64_t want);
bool fo_trial_tx_begin(fo_trial *t, finops_session *s);
bool fo_trial_tx_commit(fo_trial *t, finops_session *s);
bool fo_trial_tx_rollback(fo_trial *t, finops_session *s);
/* Another session of the same database; fo_trial_close gives it back. */
bool fo_trial_open(fo_trial *t, unsigned flags, finops_session **ret);
void fo_trial_closep(finops_session **s);

/* ---- rows ---- */

/* Any write; schema and table of `write` stand as they are. Checks that the stream is released once. */
finops_code fo_trial_write_at(fo_trial *t, finops_session *s, const finops_write *write,
                              const fo_batch_spec *spec, finops_write_result *ret, finops_error **err);
/* The raw outcome of writing a spec into a table of this case. */
finops_code fo_trial_write_raw(fo_trial *t, finops_session *s, const char *table, finops_write_mode mode,
                               const fo_batch_spec *spec, finops_write_result *ret, finops_error **err);
/* That it works, that the result counts the rows and that the stream was released once. */
bool fo_trial_write(fo_trial *t, finops_session *s, const char *table, finops_write_mode mode,
                    const fo_batch_spec *spec);
bool fo_trial_write_fails(fo_trial *t, const char *table, finops_write_mode mode, const fo_batch_spec *spec,
                          finops_code want);
/* A table of one column i of int64 with the values first .. first + n - 1. */
bool fo_trial_numbers(fo_trial *t, finops_session *s, const char *table, finops_write_mode mode,
                      int64_t first, int64_t n);
/* Adds those numbers to a table that is there. */
bool fo_trial_add(fo_trial *t, finops_session *s, const char *table, int64_t first, int64_t n);

/* Replaces a partition; schema and table of `partition` may be NULL: this run's schema, table "a". */
finops_code fo_trial_replace_at(fo_trial *t, finops_session *s, const finops_partition *partition,
                                const fo_batch_spec *spec, finops_write_result *ret, finops_error **err);
bool fo_trial_replace(fo_trial *t, finops_session *s, const finops_partition *partition,
                      const fo_batch_spec *spec);

/* ---- columns ---- */

typedef struct fo_found_column {
    bool found;
    finops_column_type type;
    int precision, scale;
    bool nullable;
    bool has_native;
} fo_found_column;
/* What `columns` tells of one; *ret_n (may be NULL) gets how many there are. */
bool fo_trial_column(fo_trial *t, const char *table, const char *column, fo_found_column *ret, size_t *ret_n);

#endif
