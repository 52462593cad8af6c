/* Names that the database remembers: columns of headers, exports of equal names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "billing/colnames.h"
#include "billing/identity.h"
#include "database/state.h"
#include "state_fixture.h"

/* The columns that one file's headers, separated by '|', become; a warning for each suffix. */
static void
assign(fo_colnames *names, const char *headers, const char *want, size_t want_warnings)
{
    FO_AUTO(fo_strv_done) fo_strv list = FO_STRV_INIT;
    FO_AUTO(fo_strv_done) fo_strv columns = FO_STRV_INIT;
    FO_AUTO(fo_strv_done) fo_strv warnings = FO_STRV_INIT;
    FO_AUTO(fo_str_done) fo_str got = FO_STR_INIT;

    assert_true(fo_strv_split(&list, headers, '|'));
    assert_int_equal(fo_colnames_assign(names, &list, &columns, &warnings, NULL), FINOPS_OK);
    for (size_t i = 0; i < columns.n; i++)
        fo_str_addf(&got, "%s%s", i ? "|" : "", columns.items[i]);
    assert_string_equal(fo_str_z(&got), want);
    assert_int_equal(warnings.n, want_warnings);
}

static void
two_headers_of_one_name_both_keep_their_values(void **state)
{
    const fixture *f = *state;
    FO_AUTO(fo_colnames_freep) fo_colnames *names = NULL;

    assert_int_equal(fo_colnames_load(f->db, "aws", "exp", &names, NULL), FINOPS_OK);
    /* printf 'resourceTags/user:a b' | sha256sum -> 7c6d9d… */
    assign(names, "resourceTags/user:a-b|resourceTags/user:a b",
           "resource_tags_user_a_b|resource_tags_user_a_b_7c6d9d", 1);
}

static void
a_header_keeps_its_column_in_every_month(void **state)
{
    const fixture *f = *state;
    FO_AUTO(fo_colnames_freep) fo_colnames *first = NULL;
    FO_AUTO(fo_colnames_freep) fo_colnames *later = NULL;

    assert_int_equal(fo_colnames_load(f->db, "aws", "exp", &first, NULL), FINOPS_OK);
    assign(first, "resourceTags/user:a-b|resourceTags/user:a b",
           "resource_tags_user_a_b|resource_tags_user_a_b_7c6d9d", 1);
    assert_int_equal(fo_colnames_save(f->db, first, NULL), FINOPS_OK);
    assert_int_equal(fo_colnames_load(f->db, "aws", "exp", &later, NULL), FINOPS_OK);
    assign(later, "resourceTags/user:a b", "resource_tags_user_a_b_7c6d9d", 0);
    assign(later, "resourceTags/user:a b|resourceTags/user:a-b",
           "resource_tags_user_a_b_7c6d9d|resource_tags_user_a_b", 0);
}

static void
spellings_of_known_columns_share_them_in_different_files(void **state)
{
    const fixture *f = *state;
    FO_AUTO(fo_colnames_freep) fo_colnames *names = NULL;

    assert_int_equal(fo_colnames_load(f->db, "aws", "exp", &names, NULL), FINOPS_OK);
    assign(names, "lineItem/UnblendedCost", "line_item_unblended_cost", 0);
    assign(names, "line_item_unblended_cost", "line_item_unblended_cost", 0);
    assign(names, "resourceTags/user:team", "resource_tags_user_team", 0);
    assign(names, "resource_tags_user_team", "resource_tags_user_team", 0);
}

static void
keys_of_maps_and_flat_headers_share_columns_in_either_order(void **state)
{
    const fixture *f = *state;
    FO_AUTO(fo_colnames_freep) fo_colnames *names = NULL;

    assert_int_equal(fo_colnames_load(f->db, "aws", "exp", &names, NULL), FINOPS_OK);
    assign(names, "resourceTags/user:team", "resource_tags_user_team", 0);
    assign(names, "resource_tags[user_team]", "resource_tags_user_team", 0);
    assign(names, "resource_tags[user_app]", "resource_tags_user_app", 0);
    assign(names, "resourceTags/user:app", "resource_tags_user_app", 0);
}

