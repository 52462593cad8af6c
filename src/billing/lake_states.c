/* Which state of a lake a number, a time or a tag means. */
#include "billing/lake_states.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define DIGITS 18 /* that always fit */

static bool
is_number(const char *name)
{
    size_t n = strspn(name, "0123456789");

    return n > 0 && n <= DIGITS && name[n] == '\0';
}

static finops_code
not_found(const char *what, const char *name, finops_error **err)
{
    (void)fo_error_set(err, FINOPS_E_NOT_FOUND, "the lake has no %s %.80s", what, name);
    fo_error_hint(err, "'finops lake snapshots' lists its states, 'finops lake tags' their names");
    return FINOPS_E_NOT_FOUND;
}

/* The one number of a statement, or nothing. */
static finops_code
one(fo_database *db, const char *sql, const char *param, bool *ret_found, int64_t *ret, finops_error **err)
{
    const fo_param params[] = { param };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    finops_code rc = fo_database_query(db, sql, params, param ? 1 : 0, &rows, err);

    *ret_found = rc == FINOPS_OK && fo_rows_count(rows) > 0 && fo_rows_text(rows, 0, 0);
    if (*ret_found)
        *ret = fo_rows_int(rows, 0, 0);
    return rc;
}

finops_code
fo_lake_state_newest(fo_database *database, int64_t *ret, finops_error **err)
{
    bool found = false;

    assert(database && ret);
    finops_code rc = one(database, "SELECT max(snapshot_id) FROM ducklake_snapshots(current_database())",
                         NULL, &found, ret, err);
    return rc != FINOPS_OK || found ? rc : not_found("state", "yet", err);
}

finops_code
fo_lake_state_at(fo_database *database, const char *time, int64_t *ret, finops_error **err)
{
    char text[FO_TIME_TEXT];
    int64_t micros;
    bool found = false;

    assert(database && time && ret);
    if (!fo_time_parse_until(time, strlen(time), &micros))
        return fo_error_set(err, FINOPS_E_USAGE,
                            "expected a time such as 2026-11-03 or 2026-11-03T12:00:00Z, found \"%.40s\"",
                            time);
    fo_time_format(micros, text);
    finops_code rc = one(database,
                         "SELECT max(snapshot_id) FROM ducklake_snapshots(current_database()) "
                         "WHERE snapshot_time <= $1::TIMESTAMPTZ",
                         text, &found, ret, err);
    return rc != FINOPS_OK || found ? rc : not_found("state at", time, err);
}

/* A state that a tag names or a user wrote down may have been expired. */
static finops_code
state_exists(fo_database *db, const char *number, const char *name, int64_t *ret, finops_error **err)
{
    bool found = false;
    finops_code rc = one(db,
                         "SELECT snapshot_id FROM ducklake_snapshots(current_database()) "
                         "WHERE snapshot_id = $1::BIGINT",
                         number, &found, ret, err);

    return rc != FINOPS_OK || found ? rc : not_found("state", name, err);
}

finops_code
fo_lake_state_find(fo_database *database, const char *name, int64_t *ret, finops_error **err)
{
    int64_t micros, state = 0;
    bool found = false;

    assert(database && name && ret);
    if (is_number(name))
        return state_exists(database, name, name, ret, err);
    if (fo_time_parse(name, strlen(name), &micros))
        return fo_lake_state_at(database, name, ret, err);
    finops_code rc = fo_lake_has_tags(database, &found, err);
    if (rc == FINOPS_OK && found)
        rc = one(database, "SELECT snapshot_id FROM billing_state.lake_tags WHERE name = $1", name, &found,
                 &state, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!found)
        return not_found("state or tag", name, err);
    FO_AUTO(fo_freep) char *number = fo_format("%" PRId64, state);
    return number ? state_exists(database, number, name, ret, err) : fo_error_oom(err);
}
