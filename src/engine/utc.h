/* Times of a stream as instants. */
#ifndef FO_ENGINE_UTC_H
#define FO_ENGINE_UTC_H

#include "base/error.h"
#include "finops/arrow.h"

/*
 * The engine's timestamps without a zone are UTC throughout finops. This marks the stream's timestamp columns
 * so
 * ("tsu:" becomes "tsu:UTC"), for databases that tell instants from wall clocks. *stream is wrapped where it
 * stands; on failure it is released.
 */
finops_code fo_stream_utc(struct ArrowArrayStream *stream, finops_error **err);

#endif
