/* Rows on their way to people and programs: tables, CSV and JSON, from verbs and from Arrow streams. */
#include "cli/render.h"
#include "cli_test.h"

#include <math.h>

/* ---- a stream of one column, made by hand ---- */

typedef struct one {
    struct ArrowSchema column, *columns[1], schema;
    struct ArrowArray values, *arrays[1], batch;
    const void *buffers[4];
    const void *no_buffers[1];
    int batches; /* how many times the same batch is given */
} one;

static void
schema_kept(struct ArrowSchema *s)
{
    s->release = NULL;
}

static void
array_kept(struct ArrowArray *a)
{
    a->release = NULL;
}

static void
stream_released(struct ArrowArrayStream *s)
{
    s->release = NULL;
}

static int
one_schema(struct ArrowArrayStream *s, struct ArrowSchema *ret)
{
    *ret = ((one *)s->private_data)->schema;
    return 0;
}

static int
one_next(struct ArrowArrayStream *s, struct ArrowArray *ret)
{
    one *o = s->private_data;

    *ret = (struct ArrowArray){ 0 };
    if (o->batches-- > 0)
        *ret = o->batch;
    return 0;
}

static int
broken_next(struct ArrowArrayStream *s, struct ArrowArray *ret)
{
    (void)s;
    (void)ret;
    return 5;
}

static const char *
one_error(struct ArrowArrayStream *s)
{
    (void)s;
    return "the disk is gone";
}

/* `validity` may be NULL; a and b are the buffers after it. */
static void
one_make(one *o, const char *format, int64_t rows, const void *validity, const void *a, const void *b)
{
    *o = (one){ .buffers = { validity, a, b, NULL }, .batches = 1 };
    o->column = (struct ArrowSchema){ .format = format, .name = "v", .flags = 2, .release = schema_kept };
    o->columns[0] = &o->column;
    o->schema = (struct ArrowSchema){
        .format = "+s", .name = "", .n_children = 1, .children = o->columns, .release = schema_kept
    };
    o->values = (struct ArrowArray){ .length = rows,
                                     .null_count = validity ? -1 : 0,
                                     .n_buffers = 3,
                                     .buffers = o->buffers,
                                     .release = array_kept };
    o->arrays[0] = &o->values;
    o->batch = (struct ArrowArray){ .length = rows,
                                    .n_buffers = 1,
                                    .buffers = o->no_buffers,
                                    .n_children = 1,
                                    .children = o->arrays,
                                    .release = array_kept };
}

static struct ArrowArrayStream
one_stream(one *o)
{
    return (struct ArrowArrayStream){ one_schema, one_next, one_error, stream_released, o };
}

static void
expect_stream(one *o, fo_out_format format, const char *text)
{
    caught c;
    struct ArrowArrayStream s = one_stream(o);

    caught_open(&c, format);
    assert_int_equal(fo_render_stream(&c.cli, &s, NULL), FINOPS_OK);
    assert_null(s.release); /* consumed */
    assert_string_equal(caught_text(&c), text);
    caught_done(&c);
}

/* ---- values ---- */

static void
integers_keep_their_sign_and_size(void **state)
{
    const int8_t small[] = { -128, 127 };
    const uint64_t large[] = { UINT64_MAX, 0 };
    one o;

    (void)state;
    one_make(&o, "c", 2, NULL, small, NULL);
    expect_stream(&o, FO_FORMAT_CSV, "v\n-128\n127\n");
    one_make(&o, "L", 2, NULL, large, NULL);
    expect_stream(&o, FO_FORMAT_NDJSON, "{\"v\":18446744073709551615}\n{\"v\":0}\n");
}

