/* State on its way: the rows of billing_state that tell of a month, or of an export. */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "billing/migrate_internal.h"
#include "billing/names.h"

#define CHUNK 200 /* rows of one INSERT */

/* "vendor = 'aws' AND export_name = 'acme' AND billing_period = '2026-05'"; without a period: of all. */
static void
add_where(const char *vendor, const char *export_name, const char *period, fo_str *sql)
{
    fo_str_add(sql, " WHERE vendor = ");
    fo_sql_literal(sql, vendor);
    fo_str_add(sql, " AND export_name = ");
    fo_sql_literal(sql, export_name);
    if (!period)
        return;
    fo_str_add(sql, " AND billing_period = ");
    fo_sql_literal(sql, period);
}

/* Columns that a state table has in both databases: one of the earlier tool has less of them. */
static finops_code
common_columns(const fo_migrate *m, const char *table, fo_strv *names, fo_strv *types, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv have = FO_STRV_INIT;
    FO_AUTO(fo_strv_done) fo_strv all = FO_STRV_INIT;
    FO_AUTO(fo_strv_done) fo_strv of = FO_STRV_INIT;
    finops_code rc = fo_database_columns(m->source, "billing_state", table, &have, NULL, err);

    if (rc == FINOPS_OK)
        rc = fo_database_columns(m->target, "billing_state", table, &all, &of, err);
    for (size_t i = 0; rc == FINOPS_OK && i < all.n; i++)
        if (fo_strv_has(&have, all.items[i]) &&
            (!fo_strv_add(names, all.items[i]) || !fo_strv_add(types, of.items[i])))
            rc = fo_error_oom(err);
    return rc;
}

/* Rows of a state table on their way. */
typedef struct transfer {
    const fo_migrate *m;
    const char *table;
    const char *month_table; /* what table_name becomes; NULL: as it is */
    size_t max;              /* bytes of a name in the target */
    fo_strv names, types;
    fo_rows *rows;
} transfer;

static void
transfer_done(transfer *t)
{
    fo_strv_done(&t->names);
    fo_strv_done(&t->types);
    fo_rows_free(t->rows);
}

static finops_code
transfer_read(transfer *t, const char *where, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    finops_code rc = common_columns(t->m, t->table, &t->names, &t->types, err);

    if (rc != FINOPS_OK || t->names.n == 0)
        return rc;
    fo_str_add(&sql, "SELECT ");
    for (size_t i = 0; i < t->names.n; i++) {
        fo_str_add(&sql, i ? ", " : "");
        fo_sql_ident(&sql, t->names.items[i]);
    }
    fo_str_addf(&sql, " FROM billing_state.%s%s ORDER BY 1, 2", t->table, where);
    rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_database_rows(t->m->source, fo_str_z(&sql), &t->rows, err) : rc;
}

/* A value as it is in the target: nobody works on what was claimed in the source. */
static finops_code
transfer_value(const transfer *t, size_t row, size_t column, fo_str *sql, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str cut = FO_STR_INIT;
    const char *name = t->names.items[column], *text = fo_rows_text(t->rows, row, column);
    finops_code rc = FINOPS_OK;

    if (fo_streq(name, "claimed_by") || fo_streq(name, "claim_expires"))
        text = NULL;
    if (text && t->month_table && fo_streq(name, "table_name"))
        text = t->month_table;
    if (text && fo_streq(name, "column_name")) {
        rc = fo_bill_cut(text, t->max, &cut, err);
        text = fo_str_z(&cut);
    }
    fo_str_add(sql, "CAST(");
    fo_sql_literal(sql, text);
    fo_str_addf(sql, " AS %s)", t->types.items[column]);
    return rc;
}

static finops_code
transfer_write(const transfer *t, size_t first, size_t end, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    finops_code rc = FINOPS_OK;
    int64_t changed = 0;

    fo_str_addf(&sql, "INSERT INTO billing_state.%s (", t->table);
    for (size_t i = 0; i < t->names.n; i++) {
        fo_str_add(&sql, i ? ", " : "");
        fo_sql_ident(&sql, t->names.items[i]);
    }
    fo_str_add(&sql, ") VALUES ");
    for (size_t row = first; rc == FINOPS_OK && row < end; row++) {
        fo_str_add(&sql, row > first ? ", (" : "(");
        for (size_t i = 0; rc == FINOPS_OK && i < t->names.n; i++) {
            fo_str_add(&sql, i ? ", " : "");
            rc = transfer_value(t, row, i, &sql, err);
        }
        fo_str_addc(&sql, ')');
    }
    if (rc == FINOPS_OK)
        rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_exec(t->m->target, fo_str_z(&sql), NULL, 0, &changed, err);
    if (rc == FINOPS_OK && changed >= 0 && changed != (int64_t)(end - first))
        rc = fo_error_set(err, FINOPS_E_DRIFT, "%" PRId64 " of %zu rows came into billing_state.%s", changed,
                          end - first, t->table);
    return rc;
}

