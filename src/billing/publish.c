/* Publishing a month: table, ledger, unified view and state in one transaction. */
#include "billing/publish.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "base/mem.h"
#include "billing/ledger.h"
#include "billing/names.h"
#include "billing/nested.h"
#include "billing/progress.h"
#include "engine/utc.h"

#define INT_TEXT 24

/* What a publication needs at every step. */
typedef struct publish {
    fo_database *db;
    const fo_bill_target *target;
    const fo_bill_month *month;
    const fo_bill_schema *schema;
    fo_colnames *names;
    char *table;          /* name of the month's table */
    char *relation;       /* the month's rows as a FROM item */
    fo_str rows_sql;      /* the statement that reads the month, in the reading engine's words */
    fo_strv columns;      /* of the table */
    fo_strv old;          /* tables that had the month */
    finops_staged staged; /* the rows, written before the transaction; where NULL: they are not */
    int64_t read;         /* rows the files held */
} publish;

static void
publish_done(publish *p)
{
    fo_free(p->table);
    fo_free(p->relation);
    fo_str_done(&p->rows_sql);
    fo_strv_done(&p->columns);
    fo_strv_done(&p->old);
}

void
fo_bill_result_done(fo_bill_result *result)
{
    fo_free(result->total_cost);
    fo_free(result->currency);
    fo_free(result->totals);
    *result = (fo_bill_result){ 0 };
}

static void
publish_qualified(fo_str *sql, const char *schema, const char *table)
{
    fo_sql_ident(sql, schema);
    fo_str_addc(sql, '.');
    fo_sql_ident(sql, table);
}

static finops_code
publish_names(publish *p, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str table = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str relation = FO_STR_INIT;
    finops_code rc = FINOPS_OK;

    if (p->target->single)
        fo_str_add(&table, p->target->table_base);
    else
        rc = fo_bill_table_name(p->target->table_base, p->month->key.period, &table, err);
    if (rc != FINOPS_OK)
        return rc;
    publish_qualified(&relation, p->target->schema, fo_str_z(&table));
    if (p->target->single) {
        fo_str_add(&relation, " WHERE billing_period = ");
        fo_sql_literal(&relation, p->month->key.period);
    }
    p->table = fo_str_take(&table);
    p->relation = fo_str_take(&relation);
    return p->table && p->relation ? FINOPS_OK : fo_error_oom(err);
}

/*
 * A table of one strategy can have the name of another export's table of the other: export "cur_2024_11" as
 * one table and November of "cur". Nothing is ever loaded into or over a table of another export.
 */
finops_code
fo_publish_check_owner(fo_database *database, const fo_bill_target *target, const char *table,
                       finops_error **err)
{
    const fo_param params[] = { table, target->vendor, target->export_name };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    FO_AUTO(fo_strv_done) fo_strv columns = FO_STRV_INIT;
    finops_code rc =
        fo_database_query(database,
                          "SELECT export_name FROM billing_state.load_state WHERE table_name = $1 AND "
                          "current_version AND (vendor <> $2 OR export_name <> $3) LIMIT 1",
                          params, FO_COUNT(params), &rows, err);

    if (rc == FINOPS_OK && fo_rows_count(rows) > 0)
        rc = fo_database_columns(database, target->schema, table, &columns, NULL, err);
    if (rc != FINOPS_OK || columns.n == 0)
        return rc;
    rc = fo_error_set(err, FINOPS_E_EXISTS, "table %s holds export %s", table, fo_rows_text(rows, 0, 0));
    fo_error_hint(err, "load %s with the other --table-strategy or another --dataset-name",
                  target->export_name);
    return rc;
}

