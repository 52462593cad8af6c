/* Configuration and connections. https://www.postgresql.org/docs/15/libpq-connect.html */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "config/settings.h"
#include "database/postgresql/postgresql_internal.h"

#define SYSTEM_CA "/etc/ssl/certs/ca-certificates.crt"
#define OWN_CA ".postgresql/root.crt" /* in the home folder: libpq's own default */

static bool
keyword_add(fo_pg_database *db, const char *keyword, const char *value)
{
    if (!value || !value[0])
        return true;
    assert(db->n_keywords < PG_KEYWORDS);
    db->values[db->n_keywords] = fo_strdup(value);
    if (!db->values[db->n_keywords])
        return false;
    db->keywords[db->n_keywords++] = keyword;
    return true;
}

void
fo_pg_close(void *self)
{
    fo_pg_database *db = self;

    if (!db)
        return;
    for (size_t i = 0; i < db->n_keywords; i++)
        fo_free(db->values[i]);
    fo_free(db->schema);
    (void)pthread_mutex_destroy(&db->mutex);
    fo_free(db);
}

static void
closep(fo_pg_database **db)
{
    fo_pg_close(*db);
    *db = NULL;
}

/* What a URI says of how to use TLS and where the server is. libpq's message may hold the password. */
typedef struct address {
    bool local;
    bool sslmode;
    bool verifies; /* by its sslmode */
    bool authority;
} address;

static bool
host_is_local(const char *host)
{
    return !host || !host[0] || host[0] == '/' || host[0] == '@' || fo_streq(host, "localhost") ||
           fo_streq(host, "127.0.0.1") || fo_streq(host, "::1");
}

static finops_code
uri_read(const char *uri, address *ret, finops_error **err)
{
    char *why = NULL;
    PQconninfoOption *options;

    if (!fo_starts(uri, "postgresql://") && !fo_starts(uri, "postgres://"))
        return fo_error_set(err, FINOPS_E_CONFIG, "uri does not start with postgresql://");
    options = PQconninfoParse(uri, &why);
    PQfreemem(why);
    if (!options) {
        (void)fo_error_set(err, FINOPS_E_CONFIG, "uri cannot be read");
        fo_error_hint(err,
                      "postgresql://user@host:port/database?sslmode=...; write %%40 for @ and %%2F for / "
                      "inside of a part");
        return FINOPS_E_CONFIG;
    }
    for (const PQconninfoOption *o = options; o->keyword; o++) {
        if (fo_streq(o->keyword, "host") && o->val)
            ret->local = host_is_local(o->val);
        if ((fo_streq(o->keyword, "sslmode") || fo_streq(o->keyword, "service")) && o->val)
            ret->sslmode = true;
        if (fo_streq(o->keyword, "sslmode") && o->val)
            ret->verifies = fo_starts(o->val, "verify-");
        if ((fo_streq(o->keyword, "sslrootcert") || fo_streq(o->keyword, "service")) && o->val)
            ret->authority = true;
    }
    PQconninfoFree(options);
    return FINOPS_OK;
}

/*
 * How to use TLS when nobody says it: verified with the authority that is given; as the server likes on this
 * machine; elsewhere verified with the system's authorities when the server offers TLS at all.
 */
static bool
tls_mode(fo_pg_database *db, const fo_postgresql_settings *s, const address *where)
{
    if (s->sslmode)
        return keyword_add(db, "sslmode", s->sslmode) && keyword_add(db, "sslrootcert", s->sslrootcert);
    if (s->sslrootcert)
        return keyword_add(db, "sslmode", "verify-full") && keyword_add(db, "sslrootcert", s->sslrootcert);
    if (where->local || where->sslmode || s->service || getenv("PGSSLMODE") || getenv("PGSERVICE"))
        return true;
    db->try_plain = true;
    return keyword_add(db, "sslmode", "verify-full");
}

/* Whether somebody has said which authority is trusted; a service file may. */
static bool
authority_is_given(const fo_postgresql_settings *s, const address *where)
{
    const char *home = getenv("HOME");
    FO_AUTO(fo_freep) char *own = home ? fo_path_join(home, OWN_CA) : NULL;

    return s->sslrootcert || where->authority || s->service || getenv("PGSSLROOTCERT") ||
           getenv("PGSERVICE") || (own && access(own, F_OK) == 0);
}

/* Where the certificate is verified and nobody says by which authority: by the system's, for which libpq has
 * no name before version 16. */
static bool
tls_keywords(fo_pg_database *db, const fo_postgresql_settings *s, const address *where)
{
    const char *mode = s->sslmode ? s->sslmode : where->sslmode ? NULL : getenv("PGSSLMODE");
    bool verifies = db->try_plain || (mode ? fo_starts(mode, "verify-") : where->verifies);
    const char *bundle = getenv("SSL_CERT_FILE");

    if (!verifies || authority_is_given(s, where))
        return true;
    return keyword_add(db, "sslrootcert", bundle && *bundle ? bundle : SYSTEM_CA);
}

