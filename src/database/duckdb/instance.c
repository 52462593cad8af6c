/* Open databases: finding, opening and closing them. */
#include "database/duckdb/instance.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "database/duckdb/instance_internal.h"
#include "database/duckdb/kept.h"

#define RETRY_NS 20000000L
/* Of a reader, for a writer that is just opening or closing the file. */
#define READER_PATIENCE_US ((int64_t)10 * 1000000)
#define STOP_PATIENCE_MS 5000
#define LINKS_MAX 40

pthread_mutex_t fo_instances_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t instances_changed = PTHREAD_COND_INITIALIZER;
static fo_instance *instances; /* those of files */

/* The file a link that points to nothing yet would make. NULL: no memory, or too many links, by errno. */
static char *
path_target(const char *path)
{
    FO_AUTO(fo_freep) char *at = fo_strdup(path);
    char target[PATH_MAX];
    ssize_t n;

    for (unsigned i = 0; at && (n = readlink(at, target, sizeof(target) - 1)) > 0; i++) {
        FO_AUTO(fo_freep) char *last = at;
        int folder = (int)(fo_path_base(last) - last);

        at = NULL;
        if (i == LINKS_MAX) {
            errno = ELOOP;
            return NULL;
        }
        target[n] = '\0';
        at = *target == '/' ? fo_strdup(target) : fo_format("%.*s%s", folder, last, target);
    }
    errno = at ? 0 : ENOMEM;
    return FO_TAKE(at);
}

/* Where a file that is not there would be: its folder may be reached by links, too. */
static char *
path_of_missing(const char *path)
{
    FO_AUTO(fo_freep) char *file = path_target(path);
    FO_AUTO(fo_freep) char *folder = NULL;
    char real[PATH_MAX];
    const char *base;

    if (!file)
        return NULL;
    base = fo_path_base(file);
    folder = base > file ? fo_strndup(file, (size_t)(base - file)) : fo_strdup(".");
    bool found = folder && realpath(folder, real);
    errno = ENOMEM; /* unless the current folder cannot be told */
    if (!folder)
        return NULL;
    return found ? fo_path_join(real, base) : fo_path_absolute(file);
}

finops_code
fo_instance_path(const char *database_path, char **ret, finops_error **err)
{
    FO_AUTO(fo_freep) char *path = NULL;
    char real[PATH_MAX];

    assert(database_path && ret);
    errno = ENOMEM;
    path = realpath(database_path, real) ? fo_strdup(real) : path_of_missing(database_path);
    if (!path)
        return fo_error_errno(err, errno, "find %s from the current folder", database_path);
    if (strchr(path, '?')) /* the engine takes it for the start of options and puts its log elsewhere */
        return fo_error_set(err, FINOPS_E_CONFIG, "the path of a database cannot hold a '?': %s", path);
    *ret = FO_TAKE(path);
    return FINOPS_OK;
}

/* The lock is held by all that follow, unless they say otherwise. */

static fo_instance *
instance_find(const char *path)
{
    fo_instance *at = instances;

    while (at && !fo_streq(at->path, path))
        at = at->next;
    return at;
}

bool
fo_instance_is_open(const char *path)
{
    bool found;

    (void)pthread_mutex_lock(&fo_instances_lock);
    found = instance_find(path) != NULL;
    (void)pthread_mutex_unlock(&fo_instances_lock);
    return found;
}

static void
instance_free(fo_instance *instance)
{
    if (!instance)
        return;
    fo_strv_done(&instance->keep);
    fo_free(instance->path);
    fo_free(instance);
}

static void
instance_remove(fo_instance *instance)
{
    fo_instance **at = &instances;

    while (*at != instance)
        at = &(*at)->next;
    *at = instance->next;
    (void)pthread_cond_broadcast(&instances_changed);
    instance_free(instance);
}

/* A row for the file that keeps others from opening it meanwhile; NULL: no memory. */
static fo_instance *
instance_reserve(const char *path, bool read_only)
{
    fo_instance *instance = fo_zalloc(sizeof(*instance));

    if (!instance)
        return NULL;
    instance->path = fo_strdup(path);
    if (!instance->path) {
        fo_free(instance);
        return NULL;
    }
    instance->read_only = read_only;
    instance->state = INSTANCE_OPENING;
    instance->next = instances;
    instances = instance;
    return instance;
}

