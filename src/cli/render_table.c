/*
 * The table for people: two blanks between columns, numbers right, nothing drawn but a dim rule under the
 * headings when colours are on. Rows are held until the widths are known (all of a verb's own table, the
 * first 1,000 of a stream); from then on they go out as they come, and a longer text moves the rest of its
 * line instead of being cut.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli_internal.h"
#include "cli/render.h"

#define GAP 2
#define NARROWEST                                                                                            \
    12 /* texts are not cut shorter than this; before that, columns at the right are left out                \
        */
#define BOLD "\033[1m"
#define DIM "\033[2m"
#define PLAIN "\033[0m"

typedef struct held_cell {
    size_t at, len, width; /* text in grid.text */
} held_cell;

typedef struct grid {
    size_t *widths;
    size_t shown; /* columns that fit */
    bool fixed;   /* widths are known and the heading is out */
    fo_str text;  /* of the cells held */
    held_cell *held;
    size_t n_held, cap;
    size_t pending; /* blanks owed before the next text of the line */
} grid;

static void
pad(fo_str *out, size_t n)
{
    static const char blanks[] = "                                ";

    for (; n > sizeof(blanks) - 1; n -= sizeof(blanks) - 1)
        fo_str_addn(out, blanks, sizeof(blanks) - 1);
    fo_str_addn(out, blanks, n);
}

static bool
numeric(const fo_sink *s, size_t column)
{
    return s->columns[column].numeric;
}

static const char *
heading_of(const fo_sink *s, size_t column)
{
    return s->columns[column].heading ? s->columns[column].heading : s->columns[column].name;
}

/* Bytes of text that fill at most `width` columns. */
static size_t
fitting(const char *text, size_t len, size_t width)
{
    size_t n = 0, used = 0;

    while (n < len) {
        size_t next = n + 1;

        while (next < len && ((unsigned char)text[next] & 0xC0) == 0x80)
            next++;
        used += fo_utf8_width(text + n, next - n);
        if (used > width)
            break;
        n = next;
    }
    return n;
}

/* One cell. Blanks after the last text of a line are never written. */
static void
put(fo_sink *s, size_t column, const char *text, size_t len, size_t width)
{
    grid *g = s->state;
    fo_str *out = &s->buf;
    size_t room = g->widths[column];
    bool cut = s->cli->width > 0 && width > room && !numeric(s, column);
    size_t slack;

    if (cut) {
        len = fitting(text, len, room > 0 ? room - 1 : 0);
        width = fo_utf8_width(text, len) + 1;
    }
    slack = width < room ? room - width : 0;
    if (len > 0) {
        pad(out, g->pending + (numeric(s, column) ? slack : 0));
        g->pending = numeric(s, column) ? 0 : slack;
        fo_str_addn(out, text, len);
        if (cut)
            fo_str_add(out, "…");
    } else {
        g->pending += room;
    }
    g->pending += GAP;
}

static void
line_end(fo_sink *s)
{
    grid *g = s->state;

    g->pending = 0;
    fo_str_addc(&s->buf, '\n');
}

/* Takes columns from the widest texts, one at a time, until the line fits; then leaves out columns at the
 * right. */
static void
fit(fo_sink *s)
{
    grid *g = s->state;
    size_t total = 0, room = s->cli->width;

    g->shown = s->n;
    for (size_t i = 0; i < s->n; i++)
        total += g->widths[i] + (i ? GAP : 0);
    while (room > 0 && total > room) {
        size_t widest = s->n;

        for (size_t i = 0; i < s->n; i++)
            if (!numeric(s, i) && g->widths[i] > NARROWEST &&
                (widest == s->n || g->widths[i] > g->widths[widest]))
                widest = i;
        if (widest == s->n)
            break;
        g->widths[widest]--;
        total--;
    }
    while (room > 0 && total > room && g->shown > 1) {
        g->shown--;
        total -= g->widths[g->shown] + GAP;
    }
}

static void
head(fo_sink *s)
{
    grid *g = s->state;

    if (s->cli->colour)
        fo_str_add(&s->buf, BOLD);
    for (size_t i = 0; i < g->shown; i++) {
        FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

        fo_text_safe(&text, heading_of(s, i), strlen(heading_of(s, i)));
        put(s, i, fo_str_z(&text), text.len, fo_utf8_width(fo_str_z(&text), text.len));
        s->buf.failed |= !fo_str_ok(&text);
    }
    if (s->cli->colour)
        fo_str_add(&s->buf, PLAIN);
    line_end(s);
    if (!s->cli->colour)
        return;
    fo_str_add(&s->buf, DIM);
    for (size_t i = 0; i < g->shown; i++) {
        pad(&s->buf, i ? GAP : 0);
        for (size_t k = 0; k < g->widths[i]; k++)
            fo_str_add(&s->buf, "─");
    }
    fo_str_add(&s->buf, PLAIN "\n");
}

