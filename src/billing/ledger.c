/* The ledger: what a version of a month adds up to. */
#include "billing/ledger.h"

#include "base/mem.h"

void
fo_ledger_select(const fo_cost_columns *columns, const char *from, fo_str *sql)
{
    static const struct {
        fo_dimension dimension;
        const char *name;
    } dimensions[] = {
        { FO_DIMENSION_ACCOUNT, "account_id" },
        { FO_DIMENSION_SERVICE, "service" },
        { FO_DIMENSION_LINE_ITEM_TYPE, "line_item_type" },
        { FO_DIMENSION_CURRENCY, "currency" },
    };
    static const struct {
        fo_cost_model model;
        const char *name;
    } amounts[] = {
        { FO_COST_UNBLENDED, "unblended" },
        { FO_COST_NET, "net" },
        { FO_COST_AMORTIZED, "amortized" },
    };

    fo_str_add(sql, "SELECT ");
    for (size_t i = 0; i < FO_COUNT(dimensions); i++) {
        fo_cost_dimension(columns, dimensions[i].dimension, sql);
        fo_str_addf(sql, " AS %s, ", dimensions[i].name);
    }
    fo_str_add(sql, "count(*) AS row_count");
    for (size_t i = 0; i < FO_COUNT(amounts); i++) {
        fo_str_add(sql, ", CAST(sum(");
        fo_cost_amount(columns, amounts[i].model, sql);
        fo_str_addf(sql, ") AS DECIMAL(38,18)) AS %s", amounts[i].name);
    }
    fo_str_addf(sql, " FROM %s GROUP BY 1, 2, 3, 4", from);
}
