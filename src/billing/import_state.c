/*
 * What an import knows of the database: the state it plans by, and the database itself, opened only when
 * something is to be written.
 */
#include <assert.h>

#include "base/mem.h"
#include "billing/column_mapping.h"
#include "billing/import_internal.h"
#include "database/session.h"

static const char current_sql[] = "SELECT export_name, billing_period, version_id, load_completed "
                                  "FROM billing_state.load_state WHERE vendor = 'aws' AND current_version";
static const char pruned_sql[] =
    "SELECT export_name, keep_from FROM billing_state.retention WHERE vendor = 'aws'";
static const char held_sql[] =
    "SELECT export_name, billing_period FROM billing_state.load_state WHERE vendor = "
    "'aws' AND current_version AND claimed_by = 'hold'";

static const char *const statements[] = { current_sql, FO_IDENTITY_SQL, pruned_sql, held_sql };

void
fo_import_done(fo_import *im)
{
    fo_files_close(im->files);
    fo_conn_close(im->own_reader);
    if (im->first != im->state)
        fo_kept_close(im->first);
    fo_kept_close(im->state);
    fo_strv_done(&im->met);
    fo_database_close(im->database);
    fo_engine_close(im->own_engine);
}

static void
state_set(fo_import *im, fo_kept *state)
{
    if (im->state != im->first)
        fo_kept_close(im->state);
    if (!im->looked)
        im->first = state;
    im->looked = true;
    im->state = state;
    im->current = state ? fo_kept_rows(state, current_sql) : NULL;
    im->known = state ? fo_kept_rows(state, FO_IDENTITY_SQL) : NULL;
    im->held = state ? fo_kept_rows(state, held_sql) : NULL;
    im->pruned = state ? fo_kept_rows(state, pruned_sql) : NULL;
}

const char *
fo_import_first_version(const fo_import *im, const char *export_name, const char *period)
{
    const fo_rows *rows = im->first ? fo_kept_rows(im->first, current_sql) : NULL;

    for (size_t i = 0; i < (rows ? fo_rows_count(rows) : 0); i++)
        if (fo_streq(fo_rows_text(rows, i, 0), export_name) && fo_streq(fo_rows_text(rows, i, 1), period))
            return fo_rows_text(rows, i, 2);
    return NULL;
}

/* A dry run may find a database without state, or one of the earlier tool with less of it. */
static finops_code
state_read(fo_import *im, finops_error **err)
{
    fo_kept *state = NULL;
    bool has = false;
    size_t n = 1;
    finops_code rc = fo_database_has(im->database, "billing_state", "load_state", &has, err);

    if (rc == FINOPS_OK && has)
        rc = fo_database_has(im->database, "billing_state", "retention", &has, err);
    else
        return rc;
    if (rc == FINOPS_OK && has)
        n = FO_COUNT(statements);
    if (rc == FINOPS_OK)
        rc = fo_database_answers(im->database, statements, n, &state, err);
    if (rc == FINOPS_OK)
        state_set(im, state);
    return rc;
}