/* The statement that yields the month's rows in the table's columns. */
static finops_code
publish_rows_sql(publish *p, finops_error **err)
{
    fo_str *sql = &p->rows_sql;

    if (p->target->single) {
        fo_str_add(sql, "SELECT ");
        fo_sql_literal(sql, p->month->key.period);
        fo_str_add(sql, " AS billing_period, * FROM (");
    } else {
        fo_str_add(sql, "SELECT * FROM (");
    }
    finops_code rc = fo_bill_schema_select(p->schema, sql, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_str_add(sql, ") AS files");
    return fo_nested_where(p->month->reader, p->schema, p->month->where, sql, err);
}

finops_code
fo_publish_drop_table(fo_database *database, const char *schema, const char *table, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    fo_str_add(&sql, "DROP TABLE IF EXISTS ");
    publish_qualified(&sql, schema, table);
    finops_code rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_database_exec(database, fo_str_z(&sql), NULL, 0, NULL, err) : rc;
}

finops_code
fo_publish_clear_old(fo_database *database, const fo_bill_target *target, const char *period,
                     const char *table, fo_strv *ret_old, finops_error **err)
{
    const fo_param params[] = { target->vendor, target->export_name, period };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc = fo_database_query(
        database,
        "SELECT table_name FROM billing_state.load_state WHERE vendor = $1 AND export_name = $2 "
        "AND billing_period = $3 AND current_version AND table_name IS NOT NULL",
        params, FO_COUNT(params), &rows, err);

    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++) {
        const char *old = fo_rows_text(rows, i, 0);
        if (fo_streq(old, table))
            continue;
        if (!fo_streq(old, target->table_base)) { /* the view stands on it until it is made again */
            rc = fo_strv_add(ret_old, old) ? FINOPS_OK : fo_error_oom(err);
            continue;
        }
        FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
        const fo_param one[] = { period };
        fo_str_add(&sql, "DELETE FROM ");
        publish_qualified(&sql, target->schema, old);
        fo_str_add(&sql, " WHERE billing_period = $1");
        rc = fo_str_check(&sql, err);
        if (rc == FINOPS_OK)
            rc = fo_database_exec(database, fo_str_z(&sql), one, 1, NULL, err);
    }
    return rc;
}

static finops_code
publish_drop_old(publish *p, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && i < p->old.n; i++)
        rc = fo_publish_drop_table(p->db, p->target->schema, p->old.items[i], err);
    return rc;
}

/* The new table has its name and the old one is still there: the view turns to the new one. */
static finops_code
publish_turn_view(void *arg, finops_error **err)
{
    publish *p = arg;

    return fo_unified_view(p->db, p->target, p->names, err);
}

/* The rows take the place of the month's: a table of its own, or those of one table with its billing period.
 * With `stages` they are only written, where that can be done before. */
static finops_code
publish_rows(publish *p, bool stages, finops_error **err)
{
    bool turns = fo_database_can(p->db, FINOPS_DATABASE_VIEWS_PIN_TABLES);
    const finops_partition partition = { .schema = p->target->schema,
                                         .table = p->table,
                                         .column = p->target->single ? "billing_period" : NULL,
                                         .value = p->target->single ? p->month->key.period : NULL,
                                         .before_swap = turns ? publish_turn_view : NULL,
                                         .arg = p };
    struct ArrowArrayStream stream = { 0 };
    finops_source source = { .sql = fo_str_z(&p->rows_sql) };
    finops_write_result written = { 0 };
    finops_code rc = FINOPS_OK;

    if (stages)
        return fo_database_stage(p->db, &partition, &source, &p->staged, err);
    if (p->staged.where)
        source = (finops_source){ .staged = &p->staged };
    else if (!fo_database_can(p->db, FINOPS_DATABASE_READS_FILES)) {
        rc = fo_conn_stream(p->month->reader, fo_str_z(&p->rows_sql), NULL, 0, &stream, err);
        if (rc == FINOPS_OK)
            rc = fo_stream_utc(&stream, err);
        source = (finops_source){ .stream = &stream };
    }
    return rc == FINOPS_OK ? fo_database_replace(p->db, &partition, &source, &written, err) : rc;
}

static int64_t
publish_bytes(const fo_bill_schema *schema)
{
    int64_t bytes = 0;

    for (size_t i = 0; i < schema->n_inputs; i++)
        bytes += schema->inputs[i].bytes;
    return bytes;
}

