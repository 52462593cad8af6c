/* The place of an address where it is a machine: "user@host:port", "[::1]:22". */
#ifndef FO_STORAGE_HOST_H
#define FO_STORAGE_HOST_H

#include "base/error.h"

typedef struct fo_storage_host {
    char *user;    /* NULL: none is named */
    char *host;    /* without brackets */
    unsigned port; /* 0: none is named */
} fo_storage_host;

/* FINOPS_E_CONFIG when it is nothing of the kind. */
finops_code fo_storage_host_parse(const char *text, fo_storage_host *ret, finops_error **err);
void fo_storage_host_done(fo_storage_host *host);

#endif
