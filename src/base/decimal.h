/*
 * Decimals: money as a scaled 128-bit integer, DECIMAL(38,18) throughout bills.
 *
 * A value v stands for v * 10^-18. |v| < 10^38.
 */
#ifndef FO_BASE_DECIMAL_H
#define FO_BASE_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>

#define FO_DECIMAL_SCALE 18
#define FO_DECIMAL_TEXT 48 /* bytes that hold any decimal's text with its NUL */

__extension__ typedef __int128 fo_decimal;

typedef enum fo_decimal_result {
    FO_DECIMAL_EXACT,   /* every digit kept */
    FO_DECIMAL_ROUNDED, /* digits beyond the 18th were rounded half away from zero */
    FO_DECIMAL_BAD,  /* not a number: [+-] digits [. digits] [e [+-] digits], no blanks; ".5" and "5." are */
    FO_DECIMAL_RANGE /* needs more than 20 digits before the point */
} fo_decimal_result;

/* Reads exactly n bytes. Hot path: plain numbers of up to 18 significant digits take no 128-bit division. */
fo_decimal_result fo_decimal_parse(const char *p, size_t n, fo_decimal *ret);

/*
 * The decimal of a double's shortest text that reads back ("890123.4567891234" gives just that). NaN and
 * infinities are FO_DECIMAL_BAD. Fast when the value is a multiple of 1e-10 with at most 15 digits.
 */
fo_decimal_result fo_decimal_from_double(double d, fo_decimal *ret);

/* "-12.5", no trailing zeros, no exponent. Returns buf. */
const char *fo_decimal_format(fo_decimal v, char buf[FO_DECIMAL_TEXT]);
/* Rounded half away from zero to `places` (0..18) decimals, always that many: "12.50". Returns buf. */
const char *fo_decimal_round_format(fo_decimal v, unsigned places, char buf[FO_DECIMAL_TEXT]);
/* False on overflow of 38 digits. */
bool fo_decimal_add(fo_decimal a, fo_decimal b, fo_decimal *ret);

#endif
