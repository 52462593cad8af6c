/* The lines of a month and what they add up to. */
#ifndef FO_SAMPLE_LINES_H
#define FO_SAMPLE_LINES_H

#include "sample/world.h"

typedef enum line_type {
    LINE_USAGE,
    LINE_DISCOUNTED_USAGE,
    LINE_SP_COVERED,
    LINE_SP_NEGATION,
    LINE_SP_RECURRING,
    LINE_SP_UPFRONT,
    LINE_RI_FEE,
    LINE_FEE,
    LINE_CREDIT,
    LINE_REFUND,
    LINE_TAX,
    LINE_EDP,
    LINE_TYPES
} line_type;

extern const char *const fo_sample_line_types[LINE_TYPES];

typedef struct line {
    line_type type;
    uint64_t number; /* within the month */
    const product *product;
    const resource *resource; /* gives id and zone; NULL: none */
    const resource *tagged;   /* gives tags and categories; NULL: none */
    const reservation *reservation;
    const savings_plan *plan;
    size_t account;
    const char *usage_type; /* NULL: none */
    const char *operation;
    int64_t start, end; /* microseconds */
    int64_t amount;     /* ticks, as all that follows */
    int64_t rate;
    bool has_rate;
    int64_t cost;
    int64_t net;
    int64_t discount; /* cost - net */
    int64_t public_cost;
    bool has_public;
    int64_t effective; /* of a reservation or savings plan */
    int64_t net_effective;
    int64_t upfront_part; /* amortized upfront fee in it */
    int64_t recurring_part;
    int64_t used;            /* hours of a reservation, commitment of a plan */
    const char *description; /* may point at text */
    char text[128];
} line;

/* The cost as attribution counts it: what was used of reservations and plans, not what was paid. */
int64_t fo_sample_amortized(const line *l);

typedef struct sums {
    int64_t rows;
    wide unblended, net, amortized;
} sums;

typedef struct totals {
    sums all;
    sums type[LINE_TYPES];
    sums service[SVC_COUNT];
    sums *account;
} totals;

/* Makes the lines of one version of one month, one after the other. */
typedef struct month_lines {
    const world *w;
    int period;
    int version; /* 0: early, before the month has ended; 1: the bill; higher: corrected afterwards */
    bool first;  /* month of the purchases */
    int64_t begins, ends;
    int hours;       /* of the whole month */
    int n_steps;     /* covered by this version */
    int64_t rows;    /* it will have */
    int64_t n_usage; /* lines of usage among them */
    wide weight_all, weight_done;
    int step;
    int64_t given, due; /* usage lines so far, to be reached by the end of the step */
    size_t next_resource;
    bool wrapped;
    int64_t plan_used;
    int64_t reserved_used[SAMPLE_RESERVATIONS];
    int64_t growth; /* per 10,000 */
    line pending;
    bool has_pending;
    int64_t *group_net, *group_discount;
    int64_t service_cost[SVC_COUNT];
    line *last; /* lines that need the others' sums */
    size_t n_last, next_last;
    bool closed;
    uint64_t number;
    char invoice[16], purchase_invoice[16];
    totals totals;
} month_lines;

finops_code fo_sample_lines_init(month_lines *m, const world *w, int period, int version, finops_error **err);
/* False after the last line. */
bool fo_sample_lines_next(month_lines *m, line *ret);
void fo_sample_lines_done(month_lines *m);
/* closing.c: fees, credits, taxes and discounts that follow from the sums of the lines before them. */
void fo_sample_lines_close(month_lines *m);
/* Number of lines fo_sample_lines_close makes. */
size_t fo_sample_lines_closing(const month_lines *m);
/* Enterprise discount on a cost: a multiple of 1e-8, so that even a sum of millions has at most 15 digits. */
int64_t fo_sample_discount(int64_t cost);
/* Takes the discount off the line's cost and effective cost. */
void fo_sample_lines_discounted(line *l);
/* Adds a line to the sums that taxes and discounts are made of. */
void fo_sample_lines_base(month_lines *m, const line *l);
/* Of a RIFee line: what was paid for hours nobody used. */
int64_t fo_sample_unused_upfront(const line *l);
int64_t fo_sample_unused_recurring(const line *l);

#endif
