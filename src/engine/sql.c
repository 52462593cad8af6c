/* Quoting: how names and texts get into statements that cannot take parameters. */
#include "engine/engine_internal.h"

#include <assert.h>
#include <string.h>

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

void
fo_sql_file(fo_str *sql, const char *address)
{
    assert(sql && address);
    fo_str_addc(sql, '\'');
    for (; *address; address++) {
        if (strchr("*?[", *address))
            fo_str_addf(sql, "[%c]", *address);
        else if (*address == '\'')
            fo_str_add(sql, "''");
        else
            fo_str_addc(sql, *address);
    }
    fo_str_addc(sql, '\'');
}

/* After the comment that begins at p; they nest. */
static const char *
skip_comment(const char *p)
{
    unsigned depth = 0;

    if (*p == '-')
        return p + strcspn(p, "\n");
    do {
        if (p[0] == '/' && p[1] == '*') {
            depth++;
            p += 2;
        } else if (p[0] == '*' && p[1] == '/') {
            depth--;
            p += 2;
        } else {
            p++;
        }
    } while (depth > 0 && *p);
    return p;
}

/* After the text in quotes that begins at p; one with backslashes where the quote came after an E. */
static const char *
skip_quoted(const char *p, bool escapes)
{
    char quote = *p++;

    while (*p && *p != quote)
        p += escapes && p[0] == '\\' && p[1] ? 2 : 1;
    return *p ? p + 1 : p; /* a doubled quote begins the next text, which comes to the same */
}

/* After the text in dollars, $$…$$ or $tag$…$tag$; after the dollar where it begins none. */
static const char *
skip_dollars(const char *p)
{
    size_t n = 1 + strcspn(p + 1, "$ \t\r\n;'\"(),");
    const char *end = p + n;

    if (*end != '$' || fo_is_digit(p[1]))
        return p + 1;
    for (n++, end++; *end; end++)
        if (strncmp(end, p, n) == 0)
            return end + n;
    return end;
}

static bool
is_word(char c)
{
    return fo_is_alpha(c) || fo_is_digit(c) || c == '_' || (unsigned char)c >= 0x80;
}

size_t
fo_sql_end(const char *sql)
{
    const char *end = sql;

    for (const char *p = sql; *p;) {
        if ((p[0] == '-' && p[1] == '-') || (p[0] == '/' && p[1] == '*')) {
            p = skip_comment(p);
            continue;
        }
        if (strchr(" \t\r\n\f\v;", *p)) {
            p++;
            continue;
        }
        if (*p == '\'' || *p == '"')
            p = skip_quoted(p, *p == '\'' && p > sql && fo_lower(p[-1]) == 'e' &&
                                   (p == sql + 1 || !is_word(p[-2])));
        else if (*p == '$' && (p == sql || !is_word(p[-1])))
            p = skip_dollars(p);
        else
            p++;
        end = p;
    }
    return (size_t)(end - sql);
}
