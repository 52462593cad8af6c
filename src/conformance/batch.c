/* Rows for the suite to write. What Arrow allows and few producers do is made on purpose: slices, bitmaps
 * without need, empty batches, dictionaries. */
#include "conformance/batch.h"

#include <errno.h>
#include <jansson.h>
#include <nanoarrow/nanoarrow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define SKIPPED 3 /* rows before the start of a slice */
#define DIGITS_MAX 100

typedef struct batch_source {
    fo_batch_spec spec;
    int64_t next;
    bool gap; /* the empty batch before the next one was given */
    const char *problem;
} batch_source;

/* ---- schema ---- */

static bool schema_parse(struct ArrowSchema *schema, const char **at);

static const char *
format_end(const char *p)
{
    return p + strcspn(p, "();");
}

/* "(a=l;b=u)": names stand only in structs. */
static bool
children_parse(struct ArrowSchema *schema, int64_t n, bool named, const char **at)
{
    if (**at != '(' || ArrowSchemaAllocateChildren(schema, n) != NANOARROW_OK)
        return false;
    for (int64_t i = 0; i < n; i++) {
        struct ArrowSchema *child = schema->children[i];
        char name[64] = "";

        (*at)++;
        ArrowSchemaInit(child);
        if (named) {
            const char *equals = strchr(*at, '=');

            if (!equals)
                return false;
            (void)snprintf(name, sizeof(name), "%.*s", (int)(equals - *at), *at);
            *at = equals + 1;
        }
        if (!schema_parse(child, at) || ArrowSchemaSetName(child, named ? name : "item") != NANOARROW_OK)
            return false;
    }
    if (**at != ')')
        return false;
    (*at)++;
    return true;
}

static int64_t
children_count(const char *p)
{
    int64_t n = 1;

    for (int depth = 0; *p; p++) {
        depth += *p == '(' ? 1 : *p == ')' ? -1 : 0;
        n += depth == 1 && *p == ';' ? 1 : 0;
        if (depth == 0)
            break;
    }
    return n;
}

static bool
map_parse(struct ArrowSchema *schema, const char **at)
{
    struct ArrowSchema *entries;

    if (ArrowSchemaSetFormat(schema, "+m") != NANOARROW_OK ||
        ArrowSchemaAllocateChildren(schema, 1) != NANOARROW_OK)
        return false;
    entries = schema->children[0];
    ArrowSchemaInit(entries);
    if (ArrowSchemaSetFormat(entries, "+s") != NANOARROW_OK ||
        ArrowSchemaSetName(entries, "entries") != NANOARROW_OK || !children_parse(entries, 2, false, at))
        return false;
    entries->flags = 0;
    entries->children[0]->flags = 0;
    return ArrowSchemaSetName(entries->children[0], "key") == NANOARROW_OK &&
           ArrowSchemaSetName(entries->children[1], "value") == NANOARROW_OK;
}

static bool
schema_parse(struct ArrowSchema *schema, const char **at)
{
    char format[64];
    const char *end = format_end(*at);

    (void)snprintf(format, sizeof(format), "%.*s", (int)(end - *at), *at);
    *at = end;
    if (strcmp(format, "+m") == 0)
        return map_parse(schema, at);
    if (ArrowSchemaSetFormat(schema, format[0] == '@' ? "i" : format) != NANOARROW_OK)
        return false;
    if (format[0] == '+')
        return children_parse(schema, children_count(*at), format[1] == 's', at);
    if (format[0] != '@')
        return true;
    if (ArrowSchemaAllocateDictionary(schema) != NANOARROW_OK)
        return false;
    ArrowSchemaInit(schema->dictionary);
    return ArrowSchemaSetFormat(schema->dictionary, format + 1) == NANOARROW_OK;
}

bool
fo_batch_schema(const fo_batch_spec *spec, struct ArrowSchema *ret)
{
    bool ok;

    ArrowSchemaInit(ret);
    ok = ArrowSchemaSetTypeStruct(ret, (int64_t)spec->n_columns) == NANOARROW_OK;
    for (size_t i = 0; ok && i < spec->n_columns; i++) {
        const char *at = spec->columns[i].format;

        ok = schema_parse(ret->children[i], &at) &&
             ArrowSchemaSetName(ret->children[i], spec->columns[i].name) == NANOARROW_OK;
    }
    if (!ok)
        ArrowSchemaRelease(ret);
    return ok;
}

