/*
 * The list of all verbs. To add one: write src/cli/verb_<name>.c that defines `const fo_verb fo_verb_<name>`,
 * add the file to meson.build and a row here, where help should show it.
 */
#include "cli/cli.h"

/* clang-format off */
#define VERBS(row) \
    row(aws_import) \
    row(aws_list_exports) \
    row(aws_list_manifests) \
    row(aws_show_state) \
    row(aws_diff) \
    row(aws_reconcile) \
    row(aws_prune) \
    row(migrate) \
    row(load) \
    row(query) \
    row(report) \
    row(sample) \
    row(lake_snapshots) \
    row(lake_show) \
    row(lake_history) \
    row(lake_diff) \
    row(lake_tag) \
    row(lake_tags) \
    row(lake_untag) \
    row(lake_rollback) \
    row(lake_maintain) \
    row(lake_cleanup) \
    row(backends_list) \
    row(backends_describe) \
    row(backends_health) \
    row(backends_test) \
    row(backends_check) \
    row(backends_watch) \
    row(storage_backends) \
    row(storage_ls) \
    row(storage_stat) \
    row(storage_cat) \
    row(storage_get) \
    row(storage_put) \
    row(storage_cp) \
    row(storage_mv) \
    row(storage_rm) \
    row(storage_sync) \
    row(storage_sweep) \
    row(storage_du) \
    row(storage_presign) \
    row(storage_test) \
    row(storage_check) \
    row(audit_verify) \
    row(doctor) \
    row(config_show) \
    row(config_check) \
    row(config_schema) \
    row(completion) \
    row(help) \
    row(version) \
    row(manual)
/* clang-format on */

#define DECLARE(name) extern const fo_verb fo_verb_##name;
#define ENTRY(name) &fo_verb_##name,

VERBS(DECLARE)

const fo_verb *const fo_verbs[] = { VERBS(ENTRY) NULL };
