/* Manifests: where they lie, what they may say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "billing/aws/manifest.h"

static void
place_is(const char *key, fo_layout layout, const char *root, const char *period, const char *execution)
{
    FO_AUTO(fo_manifest_place_done) fo_manifest_place place = { 0 };
    bool is = false;

    assert_int_equal(fo_manifest_locate(key, &is, &place, NULL), FINOPS_OK);
    assert_true(is);
    assert_int_equal(place.layout, layout);
    assert_string_equal(place.root, root);
    assert_string_equal(place.period, period);
    if (execution)
        assert_string_equal(place.execution, execution);
    else
        assert_null(place.execution);
}

static void
place_is_none(const char *key)
{
    FO_AUTO(fo_manifest_place_done) fo_manifest_place place = { 0 };
    bool is = true;

    assert_int_equal(fo_manifest_locate(key, &is, &place, NULL), FINOPS_OK);
    assert_false(is);
}

static void
manifests_are_known_by_where_they_lie(void **state)
{
    (void)state;
    place_is("cur/acme/exp/20241101-20241201/exp-Manifest.json", FO_LAYOUT_V1, "cur/acme/exp", "2024-11",
             NULL);
    place_is("exp/20241101-20241201/exp-Manifest.json", FO_LAYOUT_V1, "exp", "2024-11", NULL);
    place_is("exp/20241101-20241201/20241104T071522Z/exp-Manifest.json", FO_LAYOUT_V1, "exp", "2024-11",
             "20241104T071522Z");
    place_is("p/exp/metadata/BILLING_PERIOD=2024-11/exp-Manifest.json", FO_LAYOUT_V2, "p/exp", "2024-11",
             NULL);
    place_is("p/exp/metadata/BILLING_PERIOD=2024-11/t-id/exp-Manifest.json", FO_LAYOUT_V2, "p/exp", "2024-11",
             "t-id");
    place_is("exp/exp/20241101-20241201/exp-Manifest.json", FO_LAYOUT_V1, "exp/exp", "2024-11", NULL);
}

static void
other_files_are_no_manifests(void **state)
{
    (void)state;
    place_is_none("exp/20241101-20241201/exp-00001.csv.gz");
    place_is_none("exp/20241101-20241201/other-Manifest.json");
    place_is_none("exp/20241301-20241401/exp-Manifest.json");
    place_is_none("exp/metadata/BILLING_PERIOD=2024-13/exp-Manifest.json");
    place_is_none("exp/20241101-20241201/a/b/exp-Manifest.json");
    place_is_none("exp-Manifest.json");
    place_is_none("-Manifest.json");
    place_is_none("");
}

static finops_code
parse(const char *text, fo_layout layout, const char *root, fo_manifest **ret, finops_error **err)
{
    char export_name[] = "exp";
    char *root_copy = fo_strdup(root);
    fo_manifest_place place = {
        .layout = layout, .export_name = export_name, .root = root_copy, .period = "2024-11"
    };
    finops_code rc = fo_manifest_parse(text, strlen(text), &place, "m.json", ret, err);

    fo_free(root_copy);
    return rc;
}

static void
a_v1_manifest_names_version_and_files(void **state)
{
    FO_AUTO(fo_manifest_freep) fo_manifest *m = NULL;

    (void)state;
    assert_int_equal(parse("{\"assemblyId\": \"a1\", \"account\": \"012345678901\", \"bucket\": \"b\", "
                           "\"contentType\": \"text/csv\","
                           " \"reportKeys\": [\"/p/exp/x/a1/1.csv.gz\", \"p/exp/x/a1/2.csv.gz\"]}",
                           FO_LAYOUT_V1, "p/exp", &m, NULL),
                     FINOPS_OK);
    assert_string_equal(m->version_id, "a1");
    assert_string_equal(m->account, "012345678901");
    assert_string_equal(m->bucket, "b");
    assert_string_equal(m->format, "v1");
    assert_false(m->parquet);
    assert_int_equal(m->keys.n, 2);
    assert_string_equal(m->keys.items[0], "p/exp/x/a1/1.csv.gz");
}

static void
a_v2_manifest_names_addresses(void **state)
{
    FO_AUTO(fo_manifest_freep) fo_manifest *m = NULL;

    (void)state;
    assert_int_equal(parse("{\"executionId\": \"e1\", \"query\": \"SELECT * FROM FOCUS_1_2_AWS\","
                           " \"dataFiles\": [\"s3://b/p/exp/data/BILLING_PERIOD=2024-11/1.snappy.parquet\"]}",
                           FO_LAYOUT_V2, "p/exp", &m, NULL),
                     FINOPS_OK);
    assert_string_equal(m->bucket, "b");
    assert_string_equal(m->format, "focus-1.2");
    assert_true(m->parquet);
    assert_string_equal(m->keys.items[0], "p/exp/data/BILLING_PERIOD=2024-11/1.snappy.parquet");
}

static void
an_export_mirrored_without_its_prefix_is_found(void **state)
{
    FO_AUTO(fo_manifest_freep) fo_manifest *m = NULL;

    (void)state;
    assert_int_equal(parse("{\"assemblyId\": \"a1\", \"reportKeys\": [\"cur/acme/exp/x/1.csv.gz\"]}",
                           FO_LAYOUT_V1, "exp", &m, NULL),
                     FINOPS_OK);
    assert_string_equal(m->keys.items[0], "exp/x/1.csv.gz");
}

static void
refused(const char *text, fo_layout layout, const char *want)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fo_manifest *m = NULL;

    assert_int_equal(parse(text, layout, "p/exp", &m, &err), FINOPS_E_DATA);
    assert_null(m);
    assert_non_null(strstr(finops_error_text(err), "m.json"));
    if (!strstr(finops_error_text(err), want))
        fail_msg("\"%s\" does not say \"%s\"", finops_error_text(err), want);
}

static void
files_outside_the_exports_folder_are_refused(void **state)
{
    (void)state;
    refused("{\"assemblyId\": \"a\", \"reportKeys\": [\"p/exp/../../etc/passwd\"]}", FO_LAYOUT_V1,
            "not plain");
    refused("{\"assemblyId\": \"a\", \"reportKeys\": [\"p/other/1.csv\"]}", FO_LAYOUT_V1, "outside");
    refused("{\"assemblyId\": \"a\", \"reportKeys\": [\"p/expert/1.csv\"]}", FO_LAYOUT_V1, "outside");
    refused("{\"assemblyId\": \"a\", \"reportKeys\": [\"file:///etc/passwd\"]}", FO_LAYOUT_V1, "no key");
    refused("{\"assemblyId\": \"a\", \"reportKeys\": [\"p/exp/a\\u000ab.csv\"]}", FO_LAYOUT_V1, "control");
    refused("{\"assemblyId\": \"a\", \"reportKeys\": [\"p/exp/1.csv\", \"p/exp/1.csv\"]}", FO_LAYOUT_V1,
            "twice");
    refused("{\"executionId\": \"e\", \"dataFiles\": [\"file:///etc/passwd\"]}", FO_LAYOUT_V2, "s3://");
    refused("{\"executionId\": \"e\", \"dataFiles\": [\"s3://b\"]}", FO_LAYOUT_V2, "s3://");
    refused("{\"executionId\": \"e\", \"dataFiles\": [\"s3://b/p/exp/1.csv\", \"s3://c/p/exp/2.csv\"]}",
            FO_LAYOUT_V2, "another bucket");
}

static void
what_is_no_manifest_is_refused_by_name(void **state)
{
    (void)state;
    refused("", FO_LAYOUT_V1, "not JSON");
    refused("{\"assemblyId\": ", FO_LAYOUT_V1, "line 1 is not JSON");
    refused("[]", FO_LAYOUT_V1, "not a JSON object");
    refused("{}", FO_LAYOUT_V1, "no \"assemblyId\"");
    refused("{}", FO_LAYOUT_V2, "no \"executionId\"");
    refused("{\"assemblyId\": \"a\\u0001\"}", FO_LAYOUT_V1, "control");
    refused("{\"assemblyId\": \"a\"}", FO_LAYOUT_V1, "no list");
    refused("{\"assemblyId\": \"a\", \"reportKeys\": [1]}", FO_LAYOUT_V1, "no text");
    refused("{\"assemblyId\": \"a\", \"assemblyId\": \"b\"}", FO_LAYOUT_V1, "duplicate");
}

static void
parsing_survives_every_failed_allocation(void **state)
{
    finops_code rc;
    unsigned n = 0;

    (void)state;
    do {
        FO_AUTO(finops_error_freep) finops_error *err = NULL;
        FO_AUTO(fo_manifest_freep) fo_manifest *m = NULL;
        char export_name[] = "exp", root[] = "p/exp";
        fo_manifest_place place = {
            .layout = FO_LAYOUT_V2, .export_name = export_name, .root = root, .period = "2024-11"
        };
        static const char text[] =
            "{\"executionId\": \"e\", \"dataFiles\": [\"s3://b/p/exp/1.csv\", \"s3://b/p/exp/2.csv\"]}";

        fo_mem_fail_at(++n);
        rc = fo_manifest_parse(text, strlen(text), &place, "m.json", &m, &err);
        bool hit = fo_mem_failed();
        fo_mem_fail_at(0);
        assert_int_equal(rc, hit ? FINOPS_E_MEMORY : FINOPS_OK);
        assert_true((m != NULL) == (rc == FINOPS_OK));
    } while (rc != FINOPS_OK);
    assert_true(n > 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manifests_are_known_by_where_they_lie),
        cmocka_unit_test(other_files_are_no_manifests),
        cmocka_unit_test(a_v1_manifest_names_version_and_files),
        cmocka_unit_test(a_v2_manifest_names_addresses),
        cmocka_unit_test(an_export_mirrored_without_its_prefix_is_found),
        cmocka_unit_test(files_outside_the_exports_folder_are_refused),
        cmocka_unit_test(what_is_no_manifest_is_refused_by_name),
        cmocka_unit_test(parsing_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
