/*
 * A part of a table, replaced as a whole. Readers see the old rows until the transaction ends; what blocks
 * them is the swap of names at its end, not the copying.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "database/postgresql/table.h"

/* Longer than the server's deadlock_timeout (1 s as it comes), after which autovacuum gives way to who waits.
 */
#define LOCK_WAIT_MS "2500"
#define LOCK_PAUSE_MS 500
#define LOCK_ATTEMPTS 200 /* ten minutes */
#define BRIN_PAGES 32     /* of a range: one range holds some thousand rows of a bill */

/* What is known of the table that has the partition. */
typedef struct parent {
    bool by_list;   /* partitioned by LIST of the partition's column */
    char type[256]; /* of that column */
} parent;

/* "<table>__<value>" where it is short and plain, so that people find their way. */
static finops_code
partition_name(const finops_partition *p, char ret[PG_IDENT_MAX + 1], finops_error **err)
{
    bool plain = strlen(p->table) + strlen(p->value) + 2 <= PG_IDENT_MAX;
    int n;

    for (const char *v = p->value; *v && plain; v++)
        plain = fo_is_digit(*v) || fo_is_alpha(*v) || *v == '-' || *v == '_';
    if (!plain)
        return fo_pg_name_for("finops_part", p->table, p->value, ret, err);
    n = snprintf(ret, PG_IDENT_MAX + 1, "%s__%s", p->table, p->value);
    for (int i = 0; i < n; i++)
        if (ret[i] == '-')
            ret[i] = '_';
    return FINOPS_OK;
}

/* One statement put together from constant text, tables and names. */
typedef struct part {
    enum { TEXT, TABLE, NAME, LITERAL } kind;
    const char *a, *b;
} part;

static finops_code
statement_text(fo_str *sql, const part *parts, size_t n, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; i < n && rc == FINOPS_OK; i++) {
        if (parts[i].kind == TEXT)
            fo_str_add(sql, parts[i].a);
        else if (parts[i].kind == LITERAL)
            fo_pg_literal(sql, parts[i].a);
        else
            rc = parts[i].kind == TABLE ? fo_pg_table(sql, parts[i].a, parts[i].b, err)
                                        : fo_pg_ident(sql, parts[i].a, err);
    }
    return rc == FINOPS_OK ? fo_str_check(sql, err) : rc;
}

static finops_code
statement(fo_pg_conn *c, const part *parts, size_t n, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    finops_code rc = statement_text(&sql, parts, n, err);

    return rc == FINOPS_OK ? fo_pg_run(c, fo_str_z(&sql), NULL, 0, NULL, err) : rc;
}
#define PARTS(...) (const part[]){ __VA_ARGS__ }, FO_COUNT(((const part[]){ __VA_ARGS__ }))
#define RUN(c, err, ...) statement(c, PARTS(__VA_ARGS__), err)

/* Who may read the old table may read the new one. */
static finops_code
copy_rights(fo_pg_conn *c, const finops_partition *p, const char *to, finops_error **err)
{
    static const char sql[] =
        "SELECT format('GRANT %s ON %s TO %s%s', a.privilege_type, "
        "CASE WHEN $1 IS NULL THEN format('%I', $3) ELSE format('%I.%I', $1, $3) END, "
        "CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END, "
        "CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) a "
        "WHERE c.relname = $2 AND CASE WHEN $1 IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = $1 "
        "END "
        "AND a.grantee <> c.relowner";
    const char *const params[] = { p->schema, p->table, to };
    FO_AUTO(fo_pg_clearp) PGresult *result = NULL;
    finops_code rc = fo_pg_run(c, sql, params, FO_COUNT(params), &result, err);

    for (int i = 0; rc == FINOPS_OK && i < PQntuples(result); i++)
        rc = fo_pg_run(c, PQgetvalue(result, i, 0), NULL, 0, NULL, err);
    return rc;
}

