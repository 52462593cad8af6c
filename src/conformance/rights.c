/* Rights that are taken away in between: denied, with nothing half done, and allowed again when they are
 * back. */
#include "base/mem.h"
#include "conformance/fault.h"

#define TX FINOPS_DATABASE_TRANSACTIONS

static const char *const hooks[] = { "revoke-rights", "restore-rights", NULL };

static bool
revoke(fo_trial *t)
{
    return fo_fault_begin(t) && fo_fault_strike(t, hooks[0], hooks[1]);
}

static bool
denied(fo_trial *t, fo_fault_work work)
{
    return revoke(t) && fo_fault_work_fails(t, work, NULL, NULL, FINOPS_E_DENIED) && fo_fault_as_before(t) &&
           fo_fault_mend(t) && fo_fault_work_done(t, work) && fo_fault_as_after(t, work);
}

static bool
a_write_is_denied(fo_trial *t)
{
    return denied(t, FO_FAULT_APPEND);
}

static bool
a_table_is_denied(fo_trial *t)
{
    return denied(t, FO_FAULT_CREATE);
}

static bool
a_replacement_is_denied(fo_trial *t)
{
    return denied(t, FO_FAULT_PARTITION);
}

static bool
a_statement_is_denied(fo_trial *t)
{
    return revoke(t) && fo_trial_exec_fails(t, NULL, "DELETE FROM {a}", FINOPS_E_DENIED) &&
           fo_trial_exec_fails(t, NULL, "DROP TABLE {a}", FINOPS_E_DENIED) && fo_fault_as_before(t) &&
           fo_fault_mend(t) && fo_trial_exec(t, NULL, "DELETE FROM {a}") && fo_trial_count(t, NULL, "a", 0);
}

/* What the transaction did before goes with it. */
static bool
a_transaction_leaves_nothing(fo_trial *t)
{
    return revoke(t) && fo_trial_tx_begin(t, NULL) && fo_fault_as_before(t) &&
           fo_fault_work_fails(t, FO_FAULT_APPEND, NULL, NULL, FINOPS_E_DENIED) &&
           fo_trial_tx_rollback(t, NULL) && fo_fault_as_before(t) && fo_fault_mend(t);
}

static const fo_case cases[] = {
    { "a write without the right is denied, and works with it again", 0, a_write_is_denied, .hooks = hooks },
    { "a table is not made without the right", 0, a_table_is_denied, .hooks = hooks },
    { "a replacement without the right leaves the old rows", TX, a_replacement_is_denied, .hooks = hooks },
    { "statements without the right are denied", 0, a_statement_is_denied, .hooks = hooks },
    { "a transaction that was denied can be rolled back", TX, a_transaction_leaves_nothing, .hooks = hooks },
};

const fo_case_area fo_cases_rights = { .name = "rights", .cases = cases, .n = FO_COUNT(cases) };
