/* Storage on a real SFTP server: what is particular to it; the conformance suite has the rest. */
#include "storage_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "storage/sftp/driver.h"

#include "support/lateness.h"
#include "support/sshd.h"

#define MIB ((size_t)1 << 20)

static const finops_storage_driver *const d = &fo_sftp_driver;

/* ---- a server, and storages on it ---- */

static test_sshd server;

typedef struct options {
    const char *key, *passphrase, *pin, *known_hosts, *checking, *folder, *host;
    int connections, connect_timeout, stall_timeout;
} options;

static void *
opened(const test_sshd *s, options o)
{
    FO_AUTO(fo_freep) char *host = o.host ? fo_strdup(o.host) : fo_format("127.0.0.1:%d", s->port);
    FO_AUTO(fo_freep) char *folder = fo_format("%s/%s", s->folder, o.folder ? o.folder : "root");
    FO_AUTO(fo_freep) char *key = fo_format("%s/%s", s->folder, o.key ? o.key : "id");
    FO_AUTO(fo_freep) char *passphrase = o.passphrase ? fo_strdup(o.passphrase) : NULL;
    FO_AUTO(fo_freep) char *known = fo_strdup(o.known_hosts ? o.known_hosts : "/nonexistent/known_hosts");
    FO_AUTO(fo_freep) char *checking = fo_strdup(o.checking ? o.checking : "strict");
    FO_AUTO(fo_freep) char *pin = fo_strdup(o.pin ? o.pin : s->fingerprint);
    char *pins[] = { pin, NULL };
    const fo_sftp_settings settings = { .host = host,
                                        .folder = folder,
                                        .port = 22,
                                        .private_key = fo_streq(o.key, "") ? NULL : key,
                                        .private_key_passphrase = passphrase,
                                        .agent = fo_streq(o.key, ""),
                                        .known_hosts = known,
                                        .host_key = fo_streq(o.pin, "") ? NULL : pins,
                                        .host_key_checking = checking,
                                        .connect_timeout = o.connect_timeout ? o.connect_timeout : 15,
                                        .stall_timeout = o.stall_timeout ? o.stall_timeout : 20,
                                        .connections = o.connections ? o.connections : 2,
                                        .durable = true };
    finops_error *err = NULL;
    void *self = NULL;

    ok(d->open(&settings, &self, &err), &err);
    return self;
}

static int
begin(void **state)
{
    if (!server.pid)
        skip();
    *state = opened(&server, (options){ 0 });
    return 0;
}

static int
end(void **state)
{
    const char *const args[] = { "root", "outside" };

    d->close(*state);
    for (size_t i = 0; i < FO_COUNT(args); i++) {
        FO_AUTO(fo_freep) char *command = fo_format("%s", test_sshd_path(&server, args[i]));
        FO_AUTO(fo_freep) char *away = fo_format("%s.%lld", command, (long long)fo_clock_monotonic());

        (void)rename(command, away);
    }
    return mkdir(test_sshd_path(&server, "root"), 0755);
}

static void
put_text(void *self, const char *key, const char *text)
{
    finops_error *err = NULL;

    ok(d->put(self, &(finops_put){ .key = key }, text, strlen(text), NULL, &err), &err);
}

static finops_code
read_text(void *self, const char *key, fo_str *ret, finops_error **err)
{
    finops_reader *reader = NULL;
    finops_code rc = d->read(self, &(finops_get){ .key = key, .length = -1 }, &reader, err);

    if (rc == FINOPS_OK)
        reader_text(reader, ret);
    return rc;
}

static void
is_text(void *self, const char *key, const char *want)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    finops_error *err = NULL;

    ok(read_text(self, key, &text, &err), &err);
    assert_string_equal(fo_str_z(&text), want);
}

static void
lists(void *self, const finops_list *list, const char *want)
{
    FO_AUTO(fo_str_done) fo_str keys = FO_STR_INIT;
    finops_error *err = NULL;

    ok(d->list(self, list, keys_add, &keys, &err), &err);
    assert_string_equal(fo_str_z(&keys), want);
}

