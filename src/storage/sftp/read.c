/*
 * Reading: many reads on their way at once, of a file that was opened, whatever becomes of its name. A small
 * object takes two trips: its attributes with its opening, and its bytes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "storage/object.h"
#include "storage/sftp/driver_internal.h"

#define FLIGHT_FIRST 16 /* more once the caller shows that it reads on */

/* ---- what is known of a file ---- */

const char *
sf_version(const sf_attrs *a, char buf[SFTP_VERSION_TEXT])
{
    (void)snprintf(buf, SFTP_VERSION_TEXT, "%" PRIx64 "-%" PRIx32, a->size, a->mtime);
    return buf;
}

finops_object
sf_object(const char *key, const sf_attrs *a, char buf[SFTP_VERSION_TEXT])
{
    finops_object o = { .key = key, .size = (int64_t)a->size, .modified_us = (int64_t)a->mtime * 1000000 };

    o.version = o.etag = sf_version(a, buf);
    return o;
}

static bool
is_same(const sf_attrs *a, const sf_attrs *b)
{
    return a->size == b->size && a->mtime == b->mtime;
}

finops_code
sf_look_through(sf_storage *s, sf_link *link, const char *key, const finops_call *call, sf_attrs *ret,
                finops_error **err)
{
    FO_AUTO(fo_freep) char *path = sf_path(s, key);
    FO_AUTO(sf_request_dropp) sf_request *r = NULL;
    finops_code rc = path ? sf_send_path(link, SFTP_STAT, path, &r, err) : fo_error_oom(err);

    if (rc == FINOPS_OK)
        rc = sf_wait(r, call, err);
    return rc == FINOPS_OK ? sf_result_attrs(r, "open", key, ret, err) : rc;
}

finops_code
sf_look(sf_storage *s, sf_link *link, const char *key, const finops_call *call, sf_attrs *ret,
        finops_error **err)
{
    FO_AUTO(fo_freep) char *path = sf_path(s, key);
    FO_AUTO(sf_request_dropp) sf_request *r = NULL;
    sf_attrs a;
    finops_code rc = path ? sf_send_path(link, SFTP_LSTAT, path, &r, err) : fo_error_oom(err);

    if (rc == FINOPS_OK)
        rc = sf_folders_check(s, link, key, false, call, err);
    if (rc == FINOPS_OK)
        rc = sf_wait(r, call, err);
    if (rc == FINOPS_OK)
        rc = sf_result_attrs(r, "open", key, &a, err);
    if (rc == FINOPS_OK && S_ISLNK(a.mode))
        rc = sf_link_check(s, link, key, call, err);
    if (rc == FINOPS_OK && S_ISLNK(a.mode))
        rc = sf_look_through(s, link, key, call, &a, err);
    if (rc == FINOPS_OK)
        *ret = a;
    return rc;
}

/* ---- readers ---- */

typedef struct block {
    sf_request *request;
    int64_t offset;
    size_t size;  /* bytes asked for in all */
    size_t have;  /* bytes that are there */
    size_t given; /* of them, to the caller */
    bool done;
    char *data; /* SFTP_BLOCK bytes, kept for the next one */
} block;

typedef struct sf_reader {
    finops_reader base;
    sf_storage *s;
    sf_lease *lease;
    const finops_call *call;
    char *key;
    char version[SFTP_VERSION_TEXT];
    sf_handle handle;
    bool open;
    sf_attrs attrs;
    sf_request *last_look; /* FSTAT after the last read */
    int64_t sent, end;     /* of what was asked for, and of the range */
    unsigned flight, first, n;
    block blocks[SFTP_FLIGHT]; /* a ring */
} sf_reader;

static block *
block_at(sf_reader *r, unsigned i)
{
    return &r->blocks[(r->first + i) % SFTP_FLIGHT];
}

static void
blocks_drop(sf_reader *r)
{
    for (; r->n > 0; r->n--)
        sf_request_dropp(&block_at(r, r->n - 1)->request);
    sf_request_dropp(&r->last_look);
}

static void
reader_close(finops_reader *reader)
{
    sf_reader *r = (sf_reader *)reader;
    sf_request *closing = NULL;

    blocks_drop(r);
    if (r->open && sf_send_handle(r->lease->link, SFTP_CLOSE, &r->handle, &closing, NULL) == FINOPS_OK) {
        sf_request_drop(closing); /* nobody needs to wait for it */
        sf_link_flush(r->lease->link);
    }
    sf_release(r->s, r->lease);
    for (size_t i = 0; i < SFTP_FLIGHT; i++)
        fo_free(r->blocks[i].data);
    fo_free(r->key);
    fo_free(r);
}

