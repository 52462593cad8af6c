/* SHA-256 on the vectors of FIPS 180-4 and across the pieces it is fed. */
#include "base_test.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

static void
known_texts_have_their_published_digests(void **state)
{
    static const struct {
        const char *text;
        const char *hex;
    } rows[] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    };
    char hex[FO_SHA256_HEX];

    (void)state;
    for (size_t i = 0; i < FO_COUNT(rows); i++) {
        assert_int_equal(fo_sha256_hex(rows[i].text, strlen(rows[i].text), hex, NULL), FINOPS_OK);
        assert_string_equal(hex, rows[i].hex);
    }
}

static void
a_million_bytes_in_odd_pieces_give_the_published_digest(void **state)
{
    FO_AUTO(fo_sha256_freep) fo_sha256 *h = fo_sha256_new();
    char block[997], hex[FO_SHA256_HEX];
    size_t left = 1000000;

    (void)state;
    assert_non_null(h);
    memset(block, 'a', sizeof(block));
    while (left > 0) {
        size_t n = left < sizeof(block) ? left : sizeof(block);

        fo_sha256_add(h, block, n);
        fo_sha256_add(h, NULL, 0);
        left -= n;
    }
    fo_sha256_end(h, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void
without_memory_nothing_is_written(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    char hex[FO_SHA256_HEX] = "untouched";

    (void)state;
    fo_mem_fail_at(1);
    assert_int_equal(fo_sha256_hex("a", 1, hex, &err), FINOPS_E_MEMORY);
    assert_int_equal(finops_error_code(err), FINOPS_E_MEMORY);
    assert_string_equal(hex, "untouched");
    fo_sha256_free(NULL);
}

static void
digests_and_hmac_are_the_published_ones(void **state)
{
    static const char data[] = "what do ya want for nothing?"; /* RFC 2202, RFC 4231 */
    unsigned char key[131], sum[FO_SHA256_BYTES];
    char hex[FO_SHA256_HEX];
    size_t n;

    (void)state;
    assert_int_equal(fo_digest(FO_MD5, "abc", 3, sum, &n, NULL), FINOPS_OK);
    fo_hex(sum, n, hex);
    assert_string_equal(hex, "900150983cd24fb0d6963f7d28e17f72");
    assert_int_equal(fo_digest(FO_SHA1, "abc", 3, sum, &n, NULL), FINOPS_OK);
    fo_hex(sum, n, hex);
    assert_string_equal(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_int_equal(fo_hmac_sha256("Jefe", 4, data, strlen(data), sum, NULL), FINOPS_OK);
    fo_hex(sum, sizeof(sum), hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key));
    assert_int_equal(fo_hmac_sha256(key, sizeof(key),
                                    "Test Using Larger Than Block-Size Key - Hash Key First", 54, sum, NULL),
                     FINOPS_OK);
    fo_hex(sum, sizeof(sum), hex);
    assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void
base64_goes_there_and_back(void **state)
{
    /* RFC 4648 */
    static const char *const pairs[][2] = { { "", "" },
                                            { "f", "Zg==" },
                                            { "fo", "Zm8=" },
                                            { "foo", "Zm9v" },
                                            { "foob", "Zm9vYg==" },
                                            { "fooba", "Zm9vYmE=" },
                                            { "foobar", "Zm9vYmFy" } };
    static const char *const wrong[] = { "Z", "Zg=", "Zg==Zg==", "Zm9v!", "Z m9", "Zm9vY===" };
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    (void)state;
    for (size_t i = 0; i < FO_COUNT(pairs); i++) {
        fo_str_clear(&text);
        fo_base64(&text, pairs[i][0], strlen(pairs[i][0]));
        assert_string_equal(fo_str_z(&text), pairs[i][1]);
        fo_str_clear(&text);
        assert_true(fo_base64_decode(&text, pairs[i][1]));
        assert_string_equal(fo_str_z(&text), pairs[i][0]);
    }
    for (size_t i = 0; i < FO_COUNT(wrong); i++)
        assert_false(fo_base64_decode(&text, wrong[i]));
    fo_str_clear(&text);
    assert_true(fo_base64_decode(&text, "-_8"));
    assert_memory_equal(text.data, "\xfb\xff", 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts_have_their_published_digests),
        cmocka_unit_test(a_million_bytes_in_odd_pieces_give_the_published_digest),
        cmocka_unit_test(without_memory_nothing_is_written),
        cmocka_unit_test(digests_and_hmac_are_the_published_ones),
        cmocka_unit_test(base64_goes_there_and_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
