/* Which column each header of an export becomes. */
#include "billing/colnames.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "billing/columns.h"
#include "billing/names.h"

/* A header that stands for no header of a file: the column that follows it is called otherwise now. */
#define RENAMED "renamed:"

typedef struct colname {
    char *header;
    char *column;
    bool saved;
    bool idle; /* a rename that nothing came of yet: not to be saved */
} colname;

struct fo_colnames {
    char *vendor;
    char *export_name;
    size_t max; /* bytes of a name in the database; 0: no limit */
    colname *items;
    size_t n, cap;
};

void
fo_colnames_free(fo_colnames *names)
{
    if (!names)
        return;
    for (size_t i = 0; i < names->n; i++) {
        fo_free(names->items[i].header);
        fo_free(names->items[i].column);
    }
    fo_free(names->items);
    fo_free(names->vendor);
    fo_free(names->export_name);
    fo_free(names);
}

void
fo_colnames_freep(fo_colnames **names)
{
    fo_colnames_free(*names);
    *names = NULL;
}

static finops_code
colnames_add(fo_colnames *names, const char *header, const char *column, bool saved, finops_error **err)
{
    if (!fo_grow((void **)&names->items, &names->cap, names->n + 1, sizeof(colname)))
        return fo_error_oom(err);
    colname *item = &names->items[names->n];
    *item = (colname){ .header = fo_strdup(header), .column = fo_strdup(column), .saved = saved };
    names->n++;
    return item->header && item->column ? FINOPS_OK : fo_error_oom(err);
}

finops_code
fo_colnames_from_rows(const fo_rows *rows, const char *vendor, const char *export_name, fo_colnames **ret,
                      finops_error **err)
{
    FO_AUTO(fo_colnames_freep) fo_colnames *names = fo_zalloc(sizeof(*names));
    finops_code rc = FINOPS_OK;

    assert(rows && vendor && export_name && ret);
    if (!names || !(names->vendor = fo_strdup(vendor)) || !(names->export_name = fo_strdup(export_name)))
        return fo_error_oom(err);
    for (size_t i = 0; rc == FINOPS_OK && i < fo_rows_count(rows); i++)
        rc = colnames_add(names, fo_rows_text(rows, i, 0), fo_rows_text(rows, i, 1), true, err);
    if (rc == FINOPS_OK)
        *ret = FO_TAKE(names);
    return rc;
}

finops_code
fo_colnames_load(fo_database *database, const char *vendor, const char *export_name, fo_colnames **ret,
                 finops_error **err)
{
    const fo_param params[] = { vendor, export_name };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc = fo_database_query(database,
                                       "SELECT header, column_name FROM billing_state.column_names "
                                       "WHERE vendor = $1 AND export_name = $2 ORDER BY header",
                                       params, FO_COUNT(params), &rows, err);

    finops_capabilities can;

    fo_database_capabilities(database, &can);
    if (rc == FINOPS_OK)
        rc = fo_colnames_from_rows(rows, vendor, export_name, ret, err);
    if (rc == FINOPS_OK)
        (*ret)->max = can.max_identifier;
    return rc;
}

static colname *
colnames_find(const fo_colnames *names, const char *header)
{
    for (size_t i = 0; i < names->n; i++)
        if (strcmp(names->items[i].header, header) == 0)
            return &names->items[i];
    return NULL;
}

/* The rename of a column, or NULL. */
static colname *
colnames_rename_of(const fo_colnames *names, const char *column)
{
    for (size_t i = 0; i < names->n; i++)
        if (fo_starts(names->items[i].header, RENAMED) &&
            strcmp(names->items[i].header + strlen(RENAMED), column) == 0)
            return &names->items[i];
    return NULL;
}

/* What the column is called after all renames. They do not go round: fo_colnames_rename() sees to that. */
static const char *
colnames_final(const fo_colnames *names, const char *column)
{
    const colname *item;

    for (size_t i = 0; i <= names->n && (item = colnames_rename_of(names, column)); i++)
        column = item->column;
    return column;
}

