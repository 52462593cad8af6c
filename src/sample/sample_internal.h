/* What the files of the sample maker share: the world a bill describes, its lines, the columns that show them. */
#ifndef FO_SAMPLE_INTERNAL_H
#define FO_SAMPLE_INTERNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "sample/sample.h"

/* Money and amounts are whole ticks of 1e-10. */
#define TICKS INT64_C(10000000000)
#define HOUR_MICROS INT64_C(3600000000)

__extension__ typedef __int128 wide;

/* --- numbers without state: a value is a function of seed and place, so that any line can be made at any time --- */

static inline uint64_t
fo_sample_mix(uint64_t x)
{
    x += UINT64_C(0x9E3779B97F4A7C15);
    x = (x ^ (x >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
    return x ^ (x >> 31);
}

static inline uint64_t
fo_sample_draw(uint64_t key, uint64_t a, uint64_t b)
{
    return fo_sample_mix(fo_sample_mix(key ^ (a * UINT64_C(0xD6E8FEB86659FD93))) + b);
}

static inline uint64_t
fo_sample_below(uint64_t random, uint64_t n)
{
    return ((random >> 32) * n) >> 32;
}

/* a * b / d, rounded half away from zero. */
static inline int64_t
fo_sample_scale(int64_t a, int64_t b, int64_t d)
{
    wide p = (wide)a * b;

    return (int64_t)((p + (p < 0 ? -(d / 2) : d / 2)) / d);
}

/* --- catalogue: what AWS sells --- */

typedef enum attr { /* product attributes; the order is that of the v1 columns */
    ATTR_NAME, ATTR_CLOCK, ATTR_GENERATION, ATTR_ENGINE, ATTR_DEPLOYMENT, ATTR_GROUP, ATTR_INSTANCE_FAMILY,
    ATTR_INSTANCE, ATTR_LICENSE, ATTR_LOCATION, ATTR_LOCATION_TYPE, ATTR_MEMORY, ATTR_NETWORK, ATTR_OS,
    ATTR_OPERATION, ATTR_PROCESSOR, ATTR_SOFTWARE, ATTR_ARCHITECTURE, ATTR_FAMILY, ATTR_REGION, ATTR_REGION_CODE,
    ATTR_SERVICECODE, ATTR_SERVICENAME, ATTR_SKU, ATTR_STORAGE, ATTR_MEDIA, ATTR_TENANCY, ATTR_TRANSFER,
    ATTR_USAGETYPE, ATTR_VCPU, ATTR_VOLUME, ATTR_COUNT
} attr;

typedef enum service_id {
    SVC_EC2, SVC_S3, SVC_RDS, SVC_LAMBDA, SVC_DYNAMODB, SVC_CLOUDWATCH, SVC_EKS, SVC_ECS, SVC_SQS, SVC_KMS,
    SVC_CLOUDFRONT, SVC_ELASTICACHE, SVC_REDSHIFT, SVC_ELB, SVC_VPC, SVC_ROUTE53, SVC_MARKETPLACE,
    SVC_SAVINGS_PLANS, SVC_SUPPORT, SVC_COUNT
} service_id;

typedef struct service {
    const char *code;
    const char *name;
} service;

typedef struct region {
    const char *code;
    const char *prefix; /* of usage types */
    const char *location;
    int price;          /* per cent of the first region's */
    unsigned weight;
} region;

typedef struct instance {
    const char *type, *family, *vcpu, *memory, *network, *storage, *processor, *clock, *architecture;
    int factor; /* normalisation factor in quarters: large is 4, small 1 */
} instance;

typedef enum usage_kind {
    KIND_HOURS,    /* runs by the hour */
    KIND_GB_MONTH, /* holds gigabytes */
    KIND_GB,       /* moves gigabytes */
    KIND_COUNT,    /* whole requests */
    KIND_AMOUNT    /* any other metered amount */
} usage_kind;

typedef struct usage {
    service_id service;
    const char *type, *operation, *unit, *family;
    int64_t rate; /* ticks of a dollar per unit in the first region */
    usage_kind kind;
    unsigned base;        /* typical units per hour; for GB_MONTH gigabytes held */
    unsigned weight;      /* how many resources have it */
    const char *resource; /* id pattern: "i-", "vol-", "bucket", or the part of an ARN after "arn:aws:" with %r %a */
    const char *instance; /* type in fo_sample_instances, or NULL */
    attr extra_attr;      /* one more product attribute, with */
    const char *extra;    /* its value; NULL: none */
} usage;

extern const service fo_sample_services[SVC_COUNT];
extern const region fo_sample_regions[];
extern const size_t fo_sample_n_regions;
extern const usage fo_sample_usages[];
extern const size_t fo_sample_n_usages;
const instance *fo_sample_instance(const char *type); /* NULL: not a known type */

#define SAMPLE_TAGS 11
#define SAMPLE_CATEGORIES 3
#define TAG_ASG 0
#define TAG_CREATED_BY 1
#define TAG_COST_CENTER 2
#define TAG_NAME 3
#define TAG_APP 4
#define TAG_ENVIRONMENT 5
#define TAG_NOTES 6
#define TAG_OWNER 7
#define TAG_PROJECT 8
#define TAG_TEAM 9
#define TAG_VERSION 10

extern const char *const fo_sample_tag_v1[SAMPLE_TAGS]; /* "user:Cost Center" */
extern const char *const fo_sample_tag_v2[SAMPLE_TAGS]; /* "user_cost_center" */
extern const char *const fo_sample_category_v1[SAMPLE_CATEGORIES];
extern const char *const fo_sample_category_v2[SAMPLE_CATEGORIES];
extern const char *const fo_sample_attr_v1[ATTR_COUNT]; /* "instanceType" */
extern const char *const fo_sample_attr_v2[ATTR_COUNT]; /* key in the v2 map; NULL: has its own column there */

/* Words that tags are made of; an index beyond the list starts again. */
const char *fo_sample_word(const char *list, uint64_t index);

/* --- world: who buys it --- */

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
    int64_t base;       /* ticks an hour, or of gigabytes held */
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

/* All that stays the same from month to month. Immutable once built, except ids, which fo_sample_world_month renews. */
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

finops_code fo_sample_world_new(const fo_sample_options *options, int first_period, world **ret, finops_error **err);
void fo_sample_world_free(world *w);
void fo_sample_world_freep(world **w);
/* Gives resources the ids they have in the month: some are replaced now and then. */
void fo_sample_world_month(world *w, int period);
const product *fo_sample_service_product(const world *w, service_id service);
/* 32 hex digits as a UUID of (key, a, b); buf of 37 bytes. */
const char *fo_sample_uuid(uint64_t key, uint64_t a, uint64_t b, char buf[37]);
/* Rounded to at most 15 significant digits, which any double keeps. */
int64_t fo_sample_tidy(int64_t ticks);

/* --- lines --- */

typedef enum line_type {
    LINE_USAGE, LINE_DISCOUNTED_USAGE, LINE_SP_COVERED, LINE_SP_NEGATION, LINE_SP_RECURRING, LINE_SP_UPFRONT, LINE_RI_FEE,
    LINE_FEE, LINE_CREDIT, LINE_REFUND, LINE_TAX, LINE_EDP, LINE_TYPES
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
    const char *usage_type;   /* NULL: none */
    const char *operation;
    int64_t start, end;       /* microseconds */
    int64_t amount;           /* ticks, as all that follows */
    int64_t rate;
    bool has_rate;
    int64_t cost;
    int64_t net;
    int64_t discount;         /* cost - net */
    int64_t public_cost;
    bool has_public;
    int64_t effective;        /* of a reservation or savings plan */
    int64_t net_effective;
    int64_t upfront_part;     /* amortized upfront fee in it */
    int64_t recurring_part;
    int64_t used;             /* hours of a reservation, commitment of a plan */
    const char *description;  /* may point at text */
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
    int version;      /* 0: early, before the month has ended; 1: the bill; higher: corrected afterwards */
    bool first;       /* month of the purchases */
    int64_t begins, ends;
    int hours;        /* of the whole month */
    int n_steps;      /* covered by this version */
    int64_t rows;     /* it will have */
    int64_t n_usage;  /* lines of usage among them */
    wide weight_all, weight_done;
    int step;
    int64_t given, due; /* usage lines so far, to be reached by the end of the step */
    size_t next_resource;
    bool wrapped;
    int64_t plan_used;
    int64_t reserved_used[SAMPLE_RESERVATIONS];
    int64_t growth;     /* per 10,000 */
    line pending;
    bool has_pending;
    int64_t *group_net, *group_discount;
    int64_t service_cost[SVC_COUNT];
    line *last;         /* lines that need the others' sums */
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

/* --- columns --- */

typedef enum column_type { COLUMN_TEXT, COLUMN_NUMBER, COLUMN_TIME, COLUMN_MAP, COLUMN_NUMBER_MAP } column_type;

/* What a column's value depends on; values of one product or resource are rendered once. */
typedef enum column_scope { SCOPE_LINE, SCOPE_PRODUCT, SCOPE_TAGGED, SCOPE_RESERVATION, SCOPE_PLAN } column_scope;

typedef struct column {
    const char *category; /* v1 only */
    const char *name;
    column_type type;
    column_scope scope;
    int field;
    int arg;
} column;

typedef struct columns {
    column *items;
    size_t n;
    bool v1;
} columns;

finops_code fo_sample_columns_new(bool v1, columns *ret, finops_error **err);
void fo_sample_columns_done(columns *c);
/* "lineItem/UsageType" or, as Parquet has it, "line_item_usage_type". */
void fo_sample_column_name(const columns *c, const column *col, bool parquet, fo_str *ret);
const char *fo_sample_column_manifest_type(const columns *c, const column *col);

typedef enum value_kind { VALUE_NONE, VALUE_TEXT, VALUE_NUMBER, VALUE_TIME, VALUE_INTERVAL, VALUE_ID, VALUE_MAP, VALUE_DISCOUNT } value_kind;

typedef struct value {
    value_kind kind;
    const char *text;
    int64_t number;            /* ticks or microseconds */
    const char *const *keys;   /* VALUE_MAP: n keys with values; a NULL key or value is absent */
    const char *const *values;
    size_t n;
} value;

value fo_sample_value(const month_lines *m, const line *l, const column *col);

#define SAMPLE_ID 52
void fo_sample_line_id(const month_lines *m, const line *l, char buf[SAMPLE_ID]);
/* "12.5000000000"; returns its length. */
#define SAMPLE_NUMBER 24
size_t fo_sample_number(int64_t ticks, char buf[SAMPLE_NUMBER]);
#define SAMPLE_TIME 24
size_t fo_sample_time(int64_t micros, bool millis, char buf[SAMPLE_TIME + 1]);

/* --- writers: one file at most `rows` lines; *ret_rows gets how many there were, less at the end of the month --- */

typedef struct file_job {
    month_lines *lines;
    const columns *columns;
    const char *path;  /* final name; the file appears there whole */
    int64_t max_rows;
    const fo_cancel *cancel;
    void (*tick)(void *arg, int64_t rows); /* rows of this file so far */
    void *arg;
} file_job;

finops_code fo_sample_write_csv(const file_job *job, int64_t *ret_rows, finops_error **err);
finops_code fo_sample_write_parquet(const file_job *job, int64_t *ret_rows, finops_error **err);

/* gzip.c: a gzip file that appears under its name when it is whole. */
typedef struct fo_gzip fo_gzip;
finops_code fo_gzip_open(const char *path, fo_gzip **ret, finops_error **err);
finops_code fo_gzip_write(fo_gzip *z, const void *p, size_t n, finops_error **err);
finops_code fo_gzip_commit(fo_gzip *z, finops_error **err);
/* Without commit nothing is left behind. */
void fo_gzip_free(fo_gzip *z);
void fo_gzip_freep(fo_gzip **z);
/* fsync of path ".part", then its final name. */
finops_code fo_sample_publish(const char *part, const char *path, finops_error **err);

/* --- plan and papers --- */

/* Checked options with their texts owned; read back from expected.json for a restatement. */
typedef struct plan {
    fo_sample_options o;
    char *texts[8];
    int first_period;
    bool v1, parquet, create_new;
    char *bucket_dir; /* out/bucket */
    char *export_key; /* prefix/export, relative to the bucket */
} plan;

finops_code fo_sample_plan_init(plan *p, const fo_sample_options *options, finops_error **err);
void fo_sample_plan_done(plan *p);
json_t *fo_sample_plan_json(const plan *p); /* NULL: no memory */
/* Takes what `record` says over the options, all but out, restate, cancel and report. */
finops_code fo_sample_plan_from(plan *p, const fo_sample_options *options, const json_t *record, finops_error **err);

/* Keys, relative to the bucket, of one version of one month. */
typedef struct delivery {
    char assembly[96]; /* assembly or execution id */
    char *data;        /* folder of the data files */
    char *manifest;    /* the manifest that names the current version */
    char *history;     /* this version's own manifest, NULL: none */
} delivery;

finops_code fo_sample_delivery_init(delivery *d, const plan *p, uint64_t key, int period, int version, finops_error **err);
void fo_sample_delivery_done(delivery *d);
finops_code fo_sample_manifest(const plan *p, const world *w, const columns *c, const delivery *d, int period,
                               const fo_strv *files, fo_str *ret, finops_error **err);
/* The month's part of expected.json; NULL: no memory. */
json_t *fo_sample_totals_json(const world *w, const month_lines *m, const delivery *d, const fo_strv *files);
/* JSON text with a final newline, appended. */
finops_code fo_sample_dump(const json_t *j, fo_str *ret, finops_error **err);

#endif
