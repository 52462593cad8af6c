#include "fake_driver.h"

#include <assert.h>
#include <nanoarrow/nanoarrow.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/mem.h"

typedef struct fake_conn {
    fake_world *world;
    unsigned generation;
    atomic_bool dead, cancelled;
    bool in_transaction;
} fake_conn;

static fake_world default_world = { .lock_log = PTHREAD_MUTEX_INITIALIZER };

static const finops_option options[] = {
    { "host", FINOPS_OPT_STRING, offsetof(fake_config, host), .value = "localhost", .help = "Name of it." },
    { "port", FINOPS_OPT_INT, offsetof(fake_config, port), .value = "1", .min = 1, .max = 99,
      .help = "Port." },
    { "password", FINOPS_OPT_STRING, offsetof(fake_config, password), .flags = FINOPS_OPT_SECRET,
      .needs = "mode", .help = "Password." },
    { "mode", FINOPS_OPT_ENUM, offsetof(fake_config, mode), .allow = "fast slow", .help = "Mode." },
    { 0 },
};

void
fake_world_init(fake_world *w)
{
    memset(w, 0, sizeof(*w));
    w->capabilities = (finops_capabilities){
        .features = FINOPS_DATABASE_TRANSACTIONS | FINOPS_DATABASE_DDL_IN_TRANSACTION |
                    FINOPS_DATABASE_SCHEMAS | FINOPS_DATABASE_EXACT_DECIMALS | FINOPS_DATABASE_SERVER |
                    FINOPS_DATABASE_CONCURRENT_WRITERS,
        .max_identifier = 63,
        .max_precision = 38,
        .max_parameters = 100,
        .quote = '"',
    };
    (void)pthread_mutex_init(&w->lock_log, NULL);
}

void
fake_world_done(fake_world *w)
{
    fo_strv_done(&w->log);
    (void)pthread_mutex_destroy(&w->lock_log);
}

fake_world *
fake_default(void)
{
    return &default_world;
}

void
fake_cut(fake_world *w)
{
    (void)atomic_fetch_add(&w->generation, 1);
}

void
fake_fail(fake_fault *fault, unsigned times, finops_code code)
{
    atomic_store(&fault->code, (int)code);
    atomic_store(&fault->times, times);
}

static void
note(fake_world *w, const char *text)
{
    (void)pthread_mutex_lock(&w->lock_log);
    (void)fo_strv_add(&w->log, text);
    (void)pthread_mutex_unlock(&w->lock_log);
}

const char *
fake_log(fake_world *w, size_t n)
{
    const char *text;

    (void)pthread_mutex_lock(&w->lock_log);
    text = n < w->log.n ? w->log.items[n] : NULL;
    (void)pthread_mutex_unlock(&w->lock_log);
    return text;
}

void
fake_log_clear(fake_world *w)
{
    fo_strv_done(&w->log);
}

static bool
conn_dead(const fake_conn *c)
{
    return atomic_load(&c->dead) || c->generation != atomic_load(&c->world->generation);
}

static finops_code
lost(finops_error **err)
{
    return fo_error_set(err, FINOPS_E_TRANSIENT, "the connection is lost");
}

static finops_code
fault_take(fake_fault *fault, fake_conn *c, finops_error **err)
{
    unsigned left = atomic_load(&fault->times);

    while (left > 0) {
        if (!atomic_compare_exchange_weak(&fault->times, &left, left - 1))
            continue;
        if (fault->kills && c)
            atomic_store(&c->dead, true);
        return fo_error_set(err, (finops_code)atomic_load(&fault->code), "fake fault");
    }
    return c && conn_dead(c) ? lost(err) : FINOPS_OK;
}

static finops_code
fake_open(const void *config, void **ret_self, finops_error **err)
{
    const fake_config *c = config;

    (void)err;
    *ret_self = c->world ? c->world : &default_world;
    return FINOPS_OK;
}

static void
fake_close(void *self)
{
    fake_world *w = self;

    if (!w)
        return;
    assert(atomic_load(&w->live) == 0);
    (void)atomic_fetch_add(&w->closes, 1);
}

static void
fake_capabilities(void *self, finops_capabilities *ret)
{
    *ret = ((fake_world *)self)->capabilities;
}

