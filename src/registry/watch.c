/*
 * Looks through the folders of plugins again when something changed in them: inotify, a thread for each path.
 *
 * A copy makes many events, so it waits until they settle. A folder that is not there is waited for by
 * watching the nearest one above it.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "registry/registry_internal.h"

#define SETTLE_MS 200
#define SETTLE_MAX_US                                                                                        \
    ((int64_t)2000000) /* a file that is written without end does not hold up the others                     \
                        */
#define AGAIN_MS 5000  /* when a folder could not be watched, or a look failed */

#define FOLDER_EVENTS                                                                                        \
    (IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE |          \
     IN_DELETE_SELF | IN_MOVE_SELF)
#define ABOVE_EVENTS (IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF)

/* What is watched: a folder of plugins, or the one above it that a name is missing in. */
typedef struct watched {
    int number; /* of inotify */
    char *missing;
} watched;

struct fo_registry_watch {
    finops_registry *registry;
    char *path; /* absolute folders */
    fo_strv folders;
    int events; /* inotify */
    int wake;   /* eventfd: end */
    pthread_t thread;
    watched *list;
    size_t n, cap;
    struct fo_registry_watch *next;
};

static void
clear_list(fo_registry_watch *w)
{
    for (size_t i = 0; i < w->n; i++)
        fo_free(w->list[i].missing);
    w->n = 0;
}

/* missing NULL: the folder itself. */
static bool
watch_one(fo_registry_watch *w, const char *folder, const char *missing)
{
    uint32_t mask = (missing ? ABOVE_EVENTS : FOLDER_EVENTS) | IN_ONLYDIR | IN_MASK_ADD;
    int number = inotify_add_watch(w->events, folder, mask);
    char *name = missing ? fo_strdup(missing) : NULL;

    if (number < 0 || (missing && !name) ||
        !fo_grow((void **)&w->list, &w->cap, w->n + 1, sizeof(*w->list))) {
        fo_free(name);
        return false;
    }
    w->list[w->n++] = (watched){ number, name };
    return true;
}

/* The folder, or what is there of the way to it. False when neither can be watched. */
static bool
watch_folder(fo_registry_watch *w, const char *folder)
{
    FO_AUTO(fo_freep) char *above = fo_strdup(folder);

    if (!above)
        return false;
    if (watch_one(w, folder, NULL))
        return true;
    while (above[1] != '\0') {
        char *slash = strrchr(above, '/');
        FO_AUTO(fo_freep) char *missing = fo_strdup(slash + 1);

        slash[slash == above] = '\0';
        if (!missing || access(above, X_OK) != 0)
            continue;
        if (!watch_one(w, above, missing))
            return false;
        /* It may have been made in between: what is there now is watched by the next call. */
        FO_AUTO(fo_freep) char *there = fo_path_join(above, missing);
        return there && (access(there, F_OK) != 0 || watch_one(w, folder, NULL));
    }
    return false;
}

static bool
watch_all(fo_registry_watch *w)
{
    bool all = true;

    clear_list(w);
    for (size_t i = 0; i < w->folders.n; i++)
        all = watch_folder(w, w->folders.items[i]) && all;
    return all;
}

/* Whether an event can change what discovery finds. One without a name is about the folder itself. */
static bool
matters(const fo_registry_watch *w, const struct inotify_event *event)
{
    const char *name = event->len > 0 ? event->name : NULL;

    if (!name || (event->mask & IN_Q_OVERFLOW))
        return true;
    for (size_t i = 0; i < w->n; i++) {
        if (w->list[i].number != event->wd)
            continue;
        if (w->list[i].missing ? fo_streq(name, w->list[i].missing) : fo_ends(name, ".so"))
            return true;
    }
    return false;
}

/* Takes all that has happened; true when some of it matters. */
static bool
take_events(const fo_registry_watch *w)
{
    union {
        struct inotify_event event; /* for the alignment */
        char bytes[8192];
    } buf;
    bool any = false;
    ssize_t n;

    while ((n = read(w->events, buf.bytes, sizeof(buf.bytes))) > 0) {
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *event = (const void *)(buf.bytes + at);

            any = matters(w, event) || any;
            at += (ssize_t)sizeof(*event) + event->len;
        }
    }
    return any;
}

