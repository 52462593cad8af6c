/* Storage in HDFS against a server that plays a script; tests/e2e/test_storage_webhdfs.py has the real one.
 */
#include "scripted.h"

#include <stdio.h>

#include "storage/file_key.h"
#include "storage/webhdfs/driver.h"

static const finops_storage_driver *const d = &fo_webhdfs_driver;

#define STATUS(type, size, number)                                                                           \
    "{\"FileStatus\":{\"type\":\"" type "\",\"length\":" #size ",\"modificationTime\":1700000000123,"        \
    "\"fileId\":" #number ",\"pathSuffix\":\"\"}}"
#define EXCEPTION(name)                                                                                      \
    "{\"RemoteException\":{\"exception\":\"" name "\",\"javaClassName\":\"x." name                           \
    "\",\"message\":\"so it is\\n\\tat java\"}}"
#define NOT_THERE                                                                                            \
    {                                                                                                        \
        .expect = "GET \nop=GETFILESTATUS", .status = "404 Not Found",                                       \
        .body = EXCEPTION("FileNotFoundException")                                                           \
    }
#define TO_DATA_NODE(op)                                                                                     \
    "Location: http://data-1.cluster:9864/webhdfs/v1/wrong?op=" op "&namenoderpcaddress=nn:8020\r\n"

/* A storage of the folder /data; names of the cluster lead to the script. */
static scripted
opened(const fake_http_step *steps, size_t n, const char *token)
{
    scripted f = scripted_server(d, steps, n);
    FO_AUTO(fo_freep) char *host = fo_format("127.0.0.1:%d", fake_http_port(f.server));
    FO_AUTO(fo_freep) char *map = fo_format("data-1.cluster:9864=127.0.0.1:%d", fake_http_port(f.server));
    const finops_setting settings[] = { { "host", host },
                                        { "folder", "data/" },
                                        { "user", "ann b" },
                                        { "host_map", map },
                                        { "connect_timeout", "5" },
                                        { "stall_timeout", "5" },
                                        { "delegation_token", token } };

    scripted_open(&f, settings, FO_COUNT(settings) - (token == NULL));
    return f;
}

static void
bytes_go_to_the_data_node_and_are_renamed_at_the_end(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "GET /webhdfs/v1/data/a?op=GETFILESTATUS",
          .status = "200 OK",
          .body = STATUS("DIRECTORY", 0, 3) },
        { .expect = "PUT /webhdfs/v1/data/a/.finops~\n~b%20c?op=CREATE&user.name=ann%20b&overwrite=false\n"
                    "content-length: 0",
          .status = "307 Temporary Redirect",
          .headers = TO_DATA_NODE("CREATE") },
        { .expect = "PUT /webhdfs/v1/data/a/.finops~\n~b%20c?op=CREATE&namenoderpcaddress\nhello",
          .status = "201 Created" },
        { .expect = "op=GETFILESTATUS", .status = "200 OK", .body = STATUS("FILE", 5, 77) },
        { .expect = "GET /webhdfs/v1/data/a/b%20c?op=GETFILESTATUS",
          .status = "200 OK",
          .body = STATUS("FILE", 9, 76) },
        { .expect = "PUT /webhdfs/v1/data/a/.finops~\n"
                    "op=RENAME&user.name=ann%20b&destination=/data/a/b%20c&renameoptions=OVERWRITE",
          .status = "200 OK",
          .body = "" },
    };
    scripted f = opened(script, FO_COUNT(script), NULL);
    finops_error *err = NULL;
    finops_object told = { 0 };

    (void)state;
    ok(d->put(f.self, &(finops_put){ .key = "a/b c" }, "hello", 5, &told, &err), &err);
    assert_int_equal(told.size, 5);
    assert_string_equal(told.version, "4d-5-18bcfe5687b");
    finops_object_done(&told);
    scripted_end(&f);
}

