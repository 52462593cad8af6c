/* Tokens of Entra ID: of an application (secret, or the token of its workload), or of the machine. */
#ifndef FO_STORAGE_AZURE_TOKENS_H
#define FO_STORAGE_AZURE_TOKENS_H

#include "storage/azure/auth.h"

typedef struct azure_tokens azure_tokens;

finops_code azure_tokens_new(const azure_auth_config *config, fo_http_client *http, azure_tokens **ret,
                             finops_error **err);
void azure_tokens_free(azure_tokens *tokens); /* NULL is fine */
/* The token of now, appended; fetched where there is none or it ends soon. */
finops_code azure_tokens_get(azure_tokens *tokens, const finops_call *call, fo_str *ret, finops_error **err);
/* The next caller fetches another one, when the newest is this one. */
bool azure_tokens_expired(azure_tokens *tokens, const char *token);

#endif
