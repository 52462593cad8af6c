/*
 * The unified view: all current months of an export under one name, by column name, with one type for each
 * column.
 *
 * Tables of the earlier tool have guessed types (costs DOUBLE, accounts BIGINT); the view casts them to what
 * the dictionary says, so that one old month does not turn the exact decimals of all others into doubles.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "billing/columns.h"
#include "billing/names.h"
#include "billing/nested.h"
#include "billing/publish.h"
#include "billing/renames.h"
#include "billing_sql.h"

#define ALIAS_TEXT 24

/* Columns of the sources' rows. */
enum { SOURCE_TABLE, SOURCE_PERIOD, SOURCE_COLUMN, SOURCE_TYPE };

/*
 * The columns of all tables of the export's current months: table, period, column, type. Rows of the earlier
 * tool name no table, so theirs follows from the period. One statement for all: asking table by table takes
 * seconds where there are many months.
 */
static const char *
unified_sources_sql(finops_dialect dialect)
{
    if (dialect == FINOPS_DIALECT_POSTGRESQL)
        return fo_sql_sources_postgresql;
    return fo_sql_sources_duckdb;
}

static finops_code
unified_sources(fo_database *db, const fo_bill_target *target, fo_rows **ret, finops_error **err)
{
    const fo_param params[] = { target->vendor, target->export_name, target->schema, target->table_base };

    return fo_database_query(db, unified_sources_sql(fo_database_dialect(db)), params, FO_COUNT(params), ret,
                             err);
}

/* The row after the last one of the table that row `first` is of. */
static size_t
unified_end(const fo_rows *rows, size_t first)
{
    size_t end = first;

    while (end < fo_rows_count(rows) &&
           fo_streq(fo_rows_text(rows, end, SOURCE_TABLE), fo_rows_text(rows, first, SOURCE_TABLE)))
        end++;
    return end;
}

/* Adds "CAST(" what the earlier tool wrote as text or with a guessed type " AS " the type. It wrote None for
 * nothing. */
static void
cast_scalar(const char *name, const char *type, const char *want, fo_str *sql)
{
    bool text = strcmp(type, "VARCHAR") == 0 && strcmp(want, "VARCHAR") != 0;
    bool real = strcmp(type, "DOUBLE") == 0 || strcmp(type, "FLOAT") == 0;
    bool exact = real && fo_starts(want, "DECIMAL");

    fo_str_add(sql, text ? "CAST(nullif(nullif(" : exact ? "CAST(CAST(" : "CAST(");
    fo_sql_ident(sql, name);
    fo_str_addf(sql, "%s AS %s)", text ? ", ''), 'None')" : exact ? " AS VARCHAR)" : "", want);
}

const char *
fo_unified_cast(const char *name, const char *type, fo_str *sql)
{
    const fo_column_entry *entry = fo_column_find(name);
    fo_column_kind kind = entry ? entry->kind : FO_COLUMN_TEXT;
    const char *want = fo_column_sql_type(kind);
    bool nested = fo_nested_type(type) || fo_ends(type, "[]");
    bool integer = fo_ends(type, "INT") || fo_ends(type, "INTEGER");
    bool map = kind == FO_COLUMN_MAP || kind == FO_COLUMN_MAP_DECIMAL;
    bool account = kind == FO_COLUMN_TEXT && integer && fo_ends(name, "account_id");

    if (strcmp(type, want) == 0 || (nested && kind != FO_COLUMN_DECIMAL && kind != FO_COLUMN_TIMESTAMP)) {
        fo_sql_ident(sql, name);
        return type;
    }
    if (!map && !account) {
        cast_scalar(name, type, want, sql);
        return want;
    }
    fo_str_add(sql, map ? "TRY_CAST(TRY_CAST(" : "lpad(CAST(");
    fo_sql_ident(sql, name);
    if (map)
        fo_str_addf(sql, " AS JSON) AS %s)", want);
    else
        fo_str_add(sql, " AS VARCHAR), 12, '0')");
    return want;
}

/* One month's part of the view: what it has for each column. */
typedef fo_view_columns branch;

