/*
 * One case of a storage while it runs, and what the files of cases share. A case is a function of bool: true
 * when what it says is so.
 */
#ifndef FO_CONFORMANCE_PROBE_H
#define FO_CONFORMANCE_PROBE_H

#include "base/mem.h"
#include "conformance/storage.h"
#include "conformance/ruling.h"
#include "storage/stage.h"

typedef struct fo_probe fo_probe;

/* What a case is about, besides features. */
enum {
    FO_PROBE_FILES = 1, /* keys are paths of files */
    FO_PROBE_LONG = 2   /* only with --long */
};

typedef struct fo_probe_case {
    const char *name; /* "K1 ...": the behaviour and the sentence it proves */
    uint64_t needs;   /* FINOPS_STORAGE_* all of which must be claimed */
    bool (*run)(fo_probe *p);
    unsigned flags; /* FO_PROBE_* */
} fo_probe_case;

typedef struct fo_probe_area {
    const char *name;
    const fo_probe_case *cases;
    size_t n;
} fo_probe_area;

extern const fo_probe_area *const fo_probe_areas[];

struct fo_probe {
    const fo_probe_case *c;
    finops_storage *storage; /* the front door */
    const fo_stage *stage;   /* what is behind it */
    uint64_t features;
    char prefix[64];       /* of this case: "finops-test-<random>/012/" */
    uint64_t unit;         /* what sizes are counted in: a MiB, unless the options say otherwise */
    finops_transfer parts; /* of five units: with a MiB the smallest that every service takes */
    finops_call call;
    fo_strv texts; /* what fo_probe_key() handed out */
    fo_ruling ruling;
};

static inline bool
fo_probe_has(const fo_probe *p, uint64_t features)
{
    return (p->features & features) == features;
}

/* ---- judgement ---- */

bool fo_probe_true(fo_probe *p, bool is, const char *fmt, ...) FO_PRINTF(3, 4);
bool fo_probe_ok(fo_probe *p, finops_code rc, finops_error **err, const char *what);
bool fo_probe_fails(fo_probe *p, finops_code rc, finops_code want, finops_error **err, const char *what);

/* ---- objects; keys are whole, texts live as long as the probe ---- */

/* A key of this case. */
const char *fo_probe_key(fo_probe *p, const char *fmt, ...) FO_PRINTF(2, 3);
const char *fo_probe_keep(fo_probe *p, const char *fmt, ...) FO_PRINTF(2, 3);
bool fo_probe_put(fo_probe *p, const char *key, const char *text);
/* The raw outcome of it. */
finops_code fo_probe_put_raw(fo_probe *p, const finops_put *put, const char *text, finops_object *ret,
                             finops_error **err);
/* Objects named so, "%u" being 0 to n - 1, each with its key as content, several at a time. */
bool fo_probe_put_many(fo_probe *p, const char *fmt, unsigned n);
bool fo_probe_is(fo_probe *p, const char *key, const char *want);
/* That it is neither found by stat, nor read, nor listed. */
bool fo_probe_gone(fo_probe *p, const char *key);
bool fo_probe_remove(fo_probe *p, const char *key);
/* The version that is there now; NULL when that failed. */
const char *fo_probe_version(fo_probe *p, const char *key);
bool fo_probe_stat(fo_probe *p, const char *key, finops_object *ret);

/* ---- lists ---- */

/* Keys (and prefixes) without the case's own prefix. */
bool fo_probe_list(fo_probe *p, const finops_list *list, fo_strv *ret);
/* That the list is these, with a '|' between; prefix and start_after of `list` lack the case's prefix. */
bool fo_probe_lists(fo_probe *p, const finops_list *list, const char *want);

/* ---- bytes of any size that can be told apart ---- */

void fo_probe_bytes(unsigned char *to, size_t n, uint64_t offset, unsigned seed);
/* Writes so many through the front door, `chunk` at a time. */
bool fo_probe_write(fo_probe *p, const finops_put *put, const finops_transfer *transfer, uint64_t size,
                    size_t chunk, unsigned seed, finops_object *ret);
/* That the object is those, all of them. */
bool fo_probe_holds(fo_probe *p, const char *key, uint64_t size, unsigned seed);
/* The same of what a reader gives; closes it. */
bool fo_probe_reads(fo_probe *p, finops_reader *reader, uint64_t offset, uint64_t size, unsigned seed);

/* ---- threads ---- */

/* Runs work(item) for n items of `size` bytes at once, and waits. */
bool fo_probe_threads(fo_probe *p, unsigned n, void *(*work)(void *item), void *items, size_t size);

/* ---- refuse.c ---- */

/* That what is not claimed is refused; the reason of the skip. Always false. */
bool fo_probe_refuses(fo_probe *p, uint64_t missing);

#endif
