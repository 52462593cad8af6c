/* Storage in memory: the required calls, copy and move. */
#include "storage/memory/driver.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "storage/memory/driver_internal.h"
#include "storage/object.h"

#define FEATURES                                                                                             \
    (FINOPS_STORAGE_FLAT_KEYS | FINOPS_STORAGE_CREATE_ONLY | FINOPS_STORAGE_IF_VERSION |                     \
     FINOPS_STORAGE_REMOVE_IF | FINOPS_STORAGE_UNLESS_VERSION | FINOPS_STORAGE_METADATA |                    \
     FINOPS_STORAGE_CHECKSUM | FINOPS_STORAGE_PARTS | FINOPS_STORAGE_COPY | FINOPS_STORAGE_MOVE |            \
     FINOPS_STORAGE_SWEEP | FINOPS_STORAGE_SUFFIX)

static void
memory_close(void *self)
{
    memory_storage *m = self;

    if (!m)
        return;
    assert(!m->uploads);
    memory_clear(m);
    (void)pthread_mutex_destroy(&m->lock);
    fo_free(m);
}

static finops_code
memory_open(const void *config, void **ret_self, finops_error **err)
{
    memory_storage *m = fo_zalloc(sizeof(*m));

    (void)config;
    if (!m)
        return fo_error_oom(err);
    (void)pthread_mutex_init(&m->lock, NULL);
    m->head = memory_head_new();
    if (!m->head) {
        memory_close(m);
        return fo_error_oom(err);
    }
    *ret_self = m;
    return FINOPS_OK;
}

static uint64_t
memory_features(void *self)
{
    (void)self;
    return FEATURES;
}

/* ---- what is there ---- */

/* One user of it for the caller; NULL: not there. */
static memory_item *
item_at(memory_storage *m, const char *key)
{
    memory_item *item;

    (void)pthread_mutex_lock(&m->lock);
    item = memory_find(m, key);
    if (item)
        (void)memory_item_use(item);
    (void)pthread_mutex_unlock(&m->lock);
    return item;
}

static finops_code
not_found(const char *key, finops_error **err)
{
    return fo_error_set(err, FINOPS_E_NOT_FOUND, "%s does not exist", key);
}

static finops_code
memory_stat(void *self, const char *key, const finops_call *call, finops_object *ret, finops_error **err)
{
    FO_AUTO(memory_item_releasep) memory_item *item = NULL;
    finops_code rc = fo_call_check(call, err);

    if (rc != FINOPS_OK)
        return rc;
    item = item_at(self, key);
    return item ? finops_object_copy(&item->object, ret, err) : not_found(key, err);
}

typedef struct memory_reader {
    finops_reader base;
    memory_item *item;
    const finops_call *call;
    size_t at, end;
} memory_reader;

static finops_code
reader_read(finops_reader *reader, void *buffer, size_t n, size_t *ret_n, finops_error **err)
{
    memory_reader *r = (memory_reader *)reader;
    finops_code rc = fo_call_check(r->call, err);

    if (rc != FINOPS_OK)
        return rc;
    n = n < r->end - r->at ? n : r->end - r->at;
    memcpy(buffer, r->item->bytes->data + r->at, n);
    r->at += n;
    *ret_n = n;
    return FINOPS_OK;
}

static void
reader_close(finops_reader *reader)
{
    memory_reader *r = (memory_reader *)reader;

    memory_item_release(r->item);
    fo_free(r);
}

static finops_code
memory_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err)
{
    FO_AUTO(memory_item_releasep) memory_item *item = NULL;
    memory_reader *r;
    int64_t offset, length;
    finops_code rc = fo_call_check(get->call, err);

    if (rc != FINOPS_OK)
        return rc;
    item = item_at(self, get->key);
    if (!item)
        return not_found(get->key, err);
    rc = fo_get_check(get, item->object.version, err);
    if (rc == FINOPS_OK)
        rc = fo_get_resolve(get, item->object.size, &offset, &length, err);
    if (rc != FINOPS_OK)
        return rc;
    r = fo_alloc(sizeof(*r));
    if (!r)
        return fo_error_oom(err);
    *r = (memory_reader){ .base = { .object = item->object,
                                    .offset = offset,
                                    .length = length,
                                    .read = reader_read,
                                    .close = reader_close },
                          .call = get->call,
                          .at = (size_t)offset,
                          .end = (size_t)(offset + length) };
    r->base.object.owned = NULL;
    r->item = FO_TAKE(item);
    *ret = &r->base;
    return FINOPS_OK;
}

/* ---- lists: a page at a time, so that nothing is locked while the caller looks at it ---- */

#define LIST_PAGE 64

