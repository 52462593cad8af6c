/* Help for people: the overview, a group of commands, one command. All of it comes from the tables. */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli_internal.h"

#define WIDTH_MAX 100 /* longer lines are hard to read */
#define WIDTH_PIPE 80 /* when there is no terminal to ask */
#define INDENT 2
#define FLAG_COLUMN 28 /* where the sentences of flags begin */

typedef struct page {
    fo_str *out;
    size_t width;
    bool colour;
} page;

static page
page_new(fo_str *out, unsigned width, bool colour)
{
    size_t w = width == 0 ? WIDTH_PIPE : width;

    return (page){ out, w > WIDTH_MAX ? WIDTH_MAX : (w < 40 ? 40 : w), colour };
}

static void
pad(fo_str *out, size_t n)
{
    while (n-- > 0)
        fo_str_addc(out, ' ');
}

static void
heading(page *p, const char *text)
{
    fo_str_addf(p->out, "\n%s%s%s\n", p->colour ? "\033[1m" : "", text, p->colour ? "\033[0m" : "");
}

/* One paragraph from column `at` on, filled to the width; `at` is where the cursor stands. */
static void
fill(page *p, const char *text, size_t n, size_t indent, size_t at)
{
    bool first = true;

    for (size_t i = 0; i < n;) {
        size_t len = 0, columns;

        while (i < n && (text[i] == ' ' || text[i] == '\n'))
            i++;
        while (i + len < n && text[i + len] != ' ' && text[i + len] != '\n')
            len++;
        if (len == 0)
            break;
        columns = fo_utf8_width(text + i, len);
        if (!first && at + 1 + columns > p->width) {
            fo_str_addc(p->out, '\n');
            pad(p->out, indent);
            at = indent;
        } else if (!first) {
            fo_str_addc(p->out, ' ');
            at++;
        }
        fo_str_addn(p->out, text + i, len);
        at += columns;
        i += len;
        first = false;
    }
    fo_str_addc(p->out, '\n');
}

/* Paragraphs are divided by empty lines; a line that begins with blanks is kept as it is. */
static void
paragraphs(page *p, const char *text)
{
    while (*text) {
        const char *end = text;

        if (*text == '\n' || *text == ' ') {
            end += strcspn(end, "\n");
            fo_str_addn(p->out, text, (size_t)(end - text));
            fo_str_addc(p->out, '\n');
            text = *end ? end + 1 : end;
            continue;
        }
        while (*end && !(*end == '\n' && (end[1] == '\n' || end[1] == ' ' || !end[1])))
            end++;
        fill(p, text, (size_t)(end - text), 0, 0);
        text = *end ? end + 1 : end;
    }
}

/* "  name   sentence", the sentence in its column or on the next line when the name is too long. */
static void
entry(page *p, const char *name, size_t column, const char *sentence)
{
    size_t used = INDENT + fo_utf8_width(name, strlen(name));

    pad(p->out, INDENT);
    fo_str_add(p->out, name);
    if (used + 2 > column) {
        fo_str_addc(p->out, '\n');
        used = 0;
    }
    pad(p->out, column - used);
    fill(p, sentence, strlen(sentence), column, column);
}

/* ---- flags ---- */

static void
add_words(fo_str *out, const char *allow)
{
    size_t total = 1, i = 0;

    for (const char *c = allow; *c; c++)
        total += *c == ' ';
    for (const char *word = allow; *word; i++) {
        size_t len = strcspn(word, " ");

        if (i > 0)
            fo_str_add(out, i + 1 == total ? " or " : ", ");
        fo_str_addn(out, word, len);
        word += len;
        word += *word == ' ';
    }
}

void
fo_help_flag_text(fo_str *out, const fo_flag *flag)
{
    const finops_option *o = flag->option;
    const char *help = o->help ? o->help : "";
    size_t len = strlen(help);
    bool off = o->type == FINOPS_OPT_BOOL && o->value && strcmp(o->value, "true") == 0;

    if (len > 0 && help[len - 1] == '.')
        len--;
    fo_str_addn(out, help, len);
    if (o->type == FINOPS_OPT_ENUM && o->allow) {
        fo_str_add(out, ": ");
        add_words(out, o->allow);
    }
    if (o->value && o->value[0] && o->type != FINOPS_OPT_BOOL)
        fo_str_addf(out, " (default: %s)", o->value);
    if (off)
        fo_str_addf(out, " (on by default; --no-%s turns it off)", flag->name + 2);
    if (o->type == FINOPS_OPT_LIST)
        fo_str_add(out, "; may be repeated");
    if (o->flags & FINOPS_OPT_REQUIRED && !o->value && flag->kind == FO_FLAG_OWN)
        fo_str_add(out, " (required)");
    fo_str_addc(out, '.');
}

