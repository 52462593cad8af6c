/* Storage as the rest of the program opens it; what is done with it is in finops/storage.h. */
#ifndef FO_STORAGE_STORAGE_H
#define FO_STORAGE_STORAGE_H

#include "config/settings.h"
#include "registry/registry.h"
#include "storage/stage.h"

/* Over a driver that is no registry's: tests and benches. Takes over *stage, also on failure. */
finops_code fo_storage_over(fo_stage *stage, const char *address, finops_storage **ret, finops_error **err);
const fo_stage *fo_storage_stage(const finops_storage *storage);
void finops_storage_closep(finops_storage **storage);

/* ---- uri.c ---- */

/* The parts of "s3://bucket/some/prefix"; a path without a scheme is "file". `rest` is raw, not unescaped. */
typedef struct fo_storage_address {
    char *scheme; /* lower case */
    char *place;  /* bucket, container, host, "" */
    char *rest;   /* below it, without the first '/'; where there is no place a path, with it */
} fo_storage_address;
finops_code fo_storage_address_parse(const char *text, fo_storage_address *ret, finops_error **err);
void fo_storage_address_done(fo_storage_address *address);

/* 1 to 1,024 bytes of UTF-8: FINOPS_E_ARGUMENT. */
finops_code fo_storage_key_check(const char *key, finops_error **err);

#endif
