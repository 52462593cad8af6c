/* The front door: argument checks, names in errors, and what a stage does the general way. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "storage/front.h"
#include "storage/writer.h"

finops_code
fo_storage_over(fo_stage *stage, const char *address, finops_storage **ret, finops_error **err)
{
    finops_storage *s = fo_zalloc(sizeof(*s));

    if (s) {
        s->address = fo_strdup(address);
        s->stage = *stage;
        *stage = (fo_stage){ 0 };
    }
    if (!s || !s->address) {
        if (s)
            finops_storage_close(s);
        else
            fo_stage_close(stage);
        return fo_error_oom(err);
    }
    *ret = s;
    return FINOPS_OK;
}

void
finops_storage_close(finops_storage *storage)
{
    if (!storage)
        return;
    fo_stage_close(&storage->stage);
    fo_registry_release_driver(storage->token);
    fo_free(storage->address);
    fo_free(storage);
}

void
finops_storage_closep(finops_storage **storage)
{
    finops_storage_close(*storage);
}

const fo_stage *
fo_storage_stage(const finops_storage *storage)
{
    return &storage->stage;
}

const char *
finops_storage_get_backend_type(const finops_storage *storage)
{
    return storage->stage.driver->name;
}

const char *
finops_storage_address(const finops_storage *storage)
{
    return storage->address;
}

uint64_t
finops_storage_features(const finops_storage *storage)
{
    return fo_stage_features(&storage->stage);
}

finops_code
fo_storage_wrap(const finops_storage *storage, finops_code rc, const char *what, const char *key,
                finops_error **err)
{
    if (rc == FINOPS_OK)
        return rc;
    return key ? fo_error_wrap(err, rc, "%s %s of %s", what, key, storage->address)
               : fo_error_wrap(err, rc, "%s %s", what, storage->address);
}

finops_code
fo_storage_key_check(const char *key, finops_error **err)
{
    size_t n = key ? strlen(key) : 0, bad = 0;

    if (n == 0)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "a key has at least one byte");
    if (n > FINOPS_STORAGE_KEY_MAX)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "the key %.40s... has %zu bytes, and at most %d may be",
                            key, n, FINOPS_STORAGE_KEY_MAX);
    if (!fo_utf8_valid(key, n, &bad))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "the key is no UTF-8 from its byte %zu on", bad);
    return FINOPS_OK;
}

/* A prefix may be empty, and may end within a character. */
static finops_code
prefix_check(const char *prefix, finops_error **err)
{
    if (!prefix || strlen(prefix) > FINOPS_STORAGE_KEY_MAX)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "a prefix is a text of at most %d bytes",
                            FINOPS_STORAGE_KEY_MAX);
    return FINOPS_OK;
}

static finops_code
lacks(const finops_storage *s, uint64_t feature, const char *what, finops_error **err)
{
    return (finops_storage_features(s) & feature) != 0 ? FINOPS_OK
                                                       : fo_stage_unsupported(&s->stage, what, err);
}

finops_code
finops_storage_stat(finops_storage *storage, const char *key, const finops_call *call, finops_object *ret,
                    finops_error **err)
{
    finops_code rc = fo_storage_key_check(key, err);

    assert(storage && ret);
    if (rc == FINOPS_OK)
        rc = storage->stage.driver->stat(storage->stage.self, key, call, ret, err);
    return fo_storage_wrap(storage, rc, "stat", key, err);
}

finops_code
finops_storage_list_files(finops_storage *storage, const finops_list *list, finops_each_object each,
                          void *arg, finops_error **err)
{
    const fo_stage *s = &storage->stage;
    finops_code rc = prefix_check(list->prefix, err);

    assert(each);
    if (rc == FINOPS_OK)
        rc = s->driver->list(s->self, list, each, arg, err);
    return fo_storage_wrap(storage, rc, "list", NULL, err);
}

/* ---- reading ---- */

finops_code
finops_storage_read(finops_storage *storage, const finops_get *get, finops_reader **ret, finops_error **err)
{
    const fo_stage *s = &storage->stage;
    finops_code rc = fo_storage_key_check(get->key, err);

    assert(ret);
    if (rc == FINOPS_OK && (get->offset < 0 || get->suffix < 0))
        rc = fo_error_set(err, FINOPS_E_ARGUMENT, "an offset or suffix is not negative");
    if (rc == FINOPS_OK && get->unless_version)
        rc = lacks(storage, FINOPS_STORAGE_UNLESS_VERSION, "a conditional read", err);
    if (rc == FINOPS_OK)
        rc = fo_stage_read(s, get, ret, err);
    return fo_storage_wrap(storage, rc, "read", get->key, err);
}

