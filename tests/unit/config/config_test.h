/* What the tests of the configuration share: loading a text with a given environment and flags. */
#ifndef FO_TESTS_CONFIG_TEST_H
#define FO_TESTS_CONFIG_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "config/config_internal.h"

static const char *const no_env[] = { NULL };

/* Loads with env (NULL: empty) and at most one flag (key NULL: none). */
static inline finops_code
load_with(fo_config_format format, const char *text, const char *const *env, const fo_config_override *flag,
          fo_config **ret, finops_error **err)
{
    fo_config_source source = { .env = env ? env : no_env, .overrides = flag, .n_overrides = flag != NULL };
    fo_config_text file = { .format = format,
                            .name = format == FO_CONFIG_TOML ? "config.toml" : "config.yaml",
                            .text = text,
                            .n = strlen(text),
                            .mode = 0600 };

    return fo_config_load_text(&source, &file, ret, err);
}

static inline const fo_config_row *
row_of(const fo_config *config, const char *key)
{
    const fo_config_row *rows;
    size_t n;

    assert_int_equal(fo_config_rows(config, &rows, &n, NULL), FINOPS_OK);
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].key, key) == 0)
            return &rows[i];
    fail_msg("no row %s", key);
    return NULL;
}

static inline void
assert_row(const fo_config *config, const char *key, const char *value, const char *origin)
{
    const fo_config_row *row = row_of(config, key);

    assert_string_equal(row->value, value);
    assert_string_equal(row->origin, origin);
}

/* The whole message of a text that must be refused. */
static inline void
assert_refused(fo_config_format format, const char *text, const char *message)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    fo_config *config = NULL;

    assert_int_equal(load_with(format, text, NULL, NULL, &config, &err), FINOPS_E_CONFIG);
    assert_string_equal(finops_error_text(err), message);
    assert_null(config);
}

#endif
