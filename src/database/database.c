/* The user's database behind the front door: one session of the configured backend. */
#include "database/database.h"

#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "builtins.h"
#include "config/config.h"
#include "database/duckdb/driver.h"
#include "database/duckdb/instance.h"
#include "database/ducklake/driver.h"
#include "database/session.h"
#include "database/state.h"
#include "database/statement.h"
#include "registry/registry.h"

struct fo_database {
    finops_registry *registry;
    finops_database *door;
    finops_session *session;
    const fo_cancel *cancel; /* borrowed */
    bool shares;             /* registry and door are another's */
};

static bool
is_builtin(const char *backend)
{
    for (size_t i = 0; fo_database_builtin[i]; i++)
        if (fo_streq(fo_database_builtin[i]->name, backend))
            return true;
    return false;
}

static finops_code
registry_for(const fo_settings *settings, const char *backend, finops_registry **ret, finops_error **err)
{
    FO_AUTO(finops_registry_freep) finops_registry *registry = NULL;
    FO_AUTO(fo_str_done) fo_str path = FO_STR_INIT;
    finops_code rc = finops_registry_new(&registry, err);

    /* Plugins are tried in processes of their own: that is not done for a backend that needs none. */
    if (rc == FINOPS_OK && backend && !is_builtin(backend)) {
        rc = fo_registry_plugin_path(settings->database.plugin_path, &path, err);
        if (rc == FINOPS_OK)
            rc = finops_registry_discover(registry, fo_str_z(&path), NULL, err);
    }
    if (rc == FINOPS_OK)
        *ret = FO_TAKE(registry);
    return rc;
}

