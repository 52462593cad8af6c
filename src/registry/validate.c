/*
 * Whether a driver is what it says it is: checked once, for built-ins and plugins alike.
 *
 * A driver's tables are an outsider's: every walk through them has an end, and what makes sense only with
 * what was found wrong before is not looked at.
 */
#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "config/config.h"
#include "registry/registry_internal.h"

/* A driver of any kind is looked at through the members they have in common. */
#define SAME_PLACE(type, member)                                                                             \
    _Static_assert(offsetof(type, member) == offsetof(finops_driver, member), #type " begins otherwise")
#define SAME_HEAD(type)                                                                                      \
    SAME_PLACE(type, abi);                                                                                   \
    SAME_PLACE(type, size);                                                                                  \
    SAME_PLACE(type, name);                                                                                  \
    SAME_PLACE(type, version);                                                                               \
    SAME_PLACE(type, summary);                                                                               \
    SAME_PLACE(type, options);                                                                               \
    SAME_PLACE(type, config_size)
SAME_HEAD(finops_database_driver);
SAME_HEAD(finops_storage_driver);

const fo_kind fo_kinds[FINOPS_KIND_COUNT_] = {
    [FINOPS_KIND_DATABASE] = { "database backend",
                               { "database", "databases" },
                               "finops backends list",
                               FINOPS_DATABASE_ABI,
                               sizeof(finops_database_driver),
                               offsetof(finops_database_driver, begin) },
    [FINOPS_KIND_STORAGE] = { "storage backend",
                              { "storage", "storages" },
                              "finops storage backends",
                              FINOPS_STORAGE_ABI,
                              sizeof(finops_storage_driver),
                              offsetof(finops_storage_driver, upload) },
};

typedef struct checking {
    fo_each_problem each;
    void *arg;
    unsigned problems;
} checking;

static FO_PRINTF(2, 3) void problem(checking *c, const char *fmt, ...)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(1024);
    va_list ap;

    va_start(ap, fmt);
    fo_str_addv(&text, fmt, ap);
    va_end(ap);
    c->problems++;
    if (c->each)
        c->each(fo_str_ok(&text) ? fo_str_z(&text) : "something is wrong, and there is no memory to say what",
                c->arg);
}

/* Lower-case letters, digits and '_', a letter first; at most `max` bytes, so that a text without end is left
 * in time. */
static bool
is_snake_case(const char *name, size_t max)
{
    size_t n = 0;

    if (name[0] < 'a' || name[0] > 'z')
        return false;
    while (n <= max && ((name[n] >= 'a' && name[n] <= 'z') || fo_is_digit(name[n]) || name[n] == '_'))
        n++;
    return name[n] == '\0' && n <= max;
}

bool
fo_driver_name_valid(const char *name)
{
    return name && is_snake_case(name, FO_DRIVER_NAME_MAX);
}

static size_t
size_of_value(finops_option_type type)
{
    switch (type) {
    case FINOPS_OPT_STRING:
    case FINOPS_OPT_ENUM:
    case FINOPS_OPT_DATE:
        return sizeof(char *);
    case FINOPS_OPT_BOOL:
        return sizeof(bool);
    case FINOPS_OPT_INT:
        return sizeof(int64_t);
    case FINOPS_OPT_SIZE:
        return sizeof(uint64_t);
    case FINOPS_OPT_LIST:
        return sizeof(char **);
    default:
        return 0;
    }
}

/* The default as the configuration would read it, into a place of its own. */
static void
check_default(checking *c, const finops_option *option)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    finops_option row[2] = { *option, { 0 } };
    union {
        char *text;
        char **list;
        int64_t number;
    } place = { 0 };

    row[0].offset = 0;
    if (option->value && fo_option_defaults(row, &place, &err) != FINOPS_OK)
        problem(c, "option %s: %s", option->name, finops_error_text(err));
    fo_option_clear(row, &place);
}

static void
check_place(checking *c, const finops_option *table, size_t row, size_t config_size)
{
    const finops_option *option = &table[row];
    size_t size = size_of_value(option->type);

    if (option->offset > config_size || config_size - option->offset < size) {
        problem(c,
                "option %s: its value of %zu bytes at offset %zu is outside the configuration of %zu bytes",
                option->name, size, option->offset, config_size);
        return;
    }
    if (option->offset % size != 0)
        problem(c, "option %s: offset %zu is not a multiple of its value's %zu bytes", option->name,
                option->offset, size);
    for (size_t i = 0; i < row; i++) {
        size_t other = size_of_value(table[i].type);

        if (option->offset < table[i].offset + other && table[i].offset < option->offset + size)
            problem(c, "option %s: its value lies over that of option %s", option->name, table[i].name);
    }
}

static bool
has_option(const finops_option *table, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (fo_streq(table[i].name, name))
            return true;
    return false;
}

