/* The text of one file, cut into records: at line ends, of CSV at those outside quotes. */
#include "engine/records_internal.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"

#define INPUT ((size_t)1 << 20) /* bytes read at once */

struct fo_record_source {
    const fo_records_file *input;
    fo_file *file;
    fo_inflate *inflate; /* NULL: stored plain */
    char peek[2];
    size_t peek_n, peek_at; /* bytes read ahead */
    fo_scratch text;        /* begins with a record once `at` bytes are skipped */
    size_t at;
    int64_t line; /* of the record at `at` */
    bool begun, ended;
};

bool
fo_scratch_room(fo_scratch *s, size_t n)
{
    void *p = s->p;
    bool ok = fo_grow(&p, &s->cap, n, 1);

    s->p = p;
    return ok;
}

/* Stored bytes, those read ahead first. */
static finops_code
source_stored(void *arg, void *buf, size_t n, size_t *ret_n, finops_error **err)
{
    fo_record_source *s = arg;
    size_t left = s->peek_n - s->peek_at;

    if (left == 0)
        return fo_file_next(s->file, buf, n, ret_n, err);
    *ret_n = left < n ? left : n;
    memcpy(buf, s->peek + s->peek_at, *ret_n);
    s->peek_at += *ret_n;
    return FINOPS_OK;
}

static finops_code
source_start(fo_record_source *s, finops_error **err)
{
    size_t n = 1;
    finops_code rc = FINOPS_OK;

    while (rc == FINOPS_OK && n > 0 && s->peek_n < sizeof(s->peek)) {
        rc = fo_file_next(s->file, s->peek + s->peek_n, sizeof(s->peek) - s->peek_n, &n, err);
        if (rc == FINOPS_OK)
            s->peek_n += n;
    }
    if (rc == FINOPS_OK && s->peek_n == 2 && memcmp(s->peek, "\x1f\x8b", 2) == 0) {
        s->inflate = fo_inflate_new(source_stored, s, INPUT);
        rc = s->inflate ? FINOPS_OK : fo_error_oom(err);
    }
    return rc;
}

finops_code
fo_record_source_open(fo_files *files, const fo_records_file *input, fo_record_source **ret,
                      finops_error **err)
{
    fo_record_source *s = fo_zalloc(sizeof(*s));
    finops_code rc;

    assert(files && input && ret);
    if (!s)
        return fo_error_oom(err);
    s->input = input;
    s->line = 1;
    rc = fo_file_open(files, input->address, &s->file, err);
    if (rc == FINOPS_OK)
        rc = source_start(s, err);
    if (rc != FINOPS_OK) {
        fo_record_source_close(s);
        return rc;
    }
    *ret = s;
    return FINOPS_OK;
}

void
fo_record_source_close(fo_record_source *source)
{
    if (!source)
        return;
    fo_inflate_free(source->inflate);
    fo_file_close(source->file);
    fo_free(source->text.p);
    fo_free(source);
}

/* More text behind what is there; the records already taken go. */
static finops_code
source_fill(fo_record_source *s, finops_error **err)
{
    fo_scratch *t = &s->text;
    size_t n = 0;
    finops_code rc;

    if (s->at > 0) {
        memmove(t->p, t->p + s->at, t->n - s->at);
        t->n -= s->at;
        s->at = 0;
    }
    if (t->n > FO_RECORD_MAX)
        return fo_error_set(err, FINOPS_E_DATA, "%s line %lld: a record of more than %zu MiB%s",
                            s->input->label, (long long)s->line, FO_RECORD_MAX >> 20,
                            s->input->n_fields ? "; is a quote left open?" : "");
    if (!fo_scratch_room(t, t->n + INPUT))
        return fo_error_oom(err);
    rc = s->inflate ? fo_inflate_read(s->inflate, t->p + t->n, INPUT, &n, err)
                    : source_stored(s, t->p + t->n, INPUT, &n, err);
    if (rc != FINOPS_OK)
        return s->inflate ? fo_error_wrap(err, rc, "read %s", s->input->label) : rc;
    t->n += n;
    s->ended = n == 0;
    if (!s->begun && t->n < 3 && !s->ended)
        return source_fill(s, err);
    if (!s->begun && t->n >= 3 && memcmp(t->p, "\xef\xbb\xbf", 3) == 0)
        s->at = 3; /* a byte order mark */
    s->begun = true;
    return FINOPS_OK;
}

/* Where the looking for a record's end stands. */
typedef struct record_scan {
    size_t at; /* bytes of the record seen */
    bool inside, fresh;
    int64_t lines; /* line ends inside quotes */
} record_scan;

