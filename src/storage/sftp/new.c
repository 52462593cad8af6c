/*
 * Files on their way in: beside their target under a name that no listing shows, then renamed onto it. What
 * the server has said about each write is known before that, so that nothing is ever seen in part.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "resilience/deadline.h"
#include "storage/object.h"
#include "storage/sftp/driver_internal.h"

#define BEGIN_TRIES 4
#define CLEAN_UP_US 5000000
#define HURRY_US 30000 /* for what is left over when a call must end */

/* ---- names ---- */

finops_code
sf_peek(sf_link *link, const char *path, const finops_call *call, bool *ret_there, sf_attrs *ret,
        finops_error **err)
{
    FO_AUTO(sf_request_dropp) sf_request *r = NULL;
    finops_code rc = sf_send_path(link, SFTP_LSTAT, path, &r, err);

    if (rc == FINOPS_OK)
        rc = sf_wait(r, call, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret_there = sf_status_of(r) != SFTP_FX_NO_SUCH_FILE;
    return *ret_there ? sf_result_attrs(r, "look at", path, ret, err) : FINOPS_OK;
}

/* Why a name could not be given: the server's own answer says little. */
static finops_code
not_named(sf_link *link, sf_request *r, const char *to, const finops_call *call, bool taken_is_exists,
          finops_error **err)
{
    bool there = false;
    sf_attrs a = { 0 };
    finops_code rc = sf_peek(link, to, call, &there, &a, NULL);

    if (rc == FINOPS_OK && there && S_ISDIR(a.mode))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "write %s: it is a folder", to);
    if (rc == FINOPS_OK && there && taken_is_exists)
        return fo_error_set(err, FINOPS_E_EXISTS, "it exists");
    return sf_result(r, "rename to", to, err);
}

finops_code
sf_rename(sf_storage *s, sf_link *link, const char *from, const char *to, const finops_call *call,
          finops_error **err)
{
    FO_AUTO(sf_request_dropp) sf_request *r = NULL;
    bool replaces = (sf_link_extensions(link) & SFTP_EXT_RENAME) != 0;
    finops_code rc = replaces
                         ? sf_send_two(link, SFTP_EXTENDED, "posix-rename@openssh.com", from, to, &r, err)
                         : sf_send_two(link, SFTP_RENAME, NULL, from, to, &r, err);

    (void)s;
    if (rc == FINOPS_OK)
        rc = sf_wait(r, call, err);
    if (rc != FINOPS_OK || sf_status_of(r) == SFTP_FX_OK)
        return rc;
    rc = not_named(link, r, to, call, !replaces, err);
    if (rc != FINOPS_E_EXISTS)
        return rc;
    (void)fo_error_set(err, FINOPS_E_UNSUPPORTED, "the server cannot replace %s at once", to);
    fo_error_hint(err,
                  "it lacks posix-rename@openssh.com: remove the object first, or write under new names");
    return FINOPS_E_UNSUPPORTED;
}

finops_code
sf_rename_new(sf_storage *s, sf_link *link, const char *from, const char *to, const finops_call *call,
              finops_error **err)
{
    FO_AUTO(sf_request_dropp) sf_request *r = NULL;
    sf_request *removal = NULL;
    finops_code rc;

    (void)s;
    if (!(sf_link_extensions(link) & SFTP_EXT_LINK))
        return fo_error_set(err, FINOPS_E_UNSUPPORTED,
                            "a create-only write is not supported by this server (hardlink@openssh.com)");
    rc = sf_send_two(link, SFTP_EXTENDED, "hardlink@openssh.com", from, to, &r, err);
    if (rc == FINOPS_OK)
        rc = sf_wait(r, call, err);
    if (rc != FINOPS_OK)
        return rc;
    if (sf_status_of(r) != SFTP_FX_OK)
        return not_named(link, r, to, call, true, err);
    if (sf_send_path(link, SFTP_REMOVE, from, &removal, NULL) == FINOPS_OK) {
        (void)sf_wait(removal, call, NULL);
        sf_request_drop(removal);
    }
    return FINOPS_OK;
}