static void
a_rename_that_answers_false_is_a_failure_and_leaves_nothing(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "op=CREATE", .status = "307 Temporary Redirect", .headers = TO_DATA_NODE("CREATE") },
        { .expect = "op=CREATE", .status = "201 Created" },
        { .expect = "op=GETFILESTATUS", .status = "200 OK", .body = STATUS("FILE", 1, 77) },
        NOT_THERE,
        { .expect = "op=RENAME", .status = "200 OK", .body = "{\"boolean\":false}" },
        NOT_THERE,
        { .expect = "DELETE /webhdfs/v1/data/.finops~\nop=DELETE",
          .status = "200 OK",
          .body = "{\"boolean\":true}" },
    };
    scripted f = opened(script, FO_COUNT(script), NULL);
    finops_error *err = NULL;

    (void)state;
    fails(d->put(f.self, &(finops_put){ .key = "k" }, "x", 1, NULL, &err), FINOPS_E_IO, &err);
    scripted_end(&f);
}

static void
a_server_that_cannot_replace_says_so(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "op=CREATE", .status = "307 Temporary Redirect", .headers = TO_DATA_NODE("CREATE") },
        { .expect = "op=CREATE", .status = "201 Created" },
        { .expect = "op=GETFILESTATUS", .status = "200 OK", .body = STATUS("FILE", 1, 77) },
        { .expect = "op=GETFILESTATUS", .status = "200 OK", .body = STATUS("FILE", 1, 12) },
        { .expect = "op=RENAME", .status = "200 OK", .body = "{\"boolean\":false}" },
        { .expect = "op=GETFILESTATUS", .status = "200 OK", .body = STATUS("FILE", 1, 12) },
        { .expect = "op=DELETE", .status = "200 OK", .body = "{\"boolean\":true}" },
    };
    scripted f = opened(script, FO_COUNT(script), NULL);
    finops_error *err = NULL;

    (void)state;
    assert_true(d->features(f.self) & FINOPS_STORAGE_MOVE);
    fails(d->put(f.self, &(finops_put){ .key = "k" }, "x", 1, NULL, &err), FINOPS_E_UNSUPPORTED, &err);
    assert_false(d->features(f.self) & FINOPS_STORAGE_MOVE);
    scripted_end(&f);
}

static void
who_creates_and_is_too_late_is_told(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "op=CREATE", .status = "307 Temporary Redirect", .headers = TO_DATA_NODE("CREATE") },
        { .expect = "op=CREATE", .status = "201 Created" },
        { .expect = "op=GETFILESTATUS", .status = "200 OK", .body = STATUS("FILE", 1, 77) },
        NOT_THERE,
        { .expect = "op=RENAME\nrenameoptions=NONE",
          .status = "403 Forbidden",
          .body = EXCEPTION("FileAlreadyExistsException") },
        { .expect = "op=DELETE", .status = "200 OK", .body = "{\"boolean\":true}" },
    };
    scripted f = opened(script, FO_COUNT(script), NULL);
    finops_error *err = NULL;

    (void)state;
    fails(d->put(f.self, &(finops_put){ .key = "k", .create_only = true }, "x", 1, NULL, &err),
          FINOPS_E_EXISTS, &err);
    scripted_end(&f);
}

static void
a_range_is_asked_of_the_data_node(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "GET /webhdfs/v1/data/k?op=GETFILESTATUS",
          .status = "200 OK",
          .body = STATUS("FILE", 10, 5) },
        { .expect = "GET /webhdfs/v1/data/k?op=OPEN\noffset=2&length=3",
          .status = "307 Temporary Redirect",
          .headers = TO_DATA_NODE("OPEN") },
        { .expect = "GET /webhdfs/v1/data/k?op=OPEN&namenoderpcaddress", .status = "200 OK", .body = "cde" },
        { .expect = "op=GETFILESTATUS", .status = "200 OK", .body = STATUS("FILE", 10, 5) },
    };
    scripted f = opened(script, FO_COUNT(script), NULL);
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    finops_error *err = NULL;
    finops_reader *reader = NULL;

    (void)state;
    ok(d->read(f.self, &(finops_get){ .key = "k", .offset = 2, .length = 3 }, &reader, &err), &err);
    reader_text(reader, &text);
    assert_string_equal(fo_str_z(&text), "cde");
    scripted_end(&f);
}

