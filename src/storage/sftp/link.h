/*
 * A connection to an SFTP server that any number of threads share: each sends requests and waits for the
 * answers of its own. Whoever waits first reads for all; the others sleep until their answer is there or it
 * is their turn.
 */
#ifndef FO_STORAGE_SFTP_LINK_H
#define FO_STORAGE_SFTP_LINK_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/error.h"
#include "finops/sys/call.h"
#include "storage/sftp/driver.h"
#include "storage/sftp/wire.h"

#define SFTP_BLOCK ((size_t)32 << 10) /* bytes of a read or a write that every server takes */
#define SFTP_FLIGHT 64                /* such requests on their way at once, for one reader or writer */
#define SFTP_SLICE_MS 20              /* between two looks at a call */

enum { /* extensions of the server */
       SFTP_EXT_RENAME = 1 << 0,
       SFTP_EXT_LINK = 1 << 1,
       SFTP_EXT_COPY = 1 << 2,
       SFTP_EXT_SYNC = 1 << 3
};

/* What a connection is made with; texts are borrowed and outlive it. */
typedef struct sf_target {
    char *host;
    unsigned port;
    char *user;
    char *password;
    char *private_key;
    char *private_key_passphrase;
    bool agent;
    char *known_hosts;
    char **host_key; /* NULL-ended; NULL: none is pinned */
    enum { SFTP_HOST_STRICT, SFTP_HOST_ACCEPT_NEW, SFTP_HOST_OFF } checking;
    int64_t connect_us, stall_us;
} sf_target;

typedef struct sf_link sf_link;
typedef struct sf_request sf_request;

/* Connects, looks at the host's key, logs in and starts SFTP. The target outlives the link. */
finops_code sf_link_new(const sf_target *target, const finops_call *call, sf_link **ret, finops_error **err);
/* All requests were dropped. Waits a little for what was sent and not waited for. NULL is fine. */
void sf_link_free(sf_link *link);
unsigned sf_link_extensions(const sf_link *link); /* SFTP_EXT_* */
/* Reads what has come, without waiting; false: the connection is no good any more. */
bool sf_link_is_alive(sf_link *link);
/* Sends what was put into requests so far. wait() does so, too. */
void sf_link_flush(sf_link *link);

/* ---- requests ---- */

/* A file or folder that is open on the server. */
typedef struct sf_handle {
    size_t n;
    char text[256];
} sf_handle;

/* The body is what follows the request's number. Nothing is sent before a flush or a wait. */
finops_code sf_send(sf_link *link, uint8_t type, const fo_str *body, sf_request **ret, finops_error **err);
finops_code sf_send_path(sf_link *link, uint8_t type, const char *path, sf_request **ret, finops_error **err);
finops_code sf_send_handle(sf_link *link, uint8_t type, const sf_handle *handle, sf_request **ret,
                           finops_error **err);
finops_code sf_send_open(sf_link *link, const char *path, uint32_t flags, sf_request **ret,
                         finops_error **err);
/* At most SFTP_BLOCK bytes; the answer goes to `into`, which must live until it is there or dropped. */
finops_code sf_send_read(sf_link *link, const sf_handle *handle, uint64_t offset, void *into, size_t n,
                         sf_request **ret, finops_error **err);
finops_code sf_send_write(sf_link *link, const sf_handle *handle, uint64_t offset, const void *data, size_t n,
                          sf_request **ret, finops_error **err);
/* `extension` NULL: type with the two paths as its body. */
finops_code sf_send_two(sf_link *link, uint8_t type, const char *extension, const char *from, const char *to,
                        sf_request **ret, finops_error **err);

/* Until the answer is there. Failure: the connection broke off (FINOPS_E_TRANSIENT, all requests share it),
 * it stalled, or the call must end. May be called again. */
finops_code sf_wait(sf_request *request, const finops_call *call, finops_error **err);
/* Frees it; an answer that is still to come is thrown away, and a file it opens closed. NULL is fine. */
void sf_request_drop(sf_request *request);
void sf_request_dropp(sf_request **request);
bool sf_is_answered(const sf_request *request); /* without waiting */

/* ---- answers, after a wait that succeeded ---- */

/* SFTP_FX_* of a status, or -1 when it is something else. */
int sf_status_of(const sf_request *request);
/* FINOPS_OK for a status that is fine; else what the server said, as "<what> <path>: ...". */
finops_code sf_result(const sf_request *request, const char *what, const char *path, finops_error **err);
/* The same for a request that is answered with something else when it succeeds. The handle is the caller's to
 * close then; until it is asked for, dropping the request closes it. */
finops_code sf_result_handle(sf_request *request, const char *what, const char *path, sf_handle *ret,
                             finops_error **err);
finops_code sf_result_attrs(const sf_request *request, const char *what, const char *path, sf_attrs *ret,
                            finops_error **err);
/* Of `into`; 0 at the end of the file. */
finops_code sf_result_data(const sf_request *request, const char *path, size_t *ret_n, finops_error **err);
/* The packet of names: count, and then name, long name and attributes of each. At the end of a folder count
 * is 0. */
finops_code sf_result_names(const sf_request *request, const char *what, const char *path, sf_view *ret,
                            uint32_t *ret_count, finops_error **err);

#endif
