/*
 * What AWS sells, as far as the sample's bills name it. Prices are of the right size, not of the day.
 */
#include <string.h>

#include "base/mem.h"
#include "sample/catalog.h"

#define DOLLARS(d) ((int64_t)((d)*1e10 + 0.5))

const service fo_sample_services[SVC_COUNT] = {
    [SVC_EC2] = { "AmazonEC2", "Amazon Elastic Compute Cloud" },
    [SVC_S3] = { "AmazonS3", "Amazon Simple Storage Service" },
    [SVC_RDS] = { "AmazonRDS", "Amazon Relational Database Service" },
    [SVC_LAMBDA] = { "AWSLambda", "AWS Lambda" },
    [SVC_DYNAMODB] = { "AmazonDynamoDB", "Amazon DynamoDB" },
    [SVC_CLOUDWATCH] = { "AmazonCloudWatch", "AmazonCloudWatch" },
    [SVC_EKS] = { "AmazonEKS", "Amazon Elastic Container Service for Kubernetes" },
    [SVC_ECS] = { "AmazonECS", "Amazon Elastic Container Service" },
    [SVC_SQS] = { "AWSQueueService", "Amazon Simple Queue Service" },
    [SVC_KMS] = { "awskms", "AWS Key Management Service" },
    [SVC_CLOUDFRONT] = { "AmazonCloudFront", "Amazon CloudFront" },
    [SVC_ELASTICACHE] = { "AmazonElastiCache", "Amazon ElastiCache" },
    [SVC_REDSHIFT] = { "AmazonRedshift", "Amazon Redshift" },
    [SVC_ELB] = { "AWSELB", "Elastic Load Balancing" },
    [SVC_VPC] = { "AmazonVPC", "Amazon Virtual Private Cloud" },
    [SVC_ROUTE53] = { "AmazonRoute53", "Amazon Route 53" },
    [SVC_MARKETPLACE] = { "4qd7x0v2m9n3b5c8e1f6g7h0j", "Nordlicht Observability für AWS, Enterprise" },
    [SVC_SAVINGS_PLANS] = { "ComputeSavingsPlans", "Savings Plans for AWS Compute usage" },
    [SVC_SUPPORT] = { "AWSSupportBusiness", "AWS Support (Business)" },
};

const region fo_sample_regions[] = {
    { "us-east-1", "", "US East (N. Virginia)", 100, 40 },
    { "eu-central-1", "EUC1-", "EU (Frankfurt)", 114, 20 },
    { "eu-west-1", "EU-", "EU (Ireland)", 108, 14 },
    { "us-west-2", "USW2-", "US West (Oregon)", 100, 12 },
    { "ap-northeast-1", "APN1-", "Asia Pacific (Tokyo)", 126, 6 },
    { "ap-southeast-2", "APS2-", "Asia Pacific (Sydney)", 122, 4 },
    { "ca-central-1", "CAN1-", "Canada (Central)", 110, 2 },
    { "sa-east-1", "SAE1-", "South America (Sao Paulo)", 158, 2 },
};
const size_t fo_sample_n_regions = FO_COUNT(fo_sample_regions);

