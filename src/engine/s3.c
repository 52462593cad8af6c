/*
 * S3 through httpfs: the credentials and the network settings of a source, made known to the engine.
 *
 * Secrets belong to the whole engine, so that scans on every connection find them. Each says for which bucket
 * it is: two sources with different accounts do not get in each other's way.
 * https://duckdb.org/docs/stable/core_extensions/httpfs/s3api
 */
#include "engine/files_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/engine_internal.h"
#include "net/no_proxy.h"

#define AUTH_HINT                                                                                            \
    "give access_key_id and secret_access_key under [aws], or AWS_ACCESS_KEY_ID and "                        \
    "AWS_SECRET_ACCESS_KEY in the environment, or a profile of ~/.aws/config, or run where a role gives "    \
    "credentials"

static bool
given(const char *text)
{
    return text && *text;
}

static void
redact_one(fo_str *text, const char *secret)
{
    FO_AUTO(fo_str_done) fo_str made = FO_STR_INIT;
    const char *from = fo_str_z(text);

    if (!given(secret))
        return;
    for (const char *hit; (hit = strstr(from, secret)); from = hit + strlen(secret)) {
        fo_str_addn(&made, from, (size_t)(hit - from));
        fo_str_add(&made, "<redacted>");
    }
    fo_str_add(&made, from);
    fo_str_clear(text);
    fo_str_add(text, fo_str_z(&made));
    text->failed |= !fo_str_ok(&made);
}

finops_code
fo_s3_redact(const fo_files *files, finops_code rc, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    FO_AUTO(finops_error_freep) finops_error *old = NULL;
    const char *said, *statement;

    if (rc == FINOPS_OK || !err)
        return rc;
    old = FO_TAKE(*err);
    said = finops_error_text(old);
    statement = strstr(said, "\n\nLINE ");
    fo_str_addn(&text, said, statement ? (size_t)(statement - said) : strlen(said));
    if (files->aws) {
        redact_one(&text, files->aws->access_key_id);
        redact_one(&text, files->aws->secret_access_key);
        redact_one(&text, files->aws->session_token);
    }
    if (files->network)
        redact_one(&text, files->network->proxy);
    (void)fo_error_set(err, rc, "%s", fo_str_ok(&text) ? fo_str_z(&text) : "s3 failed");
    if (finops_error_hint(old))
        fo_error_hint(err, "%s", finops_error_hint(old));
    return rc;
}

/* SET GLOBAL name = 'value' */
static void
set_text(fo_str *sql, const char *name, const char *value)
{
    fo_str_addf(sql, "SET GLOBAL %s = ", name);
    fo_sql_literal(sql, value);
    fo_str_add(sql, "; ");
}

static unsigned
hex_digit(char c)
{
    return fo_is_digit(c) ? (unsigned)(c - '0') : (unsigned)(fo_lower(c) - 'a' + 10);
}

static bool
is_hex(char c)
{
    return fo_is_digit(c) || (fo_lower(c) >= 'a' && fo_lower(c) <= 'f');
}

/* Adds n bytes of a URL's user or password with %41 as A. */
static void
add_decoded(fo_str *text, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '%' && i + 2 < n && is_hex(p[i + 1]) && is_hex(p[i + 2])) {
            fo_str_addc(text, (char)(hex_digit(p[i + 1]) * 16 + hex_digit(p[i + 2])));
            i += 2;
        } else {
            fo_str_addc(text, p[i]);
        }
    }
}

/* "http://[user[:password]@]host:port[/]" */
static void
set_proxy(fo_str *sql, const char *proxy)
{
    const char *start = strstr(proxy, "://");
    FO_AUTO(fo_str_done) fo_str host = FO_STR_INIT;
    const char *at;
    size_t n;

    start = start ? start + 3 : proxy;
    at = strrchr(start, '@');
    n = strcspn(at ? at + 1 : start, "/");
    fo_str_addn(&host, at ? at + 1 : start, n);
    set_text(sql, "http_proxy", fo_str_z(&host));
    if (at) {
        FO_AUTO(fo_str_done) fo_str user = FO_STR_INIT;
        FO_AUTO(fo_str_done) fo_str password = FO_STR_INIT;
        size_t user_n = strcspn(start, ":@");

        add_decoded(&user, start, user_n);
        if (start[user_n] == ':')
            add_decoded(&password, start + user_n + 1, (size_t)(at - start) - user_n - 1);
        set_text(sql, "http_proxy_username", fo_str_z(&user));
        set_text(sql, "http_proxy_password", fo_str_z(&password));
    }
}

