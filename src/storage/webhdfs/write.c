/*
 * Changes. An object is written under a temporary name and renamed; parts are appended one after the other.
 * A file keeps its number under its new name, by which a commit whose answer was lost knows itself.
 */
#include <string.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "resilience/deadline.h"
#include "storage/file_upload.h"
#include "storage/object.h"
#include "storage/webhdfs/driver_internal.h"

#define CLEAN_UP_US 50000    /* for what is left over when a call must end */
#define CUT_WAIT_NS 20000000 /* between two looks at a file that is being shortened */
#define WHO "WebHDFS"

/* ---- single operations ---- */

finops_code
wh_delete(wh_storage *s, const char *path, const finops_call *call, finops_error **err)
{
    const wh_request r = {
        .method = "DELETE", .op = "DELETE", .path = path, .query = "&recursive=false", .call = call
    };
    bool gone;
    finops_code rc = wh_ask_bool(s, &r, &gone, err);

    if (rc != FINOPS_E_NOT_FOUND)
        return rc;
    if (err)
        finops_error_freep(err);
    return FINOPS_OK;
}

/* There is something; *ret_there is false when there is not. */
static finops_code
peek(wh_storage *s, const char *path, const finops_call *call, bool *ret_there, wh_status *ret,
     finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code rc = wh_look(s, path, call, ret, &why);

    *ret_there = rc == FINOPS_OK;
    if (rc == FINOPS_E_NOT_FOUND)
        return FINOPS_OK;
    if (rc != FINOPS_OK && err)
        *err = FO_TAKE(why);
    return rc;
}

/* The server says no and not why. */
static finops_code
not_renamed(wh_storage *s, const char *from, const char *to, bool replace, const finops_call *call,
            finops_error **err)
{
    wh_status st;
    bool there = false;
    finops_code rc = peek(s, to, call, &there, &st, err);

    if (rc != FINOPS_OK)
        return rc;
    if (there && !replace)
        return fo_error_set(err, FINOPS_E_EXISTS, "it exists");
    if (there) {
        atomic_store(&s->no_replace, true);
        (void)fo_error_set(err, FINOPS_E_UNSUPPORTED, "the server cannot replace %s at once", to);
        fo_error_hint(err, "HttpFS cannot; WebHDFS of the name node can. Or remove the object first");
        return FINOPS_E_UNSUPPORTED;
    }
    return fo_error_set(err, FINOPS_E_IO, "webhdfs RENAME %s: the server says false", from);
}

/* Over what is there or not; in one go either way. */
static finops_code
rename_to(wh_storage *s, const char *from, const char *to, bool replace, const finops_call *call,
          finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str query = FO_STR_INIT;
    wh_request r = { .method = "PUT", .op = "RENAME", .path = from, .call = call };
    wh_status st;
    bool there = false, done = false;
    finops_code rc = peek(s, to, call, &there, &st, err);

    if (rc == FINOPS_OK && there && st.is_folder) /* the old kind of rename moves into it */
        rc = fo_error_set(err, FINOPS_E_ARGUMENT, "write %s: it is a folder", to);
    else if (rc == FINOPS_OK && there && !replace)
        rc = fo_error_set(err, FINOPS_E_EXISTS, "it exists");
    if (rc != FINOPS_OK)
        return rc;
    fo_str_add(&query, "&destination=");
    fo_url_escape(&query, to, true);
    fo_str_add(&query, replace ? "&renameoptions=OVERWRITE" : "&renameoptions=NONE");
    rc = fo_str_check(&query, err);
    r.query = fo_str_z(&query);
    if (rc == FINOPS_OK)
        rc = wh_ask_bool(s, &r, &done, err);
    return rc == FINOPS_OK && !done ? not_renamed(s, from, to, replace, call, err) : rc;
}

static finops_code
make_folder_of(wh_storage *s, const char *path, const finops_call *call, finops_error **err)
{
    size_t n = (size_t)(fo_path_base(path) - path);
    FO_AUTO(fo_freep) char *folder = fo_strndup(path, n > 1 ? n - 1 : n);
    const wh_request r = { .method = "PUT", .op = "MKDIRS", .path = folder, .call = call };
    bool made = false;
    finops_code rc = folder ? wh_ask_bool(s, &r, &made, err) : fo_error_oom(err);

    if (rc == FINOPS_OK && !made)
        return fo_error_set(err, FINOPS_E_IO, "webhdfs MKDIRS %s: the server says false", folder);
    return rc;
}

/* ---- folders, which the server makes with the files in them ---- */

