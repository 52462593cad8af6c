/* What the server or the connection said, as our errors. */
#include <assert.h>
#include <string.h>

#include "database/postgresql/postgresql_internal.h"

#define MESSAGE_MAX 1000 /* bytes of a server's text in ours */

#define HINT_AUTH                                                                                            \
    "check user under [database.postgresql] and the password: POSTGRESQL_PASSWORD, .pgpass or a service "    \
    "file"
#define HINT_TLS                                                                                             \
    "set sslrootcert to the authority of the server's certificate, or sslmode to require to trust any"

#define HINT_NAME                                                                                            \
    "set host to the name its certificate is for, or sslmode to verify-ca to check the authority alone"

/* SQLSTATEs by their beginning; the first row that fits counts. */
typedef struct state_row {
    const char *state;
    finops_code code;
    const char *hint;
} state_row;

static const state_row states[] = {
    { "08P01", FINOPS_E_DATABASE, NULL }, /* protocol violation: no use in trying again */
    { "08", FINOPS_E_TRANSIENT, NULL },
    { "0A", FINOPS_E_UNSUPPORTED, NULL },
    { "22", FINOPS_E_DATA, NULL },
    { "23", FINOPS_E_DATA, NULL },
    { "25006", FINOPS_E_USAGE, "this connection only reads" },
    { "25P03", FINOPS_E_TRANSIENT, NULL }, /* idle in transaction for too long */
    { "28", FINOPS_E_AUTH, HINT_AUTH },
    { "3D000", FINOPS_E_NOT_FOUND, "create the database, or set database under [database.postgresql]" },
    { "3F000", FINOPS_E_NOT_FOUND, NULL },
    { "40001", FINOPS_E_TRANSIENT, NULL },
    { "40P01", FINOPS_E_TRANSIENT, NULL },
    { "40003", FINOPS_E_TRANSIENT, NULL },
    { "42501", FINOPS_E_DENIED, "ask the owner of the database for the right" },
    { "42P01", FINOPS_E_NOT_FOUND, NULL },
    { "42P07", FINOPS_E_EXISTS, NULL },
    { "42P06", FINOPS_E_EXISTS, NULL },
    { "42710", FINOPS_E_EXISTS, NULL },
    { "42701", FINOPS_E_DATA, NULL },
    { "42601", FINOPS_E_USAGE, NULL }, /* no SQL */
    { "42622", FINOPS_E_DATA, NULL },
    { "53100", FINOPS_E_IO, "make room on the disk of the database server" },
    { "53200", FINOPS_E_DATABASE, "the database server is out of memory" },
    { "53300", FINOPS_E_TRANSIENT,
      "the server has no connection left; lower the pool or raise max_connections" },
    { "53", FINOPS_E_DATABASE, NULL },
    { "55006", FINOPS_E_BUSY, NULL },
    { "55P03", FINOPS_E_BUSY, NULL },
    { "57014", FINOPS_E_CANCELLED, NULL },
    { "57P", FINOPS_E_TRANSIENT, NULL }, /* shut down, crashed, starting */
    { "58030", FINOPS_E_IO, "the database server cannot read or write its files" },
    { "XX001", FINOPS_E_CORRUPT, NULL },
    { "XX002", FINOPS_E_CORRUPT, NULL },
};

static const state_row *
state_find(const char *state)
{
    for (size_t i = 0; i < FO_COUNT(states); i++)
        if (fo_starts(state, states[i].state))
            return &states[i];
    return NULL;
}

finops_code
fo_pg_sqlstate_code(const char *sqlstate)
{
    const state_row *row = state_find(sqlstate);

    return row ? row->code : FINOPS_E_DATABASE;
}

/* One line of what may be several, of bounded length, that does not end in the middle of a character. */
static void
add_text(fo_str *say, const char *text)
{
    size_t n = strlen(text);

    if (n > MESSAGE_MAX)
        for (n = MESSAGE_MAX; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80;)
            n--;
    while (n > 0 && strchr(" \n\r\t", text[n - 1]))
        n--;
    for (size_t i = 0; i < n; i++) {
        bool next = text[i] == '\n';

        while (next && strchr(" \n\r\t", text[i + 1]))
            i++;
        fo_str_addc(say, next ? ';' : (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i]);
        if (next)
            fo_str_addc(say, ' ');
    }
}

/* The server stopped at our word, at an administrator's, or at statement_timeout: one SQLSTATE for all. */
static finops_code
code_of_cancel(const fo_pg_conn *c, const char *message)
{
    if (c->stop != FINOPS_OK)
        return c->stop;
    return c->database->statement_timeout_ms > 0 || strstr(message, "statement timeout") ? FINOPS_E_TIMEOUT
                                                                                         : FINOPS_E_CANCELLED;
}

