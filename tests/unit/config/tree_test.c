/* TOML and YAML into one tree. */
#include "config_test.h"

static void
assert_same(const fo_node *a, const fo_node *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->n, b->n);
    if (a->text)
        assert_string_equal(a->text, b->text);
    for (const fo_node *x = a->first, *y = b->first; x; x = x->next, y = y->next) {
        if (a->type == FO_NODE_MAP)
            y = fo_node_find(b, x->key);
        assert_non_null(y);
        assert_same(x, y);
    }
}

static fo_node *
parse(fo_config_format format, const char *text)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fo_node *root = NULL;
    finops_code rc = fo_config_parse_text(format, "file", text, strlen(text), &root, &err);

    if (rc != FINOPS_OK)
        fail_msg("%s", finops_error_text(err));
    return root;
}

static void
assert_syntax(fo_config_format format, const char *text, const char *message)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fo_node *root = NULL;

    assert_int_equal(fo_config_parse_text(format, "file", text, strlen(text), &root, &err), FINOPS_E_CONFIG);
    assert_string_equal(finops_error_text(err), message);
    assert_null(root);
}

static void
toml_and_yaml_give_the_same_tree(void **state)
{
    FO_AUTO(fo_node_freep)
    fo_node *toml =
        parse(FO_CONFIG_TOML, "[aws]\nbucket = \"b\"\nreset = true\nstart_date = 2024-10-01\n"
                              "list = [\"x\", 'y']\n[[aws.exports]]\nexport_name = \"00123\"\n"
                              "[[aws.exports]]\n\"odd key\" = -7\nf = 1.5\n[database.duckdb]\nthreads = 4\n");
    FO_AUTO(fo_node_freep)
    fo_node *yaml = parse(FO_CONFIG_YAML,
                          "aws:\n  bucket: b\n  reset: True\n  start_date: 2024-10-01\n  list: [x, \"y\"]\n"
                          "  exports:\n    - export_name: '00123'\n    - {odd key: -7, f: 1.5}\n"
                          "database:\n  duckdb:\n    threads: +4\n");

    (void)state;
    assert_same(toml, yaml);
    assert_same(yaml, toml);
}

static void
nodes_know_their_line(void **state)
{
    static const char *const texts[] = { "\n# c\n[aws]\n\nbucket = \"b\"\n", "\n# c\naws:\n\n  bucket: b\n" };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(texts); i++) {
        FO_AUTO(fo_node_freep) fo_node *root = parse(i == 0 ? FO_CONFIG_TOML : FO_CONFIG_YAML, texts[i]);
        const fo_node *aws = fo_node_find(root, "aws");

        assert_int_equal(aws->line, 3);
        assert_int_equal(fo_node_find(aws, "bucket")->line, 5);
    }
}

static void
an_empty_file_is_an_empty_map(void **state)
{
    static const char *const texts[] = { "", "\n\n", "# nothing\n",
                                         "\xef\xbb\xbf# with a byte order mark\n" };

    (void)state;
    for (size_t i = 0; i < 2 * FO_COUNT(texts); i++) {
        FO_AUTO(fo_node_freep) fo_node *root = parse(i % 2 ? FO_CONFIG_TOML : FO_CONFIG_YAML, texts[i / 2]);

        assert_int_equal(root->type, FO_NODE_MAP);
        assert_int_equal(root->n, 0);
    }
}

static void
yaml_scalars_have_the_types_of_the_core_schema(void **state)
{
    static const struct {
        const char *text;
        fo_node_type type;
    } cases[] = {
        { "x: yes", FO_NODE_TEXT },     { "x: 0x1f", FO_NODE_TEXT },  { "x: '12'", FO_NODE_TEXT },
        { "x: 12", FO_NODE_INT },       { "x: -12", FO_NODE_INT },    { "x: 1e3", FO_NODE_FLOAT },
        { "x: .5", FO_NODE_FLOAT },     { "x: 1.", FO_NODE_FLOAT },   { "x: .", FO_NODE_TEXT },
        { "x: -", FO_NODE_LIST },       { "x: ~", FO_NODE_NULL },     { "x:", FO_NODE_NULL },
        { "x: null", FO_NODE_NULL },    { "x: false", FO_NODE_BOOL }, { "x: 2024-10-01", FO_NODE_DATE },
        { "x: 2024-10", FO_NODE_TEXT }, { "x: 12:30", FO_NODE_TEXT }, { "x: 1e", FO_NODE_TEXT },
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(cases); i++) {
        const char *text = strcmp(cases[i].text, "x: -") == 0 ? "x:\n  - 1" : cases[i].text;
        FO_AUTO(fo_node_freep) fo_node *root = parse(FO_CONFIG_YAML, text);

        assert_int_equal(root->first->type, cases[i].type);
    }
}

