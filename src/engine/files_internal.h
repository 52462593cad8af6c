/* Inside of the files: what files.c needs of S3. */
#ifndef FO_ENGINE_FILES_INTERNAL_H
#define FO_ENGINE_FILES_INTERNAL_H

#include <pthread.h>

#include "engine/files.h"

struct fo_files {
    fo_engine *engine;
    const fo_aws_settings *aws;
    const fo_network_settings *network;
    pthread_mutex_t lock; /* guards all below */
    fo_conn *conn;        /* for statements, one at a time */
    bool network_set;     /* the engine knows the proxy and its like */
    fo_strv scopes;       /* the parts of S3 that have a secret, "s3://bucket/" */
    fo_strv secrets;      /* their names */
};

static inline bool
fo_is_s3(const char *address)
{
    return fo_starts(address, "s3://");
}

/* Makes the engine able to read below the address's bucket; the lock is held. */
finops_code fo_s3_allow(fo_files *files, const char *address, finops_error **err);
/* Forgets the secrets that were made. */
void fo_s3_done(fo_files *files);
/* The keys below root, which has no '/' at its end; the lock is held. */
finops_code fo_s3_list(fo_files *files, const char *root, const char *suffix, fo_strv *ret,
                       finops_error **err);
/* Replaces *err by one whose text has no secret of the settings and no statement in it; returns rc. */
finops_code fo_s3_redact(const fo_files *files, finops_code rc, finops_error **err);

#endif
