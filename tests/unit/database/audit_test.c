/* The audit log: what is in it, that it chains, and that tampering shows. */
#include "front_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"

typedef struct log {
    char folder[64];
    char *path;
    fo_audit *audit;
} log_file;

static int
log_setup(void **state)
{
    log_file *l = fo_zalloc(sizeof(*l));

    assert_non_null(l);
    (void)snprintf(l->folder, sizeof(l->folder), "/tmp/finops-audit-XXXXXX");
    assert_non_null(mkdtemp(l->folder));
    l->path = fo_format("%s/sub/audit.jsonl", l->folder);
    assert_int_equal(fo_audit_open(l->path, &l->audit, NULL), FINOPS_OK);
    fo_clock_fix(1763700000000000);
    *state = l;
    return 0;
}

static int
log_teardown(void **state)
{
    log_file *l = *state;
    FO_AUTO(fo_str_done) fo_str sub = FO_STR_INIT;

    fo_clock_fix(-1);
    fo_audit_close(l->audit);
    (void)unlink(l->path);
    fo_str_addf(&sub, "%s/sub", l->folder);
    (void)rmdir(fo_str_z(&sub));
    (void)rmdir(l->folder);
    fo_free(l->path);
    fo_free(l);
    return 0;
}

static void
add(log_file *l, const char *object, finops_code outcome)
{
    const fo_audit_event event = { .backend = "fake",
                                   .operation = "write",
                                   .object = object,
                                   .rows = 3,
                                   .micros = 1500,
                                   .outcome = outcome };

    fo_audit_add(l->audit, &event);
}

static void
contents(const log_file *l, fo_str *ret)
{
    fo_str_clear(ret);
    assert_int_equal(fo_file_read(l->path, 1 << 20, ret, NULL), FINOPS_OK);
}

static void
rewrite(const log_file *l, const fo_str *text)
{
    FILE *f = fopen(l->path, "we");

    assert_non_null(f);
    assert_int_equal(fwrite(text->data, 1, text->len, f), text->len);
    assert_int_equal(fclose(f), 0);
}

static void
expect_wrong(const log_file *l, const char *known, const char *want)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fo_audit_summary s = { .lines = 77 };

    assert_int_equal(fo_audit_verify(l->path, known, &s, &err), FINOPS_E_CORRUPT);
    assert_non_null(strstr(finops_error_text(err), want));
    assert_int_equal(s.lines, 77);
}

static uint64_t
expect_fine(const log_file *l)
{
    fo_audit_summary s;

    assert_int_equal(fo_audit_verify(l->path, NULL, &s, NULL), FINOPS_OK);
    return s.lines;
}

static void
a_line_says_who_did_what_when_and_how_it_ended(void **state)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    log_file *l = *state;

    add(l, "b.\"t\"\n", FINOPS_E_TIMEOUT);
    contents(l, &text);
    assert_true(fo_starts(fo_str_z(&text),
                          "{\"prev\":\"0000000000000000000000000000000000000000000000000000000000"
                          "000000\",\"time\":\"2025-11-21T04:40:00Z\",\"user\":\""));
    assert_non_null(strstr(fo_str_z(&text),
                           ",\"backend\":\"fake\",\"operation\":\"write\",\"object\":\"b.\\\"t\\\""
                           "\\u000a\",\"rows\":3,\"ms\":1.500,\"outcome\":\"timeout\"}\n"));
}

static void
the_log_is_for_its_owner_only(void **state)
{
    log_file *l = *state;
    struct stat st;

    assert_int_equal(stat(l->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void
each_line_carries_the_hash_of_the_one_before(void **state)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    log_file *l = *state;
    char hash[FO_SHA256_HEX];
    const char *second;

    add(l, "one", FINOPS_OK);
    add(l, "two", FINOPS_OK);
    contents(l, &text);
    second = strchr(fo_str_z(&text), '\n') + 1;
    assert_int_equal(fo_sha256_hex(text.data, (size_t)(second - text.data) - 1, hash, NULL), FINOPS_OK);
    assert_memory_equal(second + strlen(FO_AUDIT_HEAD), hash, FO_SHA256_HEX - 1);
    assert_int_equal(expect_fine(l), 2);
}

static void
a_changed_line_shows_at_the_next(void **state)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    log_file *l = *state;

    for (int i = 0; i < 4; i++)
        add(l, "x", FINOPS_OK);
    contents(l, &text);
    *strstr(text.data, "\"rows\":3") = '\'';
    rewrite(l, &text);
    expect_wrong(l, NULL, "line 2 does not follow the one before it");
}

static void
a_removed_line_shows(void **state)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    log_file *l = *state;
    char *second, *third;

    for (int i = 0; i < 4; i++)
        add(l, "x", FINOPS_OK);
    contents(l, &text);
    second = strchr(text.data, '\n') + 1;
    third = strchr(second, '\n') + 1;
    memmove(second, third, strlen(third) + 1);
    text.len -= (size_t)(third - second);
    rewrite(l, &text);
    expect_wrong(l, NULL, "line 2 does not follow");
}

