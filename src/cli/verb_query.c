/* finops query "SQL": rows of one read-only statement, in any format, to the terminal, a pipe or a file. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "billing/missing.h"
#include "cli/cli_internal.h"
#include "cli/moment.h"
#include "database/database.h"
#include "engine/ipc.h"
#include "engine/scan.h"

#define SQL_MAX ((size_t)16 << 20)

typedef struct query_options {
    char *output;
    bool write;
    fo_moment moment;
} query_options;

static const finops_option options[] = {
    { "output", FINOPS_OPT_STRING, offsetof(query_options, output), .arg = "FILE",
      .help = "File to write; its ending (.csv, .json, .ndjson, .parquet, .arrow) is the format unless "
              "--format is given" },
    { "write", FINOPS_OPT_BOOL, offsetof(query_options, write), .value = "false",
      .help = "Allow statements that change the database; it waits for a running import" },
    FO_MOMENT_OPTIONS(query_options),
    { 0 }
};

/* ---- what to run ---- */

static finops_code
read_stdin(fo_str *sql, finops_error **err)
{
    char buf[16384];
    ssize_t n;

    while ((n = read(STDIN_FILENO, buf, sizeof(buf))) > 0)
        fo_str_addn(sql, buf, (size_t)n);
    if (n < 0)
        return errno == EINTR ? fo_error_set(err, FINOPS_E_CANCELLED, "stopped while reading the statement")
                              : fo_error_errno(err, errno, "read the statement from standard input");
    if (sql->len > 0 && memchr(sql->data, '\0', sql->len))
        return fo_error_set(err, FINOPS_E_USAGE, "the statement on standard input holds a NUL byte");
    return fo_str_check(sql, err);
}

static finops_code
read_statement(const fo_cli *cli, fo_str *sql, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (strcmp(cli->args[0], "-") == 0)
        rc = read_stdin(sql, err);
    else
        fo_str_add(sql, cli->args[0]);
    if (rc == FINOPS_OK && strspn(fo_str_z(sql), " \t\r\n;") == sql->len)
        rc = fo_error_set(err, FINOPS_E_USAGE, "the statement is empty");
    return rc == FINOPS_OK ? fo_str_check(sql, err) : rc;
}

/* ---- where it goes ---- */

static fo_out_format
format_by_ending(const char *path, fo_out_format otherwise)
{
    static const struct {
        const char *ending;
        fo_out_format format;
    } endings[] = {
        { ".csv", FO_FORMAT_CSV },         { ".json", FO_FORMAT_JSON },   { ".ndjson", FO_FORMAT_NDJSON },
        { ".jsonl", FO_FORMAT_NDJSON },    { ".arrow", FO_FORMAT_ARROW }, { ".arrows", FO_FORMAT_ARROW },
        { ".parquet", FO_FORMAT_PARQUET },
    };

    for (size_t i = 0; i < FO_COUNT(endings); i++)
        if (fo_ends(path, endings[i].ending))
            return endings[i].format;
    return otherwise;
}

/* A file on its way to its name. The name keeps its old content until everything is written. */
typedef struct target {
    char *path; /* the temporary one */
    int fd;
} target;

static void
target_done(target *t)
{
    if (t->fd >= 0)
        (void)close(t->fd);
    if (t->path)
        (void)unlink(t->path);
    fo_free(t->path);
}

static finops_code
target_open(const char *path, target *t, finops_error **err)
{
    mode_t mask = umask(0);

    (void)umask(mask);
    t->path = fo_format("%s.XXXXXX", path);
    if (!t->path)
        return fo_error_oom(err);
    t->fd = mkostemp(t->path, O_CLOEXEC);
    if (t->fd < 0) {
        int errnum = errno;

        fo_free(t->path);
        t->path = NULL;
        return fo_error_errno(err, errnum, "create a file beside %s", path);
    }
    if (fchmod(t->fd, 0666 & ~mask) != 0)
        return fo_error_errno(err, errno, "set the mode of %s", t->path);
    return FINOPS_OK;
}

/* After someone else wrote the file by its name, which may have put another file there: the old descriptor is
 * stale. */
static finops_code
target_reopen(target *t, finops_error **err)
{
    (void)close(t->fd);
    t->fd = open(t->path, O_RDONLY | O_CLOEXEC);
    return t->fd >= 0 ? FINOPS_OK : fo_error_errno(err, errno, "open %s", t->path);
}

