/* What the tests of the registry share: drivers that do nothing, and folders of plugins. */
#ifndef REGISTRY_TEST_H
#define REGISTRY_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "registry/registry_internal.h"

static inline finops_code
t_open(const void *config, void **ret_self, finops_error **err)
{
    (void)config, (void)ret_self;
    return fo_error_set(err, FINOPS_E_UNSUPPORTED, "no database");
}

static inline void
t_close(void *self)
{
    (void)self;
}

static inline void
t_capabilities(void *self, finops_capabilities *ret)
{
    (void)self;
    *ret = (finops_capabilities){ 0 };
}

static inline finops_code
t_connect(void *self, unsigned flags, const finops_call *call, void **ret_conn, finops_error **err)
{
    (void)self, (void)flags, (void)call, (void)ret_conn;
    return fo_error_set(err, FINOPS_E_UNSUPPORTED, "no database");
}

static inline finops_code
t_execute(void *conn, const finops_statement *statement, struct ArrowArrayStream *ret, int64_t *ret_changed,
          finops_error **err)
{
    (void)conn, (void)statement, (void)ret, (void)ret_changed;
    return fo_error_set(err, FINOPS_E_UNSUPPORTED, "no database");
}

static inline finops_code
t_write(void *conn, const finops_write *write, const finops_source *source, finops_write_result *ret,
        finops_error **err)
{
    (void)conn, (void)write, (void)source, (void)ret;
    return fo_error_set(err, FINOPS_E_UNSUPPORTED, "no database");
}

static inline finops_code
t_columns(void *conn, const char *schema, const char *table, finops_each_column each, void *arg,
          finops_error **err)
{
    (void)conn, (void)schema, (void)table, (void)each, (void)arg, (void)err;
    return FINOPS_OK;
}

static inline finops_code
t_tables(void *conn, const char *schema, finops_each_name each, void *arg, finops_error **err)
{
    (void)conn, (void)schema, (void)each, (void)arg, (void)err;
    return FINOPS_OK;
}

static inline finops_database_driver
t_driver(const char *name)
{
    return (finops_database_driver){
        .abi = FINOPS_DATABASE_ABI,
        .size = sizeof(finops_database_driver),
        .name = name,
        .version = "1.0",
        .summary = "A driver of the tests.",
        .open = t_open,
        .close = t_close,
        .capabilities = t_capabilities,
        .connect = t_connect,
        .disconnect = t_close,
        .execute = t_execute,
        .write = t_write,
        .columns = t_columns,
        .tables = t_tables,
    };
}

static inline finops_registry *
t_registry(void)
{
    finops_registry *r = NULL;

    assert_int_equal(fo_registry_new_empty(&r, NULL), FINOPS_OK);
    return r;
}

/* What the list says of a name; name "" when it is not in it. */
typedef struct t_seen {
    const char *name;
    finops_driver_info info;
    char origin[512], problem[1024], version[32];
    unsigned n; /* entries of that name */
} t_seen;

static inline void
t_see(const finops_driver_info *info, void *arg)
{
    t_seen *seen = arg;

    if (strcmp(info->name, seen->name) != 0)
        return;
    if (seen->n++ > 0)
        return;
    seen->info = *info;
    (void)snprintf(seen->origin, sizeof(seen->origin), "%s", info->origin);
    (void)snprintf(seen->problem, sizeof(seen->problem), "%s", info->problem ? info->problem : "");
    (void)snprintf(seen->version, sizeof(seen->version), "%s", info->version);
}

static inline t_seen
t_look(finops_registry *r, const char *name)
{
    t_seen seen = { .name = name };

    finops_registry_each(r, t_see, &seen);
    return seen;
}

/* A folder of its own, and where the plugins of the tests were built. */
typedef struct t_folder {
    char path[72];
    char built[512];
} t_folder;

static inline void
t_folder_init(t_folder *f)
{
    FO_AUTO(fo_str_done) fo_str built = FO_STR_INIT;

    (void)snprintf(f->path, 64, "/tmp/finops-registry-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    assert_int_equal(fo_program_place("../support/plugins", &built, NULL), FINOPS_OK);
    (void)snprintf(f->built, sizeof(f->built), "%s", fo_str_z(&built));
}

static inline void
t_folder_done(t_folder *f)
{
    FO_AUTO(fo_strv_done) fo_strv files = FO_STRV_INIT;

    (void)chmod(f->path, 0755);
    (void)fo_walk(f->path, &files, NULL);
    for (size_t i = 0; i < files.n; i++) {
        FO_AUTO(fo_freep) char *path = fo_path_join(f->path, files.items[i]);

        (void)unlink(path);
    }
    (void)rmdir(f->path);
}

static inline const char *
t_path(const t_folder *f, const char *file)
{
    static _Thread_local char paths[4][192]; /* a few may be in use at once */
    static _Thread_local unsigned next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", f->path, file);
    return path;
}

/* Puts a plugin of the tests into the folder as `file`, in one step as an installation does. */
static inline void
t_install(const t_folder *f, const char *plugin, const char *file)
{
    FO_AUTO(fo_str_done) fo_str bytes = FO_STR_INIT;
    char from[600];

    (void)snprintf(from, sizeof(from), "%s/%s.so", f->built, plugin);
    assert_int_equal(fo_file_read(from, (size_t)32 << 20, &bytes, NULL), FINOPS_OK);
    assert_int_equal(fo_file_write_atomic(t_path(f, file), bytes.data, bytes.len, 0755, NULL), FINOPS_OK);
}

/* Writes it into the file that is there, as cp does. */
static inline void
t_write_over(const t_folder *f, const char *plugin, const char *file)
{
    FO_AUTO(fo_str_done) fo_str bytes = FO_STR_INIT;
    char from[600];
    FILE *to;

    (void)snprintf(from, sizeof(from), "%s/%s.so", f->built, plugin);
    assert_int_equal(fo_file_read(from, (size_t)32 << 20, &bytes, NULL), FINOPS_OK);
    to = fopen(t_path(f, file), "w");
    assert_non_null(to);
    assert_int_equal(fwrite(bytes.data, 1, bytes.len, to), bytes.len);
    assert_int_equal(fclose(to), 0);
}

#endif