static finops_code
block_send(sf_reader *r, block *b, finops_error **err)
{
    return sf_send_read(r->lease->link, &r->handle, (uint64_t)b->offset + b->have, b->data + b->have,
                        b->size - b->have, &b->request, err);
}

/* As many as may be on their way, and behind the last one the question whether the file is still the same. */
static finops_code
top_up(sf_reader *r, finops_error **err)
{
    while (r->n < r->flight && r->sent < r->end) {
        block *b = block_at(r, r->n);
        int64_t left = r->end - r->sent;
        finops_code rc;

        if (!b->data)
            b->data = fo_alloc(SFTP_BLOCK);
        if (!b->data)
            return fo_error_oom(err);
        *b = (block){ .offset = r->sent,
                      .size = left < (int64_t)SFTP_BLOCK ? (size_t)left : SFTP_BLOCK,
                      .data = b->data };
        rc = block_send(r, b, err);
        if (rc != FINOPS_OK)
            return rc;
        r->n++;
        r->sent += (int64_t)b->size;
    }
    if (r->sent >= r->end && !r->last_look)
        return sf_send_handle(r->lease->link, SFTP_FSTAT, &r->handle, &r->last_look, err);
    return FINOPS_OK;
}

/* A file is replaced by us and never changed; others may. */
static finops_code
still_the_same(sf_reader *r, finops_error **err)
{
    sf_attrs now;
    finops_code rc = sf_wait(r->last_look, r->call, err);

    if (rc == FINOPS_OK)
        rc = sf_result_attrs(r->last_look, "read", r->key, &now, err);
    if (rc != FINOPS_OK || is_same(&now, &r->attrs))
        return rc;
    return fo_error_set(err, FINOPS_E_PRECONDITION, "the file was changed while it was read");
}

/* Until the bytes asked for are all there: a server may send fewer at a time. */
static finops_code
block_wait(sf_reader *r, block *b, finops_error **err)
{
    while (!b->done) {
        size_t n = 0;
        finops_code rc = sf_wait(b->request, r->call, err);

        if (rc == FINOPS_OK)
            rc = sf_result_data(b->request, r->key, &n, err);
        if (rc != FINOPS_OK)
            return rc;
        sf_request_dropp(&b->request);
        if (n == 0)
            return fo_error_set(err, FINOPS_E_TRANSIENT, "%s ends at byte %lld", r->key,
                                (long long)b->offset + (long long)b->have);
        b->have += n;
        b->done = b->have == b->size;
        if (!b->done) {
            rc = block_send(r, b, err);
            if (rc != FINOPS_OK)
                return rc;
        }
    }
    return FINOPS_OK;
}

/* What is there of the first block; it goes when it is used up. */
static finops_code
take(sf_reader *r, char *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    block *b = block_at(r, 0);
    size_t left;
    finops_code rc = block_wait(r, b, err);

    if (rc != FINOPS_OK)
        return rc;
    left = b->have - b->given;
    n = n < left ? n : left;
    memcpy(buffer, b->data + b->given, n);
    b->given += n;
    if (b->given == b->size) {
        r->first = (r->first + 1) % SFTP_FLIGHT;
        r->n--;
        r->flight = r->flight < SFTP_FLIGHT ? r->flight + 1 : SFTP_FLIGHT;
    }
    *ret_n = n;
    return FINOPS_OK;
}

static finops_code
reader_read(finops_reader *reader, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    sf_reader *r = (sf_reader *)reader;
    size_t done = 0;
    finops_code rc = fo_call_check(r->call, err);

    while (rc == FINOPS_OK && done < n && (r->n > 0 || r->sent < r->end)) {
        size_t got = 0;

        if (r->n <= r->flight / 2) /* in bunches, each one packet */
            rc = top_up(r, err);
        if (rc == FINOPS_OK && done > 0 && !block_at(r, 0)->done && !sf_is_answered(block_at(r, 0)->request))
            break;
        if (rc == FINOPS_OK)
            rc = take(r, (char *)buffer + done, n - done, &got, err);
        done += got;
    }
    if (rc == FINOPS_OK && r->n == 0 && r->sent >= r->end && r->last_look)
        rc = still_the_same(r, err);
    if (rc != FINOPS_OK)
        return rc;
    if (r->n == 0 && r->sent >= r->end)
        sf_request_dropp(&r->last_look);
    *ret_n = done;
    return FINOPS_OK;
}

