/* finops backends watch: plugins as they come and go. */
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/backends.h"
#include "cli/cli_internal.h"

static const char *const config_keys[] = { "database.plugin_path", NULL };

/* Called from the registry's own thread: a line is one call of stdio, which locks. */
static void
event_print(finops_registry_event_kind kind, const finops_driver_info *info, void *arg)
{
    static const char *const names[] = { "added", "removed", "draining", "broken" };
    fo_cli *cli = arg;
    char now[FO_TIME_TEXT];

    (void)fo_time_format(fo_clock_now() / 1000 * 1000, now);
    (void)fprintf(cli->out, "%s %-8s %s%s%s, %s%s%s\n", now,
                  (size_t)kind < FO_COUNT(names) ? names[kind] : "changed", info->name,
                  info->version[0] ? " " : "", info->version, info->origin, info->problem ? ": " : "",
                  info->problem ? info->problem : "");
    (void)fflush(cli->out);
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    FO_AUTO(finops_registry_freep) finops_registry *registry = NULL;
    FO_AUTO(fo_str_done) fo_str path = FO_STR_INIT;
    const struct timespec pause = { .tv_nsec = 100000000 };
    unsigned id = 0;
    finops_code rc = finops_registry_new(&registry, err);

    if (rc == FINOPS_OK)
        rc = fo_backends_path(cli, &path, err);
    if (rc == FINOPS_OK)
        rc = finops_registry_subscribe(registry, event_print, cli, &id, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!cli->quiet)
        fo_info("watching %s for plugins, until Ctrl-C", fo_str_z(&path));
    rc = finops_registry_discover(registry, fo_str_z(&path), NULL, err);
    if (rc == FINOPS_OK)
        rc = finops_registry_watch(registry, fo_str_z(&path), err);
    while (rc == FINOPS_OK && !fo_cancelled(cli->cancel) && !ferror(cli->out))
        (void)nanosleep(&pause, NULL);
    finops_registry_unsubscribe(registry, id);
    return rc == FINOPS_OK ? fo_out_check(cli->out, err) : rc;
}

const fo_verb fo_verb_backends_watch = {
    .name = "backends watch",
    .summary = "Print a line for each plugin that comes, goes or changes, until Ctrl-C",
    .help =
        "Watches the folders of [database] plugin_path as a long-running process does: a plugin put there is "
        "checked and added, one that is replaced or removed is drained. The plugins that are there already "
        "come "
        "first.",
    .examples = "finops backends watch --plugin-path ./plugins\n  # while a plugin is being written\n",
    .config_keys = config_keys,
    .run = run,
};
