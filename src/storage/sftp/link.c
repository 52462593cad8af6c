/*
 * One connection, many threads. The lock guards all of it, libssh included. One of those who wait, the pump,
 * reads for all: it lets the lock go only while it waits for the socket, so that the others can send. The
 * table holds every request that has no answer yet; what is dropped before stays there, for its answer to be
 * thrown away.
 */
#include "storage/sftp/link_internal.h"

#include <assert.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "storage/object.h"

#define WRITE_MAX ((size_t)1 << 20) /* handed to the library at once */
#define RECEIVE_MAX 64              /* packets until others may have the lock */

struct sf_waiter {
    sf_waiter *next;
    const sf_request *request;
    pthread_cond_t cond;
};

/* ---- the end of a connection ---- */

void
sf_link_kill(sf_link *l, finops_code code, const char *why)
{
    if (l->dead != FINOPS_OK)
        return;
    l->dead = code;
    l->why = fo_strdup(why); /* without memory there is a general text */
    for (size_t i = 0; i < SFTP_TABLE; i++)
        while (l->table[i]) {
            sf_request *r = l->table[i];

            l->table[i] = r->next;
            r->next = NULL;
            if (r->dropped) {
                fo_free(r->body); /* of an answer that came in part */
                fo_free(r);
            }
        }
    l->pending = 0;
    l->to = NULL;
    for (sf_waiter *w = l->waiters; w; w = w->next)
        (void)pthread_cond_signal(&w->cond);
}

static void
link_broken(sf_link *l)
{
    const char *why = ssh_get_error(l->session);

    sf_link_kill(l, FINOPS_E_TRANSIENT, why && *why ? why : "the server has closed the connection");
}

finops_code
sf_link_error(const sf_link *l, finops_error **err)
{
    return fo_error_set(err, l->dead, "connection to %s: %s", l->target->host,
                        l->why ? l->why : "it broke off");
}

/* ---- sending ---- */

static void
out_compact(sf_link *l)
{
    if (l->sent == l->out.len) {
        fo_str_clear(&l->out);
        l->sent = 0;
    } else if (l->sent > WRITE_MAX) {
        memmove(l->out.data, l->out.data + l->sent, l->out.len - l->sent);
        l->out.len -= l->sent;
        l->sent = 0;
    }
}

void
sf_link_push(sf_link *l)
{
    while (l->dead == FINOPS_OK && l->sent < l->out.len) {
        size_t n = l->out.len - l->sent;
        int taken =
            ssh_channel_write(l->channel, l->out.data + l->sent, (uint32_t)(n < WRITE_MAX ? n : WRITE_MAX));

        if (taken < 0)
            link_broken(l);
        if (taken <= 0)
            break;
        l->sent += (size_t)taken;
        l->moved_us = fo_clock_monotonic();
    }
    out_compact(l);
}

void
sf_link_flush(sf_link *link)
{
    const uint64_t one = 1;

    (void)pthread_mutex_lock(&link->lock);
    if (link->dead == FINOPS_OK)
        sf_link_push(link);
    /* The sf_link_pump does not know yet that there is something for the socket. */
    if (link->polling && link->dead == FINOPS_OK && ssh_get_poll_flags(link->session) & SSH_WRITE_PENDING)
        (void)!write(link->wake, &one, sizeof(one));
    (void)pthread_mutex_unlock(&link->lock);
}

static void
table_add(sf_link *l, sf_request *r)
{
    sf_request **slot = &l->table[r->id % SFTP_TABLE];

    r->next = *slot;
    *slot = r;
    if (l->pending++ == 0)
        l->moved_us = fo_clock_monotonic(); /* silence before does not count */
}

/* The packet is queued; data is what follows the body. */
static finops_code
queue(sf_link *l, uint8_t type, sf_request *r, const fo_str *body, const void *data, size_t n,
      finops_error **err)
{
    size_t before = l->out.len;

    if (l->dead != FINOPS_OK)
        return sf_link_error(l, err);
    r->link = l;
    r->id = ++l->last_id;
    r->opens = type == SFTP_OPEN || type == SFTP_OPENDIR;
    sf_add_u32(&l->out, (uint32_t)(5 + body->len + n));
    fo_str_addc(&l->out, (char)type);
    sf_add_u32(&l->out, r->id);
    fo_str_addn(&l->out, fo_str_z(body), body->len);
    if (n > 0)
        fo_str_addn(&l->out, data, n);
    if (!fo_str_ok(&l->out)) {
        l->out.failed = l->out.too_long = false;
        l->out.len = before;
        return fo_error_oom(err);
    }
    table_add(l, r);
    return FINOPS_OK;
}