static finops_code
fake_connect(void *self, unsigned flags, const finops_call *call, void **ret_conn, finops_error **err)
{
    fake_world *w = self;
    fake_conn *c;
    unsigned live, most;
    finops_code rc;

    (void)flags;
    atomic_store(&w->connect_deadline, call ? call->deadline_us : 0);
    (void)atomic_fetch_add(&w->connects, 1);
    if (w->hold_us)
        (void)nanosleep(&(struct timespec){ .tv_nsec = w->hold_us * 1000 }, NULL);
    rc = fault_take(&w->connect, NULL, err);
    if (rc != FINOPS_OK)
        return rc;
    c = fo_zalloc(sizeof(*c));
    if (!c)
        return fo_error_oom(err);
    c->world = w;
    c->generation = atomic_load(&w->generation);
    live = atomic_fetch_add(&w->live, 1) + 1;
    most = atomic_load(&w->live_max);
    while (most < live && !atomic_compare_exchange_weak(&w->live_max, &most, live))
        ;
    *ret_conn = c;
    return FINOPS_OK;
}

static void
fake_disconnect(void *conn)
{
    fake_conn *c = conn;

    if (!c)
        return;
    if (c->in_transaction && !conn_dead(c))
        note(c->world, "rollback by disconnect");
    (void)atomic_fetch_sub(&c->world->live, 1);
    fo_free(c);
}

void
fake_stream(struct ArrowArrayStream *ret, const char *const *values, size_t n)
{
    struct ArrowSchema schema;
    struct ArrowArray array;

    ArrowSchemaInit(&schema);
    NANOARROW_ASSERT_OK(ArrowSchemaSetTypeStruct(&schema, 1));
    NANOARROW_ASSERT_OK(ArrowSchemaSetType(schema.children[0], NANOARROW_TYPE_STRING));
    NANOARROW_ASSERT_OK(ArrowSchemaSetName(schema.children[0], "value"));
    NANOARROW_ASSERT_OK(ArrowArrayInitFromSchema(&array, &schema, NULL));
    NANOARROW_ASSERT_OK(ArrowArrayStartAppending(&array));
    for (size_t i = 0; i < n; i++) {
        NANOARROW_ASSERT_OK(ArrowArrayAppendString(array.children[0], ArrowCharView(values[i])));
        NANOARROW_ASSERT_OK(ArrowArrayFinishElement(&array));
    }
    NANOARROW_ASSERT_OK(ArrowArrayFinishBuildingDefault(&array, NULL));
    NANOARROW_ASSERT_OK(ArrowBasicArrayStreamInit(ret, &schema, 1));
    ArrowBasicArrayStreamSetArray(ret, 0, &array);
}

