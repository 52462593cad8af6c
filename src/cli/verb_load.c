/* finops load: records of any tool into a table of the database. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/aws_place.h"
#include "cli/cli.h"
#include "cli/storage.h"
#include "database/reader.h"
#include "database/session.h"
#include "database/statement.h"
#include "engine/utc.h"

typedef struct load_options {
    char *table;
    char *schema;
    char *format;
    char *mode;
    char **types;
    char *key;
    char *rejects;
    char *print;
} load_options;

static const finops_option options[] = {
    { "table", FINOPS_OPT_STRING, offsetof(load_options, table), .flags = FINOPS_OPT_REQUIRED, .arg = "NAME",
      .help = "Table the records go to" },
    { "schema", FINOPS_OPT_STRING, offsetof(load_options, schema), .arg = "NAME",
      .help = "Schema of the table; without it the database's own (main, public)" },
    { "format", FINOPS_OPT_ENUM, offsetof(load_options, format), .allow = "ndjson csv parquet",
      .help =
          "What the files are; without it the ending of the first tells (.ndjson, .jsonl, .csv, .parquet, "
          "the first three also with .gz)" },
    { "mode", FINOPS_OPT_ENUM, offsetof(load_options, mode), .value = "append",
      .allow = "append create replace widen",
      .help = "append: the table is there; create: it must not be; widen: made, or given the columns it "
              "lacks; replace: the rows take the place of all that are there, or of those of --key" },
    { "types", FINOPS_OPT_LIST, offsetof(load_options, types), .arg = "COLUMN=TYPE,...",
      .help =
          "Types of columns that are not to be inferred, such as cost=DECIMAL(38,18); may be given again" },
    { "key", FINOPS_OPT_STRING, offsetof(load_options, key), .arg = "COLUMN=VALUE",
      .help = "With --mode replace: only the rows whose column has this value are replaced; all "
              "records must have it" },
    { "rejects", FINOPS_OPT_STRING, offsetof(load_options, rejects), .arg = "FILE",
      .help =
          "File for the records that cannot be read, as NDJSON with their line and the reason; the others "
          "are loaded. Without it one such record fails the load" },
    { "print", FINOPS_OPT_ENUM, offsetof(load_options, print), .value = "table", .allow = "table json csv",
      .help = "How the result is printed" },
    { 0 }
};

static const char *const config_keys[] = { FO_DATABASE_KEYS, "aws.region", "aws.endpoint_url",
                                           "aws.addressing", NULL };

/* A load while it runs. */
typedef struct load {
    const fo_cli *cli;
    fo_storage_sources sources;
    const load_options *o;
    const fo_settings *settings; /* that name the one backend */
    fo_strv texts;               /* what types and key are cut out of */
    fo_data_type *types;         /* borrowed from texts */
    size_t n_types, cap_types;
    char *key; /* column of --key; its value is behind the first "=" of the option */
    const char *value;
    fo_data_reader *reader;
    fo_database *database;
    const char *schema;
    char *rejects; /* file of what is refused */
    int64_t rows, rejected;
} load;

static void
load_done(load *l)
{
    fo_database_close(l->database);
    fo_data_reader_close(l->reader);
    if (l->cli->verbose)
        fo_storage_stats_print(l->cli, &l->sources.stats, false);
    fo_storage_sources_done(&l->sources);
    fo_free(l->types);
    fo_free(l->key);
    fo_strv_done(&l->texts);
    fo_free(l->rejects);
}

/* ---- the command line ---- */

static finops_code
types_add(load *l, const char *text, size_t n, finops_error **err)
{
    void *items = l->types;
    char *copy, *equals;

    if (!fo_strv_addn(&l->texts, text, n))
        return fo_error_oom(err);
    copy = l->texts.items[l->texts.n - 1];
    equals = strchr(copy, '=');
    if (!equals || equals == copy || !equals[1])
        return fo_error_set(err, FINOPS_E_USAGE, "--types: \"%s\" is not COLUMN=TYPE", copy);
    *equals = '\0';
    if (!fo_grow(&items, &l->cap_types, l->n_types + 1, sizeof(*l->types)))
        return fo_error_oom(err);
    l->types = items;
    l->types[l->n_types++] = (fo_data_type){ copy, equals + 1 };
    return FINOPS_OK;
}

