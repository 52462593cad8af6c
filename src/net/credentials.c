/* Which provider it is. */
#include "net/credentials.h"

#include <assert.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/credentials_internal.h"
#include "net/renewal.h"

/* ---- keys ---- */

typedef struct held_keys {
    fo_aws_keys public; /* first: what callers see */
    atomic_uint held;
    char *id, *secret, *token;
} held_keys;

static void
secret_free(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    fo_free(text);
}

static held_keys *
held_of(const fo_aws_keys *keys)
{
    held_keys *h;

    /* Who holds keys may not change them; their count may. */
    memcpy(&h, &keys, sizeof(h));
    return h;
}

void
fo_aws_keys_release(const fo_aws_keys *keys)
{
    held_keys *h = held_of(keys);

    if (!h || atomic_fetch_sub(&h->held, 1) > 1)
        return;
    secret_free(h->id);
    secret_free(h->secret);
    secret_free(h->token);
    fo_free(h);
}

void
fo_aws_keys_releasep(const fo_aws_keys **keys)
{
    fo_aws_keys_release(*keys);
    *keys = NULL;
}

finops_code
fo_aws_keys_new(const fo_sigv4_keys *keys, int64_t expires_us, const char *source, fo_aws_keys **ret,
                finops_error **err)
{
    held_keys *h = fo_zalloc(sizeof(*h));
    const char *token = keys->session_token ? keys->session_token : "";

    if (h) {
        atomic_init(&h->held, 1);
        h->id = fo_strdup(keys->access_key_id);
        h->secret = fo_strdup(keys->secret_access_key);
        h->token = fo_strdup(token);
        h->public = (fo_aws_keys){ { h->id, h->secret, *token ? h->token : NULL }, expires_us, source };
    }
    if (!h || !h->id || !h->secret || !h->token) {
        fo_aws_keys_release(h ? &h->public : NULL);
        return fo_error_oom(err);
    }
    *ret = &h->public;
    return FINOPS_OK;
}

finops_code
fo_aws_keys_json(const char *text, size_t n, const char *token_name, const char *where, const char *source,
                 fo_aws_keys **ret, finops_error **err)
{
    json_t *json = json_loadb(text, n, 0, NULL);
    fo_sigv4_keys keys = { json_string_value(json_object_get(json, "AccessKeyId")),
                           json_string_value(json_object_get(json, "SecretAccessKey")),
                           json_string_value(json_object_get(json, token_name)) };
    const char *end = json_string_value(json_object_get(json, "Expiration"));
    int64_t expires_us = 0;
    finops_code rc;

    if (!keys.access_key_id || !keys.secret_access_key)
        rc = fo_error_set(err, FINOPS_E_AUTH, "%s: the answer has no AccessKeyId and SecretAccessKey", where);
    else if (end && !fo_time_parse(end, strlen(end), &expires_us))
        rc = fo_error_set(err, FINOPS_E_AUTH, "%s: Expiration is no time", where);
    else
        rc = fo_aws_keys_new(&keys, expires_us, source, ret, err);
    json_decref(json);
    return rc;
}

/* ---- given ---- */

const char *
fo_aws_env(const fo_aws_options *options, const char *name)
{
    const char *value = options->env ? options->env(name) : getenv(name);

    return value && *value ? value : NULL;
}

static bool
said(const char *text)
{
    return text && *text;
}

finops_code
fo_aws_keys_given(const fo_aws_options *o, fo_aws_keys **ret, finops_error **err)
{
    const fo_sigv4_keys keys = { o->access_key_id, o->secret_access_key, o->session_token };

    if (!said(o->access_key_id) && !said(o->secret_access_key))
        return FINOPS_OK;
    if (!said(o->access_key_id) || !said(o->secret_access_key))
        return fo_error_set(err, FINOPS_E_CONFIG,
                            "access_key_id and secret_access_key belong together: %s is missing",
                            said(o->access_key_id) ? "secret_access_key" : "access_key_id");
    return fo_aws_keys_new(&keys, 0, "configuration", ret, err);
}

finops_code
fo_aws_keys_environment(const fo_aws_options *o, fo_aws_keys **ret, finops_error **err)
{
    const fo_sigv4_keys keys = { fo_aws_env(o, "AWS_ACCESS_KEY_ID"), fo_aws_env(o, "AWS_SECRET_ACCESS_KEY"),
                                 fo_aws_env(o, "AWS_SESSION_TOKEN") };

    if (!keys.access_key_id || !keys.secret_access_key)
        return FINOPS_OK;
    return fo_aws_keys_new(&keys, 0, "environment", ret, err);
}

/* ---- the chain ---- */

struct fo_aws_chain {
    fo_aws_options options; /* with copies of the texts */
    char *texts[5];
    fo_renewal *renewal;
};

