/* What AWS sells, as far as a sample names it. */
#ifndef FO_SAMPLE_CATALOG_H
#define FO_SAMPLE_CATALOG_H

#include <stddef.h>
#include <stdint.h>

typedef enum attr { /* product attributes; the order is that of the v1 columns */
                    ATTR_NAME,
                    ATTR_CLOCK,
                    ATTR_GENERATION,
                    ATTR_ENGINE,
                    ATTR_DEPLOYMENT,
                    ATTR_GROUP,
                    ATTR_INSTANCE_FAMILY,
                    ATTR_INSTANCE,
                    ATTR_LICENSE,
                    ATTR_LOCATION,
                    ATTR_LOCATION_TYPE,
                    ATTR_MEMORY,
                    ATTR_NETWORK,
                    ATTR_OS,
                    ATTR_OPERATION,
                    ATTR_PROCESSOR,
                    ATTR_SOFTWARE,
                    ATTR_ARCHITECTURE,
                    ATTR_FAMILY,
                    ATTR_REGION,
                    ATTR_REGION_CODE,
                    ATTR_SERVICECODE,
                    ATTR_SERVICENAME,
                    ATTR_SKU,
                    ATTR_STORAGE,
                    ATTR_MEDIA,
                    ATTR_TENANCY,
                    ATTR_TRANSFER,
                    ATTR_USAGETYPE,
                    ATTR_VCPU,
                    ATTR_VOLUME,
                    ATTR_COUNT
} attr;

typedef enum service_id {
    SVC_EC2,
    SVC_S3,
    SVC_RDS,
    SVC_LAMBDA,
    SVC_DYNAMODB,
    SVC_CLOUDWATCH,
    SVC_EKS,
    SVC_ECS,
    SVC_SQS,
    SVC_KMS,
    SVC_CLOUDFRONT,
    SVC_ELASTICACHE,
    SVC_REDSHIFT,
    SVC_ELB,
    SVC_VPC,
    SVC_ROUTE53,
    SVC_MARKETPLACE,
    SVC_SAVINGS_PLANS,
    SVC_SUPPORT,
    SVC_COUNT
} service_id;

typedef struct service {
    const char *code;
    const char *name;
} service;

typedef struct region {
    const char *code;
    const char *prefix; /* of usage types */
    const char *location;
    int price; /* per cent of the first region's */
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
    const char *resource; /* id: "i-", "vol-", "bucket", or an ARN after "arn:aws:" with %r and %a */
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
extern const char *const fo_sample_attr_v2[ATTR_COUNT]; /* key in the map; NULL: a column of its own */

/* Words that tags are made of; an index beyond the list starts again. */
const char *fo_sample_word(const char *list, uint64_t index);

#endif