/* Without the lock. */
static finops_code
instance_engine(const fo_duckdb_settings *settings, const fo_instance_plan *plan, const char *path,
                bool read_only, fo_engine **ret, finops_error **err)
{
    FO_AUTO(fo_freep) char *temp = path ? fo_format("%s.tmp", path) : NULL;
    FO_AUTO(fo_engine_closep) fo_engine *engine = NULL;
    fo_engine_options options = { .path = plan ? NULL : path,
                                  .read_only = read_only && !plan,
                                  .memory_limit = settings->memory_limit,
                                  .threads = (unsigned)settings->threads,
                                  .temp_directory = settings->temp_directory,
                                  .secret_directory = plan ? plan->secret_directory : NULL };

    if (path && !temp)
        return fo_error_oom(err);
    if (!options.temp_directory)
        options.temp_directory = temp;
    finops_code rc = fo_engine_open(&options, &engine, err);
    if (rc == FINOPS_OK && plan)
        rc = plan->set_up(engine, read_only, plan, err);
    if (rc == FINOPS_OK)
        *ret = FO_TAKE(engine);
    return rc;
}

finops_code
fo_instance_memory(const fo_duckdb_settings *settings, const fo_instance_plan *plan, fo_instance **ret,
                   finops_error **err)
{
    fo_instance *instance = fo_zalloc(sizeof(*instance));
    finops_code rc;

    if (!instance)
        return fo_error_oom(err);
    instance->state = INSTANCE_OPEN;
    rc = instance_engine(settings, plan, NULL, false, &instance->engine, err);
    if (rc == FINOPS_OK)
        *ret = instance;
    else
        instance_free(instance);
    return rc;
}

void
fo_instance_memory_close(fo_instance *instance)
{
    if (!instance)
        return;
    assert(!instance->path && instance->writers == 0 && !instance->readers);
    fo_engine_close(instance->engine);
    instance_free(instance);
}

/* Opens what was reserved, without the lock; what failed is gone afterwards. */
static finops_code
instance_open(fo_instance *instance, const fo_link *link, finops_error **err)
{
    fo_engine *engine = NULL;
    fo_server *server = NULL;
    finops_code rc;

    instance->checkpoint = link->plan ? link->plan->checkpoint : "CHECKPOINT";
    (void)pthread_mutex_unlock(&fo_instances_lock);
    rc = instance_engine(link->settings, link->plan, instance->path, instance->read_only, &engine, err);
    if (rc == FINOPS_OK && !instance->read_only)
        rc = fo_server_start(engine, instance->path, &server, err);
    if (rc != FINOPS_OK)
        fo_engine_close(engine);
    (void)pthread_mutex_lock(&fo_instances_lock);
    if (rc != FINOPS_OK) {
        instance_remove(instance);
        return rc;
    }
    instance->engine = engine;
    instance->server = server;
    instance->state = INSTANCE_OPEN;
    (void)pthread_cond_broadcast(&instances_changed);
    return FINOPS_OK;
}

