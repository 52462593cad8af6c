/* The front door over a real database: DuckDB, also as if its driver could do less than it can. */
#include "front_fixture.h"

#include <nanoarrow/nanoarrow.h>
#include <stdlib.h>
#include <unistd.h>

#include "database/duckdb/driver.h"

typedef struct real {
    char folder[64];
    char *path;
    finops_registry *registry;
    finops_database *database;
    finops_database_driver poor; /* without replace_partition, health and is_alive */
} real;

static int
real_setup(void **state)
{
    real *r = fo_zalloc(sizeof(*r));

    assert_non_null(r);
    (void)snprintf(r->folder, sizeof(r->folder), "/tmp/finops-front-XXXXXX");
    assert_non_null(mkdtemp(r->folder));
    r->path = fo_format("%s/f.duckdb", r->folder);
    r->poor = fo_duckdb_driver;
    r->poor.name = "poor";
    r->poor.replace_partition = NULL;
    r->poor.health = NULL;
    r->poor.is_alive = NULL;
    assert_int_equal(fo_registry_new_empty(&r->registry, NULL), FINOPS_OK);
    assert_int_equal(finops_registry_add(r->registry, &r->poor, NULL), FINOPS_OK);
    assert_int_equal(finops_registry_add(r->registry, &fo_duckdb_driver, NULL), FINOPS_OK);
    *state = r;
    return 0;
}

static int
real_teardown(void **state)
{
    real *r = *state;

    finops_database_close(r->database);
    finops_registry_free(r->registry);
    (void)unlink(r->path);
    (void)rmdir(r->folder);
    fo_free(r->path);
    fo_free(r);
    return 0;
}

static finops_session *
open_session(real *r, const char *backend)
{
    const finops_setting settings[] = { { "database_path", r->path } };
    finops_session *session = NULL;

    assert_int_equal(finops_database_open(r->registry, backend, settings, 1, NULL, &r->database, NULL),
                     FINOPS_OK);
    assert_int_equal(finops_session_acquire(r->database, 0, NULL, &session, NULL), FINOPS_OK);
    return session;
}

static void
run(finops_session *s, const char *sql)
{
    assert_int_equal(fo_session_exec(s, sql, NULL, 0, NULL, NULL), FINOPS_OK);
}

static void
expect_text(finops_session *s, const char *sql, const char *want)
{
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

    assert_int_equal(fo_session_rows(s, sql, NULL, 0, &rows, NULL), FINOPS_OK);
    assert_int_equal(fo_rows_count(rows), 1);
    assert_string_equal(fo_rows_text(rows, 0, 0), want);
}

/* Rows of one column "value", the partition's month beside them. */
static finops_code
replace(finops_session *s, const char *column, const char *value, const char *select)
{
    const finops_source source = { .sql = select };
    const finops_partition p = { .schema = "b", .table = "t", .column = column, .value = value };

    return finops_session_replace_partition(s, &p, &source, NULL, NULL);
}

/* DuckDB cannot commit a table that was deleted from and then given a column; its driver knows a way round.
 */
static void
check_replacing(real *r, const char *backend, bool widen)
{
    finops_session *s = open_session(r, backend);
    const char *again =
        widen ? "SELECT DATE '2026-10-01' AS m, 3 AS v, 'x' AS w" : "SELECT DATE '2026-10-01' AS m, 3 AS v";

    run(s, "CREATE SCHEMA b");
    assert_int_equal(replace(s, "m", "2026-10-01", "SELECT DATE '2026-10-01' AS m, 1 AS v"), FINOPS_OK);
    assert_int_equal(replace(s, "m", "2026-11-01", "SELECT DATE '2026-11-01' AS m, 2 AS v"), FINOPS_OK);
    assert_int_equal(replace(s, "m", "2026-10-01", again), FINOPS_OK);
    expect_text(s, "SELECT string_agg(v, ' ' ORDER BY m) FROM b.t", "3 2");
    assert_int_equal(replace(s, "m", "2026-10-01", "SELECT DATE '2026-10-01' AS m, error('no') AS v"),
                     FINOPS_E_DATABASE);
    expect_text(s, "SELECT string_agg(v, ' ' ORDER BY m) FROM b.t", "3 2");
    assert_int_equal(replace(s, NULL, NULL, "SELECT 7 AS other"), FINOPS_OK);
    expect_text(s, "SELECT other FROM b.t", "7");
    finops_session_release(s);
}

