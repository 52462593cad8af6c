/* What the files of the replicating layer share. */
#ifndef FO_STORAGE_REPLICATE_INTERNAL_H
#define FO_STORAGE_REPLICATE_INTERNAL_H

#include <stdatomic.h>

#include "storage/layers/replicate.h"

#define FO_REPLICAS_MAX 9
#define FO_MISSED_BITS 4096

typedef struct fo_replica {
    fo_stage stage;
    finops_storage *storage; /* whose stage it is; NULL: the stage is the layer's own */
    atomic_ullong behind;
    /* By hash of the key: a write was missed, and others are asked first. */
    atomic_ullong missed[FO_MISSED_BITS / 64];
} fo_replica;

typedef struct fo_replicate_self {
    fo_pass pass; /* whose `below` is the first replica's stage */
    fo_replicate_mode mode;
    size_t n;
    fo_replica replicas[FO_REPLICAS_MAX];
    atomic_ullong fallbacks;
} fo_replicate_self;

#define CALL(l, i, slot) ((l)->replicas[i].stage.driver->slot)
#define OF(l, i) ((l)->replicas[i].stage.self)

/* How many have to have done it. */
size_t fo_replicate_need(const fo_replicate_self *self);
void fo_replicate_missed(fo_replicate_self *self, size_t replica, const char *key);
bool fo_replicate_has_missed(fo_replicate_self *self, size_t replica, const char *key);
/* Another one may answer what this one could not. */
bool fo_replicate_is_down(finops_code code);

/* Calls one thing on each replica and counts. `conditional`: nobody but the first decides. */
typedef struct fo_everywhere {
    fo_replicate_self *self;
    const char *key;
    bool conditional;
    size_t done, failed;
    bool asked_first; /* the one that decides was asked, and it is over if it said no */
    finops_code rc;   /* of the first that failed */
    finops_error *why;
    finops_object made; /* as the first that did it tells, `giver` */
    size_t giver;
} fo_everywhere;
/* False: enough; no other is asked. */
bool fo_everywhere_add(fo_everywhere *e, size_t replica, finops_code rc, finops_error *why);
finops_code fo_everywhere_end(fo_everywhere *e, finops_error **err);
/* Where one is to tell what was made: nowhere when nobody wants to know (ret NULL), or one has told it. */
finops_object *fo_everywhere_asks(fo_everywhere *e, const finops_object *ret);
/* The end, with what was told. */
finops_code fo_everywhere_give(fo_everywhere *e, finops_object *ret, finops_error **err);

finops_code fo_replicate_upload(void *self, const finops_put *put, finops_upload **ret, finops_error **err);
finops_code fo_replicate_remove_many(void *self, const char *const *keys, size_t n, const finops_call *call,
                                     finops_each_removed each, void *arg, finops_error **err);
finops_code fo_replicate_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err);
finops_code fo_replicate_stat(void *self, const char *key, const finops_call *call, finops_object *ret,
                              finops_error **err);
finops_code fo_replicate_list(void *self, const finops_list *list, finops_each_object each, void *arg,
                              finops_error **err);

/* "k: it is another version" */
finops_code fo_no_version(const char *key, finops_error **err);
/* Versions say whose they are: "0:<version>". The block of `object` is replaced. */
finops_code fo_version_of(size_t replica, finops_object *object, finops_error **err);
/* The replica, and the rest of the text; false: it is none of ours. NULL: the first, NULL. */
bool fo_version_split(const fo_replicate_self *self, const char *version, size_t *ret_replica,
                      const char **ret_rest);

#endif
