/* Money, shares and bars as people read them. */
#include "analytics/money.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define CENT ((fo_decimal)10000000000000000) /* 0.01 */

static fo_decimal
money_abs(fo_decimal v)
{
    return v < 0 ? -v : v;
}

/* Commas between the groups of three digits before the point. */
static void
money_group(const char *digits, char buf[FO_MONEY_TEXT])
{
    size_t whole = strcspn(digits, "."), n = 0;

    for (size_t i = 0; digits[i] && n < FO_MONEY_TEXT - 2; i++) {
        if (i > 0 && i < whole && (whole - i) % 3 == 0)
            buf[n++] = ',';
        buf[n++] = digits[i];
    }
    buf[n] = '\0';
}

static const char *
money_format(fo_decimal v, bool plus, char buf[FO_MONEY_TEXT])
{
    const char *sign = v < 0 ? "-" : plus && v > 0 ? "+" : "";
    char digits[FO_DECIMAL_TEXT], grouped[FO_MONEY_TEXT];

    if (v != 0 && money_abs(v) < CENT / 2) {
        snprintf(buf, FO_MONEY_TEXT, "%s", v > 0 ? "<0.01" : ">-0.01");
        return buf;
    }
    money_group(fo_decimal_round_format(money_abs(v), 2, digits), grouped);
    snprintf(buf, FO_MONEY_TEXT, "%s%.40s", sign, grouped);
    return buf;
}

const char *
fo_money_format(fo_decimal v, char buf[FO_MONEY_TEXT])
{
    return money_format(v, false, buf);
}

const char *
fo_money_change_format(fo_decimal v, char buf[FO_MONEY_TEXT])
{
    return money_format(v, true, buf);
}

bool
fo_percent(fo_decimal part, fo_decimal whole, unsigned places, char buf[FO_MONEY_TEXT])
{
    if (whole == 0)
        return false;
    snprintf(buf, FO_MONEY_TEXT, "%.*Lf", (int)places, (long double)part / (long double)whole * 100.0L);
    /* "-0.0" is no number a person writes */
    if (buf[0] == '-' && strspn(buf + 1, "0.") == strlen(buf + 1))
        memmove(buf, buf + 1, strlen(buf));
    return true;
}

void
fo_bar(fo_decimal v, fo_decimal most, unsigned width, fo_str *out)
{
    static const char *const parts[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
    long double scale = most == 0 ? 0 : (long double)money_abs(v) / (long double)money_abs(most);
    unsigned eighths = (unsigned)((scale > 1 ? 1 : scale) * width * 8 + 0.5L);

    assert(out);
    if (v != 0 && eighths == 0)
        eighths = 1;
    if (v < 0) { /* shades have no parts */
        for (unsigned i = 0; i < (eighths + 7) / 8; i++)
            fo_str_add(out, "░");
        return;
    }
    for (unsigned i = 0; i < eighths / 8; i++)
        fo_str_add(out, "█");
    fo_str_add(out, parts[eighths % 8]);
}