/* A proxy helps nobody to a server on this machine. */
static bool
is_loopback(const char *url)
{
    const char *host = url ? strstr(url, "://") : NULL;

    if (!host)
        return false;
    host += 3;
    return fo_starts(host, "localhost") || fo_starts(host, "127.") || fo_starts(host, "[::1]");
}

/*
 * Where the bucket cannot stand in front of the host name: an address has no names below it, and a
 * certificate for *.s3.amazonaws.com does not cover a bucket with a dot.
 */
static bool
needs_path(const fo_aws_settings *aws, const char *scope)
{
    const char *host = given(aws->endpoint_url) ? strstr(aws->endpoint_url, "://") : NULL;

    if (host) {
        host += strlen("://");
        if (*host == '[' || strchr(":/", host[strspn(host, "0123456789.")]))
            return true; /* strchr finds the end, too */
    }
    return strchr(scope, '.') && !(host && fo_starts(aws->endpoint_url, "http://"));
}

static bool
uses_path(const fo_aws_settings *aws, const char *scope)
{
    return fo_streq(aws->addressing, "path") || needs_path(aws, scope);
}

/* Adds the URL that requests for a bucket's keys begin with. */
static void
add_url(const fo_aws_settings *aws, const char *scope, fo_str *url)
{
    const char *endpoint = aws ? aws->endpoint_url : NULL;
    const char *host = given(endpoint) ? strstr(endpoint, "://") : NULL;
    const char *region = aws && given(aws->region) ? aws->region : NULL;
    size_t scheme = host ? (size_t)(host - endpoint) + strlen("://") : 0;

    fo_str_addn(url, host ? endpoint : "https://", host ? scheme : strlen("https://"));
    if (!aws || !uses_path(aws, scope)) {
        const char *bucket = scope + strlen("s3://");
        fo_str_addn(url, bucket, strcspn(bucket, "/"));
        fo_str_addc(url, '.');
    }
    if (host)
        fo_str_add(url, endpoint + scheme);
    else
        fo_str_addf(url, "s3%s%s.amazonaws.com%s", region ? "." : "", region ? region : "",
                    region && fo_starts(region, "cn-") ? ".cn" : "");
}

static finops_code
set_network(fo_files *files, const char *scope, finops_error **err)
{
    const fo_network_settings *network = files->network;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str url = FO_STR_INIT;

    if (!network)
        return FINOPS_OK;
    add_url(files->aws, scope, &url);
    if (!fo_str_ok(&url))
        return fo_error_oom(err);
    fo_str_addf(&sql, "SET GLOBAL http_timeout = %lld; SET GLOBAL http_retries = %lld; ",
                (long long)network->timeout, (long long)network->retries);
    if (given(network->ca_file))
        set_text(&sql, "ca_cert_file", network->ca_file);
    if (given(network->proxy) && !(files->aws && is_loopback(files->aws->endpoint_url)) &&
        !fo_no_proxy_has(network->no_proxy, fo_str_z(&url)))
        set_proxy(&sql, network->proxy);
    else
        set_text(&sql, "http_proxy", ""); /* another source may have set it */
    if (!fo_str_ok(&sql))
        return fo_error_oom(err);
    return fo_conn_exec(files->conn, sql.data, err);
}

/* ", NAME 'value'" unless there is no value. */
static void
add_option(fo_str *sql, const char *name, const char *value)
{
    if (!given(value))
        return;
    fo_str_addf(sql, ", %s ", name);
    fo_sql_literal(sql, value);
}

