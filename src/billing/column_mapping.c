/* The user's file of columns that were given another name. */
#include "billing/column_mapping.h"

#include <assert.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "billing/names.h"
#include "config/toml.h"

#define FILE_MAX ((size_t)1 << 20)
#define SECTION "columns"

void
fo_column_mapping_done(fo_column_mapping *mapping)
{
    fo_strv_done(&mapping->from);
    fo_strv_done(&mapping->to);
}

static finops_code
read_entry(const char *path, const fo_node *entry, fo_column_mapping *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;

    if (entry->type != FO_NODE_TEXT || !entry->text || !*entry->text || !*entry->key)
        return fo_error_set(err, FINOPS_E_CONFIG, "%s:%u: %s: the name of a column is missing", path,
                            entry->line, entry->key);
    finops_code rc = fo_bill_column_name(entry->text, &name, err);
    if (rc != FINOPS_OK)
        return rc;
    if (strcmp(fo_str_z(&name), entry->text) != 0)
        return fo_error_set(err, FINOPS_E_CONFIG, "%s:%u: %s: a column is not called %s but %s", path,
                            entry->line, entry->key, entry->text, fo_str_z(&name));
    bool ok = fo_strv_add(&ret->from, entry->key) && fo_strv_add(&ret->to, entry->text);
    return ok ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
read_tree(const char *path, const fo_node *root, fo_column_mapping *ret, finops_error **err)
{
    const fo_node *columns = fo_node_find(root, SECTION);
    finops_code rc = FINOPS_OK;

    for (const fo_node *n = root->first; n; n = n->next)
        if (n != columns)
            return fo_error_set(err, FINOPS_E_CONFIG, "%s:%u: %s: there is nothing but [" SECTION "]", path,
                                n->line, n->key);
    if (!columns || columns->type != FO_NODE_MAP)
        return fo_error_set(err, FINOPS_E_CONFIG, "%s: no [" SECTION "]", path);
    for (const fo_node *n = columns->first; rc == FINOPS_OK && n; n = n->next)
        rc = read_entry(path, n, ret, err);
    return rc;
}

finops_code
fo_column_mapping_read(const char *path, fo_column_mapping *ret, finops_error **err)
{
    FO_AUTO(fo_column_mapping_done) fo_column_mapping mapping = { 0 };
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(FILE_MAX);
    FO_AUTO(fo_node_freep) fo_node *root = NULL;
    fo_toml_problem problem;

    assert(path && ret);
    finops_code rc = fo_file_read(path, FILE_MAX, &text, err);
    if (rc != FINOPS_OK)
        return fo_error_wrap(err, rc == FINOPS_E_MEMORY ? rc : FINOPS_E_CONFIG, "read the column mapping");
    switch (fo_toml_read(fo_str_z(&text), text.len, &root, &problem)) {
    case FO_TOML_OK:
        break;
    case FO_TOML_MEMORY:
        return fo_error_oom(err);
    default:
        return fo_error_set(err, FINOPS_E_CONFIG, "%s:%u: %s", path, problem.line, problem.message);
    }
    rc = read_tree(path, root, &mapping, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret = mapping;
    mapping = (fo_column_mapping){ 0 };
    return FINOPS_OK;
}

finops_code
fo_column_mapping_apply(const char *path, fo_colnames *names, finops_error **err)
{
    FO_AUTO(fo_column_mapping_done) fo_column_mapping mapping = { 0 };

    if (!path)
        return FINOPS_OK;
    finops_code rc = fo_column_mapping_read(path, &mapping, err);
    for (size_t i = 0; rc == FINOPS_OK && i < mapping.from.n; i++)
        rc = fo_colnames_rename(names, mapping.from.items[i], mapping.to.items[i], err);
    return rc == FINOPS_OK ? rc : fo_error_wrap(err, rc, "column mapping");
}
