/*
 * Bearer tokens of OAuth 2.0: asked for at a token service, kept until they end, renewed ahead of it.
 * https://www.rfc-editor.org/rfc/rfc6749
 */
#ifndef FO_NET_OAUTH_H
#define FO_NET_OAUTH_H

#include "base/error.h"
#include "base/str.h"
#include "net/http.h"

#define FO_TOKEN_MAX ((size_t)1 << 20) /* bytes of a token, and of an answer with one */

typedef struct fo_oauth fo_oauth;

/* Appends the token; fo_oauth_ask() does. */
typedef finops_code (*fo_oauth_fetch)(void *arg, const finops_call *call, fo_str *ret,
                                      int64_t *ret_expires_us, finops_error **err);

fo_oauth *fo_oauth_new(fo_oauth_fetch fetch, void *arg); /* NULL: no memory */
void fo_oauth_free(fo_oauth *oauth);                     /* nobody is in it; NULL is fine */
/* The token of now, appended. */
finops_code fo_oauth_get(fo_oauth *oauth, const finops_call *call, fo_str *ret, finops_error **err);
/* The service does not take this one any more: the next caller fetches another. */
void fo_oauth_expired(fo_oauth *oauth, const char *token);

/* "name=value" of a form, after '&' where it has something; nothing for NULL and "". */
void fo_oauth_field(fo_str *form, const char *name, const char *value);
#define FO_OAUTH_FORM "application/x-www-form-urlencoded"

/*
 * Sends the request and takes access_token, expires_in or expires_on out of the answer. FINOPS_E_AUTH: it was
 * refused, with the service's own words; FINOPS_E_THROTTLED, _TRANSIENT as usual, with what Retry-After says.
 * `who` is for messages.
 */
finops_code fo_oauth_ask(fo_http_client *http, const fo_http_request *request, const char *who, fo_str *ret,
                         int64_t *ret_expires_us, finops_error **err);

#endif
