/* A stream's schema against a table: what is added, what fits, what is refused and why. */
#include "front_fixture.h"

#include <nanoarrow/nanoarrow.h>

typedef struct told {
    unsigned n[3];
    char text[512]; /* of the last */
} told;

static void
tell(const finops_change *change, void *arg)
{
    told *t = arg;

    t->n[change->kind]++;
    (void)snprintf(t->text, sizeof(t->text), "%s: %s -> %s: %s", change->column,
                   change->from ? change->from : "-", change->to ? change->to : "-", change->reason);
}

static finops_code
validate(fixture *f, finops_write_mode mode, struct ArrowSchema *schema, told *ret, finops_error **err)
{
    const finops_write write = { .schema = "b", .table = "t", .mode = mode };
    finops_session *s = take(f, 0);
    finops_code rc;

    *ret = (told){ 0 };
    rc = finops_session_validate(s, &write, schema, tell, ret, err);
    finops_session_release(s);
    schema->release(schema);
    return rc;
}

/* A schema of one column "c". */
static void
schema_of(struct ArrowSchema *schema, enum ArrowType type)
{
    ArrowSchemaInit(schema);
    assert_int_equal(ArrowSchemaSetTypeStruct(schema, 1), 0);
    assert_int_equal(ArrowSchemaSetType(schema->children[0], type), 0);
    assert_int_equal(ArrowSchemaSetName(schema->children[0], "c"), 0);
}

static void
schema_of_decimal(struct ArrowSchema *schema, int precision, int scale)
{
    schema_of(schema, NANOARROW_TYPE_STRING);
    assert_int_equal(
        ArrowSchemaSetTypeDecimal(schema->children[0], NANOARROW_TYPE_DECIMAL128, precision, scale), 0);
}

/* A table whose one column "c" has this type, held against a stream of that one. */
static void
expect(fixture *f, struct ArrowSchema *schema, finops_column column, const char *want)
{
    told t;

    column.name = "c";
    column.native = "T";
    column.nullable = true;
    f->world.columns = &column;
    f->world.n_columns = 1;
    assert_int_equal(validate(f, FINOPS_WRITE_WIDEN, schema, &t, NULL), FINOPS_OK);
    if (!want)
        assert_int_equal(t.n[0] + t.n[1] + t.n[2], 0);
    else if (want[0] == '+')
        assert_int_equal(t.n[FINOPS_CHANGE_WIDENED], 1);
    else
        assert_int_equal(t.n[FINOPS_CHANGE_REFUSED], 1);
    if (want)
        assert_string_equal(t.text, want + 1);
    f->world.n_columns = 0;
}

static void
what_is_the_same_is_not_told(void **state)
{
    static const struct {
        enum ArrowType from;
        finops_column_type to;
    } same[] = {
        { NANOARROW_TYPE_STRING, FINOPS_TYPE_TEXT },
        { NANOARROW_TYPE_LARGE_STRING, FINOPS_TYPE_TEXT },
        { NANOARROW_TYPE_BOOL, FINOPS_TYPE_BOOL },
        { NANOARROW_TYPE_INT32, FINOPS_TYPE_INT },
        { NANOARROW_TYPE_INT64, FINOPS_TYPE_INT },
        { NANOARROW_TYPE_DOUBLE, FINOPS_TYPE_DOUBLE },
        { NANOARROW_TYPE_DATE32, FINOPS_TYPE_DATE },
        { NANOARROW_TYPE_BINARY, FINOPS_TYPE_BYTES },
        { NANOARROW_TYPE_INTERVAL_MONTHS, FINOPS_TYPE_INT },
        { NANOARROW_TYPE_INT8, FINOPS_TYPE_OTHER },
    };
    struct ArrowSchema schema;

    fixture_open(*state, &fake_driver, NULL);
    for (size_t i = 0; i < FO_COUNT(same); i++) {
        schema_of(&schema, same[i].from);
        expect(*state, &schema, (finops_column){ .type = same[i].to }, NULL);
    }
}

