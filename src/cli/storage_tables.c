/* The option tables of the storage drivers and layers that are built in, for the pages of the configuration.
 */
#include "cli/storage_tables.h"

#include "base/mem.h"
#include "builtins.h"
#include "config/config.h"
#include "storage/stage.h"

#define TABLES_MAX 32

typedef struct tables {
    fo_config_table drivers[TABLES_MAX], layers[TABLES_MAX];
    fo_config_storages storages;
} tables;

static void
tables_fill(tables *t)
{
    size_t n = 0, m = 0;

    for (; fo_storage_builtin[n] && n < TABLES_MAX; n++)
        t->drivers[n] = (fo_config_table){ fo_storage_builtin[n]->name, fo_storage_builtin[n]->summary,
                                           fo_storage_builtin[n]->options };
    for (; fo_layers[m] && m < TABLES_MAX; m++)
        t->layers[m] = (fo_config_table){ .name = fo_layers[m]->name, .options = fo_layers[m]->options };
    t->storages = (fo_config_storages){ t->drivers, n, t->layers, m };
}

finops_code
fo_storage_tables_schema(fo_str *ret, finops_error **err)
{
    tables t;

    tables_fill(&t);
    return fo_config_schema(&t.storages, ret, err);
}

finops_code
fo_storage_tables_reference(fo_str *ret, finops_error **err)
{
    tables t;

    tables_fill(&t);
    return fo_config_reference(&t.storages, ret, err);
}
