/* From an address to an SSH channel with SFTP on it. */
#ifndef FO_STORAGE_SFTP_SESSION_H
#define FO_STORAGE_SFTP_SESSION_H

#include <libssh/libssh.h>

#include "storage/sftp/link.h"

/* How long making a connection may take. */
typedef struct sf_limits {
    const finops_call *call;
    int64_t until_us;
    int64_t seconds; /* for the message */
} sf_limits;

/* FINOPS_OK, or that the call or the time to connect is over. */
finops_code sf_limits_check(const sf_limits *limits, finops_error **err);

/* ---- connect.c ---- */

/* A connected socket, non-blocking and without delay. */
finops_code sf_connect(const char *host, unsigned port, const sf_limits *limits, int *ret_fd,
                       finops_error **err);

/* ---- session.c ---- */

/* Both may be NULL after a failure, or not; the caller frees them. */
finops_code sf_session_begin(const sf_target *target, const sf_limits *limits, ssh_session *ret_session,
                             ssh_channel *ret_channel, finops_error **err);
/* Waits at most SFTP_SLICE_MS for the socket to be ready for what the session wants of it. */
finops_code sf_session_pause(ssh_session session, const sf_limits *limits, finops_error **err);

/* ---- host_key.c ---- */

finops_code sf_host_check(const sf_target *target, ssh_session session, finops_error **err);

/* ---- login.c ---- */

finops_code sf_login(const sf_target *target, ssh_session session, const sf_limits *limits,
                     finops_error **err);
/* "~/x" below the home folder; NULL: no memory. */
char *sf_home_path(const char *path);

#endif
