/*
 * Records into typed vectors. A batch of records is split first and then converted column by column: the type
 * is decided once a column, and a column's validity is built 64 rows at a time, because most bill columns are
 * mostly empty.
 */
#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/decimal.h"
#include "base/mem.h"
#include "engine/csv_internal.h"

#define BATCH_ENTRIES 32768 /* of an index: with its text it stays in the second-level cache */
#define BATCH_ROWS 512
#define VALUE_SHOWN 60 /* bytes of a bad value in a message */
#define INLINE_STRING 12

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "strings and decimals are stored as the engine has them in memory");
_Static_assert(sizeof(duckdb_string_t) == 16 && sizeof(fo_decimal) == 16, "the engine's vector elements");

typedef enum cell_fault { CELL_FINE, CELL_QUOTE, CELL_NUMBER, CELL_RANGE, CELL_TIME } cell_fault;

/* One column of a batch. */
typedef struct column_run {
    fo_csv_parser *parser;
    const char *text;
    const uint32_t *ends; /* of this field in record 0 */
    size_t stride;
    bool last; /* of its record: a CR may stand before the line end */
    duckdb_vector vector;
    void *data; /* of row 0 of this batch */
    size_t base;
    cell_fault fault;
    size_t bad; /* record of the fault */
} column_run;

/* Converts `n` records from `first` on and returns which are NULL, bit 0 for the first; stops at a fault. */
typedef uint64_t (*group_fn)(column_run *run, size_t first, size_t n);

/* Raw bytes of a cell, quotes included. */
static inline size_t
cell_raw(const column_run *run, size_t row, const char **ret_p)
{
    const uint32_t *end = run->ends + row * run->stride;
    uint32_t start = end[-1] + 1;
    size_t n = *end - start;

    *ret_p = run->text + start;
    if (run->last && n > 0 && (*ret_p)[n - 1] == '\r')
        n--;
    return n;
}

bool
fo_csv_unquote(const char **io_p, size_t *io_n, char *scratch)
{
    const char *p = *io_p + 1;
    const char *end = *io_p + *io_n - 1;
    const char *quote;
    size_t n = 0;

    if (*io_n < 2 || *end != '"')
        return false;
    quote = memchr(p, '"', (size_t)(end - p));
    if (!quote) {
        *io_p = p;
        *io_n -= 2;
        return true;
    }
    for (; quote; quote = memchr(p, '"', (size_t)(end - p))) {
        size_t part = (size_t)(quote - p) + 1;

        if (quote + 1 >= end || quote[1] != '"')
            return false;
        memcpy(scratch + n, p, part);
        n += part;
        p = quote + 2;
    }
    memcpy(scratch + n, p, (size_t)(end - p));
    *io_p = scratch;
    *io_n = n + (size_t)(end - p);
    return true;
}

/* Makes a quoted cell its text; the result is valid until the next one. */
static bool
cell_unquote(column_run *run, size_t row, const char **p, size_t *n)
{
    if (fo_csv_unquote(p, n, run->parser->scratch))
        return true;
    run->fault = CELL_QUOTE;
    run->bad = row;
    return false;
}

static inline bool
cell_is_null_text(const column_run *run, const char *p, size_t n)
{
    size_t null_len = run->parser->null_len;

    return null_len != 0 && n == null_len && memcmp(p, run->parser->job->null_text, n) == 0;
}

/* 1: *p and *n are the cell's text; 0: NULL; -1: fault. */
static inline int
cell_text(column_run *run, size_t row, const char **p, size_t *n)
{
    *n = cell_raw(run, row, p);
    if (*n == 0)
        return 0;
    if (**p == '"') {
        if (!cell_unquote(run, row, p, n))
            return -1;
        return *n != 0;
    }
    return !cell_is_null_text(run, *p, *n);
}