static void
values_that_are_kept_in_another_type_are_widened(void **state)
{
    struct ArrowSchema schema;

    fixture_open(*state, &fake_driver, NULL);
    schema_of(&schema, NANOARROW_TYPE_INT64);
    expect(*state, &schema, (finops_column){ .type = FINOPS_TYPE_DECIMAL, .precision = 38, .scale = 18 },
           "+c: T -> int64: whole numbers in a decimal");
    schema_of(&schema, NANOARROW_TYPE_DATE32);
    expect(*state, &schema, (finops_column){ .type = FINOPS_TYPE_TIMESTAMP },
           "+c: T -> date: midnight of the day");
    schema_of(&schema, NANOARROW_TYPE_INT32);
    expect(*state, &schema, (finops_column){ .type = FINOPS_TYPE_DOUBLE },
           "+c: T -> int32: whole numbers as floating point");
    schema_of(&schema, NANOARROW_TYPE_DOUBLE);
    expect(*state, &schema, (finops_column){ .type = FINOPS_TYPE_TEXT },
           "+c: T -> double: any value as text");
    schema_of_decimal(&schema, 10, 2);
    expect(*state, &schema, (finops_column){ .type = FINOPS_TYPE_DECIMAL, .precision = 38, .scale = 18 },
           "+c: T -> decimal(10, 2): the column has more digits");
    schema_of_decimal(&schema, 10, 2);
    expect(*state, &schema, (finops_column){ .type = FINOPS_TYPE_DECIMAL }, NULL);
}

static void
values_that_might_be_lost_are_refused(void **state)
{
    struct ArrowSchema schema;

    fixture_open(*state, &fake_driver, NULL);
    schema_of_decimal(&schema, 38, 18);
    expect(*state, &schema, (finops_column){ .type = FINOPS_TYPE_DECIMAL, .precision = 18, .scale = 6 },
           "-c: T -> decimal(38, 18): digits after the point would be lost");
    schema_of(&schema, NANOARROW_TYPE_UINT64);
    expect(*state, &schema, (finops_column){ .type = FINOPS_TYPE_DECIMAL, .precision = 18, .scale = 6 },
           "-c: T -> uint64: a large value would not fit");
    schema_of(&schema, NANOARROW_TYPE_DOUBLE);
    expect(*state, &schema, (finops_column){ .type = FINOPS_TYPE_DECIMAL, .precision = 38, .scale = 18 },
           "-c: T -> double: a floating point number has no exact decimal value");
    schema_of_decimal(&schema, 38, 18);
    expect(*state, &schema, (finops_column){ .type = FINOPS_TYPE_DOUBLE },
           "-c: T -> decimal(38, 18): floating point would not keep every digit");
    schema_of(&schema, NANOARROW_TYPE_INT64);
    expect(*state, &schema, (finops_column){ .type = FINOPS_TYPE_DOUBLE },
           "-c: T -> int64: floating point would not keep every digit");
    schema_of(&schema, NANOARROW_TYPE_STRING);
    expect(*state, &schema, (finops_column){ .type = FINOPS_TYPE_DATE },
           "-c: T -> text: a text may be no such value");
    schema_of(&schema, NANOARROW_TYPE_DATE32);
    expect(*state, &schema, (finops_column){ .type = FINOPS_TYPE_TIMESTAMP_TZ },
           "-c: T -> date: what the time means depends on a time zone");
    schema_of(&schema, NANOARROW_TYPE_BOOL);
    expect(*state, &schema, (finops_column){ .type = FINOPS_TYPE_INT },
           "-c: T -> bool: another kind of value");
}

static void
schema_of_map(struct ArrowSchema *schema)
{
    ArrowSchemaInit(schema);
    assert_int_equal(ArrowSchemaSetTypeStruct(schema, 1), 0);
    assert_int_equal(ArrowSchemaSetType(schema->children[0], NANOARROW_TYPE_MAP), 0);
    assert_int_equal(ArrowSchemaSetType(schema->children[0]->children[0]->children[0], NANOARROW_TYPE_STRING),
                     0);
    assert_int_equal(ArrowSchemaSetType(schema->children[0]->children[0]->children[1], NANOARROW_TYPE_STRING),
                     0);
    assert_int_equal(ArrowSchemaSetName(schema->children[0], "c"), 0);
}