static finops_code
branch_add_key(const char *name, const char *expression, void *arg, finops_error **err)
{
    return fo_view_column_add(arg, name, expression, "", err);
}

static finops_code
branch_add_column(branch *b, const fo_rows *rows, size_t i, bool cast, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    const char *name = fo_rows_text(rows, i, SOURCE_COLUMN), *type = fo_rows_text(rows, i, SOURCE_TYPE);

    if (cast)
        type = fo_unified_cast(name, type, &sql);
    else
        fo_sql_ident(&sql, name);
    finops_code rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_view_column_add(b, name, fo_str_z(&sql), type, err) : rc;
}

/* Rows first..end are the columns of one table: those, the billing period, the keys of the nested ones. */
static finops_code
branch_make(const fo_bill_target *target, const fo_rows *rows, size_t first, size_t end,
            const fo_colnames *names, bool cast, branch *b, finops_error **err)
{
    const char *table = fo_rows_text(rows, first, SOURCE_TABLE);
    finops_code rc = FINOPS_OK;

    for (size_t i = first; rc == FINOPS_OK && i < end; i++)
        rc = branch_add_column(b, rows, i, cast, err);
    if (rc == FINOPS_OK && !fo_streq(table, target->table_base) &&
        !fo_strv_has(&b->names, "billing_period")) {
        FO_AUTO(fo_str_done) fo_str period = FO_STR_INIT;
        fo_str_add(&period, "CAST(");
        fo_sql_literal(&period, fo_rows_text(rows, first, SOURCE_PERIOD));
        fo_str_add(&period, " AS VARCHAR)");
        rc = fo_str_check(&period, err);
        if (rc == FINOPS_OK)
            rc = fo_view_column_add(b, "billing_period", fo_str_z(&period), "VARCHAR", err);
    }
    for (size_t i = first; rc == FINOPS_OK && i < end; i++) {
        const char *type = fo_rows_text(rows, i, SOURCE_TYPE);
        if (fo_nested_type(type))
            rc = fo_nested_expressions(names, fo_rows_text(rows, i, SOURCE_COLUMN), type, &b->names,
                                       branch_add_key, b, err);
    }
    if (rc == FINOPS_OK)
        rc = fo_renames_apply(names, cast ? FINOPS_DIALECT_DUCKDB : FINOPS_DIALECT_POSTGRESQL, b, NULL, err);
    return rc;
}

/* Every month's part. */
typedef struct unified {
    const fo_bill_target *target;
    const fo_rows *rows;
    branch *branches;
    const char **tables;
    size_t n;
    fo_strv columns; /* of the view, where it has to be told: those it has, then the others as they are met */
    fo_strv types;   /* of each of them */
} unified;

static void
unified_done(unified *u)
{
    for (size_t i = 0; i < u->n; i++)
        fo_view_columns_done(&u->branches[i]);
    fo_free(u->branches);
    fo_free(u->tables);
    fo_strv_done(&u->columns);
    fo_strv_done(&u->types);
}

static finops_code
unified_read(unified *u, const fo_colnames *names, bool cast, finops_error **err)
{
    size_t room = fo_rows_count(u->rows) + 1;
    finops_code rc = FINOPS_OK;

    u->branches = fo_array(room, sizeof(*u->branches));
    u->tables = fo_array(room, sizeof(*u->tables));
    if (!u->branches || !u->tables)
        return fo_error_oom(err);
    for (size_t first = 0, end; rc == FINOPS_OK && first < fo_rows_count(u->rows); first = end) {
        end = unified_end(u->rows, first);
        u->branches[u->n] = (branch){ 0 };
        u->tables[u->n] = fo_rows_text(u->rows, first, SOURCE_TABLE);
        u->n++;
        rc = branch_make(u->target, u->rows, first, end, names, cast, &u->branches[u->n - 1], err);
    }
    return rc;
}

static bool
is_nested(const char *type)
{
    return fo_bill_nested(type) || fo_streq(type, "jsonb");
}