/* Sees which of the folders of a key are missing: they are ours once the file is there. */
static finops_code
folders_look(wh_storage *s, const char *key, const finops_call *call, size_t *ret_there, finops_error **err)
{
    size_t n = (size_t)(fo_path_base(key) - key);
    finops_code rc = FINOPS_OK;
    bool there = false;

    for (n = n > 0 ? n - 1 : 0; rc == FINOPS_OK && n > 0 && !there;) {
        FO_AUTO(fo_freep) char *folder = fo_strndup(key, n);
        FO_AUTO(fo_freep) char *path = folder ? wh_path(s, folder) : NULL;
        const char *slash;
        wh_status st;

        there = fo_folders_known(&s->folders, key, n);
        if (!there)
            rc = path ? peek(s, path, call, &there, &st, err) : fo_error_oom(err);
        if (rc != FINOPS_OK || there)
            break;
        slash = memrchr(key, '/', n);
        n = slash ? (size_t)(slash - key) : 0;
    }
    *ret_there = n;
    return rc;
}

/* All are there now; those behind the first `there` bytes of the key were made for it. */
static void
folders_note(wh_storage *s, const char *key, size_t there)
{
    for (const char *end = strchr(key, '/'); end; end = strchr(end + 1, '/'))
        fo_folders_note(&s->folders, key, (size_t)(end - key), (size_t)(end - key) > there);
}

static void
folders_tidy(wh_storage *s, const char *key, const finops_call *call)
{
    FO_AUTO(fo_freep) char *folder = fo_strdup(key);
    bool gone = true;

    while (gone && folder && strrchr(folder, '/')) {
        FO_AUTO(fo_freep) char *path = NULL;

        *strrchr(folder, '/') = '\0';
        if (!fo_folders_take_made(&s->folders, folder))
            return;
        path = wh_path(s, folder);
        gone = path && wh_delete(s, path, call, NULL) == FINOPS_OK; /* not with something in it */
        if (!gone)
            fo_folders_note(&s->folders, folder, strlen(folder), true);
    }
}

/* ---- files on their way in ---- */

typedef struct new_file {
    wh_storage *s;
    char *key, *path, *temporary;
    bool exists;  /* under its temporary name, as far as we know */
    bool doubt;   /* how much of the last part has arrived */
    int64_t at;   /* where the next part begins */
    bool settled; /* all was written, and st is what it has */
    wh_status st;
} new_file;

static void
new_done(new_file *n)
{
    const finops_call call = { .deadline_us = fo_deadline_in(CLEAN_UP_US) };

    if (n->exists) {
        (void)wh_delete(n->s, n->temporary, &call, NULL); /* else a sweep finds it */
        folders_tidy(n->s, n->key, &call);
    }
    fo_free(n->key);
    fo_free(n->path);
    fo_free(n->temporary);
}

static finops_code
new_init(new_file *n, wh_storage *s, const char *key, finops_error **err)
{
    char name[FO_FILE_TEMPORARY];
    finops_code rc = fo_file_key_check(key, err);

    *n = (new_file){ .s = s };
    if (rc != FINOPS_OK)
        return rc;
    n->key = fo_strdup(key);
    n->path = wh_path(s, key);
    if (n->path) {
        const char *base = fo_path_base(n->path);

        fo_file_temporary(base, name);
        n->temporary = fo_format("%.*s%s", (int)(base - n->path), n->path, name);
    }
    return n->key && n->temporary ? FINOPS_OK : fo_error_oom(err);
}

/* The whole of what there is so far. */
static finops_code
new_create(new_file *n, const void *data, size_t size, const finops_call *call, finops_error **err)
{
    const wh_request r = { .method = "PUT",
                           .op = "CREATE",
                           .path = n->temporary,
                           .query = n->exists ? "&overwrite=true" : "&overwrite=false",
                           .sends = true,
                           .body = data,
                           .n = size,
                           .call = call };
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    size_t there = strlen(n->key);
    finops_code rc = n->exists ? FINOPS_OK : folders_look(n->s, n->key, call, &there, err);

    if (rc != FINOPS_OK)
        return rc;
    n->exists = true; /* it may be, whatever comes back */
    rc = wh_send(n->s, &r, &e, err);
    if (rc == FINOPS_OK)
        folders_note(n->s, n->key, there);
    return rc;
}

static finops_code
new_append(new_file *n, const void *data, size_t size, const finops_call *call, finops_error **err)
{
    const wh_request r = { .method = "POST",
                           .op = "APPEND",
                           .path = n->temporary,
                           .sends = true,
                           .body = data,
                           .n = size,
                           .call = call };
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;

    return size > 0 ? wh_send(n->s, &r, &e, err) : FINOPS_OK;
}