static finops_code
must_be_file(const sf_attrs *a, const char *key, finops_error **err)
{
    if (S_ISREG(a->mode))
        return FINOPS_OK;
    return fo_error_set(err, FINOPS_E_ARGUMENT, "%s is %s", key, S_ISDIR(a->mode) ? "a folder" : "no file");
}

/* Opens it and looks at it, all in one trip. */
static finops_code
reader_open(sf_reader *r, finops_error **err)
{
    FO_AUTO(fo_freep) char *path = sf_path(r->s, r->key);
    FO_AUTO(sf_request_dropp) sf_request *opening = NULL;
    sf_link *link = r->lease->link;
    finops_code rc = path ? sf_send_open(link, path, SFTP_FXF_READ, &opening, err) : fo_error_oom(err);

    if (rc == FINOPS_OK)
        rc = sf_look(r->s, link, r->key, r->call, &r->attrs, err);
    if (rc == FINOPS_OK)
        rc = must_be_file(&r->attrs, r->key, err);
    if (rc == FINOPS_OK)
        rc = sf_wait(opening, r->call, err);
    if (rc == FINOPS_OK)
        rc = sf_result_handle(opening, "open", r->key, &r->handle, err);
    r->open = rc == FINOPS_OK;
    return rc;
}

/* The range, by what is known of the file so far. */
static finops_code
reader_aim(sf_reader *r, const finops_get *get, finops_error **err)
{
    int64_t offset, length;
    finops_code rc;

    r->base.object = sf_object(r->key, &r->attrs, r->version);
    rc = fo_get_check(get, r->version, err);
    if (rc == FINOPS_OK)
        rc = fo_get_resolve(get, r->base.object.size, &offset, &length, err);
    if (rc != FINOPS_OK)
        return rc;
    r->base.offset = r->sent = offset;
    r->base.length = length;
    r->end = offset + length;
    return FINOPS_OK;
}

/* Reading begins before it is certain that what was opened is what was looked at. */
static finops_code
reader_begin(sf_reader *r, const finops_get *get, finops_error **err)
{
    FO_AUTO(sf_request_dropp) sf_request *look = NULL;
    sf_attrs opened;
    finops_code rc = sf_send_handle(r->lease->link, SFTP_FSTAT, &r->handle, &look, err);
    finops_code first = rc == FINOPS_OK ? reader_aim(r, get, NULL) : rc;

    if (first == FINOPS_OK)
        rc = top_up(r, err);
    if (rc == FINOPS_OK)
        rc = sf_wait(look, r->call, err);
    if (rc == FINOPS_OK)
        rc = sf_result_attrs(look, "open", r->key, &opened, err);
    if (rc != FINOPS_OK || (first == FINOPS_OK && is_same(&opened, &r->attrs)))
        return rc;
    blocks_drop(r);
    r->attrs = opened;
    rc = must_be_file(&opened, r->key, err);
    return rc == FINOPS_OK ? reader_aim(r, get, err) : rc;
}

finops_code
sf_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err)
{
    sf_reader *r;
    finops_code rc = fo_file_key_check(get->key, err);

    if (rc == FINOPS_OK)
        rc = fo_call_check(get->call, err);
    if (rc != FINOPS_OK)
        return rc;
    r = fo_zalloc(sizeof(*r));
    if (!r)
        return fo_error_oom(err);
    r->base.read = reader_read;
    r->base.close = reader_close;
    r->s = self;
    r->call = get->call;
    r->flight = FLIGHT_FIRST;
    r->key = fo_strdup(get->key);
    rc = r->key ? sf_acquire(r->s, r->call, &r->lease, err) : fo_error_oom(err);
    if (rc == FINOPS_OK)
        rc = reader_open(r, err);
    if (rc == FINOPS_OK)
        rc = reader_begin(r, get, err);
    if (rc != FINOPS_OK) {
        reader_close(&r->base);
        return rc;
    }
    *ret = &r->base;
    return FINOPS_OK;
}
