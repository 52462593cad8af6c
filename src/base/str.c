/* Growing strings that remember failure. */
#include "base/str.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

void
fo_str_done(fo_str *s)
{
    if (!s)
        return;
    fo_free(s->data);
    *s = (fo_str){ .max = s->max };
}

void
fo_str_clear(fo_str *s)
{
    assert(s);
    s->len = 0;
    s->failed = false;
    s->too_long = false;
    if (s->data)
        s->data[0] = '\0';
}

/* Makes room for n more bytes and the NUL. */
static bool
str_reserve(fo_str *s, size_t n)
{
    assert(s && s->len <= s->max);

    if (s->failed)
        return false;
    if (n > s->max - s->len || s->max == SIZE_MAX) {
        s->failed = true;
        s->too_long = true;
        return false;
    }
    if (s->len + n < s->cap)
        return true;
    if (!fo_grow((void **)&s->data, &s->cap, s->len + n + 1, 1)) {
        s->failed = true;
        return false;
    }
    return true;
}

void
fo_str_add(fo_str *s, const char *z)
{
    assert(z);
    fo_str_addn(s, z, strlen(z));
}

void
fo_str_addn(fo_str *s, const char *p, size_t n)
{
    assert(p || n == 0);

    if (n == 0 || !str_reserve(s, n))
        return;
    memcpy(s->data + s->len, p, n);
    s->len += n;
    s->data[s->len] = '\0';
}

void
fo_str_addc(fo_str *s, char c)
{
    if (!str_reserve(s, 1))
        return;
    s->data[s->len++] = c;
    s->data[s->len] = '\0';
}

void
fo_str_addf(fo_str *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fo_str_addv(s, fmt, ap);
    va_end(ap);
}

void
fo_str_addv(fo_str *s, const char *fmt, va_list ap)
{
    va_list again;
    size_t room;
    int n;

    assert(s && fmt);

    if (s->failed)
        return;
    /* The first try goes straight into what is left of the buffer; most texts fit. */
    room = s->data ? s->cap - s->len : 0;
    va_copy(again, ap);
    n = vsnprintf(room ? s->data + s->len : NULL, room, fmt, ap);
    if (n < 0) {
        s->failed = true;
    } else if ((size_t)n < room && (size_t)n <= s->max - s->len) {
        s->len += (size_t)n;
    } else if (n > 0 && str_reserve(s, (size_t)n)) {
        (void)vsnprintf(s->data + s->len, (size_t)n + 1, fmt, again);
        s->len += (size_t)n;
    }
    va_end(again);
    if (s->data)
        s->data[s->len] = '\0'; /* a failed try may have left its beginning */
}

void
fo_str_add_json(fo_str *s, const char *p, size_t n)
{
    fo_str_addc(s, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];

        if (c < 0x20)
            fo_str_addf(s, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            fo_str_addf(s, "\\%c", c);
        else
            fo_str_addc(s, (char)c);
    }
    fo_str_addc(s, '"');
}

bool
fo_str_ok(const fo_str *s)
{
    assert(s);
    return !s->failed;
}

const char *
fo_str_z(const fo_str *s)
{
    assert(s);
    return s->data ? s->data : "";
}

char *
fo_str_take(fo_str *s)
{
    char *data;

    assert(s);

    if (s->failed)
        return NULL;
    if (!s->data)
        return fo_strdup("");
    data = s->data;
    *s = (fo_str){ .max = s->max };
    return data;
}

finops_code
fo_str_check(const fo_str *s, finops_error **err)
{
    assert(s);

    if (!s->failed)
        return FINOPS_OK;
    if (s->too_long)
        return fo_error_set(err, FINOPS_E_DATA, "text is longer than %zu bytes", s->max);
    return fo_error_oom(err);
}

char *
fo_format(const char *fmt, ...)
{
    fo_str s = FO_STR_INIT;
    char *text;
    va_list ap;

    va_start(ap, fmt);
    fo_str_addv(&s, fmt, ap);
    va_end(ap);
    text = fo_str_take(&s);
    fo_str_done(&s);
    return text;
}
