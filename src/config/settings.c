/* The option tables: every setting of finops, declared once. Parsing, help, schema and the reference page
 * read these. */
#include "config/settings.h"

#include <stddef.h>

#include "config/config.h"

#define MIB(n) ((int64_t)(n) << 20)
#define TIB(n) ((int64_t)(n) << 40)

static const finops_option project_options[] = {
    { "name", FINOPS_OPT_STRING, offsetof(fo_project_settings, name), .value = "finops",
      .help = "Name of this installation, for whoever reads the file." },
    { "data_dir", FINOPS_OPT_STRING, offsetof(fo_project_settings, data_dir), .value = "./data",
      .arg = "FOLDER",
      .help = "Folder of the database unless database_path says otherwise; a relative path starts at the "
              "folder you run finops in." },
    { 0 },
};

static const finops_option database_options[] = {
    { "backend", FINOPS_OPT_STRING, offsetof(fo_database_settings, backend), .value = "duckdb", .arg = "NAME",
      .help = "Database that holds the bills: duckdb, which is a single file and needs no server, or another "
              "that finops backends list shows." },
    { "plugin_path", FINOPS_OPT_STRING, offsetof(fo_database_settings, plugin_path), .arg = "FOLDERS",
      .env = "OPEN_FINOPS_PLUGIN_PATH",
      .help =
          "Folders of plugins, separated by colons; unset, lib/finops/plugins where finops is installed." },
    { 0 },
};

const finops_option fo_duckdb_options[] = {
    { "database_path", FINOPS_OPT_STRING, offsetof(fo_duckdb_settings, database_path),
      .value = "./data/finops.duckdb", .arg = "FILE",
      .help = "File of the DuckDB database; it is made, with its folder, when it is not there." },
    { "memory_limit", FINOPS_OPT_SIZE, offsetof(fo_duckdb_settings, memory_limit), .value = "1000MiB",
      .min = MIB(64), .max = TIB(16),
      .help = "Memory DuckDB may use before it writes to temp_directory, such as 800MiB or 4GiB." },
    { "threads", FINOPS_OPT_INT, offsetof(fo_duckdb_settings, threads), .value = "0", .min = 0, .max = 1024,
      .help = "Processor cores DuckDB may use; 0 takes all of them." },
    { "temp_directory", FINOPS_OPT_STRING, offsetof(fo_duckdb_settings, temp_directory), .arg = "FOLDER",
      .help = "Folder for what does not fit in memory; unset, it is database_path with .tmp at the end." },
    { "lock_timeout", FINOPS_OPT_INT, offsetof(fo_duckdb_settings, lock_timeout), .value = "10", .min = 0,
      .max = 86400, .arg = "SECONDS",
      .help = "Seconds to wait when another finops is writing to the same database." },
    { 0 },
};

