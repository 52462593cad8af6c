/*
 * What writing a stream to a table would do, told before anything is written: the stream's schema is held
 * against the table's columns. No column of a table is ever changed, so a type fits when every value of it
 * can be kept in the column as it is.
 */
#include <assert.h>
#include <inttypes.h>
#include <nanoarrow/nanoarrow.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "database/front_internal.h"

#define TYPE_TEXT 64
#define COLUMNS_MAX 10000

/* A type of the stream, in the words of tables. */
typedef struct kind {
    finops_column_type type;
    int precision, scale; /* of a decimal; of whole numbers and dates what they need */
    char text[TYPE_TEXT]; /* for people */
} kind;

typedef struct table_column {
    char *name, *native;
    finops_column_type type;
    int precision, scale;
    bool nullable, matched;
} table_column;

typedef struct table {
    table_column *items;
    size_t n, cap;
    bool failed;
} table;

typedef struct verdicts {
    const finops_write *write;
    const finops_capabilities *capabilities;
    void (*each)(const finops_change *change, void *arg);
    void *arg;
} verdicts;

static void
table_done(table *t)
{
    for (size_t i = 0; i < t->n; i++) {
        fo_free(t->items[i].name);
        fo_free(t->items[i].native);
    }
    fo_free(t->items);
}

static bool
table_add(const finops_column *column, void *arg)
{
    table *t = arg;
    table_column *c;

    t->failed = t->n >= COLUMNS_MAX || !fo_grow((void **)&t->items, &t->cap, t->n + 1, sizeof(*t->items));
    if (t->failed)
        return false;
    c = &t->items[t->n++];
    *c = (table_column){ .type = column->type,
                         .precision = column->precision,
                         .scale = column->scale,
                         .nullable = column->nullable };
    c->name = fo_strdup(column->name);
    c->native = fo_strdup(column->native ? column->native : "");
    t->failed = !c->name || !c->native;
    return !t->failed;
}

static table_column *
table_find(table *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcmp(t->items[i].name, name) == 0)
            return &t->items[i];
    return NULL;
}

static kind
kind_of(finops_column_type type, int precision, int scale, const char *text)
{
    kind k = { .type = type, .precision = precision, .scale = scale };

    (void)snprintf(k.text, sizeof(k.text), "%s", text);
    return k;
}

static kind
kind_decimal(const struct ArrowSchemaView *view)
{
    kind k = { .type = FINOPS_TYPE_DECIMAL,
               .precision = view->decimal_precision,
               .scale = view->decimal_scale };

    (void)snprintf(k.text, sizeof(k.text), "decimal(%d, %d)", k.precision, k.scale);
    return k;
}

static kind
kind_text(const struct ArrowSchemaView *view)
{
    static const char json[] = "arrow.json";

    if (view->extension_name.size_bytes == sizeof(json) - 1 &&
        memcmp(view->extension_name.data, json, sizeof(json) - 1) == 0)
        return kind_of(FINOPS_TYPE_JSON, 0, 0, "json");
    return kind_of(FINOPS_TYPE_TEXT, 0, 0, "text");
}

/* Decimal digits that hold every whole number of the type. */
static kind
kind_whole(enum ArrowType type)
{
    switch (type) {
    case NANOARROW_TYPE_INT8:
    case NANOARROW_TYPE_UINT8:
        return kind_of(FINOPS_TYPE_INT, 3, 0, "int8");
    case NANOARROW_TYPE_INT16:
    case NANOARROW_TYPE_UINT16:
        return kind_of(FINOPS_TYPE_INT, 5, 0, "int16");
    case NANOARROW_TYPE_INT32:
    case NANOARROW_TYPE_UINT32:
        return kind_of(FINOPS_TYPE_INT, 10, 0, "int32");
    case NANOARROW_TYPE_INT64:
        return kind_of(FINOPS_TYPE_INT, 19, 0, "int64");
    default:
        return kind_of(FINOPS_TYPE_DECIMAL, 20, 0, "uint64");
    }
}

static kind
kind_nested(enum ArrowType type)
{
    switch (type) {
    case NANOARROW_TYPE_MAP:
        return kind_of(FINOPS_TYPE_MAP, 0, 0, "map");
    case NANOARROW_TYPE_STRUCT:
        return kind_of(FINOPS_TYPE_STRUCT, 0, 0, "struct");
    case NANOARROW_TYPE_LIST:
    case NANOARROW_TYPE_LARGE_LIST:
    case NANOARROW_TYPE_FIXED_SIZE_LIST:
        return kind_of(FINOPS_TYPE_LIST, 0, 0, "list");
    default:
        return kind_of(FINOPS_TYPE_OTHER, 0, 0, ArrowTypeString(type));
    }
}