/* Whether a column that is nested in one table is text in another. */
static bool
unified_has_text(const unified *u, const char *column)
{
    for (size_t i = 0; i < u->n; i++) {
        const branch *b = &u->branches[i];
        for (size_t c = 0; c < b->names.n; c++)
            if (fo_streq(b->names.items[c], column) &&
                (fo_streq(b->types.items[c], "VARCHAR") || fo_streq(b->types.items[c], "text")))
                return true;
    }
    return false;
}

/* Such a column is text in the view, in the nested months' JSON: no type holds both. */
static finops_code
branch_to_text(const unified *u, branch *b, bool duckdb, finops_error **err)
{
    for (size_t c = 0; c < b->names.n; c++) {
        if (!is_nested(b->types.items[c]) || !unified_has_text(u, b->names.items[c]))
            continue;
        char *expression =
            fo_format(duckdb ? "CAST(to_json(%s) AS VARCHAR)" : "CAST(%s AS text)", b->expressions.items[c]);
        char *type = fo_strdup(duckdb ? "VARCHAR" : "text");
        if (!expression || !type) {
            fo_free(expression);
            fo_free(type);
            return fo_error_oom(err);
        }
        fo_free(b->expressions.items[c]);
        fo_free(b->types.items[c]);
        b->expressions.items[c] = expression;
        b->types.items[c] = type;
    }
    return FINOPS_OK;
}

static void
unified_from(const unified *u, size_t i, fo_str *sql)
{
    fo_str_add(sql, " FROM ");
    fo_sql_ident(sql, u->target->schema);
    fo_str_addc(sql, '.');
    fo_sql_ident(sql, u->tables[i]);
}

/* DuckDB matches the columns by name. */
static void
unified_by_name(const unified *u, fo_str *sql)
{
    for (size_t i = 0; i < u->n; i++) {
        const branch *b = &u->branches[i];
        fo_str_add(sql, i ? " UNION ALL BY NAME SELECT " : "SELECT ");
        for (size_t c = 0; c < b->names.n; c++) {
            fo_str_addf(sql, "%s%s AS ", c ? ", " : "", b->expressions.items[c]);
            fo_sql_ident(sql, b->names.items[c]);
        }
        unified_from(u, i, sql);
    }
}

/* Others have to be told every column in every part, in one order. */
static finops_code
unified_columns(unified *u, finops_error **err)
{
    for (size_t i = 0; i < u->n; i++) {
        const branch *b = &u->branches[i];
        for (size_t c = 0; c < b->names.n; c++) {
            size_t at = 0;
            while (at < u->columns.n && !fo_streq(u->columns.items[at], b->names.items[c]))
                at++;
            if (at < u->columns.n)
                continue;
            const char *type = *b->types.items[c] ? b->types.items[c] : "VARCHAR";
            if (!fo_strv_add(&u->columns, b->names.items[c]) || !fo_strv_add(&u->types, type))
                return fo_error_oom(err);
        }
    }
    return FINOPS_OK;
}

static void
unified_in_order(const unified *u, fo_str *sql)
{
    for (size_t i = 0; i < u->n; i++) {
        const branch *b = &u->branches[i];
        fo_str_add(sql, i ? " UNION ALL SELECT " : "SELECT ");
        for (size_t c = 0; c < u->columns.n; c++) {
            size_t at = 0;
            while (at < b->names.n && !fo_streq(b->names.items[at], u->columns.items[c]))
                at++;
            fo_str_add(sql, c ? ", " : "");
            if (at < b->names.n)
                fo_str_addf(sql, "%s AS ", b->expressions.items[at]);
            else
                fo_str_addf(sql, "CAST(NULL AS %s) AS ", u->types.items[c]);
            fo_sql_ident(sql, u->columns.items[c]);
        }
        unified_from(u, i, sql);
    }
}

/* Of the first table that has the column; NULL: none tells. */
static const char *
unified_type(const unified *u, const char *column)
{
    for (size_t i = 0; i < u->n; i++) {
        const branch *b = &u->branches[i];
        for (size_t c = 0; c < b->names.n; c++)
            if (*b->types.items[c] && fo_streq(b->names.items[c], column))
                return b->types.items[c];
    }
    return NULL;
}

