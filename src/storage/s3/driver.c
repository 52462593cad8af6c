/* The driver for S3: what it can be told, and how a storage of it is made. */
#include "storage/s3/driver.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "storage/s3/s3_internal.h"

#define FEATURES                                                                                             \
    (FINOPS_STORAGE_FLAT_KEYS | FINOPS_STORAGE_CREATE_ONLY | FINOPS_STORAGE_IF_VERSION |                     \
     FINOPS_STORAGE_UNLESS_VERSION | FINOPS_STORAGE_METADATA | FINOPS_STORAGE_CHECKSUM |                     \
     FINOPS_STORAGE_PARTS | FINOPS_STORAGE_COPY | FINOPS_STORAGE_PRESIGN | FINOPS_STORAGE_SWEEP |            \
     FINOPS_STORAGE_SUFFIX | FINOPS_STORAGE_REMOTE)

#define AT(member) offsetof(s3_config, member)

static const finops_option s3_options[] = {
    { "bucket", FINOPS_OPT_STRING, AT(bucket), .flags = FINOPS_OPT_REQUIRED,
      .help = "Bucket that holds the objects." },
    { "prefix", FINOPS_OPT_STRING, AT(prefix), .help = "Folder in the bucket below which all keys lie." },
    { "region", FINOPS_OPT_STRING, AT(region), .env = "AWS_REGION AWS_DEFAULT_REGION",
      .help = "Region of the bucket, such as eu-central-1; found out when it is another." },
    { "endpoint_url", FINOPS_OPT_STRING, AT(endpoint_url), .arg = "URL",
      .env = "AWS_ENDPOINT_URL_S3 AWS_ENDPOINT_URL",
      .help = "Address of an S3 service that is not AWS, such as http://localhost:9000 for MinIO." },
    { "addressing", FINOPS_OPT_ENUM, AT(addressing), .value = "virtual", .allow = "virtual path",
      .help = "virtual puts the bucket in the host name where that can be, path always in the path." },
    { "profile", FINOPS_OPT_STRING, AT(profile), .env = "AWS_PROFILE",
      .help = "Profile of ~/.aws/config and ~/.aws/credentials to take the credentials from." },
    { "access_key_id", FINOPS_OPT_STRING, AT(access_key_id), .flags = FINOPS_OPT_SECRET,
      .env = "AWS_ACCESS_KEY_ID", .needs = "secret_access_key",
      .help = "Access key; better leave it to the environment or a profile." },
    { "secret_access_key", FINOPS_OPT_STRING, AT(secret_access_key), .flags = FINOPS_OPT_SECRET,
      .env = "AWS_SECRET_ACCESS_KEY", .needs = "access_key_id",
      .help = "Secret that belongs to access_key_id." },
    { "session_token", FINOPS_OPT_STRING, AT(session_token), .flags = FINOPS_OPT_SECRET,
      .env = "AWS_SESSION_TOKEN", .needs = "access_key_id",
      .help = "Session token that belongs to a temporary access_key_id." },
    { "sse", FINOPS_OPT_ENUM, AT(sse), .allow = "AES256 aws:kms aws:kms:dsse",
      .help = "How the service encrypts new objects; else as the bucket says." },
    { "sse_kms_key_id", FINOPS_OPT_STRING, AT(sse_kms_key_id), .needs = "sse",
      .help = "Key of the key service for aws:kms; else the account's own." },
    { "sse_c_key", FINOPS_OPT_STRING, AT(sse_c_key), .flags = FINOPS_OPT_SECRET,
      .help = "Key of 32 bytes in base64 that the service encrypts with and does not keep (SSE-C)." },
    { "requester_pays", FINOPS_OPT_BOOL, AT(requester_pays), .value = "false",
      .help = "Agree to pay for the requests to somebody else's bucket." },
    { "checksum", FINOPS_OPT_ENUM, AT(checksum), .value = "crc64nvme", .allow = "crc64nvme crc32c md5 none",
      .help = "How the service checks what it is sent; md5 for services that know no newer one." },
    { "payload_signing", FINOPS_OPT_ENUM, AT(payload_signing), .value = "auto",
      .allow = "auto signed chunked unsigned",
      .help = "How content is signed that is sent: as a whole, in chunks as it goes out, or by its checksum "
              "only; "
              "auto leaves it to TLS where there is TLS." },
    { "part_size", FINOPS_OPT_SIZE, AT(part_size), .value = "5MiB", .min = 5 * (int64_t)S3_MIB,
      .max = 5 * (int64_t)S3_GIB, .help = "Least size of one part of a large object." },
    { "copy_max", FINOPS_OPT_SIZE, AT(copy_max), .value = "5GiB", .min = 5 * (int64_t)S3_MIB,
      .max = 5 * (int64_t)S3_GIB,
      .help = "Largest object that is copied in one request; larger ones are in parts." },
    FO_HTTP_OPTIONS(s3_config, network),
    { 0 },
};

/* ---- the address of the service ---- */