static kind
kind_read(const struct ArrowSchemaView *view)
{
    switch (view->type) {
    case NANOARROW_TYPE_BOOL:
        return kind_of(FINOPS_TYPE_BOOL, 0, 0, "bool");
    case NANOARROW_TYPE_INT8:
    case NANOARROW_TYPE_UINT8:
    case NANOARROW_TYPE_INT16:
    case NANOARROW_TYPE_UINT16:
    case NANOARROW_TYPE_INT32:
    case NANOARROW_TYPE_UINT32:
    case NANOARROW_TYPE_INT64:
    case NANOARROW_TYPE_UINT64:
        return kind_whole(view->type);
    case NANOARROW_TYPE_HALF_FLOAT:
    case NANOARROW_TYPE_FLOAT:
    case NANOARROW_TYPE_DOUBLE:
        return kind_of(FINOPS_TYPE_DOUBLE, 0, 0, "double");
    case NANOARROW_TYPE_DECIMAL128:
    case NANOARROW_TYPE_DECIMAL256:
        return kind_decimal(view);
    case NANOARROW_TYPE_STRING:
    case NANOARROW_TYPE_LARGE_STRING:
    case NANOARROW_TYPE_STRING_VIEW:
        return kind_text(view);
    case NANOARROW_TYPE_BINARY:
    case NANOARROW_TYPE_LARGE_BINARY:
    case NANOARROW_TYPE_BINARY_VIEW:
    case NANOARROW_TYPE_FIXED_SIZE_BINARY:
        return kind_of(FINOPS_TYPE_BYTES, 0, 0, "bytes");
    case NANOARROW_TYPE_DATE32:
    case NANOARROW_TYPE_DATE64:
        return kind_of(FINOPS_TYPE_DATE, 0, 0, "date");
    case NANOARROW_TYPE_TIMESTAMP:
        return view->timezone && *view->timezone
                   ? kind_of(FINOPS_TYPE_TIMESTAMP_TZ, 0, 0, "timestamp with time zone")
                   : kind_of(FINOPS_TYPE_TIMESTAMP, 0, 0, "timestamp");
    default:
        return kind_nested(view->type);
    }
}

/* Digits before the point. */
static int
whole_digits(int precision, int scale)
{
    return precision - scale;
}

static const char *
into_decimal(const kind *from, const table_column *to, finops_change_kind *ret)
{
    bool limited = to->precision > 0;

    if (from->type == FINOPS_TYPE_DOUBLE)
        return "a floating point number has no exact decimal value";
    if (from->type != FINOPS_TYPE_INT && from->type != FINOPS_TYPE_DECIMAL)
        return "only numbers fit a decimal";
    if (limited && from->scale > to->scale)
        return "digits after the point would be lost";
    if (limited && whole_digits(from->precision, from->scale) > whole_digits(to->precision, to->scale))
        return "a large value would not fit";
    *ret = FINOPS_CHANGE_WIDENED;
    if (from->type == FINOPS_TYPE_INT)
        return "whole numbers in a decimal";
    return limited && (from->precision != to->precision || from->scale != to->scale)
               ? "the column has more digits"
               : NULL;
}

/* What a database without a type of its own for it stores it as. */
static bool
stored_as(const finops_capabilities *c, const kind *from, finops_column_type to)
{
    bool nested =
        from->type == FINOPS_TYPE_MAP || from->type == FINOPS_TYPE_STRUCT || from->type == FINOPS_TYPE_LIST;

    if (nested)
        return !(c->features & FINOPS_DATABASE_NESTED) && (to == FINOPS_TYPE_JSON || to == FINOPS_TYPE_TEXT);
    if (from->type == FINOPS_TYPE_DECIMAL)
        return !(c->features & FINOPS_DATABASE_EXACT_DECIMALS) && to == FINOPS_TYPE_TEXT;
    return from->type == FINOPS_TYPE_JSON && to == FINOPS_TYPE_TEXT;
}

