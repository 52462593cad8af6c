/* Money, shares and bars as people read them. */
#ifndef FO_ANALYTICS_MONEY_H
#define FO_ANALYTICS_MONEY_H

#include "base/decimal.h"
#include "base/str.h"

#define FO_MONEY_TEXT 48

/*
 * "1,234,567.89", rounded half away from zero. What is not zero never looks like it: "<0.01", and ">-0.01"
 * below zero. Returns buf.
 */
const char *fo_money_format(fo_decimal v, char buf[FO_MONEY_TEXT]);
/* fo_money_format with a sign in front of what is above zero: "+12.00". */
const char *fo_money_change_format(fo_decimal v, char buf[FO_MONEY_TEXT]);

/*
 * part / whole in percent, `places` decimals; false when whole is zero. Percents are for reading: they are
 * rounded, and not money.
 */
bool fo_percent(fo_decimal part, fo_decimal whole, unsigned places, char buf[FO_MONEY_TEXT]);

/* Adds a bar for v in a scale where `most` fills `width` columns: full blocks above zero, shaded ones below.
 */
void fo_bar(fo_decimal v, fo_decimal most, unsigned width, fo_str *out);

#endif
