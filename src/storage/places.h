/* Storages opened with what the configuration says of them. */
#ifndef FO_STORAGE_PLACES_H
#define FO_STORAGE_PLACES_H

#include "config/place.h"
#include "storage/storage.h"

/*
 * Opens an address with what the environment, [aws] (of s3) and [network] say, and with `more` settings,
 * which go before those. settings may be NULL.
 */
finops_code fo_storage_open_address(finops_registry *registry, const fo_settings *settings,
                                    const char *address, const finops_setting *more, size_t n_more,
                                    finops_storage **ret, finops_error **err) FO_MUST_USE;

/* Opens the place of that name: [storage.<name>]. FINOPS_E_NOT_FOUND, FINOPS_E_CONFIG. */
finops_code fo_storage_open_place(finops_registry *registry, const fo_settings *settings, const char *name,
                                  finops_storage **ret, finops_error **err) FO_MUST_USE;

/* The same at an address that lies in it, a folder of it mostly. NULL: its own. */
finops_code fo_storage_open_place_at(finops_registry *registry, const fo_settings *settings, const char *name,
                                     const char *at, finops_storage **ret, finops_error **err) FO_MUST_USE;

/*
 * The same, read and checked without opening it: its address and everything it is told, with origins, for who
 * shows a configuration. *ret_address (with its origin, may be NULL) is the caller's.
 */
finops_code fo_storage_place_settings(finops_registry *registry, const fo_settings *settings,
                                      const char *name, char **ret_address, char **ret_origin,
                                      fo_place_settings *ret, finops_error **err) FO_MUST_USE;

#endif