static finops_code
read_whole(finops_reader *reader, const char *key, size_t max, char **ret_data, size_t *ret_n,
           finops_error **err)
{
    size_t want = (size_t)reader->length, done = 0, got = 1;
    char *data;

    if (reader->length < 0 || want > max)
        return fo_error_set(err, FINOPS_E_DATA, "%s has %lld bytes, and at most %zu are read", key,
                            (long long)reader->length, max);
    data = malloc(want + 1);
    if (!data)
        return fo_error_oom(err);
    while (done < want && got > 0) {
        finops_code rc = reader->read(reader, data + done, want - done, &got, err);
        if (rc != FINOPS_OK) {
            free(data);
            return rc;
        }
        done += got;
    }
    data[done] = '\0';
    *ret_data = data;
    *ret_n = done;
    return FINOPS_OK;
}

finops_code
finops_storage_read_all(finops_storage *storage, const finops_get *get, size_t max, char **ret_data,
                        size_t *ret_n, finops_object *ret, finops_error **err)
{
    finops_reader *reader = NULL;
    char *data = NULL;
    size_t n = 0;
    finops_code rc = finops_storage_read(storage, get, &reader, err);

    if (rc != FINOPS_OK)
        return rc;
    rc = read_whole(reader, get->key, max, &data, &n, err);
    if (rc == FINOPS_OK && ret)
        rc = finops_object_copy(&reader->object, ret, err);
    reader->close(reader);
    if (rc != FINOPS_OK) {
        free(data);
        return fo_storage_wrap(storage, rc, "read", get->key, err);
    }
    *ret_data = data;
    *ret_n = n;
    return FINOPS_OK;
}

/* ---- writing ---- */

static finops_code
put_check(const finops_storage *s, const finops_put *put, finops_error **err)
{
    finops_code rc = fo_storage_key_check(put->key, err);

    if (rc == FINOPS_OK && put->create_only && put->if_version)
        rc = fo_error_set(err, FINOPS_E_ARGUMENT, "an object is made, or a version of it replaced, not both");
    if (rc == FINOPS_OK && put->create_only)
        rc = lacks(s, FINOPS_STORAGE_CREATE_ONLY, "a create-only write", err);
    if (rc == FINOPS_OK && put->if_version)
        rc = lacks(s, FINOPS_STORAGE_IF_VERSION, "a write that replaces one version", err);
    if (rc == FINOPS_OK && put->n_metadata > 0)
        rc = lacks(s, FINOPS_STORAGE_METADATA, "metadata", err);
    return rc;
}

finops_code
finops_storage_put(finops_storage *storage, const finops_put *put, const void *data, size_t n,
                   finops_object *ret, finops_error **err)
{
    const fo_stage *s = &storage->stage;
    finops_put whole = *put;
    finops_code rc = put_check(storage, put, err);

    assert(data || n == 0);
    whole.size = (int64_t)n;
    if (rc == FINOPS_OK)
        rc = s->driver->put(s->self, &whole, data, n, ret, err);
    return fo_storage_wrap(storage, rc, "put", put->key, err);
}

finops_code
finops_storage_write(finops_storage *storage, const finops_put *put, const finops_transfer *transfer,
                     finops_writer **ret, finops_error **err)
{
    finops_code rc = put_check(storage, put, err);

    if (rc == FINOPS_OK)
        rc = fo_stage_write(&storage->stage, put, transfer, ret, err);
    return fo_storage_wrap(storage, rc, "write", put->key, err);
}

finops_code
finops_storage_upload(finops_storage *storage, const finops_put *put, finops_upload **ret, finops_error **err)
{
    finops_code rc = put_check(storage, put, err);

    if (rc == FINOPS_OK)
        rc = fo_stage_upload(&storage->stage, put, ret, err);
    return fo_storage_wrap(storage, rc, "upload", put->key, err);
}

finops_code
finops_storage_presign(finops_storage *storage, const finops_presign *presign, char **ret_url,
                       finops_error **err)
{
    finops_code rc = fo_storage_key_check(presign->key, err);

    if (rc == FINOPS_OK && presign->seconds <= 0)
        rc = fo_error_set(err, FINOPS_E_ARGUMENT, "it is good for at least a second");
    if (rc == FINOPS_OK)
        rc = fo_stage_presign(&storage->stage, presign, ret_url, err);
    return fo_storage_wrap(storage, rc, "presign", presign->key, err);
}

finops_code
finops_storage_sweep(finops_storage *storage, const char *prefix, int64_t begun_before_us,
                     const finops_call *call, finops_each_object each, void *arg, finops_error **err)
{
    finops_code rc = prefix_check(prefix, err);

    if (rc == FINOPS_OK)
        rc = fo_stage_sweep(&storage->stage, prefix, begun_before_us, call, each, arg, err);
    return fo_storage_wrap(storage, rc, "sweep", NULL, err);
}
