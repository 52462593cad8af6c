/*
 * Keeps the list in step with the folders of plugins: what is new is tried and registered, what changed is
 * replaced, what is gone is taken out.
 *
 * A file that changed takes its drivers along even when the new one cannot be used: what runs is what a start
 * of the program would find. All that leaves goes before what comes, so that a driver may move to another
 * file.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/trust.h"
#include "registry/registry_internal.h"

typedef struct look {
    finops_registry *registry;
    fo_strv folders;
    unsigned changes;
    finops_error *trouble; /* the first folder that could not be read */
} look;

finops_code
fo_registry_plugin_path(const char *configured, fo_str *ret, finops_error **err)
{
    assert(ret);

    if (!configured || !configured[0])
        return fo_program_place("plugins", ret, err);
    fo_str_add(ret, configured);
    return fo_str_check(ret, err);
}

/* Absolute folders, each once. */
finops_code
fo_plugin_folders(const char *path, fo_strv *ret, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv parts = FO_STRV_INIT;

    if (!fo_strv_split(&parts, path, ':'))
        return fo_error_oom(err);
    for (size_t i = 0; i < parts.n; i++) {
        FO_AUTO(fo_freep) char *folder = NULL;

        if (parts.items[i][0] == '\0')
            continue;
        folder = fo_path_absolute(parts.items[i]);
        if (!folder || (!fo_strv_has(ret, folder) && !fo_strv_add(ret, folder)))
            return fo_error_oom(err);
    }
    return FINOPS_OK;
}

void
fo_plugin_file_done(fo_plugin_file *file)
{
    for (int kind = 0; kind < FINOPS_KIND_COUNT_; kind++)
        fo_strv_done(&file->wants[kind]);
    fo_free(file->path);
    fo_free(file->folder);
}

static fo_plugin_file *
find_file(finops_registry *r, const char *path)
{
    for (size_t i = 0; i < r->n_files; i++)
        if (strcmp(r->files[i].path, path) == 0)
            return &r->files[i];
    return NULL;
}

static finops_code
new_file(finops_registry *r, const char *folder, const char *path, fo_plugin_file **ret, finops_error **err)
{
    fo_plugin_file file = { 0 };

    if (!fo_grow((void **)&r->files, &r->cap_files, r->n_files + 1, sizeof(*r->files)))
        return fo_error_oom(err);
    file.path = fo_strdup(path);
    file.folder = fo_strdup(folder);
    if (!file.path || !file.folder) {
        fo_free(file.path);
        fo_free(file.folder);
        return fo_error_oom(err);
    }
    r->files[r->n_files] = file;
    *ret = &r->files[r->n_files++];
    return FINOPS_OK;
}

/* Notes what is there now. A file that went while we looked was never seen. */
static finops_code
see_file(finops_registry *r, const char *folder, const char *name, finops_error **err)
{
    FO_AUTO(fo_freep) char *path = fo_path_join(folder, name);
    fo_plugin_file *file;
    fo_file_id id;
    finops_code rc;

    if (!path)
        return fo_error_oom(err);
    if (fo_file_id_of(path, &id, NULL) != FINOPS_OK)
        return FINOPS_OK;
    file = find_file(r, path);
    if (!file) {
        rc = new_file(r, folder, path, &file, err);
        if (rc != FINOPS_OK)
            return rc;
        file->state = FO_PLUGIN_NEW;
    } else if (!fo_file_id_same(&file->id, &id)) {
        file->state = FO_PLUGIN_NEW;
    }
    file->id = id;
    file->seen = true;
    return FINOPS_OK;
}

static bool
is_plugin_name(const char *name)
{
    return name[0] != '.' && fo_ends(name, ".so");
}

