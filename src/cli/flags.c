/*
 * The flag parser. There is one list of flags per verb, made from three tables: the verb's own options, the
 * settings it names, and the flags of every verb. Parser, help, completion and manual read this list, so they
 * cannot disagree.
 */
#include "cli/cli_internal.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "base/mem.h"

#define FORMATS_ROWS "table json csv"
#define FORMATS_STREAM "table json csv ndjson parquet arrow"

typedef struct global_flag {
    finops_option option;
    char letter;
    const char *name;    /* NULL: the option's */
    const char *key;     /* the setting it overrides */
    unsigned verb_flags; /* only on verbs with one of these; 0: all */
} global_flag;

#define AT(member) offsetof(fo_globals, member)

static const global_flag globals[] = {
    { .option = { "format", FINOPS_OPT_ENUM, AT(format), .value = "table", .allow = FORMATS_STREAM,
                  .help = "How rows are printed." },
      .verb_flags = FO_VERB_STREAM },
    { .option = { "format", FINOPS_OPT_ENUM, AT(format), .value = "table", .allow = FORMATS_ROWS,
                  .help = "How rows are printed." },
      .verb_flags = FO_VERB_ROWS },
    { .option = { "yes", FINOPS_OPT_BOOL, AT(yes), .help = "Take every question as answered with yes." },
      .letter = 'y',
      .verb_flags = FO_VERB_ASKS },
    { .option = { "config", FINOPS_OPT_STRING, AT(config), .arg = "FILE",
                  .help = "Configuration to read instead of looking in the usual places." } },
    { .option = { "quiet", FINOPS_OPT_BOOL, AT(quiet), .help = "Print results and errors, nothing else." },
      .letter = 'q' },
    { .option = { "verbose", FINOPS_OPT_BOOL, AT(verbose), .help = "Say what is being done, step by step." },
      .letter = 'v' },
    { .option = { "log_level", FINOPS_OPT_ENUM, AT(log_level), .allow = "debug info warn error off",
                  .help = "Least important messages that are still shown." },
      .key = "log.level" },
    { .option = { "log_format", FINOPS_OPT_ENUM, AT(log_format), .allow = "human json",
                  .help = "Messages on stderr for people or as JSON lines." },
      .key = "log.format" },
    { .option = { "no_color", FINOPS_OPT_BOOL, AT(no_color),
                  .help = "No colours, as if NO_COLOR were set." } },
    { .option = { "help", FINOPS_OPT_BOOL, AT(help), .help = "Show the help of the command." },
      .letter = 'h' },
};

static void
flag_name(char name[64], const char *option)
{
    size_t i;

    memcpy(name, "--", 2);
    for (i = 0; option[i] && i + 3 < 64; i++)
        name[i + 2] = option[i] == '_' ? '-' : option[i];
    assert(!option[i]);
    name[i + 2] = '\0';
}

static fo_flag *
flags_named(const fo_flags *flags, const char *name)
{
    for (size_t i = 0; i < flags->n; i++)
        if (strcmp(flags->items[i].name, name) == 0)
            return &flags->items[i];
    return NULL;
}

/* The switch that "--no-name" turns off. */
static fo_flag *
flags_negated(const fo_flags *flags, const char *name)
{
    for (size_t i = 0; fo_starts(name, "--no-") && i < flags->n; i++)
        if (!fo_flag_takes_value(&flags->items[i]) && strcmp(flags->items[i].name + 2, name + 5) == 0)
            return &flags->items[i];
    return NULL;
}

/* Adds a flag unless an earlier table has one of that name: the verb's own meaning comes first. */
static finops_code
flags_add(fo_flags *flags, const fo_flag *flag, finops_error **err)
{
    fo_flag *f;

    if (!fo_grow((void **)&flags->items, &flags->cap, flags->n + 1, sizeof(fo_flag)))
        return fo_error_oom(err);
    f = &flags->items[flags->n];
    *f = *flag;
    if (!f->name[0])
        flag_name(f->name, f->option->name);
    if (!flags_named(flags, f->name))
        flags->n++;
    return FINOPS_OK;
}