static void
decimals_keep_every_digit_at_any_scale(void **state)
{
    __extension__ typedef __int128 wide;
    const wide v[] = { (wide)-5, (wide)1234567890123456789 * 1000000000000000000 + 1, 0 };
    one o;

    (void)state;
    one_make(&o, "d:38,18", 3, NULL, v, NULL);
    expect_stream(&o, FO_FORMAT_CSV,
                  "v\n-0.000000000000000005\n1234567890123456789.000000000000000001\n"
                  "0.000000000000000000\n");
    one_make(&o, "d:38,0", 3, NULL, v, NULL);
    expect_stream(&o, FO_FORMAT_NDJSON,
                  "{\"v\":-5}\n{\"v\":1234567890123456789000000000000000001}\n{\"v\":0}\n");
    one_make(&o, "d:38,-2", 1, NULL, v, NULL);
    expect_stream(&o, FO_FORMAT_NDJSON, "{\"v\":-500}\n");
}

static void
a_double_is_its_shortest_text_that_reads_back(void **state)
{
    const double v[] = { 0.1, 890123.4567891234, 1e300, 5e-324, 3, NAN, -INFINITY };
    const float f[] = { 0.1f, 16777216.f };
    one o;

    (void)state;
    one_make(&o, "g", 7, NULL, v, NULL);
    expect_stream(&o, FO_FORMAT_CSV, "v\n0.1\n890123.4567891234\n1e+300\n5e-324\n3\nNaN\n-Infinity\n");
    one_make(&o, "f", 2, NULL, f, NULL);
    expect_stream(&o, FO_FORMAT_JSON, "[\n{\"v\":0.1},\n{\"v\":16777216}\n]\n");
    one_make(&o, "g", 1, NULL, &v[5], NULL);
    expect_stream(&o, FO_FORMAT_NDJSON, "{\"v\":\"NaN\"}\n"); /* JSON has no such number */
}

static void
times_of_every_unit_are_utc_in_iso_8601(void **state)
{
    const int64_t seconds[] = { 1767225600, -1 };
    const int64_t micros[] = { 1767225600123450, INT64_MAX };
    const int64_t nanos[] = { -1 };
    one o;

    (void)state;
    one_make(&o, "tss:", 2, NULL, seconds, NULL);
    expect_stream(&o, FO_FORMAT_CSV, "v\n2026-01-01T00:00:00Z\n1969-12-31T23:59:59Z\n");
    one_make(&o, "tsu:Europe/Berlin", 2, NULL, micros, NULL);
    expect_stream(&o, FO_FORMAT_CSV, "v\n2026-01-01T00:00:00.12345Z\ninfinity\n");
    one_make(&o, "tsn:", 1, NULL, nanos, NULL);
    expect_stream(&o, FO_FORMAT_NDJSON, "{\"v\":\"1969-12-31T23:59:59.999999999Z\"}\n");
    one_make(&o, "tsu:", 1, NULL, micros, NULL);
    expect_stream(&o, FO_FORMAT_TABLE, "v\n2026-01-01 00:00:00.12345\n");
}

static void
dates_clocks_and_intervals_are_readable(void **state)
{
    const int32_t days[] = { 0, -719528, 20485 };
    const int64_t clock[] = { 86399999999 };
    const struct {
        int32_t months, days;
        int64_t nanos;
    } spans[] = { { 14, 3, 14706000000000 }, { 0, 0, 0 }, { -1, 0, -500000000 } };
    one o;

    (void)state;
    one_make(&o, "tdD", 3, NULL, days, NULL);
    expect_stream(&o, FO_FORMAT_CSV, "v\n1970-01-01\n0000-01-01\n2026-02-01\n");
    one_make(&o, "ttu", 1, NULL, clock, NULL);
    expect_stream(&o, FO_FORMAT_CSV, "v\n23:59:59.999999\n");
    one_make(&o, "tin", 3, NULL, spans, NULL);
    expect_stream(&o, FO_FORMAT_CSV, "v\n1 year 2 months 3 days 04:05:06\n00:00:00\n-1 month -00:00:00.5\n");
}

