/* finops backends health: how the configured databases do. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/backends.h"
#include "cli/cli_internal.h"
#include "database/session.h"

#define MICROS INT64_C(1000000)
#define TIMEOUT_US (10 * MICROS)

typedef struct health_options {
    bool watch;
    int64_t interval;
} health_options;

static const finops_option options[] = {
    { "watch", FINOPS_OPT_BOOL, offsetof(health_options, watch), .value = "false",
      .help = "Go on until Ctrl-C, a line a check" },
    { "interval", FINOPS_OPT_INT, offsetof(health_options, interval), .value = "0", .min = 0, .max = 86400,
      .arg = "SECONDS",
      .help = "Seconds between two checks of --watch; 0: connections.health_interval, and "
              "connections.health_interval_error after one that found it unwell" },
    { 0 },
};

static const char *const config_keys[] = { "database.backend", "database.plugin_path",
                                           "database.duckdb.database_path", NULL };

static const fo_table_column columns[] = {
    { "backend", NULL, false }, { "state", NULL, false },   { "latency_ms", NULL, true },
    { "version", NULL, false }, { "open", NULL, true },     { "idle", NULL, true },
    { "waiting", NULL, true },  { "breaker", NULL, false }, { "detail", NULL, false },
};

/* One backend that is looked at, with its pool from check to check. */
typedef struct watched {
    char *name;
    finops_database *database;
    char problem[256]; /* why it could not even be opened */
    finops_health health;
    int64_t next_us; /* monotonic; of one that could not be opened */
    struct ward *ward;
} watched;

typedef struct ward {
    fo_cli *cli;
    watched *items;
    size_t n, cap;
    unsigned down;
    pthread_mutex_t printing; /* the monitors', one line at a time */
} ward;

static void
ward_done(ward *w)
{
    for (size_t i = 0; i < w->n; i++) {
        finops_database_close(w->items[i].database);
        fo_free(w->items[i].name);
    }
    fo_free(w->items);
    (void)pthread_mutex_destroy(&w->printing);
}

/* Whether its section sets something. */
static bool
is_configured(const fo_cli *cli, const char *name)
{
    const fo_config_row *rows = NULL;
    size_t n = 0, len = strlen(name);

    if (fo_config_rows(cli->config, &rows, &n, NULL) != FINOPS_OK)
        return false;
    for (size_t i = 0; i < n; i++)
        if (fo_starts(rows[i].key, "database.") && strncmp(rows[i].key + 9, name, len) == 0 &&
            rows[i].key[9 + len] == '.' && strcmp(rows[i].origin, "default") != 0)
            return true;
    return false;
}

/* Those that were named, else those that data goes to and all whose section sets something. */
static bool
is_asked_for(const fo_cli *cli, const fo_strv *routed, const char *name)
{
    for (size_t i = 0; i < cli->n_args; i++)
        if (fo_streq(cli->args[i], name))
            return true;
    return cli->n_args == 0 && (fo_strv_has(routed, name) || is_configured(cli, name));
}

static finops_code
ward_add(ward *w, finops_registry *registry, const char *name, finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    watched *item;

    if (!fo_grow((void **)&w->items, &w->cap, w->n + 1, sizeof(*w->items)))
        return fo_error_oom(err);
    item = &w->items[w->n++];
    *item = (watched){ .name = fo_strdup(name) };
    if (!item->name)
        return fo_error_oom(err);
    if (fo_database_open_settings(registry, w->cli->settings, name, &item->database, &why) != FINOPS_OK)
        (void)snprintf(item->problem, sizeof(item->problem), "%s", finops_error_text(why));
    return FINOPS_OK;
}

