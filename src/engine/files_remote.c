/* Files of services: each is read through the storage that holds it, one for each bucket. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/files_internal.h"

#define FIRST                                                                                                \
    ((int64_t)1 << 20)           /* bytes of the first request when perhaps a header is all that is wanted   \
                                  */
#define BLOCK ((int64_t)8 << 20) /* of those after it */

bool
fo_files_is_remote(const char *address)
{
    size_t n = 0;

    assert(address);
    while (fo_is_alpha(address[n]) || (n > 0 && (fo_is_digit(address[n]) || address[n] == '+')))
        n++;
    return n > 0 && fo_starts(address + n, "://") && !(n == 4 && strncasecmp(address, "file", n) == 0);
}

/* ---- which storage ---- */

static const char *
key_below(const char *base, const char *address)
{
    size_t n = strlen(base);

    if (strncmp(base, address, n) != 0 || (address[n] != '/' && address[n] != '\0'))
        return NULL;
    return address + n + (address[n] == '/');
}

static finops_code
remote_add(fo_files *files, finops_storage *storage, char *base, fo_remote **ret, finops_error **err)
{
    fo_remote *r = fo_zalloc(sizeof(*r));
    void *items = files->remotes;
    bool ok = r && fo_grow(&items, &files->cap_remotes, files->n_remotes + 1, sizeof(*files->remotes));

    files->remotes = items;
    if (!ok) {
        fo_free(r);
        finops_storage_close(storage);
        fo_free(base);
        return fo_error_oom(err);
    }
    *r = (fo_remote){ .base = base, .storage = storage };
    files->remotes[files->n_remotes++] = r;
    *ret = r;
    return FINOPS_OK;
}

fo_remote *
fo_remote_known(const fo_files *files, const char *address, const char **ret_key)
{
    for (size_t i = 0; i < files->n_remotes; i++)
        if ((*ret_key = key_below(files->remotes[i]->base, address)))
            return files->remotes[i];
    return NULL;
}

static finops_code
remote_find(fo_files *files, const char *address, fo_remote **ret, const char **ret_key, finops_error **err)
{
    fo_files_places *places = files->options.places;
    finops_storage *storage = NULL;
    char *base = NULL;
    finops_code rc;

    *ret = fo_remote_known(files, address, ret_key);
    if (*ret)
        return FINOPS_OK;
    if (!places)
        return fo_files_is_remote(address)
                   ? fo_error_set(err, FINOPS_E_UNSUPPORTED,
                                  "open %s: only files of this machine are read here", address)
                   : FINOPS_OK;
    rc = places->open(places, files->options.aws, address, &storage, &base, err);
    if (rc != FINOPS_OK || !storage)
        return rc;
    rc = remote_add(files, storage, base, ret, err);
    if (rc != FINOPS_OK)
        return rc;
    *ret_key = key_below((*ret)->base, address);
    return *ret_key ? FINOPS_OK
                    : fo_error_set(err, FINOPS_E_CONFIG, "%s lies outside of %s", address, (*ret)->base);
}

finops_code
fo_remote_of(fo_files *files, const char *address, fo_remote **ret, const char **ret_key, finops_error **err)
{
    const fo_aws_settings *aws = files->options.aws;
    fo_files_places *places = files->options.places;
    finops_code rc;

    if (!fo_files_is_remote(address) && !(aws && aws->place) &&
        !(places && places->covers && places->covers(places, address)))
        return FINOPS_OK;
    (void)pthread_mutex_lock(&files->lock);
    rc = remote_find(files, address, ret, ret_key, err);
    (void)pthread_mutex_unlock(&files->lock);
    return rc;
}

/* ---- which version ---- */

fo_seen *
fo_seen_of(fo_files *files, const char *address)
{
    void *items = files->seen;
    fo_seen *s;
    bool ok;

    for (size_t i = 0; i < files->n_seen; i++)
        if (strcmp(files->seen[i]->address, address) == 0)
            return files->seen[i];
    ok = fo_grow(&items, &files->cap_seen, files->n_seen + 1, sizeof(*files->seen));
    files->seen = items;
    s = ok ? fo_zalloc(sizeof(*s)) : NULL;
    if (s)
        *s = (fo_seen){ .address = fo_strdup(address), .size = -1, .fd = -1 };
    if (!s || !s->address) {
        fo_free(s);
        return NULL;
    }
    files->seen[files->n_seen++] = s;
    return s;
}

finops_code
fo_remote_version(fo_files *files, const char *address, char **ret, finops_error **err)
{
    char *version = NULL;
    bool ok = true;

    (void)pthread_mutex_lock(&files->lock);
    for (size_t i = 0; i < files->n_seen; i++)
        if (strcmp(files->seen[i]->address, address) == 0 && files->seen[i]->version) {
            version = fo_strdup(files->seen[i]->version);
            ok = version != NULL;
        }
    (void)pthread_mutex_unlock(&files->lock);
    *ret = version;
    return ok ? FINOPS_OK : fo_error_oom(err);
}

finops_code
fo_remote_met(fo_files *files, const char *address, const char *version, finops_error **err)
{
    fo_seen *s;
    bool ok;

    if (!version)
        return FINOPS_OK;
    (void)pthread_mutex_lock(&files->lock);
    s = fo_seen_of(files, address);
    if (s && !s->version)
        s->version = fo_strdup(version);
    ok = s && s->version;
    (void)pthread_mutex_unlock(&files->lock);
    return ok ? FINOPS_OK : fo_error_oom(err);
}

