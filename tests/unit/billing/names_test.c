/* Names of tables and columns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "billing/columns.h"
#include "billing/names.h"

static void
column_is(const char *header, const char *want)
{
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;

    assert_int_equal(fo_bill_column_name(header, &name, NULL), FINOPS_OK);
    assert_string_equal(fo_str_z(&name), want);
}

static void
headers_become_snake_case(void **state)
{
    (void)state;
    column_is("lineItem/UnblendedCost", "line_item_unblended_cost");
    column_is("resourceTags/user:Cost Center", "resource_tags_user_cost_center");
    column_is("savingsPlan/SavingsPlanARN", "savings_plan_savings_plan_a_r_n");
    column_is("costCategory/OUs", "cost_category_o_us");
    column_is("line_item_usage_amount", "line_item_usage_amount");
    column_is("BilledCost", "billed_cost");
    column_is("x_ServiceCode", "x_service_code");
    column_is("resource_tags[user_team]", "resource_tags_user_team");
    column_is("resourceTags/user:Größe", "resource_tags_user_größe");
    column_is("//", "column");
    column_is("", "column");
}

static void
base_is(const char *export_name, const char *want)
{
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;

    assert_int_equal(fo_bill_table_base(export_name, &name, NULL), FINOPS_OK);
    assert_string_equal(fo_str_z(&name), want);
}

static void
exports_become_table_names(void **state)
{
    (void)state;
    base_is("acme-cur-hourly", "acme_cur_hourly");
    base_is("Acme CUR.v2", "acme_cur_v2");
    base_is("2024 costs", "export_2024_costs");
    base_is("größe!", "gre");
    base_is("", "export_");
    base_is("a234567890123456789012345678901234567890123456789012345",
            "a2345678901234567890123456789012345678901234567890"); /* 50 */
    ;
}

static void
a_month_is_part_of_its_tables_name(void **state)
{
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    (void)state;
    assert_int_equal(fo_bill_table_name("acme", "2024-11", &name, NULL), FINOPS_OK);
    assert_string_equal(fo_str_z(&name), "acme_2024_11");
    assert_int_equal(fo_bill_table_name("acme", "2024", &name, &err), FINOPS_E_ARGUMENT);
}

static void
a_suffix_is_the_texts_hash(void **state)
{
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;

    (void)state;
    /* printf abc | sha256sum -> ba7816bf… */
    assert_int_equal(fo_bill_suffixed("column", "abc", &name, NULL), FINOPS_OK);
    assert_string_equal(fo_str_z(&name), "column_ba7816");
}

static void
the_dictionary_knows_money_by_name(void **state)
{
    static const struct {
        const char *name;
        fo_column_kind kind;
    } rows[] = {
        { "line_item_unblended_cost", FO_COLUMN_DECIMAL },
        { "line_item_unblended_rate", FO_COLUMN_DECIMAL },
        { "line_item_usage_start_date", FO_COLUMN_TIMESTAMP },
        { "resource_tags", FO_COLUMN_MAP },
        { "discount", FO_COLUMN_MAP_DECIMAL },
        { "effective_cost", FO_COLUMN_DECIMAL },
        { "usage_quantity", FO_COLUMN_DECIMAL },
        { "bill_billing_period_end_date", FO_COLUMN_TIMESTAMP },
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(rows); i++) {
        assert_non_null(fo_column_find(rows[i].name));
        assert_int_equal(fo_column_find(rows[i].name)->kind, rows[i].kind);
    }
    assert_null(fo_column_find("resource_tags_user_cost"));
    assert_null(fo_column_find("line_item_usage_account_id"));
    assert_null(fo_column_find(""));
}

static void
spellings_with_other_underscores_are_one_column(void **state)
{
    (void)state;
    assert_string_equal(fo_column_find("product_instance_s_k_u")->name, "product_instancesku");
    assert_string_equal(fo_column_find("reservation_reservation_arn")->name, "reservation_reservation_a_r_n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_become_snake_case),
        cmocka_unit_test(exports_become_table_names),
        cmocka_unit_test(a_month_is_part_of_its_tables_name),
        cmocka_unit_test(a_suffix_is_the_texts_hash),
        cmocka_unit_test(the_dictionary_knows_money_by_name),
        cmocka_unit_test(spellings_with_other_underscores_are_one_column),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