/* The columns the view has now come first: other views may stand on it. */
static finops_code
unified_keep_order(fo_database *db, const char *view, unified *u, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv names = FO_STRV_INIT;
    FO_AUTO(fo_strv_done) fo_strv types = FO_STRV_INIT;
    FO_AUTO(fo_strv_done) fo_strv wanted = FO_STRV_INIT;
    finops_code rc = fo_database_columns(db, u->target->schema, view, &names, &types, err);

    for (size_t i = 0; rc == FINOPS_OK && i < u->n; i++)
        for (size_t c = 0; c < u->branches[i].names.n; c++)
            if (!fo_strv_has(&wanted, u->branches[i].names.items[c]) &&
                !fo_strv_add(&wanted, u->branches[i].names.items[c]))
                return fo_error_oom(err);
    for (size_t i = 0; rc == FINOPS_OK && i < names.n; i++) {
        const char *type = unified_type(u, names.items[i]);
        if (fo_strv_has(&wanted, names.items[i]) && (!fo_strv_add(&u->columns, names.items[i]) ||
                                                     !fo_strv_add(&u->types, type ? type : types.items[i])))
            rc = fo_error_oom(err);
    }
    return rc;
}

static void
unified_name(const char *before, const fo_bill_target *target, const char *view, const char *after,
             fo_str *sql)
{
    fo_str_add(sql, before);
    fo_sql_ident(sql, target->schema);
    fo_str_addc(sql, '.');
    fo_sql_ident(sql, view);
    fo_str_add(sql, after);
}

finops_code
fo_unified_drop(fo_database *db, const fo_bill_target *target, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_freep) char *view = fo_format("%s_unified", target->table_base);

    if (!view)
        return fo_error_oom(err);
    unified_name("DROP VIEW IF EXISTS ", target, view, "", &sql);
    finops_code rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_database_exec(db, fo_str_z(&sql), NULL, 0, NULL, err) : rc;
}

/* The statements that give others the rights they have on the view. */
static finops_code
unified_grants(fo_database *db, const fo_bill_target *target, const char *view, fo_rows **ret,
               finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    fo_str_add(&sql, "SELECT format('GRANT %s ON %I.%I TO %s%s', a.privilege_type, n.nspname, c.relname, "
                     "CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, "
                     "CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) FROM pg_class c "
                     "JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a "
                     "WHERE a.grantee <> c.relowner AND n.nspname = ");
    fo_sql_literal(&sql, target->schema);
    fo_str_add(&sql, " AND c.relname = ");
    fo_sql_literal(&sql, view);
    finops_code rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_database_rows(db, fo_str_z(&sql), ret, err) : rc;
}

/* Whoever could read the view can read the new one. */
static finops_code
unified_anew(fo_database *db, const fo_bill_target *target, const char *view, const char *sql,
             finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *grants = NULL;
    finops_code rc = unified_grants(db, target, view, &grants, err);

    if (rc == FINOPS_OK)
        rc = fo_unified_drop(db, target, err);
    if (rc == FINOPS_OK)
        rc = fo_database_exec(db, sql, NULL, 0, NULL, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(grants); i++)
        rc = fo_database_exec(db, fo_rows_text(grants, i, 0), NULL, 0, NULL, err);
    return rc;
}

/*
 * In place where that can be, so that what others built on the view stays. PostgreSQL lets columns only be
 * added at the end that way: else the view is dropped and made anew.
 */
static finops_code
unified_replace(fo_database *db, const fo_bill_target *target, const char *view, const char *sql,
                finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;

    if (fo_database_dialect(db) == FINOPS_DIALECT_DUCKDB)
        return fo_database_exec(db, sql, NULL, 0, NULL, err);
    finops_code rc = fo_database_exec(db, "SAVEPOINT finops_view", NULL, 0, NULL, err);
    if (rc != FINOPS_OK)
        return rc;
    if (fo_database_exec(db, sql, NULL, 0, NULL, &why) == FINOPS_OK)
        return fo_database_exec(db, "RELEASE SAVEPOINT finops_view", NULL, 0, NULL, err);
    rc = fo_database_exec(db, "ROLLBACK TO SAVEPOINT finops_view", NULL, 0, NULL, err);
    return rc == FINOPS_OK ? unified_anew(db, target, view, sql, err) : rc;
}

