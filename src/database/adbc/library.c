/*
 * Loading ADBC drivers, and what their errors mean.
 *
 * A driver is a shared library with one function that fills a table. It is never unloaded: those written in
 * Go start threads of their own, and none promises that it can be.
 */
#include <ctype.h>
#include <dlfcn.h>
#include <string.h>

#include "base/trust.h"
#include "database/adbc/adbc_internal.h"

typedef AdbcStatusCode (*init_function)(int version, void *driver, struct AdbcError *error);

/* ---- errors ---- */

/* The SQLSTATE, by its whole or its class: https://www.postgresql.org/docs/current/errcodes-appendix.html */
static const struct {
    const char *state;
    finops_code code;
} states[] = {
    { "25006", FINOPS_E_USAGE },       { "42501", FINOPS_E_DENIED },    { "42P01", FINOPS_E_NOT_FOUND },
    { "3F000", FINOPS_E_NOT_FOUND },   { "3D000", FINOPS_E_NOT_FOUND }, { "42P07", FINOPS_E_EXISTS },
    { "42P06", FINOPS_E_EXISTS },      { "40001", FINOPS_E_TRANSIENT }, { "40P01", FINOPS_E_TRANSIENT },
    { "53100", FINOPS_E_IO },          { "55P03", FINOPS_E_BUSY },      { "57014", FINOPS_E_CANCELLED },
    { "0A000", FINOPS_E_UNSUPPORTED }, { "08P01", FINOPS_E_DATABASE },  { "08", FINOPS_E_TRANSIENT },
    { "22", FINOPS_E_DATA },           { "23", FINOPS_E_DATA },         { "28", FINOPS_E_AUTH },
    { "53", FINOPS_E_TRANSIENT },      { "57", FINOPS_E_TRANSIENT },
};

static const finops_code statuses[] = {
    [ADBC_STATUS_OK] = FINOPS_OK,
    [ADBC_STATUS_UNKNOWN] = FINOPS_E_DATABASE,
    [ADBC_STATUS_NOT_IMPLEMENTED] = FINOPS_E_UNSUPPORTED,
    [ADBC_STATUS_NOT_FOUND] = FINOPS_E_NOT_FOUND,
    [ADBC_STATUS_ALREADY_EXISTS] = FINOPS_E_EXISTS,
    [ADBC_STATUS_INVALID_ARGUMENT] = FINOPS_E_DATABASE, /* also a statement with a mistake */
    [ADBC_STATUS_INVALID_STATE] = FINOPS_E_DATABASE,
    [ADBC_STATUS_INVALID_DATA] = FINOPS_E_DATA,
    [ADBC_STATUS_INTEGRITY] = FINOPS_E_DATA,
    [ADBC_STATUS_INTERNAL] = FINOPS_E_DATABASE,
    [ADBC_STATUS_IO] = FINOPS_E_DATABASE,
    [ADBC_STATUS_CANCELLED] = FINOPS_E_CANCELLED,
    [ADBC_STATUS_TIMEOUT] = FINOPS_E_TIMEOUT,
    [ADBC_STATUS_UNAUTHENTICATED] = FINOPS_E_AUTH,
    [ADBC_STATUS_UNAUTHORIZED] = FINOPS_E_DENIED,
};

/* Drivers without SQLSTATEs say it in words; these are SQLite's. */
static const struct {
    const char *words;
    finops_code code;
} words[] = {
    { "no such table", FINOPS_E_NOT_FOUND },
    { "already exists", FINOPS_E_EXISTS },
    { "database is locked", FINOPS_E_BUSY },
    { "attempt to write a readonly database", FINOPS_E_USAGE },
    { "interrupted", FINOPS_E_CANCELLED },
    { "unable to open database file", FINOPS_E_NOT_FOUND },
    { "file is not a database", FINOPS_E_CORRUPT },
    { "disk is full", FINOPS_E_IO },
    { "constraint failed", FINOPS_E_DATA },
    { "could not connect", FINOPS_E_TRANSIENT },
    { "Failed to connect", FINOPS_E_TRANSIENT },
    { "connection to server", FINOPS_E_TRANSIENT },
    { "server closed the connection", FINOPS_E_TRANSIENT },
};

