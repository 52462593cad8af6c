/* What a statement changes, as its first words say: enough for a log, without reading SQL in earnest. */
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/str.h"
#include "database/audit.h"

/* A word or a quoted name of a statement; `len` 0 at its end. */
typedef struct token {
    const char *at;
    size_t len;
    char kind; /* 'w' word, 'n' quoted name, 's' text, else the sign itself */
} token;

static const char *
blanks_skip(const char *p)
{
    for (;;) {
        p += strspn(p, " \t\r\n");
        if (p[0] == '-' && p[1] == '-') {
            p += strcspn(p, "\n");
        } else if (p[0] == '/' && p[1] == '*') {
            const char *end = strstr(p + 2, "*/");

            p = end ? end + 2 : p + strlen(p);
        } else {
            return p;
        }
    }
}

static bool
is_word(char c)
{
    return fo_is_alpha(c) || fo_is_digit(c) || c == '_' || (unsigned char)c >= 0x80;
}

static size_t
quoted_length(const char *p)
{
    size_t n = 1;

    while (p[n] && (p[n] != p[0] || p[n + 1] == p[0]))
        n += p[n] == p[0] ? 2 : 1;
    return p[n] ? n + 1 : n;
}

static token
token_next(const char **p)
{
    token t = { .at = blanks_skip(*p) };

    if (*t.at == '\0')
        return t;
    if (*t.at == '\'' || *t.at == '"' || *t.at == '`') {
        t.kind = *t.at == '\'' ? 's' : 'n';
        t.len = quoted_length(t.at);
    } else if (is_word(*t.at)) {
        t.kind = 'w';
        while (is_word(t.at[t.len]))
            t.len++;
    } else {
        t.kind = *t.at;
        t.len = 1;
    }
    *p = t.at + t.len;
    return t;
}

static bool
token_in(const token *t, const char *const *words)
{
    if (t->kind != 'w')
        return false;
    for (; *words; words++)
        if (strlen(*words) == t->len && strncasecmp(*words, t->at, t->len) == 0)
            return true;
    return false;
}

/* A query changes something when a changing word is in it: WITH … DELETE, EXPLAIN ANALYZE UPDATE, SELECT …
 * INTO. Too much is noted rather than too little. */
static bool
query_changes(const char *p)
{
    static const char *const words[] = { "insert", "update", "delete", "merge", "into", NULL };

    for (token t = token_next(&p); t.len; t = token_next(&p))
        if (token_in(&t, words))
            return true;
    return false;
}

static void
lower_add(char *to, const token *t)
{
    size_t n = strlen(to), room = FO_AUDIT_NAME - 2 - n;

    if (t->len > room)
        return;
    if (n)
        to[n++] = ' ';
    for (size_t i = 0; i < t->len; i++)
        to[n + i] = fo_lower(t->at[i]);
    to[n + t->len] = '\0';
}

/* name, "na me", schema.name: as it is spelled. */
static void
object_read(const token *first, char object[FO_AUDIT_NAME])
{
    const char *end = first->at + first->len;
    size_t n;

    while (*end == '.') {
        const char *rest = end + 1;
        token t = token_next(&rest);

        if ((t.kind != 'w' && t.kind != 'n') || t.at != end + 1)
            break;
        end = t.at + t.len;
    }
    n = (size_t)(end - first->at);
    if (n >= FO_AUDIT_NAME)
        n = FO_AUDIT_NAME - 1;
    memcpy(object, first->at, n);
    object[n] = '\0';
}

bool
fo_audit_statement(const char *sql, char operation[FO_AUDIT_NAME], char object[FO_AUDIT_NAME])
{
    static const char *const reading[] = { "select",   "with", "explain", "values",    "show",
                                           "describe", "from", "table",   "summarize", "pivot",
                                           "unpivot",  "desc", NULL };
    static const char *const about_connection[] = {
        "set",      "reset",    "use",       "begin",   "start",      "commit",     "end",
        "rollback", "abort",    "savepoint", "release", "prepare",    "deallocate", "discard",
        "listen",   "unlisten", "load",      "pragma",  "checkpoint", "analyze",    "fetch",
        "move",     "close",    "declare",   "lock",    NULL
    };
    static const char *const kinds[] = { "table",  "view",    "schema",    "index",     "sequence",
                                         "type",   "macro",   "function",  "database",  "role",
                                         "secret", "trigger", "extension", "procedure", NULL };
    static const char *const noise[] = {
        "or",           "replace",    "ignore", "temp", "temporary", "unlogged", "into", "from",
        "materialized", "recursive",  "unique", "if",   "not",       "exists",   "only", "on",
        "concurrently", "persistent", "column", "by",   "name",      NULL
    };
    const char *p = sql;
    token t = token_next(&p);

    operation[0] = object[0] = '\0';
    if (t.kind != 'w' || token_in(&t, about_connection))
        return false;
    if (token_in(&t, reading) && !query_changes(p))
        return false;
    lower_add(operation, &t);
    if (token_in(&t, reading))
        return true;
    for (t = token_next(&p); token_in(&t, kinds) || token_in(&t, noise); t = token_next(&p))
        if (token_in(&t, kinds))
            lower_add(operation, &t);
    if (t.kind == 'w' || t.kind == 'n')
        object_read(&t, object);
    return true;
}

/* "ROLLBACK TO a" and "COMMIT AND CHAIN" end nothing. */
void
fo_statement_transaction(const char *sql, bool *io_open)
{
    static const char *const begins[] = { "begin", "start", NULL };
    static const char *const ends[] = { "commit", "end", "rollback", "abort", NULL };
    static const char *const noise[] = { "work", "transaction", NULL };
    token first = token_next(&sql), next;

    if (token_in(&first, begins)) {
        *io_open = true;
    } else if (token_in(&first, ends)) {
        next = token_next(&sql);
        if (token_in(&next, noise))
            next = token_next(&sql);
        if (next.kind != 'w')
            *io_open = false;
    }
}