/* Without the lock; the file is reserved, for closing a descriptor of it takes the locks of an engine. */
static finops_code
probe_file(const char *path, finops_error **err)
{
    static const char mark[] = "DUCK"; /* https://duckdb.org/docs/stable/internals/storage */
    char head[12];
    FO_AUTO(fo_fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n;

    if (fd < 0 && errno == ENOENT)
        return FINOPS_OK;
    n = fd < 0 ? -1 : pread(fd, head, sizeof(head), 0);
    if (n < 0)
        return fo_error_errno(err, errno, "open database %s", path);
    if (n > 0 && (n < (ssize_t)sizeof(head) || memcmp(head + 8, mark, sizeof(mark) - 1) != 0))
        return fo_error_set(err, FINOPS_E_CORRUPT, "%s is no DuckDB database", path);
    return FINOPS_OK;
}

finops_code
fo_instance_probe(const char *path, bool *ret_closed, finops_error **err)
{
    fo_instance *instance = NULL;
    finops_code rc = FINOPS_OK;

    *ret_closed = false;
    if (fo_remote_reachable(path))
        return rc;
    (void)pthread_mutex_lock(&fo_instances_lock);
    if (!instance_find(path)) {
        instance = instance_reserve(path, true);
        rc = instance ? rc : fo_error_oom(err);
    }
    (void)pthread_mutex_unlock(&fo_instances_lock);
    if (!instance)
        return rc;
    rc = probe_file(path, err);
    (void)pthread_mutex_lock(&fo_instances_lock);
    instance_remove(instance);
    (void)pthread_mutex_unlock(&fo_instances_lock);
    *ret_closed = true;
    return rc;
}

/*
 * The last words of a writer, while it still holds the file: all is in the file, and this is what the file
 * then is. Should anything fail here, the next run has to open the database, nothing else. Without the lock.
 */
static fo_kept *
instance_conclude(fo_instance *instance, fo_kept_mark *ret_mark)
{
    FO_AUTO(fo_conn_closep) fo_conn *conn = NULL;
    FO_AUTO(fo_kept_closep) fo_kept *kept = NULL;
    size_t n = instance->keep.n;

    if (fo_conn_open(instance->engine, &conn, NULL) != FINOPS_OK)
        return NULL;
    /* The long part of closing: readers are still served during it. */
    if (fo_conn_exec(conn, instance->checkpoint, NULL) != FINOPS_OK || n == 0)
        return NULL;
    kept = fo_kept_new(n);
    for (size_t i = 0; kept && i < n; i++) {
        fo_rows *rows = NULL;

        if (fo_conn_rows(conn, instance->keep.items[i], NULL, 0, &rows, NULL) != FINOPS_OK ||
            fo_kept_set(kept, i, instance->keep.items[i], rows, NULL) != FINOPS_OK)
            return NULL;
    }
    if (kept)
        *ret_mark = fo_kept_mark_of(instance->path);
    return FO_TAKE(kept);
}

static bool
instance_unused(const fo_instance *instance)
{
    return instance->read_only ? !instance->readers : instance->writers == 0 && instance->busy == 0;
}

/* None of the readers is in the middle of something: they attach again when they are used next. */
static void
instance_dismiss_readers(fo_instance *instance)
{
    while (instance->readers) {
        fo_link *link = instance->readers;

        assert(link->depth == 0);
        instance->readers = FO_TAKE(link->next);
        link->instance = NULL;
        fo_conn_close(FO_TAKE(link->conn));
    }
}

/* Without the lock. */
static void
instance_shut(fo_instance *instance, const fo_kept *kept, const fo_kept_mark *mark)
{
    fo_server_stop(instance->server, STOP_PATIENCE_MS);
    fo_engine_close(instance->engine);
    if (kept)
        (void)fo_kept_write(kept, instance->path, mark, NULL);
}

void
fo_instance_settle(fo_instance *instance)
{
    FO_AUTO(fo_kept_closep) fo_kept *kept = NULL;
    FO_AUTO(fo_kept_mark_done) fo_kept_mark mark = FO_KEPT_MARK_INIT;
    unsigned visits;

    (void)pthread_cond_broadcast(&instances_changed);
    if (!instance->path || instance->concluding || !instance_unused(instance))
        return;
    if (!instance->read_only) {
        instance->concluding = true;
        do { /* somebody may come, write and leave meanwhile */
            visits = instance->visits;
            (void)pthread_mutex_unlock(&fo_instances_lock);
            fo_kept_close(FO_TAKE(kept));
            fo_kept_mark_done(&mark);
            kept = instance_conclude(instance, &mark);
            (void)pthread_mutex_lock(&fo_instances_lock);
        } while (instance_unused(instance) && visits != instance->visits);
        instance->concluding = false;
        if (!instance_unused(instance))
            return;
    }
    instance->state = INSTANCE_CLOSING;
    instance_dismiss_readers(instance);
    (void)pthread_mutex_unlock(&fo_instances_lock);
    instance_shut(instance, kept, &mark);
    (void)pthread_mutex_lock(&fo_instances_lock);
    instance_remove(instance);
}

void
fo_instances_wait(void)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += RETRY_NS;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    (void)pthread_cond_clockwait(&instances_changed, &fo_instances_lock, CLOCK_MONOTONIC, &until);
}

