/* Who buys: accounts, resources and contracts that live on from month to month. */
#ifndef FO_SAMPLE_WORLD_H
#define FO_SAMPLE_WORLD_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/error.h"
#include "sample/catalog.h"
#include "sample/numbers.h"
#include "sample/sample.h"

typedef struct product { /* one service's usage type in one region, or a service alone */
    service_id service;
    const usage *usage; /* NULL: the service alone, as taxes and credits name it */
    size_t region;
    const instance *instance;
    int64_t rate;
    const char *attr[ATTR_COUNT];
    char sku[17];
    char usage_type[64];
    char rate_code[48];
    char rate_id[16];
    char description[176];
    char reserved_description[176];
} product;

typedef struct account {
    char id[13];
    char name[40];
} account;

typedef enum pricing { PRICING_ON_DEMAND, PRICING_SAVINGS_PLAN, PRICING_RESERVED } pricing;

typedef struct resource {
    size_t index;
    const product *product;
    size_t account;
    pricing pricing;
    size_t reservation; /* with PRICING_RESERVED */
    bool always_on;
    int64_t base; /* ticks an hour, or of gigabytes held */
    char zone[20];
    char id[112];
    char name[64];
    char group[64];
    const char *tag[SAMPLE_TAGS];
    const char *category[SAMPLE_CATEGORIES];
} resource;

#define SAMPLE_RESERVATIONS 3

typedef struct reservation {
    const product *product;
    int64_t count;
    int64_t recurring; /* ticks an hour and reservation */
    int64_t amortized; /* upfront fee spread over the term's hours */
    int64_t upfront;   /* of one reservation */
    char arn[112];
    char subscription[16];
} reservation;

typedef struct savings_plan {
    char arn[112];
    int64_t commitment; /* ticks an hour, half of it paid upfront */
    int64_t upfront;
} savings_plan;

/*
 * All that stays the same from month to month. Immutable once built, except ids, which fo_sample_world_month
 * renews.
 */
typedef struct world {
    uint64_t key;
    int64_t rows;
    int64_t months;
    int first_period; /* months since year 0 */
    int step_hours;   /* 24: a line covers a day, 1: an hour */
    account *accounts;
    size_t n_accounts;
    product *products; /* usages by region, then one for each service */
    size_t n_products;
    resource *resources; /* those that are always on come first */
    size_t n_resources;
    reservation reservations[SAMPLE_RESERVATIONS];
    savings_plan plan;
    int term_hours;
    char contract_start[FO_TIME_TEXT];
    char contract_end[FO_TIME_TEXT];
    int *group; /* account * SVC_COUNT + service -> tax group, -1: none */
    size_t *group_account;
    service_id *group_service;
    size_t n_groups;
} world;

finops_code fo_sample_world_new(const fo_sample_options *options, int first_period, world **ret,
                                finops_error **err);
void fo_sample_world_free(world *w);
void fo_sample_world_freep(world **w);
/* Gives resources the ids they have in the month: some are replaced now and then. */
void fo_sample_world_month(world *w, int period);
const product *fo_sample_service_product(const world *w, service_id service);

#endif