static void
the_general_way_replaces_a_partition(void **state)
{
    check_replacing(*state, "poor", false);
}

static void
the_drivers_way_replaces_a_partition(void **state)
{
    check_replacing(*state, "duckdb", true);
}

static void
health_and_liveness_work_the_general_way(void **state)
{
    real *r = *state;
    finops_session *s = open_session(r, "poor");
    finops_health health;

    assert_int_equal(finops_database_health(r->database, NULL, &health, NULL), FINOPS_OK);
    assert_int_equal(health.state, FINOPS_HEALTH_UP);
    assert_true(health.latency_ms > 0);
    assert_true(fo_front_alive(r->database, fo_session_native(s)));
    finops_session_release(s);
}

static void
many_threads_share_one_file(void **state)
{
    real *r = *state;
    finops_session *a = open_session(r, "duckdb"), *b = NULL;

    run(a, "CREATE TABLE t AS SELECT 42 AS x");
    assert_int_equal(finops_session_acquire(r->database, 0, NULL, &b, NULL), FINOPS_OK);
    expect_text(b, "SELECT x FROM t", "42");
    finops_session_release(a);
    finops_session_release(b);
}

static void
count(const finops_change *change, void *arg)
{
    unsigned *n = arg;

    n[change->kind]++;
}

static void
a_schema_is_held_against_a_real_table(void **state)
{
    real *r = *state;
    finops_session *s = open_session(r, "duckdb");
    const finops_write write = { .schema = "main", .table = "t", .mode = FINOPS_WRITE_WIDEN };
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    unsigned n[3] = { 0 };

    run(s, "CREATE TABLE t (cost DECIMAL(38,18), n INTEGER, name VARCHAR, d DATE)");
    assert_int_equal(fo_session_stream(s,
                                       "SELECT 1::DECIMAL(38,18) AS cost, 1::DOUBLE AS n, 5 AS name, "
                                       "DATE '2026-01-01' AS d, 'x' AS more",
                                       NULL, 0, &stream, NULL),
                     FINOPS_OK);
    assert_int_equal(stream.get_schema(&stream, &schema), 0);
    stream.release(&stream);
    assert_int_equal(finops_session_validate(s, &write, &schema, count, n, NULL), FINOPS_OK);
    schema.release(&schema);
    assert_int_equal(n[FINOPS_CHANGE_ADDED], 1);
    assert_int_equal(n[FINOPS_CHANGE_WIDENED], 1);
    assert_int_equal(n[FINOPS_CHANGE_REFUSED], 1);
    finops_session_release(s);
}

static void
the_configuration_opens_what_it_names(void **state)
{
    real *r = *state;
    fo_settings settings = { 0 };
    char name[] = "duckdb", file[256];

    (void)snprintf(file, sizeof(file), "%s", r->path);
    settings.database.backend = name;
    settings.duckdb.database_path = file;
    settings.connections.max = 2;
    assert_int_equal(fo_database_open_settings(r->registry, &settings, NULL, &r->database, NULL), FINOPS_OK);
    assert_string_equal(finops_database_backend(r->database), "duckdb");
    settings.database.backend = NULL;
}

#define REAL(name) cmocka_unit_test_setup_teardown(name, real_setup, real_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        REAL(the_general_way_replaces_a_partition),     REAL(the_drivers_way_replaces_a_partition),
        REAL(health_and_liveness_work_the_general_way), REAL(many_threads_share_one_file),
        REAL(a_schema_is_held_against_a_real_table),    REAL(the_configuration_opens_what_it_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