static finops_code
open_own_engine(fo_import *im, finops_error **err)
{
    const fo_duckdb_settings *s = &im->options->settings->duckdb;
    fo_engine_options memory = { .memory_limit = s->memory_limit,
                                 .threads = (unsigned)s->threads,
                                 .temp_directory = s->temp_directory };
    finops_code rc = im->own_engine ? FINOPS_OK : fo_engine_open(&memory, &im->own_engine, err);

    if (rc == FINOPS_OK && !im->own_reader)
        rc = fo_conn_open(im->own_engine, &im->own_reader, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_conn_set_cancel(im->own_reader, im->options->cancel);
    im->engine = im->own_engine;
    im->reader = im->own_reader;
    return FINOPS_OK;
}

/* From the engine of our own to the database's: what belongs to it goes with it. */
static void
leave_own_engine(fo_import *im)
{
    if (!im->own_engine)
        return;
    fo_files_close(FO_TAKE(im->files));
    fo_conn_close(FO_TAKE(im->own_reader));
    fo_engine_close(FO_TAKE(im->own_engine));
}

/* Files are read by the database itself where it can, else by an engine of our own whose rows it is given. */
finops_code
fo_import_choose_reader(fo_import *im, finops_error **err)
{
    if (!fo_database_can(im->database, FINOPS_DATABASE_READS_FILES)) {
        finops_code rc = open_own_engine(im, err);
        if (rc != FINOPS_OK)
            return rc;
    } else {
        leave_own_engine(im);
        im->engine = fo_database_engine(im->database);
        im->reader = fo_database_conn(im->database);
    }
    /* Rows of a bill have no order; giving up the files' lets every core write, at half the time. */
    return fo_conn_exec(im->reader, "SET preserve_insertion_order = false", err);
}

static finops_code
open_writer(fo_import *im, finops_error **err)
{
    const fo_import_options *o = im->options;
    finops_code rc = fo_database_open_writer(o->settings, o->cancel, &im->database, err);

    im->lost = rc != FINOPS_OK;
    if (rc != FINOPS_OK)
        return rc;
    fo_database_keep(im->database, statements, FO_COUNT(statements));
    rc = state_read(im, err);
    return rc == FINOPS_OK ? fo_import_choose_reader(im, err) : rc;
}

static finops_code
open_reader(fo_import *im, finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code rc = fo_database_open_reader(im->options->settings, im->options->cancel, &im->database, &why);

    if (rc == FINOPS_OK)
        return state_read(im, err);
    if (rc == FINOPS_E_NOT_FOUND)
        return FINOPS_OK;
    if (err)
        *err = FO_TAKE(why);
    return rc;
}

/* Bare files are read, and forced loads and resets written, in any case. */
static bool
writes_in_any_case(const fo_import_options *o)
{
    bool reset = o->settings->aws.reset;

    for (size_t i = 0; i < o->settings->n_exports; i++)
        reset = reset || o->settings->exports[i].reset;
    return !o->dry_run && (o->force || reset || o->n_paths > 0);
}

finops_code
fo_import_open(fo_import *im, finops_error **err)
{
    fo_kept *state = NULL;
    bool exists = true;

    if (writes_in_any_case(im->options))
        return open_writer(im, err);
    finops_code rc = fo_database_kept(im->options->settings, &state, &exists, err);
    if (rc != FINOPS_OK)
        return rc;
    if (state || !exists)
        state_set(im, state);
    else if (!im->options->dry_run)
        return open_writer(im, err);
    else
        rc = open_reader(im, err);
    return rc == FINOPS_OK ? open_own_engine(im, err) : rc;
}

finops_code
fo_import_open_files(fo_import *im, const fo_aws_settings *aws, finops_error **err)
{
    const fo_files_options files = { .aws = aws,
                                     .network = &im->options->settings->network,
                                     .places = im->options->places,
                                     .cancel = im->options->cancel };

    fo_files_close(FO_TAKE(im->files));
    return fo_files_open(im->engine, &files, &im->files, err);
}

/* The database is there from here on. */
static finops_code
move_to_writer(fo_import *im, fo_import_export *ex, finops_error **err)
{
    finops_code rc = open_writer(im, err);

    if (rc != FINOPS_OK)
        return rc;
    rc = im->files ? FINOPS_OK : fo_import_open_files(im, ex->aws, err);
    return rc == FINOPS_OK ? fo_import_identify(im, ex, err) : rc;
}

finops_code
fo_import_names(fo_import *im, const fo_import_export *ex, fo_colnames **ret, finops_error **err)
{
    FO_AUTO(fo_colnames_freep) fo_colnames *names = NULL;
    finops_code rc = fo_colnames_load(im->database, FO_VENDOR_AWS, ex->identity.export_name, &names, err);

    if (rc == FINOPS_OK)
        rc = fo_column_mapping_apply(ex->aws->column_mapping, names, err);
    if (rc == FINOPS_OK)
        *ret = FO_TAKE(names);
    return rc;
}

finops_code
fo_import_need_database(fo_import *im, fo_import_export *ex, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    assert(!im->options->dry_run);
    if (!im->database)
        rc = move_to_writer(im, ex, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!fo_database_tables_in_transaction(im->database))
        ex->target.single = true;
    if (ex->names)
        return rc;
    if (!fo_session_in_transaction(fo_database_session(im->database))) /* of all months: made before it */
        rc = fo_database_make_schema(im->database, ex->aws->dataset_name, err);
    return rc == FINOPS_OK ? fo_import_names(im, ex, &ex->names, err) : rc;
}
