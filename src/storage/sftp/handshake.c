/* How a connection begins, with the server's version and extensions, and how it ends. */
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "resilience/deadline.h"
#include "storage/sftp/link_internal.h"

#define OUT_MAX ((size_t)256 << 20)
#define DRAIN_US 1000000

/* A packet that answers no request: the server's version. */
static finops_code
read_version(sf_link *l, const sf_limits *limits, fo_str *ret, finops_error **err)
{
    unsigned char head[4];
    size_t want = sizeof(head), have = 0;
    char *into = (char *)head;

    for (;;) {
        finops_code rc;

        if (sf_link_fill(l, into, want, &have)) {
            if (into != (char *)head)
                return FINOPS_OK;
            want = sf_u32(head);
            if (want < 5 || want > SFTP_PACKET_MAX)
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
            return sf_link_error(l, err);
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
    sf_link_push(l);
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
        sf_link_pump(l, &none);
    (void)pthread_mutex_unlock(&l->lock);
}

void
sf_link_free(sf_link *link)
{
    if (!link)
        return;
    drain(link);
    sf_link_kill(link, FINOPS_E_CANCELLED, "closed"); /* frees what was dropped */
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
