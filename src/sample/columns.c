/*
 * The columns of both generations of the report, and the value each line has in them.
 *
 * v1: https://docs.aws.amazon.com/cur/latest/userguide/data-dictionary.html
 * v2: https://docs.aws.amazon.com/cur/latest/userguide/table-dictionary-cur2.html
 */
#include <ctype.h>
#include <string.h>

#include "base/mem.h"
#include "sample/columns.h"
#include "sample/fields.h"

#define T(c, n, f)                                                                                           \
    {                                                                                                        \
        c, n, COLUMN_TEXT, SCOPE_LINE, f, 0                                                                  \
    }
#define N(c, n, f)                                                                                           \
    {                                                                                                        \
        c, n, COLUMN_NUMBER, SCOPE_LINE, f, 0                                                                \
    }
#define D(c, n, f)                                                                                           \
    {                                                                                                        \
        c, n, COLUMN_TIME, SCOPE_LINE, f, 0                                                                  \
    }
#define P(c, n, a)                                                                                           \
    {                                                                                                        \
        c, n, COLUMN_TEXT, SCOPE_PRODUCT, FIELD_ATTR, a                                                      \
    }
#define RT(c, n, f)                                                                                          \
    {                                                                                                        \
        c, n, COLUMN_TEXT, SCOPE_RESERVATION, f, 0                                                           \
    }
#define RN(c, n, f)                                                                                          \
    {                                                                                                        \
        c, n, COLUMN_NUMBER, SCOPE_RESERVATION, f, 0                                                         \
    }
#define ST(c, n, f)                                                                                          \
    {                                                                                                        \
        c, n, COLUMN_TEXT, SCOPE_PLAN, f, 0                                                                  \
    }
#define SN(c, n, f)                                                                                          \
    {                                                                                                        \
        c, n, COLUMN_NUMBER, SCOPE_PLAN, f, 0                                                                \
    }

/*
 * product/, resourceTags/ and costCategory/ columns stand between and behind these and come from the
 * catalogue.
 */
static const column v1_head[] = {
    T("identity", "LineItemId", FIELD_ID),
    T("identity", "TimeInterval", FIELD_INTERVAL),
    T("bill", "InvoiceId", FIELD_INVOICE),
    T("bill", "InvoicingEntity", FIELD_LEGAL_ENTITY),
    T("bill", "BillingEntity", FIELD_BILLING_ENTITY),
    T("bill", "BillType", FIELD_BILL_TYPE),
    T("bill", "PayerAccountId", FIELD_PAYER),
    D("bill", "BillingPeriodStartDate", FIELD_PERIOD_START),
    D("bill", "BillingPeriodEndDate", FIELD_PERIOD_END),
    T("lineItem", "UsageAccountId", FIELD_ACCOUNT),
    T("lineItem", "LineItemType", FIELD_TYPE),
    D("lineItem", "UsageStartDate", FIELD_START),
    D("lineItem", "UsageEndDate", FIELD_END),
    T("lineItem", "ProductCode", FIELD_PRODUCT_CODE),
    T("lineItem", "UsageType", FIELD_USAGE_TYPE),
    T("lineItem", "Operation", FIELD_OPERATION),
    T("lineItem", "AvailabilityZone", FIELD_ZONE),
    T("lineItem", "ResourceId", FIELD_RESOURCE),
    N("lineItem", "UsageAmount", FIELD_AMOUNT),
    N("lineItem", "NormalizationFactor", FIELD_FACTOR),
    N("lineItem", "NormalizedUsageAmount", FIELD_NORMALIZED),
    T("lineItem", "CurrencyCode", FIELD_CURRENCY),
    T("lineItem", "UnblendedRate", FIELD_RATE),
    N("lineItem", "UnblendedCost", FIELD_COST),
    T("lineItem", "BlendedRate", FIELD_RATE),
    N("lineItem", "BlendedCost", FIELD_COST),
    T("lineItem", "LineItemDescription", FIELD_DESCRIPTION),
    T("lineItem", "TaxType", FIELD_TAX_TYPE),
    N("lineItem", "NetUnblendedCost", FIELD_NET),
    T("lineItem", "NetUnblendedRate", FIELD_NET_RATE),
    T("lineItem", "LegalEntity", FIELD_LEGAL_ENTITY),
};

