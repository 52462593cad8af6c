/*
 * Months of one source side by side, where a database takes what was written before its transaction: each
 * lane is a thread with a session and files of its own, and goes about a month as another importer would.
 * What is told of the months is told in their order.
 */
#include <assert.h>
#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "billing/import_internal.h"

/* Something told of a month; its texts are copies. */
typedef struct told {
    fo_import_event event;
    char *export_name, *period, *version_id, *totals;
    finops_error *error;
} told;

/* A month, from when it was found until what came of it was told. */
typedef struct job {
    fo_import_export ex;
    fo_import_month month; /* borrows from the source's exports, but for its files */
    fo_bill_file *files;
    fo_strv texts; /* of files */
    fo_import_action action;
    bool over;
    told *told;
    size_t n_told, cap_told;
    finops_code rc; /* what ends the run, not what the month failed of */
    finops_error *error;
    struct job *next;
} job;

typedef struct lane {
    fo_import_lanes *lanes;
    pthread_t thread;
    fo_import im;
    fo_import_options options; /* of im */
    job *at;
} lane;

struct fo_import_lanes {
    fo_import *im; /* of the caller */
    const fo_aws_settings *aws;
    size_t max; /* lanes that may be */
    lane **running;
    pthread_mutex_t lock; /* guards all below, and what is told */
    pthread_cond_t changed;
    job *first, **end; /* in their order; the first is the next to be told of */
    job *open;         /* the first that nobody has taken */
    size_t n_open;
    size_t n, failed; /* lanes that were started, and that could not open the database */
    bool ending;
    finops_code rc; /* the first that ends the run */
    finops_error *error;
};

static void
told_done(told *t)
{
    fo_free(t->export_name);
    fo_free(t->period);
    fo_free(t->version_id);
    fo_free(t->totals);
    finops_error_free(t->error);
}

static void
job_free(job *j)
{
    if (!j)
        return;
    for (size_t i = 0; i < j->n_told; i++)
        told_done(&j->told[i]);
    fo_free(j->told);
    fo_free(j->files);
    fo_strv_done(&j->texts);
    fo_import_export_done(&j->ex);
    finops_error_free(j->error);
    fo_free(j);
}

/* The reason outlives the call; a copy of it is enough to tell. */
static finops_error *
error_copy(const finops_error *error)
{
    finops_error *copy = NULL;

    if (!error)
        return NULL;
    (void)fo_error_set(&copy, finops_error_code(error), "%s", finops_error_text(error));
    if (finops_error_hint(error))
        fo_error_hint(&copy, "%s", finops_error_hint(error));
    return copy;
}

static bool
job_note(job *j, const fo_import_event *event)
{
    told t = { .event = *event,
               .export_name = fo_strdup(event->export_name),
               .period = fo_strdup(event->period),
               .version_id = fo_strdup(event->version_id),
               .totals = fo_strdup(event->totals),
               .error = error_copy(event->error) };

    if (!t.export_name || !t.period || !t.version_id || !t.totals ||
        !fo_grow((void **)&j->told, &j->cap_told, j->n_told + 1, sizeof(*j->told))) {
        told_done(&t);
        return false;
    }
    t.event.export_name = t.export_name;
    t.event.period = t.period;
    t.event.version_id = t.version_id;
    t.event.totals = t.totals;
    t.event.error = t.error;
    j->told[j->n_told++] = t;
    return true;
}

/* With the lock held: tells of the months that are over and have none before them that is not. */
static void
tell(fo_import_lanes *l)
{
    const fo_import_options *o = l->im->options;

    while (l->first && l->first->over) {
        job *j = l->first;

        for (size_t i = 0; i < j->n_told && o->event; i++)
            o->event(&j->told[i].event, o->arg);
        if (j->rc != FINOPS_OK && l->rc == FINOPS_OK) {
            l->rc = j->rc;
            l->error = FO_TAKE(j->error);
        }
        l->first = j->next;
        if (!l->first)
            l->end = &l->first;
        job_free(j);
    }
}