finops_code
fo_adbc_code(AdbcStatusCode status, const struct AdbcError *e)
{
    char state[6] = "";

    memcpy(state, e->sqlstate, 5);
    for (size_t i = 0; state[0] && i < FO_COUNT(states); i++)
        if (fo_starts(state, states[i].state))
            return states[i].code;
    for (size_t i = 0; !state[0] && e->message && i < FO_COUNT(words); i++)
        if (strstr(e->message, words[i].words))
            return words[i].code;
    return status < FO_COUNT(statuses) ? statuses[status] : FINOPS_E_DATABASE;
}

/* Drivers quote the statement after their reason, over several lines. */
static void
add_reason(fo_str *to, const char *text)
{
    static const char *const ends[] = { "\nLINE ", "\nQuery was", "\nquery:", "\n\nQuery" };
    size_t n = strlen(text);

    for (size_t i = 0; i < FO_COUNT(ends); i++) {
        const char *end = strstr(text, ends[i]);
        n = end && (size_t)(end - text) < n ? (size_t)(end - text) : n;
    }
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    for (size_t i = 0; i < n; i++)
        fo_str_addc(to, text[i] == '\n' ? ' ' : text[i]);
}

finops_code
fo_adbc_fail(AdbcStatusCode status, struct AdbcError *e, const char *what, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str reason = FO_STR_MAX(4000);
    finops_code code = fo_adbc_code(status, e);

    add_reason(&reason, e->message ? e->message : "the driver gives no reason");
    fo_error_set(err, code, "%s: %s", what, fo_str_z(&reason));
    if (e->release)
        e->release(e);
    *e = ADBC_ERROR_INIT;
    return code;
}

/* ---- loading ---- */

/* "libadbc_driver_postgresql.so" has AdbcDriverPostgresqlInit when it has no AdbcDriverInit. */
static char *
entrypoint_of(const char *library)
{
    const char *base = strrchr(library, '/') ? strrchr(library, '/') + 1 : library;
    FO_AUTO(fo_str_done) fo_str name = FO_STR_INIT;
    bool upper = true;

    fo_str_add(&name, "AdbcDriver");
    base += fo_starts(base, "lib") ? 3 : 0;
    base += fo_starts(base, "adbc_driver_") ? strlen("adbc_driver_") : 0;
    for (; *base && *base != '.'; base++) {
        if (*base != '_')
            fo_str_addc(&name, upper ? (char)toupper((unsigned char)*base) : *base);
        upper = *base == '_';
    }
    fo_str_add(&name, "Init");
    return fo_str_take(&name);
}

/* What is loaded runs as us. What the loader finds by its name is where the system has its own libraries; a file
 * that is not there is the loader's to tell. */
static finops_code
check_library(const char *library, finops_error **err)
{
    FO_AUTO(finops_error_freep) finops_error *why = NULL;
    finops_code rc = strchr(library, '/') ? fo_trust_file(library, &why) : FINOPS_OK;

    if (rc != FINOPS_E_DENIED && rc != FINOPS_E_MEMORY)
        return FINOPS_OK;
    (void)fo_error_set(err, rc, "load the adbc driver %s: %s", library, finops_error_text(why));
    if (finops_error_hint(why))
        fo_error_hint(err, "%s", finops_error_hint(why));
    return rc;
}

/* A path, a file name the loader finds, or the short name of a driver: "postgresql". */
static void *
open_library(const char *library, finops_error **err)
{
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    FO_AUTO(fo_freep) char *file = NULL;

    if (!handle && !strchr(library, '/') && !strchr(library, '.')) {
        file = fo_format("libadbc_driver_%s.so", library);
        handle = file ? dlopen(file, RTLD_NOW | RTLD_LOCAL) : NULL;
    }
    if (!handle) {
        fo_error_set(err, FINOPS_E_CONFIG, "load the adbc driver %s: %s", library, dlerror());
        fo_error_hint(err, "give the path of its shared library as database.adbc.driver");
    }
    return handle;
}

