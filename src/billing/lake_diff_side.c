/*
 * The lines of one state, each with a key made of what it is.
 *
 * Alike are lines of one export with the same billing period, payer, account, line item type, service, usage
 * type, operation, resource, region, currency, charge period, pricing terms and tags. A column takes part
 * where both states have it. Left out are ids of line items, and of prices (pricing_rate_id and
 * pricing_rate_code): a new price comes with new ones, and is to be seen as a price. Empty texts and NULL are
 * one: formats of delivery differ in that. Tags count as a set, in a map or in columns of their own.
 *
 * The key is two hashes of 64 bits of the engine's, over the columns in one order and in the other: to group
 * by the columns themselves takes many times the memory. Costs do not depend on it, for they are summed by
 * the dimensions themselves. Nor do dimensions and prices: lines are counted within them.
 */
#include <string.h>

#include "base/mem.h"
#include "billing/columns.h"
#include "billing/lake_diff_internal.h"
#include "billing/nested.h"

#define TAG_PREFIX "resource_tags_"

void
fo_diff_side_done(fo_diff_side *side)
{
    fo_free(side->table.schema);
    fo_free(side->table.name);
    fo_strv_done(&side->table.columns);
    fo_strv_done(&side->table.types);
    fo_strv_done(&side->tag_values);
    *side = (fo_diff_side){ 0 };
}

/* ---- the table ---- */

void
fo_diff_add_table(const fo_diff_side *side, fo_str *sql)
{
    fo_sql_ident(sql, side->table.schema);
    fo_str_addc(sql, '.');
    fo_sql_ident(sql, side->table.name);
    fo_str_addf(sql, " AT (VERSION => %lld)", (long long)side->state);
}

