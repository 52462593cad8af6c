/* Bill files in local folders, and what is refused before anything is asked of a server. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "engine/engine_internal.h"
#include "engine/files_internal.h"

typedef struct fixture {
    fo_engine *engine;
    fo_files *files;
    char folder[64];
    char path[128];
} fixture;

static char secret_key[] = "AKIAEXAMPLE";
static char secret[] = "sec'ret/key";
static char proxy[] = "http://me:p%40ss@proxy.example:3128";

static const char *
at(fixture *f, const char *name)
{
    (void)snprintf(f->path, sizeof(f->path), "%s/%s", f->folder, name);
    return f->path;
}

static void
put(fixture *f, const char *name, const char *text)
{
    assert_int_equal(fo_mkdirs_for(at(f, name), NULL), FINOPS_OK);
    assert_int_equal(fo_file_write_atomic(at(f, name), text, strlen(text), 0600, NULL), FINOPS_OK);
}

static int
setup(void **state)
{
    fixture *f = calloc(1, sizeof(*f));
    fo_engine_options options = { .threads = 1 };

    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/finops-files-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    assert_int_equal(fo_engine_open(&options, &f->engine, NULL), FINOPS_OK);
    assert_int_equal(fo_files_open(f->engine, &(fo_files_options){ 0 }, &f->files, NULL), FINOPS_OK);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    static const char *const names[] = { "b/x.csv",        "b/[y].csv", "b/it's ?*[y].csv",
                                         "b/it's xxy.csv", "a.csv",     "a.json",
                                         "empty",          "b" };
    fixture *f = *state;

    for (size_t i = 0; i < FO_COUNT(names); i++)
        (void)remove(at(f, names[i]));
    assert_int_equal(rmdir(f->folder), 0);
    fo_files_close(f->files);
    fo_engine_close(f->engine);
    free(f);
    return 0;
}

static void
a_folder_lists_its_files_in_order(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_strv_done) fo_strv found = FO_STRV_INIT;

    put(f, "b/x.csv", "1");
    put(f, "b/[y].csv", "2");
    put(f, "a.csv", "3");
    put(f, "a.json", "4");
    assert_int_equal(fo_files_list(f->files, at(f, "/"), ".csv", &found, NULL), FINOPS_OK);
    assert_int_equal(found.n, 3);
    assert_string_equal(found.items[0], at(f, "a.csv"));
    assert_string_equal(found.items[1], at(f, "b/[y].csv"));
    assert_string_equal(found.items[2], at(f, "b/x.csv"));
}

static void
a_name_with_pattern_characters_matches_itself_alone(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_conn_closep) fo_conn *conn = NULL;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    put(f, "b/it's ?*[y].csv", "this");
    put(f, "b/it's xxy.csv", "that");
    fo_str_add(&sql, "SELECT content FROM read_text(");
    fo_sql_file(&sql, at(f, "b/it's ?*[y].csv"));
    fo_str_addc(&sql, ')');
    assert_int_equal(fo_conn_open(f->engine, &conn, NULL), FINOPS_OK);
    assert_int_equal(fo_conn_rows(conn, fo_str_z(&sql), NULL, 0, &rows, NULL), FINOPS_OK);
    assert_int_equal(fo_rows_count(rows), 1);
    assert_string_equal(fo_rows_text(rows, 0, 0), "this");
}

static void
a_missing_folder_is_not_found(void **state)
{
    fixture *f = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_strv_done) fo_strv found = FO_STRV_INIT;

    assert_int_equal(fo_files_list(f->files, at(f, "none"), "", &found, &err), FINOPS_E_NOT_FOUND);
    assert_non_null(strstr(finops_error_text(err), at(f, "none")));
    assert_int_equal(found.n, 0);
}

static void
a_file_is_read_whole_up_to_its_maximum(void **state)
{
    fixture *f = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    put(f, "a.csv", "a,b\n1,2\n");
    put(f, "empty", "");
    assert_int_equal(fo_files_read(f->files, at(f, "a.csv"), 8, &text, NULL), FINOPS_OK);
    assert_string_equal(fo_str_z(&text), "a,b\n1,2\n");
    assert_int_equal(fo_files_read(f->files, at(f, "a.csv"), 7, &text, &err), FINOPS_E_DATA);
    fo_str_clear(&text);
    assert_int_equal(fo_files_read(f->files, at(f, "empty"), 7, &text, NULL), FINOPS_OK);
    assert_string_equal(fo_str_z(&text), "");
}

static void
a_missing_file_a_folder_and_a_fifo_are_refused(void **state)
{
    fixture *f = *state;
    fo_file *file = NULL;

    assert_int_equal(fo_file_open(f->files, at(f, "none"), &file, NULL), FINOPS_E_NOT_FOUND);
    assert_int_equal(fo_file_open(f->files, f->folder, &file, NULL), FINOPS_E_UNSUPPORTED);
    assert_int_equal(mkfifo(at(f, "empty"), 0600), 0);
    assert_int_equal(fo_file_open(f->files, at(f, "empty"), &file, NULL), FINOPS_E_UNSUPPORTED);
    assert_null(file);
}

static void
a_file_that_shrinks_while_it_is_read_is_an_error(void **state)
{
    fixture *f = *state;
    FO_AUTO(fo_file_closep) fo_file *file = NULL;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    char buf[4];
    size_t n = 0;

    put(f, "a.csv", "12345678");
    assert_int_equal(fo_file_open(f->files, at(f, "a.csv"), &file, NULL), FINOPS_OK);
    assert_int_equal(fo_file_size(file), 8);
    assert_int_equal(fo_file_next(file, buf, sizeof(buf), &n, NULL), FINOPS_OK);
    assert_int_equal(n, 4);
    assert_int_equal(truncate(at(f, "a.csv"), 4), 0);
    assert_int_equal(fo_file_next(file, buf, sizeof(buf), &n, &err), FINOPS_E_IO);
    assert_non_null(strstr(finops_error_text(err), "changed while it was read"));
}

static void
an_address_of_a_service_needs_who_opens_it(void **state)
{
    fixture *f = *state;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_strv_done) fo_strv found = FO_STRV_INIT;
    fo_file *file = NULL;

    assert_int_equal(fo_file_open(f->files, "s3://bucket/a.csv", &file, &err), FINOPS_E_UNSUPPORTED);
    assert_non_null(strstr(finops_error_text(err), "s3://bucket/a.csv"));
    assert_int_equal(fo_files_list(f->files, "az://box", "", &found, NULL), FINOPS_E_UNSUPPORTED);
    assert_null(file);
    assert_false(fo_files_is_remote("file:///a"));
    assert_false(fo_files_is_remote("/a/s3://b"));
    assert_false(fo_files_is_remote("a.csv"));
}

static void
errors_tell_neither_secrets_nor_statements(void **state)
{
    (void)state;
    fo_aws_keys keys = { .keys = { secret_key, secret, secret } };
    fo_network_settings network = { .proxy = proxy };
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    finops_code rc =
        fo_error_set(&err, FINOPS_E_DENIED, "key %s, %s and %s by %s refused\n\nLINE 1: CREATE SECRET",
                     secret_key, secret, secret, proxy);

    fo_error_hint(&err, "look");
    assert_int_equal(fo_s3_redact(&network, &keys, rc, &err), FINOPS_E_DENIED);
    assert_string_equal(finops_error_text(err),
                        "key <redacted>, <redacted> and <redacted> by <redacted> refused");
    assert_string_equal(finops_error_hint(err), "look");
}

/* What the engine says, and the code and the first words of the hint it becomes. */
static void
answers_of_servers_become_codes(void **state)
{
    static const struct {
        duckdb_error_type type;
        const char *text;
        finops_code code;
        const char *hint;
    } answers[] = {
        { DUCKDB_ERROR_HTTP, "HTTP GET error on 'x' (HTTP 403 Forbidden)", FINOPS_E_DENIED,
          "check the credentials and the region" },
        { DUCKDB_ERROR_HTTP, "HTTP GET error on 'x' (HTTP 404 Not Found)", FINOPS_E_NOT_FOUND, NULL },
        { DUCKDB_ERROR_INVALID, "HTTP Error: HTTP GET error on 'HTTP 1' (HTTP 404)", FINOPS_E_NOT_FOUND,
          NULL },
        { DUCKDB_ERROR_HTTP, "HTTP GET error on 'x' (HTTP 503 Slow Down)", FINOPS_E_THROTTLED, NULL },
        { DUCKDB_ERROR_HTTP, "HTTP GET error on 'x' (HTTP 500)", FINOPS_E_TRANSIENT, NULL },
        { DUCKDB_ERROR_HTTP, "HTTP GET error on 'x' (HTTP 301)", FINOPS_E_CONFIG, "set [aws] region" },
        { DUCKDB_ERROR_INVALID, "IO Error: Could not connect to server error for HTTP GET",
          FINOPS_E_TRANSIENT, "check region, endpoint_url" },
        { DUCKDB_ERROR_INVALID, "IO Error: SSL peer certificate was not OK", FINOPS_E_IO,
          "set [network] ca_file" },
        { DUCKDB_ERROR_INVALID, "Out of Memory Error: failed", FINOPS_E_MEMORY,
          "raise the engine's memory limit" },
        { DUCKDB_ERROR_INVALID, "INTERRUPT Error: Interrupted!", FINOPS_E_CANCELLED, NULL },
        { DUCKDB_ERROR_INVALID,
          "IO Error: Could not set lock on file \"a\": Conflicting lock is held in /bin/b (PID 77).",
          FINOPS_E_BUSY, "process 77 has" },
        { DUCKDB_ERROR_INVALID, "", FINOPS_E_DATABASE, NULL },
        { DUCKDB_ERROR_INVALID, NULL, FINOPS_E_DATABASE, NULL },
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(answers); i++) {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;

        assert_int_equal(fo_engine_error(&err, answers[i].type, answers[i].text), answers[i].code);
        if (answers[i].hint)
            assert_true(fo_starts(finops_error_hint(err), answers[i].hint));
        else
            assert_null(finops_error_hint(err));
    }
}