static void
flag_entry(page *p, const fo_flag *flag)
{
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    if (flag->letter)
        fo_str_addf(&name, "-%c, ", flag->letter);
    fo_str_add(&name, flag->name);
    if (fo_flag_takes_value(flag))
        fo_str_addf(&name, " %s", fo_flag_placeholder(flag));
    fo_help_flag_text(&text, flag);
    if (!fo_str_ok(&name) || !fo_str_ok(&text))
        p->out->failed = true;
    else
        entry(p, fo_str_z(&name), FLAG_COLUMN, fo_str_z(&text));
}

static void
flag_entries(page *p, const fo_flags *flags, fo_flag_kind kind, const char *title)
{
    bool any = false;

    for (size_t i = 0; i < flags->n; i++) {
        if (flags->items[i].kind != kind)
            continue;
        if (!any)
            heading(p, title);
        any = true;
        flag_entry(p, &flags->items[i]);
    }
}

/* ---- commands ---- */

static bool
in_group(const fo_verb *verb, const char *group)
{
    size_t len = strlen(group);

    return strncmp(verb->name, group, len) == 0 && verb->name[len] == ' ';
}

static void
verb_entries(page *p, const char *group)
{
    size_t column = 0;

    for (size_t i = 0; fo_verbs[i]; i++)
        if (!(fo_verbs[i]->flags & FO_VERB_HIDDEN) && strlen(fo_verbs[i]->name) > column)
            column = strlen(fo_verbs[i]->name);
    for (size_t i = 0; fo_verbs[i]; i++)
        if (!(fo_verbs[i]->flags & FO_VERB_HIDDEN) && (!group || in_group(fo_verbs[i], group)))
            entry(p, fo_verbs[i]->name, column + INDENT + 3, fo_verbs[i]->summary);
}

finops_code
fo_help_overview(fo_str *out, unsigned width, bool colour, finops_error **err)
{
    FO_AUTO(fo_flags_done) fo_flags flags = { 0 };
    page p = page_new(out, width, colour);
    finops_code rc = fo_flags_of(NULL, &flags, err);

    if (rc != FINOPS_OK)
        return rc;
    paragraphs(&p, "finops loads cloud bills into a database, keeps them right when the provider restates "
                   "them, and shows "
                   "where the money goes.\n");
    heading(&p, "Usage");
    fo_str_add(out, "  finops COMMAND [ARGUMENT...] [--FLAG...]\n");
    heading(&p, "Commands");
    verb_entries(&p, NULL);
    flag_entries(&p, &flags, FO_FLAG_GLOBAL, "Flags of every command");
    heading(&p, "Exit status");
    fo_str_add(out, "  0  done\n  1  failed\n  2  the command line or the configuration cannot be used\n"
                    "  3  partly done: what failed is on stderr\n\n");
    paragraphs(&p, "\"finops help COMMAND\" explains a command, \"man finops\" all of them.\n");
    return fo_str_check(out, err);
}

finops_code
fo_help_group(fo_str *out, const char *group, unsigned width, bool colour, finops_error **err)
{
    page p = page_new(out, width, colour);

    heading(&p, "Usage");
    fo_str_addf(out, "  finops %s COMMAND [ARGUMENT...] [--FLAG...]\n", group);
    heading(&p, "Commands");
    verb_entries(&p, group);
    fo_str_addf(out, "\n\"finops help %s COMMAND\" explains one.\n", group);
    return fo_str_check(out, err);
}

static void
examples(page *p, const char *text)
{
    heading(p, "Examples");
    while (*text) {
        size_t len = strcspn(text, "\n");

        if (len > 0)
            pad(p->out, INDENT);
        if (p->colour && len > 2 && strncmp(text, "  #", 3) == 0)
            fo_str_addf(p->out, "\033[2m%.*s\033[0m\n", (int)len, text);
        else
            fo_str_addf(p->out, "%.*s\n", (int)len, text);
        text += len + (text[len] == '\n');
    }
}

finops_code
fo_help_verb(fo_str *out, const fo_verb *verb, unsigned width, bool colour, finops_error **err)
{
    FO_AUTO(fo_flags_done) fo_flags flags = { 0 };
    page p = page_new(out, width, colour);
    finops_code rc;

    assert(out && verb);

    rc = fo_flags_of(verb, &flags, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_str_addf(out, "finops %s: ", verb->name);
    fill(&p, verb->summary, strlen(verb->summary), 0, strlen(verb->name) + 9);
    heading(&p, "Usage");
    fo_str_addf(out, "  finops %s%s%s [--FLAG...]\n", verb->name, verb->args ? " " : "",
                verb->args ? verb->args : "");
    if (verb->help) {
        fo_str_addc(out, '\n');
        paragraphs(&p, verb->help);
    }
    flag_entries(&p, &flags, FO_FLAG_OWN, "Flags");
    flag_entries(&p, &flags, FO_FLAG_SETTING, "Flags that override the configuration");
    flag_entries(&p, &flags, FO_FLAG_GLOBAL, "Common flags");
    if (verb->examples)
        examples(&p, verb->examples);
    return fo_str_check(out, err);
}
