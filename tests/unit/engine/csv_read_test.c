/* What finops_bill_csv() makes of good files. */
#include "csv_test.h"

#include <isa-l/igzip_lib.h>

static const fo_csv_column texts[] = { { "a", FO_CSV_TEXT }, { "b", FO_CSV_TEXT }, { "c", FO_CSV_TEXT } };
static const fo_csv_column typed[] = { { "id", FO_CSV_TEXT },
                                       { "cost", FO_CSV_DECIMAL },
                                       { "start", FO_CSV_TIMESTAMP } };

static void
fields_become_values_of_their_types(void **state)
{
    fixture *f = *state;

    job_columns(f, typed, 3);
    job_text(f, "a.csv",
             "identity/LineItemId,lineItem/UnblendedCost,lineItem/UsageStartDate\n"
             "00123,12.5,2024-10-24T23:00:00Z\n"
             "\"a longer text, with a comma\",\"0.000000000000000001\",\"2024-10-24T23:00:00Z\"\n"
             ",,\n"
             "abcdefghijkl,-99999999999999999999.999999999999999999,2024-02-29 01:02:03.456\n"
             "abcdefghijklm,1e-3,2024-10-24T23:00:00.000Z\n",
             3);
    job_gives(f, "FROM finops_bill_csv()",
              "00123|12.500000000000000000|2024-10-24 23:00:00\n"
              "a longer text, with a comma|0.000000000000000001|2024-10-24 23:00:00\n"
              "-|-|-\n"
              "abcdefghijkl|-99999999999999999999.999999999999999999|2024-02-29 01:02:03.456\n"
              "abcdefghijklm|0.001000000000000000|2024-10-24 23:00:00\n");
    assert_int_equal(f->job.rows, 5);
    assert_int_equal(f->job.rounded, 0);
}

static void
columns_have_the_types_asked_for(void **state)
{
    fixture *f = *state;

    job_columns(f, typed, 3);
    job_text(f, "a.csv", "a,b,c\n,1,\n", 3);
    job_gives(f, "SELECT typeof(id), typeof(cost), typeof(start) FROM finops_bill_csv()",
              "VARCHAR|DECIMAL(38,18)|TIMESTAMP\n");
}

static void
quotes_hold_commas_line_ends_and_quotes(void **state)
{
    fixture *f = *state;

    job_columns(f, texts, 3);
    job_text(f, "a.csv",
             "\"a\",\"b\nb\",c\n"
             "\"1,\"\"2\"\"\",\"\"\"\",\"x\r\ny\"\n"
             "5\" pipe,a\"\"b,\"\"\n",
             3);
    job_gives(f, "FROM finops_bill_csv()",
              "1,\"2\"|\"|x\r\ny\n"
              "5\" pipe|a\"\"b|-\n");
}

static void
line_ends_may_be_crlf_and_the_last_missing(void **state)
{
    static const char *const files[] = { "a,b,c\n1,2,3\n4,5,\n", "a,b,c\r\n1,2,3\r\n4,5,\r\n",
                                         "a,b,c\r\n1,2,3\r\n4,5,", "\xef\xbb\xbf\"a\",b,c\n1,2,3\n4,5,",
                                         "a,b,\"c\"\r\n\"1\",2,\"3\"\r\n\"4\",5,\"\"" };
    fixture *f = *state;

    for (size_t i = 0; i < FO_COUNT(files); i++) {
        job_columns(f, texts, 3);
        job_text(f, "a.csv", files[i], 3);
        job_gives(f, "FROM finops_bill_csv()", "1|2|3\n4|5|-\n");
    }
}

static void
a_byte_order_mark_hides_no_quote(void **state)
{
    fixture *f = *state;

    for (size_t block = 1; block < 20; block++) {
        fo_csv_set_limits(f->conn, (fo_csv_limits){ .block = block, .input = 5 });
        job_columns(f, texts, 2);
        job_text(f, "a.csv", "\xef\xbb\xbf\"a\n\nb\",c\n1,2\n", 2);
        job_gives(f, "FROM finops_bill_csv()", "1|2\n");
    }
    fo_csv_set_limits(f->conn, FO_CSV_LIMITS);
}

static void
a_carriage_return_elsewhere_is_text(void **state)
{
    fixture *f = *state;

    job_columns(f, texts, 3);
    job_text(f, "a.csv", "a,b,c\n1\r,\r2,3\r\r\n", 3);
    job_gives(f, "SELECT hex(a), hex(b), hex(c) FROM finops_bill_csv()", "310D|0D32|330D\n");
}

static void
a_null_text_is_null_where_it_is_unquoted(void **state)
{
    fixture *f = *state;

    job_columns(f, typed, 3);
    f->job.null_text = "NULL";
    job_text(f, "a.csv", "a,b,c\nNULL,NULL,NULL\n\"NULL\",1,\nNULLS,2,NULL\n", 3);
    job_gives(f, "SELECT id, cost::INT, start FROM finops_bill_csv()", "-|-|-\nNULL|1|-\nNULLS|2|-\n");
}