static void
a_first_line_that_is_gone_shows(void **state)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    log_file *l = *state;
    size_t first;

    add(l, "x", FINOPS_OK);
    add(l, "x", FINOPS_OK);
    contents(l, &text);
    first = (size_t)(strchr(text.data, '\n') + 1 - text.data);
    memmove(text.data, text.data + first, text.len - first);
    text.len -= first;
    rewrite(l, &text);
    expect_wrong(l, NULL, "line 1 does not follow");
}

static void
what_is_no_entry_shows(void **state)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    log_file *l = *state;

    add(l, "x", FINOPS_OK);
    contents(l, &text);
    fo_str_add(&text, "hello\n");
    rewrite(l, &text);
    expect_wrong(l, NULL, "line 2 is no entry of an audit log");
    text.len -= strlen("hello\n") + 1;
    rewrite(l, &text);
    expect_wrong(l, NULL, "line 1 is cut off");
}

/* The end of a log can be cut off without a trace in it; a hash noted before proves it. */
static void
a_cut_end_shows_when_the_last_hash_was_noted(void **state)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    log_file *l = *state;
    fo_audit_summary before;

    add(l, "x", FINOPS_OK);
    add(l, "y", FINOPS_OK);
    assert_int_equal(fo_audit_verify(l->path, NULL, &before, NULL), FINOPS_OK);
    add(l, "z", FINOPS_OK);
    assert_int_equal(fo_audit_verify(l->path, before.last, &(fo_audit_summary){ 0 }, NULL), FINOPS_OK);
    contents(l, &text);
    text.len = (size_t)(strchr(text.data, '\n') + 1 - text.data);
    rewrite(l, &text);
    assert_int_equal(expect_fine(l), 1);
    expect_wrong(l, before.last, "no line has the hash");
}

static void
an_empty_log_is_fine_and_a_missing_one_is_not(void **state)
{
    log_file *l = *state;
    fo_audit_summary s;

    assert_int_equal(expect_fine(l), 0);
    assert_int_equal(fo_audit_verify("/nonexistent/log", NULL, &s, NULL), FINOPS_E_NOT_FOUND);
}

static void
a_log_moved_away_is_begun_anew(void **state)
{
    log_file *l = *state;
    FO_AUTO(fo_str_done) fo_str old = FO_STR_INIT;

    add(l, "x", FINOPS_OK);
    fo_str_addf(&old, "%s/old", l->folder);
    assert_int_equal(rename(l->path, fo_str_z(&old)), 0);
    add(l, "y", FINOPS_OK);
    assert_int_equal(expect_fine(l), 1);
    assert_int_equal(unlink(fo_str_z(&old)), 0);
}

static void
a_line_whose_writer_was_killed_stands_alone(void **state)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    log_file *l = *state;

    add(l, "x", FINOPS_OK);
    contents(l, &text);
    fo_str_add(&text, "{\"prev\":\"12");
    rewrite(l, &text);
    add(l, "y", FINOPS_OK);
    expect_wrong(l, NULL, "line 2 is no entry");
}

static void
append_many(const char *path)
{
    fo_audit *audit;
    log_file l = { 0 };

    if (fo_audit_open(path, &audit, NULL) != FINOPS_OK)
        _exit(1);
    l.audit = audit;
    for (int i = 0; i < 200; i++)
        add(&l, "object", FINOPS_OK);
    fo_audit_close(audit);
}

static void *
append_thread(void *arg)
{
    append_many(arg);
    return NULL;
}

static void
several_processes_and_threads_make_one_chain(void **state)
{
    log_file *l = *state;
    pthread_t threads[3];
    pid_t children[3];

    for (size_t i = 0; i < 3; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            append_many(l->path);
            _exit(0);
        }
    }
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, append_thread, l->path), 0);
    for (size_t i = 0; i < 3; i++) {
        int status = 1;

        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(expect_fine(l), 1200);
}

