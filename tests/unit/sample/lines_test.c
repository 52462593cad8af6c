/* The lines of a bill: how many, of which kinds, and whether their money adds up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "sample/columns.h"
#include "sample/lines.h"

#define PERIOD (2026 * 12 + 4) /* 2026-05 */

typedef struct bill {
    world *world;
    month_lines month;
    line *lines;
    size_t n;
} bill;

static void
bill_make(bill *b, int64_t rows, int64_t accounts, int period, int version)
{
    fo_sample_options o = { .rows = rows, .months = 3, .accounts = accounts, .seed = 3 };
    line l;
    size_t cap = 0;

    *b = (bill){ 0 };
    assert_int_equal(fo_sample_world_new(&o, PERIOD, &b->world, NULL), FINOPS_OK);
    fo_sample_world_month(b->world, period);
    assert_int_equal(fo_sample_lines_init(&b->month, b->world, period, version, NULL), FINOPS_OK);
    while (fo_sample_lines_next(&b->month, &l)) {
        void *items = b->lines;

        assert_true(fo_grow(&items, &cap, b->n + 1, sizeof(line)));
        b->lines = items;
        b->lines[b->n++] = l;
    }
}

static void
bill_done(bill *b)
{
    fo_free(b->lines);
    fo_sample_lines_done(&b->month);
    fo_sample_world_free(b->world);
}

static void
a_month_has_exactly_the_lines_asked_for(void **state)
{
    static const int64_t rows[] = { 300, 301, 777, 1000, 5000, 20001, 200000 };
    static const int64_t accounts[] = { 1, 2, 40 };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(rows); i++)
        for (size_t j = 0; j < FO_COUNT(accounts); j++)
            for (int month = 0; month < 2; month++) {
                FO_AUTO(bill_done) bill b;

                bill_make(&b, rows[i], accounts[j], PERIOD + month, 1);
                assert_int_equal(b.n, rows[i]);
                assert_int_equal(b.month.totals.all.rows, rows[i]);
            }
}

static void
a_correction_adds_lines_and_an_early_version_has_fewer(void **state)
{
    FO_AUTO(bill_done) bill early, late;

    (void)state;
    bill_make(&early, 3100, 3, PERIOD, 0);
    bill_make(&late, 3100, 3, PERIOD, 3);
    assert_int_equal(early.n, 2700); /* 27 of 31 days */
    assert_int_equal(late.n, 3112);
    assert_int_equal(early.month.totals.type[LINE_TAX].rows, 0);
    assert_int_equal(late.month.totals.type[LINE_CREDIT].rows, 4);
}

static void
every_kind_of_line_is_in_the_first_month(void **state)
{
    FO_AUTO(bill_done) bill b;

    (void)state;
    bill_make(&b, 300, 1, PERIOD, 1);
    for (int i = 0; i < LINE_TYPES; i++)
        assert_true(b.month.totals.type[i].rows > 0);
}

static void
a_negation_follows_each_covered_usage_and_takes_it_back(void **state)
{
    FO_AUTO(bill_done) bill b;
    size_t pairs = 0;

    (void)state;
    bill_make(&b, 5000, 4, PERIOD, 1);
    for (size_t i = 0; i + 1 < b.n; i++) {
        if (b.lines[i].type != LINE_SP_COVERED)
            continue;
        assert_int_equal(b.lines[i + 1].type, LINE_SP_NEGATION);
        assert_true(b.lines[i].cost > 0 && b.lines[i + 1].cost == -b.lines[i].cost);
        assert_true(b.lines[i].effective > 0 && b.lines[i].effective < b.lines[i].cost);
        pairs++;
    }
    assert_int_equal(b.month.totals.type[LINE_SP_NEGATION].rows, pairs);
}

static void
a_plan_is_never_used_beyond_its_commitment(void **state)
{
    FO_AUTO(bill_done) bill b;
    int64_t covered = 0;

    (void)state;
    bill_make(&b, 20000, 4, PERIOD, 1);
    for (size_t i = 0; i < b.n; i++) {
        const line *l = &b.lines[i];

        if (l->type == LINE_SP_COVERED)
            covered += l->effective;
        if (l->type != LINE_SP_RECURRING)
            continue;
        assert_true(l->used == covered); /* since the fee before it */
        assert_true(l->used <= l->upfront_part + l->recurring_part);
        assert_true(l->cost == l->recurring_part);
        covered = 0;
    }
}