/* ---- values ---- */

static bool
append_decimal(struct ArrowArray *array, const char *format, const char *text)
{
    char digits[DIGITS_MAX];
    struct ArrowDecimal decimal;
    struct ArrowStringView view = { .data = digits };
    int precision = 0, scale = 0, bits = 128, places = -1;

    if (sscanf(format, "d:%d,%d,%d", &precision, &scale, &bits) < 2)
        return false;
    for (; *text && view.size_bytes < DIGITS_MAX - 1; text++) {
        if (*text == '.')
            places = 0;
        else
            digits[view.size_bytes++] = *text;
        if (*text != '.' && places >= 0)
            places++;
    }
    for (places = places < 0 ? 0 : places; places < scale && view.size_bytes < DIGITS_MAX - 1; places++)
        digits[view.size_bytes++] = '0';
    ArrowDecimalInit(&decimal, bits, precision, scale);
    return ArrowDecimalSetDigits(&decimal, view) == NANOARROW_OK &&
           ArrowArrayAppendDecimal(array, &decimal) == NANOARROW_OK;
}

static bool
append_hex(struct ArrowArray *array, const char *text)
{
    uint8_t bytes[256];
    struct ArrowBufferView view = { .data.as_uint8 = bytes };
    unsigned value;

    for (; text[0] && text[1] && view.size_bytes < (int64_t)sizeof(bytes); text += 2) {
        if (sscanf(text, "%2x", &value) != 1)
            return false;
        bytes[view.size_bytes++] = (uint8_t)value;
    }
    return ArrowArrayAppendBytes(array, view) == NANOARROW_OK;
}

static bool
append_text(struct ArrowArray *array, const char *format, const char *text)
{
    ArrowErrorCode rc = EINVAL;

    switch (format[0]) {
    case 'b':
        rc = ArrowArrayAppendInt(array, strcmp(text, "true") == 0);
        break;
    case 'c':
    case 's':
    case 'i':
    case 'l':
    case 't':
        rc = ArrowArrayAppendInt(array, strtoll(text, NULL, 10));
        break;
    case 'C':
    case 'S':
    case 'I':
    case 'L':
        rc = ArrowArrayAppendUInt(array, strtoull(text, NULL, 10));
        break;
    case 'e':
    case 'f':
    case 'g':
        rc = ArrowArrayAppendDouble(array, strtod(text, NULL));
        break;
    case 'd':
        return append_decimal(array, format, text);
    case 'z':
    case 'Z':
    case 'w':
        return append_hex(array, text);
    case 'v':
        if (format[1] == 'z')
            return append_hex(array, text);
        rc = ArrowArrayAppendString(array, ArrowCharView(text));
        break;
    case 'n':
        rc = ArrowArrayAppendNull(array, 1);
        break;
    case 'u':
    case 'U':
        rc = ArrowArrayAppendString(array, ArrowCharView(text));
        break;
    default:
        break;
    }
    return rc == NANOARROW_OK;
}

static bool append_json(struct ArrowArray *array, const struct ArrowSchema *schema, const json_t *value);

static bool
append_members(struct ArrowArray *array, const struct ArrowSchema *schema, const json_t *value)
{
    struct ArrowArray *entries = array->children[0];
    const char *key;
    json_t *item;
    size_t i;

    if (schema->format[1] == 's') {
        for (int64_t c = 0; c < schema->n_children; c++)
            if (!append_json(array->children[c], schema->children[c],
                             json_object_get(value, schema->children[c]->name)))
                return false;
    } else if (schema->format[1] == 'm') {
        json_object_foreach((json_t *)(uintptr_t)value, key, item)
        {
            const struct ArrowSchema *types = schema->children[0];

            if (!append_text(entries->children[0], types->children[0]->format, key) ||
                !append_json(entries->children[1], types->children[1], item) ||
                ArrowArrayFinishElement(entries) != NANOARROW_OK)
                return false;
        }
    } else {
        json_array_foreach(
            value, i, item) if (!append_json(array->children[0], schema->children[0], item)) return false;
    }
    return ArrowArrayFinishElement(array) == NANOARROW_OK;
}

