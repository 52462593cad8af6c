/* JSON: one array with an object a row, or (NDJSON) an object a line. Both stream. */
#include <string.h>

#include "base/mem.h"
#include "cli/render.h"

/* The escaped keys, made once: ',"key":' with '{' for the first. */
static finops_code
keys_begin(fo_sink *sink, finops_error **err)
{
    fo_str *keys = fo_array(sink->n + 1, sizeof(*keys));

    if (!keys)
        return fo_error_oom(err);
    sink->state = keys;
    for (size_t i = 0; i < sink->n; i++) {
        keys[i] = FO_STR_INIT;
        fo_str_addc(&keys[i], i ? ',' : '{');
        fo_json_string(&keys[i], sink->columns[i].name, strlen(sink->columns[i].name));
        fo_str_addc(&keys[i], ':');
        if (!fo_str_ok(&keys[i]))
            return fo_error_oom(err);
    }
    return FINOPS_OK;
}

static void
keys_done(fo_sink *sink)
{
    fo_str *keys = sink->state;

    for (size_t i = 0; keys && i < sink->n; i++)
        fo_str_done(&keys[i]);
    fo_free(keys);
}

static void
object(fo_sink *sink, const fo_cell *cells)
{
    const fo_str *keys = sink->state;

    if (sink->n == 0)
        fo_str_addc(&sink->buf, '{');
    for (size_t i = 0; i < sink->n; i++) {
        fo_str_addn(&sink->buf, keys[i].data, keys[i].len);
        if (cells[i].kind == FO_CELL_NULL)
            fo_str_add(&sink->buf, "null");
        else if (cells[i].kind == FO_CELL_LITERAL)
            fo_str_addn(&sink->buf, fo_str_z(&cells[i].text), cells[i].text.len);
        else
            fo_json_string(&sink->buf, fo_str_z(&cells[i].text), cells[i].text.len);
    }
    fo_str_addc(&sink->buf, '}');
}

static finops_code
json_row(fo_sink *sink, const fo_cell *cells, finops_error **err)
{
    (void)err; /* the buffer remembers */
    fo_str_add(&sink->buf, sink->rows ? ",\n" : "[\n");
    object(sink, cells);
    return FINOPS_OK;
}

static finops_code
json_end(fo_sink *sink, finops_error **err)
{
    fo_str_add(&sink->buf, sink->rows ? "\n]\n" : "[]\n");
    return fo_str_check(&sink->buf, err);
}

static finops_code
ndjson_row(fo_sink *sink, const fo_cell *cells, finops_error **err)
{
    (void)err;
    object(sink, cells);
    fo_str_addc(&sink->buf, '\n');
    return FINOPS_OK;
}

static finops_code
ndjson_end(fo_sink *sink, finops_error **err)
{
    return fo_str_check(&sink->buf, err);
}

const fo_sink_kind fo_sink_json = { keys_begin, json_row, json_end, keys_done };
const fo_sink_kind fo_sink_ndjson = { keys_begin, ndjson_row, ndjson_end, keys_done };
