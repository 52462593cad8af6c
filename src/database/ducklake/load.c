/*
 * Rows into tables of a lake.
 *
 * The extension (1.5.5) keeps what it knows of a table that a transaction makes or changes in a cache that
 * other connections replace: such a transaction may end in a crash while they read. A statement that is a
 * transaction of its own is safe. So tables are made and given columns by such statements, before the
 * transaction that changes rows; readers see a table without rows for that moment, or a column of NULL.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "database/duckdb/load.h"
#include "database/ducklake/lake.h"

/* The column that bills in one table have. */
#define PERIOD_COLUMN "billing_period"

static fo_lake *
lake_of(const fo_load *l)
{
    return (fo_lake *)l->c->database;
}

static finops_code
refuse_in_transaction(const fo_load *l, finops_error **err)
{
    (void)fo_error_set(err, FINOPS_E_UNSUPPORTED,
                       "table %s.%s of a lake cannot be made or given columns inside of a transaction",
                       l->schema, l->name);
    fo_error_hint(err, "do it before the transaction begins");
    return FINOPS_E_UNSUPPORTED;
}

/* What cuts the files of a table of bills that has the column. */
typedef struct cut {
    const char *strategy;
    const char *column;
    const char *by;
} cut;

static const cut cuts[] = {
    { "yearly", "bill_billing_period_start_date", "year(bill_billing_period_start_date)" },
    { "yearly", "line_item_usage_start_date", "year(line_item_usage_start_date)" },
    { "account", "line_item_usage_account_id", PERIOD_COLUMN ", line_item_usage_account_id" },
    { "account", "bill_payer_account_id", PERIOD_COLUMN ", bill_payer_account_id" },
};

typedef struct names {
    fo_strv columns;
    bool failed;
} names;

static bool
note_name(const finops_column *column, void *arg)
{
    names *n = arg;

    n->failed = !fo_strv_add(&n->columns, column->name);
    return !n->failed;
}

/* A table with billing periods is cut as the configuration says, or by those where it lacks the columns. */
static finops_code
set_partition(fo_load *l, const fo_strv *columns, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    const char *by = PERIOD_COLUMN;

    for (size_t i = FO_COUNT(cuts); i-- > 0;)
        if (fo_streq(cuts[i].strategy, lake_of(l)->partition_strategy) &&
            fo_strv_has(columns, cuts[i].column))
            by = cuts[i].by;
    fo_str_addf(&sql, " SET PARTITIONED BY (%s)", by);
    finops_code rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_load_run(l, "ALTER TABLE ", fo_str_z(&sql), false, NULL, err) : rc;
}

/* The table with its columns and no rows yet, cut into files. */
static finops_code
make_empty(fo_load *l, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    names n = { .columns = FO_STRV_INIT };
    finops_code rc = fo_load_schema(l, err);

    atomic_store(&lake_of(l)->renamed, true);
    fo_str_addf(&sql, " AS SELECT * FROM (%s) WHERE false", fo_str_z(&l->select));
    if (rc == FINOPS_OK)
        rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_load_run(l, "CREATE TABLE ", fo_str_z(&sql), false, NULL, err);
    if (rc == FINOPS_OK)
        rc = fo_duckdb_columns(l->c, l->schema, l->name, note_name, &n, err);
    if (rc == FINOPS_OK && n.failed)
        rc = fo_error_oom(err);
    if (rc == FINOPS_OK && fo_strv_has(&n.columns, PERIOD_COLUMN))
        rc = set_partition(l, &n.columns, err);
    fo_strv_done(&n.columns);
    return rc;
}

/* The table is there and has the columns of the rows afterwards. */
static finops_code
make_ready(fo_load *l, finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *missing = NULL;
    bool exists = false;
    finops_code rc = fo_load_exists(l, &exists, err);

    if (rc == FINOPS_OK && !exists)
        return l->c->transaction ? refuse_in_transaction(l, err) : make_empty(l, err);
    if (rc == FINOPS_OK)
        rc = fo_load_missing(l, &missing, err);
    if (rc != FINOPS_OK || fo_rows_count(missing) == 0)
        return rc;
    atomic_store(&lake_of(l)->renamed, true);
    return l->c->transaction ? refuse_in_transaction(l, err) : fo_load_widen(l, err);
}