static void
a_reservation_is_never_used_beyond_its_hours(void **state)
{
    FO_AUTO(bill_done) bill b;
    int64_t used[SAMPLE_RESERVATIONS] = { 0 };

    (void)state;
    bill_make(&b, 30000, 4, PERIOD + 1, 1);
    for (size_t i = 0; i < b.n; i++) {
        const line *l = &b.lines[i];

        if (l->type == LINE_DISCOUNTED_USAGE) {
            used[l->reservation - b.world->reservations] += l->amount;
            assert_true(l->effective == l->recurring_part + l->upfront_part);
            assert_true(l->cost == 0);
        }
        if (l->type == LINE_RI_FEE) {
            assert_true(l->used == used[l->reservation - b.world->reservations]);
            assert_true(l->used <= l->amount);
        }
    }
}

/* Sums over the lines of one tax group, by the lines' own word. */
static void
group_sums(const bill *b, const line *of, int64_t *ret_net, int64_t *ret_discount)
{
    const int *group = b->world->group;
    int g = group[of->account * SVC_COUNT + of->product->service];

    *ret_net = *ret_discount = 0;
    for (size_t i = 0; i < b->n; i++) {
        const line *l = &b->lines[i];

        if (l->type >= LINE_CREDIT || group[l->account * SVC_COUNT + l->product->service] != g)
            continue;
        *ret_net += l->net;
        *ret_discount += l->discount;
    }
}

static void
taxes_and_discounts_follow_from_the_lines_before_them(void **state)
{
    FO_AUTO(bill_done) bill b;
    int64_t net, discount;

    (void)state;
    bill_make(&b, 8000, 3, PERIOD, 1);
    for (size_t i = 0; i < b.n; i++) {
        const line *l = &b.lines[i];

        if (l->type != LINE_TAX && l->type != LINE_EDP)
            continue;
        group_sums(&b, l, &net, &discount);
        if (l->type == LINE_EDP)
            assert_true(l->cost == -discount && l->net == 0);
        else
            assert_true(l->cost % (TICKS / 100) == 0 && llabs(l->cost * 100 - net * 8) <= TICKS / 2);
    }
    assert_true(b.month.totals.type[LINE_EDP].unblended < 0);
}

static void
the_discount_is_what_lies_between_cost_and_net(void **state)
{
    FO_AUTO(bill_done) bill b;

    (void)state;
    bill_make(&b, 2000, 3, PERIOD, 1);
    for (size_t i = 0; i < b.n; i++) {
        const line *l = &b.lines[i];

        if (l->type == LINE_EDP)
            continue;
        assert_true(l->net == l->cost - l->discount);
        assert_true(l->discount % 100 == 0);
        if (l->product->service == SVC_MARKETPLACE)
            assert_true(l->discount == 0);
    }
}

static bool
fits_fifteen_digits(int64_t v)
{
    while (v != 0 && v % 10 == 0)
        v /= 10;
    return v > -INT64_C(1000000000000000) && v < INT64_C(1000000000000000);
}

/* Every number of a column, so that doubles read back as the same decimals. */
static void
every_number_shown_has_at_most_fifteen_digits(void **state)
{
    FO_AUTO(bill_done) bill b;
    FO_AUTO(fo_sample_columns_done) columns c;

    (void)state;
    bill_make(&b, 210000, 9, PERIOD, 2);
    assert_int_equal(fo_sample_columns_new(false, &c, NULL), FINOPS_OK);
    for (size_t i = 0; i < b.n; i++) {
        for (size_t j = 0; j < c.n; j++) {
            value v = fo_sample_value(&b.month, &b.lines[i], &c.items[j]);

            if (v.kind == VALUE_NUMBER && !fits_fifteen_digits(v.number))
                fail_msg("line %zu, %s", i, c.items[j].name);
        }
    }
}

static void
ids_are_different_and_of_fixed_length(void **state)
{
    FO_AUTO(bill_done) bill b;
    char first[SAMPLE_ID], other[SAMPLE_ID];

    (void)state;
    bill_make(&b, 300, 1, PERIOD, 1);
    fo_sample_line_id(&b.month, &b.lines[0], first);
    for (size_t i = 1; i < b.n; i++) {
        fo_sample_line_id(&b.month, &b.lines[i], other);
        assert_memory_not_equal(first, other, SAMPLE_ID);
    }
    for (size_t i = 0; i < SAMPLE_ID; i++)
        assert_true((first[i] >= 'a' && first[i] <= 'z') || (first[i] >= '2' && first[i] <= '7'));
}

static void
numbers_have_ten_decimals(void **state)
{
    static const struct {
        int64_t ticks;
        const char *text;
    } cases[] = {
        { 0, "0.0000000000" },
        { 1, "0.0000000001" },
        { -1, "-0.0000000001" },
        { TICKS, "1.0000000000" },
        { 123 * TICKS + 5, "123.0000000005" },
        { INT64_MIN + 1, "-922337203.6854775807" },
    };
    char buf[SAMPLE_NUMBER];

    (void)state;
    for (size_t i = 0; i < FO_COUNT(cases); i++) {
        size_t n = fo_sample_number(cases[i].ticks, buf);

        assert_int_equal(n, strlen(cases[i].text));
        assert_memory_equal(buf, cases[i].text, n);
    }
}

