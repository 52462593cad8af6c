/* All cases, in the order they are run. */
#include "conformance/trial.h"

/* clang-format off */
#define AREAS(row) \
    row(types) \
    row(names) \
    row(rows) \
    row(write) \
    row(transactions) \
    row(partition) \
    row(importers) \
    row(params) \
    row(errors) \
    row(control) \
    row(sessions) \
    row(catalog) \
    row(readonly) \
    row(health) \
    row(lock) \
    row(rights) \
    row(disk) \
    row(outage)
/* clang-format on */

#define DECLARE(name) extern const fo_case_area fo_cases_##name;
#define ENTRY(name) &fo_cases_##name,

AREAS(DECLARE)

const fo_case_area *const fo_case_areas[] = { AREAS(ENTRY) NULL };
