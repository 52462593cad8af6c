/* Bill files: local ones straight from the system, s3:// ones through the engine's file system. */
#include "engine/files_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "engine/engine_internal.h"

#define REMOTE_BLOCK ((size_t)8 << 20) /* bytes of one request */
#define REMOTE_FIRST ((size_t)1 << 20) /* of the first: often a header or a manifest is all that is wanted   \
                                        */

struct fo_file {
    fo_files *files;
    char *address;
    int64_t size;
    int64_t position; /* of the next byte handed out */
    int fd;           /* local; -1: remote */

    /*
     * Remote. A connection of its own: opening looks up the secret, which takes a transaction, and so does
     * signing in anew.
     */
    duckdb_connection conn;
    duckdb_file_handle handle;
    char *block; /* what a request brought and nobody took yet */
    size_t block_at;
    size_t block_n;
};

finops_code
fo_files_open(fo_engine *engine, const fo_aws_settings *aws, const fo_network_settings *network,
              fo_files **ret, finops_error **err)
{
    FO_AUTO(fo_files_closep) fo_files *files = NULL;
    finops_code rc;

    assert(engine && ret);
    files = fo_zalloc(sizeof(*files));
    if (!files)
        return fo_error_oom(err);
    (void)pthread_mutex_init(&files->lock, NULL);
    files->engine = engine;
    files->aws = aws;
    files->network = network;
    rc = fo_conn_open(engine, &files->conn, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret = FO_TAKE(files);
    return FINOPS_OK;
}

void
fo_files_close(fo_files *files)
{
    if (!files)
        return;
    fo_s3_done(files);
    fo_conn_close(files->conn);
    fo_strv_done(&files->scopes);
    fo_strv_done(&files->secrets);
    (void)pthread_mutex_destroy(&files->lock);
    fo_free(files);
}

void
fo_files_closep(fo_files **files)
{
    fo_files_close(*files);
    *files = NULL;
}

finops_code
fo_files_allow(fo_files *files, const char *address, finops_error **err)
{
    finops_code rc;

    assert(files && address);
    if (!fo_is_s3(address))
        return FINOPS_OK;
    (void)pthread_mutex_lock(&files->lock);
    rc = fo_s3_allow(files, address, err);
    (void)pthread_mutex_unlock(&files->lock);
    return rc;
}

static finops_code
list_local(const char *root, const char *suffix, fo_strv *ret, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv names = FO_STRV_INIT;
    finops_code rc = fo_walk(*root ? root : "/", &names, err);

    for (size_t i = 0; rc == FINOPS_OK && i < names.n; i++)
        if (fo_ends(names.items[i], suffix) && !fo_strv_take(ret, fo_format("%s/%s", root, names.items[i])))
            rc = fo_error_oom(err);
    return rc;
}

finops_code
fo_files_list(fo_files *files, const char *root, const char *suffix, fo_strv *ret, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv found = FO_STRV_INIT;
    FO_AUTO(fo_freep) char *folder = NULL;
    size_t n;
    finops_code rc;

    assert(files && root && suffix && ret);
    for (n = strlen(root); n > 0 && root[n - 1] == '/';)
        n--;
    folder = fo_strndup(root, n);
    if (!folder)
        return fo_error_oom(err);
    if (fo_is_s3(folder)) {
        (void)pthread_mutex_lock(&files->lock);
        rc = fo_s3_list(files, folder, suffix, &found, err);
        (void)pthread_mutex_unlock(&files->lock);
        if (rc != FINOPS_OK)
            (void)fo_error_wrap(err, rc, "list %s", root);
    } else {
        rc = list_local(folder, suffix, &found, err); /* its errors name the folder */
    }
    if (rc != FINOPS_OK)
        return rc;
    fo_strv_sort(&found);
    for (size_t i = 0; i < found.n; i++)
        if (!fo_strv_add(ret, found.items[i]))
            return fo_error_oom(err);
    return FINOPS_OK;
}

static finops_code
open_local(fo_file *file, finops_error **err)
{
    struct stat st;

    /* Not blocking: the opening of a pipe would wait for its writer. */
    file->fd = open(file->address, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file->fd < 0 || fstat(file->fd, &st) != 0)
        return fo_error_errno(err, errno, "open %s", file->address);
    if (!S_ISREG(st.st_mode))
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "open %s: not a regular file", file->address);
    file->size = (int64_t)st.st_size;
    (void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return FINOPS_OK;
}

static finops_code
begin(fo_file *file, finops_error **err)
{
    duckdb_result result = { 0 };
    finops_code rc = FINOPS_OK;

    if (duckdb_connect(file->files->engine->db, &file->conn) != DuckDBSuccess)
        return fo_error_set(err, FINOPS_E_DATABASE, "the engine refuses a connection");
    if (duckdb_query(file->conn, "BEGIN", &result) != DuckDBSuccess)
        rc = fo_engine_error_result(err, &result);
    duckdb_destroy_result(&result);
    return rc;
}

static finops_code
open_handle(fo_file *file, finops_error **err)
{
    duckdb_client_context context = NULL;
    duckdb_file_system fs = NULL;
    duckdb_file_open_options options = duckdb_create_file_open_options();
    finops_code rc = FINOPS_OK;

    duckdb_connection_get_client_context(file->conn, &context);
    fs = duckdb_client_context_get_file_system(context);
    if (!fs || !options ||
        duckdb_file_open_options_set_flag(options, DUCKDB_FILE_FLAG_READ, true) != DuckDBSuccess)
        rc = fo_error_oom(err);
    else if (duckdb_file_system_open(fs, file->address, options, &file->handle) != DuckDBSuccess)
        rc = fo_engine_error_data(err, duckdb_file_system_error_data(fs));
    else
        file->size = duckdb_file_handle_size(file->handle);
    duckdb_destroy_file_open_options(&options);
    duckdb_destroy_file_system(&fs);
    duckdb_destroy_client_context(&context);
    return rc;
}

static finops_code
open_remote(fo_file *file, finops_error **err)
{
    finops_code rc = fo_files_allow(file->files, file->address, err);

    if (rc == FINOPS_OK)
        rc = begin(file, err);
    if (rc == FINOPS_OK)
        rc = open_handle(file, err);
    if (rc == FINOPS_OK && file->size < 0)
        rc = fo_error_set(err, FINOPS_E_IO, "the server does not say its size");
    if (rc == FINOPS_OK)
        return rc;
    return fo_error_wrap(err, fo_s3_redact(file->files, rc, err), "open %s", file->address);
}

finops_code
fo_file_open(fo_files *files, const char *address, fo_file **ret, finops_error **err)
{
    FO_AUTO(fo_file_closep) fo_file *file = NULL;
    finops_code rc;

    assert(files && address && ret);
    file = fo_zalloc(sizeof(*file));
    if (!file)
        return fo_error_oom(err);
    file->fd = -1;
    file->files = files;
    file->address = fo_strdup(address);
    if (!file->address)
        return fo_error_oom(err);
    rc = fo_is_s3(address) ? open_remote(file, err) : open_local(file, err);
    if (rc == FINOPS_OK)
        *ret = FO_TAKE(file);
    return rc;
}

int64_t
fo_file_size(const fo_file *file)
{
    assert(file);
    return file->size;
}

static finops_code
read_local(fo_file *file, void *buf, size_t n, size_t *ret_n, finops_error **err)
{
    ssize_t got;

    do
        got = read(file->fd, buf, n);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return fo_error_errno(err, errno, "read %s", file->address);
    *ret_n = (size_t)got;
    return FINOPS_OK;
}

static finops_code
read_handle(fo_file *file, void *buf, size_t n, size_t *ret_n, finops_error **err)
{
    int64_t got = duckdb_file_handle_read(file->handle, buf, (int64_t)n);
    finops_code rc;

    if (got >= 0) {
        *ret_n = (size_t)got;
        return FINOPS_OK;
    }
    rc = fo_engine_error_data(err, duckdb_file_handle_error_data(file->handle));
    if (rc == FINOPS_OK)
        rc = fo_error_set(err, FINOPS_E_IO, "failed without a reason");
    return fo_error_wrap(err, fo_s3_redact(file->files, rc, err), "read %s", file->address);
}

/* Small reads share a request: one for each would take longer than the data. */
static finops_code
read_remote(fo_file *file, void *buf, size_t n, size_t *ret_n, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (file->block_at == file->block_n) {
        if (n >= REMOTE_BLOCK)
            return read_handle(file, buf, n, ret_n, err);
        if (!file->block)
            file->block = fo_alloc(REMOTE_BLOCK);
        if (!file->block)
            return fo_error_oom(err);
        rc =
            read_handle(file, file->block, file->position ? REMOTE_BLOCK : REMOTE_FIRST, &file->block_n, err);
        if (rc != FINOPS_OK)
            file->block_n = 0;
        file->block_at = 0;
    }
    if (rc != FINOPS_OK)
        return rc;
    if (n > file->block_n - file->block_at)
        n = file->block_n - file->block_at;
    memcpy(buf, file->block + file->block_at, n);
    file->block_at += n;
    *ret_n = n;
    return FINOPS_OK;
}

finops_code
fo_file_next(fo_file *file, void *buf, size_t n, size_t *ret_n, finops_error **err)
{
    size_t got = 0;
    finops_code rc;

    assert(file && buf && n > 0 && ret_n);
    rc = file->fd >= 0 ? read_local(file, buf, n, &got, err) : read_remote(file, buf, n, &got, err);
    if (rc != FINOPS_OK)
        return rc;
    file->position += (int64_t)got;
    if (file->position > file->size || (got == 0 && file->position != file->size))
        return fo_error_set(err, FINOPS_E_IO, "read %s: it changed while it was read", file->address);
    *ret_n = got;
    return FINOPS_OK;
}

void
fo_file_close(fo_file *file)
{
    if (!file)
        return;
    if (file->fd >= 0)
        (void)close(file->fd);
    if (file->handle)
        (void)duckdb_file_handle_close(file->handle);
    duckdb_destroy_file_handle(&file->handle);
    duckdb_disconnect(&file->conn);
    fo_free(file->block);
    fo_free(file->address);
    fo_free(file);
}

void
fo_file_closep(fo_file **file)
{
    fo_file_close(*file);
    *file = NULL;
}

finops_code
fo_files_read(fo_files *files, const char *address, size_t max, fo_str *ret, finops_error **err)
{
    FO_AUTO(fo_file_closep) fo_file *file = NULL;
    char block[16384];
    size_t n = 1;
    finops_code rc;

    assert(files && address && ret);
    rc = fo_file_open(files, address, &file, err);
    if (rc == FINOPS_OK && (uint64_t)file->size > max)
        rc = fo_error_set(err, FINOPS_E_DATA, "%s has %lld bytes, more than the %zu it may have", address,
                          (long long)file->size, max);
    while (rc == FINOPS_OK && n > 0) {
        rc = fo_file_next(file, block, sizeof(block), &n, err);
        if (rc == FINOPS_OK)
            fo_str_addn(ret, block, n);
    }
    return rc == FINOPS_OK ? fo_str_check(ret, err) : rc;
}
