/*
 * The text of one file, stored plain or as gzip, in blocks of whole records. What follows a block's last
 * record is kept for the next.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "engine/csv_internal.h"

#define PEEK 4 /* bytes that tell how a file is stored */

static const char utf8_mark[] = "\xef\xbb\xbf";
static const char gzip_magic[] = "\x1f\x8b";
static const char zip_magic[PEEK + 1] = "PK\x03\x04";

struct fo_csv_source {
    fo_csv_input input;
    fo_csv_limits limits;
    fo_inflate *inflate; /* NULL: stored plain */
    char peek[PEEK];
    size_t peek_n; /* bytes read ahead and not handed out yet */
    size_t line;   /* of the next block */
    char *tail;    /* begins with a record */
    size_t tail_n;
    size_t tail_cap;
    bool started;
    bool ended;
};

/* Stored bytes, those read ahead first. */
static finops_code
source_stored(void *arg, void *buf, size_t n, size_t *ret_n, finops_error **err)
{
    fo_csv_source *source = arg;
    finops_code rc;

    if (source->peek_n > 0) {
        size_t part = source->peek_n < n ? source->peek_n : n;

        memcpy(buf, source->peek, part);
        source->peek_n -= part;
        memmove(source->peek, source->peek + part, source->peek_n);
        *ret_n = part;
        return FINOPS_OK;
    }
    rc = source->input.read(source->input.arg, buf, n, ret_n, err);
    if (rc == FINOPS_OK && source->input.read_bytes)
        *source->input.read_bytes += (int64_t)*ret_n;
    return rc;
}

static finops_code
source_peek(fo_csv_source *source, finops_error **err)
{
    char bytes[PEEK];
    size_t have = 0, n = 1;

    while (have < PEEK && n > 0) {
        finops_code rc = source_stored(source, bytes + have, PEEK - have, &n, err);

        if (rc != FINOPS_OK)
            return rc;
        have += n;
    }
    memcpy(source->peek, bytes, have);
    source->peek_n = have;
    return FINOPS_OK;
}

static bool
source_begins(const fo_csv_source *source, const char *magic)
{
    size_t n = strlen(magic);

    return source->peek_n >= n && memcmp(source->peek, magic, n) == 0;
}

/* Finds out how the file is stored. */
static finops_code
source_start(fo_csv_source *source, finops_error **err)
{
    finops_code rc = source_peek(source, err);

    if (rc != FINOPS_OK)
        return rc;
    if (source_begins(source, zip_magic)) {
        rc = fo_error_set(err, FINOPS_E_UNSUPPORTED, "%s is a zip archive, which is not read",
                          source->input.label);
        fo_error_hint(err, "set the export's compression to GZIP, or unpack the archive");
        return rc;
    }
    if (fo_ends(source->input.address, ".gz") || source_begins(source, gzip_magic)) {
        source->inflate = fo_inflate_new(source_stored, source, source->limits.input);
        if (!source->inflate)
            return fo_error_oom(err);
    }
    source->started = true;
    return FINOPS_OK;
}

static finops_code
source_text(fo_csv_source *source, char *buf, size_t n, size_t *ret_n, finops_error **err)
{
    finops_code rc;

    if (!source->inflate)
        return source_stored(source, buf, n, ret_n, err);
    rc = fo_inflate_read(source->inflate, buf, n, ret_n, err);
    if (rc == FINOPS_E_CORRUPT)
        return fo_error_wrap(err, rc, "%s", source->input.label);
    return rc;
}

/* Reads until the block is full or the file ends. */
static finops_code
source_fill(fo_csv_source *source, fo_csv_block *block, finops_error **err)
{
    while (block->n < block->cap && !source->ended) {
        size_t n = 0;
        finops_code rc = source_text(source, block->text + block->n, block->cap - block->n, &n, err);

        if (rc != FINOPS_OK)
            return rc;
        block->n += n;
        source->ended = n == 0;
    }
    memset(block->text + block->n, 0, FO_CSV_PAD);
    return FINOPS_OK;
}

static size_t
block_cap(size_t wanted, size_t at_least)
{
    while (wanted < at_least)
        wanted *= 2;
    return wanted < FO_CSV_RECORD_MAX ? wanted : FO_CSV_RECORD_MAX;
}

/* Gives the block `cap` bytes of room, keeping its text. */
static finops_code
block_resize(fo_csv_block *block, size_t cap, finops_error **err)
{
    char *text;

    if (block->text && block->cap == cap)
        return FINOPS_OK;
    text = fo_alloc(cap + FO_CSV_PAD);
    if (!text)
        return fo_error_oom(err);
    if (block->n > 0)
        memcpy(text, block->text, block->n);
    fo_free(block->text);
    block->text = text;
    block->cap = cap;
    return FINOPS_OK;
}

