/* What the files of the driver share. Functions that give a descriptor give -1 and errno on failure. */
#ifndef FO_STORAGE_LOCAL_DRIVER_INTERNAL_H
#define FO_STORAGE_LOCAL_DRIVER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/str.h"
#include "storage/file_key.h"
#include "storage/local/driver.h"

#define LOCAL_MADE "user.finops.made"
#define LOCAL_VERSION 80
#define LOCAL_PATH 4096

typedef struct local_storage {
    char *root; /* absolute, without "." and ".." */
    bool links_all;
    bool durable;
    size_t names_max;       /* bytes of the names of one folder that a listing holds at once */
    atomic_bool no_openat2; /* the kernel has none, or a sandbox forbids it */
    atomic_int attributes;  /* of files: 0 not known yet, 1 kept, -1 not */
} local_storage;

/* ---- path.c ---- */

/* As fo_error_errno, but what a key cannot be is FINOPS_E_ARGUMENT and a link FINOPS_E_DENIED. */
finops_code local_error(const local_storage *l, int errnum, const char *what, const char *key,
                        finops_error **err);
int local_root(const local_storage *l);
/* Below `root`, through no link at all: ELOOP. */
int local_open_below(local_storage *l, int root, const char *path, int flags);
/* The folder an object lies in; *ret_name is the rest of its key. */
int local_folder_of(local_storage *l, int root, const char *key, const char **ret_name);
/* The same, made where it is missing. ENOTDIR: a part of it is a file. */
int local_folder_make(local_storage *l, int root, const char *key, const char **ret_name);
/* An object to be read, a link to one followed. EXDEV: it leads out. */
int local_open_object(local_storage *l, int root, const char *key);
/* Removes folders above the key that are empty and were made by a put. */
void local_folders_tidy(local_storage *l, int root, const char *key);

/* ---- meta.c ---- */

bool local_keeps_attributes(local_storage *l);
/* "inode-mtime-ctime-size"; mtime is set to the nanosecond when we write, so that no two versions are the
 * same however soon the inode is used again. */
const char *local_version(const struct stat *st, char buf[LOCAL_VERSION]);
int64_t local_modified(const struct stat *st);

/* An object with what is kept of it beside its bytes. */
typedef struct local_meta {
    finops_object object;
    char version[LOCAL_VERSION];
    fo_strv texts;
    finops_metadata *items;
    size_t cap;
} local_meta;
finops_code local_meta_read(const local_storage *l, int fd, const struct stat *st, const char *key,
                            local_meta *ret, finops_error **err);
void local_meta_done(local_meta *m);
/* FINOPS_E_UNSUPPORTED when there is metadata to keep and no way to. (A content type goes with a file as far
 * as it can: copies from an object store have one.) */
finops_code local_meta_check(local_storage *l, const finops_put *put, finops_error **err);
finops_code local_meta_write(const local_storage *l, int fd, const finops_object *object, finops_error **err);

/* ---- read.c ---- */

/* Opens a regular file; FINOPS_E_NOT_FOUND when there is nothing, FINOPS_E_ARGUMENT when it is no file. */
finops_code local_file_open(local_storage *l, const char *key, int *ret_fd, struct stat *ret_st,
                            finops_error **err);
finops_code local_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err);

/* ---- new.c: files on their way in ---- */

typedef struct local_new {
    local_storage *l;
    char *key;
    const char *target; /* its last part */
    int root, folder, fd;
    char name[FO_FILE_TEMPORARY]; /* "" once it has the target's name */
} local_new;

#define LOCAL_NEW_INIT ((local_new){ .root = -1, .folder = -1, .fd = -1 })
finops_code local_new_begin(local_storage *l, const char *key, const finops_call *call, local_new *ret,
                            finops_error **err);
finops_code local_new_write(const local_new *n, const void *data, size_t size, int64_t offset,
                            const finops_call *call, finops_error **err);
/* Gives it the target's name if the conditions of `put` hold. *ret (may be NULL) owns its texts. */
finops_code local_new_commit(local_new *n, const finops_put *put, finops_object *ret, finops_error **err);
/* Removes it unless it was committed. */
void local_new_done(local_new *n);

/* ---- lock.c: one at a time changes what a name stands for ---- */

typedef enum local_held {
    LOCAL_MISSING, /* there is no such name */
    LOCAL_HELD,    /* what it stands for is locked and stays */
    LOCAL_LOOSE,   /* it cannot be opened or locked */
    LOCAL_BUSY     /* somebody else holds it */
} local_held;

typedef struct local_lock {
    local_held held;
    int fd; /* -1 unless held */
    struct stat st;
} local_lock;

#define LOCAL_LOCK_INIT ((local_lock){ .fd = -1 })
/* Waits, as long as the call lets it; with `once` not at all. A folder is FINOPS_E_ARGUMENT. */
finops_code local_lock_take(local_storage *l, int root, int folder, const char *key, const finops_call *call,
                            bool once, local_lock *ret, finops_error **err);
void local_lock_done(local_lock *lock);
/* As rename(), but EEXIST when the new name is taken. */
int local_rename_new(int folder, const char *from, int to_folder, const char *to);
/* Durable names, if that was asked for. */
finops_code local_sync_folder(const local_storage *l, int folder, finops_error **err);

/* ---- change.c ---- */

finops_code local_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
                      finops_error **err);
finops_code local_remove(void *self, const finops_remove *remove, finops_error **err);
finops_code local_copy(void *self, const finops_copy *copy, finops_object *ret, finops_error **err);
finops_code local_move(void *self, const finops_copy *move, finops_error **err);

/* ---- upload.c ---- */

finops_code local_upload_begin(void *self, const finops_put *put, finops_upload **ret, finops_error **err);

/* ---- list.c, sweep.c ---- */

finops_code local_list(void *self, const finops_list *list, finops_each_object each, void *arg,
                       finops_error **err);
finops_code local_sweep(void *self, const char *prefix, int64_t begun_before_us, const finops_call *call,
                        finops_each_object each, void *arg, finops_error **err);

#endif
