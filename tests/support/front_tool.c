/*
 * Drives the front door of databases from a test: front_tool BACKEND NAME=VALUE..., then one command a line
 * on standard input, fields separated by tabs. S is the letter of a session.
 *
 *   acquire S [ro]          release S
 *   exec S SQL              value S SQL: prints "value" and the only cell
 *   begin S | commit S | rollback S
 *   health                  prints "health", state, version and detail
 *   pool                    prints "pool", open, idle, created, discarded
 *   breaker                 prints "breaker" and its state; "pause MS" sets how long it stays open
 *   deadline MS             of acquire, exec and value from here on; 0: none
 *   cancelled S MS SQL      runs it, and cancels the session every MS milliseconds from another thread
 * meanwhile
 *
 * Each ends with "ok" or "error CODE TEXT".
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "database/front_internal.h"
#include "resilience/deadline.h"

#define FIELDS 5

typedef struct tool {
    finops_registry *registry;
    finops_database *database;
    finops_session *sessions[26];
    long deadline_ms;
    finops_error *err;
} tool;

static finops_session **
session_of(tool *t, const char *name)
{
    return &t->sessions[(unsigned)(name[0] - 'a') % 26];
}

static finops_call
call_of(const tool *t)
{
    return (finops_call){ .deadline_us = t->deadline_ms ? fo_deadline_in(t->deadline_ms * 1000) : 0 };
}

static finops_code
value(tool *t, finops_session *s, const char *sql)
{
    const finops_call call = call_of(t);
    const finops_statement statement = { .sql = sql, .as_text = true, .call = &call };
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    struct ArrowArrayStream stream = { 0 };
    finops_code rc = finops_session_execute(s, &statement, &stream, NULL, &t->err);

    if (rc == FINOPS_OK)
        rc = fo_rows_from_stream(&stream, &rows, &t->err);
    if (rc == FINOPS_OK && fo_rows_count(rows) > 0)
        printf("value\t%s\n", fo_rows_text(rows, 0, 0));
    return rc;
}

typedef struct canceller {
    pthread_t thread;
    finops_session *session;
    long ms;
    atomic_bool end;
} canceller;

static void *
cancel_often(void *arg)
{
    canceller *c = arg;

    while (!atomic_load(&c->end)) {
        (void)nanosleep(&(struct timespec){ .tv_sec = c->ms / 1000, .tv_nsec = c->ms % 1000 * 1000000 },
                        NULL);
        finops_session_cancel(c->session);
    }
    return NULL;
}

static finops_code
cancelled(tool *t, char **f)
{
    canceller c = { .session = *session_of(t, f[1]), .ms = strtol(f[2], NULL, 10) };
    finops_code rc;

    if (pthread_create(&c.thread, NULL, cancel_often, &c) != 0)
        return fo_error_oom(&t->err);
    rc = value(t, c.session, f[3]);
    atomic_store(&c.end, true);
    (void)pthread_join(c.thread, NULL);
    return rc;
}

static finops_code
with_session(tool *t, char **f)
{
    const finops_call call = call_of(t);
    finops_session **s = session_of(t, f[1]);
    const finops_statement statement = { .sql = f[2], .call = &call };

    if (strcmp(f[0], "acquire") == 0)
        return finops_session_acquire(t->database, f[2][0] ? FINOPS_CONNECT_READ_ONLY : 0, &call, s, &t->err);
    if (strcmp(f[0], "release") == 0) {
        finops_session_release(FO_TAKE(*s));
        return FINOPS_OK;
    }
    if (strcmp(f[0], "exec") == 0)
        return finops_session_execute(*s, &statement, NULL, NULL, &t->err);
    if (strcmp(f[0], "value") == 0)
        return value(t, *s, f[2]);
    if (strcmp(f[0], "cancelled") == 0)
        return cancelled(t, f);
    if (strcmp(f[0], "begin") == 0)
        return finops_session_begin(*s, &t->err);
    if (strcmp(f[0], "commit") == 0)
        return finops_session_commit(*s, &t->err);
    if (strcmp(f[0], "rollback") == 0)
        return finops_session_rollback(*s, &t->err);
    return fo_error_set(&t->err, FINOPS_E_USAGE, "no command %s", f[0]);
}

static finops_code
health(tool *t)
{
    static const char *const states[] = { "up", "degraded", "down" };
    const finops_call call = call_of(t);
    finops_health h;
    finops_code rc = finops_database_health(t->database, &call, &h, &t->err);

    if (rc == FINOPS_OK)
        printf("health\t%s\t%s\t%s\n", states[h.state], h.version, h.detail);
    return rc;
}

static finops_code
command(tool *t, char **f)
{
    finops_pool_figures p;

    if (strcmp(f[0], "health") == 0)
        return health(t);
    if (strcmp(f[0], "pool") == 0) {
        finops_database_pool(t->database, &p);
        printf("pool\t%u\t%u\t%llu\t%llu\n", p.open, p.idle, (unsigned long long)p.created,
               (unsigned long long)p.discarded);
        return FINOPS_OK;
    }
    if (strcmp(f[0], "breaker") == 0) {
        printf("breaker\t%s\n", fo_breaker_state_name(fo_breaker_state_now(&t->database->breaker)));
        return FINOPS_OK;
    }
    if (strcmp(f[0], "pause") == 0) {
        t->database->breaker.options.pause_us = strtol(f[1], NULL, 10) * 1000;
        t->database->breaker.pause_us = t->database->breaker.options.pause_us;
        return FINOPS_OK;
    }
    if (strcmp(f[0], "deadline") == 0) {
        t->deadline_ms = strtol(f[1], NULL, 10);
        return FINOPS_OK;
    }
    return with_session(t, f);
}

static void
answer(tool *t, finops_code rc)
{
    if (rc == FINOPS_OK)
        printf("ok\n");
    else
        printf("error\t%s\t%s\n", finops_code_name(rc), finops_error_text(t->err));
    (void)fflush(stdout);
    finops_error_free(FO_TAKE(t->err));
}

static finops_code
start(tool *t, int argc, char **argv)
{
    finops_setting settings[32];
    size_t n = 0;
    finops_code rc = finops_registry_new(&t->registry, &t->err);

    for (int i = 2; i < argc && n < FO_COUNT(settings); i++) {
        char *value_at = strchr(argv[i], '=');

        if (!value_at)
            return fo_error_set(&t->err, FINOPS_E_USAGE, "%s has no value", argv[i]);
        *value_at = '\0';
        settings[n++] = (finops_setting){ argv[i], value_at + 1 };
    }
    if (rc != FINOPS_OK || argc < 2)
        return FINOPS_E_USAGE;
    return finops_database_open(t->registry, argv[1], settings, n, NULL, &t->database, &t->err);
}

int
main(int argc, char **argv)
{
    static char line[65536], nothing[1];
    tool t = { 0 };

    if (start(&t, argc, argv) != FINOPS_OK) {
        fprintf(stderr, "%s\n", finops_error_text(t.err));
        return 2;
    }
    while (fgets(line, sizeof(line), stdin)) {
        char *fields[FIELDS] = { line, nothing, nothing, nothing, nothing };
        size_t n = 1;

        line[strcspn(line, "\n")] = '\0';
        for (char *p = line; *p && n < FIELDS; p++)
            if (*p == '\t') {
                *p = '\0';
                fields[n++] = p + 1;
            }
        answer(&t, command(&t, fields));
    }
    for (size_t i = 0; i < FO_COUNT(t.sessions); i++)
        finops_session_release(t.sessions[i]);
    finops_database_close(t.database);
    finops_registry_free(t.registry);
    return 0;
}