static bool
copy_texts(fo_aws_chain *c)
{
    const char **from[] = { &c->options.access_key_id, &c->options.secret_access_key,
                            &c->options.session_token, &c->options.profile, &c->options.region };

    for (size_t i = 0; i < FO_COUNT(from); i++) {
        c->texts[i] = said(*from[i]) ? fo_strdup(*from[i]) : NULL;
        if (said(*from[i]) && !c->texts[i])
            return false;
        *from[i] = c->texts[i];
    }
    return true;
}

static const fo_renewal_ops chain_ops;

finops_code
fo_aws_chain_new(const fo_aws_options *options, fo_aws_chain **ret, finops_error **err)
{
    fo_aws_chain *c;

    assert(options && options->http && ret);

    c = fo_zalloc(sizeof(*c));
    if (!c)
        return fo_error_oom(err);
    c->options = *options;
    c->renewal = fo_renewal_new(&chain_ops, c);
    if (!c->renewal || !copy_texts(c)) {
        fo_aws_chain_free(c);
        return fo_error_oom(err);
    }
    *ret = c;
    return FINOPS_OK;
}

void
fo_aws_chain_free(fo_aws_chain *c)
{
    if (!c)
        return;
    fo_renewal_free(c->renewal);
    for (size_t i = 0; i < FO_COUNT(c->texts); i++)
        secret_free(c->texts[i]);
    fo_free(c);
}

static finops_code
none_found(finops_error **err)
{
    fo_error_set(err, FINOPS_E_AUTH,
                 "no AWS credentials: none in the configuration, the environment, ~/.aws, a container or "
                 "this machine");
    fo_error_hint(
        err, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or access_key_id and secret_access_key, or "
             "AWS_PROFILE, or run where a role is attached");
    return FINOPS_E_AUTH;
}

/* The first provider that is configured. */
static finops_code
chain_fetch(fo_aws_chain *c, const finops_call *call, fo_aws_keys **ret, finops_error **err)
{
    const fo_aws_context context = { &c->options, call };
    bool named = said(c->options.profile);
    finops_code rc = fo_aws_keys_given(&c->options, ret, err);

    if (rc == FINOPS_OK && !*ret && !named)
        rc = fo_aws_keys_environment(&c->options, ret, err);
    if (rc == FINOPS_OK && !*ret && !named)
        rc = fo_aws_keys_web_identity(&context, ret, err);
    if (rc == FINOPS_OK && !*ret)
        rc = fo_aws_keys_profile(&context, ret, err);
    if (rc == FINOPS_OK && !*ret)
        rc = fo_aws_keys_container(&context, ret, err);
    if (rc == FINOPS_OK && !*ret)
        rc = fo_aws_keys_machine(&context, ret, err);
    if (rc == FINOPS_OK && !*ret)
        rc = none_found(err);
    return rc;
}

static finops_code
fetch(void *arg, const finops_call *call, void **ret, int64_t *ret_expires_us, finops_error **err)
{
    fo_aws_keys *keys = NULL;
    finops_code rc = chain_fetch(arg, call, &keys, err);

    if (rc == FINOPS_OK) {
        *ret = keys;
        *ret_expires_us = keys->expires_us;
    }
    return rc;
}

static void
hold(void *keys)
{
    atomic_fetch_add(&held_of(keys)->held, 1);
}

static void
release(void *keys)
{
    fo_aws_keys_release(keys);
}

static const fo_renewal_ops chain_ops = {
    .fetch = fetch, .hold = hold, .release = release, .what = "credentials"
};

finops_code
fo_aws_chain_keys(fo_aws_chain *c, const finops_call *call, const fo_aws_keys **ret, finops_error **err)
{
    void *keys = NULL;
    finops_code rc;

    assert(c && ret);

    rc = fo_renewal_get(c->renewal, call, &keys, err);
    if (rc == FINOPS_OK)
        *ret = keys;
    return rc;
}

static bool
is_same(const void *value, const void *meant)
{
    return value == meant;
}

bool
fo_aws_chain_expired(fo_aws_chain *c, const fo_aws_keys *keys)
{
    bool renewable = keys->expires_us != 0;

    if (renewable)
        fo_renewal_drop(c->renewal, is_same, keys);
    return renewable;
}

/* ---- the region ---- */

finops_code
fo_aws_region(const fo_aws_options *options, char **ret, finops_error **err)
{
    FO_AUTO(fo_aws_profiles_freep) fo_aws_profiles *profiles = NULL;
    const char *region = said(options->region) ? options->region : fo_aws_env(options, "AWS_REGION");
    finops_code rc = FINOPS_OK;
    bool named;

    if (!region)
        region = fo_aws_env(options, "AWS_DEFAULT_REGION");
    if (!region)
        rc = fo_aws_profiles_load(options, &profiles, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!region)
        region = fo_aws_profiles_get(profiles, fo_aws_profile_name(options, &named), "region");
    *ret = NULL;
    if (!region)
        return FINOPS_OK;
    *ret = fo_strdup(region);
    return *ret ? FINOPS_OK : fo_error_oom(err);
}
