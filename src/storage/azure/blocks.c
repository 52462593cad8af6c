/*
 * Objects in blocks, https://learn.microsoft.com/rest/api/storageservices/put-block-list
 *
 * All ids are of the same length, which the service asks for, and begin with a mark of ours, the time and a
 * random number of the upload: what another writer has sent for the same object is never among those we
 * commit, and a commit whose answer was lost is known by them. Blocks that nobody commits are not visible and
 * cannot be removed alone; the service drops them with the next commit, and after a week.
 */
#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/crc.h"
#include "base/hash.h"
#include "base/mem.h"
#include "storage/azure/azure_internal.h"
#include "storage/object.h"
#include "storage/put_copy.h"

#define MARK "finops-"
#define ID_BYTES 42 /* of "finops-<16 digits of the time>-<12 random>-<5 of the number>" */
#define ID_TEXT 57  /* of that in base64, and the NUL */
#define BLOCKS_MAX 50000
#define BLOCK_MAX ((size_t)4000 << 20)

typedef struct block {
    bool sent;
    int64_t offset;
    size_t n;
    uint64_t crc64;
} block;

typedef struct azure_upload {
    finops_upload base;
    azure_storage *s;
    fo_put_copy put;
    int64_t begun_us;
    uint64_t id;
    pthread_mutex_t lock; /* of the blocks */
    block *blocks;        /* number - 1 is the index */
    size_t n, cap;
    bool finished;
    finops_object stored; /* by a commit; its key is NULL before */
} azure_upload;

static void
block_id(const azure_upload *u, unsigned number, fo_str *ret)
{
    char text[ID_BYTES + 1];

    (void)snprintf(text, sizeof(text), MARK "%016" PRIx64 "-%012" PRIx64 "-%05u", (uint64_t)u->begun_us,
                   u->id & UINT64_C(0xffffffffffff), number % 100000);
    fo_base64(ret, text, ID_BYTES);
}

/* When the upload of this block began; -1: it is none of ours. */
static int64_t
begun_of(const char *id)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(ID_TEXT);
    unsigned long long v = 0;

    if (!fo_base64_decode(&text, id) || text.len != ID_BYTES || !fo_starts(fo_str_z(&text), MARK))
        return -1;
    for (size_t i = strlen(MARK); i < strlen(MARK) + 16; i++) {
        char c = text.data[i];

        if (!fo_is_digit(c) && (c < 'a' || c > 'f'))
            return -1;
        v = v << 4 | (unsigned long long)(fo_is_digit(c) ? c - '0' : c - 'a' + 10);
    }
    return (int64_t)v;
}

/* ---- a block ---- */

static finops_code
remember(azure_upload *u, unsigned number, const block *b, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    (void)pthread_mutex_lock(&u->lock);
    if (!fo_grow((void **)&u->blocks, &u->cap, number, sizeof(*u->blocks)))
        rc = fo_error_oom(err);
    for (; rc == FINOPS_OK && u->n < number; u->n++)
        u->blocks[u->n] = (block){ 0 };
    if (rc == FINOPS_OK)
        u->blocks[number - 1] = *b;
    (void)pthread_mutex_unlock(&u->lock);
    return rc;
}

static finops_code
upload_part(finops_upload *upload, unsigned number, int64_t offset, const void *data, size_t n,
            const finops_call *call, finops_error **err)
{
    azure_upload *u = (azure_upload *)upload;
    FO_AUTO(fo_str_done) fo_str id = FO_STR_MAX(ID_TEXT), query = FO_STR_MAX(AZURE_TEXT_MAX);
    FO_AUTO(azure_request_done)
    azure_request r = {
        .method = "PUT", .key = u->put.put.key, .body = data, .body_size = n, .has_body = true, .call = call
    };
    finops_code rc;

    if (number < 1 || number > BLOCKS_MAX || n < 1 || n > BLOCK_MAX || offset < 0)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "part %u of %s: a number, size or offset that cannot be",
                            number, u->put.put.key);
    if (u->finished)
        return fo_error_set(err, FINOPS_E_NOT_FOUND, "the upload of %s is finished", u->put.put.key);
    block_id(u, number, &id);
    fo_str_add(&query, "comp=block&blockid=");
    fo_url_escape(&query, fo_str_z(&id), false);
    rc = fo_str_check(&query, err);
    r.query = fo_str_z(&query);
    if (rc == FINOPS_OK)
        rc = azure_add_sum(u->s, &r, err);
    if (rc == FINOPS_OK)
        rc = azure_send_only(u->s, &r, err);
    if (rc == FINOPS_E_ARGUMENT && strcmp(r.code, "InvalidBlobOrBlock") == 0)
        return fo_error_wrap(err, FINOPS_E_PRECONDITION, "another writer has blocks of it under way");
    return rc == FINOPS_OK ? remember(u, number, &(block){ true, offset, n, fo_crc64nvme(0, data, n) }, err)
                           : rc;
}

