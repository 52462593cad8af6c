/* Rules that one row cannot tell: what must come together, what must be before what, what an address looks
 * like. */
#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "config/config_internal.h"

/* "config.toml:12", "--start-date", or the section when it is a default. */
static const char *
where(const fo_layer *layer, int row)
{
    const fo_origin *origin = &layer->origins[row];

    if (!origin->text)
        return layer->name;
    return origin->kind == FO_ORIGIN_FLAG ? origin->text + strlen("flag ") : origin->text;
}

static unsigned
order_of(const fo_layer *layer, int row)
{
    switch (layer->origins[row].kind) {
    case FO_ORIGIN_FILE:
        return layer->origins[row].line;
    case FO_ORIGIN_FLAG:
        return FO_ORDER_FLAG;
    default:
        return FO_ORDER_CHECK;
    }
}

void
fo_layer_check(const fo_layer *layer, fo_problems *problems)
{
    const finops_option *table = layer->section->options;

    for (int row = 0; table[row].name; row++) {
        bool set = fo_option_is_set(&table[row], layer->base);
        int needed;

        if (!set && (table[row].flags & FINOPS_OPT_REQUIRED))
            fo_problem_add(problems, FO_ORDER_CHECK, "%s.%s: must be set", layer->name, table[row].name);
        if (!set || !table[row].needs)
            continue;
        needed = fo_option_index(table, table[row].needs);
        assert(needed >= 0);
        if (!fo_option_is_set(&table[needed], layer->base))
            fo_problem_add(problems, order_of(layer, row), "%s: %s.%s: needs %s, which is not set",
                           where(layer, row), layer->section->path, table[row].name, table[needed].name);
    }
}

/* "2024-10" stands for the whole month, so only what both say is compared. */
static void
check_dates(const fo_layer *layer, fo_problems *problems)
{
    const fo_aws_settings *aws = layer->base;
    int row = fo_option_index(layer->section->options, "start_date");
    size_t n;

    if (!aws->start_date || !aws->end_date)
        return;
    n = strlen(aws->start_date) < strlen(aws->end_date) ? strlen(aws->start_date) : strlen(aws->end_date);
    if (strncmp(aws->start_date, aws->end_date, n) > 0)
        fo_problem_add(problems, order_of(layer, row), "%s: %s.start_date: %s is after end_date %s",
                       where(layer, row), layer->section->path, aws->start_date, aws->end_date);
}

static void
check_url(const fo_layer *layer, const char *name, const char *example, fo_problems *problems)
{
    FO_AUTO(fo_str_done) fo_str found = FO_STR_INIT;
    int row = fo_option_index(layer->section->options, name);
    const finops_option *option = &layer->section->options[row];
    const char *text, *host;

    assert(row >= 0 && option->type == FINOPS_OPT_STRING);
    text = *(char *const *)(const void *)((const char *)layer->base + option->offset);
    if (!text)
        return;
    host = fo_starts(text, "http://") ? text + 7 : fo_starts(text, "https://") ? text + 8 : NULL;
    if (host && *host && *host != '/' && !strpbrk(text, " \"\\"))
        return;
    fo_option_found(option, text, &found);
    if (!fo_str_ok(&found))
        problems->failed = true;
    fo_problem_add(problems, order_of(layer, row), "%s: %s.%s: expected an address such as %s, found %s",
                   where(layer, row), layer->section->path, name, example, fo_str_z(&found));
}

/* Other tools take a proxy without its scheme. */
static finops_code
complete_proxy(fo_network_settings *network, finops_error **err)
{
    char *full;

    if (!network->proxy || strstr(network->proxy, "://"))
        return FINOPS_OK;
    full = fo_format("http://%s", network->proxy);
    if (!full)
        return fo_error_oom(err);
    fo_free(network->proxy);
    network->proxy = full;
    return FINOPS_OK;
}

/* An entry of aws.exports would only repeat what is wrong with [aws], which comes before it. */
static void
check_layer(const fo_layer *layer, bool *aws_is_fine, fo_problems *problems)
{
    size_t before = problems->n;

    if (layer->section->repeated && !*aws_is_fine)
        return;
    fo_layer_check(layer, problems);
    if (!fo_starts(layer->section->path, "aws"))
        return;
    check_dates(layer, problems);
    check_url(layer, "endpoint_url", "http://localhost:9000", problems);
    if (!layer->section->repeated)
        *aws_is_fine = problems->n == before;
}

/* The old name counts while the new one is not used. */
static void
check_bronze(fo_config *config)
{
    const fo_layer *layer = fo_config_layer(config, "platform.bronze");
    const finops_option *table = layer->section->options;
    int old = fo_option_index(table, "s3_enabled"), new = fo_option_index(table, "storage_enabled");

    assert(old >= 0 && new >= 0);
    if (layer->origins[old].kind == FO_ORIGIN_DEFAULT)
        return;
    fo_warn("%s: platform.bronze.s3_enabled is now called storage_enabled", where(layer, old));
    if (layer->origins[new].kind == FO_ORIGIN_DEFAULT)
        config->settings.bronze.storage_enabled = config->settings.bronze.s3_enabled;
}

finops_code
fo_config_check(fo_config *config, fo_problems *problems, finops_error **err)
{
    finops_code rc = complete_proxy(&config->settings.network, err);
    bool aws_is_fine = true;

    if (rc != FINOPS_OK)
        return rc;
    for (size_t i = 0; i < config->n_layers; i++)
        check_layer(&config->layers[i], &aws_is_fine, problems);
    fo_raw_backends_check(config, problems);
    check_bronze(config);
    check_url(fo_config_layer(config, "network"), "proxy", "http://proxy.example:3128", problems);
    return FINOPS_OK;
}
