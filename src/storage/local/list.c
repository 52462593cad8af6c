/*
 * Listings: a folder at a time, its names sorted as bytes with a '/' behind those of folders, so that keys
 * come in order. Of a folder with very many names the lowest are held, and it is read again for the rest.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "storage/local/driver_internal.h"
#include "storage/object.h"

#define KEY_MAX ((size_t)64 << 10)
#define CALL_EVERY 64

/* A folder that is being listed. */
typedef struct frame {
    DIR *dir;
    size_t base; /* bytes of its path in lister.key, with the '/' behind it */
    char *names; /* one after the other, each with its NUL; those of folders end with '/' */
    size_t used, cap;
    uint32_t *order; /* where they begin */
    size_t n, order_cap;
    size_t next;   /* to be told */
    char *last;    /* of an earlier reading, or NULL: names above it */
    char *ceiling; /* of this reading, or NULL: names below it */
} frame;

typedef struct lister {
    local_storage *l;
    const finops_list *list;
    finops_each_object each;
    void *arg;
    int root;
    const char *filter; /* of the first folder: what its names begin with */
    fo_str key;
    frame *frames;
    size_t depth, cap;
    unsigned told;
    bool stop;
} lister;

/* ---- frames ---- */

static void
frame_done(frame *f)
{
    if (f->dir)
        (void)closedir(f->dir);
    fo_free(f->names);
    fo_free(f->order);
    fo_free(f->last);
    fo_free(f->ceiling);
}

static void
lister_done(lister *s)
{
    for (size_t i = 0; i < s->depth; i++)
        frame_done(&s->frames[i]);
    fo_free(s->frames);
    fo_str_done(&s->key);
    fo_fd_closep(&s->root);
}

static int
by_bytes(const void *a, const void *b, void *names)
{
    return strcmp((const char *)names + *(const uint32_t *)a, (const char *)names + *(const uint32_t *)b);
}

static const char *
name_at(const frame *f, size_t i)
{
    return f->names + f->order[i];
}

static bool
replace_text(char **text, const char *by)
{
    fo_free(*text);
    *text = fo_strdup(by);
    return *text != NULL;
}

/* Keeps the lower half of the names, closely packed. */
static bool
frame_halve(frame *f)
{
    char *packed = fo_alloc(f->cap);
    size_t used = 0;

    if (!packed)
        return false;
    if (f->n > 0)
        qsort_r(f->order, f->n, sizeof(*f->order), by_bytes, f->names);
    f->n = f->n / 2 + 1; /* one at least, however long */
    for (size_t i = 0; i < f->n; i++) {
        size_t size = strlen(name_at(f, i)) + 1;

        memcpy(packed + used, name_at(f, i), size);
        f->order[i] = (uint32_t)used;
        used += size;
    }
    fo_free(f->names);
    f->names = packed;
    f->used = used;
    return replace_text(&f->ceiling, name_at(f, f->n - 1));
}

static bool
frame_add(frame *f, const char *name, bool is_folder, size_t names_max)
{
    size_t n = strlen(name);

    if (!fo_grow((void **)&f->names, &f->cap, f->used + n + 2, 1) ||
        !fo_grow((void **)&f->order, &f->order_cap, f->n + 1, sizeof(*f->order)))
        return false;
    f->order[f->n++] = (uint32_t)f->used;
    memcpy(f->names + f->used, name, n);
    f->used += n;
    if (is_folder)
        f->names[f->used++] = '/';
    f->names[f->used++] = '\0';
    return f->used < names_max || f->n < 2 || frame_halve(f);
}

/* ---- which names ---- */

