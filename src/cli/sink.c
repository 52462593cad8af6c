/* What all formats of rows share: choosing the writer, counting, saying that there was nothing. */
#include <assert.h>
#include <stdio.h>

#include "cli/cli_internal.h"
#include "cli/render.h"

finops_code
fo_sink_begin(fo_sink *sink, fo_cli *cli, const fo_table_column *columns, size_t n, size_t hold,
              finops_error **err)
{
    static const fo_sink_kind *const kinds[] = {
        [FO_FORMAT_TABLE] = &fo_sink_table,
        [FO_FORMAT_JSON] = &fo_sink_json,
        [FO_FORMAT_CSV] = &fo_sink_csv,
        [FO_FORMAT_NDJSON] = &fo_sink_ndjson,
    };

    assert(cli->format <= FO_FORMAT_NDJSON);
    *sink = (fo_sink){ .kind = kinds[cli->format],
                       .cli = cli,
                       .columns = columns,
                       .n = n,
                       .hold = hold,
                       .buf = FO_STR_MAX((size_t)1 << 30) };
    return sink->kind->begin(sink, err);
}

finops_code
fo_sink_row(fo_sink *sink, const fo_cell *cells, finops_error **err)
{
    finops_code rc = sink->kind->row(sink, cells, err);

    sink->rows++;
    return rc == FINOPS_OK ? fo_out_maybe(sink->cli->out, &sink->buf, err) : rc;
}

finops_code
fo_sink_end(fo_sink *sink, finops_error **err)
{
    finops_code rc = sink->kind->end(sink, err);

    if (rc == FINOPS_OK)
        rc = fo_out_flush(sink->cli->out, &sink->buf, err);
    if (rc == FINOPS_OK && sink->rows == 0 && sink->cli->format == FO_FORMAT_TABLE && !sink->cli->quiet)
        (void)fputs("(no rows)\n", stderr);
    return rc;
}

void
fo_sink_done(fo_sink *sink)
{
    if (sink->kind && sink->kind->done)
        sink->kind->done(sink);
    fo_str_done(&sink->buf);
    *sink = (fo_sink){ 0 };
}
