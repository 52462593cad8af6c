/* Values by type: reading a text by its row, defaults, copies, and the way back to text. */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "config/config.h"
#include "config/config_internal.h"

#define VALUE_MAX 16384 /* bytes of one value; session tokens are the longest, with some 2,000 */

static void *
slot(const finops_option *option, void *base)
{
    return (char *)base + option->offset;
}

static const void *
const_slot(const finops_option *option, const void *base)
{
    return (const char *)base + option->offset;
}

static bool
is_text(const finops_option *option)
{
    return option->type == FINOPS_OPT_STRING || option->type == FINOPS_OPT_ENUM ||
           option->type == FINOPS_OPT_DATE;
}

static void
list_free(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        fo_free(list[i]);
    fo_free(list);
}

static finops_code
refuse(const finops_option *option, const char *text, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str say = FO_STR_INIT;

    fo_str_add(&say, "expected ");
    fo_option_expected(option, &say);
    fo_str_add(&say, ", found ");
    fo_option_found(option, text, &say);
    if (!fo_str_ok(&say))
        return fo_error_oom(err);
    return fo_error_set(err, FINOPS_E_CONFIG, "%s", fo_str_z(&say));
}

static bool
in_range(const finops_option *option, int64_t value)
{
    return option->max == 0 || (value >= option->min && value <= option->max);
}

static bool
bool_parse(const char *text, bool *ret)
{
    static const char *const yes[] = { "true", "yes", "on", "1" };
    static const char *const no[] = { "false", "no", "off", "0" };

    for (size_t i = 0; i < FO_COUNT(yes); i++) {
        if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0) {
            *ret = strcasecmp(text, yes[i]) == 0;
            return true;
        }
    }
    return false;
}

static bool
int_parse(const char *text, int64_t *ret)
{
    bool negative = text[0] == '-';
    unsigned long long n;

    if (!fo_parse_u64(text + negative, &n) || n > (unsigned long long)INT64_MAX)
        return false;
    *ret = negative ? -(int64_t)n : (int64_t)n;
    return true;
}

static bool
digits_parse(const char *text, size_t n, unsigned *ret)
{
    *ret = 0;
    for (size_t i = 0; i < n; i++) {
        if (!fo_is_digit(text[i]))
            return false;
        *ret = *ret * 10 + (unsigned)(text[i] - '0');
    }
    return true;
}

/* YYYY-MM or YYYY-MM-DD of a day that exists. */
static bool
date_valid(const char *text)
{
    size_t n = strlen(text);
    unsigned year, month, day = 1;

    if ((n != 7 && n != 10) || text[4] != '-' || (n == 10 && text[7] != '-'))
        return false;
    if (!digits_parse(text, 4, &year) || !digits_parse(text + 5, 2, &month) ||
        (n == 10 && !digits_parse(text + 8, 2, &day)))
        return false;
    return year > 0 && month >= 1 && month <= 12 && day >= 1 && day <= fo_days_in_month((int)year, month);
}

static bool
word_allowed(const char *allow, const char *text)
{
    size_t n = strlen(text);

    for (const char *p = allow; *p;) {
        size_t len = strcspn(p, " ");

        if (len == n && strncmp(p, text, n) == 0)
            return true;
        p += len;
        p += strspn(p, " ");
    }
    return false;
}

/* A line break in a name or an address is a slip of quoting, and would forge a line of a log. */
static bool
plain_text(const char *text)
{
    size_t n = strlen(text);

    if (n > VALUE_MAX)
        return false;
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    return true;
}

static finops_code
set_text(const finops_option *option, char **to, const char *text, finops_error **err)
{
    char *copy = NULL;

    if (text && text[0] == '\0')
        text = option->value; /* unset: the default, which may itself be empty or none */
    if (text) {
        if (!plain_text(text) || (option->type == FINOPS_OPT_ENUM && !word_allowed(option->allow, text)) ||
            (option->type == FINOPS_OPT_DATE && !date_valid(text)))
            return refuse(option, text, err);
        copy = fo_strdup(text);
        if (!copy)
            return fo_error_oom(err);
    }
    fo_free(*to);
    *to = copy;
    return FINOPS_OK;
}

