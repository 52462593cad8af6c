/* finops_keys(): the keys of maps, gathered while a statement streams by. */
#include "engine/keys.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "engine/engine_internal.h"

#define SLOTS_FIRST 64
#define SLACK 4 /* this many times the keys that will be kept may be held before the last are dropped */
#define MAX_DEFAULT 1000
#define RECENT 256

/* An open-addressing set of texts. */
typedef struct key_set {
    char **slots;
    size_t n_slots; /* a power of two, or 0 */
    size_t n;
} key_set;

typedef struct fo_keys_state {
    pthread_mutex_t lock; /* guards all below */
    key_set *sets;        /* one a map argument */
    size_t n_sets;
    size_t max;
    bool failed; /* out of memory while noting */
} fo_keys_state;

static void
set_done(key_set *set)
{
    for (size_t i = 0; i < set->n_slots; i++)
        fo_free(set->slots[i]);
    fo_free(set->slots);
    *set = (key_set){ 0 };
}

/* FNV-1a. */
static size_t
hash(const char *p, size_t n)
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < n; i++)
        h = (h ^ (unsigned char)p[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 32);
}

/* The slot that holds the text, or the free one where it belongs. */
static char **
set_slot(const key_set *set, const char *p, size_t n)
{
    for (size_t i = hash(p, n);; i++) {
        char **slot = &set->slots[i & (set->n_slots - 1)];

        if (!*slot || (strlen(*slot) == n && memcmp(*slot, p, n) == 0))
            return slot;
    }
}

static bool
set_grow(key_set *set)
{
    key_set bigger = { .n_slots = set->n_slots ? 2 * set->n_slots : SLOTS_FIRST, .n = set->n };

    bigger.slots = fo_array(bigger.n_slots, sizeof(*bigger.slots));
    if (!bigger.slots)
        return false;
    memset(bigger.slots, 0, bigger.n_slots * sizeof(*bigger.slots));
    for (size_t i = 0; i < set->n_slots; i++)
        if (set->slots[i])
            *set_slot(&bigger, set->slots[i], strlen(set->slots[i])) = set->slots[i];
    fo_free(set->slots);
    *set = bigger;
    return true;
}

/* Sorted texts out of the set, which is empty afterwards. */
static bool
set_drain(key_set *set, fo_strv *ret)
{
    for (size_t i = 0; i < set->n_slots; i++) {
        char *text = FO_TAKE(set->slots[i]);

        if (text && !fo_strv_take(ret, text))
            return false;
    }
    set->n = 0;
    fo_strv_sort(ret);
    return true;
}

static bool
set_add(key_set *set, const char *p, size_t n)
{
    if (2 * (set->n + 1) > set->n_slots && !set_grow(set))
        return false;
    char **slot = set_slot(set, p, n);
    if (*slot)
        return true;
    *slot = fo_strndup(p, n);
    set->n += *slot != NULL;
    return *slot != NULL;
}

/* Drops all but the first `max`: those beyond can never be among them again. */
static bool
set_cut(key_set *set, size_t max)
{
    FO_AUTO(fo_strv_done) fo_strv all = FO_STRV_INIT;
    bool ok = set_drain(set, &all);

    for (size_t i = 0; ok && i < all.n && i < max; i++)
        ok = set_add(set, all.items[i], strlen(all.items[i]));
    return ok;
}

static void
note_key(fo_keys_state *state, size_t map, const duckdb_string_t *key)
{
    key_set *set = &state->sets[map];
    const char *p = duckdb_string_t_data((duckdb_string_t *)(uintptr_t)key);

    /* A NUL cannot be in a name of ours. */
    if (!set_add(set, p, strnlen(p, duckdb_string_t_length(*key))) ||
        (set->n > state->max * SLACK && !set_cut(set, state->max)))
        state->failed = true;
}

/* What one call works on. */
typedef struct noting {
    const bool *condition;
    const uint64_t *condition_valid;
    idx_t rows;
} noting;

static bool
is_text_map(duckdb_vector vector)
{
    duckdb_logical_type type = duckdb_vector_get_column_type(vector);
    bool is = duckdb_get_type_id(type) == DUCKDB_TYPE_MAP;

    if (is) {
        duckdb_logical_type key = duckdb_map_type_key_type(type);
        is = duckdb_get_type_id(key) == DUCKDB_TYPE_VARCHAR;
        duckdb_destroy_logical_type(&key);
    }
    duckdb_destroy_logical_type(&type);
    return is;
}

static bool
valid(const uint64_t *mask, idx_t row)
{
    return !mask || (mask[row / 64] >> (row % 64) & 1);
}

/*
 * Keys of one dictionary share their bytes, and short ones are whole in their sixteen bytes: what was met in
 * this chunk with the same sixteen is the same key, and nothing is to be looked up.
 */
typedef struct recent {
    duckdb_string_t keys[RECENT];
    bool used[RECENT];
} recent;

static bool
recent_has(recent *met, const duckdb_string_t *key)
{
    uint64_t words[2];

    static_assert(sizeof(words) == sizeof(*key), "a string is sixteen bytes");
    memcpy(words, key, sizeof(words));
    size_t at = (size_t)((words[0] * 0x9e3779b97f4a7c15u ^ words[1] * 0xc2b2ae3d27d4eb4fu) >> 32) % RECENT;
    if (met->used[at] && memcmp(&met->keys[at], key, sizeof(*key)) == 0)
        return true;
    met->keys[at] = *key;
    met->used[at] = true;
    return false;
}

