/*
 * Strings: fo_str grows to its maximum and remembers failure, so append freely and check once with
 * fo_str_ok(). fo_strv is a growing list of owned strings.
 */
#ifndef FO_BASE_STR_H
#define FO_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct fo_str {
    char *data; /* NUL-terminated when not NULL */
    size_t len;
    size_t cap;
    size_t max; /* bytes it may hold without the NUL */
    bool failed;
    bool too_long; /* why it failed: the maximum, not the memory */
} fo_str;

#define FO_STR_DEFAULT_MAX ((size_t)64 << 20)
#define FO_STR_INIT ((fo_str){ .max = FO_STR_DEFAULT_MAX })
#define FO_STR_MAX(m) ((fo_str){ .max = (m) })

void fo_str_done(fo_str *s);
void fo_str_clear(fo_str *s); /* empty again, memory kept, failure forgotten */
void fo_str_add(fo_str *s, const char *z);
void fo_str_addn(fo_str *s, const char *p, size_t n);
void fo_str_addc(fo_str *s, char c);
void fo_str_addf(fo_str *s, const char *fmt, ...) FO_PRINTF(2, 3);
void fo_str_addv(fo_str *s, const char *fmt, va_list ap) FO_PRINTF(2, 0);
/* As a JSON string, in quotes; what is not UTF-8 stays as it is. */
void fo_str_add_json(fo_str *s, const char *p, size_t n);
bool fo_str_ok(const fo_str *s);
/* The text, "" while empty. Borrowed until the next change. */
const char *fo_str_z(const fo_str *s);
/* Hands the buffer over (free with fo_free); an empty string gives "". NULL when the string had failed or
 * there is no memory. */
char *fo_str_take(fo_str *s);
/* FINOPS_E_MEMORY, or FINOPS_E_RANGE-like FINOPS_E_DATA when the maximum was hit; FINOPS_OK when fine. */
finops_code fo_str_check(const fo_str *s, finops_error **err);

/* printf into new memory; NULL when there is none. */
char *fo_format(const char *fmt, ...) FO_PRINTF(1, 2);

typedef struct fo_strv {
    char **items;
    size_t n;
    size_t cap;
} fo_strv;

#define FO_STRV_INIT ((fo_strv){ 0 })

void fo_strv_done(fo_strv *v);
bool fo_strv_add(fo_strv *v, const char *z); /* false: no memory */
bool fo_strv_addn(fo_strv *v, const char *p, size_t n);
bool fo_strv_take(fo_strv *v, char *owned); /* frees `owned` when it fails */
void fo_strv_sort(fo_strv *v);              /* by bytes */
bool fo_strv_has(const fo_strv *v, const char *z);
/* Splits at each `sep`, keeping empty parts. */
bool fo_strv_split(fo_strv *v, const char *z, char sep);

bool fo_streq(const char *a, const char *b); /* NULL equals only NULL */
bool fo_starts(const char *s, const char *prefix);
bool fo_ends(const char *s, const char *suffix);
/* ASCII only, whatever the locale. */
static inline bool
fo_is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static inline bool
fo_is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static inline char
fo_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}
/* Decimal digits only, no sign, no blanks, no overflow. */
bool fo_parse_u64(const char *s, unsigned long long *ret);
/* "12", "8MiB", "2GB", "512k" -> bytes, in any case: k, kB, M, MB are powers of 1000, KiB, MiB of 1024. */
bool fo_parse_size(const char *s, unsigned long long *ret);
/* Edit distance of two short words for "did you mean"; a swap of neighbours is one edit. Words of more than
 * 64 bytes are as far apart as they are long. */
unsigned fo_edit_distance(const char *a, const char *b);
/* The nearest of `n` words when it is near enough to be meant, else NULL. */
const char *fo_nearest(const char *word, const char *const *words, size_t n);

/* True when n bytes are valid UTF-8; *ret_bad (may be NULL) gets the offset of the first bad byte. */
bool fo_utf8_valid(const char *p, size_t n, size_t *ret_bad);
/* Bytes of the well-formed UTF-8 sequence at p (1..4, *ret is its code point); 0 when there is none within n
 * bytes. */
unsigned fo_utf8_decode(const char *p, size_t n, uint32_t *ret);
/* Columns the text takes on a terminal (wide East Asian characters take two, combining marks and controls
 * none, a byte that is no UTF-8 one). */
size_t fo_utf8_width(const char *p, size_t n);

#endif