static void
null_and_the_empty_text_stay_apart(void **state)
{
    const int32_t offsets[] = { 0, 0, 0, 1 };
    const uint8_t valid[] = { 0x6 };
    one o;

    (void)state;
    one_make(&o, "u", 3, valid, offsets, "x");
    expect_stream(&o, FO_FORMAT_CSV, "v\n\n\"\"\nx\n");
    one_make(&o, "u", 3, valid, offsets, "x");
    expect_stream(&o, FO_FORMAT_NDJSON, "{\"v\":null}\n{\"v\":\"\"}\n{\"v\":\"x\"}\n");
}

static void
text_is_quoted_as_each_format_wants_it(void **state)
{
    const char text[] = "a,\"b\"\nc\033\xff";
    const int64_t offsets[] = { 0, sizeof(text) - 1 };
    one o;

    (void)state;
    one_make(&o, "U", 1, NULL, offsets, text);
    expect_stream(&o, FO_FORMAT_CSV, "v\n\"a,\"\"b\"\"\nc\033\xff\"\n");
    one_make(&o, "U", 1, NULL, offsets, text);
    expect_stream(&o, FO_FORMAT_NDJSON, "{\"v\":\"a,\\\"b\\\"\\nc\\u001b\xEF\xBF\xBD\"}\n");
    one_make(&o, "U", 1, NULL, offsets, text);
    expect_stream(&o, FO_FORMAT_TABLE, "v\na,\"b\"\\nc\\x1b\\xff\n");
}

static void
slices_of_bits_and_texts_begin_at_their_offset(void **state)
{
    const uint8_t bits[] = { 0x05, 0x01 };
    const int32_t offsets[] = { 0, 1, 3 };
    one o;

    (void)state;
    one_make(&o, "b", 3, NULL, bits, NULL);
    o.values.offset = 6;
    expect_stream(&o, FO_FORMAT_CSV, "v\nfalse\nfalse\ntrue\n");
    one_make(&o, "u", 2, NULL, offsets, "abb");
    o.batch.length = 1;
    o.batch.offset = 1;
    expect_stream(&o, FO_FORMAT_CSV, "v\nbb\n");
}

static void
short_and_long_text_views_are_read(void **state)
{
    static const char far[] = "....a text beyond twelve bytes";
    struct {
        int32_t n;
        char start[4];
        int32_t buffer, at;
    } views[2] = { { 2, "hi", 0, 0 }, { 26, "a te", 0, 4 } };
    one o;

    (void)state;
    one_make(&o, "vu", 2, NULL, views, far);
    expect_stream(&o, FO_FORMAT_CSV, "v\nhi\na text beyond twelve bytes\n");
}

static void
lists_structs_and_maps_become_json(void **state)
{
    const int32_t list_offsets[] = { 0, 2, 2 }, key_offsets[] = { 0, 1, 3 };
    const int32_t numbers[] = { 7, 8 };
    struct ArrowSchema key = { .format = "u", .name = "key" }, value = { .format = "i", .name = "value" };
    struct ArrowSchema *members[] = { &key, &value };
    struct ArrowSchema entry = { .format = "+s", .name = "entries", .n_children = 2, .children = members };
    struct ArrowSchema *entries[] = { &entry };
    const void *key_buffers[] = { NULL, key_offsets, "k\"q" }, *number_buffers[] = { NULL, numbers };
    const void *none[] = { NULL };
    struct ArrowArray keys = { .length = 2, .n_buffers = 3, .buffers = key_buffers };
    struct ArrowArray values = { .length = 2, .n_buffers = 2, .buffers = number_buffers };
    struct ArrowArray *pair[] = { &keys, &values };
    struct ArrowArray structs = {
        .length = 2, .n_buffers = 1, .buffers = none, .n_children = 2, .children = pair
    };
    struct ArrowArray *inner[] = { &structs };
    one o;

    (void)state;
    one_make(&o, "+l", 2, NULL, list_offsets, NULL);
    o.column.n_children = o.values.n_children = 1;
    o.column.children = entries;
    o.values.children = inner;
    expect_stream(
        &o, FO_FORMAT_NDJSON,
        "{\"v\":[{\"key\": \"k\", \"value\": 7}, {\"key\": \"\\\"q\", \"value\": 8}]}\n{\"v\":[]}\n");
    o.batches = 1;
    o.column.format = "+m";
    expect_stream(&o, FO_FORMAT_NDJSON, "{\"v\":{\"k\": 7, \"\\\"q\": 8}}\n{\"v\":{}}\n");
    o.batches = 1;
    expect_stream(&o, FO_FORMAT_TABLE, "v\n{\"k\": 7, \"\\\"q\": 8}\n{}\n");
}