static void
note_map(fo_keys_state *state, size_t map, duckdb_vector vector, const noting *n)
{
    const duckdb_list_entry *lists = duckdb_vector_get_data(vector);
    const uint64_t *lists_valid = duckdb_vector_get_validity(vector);
    duckdb_vector child = duckdb_struct_vector_get_child(duckdb_list_vector_get_child(vector), 0);
    const duckdb_string_t *keys = duckdb_vector_get_data(child);
    recent met = { .used = { false } };

    for (idx_t row = 0; row < n->rows; row++) {
        if (!valid(lists_valid, row) || !valid(n->condition_valid, row) || !n->condition[row])
            continue;
        const duckdb_string_t *key = keys + lists[row].offset;
        for (const duckdb_string_t *end = key + lists[row].length; key < end; key++)
            if (!recent_has(&met, key))
                note_key(state, map, key);
    }
}

static bool
sets_room(fo_keys_state *state, size_t n)
{
    size_t cap = state->n_sets;

    if (n <= state->n_sets)
        return true;
    if (!fo_grow((void **)&state->sets, &cap, n, sizeof(*state->sets)))
        return false;
    memset(state->sets + state->n_sets, 0, (cap - state->n_sets) * sizeof(*state->sets));
    state->n_sets = cap;
    return true;
}

static void
keys_run(duckdb_function_info info, duckdb_data_chunk input, duckdb_vector output)
{
    fo_keys_state *state = duckdb_scalar_function_get_bind_data(info);
    duckdb_vector condition = duckdb_data_chunk_get_vector(input, 0);
    idx_t columns = duckdb_data_chunk_get_column_count(input);
    noting n = { .condition = duckdb_vector_get_data(condition),
                 .condition_valid = duckdb_vector_get_validity(condition),
                 .rows = duckdb_data_chunk_get_size(input) };
    bool *out = duckdb_vector_get_data(output);

    (void)pthread_mutex_lock(&state->lock);
    bool ok = sets_room(state, columns - 1);
    for (idx_t i = 1; ok && i < columns; i++) {
        duckdb_vector vector = duckdb_data_chunk_get_vector(input, i);
        if (is_text_map(vector))
            note_map(state, i - 1, vector, &n);
    }
    ok = ok && !state->failed;
    (void)pthread_mutex_unlock(&state->lock);
    for (idx_t row = 0; row < n.rows; row++)
        out[row] = valid(n.condition_valid, row) && n.condition[row];
    if (!ok)
        duckdb_scalar_function_set_error(info, "out of memory while the keys of maps were gathered");
}

void
fo_keys_begin(fo_conn *conn, size_t max)
{
    fo_keys_state *state = conn->keys;

    assert(max > 0);
    (void)pthread_mutex_lock(&state->lock);
    for (size_t i = 0; i < state->n_sets; i++)
        set_done(&state->sets[i]);
    state->max = max;
    state->failed = false;
    (void)pthread_mutex_unlock(&state->lock);
}

finops_code
fo_keys_of(fo_conn *conn, size_t i, fo_strv *ret, finops_error **err)
{
    fo_keys_state *state = conn->keys;
    finops_code rc = FINOPS_OK;

    (void)pthread_mutex_lock(&state->lock);
    if (i < state->n_sets) {
        key_set *set = &state->sets[i];
        if (!set_cut(set, state->max) || !set_drain(set, ret))
            rc = fo_error_oom(err);
    }
    (void)pthread_mutex_unlock(&state->lock);
    return rc;
}

static void *
same_state(void *state)
{
    return state;
}

static void
keys_bind(duckdb_bind_info info)
{
    duckdb_client_context context;
    fo_conn *conn;

    duckdb_scalar_function_get_client_context(info, &context);
    conn = fo_conn_of(duckdb_scalar_function_bind_get_extra_info(info), context);
    if (!conn) {
        duckdb_scalar_function_bind_set_error(info, "finops_keys() works inside an import only");
        return;
    }
    duckdb_scalar_function_set_bind_data(info, conn->keys, NULL);
    duckdb_scalar_function_set_bind_data_copy(info, same_state);
}

finops_code
fo_keys_register(fo_engine *engine, duckdb_connection conn, finops_error **err)
{
    duckdb_scalar_function function = duckdb_create_scalar_function();
    duckdb_logical_type any = duckdb_create_logical_type(DUCKDB_TYPE_ANY);
    duckdb_logical_type boolean = duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN);
    duckdb_scalar_function_set_name(function, "finops_keys");
    duckdb_scalar_function_set_varargs(function, any);
    duckdb_scalar_function_set_return_type(function, boolean);
    duckdb_scalar_function_set_volatile(function);
    duckdb_scalar_function_set_special_handling(
        function); /* a NULL map does not make the row's answer NULL */
    duckdb_scalar_function_set_function(function, keys_run);
    duckdb_scalar_function_set_extra_info(function, engine, NULL);
    duckdb_scalar_function_set_bind(function, keys_bind);
    duckdb_state done = duckdb_register_scalar_function(conn, function);
    duckdb_destroy_logical_type(&boolean);
    duckdb_destroy_logical_type(&any);
    duckdb_destroy_scalar_function(&function);
    return done == DuckDBSuccess ? FINOPS_OK : fo_error_set(err, FINOPS_E_INTERNAL, "register finops_keys()");
}

fo_keys_state *
fo_keys_state_new(void)
{
    fo_keys_state *state = fo_zalloc(sizeof(*state));

    if (!state)
        return NULL;
    (void)pthread_mutex_init(&state->lock, NULL);
    state->max = MAX_DEFAULT;
    return state;
}

void
fo_keys_state_free(fo_keys_state *state)
{
    if (!state)
        return;
    for (size_t i = 0; i < state->n_sets; i++)
        set_done(&state->sets[i]);
    fo_free(state->sets);
    (void)pthread_mutex_destroy(&state->lock);
    fo_free(state);
}