static void
publish_count(publish *p, const fo_bill_job *job, fo_bill_result *result)
{
    result->rounded = fo_exact_rounded(p->month->reader) + job->job.rounded;
    result->bytes_read = job->job.bytes_read;
    p->read = job->job.rows;
    for (size_t i = 0; p->schema->parquet && i < p->schema->n_inputs; i++) {
        p->read += p->schema->inputs[i].rows;
        result->bytes_read += p->schema->inputs[i].bytes;
    }
}

/* Runs the statements that read the files, with the CSV reader's job set; p->read is what the files held. */
static finops_code
publish_load(publish *p, bool stages, fo_bill_result *result, finops_error **err)
{
    FO_AUTO(fo_bill_job_done) fo_bill_job job = { 0 };
    finops_code rc =
        fo_bill_job_begin(p->month->reader, p->schema, p->month->files, p->month->cancel, &job, err);

    if (rc != FINOPS_OK)
        return rc;
    fo_exact_rounded(p->month->reader); /* counts from here */
    fo_bill_progress_watch(p->month->progress, p->schema->parquet ? NULL : &job.job,
                           publish_bytes(p->schema));
    rc = publish_rows(p, stages, err);
    if (rc == FINOPS_OK && (!stages || p->staged.where))
        rc = fo_nested_register(p->month->reader, fo_str_z(&p->rows_sql), p->schema, p->names, err);
    fo_bill_progress_watch(p->month->progress, NULL, 0);
    rc = fo_bill_job_end(p->month->reader, p->schema, p->month->files, rc, err);
    publish_count(p, &job, result);
    return rc;
}

static finops_code
publish_ledger(publish *p, finops_error **err)
{
    const fo_version_key *key = &p->month->key;
    const fo_param params[] = { key->vendor, key->export_name, key->period, key->version_id };
    const fo_cost_columns columns = { .names = &p->columns };
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    finops_code rc =
        fo_database_exec(p->db,
                         "DELETE FROM billing_state.ledger WHERE vendor = $1 AND export_name = $2 "
                         "AND billing_period = $3 AND version_id = $4",
                         params, FO_COUNT(params), NULL, err);

    if (rc != FINOPS_OK)
        return rc;
    fo_str_add(&sql, "INSERT INTO billing_state.ledger SELECT $1, $2, $3, $4, sums.* FROM (");
    fo_ledger_select(&columns, p->relation, &sql);
    fo_str_add(&sql, ") AS sums ORDER BY account_id, service, line_item_type, currency");
    rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_database_exec(p->db, fo_str_z(&sql), params, FO_COUNT(params), NULL, err)
                           : rc;
}

/* "12.500000000000000000" -> "12.5". */
static void
publish_plain_decimal(const char *text, char ret[FO_DECIMAL_TEXT])
{
    fo_decimal value = 0;

    if (text && fo_decimal_parse(text, strlen(text), &value) != FO_DECIMAL_BAD)
        fo_decimal_format(value, ret);
    else
        snprintf(ret, FO_DECIMAL_TEXT, "%s", text ? text : "0");
}

/* Totals by currency out of the ledger. */
static finops_code
publish_totals(publish *p, fo_bill_result *result, finops_error **err)
{
    const fo_version_key *key = &p->month->key;
    const fo_param params[] = { key->vendor, key->export_name, key->period, key->version_id };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    FO_AUTO(fo_str_done) fo_str totals = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str currencies = FO_STR_INIT;
    finops_code rc = fo_database_query(
        p->db,
        "SELECT coalesce(currency, ''), sum(unblended), sum(row_count) FROM billing_state.ledger "
        "WHERE vendor = $1 AND export_name = $2 AND billing_period = $3 AND version_id = $4 "
        "GROUP BY 1 ORDER BY 1",
        params, FO_COUNT(params), &rows, err);

    if (rc != FINOPS_OK)
        return rc;
    result->rows = 0;
    for (size_t i = 0; i < fo_rows_count(rows); i++) {
        const char *currency = fo_rows_text(rows, i, 0);
        char cost[FO_DECIMAL_TEXT];
        publish_plain_decimal(fo_rows_text(rows, i, 1), cost);
        result->rows += fo_rows_int(rows, i, 2);
        fo_str_addf(&totals, "%s%s%s%s", i ? ", " : "", cost, *currency ? " " : "", currency);
        fo_str_addf(&currencies, "%s%s", i ? "," : "", currency);
    }
    if (fo_rows_count(rows) <= 1)
        result->total_cost = fo_strdup(fo_rows_count(rows) ? fo_rows_text(rows, 0, 1) : "0");
    result->totals = fo_str_take(&totals);
    result->currency = fo_str_take(&currencies);
    if (!result->totals || !result->currency || (fo_rows_count(rows) <= 1 && !result->total_cost))
        return fo_error_oom(err);
    return FINOPS_OK;
}

