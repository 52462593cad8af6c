/* The columns of the audit table, its statements, and what a row's hash is made of. */
#include "database/audit_row.h"

#include <string.h>

#include "base/mem.h"
#include "database/front_internal.h"

static const struct {
    const char *name, *type;
} columns[FO_AUDIT_COLUMNS] = {
    [FO_AUDIT_SEQ] = { "seq", "BIGINT NOT NULL" },
    [FO_AUDIT_TIME] = { "event_time",
                        "VARCHAR NOT NULL" }, /* text, so that every database gives back what it got */
    [FO_AUDIT_USER] = { "user_name", "VARCHAR NOT NULL" },
    [FO_AUDIT_HOST] = { "host", "VARCHAR NOT NULL" },
    [FO_AUDIT_PID] = { "pid", "BIGINT NOT NULL" },
    [FO_AUDIT_BACKEND] = { "backend", "VARCHAR NOT NULL" },
    [FO_AUDIT_OPERATION] = { "operation", "VARCHAR NOT NULL" },
    [FO_AUDIT_OBJECT] = { "object", "VARCHAR" },
    [FO_AUDIT_ROWS] = { "row_count", "BIGINT" },
    [FO_AUDIT_MICROS] = { "duration_us", "BIGINT NOT NULL" },
    [FO_AUDIT_OUTCOME] = { "outcome", "VARCHAR NOT NULL" },
    [FO_AUDIT_PREV] = { "previous_hash", "VARCHAR NOT NULL" },
    [FO_AUDIT_HASH] = { "hash", "VARCHAR NOT NULL" },
};

finops_code
fo_audit_place_parse(const char *name, fo_audit_place *ret, finops_error **err)
{
    const char *dot = strchr(name, '.');
    fo_audit_place place = { 0 };

    if (!*name || dot == name || (dot && (!dot[1] || strchr(dot + 1, '.'))))
        return fo_error_set(err, FINOPS_E_CONFIG, "audit table \"%s\" is no SCHEMA.TABLE", name);
    place.table = fo_strdup(dot ? dot + 1 : name);
    place.schema = dot ? fo_strndup(name, (size_t)(dot - name)) : NULL;
    if (!place.table || (dot && !place.schema)) {
        fo_audit_place_done(&place);
        return fo_error_oom(err);
    }
    *ret = place;
    return FINOPS_OK;
}

void
fo_audit_place_done(fo_audit_place *place)
{
    fo_free(place->schema);
    fo_free(place->table);
    *place = (fo_audit_place){ 0 };
}

const char *
fo_audit_place_schema(const fo_audit_place *place, const finops_capabilities *c)
{
    return place->schema ? place->schema : fo_front_own_schema(c);
}

static void
table_add(const fo_audit_place *place, const finops_capabilities *c, fo_str *ret)
{
    fo_front_table(c, fo_audit_place_schema(place, c), place->table, ret);
}

static void
columns_add(const finops_capabilities *c, fo_str *ret)
{
    for (size_t i = 0; i < FO_AUDIT_COLUMNS; i++) {
        fo_str_add(ret, i ? ", " : "");
        fo_front_ident(c, columns[i].name, ret);
    }
}

void
fo_audit_sql_create(const fo_audit_place *place, const finops_capabilities *c, fo_str *ret)
{
    fo_str_add(ret, "CREATE TABLE ");
    table_add(place, c, ret);
    fo_str_add(ret, " (");
    for (size_t i = 0; i < FO_AUDIT_COLUMNS; i++) {
        fo_front_ident(c, columns[i].name, ret);
        fo_str_addf(ret, " %s%s", columns[i].type, i + 1 < FO_AUDIT_COLUMNS ? ", " : "");
    }
    fo_str_add(ret, c->features & FINOPS_DATABASE_NO_KEYS ? ")" : ", PRIMARY KEY (seq))");
}

void
fo_audit_sql_insert(const fo_audit_place *place, const finops_capabilities *c, size_t n, fo_str *ret)
{
    fo_str_add(ret, "INSERT INTO ");
    table_add(place, c, ret);
    fo_str_add(ret, " (");
    columns_add(c, ret);
    fo_str_add(ret, ") VALUES ");
    for (size_t row = 0; row < n; row++)
        for (size_t i = 0; i < FO_AUDIT_COLUMNS; i++)
            fo_str_addf(ret, "%sCAST($%zu AS %.*s)%s",
                        i     ? ", "
                        : row ? ", ("
                              : "(",
                        row * FO_AUDIT_COLUMNS + i + 1, (int)strcspn(columns[i].type, " "), columns[i].type,
                        i + 1 == FO_AUDIT_COLUMNS ? ")" : "");
}

void
fo_audit_sql_last(const fo_audit_place *place, const finops_capabilities *c, fo_str *ret)
{
    fo_str_add(ret, "SELECT seq, hash FROM ");
    table_add(place, c, ret);
    fo_str_add(ret, " ORDER BY seq DESC LIMIT 1");
}

void
fo_audit_sql_has(const fo_audit_place *place, const finops_capabilities *c, fo_str *ret)
{
    fo_str_add(ret, "SELECT count(*) FROM ");
    table_add(place, c, ret);
    fo_str_add(ret, " WHERE hash = $1");
}

void
fo_audit_sql_page(const fo_audit_place *place, const finops_capabilities *c, unsigned rows, fo_str *ret)
{
    fo_str_add(ret, "SELECT ");
    columns_add(c, ret);
    fo_str_add(ret, " FROM ");
    table_add(place, c, ret);
    fo_str_addf(ret, " WHERE seq > CAST($1 AS BIGINT) ORDER BY seq LIMIT %u", rows);
}

finops_code
fo_audit_row_hash(const char *const *cells, char hex[FO_SHA256_HEX], finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(FO_AUDIT_ROW_MAX);
    finops_code rc;

    for (size_t i = 0; i < FO_AUDIT_HASH; i++) {
        fo_str_addc(&text, i ? ',' : '{');
        if (cells[i])
            fo_audit_text(&text, columns[i].name, cells[i]);
        else
            fo_str_addf(&text, "\"%s\":null", columns[i].name);
    }
    fo_str_addc(&text, '}');
    rc = fo_str_check(&text, err);
    return rc == FINOPS_OK ? fo_sha256_hex(text.data, text.len, hex, err) : rc;
}
