/*
 * The registry of drivers, of databases and of storages: built-in ones and plugins alike.
 *
 * A registry may be used from any number of threads. Names are those of the driver's struct, each once among
 * drivers of its kind. A driver that is in use is not removed: see finops_registry_remove().
 */
#ifndef FINOPS_REGISTRY_H
#define FINOPS_REGISTRY_H

#include "finops/error.h"
#include "finops/sys/database_driver.h"
#include "finops/sys/driver.h"
#include "finops/sys/storage_driver.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct finops_registry finops_registry;

typedef enum finops_driver_status {
    FINOPS_DRIVER_READY = 0,
    FINOPS_DRIVER_DRAINING, /* removed, open handles still use it; no new ones */
    FINOPS_DRIVER_BROKEN,   /* a plugin that cannot be used; `problem` says why */
    FINOPS_DRIVER_ABSENT    /* built in name only: compiled out */
} finops_driver_status;

/* What is known of a driver. Texts are valid for the call they are given in. */
typedef struct finops_driver_info {
    const char *name;    /* for a broken plugin the file's name without ".so" */
    const char *version; /* "" when unknown */
    const char *summary;
    const char *origin; /* "built in", "the program" that added it, or the plugin's path */
    finops_driver_status status;
    const char *problem;                  /* NULL unless broken or absent */
    unsigned handles;                     /* open databases or storages */
    const finops_database_driver *driver; /* of a database, ready or draining; else NULL */
    finops_driver_kind kind;              /* a broken plugin is listed among the databases */
    const finops_storage_driver *storage; /* of a storage, ready or draining; else NULL */
} finops_driver_info;

/* A registry with the built-in drivers. The caller frees it when no handle is open. */
FINOPS_API finops_code finops_registry_new(finops_registry **ret, finops_error **err);
/* Waits for nothing: all handles must be closed. NULL is fine. */
FINOPS_API void finops_registry_free(finops_registry *registry);

/*
 * Adds a driver after checking it: ABI, size, required functions, option table, name. `driver` must live
 * until it is removed and drained. FINOPS_E_ARGUMENT says what is wrong with it, FINOPS_E_EXISTS when the
 * name is taken.
 */
FINOPS_API finops_code finops_registry_add(finops_registry *registry, const finops_database_driver *driver,
                                           finops_error **err);
/* The same for a storage. */
FINOPS_API finops_code finops_registry_add_storage(finops_registry *registry,
                                                   const finops_storage_driver *driver, finops_error **err);
/*
 * Removes a driver. While handles are open: FINOPS_E_BUSY, or with `drain` no new ones are opened, and it is
 * gone with the last.
 */
FINOPS_API finops_code finops_registry_remove(finops_registry *registry, const char *name, bool drain,
                                              finops_error **err);
/* The same for a storage. */
FINOPS_API finops_code finops_registry_remove_storage(finops_registry *registry, const char *name, bool drain,
                                                      finops_error **err);
/* All drivers by kind and name; `each` must not call the registry. */
FINOPS_API void finops_registry_each(finops_registry *registry,
                                     void (*each)(const finops_driver_info *info, void *arg), void *arg);

/*
 * Looks through the folders of `path` (separated by ':') for plugins, files whose name ends in ".so":
 * registers new ones, replaces those whose file changed (draining the old) and removes those that are gone. A
 * plugin that cannot be used is listed as broken with the reason, and stops nothing. Each is tried in a
 * process of its own first. A plugin in use should be replaced by a new file, as install and mv do: writing
 * over it changes it in memory. A folder that does not exist is empty; one that cannot be read is an error
 * after the others are done. *ret_changes (may be NULL): how many drivers came, went or changed.
 */
FINOPS_API finops_code finops_registry_discover(finops_registry *registry, const char *path,
                                                unsigned *ret_changes, finops_error **err);
/*
 * Does so now and again whenever a folder of `path` changes, in a thread of the registry's own, until it is
 * freed. A folder that is not there yet is waited for.
 */
FINOPS_API finops_code finops_registry_watch(finops_registry *registry, const char *path, finops_error **err);

typedef enum finops_registry_event_kind {
    FINOPS_REGISTRY_ADDED = 0,
    FINOPS_REGISTRY_REMOVED,
    FINOPS_REGISTRY_DRAINING,
    FINOPS_REGISTRY_BROKEN
} finops_registry_event_kind;

/*
 * Called from whichever thread changes the registry, after the change and in the order of the changes; must
 * not call the registry, nor open or close a database of it.
 */
typedef void (*finops_registry_listener)(finops_registry_event_kind kind, const finops_driver_info *info,
                                         void *arg);
/* *ret_id is for finops_registry_unsubscribe(), after which the listener is not called any more. */
FINOPS_API finops_code finops_registry_subscribe(finops_registry *registry, finops_registry_listener listener,
                                                 void *arg, unsigned *ret_id, finops_error **err);
/* Waits for a call of the listener that runs. An unknown id is fine. */
FINOPS_API void finops_registry_unsubscribe(finops_registry *registry, unsigned id);

/*
 * Checks one plugin file as discovery would, in a process of its own and without registering it: every
 * problem found is told to `each` (may be NULL), and nothing when it is fine. FINOPS_E_DATA when there was
 * one. A file that others than the user and root may write is not loaded.
 */
FINOPS_API finops_code finops_plugin_check(const char *file, void (*each)(const char *problem, void *arg),
                                           void *arg, finops_error **err);

#ifdef __cplusplus
}
#endif
#endif
