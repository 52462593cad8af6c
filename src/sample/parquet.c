/*
 * A part of a bill as Parquet: the engine's COPY reads the lines from a table function and writes them as
 * they come, so that memory stays small. One thread, so that the same lines give the same bytes.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "sample/writers.h"

#define MEMORY_LIMIT (UINT64_C(1) << 30)

typedef struct source { /* what the table function reads */
    const file_job *job;
    line *lines;
    int64_t rows;
} source;

static duckdb_logical_type
column_logical_type(column_type t)
{
    duckdb_logical_type key, item, ret;

    switch (t) {
    case COLUMN_NUMBER:
        return duckdb_create_logical_type(DUCKDB_TYPE_DOUBLE);
    case COLUMN_TIME:
        return duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP_MS);
    case COLUMN_MAP:
    case COLUMN_NUMBER_MAP:
        key = duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
        item = duckdb_create_logical_type(t == COLUMN_MAP ? DUCKDB_TYPE_VARCHAR : DUCKDB_TYPE_DOUBLE);
        ret = duckdb_create_map_type(key, item);
        duckdb_destroy_logical_type(&key);
        duckdb_destroy_logical_type(&item);
        return ret;
    default:
        return duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
    }
}

static void
source_bind(duckdb_bind_info info)
{
    source *s = duckdb_bind_get_extra_info(info);
    const columns *c = s->job->columns;
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;

    for (size_t i = 0; i < c->n; i++) {
        duckdb_logical_type type = column_logical_type(c->items[i].type);

        fo_str_clear(&name);
        fo_sample_column_name(c, &c->items[i], true, &name);
        duckdb_bind_add_result_column(info, fo_str_z(&name), type);
        duckdb_destroy_logical_type(&type);
        if (!fo_str_ok(&name))
            duckdb_bind_set_error(info, "out of memory");
    }
}

static void
source_init(duckdb_init_info info)
{
    duckdb_init_set_max_threads(info, 1);
}

/* The double nearest to the decimal: both operands are exact, so that the one division rounds once. */
static double
number_double(int64_t ticks)
{
    double scale = 1e10;

    while (ticks % 10 == 0 && scale > 1) {
        ticks /= 10;
        scale /= 10;
    }
    return (double)ticks / scale;
}

static void
put_null(duckdb_vector vector, idx_t row)
{
    duckdb_vector_ensure_validity_writable(vector);
    duckdb_validity_set_row_invalid(duckdb_vector_get_validity(vector), row);
}

static void
put_text(const month_lines *m, const line *l, const value *v, duckdb_vector vector, idx_t row)
{
    char buf[2 * SAMPLE_TIME + SAMPLE_ID];
    size_t n;

    switch (v->kind) {
    case VALUE_TEXT:
        duckdb_vector_assign_string_element(vector, row, v->text);
        return;
    case VALUE_NUMBER:
        n = fo_sample_number(v->number, buf);
        break;
    case VALUE_ID:
        fo_sample_line_id(m, l, buf);
        n = SAMPLE_ID;
        break;
    case VALUE_INTERVAL:
        n = fo_sample_time(l->start, false, buf);
        buf[n++] = '/';
        n += fo_sample_time(l->end, false, buf + n);
        break;
    default:
        put_null(vector, row);
        return;
    }
    duckdb_vector_assign_string_element_len(vector, row, buf, n);
}

static size_t
map_size(const value *v)
{
    size_t n = 0;

    if (v->kind == VALUE_DISCOUNT)
        return v->number != 0;
    for (size_t i = 0; i < v->n; i++)
        n += v->keys[i] && v->values[i] && *v->values[i];
    return n;
}

/* Appends one row's pairs to the map vector, whose children hold *at pairs so far. */
static void
put_map(const value *v, duckdb_vector vector, idx_t row, idx_t *at)
{
    duckdb_list_entry *entries = duckdb_vector_get_data(vector);
    duckdb_vector pairs = duckdb_list_vector_get_child(vector);
    duckdb_vector keys = duckdb_struct_vector_get_child(pairs, 0);
    duckdb_vector items = duckdb_struct_vector_get_child(pairs, 1);

    entries[row] = (duckdb_list_entry){ .offset = *at, .length = map_size(v) };
    if (v->kind == VALUE_DISCOUNT && v->number) {
        duckdb_vector_assign_string_element(keys, *at, "total_discount");
        ((double *)duckdb_vector_get_data(items))[(*at)++] = number_double(v->number);
        return;
    }
    for (size_t i = 0; i < v->n; i++) {
        if (!v->keys[i] || !v->values[i] || !*v->values[i])
            continue;
        duckdb_vector_assign_string_element(keys, *at, v->keys[i]);
        duckdb_vector_assign_string_element(items, (*at)++, v->values[i]);
    }
}

