/*
 * Shared by the files of src/registry and their tests only.
 *
 * Locks, taken in this order: `discovery` (one look through the folders at a time; guards the files),
 * `change` (one change at a time, held until its listeners were told, so that events come in the order of the
 * changes; guards the listeners), `lock` (the list itself, held for as long as a search takes).
 */
#ifndef FO_REGISTRY_REGISTRY_INTERNAL_H
#define FO_REGISTRY_REGISTRY_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <time.h>

#include "finops/sys/plugin.h"
#include "registry/registry.h"

#define FO_PLUGIN_PROBE_US ((int64_t)5000000) /* a plugin has this long to load and answer */
#define FO_PLUGIN_DRIVERS_MAX 64              /* of one plugin */
#define FO_DRIVER_OPTIONS_MAX 256             /* of one driver */
#define FO_DRIVER_CONFIG_MAX ((size_t)1 << 20)
#define FO_DRIVER_NAME_MAX 32

typedef void (*fo_each_problem)(const char *problem, void *arg);

/* What differs between the kinds (validate.c). */
typedef struct fo_kind {
    const char *noun;      /* "database backend" */
    const char *handle[2]; /* "database", "databases" */
    const char *listing;   /* the command that shows all */
    uint32_t abi;
    size_t size, least; /* of the struct: today's, and up to its last required function */
} fo_kind;
extern const fo_kind fo_kinds[FINOPS_KIND_COUNT_];

/* A driver of either kind. */
typedef struct fo_driver_ref {
    finops_driver_kind kind;
    const finops_driver *head;
} fo_driver_ref;

static inline fo_driver_ref
fo_database_ref(const finops_database_driver *driver)
{
    return (fo_driver_ref){ FINOPS_KIND_DATABASE, (const finops_driver *)driver };
}
static inline fo_driver_ref
fo_storage_ref(const finops_storage_driver *driver)
{
    return (fo_driver_ref){ FINOPS_KIND_STORAGE, (const finops_driver *)driver };
}

/* Tells each thing that is wrong with a driver (validate.c) and returns how many there were. */
unsigned fo_driver_check(fo_driver_ref driver, fo_each_problem each, void *arg);
/* [a-z][a-z0-9_]* of at most FO_DRIVER_NAME_MAX bytes. */
bool fo_driver_name_valid(const char *name);

/* What tells one version of a file from the next. */
typedef struct fo_file_id {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
} fo_file_id;

bool fo_file_id_at(int fd, fo_file_id *ret);
bool fo_file_id_same(const fo_file_id *a, const fo_file_id *b);

/* A loaded shared object, kept in memory by the drivers registered from it. */
typedef struct fo_plugin {
    char *name; /* the loader knows it by */
    fo_file_id id;
    int copy; /* descriptor of what was loaded; -1: the file itself */
    void *handle;
    const finops_plugin_info *info;
    unsigned refs;
    struct fo_plugin *next;
} fo_plugin;

/* Who is told what goes on while a plugin is loaded. */
typedef struct fo_plugin_observer {
    fo_each_problem problem;
    void (*stage)(const char *text, void *arg); /* "when it is loaded"; may be NULL */
    void *arg;
} fo_plugin_observer;

/*
 * Loads a plugin and checks it. *ret has one reference more, and is the same for the same file. FINOPS_E_DATA
 * when there was a problem. What it runs may crash: see fo_plugin_probe().
 */
finops_code fo_plugin_load(const char *path, const fo_plugin_observer *observer, fo_plugin **ret,
                           finops_error **err) FO_MUST_USE;
void fo_plugin_ref(fo_plugin *plugin);
void fo_plugin_unref(fo_plugin *plugin);
/* Held while a process is forked: the child loads plugins, too. */
void fo_plugins_lock(void);
void fo_plugins_unlock(void);
finops_code fo_file_id_of(const char *path, fo_file_id *ret, finops_error **err) FO_MUST_USE;

/*
 * Loads and checks a plugin in a process of its own (probe.c), which may crash or hang. Problems are told to
 * `each`: FINOPS_E_DATA. *stop (may be NULL) becoming true ends it with FINOPS_E_CANCELLED.
 */
finops_code fo_plugin_probe(const char *path, int64_t limit_us, const atomic_bool *stop, fo_each_problem each,
                            void *arg, finops_error **err) FO_MUST_USE;

/* A driver in the list. All but status and handles stays as it was made. */
typedef struct fo_driver_entry {
    finops_driver_status status; /* written with `lock` held for writing */
    finops_driver_kind kind;
    const char *name;
    const finops_driver *driver; /* NULL when broken or absent */
    union {
        finops_database_driver database;
        finops_storage_driver storage;
    } whole;           /* of a driver smaller than today's: it, and NULL for what it lacks */
    char *origin;      /* NULL: built in */
    char *broken_name; /* owns `name` of a broken plugin */
    char *problem;
    fo_plugin *plugin;
    atomic_uint handles;
} fo_driver_entry;

