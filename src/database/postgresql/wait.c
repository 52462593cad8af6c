/*
 * Waiting for the server: never in libpq, always in poll(), so that a deadline, a cancel of the caller and
 * one of another thread end it.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "database/postgresql/postgresql_internal.h"

#define SLICE_MS 50       /* between two looks at `cancelled` */
#define GRACE_US 5000000  /* for the server to answer a request to stop */
#define CANCEL_SECONDS 5  /* for that request to reach it */
#define ANSWER_US 3000000 /* for a connection from the pool to show that it is one */

void
fo_pg_clearp(PGresult **result)
{
    PQclear(*result);
    *result = NULL;
}

bool
fo_pg_in_transaction(const fo_pg_conn *c)
{
    PGTransactionStatusType status = PQtransactionStatus(c->pg);

    return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

static void
give_up(fo_pg_conn *c)
{
    c->broken = true;
    fo_pg_backend_lost(c);
}

/* Whether it does anything at all: of a connection that was silent for long nobody else knows. */
static bool
answers(fo_pg_conn *c)
{
    const finops_call call = { .deadline_us = fo_clock_monotonic() + ANSWER_US };
    finops_code rc = fo_pg_call_begin(c, &call, NULL);
    bool ready = false;

    if (rc == FINOPS_OK)
        rc = fo_pg_send(c, "", NULL, 0, NULL);
    while (rc == FINOPS_OK && (PQflush(c->pg) > 0 || PQisBusy(c->pg))) {
        rc = fo_pg_wait_once(c, POLLIN, &ready, NULL);
        if (ready && !PQconsumeInput(c->pg))
            rc = FINOPS_E_TRANSIENT;
    }
    if (rc == FINOPS_OK)
        fo_pg_drain(c);
    else
        give_up(c);
    return rc == FINOPS_OK && !c->broken;
}

bool
fo_pg_is_alive(void *conn)
{
    fo_pg_conn *c = conn;
    struct pollfd fd = { .fd = PQsocket(c->pg), .events = POLLIN };

    if (c->broken || c->streaming || PQstatus(c->pg) != CONNECTION_OK)
        return false;
    /* An idle server says nothing; what it says may be its last words, and behind them is the end. */
    while (poll(&fd, 1, 0) > 0)
        if (!PQconsumeInput(c->pg))
            return false;
    if (PQstatus(c->pg) != CONNECTION_OK)
        return false;
    return c->database->stall_us == 0 || fo_clock_monotonic() - c->heard_us < c->database->stall_us ||
           answers(c);
}

void
fo_pg_cancel(void *conn)
{
    fo_pg_conn *c = conn;
    const uint64_t one = 1;

    atomic_store(&c->stop_asked, true);
    if (write(c->wake, &one, sizeof(one)) < 0) {
        /* The counter is full: it wakes as well. */
    }
}

static void
wake_clear(fo_pg_conn *c)
{
    uint64_t count;

    if (read(c->wake, &count, sizeof(count)) < 0) {
        /* It was not set. */
    }
}

static finops_code
why_stop(const fo_pg_conn *c)
{
    if (atomic_load(&c->stop_asked) || (c->call.cancelled && c->call.cancelled(c->call.arg)))
        return FINOPS_E_CANCELLED;
    if (c->call.deadline_us && fo_clock_monotonic() >= c->call.deadline_us)
        return FINOPS_E_TIMEOUT;
    return FINOPS_OK;
}

static finops_code
stopped(finops_code code, finops_error **err)
{
    return fo_error_set(err, code, code == FINOPS_E_TIMEOUT ? "the deadline passed" : "stopped");
}

finops_code
fo_pg_call_begin(fo_pg_conn *c, const finops_call *call, finops_error **err)
{
    finops_code code;

    if (c->streaming)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "a stream of rows of this connection is still open");
    if (c->broken || PQstatus(c->pg) != CONNECTION_OK)
        return fo_error_set(err, FINOPS_E_TRANSIENT, "the connection is lost");
    c->call = call ? *call : (finops_call){ 0 };
    c->stop = FINOPS_OK;
    atomic_store(&c->stop_asked, false);
    wake_clear(c);
    code = why_stop(c);
    return code == FINOPS_OK ? FINOPS_OK : stopped(code, err);
}

