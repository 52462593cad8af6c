/* What the two files of the decimals share. */
#ifndef FO_BASE_DECIMAL_INTERNAL_H
#define FO_BASE_DECIMAL_INTERNAL_H

#include <stdint.h>

#include "base/decimal.h"

__extension__ typedef unsigned __int128 fo_udecimal;

extern const uint64_t fo_pow10[20];

#endif