/* Waits for an event; false: it is time to end. */
static bool
wait_event(const fo_registry_watch *w, int timeout_ms, bool *ret_any)
{
    struct pollfd fds[] = { { .fd = w->wake, .events = POLLIN }, { .fd = w->events, .events = POLLIN } };
    int n = poll(fds, FO_COUNT(fds), timeout_ms);

    *ret_any = n > 0 && fds[1].revents != 0;
    return fds[0].revents == 0 && !atomic_load(&w->registry->stopping);
}

/* Until something changed that matters, and then nothing for a while. False: end. */
static bool
wait_settled(const fo_registry_watch *w, int timeout_ms)
{
    int64_t since = 0;
    bool any;

    for (;;) {
        if (!wait_event(w, since ? SETTLE_MS : timeout_ms, &any))
            return false;
        if (!any && (since || timeout_ms >= 0))
            return true; /* quiet, or time to look again */
        if (any && take_events(w) && !since)
            since = fo_clock_monotonic();
        if (since && fo_clock_monotonic() - since > SETTLE_MAX_US)
            return true;
    }
}

static void *
watch_thread(void *arg)
{
    fo_registry_watch *w = arg;
    bool fine;

    do {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;

        fine = watch_all(w); /* before the look, so that nothing is missed between the two */
        if (finops_registry_discover(w->registry, w->path, NULL, &err) != FINOPS_OK) {
            fo_debug("%s", finops_error_text(err));
            fine = false;
        }
    } while (wait_settled(w, fine ? -1 : AGAIN_MS));
    return NULL;
}

static void
watch_free(fo_registry_watch *w)
{
    if (!w)
        return;
    clear_list(w);
    if (w->events >= 0)
        (void)close(w->events);
    if (w->wake >= 0)
        (void)close(w->wake);
    fo_strv_done(&w->folders);
    fo_free(w->list);
    fo_free(w->path);
    fo_free(w);
}

static void
watch_freep(fo_registry_watch **w)
{
    watch_free(*w);
}

static finops_code
watch_new(finops_registry *registry, const char *path, fo_registry_watch **ret, finops_error **err)
{
    FO_AUTO(watch_freep) fo_registry_watch *w = fo_zalloc(sizeof(*w));
    FO_AUTO(fo_str_done) fo_str all = FO_STR_INIT;
    finops_code rc;

    if (!w)
        return fo_error_oom(err);
    w->registry = registry;
    w->events = w->wake = -1;
    rc = fo_plugin_folders(path, &w->folders, err);
    if (rc != FINOPS_OK)
        return rc;
    for (size_t i = 0; i < w->folders.n; i++)
        fo_str_addf(&all, "%s%s", i > 0 ? ":" : "", w->folders.items[i]);
    w->path = fo_str_take(&all); /* the thread must not depend on the working folder */
    if (!w->path)
        return fo_error_oom(err);
    w->events = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->events < 0)
        return fo_error_errno(err, errno, "watch %s", path);
    w->wake = eventfd(0, EFD_CLOEXEC);
    if (w->wake < 0)
        return fo_error_errno(err, errno, "watch %s", path);
    *ret = FO_TAKE(w);
    return FINOPS_OK;
}

finops_code
finops_registry_watch(finops_registry *registry, const char *path, finops_error **err)
{
    FO_AUTO(watch_freep) fo_registry_watch *w = NULL;
    finops_code rc;
    int errnum;

    if (!registry || !path)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "watch for plugins: no registry or no path");
    rc = watch_new(registry, path, &w, err);
    if (rc != FINOPS_OK)
        return rc;
    errnum = pthread_create(&w->thread, NULL, watch_thread, w);
    if (errnum != 0)
        return fo_error_errno(err, errnum, "start a thread to watch %s", path);
    (void)pthread_mutex_lock(&registry->change);
    w->next = registry->watches;
    registry->watches = FO_TAKE(w);
    (void)pthread_mutex_unlock(&registry->change);
    return FINOPS_OK;
}

void
fo_registry_watch_end(finops_registry *registry)
{
    const uint64_t one = 1;

    atomic_store(&registry->stopping, true);
    for (fo_registry_watch *w = registry->watches; w; w = w->next)
        if (write(w->wake, &one, sizeof(one)) != (ssize_t)sizeof(one))
            fo_debug("wake the thread that watches for plugins: %s", w->path);
    while (registry->watches) {
        fo_registry_watch *w = registry->watches;

        registry->watches = w->next;
        (void)pthread_join(w->thread, NULL);
        watch_free(w);
    }
}
