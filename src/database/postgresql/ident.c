/* Names and texts inside statements; everything else travels as a parameter. */
#include <assert.h>
#include <string.h>

#include "database/postgresql/postgresql_internal.h"

static void
quoted(fo_str *sql, const char *text, char quote)
{
    fo_str_addc(sql, quote);
    for (const char *p = text; *p; p++) {
        if (*p == quote)
            fo_str_addc(sql, quote);
        fo_str_addc(sql, *p);
    }
    fo_str_addc(sql, quote);
}

finops_code
fo_pg_ident(fo_str *sql, const char *name, finops_error **err)
{
    size_t n = strlen(name);

    assert(sql);
    if (n == 0)
        return fo_error_set(err, FINOPS_E_DATA, "a name is empty");
    if (n > PG_IDENT_MAX)
        return fo_error_set(err, FINOPS_E_DATA, "the name %s has %zu bytes, PostgreSQL keeps %d", name, n,
                            PG_IDENT_MAX);
    if (!fo_utf8_valid(name, n, NULL))
        return fo_error_set(err, FINOPS_E_DATA, "a name is not UTF-8");
    quoted(sql, name, '"');
    return FINOPS_OK;
}

finops_code
fo_pg_table(fo_str *sql, const char *schema, const char *table, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (schema) {
        rc = fo_pg_ident(sql, schema, err);
        fo_str_addc(sql, '.');
    }
    return rc == FINOPS_OK ? fo_pg_ident(sql, table, err) : rc;
}

/* Backslashes mean themselves: standard_conforming_strings is on in every session of ours. */
void
fo_pg_literal(fo_str *sql, const char *text)
{
    assert(sql && text);
    quoted(sql, text, '\'');
}