static finops_code
transfer_rows(const transfer *t, finops_error **err)
{
    size_t n = t->rows ? fo_rows_count(t->rows) : 0;
    finops_code rc = FINOPS_OK;

    for (size_t first = 0; rc == FINOPS_OK && first < n; first += CHUNK)
        rc = transfer_write(t, first, first + CHUNK < n ? first + CHUNK : n, err);
    return rc;
}

/* ---- of a month ---- */

/* " AND version_id IN ('…', '…')": those that the source knows. */
static finops_code
add_versions(const fo_migrate *m, const char *where, fo_str *sql, finops_error **err)
{
    FO_AUTO(fo_freep)
    char *ask = fo_format("SELECT version_id FROM billing_state.load_state%s ORDER BY 1", where);
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc = ask ? fo_database_rows(m->source, ask, &rows, err) : fo_error_oom(err);

    if (rc != FINOPS_OK)
        return rc;
    fo_str_add(sql, " AND version_id IN (NULL");
    for (size_t i = 0; i < fo_rows_count(rows); i++) {
        fo_str_add(sql, ", ");
        fo_sql_literal(sql, fo_rows_text(rows, i, 0));
    }
    fo_str_addc(sql, ')');
    return fo_str_check(sql, err);
}

static finops_code
run(fo_database *db, const char *before, const char *where, finops_error **err)
{
    FO_AUTO(fo_freep) char *sql = fo_format("%s%s", before, where);

    return sql ? fo_database_exec(db, sql, NULL, 0, NULL, err) : fo_error_oom(err);
}

static finops_code
ledger_stream(fo_database *db, const char *where, struct ArrowArrayStream *ret, finops_error **err)
{
    FO_AUTO(fo_freep)
    char *sql = fo_format("SELECT vendor, export_name, billing_period, version_id, account_id, service, "
                          "line_item_type, currency, row_count, unblended, net, amortized FROM "
                          "billing_state.ledger%s",
                          where);

    return sql ? fo_database_stream(db, sql, ret, err) : fo_error_oom(err);
}

static finops_code
copy_ledger(const fo_migrate *m, const char *where, finops_error **err)
{
    FO_AUTO(fo_check_done) fo_check read = { 0 };
    FO_AUTO(fo_check_done) fo_check copy = { 0 };
    struct ArrowArrayStream stream = { 0 };
    const finops_write write = { .schema = "billing_state", .table = "ledger", .mode = FINOPS_WRITE_APPEND };
    const finops_source source = { .stream = &stream };
    bool has = false;
    finops_code rc = fo_database_has(m->source, "billing_state", "ledger", &has, err);

    if (rc != FINOPS_OK || !has)
        return rc;
    rc = ledger_stream(m->source, where, &stream, err);
    if (rc == FINOPS_OK)
        rc = fo_check_tee(&stream, &read, err);
    if (rc == FINOPS_OK)
        rc = finops_session_write(fo_database_session(m->target), &write, &source, NULL, err);
    if (rc == FINOPS_OK)
        rc = ledger_stream(m->target, where, &stream, err);
    if (rc == FINOPS_OK)
        rc = fo_check_read(&stream, &copy, err);
    if (rc == FINOPS_OK)
        rc = fo_check_same(&read, &copy, err);
    return rc == FINOPS_OK ? rc : fo_error_wrap(err, rc, "billing_state.ledger");
}

/* The earlier tool recorded no table. */
static finops_code
name_table(const fo_migrate *m, const char *table, const char *where, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    fo_str_add(&sql, "UPDATE billing_state.load_state SET table_name = ");
    fo_sql_literal(&sql, table);
    fo_str_addf(&sql, "%s AND current_version AND table_name IS NULL", where);
    finops_code rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_database_exec(m->target, fo_str_z(&sql), NULL, 0, NULL, err) : rc;
}

