/* Statements on the user's database. */
#include "database/statement.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "database/audit.h"
#include "database/session.h"

#define ROWS_LOCK "finops rows"

static bool
has_locks(fo_database *database)
{
    return fo_session_driver(fo_database_session(database))->lock != NULL;
}

finops_code
fo_database_alone(fo_database *database, finops_error **err)
{
    if (!fo_database_can(database, FINOPS_DATABASE_NO_KEYS) || !has_locks(database))
        return FINOPS_OK;
    return fo_session_lock(fo_database_session(database), ROWS_LOCK, NULL, err);
}

void
fo_database_alone_end(fo_database *database)
{
    if (fo_database_can(database, FINOPS_DATABASE_NO_KEYS) && has_locks(database))
        (void)fo_session_unlock(fo_database_session(database), ROWS_LOCK, NULL);
}

finops_code
fo_database_exec(fo_database *database, const char *sql, const fo_param *params, size_t n,
                 int64_t *ret_changed, finops_error **err)
{
    finops_session *session = fo_database_session(database);
    finops_code rc;

    if (fo_session_in_transaction(session))
        return fo_session_exec(session, sql, params, n, ret_changed, err);
    rc = fo_database_alone(database, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = fo_session_exec(session, sql, params, n, ret_changed, err);
    fo_database_alone_end(database);
    return rc;
}

finops_code
fo_database_script(fo_database *database, const char *sql, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (const char *at = sql, *end; rc == FINOPS_OK && *at; at = end) {
        const char *semicolon = strstr(at, ";\n");
        end = semicolon ? semicolon + 2 : at + strlen(at);
        FO_AUTO(fo_freep) char *one = fo_strndup(at, semicolon ? (size_t)(semicolon - at) : strlen(at));
        if (!one)
            return fo_error_oom(err);
        rc = fo_database_exec(database, one, NULL, 0, NULL, err);
    }
    return rc;
}

finops_code
fo_database_query(fo_database *database, const char *sql, const fo_param *params, size_t n, fo_rows **ret,
                  finops_error **err)
{
    return fo_session_rows(fo_database_session(database), sql, params, n, ret, err);
}

finops_code
fo_database_rows(fo_database *database, const char *sql, fo_rows **ret, finops_error **err)
{
    return fo_database_query(database, sql, NULL, 0, ret, err);
}

finops_code
fo_database_stream(fo_database *database, const char *sql, struct ArrowArrayStream *ret, finops_error **err)
{
    return fo_session_stream(fo_database_session(database), sql, NULL, 0, ret, err);
}

finops_code
fo_database_begin(fo_database *database, finops_error **err)
{
    finops_code rc = fo_database_alone(database, err);

    if (rc != FINOPS_OK)
        return rc;
    rc = finops_session_begin(fo_database_session(database), err);
    if (rc != FINOPS_OK)
        fo_database_alone_end(database);
    return rc;
}

bool
fo_database_tables_in_transaction(fo_database *database)
{
    return fo_database_can(database, FINOPS_DATABASE_DDL_IN_TRANSACTION) ||
           !fo_database_can(database, FINOPS_DATABASE_NO_KEYS);
}

char *
fo_database_author(void)
{
    FO_AUTO(fo_freep) char *user = fo_audit_user();
    FO_AUTO(fo_freep) char *host = fo_audit_host();

    return user && host ? fo_format("%s@%s", user, host) : NULL;
}

finops_code
fo_database_annotate(fo_database *database, const char *message, const char *details, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_freep) char *author = NULL;
    finops_code rc;

    if (!fo_database_can(database, FINOPS_DATABASE_TIME_TRAVEL) ||
        fo_database_dialect(database) != FINOPS_DIALECT_DUCKDB)
        return FINOPS_OK;
    author = fo_database_author();
    if (!author)
        return fo_error_oom(err);
    fo_str_add(&sql, "CALL ducklake_set_commit_message(current_database(), ");
    fo_sql_literal(&sql, author);
    fo_str_add(&sql, ", ");
    fo_sql_literal(&sql, message);
    fo_str_add(&sql, ", extra_info => ");
    fo_sql_literal(&sql, details);
    fo_str_addc(&sql, ')');
    rc = fo_str_check(&sql, err);
    return rc == FINOPS_OK ? fo_database_exec(database, fo_str_z(&sql), NULL, 0, NULL, err) : rc;
}

