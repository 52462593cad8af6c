/*
 * A lake whose Parquet files are in object storage: the engine reads and writes them by itself (httpfs,
 * azure), with the credentials that the makers' own tools find, renewed as they end.
 */
#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "database/ducklake/lake.h"
#include "database/ducklake/remote_azure.h"
#include "engine/s3_secret.h"

#define SECRET "finops_lake_data"

struct fo_lake_remote {
    char *scope;    /* data_path, as the engine knows it */
    char *endpoint; /* NULL: Amazon's */
    char *ca_file;  /* NULL: the system's */
    bool google, path_style;
    pthread_mutex_t lock; /* for all below */
    fo_http_client *http;
    fo_lake_azure *azure; /* NULL: it is S3, or speaks like it */
    fo_aws_chain *chain;
    char *region;
    const fo_aws_keys *keys; /* that the engine has */
};

static bool
given(const char *text)
{
    return text && *text;
}

bool
fo_lake_is_remote(const char *data_path)
{
    return data_path && strstr(data_path, "://") && !fo_starts(data_path, "file://");
}

void
fo_lake_remote_free(fo_lake_remote *remote)
{
    if (!remote)
        return;
    fo_aws_keys_release(remote->keys);
    fo_aws_chain_free(remote->chain);
    fo_lake_azure_free(remote->azure);
    fo_http_client_free(remote->http);
    fo_free(remote->region);
    fo_free(remote->scope);
    fo_free(remote->endpoint);
    fo_free(remote->ca_file);
    (void)pthread_mutex_destroy(&remote->lock);
    fo_free(remote);
}

static finops_code
make_chain(const fo_ducklake_settings *s, fo_lake_remote *r, finops_error **err)
{
    fo_aws_options options = { .access_key_id = s->s3_access_key_id,
                               .secret_access_key = s->s3_secret_access_key,
                               .session_token = s->s3_session_token,
                               .profile = s->s3_profile,
                               .region = s->s3_region,
                               .http = r->http };
    finops_code rc = fo_aws_chain_new(&options, &r->chain, err);

    return rc == FINOPS_OK ? fo_aws_region(&options, &r->region, err) : rc;
}

static bool
is_path_style(const fo_ducklake_settings *s)
{
    if (fo_streq(s->s3_addressing ? s->s3_addressing : "auto", "auto"))
        return given(s->s3_endpoint_url) && !strstr(s->s3_endpoint_url, ".amazonaws.com");
    return fo_streq(s->s3_addressing, "path");
}

static finops_code
fill_s3(const fo_ducklake_settings *s, const char *data_path, fo_lake_remote *r, finops_error **err)
{
    if (given(s->s3_endpoint_url) && !strstr(s->s3_endpoint_url, "://"))
        return fo_error_set(err, FINOPS_E_CONFIG,
                            "s3_endpoint_url: expected http://host:port or https://host");
    r->scope = fo_strdup(data_path);
    r->endpoint = given(s->s3_endpoint_url) ? fo_strdup(s->s3_endpoint_url) : NULL;
    r->ca_file = given(s->s3_ca_file) ? fo_strdup(s->s3_ca_file) : NULL;
    r->google = fo_starts(data_path, "gs://");
    r->path_style = is_path_style(s);
    if (!r->scope || (given(s->s3_endpoint_url) && !r->endpoint) || (given(s->s3_ca_file) && !r->ca_file))
        return fo_error_oom(err);
    return make_chain(s, r, err);
}

static bool
is_azure(const char *data_path)
{
    return fo_starts(data_path, "az://") || fo_starts(data_path, "abfss://");
}

static finops_code
fill(const fo_ducklake_settings *s, const char *data_path, fo_lake_remote *r, finops_error **err)
{
    const fo_http_options network = { .ca_file = is_azure(data_path) ? NULL : s->s3_ca_file };
    finops_code rc = fo_http_client_new(&network, &r->http, err);

    if (rc != FINOPS_OK)
        return rc;
    return is_azure(data_path) ? fo_lake_azure_new(s, data_path, r->http, &r->azure, &r->scope, err)
                               : fill_s3(s, data_path, r, err);
}

const char *
fo_lake_remote_path(const fo_lake_remote *remote)
{
    return remote->scope;
}

const char *
fo_lake_remote_extension(const fo_lake_remote *remote)
{
    return remote->azure ? "azure" : "httpfs";
}

finops_code
fo_lake_remote_new(const fo_ducklake_settings *settings, const char *data_path, fo_lake_remote **ret,
                   finops_error **err)
{
    fo_lake_remote *r;
    finops_code rc;

    if (!fo_starts(data_path, "s3://") && !fo_starts(data_path, "gs://") && !is_azure(data_path)) {
        (void)fo_error_set(err, FINOPS_E_UNSUPPORTED, "data_path: a lake cannot be kept in %.60s", data_path);
        fo_error_hint(err, "name a folder, s3://bucket/folder, gs://bucket/folder or az://container/folder");
        return FINOPS_E_UNSUPPORTED;
    }
    r = fo_zalloc(sizeof(*r));
    if (!r)
        return fo_error_oom(err);
    (void)pthread_mutex_init(&r->lock, NULL);
    rc = fill(settings, data_path, r, err);
    if (rc == FINOPS_OK)
        *ret = r;
    else
        fo_lake_remote_free(r);
    return rc;
}

static finops_code
tell_keys(fo_lake_remote *r, fo_conn *conn, const fo_aws_keys *keys, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    fo_files_native at = {
        .possible = true, .endpoint = r->endpoint, .path_style = r->path_style, .keys = keys
    };

    if (r->region && strlen(r->region) < sizeof(at.region))
        memcpy(at.region, r->region, strlen(r->region));
    if (r->ca_file) {
        fo_str_add(&sql, "SET GLOBAL ca_cert_file = ");
        fo_sql_literal(&sql, r->ca_file);
        fo_str_add(&sql, "; ");
    }
    fo_s3_secret_sql(SECRET, r->google ? "gcs" : "s3", r->scope, &at, &sql);
    finops_code rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_s3_redact(NULL, keys, fo_conn_exec(conn, fo_str_z(&sql), err), err);
    if (sql.data)
        explicit_bzero(sql.data, sql.len);
    return rc;
}

static finops_code
tell_s3(fo_lake_remote *r, fo_conn *conn, const finops_call *call, finops_error **err)
{
    const fo_aws_keys *keys = NULL;
    finops_code rc = fo_aws_chain_keys(r->chain, call, &keys, err);

    if (rc == FINOPS_OK && keys != r->keys)
        rc = tell_keys(r, conn, keys, err);
    if (rc == FINOPS_OK) {
        fo_aws_keys_release(r->keys);
        r->keys = keys;
    } else {
        fo_aws_keys_release(keys);
    }
    return rc;
}

finops_code
fo_lake_remote_tell(fo_lake_remote *remote, fo_conn *conn, const finops_call *call, finops_error **err)
{
    finops_code rc;

    if (!remote || !conn)
        return FINOPS_OK;
    (void)pthread_mutex_lock(&remote->lock);
    rc = remote->azure ? fo_lake_azure_tell(remote->azure, SECRET, remote->scope, conn, call, err)
                       : tell_s3(remote, conn, call, err);
    (void)pthread_mutex_unlock(&remote->lock);
    return rc == FINOPS_OK ? rc : fo_error_wrap(err, rc, "reach the files of the lake in %s", remote->scope);
}