static finops_code
ward_fill(ward *w, finops_registry *registry, finops_error **err)
{
    FO_AUTO(fo_backends_list_done) fo_backends_list list = { 0 };
    FO_AUTO(fo_strv_done) fo_strv routed = FO_STRV_INIT;
    finops_code rc = fo_backends_routed(w->cli, &routed, err);

    if (rc == FINOPS_OK)
        rc = fo_backends_list_all(registry, &list, err);
    for (size_t i = 0; rc == FINOPS_OK && i < list.n; i++)
        if (is_asked_for(w->cli, &routed, list.items[i].name))
            rc = ward_add(w, registry, list.items[i].name, err);
    for (size_t i = 0; rc == FINOPS_OK && w->cli->n_args == 0 && i < routed.n; i++)
        if (!fo_backends_find(&list, routed.items[i])) /* what is not there at all is down, too */
            rc = ward_add(w, registry, routed.items[i], err);
    for (size_t i = 0; rc == FINOPS_OK && i < w->cli->n_args; i++)
        if (!fo_backends_find(&list, w->cli->args[i])) {
            rc = fo_error_set(err, FINOPS_E_NOT_FOUND, "there is no backend %s", w->cli->args[i]);
            fo_error_hint(err, "finops backends list shows those there are");
        }
    return rc;
}

static bool
is_cancelled(void *arg)
{
    return fo_cancelled(((fo_cli *)arg)->cancel);
}

static void
look(fo_cli *cli, watched *item)
{
    const finops_call call = { .deadline_us = fo_clock_monotonic() + TIMEOUT_US,
                               .cancelled = is_cancelled,
                               .arg = cli };
    FO_AUTO(finops_error_freep) finops_error *why = NULL;

    memset(&item->health, 0, sizeof(item->health));
    if (!item->database) {
        item->health.state = FINOPS_HEALTH_DOWN;
        (void)snprintf(item->health.detail, sizeof(item->health.detail), "%s", item->problem);
    } else if (finops_database_health(item->database, &call, &item->health, &why) != FINOPS_OK) {
        item->health.state = FINOPS_HEALTH_DOWN;
        fo_error_brief(why, item->health.detail, sizeof(item->health.detail));
    }
}

static const char *
state_name(finops_health_state state)
{
    static const char *const names[] = { "up", "degraded", "down" };

    return (size_t)state < FO_COUNT(names) ? names[state] : "unknown";
}

static bool
row_add(const watched *item, fo_table *table)
{
    finops_pool_figures pool = { 0 };
    char latency[32], open[16], idle[16], waiting[16];

    if (item->database)
        finops_database_pool(item->database, &pool);
    (void)snprintf(latency, sizeof(latency), "%.2f", item->health.latency_ms);
    (void)snprintf(open, sizeof(open), "%u", pool.open);
    (void)snprintf(idle, sizeof(idle), "%u", pool.idle);
    (void)snprintf(waiting, sizeof(waiting), "%u", pool.waiting);
    const char *const cells[] = { item->name,
                                  state_name(item->health.state),
                                  item->health.state == FINOPS_HEALTH_DOWN ? NULL : latency,
                                  item->health.version[0] ? item->health.version : NULL,
                                  open,
                                  idle,
                                  waiting,
                                  item->database ? fo_database_breaker(item->database) : NULL,
                                  item->health.detail[0] ? item->health.detail : NULL };
    return fo_table_add(table, cells);
}

/* For people, and one after another: a line with the time in front. */
static void
line_print(fo_cli *cli, const watched *item)
{
    char now[FO_TIME_TEXT];
    const finops_health *h = &item->health;

    (void)fo_time_format(fo_clock_now() / MICROS * MICROS, now);
    if (h->state == FINOPS_HEALTH_DOWN)
        (void)fprintf(cli->out, "%s %s down%s: %s\n", now, item->name,
                      item->database && fo_streq(fo_database_breaker(item->database), "open") ? ", left alone"
                                                                                              : "",
                      h->detail);
    else
        (void)fprintf(cli->out, "%s %s %s, %.2f ms, %s%s%s\n", now, item->name, state_name(h->state),
                      h->latency_ms, h->version, h->detail[0] ? ": " : "", h->detail);
}

