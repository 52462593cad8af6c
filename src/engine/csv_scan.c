/*
 * finops_bill_csv(): the table function. Each of the engine's threads is a worker with a block of its own; a
 * call of the function fills one chunk from it, and a new block is taken when it is used up.
 */
#include <assert.h>
#include <unistd.h>

#include "base/decimal.h"
#include "base/mem.h"
#include "engine/csv_internal.h"
#include "engine/engine_internal.h"

/* A connection's part. */
typedef struct fo_csv_state {
    pthread_mutex_t lock; /* of job and failure */
    fo_csv_job *job;
    finops_error *failure; /* the first of the statement */
    atomic_bool failed;    /* the workers' sign to stop */
    fo_csv_limits limits;
} fo_csv_state;

/* What a statement was bound to. */
typedef struct csv_bound {
    fo_csv_state *state;
    fo_csv_job *job;
} csv_bound;

/* A statement's part. */
typedef struct csv_scan {
    fo_csv_job *job;
    fo_csv_queue *queue;
} csv_scan;

/* A thread's part. */
typedef struct csv_worker {
    fo_csv_parser parser;
    fo_csv_block block;
    size_t file; /* the block's, SIZE_MAX: none */
} csv_worker;

static fo_csv_job *
csv_job(fo_csv_state *state)
{
    fo_csv_job *job;

    pthread_mutex_lock(&state->lock);
    job = state->job;
    pthread_mutex_unlock(&state->lock);
    return job;
}

/* Keeps the first failure; returns the text of this one, which lives until the job ends or *io_err is freed.
 */
static const char *
csv_failed(fo_csv_state *state, finops_error **io_err)
{
    const char *text = finops_error_text(*io_err);

    pthread_mutex_lock(&state->lock);
    if (!state->failure)
        state->failure = FO_TAKE(*io_err);
    pthread_mutex_unlock(&state->lock);
    atomic_store(&state->failed, true);
    return text;
}

static duckdb_logical_type
csv_column_type(fo_csv_type type)
{
    switch (type) {
    case FO_CSV_DECIMAL:
        return duckdb_create_decimal_type(38, FO_DECIMAL_SCALE);
    case FO_CSV_TIMESTAMP:
        return duckdb_create_logical_type(DUCKDB_TYPE_TIMESTAMP);
    case FO_CSV_TEXT:
    case FO_CSV_SKIP:
        break;
    }
    return duckdb_create_logical_type(DUCKDB_TYPE_VARCHAR);
}

/* The connection whose statement is bound has something to read. */
static fo_csv_state *
csv_bind_state(duckdb_bind_info info)
{
    duckdb_client_context context;
    fo_conn *conn;

    duckdb_table_function_get_client_context(info, &context);
    conn = fo_conn_of(duckdb_bind_get_extra_info(info), context);
    return conn && csv_job(conn->csv) ? conn->csv : NULL;
}

static void
csv_bind(duckdb_bind_info info)
{
    fo_csv_state *state = csv_bind_state(info);
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    csv_bound *bound;
    const fo_csv_job *job;

    if (!state) {
        duckdb_bind_set_error(info, "finops_bill_csv() has nothing to read: it works inside an import only");
        return;
    }
    bound = fo_zalloc(sizeof(*bound));
    if (!bound) {
        (void)fo_error_oom(&err);
        duckdb_bind_set_error(info, csv_failed(state, &err));
        return;
    }
    *bound = (csv_bound){ state, csv_job(state) };
    job = bound->job;
    for (size_t c = 0; c < job->n_columns; c++) {
        duckdb_logical_type type = csv_column_type(job->columns[c].type);

        duckdb_bind_add_result_column(info, job->columns[c].name, type);
        duckdb_destroy_logical_type(&type);
    }
    duckdb_bind_set_bind_data(info, bound, fo_free);
}

static void
csv_scan_free(void *p)
{
    csv_scan *scan = p;

    if (!scan)
        return;
    fo_csv_queue_free(scan->queue);
    fo_free(scan);
}

