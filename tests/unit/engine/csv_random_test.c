/* finops_bill_csv() against Python's csv module on random files, and on real bills against their published
 * sums. */
#include "csv_test.h"

#include <jansson.h>
#include <libgen.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"

#define DATA "../shared/data/"
#define COLUMNS_MAX 300
#define SMALL 200000 /* bytes of a stored file: string_agg of more takes the sanitizers too long */

/* A path of the source tree. */
static char *
source_path(const char *name)
{
    FO_AUTO(fo_freep) char *file = fo_strdup(__FILE__);

    assert_non_null(file);
    return fo_format("%s/%s", dirname(file), name);
}

typedef struct python_view {
    size_t n_fields;
    size_t rows;
    char digest[65];
} python_view;

static pid_t
python_start(const char *script, const char *path, const char *seed, int out)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(out, STDOUT_FILENO);
        execlp("python3", "python3", script, path, seed, (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* Runs the script, which makes the file when there is a seed; false: there is no Python here. */
static bool
python_reads(const char *path, const char *seed, python_view *ret)
{
    FO_AUTO(fo_freep) char *script = source_path("csv_random.py");
    char output[128];
    int fds[2], status;
    size_t have = 0;
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe(fds), 0);
    pid = python_start(script, path, seed, fds[1]);
    close(fds[1]);
    while ((n = read(fds[0], output + have, sizeof(output) - 1 - have)) > 0)
        have += (size_t)n;
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return false;
    assert_int_equal(status, 0);
    output[have] = '\0';
    assert_int_equal(sscanf(output, "%zu %zu %64s", &ret->n_fields, &ret->rows, ret->digest), 3);
    return true;
}

/* The digest the script prints, made by the engine from our rows. */
static void
digest_sql(size_t n_fields, fo_str *sql)
{
    fo_str_add(
        sql, "SELECT count(*), sha256(coalesce(string_agg(line, chr(10) ORDER BY line), '')) FROM (SELECT ");
    for (size_t i = 0; i < n_fields; i++)
        fo_str_addf(sql, "%scoalesce(hex(encode(c%zu)), '-')", i > 0 ? " || ',' || " : "", i);
    fo_str_add(sql, " AS line FROM finops_bill_csv())");
}

/* Every cell of the file is what Python reads, for blocks of this size and of the usual one. */
static void
same_cells(fixture *f, const char *path, const python_view *python, size_t block)
{
    const size_t blocks[] = { block, FO_CSV_BLOCK };
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_freep) char *expected = fo_format("%zu|%s\n", python->rows, python->digest);
    fo_csv_column columns[COLUMNS_MAX];
    char names[COLUMNS_MAX][24];
    int targets[COLUMNS_MAX];

    assert_true(expected && python->n_fields <= COLUMNS_MAX);
    for (size_t i = 0; i < python->n_fields; i++) {
        snprintf(names[i], sizeof(names[i]), "c%zu", i);
        columns[i] = (fo_csv_column){ names[i], FO_CSV_TEXT };
        targets[i] = (int)i;
    }
    digest_sql(python->n_fields, &sql);
    job_columns(f, columns, python->n_fields);
    f->inputs[0] =
        (fo_csv_file){ .address = path, .label = path, .targets = targets, .n_fields = python->n_fields };
    f->job.n_inputs = 1;
    if (fo_streq(python->digest, "ragged")) {
        assert_int_equal(job_run(f, fo_str_z(&sql), &sql, NULL), FINOPS_E_DATA);
        return;
    }
    for (size_t i = 0; i < FO_COUNT(blocks); i++) {
        fo_csv_set_limits(f->conn, (fo_csv_limits){ .block = blocks[i], .input = 3 + blocks[i] / 3 });
        job_gives(f, fo_str_z(&sql), expected);
    }
    fo_csv_set_limits(f->conn, FO_CSV_LIMITS);
}

static void
random_files_are_read_as_python_reads_them(void **state)
{
    fixture *f = *state;

    for (unsigned i = 1; i <= 30; i++) {
        const char *path = fixture_path(f, i % 2 ? "random.csv" : "random.csv.gz");
        python_view python;
        char seed[16];

        snprintf(seed, sizeof(seed), "%u", i);
        if (!python_reads(path, seed, &python)) {
            print_message("no python3: the comparison is left out\n");
            skip();
        }
        same_cells(f, path, &python, 30 + i * i);
    }
}