/* The column that tells when a line was used, else the first time there is. */
static const char *
time_column(const fo_pg_encoder *e)
{
    static const char *const known[] = { "line_item_usage_start_date", "charge_period_start",
                                         "ChargePeriodStart" };

    for (size_t k = 0; k < FO_COUNT(known); k++)
        for (size_t i = 0; i < e->n; i++)
            if (fo_streq(e->source.children[i].name, known[k]))
                return known[k];
    for (size_t i = 0; i < e->n; i++)
        if (e->source.children[i].type == NANOARROW_TYPE_TIMESTAMP ||
            e->source.children[i].type == NANOARROW_TYPE_DATE32)
            return e->source.children[i].name;
    return NULL;
}

static finops_code
add_index(const fo_pg_copy *copy, const char *schema, const char *table, finops_error **err)
{
    const char *column = time_column(&copy->encoder);
    char pages[64];

    if (!copy->conn->database->brin || !column)
        return FINOPS_OK;
    (void)snprintf(pages, sizeof(pages), ") WITH (pages_per_range = %d)", BRIN_PAGES);
    return RUN(copy->conn, err, { TEXT, "CREATE INDEX ON ", NULL }, { TABLE, schema, table },
               { TEXT, " USING brin (", NULL }, { NAME, column, NULL }, { TEXT, pages, NULL });
}

/* It may run statements on this very connection, with calls of their own. */
static finops_code
before_swap(fo_pg_conn *c, const finops_partition *p, finops_error **err)
{
    const finops_call call = c->call;
    finops_code rc;

    if (!p->before_swap)
        return FINOPS_OK;
    rc = p->before_swap(p->arg, err);
    c->call = call;
    return rc;
}

/*
 * One statement that waits for a lock, a little at a time: while it stands in the queue all who come after it
 * wait, too, and behind a report of an hour that would be everybody.
 */
static finops_code
lock_patiently(fo_pg_conn *c, const char *sql, finops_error **err)
{
    static const struct timespec pause = { .tv_nsec = LOCK_PAUSE_MS * 1000000L };

    for (unsigned attempt = 1;; attempt++) {
        FO_AUTO(finops_error_freep) finops_error *why = NULL;
        finops_code rc = fo_pg_run(c, "SAVEPOINT finops_lock", NULL, 0, NULL, err);

        if (rc == FINOPS_OK)
            rc = fo_pg_run(c, "SET LOCAL lock_timeout = " LOCK_WAIT_MS, NULL, 0, NULL, err);
        if (rc != FINOPS_OK)
            return rc;
        rc = fo_pg_run(c, sql, NULL, 0, NULL, &why);
        if (rc == FINOPS_OK)
            rc = fo_pg_run(c, "SET LOCAL lock_timeout = 0", NULL, 0, NULL, &why);
        if (rc == FINOPS_OK)
            return fo_pg_run(c, "RELEASE SAVEPOINT finops_lock", NULL, 0, NULL, err);
        if (rc != FINOPS_E_BUSY || attempt == LOCK_ATTEMPTS) {
            if (err)
                *err = FO_TAKE(why);
            return rc;
        }
        rc = fo_pg_run(c, "ROLLBACK TO SAVEPOINT finops_lock", NULL, 0, NULL, err);
        if (rc != FINOPS_OK)
            return rc;
        nanosleep(&pause, NULL);
    }
}

/*
 * Locks the views that read the table, and with them what they read, in the order in which readers do: the
 * view first. Taken the other way round, a reader between the two and this swap would wait for one another.
 */
static finops_code
lock_for_swap(fo_pg_conn *c, const finops_partition *p, finops_error **err)
{
    static const char sql[] =
        "WITH t AS (SELECT c.oid, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = "
        "c.relnamespace "
        "WHERE c.relname = $2 AND c.relkind IN ('r', 'p') "
        "AND CASE WHEN $1 IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = $1 END), "
        "locked AS (SELECT 1 AS place, n.nspname, v.relname FROM t JOIN pg_depend d ON d.refobjid = t.oid "
        "AND d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass "
        "JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class AND v.relkind = 'v' "
        "JOIN pg_namespace n ON n.oid = v.relnamespace UNION SELECT 2, nspname, relname FROM t) "
        "SELECT format('LOCK TABLE %I.%I IN ACCESS EXCLUSIVE MODE', nspname, relname) FROM locked "
        "ORDER BY place, nspname, relname";
    const char *const params[] = { p->schema, p->table };
    FO_AUTO(fo_pg_clearp) PGresult *result = NULL;
    finops_code rc = fo_pg_run(c, sql, params, FO_COUNT(params), &result, err);

    for (int i = 0; rc == FINOPS_OK && i < PQntuples(result); i++)
        rc = lock_patiently(c, PQgetvalue(result, i, 0), err);
    return rc;
}

