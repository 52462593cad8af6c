/* A profile of the shared configuration, and the chain of roles it may be the end of. */
#include <string.h>

#include "base/mem.h"
#include "net/credentials_internal.h"

#define CHAIN_MAX 8 /* roles, each taken on by the next */

typedef struct walk {
    const fo_aws_context *context;
    const fo_aws_profiles *profiles;
    const char *seen[CHAIN_MAX];
    size_t n_seen;
} walk;

static finops_code profile_keys(walk *w, const char *profile, fo_aws_keys **ret, finops_error **err);

static finops_code
static_keys(const walk *w, const char *profile, fo_aws_keys **ret, finops_error **err)
{
    const fo_sigv4_keys keys = { fo_aws_profiles_get(w->profiles, profile, "aws_access_key_id"),
                                 fo_aws_profiles_get(w->profiles, profile, "aws_secret_access_key"),
                                 fo_aws_profiles_get(w->profiles, profile, "aws_session_token") };

    if (!keys.access_key_id && !keys.secret_access_key)
        return FINOPS_OK;
    if (!keys.access_key_id || !keys.secret_access_key)
        return fo_error_set(err, FINOPS_E_CONFIG,
                            "profile %s: aws_access_key_id and aws_secret_access_key belong together",
                            profile);
    return fo_aws_keys_new(&keys, 0, "profile", ret, err);
}

static finops_code
named_source(walk *w, const char *profile, const char *source, fo_aws_keys **ret, finops_error **err)
{
    if (strcmp(source, "Environment") == 0)
        return fo_aws_keys_environment(w->context->options, ret, err);
    if (strcmp(source, "Ec2InstanceMetadata") == 0)
        return fo_aws_keys_machine(w->context, ret, err);
    if (strcmp(source, "EcsContainer") == 0)
        return fo_aws_keys_container(w->context, ret, err);
    return fo_error_set(err, FINOPS_E_CONFIG,
                        "profile %s: credential_source %s is none of Environment, "
                        "Ec2InstanceMetadata and EcsContainer",
                        profile, source);
}

/* The keys that take on the role of a profile. */
static finops_code
source_keys(walk *w, const char *profile, fo_aws_keys **ret, finops_error **err)
{
    const char *source = fo_aws_profiles_get(w->profiles, profile, "source_profile");
    const char *named = fo_aws_profiles_get(w->profiles, profile, "credential_source");
    finops_code rc;

    if (source && strcmp(source, profile) == 0)
        rc = static_keys(w, profile, ret, err); /* a profile may be its own source */
    else if (source)
        rc = profile_keys(w, source, ret, err);
    else if (named)
        rc = named_source(w, profile, named, ret, err);
    else
        return fo_error_set(
            err, FINOPS_E_CONFIG,
            "profile %s: role_arn needs source_profile, credential_source or web_identity_token_file",
            profile);
    if (rc == FINOPS_OK && !*ret)
        rc = fo_error_set(err, FINOPS_E_AUTH, "profile %s: %s has no credentials", profile,
                          source ? source : named);
    return rc;
}

static finops_code
role_keys(walk *w, const char *profile, const char *arn, fo_aws_keys **ret, finops_error **err)
{
    fo_aws_keys *source = NULL;
    const fo_aws_profiles *ps = w->profiles;
    FO_AUTO(fo_freep) char *region = NULL;
    fo_aws_role role = { .arn = arn,
                         .session_name = fo_aws_profiles_get(ps, profile, "role_session_name"),
                         .external_id = fo_aws_profiles_get(ps, profile, "external_id"),
                         .duration_seconds = fo_aws_profiles_get(ps, profile, "duration_seconds"),
                         .region = fo_aws_profiles_get(ps, profile, "region"),
                         .token_file = fo_aws_profiles_get(ps, profile, "web_identity_token_file") };
    finops_code rc = FINOPS_OK;

    if (fo_aws_profiles_get(ps, profile, "mfa_serial"))
        return fo_error_set(err, FINOPS_E_UNSUPPORTED,
                            "profile %s: mfa_serial asks for a code that nobody can type here", profile);
    if (!role.region)
        rc = fo_aws_region(w->context->options, &region, err);
    if (!role.region)
        role.region = region;
    if (rc == FINOPS_OK && !role.token_file)
        rc = source_keys(w, profile, &source, err);
    if (rc == FINOPS_OK)
        rc = fo_aws_assume_role(w->context, &role, source ? &source->keys : NULL, ret, err);
    fo_aws_keys_release(source);
    return rc;
}

static finops_code
profile_keys(walk *w, const char *profile, fo_aws_keys **ret, finops_error **err)
{
    const char *arn = fo_aws_profiles_get(w->profiles, profile, "role_arn");
    const char *process = fo_aws_profiles_get(w->profiles, profile, "credential_process");
    finops_code rc;

    if (!fo_aws_profiles_has(w->profiles, profile))
        return fo_error_set(err, FINOPS_E_CONFIG,
                            "there is no profile %s in ~/.aws/config and ~/.aws/credentials", profile);
    for (size_t i = 0; i < w->n_seen; i++)
        if (strcmp(w->seen[i], profile) == 0)
            return fo_error_set(err, FINOPS_E_CONFIG, "profile %s: its source_profile leads back to it",
                                profile);
    if (w->n_seen == CHAIN_MAX)
        return fo_error_set(err, FINOPS_E_CONFIG, "profile %s: a chain of more than %d roles", profile,
                            CHAIN_MAX);
    w->seen[w->n_seen++] = profile;

    if (arn)
        return role_keys(w, profile, arn, ret, err);
    rc = fo_aws_keys_sso(w->context, w->profiles, profile, ret, err);
    if (rc == FINOPS_OK && !*ret)
        rc = static_keys(w, profile, ret, err);
    if (rc == FINOPS_OK && !*ret && process)
        rc = fo_aws_keys_process(w->context, process, ret, err);
    return rc;
}

finops_code
fo_aws_keys_profile(const fo_aws_context *context, fo_aws_keys **ret, finops_error **err)
{
    FO_AUTO(fo_aws_profiles_freep) fo_aws_profiles *profiles = NULL;
    walk w = { .context = context };
    bool named;
    const char *profile = fo_aws_profile_name(context->options, &named);
    finops_code rc = fo_aws_profiles_load(context->options, &profiles, err);

    if (rc != FINOPS_OK)
        return rc;
    if (!named && !fo_aws_profiles_has(profiles, profile))
        return FINOPS_OK;
    w.profiles = profiles;
    rc = profile_keys(&w, profile, ret, err);
    if (rc == FINOPS_OK && !*ret && named) {
        rc = fo_error_set(err, FINOPS_E_CONFIG, "profile %s says nothing of credentials", profile);
        fo_error_hint(err, "give it keys, a role_arn, a credential_process or a single sign-on");
    }
    return rc;
}