/* A string of up to 12 bytes lies in its element, the rest of which is zero. Reads 12 bytes whatever n is. */
static inline void
string_inline(duckdb_string_t *element, const char *p, size_t n)
{
    uint64_t low;
    uint32_t high;

    memcpy(&low, p, sizeof(low));
    memcpy(&high, p + sizeof(low), sizeof(high));
    if (n < sizeof(low)) {
        low &= (UINT64_C(1) << (8 * n)) - 1;
        high = 0;
    } else if (n < INLINE_STRING) {
        high &= (UINT32_C(1) << (8 * (n - sizeof(low)))) - 1;
    }
    element->value.inlined.length = (uint32_t)n;
    memcpy(element->value.inlined.inlined, &low, sizeof(low));
    memcpy(element->value.inlined.inlined + sizeof(low), &high, sizeof(high));
}

static uint64_t
group_text(column_run *run, size_t first, size_t n)
{
    duckdb_string_t *data = run->data;
    uint64_t nulls = 0;

    for (size_t i = 0; i < n; i++) {
        const char *p;
        size_t length;
        int some = cell_text(run, first + i, &p, &length);

        if (some < 0)
            break;
        nulls |= (uint64_t)!some << i;
        if (!some)
            continue;
        if (length <= INLINE_STRING)
            string_inline(&data[first + i], p, length);
        else
            duckdb_unsafe_vector_assign_string_element_len(run->vector, run->base + first + i, p, length);
    }
    return nulls;
}

static uint64_t
group_decimal(column_run *run, size_t first, size_t n)
{
    char *data = run->data;
    uint64_t nulls = 0;

    for (size_t i = 0; i < n; i++) {
        const char *p;
        size_t length;
        fo_decimal value;
        fo_decimal_result result;
        int some = cell_text(run, first + i, &p, &length);

        if (some < 0)
            break;
        nulls |= (uint64_t)!some << i;
        if (!some)
            continue;
        result = fo_decimal_parse(p, length, &value);
        if (result == FO_DECIMAL_BAD || result == FO_DECIMAL_RANGE) {
            run->fault = result == FO_DECIMAL_BAD ? CELL_NUMBER : CELL_RANGE;
            run->bad = first + i;
            break;
        }
        run->parser->rounded += result == FO_DECIMAL_ROUNDED;
        memcpy(data + (first + i) * sizeof(value), &value,
               sizeof(value)); /* the engine promises no alignment of 16 */
    }
    return nulls;
}

static uint64_t
group_time(column_run *run, size_t first, size_t n)
{
    int64_t *data = run->data;
    const char *known = NULL; /* the text whose value is known: the billing period is the same in every row */
    size_t known_length = 0;
    int64_t value = 0;
    uint64_t nulls = 0;

    for (size_t i = 0; i < n; i++) {
        const char *p;
        size_t length;
        int some = cell_text(run, first + i, &p, &length);

        if (some < 0)
            break;
        nulls |= (uint64_t)!some << i;
        if (!some)
            continue;
        if (length != known_length || memcmp(p, known, length) != 0) {
            if (!fo_time_parse(p, length, &value)) {
                run->fault = CELL_TIME;
                run->bad = first + i;
                break;
            }
            known = p == run->parser->scratch ? NULL : p;
            known_length = known ? length : 0;
        }
        data[first + i] = value;
    }
    return nulls;
}

/* A field that is no output still has to be a field. */
static uint64_t
group_skip(column_run *run, size_t first, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *p;
        size_t length;

        if (cell_text(run, first + i, &p, &length) < 0)
            break;
    }
    return 0;
}

static const struct {
    group_fn convert;
    size_t size; /* of a vector's element */
} column_types[] = {
    [FO_CSV_TEXT] = { group_text, sizeof(duckdb_string_t) },
    [FO_CSV_DECIMAL] = { group_decimal, sizeof(fo_decimal) },
    [FO_CSV_TIMESTAMP] = { group_time, sizeof(int64_t) },
    [FO_CSV_SKIP] = { group_skip, 0 },
};

