/*
 * Many threads that add, remove, open and fail on one registry while plugins come and go. Made for the thread
 * sanitizer; here it shows that nothing is lost.
 */
#include "registry_test.h"

#define THREADS 12
#define ROUNDS 400
#define NAMES 8

typedef struct world {
    finops_registry *r;
    finops_database_driver drivers[NAMES];
    finops_database_driver wrong;
    t_folder folder;
    atomic_uint added, removed, drained, opened;
    atomic_bool installed; /* the plugin came and went often enough */
} world;

typedef struct worker {
    world *w;
    unsigned seed;
} worker;

static const char *const names[NAMES] = { "a", "b", "c", "d", "e", "f", "g", "h" };

static unsigned
dice(worker *k, unsigned n)
{
    k->seed = k->seed * 1103515245u + 12345u;
    return (k->seed >> 16) % n;
}

static void
count(finops_registry_event_kind kind, const finops_driver_info *info, void *arg)
{
    world *w = arg;

    assert_true(strlen(info->name) > 0);
    if (kind == FINOPS_REGISTRY_ADDED)
        atomic_fetch_add(&w->added, 1);
    if (kind == FINOPS_REGISTRY_REMOVED)
        atomic_fetch_add(&w->removed, 1);
    if (kind == FINOPS_REGISTRY_DRAINING)
        atomic_fetch_add(&w->drained, 1);
}

static void
read_info(const finops_driver_info *info, void *arg)
{
    *(size_t *)arg += strlen(info->name) + strlen(info->version) + strlen(info->origin) + info->handles;
}

/* Opens, uses and closes: what is held stays valid whatever the others do. */
static void
use(worker *k, const char *name)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    const finops_database_driver *driver = NULL;
    fo_driver_token *token = NULL;
    void *self = NULL;

    if (fo_registry_acquire_driver(k->w->r, name, &driver, &token, NULL) != FINOPS_OK)
        return;
    if (strcmp(driver->name, name) != 0 || driver->open(NULL, &self, &err) != FINOPS_E_UNSUPPORTED)
        abort();
    atomic_fetch_add(&k->w->opened, 1);
    fo_registry_release_driver(token);
}

static void *
work(void *arg)
{
    worker *k = arg;
    size_t sum = 0;

    for (unsigned i = 0; i < ROUNDS || !atomic_load(&k->w->installed); i++) {
        unsigned n = dice(k, NAMES);

        switch (dice(k, 7)) {
        case 0:
        case 1:
            (void)finops_registry_add(k->w->r, &k->w->drivers[n], NULL);
            break;
        case 2:
            (void)finops_registry_remove(k->w->r, names[n], dice(k, 2) == 0, NULL);
            break;
        case 3:
            if (finops_registry_add(k->w->r, &k->w->wrong, NULL) != FINOPS_E_ARGUMENT)
                abort();
            break;
        case 4:
            finops_registry_each(k->w->r, read_info, &sum);
            break;
        case 5:
            use(k, "good");
            break;
        default:
            use(k, names[n]);
            break;
        }
    }
    return NULL;
}

/* The plugin is replaced and taken away while others have it open. */
static void *
install(void *arg)
{
    world *w = arg;

    for (unsigned i = 0; i < 12; i++) {
        if (i % 3 == 2)
            (void)unlink(t_path(&w->folder, "x.so"));
        else
            t_install(&w->folder, i % 3 == 0 ? "good" : "good_2", "x.so");
        if (finops_registry_discover(w->r, w->folder.path, NULL, NULL) != FINOPS_OK)
            abort();
    }
    atomic_store(&w->installed, true);
    return NULL;
}

static void
listen_and_leave(world *w)
{
    for (unsigned i = 0; i < 50; i++) {
        size_t ignored = 0;
        unsigned id = 0;

        assert_int_equal(finops_registry_subscribe(w->r, count, w, &id, NULL), FINOPS_OK);
        finops_registry_each(w->r, read_info, &ignored);
        finops_registry_unsubscribe(w->r, id);
    }
}

static void
many_threads_change_one_registry(void **state)
{
    world w = { .r = t_registry(), .wrong = t_driver("Wrong") };
    pthread_t threads[THREADS], installer;
    worker workers[THREADS];
    unsigned id = 0;

    (void)state;
    t_folder_init(&w.folder);
    for (unsigned i = 0; i < NAMES; i++)
        w.drivers[i] = t_driver(names[i]);
    assert_int_equal(finops_registry_subscribe(w.r, count, &w, &id, NULL), FINOPS_OK);
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (worker){ .w = &w, .seed = i + 1 };
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    assert_int_equal(pthread_create(&installer, NULL, install, &w), 0);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(pthread_join(installer, NULL), 0);

    for (unsigned i = 0; i < NAMES; i++)
        (void)finops_registry_remove(w.r, names[i], false, NULL);
    assert_true(atomic_load(&w.opened) > 0);
    assert_int_equal(atomic_load(&w.added), atomic_load(&w.removed));
    listen_and_leave(&w);
    finops_registry_free(w.r);
    t_folder_done(&w.folder);
}

static void
a_listener_that_left_is_not_called(void **state)
{
    world w = { .r = t_registry(), .installed = true };
    pthread_t threads[2];
    worker workers[2];

    (void)state;
    w.wrong = t_driver("Wrong");
    for (unsigned i = 0; i < NAMES; i++)
        w.drivers[i] = t_driver(names[i]);
    for (unsigned i = 0; i < 2; i++) {
        workers[i] = (worker){ .w = &w, .seed = i + 77 };
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    listen_and_leave(&w);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    finops_registry_free(w.r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_threads_change_one_registry),
        cmocka_unit_test(a_listener_that_left_is_not_called),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
