/*
 * The keys of maps, gathered while a statement streams by: finops_keys(condition, map, …) gives its condition
 * back and notes the keys of the maps of each row for which it is true. In a WHERE it costs next to nothing
 * where asking for the keys afterwards would read every map again.
 *
 * One gathering at a time on a connection; the noting itself may run on any number of threads.
 */
#ifndef FO_ENGINE_KEYS_H
#define FO_ENGINE_KEYS_H

#include "engine/engine.h"

/* Forgets what was gathered; of each map at most the `max` first keys by bytes will be kept. */
void fo_keys_begin(fo_conn *conn, size_t max);
/* The keys of the i-th map (0 is the one after the condition), sorted by bytes, appended to *ret. */
finops_code fo_keys_of(fo_conn *conn, size_t i, fo_strv *ret, finops_error **err);

#endif