/* The new table takes the name of the old one, which goes when nothing hangs on it any more. */
static finops_code
swap_all(fo_pg_conn *c, const finops_partition *p, const char *name, finops_error **err)
{
    char old[PG_IDENT_MAX + 1];
    finops_code rc = fo_pg_name_for("finops_old", p->table, name, old, err);

    if (rc == FINOPS_OK)
        rc = lock_for_swap(c, p, err);
    if (rc == FINOPS_OK)
        rc = RUN(c, err, { TEXT, "ALTER TABLE IF EXISTS ", NULL }, { TABLE, p->schema, p->table },
                 { TEXT, " RENAME TO ", NULL }, { NAME, old, NULL });
    if (rc == FINOPS_OK)
        rc = RUN(c, err, { TEXT, "ALTER TABLE ", NULL }, { TABLE, p->schema, name },
                 { TEXT, " RENAME TO ", NULL }, { NAME, p->table, NULL });
    if (rc == FINOPS_OK)
        rc = before_swap(c, p, err);
    return rc == FINOPS_OK ? RUN(c, err, { TEXT, "DROP TABLE IF EXISTS ", NULL }, { TABLE, p->schema, old })
                           : rc;
}

/* The table anew, under a name of its own until it is complete. */
static finops_code
replace_all(fo_pg_copy *copy, const finops_partition *p, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    fo_pg_conn *c = copy->conn;
    char name[PG_IDENT_MAX + 1];
    const fo_pg_new_table table = { .schema = p->schema, .table = name };
    finops_code rc = fo_pg_stage_name(c, p->table, name, err);

    if (rc == FINOPS_OK)
        rc = fo_pg_table_sql(&copy->encoder, &table, &sql, err);
    if (rc == FINOPS_OK)
        rc = fo_pg_stage_make(copy, name, fo_str_z(&sql), err);
    if (rc == FINOPS_OK)
        rc = fo_pg_copy_run(copy, p->schema, name, err);
    if (rc == FINOPS_OK)
        rc = add_index(copy, p->schema, name, err);
    if (rc == FINOPS_OK)
        rc = copy_rights(c, p, name, err);
    return rc == FINOPS_OK ? swap_all(c, p, name, err) : rc;
}

static finops_code
parent_read(fo_pg_conn *c, const finops_partition *p, parent *ret, finops_error **err)
{
    static const char sql[] =
        "SELECT format_type(a.atttypid, NULL), coalesce(t.partstrat = 'l' AND t.partnatts = 1 "
        "AND t.partattrs[0] = a.attnum, false) "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = $3 AND NOT a.attisdropped "
        "LEFT JOIN pg_partitioned_table t ON t.partrelid = c.oid "
        "WHERE c.relname = $2 AND CASE WHEN $1 IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = $1 "
        "END "
        "AND c.relkind IN ('r', 'p')";
    const char *const params[] = { p->schema, p->table, p->column };
    FO_AUTO(fo_pg_clearp) PGresult *result = NULL;
    finops_code rc = fo_pg_run(c, sql, params, FO_COUNT(params), &result, err);

    if (rc != FINOPS_OK)
        return rc;
    if (PQntuples(result) == 0)
        return fo_error_set(err, FINOPS_E_DATA, "the table has no column %s", p->column);
    (void)snprintf(ret->type, sizeof(ret->type), "%s", PQgetvalue(result, 0, 0));
    ret->by_list = PQgetvalue(result, 0, 1)[0] == 't';
    return FINOPS_OK;
}

