/* Objects that own their texts, and the rules every driver has for ranges and conditions. */
#include "storage/object.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "resilience/deadline.h"

/* ---- copies ---- */

static size_t
text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

/* Bytes of the block that holds everything `o` points to. */
static size_t
texts_size(const finops_object *o)
{
    size_t n = text_size(o->key) + text_size(o->version) + text_size(o->etag) + text_size(o->checksum) +
               text_size(o->content_type) + text_size(o->content_encoding) + text_size(o->cache_control);

    for (size_t i = 0; i < o->n_metadata; i++)
        n += text_size(o->metadata[i].name) + text_size(o->metadata[i].value);
    return n + o->n_metadata * sizeof(finops_metadata);
}

/* Puts the text at *at, which moves behind it. */
static const char *
text_add(char **at, const char *text)
{
    size_t n = text_size(text);
    const char *here = *at;

    if (!text)
        return NULL;
    memcpy(*at, text, n);
    *at += n;
    return here;
}

finops_code
finops_object_copy(const finops_object *object, finops_object *ret, finops_error **err)
{
    finops_object copy;
    finops_metadata *metadata;
    size_t size;
    char *at;

    if (!object || !ret || (object->n_metadata > 0 && !object->metadata))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "copy an object: an argument is NULL");
    copy = *object;
    size = texts_size(object);
    metadata = fo_alloc(size ? size : 1);
    if (!metadata)
        return fo_error_oom(err);
    copy.owned = metadata;
    at = (char *)(metadata + object->n_metadata);
    copy.key = text_add(&at, object->key);
    copy.version = text_add(&at, object->version);
    copy.etag = text_add(&at, object->etag);
    copy.checksum = text_add(&at, object->checksum);
    copy.content_type = text_add(&at, object->content_type);
    copy.content_encoding = text_add(&at, object->content_encoding);
    copy.cache_control = text_add(&at, object->cache_control);
    for (size_t i = 0; i < object->n_metadata; i++) {
        metadata[i].name = text_add(&at, object->metadata[i].name);
        metadata[i].value = text_add(&at, object->metadata[i].value);
    }
    copy.metadata = object->n_metadata ? metadata : NULL;
    *ret = copy;
    return FINOPS_OK;
}

void
finops_object_done(finops_object *object)
{
    if (!object)
        return;
    fo_free(object->owned);
    *object = (finops_object){ 0 };
}

/* ---- rules ---- */

finops_code
fo_call_check(const finops_call *call, finops_error **err)
{
    if (!call)
        return FINOPS_OK;
    if (call->cancelled && call->cancelled(call->arg))
        return fo_error_set(err, FINOPS_E_CANCELLED, "cancelled");
    if (call->deadline_us && fo_deadline_passed(call->deadline_us, fo_clock_monotonic()))
        return fo_error_set(err, FINOPS_E_TIMEOUT, "the deadline has passed");
    return FINOPS_OK;
}

finops_code
fo_get_resolve(const finops_get *get, int64_t size, int64_t *ret_offset, int64_t *ret_length,
               finops_error **err)
{
    int64_t offset = get->offset, left;

    assert(size >= 0);
    if (get->suffix < 0 || offset < 0)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "a range cannot begin at a negative offset");
    if (get->suffix > 0) {
        *ret_length = get->suffix < size ? get->suffix : size;
        *ret_offset = size - *ret_length;
        return FINOPS_OK;
    }
    if (offset > size || (offset == size && size > 0))
        return fo_error_set(err, FINOPS_E_RANGE, "the range begins at byte %lld of %lld", (long long)offset,
                            (long long)size);
    left = size - offset;
    *ret_offset = offset;
    *ret_length = get->length < 0 || get->length > left ? left : get->length;
    return FINOPS_OK;
}

finops_code
fo_get_check(const finops_get *get, const char *version, finops_error **err)
{
    if (get->if_version && !fo_streq(get->if_version, version))
        return fo_error_set(err, FINOPS_E_PRECONDITION, "it is another version");
    if (get->unless_version && fo_streq(get->unless_version, version))
        return fo_error_set(err, FINOPS_E_UNCHANGED, "it is still that version");
    return FINOPS_OK;
}

finops_code
fo_put_check(const finops_put *put, const char *version, finops_error **err)
{
    if (put->create_only && version)
        return fo_error_set(err, FINOPS_E_EXISTS, "it exists");
    if (put->if_version && !version)
        return fo_error_set(err, FINOPS_E_PRECONDITION, "there is no such object to replace");
    if (put->if_version && !fo_streq(put->if_version, version))
        return fo_error_set(err, FINOPS_E_PRECONDITION, "it is another version");
    return FINOPS_OK;
}

char *
fo_storage_prefix(const char *prefix)
{
    size_t n;

    while (prefix && *prefix == '/')
        prefix++;
    n = prefix ? strlen(prefix) : 0;
    while (n > 0 && prefix[n - 1] == '/')
        n--;
    return n > 0 ? fo_format("%.*s/", (int)n, prefix) : fo_strdup("");
}

finops_code
fo_put_plain(const finops_put *put, const char *who, finops_error **err)
{
    if (put->content_type || put->content_encoding || put->cache_control || put->n_metadata > 0)
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "%s keeps no metadata", who);
    if (put->if_version)
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "%s cannot replace one version only", who);
    return FINOPS_OK;
}