static finops_code
connection_error(fo_pg_conn *c, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str say = FO_STR_INIT;
    finops_code code = c->stop != FINOPS_OK ? c->stop : FINOPS_E_TRANSIENT;

    add_text(&say, c->pg ? PQerrorMessage(c->pg) : "no memory");
    if (PQstatus(c->pg) == CONNECTION_OK && c->stop == FINOPS_OK)
        code = FINOPS_E_DATABASE;
    if (PQstatus(c->pg) != CONNECTION_OK)
        fo_pg_backend_lost(c);
    return fo_error_set(err, code, "%s", say.len ? fo_str_z(&say) : "the connection is lost");
}

/* Where in a COPY it happened: "COPY t, line 3, column a: "x"". */
static void
add_place(fo_str *say, const PGresult *result)
{
    const char *context = PQresultErrorField(result, PG_DIAG_CONTEXT);

    while (context && !fo_starts(context, "COPY ")) { /* "JSON data, line 1: {" and such come first */
        context = strchr(context, '\n');
        context = context ? context + 1 : NULL;
    }
    if (!context)
        return;
    fo_str_add(say, " (");
    add_text(say, context);
    fo_str_addc(say, ')');
}

finops_code
fo_pg_error(fo_pg_conn *c, const PGresult *result, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str say = FO_STR_INIT;
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *message = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *detail = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL) : NULL;
    const char *hint = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_HINT) : NULL;
    const state_row *row = state ? state_find(state) : NULL;
    finops_code code = row ? row->code : FINOPS_E_DATABASE;

    if (!state || !message)
        return connection_error(c, err);
    if (code == FINOPS_E_CANCELLED)
        code = code_of_cancel(c, message);
    if (c->stop != FINOPS_OK && code == c->stop)
        message = code == FINOPS_E_TIMEOUT ? "the deadline passed" : "stopped";
    fo_str_addf(&say, "SQLSTATE %s: ", state);
    add_text(&say, message);
    if (detail) {
        fo_str_add(&say, ": ");
        add_text(&say, detail);
    }
    add_place(&say, result);
    (void)fo_error_set(err, code, "%s", fo_str_z(&say));
    if (row && row->hint)
        fo_error_hint(err, "%s", row->hint);
    else if (hint && !strstr(hint, "CASCADE")) /* nobody should drop what others made of our tables */
        fo_error_hint(err, "%s", hint);
    return code;
}

/*
 * libpq has no SQLSTATE for a connection that did not come about, only the text, with "FATAL:" in front of
 * what the server said.
 */
finops_code
fo_pg_connect_error(const fo_pg_conn *c, finops_error **err)
{
    static const state_row known[] = {
        { "password authentication failed", FINOPS_E_AUTH, HINT_AUTH },
        { "no password supplied", FINOPS_E_AUTH, HINT_AUTH },
        { "authentication failed", FINOPS_E_AUTH, HINT_AUTH },
        { "no pg_hba.conf entry", FINOPS_E_AUTH, "the server's pg_hba.conf lets nobody in from here" },
        { "role \"", FINOPS_E_AUTH, HINT_AUTH },
        { "permission denied for database", FINOPS_E_DENIED, NULL },
        { "too many c", FINOPS_E_TRANSIENT, "lower the pool or raise max_connections of the server" },
        { "does not support SSL", FINOPS_E_AUTH, "the server has no TLS and sslmode asks for it" },
        { "does not match host name", FINOPS_E_AUTH, HINT_NAME },
        { "ertificate", FINOPS_E_AUTH, HINT_TLS },
        { "SSL error", FINOPS_E_AUTH, HINT_TLS },
        { "service file", FINOPS_E_CONFIG, NULL },
        { "definition of service", FINOPS_E_CONFIG, NULL },
        { "invalid ", FINOPS_E_CONFIG, NULL },
        { "could not translate host name", FINOPS_E_TRANSIENT, "check host under [database.postgresql]" },
        { "Connection refused", FINOPS_E_TRANSIENT, "check host and port; is the server running?" },
        { "No such file or directory", FINOPS_E_TRANSIENT, "check host and port; is the server running?" },
        { "database \"", FINOPS_E_NOT_FOUND,
          "create the database, or set another under [database.postgresql]" },
    };
    FO_AUTO(fo_str_done) fo_str say = FO_STR_INIT;
    const char *text = PQerrorMessage(c->pg);
    const state_row *row = NULL;

    /* A server that starts or stops names the database, too. */
    if (!strstr(text, "starting up") && !strstr(text, "shutting down"))
        for (size_t i = 0; i < FO_COUNT(known) && !row; i++)
            row = strstr(text, known[i].state) ? &known[i] : NULL;
    add_text(&say, text);
    (void)fo_error_set(err, row ? row->code : FINOPS_E_TRANSIENT, "%s", fo_str_z(&say));
    if (row && row->hint)
        fo_error_hint(err, "%s", row->hint);
    return row ? row->code : FINOPS_E_TRANSIENT;
}
