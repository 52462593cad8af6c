/* Objects below an address, in turns of some thousands, and which of them are wanted. */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "cli/storage.h"

#define TURN 4096 /* objects in memory at a time */

/* ---- globs ---- */

/* "[a-z]", "[!a]" at *glob, which is moved behind it; a bracket that is not closed stands for itself. */
static bool
bracket_match(const char **glob, char c)
{
    const char *p = *glob + 1;
    bool not = *p == '!' || *p == '^', found = false;

    for (p += not ; *p && (*p != ']' || p == *glob + 1 + not ); p++) {
        if (p[1] == '-' && p[2] && p[2] != ']') {
            found |= c >= p[0] && c <= p[2];
            p += 2;
        } else
            found |= c == *p;
    }
    if (!*p) {
        *glob += 1;
        return c == '[';
    }
    *glob = p + 1;
    return found != not &&c != '/';
}

/* One step of both, or false. */
static bool
step_match(const char **glob, const char **text)
{
    if (!**text)
        return false;
    if (**glob == '[') {
        if (!bracket_match(glob, **text))
            return false;
    } else if (**glob == '?') {
        if (**text == '/')
            return false;
        ++*glob;
    } else {
        if (**glob == '\\' && (*glob)[1])
            ++*glob;
        if (**glob != **text)
            return false;
        ++*glob;
    }
    ++*text;
    return true;
}

typedef struct retry_point {
    const char *glob, *text; /* NULL: none */
    bool across;
} retry_point;

/* Goes back to where the last '*' began, which then takes one byte more. */
static bool
go_back(retry_point *r, const char **glob, const char **text)
{
    if (!r->glob || !*r->text || (!r->across && *r->text == '/'))
        return false;
    r->text++;
    *glob = r->glob;
    *text = r->text;
    return true;
}

/* Two points to go back to are enough: a '*' that ends at a '/' leaves the rest to the last "**". */
static bool
whole_match(const char *glob, const char *text)
{
    retry_point one = { 0 }, all = { 0 };

    for (;;) {
        if (*glob == '*') {
            bool across = glob[1] == '*';
            retry_point here;

            while (*glob == '*')
                glob++;
            if (across && *glob == '/' &&
                whole_match(glob + 1, text)) /* "**" + "/" is also no folder at all */
                return true;
            here = (retry_point){ glob, text, across };
            one = across ? (retry_point){ 0 } : here;
            all = across ? here : all;
            continue;
        }
        if (!*glob && !*text)
            return true;
        if (*glob && step_match(&glob, &text))
            continue;
        if (go_back(&one, &glob, &text))
            continue;
        one = (retry_point){ 0 };
        if (!go_back(&all, &glob, &text))
            return false;
    }
}

bool
fo_glob_match(const char *glob, const char *key)
{
    const char *slash = strrchr(key, '/');

    return whole_match(glob, strchr(glob, '/') || strstr(glob, "**") || !slash ? key : slash + 1);
}

bool
fo_storage_wanted(const fo_storage_flags *flags, const char *key)
{
    bool wanted = !flags->include || !flags->include[0];

    for (char **glob = flags->include; !wanted && glob && *glob; glob++)
        wanted = fo_glob_match(*glob, key);
    for (char **glob = flags->exclude; wanted && glob && *glob; glob++)
        wanted = !fo_glob_match(*glob, key);
    return wanted;
}

/* ---- in turns ---- */

static void
entries_clear(fo_cursor *c)
{
    for (size_t i = 0; i < c->n; i++) {
        fo_free(c->items[i].key);
        fo_free(c->items[i].checksum);
    }
    c->n = c->next = 0;
}

void
fo_cursor_done(fo_cursor *c)
{
    entries_clear(c);
    fo_free(c->items);
    fo_free(c->after);
    *c = (fo_cursor){ 0 };
}

static bool
entry_add(fo_cursor *c, const finops_object *object)
{
    fo_entry e = { .size = object->size, .modified_us = object->modified_us };

    if (!fo_grow((void **)&c->items, &c->cap, c->n + 1, sizeof(*c->items)))
        return false;
    e.key = fo_strdup(object->key);
    e.checksum = object->checksum ? fo_strdup(object->checksum) : NULL;
    c->items[c->n++] = e;
    return e.key && (e.checksum || !object->checksum);
}

static bool
take(const finops_object *object, void *arg)
{
    fo_cursor *c = arg;

    c->any = true;
    if (fo_storage_wanted(c->flags, object->key + strlen(c->prefix)))
        c->failed = !entry_add(c, object);
    if (!c->failed && ++c->listed >= TURN) {
        fo_free(c->after);
        c->after = fo_strdup(object->key);
        c->failed = !c->after;
        return false;
    }
    return !c->failed;
}

finops_code
fo_cursor_fill(fo_cursor *c, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    entries_clear(c);
    while (rc == FINOPS_OK && c->n == 0 && !c->ended) {
        const finops_list list = { .prefix = c->prefix, .start_after = c->after, .call = c->call };

        c->listed = 0;
        rc = finops_storage_list_files(c->storage, &list, take, c, err);
        if (rc == FINOPS_OK && c->failed)
            rc = fo_error_oom(err);
        c->ended = c->listed < TURN;
    }
    return rc;
}

finops_code
fo_cursor_next(fo_cursor *c, const fo_entry **ret, finops_error **err)
{
    finops_code rc = c->next < c->n ? FINOPS_OK : fo_cursor_fill(c, err);

    if (rc == FINOPS_OK)
        *ret = c->next < c->n ? &c->items[c->next++] : NULL;
    return rc;
}
