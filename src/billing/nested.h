/* Maps and structs of a bill: their keys become columns of the unified view, named as if the bill were flat.
 */
#ifndef FO_BILLING_NESTED_H
#define FO_BILLING_NESTED_H

#include "billing/colnames.h"

/* Finds the keys of every MAP and STRUCT column of a table and gives each a column name
 * ("resource_tags[user_team]"). */
finops_code fo_nested_register(fo_conn *conn, const char *schema, const char *table, fo_colnames *names,
                               finops_error **err);

/* Adds ", <expression> AS <column>" for each known key of a nested column, but for the columns in `have`.
 * `type` is the column's SQL type. */
finops_code fo_nested_expressions(const fo_colnames *names, const char *column, const char *type,
                                  const fo_strv *have, fo_str *sql, finops_error **err);

#endif
