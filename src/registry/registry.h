/*
 * The registry as the front door uses it; the public part is finops/registry.h.
 *
 * An acquired driver stays where it is, its plugin loaded, until it is released: removing it or replacing its
 * file meanwhile only drains it.
 */
#ifndef FO_REGISTRY_REGISTRY_H
#define FO_REGISTRY_REGISTRY_H

#include "base/error.h"
#include "base/str.h"
#include "finops/registry.h"

/* One open handle on a driver. */
typedef struct fo_driver_token fo_driver_token;

/*
 * The driver of a name, counted as one open handle more. *ret_driver is valid until the token is released and
 * has every slot of finops_database_driver, those a smaller driver did not know being NULL. Any thread.
 * FINOPS_E_NOT_FOUND when there is none ("did you mean"), when it is draining or broken (the message says
 * which); FINOPS_E_UNSUPPORTED when it was compiled out.
 */
finops_code fo_registry_acquire_driver(finops_registry *registry, const char *name,
                                       const finops_database_driver **ret_driver, fo_driver_token **ret_token,
                                       finops_error **err) FO_MUST_USE;
/* The name of the storage driver that takes addresses of this scheme, appended; FINOPS_E_NOT_FOUND. */
finops_code fo_registry_storage_of_scheme(finops_registry *registry, const char *scheme, fo_str *ret,
                                          finops_error **err) FO_MUST_USE;
/* The same of a storage. */
finops_code fo_registry_acquire_storage(finops_registry *registry, const char *name,
                                        const finops_storage_driver **ret_driver, fo_driver_token **ret_token,
                                        finops_error **err) FO_MUST_USE;
/* After the driver's close() has returned: the plugin may be unloaded here. NULL is fine. Any thread. */
void fo_registry_release_driver(fo_driver_token *token);

/* A registry without the built-in drivers, for tests and for programs that bring their own. */
finops_code fo_registry_new_empty(finops_registry **ret, finops_error **err) FO_MUST_USE;

/*
 * The folders to look in, appended: `configured` ([database] plugin_path), or where it is NULL or "" the
 * folder "plugins" beside the program, else ../lib/finops/plugins from there.
 */
finops_code fo_registry_plugin_path(const char *configured, fo_str *ret, finops_error **err) FO_MUST_USE;

void finops_registry_freep(finops_registry **registry);

#endif