/* WHERE column = value, as the column's type reads it. */
static finops_code
delete_rows(fo_pg_conn *c, const finops_partition *p, const parent *table, finops_error **err)
{
    return RUN(c, err, { TEXT, "DELETE FROM ", NULL }, { TABLE, p->schema, p->table },
               { TEXT, " WHERE ", NULL }, { NAME, p->column, NULL }, { TEXT, " = ", NULL },
               { LITERAL, p->value, NULL }, { TEXT, "::", NULL }, { TEXT, table->type, NULL });
}

/*
 * Until the transaction ends. Two that replace the same rows would otherwise both delete the old ones, the
 * second without seeing what the first wrote meanwhile, and both stay.
 */
static finops_code
value_lock(fo_pg_conn *c, const finops_partition *p, finops_error **err)
{
    FO_AUTO(fo_freep)
    char *name = fo_format("finops rows:%s.%s:%s", p->schema ? p->schema : "", p->table, p->value);
    const char *const params[] = { name };

    if (!name)
        return fo_error_oom(err);
    return fo_pg_run(c, "SELECT pg_advisory_xact_lock(hashtext($1))", params, 1, NULL, err);
}

/* Any table: the rows go and the new ones come, seen by others at once. */
static finops_code
replace_rows(fo_pg_copy *copy, const finops_partition *p, const parent *table, finops_error **err)
{
    finops_code rc = value_lock(copy->conn, p, err);

    if (rc == FINOPS_OK)
        rc = delete_rows(copy->conn, p, table, err);
    if (rc == FINOPS_OK)
        rc = fo_pg_copy_run(copy, p->schema, p->table, err);
    return rc == FINOPS_OK ? before_swap(copy->conn, p, err) : rc;
}

/* The partition that has the value; `ret` is left empty when there is none. */
static finops_code
old_partition(fo_pg_conn *c, const finops_partition *p, const parent *table, PGresult **ret,
              finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    const char *const params[] = { p->schema, p->table, p->value };

    /* The bound is printed as the type prints its values: cast once there and back, it is the same text. */
    fo_str_add(&sql, "SELECT n.nspname, c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
                     "JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_class t ON t.oid = i.inhparent "
                     "JOIN pg_namespace tn ON tn.oid = t.relnamespace WHERE t.relname = $2 AND "
                     "CASE WHEN $1 IS NULL THEN pg_table_is_visible(t.oid) ELSE tn.nspname = $1 END "
                     "AND pg_get_expr(c.relpartbound, c.oid) IN (format('FOR VALUES IN (%L)', $3::");
    fo_str_addf(&sql, "%s::text), format('FOR VALUES IN (%%s)', $3::%s::text))", table->type, table->type);
    if (!fo_str_ok(&sql))
        return fo_error_oom(err);
    return fo_pg_run(c, fo_str_z(&sql), params, FO_COUNT(params), ret, err);
}

static finops_code
drop_old(fo_pg_conn *c, const finops_partition *p, const PGresult *old, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (int i = 0; rc == FINOPS_OK && i < PQntuples(old); i++) {
        const char *schema = PQgetvalue(old, i, 0), *name = PQgetvalue(old, i, 1);

        rc = RUN(c, err, { TEXT, "ALTER TABLE ", NULL }, { TABLE, p->schema, p->table },
                 { TEXT, " DETACH PARTITION ", NULL }, { TABLE, schema, name });
        if (rc == FINOPS_OK)
            rc = RUN(c, err, { TEXT, "DROP TABLE ", NULL }, { TABLE, schema, name });
    }
    return rc;
}