static finops_code
names_in(const char *folder, fo_strv *ret, finops_error **err)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    bool ok = true;

    if (!dir)
        return fo_error_errno(err, errno, "look for plugins in %s", folder);
    while (ok && (entry = readdir(dir)) != NULL)
        if (is_plugin_name(entry->d_name))
            ok = fo_strv_add(ret, entry->d_name);
    (void)closedir(dir);
    fo_strv_sort(ret);
    return ok ? FINOPS_OK : fo_error_oom(err);
}

/* Nothing can be said about the files of a folder that cannot be read: they stay. */
static void
keep_files(finops_registry *r, const char *folder)
{
    for (size_t i = 0; i < r->n_files; i++)
        if (strcmp(r->files[i].folder, folder) == 0)
            r->files[i].seen = true;
}

static finops_code
see_folder(look *l, const char *folder, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv names = FO_STRV_INIT;
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code rc = names_in(folder, &names, &why);

    if (rc == FINOPS_E_MEMORY)
        return fo_error_oom(err);
    if (rc == FINOPS_E_NOT_FOUND)
        return FINOPS_OK; /* a folder nobody made has no plugins */
    if (rc != FINOPS_OK) {
        keep_files(l->registry, folder);
        if (!l->trouble)
            l->trouble = FO_TAKE(why);
        return FINOPS_OK;
    }
    for (size_t i = 0; i < names.n && rc == FINOPS_OK; i++)
        rc = see_file(l->registry, folder, names.items[i], err);
    return rc;
}

/* What is gone or changed leaves. */
static void
drop_old(look *l)
{
    finops_registry *r = l->registry;
    size_t kept = 0;

    for (size_t i = 0; i < r->n_files; i++) {
        fo_plugin_file *file = &r->files[i];
        bool gone = !file->seen && fo_strv_has(&l->folders, file->folder);

        file->dropped = 0;
        if (gone || file->state == FO_PLUGIN_NEW)
            file->dropped = fo_registry_drop_origin(r, file->path);
        if (gone) {
            l->changes += file->dropped;
            fo_plugin_file_done(file);
        } else {
            r->files[kept++] = *file;
        }
    }
    r->n_files = kept;
}

static void
add_problem(const char *text, void *arg)
{
    fo_str *all = arg;

    fo_str_addf(all, "%s%s", all->len > 0 ? "; " : "", text);
}

/* Why a plugin is left out, where that is no failure of ours. */
static finops_code
leave_out(look *l, fo_plugin_file *file, fo_plugin_state state, const char *why, finops_error **err)
{
    finops_code rc = fo_registry_add_broken(l->registry, file->path, why, err);

    if (rc == FINOPS_OK) {
        file->state = state;
        l->changes += file->dropped > 1 ? file->dropped : 1;
    }
    return rc;
}

/* Which names have to be free for it to come in. */
static finops_code
note_names(fo_plugin_file *file, const fo_plugin *plugin, finops_error **err)
{
    fo_driver_ref driver;

    for (int kind = 0; kind < FINOPS_KIND_COUNT_; kind++)
        fo_strv_done(&file->wants[kind]);
    for (size_t i = 0; (driver = fo_plugin_driver(plugin->info, i)).head; i++)
        if (!fo_strv_add(&file->wants[driver.kind], driver.head->name))
            return fo_error_oom(err);
    return FINOPS_OK;
}

/* Loaded and checked: into the list with it. */
static finops_code
register_plugin(look *l, fo_plugin_file *file, fo_plugin *plugin, finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code rc = note_names(file, plugin, err);
    unsigned came = (unsigned)(file->wants[FINOPS_KIND_DATABASE].n + file->wants[FINOPS_KIND_STORAGE].n);

    if (rc != FINOPS_OK)
        return rc;
    rc = fo_registry_add_plugin(l->registry, plugin, file->path, &why);
    if (rc == FINOPS_E_EXISTS)
        return leave_out(l, file, FO_PLUGIN_CLASH, finops_error_text(why), err);
    if (rc != FINOPS_OK)
        return fo_error_set(err, rc, "%s", finops_error_text(why));
    file->state = FO_PLUGIN_LOADED;
    l->changes += came > file->dropped ? came : file->dropped;
    return FINOPS_OK;
}