static void
toml_mistakes_name_the_line_and_the_way_out(void **state)
{
    static const char *const cases[][2] = {
        { "[aws]\nbucket = x\n", "file:2: not a value; text needs quotes around it" },
        { "[aws]\nstart_date = 2024-10\n",
          "file:2: not a date; text, and a month such as \"2024-10\", needs quotes around it" },
        { "[aws]\na = 1\na = 2\n", "file:3: value (\"a\") already exists in line 2" },
        { "[aws]\nb = 1\n[aws]\n", "file:3: table (\"aws\") already exists in line 1" },
        { "[aws\n", "file:1: not a key; a section is written [name], a value key = value" },
        { "\n\na \"b\"\n", "file:3: expected key = value" },
        { "a = 007\n", "file:1: a number starts with 0; text such as \"007\" needs quotes around it" },
        { "a = 1 b = 2\n", "file:1: expected the end of the line after the value" },
        { "a = 2024-02-30\n", "file:1: there is no such date" },
        { "a = \"C:\\data\"\n",
          "file:1: text is not closed, or has a lone backslash: write \\\\, or use 'single quotes'" },
        { "a = \"x\\u0000y\"\n", "file:1: text with a NUL character" },
        { "a = \"\xff\"\n", "file:1: not valid UTF-8" },
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(cases); i++)
        assert_syntax(FO_CONFIG_TOML, cases[i][0], cases[i][1]);
}

static void
a_syntax_error_shows_nothing_of_a_secret(void **state)
{
    static const char *const texts[] = {
        "secret_access_key \"HUSH\"\n",      "secret_access_key = HUSH\n",
        "secret_access_key = \"HUSH\n",      "secret_access_key = \"a\" HUSH\n",
        "secret_access_key = \"HUSH\\q\"\n", "a = 1\na = \"HUSH\"\n",
        "secret_access_key: [HUSH\n",        "secret_access_key: \"HUSH\n",
        "secret_access_key: HUSH: HUSH\n",
    };

    (void)state;
    for (size_t i = 0; i < 2 * FO_COUNT(texts); i++) {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        FO_AUTO(fo_node_freep) fo_node *root = NULL;
        const char *text = texts[i / 2];

        fo_config_parse_text(i % 2 ? FO_CONFIG_TOML : FO_CONFIG_YAML, "file", text, strlen(text), &root,
                             &err);
        assert_null(strstr(finops_error_text(err), "HUSH"));
    }
}

static void
yaml_mistakes_name_the_line(void **state)
{
    static const char *const cases[][2] = {
        { "aws:\n  a: 1\n  a: 2\n", "file:3: key \"a\" already exists in line 2" },
        { "a: 1\n---\nb: 2\n", "file:2: a second document starts here; a configuration is one document" },
        { "a: &x [1]\nb: *x\n",
          "file:1: anchors, aliases and tags are not supported here: write the value out" },
        { "a: !!str 1\n", "file:1: anchors, aliases and tags are not supported here: write the value out" },
        { "a: *x\n", "file:1: anchors, aliases and tags are not supported here: write the value out" },
        { "- a\n- b\n", "file:1: expected sections such as \"aws:\" at the start of a line" },
        { "just text", "file:1: expected sections such as \"aws:\" at the start of a line" },
        { "? [a]\n: 1\n", "file:1: a key must be plain text" },
        { "a: \"x\\0y\"\n", "file:1: text with a NUL character" },
        { "a: [1, 2\n",
          "file:2: did not find expected ',' or ']' while parsing a flow sequence that starts in line 1" },
        { "a:\n\tb: 1\n", "file:2: found character that cannot start any token while scanning for the next "
                          "token that starts in "
                          "line 2" },
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(cases); i++)
        assert_syntax(FO_CONFIG_YAML, cases[i][0], cases[i][1]);
}

