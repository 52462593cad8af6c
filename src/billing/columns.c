/* The dictionary of bill columns. */
#include "billing/columns.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define D(n)                                                                                                 \
    {                                                                                                        \
        n, FO_COLUMN_DECIMAL                                                                                 \
    }
#define T(n)                                                                                                 \
    {                                                                                                        \
        n, FO_COLUMN_TIMESTAMP                                                                               \
    }
#define S(n)                                                                                                 \
    {                                                                                                        \
        n, FO_COLUMN_TEXT                                                                                    \
    }

/* Sorted by name without underscores; a unit test holds that. Text columns stand here only where the spelling
 * matters. */
static const fo_column_entry dictionary[] = {
    T("bill_billing_period_end_date"),
    T("bill_billing_period_start_date"),
    D("billed_cost"),
    T("billing_period_end"),
    T("billing_period_start"),
    T("charge_period_end"),
    T("charge_period_start"),
    D("commitment_discount_quantity"),
    D("consumed_quantity"),
    D("contracted_cost"),
    D("contracted_unit_price"),
    { "cost_category", FO_COLUMN_MAP },
    { "discount", FO_COLUMN_MAP_DECIMAL },
    D("discount_bundled_discount"),
    D("discount_edp_discount"),
    D("discount_private_rate_discount"),
    D("discount_ri_volume_discount"),
    D("discount_spp_discount"),
    D("discount_total_discount"),
    D("effective_cost"),
    D("line_item_blended_cost"),
    D("line_item_blended_rate"),
    D("line_item_net_unblended_cost"),
    D("line_item_net_unblended_rate"),
    D("line_item_normalization_factor"),
    D("line_item_normalized_usage_amount"),
    D("line_item_unblended_cost"),
    D("line_item_unblended_rate"),
    D("line_item_usage_amount"),
    T("line_item_usage_end_date"),
    T("line_item_usage_start_date"),
    D("list_cost"),
    D("list_unit_price"),
    D("pricing_currency_contracted_unit_price"),
    D("pricing_currency_effective_cost"),
    D("pricing_currency_list_unit_price"),
    D("pricing_public_on_demand_cost"),
    D("pricing_public_on_demand_rate"),
    D("pricing_quantity"),
    { "product", FO_COLUMN_MAP },
    S("product_instancesku"),
    D("reservation_amortized_upfront_cost_for_usage"),
    D("reservation_amortized_upfront_fee_for_billing_period"),
    D("reservation_effective_cost"),
    D("reservation_net_amortized_upfront_cost_for_usage"),
    D("reservation_net_amortized_upfront_fee_for_billing_period"),
    D("reservation_net_effective_cost"),
    D("reservation_net_recurring_fee_for_usage"),
    D("reservation_net_unused_amortized_upfront_fee_for_billing_period"),
    D("reservation_net_unused_recurring_fee"),
    D("reservation_net_upfront_value"),
    D("reservation_recurring_fee_for_usage"),
    S("reservation_reservation_a_r_n"),
    D("reservation_unused_amortized_upfront_fee_for_billing_period"),
    D("reservation_unused_normalized_unit_quantity"),
    D("reservation_unused_quantity"),
    D("reservation_unused_recurring_fee"),
    D("reservation_upfront_value"),
    { "resource_tags", FO_COLUMN_MAP },
    D("savings_plan_amortized_upfront_commitment_for_billing_period"),
    D("savings_plan_net_amortized_upfront_commitment_for_billing_period"),
    D("savings_plan_net_recurring_commitment_for_billing_period"),
    D("savings_plan_net_savings_plan_effective_cost"),
    D("savings_plan_recurring_commitment_for_billing_period"),
    S("savings_plan_savings_plan_a_r_n"),
    D("savings_plan_savings_plan_effective_cost"),
    D("savings_plan_savings_plan_rate"),
    D("savings_plan_total_commitment_to_date"),
    D("savings_plan_used_commitment"),
    D("split_line_item_actual_usage"),
    D("split_line_item_net_split_cost"),
    D("split_line_item_net_unused_cost"),
    D("split_line_item_public_on_demand_split_cost"),
    D("split_line_item_public_on_demand_unused_cost"),
    D("split_line_item_reserved_usage"),
    D("split_line_item_split_cost"),
    D("split_line_item_split_usage"),
    D("split_line_item_split_usage_ratio"),
    D("split_line_item_unused_cost"),
    { "tags", FO_COLUMN_MAP },
    D("usage_quantity"),
};

#undef D
#undef T
#undef S

/* strcmp that does not see underscores. */
static int
columns_compare(const void *key, const void *row)
{
    const char *a = key;
    const char *b = ((const fo_column_entry *)row)->name;

    for (;; a++, b++) {
        while (*a == '_')
            a++;
        while (*b == '_')
            b++;
        if (*a != *b || !*a)
            return (unsigned char)*a - (unsigned char)*b;
    }
}

/* A name of ours that was cut for a database of short identifiers (names.h): its beginning is the entry's. */
static const fo_column_entry *
columns_find_cut(const char *name)
{
    size_t n = strlen(name);

    if (n < 32 || name[n - 7] != '_' || strspn(name + n - 6, "0123456789abcdef") != 6)
        return NULL;
    for (size_t i = 0; i < FO_COUNT(dictionary); i++)
        if (strlen(dictionary[i].name) > n && strncmp(dictionary[i].name, name, n - 7) == 0)
            return &dictionary[i];
    return NULL;
}

const fo_column_entry *
fo_column_find(const char *name)
{
    const fo_column_entry *found =
        bsearch(name, dictionary, FO_COUNT(dictionary), sizeof(dictionary[0]), columns_compare);

    return found ? found : columns_find_cut(name);
}

const char *
fo_column_sql_type(fo_column_kind kind)
{
    switch (kind) {
    case FO_COLUMN_DECIMAL:
        return "DECIMAL(38,18)";
    case FO_COLUMN_TIMESTAMP:
        return "TIMESTAMP";
    case FO_COLUMN_MAP:
        return "MAP(VARCHAR, VARCHAR)";
    case FO_COLUMN_MAP_DECIMAL:
        return "MAP(VARCHAR, DECIMAL(38,18))";
    case FO_COLUMN_TEXT:
        break;
    }
    return "VARCHAR";
}
