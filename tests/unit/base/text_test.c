/* Comparing text, strict numbers, nearest words. */
#include "base_test.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static void
null_equals_only_null(void **state)
{
    (void)state;
    assert_true(fo_streq(NULL, NULL));
    assert_false(fo_streq(NULL, ""));
    assert_false(fo_streq("", NULL));
    assert_true(fo_streq("a", "a"));
    assert_false(fo_streq("a", "A"));
}

static void
beginnings_and_ends_are_found(void **state)
{
    (void)state;
    assert_true(fo_starts("s3://b", "s3://"));
    assert_false(fo_starts("s3", "s3://"));
    assert_true(fo_starts("x", ""));
    assert_true(fo_ends("a.csv.gz", ".gz"));
    assert_false(fo_ends("gz", ".gz"));
    assert_true(fo_ends("x", ""));
}

static void
characters_are_judged_as_ascii(void **state)
{
    (void)state;
    for (int i = -128; i < 128; i++) {
        char c = (char)i;
        bool upper = i >= 'A' && i <= 'Z', lower = i >= 'a' && i <= 'z';

        assert_true(fo_is_alpha(c) == (upper || lower));
        assert_true(fo_is_digit(c) == (i >= '0' && i <= '9'));
        assert_int_equal(fo_lower(c), upper ? i + 32 : i);
    }
}

static void
whole_numbers_are_read_strictly(void **state)
{
    static const char *const bad[] = {
        "", " 1", "1 ", "+1", "-1", "1.0", "0x1", "18446744073709551616", "1e3"
    };
    unsigned long long value = 7;

    (void)state;
    for (size_t i = 0; i < FO_COUNT(bad); i++)
        assert_false(fo_parse_u64(bad[i], &value));
    assert_false(fo_parse_u64(NULL, &value));
    assert_int_equal(value, 7);
    assert_true(fo_parse_u64("18446744073709551615", &value));
    assert_true(value == 18446744073709551615ull);
    assert_true(fo_parse_u64("007", &value));
    assert_int_equal(value, 7);
}

static void
sizes_have_decimal_and_binary_units(void **state)
{
    static const struct {
        const char *text;
        unsigned long long bytes;
    } rows[] = {
        { "0", 0 },
        { "12", 12 },
        { "12B", 12 },
        { "512k", 512000 },
        { "2GB", 2000000000 },
        { "8MiB", 8388608 },
        { "1kib", 1024 },
        { "3M", 3000000 },
        { "1TiB", 1099511627776 },
        { "1tb", 1000000000000 },
    };
    static const char *const bad[] = { "", "k", "1 MB", "-1", "1.5GB", "1XB", "1MBs", "20000000TiB" };
    unsigned long long value = 0;

    (void)state;
    for (size_t i = 0; i < FO_COUNT(rows); i++) {
        assert_true(fo_parse_size(rows[i].text, &value));
        assert_int_equal(value, rows[i].bytes);
    }
    for (size_t i = 0; i < FO_COUNT(bad); i++)
        assert_false(fo_parse_size(bad[i], &value));
}

static void
edits_are_counted(void **state)
{
    (void)state;
    assert_int_equal(fo_edit_distance("", ""), 0);
    assert_int_equal(fo_edit_distance("", "abc"), 3);
    assert_int_equal(fo_edit_distance("abc", ""), 3);
    assert_int_equal(fo_edit_distance("kitten", "sitting"), 3);
    assert_int_equal(fo_edit_distance("bukcet", "bucket"), 1); /* a swap */
    assert_int_equal(fo_edit_distance("bucket", "bucket"), 0);
}

static void
words_too_long_to_compare_are_far_apart(void **state)
{
    char word[101];

    (void)state;
    memset(word, 'x', 100);
    word[100] = '\0';
    assert_int_equal(fo_edit_distance(word, "x"), 100);
    assert_int_equal(fo_edit_distance(word, word), 0);
    assert_null(fo_nearest(word, (const char *const[]){ "x" }, 1));
}

static void
the_nearest_word_is_offered_only_when_near(void **state)
{
    static const char *const words[] = { "bucket", "prefix", "export_name", "region" };

    (void)state;
    assert_string_equal(fo_nearest("buket", words, 4), "bucket");
    assert_string_equal(fo_nearest("exportname", words, 4), "export_name");
    assert_string_equal(fo_nearest("regoin", words, 4), "region");
    assert_null(fo_nearest("colour", words, 4));
    assert_null(fo_nearest("", words, 4));
    assert_null(fo_nearest("x", (const char *const[]){ "y" }, 1));
    assert_null(fo_nearest("bucket", NULL, 0));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(null_equals_only_null),
        cmocka_unit_test(beginnings_and_ends_are_found),
        cmocka_unit_test(characters_are_judged_as_ascii),
        cmocka_unit_test(whole_numbers_are_read_strictly),
        cmocka_unit_test(sizes_have_decimal_and_binary_units),
        cmocka_unit_test(edits_are_counted),
        cmocka_unit_test(words_too_long_to_compare_are_far_apart),
        cmocka_unit_test(the_nearest_word_is_offered_only_when_near),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
