/* Transactions: what is rolled back is gone, what is committed is there, nobody else sees it before. */
#include "base/mem.h"
#include "conformance/trial.h"

#define TX FINOPS_DATABASE_TRANSACTIONS
#define DDL (FINOPS_DATABASE_TRANSACTIONS | FINOPS_DATABASE_DDL_IN_TRANSACTION)

static bool
committed_rows_stay(fo_trial *t)
{
    return fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 2) && fo_trial_tx_begin(t, NULL) &&
           fo_trial_add(t, NULL, "a", 2, 3) && fo_trial_tx_commit(t, NULL) && fo_trial_count(t, NULL, "a", 5);
}

static bool
rolled_back_rows_are_gone(fo_trial *t)
{
    return fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 2) && fo_trial_tx_begin(t, NULL) &&
           fo_trial_add(t, NULL, "a", 2, 3) && fo_trial_tx_rollback(t, NULL) &&
           fo_trial_count(t, NULL, "a", 2);
}

static bool
own_rows_are_read_before_the_commit(fo_trial *t)
{
    return fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 2) && fo_trial_tx_begin(t, NULL) &&
           fo_trial_add(t, NULL, "a", 2, 3) && fo_trial_count(t, NULL, "a", 5) &&
           fo_trial_tx_rollback(t, NULL);
}

static bool
statements_and_writes_share_the_transaction(fo_trial *t)
{
    return fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 4) && fo_trial_tx_begin(t, NULL) &&
           fo_trial_exec(t, NULL, "DELETE FROM {a} WHERE i < 2") && fo_trial_add(t, NULL, "a", 7, 1) &&
           fo_trial_exec(t, NULL, "UPDATE {a} SET i = i + 100") &&
           fo_trial_expect(t, NULL, "SELECT i FROM {a} ORDER BY i", "102;103;107") &&
           fo_trial_tx_rollback(t, NULL) &&
           fo_trial_expect(t, NULL, "SELECT i FROM {a} ORDER BY i", "0;1;2;3");
}

static bool
a_table_made_and_rolled_back_is_gone(fo_trial *t)
{
    return fo_trial_tx_begin(t, NULL) && fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 2) &&
           fo_trial_tx_rollback(t, NULL) &&
           fo_trial_exec_fails(t, NULL, "SELECT count(*) FROM {a}", FINOPS_E_NOT_FOUND);
}

static bool
a_dropped_table_is_back_after_rollback(fo_trial *t)
{
    return fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 2) && fo_trial_tx_begin(t, NULL) &&
           fo_trial_exec(t, NULL, "DROP TABLE {a}") && fo_trial_tx_rollback(t, NULL) &&
           fo_trial_count(t, NULL, "a", 2);
}

static bool
a_column_added_and_rolled_back_is_gone(fo_trial *t)
{
    fo_found_column j;

    return fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 2) && fo_trial_tx_begin(t, NULL) &&
           fo_trial_exec(t, NULL, "ALTER TABLE {a} ADD COLUMN j INTEGER") && fo_trial_tx_rollback(t, NULL) &&
           fo_trial_column(t, "a", "j", &j, NULL) &&
           fo_trial_true(t, !j.found, "the column j is there after the rollback");
}

static bool
a_widening_write_is_rolled_back_with_its_column(fo_trial *t)
{
    const fo_batch_column columns[] = { { .name = "i", .format = "l" }, { .name = "j", .format = "u" } };
    const fo_batch_spec spec = { .columns = columns, .n_columns = 2, .rows = 3 };
    fo_found_column j;

    return fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 2) && fo_trial_tx_begin(t, NULL) &&
           fo_trial_write(t, NULL, "a", FINOPS_WRITE_WIDEN, &spec) && fo_trial_tx_rollback(t, NULL) &&
           fo_trial_count(t, NULL, "a", 2) && fo_trial_column(t, "a", "j", &j, NULL) &&
           fo_trial_true(t, !j.found, "the column j is there after the rollback");
}

static bool
a_table_made_in_a_transaction_is_committed_with_it(fo_trial *t)
{
    return fo_trial_tx_begin(t, NULL) && fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 2) &&
           fo_trial_tx_commit(t, NULL) && fo_trial_count(t, NULL, "a", 2);
}

static bool
a_second_begin_is_refused(fo_trial *t)
{
    finops_error *err = NULL;
    finops_code rc;

    if (!fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 1) || !fo_trial_tx_begin(t, NULL) ||
        !fo_trial_add(t, NULL, "a", 1, 1))
        return false;
    rc = finops_session_begin(t->session, &err);
    return fo_trial_fails_either(t, rc, FINOPS_E_ARGUMENT, FINOPS_E_USAGE, &err,
                                 "a begin inside a transaction") &&
           fo_trial_tx_rollback(t, NULL) && fo_trial_count(t, NULL, "a", 1);
}

static bool
a_commit_without_begin_is_refused(fo_trial *t)
{
    finops_error *err = NULL;
    finops_code rc = finops_session_commit(t->session, &err);

    return fo_trial_fails_either(t, rc, FINOPS_E_ARGUMENT, FINOPS_E_USAGE, &err, "a commit without begin") &&
           fo_trial_expect(t, NULL, "SELECT 1", "1");
}

static bool
another_session_sees_nothing_before_the_commit(fo_trial *t)
{
    FO_AUTO(fo_trial_closep) finops_session *other = NULL;

    return fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 2) && fo_trial_open(t, 0, &other) &&
           fo_trial_tx_begin(t, NULL) && fo_trial_add(t, NULL, "a", 2, 3) &&
           fo_trial_count(t, other, "a", 2) && fo_trial_tx_commit(t, NULL) &&
           fo_trial_count(t, other, "a", 5);
}