finops_code
fo_database_commit(fo_database *database, finops_error **err)
{
    finops_session *session = fo_database_session(database);
    const fo_cancel *cancel = fo_database_cancel(database);
    bool open = fo_session_in_transaction(session);

    fo_session_set_cancel(session, NULL);
    finops_code rc = finops_session_commit(session, err);
    if (open)
        fo_database_alone_end(database);
    fo_session_set_cancel(session, cancel);
    return rc;
}

void
fo_database_rollback(fo_database *database)
{
    finops_session *session = fo_database_session(database);
    bool open = fo_session_in_transaction(session);

    (void)finops_session_rollback(session, NULL);
    if (open)
        fo_database_alone_end(database);
}

void
fo_database_capabilities(fo_database *database, finops_capabilities *ret)
{
    *ret = *fo_session_capabilities(fo_database_session(database));
}

bool
fo_database_can(fo_database *database, uint64_t features)
{
    return (fo_session_capabilities(fo_database_session(database))->features & features) == features;
}

finops_dialect
fo_database_dialect(fo_database *database)
{
    return fo_session_capabilities(fo_database_session(database))->dialect;
}

typedef struct listing {
    fo_strv *names;
    fo_strv *types; /* may be NULL */
    bool failed;
} listing;

static bool
listing_add(const finops_column *column, void *arg)
{
    listing *l = arg;

    l->failed = !fo_strv_add(l->names, column->name) || (l->types && !fo_strv_add(l->types, column->native));
    return !l->failed;
}

finops_code
fo_database_columns(fo_database *database, const char *schema, const char *table, fo_strv *ret_names,
                    fo_strv *ret_types, finops_error **err)
{
    listing l = { .names = ret_names, .types = ret_types };
    finops_code rc =
        finops_session_columns(fo_database_session(database), schema, table, listing_add, &l, err);

    return rc == FINOPS_OK && l.failed ? fo_error_oom(err) : rc;
}

finops_code
fo_database_has(fo_database *database, const char *schema, const char *name, bool *ret, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv columns = FO_STRV_INIT;
    finops_code rc = fo_database_columns(database, schema, name, &columns, NULL, err);

    if (rc == FINOPS_OK)
        *ret = columns.n > 0;
    return rc;
}

finops_code
fo_database_replace(fo_database *database, const finops_partition *partition, const finops_source *source,
                    finops_write_result *ret, finops_error **err)
{
    return finops_session_replace_partition(fo_database_session(database), partition, source, ret, err);
}

finops_code
fo_database_stage(fo_database *database, const finops_partition *partition, const finops_source *source,
                  finops_staged *ret, finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_session *session = fo_database_session(database);
    finops_code rc = FINOPS_E_UNSUPPORTED;

    *ret = (finops_staged){ 0 };
    if (source->sql && partition->column && fo_session_driver(session)->stage)
        rc = fo_session_stage(session, partition, source, ret, &why);
    if (rc == FINOPS_OK || rc == FINOPS_E_UNSUPPORTED)
        return FINOPS_OK;
    if (err)
        *err = FO_TAKE(why);
    return rc;
}

void
fo_database_unstage(fo_database *database, finops_staged *staged)
{
    fo_session_unstage(fo_database_session(database), staged);
}

finops_code
fo_database_lock(fo_database *database, const char *name, int64_t wait_us, finops_error **err)
{
    const finops_call *usual = fo_session_call(fo_database_session(database));
    finops_call call = usual ? *usual : (finops_call){ 0 };

    if (!has_locks(database))
        return FINOPS_OK;
    if (wait_us > 0)
        call.deadline_us = fo_clock_monotonic() + wait_us;
    return fo_session_lock(fo_database_session(database), name, &call, err);
}

void
fo_database_unlock(fo_database *database, const char *name)
{
    if (has_locks(database))
        (void)fo_session_unlock(fo_database_session(database), name, NULL);
}

finops_code
fo_database_make_schema(fo_database *database, const char *schema, finops_error **err)
{
    return fo_session_make_schema(fo_database_session(database), schema, err);
}
