/* gzip streams made here member by member, whole and damaged in every way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/inflate.h"

#define STREAM_MAX 8192

#define FLAG_HEADER_CRC 2
#define FLAG_EXTRA 4
#define FLAG_NAME 8
#define FLAG_COMMENT 16

typedef struct stream {
    uint8_t bytes[STREAM_MAX];
    size_t n;
    size_t at;         /* of the next byte to hand out */
    size_t piece;      /* bytes handed out at a time */
    finops_code fails; /* what reading the end gives instead */
} stream;

static void
put(stream *s, const void *p, size_t n)
{
    assert_true(s->n + n <= STREAM_MAX);
    memcpy(s->bytes + s->n, p, n);
    s->n += n;
}

static void
put_number(stream *s, uint32_t v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t byte = (uint8_t)(v >> (8 * i));

        put(s, &byte, 1);
    }
}

static void
put_header(stream *s, uint8_t flags)
{
    const uint8_t fixed[10] = { 0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 3 };
    size_t begin = s->n;

    put(s, fixed, sizeof(fixed));
    if (flags & FLAG_EXTRA) {
        put_number(s, 7, 2);
        put(s, "ab\3\0xyz", 7);
    }
    if (flags & FLAG_NAME)
        put(s, "acme-cur-00001.csv", 19);
    if (flags & FLAG_COMMENT)
        put(s, "made by hand", 13);
    if (flags & FLAG_HEADER_CRC)
        put_number(s, crc32_gzip_refl(0, s->bytes + begin, s->n - begin) & 0xffff, 2);
}

static void
put_deflate(stream *s, const char *text, size_t n)
{
    struct isal_zstream z;
    uint8_t in[STREAM_MAX];

    memcpy(in, text, n);
    isal_deflate_stateless_init(&z);
    z.next_in = in;
    z.avail_in = (uint32_t)n;
    z.next_out = s->bytes + s->n;
    z.avail_out = (uint32_t)(STREAM_MAX - s->n);
    z.end_of_stream = 1;
    z.flush = NO_FLUSH;
    assert_int_equal(isal_deflate_stateless(&z), COMP_OK);
    s->n += z.total_out;
}

static void
put_member(stream *s, uint8_t flags, const char *text)
{
    size_t n = strlen(text);

    put_header(s, flags);
    put_deflate(s, text, n);
    put_number(s, crc32_gzip_refl(0, (const unsigned char *)text, n), 4);
    put_number(s, (uint32_t)n, 4);
}

static finops_code
stream_read(void *arg, void *buf, size_t n, size_t *ret_n, finops_error **err)
{
    stream *s = arg;
    size_t left = s->n - s->at;

    if (left == 0 && s->fails != FINOPS_OK)
        return fo_error_set(err, s->fails, "the disk is gone");
    if (n > left)
        n = left;
    if (s->piece != 0 && n > s->piece)
        n = s->piece;
    memcpy(buf, s->bytes + s->at, n);
    s->at += n;
    *ret_n = n;
    return FINOPS_OK;
}

/* Inflates the whole stream, `step` bytes a call. *ret gets the text, NUL added. */
static finops_code
inflate_all(stream *s, size_t step, char ret[STREAM_MAX + 1], finops_error **err)
{
    FO_AUTO(fo_inflate_freep) fo_inflate *z = fo_inflate_new(stream_read, s, 64);
    finops_code rc = FINOPS_OK;
    size_t n = 1, total = 0;

    assert_non_null(z);
    s->at = 0;
    while (rc == FINOPS_OK && n > 0) {
        size_t room = STREAM_MAX - total < step ? STREAM_MAX - total : step;

        n = 0;
        assert_true(room > 0);
        rc = fo_inflate_read(z, ret + total, room, &n, err);
        total += n;
    }
    ret[total] = '\0';
    return rc;
}

static void
is_text(stream *s, const char *text)
{
    static const size_t steps[] = { 1, 2, 7, 64, 4096 };
    char got[STREAM_MAX + 1];

    for (size_t piece = 0; piece < 5; piece++)
        for (size_t i = 0; i < FO_COUNT(steps); i++) {
            FO_AUTO(finops_error_freep) finops_error *err = NULL;

            s->piece = piece;
            if (inflate_all(s, steps[i], got, &err) != FINOPS_OK)
                fail_msg("pieces of %zu, steps of %zu: %s", piece, steps[i], finops_error_text(err));
            assert_string_equal(got, text);
        }
}

static void
is_corrupt(stream *s, const char *message)
{
    char got[STREAM_MAX + 1];

    for (s->piece = 0; s->piece < 3; s->piece++) {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;

        if (inflate_all(s, 64, got, &err) != FINOPS_E_CORRUPT)
            fail_msg("taken: %s", got);
        if (message)
            assert_string_equal(finops_error_text(err), message);
    }
}

static const char bill[] =
    "identity/LineItemId,lineItem/UnblendedCost\n1,0.0000000001\n2,0.0000000001\n3,0.0000000001\n";

static void
a_member_is_read_in_pieces_of_any_size(void **state)
{
    stream s = { .n = 0 };

    (void)state;
    put_member(&s, 0, bill);
    is_text(&s, bill);
}