/* What was read must be what is there, and a month with rows is not replaced by one without unless that is
 * asked for. */
static finops_code
publish_verify(publish *p, const fo_bill_result *result, int64_t read, finops_error **err)
{
    const fo_version_key *key = &p->month->key;
    const fo_param params[] = { key->vendor, key->export_name, key->period };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    int64_t want = p->month->where ? p->month->expect_rows : read;

    if (result->rows != want)
        return fo_error_set(err, FINOPS_E_DRIFT,
                            "%" PRId64 " rows were read and %" PRId64 " are in the table", want,
                            result->rows);
    if (result->rows > 0 || p->month->allow_empty)
        return FINOPS_OK;
    finops_code rc =
        fo_database_query(p->db,
                          "SELECT max(row_count) FROM billing_state.load_state WHERE vendor = $1 AND "
                          "export_name = $2 AND billing_period = $3 AND current_version",
                          params, FO_COUNT(params), &rows, err);
    if (rc != FINOPS_OK || fo_rows_int(rows, 0, 0) == 0)
        return rc;
    rc = fo_error_set(err, FINOPS_E_DATA, "the files hold no rows, the month that is loaded has %" PRId64,
                      fo_rows_int(rows, 0, 0));
    fo_error_hint(err, "pass --force to replace the month by an empty one");
    return rc;
}

/* "111122223333", several with commas between them, NULL where the bill names none. */
static finops_code
publish_payers(publish *p, char **ret, finops_error **err)
{
    const fo_cost_columns columns = { .names = &p->columns };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str payers = FO_STR_INIT;

    fo_str_add(&sql, "SELECT DISTINCT payer FROM (SELECT ");
    fo_cost_dimension(&columns, FO_DIMENSION_PAYER, &sql);
    fo_str_addf(&sql, " AS payer FROM %s) AS payers WHERE payer IS NOT NULL ORDER BY 1", p->relation);
    finops_code rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_rows(p->db, fo_str_z(&sql), &rows, err);
    if (rc != FINOPS_OK || fo_rows_count(rows) == 0)
        return rc;
    for (size_t i = 0; i < fo_rows_count(rows); i++)
        fo_str_addf(&payers, "%s%s", i ? "," : "", fo_rows_text(rows, i, 0));
    *ret = fo_str_take(&payers);
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
publish_complete(publish *p, const fo_bill_result *result, finops_error **err)
{
    char hash[65];
    FO_AUTO(fo_freep) char *mappings = NULL;
    FO_AUTO(fo_freep) char *payers = NULL;
    finops_code rc = fo_bill_schema_hash(p->schema, hash, err);

    if (rc == FINOPS_OK)
        rc = fo_bill_schema_mappings(p->schema, p->names, &mappings, err);
    if (rc == FINOPS_OK)
        rc = publish_payers(p, &payers, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_load_result load = { .rows = result->rows,
                            .files = (int64_t)p->schema->n_inputs,
                            .bytes_read = result->bytes_read,
                            .total_cost = result->total_cost,
                            .currency = result->currency,
                            .table_name = p->table,
                            .schema_hash = hash,
                            .payer_account_id = payers,
                            .column_mappings = mappings };
    return fo_state_complete_load(p->db, &p->month->key, &load, err);
}

/* What the state that this makes is, where states are kept. */
static finops_code
publish_annotate(const publish *p, const fo_bill_result *result, finops_error **err)
{
    const fo_version_key *key = &p->month->key;
    FO_AUTO(fo_freep) char *details = NULL;
    FO_AUTO(fo_freep)
    char *message = fo_format("import %s %s, version %s", key->export_name, key->period, key->version_id);
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s}", "action", "import", "vendor", key->vendor,
                  "export_name", key->export_name, "billing_period", key->period, "version_id",
                  key->version_id, "rows", (json_int_t)result->rows, "tool_version", FINOPS_VERSION);

    details = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (!message || !details)
        return fo_error_oom(err);
    return fo_database_annotate(p->db, message, details, err);
}