/* Rows of two sections of the file and of one driver. */
/* clang-format off */
#define LAKE_ROWS                                                                                            \
    { "database_path", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, database_path),\
      .value = "./data/finops.ducklake", .flags = FINOPS_OPT_NO_FLAG, .arg = "FILE",                                                            \
      .help = "File of the lake's catalog; it is made, with its folder, when it is not there." },            \
    { "duckdb_path", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, duckdb_path),                         \
      .flags = FINOPS_OPT_NO_FLAG, .arg = "FILE",                                                            \
      .help = "DuckDB file with a view of each name in the lake, for programs that attach it as finops_lake; "\
              "unset, it is ./data/finops-ducklake.duckdb, beside the catalog; \"\": none." },               \
    { "data_path", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, data_path), .flags = FINOPS_OPT_NO_FLAG,\
      .arg = "FOLDER|ADDRESS",                                                                               \
      .help = "Folder of the lake's Parquet files, or an address in object storage, s3://bucket/folder, "    \
              "gs://bucket/folder or az://container/folder; unset, it is database_path with .files at the end." },\
    { "s3_endpoint_url", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, s3_endpoint_url), .arg = "URL",   \
      .flags = FINOPS_OPT_NO_FLAG, .env = "AWS_ENDPOINT_URL_S3 AWS_ENDPOINT_URL",                            \
      .help = "Address of the S3 service that data_path is in, when it is not AWS." },                       \
    { "s3_region", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, s3_region), .flags = FINOPS_OPT_NO_FLAG,\
      .env = "AWS_REGION AWS_DEFAULT_REGION", .help = "Region of the bucket of data_path." },                \
    { "s3_addressing", FINOPS_OPT_ENUM, offsetof(fo_ducklake_settings, s3_addressing), .value = "auto",      \
      .flags = FINOPS_OPT_NO_FLAG, .allow = "auto virtual path",                                             \
      .help = "Where the name of data_path's bucket goes: virtual is before the host, path into the path; auto "\
              "is virtual for AWS, else path." },                                                            \
    { "s3_profile", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, s3_profile), .flags = FINOPS_OPT_NO_FLAG,\
      .env = "AWS_PROFILE", .help = "Profile of ~/.aws with the credentials for data_path." },               \
    { "s3_access_key_id", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, s3_access_key_id),               \
      .flags = FINOPS_OPT_SECRET | FINOPS_OPT_NO_FLAG, .env = "AWS_ACCESS_KEY_ID",                           \
      .help = "Access key for data_path, of gs:// an HMAC key; better left to the environment or a profile." },\
    { "s3_secret_access_key", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, s3_secret_access_key),       \
      .flags = FINOPS_OPT_SECRET | FINOPS_OPT_NO_FLAG, .env = "AWS_SECRET_ACCESS_KEY",                       \
      .help = "Secret that belongs to s3_access_key_id." },                                                  \
    { "s3_session_token", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, s3_session_token),               \
      .flags = FINOPS_OPT_SECRET | FINOPS_OPT_NO_FLAG, .env = "AWS_SESSION_TOKEN",                           \
      .help = "Session token that belongs to a temporary s3_access_key_id." },                               \
    { "s3_ca_file", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, s3_ca_file), .flags = FINOPS_OPT_NO_FLAG,\
      .env = "AWS_CA_BUNDLE", .arg = "FILE",                                                                 \
      .help = "Authorities by which the service of data_path is checked." },                                 \
    { "az_account", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, az_account),                           \
      .flags = FINOPS_OPT_NO_FLAG,                                                                           \
      .help = "Storage account of an az:// data_path; this and the other az_ options are as the azure "      \
              "storage backend has them, also what it takes from the environment "                           \
              "(AZURE_STORAGE_CONNECTION_STRING and so on)." },                                              \
    { "az_account_key", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, az_account_key),                   \
      .flags = FINOPS_OPT_SECRET | FINOPS_OPT_NO_FLAG,                                                       \
      .help = "Key of az_account, which signs all requests." },                                              \
    { "az_connection_string", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, az_connection_string),       \
      .flags = FINOPS_OPT_SECRET | FINOPS_OPT_NO_FLAG,                                                       \
      .help = "Account, key or shared access signature and endpoint in one text, as the portal shows it." }, \
    { "az_sas_token", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, az_sas_token),                       \
      .flags = FINOPS_OPT_SECRET | FINOPS_OPT_NO_FLAG,                                                       \
      .help = "Shared access signature, \"sv=...&sig=...\", that may read, write, list and delete." },       \
    { "az_credential", FINOPS_OPT_ENUM, offsetof(fo_ducklake_settings, az_credential),                       \
      .flags = FINOPS_OPT_NO_FLAG, .value = "auto",                                                          \
      .allow = "auto shared_key sas client_secret workload_identity managed_identity",                       \
      .help = "How to log in; auto takes the first that is set, in this order, and managed_identity "        \
              "last." },                                                                                     \
    { "az_tenant_id", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, az_tenant_id),                       \
      .flags = FINOPS_OPT_NO_FLAG,                                                                           \
      .help = "Entra ID tenant of az_client_id." },                                                          \
    { "az_client_id", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, az_client_id),                       \
      .flags = FINOPS_OPT_NO_FLAG,                                                                           \
      .help = "Application that logs in, or the managed identity where there are several." },                \
    { "az_client_secret", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, az_client_secret),               \
      .flags = FINOPS_OPT_SECRET | FINOPS_OPT_NO_FLAG,                                                       \
      .help = "Secret of the application." },                                                                \
    { "az_federated_token_file", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, az_federated_token_file), \
      .flags = FINOPS_OPT_NO_FLAG, .arg = "FILE",                                                            \
      .help = "File with the token of the workload (Kubernetes)." },                                         \
    { "az_authority_host", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, az_authority_host),             \
      .flags = FINOPS_OPT_NO_FLAG, .arg = "URL",                                                             \
      .help = "Address of Entra ID in clouds of their own." },                                               \
    { "az_endpoint_url", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, az_endpoint_url),                 \
      .flags = FINOPS_OPT_NO_FLAG, .arg = "URL",                                                             \
      .help = "Address of the blob service; with an emulator http://127.0.0.1:10000/devstoreaccount1." },    \
    { "az_endpoint_suffix", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, az_endpoint_suffix),           \
      .flags = FINOPS_OPT_NO_FLAG, .value = "core.windows.net",                                              \
      .help = "What follows \"account.blob.\" in clouds of their own." },                                    \
    { "catalog", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, catalog), .value = "duckdb",              \
      .flags = FINOPS_OPT_NO_FLAG, .arg = "duckdb|sqlite|ADDRESS",                                           \
      .help = "What keeps the catalog: duckdb or sqlite, a file; or a PostgreSQL database that several machines "\
              "share, postgresql://user@host/database." },                                                   \
    { "compression", FINOPS_OPT_ENUM, offsetof(fo_ducklake_settings, compression), .value = "zstd",          \
      .flags = FINOPS_OPT_NO_FLAG, .allow = "zstd snappy gzip lz4 brotli uncompressed",                      \
      .help = "Compression of the Parquet files that are written from now on." },                            \
    { "enable_encryption", FINOPS_OPT_BOOL, offsetof(fo_ducklake_settings, enable_encryption), .value = "false",\
      .flags = FINOPS_OPT_NO_FLAG,                                                                           \
      .help = "Encrypt the Parquet files of a lake that is made; the keys are in the catalog." },            \
    { "partition_strategy", FINOPS_OPT_ENUM, offsetof(fo_ducklake_settings, partition_strategy),             \
      .value = "monthly", .flags = FINOPS_OPT_NO_FLAG, .allow = "monthly yearly account",                    \
      .help = "How the files of a bill are cut: by billing period, by year, or by billing period and account." },\
    { "threads", FINOPS_OPT_INT, offsetof(fo_ducklake_settings, threads), .value = "0", .min = 0, .max = 1024,\
      .flags = FINOPS_OPT_NO_FLAG, .help = "Processor cores the engine may use; 0 takes all of them." },     \
    { "temp_directory", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, temp_directory),                   \
      .flags = FINOPS_OPT_NO_FLAG, .arg = "FOLDER",                                                          \
      .help = "Folder for what does not fit in memory; unset, it is database_path with .tmp at the end." },  \
    { "lock_timeout", FINOPS_OPT_INT, offsetof(fo_ducklake_settings, lock_timeout), .value = "10", .min = 0, \
      .max = 86400, .flags = FINOPS_OPT_NO_FLAG, .arg = "SECONDS",                                           \
      .help = "Seconds to wait when another finops is writing to the same lake." },                          \
    { "claim_timeout", FINOPS_OPT_INT, offsetof(fo_ducklake_settings, claim_timeout), .value = "60",          \
      .min = 2, .max = 86400, .flags = FINOPS_OPT_NO_FLAG,                                                   \
      .help = "Seconds after which others take over the work of a process that gives no sign of life; with " \
              "a catalog in PostgreSQL." },                                                                  \
    { "snapshot_version", FINOPS_OPT_INT, offsetof(fo_ducklake_settings, snapshot_version), .value = "-1",   \
      .min = -1, .max = INT64_MAX, .flags = FINOPS_OPT_NO_FLAG, .arg = "N",                                  \
      .help = "Read the lake as it was in this state, and change nothing; -1 is the newest." },              \
    { "snapshot_time", FINOPS_OPT_STRING, offsetof(fo_ducklake_settings, snapshot_time),                     \
      .flags = FINOPS_OPT_NO_FLAG, .arg = "TIME",                                                            \
      .help = "Read the lake as it was at this time, and change nothing; a date is its end, UTC." }
