/* Lines of two states to groups that differ: the statement. */
#include "base/mem.h"
#include "billing/lake_diff_internal.h"

/* "d1, d2, " */
static void
add_names(size_t n, fo_str *sql)
{
    for (size_t d = 0; d < n; d++)
        fo_str_addf(sql, "d%zu, ", d + 1);
}

/*
 * Equal lines of both states cancel each other first, whatever their number: what is left, of a month few
 * lines, is counted by key. So no more than one row a line that is unlike all others is held, and the engine
 * writes that to disk when it exceeds its memory.
 *
 * The lines are written out where they are used: DuckLake 1.5.5 fails (an internal error) to copy the plan of
 * a named one when a column that the state has is gone from the newest.
 */
void
fo_diff_statement(const char *lines, size_t n, fo_str *sql)
{
    FO_AUTO(fo_str_done) fo_str names = FO_STR_INIT;

    add_names(n, &names);
    fo_str_add(&names, "currency");
    const char *by = fo_str_z(&names);

    fo_str_addf(sql,
                "WITH left_over AS (SELECT %s, h1, h2, sum(n) AS n FROM (%s) GROUP BY %s, cost, price, h1, "
                "h2 HAVING sum(n) <> 0), ",
                by, lines, by);
    fo_str_addf(sql,
                "keyed AS (SELECT %s, sum(greatest(-n, 0)) AS a, sum(greatest(n, 0)) AS b FROM left_over "
                "GROUP BY %s, h1, h2), ",
                by, by);
    fo_str_addf(sql,
                "sums AS (SELECT %s, sum(cost) FILTER (n < 0) AS old, sum(cost) FILTER (n > 0) AS new, "
                "count(*) FILTER (n < 0) AS old_rows, count(*) FILTER (n > 0) AS new_rows, 0 AS added, 0 AS "
                "removed, 0 AS repriced FROM (%s) GROUP BY %s UNION ALL SELECT %s, 0, 0, 0, 0, sum(b - "
                "least(a, b)), sum(a - least(a, b)), sum(least(a, b)) FROM keyed GROUP BY %s), ",
                by, lines, by, by, by);
    fo_str_addf(sql,
                "groups AS MATERIALIZED (SELECT %s, CAST(coalesce(sum(old), 0) AS DECIMAL(38,18)) AS old, "
                "CAST(coalesce(sum(new), 0) AS DECIMAL(38,18)) AS new, CAST(sum(old_rows) AS BIGINT) AS "
                "old_rows, CAST(sum(new_rows) AS BIGINT) AS new_rows, CAST(sum(added) AS BIGINT) AS added, "
                "CAST(sum(removed) AS BIGINT) AS removed, CAST(sum(repriced) AS BIGINT) AS repriced FROM "
                "sums GROUP BY %s), ",
                by, by);
    fo_str_add(sql, "movers AS (SELECT *, row_number() OVER (PARTITION BY currency ORDER BY abs(new - old) "
                    "DESC, added + removed + repriced DESC");
    for (size_t d = 0; d < n; d++)
        fo_str_addf(sql, ", d%zu NULLS LAST", d + 1);
    fo_str_add(sql, ") AS place FROM groups WHERE new <> old OR added + removed + repriced > 0) ");
    sql->failed |= names.failed;
}

void
fo_diff_no_lines(size_t n, fo_str *sql)
{
    fo_str_add(sql, "SELECT ");
    for (size_t d = 0; d < n; d++)
        fo_str_addf(sql, "CAST(NULL AS VARCHAR) AS d%zu, ", d + 1);
    fo_str_add(sql, "CAST(NULL AS VARCHAR) AS currency, CAST(0 AS DECIMAL(38,18)) AS cost, 0 AS price, 0 AS "
                    "h1, 0 AS h2, 1 AS n WHERE false");
}

/* ---- rows ---- */

static const char *const figures[] = { "old",      "new",   "change",  "old_rows",
                                       "new_rows", "added", "removed", "repriced" };

/* Sums of all figures of each currency, from `groups` or `movers`. */
static void
add_sums(int kind, const char *name, const char *from, size_t n, fo_str *sql)
{
    fo_str_addf(sql, "SELECT %d AS kind, count(*) AS others, ", kind);
    for (size_t d = 0; d < n; d++)
        fo_str_addf(sql, "CAST(%s AS VARCHAR) AS d%zu, ", d == 0 ? name : "NULL", d + 1);
    fo_str_add(sql, "currency, sum(old) AS old, sum(new) AS new, sum(new) - sum(old) AS change");
    for (size_t i = 3; i < FO_COUNT(figures); i++)
        fo_str_addf(sql, ", CAST(sum(%s) AS BIGINT) AS %s", figures[i], figures[i]);
    fo_str_addf(sql, ", 0 AS place FROM %s", from);
}

static void
add_movers(size_t n, int64_t limit, fo_str *sql)
{
    fo_str_addf(sql, "SELECT %d AS kind, 1 AS others, ", FO_LAKE_DIFF_MOVER);
    add_names(n, sql);
    fo_str_add(sql, "currency, old, new, new - old AS change, old_rows, new_rows, added, removed, repriced, "
                    "place FROM movers");
    if (limit == 0)
        return;
    fo_str_addf(sql, " WHERE place <= %lld UNION ALL ", (long long)limit);
    add_sums(FO_LAKE_DIFF_REST, "'(others)'", "movers", n, sql);
    fo_str_addf(sql, " WHERE place > %lld GROUP BY currency", (long long)limit);
}

void
fo_lake_diff_rows(const fo_lake_diff *diff, const fo_strv *by, int64_t limit, bool all, fo_str *sql)
{
    fo_str_addf(sql, "%sSELECT %s", diff->sql, all ? "kind, others, " : "");
    for (size_t d = 0; d < by->n; d++) {
        fo_str_addf(sql, "d%zu AS ", d + 1);
        fo_sql_ident(sql, by->items[d]);
        fo_str_add(sql, ", ");
    }
    fo_str_add(sql, "currency");
    for (size_t i = 0; i < FO_COUNT(figures); i++)
        fo_str_addf(sql, ", %s", figures[i]);
    fo_str_add(sql, " FROM (");
    if (by->n > 0)
        add_movers(by->n, limit, sql);
    fo_str_add(sql, by->n > 0 && all ? " UNION ALL " : "");
    if (by->n == 0 || all) {
        add_sums(FO_LAKE_DIFF_TOTAL, "NULL", "groups", by->n, sql);
        fo_str_add(sql, " GROUP BY currency");
    }
    fo_str_add(sql, ") ORDER BY currency NULLS LAST, kind, place");
}