finops_code
sf_link_send(sf_link *link, uint8_t type, const fo_str *body, const void *data, size_t n, void *into,
             size_t room, sf_request **ret, finops_error **err)
{
    sf_request *r;
    finops_code rc = fo_str_check(body, err);

    if (rc != FINOPS_OK)
        return rc;
    r = fo_zalloc(sizeof(*r));
    if (!r)
        return fo_error_oom(err);
    r->into = into;
    r->room = room;
    (void)pthread_mutex_lock(&link->lock);
    rc = queue(link, type, r, body, data, n, err);
    (void)pthread_mutex_unlock(&link->lock);
    if (rc != FINOPS_OK)
        fo_free(r);
    else
        *ret = r;
    return rc;
}

/* ---- receiving ---- */

static sf_request *
table_take(sf_link *l, uint32_t id)
{
    for (sf_request **at = &l->table[id % SFTP_TABLE]; *at; at = &(*at)->next)
        if ((*at)->id == id) {
            sf_request *r = *at;

            *at = r->next;
            r->next = NULL;
            l->pending--;
            return r;
        }
    return NULL;
}

/* Nobody wants this file any more. */
static void
close_unwanted(sf_link *l, const sf_request *opened)
{
    sf_request *r = fo_zalloc(sizeof(*r));
    fo_str body = { .data = opened->body, .len = opened->n };

    if (!r)
        return;
    r->dropped = true;
    if (queue(l, SFTP_CLOSE, r, &body, NULL, 0, NULL) != FINOPS_OK)
        fo_free(r);
}

static void
complete(sf_link *l, sf_request *r)
{
    (void)table_take(l, r->id);
    if (r->dropped) {
        if (r->opens && r->type == SFTP_HANDLE)
            close_unwanted(l, r);
        fo_free(r->body);
        fo_free(r);
        return;
    }
    for (sf_waiter *w = l->waiters; w; w = w->next)
        if (w->request == r)
            (void)pthread_cond_signal(&w->cond);
}

bool
sf_link_fill(sf_link *l, void *into, size_t want, size_t *have)
{
    while (l->dead == FINOPS_OK && *have < want) {
        int n = ssh_channel_read_nonblocking(l->channel, (char *)into + *have, (uint32_t)(want - *have), 0);

        if (n == SSH_EOF)
            sf_link_kill(l, FINOPS_E_TRANSIENT, "the server has ended SFTP");
        else if (n < 0 && n != SSH_AGAIN)
            link_broken(l);
        if (n <= 0)
            return false;
        *have += (size_t)n;
        l->moved_us = fo_clock_monotonic();
    }
    return l->dead == FINOPS_OK;
}

/* For data whose reader is gone. */
static bool
skip(sf_link *l, size_t want, size_t *have)
{
    char block[4096];
    bool more = true;

    while (more && *have < want) {
        size_t n = 0, now = want - *have < sizeof(block) ? want - *have : sizeof(block);

        more = sf_link_fill(l, block, now, &n);
        *have += n;
    }
    return more;
}

static sf_request *
find(const sf_link *l, uint32_t id)
{
    sf_request *r = l->table[id % SFTP_TABLE];

    while (r && r->id != id)
        r = r->next;
    return r;
}

/* Once the head of a packet is here: whose it is, and where the rest goes. */
static bool
begin_packet(sf_link *l, size_t payload)
{
    sf_request *r = find(l, sf_u32(l->head + 5));

    if (!r || payload > SFTP_PACKET_MAX) {
        sf_link_kill(l, FINOPS_E_CORRUPT, "the server answers what was not asked");
        return false;
    }
    if (l->head[4] != SFTP_DATA || r->room == 0) {
        r->body = fo_alloc(payload + 1);
        if (!r->body) {
            sf_link_kill(l, FINOPS_E_MEMORY, "no memory for an answer");
            return false;
        }
        r->n = payload;
    }
    l->to = r;
    l->got = 0;
    return true;
}

static bool
receive_data(sf_link *l, size_t payload)
{
    sf_request *r = l->to;

    if (!sf_link_fill(l, l->head, SFTP_HEAD + 4, &l->n_head))
        return false;
    r->n = sf_u32(l->head + SFTP_HEAD);
    if (payload < 4 || r->n != payload - 4 || r->n > r->room) {
        sf_link_kill(l, FINOPS_E_CORRUPT, "the server sends more data than was asked for");
        return false;
    }
    return r->dropped ? skip(l, r->n, &l->got) : sf_link_fill(l, r->into, r->n, &l->got);
}

/* One packet, or as much of it as is here; false: no more for now. */
static bool
receive_packet(sf_link *l)
{
    size_t payload;
    sf_request *r;

    if (l->n_head < SFTP_HEAD && !sf_link_fill(l, l->head, SFTP_HEAD, &l->n_head))
        return false;
    payload = (size_t)sf_u32(l->head) - 5;
    if (!l->to && !begin_packet(l, payload))
        return false;
    r = l->to;
    if (r->body ? !sf_link_fill(l, r->body, r->n, &l->got) : !receive_data(l, payload))
        return false;
    r->type = l->head[4];
    l->to = NULL;
    l->n_head = 0;
    complete(l, r);
    return true;
}