static void
a_dictionary_shows_what_its_numbers_stand_for(void **state)
{
    const uint8_t picks[] = { 1, 0, 1 };
    const int32_t offsets[] = { 0, 3, 6 };
    const void *buffers[] = { NULL, offsets, "onetwo" };
    struct ArrowSchema words = { .format = "u" };
    struct ArrowArray values = { .length = 2, .n_buffers = 3, .buffers = buffers };
    one o;

    (void)state;
    one_make(&o, "C", 3, NULL, picks, NULL);
    o.column.dictionary = &words;
    o.values.dictionary = &values;
    expect_stream(&o, FO_FORMAT_CSV, "v\ntwo\none\ntwo\n");
}

/* ---- streams ---- */

static void
an_empty_result_is_a_heading_or_an_empty_array(void **state)
{
    one o;

    (void)state;
    one_make(&o, "i", 0, NULL, "", NULL);
    o.batches = 0;
    expect_stream(&o, FO_FORMAT_JSON, "[]\n");
    expect_stream(&o, FO_FORMAT_CSV, "v\n");
    expect_stream(&o, FO_FORMAT_NDJSON, "");
    expect_stream(&o, FO_FORMAT_TABLE, "");
}

static void
a_stream_that_breaks_says_why(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    struct ArrowArrayStream s;
    caught c;
    one o;

    (void)state;
    one_make(&o, "i", 1, NULL, "", NULL);
    s = one_stream(&o);
    s.get_next = broken_next;
    caught_open(&c, FO_FORMAT_CSV);
    assert_int_equal(fo_render_stream(&c.cli, &s, &err), FINOPS_E_DATABASE);
    assert_string_equal(finops_error_text(err), "read rows: the disk is gone");
    caught_done(&c);
}

static void
a_type_that_cannot_be_shown_is_named(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    struct ArrowArrayStream s;
    caught c;
    one o;

    (void)state;
    one_make(&o, "d:76,2,256", 1, NULL, "", NULL);
    s = one_stream(&o);
    caught_open(&c, FO_FORMAT_CSV);
    assert_int_equal(fo_render_stream(&c.cli, &s, &err), FINOPS_E_UNSUPPORTED);
    assert_string_equal(finops_error_text(err), "column v: cannot show values of Arrow type \"d:76,2,256\"");
    caught_done(&c);
}

static void
a_stop_request_ends_the_printing(void **state)
{
    fo_cancel cancel = { 0 };
    struct ArrowArrayStream s;
    caught c;
    one o;

    (void)state;
    one_make(&o, "i", 0, NULL, "", NULL);
    s = one_stream(&o);
    caught_open(&c, FO_FORMAT_CSV);
    c.cli.cancel = &cancel;
    fo_cancel_request(&cancel);
    assert_int_equal(fo_render_stream(&c.cli, &s, NULL), FINOPS_E_CANCELLED);
    caught_done(&c);
}

