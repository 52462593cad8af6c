/* The checksums of object stores. */
#include "base/crc.h"
#include "base/crc_internal.h"
#include "base_test.h"

static const char digits[] = "123456789";

static void
the_check_values_are_the_published_ones(void **state)
{
    (void)state;
    assert_int_equal(fo_crc32c(0, digits, 9), 0xE3069283);
    assert_true(fo_crc64nvme(0, digits, 9) == UINT64_C(0xAE8B14860A799888));
}

static void
a_sum_goes_on_where_it_stopped(void **state)
{
    (void)state;
    for (size_t cut = 0; cut <= 9; cut++) {
        assert_int_equal(fo_crc32c(fo_crc32c(0, digits, cut), digits + cut, 9 - cut), 0xE3069283);
        assert_true(fo_crc64nvme(fo_crc64nvme(0, digits, cut), digits + cut, 9 - cut) ==
                    UINT64_C(0xAE8B14860A799888));
    }
}

static void
sums_of_parts_combine_to_that_of_the_whole(void **state)
{
    (void)state;
    for (size_t cut = 0; cut <= 9; cut++) {
        assert_int_equal(
            fo_crc32c_combine(fo_crc32c(0, digits, cut), fo_crc32c(0, digits + cut, 9 - cut), 9 - cut),
            0xE3069283);
        assert_true(fo_crc64nvme_combine(fo_crc64nvme(0, digits, cut), fo_crc64nvme(0, digits + cut, 9 - cut),
                                         9 - cut) == UINT64_C(0xAE8B14860A799888));
    }
}

/* Every length up to that of several blocks, at every alignment. */
static void
the_processors_instructions_agree_with_the_tables(void **state)
{
    static unsigned char data[20000];
    uint32_t seed = 1;

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        seed = seed * 1103515245 + 12345;
        data[i] = (unsigned char)(seed >> 16);
    }
    for (size_t n = 0; n < sizeof(data) - 16; n += n < 300 ? 1 : 977) {
        for (size_t at = 0; at < 16; at += n < 300 ? 1 : 5) {
            assert_int_equal(fo_crc32c(7, data + at, n), fo_crc32c_plain(7, data + at, n));
            assert_true(fo_crc64nvme(7, data + at, n) == fo_crc64nvme_plain(7, data + at, n));
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_check_values_are_the_published_ones),
        cmocka_unit_test(a_sum_goes_on_where_it_stopped),
        cmocka_unit_test(sums_of_parts_combine_to_that_of_the_whole),
        cmocka_unit_test(the_processors_instructions_agree_with_the_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
