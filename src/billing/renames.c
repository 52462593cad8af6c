/* Renamed columns in views. */
#include "billing/renames.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "billing/columns.h"

void
fo_view_columns_done(fo_view_columns *columns)
{
    fo_strv_done(&columns->names);
    fo_strv_done(&columns->expressions);
    fo_strv_done(&columns->types);
}

finops_code
fo_view_column_add(fo_view_columns *columns, const char *name, const char *expression, const char *type,
                   finops_error **err)
{
    bool ok = fo_strv_add(&columns->names, name) && fo_strv_add(&columns->expressions, expression) &&
              fo_strv_add(&columns->types, type);

    return ok ? FINOPS_OK : fo_error_oom(err);
}

/* All names that one column ever had; the one it has now first. */
typedef struct family {
    fo_strv members;
    fo_strv expressions; /* of each; "" where the part does not have it */
    fo_strv types;
} family;

static void
family_done(family *f)
{
    fo_strv_done(&f->members);
    fo_strv_done(&f->expressions);
    fo_strv_done(&f->types);
}

static finops_code
family_add(family *f, const fo_view_columns *columns, const char *name, finops_error **err)
{
    size_t at = 0;

    while (at < columns->names.n && strcmp(columns->names.items[at], name) != 0)
        at++;
    bool there = at < columns->names.n;
    bool ok = fo_strv_add(&f->members, name) &&
              fo_strv_add(&f->expressions, there ? columns->expressions.items[at] : "") &&
              fo_strv_add(&f->types, there ? columns->types.items[at] : "");
    return ok ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
family_read(family *f, const fo_colnames *names, const fo_view_columns *columns, const char *now,
            finops_error **err)
{
    const char *from, *to;
    finops_code rc = family_add(f, columns, now, err);

    for (size_t i = 0; rc == FINOPS_OK && fo_colnames_renamed(names, i, &from, &to); i++)
        if (strcmp(to, now) == 0)
            rc = family_add(f, columns, from, err);
    return rc;
}

static bool
is_text(const char *type)
{
    return !*type || strcmp(type, "VARCHAR") == 0 || strcmp(type, "text") == 0;
}

static fo_column_kind
kind_of(const char *name)
{
    const fo_column_entry *entry = fo_column_find(name);

    return entry ? entry->kind : FO_COLUMN_TEXT;
}

/* The type all of them are cast to, where they are not of one; NULL: they are. What it is called now tells.
 */
static const char *
family_type(const family *f, finops_dialect dialect)
{
    fo_column_kind kind = kind_of(f->members.items[0]);
    bool differ = false;

    for (size_t i = 1; i < f->members.n; i++)
        differ = differ || kind_of(f->members.items[i]) != kind;
    for (size_t i = 0; i < f->members.n; i++) /* tables that others made */
        for (size_t k = 0; k < i; k++)
            differ = differ || (*f->expressions.items[i] && *f->expressions.items[k] &&
                                is_text(f->types.items[i]) != is_text(f->types.items[k]));
    if (!differ || kind == FO_COLUMN_MAP || kind == FO_COLUMN_MAP_DECIMAL)
        return NULL;
    return kind == FO_COLUMN_TEXT && dialect == FINOPS_DIALECT_POSTGRESQL ? "text" : fo_column_sql_type(kind);
}

static void
add_member(const family *f, size_t i, const char *type, fo_str *sql)
{
    const char *expression = f->expressions.items[i];

    if (!type)
        fo_str_add(sql, expression);
    else if (is_text(f->types.items[i]) && !is_text(type))
        fo_str_addf(sql, "CAST(nullif(%s, '') AS %s)", expression, type);
    else
        fo_str_addf(sql, "CAST(%s AS %s)", expression, type);
}

/* The name's own value first, then what it is called now, then the others. */
static void
add_value(const family *f, size_t own, const char *type, fo_str *sql)
{
    size_t n = 0, first = *f->expressions.items[own] ? own : f->members.n;

    for (size_t i = 0; i < f->members.n; i++)
        n += *f->expressions.items[i] != 0;
    fo_str_add(sql, n > 1 ? "coalesce(" : "");
    if (first < f->members.n)
        add_member(f, first, type, sql);
    for (size_t i = 0, done = first < f->members.n; i < f->members.n; i++) {
        if (i == first || !*f->expressions.items[i])
            continue;
        fo_str_add(sql, done++ ? ", " : "");
        add_member(f, i, type, sql);
    }
    fo_str_add(sql, n > 1 ? ")" : "");
}

/* The type of a value of the family that has no cast. */
static const char *
type_of_any(const family *f)
{
    for (size_t i = 0; i < f->members.n; i++)
        if (*f->types.items[i])
            return f->types.items[i];
    return "";
}

static finops_code
put(fo_view_columns *columns, const char *name, const char *expression, const char *type, finops_error **err)
{
    for (size_t i = 0; i < columns->names.n; i++) {
        if (strcmp(columns->names.items[i], name) != 0)
            continue;
        char *e = fo_strdup(expression), *t = fo_strdup(type);
        if (!e || !t) {
            fo_free(e);
            fo_free(t);
            return fo_error_oom(err);
        }
        fo_free(columns->expressions.items[i]);
        fo_free(columns->types.items[i]);
        columns->expressions.items[i] = e;
        columns->types.items[i] = t;
        return FINOPS_OK;
    }
    return fo_view_column_add(columns, name, expression, type, err);
}

static finops_code
family_apply(const family *f, finops_dialect dialect, fo_view_columns *columns, fo_strv *ret_names,
             finops_error **err)
{
    const char *type = family_type(f, dialect);
    bool any = false;
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; i < f->members.n; i++)
        any = any || *f->expressions.items[i];
    for (size_t i = 0; rc == FINOPS_OK && any && i < f->members.n; i++) {
        FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

        add_value(f, i, type, &sql);
        rc = fo_str_check(&sql, err);
        if (rc == FINOPS_OK)
            rc = put(columns, f->members.items[i], fo_str_z(&sql), type ? type : type_of_any(f), err);
        if (rc == FINOPS_OK && ret_names && !fo_strv_add(ret_names, f->members.items[i]))
            rc = fo_error_oom(err);
    }
    return rc;
}

finops_code
fo_renames_apply(const fo_colnames *names, finops_dialect dialect, fo_view_columns *columns,
                 fo_strv *ret_names, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv done = FO_STRV_INIT;
    const char *from, *to;
    finops_code rc = FINOPS_OK;

    assert(names && columns);
    for (size_t i = 0; rc == FINOPS_OK && fo_colnames_renamed(names, i, &from, &to); i++) {
        FO_AUTO(family_done) family f = { 0 };

        if (fo_strv_has(&done, to))
            continue;
        rc = fo_strv_add(&done, to) ? family_read(&f, names, columns, to, err) : fo_error_oom(err);
        if (rc == FINOPS_OK)
            rc = family_apply(&f, dialect, columns, ret_names, err);
    }
    return rc;
}
