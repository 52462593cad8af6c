/* Schemas: which one a table without one is in, and making one. */
#include <assert.h>

#include "base/mem.h"
#include "database/front_internal.h"

const char *
fo_front_own_schema(const finops_capabilities *c)
{
    switch (c->dialect) {
    case FINOPS_DIALECT_DUCKDB:
        return "main";
    case FINOPS_DIALECT_POSTGRESQL:
        return "public";
    default:
        return NULL;
    }
}

const char *
fo_session_own_schema(const finops_session *session)
{
    return fo_front_own_schema(fo_session_capabilities(session));
}

/* Asked first: some servers refuse CREATE SCHEMA to those who may not create one, though it is there. */
static finops_code
schema_is_there(finops_session *session, const char *schema, bool *ret, finops_error **err)
{
    static const char ask[] = "SELECT 1 FROM information_schema.schemata WHERE schema_name = $1";
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc = FINOPS_OK;

    if (fo_session_capabilities(session)->dialect != FINOPS_DIALECT_GENERIC)
        rc = fo_session_rows(session, ask, &schema, 1, &rows, err);
    *ret = rows && fo_rows_count(rows) > 0;
    return rc;
}

/* Under a lock: of two sessions that make one schema at once PostgreSQL lets one fail, IF NOT EXISTS or not.
 */
finops_code
fo_session_make_schema(finops_session *session, const char *schema, finops_error **err)
{
    static const char lock[] = "finops schema";
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    const finops_capabilities *c = fo_session_capabilities(session);
    bool there = false, locks = fo_session_driver(session)->lock && fo_session_driver(session)->unlock;
    finops_code rc;

    assert(!fo_session_in_transaction(session));
    if (!(c->features & FINOPS_DATABASE_SCHEMAS))
        return FINOPS_OK;
    rc = schema_is_there(session, schema, &there, err);
    if (rc != FINOPS_OK || there)
        return rc;
    fo_str_add(&sql, "CREATE SCHEMA IF NOT EXISTS ");
    fo_front_ident(c, schema, &sql);
    rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK && locks)
        rc = fo_session_lock(session, lock, NULL, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = fo_session_exec(session, fo_str_z(&sql), NULL, 0, NULL, err);
    if (locks)
        (void)fo_session_unlock(session, lock, NULL);
    return rc;
}
