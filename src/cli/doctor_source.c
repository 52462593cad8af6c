/* finops doctor: the way to the bills: proxy, CA, credentials, and whether each source answers. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "billing/aws/discover.h"
#include "cli/aws_place.h"
#include "cli/doctor.h"
#include "engine/files.h"

#define CA_MAX ((size_t)16 << 20)

/* Where a setting's value came from, "" when it is not known. */
static const char *
origin_of(const fo_doctor *d, const char *key)
{
    const fo_config_row *rows = NULL;
    size_t n = 0;

    if (fo_config_rows(d->cli->config, &rows, &n, NULL) != FINOPS_OK)
        return "";
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].key, key) == 0)
            return rows[i].origin;
    return "";
}

/* The proxy without the name and password it may carry: "http://user:pw@host:1" -> "host:1". */
static const char *
proxy_host(const char *proxy)
{
    const char *host = strstr(proxy, "://");
    const char *at;

    host = host ? host + 3 : proxy;
    at = strrchr(host, '@');
    return at ? at + 1 : host;
}

static void
check_network(fo_doctor *d)
{
    const fo_network_settings *net = &d->cli->settings->network;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_str_done) fo_str pem = FO_STR_MAX(CA_MAX);

    if (net->proxy && net->no_proxy && *net->no_proxy)
        fo_doctor_say(d, "proxy", FO_HEALTH_OK, NULL, "%s (%s), not for %s (%s)", proxy_host(net->proxy),
                      origin_of(d, "network.proxy"), net->no_proxy, origin_of(d, "network.no_proxy"));
    else if (net->proxy)
        fo_doctor_say(d, "proxy", FO_HEALTH_OK, NULL, "%s (%s)", proxy_host(net->proxy),
                      origin_of(d, "network.proxy"));
    else
        fo_doctor_say(d, "proxy", FO_HEALTH_OK, NULL, "none");
    if (!net->ca_file)
        fo_doctor_say(d, "certificates", FO_HEALTH_OK, NULL, "those of the system");
    else if (fo_file_read(net->ca_file, CA_MAX, &pem, &err) != FINOPS_OK)
        fo_doctor_say_error(d, "certificates", FO_HEALTH_FAILED, err,
                            "set [network] ca_file to the PEM bundle of your company");
    else if (!strstr(fo_str_z(&pem), "-----BEGIN CERTIFICATE-----"))
        fo_doctor_say(d, "certificates", FO_HEALTH_FAILED, "set [network] ca_file to a PEM bundle",
                      "%s holds no certificate", net->ca_file);
    else
        fo_doctor_say(d, "certificates", FO_HEALTH_OK, NULL, "%s (%s)", net->ca_file,
                      origin_of(d, "network.ca_file"));
}

static bool
is_set(const char *name)
{
    const char *value = getenv(name);

    return value && *value;
}

/* The file of shared credentials, NULL when there is none. */
static char *
credentials_file(void)
{
    const char *set = getenv("AWS_SHARED_CREDENTIALS_FILE"), *home = getenv("HOME");
    char *path = set && *set ? fo_strdup(set) : home ? fo_path_join(home, ".aws/credentials") : NULL;

    if (path && access(path, F_OK) != 0) {
        fo_free(path);
        path = NULL;
    }
    return path;
}

/* Keys that others can read are no secret any more. */
static bool
others_can_read(const char *path)
{
    struct stat st;

    return path && stat(path, &st) == 0 && (st.st_mode & (S_IRGRP | S_IROTH)) != 0;
}