static void
deep_nesting_is_refused_before_it_costs_anything(void **state)
{
    static const struct {
        fo_config_format format;
        const char *begin, *piece;
    } cases[] = {
        { FO_CONFIG_TOML, "x = ", "[" }, { FO_CONFIG_TOML, "x = ", "{a=" }, { FO_CONFIG_TOML, "", "a." },
        { FO_CONFIG_YAML, "", "[" },     { FO_CONFIG_YAML, "", "{a: " },    { FO_CONFIG_YAML, "", "- " },
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(cases); i++) {
        FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

        fo_str_add(&text, cases[i].begin);
        for (int k = 0; k < 2000; k++)
            fo_str_add(&text, cases[i].piece);
        assert_syntax(cases[i].format, fo_str_z(&text), "file:1: nested too deeply");
    }
}

static void
brackets_in_strings_and_comments_do_not_nest(void **state)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    FO_AUTO(fo_node_freep) fo_node *root = NULL;

    (void)state;
    fo_str_add(
        &text,
        "# [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\na = \"[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[\"\n"
        "b = '[[[[[[[[[[[[[[[[[[[[[[[[['\nc = \"\"\"\n[[[[[[[[[[[[[[[[[[[[[[\"\"\"\n"
        "d = '''[[[[[[[[[[[[[[[[[\n[[[[[[[[''' # a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t\n"
        "e = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]\n");
    root = parse(FO_CONFIG_TOML, fo_str_z(&text));
    assert_int_equal(root->n, 5);
}

static void
a_file_too_large_is_refused(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_freep) char *text = fo_alloc(FO_CONFIG_TEXT_MAX + 1);
    fo_node *root = NULL;

    (void)state;
    memset(text, '\n', FO_CONFIG_TEXT_MAX + 1);
    assert_int_equal(fo_config_parse_text(FO_CONFIG_TOML, "file", text, FO_CONFIG_TEXT_MAX + 1, &root, &err),
                     FINOPS_E_CONFIG);
    assert_string_equal(finops_error_text(err), "file: larger than 262144 bytes");
}

static void
what_would_take_minutes_is_refused(void **state)
{
    FO_AUTO(fo_str_done) fo_str wide = FO_STR_INIT, tall = FO_STR_INIT;

    (void)state;
    fo_str_add(&wide, "\na = [");
    fo_str_add(&tall, "a = [");
    for (int i = 0; i < 30000; i++) {
        fo_str_add(&wide, "1,");
        fo_str_add(&tall, i % 100 ? "1," : "1,\n");
    }
    assert_syntax(FO_CONFIG_TOML, fo_str_z(&wide), "file:2: line too long");
    assert_syntax(FO_CONFIG_TOML, fo_str_z(&tall), "file:201: too many values");
}

static void
parsing_survives_every_failed_allocation(void **state)
{
    static const char *const texts[] = {
        "[aws]\nb = \"c\"\nd = [\"e\", 1, true, 2024-10-01]\n[[aws.x]]\ny=1.5\n",
        "aws:\n  b: c\n  d: [e, 1, true, 2024-10-01]\n  x:\n    - y: 1.5\n"
    };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(texts); i++) {
        for (unsigned n = 1;; n++) {
            FO_AUTO(fo_node_freep) fo_node *root = NULL;
            finops_code rc;
            bool failed;

            fo_mem_fail_at(n);
            rc = fo_config_parse_text(i == 0 ? FO_CONFIG_TOML : FO_CONFIG_YAML, "file", texts[i],
                                      strlen(texts[i]), &root, NULL);
            failed = fo_mem_failed();
            fo_mem_fail_at(0);
            assert_int_equal(rc, failed ? FINOPS_E_MEMORY : FINOPS_OK);
            assert_true((root != NULL) == (rc == FINOPS_OK));
            if (!failed)
                break;
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(toml_and_yaml_give_the_same_tree),
        cmocka_unit_test(nodes_know_their_line),
        cmocka_unit_test(an_empty_file_is_an_empty_map),
        cmocka_unit_test(yaml_scalars_have_the_types_of_the_core_schema),
        cmocka_unit_test(toml_mistakes_name_the_line_and_the_way_out),
        cmocka_unit_test(a_syntax_error_shows_nothing_of_a_secret),
        cmocka_unit_test(yaml_mistakes_name_the_line),
        cmocka_unit_test(deep_nesting_is_refused_before_it_costs_anything),
        cmocka_unit_test(brackets_in_strings_and_comments_do_not_nest),
        cmocka_unit_test(a_file_too_large_is_refused),
        cmocka_unit_test(what_would_take_minutes_is_refused),
        cmocka_unit_test(parsing_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