static bool
another_session_never_sees_what_is_rolled_back(fo_trial *t)
{
    FO_AUTO(fo_trial_closep) finops_session *other = NULL;

    return fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 2) && fo_trial_open(t, 0, &other) &&
           fo_trial_tx_begin(t, NULL) && fo_trial_exec(t, NULL, "DELETE FROM {a}") &&
           fo_trial_count(t, other, "a", 2) && fo_trial_tx_rollback(t, NULL) &&
           fo_trial_count(t, other, "a", 2);
}

static bool
a_released_session_rolls_back(fo_trial *t)
{
    finops_session *other = NULL;
    bool ok;

    if (!fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 2) || !fo_trial_open(t, 0, &other))
        return false;
    ok = fo_trial_tx_begin(t, other) && fo_trial_add(t, other, "a", 2, 3);
    finops_session_release(other);
    return ok && fo_trial_count(t, NULL, "a", 2);
}

/* The pool hands the same connection out again: the transaction must not be on it any more. */
static bool
a_connection_handed_out_again_has_no_transaction(fo_trial *t)
{
    FO_AUTO(fo_trial_closep) finops_session *again = NULL;
    finops_session *other = NULL;
    bool ok;

    if (!fo_trial_open(t, 0, &other))
        return false;
    ok = fo_trial_tx_begin(t, other);
    finops_session_release(other);
    return ok && fo_trial_open(t, 0, &again) && fo_trial_tx_begin(t, again) && fo_trial_tx_rollback(t, again);
}

static bool
a_failed_statement_can_be_rolled_back(fo_trial *t)
{
    return fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 2) && fo_trial_tx_begin(t, NULL) &&
           fo_trial_add(t, NULL, "a", 2, 3) &&
           fo_trial_exec_fails(t, NULL, "SELECT * FROM {nothing}", FINOPS_E_NOT_FOUND) &&
           fo_trial_tx_rollback(t, NULL) && fo_trial_count(t, NULL, "a", 2) &&
           fo_trial_add(t, NULL, "a", 2, 1) && fo_trial_count(t, NULL, "a", 3);
}

static bool
transactions_follow_one_another(fo_trial *t)
{
    bool ok = fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 0);

    for (int i = 1; ok && i <= 20; i++)
        ok = fo_trial_tx_begin(t, NULL) && fo_trial_add(t, NULL, "a", i, 1) &&
             (i % 2 ? fo_trial_tx_commit(t, NULL) : fo_trial_tx_rollback(t, NULL));
    return ok && fo_trial_expect(t, NULL, "SELECT count(*), sum(i) FROM {a}", "10|100");
}

static bool
an_empty_transaction_commits(fo_trial *t)
{
    return fo_trial_tx_begin(t, NULL) && fo_trial_tx_commit(t, NULL) && fo_trial_tx_begin(t, NULL) &&
           fo_trial_tx_rollback(t, NULL);
}

static bool
a_write_that_fails_inside_leaves_the_choice_to_the_caller(fo_trial *t)
{
    const fo_batch_column i = { .name = "i", .format = "l" };
    const fo_batch_spec broken = { .columns = &i, .n_columns = 1, .rows = 500, .batch = 100, .fails = true };
    finops_error *err = NULL;
    finops_write_result result;
    finops_code rc;

    if (!fo_trial_numbers(t, NULL, "a", FINOPS_WRITE_CREATE, 0, 2) || !fo_trial_tx_begin(t, NULL))
        return false;
    rc = fo_trial_write_raw(t, NULL, "a", FINOPS_WRITE_APPEND, &broken, &result, &err);
    finops_error_freep(&err);
    return fo_trial_true(t, rc != FINOPS_OK, "a broken stream was written") &&
           fo_trial_tx_rollback(t, NULL) && fo_trial_count(t, NULL, "a", 2);
}

static const fo_case cases[] = {
    { "committed rows stay", TX, committed_rows_stay },
    { "rolled back rows are gone", TX, rolled_back_rows_are_gone },
    { "own rows are read before the commit", TX, own_rows_are_read_before_the_commit },
    { "statements and writes share the transaction", TX, statements_and_writes_share_the_transaction },
    { "an empty transaction commits and rolls back", TX, an_empty_transaction_commits },
    { "transactions follow one another", TX, transactions_follow_one_another },
    { "a table made and rolled back is gone", DDL, a_table_made_and_rolled_back_is_gone },
    { "a dropped table is back after a rollback", DDL, a_dropped_table_is_back_after_rollback },
    { "a column added and rolled back is gone", DDL, a_column_added_and_rolled_back_is_gone },
    { "a widening write is rolled back with its column", DDL,
      a_widening_write_is_rolled_back_with_its_column },
    { "a table made in a transaction is committed with it", DDL,
      a_table_made_in_a_transaction_is_committed_with_it },
    { "a second begin is refused and harms nothing", TX, a_second_begin_is_refused },
    { "a commit without a begin is refused", TX, a_commit_without_begin_is_refused },
    { "another session sees nothing before the commit", TX, another_session_sees_nothing_before_the_commit },
    { "another session never sees what is rolled back", TX, another_session_never_sees_what_is_rolled_back },
    { "a released session rolls its transaction back", TX, a_released_session_rolls_back },
    { "a connection handed out again has no transaction", TX,
      a_connection_handed_out_again_has_no_transaction },
    { "a statement that fails inside can be rolled back", TX, a_failed_statement_can_be_rolled_back },
    { "a write that fails inside can be rolled back", TX,
      a_write_that_fails_inside_leaves_the_choice_to_the_caller },
};

const fo_case_area fo_cases_transactions = { .name = "transactions", .cases = cases, .n = FO_COUNT(cases) };