static finops_code
add_key(const char *name, const char *expression, void *arg, finops_error **err)
{
    fo_diff_side *side = arg;
    bool ok = fo_strv_add(&side->table.columns, name) && fo_strv_add(&side->table.types, "VARCHAR") &&
              fo_strv_add(&side->tag_values, expression);

    return ok ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
read_columns(fo_database *db, fo_diff_side *side, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    fo_str_add(&sql, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM ");
    fo_diff_add_table(side, &sql);
    fo_str_addc(&sql, ')');
    finops_code rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_rows(db, fo_str_z(&sql), &rows, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++)
        if (!fo_strv_add(&side->table.columns, fo_rows_text(rows, i, 0)) ||
            !fo_strv_add(&side->table.types, fo_rows_text(rows, i, 1)))
            rc = fo_error_oom(err);
    side->n_own = side->table.columns.n;
    return rc;
}

finops_code
fo_diff_side_open(fo_database *database, const char *export_name, const char *schema, const char *table,
                  int64_t state, const fo_colnames *names, fo_diff_side *ret, finops_error **err)
{
    static const char *const maps[] = { "resource_tags", "tags" };
    finops_code rc;

    ret->table.export_name = export_name;
    ret->table.schema = fo_strdup(schema);
    ret->table.name = fo_strdup(table);
    ret->state = state;
    rc = ret->table.schema && ret->table.name ? FINOPS_OK : fo_error_oom(err);
    if (rc == FINOPS_OK)
        rc = read_columns(database, ret, err);
    for (size_t i = 0; rc == FINOPS_OK && names && i < ret->n_own; i++)
        for (size_t k = 0; rc == FINOPS_OK && k < FO_COUNT(maps); k++)
            if (fo_streq(ret->table.columns.items[i], maps[k]))
                rc = fo_nested_expressions(names, maps[k], ret->table.types.items[i], &(fo_strv){ 0 },
                                           add_key, ret, err);
    return rc;
}

static int
side_column(const fo_diff_side *side, const char *name)
{
    for (size_t i = 0; i < side->n_own; i++)
        if (fo_streq(side->table.columns.items[i], name))
            return (int)i;
    return -1;
}

/* ---- dimensions ---- */

/* Where a dimension comes from that cost.h does not know. */
static const struct {
    const char *name;
    const char *columns[3];
} own_dimensions[] = {
    { "resource", { "line_item_resource_id", "resource_id" } },
    { "operation", { "line_item_operation", "x_operation" } },
    { "payer", { "bill_payer_account_id", "billing_account_id" } },
    { "month", { "billing_period" } },
};

static const struct {
    const char *name;
    fo_dimension dimension;
} cost_dimensions[] = {
    { "service", FO_DIMENSION_SERVICE },
    { "account", FO_DIMENSION_ACCOUNT },
    { "usage_type", FO_DIMENSION_USAGE_TYPE },
    { "region", FO_DIMENSION_REGION },
    { "line_item_type", FO_DIMENSION_LINE_ITEM_TYPE },
};

const char *const *
fo_lake_diff_dimensions(void)
{
    static const char *const names[] = { "service",        "account",  "usage_type", "region",
                                         "line_item_type", "resource", "operation",  "payer",
                                         "month",          "export",   NULL };

    return names;
}

bool
fo_diff_dimension(const fo_diff_side *side, const char *name, fo_str *sql)
{
    const fo_cost_columns columns = { .names = &side->table.columns };
    bool any = false;

    if (fo_streq(name, "export")) {
        fo_sql_literal(sql, side->table.export_name);
        return true;
    }
    for (size_t i = 0; i < FO_COUNT(cost_dimensions); i++)
        if (fo_streq(name, cost_dimensions[i].name)) {
            fo_cost_dimension(&columns, cost_dimensions[i].dimension, sql);
            return true;
        }
    for (size_t i = 0; i < FO_COUNT(own_dimensions); i++) {
        if (!fo_streq(name, own_dimensions[i].name))
            continue;
        for (const char *const *c = own_dimensions[i].columns; *c; c++)
            if (fo_cost_has(&columns, *c)) {
                fo_str_addf(sql, "%snullif(%s, '')", any ? ", " : "coalesce(", *c);
                any = true;
            }
        fo_str_add(sql, any ? ")" : FO_DIFF_NONE);
        return true;
    }
    return false;
}

/* ---- keys ---- */

/* A column as its type in the dictionary, which it had not in every state. */
static void
add_typed(const fo_diff_side *side, int column, fo_str *sql)
{
    const char *name = side->table.columns.items[column], *type = side->table.types.items[column];
    const fo_column_entry *entry = fo_column_find(name);
    const char *want = fo_column_sql_type(entry ? entry->kind : FO_COLUMN_TEXT);
    bool text = fo_streq(want, "VARCHAR"), cast = !fo_streq(type, want);

    fo_str_add(sql, text ? "nullif(" : "");
    fo_str_add(sql, cast ? "CAST(" : "");
    fo_sql_ident(sql, name);
    if (cast)
        fo_str_addf(sql, " AS %s)", want);
    fo_str_add(sql, text ? ", '')" : "");
}

/* The first of these columns that the side has, or -1. */
static int
first_of(const fo_diff_side *side, const char *const *names)
{
    int at = -1;

    for (; *names && at < 0; names++)
        at = side_column(side, *names);
    return at;
}

static bool
add_part(fo_strv *parts, const fo_diff_pair *pair, int side, int old, int new)
{
    FO_AUTO(fo_str_done) fo_str one = FO_STR_INIT;

    if (old < 0 || new < 0)
        return true;
    add_typed(pair->sides[side], side ? new : old, &one);
    return fo_str_ok(&one) && fo_strv_add(parts, fo_str_z(&one));
}

/* What reports group by, as they read it. */
static bool
add_dimension_parts(fo_strv *parts, const fo_diff_pair *pair, int side)
{
    static const fo_dimension dimensions[] = { FO_DIMENSION_ACCOUNT,        FO_DIMENSION_SERVICE,
                                               FO_DIMENSION_LINE_ITEM_TYPE, FO_DIMENSION_CURRENCY,
                                               FO_DIMENSION_REGION,         FO_DIMENSION_USAGE_TYPE };
    bool ok = true;

    for (size_t i = 0; ok && i < FO_COUNT(dimensions); i++) {
        FO_AUTO(fo_str_done) fo_str mine = FO_STR_INIT;
        FO_AUTO(fo_str_done) fo_str other = FO_STR_INIT;

        fo_cost_dimension(&(fo_cost_columns){ &pair->sides[side]->table.columns }, dimensions[i], &mine);
        fo_cost_dimension(&(fo_cost_columns){ &pair->sides[!side]->table.columns }, dimensions[i], &other);
        ok = fo_str_ok(&mine) && fo_str_ok(&other);
        if (ok && !fo_streq(fo_str_z(&mine), FO_DIFF_NONE) && !fo_streq(fo_str_z(&other), FO_DIFF_NONE))
            ok = fo_strv_add(parts, fo_str_z(&mine));
    }
    return ok;
}

/* Everything about the line but its tags. False: no memory. */
static bool
key_parts(const fo_diff_pair *pair, int side, fo_strv *parts)
{
    static const char *const names[][4] = {
        { "billing_period" },
        { "bill_payer_account_id", "billing_account_id" },
        { "line_item_operation", "x_operation" },
        { "line_item_resource_id", "resource_id" },
        { "line_item_usage_start_date", "charge_period_start" },
        { "line_item_usage_end_date", "charge_period_end" },
        { "sku_id" },
    };
    const fo_diff_side *old = pair->sides[0], *new = pair->sides[1];
    bool ok = add_dimension_parts(parts, pair, side);

    for (size_t i = 0; ok && i < FO_COUNT(names); i++)
        ok = add_part(parts, pair, side, first_of(old, names[i]), first_of(new, names[i]));
    for (size_t i = 0; ok && i < new->n_own; i++) {
        const char *name = new->table.columns.items[i];
        const fo_column_entry *entry = fo_column_find(name);

        if (!fo_starts(name, "pricing_") || (entry && entry->kind != FO_COLUMN_TEXT) ||
            fo_streq(name, "pricing_rate_id") || fo_streq(name, "pricing_rate_code"))
            continue;
        ok = add_part(parts, pair, side, side_column(old, name), (int)i);
    }
    return ok;
}

static bool
is_map(const fo_diff_side *side, const char *name)
{
    int at = side_column(side, name);

    return at >= 0 && fo_starts(side->table.types.items[at], "MAP(");
}

/* Whether it is the column of a tag that the other side could have as well. */
static bool
is_tag(const fo_diff_side *other, const char *name)
{
    return fo_starts(name, TAG_PREFIX) && (side_column(other, name) >= 0 || is_map(other, "resource_tags"));
}

/* Columns of tags that both sides have, in the order of the new one: only those can have gaps. */
static bool
tag_parts(const fo_diff_pair *pair, fo_strv *parts)
{
    const fo_diff_side *new = pair->sides[1];
    bool ok = true;

    if (is_map(new, "resource_tags") || is_map(pair->sides[0], "resource_tags"))
        return true; /* one without a tag in its column may have it there */
    for (size_t i = 0; ok && i < new->n_own; i++) {
        const char *name = new->table.columns.items[i];
        FO_AUTO(fo_str_done) fo_str one = FO_STR_INIT;

        if (!fo_starts(name, TAG_PREFIX) || side_column(pair->sides[0], name) < 0)
            continue;
        fo_str_add(&one, "nullif(CAST(");
        fo_sql_ident(&one, name);
        fo_str_add(&one, " AS VARCHAR), '')");
        ok = fo_str_ok(&one) && fo_strv_add(parts, fo_str_z(&one));
    }
    return ok;
}

/* What one unit costs, where both states tell. */
static void
add_price(const fo_diff_pair *pair, int side, fo_str *sql)
{
    static const char *const prices[][3] = {
        [FO_COST_UNBLENDED] = { "line_item_unblended_rate", "contracted_unit_price" },
        [FO_COST_NET] = { "line_item_net_unblended_rate", "contracted_unit_price" },
        [FO_COST_AMORTIZED] = { "line_item_unblended_rate", "contracted_unit_price" },
    };
    int old = first_of(pair->sides[0], prices[pair->cost]),
        new = first_of(pair->sides[1], prices[pair->cost]);

    if (old < 0 || new < 0)
        fo_str_add(sql, "CAST(NULL AS DECIMAL(38,18))");
    else
        add_typed(pair->sides[side], side ? new : old, sql);
}

bool
fo_diff_key_parts(const fo_diff_pair *pair, int side, fo_strv *ret, size_t *ret_n)
{
    bool ok = key_parts(pair, side, ret);
    size_t n = ret->n;

    FO_AUTO(fo_str_done) fo_str price = FO_STR_INIT;

    ok = ok && tag_parts(pair, ret);
    add_price(pair, side, &price);
    *ret_n = n;
    return ok && fo_str_ok(&price) && fo_strv_add(ret, fo_str_z(&price));
}

/* "CASE WHEN billing_period NOT IN (...) THEN part END" where there are months in which it says nothing. */
static void
add_gapless(const fo_diff_pair *pair, const fo_strv *parts, size_t i, fo_str *sql)
{
    const char *gaps = i < pair->gaps.n ? pair->gaps.items[i] : "";

    if (*gaps)
        fo_str_addf(sql, "CASE WHEN billing_period NOT IN (%s) THEN %s END", gaps, parts->items[i]);
    else
        fo_str_add(sql, parts->items[i]);
}

/* The tag of a column, as one that a map could have had. */
static void
add_tag_column(const fo_diff_pair *pair, const fo_strv *parts, const char *name, fo_str *sql)
{
    FO_AUTO(fo_str_done) fo_str own = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    fo_str_add(&own, "nullif(CAST(");
    fo_sql_ident(&own, name);
    fo_str_add(&own, " AS VARCHAR), '')");
    for (size_t i = 0; i < parts->n && text.len == 0; i++)
        if (fo_streq(parts->items[i], fo_str_z(&own)))
            add_gapless(pair, parts, i, &text);
    if (text.len == 0)
        fo_str_add(&text, fo_str_z(&own));
    fo_str_addf(sql, " + CASE WHEN (%s) IS NULL THEN 0 ELSE hash('resource_tags', ", fo_str_z(&text));
    fo_sql_literal(sql, name + strlen(TAG_PREFIX));
    fo_str_addf(sql, ", %s) END", fo_str_z(&text));
    sql->failed |= !fo_str_ok(&own) || !fo_str_ok(&text);
}

/* The sum of the hashes of all tags: the order they come in does not count. */
static void
add_tags_hash(const fo_diff_pair *pair, int side, const fo_strv *parts, fo_str *sql)
{
    const fo_diff_side *mine = pair->sides[side], *other = pair->sides[!side];

    fo_str_add(sql, "CAST(0 AS HUGEINT)");
    for (const char *const *map = (const char *const[]){ "resource_tags", "tags", NULL }; *map; map++)
        if (is_map(mine, *map))
            fo_str_addf(sql,
                        " + coalesce(list_sum(list_transform(map_entries(%s), lambda e: CASE WHEN "
                        "e.value IS NULL OR CAST(e.value AS VARCHAR) = '' THEN CAST(0 AS UBIGINT) ELSE "
                        "hash('%s', e.key, "
                        "e.value) END)), 0)",
                        *map, *map);
    for (size_t i = 0; i < mine->n_own; i++)
        if (is_tag(other, mine->table.columns.items[i]))
            add_tag_column(pair, parts, mine->table.columns.items[i], sql);
}

/* ---- the lines ---- */

/* The table's rows, with a column for each key of its tags and the hash of all of them. */
static void
add_rows(const fo_diff_pair *pair, int side, const fo_strv *parts, fo_str *sql)
{
    const fo_diff_side *s = pair->sides[side];
    const char *between = " REPLACE (";

    fo_str_add(sql, "(SELECT *");
    for (size_t i = s->n_own; i < s->table.columns.n; i++) {
        const char *name = s->table.columns.items[i];

        if (side_column(s, name) < 0) /* in a column of its own as well, from another format of delivery */
            continue;
        fo_str_addf(sql, "%scoalesce(nullif(", between);
        fo_sql_ident(sql, name);
        fo_str_addf(sql, ", ''), %s) AS ", s->tag_values.items[i - s->n_own]);
        fo_sql_ident(sql, name);
        between = ", ";
    }
    fo_str_add(sql, between[0] == ',' ? ")" : "");
    for (size_t i = s->n_own; i < s->table.columns.n; i++) {
        if (side_column(s, s->table.columns.items[i]) >= 0)
            continue;
        fo_str_addf(sql, ", %s AS ", s->tag_values.items[i - s->n_own]);
        fo_sql_ident(sql, s->table.columns.items[i]);
    }
    fo_str_add(sql, ", ");
    add_tags_hash(pair, side, parts, sql);
    fo_str_add(sql, " AS finops_tags FROM ");
    fo_diff_add_table(s, sql);
    fo_str_addf(sql, " WHERE %s%s) AS bill", pair->where, s->empty ? " AND false" : "");
}

void
fo_diff_lines(const fo_diff_pair *pair, int side, fo_str *sql)
{
    const fo_diff_side *s = pair->sides[side];
    const fo_cost_columns columns = { .names = &s->table.columns };
    FO_AUTO(fo_strv_done) fo_strv parts = FO_STRV_INIT;
    size_t n = 0;

    if (!fo_diff_key_parts(pair, side, &parts, &n)) {
        sql->failed = true;
        return;
    }
    fo_str_addf(sql, "SELECT %s", fo_str_z(&pair->dimensions[side]));
    fo_cost_dimension(&columns, FO_DIMENSION_CURRENCY, sql);
    fo_str_add(sql, " AS currency, CAST(");
    fo_cost_amount(&columns, pair->cost, sql);
    fo_str_add(sql, " AS DECIMAL(38,18)) AS cost, ");
    add_gapless(pair, &parts, parts.n - 1, sql);
    fo_str_add(sql, " AS price, hash(");
    fo_sql_literal(sql, s->table.export_name);
    for (size_t i = 0; i < n; i++) {
        fo_str_add(sql, ", ");
        add_gapless(pair, &parts, i, sql);
    }
    fo_str_add(sql, ", finops_tags) AS h1, hash(finops_tags");
    for (size_t i = n; i-- > 0;) {
        fo_str_add(sql, ", ");
        add_gapless(pair, &parts, i, sql);
    }
    fo_str_add(sql, ", ");
    fo_sql_literal(sql, s->table.export_name);
    fo_str_addf(sql, ") AS h2, %d AS n FROM ", side ? 1 : -1);
    add_rows(pair, side, &parts, sql);
}