/* Which column of the files became which, of the versions in `which`. */
static finops_code
copy_mappings(const fo_migrate *m, const char *which, finops_error **err)
{
    FO_AUTO(transfer_done) transfer t = { .m = m, .table = "schema_versions" };
    FO_AUTO(fo_freep) char *where = fo_format(" WHERE true%s", which);
    finops_code rc = where ? transfer_read(&t, where, err) : fo_error_oom(err);

    if (rc == FINOPS_OK && t.rows && fo_rows_count(t.rows) > 0)
        rc = run(m->target, "DELETE FROM billing_state.schema_versions", where, err);
    return rc == FINOPS_OK ? transfer_rows(&t, err) : rc;
}

finops_code
fo_migrate_state(const fo_migrate *m, const fo_version_key *key, const char *table, finops_error **err)
{
    FO_AUTO(transfer_done) transfer t = { .m = m, .table = "load_state", .month_table = table };
    FO_AUTO(fo_str_done) fo_str where = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str known = FO_STR_INIT;

    add_where(key->vendor, key->export_name, key->period, &where);
    fo_str_add(&known, fo_str_z(&where));
    finops_code rc = fo_str_check(&where, err);
    if (rc == FINOPS_OK)
        rc = add_versions(m, fo_str_z(&where), &known, err);
    if (rc == FINOPS_OK)
        rc = transfer_read(&t, fo_str_z(&where), err);
    if (rc == FINOPS_OK)
        rc = run(m->target, "DELETE FROM billing_state.load_state", fo_str_z(&known), err);
    if (rc == FINOPS_OK)
        rc = run(m->target, "DELETE FROM billing_state.ledger", fo_str_z(&known), err);
    if (rc == FINOPS_OK)
        rc = run(m->target, "UPDATE billing_state.load_state SET current_version = false", fo_str_z(&where),
                 err);
    if (rc == FINOPS_OK)
        rc = transfer_rows(&t, err);
    if (rc == FINOPS_OK && table && !fo_strv_has(&t.names, "table_name"))
        rc = name_table(m, table, fo_str_z(&where), err);
    if (rc == FINOPS_OK)
        rc = copy_mappings(m, fo_str_z(&known) + where.len, err);
    return rc == FINOPS_OK ? copy_ledger(m, fo_str_z(&known), err) : rc;
}

static finops_code
one_text(fo_database *db, const char *what, const fo_version_key *key, const char *more, char **ret,
         finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    fo_str_addf(&sql, "SELECT %s FROM billing_state.load_state", what);
    add_where(key->vendor, key->export_name, key->period, &sql);
    fo_str_add(&sql, more);
    finops_code rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_rows(db, fo_str_z(&sql), &rows, err);
    if (rc != FINOPS_OK || fo_rows_count(rows) == 0 || !fo_rows_text(rows, 0, 0))
        return rc;
    *ret = fo_strdup(fo_rows_text(rows, 0, 0));
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

finops_code
fo_migrate_state_mark(fo_database *db, const fo_version_key *key, char **ret, finops_error **err)
{
    return one_text(
        db, "version_id || ' ' || CAST(load_timestamp AS VARCHAR) || ' ' || CAST(load_completed AS VARCHAR)",
        key, " AND current_version ORDER BY 1", ret, err);
}

finops_code
fo_migrate_state_version(fo_database *db, const fo_version_key *key, char **ret, finops_error **err)
{
    return one_text(db, "version_id", key, " AND current_version ORDER BY 1", ret, err);
}

finops_code
fo_migrate_state_knows(fo_database *db, const fo_version_key *key, const char *version, bool *ret,
                       finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str more = FO_STR_INIT;
    FO_AUTO(fo_freep) char *found = NULL;

    fo_str_add(&more, " AND version_id = ");
    fo_sql_literal(&more, version);
    finops_code rc = fo_str_check(&more, err);
    if (rc == FINOPS_OK)
        rc = one_text(db, "version_id", key, fo_str_z(&more), &found, err);
    *ret = found != NULL;
    return rc;
}

/* ---- of an export ---- */

/* Rows that the target has already stay; *ret is whether it has any. */
static finops_code
target_has(const fo_migrate *m, const char *table, const char *where, fo_rows **ret, finops_error **err)
{
    bool names = strcmp(table, "column_names") == 0;
    FO_AUTO(fo_freep)
    char *sql = fo_format("SELECT %s FROM billing_state.%s%s",
                          names ? "header, column_name" : "keep_from, keep_from", table, where);

    return sql ? fo_database_rows(m->target, sql, ret, err) : fo_error_oom(err);
}

/* Headers have one column in the source and in the target, or the months of both cannot be one export. */
static finops_code
check_names(const transfer *t, const fo_rows *have, const char *export_name, finops_error **err)
{
    size_t header = 0, column = 0;
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; i < t->names.n; i++) {
        header = fo_streq(t->names.items[i], "header") ? i : header;
        column = fo_streq(t->names.items[i], "column_name") ? i : column;
    }
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(t->rows); i++) {
        FO_AUTO(fo_str_done) fo_str cut = FO_STR_INIT;

        rc = fo_bill_cut(fo_rows_text(t->rows, i, column), t->max, &cut, err);
        for (size_t j = 0; rc == FINOPS_OK && j < fo_rows_count(have); j++)
            if (fo_streq(fo_rows_text(have, j, 0), fo_rows_text(t->rows, i, header)) &&
                !fo_streq(fo_rows_text(have, j, 1), fo_str_z(&cut)))
                rc = fo_error_set(err, FINOPS_E_EXISTS, "%s of export %s is column %s, and in the target %s",
                                  fo_rows_text(have, j, 0), export_name, fo_str_z(&cut),
                                  fo_rows_text(have, j, 1));
    }
    return rc;
}

