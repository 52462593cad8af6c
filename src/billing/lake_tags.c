/* Names of states of a lake, in a table of the lake. */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "billing/lake_states.h"

#define NAME_MAX_LENGTH 100

static const char make_sql[] =
    "CREATE TABLE IF NOT EXISTS billing_state.lake_tags (name VARCHAR NOT NULL, "
    "snapshot_id BIGINT NOT NULL, created_at TIMESTAMP NOT NULL, created_by VARCHAR)";

finops_code
fo_lake_has_tags(fo_database *database, bool *ret, finops_error **err)
{
    return fo_database_has(database, "billing_state", "lake_tags", ret, err);
}

const char *
fo_lake_tagged_sql(bool has)
{
    return has ? "SELECT snapshot_id FROM billing_state.lake_tags" : "SELECT -1";
}

finops_code
fo_lake_tags(fo_database *database, fo_rows **ret, finops_error **err)
{
    bool has = false;
    finops_code rc = fo_lake_has_tags(database, &has, err);

    assert(ret);
    if (rc != FINOPS_OK)
        return rc;
    return fo_database_query(
        database,
        has ? "SELECT name, snapshot_id, strftime(created_at, '%Y-%m-%dT%H:%M:%SZ'), created_by "
              "FROM billing_state.lake_tags ORDER BY snapshot_id, name"
            : "SELECT NULL WHERE false",
        NULL, 0, ret, err);
}

/* Told from numbers and times by its first character; nothing in it needs quotes in a shell. */
static finops_code
check_name(const char *name, finops_error **err)
{
    size_t n = strlen(name);
    bool letter = (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z');

    if (letter && n <= NAME_MAX_LENGTH &&
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == n)
        return FINOPS_OK;
    return fo_error_set(err, FINOPS_E_USAGE,
                        "a tag begins with a letter and has letters, digits, '-', '_' and '.', "
                        "%d at most, found \"%.120s\"",
                        NAME_MAX_LENGTH, name);
}

static finops_code
tag_add(fo_database *db, const char *name, int64_t state, finops_error **err)
{
    FO_AUTO(fo_rows_freep) fo_rows *had = NULL;
    FO_AUTO(fo_freep) char *number = fo_format("%" PRId64, state);
    FO_AUTO(fo_freep) char *author = fo_database_author();
    char now[FO_TIME_TEXT];
    const fo_param params[] = { name, number, fo_time_format(fo_clock_now(), now), author };
    int64_t found;

    if (!number || !author)
        return fo_error_oom(err);
    finops_code rc = fo_database_query(db, "SELECT snapshot_id FROM billing_state.lake_tags WHERE name = $1",
                                       params, 1, &had, err);
    if (rc == FINOPS_OK) /* not expired since it was looked up */
        rc = fo_lake_state_find(db, number, &found, err);
    if (rc != FINOPS_OK)
        return rc;
    if (fo_rows_count(had) == 0)
        return fo_database_exec(db,
                                "INSERT INTO billing_state.lake_tags VALUES ($1, $2::BIGINT, "
                                "$3::TIMESTAMP, $4)",
                                params, FO_COUNT(params), NULL, err);
    if (fo_rows_int(had, 0, 0) == state)
        return FINOPS_OK;
    (void)fo_error_set(err, FINOPS_E_EXISTS, "tag %s names state %" PRId64, name, fo_rows_int(had, 0, 0));
    fo_error_hint(err, "remove it first: finops lake untag %s", name);
    return FINOPS_E_EXISTS;
}

finops_code
fo_lake_tag(fo_database *database, const char *name, int64_t state, finops_error **err)
{
    assert(database && name);
    finops_code rc = check_name(name, err);
    if (rc == FINOPS_OK)
        rc = fo_database_make_schema(database, "billing_state", err);
    if (rc == FINOPS_OK)
        rc = fo_database_lock(database, FO_LAKE_STATES_LOCK, 0, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = fo_database_exec(database, make_sql, NULL, 0, NULL, err);
    if (rc == FINOPS_OK)
        rc = tag_add(database, name, state, err);
    fo_database_unlock(database, FO_LAKE_STATES_LOCK);
    return rc;
}

finops_code
fo_lake_untag(fo_database *database, const char *name, finops_error **err)
{
    const fo_param params[] = { name };
    bool has = false;
    int64_t gone = 0;

    assert(database && name);
    finops_code rc = fo_lake_has_tags(database, &has, err);
    if (rc == FINOPS_OK && has)
        rc = fo_database_exec(database, "DELETE FROM billing_state.lake_tags WHERE name = $1", params, 1,
                              &gone, err);
    if (rc == FINOPS_OK && gone == 0)
        rc = fo_error_set(err, FINOPS_E_NOT_FOUND, "the lake has no tag %.120s", name);
    return rc;
}
