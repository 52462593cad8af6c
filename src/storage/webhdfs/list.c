/* Listings: the folders behind storage/tree.h, in pages where the server gives them. */
#include <string.h>

#include "base/mem.h"
#include "storage/object.h"
#include "storage/tree.h"
#include "storage/webhdfs/driver_internal.h"

/* False ends it. */
typedef finops_code (*each_entry)(const char *name, const wh_status *st, bool *ret_more, void *arg,
                                  finops_error **err);

/* ---- a folder's names ---- */

static finops_code
tell_page(const json_t *statuses, const char *path, each_entry each, void *arg, bool *ret_more,
          const char **ret_last, finops_error **err)
{
    const json_t *all = json_object_get(json_object_get(statuses, "FileStatuses"), "FileStatus");
    finops_code rc = FINOPS_OK;

    if (!json_is_array(all))
        return fo_error_set(err, FINOPS_E_CORRUPT, "webhdfs LISTSTATUS %s: no list came", path);
    for (size_t i = 0; i < json_array_size(all) && *ret_more && rc == FINOPS_OK; i++) {
        const json_t *one = json_array_get(all, i);
        const char *name = json_string_value(json_object_get(one, "pathSuffix"));
        wh_status st;

        if (!name || !wh_status_of(one, &st))
            return fo_error_set(err, FINOPS_E_CORRUPT, "webhdfs LISTSTATUS %s: the list makes no sense",
                                path);
        if (!name[0]) /* of itself: it is a file */
            return fo_error_set(err, FINOPS_E_NOT_FOUND, "%s is no folder", path);
        *ret_last = name;
        rc = each(name, &st, ret_more, arg, err);
    }
    return rc;
}

static finops_code
read_whole(wh_storage *s, const char *path, const finops_call *call, each_entry each, void *arg,
           finops_error **err)
{
    const wh_request r = { .method = "GET", .op = "LISTSTATUS", .path = path, .call = call };
    const char *last = NULL;
    WH_JSON json = NULL;
    bool more = true;
    finops_code rc = wh_ask(s, &r, &json, err);

    return rc == FINOPS_OK ? tell_page(json, path, each, arg, &more, &last, err) : rc;
}

