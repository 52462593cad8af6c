/* Whole changes: put, remove, copy and move. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "storage/local/driver_internal.h"
#include "storage/object.h"

#define COPY_BLOCK ((size_t)8 << 20)
#define HAND_BLOCK ((size_t)128 << 10)
#define MOVE_WAIT_US 1000
#define MOVE_TRIES 30000

finops_code
local_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
          finops_error **err)
{
    local_storage *l = self;
    FO_AUTO(local_new_done) local_new new = LOCAL_NEW_INIT;
    finops_code rc = local_meta_check(l, put, err);

    if (rc == FINOPS_OK)
        rc = local_new_begin(l, put->key, put->call, &new, err);
    if (rc == FINOPS_OK)
        rc = local_new_write(&new, data, n, 0, put->call, err);
    return rc == FINOPS_OK ? local_new_commit(&new, put, ret, err) : rc;
}

/* ---- remove ---- */

static finops_code
remove_held(const local_storage *l, int folder, const finops_remove *remove, const local_lock *lock,
            finops_error **err)
{
    char version[LOCAL_VERSION];

    if (lock->held == LOCAL_MISSING)
        return FINOPS_OK;
    if (remove->if_version && lock->held != LOCAL_HELD)
        return fo_error_set(err, lock->fd >= 0 ? FINOPS_E_UNSUPPORTED : FINOPS_E_PRECONDITION,
                            "the object cannot be locked, so as to remove one version of it");
    if (remove->if_version && !fo_streq(remove->if_version, local_version(&lock->st, version)))
        return fo_error_set(err, FINOPS_E_PRECONDITION, "it is another version");
    if (unlinkat(folder, fo_path_base(remove->key), 0) != 0 && errno != ENOENT)
        return local_error(l, errno, "remove", remove->key, err);
    return FINOPS_OK;
}

finops_code
local_remove(void *self, const finops_remove *remove, finops_error **err)
{
    local_storage *l = self;
    FO_AUTO(fo_fd_closep) int root = -1;
    FO_AUTO(fo_fd_closep) int folder = -1;
    FO_AUTO(local_lock_done) local_lock lock = LOCAL_LOCK_INIT;
    struct stat st;
    const char *name;
    finops_code rc = fo_file_key_check(remove->key, err);

    if (rc != FINOPS_OK)
        return rc;
    root = local_root(l);
    folder = root < 0 ? -1 : local_folder_of(l, root, remove->key, &name);
    if (folder < 0)
        return errno == ENOENT || errno == ENOTDIR ? FINOPS_OK
                                                   : local_error(l, errno, "remove", remove->key, err);
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
        return FINOPS_OK; /* no object has this key */
    rc = local_lock_take(l, root, folder, remove->key, remove->call, false, &lock, err);
    if (rc == FINOPS_OK)
        rc = remove_held(l, folder, remove, &lock, err);
    if (rc == FINOPS_OK)
        local_folders_tidy(l, root, remove->key);
    return rc;
}

/* ---- copy ---- */

/* By the file system, which may share the blocks; by hand, through `block`, where it cannot. */
static ssize_t
copy_some(int from, int to, int64_t offset, char **block)
{
    off_t in = offset, out = offset;
    ssize_t n;

    if (!*block) {
        n = copy_file_range(from, &in, to, &out, COPY_BLOCK, 0);
        if (n >= 0 || (errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP))
            return n;
        *block = fo_alloc(HAND_BLOCK);
        if (!*block)
            return -1; /* ENOMEM */
    }
    n = pread(from, *block, HAND_BLOCK, offset);
    return n > 0 ? pwrite(to, *block, (size_t)n, offset) : n;
}

