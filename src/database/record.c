/* From calls of the front door to lines of the audit log. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "database/front_internal.h"

bool
fo_records(const finops_session *session)
{
    return session->database->audit || session->database->audit_table;
}

finops_code
fo_record_ready(finops_session *session, finops_error **err)
{
    fo_audit_table *table = session->database->audit_table;

    if (!table || session->recording || session->in_transaction ||
        (session->flags & FINOPS_CONNECT_READ_ONLY))
        return FINOPS_OK;
    return fo_audit_table_ready(table, session, err);
}

void
fo_record_flush(finops_session *session)
{
    fo_audit_table *table = session->database->audit_table;

    if (table && !session->recording && !session->in_transaction && !session->opened && !session->spent &&
        !(session->flags & FINOPS_CONNECT_READ_ONLY) && fo_audit_table_waiting(table))
        (void)!fo_audit_table_flush(table, session, NULL);
}

static finops_code
begin(finops_session *session, fo_record *record, finops_error **err)
{
    finops_code rc = fo_record_ready(session, err);

    session->recording = true;
    record->start_us = fo_clock_monotonic();
    if (rc == FINOPS_OK && session->database->audit)
        rc = fo_audit_ready(session->database->audit, err);
    record->refused = rc != FINOPS_OK;
    return rc;
}

finops_code
fo_record_begin(finops_session *session, fo_record *record, const char *operation, finops_error **err)
{
    record->on = fo_records(session) && !session->recording;
    record->streams = false;
    if (!record->on)
        return FINOPS_OK;
    record->object[0] = '\0';
    (void)snprintf(record->operation, sizeof(record->operation), "%s", operation);
    return begin(session, record, err);
}

finops_code
fo_record_statement(finops_session *session, fo_record *record, const char *sql, finops_error **err)
{
    record->on = record->streams = false;
    if (!fo_records(session) || (session->flags & FINOPS_CONNECT_READ_ONLY) ||
        !fo_audit_statement(sql, record->operation, record->object))
        return FINOPS_OK;
    record->on = !session->recording;
    return record->on ? begin(session, record, err) : FINOPS_OK;
}

void
fo_record_object(fo_record *record, const char *schema, const char *table, const char *part)
{
    if (record->on)
        (void)snprintf(record->object, sizeof(record->object), "%s%s%s%s%s%s", schema ? schema : "",
                       schema ? "." : "", table, part ? "[" : "", part ? part : "", part ? "]" : "");
}

finops_code
fo_record_end(finops_session *session, fo_record *record, finops_code rc, int64_t rows)
{
    fo_audit_event event = { .backend = session->database->driver->name,
                             .operation = record->operation,
                             .object = record->object,
                             .rows = rc == FINOPS_OK ? rows : -1,
                             .outcome = rc };

    if (!record->on)
        return rc;
    session->recording = false;
    if (record->refused)
        return rc;
    event.micros = fo_clock_monotonic() - record->start_us;
    if (session->database->audit)
        fo_audit_add(session->database->audit, &event);
    if (session->database->audit_table)
        fo_audit_table_add(session->database->audit_table, &event);
    if (!record->streams)
        fo_record_flush(session);
    return rc;
}