typedef struct lister {
    const finops_list *list;
    size_t prefix; /* its length */
    fo_str at;     /* where the next page begins */
    bool above;    /* and whether `at` itself is left out */
    memory_item *items[LIST_PAGE];
    size_t n;
    bool end;
} lister;

/* Length of the key's prefix that ends with the next '/', 0 when it is an object of its own. */
static size_t
child_length(const lister *l, const char *key)
{
    const char *slash = l->list->children ? strchr(key + l->prefix, '/') : NULL;

    return slash ? (size_t)(slash - key) + 1 : 0;
}

/* The next page begins behind this key, or behind everything below the prefix it stands for. */
static void
go_behind(lister *l, const char *key)
{
    size_t child = child_length(l, key);

    fo_str_clear(&l->at);
    if (child) {
        fo_str_addn(&l->at, key, child - 1);
        fo_str_addc(&l->at, '/' + 1);
    } else {
        fo_str_add(&l->at, key);
    }
    l->above = child == 0;
}

static void
page_fill(memory_storage *m, lister *l)
{
    (void)pthread_mutex_lock(&m->lock);
    for (l->n = 0; l->n < LIST_PAGE && fo_str_ok(&l->at); l->n++) {
        memory_item *item = memory_first(m, fo_str_z(&l->at), l->above);

        l->end = !item || strncmp(item->object.key, l->list->prefix, l->prefix) != 0;
        if (l->end)
            break;
        l->items[l->n] = memory_item_use(item);
        go_behind(l, item->object.key);
    }
    (void)pthread_mutex_unlock(&m->lock);
}

static bool
entry_tell(const lister *l, const memory_item *item, finops_each_object each, void *arg, bool *ret_more)
{
    size_t child = child_length(l, item->object.key);
    FO_AUTO(fo_freep) char *prefix = NULL;
    finops_object entry = item->object;

    entry.owned = NULL;
    if (child) {
        prefix = fo_strndup(item->object.key, child);
        if (!prefix)
            return false;
        entry = (finops_object){ .key = prefix, .is_prefix = true, .size = -1, .modified_us = -1 };
    }
    if (!l->list->start_after || strcmp(entry.key, l->list->start_after) > 0)
        *ret_more = each(&entry, arg);
    return true;
}

static finops_code
page_tell(lister *l, finops_each_object each, void *arg, finops_error **err)
{
    finops_code rc = fo_call_check(l->list->call, err);
    bool more = true;

    for (size_t i = 0; i < l->n; i++) {
        if (rc == FINOPS_OK && more && !entry_tell(l, l->items[i], each, arg, &more))
            rc = fo_error_oom(err);
        memory_item_release(l->items[i]);
    }
    l->end = l->end || !more;
    return rc;
}

static finops_code
memory_list(void *self, const finops_list *list, finops_each_object each, void *arg, finops_error **err)
{
    lister l = { .list = list, .prefix = strlen(list->prefix), .at = FO_STR_INIT };
    finops_code rc = FINOPS_OK;

    l.above = list->start_after && strcmp(list->start_after, list->prefix) >= 0;
    fo_str_add(&l.at, l.above ? list->start_after : list->prefix);
    while (rc == FINOPS_OK && !l.end) {
        page_fill(self, &l);
        rc = page_tell(&l, each, arg, err);
        if (rc == FINOPS_OK)
            rc = fo_str_check(&l.at, err);
    }
    fo_str_done(&l.at);
    return rc;
}

/* ---- changes ---- */

finops_code
memory_store(memory_storage *m, const finops_put *put, memory_bytes *bytes, finops_object *ret,
             finops_error **err)
{
    const finops_object object = { .key = put->key,
                                   .content_type = put->content_type,
                                   .content_encoding = put->content_encoding,
                                   .cache_control = put->cache_control,
                                   .metadata = put->metadata,
                                   .n_metadata = put->n_metadata };
    finops_object told = { 0 };
    memory_item *item, *old;
    finops_code rc = memory_item_new(m, &object, bytes, &item, err);

    if (rc == FINOPS_OK && ret) /* before, so that nothing can fail once it is stored */
        rc = finops_object_copy(&item->object, &told, err);
    else if (rc != FINOPS_OK)
        return rc;
    (void)pthread_mutex_lock(&m->lock);
    old = memory_find(m, put->key);
    if (rc == FINOPS_OK)
        rc = fo_put_check(put, old ? old->object.version : NULL, err);
    if (rc == FINOPS_OK)
        rc = memory_set(m, item, err);
    (void)pthread_mutex_unlock(&m->lock);
    if (rc != FINOPS_OK) {
        memory_item_release(item);
        finops_object_done(&told);
        return rc;
    }
    if (ret)
        *ret = told;
    return FINOPS_OK;
}

