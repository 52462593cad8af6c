/* Records and fields against a reader that goes byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "engine/csv_internal.h"

#define TEXT_MAX 400
#define ROWS 64

/* Text of the length tested, padded as split asks for: what stands behind must not matter, so it is
 * separators and quotes. */
typedef struct padded {
    char text[TEXT_MAX + FO_CSV_PAD];
    size_t n;
} padded;

static padded
of(const char *z)
{
    padded p = { .n = strlen(z) };

    assert_true(p.n <= TEXT_MAX);
    memset(p.text, '"', sizeof(p.text));
    memcpy(p.text, z, p.n);
    return p;
}

/* What a byte is to the slow reader. */
typedef enum slow { SLOW_BYTE, SLOW_COMMA, SLOW_LINE } slow;

typedef struct slow_state {
    bool inside;
    bool fresh; /* a quote opens */
} slow_state;

static slow
slow_step(slow_state *s, char c)
{
    if (s->inside) {
        s->inside = c != '"';
        s->fresh = c == '"';
        return SLOW_BYTE;
    }
    if (c == '"') {
        s->inside = s->fresh;
        s->fresh = false;
        return SLOW_BYTE;
    }
    s->fresh = c == ',' || c == '\n';
    return c == ',' ? SLOW_COMMA : c == '\n' ? SLOW_LINE : SLOW_BYTE;
}

static void
check_cut(const padded *p)
{
    slow_state s = { .fresh = true };
    fo_csv_cut cut, want = { 0 };
    size_t lines = 0;

    for (size_t i = 0; i < p->n; i++) {
        lines += p->text[i] == '\n';
        if (slow_step(&s, p->text[i]) == SLOW_LINE) {
            want.end = i + 1;
            want.lines = lines;
        }
    }
    fo_csv_cut_find(p->text, p->n, &cut);
    assert_int_equal(cut.end, want.end);
    assert_int_equal(cut.lines, want.lines);
    assert_int_equal(cut.open, s.inside);
}

/* Splits from `at` on, where a record begins, and compares every end. */
static void
check_split(const padded *p, size_t at, size_t n_fields)
{
    FO_AUTO(fo_csv_index_done) fo_csv_index index;
    slow_state s = { .fresh = true };
    fo_csv_fault fault = FO_CSV_FINE;
    size_t rows = 0, fields = 0, n = 0;

    assert_int_equal(fo_csv_index_init(&index, n_fields, ROWS, NULL), FINOPS_OK);
    fo_csv_split(p->text, at, p->n, ROWS, &index);
    for (size_t i = at; i < p->n && rows < ROWS && fault == FO_CSV_FINE; i++) {
        slow what = slow_step(&s, p->text[i]);

        if (what == SLOW_BYTE)
            continue;
        if (++fields > n_fields || (what == SLOW_LINE && fields != n_fields)) {
            fault = FO_CSV_FIELDS;
            break;
        }
        if (rows < index.rows)
            assert_int_equal(index.ends[n], i);
        n++;
        if (what == SLOW_LINE) {
            rows++;
            fields = 0;
        }
    }
    if (fault == FO_CSV_FINE && rows < ROWS && (fields > 0 || s.inside))
        fault = FO_CSV_UNCLOSED;
    assert_int_equal(index.rows, rows);
    if (fault == FO_CSV_UNCLOSED)
        assert_true(index.fault !=
                    FO_CSV_FINE); /* a field too many may be met before or after the open quote */
    else
        assert_int_equal(index.fault, fault);
    assert_int_equal((uint32_t)(index.ends[-1] + 1), at);
}

static uint64_t random_state = 20241101;

static unsigned
random_below(unsigned n)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (unsigned)((random_state * UINT64_C(2685821657736338717)) >> 33) % n;
}

static void
any_bytes_are_split_as_byte_by_byte(void **state)
{
    static const char alphabet[] = "\"\"\",,\n\naaaaaaaaaaaaa\r ";

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        unsigned kinds = 2 + random_below(sizeof(alphabet) - 2);
        padded p = of("");

        p.n = random_below(TEXT_MAX);
        for (size_t i = 0; i < p.n; i++)
            p.text[i] = alphabet[random_below(kinds)];
        check_cut(&p);
        if (p.n == 0 || p.text[p.n - 1] != '\n')
            p.text[p.n++] = '\n';
        check_split(&p, 0, 1 + random_below(4));
    }
}

static void
good_records_are_split_wherever_they_begin(void **state)
{
    static const char records[] = "a,\"b,\n\"\"c\",\r\n,,\n";

    (void)state;
    for (size_t before = 0; before < 140; before++) {
        padded p = of("");

        memset(p.text, 'x', before);
        memcpy(p.text + before, records, strlen(records));
        p.n = before + strlen(records);
        check_split(&p, before, 3);
        check_split(&p, 0, 3);
        check_cut(&p);
    }
}

