/* Reading an audit log again: does each line carry the hash of the one before it? */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include "base/mem.h"
#include "database/audit.h"

typedef struct reader {
    const char *path;
    FILE *file;
    char *line;
    size_t cap;
} reader;

static void
reader_done(reader *r)
{
    if (r->file)
        (void)fclose(r->file);
    free(r->line); /* of getline() */
}

/* The last line before it is covered by no line after it that could be believed. */
static finops_code
wrong(const reader *r, uint64_t line, const char *what, finops_error **err)
{
    (void)fo_error_set(err, FINOPS_E_CORRUPT, "%s: line %llu %s", r->path, (unsigned long long)line, what);
    if (line == 3)
        fo_error_hint(err, "line 1 is as it was written");
    else if (line > 3)
        fo_error_hint(err, "lines 1 to %llu are as they were written", (unsigned long long)line - 2);
    return FINOPS_E_CORRUPT;
}

/* Its form; what it says is covered by the hash of the line after it. */
static finops_code
line_check(const reader *r, uint64_t number, const char *line, size_t n, const char *prev, finops_error **err)
{
    size_t head = strlen(FO_AUDIT_HEAD), hash = FO_SHA256_HEX - 1;

    if (n < head + hash + 2 || memcmp(line, FO_AUDIT_HEAD, head) != 0 || line[n - 1] != '}' ||
        memchr(line, '\0', n))
        return wrong(r, number, "is no entry of an audit log", err);
    if (memcmp(line + head, prev, hash) != 0)
        return wrong(r, number,
                     "does not follow the one before it: a line was changed, removed or put in here", err);
    return FINOPS_OK;
}

/* The last line without its end was being written when its writer was killed, or was cut. */
static finops_code
line_next(reader *r, uint64_t number, size_t *ret_n, finops_error **err)
{
    ssize_t n = getline(&r->line, &r->cap, r->file);

    *ret_n = 0;
    if (n < 0)
        return ferror(r->file) ? fo_error_errno(err, errno, "read %s", r->path) : FINOPS_OK;
    if (r->line[n - 1] != '\n')
        return wrong(r, number, "is cut off", err);
    *ret_n = (size_t)n;
    return FINOPS_OK;
}

static finops_code
verify(reader *r, const char *known, fo_audit_summary *s, finops_error **err)
{
    finops_code rc = FINOPS_OK;
    size_t n;

    fo_audit_first(s->last);
    for (;;) {
        rc = line_next(r, s->lines + 1, &n, err);
        if (rc != FINOPS_OK || n == 0)
            return rc;
        s->lines++;
        rc = line_check(r, s->lines, r->line, n - 1, s->last, err);
        if (rc == FINOPS_OK)
            rc = fo_sha256_hex(r->line, n - 1, s->last, err);
        if (rc != FINOPS_OK)
            return rc;
        s->known_seen |= known && strcmp(known, s->last) == 0;
    }
}

finops_code
fo_audit_verify(const char *path, const char *known, fo_audit_summary *ret, finops_error **err)
{
    FO_AUTO(reader_done) reader r = { .path = path, .file = fopen(path, "re") };
    fo_audit_summary summary = { 0 };
    finops_code rc;

    if (!r.file)
        return fo_error_errno(err, errno, "open audit log %s", path);
    while (flock(fileno(r.file), LOCK_SH) != 0)
        if (errno != EINTR)
            return fo_error_errno(err, errno, "lock audit log %s", path);
    rc = verify(&r, known, &summary, err);
    if (rc != FINOPS_OK)
        return rc;
    if (known && !summary.known_seen) {
        (void)fo_error_set(err, FINOPS_E_CORRUPT, "%s: no line has the hash %s", path, known);
        fo_error_hint(err, "the end of the log was cut off, or the log is another one");
        return FINOPS_E_CORRUPT;
    }
    *ret = summary;
    return FINOPS_OK;
}
