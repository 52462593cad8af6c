/* A disk that is full: what does not fit is told, what was there stays, and with room again all is well. */
#include "base/mem.h"
#include "conformance/fault.h"

#define TX FINOPS_DATABASE_TRANSACTIONS

static const char *const hooks[] = { "fill-disk", "free-disk", NULL };

static bool
fill(fo_trial *t)
{
    return fo_fault_begin(t) && fo_fault_strike(t, hooks[0], hooks[1]);
}

/* The connection need not have outlived it. */
static bool
works_again(fo_trial *t, fo_fault_work work)
{
    return fo_fault_mend(t) && fo_fault_anew(t) && fo_fault_as_before(t) && fo_fault_work_done(t, work) &&
           fo_fault_as_after(t, work);
}

static bool
full_before(fo_trial *t, fo_fault_work work)
{
    return fill(t) && fo_fault_work_fails(t, work, NULL, NULL, FINOPS_E_IO) && works_again(t, work);
}

static bool
full_in_the_middle(fo_trial *t, fo_fault_work work)
{
    return fo_fault_begin(t) && fo_fault_work_fails(t, work, hooks[0], hooks[1], FINOPS_E_IO) &&
           works_again(t, work);
}

static bool
a_write_to_a_full_disk(fo_trial *t)
{
    return full_before(t, FO_FAULT_APPEND);
}

static bool
a_write_that_fills_the_disk(fo_trial *t)
{
    return full_in_the_middle(t, FO_FAULT_APPEND);
}

static bool
a_table_that_fills_the_disk(fo_trial *t)
{
    return full_in_the_middle(t, FO_FAULT_CREATE);
}

static bool
a_replacement_that_fills_the_disk(fo_trial *t)
{
    return full_in_the_middle(t, FO_FAULT_PARTITION);
}

static bool
reading_goes_on(fo_trial *t)
{
    return fill(t) && fo_fault_as_before(t) &&
           fo_fault_work_fails(t, FO_FAULT_APPEND, NULL, NULL, FINOPS_E_IO) && fo_fault_anew(t) &&
           fo_fault_as_before(t) && fo_fault_mend(t);
}

/* The write may tell, or the commit. */
static bool
a_transaction_leaves_nothing(fo_trial *t)
{
    finops_error *err = NULL;
    finops_code rc;

    if (!fill(t) || !fo_trial_tx_begin(t, NULL))
        return false;
    rc = fo_fault_work_try(t, FO_FAULT_APPEND, &err);
    if (rc == FINOPS_OK)
        rc = finops_session_commit(t->session, &err);
    return fo_trial_fails(t, rc, FINOPS_E_IO, &err, "a transaction with a big write") &&
           fo_trial_tx_rollback(t, NULL) && works_again(t, FO_FAULT_APPEND);
}

static const fo_case cases[] = {
    { "a write to a full disk is io, and works with room again", 0, a_write_to_a_full_disk, .hooks = hooks },
    { "a write that fills the disk leaves none of its rows", 0, a_write_that_fills_the_disk, .hooks = hooks },
    { "a new table that fills the disk is not there", 0, a_table_that_fills_the_disk, .hooks = hooks },
    { "a replacement that fills the disk leaves the old rows", TX, a_replacement_that_fills_the_disk,
      .hooks = hooks },
    { "reading goes on while the disk is full", 0, reading_goes_on, .hooks = hooks },
    { "a transaction that fills the disk leaves nothing", TX, a_transaction_leaves_nothing, .hooks = hooks },
};

const fo_case_area fo_cases_disk = { .name = "disk", .cases = cases, .n = FO_COUNT(cases) };