static finops_code
csv_scan_new(const csv_bound *bound, csv_scan **ret, finops_error **err)
{
    csv_scan *scan;
    finops_code rc;

    /* A statement prepared for one job may be run in the next. */
    if (bound->job != csv_job(bound->state))
        return fo_error_set(err, FINOPS_E_ARGUMENT, "finops_bill_csv() was bound to another job");
    scan = fo_zalloc(sizeof(*scan));
    if (!scan)
        return fo_error_oom(err);
    scan->job = bound->job;
    rc = fo_csv_queue_new(bound->job, bound->state->limits, &scan->queue, err);
    if (rc != FINOPS_OK) {
        csv_scan_free(scan);
        return rc;
    }
    *ret = scan;
    return FINOPS_OK;
}

static void
csv_init(duckdb_init_info info)
{
    const csv_bound *bound = duckdb_init_get_bind_data(info);
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    csv_scan *scan = NULL;

    if (csv_scan_new(bound, &scan, &err) != FINOPS_OK) {
        duckdb_init_set_error(info, csv_failed(bound->state, &err));
        return;
    }
    duckdb_init_set_init_data(info, scan, csv_scan_free);
    duckdb_init_set_max_threads(info, cores > 0 ? (idx_t)cores : 1);
}

static void
csv_worker_free(void *p)
{
    csv_worker *worker = p;

    if (!worker)
        return;
    fo_csv_parser_done(&worker->parser);
    fo_csv_block_done(&worker->block);
    fo_free(worker);
}

static void
csv_worker_init(duckdb_init_info info)
{
    const csv_bound *bound = duckdb_init_get_bind_data(info);
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    csv_worker *worker = fo_zalloc(sizeof(*worker));
    finops_code rc;

    if (worker) {
        worker->file = SIZE_MAX;
        rc = fo_csv_parser_init(&worker->parser, bound->job, &err);
    } else {
        rc = fo_error_oom(&err);
    }
    if (rc != FINOPS_OK) {
        csv_worker_free(worker);
        duckdb_init_set_error(info, csv_failed(bound->state, &err));
        return;
    }
    duckdb_init_set_init_data(info, worker, csv_worker_free);
}

/* A block that has records left, or none when there is nothing more to read. */
static finops_code
worker_block(csv_worker *worker, csv_scan *scan, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    while (rc == FINOPS_OK && worker->block.at == worker->block.n) {
        worker->block.at = worker->block.n = 0;
        rc = fo_csv_queue_next(scan->queue, &worker->file, &worker->block, err);
        if (rc != FINOPS_OK || worker->block.n == 0)
            return rc;
        rc = fo_csv_parser_file(&worker->parser, &scan->job->inputs[worker->file], err);
    }
    return rc;
}

/* Fills the chunk from one block; a block that held nothing but a header is followed by the next. */
static finops_code
worker_fill(csv_worker *worker, csv_scan *scan, duckdb_data_chunk chunk, size_t *ret_rows, finops_error **err)
{
    size_t room = duckdb_vector_size();
    size_t rows = 0;

    fo_csv_parser_chunk(&worker->parser, chunk);
    while (rows == 0) {
        finops_code rc = worker_block(worker, scan, err);

        if (rc != FINOPS_OK)
            return rc;
        if (worker->block.n == 0)
            break;
        while (rows < room && worker->block.at < worker->block.n) {
            size_t n = 0;

            rc = fo_csv_parse(&worker->parser, &worker->block, rows, room - rows, &n, err);
            if (rc != FINOPS_OK)
                return rc;
            rows += n;
        }
    }
    *ret_rows = rows;
    return FINOPS_OK;
}

