/* Cost models and dimensions of a bill as SQL expressions. */
#include "billing/cost.h"

#include "base/mem.h"

bool
fo_cost_has(const fo_cost_columns *columns, const char *name)
{
    return fo_strv_has(columns->names, name);
}

bool
fo_cost_is_focus(const fo_cost_columns *columns)
{
    return fo_cost_has(columns, "billed_cost") && !fo_cost_has(columns, "line_item_unblended_cost");
}

/* "coalesce(a, 0)", or the unblended cost where the bill has no such column. */
static void
cost_or_unblended(const fo_cost_columns *columns, const char *name, fo_str *sql)
{
    if (fo_cost_has(columns, name))
        fo_str_addf(sql, "coalesce(%s, 0)", name);
    else
        fo_cost_amount(columns, FO_COST_UNBLENDED, sql);
}

/* "coalesce(a, 0) <op> coalesce(b, 0)", or the unblended cost where either column is missing. */
static void
cost_pair(const fo_cost_columns *columns, const char *a, const char *op, const char *b, fo_str *sql)
{
    if (fo_cost_has(columns, a) && fo_cost_has(columns, b))
        fo_str_addf(sql, "coalesce(%s, 0) %s coalesce(%s, 0)", a, op, b);
    else
        fo_cost_amount(columns, FO_COST_UNBLENDED, sql);
}

/* The line types whose amortized cost is not what was billed; every other one is. */
static void
cost_amortized(const fo_cost_columns *columns, fo_str *sql)
{
    if (!fo_cost_has(columns, "line_item_line_item_type")) {
        fo_cost_amount(columns, FO_COST_UNBLENDED, sql);
        return;
    }
    fo_str_add(sql, "CASE line_item_line_item_type WHEN 'SavingsPlanCoveredUsage' THEN ");
    cost_or_unblended(columns, "savings_plan_savings_plan_effective_cost", sql);
    fo_str_add(sql, " WHEN 'SavingsPlanNegation' THEN 0 WHEN 'SavingsPlanUpfrontFee' THEN 0"
                    " WHEN 'SavingsPlanRecurringFee' THEN ");
    cost_pair(columns, "savings_plan_total_commitment_to_date", "-", "savings_plan_used_commitment", sql);
    fo_str_add(sql, " WHEN 'DiscountedUsage' THEN ");
    cost_or_unblended(columns, "reservation_effective_cost", sql);
    fo_str_add(sql, " WHEN 'RIFee' THEN ");
    cost_pair(columns, "reservation_unused_amortized_upfront_fee_for_billing_period", "+",
              "reservation_unused_recurring_fee", sql);
    if (fo_cost_has(columns, "reservation_reservation_a_r_n")) {
        fo_str_add(
            sql, " WHEN 'Fee' THEN CASE WHEN coalesce(reservation_reservation_a_r_n, '') <> '' THEN 0 ELSE ");
        fo_cost_amount(columns, FO_COST_UNBLENDED, sql);
        fo_str_add(sql, " END");
    }
    fo_str_add(sql, " ELSE ");
    fo_cost_amount(columns, FO_COST_UNBLENDED, sql);
    fo_str_add(sql, " END");
}

void
fo_cost_amount(const fo_cost_columns *columns, fo_cost_model model, fo_str *sql)
{
    bool focus = fo_cost_is_focus(columns);
    const char *billed = focus ? "billed_cost" : "line_item_unblended_cost";

    if (!fo_cost_has(columns, billed))
        fo_str_add(sql, "CAST(0 AS DECIMAL(38,18))");
    else if (model == FO_COST_AMORTIZED && focus && fo_cost_has(columns, "effective_cost"))
        fo_str_add(sql, "coalesce(effective_cost, 0)");
    else if (model == FO_COST_AMORTIZED && !focus)
        cost_amortized(columns, sql);
    else if (model == FO_COST_NET && fo_cost_has(columns, "line_item_net_unblended_cost"))
        fo_str_addf(sql, "coalesce(line_item_net_unblended_cost, %s, 0)", billed);
    else
        fo_str_addf(sql, "coalesce(%s, 0)", billed);
}

/* Columns a dimension is read from, first present and not empty wins. */
static const char *const cost_sources[][5] = {
    [FO_DIMENSION_ACCOUNT] = { "line_item_usage_account_id", "sub_account_id", "billing_account_id", NULL },
    [FO_DIMENSION_SERVICE] = { "line_item_product_code", "x_service_code", "service_name", NULL },
    [FO_DIMENSION_LINE_ITEM_TYPE] = { "line_item_line_item_type", "charge_category", NULL },
    [FO_DIMENSION_CURRENCY] = { "line_item_currency_code", "billing_currency", NULL },
    [FO_DIMENSION_REGION] = { "product_region_code", "product_region", "region_id", NULL },
    [FO_DIMENSION_USAGE_TYPE] = { "line_item_usage_type", "x_usage_type", "sku_meter", "sku_id", NULL },
    [FO_DIMENSION_PAYER] = { "bill_payer_account_id", "billing_account_id", NULL },
};

void
fo_cost_dimension(const fo_cost_columns *columns, fo_dimension dimension, fo_str *sql)
{
    bool any = false;

    for (const char *const *name = cost_sources[dimension]; *name; name++) {
        if (!fo_cost_has(columns, *name))
            continue;
        fo_str_addf(sql, "%snullif(%s, '')", any ? ", " : "coalesce(", *name);
        any = true;
    }
    fo_str_add(sql, any ? ")" : "CAST(NULL AS VARCHAR)");
}
