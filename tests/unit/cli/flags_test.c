/* Words to flags, settings and arguments, and what is said when they make no sense. */
#include "cli_test.h"

static char *words[16];
static size_t n_words;

/* Splits at blanks, without allocating. What the last call made is gone. */
static void
split(const char *line)
{
    static char text[512];
    char *rest = NULL;

    assert_true(strlen(line) < sizeof(text));
    (void)snprintf(text, sizeof(text), "%s", line);
    n_words = 0;
    for (char *w = strtok_r(text, " ", &rest); w; w = strtok_r(NULL, " ", &rest))
        words[n_words++] = w;
}

static finops_code
parse(const fo_verb *verb, const char *line, fo_parsed *ret, finops_error **err)
{
    split(line);
    return fo_flags_parse(verb, words, n_words, ret, err);
}

static finops_code
find(const char *line, fo_found *ret, finops_error **err)
{
    split(line);
    return fo_verb_find(words, n_words, ret, err);
}

static const fo_verb *
load(void)
{
    return fo_verb_named("bill load");
}

static void
expect_refusal(const fo_verb *verb, const char *line, const char *text, const char *hint)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_parsed_done) fo_parsed p = { 0 };
    finops_code rc = parse(verb, line, &p, &err);

    if (rc == FINOPS_OK)
        rc = fo_flags_check(&p, &err);
    assert_int_equal(rc, FINOPS_E_USAGE);
    assert_string_equal(finops_error_text(err), text);
    if (hint)
        assert_string_equal(finops_error_hint(err), hint);
}

static void
a_value_follows_its_flag_or_an_equals_sign(void **state)
{
    FO_AUTO(fo_parsed_done) fo_parsed p = { 0 };
    const load_options *o;

    (void)state;
    assert_int_equal(parse(load(), "--jobs 7 --mode=fast --from=2026-01", &p, NULL), FINOPS_OK);
    o = p.options;
    assert_int_equal(o->jobs, 7);
    assert_string_equal(o->mode, "fast");
    assert_string_equal(o->from, "2026-01");
}

static void
defaults_stand_until_a_flag_changes_them(void **state)
{
    FO_AUTO(fo_parsed_done) fo_parsed p = { 0 };
    const load_options *o;

    (void)state;
    assert_int_equal(parse(load(), "", &p, NULL), FINOPS_OK);
    o = p.options;
    assert_int_equal(o->jobs, 2);
    assert_true(o->verify);
    assert_false(o->force);
    assert_string_equal(o->mode, "slow");
    assert_null(o->files);
}

static void
a_switch_goes_on_and_off_and_takes_no_word(void **state)
{
    FO_AUTO(fo_parsed_done) fo_parsed p = { 0 };
    const load_options *o;

    (void)state;
    assert_int_equal(parse(load(), "--force a.csv --no-verify", &p, NULL), FINOPS_OK);
    o = p.options;
    assert_true(o->force);
    assert_false(o->verify);
    assert_int_equal(p.n_args, 1);
    assert_string_equal(p.args[0], "a.csv");
}

static void
a_repeated_list_grows(void **state)
{
    FO_AUTO(fo_parsed_done) fo_parsed p = { 0 };
    const load_options *o;

    (void)state;
    assert_int_equal(parse(load(), "--file a,b.csv --file=c.csv", &p, NULL), FINOPS_OK);
    o = p.options;
    assert_string_equal(o->files[0], "a,b.csv"); /* a comma belongs to the name */
    assert_string_equal(o->files[1], "c.csv");
    assert_null(o->files[2]);
}

static void
two_dashes_end_the_flags(void **state)
{
    FO_AUTO(fo_parsed_done) fo_parsed p = { 0 };

    (void)state;
    assert_int_equal(parse(load(), "- -- --force --", &p, NULL), FINOPS_OK);
    assert_int_equal(p.n_args, 3);
    assert_string_equal(p.args[0], "-");
    assert_string_equal(p.args[1], "--force");
    assert_string_equal(p.args[2], "--");
    assert_false(((const load_options *)p.options)->force);
}

