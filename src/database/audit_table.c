/* Appending to the audit table: a queue, and transactions of its own that empty it. */
#include "database/audit_table.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "database/audit_row.h"
#include "database/front_internal.h"
#include "resilience/deadline.h"

#define PENDING_MAX 100000 /* of a transaction that changes much */
#define ROWS_MAX 32        /* of one INSERT */
#define ATTEMPTS_MAX 50
#define FLUSH_MAX_US (30 * 1000000LL)
#define AUDIT_LOCK "finops audit"

typedef struct entry {
    struct entry *next;
    char *object;
    char time[FO_TIME_TEXT], operation[FO_AUDIT_NAME], outcome[32], rows[24], micros[24];
} entry;

struct fo_audit_table {
    fo_audit_place place;
    char *user, *host;
    char pid[24];
    pthread_mutex_t flushing; /* held by whoever writes, before `lock` */
    atomic_bool there;        /* the table; guarded by `flushing` where it is set */
    pthread_mutex_t lock;     /* for the next ones */
    entry *first, *last;
    size_t n;
    bool lost; /* an event there was no memory for */
    /* The first `unsure` of the queue may be in the table already, up to this hash. Guarded by `flushing`. */
    size_t unsure;
    char unsure_hash[FO_SHA256_HEX];
    atomic_size_t waiting;
};

finops_code
fo_audit_table_new(const char *name, fo_audit_table **ret, finops_error **err)
{
    fo_audit_table *t = fo_zalloc(sizeof(*t));
    finops_code rc;

    if (!t)
        return fo_error_oom(err);
    (void)pthread_mutex_init(&t->flushing, NULL);
    (void)pthread_mutex_init(&t->lock, NULL);
    atomic_init(&t->there, false);
    atomic_init(&t->waiting, 0);
    t->user = fo_audit_user();
    t->host = fo_audit_host();
    rc = t->user && t->host ? fo_audit_place_parse(name, &t->place, err) : fo_error_oom(err);
    if (rc != FINOPS_OK) {
        fo_audit_table_free(t);
        return rc;
    }
    *ret = t;
    return FINOPS_OK;
}

static void
entry_free(entry *e)
{
    if (e)
        fo_free(e->object);
    fo_free(e);
}

void
fo_audit_table_free(fo_audit_table *t)
{
    if (!t)
        return;
    if (t->n > 0 || t->lost)
        fo_warn("%zu changes could not be recorded in audit table %s", t->n + (t->lost ? 1 : 0),
                t->place.table);
    while (t->first) {
        entry *e = t->first;

        t->first = e->next;
        entry_free(e);
    }
    fo_audit_place_done(&t->place);
    fo_free(t->user);
    fo_free(t->host);
    (void)pthread_mutex_destroy(&t->lock);
    (void)pthread_mutex_destroy(&t->flushing);
    fo_free(t);
}

static entry *
entry_new(const fo_audit_event *event)
{
    entry *e = fo_zalloc(sizeof(*e));

    if (!e)
        return NULL;
    if (event->object && *event->object) {
        e->object = fo_audit_clean(event->object);
        if (!e->object) {
            entry_free(e);
            return NULL;
        }
    }
    (void)fo_time_format(fo_clock_now(), e->time);
    (void)snprintf(e->operation, sizeof(e->operation), "%s", event->operation);
    (void)snprintf(e->outcome, sizeof(e->outcome), "%s", finops_code_name(event->outcome));
    if (event->rows >= 0)
        (void)snprintf(e->rows, sizeof(e->rows), "%" PRId64, event->rows);
    (void)snprintf(e->micros, sizeof(e->micros), "%" PRId64, event->micros);
    return e;
}

void
fo_audit_table_add(fo_audit_table *t, const fo_audit_event *event)
{
    entry *e = entry_new(event);

    (void)pthread_mutex_lock(&t->lock);
    if (e && t->n < PENDING_MAX) {
        if (t->last)
            t->last->next = e;
        else
            t->first = e;
        t->last = e;
        t->n++;
    } else {
        t->lost = true;
        entry_free(e);
    }
    atomic_store(&t->waiting, t->n + (t->lost ? 1 : 0));
    (void)pthread_mutex_unlock(&t->lock);
}

bool
fo_audit_table_waiting(fo_audit_table *t)
{
    return atomic_load(&t->waiting) > 0;
}

