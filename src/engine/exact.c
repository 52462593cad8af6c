/* finops_exact(): the exact decimal of a double's shortest text, and of text, by the arithmetic of
 * base/decimal.h. */
#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
#include "engine/csv.h"
#include "engine/engine_internal.h"

#define VALUE_SHOWN 60

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

static bool
exact_valid(const uint64_t *mask, idx_t row)
{
    return !mask || (mask[row / 64] >> (row % 64) & 1);
}

/* The same rows of `to` are NULL as of `mask`, which may be NULL. */
static void
exact_copy_validity(const uint64_t *mask, duckdb_vector to, idx_t n)
{
    if (!mask)
        return;
    duckdb_vector_ensure_validity_writable(to);
    memcpy(duckdb_vector_get_validity(to), mask, (n + 63) / 64 * sizeof(*mask));
}

/* Values to convert: `data` of doubles or texts. */
typedef struct exact_values {
    const void *data;
    const uint64_t *valid;
    bool text;
} exact_values;

/* Converts the values from `at` on into out; false: refused. */
static bool
exact_convert(duckdb_function_info info, const exact_values *v, idx_t at, idx_t n, char *out)
{
    fo_conn *conn = duckdb_scalar_function_get_bind_data(info);
    int64_t rounded = 0;

    for (idx_t row = at; row < at + n; row++, out += sizeof(fo_decimal)) {
        fo_decimal value;
        fo_decimal_result result;

        if (!exact_valid(v->valid, row))
            continue;
        result = v->text ? exact_text(v->data, row, &value) : exact_double(v->data, row, &value);
        if (result == FO_DECIMAL_BAD || result == FO_DECIMAL_RANGE) {
            exact_refuse(info, v->data, row, v->text, result);
            return false;
        }
        rounded += result == FO_DECIMAL_ROUNDED;
        memcpy(out, &value, sizeof(value));
    }
    if (rounded && conn)
        conn->rounded += rounded;
    return true;
}

