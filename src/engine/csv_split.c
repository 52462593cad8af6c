/*
 * Where records and fields end. Text is looked at in chunks of 64 bytes as bit masks; a quote opens a field
 * only where a field begins, so that a quote inside an unquoted field is a byte like any other.
 *
 * The two passes over a block (cut, under the file's lock; split, outside) share one view of a chunk and so
 * agree on every record.
 */
#include <assert.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/mem.h"
#include "engine/csv_internal.h"

#define CHUNK 64

/* One bit a byte. */
typedef struct chunk_bits {
    uint64_t commas;
    uint64_t lines;
    uint64_t quotes;
    uint64_t special; /* not zero: beyond ASCII, or NUL */
} chunk_bits;

/* What a chunk leaves to the next one. */
typedef struct chunk_state {
    bool inside; /* quotes */
    bool fresh;  /* a quote here would open a field, or reopen the one just closed */
} chunk_state;

#if defined(__SSE2__)

static inline uint64_t
chunk_equal(const __m128i v[4], char c)
{
    const __m128i want = _mm_set1_epi8(c);
    uint64_t bits = 0;

    for (unsigned i = 0; i < 4; i++)
        bits |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v[i], want)) << (16 * i);
    return bits;
}

static inline void
chunk_load(const char *p, chunk_bits *ret)
{
    const __m128i zero = _mm_setzero_si128();
    __m128i v[4], low;

    for (unsigned i = 0; i < 4; i++)
        v[i] = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
    ret->commas = chunk_equal(v, ',');
    ret->lines = chunk_equal(v, '\n');
    ret->quotes = chunk_equal(v, '"');
    /* As signed bytes, NUL and everything beyond ASCII are the ones not above zero. */
    low = _mm_and_si128(_mm_and_si128(_mm_cmpgt_epi8(v[0], zero), _mm_cmpgt_epi8(v[1], zero)),
                        _mm_and_si128(_mm_cmpgt_epi8(v[2], zero), _mm_cmpgt_epi8(v[3], zero)));
    ret->special = _mm_movemask_epi8(low) != 0xffff;
}

#else

static void
chunk_load(const char *p, chunk_bits *ret)
{
    *ret = (chunk_bits){ 0 };
    for (unsigned i = 0; i < CHUNK; i++) {
        ret->commas |= (uint64_t)(p[i] == ',') << i;
        ret->lines |= (uint64_t)(p[i] == '\n') << i;
        ret->quotes |= (uint64_t)(p[i] == '"') << i;
        ret->special |= (signed char)p[i] <= 0;
    }
}

#endif

/* Loads the bytes from p on of which n count. */
static inline void
chunk_load_part(const char *p, size_t n, chunk_bits *ret)
{
    chunk_load(p, ret);
    if (n < CHUNK) {
        uint64_t valid = (UINT64_C(1) << n) - 1;

        ret->commas &= valid;
        ret->lines &= valid;
        ret->quotes &= valid;
    }
}

/* The bytes between quotes, from each opening quote on and without the closing one. */
static inline uint64_t
chunk_inside(const chunk_bits *bits, chunk_state *state)
{
    const uint64_t fields = bits->commas | bits->lines;
    uint64_t inside = state->inside ? ~UINT64_C(0) : 0;
    uint64_t closed = 0;

    for (uint64_t left = bits->quotes; left != 0; left &= left - 1) {
        uint64_t bit = left & -left;
        uint64_t from_here = ~(bit - 1);

        if (state->inside) {
            state->inside = false;
            inside &= ~from_here;
            closed |= bit;
        } else if (bit == 1 ? state->fresh : ((fields | closed) & (bit >> 1)) != 0) {
            state->inside = true;
            inside |= from_here;
        }
    }
    state->fresh = ((fields | closed) >> (CHUNK - 1)) != 0;
    return inside;
}

/* Inside quotes, of a chunk that mostly has none. */
static inline uint64_t
chunk_quoted(const chunk_bits *bits, chunk_state *state)
{
    if (bits->quotes != 0)
        return chunk_inside(bits, state);
    state->fresh = ((bits->commas | bits->lines) >> (CHUNK - 1)) != 0;
    return state->inside ? ~UINT64_C(0) : 0;
}

static inline unsigned
bit_index(uint64_t bits)
{
    return (unsigned)__builtin_ctzll(bits);
}

void
fo_csv_cut_find(const char *text, size_t n, fo_csv_cut *ret)
{
    chunk_state state = { .fresh = true };
    size_t lines = 0;

    *ret = (fo_csv_cut){ 0 };
    for (size_t pos = 0; pos < n; pos += CHUNK) {
        chunk_bits bits;
        uint64_t quoted;

        chunk_load_part(text + pos, n - pos, &bits);
        quoted = chunk_quoted(&bits, &state);
        for (uint64_t left = bits.lines; left != 0; left &= left - 1) {
            lines++;
            if ((left & -left & quoted) != 0)
                continue;
            ret->end = pos + bit_index(left) + 1;
            ret->lines = lines;
        }
    }
    ret->open = state.inside;
}

