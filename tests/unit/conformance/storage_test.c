/* The suite of storage over what needs no server: memory, files, and both behind all layers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "config/config.h"
#include "conformance/storage.h"
#include "storage/local/driver.h"
#include "storage/memory/driver.h"
#include "storage/storage.h"

static void
note(const fo_case_result *r, void *arg)
{
    if (r->outcome == FO_CASE_FAILED || getenv("VERBOSE"))
        printf("%-11s %6.1f ms %s: %s: %s%s%s\n", fo_case_outcome_name(r->outcome), r->seconds * 1e3,
               (const char *)arg, r->area, r->name, r->why[0] ? ": " : "", r->why);
}

/* Runs all cases over the stage, which it takes over; names the ones that fail. */
static fo_conformance_summary
run_over(fo_stage *stage, const char *name)
{
    union {
        const char *in;
        void *out;
    } arg = { .in = name };
    const fo_storage_conformance_options options = { .each = note,
                                                     .arg = arg.out,
                                                     .filter = getenv("FILTER") };
    FO_AUTO(finops_storage_closep) finops_storage *storage = NULL;
    finops_error *err = NULL;
    fo_conformance_summary summary = { 0 };

    assert_int_equal(fo_storage_over(stage, name, &storage, &err), FINOPS_OK);
    if (fo_storage_conformance_run(storage, &options, &summary, &err) != FINOPS_OK)
        fail_msg("%s: %s", name, finops_error_text(err));
    printf("%s: %u passed, %u failed, %u not claimed\n", name, summary.passed, summary.failed,
           summary.not_claimed);
    return summary;
}

static fo_stage
memory(void)
{
    fo_stage stage = { .driver = &fo_memory_driver };

    assert_int_equal(fo_memory_driver.open(NULL, &stage.self, NULL), FINOPS_OK);
    return stage;
}

/* In memory where there is such a place: thousands of files are renamed. */
static fo_stage
local(char folder[40])
{
    char inside[] = "inside";
    const fo_local_settings settings = { .path = folder, .links = inside };
    fo_stage stage = { .driver = &fo_local_driver };

    (void)snprintf(folder, 40, "%s/finops-suite-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(fo_local_driver.open(&settings, &stage.self, NULL), FINOPS_OK);
    return stage;
}

/* Puts every layer on top that there is, with its defaults. */
static void
wrap(fo_stage *stage)
{
    for (size_t i = 0; fo_layers[i]; i++) {
        void *config = fo_zalloc(fo_layers[i]->config_size + 1);
        finops_error *err = NULL;

        assert_non_null(config);
        assert_int_equal(fo_option_defaults(fo_layers[i]->options, config, &err), FINOPS_OK);
        if (fo_layers[i]->wrap(config, "test", *stage, stage, &err) != FINOPS_OK)
            fail_msg("%s: %s", fo_layers[i]->name, finops_error_text(err));
        fo_option_clear(fo_layers[i]->options, config);
        fo_free(config);
    }
}

static void
memory_does_all_it_claims(void **state)
{
    fo_stage stage = memory();
    fo_conformance_summary s = run_over(&stage, "memory");

    (void)state;
    assert_int_equal(s.failed, 0);
    if (!getenv("FILTER"))
        assert_in_range(s.not_claimed, 1, 4);
}

static void
files_do_all_they_claim(void **state)
{
    char folder[40];
    fo_stage stage = local(folder);
    fo_conformance_summary s = run_over(&stage, "local");

    (void)state;
    assert_int_equal(s.failed, 0);
    if (!getenv("FILTER"))
        assert_in_range(s.not_claimed, 1, 8);
    assert_int_equal(rmdir(folder), 0); /* nothing is left in it */
}

static void
memory_behind_all_layers_does_too(void **state)
{
    fo_stage stage = memory();

    (void)state;
    wrap(&stage);
    assert_int_equal(run_over(&stage, "layers over memory").failed, 0);
}

static void
files_behind_all_layers_do_too(void **state)
{
    char folder[40];
    fo_stage stage = local(folder);

    (void)state;
    wrap(&stage);
    assert_int_equal(run_over(&stage, "layers over local").failed, 0);
    assert_int_equal(rmdir(folder), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_does_all_it_claims),
        cmocka_unit_test(files_do_all_they_claim),
        cmocka_unit_test(memory_behind_all_layers_does_too),
        cmocka_unit_test(files_behind_all_layers_do_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
