/*
 * The lines of a month, one after the other in bounded memory.
 *
 * Time goes by in steps of an hour or a day. In each step the resources are billed in their order until the
 * step's share of the lines is used up; weekends have a smaller share, so that the resources at the end, the
 * quiet ones, rest. Lines that follow from sums (closing.c) come last.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "sample/lines.h"

#define EARLY_DAYS 27 /* an early version ends here */

const char *const fo_sample_line_types[LINE_TYPES] = {
    [LINE_USAGE] = "Usage",
    [LINE_DISCOUNTED_USAGE] = "DiscountedUsage",
    [LINE_SP_COVERED] = "SavingsPlanCoveredUsage",
    [LINE_SP_NEGATION] = "SavingsPlanNegation",
    [LINE_SP_RECURRING] = "SavingsPlanRecurringFee",
    [LINE_SP_UPFRONT] = "SavingsPlanUpfrontFee",
    [LINE_RI_FEE] = "RIFee",
    [LINE_FEE] = "Fee",
    [LINE_CREDIT] = "Credit",
    [LINE_REFUND] = "Refund",
    [LINE_TAX] = "Tax",
    [LINE_EDP] = "EdpDiscount",
};

int64_t
fo_sample_discount(int64_t cost)
{
    return fo_sample_scale(cost, 7, 10000) * 100;
}

void
fo_sample_lines_discounted(line *l)
{
    l->discount = fo_sample_discount(l->cost);
    l->net = l->cost - l->discount;
    l->net_effective = l->effective - fo_sample_discount(l->effective);
}

void
fo_sample_lines_base(month_lines *m, const line *l)
{
    int g = m->w->group[l->account * SVC_COUNT + l->product->service];

    if (g < 0)
        return;
    m->group_net[g] += l->net;
    m->group_discount[g] += l->discount;
}

int64_t
fo_sample_unused_upfront(const line *l)
{
    return fo_sample_tidy(fo_sample_scale(l->reservation->amortized, l->amount - l->used, TICKS));
}

int64_t
fo_sample_unused_recurring(const line *l)
{
    return fo_sample_tidy(fo_sample_scale(l->reservation->recurring, l->amount - l->used, TICKS));
}

int64_t
fo_sample_amortized(const line *l)
{
    switch (l->type) {
    case LINE_DISCOUNTED_USAGE:
    case LINE_SP_COVERED:
        return l->effective;
    case LINE_SP_NEGATION:
    case LINE_SP_UPFRONT:
        return 0;
    case LINE_SP_RECURRING:
        return l->upfront_part + l->recurring_part - l->used;
    case LINE_RI_FEE:
        return fo_sample_unused_upfront(l) + fo_sample_unused_recurring(l);
    case LINE_FEE:
        return l->reservation ? 0 : l->cost;
    default:
        return l->cost;
    }
}

static void
sums_add(sums *s, const line *l, int64_t amortized)
{
    s->rows++;
    s->unblended += l->cost;
    s->net += l->net;
    s->amortized += amortized;
}

/* Every line passes here on its way out. */
static bool
lines_give(month_lines *m, line *l)
{
    int64_t amortized = fo_sample_amortized(l);

    l->number = m->number++;
    sums_add(&m->totals.all, l, amortized);
    sums_add(&m->totals.type[l->type], l, amortized);
    sums_add(&m->totals.service[l->product->service], l, amortized);
    sums_add(&m->totals.account[l->account], l, amortized);
    return true;
}

/* Share of a step: working days 100, weekends 72. */
static int
step_weight(const month_lines *m, int step)
{
    int64_t day = m->begins / (24 * HOUR_MICROS) + (int64_t)step * m->w->step_hours / 24;
    int64_t weekday = (day + 4) % 7; /* 1970-01-01 was a Thursday; 0 is Sunday */

    return weekday == 0 || weekday == 6 ? 72 : 100;
}

static void
step_begin(month_lines *m)
{
    m->next_resource = 0;
    m->plan_used = 0;
    if (m->step >= m->n_steps)
        return;
    m->weight_done += step_weight(m, m->step);
    m->due = (int64_t)(m->n_usage * m->weight_done / m->weight_all);
}

static int64_t
lines_rows(int64_t rows, int days, int version)
{
    int64_t late = rows / 500 > 0 ? rows / 500 : 1;

    if (version == 0)
        return rows * EARLY_DAYS / days;
    return rows + (version - 1) * late;
}

