/*
 * The user's file of columns that were given another name:
 *
 *     [columns]
 *     "lineItem/CostCenter" = "cost_centre"    # what the files call it, or the column of old = its name now
 */
#ifndef FO_BILLING_COLUMN_MAPPING_H
#define FO_BILLING_COLUMN_MAPPING_H

#include "billing/colnames.h"

typedef struct fo_column_mapping {
    fo_strv from; /* as written */
    fo_strv to;   /* names of columns */
} fo_column_mapping;

/* FINOPS_E_CONFIG names the file, the line where there is one, and what is wrong. */
finops_code fo_column_mapping_read(const char *path, fo_column_mapping *ret, finops_error **err);
void fo_column_mapping_done(fo_column_mapping *mapping);
/* The file's names are those of the export from now on; path NULL: nothing. */
finops_code fo_column_mapping_apply(const char *path, fo_colnames *names, finops_error **err);

#endif
