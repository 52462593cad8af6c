/* The providers of credentials. Each leaves *ret NULL when it is not configured. */
#ifndef FO_NET_CREDENTIALS_INTERNAL_H
#define FO_NET_CREDENTIALS_INTERNAL_H

#include "net/credentials.h"

#define FO_AWS_FILE_MAX (1u << 20) /* bytes of a file or an answer */
#define FO_AWS_LOCAL_US 1000000    /* patience with the machine's and the container's service */

/* What a provider works with. */
typedef struct fo_aws_context {
    const fo_aws_options *options;
    const finops_call *call;
} fo_aws_context;

/* Of the environment; NULL when it is empty. */
const char *fo_aws_env(const fo_aws_options *options, const char *name);

/* ---- credentials.c ---- */

/* Copies the texts. *ret counts as held once. */
finops_code fo_aws_keys_new(const fo_sigv4_keys *keys, int64_t expires_us, const char *source,
                            fo_aws_keys **ret, finops_error **err);
/* {"AccessKeyId", "SecretAccessKey", token_name, "Expiration"}; `where` is for messages. */
finops_code fo_aws_keys_json(const char *text, size_t n, const char *token_name, const char *where,
                             const char *source, fo_aws_keys **ret, finops_error **err);
/* What the given options and the environment say. */
finops_code fo_aws_keys_given(const fo_aws_options *options, fo_aws_keys **ret, finops_error **err);
finops_code fo_aws_keys_environment(const fo_aws_options *options, fo_aws_keys **ret, finops_error **err);

/* ---- credentials_sts.c ---- */

typedef struct fo_aws_role {
    const char *arn;
    const char *session_name; /* NULL: "finops" */
    const char *external_id;
    const char *duration_seconds;
    const char *region;     /* NULL: the global service */
    const char *token_file; /* of a web identity: nothing is signed */
} fo_aws_role;

/* keys: of who takes on the role; NULL with a token_file. */
finops_code fo_aws_assume_role(const fo_aws_context *context, const fo_aws_role *role,
                               const fo_sigv4_keys *keys, fo_aws_keys **ret, finops_error **err);
finops_code fo_aws_keys_web_identity(const fo_aws_context *context, fo_aws_keys **ret, finops_error **err);

/* ---- credentials_profile.c, profile_file.c ---- */

finops_code fo_aws_keys_profile(const fo_aws_context *context, fo_aws_keys **ret, finops_error **err);

typedef struct fo_aws_profiles fo_aws_profiles;
finops_code fo_aws_profiles_load(const fo_aws_options *options, fo_aws_profiles **ret, finops_error **err);
void fo_aws_profiles_free(fo_aws_profiles *profiles);
void fo_aws_profiles_freep(fo_aws_profiles **profiles);
bool fo_aws_profiles_has(const fo_aws_profiles *profiles, const char *profile);
/* NULL: not said, or empty. */
const char *fo_aws_profiles_get(const fo_aws_profiles *profiles, const char *profile, const char *key);
/* Of a section [sso-session name]. */
const char *fo_aws_profiles_sso(const fo_aws_profiles *profiles, const char *session, const char *key);
/* Which profile is meant, and whether somebody named it. */
const char *fo_aws_profile_name(const fo_aws_options *options, bool *ret_named);
/* "~/.aws/<name>"; NULL: no home, or no memory. */
char *fo_aws_home_file(const fo_aws_options *options, const char *name);

/* ---- credentials_process.c, credentials_sso.c ---- */

finops_code fo_aws_keys_process(const fo_aws_context *context, const char *command, fo_aws_keys **ret,
                                finops_error **err);
finops_code fo_aws_keys_sso(const fo_aws_context *context, const fo_aws_profiles *profiles,
                            const char *profile, fo_aws_keys **ret, finops_error **err);

/* ---- credentials_metadata.c ---- */

finops_code fo_aws_keys_container(const fo_aws_context *context, fo_aws_keys **ret, finops_error **err);
finops_code fo_aws_keys_machine(const fo_aws_context *context, fo_aws_keys **ret, finops_error **err);

#endif
