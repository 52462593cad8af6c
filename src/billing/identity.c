/* Which export of the state a discovered export is. */
#include "billing/identity.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "billing/names.h"

void
fo_identity_done(fo_identity *identity)
{
    fo_free(identity->export_name);
    fo_free(identity->table_base);
    fo_free(identity->warning);
    *identity = (fo_identity){ 0 };
}

static finops_code
identity_base(const char *export_name, char **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str base = FO_STR_INIT;
    finops_code rc = fo_bill_table_base(export_name, &base, err);

    if (rc != FINOPS_OK)
        return rc;
    *ret = fo_str_take(&base);
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

/*
 * Whether another export has the name or the table name. A row without source is one of the earlier tool: it
 * belongs to whoever comes first with its name.
 */
static finops_code
identity_clash(const char *name, const char *uri, const char *export_name, const char *source_uri,
               const char *base, bool *ret_mine, const char **ret_other, finops_error **err)
{
    FO_AUTO(fo_freep) char *other_base = NULL;
    bool same_name = strcmp(name, export_name) == 0;

    if (same_name && !uri)
        return FINOPS_OK;
    if (same_name && strcmp(uri, source_uri) == 0) {
        *ret_mine = true;
        return FINOPS_OK;
    }
    finops_code rc = identity_base(name, &other_base, err);
    if (rc == FINOPS_OK && (same_name || strcmp(other_base, base) == 0))
        *ret_other = same_name ? uri : name;
    return rc;
}

static finops_code
identity_find_clash(const fo_rows *known, const fo_strv *met, const char *export_name, const char *source_uri,
                    const char *base, const char **ret_other, finops_error **err)
{
    bool mine = false;
    const char *other = NULL;
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; rc == FINOPS_OK && i < (known ? fo_rows_count(known) : 0); i++)
        rc = identity_clash(fo_rows_text(known, i, 0), fo_rows_text(known, i, 1), export_name, source_uri,
                            base, &mine, &other, err);
    for (size_t i = 0; rc == FINOPS_OK && i + 1 < met->n; i += 2)
        rc = identity_clash(met->items[i], met->items[i + 1], export_name, source_uri, base, &mine, &other,
                            err);
    *ret_other = mine ? NULL : other;
    return rc;
}

/* Once kept apart, an export stays so, also when the other one is gone. */
static bool
identity_was_apart(const fo_rows *known, const char *suffixed, const char *source_uri)
{
    for (size_t i = 0; i < (known ? fo_rows_count(known) : 0); i++)
        if (fo_streq(fo_rows_text(known, i, 0), suffixed) && fo_streq(fo_rows_text(known, i, 1), source_uri))
            return true;
    return false;
}

/* Room for "_" and six digits within the 50 characters of a table name's first part. */
static finops_code
identity_suffixed_base(const char *base, const char *export_name, char **ret, finops_error **err)
{
    size_t n = strlen(base);

    *ret = fo_format("%.*s%s", (int)(n > 43 ? 43 : n), base, export_name + strlen(export_name) - 7);
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

finops_code
fo_identity_resolve(const fo_rows *known, fo_strv *met, const char *export_name, const char *source_uri,
                    fo_identity *ret, finops_error **err)
{
    FO_AUTO(fo_identity_done) fo_identity id = { 0 };
    FO_AUTO(fo_str_done) fo_str suffixed = FO_STR_INIT;
    FO_AUTO(fo_freep) char *base = NULL;
    const char *other = NULL;

    assert(met && export_name && source_uri && ret);
    finops_code rc = identity_base(export_name, &base, err);
    if (rc == FINOPS_OK)
        rc = identity_find_clash(known, met, export_name, source_uri, base, &other, err);
    if (rc == FINOPS_OK)
        rc = fo_bill_suffixed(export_name, source_uri, &suffixed, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!other && identity_was_apart(known, fo_str_z(&suffixed), source_uri))
        other = "another source";
    id.export_name = fo_strdup(other ? fo_str_z(&suffixed) : export_name);
    if (other)
        id.warning = fo_format("export %s of %s is not the one of %s; it is kept apart as %s", export_name,
                               source_uri, other, id.export_name ? id.export_name : "");
    if (!id.export_name || (other && !id.warning))
        return fo_error_oom(err);
    if (other) {
        rc = identity_suffixed_base(base, id.export_name, &id.table_base, err);
        if (rc != FINOPS_OK)
            return rc;
    } else {
        id.table_base = FO_TAKE(base);
    }
    if (!fo_strv_add(met, id.export_name) || !fo_strv_add(met, source_uri))
        return fo_error_oom(err);
    *ret = id;
    id = (fo_identity){ 0 };
    return FINOPS_OK;
}
