/* Making errors; the public part is finops/error.h. */
#ifndef FO_BASE_ERROR_H
#define FO_BASE_ERROR_H

#include <stddef.h>

#include "finops/error.h"

#define FO_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define FO_MUST_USE __attribute__((warn_unused_result))

/*
 * Sets *err (when err is not NULL) and returns code, so that a function can `return fo_error_set(...)`. An
 * error that was there is replaced. Without memory for the message *err still carries the code, with a
 * general text.
 */
finops_code fo_error_set(finops_error **err, finops_code code, const char *fmt, ...) FO_PRINTF(3, 4);

/* Puts "<fmt>: " in front of what *err says and returns code, which becomes the error's code. */
finops_code fo_error_wrap(finops_error **err, finops_code code, const char *fmt, ...) FO_PRINTF(3, 4);

/* Adds the advice a person should follow; a later hint replaces an earlier one. No-op when *err is NULL. */
void fo_error_hint(finops_error **err, const char *fmt, ...) FO_PRINTF(2, 3);

/* "<text> (<hint>)" where both are to stand in one line; what does not fit is cut off. */
void fo_error_brief(const finops_error *err, char *ret, size_t size);

/* FINOPS_E_MEMORY without allocating. */
finops_code fo_error_oom(finops_error **err);

/*
 * "<fmt>: <strerror(errnum), first letter small>" with the code that fits errnum: ENOENT and ENOTDIR are
 * not_found, EACCES, EPERM and EROFS denied, EEXIST exists, ENOMEM memory, all others io.
 */
finops_code fo_error_errno(finops_error **err, int errnum, const char *fmt, ...) FO_PRINTF(3, 4);

void finops_error_freep(finops_error **err);

#endif