/* How many files of any name are below the folder of objects. */
static size_t
files(const char *folder)
{
    FO_AUTO(fo_strv_done) fo_strv found = FO_STRV_INIT;
    finops_error *err = NULL;

    ok(fo_walk(test_sshd_path(&server, folder), &found, &err), &err);
    return found.n;
}

static char *
noise(size_t n)
{
    char *data = malloc(n);
    uint64_t x = 88172645463325252u;

    assert_non_null(data);
    for (size_t i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        data[i] = (char)x;
    }
    return data;
}

/* ---- objects ---- */

static void
an_object_comes_back_as_it_went(void **state)
{
    finops_error *err = NULL;
    finops_object told = { 0 }, object = { 0 };

    ok(d->put(*state, &(finops_put){ .key = "a/b/c" }, "hello", 5, &told, &err), &err);
    assert_int_equal(told.size, 5);
    ok(d->stat(*state, "a/b/c", NULL, &object, &err), &err);
    assert_string_equal(object.version, told.version);
    assert_int_equal(object.size, 5);
    is_text(*state, "a/b/c", "hello");
    put_text(*state, "a/b/c", "other");
    is_text(*state, "a/b/c", "other");
    put_text(*state, "empty", "");
    is_text(*state, "empty", "");
    assert_int_equal(files("root"), 2);
    finops_object_done(&told);
    finops_object_done(&object);
}

static void
every_version_is_another_even_within_a_second(void **state)
{
    finops_error *err = NULL;
    finops_object one = { 0 }, two = { 0 };
    finops_reader *reader = NULL;

    ok(d->put(*state, &(finops_put){ .key = "k" }, "one", 3, &one, &err), &err);
    ok(d->put(*state, &(finops_put){ .key = "k" }, "two", 3, &two, &err), &err);
    assert_string_not_equal(one.version, two.version);
    fails(
        d->read(*state, &(finops_get){ .key = "k", .length = -1, .if_version = one.version }, &reader, &err),
        FINOPS_E_PRECONDITION, &err);
    fails(d->read(*state, &(finops_get){ .key = "k", .length = -1, .unless_version = two.version }, &reader,
                  &err),
          FINOPS_E_UNCHANGED, &err);
    finops_object_done(&one);
    finops_object_done(&two);
}

static void
a_large_object_is_read_whole_and_in_ranges(void **state)
{
    const size_t n = 9 * MIB + 12345;
    char *data = noise(n), *back = malloc(n);
    finops_error *err = NULL;
    finops_reader *reader = NULL;
    size_t done = 0, got = 1;

    ok(d->put(*state, &(finops_put){ .key = "large" }, data, n, NULL, &err), &err);
    ok(d->read(*state, &(finops_get){ .key = "large", .length = -1 }, &reader, &err), &err);
    while (got > 0) {
        ok(reader->read(reader, back + done, n - done + 1 < 100000 ? n - done + 1 : 100000, &got, &err),
           &err);
        done += got;
    }
    reader->close(reader);
    assert_int_equal(done, n);
    assert_memory_equal(data, back, n);
    ok(d->read(*state, &(finops_get){ .key = "large", .offset = 5 * (int64_t)MIB - 7, .length = 100 },
               &reader, &err),
       &err);
    ok(reader->read(reader, back, n, &got, &err), &err);
    assert_int_equal(got, 100);
    assert_memory_equal(data + 5 * MIB - 7, back, 100);
    reader->close(reader);
    free(data);
    free(back);
}

static void
a_reader_closed_early_leaves_the_connection_in_order(void **state)
{
    const size_t n = 4 * MIB;
    char *data = noise(n), block[10];
    finops_error *err = NULL;

    ok(d->put(*state, &(finops_put){ .key = "large" }, data, n, NULL, &err), &err);
    for (int i = 0; i < 20; i++) {
        finops_reader *reader = NULL;
        size_t got = 0;

        ok(d->read(*state, &(finops_get){ .key = "large", .length = -1 }, &reader, &err), &err);
        ok(reader->read(reader, block, sizeof(block), &got, &err), &err);
        assert_memory_equal(block, data, got);
        reader->close(reader);
    }
    put_text(*state, "small", "fine");
    is_text(*state, "small", "fine");
    free(data);
}

