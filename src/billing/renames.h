/*
 * Renamed columns in views: whoever asks by the name of old and whoever asks by the new one get the values of
 * both.
 */
#ifndef FO_BILLING_RENAMES_H
#define FO_BILLING_RENAMES_H

#include "billing/colnames.h"

/* The columns of one part of a view: names, what yields each, its type ("": not known). */
typedef struct fo_view_columns {
    fo_strv names;
    fo_strv expressions;
    fo_strv types;
} fo_view_columns;

finops_code fo_view_column_add(fo_view_columns *columns, const char *name, const char *expression,
                               const char *type, finops_error **err);
void fo_view_columns_done(fo_view_columns *columns);

/* Every name of a column that was renamed, where the part has it under any of them, is there afterwards and
 * yields the value that there is. *ret_names (may be NULL) gets those names. */
finops_code fo_renames_apply(const fo_colnames *names, finops_dialect dialect, fo_view_columns *columns,
                             fo_strv *ret_names, finops_error **err);

#endif
