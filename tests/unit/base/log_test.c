/* Log lines as they arrive on standard error, which each test sends into a file. */
#include "base_test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#define THREADS 4
#define LINES 300

typedef struct capture {
    FILE *file;
    int real; /* the descriptor standard error had */
    char *text;
} capture;

static int
capture_setup(void **state)
{
    capture *c = calloc(1, sizeof(*c));

    if (!c || (c->file = tmpfile()) == NULL || (c->real = dup(STDERR_FILENO)) < 0)
        return -1;
    (void)fflush(stderr);
    if (dup2(fileno(c->file), STDERR_FILENO) < 0)
        return -1;
    fo_clock_fix(1795240800000000); /* 2026-11-21T06:00:00Z */
    fo_log_setup(FO_LOG_DEBUG, false, false);
    *state = c;
    return 0;
}

static int
capture_teardown(void **state)
{
    capture *c = *state;

    (void)dup2(c->real, STDERR_FILENO);
    (void)close(c->real);
    (void)fclose(c->file);
    free(c->text);
    free(c);
    return 0;
}

/* All that was logged so far. */
static const char *
logged(void **state)
{
    capture *c = *state;
    off_t size = lseek(fileno(c->file), 0, SEEK_END);

    free(c->text);
    c->text = calloc(1, (size_t)size + 1);
    assert_non_null(c->text);
    assert_int_equal(pread(fileno(c->file), c->text, (size_t)size, 0), size);
    return c->text;
}

static json_t *
logged_json(void **state)
{
    json_error_t why;
    json_t *j = json_loads(logged(state), 0, &why);

    if (!j)
        fail_msg("%s in %s", why.text, logged(state));
    return j;
}

static const char *
member(const json_t *j, const char *key)
{
    return json_string_value(json_object_get(j, key));
}

static void
people_read_level_message_and_fields(void **state)
{
    const fo_field fields[] = {
        { "month", "2026-01" }, { "file", "a b.csv" }, { "note", NULL }, { "empty", "" }
    };

    fo_log_fields(FO_LOG_WARN, fields, 4, "%d rows skipped", 3);
    fo_info("done");
    fo_debug("detail");
    assert_string_equal(logged(state),
                        "warning: 3 rows skipped month=2026-01 file=\"a b.csv\" note=null empty=\"\"\n"
                        "info: done\ndebug: detail\n");
}

static void
lines_below_the_level_are_not_written(void **state)
{
    fo_log_setup(FO_LOG_ERROR, false, false);
    fo_debug("a");
    fo_info("b");
    fo_warn("c");
    fo_log(FO_LOG_ERROR, "d");
    assert_false(fo_log_enabled(FO_LOG_WARN));
    fo_log_setup(FO_LOG_OFF, false, false);
    fo_log(FO_LOG_ERROR, "e");
    assert_false(fo_log_enabled(FO_LOG_OFF));
    assert_string_equal(logged(state), "error: d\n");
}

static void
control_characters_never_reach_the_terminal(void **state)
{
    fo_warn("a\tb\nc\x1b[31m\r\x7f\xc2\x9b"
            "d\xff \xc3\xa4\\");
    assert_string_equal(logged(state), "warning: a\tb\n  c\\x1b[31m\\r\\x7f\\x9bd\\xff \xc3\xa4\\\n");
}

static void
quoted_values_escape_their_quotes(void **state)
{
    fo_log_fields(FO_LOG_INFO, &(fo_field){ "sql", "a = \"b\"\t\\" }, 1, "m");
    assert_string_equal(logged(state), "info: m sql=\"a = \\\"b\\\"\\t\\\\\"\n");
}

static void
json_lines_hold_every_text_whole(void **state)
{
    const fo_field fields[] = { { "k\"", "v\n\x01\x7f \xf0\x9f\x98\x80 \\" }, { "none", NULL } };
    json_t *j;

    fo_log_setup(FO_LOG_INFO, true, true);
    fo_log_fields(FO_LOG_WARN, fields, 2, "say \"%s\"", "\xc2\x85\t");
    assert_null(strpbrk(logged(state), "\x01\t\x7f"));
    j = logged_json(state);
    assert_string_equal(member(j, "ts"), "2026-11-21T06:00:00Z");
    assert_string_equal(member(j, "level"), "warn");
    assert_string_equal(member(j, "message"), "say \"\xc2\x85\t\"");
    assert_string_equal(member(j, "k\""), fields[0].value);
    assert_true(json_is_null(json_object_get(j, "none")));
    json_decref(j);
}

static void
json_replaces_bytes_that_are_no_utf8(void **state)
{
    json_t *j;

    fo_log_setup(FO_LOG_INFO, true, false);
    fo_info("a\xff"
            "b\xc3");
    j = logged_json(state);
    assert_string_equal(member(j, "message"), "a\xef\xbf\xbd"
                                              "b\xef\xbf\xbd");
    json_decref(j);
}