static void
lines_times(month_lines *m)
{
    fo_civil c = { .year = m->period / 12, .month = (unsigned)(m->period % 12) + 1, .day = 1 };
    int days = (int)fo_days_in_month(c.year, c.month);

    m->begins = fo_micros_from_civil(&c);
    m->hours = days * 24;
    m->ends = m->begins + m->hours * HOUR_MICROS;
    m->n_steps = (m->version == 0 ? EARLY_DAYS : days) * 24 / m->w->step_hours;
    m->rows = lines_rows(m->w->rows, days, m->version);
    for (int i = 0; i < m->n_steps; i++)
        m->weight_all += step_weight(m, i);
}

finops_code
fo_sample_lines_init(month_lines *m, const world *w, int period, int version, finops_error **err)
{
    uint64_t invoice = fo_sample_draw(w->key, 'n', (uint64_t)period) % 900000000;

    *m = (month_lines){
        .w = w, .period = period, .version = version, .first = period == w->first_period, .growth = 10000
    };
    lines_times(m);
    for (int k = w->first_period; k < period; k++)
        m->growth = fo_sample_scale(m->growth, 103, 100);
    if (version > 0)
        (void)snprintf(m->invoice, sizeof(m->invoice), "%010llu", (unsigned long long)invoice);
    (void)snprintf(m->purchase_invoice, sizeof(m->purchase_invoice), "%010llu",
                   (unsigned long long)invoice + 1);
    m->totals.account = fo_array(w->n_accounts, sizeof(sums));
    m->group_net = fo_array(w->n_groups, sizeof(int64_t));
    m->group_discount = fo_array(w->n_groups, sizeof(int64_t));
    m->last = fo_array(fo_sample_lines_closing(m), sizeof(line));
    if (!m->totals.account || !m->group_net || !m->group_discount || !m->last) {
        fo_sample_lines_done(m);
        return fo_error_oom(err);
    }
    m->n_usage = m->rows - m->n_steps - (int64_t)fo_sample_lines_closing(m);
    step_begin(m);
    return FINOPS_OK;
}

void
fo_sample_lines_done(month_lines *m)
{
    fo_free(m->totals.account);
    fo_free(m->group_net);
    fo_free(m->group_discount);
    fo_free(m->last);
    *m = (month_lines){ 0 };
}

/* --- usage --- */

/* How busy the hour of the day is, in per cent. */
static int
hour_load(const month_lines *m)
{
    static const unsigned char load[24] = { 55,  48,  44,  42,  42,  46,  58,  76,  98,  118, 130, 136,
                                            134, 138, 142, 140, 136, 128, 118, 110, 102, 90,  78,  66 };

    return m->w->step_hours == 1 ? load[m->step % 24] : 100;
}

static int64_t
metered_amount(const month_lines *m, const resource *r, uint64_t random)
{
    int64_t a = fo_sample_scale(r->base, m->growth * m->w->step_hours, 10000);

    if (r->product->usage->kind == KIND_GB_MONTH)
        a = fo_sample_scale(a, 1, m->hours);
    else
        a = fo_sample_scale(a, step_weight(m, m->step) * hour_load(m) * (int64_t)(60 + random % 80), 1000000);
    /* What a restatement changes: early versions overstate S3, later ones take a tenth off some resources. */
    if (m->version == 0 && r->product->service == SVC_S3)
        a = fo_sample_scale(a, 110, 100);
    if (m->version > 1 && fo_sample_draw(m->w->key, (uint64_t)m->version, r->index) % 50 == 0)
        a = fo_sample_scale(a, 90, 100);
    if (r->product->usage->kind == KIND_COUNT)
        a = (a / TICKS + 1) * TICKS;
    return fo_sample_tidy(a);
}

static int64_t
usage_amount(const month_lines *m, const resource *r)
{
    uint64_t random = fo_sample_draw(m->w->key ^ (uint64_t)m->period, (uint64_t)m->step + 7, r->index) >> 20;

    if (r->product->usage->kind != KIND_HOURS)
        return metered_amount(m, r, random);
    if (r->always_on || m->w->step_hours == 1)
        return m->w->step_hours * TICKS;
    return (int64_t)(9 + random % 5) * TICKS;
}

static void
line_usage(const month_lines *m, const resource *r, line *l)
{
    *l = (line){
        .type = LINE_USAGE, .product = r->product, .resource = r, .tagged = r, .account = r->account
    };
    l->usage_type = r->product->usage_type;
    l->operation = r->product->usage->operation;
    l->start = m->begins + (int64_t)m->step * m->w->step_hours * HOUR_MICROS;
    l->end = l->start + m->w->step_hours * HOUR_MICROS;
    l->amount = usage_amount(m, r);
    l->has_rate = true;
    l->rate = r->product->rate;
    l->cost = fo_sample_tidy(fo_sample_scale(l->amount, l->rate, TICKS));
    l->net = l->cost;
    l->has_public = true;
    l->public_cost = l->cost;
    l->description = r->product->description;
}