/* "a=DECIMAL(38,18),b=TIMESTAMP": commas inside brackets belong to the type. */
static finops_code
types_parse(load *l, const char *text, finops_error **err)
{
    const char *begin = text;
    int depth = 0;
    finops_code rc = FINOPS_OK;

    for (const char *p = text; rc == FINOPS_OK; p++) {
        depth += (*p == '(') - (*p == ')');
        if (*p && (*p != ',' || depth > 0))
            continue;
        rc = types_add(l, begin, (size_t)(p - begin), err);
        begin = p + 1;
        if (!*p)
            break;
    }
    return rc;
}

static finops_code
load_parse(load *l, finops_error **err)
{
    const load_options *o = l->o;
    const char *equals = o->key ? strchr(o->key, '=') : NULL;
    finops_code rc = FINOPS_OK;

    if (!o->table || !*o->table)
        return fo_error_set(err, FINOPS_E_USAGE, "--table: the table has no name");
    for (char **text = o->types; rc == FINOPS_OK && text && *text; text++)
        rc = types_parse(l, *text, err);
    if (rc != FINOPS_OK || !o->key)
        return rc;
    if (!equals || equals == o->key)
        return fo_error_set(err, FINOPS_E_USAGE, "--key: \"%s\" is not COLUMN=VALUE", o->key);
    if (strcmp(o->mode, "replace") != 0)
        return fo_error_set(err, FINOPS_E_USAGE, "--key needs --mode replace");
    l->key = fo_strndup(o->key, (size_t)(equals - o->key));
    l->value = equals + 1;
    return l->key ? FINOPS_OK : fo_error_oom(err);
}

static const char *
format_of(const char *path)
{
    static const struct {
        const char *ending, *format;
    } endings[] = {
        { ".ndjson", "ndjson" },   { ".jsonl", "ndjson" },     { ".csv", "csv" },
        { ".parquet", "parquet" }, { ".ndjson.gz", "ndjson" }, { ".jsonl.gz", "ndjson" },
        { ".csv.gz", "csv" },
    };

    for (size_t i = 0; i < FO_COUNT(endings); i++)
        if (fo_ends(path, endings[i].ending))
            return endings[i].format;
    return NULL;
}

/* ---- reading ---- */

static finops_code
load_read(load *l, finops_error **err)
{
    const fo_cli *cli = l->cli;
    const char *format = l->o->format ? l->o->format : format_of(cli->args[0]);
    FO_AUTO(fo_freep) const char **paths = fo_array(cli->n_args + 1, sizeof(*paths));
    const fo_data_files files = {
        .paths = paths, .n_paths = cli->n_args, .types = l->types, .n_types = l->n_types
    };
    finops_code rc;

    if (!format)
        return fo_error_set(err, FINOPS_E_USAGE, "%s does not tell its format: pass --format", cli->args[0]);
    rc = paths ? fo_cli_sources(cli, &l->sources, err) : fo_error_oom(err);
    for (size_t i = 0; rc == FINOPS_OK && i < cli->n_args; i++)
        rc = fo_cli_source_file(&l->sources, cli->args[i], &l->texts, &paths[i], err);
    if (rc == FINOPS_OK)
        rc = fo_data_reader_open(l->settings, &l->sources.files, cli->cancel, &l->reader, err);
    if (rc != FINOPS_OK)
        return rc;
    if (strcmp(format, "ndjson") == 0)
        return fo_data_read_ndjson(l->reader, &files, err);
    if (strcmp(format, "csv") == 0)
        return fo_data_read_csv(l->reader, &files, err);
    return fo_data_read_parquet(l->reader, &files, err);
}

