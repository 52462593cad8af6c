/* What changed in the bill between two states of a lake. */
#include "billing/lake_diff.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "billing/lake_diff_internal.h"

void
fo_lake_diff_done(fo_lake_diff *diff)
{
    fo_free(diff->sql);
    fo_free(diff->months);
    fo_free(diff->exports);
    fo_strv_done(&diff->notes);
    *diff = (fo_lake_diff){ 0 };
}

/* A comparison that is being put together. */
typedef struct compare {
    fo_database *db;
    const fo_lake_diff_options *o;
    int64_t states[2]; /* old, new */
    fo_str lines;      /* SELECTs of lines, joined by UNION ALL */
    fo_strv months;    /* as shown */
    fo_strv exports;
    fo_strv notes;
    fo_strv tag_keys; /* of all exports, for the message */
    uint64_t found;   /* which dimensions some export has */
} compare;

static void
compare_done(compare *c)
{
    fo_str_done(&c->lines);
    fo_strv_done(&c->months);
    fo_strv_done(&c->exports);
    fo_strv_done(&c->notes);
    fo_strv_done(&c->tag_keys);
}

/* ---- what is there to compare ---- */

/* The rows of load_state in both states: vendor, export, table, whether it has the period. */
static finops_code
read_exports(compare *c, fo_rows **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    finops_code rc = FINOPS_OK;

    for (int i = 0; rc == FINOPS_OK && i < 2; i++) {
        bool has = false;

        rc = fo_lake_has_column(c->db, c->states[i], "billing_state", "load_state", "table_name", &has, err);
        if (has)
            fo_str_addf(&sql,
                        "%sSELECT vendor, export_name, table_name, billing_period FROM "
                        "billing_state.load_state AT (VERSION => %lld) WHERE table_name IS NOT NULL",
                        sql.len ? " UNION ALL " : "", (long long)c->states[i]);
    }
    if (rc != FINOPS_OK || sql.len == 0)
        return rc;
    FO_AUTO(fo_str_done) fo_str all = FO_STR_INIT;
    fo_str_add(&all, "SELECT vendor, export_name, table_name, bool_or(billing_period = ");
    fo_sql_literal(&all, c->o->period ? c->o->period : "");
    fo_str_addf(&all, ") FROM (%s)", fo_str_z(&sql));
    if (c->o->export_name) {
        fo_str_add(&all, " WHERE export_name = ");
        fo_sql_literal(&all, c->o->export_name);
    }
    fo_str_add(&all, " GROUP BY ALL ORDER BY export_name, table_name");
    rc = fo_str_check(&all, err);
    return rc == FINOPS_OK ? fo_database_rows(c->db, fo_str_z(&all), ret, err) : rc;
}

static finops_code
check_exports(const compare *c, const fo_rows *exports, finops_error **err)
{
    size_t n = exports ? fo_rows_count(exports) : 0;
    bool has = !c->o->period;

    for (size_t i = 0; i < n; i++)
        has |= fo_streq(fo_rows_text(exports, i, 3), "true");
    if (n > 0 && has)
        return FINOPS_OK;
    if (n == 0 && c->o->export_name)
        (void)fo_error_set(err, FINOPS_E_NOT_FOUND, "no month of export %s is in state %lld or %lld",
                           c->o->export_name, (long long)c->states[0], (long long)c->states[1]);
    else if (n == 0)
        (void)fo_error_set(err, FINOPS_E_NOT_FOUND, "no bill is in state %lld or %lld",
                           (long long)c->states[0], (long long)c->states[1]);
    else
        (void)fo_error_set(err, FINOPS_E_NOT_FOUND, "%s is in neither state %lld nor state %lld",
                           c->o->period, (long long)c->states[0], (long long)c->states[1]);
    fo_error_hint(err, "'finops aws show-state' shows what is loaded, 'finops lake snapshots' when that was");
    return FINOPS_E_NOT_FOUND;
}

/* ---- months ---- */

static bool
note_once(fo_strv *list, const char *text)
{
    return fo_strv_has(list, text) || fo_strv_add(list, text);
}

/* The condition for months that are known to differ; nothing is added when none is. */
static finops_code
where_months(compare *c, const fo_rows *months, fo_str *where, finops_error **err)
{
    const char *period = c->o->period;

    for (size_t i = 0; i < fo_rows_count(months); i++) {
        const char *first = fo_rows_text(months, i, 0), *last = fo_rows_text(months, i, 1);
        bool one = fo_streq(first, last);
        FO_AUTO(fo_freep) char *shown = fo_format("%s%s%s", first, one ? "" : "..", one ? "" : last);

        if (period && (strcmp(period, first) < 0 || strcmp(period, last) > 0))
            continue;
        if (!shown || !note_once(&c->months, period ? period : shown))
            return fo_error_oom(err);
        fo_str_add(where, where->len ? " OR " : "(");
        fo_str_add(where, "billing_period BETWEEN ");
        fo_sql_literal(where, period ? period : first);
        fo_str_add(where, " AND ");
        fo_sql_literal(where, period ? period : last);
    }
    fo_str_add(where, where->len ? ")" : "");
    return fo_str_check(where, err);
}