typedef enum fo_plugin_state {
    FO_PLUGIN_NEW = 0, /* or changed: not tried yet */
    FO_PLUGIN_LOADED,
    FO_PLUGIN_BROKEN,    /* until the file changes */
    FO_PLUGIN_UNTRUSTED, /* until others cannot write it any more */
    FO_PLUGIN_CLASH      /* until the names it wants are free */
} fo_plugin_state;

/* A plugin's file as discovery last saw it. */
typedef struct fo_plugin_file {
    char *path;
    char *folder;
    fo_file_id id;
    fo_plugin_state state;
    fo_strv wants[FINOPS_KIND_COUNT_]; /* names of its drivers */
    bool seen;                         /* in the look that is under way */
    unsigned dropped;                  /* drivers of its old version that left in this look */
} fo_plugin_file;

void fo_plugin_file_done(fo_plugin_file *file);
/* The folders of a path "a:b", absolute, each once; added to *ret. */
finops_code fo_plugin_folders(const char *path, fo_strv *ret, finops_error **err) FO_MUST_USE;

typedef struct fo_listener {
    unsigned id;
    finops_registry_listener call;
    void *arg;
} fo_listener;

typedef struct fo_registry_watch fo_registry_watch;

struct finops_registry {
    pthread_mutex_t discovery;
    pthread_mutex_t change;
    pthread_rwlock_t lock;

    fo_driver_entry **entries; /* by name, then rank: see entries.c */
    size_t n, cap;

    fo_listener *listeners;
    size_t n_listeners, cap_listeners;
    unsigned next_id;

    fo_plugin_file *files;
    size_t n_files, cap_files;

    fo_registry_watch *watches; /* a list */
    atomic_bool stopping;
};

/* ---- entries.c: the sorted list; `lock` is held, for writing where it changes ---- */

/* The first entry of a name, whatever its state; NULL when there is none. */
fo_driver_entry *fo_entries_find(const finops_registry *registry, finops_driver_kind kind, const char *name);
/* It can be opened, or is there in name: no other may have its name. */
bool fo_entry_takes_name(const fo_driver_entry *entry);
/* The entry that takes up a name, NULL when it is free. */
fo_driver_entry *fo_entries_holder(const finops_registry *registry, finops_driver_kind kind,
                                   const char *name);
finops_code fo_entries_make_room(finops_registry *registry, size_t n, finops_error **err) FO_MUST_USE;
void fo_entries_insert(finops_registry *registry, fo_driver_entry *entry); /* there is room */
void fo_entries_take_out(finops_registry *registry, const fo_driver_entry *entry);
/* origin NULL: built in. NULL: no memory. */
fo_driver_entry *fo_entry_new(fo_driver_ref driver, const char *origin);
void fo_entry_free(fo_driver_entry *entry); /* NULL is fine */
void fo_entry_freep(fo_driver_entry **entry);

/* ---- acquire.c ---- */

/* Why a name cannot be opened; entry NULL: there is none. `lock` is held. */
finops_code fo_registry_not_ready(const finops_registry *registry, finops_driver_kind kind, const char *name,
                                  const fo_driver_entry *entry, finops_error **err);

/* ---- registry.c ---- */

/* Removes an entry that nobody uses, or lets it drain when it may. `change` is held, so that nobody else
 * takes it out; `lock` is not. */
finops_code fo_registry_remove_entry(finops_registry *registry, fo_driver_entry *entry, bool drain,
                                     finops_error **err);
/* "built in" or where it is from. */
const char *fo_driver_origin(const fo_driver_entry *entry);
/* Calls the listeners. `change` is held, `lock` is not. */
void fo_registry_tell(finops_registry *registry, finops_registry_event_kind kind,
                      const fo_driver_entry *entry);
/* Drivers of a table that ends with NULL; one without open() is there in name only. */
finops_code fo_registry_add_builtins(finops_registry *registry,
                                     const finops_database_driver *const *databases,
                                     const finops_storage_driver *const *storages,
                                     finops_error **err) FO_MUST_USE;
/* The n-th driver of a plugin, databases first; head NULL behind the last. */
fo_driver_ref fo_plugin_driver(const finops_plugin_info *info, size_t n);
/* Puts all drivers of a plugin into the list or none; each entry takes a reference on it. */
finops_code fo_registry_add_plugin(finops_registry *registry, fo_plugin *plugin, const char *path,
                                   finops_error **err) FO_MUST_USE;
/* Lists a plugin that cannot be used. */
finops_code fo_registry_add_broken(finops_registry *registry, const char *path, const char *problem,
                                   finops_error **err) FO_MUST_USE;
/* Takes out, or drains, all that came from a path; returns how many drivers that were. */
unsigned fo_registry_drop_origin(finops_registry *registry, const char *path);

/* Whether drivers of all these names could be added; a list for each kind. */
bool fo_registry_names_are_free(finops_registry *registry, const fo_strv *names);

/* Ends the threads that watch (watch.c). */
void fo_registry_watch_end(finops_registry *registry);

#endif