static finops_code
copy_bytes(const local_storage *l, int from, const struct stat *st, const local_new *to,
           const finops_copy *copy, finops_error **err)
{
    FO_AUTO(fo_freep) char *block = NULL;

    for (int64_t at = 0; at < st->st_size;) {
        finops_code rc = fo_call_check(copy->call, err);
        ssize_t n;

        if (rc != FINOPS_OK)
            return rc;
        n = copy_some(from, to->fd, at, &block);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return local_error(l, errno, "write", copy->to, err);
        if (n == 0)
            return fo_error_set(err, FINOPS_E_PRECONDITION, "the file became shorter while it was copied");
        at += n;
    }
    return FINOPS_OK;
}

static finops_code
copy_if(const local_meta *from, const finops_copy *copy, finops_error **err)
{
    if (copy->if_version && !fo_streq(copy->if_version, from->version))
        return fo_error_set(err, FINOPS_E_PRECONDITION, "%s is another version", copy->from);
    return FINOPS_OK;
}

static finops_code
not_onto_itself(const finops_copy *copy, finops_error **err)
{
    if (fo_streq(copy->from, copy->to))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "%s cannot be copied or moved onto itself", copy->from);
    return FINOPS_OK;
}

finops_code
local_copy(void *self, const finops_copy *copy, finops_object *ret, finops_error **err)
{
    local_storage *l = self;
    FO_AUTO(fo_fd_closep) int fd = -1;
    FO_AUTO(local_meta_done) local_meta from = { 0 };
    FO_AUTO(local_new_done) local_new new = LOCAL_NEW_INIT;
    struct stat st;
    finops_code rc = not_onto_itself(copy, err);

    if (rc == FINOPS_OK)
        rc = local_file_open(l, copy->from, &fd, &st, err);
    if (rc == FINOPS_OK)
        rc = local_meta_read(l, fd, &st, copy->from, &from, err);
    if (rc == FINOPS_OK)
        rc = copy_if(&from, copy, err);
    if (rc == FINOPS_OK)
        rc = local_new_begin(l, copy->to, copy->call, &new, err);
    if (rc == FINOPS_OK)
        rc = copy_bytes(l, fd, &st, &new, copy, err);
    if (rc != FINOPS_OK)
        return rc;
    const finops_put put = { .key = copy->to,
                             .content_type = from.object.content_type,
                             .content_encoding = from.object.content_encoding,
                             .cache_control = from.object.cache_control,
                             .metadata = from.object.metadata,
                             .n_metadata = from.object.n_metadata,
                             .create_only = copy->create_only,
                             .call = copy->call };
    return local_new_commit(&new, &put, ret, err);
}

/* ---- move ---- */

typedef struct mover {
    local_storage *l;
    const finops_copy *move;
    int root, from, to; /* folders */
    const char *from_name, *to_name;
} mover;

static void
mover_done(mover *m)
{
    fo_fd_closep(&m->from);
    fo_fd_closep(&m->to);
    fo_fd_closep(&m->root);
}

/* A link would lead elsewhere from another folder. */
static finops_code
can_move(const mover *m, finops_error **err)
{
    struct stat st;

    if (fstatat(m->from, m->from_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return local_error(m->l, errno, "move", m->move->from, err);
    if (S_ISLNK(st.st_mode))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "%s is a symbolic link, which can only be copied",
                            m->move->from);
    return S_ISREG(st.st_mode) ? FINOPS_OK
                               : fo_error_set(err, FINOPS_E_NOT_FOUND, "%s is no file", m->move->from);
}

static finops_code
mover_begin(mover *m, finops_error **err)
{
    const finops_copy *move = m->move;
    local_storage *l = m->l;
    finops_code rc;

    m->root = local_root(l);
    m->from = m->root < 0 ? -1 : local_folder_of(l, m->root, move->from, &m->from_name);
    if (m->from < 0)
        return local_error(l, errno, "move", move->from, err);
    rc = can_move(m, err);
    if (rc != FINOPS_OK)
        return rc;
    m->to = local_folder_make(l, m->root, move->to, &m->to_name);
    if (m->to < 0 && errno == ENOTDIR)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "write %s/%s: a folder of it is an object already",
                            l->root, move->to);
    return m->to < 0 ? local_error(l, errno, "write", move->to, err) : FINOPS_OK;
}

