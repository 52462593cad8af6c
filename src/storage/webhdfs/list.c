/* Listings: the folders behind storage/tree.h, in pages where the server gives them. */
#include <string.h>

#include "base/mem.h"
#include "storage/object.h"
#include "storage/tree.h"
#include "storage/visit.h"
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
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code rc = folder_read(s->s, folder, s->call, add_name, to, &why);

    if (rc == FINOPS_E_NOT_FOUND) /* it is gone meanwhile */
        return FINOPS_OK;
    if (rc != FINOPS_OK && err)
        *err = FO_TAKE(why);
    return rc;
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

/* ---- walks without an order ---- */

static finops_code
visit_entry(const char *name, const wh_status *st, bool *ret_more, void *arg, finops_error **err)
{
    fo_visit_kind kind = st->is_file ? FO_VISIT_FILE : st->is_folder ? FO_VISIT_FOLDER : FO_VISIT_OTHER;

    return fo_visit_name(arg, name, kind, st->size, ret_more, err);
}

static finops_code
visit_names(void *arg, const char *folder, fo_visitor *to, finops_error **err)
{
    const lister *s = arg;
    FO_AUTO(fo_freep) char *path = wh_path(s->s, folder);

    return path ? folder_read(s->s, path, s->call, visit_entry, to, err) : fo_error_oom(err);
}

static finops_code
visit_remove(void *arg, const char *key, finops_error **err)
{
    const lister *s = arg;
    FO_AUTO(fo_freep) char *path = wh_path(s->s, key);

    return path ? wh_delete(s->s, path, s->call, err) : fo_error_oom(err);
}

static finops_code
tree_has_object(void *arg, void *folder, const char *path, bool *ret, finops_error **err)
{
    const fo_visit visit = { .arg = arg, .names = visit_names };

    (void)folder;
    return fo_visit_has_file(&visit, path, ret, err);
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

finops_code
wh_sweep(void *self, const char *prefix, int64_t begun_before_us, const finops_call *call,
         finops_each_object each, void *arg, finops_error **err)
{
    lister s = { .s = self, .call = call };
    const fo_visit visit = { .arg = &s, .names = visit_names, .remove = visit_remove };
    const fo_sweep sweep = { prefix, begun_before_us, each, arg };

    return fo_visit_sweep(&visit, &sweep, err);
}
