/* Folder by folder, the last one that was found first: depth before breadth. */
#include "storage/visit.h"

#include <string.h>

#include "base/mem.h"
#include "storage/file_key.h"

/* ---- what is left over ---- */

bool
fo_sweep_enters(const fo_sweep *s, const char *folder)
{
    return fo_starts(folder, s->prefix) || fo_starts(s->prefix, folder);
}

/* Whether the key it was to get begins with the prefix, as far as the name has room for it. */
static bool
was_to_begin(const fo_sweep *s, const char *key, const char *name)
{
    return fo_starts(key, s->prefix) || (strlen(name) == FO_FILE_NAME_MAX && fo_starts(s->prefix, key));
}

finops_code
fo_sweep_key(const fo_sweep *s, const char *folder, const char *name, char **ret_key, int64_t *ret_begun_us,
             finops_error **err)
{
    FO_AUTO(fo_freep) char *key = NULL;
    const char *target;

    if (!fo_file_temporary_parse(name, ret_begun_us, &target) || *ret_begun_us >= s->before_us)
        return FINOPS_OK;
    key = fo_format("%s%s", folder, target);
    if (!key)
        return fo_error_oom(err);
    if (was_to_begin(s, key, name))
        *ret_key = FO_TAKE(key);
    return FINOPS_OK;
}

/* ---- walks ---- */

struct fo_visitor {
    const fo_sweep *sweep; /* NULL: it is a file that is looked for */
    const char *folder;    /* whose names come: "a/b/", or "" */
    fo_strv folders;       /* still to be visited, the same */
    fo_strv left;          /* keys of files to be removed */
    bool found;
};

static void
visitor_done(fo_visitor *v)
{
    fo_strv_done(&v->folders);
    fo_strv_done(&v->left);
}

static finops_code
note_left(fo_visitor *v, const char *name, int64_t size, finops_error **err)
{
    FO_AUTO(fo_freep) char *key = NULL;
    finops_object object = { .size = size };
    finops_code rc = fo_sweep_key(v->sweep, v->folder, name, &key, &object.modified_us, err);

    object.key = key;
    if (rc != FINOPS_OK || !key || (v->sweep->each && !v->sweep->each(&object, v->sweep->arg)))
        return rc;
    return fo_strv_take(&v->left, fo_format("%s%s", v->folder, name)) ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
note_folder(fo_visitor *v, const char *name, finops_error **err)
{
    FO_AUTO(fo_freep) char *below = fo_format("%s%s/", v->folder, name);

    if (!below)
        return fo_error_oom(err);
    if (v->sweep && !fo_sweep_enters(v->sweep, below))
        return FINOPS_OK;
    return fo_strv_take(&v->folders, FO_TAKE(below)) ? FINOPS_OK : fo_error_oom(err);
}

finops_code
fo_visit_name(fo_visitor *v, const char *name, fo_visit_kind kind, int64_t size, bool *ret_more,
              finops_error **err)
{
    if (fo_file_is_hidden(name))
        return v->sweep && kind == FO_VISIT_FILE ? note_left(v, name, size, err) : FINOPS_OK;
    v->found = !v->sweep && (kind == FO_VISIT_FILE || kind == FO_VISIT_LINK);
    *ret_more = !v->found;
    return kind == FO_VISIT_FOLDER ? note_folder(v, name, err) : FINOPS_OK;
}

/* The next folder; one that is gone has no names. */
static finops_code
visit_next(const fo_visit *visit, fo_visitor *v, finops_error **err)
{
    FO_AUTO(fo_freep) char *next = v->folders.items[--v->folders.n];
    FO_AUTO(fo_freep) char *folder = fo_strndup(next, strlen(next) - (next[0] != '\0'));
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code rc;

    if (!folder)
        return fo_error_oom(err);
    v->folder = next;
    rc = visit->names(visit->arg, folder, v, &why);
    if (rc == FINOPS_E_DENIED && !v->sweep)
        v->found = true; /* who knows */
    if (rc == FINOPS_E_NOT_FOUND || v->found)
        return FINOPS_OK;
    if (rc != FINOPS_OK && err)
        *err = FO_TAKE(why);
    return rc;
}

finops_code
fo_visit_has_file(const fo_visit *visit, const char *folder, bool *ret, finops_error **err)
{
    FO_AUTO(visitor_done) fo_visitor v = { 0 };
    finops_code rc = fo_strv_take(&v.folders, fo_format("%s/", folder)) ? FINOPS_OK : fo_error_oom(err);

    while (rc == FINOPS_OK && !v.found && v.folders.n > 0)
        rc = visit_next(visit, &v, err);
    if (rc == FINOPS_OK)
        *ret = v.found;
    return rc;
}

finops_code
fo_visit_sweep(const fo_visit *visit, const fo_sweep *sweep, finops_error **err)
{
    FO_AUTO(visitor_done) fo_visitor v = { .sweep = sweep };
    finops_code rc = fo_strv_add(&v.folders, "") ? FINOPS_OK : fo_error_oom(err);

    while (rc == FINOPS_OK && v.folders.n > 0) {
        rc = visit_next(visit, &v, err);
        while (rc == FINOPS_OK && v.left.n > 0) {
            FO_AUTO(fo_freep) char *key = v.left.items[--v.left.n];

            rc = visit->remove(visit->arg, key, err);
        }
    }
    return rc;
}
