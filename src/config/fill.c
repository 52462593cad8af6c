/* A configuration filled from texts by its option table, not from a file. */
#include <assert.h>

#include "base/mem.h"
#include "base/str.h"
#include "config/config.h"

static finops_code
unknown_option(const finops_option *table, const char *owner, const char *name, finops_error **err)
{
    const char *words[256], *nearest;
    size_t n = 0;

    for (const finops_option *o = table; o && o->name && n < FO_COUNT(words); o++)
        words[n++] = o->name;
    nearest = fo_nearest(name, words, n);
    (void)fo_error_set(err, FINOPS_E_CONFIG, "%s has no option %s", owner, name);
    if (nearest)
        fo_error_hint(err, "did you mean %s", nearest);
    return FINOPS_E_CONFIG;
}

static finops_code
set_one(const finops_option *table, const char *owner, const finops_setting *setting, void *config,
        finops_error **err)
{
    int row;
    finops_code rc;

    if (!setting->name || !setting->value)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "a setting of %s has no name or no value", owner);
    row = table ? fo_option_index(table, setting->name) : -1;
    if (row < 0)
        return unknown_option(table, owner, setting->name, err);
    rc = fo_option_set(&table[row], config, setting->value, err);
    return rc == FINOPS_OK ? rc : fo_error_wrap(err, rc, "%s.%s", owner, setting->name);
}

/* What must be set and what must come together. */
static finops_code
check(const finops_option *table, const char *owner, const void *config, finops_error **err)
{
    for (const finops_option *o = table; o && o->name; o++) {
        bool set = fo_option_is_set(o, config);
        int needed = set && o->needs ? fo_option_index(table, o->needs) : -1;

        if (!set && (o->flags & FINOPS_OPT_REQUIRED))
            return fo_error_set(err, FINOPS_E_CONFIG, "%s.%s must be set", owner, o->name);
        if (needed >= 0 && !fo_option_is_set(&table[needed], config))
            return fo_error_set(err, FINOPS_E_CONFIG, "%s.%s needs %s, which is not set", owner, o->name,
                                o->needs);
    }
    return FINOPS_OK;
}

finops_code
fo_option_fill(const finops_option *table, const char *owner, const finops_setting *settings, size_t n,
               void *config, finops_error **err)
{
    finops_code rc = table ? fo_option_defaults(table, config, err) : FINOPS_OK;

    assert(owner && (settings || n == 0));
    for (size_t i = 0; rc == FINOPS_OK && i < n; i++)
        rc = set_one(table, owner, &settings[i], config, err);
    return rc == FINOPS_OK ? check(table, owner, config, err) : rc;
}
