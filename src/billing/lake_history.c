/* The audit trail of a lake. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "billing/lake_audit.h"
#include "billing_sql.h"

/* What stands for @NAME@ in the statement. */
typedef struct filled {
    const char *name;
    const char *sql;
} filled;

static void
fill(const char *from, const filled *values, size_t n, fo_str *ret)
{
    for (const char *at; (at = strchr(from, '@'));) {
        const filled *value = NULL;

        for (size_t i = 0; i < n && !value; i++)
            if (fo_starts(at, values[i].name))
                value = &values[i];
        fo_str_addn(ret, from, (size_t)(at - from));
        fo_str_add(ret, value ? value->sql : "@");
        from = at + (value ? strlen(value->name) : 1);
    }
    fo_str_add(ret, from);
}

/* The states between which the change feed of load_state can be read. */
static finops_code
kept_range(fo_database *db, fo_rows **ret, finops_error **err)
{
    return fo_database_query(db,
                             "SELECT min(snapshot_id), max(snapshot_id) FROM "
                             "ducklake_snapshots(current_database())",
                             NULL, 0, ret, err);
}

finops_code
fo_lake_history_sql(fo_database *database, const char *export_name, const char *period, fo_str *ret,
                    finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *range = NULL;
    FO_AUTO(fo_str_done) fo_str export_sql = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str period_sql = FO_STR_INIT;
    char now[FO_TIME_TEXT], now_sql[FO_TIME_TEXT + 2];
    bool has = false;

    assert(database && ret);
    finops_code rc = fo_database_has(database, "billing_state", "load_state", &has, err);
    if (rc == FINOPS_OK && !has)
        rc = fo_error_set(err, FINOPS_E_NOT_FOUND, "no bill was ever loaded into the lake");
    if (rc == FINOPS_OK)
        rc = kept_range(database, &range, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_sql_literal(&export_sql, export_name);
    fo_sql_literal(&period_sql, period);
    (void)snprintf(now_sql, sizeof(now_sql), "'%s'", fo_time_format(fo_clock_now(), now));
    const filled values[] = { { "@FIRST@", fo_rows_text(range, 0, 0) },
                              { "@LAST@", fo_rows_text(range, 0, 1) },
                              { "@NOW@", now_sql },
                              { "@EXPORT@", fo_str_z(&export_sql) },
                              { "@PERIOD@", fo_str_z(&period_sql) } };
    fill(fo_sql_lake_history, values, FO_COUNT(values), ret);
    if (!fo_str_ok(&export_sql) || !fo_str_ok(&period_sql))
        return fo_error_oom(err);
    return fo_str_check(ret, err);
}
