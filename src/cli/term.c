/* What the terminal can do. */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/str.h"
#include "cli/cli_internal.h"

bool
fo_term_colour(int fd, bool no_color)
{
    const char *wish = getenv("NO_COLOR"); /* https://no-color.org: set and not empty */
    const char *term = getenv("TERM");

    if (no_color || (wish && wish[0]) || !isatty(fd))
        return false;
    return term && term[0] && strcmp(term, "dumb") != 0;
}

unsigned
fo_term_width(int fd)
{
    const char *columns = getenv("COLUMNS");
    struct winsize size;
    unsigned long long n;

    if (!isatty(fd))
        return 0;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return columns && fo_parse_u64(columns, &n) && n > 0 && n < 10000 ? (unsigned)n : 80;
}
