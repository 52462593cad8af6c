/* Making tables for rows, and giving them the columns they lack. */
#include "database/postgresql/table.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"

static finops_code
add_columns(const fo_pg_encoder *e, fo_str *sql, finops_error **err)
{
    for (size_t i = 0; i < e->n; i++) {
        const fo_pg_source *source = &e->source.children[i];
        finops_code rc;

        if (i > 0)
            fo_str_add(sql, ", ");
        rc = fo_pg_ident(sql, source->name, err);
        fo_str_addc(sql, ' ');
        if (rc == FINOPS_OK)
            rc = fo_pg_source_type(source, sql, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    return FINOPS_OK;
}

finops_code
fo_pg_table_sql(const fo_pg_encoder *e, const fo_pg_new_table *what, fo_str *sql, finops_error **err)
{
    finops_code rc;

    fo_str_addf(sql, "CREATE %sTABLE ", what->unlogged ? "UNLOGGED " : "");
    rc = fo_pg_table(sql, what->schema, what->table, err);
    fo_str_add(sql, " (");
    if (rc == FINOPS_OK)
        rc = add_columns(e, sql, err);
    fo_str_addc(sql, ')');
    if (rc == FINOPS_OK && what->partition_column) {
        fo_str_add(sql, " PARTITION BY LIST (");
        rc = fo_pg_ident(sql, what->partition_column, err);
        fo_str_addc(sql, ')');
    }
    return rc == FINOPS_OK ? fo_str_check(sql, err) : rc;
}

finops_code
fo_pg_table_create(fo_pg_conn *c, const fo_pg_encoder *e, const fo_pg_new_table *what, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    finops_code rc = fo_pg_table_sql(e, what, &sql, err);

    return rc == FINOPS_OK ? fo_pg_run(c, fo_str_z(&sql), NULL, 0, NULL, err) : rc;
}

finops_code
fo_pg_name_for(const char *prefix, const char *what, const char *more, char ret[PG_IDENT_MAX + 1],
               finops_error **err)
{
    FO_AUTO(fo_freep) char *text = fo_format("%s\n%s", what, more);
    char hex[FO_SHA256_HEX];
    finops_code rc;

    if (!text)
        return fo_error_oom(err);
    rc = fo_sha256_hex(text, strlen(text), hex, err);
    if (rc == FINOPS_OK)
        (void)snprintf(ret, PG_IDENT_MAX + 1, "%s_%.16s", prefix, hex);
    return rc;
}

finops_code
fo_pg_stage_name(const fo_pg_conn *c, const char *table, char ret[PG_IDENT_MAX + 1], finops_error **err)
{
    char more[64];

    (void)snprintf(more, sizeof(more), "%d %lld", PQbackendPID(c->pg), (long long)fo_clock_now());
    return fo_pg_name_for(PG_STAGE_PREFIX, table, more, ret, err);
}

/* The lock ends with the transaction. Two that make the same table at once would both fail otherwise. */
finops_code
fo_pg_table_find(fo_pg_conn *c, const char *schema, const char *table, fo_pg_columns_list *ret,
                 finops_error **err)
{
    FO_AUTO(fo_freep) char *name = fo_format("finops table:%s.%s", schema ? schema : "", table);
    const char *const params[] = { name };
    finops_code rc;

    assert(fo_pg_in_transaction(c));
    if (!name)
        return fo_error_oom(err);
    rc = fo_pg_table_columns(c, schema, table, ret, err);
    if (rc != FINOPS_OK || ret->exists)
        return rc;
    rc = fo_pg_run(c, "SELECT pg_advisory_xact_lock(hashtext($1))", params, 1, NULL, err);
    return rc == FINOPS_OK ? fo_pg_table_columns(c, schema, table, ret, err) : rc;
}

static bool
has_column(const fo_pg_columns_list *columns, const char *name)
{
    for (size_t i = 0; i < columns->n; i++)
        if (fo_streq(columns->items[i].name, name))
            return true;
    return false;
}

finops_code
fo_pg_table_widen(fo_pg_conn *c, const fo_pg_encoder *e, const fo_pg_columns_list *columns,
                  const char *schema, const char *table, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    finops_code rc;
    bool any = false;

    fo_str_add(&sql, "ALTER TABLE ");
    rc = fo_pg_table(&sql, schema, table, err);
    for (size_t i = 0; i < e->n && rc == FINOPS_OK; i++) {
        const fo_pg_source *source = &e->source.children[i];

        if (has_column(columns, source->name))
            continue;
        fo_str_add(&sql, any ? ", ADD COLUMN IF NOT EXISTS " : " ADD COLUMN IF NOT EXISTS ");
        any = true;
        rc = fo_pg_ident(&sql, source->name, err);
        fo_str_addc(&sql, ' ');
        if (rc == FINOPS_OK)
            rc = fo_pg_source_type(source, &sql, err);
    }
    if (rc == FINOPS_OK && any)
        rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK && any ? fo_pg_run(c, fo_str_z(&sql), NULL, 0, NULL, err) : rc;
}
