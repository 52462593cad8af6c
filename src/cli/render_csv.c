/*
 * CSV as in RFC 4180 (https://www.rfc-editor.org/rfc/rfc4180), with the line ends of this system. NULL is an
 * empty field and the empty text is "", so that both come back as what they were.
 */
#include <string.h>

#include "cli/render.h"

static void
field(fo_str *out, const char *p, size_t n)
{
    const char *quote;

    if (n > 0 && !memchr(p, ',', n) && !memchr(p, '"', n) && !memchr(p, '\n', n) && !memchr(p, '\r', n)) {
        fo_str_addn(out, p, n);
        return;
    }
    fo_str_addc(out, '"');
    while (n > 0 && (quote = memchr(p, '"', n))) {
        size_t len = (size_t)(quote - p) + 1;

        fo_str_addn(out, p, len);
        fo_str_addc(out, '"');
        p += len;
        n -= len;
    }
    fo_str_addn(out, p, n);
    fo_str_addc(out, '"');
}

static finops_code
csv_begin(fo_sink *sink, finops_error **err)
{
    for (size_t i = 0; i < sink->n; i++) {
        if (i > 0)
            fo_str_addc(&sink->buf, ',');
        field(&sink->buf, sink->columns[i].name, strlen(sink->columns[i].name));
    }
    fo_str_addc(&sink->buf, '\n');
    return fo_str_check(&sink->buf, err);
}

static finops_code
csv_row(fo_sink *sink, const fo_cell *cells, finops_error **err)
{
    (void)err; /* the buffer remembers */
    for (size_t i = 0; i < sink->n; i++) {
        if (i > 0)
            fo_str_addc(&sink->buf, ',');
        if (cells[i].kind != FO_CELL_NULL)
            field(&sink->buf, fo_str_z(&cells[i].text), cells[i].text.len);
    }
    fo_str_addc(&sink->buf, '\n');
    return FINOPS_OK;
}

static finops_code
csv_end(fo_sink *sink, finops_error **err)
{
    (void)sink;
    (void)err;
    return FINOPS_OK;
}

const fo_sink_kind fo_sink_csv = { csv_begin, csv_row, csv_end, NULL };
