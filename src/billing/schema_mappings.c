/* Which column of a month's files became which of the table. */
#include <jansson.h>

#include "base/mem.h"
#include "billing/schema.h"

static bool
add_input(const fo_bill_schema *schema, const fo_bill_input *input, json_t *ret)
{
    for (size_t i = 0; i < input->headers.n; i++)
        if (json_object_set_new(ret, input->headers.items[i],
                                json_string(schema->columns[input->targets[i]].name)) != 0)
            return false;
    return true;
}

/* Columns of other months that are called otherwise now: their names of old. */
static bool
add_renames(const fo_bill_schema *schema, const fo_colnames *names, json_t *ret)
{
    const char *from, *to;

    for (size_t i = 0; fo_colnames_renamed(names, i, &from, &to); i++)
        if (fo_bill_schema_find(schema, to) >= 0 && !json_object_get(ret, from) &&
            json_object_set_new(ret, from, json_string(to)) != 0)
            return false;
    return true;
}

finops_code
fo_bill_schema_mappings(const fo_bill_schema *schema, const fo_colnames *names, char **ret,
                        finops_error **err)
{
    json_t *mappings = json_object();
    bool ok = mappings != NULL;

    *ret = NULL;
    for (size_t i = 0; ok && i < schema->n_inputs; i++)
        ok = add_input(schema, &schema->inputs[i], mappings);
    ok = ok && add_renames(schema, names, mappings);
    if (ok)
        *ret = json_dumps(mappings, JSON_COMPACT);
    json_decref(mappings);
    return *ret ? FINOPS_OK : fo_error_oom(err);
}