bool
sf_link_is_alive(sf_link *link)
{
    bool alive;

    (void)pthread_mutex_lock(&link->lock);
    while (!link->pumping && link->dead == FINOPS_OK && receive_packet(link))
        continue;
    alive = link->dead == FINOPS_OK;
    (void)pthread_mutex_unlock(&link->lock);
    return alive;
}

/* ---- waiting ---- */

/* Lets the lock go for at most a slice, until the socket has something. */
static void
poll_socket(sf_link *l)
{
    struct pollfd p[2] = { { .fd = ssh_get_fd(l->session), .events = POLLIN },
                           { .fd = l->wake, .events = POLLIN } };
    uint64_t n;

    if (ssh_get_poll_flags(l->session) & SSH_WRITE_PENDING)
        p[0].events |= POLLOUT;
    l->polling = true;
    (void)pthread_mutex_unlock(&l->lock);
    (void)poll(p, 2, SFTP_SLICE_MS);
    (void)pthread_mutex_lock(&l->lock);
    l->polling = false;
    if (p[1].revents)
        (void)!read(l->wake, &n, sizeof(n));
    if (l->dead == FINOPS_OK && l->pending > 0 && fo_clock_monotonic() - l->moved_us > l->target->stall_us)
        sf_link_kill(l, FINOPS_E_TIMEOUT, "no byte came or went for too long (stall_timeout)");
}

void
sf_link_pump(sf_link *l, const sf_request *r)
{
    l->pumping = true;
    sf_link_push(l);
    for (unsigned i = 0; i < RECEIVE_MAX && !r->type && receive_packet(l); i++)
        continue;
    if (!r->type && l->dead == FINOPS_OK)
        poll_socket(l);
    l->pumping = false;
}

static void
sleep_for(sf_link *l, sf_waiter *w)
{
    int64_t until = fo_clock_monotonic() + SFTP_SLICE_MS * 1000;
    const struct timespec t = { .tv_sec = until / 1000000, .tv_nsec = until % 1000000 * 1000 };

    w->next = l->waiters;
    l->waiters = w;
    (void)pthread_cond_timedwait(&w->cond, &l->lock, &t);
    for (sf_waiter **at = &l->waiters; *at; at = &(*at)->next)
        if (*at == w) {
            *at = w->next;
            break;
        }
}

static void
waiter_init(sf_waiter *w, const sf_request *r)
{
    pthread_condattr_t clock;

    *w = (sf_waiter){ .request = r };
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&w->cond, &clock);
    (void)pthread_condattr_destroy(&clock);
}

finops_code
sf_wait(sf_request *request, const finops_call *call, finops_error **err)
{
    sf_link *l = request->link;
    finops_code rc = FINOPS_OK;
    sf_waiter w;

    waiter_init(&w, request);
    (void)pthread_mutex_lock(&l->lock);
    while (!request->type && l->dead == FINOPS_OK && rc == FINOPS_OK) {
        if (l->pumping)
            sleep_for(l, &w);
        else
            sf_link_pump(l, request);
        if (request->type || l->dead != FINOPS_OK || !call)
            continue;
        (void)pthread_mutex_unlock(&l->lock);
        rc = fo_call_check(call, err);
        (void)pthread_mutex_lock(&l->lock);
    }
    if (rc == FINOPS_OK && !request->type)
        rc = sf_link_error(l, err);
    if (!l->pumping && l->waiters) /* the next one reads for all */
        (void)pthread_cond_signal(&l->waiters->cond);
    (void)pthread_mutex_unlock(&l->lock);
    (void)pthread_cond_destroy(&w.cond);
    return rc;
}

bool
sf_is_answered(const sf_request *request)
{
    bool answered;

    (void)pthread_mutex_lock(&request->link->lock);
    answered = request->type != 0;
    (void)pthread_mutex_unlock(&request->link->lock);
    return answered;
}

void
sf_request_drop(sf_request *request)
{
    sf_link *l;
    bool waits;

    if (!request)
        return;
    l = request->link;
    (void)pthread_mutex_lock(&l->lock);
    waits = !request->type && l->dead == FINOPS_OK;
    request->dropped = true;
    if (!waits && request->opens && request->type == SFTP_HANDLE && request->body && l->dead == FINOPS_OK)
        close_unwanted(l, request);
    (void)pthread_mutex_unlock(&l->lock);
    if (waits)
        return;
    fo_free(request->body);
    fo_free(request);
}

void
sf_request_dropp(sf_request **request)
{
    sf_request_drop(*request);
    *request = NULL;
}