finops_code
fo_pg_call_check(fo_pg_conn *c, finops_error **err)
{
    const finops_code code = why_stop(c);

    return code == FINOPS_OK ? FINOPS_OK : stopped(code, err);
}

static void *
cancel_main(void *arg)
{
    PGcancel *cancel = arg;
    char why[256];

    (void)PQcancel(cancel, why, sizeof(why)); /* its failure shows as a server that does not stop */
    PQfreeCancel(cancel);
    return NULL;
}

/*
 * PQcancel opens a connection and waits for it without any limit, so a thread of its own does that. It is
 * waited for: a request that comes late would hit the next statement.
 */
static void
ask_server_to_stop(fo_pg_conn *c)
{
    PGcancel *cancel = PQgetCancel(c->pg);
    struct timespec until;
    pthread_t thread;

    if (!cancel)
        return;
    if (pthread_create(&thread, NULL, cancel_main, cancel) != 0) {
        PQfreeCancel(cancel);
        return;
    }
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CANCEL_SECONDS;
    if (pthread_timedjoin_np(thread, NULL, &until) != 0) {
        (void)pthread_detach(thread);
        c->broken = true;
    }
}

static int
wait_ms(const fo_pg_conn *c, int64_t now)
{
    int64_t until = c->stop != FINOPS_OK ? c->give_up_us : c->call.deadline_us;
    int64_t left = until ? (until - now + 999) / 1000 : SLICE_MS;

    return left < 0 ? 0 : left > SLICE_MS ? SLICE_MS : (int)left;
}

static finops_code
poll_once(fo_pg_conn *c, short events, bool *ret_ready, finops_error **err)
{
    struct pollfd fds[] = { { .fd = PQsocket(c->pg), .events = events },
                            { .fd = c->wake, .events = POLLIN } };
    int n;

    n = poll(fds, c->stop == FINOPS_OK ? 2 : 1, wait_ms(c, fo_clock_monotonic()));
    if (n < 0 && errno != EINTR)
        return fo_error_errno(err, errno, "wait for the server");
    *ret_ready = n > 0 && fds[0].revents != 0;
    if (*ret_ready)
        c->heard_us = fo_clock_monotonic();
    return FINOPS_OK;
}

finops_code
fo_pg_wait_once(fo_pg_conn *c, short events, bool *ret_ready, finops_error **err)
{
    finops_code code = why_stop(c);

    return code == FINOPS_OK ? poll_once(c, events, ret_ready, err) : stopped(code, err);
}

/* Whether the wait goes on, before each slice of it. */
static finops_code
wait_check(fo_pg_conn *c, finops_error **err)
{
    const int64_t now = fo_clock_monotonic();

    if (c->stop == FINOPS_OK) {
        c->stop = why_stop(c);
        if (c->stop != FINOPS_OK) {
            ask_server_to_stop(c);
            c->give_up_us = fo_clock_monotonic() + GRACE_US;
        }
    }
    if (c->broken || (c->stop != FINOPS_OK && fo_clock_monotonic() >= c->give_up_us))
        return stopped(c->stop, err);
    if (c->stop == FINOPS_OK && c->pid[0] && c->database->stall_us > 0 && !c->looks && now >= c->look_us)
        return fo_pg_stall_check(c, err);
    return FINOPS_OK;
}

finops_code
fo_pg_wait(fo_pg_conn *c, short events, finops_error **err)
{
    bool ready = false;
    finops_code rc = FINOPS_OK;

    c->look_us = fo_clock_monotonic() + c->database->stall_us;
    c->strange = 0;
    while (rc == FINOPS_OK && !ready) {
        rc = wait_check(c, err);
        if (rc == FINOPS_OK)
            rc = poll_once(c, events, &ready, err);
    }
    if (rc != FINOPS_OK)
        give_up(c);
    return rc;
}

