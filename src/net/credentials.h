/*
 * The credentials of Amazon Web Services, found as its own tools find them: what is given, the environment, a
 * web identity, the shared configuration (profiles, chains of roles, processes, single sign-on), the
 * container, the machine (IMDSv2). The first of them that is configured is the one; a failure of it is told
 * and not passed over.
 *
 * Credentials that end are renewed ahead of it, by one caller while the others go on with those they have; a
 * renewal that fails keeps them as long as they are good. Any thread.
 *
 * FINOPS_E_AUTH: none are configured, or they are refused; FINOPS_E_CONFIG: a profile that cannot be used.
 */
#ifndef FO_NET_CREDENTIALS_H
#define FO_NET_CREDENTIALS_H

#include "net/http.h"
#include "net/sigv4.h"

/* NULL and "" are the same: not given. */
typedef struct fo_aws_options {
    const char *access_key_id, *secret_access_key, *session_token;
    const char *profile;  /* NULL: AWS_PROFILE, then "default"; a given one goes before the environment */
    const char *region;   /* of the token service; NULL: fo_aws_region() */
    fo_http_client *http; /* borrowed */
    const char *(*env)(const char *name); /* NULL: the process's */
} fo_aws_options;

typedef struct fo_aws_chain fo_aws_chain;

/* Does not change while it is held. */
typedef struct fo_aws_keys {
    fo_sigv4_keys keys;
    int64_t expires_us; /* 0: never */
    const char *source; /* "environment", for people */
} fo_aws_keys;

finops_code fo_aws_chain_new(const fo_aws_options *options, fo_aws_chain **ret, finops_error **err);
void fo_aws_chain_free(fo_aws_chain *chain); /* nobody is in it; NULL is fine */

/* What to sign with now: fo_aws_keys_release() it. */
finops_code fo_aws_chain_keys(fo_aws_chain *chain, const finops_call *call, const fo_aws_keys **ret,
                              finops_error **err);
void fo_aws_keys_release(const fo_aws_keys *keys); /* NULL is fine */
void fo_aws_keys_releasep(const fo_aws_keys **keys);
/* The service says that these have expired: the next caller fetches new ones. False: they are not of a kind
 * that could be renewed. */
bool fo_aws_chain_expired(fo_aws_chain *chain, const fo_aws_keys *keys);

/* AWS_REGION, AWS_DEFAULT_REGION, the profile's; free() it. *ret is NULL when nobody says. */
finops_code fo_aws_region(const fo_aws_options *options, char **ret, finops_error **err);

#endif
