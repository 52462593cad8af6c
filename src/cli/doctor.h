/* What the checks of `finops doctor` share. One file a subject: doctor_program.c, doctor_database.c,
 * doctor_source.c. */
#ifndef FO_CLI_DOCTOR_H
#define FO_CLI_DOCTOR_H

#include "cli/cli.h"

typedef enum fo_health { FO_HEALTH_OK, FO_HEALTH_WARNING, FO_HEALTH_FAILED } fo_health;

typedef struct fo_doctor {
    fo_cli *cli;
    fo_table *table; /* check, status, detail, advice */
    unsigned failed, warnings;
    bool out_of_memory;
} fo_doctor;

/* One line of the result; `advice` is NULL when there is nothing to do. */
void fo_doctor_say(fo_doctor *d, const char *check, fo_health health, const char *advice, const char *fmt,
                   ...) FO_PRINTF(5, 6);
/* A failure in the words of an error, with its hint as the advice, or `advice` when it has none. */
void fo_doctor_say_error(fo_doctor *d, const char *check, fo_health health, const finops_error *why,
                         const char *advice);

/* Engine, extensions, configuration file. */
void fo_doctor_program(fo_doctor *d);
/* Of every database bills go to: the file, who holds it, state tables, temporary space; of another backend
 * whether it answers, and its state. */
void fo_doctor_database(fo_doctor *d);
/* Whether the server of the configured backend answers. */
bool fo_doctor_server(fo_doctor *d);
/* Proxy, own CA, credentials and reach of every source. */
void fo_doctor_sources(fo_doctor *d);

#endif
