/* What the dialects say differently, and how many statements a text has. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "database/adbc/adbc_internal.h"

void
fo_adbc_add_ident(fo_str *to, const char *name)
{
    fo_str_addc(to, '"');
    for (; *name; name++) {
        if (*name == '"')
            fo_str_addc(to, '"');
        fo_str_addc(to, *name);
    }
    fo_str_addc(to, '"');
}

void
fo_adbc_add_table(fo_str *to, const adbc_database *d, const char *schema, const char *table)
{
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;

    if (schema && schema[0] && d->ingest_schema) {
        fo_adbc_add_ident(to, schema);
        fo_str_addc(to, '.');
    } else if (schema && schema[0]) {
        fo_str_addf(&name, "%s__", schema);
    }
    fo_str_add(&name, table);
    fo_adbc_add_ident(to, fo_str_z(&name));
}

/*
 * SQLite has integers, doubles, texts and bytes. With TEXT in the name of a declared type it leaves texts as
 * they are, and the word before says what they are; plugins/sqlite declares the same.
 */
static void
add_sqlite_type(fo_str *to, const struct ArrowSchema *schema)
{
    const char *f = schema->format;
    int precision, scale;

    if (sscanf(f, "d:%4d,%4d", &precision, &scale) == 2)
        fo_str_addf(to, "DECIMAL_TEXT(%d,%d)", precision, scale);
    else if (f[0] == 'L')
        fo_str_add(to, "DECIMAL_TEXT(20,0)"); /* half of them do not fit into its integers */
    else if (f[0] == '+')
        fo_str_add(to, "JSON_TEXT");
    else if (fo_starts(f, "td"))
        fo_str_add(to, "DATE_TEXT");
    else if (fo_starts(f, "ts"))
        fo_str_add(to, strlen(f) > 4 ? "TIMESTAMPTZ_TEXT" : "TIMESTAMP_TEXT");
    else
        fo_str_add(to, f[0] == 'b' ? "BOOLEAN" : fo_starts(f, "tt") ? "TIME_TEXT" : "TEXT");
}

/* Decimals and nested values. */
static void
add_rich_type(fo_str *to, bool generic, const struct ArrowSchema *schema)
{
    int precision = 38, scale = 0;

    if (generic)
        fo_str_add(to, "TEXT");
    else if (schema->format[0] == '+')
        fo_str_add(to, "JSON");
    else if (sscanf(schema->format, "d:%4d,%4d", &precision, &scale) == 2)
        fo_str_addf(to, "NUMERIC(%d,%d)", precision, scale);
    else
        fo_str_add(to, "NUMERIC(20,0)"); /* of unsigned 64-bit integers */
}

void
fo_adbc_add_type(fo_str *to, const adbc_database *d, const struct ArrowSchema *schema)
{
    bool generic = d->dialect == FINOPS_DIALECT_GENERIC, pg = d->dialect == FINOPS_DIALECT_POSTGRESQL;
    const char *f = schema->format;

    if (schema->dictionary)
        fo_adbc_add_type(to, d, schema->dictionary);
    else if (strlen(f) == 1 && strchr("cCsSiIl", f[0]))
        fo_str_add(to, "BIGINT");
    else if (f[0] == 'f' || f[0] == 'g')
        fo_str_add(to, "DOUBLE PRECISION");
    else if (f[0] == 'z' || f[0] == 'Z' || f[0] == 'w')
        fo_str_add(to, pg ? "BYTEA" : "BLOB");
    else if (d->sqlite)
        add_sqlite_type(to, schema);
    else if (pg && f[0] == '+')
        fo_str_add(to, "JSONB");
    else if (f[0] == '+' || f[0] == 'd' || f[0] == 'L')
        add_rich_type(to, generic, schema);
    else if (f[0] == 'b')
        fo_str_add(to, "BOOLEAN");
    else if (fo_starts(f, "td"))
        fo_str_add(to, "DATE");
    else if (fo_starts(f, "ts"))
        fo_str_add(to, strlen(f) > 4 ? "TIMESTAMP WITH TIME ZONE" : "TIMESTAMP");
    else
        fo_str_add(to, "TEXT");
}