/* The server may take its time to free the last block; the file is not to be appended to before. */
static finops_code
new_cut(new_file *n, int64_t size, const finops_call *call, finops_error **err)
{
    FO_AUTO(fo_freep) char *query = fo_format("&newlength=%lld", (long long)size);
    const wh_request r = {
        .method = "POST", .op = "TRUNCATE", .path = n->temporary, .query = query, .call = call
    };
    bool done = false;
    finops_code rc = query ? FINOPS_OK : fo_error_oom(err);

    while (rc == FINOPS_OK && !done) {
        FO_AUTO(finops_error_freep) finops_error *why = NULL;

        rc = wh_ask_bool(n->s, &r, &done, &why);
        if (rc == FINOPS_E_TRANSIENT && strstr(finops_error_text(why), "RecoveryInProgress"))
            rc = FINOPS_OK;
        else if (rc != FINOPS_OK && err)
            *err = FO_TAKE(why);
        if (rc == FINOPS_OK && !done) {
            (void)nanosleep(&(struct timespec){ .tv_nsec = CUT_WAIT_NS }, NULL);
            rc = fo_call_check(call, err);
        }
    }
    return rc;
}

/* What arrived of the part before this one, or of this one earlier, goes. */
static finops_code
new_clear_from(new_file *n, int64_t offset, const finops_call *call, finops_error **err)
{
    wh_status st;
    finops_code rc = wh_look(n->s, n->temporary, call, &st, err);

    if (rc != FINOPS_OK || st.size == offset)
        return rc;
    if (st.size < offset)
        return fo_error_set(err, FINOPS_E_CORRUPT, "the server has %lld of the first %lld bytes of %s",
                            (long long)st.size, (long long)offset, n->key);
    return new_cut(n, offset, call, err);
}

static finops_code
new_part(new_file *n, int64_t offset, const void *data, size_t size, const finops_call *call,
         finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (offset > 0 && (n->doubt || offset != n->at))
        rc = new_clear_from(n, offset, call, err);
    n->doubt = true;
    if (rc == FINOPS_OK)
        rc = offset == 0 ? new_create(n, data, size, call, err) : new_append(n, data, size, call, err);
    if (rc != FINOPS_OK)
        return rc;
    n->doubt = false;
    n->at = offset + (int64_t)size;
    return FINOPS_OK;
}

/* ---- commit ---- */

static finops_code
settle(new_file *n, int64_t size, const finops_call *call, finops_error **err)
{
    finops_code rc = wh_look(n->s, n->temporary, call, &n->st, err);

    if (rc == FINOPS_OK && n->st.size != size)
        rc = fo_error_set(err, FINOPS_E_CORRUPT, "the server has %lld of %lld bytes of %s",
                          (long long)n->st.size, (long long)size, n->key);
    n->settled = rc == FINOPS_OK;
    return rc;
}

/* A commit whose answer was lost: has it been done? */
static finops_code
find_out(const new_file *n, const finops_call *call, bool *ret_done, finops_error **err)
{
    wh_status st = { 0 };
    bool there = false;
    finops_code rc = peek(n->s, n->temporary, call, &there, &st, err);

    if (rc != FINOPS_OK || there)
        return rc;
    rc = peek(n->s, n->path, call, &there, &st, err);
    *ret_done = rc == FINOPS_OK && there && st.number == n->st.number;
    if (rc == FINOPS_OK && !*ret_done)
        return fo_error_set(err, FINOPS_E_NOT_FOUND, "the upload of %s was removed", n->key);
    return rc;
}

static finops_code
new_commit(new_file *n, const finops_put *put, int64_t size, finops_object *ret, finops_error **err)
{
    char version[WH_VERSION_TEXT];
    finops_object object;
    bool done = false;
    finops_code rc = n->settled ? find_out(n, put->call, &done, err) : settle(n, size, put->call, err);

    if (rc == FINOPS_OK && !done)
        rc = rename_to(n->s, n->temporary, n->path, !put->create_only, put->call, err);
    if (rc != FINOPS_OK)
        return rc;
    n->exists = false;
    object = wh_object(n->key, &n->st, version);
    return ret ? finops_object_copy(&object, ret, err) : FINOPS_OK;
}

finops_code
wh_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret, finops_error **err)
{
    FO_AUTO(new_done) new_file new = { 0 };
    finops_code rc = fo_put_plain(put, WHO, err);

    if (rc == FINOPS_OK)
        rc = new_init(&new, self, put->key, err);
    if (rc == FINOPS_OK)
        rc = new_part(&new, 0, data, n, put->call, err);
    return rc == FINOPS_OK ? new_commit(&new, put, (int64_t)n, ret, err) : rc;
}

/* ---- uploads ---- */

typedef struct wh_upload {
    fo_file_upload base;
    new_file file;
    unsigned last; /* number of the last part */
} wh_upload;