/* 0 is what the system does. */
static bool
number_add(fo_pg_database *db, const char *keyword, int64_t value)
{
    char text[24];

    if (value == 0)
        return true;
    (void)snprintf(text, sizeof(text), "%lld", (long long)value);
    return keyword_add(db, keyword, text);
}

/* 30 s of silence and three questions of 10 s each; what is sent must be taken within tcp_user_timeout. */
static bool
tcp_keywords(fo_pg_database *db, const fo_postgresql_settings *s)
{
    return number_add(db, "keepalives_idle", s->keepalives_idle) &&
           keyword_add(db, "keepalives_interval", "10") && keyword_add(db, "keepalives_count", "3") &&
           number_add(db, "tcp_user_timeout", s->tcp_user_timeout * 1000);
}

/* Later keywords win, so what the URI says stands between our defaults and the single options. */
static bool
keywords(fo_pg_database *db, const fo_postgresql_settings *s, const address *where)
{
    char port[24] = "";

    if (s->port > 0)
        (void)snprintf(port, sizeof(port), "%lld", (long long)s->port);
    return keyword_add(db, "fallback_application_name", "finops") && tcp_keywords(db, s) &&
           keyword_add(db, "dbname", s->uri) && keyword_add(db, "service", s->service) &&
           keyword_add(db, "host", s->host) && keyword_add(db, "port", port) &&
           keyword_add(db, "dbname", s->database) && keyword_add(db, "user", s->user) &&
           keyword_add(db, "password", s->password) && keyword_add(db, "passfile", s->passfile) &&
           keyword_add(db, "application_name", s->application_name) && tls_mode(db, s, where) &&
           tls_keywords(db, s, where) && keyword_add(db, "client_encoding", "UTF8");
}

finops_code
fo_pg_open(const void *config, void **ret_self, finops_error **err)
{
    const fo_postgresql_settings *s = config;
    FO_AUTO(closep) fo_pg_database *db = fo_zalloc(sizeof(*db));
    address where = { .local = host_is_local(s->host ? s->host : getenv("PGHOST")) };
    finops_code rc = FINOPS_OK;

    assert(config && ret_self);
    if (!db)
        return fo_error_oom(err);
    (void)pthread_mutex_init(&db->mutex, NULL);
    if (s->uri)
        rc = uri_read(s->uri, &where, err);
    if (rc != FINOPS_OK)
        return fo_error_wrap(err, rc, "postgresql");
    if (s->host)
        where.local = host_is_local(s->host);
    db->stall_us = s->stall_timeout * 1000000;
    db->keepalives_idle = s->keepalives_idle;
    db->connect_timeout_us = s->connect_timeout * 1000000;
    db->statement_timeout_ms = s->statement_timeout * 1000;
    db->copy_connections = s->copy_connections > 1 ? (size_t)s->copy_connections : 1;
    db->brin = s->brin;
    if (s->schema)
        db->schema = fo_strdup(s->schema);
    if ((s->schema && !db->schema) || !keywords(db, s, &where))
        return fo_error_oom(err);
    *ret_self = FO_TAKE(db);
    return FINOPS_OK;
}

void
fo_pg_disconnect(void *conn)
{
    fo_pg_conn *c = conn;

    if (!c)
        return;
    if (c->pg && (c->broken || PQstatus(c->pg) == CONNECTION_BAD))
        fo_pg_backend_lost(c);
    PQfinish(c->pg);
    fo_fd_closep(&c->wake);
    fo_free(c);
}

static void
disconnectp(fo_pg_conn **c)
{
    fo_pg_disconnect(*c);
    *c = NULL;
}

/* What a setting of the server, the role or the database could have changed. */
static finops_code
session_sql(const fo_pg_conn *c, fo_str *sql, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    fo_str_add(sql,
               "SET TimeZone TO 'UTC'; SET standard_conforming_strings TO on; SET DateStyle TO 'ISO, YMD'; "
               "SET IntervalStyle TO postgres; SET bytea_output TO hex; SET extra_float_digits TO 1; "
               "SET client_min_messages TO error");
    if (c->database->statement_timeout_ms > 0)
        fo_str_addf(sql, "; SET statement_timeout TO %lld", (long long)c->database->statement_timeout_ms);
    if (c->database->schema) {
        fo_str_add(sql, "; SET search_path TO ");
        rc = fo_pg_ident(sql, c->database->schema, err);
        fo_str_add(sql, ", public");
    }
    if (c->read_only)
        fo_str_add(sql, "; SET default_transaction_read_only TO on");
    /* A server that lost us lets go of the locks. Not its tcp_user_timeout: who reads may take his time. */
    if (c->database->keepalives_idle > 0)
        fo_str_addf(sql,
                    "; SET tcp_keepalives_idle TO %lld; SET tcp_keepalives_interval TO 10; "
                    "SET tcp_keepalives_count TO 3",
                    (long long)c->database->keepalives_idle);
    fo_str_add(sql, "; SELECT pid, backend_start FROM pg_stat_get_activity(pg_backend_pid())");
    return rc == FINOPS_OK ? fo_str_check(sql, err) : rc;
}

