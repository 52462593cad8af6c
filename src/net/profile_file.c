/* ~/.aws/config and ~/.aws/credentials. https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html */
#include <assert.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "net/credentials_internal.h"

/* One "key = value" of a section: "profile name" or "sso-session name". */
typedef struct setting {
    char *section, *key, *value;
} setting;

struct fo_aws_profiles {
    setting *items; /* what comes later counts */
    size_t n, cap;
};

char *
fo_aws_home_file(const fo_aws_options *options, const char *name)
{
    const char *home = fo_aws_env(options, "HOME");

    return home ? fo_format("%s/.aws/%s", home, name) : NULL;
}

const char *
fo_aws_profile_name(const fo_aws_options *options, bool *ret_named)
{
    const char *name = options->profile && *options->profile ? options->profile : NULL;

    if (!name)
        name = fo_aws_env(options, "AWS_PROFILE");
    if (!name)
        name = fo_aws_env(options, "AWS_DEFAULT_PROFILE");
    *ret_named = name != NULL;
    return name ? name : "default";
}

static void
trim(const char **p, size_t *n)
{
    while (*n > 0 && strchr(" \t\r", (*p)[*n - 1]))
        (*n)--;
    while (*n > 0 && strchr(" \t", **p)) {
        (*p)++;
        (*n)--;
    }
}

/* "[profile a]", "[default]", "[sso-session b]"; in the file of credentials "[a]" is a profile, too. NULL
 * with *ret_oom unset: a section nobody asks for. */
static char *
section_name(const char *p, size_t n, bool credentials, bool *ret_oom)
{
    char *name = NULL;

    trim(&p, &n);
    if (n > 8 && memcmp(p, "profile", 7) == 0 && strchr(" \t", p[7])) {
        p += 7;
        n -= 7;
        trim(&p, &n);
        name = fo_format("profile %.*s", (int)n, p);
    } else if (n > 12 && memcmp(p, "sso-session", 11) == 0 && strchr(" \t", p[11])) {
        p += 11;
        n -= 11;
        trim(&p, &n);
        name = fo_format("sso-session %.*s", (int)n, p);
    } else if (credentials || (n == 7 && memcmp(p, "default", 7) == 0)) {
        name = fo_format("profile %.*s", (int)n, p);
    } else {
        return NULL;
    }
    *ret_oom = !name;
    return name;
}

static bool
add_setting(fo_aws_profiles *ps, const char *section, const char *line, size_t n)
{
    const char *equal = memchr(line, '=', n);
    const char *key = line, *value;
    size_t key_n, value_n;
    setting s;

    if (!equal)
        return true;
    key_n = (size_t)(equal - line);
    value = equal + 1;
    value_n = n - key_n - 1;
    for (size_t i = 1; i < value_n; i++)
        if ((value[i] == '#' || value[i] == ';') && strchr(" \t", value[i - 1])) {
            value_n = i;
            break;
        }
    trim(&key, &key_n);
    trim(&value, &value_n);
    s = (setting){ fo_strdup(section), fo_strndup(key, key_n), fo_strndup(value, value_n) };
    if (!s.section || !s.key || !s.value ||
        !fo_grow((void **)&ps->items, &ps->cap, ps->n + 1, sizeof(*ps->items))) {
        fo_free(s.section);
        fo_free(s.key);
        fo_free(s.value);
        return false;
    }
    for (char *c = s.key; *c; c++)
        *c = fo_lower(*c);
    ps->items[ps->n++] = s;
    return true;
}

/* A section without settings is one all the same: its name is remembered with an empty key. */
static bool
parse(fo_aws_profiles *ps, const char *text, bool credentials)
{
    FO_AUTO(fo_freep) char *section = NULL;
    bool oom = false;

    for (const char *line = text; *line && !oom;) {
        size_t n = strcspn(line, "\n");

        if (line[0] == '[') {
            const char *end = memchr(line, ']', n);

            fo_free(section);
            section = end ? section_name(line + 1, (size_t)(end - line) - 1, credentials, &oom) : NULL;
            if (section)
                oom = !add_setting(ps, section, "=", 1);
        } else if (section && n > 0 && !strchr("#; \t\r", line[0])) {
            oom = !add_setting(ps, section, line, n); /* indented lines are nested settings of others */
        }
        line += n + (line[n] == '\n');
    }
    return !oom;
}

static finops_code
load(fo_aws_profiles *ps, const fo_aws_options *o, const char *variable, const char *name, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(FO_AWS_FILE_MAX);
    const char *given = fo_aws_env(o, variable);
    FO_AUTO(fo_freep) char *path = given ? fo_strdup(given) : fo_aws_home_file(o, name);
    finops_error *problem = NULL;
    finops_code rc;

    if (!path)
        return given ? fo_error_oom(err) : FINOPS_OK;
    rc = fo_file_read(path, FO_AWS_FILE_MAX, &text, &problem);
    if (rc == FINOPS_E_NOT_FOUND) {
        finops_error_free(problem);
        return FINOPS_OK;
    }
    if (rc != FINOPS_OK && err)
        *err = FO_TAKE(problem);
    finops_error_free(problem);
    if (rc != FINOPS_OK)
        return rc;
    if (!parse(ps, fo_str_z(&text), strcmp(name, "credentials") == 0))
        rc = fo_error_oom(err);
    if (text.data)
        explicit_bzero(text.data, text.len);
    return rc;
}

finops_code
fo_aws_profiles_load(const fo_aws_options *options, fo_aws_profiles **ret, finops_error **err)
{
    FO_AUTO(fo_aws_profiles_freep) fo_aws_profiles *ps = fo_zalloc(sizeof(*ps));
    finops_code rc;

    assert(options && ret);

    if (!ps)
        return fo_error_oom(err);
    rc = load(ps, options, "AWS_CONFIG_FILE", "config", err);
    if (rc == FINOPS_OK)
        rc = load(ps, options, "AWS_SHARED_CREDENTIALS_FILE", "credentials", err);
    if (rc == FINOPS_OK)
        *ret = FO_TAKE(ps);
    return rc;
}

void
fo_aws_profiles_free(fo_aws_profiles *ps)
{
    if (!ps)
        return;
    for (size_t i = 0; i < ps->n; i++) {
        fo_free(ps->items[i].section);
        fo_free(ps->items[i].key);
        explicit_bzero(ps->items[i].value, strlen(ps->items[i].value));
        fo_free(ps->items[i].value);
    }
    fo_free(ps->items);
    fo_free(ps);
}

void
fo_aws_profiles_freep(fo_aws_profiles **profiles)
{
    fo_aws_profiles_free(*profiles);
    *profiles = NULL;
}

static const char *
find(const fo_aws_profiles *ps, const char *kind, const char *name, const char *key)
{
    size_t kind_n = strlen(kind);

    for (size_t i = ps->n; i > 0; i--) {
        const setting *s = &ps->items[i - 1];

        if (fo_starts(s->section, kind) && strcmp(s->section + kind_n, name) == 0 && strcmp(s->key, key) == 0)
            return s->value;
    }
    return NULL;
}

bool
fo_aws_profiles_has(const fo_aws_profiles *ps, const char *profile)
{
    return find(ps, "profile ", profile, "") != NULL;
}

const char *
fo_aws_profiles_get(const fo_aws_profiles *ps, const char *profile, const char *key)
{
    const char *value = find(ps, "profile ", profile, key);

    return value && *value ? value : NULL;
}

const char *
fo_aws_profiles_sso(const fo_aws_profiles *ps, const char *session, const char *key)
{
    const char *value = find(ps, "sso-session ", session, key);

    return value && *value ? value : NULL;
}
