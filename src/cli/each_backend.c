/* The databases that a dataset goes to, one after another: that one is down does not keep the others from
 * their turn. */
#include "base/log.h"
#include "base/mem.h"
#include "cli/cli_internal.h"

/* What all turns come to. */
typedef struct turns {
    size_t n, fine;
    bool some;         /* one got as far as a part of it */
    finops_code first; /* failure */
    fo_str failed;     /* names */
} turns;

static finops_code
turns_verdict(const turns *t, bool stopped, finops_error **err)
{
    bool partial = t->fine > 0 || t->some;

    if (stopped && !partial)
        return fo_error_set(err, FINOPS_E_CANCELLED, "stopped");
    if (stopped)
        return fo_error_set(err, FINOPS_E_PARTIAL, "stopped on request; %zu of %zu backends are complete",
                            t->fine, t->n);
    if (t->first == FINOPS_OK)
        return FINOPS_OK;
    return fo_error_set(err, partial ? FINOPS_E_PARTIAL : t->first,
                        "%zu of %zu backends are complete; not: %s", t->fine, t->n, fo_str_z(&t->failed));
}

static finops_code
take_turns(const fo_cli *cli, const fo_strv *names, fo_backend_turn *turn, void *arg, turns *t,
           finops_error **err)
{
    for (size_t i = 0; i < names->n; i++) {
        FO_AUTO(finops_error_freep) finops_error *why = NULL;
        fo_settings own = *cli->settings;

        own.database.backend = names->items[i];
        own.routing.bills = NULL;
        finops_code rc = turn(&own, names->n > 1, arg, &why);
        if (names->n == 1) {
            if (err)
                *err = FO_TAKE(why);
            return rc;
        }
        t->fine += rc == FINOPS_OK;
        t->some |= rc == FINOPS_E_PARTIAL;
        t->first = t->first == FINOPS_OK ? rc : t->first;
        if (rc != FINOPS_OK && rc != FINOPS_E_CANCELLED) {
            fo_log_error(why);
            fo_str_addf(&t->failed, "%s%s", t->failed.len ? ", " : "", names->items[i]);
        }
        /* A turn that was stopped may call itself done in part, or failed: the others have none all the same.
         */
        if (rc == FINOPS_E_CANCELLED || (fo_cancelled(cli->cancel) && t->fine < names->n))
            return turns_verdict(t, true, err);
    }
    return turns_verdict(t, false, err);
}

finops_code
fo_cli_each_backend(const fo_cli *cli, fo_dataset dataset, fo_backend_turn *turn, void *arg,
                    finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv names = FO_STRV_INIT;
    turns t = { .failed = FO_STR_INIT };
    finops_code rc = fo_settings_backends(cli->settings, dataset, &names, err);

    if (rc != FINOPS_OK)
        return rc;
    t.n = names.n;
    rc = take_turns(cli, &names, turn, arg, &t, err);
    fo_str_done(&t.failed);
    return rc;
}