static void
a_setting_becomes_an_override_that_knows_its_spelling(void **state)
{
    FO_AUTO(fo_parsed_done) fo_parsed p = { 0 };

    (void)state;
    assert_int_equal(parse(load(), "--bucket one --no-reset --bucket=two", &p, NULL), FINOPS_OK);
    assert_int_equal(p.n_overrides, 2);
    assert_string_equal(p.overrides[0].key, "aws.bucket");
    assert_string_equal(p.overrides[0].value, "two"); /* the last one counts */
    assert_string_equal(p.overrides[0].spelling, "--bucket");
    assert_string_equal(p.overrides[1].key, "aws.reset");
    assert_string_equal(p.overrides[1].value, "false");
}

static void
log_flags_are_settings_of_every_verb(void **state)
{
    FO_AUTO(fo_parsed_done) fo_parsed p = { 0 };

    (void)state;
    assert_int_equal(parse(load(), "--log-format=json -qy", &p, NULL), FINOPS_OK);
    assert_string_equal(p.globals.log_format, "json");
    assert_string_equal(p.overrides[0].key, "log.format");
    assert_true(p.globals.quiet && p.globals.yes);
}

static void
formats_depend_on_the_verb(void **state)
{
    FO_AUTO(fo_parsed_done) fo_parsed p = { 0 };

    (void)state;
    assert_int_equal(parse(fo_verb_named("query"), "--format arrow SELECT", &p, NULL), FINOPS_OK);
    assert_int_equal(fo_parsed_format(&p), FO_FORMAT_ARROW);
    assert_true(fo_parsed_given(&p, "--format"));
    expect_refusal(fo_verb_named("bill show"), "--format=arrow",
                   "--format: expected table, json or csv, found \"arrow\"", NULL);
    expect_refusal(load(), "--format=csv", "bill load: unknown flag --format", NULL);
}

static void
an_unknown_flag_names_its_nearest_neighbour(void **state)
{
    (void)state;
    expect_refusal(load(), "--buckt=x", "bill load: unknown flag --buckt", "did you mean --bucket?");
    expect_refusal(load(), "--zzzzzzzz", "bill load: unknown flag --zzzzzzzz",
                   "finops help bill load lists the flags");
    expect_refusal(load(), "-x", "bill load: unknown flag -x", "finops help bill load lists the flags");
}

static void
a_secret_is_refused_with_its_environment_variable_and_not_repeated(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_parsed_done) fo_parsed p = { 0 };

    (void)state;
    assert_int_equal(parse(load(), "--secret-access-key=hunter2", &p, &err), FINOPS_E_USAGE);
    assert_string_equal(finops_error_text(err),
                        "--secret-access-key is a secret and is not taken from the command line");
    assert_non_null(strstr(finops_error_hint(err), "AWS_SECRET_ACCESS_KEY"));
    assert_non_null(strstr(finops_error_hint(err), "aws.secret_access_key"));
    assert_null(strstr(finops_error_hint(err), "hunter2"));
}

static void
a_missing_value_is_named(void **state)
{
    (void)state;
    expect_refusal(load(), "--bucket", "--bucket needs a value", NULL);
    expect_refusal(load(), "--bucket --force", "--bucket needs a value", NULL);
}

static void
a_value_out_of_range_is_named_with_its_flag(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_parsed_done) fo_parsed p = { 0 };

    (void)state;
    assert_int_equal(parse(load(), "--jobs=900", &p, &err), FINOPS_E_USAGE);
    assert_true(fo_starts(finops_error_text(err), "--jobs: "));
    assert_null(p.options); /* untouched on failure */
}

static void
a_flag_that_needs_another_says_so(void **state)
{
    (void)state;
    expect_refusal(load(), "--to=2026-02", "--to needs --from too",
                   "finops help bill load shows how it is used");
}

static void
arguments_are_counted(void **state)
{
    (void)state;
    expect_refusal(fo_verb_named("query"), "", "query needs SQL", "finops help query shows how it is used");
    expect_refusal(fo_verb_named("query"), "a b", "query takes SQL, not also \"b\"", NULL);
    expect_refusal(fo_verb_named("bill show"), "x", "bill show takes no argument \"x\"", NULL);
}

