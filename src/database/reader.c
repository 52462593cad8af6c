/* Records out of files, as an Arrow stream. */
#include "database/reader_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

#define READER_MEMORY ((uint64_t)256 << 20)
#define SQL_MAX ((size_t)64 << 20)

finops_code
fo_data_reader_open(const fo_settings *settings, fo_files_places *places, const fo_cancel *cancel,
                    fo_data_reader **ret, finops_error **err)
{
    const fo_files_options files = {
        .aws = &settings->aws, .network = &settings->network, .places = places, .cancel = cancel
    };
    const fo_engine_options options = { .memory_limit = READER_MEMORY };
    FO_AUTO(fo_data_reader_closep) fo_data_reader *r = fo_zalloc(sizeof(*r));
    finops_code rc;

    assert(settings && ret);
    if (!r)
        return fo_error_oom(err);
    rc = fo_engine_open(&options, &r->engine, err);
    if (rc == FINOPS_OK)
        rc = fo_conn_open(r->engine, &r->conn, err);
    if (rc == FINOPS_OK)
        rc = fo_files_open(r->engine, &files, &r->files, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_conn_set_cancel(r->conn, cancel);
    *ret = FO_TAKE(r);
    return FINOPS_OK;
}

void
fo_data_reader_close(fo_data_reader *reader)
{
    if (!reader)
        return;
    fo_files_close(reader->files);
    fo_conn_close(reader->conn);
    fo_engine_close(reader->engine);
    for (size_t i = 0; i < reader->n_columns; i++) {
        fo_free(reader->columns[i].name);
        fo_free(reader->columns[i].type);
        fo_free(reader->columns[i].only);
    }
    fo_free(reader->columns);
    for (size_t i = 0; reader->inputs && i < reader->job.n_inputs; i++) {
        union {
            const int *in;
            void *out;
        } targets = { .in = reader->inputs[i].targets };

        fo_free(targets.out);
    }
    fo_free(reader->inputs);
    finops_error_free(reader->job.failure);
    fo_strv_done(&reader->addresses);
    fo_strv_done(&reader->labels);
    fo_strv_done(&reader->paths);
    fo_free(reader);
}

void
fo_data_reader_closep(fo_data_reader **reader)
{
    fo_data_reader_close(*reader);
    *reader = NULL;
}

/* ---- columns ---- */

finops_code
fo_data_add(fo_data_reader *reader, const char *name, const char *type, bool given, finops_error **err)
{
    void *items = reader->columns;
    fo_data_column_info c = { .given = given };
    bool ok = fo_grow(&items, &reader->cap_columns, reader->n_columns + 1, sizeof(c));

    reader->columns = items;
    c.name = fo_strdup(name);
    c.type = fo_strdup(type);
    if (ok && c.name && c.type) {
        reader->columns[reader->n_columns++] = c;
        return FINOPS_OK;
    }
    fo_free(c.name);
    fo_free(c.type);
    return fo_error_oom(err);
}

int
fo_data_find(const fo_data_reader *reader, const char *name)
{
    for (size_t i = 0; i < reader->n_columns; i++)
        if (strcasecmp(reader->columns[i].name, name) == 0)
            return (int)i;
    return -1;
}

finops_code
fo_data_no_column(const fo_data_reader *reader, const char *what, const char *name, finops_error **err)
{
    const char *words[512], *nearest;
    size_t n = 0;

    for (; n < reader->n_columns && n < FO_COUNT(words); n++)
        words[n] = reader->columns[n].name;
    nearest = fo_nearest(name, words, n);
    (void)fo_error_set(err, FINOPS_E_USAGE, "%s %s, which is no column of %s", what, name,
                       reader->labels.items[0]);
    if (nearest)
        fo_error_hint(err, "did you mean %s", nearest);
    return FINOPS_E_USAGE;
}

finops_code
fo_data_require(fo_data_reader *reader, const char *column, const char *value, finops_error **err)
{
    int i;
    char *copy;

    assert(reader && column && value);
    i = fo_data_find(reader, column);
    if (i < 0)
        return fo_data_no_column(reader, "the key is", column, err);
    copy = fo_strdup(value);
    if (!copy)
        return fo_error_oom(err);
    fo_free(reader->columns[i].only);
    reader->columns[i].only = copy;
    return FINOPS_OK;
}

/* A type is words, numbers and brackets; names of a STRUCT may be in quotes. Nothing else gets into a
 * statement. */
static bool
type_looks_right(const char *type)
{
    bool quoted = false;

    for (const char *p = type; *p; p++) {
        if (*p == '"')
            quoted = !quoted;
        else if (!quoted && !fo_is_alpha(*p) && !fo_is_digit(*p) && !strchr("_ (),[]", *p) && *p > 0)
            return false;
    }
    return !quoted && *type;
}

finops_code
fo_data_type_spelled(fo_data_reader *reader, const char *type, char **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code rc;

    fo_str_addf(&sql, "SELECT column_type FROM (DESCRIBE SELECT CAST(NULL AS %s) AS t)", type);
    rc = fo_str_check(&sql, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = type_looks_right(type) ? fo_conn_rows(reader->conn, fo_str_z(&sql), NULL, 0, &rows, &why)
                                : FINOPS_E_USAGE;
    if (rc == FINOPS_E_MEMORY || rc == FINOPS_E_CANCELLED) {
        if (err)
            *err = FO_TAKE(why);
        return rc;
    }
    if (rc != FINOPS_OK) {
        rc = fo_error_set(err, FINOPS_E_USAGE, "there is no type %s", type);
        fo_error_hint(err,
                      "types are those of DuckDB: DECIMAL(38,18), TIMESTAMP, VARCHAR, MAP(VARCHAR, VARCHAR)");
    }
    if (rc != FINOPS_OK)
        return rc;
    *ret = fo_strdup(fo_rows_text(rows, 0, 0));
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

finops_code
fo_data_set_type(fo_data_reader *reader, size_t i, const char *type, finops_error **err)
{
    char *spelled = NULL;
    finops_code rc;

    assert(reader && i < reader->n_columns && type);
    rc = fo_data_type_spelled(reader, type, &spelled, err);
    if (rc != FINOPS_OK)
        return fo_error_wrap(err, rc, "column %s", reader->columns[i].name);
    fo_free(reader->columns[i].type);
    reader->columns[i].type = spelled;
    reader->columns[i].given = true;
    return FINOPS_OK;
}

size_t
fo_data_columns(const fo_data_reader *reader)
{
    return reader->n_columns;
}

bool
fo_data_column_absent(const fo_data_reader *reader, size_t i)
{
    assert(reader && i < reader->n_columns);
    return reader->columns[i].absent;
}

const char *
fo_data_column(const fo_data_reader *reader, size_t i, const char **ret_type, bool *ret_given)
{
    *ret_type = reader->columns[i].type;
    *ret_given = reader->columns[i].given;
    return reader->columns[i].name;
}

/* ---- files ---- */

static finops_code
reader_add_address(fo_data_reader *r, const char *path, finops_error **err)
{
    char *address = fo_files_is_remote(path) ? fo_strdup(path)
                                             : fo_path_absolute(fo_starts(path, "file://") ? path + 7 : path);

    return fo_strv_take(&r->addresses, address) && fo_strv_add(&r->labels, path) ? FINOPS_OK
                                                                                 : fo_error_oom(err);
}

/* Opened once now: what is wrong with it is then told in our words. */
static finops_code
reader_add_file(fo_data_reader *r, const char *address, finops_error **err)
{
    FO_AUTO(fo_file_closep) fo_file *file = NULL;
    const char *native = NULL;
    int64_t size = 0;
    finops_code rc;

    if (r->format != FO_DATA_PARQUET)
        return fo_file_peek(r->files, address, &file, err);
    rc = fo_files_native_path(r->files, address, &native, &size, err);
    if (rc == FINOPS_OK && !fo_strv_add(&r->paths, native))
        rc = fo_error_oom(err);
    return rc;
}

static finops_code
reader_read(fo_data_reader *r, fo_data_format format, const fo_data_files *files, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    assert(r && files && files->n_paths > 0 && r->format == FO_DATA_NONE);
    r->format = format;
    r->inputs = fo_array(files->n_paths, sizeof(*r->inputs));
    if (!r->inputs)
        return fo_error_oom(err);
    for (size_t i = 0; rc == FINOPS_OK && i < files->n_paths; i++)
        rc = reader_add_address(r, files->paths[i], err);
    if (rc == FINOPS_OK && format == FO_DATA_PARQUET)
        rc = fo_files_native_paths(r->files, (const char *const *)r->addresses.items, files->n_paths, err);
    for (size_t i = 0; rc == FINOPS_OK && i < files->n_paths; i++)
        rc = reader_add_file(r, r->addresses.items[i], err);
    if (rc != FINOPS_OK)
        return rc;
    for (size_t i = 0; i < files->n_paths; i++)
        r->inputs[i] = (fo_records_file){ .address = r->addresses.items[i], .label = r->labels.items[i] };
    r->job.files = r->files;
    r->job.inputs = r->inputs;
    r->job.n_inputs = files->n_paths;
    if (format != FO_DATA_PARQUET)
        rc = fo_records_register(r->conn, &r->job, err);
    if (rc != FINOPS_OK)
        return rc;
    if (format == FO_DATA_NDJSON)
        rc = fo_data_infer_ndjson(r, files, err);
    else if (format == FO_DATA_CSV)
        rc = fo_data_infer_csv(r, files, err);
    else
        rc = fo_data_infer_parquet(r, files, err);
    return rc;
}

finops_code
fo_data_read_ndjson(fo_data_reader *reader, const fo_data_files *files, finops_error **err)
{
    return reader_read(reader, FO_DATA_NDJSON, files, err);
}

finops_code
fo_data_read_csv(fo_data_reader *reader, const fo_data_files *files, finops_error **err)
{
    return reader_read(reader, FO_DATA_CSV, files, err);
}

finops_code
fo_data_read_parquet(fo_data_reader *reader, const fo_data_files *files, finops_error **err)
{
    return reader_read(reader, FO_DATA_PARQUET, files, err);
}

/* ---- rows ---- */

/* The file of what is refused takes the place of what had its name: that must be none of the records. */
static finops_code
rejects_target(const fo_data_reader *reader, const char *path, const char *temporary, finops_error **err)
{
    struct stat target, input;
    int fd;

    for (size_t i = 0; i < reader->addresses.n && stat(path, &target) == 0; i++)
        if (stat(reader->addresses.items[i], &input) == 0 && input.st_dev == target.st_dev &&
            input.st_ino == target.st_ino)
            return fo_error_set(err, FINOPS_E_USAGE, "%s is read, so it cannot hold what is refused", path);
    fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return fo_error_errno(err, errno, "write %s", path);
    (void)close(fd);
    return FINOPS_OK;
}

finops_code
fo_data_rejects(fo_data_reader *reader, const char *path, int64_t *ret_n, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_MAX(SQL_MAX);
    FO_AUTO(fo_freep) char *temporary = fo_format("%s.%ld.tmp", path, (long)getpid());
    finops_code rc;

    assert(reader && path && ret_n);
    if (!temporary)
        return fo_error_oom(err);
    rc = rejects_target(reader, path, temporary, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_str_add(&sql, "COPY (SELECT file, line, reason, record FROM (");
    rc = fo_data_rows_sql(reader, &sql, err);
    fo_str_add(&sql, ") WHERE reason IS NOT NULL) TO ");
    fo_sql_literal(&sql, temporary);
    fo_str_add(&sql, " (FORMAT json, USE_TMP_FILE false)");
    if (rc == FINOPS_OK)
        rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_records_error(&reader->job,
                              fo_conn_bind_exec(reader->conn, fo_str_z(&sql), NULL, 0, ret_n, err), err);
    if (rc == FINOPS_OK && rename(temporary, path) != 0)
        rc = fo_error_errno(err, errno, "rename the finished file to %s", path);
    if (rc != FINOPS_OK)
        (void)unlink(temporary);
    return rc;
}

#define REFUSED "finops refused: "

finops_code
fo_data_stream(fo_data_reader *reader, bool strict, struct ArrowArrayStream *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_MAX(SQL_MAX);
    finops_code rc;

    assert(reader && ret);
    if (reader->n_columns == 0)
        return fo_error_set(err, FINOPS_E_DATA, "%s holds no records that have columns",
                            reader->labels.items[0]);
    rc = fo_files_renew(reader->files, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_str_add(&sql, "SELECT ");
    for (size_t i = 0; i < reader->n_columns; i++) {
        fo_str_addf(&sql, "%sv%zu AS ", i ? ", " : "", i);
        fo_sql_ident(&sql, reader->columns[i].name);
    }
    fo_str_add(&sql, " FROM (");
    rc = fo_data_rows_sql(reader, &sql, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_str_add(&sql, strict ? ") WHERE CASE WHEN reason IS NULL THEN true ELSE error('" REFUSED
                              "' || file || ' line ' || line || ': ' || reason) END"
                            : ") WHERE reason IS NULL");
    rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_conn_stream(reader->conn, fo_str_z(&sql), NULL, 0, ret, err);
    return fo_records_error(&reader->job, rc, err);
}

finops_code
fo_data_error(fo_data_reader *reader, finops_code rc, finops_error **err)
{
    FO_AUTO(fo_freep) char *text = NULL;
    const char *refused = rc != FINOPS_OK && err && *err ? strstr(finops_error_text(*err), REFUSED) : NULL;

    if (reader->job.failure || !refused)
        return fo_records_error(&reader->job, rc, err);
    text = fo_strdup(refused + strlen(REFUSED));
    if (!text)
        return rc;
    rc = fo_error_set(err, FINOPS_E_DATA, "%s", text);
    fo_error_hint(err, "pass --rejects FILE to load the other records and keep what is refused in a file");
    return rc;
}
