/* Places, how much there is, and what goes when it is too much. */
#include "storage/layers/cache_folder.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

#define KEEP 0.9           /* of the limit, after old entries went */
#define OLD_TEMPORARY 3600 /* seconds after which nobody writes it any more */

/* ---- the folder ---- */

static finops_code
map_size(fo_cache_folder *f, finops_error **err)
{
    FO_AUTO(fo_fd_closep) int fd = openat(f->dir, ".size", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *map;

    if (fd < 0 || ftruncate(fd, sizeof(*f->bytes)) != 0)
        return fo_error_errno(err, errno, "%s/.size", f->path);
    map = mmap(NULL, sizeof(*f->bytes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return fo_error_errno(err, errno, "%s/.size", f->path);
    f->bytes = map;
    return FINOPS_OK;
}

finops_code
fo_cache_folder_open(const char *path, uint64_t limit, fo_cache_folder *ret, finops_error **err)
{
    fo_cache_folder *f = ret;
    finops_code rc = fo_mkdirs(path, err);

    f->dir = f->lock = -1;
    f->limit = limit;
    if (rc != FINOPS_OK)
        return rc;
    f->path = fo_strdup(path);
    if (!f->path)
        return fo_error_oom(err);
    f->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->dir >= 0)
        f->lock = openat(f->dir, ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (f->lock < 0)
        return fo_error_errno(err, errno, "%s", path);
    return map_size(f, err);
}

void
fo_cache_folder_close(fo_cache_folder *f)
{
    if (f->bytes)
        (void)munmap(f->bytes, sizeof(*f->bytes));
    fo_fd_closep(&f->lock);
    fo_fd_closep(&f->dir);
    fo_free(f->path);
    f->bytes = NULL;
    f->path = NULL;
}

/* ---- places ---- */

fo_cache_place
fo_cache_place_of(fo_cache_folder *f, const char *address, const char *key)
{
    fo_cache_place place = { 0 };
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    char hex[FO_SHA256_HEX];
    unsigned slot = 0;

    fo_str_add(&text, address);
    fo_str_addc(&text, '\0');
    fo_str_add(&text, key);
    if (fo_str_ok(&text) && fo_sha256_hex(text.data, text.len, hex, NULL) == FINOPS_OK) {
        memcpy(place.folder, hex, 40);
        slot = (unsigned)(hex[0] * 16 + hex[1] + hex[2] * 7) % FO_CACHE_GENERATIONS;
    }
    place.generation = &f->generations[slot];
    return place;
}

static void
unlink_counted(fo_cache_folder *f, int dir, const char *name)
{
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || unlinkat(dir, name, 0) != 0)
        return;
    /* Others may have put it right meanwhile: never below nothing. */
    unsigned long long have = atomic_load(f->bytes), size = (unsigned long long)st.st_size;
    while (!atomic_compare_exchange_weak(f->bytes, &have, have > size ? have - size : 0))
        ;
}

void
fo_cache_forget(fo_cache_folder *f, const fo_cache_place *place)
{
    int fd;
    DIR *dir;

    atomic_fetch_add(place->generation, 1);
    fd = place->folder[0] ? openat(f->dir, place->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    dir = fdopendir(fd);
    if (!dir) {
        (void)close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.')
            unlink_counted(f, fd, e->d_name);
    (void)closedir(dir);
    (void)unlinkat(f->dir, place->folder, AT_REMOVEDIR);
}

void
fo_cache_remove(fo_cache_folder *f, const char *name)
{
    unlink_counted(f, f->dir, name);
}

/* ---- too much ---- */

typedef struct used {
    const char *name;
    int64_t when_ns;
    uint64_t size;
} used;

static int
by_age(const void *a, const void *b)
{
    const used *x = a, *y = b;

    return (x->when_ns > y->when_ns) - (x->when_ns < y->when_ns);
}

/* What is there; temporary files of processes that died are removed on the way. */
static size_t
look(const fo_cache_folder *f, const fo_strv *names, used *ret, uint64_t *ret_bytes)
{
    int64_t now = fo_clock_now() / 1000000;
    size_t n = 0;

    *ret_bytes = 0;
    for (size_t i = 0; i < names->n; i++) {
        struct stat st;
        if (names->items[i][0] == '.' || fstatat(f->dir, names->items[i], &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (fo_starts(names->items[i], FO_CACHE_TEMPORARY)) {
            if (st.st_mtim.tv_sec < now - OLD_TEMPORARY)
                (void)unlinkat(f->dir, names->items[i], 0);
            continue;
        }
        ret[n++] = (used){ .name = names->items[i],
                           .when_ns = st.st_atim.tv_sec * 1000000000 + st.st_atim.tv_nsec,
                           .size = (uint64_t)st.st_size };
        *ret_bytes += (uint64_t)st.st_size;
    }
    return n;
}

/* Its folder goes with the last entry of an object. */
static void
remove_entry(fo_cache_folder *f, const char *name)
{
    const char *slash = strchr(name, '/');
    char folder[FO_CACHE_NAME];

    if (unlinkat(f->dir, name, 0) == 0)
        atomic_fetch_add(&f->evicted, 1);
    if (!slash || (size_t)(slash - name) >= sizeof(folder))
        return;
    memcpy(folder, name, (size_t)(slash - name));
    folder[slash - name] = '\0';
    (void)unlinkat(f->dir, folder, AT_REMOVEDIR);
}

static void
make_room(fo_cache_folder *f)
{
    FO_AUTO(fo_strv_done) fo_strv names = FO_STRV_INIT;
    uint64_t bytes = 0, keep = (uint64_t)((double)f->limit * KEEP);
    used *all;
    size_t n;

    if (flock(f->lock, LOCK_EX | LOCK_NB) != 0)
        return; /* another is at it */
    all = fo_walk(f->path, &names, NULL) == FINOPS_OK ? fo_array(names.n + 1, sizeof(*all)) : NULL;
    if (all) {
        n = look(f, &names, all, &bytes);
        qsort(all, n, sizeof(*all), by_age);
        for (size_t i = 0; i < n && bytes > keep; i++) {
            remove_entry(f, all[i].name);
            bytes -= all[i].size;
        }
        atomic_store(f->bytes, bytes);
        fo_free(all);
    }
    (void)flock(f->lock, LOCK_UN);
}

/* ---- writing ---- */

void
fo_cache_new_drop(const fo_cache_folder *f, fo_cache_new *e)
{
    if (e->temporary[0])
        (void)unlinkat(f->dir, e->temporary, 0);
    e->temporary[0] = '\0';
    fo_fd_closep(&e->fd);
    fo_free(e->block);
    e->block = NULL;
}

static bool
rename_into(const fo_cache_folder *f, const fo_cache_new *e, const fo_cache_place *place, const char *name)
{
    if (renameat(f->dir, e->temporary, f->dir, name) == 0)
        return true;
    return errno == ENOENT && mkdirat(f->dir, place->folder, 0700) == 0 &&
           renameat(f->dir, e->temporary, f->dir, name) == 0;
}

void
fo_cache_new_commit(fo_cache_folder *f, fo_cache_new *e, const fo_cache_place *place, const char *name)
{
    struct stat old;
    uint64_t replaced = 0;

    fo_cache_new_add(e, NULL, 0);
    if (e->fd < 0) {
        fo_cache_new_drop(f, e);
        return;
    }
    if (fstatat(f->dir, name, &old, AT_SYMLINK_NOFOLLOW) == 0)
        replaced = (uint64_t)old.st_size;
    if (rename_into(f, e, place, name)) {
        e->temporary[0] = '\0';
        if (atomic_fetch_add(f->bytes, e->bytes - replaced) + e->bytes - replaced > f->limit)
            make_room(f);
    }
    fo_cache_new_drop(f, e);
}
