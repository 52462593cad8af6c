/* The progress line: one line on stderr, drawn over itself, at most ten times a second. */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli_internal.h"

#define REDRAW 100000 /* microseconds */
#define BAR 20        /* columns */

static void
add_bar(fo_str *line, double fraction)
{
    double f = fraction > 1 ? 1 : fraction;
    int full = (int)(f * BAR);

    for (int i = 0; i < BAR; i++)
        fo_str_add(line, i < full ? "█" : "░");
    fo_str_addf(line, " %3d%%  ", (int)(f * 100));
}

/* Cut to the terminal: a line that wraps could not be drawn over. */
static size_t
fitting(const char *text, size_t len, size_t columns)
{
    size_t n = len;

    while (n > 0 && fo_utf8_width(text, n) > columns) {
        n--;
        while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80)
            n--;
    }
    return n;
}

void
fo_progress_show(fo_cli *cli, double fraction, const char *fmt, ...)
{
    FO_AUTO(fo_str_done) fo_str line = FO_STR_MAX(4096);
    int64_t now = fo_clock_monotonic();
    unsigned width;
    va_list ap;

    if (!cli->progress || (cli->progress_at && now - cli->progress_at < REDRAW))
        return;
    cli->progress_at = now ? now : 1;
    if (fraction >= 0)
        add_bar(&line, fraction);
    va_start(ap, fmt);
    fo_str_addv(&line, fmt, ap);
    va_end(ap);
    if (!fo_str_ok(&line))
        return;
    width = fo_term_width(STDERR_FILENO);
    (void)fprintf(stderr, "\r%.*s\033[K", (int)fitting(fo_str_z(&line), line.len, width > 1 ? width - 1 : 79),
                  fo_str_z(&line));
    (void)fflush(stderr);
}

void
fo_progress_clear(fo_cli *cli)
{
    if (!cli->progress || !cli->progress_at)
        return;
    cli->progress_at = 0;
    (void)fputs("\r\033[K", stderr);
    (void)fflush(stderr);
}
