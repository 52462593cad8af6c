/*
 * What the engine says, told as our errors. It gives a class for most failures; for some there is only the
 * text's beginning.
 */
#include "engine/engine_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "finops/sys/plugin.h"

#define HINT_REACH "check region, endpoint_url and addressing under [aws], and [network] proxy"
#define HINT_TLS                                                                                             \
    "set [network] ca_file, or AWS_CA_BUNDLE, to a PEM file with the certificate authority of this server"

/* A failure known by its class, or by words in its text, or by both. The first row that fits counts. */
typedef struct failure {
    duckdb_error_type type; /* INVALID: any */
    const char *words;      /* NULL: any */
    finops_code code;
    const char *hint;
} failure;

static const failure failures[] = {
    { DUCKDB_ERROR_INTERRUPT, NULL, FINOPS_E_CANCELLED, NULL },
    { DUCKDB_ERROR_INVALID, "server closed the connection", FINOPS_E_TRANSIENT, NULL },
    { DUCKDB_ERROR_INVALID, "execute query \"ROLLBACK\"", FINOPS_E_TRANSIENT, NULL }, /* it was lost before */
    { DUCKDB_ERROR_INVALID, "terminating connection", FINOPS_E_TRANSIENT, NULL },
    { DUCKDB_ERROR_INVALID, "no connection to the server", FINOPS_E_TRANSIENT, NULL },
    { DUCKDB_ERROR_INVALID, "onflicting lock is held", FINOPS_E_BUSY,
      "another process has the database file open; wait for it, or ask it to stop" },
    { DUCKDB_ERROR_INVALID, "Could not set lock on file", FINOPS_E_BUSY,
      "another process has the database file open; wait for it, or ask it to stop" },
    { DUCKDB_ERROR_INVALID, "attached in read-only mode", FINOPS_E_DENIED, NULL },
    { DUCKDB_ERROR_INVALID, "not a valid DuckDB database file", FINOPS_E_CORRUPT,
      "the file is something else; choose another database path" },
    { DUCKDB_ERROR_OUT_OF_MEMORY, NULL, FINOPS_E_MEMORY,
      "raise the engine's memory limit, or give it a temporary folder with more room" },
    { DUCKDB_ERROR_INVALID, "No space left on device", FINOPS_E_IO, "make room on the disk" },
    { DUCKDB_ERROR_IO, "No such file or directory", FINOPS_E_NOT_FOUND, NULL },
    { DUCKDB_ERROR_IO, "No files found that match", FINOPS_E_NOT_FOUND, NULL },
    { DUCKDB_ERROR_IO, "does not exist", FINOPS_E_NOT_FOUND, NULL },
    { DUCKDB_ERROR_IO, "Permission denied", FINOPS_E_DENIED, NULL },
    { DUCKDB_ERROR_IO, "Connection error", FINOPS_E_TRANSIENT, NULL },
    { DUCKDB_ERROR_IO, "Could not establish connection", FINOPS_E_TRANSIENT, NULL },
    { DUCKDB_ERROR_IO, "imeout was reached", FINOPS_E_TRANSIENT, NULL },
    { DUCKDB_ERROR_IO, "ould not connect to server", FINOPS_E_TRANSIENT, HINT_REACH },
    { DUCKDB_ERROR_IO, "ould not resolve host", FINOPS_E_TRANSIENT, HINT_REACH },
    { DUCKDB_ERROR_IO, "ould not resolve proxy", FINOPS_E_TRANSIENT, "check [network] proxy" },
    { DUCKDB_ERROR_IO, "SSL ", FINOPS_E_IO, HINT_TLS },
    { DUCKDB_ERROR_IO, NULL, FINOPS_E_IO, NULL },
    { DUCKDB_ERROR_HTTP, NULL, FINOPS_E_TRANSIENT, NULL },
    { DUCKDB_ERROR_NETWORK, NULL, FINOPS_E_TRANSIENT, NULL },
    { DUCKDB_ERROR_CONSTRAINT, "uplicate key", FINOPS_E_EXISTS, NULL },
    { DUCKDB_ERROR_CONSTRAINT, NULL, FINOPS_E_DATA, NULL },
    { DUCKDB_ERROR_CONVERSION, NULL, FINOPS_E_DATA, NULL },
    { DUCKDB_ERROR_OUT_OF_RANGE, NULL, FINOPS_E_DATA, NULL },
    { DUCKDB_ERROR_CATALOG, "already exists", FINOPS_E_EXISTS, NULL },
    { DUCKDB_ERROR_CATALOG, "Table with name", FINOPS_E_NOT_FOUND, NULL },
    { DUCKDB_ERROR_CATALOG, "View with name", FINOPS_E_NOT_FOUND, NULL },
    { DUCKDB_ERROR_CATALOG, "Schema with name", FINOPS_E_NOT_FOUND, NULL },
    { DUCKDB_ERROR_NOT_IMPLEMENTED, NULL, FINOPS_E_UNSUPPORTED, NULL },
    { DUCKDB_ERROR_MISSING_EXTENSION, NULL, FINOPS_E_UNSUPPORTED, NULL },
    { DUCKDB_ERROR_PERMISSION, NULL, FINOPS_E_DENIED, NULL },
    { DUCKDB_ERROR_SERIALIZATION, NULL, FINOPS_E_CORRUPT, NULL },
    { DUCKDB_ERROR_TRANSACTION, "onflict", FINOPS_E_TRANSIENT, NULL },
    { DUCKDB_ERROR_INVALID, NULL, FINOPS_E_DATABASE, NULL },
};