static const column v1_tail[] = {
    T("pricing", "LeaseContractLength", FIELD_LEASE),
    T("pricing", "OfferingClass", FIELD_OFFERING_CLASS),
    T("pricing", "PurchaseOption", FIELD_PURCHASE_OPTION),
    T("pricing", "RateCode", FIELD_RATE_CODE),
    T("pricing", "RateId", FIELD_RATE_ID),
    T("pricing", "currency", FIELD_PRICING_CURRENCY),
    N("pricing", "publicOnDemandCost", FIELD_PUBLIC_COST),
    T("pricing", "publicOnDemandRate", FIELD_PUBLIC_RATE),
    T("pricing", "term", FIELD_TERM),
    T("pricing", "unit", FIELD_UNIT),
    RN("reservation", "AmortizedUpfrontCostForUsage", FIELD_R_UPFRONT_USAGE),
    RN("reservation", "AmortizedUpfrontFeeForBillingPeriod", FIELD_R_UPFRONT_PERIOD),
    RN("reservation", "EffectiveCost", FIELD_R_EFFECTIVE),
    RT("reservation", "EndTime", FIELD_R_END),
    RT("reservation", "ModificationStatus", FIELD_R_STATUS),
    RN("reservation", "NetAmortizedUpfrontCostForUsage", FIELD_R_NET_UPFRONT_USAGE),
    RN("reservation", "NetEffectiveCost", FIELD_R_NET_EFFECTIVE),
    RN("reservation", "NetRecurringFeeForUsage", FIELD_R_NET_RECURRING_USAGE),
    RN("reservation", "NetUnusedAmortizedUpfrontFeeForBillingPeriod", FIELD_R_NET_UNUSED_UPFRONT),
    RN("reservation", "NetUnusedRecurringFee", FIELD_R_NET_UNUSED_RECURRING),
    RN("reservation", "NumberOfReservations", FIELD_R_COUNT),
    RN("reservation", "RecurringFeeForUsage", FIELD_R_RECURRING_USAGE),
    RT("reservation", "ReservationARN", FIELD_R_ARN),
    RT("reservation", "StartTime", FIELD_R_START),
    RT("reservation", "SubscriptionId", FIELD_R_SUBSCRIPTION),
    RN("reservation", "TotalReservedUnits", FIELD_R_TOTAL_UNITS),
    RN("reservation", "UnitsPerReservation", FIELD_R_UNITS_EACH),
    RN("reservation", "UnusedAmortizedUpfrontFeeForBillingPeriod", FIELD_R_UNUSED_UPFRONT),
    RN("reservation", "UnusedQuantity", FIELD_R_UNUSED),
    RN("reservation", "UnusedRecurringFee", FIELD_R_UNUSED_RECURRING),
    RN("reservation", "UpfrontValue", FIELD_R_UPFRONT_VALUE),
    N("discount", "TotalDiscount", FIELD_DISCOUNT),
    SN("savingsPlan", "TotalCommitmentToDate", FIELD_S_TOTAL),
    ST("savingsPlan", "SavingsPlanARN", FIELD_S_ARN),
    ST("savingsPlan", "SavingsPlanRate", FIELD_S_RATE),
    SN("savingsPlan", "UsedCommitment", FIELD_S_USED),
    SN("savingsPlan", "SavingsPlanEffectiveCost", FIELD_S_EFFECTIVE),
    SN("savingsPlan", "AmortizedUpfrontCommitmentForBillingPeriod", FIELD_S_UPFRONT),
    SN("savingsPlan", "RecurringCommitmentForBillingPeriod", FIELD_S_RECURRING),
    ST("savingsPlan", "StartTime", FIELD_S_START),
    ST("savingsPlan", "EndTime", FIELD_S_END),
    ST("savingsPlan", "OfferingType", FIELD_S_OFFERING),
    ST("savingsPlan", "PaymentOption", FIELD_S_PAYMENT),
    ST("savingsPlan", "PurchaseTerm", FIELD_S_TERM),
    SN("savingsPlan", "NetSavingsPlanEffectiveCost", FIELD_S_NET_EFFECTIVE),
    SN("savingsPlan", "NetAmortizedUpfrontCommitmentForBillingPeriod", FIELD_S_NET_UPFRONT),
    SN("savingsPlan", "NetRecurringCommitmentForBillingPeriod", FIELD_S_NET_RECURRING),
};

