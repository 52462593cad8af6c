/*
 * The world a sample bills: accounts, products, resources with their tags, reservations and a savings plan.
 *
 * It is drawn from the seed once; months then bill it again and again, so that resources live on and costs
 * grow.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "sample/world.h"

#define DAY_WEIGHTS_28 2576 /* 20 working days of 100 and 8 weekend days of 72, see lines.c */
#define HOURLY_FROM 200000  /* lines a month from which a bill is by the hour, below by the day */

static bool
world_accounts(world *w)
{
    static const char *const kinds[] = { "Production", "Development", "Staging", "Données",
                                         "Security, Audit" };

    w->accounts = fo_array(w->n_accounts, sizeof(account));
    if (!w->accounts)
        return false;
    for (size_t i = 0; i < w->n_accounts; i++) {
        account *a = &w->accounts[i];
        uint64_t r = fo_sample_draw(w->key, 'a', i);

        /* Every third id begins with zeros, as real ones do; a number would lose them. */
        (void)snprintf(a->id, sizeof(a->id), i % 3 == 0 ? "00%010llu" : "%012llu",
                       (unsigned long long)(i % 3 == 0
                                                ? fo_sample_below(r, UINT64_C(1) << 32)
                                                : UINT64_C(100000000000) + r % UINT64_C(800000000000)));
        if (i == 0)
            (void)snprintf(a->name, sizeof(a->name), "Management");
        else
            (void)snprintf(a->name, sizeof(a->name), "%s %03zu", kinds[i % FO_COUNT(kinds)], i);
    }
    return true;
}

static void
product_texts(product *p, uint64_t key, size_t index)
{
    uint64_t r = fo_sample_draw(key, 'p', index);
    const service *s = &fo_sample_services[p->service];

    for (size_t i = 0; i < 16; i++)
        p->sku[i] = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"[fo_sample_below(fo_sample_draw(r, 's', i), 31)];
    (void)snprintf(p->rate_code, sizeof(p->rate_code), "%s.JRTCKXETXF.6YS6EN2CT7", p->sku);
    (void)snprintf(p->rate_id, sizeof(p->rate_id), "%010llu",
                   (unsigned long long)fo_sample_below(r, 5000000000));
    p->attr[ATTR_NAME] = s->name;
    p->attr[ATTR_SKU] = p->sku;
}

static void
product_instance(product *p)
{
    const instance *i = p->instance;

    p->attr[ATTR_CLOCK] = i->clock;
    p->attr[ATTR_GENERATION] = "Yes";
    p->attr[ATTR_INSTANCE_FAMILY] = i->family;
    p->attr[ATTR_INSTANCE] = i->type;
    p->attr[ATTR_LICENSE] = "No License required";
    p->attr[ATTR_MEMORY] = i->memory;
    p->attr[ATTR_NETWORK] = i->network;
    p->attr[ATTR_PROCESSOR] = i->processor;
    p->attr[ATTR_ARCHITECTURE] = i->architecture;
    p->attr[ATTR_STORAGE] = *i->storage ? i->storage : NULL;
    p->attr[ATTR_VCPU] = i->vcpu;
    if (p->service != SVC_EC2)
        return;
    p->attr[ATTR_OS] = "Linux";
    p->attr[ATTR_SOFTWARE] = "NA";
    p->attr[ATTR_TENANCY] = "Shared";
}

static void
product_describe(product *p, const usage *u, const region *r)
{
    char price[SAMPLE_NUMBER];
    size_t n = fo_sample_number(p->rate, price);

    if (strncmp(u->type, "BoxUsage", 8) == 0)
        (void)snprintf(p->description, sizeof(p->description), "$%.*s per On Demand Linux %s Instance Hour",
                       (int)n, price, u->instance);
    else
        (void)snprintf(p->description, sizeof(p->description), "$%.*s per %s - %s, %s", (int)n, price,
                       u->unit, u->type, r->location);
    (void)snprintf(p->reserved_description, sizeof(p->reserved_description),
                   "USD 0.0 hourly fee per %s, %s, %s reserved instance applied", p->attr[ATTR_NAME],
                   u->instance ? u->instance : u->type, r->location);
}

static void
product_usage(product *p, const usage *u, size_t region_index)
{
    const region *r = &fo_sample_regions[region_index];

    p->usage = u;
    p->region = region_index;
    p->rate = fo_sample_scale(u->rate, r->price, 100);
    (void)snprintf(p->usage_type, sizeof(p->usage_type), "%s%s", r->prefix, u->type);
    p->attr[ATTR_LOCATION] = r->location;
    p->attr[ATTR_LOCATION_TYPE] = "AWS Region";
    p->attr[ATTR_OPERATION] = u->operation;
    p->attr[ATTR_FAMILY] = u->family;
    p->attr[ATTR_REGION] = r->code;
    p->attr[ATTR_REGION_CODE] = r->code;
    p->attr[ATTR_SERVICECODE] = fo_sample_services[p->service].code;
    p->attr[ATTR_SERVICENAME] = fo_sample_services[p->service].name;
    p->attr[ATTR_USAGETYPE] = p->usage_type;
    p->instance = fo_sample_instance(u->instance);
    if (p->instance)
        product_instance(p);
    if (u->extra)
        p->attr[u->extra_attr] = u->extra;
    product_describe(p, u, r);
}