#define XEON "Intel Xeon Platinum 8175"
#define ICE_LAKE "Intel Xeon 8375C (Ice Lake)"
#define GRAVITON "AWS Graviton2 Processor"
static const instance instances[] = {
    { "m5.large", "General purpose", "2", "8 GiB", "Up to 10 Gigabit", "EBS only", XEON, "3.1 GHz", "64-bit",
      4 },
    { "m5.xlarge", "General purpose", "4", "16 GiB", "Up to 10 Gigabit", "EBS only", XEON, "3.1 GHz",
      "64-bit", 8 },
    { "m6i.2xlarge", "General purpose", "8", "32 GiB", "Up to 12500 Megabit", "EBS only", ICE_LAKE, "3.5 GHz",
      "64-bit", 16 },
    { "c5.xlarge", "Compute optimized", "4", "8 GiB", "Up to 10 Gigabit", "EBS only", XEON, "3.4 GHz",
      "64-bit", 8 },
    { "c6g.4xlarge", "Compute optimized", "16", "32 GiB", "Up to 10 Gigabit", "EBS only", GRAVITON, "2.5 GHz",
      "64-bit", 32 },
    { "r5.2xlarge", "Memory optimized", "8", "64 GiB", "Up to 10 Gigabit", "EBS only", XEON, "3.1 GHz",
      "64-bit", 16 },
    { "t3.medium", "General purpose", "2", "4 GiB", "Up to 5 Gigabit", "EBS only", "Intel Skylake E5 2686 v5",
      "3.1 GHz", "64-bit", 2 },
    { "t4g.small", "General purpose", "2", "2 GiB", "Up to 5 Gigabit", "EBS only", GRAVITON, "2.5 GHz",
      "64-bit", 1 },
    { "g4dn.xlarge", "GPU instance", "4", "16 GiB", "Up to 25 Gigabit", "125 GB NVMe SSD",
      "Intel Xeon Family", "2.5 GHz", "64-bit", 8 },
    { "i3.4xlarge", "Storage optimized", "16", "122 GiB", "Up to 10 Gigabit", "2 x 1900 NVMe SSD",
      "Intel Xeon E5-2686 v4 (Broadwell)", "2.3 GHz", "64-bit", 32 },
    { "db.r5.large", "Memory optimized", "2", "16 GiB", "Up to 10 Gigabit", "EBS Only", XEON, "3.1 GHz",
      "64-bit", 4 },
    { "db.t3.medium", "General purpose", "2", "4 GiB", "Up to 5 Gigabit", "EBS Only", "Intel Skylake P-8175",
      "3.1 GHz", "64-bit", 2 },
    { "cache.r6g.large", "Memory optimized", "2", "13.07 GiB", "Up to 10 Gigabit", "", GRAVITON, "2.5 GHz",
      "64-bit", 4 },
};

#define BOX(t, r, w)                                                                                         \
    {                                                                                                        \
        SVC_EC2, "BoxUsage:" t, "RunInstances", "Hrs", "Compute Instance", DOLLARS(r), KIND_HOURS, 1, w,     \
            "i-", t                                                                                          \
    }