/* With the lock held. */
static void
append(fo_import_lanes *l, job *j)
{
    *l->end = j;
    l->end = &j->next;
    if (!j->over) {
        if (!l->open)
            l->open = j;
        l->n_open++;
    }
}

/* ---- what a lane's import calls ---- */

static void
lane_event(const fo_import_event *event, void *arg)
{
    lane *self = arg;

    if (!job_note(self->at, event) && self->at->rc == FINOPS_OK) /* its own until it is over */
        self->at->rc = fo_error_oom(&self->at->error);
}

static void
lane_warning(const char *text, void *arg)
{
    const lane *self = arg;
    const fo_import_options *o = self->lanes->im->options;

    (void)pthread_mutex_lock(&self->lanes->lock);
    o->warning(text, o->arg);
    (void)pthread_mutex_unlock(&self->lanes->lock);
}

/* One line is shown: of the month that has been at it the longest. */
static void
lane_progress(double fraction, const char *what, void *arg)
{
    const lane *self = arg;
    const fo_import_options *o = self->lanes->im->options;

    (void)pthread_mutex_lock(&self->lanes->lock);
    if (self->lanes->first == self->at)
        o->progress(fraction, what, o->arg);
    (void)pthread_mutex_unlock(&self->lanes->lock);
}

/* ---- a lane ---- */

/* State, settings and places are the caller's, and stay as they are while lanes run. */
static finops_code
lane_open(lane *self, finops_error **err)
{
    const fo_import *im = self->lanes->im;
    const fo_import_options *o = im->options;
    finops_code rc;

    self->options = *o;
    self->options.event = lane_event;
    self->options.warning = o->warning ? lane_warning : NULL;
    self->options.progress = o->progress ? lane_progress : NULL;
    self->options.arg = self;
    self->im = (fo_import){ .options = &self->options,
                            .state = im->state,
                            .first = im->first,
                            .looked = true,
                            .known = im->known,
                            .current = im->current,
                            .pruned = im->pruned,
                            .held = im->held };
    rc = fo_database_open_beside(im->database, &self->im.database, err);
    if (rc == FINOPS_OK)
        rc = fo_import_choose_reader(&self->im, err);
    return rc == FINOPS_OK ? fo_import_open_files(&self->im, self->lanes->aws, err) : rc;
}

static void
lane_close(lane *self)
{
    fo_files_close(self->im.files);
    fo_conn_close(self->im.own_reader);
    fo_database_close(self->im.database);
    fo_engine_close(self->im.own_engine);
}

/* With the lock held: the next month, NULL when there is none any more. */
static job *
lane_take(fo_import_lanes *l)
{
    job *j;

    while (!l->open && !l->ending)
        (void)pthread_cond_wait(&l->changed, &l->lock);
    j = l->open;
    if (!j)
        return NULL;
    l->n_open--;
    do /* what was only told stands between them */
        l->open = l->open->next;
    while (l->open && l->open->over);
    return j;
}

static void
lane_job(lane *self, finops_code opened, const finops_error *why)
{
    job *j = self->at;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    finops_code rc = opened;

    if (rc == FINOPS_OK && fo_cancelled(self->options.cancel))
        rc = fo_error_set(&err, FINOPS_E_CANCELLED, "stopped before %s %s", j->ex.identity.export_name,
                          j->month.period);
    else if (rc == FINOPS_OK)
        rc = fo_import_month_execute(&self->im, &j->ex, &j->month, j->action, &err);
    else
        err = error_copy(why);
    if (rc != FINOPS_OK && j->rc == FINOPS_OK) {
        j->rc = rc;
        j->error = FO_TAKE(err);
    }
}

static void
lane_count(fo_import *im, const fo_import *of)
{
    im->summary.loaded += of->summary.loaded;
    im->summary.current += of->summary.current;
    im->summary.failed += of->summary.failed;
    if (im->first_failure == FINOPS_OK)
        im->first_failure = of->first_failure;
}

/* With the lock held: one that has no session leaves the months to the others, as long as there are any. */
static bool
lane_serves(fo_import_lanes *l, finops_code opened)
{
    l->failed += opened != FINOPS_OK;
    return opened == FINOPS_OK || l->failed == l->n;
}

