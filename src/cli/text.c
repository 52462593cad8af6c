/* Texts made fit for JSON and for a terminal. */
#include <string.h>

#include "cli/render.h"

/* Bytes of the character at p, 0 when it is no UTF-8; *ret_code gets its number. */
static size_t
character(const char *p, size_t n, uint32_t *ret_code)
{
    unsigned char c = (unsigned char)p[0];
    size_t len = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    uint32_t code = len == 1 ? c : c & (0x7Fu >> len);

    if (len > n || !fo_utf8_valid(p, len, NULL))
        return 0;
    for (size_t i = 1; i < len; i++)
        code = code << 6 | ((unsigned char)p[i] & 0x3Fu);
    *ret_code = code;
    return len;
}

void
fo_json_string(fo_str *out, const char *p, size_t n)
{
    fo_str_addc(out, '"');
    for (size_t i = 0; i < n;) {
        size_t plain = i;
        uint32_t code = 0;
        size_t len;

        while (plain < n && (unsigned char)p[plain] >= 0x20 && (unsigned char)p[plain] < 0x7F &&
               p[plain] != '"' && p[plain] != '\\')
            plain++;
        if (plain > i) {
            fo_str_addn(out, p + i, plain - i);
            i = plain;
            continue;
        }
        len = character(p + i, n - i, &code);
        if (len == 0)
            fo_str_add(out, "\xEF\xBF\xBD");
        else if (code == '"' || code == '\\')
            fo_str_addf(out, "\\%c", (int)code);
        else if (code == '\n' || code == '\t' || code == '\r')
            fo_str_add(out, code == '\n' ? "\\n" : code == '\t' ? "\\t" : "\\r");
        else if (code < 0x20 || code == 0x7F)
            fo_str_addf(out, "\\u%04x", (unsigned)code);
        else
            fo_str_addn(out, p + i, len);
        i += len ? len : 1;
    }
    fo_str_addc(out, '"');
}

bool
fo_json_number(const char *p, size_t n)
{
    const char *end = p + n;
    const char *digits;

    if (p < end && *p == '-')
        p++;
    digits = p;
    while (p < end && fo_is_digit(*p))
        p++;
    if (p == digits || (*digits == '0' && p - digits > 1))
        return false;
    if (p < end && *p == '.') {
        digits = ++p;
        while (p < end && fo_is_digit(*p))
            p++;
        if (p == digits)
            return false;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < end && (*p == '+' || *p == '-');
        digits = p;
        while (p < end && fo_is_digit(*p))
            p++;
        if (p == digits)
            return false;
    }
    return p == end;
}

/* Characters that would move the cursor or turn the direction of what follows. */
static bool
harmful(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || (code >= 0x202A && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069) || code == 0x2028 || code == 0x2029;
}

void
fo_text_safe(fo_str *out, const char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t code = 0;
        size_t plain = i, len;

        while (plain < n && (unsigned char)p[plain] >= 0x20 && (unsigned char)p[plain] < 0x7F)
            plain++;
        if (plain > i) {
            fo_str_addn(out, p + i, plain - i);
            i = plain;
            continue;
        }
        len = character(p + i, n - i, &code);
        if (len == 0)
            fo_str_addf(out, "\\x%02x", (unsigned)(unsigned char)p[i]);
        else if (code == '\n' || code == '\t' || code == '\r')
            fo_str_add(out, code == '\n' ? "\\n" : code == '\t' ? "\\t" : "\\r");
        else if (harmful(code))
            fo_str_addf(out, code < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)code);
        else
            fo_str_addn(out, p + i, len);
        i += len ? len : 1;
    }
}
