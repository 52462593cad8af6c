/* The driver's table. */
#include "database/postgresql/driver.h"

#include <assert.h>

#include "config/settings.h"
#include "database/postgresql/postgresql_internal.h"

static void
pg_capabilities(void *self, finops_capabilities *ret)
{
    (void)self;
    assert(ret);
    *ret = (finops_capabilities){
        .features = FINOPS_DATABASE_TRANSACTIONS | FINOPS_DATABASE_DDL_IN_TRANSACTION |
                    FINOPS_DATABASE_CONCURRENT_WRITERS | FINOPS_DATABASE_SCHEMAS |
                    FINOPS_DATABASE_VIEWS_PIN_TABLES | FINOPS_DATABASE_EXACT_DECIMALS | FINOPS_DATABASE_SERVER,
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
    .open = pg_open,
    .close = pg_close,
    .capabilities = pg_capabilities,
    .connect = pg_connect,
    .disconnect = pg_disconnect,
    .execute = pg_execute,
    .write = pg_write,
    .columns = pg_columns,
    .tables = pg_tables,
    .begin = pg_begin,
    .commit = pg_commit,
    .rollback = pg_rollback,
    .is_alive = pg_is_alive,
    .cancel = pg_cancel,
    .replace_partition = pg_replace_partition,
    .health = pg_health,
    .lock = pg_lock,
    .unlock = pg_unlock,
};