/* Those that the target lacks. */
static finops_code
keep_missing(transfer *t, const fo_rows *have, finops_error **err)
{
    size_t columns = t->names.n, key = 0;
    FO_AUTO(fo_freep) const char **cells = fo_array(columns, sizeof(*cells));
    fo_rows *rows = fo_rows_new(columns);
    bool ok = rows && cells;

    for (size_t i = 0; i < columns; i++)
        key = fo_streq(t->names.items[i], "header") ? i : key;
    for (size_t i = 0; ok && i < fo_rows_count(t->rows); i++) {
        bool there = false;

        for (size_t j = 0; !there && j < fo_rows_count(have); j++)
            there = fo_streq(fo_rows_text(have, j, 0), fo_rows_text(t->rows, i, key));
        for (size_t c = 0; c < columns; c++)
            cells[c] = fo_rows_text(t->rows, i, c);
        ok = there || fo_rows_add(rows, cells);
    }
    if (!ok) {
        fo_rows_free(rows);
        return fo_error_oom(err);
    }
    fo_rows_free(t->rows);
    t->rows = rows;
    return FINOPS_OK;
}

static finops_code
export_table(const fo_migrate *m, const char *table, const char *export_name, const char *where,
             finops_error **err)
{
    FO_AUTO(transfer_done) transfer t = { .m = m, .table = table };
    FO_AUTO(fo_rows_freep) fo_rows *have = NULL;
    bool names = strcmp(table, "column_names") == 0;
    finops_capabilities can;

    fo_database_capabilities(m->target, &can);
    t.max = can.max_identifier;
    finops_code rc = transfer_read(&t, where, err);
    if (rc != FINOPS_OK || !t.rows || fo_rows_count(t.rows) == 0)
        return rc;
    rc = target_has(m, table, where, &have, err);
    if (rc == FINOPS_OK && names)
        rc = check_names(&t, have, export_name, err);
    if (rc == FINOPS_OK && names)
        rc = keep_missing(&t, have, err);
    if (rc == FINOPS_OK && !names && fo_rows_count(have) > 0)
        return rc;
    if (rc == FINOPS_OK && fo_rows_count(t.rows) == 0)
        return rc;
    if (rc == FINOPS_OK)
        rc = fo_database_begin(m->target, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = transfer_rows(&t, err);
    if (rc == FINOPS_OK)
        rc = fo_database_commit(m->target, err);
    if (rc != FINOPS_OK)
        fo_database_rollback(m->target);
    return rc;
}

finops_code
fo_migrate_export_state(const fo_migrate *m, const char *vendor, const char *export_name, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str where = FO_STR_INIT;

    add_where(vendor, export_name, NULL, &where);
    finops_code rc = fo_str_check(&where, err);
    if (rc == FINOPS_OK)
        rc = export_table(m, "column_names", export_name, fo_str_z(&where), err);
    return rc == FINOPS_OK ? export_table(m, "retention", export_name, fo_str_z(&where), err) : rc;
}
