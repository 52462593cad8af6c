/* Tags as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "billing/lines_internal.h"

static void
a_key_fits_in_every_spelling_of_the_providers(void **state)
{
    static const struct {
        const char *written, *delivered;
        int fit;
    } cases[] = {
        { "team", "team", 0 },
        { "team", "user:team", 0 },
        { "user:team", "user:team", 0 },
        { "user:team", "user_team", 1 },
        { "Cost Center", "cost_center", 1 },
        { "team", "user_team", 2 },
        { "Team", "user:team", 2 },
        { "user:team", "team", 3 },
        { "aws:createdBy", "aws:createdBy", 0 },
        { "aws:createdBy", "aws_created_by", 1 },
        { "createdBy", "aws_created_by", 4 },
        { "équipe", "user_équipe", 2 },
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(cases); i++)
        assert_int_equal(fo_lines_tag_fit(cases[i].written, cases[i].delivered), cases[i].fit);
}

static void
another_key_does_not_fit(void **state)
{
    (void)state;
    assert_int_equal(fo_lines_tag_fit("team", "user_teams"), -1);
    assert_int_equal(fo_lines_tag_fit("team", "steam"), -1);
    assert_int_equal(fo_lines_tag_fit("", "team"), -1);
    assert_int_equal(fo_lines_tag_fit("::", "__"), -1);
    assert_int_equal(fo_lines_tag_fit("user:team", "aws:team"), -1);
}

static void
an_unknown_tag_names_the_nearest_and_all(void **state)
{
    FO_AUTO(fo_strv_done) fo_strv keys = FO_STRV_INIT;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    (void)state;
    assert_true(fo_strv_add(&keys, "team") && fo_strv_add(&keys, "app"));
    assert_int_equal(fo_lines_tag_unknown("user:taem", &keys, &err), FINOPS_E_USAGE);
    assert_string_equal(finops_error_text(err), "no bill has the tag user:taem");
    assert_string_equal(finops_error_hint(err), "did you mean tag:team? there are: app, team");
}

static void
many_tags_are_not_all_listed(void **state)
{
    FO_AUTO(fo_strv_done) fo_strv keys = FO_STRV_INIT;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    (void)state;
    for (char key[] = "k_a"; key[2] <= 'z'; key[2]++)
        assert_true(fo_strv_add(&keys, key));
    assert_int_equal(fo_lines_tag_unknown("something", &keys, &err), FINOPS_E_USAGE);
    assert_non_null(strstr(finops_error_hint(err), "and 14 more"));
}

static void
bills_without_tags_say_so(void **state)
{
    FO_AUTO(fo_strv_done) fo_strv keys = FO_STRV_INIT;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    (void)state;
    assert_int_equal(fo_lines_tag_unknown("team", &keys, &err), FINOPS_E_USAGE);
    assert_non_null(strstr(finops_error_hint(err), "carry no tags"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_fits_in_every_spelling_of_the_providers),
        cmocka_unit_test(another_key_does_not_fit),
        cmocka_unit_test(an_unknown_tag_names_the_nearest_and_all),
        cmocka_unit_test(many_tags_are_not_all_listed),
        cmocka_unit_test(bills_without_tags_say_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