finops_code
fo_csv_index_init(fo_csv_index *index, size_t n_fields, size_t max_rows, finops_error **err)
{
    assert(n_fields > 0 && max_rows > 0);

    *index = (fo_csv_index){ .n_fields = n_fields, .cap_rows = max_rows };
    if (n_fields > (SIZE_MAX / sizeof(uint32_t) - CHUNK - 1) / max_rows)
        return fo_error_oom(err);
    /* One entry before the first field, and a chunk's worth before a record of too many fields is noticed. */
    index->memory = fo_array(1 + n_fields * max_rows + CHUNK, sizeof(uint32_t));
    if (!index->memory)
        return fo_error_oom(err);
    index->ends = index->memory + 1;
    return FINOPS_OK;
}

void
fo_csv_index_done(fo_csv_index *index)
{
    fo_free(index->memory);
    index->memory = NULL;
    index->ends = NULL;
}

static inline size_t
bit_count(uint64_t bits)
{
    size_t n = 0;

    for (; bits != 0; bits &= bits - 1)
        n++;
    return n;
}

/* Takes the record ends of a chunk whose first separator is entry `n`; false: stop, enough or a fault. */
static inline bool
split_rows(fo_csv_index *index, size_t pos, uint64_t lines, uint64_t separators, size_t n)
{
    for (; lines != 0; lines &= lines - 1) {
        uint64_t before = (lines & -lines) - 1;

        if (n + bit_count(separators & before) + 1 != (index->rows + 1) * index->n_fields) {
            index->fault = FO_CSV_FIELDS;
            return false;
        }
        index->to = pos + bit_index(lines) + 1;
        if (++index->rows == index->max_rows)
            return false;
    }
    return true;
}

void
fo_csv_split(const char *text, size_t at, size_t n, size_t max_rows, fo_csv_index *index)
{
    chunk_state state = { .fresh = true };
    uint32_t *out = index->ends;
    uint64_t special = 0;

    assert(n <= UINT32_MAX - CHUNK && max_rows > 0 && max_rows <= index->cap_rows);

    index->max_rows = max_rows;
    index->rows = 0;
    index->from = index->to = at;
    index->fault = FO_CSV_FINE;
    index->ends[-1] = (uint32_t)at - 1; /* wraps at 0 and back when the field begins one after it */
    for (size_t pos = at; pos < n; pos += CHUNK) {
        size_t before = (size_t)(out - index->ends);
        chunk_bits bits;
        uint64_t outside, separators;

        chunk_load_part(text + pos, n - pos, &bits);
        outside = ~chunk_quoted(&bits, &state);
        special |= bits.special;
        separators = (bits.commas | bits.lines) & outside;
        for (uint64_t left = separators; left != 0; left &= left - 1)
            *out++ = (uint32_t)pos + bit_index(left);
        if (!split_rows(index, pos, bits.lines & outside, separators, before))
            break;
        if ((size_t)(out - index->ends) >= (index->rows + 1) * index->n_fields) {
            index->fault = FO_CSV_FIELDS;
            break;
        }
    }
    index->special = special != 0;
    if (index->fault == FO_CSV_FINE && index->rows < index->max_rows && index->to < n)
        index->fault = FO_CSV_UNCLOSED;
}

size_t
fo_csv_count_fields(const char *text, size_t at, size_t n)
{
    chunk_state state = { .fresh = true };
    size_t fields = 1;

    for (size_t pos = at; pos < n; pos += CHUNK) {
        chunk_bits bits;
        uint64_t outside, lines;

        chunk_load_part(text + pos, n - pos, &bits);
        outside = ~chunk_quoted(&bits, &state);
        lines = bits.lines & outside;
        if (lines != 0)
            return fields + bit_count(bits.commas & outside & ((lines & -lines) - 1));
        fields += bit_count(bits.commas & outside);
    }
    return fields;
}

/* Bytes of the UTF-8 sequence at p, 0 when it is none; RFC 3629. */
static size_t
utf8_sequence(const unsigned char *p, size_t n)
{
    unsigned char low = 0x80, high = 0xbf;
    size_t length;

    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        length = 2;
    else if (p[0] >= 0xe0 && p[0] <= 0xef)
        length = 3;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        length = 4;
    else
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0; /* overlong */
    else if (p[0] == 0xed)
        high = 0x9f; /* surrogates */
    else if (p[0] == 0xf0)
        low = 0x90; /* overlong */
    else if (p[0] == 0xf4)
        high = 0x8f; /* beyond U+10FFFF */
    if (n < length || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    return length;
}

/* Plain ASCII without NUL: eight bytes none of which has its high bit set or is zero. */
static inline bool
ascii_word(const char *p)
{
    uint64_t w;

    memcpy(&w, p, sizeof(w));
    return ((w | (w - UINT64_C(0x0101010101010101))) & UINT64_C(0x8080808080808080)) == 0;
}

bool
fo_csv_text_valid(const char *p, size_t n, size_t *ret_bad)
{
    size_t i = 0;

    while (i < n) {
        size_t length;

        if (n - i >= 8 && ascii_word(p + i)) {
            i += 8;
            continue;
        }
        if ((signed char)p[i] > 0) {
            i++;
            continue;
        }
        length = utf8_sequence((const unsigned char *)p + i, n - i);
        if (length == 0) {
            *ret_bad = i;
            return false;
        }
        i += length;
    }
    return true;
}
