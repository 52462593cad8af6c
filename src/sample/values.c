/* The value of a line in a column. */
#include <string.h>

#include "sample/columns.h"
#include "sample/fields.h"

static value
none(void)
{
    return (value){ VALUE_NONE };
}

static value
text(const char *z)
{
    return z && *z ? (value){ .kind = VALUE_TEXT, .text = z } : none();
}

static value
number(int64_t ticks)
{
    return (value){ .kind = VALUE_NUMBER, .number = ticks };
}

static value
number_if(bool there, int64_t ticks)
{
    return there ? number(ticks) : none();
}

static value
moment(int64_t micros)
{
    return (value){ .kind = VALUE_TIME, .number = micros };
}

static value
map(const char *const *keys, const char *const *values, size_t n)
{
    return (value){ .kind = VALUE_MAP, .keys = keys, .values = values, .n = n };
}

static bool
is_purchase(const line *l)
{
    return l->type == LINE_SP_UPFRONT || (l->type == LINE_FEE && l->reservation);
}

static const char *
bill_type(const line *l)
{
    if (l->type == LINE_REFUND)
        return "Refund";
    return is_purchase(l) ? "Purchase" : "Anniversary";
}

static value
bill_value(const month_lines *m, const line *l, const column *col)
{
    bool marketplace = l->product->service == SVC_MARKETPLACE;

    switch ((field)col->field) {
    case FIELD_INVOICE:
        return text(is_purchase(l) ? m->purchase_invoice : m->invoice);
    case FIELD_LEGAL_ENTITY:
        return text(marketplace ? "Nordlicht Software GmbH & Co. KG, Köln" : "Amazon Web Services, Inc.");
    case FIELD_BILLING_ENTITY:
        return text(marketplace ? "AWS Marketplace" : "AWS");
    case FIELD_BILL_TYPE:
        return text(bill_type(l));
    case FIELD_PAYER:
        return text(m->w->accounts[0].id);
    case FIELD_PAYER_NAME:
        return text(m->w->accounts[0].name);
    case FIELD_PERIOD_START:
        return moment(m->begins);
    case FIELD_PERIOD_END:
        return moment(m->ends);
    default:
        return none();
    }
}

static value
item_value(const month_lines *m, const line *l, const column *col)
{
    switch ((field)col->field) {
    case FIELD_ID:
        return (value){ .kind = VALUE_ID };
    case FIELD_INTERVAL:
        return (value){ .kind = VALUE_INTERVAL };
    case FIELD_ACCOUNT:
        return text(m->w->accounts[l->account].id);
    case FIELD_ACCOUNT_NAME:
        return text(m->w->accounts[l->account].name);
    case FIELD_TYPE:
        return text(fo_sample_line_types[l->type]);
    case FIELD_START:
        return moment(l->start);
    case FIELD_END:
        return moment(l->end);
    case FIELD_PRODUCT_CODE:
        return text(fo_sample_services[l->product->service].code);
    case FIELD_USAGE_TYPE:
        return text(l->usage_type);
    case FIELD_OPERATION:
        return text(l->operation);
    case FIELD_ZONE:
        return text(l->resource ? l->resource->zone : NULL);
    case FIELD_RESOURCE:
        return text(l->resource ? l->resource->id : NULL);
    case FIELD_CURRENCY:
        return text("USD");
    case FIELD_DESCRIPTION:
        return text(l->description ? l->description : l->text);
    case FIELD_TAX_TYPE:
        return text(l->type == LINE_TAX ? "USSalesTax" : NULL);
    default:
        return none();
    }
}

static value
money_value(const line *l, const column *col)
{
    const instance *i = l->reservation ? l->product->instance : NULL;

    switch ((field)col->field) {
    case FIELD_AMOUNT:
        return number(l->amount);
    case FIELD_FACTOR:
        return number_if(i, i ? i->factor * TICKS : 0);
    case FIELD_NORMALIZED:
        return number_if(i, i ? i->factor * l->amount : 0);
    case FIELD_RATE:
        return number_if(l->has_rate, l->rate);
    case FIELD_COST:
        return number(l->cost);
    case FIELD_NET:
        return number(l->net);
    case FIELD_NET_RATE:
        return number_if(l->has_rate, l->discount ? l->rate - fo_sample_discount(l->rate) : l->rate);
    case FIELD_DISCOUNT:
        return number_if(l->discount != 0, l->discount);
    case FIELD_DISCOUNT_MAP:
        return (value){ .kind = VALUE_DISCOUNT, .number = l->discount };
    default:
        return none();
    }
}

