/*
 * Completion scripts for bash, zsh and fish, written from the tables of verbs and flags. All three work the
 * same way: collect the words that are no flags, find the verb among them, offer what its tables hold.
 */
#include <string.h>

#include "base/mem.h"
#include "cli/cli_internal.h"

typedef enum value_kind { VALUE_FREE, VALUE_WORDS, VALUE_FILE } value_kind;

static bool
names_a_file(const char *placeholder)
{
    return placeholder &&
           (strstr(placeholder, "PATH") || strstr(placeholder, "FILE") || strstr(placeholder, "DIR"));
}

static value_kind
value_of(const fo_flag *flag)
{
    if (flag->option->type == FINOPS_OPT_ENUM)
        return VALUE_WORDS;
    return names_a_file(fo_flag_placeholder(flag)) ? VALUE_FILE : VALUE_FREE;
}

static bool
shown(const fo_verb *verb)
{
    return !(verb->flags & FO_VERB_HIDDEN);
}

/* The first word of a verb and, of a two-word verb, the second. */
static size_t
first_len(const fo_verb *verb)
{
    return strcspn(verb->name, " ");
}

static const char *
second_word(const fo_verb *verb)
{
    const char *rest = verb->name + first_len(verb);

    return *rest ? rest + 1 : NULL;
}

/* Whether this is the first verb shown with its first word. */
static bool
opens_group(size_t at)
{
    size_t len = first_len(fo_verbs[at]);

    for (size_t i = 0; i < at; i++)
        if (shown(fo_verbs[i]) && first_len(fo_verbs[i]) == len &&
            memcmp(fo_verbs[i]->name, fo_verbs[at]->name, len) == 0)
            return false;
    return shown(fo_verbs[at]);
}

/* Text inside '...' of a shell. */
static void
add_quoted(fo_str *out, const char *text, size_t n, const char *escape)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\'')
            fo_str_add(out, "'\\'");
        else if (escape && strchr(escape, text[i]))
            fo_str_addc(out, '\\');
        fo_str_addc(out, text[i]);
    }
}

/* "a|b|c" -> "a b c". */
static void
add_choices(fo_str *out, const char *args)
{
    for (const char *c = args; *c; c++)
        fo_str_addc(out, *c == '|' ? ' ' : *c);
}

/* The flags of every verb that take a value, so that the value is not taken for a verb:
 * "--config|--log-level". */
static finops_code
add_global_values(fo_str *out, const char *between, finops_error **err)
{
    FO_AUTO(fo_flags_done) fo_flags flags = { 0 };
    finops_code rc = fo_flags_of(NULL, &flags, err);
    bool any = false;

    for (size_t i = 0; i < flags.n; i++) {
        if (!fo_flag_takes_value(&flags.items[i]))
            continue;
        fo_str_addf(out, "%s%s", any ? between : "", flags.items[i].name);
        any = true;
    }
    return rc;
}

/* Calls `each` for every flag of every verb shown. */
typedef void (*each_flag)(fo_str *out, const fo_verb *verb, const fo_flag *flag);

static finops_code
flags_of_verb(fo_str *out, const fo_verb *verb, each_flag each, finops_error **err)
{
    FO_AUTO(fo_flags_done) fo_flags flags = { 0 };
    finops_code rc = fo_flags_of(verb, &flags, err);

    for (size_t i = 0; rc == FINOPS_OK && i < flags.n; i++)
        each(out, verb, &flags.items[i]);
    return rc;
}

/* "case" branches that set verb; two-word names come first since "*" would swallow them. */
static void
add_verb_cases(fo_str *out, const char *open)
{
    for (size_t i = 0; fo_verbs[i]; i++)
        if (shown(fo_verbs[i]) && second_word(fo_verbs[i]))
            fo_str_addf(out, "    %s'%s') verb='%s' ;;\n", open, fo_verbs[i]->name, fo_verbs[i]->name);
    for (size_t i = 0; fo_verbs[i]; i++)
        if (shown(fo_verbs[i]) && !second_word(fo_verbs[i]))
            fo_str_addf(out, "    %s'%s '*) verb='%s' ;;\n", open, fo_verbs[i]->name, fo_verbs[i]->name);
}

/* ---- bash ---- */

static void
bash_value(fo_str *out, const fo_verb *verb, const fo_flag *flag)
{
    if (!fo_flag_takes_value(flag))
        return;
    fo_str_addf(out, "    '%s %s') ", verb->name, flag->name);
    if (value_of(flag) == VALUE_WORDS)
        fo_str_addf(out, "_finops_words '%s'; return ;;\n", flag->option->allow);
    else
        fo_str_add(out, value_of(flag) == VALUE_FILE ? "_finops_files; return ;;\n" : "return ;;\n");
}

