/* COPY's binary rows, byte by byte, without a server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "database/postgresql/encode.h"

/* One column of a batch, and the column of the table it goes into. */
typedef struct bench {
    struct ArrowSchema schema;
    struct ArrowArray batch;
    fo_pg_encoder encoder;
    fo_pg_column column;
    fo_pg_columns_list columns;
    finops_error *err;
} bench;

static void
bench_done(bench *b)
{
    fo_pg_encoder_done(&b->encoder);
    if (b->batch.release)
        b->batch.release(&b->batch);
    if (b->schema.release)
        b->schema.release(&b->schema);
    finops_error_free(b->err);
}

static struct ArrowSchema *
type_of(bench *b)
{
    return b->schema.children[0];
}

static struct ArrowArray *
values_of(bench *b)
{
    return b->batch.children[0];
}

static void
bench_begin(bench *b)
{
    *b = (bench){ 0 };
    ArrowSchemaInit(&b->schema);
    assert_int_equal(ArrowSchemaSetTypeStruct(&b->schema, 1), 0);
    assert_int_equal(ArrowSchemaSetName(type_of(b), "c"), 0);
}

static void
bench_type(bench *b, enum ArrowType type)
{
    bench_begin(b);
    assert_int_equal(ArrowSchemaSetType(type_of(b), type), 0);
    assert_int_equal(ArrowSchemaSetName(type_of(b), "c"), 0);
}

static void
bench_values(bench *b)
{
    assert_int_equal(ArrowArrayInitFromSchema(&b->batch, &b->schema, NULL), 0);
    assert_int_equal(ArrowArrayStartAppending(&b->batch), 0);
}

/* The rows of the batch for a column of the type; what stands between the rows' field counts is compared. */
static finops_code
bench_encode(bench *b, unsigned oid, int typmod)
{
    static char name[] = "c", native[] = "its type";
    struct ArrowArray batch;
    bool more = true;
    finops_code rc;

    b->batch.length = values_of(b)->length;
    assert_int_equal(ArrowArrayFinishBuildingDefault(&b->batch, NULL), 0);
    b->column = (fo_pg_column){ .name = name, .oid = oid, .typmod = typmod, .native = native };
    b->columns = (fo_pg_columns_list){ .items = &b->column, .n = 1, .exists = true };
    rc = fo_pg_encoder_init(&b->encoder, &b->schema, &b->err);
    if (rc == FINOPS_OK)
        rc = fo_pg_encoder_map(&b->encoder, &b->columns, &b->err);
    ArrowArrayMove(&b->batch, &batch);
    if (rc == FINOPS_OK)
        rc = fo_pg_encoder_batch(&b->encoder, &batch, &b->err);
    else
        batch.release(&batch);
    return rc == FINOPS_OK ? fo_pg_encoder_rows(&b->encoder, SIZE_MAX, &more, &b->err) : rc;
}

