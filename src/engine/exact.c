/* finops_exact(): the exact decimal of a double's shortest text, and of text, by the arithmetic of
 * base/decimal.h. */
#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "base/mem.h"
#include "engine/csv.h"
#include "engine/engine_internal.h"

#define VALUE_SHOWN 60

typedef struct fo_exact_state {
    _Atomic int64_t rounded;
} fo_exact_state;

static fo_decimal_result
exact_double(const void *data, idx_t row, fo_decimal *ret)
{
    return fo_decimal_from_double(((const double *)data)[row], ret);
}

static const char *
exact_string(const duckdb_string_t *s, size_t *ret_n)
{
    *ret_n = s->value.inlined.length;
    return *ret_n <= sizeof(s->value.inlined.inlined) ? s->value.inlined.inlined : s->value.pointer.ptr;
}

static fo_decimal_result
exact_text(const void *data, idx_t row, fo_decimal *ret)
{
    size_t n;
    const char *p = exact_string((const duckdb_string_t *)data + row, &n);

    return fo_decimal_parse(p, n, ret);
}

static void
exact_refuse(duckdb_function_info info, const void *data, idx_t row, bool text, fo_decimal_result result)
{
    const char *why =
        result == FO_DECIMAL_RANGE ? "has more than 20 digits before the point" : "is no number";
    char shown[VALUE_SHOWN + 1], message[VALUE_SHOWN + 80];

    if (text) {
        size_t n;
        const char *p = exact_string((const duckdb_string_t *)data + row, &n);

        if (n > VALUE_SHOWN)
            for (n = VALUE_SHOWN; n > 0 && ((unsigned char)p[n] & 0xc0) == 0x80; n--)
                ;
        memcpy(shown, p, n);
        shown[n] = '\0';
    } else {
        snprintf(shown, sizeof(shown), "%.17g", ((const double *)data)[row]);
    }
    snprintf(message, sizeof(message), "finops_exact: \"%s\" %s", shown, why);
    duckdb_scalar_function_set_error(info, message);
}

/* Converts a chunk; NULL stays NULL. */
static void
exact_run(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output, bool text)
{
    fo_exact_state *state = duckdb_scalar_function_get_extra_info(info);
    duckdb_vector vector = duckdb_data_chunk_get_vector(input, 0);
    const void *data = duckdb_vector_get_data(vector);
    uint64_t *valid = duckdb_vector_get_validity(vector);
    char *out = duckdb_vector_get_data(output);
    idx_t n = duckdb_data_chunk_get_size(input);
    int64_t rounded = 0;

    for (idx_t row = 0; row < n; row++) {
        fo_decimal value;
        fo_decimal_result result;

        if (!duckdb_validity_row_is_valid(valid, row)) {
            duckdb_vector_ensure_validity_writable(output);
            duckdb_validity_set_row_invalid(duckdb_vector_get_validity(output), row);
            continue;
        }
        result = text ? exact_text(data, row, &value) : exact_double(data, row, &value);
        if (result == FO_DECIMAL_BAD || result == FO_DECIMAL_RANGE) {
            exact_refuse(info, data, row, text, result);
            return;
        }
        rounded += result == FO_DECIMAL_ROUNDED;
        memcpy(out + row * sizeof(value), &value, sizeof(value));
    }
    state->rounded += rounded;
}

static void
exact_run_double(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    exact_run(info, input, output, false);
}

static void
exact_run_text(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    exact_run(info, input, output, true);
}

/* Adds the function of one argument type to the set. */
static bool
exact_add(duckdb_scalar_function_set set, duckdb_type argument, duckdb_scalar_function_t run,
          fo_exact_state *state)
{
    duckdb_scalar_function function = duckdb_create_scalar_function();
    duckdb_logical_type from = duckdb_create_logical_type(argument);
    duckdb_logical_type to = duckdb_create_decimal_type(38, FO_DECIMAL_SCALE);
    duckdb_state done;

    duckdb_scalar_function_set_name(function, "finops_exact");
    duckdb_scalar_function_add_parameter(function, from);
    duckdb_scalar_function_set_return_type(function, to);
    duckdb_scalar_function_set_function(function, run);
    duckdb_scalar_function_set_extra_info(function, state, NULL);
    done = duckdb_add_scalar_function_to_set(set, function);
    duckdb_destroy_logical_type(&to);
    duckdb_destroy_logical_type(&from);
    duckdb_destroy_scalar_function(&function);
    return done == DuckDBSuccess;
}

finops_code
fo_exact_register(fo_engine *engine, duckdb_connection conn, finops_error **err)
{
    duckdb_scalar_function_set set;
    bool done;

    engine->exact = fo_zalloc(sizeof(*engine->exact));
    if (!engine->exact)
        return fo_error_oom(err);
    set = duckdb_create_scalar_function_set("finops_exact");
    done = exact_add(set, DUCKDB_TYPE_DOUBLE, exact_run_double, engine->exact) &&
           exact_add(set, DUCKDB_TYPE_VARCHAR, exact_run_text, engine->exact) &&
           duckdb_register_scalar_function_set(conn, set) == DuckDBSuccess;
    duckdb_destroy_scalar_function_set(&set);
    if (!done)
        return fo_error_set(err, FINOPS_E_INTERNAL, "register finops_exact()");
    return FINOPS_OK;
}

void
fo_exact_unregister(fo_engine *engine)
{
    fo_free(engine->exact);
    engine->exact = NULL;
}

int64_t
fo_exact_rounded(fo_engine *engine)
{
    assert(engine && engine->exact);
    return atomic_exchange(&engine->exact->rounded, 0);
}