static void
a_file_that_is_replaced_as_it_is_opened_is_opened_again(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "op=GETFILESTATUS", .status = "200 OK", .body = STATUS("FILE", 3, 5) },
        { .expect = "op=OPEN", .status = "200 OK", .body = "mix" }, /* HttpFS answers at once */
        { .expect = "op=GETFILESTATUS", .status = "200 OK", .body = STATUS("FILE", 3, 6) },
        { .expect = "op=GETFILESTATUS", .status = "200 OK", .body = STATUS("FILE", 3, 6) },
        { .expect = "op=OPEN", .status = "200 OK", .body = "new" },
        { .expect = "op=GETFILESTATUS", .status = "200 OK", .body = STATUS("FILE", 3, 6) },
    };
    scripted f = opened(script, FO_COUNT(script), NULL);
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    finops_error *err = NULL;
    finops_reader *reader = NULL;

    (void)state;
    ok(d->read(f.self, &(finops_get){ .key = "k", .length = -1 }, &reader, &err), &err);
    reader_text(reader, &text);
    assert_string_equal(fo_str_z(&text), "new");
    scripted_end(&f);
}

static void
exceptions_have_the_codes_of_the_interface(void **state)
{
    static const struct {
        fake_http_step step;
        finops_code code;
    } rows[] = {
        { { .status = "404 Not Found", .body = EXCEPTION("FileNotFoundException") }, FINOPS_E_NOT_FOUND },
        { { .status = "403 Forbidden", .body = EXCEPTION("AccessControlException") }, FINOPS_E_DENIED },
        { { .status = "403 Forbidden", .body = EXCEPTION("StandbyException") }, FINOPS_E_TRANSIENT },
        { { .status = "403 Forbidden", .body = EXCEPTION("InvalidToken") }, FINOPS_E_AUTH },
        { { .status = "403 Forbidden", .body = EXCEPTION("ParentNotDirectoryException") },
          FINOPS_E_NOT_FOUND },
        { { .status = "403 Forbidden", .body = EXCEPTION("IOException") }, FINOPS_E_IO },
        { { .status = "403 Forbidden",
            .body = "{\"RemoteException\":{\"exception\":\"IOException\",\"message\":\"Unable to close file "
                    "because the "
                    "last block b does not have enough number of replicas.\"}}" },
          FINOPS_E_TRANSIENT },
        { { .status = "401 Unauthorized", .body = "" }, FINOPS_E_AUTH },
        { { .status = "404 Not Found", .body = "<html>" }, FINOPS_E_CONFIG },
        { { .status = "503 Busy", .body = "", .headers = "Retry-After: 2\r\n" }, FINOPS_E_THROTTLED },
        { { .status = "500 Oops", .body = "" }, FINOPS_E_TRANSIENT },
        { { .status = "200 OK", .body = "{" }, FINOPS_E_CORRUPT },
        { { .status = "200 OK", .body = "{}" }, FINOPS_E_CORRUPT },
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(rows); i++) {
        scripted f = opened(&rows[i].step, 1, "token/of+mine");
        finops_error *err = NULL;
        finops_object object;

        assert_int_equal(d->stat(f.self, "k", NULL, &object, &err), rows[i].code);
        assert_null(strstr(finops_error_text(err), "token"));
        assert_null(strstr(finops_error_text(err), "java"));
        finops_error_freep(&err);
        assert_non_null(strstr(fake_http_request(f.server, 0), "&delegation=token%2Fof%2Bmine"));
        scripted_end(&f);
    }
}

static void
folders_are_listed_page_by_page(void **state)
{
#define ENTRY(type, name)                                                                                    \
    "{\"type\":\"" type "\",\"length\":1,\"modificationTime\":1,\"fileId\":1,\"pathSuffix\":\"" name "\"}"
#define PAGE(entries, left)                                                                                  \
    "{\"DirectoryListing\":{\"partialListing\":{\"FileStatuses\":{\"FileStatus\":[" entries                  \
    "]}},\"remainingEntries\":" #left "}}"
    static const fake_http_step script[] = {
        { .expect = "GET /webhdfs/v1/data?op=LISTSTATUS_BATCH\nstartAfter= ",
          .status = "200 OK",
          .body = PAGE(ENTRY("DIRECTORY", "a") "," ENTRY("FILE", "a b"), 2) },
        { .expect = "startAfter=a%20b",
          .status = "200 OK",
          .body = PAGE(ENTRY("FILE", ".finops~1") "," ENTRY("FILE", "c"), 0) },
        { .expect = "GET /webhdfs/v1/data/a?op=LISTSTATUS_BATCH",
          .status = "200 OK",
          .body = PAGE(ENTRY("FILE", "x"), 0) },
    };
    scripted f = opened(script, FO_COUNT(script), NULL);
    FO_AUTO(fo_str_done) fo_str keys = FO_STR_INIT;
    finops_error *err = NULL;

    (void)state;
    ok(d->list(f.self, &(finops_list){ .prefix = "" }, keys_add, &keys, &err), &err);
    assert_string_equal(fo_str_z(&keys), "a b a/x c ");
    scripted_end(&f);
}