/* Marks rows base .. base + 63 NULL as the bits say; bits beyond the chunk's rows do no harm. */
static void
output_nulls(fo_csv_output *output, size_t base, uint64_t nulls)
{
    if (nulls == 0)
        return;
    if (!output->validity) {
        duckdb_vector_ensure_validity_writable(output->vector);
        output->validity = duckdb_vector_get_validity(output->vector);
    }
    output->validity[base / 64] = ~nulls;
}

/* Converts one field of `rows` records; NULL output: only looks at it. False: run->fault. */
static bool
parse_column(column_run *run, fo_csv_type type, fo_csv_output *output, size_t rows)
{
    for (size_t first = 0; first < rows && run->fault == CELL_FINE; first += 64) {
        size_t n = rows - first < 64 ? rows - first : 64;
        uint64_t nulls = column_types[type].convert(run, first, n);

        if (output)
            output_nulls(output, run->base + first, nulls);
    }
    return run->fault == CELL_FINE;
}

/* Line on which text[offset] stands. */
static size_t
line_of(const fo_csv_block *block, size_t offset)
{
    size_t line = block->line;
    const char *p = block->text;
    const char *end = p + offset;

    while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        line++;
        p++;
    }
    return line;
}

static size_t
record_start(const fo_csv_index *index, size_t row)
{
    return (size_t)(uint32_t)(index->ends[(ptrdiff_t)(row * index->n_fields) - 1] + 1);
}

/* A value as a message shows it: cut between characters, control characters replaced. */
static void
value_shown(const char *p, size_t n, char ret[VALUE_SHOWN + 4])
{
    size_t shown = n < VALUE_SHOWN ? n : VALUE_SHOWN;

    while (shown < n && shown > 0 && ((unsigned char)p[shown] & 0xc0) == 0x80)
        shown--;
    for (size_t i = 0; i < shown; i++)
        ret[i] = (unsigned char)p[i] < 0x20 || p[i] == 0x7f ? '?' : p[i];
    memcpy(ret + shown, shown < n ? "..." : "", shown < n ? 4 : 1);
}

/* Error of run->bad; a former one, which stood in a later record, gives way. */
static finops_code
cell_failed(const column_run *run, const fo_csv_block *block, size_t field, const char *name,
            finops_error **err)
{
    static const char *const what[] = {
        [CELL_QUOTE] = "has text after its closing quote",
        [CELL_NUMBER] = "is no number",
        [CELL_RANGE] = "is a number of more than 20 digits before the point",
        [CELL_TIME] = "is no time",
    };
    char shown[VALUE_SHOWN + 4];
    const char *p;
    size_t n = cell_raw(run, run->bad, &p);
    size_t line = line_of(block, record_start(&run->parser->index, run->bad));

    if (run->fault != CELL_QUOTE && *p == '"')
        fo_csv_unquote(&p, &n, run->parser->scratch);
    value_shown(p, n, shown);
    if (err)
        finops_error_freep(err);
    if (name)
        return fo_error_set(err, FINOPS_E_DATA, "%s line %zu: column %s: \"%s\" %s", run->parser->file->label,
                            line, name, shown, what[run->fault]);
    return fo_error_set(err, FINOPS_E_DATA, "%s line %zu: field %zu: \"%s\" %s", run->parser->file->label,
                        line, field + 1, shown, what[run->fault]);
}

static finops_code
split_failed(const fo_csv_parser *parser, const fo_csv_block *block, finops_error **err)
{
    const fo_csv_index *index = &parser->index;
    size_t line = line_of(block, index->to);

    if (index->fault == FO_CSV_UNCLOSED)
        return fo_error_set(err, FINOPS_E_DATA, "%s line %zu: a quoted field has no closing quote",
                            parser->file->label, line);
    return fo_error_set(err, FINOPS_E_DATA, "%s line %zu: %zu fields where the header has %zu",
                        parser->file->label, line, fo_csv_count_fields(block->text, index->to, block->n),
                        index->n_fields);
}

