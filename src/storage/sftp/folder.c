/*
 * Keys on the server: the folders they lie in are looked at before anything is done there, all in one trip,
 * so that no key leads out through a link. What was seen is believed for a while.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "storage/sftp/driver_internal.h"

#define DEPTH_MAX (FINOPS_STORAGE_KEY_MAX / 2 + 1)
#define MAKE_TRIES 4

char *
sf_path(const sf_storage *s, const char *key)
{
    if (!s->folder[0])
        return fo_strdup(key[0] ? key : ".");
    if (!key[0])
        return fo_strdup(s->folder);
    return fo_format("%s%s%s", s->folder, fo_streq(s->folder, "/") ? "" : "/", key);
}

finops_code
sf_finish(sf_request *r, const finops_call *call, const char *what, const char *path, finops_error **err)
{
    finops_code rc = sf_wait(r, call, err);

    return rc == FINOPS_OK ? sf_result(r, what, path, err) : rc;
}

/* ---- looking ---- */

/* The folders of one key that are still to be looked at. */
typedef struct walk {
    sf_storage *s;
    sf_link *link;
    const char *key;
    const finops_call *call;
    size_t n;
    size_t lengths[DEPTH_MAX]; /* of their paths in the key */
    sf_request *requests[DEPTH_MAX];
} walk;

static void
walk_drop(walk *w)
{
    for (size_t i = 0; i < w->n; i++)
        sf_request_dropp(&w->requests[i]);
}

static finops_code
walk_send(walk *w, uint8_t type, size_t from, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t i = from; i < w->n && rc == FINOPS_OK; i++) {
        FO_AUTO(fo_freep) char *part = fo_strndup(w->key, w->lengths[i]);
        FO_AUTO(fo_freep) char *path = part ? sf_path(w->s, part) : NULL;

        sf_request_dropp(&w->requests[i]);
        rc = path ? sf_send_path(w->link, type, path, &w->requests[i], err) : fo_error_oom(err);
    }
    return rc;
}

/* *ret_missing is the first that is not there, or w->n. */
static finops_code
walk_look(walk *w, size_t *ret_missing, finops_error **err)
{
    finops_code rc = walk_send(w, SFTP_LSTAT, 0, err);

    for (size_t i = 0; i < w->n && rc == FINOPS_OK; i++) {
        sf_attrs a;

        rc = sf_wait(w->requests[i], w->call, err);
        if (rc != FINOPS_OK)
            return rc;
        if (sf_status_of(w->requests[i]) == SFTP_FX_NO_SUCH_FILE) {
            *ret_missing = i;
            return FINOPS_OK;
        }
        rc = sf_result_attrs(w->requests[i], "open folder of", w->key, &a, err);
        if (rc != FINOPS_OK)
            return rc;
        if (S_ISLNK(a.mode))
            return fo_error_set(err, FINOPS_E_DENIED, "open %s: a part of it is a symbolic link", w->key);
        if (!S_ISDIR(a.mode))
            return fo_error_set(err, FINOPS_E_ARGUMENT, "open %s: a folder of it is an object already",
                                w->key);
        fo_folders_note(&w->s->folders, w->key, w->lengths[i], false);
    }
    *ret_missing = w->n;
    return rc;
}

finops_code
sf_root_make(sf_storage *s, sf_link *link, const finops_call *call, finops_error **err)
{
    FO_AUTO(sf_request_dropp) sf_request *last = NULL;
    finops_code rc = FINOPS_OK;

    if (!s->folder[0])
        return FINOPS_OK;
    for (const char *end = s->folder; rc == FINOPS_OK && *end;) {
        FO_AUTO(fo_freep) char *path = NULL;

        end = strchrnul(end + 1, '/');
        path = fo_strndup(s->folder, (size_t)(end - s->folder));
        sf_request_dropp(&last);
        rc = path ? sf_send_path(link, SFTP_MKDIR, path, &last, err) : fo_error_oom(err);
    }
    if (rc == FINOPS_OK && last)
        rc = sf_wait(last, call, err);
    return rc; /* what did not work shows when it is used */
}

/* Those from the first missing one on. One that is there by now is as good; whether it is shows next. */
static finops_code
walk_make(walk *w, size_t first, finops_error **err)
{
    finops_code rc = walk_send(w, SFTP_MKDIR, first, err);
    bool root = true;

    for (size_t i = first; i < w->n && rc == FINOPS_OK; i++) {
        int status;

        rc = sf_wait(w->requests[i], w->call, err);
        if (rc != FINOPS_OK)
            return rc;
        status = sf_status_of(w->requests[i]);
        if (status == SFTP_FX_OK)
            fo_folders_note(&w->s->folders, w->key, w->lengths[i], true);
        else if (status == SFTP_FX_NO_SUCH_FILE && i == 0 && first == 0)
            root = false;
        else if (status != SFTP_FX_FAILURE && status != SFTP_FX_NO_SUCH_FILE)
            return sf_result(w->requests[i], "make folder of", w->key, err);
    }
    return rc == FINOPS_OK && !root ? sf_root_make(w->s, w->link, w->call, err) : rc;
}