static void
every_optional_header_field_is_legal(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags < 32; flags++) { /* bit 0: a hint that the data is text */
        stream s = { .n = 0 };

        put_member(&s, (uint8_t)flags, bill);
        is_text(&s, bill);
    }
}

static void
several_members_are_one_text(void **state)
{
    stream s = { .n = 0 };

    (void)state;
    put_member(&s, FLAG_NAME, "a,b\n");
    put_member(&s, 0, "");
    put_member(&s, FLAG_COMMENT | FLAG_HEADER_CRC, "1,2\n3,");
    put_member(&s, FLAG_EXTRA, "4\n");
    is_text(&s, "a,b\n1,2\n3,4\n");
}

static void
zeros_after_the_last_member_are_padding(void **state)
{
    static const char zeros[513];
    stream s = { .n = 0 };

    (void)state;
    put_member(&s, 0, bill);
    put(&s, zeros, sizeof(zeros));
    is_text(&s, bill);
    put(&s, "\x1f\x8b", 2);
    is_corrupt(&s, "bytes after the last gzip member are neither a member nor zeros");
}

static void
anything_else_after_the_last_member_is_found(void **state)
{
    stream s = { .n = 0 };

    (void)state;
    put_member(&s, 0, bill);
    put(&s, "x", 1);
    is_corrupt(&s, "bytes after the last gzip member are neither a member nor zeros");
    s.n--;
    put(&s, "\x1f", 1);
    is_corrupt(&s, "gzip data ends in the middle: the file is truncated");
    put(&s, "\x8c", 1);
    is_corrupt(&s, NULL);
}

static void
a_stream_cut_anywhere_is_truncated(void **state)
{
    stream s = { .n = 0 };

    (void)state;
    put_member(&s, FLAG_EXTRA | FLAG_NAME | FLAG_COMMENT | FLAG_HEADER_CRC, bill);
    for (s.n--; s.n > 0; s.n--)
        is_corrupt(&s, "gzip data ends in the middle: the file is truncated");
    is_corrupt(&s, "gzip file is empty");
}

static void
a_second_member_cut_anywhere_is_truncated(void **state)
{
    stream s = { .n = 0 };
    size_t first;

    (void)state;
    put_member(&s, 0, bill);
    first = s.n;
    put_member(&s, 0, bill);
    for (s.n--; s.n > first; s.n--)
        is_corrupt(&s, "gzip data ends in the middle: the file is truncated");
    is_text(&s, bill);
}

static void
checksum_and_length_are_compared(void **state)
{
    (void)state;
    for (size_t back = 1; back <= 8; back++) {
        stream s = { .n = 0 };

        put_member(&s, 0, bill);
        s.bytes[s.n - back] ^= 0x40;
        is_corrupt(&s, "gzip checksum or length does not match the data");
    }
}

/* A flipped bit is found, or lies in a header field that says nothing about the text. */
static void
no_flipped_bit_changes_the_text(void **state)
{
    stream s = { .n = 0 };
    char got[STREAM_MAX + 1];
    size_t refused = 0;

    (void)state;
    put_member(&s, FLAG_NAME, bill);
    for (size_t bit = 0; bit < s.n * 8; bit++) {
        s.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        if (inflate_all(&s, 64, got, NULL) == FINOPS_OK)
            assert_string_equal(got, bill);
        else
            refused++;
        s.bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    assert_true(refused > (s.n - 32) * 8);
}

static void
what_is_no_gzip_is_said_to_be_none(void **state)
{
    stream s = { .n = 0 };

    (void)state;
    put(&s, "a,b\n1,2\n", 8);
    is_corrupt(&s, "not a gzip file");
}

static void
an_error_of_the_source_is_passed_on(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    stream s = { .fails = FINOPS_E_IO };
    char got[STREAM_MAX + 1];

    (void)state;
    put_member(&s, 0, bill);
    s.n /= 2;
    assert_int_equal(inflate_all(&s, 64, got, &err), FINOPS_E_IO);
    assert_string_equal(finops_error_text(err), "the disk is gone");
}

static void
no_memory_gives_no_object(void **state)
{
    stream s = { .n = 0 };

    (void)state;
    fo_mem_fail_at(1);
    assert_null(fo_inflate_new(stream_read, &s, 64));
    assert_true(fo_mem_failed());
    fo_mem_fail_at(0);
    fo_inflate_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_is_read_in_pieces_of_any_size),
        cmocka_unit_test(every_optional_header_field_is_legal),
        cmocka_unit_test(several_members_are_one_text),
        cmocka_unit_test(zeros_after_the_last_member_are_padding),
        cmocka_unit_test(anything_else_after_the_last_member_is_found),
        cmocka_unit_test(a_stream_cut_anywhere_is_truncated),
        cmocka_unit_test(a_second_member_cut_anywhere_is_truncated),
        cmocka_unit_test(checksum_and_length_are_compared),
        cmocka_unit_test(no_flipped_bit_changes_the_text),
        cmocka_unit_test(what_is_no_gzip_is_said_to_be_none),
        cmocka_unit_test(an_error_of_the_source_is_passed_on),
        cmocka_unit_test(no_memory_gives_no_object),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
