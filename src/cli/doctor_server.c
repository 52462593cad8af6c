/* finops doctor: a database that is not the embedded one. Nothing is created and nothing changed. */
#include "base/mem.h"
#include "cli/doctor.h"
#include "database/database.h"
#include "database/session.h"

/* What the server says of itself. False when it is not there. */
static bool
check_health(fo_doctor *d, finops_database *door)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    const char *backend = finops_database_backend(door);
    FO_AUTO(fo_freep)
    char *advice =
        fo_format("check [database.%s]; 'finops backends describe %s' tells its options", backend, backend);
    finops_health health;

    if (finops_database_health(door, NULL, &health, &err) != FINOPS_OK) {
        fo_doctor_say_error(d, "database", FO_HEALTH_FAILED, err, "see 'finops help backends health'");
        return false;
    }
    if (health.state == FINOPS_HEALTH_DOWN)
        fo_doctor_say(d, "database", FO_HEALTH_FAILED, advice, "%s: %s", backend, health.detail);
    else if (health.state == FINOPS_HEALTH_DEGRADED)
        fo_doctor_say(d, "database", FO_HEALTH_WARNING, NULL, "%s, %.1f ms: %s", health.version,
                      health.latency_ms, health.detail);
    else
        fo_doctor_say(d, "database", FO_HEALTH_OK, NULL, "%s answers in %.1f ms", health.version,
                      health.latency_ms);
    return health.state != FINOPS_HEALTH_DOWN;
}

bool
fo_doctor_server(fo_doctor *d)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    finops_registry *registry = NULL;
    finops_database *door = NULL;
    bool up = false;

    if (fo_database_door(d->cli->settings, &registry, &door, &err) == FINOPS_OK)
        up = check_health(d, door);
    else
        fo_doctor_say_error(d, "database", FO_HEALTH_FAILED, err,
                            "'finops backends list' shows what there is");
    finops_database_close(door);
    finops_registry_free(registry);
    return up;
}