/* A folder that holds nothing is no prefix; one that nobody may look into is. */
static void
children_are_folders_with_a_file_somewhere_below(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "GET /webhdfs/v1/data?op=LISTSTATUS_BATCH",
          .status = "200 OK",
          .body = PAGE(ENTRY("DIRECTORY", "empty") "," ENTRY("DIRECTORY", "full") "," ENTRY(
                           "DIRECTORY", "gone") "," ENTRY("DIRECTORY", "secret"),
                       0) },
        { .expect = "GET /webhdfs/v1/data/empty?",
          .status = "200 OK",
          .body = PAGE(ENTRY("DIRECTORY", "a"), 0) },
        { .expect = "GET /webhdfs/v1/data/empty/a?",
          .status = "200 OK",
          .body = PAGE(ENTRY("FILE", ".finops~0123~x"), 0) },
        { .expect = "GET /webhdfs/v1/data/full?",
          .status = "200 OK",
          .body = PAGE(ENTRY("DIRECTORY", "b"), 0) },
        { .expect = "GET /webhdfs/v1/data/full/b?", .status = "200 OK", .body = PAGE(ENTRY("FILE", "c"), 0) },
        { .expect = "GET /webhdfs/v1/data/gone?",
          .status = "404 Not Found",
          .body = EXCEPTION("FileNotFoundException") },
        { .expect = "GET /webhdfs/v1/data/secret?",
          .status = "403 Forbidden",
          .body = EXCEPTION("AccessControlException") },
    };
    scripted f = opened(script, FO_COUNT(script), NULL);
    FO_AUTO(fo_str_done) fo_str keys = FO_STR_INIT;

    (void)state;
    ok(d->list(f.self, &(finops_list){ .prefix = "", .children = true }, keys_add, &keys, &f.err), &f.err);
    assert_string_equal(fo_str_z(&keys), "full/ secret/ ");
    scripted_end(&f);
}

static bool
note_swept(const finops_object *object, void *arg)
{
    fo_str_addf(arg, "%s=%lld ", object->key, (long long)object->size);
    return strcmp(object->key, "in/kept") != 0;
}

static void
what_is_left_over_below_a_prefix_is_swept(void **state)
{
    char old[3][FO_FILE_TEMPORARY], first[4000], second[1000], removal[2][400];
    fake_http_step script[] = {
        { .expect = "GET /webhdfs/v1/data?op=LISTSTATUS_BATCH",
          .status = "200 OK",
          .body = PAGE(ENTRY("DIRECTORY", "in") "," ENTRY("DIRECTORY", "out"), 0) },
        { .expect = "GET /webhdfs/v1/data/in?", .status = "200 OK", .body = first },
        { .expect = removal[0], .status = "200 OK", .body = "{\"boolean\":true}" },
        { .expect = "GET /webhdfs/v1/data/in/deep?", .status = "200 OK", .body = second },
        { .expect = removal[1], .status = "200 OK", .body = "{\"boolean\":false}" },
    };
    FO_AUTO(fo_str_done) fo_str told = FO_STR_INIT;
    scripted f;

    (void)state;
    fo_file_temporary("a", old[0]);
    fo_file_temporary("kept", old[1]);
    fo_file_temporary("b", old[2]);
    (void)snprintf(first, sizeof(first),
                   PAGE(ENTRY("FILE", "%s") "," ENTRY("FILE", "%s") "," ENTRY("FILE", "object") "," ENTRY(
                            "DIRECTORY", "deep"),
                        0),
                   old[0], old[1]);
    (void)snprintf(second, sizeof(second), PAGE(ENTRY("FILE", "%s"), 0), old[2]);
    (void)snprintf(removal[0], sizeof(removal[0]), "DELETE /webhdfs/v1/data/in/%s?op=DELETE", old[0]);
    (void)snprintf(removal[1], sizeof(removal[1]), "DELETE /webhdfs/v1/data/in/deep/%s?op=DELETE", old[2]);
    f = opened(script, FO_COUNT(script), NULL);
    ok(d->sweep(f.self, "in/", INT64_MAX, NULL, note_swept, &told, &f.err), &f.err);
    assert_string_equal(fo_str_z(&told), "in/a=1 in/kept=1 in/deep/b=1 ");
    scripted_end(&f);
}