#define LAKE_PERFORMANCE_ROWS                                                                                \
    { "max_concurrent_loads", FINOPS_OPT_INT, offsetof(fo_ducklake_settings, max_concurrent_loads),          \
      .value = "4", .flags = FINOPS_OPT_NO_FLAG, .min = 1, .max = 64, .arg = "N",                            \
      .help = "Months that an import reads and writes at the same time; they share memory_limit. With a "    \
              "catalog in SQLite it is one." },                                                              \
    { "memory_limit", FINOPS_OPT_SIZE, offsetof(fo_ducklake_settings, memory_limit), .value = "2GB",         \
      .flags = FINOPS_OPT_NO_FLAG, .min = MIB(64), .max = TIB(16),                                           \
      .help = "Memory the engine may use before it writes to temp_directory." },                             \
    { "chunk_size", FINOPS_OPT_INT, offsetof(fo_ducklake_settings, chunk_size), .value = "50000",            \
      .flags = FINOPS_OPT_NO_FLAG, .min = 2048, .max = 10000000, .arg = "ROWS",                              \
      .help = "Rows of a row group of the Parquet files." }
/* clang-format on */

const finops_option fo_ducklake_options[] = { LAKE_ROWS, LAKE_PERFORMANCE_ROWS, { 0 } };
static const finops_option lake_options[] = { LAKE_ROWS, { 0 } };
static const finops_option lake_performance_options[] = { LAKE_PERFORMANCE_ROWS, { 0 } };

