/*
 * What the registry costs with 1,000 drivers in it: describing all, adding one (with its checks) and removing
 * it. Prints the median of many rounds, a line each.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "builtins.h"
#include "registry/registry.h"

#define DRIVERS 1000
#define ROUNDS 501

static void
describe(const finops_driver_info *info, void *arg)
{
    size_t *sum = arg;

    for (const finops_option *o = info->driver->options; o && o->name; o++)
        *sum += o->help[0] != '\0';
    *sum += info->version[0] && info->summary[0] && info->origin[0];
}

static int
by_value(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y;
}

static void
report(const char *what, int64_t *us, const char *limit)
{
    qsort(us, ROUNDS, sizeof(*us), by_value);
    printf("%-40s median %5lld us  p99 %5lld us  must be under %s\n", what, (long long)us[ROUNDS / 2],
           (long long)us[ROUNDS * 99 / 100], limit);
}

static void
check(finops_code rc)
{
    if (rc == FINOPS_OK)
        return;
    (void)fprintf(stderr, "registry_bench: %s\n", finops_code_name(rc));
    exit(1);
}

int
main(void)
{
    static int64_t all[ROUNDS], add[ROUNDS], take[ROUNDS], use[ROUNDS];
    static finops_database_driver drivers[DRIVERS + 1];
    static char names[DRIVERS + 1][16];
    finops_registry *r = NULL;
    size_t sum = 0;

    check(fo_registry_new_empty(&r, NULL));
    for (unsigned i = 0; i <= DRIVERS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "driver_%u", (i * 7919) % (DRIVERS + 1));
        drivers[i] = *fo_database_builtin[0];
        drivers[i].name = names[i];
        if (i < DRIVERS)
            check(finops_registry_add(r, &drivers[i], NULL));
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        const finops_database_driver *driver;
        fo_driver_token *token;
        int64_t t0 = fo_clock_monotonic(), t1, t2, t3;

        finops_registry_each(r, describe, &sum);
        t1 = fo_clock_monotonic();
        check(finops_registry_add(r, &drivers[DRIVERS], NULL));
        t2 = fo_clock_monotonic();
        check(finops_registry_remove(r, names[DRIVERS], false, NULL));
        t3 = fo_clock_monotonic();
        check(fo_registry_acquire_driver(r, names[i], &driver, &token, NULL));
        fo_registry_release_driver(token);
        all[i] = t1 - t0;
        add[i] = t2 - t1;
        take[i] = t3 - t2;
        use[i] = fo_clock_monotonic() - t3;
    }
    report("discover 1,000 drivers with metadata", all, "1000 us");
    report("register, with validation", add, "100 us");
    report("deregister", take, "100 us");
    report("open and close a handle", use, "100 us");
    finops_registry_free(r);
    return sum == 0;
}
