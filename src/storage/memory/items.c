/* The objects of a storage in memory, and the sorted list they are in. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/crc.h"
#include "base/mem.h"
#include "storage/memory/driver_internal.h"

/* ---- bytes and items ---- */

memory_bytes *
memory_bytes_new(size_t n)
{
    memory_bytes *bytes = n <= PTRDIFF_MAX - sizeof(*bytes) ? fo_alloc(sizeof(*bytes) + n) : NULL;

    if (!bytes)
        return NULL;
    atomic_init(&bytes->users, 1);
    bytes->n = n;
    return bytes;
}

void
memory_bytes_release(memory_bytes *bytes)
{
    if (bytes && atomic_fetch_sub(&bytes->users, 1) == 1)
        fo_free(bytes);
}

#define CHECKSUM_TEXT 32

static const char *
checksum_text(const memory_bytes *bytes, char buf[CHECKSUM_TEXT])
{
    (void)snprintf(buf, CHECKSUM_TEXT, "crc64nvme:%016" PRIx64, fo_crc64nvme(0, bytes->data, bytes->n));
    return buf;
}

finops_code
memory_item_new(memory_storage *m, const finops_object *object, memory_bytes *bytes, memory_item **ret,
                finops_error **err)
{
    memory_item *item = fo_zalloc(sizeof(*item));
    finops_object whole = *object;
    char version[32], checksum[CHECKSUM_TEXT];
    finops_code rc;

    if (!whole.checksum)
        whole.checksum = checksum_text(bytes, checksum);
    (void)snprintf(version, sizeof(version), "v%llu", atomic_fetch_add(&m->serial, 1) + 1);
    whole.version = whole.etag = version;
    whole.size = (int64_t)bytes->n;
    whole.modified_us = fo_clock_now();
    rc = item ? finops_object_copy(&whole, &item->object, err) : fo_error_oom(err);
    if (rc != FINOPS_OK) {
        memory_bytes_release(bytes);
        fo_free(item);
        return rc;
    }
    atomic_init(&item->users, 1);
    item->bytes = bytes;
    *ret = item;
    return FINOPS_OK;
}

memory_item *
memory_item_use(memory_item *item)
{
    atomic_fetch_add(&item->users, 1);
    return item;
}

void
memory_item_release(memory_item *item)
{
    if (!item || atomic_fetch_sub(&item->users, 1) != 1)
        return;
    memory_bytes_release(item->bytes);
    finops_object_done(&item->object);
    fo_free(item);
}

void
memory_item_releasep(memory_item **item)
{
    memory_item_release(*item);
    *item = NULL;
}

/* ---- the list ---- */

memory_node *
memory_head_new(void)
{
    return fo_zalloc(sizeof(memory_node) + MEMORY_LANES * sizeof(memory_node *));
}

/* The last node of each lane whose key is below `key` (not above it, with `above`). */
static void
find_before(const memory_storage *m, const char *key, bool above, memory_node *ret[MEMORY_LANES])
{
    memory_node *at = m->head;

    for (unsigned lane = MEMORY_LANES; lane-- > 0;) {
        for (memory_node *next; (next = at->next[lane]) != NULL; at = next)
            if (strcmp(next->item->object.key, key) >= (above ? 1 : 0))
                break;
        ret[lane] = at;
    }
}

memory_item *
memory_first(const memory_storage *m, const char *key, bool above)
{
    memory_node *before[MEMORY_LANES];

    find_before(m, key, above, before);
    return before[0]->next[0] ? before[0]->next[0]->item : NULL;
}

memory_item *
memory_find(const memory_storage *m, const char *key)
{
    memory_item *item = memory_first(m, key, false);

    return item && strcmp(item->object.key, key) == 0 ? item : NULL;
}

/* Each lane has a quarter of the nodes of the one below; the order need not be hard to guess here. */
static unsigned
lanes_of_next(memory_storage *m)
{
    unsigned lanes = 1, r;

    m->random = m->random * 1664525u + 1013904223u;
    for (r = m->random >> 8; lanes < MEMORY_LANES && (r & 3) == 0; r >>= 2)
        lanes++;
    return lanes;
}

finops_code
memory_set(memory_storage *m, memory_item *item, finops_error **err)
{
    memory_node *before[MEMORY_LANES], *node;
    unsigned lanes;

    find_before(m, item->object.key, false, before);
    node = before[0]->next[0];
    if (node && strcmp(node->item->object.key, item->object.key) == 0) {
        memory_item_release(node->item);
        node->item = item;
        return FINOPS_OK;
    }
    lanes = lanes_of_next(m);
    node = fo_alloc(sizeof(*node) + lanes * sizeof(memory_node *));
    if (!node)
        return fo_error_oom(err);
    node->item = item;
    for (unsigned lane = 0; lane < lanes; lane++) {
        node->next[lane] = before[lane]->next[lane];
        before[lane]->next[lane] = node;
    }
    return FINOPS_OK;
}

void
memory_unset(memory_storage *m, const char *key)
{
    memory_node *before[MEMORY_LANES], *node;

    find_before(m, key, false, before);
    node = before[0]->next[0];
    if (!node || strcmp(node->item->object.key, key) != 0)
        return;
    for (unsigned lane = 0; lane < MEMORY_LANES && before[lane]->next[lane] == node; lane++)
        before[lane]->next[lane] = node->next[lane];
    memory_item_release(node->item);
    fo_free(node);
}

void
memory_clear(memory_storage *m)
{
    memory_node *node = m->head ? m->head->next[0] : NULL;

    while (node) {
        memory_node *next = node->next[0];

        memory_item_release(node->item);
        fo_free(node);
        node = next;
    }
    fo_free(m->head);
    m->head = NULL;
}
