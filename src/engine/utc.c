/* Times of a stream as instants: a wrapper that rewrites its schema. */
#include "engine/utc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <nanoarrow/nanoarrow.h>

#include "base/mem.h"
#include "base/str.h"

typedef struct wrapper {
    struct ArrowArrayStream inner;
} wrapper;

/* 0 or an errno. */
static int
mark(struct ArrowSchema *schema)
{
    /* "ts?:" with nothing behind it: no zone. */
    if (fo_starts(schema->format, "ts") && strlen(schema->format) == 4) {
        FO_AUTO(fo_freep) char *format = fo_format("%sUTC", schema->format);
        return format ? ArrowSchemaSetFormat(schema, format) : ENOMEM;
    }
    return 0;
}

static int
utc_schema(struct ArrowArrayStream *self, struct ArrowSchema *out)
{
    wrapper *w = self->private_data;
    struct ArrowSchema theirs = { 0 };
    int errnum = w->inner.get_schema(&w->inner, &theirs);

    if (errnum)
        return errnum;
    errnum = ArrowSchemaDeepCopy(&theirs, out);
    theirs.release(&theirs);
    for (int64_t i = 0; !errnum && i < out->n_children; i++)
        errnum = mark(out->children[i]);
    if (errnum && out->release)
        out->release(out);
    return errnum;
}

static int
utc_next(struct ArrowArrayStream *self, struct ArrowArray *out)
{
    wrapper *w = self->private_data;

    return w->inner.get_next(&w->inner, out);
}

static const char *
utc_error(struct ArrowArrayStream *self)
{
    wrapper *w = self->private_data;

    return w->inner.get_last_error(&w->inner);
}

static void
utc_release(struct ArrowArrayStream *self)
{
    wrapper *w = self->private_data;

    if (w->inner.release)
        w->inner.release(&w->inner);
    fo_free(w);
    *self = (struct ArrowArrayStream){ 0 };
}

finops_code
fo_stream_utc(struct ArrowArrayStream *stream, finops_error **err)
{
    wrapper *w = fo_zalloc(sizeof(*w));

    assert(stream && stream->release);
    if (!w) {
        stream->release(stream);
        return fo_error_oom(err);
    }
    w->inner = *stream;
    *stream = (struct ArrowArrayStream){ .get_schema = utc_schema,
                                         .get_next = utc_next,
                                         .get_last_error = utc_error,
                                         .release = utc_release,
                                         .private_data = w };
    return FINOPS_OK;
}