const finops_option fo_postgresql_options[] = {
    { "uri", FINOPS_OPT_STRING, offsetof(fo_postgresql_settings, uri), .flags = FINOPS_OPT_SECRET,
      .env = "POSTGRESQL_URI",
      .help = "Address as postgresql://user@host:port/database?sslmode=...; the options below win over it." },
    { "host", FINOPS_OPT_STRING, offsetof(fo_postgresql_settings, host), .flags = FINOPS_OPT_NO_FLAG,
      .help =
          "Name or address of the server, or the folder of its socket; unset, PGHOST or the local socket." },
    { "port", FINOPS_OPT_INT, offsetof(fo_postgresql_settings, port), .flags = FINOPS_OPT_NO_FLAG,
      .value = "0", .min = 0, .max = 65535, .help = "Port of the server; 0 is PGPORT or 5432." },
    { "database", FINOPS_OPT_STRING, offsetof(fo_postgresql_settings, database), .flags = FINOPS_OPT_NO_FLAG,
      .help = "Name of the database; unset, PGDATABASE or the user's name." },
    { "schema", FINOPS_OPT_STRING, offsetof(fo_postgresql_settings, schema), .flags = FINOPS_OPT_NO_FLAG,
      .help = "Schema in which names without one are looked up first; unset, the server's search_path." },
    { "user", FINOPS_OPT_STRING, offsetof(fo_postgresql_settings, user), .flags = FINOPS_OPT_NO_FLAG,
      .help = "Role to log in as; unset, PGUSER or your name on this machine." },
    { "password", FINOPS_OPT_STRING, offsetof(fo_postgresql_settings, password), .flags = FINOPS_OPT_SECRET,
      .env = "POSTGRESQL_PASSWORD PGPASSWORD",
      .help = "Password of the role; better leave it to the environment, ~/.pgpass or a service file." },
    { "passfile", FINOPS_OPT_STRING, offsetof(fo_postgresql_settings, passfile), .flags = FINOPS_OPT_NO_FLAG,
      .arg = "FILE", .help = "File of passwords; unset, PGPASSFILE or ~/.pgpass." },
    { "service", FINOPS_OPT_STRING, offsetof(fo_postgresql_settings, service), .flags = FINOPS_OPT_NO_FLAG,
      .help = "Service of ~/.pg_service.conf to take what is not said here from." },
    { "sslmode", FINOPS_OPT_ENUM, offsetof(fo_postgresql_settings, sslmode), .flags = FINOPS_OPT_NO_FLAG,
      .allow = "disable allow prefer require verify-ca verify-full",
      .help =
          "How TLS is used; unset, verify-full with an sslrootcert, prefer on this machine, and elsewhere "
          "verify-full when the server offers TLS." },
    { "sslrootcert", FINOPS_OPT_STRING, offsetof(fo_postgresql_settings, sslrootcert),
      .flags = FINOPS_OPT_NO_FLAG, .arg = "FILE",
      .help = "PEM file of the authority that signed the server's certificate; unset, ~/.postgresql/root.crt "
              "where "
              "that is, else those of the system (SSL_CERT_FILE names their file)." },
    { "connect_timeout", FINOPS_OPT_INT, offsetof(fo_postgresql_settings, connect_timeout),
      .flags = FINOPS_OPT_NO_FLAG, .value = "10", .min = 0, .max = 3600, .arg = "SECONDS",
      .help = "Seconds to wait for a connection; 0 waits without limit." },
    { "statement_timeout", FINOPS_OPT_INT, offsetof(fo_postgresql_settings, statement_timeout),
      .flags = FINOPS_OPT_NO_FLAG, .value = "0", .min = 0, .max = 604800, .arg = "SECONDS",
      .help =
          "Seconds after which the server stops a statement, also one that writes a month; 0 leaves it to "
          "the server." },
    { "application_name", FINOPS_OPT_STRING, offsetof(fo_postgresql_settings, application_name),
      .flags = FINOPS_OPT_NO_FLAG, .value = "finops",
      .help = "How the connections are called in pg_stat_activity." },
    { "keepalives_idle", FINOPS_OPT_INT, offsetof(fo_postgresql_settings, keepalives_idle),
      .flags = FINOPS_OPT_NO_FLAG, .value = "30", .min = 0, .max = 86400, .arg = "SECONDS",
      .help = "Seconds of silence after which both ends see whether the other is there; 0 leaves it to the "
              "systems." },
    { "tcp_user_timeout", FINOPS_OPT_INT, offsetof(fo_postgresql_settings, tcp_user_timeout),
      .flags = FINOPS_OPT_NO_FLAG, .value = "60", .min = 0, .max = 86400, .arg = "SECONDS",
      .help =
          "Seconds in which the network must take what is sent to the server; 0 leaves it to the system." },
    { "stall_timeout", FINOPS_OPT_INT, offsetof(fo_postgresql_settings, stall_timeout),
      .flags = FINOPS_OPT_NO_FLAG, .value = "30", .min = 0, .max = 86400, .arg = "SECONDS",
      .help = "Seconds without a byte after which the server is asked over another connection whether it is "
              "still at work; 0 waits without asking." },
    { "copy_connections", FINOPS_OPT_INT, offsetof(fo_postgresql_settings, copy_connections),
      .flags = FINOPS_OPT_NO_FLAG, .value = "2", .min = 1, .max = 16,
      .help =
          "Connections that write a long month, or a table that is made, together; each wants a core of the "
          "server. 1 writes it over that of the transaction." },
    { "brin", FINOPS_OPT_BOOL, offsetof(fo_postgresql_settings, brin), .flags = FINOPS_OPT_NO_FLAG,
      .value = "false",
      .help = "Make a BRIN index on the time column of bill tables, for queries of a few days." },
    { 0 },
};

