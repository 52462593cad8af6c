/* Whole changes: put, remove, copy and move. */
#include <string.h>

#include "base/mem.h"
#include "storage/object.h"
#include "storage/sftp/driver_internal.h"

#define COPY_BLOCK ((int64_t)64 << 20) /* copied by the server in one request, so that it says something */

finops_code
sf_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret, finops_error **err)
{
    sf_storage *s = self;
    sf_new *new = NULL;
    finops_code rc = sf_put_check(s, put, err);

    if (rc == FINOPS_OK)
        rc = sf_new_begin(s, put->key, put->call, &new, err);
    if (rc == FINOPS_OK)
        rc = sf_new_write(new, data, n, 0, put->call, err);
    if (rc == FINOPS_OK)
        rc = sf_new_commit(new, put, (int64_t)n, ret, err);
    sf_new_free(new);
    return rc;
}

/* ---- remove ---- */

/* What the server made of a removal; a folder is no object. */
static finops_code
removed(sf_storage *s, sf_link *link, const sf_request *r, const char *key, const finops_call *call,
        finops_error **err)
{
    FO_AUTO(fo_freep) char *path = sf_path(s, key);
    int status = sf_status_of(r);
    bool there = false;
    sf_attrs a;

    if (status == SFTP_FX_OK || status == SFTP_FX_NO_SUCH_FILE)
        return FINOPS_OK;
    if (!path)
        return fo_error_oom(err);
    if (sf_peek(link, path, call, &there, &a, NULL) == FINOPS_OK && (!there || S_ISDIR(a.mode)))
        return FINOPS_OK;
    return sf_result(r, "remove", key, err);
}

static finops_code
remove_send(sf_storage *s, sf_link *link, const char *key, const finops_call *call, sf_request **ret,
            finops_error **err)
{
    FO_AUTO(fo_freep) char *path = sf_path(s, key);
    finops_code rc = path ? fo_file_key_check(key, err) : fo_error_oom(err);

    if (rc == FINOPS_OK)
        rc = sf_folders_check(s, link, key, false, call, err);
    return rc == FINOPS_OK ? sf_send_path(link, SFTP_REMOVE, path, ret, err) : rc;
}

static finops_code
remove_finish(sf_storage *s, sf_link *link, sf_request *r, const char *key, const finops_call *call,
              finops_error **err)
{
    finops_code rc = sf_wait(r, call, err);

    return rc == FINOPS_OK ? removed(s, link, r, key, call, err) : rc;
}

finops_code
sf_remove(void *self, const finops_remove *remove, finops_error **err)
{
    sf_storage *s = self;
    sf_lease *lease = NULL;
    FO_AUTO(sf_request_dropp) sf_request *r = NULL;
    finops_code rc = fo_call_check(remove->call, err);

    if (rc == FINOPS_OK && remove->if_version)
        rc = fo_error_set(err, FINOPS_E_UNSUPPORTED, "an SFTP server cannot remove one version only");
    if (rc == FINOPS_OK)
        rc = sf_acquire(s, remove->call, &lease, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = remove_send(s, lease->link, remove->key, remove->call, &r, err);
    if (rc == FINOPS_OK)
        rc = remove_finish(s, lease->link, r, remove->key, remove->call, err);
    if (rc == FINOPS_OK)
        sf_folders_tidy(s, lease->link, remove->key, remove->call);
    if (rc == FINOPS_E_NOT_FOUND) { /* a folder of it is missing, and so is it */
        if (err)
            finops_error_freep(err);
        rc = FINOPS_OK;
    }
    sf_request_dropp(&r);
    sf_release(s, lease);
    return rc;
}

/* A batch whose removals are all on their way at once. */
typedef struct batch {
    sf_storage *s;
    sf_lease *lease;
    const char *const *keys;
    size_t n;
    const finops_call *call;
    finops_each_removed each;
    void *arg;
    sf_request **requests; /* NULL: it was told of already */
} batch;

static void
batch_done(batch *b)
{
    for (size_t i = 0; b->requests && i < b->n; i++)
        sf_request_drop(b->requests[i]);
    fo_free(b->requests);
    sf_release(b->s, b->lease);
}

/* One key's end; a connection that is gone, or a call that must end, is the end of the batch. */
static finops_code
batch_tell(const batch *b, size_t i, finops_code rc, finops_error **why, finops_error **err)
{
    bool all = rc == FINOPS_E_TRANSIENT || rc == FINOPS_E_CANCELLED || rc == FINOPS_E_TIMEOUT ||
               rc == FINOPS_E_MEMORY;

    if (all) {
        if (err)
            *err = FO_TAKE(*why);
        finops_error_freep(why);
        return rc;
    }
    if (b->each)
        b->each(i, rc == FINOPS_OK || rc == FINOPS_E_NOT_FOUND ? NULL : *why, b->arg);
    finops_error_freep(why);
    return FINOPS_OK;
}

static finops_code
batch_send(batch *b, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; i < b->n && rc == FINOPS_OK; i++) {
        finops_error *why = NULL;

        rc = remove_send(b->s, b->lease->link, b->keys[i], b->call, &b->requests[i], &why);
        if (rc != FINOPS_OK)
            rc = batch_tell(b, i, rc, &why, err);
    }
    return rc;
}