static void
an_error_is_logged_with_its_hint_below(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;

    (void)fo_error_set(&err, FINOPS_E_NOT_FOUND, "read a.json: no such file");
    fo_log_error(err);
    fo_error_hint(&err, "try --bucket");
    fo_log_error(err);
    fo_log_error(NULL);
    assert_string_equal(
        logged(state),
        "error: read a.json: no such file\nerror: read a.json: no such file\nhint: try --bucket\n");
}

static void
an_error_in_json_carries_code_and_hint(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    json_t *j;

    fo_log_setup(FO_LOG_INFO, true, false);
    (void)fo_error_set(&err, FINOPS_E_NOT_FOUND, "gone");
    fo_error_hint(&err, "look");
    fo_log_error(err);
    j = logged_json(state);
    assert_string_equal(member(j, "code"), "not_found");
    assert_string_equal(member(j, "hint"), "look");
    json_decref(j);
}

static void
colour_wraps_the_label_only(void **state)
{
    fo_log_setup(FO_LOG_INFO, false, true);
    fo_log(FO_LOG_ERROR, "x");
    assert_string_equal(logged(state), "\033[31merror:\033[0m x\n");
}

/* Lengths around the borders of the buffers, of characters that grow in the line and of some that do not. */
static void
a_line_too_long_is_cut_and_stays_a_line(void **state)
{
    const char *line;
    static const char *const units[] = { "x", "\x01", "\"", "\xc3\xa4", "\xff" };
    capture *c = *state;

    for (size_t u = 0; u < FO_COUNT(units); u++)
        for (size_t n = 1000; n < 20000; n += 499) {
            FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;
            json_t *j;

            for (size_t i = 0; i < n; i++)
                fo_str_add(&s, units[u]);
            assert_int_equal(ftruncate(fileno(c->file), 0), 0);
            assert_int_equal(lseek(fileno(c->file), 0, SEEK_SET), 0);
            fo_log_setup(FO_LOG_INFO, true, false);
            fo_log_fields(FO_LOG_INFO, &(fo_field){ "k", fo_str_z(&s) }, 1, "%s", fo_str_z(&s));
            j = logged_json(state);
            assert_non_null(member(j, "message"));
            json_decref(j);
        }
    fo_log_setup(FO_LOG_INFO, false, false);
    fo_info("%20000d", 1);
    line = logged(state);
    assert_string_equal(line + strlen(line) - 4, "...\n");
}

static void
logging_keeps_errno_and_allocates_nothing(void **state)
{
    fo_mem_fail_at(1);
    errno = ENOSPC;
    fo_log_fields(FO_LOG_INFO, &(fo_field){ "k", "v" }, 1, "m %s", "x");
    assert_int_equal(errno, ENOSPC);
    assert_false(fo_mem_failed());
    fo_mem_fail_at(0);
    assert_string_equal(logged(state), "info: m x k=v\n");
}

static void
levels_are_read_by_name(void **state)
{
    fo_level level = FO_LOG_DEBUG;

    (void)state;
    assert_true(fo_log_level_parse("warn", &level));
    assert_int_equal(level, FO_LOG_WARN);
    assert_true(fo_log_level_parse("off", &level));
    assert_int_equal(level, FO_LOG_OFF);
    assert_false(fo_log_level_parse("warning", &level));
    assert_false(fo_log_level_parse("", &level));
    assert_false(fo_log_level_parse(NULL, &level));
    assert_int_equal(level, FO_LOG_OFF);
}

static void *
log_many(void *arg)
{
    const char *name = arg;

    for (int i = 0; i < LINES; i++)
        fo_info("%s%s%s%s", name, name, name, name);
    return NULL;
}

static void
lines_of_threads_never_mix(void **state)
{
    static char names[THREADS][201];
    pthread_t threads[THREADS];
    size_t lines = 0;

    for (size_t i = 0; i < THREADS; i++) {
        memset(names[i], (int)('a' + i), 200);
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, names[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (const char *p = logged(state); *p; lines++) {
        const char *text = p + strlen("info: ");

        assert_memory_equal(p, "info: ", 6);
        assert_int_equal(strspn(text, (const char[]){ *text, '\0' }), 800);
        assert_int_equal(text[800], '\n');
        p = text + 801;
    }
    assert_int_equal(lines, THREADS * LINES);
}

#define CAPTURED(test) cmocka_unit_test_setup_teardown(test, capture_setup, capture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        CAPTURED(people_read_level_message_and_fields),
        CAPTURED(lines_below_the_level_are_not_written),
        CAPTURED(control_characters_never_reach_the_terminal),
        CAPTURED(quoted_values_escape_their_quotes),
        CAPTURED(json_lines_hold_every_text_whole),
        CAPTURED(json_replaces_bytes_that_are_no_utf8),
        CAPTURED(an_error_is_logged_with_its_hint_below),
        CAPTURED(an_error_in_json_carries_code_and_hint),
        CAPTURED(colour_wraps_the_label_only),
        CAPTURED(a_line_too_long_is_cut_and_stays_a_line),
        CAPTURED(logging_keeps_errno_and_allocates_nothing),
        cmocka_unit_test(levels_are_read_by_name),
        CAPTURED(lines_of_threads_never_mix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