/* Converts a chunk; NULL stays NULL. */
static void
exact_run(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output, bool text)
{
    duckdb_vector vector = duckdb_data_chunk_get_vector(input, 0);
    const exact_values values = { duckdb_vector_get_data(vector), duckdb_vector_get_validity(vector), text };
    idx_t n = duckdb_data_chunk_get_size(input);

    exact_copy_validity(values.valid, output, n);
    exact_convert(info, &values, 0, n, duckdb_vector_get_data(output));
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

/* Where each row's entries begin in the output, one list after the other; returns how many there are. */
static idx_t
exact_map_lists(duckdb_vector from, duckdb_vector to, idx_t n)
{
    const duckdb_list_entry *in = duckdb_vector_get_data(from);
    const uint64_t *mask = duckdb_vector_get_validity(from);
    duckdb_list_entry *out = duckdb_vector_get_data(to);
    idx_t total = 0;

    exact_copy_validity(mask, to, n);
    for (idx_t row = 0; row < n; row++) {
        out[row] = (duckdb_list_entry){ total, exact_valid(mask, row) ? in[row].length : 0 };
        total += out[row].length;
    }
    return total;
}

/* MAP(VARCHAR, DOUBLE): keys are copied, values converted. */
static void
exact_run_map(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    duckdb_vector from = duckdb_data_chunk_get_vector(input, 0);
    duckdb_vector entries = duckdb_list_vector_get_child(from), made = duckdb_list_vector_get_child(output);
    duckdb_vector from_values = duckdb_struct_vector_get_child(entries, 1);
    const duckdb_list_entry *in = duckdb_vector_get_data(from), *out = duckdb_vector_get_data(output);
    const duckdb_string_t *keys = duckdb_vector_get_data(duckdb_struct_vector_get_child(entries, 0));
    const exact_values values = { duckdb_vector_get_data(from_values),
                                  duckdb_vector_get_validity(from_values), false };
    idx_t n = duckdb_data_chunk_get_size(input);
    idx_t total = exact_map_lists(from, output, n);

    if (duckdb_list_vector_reserve(output, total) != DuckDBSuccess ||
        duckdb_list_vector_set_size(output, total) != DuckDBSuccess) {
        duckdb_scalar_function_set_error(info, "finops_exact: out of memory");
        return;
    }
    /* Reserving may have moved them. */
    duckdb_vector to_keys = duckdb_struct_vector_get_child(made, 0);
    duckdb_vector to_values = duckdb_struct_vector_get_child(made, 1);
    char *decimals = duckdb_vector_get_data(to_values);
    for (idx_t row = 0; row < n; row++) {
        for (idx_t i = 0; i < out[row].length; i++) {
            idx_t at = in[row].offset + i;
            size_t len;
            const char *key = exact_string(keys + at, &len);

            duckdb_unsafe_vector_assign_string_element_len(to_keys, out[row].offset + i, key, len);
            if (!exact_valid(values.valid, at)) {
                duckdb_vector_ensure_validity_writable(to_values);
                duckdb_validity_set_row_invalid(duckdb_vector_get_validity(to_values), out[row].offset + i);
            }
        }
        if (!exact_convert(info, &values, in[row].offset, out[row].length,
                           decimals + out[row].offset * sizeof(fo_decimal)))
            return;
    }
}

static duckdb_logical_type
exact_map_type(duckdb_type value)
{
    duckdb_logical_type key = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    duckdb_logical_type item = value == DUCKDB_TYPE_DECIMAL ? duckdb_create_decimal_type(38, FO_DECIMAL_SCALE)
                                                            : duckdb_create_logical_type(value);
    duckdb_logical_type map = duckdb_create_map_type(key, item);

    duckdb_destroy_logical_type(&item);
    duckdb_destroy_logical_type(&key);
    return map;
}

static void *
exact_same(void *conn)
{
    return conn;
}

/* Whose values they are. */
static void
exact_bind(duckdb_bind_info info)
{
    duckdb_client_context context;

    duckdb_scalar_function_get_client_context(info, &context);
    duckdb_scalar_function_set_bind_data(
        info, fo_conn_of(duckdb_scalar_function_bind_get_extra_info(info), context), NULL);
    duckdb_scalar_function_set_bind_data_copy(info, exact_same);
}

/* Adds the function of one argument type to the set. */
static bool
exact_add(duckdb_scalar_function_set set, duckdb_type argument, duckdb_scalar_function_t run,
          fo_engine *engine)
{
    bool map = argument == DUCKDB_TYPE_MAP;
    duckdb_scalar_function function = duckdb_create_scalar_function();
    duckdb_logical_type from =
        map ? exact_map_type(DUCKDB_TYPE_DOUBLE) : duckdb_create_logical_type(argument);
    duckdb_logical_type to =
        map ? exact_map_type(DUCKDB_TYPE_DECIMAL) : duckdb_create_decimal_type(38, FO_DECIMAL_SCALE);
    duckdb_state done;

    duckdb_scalar_function_set_name(function, "finops_exact");
    duckdb_scalar_function_add_parameter(function, from);
    duckdb_scalar_function_set_return_type(function, to);
    duckdb_scalar_function_set_function(function, run);
    duckdb_scalar_function_set_extra_info(function, engine, NULL);
    duckdb_scalar_function_set_bind(function, exact_bind);
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

    set = duckdb_create_scalar_function_set("finops_exact");
    done = exact_add(set, DUCKDB_TYPE_DOUBLE, exact_run_double, engine) &&
           exact_add(set, DUCKDB_TYPE_VARCHAR, exact_run_text, engine) &&
           exact_add(set, DUCKDB_TYPE_MAP, exact_run_map, engine) &&
           duckdb_register_scalar_function_set(conn, set) == DuckDBSuccess;
    duckdb_destroy_scalar_function_set(&set);
    if (!done)
        return fo_error_set(err, FINOPS_E_INTERNAL, "register finops_exact()");
    return FINOPS_OK;
}

int64_t
fo_exact_rounded(fo_conn *conn)
{
    assert(conn);
    return atomic_exchange(&conn->rounded, 0);
}