static void
a_file_without_rows_has_none(void **state)
{
    fixture *f = *state;

    job_columns(f, texts, 3);
    job_text(f, "a.csv", "a,b,c", 3);
    job_text(f, "b.csv", "a,b,c\n", 3);
    job_text(f, "c.csv", "a,b,c\n1,2,3\n", 3);
    job_gives(f, "FROM finops_bill_csv()", "1|2|3\n");
    job_columns(f, texts, 3);
    job_gives(f, "FROM finops_bill_csv()", ""); /* and no files have none */
}

static void
files_of_other_columns_fill_their_own(void **state)
{
    static const int first[] = { 2, -1, 0 };
    static const int second[] = { 1 };
    fixture *f = *state;

    job_columns(f, texts, 3);
    job_file(f, "a.csv", fixture_file(f, "a.csv", "c,x,a\n1,\"2\",3\n", 14), 3, first);
    job_file(f, "b.csv", fixture_file(f, "b.csv", "b\nonly\n\n", 8), 1, second);
    job_gives(f, "FROM finops_bill_csv() ORDER BY ALL NULLS LAST", "3|-|1\n-|only|-\n-|-|-\n");
}

static void
digits_beyond_the_18th_are_rounded_and_counted(void **state)
{
    fixture *f = *state;

    job_columns(f, typed, 3);
    job_text(f, "a.csv",
             "a,b,c\n,0.0000000000000000015,\n,0.0000000000000000014,\n,1.50000000000000000000,\n", 3);
    job_gives(f, "SELECT cost FROM finops_bill_csv() ORDER BY cost",
              "0.000000000000000001\n0.000000000000000002\n1.500000000000000000\n");
    assert_int_equal(f->job.rounded, 2);
}

/* Rows of many lengths, NULLs in patterns that cross the words of a validity mask. */
static void
many_text(fo_str *ret, unsigned rows)
{
    fo_str_add(ret, "n,cost,start\n");
    for (unsigned i = 0; i < rows; i++) {
        fo_str_addf(ret, "%u", i);
        fo_str_addf(ret, i % 3 == 0 ? ",%u.25," : ",,", i);
        fo_str_add(ret, i % 65 == 0 ? "2024-11-01T00:00:00Z\n" : "\n");
    }
    assert_true(fo_str_ok(ret));
}

static void
blocks_of_any_size_give_the_same_rows(void **state)
{
    static const size_t blocks[] = { 1, 50, 64, 1000, 4096, 65536, FO_CSV_BLOCK };
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    fixture *f = *state;

    many_text(&text, 10000);
    for (size_t i = 0; i < FO_COUNT(blocks); i++) {
        fo_csv_set_limits(f->conn, (fo_csv_limits){ .block = blocks[i], .input = 1 + blocks[i] / 2 });
        job_columns(f, typed, 3);
        job_text(f, "a.csv", fo_str_z(&text), 3);
        job_text(f, "b.csv", fo_str_z(&text), 3);
        job_gives(f,
                  "SELECT count(*), count(cost), count(start), sum(id::INT), sum(cost)::DECIMAL(38,2), "
                  "count(*) FILTER (cost <> id::INT + 0.25), count(DISTINCT id) FROM finops_bill_csv()",
                  "20000|6668|308|99990000|33338333.00|0|10000\n");
        assert_int_equal(f->job.rows, 20000);
        assert_int_equal(f->job.bytes_read, 2 * text.len);
    }
    fo_csv_set_limits(f->conn, FO_CSV_LIMITS);
}

static void
a_record_longer_than_a_block_is_whole(void **state)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    fixture *f = *state;

    fo_str_add(&text, "a,b,c\n1,\"");
    for (unsigned i = 0; i < 100000; i++)
        fo_str_add(&text, "long\n\"\",");
    fo_str_add(&text, "\",3\nx,y,z\n");
    fo_csv_set_limits(f->conn, (fo_csv_limits){ .block = 100, .input = 100 });
    job_columns(f, texts, 3);
    job_text(f, "a.csv", fo_str_z(&text), 3);
    job_gives(f, "SELECT a, length(b), c FROM finops_bill_csv() ORDER BY a", "1|700000|3\nx|1|z\n");
    fo_csv_set_limits(f->conn, FO_CSV_LIMITS);
}

