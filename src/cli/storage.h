/*
 * What the verbs of `finops storage` share: places named on the command line, their objects listed and
 * filtered, objects brought from one place to another, and workers that do so at once.
 */
#ifndef FO_CLI_STORAGE_H
#define FO_CLI_STORAGE_H

#include <pthread.h>
#include <stdatomic.h>

#include "cli/cli.h"
#include "storage/stats.h"
#include "storage/storage.h"

/* The flags of all these verbs; each has some of them. */
typedef struct fo_storage_flags {
    bool recursive;
    char **include, **exclude;
    int64_t parallel;
    bool dry_run;
    bool remove_others;
    bool checksum;
    bool create_only;
    char *content_type;
    char **metadata;
    bool put;
    int64_t expires;
    int64_t depth;
    int64_t older_than;
    char *stats;
} fo_storage_flags;

#define FO_STORAGE_FLAG(member) offsetof(fo_storage_flags, member)
#define FO_STORAGE_FILTER                                                                                    \
    { "include", FINOPS_OPT_LIST, FO_STORAGE_FLAG(include), .arg = "GLOB",                                   \
      .help = "Only the objects that match, such as \"*.csv\" or \"2026/**\"; may be given again" },         \
    {                                                                                                        \
        "exclude", FINOPS_OPT_LIST, FO_STORAGE_FLAG(exclude),                                                \
            .arg = "GLOB", .help = "Not the objects that match, also of those included; may be given again"  \
    }
#define FO_STORAGE_STATS                                                                                     \
    {                                                                                                        \
        "stats", FINOPS_OPT_ENUM, FO_STORAGE_FLAG(stats),                                                    \
            .allow = "table json",                                                                           \
            .help = "At the end, what each storage was asked for and how long it took, on standard error"    \
    }
#define FO_STORAGE_PARALLEL                                                                                  \
    {                                                                                                        \
        "parallel", FINOPS_OPT_INT, FO_STORAGE_FLAG(parallel),                                               \
            .value = "16", .min = 1, .max = 256,                                                             \
            .help = "Objects at once; of large ones a quarter of it, each in several parts at once"          \
    }
#define FO_STORAGE_RECURSIVE(what)                                                                           \
    {                                                                                                        \
        "recursive", FINOPS_OPT_BOOL, FO_STORAGE_FLAG(recursive), .value = "false", .help = what             \
    }
#define FO_STORAGE_DRY_RUN                                                                                   \
    {                                                                                                        \
        "dry_run", FINOPS_OPT_BOOL, FO_STORAGE_FLAG(dry_run),                                                \
            .value = "false", .help = "Print what would be done and do nothing"                              \
    }

/* What the help of every verb says of addresses and globs. */
#define FO_STORAGE_ADDRESSES                                                                                 \
    "An address is that of a service, such as s3://bucket/key, a path of this machine, or a key in a place " \
    "of "                                                                                                    \
    "the configuration, bronze:key for [storage.bronze]. A file whose name has a colon is written "          \
    "./with:colon."
#define FO_STORAGE_GLOBS                                                                                     \
    "Globs are compared with the part of the key below the address: one without \"/\" with the last part "   \
    "of it, "                                                                                                \
    "others with all, where \"*\" and \"?\" stay within a part and \"**\" goes across."

/* config_keys of the verbs. */
#define FO_STORAGE_KEYS "aws.region", "aws.endpoint_url", "aws.addressing"

/* Ends with Ctrl-C, and with nothing else. */
finops_call fo_storage_call(const fo_cli *cli);

/* ---- storage_spots.c: places named on the command line ---- */

/* One address: a storage and what of it is meant. */
typedef struct fo_spot {
    finops_storage *storage; /* borrowed; NULL: "-" */
    char *key;               /* "" or with '/' at its end: a folder */
    char *root;              /* the folder of this machine that the storage is; NULL: a service or a place */
    const char *shown;       /* as it was given */
} fo_spot;

typedef struct fo_spots {
    finops_registry *registry;
    fo_spot *items;
    size_t n;
    finops_storage **storages;
    char **addresses; /* of the storages */
    size_t n_storages, cap;
    const fo_cli *cli;
    const char *stats; /* what --stats said; NULL: nothing */
} fo_spots;

/* Opens what the arguments name; what is in the same place has the same storage. "-" is none, unless dash is
 * false. */
finops_code fo_spots_open(const fo_cli *cli, bool dash, fo_spots *ret, finops_error **err);
void fo_spots_done(fo_spots *spots);
/* Whether all below it is meant: "" and "a/". */
bool fo_spot_is_folder(const fo_spot *spot);
/* "", or the key with a '/' at its end; NULL: no memory. */
char *fo_spot_prefix(const fo_spot *spot);
/* The last part of its key. */
const char *fo_spot_name(const fo_spot *spot);