static void
reading_survives_every_failed_allocation(void **state)
{
    fixture *f = *state;
    finops_code rc;
    unsigned n = 0;

    put(f, "b/x.csv", "1");
    do {
        FO_AUTO(fo_files_closep) fo_files *files = NULL;
        FO_AUTO(fo_strv_done) fo_strv found = FO_STRV_INIT;
        FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

        fo_mem_fail_at(++n);
        rc = fo_files_open(f->engine, &(fo_files_options){ 0 }, &files, NULL);
        if (rc == FINOPS_OK)
            rc = fo_files_list(files, f->folder, "", &found, NULL);
        if (rc == FINOPS_OK)
            rc = fo_files_read(files, found.items[0], 10, &text, NULL);
        assert_int_equal(rc, fo_mem_failed() ? FINOPS_E_MEMORY : FINOPS_OK);
        fo_mem_fail_at(0);
    } while (rc != FINOPS_OK);
    assert_true(n > 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_folder_lists_its_files_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_name_with_pattern_characters_matches_itself_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_folder_is_not_found, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_is_read_whole_up_to_its_maximum, setup, teardown),
        cmocka_unit_test_setup_teardown(a_missing_file_a_folder_and_a_fifo_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_shrinks_while_it_is_read_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(an_address_of_a_service_needs_who_opens_it, setup, teardown),
        cmocka_unit_test_setup_teardown(errors_tell_neither_secrets_nor_statements, setup, teardown),
        cmocka_unit_test(answers_of_servers_become_codes),
        cmocka_unit_test_setup_teardown(reading_survives_every_failed_allocation, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