static const column v2_columns[] = {
    T("", "bill_bill_type", FIELD_BILL_TYPE),
    T("", "bill_billing_entity", FIELD_BILLING_ENTITY),
    D("", "bill_billing_period_end_date", FIELD_PERIOD_END),
    D("", "bill_billing_period_start_date", FIELD_PERIOD_START),
    T("", "bill_invoice_id", FIELD_INVOICE),
    T("", "bill_invoicing_entity", FIELD_LEGAL_ENTITY),
    T("", "bill_payer_account_id", FIELD_PAYER),
    T("", "bill_payer_account_name", FIELD_PAYER_NAME),
    { "", "cost_category", COLUMN_MAP, SCOPE_TAGGED, FIELD_CATEGORY_MAP, 0 },
    { "", "discount", COLUMN_NUMBER_MAP, SCOPE_LINE, FIELD_DISCOUNT_MAP, 0 },
    N("", "discount_bundled_discount", FIELD_NONE),
    N("", "discount_total_discount", FIELD_DISCOUNT),
    T("", "identity_line_item_id", FIELD_ID),
    T("", "identity_time_interval", FIELD_INTERVAL),
    T("", "line_item_availability_zone", FIELD_ZONE),
    N("", "line_item_blended_cost", FIELD_COST),
    T("", "line_item_blended_rate", FIELD_RATE),
    T("", "line_item_currency_code", FIELD_CURRENCY),
    T("", "line_item_legal_entity", FIELD_LEGAL_ENTITY),
    T("", "line_item_line_item_description", FIELD_DESCRIPTION),
    T("", "line_item_line_item_type", FIELD_TYPE),
    N("", "line_item_net_unblended_cost", FIELD_NET),
    T("", "line_item_net_unblended_rate", FIELD_NET_RATE),
    N("", "line_item_normalization_factor", FIELD_FACTOR),
    N("", "line_item_normalized_usage_amount", FIELD_NORMALIZED),
    T("", "line_item_operation", FIELD_OPERATION),
    T("", "line_item_product_code", FIELD_PRODUCT_CODE),
    T("", "line_item_resource_id", FIELD_RESOURCE),
    T("", "line_item_tax_type", FIELD_TAX_TYPE),
    N("", "line_item_unblended_cost", FIELD_COST),
    T("", "line_item_unblended_rate", FIELD_RATE),
    T("", "line_item_usage_account_id", FIELD_ACCOUNT),
    T("", "line_item_usage_account_name", FIELD_ACCOUNT_NAME),
    N("", "line_item_usage_amount", FIELD_AMOUNT),
    D("", "line_item_usage_end_date", FIELD_END),
    D("", "line_item_usage_start_date", FIELD_START),
    T("", "line_item_usage_type", FIELD_USAGE_TYPE),
    T("", "pricing_currency", FIELD_PRICING_CURRENCY),
    T("", "pricing_lease_contract_length", FIELD_LEASE),
    T("", "pricing_offering_class", FIELD_OFFERING_CLASS),
    N("", "pricing_public_on_demand_cost", FIELD_PUBLIC_COST),
    T("", "pricing_public_on_demand_rate", FIELD_PUBLIC_RATE),
    T("", "pricing_purchase_option", FIELD_PURCHASE_OPTION),
    T("", "pricing_rate_code", FIELD_RATE_CODE),
    T("", "pricing_rate_id", FIELD_RATE_ID),
    T("", "pricing_term", FIELD_TERM),
    T("", "pricing_unit", FIELD_UNIT),
    { "", "product", COLUMN_MAP, SCOPE_PRODUCT, FIELD_PRODUCT_MAP, 0 },
    { "", "product_comment", COLUMN_TEXT, SCOPE_PRODUCT, FIELD_NONE, 0 },
    { "", "product_fee_code", COLUMN_TEXT, SCOPE_PRODUCT, FIELD_NONE, 0 },
    { "", "product_fee_description", COLUMN_TEXT, SCOPE_PRODUCT, FIELD_NONE, 0 },
    { "", "product_from_location", COLUMN_TEXT, SCOPE_PRODUCT, FIELD_NONE, 0 },
    { "", "product_from_location_type", COLUMN_TEXT, SCOPE_PRODUCT, FIELD_NONE, 0 },
    { "", "product_from_region_code", COLUMN_TEXT, SCOPE_PRODUCT, FIELD_NONE, 0 },
    P("", "product_instance_family", ATTR_INSTANCE_FAMILY),
    P("", "product_instance_type", ATTR_INSTANCE),
    { "", "product_instancesku", COLUMN_TEXT, SCOPE_PRODUCT, FIELD_NONE, 0 },
    P("", "product_location", ATTR_LOCATION),
    P("", "product_location_type", ATTR_LOCATION_TYPE),
    P("", "product_operation", ATTR_OPERATION),
    { "", "product_pricing_unit", COLUMN_TEXT, SCOPE_PRODUCT, FIELD_NONE, 0 },
    P("", "product_product_family", ATTR_FAMILY),
    P("", "product_region_code", ATTR_REGION_CODE),
    P("", "product_servicecode", ATTR_SERVICECODE),
    P("", "product_sku", ATTR_SKU),
    { "", "product_to_location", COLUMN_TEXT, SCOPE_PRODUCT, FIELD_NONE, 0 },
    { "", "product_to_location_type", COLUMN_TEXT, SCOPE_PRODUCT, FIELD_NONE, 0 },
    { "", "product_to_region_code", COLUMN_TEXT, SCOPE_PRODUCT, FIELD_NONE, 0 },
    P("", "product_usagetype", ATTR_USAGETYPE),
    RN("", "reservation_amortized_upfront_cost_for_usage", FIELD_R_UPFRONT_USAGE),
    RN("", "reservation_amortized_upfront_fee_for_billing_period", FIELD_R_UPFRONT_PERIOD),
    RT("", "reservation_availability_zone", FIELD_NONE),
    RN("", "reservation_effective_cost", FIELD_R_EFFECTIVE),
    RT("", "reservation_end_time", FIELD_R_END),
    RT("", "reservation_modification_status", FIELD_R_STATUS),
    RN("", "reservation_net_amortized_upfront_cost_for_usage", FIELD_R_NET_UPFRONT_USAGE),
    RN("", "reservation_net_amortized_upfront_fee_for_billing_period", FIELD_R_NET_UPFRONT_PERIOD),
    RN("", "reservation_net_effective_cost", FIELD_R_NET_EFFECTIVE),
    RN("", "reservation_net_recurring_fee_for_usage", FIELD_R_NET_RECURRING_USAGE),
    RN("", "reservation_net_unused_amortized_upfront_fee_for_billing_period", FIELD_R_NET_UNUSED_UPFRONT),
    RN("", "reservation_net_unused_recurring_fee", FIELD_R_NET_UNUSED_RECURRING),
    RN("", "reservation_net_upfront_value", FIELD_NONE),
    RT("", "reservation_normalized_units_per_reservation", FIELD_NONE),
    RT("", "reservation_number_of_reservations", FIELD_R_COUNT),
    RN("", "reservation_recurring_fee_for_usage", FIELD_R_RECURRING_USAGE),
    RT("", "reservation_reservation_a_r_n", FIELD_R_ARN),
    RT("", "reservation_start_time", FIELD_R_START),
    RT("", "reservation_subscription_id", FIELD_R_SUBSCRIPTION),
    RT("", "reservation_total_reserved_normalized_units", FIELD_NONE),
    RT("", "reservation_total_reserved_units", FIELD_R_TOTAL_UNITS),
    RT("", "reservation_units_per_reservation", FIELD_R_UNITS_EACH),
    RN("", "reservation_unused_amortized_upfront_fee_for_billing_period", FIELD_R_UNUSED_UPFRONT),
    RN("", "reservation_unused_normalized_unit_quantity", FIELD_NONE),
    RN("", "reservation_unused_quantity", FIELD_R_UNUSED),
    RN("", "reservation_unused_recurring_fee", FIELD_R_UNUSED_RECURRING),
    RN("", "reservation_upfront_value", FIELD_R_UPFRONT_VALUE),
    { "", "resource_tags", COLUMN_MAP, SCOPE_TAGGED, FIELD_TAG_MAP, 0 },
    SN("", "savings_plan_amortized_upfront_commitment_for_billing_period", FIELD_S_UPFRONT),
    ST("", "savings_plan_end_time", FIELD_S_END),
    ST("", "savings_plan_instance_type_family", FIELD_NONE),
    SN("", "savings_plan_net_amortized_upfront_commitment_for_billing_period", FIELD_S_NET_UPFRONT),
    SN("", "savings_plan_net_recurring_commitment_for_billing_period", FIELD_S_NET_RECURRING),
    SN("", "savings_plan_net_savings_plan_effective_cost", FIELD_S_NET_EFFECTIVE),
    ST("", "savings_plan_offering_type", FIELD_S_OFFERING),
    ST("", "savings_plan_payment_option", FIELD_S_PAYMENT),
    ST("", "savings_plan_purchase_term", FIELD_S_TERM),
    SN("", "savings_plan_recurring_commitment_for_billing_period", FIELD_S_RECURRING),
    ST("", "savings_plan_region", FIELD_NONE),
    ST("", "savings_plan_savings_plan_a_r_n", FIELD_S_ARN),
    SN("", "savings_plan_savings_plan_effective_cost", FIELD_S_EFFECTIVE),
    ST("", "savings_plan_savings_plan_rate", FIELD_S_RATE),
    ST("", "savings_plan_start_time", FIELD_S_START),
    SN("", "savings_plan_total_commitment_to_date", FIELD_S_TOTAL),
    SN("", "savings_plan_used_commitment", FIELD_S_USED),
    { "", "tags", COLUMN_MAP, SCOPE_LINE, FIELD_EMPTY_MAP, 0 },
};

