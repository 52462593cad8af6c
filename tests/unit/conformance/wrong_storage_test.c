/*
 * The suite of storage can fail: storage in memory is made wrong in one way at a time, and the cases about
 * that fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/mem.h"
#include "conformance/storage.h"
#include "storage/memory/driver.h"
#include "storage/storage.h"

static const finops_storage_driver *const right = &fo_memory_driver;
/* What each wrong driver does otherwise; the rest is memory's. */
static finops_storage_driver wrong;

/* ---- what is wrong ---- */

static finops_code
put_trimming(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
             finops_error **err)
{
    FO_AUTO(fo_freep) char *key = fo_strdup(put->key);
    finops_put other = *put;

    for (size_t len = strlen(key); len > 1 && key[len - 1] == ' '; len--)
        key[len - 1] = '\0';
    other.key = key;
    return right->put(self, &other, data, n, ret, err);
}

static finops_code
put_without_conditions(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
                       finops_error **err)
{
    finops_put other = *put;

    other.create_only = false;
    other.if_version = NULL;
    return right->put(self, &other, data, n, ret, err);
}

static finops_code
put_without_metadata(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
                     finops_error **err)
{
    finops_put other = *put;

    other.n_metadata = 0;
    return right->put(self, &other, data, n, ret, err);
}

static finops_code
put_without_call(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
                 finops_error **err)
{
    finops_put other = *put;

    other.call = NULL;
    return right->put(self, &other, data, n, ret, err);
}

static finops_code
put_telling_little(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
                   finops_error **err)
{
    finops_code rc = right->put(self, put, data, n, ret, err);

    if (rc == FINOPS_OK && ret)
        ret->version = "another";
    return rc;
}

static finops_code
put_cutting_off(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
                finops_error **err)
{
    return right->put(self, put, data, n > 65536 ? 65536 : n, ret, err);
}

static finops_code
read_from_the_start(void *self, const finops_get *get, finops_reader **ret, finops_error **err)
{
    finops_get other = *get;

    other.offset = 0;
    return right->read(self, &other, ret, err);
}

static finops_code
read_any_version(void *self, const finops_get *get, finops_reader **ret, finops_error **err)
{
    finops_get other = *get;

    other.if_version = other.unless_version = NULL;
    return right->read(self, &other, ret, err);
}

static finops_code
list_in_folders(void *self, const finops_list *list, finops_each_object each, void *arg, finops_error **err)
{
    FO_AUTO(fo_freep) char *folder = fo_strdup(list->prefix);
    finops_list other = *list;
    char *slash = strrchr(folder, '/');

    if (slash)
        slash[1] = '\0';
    other.prefix = folder;
    return right->list(self, &other, each, arg, err);
}

static finops_code
list_beside_the_folder(void *self, const finops_list *list, finops_each_object each, void *arg,
                       finops_error **err)
{
    FO_AUTO(fo_freep) char *name = fo_strdup(list->prefix);
    finops_list other = *list;
    size_t n = strlen(name);

    if (n > 0 && name[n - 1] == '/')
        name[n - 1] = '\0';
    other.prefix = name;
    return right->list(self, &other, each, arg, err);
}

static finops_code
list_including_the_first(void *self, const finops_list *list, finops_each_object each, void *arg,
                         finops_error **err)
{
    FO_AUTO(fo_freep) char *after = list->start_after ? fo_strdup(list->start_after) : NULL;
    finops_list other = *list;

    if (after && after[0])
        after[strlen(after) - 1]--;
    other.start_after = after;
    return right->list(self, &other, each, arg, err);
}

static finops_code
remove_what_must_be_there(void *self, const finops_remove *remove, finops_error **err)
{
    finops_object object;
    finops_code rc = right->stat(self, remove->key, NULL, &object, err);

    if (rc != FINOPS_OK)
        return rc;
    finops_object_done(&object);
    return right->remove(self, remove, err);
}

static finops_code
stat_of_folders_too(void *self, const char *key, const finops_call *call, finops_object *ret,
                    finops_error **err)
{
    finops_code rc = right->stat(self, key, call, ret, err);

    if (rc != FINOPS_E_NOT_FOUND)
        return rc;
    finops_error_freep(err);
    return finops_object_copy(&(finops_object){ .key = key }, ret, err);
}

