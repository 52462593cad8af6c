/*
 * Any bytes as a configuration file: the first byte picks TOML (even) or YAML (odd), the rest is the file.
 *
 * What is read must merge, show and free; what is refused must say why.
 */
#include <stdint.h>
#include <stdlib.h>

#include "config/config_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool truth)
{
    if (!truth)
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const no_env[] = { NULL };
    fo_config_source source = { .env = no_env };
    fo_config_text text = { .name = "fuzz", .mode = 0600 };
    const fo_config_row *rows;
    fo_config *config = NULL;
    finops_error *err = NULL;
    size_t n;

    if (size == 0)
        return 0;
    text.format = data[0] % 2 == 0 ? FO_CONFIG_TOML : FO_CONFIG_YAML;
    text.text = (const char *)data + 1;
    text.n = size - 1;
    if (fo_config_load_text(&source, &text, &config, &err) == FINOPS_OK) {
        must(config && !err);
        must(fo_config_rows(config, &rows, &n, NULL) == FINOPS_OK && n > 0);
    } else {
        must(!config && err && finops_error_text(err)[0]);
    }
    fo_config_free(config);
    finops_error_free(err);
    return 0;
}