const finops_option fo_adbc_options[] = {
    { "driver", FINOPS_OPT_STRING, offsetof(fo_adbc_settings, driver), .flags = FINOPS_OPT_NO_FLAG,
      .arg = "FILE",
      .help =
          "Shared library of the ADBC driver: a path, or a name such as postgresql that the loader finds." },
    { "entrypoint", FINOPS_OPT_STRING, offsetof(fo_adbc_settings, entrypoint), .flags = FINOPS_OPT_NO_FLAG,
      .arg = "NAME",
      .help = "Function that starts the driver; unset, AdbcDriverInit or the one its name suggests." },
    { "options", FINOPS_OPT_LIST, offsetof(fo_adbc_settings, options),
      .flags = FINOPS_OPT_SECRET | FINOPS_OPT_NO_FLAG, .arg = "KEY=VALUE",
      .help = "What the driver is told, each as key=value, such as uri=postgresql://host/database." },
    { "dialect", FINOPS_OPT_ENUM, offsetof(fo_adbc_settings, dialect), .flags = FINOPS_OPT_NO_FLAG,
      .allow = "generic duckdb postgresql",
      .help = "Flavour of the database's SQL; unset, it is guessed from the driver's name." },
    { "ingest_schema", FINOPS_OPT_STRING, offsetof(fo_adbc_settings, ingest_schema),
      .flags = FINOPS_OPT_NO_FLAG, .arg = "OPTION",
      .help = "The driver's option that names the schema of a table to be filled; unset, "
              "adbc.ingest.target_db_schema, "
              "and none with the generic dialect, where schemas become part of the table's name." },
    { 0 },
};

/* [aws] and each [[aws.exports]]. */
static const finops_option aws_options[] = {
    { "bucket", FINOPS_OPT_STRING, offsetof(fo_aws_settings, bucket),
      .help = "Where the cost reports are: the name of an S3 bucket, s3://bucket/prefix, or a copy of one: a "
              "folder on this machine, an address such as az://container/folder, or a place of the "
              "configuration, bronze:folder." },
    { "prefix", FINOPS_OPT_STRING, offsetof(fo_aws_settings, prefix), .value = "",
      .help = "Folder inside the bucket, the S3 path prefix of the export." },
    { "export_name", FINOPS_OPT_STRING, offsetof(fo_aws_settings, export_name), .arg = "NAME",
      .help = "Name of the cost report or data export in AWS; unset, all that are found." },
    { "cur_version", FINOPS_OPT_ENUM, offsetof(fo_aws_settings, cur_version), .allow = "v1 v2",
      .help = "v1 for a legacy Cost and Usage Report, v2 for Data Exports (CUR 2.0, FOCUS); unset, it is "
              "detected." },
    { "export_format", FINOPS_OPT_ENUM, offsetof(fo_aws_settings, export_format), .allow = "csv parquet",
      .help = "File format of the export; unset, it is detected." },
    { "start_date", FINOPS_OPT_DATE, offsetof(fo_aws_settings, start_date), .arg = "YYYY-MM",
      .help = "First month to import, such as 2024-10; a full date stands for its month." },
    { "end_date", FINOPS_OPT_DATE, offsetof(fo_aws_settings, end_date), .arg = "YYYY-MM",
      .help = "Last month to import, such as 2024-12; a full date stands for its month." },
    { "dataset_name", FINOPS_OPT_STRING, offsetof(fo_aws_settings, dataset_name), .value = "aws_billing",
      .arg = "SCHEMA", .help = "Schema in the database that gets the bill tables." },
    { "table_strategy", FINOPS_OPT_ENUM, offsetof(fo_aws_settings, table_strategy), .value = "separate",
      .allow = "separate single",
      .help = "separate makes a table for each month, single makes one table with a billing_period column." },
    { "column_mapping", FINOPS_OPT_STRING, offsetof(fo_aws_settings, column_mapping), .arg = "FILE",
      .help = "TOML file that says which columns were given another name: [columns], \"old\" = \"new\"." },
    { "reset", FINOPS_OPT_BOOL, offsetof(fo_aws_settings, reset), .value = "false",
      .help = "Drop the tables and the load state of the export before importing, after a confirmation." },
    { "region", FINOPS_OPT_STRING, offsetof(fo_aws_settings, region), .env = "AWS_REGION AWS_DEFAULT_REGION",
      .help = "AWS region of the bucket, such as eu-central-1." },
    { "endpoint_url", FINOPS_OPT_STRING, offsetof(fo_aws_settings, endpoint_url), .arg = "URL",
      .env = "AWS_ENDPOINT_URL_S3 AWS_ENDPOINT_URL",
      .help = "Address of an S3 service that is not AWS, such as http://localhost:9000 for MinIO." },
    { "addressing", FINOPS_OPT_ENUM, offsetof(fo_aws_settings, addressing), .value = "virtual",
      .allow = "virtual path",
      .help = "virtual puts the bucket in the host name, path puts it in the path, as MinIO wants it." },
    { "profile", FINOPS_OPT_STRING, offsetof(fo_aws_settings, profile), .env = "AWS_PROFILE",
      .help = "Profile of ~/.aws/config and ~/.aws/credentials to take the credentials from." },
    { "access_key_id", FINOPS_OPT_STRING, offsetof(fo_aws_settings, access_key_id),
      .flags = FINOPS_OPT_SECRET, .env = "AWS_ACCESS_KEY_ID", .needs = "secret_access_key",
      .help = "Access key to read the bucket with; better leave it to the environment or a profile." },
    { "secret_access_key", FINOPS_OPT_STRING, offsetof(fo_aws_settings, secret_access_key),
      .flags = FINOPS_OPT_SECRET, .env = "AWS_SECRET_ACCESS_KEY", .needs = "access_key_id",
      .help = "Secret that belongs to access_key_id." },
    { "session_token", FINOPS_OPT_STRING, offsetof(fo_aws_settings, session_token),
      .flags = FINOPS_OPT_SECRET, .env = "AWS_SESSION_TOKEN", .needs = "access_key_id",
      .help = "Session token that belongs to a temporary access_key_id." },
    { 0 },
};