static finops_code
stat_with_a_wrong_sum(void *self, const char *key, const finops_call *call, finops_object *ret,
                      finops_error **err)
{
    finops_code rc = right->stat(self, key, call, ret, err);

    if (rc == FINOPS_OK)
        ret->checksum = "crc64nvme:0000000000000000";
    return rc;
}

static finops_code
copy_of_the_target(void *self, const finops_copy *copy, finops_object *ret, finops_error **err)
{
    finops_copy other = *copy;

    other.create_only = false;
    return right->copy(self, &other, ret, err);
}

static finops_code
move_that_copies(void *self, const finops_copy *move, finops_error **err)
{
    return right->copy(self, move, NULL, err);
}

static finops_code
upload_seen_at_once(void *self, const finops_put *put, finops_upload **ret, finops_error **err)
{
    finops_code rc = right->put(self, put, "early", 5, NULL, err);

    return rc == FINOPS_OK ? right->upload(self, put, ret, err) : rc;
}

static finops_code
sweep_of_nothing(void *self, const char *prefix, int64_t before_us, const finops_call *call,
                 finops_each_object each, void *arg, finops_error **err)
{
    const finops_object object = { .key = "elsewhere" };

    (void)self, (void)prefix, (void)before_us, (void)call, (void)err;
    if (each)
        (void)each(&object, arg);
    return FINOPS_OK;
}

static const struct {
    const char *cases; /* that fail */
    finops_storage_driver slots;
} ways[] = {
    { "K3 *", { .put = put_trimming } },
    { "C1 *", { .put = put_without_conditions } },
    { "C3 the right version is replaced*", { .put = put_without_conditions } },
    { "C4 *", { .put = put_without_conditions } },
    { "P4 content*", { .put = put_without_metadata } },
    { "F6 past*", { .put = put_without_call } },
    { "P3 a put*", { .put = put_telling_little } },
    { "P1 objects of 0*", { .put = put_cutting_off } },
    { "R2 *", { .read = read_from_the_start } },
    { "R5 a version*", { .read = read_any_version } },
    { "R10 *", { .read = read_any_version } },
    { "L4 *", { .list = list_in_folders } },
    { "D3 a prefix*", { .list = list_beside_the_folder } },
    { "L5 a list begins*", { .list = list_including_the_first } },
    { "D1 deleting*", { .remove = remove_what_must_be_there } },
    { "R7 what*", { .stat = stat_of_folders_too } },
    { "I2 the checksum of an object is*", { .stat = stat_with_a_wrong_sum } },
    { "D4 a copy may*", { .copy = copy_of_the_target } },
    { "D5 a move leaves*", { .move = move_that_copies } },
    { "M1 nothing*", { .upload = upload_seen_at_once } },
    { "M6 *", { .sweep = sweep_of_nothing } },
};

static fo_conformance_summary
run_wrong(const char *filter)
{
    const fo_storage_conformance_options options = { .filter = filter };
    FO_AUTO(finops_storage_closep) finops_storage *storage = NULL;
    fo_conformance_summary summary = { 0 };
    fo_stage stage = { .driver = &wrong };
    finops_error *err = NULL;

    assert_int_equal(wrong.open(NULL, &stage.self, NULL), FINOPS_OK);
    assert_int_equal(fo_storage_over(&stage, "wrong", &storage, &err), FINOPS_OK);
    if (fo_storage_conformance_run(storage, &options, &summary, &err) != FINOPS_OK)
        fail_msg("%s: %s", filter, finops_error_text(err));
    return summary;
}

#define USE(slot)                                                                                            \
    if (ways[i].slots.slot)                                                                                  \
    wrong.slot = ways[i].slots.slot

static void
each_wrong_way_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < FO_COUNT(ways); i++) {
        wrong = fo_memory_driver;
        assert_int_equal(run_wrong(ways[i].cases).failed, 0);
        USE(put);
        USE(read);
        USE(list);
        USE(remove);
        USE(stat);
        USE(copy);
        USE(move);
        USE(upload);
        USE(sweep);
        if (run_wrong(ways[i].cases).failed == 0)
            fail_msg("way %zu: no case of \"%s\" fails", i, ways[i].cases);
    }
}