/* Both names are hard links of one file: rename() would leave both. */
static bool
is_same(const local_lock *a, const local_lock *b)
{
    return b->fd >= 0 && a->st.st_dev == b->st.st_dev && a->st.st_ino == b->st.st_ino;
}

static finops_code
move_held(const mover *m, const local_lock *from, const local_lock *to, bool *ret_again, finops_error **err)
{
    const finops_copy *move = m->move;
    char version[LOCAL_VERSION];
    int failed;

    if (from->held == LOCAL_MISSING)
        return fo_error_set(err, FINOPS_E_NOT_FOUND, "%s does not exist", move->from);
    if (move->if_version &&
        !(from->held == LOCAL_HELD && fo_streq(move->if_version, local_version(&from->st, version))))
        return fo_error_set(err, FINOPS_E_PRECONDITION, "%s is another version", move->from);
    if (move->create_only && to->held != LOCAL_MISSING)
        return fo_error_set(err, FINOPS_E_EXISTS, "%s exists", move->to);
    if (is_same(from, to))
        failed = unlinkat(m->from, m->from_name, 0);
    else if (to->held == LOCAL_MISSING)
        failed = local_rename_new(m->from, m->from_name, m->to, m->to_name);
    else
        failed = renameat(m->from, m->from_name, m->to, m->to_name);
    *ret_again = failed && to->held == LOCAL_MISSING && (errno == EEXIST || errno == ENOENT);
    return !failed || *ret_again ? FINOPS_OK : local_error(m->l, errno, "write", move->to, err);
}

/* One try with both names locked. Who cannot have the second lets the first go: two that move in opposite
 * directions must not wait for one another. */
static finops_code
move_once(const mover *m, bool *ret_again, finops_error **err)
{
    FO_AUTO(local_lock_done) local_lock from = LOCAL_LOCK_INIT;
    FO_AUTO(local_lock_done) local_lock to = LOCAL_LOCK_INIT;
    const finops_copy *move = m->move;
    finops_code rc = local_lock_take(m->l, m->root, m->from, move->from, move->call, false, &from, err);

    *ret_again = false;
    if (rc == FINOPS_OK)
        rc = local_lock_take(m->l, m->root, m->to, move->to, move->call, true, &to, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret_again = to.held == LOCAL_BUSY && !is_same(&from, &to);
    return *ret_again ? FINOPS_OK : move_held(m, &from, &to, ret_again, err);
}

static finops_code
move_try(local_storage *l, const finops_copy *move, bool *ret_again, finops_error **err)
{
    FO_AUTO(mover_done) mover m = { .l = l, .move = move, .root = -1, .from = -1, .to = -1 };
    finops_code rc = mover_begin(&m, err);

    if (rc == FINOPS_OK)
        rc = move_once(&m, ret_again, err);
    if (rc == FINOPS_OK && !*ret_again)
        rc = local_sync_folder(l, m.to, err);
    if (rc == FINOPS_OK && !*ret_again)
        rc = local_sync_folder(l, m.from, err);
    if (m.root >= 0) {
        local_folders_tidy(l, m.root, move->from);
        local_folders_tidy(l, m.root, move->to);
    }
    return rc;
}

finops_code
local_move(void *self, const finops_copy *move, finops_error **err)
{
    local_storage *l = self;
    finops_code rc = not_onto_itself(move, err);
    bool again = true;

    if (rc == FINOPS_OK)
        rc = fo_file_key_check(move->from, err);
    if (rc == FINOPS_OK)
        rc = fo_file_key_check(move->to, err);
    for (int i = 0; rc == FINOPS_OK && again; i++) {
        rc = fo_call_check(move->call, err);
        if (rc == FINOPS_OK)
            rc = move_try(l, move, &again, err);
        if (rc == FINOPS_OK && again && i >= MOVE_TRIES)
            return fo_error_set(err, FINOPS_E_BUSY, "%s is locked by another process", move->to);
        if (again)
            (void)usleep(MOVE_WAIT_US);
    }
    return rc;
}
