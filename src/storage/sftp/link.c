/*
 * One connection, many threads. The lock guards all of it, libssh included. One of those who wait, the pump,
 * reads for all: it lets the lock go only while it waits for the socket, so that the others can send. The
 * table holds every request that has no answer yet; what is dropped before stays there, for its answer to be
 * thrown away.
 */
#include "storage/sftp/link.h"

#include <assert.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "resilience/deadline.h"
#include "storage/object.h"
#include "storage/sftp/session.h"

#define TABLE 256 /* a power of two */
#define HEAD 9    /* length, type, number */
#define PACKET_MAX ((uint32_t)4 << 20)
#define OUT_MAX ((size_t)256 << 20)
#define WRITE_MAX ((size_t)1 << 20) /* handed to the library at once */
#define DRAIN_US 1000000
#define RECEIVE_MAX 64 /* packets until others may have the lock */

struct sf_request {
    sf_link *link;
    sf_request *next; /* in the table */
    uint32_t id;
    uint8_t type; /* of the answer; 0: none yet */
    bool opens;   /* its answer is a handle */
    bool dropped;
    void *into; /* of a read; NULL for others */
    size_t room;
    char *body; /* of any other answer */
    size_t n;   /* bytes of either */
};

typedef struct waiter {
    struct waiter *next;
    const sf_request *request;
    pthread_cond_t cond;
} waiter;

struct sf_link {
    const sf_target *target;
    ssh_session session;
    ssh_channel channel;
    unsigned extensions;
    int wake; /* eventfd: ends the pump's poll */
    pthread_mutex_t lock;
    bool pumping, polling;
    waiter *waiters;
    finops_code dead; /* FINOPS_OK while it lives */
    char *why;
    int64_t moved_us; /* when a byte last went either way */
    fo_str out;       /* packets, of which `sent` bytes are with the library */
    size_t sent;
    uint32_t last_id;
    sf_request *table[TABLE];
    size_t pending;
    /* the packet that is being read */
    unsigned char head[HEAD + 4];
    size_t n_head;
    sf_request *to;
    size_t got;
};

/* ---- the end of a connection ---- */

static void
link_kill(sf_link *l, finops_code code, const char *why)
{
    if (l->dead != FINOPS_OK)
        return;
    l->dead = code;
    l->why = fo_strdup(why); /* without memory there is a general text */
    for (size_t i = 0; i < TABLE; i++)
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
    for (waiter *w = l->waiters; w; w = w->next)
        (void)pthread_cond_signal(&w->cond);
}

static void
link_broken(sf_link *l)
{
    const char *why = ssh_get_error(l->session);

    link_kill(l, FINOPS_E_TRANSIENT, why && *why ? why : "the server has closed the connection");
}

static finops_code
link_error(const sf_link *l, finops_error **err)
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

/* As much as the server's window and the socket take. */
static void
flush_locked(sf_link *l)
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
        flush_locked(link);
    /* The pump does not know yet that there is something for the socket. */
    if (link->polling && link->dead == FINOPS_OK && ssh_get_poll_flags(link->session) & SSH_WRITE_PENDING)
        (void)!write(link->wake, &one, sizeof(one));
    (void)pthread_mutex_unlock(&link->lock);
}

