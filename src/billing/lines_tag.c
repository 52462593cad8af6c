/* Finds the column of a tag by the key as people write it. */
#include <string.h>

#include "base/mem.h"
#include "billing/lines_internal.h"

#define KEYS_SHOWN 12

/* "aws:createdBy" and "aws_created_by" are the same letters: providers fold keys to column names in their own
 * ways. */
static char *
tag_squash(const char *key)
{
    char *ret = fo_alloc(strlen(key) + 1);
    size_t n = 0;

    if (!ret)
        return NULL;
    for (const char *p = key; *p; p++)
        if (fo_is_alpha(*p) || fo_is_digit(*p) || (unsigned char)*p >= 0x80)
            ret[n++] = fo_lower(*p);
    ret[n] = '\0';
    return ret;
}

int
fo_lines_tag_fit(const char *written, const char *delivered)
{
    FO_AUTO(fo_freep) char *w = tag_squash(written);
    FO_AUTO(fo_freep) char *d = tag_squash(delivered);

    if (!w || !d || !*w)
        return -1;
    if (fo_streq(written, delivered) ||
        (fo_starts(delivered, "user:") && fo_streq(delivered + strlen("user:"), written)))
        return 0;
    if (fo_streq(w, d))
        return 1;
    if (fo_starts(d, "user") && fo_streq(d + strlen("user"), w))
        return 2;
    if (fo_starts(w, "user") && fo_streq(w + strlen("user"), d))
        return 3;
    if (fo_starts(d, "aws") && fo_streq(d + strlen("aws"), w))
        return 4;
    return -1;
}

/* The key in a header: "resourceTags/user:team", "resource_tags[user_team]", "tags[team]". NULL: the header
 * tells none. */
static char *
tag_of_header(const char *header)
{
    const char *bracket = strchr(header, '[');
    size_t n = strlen(header);

    if (fo_starts(header, "resourceTags/"))
        return fo_strdup(header + strlen("resourceTags/"));
    if (bracket && header[n - 1] == ']')
        return fo_strndup(bracket + 1, n - (size_t)(bracket - header) - 2);
    return NULL;
}

/* The part of a column's name after the prefix of tags, or NULL. */
static const char *
tag_of_column(const fo_lines_view *view, const char *column)
{
    if (fo_starts(column, "resource_tags_"))
        return column + strlen("resource_tags_");
    if (fo_starts(column, "tags_") && fo_strv_has(&view->columns, "tags"))
        return column + strlen("tags_");
    return NULL;
}

/* Headers and columns of the export's tags; no rows in a database of the earlier tool. */
static finops_code
tag_headers(fo_database *database, const char *export_name, fo_rows **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    bool has = false;
    finops_code rc = fo_database_has(database, "billing_state", "column_names", &has, err);

    if (rc != FINOPS_OK || !has)
        return rc;
    fo_str_add(&sql, "SELECT header, column_name FROM billing_state.column_names WHERE (column_name LIKE "
                     "'resource_tags_%' "
                     "OR column_name LIKE 'tags_%') AND export_name = ");
    fo_sql_literal(&sql, export_name);
    fo_str_add(&sql, " ORDER BY header");
    rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_database_rows(database, fo_str_z(&sql), ret, err) : rc;
}

/* The best fit of the key among the names one column is delivered under. */
static finops_code
tag_fit_column(const fo_rows *headers, const char *column, const char *rest, const char *key, int *ret,
               fo_strv *keys, finops_error **err)
{
    int best = fo_lines_tag_fit(key, rest);
    bool named = false;

    for (size_t i = 0; i < (headers ? fo_rows_count(headers) : 0); i++) {
        if (!fo_streq(fo_rows_text(headers, i, 1), column))
            continue;
        FO_AUTO(fo_freep) char *delivered = tag_of_header(fo_rows_text(headers, i, 0));
        if (!delivered)
            continue;
        int fit = fo_lines_tag_fit(key, delivered);
        if (fit >= 0 && (best < 0 || fit < best))
            best = fit;
        named = true;
        const char *shown =
            fo_starts(delivered, "user:") || fo_starts(delivered, "user_") ? delivered + 5 : delivered;
        if (!fo_strv_has(keys, shown) && !fo_strv_add(keys, shown))
            return fo_error_oom(err);
    }
    const char *shown = fo_starts(rest, "user_") ? rest + 5 : rest;
    if (!named && !fo_strv_has(keys, shown) && !fo_strv_add(keys, shown))
        return fo_error_oom(err);
    *ret = best;
    return FINOPS_OK;
}

finops_code
fo_lines_tag(fo_database *database, const fo_lines_view *view, const char *key, fo_str *sql, bool *ret_found,
             fo_strv *keys, finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *headers = NULL;
    FO_AUTO(fo_str_done) fo_str columns = FO_STR_INIT;
    int best = -1;
    finops_code rc = tag_headers(database, view->export_name, &headers, err);

    for (size_t i = 0; rc == FINOPS_OK && i < view->columns.n; i++) {
        const char *column = view->columns.items[i], *rest = tag_of_column(view, column);
        int fit = -1;
        if (!rest)
            continue;
        rc = tag_fit_column(headers, column, rest, key, &fit, keys, err);
        if (rc != FINOPS_OK || fit < 0 || (best >= 0 && fit > best))
            continue;
        if (fit != best)
            fo_str_clear(&columns);
        best = fit;
        fo_str_add(&columns, columns.len ? ", nullif(CAST(" : "nullif(CAST(");
        fo_sql_ident(&columns, column);
        fo_str_add(&columns, " AS VARCHAR), '')");
    }
    if (rc == FINOPS_OK)
        rc = fo_str_check(&columns, err);
    if (rc != FINOPS_OK)
        return rc;
    if (best >= 0)
        fo_str_addf(sql, "coalesce(%s)", fo_str_z(&columns));
    else
        fo_str_add(sql, "CAST(NULL AS VARCHAR)");
    *ret_found = best >= 0;
    return FINOPS_OK;
}

finops_code
fo_lines_tag_unknown(const char *key, fo_strv *keys, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str list = FO_STR_INIT;
    const char *asked = fo_starts(key, "user:") ? key + 5 : key;
    finops_code rc = fo_error_set(err, FINOPS_E_USAGE, "no bill has the tag %s", key);

    fo_strv_sort(keys);
    const char *near = fo_nearest(asked, (const char *const *)keys->items, keys->n);
    for (size_t i = 0; i < keys->n && i < KEYS_SHOWN; i++)
        fo_str_addf(&list, "%s%s", i ? ", " : "", keys->items[i]);
    if (keys->n > KEYS_SHOWN)
        fo_str_addf(&list, " and %zu more", keys->n - KEYS_SHOWN);
    if (!fo_str_ok(&list))
        return rc;
    if (keys->n == 0)
        fo_error_hint(err, "the bills carry no tags; activate cost allocation tags where they are made");
    else if (near)
        fo_error_hint(err, "did you mean tag:%s? there are: %s", near, list.data);
    else
        fo_error_hint(err, "there are: %s", list.data);
    return rc;
}
