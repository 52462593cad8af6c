/* One month of an import: planned against the load state, loaded, published, recorded. */
#include <assert.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "billing/import_internal.h"
#include "billing/progress.h"

#define ATTEMPTS 3                       /* of a month, when the server goes away */
#define LOCK_SILENCE_US INT64_C(2000000) /* before a wait for another importer is told */

static void
month_event(const fo_import *im, const fo_import_export *ex, const fo_import_month *month,
            fo_import_event event)
{
    event.export_name = ex->identity.export_name;
    event.period = month->period;
    event.version_id = month->version_id;
    event.files = (int64_t)month->n_files;
    if (!event.totals)
        event.totals = "";
    if (im->lanes)
        fo_import_lanes_tell(im->lanes, &event);
    else if (im->options->event)
        im->options->event(&event, im->options->arg);
}

static bool
month_is_pruned(const fo_import *im, const char *export_name, const char *period)
{
    for (size_t i = 0; i < (im->pruned ? fo_rows_count(im->pruned) : 0); i++)
        if (fo_streq(fo_rows_text(im->pruned, i, 0), export_name) &&
            strcmp(period, fo_rows_text(im->pruned, i, 1)) < 0)
            return true;
    return false;
}

static bool
month_is_held(const fo_import *im, const char *export_name, const char *period)
{
    for (size_t i = 0; i < (im->held ? fo_rows_count(im->held) : 0); i++)
        if (fo_streq(fo_rows_text(im->held, i, 0), export_name) &&
            fo_streq(fo_rows_text(im->held, i, 1), period))
            return true;
    return false;
}

/* What the load state, as read at the start, makes of the month. */
static fo_import_action
month_plan(const fo_import *im, const fo_import_export *ex, const fo_import_month *month)
{
    const fo_rows *rows = ex->aws->reset ? NULL : im->current;

    if (!im->options->force && !ex->aws->reset &&
        month_is_pruned(im, ex->identity.export_name, month->period))
        return FO_IMPORT_PRUNED;
    if (!im->options->force && !ex->aws->reset && month_is_held(im, ex->identity.export_name, month->period))
        return FO_IMPORT_HELD;
    for (size_t i = 0; i < (rows ? fo_rows_count(rows) : 0); i++) {
        if (!fo_streq(fo_rows_text(rows, i, 0), ex->identity.export_name) ||
            !fo_streq(fo_rows_text(rows, i, 1), month->period))
            continue;
        if (!fo_streq(fo_rows_text(rows, i, 2), month->version_id))
            return FO_IMPORT_REPLACE;
        bool loaded = fo_streq(fo_rows_text(rows, i, 3), "true");
        return loaded && !im->options->force ? FO_IMPORT_CURRENT : FO_IMPORT_RELOAD;
    }
    return FO_IMPORT_LOAD;
}

/* Failed: the reason is recorded, the colliding names that were not published are forgotten. */
finops_code
fo_import_month_fail(fo_import *im, fo_import_export *ex, const fo_import_month *month,
                     const fo_version_key *key, double seconds, finops_error *why)
{
    finops_code rc = finops_error_code(why);
    fo_colnames *names = NULL;

    im->summary.failed++;
    if (im->first_failure == FINOPS_OK)
        im->first_failure = rc;
    if (!im->options->dry_run) {
        fo_database *db = im->database;
        fo_database_set_cancel(db, NULL);
        if (month->broken || im->all) /* the attempt is not recorded, or not any more */
            fo_state_start_load(db, key, month->format, ex->source_uri, NULL, NULL);
        fo_state_fail_load(db, key, finops_error_text(why), NULL);
        if (fo_import_names(im, ex, &names, NULL) == FINOPS_OK) {
            fo_colnames_free(ex->names);
            ex->names = names;
        }
        fo_database_set_cancel(db, im->options->cancel);
    }
    month_event(
        im, ex, month,
        (fo_import_event){ .action = FO_IMPORT_FAILED, .done = true, .seconds = seconds, .error = why });
    return rc;
}