static void *
lane_run(void *arg)
{
    lane *self = arg;
    fo_import_lanes *l = self->lanes;
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code opened = lane_open(self, &why);
    bool serves;

    (void)pthread_mutex_lock(&l->lock);
    serves = lane_serves(l, opened);
    while (serves && (self->at = lane_take(l))) {
        (void)pthread_mutex_unlock(&l->lock);
        lane_job(self, opened, why);
        (void)pthread_mutex_lock(&l->lock);
        self->at->over = true;
        l->ending = l->ending || self->at->rc != FINOPS_OK;
        tell(l);
        (void)pthread_cond_broadcast(&l->changed);
    }
    (void)pthread_mutex_unlock(&l->lock);
    lane_close(self);
    return NULL;
}

/* With the lock held. */
static finops_code
lane_start(fo_import_lanes *l, finops_error **err)
{
    lane *new = fo_zalloc(sizeof(*new));
    int failed;

    if (!new)
        return fo_error_oom(err);
    new->lanes = l;
    failed = pthread_create(&new->thread, NULL, lane_run, new);
    if (failed) {
        fo_free(new);
        return fo_error_errno(err, failed, "start a thread that loads months");
    }
    l->running[l->n++] = new;
    return FINOPS_OK;
}

/* With the lock held: as many as there is work for. A month that stays alone needs none. */
static finops_code
lanes_start(fo_import_lanes *l, finops_error **err)
{
    size_t wanted = l->n_open + (l->n == 0 ? 0 : l->n);
    finops_code rc = FINOPS_OK;

    if (l->n == 0 && wanted < 2)
        return rc;
    while (rc == FINOPS_OK && l->n < l->max && l->n < wanted)
        rc = lane_start(l, err);
    return rc;
}

/* ---- the caller's side ---- */

static finops_code
lanes_new(fo_import *im, const fo_aws_settings *aws, size_t max, fo_import_lanes **ret, finops_error **err)
{
    fo_import_lanes *l = fo_zalloc(sizeof(*l));

    if (l)
        l->running = fo_array(max, sizeof(lane *));
    if (!l || !l->running) {
        fo_free(l);
        return fo_error_oom(err);
    }
    l->im = im;
    l->aws = aws;
    l->max = max;
    l->end = &l->first;
    (void)pthread_mutex_init(&l->lock, NULL);
    (void)pthread_cond_init(&l->changed, NULL);
    *ret = l;
    return FINOPS_OK;
}

static finops_code
job_copy_files(job *j, const fo_import_month *month, finops_error **err)
{
    j->files = month->n_files ? fo_array(month->n_files, sizeof(*j->files)) : NULL;
    if (month->n_files && !j->files)
        return fo_error_oom(err);
    for (size_t i = 0; i < month->n_files; i++)
        if (!fo_strv_add(&j->texts, month->files[i].address) ||
            !fo_strv_add(&j->texts, month->files[i].label))
            return fo_error_oom(err);
    for (size_t i = 0; i < month->n_files; i++)
        j->files[i] = (fo_bill_file){ j->texts.items[2 * i], j->texts.items[2 * i + 1] };
    j->month.files = j->files;
    return FINOPS_OK;
}

/* Its names are read when it is its turn: those before it may have made some. */
static finops_code
job_new(const fo_import_export *ex, const fo_import_month *month, fo_import_action action, job **ret,
        finops_error **err)
{
    job *j = fo_zalloc(sizeof(*j));
    finops_code rc;

    if (!j)
        return fo_error_oom(err);
    j->ex = *ex;
    j->ex.names = NULL;
    j->ex.identity = (fo_identity){ .export_name = fo_strdup(ex->identity.export_name),
                                    .table_base = fo_strdup(ex->identity.table_base) };
    j->ex.target.export_name = j->ex.identity.export_name;
    j->ex.target.table_base = j->ex.identity.table_base;
    j->month = *month;
    j->action = action;
    rc = j->ex.identity.export_name && j->ex.identity.table_base ? job_copy_files(j, month, err)
                                                                 : fo_error_oom(err);
    if (rc == FINOPS_OK)
        *ret = j;
    else
        job_free(j);
    return rc;
}

