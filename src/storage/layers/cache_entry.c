/*
 * The file of an entry: "FOCACHE1", size and CRC-32C of what follows, then what is known of the object, then
 * its bytes in blocks of 64 KiB, each with its CRC-32C behind it. Numbers are this machine's: the folder is
 * not carried to another.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/fd.h"
#include "base/mem.h"
#include "storage/layers/cache_folder.h"

#define BLOCK ((size_t)65536)
#define SUM sizeof(uint32_t)
#define HEAD_MAX ((uint32_t)1 << 20)
#define METADATA_MAX 1000u
#define NO_TEXT UINT32_MAX

static const char magic[8] = { 'F', 'O', 'C', 'A', 'C', 'H', 'E', '1' };

typedef struct entry_start {
    char magic[8];
    uint32_t size, sum;
} entry_start;

/* ---- what is known of the object ---- */

static void
add_number(fo_str *to, int64_t n)
{
    fo_str_addn(to, (const char *)&n, sizeof(n));
}

static void
add_text(fo_str *to, const char *text)
{
    uint32_t n = text ? (uint32_t)strlen(text) : NO_TEXT;

    fo_str_addn(to, (const char *)&n, sizeof(n));
    if (text)
        fo_str_addn(to, text, n + 1);
}

static void
describe(const finops_object *o, int64_t offset, int64_t length, fo_str *to)
{
    const char *const texts[] = { o->key,          o->version,          o->etag,         o->checksum,
                                  o->content_type, o->content_encoding, o->cache_control };

    add_number(to, o->size);
    add_number(to, o->modified_us);
    add_number(to, offset);
    add_number(to, length);
    add_number(to, (int64_t)o->n_metadata);
    for (size_t i = 0; i < FO_COUNT(texts); i++)
        add_text(to, texts[i]);
    for (size_t i = 0; i < o->n_metadata; i++) {
        add_text(to, o->metadata[i].name);
        add_text(to, o->metadata[i].value);
    }
}

typedef struct cursor {
    const char *p, *end;
    bool bad;
} cursor;

static void
take(cursor *c, void *ret, size_t n)
{
    if ((size_t)(c->end - c->p) < n) {
        c->bad = true;
        memset(ret, 0, n);
        return;
    }
    memcpy(ret, c->p, n);
    c->p += n;
}

static const char *
take_text(cursor *c)
{
    const char *text = NULL;
    uint32_t n = 0;

    take(c, &n, sizeof(n));
    if (c->bad || n == NO_TEXT)
        return NULL;
    if ((size_t)(c->end - c->p) <= n || c->p[n] != '\0') {
        c->bad = true;
        return NULL;
    }
    text = c->p;
    c->p += n + 1;
    return text;
}

static bool
understand(const char *head, size_t n, fo_cache_entry *e)
{
    cursor c = { .p = head, .end = head + n };
    finops_object o = { 0 };
    FO_AUTO(fo_freep) finops_metadata *metadata = NULL;
    const char **const texts[] = { &o.key,          &o.version,          &o.etag,         &o.checksum,
                                   &o.content_type, &o.content_encoding, &o.cache_control };
    int64_t count = 0;

    take(&c, &o.size, sizeof(o.size));
    take(&c, &o.modified_us, sizeof(o.modified_us));
    take(&c, &e->offset, sizeof(e->offset));
    take(&c, &e->length, sizeof(e->length));
    take(&c, &count, sizeof(count));
    for (size_t i = 0; i < FO_COUNT(texts); i++)
        *texts[i] = take_text(&c);
    if (c.bad || !o.key || !o.version || count < 0 || count > METADATA_MAX || e->length < 0)
        return false;
    metadata = fo_array((size_t)count + 1, sizeof(*metadata));
    for (int64_t i = 0; metadata && i < count; i++)
        metadata[i] = (finops_metadata){ take_text(&c), take_text(&c) };
    o.metadata = metadata;
    o.n_metadata = (size_t)count;
    return metadata && !c.bad && finops_object_copy(&o, &e->object, NULL) == FINOPS_OK;
}

/* ---- reading ---- */

static bool
read_at(int fd, void *to, size_t n, int64_t at)
{
    ssize_t got;

    do
        got = pread(fd, to, n, at);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)n;
}

static bool
read_head(fo_cache_entry *e)
{
    entry_start start;
    FO_AUTO(fo_freep) char *head = NULL;
    struct stat st;
    int64_t blocks;

    if (fstat(e->fd, &st) != 0 || !read_at(e->fd, &start, sizeof(start), 0))
        return false;
    if (memcmp(start.magic, magic, sizeof(magic)) != 0 || start.size > HEAD_MAX)
        return false;
    head = fo_alloc(start.size ? start.size : 1);
    if (!head || !read_at(e->fd, head, start.size, sizeof(start)) ||
        fo_crc32c(0, head, start.size) != start.sum || !understand(head, start.size, e))
        return false;
    e->checked_us = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000;
    e->data_at = (int64_t)sizeof(start) + start.size;
    blocks = (e->length + (int64_t)BLOCK - 1) / (int64_t)BLOCK;
    return st.st_size == e->data_at + e->length + blocks * (int64_t)SUM;
}

