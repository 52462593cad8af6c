/* Inside of the driver: files of a lake in Azure Blob Storage. */
#ifndef FO_DATABASE_DUCKLAKE_REMOTE_AZURE_H
#define FO_DATABASE_DUCKLAKE_REMOTE_AZURE_H

#include "config/settings.h"
#include "engine/engine.h"
#include "finops/sys/call.h"
#include "net/http.h"

typedef struct fo_lake_azure fo_lake_azure;

/* "az://container/folder/" or "abfss://container@account.dfs.core.windows.net/folder/"; *ret_scope is the
 * former, by which the engine knows it, and the caller's. `http` is borrowed. */
finops_code fo_lake_azure_new(const fo_ducklake_settings *settings, const char *data_path,
                              fo_http_client *http, fo_lake_azure **ret, char **ret_scope,
                              finops_error **err);
void fo_lake_azure_free(fo_lake_azure *azure); /* NULL is fine */
/* Makes the secret `name` for `scope`, unless the engine has what it would say. */
finops_code fo_lake_azure_tell(fo_lake_azure *azure, const char *name, const char *scope, fo_conn *conn,
                               const finops_call *call, finops_error **err);

#endif
