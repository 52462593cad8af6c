/* Every setting of finops as the rest of the program reads it, filled by the option tables in settings.c. */
#ifndef FO_CONFIG_SETTINGS_H
#define FO_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "finops/sys/option.h"

typedef struct fo_project_settings {
    char *name;     /* "finops" */
    char *data_dir; /* "./data" */
} fo_project_settings;

typedef struct fo_database_settings {
    char *backend;     /* name of a driver, checked when it is opened; default duckdb */
    char *plugin_path; /* folders separated by ':'; NULL: those beside the program */
} fo_database_settings;

typedef struct fo_duckdb_settings {
    char *database_path;   /* "./data/finops.duckdb" */
    uint64_t memory_limit; /* default 1000MiB: the engine's buffers; less than half as much comes on top,
                              however long the bill */
    int64_t threads;       /* 0: as many as cores */
    char *temp_directory;  /* NULL: "<database_path>.tmp" */
    int64_t lock_timeout;  /* seconds to wait for another writer; default 10 */
} fo_duckdb_settings;

/* Of [database.ducklake] and [database.ducklake.performance]. */
typedef struct fo_ducklake_settings {
    char *database_path; /* "./data/finops.ducklake": the catalog, unless `catalog` is a server */
    char *duckdb_path;   /* file of views of its names; "": none, NULL: beside the catalog */
    char *data_path; /* folder or address in object storage of the Parquet files; NULL: "<database_path>.files" */
    char *s3_endpoint_url; /* of the service that data_path is in; NULL: Amazon's */
    char *s3_region;
    char *s3_addressing; /* "auto" | "virtual" | "path" */
    char *s3_profile;
    char *s3_access_key_id; /* (secret) */
    char *s3_secret_access_key;
    char *s3_session_token;
    char *s3_ca_file;
    char *az_account; /* of an az:// data_path; what is not here is as the azure storage backend has it */
    char *az_account_key;
    char *az_connection_string;
    char *az_sas_token;
    char *az_credential; /* "auto" */
    char *az_tenant_id;
    char *az_client_id;
    char *az_client_secret;
    char *az_federated_token_file;
    char *az_authority_host;
    char *az_endpoint_url;
    char *az_endpoint_suffix; /* "core.windows.net" */
    char *catalog;     /* "duckdb", "sqlite" or the address of a PostgreSQL database (secret) */
    char *compression; /* of the Parquet files; "zstd" */
    bool enable_encryption;
    char *partition_strategy; /* "monthly" | "yearly" | "account" */
    int64_t threads;          /* 0: as many as cores */
    char *temp_directory;     /* NULL: "<database_path>.tmp" */
    int64_t lock_timeout;     /* seconds to wait for another writer; default 10 */
    int64_t claim_timeout;    /* seconds of silence after which a claim is void; default 60 */
    int64_t max_concurrent_loads; /* months of an import that are loaded side by side; default 4 */
    uint64_t memory_limit;    /* default 2GB: the engine's buffers */
    int64_t chunk_size;       /* rows of a row group of the Parquet files; default 50,000 */
    int64_t snapshot_version; /* the state that is read, and only read; -1: the newest */
    char *snapshot_time;      /* the state at that time, likewise; NULL: the newest */
} fo_ducklake_settings;

/* All rows, for the driver; and which of them stand in [database.ducklake.performance]. */
extern const finops_option fo_ducklake_options[];

typedef struct fo_postgresql_settings {
    char *uri;      /* postgresql://user@host:port/database?...; the single options win over it */
    char *host;     /* name, address, or the folder of a socket; NULL: PGHOST, then the local socket */
    int64_t port;   /* 0: PGPORT, then 5432 */
    char *database; /* NULL: PGDATABASE, then the user's name */
    char *schema;   /* searched first; NULL: the server's path */
    char *user;     /* NULL: PGUSER, then the name of the system's user */
    char *password; /* POSTGRESQL_PASSWORD, PGPASSWORD (secret) */
    char *passfile; /* NULL: ~/.pgpass */
    char *service;  /* of ~/.pg_service.conf */
    char *sslmode;  /* NULL: see the option's help */
    char *sslrootcert;
    int64_t connect_timeout;   /* seconds; 0: none */
    int64_t statement_timeout; /* seconds; 0: the server's own */
    char *application_name;
    int64_t keepalives_idle;  /* seconds; 0: the system's */
    int64_t tcp_user_timeout; /* seconds; 0: the system's */
    int64_t stall_timeout;    /* seconds; 0: a silent server is waited for without limit */
    int64_t copy_connections; /* 1..16 that write one table together */
    bool brin;                /* an index on the time column of tables that are made */
} fo_postgresql_settings;

/* Of [database.postgresql]; the driver shows them as its own. */
extern const finops_option fo_postgresql_options[];

typedef struct fo_adbc_settings {
    char *driver;        /* path or name of a shared library */
    char *entrypoint;    /* NULL: AdbcDriverInit, or the one of the library's name */
    char **options;      /* "key=value" (secret) */
    char *dialect;       /* NULL (of the driver's name), "generic", "duckdb", "postgresql" */
    char *ingest_schema; /* NULL (of the dialect), "" for a database without schemas */
} fo_adbc_settings;