const usage fo_sample_usages[] = {
    BOX("m5.xlarge", 0.192, 34), /* first: the savings plan has something to cover in every sample */
    BOX("m5.large", 0.096, 40),  /* the three that are reserved */
    { SVC_RDS, "InstanceUsage:db.r5.large", "CreateDBInstance:0014", "Hrs", "Database Instance",
      DOLLARS(0.29), KIND_HOURS, 1, 26, "rds:%r:%a:db:", "db.r5.large", ATTR_ENGINE, "PostgreSQL" },
    { SVC_ELASTICACHE, "NodeUsage:cache.r6g.large", "CreateCacheCluster:0002", "Hrs", "Cache Instance",
      DOLLARS(0.206), KIND_HOURS, 1, 14, "elasticache:%r:%a:cluster:", "cache.r6g.large", ATTR_ENGINE,
      "Redis" },
    { SVC_MARKETPLACE, "SoftwareUsage:host", "Hourly", "Hrs", "Marketplace", DOLLARS(0.031), KIND_HOURS, 1,
      12, "ec2:%r:%a:instance/", NULL },
    { SVC_S3, "TimedStorage-ByteHrs", "StandardStorage", "GB-Mo", "Storage", DOLLARS(0.023), KIND_GB_MONTH,
      4200, 46, "bucket", NULL, ATTR_MEDIA, "Amazon S3" },
    { SVC_LAMBDA, "Lambda-GB-Second", "Invoke", "Lambda-GB-Second", "Serverless", DOLLARS(0.0000166667),
      KIND_AMOUNT, 5200, 40, "lambda:%r:%a:function:", NULL, ATTR_GROUP, "AWS-Lambda-Duration" },
    { SVC_CLOUDWATCH, "DataProcessing-Bytes", "PutLogEvents", "GB", "Data Payload", DOLLARS(0.5), KIND_GB, 1,
      20, "logs:%r:%a:log-group:", NULL, ATTR_GROUP, "Ingested Logs" },
    { SVC_DYNAMODB, "WriteRequestUnits", "PayPerRequestThroughput", "WriteRequestUnits",
      "Amazon DynamoDB PayPerRequest Throughput", DOLLARS(0.00000125), KIND_COUNT, 52000, 18,
      "dynamodb:%r:%a:table/", NULL, ATTR_GROUP, "DDB-WriteUnits" },
    { SVC_EKS, "AmazonEKS-Hours:perCluster", "CreateOperation", "Hours", "Compute", DOLLARS(0.1), KIND_HOURS,
      1, 6, "eks:%r:%a:cluster/", NULL },
    { SVC_ECS, "Fargate-vCPU-Hours:perCPU", "FargateTask", "hours", "Compute", DOLLARS(0.04048), KIND_AMOUNT,
      5, 22, "ecs:%r:%a:task/", NULL },
    { SVC_SQS, "Requests-Tier1", "SendMessage", "Requests", "API Request", DOLLARS(0.0000004), KIND_COUNT,
      90000, 16, "sqs:%r:%a:", NULL, ATTR_GROUP, "SQS-APIRequest-Tier1" },
    { SVC_KMS, "KMS-Requests", "Decrypt", "Requests", "API Request", DOLLARS(0.000003), KIND_COUNT, 4000, 14,
      "kms:%r:%a:key/", NULL },
    { SVC_CLOUDFRONT, "DataTransfer-Out-Bytes", "GET", "GB", "Data Transfer", DOLLARS(0.085), KIND_GB, 9, 10,
      "cloudfront::%a:distribution/", NULL, ATTR_TRANSFER, "CloudFront Outbound" },
    { SVC_REDSHIFT, "Node:ra3.xlplus", "RunComputeNode:0001", "Hrs", "Compute Instance", DOLLARS(1.086),
      KIND_HOURS, 1, 3, "redshift:%r:%a:cluster:", NULL },
    { SVC_ELB, "LoadBalancerUsage", "LoadBalancing:Application", "Hrs", "Load Balancer-Application",
      DOLLARS(0.0225), KIND_HOURS, 1, 20, "elasticloadbalancing:%r:%a:loadbalancer/app/", NULL, ATTR_GROUP,
      "ELB:Balancing" },
    { SVC_VPC, "VpcEndpoint-Hours", "VpcEndpoint", "Hrs", "VpcEndpoint", DOLLARS(0.01), KIND_HOURS, 1, 14,
      "ec2:%r:%a:vpc-endpoint/vpce-", NULL },
    { SVC_ROUTE53, "DNS-Queries", "A", "Queries", "DNS Query", DOLLARS(0.0000004), KIND_COUNT, 30000, 8,
      "route53:::hostedzone/", NULL },
    BOX("t3.medium", 0.0416, 44),
    BOX("c5.xlarge", 0.17, 26),
    BOX("m6i.2xlarge", 0.384, 18),
    BOX("r5.2xlarge", 0.504, 12),
    BOX("t4g.small", 0.0168, 30),
    BOX("c6g.4xlarge", 0.544, 8),
    BOX("g4dn.xlarge", 0.526, 5),
    BOX("i3.4xlarge", 1.248, 3),
    { SVC_EC2, "EBS:VolumeUsage.gp3", "CreateVolume-Gp3", "GB-Mo", "Storage", DOLLARS(0.08), KIND_GB_MONTH,
      180, 120, "vol-", NULL, ATTR_VOLUME, "General Purpose" },
    { SVC_EC2, "EBS:VolumeUsage.io2", "CreateVolume-Io2", "GB-Mo", "Storage", DOLLARS(0.125), KIND_GB_MONTH,
      400, 12, "vol-", NULL, ATTR_VOLUME, "Provisioned IOPS" },
    { SVC_EC2, "EBS:SnapshotUsage", "CreateSnapshot", "GB-Mo", "Storage Snapshot", DOLLARS(0.05),
      KIND_GB_MONTH, 260, 50, "ec2:%r:%a:snapshot/snap-", NULL },
    { SVC_EC2, "DataTransfer-Regional-Bytes", "InterZone-In", "GB", "Data Transfer", DOLLARS(0.01), KIND_GB,
      12, 50, "i-", NULL, ATTR_TRANSFER, "IntraRegion" },
    { SVC_EC2, "DataTransfer-Out-Bytes", "RunInstances", "GB", "Data Transfer", DOLLARS(0.09), KIND_GB, 3, 34,
      "i-", NULL, ATTR_TRANSFER, "AWS Outbound" },
    { SVC_EC2, "NatGateway-Bytes", "NatGateway", "GB", "NAT Gateway", DOLLARS(0.045), KIND_GB, 8, 16,
      "ec2:%r:%a:natgateway/nat-", NULL },
    { SVC_EC2, "NatGateway-Hours", "NatGateway", "Hrs", "NAT Gateway", DOLLARS(0.045), KIND_HOURS, 1, 16,
      "ec2:%r:%a:natgateway/nat-", NULL },
    { SVC_S3, "TimedStorage-SIA-ByteHrs", "StandardIAStorage", "GB-Mo", "Storage", DOLLARS(0.0125),
      KIND_GB_MONTH, 9000, 16, "bucket", NULL, ATTR_MEDIA, "Amazon S3" },
    { SVC_S3, "Requests-Tier1", "PutObject", "Requests", "API Request", DOLLARS(0.000005), KIND_COUNT, 5000,
      40, "bucket", NULL, ATTR_GROUP, "S3-API-Tier1" },
    { SVC_S3, "Requests-Tier2", "GetObject", "Requests", "API Request", DOLLARS(0.0000004), KIND_COUNT, 60000,
      40, "bucket", NULL, ATTR_GROUP, "S3-API-Tier2" },
    { SVC_RDS, "InstanceUsage:db.t3.medium", "CreateDBInstance:0002", "Hrs", "Database Instance",
      DOLLARS(0.072), KIND_HOURS, 1, 18, "rds:%r:%a:db:", "db.t3.medium", ATTR_ENGINE, "MySQL" },
    { SVC_RDS, "RDS:GP3-Storage", "CreateDBInstance:0014", "GB-Mo", "Database Storage", DOLLARS(0.115),
      KIND_GB_MONTH, 300, 22, "rds:%r:%a:db:", NULL, ATTR_DEPLOYMENT, "Multi-AZ" },
    { SVC_LAMBDA, "Request", "Invoke", "Requests", "Serverless", DOLLARS(0.0000002), KIND_COUNT, 40000, 40,
      "lambda:%r:%a:function:", NULL, ATTR_GROUP, "AWS-Lambda-Requests" },
    { SVC_DYNAMODB, "ReadRequestUnits", "PayPerRequestThroughput", "ReadRequestUnits",
      "Amazon DynamoDB PayPerRequest Throughput", DOLLARS(0.00000025), KIND_COUNT, 300000, 18,
      "dynamodb:%r:%a:table/", NULL, ATTR_GROUP, "DDB-ReadUnits" },
    { SVC_CLOUDWATCH, "CW:MetricMonitorUsage", "MetricStorage", "Metrics", "Metric", DOLLARS(0.3),
      KIND_GB_MONTH, 60, 18, "", NULL },
    { SVC_ECS, "Fargate-GB-Hours", "FargateTask", "hours", "Compute", DOLLARS(0.004445), KIND_AMOUNT, 11, 22,
      "ecs:%r:%a:task/", NULL },
    { SVC_ELB, "LCUUsage", "LoadBalancing:Application", "LCU-Hrs", "Load Balancer-Application",
      DOLLARS(0.008), KIND_AMOUNT, 4, 20, "elasticloadbalancing:%r:%a:loadbalancer/app/", NULL, ATTR_GROUP,
      "ELB:Balancing" },
    { SVC_VPC, "PublicIPv4:InUseAddress", "AllocateAddressVPC", "Hrs", "VPC Public IPv4 Address",
      DOLLARS(0.005), KIND_HOURS, 1, 26, "ec2:%r:%a:elastic-ip/eipalloc-", NULL },
};
const size_t fo_sample_n_usages = FO_COUNT(fo_sample_usages);

