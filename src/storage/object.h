/* What storage drivers share: the range a read comes to, and a call that must end. */
#ifndef FO_STORAGE_OBJECT_H
#define FO_STORAGE_OBJECT_H

#include "base/error.h"
#include "finops/sys/storage_driver.h"

/* FINOPS_E_CANCELLED or FINOPS_E_TIMEOUT when the call must end; NULL is fine. */
finops_code fo_call_check(const finops_call *call, finops_error **err);

/*
 * The bytes that are read of an object of `size` bytes: clamped at its end. FINOPS_E_RANGE when the first
 * byte lies past the last; a whole read of an empty object and any suffix are fine.
 */
finops_code fo_get_resolve(const finops_get *get, int64_t size, int64_t *ret_offset, int64_t *ret_length,
                           finops_error **err);

/* The conditions of a read, `version` being what is there: FINOPS_E_PRECONDITION or FINOPS_E_UNCHANGED. */
finops_code fo_get_check(const finops_get *get, const char *version, finops_error **err);

/* The conditions of a put, `version` being what is there or NULL: FINOPS_E_EXISTS or FINOPS_E_PRECONDITION.
 */
finops_code fo_put_check(const finops_put *put, const char *version, finops_error **err);

/* "a/b/" of "/a/b", and "" of nothing: what stands before each key of a storage. NULL: no memory. */
char *fo_storage_prefix(const char *prefix);

/* For a store of files, `who` ("an SFTP server"): what it cannot keep or check of a put is
 * FINOPS_E_UNSUPPORTED. */
finops_code fo_put_plain(const finops_put *put, const char *who, finops_error **err);

#endif