static value
pricing_value(const month_lines *m, const line *l, const column *col)
{
    const usage *u =
        l->resource || l->type == LINE_SP_NEGATION || l->type == LINE_RI_FEE ? l->product->usage : NULL;
    bool reserved = l->reservation && l->type != LINE_FEE;

    switch ((field)col->field) {
    case FIELD_LEASE:
        return text(!reserved ? NULL : m->w->term_hours > 8760 ? "3yr" : "1yr");
    case FIELD_OFFERING_CLASS:
        return text(reserved ? "standard" : NULL);
    case FIELD_PURCHASE_OPTION:
        return text(reserved ? "Partial Upfront" : NULL);
    case FIELD_RATE_CODE:
        return text(u ? l->product->rate_code : NULL);
    case FIELD_RATE_ID:
        return text(u ? l->product->rate_id : NULL);
    case FIELD_PRICING_CURRENCY:
        return text("USD");
    case FIELD_PUBLIC_COST:
        return number_if(l->has_public, l->public_cost);
    case FIELD_PUBLIC_RATE:
        return number_if(l->has_public, l->product->rate);
    case FIELD_TERM:
        return text(reserved ? "Reserved" : l->has_public ? "OnDemand" : NULL);
    case FIELD_UNIT:
        return text(u ? u->unit : NULL);
    default:
        return none();
    }
}

static value
catalogue_value(const line *l, const column *col)
{
    const resource *r = l->tagged;

    switch ((field)col->field) {
    case FIELD_ATTR:
        return text(l->product->attr[col->arg]);
    case FIELD_TAG:
        return text(r ? r->tag[col->arg] : NULL);
    case FIELD_CATEGORY:
        return text(r ? r->category[col->arg] : NULL);
    case FIELD_PRODUCT_MAP:
        return map(fo_sample_attr_v2, l->product->attr, ATTR_COUNT);
    case FIELD_TAG_MAP:
        return map(fo_sample_tag_v2, r ? r->tag : NULL, r ? SAMPLE_TAGS : 0);
    case FIELD_CATEGORY_MAP:
        return map(fo_sample_category_v2, r ? r->category : NULL, r ? SAMPLE_CATEGORIES : 0);
    case FIELD_EMPTY_MAP:
        return map(NULL, NULL, 0);
    default:
        return none();
    }
}

/* Less the enterprise discount. */
static int64_t
net(int64_t ticks)
{
    return ticks - fo_sample_discount(ticks);
}

static value
reserved_usage_value(const line *l, const column *col)
{
    switch ((field)col->field) {
    case FIELD_R_UPFRONT_USAGE:
        return number(l->upfront_part);
    case FIELD_R_EFFECTIVE:
        return number(l->effective);
    case FIELD_R_RECURRING_USAGE:
        return number(l->recurring_part);
    case FIELD_R_NET_UPFRONT_USAGE:
        return number(net(l->upfront_part));
    case FIELD_R_NET_EFFECTIVE:
        return number(l->net_effective);
    case FIELD_R_NET_RECURRING_USAGE:
        return number(net(l->recurring_part));
    default:
        return none();
    }
}

static value
reserved_fee_value(const month_lines *m, const line *l, const column *col)
{
    switch ((field)col->field) {
    case FIELD_R_UPFRONT_PERIOD:
        return number(l->upfront_part);
    case FIELD_R_NET_UPFRONT_PERIOD:
        return number(net(l->upfront_part));
    case FIELD_R_STATUS:
        return text("Original");
    case FIELD_R_TOTAL_UNITS:
        return number(l->amount);
    case FIELD_R_UNITS_EACH:
        return number(m->hours * TICKS);
    case FIELD_R_UNUSED:
        return number(l->amount - l->used);
    case FIELD_R_UNUSED_UPFRONT:
        return number(fo_sample_unused_upfront(l));
    case FIELD_R_UNUSED_RECURRING:
        return number(fo_sample_unused_recurring(l));
    case FIELD_R_NET_UNUSED_UPFRONT:
        return number(net(fo_sample_unused_upfront(l)));
    case FIELD_R_NET_UNUSED_RECURRING:
        return number(net(fo_sample_unused_recurring(l)));
    default:
        return none();
    }
}