static finops_code
target_commit(const char *path, target *t, finops_error **err)
{
    if (fsync(t->fd) != 0)
        return fo_error_errno(err, errno, "write %s", path);
    if (rename(t->path, path) != 0)
        return fo_error_errno(err, errno, "rename the finished file to %s", path);
    fo_free(t->path);
    t->path = NULL;
    return FINOPS_OK;
}

/* ---- writing ---- */

/* Text formats go through a FILE of their own; the others want the descriptor or the name. */
static finops_code
write_file(fo_cli *cli, struct ArrowArrayStream *stream, const char *path, int fd, finops_error **err)
{
    fo_cli to_file = *cli;
    finops_code rc;
    int copy;

    if (cli->format == FO_FORMAT_PARQUET)
        return fo_engine_write_parquet(stream, path, cli->cancel, err);
    if (cli->format == FO_FORMAT_ARROW)
        return fo_ipc_write(fd, stream, err);
    copy = dup(fd);
    to_file.out = copy >= 0 ? fdopen(copy, "w") : NULL;
    if (!to_file.out) {
        rc = fo_error_errno(err, errno, "open %s", path);
        if (copy >= 0)
            (void)close(copy);
        stream->release(stream);
        return rc;
    }
    to_file.colour = false;
    to_file.width = 0;
    rc = fo_render_stream(&to_file, stream, err);
    if (fclose(to_file.out) != 0 && rc == FINOPS_OK)
        rc = fo_error_errno(err, errno, "write %s", path);
    return rc;
}

static finops_code
query_to_file(fo_cli *cli, struct ArrowArrayStream *stream, const char *path, finops_error **err)
{
    FO_AUTO(target_done) target t = { NULL, -1 };
    finops_code rc = target_open(path, &t, err);

    if (rc != FINOPS_OK) {
        stream->release(stream);
        return rc;
    }
    rc = write_file(cli, stream, t.path, t.fd, err);
    if (rc == FINOPS_OK)
        rc = target_reopen(&t, err);
    return rc == FINOPS_OK ? target_commit(path, &t, err) : rc;
}

static finops_code
refuse_terminal(const fo_cli *cli, const char *format, finops_error **err)
{
    finops_code rc;

    if (!isatty(fileno(cli->out)))
        return FINOPS_OK;
    rc = fo_error_set(err, FINOPS_E_USAGE, "%s is not for a terminal", format);
    fo_error_hint(err, "write to a file with --output FILE or into a pipe");
    return rc;
}

static finops_code
copy_all(int from, int to, finops_error **err)
{
    char buf[65536];
    ssize_t n;

    while ((n = read(from, buf, sizeof(buf))) > 0)
        for (ssize_t done = 0, more; done < n; done += more) {
            more = write(to, buf + done, (size_t)(n - done));
            if (more < 0)
                return fo_error_errno(err, errno, "write the output");
        }
    return n < 0 ? fo_error_errno(err, errno, "read the finished parquet file again") : FINOPS_OK;
}

/* A parquet file ends with its table of contents and is written with seeking: it goes into a pipe when it is
 * complete. */
static finops_code
parquet_to_pipe(fo_cli *cli, struct ArrowArrayStream *stream, finops_error **err)
{
    FO_AUTO(target_done) target t = { NULL, -1 };
    FO_AUTO(fo_freep) char *path = NULL;
    const char *folder = getenv("TMPDIR");
    finops_code rc;

    path = fo_path_join(folder && folder[0] ? folder : "/tmp", "finops-query.parquet");
    rc = path ? target_open(path, &t, err) : fo_error_oom(err);
    if (rc != FINOPS_OK) {
        stream->release(stream);
        return rc;
    }
    rc = fo_engine_write_parquet(stream, t.path, cli->cancel, err);
    if (rc == FINOPS_OK)
        rc = target_reopen(&t, err);
    return rc == FINOPS_OK ? copy_all(t.fd, fileno(cli->out), err) : rc;
}

static finops_code
query_to_stdout(fo_cli *cli, struct ArrowArrayStream *stream, finops_error **err)
{
    finops_code rc;

    if (cli->format < FO_FORMAT_PARQUET)
        return fo_render_stream(cli, stream, err);
    if (cli->format == FO_FORMAT_ARROW)
        rc = fo_ipc_write(fileno(cli->out), stream, err);
    else
        rc = parquet_to_pipe(cli, stream, err);
    if (rc == FINOPS_E_IO)
        fo_out_notice_closed(fileno(cli->out));
    return rc;
}