/* ---- writing ---- */

/* One attempt to write the first `n` of the queue, which nobody else takes from. */
typedef struct attempt {
    fo_audit_table *t;
    finops_session *session;
    const finops_capabilities *c;
    finops_call call;
    int64_t seq; /* of the last row */
    char prev[FO_SHA256_HEX];
} attempt;

static finops_code
ask(attempt *a, const fo_str *sql, const char *const *params, size_t n, fo_rows **ret, finops_error **err)
{
    const finops_statement statement = {
        .sql = fo_str_z(sql), .params = params, .n_params = n, .as_text = true, .call = &a->call
    };
    struct ArrowArrayStream stream = { 0 };
    finops_code rc = fo_str_check(sql, err);

    if (rc == FINOPS_OK)
        rc = finops_session_execute(a->session, &statement, &stream, NULL, err);
    return rc == FINOPS_OK ? fo_rows_from_stream(&stream, ret, err) : rc;
}

static finops_code
run(attempt *a, const fo_str *sql, const char *const *params, size_t n, finops_error **err)
{
    const finops_statement statement = {
        .sql = fo_str_z(sql), .params = params, .n_params = n, .call = &a->call
    };
    finops_code rc = fo_str_check(sql, err);

    return rc == FINOPS_OK ? finops_session_execute(a->session, &statement, NULL, NULL, err) : rc;
}

static finops_code
last_read(attempt *a, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    const char *hash;
    finops_code rc;

    fo_audit_sql_last(&a->t->place, a->c, &sql);
    rc = ask(a, &sql, NULL, 0, &rows, err);
    if (rc != FINOPS_OK)
        return rc;
    a->seq = 0;
    fo_audit_first(a->prev);
    if (fo_rows_count(rows) == 0)
        return FINOPS_OK;
    hash = fo_rows_text(rows, 0, 1);
    if (!hash || strlen(hash) != FO_SHA256_HEX - 1)
        return fo_error_set(err, FINOPS_E_CORRUPT, "the last row of audit table %s has no hash",
                            a->t->place.table);
    a->seq = fo_rows_int(rows, 0, 0);
    memcpy(a->prev, hash, FO_SHA256_HEX);
    return FINOPS_OK;
}

typedef struct row {
    const char *cells[FO_AUDIT_COLUMNS];
    char seq[24], prev[FO_SHA256_HEX], hash[FO_SHA256_HEX];
} row;

static finops_code
row_make(attempt *a, const entry *e, row *r, finops_error **err)
{
    finops_code rc;

    (void)snprintf(r->seq, sizeof(r->seq), "%" PRId64, a->seq + 1);
    memcpy(r->prev, a->prev, sizeof(r->prev));
    r->cells[FO_AUDIT_SEQ] = r->seq;
    r->cells[FO_AUDIT_TIME] = e->time;
    r->cells[FO_AUDIT_USER] = a->t->user;
    r->cells[FO_AUDIT_HOST] = a->t->host;
    r->cells[FO_AUDIT_PID] = a->t->pid;
    r->cells[FO_AUDIT_BACKEND] = finops_database_backend(fo_session_database(a->session));
    r->cells[FO_AUDIT_OPERATION] = e->operation;
    r->cells[FO_AUDIT_OBJECT] = e->object;
    r->cells[FO_AUDIT_ROWS] = e->rows[0] ? e->rows : NULL;
    r->cells[FO_AUDIT_MICROS] = e->micros;
    r->cells[FO_AUDIT_OUTCOME] = e->outcome;
    r->cells[FO_AUDIT_PREV] = r->prev;
    rc = fo_audit_row_hash(r->cells, r->hash, err);
    if (rc != FINOPS_OK)
        return rc;
    r->cells[FO_AUDIT_HASH] = r->hash;
    a->seq++;
    memcpy(a->prev, r->hash, sizeof(a->prev));
    return FINOPS_OK;
}