static void
a_file_that_is_replaced_is_read_to_its_end(void **state)
{
    const size_t n = 3 * MIB;
    char *old = noise(n), *new = calloc(1, n), *back = malloc(n);
    finops_error *err = NULL;
    finops_reader *reader = NULL;
    size_t done = 0, got = 1;

    ok(d->put(*state, &(finops_put){ .key = "k" }, old, n, NULL, &err), &err);
    ok(d->read(*state, &(finops_get){ .key = "k", .length = -1 }, &reader, &err), &err);
    ok(d->put(*state, &(finops_put){ .key = "k" }, new, n, NULL, &err), &err);
    while (got > 0) {
        ok(reader->read(reader, back + done, n - done, &got, &err), &err);
        done += got;
    }
    assert_int_equal(done, n);
    assert_memory_equal(back, old, n);
    reader->close(reader);
    free(old);
    free(new);
    free(back);
}

static void
keys_are_listed_in_the_order_of_their_bytes(void **state)
{
    static const char *const keys[] = { "a/b", "a-b", "a/c/d", "a.b", "b", "b:c", "ab", "\xc3\xa4" };

    for (size_t i = 0; i < FO_COUNT(keys); i++)
        put_text(*state, keys[i], "x");
    lists(*state, &(finops_list){ .prefix = "" }, "a-b a.b a/b a/c/d ab b b:c \xc3\xa4 ");
    lists(*state, &(finops_list){ .prefix = "a" }, "a-b a.b a/b a/c/d ab ");
    lists(*state, &(finops_list){ .prefix = "", .children = true }, "a-b a.b a/ ab b b:c \xc3\xa4 ");
    lists(*state, &(finops_list){ .prefix = "a/", .children = true }, "a/b a/c/ ");
    lists(*state, &(finops_list){ .prefix = "", .start_after = "a/b" }, "a/c/d ab b b:c \xc3\xa4 ");
    lists(*state, &(finops_list){ .prefix = "nothing/" }, "");
}

static void
a_folder_that_is_missing_is_an_empty_one(void **state)
{
    void *self = opened(&server, (options){ .folder = "root/not/there/yet" });
    finops_error *err = NULL;
    finops_object object;

    (void)state;
    lists(self, &(finops_list){ .prefix = "" }, "");
    fails(d->stat(self, "k", NULL, &object, &err), FINOPS_E_NOT_FOUND, &err);
    ok(d->remove(self, &(finops_remove){ .key = "k" }, &err), &err);
    put_text(self, "k", "made");
    is_text(self, "k", "made");
    put_text(self, "a/b", "made");
    is_text(self, "a/b", "made");
    d->close(self);
}

static void
a_key_and_a_key_below_it_cannot_both_be(void **state)
{
    finops_error *err = NULL;

    put_text(*state, "a", "x");
    fails(d->put(*state, &(finops_put){ .key = "a/b" }, "x", 1, NULL, &err), FINOPS_E_ARGUMENT, &err);
    put_text(*state, "c/d", "x");
    fails(d->put(*state, &(finops_put){ .key = "c" }, "x", 1, NULL, &err), FINOPS_E_ARGUMENT, &err);
    fails(d->put(*state, &(finops_put){ .key = "c", .create_only = true }, "x", 1, NULL, &err),
          FINOPS_E_ARGUMENT, &err);
    lists(*state, &(finops_list){ .prefix = "" }, "a c/d ");
    assert_int_equal(files("root"), 2);
}

