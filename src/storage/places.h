/* Storages opened with what the configuration says of them. */
#ifndef FO_STORAGE_PLACES_H
#define FO_STORAGE_PLACES_H

#include "config/settings.h"
#include "storage/storage.h"

/*
 * Opens an address with what the environment, [aws] (of s3) and [network] say, and with `more` settings,
 * which go before those. settings may be NULL.
 */
finops_code fo_storage_open_address(finops_registry *registry, const fo_settings *settings,
                                    const char *address, const finops_setting *more, size_t n_more,
                                    finops_storage **ret, finops_error **err) FO_MUST_USE;

#endif