static finops_code
rows_insert(attempt *a, const entry *const *entries, size_t n, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_freep) row *rows = fo_array(n, sizeof(*rows));
    FO_AUTO(fo_freep) const char **params = fo_array(n * FO_AUDIT_COLUMNS, sizeof(*params));
    finops_code rc = rows && params ? FINOPS_OK : fo_error_oom(err);

    for (size_t i = 0; rc == FINOPS_OK && i < n; i++) {
        rc = row_make(a, entries[i], &rows[i], err);
        memcpy(params + i * FO_AUDIT_COLUMNS, rows[i].cells, sizeof(rows[i].cells));
    }
    if (rc != FINOPS_OK)
        return rc;
    fo_audit_sql_insert(&a->t->place, a->c, n, &sql);
    return run(a, &sql, params, n * FO_AUDIT_COLUMNS, err);
}

static finops_code
rows_append(attempt *a, const entry *const *entries, size_t n, finops_error **err)
{
    size_t most = a->c->max_parameters / FO_AUDIT_COLUMNS;
    finops_code rc = last_read(a, err);

    if (most < 1 || most > ROWS_MAX)
        most = a->c->max_parameters && most < 1 ? 1 : ROWS_MAX;
    for (size_t done = 0; rc == FINOPS_OK && done < n; done += most)
        rc = rows_insert(a, entries + done, n - done < most ? n - done : most, err);
    return rc;
}

/* Where there are no transactions the numbers alone keep two writers apart. */
static finops_code
append(attempt *a, const entry *const *entries, size_t n, finops_error **err)
{
    bool transaction = (a->c->features & FINOPS_DATABASE_TRANSACTIONS) != 0;
    finops_code rc = transaction ? finops_session_begin(a->session, err) : FINOPS_OK;

    if (rc != FINOPS_OK)
        return rc;
    rc = rows_append(a, entries, n, err);
    if (!transaction)
        return rc;
    if (rc != FINOPS_OK) {
        (void)finops_session_rollback(a->session, NULL);
        return rc;
    }
    rc = finops_session_commit(a->session, err);
    if (rc != FINOPS_OK && a->session->commit_unknown) {
        a->t->unsure = n;
        memcpy(a->t->unsure_hash, a->prev, sizeof(a->prev));
    }
    return rc;
}

/* What waits now; others may add to the queue meanwhile, nobody takes from it. */
static bool
queue_list(fo_audit_table *t, const entry ***ret, size_t *ret_n)
{
    const entry **list;
    size_t n = 0;

    (void)pthread_mutex_lock(&t->lock);
    list = fo_array(t->n ? t->n : 1, sizeof(*list));
    for (const entry *e = t->first; list && e; e = e->next)
        list[n++] = e;
    (void)pthread_mutex_unlock(&t->lock);
    *ret = list;
    *ret_n = n;
    return list != NULL;
}

static void
queue_drop(fo_audit_table *t, size_t n)
{
    (void)pthread_mutex_lock(&t->lock);
    while (n-- > 0) {
        entry *e = t->first;

        t->first = e->next;
        entry_free(e);
        t->n--;
    }
    if (!t->first)
        t->last = NULL;
    atomic_store(&t->waiting, t->n + (t->lost ? 1 : 0));
    (void)pthread_mutex_unlock(&t->lock);
}

/* A commit whose outcome was unknown: the rows are looked for before they are written once more. */
static finops_code
doubt_settle(attempt *a, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    const char *const hash = a->t->unsure_hash;
    finops_code rc;

    if (a->t->unsure == 0)
        return FINOPS_OK;
    fo_audit_sql_has(&a->t->place, a->c, &sql);
    rc = ask(a, &sql, &hash, 1, &rows, err);
    if (rc != FINOPS_OK)
        return rc;
    if (fo_rows_int(rows, 0, 0) > 0)
        queue_drop(a->t, a->t->unsure);
    a->t->unsure = 0;
    return FINOPS_OK;
}

/* Another process may have got in first, where the database has no locks: then it is our turn again. */
static finops_code
append_in_turn(attempt *a, const entry *const *entries, size_t n, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (unsigned i = 0; i < ATTEMPTS_MAX; i++) {
        FO_AUTO(finops_error_freep) finops_error *why = NULL;
        int64_t before = -1;

        if (last_read(a, NULL) == FINOPS_OK)
            before = a->seq;
        rc = append(a, entries, n, &why);
        if (rc == FINOPS_OK)
            return rc;
        if (!a->t->unsure && i + 1 < ATTEMPTS_MAX && last_read(a, NULL) == FINOPS_OK && a->seq != before)
            continue;
        if (err)
            *err = FO_TAKE(why);
        return rc;
    }
    return rc;
}

