/*
 * Replacing one partition the general way: the old rows are deleted and the new ones written in one
 * transaction. In the caller's when one is open, which then also decides what becomes of a failure.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "database/front_internal.h"

/* What the table is now, as far as it matters here. */
typedef struct target {
    const char *column;
    bool exists, has_column, is_text;
    char *native; /* type of the column */
    bool failed;
} target;

static void
target_done(target *t)
{
    fo_free(t->native);
}

static bool
target_see(const finops_column *column, void *arg)
{
    target *t = arg;

    t->exists = true;
    if (!t->column)
        return false;
    if (strcmp(column->name, t->column) != 0)
        return true;
    t->has_column = true;
    t->is_text = column->type == FINOPS_TYPE_TEXT || !column->native;
    t->native = fo_strdup(column->native ? column->native : "");
    t->failed = !t->native;
    return false;
}

static finops_code
run(finops_session *session, const finops_partition *p, const fo_str *sql, bool valued, finops_error **err)
{
    finops_statement statement = { .call = p->call, .params = &p->value, .n_params = valued ? 1 : 0 };
    finops_code rc = fo_str_check(sql, err);

    if (rc != FINOPS_OK)
        return rc;
    statement.sql = fo_str_z(sql);
    return finops_session_execute(session, &statement, NULL, NULL, err);
}

/*
 * Of two importers of one partition the second waits here, and deletes what the first has committed. Without
 * it PostgreSQL's DELETE waits for the first one's rows to go, does not see the rows that came, and the
 * partition is there twice. Other databases refuse the second one or have one writer.
 */
static finops_code
others_lock_out(finops_session *session, const finops_partition *p, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    const finops_capabilities *c = &session->database->capabilities;

    if (c->dialect != FINOPS_DIALECT_POSTGRESQL)
        return FINOPS_OK;
    fo_str_add(&sql, "LOCK TABLE ");
    fo_front_table(c, p->schema, p->table, &sql);
    fo_str_add(&sql, " IN SHARE ROW EXCLUSIVE MODE");
    return run(session, p, &sql, false, err);
}

/* The value is a text; a column of another type wants it cast, spelled as the database itself spells it. */
static finops_code
old_rows_delete(finops_session *session, const finops_partition *p, const target *t, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    const finops_capabilities *c = &session->database->capabilities;

    fo_str_add(&sql, "DELETE FROM ");
    fo_front_table(c, p->schema, p->table, &sql);
    if (p->column) {
        fo_str_add(&sql, " WHERE ");
        fo_front_ident(c, p->column, &sql);
        if (t->is_text)
            fo_str_add(&sql, " = $1");
        else
            fo_str_addf(&sql, " = CAST($1 AS %s)", t->native);
    }
    return run(session, p, &sql, p->column != NULL, err);
}

static finops_code
table_drop(finops_session *session, const finops_partition *p, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;

    fo_str_add(&sql, "DROP TABLE ");
    fo_front_table(&session->database->capabilities, p->schema, p->table, &sql);
    return run(session, p, &sql, false, err);
}

/* Makes room for the new rows; *ret_mode is how they are to be written. */
static finops_code
room_make(finops_session *session, const finops_partition *p, finops_write_mode *ret_mode, finops_error **err)
{
    FO_AUTO(target_done) target t = { .column = p->column };
    bool anew =
        !p->column && (session->database->capabilities.features & FINOPS_DATABASE_DDL_IN_TRANSACTION) != 0;
    finops_code rc = finops_session_columns(session, p->schema, p->table, target_see, &t, err);

    if (rc != FINOPS_OK)
        return rc;
    if (t.failed)
        return fo_error_oom(err);
    *ret_mode = anew ? FINOPS_WRITE_CREATE : FINOPS_WRITE_WIDEN;
    if (p->before_swap) {
        rc = p->before_swap(p->arg, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    if (!t.exists || (p->column && !t.has_column))
        return FINOPS_OK;
    if (anew)
        return table_drop(session, p, err);
    rc = others_lock_out(session, p, err);
    return rc == FINOPS_OK ? old_rows_delete(session, p, &t, err) : rc;
}

static finops_code
replace(finops_session *session, const finops_partition *p, const finops_source *source,
        finops_write_result *ret, finops_error **err)
{
    finops_write write = { .schema = p->schema, .table = p->table, .call = p->call };
    finops_code rc = room_make(session, p, &write.mode, err);

    if (rc != FINOPS_OK) {
        fo_front_source_release(source);
        return rc;
    }
    return finops_session_write(session, &write, source, ret, err);
}

finops_code
fo_front_replace(finops_session *session, const finops_partition *partition, const finops_source *source,
                 finops_write_result *ret, finops_error **err)
{
    bool own = !session->in_transaction;
    finops_code rc = own ? finops_session_begin(session, err) : FINOPS_OK;

    if (rc != FINOPS_OK) {
        fo_front_source_release(source);
        return rc;
    }
    rc = replace(session, partition, source, ret, err);
    if (!own)
        return rc;
    if (rc == FINOPS_OK)
        return finops_session_commit(session, err);
    (void)finops_session_rollback(session, NULL);
    return rc;
}