static bool
is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (fo_starts(host, "127.") && strspn(host, "0123456789.") == strlen(host));
}

/* A bucket cannot stand before an address in numbers or a name without a point, nor one with a point before a
 * host whose certificate is checked. */
static bool
needs_path(const char *host, bool tls, const char *bucket)
{
    if (host && (*host == '[' || !strchr(host, '.') || host[strspn(host, "0123456789.")] == '\0'))
        return true;
    return tls && strchr(bucket, '.');
}

/* Without the port everybody expects, which the Host header does not have either. */
static char *
endpoint_text(const fo_url *url)
{
    const char *path = url->path;
    size_t n = strlen(path);
    bool usual = url->port == 0 || url->port == (strcmp(url->scheme, "https") == 0 ? 443 : 80);

    while (n > 0 && path[n - 1] == '/')
        n--;
    if (usual)
        return fo_format("%s://%s%.*s", url->scheme, url->host, (int)n, path);
    return fo_format("%s://%s:%d%.*s", url->scheme, url->host, url->port, (int)n, path);
}

/* `kept`: nobody can change what is sent on its way. In chunks content is gone through once and not twice,
 * but a service that does not know them takes them for the object: unless asked to we send parts alone so, as
 * they are no object yet and the answer has their checksum. */
static void
set_signing(s3_storage *s, const char *word, bool kept)
{
    bool leave = !word || strcmp(word, "auto") == 0;

    if (leave)
        s->signing = kept ? S3_SIGN_UNSIGNED : S3_SIGN_WHOLE;
    else if (strcmp(word, "unsigned") == 0)
        s->signing = S3_SIGN_UNSIGNED;
    else
        s->signing = strcmp(word, "chunked") == 0 ? S3_SIGN_CHUNKED : S3_SIGN_WHOLE;
    s->chunk_parts = leave && !kept;
}

static finops_code
set_place(s3_storage *s, const s3_config *c, finops_error **err)
{
    FO_AUTO(fo_url_done) fo_url url = { 0 };
    bool given = c->endpoint_url && *c->endpoint_url;
    bool tls = true;
    finops_code rc;

    if (given) {
        rc = fo_url_parse(c->endpoint_url, &url, err);
        if (rc != FINOPS_OK)
            return fo_error_wrap(err, rc == FINOPS_E_MEMORY ? rc : FINOPS_E_CONFIG, "s3.endpoint_url");
        tls = strcmp(url.scheme, "https") == 0;
        if ((!tls && strcmp(url.scheme, "http") != 0) || !*url.host || url.user || url.query)
            return fo_error_set(err, FINOPS_E_CONFIG,
                                "s3.endpoint_url must be https://host or http://host[:port]");
        s->endpoint = endpoint_text(&url);
        if (!s->endpoint)
            return fo_error_oom(err);
    }
    set_signing(s, c->payload_signing, tls || is_loopback(url.host));
    s->path_style =
        (c->addressing && strcmp(c->addressing, "path") == 0) || needs_path(url.host, tls, c->bucket);
    return FINOPS_OK;
}

/* ---- texts ---- */

/* NULL and "" are the same: none. */
static bool
set_text(char **ret, const char *text)
{
    *ret = text && *text ? fo_strdup(text) : NULL;
    return *ret || !text || !*text;
}

/* "a/b/" of "/a/b". */
static char *
prefix_text(const char *prefix)
{
    size_t n;

    while (prefix && *prefix == '/')
        prefix++;
    n = prefix ? strlen(prefix) : 0;
    while (n > 0 && prefix[n - 1] == '/')
        n--;
    return n > 0 ? fo_format("%.*s/", (int)n, prefix) : fo_strdup("");
}

static finops_code
set_customer_key(s3_storage *s, const char *key, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str bytes = FO_STR_MAX(S3_TEXT_MAX), text = FO_STR_MAX(S3_TEXT_MAX);
    unsigned char md5[FO_SHA256_BYTES];
    size_t n = 0;
    finops_code rc = FINOPS_OK;

    if (!key || !*key)
        return rc;
    if (!fo_base64_decode(&bytes, key) || (fo_str_ok(&bytes) && bytes.len != 32))
        rc = fo_error_set(err, FINOPS_E_CONFIG, "s3.sse_c_key must be 32 bytes in base64");
    if (rc == FINOPS_OK)
        rc = fo_str_check(&bytes, err);
    if (rc == FINOPS_OK)
        rc = fo_digest(FO_MD5, bytes.data, bytes.len, md5, &n, err);
    if (rc == FINOPS_OK) {
        fo_base64(&text, md5, n);
        s->c_key_md5 = fo_str_take(&text);
        s->c_key = fo_strdup(key);
        if (!s->c_key || !s->c_key_md5)
            rc = fo_error_oom(err);
    }
    if (bytes.data)
        explicit_bzero(bytes.data, bytes.len);
    return rc;
}

