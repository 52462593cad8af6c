/*
 * What a plugin exports: one function, `finops_plugin`, that names its drivers.
 *
 * A plugin is a shared object in a folder of `plugin_path`. It is built against the installed headers alone
 * and links nothing of finops but the functions declared below, which the program that loads it provides. The
 * function is called once in a process of its own, to see that it can be, and once in the process that uses
 * it; it must have no other effect than to return the same constant each time.
 */
#ifndef FINOPS_SYS_PLUGIN_H
#define FINOPS_SYS_PLUGIN_H

#include "finops/sys/database_driver.h"
#include "finops/sys/storage_driver.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FINOPS_PLUGIN_ABI 0x00010001u
#define FINOPS_PLUGIN_SYMBOL "finops_plugin"

typedef struct finops_plugin_info {
    uint32_t abi;     /* FINOPS_PLUGIN_ABI */
    uint32_t size;    /* sizeof(finops_plugin_info) */
    const char *name; /* of the plugin, unique: "sqlite" */
    const char *version;
    const finops_database_driver *const *databases; /* ends with NULL; may be NULL */
    bool keep;                                      /* never unload (a Go runtime, threads of its own) */
    const finops_storage_driver *const *storages;   /* ends with NULL; may be NULL */
} finops_plugin_info;

/* The symbol's type; host_abi is the FINOPS_PLUGIN_ABI of the program. NULL: cannot work with it. */
typedef const finops_plugin_info *(*finops_plugin_function)(uint32_t host_abi);

/* Declare it in the plugin with this. */
#define FINOPS_PLUGIN_EXPORT __attribute__((visibility("default")))

/*
 * Sets *err (when err is not NULL) to a new error and returns the code, so that a driver can
 * `return finops_error_new(err, FINOPS_E_AUTH, …)`. Provided by the program. Any thread.
 */
FINOPS_API finops_code finops_error_new(finops_error **err, finops_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* What to do next. */
FINOPS_API void finops_error_advise(finops_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* When the call may be made again: a service's Retry-After, or 0 for a kept connection that turned out closed
 * before anything was sent on it, which is tried again at once and costs no patience. */
FINOPS_API void finops_error_set_retry_after(finops_error *err, int64_t micros);

/*
 * The errno with which a stream's get_schema or get_next tells a code: an Arrow stream has room for no more.
 */
FINOPS_API int finops_stream_errno(finops_code code);
/* The code that such an errno stands for. */
/* The code of such an errno; one that stands for none is FINOPS_E_DATABASE. */
FINOPS_API finops_code finops_stream_code(int errnum);

#ifdef __cplusplus
}
#endif
#endif