static uint64_t
claims_less(void *self)
{
    return right->features(self) & ~(uint64_t)(FINOPS_STORAGE_CREATE_ONLY | FINOPS_STORAGE_PARTS);
}

static uint64_t
claims_more(void *self)
{
    return right->features(self) | FINOPS_STORAGE_PRESIGN;
}

static void
what_is_not_claimed_is_not_tested(void **state)
{
    fo_conformance_summary s;

    (void)state;
    wrong = fo_memory_driver;
    wrong.features = claims_less;
    wrong.put = put_without_conditions;
    s = run_wrong("C[12]*");
    assert_int_equal(s.failed + s.passed, 0);
    assert_int_equal(s.not_claimed, 2);
}

static void
what_is_claimed_without_a_slot_is_found(void **state)
{
    (void)state;
    wrong = fo_memory_driver;
    wrong.features = claims_more;
    assert_int_equal(run_wrong("Y1*").failed, 1);
}

static unsigned told;

static void
tell(const fo_case_result *r, void *arg)
{
    (void)arg;
    assert_int_equal(r->outcome, FO_CASE_NOT_CLAIMED);
    assert_true(strchr("ABCDFIKLMPRXY", r->name[0]) != NULL);
    told++;
}

static void
a_list_of_the_cases_runs_none(void **state)
{
    const fo_storage_conformance_options options = { .list = true, .each = tell };
    fo_conformance_summary summary = { 0 };

    (void)state;
    assert_int_equal(fo_storage_conformance_run(NULL, &options, &summary, NULL), FINOPS_OK);
    assert_in_range(told, 100, 1000);
}

/* ---- hanging ---- */

static atomic_bool hangs;
static finops_storage *left; /* lives as long as the thread that hangs */
static unsigned outcomes[4];
static char why[200];

static finops_code
stat_without_end(void *self, const char *key, const finops_call *call, finops_object *ret, finops_error **err)
{
    while (atomic_load(&hangs)) {
        const struct timespec moment = { .tv_nsec = 1000000 };

        (void)nanosleep(&moment, NULL);
    }
    return right->stat(self, key, call, ret, err);
}

/* What hung comes back when it was given up. */
static void
count(const fo_case_result *r, void *arg)
{
    (void)arg;
    outcomes[r->outcome]++;
    if (r->outcome == FO_CASE_FAILED)
        print_message("%s: %s: %s\n", r->area, r->name, r->why);
    if (r->outcome == FO_CASE_FAILED)
        (void)snprintf(why, sizeof(why), "%s", r->why);
    if (r->outcome == FO_CASE_NOT_RUN)
        atomic_store(&hangs, false);
}

static void
a_case_that_hangs_is_told_and_the_rest_is_not_run(void **state)
{
    const fo_storage_conformance_options options = { .filter = "R[5-9]*", .case_us = 100000, .each = count };
    fo_conformance_summary summary = { 0 };
    fo_stage stage = { .driver = &wrong };

    (void)state;
    wrong = fo_memory_driver;
    wrong.stat = stat_without_end;
    atomic_store(&hangs, true);
    assert_int_equal(wrong.open(NULL, &stage.self, NULL), FINOPS_OK);
    assert_int_equal(fo_storage_over(&stage, "wrong", &left, NULL), FINOPS_OK);
    assert_int_equal(fo_storage_conformance_run(left, &options, &summary, NULL), FINOPS_OK);
    assert_int_equal(summary.failed, 1);
    assert_int_equal(outcomes[FO_CASE_FAILED], 1);
    assert_true(summary.not_run > 0);
    assert_int_equal(summary.not_run, outcomes[FO_CASE_NOT_RUN]);
    assert_ptr_equal(strstr(summary.hung, "read: "), summary.hung);
    assert_ptr_equal(strstr(why, "it hangs: no end after "), why);
    assert_ptr_equal(strstr(summary.left, "finops-test-"), summary.left);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_wrong_way_is_found),
        cmocka_unit_test(what_is_not_claimed_is_not_tested),
        cmocka_unit_test(what_is_claimed_without_a_slot_is_found),
        cmocka_unit_test(a_list_of_the_cases_runs_none),
        cmocka_unit_test(a_case_that_hangs_is_told_and_the_rest_is_not_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
