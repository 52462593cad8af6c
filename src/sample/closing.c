/*
 * The last lines of a month: what is charged or given back for the month as a whole.
 *
 * fo_sample_lines_closing says beforehand how many there are, so that a bill has exactly the lines it was
 * asked for.
 */
#include <assert.h>
#include <stdio.h>

#include "sample/lines.h"

#define CENTS INT64_C(100000000) /* ticks in one */

static size_t
discount_groups(const world *w)
{
    size_t n = 0;

    for (size_t i = 0; i < w->n_groups; i++)
        n += w->group_service[i] != SVC_MARKETPLACE;
    return n;
}

size_t
fo_sample_lines_closing(const month_lines *m)
{
    size_t n = SAMPLE_RESERVATIONS + 1;

    if (m->first)
        n += SAMPLE_RESERVATIONS + 1;
    if (m->version > 0)
        n += 3 + m->w->n_groups + discount_groups(m->w);
    if (m->version > 1)
        n += (size_t)m->version - 1;
    return n;
}

static line *
closing_line(month_lines *m, line_type type, const product *p, size_t account_index)
{
    line *l = &m->last[m->n_last++];

    *l = (line){ .type = type,
                 .product = p,
                 .account = account_index,
                 .start = m->begins,
                 .end = m->ends - 1000000,
                 .amount = TICKS };
    return l;
}

/* A line of the payer for what was bought at the start of the first month. */
static line *
purchase_line(month_lines *m, line_type type, const product *p, int64_t cost)
{
    line *l = closing_line(m, type, p, 0);

    l->cost = cost;
    fo_sample_lines_discounted(l);
    return l;
}

static void
close_purchases(month_lines *m)
{
    const world *w = m->w;
    line *l =
        purchase_line(m, LINE_SP_UPFRONT, fo_sample_service_product(w, SVC_SAVINGS_PLANS), w->plan.upfront);

    l->plan = &w->plan;
    (void)snprintf(l->text, sizeof(l->text), "One-time fee for Partial Upfront Compute Savings Plan");
    fo_sample_lines_base(m, l);
    for (size_t i = 0; i < SAMPLE_RESERVATIONS; i++) {
        const reservation *v = &w->reservations[i];

        l = purchase_line(m, LINE_FEE, fo_sample_service_product(w, v->product->service),
                          v->upfront * v->count);
        l->reservation = v;
        (void)snprintf(l->text, sizeof(l->text), "Sign up charge for subscription: %s, planId: 2200994",
                       v->subscription);
        fo_sample_lines_base(m, l);
    }
}

static void
close_reservations(month_lines *m)
{
    for (size_t i = 0; i < SAMPLE_RESERVATIONS; i++) {
        const reservation *v = &m->w->reservations[i];
        line *l = closing_line(m, LINE_RI_FEE, v->product, 0);
        char price[SAMPLE_NUMBER];
        size_t n = fo_sample_number(v->recurring, price);

        l->reservation = v;
        l->usage_type = v->product->usage_type;
        l->operation = v->product->usage->operation;
        l->amount = v->count * m->hours * TICKS;
        l->used = m->reserved_used[i];
        l->has_rate = true;
        l->rate = v->recurring;
        l->cost = l->recurring_part = fo_sample_tidy(v->recurring * v->count * m->hours);
        l->upfront_part = fo_sample_tidy(v->amortized * v->count * m->hours);
        (void)snprintf(l->text, sizeof(l->text), "USD %.*s hourly fee per %s instance", (int)n, price,
                       v->product->instance->type);
        fo_sample_lines_discounted(l);
        fo_sample_lines_base(m, l);
    }
}

static void
close_support(month_lines *m)
{
    line *l = closing_line(m, LINE_FEE, fo_sample_service_product(m->w, SVC_SUPPORT), 0);
    int64_t usage_cost = 0;

    for (int i = 0; i < SVC_COUNT; i++)
        usage_cost += m->service_cost[i];
    l->cost = fo_sample_scale(usage_cost, 3, 100 * CENTS) * CENTS;
    if (l->cost < 10000 * CENTS)
        l->cost = 10000 * CENTS;
    l->net = l->cost;
    l->usage_type = "Dollar";
    l->description = "10% of monthly AWS usage for the first $0-$10K, 7% for the next";
    fo_sample_lines_base(m, l);
}

/* per_mille of what a service cost goes back to an account; an odd tick keeps the tenth digit alive. */
static void
close_credit(month_lines *m, line_type type, service_id s, size_t account_index, int64_t per_mille,
             const char *why)
{
    line *l = closing_line(m, type, fo_sample_service_product(m->w, s), account_index);

    l->cost = fo_sample_tidy(-fo_sample_scale(m->service_cost[s], per_mille, 1000) - 1);
    l->net = l->cost;
    l->description = why;
}

static void
close_credits(month_lines *m)
{
    close_credit(m, LINE_CREDIT, SVC_EC2, 0, 20, "AWS Activate Business, \"Startup\" credit");
    close_credit(m, LINE_CREDIT, SVC_S3, m->w->n_accounts - 1, 50, "Migration credit; phase 2");
    close_credit(m, LINE_REFUND, SVC_RDS, m->w->n_accounts / 2, 30,
                 "Refund for case 0098765432, outage of the 11th");
    for (int v = 2; v <= m->version; v++)
        close_credit(m, LINE_CREDIT, SVC_LAMBDA, 0, v, "Late credit of a restated bill");
}

static void
close_discounts(month_lines *m)
{
    for (size_t i = 0; i < m->w->n_groups; i++) {
        line *l;

        if (m->w->group_service[i] == SVC_MARKETPLACE)
            continue;
        l = closing_line(m, LINE_EDP, fo_sample_service_product(m->w, m->w->group_service[i]),
                         m->w->group_account[i]);
        l->cost = -m->group_discount[i];
        l->description = "Enterprise Discount Program Discount";
    }
}

/* Eight per cent of the net costs, in whole cents, as invoices have it. */
static void
close_taxes(month_lines *m)
{
    for (size_t i = 0; i < m->w->n_groups; i++) {
        service_id s = m->w->group_service[i];
        line *l = closing_line(m, LINE_TAX, fo_sample_service_product(m->w, s), m->w->group_account[i]);

        if (m->group_net[i] > 0)
            l->cost = fo_sample_scale(m->group_net[i], 8, 100 * CENTS) * CENTS;
        l->net = l->cost;
        (void)snprintf(l->text, sizeof(l->text), "Tax for product code %s usage type Usage",
                       fo_sample_services[s].code);
    }
}

void
fo_sample_lines_close(month_lines *m)
{
    close_reservations(m);
    close_support(m);
    if (m->first)
        close_purchases(m);
    if (m->version > 0) {
        close_credits(m);
        close_discounts(m);
        close_taxes(m);
    }
    assert(m->n_last == fo_sample_lines_closing(m));
}
