/* The JSON schema and the reference page, both made from the tables; and the tables themselves. */
#include <ctype.h>

#include <jansson.h>

#include "config_test.h"

static const finops_option cloud_options[] = {
    { "region", FINOPS_OPT_STRING, .env = "CLOUD_REGION", .help = "Region of the cloud." },
    { "token", FINOPS_OPT_STRING, .flags = FINOPS_OPT_SECRET, .help = "Token of the cloud." },
    { 0 },
};
static const finops_option again_options[] = {
    { "attempts", FINOPS_OPT_INT, .value = "5", .min = 1, .max = 9, .help = "Attempts at most." },
    { 0 },
};
static const fo_config_table drivers[] = { { "cloud", "A cloud", cloud_options } };
static const fo_config_table layers[] = { { "again", NULL, again_options } };
static const fo_config_storages storages = { drivers, 1, layers, 1 };

static json_t *
schema(void)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    json_t *root;

    assert_int_equal(fo_config_schema(&storages, &text, NULL), FINOPS_OK);
    root = json_loads(fo_str_z(&text), JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(root);
    return root;
}

/* The schema of a section, borrowed. */
static json_t *
section_of(json_t *root, const char *path)
{
    FO_AUTO(fo_strv_done) fo_strv parts = FO_STRV_INIT;
    json_t *at = root;

    assert_true(fo_strv_split(&parts, path, '.'));
    for (size_t i = 0; i < parts.n; i++) {
        at = json_object_get(json_object_get(at, "properties"), parts.items[i]);
        if (json_object_get(at, "items"))
            at = json_object_get(at, "items");
    }
    assert_non_null(at);
    return at;
}

static void
the_schema_has_every_option_and_nothing_else(void **state)
{
    json_t *root = schema();

    (void)state;
    assert_string_equal(json_string_value(json_object_get(root, "$schema")),
                        "https://json-schema.org/draft/2020-12/schema");
    assert_true(json_is_false(json_object_get(root, "additionalProperties")));
    for (const fo_config_section *s = fo_config_sections; s->path; s++) {
        json_t *section = section_of(root, s->path);

        if (strcmp(s->path, "database") == 0 || strcmp(s->path, "storage") == 0) /* sections of plugins */
            assert_true(json_is_object(json_object_get(section, "additionalProperties")));
        else
            assert_true(json_is_false(json_object_get(section, "additionalProperties")));
        for (const finops_option *o = s->options; o->name; o++) {
            json_t *option = json_object_get(json_object_get(section, "properties"), o->name);

            assert_non_null(option);
            assert_string_equal(json_string_value(json_object_get(option, "description")), o->help);
            assert_int_equal(json_is_true(json_object_get(option, "writeOnly")),
                             (o->flags & FINOPS_OPT_SECRET) != 0);
        }
    }
    json_decref(root);
}

static void
the_schema_knows_types_ranges_and_defaults(void **state)
{
    json_t *root = schema();
    json_t *network = json_object_get(section_of(root, "network"), "properties");
    json_t *aws = json_object_get(section_of(root, "aws"), "properties");
    json_t *timeout = json_object_get(network, "timeout");

    (void)state;
    assert_string_equal(json_string_value(json_object_get(timeout, "type")), "integer");
    assert_int_equal(json_integer_value(json_object_get(timeout, "minimum")), 1);
    assert_int_equal(json_integer_value(json_object_get(timeout, "maximum")), 3600);
    assert_int_equal(json_integer_value(json_object_get(timeout, "default")), 30);
    assert_true(json_is_false(json_object_get(json_object_get(aws, "reset"), "default")));
    assert_string_equal(json_string_value(json_object_get(json_object_get(aws, "exports"), "type")), "array");
    assert_string_equal(
        json_string_value(json_array_get(json_object_get(json_object_get(aws, "cur_version"), "enum"), 1)),
        "v2");
    json_decref(root);
}

static void
the_reference_names_every_key_and_variable(void **state)
{
    FO_AUTO(fo_str_done) fo_str page = FO_STR_INIT;

    (void)state;
    assert_int_equal(fo_config_reference(&storages, &page, NULL), FINOPS_OK);
    for (const fo_config_section *s = fo_config_sections; s->path; s++) {
        for (const finops_option *o = s->options; o->name && !s->repeated; o++) {
            FO_AUTO(fo_str_done) fo_str key = FO_STR_INIT, name = FO_STR_INIT;

            fo_str_addf(&key, "| `%s` |", o->name);
            assert_non_null(strstr(fo_str_z(&page), fo_str_z(&key)));
            assert_int_equal(fo_option_env_name(s->path, o->name, &name, NULL), FINOPS_OK);
            assert_non_null(strstr(fo_str_z(&page), fo_str_z(&name)));
            assert_non_null(strstr(fo_str_z(&page), o->help));
        }
    }
}