finops_code
sf_put_check(sf_storage *s, const finops_put *put, finops_error **err)
{
    finops_code rc = fo_put_plain(put, "an SFTP server", err);

    if (rc != FINOPS_OK)
        return rc;
    if (put->create_only && !sf_has(s, SFTP_EXT_LINK))
        return fo_error_set(err, FINOPS_E_UNSUPPORTED,
                            "a create-only write is not supported by this server (hardlink@openssh.com)");
    return FINOPS_OK;
}

/* ---- begin and end ---- */

static void
clean_up(sf_new *n)
{
    const finops_call call = { .deadline_us = fo_deadline_in(n->hurry ? HURRY_US : CLEAN_UP_US) };
    sf_request *r = NULL;

    if (n->lease && !sf_link_is_alive(n->lease->link)) {
        sf_release(n->s, n->lease);
        n->lease = NULL;
        n->open = false;
    }
    if (!n->lease && sf_acquire(n->s, &call, &n->lease, NULL) != FINOPS_OK)
        return; /* a sweep finds it */
    if (n->open && sf_send_handle(n->lease->link, SFTP_CLOSE, &n->handle, &r, NULL) == FINOPS_OK)
        sf_request_dropp(&r);
    if (sf_send_path(n->lease->link, SFTP_REMOVE, n->temporary, &r, NULL) == FINOPS_OK) {
        (void)sf_wait(r, &call, NULL);
        sf_request_dropp(&r);
        sf_folders_tidy(n->s, n->lease->link, n->key, &call);
    }
}

void
sf_new_free(sf_new *n)
{
    if (!n)
        return;
    if (n->exists)
        clean_up(n);
    sf_release(n->s, n->lease);
    (void)pthread_mutex_destroy(&n->lock);
    fo_free(n->key);
    fo_free(n->path);
    fo_free(n->temporary);
    fo_free(n);
}

/* Cleaning up may take its time unless the call had to end. */
static void
note_end(sf_new *n, finops_code rc)
{
    if (rc == FINOPS_E_CANCELLED || rc == FINOPS_E_TIMEOUT)
        n->hurry = true;
}

/* "a/b/.finops~...~c" */
static char *
temporary_path(const char *path)
{
    const char *name = fo_path_base(path);
    char temporary[FO_FILE_TEMPORARY];

    fo_file_temporary(name, temporary);
    return fo_format("%.*s%s", (int)(name - path), path, temporary);
}

static finops_code
open_temporary(sf_new *n, uint32_t flags, const finops_call *call, finops_error **err)
{
    FO_AUTO(sf_request_dropp) sf_request *r = NULL;
    finops_code rc = sf_send_open(n->lease->link, n->temporary, flags, &r, err);

    if (rc == FINOPS_OK)
        rc = sf_wait(r, call, err);
    if (rc == FINOPS_OK)
        rc = sf_result_handle(r, "write", n->path, &n->handle, err);
    n->open = rc == FINOPS_OK;
    return rc;
}

/* Makes the folders; others may remove them meanwhile. */
static finops_code
begin(sf_new *n, const finops_call *call, finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code rc = FINOPS_OK;

    for (int i = 0; i < BEGIN_TRIES; i++) {
        finops_error_freep(&why);
        rc = sf_folders_check(n->s, n->lease->link, n->key, true, call, &why);
        if (rc == FINOPS_OK) {
            n->exists = true; /* it may be, whatever comes back */
            rc = open_temporary(n, SFTP_FXF_WRITE | SFTP_FXF_CREAT | SFTP_FXF_EXCL, call, &why);
        }
        if (rc != FINOPS_E_NOT_FOUND)
            break;
        n->exists = false;
        finops_error_freep(&why);
        fo_folders_forget(&n->s->folders, n->key);
        if (!strchr(n->key, '/'))
            rc = sf_root_make(n->s, n->lease->link, call, &why);
        if (rc != FINOPS_OK && rc != FINOPS_E_NOT_FOUND)
            break;
    }
    if (rc == FINOPS_E_NOT_FOUND)
        return fo_error_set(err, FINOPS_E_CONFIG, "the folder %s cannot be made",
                            n->s->folder[0] ? n->s->folder : "of the user");
    if (rc != FINOPS_OK && err)
        *err = FO_TAKE(why);
    return rc;
}