/* The type the engine reads a value as that goes into the column; false: as it was inferred. */
static bool
type_for(const finops_column *column, bool duckdb, fo_str *type)
{
    static const char *const names[] = {
        [FINOPS_TYPE_BOOL] = "BOOLEAN",
        [FINOPS_TYPE_INT] = "BIGINT",
        [FINOPS_TYPE_DOUBLE] = "DOUBLE",
        [FINOPS_TYPE_TEXT] = "VARCHAR",
        [FINOPS_TYPE_DATE] = "DATE",
        [FINOPS_TYPE_TIMESTAMP] = "TIMESTAMP",
        [FINOPS_TYPE_TIMESTAMP_TZ] = "TIMESTAMP",
        [FINOPS_TYPE_LIST] = NULL,
    };

    if (duckdb && column->native)
        fo_str_add(type, column->native);
    else if (column->type == FINOPS_TYPE_DECIMAL && column->precision > 0 && column->precision <= 38)
        fo_str_addf(type, "DECIMAL(%d,%d)", column->precision, column->scale);
    else if (names[column->type])
        fo_str_add(type, names[column->type]);
    return type->len > 0;
}

typedef struct fitting {
    load *l;
    bool duckdb;
    finops_code rc;
    finops_error **err;
} fitting;

/* What goes into a table that is there is read in its columns' types: "12.50" into a decimal stays exact. */
static bool
fit_column(const finops_column *column, void *arg)
{
    fitting *f = arg;
    FO_AUTO(fo_str_done) fo_str type = FO_STR_INIT;
    fo_data_reader *reader = f->l->reader;

    for (size_t i = 0; i < fo_data_columns(reader); i++) {
        const char *inferred;
        bool given;

        if (strcasecmp(fo_data_column(reader, i, &inferred, &given), column->name) != 0 || given)
            continue;
        if (type_for(column, f->duckdb, &type))
            f->rc = fo_str_ok(&type) ? fo_data_set_type(reader, i, fo_str_z(&type), f->err)
                                     : fo_error_oom(f->err);
    }
    return f->rc == FINOPS_OK;
}

static finops_code
load_open(load *l, finops_error **err)
{
    const load_options *o = l->o;
    finops_code rc = fo_database_open_plain(l->settings, l->cli->cancel, &l->database, err);

    if (rc != FINOPS_OK)
        return rc;
    finops_dialect dialect = fo_database_dialect(l->database);
    l->schema = o->schema ? o->schema : fo_session_own_schema(fo_database_session(l->database));
    if (strcmp(o->mode, "create") == 0 || (strcmp(o->mode, "replace") == 0 && !l->key))
        return FINOPS_OK;
    fitting f = { .l = l, .duckdb = dialect == FINOPS_DIALECT_DUCKDB, .rc = FINOPS_OK, .err = err };
    rc = finops_session_columns(fo_database_session(l->database), l->schema, o->table, fit_column, &f,
                                f.rc == FINOPS_OK ? err : NULL);
    return f.rc != FINOPS_OK ? f.rc : rc;
}

/* ---- writing ---- */

static finops_code
load_write(load *l, struct ArrowArrayStream *stream, finops_write_result *ret, finops_error **err)
{
    const load_options *o = l->o;
    finops_session *session = fo_database_session(l->database);
    const finops_source source = { .stream = stream };
    finops_write write = { .schema = l->schema, .table = o->table, .mode = FINOPS_WRITE_APPEND };
    const finops_partition partition = {
        .schema = l->schema, .table = o->table, .column = l->key, .value = l->key ? l->value : NULL
    };

    if (strcmp(o->mode, "replace") == 0)
        return finops_session_replace_partition(session, &partition, &source, ret, err);
    if (strcmp(o->mode, "create") == 0)
        write.mode = FINOPS_WRITE_CREATE;
    else if (strcmp(o->mode, "widen") == 0)
        write.mode = FINOPS_WRITE_WIDEN;
    return finops_session_write(session, &write, &source, ret, err);
}

static finops_code
load_rows(load *l, finops_error **err)
{
    struct ArrowArrayStream stream = { 0 };
    finops_write_result written = { 0 };
    finops_code rc = fo_data_stream(l->reader, !l->o->rejects, &stream, err);

    /* Times of the embedded engine are UTC and without a zone; others tell the two apart. */
    if (rc == FINOPS_OK && !fo_database_can(l->database, FINOPS_DATABASE_READS_FILES))
        rc = fo_stream_utc(&stream, err);
    if (rc == FINOPS_OK)
        rc = load_write(l, &stream, &written, err);
    l->rows = written.rows;
    return fo_data_error(l->reader, rc, err);
}