void
fo_import_cut_statement(finops_error **err)
{
    const char *text = finops_error_text(*err);
    const char *cut = strstr(text, "\n\nLINE ");
    FO_AUTO(finops_error_freep) finops_error *whole = *err;

    if (!cut) {
        whole = NULL;
        return;
    }
    *err = NULL;
    fo_error_set(err, finops_error_code(whole), "%.*s", (int)(cut - text), text);
    if (finops_error_hint(whole))
        fo_error_hint(err, "%s", finops_error_hint(whole));
}

finops_code
fo_import_fit(const fo_import *im, const fo_import_export *ex, fo_bill_schema *schema, finops_error **err)
{
    return ex->target.single
               ? fo_bill_schema_fit(schema, im->database, ex->target.schema, ex->target.table_base, err)
               : FINOPS_OK;
}

static finops_code
month_schema(fo_import *im, fo_import_export *ex, const fo_import_month *month, fo_bill_schema *ret,
             finops_error **err)
{
    finops_code rc = fo_bill_schema_read(im->reader, im->files, month->files, month->n_files, month->parquet,
                                         ex->names, ret, err);

    if (rc == FINOPS_OK)
        rc = fo_import_fit(im, ex, ret, err);
    for (size_t i = 0; rc == FINOPS_OK && im->options->warning && i < ret->warnings.n; i++)
        im->options->warning(ret->warnings.items[i], im->options->arg);
    return rc;
}

static finops_code
month_progress(fo_import *im, const char *what, fo_bill_progress **ret, finops_error **err)
{
    finops_code rc = fo_conn_measure_progress(im->reader, err);

    return rc == FINOPS_OK
               ? fo_bill_progress_start(im->reader, what, im->options->progress, im->options->arg, ret, err)
               : rc;
}

/* The addresses of the files, a JSON array; free(). */
static char *
month_paths(const fo_import_month *month)
{
    json_t *list = json_array();
    char *text = NULL;
    bool ok = list != NULL;

    for (size_t i = 0; ok && i < month->n_files; i++)
        ok = json_array_append_new(list, json_string(month->files[i].address)) == 0;
    if (ok)
        text = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return text;
}

/* What loading and preparing have in common, between the schema and the end: `work`. */
typedef finops_code month_work(fo_import *im, fo_import_export *ex, const fo_bill_month *publish,
                               const fo_bill_schema *schema, fo_bill_result *ret, finops_error **err);

static finops_code
month_with_schema(fo_import *im, fo_import_export *ex, const fo_import_month *month,
                  const fo_bill_month *publish, month_work *work, fo_bill_result *ret, finops_error **err)
{
    FO_AUTO(fo_bill_schema_done) fo_bill_schema own = { 0 };
    finops_code rc = FINOPS_OK;

    if (month->schema) /* of bare files, one version holds for all months */
        return work(im, ex, publish, month->schema, ret, err);
    fo_files_forget(im->files);
    rc = month_schema(im, ex, month, &own, err);
    if (rc == FINOPS_OK)
        rc = work(im, ex, publish, &own, ret, err);
    fo_files_forget(im->files);
    return rc;
}

static fo_bill_month
month_to_publish(const fo_import *im, const fo_import_month *month, const fo_version_key *key)
{
    return (fo_bill_month){ .key = *key,
                            .where = month->where,
                            .expect_rows = month->expect_rows,
                            .files = im->files,
                            .reader = im->reader,
                            .cancel = im->options->cancel,
                            .allow_empty = im->options->force };
}

char *
fo_month_lock_name(const fo_version_key *key)
{
    return fo_format("finops %s %s %s", key->vendor, key->export_name, key->period);
}