static bool
append_json(struct ArrowArray *array, const struct ArrowSchema *schema, const json_t *value)
{
    char text[64];

    if (!value || json_is_null(value))
        return ArrowArrayAppendNull(array, 1) == NANOARROW_OK;
    if (schema->format[0] == '+')
        return append_members(array, schema, value);
    if (json_is_string(value))
        return append_text(array, schema->format, json_string_value(value));
    if (json_is_integer(value))
        (void)snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        (void)snprintf(text, sizeof(text), "%.17g", json_real_value(value));
    else
        (void)snprintf(text, sizeof(text), "%s", json_is_true(value) ? "true" : "false");
    return append_text(array, schema->format, text);
}

static bool
append_nested(struct ArrowArray *array, const struct ArrowSchema *schema, const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    bool ok = value && append_json(array, schema, value);

    json_decref(value);
    return ok;
}

/* The dictionary holds the distinct values of the column, in their order. */
static int64_t
dictionary_index(const fo_batch_column *column, size_t value)
{
    int64_t index = 0;

    for (size_t i = 0; i < column->n_values; i++) {
        bool first = column->values[i] != NULL;

        for (size_t k = 0; first && k < i; k++)
            first = !fo_streq(column->values[k], column->values[i]);
        if (fo_streq(column->values[i], column->values[value]))
            return index;
        index += first;
    }
    return index;
}

static bool
dictionary_fill(struct ArrowArray *array, const fo_batch_column *column)
{
    int64_t next = 0;

    for (size_t i = 0; i < column->n_values; i++)
        if (column->values[i] && dictionary_index(column, i) == next) {
            if (!append_text(array->dictionary, column->format + 1, column->values[i]))
                return false;
            next++;
        }
    return true;
}

static bool
append_number(struct ArrowArray *array, const char *format, int64_t row)
{
    char text[64];
    const char *shape = "%lld";

    if (format[0] == 'u' || format[0] == 'U')
        shape = "row %lld";
    else if (format[0] == 'd' || format[0] == 'g')
        shape = "%lld.5";
    else if (format[0] == 'b')
        shape = row % 2 ? "true" : "false";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(text, sizeof(text), shape, (long long)row);
#pragma GCC diagnostic pop
    return append_text(array, format, text);
}

static bool
append_cell(struct ArrowArray *array, const struct ArrowSchema *schema, const fo_batch_column *column,
            int64_t row)
{
    const char *text;
    size_t value;

    if (!column->values)
        return append_number(array, column->format, row);
    value = (size_t)row % column->n_values;
    text = column->values[value];
    if (!text)
        return ArrowArrayAppendNull(array, 1) == NANOARROW_OK;
    if (column->format[0] == '@')
        return ArrowArrayAppendInt(array, dictionary_index(column, value)) == NANOARROW_OK;
    if (column->format[0] == '+')
        return append_nested(array, schema, text);
    return append_text(array, column->format, text);
}

/* ---- batches ---- */

static bool
bitmap_force(struct ArrowArray *array, int64_t rows)
{
    struct ArrowBitmap *bitmap = ArrowArrayValidityBitmap(array);

    return bitmap->size_bits > 0 || ArrowBitmapAppend(bitmap, 1, rows) == NANOARROW_OK;
}

/* Arrow recommends memory in steps of 64 bytes, and engines read to the end of a step. */
static bool
pad(struct ArrowArray *array)
{
    bool ok = true;

    for (int64_t i = 0; ok && i < array->n_buffers && i < NANOARROW_MAX_FIXED_BUFFERS; i++) {
        struct ArrowBuffer *buffer = ArrowArrayBuffer(array, i);

        if (buffer->size_bytes > 0) /* no bitmap stays none */
            ok = ArrowBufferReserve(buffer, 64) == NANOARROW_OK;
    }
    for (int64_t i = 0; ok && i < array->n_children; i++)
        ok = pad(array->children[i]);
    return ok && (!array->dictionary || pad(array->dictionary));
}