static finops_code
load(look *l, fo_plugin_file *file, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str problems = FO_STR_MAX(65536);
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    const fo_plugin_observer observer = { .problem = add_problem, .arg = &problems };
    fo_plugin *plugin = NULL;
    finops_code rc =
        fo_plugin_probe(file->path, FO_PLUGIN_PROBE_US, &l->registry->stopping, add_problem, &problems, &why);

    if (rc == FINOPS_OK)
        rc = fo_plugin_load(file->path, &observer, &plugin, &why);
    if (rc == FINOPS_E_MEMORY || rc == FINOPS_E_CANCELLED)
        return fo_error_set(err, rc, "%s", finops_error_text(why));
    if (rc != FINOPS_OK)
        return leave_out(
            l, file, FO_PLUGIN_BROKEN,
            problems.len > 0 && fo_str_ok(&problems) ? fo_str_z(&problems) : finops_error_text(why), err);
    rc = register_plugin(l, file, plugin, err);
    fo_plugin_unref(plugin); /* its entries have theirs */
    return rc;
}

static finops_code
admit(look *l, fo_plugin_file *file, finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code rc = fo_trust_file(file->path, &why);

    if (rc == FINOPS_E_MEMORY)
        return fo_error_oom(err);
    if (rc != FINOPS_OK)
        return leave_out(l, file, FO_PLUGIN_UNTRUSTED, finops_error_text(why), err);
    return load(l, file, err);
}

/* What was left out for a reason outside of the file may be fine by now. */
static bool
may_be_fine(finops_registry *r, const fo_plugin_file *file)
{
    if (file->state == FO_PLUGIN_UNTRUSTED)
        return fo_trust_file(file->path, NULL) == FINOPS_OK;
    return file->state == FO_PLUGIN_CLASH && fo_registry_names_are_free(r, file->wants);
}

static void
try_again(finops_registry *r)
{
    for (size_t i = 0; i < r->n_files; i++) {
        if (!r->files[i].seen || !may_be_fine(r, &r->files[i]))
            continue;
        r->files[i].dropped = fo_registry_drop_origin(r, r->files[i].path);
        r->files[i].state = FO_PLUGIN_NEW;
    }
}

static finops_code
look_around(look *l, finops_error **err)
{
    finops_registry *r = l->registry;
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; i < r->n_files; i++)
        r->files[i].seen = false;
    for (size_t i = 0; i < l->folders.n && rc == FINOPS_OK; i++)
        rc = see_folder(l, l->folders.items[i], err);
    if (rc != FINOPS_OK)
        return rc;
    drop_old(l);
    try_again(r);
    for (size_t i = 0; i < r->n_files && rc == FINOPS_OK; i++)
        if (r->files[i].state == FO_PLUGIN_NEW && r->files[i].seen)
            rc = admit(l, &r->files[i], err);
    return rc;
}

finops_code
finops_registry_discover(finops_registry *registry, const char *path, unsigned *ret_changes,
                         finops_error **err)
{
    look l = { .registry = registry };
    finops_code rc;

    if (!registry || !path)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "look for plugins: no registry or no path");
    rc = fo_plugin_folders(path, &l.folders, err);
    if (rc == FINOPS_OK) {
        (void)pthread_mutex_lock(&registry->discovery);
        rc = look_around(&l, err);
        (void)pthread_mutex_unlock(&registry->discovery);
    }
    if (rc == FINOPS_OK && l.trouble)
        rc = fo_error_set(err, finops_error_code(l.trouble), "%s", finops_error_text(l.trouble));
    if (rc == FINOPS_OK && ret_changes)
        *ret_changes = l.changes;
    finops_error_free(l.trouble);
    fo_strv_done(&l.folders);
    return rc;
}
