/*
 * The states of a lake by the names people give them: a number, a time, a tag.
 *
 * Every commit to a lake makes a state. A tag is a name that keeps its state from being expired; tags are in
 * billing_state.lake_tags, which is read as it is now, whatever state is asked for.
 */
#ifndef FO_BILLING_LAKE_STATES_H
#define FO_BILLING_LAKE_STATES_H

#include "database/statement.h"

/* Held while tags are made or states expire, so that none is expired while it gets its tag. */
#define FO_LAKE_STATES_LOCK "finops lake states"

/*
 * The number of the state that `name` means: "22", a tag, or a time, of which a date is its end, UTC.
 * FINOPS_E_NOT_FOUND when there is none, also for a number whose state was expired.
 */
finops_code fo_lake_state_find(fo_database *database, const char *name, int64_t *ret, finops_error **err);
/* The state that a time falls into. FINOPS_E_USAGE: it is no time; _NOT_FOUND: before the first state. */
finops_code fo_lake_state_at(fo_database *database, const char *time, int64_t *ret, finops_error **err);
finops_code fo_lake_state_newest(fo_database *database, int64_t *ret, finops_error **err);

/* The tags: name, snapshot_id, created_at, created_by; no rows when the lake has had none. */
finops_code fo_lake_tags(fo_database *database, fo_rows **ret, finops_error **err);
/* FINOPS_E_EXISTS when another state has the name, FINOPS_E_USAGE for a name that reads as a number or time.
 */
finops_code fo_lake_tag(fo_database *database, const char *name, int64_t state, finops_error **err);
/* FINOPS_E_NOT_FOUND when there is none of the name. */
finops_code fo_lake_untag(fo_database *database, const char *name, finops_error **err);

/* SELECT of the numbers of states that have a tag; of none where `has` is false: there is no table yet. */
const char *fo_lake_tagged_sql(bool has);
finops_code fo_lake_has_tags(fo_database *database, bool *ret, finops_error **err);

#endif