static const finops_option network_options[] = {
    { "proxy", FINOPS_OPT_STRING, offsetof(fo_network_settings, proxy), .env = "HTTPS_PROXY https_proxy",
      .arg = "URL",
      .help = "HTTP proxy that all remote requests go through, http://[user:password@]host:port." },
    { "no_proxy", FINOPS_OPT_STRING, offsetof(fo_network_settings, no_proxy), .env = "NO_PROXY no_proxy",
      .arg = "HOSTS",
      .help = "Hosts that are reached without the proxy, separated by commas: each with the names below it, "
              "with :port at that port only; * is all." },
    { "ca_file", FINOPS_OPT_STRING, offsetof(fo_network_settings, ca_file),
      .env = "AWS_CA_BUNDLE SSL_CERT_FILE", .arg = "FILE",
      .help = "PEM file of the certificate authorities to trust, for a company with its own." },
    { "timeout", FINOPS_OPT_INT, offsetof(fo_network_settings, timeout), .value = "30", .min = 1, .max = 3600,
      .arg = "SECONDS", .help = "Seconds without any progress after which a remote request is given up." },
    { "retries", FINOPS_OPT_INT, offsetof(fo_network_settings, retries), .value = "3", .min = 0, .max = 20,
      .help = "How often a remote request that failed is tried again." },
    { 0 },
};

static const finops_option connection_options[] = {
    { "max", FINOPS_OPT_INT, offsetof(fo_connection_settings, max), .value = "8", .min = 1, .max = 1000,
      .help = "Connections to one database at most, at the same time." },
    { "max_idle", FINOPS_OPT_INT, offsetof(fo_connection_settings, max_idle), .value = "0", .min = 0,
      .max = 1000, .help = "Connections kept open between two uses; 0 keeps as many as there may be." },
    { "max_lifetime", FINOPS_OPT_INT, offsetof(fo_connection_settings, max_lifetime), .value = "0", .min = 0,
      .max = 604800, .arg = "SECONDS",
      .help = "Seconds after which a connection is closed when it is given back; 0 is no limit." },
    { "acquire_timeout", FINOPS_OPT_INT, offsetof(fo_connection_settings, acquire_timeout), .value = "30",
      .min = 1, .max = 86400, .arg = "SECONDS",
      .help = "Seconds to wait for a connection when all are in use or the server is away." },
    { "health_interval", FINOPS_OPT_INT, offsetof(fo_connection_settings, health_interval), .value = "30",
      .min = 1, .max = 86400, .arg = "SECONDS",
      .help = "Seconds between two looks at the health of a database that is watched." },
    { "health_interval_error", FINOPS_OPT_INT, offsetof(fo_connection_settings, health_interval_error),
      .value = "60", .min = 1, .max = 86400, .arg = "SECONDS",
      .help = "Seconds until the next look after one that found the database unwell." },
    { "breaker_failures", FINOPS_OPT_INT, offsetof(fo_connection_settings, breaker_failures), .value = "5",
      .min = 1, .max = 1000,
      .help = "Failed connections in a row after which a database is left alone for a while." },
    { "breaker_pause", FINOPS_OPT_INT, offsetof(fo_connection_settings, breaker_pause), .value = "5",
      .min = 1, .max = 3600, .arg = "SECONDS",
      .help = "Seconds it is left alone, twice as long after each further failure, up to a minute." },
    { 0 },
};