static void
check_option(checking *c, const finops_option *table, size_t row, size_t n, size_t config_size)
{
    const unsigned known =
        FINOPS_OPT_REQUIRED | FINOPS_OPT_SECRET | FINOPS_OPT_NO_FLAG | FINOPS_OPT_FLAG_ONLY;
    const finops_option *option = &table[row];

    if (!is_snake_case(option->name, 64)) {
        problem(c, "option %zu: its name %.64s is not of lower-case letters, digits and '_'", row + 1,
                option->name);
        return;
    }
    if (has_option(table, row, option->name))
        problem(c, "option %s: it is in the table twice", option->name);
    if (size_of_value(option->type) == 0) {
        problem(c, "option %s: its type %d is not known", option->name, (int)option->type);
        return;
    }
    if (option->flags & ~known)
        problem(c, "option %s: its flags 0x%x are not known", option->name, option->flags & ~known);
    if (option->max != 0 && option->min > option->max)
        problem(c, "option %s: its min is above its max", option->name);
    if (!option->help || !option->help[0])
        problem(c, "option %s: it has no help", option->name);
    if (option->needs && !has_option(table, n, option->needs))
        problem(c, "option %s: it needs option %.64s, which is not in the table", option->name,
                option->needs);
    if (option->type == FINOPS_OPT_ENUM && (!option->allow || !option->allow[0]))
        problem(c, "option %s: an enum without words it allows", option->name);
    else
        check_default(c, option);
    check_place(c, table, row, config_size);
}

static void
check_options(checking *c, const finops_option *table, size_t config_size)
{
    size_t n = 0;

    if (config_size > FO_DRIVER_CONFIG_MAX)
        problem(c, "its configuration of %zu bytes is larger than %zu", config_size, FO_DRIVER_CONFIG_MAX);
    if (!table && config_size > 0)
        problem(c, "it has a configuration of %zu bytes and no option table", config_size);
    while (table && n <= FO_DRIVER_OPTIONS_MAX && table[n].name)
        n++;
    if (n > FO_DRIVER_OPTIONS_MAX)
        problem(c, "its option table has no last row, or more than %d", FO_DRIVER_OPTIONS_MAX);
    for (size_t row = 0; row < n && n <= FO_DRIVER_OPTIONS_MAX; row++)
        check_option(c, table, row, n, config_size);
}

typedef struct function {
    const char *name;
    bool there;
} function;

/* What every driver must have; its size covers them. */
static void
check_required(checking *c, const function *required, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!required[i].there)
            problem(c, "the required function %s is missing", required[i].name);
}

/* Functions that make sense together only. A smaller driver has none of them. */
static void
check_together(checking *c, const finops_database_driver *d)
{
    if (d->size < sizeof(*d))
        return;
    if ((d->begin != NULL) != (d->commit != NULL) || (d->begin != NULL) != (d->rollback != NULL))
        problem(c, "of begin, commit and rollback it has some and not all");
    if ((d->lock != NULL) != (d->unlock != NULL))
        problem(c, "of lock and unlock it has one and not the other");
}

static void
check_database(checking *c, const finops_database_driver *d)
{
    const function required[] = {
        { "open", d->open != NULL },
        { "close", d->close != NULL },
        { "capabilities", d->capabilities != NULL },
        { "connect", d->connect != NULL },
        { "disconnect", d->disconnect != NULL },
        { "execute", d->execute != NULL },
        { "write", d->write != NULL },
        { "columns", d->columns != NULL },
        { "tables", d->tables != NULL },
    };

    check_required(c, required, FO_COUNT(required));
    check_together(c, d);
}

static void
check_storage(checking *c, const finops_storage_driver *d)
{
    const function required[] = {
        { "open", d->open != NULL }, { "close", d->close != NULL },   { "features", d->features != NULL },
        { "stat", d->stat != NULL }, { "list", d->list != NULL },     { "read", d->read != NULL },
        { "put", d->put != NULL },   { "remove", d->remove != NULL },
    };

    check_required(c, required, FO_COUNT(required));
}

/* The layout must be known before anything behind it is read. */
static bool
check_abi(checking *c, const finops_driver *d, const fo_kind *kind)
{
    if (d->abi >> 16 != kind->abi >> 16) {
        problem(c, "it was built against version %u.%u of the driver interface, this finops has %u.%u",
                d->abi >> 16, d->abi & 0xffff, kind->abi >> 16, kind->abi & 0xffff);
        return false;
    }
    if (d->size < kind->least || d->size % sizeof(void *) != 0) {
        problem(c, "its struct has %u bytes, of which at least %zu are needed", d->size, kind->least);
        return false;
    }
    return true;
}

unsigned
fo_driver_check(fo_driver_ref ref, fo_each_problem each, void *arg)
{
    checking c = { .each = each, .arg = arg };
    const finops_driver *driver = ref.head;

    assert(driver);

    if (!check_abi(&c, driver, &fo_kinds[ref.kind]))
        return c.problems;
    if (!driver->name)
        problem(&c, "it has no name");
    else if (!fo_driver_name_valid(driver->name))
        problem(&c, "its name %.64s is not of lower-case letters, digits and '_', a letter first, %d at most",
                driver->name, FO_DRIVER_NAME_MAX);
    if (!driver->version || !driver->version[0])
        problem(&c, "it has no version");
    if (!driver->summary || !driver->summary[0])
        problem(&c, "it has no summary");
    if (ref.kind == FINOPS_KIND_DATABASE)
        check_database(&c, (const finops_database_driver *)driver);
    else
        check_storage(&c, (const finops_storage_driver *)driver);
    check_options(&c, driver->options, driver->config_size);
    return c.problems;
}