static finops_code
upload_write(fo_file_upload *upload, unsigned number, int64_t offset, const void *data, size_t n,
             const finops_call *call, finops_error **err)
{
    wh_upload *u = (wh_upload *)upload;
    finops_code rc;

    if (number != u->last && number != u->last + 1)
        return fo_error_set(err, FINOPS_E_ARGUMENT,
                            "part %u: parts come one after the other, and %u was last", number, u->last);
    rc = new_part(&u->file, offset, data, n, call, err);
    if (rc == FINOPS_OK)
        u->last = number;
    return rc;
}

static finops_code
upload_store(fo_file_upload *upload, const finops_put *put, int64_t size, finops_object *ret,
             finops_error **err)
{
    wh_upload *u = (wh_upload *)upload;
    finops_code rc = FINOPS_OK;

    if (!u->file.exists) /* of no parts */
        rc = new_create(&u->file, "", 0, put->call, err);
    if (rc == FINOPS_OK && !u->file.settled && size < u->file.at) /* not all that were sent */
        rc = new_clear_from(&u->file, size, put->call, err);
    return rc == FINOPS_OK ? new_commit(&u->file, put, size, ret, err) : rc;
}

static void
upload_done(fo_file_upload *upload)
{
    new_done(&((wh_upload *)upload)->file);
}

finops_code
wh_upload_begin(void *self, const finops_put *put, finops_upload **ret, finops_error **err)
{
    static const fo_file_upload_ops ops = { upload_write, upload_store, upload_done };
    wh_upload *u;
    finops_code rc = fo_put_plain(put, WHO, err);

    if (rc == FINOPS_OK)
        rc = fo_call_check(put->call, err);
    if (rc != FINOPS_OK)
        return rc;
    u = fo_zalloc(sizeof(*u));
    if (!u)
        return fo_error_oom(err);
    rc = fo_file_upload_init(&u->base, &ops, put, err);
    if (rc == FINOPS_OK)
        rc = new_init(&u->file, self, put->key, err);
    return fo_file_upload_begun(&u->base, rc, ret);
}

/* ---- remove and move ---- */

finops_code
wh_remove(void *self, const finops_remove *remove, finops_error **err)
{
    wh_storage *s = self;
    FO_AUTO(fo_freep) char *path = wh_path(s, remove->key);
    wh_status st;
    bool there = false;
    finops_code rc = path ? fo_file_key_check(remove->key, err) : fo_error_oom(err);

    if (rc == FINOPS_OK && remove->if_version)
        rc = fo_error_set(err, FINOPS_E_UNSUPPORTED, WHO " cannot remove one version only");
    if (rc == FINOPS_OK)
        rc = peek(s, path, remove->call, &there, &st, err);
    if (rc != FINOPS_OK || !there || st.is_folder) /* no object has the key of a folder */
        return rc;
    rc = wh_delete(s, path, remove->call, err);
    if (rc == FINOPS_OK)
        folders_tidy(s, remove->key, remove->call);
    return rc;
}

static finops_code
move_check(const finops_copy *move, finops_error **err)
{
    finops_code rc = fo_file_key_check(move->from, err);

    if (rc == FINOPS_OK)
        rc = fo_file_key_check(move->to, err);
    if (rc == FINOPS_OK && fo_streq(move->from, move->to))
        rc = fo_error_set(err, FINOPS_E_ARGUMENT, "%s cannot be copied or moved onto itself", move->from);
    return rc;
}

finops_code
wh_move(void *self, const finops_copy *move, finops_error **err)
{
    wh_storage *s = self;
    FO_AUTO(fo_freep) char *from = wh_path(s, move->from);
    FO_AUTO(fo_freep) char *to = wh_path(s, move->to);
    char version[WH_VERSION_TEXT];
    size_t at = 0;
    wh_status st;
    finops_code rc = from && to ? move_check(move, err) : fo_error_oom(err);

    if (rc == FINOPS_OK)
        rc = wh_look(s, from, move->call, &st, err);
    if (rc == FINOPS_OK && !st.is_file)
        rc = fo_error_set(err, FINOPS_E_NOT_FOUND, "%s is no file", move->from);
    if (rc == FINOPS_OK && move->if_version && !fo_streq(move->if_version, wh_version(&st, version)))
        rc = fo_error_set(err, FINOPS_E_PRECONDITION, "%s is another version", move->from);
    if (rc == FINOPS_OK)
        rc = folders_look(s, move->to, move->call, &at, err);
    if (rc == FINOPS_OK)
        rc = make_folder_of(s, to, move->call, err);
    if (rc != FINOPS_OK)
        return rc;
    folders_note(s, move->to, at);
    rc = rename_to(s, from, to, !move->create_only, move->call, err);
    folders_tidy(s, rc == FINOPS_OK ? move->from : move->to, move->call);
    return rc;
}