/* "resource_tags[user_team]": the key of a map of CUR 2.0, where v1 has the header resourceTags/user:team. */
static bool
colnames_is_key(const char *header)
{
    size_t n = strspn(header, "abcdefghijklmnopqrstuvwxyz0123456789_");

    return n > 0 && header[n] == '[' && fo_ends(header, "]");
}

/*
 * Whether some other header has the column and is neither the plain spelling of it nor meant by this one. A
 * key of a map and a header of its own are two ways to deliver one thing.
 */
static bool
colnames_foreign(const fo_colnames *names, const char *header, const char *column)
{
    bool owned = false, key = colnames_is_key(header);

    if (strcmp(header, column) == 0 || fo_column_find(column))
        return false;
    for (size_t i = 0; i < names->n; i++) {
        if (strcmp(names->items[i].column, column) != 0)
            continue;
        if (fo_starts(names->items[i].header, RENAMED)) /* whatever is called so now, is it */
            return false;
        if (strcmp(names->items[i].header, column) == 0)
            return false;
        owned = owned || colnames_is_key(names->items[i].header) == key;
    }
    return owned;
}

/* The name by the folding rule and the dictionary's spelling, as long as the database keeps it. */
static finops_code
colnames_fold(const fo_colnames *names, const char *header, fo_str *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;
    finops_code rc = fo_bill_column_name(header, &name, err);

    if (rc != FINOPS_OK)
        return rc;
    const fo_column_entry *entry = fo_column_find(fo_str_z(&name));
    return fo_bill_cut(entry ? entry->name : fo_str_z(&name), names->max, ret, err);
}

/* Adds suffixes until no column of this file has the name. */
static finops_code
colnames_suffix(const fo_colnames *names, const char *folded, const char *header, const fo_strv *taken,
                fo_str *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str whole = FO_STR_INIT;
    finops_code rc = fo_bill_suffixed(folded, header, &whole, err);

    if (rc == FINOPS_OK)
        rc = fo_bill_cut(fo_str_z(&whole), names->max, ret, err);
    for (unsigned copy = 2; rc == FINOPS_OK && fo_strv_has(taken, fo_str_z(ret)); copy++) {
        fo_str_clear(ret); /* the very same header again: nothing but a number tells them apart */
        fo_str_clear(&whole);
        rc = fo_bill_suffixed(folded, header, &whole, err);
        fo_str_addf(&whole, "_%u", copy);
        if (rc == FINOPS_OK)
            rc = fo_str_check(&whole, err);
        if (rc == FINOPS_OK)
            rc = fo_bill_cut(fo_str_z(&whole), names->max, ret, err);
    }
    return rc;
}

static finops_code
colnames_warn(fo_strv *warnings, const char *header, const char *folded, const char *column,
              finops_error **err)
{
    char *text = fo_format("column %s folds to %s, which another column has; its values are in %s", header,
                           folded, column);

    return text && fo_strv_take(warnings, text) ? FINOPS_OK : fo_error_oom(err);
}

/* Whether the header of old and the one it is called now are in one file: then each is what it says. */
static finops_code
colnames_both(const fo_colnames *names, const fo_strv *headers, const char *to, bool *ret, finops_error **err)
{
    *ret = false;
    for (size_t i = 0; i < headers->n && !*ret; i++) {
        FO_AUTO(fo_str_done) fo_str folded = FO_STR_INIT;
        finops_code rc = colnames_fold(names, headers->items[i], &folded, err);
        if (rc != FINOPS_OK)
            return rc;
        *ret = strcmp(fo_str_z(&folded), to) == 0;
    }
    return FINOPS_OK;
}

/* Puts the name that the folded one was renamed to in its place; *ret tells whether it was. Keys of maps keep
 * their columns, the views know what they are called. */
static finops_code
colnames_follow(fo_colnames *names, const fo_strv *headers, const char *header, fo_str *folded, bool *ret,
                finops_error **err)
{
    colname *item = colnames_is_key(header) ? NULL : colnames_rename_of(names, fo_str_z(folded));
    bool both = false;

    *ret = false;
    if (!item)
        return FINOPS_OK;
    const char *to = colnames_final(names, fo_str_z(folded));
    finops_code rc = colnames_both(names, headers, to, &both, err);
    if (rc != FINOPS_OK || both)
        return rc;
    item->idle = false;
    *ret = true;
    fo_str_clear(folded);
    fo_str_add(folded, to);
    return fo_str_check(folded, err);
}