static finops_code
add_endpoint(fo_str *sql, const char *url, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str host = FO_STR_INIT;
    bool tls = fo_starts(url, "https://");
    size_t n;

    if (!tls && !fo_starts(url, "http://"))
        return fo_error_set(err, FINOPS_E_CONFIG, "endpoint_url %s begins with neither https:// nor http://",
                            url);
    fo_str_add(&host, url + strlen(tls ? "https://" : "http://"));
    for (n = host.len; n > 0 && host.data[n - 1] == '/';)
        host.data[--n] = '\0';
    add_option(sql, "ENDPOINT", fo_str_z(&host));
    fo_str_add(sql, tls ? ", USE_SSL true" : ", USE_SSL false");
    return fo_str_check(&host, err);
}

/* A profile that the environment names is left to the default chain, which finds it in more places. */
static void
add_chain(fo_str *sql, const char *profile)
{
    const char *named = getenv("AWS_PROFILE");

    fo_str_add(sql, ", PROVIDER credential_chain, REFRESH auto");
    if (!named || !fo_streq(named, profile))
        add_option(sql, "PROFILE", profile);
}

static finops_code
secret_sql(const fo_aws_settings *aws, const char *name, const char *scope, fo_str *sql, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    fo_str_add(sql, "CREATE OR REPLACE TEMPORARY SECRET ");
    fo_sql_ident(sql, name);
    fo_str_add(sql, " (TYPE s3");
    add_option(sql, "SCOPE", scope);
    if (aws && given(aws->access_key_id)) {
        if (!given(aws->secret_access_key))
            rc = fo_error_set(err, FINOPS_E_AUTH, "access_key_id is set, secret_access_key is not");
        add_option(sql, "KEY_ID", aws->access_key_id);
        add_option(sql, "SECRET", aws->secret_access_key);
        add_option(sql, "SESSION_TOKEN", aws->session_token);
    } else {
        add_chain(sql, aws ? aws->profile : NULL);
    }
    if (aws) {
        add_option(sql, "REGION", aws->region);
        add_option(sql, "URL_STYLE", uses_path(aws, scope) ? "path" : "vhost");
    }
    if (rc == FINOPS_OK && aws && given(aws->endpoint_url))
        rc = add_endpoint(sql, aws->endpoint_url, err);
    fo_str_addc(sql, ')');
    return rc == FINOPS_OK ? fo_str_check(sql, err) : rc;
}

/* httpfs, once for the engine, and what this source says about the network. */
static finops_code
prepare(fo_files *files, const char *scope, finops_error **err)
{
    bool keys = files->aws && given(files->aws->access_key_id);
    finops_code rc = fo_engine_load_extension(files->engine, "httpfs", err);

    if (rc == FINOPS_OK && !keys)
        rc = fo_engine_load_extension(files->engine, "aws", err);
    if (rc == FINOPS_OK && !files->network_set)
        rc = set_network(files, scope, err);
    files->network_set = rc == FINOPS_OK;
    return rc;
}

/* The engine tells a chain that found nothing as a secret that is not valid. */
static finops_code
no_credentials(const fo_aws_settings *aws, const char *scope, finops_code rc, finops_error **err)
{
    const char *profile = aws ? aws->profile : NULL;

    if (err && *err && !strstr(finops_error_text(*err), "Secret Validation Failure"))
        (void)fo_error_wrap(err, rc, "find credentials for %s", scope);
    else if (given(profile))
        (void)fo_error_set(err, FINOPS_E_AUTH, "find credentials for %s: none in profile %s", scope, profile);
    else
        (void)fo_error_set(err, FINOPS_E_AUTH, "find credentials for %s: there are none", scope);
    fo_error_hint(err, AUTH_HINT);
    return FINOPS_E_AUTH;
}