static void
bash_name(fo_str *out, const fo_verb *verb, const fo_flag *flag)
{
    (void)verb;
    fo_str_addf(out, " %s", flag->name);
}

static void
bash_commands(fo_str *out)
{
    fo_str_add(out, "    case ${plain[0]} in\n    '') _finops_words '");
    for (size_t i = 0; fo_verbs[i]; i++)
        if (opens_group(i))
            fo_str_addf(out, "%.*s ", (int)first_len(fo_verbs[i]), fo_verbs[i]->name);
    fo_str_add(out, "' ;;\n");
    for (size_t i = 0; fo_verbs[i]; i++) {
        size_t len = first_len(fo_verbs[i]);

        if (!opens_group(i) || !second_word(fo_verbs[i]))
            continue;
        fo_str_addf(out, "    %.*s) _finops_words '", (int)len, fo_verbs[i]->name);
        for (size_t k = i; fo_verbs[k]; k++)
            if (shown(fo_verbs[k]) && first_len(fo_verbs[k]) == len &&
                !memcmp(fo_verbs[k]->name, fo_verbs[i]->name, len) && second_word(fo_verbs[k]))
                fo_str_addf(out, "%s ", second_word(fo_verbs[k]));
        fo_str_add(out, "' ;;\n");
    }
    fo_str_add(out, "    esac\n");
}

static void
bash_args(fo_str *out)
{
    fo_str_add(out, "    case $verb in\n");
    for (size_t i = 0; fo_verbs[i]; i++) {
        const char *args = shown(fo_verbs[i]) ? fo_verbs[i]->args : NULL;

        if (args && strchr(args, '|')) {
            fo_str_addf(out, "    '%s') _finops_words '", fo_verbs[i]->name);
            add_choices(out, args);
            fo_str_add(out, "' ;;\n");
        } else if (names_a_file(args)) {
            fo_str_addf(out, "    '%s') _finops_files ;;\n", fo_verbs[i]->name);
        }
    }
    fo_str_add(out, "    esac\n");
}

static finops_code
bash_script(fo_str *out, finops_error **err)
{
    finops_code rc;

    fo_str_add(out,
               "# Completion of finops for bash, made by \"finops completion bash\".\n"
               "_finops_words() { COMPREPLY=($(compgen -W \"$1\" -- \"$cur\")); }\n"
               "_finops_files() { compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\")); }\n"
               "_finops()\n{\n"
               "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb= flags= i\n"
               "    local -a plain=()\n"
               "    COMPREPLY=()\n"
               "    # --flag=value arrives as three words\n"
               "    if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD "
               "- 2]}; fi\n"
               "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
               "        case ${COMP_WORDS[i]} in\n        ");
    rc = add_global_values(out, "|", err);
    fo_str_add(
        out,
        ") ((i++)); [[ ${COMP_WORDS[i]} == = ]] && ((i++)) ;;\n"
        "        -*) ;;\n"
        "        *) plain+=(\"${COMP_WORDS[i]}\") ;;\n"
        "        esac\n    done\n"
        "    if [[ ${plain[0]} == help ]]; then plain=(\"${plain[@]:1}\"); [[ $cur == -* ]] || prev=; fi\n"
        "    case \"${plain[0]} ${plain[1]}\" in\n");
    add_verb_cases(out, "");
    fo_str_add(out, "    esac\n    case \"$verb $prev\" in\n");
    for (size_t i = 0; rc == FINOPS_OK && fo_verbs[i]; i++)
        if (shown(fo_verbs[i]))
            rc = flags_of_verb(out, fo_verbs[i], bash_value, err);
    fo_str_add(out, "    ' --config') _finops_files; return ;;\n    esac\n    case $verb in\n");
    for (size_t i = 0; rc == FINOPS_OK && fo_verbs[i]; i++) {
        if (!shown(fo_verbs[i]))
            continue;
        fo_str_addf(out, "    '%s') flags='", fo_verbs[i]->name);
        rc = flags_of_verb(out, fo_verbs[i], bash_name, err);
        fo_str_add(out, "' ;;\n");
    }
    fo_str_add(out, "    '') flags='--version");
    if (rc == FINOPS_OK)
        rc = flags_of_verb(out, NULL, bash_name, err);
    fo_str_add(out, "' ;;\n    esac\n"
                    "    if [[ $cur == -* ]]; then _finops_words \"$flags\"; return; fi\n");
    bash_args(out);
    fo_str_add(out, "    [[ -n $verb ]] && return\n");
    bash_commands(out);
    fo_str_add(out, "}\ncomplete -F _finops finops\n");
    return rc;
}