static void
usage_reserved(month_lines *m, const resource *r, line *l)
{
    const reservation *v = &m->w->reservations[r->reservation];

    l->type = LINE_DISCOUNTED_USAGE;
    l->reservation = v;
    l->cost = 0;
    l->rate = 0;
    l->description = r->product->reserved_description;
    l->recurring_part = fo_sample_scale(v->recurring, l->amount, TICKS);
    l->upfront_part = fo_sample_scale(v->amortized, l->amount, TICKS);
    l->effective = l->recurring_part + l->upfront_part;
    m->reserved_used[r->reservation] += l->amount;
}

/* The covered usage at its public price, and a line that takes just that back. */
static void
usage_covered(month_lines *m, const resource *r, line *l, int64_t effective)
{
    line *n = &m->pending;

    l->type = LINE_SP_COVERED;
    l->plan = &m->w->plan;
    l->effective = effective;
    l->net_effective = effective - fo_sample_discount(effective);
    m->plan_used += effective;
    *n = *l;
    n->type = LINE_SP_NEGATION;
    n->resource = NULL;
    n->tagged = NULL;
    n->cost = n->net = -l->cost;
    n->rate = -l->rate;
    n->has_public = false;
    n->effective = n->net_effective = 0;
    (void)snprintf(n->text, sizeof(n->text), "SavingsPlanNegation used by AccountId : %s and UsageSku : %s",
                   m->w->accounts[r->account].id, r->product->sku);
    n->description = NULL;
    m->has_pending = true;
}

/* False when a covered pair no longer fits into the step. */
static bool
usage_next(month_lines *m, line *l)
{
    const resource *r = &m->w->resources[m->next_resource];
    bool last_step = m->step == m->n_steps - 1;
    int64_t effective;

    line_usage(m, r, l);
    effective = fo_sample_tidy(fo_sample_scale(l->amount, r->product->rate * 66 / 100, TICKS));
    if (r->pricing == PRICING_SAVINGS_PLAN && !m->wrapped &&
        m->plan_used + effective <= m->w->plan.commitment * m->w->step_hours) {
        if (m->given + 2 <= m->due)
            usage_covered(m, r, l, effective);
        else if (!last_step)
            return false;
    } else if (r->pricing == PRICING_RESERVED && !m->wrapped) {
        usage_reserved(m, r, l);
    }
    if (l->type != LINE_SP_COVERED && r->product->service != SVC_MARKETPLACE)
        fo_sample_lines_discounted(l);
    if (l->type == LINE_USAGE)
        m->service_cost[r->product->service] += l->cost;
    m->next_resource++;
    m->given += m->has_pending ? 2 : 1;
    return true;
}

/* What the savings plan takes at the end of a step, used or not. */
static void
line_plan_fee(const month_lines *m, line *l)
{
    int64_t total = m->w->plan.commitment * m->w->step_hours;

    *l = (line){ .type = LINE_SP_RECURRING,
                 .product = fo_sample_service_product(m->w, SVC_SAVINGS_PLANS),
                 .plan = &m->w->plan };
    l->usage_type = m->w->term_hours > 8760 ? "ComputeSP:3yrPartialUpfront" : "ComputeSP:1yrPartialUpfront";
    l->start = m->begins + (int64_t)m->step * m->w->step_hours * HOUR_MICROS;
    l->end = l->start + m->w->step_hours * HOUR_MICROS;
    l->amount = TICKS;
    l->recurring_part = total / 2;
    l->upfront_part = total - total / 2;
    l->used = m->plan_used;
    l->cost = l->recurring_part;
    l->description = "Partial Upfront Compute Savings Plan";
    fo_sample_lines_discounted(l);
}

static bool
lines_step(month_lines *m, line *ret)
{
    if (m->next_resource == m->w->n_resources && m->step == m->n_steps - 1) {
        m->next_resource = 0;
        m->wrapped = true;
    }
    if (m->given < m->due && m->next_resource < m->w->n_resources && usage_next(m, ret)) {
        fo_sample_lines_base(m, ret);
        return lines_give(m, ret);
    }
    line_plan_fee(m, ret);
    fo_sample_lines_base(m, ret);
    m->step++;
    step_begin(m);
    return lines_give(m, ret);
}

bool
fo_sample_lines_next(month_lines *m, line *ret)
{
    if (m->has_pending) {
        *ret = m->pending;
        m->has_pending = false;
        fo_sample_lines_base(m, ret);
        return lines_give(m, ret);
    }
    if (m->step < m->n_steps)
        return lines_step(m, ret);
    if (!m->closed) {
        fo_sample_lines_close(m);
        m->closed = true;
    }
    if (m->next_last == m->n_last)
        return false;
    *ret = m->last[m->next_last++];
    return lines_give(m, ret);
}
