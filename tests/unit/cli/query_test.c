/* finops query against a real database: rows to a stream, to files of every format, and nothing half done. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/moment.h"
#include "cli_test.h"
#include "engine/engine.h"
#include "engine/ipc.h"

extern const fo_verb fo_verb_query;

static char folder[] = "/tmp/finops-query-XXXXXX";
static char database[64];

static int
make_database(void **state)
{
    FO_AUTO(fo_engine_closep) fo_engine *engine = NULL;
    FO_AUTO(fo_conn_closep) fo_conn *conn = NULL;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(database, sizeof(database), "%s/a.duckdb", folder);
    assert_int_equal(fo_engine_open(&(fo_engine_options){ .path = database }, &engine, NULL), FINOPS_OK);
    assert_int_equal(fo_conn_open(engine, &conn, NULL), FINOPS_OK);
    return fo_conn_exec(conn,
                        "CREATE TABLE t AS SELECT i, CAST(i / 8 AS DECIMAL(18, 3)) AS d, 'n' || i AS n "
                        "FROM range(5000) r(i)",
                        NULL);
}

static int
remove_database(void **state)
{
    DIR *dir = opendir(folder);

    (void)state;
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir))
        (void)unlinkat(dirfd(dir), e->d_name, 0);
    if (dir)
        (void)closedir(dir);
    return rmdir(folder);
}

static size_t
files_in_folder(void)
{
    DIR *dir = opendir(folder);
    size_t n = 0;

    for (struct dirent *e = readdir(dir); e; e = readdir(dir))
        n += e->d_name[0] != '.';
    (void)closedir(dir);
    return n;
}

static char *
in_folder(const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

/* Runs the verb as main would, its rows into c. */
static finops_code
query(caught *c, fo_out_format format, const char *sql, char *output, finops_error **err)
{
    struct {
        char *output;
        bool write;
        fo_moment moment;
    } options = { output, false, { NULL, NULL } };
    const fo_settings settings = { .database = { .backend = (char[]){ "duckdb" } },
                                   .duckdb = { .database_path = database, .lock_timeout = 1 } };
    char *copy = fo_strdup(sql);
    char *args[] = { copy, NULL };
    finops_code rc;

    caught_open(c, format);
    c->cli.verb = &fo_verb_query;
    c->cli.options = &options;
    c->cli.settings = &settings;
    c->cli.args = args;
    c->cli.n_args = 1;
    c->cli.format_given = !output;
    rc = fo_verb_query.run(&c->cli, err);
    c->cli.settings = NULL;
    fo_free(copy);
    return rc;
}

static void
rows_come_in_the_format_asked_for(void **state)
{
    caught c;

    (void)state;
    assert_int_equal(query(&c, FO_FORMAT_CSV, "SELECT * FROM t WHERE i < 2 ORDER BY i;", NULL, NULL),
                     FINOPS_OK);
    assert_string_equal(caught_text(&c), "i,d,n\n0,0.000,n0\n1,0.125,n1\n");
    caught_done(&c);
}

static void
second_columns_of_one_name_keep_their_values_in_json(void **state)
{
    caught c;

    (void)state;
    assert_int_equal(query(&c, FO_FORMAT_NDJSON, "SELECT 1 AS a, 2 AS a, 3 AS a_1", NULL, NULL), FINOPS_OK);
    assert_string_equal(caught_text(&c), "{\"a\":1,\"a_1\":2,\"a_1_1\":3}\n");
    caught_done(&c);
}

static void
a_statement_that_writes_is_refused(void **state)
{
    static const char *const writes[] = { "DELETE FROM t", "CREATE TABLE x (a INT)", "SELECT 1; SELECT 2",
                                          "COPY t TO '/tmp/finops-query-test.csv'" };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(writes); i++) {
        caught c;

        assert_int_not_equal(query(&c, FO_FORMAT_CSV, writes[i], NULL, NULL), FINOPS_OK);
        assert_string_equal(caught_text(&c), "");
        caught_done(&c);
    }
    assert_int_not_equal(access("/tmp/finops-query-test.csv", F_OK), 0);
}

static void
an_empty_statement_is_a_usage_error(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    caught c;

    (void)state;
    assert_int_equal(query(&c, FO_FORMAT_CSV, " ;\n", NULL, &err), FINOPS_E_USAGE);
    assert_string_equal(finops_error_text(err), "the statement is empty");
    caught_done(&c);
}