/* ---- storage_stats.c ---- */

/* On standard error; nothing when there is nothing to tell. */
void fo_storage_stats_print(const fo_cli *cli, const fo_storage_stats *stats, bool json);

/* ---- storage_list.c: objects, filtered ---- */

/* Whether a glob matches: see FO_STORAGE_GLOBS. */
bool fo_glob_match(const char *glob, const char *key);
/* By --include and --exclude; `key` is what stands below the address. */
bool fo_storage_wanted(const fo_storage_flags *flags, const char *key);

typedef struct fo_entry {
    char *key;
    char *checksum; /* NULL: not told */
    int64_t size, modified_us;
} fo_entry;

/* The objects below a prefix in order, some thousands at a time. */
typedef struct fo_cursor {
    finops_storage *storage;
    const char *prefix;
    const fo_storage_flags *flags;
    const finops_call *call;
    fo_entry *items;
    size_t n, cap, next;
    char *after;   /* the last key that was listed */
    bool ended;    /* nothing comes after it */
    bool any;      /* something is there, wanted or not */
    size_t listed; /* in this turn */
    bool failed;   /* no memory */
} fo_cursor;

/* Reads on when all was taken; what was read before is gone. ended and no items: the end. */
finops_code fo_cursor_fill(fo_cursor *c, finops_error **err);
/* The next one, borrowed until the one after it; NULL at the end. */
finops_code fo_cursor_next(fo_cursor *c, const fo_entry **ret, finops_error **err);
void fo_cursor_done(fo_cursor *c);

/* ---- storage_work.c: many at once ---- */

typedef struct fo_work {
    fo_cli *cli;
    const char *doing; /* "copied" */
    unsigned parallel;
    bool single; /* one object was named: its failure is the verb's */
    atomic_llong bytes;
    uint64_t done, failed; /* objects */
    finops_code rc;        /* of the first that failed */
    finops_error *why;     /* the same, when single */
    pthread_mutex_t lock;  /* for all below */
    pthread_cond_t change;
    finops_error *told[32]; /* failures to be shown */
    size_t n_told;
    unsigned large; /* at work */
    size_t next, n, running;
    finops_code (*each)(struct fo_work *work, size_t index, const finops_call *call, void *arg,
                        finops_error **err);
    void *arg;
    atomic_bool stop;
} fo_work;

typedef finops_code fo_work_each(fo_work *work, size_t index, const finops_call *call, void *arg,
                                 finops_error **err);

void fo_work_init(fo_work *work, fo_cli *cli, int64_t parallel, const char *doing);
void fo_work_done(fo_work *work);
/* Calls `each` for 0 to n-1 from several threads. A failure is told and counted; the others go on, unless it
 * is one of all. The result is that of the threads alone. */
finops_code fo_work_run(fo_work *work, size_t n, fo_work_each *each, void *arg, finops_error **err);
/* Around the transfer of an object of that size: only some large ones are at work at a time. */
void fo_work_enter(fo_work *work, int64_t size);
void fo_work_leave(fo_work *work, int64_t size);
/* How it all ended: FINOPS_E_PARTIAL when some failed and some did not. */
finops_code fo_work_result(fo_work *work, finops_error **err);

/* ---- storage_transfer.c: one object ---- */

typedef struct fo_transfer_job {
    const fo_spot *from, *to;
    const char *from_key, *to_key;
    int64_t size; /* negative: not known */
    bool move;
    bool create_only;
    const char *content_type;
    const finops_metadata *metadata;
    size_t n_metadata;
    const finops_call *call;
} fo_transfer_job;

/* By the service where it can; *ret_size: its bytes. */
finops_code fo_transfer_object(const fo_transfer_job *job, int64_t *ret_size, finops_error **err);

/* ---- rows of what was done ---- */

/* One row: objects, bytes, skipped, deleted, failed, seconds. */
typedef struct fo_storage_summary {
    uint64_t objects, skipped, deleted, failed;
    int64_t bytes;
    int64_t began_us; /* fo_clock_monotonic() */
} fo_storage_summary;
finops_code fo_storage_summary_print(fo_cli *cli, const fo_storage_summary *s, finops_error **err);

/* A table of what would be done: action, key, bytes. */
fo_table *fo_storage_plan_new(void);
bool fo_storage_plan_add(fo_table *table, const char *action, const char *from, const char *to, int64_t size);

#endif