static void
parsing_survives_every_failed_allocation(void **state)
{
    finops_code rc;
    unsigned n = 0;

    (void)state;
    do {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        FO_AUTO(fo_parsed_done) fo_parsed p = { 0 };
        bool failed;

        fo_mem_fail_at(++n);
        rc = parse(load(), "--file=a --file b --bucket=c --mode=fast d", &p, &err);
        failed = fo_mem_failed();
        fo_mem_fail_at(0);
        assert_int_equal(rc, failed ? FINOPS_E_MEMORY : FINOPS_OK);
        assert_true((p.options != NULL) == (rc == FINOPS_OK));
    } while (rc != FINOPS_OK);
    assert_true(n > 8);
}

static void
expect_found(const char *line, const char *name, size_t at, size_t used)
{
    fo_found f = { 0 };

    assert_int_equal(find(line, &f, NULL), FINOPS_OK);
    assert_non_null(f.verb);
    assert_string_equal(f.verb->name, name);
    assert_int_equal(f.at, at);
    assert_int_equal(f.used, used);
}

static void
verbs_of_one_and_two_words_are_found_behind_global_flags(void **state)
{
    (void)state;
    expect_found("query load", "query", 0, 1);
    expect_found("bill load x", "bill load", 0, 2);
    expect_found("--config query -q bill show", "bill show", 3, 2);
}

static void
a_group_alone_is_told_apart_from_nothing(void **state)
{
    fo_found f = { 0 };

    (void)state;
    assert_int_equal(find("bill --help", &f, NULL), FINOPS_OK);
    assert_null(f.verb);
    assert_string_equal(f.group, "bill");
    assert_int_equal(find("--help", &f, NULL), FINOPS_OK);
    assert_null(f.verb);
    assert_null(f.group);
}

static void
expect_unknown(const char *line, const char *text, const char *hint)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fo_found f = { 0 };

    assert_int_equal(find(line, &f, &err), FINOPS_E_USAGE);
    assert_string_equal(finops_error_text(err), text);
    assert_string_equal(finops_error_hint(err), hint);
}

static void
an_unknown_command_names_what_was_meant(void **state)
{
    (void)state;
    expect_unknown("quer", "unknown command \"quer\"", "did you mean \"finops query\"?");
    expect_unknown("bill laod", "unknown command \"bill laod\"", "did you mean \"finops bill load\"?");
    expect_unknown("bil show", "unknown command \"bil\"", "did you mean \"finops bill show\"?");
    expect_unknown("bill xxxxxxxx", "unknown command \"bill xxxxxxxx\"",
                   "finops help bill lists its commands");
    expect_unknown("xxxxxxxx", "unknown command \"xxxxxxxx\"", "finops help lists the commands");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_follows_its_flag_or_an_equals_sign),
        cmocka_unit_test(defaults_stand_until_a_flag_changes_them),
        cmocka_unit_test(a_switch_goes_on_and_off_and_takes_no_word),
        cmocka_unit_test(a_repeated_list_grows),
        cmocka_unit_test(two_dashes_end_the_flags),
        cmocka_unit_test(a_setting_becomes_an_override_that_knows_its_spelling),
        cmocka_unit_test(log_flags_are_settings_of_every_verb),
        cmocka_unit_test(formats_depend_on_the_verb),
        cmocka_unit_test(an_unknown_flag_names_its_nearest_neighbour),
        cmocka_unit_test(a_secret_is_refused_with_its_environment_variable_and_not_repeated),
        cmocka_unit_test(a_missing_value_is_named),
        cmocka_unit_test(a_value_out_of_range_is_named_with_its_flag),
        cmocka_unit_test(a_flag_that_needs_another_says_so),
        cmocka_unit_test(arguments_are_counted),
        cmocka_unit_test(parsing_survives_every_failed_allocation),
        cmocka_unit_test(verbs_of_one_and_two_words_are_found_behind_global_flags),
        cmocka_unit_test(a_group_alone_is_told_apart_from_nothing),
        cmocka_unit_test(an_unknown_command_names_what_was_meant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