static finops_code
work_publish(fo_import *im, fo_import_export *ex, const fo_bill_month *publish, const fo_bill_schema *schema,
             fo_bill_result *ret, finops_error **err)
{
    FO_AUTO(fo_freep) char *what = fo_format("%s %s", ex->identity.export_name, publish->key.period);
    fo_bill_month month = *publish;
    finops_code rc = what ? FINOPS_OK : fo_error_oom(err);

    if (rc == FINOPS_OK && im->options->progress)
        rc = month_progress(im, what, &month.progress, err);
    if (rc == FINOPS_OK)
        rc = fo_publish_month(im->database, &ex->target, &month, schema, ex->names, ret, err);
    fo_bill_progress_stop(month.progress);
    return rc;
}

static finops_code
work_prepare(fo_import *im, fo_import_export *ex, const fo_bill_month *publish, const fo_bill_schema *schema,
             fo_bill_result *ret, finops_error **err)
{
    (void)ret;
    return fo_publish_prepare(im->database, &ex->target, publish, schema, ex->names, err);
}

finops_code
fo_import_month_load(fo_import *im, fo_import_export *ex, const fo_import_month *month,
                     const fo_version_key *key, const char *now, bool joined, fo_bill_result *ret,
                     finops_error **err)
{
    FO_AUTO(fo_freep) char *paths = month_paths(month);
    fo_bill_month publish = month_to_publish(im, month, key);
    finops_code rc = paths ? FINOPS_OK : fo_error_oom(err);

    publish.joined = joined;
    publish.now = now;
    if (rc == FINOPS_OK)
        rc = fo_state_start_load(im->database, key, month->format, ex->source_uri, paths, err);
    return rc == FINOPS_OK ? month_with_schema(im, ex, month, &publish, work_publish, ret, err) : rc;
}

finops_code
fo_import_month_prepare(fo_import *im, fo_import_export *ex, const fo_import_month *month,
                        const fo_version_key *key, finops_error **err)
{
    const fo_bill_month publish = month_to_publish(im, month, key);

    return month_with_schema(im, ex, month, &publish, work_prepare, NULL, err);
}

/* Says so when another importer has the month, and waits until that one is done with it. */
finops_code
fo_import_month_lock(const fo_import *im, const fo_version_key *key, char **ret_lock, finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *busy = NULL;
    char *lock = fo_month_lock_name(key);

    *ret_lock = lock;
    if (!lock)
        return fo_error_oom(err);
    finops_code rc = fo_database_lock(im->database, lock, LOCK_SILENCE_US, &busy);

    if (rc != FINOPS_E_BUSY) {
        if (err)
            *err = FO_TAKE(busy);
        return rc;
    }
    FO_AUTO(fo_freep)
    char *note =
        fo_format("another importer has %s %s in hand; waiting for it", key->export_name, key->period);
    if (note && im->options->warning)
        im->options->warning(note, im->options->arg);
    return fo_database_lock(im->database, lock, 0, err);
}

static finops_code
version_now(fo_import *im, const fo_version_key *key, bool *ret_there, char **ret_now, finops_error **err)
{
    const fo_param params[] = { key->vendor, key->export_name, key->period };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc =
        fo_database_query(im->database,
                          "SELECT version_id, load_completed FROM billing_state.load_state WHERE "
                          "vendor = $1 AND export_name = $2 AND billing_period = $3 AND "
                          "current_version ORDER BY 1 DESC",
                          params, FO_COUNT(params), &rows, err);

    if (rc != FINOPS_OK || fo_rows_count(rows) == 0)
        return rc;
    *ret_now = fo_strdup(fo_rows_text(rows, 0, 0));
    if (!*ret_now)
        return fo_error_oom(err);
    *ret_there = fo_streq(*ret_now, key->version_id) && fo_streq(fo_rows_text(rows, 0, 1), "true");
    return rc;
}

/*
 * Version ids have no order, so it is by what was known when: what was loaded when the run began is older
 * than the manifests, which were read after that. When something else is loaded now, another importer did it,
 * and only the provider can tell whether what we have is still the newest.
 */
