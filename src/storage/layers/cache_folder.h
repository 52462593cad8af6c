/*
 * A folder of cache entries, shared by threads and processes.
 *
 * An entry is a file <folder>/<hash of the object>/<range>, written under another name and renamed, in blocks
 * that each have a checksum, so that a torn or damaged one is noticed before its bytes are used. How much
 * there is stands in <folder>/.size, which all processes map. When that is too much, one of them (flock on
 * <folder>/.lock) removes what was not used for longest.
 */
#ifndef FO_STORAGE_CACHE_FOLDER_H
#define FO_STORAGE_CACHE_FOLDER_H

#include <stdatomic.h>

#include "base/str.h"
#include "finops/sys/storage_driver.h"

#define FO_CACHE_NAME 512 /* bytes that hold a path below the folder */
#define FO_CACHE_GENERATIONS 256
#define FO_CACHE_TEMPORARY "tmp-" /* what its name begins with while it is written */

typedef struct fo_cache_folder {
    char *path;
    int dir, lock;
    atomic_ullong *bytes; /* mapped */
    uint64_t limit;
    atomic_ullong evicted;
    atomic_uint generations[FO_CACHE_GENERATIONS]; /* of what this process wrote and removed */
} fo_cache_folder;

finops_code fo_cache_folder_open(const char *path, uint64_t limit, fo_cache_folder *ret, finops_error **err);
void fo_cache_folder_close(fo_cache_folder *folder);

/* Of one object: its folder's name, and the counter that tells whether it was written meanwhile. */
typedef struct fo_cache_place {
    char folder[64];
    atomic_uint *generation;
} fo_cache_place;
fo_cache_place fo_cache_place_of(fo_cache_folder *folder, const char *address, const char *key);
/* All entries of an object are gone, and what is being read now becomes none. */
void fo_cache_forget(fo_cache_folder *folder, const fo_cache_place *place);

/* ---- an entry that is read ---- */

typedef struct fo_cache_entry {
    int fd; /* -1: none */
    finops_object object;
    int64_t offset, length; /* that it holds */
    int64_t checked_us;     /* when it was known to be right */
    int64_t data_at;        /* in the file */
    int64_t block;          /* that is in `data`; -1 */
    size_t block_n;
    unsigned char *data;
} fo_cache_entry;

/* False: there is none, or it is damaged and gone; *ret_damaged says so. */
bool fo_cache_entry_open(const fo_cache_folder *folder, const char *name, fo_cache_entry *ret,
                         bool *ret_damaged);
/* n > 0 bytes at most from `at` (in the entry); 0: it is damaged. */
size_t fo_cache_entry_read(fo_cache_entry *entry, int64_t at, void *buffer, size_t n);
/* It is right, as was just asked, or was only used. */
void fo_cache_entry_touch(const fo_cache_entry *entry, bool checked);
void fo_cache_entry_close(fo_cache_entry *entry);
void fo_cache_remove(fo_cache_folder *folder, const char *name);

/* ---- an entry that is written ---- */

typedef struct fo_cache_new {
    int fd;             /* -1: given up */
    char temporary[64]; /* its name; "": there is no such file any more */
    uint64_t bytes;     /* of the file */
    size_t block_n;
    unsigned char *block;
} fo_cache_new;

/* Failing here is no failure: nothing is kept, that is all. */
void fo_cache_new_begin(fo_cache_folder *folder, const finops_object *object, int64_t offset, int64_t length,
                        fo_cache_new *ret);
void fo_cache_new_add(fo_cache_new *entry, const void *data, size_t n);
/* It becomes the entry of that name, and old ones go when there are too many. */
void fo_cache_new_commit(fo_cache_folder *folder, fo_cache_new *entry, const fo_cache_place *place,
                         const char *name);
void fo_cache_new_drop(const fo_cache_folder *folder, fo_cache_new *entry);

#endif