/* The records of a batch before the first that is not text; sets the error of that one. */
static finops_code
parse_text_check(const fo_csv_parser *parser, const fo_csv_block *block, size_t *io_rows, finops_error **err)
{
    const fo_csv_index *index = &parser->index;
    const char *text = block->text + index->from;
    size_t bad, row = 0;

    if (!index->special || fo_csv_text_valid(text, index->to - index->from, &bad))
        return FINOPS_OK;

    bad += index->from;
    while (index->ends[(row + 1) * index->n_fields - 1] < bad)
        row++;
    *io_rows = row;
    if (err)
        finops_error_freep(err);
    return fo_error_set(err, FINOPS_E_DATA, "%s line %zu: %s", parser->file->label, line_of(block, bad),
                        block->text[bad] == 0 ? "a NUL byte" : "text is not UTF-8");
}

/*
 * Converts every field of the batch's first *io_rows records. A fault shortens *io_rows to the records before
 * it, so that in the end the error is that of the first bad record, whatever the order of columns.
 */
static finops_code
parse_columns(fo_csv_parser *parser, const fo_csv_block *block, size_t base, size_t *io_rows,
              finops_error **err)
{
    const fo_csv_index *index = &parser->index;
    finops_code rc = FINOPS_OK;

    for (size_t field = 0; field < index->n_fields; field++) {
        int target = parser->file->targets[field];
        bool used = target >= 0 && parser->sources[target] == (ptrdiff_t)field;
        fo_csv_output *output = used ? &parser->outputs[target] : NULL;
        fo_csv_type type = used ? parser->job->columns[target].type : FO_CSV_SKIP;
        column_run run = { .parser = parser,
                           .text = block->text,
                           .ends = index->ends + field,
                           .stride = index->n_fields,
                           .last = field + 1 == index->n_fields,
                           .base = base };

        if (used) {
            run.vector = output->vector;
            run.data = (char *)output->data + base * column_types[type].size;
        }
        if (parse_column(&run, type, output, *io_rows))
            continue;
        *io_rows = run.bad;
        rc = cell_failed(&run, block, field, used ? parser->job->columns[target].name : NULL, err);
    }
    return rc;
}

/* Output columns this file does not have. */
static void
parse_absent(fo_csv_parser *parser, size_t base, size_t rows)
{
    for (size_t c = 0; c < parser->job->n_columns; c++) {
        if (parser->sources[c] >= 0)
            continue;
        for (size_t first = 0; first < rows; first += 64)
            output_nulls(&parser->outputs[c], base + first, ~UINT64_C(0));
    }
}

/* Skips the header, which the job's columns were made from: it must still have as many fields. */
static finops_code
parse_header(fo_csv_parser *parser, fo_csv_block *block, finops_error **err)
{
    fo_csv_index *index = &parser->index;

    fo_csv_split(block->text, block->at, block->n, 1, index);
    if (index->fault == FO_CSV_UNCLOSED)
        return split_failed(parser, block, err);
    if (index->fault == FO_CSV_FIELDS)
        return fo_error_set(err, FINOPS_E_DATA, "%s: its header has %zu fields and had %zu before",
                            parser->file->label, fo_csv_count_fields(block->text, block->at, block->n),
                            index->n_fields);
    block->at = index->to;
    block->first = false;
    return FINOPS_OK;
}

/* Quoted cells are at most as long as their block. */
static finops_code
parse_scratch(fo_csv_parser *parser, const fo_csv_block *block, finops_error **err)
{
    if (parser->scratch_cap >= block->n + FO_CSV_PAD)
        return FINOPS_OK;
    fo_free(parser->scratch);
    parser->scratch_cap = 0;
    parser->scratch = fo_zalloc(block->n + FO_CSV_PAD);
    if (!parser->scratch)
        return fo_error_oom(err);
    parser->scratch_cap = block->n + FO_CSV_PAD;
    return FINOPS_OK;
}