bool
fo_instances_cancelled(const finops_call *call)
{
    bool cancelled;

    if (!call || !call->cancelled)
        return false;
    (void)pthread_mutex_unlock(&fo_instances_lock);
    cancelled = call->cancelled(call->arg);
    (void)pthread_mutex_lock(&fo_instances_lock);
    return cancelled;
}

/* How long a link goes on trying. */
typedef struct attempt {
    fo_link *link;
    const finops_call *call;
    int64_t until;
} attempt;

/* Waits for a change, a moment at most. FINOPS_E_BUSY, without an error, when the time is up. */
static finops_code
attempt_wait(const attempt *a, finops_error **err)
{
    const finops_call *call = a->call;
    int64_t now = fo_clock_monotonic();

    if (fo_cancelled(&a->link->stop) || fo_instances_cancelled(call))
        return fo_error_set(err, FINOPS_E_CANCELLED, "stopped while waiting for %s", a->link->path);
    if (call && call->deadline_us && now >= call->deadline_us)
        return fo_error_set(err, FINOPS_E_TIMEOUT, "the deadline passed while waiting for %s", a->link->path);
    if (now >= a->until)
        return FINOPS_E_BUSY;
    fo_instances_wait();
    return FINOPS_OK;
}

/* Where its settings are. */
static const char *
link_section(const fo_link *link)
{
    return link->plan ? link->plan->section : "database.duckdb";
}

static finops_code
attempt_busy(const attempt *a, finops_error **err)
{
    bool reading = a->link->read_only;
    const char *section = link_section(a->link);

    (void)fo_error_set(err, FINOPS_E_BUSY, "open database %s: %s in this process", a->link->path,
                       reading ? "it is being opened or closed" : "it is being read");
    fo_error_hint(err, "end the queries on it first, or raise [%s] lock_timeout", section);
    return FINOPS_E_BUSY;
}

void
fo_link_join(fo_link *link, fo_instance *instance)
{
    link->instance = instance;
    instance->visits++;
    if (!link->read_only) {
        instance->writers++;
        return;
    }
    link->next = instance->readers;
    instance->readers = link;
    if (link->depth > 0)
        instance->busy++;
}

static finops_code
attempt_nothing_to_read(const fo_link *link, finops_error **err)
{
    (void)fo_error_set(err, FINOPS_E_NOT_FOUND, "there is no database %s yet", link->path);
    fo_error_hint(err,
                  "load bills with 'finops aws import-cur', or name another file with [%s] database_path",
                  link_section(link));
    return FINOPS_E_NOT_FOUND;
}

/* Opens the file, which this process has not open. *ret is false when another process has to be waited for;
 * *why then says for whom. */
static finops_code
attempt_open(fo_link *link, bool *ret, finops_error **why, finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *failure = NULL;
    fo_instance *instance = instance_reserve(link->path, link->read_only);
    finops_code rc;

    if (!instance)
        return fo_error_oom(err);
    rc = instance_open(instance, link, &failure);
    if (rc == FINOPS_OK) {
        fo_link_join(link, instance);
        *ret = true;
    } else if (rc == FINOPS_E_BUSY) {
        finops_error_free(*why);
        *why = FO_TAKE(failure);
        *ret = false;
        rc = FINOPS_OK;
    } else if (err) {
        *err = FO_TAKE(failure);
    }
    return rc;
}