/* All of it in one round trip. */
static finops_code
session_start(fo_pg_conn *c, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_pg_clearp) PGresult *result = NULL;
    PGresult *next = NULL;
    finops_code rc = session_sql(c, &sql, err);

    if (rc != FINOPS_OK)
        return rc;
    if (PQsetnonblocking(c->pg, 1) != 0 || !PQsendQuery(c->pg, fo_str_z(&sql)))
        return fo_pg_error(c, NULL, err);
    while ((rc = fo_pg_next(c, &next, err)) == FINOPS_OK && next) {
        if (!result || PQresultStatus(result) == PGRES_COMMAND_OK) {
            PQclear(result);
            result = next;
        } else {
            PQclear(next);
        }
    }
    if (rc != FINOPS_OK)
        return rc;
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        return fo_pg_error(c, result, err);
    fo_pg_backend_know(c, result);
    return FINOPS_OK;
}

/* Nothing has been asked of the server yet, so there is nothing to stop there. */
static finops_code
connect_wait(fo_pg_conn *c, short events, finops_error **err)
{
    bool ready = false;
    finops_code rc;

    while (!ready) {
        rc = fo_pg_wait_once(c, events, &ready, err);
        if (rc != FINOPS_OK)
            return rc;
    }
    return FINOPS_OK;
}

static finops_code
connect_poll(fo_pg_conn *c, finops_error **err)
{
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    finops_code rc = FINOPS_OK;

    if (PQstatus(c->pg) == CONNECTION_BAD)
        return fo_pg_connect_error(c, err);
    while (rc == FINOPS_OK && status != PGRES_POLLING_OK) {
        rc = connect_wait(c, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, err);
        if (rc != FINOPS_OK)
            break;
        status = PQconnectPoll(c->pg);
        if (status == PGRES_POLLING_FAILED)
            return fo_pg_connect_error(c, err);
    }
    if (rc == FINOPS_E_TIMEOUT) {
        const char *host = PQhost(c->pg), *port = PQport(c->pg);

        return fo_error_set(err, rc, "no answer from %s port %s", host ? host : "", port ? port : "");
    }
    return rc;
}

static finops_code
connect_once(fo_pg_conn *c, bool plain, finops_error **err)
{
    const char *keywords[PG_KEYWORDS + 2], *values[PG_KEYWORDS + 2];
    size_t n = c->database->n_keywords;

    for (size_t i = 0; i < n; i++) {
        keywords[i] = c->database->keywords[i];
        values[i] = c->database->values[i];
    }
    if (plain) {
        keywords[n] = "sslmode";
        values[n++] = "disable";
    }
    keywords[n] = values[n] = NULL;
    c->pg = PQconnectStartParams(keywords, values, 1);
    if (!c->pg)
        return fo_error_oom(err);
    return connect_poll(c, err);
}

/* The call's own deadline or the configured time, what comes first. */
static finops_call
connect_call(const fo_pg_database *db, const finops_call *call)
{
    finops_call mine = call ? *call : (finops_call){ 0 };
    int64_t until = db->connect_timeout_us > 0 ? fo_clock_monotonic() + db->connect_timeout_us : 0;

    if (until && (!mine.deadline_us || until < mine.deadline_us))
        mine.deadline_us = until;
    return mine;
}

static finops_code
connect_any(fo_pg_conn *c, finops_error **err)
{
    finops_code rc = connect_once(c, false, err);

    if (rc == FINOPS_OK || !c->database->try_plain || !strstr(PQerrorMessage(c->pg), "does not support SSL"))
        return rc;
    fo_debug("postgresql: the server has no TLS; connecting without");
    PQfinish(c->pg);
    c->pg = NULL;
    if (err && *err) {
        finops_error_free(*err);
        *err = NULL;
    }
    return connect_once(c, true, err);
}

static finops_code
connect_as(fo_pg_database *db, bool looks, unsigned flags, const finops_call *call, void **ret_conn,
           finops_error **err)
{
    FO_AUTO(disconnectp) fo_pg_conn *c = fo_zalloc(sizeof(*c));
    finops_code rc;

    if (!c)
        return fo_error_oom(err);
    c->database = db;
    c->looks = looks;
    c->read_only = (flags & FINOPS_CONNECT_READ_ONLY) != 0;
    c->call = connect_call(db, call);
    c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->wake < 0)
        return fo_error_errno(err, errno, "postgresql: eventfd");
    rc = connect_any(c, err);
    if (rc == FINOPS_OK)
        rc = session_start(c, err);
    if (rc != FINOPS_OK)
        return fo_error_wrap(err, rc, "postgresql connect");
    if (!looks)
        fo_pg_lost_end(c);
    *ret_conn = FO_TAKE(c);
    return FINOPS_OK;
}

finops_code
fo_pg_connect(void *self, unsigned flags, const finops_call *call, void **ret_conn, finops_error **err)
{
    assert(self && ret_conn);
    return connect_as(self, false, flags, call, ret_conn, err);
}

finops_code
fo_pg_connect_looker(fo_pg_database *db, const finops_call *call, void **ret_conn, finops_error **err)
{
    return connect_as(db, true, 0, call, ret_conn, err);
}
