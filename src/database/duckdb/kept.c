/* Answers kept beside the database file. */
#include "database/duckdb/kept.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

#define KEPT_FORMAT 1
#define KEPT_MAX ((size_t)64 << 20)
/* DuckDB's main header and its two database headers, 4096 bytes each: the second or third is written anew,
 * with a counter, by each checkpoint. https://duckdb.org/docs/stable/internals/storage */
#define HEADER_BYTES ((size_t)3 * 4096)

typedef struct answer {
    char *sql;
    fo_rows *rows;
} answer;

struct fo_kept {
    answer *answers;
    size_t n;
};

/* Committed work may stand in the log alone; the file's own mark then says nothing. */
static bool
kept_log_is_empty(const char *database_path)
{
    FO_AUTO(fo_freep) char *log = fo_format("%s.wal", database_path);
    struct stat st;

    return log && (stat(log, &st) != 0 || st.st_size == 0);
}

fo_kept_mark
fo_kept_mark_of(const char *database_path)
{
    fo_kept_mark mark = FO_KEPT_MARK_INIT;
    int fd = open(database_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FO_AUTO(fo_freep) char *header = fo_alloc(HEADER_BYTES);
    char hex[FO_SHA256_HEX];
    struct stat st;

    mark.fd = fd;
    if (fd < 0 || !header || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return mark;
    if (pread(fd, header, HEADER_BYTES, 0) != (ssize_t)HEADER_BYTES || !kept_log_is_empty(database_path))
        return mark;
    if (fo_sha256_hex(header, HEADER_BYTES, hex, NULL) != FINOPS_OK)
        return mark;
    snprintf(mark.text, sizeof(mark.text), "%ju %ju %jd %jd.%09ld %s", (uintmax_t)st.st_dev,
             (uintmax_t)st.st_ino, (intmax_t)st.st_size, (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
             hex);
    return mark;
}

void
fo_kept_mark_done(fo_kept_mark *mark)
{
    if (mark->fd >= 0)
        (void)close(mark->fd);
    mark->fd = -1;
}

void
fo_kept_close(fo_kept *kept)
{
    if (!kept)
        return;
    for (size_t i = 0; i < kept->n; i++) {
        fo_free(kept->answers[i].sql);
        fo_rows_free(kept->answers[i].rows);
    }
    fo_free(kept->answers);
    fo_free(kept);
}

void
fo_kept_closep(fo_kept **kept)
{
    fo_kept_close(*kept);
    *kept = NULL;
}

const fo_rows *
fo_kept_rows(const fo_kept *kept, const char *sql)
{
    assert(kept && sql);
    for (size_t i = 0; i < kept->n; i++)
        if (kept->answers[i].sql && fo_streq(kept->answers[i].sql, sql))
            return kept->answers[i].rows;
    return NULL;
}

fo_kept *
fo_kept_new(size_t n)
{
    FO_AUTO(fo_kept_closep) fo_kept *kept = fo_zalloc(sizeof(*kept));

    assert(n > 0);
    if (!kept)
        return NULL;
    kept->answers = fo_array(n, sizeof(*kept->answers));
    if (!kept->answers)
        return NULL;
    memset(kept->answers, 0, n * sizeof(*kept->answers));
    kept->n = n;
    return FO_TAKE(kept);
}

finops_code
fo_kept_set(fo_kept *kept, size_t i, const char *sql, fo_rows *rows, finops_error **err)
{
    assert(kept && i < kept->n && !kept->answers[i].sql && sql && rows);
    kept->answers[i].rows = rows;
    kept->answers[i].sql = fo_strdup(sql);
    return kept->answers[i].sql ? FINOPS_OK : fo_error_oom(err);
}

/* Each row an array of texts and nulls. NULL: no memory, or a text that is no UTF-8. */
static json_t *
rows_to_json(const fo_rows *rows)
{
    FO_AUTO(json_decrefp) json_t *list = json_array();

    for (size_t i = 0; list && i < fo_rows_count(rows); i++) {
        json_t *row = json_array();
        for (size_t j = 0; row && j < fo_rows_columns(rows); j++) {
            const char *cell = fo_rows_text(rows, i, j);
            if (json_array_append_new(row, cell ? json_string(cell) : json_null()) != 0) {
                json_decref(row);
                row = NULL;
            }
        }
        if (!row || json_array_append_new(list, row) != 0)
            return NULL;
    }
    return FO_TAKE(list);
}

static json_t *
kept_to_json(const fo_kept *kept, const fo_kept_mark *mark)
{
    FO_AUTO(json_decrefp) json_t *answers = json_array();

    for (size_t i = 0; answers && i < kept->n; i++) {
        const fo_rows *rows = kept->answers[i].rows;
        json_t *one = json_pack("{s:s, s:i, s:o}", "statement", kept->answers[i].sql, "columns",
                                (int)fo_rows_columns(rows), "rows", rows_to_json(rows));
        if (!one || json_array_append_new(answers, one) != 0)
            return NULL;
    }
    return answers ? json_pack("{s:i, s:s, s:o}", "format", KEPT_FORMAT, "file", mark->text, "answers",
                               FO_TAKE(answers))
                   : NULL;
}

static char *
kept_path(const char *database_path)
{
    return fo_format("%s.kept", database_path);
}

/*
 * Not by way of a temporary file: what is cut off or mixed up is no JSON, and then nothing was kept; a
 * temporary file of a writer that was killed would be litter.
 */
static finops_code
kept_put(const char *path, const char *text, finops_error **err)
{
    FO_AUTO(fo_fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    size_t n = strlen(text);

    if (fd < 0)
        return fo_error_errno(err, errno, "write %s", path);
    while (n > 0) {
        ssize_t sent = write(fd, text, n);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return fo_error_errno(err, errno, "write %s", path);
        text += sent;
        n -= (size_t)sent;
    }
    return FINOPS_OK;
}

finops_code
fo_kept_write(const fo_kept *kept, const char *database_path, const fo_kept_mark *mark, finops_error **err)
{
    FO_AUTO(json_decrefp) json_t *json = NULL;
    FO_AUTO(fo_freep) char *path = kept_path(database_path);
    finops_code rc;

    assert(kept && mark);
    if (!*mark->text)
        return FINOPS_OK;
    json = kept_to_json(kept, mark);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    rc = path && text ? kept_put(path, text, err) : fo_error_oom(err);
    free(text);
    return rc;
}

/* false: not what we write, or no memory; the answers are then as if never kept. */
static bool
rows_from_json(const json_t *one, fo_rows **ret)
{
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    const json_t *list = json_object_get(one, "rows");
    json_int_t columns = json_integer_value(json_object_get(one, "columns"));
    const char *cells[8];

    if (!json_is_array(list) || columns < 1 || columns > (json_int_t)FO_COUNT(cells))
        return false;
    rows = fo_rows_new((size_t)columns);
    for (size_t i = 0; rows && i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        if (json_array_size(row) != (size_t)columns)
            return false;
        for (size_t j = 0; j < (size_t)columns; j++)
            cells[j] = json_string_value(json_array_get(row, j));
        if (!fo_rows_add(rows, cells))
            return false;
    }
    *ret = FO_TAKE(rows);
    return *ret != NULL;
}

static fo_kept *
kept_from_json(const json_t *json)
{
    const json_t *answers = json_object_get(json, "answers");
    size_t n = json_array_size(answers);
    FO_AUTO(fo_kept_closep) fo_kept *kept = n ? fo_kept_new(n) : NULL;

    for (size_t i = 0; kept && i < n; i++) {
        const json_t *one = json_array_get(answers, i);
        const char *sql = json_string_value(json_object_get(one, "statement"));
        fo_rows *rows = NULL;

        if (!sql || !rows_from_json(one, &rows) || fo_kept_set(kept, i, sql, rows, NULL) != FINOPS_OK)
            return NULL;
    }
    return FO_TAKE(kept);
}

fo_kept *
fo_kept_open(const char *database_path)
{
    FO_AUTO(fo_freep) char *path = kept_path(database_path);
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(KEPT_MAX);
    FO_AUTO(json_decrefp) json_t *json = NULL;
    FO_AUTO(fo_kept_mark_done) fo_kept_mark mark = FO_KEPT_MARK_INIT;

    if (!path || fo_file_read(path, KEPT_MAX, &text, NULL) != FINOPS_OK)
        return NULL;
    json = json_loadb(fo_str_z(&text), text.len, 0, NULL);
    mark = fo_kept_mark_of(database_path);
    if (json_integer_value(json_object_get(json, "format")) != KEPT_FORMAT || !*mark.text ||
        !fo_streq(json_string_value(json_object_get(json, "file")), mark.text))
        return NULL;
    return kept_from_json(json);
}
