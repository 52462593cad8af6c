/* A database with the state tables, for tests that need one. */
#ifndef STATE_FIXTURE_H
#define STATE_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "database/state.h"

typedef struct fixture {
    char folder[40];
    char path[64];
    char backend[8];
    fo_settings settings;
    fo_database *db;
} fixture;

static int
setup(void **state)
{
    fixture *f = fo_zalloc(sizeof(*f));

    assert_non_null(f);
    snprintf(f->folder, sizeof(f->folder), "/tmp/finops-state-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof(f->path), "%s/state.duckdb", f->folder);
    snprintf(f->backend, sizeof(f->backend), "duckdb");
    f->settings.database.backend = f->backend;
    f->settings.duckdb.database_path = f->path;
    assert_int_equal(fo_database_open_writer(&f->settings, NULL, &f->db, NULL), FINOPS_OK);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    fo_database_close(f->db);
    unlink(f->path);
    rmdir(f->folder);
    fo_free(f);
    return 0;
}

#endif