static finops_code
once(ward *w, finops_error **err)
{
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, FO_COUNT(columns));

    if (!table)
        return fo_error_oom(err);
    w->down = 0;
    for (size_t i = 0; i < w->n; i++) {
        look(w->cli, &w->items[i]);
        w->down += w->items[i].health.state == FINOPS_HEALTH_DOWN;
        if (!row_add(&w->items[i], table))
            return fo_error_oom(err);
    }
    return fo_table_print(w->cli, table, err);
}

/* Of a monitor, in its thread. */
static void
checked(const finops_health *health, void *arg)
{
    watched *item = arg;

    item->health = *health;
    (void)pthread_mutex_lock(&item->ward->printing);
    line_print(item->ward->cli, item);
    (void)pthread_mutex_unlock(&item->ward->printing);
}

/* What could not even be opened is said as often as one that is down. */
static void
unopened_print(ward *w, int64_t interval_us)
{
    for (size_t i = 0; i < w->n; i++) {
        watched *item = &w->items[i];

        if (item->database || fo_clock_monotonic() < item->next_us)
            continue;
        look(w->cli, item);
        checked(&item->health, item);
        item->next_us = fo_clock_monotonic() + interval_us;
    }
}

/* Each backend has a monitor, as in every program that keeps a database open: its own pace, its own thread.
 */
static finops_code
watch(ward *w, int64_t interval_us, finops_error **err)
{
    const struct timespec pause = { .tv_nsec = 100000000 };
    finops_monitor_options o = { .checked = checked };
    finops_code rc = FINOPS_OK;

    fo_monitor_settings(w->cli->settings, &o);
    if (interval_us)
        o.interval_us = o.error_interval_us = interval_us;
    for (size_t i = 0; rc == FINOPS_OK && i < w->n; i++) {
        o.arg = &w->items[i];
        w->items[i].ward = w;
        if (w->items[i].database)
            rc = finops_database_monitor(w->items[i].database, &o, err);
    }
    while (rc == FINOPS_OK && !fo_cancelled(w->cli->cancel) && !fo_out_closed()) {
        unopened_print(w, o.error_interval_us);
        (void)nanosleep(&pause, NULL);
        rc = fo_out_check(w->cli->out, err);
    }
    return rc;
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    const health_options *o = cli->options;
    FO_AUTO(finops_registry_freep) finops_registry *registry = NULL;
    FO_AUTO(ward_done) ward w = { .cli = cli };
    finops_code rc = fo_backends_registry(cli, &registry, err);

    (void)pthread_mutex_init(&w.printing, NULL);
    if (rc == FINOPS_OK)
        rc = ward_fill(&w, registry, err);
    if (rc != FINOPS_OK)
        return rc;
    if (o->watch)
        return watch(&w, o->interval * MICROS, err);
    rc = once(&w, err);
    if (rc == FINOPS_OK && w.down)
        rc = fo_error_set(err, w.down == w.n ? FINOPS_E_TRANSIENT : FINOPS_E_PARTIAL,
                          "%u of %zu backends %s down", w.down, w.n, w.down == 1 ? "is" : "are");
    return rc;
}

const fo_verb fo_verb_backends_health = {
    .name = "backends health",
    .args = "[NAME...]",
    .summary = "Show how the configured databases do: state, latency, version, connections",
    .help = "Asks each configured database now: those that hold the bills, and every other whose section "
            "[database.NAME] sets something. A database that is down stops none of the others.\n\n"
            "--watch asks each of them every connections.health_interval seconds, and after a check that "
            "found it "
            "unwell in connections.health_interval_error seconds; --interval stands for both.\n\n"
            "Exit status: 0 all are up, 1 all are down, 3 some are.",
    .examples = "finops backends health\n  # all that are configured\n"
                "finops backends health postgresql --watch --interval 5\n  # until Ctrl-C\n",
    .config_keys = config_keys,
    .options = options,
    .options_size = sizeof(health_options),
    .max_args = 64,
    .flags = FO_VERB_ROWS,
    .run = run,
};
