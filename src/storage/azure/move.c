/*
 * Moves of accounts with folders: atomic, and the one thing here that only their own service can.
 * https://learn.microsoft.com/rest/api/storageservices/datalakestoragegen2/path/create
 */
#include <string.h>

#include "base/mem.h"
#include "storage/azure/azure_internal.h"
#include "storage/file_key.h"

/* Where it comes from: "/container/key", with what lets us read it. */
static finops_code
add_source(const azure_storage *s, const char *key, fo_headers *h, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(AZURE_TEXT_MAX);
    finops_code rc = fo_file_key_check(key, err);

    if (rc != FINOPS_OK)
        return rc;
    fo_str_addf(&text, "/%s/", s->container);
    fo_url_escape(&text, s->prefix, true);
    fo_url_escape(&text, key, true);
    if (s->auth->kind == AZURE_BY_SAS)
        fo_str_addf(&text, "?%s", s->auth->sas);
    rc = fo_str_check(&text, err);
    if (rc == FINOPS_OK)
        fo_headers_addf(h, "x-ms-rename-source", "%s", text.data);
    return rc;
}

static finops_code
rename_once(azure_storage *s, const finops_copy *move, char code[64], finops_error **err)
{
    /* Once: done a second time it would find nothing to rename. */
    FO_AUTO(azure_request_done)
    azure_request r = {
        .method = "PUT", .key = move->to, .dfs = true, .once = true, .has_body = true, .call = move->call
    };
    finops_code rc = add_source(s, move->from, &r.headers, err);

    if (rc != FINOPS_OK)
        return rc;
    if (move->create_only)
        fo_headers_add(&r.headers, "if-none-match", "*");
    fo_headers_add_version(&r.headers, "x-ms-source-if-match", move->if_version);
    rc = azure_send_only(s, &r, err);
    memcpy(code, r.code, sizeof(r.code));
    return rc;
}

/* The folder the target lies in; it may be there. */
static finops_code
make_parent(azure_storage *s, const finops_copy *move, finops_error **err)
{
    FO_AUTO(fo_freep) char *parent = fo_strdup(move->to);
    char *slash = parent ? strrchr(parent, '/') : NULL;
    azure_request r = {
        .method = "PUT", .query = "resource=directory", .dfs = true, .has_body = true, .call = move->call
    };
    finops_code rc;

    if (!parent)
        return fo_error_oom(err);
    /* Without one it is the folder of the prefix. */
    parent[slash ? slash - parent : 0] = '\0';
    r.key = parent;
    fo_headers_add(&r.headers, "if-none-match", "*");
    rc = azure_send_only(s, &r, err);
    azure_request_done(&r);
    return rc;
}

finops_code
azure_move(void *self, const finops_copy *move, finops_error **err)
{
    azure_storage *s = self;
    finops_error *why = NULL;
    char code[64] = "";
    finops_code rc;

    if (!s->dfs)
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "azure moves at once in accounts with folders only");
    if (fo_streq(move->from, move->to))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "%s cannot be moved onto itself", move->from);
    rc = rename_once(s, move, code, &why);
    if (strcmp(code, "RenameDestinationParentPathNotFound") == 0) {
        finops_error_freep(&why);
        rc = make_parent(s, move, &why);
        if (rc == FINOPS_OK || rc == FINOPS_E_EXISTS || rc == FINOPS_E_PRECONDITION) {
            finops_error_freep(&why);
            rc = rename_once(s, move, code, &why);
        }
    }
    if (rc == FINOPS_E_PRECONDITION && move->create_only && strcmp(code, "ConditionNotMet") == 0)
        rc = fo_error_wrap(&why, FINOPS_E_EXISTS, "it exists");
    if (rc != FINOPS_OK && err)
        *err = why;
    else
        finops_error_free(why);
    return rc;
}
