/*
 * All months of an import in one transaction: all of them are there afterwards, or none.
 *
 * The sources are gone through twice. First each month that has work is locked and what cannot be made inside
 * of the transaction is made; then all are loaded. What is told of a month waits for the commit.
 */
#include <assert.h>
#include <jansson.h>

#include "base/clock.h"
#include "base/mem.h"
#include "billing/import_internal.h"

/* A month whose rows are in the transaction. */
typedef struct loaded {
    char *export_name, *schema, *table_base, *period, *version_id;
    fo_import_action action;
    int64_t files;
    fo_bill_result result;
    double seconds;
} loaded;

typedef struct fo_import_all {
    bool preparing;
    bool begun;         /* the transaction */
    finops_code failed; /* of the first month that could not be loaded */
    fo_strv locks;
    loaded *months;
    size_t n, cap;
} fo_import_all;

static void
loaded_done(loaded *m)
{
    fo_free(m->export_name);
    fo_free(m->schema);
    fo_free(m->table_base);
    fo_free(m->period);
    fo_free(m->version_id);
    fo_bill_result_done(&m->result);
}

static void
all_done(fo_import_all *all)
{
    for (size_t i = 0; i < all->n; i++)
        loaded_done(&all->months[i]);
    fo_free(all->months);
    fo_strv_done(&all->locks);
}

bool
fo_import_all_prepares(const fo_import *im)
{
    return im->all && im->all->preparing;
}

/* Takes the result over. */
static finops_code
all_add(fo_import_all *all, const fo_import_export *ex, const fo_import_month *month, fo_import_action action,
        fo_bill_result *result, double seconds, finops_error **err)
{
    loaded m = { .export_name = fo_strdup(ex->identity.export_name),
                 .schema = fo_strdup(ex->target.schema),
                 .table_base = fo_strdup(ex->target.table_base),
                 .period = fo_strdup(month->period),
                 .version_id = fo_strdup(month->version_id),
                 .action = action,
                 .files = (int64_t)month->n_files,
                 .seconds = seconds };

    if (!m.export_name || !m.schema || !m.table_base || !m.period || !m.version_id ||
        !fo_grow((void **)&all->months, &all->cap, all->n + 1, sizeof(*all->months))) {
        loaded_done(&m);
        return fo_error_oom(err);
    }
    m.result = *result;
    *result = (fo_bill_result){ 0 };
    all->months[all->n++] = m;
    return FINOPS_OK;
}

static void
tell(const fo_import *im, const loaded *m, bool undone)
{
    const fo_import_event event = { .export_name = m->export_name,
                                    .period = m->period,
                                    .version_id = m->version_id,
                                    .action = undone ? FO_IMPORT_UNDONE : m->action,
                                    .done = !undone,
                                    .files = m->files,
                                    .rows = m->result.rows,
                                    .totals = m->result.totals ? m->result.totals : "",
                                    .rounded = m->result.rounded,
                                    .seconds = m->seconds };

    if (im->options->event)
        im->options->event(&event, im->options->arg);
}

static void
undo(fo_import *im)
{
    fo_import_all *all = im->all;

    if (all->begun)
        fo_database_rollback(im->database);
    all->begun = false;
    for (size_t i = 0; i < all->n; i++) {
        tell(im, &all->months[i], true);
        loaded_done(&all->months[i]);
    }
    all->n = 0;
}

static finops_code
lock_and_prepare(fo_import *im, fo_import_export *ex, const fo_import_month *month, const fo_version_key *key,
                 finops_error **err)
{
    char *lock = NULL;
    finops_code rc = fo_import_month_lock(im, key, &lock, err);

    if (rc != FINOPS_OK) {
        fo_free(lock);
        return rc;
    }
    if (!fo_strv_take(&im->all->locks, lock)) {
        fo_database_unlock(im->database, lock);
        fo_free(lock);
        return fo_error_oom(err);
    }
    if (fo_database_tables_in_transaction(im->database))
        return FINOPS_OK;
    return fo_import_month_prepare(im, ex, month, key, err);
}

/* Another importer may have been done with the month while its lock was waited for. */
static finops_code
load(fo_import *im, fo_import_export *ex, const fo_import_month *month, const fo_version_key *key,
     fo_import_action action, finops_error **err)
{
    FO_AUTO(fo_bill_result_done) fo_bill_result result = { 0 };
    FO_AUTO(fo_freep) char *now = NULL;
    int64_t start = fo_clock_monotonic();
    bool there = false;
    finops_code rc = FINOPS_OK;

    if (!im->all->begun)
        rc = fo_database_begin(im->database, err);
    im->all->begun |= rc == FINOPS_OK;
    if (rc == FINOPS_OK)
        rc = fo_import_month_check(im, ex, month, key, action == FO_IMPORT_RELOAD, &there, &now, err);
    im->summary.current += rc == FINOPS_OK && there;
    if (rc != FINOPS_OK || there)
        return rc;
    rc = fo_import_month_load(im, ex, month, key, now, true, &result, err);
    if (rc == FINOPS_OK)
        rc = all_add(im->all, ex, month, action, &result, (double)(fo_clock_monotonic() - start) / 1e6, err);
    return rc;
}

static finops_code
broken(const fo_import_month *month, finops_error **err)
{
    if (!month->broken)
        return FINOPS_OK;
    return fo_error_set(err, finops_error_code(month->broken), "%s", finops_error_text(month->broken));
}

