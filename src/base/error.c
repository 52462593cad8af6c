/*
 * Errors: one table of codes, and the object that carries code, message and hint.
 *
 * The message is kept as one text that each caller prefixes; a chain of objects would hold the same words in
 * more pieces. When there is no memory for a message the code must still arrive, so every code has a constant
 * error.
 */
#include "base/error.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "finops/sys/plugin.h"

struct finops_error {
    finops_code code;
    char *text;
    char *hint;
    bool has_retry_after;
    int64_t retry_after_us;
};

typedef struct code_row {
    const char *name;
    const char *fallback; /* the message when there is no memory for the real one */
    int exit_status;
    int http_status;
    bool retryable;
} code_row;

#define NO_DETAIL " (no memory for the details)"

static const code_row codes[FINOPS_E_COUNT_] = {
    [FINOPS_OK] = { "ok", "no error", 0, 200, false },
    [FINOPS_E_ARGUMENT] = { "argument", "wrong argument" NO_DETAIL, 1, 400, false },
    [FINOPS_E_USAGE] = { "usage", "wrong usage" NO_DETAIL, 2, 400, false },
    [FINOPS_E_CONFIG] = { "config", "unusable configuration" NO_DETAIL, 2, 500, false },
    [FINOPS_E_MEMORY] = { "memory", "out of memory", 1, 503, false },
    [FINOPS_E_IO] = { "io", "input or output failed" NO_DETAIL, 1, 500, false },
    [FINOPS_E_NOT_FOUND] = { "not_found", "something does not exist" NO_DETAIL, 1, 404, false },
    [FINOPS_E_EXISTS] = { "exists", "something exists already" NO_DETAIL, 1, 409, false },
    [FINOPS_E_DENIED] = { "denied", "not permitted" NO_DETAIL, 1, 403, false },
    [FINOPS_E_AUTH] = { "auth", "credentials were not accepted" NO_DETAIL, 1, 401, false },
    [FINOPS_E_THROTTLED] = { "throttled", "the service asks to slow down" NO_DETAIL, 1, 429, true },
    [FINOPS_E_TRANSIENT] = { "transient", "a remote service failed" NO_DETAIL, 1, 503, true },
    [FINOPS_E_TIMEOUT] = { "timeout", "a deadline passed" NO_DETAIL, 1, 504, true },
    [FINOPS_E_CANCELLED] = { "cancelled", "stopped on request" NO_DETAIL, 1, 499, false },
    [FINOPS_E_BUSY] = { "busy", "another process holds it" NO_DETAIL, 1, 503, true },
    [FINOPS_E_CORRUPT] = { "corrupt", "stored bytes are damaged" NO_DETAIL, 1, 500, false },
    [FINOPS_E_DATA] = { "data", "input breaks its format" NO_DETAIL, 1, 422, false },
    [FINOPS_E_UNSUPPORTED] = { "unsupported", "not supported" NO_DETAIL, 1, 501, false },
    [FINOPS_E_DATABASE] = { "database", "the database refused a statement" NO_DETAIL, 1, 500, false },
    [FINOPS_E_PARTIAL] = { "partial", "only part of the work was done" NO_DETAIL, 3, 207, false },
    [FINOPS_E_DRIFT] = { "drift", "numbers that must agree do not" NO_DETAIL, 1, 409, false },
    [FINOPS_E_INTERNAL] = { "internal", "internal mistake" NO_DETAIL, 1, 500, false },
    [FINOPS_E_PRECONDITION] = { "precondition", "it is another version" NO_DETAIL, 1, 412, false },
    [FINOPS_E_UNCHANGED] = { "unchanged", "it did not change" NO_DETAIL, 1, 304, false },
    [FINOPS_E_RANGE] = { "range", "the range lies outside" NO_DETAIL, 1, 416, false },
    [FINOPS_E_BREAKER_OPEN] = { "breaker_open", "it is left alone for a while" NO_DETAIL, 1, 503, false },
};

/* Stand-ins without memory of their own. They only carry the code: no text, no hint, never written, never
 * freed. */
static finops_error fixed[FINOPS_E_COUNT_];

static bool
is_code(finops_code code)
{
    return (unsigned)code < FINOPS_E_COUNT_;
}

static bool
is_fixed(const finops_error *e)
{
    return (uintptr_t)e >= (uintptr_t)fixed && (uintptr_t)e < (uintptr_t)(fixed + FINOPS_E_COUNT_);
}

static finops_error *
fixed_error(finops_code code)
{
    return &fixed[is_code(code) ? code : FINOPS_E_INTERNAL];
}

const char *
finops_code_name(finops_code code)
{
    return is_code(code) ? codes[code].name : "unknown";
}

int
finops_code_exit_status(finops_code code)
{
    return is_code(code) ? codes[code].exit_status : 1;
}

int
finops_code_http_status(finops_code code)
{
    return is_code(code) ? codes[code].http_status : 500;
}

bool
finops_code_retryable(finops_code code)
{
    return is_code(code) && codes[code].retryable;
}

finops_code
finops_error_code(const finops_error *err)
{
    if (!err)
        return FINOPS_OK;
    return is_fixed(err) ? (finops_code)(err - fixed) : err->code;
}

const char *
finops_error_text(const finops_error *err)
{
    if (!err)
        return "";
    return is_fixed(err) ? codes[err - fixed].fallback : err->text;
}

const char *
finops_error_hint(const finops_error *err)
{
    return err && !is_fixed(err) ? err->hint : NULL;
}