static void
columns_add(columns *c, const column *items, size_t n)
{
    memcpy(c->items + c->n, items, n * sizeof(column));
    c->n += n;
}

static void
columns_add_texts(columns *c, const char *category, const char *const *names, size_t n, column_scope scope,
                  int what)
{
    for (size_t i = 0; i < n; i++)
        c->items[c->n++] = (column){ category, names[i], COLUMN_TEXT, scope, what, (int)i };
}

finops_code
fo_sample_columns_new(bool v1, columns *ret, finops_error **err)
{
    size_t n = v1 ? FO_COUNT(v1_head) + ATTR_COUNT + FO_COUNT(v1_tail) + SAMPLE_TAGS + SAMPLE_CATEGORIES
                  : FO_COUNT(v2_columns);
    columns c = { .items = fo_array(n, sizeof(column)), .v1 = v1 };

    if (!c.items)
        return fo_error_oom(err);
    if (v1) {
        columns_add(&c, v1_head, FO_COUNT(v1_head));
        columns_add_texts(&c, "product", fo_sample_attr_v1, ATTR_COUNT, SCOPE_PRODUCT, FIELD_ATTR);
        columns_add(&c, v1_tail, FO_COUNT(v1_tail));
        columns_add_texts(&c, "resourceTags", fo_sample_tag_v1, SAMPLE_TAGS, SCOPE_TAGGED, FIELD_TAG);
        columns_add_texts(&c, "costCategory", fo_sample_category_v1, SAMPLE_CATEGORIES, SCOPE_TAGGED,
                          FIELD_CATEGORY);
    } else {
        columns_add(&c, v2_columns, FO_COUNT(v2_columns));
    }
    *ret = c;
    return FINOPS_OK;
}

