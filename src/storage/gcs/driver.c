/* The driver for Google Cloud Storage: what it can be told, and how a storage of it is made. */
#include "storage/gcs/driver.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "storage/gcs/gcs_internal.h"
#include "storage/object.h"

#define ENDPOINT "https://storage.googleapis.com"
#define FEATURES                                                                                             \
    (FINOPS_STORAGE_FLAT_KEYS | FINOPS_STORAGE_CREATE_ONLY | FINOPS_STORAGE_IF_VERSION |                     \
     FINOPS_STORAGE_REMOVE_IF | FINOPS_STORAGE_UNLESS_VERSION | FINOPS_STORAGE_METADATA |                    \
     FINOPS_STORAGE_CHECKSUM | FINOPS_STORAGE_PARTS | FINOPS_STORAGE_PARTS_IN_ORDER | FINOPS_STORAGE_COPY |  \
     FINOPS_STORAGE_SUFFIX | FINOPS_STORAGE_REMOTE)

#define AT(member) offsetof(gcs_config, member)

static const finops_option gcs_options[] = {
    { "bucket", FINOPS_OPT_STRING, AT(bucket), .flags = FINOPS_OPT_REQUIRED,
      .help = "Bucket that holds the objects." },
    { "prefix", FINOPS_OPT_STRING, AT(prefix), .help = "Folder in the bucket below which all keys lie." },
    { "credentials_file", FINOPS_OPT_STRING, AT(auth.credentials_file), .arg = "FILE",
      .env = "GOOGLE_APPLICATION_CREDENTIALS",
      .help = "JSON file of a service account, or of a user who logged in." },
    { "credential", FINOPS_OPT_ENUM, AT(auth.credential), .value = "auto", .allow = "auto file machine none",
      .help = "How to log in; auto takes the file when one is set, and else asks the machine." },
    { "endpoint_url", FINOPS_OPT_STRING, AT(endpoint_url), .arg = "URL", .env = "STORAGE_EMULATOR_HOST",
      .help = "Address of an emulator, where nobody logs in unless a file is set." },
    FO_HTTP_OPTIONS(gcs_config, network),
    { 0 },
};

static bool
said(const char *text)
{
    return text && *text;
}

static finops_code
check_bucket(const char *name, finops_error **err)
{
    size_t n = strlen(name);

    if (n < 3 || n > 222 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != n)
        return fo_error_set(
            err, FINOPS_E_CONFIG,
            "gcs.bucket = \"%.80s\": a name has 3 to 222 lower case letters, digits, hyphens, "
            "points and underscores",
            name);
    return FINOPS_OK;
}

static void
gcs_close(void *self)
{
    gcs_storage *s = self;

    if (!s)
        return;
    gcs_auth_free(s->auth);
    fo_http_client_free(s->http);
    fo_free(s->bucket);
    fo_free(s->prefix);
    fo_free(s->endpoint);
    fo_free(s);
}

/* The environment names an emulator with or without a scheme. */
static finops_code
set_endpoint(gcs_storage *s, const char *given, finops_error **err)
{
    FO_AUTO(fo_freep) char *whole = NULL;

    if (!given)
        return fo_http_endpoint(ENDPOINT, "gcs.endpoint_url", &s->endpoint, err);
    whole = fo_format("%s%s", strstr(given, "://") ? "" : "http://", given);
    return whole ? fo_http_endpoint(whole, "gcs.endpoint_url", &s->endpoint, err) : fo_error_oom(err);
}

static finops_code
open_parts(gcs_storage *s, const gcs_config *c, finops_error **err)
{
    const fo_http_options options = fo_http_options_of(&c->network, "endpoint_url");
    const char *emulator = said(c->endpoint_url) ? c->endpoint_url : getenv("STORAGE_EMULATOR_HOST");
    finops_code rc = check_bucket(c->bucket, err);

    if (rc != FINOPS_OK)
        return rc;
    s->bucket = fo_strdup(c->bucket);
    s->prefix = fo_storage_prefix(c->prefix);
    if (!s->bucket || !s->prefix)
        return fo_error_oom(err);
    rc = set_endpoint(s, said(emulator) ? emulator : NULL, err);
    if (rc == FINOPS_OK)
        rc = fo_http_client_new(&options, &s->http, err);
    return rc == FINOPS_OK ? gcs_auth_new(&c->auth, said(emulator), s->http, &s->auth, err) : rc;
}

static finops_code
gcs_open(const void *config, void **ret_self, finops_error **err)
{
    gcs_storage *s = fo_zalloc(sizeof(*s));
    finops_code rc;

    if (!s)
        return fo_error_oom(err);
    rc = open_parts(s, config, err);
    if (rc != FINOPS_OK) {
        gcs_close(s);
        return rc;
    }
    *ret_self = s;
    return FINOPS_OK;
}

static uint64_t
gcs_features(void *self)
{
    const gcs_storage *s = self;
    const char *email;

    return FEATURES | (gcs_auth_key(s->auth, &email) ? (uint64_t)FINOPS_STORAGE_PRESIGN : 0);
}

const finops_storage_driver fo_gcs_driver = {
    .abi = FINOPS_STORAGE_ABI,
    .size = sizeof(finops_storage_driver),
    .name = "gcs",
    .version = FINOPS_VERSION,
    .summary = "Google Cloud Storage",
    .options = gcs_options,
    .config_size = sizeof(gcs_config),
    .schemes = "gs",
    .place_option = "bucket",
    .prefix_option = "prefix",
    .open = gcs_open,
    .close = gcs_close,
    .features = gcs_features,
    .stat = gcs_stat,
    .list = gcs_list,
    .read = gcs_read,
    .put = gcs_put,
    .remove = gcs_remove,
    .upload = gcs_upload_begin,
    .copy = gcs_copy,
    .presign = gcs_presign,
};