int64_t
finops_error_retry_after(const finops_error *err)
{
    return err && err->has_retry_after ? err->retry_after_us : -1;
}

void
finops_error_set_retry_after(finops_error *err, int64_t micros)
{
    if (!err || is_fixed(err))
        return;
    err->has_retry_after = micros >= 0;
    err->retry_after_us = micros;
}

void
finops_error_free(finops_error *err)
{
    if (!err || is_fixed(err))
        return;
    fo_free(err->text);
    fo_free(err->hint);
    fo_free(err);
}

void
finops_error_freep(finops_error **err)
{
    assert(err);
    finops_error_free(*err);
    *err = NULL;
}

/* An error that owns `text`; the constant one of its code when `text` is NULL or memory has run out. */
static finops_error *
error_new(finops_code code, char *text)
{
    finops_error *e = text ? fo_zalloc(sizeof(*e)) : NULL;

    if (!e) {
        fo_free(text);
        return fixed_error(code);
    }
    e->code = code;
    e->text = text;
    return e;
}

static FO_PRINTF(1, 0) char *format_list(const char *fmt, va_list ap)
{
    fo_str s = FO_STR_INIT;
    char *text;

    fo_str_addv(&s, fmt, ap);
    text = fo_str_take(&s);
    fo_str_done(&s);
    return text;
}

static FO_PRINTF(3, 0) finops_code set_list(finops_error **err, finops_code code, const char *fmt, va_list ap)
{
    finops_error *e;

    if (!err)
        return code;
    e = error_new(code, format_list(fmt, ap));
    finops_error_free(*err); /* after formatting: an argument may be the old error's text */
    *err = e;
    return code;
}

finops_code
fo_error_set(finops_error **err, finops_code code, const char *fmt, ...)
{
    va_list ap;

    assert(code != FINOPS_OK && is_code(code));

    va_start(ap, fmt);
    (void)set_list(err, code, fmt, ap);
    va_end(ap);
    return code;
}

finops_code
finops_error_new(finops_error **err, finops_code code, const char *format, ...)
{
    va_list ap;

    /* An outsider's mistake is answered, not asserted; success cannot be an error. */
    if (code == FINOPS_OK || !is_code(code))
        code = FINOPS_E_INTERNAL;
    va_start(ap, format);
    (void)set_list(err, code, format ? format : "unknown error", ap);
    va_end(ap);
    return code;
}

finops_code
fo_error_wrap(finops_error **err, finops_code code, const char *fmt, ...)
{
    FO_AUTO(fo_freep) char *prefix = NULL;
    char *text;
    va_list ap;

    assert(code != FINOPS_OK && is_code(code));

    if (!err)
        return code;
    va_start(ap, fmt);
    prefix = format_list(fmt, ap);
    va_end(ap);

    if (!*err) {
        *err = error_new(code, FO_TAKE(prefix));
        return code;
    }
    text = prefix ? fo_format("%s: %s", prefix, finops_error_text(*err)) : NULL;
    if (is_fixed(*err)) {
        *err = error_new(code, text);
        return code;
    }
    if (text) {
        fo_free((*err)->text);
        (*err)->text = text;
    }
    (*err)->code = code; /* without memory for the prefix the cause alone has to do */
    return code;
}

static FO_PRINTF(2, 0) void hint_list(finops_error *err, const char *fmt, va_list ap)
{
    char *hint;

    if (!err || is_fixed(err))
        return;
    hint = format_list(fmt, ap);
    if (!hint)
        return;
    fo_free(err->hint);
    err->hint = hint;
}

void
fo_error_hint(finops_error **err, const char *fmt, ...)
{
    va_list ap;

    if (!err)
        return;
    va_start(ap, fmt);
    hint_list(*err, fmt, ap);
    va_end(ap);
}

void
fo_error_brief(const finops_error *err, char *ret, size_t size)
{
    const char *hint = finops_error_hint(err);

    if (hint)
        (void)snprintf(ret, size, "%s (%s)", finops_error_text(err), hint);
    else
        (void)snprintf(ret, size, "%s", finops_error_text(err));
}

void
finops_error_advise(finops_error *err, const char *format, ...)
{
    va_list ap;

    if (!format)
        return;
    va_start(ap, format);
    hint_list(err, format, ap);
    va_end(ap);
}

finops_code
fo_error_oom(finops_error **err)
{
    if (err) {
        finops_error_free(*err);
        *err = fixed_error(FINOPS_E_MEMORY);
    }
    return FINOPS_E_MEMORY;
}

static finops_code
code_of_errno(int errnum)
{
    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
        return FINOPS_E_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return FINOPS_E_DENIED;
    case EEXIST:
        return FINOPS_E_EXISTS;
    case ENOMEM:
        return FINOPS_E_MEMORY;
    default:
        return FINOPS_E_IO;
    }
}

finops_code
fo_error_errno(finops_error **err, int errnum, const char *fmt, ...)
{
    finops_code code = code_of_errno(errnum);
    FO_AUTO(fo_freep) char *prefix = NULL;
    char buf[128];
    const char *why;
    va_list ap;

    if (!err)
        return code;
    why = strerror_r(errnum, buf, sizeof(buf));
    va_start(ap, fmt);
    prefix = format_list(fmt, ap);
    va_end(ap);
    if (!prefix) {
        finops_error_free(*err);
        *err = fixed_error(code);
        return code;
    }
    return fo_error_set(err, code, "%s: %c%s", prefix, fo_lower(why[0]), why[0] ? why + 1 : "");
}
