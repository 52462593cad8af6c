/*
 * What became of a case, of a database or of a storage: the reason it failed or is not claimed, written down
 * once, at the first thing that was wrong. The helpers return false after they wrote, so that a case is one
 * chain of &&.
 */
#ifndef FO_CONFORMANCE_RULING_H
#define FO_CONFORMANCE_RULING_H

#include "base/str.h"

typedef struct fo_ruling {
    fo_str why;
    bool not_claimed; /* it is about something that is not offered */
} fo_ruling;

#define FO_RULING_INIT ((fo_ruling){ .why = FO_STR_INIT })

void fo_ruling_done(fo_ruling *v);
/* All write down why, unless a reason was there before. The first two are always false. */
bool fo_ruling_fail(fo_ruling *v, const char *fmt, ...) FO_PRINTF(2, 3);
bool fo_ruling_skip(fo_ruling *v, const char *fmt, ...) FO_PRINTF(2, 3);
bool fo_ruling_failv(fo_ruling *v, const char *fmt, va_list ap) FO_PRINTF(2, 0);
bool fo_ruling_skipv(fo_ruling *v, const char *fmt, va_list ap) FO_PRINTF(2, 0);
/* That a call succeeded; frees *err. */
bool fo_ruling_ok(fo_ruling *v, finops_code rc, finops_error **err, const char *what);
/* That a call failed with one of two codes and said something; frees *err. */
bool fo_ruling_fails(fo_ruling *v, finops_code rc, finops_code want, finops_code other, finops_error **err,
                     const char *what);

/* Whether a glob over "area: name", the area or the name alone chooses the case; NULL: all. */
bool fo_case_matches(const char *filter, const char *area, const char *name);

#endif