static finops_code
walk_run(walk *w, bool make, finops_error **err)
{
    for (int i = 0; i < MAKE_TRIES; i++) {
        size_t missing = w->n;
        finops_code rc = walk_look(w, &missing, err);

        if (rc == FINOPS_E_ARGUMENT && !make)
            return fo_error_wrap(err, FINOPS_E_NOT_FOUND, "not there");
        if (rc != FINOPS_OK || missing == w->n)
            return rc;
        if (!make)
            return fo_error_set(err, FINOPS_E_NOT_FOUND, "open %s: there is no such folder", w->key);
        rc = walk_make(w, missing, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    return fo_error_set(err, FINOPS_E_BUSY, "the folders of %s come and go", w->key);
}

finops_code
sf_folders_check(sf_storage *s, sf_link *link, const char *key, bool make, const finops_call *call,
                 finops_error **err)
{
    walk *w = fo_zalloc(sizeof(*w));
    finops_code rc;

    if (!w)
        return fo_error_oom(err);
    *w = (walk){ .s = s, .link = link, .key = key, .call = call };
    for (const char *end = strchr(key, '/'); end && w->n < DEPTH_MAX; end = strchr(end + 1, '/'))
        if (!fo_folders_known(&s->folders, key, (size_t)(end - key)))
            w->lengths[w->n++] = (size_t)(end - key);
    rc = w->n > 0 ? walk_run(w, make, err) : FINOPS_OK;
    walk_drop(w);
    fo_free(w);
    return rc;
}

void
sf_folders_tidy(sf_storage *s, sf_link *link, const char *key, const finops_call *call)
{
    FO_AUTO(fo_freep) char *path = fo_strdup(key);
    bool gone = true;

    while (gone && path && strrchr(path, '/')) {
        FO_AUTO(fo_freep) char *full = NULL;
        FO_AUTO(sf_request_dropp) sf_request *r = NULL;

        *strrchr(path, '/') = '\0';
        if (!fo_folders_take_made(&s->folders, path))
            return;
        full = sf_path(s, path);
        gone = full && sf_send_path(link, SFTP_RMDIR, full, &r, NULL) == FINOPS_OK &&
               sf_wait(r, call, NULL) == FINOPS_OK && sf_status_of(r) == SFTP_FX_OK;
        if (!gone)
            fo_folders_note(&s->folders, path, strlen(path), true);
    }
}

/* ---- links ---- */

static finops_code
real_path(sf_link *link, const char *path, const finops_call *call, char **ret, finops_error **err)
{
    FO_AUTO(sf_request_dropp) sf_request *r = NULL;
    finops_code rc = sf_send_path(link, SFTP_REALPATH, path, &r, err);
    sf_view v = { 0 };
    uint32_t count = 0;
    const char *name;
    size_t n;

    if (rc == FINOPS_OK)
        rc = sf_wait(r, call, err);
    if (rc == FINOPS_OK)
        rc = sf_result_names(r, "resolve", path, &v, &count, err);
    if (rc != FINOPS_OK)
        return rc;
    name = sf_take_bytes(&v, &n);
    if (count != 1 || v.bad)
        return fo_error_set(err, FINOPS_E_CORRUPT, "resolve %s: the server names no path", path);
    *ret = fo_strndup(name, n);
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
real_root(sf_storage *s, sf_link *link, const finops_call *call, char **ret, finops_error **err)
{
    FO_AUTO(fo_freep) char *path = sf_path(s, "");
    char *real = NULL;
    finops_code rc;

    (void)pthread_mutex_lock(&s->lock);
    real = s->real ? fo_strdup(s->real) : NULL;
    (void)pthread_mutex_unlock(&s->lock);
    rc = real ? FINOPS_OK : path ? real_path(link, path, call, &real, err) : fo_error_oom(err);
    if (rc != FINOPS_OK)
        return rc;
    (void)pthread_mutex_lock(&s->lock);
    if (!s->real)
        s->real = fo_strdup(real);
    (void)pthread_mutex_unlock(&s->lock);
    *ret = real;
    return FINOPS_OK;
}

finops_code
sf_link_check(sf_storage *s, sf_link *link, const char *key, const finops_call *call, finops_error **err)
{
    FO_AUTO(fo_freep) char *path = sf_path(s, key);
    FO_AUTO(fo_freep) char *root = NULL;
    FO_AUTO(fo_freep) char *real = NULL;
    size_t n;
    finops_code rc;

    if (!path)
        return fo_error_oom(err);
    rc = real_root(s, link, call, &root, err);
    if (rc == FINOPS_OK)
        rc = real_path(link, path, call, &real, err);
    if (rc != FINOPS_OK)
        return rc;
    n = fo_streq(root, "/") ? 0 : strlen(root);
    if (strncmp(real, root, n) == 0 && real[n] == '/')
        return FINOPS_OK;
    return fo_error_set(err, FINOPS_E_DENIED, "open %s: the link leads out of the folder", key);
}