static finops_code
memory_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
           finops_error **err)
{
    memory_bytes *bytes;
    finops_code rc = fo_call_check(put->call, err);

    if (rc != FINOPS_OK)
        return rc;
    bytes = memory_bytes_new(n);
    if (!bytes)
        return fo_error_oom(err);
    if (n > 0)
        memcpy(bytes->data, data, n);
    return memory_store(self, put, bytes, ret, err);
}

static finops_code
memory_remove(void *self, const finops_remove *remove, finops_error **err)
{
    memory_storage *m = self;
    memory_item *item;
    finops_code rc = fo_call_check(remove->call, err);

    if (rc != FINOPS_OK)
        return rc;
    (void)pthread_mutex_lock(&m->lock);
    item = memory_find(m, remove->key);
    if (item && remove->if_version && strcmp(item->object.version, remove->if_version) != 0)
        rc = fo_error_set(err, FINOPS_E_PRECONDITION, "remove %s: it is another version", remove->key);
    else if (item)
        memory_unset(m, remove->key);
    (void)pthread_mutex_unlock(&m->lock);
    return rc;
}

static finops_code
memory_remove_many(void *self, const char *const *keys, size_t n, const finops_call *call,
                   finops_each_removed each, void *arg, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; i < n && rc == FINOPS_OK; i++) {
        rc = memory_remove(self, &(finops_remove){ .key = keys[i], .call = call }, err);
        if (rc == FINOPS_OK && each)
            each(i, NULL, arg);
    }
    return rc;
}

/* The bytes are shared, the rest is copied under the lock: nobody sees both places change at different times.
 */
static finops_code
copy_locked(memory_storage *m, const finops_copy *copy, finops_object *ret, finops_error **err)
{
    const memory_item *from = memory_find(m, copy->from), *old = memory_find(m, copy->to);
    finops_object object, told = { 0 };
    memory_item *item;
    finops_code rc;

    if (!from)
        return not_found(copy->from, err);
    if (copy->if_version && strcmp(copy->if_version, from->object.version) != 0)
        return fo_error_set(err, FINOPS_E_PRECONDITION, "%s is another version", copy->from);
    if (copy->create_only && old)
        return fo_error_set(err, FINOPS_E_EXISTS, "%s exists", copy->to);
    object = from->object;
    object.key = copy->to;
    atomic_fetch_add(&from->bytes->users, 1);
    rc = memory_item_new(m, &object, from->bytes, &item, err);
    if (rc != FINOPS_OK)
        return rc;
    if (ret)
        rc = finops_object_copy(&item->object, &told, err);
    if (rc == FINOPS_OK)
        rc = memory_set(m, item, err);
    if (rc != FINOPS_OK) {
        memory_item_release(item);
        finops_object_done(&told);
    } else if (ret) {
        *ret = told;
    }
    return rc;
}

static finops_code
copy_or_move(memory_storage *m, const finops_copy *copy, bool move, finops_object *ret, finops_error **err)
{
    finops_code rc = fo_call_check(copy->call, err);

    if (rc != FINOPS_OK)
        return rc;
    if (fo_streq(copy->from, copy->to))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "%s cannot be copied or moved onto itself", copy->from);
    (void)pthread_mutex_lock(&m->lock);
    rc = copy_locked(m, copy, ret, err);
    if (rc == FINOPS_OK && move)
        memory_unset(m, copy->from);
    (void)pthread_mutex_unlock(&m->lock);
    return rc;
}

static finops_code
memory_copy(void *self, const finops_copy *copy, finops_object *ret, finops_error **err)
{
    return copy_or_move(self, copy, false, ret, err);
}

static finops_code
memory_move(void *self, const finops_copy *move, finops_error **err)
{
    return copy_or_move(self, move, true, NULL, err);
}

static const finops_option memory_options[] = { { 0 } };

const finops_storage_driver fo_memory_driver = {
    .abi = FINOPS_STORAGE_ABI,
    .size = sizeof(finops_storage_driver),
    .name = "memory",
    .version = FINOPS_VERSION,
    .summary = "The memory of this process, for tests.",
    .options = memory_options,
    .open = memory_open,
    .close = memory_close,
    .features = memory_features,
    .stat = memory_stat,
    .list = memory_list,
    .read = memory_read,
    .put = memory_put,
    .remove = memory_remove,
    .upload = memory_upload_begin,
    .remove_many = memory_remove_many,
    .copy = memory_copy,
    .move = memory_move,
    .sweep = memory_sweep,
};