/* What is read of a table: "" for nothing. */
static finops_code
add_where(compare *c, const fo_lake_table tables[2], fo_str *where, finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *months = NULL;
    bool all = !tables[0].schema || !tables[1].schema || tables[0].id != tables[1].id;
    finops_code rc = FINOPS_OK;

    if (!all)
        rc = fo_lake_months(c->db, tables[0].id, c->states[0], c->states[1], &months, &all, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!all)
        return where_months(c, months, where, err);
    if (c->o->period) {
        fo_str_add(where, "billing_period = ");
        fo_sql_literal(where, c->o->period);
    } else {
        fo_str_add(where, "true");
    }
    return note_once(&c->months, c->o->period ? c->o->period : "all months") ? fo_str_check(where, err)
                                                                             : fo_error_oom(err);
}

/* ---- dimensions ---- */

static finops_code
note_missing(compare *c, const fo_diff_side *side, const char *name, finops_error **err)
{
    char *text = fo_format("%s has no %s in state %lld: its lines there are shown as without one",
                           side->table.export_name, name, (long long)side->state);

    return text && fo_strv_take(&c->notes, text) ? FINOPS_OK : fo_error_oom(err);
}

/* Adds the expression of a dimension on one side; *ret_has: there is a column for it. */
static finops_code
add_dimension(compare *c, const fo_diff_side *side, const char *name, fo_str *sql, bool *ret_has,
              finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str one = FO_STR_INIT;
    finops_code rc = FINOPS_OK;

    if (fo_starts(name, "tag:"))
        rc = fo_lines_tag(c->db, &side->table, name + 4, &one, ret_has, &c->tag_keys, err);
    else if (!fo_diff_dimension(side, name, &one))
        rc = fo_error_set(err, FINOPS_E_USAGE, "%s is no dimension", name);
    else
        *ret_has = !fo_streq(fo_str_z(&one), FO_DIFF_NONE);
    if (rc == FINOPS_OK)
        rc = fo_str_check(&one, err);
    if (rc == FINOPS_OK)
        fo_str_add(sql, fo_str_z(&one));
    return rc;
}

static finops_code
add_dimensions(compare *c, fo_diff_pair *pair, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t d = 0; rc == FINOPS_OK && d < c->o->by->n; d++) {
        const char *name = c->o->by->items[d];
        bool has[2] = { false, false };

        for (int s = 0; rc == FINOPS_OK && s < 2; s++) {
            rc = add_dimension(c, pair->sides[s], name, &pair->dimensions[s], &has[s], err);
            fo_str_addf(&pair->dimensions[s], " AS d%zu, ", d + 1);
        }
        if (has[0] || has[1] || !fo_starts(name, "tag:"))
            c->found |= (uint64_t)1 << d;
        if (rc == FINOPS_OK && has[0] != has[1])
            rc = note_missing(c, pair->sides[has[0]], name, err);
    }
    return rc;
}

static finops_code
check_tags(compare *c, finops_error **err)
{
    for (size_t d = 0; c->lines.len && d < c->o->by->n; d++)
        if (!(c->found & (uint64_t)1 << d))
            return fo_lines_tag_unknown(c->o->by->items[d] + strlen("tag:"), &c->tag_keys, err);
    return FINOPS_OK;
}

/* ---- one export ---- */

static bool
wants_tags(const compare *c)
{
    for (size_t d = 0; d < c->o->by->n; d++)
        if (fo_starts(c->o->by->items[d], "tag:"))
            return true;
    return false;
}

static finops_code
add_pair(compare *c, const fo_diff_side sides[2], const char *where, finops_error **err)
{
    fo_diff_pair pair = { .sides = { &sides[0], &sides[1] },
                          .dimensions = { FO_STR_INIT, FO_STR_INIT },
                          .where = where,
                          .cost = c->o->cost,
                          .gaps = FO_STRV_INIT };
    finops_code rc = add_dimensions(c, &pair, err);

    if (rc == FINOPS_OK)
        rc = fo_diff_gaps(c->db, &pair, err);
    for (int s = 0; rc == FINOPS_OK && s < 2; s++)
        rc = fo_str_check(&pair.dimensions[s], err);
    for (int s = 0; rc == FINOPS_OK && s < 2; s++) {
        fo_str_add(&c->lines, c->lines.len ? " UNION ALL " : "");
        fo_diff_lines(&pair, s, &c->lines);
    }
    fo_str_done(&pair.dimensions[0]);
    fo_str_done(&pair.dimensions[1]);
    fo_strv_done(&pair.gaps);
    return rc == FINOPS_OK ? fo_str_check(&c->lines, err) : rc;
}

