/* Names bill tables and columns get in the database; the rules are those of the databases users already have.
 */
#include "billing/names.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

#define SUFFIX_BYTES 7 /* "_" and six digits */
#define TABLE_BASE_MAX 50

static bool
names_is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool
names_is_separator(char c)
{
    return c == '-' || c == '_' || c == ' ' || c == '.' || c == '/' || c == ':';
}

finops_code
fo_bill_table_base(const char *export_name, fo_str *ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str base = FO_STR_INIT;

    for (const char *p = export_name; *p; p++) {
        if (fo_is_alpha(*p) || fo_is_digit(*p))
            fo_str_addc(&base, fo_lower(*p));
        else if (names_is_separator(*p))
            fo_str_addc(&base, '_');
    }
    finops_code rc = fo_str_check(&base, err);
    if (rc != FINOPS_OK)
        return rc;

    const char *z = fo_str_z(&base);
    if (!fo_is_alpha(z[0]))
        fo_str_add(ret, "export_");
    size_t room = TABLE_BASE_MAX - (fo_is_alpha(z[0]) ? 0 : strlen("export_"));
    fo_str_addn(ret, z, base.len < room ? base.len : room);
    return fo_str_check(ret, err);
}

finops_code
fo_bill_table_name(const char *base, const char *period, fo_str *ret, finops_error **err)
{
    if (strlen(period) != 7)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "billing period %s is not YYYY-MM", period);
    fo_str_addf(ret, "%s_%.4s_%.2s", base, period, period + 5);
    return fo_str_check(ret, err);
}

void
fo_bill_base_of(const char *table, const char *period, fo_str *ret)
{
    size_t n = strlen(table);

    if (n > 8 && table[n - 8] == '_' && strncmp(table + n - 7, period, 4) == 0 &&
        strcmp(table + n - 2, period + 5) == 0)
        n -= 8;
    fo_str_addn(ret, table, n);
}

finops_code
fo_bill_column_name(const char *header, fo_str *ret, finops_error **err)
{
    size_t start = ret->len;
    bool gap = false;

    for (const char *p = header; *p; p++) {
        bool word = fo_is_alpha(*p) || fo_is_digit(*p) || (unsigned char)*p >= 0x80;
        if (!word) {
            gap = true;
            continue;
        }
        if ((gap || names_is_upper(*p)) && ret->len > start)
            fo_str_addc(ret, '_');
        gap = false;
        fo_str_addc(ret, fo_lower(*p));
    }
    if (ret->len == start)
        fo_str_add(ret, "column");
    return fo_str_check(ret, err);
}

finops_code
fo_bill_suffixed(const char *name, const char *text, fo_str *ret, finops_error **err)
{
    char hex[FO_SHA256_HEX];
    finops_code rc = fo_sha256_hex(text, strlen(text), hex, err);

    if (rc != FINOPS_OK)
        return rc;
    fo_str_addf(ret, "%s_%.6s", name, hex);
    return fo_str_check(ret, err);
}

finops_code
fo_bill_cut(const char *name, size_t max, fo_str *ret, finops_error **err)
{
    size_t keep = max > SUFFIX_BYTES ? max - SUFFIX_BYTES : 0;

    if (!max || strlen(name) <= max) {
        fo_str_add(ret, name);
        return fo_str_check(ret, err);
    }
    while (keep > 0 && ((unsigned char)name[keep] & 0xc0) == 0x80)
        keep--;
    FO_AUTO(fo_freep) char *head = fo_strndup(name, keep);
    return head ? fo_bill_suffixed(head, name, ret, err) : fo_error_oom(err);
}