static finops_code
find_entry(const adbc_database *d, init_function *ret, finops_error **err)
{
    FO_AUTO(fo_freep) char *own = entrypoint_of(d->library);
    finops_code rc = check_library(d->library, err);
    void *handle, *symbol;

    if (rc != FINOPS_OK)
        return rc;
    handle = open_library(d->library, err);
    if (!handle)
        return FINOPS_E_CONFIG;
    symbol = dlsym(handle, d->entrypoint ? d->entrypoint : "AdbcDriverInit");
    if (!symbol && !d->entrypoint && own)
        symbol = dlsym(handle, own);
    if (!symbol)
        return fo_error_set(err, FINOPS_E_CONFIG, "%s is no adbc driver: it has no %s", d->library,
                            d->entrypoint ? d->entrypoint : "AdbcDriverInit");
    memcpy(ret, &symbol, sizeof(*ret)); /* ISO C has no cast from data to function */
    return FINOPS_OK;
}

/* What this backend cannot do without. */
static bool
is_complete(const struct AdbcDriver *v)
{
    return v->DatabaseNew && v->DatabaseSetOption && v->DatabaseInit && v->DatabaseRelease &&
           v->ConnectionNew && v->ConnectionSetOption && v->ConnectionInit && v->ConnectionRelease &&
           v->StatementNew && v->StatementSetSqlQuery && v->StatementSetOption && v->StatementExecuteQuery &&
           v->StatementRelease;
}

static finops_code
load_library(adbc_database *d, finops_error **err)
{
    struct AdbcError e = ADBC_ERROR_INIT;
    AdbcStatusCode status;
    init_function init = NULL;
    finops_code rc = find_entry(d, &init, err);

    if (rc != FINOPS_OK)
        return rc;
    status = init(ADBC_VERSION_1_1_0, &d->driver, &e);
    if (status != ADBC_STATUS_OK)
        return fo_adbc_fail(status, &e, "start the adbc driver (version 1.1 is needed)", err);
    if (!is_complete(&d->driver))
        return fo_error_set(err, FINOPS_E_CONFIG, "the adbc driver %s lacks required functions", d->library);
    d->loaded = true;
    return FINOPS_OK;
}

static AdbcStatusCode
set_options(adbc_database *d, struct AdbcError *e)
{
    AdbcStatusCode status = ADBC_STATUS_OK;

    for (char **o = d->options; o && *o && status == ADBC_STATUS_OK; o++) {
        const char *equals = strchr(*o, '=');
        FO_AUTO(fo_freep) char *key = fo_strndup(*o, (size_t)(equals - *o));
        if (key)
            status = d->driver.DatabaseSetOption(&d->database, key, equals + 1, e);
    }
    return status;
}

static finops_code
open_database(adbc_database *d, finops_error **err)
{
    struct AdbcError e = ADBC_ERROR_INIT, ignored = ADBC_ERROR_INIT;
    AdbcStatusCode status = d->driver.DatabaseNew(&d->database, &e);

    d->database.private_driver = &d->driver;
    if (status == ADBC_STATUS_OK)
        status = set_options(d, &e);
    if (status == ADBC_STATUS_OK)
        status = d->driver.DatabaseInit(&d->database, &e);
    if (status != ADBC_STATUS_OK) {
        if (d->database.private_data)
            d->driver.DatabaseRelease(&d->database, &ignored);
        if (ignored.release)
            ignored.release(&ignored);
        d->database = (struct AdbcDatabase){ 0 };
        return fo_adbc_fail(status, &e, "open the database", err);
    }
    d->ready = true;
    return FINOPS_OK;
}

finops_code
fo_adbc_load(adbc_database *d, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    pthread_mutex_lock(&d->lock);
    if (!d->loaded)
        rc = load_library(d, err);
    if (rc == FINOPS_OK && !d->ready)
        rc = open_database(d, err);
    pthread_mutex_unlock(&d->lock);
    return rc;
}