/* ---- what is there of blocks ---- */

static finops_code
block_list(azure_storage *s, const char *key, const char *type, const finops_call *call, fo_xml **ret,
           finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str query = FO_STR_MAX(AZURE_TEXT_MAX);
    FO_AUTO(azure_request_done) azure_request r = { .method = "GET", .key = key, .call = call };
    finops_code rc;

    fo_str_addf(&query, "comp=blocklist&blocklisttype=%s", type);
    rc = fo_str_check(&query, err);
    r.query = fo_str_z(&query);
    return rc == FINOPS_OK ? azure_send_for_xml(s, &r, ret, err) : rc;
}

static const fo_xml_node *
first_block(const fo_xml *xml, const char *kind)
{
    return fo_xml_child(fo_xml_child(fo_xml_root(xml), kind), "Block");
}

finops_code
azure_uncommitted(azure_storage *s, const char *key, const finops_call *call, azure_blocks *ret,
                  finops_error **err)
{
    FO_AUTO(fo_xml_freep) fo_xml *xml = NULL;
    azure_blocks found = { .begun_us = -1 };
    finops_code rc = block_list(s, key, "all", call, &xml, err);

    if (rc != FINOPS_OK)
        return rc;
    for (const fo_xml_node *b = first_block(xml, "UncommittedBlocks"); b; b = fo_xml_next(b, "Block")) {
        const char *id = fo_xml_get(b, "Name"), *size = fo_xml_get(b, "Size");
        int64_t begun = id ? begun_of(id) : -1;
        unsigned long long v;

        found.n++;
        if (size && fo_parse_u64(size, &v))
            found.size += (int64_t)v;
        found.n_ours += begun >= 0;
        if (begun > found.begun_us)
            found.begun_us = begun;
    }
    found.committed = first_block(xml, "CommittedBlocks") != NULL;
    *ret = found;
    return FINOPS_OK;
}

/* ---- the commit ---- */

/* That parts 1..n follow one another and come to this size. */
static finops_code
parts_check(azure_upload *u, unsigned n, int64_t size, uint64_t *ret_crc64, finops_error **err)
{
    int64_t at = 0;
    uint64_t crc64 = 0;

    for (unsigned i = 0; i < n; i++) {
        const block *b = i < u->n ? &u->blocks[i] : NULL;

        if (!b || !b->sent)
            return fo_error_set(err, FINOPS_E_ARGUMENT, "part %u was never sent", i + 1);
        if (b->offset != at)
            return fo_error_set(err, FINOPS_E_ARGUMENT, "part %u does not begin where the one before ends",
                                i + 1);
        at += (int64_t)b->n;
        crc64 = i == 0 ? b->crc64 : fo_crc64nvme_combine(crc64, b->crc64, b->n);
    }
    if (at != size)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "the parts come to %" PRId64 " bytes, not %" PRId64, at,
                            size);
    *ret_crc64 = crc64;
    return FINOPS_OK;
}

