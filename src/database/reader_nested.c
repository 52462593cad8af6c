/*
 * Numbers inside objects and lists of NDJSON. The engine casts a nested value as a whole and makes NULL of
 * every member that does not fit, without a word; so types are guessed that all numbers fit, and members that
 * a cast has lost are counted.
 */
#include "database/reader_internal.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

typedef bool each_scalar(const char *type, size_t n, const void *arg, fo_str *out);

/* The end of a name in quotes, a quote inside it being doubled. */
static const char *
skip_quoted(const char *p)
{
    for (p++; *p && (*p != '"' || p[1] == '"'); p++)
        if (*p == '"')
            p++;
    return *p ? p + 1 : p;
}

static const char *
copy_to(const char *from, const char *to, fo_str *out)
{
    fo_str_addn(out, from, (size_t)(to - from));
    return to;
}

/* A scalar's name up to the "," ")" or "[" behind it: words, and numbers in brackets. */
static const char *
skip_scalar(const char *p)
{
    for (int depth = 0; *p && (depth > 0 || !strchr(",)[", *p)); p++)
        depth += (*p == '(') - (*p == ')');
    return p;
}

/* Copies a type as the engine spells it, with another scalar for each that `each` names one for. */
static const char *
copy_type(const char *p, each_scalar *each, const void *arg, fo_str *out)
{
    bool structure = fo_starts(p, "STRUCT(");

    if (!structure && !fo_starts(p, "MAP(")) {
        const char *end = skip_scalar(p);

        if (!each(p, (size_t)(end - p), arg, out))
            fo_str_addn(out, p, (size_t)(end - p));
        p = end;
    } else {
        p = copy_to(p, strchr(p, '(') + 1, out);
        while (*p && *p != ')') {
            if (structure)
                p = copy_to(p, *p == '"' ? skip_quoted(p) : p + strcspn(p, " "), out);
            while (*p == ' ')
                p = copy_to(p, p + 1, out);
            p = copy_type(p, each, arg, out);
            while (*p == ',' || *p == ' ')
                p = copy_to(p, p + 1, out);
        }
        p = *p ? copy_to(p, p + 1, out) : p;
    }
    while (*p == '[') /* lists of it */
        p = copy_to(p, p + strcspn(p, "]") + 1, out);
    return p;
}

/* ---- what a cast has lost ---- */

static bool
text_for_all(const char *type, size_t n, const void *arg, fo_str *out)
{
    (void)type, (void)n, (void)arg;
    fo_str_add(out, "VARCHAR");
    return true;
}

/* "len(…)": how many members are NULL; texts, which may say so, are left out. */
static void
count_nulls(const char *value, fo_str *sql)
{
    fo_str_addf(
        sql,
        "len(regexp_extract_all(regexp_replace(to_json(%s)::VARCHAR, '\"([^\"\\\\]|\\\\.)*\"', '', 'g'), "
        "'null'))",
        value);
}

void
fo_data_nested_kept(const char *type, const char *cast, const char *x, fo_str *sql)
{
    FO_AUTO(fo_str_done) fo_str texts = FO_STR_INIT;
    FO_AUTO(fo_freep) char *as_texts = NULL;

    (void)copy_type(type, text_for_all, NULL, &texts);
    as_texts = fo_format("TRY_CAST(%s AS %s)", x, fo_str_z(&texts));
    count_nulls(cast, sql);
    fo_str_add(sql, " <= ");
    count_nulls(as_texts ? as_texts : "", sql);
    sql->failed |= texts.failed || !as_texts;
}

/* ---- types that all numbers fit ---- */

typedef struct numbers {
    bool big;   /* one is no BIGINT */
    bool lossy; /* one is no DOUBLE */
    bool plain; /* none has an exponent */
    unsigned long long whole, scale;
} numbers;

static bool
type_is(const char *type, size_t n, const char *name)
{
    return n == strlen(name) && memcmp(type, name, n) == 0;
}

static void
decimal_or_text(bool fits, unsigned long long scale, fo_str *out)
{
    if (fits)
        fo_str_addf(out, "DECIMAL(38,%llu)", scale);
    else
        fo_str_add(out, "VARCHAR");
}