/* In one transaction, where there are any, and a table that has to be made can be part of it. */
static finops_code
load_all(load *l, finops_error **err)
{
    bool append = strcmp(l->o->mode, "append") == 0;
    bool transaction = fo_database_can(l->database, FINOPS_DATABASE_TRANSACTIONS) &&
                       (append || fo_database_tables_in_transaction(l->database));
    finops_code rc = FINOPS_OK;

    if (l->o->schema && !append)
        rc = fo_database_make_schema(l->database, l->o->schema, err);
    if (rc == FINOPS_OK && transaction)
        rc = fo_database_begin(l->database, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = load_rows(l, err);
    if (rc == FINOPS_OK && l->rows == 0 && l->rejected > 0)
        rc = fo_error_set(err, FINOPS_E_DATA, "none of the %" PRId64 " records can be read; they are in %s",
                          l->rejected, l->o->rejects);
    if (rc == FINOPS_OK)
        return transaction ? fo_database_commit(l->database, err) : rc;
    if (transaction)
        fo_database_rollback(l->database);
    return rc;
}

static void
load_hints(const load *l, finops_code rc, finops_error **err)
{
    if (rc == FINOPS_E_NOT_FOUND && l->database && strcmp(l->o->mode, "append") == 0)
        fo_error_hint(err, "--mode widen makes the table when it is not there");
    else if (rc == FINOPS_E_EXISTS && strcmp(l->o->mode, "create") == 0)
        fo_error_hint(err, "--mode append adds to it, --mode replace makes it anew");
}

/* ---- the verb ---- */

/* A slip of the pen in a column's name would leave the money in the other one to a guess. */
static void
load_warn_absent(const load *l)
{
    for (size_t i = 0; i < fo_data_columns(l->reader); i++) {
        const char *type;
        bool given;
        const char *name = fo_data_column(l->reader, i, &type, &given);

        if (fo_data_column_absent(l->reader, i))
            fo_warn("no record has %s, which --types names", name);
    }
}

static const fo_table_column columns[] = {
    { "table", NULL, false },  { "rows", NULL, true },     { "rejected", NULL, true },
    { "seconds", NULL, true }, { "backend", NULL, false },
};

static finops_code
load_show(const load *l, int64_t begin, fo_table *table, finops_error **err)
{
    FO_AUTO(fo_freep)
    char *name = l->schema ? fo_format("%s.%s", l->schema, l->o->table) : fo_strdup(l->o->table);
    char rows[24], rejected[24], seconds[24];

    snprintf(rows, sizeof(rows), "%" PRId64, l->rows);
    snprintf(rejected, sizeof(rejected), "%" PRId64, l->rejected);
    snprintf(seconds, sizeof(seconds), "%.2f", (double)(fo_clock_monotonic() - begin) / 1e6);
    const char *const cells[] = { name, rows, rejected, seconds, l->settings->database.backend };
    return name && fo_table_add(table, cells) ? FINOPS_OK : fo_error_oom(err);
}

/* Where what is refused goes: of several databases to a file for each, as their tables' types may differ. */
static finops_code
load_rejects(load *l, bool several, finops_error **err)
{
    if (!l->o->rejects)
        return FINOPS_OK;
    l->rejects =
        several ? fo_format("%s.%s", l->o->rejects, l->settings->database.backend) : fo_strdup(l->o->rejects);
    return l->rejects ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
load_one(load *l, finops_error **err)
{
    finops_code rc = load_parse(l, err);

    if (rc == FINOPS_OK)
        rc = load_read(l, err);
    if (rc == FINOPS_OK)
        load_warn_absent(l);
    if (rc == FINOPS_OK && l->key)
        rc = fo_data_require(l->reader, l->key, l->value, err);
    if (rc == FINOPS_OK)
        rc = load_open(l, err);
    if (rc == FINOPS_OK && l->rejects)
        rc = fo_data_rejects(l->reader, l->rejects, &l->rejected, err);
    return rc == FINOPS_OK ? load_all(l, err) : rc;
}

typedef struct load_view {
    const fo_cli *cli;
    fo_table *table;
    size_t shown;
} load_view;

static finops_code
load_turn(fo_settings *settings, bool several, void *arg, finops_error **err)
{
    load_view *view = arg;
    FO_AUTO(load_done) load l = { .cli = view->cli, .o = view->cli->options, .settings = settings };
    int64_t begin = fo_clock_monotonic();
    finops_code rc = load_rejects(&l, several, err);

    if (rc == FINOPS_OK)
        rc = load_one(&l, err);
    if (rc != FINOPS_OK) {
        load_hints(&l, rc, err);
        return several ? fo_error_wrap(err, rc, "%s", settings->database.backend) : rc;
    }
    rc = load_show(&l, begin, view->table, err);
    view->shown += rc == FINOPS_OK;
    if (rc != FINOPS_OK || l.rejected == 0)
        return rc;
    rc = fo_error_set(err, FINOPS_E_PARTIAL, "%" PRId64 " of %" PRId64 " records were refused", l.rejected,
                      l.rejected + l.rows);
    fo_error_hint(err, "%s tells their lines and why", l.rejects);
    return rc;
}

static finops_code
run(fo_cli *cli, finops_error **err)
{
    const load_options *o = cli->options;
    FO_AUTO(fo_table_freep) fo_table *table = fo_table_new(columns, FO_COUNT(columns));
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    load_view view = { .cli = cli, .table = table };
    finops_code rc, printed = FINOPS_OK;

    if (!table)
        return fo_error_oom(err);
    if (strcmp(o->print, "table") != 0)
        cli->format = strcmp(o->print, "json") == 0 ? FO_FORMAT_JSON : FO_FORMAT_CSV;
    rc = fo_cli_each_backend(cli, FO_DATASET_RECORDS, load_turn, &view, &why);
    if (view.shown)
        printed = fo_table_print(cli, table, err);
    if (printed != FINOPS_OK || rc == FINOPS_OK)
        return printed;
    if (err)
        *err = FO_TAKE(why);
    return rc;
}

const fo_verb fo_verb_load = {
    .name = "load",
    .args = "FILE...",
    .summary = "Load records of any tool into a table",
    .help =
        "Reads files of NDJSON, CSV or Parquet, local or of a service (s3://, az://, gs://, sftp://, "
        "hdfs://), and writes their records into a table of the "
        "database of the configuration, whichever it is. All files are one table and one transaction: all of "
        "their records are there afterwards, or none.\n\n"
        "Columns that --types names, and columns of a table that is there, get exactly what is written in "
        "the "
        "files, digit by digit; a value that does not fit its type is refused with its file and line and "
        "never "
        "rounded. The types of other columns come from all records: numbers, texts, objects of NDJSON "
        "(STRUCT, or jsonb); CSV also has dates, times and booleans, and what begins with a zero is text.\n\n"
        "--backend may name several, separated by commas, and so may routing.records: each gets the records "
        "in a "
        "transaction of its own, and one that is down leaves the others complete. What is refused then goes "
        "to a "
        "file for each, FILE.BACKEND.\n\n"
        "Exit status: 0 all loaded, 1 nothing loaded, 3 loaded without the records that are in --rejects, or "
        "not "
        "into all of several databases.",
    .examples = "finops load --table ast_data --mode widen --types cost='DECIMAL(38,18)' assets.ndjson\n"
                "  # the table is made, or given what it lacks\n"
                "finops load --table budgets --mode replace --key month=2026-05 budgets-2026-05.csv\n"
                "  # one month again\n"
                "finops load --table usage --mode create --rejects bad.ndjson s3://acme-data/usage.csv.gz\n"
                "  # what cannot be read goes to a file\n"
                "finops load --backend duckdb,postgresql --table owners --mode replace owners.csv\n"
                "  # into two databases\n",
    .config_keys = config_keys,
    .options = options,
    .options_size = sizeof(load_options),
    .min_args = 1,
    .max_args = 10000,
    .flags = FO_VERB_ROWS,
    .run = run,
};
