/* Help, completion and manual come from the same tables as the parser: what one knows, all know. */
#include "cli_test.h"

static bool
has(const fo_str *s, const char *text)
{
    return strstr(fo_str_z(s), text) != NULL;
}

static void
the_overview_lists_every_command_but_the_hidden_ones(void **state)
{
    FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;

    (void)state;
    assert_int_equal(fo_help_overview(&s, 80, false, NULL), FINOPS_OK);
    assert_true(has(&s, "  bill load   Load a bill.\n"));
    assert_true(has(&s, "  query       Ask.\n"));
    assert_true(has(&s, "3  partly done"));
    assert_false(has(&s, "inner"));
}

static void
help_of_a_group_lists_its_commands_alone(void **state)
{
    FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;

    (void)state;
    assert_int_equal(fo_help_group(&s, "bill", 80, false, NULL), FINOPS_OK);
    assert_true(has(&s, "bill show"));
    assert_false(has(&s, "query"));
}

static void
help_of_a_command_shows_every_flag_once_and_no_secret(void **state)
{
    FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;
    const char *first;

    (void)state;
    assert_int_equal(fo_help_verb(&s, fo_verb_named("bill load"), 100, false, NULL), FINOPS_OK);
    assert_true(has(&s, "finops bill load [PATH...] [--FLAG...]"));
    assert_true(has(&s, "--mode WORD               How: slow or fast (default: slow).\n"));
    assert_true(
        has(&s, "--verify                  Count again (on by default; --no-verify turns it off).\n"));
    assert_true(has(&s, "  -y, --yes "));
    assert_true(has(&s, "--bucket"));
    assert_false(has(&s, "secret"));
    first = strstr(fo_str_z(&s), "--config FILE");
    assert_non_null(first);
    assert_null(strstr(first + 1, "--config FILE"));
}

static void
no_line_of_help_is_wider_than_the_terminal(void **state)
{
    FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;

    (void)state;
    assert_int_equal(fo_help_overview(&s, 60, false, NULL), FINOPS_OK);
    for (const char *p = fo_str_z(&s); *p;) {
        size_t len = strcspn(p, "\n");

        assert_true(fo_utf8_width(p, len) <= 60);
        p += len + (p[len] == '\n');
    }
}

/* Every visible verb and every flag of it is in a text; a hidden verb is not. */
static void
expect_complete(const fo_str *s, const char *prefix)
{
    for (size_t i = 0; fo_verbs[i]; i++) {
        FO_AUTO(fo_flags_done) fo_flags flags = { 0 };
        char name[96];

        if (fo_verbs[i]->flags & FO_VERB_HIDDEN)
            continue;
        assert_true(has(s, fo_verbs[i]->name));
        assert_int_equal(fo_flags_of(fo_verbs[i], &flags, NULL), FINOPS_OK);
        for (size_t k = 0; k < flags.n; k++) {
            (void)snprintf(name, sizeof(name), "%s%s", prefix, flags.items[k].name + 2);
            assert_true(has(s, name));
        }
    }
    assert_false(has(s, "inner"));
    assert_false(has(s, "secret-access-key"));
}

static void
completion_of_every_shell_knows_every_flag(void **state)
{
    static const char *const shells[] = { "bash", "zsh", "fish" };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(shells); i++) {
        FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;

        assert_int_equal(fo_completion_script(&s, shells[i], NULL), FINOPS_OK);
        expect_complete(&s, i == 2 ? "-l " : "--");
        assert_true(has(&s, "slow fast"));
    }
}

static void
an_unknown_shell_is_refused(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;

    (void)state;
    assert_int_equal(fo_completion_script(&s, "csh", &err), FINOPS_E_USAGE);
    assert_string_equal(finops_error_text(err),
                        "there is a completion for bash, zsh and fish, not for \"csh\"");
}

static void
the_manual_page_escapes_what_roff_would_read(void **state)
{
    FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;

    (void)state;
    assert_int_equal(fo_manual_man(&s, NULL), FINOPS_OK);
    assert_true(has(&s, ".SS \"finops bill load\"\n"));
    assert_true(has(&s, ".B \"\\-\\-mode WORD\"\n"));
    assert_true(has(&s, "finops \\- load cloud bills"));
    assert_false(has(&s, "inner"));
}

static void
the_reference_page_knows_every_command(void **state)
{
    FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;

    (void)state;
    assert_int_equal(fo_manual_markdown(&s, NULL), FINOPS_OK);
    expect_complete(&s, "--");
    assert_true(has(&s, "### finops bill load\n"));
    assert_true(has(&s, "- `--bucket TEXT`: "));
    assert_true(has(&s, "Setting aws.bucket."));
}

static void
help_survives_every_failed_allocation(void **state)
{
    finops_code rc;
    unsigned n = 0;

    (void)state;
    do {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;
        bool failed;

        fo_mem_fail_at(++n);
        rc = fo_help_verb(&s, fo_verb_named("bill load"), 80, false, &err);
        if (rc == FINOPS_OK)
            rc = fo_manual_markdown(&s, &err);
        if (rc == FINOPS_OK)
            rc = fo_completion_script(&s, "zsh", &err);
        failed = fo_mem_failed();
        fo_mem_fail_at(0);
        assert_int_equal(rc, failed ? FINOPS_E_MEMORY : FINOPS_OK);
    } while (rc != FINOPS_OK);
    assert_true(n > 20);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_overview_lists_every_command_but_the_hidden_ones),
        cmocka_unit_test(help_of_a_group_lists_its_commands_alone),
        cmocka_unit_test(help_of_a_command_shows_every_flag_once_and_no_secret),
        cmocka_unit_test(no_line_of_help_is_wider_than_the_terminal),
        cmocka_unit_test(completion_of_every_shell_knows_every_flag),
        cmocka_unit_test(an_unknown_shell_is_refused),
        cmocka_unit_test(the_manual_page_escapes_what_roff_would_read),
        cmocka_unit_test(the_reference_page_knows_every_command),
        cmocka_unit_test(help_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