static finops_code
list_add(char ***list, const char *item, finops_error **err)
{
    size_t n = 0;
    char **grown;

    while (*list && (*list)[n])
        n++;
    grown = fo_array(n + 2, sizeof(*grown));
    if (!grown)
        return fo_error_oom(err);
    if (n > 0)
        memcpy(grown, *list, n * sizeof(*grown));
    grown[n] = fo_strdup(item);
    if (!grown[n]) {
        fo_free(grown);
        return fo_error_oom(err);
    }
    fo_free(*list); /* the items moved over */
    *list = grown;
    return FINOPS_OK;
}

static finops_code
set_list(const finops_option *option, char ***to, const char *text, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv parts = FO_STRV_INIT;
    char **list = NULL;
    finops_code rc = FINOPS_OK;

    if (text && text[0] == '\0')
        text = option->value;
    if (text && !plain_text(text))
        return refuse(option, text, err);
    if (text && !fo_strv_split(&parts, text, ','))
        return fo_error_oom(err);
    for (size_t i = 0; i < parts.n && rc == FINOPS_OK; i++)
        if (parts.items[i][0] != '\0')
            rc = list_add(&list, parts.items[i], err);
    if (rc != FINOPS_OK) {
        list_free(list);
        return rc;
    }
    list_free(*to);
    *to = list;
    return FINOPS_OK;
}

finops_code
fo_option_list_add(const finops_option *option, void *base, const char *item, finops_error **err)
{
    assert(option->type == FINOPS_OPT_LIST);

    if (!plain_text(item))
        return refuse(option, item, err);
    return list_add(slot(option, base), item, err);
}

static finops_code
set_number(const finops_option *option, void *to, const char *text, finops_error **err)
{
    unsigned long long size;
    int64_t number;

    if (option->type == FINOPS_OPT_INT) {
        if (!int_parse(text, &number) || !in_range(option, number))
            return refuse(option, text, err);
        *(int64_t *)to = number;
        return FINOPS_OK;
    }
    if (!fo_parse_size(text, &size) || size > (unsigned long long)INT64_MAX ||
        !in_range(option, (int64_t)size))
        return refuse(option, text, err);
    *(uint64_t *)to = size;
    return FINOPS_OK;
}

finops_code
fo_option_set(const finops_option *option, void *base, const char *text, finops_error **err)
{
    void *to = slot(option, base);
    bool truth;

    assert(option->name && base && text);

    if (is_text(option))
        return set_text(option, to, text, err);
    if (option->type == FINOPS_OPT_LIST)
        return set_list(option, to, text, err);
    if (option->type != FINOPS_OPT_BOOL)
        return set_number(option, to, text, err);
    if (!bool_parse(text, &truth))
        return refuse(option, text, err);
    *(bool *)to = truth;
    return FINOPS_OK;
}

static void
clear_one(const finops_option *option, void *base)
{
    void *to = slot(option, base);

    if (is_text(option)) {
        fo_free(*(char **)to);
        *(char **)to = NULL;
    } else if (option->type == FINOPS_OPT_LIST) {
        list_free(*(char ***)to);
        *(char ***)to = NULL;
    } else if (option->type == FINOPS_OPT_BOOL) {
        *(bool *)to = false;
    } else {
        memset(to, 0, sizeof(int64_t));
    }
}

finops_code
fo_option_defaults(const finops_option *table, void *base, finops_error **err)
{
    finops_code rc;

    for (const finops_option *option = table; option->name; option++) {
        if (!option->value) {
            clear_one(option, base);
            continue;
        }
        rc = fo_option_set(option, base, option->value, err);
        if (rc != FINOPS_OK)
            return fo_error_wrap(err, rc, "default of %s", option->name);
    }
    return FINOPS_OK;
}

void
fo_option_clear(const finops_option *table, void *base)
{
    for (const finops_option *option = table; option->name; option++)
        clear_one(option, base);
}

static finops_code
copy_list(char ***to, char *const *from, finops_error **err)
{
    char **list = NULL;
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; from && from[i] && rc == FINOPS_OK; i++)
        rc = list_add(&list, from[i], err);
    if (rc != FINOPS_OK) {
        list_free(list);
        return rc;
    }
    list_free(*to);
    *to = list;
    return FINOPS_OK;
}

