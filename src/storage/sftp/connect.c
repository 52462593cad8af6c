/* A socket to a host, made without ever waiting for longer than a slice: looking up a name can take its time,
 * so that is left to a thread of its own which nobody has to wait for. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "storage/object.h"
#include "storage/sftp/session.h"

finops_code
sf_limits_check(const sf_limits *limits, finops_error **err)
{
    finops_code rc = fo_call_check(limits->call, err);

    if (rc != FINOPS_OK || fo_clock_monotonic() < limits->until_us)
        return rc;
    return fo_error_set(err, FINOPS_E_TIMEOUT, "not connected within %lld s", (long long)limits->seconds);
}

/* ---- names ---- */

typedef struct lookup {
    pthread_mutex_t lock;
    pthread_cond_t done_cond;
    unsigned users; /* the thread and who waits for it */
    bool done;
    int failed;
    struct addrinfo *found;
    char port[8];
    char host[];
} lookup;

static void
lookup_release(lookup *l)
{
    bool last;

    (void)pthread_mutex_lock(&l->lock);
    last = --l->users == 0;
    (void)pthread_mutex_unlock(&l->lock);
    if (!last)
        return;
    if (l->found)
        freeaddrinfo(l->found);
    (void)pthread_cond_destroy(&l->done_cond);
    (void)pthread_mutex_destroy(&l->lock);
    fo_free(l);
}

static void *
lookup_run(void *arg)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
    struct addrinfo *found = NULL;
    lookup *l = arg;
    int failed = getaddrinfo(l->host, l->port, &hints, &found);

    (void)pthread_mutex_lock(&l->lock);
    l->failed = failed;
    l->found = failed ? NULL : found;
    l->done = true;
    (void)pthread_cond_signal(&l->done_cond);
    (void)pthread_mutex_unlock(&l->lock);
    lookup_release(l);
    return NULL;
}

static lookup *
lookup_begin(const char *host, unsigned port)
{
    size_t n = strlen(host) + 1;
    lookup *l = fo_zalloc(sizeof(*l) + n);
    pthread_condattr_t clock;
    pthread_t thread;

    if (!l)
        return NULL;
    memcpy(l->host, host, n);
    (void)snprintf(l->port, sizeof(l->port), "%u", port);
    (void)pthread_mutex_init(&l->lock, NULL);
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&l->done_cond, &clock);
    (void)pthread_condattr_destroy(&clock);
    l->users = 2;
    if (pthread_create(&thread, NULL, lookup_run, l) != 0) {
        l->users = 1;
        lookup_release(l);
        return NULL;
    }
    (void)pthread_detach(thread);
    return l;
}

static finops_code
lookup_wait(lookup *l, const sf_limits *limits, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    (void)pthread_mutex_lock(&l->lock);
    while (!l->done && rc == FINOPS_OK) {
        int64_t until = fo_clock_monotonic() + SFTP_SLICE_MS * 1000;
        const struct timespec t = { .tv_sec = until / 1000000, .tv_nsec = until % 1000000 * 1000 };

        (void)pthread_cond_timedwait(&l->done_cond, &l->lock, &t);
        if (!l->done)
            rc = sf_limits_check(limits, err);
    }
    if (rc == FINOPS_OK && l->failed)
        rc = fo_error_set(err, FINOPS_E_TRANSIENT, "host %s is not found: %s", l->host,
                          gai_strerror(l->failed));
    (void)pthread_mutex_unlock(&l->lock);
    return rc;
}

/* ---- sockets ---- */

static finops_code
wait_connected(int fd, const sf_limits *limits, int *ret_errnum, finops_error **err)
{
    socklen_t n = sizeof(*ret_errnum);

    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLOUT };
        finops_code rc;

        if (poll(&p, 1, SFTP_SLICE_MS) > 0)
            break;
        rc = sf_limits_check(limits, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, ret_errnum, &n) != 0)
        *ret_errnum = errno;
    return FINOPS_OK;
}

/* *ret_fd stays -1 when this address does not work: *ret_errnum says why. */
static finops_code
connect_one(const struct addrinfo *address, const sf_limits *limits, int *ret_fd, int *ret_errnum,
            finops_error **err)
{
    FO_AUTO(fo_fd_closep)
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, address->ai_protocol);
    finops_code rc = FINOPS_OK;
    int on = 1;

    *ret_errnum = 0;
    if (fd < 0 || (connect(fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS)) {
        *ret_errnum = errno;
        return FINOPS_OK;
    }
    rc = wait_connected(fd, limits, ret_errnum, err);
    if (rc != FINOPS_OK || *ret_errnum)
        return rc;
    /* Requests are small and many: without it each waits for the acknowledgement of the one before. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    *ret_fd = fo_fd_take(&fd);
    return FINOPS_OK;
}

finops_code
sf_connect(const char *host, unsigned port, const sf_limits *limits, int *ret_fd, finops_error **err)
{
    lookup *l = lookup_begin(host, port);
    int fd = -1, errnum = EADDRNOTAVAIL;
    finops_code rc;

    if (!l)
        return fo_error_oom(err);
    rc = lookup_wait(l, limits, err);
    for (const struct addrinfo *a = rc == FINOPS_OK ? l->found : NULL; a && fd < 0 && rc == FINOPS_OK;
         a = a->ai_next)
        rc = connect_one(a, limits, &fd, &errnum, err);
    lookup_release(l);
    if (rc != FINOPS_OK)
        return rc;
    if (fd < 0) {
        (void)fo_error_errno(err, errnum, "connect");
        (void)fo_error_wrap(err, FINOPS_E_TRANSIENT, "not reached");
        fo_error_hint(err,
                      "check the host and the port of the address, and that a server for SSH listens there");
        return FINOPS_E_TRANSIENT;
    }
    *ret_fd = fd;
    return FINOPS_OK;
}