finops_code
fo_pg_next(fo_pg_conn *c, PGresult **ret, finops_error **err)
{
    finops_code rc;
    int unsent;

    for (;;) {
        unsent = PQflush(c->pg);
        if (unsent < 0 || !PQisBusy(c->pg))
            break;
        rc = fo_pg_wait(c, (short)(POLLIN | (unsent > 0 ? POLLOUT : 0)), err);
        if (rc != FINOPS_OK)
            return rc;
        if (!PQconsumeInput(c->pg))
            break; /* the result says what happened */
    }
    *ret = PQgetResult(c->pg);
    return FINOPS_OK;
}

void
fo_pg_drain(fo_pg_conn *c)
{
    PGresult *result = NULL;

    while (!c->broken && fo_pg_next(c, &result, NULL) == FINOPS_OK && result) {
        ExecStatusType status = PQresultStatus(result);

        PQclear(result);
        if (status == PGRES_COPY_OUT || status == PGRES_COPY_IN || status == PGRES_COPY_BOTH)
            c->broken = true; /* gives the same result for ever */
    }
}

finops_code
fo_pg_send(fo_pg_conn *c, const char *sql, const char *const *params, size_t n, finops_error **err)
{
    FO_AUTO(fo_freep) Oid *types = NULL;

    if (n > 65535)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "%zu parameters, PostgreSQL takes 65535", n);
    if (n > 0) {
        types = fo_array(n, sizeof(*types));
        if (!types)
            return fo_error_oom(err);
        for (size_t i = 0; i < n; i++)
            types[i] = PG_TEXT;
    }
    if (PQsendQueryParams(c->pg, sql, (int)n, types, params, NULL, NULL, 0))
        return FINOPS_OK;
    return fo_pg_error(c, NULL, err);
}

/* COPY through execute has no rows to give or take; write() does that. */
finops_code
fo_pg_copy_refuse(fo_pg_conn *c, const PGresult *result, finops_error **err)
{
    const ExecStatusType status = PQresultStatus(result);

    if (status != PGRES_COPY_IN && status != PGRES_COPY_OUT && status != PGRES_COPY_BOTH)
        return FINOPS_OK;
    if (status == PGRES_COPY_IN && PQputCopyEnd(c->pg, "not supported") > 0)
        fo_pg_drain(c);
    else
        c->broken = true; /* all that it sends would have to be read */
    return fo_error_set(err, FINOPS_E_UNSUPPORTED,
                        "COPY from or to the client is not a statement to execute");
}

int64_t
fo_pg_changed(PGresult *result)
{
    const char *text = PQcmdTuples(result);
    unsigned long long n;

    return fo_parse_u64(text, &n) ? (int64_t)n : -1;
}

/* default_transaction_read_only is reported by the server whenever it changes (since version 14). */
finops_code
fo_pg_keep_read_only(fo_pg_conn *c, finops_error **err)
{
    const char *now = c->read_only ? PQparameterStatus(c->pg, "default_transaction_read_only") : NULL;

    if (!c->read_only || (now && fo_streq(now, "on")) || fo_pg_in_transaction(c))
        return FINOPS_OK;
    return fo_pg_run(c, "SET default_transaction_read_only TO on", NULL, 0, NULL, err);
}

finops_code
fo_pg_run(fo_pg_conn *c, const char *sql, const char *const *params, size_t n, PGresult **ret,
          finops_error **err)
{
    FO_AUTO(fo_pg_clearp) PGresult *last = NULL;
    PGresult *result = NULL;
    finops_code rc = fo_pg_send(c, sql, params, n, err);

    while (rc == FINOPS_OK) {
        rc = fo_pg_next(c, &result, err);
        if (rc != FINOPS_OK || !result)
            break;
        PQclear(last);
        last = result;
        rc = fo_pg_copy_refuse(c, last, err);
    }
    if (rc != FINOPS_OK)
        return rc;
    if (!last || (PQresultStatus(last) != PGRES_COMMAND_OK && PQresultStatus(last) != PGRES_TUPLES_OK &&
                  PQresultStatus(last) != PGRES_EMPTY_QUERY))
        return fo_pg_error(c, last, err);
    if (ret)
        *ret = FO_TAKE(last);
    return FINOPS_OK;
}
