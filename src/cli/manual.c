/*
 * The manual page finops(1) and the reference page docs/reference/cli.md, written from the tables of verbs
 * and flags. One walk over the tables, two ways to write: a page is a struct of the few things both can say.
 */
#include <string.h>

#include "base/mem.h"
#include "cli/cli_internal.h"

typedef struct writer {
    void (*title)(fo_str *out, const char *text);
    void (*subtitle)(fo_str *out, const char *text); /* "finops query" */
    void (*label)(fo_str *out, const char *text);    /* "Flags" within a subtitle */
    void (*text)(fo_str *out, const char *text);     /* paragraphs as in fo_verb.help */
    void (*code)(fo_str *out, const char *text);     /* lines as they are */
    void (*item)(fo_str *out, const char *name, const char *text);
} writer;

static const char about[] =
    "finops loads cloud bills into a database of the user's choice, keeps them right when the provider "
    "restates them, and shows "
    "where the money goes. Results go to standard output, everything else to standard error.";

static const char files_text[] = "The first of these that exists is read: the file of --config; "
                                 "./config.toml, ./config.yaml or ./config.yml; "
                                 "finops/config.toml, finops/config.yaml or finops/config.yml in "
                                 "$XDG_CONFIG_HOME (or ~/.config). \"finops config "
                                 "show\" tells which one it was and where each value comes from.";

static const char environment_text[] = "Every setting has a variable: OPEN_FINOPS_ with section and name in "
                                       "capitals, as OPEN_FINOPS_AWS_BUCKET for bucket "
                                       "in [aws]. Settings of AWS take the usual AWS_ variables too. "
                                       "NO_COLOR switches colours off. A flag beats the "
                                       "environment, the environment beats the file.";

static const char *const exits[][2] = {
    { "0", "Done." },
    { "1", "Failed: the message on standard error says why and what to do next." },
    { "2", "The command line or the configuration cannot be used." },
    { "3", "Partly done: some of the work failed, the rest is complete." },
};

/* ---- man ---- */

/* A backslash or a hyphen means something to roff everywhere, a dot or a quote at the start of a line. */
static void
roff(fo_str *out, const char *text, size_t n, bool line_start)
{
    for (size_t i = 0; i < n; i++) {
        if (line_start && (text[i] == '.' || text[i] == '\''))
            fo_str_add(out, "\\&");
        if (text[i] == '\\')
            fo_str_add(out, "\\e");
        else if (text[i] == '-')
            fo_str_add(out, "\\-");
        else
            fo_str_addc(out, text[i]);
        line_start = text[i] == '\n';
    }
}

static void
man_heading(fo_str *out, const char *macro, const char *text)
{
    fo_str_addf(out, ".%s \"", macro);
    roff(out, text, strlen(text), false);
    fo_str_add(out, "\"\n");
}

static void
man_title(fo_str *out, const char *text)
{
    fo_str_add(out, ".SH ");
    for (const char *c = text; *c; c++)
        fo_str_addc(out, *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c);
    fo_str_addc(out, '\n');
}

static void
man_subtitle(fo_str *out, const char *text)
{
    man_heading(out, "SS", text);
}

static void
man_label(fo_str *out, const char *text)
{
    fo_str_add(out, ".PP\n");
    man_heading(out, "B", text);
}

/* Lines that begin with blanks stay lines; an empty line begins a paragraph. */
static void
man_text(fo_str *out, const char *text)
{
    fo_str_add(out, ".PP\n");
    while (*text) {
        size_t len = strcspn(text, "\n");

        if (len == 0)
            fo_str_add(out, ".PP");
        else if (*text == ' ')
            fo_str_add(out, ".br\n");
        roff(out, text, len, true);
        fo_str_addc(out, '\n');
        text += len + (text[len] == '\n');
    }
}

static void
man_code(fo_str *out, const char *text)
{
    fo_str_add(out, ".PP\n.RS 4\n.nf\n");
    roff(out, text, strlen(text), true);
    if (!fo_ends(text, "\n"))
        fo_str_addc(out, '\n');
    fo_str_add(out, ".fi\n.RE\n");
}

static void
man_item(fo_str *out, const char *name, const char *text)
{
    fo_str_add(out, ".TP\n");
    man_heading(out, "B", name);
    roff(out, text, strlen(text), true);
    fo_str_addc(out, '\n');
}

static const writer man = { man_title, man_subtitle, man_label, man_text, man_code, man_item };

/* ---- markdown ---- */

static void
md_title(fo_str *out, const char *text)
{
    fo_str_addf(out, "\n## %s\n", text);
}

static void
md_subtitle(fo_str *out, const char *text)
{
    fo_str_addf(out, "\n### %s\n", text);
}

static void
md_label(fo_str *out, const char *text)
{
    fo_str_addf(out, "\n**%s**\n\n", text);
}

/* Characters that Markdown would take for its own; the rest of ASCII is safe in the middle of a sentence. */
static void
md_plain(fo_str *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (strchr("<>*_[]|`\\", *c))
            fo_str_addc(out, '\\');
        fo_str_addc(out, *c);
    }
}