static finops_code
list_text(const azure_upload *u, unsigned n, fo_str *ret, finops_error **err)
{
    fo_str_add(ret, "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
    for (unsigned i = 1; i <= n; i++) {
        fo_str_add(ret, "<Uncommitted>");
        block_id(u, i, ret);
        fo_str_add(ret, "</Uncommitted>");
    }
    fo_str_add(ret, "</BlockList>");
    return fo_str_check(ret, err);
}

/* The object consists of our blocks: a commit whose answer was lost had come through. */
static bool
is_ours(azure_upload *u, unsigned n, const finops_call *call)
{
    FO_AUTO(fo_xml_freep) fo_xml *xml = NULL;
    const fo_xml_node *b;
    unsigned seen = 0;

    if (n == 0 || block_list(u->s, u->put.put.key, "committed", call, &xml, NULL) != FINOPS_OK)
        return false;
    for (b = first_block(xml, "CommittedBlocks"); b; b = fo_xml_next(b, "Block")) {
        FO_AUTO(fo_str_done) fo_str want = FO_STR_MAX(ID_TEXT);

        block_id(u, ++seen, &want);
        if (!fo_streq(fo_xml_get(b, "Name"), fo_str_z(&want)))
            return false;
    }
    return seen == n;
}

static bool
may_be_ours(const azure_request *r, finops_code rc)
{
    return rc == FINOPS_E_EXISTS || rc == FINOPS_E_PRECONDITION || strcmp(r->code, "InvalidBlockList") == 0;
}

static finops_code
commit_refused(azure_upload *u, const azure_request *r, unsigned parts, finops_code rc, finops_error **why)
{
    if (may_be_ours(r, rc) && is_ours(u, parts, r->call)) {
        finops_error_free(FO_TAKE(*why));
        return azure_stat(u->s, u->put.put.key, r->call, &u->stored, why);
    }
    if (strcmp(r->code, "InvalidBlockList") == 0)
        return fo_error_wrap(why, FINOPS_E_NOT_FOUND, "another writer has finished the object meanwhile");
    return azure_condition(&u->put.put, r, rc, why);
}

static finops_code
commit_once(azure_upload *u, unsigned parts, int64_t size, const finops_call *call, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(AZURE_ANSWER_MAX);
    FO_AUTO(azure_request_done)
    azure_request r = {
        .method = "PUT", .key = u->put.put.key, .query = "comp=blocklist", .has_body = true, .call = call
    };
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    uint64_t crc64 = 0;
    finops_code rc = parts_check(u, parts, size, &crc64, err);

    if (rc == FINOPS_OK)
        rc = list_text(u, parts, &text, err);
    r.body = fo_str_z(&text);
    r.body_size = text.len;
    if (rc == FINOPS_OK)
        rc = azure_headers_of_put(&u->put.put, &r.headers, err);
    if (rc == FINOPS_OK)
        rc = azure_add_sum(u->s, &r, err);
    if (rc != FINOPS_OK)
        return rc;
    azure_add_own_sum(&r.headers, crc64);
    azure_headers_of_condition(&u->put.put, &r.headers);
    rc = azure_send(u->s, &r, &e, &why);
    if (rc == FINOPS_OK)
        return azure_object_of_put(e, u->put.put.key, size, &crc64, &u->stored, err);
    rc = commit_refused(u, &r, parts, rc, &why);
    if (rc != FINOPS_OK && err)
        *err = FO_TAKE(why);
    return rc;
}

static finops_code
upload_commit(finops_upload *upload, unsigned parts, int64_t size, const finops_call *call,
              finops_object *ret, finops_error **err)
{
    azure_upload *u = (azure_upload *)upload;
    finops_code rc = u->stored.key ? FINOPS_OK : commit_once(u, parts, size, call, err);

    u->finished = u->finished || rc == FINOPS_OK;
    return rc == FINOPS_OK && ret ? finops_object_copy(&u->stored, ret, err) : rc;
}

static void
upload_close(finops_upload *upload)
{
    azure_upload *u = (azure_upload *)upload;

    if (!u)
        return;
    (void)pthread_mutex_destroy(&u->lock);
    finops_object_done(&u->stored);
    fo_put_copy_done(&u->put);
    fo_free(u->blocks);
    fo_free(u);
}

finops_code
azure_upload_begin(void *self, const finops_put *put, finops_upload **ret, finops_error **err)
{
    azure_upload *u = fo_zalloc(sizeof(*u));
    finops_code rc;

    if (!u)
        return fo_error_oom(err);
    (void)pthread_mutex_init(&u->lock, NULL);
    rc = fo_put_copy_make(put, &u->put, err);
    if (rc == FINOPS_OK && getrandom(&u->id, sizeof(u->id), 0) != (ssize_t)sizeof(u->id))
        rc = fo_error_set(err, FINOPS_E_INTERNAL, "the system has no random bytes");
    if (rc != FINOPS_OK) {
        upload_close(&u->base);
        return rc;
    }
    u->put.put.call = NULL;
    u->base = (finops_upload){ .min_part = 1,
                               .max_part = BLOCK_MAX,
                               .max_parts = BLOCKS_MAX,
                               .part = upload_part,
                               .commit = upload_commit,
                               .close = upload_close };
    u->s = self;
    u->begun_us = fo_clock_now();
    *ret = &u->base;
    return FINOPS_OK;
}