/* Its lock may have been lost while the month was loaded, and another importer have been there. */
static finops_code
publish_check_claim(const publish *p, finops_error **err)
{
    const fo_version_key *key = &p->month->key;
    const fo_param params[] = { key->vendor, key->export_name, key->period };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc = fo_database_query(p->db,
                                       "SELECT max(version_id) FROM billing_state.load_state WHERE vendor = "
                                       "$1 AND export_name = $2 AND billing_period = $3 AND current_version",
                                       params, FO_COUNT(params), &rows, err);
    const char *now = rc == FINOPS_OK ? fo_rows_text(rows, 0, 0) : NULL;

    if (rc != FINOPS_OK || (!now && !p->month->now) || (now && p->month->now && fo_streq(now, p->month->now)))
        return rc;
    return fo_error_set(err, FINOPS_E_TRANSIENT, "another importer took %s %s over and loaded version %s",
                        key->export_name, key->period, now ? now : "none");
}

/* Everything between BEGIN and COMMIT. */
static finops_code
publish_inside(publish *p, fo_bill_result *result, finops_error **err)
{
    finops_code rc = publish_check_claim(p, err);

    if (rc == FINOPS_OK)
        rc = fo_publish_check_owner(p->db, p->target, p->table, err);
    if (rc == FINOPS_OK)
        rc = fo_publish_clear_old(p->db, p->target, p->month->key.period, p->table, &p->old, err);
    if (rc == FINOPS_OK)
        rc = p->staged.where ? publish_rows(p, false, err) : publish_load(p, false, result, err);
    if (rc == FINOPS_OK)
        rc = fo_database_columns(p->db, p->target->schema, p->table, &p->columns, NULL, err);
    if (rc == FINOPS_OK)
        rc = publish_ledger(p, err);
    if (rc == FINOPS_OK)
        rc = publish_totals(p, result, err);
    if (rc == FINOPS_OK)
        rc = publish_verify(p, result, p->read, err);
    if (rc == FINOPS_OK)
        rc = fo_colnames_save(p->db, p->names, err);
    if (rc == FINOPS_OK)
        rc = publish_complete(p, result, err);
    if (rc == FINOPS_OK)
        rc = publish_annotate(p, result, err);
    if (!fo_database_tables_in_transaction(p->db))
        return rc;
    if (rc == FINOPS_OK)
        rc = fo_unified_view(p->db, p->target, p->names, err);
    return rc == FINOPS_OK ? publish_drop_old(p, err) : rc;
}

/* The table gets the month's columns, and no rows. */
static finops_code
publish_make_table(publish *p, finops_error **err)
{
    FO_AUTO(fo_freep)
    char *none = fo_format("SELECT * FROM (%s) AS rows WHERE false", fo_str_z(&p->rows_sql));
    const finops_write write = { .schema = p->target->schema, .table = p->table, .mode = FINOPS_WRITE_WIDEN };
    struct ArrowArrayStream stream = { 0 };
    finops_source source = { .sql = none };
    finops_code rc = none ? FINOPS_OK : fo_error_oom(err);

    if (rc == FINOPS_OK && !fo_database_can(p->db, FINOPS_DATABASE_READS_FILES)) {
        rc = fo_conn_stream(p->month->reader, none, NULL, 0, &stream, err);
        source = (finops_source){ .stream = &stream };
    }
    return rc == FINOPS_OK ? finops_session_write(fo_database_session(p->db), &write, &source, NULL, err)
                           : rc;
}

