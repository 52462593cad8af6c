/*
 * The list of drivers: a sorted array under a lock for many readers and one writer.
 *
 * For one name there is at most one entry that can be opened, any number that drain (each replaced while in
 * use), and the plugins of that file name that are broken; they stand in this order, so that a search finds
 * the best first.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "registry/registry_internal.h"

static int
rank_of(finops_driver_status status)
{
    switch (status) {
    case FINOPS_DRIVER_DRAINING:
        return 1;
    case FINOPS_DRIVER_BROKEN:
        return 2;
    default:
        return 0;
    }
}

bool
fo_entry_takes_name(const fo_driver_entry *entry)
{
    return rank_of(entry->status) == 0;
}

/* Where an entry of this name and rank is, or belongs. `lock` is held. */
static size_t
place_of(const finops_registry *r, finops_driver_kind kind, const char *name, int rank)
{
    size_t low = 0, high = r->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const fo_driver_entry *there = r->entries[middle];
        int order = there->kind != kind ? (int)there->kind - (int)kind : strcmp(there->name, name);

        if (order < 0 || (order == 0 && rank_of(r->entries[middle]->status) < rank))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

fo_driver_entry *
fo_entries_find(const finops_registry *r, finops_driver_kind kind, const char *name)
{
    size_t i = place_of(r, kind, name, 0);

    return i < r->n && r->entries[i]->kind == kind && strcmp(r->entries[i]->name, name) == 0 ? r->entries[i]
                                                                                             : NULL;
}

fo_driver_entry *
fo_entries_holder(const finops_registry *r, finops_driver_kind kind, const char *name)
{
    fo_driver_entry *entry = fo_entries_find(r, kind, name);

    return entry && fo_entry_takes_name(entry) ? entry : NULL;
}

void
fo_entry_free(fo_driver_entry *entry)
{
    if (!entry)
        return;
    fo_plugin_unref(entry->plugin);
    fo_free(entry->origin);
    fo_free(entry->broken_name);
    fo_free(entry->problem);
    fo_free(entry);
}

void
fo_entry_freep(fo_driver_entry **entry)
{
    fo_entry_free(*entry);
}

fo_driver_entry *
fo_entry_new(fo_driver_ref driver, const char *origin)
{
    fo_driver_entry *entry = fo_zalloc(sizeof(*entry));

    if (!entry)
        return NULL;
    if (origin) {
        entry->origin = fo_strdup(origin);
        if (!entry->origin) {
            fo_entry_free(entry);
            return NULL;
        }
    }
    entry->kind = driver.kind;
    entry->name = driver.head->name;
    entry->driver = driver.head;
    if (driver.head->size < fo_kinds[driver.kind].size) {
        memcpy(&entry->whole, driver.head, driver.head->size);
        entry->driver = (const finops_driver *)&entry->whole;
    }
    return entry;
}

void
fo_entries_insert(finops_registry *r, fo_driver_entry *entry)
{
    size_t at = place_of(r, entry->kind, entry->name, rank_of(entry->status));

    assert(r->n < r->cap);

    memmove(r->entries + at + 1, r->entries + at, (r->n - at) * sizeof(*r->entries));
    r->entries[at] = entry;
    r->n++;
}

void
fo_entries_take_out(finops_registry *r, const fo_driver_entry *entry)
{
    size_t at = place_of(r, entry->kind, entry->name, rank_of(entry->status));

    while (r->entries[at] != entry)
        at++;
    assert(at < r->n);
    r->n--;
    memmove(r->entries + at, r->entries + at + 1, (r->n - at) * sizeof(*r->entries));
}

finops_code
fo_entries_make_room(finops_registry *r, size_t n, finops_error **err)
{
    return fo_grow((void **)&r->entries, &r->cap, r->n + n, sizeof(*r->entries)) ? FINOPS_OK
                                                                                 : fo_error_oom(err);
}