static void
small_real_bills_are_read_as_python_reads_them(void **state)
{
    FO_AUTO(fo_freep) char *folder = source_path("../../../" DATA "aws-cur-koku");
    FO_AUTO(fo_strv_done) fo_strv names = FO_STRV_INIT;
    fixture *f = *state;
    unsigned bills = 0;

    if (fo_walk(folder, &names, NULL) != FINOPS_OK) {
        print_message("no %s: real bills are left out\n", folder);
        skip();
    }
    for (size_t i = 0; i < names.n; i++) {
        FO_AUTO(fo_freep) char *path = fo_path_join(folder, names.items[i]);
        struct stat info;
        python_view python;

        if ((!fo_ends(path, ".csv") && !fo_ends(path, ".csv.gz")) || stat(path, &info) != 0 ||
            info.st_size > SMALL)
            continue;
        if (!python_reads(path, NULL, &python))
            skip();
        same_cells(f, path, &python, 20000);
        bills++;
    }
    assert_true(bills > 0);
}

static bool
is_cost(const char *name)
{
    return fo_streq(name, "lineItem/UnblendedCost") || fo_streq(name, "line_item_unblended_cost");
}

/* Reads one real bill, its unblended cost as a decimal; compares rows and sum. */
static void
real_bill(fixture *f, const char *path, json_int_t rows, const char *sum)
{
    FO_AUTO(fo_strv_done) fo_strv header = FO_STRV_INIT;
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_freep) char *sql = NULL;
    FO_AUTO(fo_freep) char *expected = NULL;
    static const fo_csv_column columns[] = { { "cost", FO_CSV_DECIMAL }, { "last", FO_CSV_TEXT } };
    int targets[1000];

    if (fo_csv_header(f->files, path, path, &header, NULL, &err) != FINOPS_OK)
        fail_msg("%s", finops_error_text(err));
    assert_true(header.n <= FO_COUNT(targets));
    for (size_t i = 0; i < header.n; i++)
        targets[i] = is_cost(header.items[i]) ? 0 : i + 1 == header.n ? 1 : -1;
    job_columns(f, columns, 2);
    f->inputs[0] = (fo_csv_file){ .address = path, .label = path, .targets = targets, .n_fields = header.n };
    f->job.n_inputs = 1;
    sql =
        fo_format("SELECT count(*), coalesce(sum(cost), 0) = %s::DECIMAL(38,18) FROM finops_bill_csv()", sum);
    expected = fo_format("%lld|true\n", (long long)rows);
    assert_non_null(sql);
    assert_non_null(expected);
    job_gives(f, sql, expected);
}

static void
real_bills_give_their_rows_and_sums(void **state)
{
    FO_AUTO(fo_freep) char *list = source_path("../../../" DATA "expected.json");
    json_t *root = json_load_file(list, 0, NULL), *entry;
    const char *name;
    unsigned bills = 0;

    if (!root) {
        print_message("no %s: real bills are left out\n", list);
        skip();
    }
    json_object_foreach(json_object_get(root, "files"), name, entry)
    {
        const char *sum = json_string_value(json_object_get(entry, "unblended"));
        FO_AUTO(fo_freep) char *relative = fo_format("../../../" DATA "%s", name);
        FO_AUTO(fo_freep) char *path = source_path(relative);

        if (!sum || !strstr(name, "aws-cur-") || (!fo_ends(name, ".csv.gz") && !fo_ends(name, ".csv")))
            continue;
        real_bill(*state, path, json_integer_value(json_object_get(entry, "rows")), sum);
        bills++;
    }
    json_decref(root);
    assert_true(bills > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_files_are_read_as_python_reads_them),
        cmocka_unit_test(small_real_bills_are_read_as_python_reads_them),
        cmocka_unit_test(real_bills_give_their_rows_and_sums),
    };

    return cmocka_run_group_tests(tests, fixture_open, fixture_close);
}
