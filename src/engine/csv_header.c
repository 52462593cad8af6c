/* The header of a CSV file: its first record, read by the same source and split as the rest. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "engine/csv_internal.h"

#define HEADER_BLOCK ((size_t)64 << 10)

static finops_code
header_read(void *arg, void *buf, size_t n, size_t *ret_n, finops_error **err)
{
    return fo_file_next(arg, buf, n, ret_n, err);
}

static finops_code
header_field(const char *p, size_t n, char *scratch, const char *label, fo_strv *names, finops_error **err)
{
    if (n > 0 && *p == '"' && !fo_csv_unquote(&p, &n, scratch))
        return fo_error_set(err, FINOPS_E_DATA, "%s: header: text after the closing quote of field %zu",
                            label, names->n + 1);
    if (!fo_strv_addn(names, p, n))
        return fo_error_oom(err);
    return FINOPS_OK;
}

/* The fields of the block's first record. */
static finops_code
header_fields(const fo_csv_block *block, const char *label, fo_strv *names, finops_error **err)
{
    FO_AUTO(fo_csv_index_done) fo_csv_index index = { 0 };
    FO_AUTO(fo_freep) char *scratch = fo_alloc(block->n + FO_CSV_PAD);
    size_t bad;
    finops_code rc;

    if (!scratch)
        return fo_error_oom(err);
    rc = fo_csv_index_init(&index, fo_csv_count_fields(block->text, block->at, block->n), 1, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_csv_split(block->text, block->at, block->n, 1, &index);
    if (index.fault != FO_CSV_FINE)
        return fo_error_set(err, FINOPS_E_DATA, "%s: header: a quoted field has no closing quote", label);
    if (!fo_csv_text_valid(block->text + block->at, index.to - block->at, &bad))
        return fo_error_set(err, FINOPS_E_DATA, "%s: header: text is not UTF-8", label);

    for (size_t f = 0; f < index.n_fields; f++) {
        size_t start = (size_t)(uint32_t)(index.memory[f] + 1);
        size_t n = index.ends[f] - start;

        if (f + 1 == index.n_fields && n > 0 && block->text[start + n - 1] == '\r')
            n--;
        if (n > 0 && block->text[start] != '"' && memchr(block->text + start, '\r', n))
            return fo_error_set(err, FINOPS_E_DATA, "%s: header: its lines end in carriage returns alone",
                                label);
        rc = header_field(block->text + start, n, scratch, label, names, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    return FINOPS_OK;
}

static finops_code
header_block(fo_file *file, const char *address, const char *label, fo_csv_block *block, finops_error **err)
{
    FO_AUTO(fo_csv_source_freep) fo_csv_source *source = NULL;
    const fo_csv_input input = { .read = header_read, .arg = file, .label = label, .address = address };
    const fo_csv_limits limits = { .block = HEADER_BLOCK, .input = HEADER_BLOCK };
    finops_code rc = fo_csv_source_new(&input, limits, &source, err);

    if (rc != FINOPS_OK)
        return rc;
    return fo_csv_source_next(source, block, err);
}

finops_code
fo_csv_header(fo_files *files, const char *address, const char *label, fo_strv *ret, int64_t *ret_size,
              finops_error **err)
{
    FO_AUTO(fo_file_closep) fo_file *file = NULL;
    FO_AUTO(fo_csv_block_done) fo_csv_block block = { 0 };
    FO_AUTO(fo_strv_done) fo_strv names = FO_STRV_INIT;
    finops_code rc;

    assert(files && address && label && ret);

    rc = fo_file_peek(files, address, &file, err);
    if (rc == FINOPS_OK)
        rc = header_block(file, address, label, &block, err);
    if (rc == FINOPS_OK)
        rc = header_fields(&block, label, &names, err);
    if (rc != FINOPS_OK)
        return rc;
    if (names.n == 1 && *names.items[0] == '\0')
        return fo_error_set(err, FINOPS_E_DATA, "%s has no header: its first line is empty", label);

    fo_strv_done(ret);
    *ret = names;
    if (ret_size)
        *ret_size = fo_file_size(file);
    names = FO_STRV_INIT;
    return FINOPS_OK;
}
