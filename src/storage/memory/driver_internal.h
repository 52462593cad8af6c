/* Objects in memory: immutable once stored and counted, so that a reader goes on with the one it began. */
#ifndef FO_STORAGE_MEMORY_DRIVER_INTERNAL_H
#define FO_STORAGE_MEMORY_DRIVER_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "storage/memory/driver.h"

typedef struct memory_bytes {
    atomic_uint users;
    size_t n;
    char data[];
} memory_bytes;

typedef struct memory_item {
    atomic_uint users;
    finops_object object; /* its own */
    memory_bytes *bytes;
} memory_item;

/* A list with express lanes (W. Pugh, "Skip lists", 1990): sorted by bytes, found in O(log n). */
#define MEMORY_LANES 20
typedef struct memory_node {
    memory_item *item;
    struct memory_node *next[]; /* one a lane */
} memory_node;

typedef struct memory_upload memory_upload;

typedef struct memory_storage {
    atomic_ullong serial; /* of the last version */
    pthread_mutex_t lock; /* of all below; never held while a callback runs */
    memory_node *head;
    unsigned random;
    memory_upload *uploads; /* that are open */
} memory_storage;

/* ---- items.c ---- */

memory_bytes *memory_bytes_new(size_t n); /* to be filled; NULL: no memory */
void memory_bytes_release(memory_bytes *bytes);
/* A new version of `object` (its version and etag are not looked at) with these bytes, which are taken over
 * in any case. */
finops_code memory_item_new(memory_storage *m, const finops_object *object, memory_bytes *bytes,
                            memory_item **ret, finops_error **err);
memory_item *memory_item_use(memory_item *item);
void memory_item_release(memory_item *item);
void memory_item_releasep(memory_item **item);

/* Under the lock. The first item whose key is at least `key`, above it with `above`; NULL: none. Borrowed. */
memory_item *memory_first(const memory_storage *m, const char *key, bool above);
memory_item *memory_find(const memory_storage *m, const char *key);
/* Stores the item under its key; the item's user becomes the storage. Only memory can fail. */
finops_code memory_set(memory_storage *m, memory_item *item, finops_error **err);
void memory_unset(memory_storage *m, const char *key);
memory_node *memory_head_new(void);
void memory_clear(memory_storage *m);

/* ---- driver.c ---- */

/* Stores bytes, which are taken over in any case, if the put's conditions hold; *ret may be NULL. */
finops_code memory_store(memory_storage *m, const finops_put *put, memory_bytes *bytes, finops_object *ret,
                         finops_error **err);

/* ---- upload.c ---- */

finops_code memory_upload_begin(void *self, const finops_put *put, finops_upload **ret, finops_error **err);
finops_code memory_sweep(void *self, const char *prefix, int64_t begun_before_us, const finops_call *call,
                         finops_each_object each, void *arg, finops_error **err);

#endif