const finops_option *
fo_setting_find(const char *key, const fo_config_section **ret_section)
{
    const char *dot = strrchr(key, '.');

    for (const fo_config_section *s = fo_config_sections; dot && s->path; s++) {
        if (strlen(s->path) != (size_t)(dot - key) || strncmp(s->path, key, (size_t)(dot - key)) != 0)
            continue;
        for (const finops_option *o = s->options; o->name; o++)
            if (strcmp(o->name, dot + 1) == 0) {
                if (ret_section)
                    *ret_section = s;
                return o;
            }
    }
    return NULL;
}

static finops_code
flags_of_verb(const fo_verb *verb, fo_flags *flags, finops_error **err)
{
    for (const finops_option *o = verb->options; o && o->name; o++) {
        finops_code rc = flags_add(flags, &(fo_flag){ .kind = FO_FLAG_OWN, .option = o }, err);

        if (rc != FINOPS_OK)
            return rc;
    }
    for (const char *const *key = verb->config_keys; key && *key; key++) {
        const finops_option *o = fo_setting_find(*key, NULL);
        finops_code rc;

        if (!o)
            return fo_error_set(err, FINOPS_E_INTERNAL, "%s: no setting %s", verb->name, *key);
        if (o->flags & (FINOPS_OPT_SECRET | FINOPS_OPT_NO_FLAG))
            continue;
        rc = flags_add(flags, &(fo_flag){ .kind = FO_FLAG_SETTING, .option = o, .key = *key }, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    return FINOPS_OK;
}

finops_code
fo_flags_of(const fo_verb *verb, fo_flags *ret, finops_error **err)
{
    FO_AUTO(fo_flags_done) fo_flags flags = { 0 };
    finops_code rc;

    if (verb) {
        rc = flags_of_verb(verb, &flags, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    for (size_t i = 0; i < FO_COUNT(globals); i++) {
        const global_flag *g = &globals[i];

        if (g->verb_flags && !(verb && (verb->flags & g->verb_flags)))
            continue;
        rc = flags_add(
            &flags,
            &(fo_flag){ .kind = FO_FLAG_GLOBAL, .option = &g->option, .letter = g->letter, .key = g->key },
            err);
        if (rc != FINOPS_OK)
            return rc;
    }
    *ret = flags;
    flags = (fo_flags){ 0 };
    return FINOPS_OK;
}

void
fo_flags_done(fo_flags *flags)
{
    fo_free(flags->items);
    *flags = (fo_flags){ 0 };
}

bool
fo_flag_takes_value(const fo_flag *flag)
{
    return flag->option->type != FINOPS_OPT_BOOL;
}

const char *
fo_flag_placeholder(const fo_flag *flag)
{
    static const char *const by_type[] = {
        [FINOPS_OPT_STRING] = "TEXT", [FINOPS_OPT_BOOL] = "",     [FINOPS_OPT_INT] = "N",
        [FINOPS_OPT_SIZE] = "SIZE",   [FINOPS_OPT_ENUM] = "WORD", [FINOPS_OPT_DATE] = "DATE",
        [FINOPS_OPT_LIST] = "TEXT",
    };

    return flag->option->arg ? flag->option->arg : by_type[flag->option->type];
}

/* ---- refusals ---- */

static const char *
verb_name(const fo_verb *verb)
{
    return verb ? verb->name : "finops";
}

/* A secret on the command line would be in the process list and the shell's history; the value is never
 * repeated here. */
static finops_code
refuse_secret(const fo_config_section *section, const finops_option *o, const char *name, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str env = FO_STR_INIT;
    const char *more = o->env ? o->env : "";
    int first = (int)strcspn(more, " ");
    finops_code rc;

    rc = fo_option_env_name(section->path, o->name, &env, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = fo_error_set(err, FINOPS_E_USAGE, "%s is a secret and is not taken from the command line", name);
    if (first > 0)
        fo_error_hint(err, "set the environment variable %.*s (or %s), or %s.%s in the configuration file",
                      first, more, fo_str_z(&env), section->path, o->name);
    else
        fo_error_hint(err, "set the environment variable %s, or %s.%s in the configuration file",
                      fo_str_z(&env), section->path, o->name);
    return rc;
}

/* The setting a flag's name would stand for, when it is a secret. */
static const finops_option *
secret_named(const char *name, const fo_config_section **ret_section)
{
    for (const fo_config_section *s = fo_config_sections; s->path; s++)
        for (const finops_option *o = s->options; o->name; o++) {
            char spelled[64];

            flag_name(spelled, o->name);
            if ((o->flags & FINOPS_OPT_SECRET) && strcmp(spelled, name) == 0) {
                *ret_section = s;
                return o;
            }
        }
    return NULL;
}

static finops_code
refuse_unknown(const fo_parsed *p, const char *name, finops_error **err)
{
    FO_AUTO(fo_freep) const char **names = NULL;
    const fo_config_section *section = NULL;
    const finops_option *secret = secret_named(name, &section);
    const char *near;
    finops_code rc;

    if (secret)
        return refuse_secret(section, secret, name, err);
    names = fo_array(p->flags.n + 1, sizeof(*names));
    if (!names)
        return fo_error_oom(err);
    for (size_t i = 0; i < p->flags.n; i++)
        names[i] = p->flags.items[i].name;
    near = fo_nearest(name, names, p->flags.n);
    rc = fo_error_set(err, FINOPS_E_USAGE, "%s: unknown flag %s", verb_name(p->verb), name);
    if (near)
        fo_error_hint(err, "did you mean %s?", near);
    else if (p->verb)
        fo_error_hint(err, "finops help %s lists the flags", p->verb->name);
    else
        fo_error_hint(err, "finops help lists the commands; flags of a command stand after it");
    return rc;
}

/* ---- setting values ---- */

/* A list starts afresh with the first flag (its default goes) and grows with each further one. */
static finops_code
list_add(char ***list, bool fresh, const char *value, finops_error **err)
{
    char **items;
    size_t n = 0;

    for (char **i = *list; i && *i; i++)
        n++;
    if (fresh) {
        for (size_t i = 0; i < n; i++)
            fo_free((*list)[i]);
        fo_free(*list);
        *list = NULL;
        n = 0;
    }
    items = fo_array(n + 2, sizeof(*items));
    if (!items)
        return fo_error_oom(err);
    items[n] = fo_strdup(value);
    if (!items[n]) {
        fo_free(items);
        return fo_error_oom(err);
    }
    for (size_t i = 0; i < n; i++)
        items[i] = (*list)[i];
    fo_free(*list);
    *list = items;
    return FINOPS_OK;
}

static finops_code
override_set(fo_parsed *p, const fo_flag *flag, const char *value, finops_error **err)
{
    fo_config_override *o = NULL;
    const char *kept;

    for (size_t i = 0; i < p->n_overrides; i++)
        if (strcmp(p->overrides[i].key, flag->key) == 0)
            o = &p->overrides[i];
    if (o && flag->option->type == FINOPS_OPT_LIST) {
        char *joined = fo_format("%s,%s", o->value, value);

        if (!joined || !fo_strv_take(&p->values, joined))
            return fo_error_oom(err);
    } else if (!fo_strv_add(&p->values, value)) {
        return fo_error_oom(err);
    }
    kept = p->values.items[p->values.n - 1];
    if (!o)
        o = &p->overrides[p->n_overrides++];
    *o = (fo_config_override){ .key = flag->key, .value = kept, .spelling = flag->name };
    return FINOPS_OK;
}

static finops_code
value_set(fo_parsed *p, fo_flag *flag, const char *value, finops_error **err)
{
    void *base = flag->kind == FO_FLAG_OWN ? p->options : (void *)&p->globals;
    bool fresh = !flag->given;
    finops_code rc = FINOPS_OK;

    flag->given = true;
    if (flag->kind != FO_FLAG_SETTING) {
        if (flag->option->type == FINOPS_OPT_LIST)
            return list_add((char ***)(void *)((char *)base + flag->option->offset), fresh, value, err);
        rc = fo_option_set(flag->option, base, value, err);
        if (rc != FINOPS_OK)
            return fo_error_wrap(err, rc == FINOPS_E_MEMORY ? rc : FINOPS_E_USAGE, "%s", flag->name);
    }
    return flag->key ? override_set(p, flag, value, err) : FINOPS_OK;
}

/* ---- words ---- */

typedef struct words {
    char *const *items;
    size_t n;
    size_t at; /* the next one */
} words;

static bool
looks_like_flag(const char *word)
{
    return word[0] == '-' && word[1] == '-' && word[2];
}

static finops_code
value_of(words *w, fo_flag *flag, const char *inlined, const char **ret, finops_error **err)
{
    finops_code rc;

    if (inlined || w->at < w->n) {
        const char *next = inlined ? inlined : w->items[w->at];

        if (inlined || !looks_like_flag(next)) {
            w->at += inlined ? 0 : 1;
            *ret = next;
            return FINOPS_OK;
        }
    }
    rc = fo_error_set(err, FINOPS_E_USAGE, "%s needs a value", flag->name);
    fo_error_hint(err, "write %s %s; use %s=%s for a value that begins with --", flag->name,
                  fo_flag_placeholder(flag), flag->name, fo_flag_placeholder(flag));
    return rc;
}

/* "--name", "--name=value", "--no-name". */
static finops_code
long_flag(fo_parsed *p, words *w, const char *word, finops_error **err)
{
    FO_AUTO(fo_freep) char *name = NULL;
    const char *equals = strchr(word, '=');
    const char *value = equals ? equals + 1 : NULL;
    fo_flag *flag;
    finops_code rc;

    name = fo_strndup(word, equals ? (size_t)(equals - word) : strlen(word));
    if (!name)
        return fo_error_oom(err);
    flag = flags_named(&p->flags, name);
    if (!flag && (flag = flags_negated(&p->flags, name))) {
        if (value)
            return fo_error_set(err, FINOPS_E_USAGE, "%s takes no value", name);
        return value_set(p, flag, "false", err);
    }
    if (!flag)
        return refuse_unknown(p, name, err);
    if (!fo_flag_takes_value(flag))
        return value_set(p, flag, value ? value : "true", err);
    rc = value_of(w, flag, value, &value, err);
    return rc == FINOPS_OK ? value_set(p, flag, value, err) : rc;
}

/* "-h", or several in one word: "-qy". No short flag takes a value. */
static finops_code
short_flags(fo_parsed *p, const char *word, finops_error **err)
{
    for (const char *c = word + 1; *c; c++) {
        char name[3] = { '-', *c, '\0' };
        fo_flag *flag = NULL;
        finops_code rc;

        for (size_t i = 0; i < p->flags.n && !flag; i++)
            if (p->flags.items[i].letter == *c)
                flag = &p->flags.items[i];
        if (!flag)
            return refuse_unknown(p, c == word + 1 && c[1] ? word : name, err);
        rc = value_set(p, flag, "true", err);
        if (rc != FINOPS_OK)
            return rc;
    }
    return FINOPS_OK;
}

static finops_code
parsed_init(fo_parsed *p, const fo_verb *verb, size_t n_words, finops_error **err)
{
    finops_code rc;

    p->verb = verb;
    rc = fo_flags_of(verb, &p->flags, err);
    if (rc != FINOPS_OK)
        return rc;
    p->args = fo_array(n_words + 1, sizeof(*p->args));
    p->overrides = fo_array(p->flags.n + 1, sizeof(*p->overrides));
    if (!p->args || !p->overrides)
        return fo_error_oom(err);
    if (verb && verb->options) {
        p->options = fo_zalloc(verb->options_size);
        if (!p->options)
            return fo_error_oom(err);
        return fo_option_defaults(verb->options, p->options, err);
    }
    return FINOPS_OK;
}

finops_code
fo_flags_parse(const fo_verb *verb, char *const *items, size_t n, fo_parsed *ret, finops_error **err)
{
    FO_AUTO(fo_parsed_done) fo_parsed p = { 0 };
    words w = { items, n, 0 };
    bool only_args = false;
    finops_code rc;

    assert(ret && (items || n == 0));

    rc = parsed_init(&p, verb, n, err);
    while (rc == FINOPS_OK && w.at < w.n) {
        char *word = w.items[w.at++];

        if (only_args || word[0] != '-' || !word[1])
            p.args[p.n_args++] = word;
        else if (strcmp(word, "--") == 0)
            only_args = true;
        else
            rc = word[1] == '-' ? long_flag(&p, &w, word, err) : short_flags(&p, word, err);
    }
    if (rc != FINOPS_OK)
        return rc;
    *ret = p;
    p = (fo_parsed){ 0 };
    return FINOPS_OK;
}

void
fo_parsed_done(fo_parsed *p)
{
    if (p->options)
        fo_option_clear(p->verb->options, p->options);
    fo_free(p->options);
    for (size_t i = 0; i < p->flags.n; i++)
        if (p->flags.items[i].kind == FO_FLAG_GLOBAL) {
            const finops_option table[2] = { *p->flags.items[i].option, { 0 } };

            fo_option_clear(table, &p->globals);
        }
    fo_flags_done(&p->flags);
    fo_free(p->args);
    fo_free(p->overrides);
    fo_strv_done(&p->values);
    *p = (fo_parsed){ 0 };
}

static finops_code
check_flags(const fo_parsed *p, finops_error **err)
{
    for (size_t i = 0; i < p->flags.n; i++) {
        const fo_flag *f = &p->flags.items[i];
        const char *needs = f->given ? f->option->needs : NULL;
        char other[64];
        const fo_flag *found;

        if (f->kind != FO_FLAG_OWN)
            continue;
        if ((f->option->flags & FINOPS_OPT_REQUIRED) && !f->given && !f->option->value)
            return fo_error_set(err, FINOPS_E_USAGE, "%s needs %s %s", p->verb->name, f->name,
                                fo_flag_placeholder(f));
        if (!needs)
            continue;
        flag_name(other, needs);
        found = flags_named(&p->flags, other);
        if (!found || !found->given)
            return fo_error_set(err, FINOPS_E_USAGE, "%s needs %s too", f->name, other);
    }
    return FINOPS_OK;
}

static finops_code
check_args(const fo_parsed *p, finops_error **err)
{
    const fo_verb *v = p->verb;

    if (p->n_args < v->min_args)
        return fo_error_set(err, FINOPS_E_USAGE, "%s needs %s", v->name, v->args ? v->args : "an argument");
    if (p->n_args > v->max_args && v->max_args == 0)
        return fo_error_set(err, FINOPS_E_USAGE, "%s takes no argument \"%s\"", v->name, p->args[0]);
    if (p->n_args > v->max_args)
        return fo_error_set(err, FINOPS_E_USAGE, "%s takes %s, not also \"%s\"", v->name, v->args,
                            p->args[v->max_args]);
    return FINOPS_OK;
}

finops_code
fo_flags_check(const fo_parsed *p, finops_error **err)
{
    finops_code rc = check_flags(p, err);

    if (rc == FINOPS_OK)
        rc = check_args(p, err);
    if (rc == FINOPS_E_USAGE)
        fo_error_hint(err, "finops help %s shows how it is used", p->verb->name);
    return rc;
}

bool
fo_parsed_given(const fo_parsed *p, const char *name)
{
    const fo_flag *flag = flags_named(&p->flags, name);

    return flag && flag->given;
}

fo_out_format
fo_parsed_format(const fo_parsed *p)
{
    static const char *const names[] = { "table", "json", "csv", "ndjson", "parquet", "arrow" };

    for (size_t i = 0; p->globals.format && i < FO_COUNT(names); i++)
        if (strcmp(names[i], p->globals.format) == 0)
            return (fo_out_format)i;
    return FO_FORMAT_TABLE;
}
