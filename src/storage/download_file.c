/*
 * An object to a local file: beside the target under another name, ranges in parallel, checked, then renamed.
 *
 * The first range tells how long the object is and which version; the others ask for that version only.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "storage/front.h"
#include "storage/writer.h"

#define BUFFER ((size_t)256 << 10)
#define RANGES 8 /* at least, for each thread */
#define RANGE_MAX ((uint64_t)64 << 20)
#define CHECKSUM 40 /* bytes of "crc64nvme:..." */
#define ATTEMPTS 2  /* of the whole, when the checksum is wrong */

typedef struct download {
    finops_storage *storage;
    finops_get get; /* the whole of it, version pinned */
    const finops_call *user;
    finops_call call; /* of the ranges: the user's, and `stop` */
    int fd;
    const char *file;
    uint64_t part_size;    /* least size of a range */
    int64_t known;         /* size of the object, by who asks for it; negative: not known */
    uint64_t head, part;   /* bytes of part 0, and of the others */
    int64_t first, length; /* of the object; bytes */
    bool checked;          /* the whole object, and its CRC-64/NVME is known */
    char checksum[CHECKSUM];
    uint64_t *sums;       /* of each part */
    pthread_mutex_t lock; /* for all below */
    uint64_t next;        /* part to be read */
    int64_t done;
    finops_code rc;
    finops_error *why;
    atomic_bool stop;
} download;

static bool
is_stopped(void *arg)
{
    download *d = arg;

    return atomic_load(&d->stop) || (d->user && d->user->cancelled && d->user->cancelled(d->user->arg));
}

static void
failed(download *d, finops_code rc, finops_error *why)
{
    pthread_mutex_lock(&d->lock);
    if (d->rc == FINOPS_OK) {
        d->rc = rc;
        d->why = why;
    } else
        finops_error_free(why);
    pthread_mutex_unlock(&d->lock);
    atomic_store(&d->stop, true);
}

static void
advanced(download *d, size_t n)
{
    pthread_mutex_lock(&d->lock);
    d->done += (int64_t)n;
    if (d->user && d->user->progress)
        d->user->progress(d->length > 0 ? (double)d->done / (double)d->length : 1, d->done, d->user->arg);
    pthread_mutex_unlock(&d->lock);
}

/* Where part i begins. */
static int64_t
begin_of(const download *d, uint64_t i)
{
    return i == 0 ? 0 : (int64_t)(d->head + (i - 1) * d->part);
}

static int64_t
size_of(const download *d, uint64_t i)
{
    int64_t size = (int64_t)(i == 0 ? d->head : d->part), left = d->length - begin_of(d, i);

    return left < size ? left : size;
}

static uint64_t
parts_of(const download *d)
{
    if (d->length <= (int64_t)d->head)
        return d->length > 0;
    return 1 + ((uint64_t)d->length - d->head + d->part - 1) / d->part;
}

