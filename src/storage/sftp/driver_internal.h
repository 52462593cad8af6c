/* What the files of the driver share. Names begin with sf_: sftp_ is the prefix of libssh. */
#ifndef FO_STORAGE_SFTP_DRIVER_INTERNAL_H
#define FO_STORAGE_SFTP_DRIVER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/str.h"
#include "storage/file_key.h"
#include "storage/folders.h"
#include "storage/sftp/link.h"

#define SFTP_LINKS_MAX 32
#define SFTP_VERSION_TEXT 40

/* A connection in the pool. */
typedef struct sf_lease {
    sf_link *link;
    unsigned users;
} sf_lease;

typedef struct sf_storage {
    sf_target target;
    char *folder; /* without a '/' at the end, but "/"; "" is the home folder */
    unsigned connections;
    bool durable;
    atomic_uint extensions; /* of the server, and SFTP_EXT_KNOWN once it was asked */
    pthread_mutex_t lock;   /* of all below */
    pthread_cond_t changed;
    sf_lease *leases[SFTP_LINKS_MAX];
    unsigned n_leases, connecting;
    int64_t full_until_us; /* the server wants no more connections */
    char *real;            /* of the folder, without links; NULL: not asked yet */
    fo_folders folders;
} sf_storage;
#define SFTP_EXT_KNOWN (1u << 31)

/* ---- pool.c ---- */

/* A connection that is alive: one that nobody uses, a new one, or the one with the fewest users. */
finops_code sf_acquire(sf_storage *s, const finops_call *call, sf_lease **ret, finops_error **err);
/* One more user of it; returns it. */
sf_lease *sf_hold(sf_storage *s, sf_lease *lease);
void sf_release(sf_storage *s, sf_lease *lease);
void sf_pool_close(sf_storage *s);
/* Those the server has, or all when it was not asked yet. */
static inline bool
sf_has(sf_storage *s, unsigned extension)
{
    unsigned known = atomic_load(&s->extensions);

    return !(known & SFTP_EXT_KNOWN) || (known & extension) != 0;
}

/* ---- folder.c ---- */

/* The server's name of a key; NULL: no memory. */
char *sf_path(const sf_storage *s, const char *key);
/* Waits for an answer and says whether it was good: sf_wait() and sf_result(). */
finops_code sf_finish(sf_request *r, const finops_call *call, const char *what, const char *path,
                      finops_error **err);
/*
 * Looks at the folders a key lies in: one that is a link is FINOPS_E_DENIED, one that is missing or a file
 * FINOPS_E_NOT_FOUND. With `make` those that are missing are made, and a file in their place is
 * FINOPS_E_ARGUMENT. Sends what is queued.
 */
finops_code sf_folders_check(sf_storage *s, sf_link *link, const char *key, bool make,
                             const finops_call *call, finops_error **err);
/* The folder of all keys is made. */
finops_code sf_root_make(sf_storage *s, sf_link *link, const finops_call *call, finops_error **err);
/* Removes folders above the key that are empty and were made by us. */
void sf_folders_tidy(sf_storage *s, sf_link *link, const char *key, const finops_call *call);
/* That a link leads to a file below the folder; FINOPS_E_DENIED: it does not. */
finops_code sf_link_check(sf_storage *s, sf_link *link, const char *key, const finops_call *call,
                          finops_error **err);

/* ---- read.c ---- */

/* "size-mtime" */
const char *sf_version(const sf_attrs *a, char buf[SFTP_VERSION_TEXT]);
/* LSTAT, and STAT of what a link leads to; one that leads out is FINOPS_E_DENIED. */
finops_code sf_look(sf_storage *s, sf_link *link, const char *key, const finops_call *call, sf_attrs *ret,
                    finops_error **err);
/* STAT of what a link leads to, wherever that is. */
finops_code sf_look_through(sf_storage *s, sf_link *link, const char *key, const finops_call *call,
                            sf_attrs *ret, finops_error **err);
finops_code sf_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err);
/* Key, size, time, version and etag; borrows key and buf. */
finops_object sf_object(const char *key, const sf_attrs *a, char buf[SFTP_VERSION_TEXT]);

/* ---- new.c: files on their way in ---- */

typedef struct sf_new {
    sf_storage *s;
    sf_lease *lease;
    char *key, *path, *temporary;
    bool exists;  /* under its temporary name, as far as we know */
    bool settled; /* all was written, and attrs are what it has */
    bool open;
    atomic_bool hurry; /* a call had to end */
    sf_handle handle;
    sf_attrs attrs;
    pthread_mutex_t lock; /* of lease, open and handle: parts come from several threads */
} sf_new;

finops_code sf_new_begin(sf_storage *s, const char *key, const finops_call *call, sf_new **ret,
                         finops_error **err);
/* May be called from several threads. */
finops_code sf_new_write(sf_new *n, const void *data, size_t size, int64_t offset, const finops_call *call,
                         finops_error **err);
/* Gives it the target's name if the conditions hold; size is what it is to have. *ret (may be NULL) owns its
 * texts. May be called again after FINOPS_E_TRANSIENT, and knows its own success. */
finops_code sf_new_commit(sf_new *n, const finops_put *put, int64_t size, finops_object *ret,
                          finops_error **err);
/* Removes it unless it was committed. NULL is fine. */
void sf_new_free(sf_new *n);
/* LSTAT of a path; *ret_there is false when there is nothing. */
finops_code sf_peek(sf_link *link, const char *path, const finops_call *call, bool *ret_there, sf_attrs *ret,
                    finops_error **err);
/* To a name that may be taken; FINOPS_E_UNSUPPORTED when it is and the server cannot replace at once. Both
 * are paths. */
finops_code sf_rename(sf_storage *s, sf_link *link, const char *from, const char *to, const finops_call *call,
                      finops_error **err);
/* A second name, then the first one is removed; FINOPS_E_EXISTS when it is taken. Both are paths. */
finops_code sf_rename_new(sf_storage *s, sf_link *link, const char *from, const char *to,
                          const finops_call *call, finops_error **err);
/* What cannot be kept of an object is FINOPS_E_UNSUPPORTED. */
finops_code sf_put_check(sf_storage *s, const finops_put *put, finops_error **err);

/* ---- change.c, upload.c ---- */

finops_code sf_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
                   finops_error **err);
finops_code sf_remove(void *self, const finops_remove *remove, finops_error **err);
finops_code sf_remove_many(void *self, const char *const *keys, size_t n, const finops_call *call,
                           finops_each_removed each, void *arg, finops_error **err);
finops_code sf_copy(void *self, const finops_copy *copy, finops_object *ret, finops_error **err);
finops_code sf_move(void *self, const finops_copy *move, finops_error **err);
finops_code sf_upload_begin(void *self, const finops_put *put, finops_upload **ret, finops_error **err);

/* ---- list.c, sweep.c ---- */

/* One entry of a folder. */
typedef struct sf_entry {
    const char *name;
    sf_attrs attrs;
} sf_entry;
/* False ends it. */
typedef finops_code (*sf_each_entry)(const sf_entry *entry, bool *ret_more, void *arg, finops_error **err);
/* All entries but "." and ".."; *ret_there (may be NULL): whether it is a folder. */
finops_code sf_folder_read(sf_storage *s, sf_link *link, const char *key, const finops_call *call,
                           sf_each_entry each, void *arg, finops_error **err);
finops_code sf_list(void *self, const finops_list *list, finops_each_object each, void *arg,
                    finops_error **err);
finops_code sf_sweep(void *self, const char *prefix, int64_t begun_before_us, const finops_call *call,
                     finops_each_object each, void *arg, finops_error **err);

#endif