size_t
fo_import_lanes_max(const fo_import *im, const fo_import_month *month)
{
    bool may = im->by_source && !im->all && !month->schema && !im->options->dry_run;

    return may ? fo_database_loads(im->database, im->options->settings) : 1;
}

finops_code
fo_import_lanes_take(fo_import *im, const fo_import_export *ex, const fo_import_month *month,
                     fo_import_action action, finops_error **err)
{
    fo_import_lanes *l;
    job *new = NULL;
    finops_code rc = FINOPS_OK;

    if (!im->lanes)
        rc = lanes_new(im, ex->aws, fo_import_lanes_max(im, month), &im->lanes, err);
    if (rc == FINOPS_OK)
        rc = job_new(ex, month, action, &new, err);
    if (rc != FINOPS_OK)
        return rc;
    l = im->lanes;
    (void)pthread_mutex_lock(&l->lock);
    append(l, new);
    (void)pthread_cond_broadcast(&l->changed);
    rc = lanes_start(l, err);
    while (rc == FINOPS_OK && l->n > 0 && l->n_open > l->max &&
           !l->ending) /* what was found is not to run away */
        (void)pthread_cond_wait(&l->changed, &l->lock);
    if (l->ending && rc == FINOPS_OK)
        rc = FINOPS_E_CANCELLED; /* fo_import_lanes_end() has the reason */
    (void)pthread_mutex_unlock(&l->lock);
    return rc;
}

void
fo_import_lanes_tell(fo_import_lanes *l, const fo_import_event *event)
{
    job *j = fo_zalloc(sizeof(*j));

    (void)pthread_mutex_lock(&l->lock);
    if (j && job_note(j, event)) {
        j->over = true;
        append(l, FO_TAKE(j));
        tell(l);
    } else if (l->rc == FINOPS_OK) {
        l->rc = fo_error_oom(&l->error);
    }
    (void)pthread_mutex_unlock(&l->lock);
    job_free(j);
}

/* With the lock held: nobody takes what is left any more. */
static void
forget_open(fo_import_lanes *l)
{
    for (job *j = l->open; j; j = j->next)
        j->over = true;
    l->open = NULL;
    l->n_open = 0;
}

/* The only month, by the import that it was found by. */
static finops_code
run_here(fo_import_lanes *l, fo_import *im, finops_error **err)
{
    job *only = l->open;
    finops_code rc;

    l->open = NULL;
    l->n_open = 0;
    tell(l);
    rc = fo_import_month_execute(im, &only->ex, &only->month, only->action, err);
    only->over = true;
    tell(l);
    return rc;
}

finops_code
fo_import_lanes_end(fo_import *im, finops_code rc, finops_error **err)
{
    fo_import_lanes *l = im->lanes;

    if (!l)
        return rc;
    (void)pthread_mutex_lock(&l->lock);
    l->ending = true;
    if (rc != FINOPS_OK)
        forget_open(l);
    (void)pthread_cond_broadcast(&l->changed);
    (void)pthread_mutex_unlock(&l->lock);
    im->lanes = NULL; /* from here on it tells by itself */
    if (l->n == 0 && l->open)
        rc = run_here(l, im, err);
    for (size_t i = 0; i < l->n; i++) {
        (void)pthread_join(l->running[i]->thread, NULL);
        lane_count(im, &l->running[i]->im);
        fo_free(l->running[i]);
    }
    forget_open(l);
    tell(l);
    if (l->rc != FINOPS_OK) { /* what ended the others came first */
        rc = l->rc;
        if (err) {
            finops_error_free(*err);
            *err = FO_TAKE(l->error);
        }
    }
    finops_error_free(l->error);
    (void)pthread_cond_destroy(&l->changed);
    (void)pthread_mutex_destroy(&l->lock);
    fo_free(l->running);
    fo_free(l);
    return rc;
}