/* The one that is asked: bills may go to several. */
static finops_code
first_backend(const fo_settings *settings, char **ret, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv names = FO_STRV_INIT;
    finops_code rc = fo_settings_backends(settings, FO_DATASET_BILLS, &names, err);

    if (rc != FINOPS_OK)
        return rc;
    *ret = fo_strdup(names.items[0]);
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

finops_code
fo_database_door(const fo_settings *settings, finops_registry **ret_registry, finops_database **ret,
                 finops_error **err)
{
    FO_AUTO(finops_registry_freep) finops_registry *registry = NULL;
    FO_AUTO(fo_freep) char *backend = NULL;
    finops_code rc = first_backend(settings, &backend, err);

    if (rc == FINOPS_OK)
        rc = registry_for(settings, backend, &registry, err);
    if (rc == FINOPS_OK)
        rc = fo_database_open_settings(registry, settings, backend, ret, err);
    if (rc == FINOPS_OK)
        *ret_registry = FO_TAKE(registry);
    return rc;
}

static bool
cancel_asked(void *arg)
{
    const fo_cancel *const *cancel = arg;

    return fo_cancelled(*cancel);
}

/* Bills have schemas of their own, and a month and its state are one transaction. */
static finops_code
check_bills(const finops_database *door, finops_error **err)
{
    static const struct {
        uint64_t feature;
        const char *name;
    } needs[] = { { FINOPS_DATABASE_SCHEMAS, "schemas" }, { FINOPS_DATABASE_TRANSACTIONS, "transactions" } };
    finops_capabilities c;

    finops_database_capabilities(door, &c);
    for (size_t i = 0; i < FO_COUNT(needs); i++)
        if (!(c.features & needs[i].feature)) {
            (void)fo_error_set(err, FINOPS_E_CONFIG, "backend %s holds no bills: it has no %s",
                               finops_database_backend(door), needs[i].name);
            fo_error_hint(err,
                          "name another with --backend or [routing] bills, such as duckdb or postgresql; "
                          "'finops load' and 'finops query' work with this one");
            return FINOPS_E_CONFIG;
        }
    return FINOPS_OK;
}

finops_code
fo_database_check_bills(const fo_settings *settings, finops_error **err)
{
    FO_AUTO(finops_registry_freep) finops_registry *registry = NULL;
    finops_database *door = NULL;
    finops_code rc = fo_database_door(settings, &registry, &door, err);

    if (rc == FINOPS_OK)
        rc = check_bills(door, err);
    finops_database_close(door); /* before its registry */
    return rc;
}

/* flags: FINOPS_CONNECT_* */
static finops_code
database_open(const fo_settings *settings, unsigned flags, bool bills, const fo_cancel *cancel,
              fo_database **ret, finops_error **err)
{
    FO_AUTO(fo_database_closep) fo_database *db = fo_zalloc(sizeof(*db));

    if (!db)
        return fo_error_oom(err);
    db->cancel = cancel;
    const finops_call call = { .cancelled = cancel_asked, .arg = &db->cancel };
    finops_code rc = fo_database_door(settings, &db->registry, &db->door, err);
    if (rc == FINOPS_OK && bills)
        rc = check_bills(db->door, err);
    if (rc == FINOPS_OK)
        rc = finops_session_acquire(db->door, flags, &call, &db->session, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_session_set_cancel(db->session, cancel);
    *ret = FO_TAKE(db);
    return FINOPS_OK;
}

finops_code
fo_database_reconnect(fo_database *database, finops_error **err)
{
    return fo_session_reconnect(database->session, err);
}

finops_code
fo_database_open_writer(const fo_settings *settings, const fo_cancel *cancel, fo_database **ret,
                        finops_error **err)
{
    FO_AUTO(fo_database_closep) fo_database *db = NULL;

    assert(settings && ret);
    finops_code rc = database_open(settings, 0, true, cancel, &db, err);
    if (rc == FINOPS_OK)
        rc = fo_state_prepare(db, err);
    if (rc == FINOPS_OK)
        *ret = FO_TAKE(db);
    return rc;
}

finops_code
fo_database_open_plain(const fo_settings *settings, const fo_cancel *cancel, fo_database **ret,
                       finops_error **err)
{
    assert(settings && ret);
    return database_open(settings, 0, false, cancel, ret, err);
}

finops_code
fo_database_open_reader(const fo_settings *settings, const fo_cancel *cancel, fo_database **ret,
                        finops_error **err)
{
    assert(settings && ret);
    return database_open(settings, FINOPS_CONNECT_READ_ONLY, true, cancel, ret, err);
}

finops_code
fo_database_open_plain_reader(const fo_settings *settings, const fo_cancel *cancel, fo_database **ret,
                              finops_error **err)
{
    assert(settings && ret);
    return database_open(settings, FINOPS_CONNECT_READ_ONLY, false, cancel, ret, err);
}

finops_code
fo_database_open_beside(const fo_database *of, fo_database **ret, finops_error **err)
{
    FO_AUTO(fo_database_closep) fo_database *db = fo_zalloc(sizeof(*db));

    assert(of && ret);
    if (!db)
        return fo_error_oom(err);
    *db = (fo_database){ .door = of->door, .cancel = of->cancel, .shares = true };
    const finops_call call = { .cancelled = cancel_asked, .arg = &db->cancel };
    finops_code rc = finops_session_acquire(db->door, 0, &call, &db->session, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_session_set_cancel(db->session, of->cancel);
    *ret = FO_TAKE(db);
    return FINOPS_OK;
}

size_t
fo_database_loads(const fo_database *database, const fo_settings *settings)
{
    int64_t loads = settings->ducklake.max_concurrent_loads, room = settings->connections.max - 1;

    if (!fo_session_driver(database->session)->stage) /* all of a load is one transaction */
        return 1;
    if (fo_streq(settings->ducklake.catalog, "sqlite")) /* which is locked as a whole by who writes */
        return 1;
    if (settings->connections.max > 0 && loads > room)
        loads = room;
    return loads > 1 ? (size_t)loads : 1;
}

void
fo_database_close(fo_database *database)
{
    if (!database)
        return;
    finops_session_release(database->session);
    if (!database->shares) {
        finops_database_close(database->door);
        finops_registry_free(database->registry);
    }
    fo_free(database);
}

void
fo_database_closep(fo_database **database)
{
    fo_database_close(*database);
    *database = NULL;
}

finops_session *
fo_database_session(fo_database *database)
{
    return database->session;
}

void
fo_database_set_cancel(fo_database *database, const fo_cancel *cancel)
{
    database->cancel = cancel;
    fo_session_set_cancel(database->session, cancel);
}

const fo_cancel *
fo_database_cancel(const fo_database *database)
{
    return database->cancel;
}

/* The connection of the embedded database, which reads files itself; NULL for every other. */
static void *
database_embedded(fo_database *database)
{
    return fo_database_can(database, FINOPS_DATABASE_READS_FILES) ? fo_session_native(database->session)
                                                                  : NULL;
}

fo_conn *
fo_database_conn(fo_database *database)
{
    void *embedded = database_embedded(database);

    return embedded ? fo_duckdb_conn(embedded) : NULL;
}

fo_engine *
fo_database_engine(fo_database *database)
{
    void *embedded = database_embedded(database);

    return embedded ? fo_duckdb_engine(embedded) : NULL;
}

void
fo_database_keep(fo_database *database, const char *const *statements, size_t n)
{
    void *embedded = database_embedded(database);

    if (embedded)
        fo_duckdb_keep(embedded, statements, n);
}

/* The file that one process holds open; NULL: there is none. */
static const char *
database_file(const fo_settings *settings, const char *backend)
{
    if (fo_streq(backend, fo_duckdb_driver.name))
        return settings->duckdb.database_path;
    if (fo_streq(backend, fo_ducklake_driver.name) && fo_streq(settings->ducklake.catalog, "duckdb"))
        return settings->ducklake.database_path;
    return NULL;
}

finops_code
fo_database_kept(const fo_settings *settings, fo_kept **ret, bool *ret_exists, finops_error **err)
{
    FO_AUTO(fo_freep) char *path = NULL;

    FO_AUTO(fo_freep) char *backend = NULL;

    assert(settings && ret && ret_exists);
    *ret = NULL;
    *ret_exists = true;
    finops_code rc = first_backend(settings, &backend, err);
    const char *file = rc == FINOPS_OK ? database_file(settings, backend) : NULL;
    if (!file)
        return rc;
    rc = fo_instance_path(file, &path, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret_exists = access(path, F_OK) == 0 || errno != ENOENT;
    *ret = fo_instance_is_open(path) ? NULL : fo_kept_open(path);
    return FINOPS_OK;
}

finops_code
fo_database_answers(fo_database *database, const char *const *statements, size_t n, fo_kept **ret,
                    finops_error **err)
{
    FO_AUTO(fo_kept_closep) fo_kept *kept = fo_kept_new(n);
    finops_code rc = kept ? FINOPS_OK : fo_error_oom(err);

    for (size_t i = 0; rc == FINOPS_OK && i < n; i++) {
        fo_rows *rows = NULL;
        rc = fo_database_rows(database, statements[i], &rows, err);
        if (rc == FINOPS_OK)
            rc = fo_kept_set(kept, i, statements[i], rows, err);
    }
    if (rc == FINOPS_OK)
        *ret = FO_TAKE(kept);
    return rc;
}
