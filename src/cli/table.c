/* Rows that a verb made itself. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli_internal.h"
#include "cli/render.h"

struct fo_table {
    fo_table_column *columns; /* copies with owned texts */
    size_t n;
    char **cells; /* row after row; NULL is empty */
    size_t n_cells, cap;
};

fo_table *
fo_table_new(const fo_table_column *columns, size_t n)
{
    FO_AUTO(fo_table_freep) fo_table *t = fo_zalloc(sizeof(*t));

    if (!t || !(t->columns = fo_array(n + 1, sizeof(*t->columns))))
        return NULL;
    for (size_t i = 0; i < n; i++) {
        fo_table_column *c = &t->columns[i];

        t->n = i + 1;
        c->numeric = columns[i].numeric;
        c->name = fo_strdup(columns[i].name);
        c->heading = fo_strdup(columns[i].heading ? columns[i].heading : columns[i].name);
        if (!c->name || !c->heading)
            return NULL;
    }
    return FO_TAKE(t);
}

void
fo_table_free(fo_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; t->columns && i < t->n; i++) {
        fo_free((void *)(uintptr_t)t->columns[i].name);
        fo_free((void *)(uintptr_t)t->columns[i].heading);
    }
    for (size_t i = 0; i < t->n_cells; i++)
        fo_free(t->cells[i]);
    fo_free(t->columns);
    fo_free(t->cells);
    fo_free(t);
}

void
fo_table_freep(fo_table **t)
{
    fo_table_free(*t);
}

/* All cells of a row are there or none. */
bool
fo_table_add(fo_table *t, const char *const *cells)
{
    if (!fo_grow((void **)&t->cells, &t->cap, t->n_cells + t->n, sizeof(*t->cells)))
        return false;
    for (size_t i = 0; i < t->n; i++) {
        char *copy = cells[i] ? fo_strdup(cells[i]) : NULL;

        if (cells[i] && !copy) {
            while (i-- > 0)
                fo_free(t->cells[t->n_cells + i]);
            return false;
        }
        t->cells[t->n_cells + i] = copy;
    }
    t->n_cells += t->n;
    return true;
}

/* Borrows the text: a cell made here is never freed. */
static fo_cell
cell_of(char *text, bool numeric)
{
    size_t len = text ? strlen(text) : 0;
    fo_cell_kind kind = FO_CELL_TEXT;

    if (!text)
        kind = FO_CELL_NULL;
    else if (numeric && fo_json_number(text, len))
        kind = FO_CELL_LITERAL;
    return (fo_cell){ kind, { .data = text, .len = len, .max = len } };
}

finops_code
fo_table_print(fo_cli *cli, const fo_table *t, finops_error **err)
{
    FO_AUTO(fo_sink_done) fo_sink sink = { 0 };
    FO_AUTO(fo_freep) fo_cell *row = fo_array(t->n + 1, sizeof(*row));
    finops_code rc;

    if (!row)
        return fo_error_oom(err);
    rc = fo_sink_begin(&sink, cli, t->columns, t->n, SIZE_MAX, err);
    for (size_t at = 0; rc == FINOPS_OK && at < t->n_cells; at += t->n) {
        for (size_t i = 0; i < t->n; i++)
            row[i] = cell_of(t->cells[at + i], t->columns[i].numeric);
        rc = fo_sink_row(&sink, row, err);
    }
    return rc == FINOPS_OK ? fo_sink_end(&sink, err) : rc;
}
