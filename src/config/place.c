/* What a storage is told, gathered from the environment and the sections that hold for it. */
#include "config/place.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config_internal.h"

void
fo_place_settings_done(fo_place_settings *settings)
{
    fo_free(settings->items);
    fo_strv_done(&settings->texts);
    *settings = (fo_place_settings){ 0 };
}

static finops_code
add(fo_place_settings *to, const char *name, const char *value, finops_error **err)
{
    if (!fo_grow((void **)&to->items, &to->cap, to->n + 1, sizeof(*to->items)) ||
        !fo_strv_add(&to->texts, name) || !fo_strv_add(&to->texts, value))
        return fo_error_oom(err);
    to->items[to->n++] =
        (finops_setting){ to->texts.items[to->texts.n - 2], to->texts.items[to->texts.n - 1] };
    return FINOPS_OK;
}

/* The value of the first of these names, separated by blanks, that the environment has. */
static const char *
env_value(const char *const *env, const char *names)
{
    for (const char *p = names; p && *p;) {
        size_t n = strcspn(p, " ");

        for (const char *const *e = env; *e; e++)
            if (strncmp(*e, p, n) == 0 && (*e)[n] == '=' && (*e)[n + 1])
                return *e + n + 1;
        p += n;
        p += strspn(p, " ");
    }
    return NULL;
}

/* The text of a setting of a section, "" when it is unset or there is none. */
static finops_code
section_text(const fo_settings *settings, const char *path, const char *name, fo_str *ret, finops_error **err)
{
    const fo_config_section *section = fo_config_section_find(path);
    int row = section ? fo_option_index(section->options, name) : -1;
    const void *base = section ? (const char *)settings + section->offset : NULL;

    if (row >= 0 && fo_option_is_set(&section->options[row], base))
        fo_option_text(&section->options[row], base, ret);
    return fo_str_check(ret, err);
}

/* What drivers call otherwise than [network] does. */
static const char *
network_name(const char *name)
{
    return fo_streq(name, "stall_timeout") ? "timeout" : name;
}

static finops_code
add_row(const fo_settings *settings, const char *const *env, bool aws, const finops_option *row,
        fo_place_settings *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    const char *value = env_value(env, row->env);
    finops_code rc = FINOPS_OK;

    if (value)
        return add(ret, row->name, value, err);
    if (aws)
        rc = section_text(settings, "aws", row->name, &text, err);
    if (rc == FINOPS_OK && text.len == 0)
        rc = section_text(settings, "network", network_name(row->name), &text, err);
    return rc == FINOPS_OK && text.len > 0 ? add(ret, row->name, fo_str_z(&text), err) : rc;
}

finops_code
fo_config_address(const fo_settings *settings, const char *driver, const finops_option *table,
                  fo_place_settings *ret, finops_error **err)
{
    const fo_raw_backends *raw = settings->backends;
    const char *const *env = (const char *const *)(raw && raw->env ? raw->env : environ);
    finops_code rc = FINOPS_OK;

    for (const finops_option *row = table; rc == FINOPS_OK && row && row->name; row++)
        if (!fo_streq(row->name, "bucket") && !fo_streq(row->name, "prefix"))
            rc = add_row(settings, env, fo_streq(driver, "s3"), row, ret, err);
    return rc;
}
