/* Arrow streams into the engine: rows that came from elsewhere, as a relation or as a Parquet file. */
#ifndef FO_ENGINE_SCAN_H
#define FO_ENGINE_SCAN_H

#include "base/cancel.h"
#include "engine/engine.h"

/*
 * Makes the stream a view `name` of the connection's database, for one statement to read once; it takes the
 * rows as they come, in bounded memory. *stream is wrapped, stays where it is and is the caller's, who
 * releases it after that statement, also on failure. The view stays in the database: use one in memory.
 */
finops_code fo_engine_scan_stream(fo_conn *conn, const char *name, struct ArrowArrayStream *stream,
                                  finops_error **err);
/*
 * After that statement gave rc: the stream's own code and error, when it was the stream that failed; else rc.
 */
finops_code fo_engine_scan_error(struct ArrowArrayStream *stream, finops_code rc, finops_error **err);

/*
 * The same for the rows of a statement on a database in a file, also in the middle of a transaction: the view
 * is in a database of its own, in memory, which goes with the scan. The stream is taken, also on failure. Any
 * number at a time.
 */
typedef struct fo_scan fo_scan;
finops_code fo_scan_open(fo_engine *engine, struct ArrowArrayStream *stream, fo_scan **ret,
                         finops_error **err);
/* What to write after FROM; to be read once. Borrowed. */
const char *fo_scan_relation(const fo_scan *scan);
/* As fo_engine_scan_error. */
finops_code fo_scan_error(fo_scan *scan, finops_code rc, finops_error **err);
void fo_scan_close(fo_scan *scan);
void fo_scan_closep(fo_scan **scan);

/*
 * Writes the stream as a Parquet file (zstd), a temporary file beside the target that takes its name when it
 * is complete. Consumes the stream (releases it). An error of the stream is handed on with its code. `cancel`
 * may be NULL.
 */
finops_code fo_engine_write_parquet(struct ArrowArrayStream *stream, const char *path,
                                    const fo_cancel *cancel, finops_error **err);

#endif