const char *const fo_sample_tag_v1[SAMPLE_TAGS] = {
    "aws:autoscaling:groupName",
    "aws:createdBy",
    "user:Cost Center",
    "user:Name",
    "user:app",
    "user:environment",
    "user:notes",
    "user:owner",
    "user:project-code",
    "user:team",
    "user:version",
};
const char *const fo_sample_tag_v2[SAMPLE_TAGS] = {
    "aws_autoscaling_group_name",
    "aws_created_by",
    "user_cost_center",
    "user_name",
    "user_app",
    "user_environment",
    "user_notes",
    "user_owner",
    "user_project_code",
    "user_team",
    "user_version",
};
const char *const fo_sample_category_v1[SAMPLE_CATEGORIES] = { "Business Unit", "Environment", "Product" };
const char *const fo_sample_category_v2[SAMPLE_CATEGORIES] = { "business_unit", "environment", "product" };

const char *const fo_sample_attr_v1[ATTR_COUNT] = {
    "ProductName",
    "clockSpeed",
    "currentGeneration",
    "databaseEngine",
    "deploymentOption",
    "group",
    "instanceFamily",
    "instanceType",
    "licenseModel",
    "location",
    "locationType",
    "memory",
    "networkPerformance",
    "operatingSystem",
    "operation",
    "physicalProcessor",
    "preInstalledSw",
    "processorArchitecture",
    "productFamily",
    "region",
    "regionCode",
    "servicecode",
    "servicename",
    "sku",
    "storage",
    "storageMedia",
    "tenancy",
    "transferType",
    "usagetype",
    "vcpu",
    "volumeType",
};
const char *const fo_sample_attr_v2[ATTR_COUNT] = {
    [ATTR_NAME] = "product_name",
    [ATTR_CLOCK] = "clock_speed",
    [ATTR_GENERATION] = "current_generation",
    [ATTR_ENGINE] = "database_engine",
    [ATTR_DEPLOYMENT] = "deployment_option",
    [ATTR_GROUP] = "group",
    [ATTR_LICENSE] = "license_model",
    [ATTR_MEMORY] = "memory",
    [ATTR_NETWORK] = "network_performance",
    [ATTR_OS] = "operating_system",
    [ATTR_PROCESSOR] = "physical_processor",
    [ATTR_SOFTWARE] = "pre_installed_sw",
    [ATTR_ARCHITECTURE] = "processor_architecture",
    [ATTR_REGION] = "region",
    [ATTR_SERVICENAME] = "servicename",
    [ATTR_STORAGE] = "storage",
    [ATTR_MEDIA] = "storage_media",
    [ATTR_TENANCY] = "tenancy",
    [ATTR_TRANSFER] = "transfer_type",
    [ATTR_VCPU] = "vcpu",
    [ATTR_VOLUME] = "volume_type",
};

