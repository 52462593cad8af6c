/* The cases of a conformance suite, printed. */
#include "cli/suite.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"

finops_code
fo_suite_begin(fo_suite_printer *p, finops_error **err)
{
    static const fo_table_column columns[] = { { "area", NULL, false },
                                               { "name", NULL, false },
                                               { "outcome", NULL, false },
                                               { "ms", NULL, true },
                                               { "why", NULL, false } };

    if (p->cli->format == FO_FORMAT_TABLE)
        return FINOPS_OK;
    p->table = fo_table_new(columns, FO_COUNT(columns));
    return p->table ? FINOPS_OK : fo_error_oom(err);
}

void
fo_suite_done(fo_suite_printer *p)
{
    fo_table_freep(&p->table);
}

static void
line_print(const fo_suite_printer *p, const fo_case_result *r)
{
    static const char *const colours[] = { "\033[32m", "\033[31m", "\033[2m", "\033[2m" };
    const char *why = r->why[0] ? r->why : NULL, *end = p->cli->colour ? "\033[0m" : "";

    if (p->list)
        (void)fprintf(p->cli->out, "%s: %s\n", r->area, r->name);
    else
        (void)fprintf(p->cli->out, "%s%-11s%s %s: %s%s%s\n", p->cli->colour ? colours[r->outcome] : "",
                      fo_case_outcome_name(r->outcome), end, r->area, r->name, why ? ": " : "",
                      why ? why : "");
    (void)fflush(p->cli->out);
}

void
fo_suite_case(const fo_case_result *r, void *arg)
{
    fo_suite_printer *p = arg;
    char ms[32];

    p->n++;
    if (p->failed && r->outcome != FO_CASE_FAILED) {
        fo_progress_show(p->cli, -1, "%u cases, now %s: %s", p->n, r->area, r->name);
        return;
    }
    fo_progress_clear(p->cli);
    if (!p->table) {
        line_print(p, r);
        return;
    }
    (void)snprintf(ms, sizeof(ms), "%.1f", r->seconds * 1000);
    const char *const cells[] = { r->area, r->name, p->list ? NULL : fo_case_outcome_name(r->outcome), ms,
                                  r->why[0] ? r->why : NULL };
    p->out_of_memory |= !fo_table_add(p->table, cells);
}

static finops_code
summary_print(const fo_suite_printer *p, const fo_conformance_summary *s, finops_error **err)
{
    const fo_cli *cli = p->cli;
    FILE *to = cli->format == FO_FORMAT_TABLE ? cli->out : stderr;
    char not_run[32] = "";

    if (p->list)
        return FINOPS_OK;
    if (s->passed + s->failed + s->not_claimed == 0)
        return fo_error_set(err, FINOPS_E_USAGE, "no case matches %s", p->filter ? p->filter : "");
    if (s->not_run)
        (void)snprintf(not_run, sizeof(not_run), ", %u not run", s->not_run);
    if (!cli->quiet || cli->format == FO_FORMAT_TABLE)
        (void)fprintf(to, "%u passed, %u failed, %u not claimed%s\n", s->passed, s->failed, s->not_claimed,
                      not_run);
    if (s->left[0])
        fo_warn("%s of the tests could not be removed: remove it by hand", s->left);
    if (s->hung[0])
        return fo_error_set(err, FINOPS_E_TIMEOUT, "%s hangs in \"%s\"; what comes after it was not run",
                            cli->args[0], s->hung);
    if (s->failed)
        return fo_error_set(err, p->code, "%s failed %u of %u cases", cli->args[0], s->failed,
                            s->passed + s->failed);
    return FINOPS_OK;
}

finops_code
fo_suite_end(fo_suite_printer *p, const fo_conformance_summary *s, finops_code rc, finops_error **err)
{
    fo_progress_clear(p->cli);
    if (rc == FINOPS_OK && p->out_of_memory)
        rc = fo_error_oom(err);
    if (rc == FINOPS_OK)
        rc = p->table ? fo_table_print(p->cli, p->table, err) : fo_out_check(p->cli->out, err);
    return rc == FINOPS_OK ? summary_print(p, s, err) : rc;
}