finops_code
fo_option_copy(const finops_option *option, void *to, const void *from, finops_error **err)
{
    const void *source = const_slot(option, from);
    char *text;

    if (option->type == FINOPS_OPT_LIST)
        return copy_list(slot(option, to), *(char **const *)source, err);
    if (is_text(option)) {
        text = *(char *const *)source;
        if (text) {
            text = fo_strdup(text);
            if (!text)
                return fo_error_oom(err);
        }
        clear_one(option, to);
        *(char **)slot(option, to) = text;
    } else if (option->type == FINOPS_OPT_BOOL) {
        *(bool *)slot(option, to) = *(const bool *)source;
    } else {
        memcpy(slot(option, to), source, sizeof(int64_t));
    }
    return FINOPS_OK;
}

bool
fo_option_is_set(const finops_option *option, const void *base)
{
    const void *from = const_slot(option, base);

    if (is_text(option))
        return *(char *const *)from && **(char *const *)from != '\0';
    if (option->type == FINOPS_OPT_LIST)
        return *(char **const *)from && **(char **const *)from;
    return true;
}

/* In the largest unit that keeps it whole, the way people write it. */
static void
add_size(uint64_t n, fo_str *ret)
{
    static const char *const units[] = { "", "KiB", "MiB", "GiB", "TiB" };
    size_t i = 0;

    while (n > 0 && n % 1024 == 0 && i + 1 < FO_COUNT(units)) {
        n /= 1024;
        i++;
    }
    fo_str_addf(ret, "%llu%s", (unsigned long long)n, units[i]);
}

void
fo_option_text(const finops_option *option, const void *base, fo_str *ret)
{
    const void *from = const_slot(option, base);

    if (is_text(option)) {
        const char *text = *(char *const *)from;

        fo_str_add(ret, text ? text : "");
    } else if (option->type == FINOPS_OPT_LIST) {
        char *const *list = *(char **const *)from;

        for (size_t i = 0; list && list[i]; i++) {
            fo_str_add(ret, i > 0 ? "," : "");
            fo_str_add(ret, list[i]);
        }
    } else if (option->type == FINOPS_OPT_BOOL) {
        fo_str_add(ret, *(const bool *)from ? "true" : "false");
    } else if (option->type == FINOPS_OPT_SIZE) {
        add_size(*(const uint64_t *)from, ret);
    } else {
        fo_str_addf(ret, "%lld", (long long)*(const int64_t *)from);
    }
}

static void
add_words(const char *allow, fo_str *ret)
{
    for (const char *p = allow; *p;) {
        size_t len = strcspn(p, " ");

        if (p != allow)
            fo_str_add(ret, p[len] ? ", " : " or ");
        fo_str_addn(ret, p, len);
        p += len;
        p += strspn(p, " ");
    }
}

static void
add_range(const finops_option *option, fo_str *ret)
{
    if (option->max == 0)
        return;
    if (option->type == FINOPS_OPT_INT) {
        fo_str_addf(ret, " from %lld to %lld", (long long)option->min, (long long)option->max);
        return;
    }
    fo_str_add(ret, " from ");
    add_size((uint64_t)option->min, ret);
    fo_str_add(ret, " to ");
    add_size((uint64_t)option->max, ret);
}

void
fo_option_expected(const finops_option *option, fo_str *ret)
{
    switch (option->type) {
    case FINOPS_OPT_STRING:
        fo_str_add(ret, "text of one line");
        break;
    case FINOPS_OPT_BOOL:
        fo_str_add(ret, "true or false");
        break;
    case FINOPS_OPT_INT:
        fo_str_add(ret, "a whole number");
        add_range(option, ret);
        break;
    case FINOPS_OPT_SIZE:
        fo_str_add(ret, "a size such as 512MiB");
        add_range(option, ret);
        break;
    case FINOPS_OPT_ENUM:
        add_words(option->allow, ret);
        break;
    case FINOPS_OPT_DATE:
        fo_str_add(ret, "a month or a day that exists, such as 2024-10 or 2024-10-31");
        break;
    case FINOPS_OPT_LIST:
        fo_str_add(ret, "a list of texts");
        break;
    }
}

finops_code
fo_option_env_name(const char *section, const char *name, fo_str *ret, finops_error **err)
{
    const char *const parts[] = { "open_finops", section, name };

    for (size_t i = 0; i < FO_COUNT(parts); i++) {
        if (!parts[i] || parts[i][0] == '\0')
            continue;
        if (i > 0)
            fo_str_addc(ret, '_');
        for (const char *p = parts[i]; *p; p++)
            fo_str_addc(ret, *p == '.' ? '_' : (char)(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p));
    }
    return fo_str_check(ret, err);
}