static finops_code
colnames_assign_one(fo_colnames *names, const fo_strv *headers, const char *header, fo_strv *taken,
                    fo_strv *warnings, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str folded = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str column = FO_STR_INIT;
    const colname *known = colnames_find(names, header);
    bool renamed = false;
    finops_code rc = colnames_fold(names, header, &folded, err);

    if (rc == FINOPS_OK)
        rc = colnames_follow(names, headers, header, &folded, &renamed, err);
    if (rc != FINOPS_OK)
        return rc;
    if (known && !renamed && !fo_strv_has(taken, known->column))
        return fo_strv_add(taken, known->column) ? FINOPS_OK : fo_error_oom(err);
    if (fo_strv_has(taken, fo_str_z(&folded)) || colnames_foreign(names, header, fo_str_z(&folded))) {
        rc = colnames_suffix(names, fo_str_z(&folded), header, taken, &column, err);
        if (rc == FINOPS_OK)
            rc = colnames_warn(warnings, header, fo_str_z(&folded), fo_str_z(&column), err);
    } else {
        fo_str_add(&column, fo_str_z(&folded));
        rc = fo_str_check(&column, err);
    }
    if (rc == FINOPS_OK && !known)
        rc = colnames_add(names, header, fo_str_z(&column), false, err);
    if (rc == FINOPS_OK && !fo_strv_add(taken, fo_str_z(&column)))
        rc = fo_error_oom(err);
    return rc;
}

finops_code
fo_colnames_assign(fo_colnames *names, const fo_strv *headers, fo_strv *ret, fo_strv *warnings,
                   finops_error **err)
{
    finops_code rc = FINOPS_OK;

    assert(ret->n == 0);
    for (size_t i = 0; rc == FINOPS_OK && i < headers->n; i++)
        rc = colnames_assign_one(names, headers, headers->items[i], ret, warnings, err);
    return rc;
}

/* Whether a column of this name came out of some file before. */
static bool
colnames_has_column(const fo_colnames *names, const char *column)
{
    for (size_t i = 0; i < names->n; i++)
        if (!fo_starts(names->items[i].header, RENAMED) && strcmp(names->items[i].column, column) == 0)
            return true;
    return false;
}

static finops_code
colnames_refuse(const char *from, const char *to, const char *what, const char *name, finops_error **err)
{
    return fo_error_set(err, FINOPS_E_CONFIG, "%s cannot be renamed to %s: %s %s", from, to, what, name);
}

finops_code
fo_colnames_rename(fo_colnames *names, const char *from, const char *to, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str old = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str header = FO_STR_INIT;
    finops_code rc = colnames_fold(names, from, &old, err);

    assert(names && from && to);
    if (rc == FINOPS_OK)
        rc = colnames_fold(names, to, &name, err);
    if (rc != FINOPS_OK || strcmp(fo_str_z(&old), fo_str_z(&name)) == 0)
        return rc; /* another spelling is no other name */
    const colname *before = colnames_rename_of(names, fo_str_z(&old));
    if (before && strcmp(before->column, fo_str_z(&name)) == 0)
        return FINOPS_OK;
    if (before)
        return colnames_refuse(from, to, "it already is", before->column, err);
    if (strcmp(colnames_final(names, fo_str_z(&name)), fo_str_z(&old)) == 0)
        return colnames_refuse(from, to, "that is renamed to", fo_str_z(&old), err);
    fo_str_addf(&header, RENAMED "%s", fo_str_z(&old));
    rc = fo_str_check(&header, err);
    if (rc == FINOPS_OK)
        rc = colnames_add(names, fo_str_z(&header), fo_str_z(&name), false, err);
    if (rc == FINOPS_OK)
        names->items[names->n - 1].idle = !colnames_has_column(names, fo_str_z(&old));
    return rc;
}