static void
a_table_fixes_its_widths_after_a_thousand_rows(void **state)
{
    static int32_t numbers[1002];
    caught c;
    one o;
    struct ArrowArrayStream s;

    (void)state;
    numbers[999] = 123;
    numbers[1000] = 1234567;
    one_make(&o, "i", 1002, NULL, numbers, NULL);
    s = one_stream(&o);
    caught_open(&c, FO_FORMAT_TABLE);
    assert_int_equal(fo_render_stream(&c.cli, &s, NULL), FINOPS_OK);
    assert_true(fo_starts(caught_text(&c), "  v\n  0\n"));
    assert_true(fo_ends(caught_text(&c), "\n123\n1234567\n  0\n"));
    caught_done(&c);
}

static void
rendering_survives_every_failed_allocation(void **state)
{
    const int32_t offsets[] = { 0, 1, 2 };
    finops_code rc;
    unsigned n = 0;

    (void)state;
    do {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        struct ArrowArrayStream s;
        bool failed;
        caught c;
        one o;

        one_make(&o, "u", 2, NULL, offsets, "ab");
        s = one_stream(&o);
        caught_open(&c, n % 2 ? FO_FORMAT_TABLE : FO_FORMAT_JSON);
        fo_mem_fail_at(1 + n++ / 2);
        rc = fo_render_stream(&c.cli, &s, &err);
        failed = fo_mem_failed();
        fo_mem_fail_at(0);
        assert_int_equal(rc, failed ? FINOPS_E_MEMORY : FINOPS_OK);
        caught_done(&c);
    } while (rc != FINOPS_OK || n % 2);
    assert_true(n > 10);
}

/* ---- tables that verbs make ---- */

static const fo_table_column costs[] = { { "service", "Service", false },
                                         { "cost", "Cost", true },
                                         { "note", NULL, false } };

static void
expect_table(fo_out_format format, unsigned width, bool colour, const char *text)
{
    FO_AUTO(fo_table_freep) fo_table *t = fo_table_new(costs, FO_COUNT(costs));
    caught c;

    assert_non_null(t);
    assert_true(fo_table_add(t, (const char *const[]){ "Amazon S3", "1200.50", NULL }));
    assert_true(fo_table_add(t, (const char *const[]){ "計算", "7", "a rather long remark" }));
    assert_true(fo_table_add(t, (const char *const[]){ "none", "n/a", "" }));
    caught_open(&c, format);
    c.cli.width = width;
    c.cli.colour = colour;
    assert_int_equal(fo_table_print(&c.cli, t, NULL), FINOPS_OK);
    assert_string_equal(caught_text(&c), text);
    caught_done(&c);
}

static void
columns_line_up_numbers_to_the_right(void **state)
{
    (void)state;
    expect_table(FO_FORMAT_TABLE, 0, false,
                 "Service       Cost  note\n"
                 "Amazon S3  1200.50\n"
                 "計算             7  a rather long remark\n"
                 "none           n/a\n");
}

static void
a_coloured_table_has_a_bold_heading_and_a_dim_rule(void **state)
{
    (void)state;
    expect_table(FO_FORMAT_TABLE, 0, true,
                 "\033[1mService       Cost  note\033[0m\n"
                 "\033[2m─────────  ───────  ────────────────────\033[0m\n"
                 "Amazon S3  1200.50\n"
                 "計算             7  a rather long remark\n"
                 "none           n/a\n");
}

static void
a_narrow_terminal_cuts_texts_but_never_numbers(void **state)
{
    (void)state;
    expect_table(FO_FORMAT_TABLE, 32, false,
                 "Service       Cost  note\n"
                 "Amazon S3  1200.50\n"
                 "計算             7  a rather lo…\n"
                 "none           n/a\n");
    expect_table(FO_FORMAT_TABLE, 20, false,
                 "Service       Cost\n"
                 "Amazon S3  1200.50\n"
                 "計算             7\n"
                 "none           n/a\n");
}