/* What cannot be part of the transaction, and does no harm when that fails. */
static finops_code
publish_before(publish *p, finops_error **err)
{
    FO_AUTO(fo_bill_job_done) fo_bill_job job = { 0 };
    const fo_bill_month *m = p->month;
    finops_code rc = fo_bill_job_begin(m->reader, p->schema, m->files, m->cancel, &job, err);

    if (rc != FINOPS_OK)
        return rc;
    rc = fo_database_alone(p->db, err);
    if (rc == FINOPS_OK) {
        rc = publish_make_table(p, err);
        fo_database_alone_end(p->db);
    }
    rc = fo_bill_job_end(m->reader, p->schema, m->files, rc, err);
    return rc == FINOPS_OK ? fo_month_view(p->db, p->target, m->key.period, err) : rc;
}

static finops_code
publish_init(publish *p, fo_database *database, const fo_bill_target *target, const fo_bill_month *month,
             const fo_bill_schema *schema, fo_colnames *names, finops_error **err)
{
    assert(database && target && month && month->reader && schema && names);
    *p = (publish){ .db = database,
                    .target = target,
                    .month = month,
                    .schema = schema,
                    .names = names,
                    .rows_sql = FO_STR_INIT };
    finops_code rc = publish_names(p, err);

    return rc == FINOPS_OK ? publish_rows_sql(p, err) : rc;
}

finops_code
fo_publish_prepare(fo_database *database, const fo_bill_target *target, const fo_bill_month *month,
                   const fo_bill_schema *schema, fo_colnames *names, finops_error **err)
{
    FO_AUTO(publish_done) publish p = { 0 };

    if (fo_database_tables_in_transaction(database))
        return FINOPS_OK;
    finops_code rc = publish_init(&p, database, target, month, schema, names, err);
    return rc == FINOPS_OK ? publish_before(&p, err) : rc;
}

/* A transaction around the month, and what has to be done before and after it. */
static finops_code
publish_alone(publish *p, fo_bill_result *result, finops_error **err)
{
    bool lake = !fo_database_tables_in_transaction(p->db);
    finops_code rc = lake ? publish_before(p, err) : FINOPS_OK;

    if (rc == FINOPS_OK && lake)
        rc = publish_load(p, true, result, err);
    if (rc == FINOPS_OK)
        rc = fo_database_begin(p->db, err);
    if (rc == FINOPS_OK) {
        rc = publish_inside(p, result, err);
        if (rc != FINOPS_OK)
            fo_database_rollback(p->db);
    }
    if (rc != FINOPS_OK) {
        fo_database_unstage(p->db, &p->staged);
        return rc;
    }
    fo_free(p->staged.where); /* also a commit of which nobody knows may have taken it in */
    p->staged.where = NULL;
    rc = fo_database_commit(p->db, err);
    if (rc != FINOPS_OK)
        fo_database_rollback(p->db);
    return rc == FINOPS_OK && lake ? fo_views_settle(p->db, p->target, p->names, err) : rc;
}

finops_code
fo_publish_month(fo_database *database, const fo_bill_target *target, const fo_bill_month *month,
                 const fo_bill_schema *schema, fo_colnames *names, fo_bill_result *ret, finops_error **err)
{
    FO_AUTO(publish_done) publish p = { 0 };
    FO_AUTO(fo_bill_result_done) fo_bill_result result = { 0 };

    assert(ret);
    finops_code rc = publish_init(&p, database, target, month, schema, names, err);
    if (rc == FINOPS_OK)
        rc = month->joined ? publish_inside(&p, &result, err) : publish_alone(&p, &result, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret = result;
    result = (fo_bill_result){ 0 };
    return FINOPS_OK;
}