/* Begins a block with what the last one left. */
static finops_code
block_begin(fo_csv_source *source, fo_csv_block *block, finops_error **err)
{
    finops_code rc;

    block->n = block->at = 0;
    block->line = source->line;
    rc = block_resize(block, block_cap(source->limits.block, source->tail_n + 1), err);
    if (rc != FINOPS_OK)
        return rc;
    if (source->tail_n > 0)
        memcpy(block->text, source->tail, source->tail_n);
    block->n = source->tail_n;
    source->tail_n = 0;
    return FINOPS_OK;
}

/* Keeps what follows the last whole record for the next block. */
static finops_code
block_cut(fo_csv_source *source, fo_csv_block *block, const fo_csv_cut *cut, finops_error **err)
{
    size_t rest = block->n - cut->end;
    void *tail = source->tail;

    if (!fo_grow(&tail, &source->tail_cap, rest, 1))
        return fo_error_oom(err);
    source->tail = tail;
    if (rest > 0)
        memcpy(source->tail, block->text + cut->end, rest);
    source->tail_n = rest;
    source->line += cut->lines;
    block->n = cut->end;
    return FINOPS_OK;
}

/* The last block: a missing last line end is added. A record left open inside quotes stays so, for split to
 * find. */
static void
block_end(fo_csv_block *block, const fo_csv_cut *cut)
{
    if (cut->end < block->n && !cut->open)
        block->text[block->n++] = '\n'; /* the padding has room for it */
}

/* Bytes of the byte order mark that a file may begin with. */
static size_t
block_mark(const fo_csv_block *block)
{
    size_t n = strlen(utf8_mark);

    return block->n >= n && memcmp(block->text, utf8_mark, n) == 0 ? n : 0;
}

/* Fills a block to its last whole record, growing it while it has none. */
static finops_code
block_fill(fo_csv_source *source, fo_csv_block *block, finops_error **err)
{
    for (;;) {
        fo_csv_cut cut;
        finops_code rc = source_fill(source, block, err);

        if (rc != FINOPS_OK)
            return rc;
        if (block->first)
            block->at = block_mark(block);
        fo_csv_cut_find(block->text + block->at, block->n - block->at, &cut);
        cut.end += block->at;
        if (source->ended) {
            block_end(block, &cut);
            return FINOPS_OK;
        }
        if (cut.end > block->at)
            return block_cut(source, block, &cut, err);
        if (block->cap >= FO_CSV_RECORD_MAX)
            return fo_error_set(err, FINOPS_E_DATA,
                                "%s line %zu: a record of more than %zu MiB; is a quote left open?",
                                source->input.label, block->line, FO_CSV_RECORD_MAX >> 20);
        rc = block_resize(block, block_cap(block->cap, block->cap * 2), err);
        if (rc != FINOPS_OK)
            return rc;
    }
}

finops_code
fo_csv_source_next(fo_csv_source *source, fo_csv_block *block, finops_error **err)
{
    bool first = !source->started;
    finops_code rc;

    block->n = block->at = 0;
    if (source->ended)
        return FINOPS_OK;
    if (first) {
        rc = source_start(source, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    rc = block_begin(source, block, err);
    block->first = first;
    if (rc == FINOPS_OK)
        rc = block_fill(source, block, err);
    if (rc != FINOPS_OK) {
        block->n = 0;
        return rc;
    }
    if (first && block->at == block->n) {
        block->n = block->at = 0;
        return fo_error_set(err, FINOPS_E_DATA, "%s is empty: it has no header", source->input.label);
    }
    return FINOPS_OK;
}

finops_code
fo_csv_source_new(const fo_csv_input *input, fo_csv_limits limits, fo_csv_source **ret, finops_error **err)
{
    fo_csv_source *source = fo_zalloc(sizeof(*source));

    assert(limits.block > 0 && limits.block <= FO_CSV_RECORD_MAX && limits.input > 0);

    if (!source)
        return fo_error_oom(err);
    source->input = *input;
    source->limits = limits;
    source->line = 1;
    *ret = source;
    return FINOPS_OK;
}

void
fo_csv_source_free(fo_csv_source *source)
{
    if (!source)
        return;
    fo_inflate_free(source->inflate);
    fo_free(source->tail);
    fo_free(source);
}

void
fo_csv_source_freep(fo_csv_source **source)
{
    fo_csv_source_free(*source);
    *source = NULL;
}

void
fo_csv_block_done(fo_csv_block *block)
{
    fo_free(block->text);
    *block = (fo_csv_block){ 0 };
}