static void
check_credentials(fo_doctor *d, const char *check, const fo_aws_settings *aws)
{
    FO_AUTO(fo_freep) char *file = credentials_file();

    if (aws->access_key_id) {
        bool own = aws == &d->cli->settings->aws;
        fo_doctor_say(d, check, FO_HEALTH_OK, NULL, "access key%s%s%s%s",
                      aws->session_token ? " with session token" : "", own ? " (" : "",
                      own ? origin_of(d, "aws.access_key_id") : "", own ? ")" : "");
    } else if (file && others_can_read(file)) {
        fo_doctor_say(d, check, FO_HEALTH_WARNING, "chmod 600 it", "%s: others on this machine can read it",
                      file);
    } else if (aws->profile) {
        fo_doctor_say(d, check, FO_HEALTH_OK, NULL, "profile %s", aws->profile);
    } else if (is_set("AWS_WEB_IDENTITY_TOKEN_FILE")) {
        fo_doctor_say(d, check, FO_HEALTH_OK, NULL, "web identity (env AWS_WEB_IDENTITY_TOKEN_FILE)");
    } else if (is_set("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") ||
               is_set("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
        fo_doctor_say(d, check, FO_HEALTH_OK, NULL, "role of the container");
    } else if (file) {
        fo_doctor_say(d, check, FO_HEALTH_OK, NULL, "profile default of %s", file);
    } else {
        fo_doctor_say(
            d, check, FO_HEALTH_WARNING,
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, unless the machine has a role",
            "none is set; the role of the machine is tried");
    }
}

static const char *
reach_advice(const fo_aws_settings *aws)
{
    if (aws->place || (fo_files_is_remote(aws->bucket) && !fo_starts(aws->bucket, "s3")))
        return "check the address and its credentials; 'finops storage test' tells more";
    if (aws->endpoint_url && fo_streq(aws->addressing, "virtual"))
        return "check bucket, endpoint and credentials; services that are not AWS mostly want addressing = "
               "\"path\"";
    return "check bucket, region, credentials and proxy; the policy must allow s3:ListBucket and "
           "s3:GetObject";
}

/* Lists the source as an import would, without reading manifests. */
static void
check_reach(fo_doctor *d, fo_engine *engine, fo_files_places *places, const char *check,
            const fo_aws_settings *aws)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_files_closep) fo_files *files = NULL;
    FO_AUTO(fo_exports_done) fo_exports exports = { 0 };
    size_t months = 0;
    const fo_files_options options = {
        .aws = aws, .network = &d->cli->settings->network, .places = places, .cancel = d->cli->cancel
    };
    finops_code rc = fo_files_open(engine, &options, &files, &err);

    if (rc == FINOPS_OK)
        rc = fo_exports_discover(files, aws, false, d->cli->cancel, &exports, &err);
    for (size_t i = 0; i < exports.n; i++)
        months += exports.items[i].n_deliveries;
    if (rc != FINOPS_OK)
        fo_doctor_say_error(d, check, FO_HEALTH_FAILED, err, reach_advice(aws));
    else if (exports.n == 0)
        fo_doctor_say(d, check, FO_HEALTH_WARNING, "check bucket, prefix and export name",
                      "%s answers and holds no billing export", aws->bucket);
    else
        fo_doctor_say(d, check, FO_HEALTH_OK, NULL, "%s: %zu export%s, %zu month%s", aws->bucket, exports.n,
                      exports.n == 1 ? "" : "s", months, months == 1 ? "" : "s");
}

/* `number` counts the entries of [[aws.exports]] from 1; 0 is [aws] itself. */
static void
check_source(fo_doctor *d, fo_engine *engine, fo_files_places *places, const fo_aws_settings *aws,
             size_t number)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_bill_source_done) fo_bill_source source = { 0 };
    FO_AUTO(fo_freep) char *check = number ? fo_format("source %zu", number) : fo_strdup("source");
    FO_AUTO(fo_freep) char *keys = number ? fo_format("credentials %zu", number) : fo_strdup("credentials");

    if (!check || !keys) {
        d->out_of_memory = true;
    } else if (fo_bill_source_parse(aws, &source, &err) != FINOPS_OK) {
        fo_doctor_say_error(d, check, FO_HEALTH_FAILED, err, NULL);
    } else {
        if (source.bucket)
            check_credentials(d, keys, aws);
        check_reach(d, engine, places, check, aws);
    }
}

void
fo_doctor_sources(fo_doctor *d)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_storage_sources_done) fo_storage_sources sources = { 0 };
    FO_AUTO(fo_engine_closep) fo_engine *engine = NULL;
    const fo_settings *s = d->cli->settings;
    const fo_engine_options memory = { .memory_limit = s->duckdb.memory_limit };

    check_network(d);
    if (s->n_exports == 0 && (!s->aws.bucket || !*s->aws.bucket)) {
        fo_doctor_say(d, "source", FO_HEALTH_WARNING, "pass --bucket, or set [aws] bucket in config.toml",
                      "no bucket or folder is configured");
        return;
    }
    if (fo_cli_sources(d->cli, &sources, &err) != FINOPS_OK) {
        d->out_of_memory = true;
        return;
    }
    if (fo_engine_open(&memory, &engine, &err) != FINOPS_OK) {
        fo_doctor_say_error(d, "source", FO_HEALTH_FAILED, err, "install finops again");
        return;
    }
    if (s->n_exports == 0)
        check_source(d, engine, &sources.files, &s->aws, 0);
    for (size_t i = 0; i < s->n_exports; i++)
        check_source(d, engine, &sources.files, &s->exports[i], i + 1);
}
