/* What a storage of files remembers of its folders. */
#include "storage/folders.h"

#include <stdint.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

#define BELIEVE_US 10000000 /* that what was seen is still so */
#define FOLDERS_MAX 16384   /* remembered; after that everything is forgotten */

struct fo_folder {
    fo_folder *next;
    int64_t until_us; /* believed; 0: not */
    bool made;
    char path[];
};

void
fo_folders_init(fo_folders *folders)
{
    *folders = (fo_folders){ 0 };
    (void)pthread_mutex_init(&folders->lock, NULL);
}

static void
forget_all(fo_folders *folders)
{
    for (size_t i = 0; i < FO_FOLDERS_SLOTS; i++)
        while (folders->slots[i]) {
            fo_folder *f = folders->slots[i];

            folders->slots[i] = f->next;
            fo_free(f);
        }
    folders->n = 0;
}

void
fo_folders_done(fo_folders *folders)
{
    forget_all(folders);
    (void)pthread_mutex_destroy(&folders->lock);
}

/* The lock is held. */
static fo_folder **
slot_of(fo_folders *folders, const char *path, size_t n)
{
    fo_folder **at;

    for (at = &folders->slots[fo_fnv1a(path, n) % FO_FOLDERS_SLOTS]; *at; at = &(*at)->next)
        if (strncmp((*at)->path, path, n) == 0 && (*at)->path[n] == '\0')
            break;
    return at;
}

bool
fo_folders_known(fo_folders *folders, const char *path, size_t n)
{
    const fo_folder *f;
    bool known;

    (void)pthread_mutex_lock(&folders->lock);
    f = *slot_of(folders, path, n);
    known = f && f->until_us > fo_clock_monotonic();
    (void)pthread_mutex_unlock(&folders->lock);
    return known;
}

void
fo_folders_note(fo_folders *folders, const char *path, size_t n, bool made)
{
    fo_folder **slot;

    (void)pthread_mutex_lock(&folders->lock);
    if (folders->n >= FOLDERS_MAX)
        forget_all(folders);
    slot = slot_of(folders, path, n);
    if (!*slot) {
        *slot = fo_zalloc(sizeof(**slot) + n + 1);
        if (*slot) {
            memcpy((*slot)->path, path, n);
            folders->n++;
        }
    }
    if (*slot) {
        (*slot)->until_us = fo_clock_monotonic() + BELIEVE_US;
        (*slot)->made = (*slot)->made || made;
    }
    (void)pthread_mutex_unlock(&folders->lock);
}

void
fo_folders_forget(fo_folders *folders, const char *key)
{
    (void)pthread_mutex_lock(&folders->lock);
    for (const char *end = strchr(key, '/'); end; end = strchr(end + 1, '/')) {
        fo_folder *f = *slot_of(folders, key, (size_t)(end - key));

        if (f)
            f->until_us = 0;
    }
    (void)pthread_mutex_unlock(&folders->lock);
}

bool
fo_folders_take_made(fo_folders *folders, const char *path)
{
    fo_folder *f;
    bool made;

    (void)pthread_mutex_lock(&folders->lock);
    f = *slot_of(folders, path, strlen(path));
    made = f && f->made;
    if (made) {
        f->made = false;
        f->until_us = 0;
    }
    (void)pthread_mutex_unlock(&folders->lock);
    return made;
}