/* Both sides of an export; a state without its table has no rows. */
static finops_code
open_pair(compare *c, const char *vendor, const char *name, const char *table, const fo_lake_table tables[2],
          const char *where, finops_error **err)
{
    FO_AUTO(fo_colnames_freep) fo_colnames *names = NULL;
    fo_diff_side sides[2] = { { .empty = !tables[0].schema }, { .empty = !tables[1].schema } };
    finops_code rc = wants_tags(c) ? fo_colnames_load(c->db, vendor, name, &names, err) : FINOPS_OK;

    for (int s = 0; rc == FINOPS_OK && s < 2; s++) {
        int from = sides[s].empty ? !s : s;

        rc = fo_diff_side_open(c->db, name, tables[from].schema, table, c->states[from], names, &sides[s],
                               err);
    }
    if (rc == FINOPS_OK)
        rc = add_pair(c, sides, where, err);
    fo_diff_side_done(&sides[0]);
    fo_diff_side_done(&sides[1]);
    return rc;
}

static finops_code
add_export(compare *c, const char *vendor, const char *name, const char *table, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str where = FO_STR_INIT;
    fo_lake_table tables[2] = { { 0 }, { 0 } };
    finops_code rc = FINOPS_OK;

    for (int s = 0; rc == FINOPS_OK && s < 2; s++)
        rc = fo_lake_table_find(c->db, c->states[s], c->o->dataset, table, &tables[s], err);
    if (rc == FINOPS_OK && (tables[0].schema || tables[1].schema)) {
        rc = note_once(&c->exports, name) ? add_where(c, tables, &where, err) : fo_error_oom(err);
        if (rc == FINOPS_OK && where.len)
            rc = open_pair(c, vendor, name, table, tables, fo_str_z(&where), err);
    }
    fo_lake_table_done(&tables[0]);
    fo_lake_table_done(&tables[1]);
    return rc;
}

/* ---- the whole ---- */

static char *
joined(const fo_strv *list, const char *none)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    for (size_t i = 0; i < list->n; i++)
        fo_str_addf(&text, "%s%s", i ? ", " : "", list->items[i]);
    return fo_str_ok(&text) ? fo_strdup(list->n ? fo_str_z(&text) : none) : NULL;
}

static finops_code
compare_finish(compare *c, fo_lake_diff *diff, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    if (c->lines.len == 0)
        fo_diff_no_lines(c->o->by->n, &c->lines);
    fo_diff_statement(fo_str_z(&c->lines), c->o->by->n, &sql);
    finops_code rc = fo_str_check(&c->lines, err);
    if (rc == FINOPS_OK)
        rc = fo_str_check(&sql, err);
    if (rc != FINOPS_OK)
        return rc;
    diff->sql = fo_str_take(&sql);
    fo_strv_sort(&c->months);
    diff->months = joined(&c->months, "no month");
    diff->exports = joined(&c->exports, "");
    diff->notes = c->notes;
    c->notes = (fo_strv)FO_STRV_INIT;
    return diff->months && diff->exports && diff->sql ? FINOPS_OK : fo_error_oom(err);
}

finops_code
fo_lake_diff_open(fo_database *database, const fo_lake_diff_options *options, fo_lake_diff *ret,
                  finops_error **err)
{
    FO_AUTO(compare_done)
    compare c = {
        .db = database, .o = options, .states = { options->from, options->to }, .lines = FO_STR_INIT
    };
    FO_AUTO(fo_lake_diff_done) fo_lake_diff diff = { 0 };
    FO_AUTO(fo_rows_freep) fo_rows *exports = NULL;

    assert(database && options && options->dataset && options->by && options->by->n <= 64 && ret);
    finops_code rc = read_exports(&c, &exports, err);
    if (rc == FINOPS_OK)
        rc = check_exports(&c, exports, err);
    for (size_t i = 0; rc == FINOPS_OK && exports && i < fo_rows_count(exports); i++)
        rc = add_export(&c, fo_rows_text(exports, i, 0), fo_rows_text(exports, i, 1),
                        fo_rows_text(exports, i, 2), err);
    if (rc == FINOPS_OK)
        rc = check_tags(&c, err);
    if (rc == FINOPS_OK)
        rc = compare_finish(&c, &diff, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret = diff;
    diff = (fo_lake_diff){ 0 };
    return FINOPS_OK;
}