static void
a_renamed_column_keeps_its_new_name_in_every_month(void **state)
{
    const fixture *f = *state;
    FO_AUTO(fo_colnames_freep) fo_colnames *first = NULL;
    FO_AUTO(fo_colnames_freep) fo_colnames *later = NULL;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    const char *from = NULL, *to = NULL;

    assert_int_equal(fo_colnames_load(f->db, "aws", "renames", &first, NULL), FINOPS_OK);
    assert_int_equal(fo_colnames_rename(first, "CostCenter", "cost_centre", NULL), FINOPS_OK);
    assert_int_equal(fo_colnames_rename(first, "a", "b", NULL), FINOPS_OK);
    assert_false(fo_colnames_renamed(first, 0, &from, &to));
    assign(first, "costCenter|x", "cost_centre|x", 0);
    assign(first, "cost_center|costCentre", "cost_center|cost_centre", 0);
    assert_int_equal(fo_colnames_save(f->db, first, NULL), FINOPS_OK);

    assert_int_equal(fo_colnames_load(f->db, "aws", "renames", &later, NULL), FINOPS_OK);
    assign(later, "CostCenter", "cost_centre", 0);
    assert_true(fo_colnames_renamed(later, 0, &from, &to));
    assert_string_equal(from, "cost_center");
    assert_string_equal(to, "cost_centre");
    assert_false(fo_colnames_renamed(later, 1, &from, &to)); /* nothing came of a -> b */
    assert_int_equal(fo_colnames_rename(later, "cost_centre", "cost_center", &err), FINOPS_E_CONFIG);
}

static void
the_same_header_twice_is_told_apart_by_a_number(void **state)
{
    const fixture *f = *state;
    FO_AUTO(fo_colnames_freep) fo_colnames *names = NULL;

    assert_int_equal(fo_colnames_load(f->db, "aws", "exp", &names, NULL), FINOPS_OK);
    /* printf x | sha256sum -> 2d7116… */
    assign(names, "x|x|x", "x|x_2d7116|x_2d7116_2", 2);
}

static void
exports_do_not_share_names(void **state)
{
    const fixture *f = *state;
    FO_AUTO(fo_colnames_freep) fo_colnames *names = NULL;

    assert_int_equal(fo_colnames_load(f->db, "aws", "another", &names, NULL), FINOPS_OK);
    assert_int_equal(fo_colnames_count(names), 0);
}

static void
identity_is(const fo_rows *known, fo_strv *met, const char *name, const char *uri, const char *want,
            bool warned)
{
    FO_AUTO(fo_identity_done) fo_identity id = { 0 };

    assert_int_equal(fo_identity_resolve(known, met, name, uri, &id, NULL), FINOPS_OK);
    assert_string_equal(id.export_name, want);
    assert_true((id.warning != NULL) == warned);
    assert_true(strlen(id.table_base) <= 50);
}

static void
equal_names_of_one_run_are_kept_apart(void **state)
{
    FO_AUTO(fo_strv_done) fo_strv met = FO_STRV_INIT;

    (void)state;
    /* printf 's3://b/p/acme' | sha256sum -> e68df0… */
    identity_is(NULL, &met, "acme", "s3://a/p/acme", "acme", false);
    identity_is(NULL, &met, "acme", "s3://b/p/acme", "acme_e68df0", true);
    identity_is(NULL, &met, "acme", "s3://a/p/acme", "acme", false);
}

static void
names_that_fold_to_one_table_are_kept_apart(void **state)
{
    FO_AUTO(fo_strv_done) fo_strv met = FO_STRV_INIT;
    FO_AUTO(fo_identity_done) fo_identity id = { 0 };

    (void)state;
    identity_is(NULL, &met, "acme-cur", "s3://a/acme-cur", "acme-cur", false);
    assert_int_equal(fo_identity_resolve(NULL, &met, "acme_cur", "s3://a/acme_cur", &id, NULL), FINOPS_OK);
    assert_string_not_equal(id.table_base, "acme_cur");
    assert_non_null(id.warning);
}

static void
an_export_of_the_earlier_tool_belongs_to_the_first_source(void **state)
{
    const fixture *f = *state;
    FO_AUTO(fo_strv_done) fo_strv met = FO_STRV_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *known = NULL;
    const fo_version_key key = { "aws", "old", "2025-01", "v" };

    assert_int_equal(fo_state_start_load(f->db, &key, "v1", NULL, NULL, NULL), FINOPS_OK);
    assert_int_equal(fo_database_query(f->db, FO_IDENTITY_SQL, NULL, 0, &known, NULL), FINOPS_OK);
    identity_is(known, &met, "old", "s3://a/old", "old", false);
    identity_is(known, &met, "old", "s3://b/old", "old_a1a07e", true); /* printf 's3://b/old' | sha256sum */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_headers_of_one_name_both_keep_their_values),
        cmocka_unit_test(a_header_keeps_its_column_in_every_month),
        cmocka_unit_test(spellings_of_known_columns_share_them_in_different_files),
        cmocka_unit_test(keys_of_maps_and_flat_headers_share_columns_in_either_order),
        cmocka_unit_test(a_renamed_column_keeps_its_new_name_in_every_month),
        cmocka_unit_test(the_same_header_twice_is_told_apart_by_a_number),
        cmocka_unit_test(exports_do_not_share_names),
        cmocka_unit_test(equal_names_of_one_run_are_kept_apart),
        cmocka_unit_test(names_that_fold_to_one_table_are_kept_apart),
        cmocka_unit_test(an_export_of_the_earlier_tool_belongs_to_the_first_source),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
