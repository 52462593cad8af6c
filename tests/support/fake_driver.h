/*
 * A database driver without a database, which fails as a test tells it to: what no real server can be made to
 * do at the moment wanted. Its world is one "server"; any thread.
 */
#ifndef FAKE_DRIVER_H
#define FAKE_DRIVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/str.h"
#include "finops/sys/database_driver.h"

/* Fails the next `times` calls with `code`; with `kills` the connection is lost, too. */
typedef struct fake_fault {
    atomic_uint times;
    atomic_int code; /* finops_code */
    bool kills;
} fake_fault;

typedef struct fake_world {
    finops_capabilities capabilities;
    const finops_column *columns; /* of every table */
    size_t n_columns;
    fake_fault connect, execute, write, begin, commit, rollback, health, lock;
    bool commit_unknown; /* of a commit that fails */
    int64_t hold_us;     /* how long connecting takes */
    /* A statement waits for fake_let_go() or, as the driver's contract says, for cancel(). */
    atomic_bool hang;

    atomic_llong connect_deadline; /* of the call that connected last */
    atomic_uint generation;        /* fake_cut() ends all connections made before */
    atomic_uint connects, live, live_max, executes, writes, begins, commits, rollbacks, probes, closes,
        cancels;
    pthread_mutex_t lock_log;
    fo_strv log; /* statements and the like, in order */
} fake_world;

typedef struct fake_config {
    fake_world *world; /* of no option: put there by the test; NULL: the one of fake_default() */
    char *host;
    int64_t port;
    char *password;
    char *mode;
} fake_config;

/* Everything, and nothing but what is required. */
extern const finops_database_driver fake_driver;
extern const finops_database_driver fake_driver_bare;

void fake_world_init(fake_world *world);
void fake_world_done(fake_world *world);
fake_world *fake_default(void);
/* All connections are lost, as when a server is restarted. */
void fake_cut(fake_world *world);
void fake_fail(fake_fault *fault, unsigned times, finops_code code);
/* The n-th line of the log from 0, NULL when there are less. */
const char *fake_log(fake_world *world, size_t n);
void fake_log_clear(fake_world *world);

/* A stream of one utf8 column "value" with a row for each of n texts. */
void fake_stream(struct ArrowArrayStream *ret, const char *const *values, size_t n);

#endif