static void
a_quote_opens_only_where_a_field_begins(void **state)
{
    FO_AUTO(fo_csv_index_done) fo_csv_index index;
    padded p = of("5\" pipe,6\"\",\"7\"\"\n\",a\"b\"\n");

    (void)state;
    assert_int_equal(fo_csv_index_init(&index, 4, ROWS, NULL), FINOPS_OK);
    fo_csv_split(p.text, 0, p.n, ROWS, &index);
    assert_int_equal(index.rows, 1);
    assert_int_equal(index.to, p.n);
    assert_int_equal(index.ends[0], 7);
    assert_int_equal(index.ends[1], 11);
    assert_int_equal(index.ends[2], 18);
}

static void
at_most_the_rows_asked_for_are_split(void **state)
{
    FO_AUTO(fo_csv_index_done) fo_csv_index index;
    padded p = of("a,b\nc,d\ne,f\n");

    (void)state;
    assert_int_equal(fo_csv_index_init(&index, 2, 2, NULL), FINOPS_OK);
    fo_csv_split(p.text, 0, p.n, 2, &index);
    assert_int_equal(index.rows, 2);
    assert_int_equal(index.to, 8);
    assert_int_equal(index.fault, FO_CSV_FINE);
    fo_csv_split(p.text, index.to, p.n, 2, &index);
    assert_int_equal(index.rows, 1);
    assert_int_equal(index.to, p.n);
}

static void
a_record_of_any_width_keeps_to_its_room(void **state)
{
    FO_AUTO(fo_csv_index_done) fo_csv_index index;
    padded p = of("");

    (void)state;
    memset(p.text, ',', TEXT_MAX);
    p.n = TEXT_MAX;
    p.text[p.n - 1] = '\n';
    assert_int_equal(fo_csv_index_init(&index, 1, 1, NULL), FINOPS_OK);
    fo_csv_split(p.text, 0, p.n, 1, &index);
    assert_int_equal(index.fault, FO_CSV_FIELDS);
    assert_int_equal(fo_csv_count_fields(p.text, 0, p.n), TEXT_MAX);
}

static void
an_open_quote_is_found_at_the_end(void **state)
{
    FO_AUTO(fo_csv_index_done) fo_csv_index index;
    padded p = of("a,b\nc,\"d\ne,f\n");

    (void)state;
    assert_int_equal(fo_csv_index_init(&index, 2, ROWS, NULL), FINOPS_OK);
    fo_csv_split(p.text, 0, p.n, ROWS, &index);
    assert_int_equal(index.rows, 1);
    assert_int_equal(index.to, 4);
    assert_int_equal(index.fault, FO_CSV_UNCLOSED);
}

static void
text_that_is_no_utf8_is_found_at_its_byte(void **state)
{
    static const struct {
        const char *text;
        size_t n;
        long bad; /* -1: fine */
    } cases[] = {
        { "", 0, -1 },
        { "plain ascii text", 16, -1 },
        { "gr\xc3\xbc\xc3\x9f", 6, -1 },
        { "\xe2\x82\xac\xf0\x9f\x98\x80", 7, -1 },
        { "\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80", 10, -1 },
        { "0123456789\xff", 11, 10 },
        { "01234\0", 6, 5 },
        { "\0abcdefghijk", 12, 0 },
        { "abcdefgh\xc3", 9, 8 },
        { "\xc0\xaf", 2, 0 },
        { "\xe0\x9f\xbf", 3, 0 },
        { "a\xed\xa0\x80", 4, 1 },
        { "\xf0\x8f\xbf\xbf", 4, 0 },
        { "\xf4\x90\x80\x80", 4, 0 },
        { "\xf5\x80\x80\x80", 4, 0 },
        { "\xe2\x82,", 3, 0 },
        { "\x80", 1, 0 },
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(cases); i++) {
        FO_AUTO(fo_freep) char *exact = fo_alloc(cases[i].n + 1); /* a byte too far is seen */
        size_t bad = 999;
        bool valid;

        assert_non_null(exact);
        memcpy(exact, cases[i].text, cases[i].n);
        valid = fo_csv_text_valid(exact, cases[i].n, &bad);
        if (valid != (cases[i].bad < 0) || (!valid && bad != (size_t)cases[i].bad))
            fail_msg("case %zu: %d at %zu", i, (int)valid, bad);
    }
}

static void
an_index_survives_failed_memory(void **state)
{
    fo_csv_index index;

    (void)state;
    fo_mem_fail_at(1);
    assert_int_equal(fo_csv_index_init(&index, 100, 64, NULL), FINOPS_E_MEMORY);
    fo_csv_index_done(&index);
    assert_int_equal(fo_csv_index_init(&index, SIZE_MAX / 2, 64, NULL), FINOPS_E_MEMORY);
    fo_csv_index_done(&index);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bytes_are_split_as_byte_by_byte),
        cmocka_unit_test(good_records_are_split_wherever_they_begin),
        cmocka_unit_test(a_quote_opens_only_where_a_field_begins),
        cmocka_unit_test(at_most_the_rows_asked_for_are_split),
        cmocka_unit_test(a_record_of_any_width_keeps_to_its_room),
        cmocka_unit_test(an_open_quote_is_found_at_the_end),
        cmocka_unit_test(text_that_is_no_utf8_is_found_at_its_byte),
        cmocka_unit_test(an_index_survives_failed_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
