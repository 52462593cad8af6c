/* The driver's table. */
#include "database/postgresql/driver.h"

#include <assert.h>

#include "config/settings.h"
#include "database/postgresql/postgresql_internal.h"

static void
fo_pg_capabilities(void *self, finops_capabilities *ret)
{
    (void)self;
    assert(ret);
    *ret = (finops_capabilities){
        .features = FINOPS_DATABASE_TRANSACTIONS | FINOPS_DATABASE_DDL_IN_TRANSACTION |
                    FINOPS_DATABASE_CONCURRENT_WRITERS | FINOPS_DATABASE_SCHEMAS |
                    FINOPS_DATABASE_VIEWS_PIN_TABLES | FINOPS_DATABASE_EXACT_DECIMALS |
                    FINOPS_DATABASE_SERVER,
        .dialect = FINOPS_DIALECT_POSTGRESQL,
        .max_identifier = PG_IDENT_MAX,
        .max_precision = 38,
        .max_parameters = 65535,
        .quote = '"',
    };
}

const finops_database_driver fo_postgresql_driver = {
    .abi = FINOPS_DATABASE_ABI,
    .size = sizeof(finops_database_driver),
    .name = "postgresql",
    .version = FINOPS_VERSION,
    .summary = "A PostgreSQL server of version 12 or later, over libpq; rows go in by binary COPY.",
    .options = fo_postgresql_options,
    .config_size = sizeof(fo_postgresql_settings),
    .open = fo_pg_open,
    .close = fo_pg_close,
    .capabilities = fo_pg_capabilities,
    .connect = fo_pg_connect,
    .disconnect = fo_pg_disconnect,
    .execute = fo_pg_execute,
    .write = fo_pg_write,
    .columns = fo_pg_columns,
    .tables = fo_pg_tables,
    .begin = fo_pg_begin,
    .commit = fo_pg_commit,
    .rollback = fo_pg_rollback,
    .is_alive = fo_pg_is_alive,
    .cancel = fo_pg_cancel,
    .replace_partition = fo_pg_replace_partition,
    .health = fo_pg_health,
    .lock = fo_pg_lock,
    .unlock = fo_pg_unlock,
};
