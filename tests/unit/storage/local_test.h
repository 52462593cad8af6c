/* A folder of its own for each test of the driver of files. */
#ifndef LOCAL_TEST_H
#define LOCAL_TEST_H

#include "storage_test.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "storage/local/driver_internal.h"

static const finops_storage_driver *const d = &fo_local_driver;

typedef struct place {
    char folder[64]; /* of the test; the root is "root" in it */
    local_storage *l;
} place;

static inline local_storage *
opened(const char *root, const char *links)
{
    FO_AUTO(fo_freep) char *path = fo_strdup(root);
    FO_AUTO(fo_freep) char *how = fo_strdup(links);
    const fo_local_settings settings = { .path = path, .links = how };
    finops_error *err = NULL;
    void *l = NULL;

    ok(d->open(&settings, &l, &err), &err);
    return l;
}

static inline int
place_make(void **state)
{
    place *p = calloc(1, sizeof(*p));
    char root[80];

    (void)snprintf(p->folder, sizeof(p->folder), "/tmp/finops-local-XXXXXX");
    if (!mkdtemp(p->folder))
        return -1;
    (void)snprintf(root, sizeof(root), "%s/root", p->folder);
    p->l = opened(root, "inside");
    *state = p;
    return 0;
}

static inline int
place_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline int
place_done(void **state)
{
    place *p = *state;

    d->close(p->l);
    (void)nftw(p->folder, place_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(p);
    return 0;
}

/* The path of something in the test's folder; good until the next but seven. */
static inline const char *
at(const place *p, const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];

    (void)snprintf(path, 256, "%s/%s", p->folder, name);
    return path;
}

static inline void
file_write(const char *path, const char *text)
{
    finops_error *err = NULL;

    ok(fo_mkdirs_for(path, &err), &err);
    ok(fo_file_write_atomic(path, text, strlen(text), 0644, &err), &err);
}

static inline void
put_text(local_storage *l, const char *key, const char *text)
{
    finops_error *err = NULL;

    ok(d->put(l, &(finops_put){ .key = key }, text, strlen(text), NULL, &err), &err);
}

static inline finops_code
read_text(local_storage *l, const char *key, fo_str *ret, finops_error **err)
{
    finops_reader *reader = NULL;
    finops_code rc = d->read(l, &(finops_get){ .key = key, .length = -1 }, &reader, err);

    if (rc == FINOPS_OK)
        reader_text(reader, ret);
    return rc;
}

static inline void
is_text(local_storage *l, const char *key, const char *want)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    finops_error *err = NULL;

    ok(read_text(l, key, &text, &err), &err);
    assert_string_equal(fo_str_z(&text), want);
}

static inline void
lists(local_storage *l, const finops_list *list, const char *want)
{
    FO_AUTO(fo_str_done) fo_str keys = FO_STR_INIT;
    finops_error *err = NULL;

    ok(d->list(l, list, keys_add, &keys, &err), &err);
    assert_string_equal(fo_str_z(&keys), want);
}

/* How many entries of any kind are below a folder. */
static inline unsigned
entries_below(const char *path)
{
    FO_AUTO(fo_strv_done) fo_strv files = FO_STRV_INIT;
    finops_error *err = NULL;

    ok(fo_walk(path, &files, &err), &err);
    return (unsigned)files.n;
}

#endif