static void
a_files_ending_is_its_format(void **state)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    char *path = in_folder("o.ndjson");
    struct stat st;
    mode_t mask = umask(0);
    caught c;

    (void)state;
    (void)umask(mask);
    assert_int_equal(query(&c, FO_FORMAT_TABLE, "SELECT 7 AS a", path, NULL), FINOPS_OK);
    assert_string_equal(caught_text(&c), "");
    caught_done(&c);
    assert_int_equal(fo_file_read(path, 1000, &text, NULL), FINOPS_OK);
    assert_string_equal(fo_str_z(&text), "{\"a\":7}\n");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666 & ~mask);
    assert_int_equal(unlink(path), 0);
}

static void
a_failed_query_leaves_the_old_file_and_no_other(void **state)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;
    char *path = in_folder("old.csv");
    size_t before;
    caught c;

    (void)state;
    assert_int_equal(fo_file_write_atomic(path, "old", 3, 0644, NULL), FINOPS_OK);
    before = files_in_folder();
    /* The failure is in the last row, after the first ones were written. */
    assert_int_not_equal(query(&c, FO_FORMAT_TABLE,
                               "SELECT CAST(CASE WHEN i = 4999 THEN n ELSE '1' END AS INT) FROM t", path,
                               NULL),
                         FINOPS_OK);
    caught_done(&c);
    assert_int_equal(files_in_folder(), before);
    assert_int_equal(fo_file_read(path, 100, &text, NULL), FINOPS_OK);
    assert_string_equal(fo_str_z(&text), "old");
    assert_int_equal(unlink(path), 0);
}

static void
an_arrow_file_reads_back_to_the_same_rows(void **state)
{
    struct ArrowArrayStream stream = { 0 };
    char *path = in_folder("o.arrow");
    caught c;
    int fd;

    (void)state;
    assert_int_equal(query(&c, FO_FORMAT_TABLE, "SELECT * FROM t WHERE i = 4999", path, NULL), FINOPS_OK);
    caught_done(&c);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fo_ipc_read(fd, &stream, NULL), FINOPS_OK);
    caught_open(&c, FO_FORMAT_CSV);
    assert_int_equal(fo_render_stream(&c.cli, &stream, NULL), FINOPS_OK);
    assert_string_equal(caught_text(&c), "i,d,n\n4999,624.875,n4999\n");
    caught_done(&c);
    assert_int_equal(unlink(path), 0);
}

static void
a_parquet_file_reads_back_to_the_same_sum(void **state)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    char *path = in_folder("o.parquet");
    caught c;

    (void)state;
    assert_int_equal(query(&c, FO_FORMAT_TABLE, "SELECT * FROM t", path, NULL), FINOPS_OK);
    caught_done(&c);
    {
        FO_AUTO(fo_engine_closep) fo_engine *engine = NULL;
        FO_AUTO(fo_conn_closep) fo_conn *conn = NULL;
        FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;

        assert_int_equal(fo_engine_open(&(fo_engine_options){ 0 }, &engine, NULL), FINOPS_OK);
        assert_int_equal(fo_conn_open(engine, &conn, NULL), FINOPS_OK);
        fo_str_add(&sql, "SELECT count(*), sum(i) FROM read_parquet(");
        fo_sql_literal(&sql, path);
        fo_str_add(&sql, ")");
        assert_int_equal(fo_conn_rows(conn, fo_str_z(&sql), NULL, 0, &rows, NULL), FINOPS_OK);
        assert_int_equal(fo_rows_int(rows, 0, 0), 5000);
        assert_int_equal(fo_rows_int(rows, 0, 1), 12497500);
    }
    assert_int_equal(unlink(path), 0);
}

static void
a_folder_that_is_not_there_is_named(void **state)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    caught c;

    (void)state;
    assert_int_equal(query(&c, FO_FORMAT_TABLE, "SELECT 1", in_folder("none/o.csv"), &err),
                     FINOPS_E_NOT_FOUND);
    assert_true(fo_starts(finops_error_text(err), "create a file beside "));
    caught_done(&c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_in_the_format_asked_for),
        cmocka_unit_test(second_columns_of_one_name_keep_their_values_in_json),
        cmocka_unit_test(a_statement_that_writes_is_refused),
        cmocka_unit_test(an_empty_statement_is_a_usage_error),
        cmocka_unit_test(a_files_ending_is_its_format),
        cmocka_unit_test(a_failed_query_leaves_the_old_file_and_no_other),
        cmocka_unit_test(an_arrow_file_reads_back_to_the_same_rows),
        cmocka_unit_test(a_parquet_file_reads_back_to_the_same_sum),
        cmocka_unit_test(a_folder_that_is_not_there_is_named),
    };

    return cmocka_run_group_tests(tests, make_database, remove_database);
}
