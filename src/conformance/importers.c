/* Several importers at once: each replaces its own partition, or all the same one. */
#include <pthread.h>
#include <stdio.h>

#include "base/mem.h"
#include "conformance/trial.h"

#define TX FINOPS_DATABASE_TRANSACTIONS
#define IMPORTERS 4
#define ROUNDS 8
#define ATTEMPTS 200 /* of one replacement: a conflict is told as one and tried again, as an import does */

typedef struct importer {
    fo_trial *t;
    finops_session *session;
    pthread_t thread;
    const char *table, *month[1], *value[1];
    finops_code rc;
    char why[300];
} importer;

static finops_code
import_once(importer *im, finops_error **err)
{
    const fo_batch_column rows[] = { { .name = "m", .format = "u", .values = im->month, .n_values = 1 },
                                     { .name = "v", .format = "u", .values = im->value, .n_values = 1 } };
    const fo_batch_spec spec = { .columns = rows, .n_columns = 2, .rows = 500, .batch = 100 };
    const finops_partition partition = {
        .schema = im->t->schema, .table = im->table, .column = "m", .value = im->month[0]
    };
    struct ArrowArrayStream stream;
    const finops_source source = { .stream = &stream };

    if (!fo_batch_stream(&spec, &stream))
        return fo_error_oom(err);
    return finops_session_replace_partition(im->session, &partition, &source, NULL, err);
}

static void *
import(void *arg)
{
    importer *im = arg;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        finops_error_freep(&err);
        im->rc = import_once(im, &err);
        if (im->rc != FINOPS_E_TRANSIENT && im->rc != FINOPS_E_BUSY)
            break;
    }
    if (im->rc != FINOPS_OK)
        (void)snprintf(im->why, sizeof(im->why), "%s: %s", finops_code_name(im->rc), finops_error_text(err));
    return NULL;
}

/* All begin at once; when all are done, the table is as wanted. */
static bool
round_is_right(fo_trial *t, importer *all, const char *want)
{
    int started = 0;
    bool ok = true;

    while (started < IMPORTERS && pthread_create(&all[started].thread, NULL, import, &all[started]) == 0)
        started++;
    for (int i = 0; i < started; i++)
        (void)pthread_join(all[i].thread, NULL);
    for (int i = 0; ok && i < started; i++)
        ok = fo_trial_true(t, all[i].rc == FINOPS_OK, "importer %d: %s", i, all[i].why);
    return ok && fo_trial_true(t, started == IMPORTERS, "no thread") &&
           fo_trial_expect(t, NULL, "SELECT m, count(*), count(DISTINCT v) FROM {a} GROUP BY m ORDER BY m",
                           want);
}

/* Each importer has its own value; its month is its own, too, or everybody's. */
static bool
importers_meet(fo_trial *t, bool one_month, const char *want)
{
    static const char *const months[] = { "2026-01", "2026-02", "2026-03" }, *const old[] = { "old" };
    const fo_batch_column rows[] = { { .name = "m", .format = "u", .values = months, .n_values = 3 },
                                     { .name = "v", .format = "u", .values = old, .n_values = 1 } };
    const fo_batch_spec before = { .columns = rows, .n_columns = 2, .rows = 30 };
    importer all[IMPORTERS] = { 0 };
    bool ok = fo_trial_write(t, NULL, "a", FINOPS_WRITE_CREATE, &before);

    for (int i = 0; ok && i < IMPORTERS; i++) {
        all[i].t = t;
        all[i].table = fo_trial_name(t, "a");
        all[i].month[0] = one_month ? "2026-02" : fo_trial_keep(t, "2027-0%d", i + 1);
        all[i].value[0] = fo_trial_keep(t, "new %d", i);
        ok = fo_trial_open(t, 0, &all[i].session);
    }
    for (int round = 0; ok && round < ROUNDS; round++)
        ok = round_is_right(t, all, want);
    for (int i = 0; i < IMPORTERS; i++)
        finops_session_release(all[i].session);
    return ok;
}

static bool
of_different_months(fo_trial *t)
{
    return importers_meet(t, false,
                          "2026-01|10|1;2026-02|10|1;2026-03|10|1;"
                          "2027-01|500|1;2027-02|500|1;2027-03|500|1;2027-04|500|1");
}

static bool
of_one_month(fo_trial *t)
{
    return importers_meet(t, true, "2026-01|10|1;2026-02|500|1;2026-03|10|1");
}

static const fo_case cases[] = {
    { "importers of different months lose nothing", TX, of_different_months },
    { "importers of one month double nothing", TX, of_one_month },
};

const fo_case_area fo_cases_importers = { .name = "importers", .cases = cases, .n = FO_COUNT(cases) };
