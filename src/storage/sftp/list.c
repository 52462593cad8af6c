/* Listings: the folders behind storage/tree.h. Several requests for names are on their way at once. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "storage/object.h"
#include "storage/sftp/driver_internal.h"
#include "storage/tree.h"
#include "storage/visit.h"

#define AHEAD 4

/* ---- folders ---- */

static bool
is_dots(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* The names of one answer. A name that holds a NUL or a '/' is no name. */
static finops_code
tell_names(sf_view *v, uint32_t count, const char *path, sf_each_entry each, bool *ret_more, void *arg,
           finops_error **err)
{
    while (count-- > 0 && *ret_more) {
        char name[FO_FILE_NAME_MAX + 1];
        sf_entry entry = { .name = name };
        size_t n, skipped;
        const char *text = sf_take_bytes(v, &n);
        finops_code rc;

        (void)sf_take_bytes(v, &skipped);
        sf_take_attrs(v, &entry.attrs);
        if (v->bad)
            return fo_error_set(err, FINOPS_E_CORRUPT, "list %s: the server's answer makes no sense", path);
        if (n == 0 || n > FO_FILE_NAME_MAX || memchr(text, '\0', n) || memchr(text, '/', n))
            continue;
        memcpy(name, text, n);
        name[n] = '\0';
        if (is_dots(name))
            continue;
        rc = each(&entry, ret_more, arg, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    return FINOPS_OK;
}

static finops_code
read_names(sf_link *link, const sf_handle *handle, const char *path, const finops_call *call,
           sf_each_entry each, void *arg, finops_error **err)
{
    sf_request *asked[AHEAD] = { NULL };
    finops_code rc = FINOPS_OK;
    bool more = true;

    for (unsigned i = 0; rc == FINOPS_OK && i < AHEAD; i++)
        rc = sf_send_handle(link, SFTP_READDIR, handle, &asked[i], err);
    for (unsigned i = 0; rc == FINOPS_OK && more; i = (i + 1) % AHEAD) {
        sf_view v = { 0 };
        uint32_t count = 0;

        rc = sf_wait(asked[i], call, err);
        if (rc == FINOPS_OK)
            rc = sf_result_names(asked[i], "list", path, &v, &count, err);
        more = rc == FINOPS_OK && count > 0;
        if (more)
            rc = tell_names(&v, count, path, each, &more, arg, err);
        sf_request_dropp(&asked[i]);
        if (rc == FINOPS_OK && more)
            rc = sf_send_handle(link, SFTP_READDIR, handle, &asked[i], err);
    }
    for (unsigned i = 0; i < AHEAD; i++)
        sf_request_drop(asked[i]);
    return rc;
}

finops_code
sf_folder_read(sf_storage *s, sf_link *link, const char *key, const finops_call *call, sf_each_entry each,
               void *arg, finops_error **err)
{
    FO_AUTO(fo_freep) char *path = sf_path(s, key);
    FO_AUTO(sf_request_dropp) sf_request *opening = NULL;
    FO_AUTO(sf_request_dropp) sf_request *closing = NULL;
    sf_handle handle;
    finops_code rc = path ? sf_send_path(link, SFTP_OPENDIR, path, &opening, err) : fo_error_oom(err);

    if (rc == FINOPS_OK)
        rc = sf_wait(opening, call, err);
    if (rc == FINOPS_OK)
        rc = sf_result_handle(opening, "list", path, &handle, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = read_names(link, &handle, path, call, each, arg, err);
    if (sf_send_handle(link, SFTP_CLOSE, &handle, &closing, NULL) == FINOPS_OK)
        sf_link_flush(link);
    return rc;
}

/* ---- the tree ---- */

typedef struct note {
    sf_attrs attrs;
} note;

typedef struct lister {
    sf_storage *s;
    sf_lease *lease;
    const finops_call *call;
    char version[SFTP_VERSION_TEXT];
} lister;

/* A folder is its path; whether it is there shows when its names are asked for. */
static finops_code
tree_enter(void *arg, void *parent, const char *path, void **ret, finops_error **err)
{
    const lister *s = arg;
    FO_AUTO(fo_freep) char *below = fo_format("%s/x", path);

    if (!below)
        return fo_error_oom(err);
    if (!parent && path[0]) { /* those below another were listed as folders, and are no links */
        finops_code rc = sf_folders_check(s->s, s->lease->link, below, false, s->call, err);

        if (rc == FINOPS_E_NOT_FOUND || rc == FINOPS_E_DENIED) {
            if (err)
                finops_error_freep(err);
            return FINOPS_OK;
        }
        if (rc != FINOPS_OK)
            return rc;
    }
    *ret = fo_strdup(path);
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

static void
tree_leave(void *arg, void *folder)
{
    (void)arg;
    fo_free(folder);
}

static finops_code
add_name(const sf_entry *entry, bool *ret_more, void *arg, finops_error **err)
{
    const note kept = { entry->attrs };

    (void)ret_more;
    return fo_tree_name(arg, entry->name, S_ISDIR(entry->attrs.mode), &kept, err);
}

static finops_code
tree_names(void *arg, void *folder, fo_tree_names *to, finops_error **err)
{
    const lister *s = arg;
    finops_code rc = sf_folder_read(s->s, s->lease->link, folder, s->call, add_name, to, err);

    if (rc != FINOPS_E_NOT_FOUND)
        return rc;
    if (err)
        finops_error_freep(err);
    return FINOPS_OK;
}

/* A link to a file outside is told of, too, so that nobody takes it for missing: reading it says what is
 * wrong. */
static finops_code
look_link(const lister *s, const char *key, sf_attrs *a, bool *ret_is, finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code rc = sf_look_through(s->s, s->lease->link, key, s->call, a, &why);

    *ret_is = rc == FINOPS_OK && S_ISREG(a->mode);
    if (*ret_is)
        rc = sf_link_check(s->s, s->lease->link, key, s->call, &why);
    if (rc == FINOPS_E_DENIED)
        a->known = 0;
    if (rc == FINOPS_OK || rc == FINOPS_E_DENIED || rc == FINOPS_E_NOT_FOUND || rc == FINOPS_E_IO)
        return FINOPS_OK; /* it leads nowhere, or round and round */
    if (err)
        *err = FO_TAKE(why);
    return rc;
}

static finops_code
tree_look(void *arg, void *folder, const char *name, const void *kept, finops_object *ret, bool *ret_is,
          finops_error **err)
{
    lister *s = arg;
    bool is;
    note n;
    finops_code rc = FINOPS_OK;

    (void)folder, (void)name;
    memcpy(&n, kept, sizeof(n));
    is = S_ISREG(n.attrs.mode);
    if (S_ISLNK(n.attrs.mode))
        rc = look_link(s, ret->key, &n.attrs, &is, err);
    if (rc == FINOPS_OK && is && n.attrs.known)
        *ret = sf_object(ret->key, &n.attrs, s->version);
    *ret_is = is;
    return rc;
}

/* ---- walks without an order ---- */

static fo_visit_kind
kind_of(const sf_attrs *a)
{
    return S_ISREG(a->mode)   ? FO_VISIT_FILE
           : S_ISDIR(a->mode) ? FO_VISIT_FOLDER
           : S_ISLNK(a->mode) ? FO_VISIT_LINK
                              : FO_VISIT_OTHER;
}

static finops_code
visit_entry(const sf_entry *entry, bool *ret_more, void *arg, finops_error **err)
{
    return fo_visit_name(arg, entry->name, kind_of(&entry->attrs), (int64_t)entry->attrs.size, ret_more, err);
}

static finops_code
visit_names(void *arg, const char *folder, fo_visitor *to, finops_error **err)
{
    const lister *s = arg;

    return sf_folder_read(s->s, s->lease->link, folder, s->call, visit_entry, to, err);
}

static finops_code
visit_remove(void *arg, const char *key, finops_error **err)
{
    const lister *s = arg;
    FO_AUTO(fo_freep) char *path = sf_path(s->s, key);
    FO_AUTO(sf_request_dropp) sf_request *r = NULL;
    finops_code rc = path ? sf_send_path(s->lease->link, SFTP_REMOVE, path, &r, err) : fo_error_oom(err);

    if (rc == FINOPS_OK)
        rc = sf_wait(r, s->call, err);
    if (rc == FINOPS_OK && sf_status_of(r) != SFTP_FX_NO_SUCH_FILE)
        rc = sf_result(r, "remove", key, err);
    return rc;
}

static finops_code
tree_has_object(void *arg, void *folder, const char *path, bool *ret, finops_error **err)
{
    const fo_visit visit = { .arg = arg, .names = visit_names };

    (void)folder;
    return fo_visit_has_file(&visit, path, ret, err);
}

finops_code
sf_list(void *self, const finops_list *list, finops_each_object each, void *arg, finops_error **err)
{
    lister s = { .s = self, .call = list->call };
    const fo_tree tree = { .arg = &s,
                           .note_size = sizeof(note),
                           .names_max = FO_TREE_NAMES_MAX,
                           .enter = tree_enter,
                           .leave = tree_leave,
                           .names = tree_names,
                           .look = tree_look,
                           .has_object = tree_has_object };
    finops_code rc = fo_call_check(list->call, err);

    if (rc == FINOPS_OK)
        rc = sf_acquire(s.s, s.call, &s.lease, err);
    if (rc == FINOPS_OK)
        rc = fo_tree_list(&tree, list, each, arg, err);
    sf_release(s.s, s.lease);
    return rc;
}

finops_code
sf_sweep(void *self, const char *prefix, int64_t begun_before_us, const finops_call *call,
         finops_each_object each, void *arg, finops_error **err)
{
    lister s = { .s = self, .call = call };
    const fo_visit visit = { .arg = &s, .names = visit_names, .remove = visit_remove };
    const fo_sweep sweep = { prefix, begun_before_us, each, arg };
    finops_code rc = sf_acquire(s.s, call, &s.lease, err);

    if (rc == FINOPS_OK)
        rc = fo_visit_sweep(&visit, &sweep, err);
    sf_release(s.s, s.lease);
    return rc;
}
