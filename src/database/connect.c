/*
 * Getting a connection: tried again within the deadline while that can help, not at all while the breaker
 * says the backend is better left alone.
 */
#include <assert.h>

#include "base/mem.h"
#include "database/front_internal.h"
#include "resilience/deadline.h"

#define ALIVE_US (5 * 1000000LL) /* how long SELECT 1 may take */

static finops_code
left_alone(finops_database *database, int64_t wait_us, finops_error **err)
{
    const char *name = database->driver->name;

    if (wait_us > 0)
        (void)fo_error_set(err, FINOPS_E_TRANSIENT,
                           "%s is left alone for another %lld s after %u failed connections in a row", name,
                           (long long)((wait_us + 999999) / 1000000), database->breaker.options.failures);
    else
        (void)fo_error_set(err, FINOPS_E_TRANSIENT, "%s is left alone until a first connection works again",
                           name);
    fo_error_hint(err, "see whether it is up: finops backends health");
    return FINOPS_E_TRANSIENT;
}

/* One attempt. *ret_asked: whether the backend was asked at all. */
static finops_code
connect_once(finops_database *database, unsigned flags, const finops_call *call, void **ret_conn,
             bool *ret_asked, finops_error **err)
{
    int64_t wait;
    uint64_t ticket;
    finops_code rc;

    *ret_asked = fo_breaker_allow(&database->breaker, &ticket, &wait);
    if (!*ret_asked)
        return left_alone(database, wait, err);
    rc = database->driver->connect(database->self, flags, call, ret_conn, err);
    fo_breaker_report(&database->breaker, ticket, fo_verdict_of(rc));
    return rc;
}

finops_code
fo_front_connect(finops_database *database, unsigned flags, const finops_call *call, int64_t retry_until_us,
                 void **ret_conn, finops_error **err)
{
    bool (*cancelled)(void *) = call ? call->cancelled : NULL;
    finops_error *why = NULL, *before = NULL;
    fo_retry retry;
    bool asked, again;
    finops_code rc;

    fo_retry_init(&retry, NULL, &database->budget,
                  fo_deadline_first(call ? call->deadline_us : 0, retry_until_us));
    do {
        finops_error_free(before);
        before = FO_TAKE(why);
        rc = connect_once(database, flags, call, ret_conn, &asked, &why);
        again = asked ? fo_retry_again(&retry, rc, cancelled, call ? call->arg : NULL) : false;
    } while (again);
    /* The reason of the last attempt says more than that there is none any more. */
    if (!asked && before) {
        finops_error_free(why);
        why = FO_TAKE(before);
    }
    finops_error_free(before);
    if (rc == FINOPS_OK)
        return rc;
    if (retry.attempt > 1)
        rc = fo_error_wrap(&why, rc, "%u attempts", retry.attempt);
    if (err)
        *err = why;
    else
        finops_error_free(why);
    return rc;
}

bool
fo_front_alive(finops_database *database, void *conn)
{
    const finops_call call = { .deadline_us = fo_deadline_in(ALIVE_US) };
    const finops_statement ask = { .sql = "SELECT 1", .call = &call };

    if (database->driver->is_alive)
        return database->driver->is_alive(conn);
    return database->driver->execute(conn, &ask, NULL, NULL, NULL) == FINOPS_OK;
}

/* In the room of the old one, which the pool counts already: it may have no other. */
static finops_code
conn_replace(finops_session *session, const finops_call *call, finops_error **err)
{
    finops_database *database = session->database;
    void *conn, *old = session->conn;
    finops_code rc = fo_front_connect(database, session->flags, call, 0, &conn, err);

    if (rc != FINOPS_OK)
        return rc;
    fo_call_move(session, conn);
    database->driver->disconnect(old);
    session->born_us = fo_clock_monotonic();
    return FINOPS_OK;
}

bool
fo_front_reconnect(finops_session *session, const finops_call *call)
{
    bool bare = (session->flags & FINOPS_CONNECT_READ_ONLY) || !session->used;

    if (!bare || session->in_transaction || session->opened || session->locks ||
        fo_front_alive(session->database, session->conn))
        return false;
    return conn_replace(session, call, NULL) == FINOPS_OK;
}

finops_code
fo_session_reconnect(finops_session *session, finops_error **err)
{
    finops_code rc = conn_replace(session, fo_session_call(session), err);

    if (rc != FINOPS_OK)
        return rc;
    session->in_transaction = session->opened = session->used = false;
    session->suspect = session->spent = session->commit_unknown = false;
    session->locks = 0;
    return FINOPS_OK;
}