/* One page; *after is where the next begins, NULL: there is none. */
static finops_code
read_page(wh_storage *s, const char *path, const finops_call *call, each_entry each, void *arg, char **after,
          finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str query = FO_STR_INIT;
    wh_request r = { .method = "GET", .op = "LISTSTATUS_BATCH", .path = path, .call = call };
    const json_t *listing;
    const char *last = NULL;
    WH_JSON json = NULL;
    bool more = true;
    finops_code rc;

    fo_str_add(&query, "&startAfter=");
    fo_url_escape(&query, *after ? *after : "", false);
    r.query = fo_str_z(&query);
    rc = wh_ask(s, &r, &json, err);
    if (rc != FINOPS_OK)
        return rc;
    listing = json_object_get(json, "DirectoryListing");
    rc = tell_page(json_object_get(listing, "partialListing"), path, each, arg, &more, &last, err);
    fo_free(*after);
    *after = NULL;
    if (rc != FINOPS_OK || !more || !last ||
        json_integer_value(json_object_get(listing, "remainingEntries")) <= 0)
        return rc;
    *after = fo_strdup(last);
    return *after ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
folder_read(wh_storage *s, const char *path, const finops_call *call, each_entry each, void *arg,
            finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    FO_AUTO(fo_freep) char *after = NULL;
    finops_code rc = FINOPS_OK;

    if (atomic_load(&s->no_batch))
        return read_whole(s, path, call, each, arg, err);
    do
        rc = read_page(s, path, call, each, arg, &after, &why);
    while (rc == FINOPS_OK && after);
    if (!after &&
        (rc == FINOPS_E_ARGUMENT || rc == FINOPS_E_UNSUPPORTED)) { /* an operation it does not know */
        atomic_store(&s->no_batch, true);
        return read_whole(s, path, call, each, arg, err);
    }
    if (rc != FINOPS_OK && err)
        *err = FO_TAKE(why);
    return rc;
}

/* As the above; what is not there has no names. */
static finops_code
folder_read_any(wh_storage *s, const char *path, const finops_call *call, each_entry each, void *arg,
                finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code rc = folder_read(s, path, call, each, arg, &why);

    if (rc == FINOPS_E_NOT_FOUND)
        return FINOPS_OK;
    if (rc != FINOPS_OK && err)
        *err = FO_TAKE(why);
    return rc;
}

/* ---- the tree ---- */

typedef struct lister {
    wh_storage *s;
    const finops_call *call;
    char version[WH_VERSION_TEXT];
} lister;

static finops_code
tree_enter(void *arg, void *parent, const char *path, void **ret, finops_error **err)
{
    const lister *s = arg;

    (void)parent;
    *ret = wh_path(s->s, path);
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

static void
tree_leave(void *arg, void *folder)
{
    (void)arg;
    fo_free(folder);
}

static finops_code
add_name(const char *name, const wh_status *st, bool *ret_more, void *arg, finops_error **err)
{
    (void)ret_more;
    return fo_tree_name(arg, name, st->is_folder, st, err);
}

static finops_code
tree_names(void *arg, void *folder, fo_tree_names *to, finops_error **err)
{
    const lister *s = arg;

    return folder_read_any(s->s, folder, s->call, add_name, to, err);
}

static finops_code
tree_look(void *arg, void *folder, const char *name, const void *note, finops_object *ret, bool *ret_is,
          finops_error **err)
{
    lister *s = arg;
    wh_status st;

    (void)folder, (void)name, (void)err;
    memcpy(&st, note, sizeof(st));
    *ret_is = st.is_file;
    *ret = wh_object(ret->key, &st, s->version);
    return FINOPS_OK;
}

/* Folders still to be looked into for a file. */
typedef struct search {
    const char *path;
    fo_strv folders;
    bool found;
} search;

static finops_code
search_entry(const char *name, const wh_status *st, bool *ret_more, void *arg, finops_error **err)
{
    search *w = arg;

    if (fo_file_is_hidden(name))
        return FINOPS_OK;
    w->found = st->is_file;
    *ret_more = !w->found;
    if (!st->is_folder)
        return FINOPS_OK;
    return fo_strv_take(&w->folders, fo_format("%s/%s", w->path, name)) ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
tree_has_object(void *arg, void *folder, const char *path, bool *ret, finops_error **err)
{
    const lister *s = arg;
    search w = { .folders = FO_STRV_INIT };
    finops_code rc = fo_strv_take(&w.folders, wh_path(s->s, path)) ? FINOPS_OK : fo_error_oom(err);

    (void)folder;
    while (rc == FINOPS_OK && !w.found && w.folders.n > 0) { /* the last one first: depth before breadth */
        FO_AUTO(fo_freep) char *next = w.folders.items[--w.folders.n];

        w.path = next;
        rc = folder_read_any(s->s, next, s->call, search_entry, &w, err);
    }
    fo_strv_done(&w.folders);
    if (rc == FINOPS_OK)
        *ret = w.found;
    return rc;
}

finops_code
wh_list(void *self, const finops_list *list, finops_each_object each, void *arg, finops_error **err)
{
    lister s = { .s = self, .call = list->call };
    const fo_tree tree = { .arg = &s,
                           .note_size = sizeof(wh_status),
                           .names_max = FO_TREE_NAMES_MAX,
                           .enter = tree_enter,
                           .leave = tree_leave,
                           .names = tree_names,
                           .look = tree_look,
                           .has_object = tree_has_object };

    return fo_tree_list(&tree, list, each, arg, err);
}

/* ---- sweep ---- */

typedef struct sweeper {
    wh_storage *s;
    const char *prefix;
    int64_t before_us;
    finops_each_object each;
    void *arg;
    const char *path; /* of the folder's keys: "a/b/", "" */
    fo_strv folders;  /* still to visit, the same */
    fo_strv found;    /* paths to be removed */
} sweeper;

static finops_code
sweep_file(sweeper *s, const char *name, const wh_status *st, finops_error **err)
{
    FO_AUTO(fo_freep) char *key = NULL;
    finops_object object = { .size = st->size };
    const char *target;

    if (!st->is_file || !fo_file_temporary_parse(name, &object.modified_us, &target) ||
        object.modified_us >= s->before_us)
        return FINOPS_OK;
    key = fo_format("%s%s", s->path, target);
    if (!key)
        return fo_error_oom(err);
    object.key = key;
    if (!fo_starts(key, s->prefix) && !(strlen(name) == FO_FILE_NAME_MAX && fo_starts(s->prefix, key)))
        return FINOPS_OK;
    if (s->each && !s->each(&object, s->arg))
        return FINOPS_OK;
    return fo_strv_take(&s->found, fo_format("%s/%s%s", s->s->folder, s->path, name)) ? FINOPS_OK
                                                                                      : fo_error_oom(err);
}

static finops_code
sweep_entry(const char *name, const wh_status *st, bool *ret_more, void *arg, finops_error **err)
{
    sweeper *s = arg;
    char *below;

    (void)ret_more;
    if (fo_file_is_hidden(name))
        return sweep_file(s, name, st, err);
    if (!st->is_folder)
        return FINOPS_OK;
    below = fo_format("%s%s/", s->path, name);
    if (below && !fo_starts(below, s->prefix) && !fo_starts(s->prefix, below)) {
        fo_free(below);
        return FINOPS_OK;
    }
    return fo_strv_take(&s->folders, below) ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
sweep_folder(sweeper *s, const char *below, const finops_call *call, finops_error **err)
{
    FO_AUTO(fo_freep) char *key = fo_strndup(below, strlen(below) - (below[0] != '\0'));
    FO_AUTO(fo_freep) char *path = key ? wh_path(s->s, key) : NULL;
    finops_code rc;

    if (!path)
        return fo_error_oom(err);
    s->path = below;
    rc = folder_read_any(s->s, path, call, sweep_entry, s, err);
    while (rc == FINOPS_OK && s->found.n > 0) {
        FO_AUTO(fo_freep) char *found = s->found.items[--s->found.n];

        rc = wh_delete(s->s, found, call, err);
    }
    return rc;
}

finops_code
wh_sweep(void *self, const char *prefix, int64_t begun_before_us, const finops_call *call,
         finops_each_object each, void *arg, finops_error **err)
{
    sweeper s = { .s = self, .prefix = prefix, .before_us = begun_before_us, .each = each, .arg = arg };
    finops_code rc = fo_strv_add(&s.folders, "") ? FINOPS_OK : fo_error_oom(err);

    while (rc == FINOPS_OK && s.folders.n > 0) {
        FO_AUTO(fo_freep) char *below = s.folders.items[--s.folders.n];

        rc = sweep_folder(&s, below, call, err);
    }
    fo_strv_done(&s.folders);
    fo_strv_done(&s.found);
    return rc;
}
