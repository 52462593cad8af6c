/* From the words of a command line to a verb: names of one or two words, flags of every verb allowed in
 * front. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli_internal.h"

#define NAMES_MAX 256 /* verbs and groups that "did you mean" looks at */

const fo_verb *
fo_verb_named(const char *name)
{
    for (size_t i = 0; fo_verbs[i]; i++)
        if (strcmp(fo_verbs[i]->name, name) == 0)
            return fo_verbs[i];
    return NULL;
}

bool
fo_verb_group(const char *word)
{
    size_t len = strlen(word);

    for (size_t i = 0; fo_verbs[i]; i++)
        if (strncmp(fo_verbs[i]->name, word, len) == 0 && fo_verbs[i]->name[len] == ' ')
            return true;
    return false;
}

/* How many words at the front are flags of every verb with their values. */
static finops_code
skip_globals(char *const *words, size_t n, size_t *ret, finops_error **err)
{
    FO_AUTO(fo_flags_done) fo_flags flags = { 0 };
    finops_code rc = fo_flags_of(NULL, &flags, err);
    size_t at = 0;

    if (rc != FINOPS_OK)
        return rc;
    while (at < n && words[at][0] == '-' && words[at][1] && strcmp(words[at], "--") != 0) {
        bool value = false;

        for (size_t i = 0; i < flags.n; i++)
            if (strcmp(flags.items[i].name, words[at]) == 0)
                value = fo_flag_takes_value(&flags.items[i]);
        at += value ? 2 : 1;
    }
    *ret = at < n ? at : n;
    return FINOPS_OK;
}

/* The whole names, and the first words of two-word names, that an unknown word might have meant. */
static const char *
nearest_verb(const char *one, const char *two)
{
    const char *names[NAMES_MAX];
    char group[64];
    const char *near;
    size_t n = 0;

    for (size_t i = 0; fo_verbs[i] && n < NAMES_MAX; i++)
        if (!(fo_verbs[i]->flags & FO_VERB_HIDDEN))
            names[n++] = fo_verbs[i]->name;
    near = two ? fo_nearest(two, names, n) : NULL;
    if (near || fo_verb_group(one))
        return near;
    near = fo_nearest(one, names, n);
    for (size_t i = 0; i < n && !near; i++) {
        size_t len = strcspn(names[i], " ");

        if (names[i][len] && len < sizeof(group)) {
            memcpy(group, names[i], len);
            group[len] = '\0';
            if (fo_nearest(one, &(const char *){ group }, 1))
                near = names[i];
        }
    }
    return near;
}

static finops_code
unknown(const char *one, const char *two, finops_error **err)
{
    const char *near = nearest_verb(one, two);
    bool group = fo_verb_group(one);
    finops_code rc;

    if (group)
        rc = fo_error_set(err, FINOPS_E_USAGE, "unknown command \"%s\"", two);
    else
        rc = fo_error_set(err, FINOPS_E_USAGE, "unknown command \"%s\"", one);
    if (near)
        fo_error_hint(err, "did you mean \"finops %s\"?", near);
    else if (group)
        fo_error_hint(err, "finops help %s lists its commands", one);
    else
        fo_error_hint(err, "finops help lists the commands");
    return rc;
}

finops_code
fo_verb_find(char *const *words, size_t n, fo_found *ret, finops_error **err)
{
    FO_AUTO(fo_freep) char *both = NULL;
    fo_found found = { 0 };
    const char *one, *two;
    finops_code rc;

    assert(ret && (words || n == 0));

    rc = skip_globals(words, n, &found.at, err);
    if (rc != FINOPS_OK)
        return rc;
    if (found.at >= n || words[found.at][0] == '-') {
        *ret = found;
        return FINOPS_OK;
    }
    one = words[found.at];
    two = found.at + 1 < n && words[found.at + 1][0] != '-' ? words[found.at + 1] : NULL;
    if (two) {
        both = fo_format("%s %s", one, two);
        if (!both)
            return fo_error_oom(err);
        found.verb = fo_verb_named(both);
        found.used = 2;
    }
    if (!found.verb) {
        found.verb = fo_verb_named(one);
        found.used = 1;
    }
    if (!found.verb && (two || !fo_verb_group(one)))
        return unknown(one, both, err);
    if (!found.verb)
        found.group = one;
    *ret = found;
    return FINOPS_OK;
}
