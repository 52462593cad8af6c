/*
 * Any bytes are a bill or a refusal, and where the text is cut into blocks changes nothing: read in one block
 * and in small ones, a file gives the same number of records or is refused both times.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/csv_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define COLUMNS 3
#define ROWS 2048
#define FIELDS_MAX 64

typedef struct feed {
    const uint8_t *data;
    size_t left;
} feed;

static finops_code
feed_read(void *arg, void *buf, size_t n, size_t *ret_n, finops_error **err)
{
    feed *f = arg;

    (void)err;
    n = n < f->left ? n : f->left;
    if (n > 0)
        memcpy(buf, f->data, n);
    f->data += n;
    f->left -= n;
    *ret_n = n;
    return FINOPS_OK;
}

static const fo_csv_column columns[COLUMNS] = { { "text", FO_CSV_TEXT },
                                                { "number", FO_CSV_DECIMAL },
                                                { "time", FO_CSV_TIMESTAMP } };

static duckdb_data_chunk
new_chunk(void)
{
    duckdb_logical_type types[COLUMNS] = { duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR),
                                           duckdb_create_decimal_type(38, 18),
                                           duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP) };
    duckdb_data_chunk chunk = duckdb_create_data_chunk(types, COLUMNS);

    for (size_t i = 0; i < COLUMNS; i++)
        duckdb_destroy_logical_type(&types[i]);
    return chunk;
}

/* Parses what is left of a block; the rows are added to *io_rows. */
static finops_code
parse_block(fo_csv_parser *parser, fo_csv_block *block, int64_t *io_rows, finops_error **err)
{
    finops_code rc = FINOPS_OK;
    size_t rows = 1;

    while (rc == FINOPS_OK && rows > 0 && block->at < block->n) {
        duckdb_data_chunk chunk = new_chunk();

        rows = 0;
        fo_csv_parser_chunk(parser, chunk);
        rc = fo_csv_parse(parser, block, 0, ROWS, &rows, err);
        if (rc == FINOPS_OK)
            *io_rows += (int64_t)rows;
        duckdb_destroy_data_chunk(&chunk);
    }
    return rc;
}

static finops_code
parse_all(fo_csv_source *source, fo_csv_parser *parser, fo_csv_file *file, int64_t *io_rows,
          finops_error **err)
{
    fo_csv_block block = { 0 };
    finops_code rc;

    while ((rc = fo_csv_source_next(source, &block, err)) == FINOPS_OK && block.n > 0) {
        if (block.first) {
            file->n_fields = fo_csv_count_fields(block.text, block.at, block.n);
            /* Refused, not left off: with large blocks damage further on may have been met already. */
            rc = file->n_fields > FIELDS_MAX
                     ? fo_error_set(err, FINOPS_E_DATA, "more fields than are tried here")
                     : fo_csv_parser_file(parser, file, err);
        }
        if (rc == FINOPS_OK)
            rc = parse_block(parser, &block, io_rows, err);
        if (rc != FINOPS_OK)
            break;
    }
    fo_csv_block_done(&block);
    return rc;
}

/* The records of a file, -1 when it is refused. */
static int64_t
records(const uint8_t *data, size_t size, size_t block)
{
    int targets[FIELDS_MAX] = { 0, 1, 2 };
    fo_csv_job job = { .columns = columns, .n_columns = COLUMNS, .null_text = "NULL" };
    fo_csv_file file = { .address = "fuzz.csv", .label = "fuzz.csv", .targets = targets };
    feed f = { data, size };
    fo_csv_input input = { .read = feed_read, .arg = &f, .label = "fuzz.csv", .address = "fuzz.csv" };
    fo_csv_parser parser = { 0 };
    fo_csv_source *source = NULL;
    finops_error *err = NULL;
    int64_t rows = 0;
    finops_code rc;

    for (size_t i = COLUMNS; i < FIELDS_MAX; i++)
        targets[i] = -1;
    rc = fo_csv_parser_init(&parser, &job, &err);
    if (rc == FINOPS_OK)
        rc = fo_csv_source_new(&input, (fo_csv_limits){ block, block }, &source, &err);
    if (rc == FINOPS_OK)
        rc = parse_all(source, &parser, &file, &rows, &err);
    if ((rc == FINOPS_OK) != (err == NULL))
        abort();
    fo_csv_source_free(source);
    fo_csv_parser_done(&parser);
    finops_error_free(err);
    return rc == FINOPS_OK ? rows : -1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (records(data + 1, size - 1, FO_CSV_BLOCK) != records(data + 1, size - 1, (size_t)16 + data[0]))
        abort();
    return 0;
}