static bool
world_products(world *w)
{
    size_t n = fo_sample_n_usages * fo_sample_n_regions;

    w->n_products = n + SVC_COUNT;
    w->products = fo_array(w->n_products, sizeof(product));
    if (!w->products)
        return false;
    for (size_t i = 0; i < w->n_products; i++) {
        product *p = &w->products[i];

        p->service = i < n ? fo_sample_usages[i / fo_sample_n_regions].service : (service_id)(i - n);
        product_texts(p, w->key, i);
        if (i < n)
            product_usage(p, &fo_sample_usages[i / fo_sample_n_regions], i % fo_sample_n_regions);
    }
    return true;
}

const product *
fo_sample_service_product(const world *w, service_id s)
{
    return &w->products[fo_sample_n_usages * fo_sample_n_regions + s];
}

/*
 * The first resources take the usages in turn, in the first region: every sample then has every kind of
 * line.
 */
static size_t
pick_product(const world *w, size_t index)
{
    uint64_t all = 0, at;
    size_t u = 0, r = 0;

    if (index < fo_sample_n_usages)
        return index * fo_sample_n_regions;
    for (size_t i = 0; i < fo_sample_n_usages; i++)
        all += fo_sample_usages[i].weight;
    for (at = fo_sample_below(fo_sample_draw(w->key, 'u', index), all); at >= fo_sample_usages[u].weight; u++)
        at -= fo_sample_usages[u].weight;
    for (at = fo_sample_below(fo_sample_draw(w->key, 'r', index), 100); at >= fo_sample_regions[r].weight;
         r++)
        at -= fo_sample_regions[r].weight;
    return u * fo_sample_n_regions + r;
}

/* Reservations are for the second to fourth usage of the catalogue, in the first region. */
static size_t
reservation_of(const world *w, const product *p)
{
    size_t i = (size_t)(p - w->products);

    if (i % fo_sample_n_regions != 0 || i == 0 || i / fo_sample_n_regions > SAMPLE_RESERVATIONS)
        return SAMPLE_RESERVATIONS;
    return i / fo_sample_n_regions - 1;
}

static void
resource_price(const world *w, resource *r)
{
    uint64_t chance = fo_sample_below(fo_sample_draw(w->key, 'm', r->index), 100);
    const usage *u = r->product->usage;

    r->pricing = PRICING_ON_DEMAND;
    r->reservation = reservation_of(w, r->product);
    if (!r->always_on)
        return;
    if (r->reservation < SAMPLE_RESERVATIONS && (chance < 60 || r->index < fo_sample_n_usages))
        r->pricing = PRICING_RESERVED;
    else if (strncmp(u->type, "BoxUsage", 8) == 0 && (chance < 55 || r->index == 0))
        r->pricing = PRICING_SAVINGS_PLAN;
}

static void
resource_tags(const world *w, resource *r, const char *app, const char *environment)
{
    static const unsigned char present[SAMPLE_TAGS] = { 30, 45, 70, 85, 80, 88, 12, 62, 35, 75, 40 };
    uint64_t key = fo_sample_draw(w->key, 't', r->index);
    uint64_t team = fo_sample_below(fo_sample_draw(key, 1, 0), 64);

    r->tag[TAG_ASG] = r->group;
    r->tag[TAG_CREATED_BY] =
        team % 2 ? "AssumedRole:AROAEXAMPLE0001:deploy" : "IAMUser:AIDAEXAMPLE0002:terraform";
    r->tag[TAG_COST_CENTER] = fo_sample_word("center", team);
    r->tag[TAG_NAME] = r->name;
    r->tag[TAG_APP] = app;
    r->tag[TAG_ENVIRONMENT] = environment;
    r->tag[TAG_NOTES] = fo_sample_word("note", r->index);
    r->tag[TAG_OWNER] = fo_sample_word("owner", team);
    r->tag[TAG_PROJECT] = fo_sample_word("project", fo_sample_below(fo_sample_draw(key, 2, 0), 60));
    r->tag[TAG_TEAM] = fo_sample_word("team", team);
    r->tag[TAG_VERSION] = fo_sample_word("version", fo_sample_below(fo_sample_draw(key, 3, 0), 60));
    for (size_t i = 0; i < SAMPLE_TAGS; i++) {
        if (fo_sample_below(fo_sample_draw(key, 4, i), 100) >= present[i])
            r->tag[i] = NULL;
    }
    if (r->product->service != SVC_EC2)
        r->tag[TAG_ASG] = NULL;
    r->category[0] = fo_sample_word("unit", team);
    r->category[1] = r->always_on ? "Production" : "Non-production";
    r->category[2] = team % 4 ? app : NULL;
}

