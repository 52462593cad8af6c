/*
 * Log lines.
 *
 * A line is put together on the stack and leaves by one write() under a lock, so lines of threads never mix
 * and logging neither fails for want of memory nor disturbs a test that counts allocations. What does not fit
 * is cut and marked.
 */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#define MESSAGE_MAX 8192
#define LINE_BYTES 16384
#define LINE_RESERVE 64 /* always left for quotes, the mark of a cut and the end of the line */

typedef struct line {
    size_t len;
    bool json;
    bool colour;
    char text[LINE_BYTES];
} line;

typedef struct level_row {
    const char *name;  /* in JSON and on the command line */
    const char *label; /* for people */
    const char *colour;
} level_row;

static const level_row levels[] = {
    [FO_LOG_DEBUG] = { "debug", "debug", "\033[2m" },
    [FO_LOG_INFO] = { "info", "info", "\033[32m" },
    [FO_LOG_WARN] = { "warn", "warning", "\033[33m" },
    [FO_LOG_ERROR] = { "error", "error", "\033[31m" },
    [FO_LOG_OFF] = { "off", "off", "" },
};

static atomic_int log_level = FO_LOG_INFO;
static atomic_bool log_json;
static atomic_bool log_colour;
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

void
fo_log_setup(fo_level level, bool json, bool colour)
{
    atomic_store(&log_level, (int)level);
    atomic_store(&log_json, json);
    atomic_store(&log_colour, colour);
}

bool
fo_log_enabled(fo_level level)
{
    return level != FO_LOG_OFF && (int)level >= atomic_load_explicit(&log_level, memory_order_relaxed);
}

bool
fo_log_level_parse(const char *s, fo_level *ret)
{
    assert(ret);

    for (size_t i = 0; s && i < FO_COUNT(levels); i++) {
        if (strcmp(s, levels[i].name) != 0)
            continue;
        *ret = (fo_level)i;
        return true;
    }
    return false;
}

/* What may still be written without touching the reserve. */
static size_t
room(const line *l)
{
    const size_t limit = sizeof(l->text) - LINE_RESERVE;

    return l->len < limit ? limit - l->len : 0;
}

/* For the small fixed parts only; the reserve is theirs. */
static void
put(line *l, const char *z)
{
    size_t n = strlen(z);

    assert(l->len + n <= sizeof(l->text));
    memcpy(l->text + l->len, z, n);
    l->len += n;
}

/* One character as it may stand in a line, escaped where a terminal or a JSON reader would stumble. */
static void
escape_one(const line *l, const char *p, unsigned n, uint32_t c, bool quoted, char out[16])
{
    bool control = c < 0x20 || (c >= 0x7f && c < 0xa0);

    if (n == 0)
        (void)snprintf(out, 16, l->json ? "\xef\xbf\xbd" : "\\x%02x", (unsigned)(unsigned char)p[0]);
    else if (c == '\n')
        (void)snprintf(out, 16,
                       l->json || quoted ? "\\n"
                                         : "\n  "); /* the lines of one message stand below one another */
    else if (c == '\r')
        (void)snprintf(out, 16, "\\r");
    else if (c == '\t' && !l->json && !quoted)
        (void)snprintf(out, 16, "\t");
    else if (c == '\t')
        (void)snprintf(out, 16, "\\t");
    else if (control)
        (void)snprintf(out, 16, l->json ? "\\u%04x" : "\\x%02x", (unsigned)c);
    else if ((c == '"' || c == '\\') && quoted)
        (void)snprintf(out, 16, "\\%c", (char)c);
    else
        (void)snprintf(out, 16, "%.*s", (int)n, p);
}

static void
put_escaped(line *l, const char *z, bool quoted)
{
    size_t left = strlen(z);
    char out[16];

    while (left > 0) {
        uint32_t c = 0;
        unsigned n = fo_utf8_decode(z, left, &c);

        escape_one(l, z, n, c, quoted, out);
        if (strlen(out) > room(l)) {
            put(l, "...");
            return;
        }
        put(l, out);
        z += n ? n : 1;
        left -= n ? n : 1;
    }
}

