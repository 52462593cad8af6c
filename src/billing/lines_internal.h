/* What the files that make the relation of lines share. */
#ifndef FO_BILLING_LINES_INTERNAL_H
#define FO_BILLING_LINES_INTERNAL_H

#include "billing/lines.h"

/* One export: its view and what that has. */
typedef struct fo_lines_view {
    const char *export_name; /* borrowed */
    char *schema;
    char *name;
    fo_strv columns;
    fo_strv types;
} fo_lines_view;

/*
 * Adds the expression of the tag's column in this view, NULL where the export has no such tag. *ret_found
 * tells which; keys that it does have are added to `keys` for the message.
 */
finops_code fo_lines_tag(fo_database *database, const fo_lines_view *view, const char *key, fo_str *sql,
                         bool *ret_found, fo_strv *keys, finops_error **err);
/* The error for a key that no export has. */
finops_code fo_lines_tag_unknown(const char *key, fo_strv *keys, finops_error **err);

#endif