static finops_code
check_superseded(fo_import *im, const fo_import_export *ex, const fo_import_month *month, const char *now,
                 bool *ret_there, finops_error **err)
{
    const char *first = fo_import_first_version(im, ex->identity.export_name, month->period);
    FO_AUTO(fo_freep) char *newest = NULL;

    if (!month->delivered || !now || (first && fo_streq(first, now)))
        return FINOPS_OK;
    finops_code rc = fo_import_delivered_version(im, ex, month->period, &newest, err);
    if (rc != FINOPS_OK || !newest || fo_streq(newest, month->version_id))
        return rc;
    FO_AUTO(fo_freep)
    char *note = fo_format("%s %s: another importer loaded version %s meanwhile, and the provider has %s; %s "
                           "is left out",
                           ex->identity.export_name, month->period, now, newest, month->version_id);
    if (note && im->options->warning)
        im->options->warning(note, im->options->arg);
    *ret_there = true;
    return FINOPS_OK;
}

finops_code
fo_import_month_check(fo_import *im, const fo_import_export *ex, const fo_import_month *month,
                      const fo_version_key *key, bool again, bool *ret_there, char **ret_now,
                      finops_error **err)
{
    bool there = false;
    finops_code rc = version_now(im, key, &there, ret_now, err);

    *ret_there = there && !again;
    if (rc != FINOPS_OK || there)
        return rc;
    return check_superseded(im, ex, month, *ret_now, ret_there, err);
}

/* One attempt: *ret_result or *err. Another importer may have had the month in hand, and be done with it now.
 */
static finops_code
month_attempt(fo_import *im, fo_import_export *ex, const fo_import_month *month, const fo_version_key *key,
              bool again, bool *ret_loaded, fo_bill_result *ret_result, finops_error **err)
{
    FO_AUTO(fo_freep) char *lock = NULL;
    FO_AUTO(fo_freep) char *now = NULL;
    finops_code rc = fo_import_month_lock(im, key, &lock, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!ex->names)
        rc = fo_import_names(im, ex, &ex->names, err);
    if (rc == FINOPS_OK)
        rc = fo_state_fail_abandoned(im->database, key, err);
    if (rc == FINOPS_OK)
        rc = fo_import_month_check(im, ex, month, key, again, ret_loaded, &now, err);
    if (rc == FINOPS_OK && !*ret_loaded)
        rc = fo_import_month_load(im, ex, month, key, now, false, ret_result, err);
    fo_database_unlock(im->database, lock);
    return rc;
}

/*
 * A server that went away in the middle is asked again, from a new connection; so is one that another load
 * got in the way of. Whether a commit came through
 * nobody can tell but the load state, which the next attempt reads first.
 */
static bool
month_may_retry(fo_import *im, fo_import_export *ex, unsigned attempt, finops_code rc)
{
    static const struct timespec pause = { .tv_sec = 1 };
    fo_colnames *names = NULL;

    if (rc != FINOPS_E_TRANSIENT || attempt >= ATTEMPTS || fo_cancelled(im->options->cancel) ||
        !(fo_database_can(im->database, FINOPS_DATABASE_SERVER) ||
          fo_database_can(im->database, FINOPS_DATABASE_CONCURRENT_WRITERS) ||
          fo_database_loads(im->database, im->options->settings) > 1))
        return false;
    nanosleep(&pause, NULL);
    if (fo_database_reconnect(im->database, NULL) != FINOPS_OK ||
        fo_import_choose_reader(im, NULL) != FINOPS_OK || fo_import_names(im, ex, &names, NULL) != FINOPS_OK)
        return false;
    fo_colnames_free(ex->names); /* some were taken for saved in what was rolled back */
    ex->names = names;
    return true;
}

static void
month_done(fo_import *im, fo_import_export *ex, const fo_import_month *month, fo_import_action action,
           const fo_bill_result *result, double seconds)
{
    im->summary.loaded++;
    month_event(im, ex, month,
                (fo_import_event){ .action = action,
                                   .done = true,
                                   .rows = result->rows,
                                   .totals = result->totals,
                                   .rounded = result->rounded,
                                   .seconds = seconds });
}

