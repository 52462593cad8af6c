/*
 * Stopping a call from another thread. The wish is kept in the session, where the call's own `cancelled` sees
 * it, as drivers forget a cancel that comes a moment before they begin; the driver's cancel makes it quick.
 */
#include "database/front_internal.h"

static bool
guard_cancelled(void *arg)
{
    finops_session *s = arg;

    return atomic_load(&s->stop) || (s->inner.cancelled && s->inner.cancelled(s->inner.arg));
}

static void
guard_progress(double fraction, int64_t done, void *arg)
{
    finops_session *s = arg;

    s->inner.progress(fraction, done, s->inner.arg);
}

const finops_call *
fo_call_enter(finops_session *s, const finops_call *call)
{
    (void)pthread_mutex_lock(&s->cancel_lock);
    if (s->depth++ == 0) {
        atomic_store(&s->stop, false);
        s->inner = call ? *call : (finops_call){ 0 };
        s->guard = (finops_call){ .deadline_us = s->inner.deadline_us,
                                  .cancelled = guard_cancelled,
                                  .progress = s->inner.progress ? guard_progress : NULL,
                                  .arg = s };
        s->streams = false;
    }
    (void)pthread_mutex_unlock(&s->cancel_lock);
    return &s->guard;
}

void
fo_call_leave(finops_session *s, bool streams)
{
    (void)pthread_mutex_lock(&s->cancel_lock);
    s->depth--;
    s->streams = streams;
    (void)pthread_mutex_unlock(&s->cancel_lock);
}

void
fo_call_end(finops_session *s)
{
    (void)pthread_mutex_lock(&s->cancel_lock);
    s->streams = false;
    (void)pthread_mutex_unlock(&s->cancel_lock);
}

void
fo_call_move(finops_session *s, void *conn)
{
    (void)pthread_mutex_lock(&s->cancel_lock);
    s->conn = conn;
    (void)pthread_mutex_unlock(&s->cancel_lock);
}

void
finops_session_cancel(finops_session *session)
{
    if (!session)
        return;
    (void)pthread_mutex_lock(&session->cancel_lock);
    if (session->depth > 0 || session->streams) {
        atomic_store(&session->stop, true);
        if (session->database->driver->cancel)
            session->database->driver->cancel(session->conn);
    }
    (void)pthread_mutex_unlock(&session->cancel_lock);
}
