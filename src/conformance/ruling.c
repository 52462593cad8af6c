/* The reasons cases give. */
#include "conformance/ruling.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <string.h>

#include "base/mem.h"

#define WHY_MAX 2000
#define SHOWN_MAX 300 /* of a statement or result in a reason */

void
fo_ruling_done(fo_ruling *v)
{
    fo_str_done(&v->why);
}

bool
fo_ruling_failv(fo_ruling *v, const char *fmt, va_list ap)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    size_t n;

    if (v->why.len)
        return false;
    fo_str_addv(&text, fmt, ap);
    n = strnlen(fo_str_z(&text), WHY_MAX);
    for (size_t i = 0; i < n; i++) /* a line a case */
        text.data[i] = (unsigned char)text.data[i] < ' ' ? ' ' : text.data[i];
    fo_str_addn(&v->why, n ? fo_str_z(&text) : "failed", n ? n : 6);
    return false;
}

bool
fo_ruling_skipv(fo_ruling *v, const char *fmt, va_list ap)
{
    v->not_claimed = v->not_claimed || !v->why.len;
    return fo_ruling_failv(v, fmt, ap);
}

bool
fo_ruling_fail(fo_ruling *v, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)fo_ruling_failv(v, fmt, ap);
    va_end(ap);
    return false;
}

bool
fo_ruling_skip(fo_ruling *v, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)fo_ruling_skipv(v, fmt, ap);
    va_end(ap);
    return false;
}

bool
fo_ruling_ok(fo_ruling *v, finops_code rc, finops_error **err, const char *what)
{
    if (rc != FINOPS_OK)
        fo_ruling_fail(v, "%.*s: %s: %s", SHOWN_MAX, what, finops_code_name(rc), finops_error_text(*err));
    else if (*err)
        fo_ruling_fail(v, "%.*s: succeeded with an error set: %s", SHOWN_MAX, what, finops_error_text(*err));
    else
        return true;
    finops_error_freep(err);
    return false;
}

bool
fo_ruling_fails(fo_ruling *v, finops_code rc, finops_code want, finops_code other, finops_error **err,
                const char *what)
{
    bool said = *err && finops_error_text(*err)[0] && finops_error_code(*err) == rc;
    bool ok = (rc == want || rc == other) && said;

    if (rc == FINOPS_OK)
        fo_ruling_fail(v, "%.*s: succeeded, where %s was due", SHOWN_MAX, what, finops_code_name(want));
    else if (!said)
        fo_ruling_fail(v, "%.*s: failed without an error that says why", SHOWN_MAX, what);
    else if (!ok)
        fo_ruling_fail(v, "%.*s: %s, where %s was due: %s", SHOWN_MAX, what, finops_code_name(rc),
                       finops_code_name(want), finops_error_text(*err));
    finops_error_freep(err);
    return ok;
}

bool
fo_case_matches(const char *filter, const char *area, const char *name)
{
    FO_AUTO(fo_freep) char *both = NULL;

    if (!filter)
        return true;
    both = fo_format("%s: %s", area, name);
    return fnmatch(filter, area, 0) == 0 || fnmatch(filter, name, 0) == 0 ||
           (both && fnmatch(filter, both, 0) == 0);
}