static void
parts_are_appended_and_one_sent_again_takes_its_place(void **state)
{
    static const fake_http_step script[] = {
        { .expect = "op=CREATE\noverwrite=false", .status = "307 Go", .headers = TO_DATA_NODE("CREATE") },
        { .expect = "op=CREATE\nabcd", .status = "201 Created" },
        { .expect = "POST \nop=APPEND", .status = "307 Go", .headers = TO_DATA_NODE("APPEND") },
        { .expect = "POST \nop=APPEND\nefgh", .then = FAKE_HTTP_CUT, .raw = "" },
        { .expect = "op=GETFILESTATUS", .status = "200 OK", .body = STATUS("FILE", 6, 9) },
        { .expect = "POST \nop=TRUNCATE\nnewlength=4", .status = "200 OK", .body = "{\"boolean\":false}" },
        { .expect = "POST \nop=TRUNCATE\nnewlength=4", .status = "200 OK", .body = "{\"boolean\":true}" },
        { .expect = "POST \nop=APPEND", .status = "307 Go", .headers = TO_DATA_NODE("APPEND") },
        { .expect = "POST \nop=APPEND\nefgh", .status = "200 OK" },
        { .expect = "op=GETFILESTATUS", .status = "200 OK", .body = STATUS("FILE", 8, 9) },
        NOT_THERE,
        { .expect = "op=RENAME", .then = FAKE_HTTP_CUT, .raw = "" }, /* done, and the answer lost */
        NOT_THERE,
        { .expect = "GET /webhdfs/v1/data/k?op=GETFILESTATUS",
          .status = "200 OK",
          .body = STATUS("FILE", 8, 9) },
    };
    scripted f = opened(script, FO_COUNT(script), NULL);
    finops_error *err = NULL;
    finops_upload *u = NULL;

    (void)state;
    ok(d->upload(f.self, &(finops_put){ .key = "k" }, &u, &err), &err);
    ok(u->part(u, 1, 0, "abcd", 4, NULL, &err), &err);
    fails(u->part(u, 2, 4, "efgh", 4, NULL, &err), FINOPS_E_TRANSIENT, &err);
    ok(u->part(u, 2, 4, "efgh", 4, NULL, &err), &err);
    fails(u->part(u, 4, 12, "x", 1, NULL, &err), FINOPS_E_ARGUMENT, &err);
    fails(u->commit(u, 2, 8, NULL, NULL, &err), FINOPS_E_TRANSIENT, &err);
    ok(u->commit(u, 2, 8, NULL, NULL, &err), &err);
    u->close(u);
    scripted_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_to_the_data_node_and_are_renamed_at_the_end),
        cmocka_unit_test(a_rename_that_answers_false_is_a_failure_and_leaves_nothing),
        cmocka_unit_test(a_server_that_cannot_replace_says_so),
        cmocka_unit_test(who_creates_and_is_too_late_is_told),
        cmocka_unit_test(a_range_is_asked_of_the_data_node),
        cmocka_unit_test(a_file_that_is_replaced_as_it_is_opened_is_opened_again),
        cmocka_unit_test(exceptions_have_the_codes_of_the_interface),
        cmocka_unit_test(folders_are_listed_page_by_page),
        cmocka_unit_test(children_are_folders_with_a_file_somewhere_below),
        cmocka_unit_test(what_is_left_over_below_a_prefix_is_swept),
        cmocka_unit_test(parts_are_appended_and_one_sent_again_takes_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
