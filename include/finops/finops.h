/* Everything a program that uses finops includes. */
#ifndef FINOPS_FINOPS_H
#define FINOPS_FINOPS_H

#include "finops/arrow.h"
#include "finops/error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the library that runs, e.g. "1.2.3"; a constant string. */
FINOPS_API const char *finops_version(void);

#ifdef __cplusplus
}
#endif
#endif
