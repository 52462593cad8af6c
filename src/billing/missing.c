/* A month's table that is gone: told by export and month, not in the words of the engine. */
#include "billing/missing.h"

#include <string.h>

#include "base/mem.h"
#include "billing/lines.h"

#define BEGINS "Table with name "
#define ENDS " does not exist"

/* The table that the engine did not find, NULL when that is not what the text says. */
static char *
missing_name(const char *text)
{
    const char *begin = strstr(text, BEGINS);
    const char *end = begin ? strstr(begin, ENDS) : NULL;

    if (!end)
        return NULL;
    begin += strlen(BEGINS);
    return fo_strndup(begin, (size_t)(end - begin));
}

/* Export, first and last month and their number, of the current months that the table holds; *ret stays NULL
 * when it holds none, or is there after all, in a schema that was not named. */
static finops_code
missing_months(fo_database *database, const char *table, fo_rows **ret, finops_error **err)
{
    FO_AUTO(fo_freep) char *schema = NULL;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    bool known = false;
    finops_code rc = fo_lines_state_extended(database, &known, err);

    if (rc == FINOPS_OK)
        rc = fo_lines_schema_of(database, "", table, &schema, err);
    if (rc != FINOPS_OK || !known || schema)
        return rc;
    fo_str_add(&sql, "SELECT export_name, min(billing_period), max(billing_period), count(*) "
                     "FROM billing_state.load_state WHERE current_version AND table_name = ");
    fo_sql_literal(&sql, table);
    fo_str_add(&sql, " GROUP BY export_name");
    rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_rows(database, fo_str_z(&sql), &rows, err);
    if (rc == FINOPS_OK && fo_rows_count(rows) > 0)
        *ret = FO_TAKE(rows);
    return rc;
}

finops_code
fo_bill_explain_missing(fo_database *database, finops_code rc, finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    FO_AUTO(fo_freep) char *table = NULL;
    const char *name, *first, *last;

    if ((rc != FINOPS_E_NOT_FOUND && rc != FINOPS_E_DATABASE) || !database || !err || !*err)
        return rc;
    table = missing_name(finops_error_text(*err));
    if (!table || missing_months(database, table, &rows, NULL) != FINOPS_OK || !rows)
        return rc;
    name = fo_rows_text(rows, 0, 0);
    first = fo_rows_text(rows, 0, 1);
    last = fo_rows_text(rows, 0, 2);
    bool one = fo_streq(first, last);
    (void)fo_error_set(err, FINOPS_E_NOT_FOUND,
                       "the table %s with %s %s%s%s is missing: it was loaded, and dropped by another "
                       "program",
                       table, name, first, one ? "" : " to ", one ? "" : last);
    fo_error_hint(err,
                  "load it again: finops aws import-cur --force --export-name %s --start-date %s "
                  "--end-date %s",
                  name, first, last);
    return FINOPS_E_NOT_FOUND;
}
