/* What a storage is told: gathered for one place from everything that has a say. */
#ifndef FO_CONFIG_PLACE_H
#define FO_CONFIG_PLACE_H

#include "base/error.h"
#include "base/str.h"
#include "config/settings.h"
#include "finops/sys/option.h"

/* Settings as finops_storage_open() takes them: "region", "retry.attempts". */
typedef struct fo_place_settings {
    finops_setting *items;
    size_t n, cap;
    fo_strv texts; /* what they point to */
} fo_place_settings;

void fo_place_settings_done(fo_place_settings *settings);

/*
 * For an address that was given by hand, what its driver can be told by others: the environment names of its
 * table, then, of the driver "s3", the section [aws], then [network].
 */
finops_code fo_config_address(const fo_settings *settings, const char *driver, const finops_option *table,
                              fo_place_settings *ret, finops_error **err);

#endif
