/* finops doctor: the database file and the space around it. Nothing is created and nothing changed. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "cli/doctor.h"
#include "config/config.h"
#include "database/database.h"
#include "database/duckdb/serve.h"

#define SPACE_LOW ((uint64_t)2 << 30) /* a sort or join beyond the memory limit takes this much quickly */

/* The folder itself, or the nearest above it that exists. NULL: no memory. */
static char *
existing_folder(const char *path)
{
    char *at = fo_path_absolute(path);
    struct stat st;

    while (at && strcmp(at, "/") != 0 && (stat(at, &st) != 0 || !S_ISDIR(st.st_mode))) {
        char *slash = strrchr(at, '/');
        slash[slash == at] = '\0';
    }
    return at;
}

static void
check_missing(fo_doctor *d, const char *path)
{
    FO_AUTO(fo_freep) char *folder = existing_folder(path);

    if (!folder)
        d->out_of_memory = true;
    else if (access(folder, W_OK | X_OK) != 0)
        fo_doctor_say(d, "database", FO_HEALTH_FAILED,
                      "make the folder writable, or name another with [database.duckdb] database_path",
                      "%s is not there yet and cannot be made: %s is not writable", path, folder);
    else
        fo_doctor_say(d, "database", FO_HEALTH_OK, "load bills with 'finops aws import-cur'",
                      "%s is not there yet and can be made", path);
}

/* Opens the file as an import would, but for making tables. False when a program that serves nobody holds it.
 */
static bool
check_opens(fo_doctor *d, const char *path, const struct stat *st)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_engine_closep) fo_engine *engine = NULL;
    bool writable = access(path, W_OK) == 0;
    const fo_engine_options options = { .path = path,
                                        .read_only = !writable,
                                        .memory_limit = d->cli->settings->duckdb.memory_limit };
    finops_code rc = fo_engine_open(&options, &engine, &err);

    if (rc == FINOPS_E_BUSY)
        fo_doctor_say_error(d, "database", FO_HEALTH_WARNING, err,
                            "wait for the process that holds it, or stop it");
    else if (rc != FINOPS_OK)
        fo_doctor_say_error(d, "database", FO_HEALTH_FAILED, err,
                            "restore the file, or name another with [database.duckdb] database_path");
    else if (!writable)
        fo_doctor_say(d, "database", FO_HEALTH_WARNING,
                      "imports need write permission; queries and reports do not",
                      "%s can be read and not written", path);
    else
        fo_doctor_say(d, "database", FO_HEALTH_OK, NULL, "%s opens for writing, %" PRId64 " bytes", path,
                      (int64_t)st->st_size);
    return rc != FINOPS_E_BUSY;
}

/* Rows of load_state: complete, failed, and whether the columns of this tool are there. */
static finops_code
read_state(fo_database *db, bool *ret_has, fo_rows **ret, finops_error **err)
{
    finops_code rc = fo_database_has(db, "billing_state", "load_state", ret_has, err);

    if (rc != FINOPS_OK || !*ret_has)
        return rc;
    return fo_database_rows(
        db,
        "SELECT count(*) FILTER (WHERE current_version), count(*) FILTER (WHERE NOT load_completed AND "
        "error_message IS NOT NULL), (SELECT count(*) FROM information_schema.columns WHERE "
        "table_schema = 'billing_state' AND table_name = 'load_state' AND column_name = "
        "'table_name') FROM billing_state.load_state",
        ret, err);
}

static void
check_state(fo_doctor *d)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_database_closep) fo_database *db = NULL;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    bool has = false;
    finops_code rc = fo_database_open_reader(d->cli->settings, d->cli->cancel, &db, &err);

    if (rc == FINOPS_OK)
        rc = read_state(db, &has, &rows, &err);
    if (rc != FINOPS_OK)
        fo_doctor_say_error(d, "load state", FO_HEALTH_FAILED, err, "see the line on the database");
    else if (!has)
        fo_doctor_say(d, "load state", FO_HEALTH_OK, "load bills with 'finops aws import-cur'",
                      "no bill is loaded yet");
    else if (fo_rows_int(rows, 0, 2) == 0)
        fo_doctor_say(d, "load state", FO_HEALTH_OK, NULL,
                      "%" PRId64 " months, by the earlier tool; the next import adds its columns",
                      fo_rows_int(rows, 0, 0));
    else if (fo_rows_int(rows, 0, 1) > 0)
        fo_doctor_say(d, "load state", FO_HEALTH_WARNING, "'finops aws show-state' says why",
                      "%" PRId64 " months are loaded, the last attempt of %" PRId64 " failed",
                      fo_rows_int(rows, 0, 0), fo_rows_int(rows, 0, 1));
    else
        fo_doctor_say(d, "load state", FO_HEALTH_OK, NULL, "%" PRId64 " months are loaded",
                      fo_rows_int(rows, 0, 0));
}

static void
check_space(fo_doctor *d, const char *path)
{
    const char *set = d->cli->settings->duckdb.temp_directory;
    FO_AUTO(fo_freep) char *folder = existing_folder(set ? set : path);
    struct statvfs fs;

    if (!folder) {
        d->out_of_memory = true;
        return;
    }
    if (statvfs(folder, &fs) != 0 || access(folder, W_OK | X_OK) != 0) {
        fo_doctor_say(d, "temporary space", FO_HEALTH_FAILED,
                      "make it writable, or set [database.duckdb] temp_directory",
                      "%s cannot be written to: %s", folder, strerror(errno));
        return;
    }
    uint64_t space = (uint64_t)fs.f_bavail * fs.f_frsize;
    bool low = space < SPACE_LOW;
    fo_doctor_say(d, "temporary space", low ? FO_HEALTH_WARNING : FO_HEALTH_OK,
                  low ? "make room, or set [database.duckdb] temp_directory" : NULL, "%.1f GiB free in %s",
                  (double)space / (double)((uint64_t)1 << 30), folder);
}

static void
check_file(fo_doctor *d)
{
    const char *path = d->cli->settings->duckdb.database_path;
    struct stat st;
    bool readable = true;

    if (stat(path, &st) != 0) {
        check_missing(d, path);
    } else {
        if (fo_remote_reachable(path))
            fo_doctor_say(d, "database", FO_HEALTH_OK, NULL, "%s is being written to, and readers are served",
                          path);
        else
            readable = check_opens(d, path, &st);
        if (readable)
            check_state(d);
    }
    check_space(d, path);
}

static finops_code
check_backend(fo_settings *settings, bool several, void *arg, finops_error **err)
{
    fo_doctor *d = arg;
    fo_cli *all = d->cli;
    fo_cli one = *all;

    (void)several, (void)err;
    one.settings = settings;
    d->cli = &one;
    if (fo_streq(settings->database.backend, "duckdb"))
        check_file(d);
    else if (fo_doctor_server(d))
        check_state(d);
    d->cli = all;
    return FINOPS_OK;
}

void
fo_doctor_database(fo_doctor *d)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    if (fo_cli_each_backend(d->cli, FO_DATASET_BILLS, check_backend, d, &err) != FINOPS_OK)
        fo_doctor_say_error(d, "database", FO_HEALTH_FAILED, err, "name databases, separated by commas");
}
