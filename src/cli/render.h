/* Rows to text: cells made from Arrow values (value.c) or by a verb (table.c), written by one sink a format.
 */
#ifndef FO_CLI_RENDER_H
#define FO_CLI_RENDER_H

#include <stdint.h>

#include "base/str.h"
#include "cli/cli.h"

typedef enum fo_cell_kind {
    FO_CELL_NULL,
    FO_CELL_TEXT,   /* quoted in JSON */
    FO_CELL_LITERAL /* JSON as it stands: a number, true, false, a list or an object */
} fo_cell_kind;

typedef struct fo_cell {
    fo_cell_kind kind;
    fo_str text;
} fo_cell;

/* ---- sinks ---- */
typedef struct fo_sink fo_sink;

typedef struct fo_sink_kind {
    finops_code (*begin)(fo_sink *sink, finops_error **err);
    finops_code (*row)(fo_sink *sink, const fo_cell *cells, finops_error **err);
    finops_code (*end)(fo_sink *sink, finops_error **err);
    void (*done)(fo_sink *sink); /* may be NULL */
} fo_sink_kind;

struct fo_sink {
    const fo_sink_kind *kind;
    fo_cli *cli;
    const fo_table_column *columns; /* borrowed */
    size_t n;
    uint64_t rows; /* written so far */
    size_t hold;   /* table: rows looked at before the widths are fixed */
    fo_str buf;    /* on its way to cli->out */
    void *state;   /* the kind's own */
};

/* Rows of the table format whose widths decide the columns' when the number of rows is not known. */
#define FO_TABLE_HOLD 1000

extern const fo_sink_kind fo_sink_table;  /* render_table.c */
extern const fo_sink_kind fo_sink_json;   /* render_json.c */
extern const fo_sink_kind fo_sink_ndjson; /* render_json.c */
extern const fo_sink_kind fo_sink_csv;    /* render_csv.c */

/* By cli->format, which must be one of the four. */
finops_code fo_sink_begin(fo_sink *sink, fo_cli *cli, const fo_table_column *columns, size_t n, size_t hold,
                          finops_error **err);
finops_code fo_sink_row(fo_sink *sink, const fo_cell *cells, finops_error **err);
finops_code fo_sink_end(fo_sink *sink, finops_error **err);
void fo_sink_done(fo_sink *sink);

/* ---- texts ---- */
/* Appends "..." with JSON's escapes; bytes that are no UTF-8 become U+FFFD. */
void fo_json_string(fo_str *out, const char *p, size_t n);
/* Whether the text is a JSON number as it stands. */
bool fo_json_number(const char *p, size_t n);
/* Appends text fit for a terminal: control characters, direction overrides and bytes that are no UTF-8 as
 * escapes. */
void fo_text_safe(fo_str *out, const char *p, size_t n);

/* ---- values (value.c) ---- */
typedef struct fo_value_type fo_value_type;

/* Reads a column's schema; keeps nothing of it. FINOPS_E_UNSUPPORTED names a type that cannot be shown. */
finops_code fo_value_type_new(const struct ArrowSchema *schema, fo_value_type **ret, finops_error **err);
void fo_value_type_free(fo_value_type *type);
bool fo_value_type_numeric(const fo_value_type *type);
/* The cell of one row; text is replaced. `iso` writes times as 2026-01-31T10:00:00Z instead of 2026-01-31
 * 10:00:00. */
void fo_value_cell(const fo_value_type *type, const struct ArrowArray *array, int64_t row, bool iso,
                   fo_cell *ret);

#endif