static void
tidy_keeps_fifteen_digits_and_rounds_the_rest(void **state)
{
    (void)state;
    assert_true(fo_sample_tidy(999999999999999) == 999999999999999);
    assert_true(fo_sample_tidy(1234567890123456) == 1234567890123460);
    assert_true(fo_sample_tidy(-1234567890123455) == -1234567890123460);
    assert_true(fo_sample_tidy(123456789012345678) == 123456789012346000);
}

static void
scale_rounds_half_away_from_zero_without_overflow(void **state)
{
    (void)state;
    assert_true(fo_sample_scale(5, 1, 10) == 1);
    assert_true(fo_sample_scale(-5, 1, 10) == -1);
    assert_true(fo_sample_scale(4, 1, 10) == 0);
    assert_true(fo_sample_scale(INT64_MAX, INT64_MAX, INT64_MAX) == INT64_MAX);
}

static void
a_v2_report_has_the_columns_of_aws_and_v1_snake_names_in_parquet(void **state)
{
    FO_AUTO(fo_sample_columns_done) columns v1, v2;
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;

    (void)state;
    assert_int_equal(fo_sample_columns_new(true, &v1, NULL), FINOPS_OK);
    assert_int_equal(fo_sample_columns_new(false, &v2, NULL), FINOPS_OK);
    assert_int_equal(v2.n, 115);
    assert_true(v1.n >= 100);
    for (size_t i = 1; i < v2.n; i++)
        assert_true(strcmp(v2.items[i - 1].name, v2.items[i].name) < 0);
    for (size_t i = 0; i < v1.n; i++) {
        fo_sample_column_name(&v1, &v1.items[i], false, &name);
        fo_str_addc(&name, ' ');
        fo_sample_column_name(&v1, &v1.items[i], true, &name);
        fo_str_addc(&name, '\n');
    }
    assert_non_null(strstr(fo_str_z(&name), "lineItem/UnblendedCost line_item_unblended_cost\n"));
    assert_non_null(strstr(fo_str_z(&name), "reservation/ReservationARN reservation_reservation_a_r_n\n"));
    assert_non_null(
        strstr(fo_str_z(&name), "resourceTags/user:Cost Center resource_tags_user_cost_center\n"));
}

static void
a_world_survives_every_failed_allocation(void **state)
{
    fo_sample_options o = { .rows = 300, .months = 1, .accounts = 2, .seed = 1 };
    finops_code rc;
    unsigned n = 0;

    (void)state;
    do {
        FO_AUTO(fo_sample_world_freep) world *w = NULL;
        FO_AUTO(fo_sample_lines_done) month_lines m = { 0 };

        fo_mem_fail_at(++n);
        rc = fo_sample_world_new(&o, PERIOD, &w, NULL);
        if (rc == FINOPS_OK)
            rc = fo_sample_lines_init(&m, w, PERIOD, 1, NULL);
        assert_int_equal(rc, fo_mem_failed() ? FINOPS_E_MEMORY : FINOPS_OK);
    } while (rc != FINOPS_OK);
    fo_mem_fail_at(0);
    assert_true(n > 8);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_month_has_exactly_the_lines_asked_for),
        cmocka_unit_test(a_correction_adds_lines_and_an_early_version_has_fewer),
        cmocka_unit_test(every_kind_of_line_is_in_the_first_month),
        cmocka_unit_test(a_negation_follows_each_covered_usage_and_takes_it_back),
        cmocka_unit_test(a_plan_is_never_used_beyond_its_commitment),
        cmocka_unit_test(a_reservation_is_never_used_beyond_its_hours),
        cmocka_unit_test(taxes_and_discounts_follow_from_the_lines_before_them),
        cmocka_unit_test(the_discount_is_what_lies_between_cost_and_net),
        cmocka_unit_test(every_number_shown_has_at_most_fifteen_digits),
        cmocka_unit_test(ids_are_different_and_of_fixed_length),
        cmocka_unit_test(numbers_have_ten_decimals),
        cmocka_unit_test(tidy_keeps_fifteen_digits_and_rounds_the_rest),
        cmocka_unit_test(scale_rounds_half_away_from_zero_without_overflow),
        cmocka_unit_test(a_v2_report_has_the_columns_of_aws_and_v1_snake_names_in_parquet),
        cmocka_unit_test(a_world_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
