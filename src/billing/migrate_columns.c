/*
 * Columns on their way. Where the target has all months in one table, or is no DuckDB, each becomes the type
 * that the dictionary says, by the casts of the unified view; a table of its own in a DuckDB file keeps the
 * types it had.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "billing/columns.h"
#include "billing/migrate_internal.h"
#include "billing/names.h"

void
fo_migrate_columns_done(fo_migrate_columns *columns)
{
    fo_strv_done(&columns->names);
    fo_strv_done(&columns->expressions);
    fo_strv_done(&columns->casts);
    fo_strv_done(&columns->types);
    fo_strv_done(&columns->json);
    fo_strv_done(&columns->amounts);
}

typedef struct plan {
    const fo_migrate *m;
    const fo_bill_target *target;
    fo_migrate_columns *columns;
    bool source_duckdb, target_duckdb;
    size_t max; /* bytes of a name in the target; 0: no limit */
    finops_code rc;
    finops_error **err;
} plan;

static finops_code
plan_add(plan *p, const char *name, const char *expression, const char *cast, const char *type)
{
    fo_migrate_columns *c = p->columns;
    bool ok = fo_strv_add(&c->names, name) && fo_strv_add(&c->expressions, expression) &&
              fo_strv_add(&c->casts, cast) && fo_strv_add(&c->types, type);

    return ok ? FINOPS_OK : fo_error_oom(p->err);
}

/* Out of a DuckDB: the source casts. */
static finops_code
plan_duckdb(plan *p, const finops_column *column, const char *name)
{
    FO_AUTO(fo_str_done) fo_str expression = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str plain = FO_STR_INIT;
    const char *type = column->native;

    fo_sql_ident(&plain, name);
    if (p->target->single || !p->target_duckdb)
        type = fo_unified_cast(column->name, column->native, &expression);
    else
        fo_sql_ident(&expression, column->name);
    finops_code rc = fo_str_check(&expression, p->err);
    if (rc == FINOPS_OK)
        rc = fo_str_check(&plain, p->err);
    return rc == FINOPS_OK ? plan_add(p, name, fo_str_z(&expression), fo_str_z(&plain), type) : rc;
}

/* What a DuckDB keeps a column of another database as. */
static void
foreign_type(const finops_column *column, fo_str *type)
{
    static const char *const names[] = {
        [FINOPS_TYPE_OTHER] = "VARCHAR",
        [FINOPS_TYPE_BOOL] = "BOOLEAN",
        [FINOPS_TYPE_INT] = "BIGINT",
        [FINOPS_TYPE_DOUBLE] = "DOUBLE",
        [FINOPS_TYPE_TEXT] = "VARCHAR",
        [FINOPS_TYPE_BYTES] = "BLOB",
        [FINOPS_TYPE_DATE] = "DATE",
        [FINOPS_TYPE_JSON] = "MAP(VARCHAR, VARCHAR)",
        [FINOPS_TYPE_TIMESTAMP] = "TIMESTAMP",
        [FINOPS_TYPE_TIMESTAMP_TZ] = "TIMESTAMP",
        [FINOPS_TYPE_MAP] = "MAP(VARCHAR, VARCHAR)",
    };
    const fo_column_entry *entry = fo_column_find(column->name);

    if (column->type == FINOPS_TYPE_JSON && entry && entry->kind == FO_COLUMN_MAP_DECIMAL)
        fo_str_add(type, fo_column_sql_type(entry->kind));
    else if (column->type == FINOPS_TYPE_DECIMAL && column->precision > 0)
        fo_str_addf(type, "DECIMAL(%d,%d)", column->precision, column->scale);
    else if (column->type == FINOPS_TYPE_DECIMAL)
        fo_str_add(type, "DECIMAL(38,18)");
    else
        fo_str_add(type, (size_t)column->type < FO_COUNT(names) && names[column->type] ? names[column->type]
                                                                                       : "VARCHAR");
}

/* A DuckDB reads numbers of JSON as doubles: where it can, the source makes texts of them. */
static void
json_expression(const plan *p, const char *ident, fo_str *sql)
{
    if (p->target_duckdb && fo_database_dialect(p->m->source) == FINOPS_DIALECT_POSTGRESQL)
        fo_str_addf(
            sql,
            "CASE WHEN %s IS NULL THEN NULL ELSE (SELECT coalesce(jsonb_object_agg(k, v #>> '{}'), '{}') "
            "FROM jsonb_each(CAST(%s AS jsonb)) AS pairs(k, v)) END",
            ident, ident);
    else
        fo_str_add(sql, ident);
}