/* Whether the record's end, its '\n', is among the text; scan->at is then where. */
static bool
record_end(const char *p, size_t n, bool csv, record_scan *scan)
{
    if (n == 0)
        return false;
    if (!csv) {
        const char *end = memchr(p + scan->at, '\n', n - scan->at);

        scan->at = end ? (size_t)(end - p) : n;
        return end != NULL;
    }
    for (; scan->at < n; scan->at++) {
        char c = p[scan->at];

        if (c == '\n' && !scan->inside)
            return true;
        scan->lines += c == '\n';
        if (c == '"' && scan->inside) {
            scan->inside = false;
            scan->fresh = true; /* a second one opens it again */
        } else if (c == '"' && scan->fresh) {
            scan->inside = true;
        } else {
            scan->fresh = c == ',';
        }
    }
    return false;
}

static bool
is_blank(const char *p, size_t n)
{
    while (n > 0 && strchr(" \t\r", p[n - 1]) && p[n - 1])
        n--;
    return n == 0;
}

finops_code
fo_record_source_next(fo_record_source *s, fo_record *ret, bool *ret_any, finops_error **err)
{
    bool csv = s->input->n_fields > 0;

    for (;;) {
        record_scan scan = { .fresh = true };

        while (!record_end(s->text.p + s->at, s->text.n - s->at, csv, &scan) && !s->ended) {
            finops_code rc = source_fill(s, err);

            if (rc != FINOPS_OK)
                return rc;
            if (csv) /* quotes are looked at from the record's begin on */
                scan = (record_scan){ .fresh = true };
        }
        *ret = (fo_record){ s->text.p + s->at, scan.at, s->line, scan.inside };
        *ret_any = s->at < s->text.n;
        if (!*ret_any)
            return FINOPS_OK;
        s->at += scan.at + (s->at + scan.at < s->text.n);
        s->line += scan.lines + 1;
        if (ret->n > 0 && ret->text[ret->n - 1] == '\r')
            ret->n--;
        if (s->input->n_fields == 1 || !is_blank(ret->text, ret->n))
            return FINOPS_OK;
    }
}

/* One quoted field from its quote on; *at moves behind it. False: text follows the closing quote. */
static bool
split_quoted(const fo_record *r, size_t *at, fo_scratch *scratch, fo_record_field *ret)
{
    size_t from = scratch->n, i = *at + 1;

    for (; i < r->n; i++) {
        if (r->text[i] == '"' && (i + 1 == r->n || r->text[i + 1] != '"'))
            break;
        i += r->text[i] == '"';
        scratch->p[scratch->n++] = r->text[i];
    }
    *at = i < r->n ? i + 1 : i;
    *ret = (fo_record_field){ scratch->p + from, scratch->n - from };
    return *at == r->n || r->text[*at] == ',';
}

size_t
fo_record_split(const fo_record *record, fo_scratch *scratch, fo_record_field *fields, size_t max)
{
    size_t n = 0, at = 0;

    scratch->n = 0;
    if (!fo_scratch_room(scratch, record->n + 1))
        return 0;
    for (;; at++) {
        fo_record_field field = { record->text + at, 0 };

        if (at < record->n && record->text[at] == '"') {
            if (!split_quoted(record, &at, scratch, &field))
                return SIZE_MAX;
        } else {
            const char *comma = memchr(record->text + at, ',', record->n - at);

            field.n = comma ? (size_t)(comma - field.p) : record->n - at;
            at += field.n;
            if (field.n == 0)
                field.p = NULL;
        }
        if (n < max)
            fields[n] = field;
        n++;
        if (at >= record->n)
            return n;
    }
}

static bool
is_number(char c)
{
    return fo_is_digit(c) || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

bool
fo_record_exact(const char *p, size_t n, fo_scratch *out)
{
    bool inside = false;
    char *to;

    if (!fo_scratch_room(out, 3 * n + 1))
        return false;
    to = out->p;
    for (size_t i = 0; i < n; i++) {
        if (!inside && (p[i] == '-' || fo_is_digit(p[i]))) {
            *to++ = '"';
            for (; i < n && is_number(p[i]); i++)
                *to++ = p[i];
            *to++ = '"';
            i--;
            continue;
        }
        *to++ = p[i];
        if (p[i] == '"')
            inside = !inside;
        else if (inside && p[i] == '\\' && i + 1 < n)
            *to++ = p[++i];
    }
    out->n = (size_t)(to - out->p);
    return true;
}