static bool
fill_map(const source *s, size_t n, const column *col, duckdb_vector vector)
{
    idx_t all = 0, at = 0;

    for (size_t i = 0; i < n; i++) {
        value v = fo_sample_value(s->job->lines, &s->lines[i], col);

        all += map_size(&v);
    }
    if (duckdb_list_vector_reserve(vector, all) != DuckDBSuccess)
        return false;
    for (size_t i = 0; i < n; i++) {
        value v = fo_sample_value(s->job->lines, &s->lines[i], col);

        put_map(&v, vector, i, &at);
    }
    return duckdb_list_vector_set_size(vector, all) == DuckDBSuccess;
}

static bool
fill_column(const source *s, size_t n, const column *col, duckdb_vector vector)
{
    void *data = duckdb_vector_get_data(vector);

    if (col->type == COLUMN_MAP || col->type == COLUMN_NUMBER_MAP)
        return fill_map(s, n, col, vector);
    for (size_t i = 0; i < n; i++) {
        value v = fo_sample_value(s->job->lines, &s->lines[i], col);

        if (v.kind == VALUE_NONE)
            put_null(vector, i);
        else if (col->type == COLUMN_NUMBER)
            ((double *)data)[i] = number_double(v.number);
        else if (col->type == COLUMN_TIME)
            ((int64_t *)data)[i] = v.number / 1000;
        else
            put_text(s->job->lines, &s->lines[i], &v, vector, i);
    }
    return true;
}

static void
source_read(duckdb_function_info info, duckdb_data_chunk chunk)
{
    source *s = duckdb_function_get_extra_info(info);
    size_t n = 0, most = duckdb_vector_size();

    while (n < most && s->rows < s->job->max_rows && fo_sample_lines_next(s->job->lines, &s->lines[n])) {
        n++;
        s->rows++;
    }
    for (size_t i = 0; i < s->job->columns->n; i++) {
        if (!fill_column(s, n, &s->job->columns->items[i], duckdb_data_chunk_get_vector(chunk, i)))
            duckdb_function_set_error(info, "out of memory");
    }
    duckdb_data_chunk_set_size(chunk, n);
    if (s->job->tick)
        s->job->tick(s->job->arg, s->rows);
}

static finops_code
source_register(source *s, fo_conn *conn, finops_error **err)
{
    duckdb_table_function f = duckdb_create_table_function();
    duckdb_state state;

    duckdb_table_function_set_name(f, "sample_lines");
    duckdb_table_function_set_extra_info(f, s, NULL);
    duckdb_table_function_set_bind(f, source_bind);
    duckdb_table_function_set_init(f, source_init);
    duckdb_table_function_set_function(f, source_read);
    state = duckdb_register_table_function(fo_conn_native(conn), f);
    duckdb_destroy_table_function(&f);
    if (state != DuckDBSuccess)
        return fo_error_set(err, FINOPS_E_DATABASE, "register the sample's table function");
    return FINOPS_OK;
}

static finops_code
copy_out(const source *s, fo_conn *conn, const char *part, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    finops_code rc;

    fo_str_add(&sql, "COPY (SELECT * FROM sample_lines()) TO ");
    fo_sql_literal(&sql, part);
    fo_str_add(&sql, " (FORMAT parquet, COMPRESSION snappy)");
    rc = fo_str_check(&sql, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_conn_set_cancel(conn, s->job->cancel);
    return fo_conn_exec(conn, fo_str_z(&sql), err);
}

static void
remove_part(char **part)
{
    if (*part)
        (void)unlink(*part);
    fo_free(*part);
}

finops_code
fo_sample_write_parquet(const file_job *job, int64_t *ret_rows, finops_error **err)
{
    FO_AUTO(fo_freep) line *lines = fo_array(duckdb_vector_size(), sizeof(line));
    FO_AUTO(remove_part) char *part = fo_format("%s.part", job->path);
    FO_AUTO(fo_engine_closep) fo_engine *engine = NULL;
    FO_AUTO(fo_conn_closep) fo_conn *conn = NULL;
    source s = { .job = job, .lines = lines };
    finops_code rc;

    if (!lines || !part)
        return fo_error_oom(err);
    rc = fo_mkdirs_for(job->path, err);
    if (rc == FINOPS_OK)
        rc = fo_engine_open(&(fo_engine_options){ .threads = 1, .memory_limit = MEMORY_LIMIT }, &engine, err);
    if (rc == FINOPS_OK)
        rc = fo_conn_open(engine, &conn, err);
    if (rc == FINOPS_OK)
        rc = source_register(&s, conn, err);
    if (rc == FINOPS_OK)
        rc = copy_out(&s, conn, part, err);
    if (rc != FINOPS_OK)
        return fo_error_wrap(err, rc, "write %s", job->path);
    rc = fo_sample_publish(part, job->path, err);
    if (rc == FINOPS_OK)
        *ret_rows = s.rows;
    return rc;
}