bool
fo_cache_entry_open(const fo_cache_folder *f, const char *name, fo_cache_entry *ret, bool *ret_damaged)
{
    fo_cache_entry e = { .fd = openat(f->dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), .block = -1 };

    *ret_damaged = false;
    if (e.fd < 0)
        return false;
    if (!read_head(&e)) {
        fo_cache_entry_close(&e);
        *ret_damaged = true;
        return false;
    }
    *ret = e;
    return true;
}

static bool
load_block(fo_cache_entry *e, int64_t number)
{
    int64_t at = number * (int64_t)BLOCK, left = e->length - at;
    size_t n = left < (int64_t)BLOCK ? (size_t)left : BLOCK;
    uint32_t sum;

    if (e->block == number)
        return true;
    if (!e->data)
        e->data = fo_alloc((e->length < (int64_t)BLOCK ? (size_t)e->length : BLOCK) + SUM);
    e->block = -1;
    if (!e->data || !read_at(e->fd, e->data, n + SUM, e->data_at + number * (int64_t)(BLOCK + SUM)))
        return false;
    memcpy(&sum, e->data + n, SUM);
    if (fo_crc32c(0, e->data, n) != sum)
        return false;
    e->block = number;
    e->block_n = n;
    return true;
}

size_t
fo_cache_entry_read(fo_cache_entry *e, int64_t at, void *buffer, size_t n)
{
    size_t skip = (size_t)(at % (int64_t)BLOCK);

    assert(at >= 0 && at < e->length && n > 0);
    if (!load_block(e, at / (int64_t)BLOCK))
        return 0;
    if (n > e->block_n - skip)
        n = e->block_n - skip;
    memcpy(buffer, e->data + skip, n);
    return n;
}

void
fo_cache_entry_touch(const fo_cache_entry *e, bool checked)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_NOW },
                                       { .tv_nsec = checked ? UTIME_NOW : UTIME_OMIT } };

    (void)futimens(e->fd, times);
}

void
fo_cache_entry_close(fo_cache_entry *e)
{
    fo_fd_closep(&e->fd);
    finops_object_done(&e->object);
    fo_free(e->data);
    e->data = NULL;
}

/* ---- writing ---- */

static void
write_all(fo_cache_new *e, const void *data, size_t n)
{
    const char *p = data;

    e->bytes += n;
    while (n > 0 && e->fd >= 0) {
        ssize_t done = write(e->fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) { /* full: nothing is kept of it; drop removes the file */
            (void)ftruncate(e->fd, 0);
            fo_fd_closep(&e->fd);
            return;
        }
        p += done;
        n -= (size_t)done;
    }
}

/* A name of its own, also among other storages, processes and machines that share the folder. */
static void
make_temporary(const fo_cache_folder *f, fo_cache_new *e)
{
    unsigned random[3] = { arc4random_uniform(UINT32_MAX), arc4random_uniform(UINT32_MAX),
                           arc4random_uniform(UINT32_MAX) };

    (void)snprintf(e->temporary, sizeof(e->temporary), FO_CACHE_TEMPORARY "%08x%08x%08x", random[0],
                   random[1], random[2]);
    e->fd = openat(f->dir, e->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (e->fd < 0)
        e->temporary[0] = '\0';
}

void
fo_cache_new_begin(fo_cache_folder *f, const finops_object *object, int64_t offset, int64_t length,
                   fo_cache_new *ret)
{
    FO_AUTO(fo_str_done) fo_str head = FO_STR_MAX(HEAD_MAX);
    entry_start start;

    *ret = (fo_cache_new){ .fd = -1 };
    describe(object, offset, length, &head);
    ret->block = fo_alloc((length < (int64_t)BLOCK ? (size_t)length : BLOCK) + SUM);
    if (!fo_str_ok(&head) || !ret->block)
        return;
    make_temporary(f, ret);
    memcpy(start.magic, magic, sizeof(magic));
    start.size = (uint32_t)head.len;
    start.sum = fo_crc32c(0, head.data, head.len);
    write_all(ret, &start, sizeof(start));
    write_all(ret, head.data, head.len);
}

static void
write_block(fo_cache_new *e)
{
    uint32_t sum = fo_crc32c(0, e->block, e->block_n);

    memcpy(e->block + e->block_n, &sum, SUM);
    write_all(e, e->block, e->block_n + SUM);
    e->block_n = 0;
}

/* No bytes: the last block goes out. */
void
fo_cache_new_add(fo_cache_new *e, const void *data, size_t n)
{
    const unsigned char *from = data;

    if (e->fd < 0)
        return;
    if (n == 0 && e->block_n > 0)
        write_block(e);
    while (n > 0) {
        size_t part = BLOCK - e->block_n < n ? BLOCK - e->block_n : n;
        memcpy(e->block + e->block_n, from, part);
        e->block_n += part;
        from += part;
        n -= part;
        if (e->block_n == BLOCK)
            write_block(e);
    }
}
