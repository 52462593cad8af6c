/* A row of the audit table, as it is written and as it is checked. */
#ifndef FO_DATABASE_AUDIT_ROW_H
#define FO_DATABASE_AUDIT_ROW_H

#include "base/str.h"
#include "database/audit.h"
#include "finops/sys/database_driver.h"

/* The columns in order; the names are in audit_row.c. */
enum {
    FO_AUDIT_SEQ,
    FO_AUDIT_TIME,
    FO_AUDIT_USER,
    FO_AUDIT_HOST,
    FO_AUDIT_PID,
    FO_AUDIT_BACKEND,
    FO_AUDIT_OPERATION,
    FO_AUDIT_OBJECT,
    FO_AUDIT_ROWS,
    FO_AUDIT_MICROS,
    FO_AUDIT_OUTCOME,
    FO_AUDIT_PREV,
    FO_AUDIT_HASH,
    FO_AUDIT_COLUMNS
};

/* Where the table is: "schema.table" cut in two; schema NULL: the database's own. */
typedef struct fo_audit_place {
    char *schema, *table;
} fo_audit_place;
finops_code fo_audit_place_parse(const char *name, fo_audit_place *ret, finops_error **err) FO_MUST_USE;
void fo_audit_place_done(fo_audit_place *place);
/* The schema as it is given to a driver. */
const char *fo_audit_place_schema(const fo_audit_place *place, const finops_capabilities *c);

/* "CREATE TABLE …", "INSERT INTO … VALUES" for n rows, whose cells are the parameters, and what is asked:
 * the last row's number and hash, whether a hash is there, the rows after a number. */
void fo_audit_sql_create(const fo_audit_place *place, const finops_capabilities *c, fo_str *ret);
void fo_audit_sql_insert(const fo_audit_place *place, const finops_capabilities *c, size_t n, fo_str *ret);
void fo_audit_sql_last(const fo_audit_place *place, const finops_capabilities *c, fo_str *ret);
void fo_audit_sql_has(const fo_audit_place *place, const finops_capabilities *c, fo_str *ret);
void fo_audit_sql_page(const fo_audit_place *place, const finops_capabilities *c, unsigned rows, fo_str *ret);

/* The SHA-256 of a row's cells (NULL for SQL NULL) but the hash itself, as one JSON object of texts. */
finops_code fo_audit_row_hash(const char *const *cells, char hex[FO_SHA256_HEX],
                              finops_error **err) FO_MUST_USE;

#endif