static void
resource_fill(const world *w, resource *r, size_t index, size_t n)
{
    static const char *const quiet[] = { "dev", "test", "sandbox" };
    uint64_t random = fo_sample_draw(w->key, 'i', index);
    uint64_t share = fo_sample_below(random, 1000);
    const char *app = fo_sample_word("app", fo_sample_mix(random) >> 7);
    const char *environment;
    const region *place;

    r->index = index;
    r->always_on = index < n - n * 3 / 10;
    r->product = &w->products[pick_product(w, index)];
    place = &fo_sample_regions[r->product->region];
    /* The square makes a few accounts big and many small. */
    r->account = (size_t)(share * share * w->n_accounts / 1000000);
    environment = r->always_on ? (index % 7 == 3 ? "stage" : "prod") : quiet[index % FO_COUNT(quiet)];
    r->base = (int64_t)r->product->usage->base * TICKS / 100 *
              (int64_t)(20 + fo_sample_below(fo_sample_draw(w->key, 'b', index), 200));
    if (r->product->usage->kind == KIND_HOURS)
        (void)snprintf(r->zone, sizeof(r->zone), "%s%c", place->code, "abc"[index % 3]);
    (void)snprintf(r->name, sizeof(r->name), "%s-%s-%04zu", app, environment, index);
    (void)snprintf(r->group, sizeof(r->group), "asg-%s-%s", app, environment);
    resource_price(w, r);
    resource_tags(w, r, app, environment);
}

static bool
world_resources(world *w)
{
    size_t n = (size_t)(w->rows * 100 / DAY_WEIGHTS_28 * w->step_hours / 24) + 4;

    w->resources = fo_array(n, sizeof(resource));
    if (!w->resources)
        return false;
    w->n_resources = n;
    for (size_t i = 0; i < n; i++)
        resource_fill(w, &w->resources[i], i, n);
    return true;
}

static void
resource_id(const world *w, resource *r, uint64_t generation)
{
    unsigned long long h = fo_sample_draw(w->key, r->index + 1000, generation);
    const char *pattern = r->product->usage->resource;
    size_t n = 0;

    if (strcmp(pattern, "i-") == 0 || strcmp(pattern, "vol-") == 0) {
        (void)snprintf(r->id, sizeof(r->id), "%s0%016llx", pattern, h);
        return;
    }
    if (strcmp(pattern, "bucket") == 0) {
        (void)snprintf(r->id, sizeof(r->id), "%s-%06llx", r->name, h & 0xffffff);
        return;
    }
    r->id[0] = '\0';
    if (!*pattern)
        return;
    n = (size_t)snprintf(r->id, sizeof(r->id), "arn:aws:");
    for (; *pattern; pattern++) {
        const char *part = (const char[]){ *pattern, '\0' };

        if (*pattern == '%')
            part =
                *++pattern == 'r' ? fo_sample_regions[r->product->region].code : w->accounts[r->account].id;
        n += (size_t)snprintf(r->id + n, sizeof(r->id) - n, "%s", part);
    }
    (void)snprintf(r->id + n, sizeof(r->id) - n, "%s-%08llx", r->name, h & 0xffffffff);
}

void
fo_sample_world_month(world *w, int period)
{
    for (size_t i = 0; i < w->n_resources; i++) {
        resource *r = &w->resources[i];
        bool replaced = !r->always_on || r->tag[TAG_ASG];

        resource_id(w, r, replaced ? (uint64_t)((size_t)period + i) / 3 : 0);
    }
}

static void
world_contract_times(world *w)
{
    int years = w->months > 12 ? 3 : 1;
    fo_civil c = { .year = w->first_period / 12, .month = (unsigned)(w->first_period % 12) + 1, .day = 1 };

    w->term_hours = years * 8760;
    (void)fo_time_format(fo_micros_from_civil(&c), w->contract_start);
    c.year += years;
    (void)fo_time_format(fo_micros_from_civil(&c), w->contract_end);
}