static void
csv_function(duckdb_function_info info, duckdb_data_chunk chunk)
{
    fo_csv_state *state = ((const csv_bound *)duckdb_function_get_bind_data(info))->state;
    csv_scan *scan = duckdb_function_get_init_data(info);
    csv_worker *worker = duckdb_function_get_local_init_data(info);
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    size_t rows = 0;

    duckdb_data_chunk_set_size(chunk, 0);
    if (atomic_load(&state->failed)) {
        duckdb_function_set_error(info, "reading failed in another thread");
        return;
    }
    if (worker_fill(worker, scan, chunk, &rows, &err) != FINOPS_OK) {
        duckdb_function_set_error(info, csv_failed(state, &err));
        return;
    }
    scan->job->rows += (int64_t)rows;
    scan->job->rounded += worker->parser.rounded;
    worker->parser.rounded = 0;
    duckdb_data_chunk_set_size(chunk, rows);
}

finops_code
fo_csv_register(fo_engine *engine, duckdb_connection conn, finops_error **err)
{
    duckdb_table_function function;
    duckdb_state done;

    function = duckdb_create_table_function();
    duckdb_table_function_set_name(function, "finops_bill_csv");
    duckdb_table_function_set_extra_info(function, engine, NULL);
    duckdb_table_function_set_bind(function, csv_bind);
    duckdb_table_function_set_init(function, csv_init);
    duckdb_table_function_set_local_init(function, csv_worker_init);
    duckdb_table_function_set_function(function, csv_function);
    done = duckdb_register_table_function(conn, function);
    duckdb_destroy_table_function(&function);
    if (done != DuckDBSuccess)
        return fo_error_set(err, FINOPS_E_INTERNAL, "register finops_bill_csv()");
    return FINOPS_OK;
}

fo_csv_state *
fo_csv_state_new(void)
{
    fo_csv_state *state = fo_zalloc(sizeof(*state));

    if (!state)
        return NULL;
    (void)pthread_mutex_init(&state->lock, NULL);
    state->limits = FO_CSV_LIMITS;
    return state;
}

void
fo_csv_state_free(fo_csv_state *state)
{
    if (!state)
        return;
    finops_error_free(state->failure);
    (void)pthread_mutex_destroy(&state->lock);
    fo_free(state);
}

void
fo_csv_set_limits(fo_conn *conn, fo_csv_limits limits)
{
    conn->csv->limits = limits;
}

static finops_code
csv_job_check(const fo_csv_job *job, finops_error **err)
{
    if (job->n_columns == 0)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "a job without columns");
    for (size_t i = 0; i < job->n_inputs; i++) {
        const fo_csv_file *input = &job->inputs[i];

        if (input->n_fields == 0)
            return fo_error_set(err, FINOPS_E_ARGUMENT, "%s: a file without fields", input->label);
        for (size_t f = 0; f < input->n_fields; f++)
            if (input->targets[f] >= 0 && (size_t)input->targets[f] >= job->n_columns)
                return fo_error_set(err, FINOPS_E_ARGUMENT, "%s: field %zu goes to no column", input->label,
                                    f + 1);
    }
    return FINOPS_OK;
}

finops_code
fo_csv_job_begin(fo_conn *conn, fo_csv_job *job, finops_error **err)
{
    fo_csv_state *state = conn->csv;
    finops_code rc = csv_job_check(job, err);

    if (rc != FINOPS_OK)
        return rc;
    pthread_mutex_lock(&state->lock);
    if (state->job) {
        pthread_mutex_unlock(&state->lock);
        return fo_error_set(err, FINOPS_E_BUSY, "the connection reads other bill files already");
    }
    finops_error_freep(&state->failure);
    atomic_store(&state->failed, false);
    job->rows = 0;
    job->rounded = 0;
    job->bytes_read = 0;
    state->job = job;
    pthread_mutex_unlock(&state->lock);
    return FINOPS_OK;
}

finops_error *
fo_csv_failure(fo_conn *conn)
{
    finops_error *failure;

    pthread_mutex_lock(&conn->csv->lock);
    failure = FO_TAKE(conn->csv->failure);
    pthread_mutex_unlock(&conn->csv->lock);
    return failure;
}

void
fo_csv_job_end(fo_conn *conn)
{
    pthread_mutex_lock(&conn->csv->lock);
    conn->csv->job = NULL;
    finops_error_freep(&conn->csv->failure);
    pthread_mutex_unlock(&conn->csv->lock);
}