static void
no_key_leads_out_through_a_link(void **state)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    finops_error *err = NULL;
    finops_object object;

    assert_int_equal(mkdir(test_sshd_path(&server, "outside"), 0755), 0);
    ok(fo_file_write_atomic(test_sshd_path(&server, "outside/secret"), "s", 1, 0644, &err), &err);
    put_text(*state, "in/file", "here");
    assert_int_equal(symlink("../outside", test_sshd_path(&server, "root/folder")), 0);
    assert_int_equal(symlink("../outside/secret", test_sshd_path(&server, "root/out")), 0);
    assert_int_equal(symlink("in/file", test_sshd_path(&server, "root/link")), 0);
    fails(read_text(*state, "folder/secret", &text, &err), FINOPS_E_DENIED, &err);
    fails(read_text(*state, "out", &text, &err), FINOPS_E_DENIED, &err);
    fails(d->stat(*state, "folder/secret", NULL, &object, &err), FINOPS_E_DENIED, &err);
    fails(d->put(*state, &(finops_put){ .key = "folder/new" }, "x", 1, NULL, &err), FINOPS_E_DENIED, &err);
    fails(d->put(*state, &(finops_put){ .key = "folder/a/b" }, "x", 1, NULL, &err), FINOPS_E_DENIED, &err);
    fails(d->remove(*state, &(finops_remove){ .key = "folder/secret" }, &err), FINOPS_E_DENIED, &err);
    is_text(*state, "link", "here");
    lists(*state, &(finops_list){ .prefix = "" }, "in/file link out ");
    lists(*state, &(finops_list){ .prefix = "folder/" }, "");
    assert_int_equal(files("outside"), 1);
    put_text(*state, "out", "mine"); /* the link is replaced, not what it leads to */
    is_text(*state, "out", "mine");
}

static void
what_is_removed_is_gone_with_the_folders_made_for_it(void **state)
{
    finops_error *err = NULL;

    put_text(*state, "a/b/c", "x");
    ok(d->remove(*state, &(finops_remove){ .key = "a/b/c" }, &err), &err);
    ok(d->remove(*state, &(finops_remove){ .key = "a/b/c" }, &err), &err);
    assert_int_equal(access(test_sshd_path(&server, "root/a"), F_OK), -1);
    assert_int_equal(mkdir(test_sshd_path(&server, "root/theirs"), 0755), 0);
    put_text(*state, "theirs/c", "x");
    ok(d->remove(*state, &(finops_remove){ .key = "theirs/c" }, &err), &err);
    assert_int_equal(access(test_sshd_path(&server, "root/theirs"), F_OK), 0);
    ok(d->remove(*state, &(finops_remove){ .key = "theirs" }, &err), &err);
    assert_int_equal(access(test_sshd_path(&server, "root/theirs"), F_OK), 0);
}

static void
copies_and_moves_are_done_by_the_server(void **state)
{
    finops_error *err = NULL;
    finops_object copy = { 0 };

    put_text(*state, "a", "text");
    ok(d->copy(*state, &(finops_copy){ .from = "a", .to = "b/c" }, &copy, &err), &err);
    assert_int_equal(copy.size, 4);
    is_text(*state, "b/c", "text");
    fails(d->copy(*state, &(finops_copy){ .from = "a", .to = "b/c", .create_only = true }, NULL, &err),
          FINOPS_E_EXISTS, &err);
    fails(d->copy(*state, &(finops_copy){ .from = "none", .to = "x/y" }, NULL, &err), FINOPS_E_NOT_FOUND,
          &err);
    fails(d->copy(*state, &(finops_copy){ .from = "a", .to = "a" }, NULL, &err), FINOPS_E_ARGUMENT, &err);
    ok(d->move(*state, &(finops_copy){ .from = "a", .to = "d/e" }, &err), &err);
    is_text(*state, "d/e", "text");
    fails(d->move(*state, &(finops_copy){ .from = "a", .to = "f" }, &err), FINOPS_E_NOT_FOUND, &err);
    fails(d->move(*state, &(finops_copy){ .from = "d/e", .to = "b/c", .create_only = true }, &err),
          FINOPS_E_EXISTS, &err);
    lists(*state, &(finops_list){ .prefix = "" }, "b/c d/e ");
    assert_int_equal(files("root"), 2);
    finops_object_done(&copy);
}

/* ---- many at once ---- */

typedef struct race {
    void *self;
    atomic_uint won, lost, other;
} race;