/* One try; *ret_done is false when it is worth another. */
static finops_code
attempt_once(const attempt *a, bool *ret_done, finops_error **why, finops_error **err)
{
    fo_link *link = a->link;
    fo_instance *instance = instance_find(link->path);

    *ret_done = false;
    if (instance && instance->state == INSTANCE_OPEN && (link->read_only || !instance->read_only)) {
        fo_link_join(link, instance);
        *ret_done = true;
        return FINOPS_OK;
    }
    if (instance) {
        finops_error_free(FO_TAKE(*why));
        if (instance->state != INSTANCE_OPEN || instance->busy > 0)
            return FINOPS_OK;
        instance_dismiss_readers(instance);
        fo_instance_settle(instance);
    }
    if (link->read_only) {
        bool reachable;

        (void)pthread_mutex_unlock(&fo_instances_lock);
        reachable = fo_remote_reachable(link->path);
        *ret_done = reachable;
        if (!reachable && access(link->path, F_OK) != 0 && errno == ENOENT) {
            (void)pthread_mutex_lock(&fo_instances_lock);
            return attempt_nothing_to_read(link, err);
        }
        (void)pthread_mutex_lock(&fo_instances_lock);
        if (reachable || instance_find(link->path)) /* meanwhile */
            return FINOPS_OK;
    } else if (instance_find(link->path)) {
        return FINOPS_OK;
    }
    return attempt_open(link, ret_done, why, err);
}

/* The time is up: what was in the way. */
static finops_code
attempt_give_up(const attempt *a, finops_error *why, finops_error **err)
{
    if (!why)
        return attempt_busy(a, err);
    if (!err) {
        finops_error_free(why);
        return FINOPS_E_BUSY;
    }
    *err = why;
    if (!a->link->read_only)
        fo_error_hint(
            err, "another finops process or program has it open; wait for it, or raise [%s] lock_timeout",
            link_section(a->link));
    return FINOPS_E_BUSY;
}

/* The instance of the link, NULL when another process answers. */
static finops_code
attempt_all(const attempt *a, finops_error **err)
{
    finops_error *why = NULL;
    bool done = false;
    finops_code rc = FINOPS_OK;

    (void)pthread_mutex_lock(&fo_instances_lock);
    while (rc == FINOPS_OK && !done) {
        rc = attempt_once(a, &done, &why, err);
        if (rc == FINOPS_OK && !done) {
            rc = attempt_wait(a, err);
            if (rc == FINOPS_E_BUSY)
                rc = attempt_give_up(a, FO_TAKE(why), err);
        }
    }
    (void)pthread_mutex_unlock(&fo_instances_lock);
    finops_error_free(why);
    return rc;
}

void
fo_link_detach(fo_link *link)
{
    fo_instance *instance = link->instance;
    fo_link **at;

    fo_conn_close(FO_TAKE(link->conn));
    if (!instance)
        return;
    if (!link->read_only) {
        instance->writers--;
        fo_link_unlock_all(link);
    } else {
        for (at = &instance->readers; *at != link; at = &(*at)->next)
            ;
        *at = FO_TAKE(link->next);
        if (link->depth > 0)
            instance->busy--;
    }
    link->instance = NULL;
    fo_instance_settle(instance);
}

finops_code
fo_link_attach(fo_link *link, const finops_call *call, finops_error **err)
{
    int64_t patience = link->read_only ? READER_PATIENCE_US : link->settings->lock_timeout * 1000000;
    attempt a = { link, call, fo_clock_monotonic() + patience };
    fo_conn *conn = NULL;
    finops_code rc = FINOPS_OK;

    if (link->path)
        rc = attempt_all(&a, err);
    if (rc != FINOPS_OK || !link->instance)
        return rc;
    rc = fo_conn_open(link->instance->engine, &conn, err);
    (void)pthread_mutex_lock(&fo_instances_lock);
    if (rc == FINOPS_OK && fo_cancelled(&link->stop)) /* there was no connection to stop then */
        rc = fo_error_set(err, FINOPS_E_CANCELLED, "stopped while opening %s",
                          link->path ? link->path : "the database in memory");
    if (rc == FINOPS_OK) {
        link->conn = FO_TAKE(conn);
    } else {
        fo_conn_close(conn); /* before the engine may go */
        fo_link_detach(link);
    }
    (void)pthread_mutex_unlock(&fo_instances_lock);
    return rc;
}