finops_code
fo_import_month_execute(fo_import *im, fo_import_export *ex, const fo_import_month *month,
                        fo_import_action action, finops_error **err)
{
    const fo_version_key key = { FO_VENDOR_AWS, ex->identity.export_name, month->period, month->version_id };
    FO_AUTO(fo_bill_result_done) fo_bill_result result = { 0 };
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    int64_t start = fo_clock_monotonic();
    bool loaded = false;
    finops_code rc = FINOPS_OK;

    month_event(im, ex, month, (fo_import_event){ .action = action });
    for (unsigned attempt = 1;; attempt++) {
        finops_error_freep(&why);
        rc = month_attempt(im, ex, month, &key, action == FO_IMPORT_RELOAD, &loaded, &result, &why);
        if (rc == FINOPS_OK || !month_may_retry(im, ex, attempt, rc))
            break;
    }
    double seconds = (double)(fo_clock_monotonic() - start) / 1e6;
    if (rc == FINOPS_OK && loaded) {
        im->summary.current++;
        month_event(im, ex, month, (fo_import_event){ .action = FO_IMPORT_CURRENT, .done = true });
        return FINOPS_OK;
    }
    if (rc == FINOPS_OK) {
        month_done(im, ex, month, action, &result, seconds);
        return FINOPS_OK;
    }
    fo_import_cut_statement(&why);
    fo_import_month_fail(im, ex, month, &key, seconds, why);
    if (rc != FINOPS_E_CANCELLED)
        return FINOPS_OK;
    if (err)
        *err = FO_TAKE(why);
    return rc;
}

/* A month whose manifest cannot be used. */
static void
month_broken(fo_import *im, fo_import_export *ex, const fo_import_month *month)
{
    const fo_version_key key = { FO_VENDOR_AWS, ex->identity.export_name, month->period, month->version_id };
    FO_AUTO(finops_error_freep) finops_error *why = NULL;

    fo_error_set(&why, finops_error_code(month->broken), "%s", finops_error_text(month->broken));
    fo_import_month_fail(im, ex, month, &key, 0, why);
}

static bool
month_has_work(fo_import_action action, const fo_import_month *month)
{
    return action != FO_IMPORT_PRUNED && action != FO_IMPORT_HELD &&
           (month->broken || action != FO_IMPORT_CURRENT);
}

finops_code
fo_import_month_run(fo_import *im, fo_import_export *ex, const fo_import_month *month, finops_error **err)
{
    fo_import_action action = month_plan(im, ex, month);

    if (fo_cancelled(im->options->cancel))
        return fo_error_set(err, FINOPS_E_CANCELLED, "stopped before %s %s", ex->identity.export_name,
                            month->period);
    if (month_has_work(action, month) && !im->options->dry_run) {
        finops_code rc = fo_import_need_database(im, ex, err);
        if (rc != FINOPS_OK)
            return rc;
        action = month_plan(im, ex, month);
    }
    if (im->all && month_has_work(action, month) && !im->options->dry_run)
        return fo_import_all_month(im, ex, month, action, err);
    if (fo_import_all_prepares(im))
        return FINOPS_OK;
    if (month->broken && action != FO_IMPORT_PRUNED && action != FO_IMPORT_HELD) {
        month_broken(im, ex, month);
        return FINOPS_OK;
    }
    if (!month_has_work(action, month) || im->options->dry_run) {
        im->summary.current += action == FO_IMPORT_CURRENT;
        month_event(im, ex, month, (fo_import_event){ .action = action });
        return FINOPS_OK;
    }
    if (fo_import_lanes_max(im, month) > 1)
        return fo_import_lanes_take(im, ex, month, action, err);
    return fo_import_month_execute(im, ex, month, action, err);
}