static void
slice(struct ArrowArray *array, unsigned flags)
{
    if (flags & FO_BATCH_OFFSET) {
        array->offset += SKIPPED;
        array->length -= SKIPPED;
    } else if (flags & FO_BATCH_CHILD_OFFSET) {
        array->length -= SKIPPED;
        for (int64_t i = 0; i < array->n_children; i++) {
            array->children[i]->offset += SKIPPED;
            array->children[i]->length -= SKIPPED;
            if (array->children[i]->null_count) /* -1 is allowed with a bitmap alone */
                array->children[i]->null_count = -1;
        }
    }
}

static bool
batch_fill(const fo_batch_spec *spec, const struct ArrowSchema *schema, int64_t first, int64_t n,
           struct ArrowArray *array)
{
    int64_t skipped = spec->flags & (FO_BATCH_OFFSET | FO_BATCH_CHILD_OFFSET) ? SKIPPED : 0;

    if (ArrowArrayStartAppending(array) != NANOARROW_OK)
        return false;
    for (size_t c = 0; c < spec->n_columns; c++) {
        const fo_batch_column *column = &spec->columns[c];
        struct ArrowArray *child = array->children[c];

        if (column->format[0] == '@' && !dictionary_fill(child, column))
            return false;
        for (int64_t i = -skipped; i < n; i++)
            if (!append_cell(child, schema->children[c], column, i < 0 ? first : first + i))
                return false;
        if ((spec->flags & FO_BATCH_BITMAP) && column->format[0] != 'n' && !bitmap_force(child, n + skipped))
            return false;
    }
    array->length = n + skipped;
    if (!pad(array) || ArrowArrayFinishBuildingDefault(array, NULL) != NANOARROW_OK)
        return false;
    slice(array, spec->flags);
    return true;
}

static bool
batch_build(const fo_batch_spec *spec, int64_t first, int64_t n, struct ArrowArray *ret)
{
    struct ArrowSchema schema;
    struct ArrowArray array = { 0 };
    bool ok;

    if (!fo_batch_schema(spec, &schema))
        return false;
    ok = ArrowArrayInitFromSchema(&array, &schema, NULL) == NANOARROW_OK &&
         batch_fill(spec, &schema, first, n, &array);
    ArrowSchemaRelease(&schema);
    if (ok)
        *ret = array;
    else if (array.release)
        ArrowArrayRelease(&array);
    return ok;
}

/* ---- the stream ---- */

static int
source_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out)
{
    batch_source *s = stream->private_data;

    if (fo_batch_schema(&s->spec, out))
        return 0;
    s->problem = "the suite cannot make this schema";
    return ENOMEM;
}

static int
source_next(struct ArrowArrayStream *stream, struct ArrowArray *out)
{
    batch_source *s = stream->private_data;
    int64_t left = s->spec.rows - s->next;
    int64_t n = s->spec.batch > 0 && s->spec.batch < left ? s->spec.batch : left;

    if (left <= 0 && s->spec.fails) {
        s->problem = FO_BATCH_FAILURE;
        return EIO;
    }
    if (left <= 0 && (s->gap || !(s->spec.flags & FO_BATCH_EMPTY_BETWEEN))) {
        memset(out, 0, sizeof(*out));
        return 0;
    }
    if ((s->spec.flags & FO_BATCH_EMPTY_BETWEEN) && !s->gap) {
        s->gap = true;
        n = 0;
    } else {
        s->gap = false;
        if (s->spec.on_batch)
            s->spec.on_batch(s->next, s->spec.arg);
    }
    if (!batch_build(&s->spec, s->next, n, out)) {
        s->problem = "the suite cannot make this batch";
        return ENOMEM;
    }
    s->next += n;
    return 0;
}

static const char *
source_error(struct ArrowArrayStream *stream)
{
    return ((batch_source *)stream->private_data)->problem;
}

static void
source_release(struct ArrowArrayStream *stream)
{
    batch_source *s = stream->private_data;

    if (s->spec.released)
        (*s->spec.released)++;
    fo_free(s);
    stream->release = NULL;
}

bool
fo_batch_stream(const fo_batch_spec *spec, struct ArrowArrayStream *ret)
{
    batch_source *s = fo_zalloc(sizeof(*s));

    if (!s)
        return false;
    s->spec = *spec;
    *ret = (struct ArrowArrayStream){ .get_schema = source_schema,
                                      .get_next = source_next,
                                      .get_last_error = source_error,
                                      .release = source_release,
                                      .private_data = s };
    return true;
}