static void
table_add(sf_link *l, sf_request *r)
{
    sf_request **slot = &l->table[r->id % TABLE];

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
        return link_error(l, err);
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

static finops_code
send_request(sf_link *link, uint8_t type, const fo_str *body, const void *data, size_t n, void *into,
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

finops_code
sf_send(sf_link *link, uint8_t type, const fo_str *body, sf_request **ret, finops_error **err)
{
    return send_request(link, type, body, NULL, 0, NULL, 0, ret, err);
}

finops_code
sf_send_read(sf_link *link, const sf_handle *handle, uint64_t offset, void *into, size_t n, sf_request **ret,
             finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;

    assert(n <= SFTP_BLOCK);
    sf_add_bytes(&body, handle->text, handle->n);
    sf_add_u64(&body, offset);
    sf_add_u32(&body, (uint32_t)n);
    return send_request(link, SFTP_READ, &body, NULL, 0, into, n, ret, err);
}

finops_code
sf_send_write(sf_link *link, const sf_handle *handle, uint64_t offset, const void *data, size_t n,
              sf_request **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;

    assert(n <= SFTP_BLOCK);
    sf_add_bytes(&body, handle->text, handle->n);
    sf_add_u64(&body, offset);
    sf_add_u32(&body, (uint32_t)n);
    return send_request(link, SFTP_WRITE, &body, data, n, NULL, 0, ret, err);
}

/* ---- receiving ---- */

static sf_request *
table_take(sf_link *l, uint32_t id)
{
    for (sf_request **at = &l->table[id % TABLE]; *at; at = &(*at)->next)
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
    for (waiter *w = l->waiters; w; w = w->next)
        if (w->request == r)
            (void)pthread_cond_signal(&w->cond);
}

/* Bytes of the channel until there are `want`; false: there are not, yet or any more. */
static bool
fill(sf_link *l, void *into, size_t want, size_t *have)
{
    while (l->dead == FINOPS_OK && *have < want) {
        int n = ssh_channel_read_nonblocking(l->channel, (char *)into + *have, (uint32_t)(want - *have), 0);

        if (n == SSH_EOF)
            link_kill(l, FINOPS_E_TRANSIENT, "the server has ended SFTP");
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

        more = fill(l, block, now, &n);
        *have += n;
    }
    return more;
}

static sf_request *
find(const sf_link *l, uint32_t id)
{
    sf_request *r = l->table[id % TABLE];

    while (r && r->id != id)
        r = r->next;
    return r;
}

/* Once the head of a packet is here: whose it is, and where the rest goes. */
static bool
begin_packet(sf_link *l, size_t payload)
{
    sf_request *r = find(l, sf_u32(l->head + 5));

    if (!r || payload > PACKET_MAX) {
        link_kill(l, FINOPS_E_CORRUPT, "the server answers what was not asked");
        return false;
    }
    if (l->head[4] != SFTP_DATA || r->room == 0) {
        r->body = fo_alloc(payload + 1);
        if (!r->body) {
            link_kill(l, FINOPS_E_MEMORY, "no memory for an answer");
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

    if (!fill(l, l->head, HEAD + 4, &l->n_head))
        return false;
    r->n = sf_u32(l->head + HEAD);
    if (payload < 4 || r->n != payload - 4 || r->n > r->room) {
        link_kill(l, FINOPS_E_CORRUPT, "the server sends more data than was asked for");
        return false;
    }
    return r->dropped ? skip(l, r->n, &l->got) : fill(l, r->into, r->n, &l->got);
}

/* One packet, or as much of it as is here; false: no more for now. */
static bool
receive_packet(sf_link *l)
{
    size_t payload;
    sf_request *r;

    if (l->n_head < HEAD && !fill(l, l->head, HEAD, &l->n_head))
        return false;
    payload = (size_t)sf_u32(l->head) - 5;
    if (!l->to && !begin_packet(l, payload))
        return false;
    r = l->to;
    if (r->body ? !fill(l, r->body, r->n, &l->got) : !receive_data(l, payload))
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
        link_kill(l, FINOPS_E_TIMEOUT, "no byte came or went for too long (stall_timeout)");
}

static void
pump(sf_link *l, const sf_request *r)
{
    l->pumping = true;
    flush_locked(l);
    for (unsigned i = 0; i < RECEIVE_MAX && !r->type && receive_packet(l); i++)
        continue;
    if (!r->type && l->dead == FINOPS_OK)
        poll_socket(l);
    l->pumping = false;
}

static void
sleep_for(sf_link *l, waiter *w)
{
    int64_t until = fo_clock_monotonic() + SFTP_SLICE_MS * 1000;
    const struct timespec t = { .tv_sec = until / 1000000, .tv_nsec = until % 1000000 * 1000 };

    w->next = l->waiters;
    l->waiters = w;
    (void)pthread_cond_timedwait(&w->cond, &l->lock, &t);
    for (waiter **at = &l->waiters; *at; at = &(*at)->next)
        if (*at == w) {
            *at = w->next;
            break;
        }
}

static void
waiter_init(waiter *w, const sf_request *r)
{
    pthread_condattr_t clock;

    *w = (waiter){ .request = r };
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
    waiter w;

    waiter_init(&w, request);
    (void)pthread_mutex_lock(&l->lock);
    while (!request->type && l->dead == FINOPS_OK && rc == FINOPS_OK) {
        if (l->pumping)
            sleep_for(l, &w);
        else
            pump(l, request);
        if (request->type || l->dead != FINOPS_OK || !call)
            continue;
        (void)pthread_mutex_unlock(&l->lock);
        rc = fo_call_check(call, err);
        (void)pthread_mutex_lock(&l->lock);
    }
    if (rc == FINOPS_OK && !request->type)
        rc = link_error(l, err);
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

/* ---- answers ---- */

static sf_view
view_of(const sf_request *r)
{
    return (sf_view){ .p = (const unsigned char *)r->body, .n = r->body ? r->n : 0 };
}

int
sf_status_of(const sf_request *request)
{
    sf_view v = view_of(request);
    uint32_t status = sf_take_u32(&v);

    return request->type == SFTP_STATUS && !v.bad && status < 1000 ? (int)status : -1;
}

static finops_code
code_of(int status)
{
    switch (status) {
    case SFTP_FX_NO_SUCH_FILE:
        return FINOPS_E_NOT_FOUND;
    case SFTP_FX_PERMISSION_DENIED:
        return FINOPS_E_DENIED;
    case SFTP_FX_BAD_MESSAGE: /* so OpenSSH calls a name that is too long */
        return FINOPS_E_ARGUMENT;
    case SFTP_FX_NO_CONNECTION:
    case SFTP_FX_CONNECTION_LOST:
        return FINOPS_E_TRANSIENT;
    case SFTP_FX_OP_UNSUPPORTED:
        return FINOPS_E_UNSUPPORTED;
    default:
        return FINOPS_E_IO;
    }
}

static finops_code
odd_answer(const sf_request *r, const char *what, const char *path, finops_error **err)
{
    return fo_error_set(err, FINOPS_E_CORRUPT,
                        "%s %s: the server's answer (type %u, %zu bytes) makes no sense", what, path, r->type,
                        r->n);
}

finops_code
sf_result(const sf_request *request, const char *what, const char *path, finops_error **err)
{
    sf_view v = view_of(request);
    int status = sf_status_of(request);
    const char *text;
    size_t n;

    if (status == SFTP_FX_OK)
        return FINOPS_OK;
    if (status < 0)
        return odd_answer(request, what, path, err);
    (void)sf_take_u32(&v);
    text = sf_take_bytes(&v, &n);
    if (n == 0 || !fo_utf8_valid(text, n, NULL))
        return fo_error_set(err, code_of(status), "%s %s: the server says %d", what, path, status);
    return fo_error_set(err, code_of(status), "%s %s: the server says %d, %.*s", what, path, status,
                        (int)(n < 200 ? n : 200), text);
}

finops_code
sf_result_handle(sf_request *request, const char *what, const char *path, sf_handle *ret, finops_error **err)
{
    sf_view v = view_of(request);
    const char *text;
    size_t n;

    if (request->type != SFTP_HANDLE)
        return sf_status_of(request) == SFTP_FX_OK ? odd_answer(request, what, path, err)
                                                   : sf_result(request, what, path, err);
    text = sf_take_bytes(&v, &n);
    if (v.bad || n > sizeof(ret->text))
        return odd_answer(request, what, path, err);
    memcpy(ret->text, text, n);
    ret->n = n;
    request->opens = false;
    return FINOPS_OK;
}

finops_code
sf_result_attrs(const sf_request *request, const char *what, const char *path, sf_attrs *ret,
                finops_error **err)
{
    sf_view v = view_of(request);

    if (request->type != SFTP_ATTRS)
        return sf_status_of(request) == SFTP_FX_OK ? odd_answer(request, what, path, err)
                                                   : sf_result(request, what, path, err);
    sf_take_attrs(&v, ret);
    return v.bad ? odd_answer(request, what, path, err) : FINOPS_OK;
}

finops_code
sf_result_data(const sf_request *request, const char *path, size_t *ret_n, finops_error **err)
{
    int status = sf_status_of(request);

    if (request->type == SFTP_DATA && !request->body && request->n > 0) {
        *ret_n = request->n;
        return FINOPS_OK;
    }
    if (status == SFTP_FX_EOF) {
        *ret_n = 0;
        return FINOPS_OK;
    }
    return status > 0 ? sf_result(request, "read", path, err) : odd_answer(request, "read", path, err);
}

finops_code
sf_result_names(const sf_request *request, const char *what, const char *path, sf_view *ret,
                uint32_t *ret_count, finops_error **err)
{
    sf_view v = view_of(request);

    if (sf_status_of(request) == SFTP_FX_EOF) {
        *ret_count = 0;
        return FINOPS_OK;
    }
    if (request->type != SFTP_NAME)
        return sf_status_of(request) == SFTP_FX_OK ? odd_answer(request, what, path, err)
                                                   : sf_result(request, what, path, err);
    *ret_count = sf_take_u32(&v);
    *ret = v;
    return v.bad ? odd_answer(request, what, path, err) : FINOPS_OK;
}

/* ---- requests by what they carry ---- */

finops_code
sf_send_path(sf_link *link, uint8_t type, const char *path, sf_request **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;

    sf_add_text(&body, path);
    if (type == SFTP_OPEN || type == SFTP_MKDIR)
        sf_add_u32(&body, 0);
    return sf_send(link, type, &body, ret, err);
}

finops_code
sf_send_open(sf_link *link, const char *path, uint32_t flags, sf_request **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;

    sf_add_text(&body, path);
    sf_add_u32(&body, flags);
    sf_add_u32(&body, 0); /* no attributes: those of the user's umask */
    return sf_send(link, SFTP_OPEN, &body, ret, err);
}

finops_code
sf_send_handle(sf_link *link, uint8_t type, const sf_handle *handle, sf_request **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;

    if (type == SFTP_EXTENDED)
        sf_add_text(&body, "fsync@openssh.com");
    sf_add_bytes(&body, handle->text, handle->n);
    return sf_send(link, type, &body, ret, err);
}

finops_code
sf_send_two(sf_link *link, uint8_t type, const char *extension, const char *from, const char *to,
            sf_request **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;

    if (extension)
        sf_add_text(&body, extension);
    sf_add_text(&body, from);
    sf_add_text(&body, to);
    return sf_send(link, type, &body, ret, err);
}

/* ---- begin and end ---- */

/* A packet that answers no request: the server's version. */
static finops_code
read_version(sf_link *l, const sf_limits *limits, fo_str *ret, finops_error **err)
{
    unsigned char head[4];
    size_t want = sizeof(head), have = 0;
    char *into = (char *)head;

    for (;;) {
        finops_code rc;

        if (fill(l, into, want, &have)) {
            if (into != (char *)head)
                return FINOPS_OK;
            want = sf_u32(head);
            if (want < 5 || want > PACKET_MAX)
                return fo_error_set(err, FINOPS_E_CONFIG, "the server does not speak SFTP");
            for (size_t i = 0; i < want; i++)
                fo_str_addc(ret, 0);
            rc = fo_str_check(ret, err);
            if (rc != FINOPS_OK)
                return rc;
            into = ret->data;
            have = 0;
            continue;
        }
        if (l->dead != FINOPS_OK)
            return link_error(l, err);
        rc = sf_session_pause(l->session, limits, err);
        if (rc != FINOPS_OK)
            return rc;
    }
}

static void
note_extension(sf_link *l, const char *name, size_t n, const char *version, size_t n_version)
{
    static const struct {
        const char *name, *version;
        unsigned bit;
    } known[] = { { "posix-rename@openssh.com", "1", SFTP_EXT_RENAME },
                  { "hardlink@openssh.com", "1", SFTP_EXT_LINK },
                  { "copy-data", "1", SFTP_EXT_COPY },
                  { "fsync@openssh.com", "1", SFTP_EXT_SYNC } };

    for (size_t i = 0; i < FO_COUNT(known); i++)
        if (strlen(known[i].name) == n && memcmp(known[i].name, name, n) == 0 &&
            strlen(known[i].version) == n_version && memcmp(known[i].version, version, n_version) == 0)
            l->extensions |= known[i].bit;
}

static finops_code
greet(sf_link *l, const sf_limits *limits, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str answer = FO_STR_INIT;
    sf_view v;
    finops_code rc;

    sf_add_u32(&l->out, 5);
    fo_str_addc(&l->out, SFTP_INIT);
    sf_add_u32(&l->out, 3);
    rc = fo_str_check(&l->out, err);
    if (rc != FINOPS_OK)
        return rc;
    flush_locked(l);
    rc = read_version(l, limits, &answer, err);
    if (rc != FINOPS_OK)
        return rc;
    v = (sf_view){ .p = (const unsigned char *)answer.data + 1, .n = answer.len - 1 };
    if (answer.data[0] != SFTP_VERSION || sf_take_u32(&v) != 3)
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "the server does not speak version 3 of SFTP");
    while (v.n > 0 && !v.bad) {
        size_t n, n_version;
        const char *name = sf_take_bytes(&v, &n), *version = sf_take_bytes(&v, &n_version);

        note_extension(l, name, n, version, n_version);
    }
    return FINOPS_OK;
}

finops_code
sf_link_new(const sf_target *target, const finops_call *call, sf_link **ret, finops_error **err)
{
    const sf_limits limits = { .call = call,
                               .until_us = fo_deadline_in(target->connect_us),
                               .seconds = target->connect_us / 1000000 };
    sf_link *l = fo_zalloc(sizeof(*l));
    finops_code rc;

    if (!l)
        return fo_error_oom(err);
    l->target = target;
    l->out = FO_STR_MAX(OUT_MAX);
    (void)pthread_mutex_init(&l->lock, NULL);
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    rc = l->wake < 0 ? fo_error_set(err, FINOPS_E_IO, "too many open files")
                     : sf_session_begin(target, &limits, &l->session, &l->channel, err);
    if (rc == FINOPS_OK)
        rc = greet(l, &limits, err);
    if (rc != FINOPS_OK) {
        sf_link_free(l);
        return fo_error_wrap(err, rc, "connect to %s:%u", target->host, target->port);
    }
    *ret = l;
    return FINOPS_OK;
}

/* What was sent and dropped, such as the removal of a file that is not wanted, is to arrive. */
static void
drain(sf_link *l)
{
    const sf_request none = { .link = l };
    int64_t until = fo_clock_monotonic() + DRAIN_US;

    (void)pthread_mutex_lock(&l->lock);
    while (l->dead == FINOPS_OK && l->pending > 0 && fo_clock_monotonic() < until)
        pump(l, &none);
    (void)pthread_mutex_unlock(&l->lock);
}

void
sf_link_free(sf_link *link)
{
    if (!link)
        return;
    drain(link);
    link_kill(link, FINOPS_E_CANCELLED, "closed"); /* frees what was dropped */
    if (link->channel)
        ssh_channel_free(link->channel);
    if (link->session) {
        ssh_disconnect(link->session);
        ssh_free(link->session);
    }
    fo_fd_closep(&link->wake);
    (void)pthread_mutex_destroy(&link->lock);
    fo_str_done(&link->out);
    fo_free(link->why);
    fo_free(link);
}

unsigned
sf_link_extensions(const sf_link *link)
{
    return link->extensions;
}