/* Whether a value would be misread without quotes in key=value. */
static bool
needs_quotes(const char *z)
{
    return z[0] == '\0' || strpbrk(z, " \t\n\r\"=\\") != NULL;
}

static void
put_quoted(line *l, const char *z)
{
    put(l, "\"");
    put_escaped(l, z, true);
    put(l, "\"");
}

static void
put_field(line *l, const fo_field *f)
{
    if (strlen(f->key) + 32 > room(l)) /* no half field */
        return;
    if (l->json) {
        put(l, ",");
        put_quoted(l, f->key);
        put(l, ":");
        if (f->value)
            put_quoted(l, f->value);
        else
            put(l, "null");
        return;
    }
    put(l, " ");
    put_escaped(l, f->key, false);
    put(l, "=");
    if (f->value && needs_quotes(f->value))
        put_quoted(l, f->value);
    else
        put_escaped(l, f->value ? f->value : "null", false);
}

static void
put_label(line *l, const char *label, const char *colour)
{
    if (l->colour)
        put(l, colour);
    put(l, label);
    put(l, ":");
    if (l->colour)
        put(l, "\033[0m");
    put(l, " ");
}

static void
put_begin(line *l, fo_level level, const char *message)
{
    char time[FO_TIME_TEXT];

    l->len = 0;
    l->json = atomic_load(&log_json);
    l->colour = atomic_load(&log_colour) && !l->json;
    if (l->json) {
        put(l, "{\"ts\":\"");
        put(l, fo_time_format(fo_clock_now(), time));
        put(l, "\",\"level\":\"");
        put(l, levels[level].name);
        put(l, "\",\"message\":");
        put_quoted(l, message);
    } else {
        put_label(l, levels[level].label, levels[level].colour);
        put_escaped(l, message, false);
    }
}

/* Ends the line and sends it. A log that cannot be written has nobody left to be told. */
static void
put_end(line *l)
{
    size_t sent = 0;

    put(l, l->json ? "}\n" : "\n");
    (void)pthread_mutex_lock(&log_lock);
    while (sent < l->len) {
        ssize_t n = write(STDERR_FILENO, l->text + sent, l->len - sent);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        sent += (size_t)n;
    }
    (void)pthread_mutex_unlock(&log_lock);
}

static FO_PRINTF(4, 0) void log_list(fo_level level, const fo_field *fields, unsigned n, const char *fmt,
                                     va_list ap)
{
    char message[MESSAGE_MAX];
    int saved = errno;
    line l;

    assert(level >= FO_LOG_DEBUG && level < FO_LOG_OFF && (fields || n == 0) && fmt);

    if (vsnprintf(message, sizeof(message), fmt, ap) >= (int)sizeof(message))
        memcpy(message + sizeof(message) - 4, "...", 4);
    put_begin(&l, level, message);
    for (unsigned i = 0; i < n; i++)
        put_field(&l, &fields[i]);
    put_end(&l);
    errno = saved;
}

void
fo_log_fields(fo_level level, const fo_field *fields, unsigned n, const char *fmt, ...)
{
    va_list ap;

    if (!fo_log_enabled(level))
        return;
    va_start(ap, fmt);
    log_list(level, fields, n, fmt, ap);
    va_end(ap);
}

void
fo_log(fo_level level, const char *fmt, ...)
{
    va_list ap;

    if (!fo_log_enabled(level))
        return;
    va_start(ap, fmt);
    log_list(level, NULL, 0, fmt, ap);
    va_end(ap);
}

void
fo_log_error(const finops_error *err)
{
    const char *hint = finops_error_hint(err);
    int saved = errno;
    line l;

    if (!err || !fo_log_enabled(FO_LOG_ERROR))
        return;
    put_begin(&l, FO_LOG_ERROR, finops_error_text(err));
    if (l.json)
        put_field(&l, &(fo_field){ "code", finops_code_name(finops_error_code(err)) });
    if (l.json && hint) {
        put_field(&l, &(fo_field){ "hint", hint });
    } else if (hint && room(&l) > LINE_RESERVE) {
        put(&l, "\n");
        put_label(&l, "hint", "\033[36m");
        put_escaped(&l, hint, false);
    }
    put_end(&l);
    errno = saved;
}