void
fo_sample_columns_done(columns *c)
{
    fo_free(c->items);
    *c = (columns){ 0 };
}

/* "ReservationARN" -> "reservation_a_r_n", as AWS itself writes the columns of Parquet reports. */
static void
snake(const char *name, fo_str *ret)
{
    bool gap = true; /* no '_' at the start */

    for (; *name; name++) {
        unsigned char ch = (unsigned char)*name;

        if (!isalnum(ch)) {
            if (!gap)
                fo_str_addc(ret, '_');
            gap = true;
            continue;
        }
        if (isupper(ch) && !gap)
            fo_str_addc(ret, '_');
        fo_str_addc(ret, (char)tolower(ch));
        gap = false;
    }
}

void
fo_sample_column_name(const columns *c, const column *col, bool parquet, fo_str *ret)
{
    if (!c->v1) {
        fo_str_add(ret, col->name);
    } else if (parquet) {
        snake(col->category, ret);
        fo_str_addc(ret, '_');
        snake(col->name, ret);
    } else {
        fo_str_addf(ret, "%s/%s", col->category, col->name);
    }
}

const char *
fo_sample_column_manifest_type(const columns *c, const column *col)
{
    static const char *const v2_types[] = { "string", "double", "timestamp", "map<string,string>",
                                            "map<string,double>" };

    if (!c->v1)
        return v2_types[col->type];
    if (col->type == COLUMN_NUMBER)
        return "OptionalBigDecimal";
    if (col->type == COLUMN_TIME)
        return "DateTime";
    switch (col->field) {
    case FIELD_INTERVAL:
        return "Interval";
    case FIELD_ID:
    case FIELD_BILLING_ENTITY:
    case FIELD_BILL_TYPE:
    case FIELD_PAYER:
    case FIELD_ACCOUNT:
    case FIELD_TYPE:
        return "String";
    default:
        return "OptionalString";
    }
}