/* ---- zsh ---- */

static void
zsh_flag(fo_str *out, const fo_verb *verb, const fo_flag *flag)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    (void)verb;
    fo_help_flag_text(&text, flag);
    out->failed |= !fo_str_ok(&text);
    fo_str_addf(out, "            '%s%s%s[", flag->option->type == FINOPS_OPT_LIST ? "*" : "", flag->name,
                fo_flag_takes_value(flag) ? "=" : "");
    add_quoted(out, fo_str_z(&text), text.len, "[]:");
    fo_str_addc(out, ']');
    if (fo_flag_takes_value(flag)) {
        fo_str_addf(out, ":%s:", fo_flag_placeholder(flag));
        if (value_of(flag) == VALUE_WORDS)
            fo_str_addf(out, "(%s)", flag->option->allow);
        else if (value_of(flag) == VALUE_FILE)
            fo_str_add(out, "_files");
    }
    fo_str_add(out, "' \\\n");
}

static void
zsh_args(fo_str *out, const fo_verb *verb)
{
    fo_str_add(out, "            '*: :");
    if (verb && verb->args && strchr(verb->args, '|')) {
        fo_str_addc(out, '(');
        add_choices(out, verb->args);
        fo_str_addc(out, ')');
    } else if (verb && names_a_file(verb->args)) {
        fo_str_add(out, "_files");
    }
    fo_str_add(out, "'\n");
}

static void
zsh_commands(fo_str *out)
{
    for (size_t i = 0; fo_verbs[i]; i++) {
        const char *second = second_word(fo_verbs[i]);
        size_t len = first_len(fo_verbs[i]);

        if (!shown(fo_verbs[i]))
            continue;
        if (opens_group(i)) {
            fo_str_addf(out, "    [[ -z $plain[1] ]] && commands+=('%.*s:", (int)len, fo_verbs[i]->name);
            if (second)
                fo_str_addf(out, "commands of %.*s", (int)len, fo_verbs[i]->name);
            else
                add_quoted(out, fo_verbs[i]->summary, strlen(fo_verbs[i]->summary), ":");
            fo_str_add(out, "')\n");
        }
        if (second) {
            fo_str_addf(out, "    [[ $plain[1] == %.*s ]] && commands+=('%s:", (int)len, fo_verbs[i]->name,
                        second);
            add_quoted(out, fo_verbs[i]->summary, strlen(fo_verbs[i]->summary), ":");
            fo_str_add(out, "')\n");
        }
    }
}

static finops_code
zsh_script(fo_str *out, finops_error **err)
{
    finops_code rc;

    fo_str_add(out, "#compdef finops\n# Completion of finops for zsh, made by \"finops completion zsh\".\n"
                    "_finops()\n{\n    local verb i\n    local -a plain commands\n"
                    "    for ((i = 2; i < CURRENT; i++)); do\n        case $words[i] in\n        (");
    rc = add_global_values(out, "|", err);
    fo_str_add(
        out, ") ((i++)) ;;\n        (-*) ;;\n        (*) plain+=(\"$words[i]\") ;;\n        esac\n    done\n"
             "    [[ $plain[1] == help ]] && shift plain\n"
             "    case \"$plain[1] $plain[2]\" in\n");
    add_verb_cases(out, "(");
    fo_str_add(out, "    esac\n    case $verb in\n");
    for (size_t i = 0; rc == FINOPS_OK && fo_verbs[i]; i++) {
        if (!shown(fo_verbs[i]))
            continue;
        fo_str_addf(out, "    ('%s')\n        _arguments \\\n", fo_verbs[i]->name);
        rc = flags_of_verb(out, fo_verbs[i], zsh_flag, err);
        zsh_args(out, fo_verbs[i]);
        fo_str_add(out, "        return ;;\n");
    }
    fo_str_add(out, "    esac\n    if [[ $words[CURRENT] == -* ]]; then\n        _arguments \\\n"
                    "            '--version[Print the version.]' \\\n");
    if (rc == FINOPS_OK)
        rc = flags_of_verb(out, NULL, zsh_flag, err);
    zsh_args(out, NULL);
    fo_str_add(out, "        return\n    fi\n");
    zsh_commands(out);
    fo_str_add(out,
               "    _describe -t commands command commands\n}\n"
               "if [[ $funcstack[1] == _finops ]]; then _finops \"$@\"; else compdef _finops finops; fi\n");
    return rc;
}