finops_code
fo_csv_parse(fo_csv_parser *parser, fo_csv_block *block, size_t base, size_t room, size_t *ret_rows,
             finops_error **err)
{
    fo_csv_index *index = &parser->index;
    size_t rows;
    finops_code rc, rc_text, rc_columns;

    assert(parser->file && base % 64 == 0 && room > 0 && room % 64 == 0);

    rc = parse_scratch(parser, block, err);
    if (rc == FINOPS_OK && block->first)
        rc = parse_header(parser, block, err);
    if (rc != FINOPS_OK)
        return rc;

    fo_csv_split(block->text, block->at, block->n, room < index->cap_rows ? room : index->cap_rows, index);
    if (index->fault != FO_CSV_FINE)
        rc = split_failed(parser, block, err);
    rows = index->rows;
    rc_text = parse_text_check(parser, block, &rows, err);
    rc_columns = parse_columns(parser, block, base, &rows, err);
    if (rc != FINOPS_OK || rc_text != FINOPS_OK || rc_columns != FINOPS_OK)
        return FINOPS_E_DATA;

    parse_absent(parser, base, rows);
    block->at = index->to;
    *ret_rows = rows;
    return FINOPS_OK;
}

finops_code
fo_csv_parser_init(fo_csv_parser *parser, const fo_csv_job *job, finops_error **err)
{
    *parser = (fo_csv_parser){ .job = job, .null_len = job->null_text ? strlen(job->null_text) : 0 };
    parser->outputs = fo_array(job->n_columns, sizeof(*parser->outputs));
    parser->sources = fo_array(job->n_columns, sizeof(*parser->sources));
    if (!parser->outputs || !parser->sources) {
        fo_csv_parser_done(parser);
        return fo_error_oom(err);
    }
    return FINOPS_OK;
}

void
fo_csv_parser_done(fo_csv_parser *parser)
{
    fo_csv_index_done(&parser->index);
    fo_free(parser->outputs);
    fo_free(parser->sources);
    fo_free(parser->scratch);
    *parser = (fo_csv_parser){ 0 };
}

static size_t
batch_rows(size_t n_fields)
{
    size_t rows = BATCH_ENTRIES / n_fields / 64 * 64;

    if (rows < 64)
        return 64;
    return rows < BATCH_ROWS ? rows : BATCH_ROWS;
}

finops_code
fo_csv_parser_file(fo_csv_parser *parser, const fo_csv_file *file, finops_error **err)
{
    if (parser->file == file)
        return FINOPS_OK;

    if (!parser->index.memory || parser->index.n_fields != file->n_fields) {
        finops_code rc;

        fo_csv_index_done(&parser->index);
        rc = fo_csv_index_init(&parser->index, file->n_fields, batch_rows(file->n_fields), err);
        if (rc != FINOPS_OK)
            return rc;
    }
    for (size_t c = 0; c < parser->job->n_columns; c++)
        parser->sources[c] = -1;
    for (size_t field = file->n_fields; field-- > 0;) {
        assert(file->targets[field] < (int)parser->job->n_columns);
        if (file->targets[field] >= 0)
            parser->sources[file->targets[field]] = (ptrdiff_t)field;
    }
    parser->file = file;
    return FINOPS_OK;
}

void
fo_csv_parser_chunk(fo_csv_parser *parser, duckdb_data_chunk chunk)
{
    for (size_t c = 0; c < parser->job->n_columns; c++) {
        fo_csv_output *output = &parser->outputs[c];

        output->vector = duckdb_data_chunk_get_vector(chunk, c);
        output->data = duckdb_vector_get_data(output->vector);
        output->validity = NULL;
    }
}