static const finops_option audit_options[] = {
    { "file", FINOPS_OPT_STRING, offsetof(fo_audit_settings, file), .arg = "FILE",
      .help = "File that gets a line for everything that changed something in a database; unset, nothing is "
              "recorded." },
    { "table", FINOPS_OPT_STRING, offsetof(fo_audit_settings, table), .flags = FINOPS_OPT_NO_FLAG,
      .arg = "SCHEMA.TABLE",
      .help =
          "Table that gets a row for the same, in the database that was changed; it is made when it is not "
          "there. Unset, there is none." },
    { 0 },
};

static const finops_option log_options[] = {
    { "level", FINOPS_OPT_ENUM, offsetof(fo_log_settings, level), .value = "info",
      .allow = "debug info warn error off", .help = "Least important messages that are still shown." },
    { "format", FINOPS_OPT_ENUM, offsetof(fo_log_settings, format), .value = "human", .allow = "human json",
      .help = "human is for people, json is one JSON object a line for log collectors." },
    { 0 },
};

static const finops_option routing_options[] = {
    { "bills", FINOPS_OPT_STRING, offsetof(fo_routing_settings, bills), .flags = FINOPS_OPT_NO_FLAG,
      .arg = "NAMES",
      .help = "Backends that bills are loaded into, separated by commas; reports read the first. Unset, the "
              "backend of "
              "the database section." },
    { "findings", FINOPS_OPT_STRING, offsetof(fo_routing_settings, findings), .flags = FINOPS_OPT_NO_FLAG,
      .arg = "NAMES", .help = "Backends that findings go to, as bills." },
    { "records", FINOPS_OPT_STRING, offsetof(fo_routing_settings, records), .flags = FINOPS_OPT_NO_FLAG,
      .arg = "NAMES", .help = "Backends that the records of finops load go to; unset, those of bills." },
    { 0 },
};

static const finops_option no_options[] = { { 0 } };

static const finops_option bronze_options[] = {
    { "storage_backend", FINOPS_OPT_ENUM, offsetof(fo_platform_bronze_settings, storage_backend),
      .flags = FINOPS_OPT_NO_FLAG, .value = "s3", .allow = "s3 azure local",
      .help = "Which of the groups below holds." },
    { "storage_enabled", FINOPS_OPT_BOOL, offsetof(fo_platform_bronze_settings, storage_enabled),
      .flags = FINOPS_OPT_NO_FLAG, .value = "true", .help = "Whether raw files are kept at all." },
    { "s3_enabled", FINOPS_OPT_BOOL, offsetof(fo_platform_bronze_settings, s3_enabled),
      .flags = FINOPS_OPT_NO_FLAG, .value = "true",
      .help = "Old name of storage_enabled, which counts where it is set." },
    { "s3_bucket", FINOPS_OPT_STRING, offsetof(fo_platform_bronze_settings, s3_bucket),
      .flags = FINOPS_OPT_NO_FLAG, .help = "Bucket of the raw files." },
    { "s3_prefix", FINOPS_OPT_STRING, offsetof(fo_platform_bronze_settings, s3_prefix),
      .flags = FINOPS_OPT_NO_FLAG, .help = "Folder in the bucket." },
    { "azure_storage_account", FINOPS_OPT_STRING,
      offsetof(fo_platform_bronze_settings, azure_storage_account), .flags = FINOPS_OPT_NO_FLAG,
      .help = "Storage account of the container; not needed with a connection string." },
    { "azure_container", FINOPS_OPT_STRING, offsetof(fo_platform_bronze_settings, azure_container),
      .flags = FINOPS_OPT_NO_FLAG, .help = "Container of the raw files." },
    { "azure_prefix", FINOPS_OPT_STRING, offsetof(fo_platform_bronze_settings, azure_prefix),
      .flags = FINOPS_OPT_NO_FLAG, .help = "Folder in the container." },
    { "local_path", FINOPS_OPT_STRING, offsetof(fo_platform_bronze_settings, local_path),
      .flags = FINOPS_OPT_NO_FLAG, .arg = "FOLDER", .help = "Folder of this machine." },
    { 0 },
};