/* *ret_alias says what the view is made of. */
static finops_code
unified_alias(const fo_str *body, char ret_alias[ALIAS_TEXT], finops_error **err)
{
    char hex[FO_SHA256_HEX];
    finops_code rc = fo_str_check(body, err);

    if (rc == FINOPS_OK)
        rc = fo_sha256_hex(fo_str_z(body), body->len, hex, err);
    if (rc == FINOPS_OK)
        (void)snprintf(ret_alias, ALIAS_TEXT, "unified_%.12s", hex);
    return rc;
}

/* Each view made is a state of a lake, and its catalog is read anew: there it is made when it is another one.
 */
static finops_code
unified_lake(fo_database *db, const char *view, unified *u, bool *ret_there, fo_str *sql, finops_error **err)
{
    const fo_param params[] = { u->target->schema, view };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;
    char alias[ALIAS_TEXT];

    unified_by_name(u, &body);
    finops_code rc = unified_alias(&body, alias, err);
    if (rc == FINOPS_OK)
        rc = fo_database_query(db,
                               "SELECT sql FROM duckdb_views() WHERE database_name = current_database() AND "
                               "schema_name = $1 AND view_name = $2",
                               params, FO_COUNT(params), &rows, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret_there = fo_rows_count(rows) == 1 && strstr(fo_rows_text(rows, 0, 0), alias);
    fo_str_addf(sql, "SELECT * FROM (%s) AS %s", fo_str_z(&body), alias);
    return FINOPS_OK;
}

static finops_code
unified_sql(fo_database *db, const char *view, unified *u, bool *ret_there, fo_str *sql, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    *ret_there = false;
    unified_name("CREATE OR REPLACE VIEW ", u->target, view, " AS ", sql);
    if (!fo_database_tables_in_transaction(db)) {
        rc = unified_lake(db, view, u, ret_there, sql, err);
        return rc == FINOPS_OK ? fo_str_check(sql, err) : rc;
    }
    if (fo_database_dialect(db) == FINOPS_DIALECT_DUCKDB) {
        unified_by_name(u, sql);
    } else {
        rc = unified_keep_order(db, view, u, err);
        if (rc == FINOPS_OK)
            rc = unified_columns(u, err);
        if (rc == FINOPS_OK)
            unified_in_order(u, sql);
    }
    return rc == FINOPS_OK ? fo_str_check(sql, err) : rc;
}

finops_code
fo_unified_view(fo_database *db, const fo_bill_target *target, const fo_colnames *names, finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    FO_AUTO(unified_done) unified u = { .target = target };
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_freep) char *view = fo_format("%s_unified", target->table_base);
    bool there = false;

    assert(db && target && names);
    if (!view)
        return fo_error_oom(err);
    finops_code rc = unified_sources(db, target, &rows, err);
    if (rc != FINOPS_OK)
        return rc;
    u.rows = rows;
    if (fo_rows_count(rows) == 0)
        return fo_unified_drop(db, target, err);
    rc = unified_read(&u, names, fo_database_dialect(db) == FINOPS_DIALECT_DUCKDB, err);
    for (size_t i = 0; rc == FINOPS_OK && i < u.n; i++)
        rc = branch_to_text(&u, &u.branches[i], fo_database_dialect(db) == FINOPS_DIALECT_DUCKDB, err);
    if (rc == FINOPS_OK)
        rc = unified_sql(db, view, &u, &there, &sql, err);
    if (rc == FINOPS_OK && !there)
        rc = unified_replace(db, target, view, fo_str_z(&sql), err);
    return rc == FINOPS_OK ? rc : fo_error_wrap(err, rc, "make the view %s.%s", target->schema, view);
}