/* A disk that is full: nothing is cut, nothing is lost, nothing more is changed until there is room. */
static void
what_could_not_be_written_is_written_later(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    log_file *l = *state;
    struct rlimit old, small;

    add(l, "x", FINOPS_OK);
    contents(l, &text);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){ .rlim_cur = text.len + 20, .rlim_max = old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    add(l, "y", FINOPS_OK);
    assert_int_equal(fo_audit_ready(l->audit, &err), FINOPS_E_IO);
    assert_string_equal(finops_error_hint(err), "nothing is changed while changes cannot be recorded");
    assert_int_equal(expect_fine(l), 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(fo_audit_ready(l->audit, NULL), FINOPS_OK);
    assert_int_equal(expect_fine(l), 2);
}

static void
a_log_that_cannot_be_opened_is_an_error(void **state)
{
    log_file *l = *state;
    fo_audit *none = NULL;

    assert_int_equal(fo_audit_open(l->folder, &none, NULL), FINOPS_E_IO);
    assert_int_equal(fo_audit_open("/dev/null", &none, NULL), FINOPS_E_UNSUPPORTED);
    assert_null(none);
}

static void
opening_survives_every_failed_allocation(void **state)
{
    log_file *l = *state;
    fo_audit *audit = NULL;
    finops_code rc;
    unsigned n = 0;

    do {
        fo_mem_fail_at(++n);
        rc = fo_audit_open(l->path, &audit, NULL);
        assert_int_equal(rc, fo_mem_failed() ? FINOPS_E_MEMORY : FINOPS_OK);
    } while (rc != FINOPS_OK);
    fo_mem_fail_at(0);
    fo_audit_close(audit);
}

/* What a session leaves in the log: "operation object outcome" a line. */
static void
use_session(fixture *f)
{
    struct ArrowArrayStream stream;
    const finops_source source = { .stream = &stream };
    const finops_write write = { .schema = "b", .table = "t" };
    const finops_partition p = { .schema = "b", .table = "t", .column = "m", .value = "2026-10" };
    finops_session *s = take(f, 0);

    assert_int_equal(fo_session_exec(s, "SELECT 1", NULL, 0, NULL, NULL), FINOPS_OK);
    assert_int_equal(fo_session_exec(s, "CREATE TABLE b.t (x INT)", NULL, 0, NULL, NULL), FINOPS_OK);
    fake_stream(&stream, NULL, 0);
    assert_int_equal(finops_session_write(s, &write, &source, NULL, NULL), FINOPS_OK);
    fake_stream(&stream, NULL, 0);
    assert_int_equal(finops_session_replace_partition(s, &p, &source, NULL, NULL), FINOPS_OK);
    assert_int_equal(finops_session_begin(s, NULL), FINOPS_OK);
    assert_int_equal(finops_session_commit(s, NULL), FINOPS_OK);
    assert_int_equal(finops_session_begin(s, NULL), FINOPS_OK);
    fake_fail(&f->world.write, 1, FINOPS_E_DATA);
    fake_stream(&stream, NULL, 0);
    assert_int_equal(finops_session_write(s, &write, &source, NULL, NULL), FINOPS_E_DATA);
    finops_session_release(s);
    s = take(f, FINOPS_CONNECT_READ_ONLY);
    assert_int_equal(fo_session_exec(s, "DELETE FROM b.t", NULL, 0, NULL, NULL), FINOPS_OK);
    finops_session_release(s);
}

static const char *
cut(const char *text, const char *key, char *ret, size_t size)
{
    const char *at = strstr(text, key);
    size_t n;

    if (!at) {
        (void)snprintf(ret, size, "-");
        return text;
    }
    at += strlen(key);
    n = strcspn(at, "\"");
    (void)snprintf(ret, size, "%.*s", (int)n, at);
    return at + n;
}

static void
a_session_records_what_changes_something_once(void **state)
{
    static const char *const want[] = {
        "create table b.t ok", "write b.t ok",   "replace b.t[2026-10] ok",
        "commit - ok",         "write b.t data", "rollback - ok",
    };
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    log_file *l = *state;
    fixture f = { .audit_file = l->path };
    char *line, *rest = NULL;
    size_t n = 0;

    fake_world_init(&f.world);
    fixture_open(&f, &fake_driver, NULL);
    use_session(&f);
    finops_database_close(f.database);
    fake_world_done(&f.world);
    assert_int_equal(expect_fine(l), FO_COUNT(want));
    contents(l, &text);
    for (line = strtok_r(text.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char operation[64], object[64], outcome[64], all[256];

        (void)cut(line, "\"operation\":\"", operation, sizeof(operation));
        (void)cut(line, "\"object\":\"", object, sizeof(object));
        (void)cut(line, "\"outcome\":\"", outcome, sizeof(outcome));
        (void)snprintf(all, sizeof(all), "%s %s %s", operation, object, outcome);
        assert_string_equal(all, want[n++]);
    }
}

static void
nothing_is_changed_while_changes_cannot_be_recorded(void **state)
{
    log_file *l = *state;
    fixture f = { .audit_file = l->path };
    struct rlimit old, none;
    finops_session *s;

    fake_world_init(&f.world);
    fixture_open(&f, &fake_driver, NULL);
    s = take(&f, 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    none = (struct rlimit){ .rlim_cur = 0, .rlim_max = old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    assert_int_equal(fo_session_exec(s, "DELETE FROM t", NULL, 0, NULL, NULL), FINOPS_OK);
    assert_int_equal(fo_session_exec(s, "DELETE FROM t", NULL, 0, NULL, NULL), FINOPS_E_IO);
    assert_int_equal(fo_session_exec(s, "SELECT 1", NULL, 0, NULL, NULL), FINOPS_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(atomic_load(&f.world.executes), 2);
    assert_int_equal(fo_session_exec(s, "DELETE FROM t", NULL, 0, NULL, NULL), FINOPS_OK);
    assert_int_equal(expect_fine(l), 2);
    finops_session_release(s);
    finops_database_close(f.database);
    fake_world_done(&f.world);
}

static void
statements_are_told_by_their_first_words(void **state)
{
    static const char *const rows[][3] = {
        { "CREATE OR REPLACE TEMP TABLE IF NOT EXISTS a.\"b c\" AS SELECT 1", "create table", "a.\"b c\"" },
        { "/* x */ -- y\n insert into t values ('secret')", "insert", "t" },
        { "DELETE FROM ONLY x WHERE a = 'b'", "delete", "x" },
        { "update \"a\"\"b\" set c = 1", "update", "\"a\"\"b\"" },
        { "DROP VIEW v", "drop view", "v" },
        { "ALTER TABLE IF EXISTS s.t ADD COLUMN c INT", "alter table", "s.t" },
        { "TRUNCATE t", "truncate", "t" },
        { "COPY (SELECT 1) TO '/tmp/x'", "copy", "" },
        { "CREATE SECRET s (TYPE s3, KEY_ID 'k')", "create secret", "s" },
        { "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d", "with", "" },
        { "DROP SCHEMA \"unterminated", "drop schema", "\"unterminated" },
    };
    static const char *const quiet[] = { "SELECT 'insert into t'",
                                         "with a as (select 1) select * from a",
                                         "SHOW TABLES",
                                         "SET x = 1",
                                         "BEGIN",
                                         "",
                                         "  -- nothing",
                                         "/* open",
                                         "'text'",
                                         "PRAGMA x" };
    char operation[FO_AUDIT_NAME], object[FO_AUDIT_NAME];

    (void)state;
    for (size_t i = 0; i < FO_COUNT(rows); i++) {
        assert_true(fo_audit_statement(rows[i][0], operation, object));
        assert_string_equal(operation, rows[i][1]);
        assert_string_equal(object, rows[i][2]);
    }
    for (size_t i = 0; i < FO_COUNT(quiet); i++)
        assert_false(fo_audit_statement(quiet[i], operation, object));
}

#define LOG(name) cmocka_unit_test_setup_teardown(name, log_setup, log_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        LOG(a_line_says_who_did_what_when_and_how_it_ended),
        LOG(the_log_is_for_its_owner_only),
        LOG(each_line_carries_the_hash_of_the_one_before),
        LOG(a_changed_line_shows_at_the_next),
        LOG(a_removed_line_shows),
        LOG(a_first_line_that_is_gone_shows),
        LOG(what_is_no_entry_shows),
        LOG(a_cut_end_shows_when_the_last_hash_was_noted),
        LOG(an_empty_log_is_fine_and_a_missing_one_is_not),
        LOG(a_log_moved_away_is_begun_anew),
        LOG(a_line_whose_writer_was_killed_stands_alone),
        LOG(several_processes_and_threads_make_one_chain),
        LOG(what_could_not_be_written_is_written_later),
        LOG(a_log_that_cannot_be_opened_is_an_error),
        LOG(opening_survives_every_failed_allocation),
        LOG(a_session_records_what_changes_something_once),
        LOG(nothing_is_changed_while_changes_cannot_be_recorded),
        cmocka_unit_test(statements_are_told_by_their_first_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
