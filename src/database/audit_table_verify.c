/* Reading an audit table again: is each row as it was written, and does it follow the one before it? */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "database/audit_row.h"
#include "database/audit_table.h"
#include "database/front_internal.h"

#define PAGE_ROWS 5000u

typedef struct checker {
    finops_session *session;
    fo_audit_place place;
    const char *known;
    fo_audit_summary s; /* `lines` is the number of the last row that is fine */
} checker;

static void
checker_done(checker *c)
{
    fo_audit_place_done(&c->place);
}

static finops_code
wrong(const checker *c, uint64_t seq, const char *what, finops_error **err)
{
    (void)fo_error_set(err, FINOPS_E_CORRUPT, "audit table %s: row %" PRIu64 " %s", c->place.table, seq,
                       what);
    if (c->s.lines > 0)
        fo_error_hint(err, "rows 1 to %" PRIu64 " are as they were written", c->s.lines);
    return FINOPS_E_CORRUPT;
}

static finops_code
row_check(checker *c, const char *const *cells, finops_error **err)
{
    uint64_t want = c->s.lines + 1;
    unsigned long long seq = 0;
    char hash[FO_SHA256_HEX];
    finops_code rc;

    if (!cells[FO_AUDIT_SEQ] || !fo_parse_u64(cells[FO_AUDIT_SEQ], &seq))
        return wrong(c, want, "has no number", err);
    if (seq > want)
        return wrong(c, want, "is missing: it was removed, or given another number", err);
    if (seq < want)
        return wrong(c, seq, "is there twice: one was put in", err);
    rc = fo_audit_row_hash(cells, hash, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!fo_streq(cells[FO_AUDIT_HASH], hash))
        return wrong(c, want, "was changed: it has not its own hash", err);
    if (!fo_streq(cells[FO_AUDIT_PREV], c->s.last))
        return wrong(c, want, "does not follow the one before it: a row was changed, removed or put in here",
                     err);
    memcpy(c->s.last, hash, sizeof(hash));
    c->s.known_seen |= c->known && strcmp(c->known, hash) == 0;
    c->s.lines++;
    return FINOPS_OK;
}

static finops_code
page_check(checker *c, size_t *ret_n, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_INIT;
    FO_AUTO(fo_rows_freep) fo_rows *rows = NULL;
    FO_AUTO(fo_freep)
    char *after = c->s.lines ? fo_format("%" PRIu64, c->s.lines) : fo_strdup("-9223372036854775808");
    const char *const params[] = { after };
    finops_code rc;

    if (!after)
        return fo_error_oom(err);
    fo_audit_sql_page(&c->place, fo_session_capabilities(c->session), PAGE_ROWS, &sql);
    rc = fo_str_check(&sql, err);
    if (rc == FINOPS_OK)
        rc = fo_session_rows(c->session, fo_str_z(&sql), params, 1, &rows, err);
    *ret_n = rows ? fo_rows_count(rows) : 0;
    for (size_t i = 0; rc == FINOPS_OK && i < *ret_n; i++) {
        const char *cells[FO_AUDIT_COLUMNS];

        for (size_t k = 0; k < FO_AUDIT_COLUMNS; k++)
            cells[k] = fo_rows_text(rows, i, k);
        rc = row_check(c, cells, err);
    }
    return rc;
}

static bool
column_seen(const finops_column *column, void *arg)
{
    (void)column;
    *(bool *)arg = true;
    return false;
}

finops_code
fo_audit_table_verify(finops_session *session, const char *name, const char *known, fo_audit_summary *ret,
                      finops_error **err)
{
    FO_AUTO(checker_done) checker c = { .session = session, .known = known };
    bool there = false;
    size_t n = 0;
    finops_code rc = fo_audit_place_parse(name, &c.place, err);

    if (rc == FINOPS_OK)
        rc =
            finops_session_columns(session, fo_audit_place_schema(&c.place, fo_session_capabilities(session)),
                                   c.place.table, column_seen, &there, err);
    if (rc == FINOPS_OK && !there)
        rc = fo_error_set(err, FINOPS_E_NOT_FOUND, "there is no audit table %s", name);
    fo_audit_first(c.s.last);
    if (rc == FINOPS_OK)
        do
            rc = page_check(&c, &n, err);
        while (rc == FINOPS_OK && n == PAGE_ROWS);
    if (rc != FINOPS_OK)
        return rc;
    if (known && !c.s.known_seen) {
        (void)fo_error_set(err, FINOPS_E_CORRUPT, "audit table %s: no row has the hash %s", c.place.table,
                           known);
        fo_error_hint(err, "the end of the log was cut off, or the log is another one");
        return FINOPS_E_CORRUPT;
    }
    *ret = c.s;
    return FINOPS_OK;
}