/* The check makes ATTACH trust the rows without reading them again. */
static finops_code
attach(fo_pg_conn *c, const finops_partition *p, const parent *table, const char *temporary,
       finops_error **err)
{
    char name[PG_IDENT_MAX + 1];
    finops_code rc = partition_name(p, name, err);

    if (rc == FINOPS_OK)
        rc = RUN(c, err, { TEXT, "ALTER TABLE ", NULL }, { TABLE, p->schema, temporary },
                 { TEXT, " RENAME TO ", NULL }, { NAME, name, NULL });
    if (rc == FINOPS_OK)
        rc = RUN(c, err, { TEXT, "ALTER TABLE ", NULL }, { TABLE, p->schema, p->table },
                 { TEXT, " ATTACH PARTITION ", NULL }, { TABLE, p->schema, name },
                 { TEXT, " FOR VALUES IN (", NULL }, { LITERAL, p->value, NULL }, { TEXT, "::", NULL },
                 { TEXT, table->type, NULL }, { TEXT, ")", NULL });
    if (rc == FINOPS_OK)
        rc = RUN(c, err, { TEXT, "ALTER TABLE ", NULL }, { TABLE, p->schema, name },
                 { TEXT, " DROP CONSTRAINT finops_partition", NULL });
    return rc;
}

/*
 * The columns and checks of the table, as CREATE TABLE wants them. LIKE would lock the table until the
 * transaction ends, and two importers would then wait for one another.
 */
static finops_code
definition(fo_pg_conn *c, const finops_partition *p, PGresult **ret, finops_error **err)
{
    static const char sql[] =
        "SELECT (SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)) || "
        "CASE WHEN a.attgenerated <> '' THEN format(' GENERATED ALWAYS AS (%s) STORED', "
        "pg_get_expr(d.adbin, d.adrelid)) WHEN d.adbin IS NOT NULL THEN ' DEFAULT ' || "
        "pg_get_expr(d.adbin, d.adrelid) ELSE '' END || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END, "
        "', ' ORDER BY a.attnum) FROM pg_attribute a "
        "LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum "
        "WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), "
        "coalesce((SELECT string_agg(format(', CONSTRAINT %I %s', conname, pg_get_constraintdef(k.oid)), '') "
        "FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'c'), '') "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relname = $2 AND CASE WHEN $1 IS NULL THEN pg_table_is_visible(c.oid) ELSE n.nspname = $1 "
        "END";
    const char *const params[] = { p->schema, p->table };
    finops_code rc = fo_pg_run(c, sql, params, FO_COUNT(params), ret, err);

    if (rc == FINOPS_OK && PQntuples(*ret) != 1)
        rc = fo_error_set(err, FINOPS_E_NOT_FOUND, "the table does not exist");
    return rc;
}

static finops_code
standalone(fo_pg_copy *copy, const finops_partition *p, const parent *table, const char *name,
           finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_pg_clearp) PGresult *like = NULL;
    finops_code rc = definition(copy->conn, p, &like, err);

    if (rc == FINOPS_OK)
        rc = statement_text(
            &sql,
            PARTS({ TEXT, "CREATE TABLE ", NULL }, { TABLE, p->schema, name }, { TEXT, " (", NULL },
                  { TEXT, PQgetvalue(like, 0, 0), NULL }, { TEXT, PQgetvalue(like, 0, 1), NULL },
                  { TEXT, ", CONSTRAINT finops_partition CHECK (", NULL }, { NAME, p->column, NULL },
                  { TEXT, " IS NOT NULL AND ", NULL }, { NAME, p->column, NULL }, { TEXT, " = ", NULL },
                  { LITERAL, p->value, NULL }, { TEXT, "::", NULL }, { TEXT, table->type, NULL },
                  { TEXT, "))", NULL }),
            err);
    if (rc == FINOPS_OK)
        rc = fo_pg_stage_make(copy, name, fo_str_z(&sql), err);
    if (rc == FINOPS_OK)
        rc = fo_pg_copy_run(copy, p->schema, name, err);
    return rc == FINOPS_OK ? add_index(copy, p->schema, name, err) : rc;
}

/*
 * A native partition: made beside the table and taken in when it is complete. One importer at a time does the
 * latter. Rows of the value may also be in the default partition.
 */