/* A JSON object is a map in a DuckDB. */
static finops_code
plan_json(plan *p, const char *ident, const char *name, const char *type)
{
    FO_AUTO(fo_str_done) fo_str expression = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str cast = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str plain = FO_STR_INIT;
    bool amounts = strcmp(type, "MAP(VARCHAR, VARCHAR)") != 0;

    json_expression(p, ident, &expression);
    fo_sql_ident(&plain, name);
    fo_str_addf(&cast, "CAST(CAST(CAST(%s AS JSON) AS MAP(VARCHAR, VARCHAR)) AS %s)", fo_str_z(&plain), type);
    if (!fo_strv_add(&p->columns->json, name) || (amounts && !fo_strv_add(&p->columns->amounts, name)))
        return fo_error_oom(p->err);
    finops_code rc = fo_str_check(&expression, p->err);
    if (rc == FINOPS_OK)
        rc = fo_str_check(&cast, p->err);
    return rc == FINOPS_OK ? plan_add(p, name, fo_str_z(&expression), fo_str_z(&cast), type) : rc;
}

/* Out of another database: a DuckDB casts what comes. Its times are UTC without a zone. */
static finops_code
plan_foreign(plan *p, const finops_column *column, const char *name)
{
    FO_AUTO(fo_str_done) fo_str ident = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str plain = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str cast = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str type = FO_STR_INIT;

    p->columns->cast |= p->target_duckdb;
    fo_sql_ident(&ident, column->name);
    fo_sql_ident(&plain, name);
    foreign_type(column, &type);
    if (column->type == FINOPS_TYPE_JSON)
        return plan_json(p, fo_str_z(&ident), name, fo_str_z(&type));
    if (column->type == FINOPS_TYPE_TIMESTAMP_TZ)
        fo_str_addf(&cast, "make_timestamp(epoch_us(%s))", fo_str_z(&plain));
    else
        fo_str_addf(&cast, "CAST(%s AS %s)", fo_str_z(&plain), fo_str_z(&type));
    finops_code rc = fo_str_check(&ident, p->err);
    if (rc == FINOPS_OK)
        rc = fo_str_check(&cast, p->err);
    return rc == FINOPS_OK ? plan_add(p, name, fo_str_z(&ident), fo_str_z(&cast), fo_str_z(&type)) : rc;
}

static bool
plan_column(const finops_column *column, void *arg)
{
    plan *p = arg;
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;

    if (fo_streq(column->name, "billing_period")) /* is told by the month */
        return true;
    p->rc = fo_bill_cut(column->name, p->max, &name, p->err);
    if (p->rc == FINOPS_OK)
        p->rc = p->source_duckdb ? plan_duckdb(p, column, fo_str_z(&name))
                                 : plan_foreign(p, column, fo_str_z(&name));
    return p->rc == FINOPS_OK;
}

static finops_code
plan_period(plan *p, const char *period)
{
    FO_AUTO(fo_str_done) fo_str expression = FO_STR_INIT;

    fo_str_add(&expression, "CAST(");
    fo_sql_literal(&expression, period);
    fo_str_add(&expression, " AS VARCHAR)");
    finops_code rc = fo_str_check(&expression, p->err);
    return rc == FINOPS_OK ? plan_add(p, "billing_period", fo_str_z(&expression), "billing_period", "VARCHAR")
                           : rc;
}

finops_code
fo_migrate_columns_plan(const fo_migrate *m, const fo_bill_target *target, const fo_migrate_month *month,
                        fo_migrate_columns *ret, finops_error **err)
{
    finops_capabilities can;
    plan p = { .m = m, .target = target, .columns = ret, .err = err };

    assert(m->target);
    fo_database_capabilities(m->target, &can);
    p.max = can.max_identifier;
    p.target_duckdb = can.dialect == FINOPS_DIALECT_DUCKDB;
    p.source_duckdb = fo_database_dialect(m->source) == FINOPS_DIALECT_DUCKDB;
    if (target->single)
        p.rc = plan_period(&p, month->key.period);
    if (p.rc != FINOPS_OK)
        return p.rc;
    finops_code rc = finops_session_columns(fo_database_session(m->source), month->schema, month->table,
                                            plan_column, &p, err);
    if (p.rc != FINOPS_OK)
        return p.rc;
    if (rc == FINOPS_OK && ret->names.n <= (size_t)target->single)
        rc = fo_error_set(err, FINOPS_E_NOT_FOUND, "table %s.%s of the source is not there", month->schema,
                          month->table);
    return rc;
}
