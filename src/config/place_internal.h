/* Shared by place.c and platform.c. */
#ifndef FO_CONFIG_PLACE_INTERNAL_H
#define FO_CONFIG_PLACE_INTERNAL_H

#include "config/config_internal.h"
#include "config/place.h"

/* origin may be NULL. */
finops_code fo_place_settings_add(fo_place_settings *to, const char *name, const char *value,
                                  const char *origin, bool secret, finops_error **err);
/* Whether [platform.bronze] says where it is. */
bool fo_platform_has_place(const fo_settings *settings);
/* Fills address and preset. */
finops_code fo_platform_place(const fo_settings *settings, fo_place *ret, finops_error **err);

#endif
