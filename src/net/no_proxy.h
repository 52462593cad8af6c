/* Which hosts are reached without the proxy: the list that people know from the variable NO_PROXY. */
#ifndef FO_NET_NO_PROXY_H
#define FO_NET_NO_PROXY_H

#include "base/error.h"
#include "config/settings.h"

/*
 * Whether the list names the host of `url` ("https://host[:port][/…]"). Hosts are separated by commas or
 * blanks; each stands for itself and all names below it, with or without "." or "*." in front, at every port
 * unless one is given, and * for all hosts. NULL lists and URLs without a host fit nothing.
 */
bool fo_no_proxy_has(const char *list, const char *url);

/*
 * Tells the list to the library that fetches: without a proxy of ours it looks for one in the environment,
 * where the list of the configuration is not. Changes the environment: call it before there are threads.
 */
finops_code fo_no_proxy_export(const fo_settings *settings, finops_error **err);

#endif
