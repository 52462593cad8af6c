/* Small questions about text: comparing, strict numbers, and the nearest word for "did you mean". */
#include <assert.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"

#define WORD_MAX 64

bool
fo_streq(const char *a, const char *b)
{
    if (!a || !b)
        return a == b;
    return strcmp(a, b) == 0;
}

bool
fo_starts(const char *s, const char *prefix)
{
    assert(s && prefix);
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool
fo_ends(const char *s, const char *suffix)
{
    size_t n, m;

    assert(s && suffix);

    n = strlen(s);
    m = strlen(suffix);
    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

/* Reads digits from *s on; false when there are none or they overflow. Leaves *s behind the last digit. */
static bool
read_digits(const char **s, unsigned long long *ret)
{
    unsigned long long value = 0;
    const char *p = *s;

    for (; fo_is_digit(*p); p++)
        if (__builtin_mul_overflow(value, 10ULL, &value) ||
            __builtin_add_overflow(value, (unsigned long long)(*p - '0'), &value))
            return false;
    if (p == *s)
        return false;
    *s = p;
    *ret = value;
    return true;
}

bool
fo_parse_u64(const char *s, unsigned long long *ret)
{
    unsigned long long value;

    assert(ret);

    if (!s || !read_digits(&s, &value) || *s != '\0')
        return false;
    *ret = value;
    return true;
}

bool
fo_parse_size(const char *s, unsigned long long *ret)
{
    static const struct {
        const char *name;
        unsigned long long bytes;
    } units[] = {
        /* clang-format off */
        { "", 1 }, { "b", 1 },
        { "k", 1000 }, { "kb", 1000 }, { "kib", 1ULL << 10 },
        { "m", 1000000 }, { "mb", 1000000 }, { "mib", 1ULL << 20 },
        { "g", 1000000000 }, { "gb", 1000000000 }, { "gib", 1ULL << 30 },
        { "t", 1000000000000 }, { "tb", 1000000000000 }, { "tib", 1ULL << 40 },
        /* clang-format on */
    };
    unsigned long long value;

    assert(ret);

    if (!s || !read_digits(&s, &value))
        return false;
    for (size_t i = 0; i < FO_COUNT(units); i++) {
        if (strcasecmp(s, units[i].name) != 0)
            continue;
        if (__builtin_mul_overflow(value, units[i].bytes, &value))
            return false;
        *ret = value;
        return true;
    }
    return false;
}

static unsigned
least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance where swapping two neighbours counts as one edit: the commonest slip of the fingers.
 */
unsigned
fo_edit_distance(const char *a, const char *b)
{
    unsigned rows[3][WORD_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *now = rows[2];
    size_t n, m;

    assert(a && b);

    n = strlen(a);
    m = strlen(b);
    if (n > WORD_MAX || m > WORD_MAX)
        return strcmp(a, b) == 0 ? 0 : (unsigned)(n > m ? n : m);

    memset(rows, 0, sizeof(rows));
    for (size_t j = 0; j <= m; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        unsigned *spare = before;

        now[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
        before = last;
        last = now;
        now = spare;
    }
    return last[m];
}

const char *
fo_nearest(const char *word, const char *const *words, size_t n)
{
    const char *best = NULL;
    unsigned best_distance;
    size_t len;

    assert(word && (words || n == 0));

    /* One slip in three letters is a typo; more is another word. */
    len = strlen(word);
    if (len > WORD_MAX)
        return NULL;
    best_distance = (unsigned)(len < 3 ? 1 : len / 3) + 1;
    for (size_t i = 0; i < n; i++) {
        unsigned distance = fo_edit_distance(word, words[i]);

        if (distance < best_distance && distance < len) {
            best = words[i];
            best_distance = distance;
        }
    }
    return best;
}
