/* The rows the suite writes are what it says: read back by its own reader, which checks Arrow's rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "conformance/batch.h"
#include "conformance/result.h"
#include "conformance/samples.h"
#include "finops/sys/plugin.h"

/* "cell|cell;cell|cell" of a stream. */
static char *
text_of(const fo_batch_spec *spec, size_t *ret_batches)
{
    FO_AUTO(fo_result_done) fo_result rows = { 0 };
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    struct ArrowArrayStream stream;

    assert_true(fo_batch_stream(spec, &stream));
    if (fo_result_read(&stream, &rows, &err) != FINOPS_OK)
        fail_msg("%s", finops_error_text(err));
    for (size_t r = 0; r < rows.n_rows; r++)
        for (size_t c = 0; c < rows.n_columns; c++)
            fo_str_addf(&text, "%s%s",
                        r + c == 0 ? ""
                        : c        ? "|"
                                   : ";",
                        fo_result_cell(&rows, r, c) ? fo_result_cell(&rows, r, c) : "NULL");
    if (ret_batches)
        *ret_batches = rows.n_batches;
    return fo_str_take(&text);
}

static void
reads(const fo_batch_spec *spec, const char *want)
{
    FO_AUTO(fo_freep) char *got = text_of(spec, NULL);

    assert_string_equal(got, want);
}

static const char *const values[] = { "1", NULL, "-3" };
static const char *const words[] = { "a", "", NULL, "a", "\xC3\xBC" };
static const fo_batch_column columns[] = { { "i", "l", values, 3 },
                                           { "t", "u", words, 5 },
                                           { "n", "l", NULL, 0 } };

static void
values_are_taken_in_turn(void **state)
{
    const fo_batch_spec spec = { .columns = columns, .n_columns = 3, .rows = 4 };

    (void)state;
    reads(&spec, "1|a|0;NULL||1;-3|NULL|2;1|a|3");
}

static void
slices_show_the_same_rows(void **state)
{
    static const unsigned flags[] = { FO_BATCH_OFFSET, FO_BATCH_CHILD_OFFSET, FO_BATCH_BITMAP,
                                      FO_BATCH_EMPTY_BETWEEN, FO_BATCH_OFFSET | FO_BATCH_BITMAP };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(flags); i++) {
        const fo_batch_spec spec = {
            .columns = columns, .n_columns = 3, .rows = 4, .batch = 3, .flags = flags[i]
        };

        reads(&spec, "1|a|0;NULL||1;-3|NULL|2;1|a|3");
    }
}

static void
every_sample_reads_as_it_is_wanted(void **state)
{
    (void)state;
    for (size_t s = 0; s < fo_n_samples; s++) {
        const fo_sample *sample = &fo_samples[s];
        const fo_batch_column column = { "c", sample->format, sample->values, fo_sample_count(sample) };
        const fo_batch_spec spec = { .columns = &column,
                                     .n_columns = 1,
                                     .rows = (int64_t)column.n_values,
                                     .batch = 2,
                                     .flags = s % 2 ? FO_BATCH_OFFSET : FO_BATCH_CHILD_OFFSET };
        FO_AUTO(fo_result_done) fo_result rows = { 0 };
        struct ArrowArrayStream stream;

        assert_true(fo_batch_stream(&spec, &stream));
        assert_int_equal(fo_result_read(&stream, &rows, NULL), FINOPS_OK);
        assert_int_equal(rows.n_rows, column.n_values);
        for (size_t i = 0; i < rows.n_rows; i++)
            if (!fo_value_same(sample->kind, sample->flags & FO_SAMPLE_SINGLE, fo_sample_wanted(sample, i),
                               fo_result_cell(&rows, i, 0)))
                fail_msg("%s, row %zu: %s, not %s", sample->label, i, fo_result_cell(&rows, i, 0),
                         fo_sample_wanted(sample, i));
    }
}

static void
batches_have_the_rows_asked_for(void **state)
{
    const fo_batch_spec spec = {
        .columns = columns, .n_columns = 3, .rows = 10, .batch = 4, .flags = FO_BATCH_EMPTY_BETWEEN
    };
    size_t batches = 0;

    (void)state;
    fo_free(text_of(&spec, &batches));
    assert_int_equal(batches, 7); /* three with rows, one without before each and one at the end */
}

static void
a_stream_that_fails_says_why_after_its_rows(void **state)
{
    unsigned released = 0;
    const fo_batch_spec spec = {
        .columns = columns, .n_columns = 3, .rows = 10, .fails = true, .released = &released
    };
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    struct ArrowArrayStream stream;
    int64_t rows = -1;

    (void)state;
    assert_true(fo_batch_stream(&spec, &stream));
    assert_int_not_equal(fo_result_count(&stream, &rows, &err), FINOPS_OK);
    assert_string_equal(finops_error_text(err), FO_BATCH_FAILURE);
    assert_int_equal(rows, -1);
    assert_int_equal(released, 1);
}

/* Whatever allocation fails, the reader ends with "memory" or the source's own failure, and leaks nothing. */
static void
reading_survives_every_failed_allocation(void **state)
{
    const fo_batch_spec spec = { .columns = columns, .n_columns = 3, .rows = 4 };
    finops_code rc;
    unsigned n = 0;

    (void)state;
    do {
        FO_AUTO(fo_result_done) fo_result rows = { 0 };
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        struct ArrowArrayStream stream;

        assert_true(fo_batch_stream(&spec, &stream));
        fo_mem_fail_at(++n);
        rc = fo_result_read(&stream, &rows, &err);
        if (fo_mem_failed())
            assert_int_equal(rc, FINOPS_E_MEMORY);
        fo_mem_fail_at(0);
        assert_true(rc == FINOPS_OK || rows.n_rows == 0);
    } while (rc != FINOPS_OK);
    assert_true(n > 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_taken_in_turn),
        cmocka_unit_test(slices_show_the_same_rows),
        cmocka_unit_test(every_sample_reads_as_it_is_wanted),
        cmocka_unit_test(batches_have_the_rows_asked_for),
        cmocka_unit_test(a_stream_that_fails_says_why_after_its_rows),
        cmocka_unit_test(reading_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