static finops_code
write_at(const download *d, const char *data, size_t n, int64_t at, finops_error **err)
{
    while (n > 0) {
        ssize_t put = pwrite(d->fd, data, n, (off_t)at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return fo_error_errno(err, errno, "write %s", d->file);
        data += put;
        n -= (size_t)put;
        at += put;
    }
    return FINOPS_OK;
}

/* One range into the file, and its checksum. */
static finops_code
take(download *d, finops_reader *reader, uint64_t part, char *buffer, finops_error **err)
{
    int64_t at = begin_of(d, part), left = reader->length;
    uint64_t sum = 0;

    while (left > 0) {
        size_t n = 0;
        finops_code rc = reader->read(reader, buffer, BUFFER, &n, err);
        if (rc == FINOPS_OK && n == 0)
            rc = fo_error_set(err, FINOPS_E_TRANSIENT, "%" PRId64 " bytes are missing at the end", left);
        if (rc == FINOPS_OK)
            rc = write_at(d, buffer, n, at, err);
        if (rc != FINOPS_OK)
            return rc;
        if (d->checked)
            sum = fo_crc64nvme(sum, buffer, n);
        at += (int64_t)n;
        left -= (int64_t)n;
        advanced(d, n);
    }
    if (d->checked)
        d->sums[part] = sum;
    return FINOPS_OK;
}

static finops_code
take_part(download *d, uint64_t part, char *buffer, finops_error **err)
{
    finops_reader *reader = NULL;
    finops_get get = d->get;

    get.offset = d->first + begin_of(d, part);
    get.length = size_of(d, part);
    finops_code rc = finops_storage_read(d->storage, &get, &reader, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = take(d, reader, part, buffer, err);
    reader->close(reader);
    return rc;
}

static void *
take_parts(void *arg)
{
    download *d = arg;
    FO_AUTO(fo_freep) char *buffer = fo_alloc(BUFFER);
    finops_error *why = NULL;

    if (!buffer) {
        finops_code rc = fo_error_oom(&why);
        failed(d, rc, FO_TAKE(why));
    }
    while (buffer && !atomic_load(&d->stop)) {
        pthread_mutex_lock(&d->lock);
        uint64_t part = d->next++;
        pthread_mutex_unlock(&d->lock);
        if (part >= parts_of(d))
            break;
        finops_code rc = take_part(d, part, buffer, &why);
        if (rc != FINOPS_OK)
            failed(d, rc, FO_TAKE(why));
    }
    return NULL;
}

/* Part 0 is under way in `reader`; the others are taken by threads and, after it, by this one. */
static void
take_all(download *d, finops_reader *reader, unsigned parallel)
{
    size_t room = d->length < (int64_t)BUFFER ? (size_t)d->length + 1 : BUFFER;
    FO_AUTO(fo_freep) char *buffer = fo_alloc(parts_of(d) > 1 ? BUFFER : room);
    pthread_t threads[FO_PARALLEL_MAX];
    finops_error *why = NULL;
    size_t n = 0;

    d->next = 1;
    while (n + 1 < parallel && n + 1 < parts_of(d) && pthread_create(&threads[n], NULL, take_parts, d) == 0)
        n++;
    finops_code rc = buffer ? take(d, reader, 0, buffer, &why) : fo_error_oom(&why);
    if (rc != FINOPS_OK)
        failed(d, rc, why);
    else
        (void)take_parts(d);
    for (size_t i = 0; i < n; i++)
        (void)pthread_join(threads[i], NULL);
}

static finops_code
sum_is_right(const download *d, finops_error **err)
{
    char text[CHECKSUM];
    uint64_t sum = 0;

    if (!d->checked)
        return FINOPS_OK;
    for (uint64_t i = 0; i < parts_of(d); i++)
        sum = fo_crc64nvme_combine(sum, d->sums[i], (uint64_t)size_of(d, i));
    (void)snprintf(text, sizeof(text), "crc64nvme:%016" PRIx64, sum);
    return strcmp(text, d->checksum) == 0
               ? FINOPS_OK
               : fo_error_set(err, FINOPS_E_CORRUPT, "%s came with the checksum %s, and not %s", d->get.key,
                              text, d->checksum);
}

static bool
is_small(const download *d)
{
    return d->known >= 0 && (uint64_t)d->known <= d->part_size;
}

/* The first range; of an empty object there is none, so it is asked for whole, and so is one that is known to
 * be small: then its checksum comes along. */
static finops_code
read_first(download *d, const finops_get *get, finops_reader **ret, finops_error **err)
{
    finops_get first = *get;
    finops_code rc;

    first.call = &d->call;
    if (get->suffix == 0 && (get->length < 0 ? !is_small(d) : get->length > (int64_t)d->part_size))
        first.length = (int64_t)d->part_size;
    rc = finops_storage_read(d->storage, &first, ret, err);
    if (rc != FINOPS_E_RANGE || get->offset > 0 || get->suffix > 0)
        return rc;
    if (err)
        finops_error_freep(err);
    first.length = -1;
    return finops_storage_read(d->storage, &first, ret, err);
}

/* Ranges of large objects are larger: a service has work with each. There are some for every thread. */
static uint64_t
range_size(const download *d, unsigned parallel)
{
    uint64_t share = ((uint64_t)d->length - d->head) / ((uint64_t)parallel * RANGES);
    uint64_t most = d->part_size > RANGE_MAX ? d->part_size : RANGE_MAX;
    uint64_t size = (share + d->part_size - 1) / d->part_size * d->part_size;

    if (size < d->part_size)
        return d->part_size;
    return size < most ? size : most;
}

static bool
checks(const download *d, const finops_object *object)
{
    return object->checksum && fo_starts(object->checksum, "crc64nvme:") && d->length == object->size;
}

/* S3 tells the checksum of the whole with no range of it, but when it is asked what the object is. */
static void
ask_checksum(download *d, const finops_object *object)
{
    FO_AUTO(finops_object_done) finops_object whole = { 0 };

    if (object->checksum || parts_of(d) < 2 || d->length != object->size || !object->version ||
        !(finops_storage_features(d->storage) & FINOPS_STORAGE_CHECKSUM) ||
        finops_storage_stat(d->storage, d->get.key, &d->call, &whole, NULL) != FINOPS_OK)
        return;
    d->checked = checks(d, &whole) && whole.version && strcmp(whole.version, object->version) == 0;
    if (d->checked)
        (void)snprintf(d->checksum, sizeof(d->checksum), "%s", whole.checksum);
}

/* What the first reader says of the whole. A suffix comes in one piece. */
static void
learn(download *d, const finops_get *get, const finops_reader *reader, unsigned parallel)
{
    const finops_object *object = &reader->object;

    d->first = reader->offset;
    d->length = object->size - reader->offset;
    if (get->suffix == 0 && get->length >= 0 && get->length < d->length)
        d->length = get->length;
    d->head = (uint64_t)reader->length;
    d->part = range_size(d, parallel);
    d->checked = checks(d, object);
    d->get = (finops_get){ .key = get->key, .if_version = object->version, .call = &d->call };
    if (d->checked)
        (void)snprintf(d->checksum, sizeof(d->checksum), "%s", object->checksum);
    else
        ask_checksum(d, object);
}

static finops_code
outcome(download *d, finops_error **err)
{
    if (d->rc == FINOPS_OK)
        return sum_is_right(d, err);
    if (err)
        *err = FO_TAKE(d->why);
    return d->rc;
}

static finops_code
receive(download *d, const finops_get *get, unsigned parallel, finops_object *ret, finops_error **err)
{
    finops_reader *reader = NULL;
    finops_code rc = read_first(d, get, &reader, err);

    if (rc != FINOPS_OK)
        return rc;
    learn(d, get, reader, parallel);
    d->sums = fo_array(parts_of(d) + 1, sizeof(*d->sums));
    if (d->sums) {
        take_all(d, reader, parallel);
        rc = outcome(d, err);
    } else
        rc = fo_error_oom(err);
    if (rc == FINOPS_OK && ret)
        rc = finops_object_copy(&reader->object, ret, err);
    reader->close(reader);
    return rc;
}

static finops_code
attempt(finops_storage *storage, const finops_get *get, int fd, const char *file, const finops_transfer *t,
        finops_object *ret, finops_error **err)
{
    download d = { .storage = storage, .user = get->call, .fd = fd, .file = file, .part_size = t->part_size };
    finops_code rc;

    d.known = t->size > 0 ? t->size : -1;
    d.call = (finops_call){ .cancelled = is_stopped, .arg = &d };
    d.call.deadline_us = get->call ? get->call->deadline_us : 0;
    pthread_mutex_init(&d.lock, NULL);
    rc = receive(&d, get, t->parallel, ret, err);
    pthread_mutex_destroy(&d.lock);
    finops_error_free(d.why);
    fo_free(d.sums);
    return rc;
}

/* A file that was cut is written to disk by ext4 when it is closed, so that one that is empty is left alone.
 */
static int
make_empty(int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return -1;
    return st.st_size > 0 ? ftruncate(fd, 0) : 0;
}

/* A wrong checksum is asked for once more: it may have been the way here. */
finops_code
fo_storage_download_fd(finops_storage *storage, const finops_get *get, int fd, const char *label,
                       const finops_transfer *transfer, finops_object *ret, finops_error **err)
{
    const finops_transfer t = fo_transfer_whole(transfer);
    finops_error *why = NULL;
    finops_code rc = FINOPS_OK;

    for (int i = 0; i < ATTEMPTS; i++) {
        finops_error_freep(&why);
        if (make_empty(fd) != 0)
            return fo_error_errno(err, errno, "write %s", label);
        rc = attempt(storage, get, fd, label, &t, ret, &why);
        if (rc != FINOPS_E_CORRUPT)
            break;
    }
    if (err)
        *err = why;
    else
        finops_error_free(why);
    return rc;
}

finops_code
finops_storage_download_file(finops_storage *storage, const finops_get *get, const char *file,
                             const finops_transfer *transfer, finops_object *ret, finops_error **err)
{
    finops_object object = { 0 };
    FO_AUTO(fo_file_new_done) fo_file_new new = FO_FILE_NEW_INIT;
    finops_code rc;

    if (!storage || !get || !file)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "download_file: storage, key and file are needed");
    rc = fo_file_new_begin(&new, file, 0666, err);
    if (rc == FINOPS_OK)
        rc = fo_storage_download_fd(storage, get, new.fd, file, transfer, &object, err);
    if (rc == FINOPS_OK)
        rc = fo_file_new_commit(&new, transfer && transfer->durable, err);
    if (rc == FINOPS_OK && ret)
        *ret = object;
    else
        finops_object_done(&object);
    return rc;
}
