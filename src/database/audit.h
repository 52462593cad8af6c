/*
 * The audit log: a line of JSON for everything that changed something in a database, each with the SHA-256 of
 * the line before it, so that a line that was changed, removed or put in later shows.
 *
 * Any number of threads and processes may append to one file. What cannot be written is kept and tried again;
 * until it is written, fo_audit_ready() fails and nothing more is changed.
 */
#ifndef FO_DATABASE_AUDIT_H
#define FO_DATABASE_AUDIT_H

#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"

typedef struct fo_audit fo_audit;

typedef struct fo_audit_event {
    const char *backend;   /* "postgresql" */
    const char *operation; /* "write", "replace", "create table", "commit" */
    const char *object;    /* "aws_billing.bills", NULL: none in particular */
    int64_t rows;          /* -1: unknown */
    int64_t micros;        /* how long it took */
    finops_code outcome;
} fo_audit_event;

/* Makes the file (0600) and its folder when they are missing. */
finops_code fo_audit_open(const char *path, fo_audit **ret, finops_error **err) FO_MUST_USE;
/* What is still unwritten is tried once more and else said on standard error. NULL is fine. */
void fo_audit_close(fo_audit *audit);
/* Asked before anything is changed. Any thread. */
finops_code fo_audit_ready(fo_audit *audit, finops_error **err) FO_MUST_USE;
/* Told after it was done, well or not. Any thread. */
void fo_audit_add(fo_audit *audit, const fo_audit_event *event);

typedef struct fo_audit_summary {
    uint64_t lines;
    char last[FO_SHA256_HEX]; /* of the last line: noted elsewhere, it proves that nothing was cut off */
    bool known_seen;          /* the hash that was asked for is one of the lines' */
} fo_audit_summary;

/*
 * Reads a whole log. FINOPS_E_CORRUPT names the first line that is wrong. known (may be NULL): a hash noted
 * earlier; FINOPS_E_CORRUPT when no line has it any more.
 */
finops_code fo_audit_verify(const char *path, const char *known, fo_audit_summary *ret,
                            finops_error **err) FO_MUST_USE;

/* "{"prev":"" and the hash open each line; of the first it is all zeros. */
#define FO_AUDIT_HEAD "{\"prev\":\""
#define FO_AUDIT_LINE_MAX 4096
void fo_audit_first(char hex[FO_SHA256_HEX]);

/* Shared with the audit table (audit_table.h). */
#define FO_AUDIT_ROW_MAX 8192 /* of an entry's text */
/* Who runs this, on which machine. The caller owns them; NULL: no memory. */
char *fo_audit_user(void);
char *fo_audit_host(void);
/* "key":"text" as JSON; bytes that are no UTF-8 become "?". */
void fo_audit_text(fo_str *s, const char *key, const char *text);
/* A copy in which such bytes are "?". NULL: no memory. */
char *fo_audit_clean(const char *text);

#define FO_AUDIT_NAME 200
/*
 * What a statement changes, by its first words: operation "create table", object "aws.bills". False for one
 * that only reads or is about the connection. Literals of a statement are never told: they may be secrets.
 */
bool fo_audit_statement(const char *sql, char operation[FO_AUDIT_NAME], char object[FO_AUDIT_NAME]);
/* *io_open becomes true after a statement that begins a transaction, false after one that ends it. */
void fo_statement_transaction(const char *sql, bool *io_open);

#endif