static finops_code
replace_native(fo_pg_copy *copy, const finops_partition *p, const parent *table, finops_error **err)
{
    FO_AUTO(fo_pg_clearp) PGresult *old = NULL;
    fo_pg_conn *c = copy->conn;
    char name[PG_IDENT_MAX + 1];
    finops_code rc = fo_pg_stage_name(c, p->table, name, err);

    if (rc == FINOPS_OK)
        rc = standalone(copy, p, table, name, err);
    if (rc == FINOPS_OK)
        rc = lock_for_swap(c, p, err);
    if (rc == FINOPS_OK)
        rc = before_swap(c, p, err);
    if (rc == FINOPS_OK)
        rc = old_partition(c, p, table, &old, err);
    if (rc == FINOPS_OK)
        rc = drop_old(c, p, old, err);
    if (rc == FINOPS_OK)
        rc = delete_rows(c, p, table, err);
    return rc == FINOPS_OK ? attach(c, p, table, name, err) : rc;
}

/* With a partition for all values that have none of their own, so that rows can also be appended. */
static finops_code
create_partitioned(fo_pg_copy *copy, const finops_partition *p, finops_error **err)
{
    const fo_pg_new_table table = { .schema = p->schema, .table = p->table, .partition_column = p->column };
    char name[PG_IDENT_MAX + 1];
    finops_code rc = fo_pg_name_for("finops_rest", p->table, "", name, err);

    if (rc == FINOPS_OK)
        rc = fo_pg_table_create(copy->conn, &copy->encoder, &table, err);
    if (rc == FINOPS_OK)
        rc =
            RUN(copy->conn, err, { TEXT, "CREATE TABLE ", NULL }, { TABLE, p->schema, name },
                { TEXT, " PARTITION OF ", NULL }, { TABLE, p->schema, p->table }, { TEXT, " DEFAULT", NULL });
    return rc;
}

/* Columns that the table lacks come first; a table that is not there is made with native partitions. */
static finops_code
replace_part(fo_pg_copy *copy, const finops_partition *p, finops_error **err)
{
    FO_AUTO(fo_pg_columns_done) fo_pg_columns_list columns = { 0 };
    parent now = { 0 };
    finops_code rc = fo_pg_table_find(copy->conn, p->schema, p->table, &columns, err);

    if (rc == FINOPS_OK)
        rc = columns.exists
                 ? fo_pg_table_widen(copy->conn, &copy->encoder, &columns, p->schema, p->table, err)
                 : create_partitioned(copy, p, err);
    if (rc == FINOPS_OK)
        rc = parent_read(copy->conn, p, &now, err);
    if (rc != FINOPS_OK)
        return rc;
    return now.by_list ? replace_native(copy, p, &now, err) : replace_rows(copy, p, &now, err);
}

finops_code
fo_pg_replace_partition(void *conn, const finops_partition *partition, const finops_source *source,
                        finops_write_result *ret, finops_error **err)
{
    const int64_t begin = fo_clock_monotonic();
    FO_AUTO(fo_pg_copy_done) fo_pg_copy copy = { .stream = source->stream };
    bool own = false;
    finops_code rc;

    assert(conn && partition && partition->table && source);
    rc = fo_pg_call_begin(conn, partition->call, err);
    if (rc == FINOPS_OK && partition->column && !partition->value)
        rc = fo_error_set(err, FINOPS_E_ARGUMENT, "a partition's column needs a value");
    if (rc == FINOPS_OK)
        rc = fo_pg_keep_read_only(conn, err);
    if (rc == FINOPS_OK)
        rc = fo_pg_copy_init(&copy, conn, source, err);
    if (rc == FINOPS_OK)
        rc = fo_pg_own_begin(conn, &own, err);
    if (rc == FINOPS_OK) {
        rc = fo_pg_stage_sweep_beside(conn, err);
        if (rc == FINOPS_OK)
            rc = partition->column ? replace_part(&copy, partition, err) : replace_all(&copy, partition, err);
        rc = fo_pg_own_end(conn, own, rc, err);
    }
    if (rc != FINOPS_OK)
        return fo_error_wrap(err, rc, "postgresql replace %s", partition->table);
    if (ret)
        *ret = (finops_write_result){ .rows = copy.rows,
                                      .bytes = copy.bytes,
                                      .seconds = (double)(fo_clock_monotonic() - begin) / 1e6 };
    return FINOPS_OK;
}
