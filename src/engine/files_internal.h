/* Inside of the files: storages (remote.c), what the engine reads by itself or is fetched (native.c, s3.c).
 */
#ifndef FO_ENGINE_FILES_INTERNAL_H
#define FO_ENGINE_FILES_INTERNAL_H

#include <pthread.h>

#include "engine/files.h"
#include "engine/s3_secret.h"

/* A storage that is open. */
typedef struct fo_remote {
    char *base; /* "s3://bucket": what stands before "/key" */
    finops_storage *storage;

    /* Of the engine's own reader. */
    char *secret;            /* its name in the engine; NULL: none was made */
    const fo_aws_keys *keys; /* that it holds */
} fo_remote;

/* A file of a service that was opened, and which version it was. */
typedef struct fo_seen {
    char *address;
    char *version; /* NULL: the service tells none */
    char *path;    /* for the engine; NULL: not asked for yet */
    int64_t size;
    int fd;    /* where it was fetched to; -1 */
    bool busy; /* somebody makes the path: it alone touches path, size and fd until then */
} fo_seen;

struct fo_files {
    fo_engine *engine;
    fo_files_options options;
    finops_call call;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t made;  /* a path, or it could not be */
    fo_conn *conn;        /* for statements, one at a time */
    bool network_set;     /* the engine knows the proxy and its like */
    fo_remote **remotes;  /* each stays where it is */
    size_t n_remotes, cap_remotes;
    fo_seen **seen;
    size_t n_seen, cap_seen;
    unsigned fetched; /* files so far */
};

/* ---- remote.c ---- */

/* The storage that holds the address, and its key there, a part of the address. *ret NULL: this machine. */
finops_code fo_remote_of(fo_files *files, const char *address, fo_remote **ret, const char **ret_key,
                         finops_error **err);
/* The same when it is open already, else NULL; the lock is held. */
fo_remote *fo_remote_known(const fo_files *files, const char *address, const char **ret_key);
/* What is known of the address, made when it is not; the lock is held. */
fo_seen *fo_seen_of(fo_files *files, const char *address);
/* Which version it must be; free() the copy. */
finops_code fo_remote_version(fo_files *files, const char *address, char **ret, finops_error **err);
/* Keeps the version of what was opened first. */
finops_code fo_remote_met(fo_files *files, const char *address, const char *version, finops_error **err);
/* FINOPS_E_PRECONDITION in plain words. */
finops_code fo_remote_failed(finops_code rc, const char *address, finops_error **err);
finops_code fo_remote_list(fo_files *files, fo_remote *remote, const char *key, const char *suffix,
                           fo_strv *ret, finops_error **err);

/* A file of a service that is being read. */
typedef struct fo_remote_file fo_remote_file;
finops_code fo_remote_open(fo_files *files, fo_remote *remote, const char *address, const char *key,
                           bool whole, fo_remote_file **ret, int64_t *ret_size, finops_error **err);
finops_code fo_remote_read(fo_remote_file *file, void *buf, size_t n, size_t *ret_n, finops_error **err);
void fo_remote_close(fo_remote_file *file);

/* ---- s3.c ---- */

/* Makes the engine able to read what the storage reads; *ret false: it cannot. The lock is held. */
finops_code fo_s3_allow(fo_files *files, fo_remote *remote, bool *ret, finops_error **err);
/* Forgets the secret that was made. */
void fo_s3_done(fo_files *files, fo_remote *remote);

#endif