/* From here on the widths stand: heading and held rows go out. */
static finops_code
fix(fo_sink *s, finops_error **err)
{
    grid *g = s->state;

    fit(s);
    head(s);
    g->fixed = true;
    for (size_t at = 0; at < g->n_held; at += s->n) {
        finops_code rc;

        for (size_t i = 0; i < g->shown; i++) {
            const held_cell *c = &g->held[at + i];

            put(s, i, fo_str_z(&g->text) + c->at, c->len, c->width);
        }
        line_end(s);
        rc = fo_out_maybe(s->cli->out, &s->buf, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    fo_str_done(&g->text);
    fo_free(g->held);
    g->held = NULL;
    g->n_held = g->cap = 0;
    return fo_str_check(&s->buf, err);
}

static finops_code
table_begin(fo_sink *s, finops_error **err)
{
    grid *g = fo_zalloc(sizeof(*g));

    if (!g)
        return fo_error_oom(err);
    s->state = g;
    g->text = FO_STR_MAX((size_t)1 << 34);
    g->widths = fo_array(s->n + 1, sizeof(*g->widths));
    if (!g->widths)
        return fo_error_oom(err);
    for (size_t i = 0; i < s->n; i++)
        g->widths[i] = fo_utf8_width(heading_of(s, i), strlen(heading_of(s, i)));
    return FINOPS_OK;
}

static finops_code
hold_row(fo_sink *s, const fo_cell *cells, finops_error **err)
{
    grid *g = s->state;

    if (!fo_grow((void **)&g->held, &g->cap, g->n_held + s->n, sizeof(*g->held)))
        return fo_error_oom(err);
    for (size_t i = 0; i < s->n; i++) {
        held_cell *c = &g->held[g->n_held + i];

        c->at = g->text.len;
        if (cells[i].kind != FO_CELL_NULL)
            fo_text_safe(&g->text, fo_str_z(&cells[i].text), cells[i].text.len);
        if (!fo_str_ok(&g->text))
            return fo_str_check(&g->text, err);
        c->len = g->text.len - c->at;
        c->width = fo_utf8_width(fo_str_z(&g->text) + c->at, c->len);
        if (c->width > g->widths[i])
            g->widths[i] = c->width;
    }
    g->n_held += s->n;
    return FINOPS_OK;
}

static finops_code
table_row(fo_sink *s, const fo_cell *cells, finops_error **err)
{
    grid *g = s->state;

    if (!g->fixed) {
        finops_code rc = s->rows < s->hold ? FINOPS_OK : fix(s, err);

        if (rc != FINOPS_OK)
            return rc;
        if (!g->fixed)
            return hold_row(s, cells, err);
        g->text = FO_STR_MAX((size_t)1 << 34);
    }
    for (size_t i = 0; i < g->shown; i++) {
        fo_str_clear(&g->text);
        if (cells[i].kind != FO_CELL_NULL)
            fo_text_safe(&g->text, fo_str_z(&cells[i].text), cells[i].text.len);
        if (!fo_str_ok(&g->text))
            return fo_str_check(&g->text, err);
        put(s, i, fo_str_z(&g->text), g->text.len, fo_utf8_width(fo_str_z(&g->text), g->text.len));
    }
    line_end(s);
    return FINOPS_OK;
}

static finops_code
table_end(fo_sink *s, finops_error **err)
{
    grid *g = s->state;
    finops_code rc = FINOPS_OK;

    if (!g->fixed && s->rows > 0)
        rc = fix(s, err);
    if (rc == FINOPS_OK && g->fixed && g->shown < s->n && !s->cli->quiet)
        (void)fprintf(stderr, "(%zu of %zu columns fit here; --format json or csv has them all)\n", g->shown,
                      s->n);
    return rc;
}

static void
table_done(fo_sink *s)
{
    grid *g = s->state;

    if (!g)
        return;
    fo_str_done(&g->text);
    fo_free(g->held);
    fo_free(g->widths);
    fo_free(g);
}

const fo_sink_kind fo_sink_table = { table_begin, table_row, table_end, table_done };