/* The two examples of the page, which stand between ``` marks, load. */
static void
the_examples_of_the_reference_load(void **state)
{
    static const char *const marks[] = { "```toml\n", "```yaml\n" };
    FO_AUTO(fo_str_done) fo_str page = FO_STR_INIT;

    (void)state;
    assert_int_equal(fo_config_reference(&storages, &page, NULL), FINOPS_OK);
    for (size_t i = 0; i < FO_COUNT(marks); i++) {
        FO_AUTO(fo_config_freep) fo_config *config = NULL;
        const char *begin = strstr(fo_str_z(&page), marks[i]) + strlen(marks[i]);
        FO_AUTO(fo_freep) char *text = fo_strndup(begin, (size_t)(strstr(begin, "```") - begin));

        assert_int_equal(load_with(i == 0 ? FO_CONFIG_TOML : FO_CONFIG_YAML, text, NULL, NULL, &config, NULL),
                         FINOPS_OK);
        assert_int_equal(fo_config_settings(config)->n_exports, 2);
    }
}

static void
a_storage_has_the_options_of_drivers_and_layers(void **state)
{
    FO_AUTO(fo_str_done) fo_str page = FO_STR_INIT;
    json_t *root = schema(), *place, *layer;

    (void)state;
    place =
        json_object_get(json_object_get(section_of(root, "storage"), "additionalProperties"), "properties");
    assert_non_null(json_object_get(place, "address"));
    assert_non_null(json_object_get(place, "region"));
    assert_true(json_is_true(json_object_get(json_object_get(place, "token"), "writeOnly")));
    layer = json_object_get(json_object_get(place, "again"), "properties");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(layer, "attempts"), "maximum")), 9);
    json_decref(root);
    assert_int_equal(fo_config_reference(&storages, &page, NULL), FINOPS_OK);
    assert_non_null(strstr(fo_str_z(&page), "### Backend cloud\n\nA cloud.\n"));
    assert_non_null(strstr(fo_str_z(&page), "`OPEN_FINOPS_STORAGE_<NAME>_REGION`, `CLOUD_REGION` | Region"));
    assert_non_null(strstr(fo_str_z(&page), "### [storage.<name>.again]"));
    assert_non_null(
        strstr(fo_str_z(&page), "`OPEN_FINOPS_STORAGE_<NAME>_AGAIN_ATTEMPTS` | Attempts at most."));
}

static void
every_row_is_well_made(void **state)
{
    (void)state;
    for (const fo_config_section *s = fo_config_sections; s->path; s++) {
        assert_non_null(s->help);
        for (const finops_option *o = s->options; o->name; o++) {
            for (const char *p = o->name; *p; p++)
                assert_true(islower((unsigned char)*p) || fo_is_digit(*p) || *p == '_');
            assert_true(o->help && isgraph((unsigned char)o->help[0]) && fo_ends(o->help, "."));
            assert_true((o->type == FINOPS_OPT_ENUM) == (o->allow != NULL));
            assert_true(!o->needs || fo_option_index(s->options, o->needs) >= 0);
            assert_ptr_equal(&s->options[fo_option_index(s->options, o->name)], o);
        }
    }
}

static void
pages_survive_every_failed_allocation(void **state)
{
    finops_code (*const makers[])(const fo_config_storages *, fo_str *,
                                  finops_error **) = { fo_config_schema, fo_config_reference };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(makers); i++) {
        for (unsigned n = 1;; n++) {
            FO_AUTO(fo_str_done) fo_str page = FO_STR_INIT;
            finops_code rc;
            bool failed;

            fo_mem_fail_at(n);
            rc = makers[i](&storages, &page, NULL);
            failed = fo_mem_failed();
            fo_mem_fail_at(0);
            assert_int_equal(rc, failed ? FINOPS_E_MEMORY : FINOPS_OK);
            if (!failed)
                break;
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_schema_has_every_option_and_nothing_else),
        cmocka_unit_test(the_schema_knows_types_ranges_and_defaults),
        cmocka_unit_test(the_reference_names_every_key_and_variable),
        cmocka_unit_test(the_examples_of_the_reference_load),
        cmocka_unit_test(a_storage_has_the_options_of_drivers_and_layers),
        cmocka_unit_test(every_row_is_well_made),
        cmocka_unit_test(pages_survive_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
