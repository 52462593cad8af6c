/*
 * Inside of the CSV reader: split (where records and fields end), parse (fields into vectors), source (a
 * file's text in blocks), queue (which worker takes which block) and scan (the table function over them).
 *
 * A block is whole records: it begins where a record begins and ends where one ends, so that it is parsed
 * without its neighbours.
 */
#ifndef FO_ENGINE_CSV_INTERNAL_H
#define FO_ENGINE_CSV_INTERNAL_H

#include <duckdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/csv.h"
#include "engine/engine_internal.h"
#include "engine/inflate.h"

#define FO_CSV_BLOCK ((size_t)2 << 20)       /* text a worker takes at a time */
#define FO_CSV_INPUT ((size_t)512 << 10)     /* stored bytes read at a time */
#define FO_CSV_RECORD_MAX ((size_t)64 << 20) /* a block grows up to this for one long record */
#define FO_CSV_PAD 64                        /* readable bytes behind any text given to split and parse */

/* Split. */

/* Where whole records end in n bytes that begin with a record. */
typedef struct fo_csv_cut {
    size_t end;   /* after the last record's line end; 0: no record ends here */
    size_t lines; /* line ends before it, those inside quotes too */
    bool open;    /* the text ends inside quotes */
} fo_csv_cut;

void fo_csv_cut_find(const char *text, size_t n, fo_csv_cut *ret);

typedef enum fo_csv_fault {
    FO_CSV_FINE,
    FO_CSV_FIELDS,  /* the record after the last good one has too few or too many fields */
    FO_CSV_UNCLOSED /* that record's last quoted field has no end */
} fo_csv_fault;

/*
 * The separators of up to max_rows records. Field f of record r ends at ends[r * n_fields + f] and begins
 * after the entry before that; the entry before the first, ends[-1], is set too. The last field of a record
 * may end with a CR that belongs to the line end.
 */
typedef struct fo_csv_index {
    uint32_t *ends;
    uint32_t *memory;
    size_t n_fields;
    size_t cap_rows; /* room in `ends` */
    size_t max_rows; /* asked for by the last split */
    size_t rows;
    size_t from;  /* of the first record */
    size_t to;    /* after the last good record */
    bool special; /* bytes beyond ASCII, or NUL, may be among them */
    fo_csv_fault fault;
} fo_csv_index;

finops_code fo_csv_index_init(fo_csv_index *index, size_t n_fields, size_t max_rows, finops_error **err);
void fo_csv_index_done(fo_csv_index *index);
/* Splits up to max_rows records of text[at, n), which ends with a line end unless its last record is
 * unclosed. */
void fo_csv_split(const char *text, size_t at, size_t n, size_t max_rows, fo_csv_index *index);
/* Fields of the record that begins at text[at]. */
size_t fo_csv_count_fields(const char *text, size_t at, size_t n);
/* True when n bytes are UTF-8 without NUL; *ret_bad gets the offset of the first bad byte. */
bool fo_csv_text_valid(const char *p, size_t n, size_t *ret_bad);

/* Parse. */

/*
 * Takes a stored field that begins with a quote to its text; false: something else than its end follows the
 * closing quote. `scratch` has room for *io_n bytes and holds the result where quotes are doubled.
 */
bool fo_csv_unquote(const char **io_p, size_t *io_n, char *scratch);

typedef struct fo_csv_output {
    duckdb_vector vector;
    void *data;
    uint64_t *validity; /* NULL until the first NULL of a chunk */
} fo_csv_output;

/* A worker's tools for the records of one file. */
typedef struct fo_csv_parser {
    const fo_csv_job *job;
    const fo_csv_file *file;
    fo_csv_index index;
    fo_csv_output *outputs; /* one a job column */
    ptrdiff_t *sources;     /* field of each job column, -1: none */
    char *scratch;          /* room for the longest quoted field so far */
    size_t scratch_cap;
    size_t null_len;
    int64_t rounded;
} fo_csv_parser;

finops_code fo_csv_parser_init(fo_csv_parser *parser, const fo_csv_job *job, finops_error **err);
void fo_csv_parser_done(fo_csv_parser *parser);
/* Sets the file whose records come next. */
finops_code fo_csv_parser_file(fo_csv_parser *parser, const fo_csv_file *file, finops_error **err);
/* Sets the empty chunk that is filled next; its columns are the job's. */
void fo_csv_parser_chunk(fo_csv_parser *parser, duckdb_data_chunk chunk);

/* Text of whole records. */
typedef struct fo_csv_block {
    char *text; /* cap + FO_CSV_PAD bytes */
    size_t cap;
    size_t n;
    size_t at;   /* the first record not parsed yet */
    size_t line; /* line number of text[0] */
    bool first;  /* text[at] is the file's header */
} fo_csv_block;

void fo_csv_block_done(fo_csv_block *block);
/*
 * Parses the next records of the block into rows `base` (a multiple of 64) and on of the chunk, at most
 * `room` of them, which is a multiple of 64 too. On failure the error names file, line and column.
 */
finops_code fo_csv_parse(fo_csv_parser *parser, fo_csv_block *block, size_t base, size_t room,
                         size_t *ret_rows, finops_error **err);

/* Source: the text of one file. */

typedef struct fo_csv_source fo_csv_source;

typedef struct fo_csv_limits {
    size_t block; /* bytes of a block; tests make it tiny */
    size_t input;
} fo_csv_limits;

#define FO_CSV_LIMITS ((fo_csv_limits){ FO_CSV_BLOCK, FO_CSV_INPUT })

/* Stored bytes come from `read`; a name that ends with .gz must be gzip, any other may be. `read_bytes` may
 * be NULL. */
typedef struct fo_csv_input {
    fo_inflate_source read;
    void *arg;
    const char *label;
    const char *address;
    _Atomic int64_t *read_bytes;
} fo_csv_input;

finops_code fo_csv_source_new(const fo_csv_input *input, fo_csv_limits limits, fo_csv_source **ret,
                              finops_error **err);
void fo_csv_source_free(fo_csv_source *source);
void fo_csv_source_freep(fo_csv_source **source);
/* The next block; block->n is 0 at the end. Not for two threads at once. */
finops_code fo_csv_source_next(fo_csv_source *source, fo_csv_block *block, finops_error **err);

/* Queue: all files of a job. */

typedef struct fo_csv_queue fo_csv_queue;

finops_code fo_csv_queue_new(fo_csv_job *job, fo_csv_limits limits, fo_csv_queue **ret, finops_error **err);
void fo_csv_queue_free(fo_csv_queue *queue);
/*
 * The next block for a worker that last had one of file *io_file (SIZE_MAX: none yet); block->n is 0 when
 * nothing is left. Workers go to files nobody reads first, then share one. Any thread.
 */
finops_code fo_csv_queue_next(fo_csv_queue *queue, size_t *io_file, fo_csv_block *block, finops_error **err);

/* Scan. */

/* Blocks and reads of the engine's next statements; tests make them tiny. No statement may be running. */
void fo_csv_set_limits(fo_conn *conn, fo_csv_limits limits);

#endif
