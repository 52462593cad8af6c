/* What may be shown of a value: never a secret, never the password in an address. */
#include <string.h>

#include "config/config_internal.h"

#define FOUND_MAX 60 /* bytes of a wrong value in a message */

/*
 * The password of scheme://user:password@host. A password that was not escaped may hold '/' and '@', so the
 * last '@' ends it: rather hide too much. Without a scheme the same holds from the start.
 */
static bool
find_password(const char *text, const char **ret_begin, const char **ret_end)
{
    const char *scheme = strstr(text, "://");
    const char *user = scheme ? scheme + 3 : text;
    const char *colon = strchr(user, ':');
    const char *at = strrchr(user, '@');

    if (!colon || !at || colon > at || colon + 1 == at)
        return false;
    *ret_begin = colon + 1;
    *ret_end = at;
    return true;
}

bool
fo_has_password(const char *text)
{
    const char *begin, *end;

    return find_password(text, &begin, &end);
}

void
fo_redact(const char *text, fo_str *ret)
{
    const char *begin, *end;

    if (!find_password(text, &begin, &end)) {
        fo_str_add(ret, text);
        return;
    }
    fo_str_addn(ret, text, (size_t)(begin - text));
    fo_str_add(ret, "<redacted>");
    fo_str_add(ret, end);
}

void
fo_option_found(const finops_option *option, const char *text, fo_str *ret)
{
    fo_str shown = FO_STR_INIT;
    const char *p;
    size_t n;

    if (option->flags & FINOPS_OPT_SECRET) {
        fo_str_add(ret, "something else (a secret, not shown)");
        return;
    }
    fo_redact(text, &shown);
    p = fo_str_z(&shown);
    n = strlen(p);
    if (n > FOUND_MAX) /* not in the middle of a character */
        for (n = FOUND_MAX; n > 0 && ((unsigned char)p[n] & 0xc0) == 0x80;)
            n--;
    fo_str_addc(ret, '"');
    for (size_t i = 0; i < n; i++)
        fo_str_addc(ret, (unsigned char)p[i] < 0x20 || p[i] == 0x7f ? '?' : p[i]);
    fo_str_add(ret, p[n] ? "...\"" : "\"");
    if (!fo_str_ok(&shown))
        ret->failed = true;
    fo_str_done(&shown);
}