static void *
race_to_create(void *arg)
{
    race *r = arg;
    finops_code rc = d->put(r->self, &(finops_put){ .key = "once", .create_only = true }, "x", 1, NULL, NULL);

    atomic_fetch_add(rc == FINOPS_OK ? &r->won : rc == FINOPS_E_EXISTS ? &r->lost : &r->other, 1);
    return NULL;
}

static void
of_many_that_create_an_object_one_succeeds(void **state)
{
    race r = { .self = *state };
    pthread_t threads[8];

    for (size_t i = 0; i < FO_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, race_to_create, &r), 0);
    for (size_t i = 0; i < FO_COUNT(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(r.won, 1);
    assert_int_equal(r.lost, 7);
    assert_int_equal(files("root"), 1);
}

static void *
put_and_read(void *arg)
{
    race *r = arg;
    unsigned me = atomic_fetch_add(&r->other, 1);
    size_t n = 100000;
    char *data = noise(n), *back = malloc(n);

    for (unsigned i = 0; i < 25; i++) {
        FO_AUTO(fo_freep) char *key = fo_format("t%u/k%u", me, i);
        finops_reader *reader = NULL;
        size_t got = 1, done = 0;

        data[0] = (char)i;
        if (d->put(r->self, &(finops_put){ .key = key }, data, n, NULL, NULL) != FINOPS_OK ||
            d->read(r->self, &(finops_get){ .key = key, .length = -1 }, &reader, NULL) != FINOPS_OK)
            break;
        while (got > 0 && reader->read(reader, back + done, n - done, &got, NULL) == FINOPS_OK)
            done += got;
        reader->close(reader);
        if (done == n && memcmp(data, back, n) == 0)
            atomic_fetch_add(&r->won, 1);
    }
    free(data);
    free(back);
    return NULL;
}

static void
many_threads_share_a_few_connections(void **state)
{
    race r = { .self = *state };
    pthread_t threads[16];

    for (size_t i = 0; i < FO_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_and_read, &r), 0);
    for (size_t i = 0; i < FO_COUNT(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(r.won, 16 * 25);
}

/* ---- uploads ---- */

static finops_upload *
upload(void *self, const finops_put *put)
{
    finops_error *err = NULL;
    finops_upload *u = NULL;

    ok(d->upload(self, put, &u, &err), &err);
    return u;
}

static void
an_upload_is_seen_when_it_is_committed(void **state)
{
    finops_upload *u = upload(*state, &(finops_put){ .key = "u/k" });
    finops_error *err = NULL;
    finops_object told = { 0 };

    ok(u->part(u, 2, 4, "efgh", 4, NULL, &err), &err);
    ok(u->part(u, 1, 0, "xxxxxxxx", 8, NULL, &err), &err);
    ok(u->part(u, 1, 0, "abcd", 4, NULL, &err), &err);
    ok(u->part(u, 2, 4, "efgh", 4, NULL, &err), &err);
    ok(u->part(u, 3, 8, "tail that is sent again, shorter", 32, NULL, &err), &err);
    ok(u->part(u, 3, 8, "i", 1, NULL, &err), &err);
    lists(*state, &(finops_list){ .prefix = "" }, "");
    fails(u->commit(u, 2, 9, NULL, NULL, &err), FINOPS_E_ARGUMENT, &err);
    ok(u->commit(u, 3, 9, NULL, &told, &err), &err);
    assert_int_equal(told.size, 9);
    ok(u->commit(u, 3, 9, NULL, NULL, &err), &err);
    u->close(u);
    is_text(*state, "u/k", "abcdefghi");
    assert_int_equal(files("root"), 1);
    finops_object_done(&told);
}

static void
an_upload_that_is_given_up_leaves_nothing(void **state)
{
    finops_upload *u = upload(*state, &(finops_put){ .key = "u/k" });
    finops_error *err = NULL;

    ok(u->part(u, 1, 0, "abcd", 4, NULL, &err), &err);
    u->close(u);
    assert_int_equal(access(test_sshd_path(&server, "root/u"), F_OK), -1);
}

static bool
count_found(const finops_object *object, void *arg)
{
    fo_str_addf(arg, "%s:%lld ", object->key, (long long)object->size);
    return true;
}

static void
what_a_dead_writer_left_is_swept(void **state)
{
    FO_AUTO(fo_str_done) fo_str found = FO_STR_INIT;
    finops_upload *u = upload(*state, &(finops_put){ .key = "u/k" });
    finops_error *err = NULL;

    ok(u->part(u, 1, 0, "abcd", 4, NULL, &err), &err);
    put_text(*state, "u/l", "stays");
    ok(d->sweep(*state, "", fo_clock_now() - 60000000, NULL, count_found, &found, &err), &err);
    assert_string_equal(fo_str_z(&found), "");
    ok(d->sweep(*state, "v", fo_clock_now() + 1, NULL, count_found, &found, &err), &err);
    assert_string_equal(fo_str_z(&found), "");
    ok(d->sweep(*state, "u/", fo_clock_now() + 1, NULL, count_found, &found, &err), &err);
    assert_string_equal(fo_str_z(&found), "u/k:4 ");
    assert_int_equal(files("root"), 1);
    fails(u->commit(u, 1, 4, NULL, NULL, &err), FINOPS_E_NOT_FOUND, &err);
    u->close(u);
    lists(*state, &(finops_list){ .prefix = "" }, "u/l ");
}

/* ---- calls that must end ---- */

static bool
is_over(void *arg)
{
    return fo_clock_monotonic() > *(const int64_t *)arg;
}

typedef struct cancelled_put {
    void *self;
    char *data;
    size_t n;
} cancelled_put;

static int64_t
put_is_late(void *arg)
{
    const cancelled_put *c = arg;
    int64_t when = fo_clock_monotonic() + 150000, late;
    const finops_call call = { .cancelled = is_over, .arg = &when };
    finops_error *err = NULL;

    fails(d->put(c->self, &(finops_put){ .key = "big/k", .call = &call }, c->data, c->n, NULL, &err),
          FINOPS_E_CANCELLED, &err);
    late = fo_clock_monotonic() - when;
    lists(c->self, &(finops_list){ .prefix = "" }, "first ");
    assert_int_equal(files("root"), 1);
    return late;
}

static void
a_call_that_is_cancelled_ends_within_100_ms_and_leaves_nothing(void **state)
{
    cancelled_put c = { .self = *state, .n = 512 * MIB };

    c.data = calloc(1, c.n);
    put_text(*state, "first", "connected");
    assert_non_null(c.data);
    assert_in_time(put_is_late, &c, 100000);
    free(c.data);
}

static void
a_deadline_that_has_passed_ends_a_call(void **state)
{
    const finops_call call = { .deadline_us = 1 };
    finops_error *err = NULL;
    finops_object object;

    fails(d->stat(*state, "k", &call, &object, &err), FINOPS_E_TIMEOUT, &err);
    fails(d->list(*state, &(finops_list){ .prefix = "", .call = &call }, keys_add, NULL, &err),
          FINOPS_E_TIMEOUT, &err);
}

/* ---- hosts and keys ---- */

static finops_code
tries(void *self, finops_error **err)
{
    finops_object object;
    finops_code rc = d->stat(self, "none", NULL, &object, err);

    d->close(self);
    return rc;
}

static void
a_host_whose_key_is_not_the_pinned_one_is_refused(void **state)
{
    finops_error *err = NULL;
    void *self = opened(&server, (options){ .pin = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" });
    finops_object object;

    (void)state;
    assert_int_equal(d->stat(self, "none", NULL, &object, &err), FINOPS_E_CONFIG);
    assert_non_null(strstr(finops_error_text(err), server.fingerprint));
    finops_error_freep(&err);
    d->close(self);
    fails(tries(opened(&server, (options){ .pin = strchr(server.fingerprint, ':') + 1 }), &err),
          FINOPS_E_NOT_FOUND, &err);
}

static void
a_host_that_is_not_known_is_refused_and_its_fingerprint_told(void **state)
{
    finops_error *err = NULL;

    (void)state;
    assert_int_equal(tries(opened(&server, (options){ .pin = "" }), &err), FINOPS_E_CONFIG);
    assert_non_null(strstr(finops_error_text(err), server.fingerprint));
    assert_non_null(strstr(finops_error_hint(err), server.fingerprint));
    finops_error_freep(&err);
}

static void
a_host_can_be_noted_when_it_is_first_met(void **state)
{
    const char *known = test_sshd_path(&server, "known_hosts");
    const options o = { .pin = "", .known_hosts = known };
    options accept = o;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    finops_error *err = NULL;

    (void)state;
    accept.checking = "accept-new";
    fails(tries(opened(&server, o), &err), FINOPS_E_CONFIG, &err);
    fails(tries(opened(&server, accept), &err), FINOPS_E_NOT_FOUND, &err);
    fails(tries(opened(&server, o), &err), FINOPS_E_NOT_FOUND, &err);
    fo_str_addf(&text, "[127.0.0.1]:%d ssh-ed25519 ", server.port);
    fo_str_add(&text, "AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n");
    ok(fo_file_write_atomic(known, fo_str_z(&text), text.len, 0644, &err), &err);
    fails(tries(opened(&server, accept), &err), FINOPS_E_CONFIG, &err);
    (void)unlink(known);
}

static void
keys_of_every_kind_log_in(void **state)
{
    static const char *const types[] = { "rsa", "ecdsa", "ed25519" };
    finops_error *err = NULL;

    (void)state;
    for (size_t i = 0; i < FO_COUNT(types); i++) {
        FO_AUTO(fo_freep) char *name = fo_format("key_%s", types[i]);

        assert_true(test_sshd_key(&server, types[i], name, ""));
        fails(tries(opened(&server, (options){ .key = name }), &err), FINOPS_E_NOT_FOUND, &err);
    }
    assert_true(test_sshd_key(&server, "ed25519", "locked", "secret word"));
    fails(tries(opened(&server, (options){ .key = "locked", .passphrase = "secret word" }), &err),
          FINOPS_E_NOT_FOUND, &err);
    fails(tries(opened(&server, (options){ .key = "locked" }), &err), FINOPS_E_CONFIG, &err);
    assert_int_equal(tries(opened(&server, (options){ .key = "locked", .passphrase = "other" }), &err),
                     FINOPS_E_CONFIG);
    assert_null(strstr(finops_error_text(err), "other"));
    finops_error_freep(&err);
}

static void
a_key_the_server_does_not_know_is_an_auth_error(void **state)
{
    FO_AUTO(fo_freep) char *host = fo_format("nobody@127.0.0.1:%d", server.port);
    finops_error *err = NULL;

    (void)state;
    fails(tries(opened(&server, (options){ .host = host, .key = "host" }), &err), FINOPS_E_AUTH, &err);
    fails(tries(opened(&server, (options){ .key = "host" }), &err), FINOPS_E_AUTH, &err);
    assert_int_equal(chmod(test_sshd_path(&server, "id"), 0644), 0);
    fails(tries(opened(&server, (options){ 0 }), &err), FINOPS_E_CONFIG, &err);
    assert_int_equal(chmod(test_sshd_path(&server, "id"), 0600), 0);
    fails(tries(opened(&server, (options){ .host = "127.0.0.1:1" }), &err), FINOPS_E_TRANSIENT, &err);
    fails(tries(opened(&server, (options){ .host = "no-such-host.invalid" }), &err), FINOPS_E_TRANSIENT,
          &err);
}

/* ---- servers that have less ---- */

static void
a_server_without_extensions_takes_new_objects_and_replaces_none(void **state)
{
    test_sshd bare;
    void *self;
    finops_error *err = NULL;

    (void)state;
    assert_true(test_sshd_start(&bare, "-P posix-rename,hardlink,copy-data,fsync", NULL));
    self = opened(&bare, (options){ 0 });
    put_text(self, "a/b", "new");
    is_text(self, "a/b", "new");
    assert_false(d->features(self) &
                 (FINOPS_STORAGE_CREATE_ONLY | FINOPS_STORAGE_COPY | FINOPS_STORAGE_MOVE));
    fails(d->put(self, &(finops_put){ .key = "a/b" }, "other", 5, NULL, &err), FINOPS_E_UNSUPPORTED, &err);
    fails(d->put(self, &(finops_put){ .key = "c", .create_only = true }, "x", 1, NULL, &err),
          FINOPS_E_UNSUPPORTED, &err);
    fails(d->copy(self, &(finops_copy){ .from = "a/b", .to = "c" }, NULL, &err), FINOPS_E_UNSUPPORTED, &err);
    is_text(self, "a/b", "new");
    lists(self, &(finops_list){ .prefix = "" }, "a/b ");
    d->close(self);
    test_sshd_done(&bare);
}

static void
a_connection_that_breaks_off_is_transient_and_made_anew(void **state)
{
    test_sshd own;
    void *self;
    finops_error *err = NULL;
    finops_upload *u;

    (void)state;
    assert_true(test_sshd_start(&own, NULL, NULL));
    self = opened(&own, (options){ 0 });
    u = upload(self, &(finops_put){ .key = "u" });
    ok(u->part(u, 1, 0, "abcd", 4, NULL, &err), &err);
    test_sshd_stop(&own);
    fails(u->part(u, 2, 4, "efgh", 4, NULL, &err), FINOPS_E_TRANSIENT, &err);
    fails(u->commit(u, 1, 4, NULL, NULL, &err), FINOPS_E_TRANSIENT, &err);
    assert_true(test_sshd_again(&own));
    ok(u->part(u, 2, 4, "efgh", 4, NULL, &err), &err);
    ok(u->commit(u, 2, 8, NULL, NULL, &err), &err);
    u->close(u);
    is_text(self, "u", "abcdefgh");
    d->close(self);
    test_sshd_done(&own);
}

/* ---- */

static int
start_server(void **state)
{
    (void)state;
    if (!test_sshd_start(&server, NULL, NULL) && getenv("FINOPS_TEST_SERVERS"))
        return -1; /* scripts/test.sh has installed it */
    return 0;
}

static int
stop_server(void **state)
{
    (void)state;
    test_sshd_done(&server);
    return 0;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_object_comes_back_as_it_went),
        TEST(every_version_is_another_even_within_a_second),
        TEST(a_large_object_is_read_whole_and_in_ranges),
        TEST(a_reader_closed_early_leaves_the_connection_in_order),
        TEST(a_file_that_is_replaced_is_read_to_its_end),
        TEST(keys_are_listed_in_the_order_of_their_bytes),
        TEST(a_folder_that_is_missing_is_an_empty_one),
        TEST(a_key_and_a_key_below_it_cannot_both_be),
        TEST(no_key_leads_out_through_a_link),
        TEST(what_is_removed_is_gone_with_the_folders_made_for_it),
        TEST(copies_and_moves_are_done_by_the_server),
        TEST(of_many_that_create_an_object_one_succeeds),
        TEST(many_threads_share_a_few_connections),
        TEST(an_upload_is_seen_when_it_is_committed),
        TEST(an_upload_that_is_given_up_leaves_nothing),
        TEST(what_a_dead_writer_left_is_swept),
        TEST(a_call_that_is_cancelled_ends_within_100_ms_and_leaves_nothing),
        TEST(a_deadline_that_has_passed_ends_a_call),
        TEST(a_host_whose_key_is_not_the_pinned_one_is_refused),
        TEST(a_host_that_is_not_known_is_refused_and_its_fingerprint_told),
        TEST(a_host_can_be_noted_when_it_is_first_met),
        TEST(keys_of_every_kind_log_in),
        TEST(a_key_the_server_does_not_know_is_an_auth_error),
        TEST(a_server_without_extensions_takes_new_objects_and_replaces_none),
        TEST(a_connection_that_breaks_off_is_transient_and_made_anew),
    };

    return cmocka_run_group_tests(tests, start_server, stop_server);
}
