/* An SSH session with SFTP on it, step by step without blocking: https://api.libssh.org/stable/. */
#include "storage/sftp/session.h"

#include <poll.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"

/* Those with hardware support first: the library's own order puts the slowest in front. */
#define CIPHERS                                                                                              \
    "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr,aes192-ctr,"     \
    "aes128-ctr"

finops_code
sf_session_pause(ssh_session session, const sf_limits *limits, finops_error **err)
{
    struct pollfd p = { .fd = ssh_get_fd(session), .events = POLLIN };

    if (ssh_get_poll_flags(session) & SSH_WRITE_PENDING)
        p.events |= POLLOUT;
    (void)poll(&p, 1, SFTP_SLICE_MS);
    return sf_limits_check(limits, err);
}

static finops_code
options_set(const sf_target *t, ssh_session session, int fd, finops_error **err)
{
    FO_AUTO(fo_freep) char *known_hosts = sf_home_path(t->known_hosts);
    FO_AUTO(fo_freep) char *host = fo_format(strchr(t->host, ':') ? "[%s]" : "%s", t->host);
    bool no_config = false;

    if (!known_hosts || !host)
        return fo_error_oom(err);
    ssh_set_blocking(session, 0);
    if (ssh_options_set(session, SSH_OPTIONS_HOST, host) != 0 ||
        ssh_options_set(session, SSH_OPTIONS_PORT, &t->port) != 0 ||
        ssh_options_set(session, SSH_OPTIONS_USER, t->user) != 0 ||
        ssh_options_set(session, SSH_OPTIONS_KNOWNHOSTS, known_hosts) != 0 ||
        ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &no_config) != 0 ||
        ssh_options_set(session, SSH_OPTIONS_CIPHERS_C_S, CIPHERS) != 0 ||
        ssh_options_set(session, SSH_OPTIONS_CIPHERS_S_C, CIPHERS) != 0 ||
        ssh_options_set(session, SSH_OPTIONS_FD, &fd) != 0)
        return fo_error_set(err, FINOPS_E_CONFIG, "%s", ssh_get_error(session));
    return FINOPS_OK;
}

/* The session owns the socket once it has begun to connect, and closes it unless it believes that the option
 * still holds. */
static finops_code
handshake(ssh_session session, int *fd, const sf_limits *limits, finops_error **err)
{
    int answer = ssh_connect(session), none = -1;

    *fd = -1;
    (void)ssh_options_set(session, SSH_OPTIONS_FD, &none);
    for (; answer == SSH_AGAIN; answer = ssh_connect(session)) {
        finops_code rc = sf_session_pause(session, limits, err);

        if (rc != FINOPS_OK)
            return rc;
    }
    return answer == SSH_OK
               ? FINOPS_OK
               : fo_error_set(err, FINOPS_E_TRANSIENT, "no SSH connection: %s", ssh_get_error(session));
}

static finops_code
channel_open(ssh_session session, ssh_channel channel, const sf_limits *limits, finops_error **err)
{
    finops_code rc;
    int answer;

    while ((answer = ssh_channel_open_session(channel)) == SSH_AGAIN) {
        rc = sf_session_pause(session, limits, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    while (answer == SSH_OK && (answer = ssh_channel_request_subsystem(channel, "sftp")) == SSH_AGAIN) {
        rc = sf_session_pause(session, limits, err);
        if (rc != FINOPS_OK)
            return rc;
        answer = SSH_OK;
    }
    return answer == SSH_OK ? FINOPS_OK
                            : fo_error_set(err, FINOPS_E_CONFIG, "the server has no SFTP for this user: %s",
                                           ssh_get_error(session));
}

finops_code
sf_session_begin(const sf_target *target, const sf_limits *limits, ssh_session *ret_session,
                 ssh_channel *ret_channel, finops_error **err)
{
    FO_AUTO(fo_fd_closep) int fd = -1;
    finops_code rc;

    *ret_session = ssh_new();
    if (!*ret_session)
        return fo_error_oom(err);
    rc = sf_connect(target->host, target->port, limits, &fd, err);
    if (rc == FINOPS_OK)
        rc = options_set(target, *ret_session, fd, err);
    if (rc == FINOPS_OK)
        rc = handshake(*ret_session, &fd, limits, err);
    if (rc == FINOPS_OK)
        rc = sf_host_check(target, *ret_session, err);
    if (rc == FINOPS_OK)
        rc = sf_login(target, *ret_session, limits, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret_channel = ssh_channel_new(*ret_session);
    return *ret_channel ? channel_open(*ret_session, *ret_channel, limits, err) : fo_error_oom(err);
}
