/* Times as HTTP writes them, RFC 9110 5.6.7: the form that is sent today. */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "net/http.h"

static bool
number(const char **p, size_t digits, unsigned *ret)
{
    *ret = 0;
    for (; digits > 0; digits--, (*p)++) {
        if (!fo_is_digit(**p))
            return false;
        *ret = *ret * 10 + (unsigned)(**p - '0');
    }
    return true;
}

static bool
take(const char **p, char c)
{
    if (**p != c)
        return false;
    (*p)++;
    return true;
}

static bool
month_of(const char **p, unsigned *ret)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (*ret = 1; *ret <= 12; (*ret)++)
        if (strncmp(*p, names + (size_t)(*ret - 1) * 3, 3) == 0) {
            *p += 3;
            return true;
        }
    return false;
}

bool
fo_http_date_parse(const char *text, int64_t *ret_micros)
{
    fo_civil c = { 0 };
    unsigned year;
    const char *p;

    assert(text && ret_micros);

    p = strchr(text, ',');
    if (!p || !take(&p, ',') || !take(&p, ' ') || !number(&p, 2, &c.day) || !take(&p, ' ') ||
        !month_of(&p, &c.month) || !take(&p, ' ') || !number(&p, 4, &year) || !take(&p, ' ') ||
        !number(&p, 2, &c.hour) || !take(&p, ':') || !number(&p, 2, &c.minute) || !take(&p, ':') ||
        !number(&p, 2, &c.second) || strcmp(p, " GMT") != 0)
        return false;
    c.year = (int)year;
    if (c.second == 60)
        c.second = 59;
    if (c.day < 1 || c.day > fo_days_in_month(c.year, c.month) || c.hour > 23 || c.minute > 59 ||
        c.second > 59)
        return false;
    *ret_micros = fo_micros_from_civil(&c);
    return true;
}

int64_t
fo_http_retry_after_parse(const char *text)
{
    unsigned long long seconds;
    int64_t when;

    assert(text);

    if (fo_parse_u64(text, &seconds))
        return seconds < 86400 ? (int64_t)seconds * 1000000 : 86400 * INT64_C(1000000);
    if (!fo_http_date_parse(text, &when))
        return -1;
    when -= fo_clock_now();
    return when > 0 ? when : -1;
}

int64_t
fo_http_retry_after(const fo_http_exchange *exchange)
{
    const char *text = fo_http_header_value(exchange, "retry-after");

    return text ? fo_http_retry_after_parse(text) : -1;
}