static void
six_hundred_columns_are_normal(void **state)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    fo_csv_column columns[600];
    int targets[600];
    char names[600][8];
    const fo_csv_file input = { .label = "wide.csv", .targets = targets, .n_fields = 600 };
    fixture *f = *state;

    for (unsigned i = 0; i < 600; i++) {
        snprintf(names[i], sizeof(names[i]), "c%u", i);
        columns[i] = (fo_csv_column){ names[i], FO_CSV_TEXT };
        targets[i] = (int)i;
    }
    for (unsigned row = 0; row < 101; row++)
        for (unsigned i = 0; i < 600; i++)
            fo_str_addf(&text, "%u%s", row * i, i < 599 ? "," : "\n");
    job_columns(f, columns, 600);
    f->inputs[0] = input;
    f->inputs[0].address = fixture_file(f, "wide.csv", fo_str_z(&text), text.len);
    f->job.n_inputs = 1;
    job_gives(f, "SELECT count(*), sum(c0::INT), sum(c1::INT), sum(c599::INT) FROM finops_bill_csv()",
              "100|0|5050|3024950\n");
}

/* One gzip member, made by the library's own compressor. */
static size_t
gzip_text(const char *text, uint8_t *ret, size_t room)
{
    FO_AUTO(fo_freep) char *copy = fo_strdup(text);
    struct isal_zstream z;

    assert_non_null(copy);
    isal_deflate_stateless_init(&z);
    z.gzip_flag = IGZIP_GZIP;
    z.next_in = (uint8_t *)copy;
    z.avail_in = (uint32_t)strlen(copy);
    z.next_out = ret;
    z.avail_out = (uint32_t)room;
    z.end_of_stream = 1;
    assert_int_equal(isal_deflate_stateless(&z), COMP_OK);
    return z.total_out;
}

static void
gzip_is_read_by_its_name_and_by_its_bytes(void **state)
{
    uint8_t bytes[400];
    size_t n = gzip_text("a,b,c\n1,2,3\n", bytes, sizeof(bytes));
    fixture *f = *state;

    n += gzip_text("4,5,6\n", bytes + n, sizeof(bytes) - n);
    job_columns(f, texts, 3);
    job_file(f, "a.csv.gz", fixture_file(f, "a.csv.gz", bytes, n), 3, NULL);
    job_file(f, "b.csv", fixture_file(f, "b.csv", bytes, n), 3, NULL);
    job_gives(f, "FROM finops_bill_csv() ORDER BY ALL", "1|2|3\n1|2|3\n4|5|6\n4|5|6\n");
    assert_int_equal(f->job.bytes_read, 2 * n);
}

static void
a_header_is_its_fields_without_quotes(void **state)
{
    FO_AUTO(fo_strv_done) fo_strv names = FO_STRV_INIT;
    const char text[] = "\xef\xbb\xbf"
                        "identity/LineItemId,\"resourceTags/user:a\"\"b, c\",,last\r\n1,2,3,4\r\n";
    fixture *f = *state;
    const char *path = fixture_file(f, "a.csv", text, strlen(text));

    assert_int_equal(fo_csv_header(f->files, path, "a.csv", &names, NULL, NULL), FINOPS_OK);
    assert_int_equal(names.n, 4);
    assert_string_equal(names.items[0], "identity/LineItemId");
    assert_string_equal(names.items[1], "resourceTags/user:a\"b, c");
    assert_string_equal(names.items[2], "");
    assert_string_equal(names.items[3], "last");
}

static void
a_header_may_be_longer_than_a_read(void **state)
{
    FO_AUTO(fo_strv_done) fo_strv names = FO_STRV_INIT;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    fixture *f = *state;

    for (unsigned i = 0; i < 20000; i++)
        fo_str_addf(&text, "column_%u,", i);
    fo_str_add(&text, "last");
    assert_int_equal(fo_csv_header(f->files, fixture_file(f, "a.csv", fo_str_z(&text), text.len), "a.csv",
                                   &names, NULL, NULL),
                     FINOPS_OK);
    assert_int_equal(names.n, 20001);
    assert_string_equal(names.items[19999], "column_19999");
    assert_string_equal(names.items[20000], "last");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_become_values_of_their_types),
        cmocka_unit_test(columns_have_the_types_asked_for),
        cmocka_unit_test(quotes_hold_commas_line_ends_and_quotes),
        cmocka_unit_test(line_ends_may_be_crlf_and_the_last_missing),
        cmocka_unit_test(a_byte_order_mark_hides_no_quote),
        cmocka_unit_test(a_carriage_return_elsewhere_is_text),
        cmocka_unit_test(a_null_text_is_null_where_it_is_unquoted),
        cmocka_unit_test(a_file_without_rows_has_none),
        cmocka_unit_test(files_of_other_columns_fill_their_own),
        cmocka_unit_test(digits_beyond_the_18th_are_rounded_and_counted),
        cmocka_unit_test(blocks_of_any_size_give_the_same_rows),
        cmocka_unit_test(a_record_longer_than_a_block_is_whole),
        cmocka_unit_test(six_hundred_columns_are_normal),
        cmocka_unit_test(gzip_is_read_by_its_name_and_by_its_bytes),
        cmocka_unit_test(a_header_is_its_fields_without_quotes),
        cmocka_unit_test(a_header_may_be_longer_than_a_read),
    };

    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