/* Until let go, cancelled from another thread, or told to end by the call itself. */
static finops_code
hang(fake_conn *c, const finops_call *call, finops_error **err)
{
    (void)call;
    while (atomic_load(&c->world->hang)) {
        if (atomic_exchange(&c->cancelled, false))
            return fo_error_set(err, FINOPS_E_CANCELLED, "cancelled from outside");
        (void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
    }
    return FINOPS_OK;
}

static finops_code
fake_execute(void *conn, const finops_statement *s, struct ArrowArrayStream *ret_stream, int64_t *ret_changed,
             finops_error **err)
{
    fake_conn *c = conn;
    finops_code rc;

    (void)atomic_fetch_add(&c->world->executes, 1);
    note(c->world, s->sql);
    rc = fault_take(&c->world->execute, c, err);
    if (rc == FINOPS_OK)
        rc = hang(c, s->call, err);
    if (rc != FINOPS_OK)
        return rc;
    if (ret_stream)
        fake_stream(ret_stream, (const char *const[]){ "1" }, 1);
    if (ret_changed)
        *ret_changed = 1;
    return FINOPS_OK;
}

static const char *const modes[] = { "append", "create", "widen" };

static finops_code
fake_write(void *conn, const finops_write *write, const finops_source *source, finops_write_result *ret,
           finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    fake_conn *c = conn;
    finops_code rc;

    fo_str_addf(&text, "write %s.%s %s", write->schema ? write->schema : "", write->table,
                modes[write->mode]);
    note(c->world, fo_str_z(&text));
    (void)atomic_fetch_add(&c->world->writes, 1);
    rc = fault_take(&c->world->write, c, err);
    if (source->stream)
        source->stream->release(source->stream);
    if (rc == FINOPS_OK)
        *ret = (finops_write_result){ .rows = 3, .bytes = 30, .seconds = 0.5 };
    return rc;
}

static finops_code
fake_columns(void *conn, const char *schema, const char *table, finops_each_column each, void *arg,
             finops_error **err)
{
    fake_conn *c = conn;

    (void)schema;
    (void)table;
    if (conn_dead(c))
        return lost(err);
    for (size_t i = 0; i < c->world->n_columns; i++)
        if (!each(&c->world->columns[i], arg))
            break;
    return FINOPS_OK;
}

static finops_code
fake_tables(void *conn, const char *schema, finops_each_name each, void *arg, finops_error **err)
{
    if (conn_dead(conn))
        return lost(err);
    (void)(each(schema ? schema : "main", "bills", false, arg) && each("main", "report", true, arg));
    return FINOPS_OK;
}

static finops_code
fake_begin(void *conn, finops_error **err)
{
    fake_conn *c = conn;
    finops_code rc = fault_take(&c->world->begin, c, err);

    if (rc != FINOPS_OK)
        return rc;
    (void)atomic_fetch_add(&c->world->begins, 1);
    note(c->world, "begin");
    c->in_transaction = true;
    return FINOPS_OK;
}

static finops_code
fake_commit(void *conn, bool *ret_unknown, finops_error **err)
{
    fake_conn *c = conn;
    finops_code rc;

    (void)atomic_fetch_add(&c->world->commits, 1);
    note(c->world, "commit");
    c->in_transaction = false;
    rc = fault_take(&c->world->commit, c, err);
    if (rc != FINOPS_OK)
        *ret_unknown = c->world->commit_unknown;
    return rc;
}

static finops_code
fake_rollback(void *conn, finops_error **err)
{
    fake_conn *c = conn;

    (void)atomic_fetch_add(&c->world->rollbacks, 1);
    note(c->world, "rollback");
    c->in_transaction = false;
    return fault_take(&c->world->rollback, c, err);
}

static bool
fake_is_alive(void *conn)
{
    fake_conn *c = conn;

    (void)atomic_fetch_add(&c->world->probes, 1);
    return !conn_dead(c);
}

static void
fake_cancel(void *conn)
{
    fake_conn *c = conn;

    (void)atomic_fetch_add(&c->world->cancels, 1);
    atomic_store(&c->cancelled, true);
}

static finops_code
fake_health(void *self, const finops_call *call, finops_health *ret, finops_error **err)
{
    fake_world *w = self;
    finops_code rc = fault_take(&w->health, NULL, err);

    (void)call;
    if (rc == FINOPS_OK)
        *ret = (finops_health){ .state = FINOPS_HEALTH_UP, .latency_ms = 1, .version = "Fake 1.0" };
    return rc;
}

static finops_code
fake_lock(void *conn, const char *name, const finops_call *call, finops_error **err)
{
    fake_conn *c = conn;

    (void)name;
    (void)call;
    return fault_take(&c->world->lock, c, err);
}

static finops_code
fake_unlock(void *conn, const char *name, finops_error **err)
{
    (void)name;
    return conn_dead(conn) ? lost(err) : FINOPS_OK;
}

#define REQUIRED                                                                                             \
    .abi = FINOPS_DATABASE_ABI, .size = sizeof(finops_database_driver), .version = "1.0.0",                  \
    .summary = "A database that is none.", .options = options, .config_size = sizeof(fake_config),           \
    .open = fake_open, .close = fake_close, .capabilities = fake_capabilities, .connect = fake_connect,      \
    .disconnect = fake_disconnect, .execute = fake_execute, .write = fake_write, .columns = fake_columns,    \
    .tables = fake_tables

const finops_database_driver fake_driver = {
    REQUIRED,
    .name = "fake",
    .begin = fake_begin,
    .commit = fake_commit,
    .rollback = fake_rollback,
    .is_alive = fake_is_alive,
    .cancel = fake_cancel,
    .health = fake_health,
    .lock = fake_lock,
    .unlock = fake_unlock,
};

const finops_database_driver fake_driver_bare = { REQUIRED, .name = "bare" };