static void
expect_hex(const fo_pg_buffer *out, const char *hex)
{
    char *text = malloc(out->len * 2 + 1);

    assert_non_null(text);
    text[0] = '\0';
    for (size_t i = 0; i < out->len; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", out->data[i]);
    assert_string_equal(text, hex);
    free(text);
}

static void
expect(bench *b, unsigned oid, int typmod, const char *hex)
{
    if (bench_encode(b, oid, typmod) != FINOPS_OK)
        fail_msg("%s", finops_error_text(b->err));
    expect_hex(&b->encoder.out, hex);
    bench_done(b);
}

static void
expect_error(bench *b, unsigned oid, int typmod, const char *text)
{
    assert_int_equal(bench_encode(b, oid, typmod), FINOPS_E_DATA);
    assert_string_equal(finops_error_text(b->err), text);
    bench_done(b);
}

static int
typmod(int precision, int scale)
{
    return ((precision << 16) | scale) + 4;
}

static void
header_and_trailer_are_those_of_the_format(void **state)
{
    bench b;

    (void)state;
    bench_type(&b, NANOARROW_TYPE_INT32);
    assert_int_equal(fo_pg_encoder_init(&b.encoder, &b.schema, &b.err), FINOPS_OK);
    assert_int_equal(fo_pg_encoder_header(&b.encoder, &b.err), FINOPS_OK);
    assert_int_equal(fo_pg_encoder_trailer(&b.encoder, &b.err), FINOPS_OK);
    expect_hex(&b.encoder.out, "5047434f50590aff0d0a00"
                               "0000000000000000"
                               "ffff");
    bench_done(&b);
}

static void
ints_of_any_width_go_into_ints_that_hold_them(void **state)
{
    bench b;

    (void)state;
    bench_type(&b, NANOARROW_TYPE_INT32);
    bench_values(&b);
    (void)ArrowArrayAppendInt(values_of(&b), INT32_MIN);
    (void)ArrowArrayAppendNull(values_of(&b), 1);
    (void)ArrowArrayAppendInt(values_of(&b), INT32_MAX);
    expect(&b, PG_INT4, -1,
           "0001"
           "0000000480000000"
           "0001"
           "ffffffff"
           "0001"
           "000000047fffffff");

    bench_type(&b, NANOARROW_TYPE_INT32);
    bench_values(&b);
    (void)ArrowArrayAppendInt(values_of(&b), -2);
    expect(&b, PG_INT8, -1,
           "0001"
           "00000008fffffffffffffffe");

    bench_type(&b, NANOARROW_TYPE_INT64);
    bench_values(&b);
    (void)ArrowArrayAppendInt(values_of(&b), -32768);
    expect(&b, PG_INT2, -1,
           "0001"
           "000000028000");
}

static void
an_int_that_does_not_fit_names_column_and_row(void **state)
{
    bench b;

    (void)state;
    bench_type(&b, NANOARROW_TYPE_INT64);
    bench_values(&b);
    (void)ArrowArrayAppendInt(values_of(&b), 1);
    (void)ArrowArrayAppendInt(values_of(&b), 2147483648);
    expect_error(&b, PG_INT4, -1, "column c, row 2: 2147483648 does not fit its type");

    bench_type(&b, NANOARROW_TYPE_UINT64);
    bench_values(&b);
    (void)ArrowArrayAppendUInt(values_of(&b), UINT64_MAX);
    expect_error(&b, PG_INT8, -1, "column c, row 1: 18446744073709551615 does not fit its type");
}

static void
append_decimal(bench *b, const char *digits, int precision, int scale)
{
    struct ArrowDecimal decimal;

    ArrowDecimalInit(&decimal, 128, precision, scale);
    assert_int_equal(
        ArrowDecimalSetDigits(&decimal, (struct ArrowStringView){ digits, (int64_t)strlen(digits) }), 0);
    assert_int_equal(ArrowArrayAppendDecimal(values_of(b), &decimal), 0);
}

static void
bench_decimal(bench *b, int precision, int scale, const char *digits)
{
    bench_begin(b);
    assert_int_equal(ArrowSchemaSetTypeDecimal(type_of(b), NANOARROW_TYPE_DECIMAL128, precision, scale), 0);
    assert_int_equal(ArrowSchemaSetName(type_of(b), "c"), 0);
    bench_values(b);
    append_decimal(b, digits, precision, scale);
}

/* Length, groups, weight, sign, scale, then the groups: as SELECT numeric_send('…') shows them. */
static void
decimals_become_groups_of_four_digits(void **state)
{
    static const struct {
        int precision, scale;
        const char *digits, *hex;
    } rows[] = {
        { 38, 18, "0",
          "00000008"
          "0000000000000012" },
        { 38, 18, "1000000000000000000",
          "0000000a"
          "0001000000000012"
          "0001" },
        { 38, 18, "-12500000000000000000",
          "0000000c"
          "0002000040000012"
          "000c1388" },
        { 38, 18, "1",
          "0000000a"
          "0001fffb00000012"
          "0064" },
        { 10, 2, "1234567",
          "0000000e"
          "0003000100000002"
          "000109291a2c" },
        { 38, 0, "99999999999999999999999999999999999999",
          "0000001c"
          "000a000900000000"
          "0063270f270f270f270f270f270f270f270f270f" },
        { 38, 38, "-99999999999999999999999999999999999999",
          "0000001c"
          "000affff40000026"
          "270f270f270f270f270f270f270f270f270f26ac" },
        { 38, 18, "99999999999999999999999999999999999999",
          "0000001c"
          "000a000400000012"
          "270f270f270f270f270f270f270f270f270f26ac" },
        { 38, 0, "10000",
          "0000000a"
          "0001000100000000"
          "0001" },
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(rows); i++) {
        char hex[256];
        bench b;

        bench_decimal(&b, rows[i].precision, rows[i].scale, rows[i].digits);
        (void)snprintf(hex, sizeof(hex), "0001%s", rows[i].hex);
        expect(&b, PG_NUMERIC, -1, hex);
    }
}

static void
a_decimal_with_digits_that_the_column_drops_is_refused(void **state)
{
    bench b;

    (void)state;
    bench_decimal(&b, 38, 18, "1500000000000000000");
    expect(&b, PG_NUMERIC, typmod(5, 2),
           "0001"
           "0000000c"
           "0002000000000012"
           "00011388");
    bench_decimal(&b, 38, 18, "1234000000000000000");
    expect_error(&b, PG_NUMERIC, typmod(5, 2), "column c, row 1: 1.234000000000000000 does not fit its type");
    bench_decimal(&b, 10, 2, "100000");
    expect_error(&b, PG_NUMERIC, typmod(5, 2), "column c, row 1: 1000.00 does not fit its type");
}

static void
bench_double(bench *b, double value)
{
    bench_type(b, NANOARROW_TYPE_DOUBLE);
    bench_values(b);
    (void)ArrowArrayAppendDouble(values_of(b), value);
}

static void
a_double_becomes_the_numeric_of_its_shortest_text(void **state)
{
    bench b;

    (void)state;
    bench_double(&b, 0.1);
    expect(&b, PG_NUMERIC, -1,
           "0001"
           "0000000a"
           "0001ffff00000001"
           "03e8");
    bench_double(&b, -1e20);
    expect(&b, PG_NUMERIC, -1,
           "0001"
           "0000000a"
           "0001000540000000"
           "0001");
    bench_double(&b, 5e-324);
    expect(&b, PG_NUMERIC, -1,
           "0001"
           "0000000a"
           "0001ffaf00000144"
           "0005");
    bench_double(&b, 0.1);
    expect(&b, PG_NUMERIC, typmod(38, 18),
           "0001"
           "0000000a"
           "0001ffff00000012"
           "03e8");
    bench_double(&b, 1e21);
    expect_error(&b, PG_NUMERIC, typmod(38, 18), "column c, row 1: 1e+21 does not fit its type");
    bench_double(&b, 0.0 / 0.0);
    expect(&b, PG_NUMERIC, -1,
           "0001"
           "00000008"
           "00000000c0000000");
    bench_double(&b, 1.5);
    expect(&b, PG_FLOAT8, -1,
           "0001"
           "000000083ff8000000000000");
    bench_double(&b, 1e300);
    expect_error(&b, PG_FLOAT4, -1, "column c, row 1: 1e+300 does not fit its type");
}

static void
bench_text(bench *b, const char *text, size_t n)
{
    bench_type(b, NANOARROW_TYPE_STRING);
    bench_values(b);
    (void)ArrowArrayAppendString(values_of(b), (struct ArrowStringView){ text, (int64_t)n });
}

static void
text_goes_into_text_json_and_what_it_can_be_read_as(void **state)
{
    bench b;

    (void)state;
    bench_text(&b, "h\xc3\xa9", 3);
    expect(&b, PG_TEXT, -1,
           "0001"
           "0000000368c3a9");
    bench_text(&b, "", 0);
    expect(&b, PG_TEXT, -1,
           "0001"
           "00000000");
    bench_text(&b, "{}", 2);
    expect(&b, PG_JSONB, -1,
           "0001"
           "00000003017b7d");
    bench_text(&b, "{}", 2);
    expect(&b, PG_JSON, -1,
           "0001"
           "000000027b7d");
    bench_text(&b, "-12.50", 6);
    expect(&b, PG_NUMERIC, -1,
           "0001"
           "0000000c"
           "0002000040000002"
           "000c1388");
    bench_text(&b, "7", 1);
    expect(&b, PG_INT8, -1,
           "0001"
           "000000080000000000000007");
    bench_text(&b, "2000-01-02T00:00:00Z", 20);
    expect(&b, PG_TIMESTAMPTZ, -1,
           "0001"
           "00000008000000141dd76000");
    bench_text(&b, "true", 4);
    expect(&b, PG_BOOL, -1,
           "0001"
           "0000000101");
    bench_text(&b, "00112233-4455-6677-8899-aabbccddeeff", 36);
    expect(&b, PG_UUID, -1,
           "0001"
           "0000001000112233445566778899aabbccddeeff");
}

static void
text_that_cannot_be_stored_names_column_and_row(void **state)
{
    bench b;

    (void)state;
    bench_text(&b, "a\0b", 3);
    expect_error(&b, PG_TEXT, -1,
                 "column c, row 1: a text holds a NUL character, which PostgreSQL does not keep");
    bench_text(&b, "\"\0\"", 3);
    expect_error(&b, PG_JSONB, -1,
                 "column c, row 1: a text holds a NUL character, which PostgreSQL does not keep");
    bench_text(&b, "twelve", 6);
    expect_error(&b, PG_NUMERIC, -1, "column c, row 1: twelve does not fit its type");
    bench_text(&b, "h\xc3\xa9h\xc3\xa9", 6);
    expect_error(&b, PG_VARCHAR, 4 + 3, "column c, row 1: h\xc3\xa9h\xc3\xa9 does not fit its type");
    bench_text(&b, "2026-02-30", 10);
    expect_error(&b, PG_DATE, -1, "column c, row 1: 2026-02-30 does not fit its type");
    bench_text(&b, " 1", 2);
    expect_error(&b, PG_FLOAT8, -1, "column c, row 1:  1 does not fit its type");
}

static void
bench_time(bench *b, enum ArrowTimeUnit unit, int64_t value)
{
    bench_begin(b);
    assert_int_equal(ArrowSchemaSetTypeDateTime(type_of(b), NANOARROW_TYPE_TIMESTAMP, unit, "UTC"), 0);
    assert_int_equal(ArrowSchemaSetName(type_of(b), "c"), 0);
    bench_values(b);
    (void)ArrowArrayAppendInt(values_of(b), value);
}

static void
times_of_any_unit_count_microseconds_from_2000(void **state)
{
    bench b;

    (void)state;
    bench_time(&b, NANOARROW_TIME_UNIT_SECOND, 946684801);
    expect(&b, PG_TIMESTAMPTZ, -1,
           "0001"
           "0000000800000000000f4240");
    bench_time(&b, NANOARROW_TIME_UNIT_MILLI, 946684800001);
    expect(&b, PG_TIMESTAMP, -1,
           "0001"
           "0000000800000000000003e8");
    bench_time(&b, NANOARROW_TIME_UNIT_MICRO, 946684799999999);
    expect(&b, PG_TIMESTAMPTZ, -1,
           "0001"
           "00000008ffffffffffffffff");
    bench_time(&b, NANOARROW_TIME_UNIT_NANO, 946684799999999999);
    expect(&b, PG_TIMESTAMPTZ, -1,
           "0001"
           "00000008ffffffffffffffff");
    bench_time(&b, NANOARROW_TIME_UNIT_MICRO, INT64_MAX);
    expect(&b, PG_TIMESTAMPTZ, -1,
           "0001"
           "000000087fffffffffffffff");
    bench_time(&b, NANOARROW_TIME_UNIT_MICRO, -INT64_MAX);
    expect(&b, PG_TIMESTAMPTZ, -1,
           "0001"
           "000000088000000000000000");
    bench_time(&b, NANOARROW_TIME_UNIT_SECOND, INT64_MAX - 1);
    expect_error(&b, PG_TIMESTAMPTZ, -1, "column c, row 1: a time is out of range");
    bench_time(&b, NANOARROW_TIME_UNIT_MICRO, -INT64_MAX + 1);
    expect_error(&b, PG_TIMESTAMP, -1, "column c, row 1: a time is out of the range of its type");
}

static void
dates_count_days_from_2000(void **state)
{
    bench b;

    (void)state;
    bench_type(&b, NANOARROW_TYPE_DATE32);
    bench_values(&b);
    (void)ArrowArrayAppendInt(values_of(&b), 10956);
    (void)ArrowArrayAppendInt(values_of(&b), INT32_MAX);
    (void)ArrowArrayAppendInt(values_of(&b), -INT32_MAX);
    expect(&b, PG_DATE, -1,
           "0001"
           "00000004ffffffff"
           "0001"
           "000000047fffffff"
           "0001"
           "0000000480000000");
    bench_type(&b, NANOARROW_TYPE_DATE32);
    bench_values(&b);
    (void)ArrowArrayAppendInt(values_of(&b), -2440589);
    expect_error(&b, PG_DATE, -1, "column c, row 1: a date is out of the range of its type");
    bench_time(&b, NANOARROW_TIME_UNIT_SECOND, 946684800 + 86400);
    expect(&b, PG_DATE, -1,
           "0001"
           "0000000400000001");
    bench_time(&b, NANOARROW_TIME_UNIT_SECOND, 946684801);
    expect_error(&b, PG_DATE, -1, "column c, row 1: 2000-01-01 00:00:01+00 does not fit its type");
}

static void
bytes_go_as_they_are(void **state)
{
    static const uint8_t bytes[] = { 0, 0xff, 'a' };
    struct ArrowBufferView view = { .data.as_uint8 = bytes, .size_bytes = 3 };
    bench b;

    (void)state;
    bench_type(&b, NANOARROW_TYPE_BINARY);
    bench_values(&b);
    (void)ArrowArrayAppendBytes(values_of(&b), view);
    expect(&b, PG_BYTEA, -1,
           "0001"
           "0000000300ff61");
    bench_type(&b, NANOARROW_TYPE_BINARY);
    bench_values(&b);
    (void)ArrowArrayAppendBytes(values_of(&b), view);
    expect_error(&b, PG_TEXT, -1, "column c: binary does not go into a column of type its type");
}

static void
booleans_are_one_byte(void **state)
{
    bench b;

    (void)state;
    bench_type(&b, NANOARROW_TYPE_BOOL);
    bench_values(&b);
    (void)ArrowArrayAppendInt(values_of(&b), 1);
    (void)ArrowArrayAppendInt(values_of(&b), 0);
    expect(&b, PG_BOOL, -1,
           "0001"
           "0000000101"
           "0001"
           "0000000100");
    bench_type(&b, NANOARROW_TYPE_BOOL);
    bench_values(&b);
    (void)ArrowArrayAppendInt(values_of(&b), 1);
    expect(&b, PG_TEXT, -1,
           "0001"
           "0000000474727565");
}

/* {"k\"":1.50,"b":null} of a MAP(VARCHAR, DECIMAL(9,2)). */
static void
a_map_is_an_object_with_exact_numbers(void **state)
{
    struct ArrowArray *map, *entry;
    struct ArrowDecimal decimal;
    struct ArrowSchema *type;
    bench b;

    (void)state;
    bench_type(&b, NANOARROW_TYPE_MAP);
    type = type_of(&b)->children[0];
    assert_int_equal(ArrowSchemaSetType(type->children[0], NANOARROW_TYPE_STRING), 0);
    assert_int_equal(ArrowSchemaSetTypeDecimal(type->children[1], NANOARROW_TYPE_DECIMAL128, 9, 2), 0);
    bench_values(&b);
    map = values_of(&b);
    entry = map->children[0];
    (void)ArrowArrayAppendString(entry->children[0], ArrowCharView("k\""));
    ArrowDecimalInit(&decimal, 128, 9, 2);
    ArrowDecimalSetInt(&decimal, 150);
    (void)ArrowArrayAppendDecimal(entry->children[1], &decimal);
    assert_int_equal(ArrowArrayFinishElement(entry), 0);
    (void)ArrowArrayAppendString(entry->children[0], ArrowCharView("b"));
    (void)ArrowArrayAppendNull(entry->children[1], 1);
    assert_int_equal(ArrowArrayFinishElement(entry), 0);
    assert_int_equal(ArrowArrayFinishElement(map), 0);
    expect(&b, PG_JSONB, -1,
           "0001"
           "00000016"
           "01"
           "7b226b5c22223a312e35302c2262223a6e756c6c7d");
}

static void
a_word_of_a_dictionary_is_its_text(void **state)
{
    struct ArrowSchema *type;
    struct ArrowArray *words;
    bench b;

    (void)state;
    bench_type(&b, NANOARROW_TYPE_INT8);
    assert_int_equal(ArrowSchemaAllocateDictionary(type_of(&b)), 0);
    type = type_of(&b)->dictionary;
    assert_int_equal(ArrowSchemaInitFromType(type, NANOARROW_TYPE_STRING), 0);
    bench_values(&b);
    words = values_of(&b)->dictionary;
    (void)ArrowArrayAppendString(words, ArrowCharView("a"));
    (void)ArrowArrayAppendString(words, ArrowCharView("bc"));
    (void)ArrowArrayAppendInt(values_of(&b), 1);
    (void)ArrowArrayAppendNull(values_of(&b), 1);
    (void)ArrowArrayAppendInt(values_of(&b), 0);
    expect(&b, PG_TEXT, -1,
           "0001"
           "000000026263"
           "0001"
           "ffffffff"
           "0001"
           "0000000161");
}

static void
a_column_that_the_table_lacks_is_named(void **state)
{
    static char other[] = "d", native[] = "text";
    fo_pg_column column = { .name = other, .oid = PG_TEXT, .typmod = -1, .native = native };
    fo_pg_columns_list columns = { .items = &column, .n = 1, .exists = true };
    bench b;

    (void)state;
    bench_type(&b, NANOARROW_TYPE_STRING);
    assert_int_equal(fo_pg_encoder_init(&b.encoder, &b.schema, &b.err), FINOPS_OK);
    assert_int_equal(fo_pg_encoder_map(&b.encoder, &columns, &b.err), FINOPS_E_DATA);
    assert_string_equal(finops_error_text(b.err), "the table has no column c");
    bench_done(&b);
}

static void
encoding_survives_every_failed_allocation(void **state)
{
    unsigned n = 0;
    bool failed;

    (void)state;
    do {
        finops_code rc;
        bench b;

        bench_text(&b, "{\"a\": 1}", 8);
        fo_mem_fail_at(++n);
        rc = bench_encode(&b, PG_JSONB, -1);
        failed = fo_mem_failed();
        fo_mem_fail_at(0);
        assert_int_equal(rc, failed ? FINOPS_E_MEMORY : FINOPS_OK);
        bench_done(&b);
    } while (failed);
    assert_true(n > 2);
}

static void
names_are_quoted_and_never_cut(void **state)
{
    char long_name[65];
    fo_str sql = FO_STR_INIT;
    finops_error *err = NULL;

    (void)state;
    memset(long_name, 'x', 64);
    long_name[64] = '\0';
    assert_int_equal(fo_pg_table(&sql, "a\"b", "c; DROP TABLE d --", &err), FINOPS_OK);
    assert_string_equal(fo_str_z(&sql), "\"a\"\"b\".\"c; DROP TABLE d --\"");
    assert_int_equal(fo_pg_ident(&sql, long_name, &err), FINOPS_E_DATA);
    assert_non_null(strstr(finops_error_text(err), "has 64 bytes"));
    finops_error_free(err);
    fo_str_clear(&sql);
    fo_pg_literal(&sql, "it's \\ ok");
    assert_string_equal(fo_str_z(&sql), "'it''s \\ ok'");
    fo_str_done(&sql);
}

static void
sqlstates_have_classes(void **state)
{
    static const struct {
        const char *sqlstate;
        finops_code code;
    } rows[] = {
        { "28P01", FINOPS_E_AUTH },      { "3D000", FINOPS_E_NOT_FOUND }, { "08006", FINOPS_E_TRANSIENT },
        { "57P01", FINOPS_E_TRANSIENT }, { "40001", FINOPS_E_TRANSIENT }, { "40P01", FINOPS_E_TRANSIENT },
        { "57014", FINOPS_E_CANCELLED }, { "53100", FINOPS_E_IO },        { "42501", FINOPS_E_DENIED },
        { "42P01", FINOPS_E_NOT_FOUND }, { "23505", FINOPS_E_DATA },      { "22003", FINOPS_E_DATA },
        { "42P07", FINOPS_E_EXISTS },    { "25006", FINOPS_E_USAGE },     { "55P03", FINOPS_E_BUSY },
        { "42601", FINOPS_E_USAGE },  { "XX000", FINOPS_E_DATABASE },
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(rows); i++)
        assert_int_equal(fo_pg_sqlstate_code(rows[i].sqlstate), rows[i].code);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_and_trailer_are_those_of_the_format),
        cmocka_unit_test(ints_of_any_width_go_into_ints_that_hold_them),
        cmocka_unit_test(an_int_that_does_not_fit_names_column_and_row),
        cmocka_unit_test(decimals_become_groups_of_four_digits),
        cmocka_unit_test(a_decimal_with_digits_that_the_column_drops_is_refused),
        cmocka_unit_test(a_double_becomes_the_numeric_of_its_shortest_text),
        cmocka_unit_test(text_goes_into_text_json_and_what_it_can_be_read_as),
        cmocka_unit_test(text_that_cannot_be_stored_names_column_and_row),
        cmocka_unit_test(times_of_any_unit_count_microseconds_from_2000),
        cmocka_unit_test(dates_count_days_from_2000),
        cmocka_unit_test(bytes_go_as_they_are),
        cmocka_unit_test(booleans_are_one_byte),
        cmocka_unit_test(a_map_is_an_object_with_exact_numbers),
        cmocka_unit_test(a_word_of_a_dictionary_is_its_text),
        cmocka_unit_test(a_column_that_the_table_lacks_is_named),
        cmocka_unit_test(encoding_survives_every_failed_allocation),
        cmocka_unit_test(names_are_quoted_and_never_cut),
        cmocka_unit_test(sqlstates_have_classes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