/* Why a type does or does not fit another, NULL when there is nothing to tell. */
static const char *
into(const finops_capabilities *c, const kind *from, const table_column *to, finops_change_kind *ret)
{
    if (to->type == FINOPS_TYPE_OTHER || from->type == FINOPS_TYPE_OTHER || stored_as(c, from, to->type))
        return NULL;
    if (to->type == FINOPS_TYPE_DECIMAL)
        return into_decimal(from, to, ret);
    if (to->type == from->type)
        return NULL;
    *ret = FINOPS_CHANGE_WIDENED;
    if (to->type == FINOPS_TYPE_TEXT)
        return "any value as text";
    if (to->type == FINOPS_TYPE_TIMESTAMP && from->type == FINOPS_TYPE_DATE)
        return "midnight of the day";
    if (to->type == FINOPS_TYPE_DOUBLE && from->type == FINOPS_TYPE_INT && from->precision < 16)
        return "whole numbers as floating point";
    *ret = FINOPS_CHANGE_REFUSED;
    if (to->type == FINOPS_TYPE_DOUBLE)
        return "floating point would not keep every digit";
    if (to->type == FINOPS_TYPE_TIMESTAMP_TZ || from->type == FINOPS_TYPE_TIMESTAMP_TZ)
        return "what the time means depends on a time zone";
    if (from->type == FINOPS_TYPE_TEXT)
        return "a text may be no such value";
    return "another kind of value";
}

static void
tell(const verdicts *v, finops_change_kind what, const char *column, const char *from, const char *to,
     const char *reason)
{
    v->each(&(finops_change){ .kind = what, .column = column, .from = from, .to = to, .reason = reason },
            v->arg);
}

static void
judge_new(const verdicts *v, const char *name, const kind *k, bool table_exists)
{
    if (v->write->mode == FINOPS_WRITE_APPEND)
        tell(v, FINOPS_CHANGE_REFUSED, name, NULL, k->text, "the table has no such column");
    else if (v->capabilities->max_identifier && strlen(name) > v->capabilities->max_identifier)
        tell(v, FINOPS_CHANGE_REFUSED, name, NULL, k->text, "the name is longer than the database allows");
    else
        tell(v, FINOPS_CHANGE_ADDED, name, NULL, k->text,
             table_exists ? "the table has no such column" : "the table does not exist yet");
}

static finops_code
judge_column(const verdicts *v, table *t, const struct ArrowSchema *schema, finops_error **err)
{
    finops_change_kind what = FINOPS_CHANGE_REFUSED;
    struct ArrowSchemaView view;
    table_column *to;
    const char *reason;
    kind k;

    if (!schema->name || !*schema->name)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "a column of the stream has no name");
    if (ArrowSchemaViewInit(&view, schema, NULL) != NANOARROW_OK)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "column %s has no type that can be read", schema->name);
    if (schema->dictionary && ArrowSchemaViewInit(&view, schema->dictionary, NULL) != NANOARROW_OK)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "column %s has no type that can be read", schema->name);
    k = kind_read(&view);
    to = table_find(t, schema->name);
    if (!to) {
        judge_new(v, schema->name, &k, t->n > 0);
        return FINOPS_OK;
    }
    to->matched = true;
    reason = into(v->capabilities, &k, to, &what);
    if (reason)
        tell(v, what, to->name, to->native, k.text, reason);
    return FINOPS_OK;
}

finops_code
finops_session_validate(finops_session *session, const finops_write *write, const struct ArrowSchema *schema,
                        void (*each)(const finops_change *change, void *arg), void *arg, finops_error **err)
{
    FO_AUTO(table_done) table t = { 0 };
    verdicts v = { .write = write, .each = each, .arg = arg };
    finops_code rc;

    if (!session || !write || !write->table || !schema || !each)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "nothing to validate");
    v.capabilities = &session->database->capabilities;
    rc = finops_session_columns(session, write->schema, write->table, table_add, &t, err);
    if (rc == FINOPS_OK && t.failed)
        rc = fo_error_oom(err);
    if (rc == FINOPS_OK && t.n > 0 && write->mode == FINOPS_WRITE_CREATE)
        return fo_error_set(err, FINOPS_E_EXISTS, "table %s exists already", write->table);
    if (rc == FINOPS_OK && t.n == 0 && write->mode == FINOPS_WRITE_APPEND)
        return fo_error_set(err, FINOPS_E_NOT_FOUND, "table %s does not exist", write->table);
    for (int64_t i = 0; rc == FINOPS_OK && i < schema->n_children; i++)
        rc = judge_column(&v, &t, schema->children[i], err);
    for (size_t i = 0; rc == FINOPS_OK && i < t.n; i++)
        if (!t.items[i].matched && !t.items[i].nullable)
            tell(&v, FINOPS_CHANGE_REFUSED, t.items[i].name, t.items[i].native, NULL,
                 "the column must have a value and the stream has none");
    return rc;
}