finops_code
fo_import_all_month(fo_import *im, fo_import_export *ex, const fo_import_month *month,
                    fo_import_action action, finops_error **err)
{
    const fo_version_key key = { FO_VENDOR_AWS, ex->identity.export_name, month->period, month->version_id };
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code rc;

    assert(im->all && im->database);
    if (im->all->failed != FINOPS_OK)
        return FINOPS_OK;
    rc = broken(month, &why);
    if (rc == FINOPS_OK)
        rc = im->all->preparing ? lock_and_prepare(im, ex, month, &key, &why)
                                : load(im, ex, month, &key, action, &why);
    if (rc == FINOPS_OK)
        return rc;
    im->all->failed = rc;
    fo_import_cut_statement(&why);
    undo(im);
    fo_import_month_fail(im, ex, month, &key, 0, why);
    if (rc == FINOPS_E_CANCELLED && err)
        *err = FO_TAKE(why);
    return rc == FINOPS_E_CANCELLED ? rc : FINOPS_OK;
}

static json_t *
month_json(const loaded *m)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:I}", "vendor", FO_VENDOR_AWS, "export_name", m->export_name,
                     "billing_period", m->period, "version_id", m->version_id, "rows",
                     (json_int_t)m->result.rows);
}

static char *
details_json(const fo_import_all *all)
{
    json_t *list = json_array(), *json;
    bool ok = list != NULL;
    char *text;

    for (size_t i = 0; ok && i < all->n; i++)
        ok = json_array_append_new(list, month_json(&all->months[i])) == 0;
    json =
        ok ? json_pack("{s:s, s:O, s:s}", "action", "import", "months", list, "tool_version", FINOPS_VERSION)
           : NULL;
    text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    json_decref(list);
    return text;
}

/* What the state is that the months made together. */
static finops_code
annotate(const fo_import *im, finops_error **err)
{
    const fo_import_all *all = im->all;
    FO_AUTO(fo_str_done) fo_str message = FO_STR_INIT;
    FO_AUTO(fo_freep) char *details = details_json(all);

    fo_str_add(&message, "import");
    for (size_t i = 0; i < all->n; i++)
        fo_str_addf(&message, "%s %s %s, version %s", i ? ";" : "", all->months[i].export_name,
                    all->months[i].period, all->months[i].version_id);
    if (!fo_str_ok(&message) || !details)
        return fo_error_oom(err);
    return fo_database_annotate(im->database, fo_str_z(&message), details, err);
}

/* The views of each export, once. */
static finops_code
settle(const fo_import *im, finops_error **err)
{
    const fo_import_all *all = im->all;
    finops_code rc = FINOPS_OK;

    if (fo_database_tables_in_transaction(im->database))
        return rc;
    for (size_t i = 0; rc == FINOPS_OK && i < all->n; i++) {
        const loaded *m = &all->months[i];
        const fo_bill_target target = { .schema = m->schema,
                                        .vendor = FO_VENDOR_AWS,
                                        .export_name = m->export_name,
                                        .table_base = m->table_base,
                                        .single = true };
        FO_AUTO(fo_colnames_freep) fo_colnames *names = NULL;

        if (i + 1 < all->n && fo_streq(all->months[i + 1].export_name, m->export_name))
            continue;
        rc = fo_colnames_load(im->database, FO_VENDOR_AWS, m->export_name, &names, err);
        if (rc == FINOPS_OK)
            rc = fo_views_settle(im->database, &target, names, err);
    }
    return rc;
}

static finops_code
finish(fo_import *im, finops_error **err)
{
    fo_import_all *all = im->all;
    finops_code rc = annotate(im, err);

    if (rc == FINOPS_OK)
        rc = fo_database_commit(im->database, err);
    if (rc != FINOPS_OK) {
        undo(im);
        return rc;
    }
    all->begun = false;
    for (size_t i = 0; i < all->n; i++)
        tell(im, &all->months[i], false);
    im->summary.loaded += (unsigned)all->n;
    return settle(im, err);
}

/* As if nothing had been looked at yet. */
static void
start_over(fo_import *im)
{
    im->summary = (fo_import_summary){ 0 };
    fo_strv_done(&im->met);
    im->met = (fo_strv)FO_STRV_INIT;
    im->all->preparing = false;
}

static finops_code
both_passes(fo_import *im, finops_code (*sources)(fo_import *im, finops_error **err), finops_error **err)
{
    fo_import_all *all = im->all;
    finops_code rc = sources(im, err);

    if (rc == FINOPS_OK && im->failed_sources > 0)
        return fo_error_set(err, im->first_failure, "not every source could be read; nothing was loaded");
    if (rc == FINOPS_OK && all->failed == FINOPS_OK) {
        start_over(im);
        rc = sources(im, err);
    }
    if (rc == FINOPS_OK && all->failed == FINOPS_OK && all->begun)
        return finish(im, err);
    undo(im);
    if (rc == FINOPS_OK && all->failed != FINOPS_OK)
        rc = fo_error_set(err, all->failed, "a month could not be loaded, and so none was");
    return rc;
}

finops_code
fo_import_all_run(fo_import *im, finops_code (*sources)(fo_import *im, finops_error **err),
                  finops_error **err)
{
    fo_import_all all = { .preparing = true, .locks = FO_STRV_INIT };

    im->all = &all;
    finops_code rc = both_passes(im, sources, err);
    for (size_t i = 0; i < all.locks.n; i++)
        fo_database_unlock(im->database, all.locks.items[i]);
    im->all = NULL;
    all_done(&all);
    return rc;
}