static bool
column_seen(const finops_column *column, void *arg)
{
    (void)column;
    *(bool *)arg = true;
    return false;
}

static finops_code
table_see(attempt *a, bool *ret_there, finops_error **err)
{
    return finops_session_columns(a->session, fo_audit_place_schema(&a->t->place, a->c), a->t->place.table,
                                  column_seen, ret_there, err);
}

/* With the lock held, where there is one. */
static finops_code
table_make(attempt *a, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    bool there = false;
    finops_code rc;

    if (atomic_load(&a->t->there))
        return FINOPS_OK;
    rc = table_see(a, &there, &why);
    if (rc == FINOPS_OK && !there && a->t->place.schema)
        rc = fo_session_make_schema(a->session, a->t->place.schema, &why);
    if (rc == FINOPS_OK && !there) {
        fo_audit_sql_create(&a->t->place, a->c, &sql);
        rc = run(a, &sql, NULL, 0, &why);
        /* Another process may have made it meanwhile. */
        if (rc != FINOPS_OK && table_see(a, &there, NULL) == FINOPS_OK && there)
            rc = FINOPS_OK;
    }
    if (rc != FINOPS_OK && err)
        *err = FO_TAKE(why);
    atomic_store(&a->t->there, rc == FINOPS_OK);
    return rc;
}

static finops_code
write_all(attempt *a, finops_error **err)
{
    FO_AUTO(fo_freep) const entry **entries = NULL;
    size_t n = 0;
    finops_code rc = table_make(a, err);

    if (rc == FINOPS_OK)
        rc = doubt_settle(a, err);
    if (rc == FINOPS_OK && !queue_list(a->t, &entries, &n))
        rc = fo_error_oom(err);
    if (rc != FINOPS_OK || n == 0)
        return rc;
    rc = append_in_turn(a, entries, n, err);
    if (rc == FINOPS_OK)
        queue_drop(a->t, n);
    return rc;
}

static finops_code
flush(fo_audit_table *t, finops_session *session, finops_error **err)
{
    attempt a = { .t = t,
                  .session = session,
                  .c = fo_session_capabilities(session),
                  .call = { .deadline_us = fo_deadline_in(FLUSH_MAX_US) } };
    bool locks = fo_session_driver(session)->lock && fo_session_driver(session)->unlock;
    finops_code rc = FINOPS_OK;

    (void)snprintf(t->pid, sizeof(t->pid), "%ld", (long)getpid());
    if (locks)
        rc = fo_session_lock(session, AUDIT_LOCK, &a.call, err);
    if (rc == FINOPS_OK)
        rc = write_all(&a, err);
    if (rc != FINOPS_OK)
        atomic_store(&t->there, false); /* it may be gone: look again */
    if (locks && session->locks > 0)
        (void)fo_session_unlock(session, AUDIT_LOCK, NULL);
    return rc;
}

finops_code
fo_audit_table_flush(fo_audit_table *t, finops_session *session, finops_error **err)
{
    bool recording = session->recording, unknown = session->commit_unknown;
    const fo_cancel *cancel = session->cancel;
    finops_code rc;

    session->recording = true;            /* what is done here is no entry */
    fo_session_set_cancel(session, NULL); /* who stops a change does not keep it from being recorded */
    (void)pthread_mutex_lock(&t->flushing);
    rc = flush(t, session, err);
    (void)pthread_mutex_unlock(&t->flushing);
    fo_session_set_cancel(session, cancel);
    session->recording = recording;
    session->commit_unknown = unknown;
    return rc == FINOPS_OK ? rc : fo_error_wrap(err, rc, "audit table %s", t->place.table);
}

static bool
has_lost(fo_audit_table *t)
{
    bool lost;

    (void)pthread_mutex_lock(&t->lock);
    lost = t->lost;
    (void)pthread_mutex_unlock(&t->lock);
    return lost;
}

finops_code
fo_audit_table_ready(fo_audit_table *t, finops_session *session, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (!fo_audit_table_waiting(t) && atomic_load(&t->there))
        return FINOPS_OK;
    rc = fo_audit_table_flush(t, session, err);
    if (rc == FINOPS_OK && has_lost(t))
        rc = fo_error_oom(err);
    if (rc != FINOPS_OK)
        fo_error_hint(err, "nothing is changed while changes cannot be recorded");
    return rc;
}
