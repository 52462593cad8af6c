/* Whether a file whose code is to be run is safe from strangers. */
#ifndef FO_BASE_TRUST_H
#define FO_BASE_TRUST_H

#include "base/error.h"

/*
 * FINOPS_E_DENIED when others than the user and root may write the file, the folder it lies in or is named
 * in, or turn a link or a folder on the way to it somewhere else.
 */
finops_code fo_trust_file(const char *path, finops_error **err) FO_MUST_USE;

#endif
