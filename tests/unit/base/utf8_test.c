/* UTF-8 against a plain model, and the width of text on a terminal. */
#include "base_test.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

/* The model: take the bits together first, then ask whether that is a character written in its shortest form.
 */
static unsigned
model_length(const unsigned char *p, size_t n, uint32_t *ret)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    unsigned len = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
    uint32_t c = len == 1 ? p[0] : p[0] & (0x7fu >> len);

    if (len == 0 || len > n)
        return 0;
    for (unsigned i = 1; i < len; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        c = c * 64 + p[i] % 64;
    }
    if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *ret = c;
    return len;
}

static bool
model_valid(const unsigned char *p, size_t n, size_t *ret_bad)
{
    uint32_t c;

    for (size_t i = 0; i < n;) {
        unsigned len = model_length(p + i, n - i, &c);

        if (len == 0) {
            *ret_bad = i;
            return false;
        }
        i += len;
    }
    return true;
}

static void
check_valid(const unsigned char *p, size_t n)
{
    size_t expected = SIZE_MAX, bad = SIZE_MAX;
    bool ok = model_valid(p, n, &expected);

    assert_true(fo_utf8_valid((const char *)p, n, &bad) == ok);
    assert_true(bad == expected);
}

static void
every_mix_of_edge_bytes_is_judged_as_the_standard_says(void **state)
{
    static const unsigned char edge[] = { 0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
                                          0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed,
                                          0xee, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xf8, 0xff };
    const size_t count = FO_COUNT(edge), all = count * count * count * count;

    (void)state;
    for (size_t i = 0; i < all; i++) {
        unsigned char p[4] = { edge[i % count], edge[i / count % count], edge[i / count / count % count],
                               edge[i / count / count / count] };
        uint32_t c = 0, expected = 0;

        check_valid(p, 4);
        assert_int_equal(fo_utf8_decode((const char *)p, 4, &c), model_length(p, 4, &expected));
        assert_int_equal(c, expected);
    }
}

static void
every_code_point_decodes_to_itself(void **state)
{
    (void)state;
    for (uint32_t c = 0x80; c <= 0x10ffff; c++) {
        unsigned char p[4] = { (unsigned char)(0xf0 | c >> 18), (unsigned char)(0x80 | (c >> 12 & 63)),
                               (unsigned char)(0x80 | (c >> 6 & 63)), (unsigned char)(0x80 | (c & 63)) };
        unsigned len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        uint32_t got = 0;

        p[4 - len] = (unsigned char)(len == 2 ? 0xc0 | c >> 6 : len == 3 ? 0xe0 | c >> 12 : p[0]);
        if (c >= 0xd800 && c <= 0xdfff)
            assert_int_equal(fo_utf8_decode((const char *)p + 4 - len, len, &got), 0);
        else
            assert_int_equal(fo_utf8_decode((const char *)p + 4 - len, len, &got), len);
        assert_true(got == c || (got == 0 && c >= 0xd800 && c <= 0xdfff));
    }
}

/* Wherever it stands in blocks of eight and sixteen, and however long the text is: exact memory, so ASan sees
 * overreads. */
static void
a_bad_byte_is_found_at_every_place(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 70; n++) {
        FO_AUTO(fo_freep) unsigned char *p = fo_alloc(n);

        assert_non_null(p);
        memset(p, 'a', n);
        check_valid(p, n);
        for (size_t i = 0; i < n; i++) {
            p[i] = 0xc3; /* the start of a two-byte sequence, whole or not */
            check_valid(p, n);
            if (i + 1 < n) {
                p[i + 1] = 0xa4;
                check_valid(p, n);
                p[i + 1] = 'a';
            }
            p[i] = 'a';
        }
    }
}

static void
random_bytes_are_judged_as_the_model_judges(void **state)
{
    static const char *const parts[] = { "a",
                                         "b",
                                         "0123456789abcdef",
                                         "\xc3\xa4",
                                         "\xe2\x82\xac",
                                         "\xf0\x9f\x98\x80",
                                         "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
                                         " ",
                                         "\xff" };
    uint64_t seed = 42;

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;

        for (unsigned j = 0; j < 20; j++) {
            uint64_t r = random_u64(&seed) >> 32;

            fo_str_add(&s, parts[r % (r & 64 ? FO_COUNT(parts) : FO_COUNT(parts) - 1)]);
        }
        check_valid((const unsigned char *)s.data, s.len);
    }
}

static void
empty_text_is_valid_and_has_no_character(void **state)
{
    uint32_t c;

    (void)state;
    assert_true(fo_utf8_valid("", 0, NULL));
    assert_true(fo_utf8_valid(NULL, 0, NULL));
    assert_false(fo_utf8_valid("\x80", 1, NULL));
    assert_int_equal(fo_utf8_decode("", 0, &c), 0);
}

static void
width_counts_columns(void **state)
{
    static const struct {
        const char *text;
        size_t columns;
    } rows[] = {
        { "", 0 },
        { "Amazon EC2", 10 },
        { "M\xc3\xbcnchen", 7 },
        { "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 6 }, /* three CJK characters */
        { "e\xcc\x81", 1 },                            /* e and a combining acute */
        { "\xf0\x9f\x98\x80", 2 },                     /* an emoji */
        { "\xe2\x96\x88\xe2\x96\x88", 2 },             /* two full blocks, as bars are made of */
        { "\xed\x95\x9c", 2 },                         /* a Hangul syllable */
        { "\xef\xbc\xa1", 2 },                         /* fullwidth A */
        { "\xe2\x80\x8b", 0 },                         /* zero width space */
        { "a\tb", 2 },                                 /* controls take none */
        { "\xff"
          "a",
          2 },
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(rows); i++)
        assert_int_equal(fo_utf8_width(rows[i].text, strlen(rows[i].text)), rows[i].columns);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mix_of_edge_bytes_is_judged_as_the_standard_says),
        cmocka_unit_test(every_code_point_decodes_to_itself),
        cmocka_unit_test(a_bad_byte_is_found_at_every_place),
        cmocka_unit_test(random_bytes_are_judged_as_the_model_judges),
        cmocka_unit_test(empty_text_is_valid_and_has_no_character),
        cmocka_unit_test(width_counts_columns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