static finops_code
write_rows(fo_load *l, finops_write_mode mode, int64_t *ret_rows, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (mode == FINOPS_WRITE_CREATE)
        atomic_store(&lake_of(l)->renamed, true);
    if (mode == FINOPS_WRITE_CREATE)
        return l->c->transaction ? refuse_in_transaction(l, err) : fo_load_create(l, ret_rows, err);
    if (mode == FINOPS_WRITE_WIDEN)
        rc = make_ready(l, err);
    return rc == FINOPS_OK ? fo_load_append(l, ret_rows, err) : rc;
}

static void
begin(fo_load *l, void *conn, const char *schema, const char *table)
{
    fo_load_init(l, conn, schema, table);
    l->no_arrays = true;
}

static finops_code
begin_rows(fo_load *l, const finops_source *source, const finops_call *call, finops_error **err)
{
    finops_code rc = fo_load_begin(l, source, call, err);

    return rc == FINOPS_OK ? fo_lake_remote_tell(lake_of(l)->plan.remote, fo_link_conn(l->c->link), call, err)
                           : rc;
}

finops_code
fo_lake_write(void *conn, const finops_write *write, const finops_source *source, finops_write_result *ret,
              finops_error **err)
{
    fo_load l;
    int64_t rows = 0;
    finops_code rc;

    assert(conn && write && write->table && source && (source->stream || source->sql));
    begin(&l, conn, write->schema, write->table);
    rc = begin_rows(&l, source, write->call, err);
    if (rc == FINOPS_OK)
        rc = write_rows(&l, write->mode, &rows, err);
    return fo_load_end(&l, rc, rows, ret, err);
}

/* All rows: one statement makes the table anew. */
static finops_code
replace_table(fo_load *l, const finops_partition *partition, int64_t *ret_rows, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (l->c->transaction)
        return refuse_in_transaction(l, err);
    atomic_store(&lake_of(l)->renamed, true);
    if (partition->before_swap)
        rc = partition->before_swap(partition->arg, err);
    if (rc == FINOPS_OK)
        rc = fo_load_schema(l, err);
    return rc == FINOPS_OK ? fo_load_run(l, "CREATE OR REPLACE TABLE ", " AS ", true, ret_rows, err) : rc;
}

static finops_code
replace_rows(fo_load *l, const finops_partition *partition, int64_t *ret_rows, finops_error **err)
{
    finops_code rc = make_ready(l, err);

    if (rc == FINOPS_OK)
        rc = fo_load_transaction(l, err);
    if (rc == FINOPS_OK)
        rc = fo_load_delete(l, partition, err);
    if (rc == FINOPS_OK)
        rc = fo_load_append(l, ret_rows, err);
    if (rc == FINOPS_OK && partition->before_swap)
        rc = partition->before_swap(partition->arg, err);
    return rc;
}

/* The old rows go, the written file comes. */
static finops_code
replace_by_staged(fo_load *l, const finops_partition *partition, const finops_staged *staged,
                  int64_t *ret_rows, finops_error **err)
{
    finops_code rc = fo_load_transaction(l, err);

    if (rc == FINOPS_OK)
        rc = fo_load_delete(l, partition, err);
    if (rc == FINOPS_OK)
        rc = fo_lake_take_staged(l->conn, partition, staged, err);
    *ret_rows = staged->rows;
    return rc;
}

finops_code
fo_lake_replace(void *conn, const finops_partition *partition, const finops_source *source,
                finops_write_result *ret, finops_error **err)
{
    fo_load l;
    int64_t rows = 0;
    finops_code rc;

    assert(conn && partition && partition->table && source);
    begin(&l, conn, partition->schema, partition->table);
    rc = begin_rows(&l, source->staged ? &(finops_source){ .sql = "" } : source, partition->call, err);
    if (rc == FINOPS_OK && source->staged)
        rc = replace_by_staged(&l, partition, source->staged, &rows, err);
    else if (rc == FINOPS_OK)
        rc = partition->column ? replace_rows(&l, partition, &rows, err)
                               : replace_table(&l, partition, &rows, err);
    return fo_load_end(&l, rc, rows, ret, err);
}
