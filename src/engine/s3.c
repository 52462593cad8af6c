/*
 * The engine's own reader of S3 (httpfs): the credentials with which a storage reads, and the settings of the
 * network, made known to the engine.
 *
 * Secrets belong to the whole engine, so that scans on every connection find them. Each says for which bucket
 * it is: two sources with different accounts do not get in each other's way.
 * https://duckdb.org/docs/stable/core_extensions/httpfs/s3api
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "engine/engine_internal.h"
#include "engine/files_internal.h"
#include "net/no_proxy.h"

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
fo_s3_redact(const fo_network_settings *network, const fo_aws_keys *keys, finops_code rc, finops_error **err)
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
    if (keys) {
        redact_one(&text, keys->keys.access_key_id);
        redact_one(&text, keys->keys.secret_access_key);
        redact_one(&text, keys->keys.session_token);
    }
    if (network)
        redact_one(&text, network->proxy);
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

/* Adds the URL that requests for a bucket's keys begin with. */
static void
add_url(const fo_files_native *at, const char *bucket, size_t n, fo_str *url)
{
    const char *host = at->endpoint ? strstr(at->endpoint, "://") : NULL;
    size_t scheme = host ? (size_t)(host - at->endpoint) + strlen("://") : 0;

    fo_str_addn(url, host ? at->endpoint : "https://", host ? scheme : strlen("https://"));
    if (!at->path_style) {
        fo_str_addn(url, bucket, n);
        fo_str_addc(url, '.');
    }
    if (host)
        fo_str_add(url, at->endpoint + scheme);
    else
        fo_str_addf(url, "s3%s%s.amazonaws.com%s", *at->region ? "." : "", at->region,
                    fo_starts(at->region, "cn-") ? ".cn" : "");
}

static finops_code
set_network(fo_files *files, const fo_remote *remote, const fo_files_native *at, finops_error **err)
{
    const fo_network_settings *network = files->options.network;
    const char *bucket = strstr(remote->base, "://") + strlen("://");
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str url = FO_STR_INIT;

    if (!network)
        return FINOPS_OK;
    add_url(at, bucket, strcspn(bucket, "/"), &url);
    if (!fo_str_ok(&url))
        return fo_error_oom(err);
    fo_str_addf(&sql, "SET GLOBAL http_timeout = %lld; SET GLOBAL http_retries = %lld; ",
                (long long)network->timeout, (long long)network->retries);
    if (given(network->ca_file))
        set_text(&sql, "ca_cert_file", network->ca_file);
    if (given(network->proxy) && !is_loopback(at->endpoint) &&
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

void
fo_s3_secret_sql(const char *name, const char *type, const char *scope, const fo_files_native *at,
                 fo_str *sql)
{
    fo_str_add(sql, "CREATE OR REPLACE TEMPORARY SECRET ");
    fo_sql_ident(sql, name);
    fo_str_addf(sql, " (TYPE %s", type);
    add_option(sql, "SCOPE", scope);
    add_option(sql, "KEY_ID", at->keys->keys.access_key_id);
    add_option(sql, "SECRET", at->keys->keys.secret_access_key);
    add_option(sql, "SESSION_TOKEN", at->keys->keys.session_token);
    add_option(sql, "REGION", at->region);
    add_option(sql, "URL_STYLE", at->path_style ? "path" : "vhost");
    if (at->endpoint) {
        add_option(sql, "ENDPOINT", strstr(at->endpoint, "://") + strlen("://"));
        fo_str_add(sql, fo_starts(at->endpoint, "https://") ? ", USE_SSL true" : ", USE_SSL false");
    }
    fo_str_addc(sql, ')');
}

/* httpfs, once for the engine, and what this source says about the network. */
static finops_code
prepare(fo_files *files, const fo_remote *remote, const fo_files_native *at, finops_error **err)
{
    finops_code rc = fo_engine_load_extension(files->engine, "httpfs", err);

    if (rc == FINOPS_OK && !files->network_set)
        rc = set_network(files, remote, at, err);
    files->network_set = rc == FINOPS_OK;
    return rc;
}

static char *
new_name(fo_engine *engine)
{
    unsigned number;

    (void)pthread_mutex_lock(&engine->lock);
    number = ++engine->secrets;
    (void)pthread_mutex_unlock(&engine->lock);
    return fo_format("finops_s3_%u", number);
}

/* Takes at->keys over. */
static finops_code
create_secret(fo_files *files, fo_remote *remote, fo_files_native *at, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_freep) char *scope = fo_format("%s/", remote->base);
    finops_code rc = scope ? prepare(files, remote, at, err) : fo_error_oom(err);

    if (rc == FINOPS_OK && !remote->secret && !(remote->secret = new_name(files->engine)))
        rc = fo_error_oom(err);
    if (rc == FINOPS_OK) {
        fo_s3_secret_sql(remote->secret, "s3", scope, at, &sql);
        rc = fo_str_check(&sql, err);
    }
    if (rc == FINOPS_OK)
        rc = fo_conn_exec(files->conn, sql.data, err);
    if (sql.data)
        explicit_bzero(sql.data, sql.len);
    if (rc != FINOPS_OK)
        return fo_s3_redact(files->options.network, at->keys, rc, err);
    fo_aws_keys_release(remote->keys);
    remote->keys = FO_TAKE(at->keys);
    return rc;
}

static bool
same(const char *a, const char *b)
{
    return fo_streq(given(a) ? a : "", given(b) ? b : "");
}

/* A proxy and authorities are the whole engine's: what a place has for itself alone it cannot be told. */
static bool
is_of_all(const fo_files *files, const fo_files_native *at)
{
    const fo_network_settings *network = files->options.network;

    return !network || (same(at->proxy, network->proxy) && same(at->no_proxy, network->no_proxy) &&
                        same(at->ca_file, network->ca_file));
}

finops_code
fo_s3_allow(fo_files *files, fo_remote *remote, bool *ret, finops_error **err)
{
    fo_files_places *places = files->options.places;
    fo_files_native at = { 0 };
    finops_code rc = places->native(places, remote->storage, &files->call, &at, err);

    if (rc != FINOPS_OK)
        return rc;
    at.possible = at.possible && is_of_all(files, &at);
    /* The keys are the same as long as nobody renewed them. */
    if (at.possible && at.keys != remote->keys)
        rc = create_secret(files, remote, &at, err);
    if (rc == FINOPS_OK)
        *ret = at.possible;
    fo_aws_keys_release(at.keys);
    return rc;
}

void
fo_s3_done(fo_files *files, fo_remote *remote)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    fo_aws_keys_release(FO_TAKE(remote->keys));
    if (!remote->secret)
        return;
    fo_str_add(&sql, "DROP TEMPORARY SECRET IF EXISTS ");
    fo_sql_ident(&sql, remote->secret);
    if (fo_str_ok(&sql))
        (void)fo_conn_exec(files->conn, sql.data, NULL);
    fo_free(FO_TAKE(remote->secret));
}
