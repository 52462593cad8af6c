/*
 * Files that are read: of this machine straight from the system, those of a service ("s3://bucket/key",
 * "az://container/key") through a storage that somebody who knows the configuration opens.
 *
 * A fo_files belongs to one engine and has a connection of its own, so that worker threads can read while
 * statements run. Every function may be called from any thread. A file of a service is the same version each
 * time it is opened, until fo_files_forget(): FINOPS_E_PRECONDITION when it was replaced meanwhile.
 */
#ifndef FO_ENGINE_FILES_H
#define FO_ENGINE_FILES_H

#include "base/cancel.h"
#include "config/settings.h"
#include "engine/engine.h"
#include "finops/storage.h"
#include "net/credentials.h"

typedef struct fo_files fo_files;
typedef struct fo_file fo_file;

/* What the engine's own reader of S3 needs to read what a storage reads, with the same credentials. */
typedef struct fo_files_native {
    bool possible;        /* false: it cannot, and the rest is unset */
    const char *endpoint; /* "http://host:port"; NULL: Amazon's. Borrowed from the storage */
    char region[64];      /* "": not known */
    bool path_style;      /* the bucket stands in the path */
    const char *proxy, *no_proxy, *ca_file; /* of the storage; NULL: none */
    const fo_aws_keys *keys;                /* held: fo_aws_keys_release() */
} fo_files_native;

/* How storages are opened and used; storage/sources.h makes one. Functions may be called from any thread. */
typedef struct fo_files_places {
    /* The storage that holds the address, and what its addresses begin with, which the caller frees. *ret is
     * NULL when the address is a path of this machine. */
    finops_code (*open)(struct fo_files_places *places, const fo_aws_settings *aws, const char *address,
                        finops_storage **ret, char **ret_base, finops_error **err);
    finops_code (*native)(struct fo_files_places *places, finops_storage *storage, const finops_call *call,
                          fo_files_native *ret, finops_error **err);
    /* A whole object into an open file, its checksum compared; *ret (may be NULL) owns its texts. */
    finops_code (*fetch)(struct fo_files_places *places, finops_storage *storage, const finops_get *get,
                         int fd, const char *label, finops_object *ret, finops_error **err);
    /* Whether open() has a storage for what is a path of this machine; may be NULL. */
    bool (*covers)(struct fo_files_places *places, const char *path);
    /* Before a storage is closed that open() gave; may be NULL. */
    void (*closing)(struct fo_files_places *places, const finops_storage *storage);
    const char *temporary; /* folder for what must be fetched; another is taken when it is not there */
} fo_files_places;

/* Borrowed until the files are closed. */
typedef struct fo_files_options {
    const fo_aws_settings *aws;         /* of the source: bucket, endpoint, keys; may be NULL */
    const fo_network_settings *network; /* for the engine's reader of S3; may be NULL */
    fo_files_places *places;            /* NULL: files of this machine only */
    const fo_cancel *cancel;            /* may be NULL */
} fo_files_options;

/* Whether it is an address of a service, "s3://...", and no path or file://. */
bool fo_files_is_remote(const char *address);

finops_code fo_files_open(fo_engine *engine, const fo_files_options *options, fo_files **ret,
                          finops_error **err);
void fo_files_close(fo_files *files);
void fo_files_closep(fo_files **files);

/*
 * The path by which statements on any connection of the engine read a whole file, and its size. That is the
 * address itself where the engine can read there; what it cannot read is fetched into a file without a name.
 * Good until fo_files_forget(); *ret_path is borrowed until then.
 */
finops_code fo_files_native_path(fo_files *files, const char *address, const char **ret_path,
                                 int64_t *ret_size, finops_error **err);
/* The same for several files, some at a time, so that the paths are known afterwards; what is wrong with the
 * first of those that fail is told. */
finops_code fo_files_native_paths(fo_files *files, const char *const *addresses, size_t n,
                                  finops_error **err);
/* Before such a statement runs: credentials that were renewed since are made known to the engine. */
finops_code fo_files_renew(fo_files *files, finops_error **err);
/* After it: FINOPS_E_PRECONDITION when a file that the engine read by itself is another version by now. */
finops_code fo_files_unchanged(fo_files *files, finops_error **err);
/* Files may be other versions from here on, and what was fetched is freed. Nothing of it is in use. */
void fo_files_forget(fo_files *files);

/*
 * Every file below root ("/abs/folder" or "s3://bucket/prefix"), full addresses sorted by bytes, that ends
 * with suffix. A folder that does not exist is FINOPS_E_NOT_FOUND; in a storage it has no files.
 */
finops_code fo_files_list(fo_files *files, const char *root, const char *suffix, fo_strv *ret,
                          finops_error **err);
/* Whole file of at most max bytes. */
finops_code fo_files_read(fo_files *files, const char *address, size_t max, fo_str *ret, finops_error **err);

/* To be read to its end: of a service, in one request. */
finops_code fo_file_open(fo_files *files, const char *address, fo_file **ret, finops_error **err);
/* To be read from its beginning, perhaps not to its end. */
finops_code fo_file_peek(fo_files *files, const char *address, fo_file **ret, finops_error **err);
int64_t fo_file_size(const fo_file *file);
/*
 * Up to n bytes at the current position; *ret_n is 0 at the end only. A file that grew or shrank since it was
 * opened is an error.
 */
finops_code fo_file_next(fo_file *file, void *buf, size_t n, size_t *ret_n, finops_error **err);
void fo_file_close(fo_file *file);
void fo_file_closep(fo_file **file);

#endif