finops_code
fo_remote_failed(finops_code rc, const char *address, finops_error **err)
{
    if (rc != FINOPS_E_PRECONDITION)
        return rc;
    return fo_error_wrap(err, rc, "read %s: it changed while it was read", address);
}

/* ---- listing ---- */

typedef struct listing {
    const char *base, *suffix;
    fo_strv *found;
    bool failed; /* no memory */
} listing;

static bool
listed(const finops_object *object, void *arg)
{
    listing *l = arg;

    if (!object->is_prefix && !fo_ends(object->key, "/") && fo_ends(object->key, l->suffix))
        l->failed = !fo_strv_take(l->found, fo_format("%s/%s", l->base, object->key));
    return !l->failed;
}

finops_code
fo_remote_list(fo_files *files, fo_remote *remote, const char *key, const char *suffix, fo_strv *ret,
               finops_error **err)
{
    listing l = { .base = remote->base, .suffix = suffix, .found = ret };
    FO_AUTO(fo_freep) char *prefix = *key ? fo_format("%s/", key) : fo_strdup("");
    const finops_list list = { .prefix = prefix, .call = &files->call };
    finops_code rc;

    if (!prefix)
        return fo_error_oom(err);
    rc = finops_storage_list_files(remote->storage, &list, listed, &l, err);
    return rc == FINOPS_OK && l.failed ? fo_error_oom(err) : rc;
}

/* ---- reading ---- */

struct fo_remote_file {
    fo_files *files;
    finops_storage *storage;
    char *address;
    const char *key; /* in the address */
    char *version;
    int64_t size;
    int64_t position;
    finops_reader *reader; /* NULL: what it had is taken */
    int64_t left;          /* of it */
};

static finops_code
request(fo_remote_file *f, int64_t length, finops_error **err)
{
    finops_get get = { .key = f->key,
                       .offset = f->position,
                       .length = length,
                       .if_version = f->version,
                       .call = &f->files->call };
    finops_code rc = finops_storage_read(f->storage, &get, &f->reader, err);

    if (rc == FINOPS_E_RANGE && f->position == 0) { /* an empty one has no ranges */
        if (err)
            finops_error_freep(err);
        get.length = -1;
        rc = finops_storage_read(f->storage, &get, &f->reader, err);
    }
    if (rc == FINOPS_OK)
        f->left = f->reader->length;
    return fo_remote_failed(rc, f->address, err);
}

static void
request_end(fo_remote_file *f)
{
    if (f->reader)
        f->reader->close(f->reader);
    f->reader = NULL;
}

/* What the first answer says of the whole. */
static finops_code
begin(fo_remote_file *f, finops_error **err)
{
    const finops_object *object = &f->reader->object;
    finops_code rc = fo_remote_met(f->files, f->address, object->version, err);

    f->size = object->size;
    if (rc == FINOPS_OK && f->size < 0)
        return fo_error_set(err, FINOPS_E_IO, "open %s: the server does not say its size", f->address);
    if (rc == FINOPS_OK && !f->version && object->version) {
        f->version = fo_strdup(object->version);
        if (!f->version)
            rc = fo_error_oom(err);
    }
    return rc;
}

finops_code
fo_remote_open(fo_files *files, fo_remote *remote, const char *address, const char *key, bool whole,
               fo_remote_file **ret, int64_t *ret_size, finops_error **err)
{
    fo_remote_file *f = fo_zalloc(sizeof(*f));
    finops_code rc;

    if (!f)
        return fo_error_oom(err);
    f->files = files;
    f->storage = remote->storage;
    f->address = fo_strdup(address);
    rc = f->address ? fo_remote_version(files, address, &f->version, err) : fo_error_oom(err);
    if (rc == FINOPS_OK) {
        f->key = f->address + (key - address);
        rc = request(f, whole ? -1 : FIRST, err);
    }
    if (rc == FINOPS_OK)
        rc = begin(f, err);
    if (rc != FINOPS_OK) {
        fo_remote_close(f);
        return rc;
    }
    *ret = f;
    *ret_size = f->size;
    return FINOPS_OK;
}

finops_code
fo_remote_read(fo_remote_file *f, void *buf, size_t n, size_t *ret_n, finops_error **err)
{
    size_t got = 0;
    finops_code rc = FINOPS_OK;

    if (f->left == 0 && f->position < f->size) {
        request_end(f);
        rc = request(f, BLOCK, err);
    }
    if (rc == FINOPS_OK && f->left > 0) {
        rc = f->reader->read(f->reader, buf, n, &got, err);
        if (rc != FINOPS_OK)
            rc = fo_error_wrap(err, rc, "read %s", f->address);
    }
    if (rc != FINOPS_OK)
        return rc;
    f->left -= (int64_t)got;
    f->position += (int64_t)got;
    *ret_n = got;
    return FINOPS_OK;
}

void
fo_remote_close(fo_remote_file *f)
{
    if (!f)
        return;
    request_end(f);
    fo_free(f->version);
    fo_free(f->address);
    fo_free(f);
}