/* Texts begin with their class. */
static duckdb_error_type
type_of_text(const char *text)
{
    static const struct {
        const char *name;
        duckdb_error_type type;
    } names[] = {
        { "IO Error", DUCKDB_ERROR_IO },
        { "HTTP Error", DUCKDB_ERROR_HTTP },
        { "Out of Memory Error", DUCKDB_ERROR_OUT_OF_MEMORY },
        { "INTERRUPT Error", DUCKDB_ERROR_INTERRUPT },
        { "Catalog Error", DUCKDB_ERROR_CATALOG },
        { "Constraint Error", DUCKDB_ERROR_CONSTRAINT },
        { "Conversion Error", DUCKDB_ERROR_CONVERSION },
        { "Missing Extension Error", DUCKDB_ERROR_MISSING_EXTENSION },
        { "Not implemented Error", DUCKDB_ERROR_NOT_IMPLEMENTED },
        { "Permission Error", DUCKDB_ERROR_PERMISSION },
        { "Serialization Error", DUCKDB_ERROR_SERIALIZATION },
        { "TransactionContext Error", DUCKDB_ERROR_TRANSACTION },
        { "Out of Range Error", DUCKDB_ERROR_OUT_OF_RANGE },
    };

    for (size_t i = 0; i < FO_COUNT(names); i++)
        if (fo_starts(text, names[i].name))
            return names[i].type;
    return DUCKDB_ERROR_INVALID;
}

/* The engine names the process that holds the file: "… is held in /usr/bin/x (PID 123) …". */
static void
busy_hint(finops_error **err, const char *text)
{
    const char *pid = strstr(text, "(PID ");
    size_t digits;

    if (!pid)
        return;
    pid += strlen("(PID ");
    digits = strspn(pid, "0123456789");
    if (digits > 0 && digits < 12)
        fo_error_hint(err, "process %.*s has the database file open; wait for it, or ask it to stop",
                      (int)digits, pid);
}

static int
trimmed(const char *text)
{
    size_t n = strlen(text);

    while (n > 0 && strchr(" \n\r\t", text[n - 1]))
        n--;
    return n > INT32_MAX ? INT32_MAX : (int)n;
}

finops_code
fo_engine_error(finops_error **err, duckdb_error_type type, const char *text)
{
    FO_AUTO(fo_str_done) fo_str told = FO_STR_INIT;
    const failure *f = failures;
    finops_code code;
    const char *hint;

    if (!text || !*text)
        text = "the engine failed without saying why";
    if (type == DUCKDB_ERROR_INVALID)
        type = type_of_text(text);

    while (!((f->type == DUCKDB_ERROR_INVALID || f->type == type) && (!f->words || strstr(text, f->words))))
        f++;
    code = f->code;
    hint = f->hint;
    if ((type == DUCKDB_ERROR_HTTP || type == DUCKDB_ERROR_IO || type == DUCKDB_ERROR_INVALID) &&
        fo_engine_http(text, &told, &code, &hint) && fo_str_ok(&told))
        text = fo_str_z(&told);

    if (code == FINOPS_E_CANCELLED)
        return fo_error_set(err, code, "stopped");
    (void)fo_error_set(err, code, "%.*s", trimmed(text), text);
    if (hint)
        fo_error_hint(err, "%s", hint);
    if (code == FINOPS_E_BUSY)
        busy_hint(err, text);
    return code;
}

finops_code
fo_engine_error_data(finops_error **err, duckdb_error_data data)
{
    finops_code rc = FINOPS_OK;

    if (data && duckdb_error_data_has_error(data))
        rc = fo_engine_error(err, duckdb_error_data_error_type(data), duckdb_error_data_message(data));
    duckdb_destroy_error_data(&data);
    return rc;
}

finops_code
fo_engine_error_result(finops_error **err, duckdb_result *result)
{
    return fo_engine_error(err, duckdb_result_error_type(result), duckdb_result_error(result));
}

finops_code
fo_stream_error(struct ArrowArrayStream *stream, int errnum, finops_error **err)
{
    const char *text = stream->get_last_error ? stream->get_last_error(stream) : NULL;

    FO_AUTO(finops_error_freep) finops_error *why = NULL;

    if (text && *text)
        return fo_error_set(err, finops_stream_code(errnum), "%s", text);
    (void)fo_error_errno(&why, errnum, "read rows");
    return fo_error_set(err, finops_stream_code(errnum), "%s", finops_error_text(why));
}