/* With --write. *ret_done when there are no rows to print. */
static finops_code
query_write(fo_cli *cli, const fo_settings *settings, const char *sql, fo_database **ret, bool *ret_done,
            finops_error **err)
{
    finops_code rc = fo_database_open_plain(settings, cli->cancel, ret, err);
    fo_conn *conn = rc == FINOPS_OK ? fo_database_conn(*ret) : NULL;

    if (rc != FINOPS_OK || !conn)
        return rc;
    /* The embedded database tells how many rows it changed as a row, and takes several statements at once. */
    *ret_done = fo_read_only_check(conn, sql, NULL) != FINOPS_OK;
    return *ret_done ? fo_conn_exec(conn, sql, err) : FINOPS_OK;
}

/* A statement that yields no columns has nothing to show. */
static finops_code
query_nothing(struct ArrowArrayStream *stream, bool *ret, finops_error **err)
{
    struct ArrowSchema schema = { 0 };
    int errnum = stream->get_schema(stream, &schema);

    if (errnum) {
        finops_code rc = fo_stream_error(stream, errnum, err);
        stream->release(stream);
        return rc;
    }
    *ret = schema.n_children == 0;
    schema.release(&schema);
    if (*ret)
        stream->release(stream);
    return FINOPS_OK;
}

static finops_code
query_run(fo_cli *cli, finops_error **err)
{
    const query_options *o = cli->options;
    FO_AUTO(fo_database_closep) fo_database *database = NULL;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_MAX(SQL_MAX);
    struct ArrowArrayStream stream = { 0 };
    bool done = false;
    fo_settings past;
    const fo_settings *settings = NULL;
    finops_code rc = fo_moment_settings(cli, &o->moment, &past, &settings, err);

    if (rc != FINOPS_OK)
        return rc;
    if (o->output && !cli->format_given)
        cli->format = format_by_ending(o->output, cli->format);
    if (!o->output && cli->format >= FO_FORMAT_PARQUET) {
        rc = refuse_terminal(cli, cli->format == FO_FORMAT_PARQUET ? "parquet" : "arrow", err);
        if (rc != FINOPS_OK)
            return rc;
    }
    rc = read_statement(cli, &sql, err);
    if (rc == FINOPS_OK && o->write)
        rc = query_write(cli, settings, fo_str_z(&sql), &database, &done, err);
    else if (rc == FINOPS_OK)
        rc = fo_database_open_plain_reader(settings, cli->cancel, &database, err);
    if (rc == FINOPS_OK && !done)
        rc = fo_bill_explain_missing(database, fo_database_stream(database, fo_str_z(&sql), &stream, err),
                                     err);
    if (rc == FINOPS_OK && !done)
        rc = query_nothing(&stream, &done, err);
    if (rc != FINOPS_OK || done)
        return rc;
    return o->output ? query_to_file(cli, &stream, o->output, err) : query_to_stdout(cli, &stream, err);
}

const fo_verb fo_verb_query = {
    .name = "query",
    .args = "SQL",
    .summary = "Run one read-only SQL statement and print its rows",
    .help =
        "The statement runs on the database of the configuration and can change nothing unless --write is "
        "given. It "
        "works while an "
        "import runs: the "
        "rows are those of the months published so far. \"-\" reads the statement from standard input.\n\n"
        "Rows are written as they come, so that a result may be larger than the memory. JSON is one array of "
        "objects, NDJSON an object a line; decimals keep all their digits, times are UTC in ISO 8601. In CSV "
        "an "
        "empty field is NULL and \"\" the empty text. Parquet and Arrow go to a file or a pipe. A file is "
        "complete or not there: it gets its name when all is written.",
    .examples = "finops query \"SELECT * FROM billing_state.load_state\"\n  # what has been loaded\n"
                "finops query \"SELECT * FROM aws_billing.my_export_unified\" --output bill.parquet\n"
                "  # a whole bill for another tool\n"
                "finops query - --format csv < movers.sql | head\n  # a statement from a file\n",
    .config_keys = (const char *const[]){ FO_DATABASE_KEYS, NULL },
    .options = options,
    .options_size = sizeof(query_options),
    .min_args = 1,
    .max_args = 1,
    .flags = FO_VERB_ROWS | FO_VERB_STREAM,
    .run = query_run,
};