finops_code
sf_new_begin(sf_storage *s, const char *key, const finops_call *call, sf_new **ret, finops_error **err)
{
    sf_new *n;
    finops_code rc = fo_file_key_check(key, err);

    if (rc == FINOPS_OK)
        rc = fo_call_check(call, err);
    if (rc != FINOPS_OK)
        return rc;
    n = fo_zalloc(sizeof(*n));
    if (!n)
        return fo_error_oom(err);
    n->s = s;
    (void)pthread_mutex_init(&n->lock, NULL);
    n->key = fo_strdup(key);
    n->path = sf_path(s, key);
    n->temporary = n->path ? temporary_path(n->path) : NULL;
    rc = n->key && n->temporary ? sf_acquire(s, call, &n->lease, err) : fo_error_oom(err);
    if (rc == FINOPS_OK)
        rc = begin(n, call, err);
    if (rc != FINOPS_OK) {
        note_end(n, rc);
        sf_new_free(n);
        return rc;
    }
    *ret = n;
    return FINOPS_OK;
}

/* ---- writing ---- */

/* The connection and the open file, both anew when the connection broke off. *ret is held for the caller. */
static finops_code
reach(sf_new *n, bool open, const finops_call *call, sf_lease **ret, sf_handle *ret_handle,
      finops_error **err)
{
    finops_code rc = FINOPS_OK;

    (void)pthread_mutex_lock(&n->lock);
    if (n->lease && !sf_link_is_alive(n->lease->link)) {
        sf_release(n->s, n->lease);
        n->lease = NULL;
        n->open = false;
    }
    if (!n->lease)
        rc = sf_acquire(n->s, call, &n->lease, err);
    if (rc == FINOPS_OK && open && !n->open)
        rc = open_temporary(n, SFTP_FXF_WRITE, call, err);
    if (rc == FINOPS_OK) {
        *ret = sf_hold(n->s, n->lease);
        *ret_handle = n->handle;
    }
    (void)pthread_mutex_unlock(&n->lock);
    return rc;
}

/* Writes on their way; the oldest is waited for when there are too many. */
typedef struct flight {
    sf_request *requests[SFTP_FLIGHT];
    unsigned first, n;
} flight;

static void
flight_drop(flight *f)
{
    for (; f->n > 0; f->n--)
        sf_request_drop(f->requests[(f->first + f->n - 1) % SFTP_FLIGHT]);
}

static finops_code
flight_land(flight *f, const char *path, const finops_call *call, finops_error **err)
{
    sf_request *r = f->requests[f->first];
    finops_code rc = sf_finish(r, call, "write", path, err);

    f->first = (f->first + 1) % SFTP_FLIGHT;
    f->n--;
    sf_request_drop(r);
    return rc;
}

static finops_code
write_all(const sf_new *n, sf_link *link, const sf_handle *handle, const char *data, size_t size,
          int64_t offset, const finops_call *call, finops_error **err)
{
    FO_AUTO(flight_drop) flight f = { .n = 0 };
    finops_code rc = FINOPS_OK;

    while (size > 0 && rc == FINOPS_OK) {
        size_t now = size < SFTP_BLOCK ? size : SFTP_BLOCK;

        rc = fo_call_check(call, err); /* answers may come so fast that nobody ever waits */
        if (rc != FINOPS_OK)
            return rc;
        if (f.n == SFTP_FLIGHT) { /* half of them, so that those to come go out together */
            while (f.n > SFTP_FLIGHT / 2 && rc == FINOPS_OK)
                rc = flight_land(&f, n->path, call, err);
            if (rc != FINOPS_OK)
                return rc;
        }
        rc = sf_send_write(link, handle, (uint64_t)offset, data, now,
                           &f.requests[(f.first + f.n) % SFTP_FLIGHT], err);
        f.n += rc == FINOPS_OK;
        data += now;
        size -= now;
        offset += (int64_t)now;
        if (f.n % (SFTP_FLIGHT / 4) == 0)
            sf_link_flush(link);
    }
    while (f.n > 0 && rc == FINOPS_OK)
        rc = flight_land(&f, n->path, call, err);
    return rc;
}