/* ---- fish ---- */

static void
fish_flag(fo_str *out, const fo_verb *verb, const fo_flag *flag)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    fo_help_flag_text(&text, flag);
    out->failed |= !fo_str_ok(&text);
    fo_str_addf(out, "complete -c finops -n '__finops_in \"%s\"' -l %s", verb->name, flag->name + 2);
    if (flag->letter)
        fo_str_addf(out, " -s %c", flag->letter);
    if (value_of(flag) == VALUE_FILE && fo_flag_takes_value(flag))
        fo_str_add(out, " -r -F");
    else if (fo_flag_takes_value(flag))
        fo_str_add(out, " -x");
    if (value_of(flag) == VALUE_WORDS)
        fo_str_addf(out, " -a '%s'", flag->option->allow);
    fo_str_add(out, " -d '");
    for (const char *c = fo_str_z(&text); *c; c++)
        fo_str_addf(out, *c == '\'' || *c == '\\' ? "\\%c" : "%c", *c);
    fo_str_add(out, "'\n");
}

static void
fish_word(fo_str *out, const char *before, const char *word, size_t len, const char *summary)
{
    fo_str_addf(out, "complete -c finops -n '__finops_at \"%s\"' -a %.*s -d '", before, (int)len, word);
    for (const char *c = summary; *c; c++)
        fo_str_addf(out, *c == '\'' || *c == '\\' ? "\\%c" : "%c", *c);
    fo_str_add(out, "'\n");
}

static void
fish_verb(fo_str *out, size_t at)
{
    const fo_verb *verb = fo_verbs[at];
    const char *second = second_word(verb);
    size_t len = first_len(verb);
    char group[64];

    (void)snprintf(group, sizeof(group), "%.*s", (int)len, verb->name);
    if (opens_group(at))
        fish_word(out, "", verb->name, len, second ? "Commands of this group" : verb->summary);
    if (second)
        fish_word(out, group, second, strlen(second), verb->summary);
    if (verb->args && strchr(verb->args, '|')) {
        fo_str_addf(out, "complete -c finops -n '__finops_at \"%s\"' -a '", verb->name);
        add_choices(out, verb->args);
        fo_str_add(out, "'\n");
    } else if (names_a_file(verb->args)) {
        fo_str_addf(out, "complete -c finops -n '__finops_in \"%s\"' -F\n", verb->name);
    }
}

static finops_code
fish_script(fo_str *out, finops_error **err)
{
    finops_code rc;

    fo_str_add(out, "# Completion of finops for fish, made by \"finops completion fish\".\n"
                    "function __finops_plain\n    set -l skip 0\n    for word in (commandline -opc)[2..-1]\n"
                    "        if test $skip = 1\n            set skip 0\n            continue\n        end\n"
                    "        switch $word\n            case ");
    rc = add_global_values(out, " ", err);
    fo_str_add(
        out,
        "\n                set skip 1\n            case '-*' help\n            case '*'\n"
        "                echo -- $word\n        end\n    end\nend\n"
        "function __finops_at\n    set -l plain (__finops_plain)\n    test \"$plain\" = \"$argv[1]\"\nend\n"
        "function __finops_in\n    set -l plain (__finops_plain)\n"
        "    string match -q -- \"$argv[1] *\" \"$plain \"\nend\n"
        "complete -c finops -f\ncomplete -c finops -n '__finops_at \"\"' -l version -d 'Print the "
        "version.'\n");
    for (size_t i = 0; rc == FINOPS_OK && fo_verbs[i]; i++) {
        if (!shown(fo_verbs[i]))
            continue;
        fish_verb(out, i);
        rc = flags_of_verb(out, fo_verbs[i], fish_flag, err);
    }
    return rc;
}

finops_code
fo_completion_script(fo_str *out, const char *shell, finops_error **err)
{
    finops_code rc;

    if (strcmp(shell, "bash") == 0)
        rc = bash_script(out, err);
    else if (strcmp(shell, "zsh") == 0)
        rc = zsh_script(out, err);
    else if (strcmp(shell, "fish") == 0)
        rc = fish_script(out, err);
    else
        return fo_error_set(err, FINOPS_E_USAGE,
                            "there is a completion for bash, zsh and fish, not for \"%s\"", shell);
    return rc == FINOPS_OK ? fo_str_check(out, err) : rc;
}
