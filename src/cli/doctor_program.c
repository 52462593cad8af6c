/* finops doctor: what finops itself is made of. */
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "cli/doctor.h"
#include "engine/engine.h"

#define ENGINE_WANTED "v1.5.5" /* what finops is built and tested with; extensions fit one version only */

/* One text of one row. */
static finops_code
ask(fo_conn *conn, const char *sql, char **ret, finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc = fo_conn_rows(conn, sql, NULL, 0, &rows, err);

    if (rc != FINOPS_OK)
        return rc;
    *ret = fo_strdup(fo_rows_count(rows) && fo_rows_text(rows, 0, 0) ? fo_rows_text(rows, 0, 0) : "unknown");
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

static void
check_engine(fo_doctor *d, fo_conn *conn)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_freep) char *version = NULL;

    if (ask(conn, "SELECT library_version FROM pragma_version()", &version, &err) != FINOPS_OK)
        fo_doctor_say_error(d, "engine", FO_HEALTH_FAILED, err, "install finops again");
    else if (strcmp(version, ENGINE_WANTED) != 0)
        fo_doctor_say(d, "engine", FO_HEALTH_FAILED, "use the libduckdb that comes with finops",
                      "DuckDB %s, finops needs " ENGINE_WANTED, version);
    else
        fo_doctor_say(d, "engine", FO_HEALTH_OK, NULL, "finops " FINOPS_VERSION ", DuckDB %s", version);
}

static void
check_extension(fo_doctor *d, fo_engine *engine, fo_conn *conn, const char *name)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_freep) char *version = NULL;
    FO_AUTO(fo_freep) char *check = fo_format("extension %s", name);
    FO_AUTO(fo_freep)
    char *sql = fo_format(
        "SELECT extension_version FROM duckdb_extensions() WHERE loaded AND extension_name = '%s'", name);
    finops_code rc = check && sql ? fo_engine_load_extension(engine, name, &err) : fo_error_oom(&err);

    if (rc == FINOPS_OK)
        rc = ask(conn, sql, &version, &err);
    if (rc == FINOPS_OK)
        fo_doctor_say(d, check, FO_HEALTH_OK, NULL, "loads, version %s", version);
    else
        fo_doctor_say_error(d, check ? check : "extension", FO_HEALTH_FAILED, err,
                            "it is needed for Parquet in S3 only; install finops again");
}

static void
check_configuration(fo_doctor *d)
{
    const char *path = fo_config_path(d->cli->config);
    struct stat st;

    if (!path) {
        fo_doctor_say(d, "configuration", FO_HEALTH_OK, NULL, "no file; environment, flags and defaults");
        return;
    }
    const fo_settings *s = d->cli->settings;
    bool secret = s->aws.secret_access_key != NULL;
    for (size_t i = 0; i < s->n_exports; i++)
        secret |= s->exports[i].secret_access_key != NULL;
    if (secret && stat(path, &st) == 0 && (st.st_mode & (S_IRGRP | S_IROTH)))
        fo_doctor_say(d, "configuration", FO_HEALTH_WARNING, "keep secrets out of it, or chmod 600 it",
                      "%s: others on this machine can read it", path);
    else
        fo_doctor_say(d, "configuration", FO_HEALTH_OK, NULL, "%s", path);
}

void
fo_doctor_program(fo_doctor *d)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_engine_closep) fo_engine *engine = NULL;
    FO_AUTO(fo_conn_closep) fo_conn *conn = NULL;
    const fo_engine_options memory = { .memory_limit = d->cli->settings->duckdb.memory_limit };
    finops_code rc = fo_engine_open(&memory, &engine, &err);

    if (rc == FINOPS_OK)
        rc = fo_conn_open(engine, &conn, &err);
    if (rc == FINOPS_OK) {
        check_engine(d, conn);
        check_extension(d, engine, conn, "httpfs");
    } else {
        fo_doctor_say_error(d, "engine", FO_HEALTH_FAILED, err, "install finops again");
    }
    check_configuration(d);
}