extern const struct finops_option fo_adbc_options[];

/*
 * One bill source; [aws] itself and each [[aws.exports]], which takes from [aws] what it does not say. The
 * credentials go together: an export that names a profile or a key takes none of them from [aws]. The
 * environment fills [aws] only; a flag counts for every export, but --bucket, --prefix and --export-name,
 * which say what an export is, are in [aws] alone.
 */
typedef struct fo_aws_settings {
    char *bucket;         /* "name", "s3://name[/prefix]", "file:///path" or a folder */
    char *prefix;         /* "" */
    char *export_name;    /* NULL: all found */
    char *cur_version;    /* NULL (detect), "v1", "v2" */
    char *export_format;  /* NULL (detect), "csv", "parquet" */
    char *start_date;     /* NULL or YYYY-MM[-DD]: first billing period taken */
    char *end_date;       /* NULL or YYYY-MM[-DD]: last billing period taken */
    char *dataset_name;   /* "aws_billing": schema of the bill tables */
    char *table_strategy; /* "separate" | "single" */
    char *column_mapping; /* NULL or a TOML file of columns that were renamed */
    bool reset;
    char *region;            /* AWS_REGION, AWS_DEFAULT_REGION */
    char *endpoint_url;      /* AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL; http:// or https:// */
    char *addressing;        /* "virtual" | "path" */
    char *profile;           /* AWS_PROFILE */
    char *access_key_id;     /* AWS_ACCESS_KEY_ID (secret) */
    char *secret_access_key; /* AWS_SECRET_ACCESS_KEY (secret) */
    char *session_token;     /* AWS_SESSION_TOKEN (secret) */
    char *place;             /* no setting: the [storage.<place>] that the bucket was named by; mostly NULL */
} fo_aws_settings;

typedef struct fo_network_settings {
    char *proxy;     /* OPEN_FINOPS_NETWORK_PROXY, HTTPS_PROXY, https_proxy; "http://[user:pass@]host:port" */
    char *no_proxy;  /* NO_PROXY, no_proxy: hosts that are reached without it */
    char *ca_file;   /* AWS_CA_BUNDLE, SSL_CERT_FILE: PEM bundle */
    int64_t timeout; /* seconds without progress; default 30 */
    int64_t retries; /* default 3 */
} fo_network_settings;

typedef struct fo_log_settings {
    char *level;  /* debug info warn error off; default info */
    char *format; /* human json; default human */
} fo_log_settings;

/* Which backends each dataset goes to, separated by commas; NULL: [database] backend. */
typedef struct fo_routing_settings {
    char *bills;
    char *findings;
    char *records; /* of finops load; NULL: as bills */
} fo_routing_settings;

/* Of every backend: how many connections, how long each, and what happens when there are none. */
typedef struct fo_connection_settings {
    int64_t max;                   /* at once; default 8 */
    int64_t max_idle;              /* kept open between uses; 0: max */
    int64_t max_lifetime;          /* seconds; 0: no limit */
    int64_t acquire_timeout;       /* seconds to wait for one; default 30 */
    int64_t health_interval;       /* seconds between two checks of a watcher; default 30 */
    int64_t health_interval_error; /* after one that was not fine; default 60 */
    int64_t breaker_failures;      /* failed connections in a row after which it is left alone; default 5 */
    int64_t breaker_pause;         /* seconds, doubled each time up to a minute; default 5 */
} fo_connection_settings;

typedef struct fo_audit_settings {
    char *file;  /* NULL: no audit log in a file */
    char *table; /* "schema.table"; NULL: none in the database */
} fo_audit_settings;

/* How configurations before [storage.<name>] say where raw files are kept: the storage "bronze". */
typedef struct fo_platform_bronze_settings {
    char *storage_backend; /* "s3" | "azure" | "local" */
    bool storage_enabled;
    bool s3_enabled; /* its old name */
    char *s3_bucket, *s3_prefix;
    char *azure_storage_account, *azure_container, *azure_prefix;
    char *local_path;
} fo_platform_bronze_settings;

/* Names of environment variables. */
typedef struct fo_platform_s3_settings {
    char *endpoint_url_env, *access_key_env, *secret_key_env, *session_token_env;
} fo_platform_s3_settings;

typedef struct fo_platform_azure_settings {
    char *connection_string_env, *account_key_env, *sas_token_env;
    char *tenant_id_env, *client_id_env, *client_secret_env;
} fo_platform_azure_settings;

typedef struct fo_settings {
    fo_project_settings project;
    fo_database_settings database;
    fo_routing_settings routing;
    fo_duckdb_settings duckdb;
    fo_ducklake_settings ducklake;
    fo_postgresql_settings postgresql;
    fo_adbc_settings adbc;
    fo_aws_settings aws;
    fo_aws_settings *exports; /* [[aws.exports]], already completed from [aws] */
    size_t n_exports;
    fo_network_settings network;
    fo_connection_settings connections;
    fo_audit_settings audit;
    fo_log_settings log;
    fo_platform_bronze_settings bronze;
    fo_platform_s3_settings s3_connection;
    fo_platform_azure_settings azure_connection;
    const struct fo_raw_backends *backends; /* of plugins and storages; may be NULL */
} fo_settings;

#endif