static void
md_text(fo_str *out, const char *text)
{
    fo_str_addc(out, '\n');
    md_plain(out, text);
    if (!fo_ends(text, "\n"))
        fo_str_addc(out, '\n');
}

static void
md_code(fo_str *out, const char *text)
{
    fo_str_addf(out, "\n```sh\n%s%s```\n", text, fo_ends(text, "\n") ? "" : "\n");
}

static void
md_item(fo_str *out, const char *name, const char *text)
{
    fo_str_addf(out, "- `%s`: ", name);
    md_plain(out, text);
    fo_str_addc(out, '\n');
}

static const writer markdown = { md_title, md_subtitle, md_label, md_text, md_code, md_item };

/* ---- the walk ---- */

static void
write_flag(const writer *w, fo_str *out, const fo_flag *flag)
{
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    if (flag->letter)
        fo_str_addf(&name, "-%c, ", flag->letter);
    fo_str_add(&name, flag->name);
    if (fo_flag_takes_value(flag))
        fo_str_addf(&name, " %s", fo_flag_placeholder(flag));
    fo_help_flag_text(&text, flag);
    if (flag->kind == FO_FLAG_SETTING)
        fo_str_addf(&text, " Setting %s.", flag->key);
    out->failed |= !fo_str_ok(&name) || !fo_str_ok(&text);
    w->item(out, fo_str_z(&name), fo_str_z(&text));
}

/* Flags of every verb are told once, so a verb lists its own, its settings, and those not all verbs have
 * (--format). */
static finops_code
write_flags(const writer *w, fo_str *out, const fo_verb *verb, finops_error **err)
{
    FO_AUTO(fo_flags_done) fo_flags flags = { 0 };
    FO_AUTO(fo_flags_done) fo_flags common = { 0 };
    finops_code rc = fo_flags_of(verb, &flags, err);
    bool any = false;

    if (rc == FINOPS_OK && verb)
        rc = fo_flags_of(NULL, &common, err);
    for (size_t i = 0; rc == FINOPS_OK && i < flags.n; i++) {
        bool told = false;

        for (size_t k = 0; k < common.n; k++)
            told |= flags.items[i].option == common.items[k].option;
        if (told)
            continue;
        if (!any && verb)
            w->label(out, "Flags");
        any = true;
        write_flag(w, out, &flags.items[i]);
    }
    return rc;
}

static finops_code
write_verb(const writer *w, fo_str *out, const fo_verb *verb, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str line = FO_STR_INIT;
    finops_code rc;

    fo_str_addf(&line, "finops %s", verb->name);
    w->subtitle(out, fo_str_z(&line));
    w->text(out, verb->summary);
    fo_str_addf(&line, "%s%s [--FLAG...]", verb->args ? " " : "", verb->args ? verb->args : "");
    w->code(out, fo_str_z(&line));
    if (verb->help)
        w->text(out, verb->help);
    rc = write_flags(w, out, verb, err);
    if (rc == FINOPS_OK && verb->examples) {
        w->label(out, "Examples");
        w->code(out, verb->examples);
    }
    out->failed |= !fo_str_ok(&line);
    return rc;
}

static finops_code
write_manual(const writer *w, fo_str *out, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    w->title(out, "Synopsis");
    w->code(out, "finops COMMAND [ARGUMENT...] [--FLAG...]\nfinops help [COMMAND]\nfinops --version");
    w->title(out, "Description");
    w->text(out, about);
    w->title(out, "Commands");
    for (size_t i = 0; rc == FINOPS_OK && fo_verbs[i]; i++)
        if (!(fo_verbs[i]->flags & FO_VERB_HIDDEN))
            rc = write_verb(w, out, fo_verbs[i], err);
    w->title(out, "Flags of every command");
    w->text(out,
            "Flags may stand before or after arguments, as --flag value or --flag=value. --no-FLAG turns a "
            "switch off, "
            "-- ends the flags. Secrets are no flags: the environment or the configuration holds them.\n");
    if (rc == FINOPS_OK)
        rc = write_flags(w, out, NULL, err);
    w->title(out, "Exit status");
    if (w == &markdown)
        fo_str_addc(out, '\n');
    for (size_t i = 0; i < FO_COUNT(exits); i++)
        w->item(out, exits[i][0], exits[i][1]);
    w->title(out, "Files");
    w->text(out, files_text);
    w->title(out, "Environment");
    w->text(out, environment_text);
    return rc == FINOPS_OK ? fo_str_check(out, err) : rc;
}

finops_code
fo_manual_man(fo_str *out, finops_error **err)
{
    fo_str_add(out, ".TH FINOPS 1 \"\" \"finops " FINOPS_VERSION "\" \"User commands\"\n"
                    ".SH NAME\nfinops \\- load cloud bills, keep them right, show where the money goes\n");
    return write_manual(&man, out, err);
}

finops_code
fo_manual_markdown(fo_str *out, finops_error **err)
{
    fo_str_add(out, "# The command line\n\nWritten by `finops manual markdown` from the tables of commands "
                    "and flags; change those "
                    "instead of this page.\n");
    return write_manual(&markdown, out, err);
}