static void
world_contracts(world *w)
{
    char uuid[37];
    int64_t covered = 0;

    for (size_t i = 0; i < SAMPLE_RESERVATIONS; i++) {
        reservation *v = &w->reservations[i];

        v->product = &w->products[(i + 1) * fo_sample_n_regions];
        v->recurring = v->product->rate * 30 / 100 / 1000000 * 1000000;
        v->upfront = fo_sample_scale(v->product->rate, (int64_t)w->term_hours * 28, 100 * TICKS) * TICKS;
        v->amortized = v->upfront / w->term_hours;
        (void)snprintf(v->arn, sizeof(v->arn), "arn:aws:%s:us-east-1:%s:reserved-instances/%s",
                       (const char *const[]){ "ec2", "rds", "elasticache" }[i], w->accounts[0].id,
                       fo_sample_uuid(w->key, 'v', i, uuid));
        (void)snprintf(v->subscription, sizeof(v->subscription), "%010llu",
                       (unsigned long long)(fo_sample_draw(w->key, 'v', i) % 1000000000));
    }
    for (size_t i = 0; i < w->n_resources; i++) {
        const resource *r = &w->resources[i];

        if (r->pricing == PRICING_RESERVED)
            w->reservations[r->reservation].count++;
        else if (r->pricing == PRICING_SAVINGS_PLAN && (i < 2 || i < w->n_resources * 6 / 10))
            covered += r->product->rate * 66 / 100;
    }
    for (size_t i = 0; i < SAMPLE_RESERVATIONS; i++)
        w->reservations[i].count += w->reservations[i].count / 8;
    /* Some commitment stays unused, most at weekends; a large fleet overshoots it and pays on demand. */
    w->plan.commitment = (covered * (w->n_resources > 200 ? 80 : 110) / 100 / 100000000 + 1) * 100000000;
    w->plan.upfront = w->plan.commitment / 2 * w->term_hours;
    (void)snprintf(w->plan.arn, sizeof(w->plan.arn), "arn:aws:savingsplans::%s:savingsplan/%s",
                   w->accounts[0].id, fo_sample_uuid(w->key, 'v', 99, uuid));
}

static void
group_mark(world *w, size_t account_index, service_id s)
{
    w->group[account_index * SVC_COUNT + s] = 0;
}

/* Taxes and discounts come by account and service; a small bill has them by service alone, on the payer. */
static bool
world_groups(world *w)
{
    size_t all = w->n_accounts * SVC_COUNT, marked = 0;
    bool by_account;

    w->group = fo_array(all, sizeof(int));
    w->group_account = fo_array(all, sizeof(size_t));
    w->group_service = fo_array(all, sizeof(service_id));
    if (!w->group || !w->group_account || !w->group_service)
        return false;
    for (size_t i = 0; i < all; i++)
        w->group[i] = -1;
    for (size_t i = 0; i < w->n_resources; i++)
        group_mark(w, w->resources[i].account, w->resources[i].product->service);
    for (int s = SVC_SAVINGS_PLANS; s <= SVC_SUPPORT; s++)
        group_mark(w, 0, (service_id)s);
    for (size_t i = 0; i < SAMPLE_RESERVATIONS; i++)
        group_mark(w, 0, w->reservations[i].product->service);
    for (size_t i = 0; i < all; i++)
        marked += w->group[i] == 0;
    by_account = (int64_t)marked <= w->rows / 32;
    for (size_t i = 0; i < all; i++) {
        size_t payer = i % SVC_COUNT;

        if (w->group[i] < 0)
            continue;
        if (!by_account && i != payer && w->group[payer] > 0) {
            w->group[i] = w->group[payer];
            continue;
        }
        w->group_account[w->n_groups] = by_account ? i / SVC_COUNT : 0;
        w->group_service[w->n_groups] = (service_id)payer;
        w->group[i] = (int)++w->n_groups; /* counted from 1 until all are given */
        if (!by_account)
            w->group[payer] = w->group[i];
    }
    for (size_t i = 0; i < all; i++)
        w->group[i] -= w->group[i] > 0;
    return true;
}

finops_code
fo_sample_world_new(const fo_sample_options *options, int first_period, world **ret, finops_error **err)
{
    FO_AUTO(fo_sample_world_freep) world *w = fo_zalloc(sizeof(world));

    if (!w)
        return fo_error_oom(err);
    w->key = fo_sample_mix((uint64_t)options->seed);
    w->rows = options->rows;
    w->months = options->months;
    w->first_period = first_period;
    w->step_hours = options->rows < HOURLY_FROM ? 24 : 1;
    w->n_accounts = (size_t)options->accounts;
    if (!world_accounts(w) || !world_products(w) || !world_resources(w))
        return fo_error_oom(err);
    world_contract_times(w);
    world_contracts(w);
    if (!world_groups(w))
        return fo_error_oom(err);
    *ret = FO_TAKE(w);
    return FINOPS_OK;
}

void
fo_sample_world_free(world *w)
{
    if (!w)
        return;
    fo_free(w->accounts);
    fo_free(w->products);
    fo_free(w->resources);
    fo_free(w->group);
    fo_free(w->group_account);
    fo_free(w->group_service);
    fo_free(w);
}

void
fo_sample_world_freep(world **w)
{
    fo_sample_world_free(*w);
}
