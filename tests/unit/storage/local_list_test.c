/* Listing files as an object store would: the same answers as storage in memory, whatever is asked. */
#include "local_test.h"

#include <sys/resource.h>

#include "base/clock.h"
#include "storage/memory/driver.h"

static unsigned seed = 20261121;

static unsigned
below(unsigned n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

/* A name out of few letters, some of which sort below '/'. */
static void
random_name(char *to)
{
    static const char letters[] = "ab-.0 ~A";
    unsigned n = 1 + below(3);

    for (unsigned i = 0; i < n; i++)
        to[i] = letters[below(sizeof(letters) - 1)];
    to[n] = '\0';
}

static void
random_key(char key[64])
{
    unsigned depth = 1 + below(4);

    key[0] = '\0';
    for (unsigned i = 0; i < depth; i++) {
        char name[8];

        random_name(name);
        if (i > 0)
            (void)strncat(key, "/", 2);
        (void)strncat(key, name, 8);
    }
}

/* Stores what a path can be, in both. */
static void
fill(local_storage *l, void *m, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const finops_storage_driver *memory = &fo_memory_driver;
        finops_error *err = NULL;
        char key[64];
        finops_code rc;

        random_key(key);
        rc = d->put(l, &(finops_put){ .key = key }, "x", 1, NULL, &err);
        if (rc == FINOPS_OK)
            ok(memory->put(m, &(finops_put){ .key = key }, "x", 1, NULL, &err), &err);
        else
            fails(rc, FINOPS_E_ARGUMENT, &err);
    }
}

static bool
entry_add(const finops_object *object, void *arg)
{
    fo_str_addf(arg, "%s%s%lld\n", object->key, object->is_prefix ? " is a prefix " : " ",
                (long long)object->size);
    return true;
}

static void
same_lists(local_storage *l, void *m, const finops_list *list)
{
    FO_AUTO(fo_str_done) fo_str ours = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str theirs = FO_STR_INIT;
    finops_error *err = NULL;

    ok(d->list(l, list, entry_add, &ours, &err), &err);
    ok(fo_memory_driver.list(m, list, entry_add, &theirs, &err), &err);
    if (strcmp(fo_str_z(&ours), fo_str_z(&theirs)) != 0)
        fail_msg("prefix '%s' after '%s'%s:\n%s--- not\n%s", list->prefix,
                 list->start_after ? list->start_after : "", list->children ? " children" : "",
                 fo_str_z(&ours), fo_str_z(&theirs));
}

static void
any_list_is_that_of_an_object_store(void **state)
{
    const place *p = *state;
    finops_error *err = NULL;
    void *m = NULL;

    ok(fo_memory_driver.open(NULL, &m, &err), &err);
    p->l->durable = false;
    fill(p->l, m, 600);
    for (unsigned i = 0; i < 1200; i++) {
        char prefix[64], after[64];
        const finops_list list = { .prefix = prefix,
                                   .children = below(2) == 0,
                                   .start_after = below(2) == 0 ? after : NULL };

        random_key(prefix);
        random_key(after);
        prefix[below((unsigned)strlen(prefix) + 1)] = '\0';
        if (below(8) == 0)
            (void)strncat(after, "/", 2);
        p->l->names_max = below(3) == 0 ? 1 + below(60) : 1 << 20;
        same_lists(p->l, m, &list);
    }
    fo_memory_driver.close(m);
}

static bool
three(const finops_object *object, void *arg)
{
    fo_str_add(arg, object->key);
    return ((fo_str *)arg)->len < 9;
}

static void
a_list_ends_when_it_is_told_to(void **state)
{
    const place *p = *state;
    FO_AUTO(fo_str_done) fo_str keys = FO_STR_INIT;
    finops_error *err = NULL;

    for (unsigned i = 0; i < 9; i++)
        put_text(p->l, (const char *const[]){ "k/0", "k/1", "k/2", "k/3", "k/4", "k/5", "l", "m", "n" }[i],
                 "x");
    ok(d->list(p->l, &(finops_list){ .prefix = "" }, three, &keys, &err), &err);
    assert_string_equal(fo_str_z(&keys), "k/0k/1k/2");
}

static void
files_on_their_way_are_not_listed(void **state)
{
    const place *p = *state;
    finops_error *err = NULL;
    finops_upload *u = NULL;

    put_text(p->l, "a/b", "x");
    ok(d->upload(p->l, &(finops_put){ .key = "a/c" }, &u, &err), &err);
    ok(u->part(u, 1, 0, "x", 1, NULL, &err), &err);
    lists(p->l, &(finops_list){ .prefix = "" }, "a/b ");
    lists(p->l, &(finops_list){ .prefix = "a/." }, "");
    ok(u->commit(u, 1, 1, NULL, NULL, &err), &err);
    u->close(u);
    lists(p->l, &(finops_list){ .prefix = "" }, "a/b a/c ");
    ok(d->upload(p->l, &(finops_put){ .key = "only/here" }, &u, &err), &err);
    lists(p->l, &(finops_list){ .prefix = "", .children = true }, "a/ ");
    u->close(u);
}

static bool
counted(const finops_object *object, void *arg)
{
    (void)object;
    (*(unsigned *)arg)++;
    return true;
}

static void
one_folder_of_30000_names_takes_little_memory(void **state)
{
    const place *p = *state;
    finops_error *err = NULL;
    struct rusage before, after;
    unsigned n = 0;
    int folder;

    ok(fo_mkdirs(at(p, "root/many"), &err), &err);
    folder = open(at(p, "root/many"), O_RDONLY | O_DIRECTORY);
    for (unsigned i = 0; i < 30000; i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "export-2026-11-21-part-%06u.csv.gz", (i * 7919u) % 30000u);
        assert_true(mknodat(folder, name, S_IFREG | 0644, 0) == 0);
    }
    (void)close(folder);
    p->l->names_max = 256 << 10;
    (void)getrusage(RUSAGE_SELF, &before);
    ok(d->list(p->l, &(finops_list){ .prefix = "many/export" }, counted, &n, &err), &err);
    (void)getrusage(RUSAGE_SELF, &after);
    assert_int_equal(n, 30000);
#ifndef __SANITIZE_ADDRESS__                                         /* which gives nothing back */
    assert_in_range(after.ru_maxrss - before.ru_maxrss, 0, 2 << 10); /* KiB */
#endif
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(any_list_is_that_of_an_object_store, place_make, place_done),
        cmocka_unit_test_setup_teardown(a_list_ends_when_it_is_told_to, place_make, place_done),
        cmocka_unit_test_setup_teardown(files_on_their_way_are_not_listed, place_make, place_done),
        cmocka_unit_test_setup_teardown(one_folder_of_30000_names_takes_little_memory, place_make,
                                        place_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