static value
reservation_value(const month_lines *m, const line *l, const column *col)
{
    if (!l->reservation)
        return none();
    switch ((field)col->field) {
    case FIELD_R_ARN:
        return text(l->reservation->arn);
    case FIELD_R_SUBSCRIPTION:
        return text(l->reservation->subscription);
    case FIELD_R_START:
        return text(m->w->contract_start);
    case FIELD_R_END:
        return text(m->w->contract_end);
    case FIELD_R_COUNT:
        return number_if(l->type != LINE_DISCOUNTED_USAGE, l->reservation->count * TICKS);
    case FIELD_R_UPFRONT_VALUE:
        return number_if(l->type == LINE_FEE, l->cost);
    default:
        break;
    }
    if (l->type == LINE_DISCOUNTED_USAGE)
        return reserved_usage_value(l, col);
    return l->type == LINE_RI_FEE ? reserved_fee_value(m, l, col) : none();
}

static value
plan_value(const month_lines *m, const line *l, const column *col)
{
    bool covered = l->type == LINE_SP_COVERED, fee = l->type == LINE_SP_RECURRING;

    if (!l->plan)
        return none();
    switch ((field)col->field) {
    case FIELD_S_TOTAL:
        return number_if(fee, l->upfront_part + l->recurring_part);
    case FIELD_S_ARN:
        return text(l->plan->arn);
    case FIELD_S_RATE:
        return number_if(covered, l->product->rate * 66 / 100);
    case FIELD_S_USED:
        return number_if(fee, l->used);
    case FIELD_S_EFFECTIVE:
        return number_if(covered, l->effective);
    case FIELD_S_UPFRONT:
        return number_if(fee, l->upfront_part);
    case FIELD_S_RECURRING:
        return number_if(fee, l->recurring_part);
    case FIELD_S_START:
        return text(m->w->contract_start);
    case FIELD_S_END:
        return text(m->w->contract_end);
    case FIELD_S_OFFERING:
        return text("ComputeSavingsPlans");
    case FIELD_S_PAYMENT:
        return text("Partial Upfront");
    case FIELD_S_TERM:
        return text(m->w->term_hours > 8760 ? "3yr" : "1yr");
    case FIELD_S_NET_EFFECTIVE:
        return number_if(covered, l->net_effective);
    case FIELD_S_NET_UPFRONT:
        return number_if(fee, net(l->upfront_part));
    case FIELD_S_NET_RECURRING:
        return number_if(fee, net(l->recurring_part));
    default:
        return none();
    }
}

value
fo_sample_value(const month_lines *m, const line *l, const column *col)
{
    if (col->scope == SCOPE_RESERVATION)
        return reservation_value(m, l, col);
    if (col->scope == SCOPE_PLAN)
        return plan_value(m, l, col);
    if (col->field >= FIELD_ATTR)
        return col->field == FIELD_DISCOUNT_MAP ? money_value(l, col) : catalogue_value(l, col);
    if (col->field >= FIELD_LEASE)
        return pricing_value(m, l, col);
    if (col->field >= FIELD_AMOUNT)
        return money_value(l, col);
    if (col->field >= FIELD_INVOICE && col->field <= FIELD_PERIOD_END)
        return bill_value(m, l, col);
    return item_value(m, l, col);
}

void
fo_sample_line_id(const month_lines *m, const line *l, char buf[SAMPLE_ID])
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint64_t key = fo_sample_draw(m->w->key, (uint64_t)m->period, l->number);

    for (size_t i = 0; i < SAMPLE_ID; i += 13) {
        uint64_t bits = key = fo_sample_mix(key);

        for (size_t j = i; j < i + 13; j++, bits >>= 4)
            buf[j] = alphabet[bits & 31];
    }
}

size_t
fo_sample_time(int64_t micros, bool millis, char buf[SAMPLE_TIME + 1])
{
    fo_civil c;
    size_t n = 0;
    unsigned parts[6], width[6] = { 4, 2, 2, 2, 2, 2 };

    fo_civil_from_micros(micros, &c);
    memcpy(parts, (unsigned[]){ (unsigned)c.year, c.month, c.day, c.hour, c.minute, c.second },
           sizeof(parts));
    for (size_t i = 0; i < 6; i++) {
        for (size_t w = width[i]; w > 0; w--, parts[i] /= 10)
            buf[n + w - 1] = (char)('0' + parts[i] % 10);
        n += width[i];
        buf[n++] = "--T::"[i < 5 ? i : 4];
    }
    n--;
    if (millis) {
        memcpy(buf + n, ".000", 4);
        n += 4;
    }
    buf[n++] = 'Z';
    buf[n] = '\0';
    return n;
}