static bool
wider(const char *type, size_t n, const void *arg, fo_str *out)
{
    const numbers *all = arg;

    if (all->big && type_is(type, n, "BIGINT"))
        decimal_or_text(all->whole <= 38, 0, out);
    else if (all->lossy && type_is(type, n, "DOUBLE"))
        decimal_or_text(all->plain && all->whole + all->scale <= 38, all->scale, out);
    else if (type_is(type, n, "JSON")) /* a number here, a text there */
        fo_str_add(out, "VARCHAR");
    else
        return false;
    return true;
}

static bool
is_guessed(const fo_data_column_info *c)
{
    return !c->given && fo_data_is_nested(c->type);
}

/* A row a column: what its numbers are like, from the record where each of them is in quotes. Texts that look
 * like numbers are taken for some. */
static void
numbers_sql(const fo_data_reader *r, fo_str *sql)
{
    size_t n = 0;

    fo_str_add(sql,
               "SELECT c, coalesce(bool_or(regexp_full_match(v, '-?[0-9]+') AND TRY_CAST(v AS BIGINT) IS "
               "NULL), false), NOT ");
    fo_data_all_doubles("v", sql);
    fo_str_add(sql, ", bool_and(regexp_full_match(v, '-?[0-9]+(\\.[0-9]+)?')), "
                    "max(length(ltrim(split_part(v, '.', 1), '-'))), max(length(split_part(v, '.', 2))) FROM "
                    "(SELECT s.c AS c, unnest(s.v) AS v FROM (SELECT unnest([");
    for (size_t i = 0; i < r->n_columns; i++)
        if (is_guessed(&r->columns[i]))
            fo_str_addf(sql,
                        "%s{'c': %zu, 'v': regexp_extract_all(x%zu::VARCHAR, "
                        "'\"(-?[0-9]+(\\.[0-9]+)?([eE][+-]?[0-9]+)?)\"\\s*[],}]', 1)}",
                        n++ ? ", " : "", i, i);
    fo_str_add(sql, "]) AS s FROM (");
    fo_data_ndjson_values(r, sql);
    fo_str_add(sql, ") WHERE problem IS NULL)) GROUP BY c ORDER BY c");
}

static bool
is_true(const fo_rows *rows, size_t row, size_t column)
{
    return fo_streq(fo_rows_text(rows, row, column), "true");
}

static finops_code
widen(fo_data_reader *r, const fo_rows *rows, size_t row, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str type = FO_STR_INIT;
    numbers all = { .big = is_true(rows, row, 1),
                    .lossy = is_true(rows, row, 2),
                    .plain = is_true(rows, row, 3) };
    unsigned long long i = r->n_columns;
    bool ok = fo_parse_u64(fo_rows_text(rows, row, 0), &i) &&
              fo_parse_u64(fo_rows_text(rows, row, 4), &all.whole) &&
              fo_parse_u64(fo_rows_text(rows, row, 5), &all.scale);
    fo_data_column_info *c = &r->columns[i];
    finops_code rc;

    assert(ok && i < r->n_columns);
    (void)ok;
    if (!all.big && !all.lossy)
        return FINOPS_OK;
    (void)copy_type(c->type, wider, &all, &type);
    rc = fo_str_check(&type, err);
    if (rc == FINOPS_OK)
        rc = fo_data_set_type(r, i, fo_str_z(&type), err);
    c->given = false;
    c->exact = true;
    return rc;
}

finops_code
fo_data_nested_numbers(fo_data_reader *r, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc;
    bool any = false;

    for (size_t i = 0; i < r->n_columns; i++)
        any |= r->columns[i].exact = is_guessed(&r->columns[i]);
    if (!any)
        return FINOPS_OK;
    numbers_sql(r, &sql);
    for (size_t i = 0; i < r->n_columns; i++)
        r->columns[i].exact = false;
    rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_conn_rows(r->conn, fo_str_z(&sql), NULL, 0, &rows, err);
    rc = fo_records_error(&r->job, rc, err);
    for (size_t row = 0; rc == FINOPS_OK && row < fo_rows_count(rows); row++)
        rc = widen(r, rows, row, err);
    return rc;
}
