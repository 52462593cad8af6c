/*
 * An upload in parts that goes into one file, which is renamed at the end: what it is the same in for all
 * drivers whose storage is made of files.
 */
#ifndef FO_STORAGE_FILE_UPLOAD_H
#define FO_STORAGE_FILE_UPLOAD_H

#include <pthread.h>

#include "base/error.h"
#include "finops/sys/storage_driver.h"
#include "storage/put_copy.h"

typedef struct fo_file_upload fo_file_upload;

/* Which parts came. */
typedef struct fo_part fo_part;
typedef struct fo_parts {
    pthread_mutex_t lock; /* they come from several threads */
    fo_part *items;       /* number - 1 is the index */
    size_t n, cap;
} fo_parts;

typedef struct fo_file_upload_ops {
    /* Bytes of a part at their place in the file; from as many threads as parts come from. */
    finops_code (*write)(fo_file_upload *u, unsigned number, int64_t offset, const void *data, size_t n,
                         const finops_call *call, finops_error **err);
    /* The file gets its name; the parts come to this size. As finops_upload.commit otherwise. */
    finops_code (*store)(fo_file_upload *u, const finops_put *put, int64_t size, finops_object *ret,
                         finops_error **err);
    /* Frees what the driver's struct has besides, and a file that was not stored. */
    void (*done)(fo_file_upload *u);
} fo_file_upload_ops;

/* The first member of the driver's own. */
struct fo_file_upload {
    finops_upload base;
    const fo_file_upload_ops *ops;
    fo_put_copy put;
    fo_parts parts;
    finops_object stored; /* by a commit; its key is NULL before */
};

/* Of zeroes, from fo_zalloc(); close() frees it. */
finops_code fo_file_upload_init(fo_file_upload *u, const fo_file_upload_ops *ops, const finops_put *put,
                                finops_error **err);
/* Hands it over when the driver could begin, else closes it; returns rc. */
finops_code fo_file_upload_begun(fo_file_upload *u, finops_code rc, finops_upload **ret);

#endif