static void
programs_get_numbers_as_numbers_and_gaps_as_null(void **state)
{
    (void)state;
    expect_table(FO_FORMAT_JSON, 0, false,
                 "[\n{\"service\":\"Amazon S3\",\"cost\":1200.50,\"note\":null},\n"
                 "{\"service\":\"計算\",\"cost\":7,\"note\":\"a rather long remark\"},\n"
                 "{\"service\":\"none\",\"cost\":\"n/a\",\"note\":\"\"}\n]\n");
    expect_table(FO_FORMAT_CSV, 0, false,
                 "service,cost,note\nAmazon S3,1200.50,\n計算,7,a rather long remark\n"
                 "none,n/a,\"\"\n");
}

static void
only_json_numbers_are_numbers(void **state)
{
    static const char *const yes[] = { "0", "-0.5", "12", "1e9", "1.5E-3" };
    static const char *const no[] = { "", "-", "01", ".5", "5.", "+1", "1e", "NaN", "1 ", "1,000" };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(yes); i++)
        assert_true(fo_json_number(yes[i], strlen(yes[i])));
    for (size_t i = 0; i < FO_COUNT(no); i++)
        assert_false(fo_json_number(no[i], strlen(no[i])));
}

static void
a_text_cannot_steer_the_terminal(void **state)
{
    static const char text[] = "\033[2J\tok\xC2\x9B\xE2\x80\xAE é";
    FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;

    (void)state;
    fo_text_safe(&s, text, sizeof(text) - 1);
    assert_string_equal(fo_str_z(&s), "\\x1b[2J\\tok\\x9b\\u202e é");
}

static void
a_full_disk_is_an_error_and_no_silence(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_table_freep) fo_table *t = fo_table_new(costs, FO_COUNT(costs));
    fo_cli cli = { .format = FO_FORMAT_CSV, .out = fopen("/dev/full", "w") };

    (void)state;
    assert_non_null(cli.out);
    assert_int_equal(fo_table_print(&cli, t, &err), FINOPS_E_IO);
    assert_true(fo_starts(finops_error_text(err), "write the output: "));
    assert_false(fo_out_closed());
    (void)fclose(cli.out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_keep_their_sign_and_size),
        cmocka_unit_test(decimals_keep_every_digit_at_any_scale),
        cmocka_unit_test(a_double_is_its_shortest_text_that_reads_back),
        cmocka_unit_test(times_of_every_unit_are_utc_in_iso_8601),
        cmocka_unit_test(dates_clocks_and_intervals_are_readable),
        cmocka_unit_test(null_and_the_empty_text_stay_apart),
        cmocka_unit_test(text_is_quoted_as_each_format_wants_it),
        cmocka_unit_test(slices_of_bits_and_texts_begin_at_their_offset),
        cmocka_unit_test(short_and_long_text_views_are_read),
        cmocka_unit_test(lists_structs_and_maps_become_json),
        cmocka_unit_test(a_dictionary_shows_what_its_numbers_stand_for),
        cmocka_unit_test(an_empty_result_is_a_heading_or_an_empty_array),
        cmocka_unit_test(a_stream_that_breaks_says_why),
        cmocka_unit_test(a_type_that_cannot_be_shown_is_named),
        cmocka_unit_test(a_stop_request_ends_the_printing),
        cmocka_unit_test(a_table_fixes_its_widths_after_a_thousand_rows),
        cmocka_unit_test(rendering_survives_every_failed_allocation),
        cmocka_unit_test(columns_line_up_numbers_to_the_right),
        cmocka_unit_test(a_coloured_table_has_a_bold_heading_and_a_dim_rule),
        cmocka_unit_test(a_narrow_terminal_cuts_texts_but_never_numbers),
        cmocka_unit_test(programs_get_numbers_as_numbers_and_gaps_as_null),
        cmocka_unit_test(only_json_numbers_are_numbers),
        cmocka_unit_test(a_text_cannot_steer_the_terminal),
        cmocka_unit_test(a_full_disk_is_an_error_and_no_silence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