static finops_code
create_secret(fo_files *files, const char *scope, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;
    unsigned number;
    finops_code rc;

    (void)pthread_mutex_lock(&files->engine->lock);
    number = ++files->engine->secrets;
    (void)pthread_mutex_unlock(&files->engine->lock);
    fo_str_addf(&name, "finops_s3_%u", number);
    rc = secret_sql(files->aws, fo_str_z(&name), scope, &sql, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!fo_strv_add(&files->secrets, fo_str_z(&name)) || !fo_strv_add(&files->scopes, scope))
        return fo_error_oom(err);
    rc = fo_conn_exec(files->conn, sql.data, err);
    if (rc != FINOPS_OK)
        fo_free(files->scopes.items[--files->scopes.n]);
    if (rc != FINOPS_OK && rc != FINOPS_E_MEMORY && !(files->aws && given(files->aws->access_key_id)))
        rc = no_credentials(files->aws, scope, rc, err);
    return rc;
}

finops_code
fo_s3_allow(fo_files *files, const char *address, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str scope = FO_STR_INIT;
    size_t bucket = strcspn(address + strlen("s3://"), "/");
    finops_code rc;

    assert(fo_is_s3(address));
    if (bucket == 0)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "%s names no bucket", address);
    /* httpfs would take what follows for settings, the server's address among them. */
    if (strchr(address, '?'))
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "%s: keys with a question mark cannot be read",
                            address);
    fo_str_addn(&scope, address, strlen("s3://") + bucket);
    fo_str_addc(&scope, '/');
    if (!fo_str_ok(&scope))
        return fo_error_oom(err);
    if (fo_strv_has(&files->scopes, scope.data))
        return FINOPS_OK;
    rc = prepare(files, scope.data, err);
    if (rc == FINOPS_OK)
        rc = create_secret(files, scope.data, err);
    return fo_s3_redact(files, rc, err);
}

void
fo_s3_done(fo_files *files)
{
    for (size_t i = 0; i < files->secrets.n; i++) {
        FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

        fo_str_add(&sql, "DROP TEMPORARY SECRET IF EXISTS ");
        fo_sql_ident(&sql, files->secrets.items[i]);
        if (fo_str_ok(&sql))
            (void)fo_conn_exec(files->conn, sql.data, NULL);
    }
}

/*
 * The engine lists by pattern. One that begins where the root has no character special to patterns finds all,
 * and more.
 */
static void
add_pattern(fo_str *pattern, const char *root)
{
    size_t n = strcspn(root, "*?[]\\");

    if (root[n])
        while (root[n - 1] != '/')
            n--;
    fo_str_addn(pattern, root, n);
    if (pattern->len && pattern->data[pattern->len - 1] != '/')
        fo_str_addc(pattern, '/');
    fo_str_add(pattern, "**");
}

finops_code
fo_s3_list(fo_files *files, const char *root, const char *suffix, fo_strv *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str pattern = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str below = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    struct ArrowArrayStream stream = { 0 };
    finops_code rc = fo_s3_allow(files, root, err);

    if (rc != FINOPS_OK)
        return rc;
    add_pattern(&pattern, root);
    fo_str_addf(&below, "%s/", root);
    fo_str_add(&sql, "SELECT file FROM glob(");
    fo_sql_literal(&sql, fo_str_z(&pattern));
    fo_str_add(&sql, ") WHERE starts_with(file, ");
    fo_sql_literal(&sql, fo_str_z(&below));
    fo_str_add(&sql, ") AND NOT ends_with(file, '/') AND ends_with(file, ");
    fo_sql_literal(&sql, suffix);
    fo_str_addc(&sql, ')');
    if (!fo_str_ok(&pattern) || !fo_str_ok(&below) || !fo_str_ok(&sql))
        return fo_error_oom(err);
    /* Not by fo_conn_rows, which prepares the statement twice: each time the engine lists the bucket. */
    rc = fo_conn_stream(files->conn, sql.data, NULL, 0, &stream, err);
    if (rc == FINOPS_OK)
        rc = fo_rows_from_stream(&stream, &rows, err);
    rc = fo_s3_redact(files, rc, err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++)
        if (!fo_strv_add(ret, fo_rows_text(rows, i, 0)))
            rc = fo_error_oom(err);
    return rc;
}
