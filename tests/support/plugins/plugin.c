/*
 * Plugins for the tests of the registry, all from this file: which one is said by the macros PLUGIN_NAME and
 * one of those asked for below. As an outsider's it includes the public headers alone.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "finops/sys/plugin.h"

#ifndef PLUGIN_VERSION
#define PLUGIN_VERSION "1.0"
#endif
#ifndef PLUGIN_KEEP
#define PLUGIN_KEEP false
#endif
#ifndef PLUGIN_DRIVER
#define PLUGIN_DRIVER PLUGIN_NAME
#endif

typedef struct config {
    char *path;
    int64_t depth;
} config;

static const finops_option options[] = {
    { "path", FINOPS_OPT_STRING, offsetof(config, path), .help = "Where." },
#ifdef BAD_OPTIONS
    { "depth", FINOPS_OPT_INT, offsetof(config, depth), .value = "deep", .help = "How deep." },
#elif defined(CRASH_DESCRIBE)
    { (const char *)8, FINOPS_OPT_INT, offsetof(config, depth), .help = "How deep." },
#else
    { "depth", FINOPS_OPT_INT, offsetof(config, depth), .value = "3", .help = "How deep." },
#endif
    { 0 },
};

#ifdef STALLS
static char stalling; /* a database and its connections: all that can be done with them is to wait */
#endif

static finops_code
p_open(const void *given, void **ret_self, finops_error **err)
{
    const config *c = given;

#ifdef STALLS
    *ret_self = &stalling;
    return FINOPS_OK;
#endif
    (void)ret_self;
    finops_error_new(err, FINOPS_E_UNSUPPORTED, "open %s: version %s stores nothing",
                     c && c->path ? c->path : "", PLUGIN_VERSION);
    finops_error_advise(err ? *err : NULL, "use another one");
    return FINOPS_E_UNSUPPORTED;
}

static void
p_close(void *self)
{
    (void)self;
}

static void
p_capabilities(void *self, finops_capabilities *ret)
{
    (void)self;
    memset(ret, 0, sizeof(*ret));
}

static finops_code
p_connect(void *self, unsigned flags, const finops_call *call, void **ret_conn, finops_error **err)
{
    (void)self, (void)flags, (void)call, (void)ret_conn;
#ifdef STALLS
    *ret_conn = &stalling;
    return FINOPS_OK;
#endif
    return finops_error_new(err, FINOPS_E_TRANSIENT, "nobody is there");
}

static finops_code
p_execute(void *conn, const finops_statement *statement, struct ArrowArrayStream *ret_stream,
          int64_t *ret_changed, finops_error **err)
{
    (void)conn, (void)statement, (void)ret_stream, (void)ret_changed;
#ifdef STALLS
    while (strcmp(statement->sql, "SELECT 1") != 0)
        (void)pause();
    return FINOPS_OK;
#endif
    return finops_error_new(err, finops_stream_code(finops_stream_errno(FINOPS_E_DATABASE)), "no");
}

static finops_code
p_write(void *conn, const finops_write *write, const finops_source *source, finops_write_result *ret,
        finops_error **err)
{
    (void)conn, (void)write, (void)source, (void)ret;
    return finops_error_new(err, FINOPS_E_DATABASE, "no");
}

static finops_code
p_columns(void *conn, const char *schema, const char *table, finops_each_column each, void *arg,
          finops_error **err)
{
    (void)conn, (void)schema, (void)table, (void)each, (void)arg, (void)err;
    return FINOPS_OK;
}

static finops_code
p_tables(void *conn, const char *schema, finops_each_name each, void *arg, finops_error **err)
{
    (void)conn, (void)schema, (void)each, (void)arg, (void)err;
    return FINOPS_OK;
}

static const finops_database_driver driver = {
#ifdef WRONG_DRIVER_ABI
    .abi = 0x00090003u,
#else
    .abi = FINOPS_DATABASE_ABI,
#endif
    .size = sizeof(finops_database_driver),
    .name = PLUGIN_DRIVER,
    .version = PLUGIN_VERSION,
    .summary = "A plugin of the tests.",
    .options = options,
    .config_size = sizeof(config),
    .open = p_open,
    .close = p_close,
    .capabilities = p_capabilities,
    .connect = p_connect,
    .disconnect = p_close,
    .execute = p_execute,
#ifndef INCOMPLETE
    .write = p_write,
#endif
    .columns = p_columns,
    .tables = p_tables,
};

static const finops_database_driver *const drivers[] = { &driver, NULL };

static const finops_plugin_info info = {
#ifdef WRONG_ABI
    .abi = 0x00020001u,
#else
    .abi = FINOPS_PLUGIN_ABI,
#endif
    .size = sizeof(finops_plugin_info),
    .name = PLUGIN_NAME,
    .version = PLUGIN_VERSION,
    .databases = drivers,
    .keep = PLUGIN_KEEP,
};

#if defined(CRASH_LOAD) || defined(CRASH_UNLOAD)
static void
crash(void)
{
    (void)raise(SIGSEGV);
}
#endif

#ifdef CRASH_LOAD
__attribute__((constructor)) static void
at_load(void)
{
    crash();
}
#endif

#ifdef CRASH_UNLOAD
__attribute__((destructor)) static void
at_unload(void)
{
    crash();
}
#endif

#ifdef UNRESOLVED
extern int nobody_defines_this(void);
#endif

#ifdef NEEDS_NEIGHBOUR
extern int neighbour(void);
#endif

#ifndef MISSING_SYMBOL
FINOPS_PLUGIN_EXPORT const finops_plugin_info *finops_plugin(uint32_t host_abi);

const finops_plugin_info *
finops_plugin(uint32_t host_abi)
{
    (void)host_abi;
#ifdef CRASH_CALL
    abort();
#endif
#ifdef EXITS
    exit(3);
#endif
#ifdef UNRESOLVED
    (void)nobody_defines_this();
#endif
#ifdef NEEDS_NEIGHBOUR
    if (neighbour() != 7)
        return NULL;
#endif
#ifdef HANGS
    for (;;)
        (void)pause();
#endif
#ifdef REFUSES
    return NULL;
#else
    return &info;
#endif
}
#endif
