/*
 * The loaded bills as one relation of lines in one shape, whatever the formats of their exports.
 *
 * Each export's <base>_unified view gives its lines; several exports are joined by UNION ALL. The relation is
 * text, so that it runs where the data are: in this process or in the one that writes.
 */
#ifndef FO_BILLING_LINES_H
#define FO_BILLING_LINES_H

#include "billing/cost.h"
#include "database/database.h"

typedef struct fo_lines_options {
    const char *dataset;     /* schema where views are looked for first */
    const char *export_name; /* NULL: all */
    fo_cost_model cost;
    const char
        *tag_key; /* as people write it: "team", "user:team", "aws:createdBy"; NULL: the column tag is NULL */
} fo_lines_options;

typedef struct fo_lines {
    /* SELECT of: export_name, period, day, payer, account, service, region, usage_type, line_item_type,
     * currency, tag (VARCHAR), cost (DECIMAL(38,18)). */
    char *sql;
    char *first_period; /* months that are loaded, "YYYY-MM" */
    char *last_period;
    size_t n_exports;
} fo_lines;

/*
 * FINOPS_E_NOT_FOUND when nothing is loaded, or nothing of that export; FINOPS_E_USAGE, naming the nearest
 * keys, for a tag that no export has.
 */
finops_code fo_lines_open(fo_database *database, const fo_lines_options *options, fo_lines *ret,
                          finops_error **err);
void fo_lines_done(fo_lines *lines);

/*
 * Months of one payer that more than one export covers: the same costs would be counted twice. Adds a
 * sentence for each to ret_warnings.
 */
finops_code fo_lines_overlaps(fo_database *database, const fo_lines *lines, const char *from, const char *to,
                              fo_strv *ret_warnings, finops_error **err);

/*
 * How well a tag key as written fits a key as delivered: 0 is the key itself, larger is farther, -1 is
 * another one. "team" fits "user:team" and "user_team", "aws:createdBy" fits "aws_created_by".
 */
int fo_lines_tag_fit(const char *written, const char *delivered);

/* Relations of a bill, found without being told the schema: the schema that has `name`, `dataset` before
 * others. NULL: none has. */
finops_code fo_lines_schema_of(fo_database *database, const char *dataset, const char *name, char **ret,
                               finops_error **err);

/* Whether load_state has the columns that the earlier tool's databases lack until they are written to. */
finops_code fo_lines_state_extended(fo_database *database, bool *ret, finops_error **err);

#endif
