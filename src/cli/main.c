/*
 * The command: words -> verb -> flags -> configuration -> run -> exit status. Every failure is logged here,
 * once, with its hint, and nowhere else.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "cli/aws_place.h"
#include "cli/cli_internal.h"
#include "net/no_proxy.h"

static fo_cancel cancel; /* the signal handler can reach nothing else */

/* The first signal asks the work to stop and tidy up; the second ends the program at once, as the signal
 * would have. */
static void
on_stop(int sig)
{
    if (fo_cancelled(&cancel)) {
        (void)signal(sig, SIG_DFL);
        (void)raise(sig);
        return;
    }
    fo_cancel_request(&cancel);
}

/* A program started with a signal ignored (nohup) keeps it ignored. SIGPIPE is ignored so that a closed pipe
 * is an error of write(), which an import can survive. */
static void
signals_install(void)
{
    const int stops[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction action = { .sa_handler = on_stop };

    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < FO_COUNT(stops); i++) {
        struct sigaction old;

        if (sigaction(stops[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            (void)sigaction(stops[i], &action, NULL);
    }
    (void)signal(SIGPIPE, SIG_IGN);
}

/* Flags come before the settings of the configuration, and an exact --log-level before --quiet and --verbose.
 */
static void
log_start(const fo_globals *g, const fo_settings *settings)
{
    const char *level = g->log_level;
    const char *format = g->log_format;
    fo_level parsed = FO_LOG_INFO;

    if (!level && g->quiet)
        level = "error";
    if (!level && g->verbose)
        level = "debug";
    if (!level && settings)
        level = settings->log.level;
    if (!format && settings)
        format = settings->log.format;
    if (level)
        (void)fo_log_level_parse(level, &parsed);
    fo_log_setup(parsed, format && strcmp(format, "json") == 0, fo_term_colour(STDERR_FILENO, g->no_color));
}

static finops_code
print_help(const fo_verb *verb, const char *group, const fo_globals *g, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    unsigned width = fo_term_width(STDOUT_FILENO);
    bool colour = fo_term_colour(STDOUT_FILENO, g->no_color);
    finops_code rc;

    if (verb)
        rc = fo_help_verb(&text, verb, width, colour, err);
    else if (group)
        rc = fo_help_group(&text, group, width, colour, err);
    else
        rc = fo_help_overview(&text, width, colour, err);
    return rc == FINOPS_OK ? fo_out_flush(stdout, &text, err) : rc;
}

/* What verbs wrote to stdout themselves must have arrived, too. */
static finops_code
finish_output(finops_code rc, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str nothing = FO_STR_INIT;
    finops_code flushed = FINOPS_OK;

    if (!fo_out_closed())
        flushed = fo_out_flush(stdout, &nothing, rc == FINOPS_OK ? err : NULL);
    return rc == FINOPS_OK ? flushed : rc;
}

/* The exit status; a failure is logged. */
static int
finish(finops_code rc, finops_error **err)
{
    rc = finish_output(rc, err);
    if (fo_out_closed() && (rc == FINOPS_OK || finops_error_code(*err) == FINOPS_E_IO))
        return 0;
    if (rc != FINOPS_OK)
        fo_log_error(*err);
    return finops_code_exit_status(rc);
}

static finops_code
run_verb(const fo_parsed *p, finops_error **err)
{
    FO_AUTO(fo_config_freep) fo_config *config = NULL;
    const fo_globals *g = &p->globals;
    fo_cli cli = {
        .verb = p->verb,
        .options = p->options,
        .args = p->args,
        .n_args = p->n_args,
        .out = stdout,
        .quiet = g->quiet,
        .verbose = g->verbose,
        .yes = g->yes,
        .cancel = &cancel,
    };
    FO_AUTO(fo_strv_done) fo_strv place_texts = FO_STRV_INIT;
    FO_AUTO(fo_freep) fo_aws_settings *exports = NULL;
    fo_settings settings;
    finops_code rc;

    if (!(p->verb->flags & FO_VERB_NO_CONFIG)) {
        const fo_config_source source = { .path = g->config,
                                          .overrides = p->overrides,
                                          .n_overrides = p->n_overrides };

        rc = fo_config_load(&source, &config, err);
        if (rc != FINOPS_OK)
            return rc;
        cli.config = config;
        settings = *fo_config_settings(config);
        if (fo_parsed_given(p, "--bucket")) /* names the one source meant, whatever the file lists */
            settings.n_exports = 0;
        cli.settings = &settings;
        rc = fo_aws_place_resolve(&cli, &settings, &place_texts, &exports, err);
        if (rc != FINOPS_OK)
            return rc;
        log_start(g, cli.settings);
        rc = fo_no_proxy_export(cli.settings, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    cli.format = fo_parsed_format(p);
    cli.format_given = fo_parsed_given(p, "--format");
    cli.colour = fo_term_colour(STDOUT_FILENO, g->no_color);
    cli.width = fo_term_width(STDOUT_FILENO);
    cli.progress = isatty(STDERR_FILENO) && !g->quiet;
    rc = p->verb->run(&cli, err);
    fo_progress_clear(&cli);
    if (cli.thread_hangs)
        _exit(finish(rc, err));
    return rc;
}

static finops_code
run_words(char *const *words, size_t n, finops_error **err)
{
    FO_AUTO(fo_parsed_done) fo_parsed p = { 0 };
    FO_AUTO(fo_freep) char **rest = NULL;
    fo_found found = { 0 };
    size_t n_rest = 0;
    finops_code rc;

    rc = fo_verb_find(words, n, &found, err);
    if (rc != FINOPS_OK)
        return rc;
    rest = fo_array(n + 1, sizeof(*rest));
    if (!rest)
        return fo_error_oom(err);
    for (size_t i = 0; i < n; i++)
        if (i < found.at || i >= found.at + (found.group ? 1 : found.used))
            rest[n_rest++] = words[i];
    rc = fo_flags_parse(found.verb, rest, n_rest, &p, err);
    if (rc != FINOPS_OK)
        return rc;
    log_start(&p.globals, NULL);
    if (p.globals.help || (!found.verb && !found.group && n == 0))
        return print_help(found.verb, found.group, &p.globals, err);
    if (!found.verb) {
        rc = fo_error_set(err, FINOPS_E_USAGE, "%s%sno command given", found.group ? found.group : "",
                          found.group ? ": " : "");
        fo_error_hint(err, "finops help%s%s lists the commands", found.group ? " " : "",
                      found.group ? found.group : "");
        return rc;
    }
    rc = fo_flags_check(&p, err);
    return rc == FINOPS_OK ? run_verb(&p, err) : rc;
}

int
main(int argc, char **argv)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    finops_code rc;

    if (argc == 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0))
        return puts("finops " FINOPS_VERSION) < 0 || fflush(stdout) != 0 ? 1 : 0;
    signals_install();
    fo_log_setup(FO_LOG_INFO, false, fo_term_colour(STDERR_FILENO, false));
    rc = run_words(argv + 1, argc > 0 ? (size_t)argc - 1 : 0, &err);
    return finish(rc, &err);
}
