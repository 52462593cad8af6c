/* What the engine's own reader of S3 (httpfs) is told. */
#ifndef FO_ENGINE_S3_SECRET_H
#define FO_ENGINE_S3_SECRET_H

#include "engine/files.h"

/* The statement that makes the secret `name` for all addresses that begin with `scope`; a text to be wiped.
 * type: "s3" or "gcs". https://duckdb.org/docs/stable/core_extensions/httpfs/s3api */
void fo_s3_secret_sql(const char *name, const char *type, const char *scope, const fo_files_native *at,
                      fo_str *sql);
/* Replaces *err by one whose text has no secret and no statement in it; network may be NULL. Returns rc. */
finops_code fo_s3_redact(const fo_network_settings *network, const fo_aws_keys *keys, finops_code rc,
                         finops_error **err);

#endif
