/* What the verbs of `finops backends` share. */
#ifndef FO_CLI_BACKENDS_H
#define FO_CLI_BACKENDS_H

#include "base/str.h"
#include "cli/cli.h"
#include "finops/database.h"
#include "registry/registry.h"

/* A registry with the built-in drivers and the plugins of [database] plugin_path. */
finops_code fo_backends_registry(const fo_cli *cli, finops_registry **ret, finops_error **err);
/* The folders plugins are looked for in. */
finops_code fo_backends_path(const fo_cli *cli, fo_str *ret, finops_error **err);

const char *fo_backends_status_name(finops_driver_status status); /* "ready", "broken" … */

/* "transactions, schemas, exact decimals"; capabilities as one line, appended. */
void fo_backends_features(uint64_t features, fo_str *ret);
const char *fo_backends_dialect_name(finops_dialect dialect);
/* What a driver can do, asked without connecting: with its configuration, or where that lacks something with
 * its defaults. False: it could not be opened. */
bool fo_backends_capabilities(const fo_cli *cli, finops_registry *registry, const char *name,
                              finops_capabilities *ret);

/* A copy of what is known of one driver, valid until done. */
typedef struct fo_backends_entry {
    char *name, *version, *summary, *origin, *problem; /* problem NULL: none */
    finops_driver_status status;
    unsigned handles;
    const finops_database_driver *driver; /* while the registry is unchanged */
} fo_backends_entry;

typedef struct fo_backends_list {
    fo_backends_entry *items;
    size_t n, cap;
    bool failed; /* no memory */
} fo_backends_list;

finops_code fo_backends_list_all(finops_registry *registry, fo_backends_list *ret, finops_error **err);
void fo_backends_list_done(fo_backends_list *list);
const fo_backends_entry *fo_backends_find(const fo_backends_list *list, const char *name); /* NULL: none */

/* The names of those that data goes to, each once; whether there are such is not looked at. */
finops_code fo_backends_routed(const fo_cli *cli, fo_strv *ret, finops_error **err);

#endif