static bool
entry_is_folder(int folder, const struct dirent *e)
{
    struct stat st;

    if (e->d_type != DT_UNKNOWN)
        return e->d_type == DT_DIR;
    return fstatat(folder, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool
is_dots(const char *name)
{
    return name[0] == '.' && (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

/* Whether keys that begin with `text`, a name in this folder, may come after start_after. */
static bool
comes_after(const lister *s, const frame *f, const char *text)
{
    const char *after = s->list->start_after;
    int differs = after ? strncmp(after, fo_str_z(&s->key), f->base) : -1;

    if (differs != 0)
        return differs < 0;
    after += f->base;
    return strcmp(text, after) > 0 || (!s->list->children && fo_ends(text, "/") && fo_starts(after, text));
}

static bool
is_wanted(const lister *s, const frame *f, const char *text)
{
    return (!f->last || strcmp(text, f->last) > 0) && (!f->ceiling || strcmp(text, f->ceiling) < 0) &&
           (s->depth > 1 || fo_starts(text, s->filter)) && comes_after(s, f, text);
}

static finops_code
frame_read(lister *s, frame *f, finops_error **err)
{
    const struct dirent *e;
    char text[NAME_MAX + 2];

    f->n = f->next = f->used = 0;
    fo_free(FO_TAKE(f->ceiling));
    rewinddir(f->dir);
    while (errno = 0, (e = readdir(f->dir)) != NULL) {
        size_t n = strlen(e->d_name);
        bool is_folder;

        if (is_dots(e->d_name) || fo_starts(e->d_name, LOCAL_HIDDEN) || n > NAME_MAX)
            continue;
        is_folder = entry_is_folder(dirfd(f->dir), e);
        memcpy(text, e->d_name, n + 1);
        if (is_folder)
            memcpy(text + n, "/", 2);
        if (is_wanted(s, f, text) && !frame_add(f, e->d_name, is_folder, s->l->names_max))
            return fo_error_oom(err);
    }
    if (errno != 0)
        return local_error(s->l, errno, "list", fo_str_z(&s->key), err);
    if (f->n > 0)
        qsort_r(f->order, f->n, sizeof(*f->order), by_bytes, f->names);
    return FINOPS_OK;
}

/* Begins a folder whose path is in s->key; what vanished or became a link is left out. */
static finops_code
frame_push(lister *s, int fd, finops_error **err)
{
    int errnum = errno;
    DIR *dir;

    if (fd < 0 && (errnum == ENOENT || errnum == ENOTDIR || errnum == ELOOP))
        return FINOPS_OK;
    if (fd < 0)
        return local_error(s->l, errnum, "list", fo_str_z(&s->key), err);
    dir = fdopendir(fd);
    if (!dir) {
        (void)close(fd);
        return fo_error_errno(err, errno, "list %s/%s", s->l->root, fo_str_z(&s->key));
    }
    if (!fo_grow((void **)&s->frames, &s->cap, s->depth + 1, sizeof(*s->frames))) {
        (void)closedir(dir);
        return fo_error_oom(err);
    }
    s->frames[s->depth++] = (frame){ .dir = dir, .base = s->key.len };
    return frame_read(s, &s->frames[s->depth - 1], err);
}

/* ---- telling ---- */

static void
tell(lister *s, const struct stat *st)
{
    char version[LOCAL_VERSION];
    finops_object object = { .key = fo_str_z(&s->key), .size = -1, .modified_us = -1 };

    if (st) {
        object.size = st->st_size;
        object.modified_us = local_modified(st);
        object.version = object.etag = local_version(st, version);
    }
    s->stop = !s->each(&object, s->arg);
}

/* What a link stands for. A file outside is told of, too, so that nobody takes it for missing: reading it
 * says what is wrong. */
static void
tell_link(lister *s, const frame *f)
{
    FO_AUTO(fo_fd_closep) int fd = local_open_object(s->l, s->root, fo_str_z(&s->key));
    bool outside = fd < 0 && errno == EXDEV;
    struct stat st;

    if (outside && fstatat(dirfd(f->dir), fo_str_z(&s->key) + f->base, &st, 0) == 0 && S_ISREG(st.st_mode))
        tell(s, NULL);
    else if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        tell(s, &st);
}

static void
tell_file(lister *s, const frame *f)
{
    const char *name = fo_str_z(&s->key) + f->base;
    struct stat st;

    if (fstatat(dirfd(f->dir), name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    if (S_ISREG(st.st_mode))
        tell(s, &st);
    else if (S_ISLNK(st.st_mode))
        tell_link(s, f);
}

static bool has_object(int folder, const char *name);

static bool
entry_is_object(int folder, const struct dirent *e)
{
    struct stat st;

    if (is_dots(e->d_name) || fo_starts(e->d_name, LOCAL_HIDDEN))
        return false;
    if (entry_is_folder(folder, e))
        return has_object(folder, e->d_name);
    return e->d_type == DT_REG || (fstatat(folder, e->d_name, &st, 0) == 0 && S_ISREG(st.st_mode));
}

/* Whether there is a file anywhere below: a folder without one is no prefix of any key. */
static bool
has_object(int folder, const char *name)
{
    int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *e;
    bool found = false;

    if (!dir) {
        if (fd >= 0)
            (void)close(fd);
        return errno == EACCES;
    }
    while (!found && (e = readdir(dir)) != NULL)
        found = entry_is_object(fd, e);
    (void)closedir(dir);
    return found;
}

/* The name without its '/'; it lies in s->key. */
static finops_code
enter(lister *s, const frame *f, finops_error **err)
{
    char name[NAME_MAX + 1];
    size_t n = s->key.len - f->base - 1;
    const finops_object prefix = {
        .key = fo_str_z(&s->key), .is_prefix = true, .size = -1, .modified_us = -1
    };

    memcpy(name, fo_str_z(&s->key) + f->base, n);
    name[n] = '\0';
    if (!s->list->children) {
        int fd = openat(dirfd(f->dir), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        return frame_push(s, fd, err);
    }
    if (has_object(dirfd(f->dir), name))
        s->stop = !s->each(&prefix, s->arg);
    return FINOPS_OK;
}

/* Back to the folder's own path. */
static void
key_cut(lister *s, size_t n)
{
    s->key.len = n;
    if (s->key.data)
        s->key.data[n] = '\0';
}

/* The next name of the innermost folder, or the end of it. */
static finops_code
step(lister *s, finops_error **err)
{
    frame *f = &s->frames[s->depth - 1];

    key_cut(s, f->base);
    if (f->next == f->n && f->ceiling) { /* there were more than it could hold */
        if (!replace_text(&f->last, f->ceiling))
            return fo_error_oom(err);
        return frame_read(s, f, err);
    }
    if (f->next == f->n) {
        frame_done(f);
        s->depth--;
        return FINOPS_OK;
    }
    fo_str_add(&s->key, name_at(f, f->next++));
    if (!fo_str_ok(&s->key))
        return fo_str_check(&s->key, err);
    if (fo_ends(fo_str_z(&s->key), "/"))
        return enter(s, f, err);
    tell_file(s, f);
    return FINOPS_OK;
}

/* Opens the folder in which the prefix ends. */
static finops_code
first_folder(lister *s, finops_error **err)
{
    const char *slash = strrchr(s->list->prefix, '/');
    FO_AUTO(fo_freep) char *folder = NULL;

    s->filter = slash ? slash + 1 : s->list->prefix;
    if (!slash)
        return frame_push(s, fcntl(s->root, F_DUPFD_CLOEXEC, 0), err);
    folder = fo_strndup(s->list->prefix, (size_t)(slash - s->list->prefix));
    fo_str_addn(&s->key, s->list->prefix, (size_t)(slash - s->list->prefix) + 1);
    if (!folder || !fo_str_ok(&s->key))
        return fo_error_oom(err);
    if (local_key_check(folder, NULL) != FINOPS_OK)
        return FINOPS_OK; /* no key begins so */
    return frame_push(s, local_open_below(s->l, s->root, folder, O_RDONLY | O_DIRECTORY), err);
}

finops_code
local_list(void *self, const finops_list *list, finops_each_object each, void *arg, finops_error **err)
{
    FO_AUTO(lister_done)
    lister s = { .l = self, .list = list, .each = each, .arg = arg, .root = -1, .key = FO_STR_MAX(KEY_MAX) };
    finops_code rc = FINOPS_OK;

    s.root = local_root(s.l);
    if (s.root < 0 && errno == ENOENT)
        return FINOPS_OK;
    if (s.root < 0)
        return errno == ENOTDIR ? fo_error_set(err, FINOPS_E_CONFIG, "%s is no folder", s.l->root)
                                : fo_error_errno(err, errno, "list %s", s.l->root);
    rc = first_folder(&s, err);
    while (rc == FINOPS_OK && s.depth > 0 && !s.stop) {
        if (s.told++ % CALL_EVERY == 0)
            rc = fo_call_check(list->call, err);
        if (rc == FINOPS_OK)
            rc = step(&s, err);
    }
    return rc;
}
