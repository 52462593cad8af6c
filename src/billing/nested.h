/* Maps and structs of a bill: their keys become columns of the unified view, named as if the bill were flat.
 */
#ifndef FO_BILLING_NESTED_H
#define FO_BILLING_NESTED_H

#include "billing/colnames.h"
#include "billing/schema.h"

/*
 * Adds " WHERE …" to a statement that reads a month, so that the keys of its maps are gathered while it runs;
 * `where` (may be NULL) is what the rows have to meet besides.
 */
finops_code fo_nested_where(fo_conn *reader, const fo_bill_schema *schema, const char *where, fo_str *sql,
                            finops_error **err);
/* After that statement, rows_sql, ran: gives every key of the MAP and STRUCT columns of its rows a column
 * name
 * ("resource_tags[user_team]"). */
finops_code fo_nested_register(fo_conn *reader, const char *rows_sql, const fo_bill_schema *schema,
                               fo_colnames *names, finops_error **err);

/* Whether a column of this SQL type has keys of its own: MAP, STRUCT, JSON. */
bool fo_nested_type(const char *type);
/*
 * The known keys of a nested column that have a column of their own, but for the columns in `have`: calls
 * each with the column's name and the expression that takes the value out. `type` is the nested column's SQL
 * type.
 */
finops_code fo_nested_expressions(const fo_colnames *names, const char *column, const char *type,
                                  const fo_strv *have,
                                  finops_code (*each)(const char *name, const char *expression, void *arg,
                                                      finops_error **err),
                                  void *arg, finops_error **err);

#endif