static void
a_database_without_the_type_stores_it_as_it_says(void **state)
{
    fixture *f = *state;
    struct ArrowSchema schema;

    f->world.capabilities.features &= ~(uint64_t)FINOPS_DATABASE_EXACT_DECIMALS;
    fixture_open(f, &fake_driver, NULL);
    schema_of_map(&schema);
    expect(f, &schema, (finops_column){ .type = FINOPS_TYPE_JSON }, NULL);
    schema_of_map(&schema);
    expect(f, &schema, (finops_column){ .type = FINOPS_TYPE_DATE }, "-c: T -> map: another kind of value");
    schema_of_decimal(&schema, 38, 18);
    expect(f, &schema, (finops_column){ .type = FINOPS_TYPE_TEXT }, NULL);
}

static void
columns_the_table_lacks_are_added_or_refused_by_the_mode(void **state)
{
    static const finops_column other = { .name = "x", .type = FINOPS_TYPE_INT, .nullable = true };
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(finops_error_freep) finops_error *err2 = NULL;
    fixture *f = *state;
    struct ArrowSchema schema;
    told t;

    fixture_open(f, &fake_driver, NULL);
    schema_of(&schema, NANOARROW_TYPE_STRING);
    assert_int_equal(validate(f, FINOPS_WRITE_CREATE, &schema, &t, NULL), FINOPS_OK);
    assert_string_equal(t.text, "c: - -> text: the table does not exist yet");
    schema_of(&schema, NANOARROW_TYPE_STRING);
    assert_int_equal(validate(f, FINOPS_WRITE_APPEND, &schema, &t, &err), FINOPS_E_NOT_FOUND);
    assert_string_equal(finops_error_text(err), "table t does not exist");
    f->world.columns = &other;
    f->world.n_columns = 1;
    schema_of(&schema, NANOARROW_TYPE_STRING);
    assert_int_equal(validate(f, FINOPS_WRITE_CREATE, &schema, &t, &err2), FINOPS_E_EXISTS);
    schema_of(&schema, NANOARROW_TYPE_STRING);
    assert_int_equal(validate(f, FINOPS_WRITE_WIDEN, &schema, &t, NULL), FINOPS_OK);
    assert_int_equal(t.n[FINOPS_CHANGE_ADDED], 1);
    schema_of(&schema, NANOARROW_TYPE_STRING);
    assert_int_equal(validate(f, FINOPS_WRITE_APPEND, &schema, &t, NULL), FINOPS_OK);
    assert_int_equal(t.n[FINOPS_CHANGE_REFUSED], 1);
    f->world.n_columns = 0;
}

static void
a_column_that_must_have_a_value_and_gets_none_is_refused(void **state)
{
    static const finops_column must = { .name = "id", .type = FINOPS_TYPE_INT, .native = "BIGINT" };
    fixture *f = *state;
    struct ArrowSchema schema;
    told t;

    fixture_open(f, &fake_driver, NULL);
    f->world.columns = &must;
    f->world.n_columns = 1;
    schema_of(&schema, NANOARROW_TYPE_STRING);
    assert_int_equal(validate(f, FINOPS_WRITE_WIDEN, &schema, &t, NULL), FINOPS_OK);
    assert_string_equal(t.text, "id: BIGINT -> -: the column must have a value and the stream has none");
    f->world.n_columns = 0;
}

static void
a_name_longer_than_the_database_allows_is_refused(void **state)
{
    fixture *f = *state;
    struct ArrowSchema schema;
    told t;

    f->world.capabilities.max_identifier = 3;
    fixture_open(f, &fake_driver, NULL);
    schema_of(&schema, NANOARROW_TYPE_STRING);
    assert_int_equal(ArrowSchemaSetName(schema.children[0], "four"), 0);
    assert_int_equal(validate(f, FINOPS_WRITE_WIDEN, &schema, &t, NULL), FINOPS_OK);
    assert_int_equal(t.n[FINOPS_CHANGE_REFUSED], 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_the_same_is_not_told),
        TEST(values_that_are_kept_in_another_type_are_widened),
        TEST(values_that_might_be_lost_are_refused),
        TEST(a_database_without_the_type_stores_it_as_it_says),
        TEST(columns_the_table_lacks_are_added_or_refused_by_the_mode),
        TEST(a_column_that_must_have_a_value_and_gets_none_is_refused),
        TEST(a_name_longer_than_the_database_allows_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