static const finops_option s3_connection_options[] = {
    { "endpoint_url_env", FINOPS_OPT_STRING, offsetof(fo_platform_s3_settings, endpoint_url_env),
      .flags = FINOPS_OPT_NO_FLAG,
      .help = "Name of the environment variable that has the address of the service." },
    { "access_key_env", FINOPS_OPT_STRING, offsetof(fo_platform_s3_settings, access_key_env),
      .flags = FINOPS_OPT_NO_FLAG, .help = "Name of the environment variable that has the access key." },
    { "secret_key_env", FINOPS_OPT_STRING, offsetof(fo_platform_s3_settings, secret_key_env),
      .flags = FINOPS_OPT_NO_FLAG,
      .help = "Name of the environment variable that has the secret that belongs to it." },
    { "session_token_env", FINOPS_OPT_STRING, offsetof(fo_platform_s3_settings, session_token_env),
      .flags = FINOPS_OPT_NO_FLAG,
      .help = "Name of the environment variable that has the session token, of temporary keys." },
    { 0 },
};

static const finops_option azure_connection_options[] = {
    { "connection_string_env", FINOPS_OPT_STRING, offsetof(fo_platform_azure_settings, connection_string_env),
      .flags = FINOPS_OPT_NO_FLAG,
      .help = "Name of the environment variable that has the connection string." },
    { "account_key_env", FINOPS_OPT_STRING, offsetof(fo_platform_azure_settings, account_key_env),
      .flags = FINOPS_OPT_NO_FLAG,
      .help = "Name of the environment variable that has the key of the account." },
    { "sas_token_env", FINOPS_OPT_STRING, offsetof(fo_platform_azure_settings, sas_token_env),
      .flags = FINOPS_OPT_NO_FLAG,
      .help = "Name of the environment variable that has the shared access signature." },
    { "tenant_id_env", FINOPS_OPT_STRING, offsetof(fo_platform_azure_settings, tenant_id_env),
      .flags = FINOPS_OPT_NO_FLAG,
      .help = "Name of the environment variable that has the tenant of a service principal." },
    { "client_id_env", FINOPS_OPT_STRING, offsetof(fo_platform_azure_settings, client_id_env),
      .flags = FINOPS_OPT_NO_FLAG,
      .help = "Name of the environment variable that has the client id of a service principal." },
    { "client_secret_env", FINOPS_OPT_STRING, offsetof(fo_platform_azure_settings, client_secret_env),
      .flags = FINOPS_OPT_NO_FLAG,
      .help = "Name of the environment variable that has the secret of a service principal." },
    { 0 },
};

const fo_config_section fo_config_sections[] = {
    { "project", project_options, offsetof(fo_settings, project), false, "This installation." },
    { "database", database_options, offsetof(fo_settings, database), false, "Where the bills are kept." },
    { "database.duckdb", fo_duckdb_options, offsetof(fo_settings, duckdb), false,
      "The DuckDB database file." },
    { "database.ducklake", lake_options, offsetof(fo_settings, ducklake), false,
      "The DuckLake lakehouse: a catalog and a folder of Parquet files." },
    { "database.ducklake.performance", lake_performance_options, offsetof(fo_settings, ducklake), false,
      "What the lake may take of the machine." },
    { "database.postgresql", fo_postgresql_options, offsetof(fo_settings, postgresql), false,
      "The PostgreSQL server." },
    { "database.adbc", fo_adbc_options, offsetof(fo_settings, adbc), false,
      "A database with an ADBC driver." },
    { "routing", routing_options, offsetof(fo_settings, routing), false,
      "Datasets that go to other backends than the one of the database section." },
    { "aws", aws_options, offsetof(fo_settings, aws), false, "Where AWS delivers its cost reports." },
    { "aws.exports", aws_options, offsetof(fo_settings, exports), true,
      "Several payers or exports, an entry each; what an entry does not say is taken from aws." },
    { "network", network_options, offsetof(fo_settings, network), false, "How remote services are reached." },
    { "connections", connection_options, offsetof(fo_settings, connections), false,
      "Connections to databases, and what happens when one is away." },
    { "audit", audit_options, offsetof(fo_settings, audit), false, "Who changed what, and when." },
    { "storage", no_options, 0, false, "Places that hold objects, each with a name of yours." },
    { "platform", no_options, 0, false,
      "Where raw files are kept, as configurations before [storage] say it." },
    { "platform.bronze", bronze_options, offsetof(fo_settings, bronze), false,
      "The storage bronze, unless [storage.bronze] says what it is." },
    { "platform.s3_connection", s3_connection_options, offsetof(fo_settings, s3_connection), false,
      "How its S3 service is reached." },
    { "platform.azure_connection", azure_connection_options, offsetof(fo_settings, azure_connection), false,
      "How its Azure account is reached." },
    { "log", log_options, offsetof(fo_settings, log), false, "Messages on standard error." },
    { 0 },
};