/* Tag values are hard on purpose: numbers that must stay text, separators, quotes, scripts beyond ASCII. */
static const char *const apps[] = { "checkout", "search",    "catalog", "payments",  "ledger", "identity",
                                    "gateway",  "mailer",    "reports", "warehouse", "ingest", "recommender",
                                    "frontend", "inventory", "fraud",   "telemetry" };
static const char *const teams[] = { "core",     "growth",   "data", "platform",
                                     "payments", "security", "café", "研究開発" };
static const char *const owners[] = { "core@example.com", "growth@example.com",
                                      "data@example.com", "platform@example.com",
                                      "Müller, Jörg",     "O'Neill, Áine",
                                      "山田 太郎",        "\"the night shift\"" };
static const char *const centers[] = { "00123", "00456", "01070", "4711", "CC-1017", "0x10", "1e5", "00007" };
static const char *const projects[] = { "007", "0042", "12.50", "2026-01-01", "P-100", "000000" };
static const char *const versions[] = { "1.10", "1.9", "v2.0", "3.0.1", "10.0" };
static const char *const notes[] = { "moved, from \"old\" rack",
                                     "Größe: façade, naïve",
                                     "東京リージョン, 本番",
                                     "{\"team\": \"core\", \"tier\": 1}",
                                     "=SUM(A1:A2)",
                                     "it's 100% done; really",
                                     "emoji 🚀 ok",
                                     " blank before and after ",
                                     "back\\slash",
                                     "NULL",
                                     "true",
                                     "tab\there" };
static const char *const units[] = { "Retail, EMEA", "Retail, Americas", "Platform", "データ基盤",
                                     "Shared \"Services\"" };

static const struct list {
    const char *name;
    const char *const *words;
    size_t n;
} lists[] = {
    { "app", apps, FO_COUNT(apps) },
    { "team", teams, FO_COUNT(teams) },
    { "owner", owners, FO_COUNT(owners) },
    { "center", centers, FO_COUNT(centers) },
    { "project", projects, FO_COUNT(projects) },
    { "version", versions, FO_COUNT(versions) },
    { "note", notes, FO_COUNT(notes) },
    { "unit", units, FO_COUNT(units) },
};

const char *
fo_sample_word(const char *list, uint64_t index)
{
    for (size_t i = 0; i < FO_COUNT(lists); i++) {
        if (strcmp(lists[i].name, list) == 0)
            return lists[i].words[index % lists[i].n];
    }
    return NULL;
}

const instance *
fo_sample_instance(const char *type)
{
    for (size_t i = 0; type && i < FO_COUNT(instances); i++) {
        if (strcmp(instances[i].type, type) == 0)
            return &instances[i];
    }
    return NULL;
}