/* The first row whose word is in the native type wins. */
static const struct {
    const char *word;
    finops_column_type type;
} natives[] = {
    { "[]", FINOPS_TYPE_LIST },
    { "decimal", FINOPS_TYPE_DECIMAL },
    { "numeric", FINOPS_TYPE_DECIMAL },
    { "timestamptz", FINOPS_TYPE_TIMESTAMP_TZ },
    { "with time zone", FINOPS_TYPE_TIMESTAMP_TZ },
    { "timestamp", FINOPS_TYPE_TIMESTAMP },
    { "datetime", FINOPS_TYPE_TIMESTAMP },
    { "date", FINOPS_TYPE_DATE },
    { "json", FINOPS_TYPE_JSON },
    { "bool", FINOPS_TYPE_BOOL },
    { "interval", FINOPS_TYPE_OTHER },
    { "point", FINOPS_TYPE_OTHER },
    { "int", FINOPS_TYPE_INT },
    { "char", FINOPS_TYPE_TEXT },
    { "text", FINOPS_TYPE_TEXT },
    { "string", FINOPS_TYPE_TEXT },
    { "clob", FINOPS_TYPE_TEXT },
    { "name", FINOPS_TYPE_TEXT },
    { "bytea", FINOPS_TYPE_BYTES },
    { "blob", FINOPS_TYPE_BYTES },
    { "binary", FINOPS_TYPE_BYTES },
    { "real", FINOPS_TYPE_DOUBLE },
    { "float", FINOPS_TYPE_DOUBLE },
    { "double", FINOPS_TYPE_DOUBLE },
};

finops_column_type
fo_adbc_type_of(const char *native, int *ret_precision, int *ret_scale)
{
    int precision = 0, scale = 0;

    for (size_t i = 0; native && i < FO_COUNT(natives); i++) {
        if (!strcasestr(native, natives[i].word))
            continue;
        if (natives[i].type == FINOPS_TYPE_DECIMAL)
            sscanf(native, "%*[^(](%4d,%4d)", &precision, &scale);
        if (ret_precision)
            *ret_precision = precision;
        if (ret_scale)
            *ret_scale = scale;
        return natives[i].type;
    }
    return FINOPS_TYPE_OTHER;
}

/* ---- statements in a text ---- */

/* Behind a text in quotes; one quote doubled is two texts side by side, which comes to the same. */
static const char *
skip_quoted(const char *p)
{
    char quote = *p++;

    while (*p && *p != quote)
        p++;
    return *p ? p + 1 : p;
}

/* Behind $tag$ … $tag$; a parameter is none. */
static const char *
skip_dollar(const char *p)
{
    const char *end = p + 1;
    size_t n;

    while (isalnum((unsigned char)*end) || *end == '_')
        end++;
    if (*end != '$' || isdigit((unsigned char)p[1]))
        return p + 1;
    n = (size_t)(end - p) + 1;
    for (end++; *end; end++)
        if (strncmp(end, p, n) == 0)
            return end + n;
    return end;
}

/* Behind one token, comment or run of blanks; *ret_code: it is part of a statement. */
static const char *
skip_token(const char *p, bool *ret_code)
{
    const char *end;

    *ret_code = false;
    if (isspace((unsigned char)*p))
        return p + 1;
    if (fo_starts(p, "--"))
        return p + strcspn(p, "\n");
    if (fo_starts(p, "/*")) {
        end = strstr(p + 2, "*/");
        return end ? end + 2 : p + strlen(p);
    }
    *ret_code = true;
    if (*p == '\'' || *p == '"')
        return skip_quoted(p);
    return *p == '$' ? skip_dollar(p) : p + 1;
}

finops_code
fo_adbc_check_sql(const char *sql, size_t n_params, size_t *ret_length, finops_error **err)
{
    bool ended = false, code;
    size_t length = 0, parameter;

    for (const char *p = sql, *next; *p; p = next) {
        next = skip_token(p, &code);
        if (code && *p == ';') {
            ended = true;
            continue;
        }
        if (code && ended)
            return fo_error_set(err, FINOPS_E_USAGE, "more than one statement at once");
        if (code)
            length = (size_t)(next - sql);
        if (code && sscanf(p, "$%4zu", &parameter) == 1 && parameter > n_params)
            return fo_error_set(err, FINOPS_E_ARGUMENT, "there is no value for parameter $%zu", parameter);
    }
    if (length == 0)
        return fo_error_set(err, FINOPS_E_USAGE, "the statement is empty");
    *ret_length = length;
    return FINOPS_OK;
}