static s3_sum
sum_of(const char *word)
{
    static const char *const words[] = { "crc64nvme", "crc32c", "md5", "none" };

    for (size_t i = 0; word && i < FO_COUNT(words); i++)
        if (strcmp(word, words[i]) == 0)
            return (s3_sum)i;
    return S3_SUM_CRC64NVME;
}

/* ---- open and close ---- */

static void
s3_close(void *self)
{
    s3_storage *s = self;

    if (!s)
        return;
    fo_aws_chain_free(s->chain);
    fo_sigv4_free(s->signer);
    fo_http_client_free(s->http);
    (void)pthread_mutex_destroy(&s->lock);
    if (s->c_key)
        explicit_bzero(s->c_key, strlen(s->c_key));
    fo_free(s->bucket);
    fo_free(s->prefix);
    fo_free(s->endpoint);
    fo_free(s->sse);
    fo_free(s->kms_key);
    fo_free(s->c_key);
    fo_free(s->c_key_md5);
    fo_free(s->profile);
    fo_free(s->proxy);
    fo_free(s->no_proxy);
    fo_free(s->ca_file);
    fo_free(s);
}

static finops_code
set_connections(s3_storage *s, const s3_config *c, finops_error **err)
{
    const fo_http_options network = fo_http_options_of(&c->network, "endpoint_url and region");
    fo_aws_options aws = { .access_key_id = c->access_key_id,
                           .secret_access_key = c->secret_access_key,
                           .session_token = c->session_token,
                           .profile = c->profile,
                           .region = c->region };
    finops_code rc = fo_http_client_new(&network, &s->http, err);

    if (rc != FINOPS_OK)
        return rc;
    aws.http = s->http;
    s->signer = fo_sigv4_new();
    return s->signer ? fo_aws_chain_new(&aws, &s->chain, err) : fo_error_oom(err);
}

static finops_code
fill(s3_storage *s, const s3_config *c, finops_error **err)
{
    finops_code rc;

    if (!c->bucket || !*c->bucket || strpbrk(c->bucket, "/?#@: "))
        return fo_error_set(err, FINOPS_E_CONFIG, "s3.bucket must be the name of a bucket");
    if (c->region && strlen(c->region) >= S3_REGION)
        return fo_error_set(err, FINOPS_E_CONFIG, "s3.region is longer than the name of a region");
    if (c->region)
        memcpy(s->region, c->region, strlen(c->region));
    s->requester_pays = c->requester_pays;
    s->sum = sum_of(c->checksum);
    s->part_size = c->part_size ? (size_t)c->part_size : 5 * S3_MIB;
    s->copy_max = (int64_t)(c->copy_max ? c->copy_max : 5 * S3_GIB);
    s->prefix = prefix_text(c->prefix);
    if (!s->prefix || !set_text(&s->bucket, c->bucket) || !set_text(&s->sse, c->sse) ||
        !set_text(&s->kms_key, c->sse_kms_key_id) || !set_text(&s->profile, c->profile) ||
        !set_text(&s->proxy, c->network.proxy) || !set_text(&s->no_proxy, c->network.no_proxy) ||
        !set_text(&s->ca_file, c->network.ca_file))
        return fo_error_oom(err);
    rc = set_place(s, c, err);
    if (rc == FINOPS_OK)
        rc = set_customer_key(s, c->sse_c_key, err);
    return rc == FINOPS_OK ? set_connections(s, c, err) : rc;
}

static finops_code
s3_open(const void *config, void **ret_self, finops_error **err)
{
    s3_storage *s = fo_zalloc(sizeof(*s));
    finops_code rc;

    assert(config && ret_self);

    if (!s)
        return fo_error_oom(err);
    (void)pthread_mutex_init(&s->lock, NULL);
    rc = fill(s, config, err);
    if (rc == FINOPS_OK)
        *ret_self = s;
    else
        s3_close(s);
    return rc;
}

/* Others than Amazon take a condition on removing and do not look at it. */
static uint64_t
s3_features(void *self)
{
    const s3_storage *s = self;

    return FEATURES | (s->endpoint ? 0 : (uint64_t)FINOPS_STORAGE_REMOVE_IF);
}

const finops_storage_driver fo_s3_driver = {
    .abi = FINOPS_STORAGE_ABI,
    .size = sizeof(finops_storage_driver),
    .name = "s3",
    .version = FINOPS_VERSION,
    .summary = "Amazon S3 and services that are compatible with it, such as MinIO",
    .options = s3_options,
    .config_size = sizeof(s3_config),
    .schemes = "s3 s3a s3n",
    .place_option = "bucket",
    .prefix_option = "prefix",
    .open = s3_open,
    .close = s3_close,
    .features = s3_features,
    .stat = s3_stat,
    .list = s3_list,
    .read = s3_read,
    .put = s3_put,
    .remove = s3_remove,
    .upload = s3_upload,
    .remove_many = s3_remove_many,
    .copy = s3_copy,
    .presign = s3_presign,
    .sweep = s3_sweep,
};
