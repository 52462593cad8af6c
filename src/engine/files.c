/* Files that are read: of this machine straight from the system, others through their storage. */
#include "engine/files_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

struct fo_file {
    char *address;
    int64_t size;
    int64_t position;       /* of the next byte handed out */
    int fd;                 /* of this machine; -1: of a service */
    fo_remote_file *remote; /* NULL: of this machine */
};

static bool
is_cancelled(void *arg)
{
    return fo_cancelled(arg);
}

finops_code
fo_files_open(fo_engine *engine, const fo_files_options *options, fo_files **ret, finops_error **err)
{
    FO_AUTO(fo_files_closep) fo_files *files = NULL;
    finops_code rc;

    assert(engine && options && ret);
    files = fo_zalloc(sizeof(*files));
    if (!files)
        return fo_error_oom(err);
    (void)pthread_mutex_init(&files->lock, NULL);
    (void)pthread_cond_init(&files->made, NULL);
    files->engine = engine;
    files->options = *options;
    files->call = (finops_call){ .cancelled = is_cancelled, .arg = (void *)(uintptr_t)options->cancel };
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
    fo_files_forget(files);
    fo_free(files->seen);
    for (size_t i = 0; i < files->n_remotes; i++) {
        fo_remote *r = files->remotes[i];

        fo_s3_done(files, r);
        if (files->options.places->closing)
            files->options.places->closing(files->options.places, r->storage);
        finops_storage_close(r->storage);
        fo_free(r->base);
        fo_free(r);
    }
    fo_free(files->remotes);
    fo_conn_close(files->conn);
    (void)pthread_cond_destroy(&files->made);
    (void)pthread_mutex_destroy(&files->lock);
    fo_free(files);
}

void
fo_files_closep(fo_files **files)
{
    fo_files_close(*files);
    *files = NULL;
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
    fo_remote *remote = NULL;
    const char *key = NULL;
    size_t n;
    finops_code rc;

    assert(files && root && suffix && ret);
    for (n = strlen(root); n > 0 && root[n - 1] == '/';)
        n--;
    folder = fo_strndup(root, n);
    if (!folder)
        return fo_error_oom(err);
    rc = fo_remote_of(files, folder, &remote, &key, err);
    if (rc == FINOPS_OK && remote)
        rc = fo_remote_list(files, remote, key, suffix, &found, err);
    else if (rc == FINOPS_OK)
        rc = list_local(folder, suffix, &found, err);
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
file_open(fo_files *files, const char *address, bool whole, fo_file **ret, finops_error **err)
{
    FO_AUTO(fo_file_closep) fo_file *file = NULL;
    fo_remote *remote = NULL;
    const char *key = NULL;
    finops_code rc;

    assert(files && address && ret);
    file = fo_zalloc(sizeof(*file));
    if (!file)
        return fo_error_oom(err);
    file->fd = -1;
    file->address = fo_strdup(address);
    if (!file->address)
        return fo_error_oom(err);
    rc = fo_remote_of(files, address, &remote, &key, err);
    if (rc == FINOPS_OK)
        rc = remote ? fo_remote_open(files, remote, address, key, whole, &file->remote, &file->size, err)
                    : open_local(file, err);
    if (rc == FINOPS_OK)
        *ret = FO_TAKE(file);
    return rc;
}

finops_code
fo_file_open(fo_files *files, const char *address, fo_file **ret, finops_error **err)
{
    return file_open(files, address, true, ret, err);
}

finops_code
fo_file_peek(fo_files *files, const char *address, fo_file **ret, finops_error **err)
{
    return file_open(files, address, false, ret, err);
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

finops_code
fo_file_next(fo_file *file, void *buf, size_t n, size_t *ret_n, finops_error **err)
{
    size_t got = 0;
    finops_code rc;

    assert(file && buf && n > 0 && ret_n);
    rc = file->remote ? fo_remote_read(file->remote, buf, n, &got, err) : read_local(file, buf, n, &got, err);
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
    fo_remote_close(file->remote);
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