finops_code
sf_new_write(sf_new *n, const void *data, size_t size, int64_t offset, const finops_call *call,
             finops_error **err)
{
    sf_lease *lease = NULL;
    sf_handle handle;
    finops_code rc = fo_call_check(call, err);

    if (rc == FINOPS_OK)
        rc = reach(n, true, call, &lease, &handle, err);
    if (rc == FINOPS_OK)
        rc = write_all(n, lease->link, &handle, data, size, offset, call, err);
    sf_release(n->s, lease);
    note_end(n, rc);
    return rc;
}

/* ---- commit ---- */

/* Sets what `a` knows: its size, or its times. */
static finops_code
set_attrs(sf_link *link, const char *path, const sf_attrs *a, const finops_call *call, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;
    FO_AUTO(sf_request_dropp) sf_request *r = NULL;
    finops_code rc;

    sf_add_text(&body, path);
    sf_add_u32(&body, a->known);
    if (a->known & SFTP_KNOWN_SIZE)
        sf_add_u64(&body, a->size);
    if (a->known & SFTP_KNOWN_TIMES) {
        sf_add_u32(&body, a->atime);
        sf_add_u32(&body, a->mtime);
    }
    rc = sf_send(link, SFTP_SETSTAT, &body, &r, err);
    return rc == FINOPS_OK ? sf_finish(r, call, "write", path, err) : rc;
}

static finops_code
set_time(sf_link *link, const char *path, uint32_t mtime, const finops_call *call, finops_error **err)
{
    const sf_attrs a = { .known = SFTP_KNOWN_TIMES, .atime = mtime, .mtime = mtime };

    return set_attrs(link, path, &a, call, err);
}

/* Syncs and closes it, and learns what it has become; all in one trip. */
static finops_code
settle(sf_new *n, sf_link *link, const finops_call *call, finops_error **err)
{
    FO_AUTO(sf_request_dropp) sf_request *sync = NULL;
    FO_AUTO(sf_request_dropp) sf_request *look = NULL;
    FO_AUTO(sf_request_dropp) sf_request *closing = NULL;
    finops_code rc = FINOPS_OK;

    if (n->s->durable && sf_link_extensions(link) & SFTP_EXT_SYNC)
        rc = sf_send_handle(link, SFTP_EXTENDED, &n->handle, &sync, err);
    if (rc == FINOPS_OK)
        rc = sf_send_handle(link, SFTP_FSTAT, &n->handle, &look, err);
    if (rc == FINOPS_OK)
        rc = sf_send_handle(link, SFTP_CLOSE, &n->handle, &closing, err);
    if (rc == FINOPS_OK)
        n->open = false;
    if (rc == FINOPS_OK && sync)
        rc = sf_finish(sync, call, "sync", n->path, err);
    if (rc == FINOPS_OK)
        rc = sf_wait(look, call, err);
    if (rc == FINOPS_OK)
        rc = sf_result_attrs(look, "write", n->path, &n->attrs, err);
    return rc == FINOPS_OK ? sf_finish(closing, call, "close", n->path, err) : rc;
}

/* A part that was sent again may have been shorter. */
static finops_code
cut(sf_new *n, sf_link *link, int64_t size, const finops_call *call, finops_error **err)
{
    const sf_attrs a = { .known = SFTP_KNOWN_SIZE, .size = (uint64_t)size };
    bool there = false;
    finops_code rc;

    if (n->attrs.size == (uint64_t)size)
        return FINOPS_OK;
    if (n->attrs.size < (uint64_t)size)
        return fo_error_set(err, FINOPS_E_CORRUPT, "write %s: the server has %llu of %lld bytes", n->path,
                            (unsigned long long)n->attrs.size, (long long)size);
    rc = set_attrs(link, n->temporary, &a, call, err);
    if (rc == FINOPS_OK)
        rc = sf_peek(link, n->temporary, call, &there, &n->attrs, err);
    return rc;
}

/* Versions are told apart by size and second: it may not be that of what it replaces. */
static finops_code
make_newer(sf_new *n, sf_link *link, const sf_attrs *old, const finops_call *call, finops_error **err)
{
    finops_code rc;

    if (old->mtime < n->attrs.mtime || old->mtime == UINT32_MAX)
        return FINOPS_OK;
    rc = set_time(link, n->temporary, old->mtime + 1, call, err);
    if (rc == FINOPS_OK)
        n->attrs.mtime = old->mtime + 1;
    return rc;
}