finops_code
sf_remove_many(void *self, const char *const *keys, size_t n, const finops_call *call,
               finops_each_removed each, void *arg, finops_error **err)
{
    FO_AUTO(batch_done)
    batch b = { .s = self, .keys = keys, .n = n, .call = call, .each = each, .arg = arg };
    finops_code rc = fo_call_check(call, err);

    if (rc == FINOPS_OK)
        rc = sf_acquire(b.s, call, &b.lease, err);
    if (rc != FINOPS_OK)
        return rc;
    b.requests = fo_array(n + 1, sizeof(sf_request *));
    rc = b.requests ? batch_send(&b, err) : fo_error_oom(err);
    for (size_t i = 0; i < n && rc == FINOPS_OK; i++) {
        finops_error *why = NULL;

        if (!b.requests[i])
            continue;
        rc = remove_finish(b.s, b.lease->link, b.requests[i], keys[i], call, &why);
        if (rc == FINOPS_OK)
            sf_folders_tidy(b.s, b.lease->link, keys[i], call);
        rc = batch_tell(&b, i, rc, &why, err);
    }
    return rc;
}

/* ---- copy ---- */

static finops_code
not_onto_itself(const finops_copy *copy, finops_error **err)
{
    finops_code rc = fo_file_key_check(copy->from, err);

    if (rc == FINOPS_OK)
        rc = fo_file_key_check(copy->to, err);
    if (rc == FINOPS_OK && fo_streq(copy->from, copy->to))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "%s cannot be copied or moved onto itself", copy->from);
    return rc;
}

/* The version, where one is asked for; what is no file is not found. */
static finops_code
from_check(const finops_copy *copy, const sf_attrs *a, finops_error **err)
{
    char version[SFTP_VERSION_TEXT];

    if (!S_ISREG(a->mode))
        return fo_error_set(err, FINOPS_E_NOT_FOUND, "%s is no file", copy->from);
    if (copy->if_version && !fo_streq(copy->if_version, sf_version(a, version)))
        return fo_error_set(err, FINOPS_E_PRECONDITION, "%s is another version", copy->from);
    return FINOPS_OK;
}

static finops_code
copy_block(sf_link *link, const sf_handle *from, const sf_handle *to, int64_t at, int64_t n,
           const finops_call *call, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;
    FO_AUTO(sf_request_dropp) sf_request *r = NULL;
    finops_code rc;

    sf_add_text(&body, "copy-data");
    sf_add_bytes(&body, from->text, from->n);
    sf_add_u64(&body, (uint64_t)at);
    sf_add_u64(&body, (uint64_t)n);
    sf_add_bytes(&body, to->text, to->n);
    sf_add_u64(&body, (uint64_t)at);
    rc = sf_send(link, SFTP_EXTENDED, &body, &r, err);
    return rc == FINOPS_OK ? sf_finish(r, call, "copy", "by the server", err) : rc;
}

