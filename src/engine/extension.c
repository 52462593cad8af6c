/*
 * Extensions of the engine: what ships beside the program, loaded by its full path when first needed.
 */
#include "engine/engine_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

static const char *const extensions[] = { "azure", "httpfs", "ducklake", "postgres_scanner",
                                          "sqlite_scanner" };

finops_code
fo_engine_extension_dir(fo_str *ret, finops_error **err)
{
    const char *set = getenv("FINOPS_EXTENSION_DIR");

    assert(ret);
    if (!set || !*set)
        return fo_program_place("extensions", ret, err);
    fo_str_add(ret, set);
    return fo_str_check(ret, err);
}

static finops_code
load(fo_engine *engine, const char *name, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str path = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_conn_closep) fo_conn *conn = NULL;
    finops_code rc = fo_engine_extension_dir(&path, err);

    if (rc != FINOPS_OK)
        return rc;
    fo_str_addf(&path, "/%s.duckdb_extension", name);
    fo_str_add(&sql, "LOAD ");
    fo_sql_literal(&sql, fo_str_z(&path));
    if (!fo_str_ok(&path) || !fo_str_ok(&sql))
        return fo_error_oom(err);
    if (access(path.data, R_OK) != 0) {
        (void)fo_error_errno(err, errno, "extension %s is not at %s", name, path.data);
        fo_error_hint(err, "install it there, or set FINOPS_EXTENSION_DIR to the folder that holds it");
        return FINOPS_E_NOT_FOUND;
    }
    rc = fo_conn_open(engine, &conn, err);
    if (rc == FINOPS_OK)
        rc = fo_conn_exec(conn, sql.data, err);
    return rc == FINOPS_OK ? rc : fo_error_wrap(err, rc, "load extension %s", path.data);
}

finops_code
fo_engine_load_extension(fo_engine *engine, const char *name, finops_error **err)
{
    finops_code rc = FINOPS_OK;
    size_t i = 0;

    assert(engine && name);
    while (i < FO_COUNT(extensions) && strcmp(extensions[i], name) != 0)
        i++;
    if (i == FO_COUNT(extensions))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "no extension is called %s", name);

    (void)pthread_mutex_lock(&engine->lock);
    if (!(engine->loaded & (1u << i)))
        rc = load(engine, name, err);
    if (rc == FINOPS_OK)
        engine->loaded |= 1u << i;
    (void)pthread_mutex_unlock(&engine->lock);
    return rc;
}
