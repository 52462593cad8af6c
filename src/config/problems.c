/* Collects what is wrong with a configuration, so that a person sees all of it at once. */
#include <stdlib.h>

#include "base/mem.h"
#include "config/config_internal.h"

void
fo_problem_add(fo_problems *problems, unsigned order, const char *fmt, ...)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    fo_problem *p;
    va_list ap;

    if (problems->n >= FO_CONFIG_PROBLEMS_MAX) {
        problems->dropped++;
        return;
    }
    va_start(ap, fmt);
    fo_str_addv(&text, fmt, ap);
    va_end(ap);
    if (!fo_str_ok(&text) ||
        !fo_grow((void **)&problems->items, &problems->cap, problems->n + 1, sizeof(*problems->items))) {
        problems->failed = true;
        return;
    }
    p = &problems->items[problems->n];
    p->text = fo_str_take(&text);
    if (!p->text) {
        problems->failed = true;
        return;
    }
    p->order = order;
    p->seq = problems->n++;
}

static int
by_place(const void *a, const void *b)
{
    const fo_problem *x = a, *y = b;

    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* Flags alone at fault are a matter of usage, not of configuration. */
static finops_code
code_of(const fo_problems *problems)
{
    for (size_t i = 0; i < problems->n; i++)
        if (problems->items[i].order != FO_ORDER_FLAG)
            return FINOPS_E_CONFIG;
    return FINOPS_E_USAGE;
}

finops_code
fo_problems_error(fo_problems *problems, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str all = FO_STR_INIT;
    finops_code rc;

    if (problems->failed)
        return fo_error_oom(err);
    if (problems->n == 0)
        return FINOPS_OK;
    qsort(problems->items, problems->n, sizeof(*problems->items), by_place);
    for (size_t i = 0; i < problems->n; i++)
        fo_str_addf(&all, "%s%s", i > 0 ? "\n" : "", problems->items[i].text);
    if (problems->dropped > 0)
        fo_str_addf(&all, "\nand %zu more", problems->dropped);
    if (!fo_str_ok(&all))
        return fo_error_oom(err);
    rc = fo_error_set(err, code_of(problems), "%s", fo_str_z(&all));
    if (problems->hint)
        fo_error_hint(err, "%s", problems->hint);
    return rc;
}

void
fo_problems_done(fo_problems *problems)
{
    for (size_t i = 0; i < problems->n; i++)
        fo_free(problems->items[i].text);
    fo_free(problems->items);
    fo_free(problems->hint);
    *problems = (fo_problems){ 0 };
}