/* The file to be copied is opened on the connection of the new one: handles are of one connection. */
static finops_code
copy_bytes(sf_new *to, const finops_copy *copy, sf_attrs *ret, finops_error **err)
{
    FO_AUTO(fo_freep) char *path = sf_path(to->s, copy->from);
    FO_AUTO(sf_request_dropp) sf_request *r = NULL;
    FO_AUTO(sf_request_dropp) sf_request *closing = NULL;
    sf_link *link = to->lease->link;
    sf_handle from = { 0 };
    finops_code rc = path ? sf_look(to->s, link, copy->from, copy->call, ret, err) : fo_error_oom(err);

    if (rc == FINOPS_OK)
        rc = from_check(copy, ret, err);
    if (rc == FINOPS_OK)
        rc = sf_send_open(link, path, SFTP_FXF_READ, &r, err);
    if (rc == FINOPS_OK)
        rc = sf_wait(r, copy->call, err);
    if (rc == FINOPS_OK)
        rc = sf_result_handle(r, "open", copy->from, &from, err);
    if (rc != FINOPS_OK)
        return rc;
    for (int64_t at = 0, size = (int64_t)ret->size; at < size && rc == FINOPS_OK; at += COPY_BLOCK)
        rc = copy_block(link, &from, &to->handle, at, size - at < COPY_BLOCK ? size - at : COPY_BLOCK,
                        copy->call, err);
    if (sf_send_handle(link, SFTP_CLOSE, &from, &closing, NULL) == FINOPS_OK)
        sf_link_flush(link);
    return rc;
}

finops_code
sf_copy(void *self, const finops_copy *copy, finops_object *ret, finops_error **err)
{
    const finops_put put = { .key = copy->to, .create_only = copy->create_only, .call = copy->call };
    sf_storage *s = self;
    sf_new *new = NULL;
    sf_attrs from = { 0 };
    finops_code rc = not_onto_itself(copy, err);

    if (rc == FINOPS_OK && !sf_has(s, SFTP_EXT_COPY))
        rc = fo_error_set(err, FINOPS_E_UNSUPPORTED, "copying is not supported by this server (copy-data)");
    if (rc == FINOPS_OK)
        rc = sf_put_check(s, &put, err);
    if (rc == FINOPS_OK)
        rc = sf_new_begin(s, copy->to, copy->call, &new, err);
    if (rc == FINOPS_OK && !sf_has(s, SFTP_EXT_COPY)) /* now that it was asked */
        rc = fo_error_set(err, FINOPS_E_UNSUPPORTED, "copying is not supported by this server (copy-data)");
    if (rc == FINOPS_OK)
        rc = copy_bytes(new, copy, &from, err);
    if (rc == FINOPS_OK)
        rc = sf_new_commit(new, &put, (int64_t)from.size, ret, err);
    sf_new_free(new);
    return rc;
}

/* ---- move ---- */

static finops_code
move_named(sf_storage *s, sf_link *link, const finops_copy *move, finops_error **err)
{
    FO_AUTO(fo_freep) char *from = sf_path(s, move->from);
    FO_AUTO(fo_freep) char *to = sf_path(s, move->to);
    FO_AUTO(sf_request_dropp) sf_request *look = NULL;
    sf_attrs a;
    finops_code rc = from && to ? sf_send_path(link, SFTP_LSTAT, from, &look, err) : fo_error_oom(err);

    if (rc == FINOPS_OK)
        rc = sf_folders_check(s, link, move->from, false, move->call, err);
    if (rc == FINOPS_OK)
        rc = sf_wait(look, move->call, err);
    if (rc == FINOPS_OK)
        rc = sf_result_attrs(look, "move", move->from, &a, err);
    if (rc == FINOPS_OK && S_ISLNK(a.mode)) /* it would lead elsewhere from another folder */
        rc = fo_error_set(err, FINOPS_E_ARGUMENT, "%s is a symbolic link, which can only be copied",
                          move->from);
    if (rc == FINOPS_OK)
        rc = from_check(move, &a, err);
    if (rc == FINOPS_OK)
        rc = sf_folders_check(s, link, move->to, true, move->call, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = move->create_only ? sf_rename_new(s, link, from, to, move->call, err)
                           : sf_rename(s, link, from, to, move->call, err);
    sf_folders_tidy(s, link, rc == FINOPS_OK ? move->from : move->to, move->call);
    return rc;
}

finops_code
sf_move(void *self, const finops_copy *move, finops_error **err)
{
    sf_storage *s = self;
    sf_lease *lease = NULL;
    finops_code rc = not_onto_itself(move, err);

    if (rc == FINOPS_OK)
        rc = fo_call_check(move->call, err);
    if (rc == FINOPS_OK)
        rc = sf_acquire(s, move->call, &lease, err);
    if (rc == FINOPS_OK)
        rc = move_named(s, lease->link, move, err);
    sf_release(s, lease);
    return rc;
}
