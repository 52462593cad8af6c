/* Quoting: how names and texts get into statements that cannot take parameters. */
#include "engine/engine.h"

#include <assert.h>

static void
quoted(fo_str *sql, const char *text, char quote)
{
    fo_str_addc(sql, quote);
    for (; *text; text++) {
        if (*text == quote)
            fo_str_addc(sql, quote);
        fo_str_addc(sql, *text);
    }
    fo_str_addc(sql, quote);
}

void
fo_sql_ident(fo_str *sql, const char *name)
{
    assert(sql && name);
    quoted(sql, name, '"');
}

void
fo_sql_literal(fo_str *sql, const char *text)
{
    assert(sql);
    if (text)
        quoted(sql, text, '\'');
    else
        fo_str_add(sql, "NULL");
}