bool
fo_colnames_renamed(const fo_colnames *names, size_t i, const char **ret_from, const char **ret_to)
{
    for (size_t k = 0; k < names->n; k++) {
        const colname *item = &names->items[k];
        if (!fo_starts(item->header, RENAMED) || item->idle || i-- > 0)
            continue;
        *ret_from = item->header + strlen(RENAMED);
        *ret_to = colnames_final(names, item->column);
        return true;
    }
    return false;
}

static void
colnames_value(const fo_colnames *names, const colname *item, fo_str *sql)
{
    const char *const cells[] = { names->vendor, names->export_name, item->header, item->column };

    for (size_t i = 0; i < FO_COUNT(cells); i++) {
        fo_str_add(sql, i ? ", " : "(");
        fo_sql_literal(sql, cells[i]);
    }
    fo_str_addc(sql, ')');
}

/* All in one statement: a lake writes down each one, and has no keys that could meet. */
static finops_code
colnames_save_together(fo_database *database, fo_colnames *names, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    size_t n = 0;

    fo_str_add(&sql, "INSERT INTO billing_state.column_names SELECT * FROM (VALUES ");
    for (size_t i = 0; i < names->n; i++) {
        if (names->items[i].saved || names->items[i].idle)
            continue;
        fo_str_add(&sql, n++ ? ", " : "");
        colnames_value(names, &names->items[i], &sql);
    }
    if (n == 0)
        return FINOPS_OK;
    fo_str_add(&sql,
               ") AS n(vendor, export_name, header, column_name) WHERE NOT EXISTS (SELECT 1 FROM "
               "billing_state.column_names o WHERE o.vendor = n.vendor AND o.export_name = n.export_name "
               "AND o.header = n.header)");
    finops_code rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_database_exec(database, fo_str_z(&sql), NULL, 0, NULL, err);
    for (size_t i = 0; rc == FINOPS_OK && i < names->n; i++)
        names->items[i].saved = names->items[i].saved || !names->items[i].idle;
    return rc;
}

static bool
colnames_news(const colname *item)
{
    return !item->saved && !item->idle;
}

/* Months of one export may be loaded side by side: what another one has called a column meanwhile counts. */
static finops_code
colnames_check(fo_database *database, const fo_colnames *names, finops_error **err)
{
    FO_AUTO(fo_colnames_freep) fo_colnames *now = NULL;
    size_t first = 0;

    while (first < names->n && !colnames_news(&names->items[first]))
        first++;
    if (first == names->n)
        return FINOPS_OK;
    finops_code rc = fo_colnames_load(database, names->vendor, names->export_name, &now, err);
    for (size_t i = first; rc == FINOPS_OK && i < names->n; i++) {
        const colname *item = &names->items[i], *other = colnames_find(now, item->header);
        bool taken = !fo_starts(item->header, RENAMED) && colnames_foreign(now, item->header, item->column);

        if (colnames_news(item) && (other ? strcmp(other->column, item->column) != 0 : taken))
            rc = fo_error_set(err, FINOPS_E_TRANSIENT,
                              "column %s got another name by a month loaded at the same time", item->header);
    }
    return rc;
}

finops_code
fo_colnames_save(fo_database *database, fo_colnames *names, finops_error **err)
{
    finops_code rc = colnames_check(database, names, err);

    if (rc != FINOPS_OK)
        return rc;
    if (fo_database_can(database, FINOPS_DATABASE_NO_KEYS))
        return colnames_save_together(database, names, err);
    for (size_t i = 0; rc == FINOPS_OK && i < names->n; i++) {
        colname *item = &names->items[i];
        const fo_param params[] = { names->vendor, names->export_name, item->header, item->column };
        if (item->saved || item->idle)
            continue;
        rc = fo_database_exec(
            database, "INSERT INTO billing_state.column_names VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            params, FO_COUNT(params), NULL, err);
        item->saved = rc == FINOPS_OK;
    }
    return rc;
}

size_t
fo_colnames_count(const fo_colnames *names)
{
    return names->n;
}

const char *
fo_colnames_header(const fo_colnames *names, size_t i)
{
    return names->items[i].header;
}

const char *
fo_colnames_column(const fo_colnames *names, size_t i)
{
    return names->items[i].column;
}