/* Both names are of one file: changing the time of the first changes that of the other. */
static finops_code
is_one_file(sf_new *n, sf_link *link, const sf_attrs *target, const finops_call *call, bool *ret,
            finops_error **err)
{
    uint32_t other = target->mtime == 1 ? 2 : 1;
    sf_attrs now = { 0 };
    bool there = false;
    finops_code rc = set_time(link, n->temporary, other, call, err);

    if (rc == FINOPS_OK)
        rc = sf_peek(link, n->path, call, &there, &now, err);
    if (rc == FINOPS_OK)
        rc = set_time(link, n->temporary, n->attrs.mtime, call, err);
    *ret = rc == FINOPS_OK && there && now.mtime == other;
    return rc;
}

static void
drop_temporary(sf_new *n, sf_link *link, const finops_call *call)
{
    sf_request *r = NULL;

    if (sf_send_path(link, SFTP_REMOVE, n->temporary, &r, NULL) == FINOPS_OK)
        (void)sf_wait(r, call, NULL);
    sf_request_drop(r);
}

/* A commit whose answer was lost: has it been done? */
static finops_code
find_out(sf_new *n, sf_link *link, const finops_put *put, bool *ret_done, finops_error **err)
{
    sf_attrs mine = { 0 }, target = { 0 };
    bool here = false, there = false;
    finops_code rc = sf_peek(link, n->temporary, put->call, &here, &mine, err);

    if (rc == FINOPS_OK)
        rc = sf_peek(link, n->path, put->call, &there, &target, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!here) { /* the rename took it away, or a sweep */
        *ret_done = there && target.size == n->attrs.size && target.mtime == n->attrs.mtime;
        return *ret_done ? FINOPS_OK
                         : fo_error_set(err, FINOPS_E_NOT_FOUND, "the upload of %s was removed", n->key);
    }
    if (!put->create_only || !there)
        return FINOPS_OK;
    rc = is_one_file(n, link, &target, put->call, ret_done, err);
    if (rc == FINOPS_OK && *ret_done)
        drop_temporary(n, link, put->call);
    return rc;
}

static finops_code
publish(sf_new *n, sf_link *link, const finops_put *put, finops_error **err)
{
    sf_attrs old = { 0 };
    bool there = false;
    finops_code rc = sf_peek(link, n->path, put->call, &there, &old, err);

    if (rc != FINOPS_OK)
        return rc;
    if (there && S_ISDIR(old.mode))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "write %s: it is a folder", n->path);
    if (there && put->create_only)
        return fo_error_set(err, FINOPS_E_EXISTS, "it exists");
    if (there)
        rc = make_newer(n, link, &old, put->call, err);
    if (rc != FINOPS_OK)
        return rc;
    return put->create_only ? sf_rename_new(n->s, link, n->temporary, n->path, put->call, err)
                            : sf_rename(n->s, link, n->temporary, n->path, put->call, err);
}

static finops_code
commit(sf_new *n, sf_link *link, const finops_put *put, int64_t size, finops_error **err)
{
    bool done = false;
    finops_code rc = FINOPS_OK;

    if (n->settled) {
        rc = find_out(n, link, put, &done, err);
    } else {
        rc = settle(n, link, put->call, err);
        if (rc == FINOPS_OK)
            rc = cut(n, link, size, put->call, err);
        n->settled = rc == FINOPS_OK;
    }
    return rc == FINOPS_OK && !done ? publish(n, link, put, err) : rc;
}

finops_code
sf_new_commit(sf_new *n, const finops_put *put, int64_t size, finops_object *ret, finops_error **err)
{
    char version[SFTP_VERSION_TEXT];
    sf_lease *lease = NULL;
    sf_handle handle;
    finops_object object;
    finops_code rc = fo_call_check(put->call, err);

    if (rc == FINOPS_OK)
        rc = reach(n, !n->settled, put->call, &lease, &handle, err);
    if (rc == FINOPS_OK)
        rc = commit(n, lease->link, put, size, err);
    sf_release(n->s, lease);
    note_end(n, rc);
    if (rc != FINOPS_OK)
        return rc;
    n->exists = false;
    object = sf_object(n->key, &n->attrs, version);
    return ret ? finops_object_copy(&object, ret, err) : FINOPS_OK;
}
