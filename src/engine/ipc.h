/*
 * Arrow IPC streams over a file descriptor (nanoarrow underneath): what `--format arrow` writes and what the
 * socket speaks.
 */
#ifndef FO_ENGINE_IPC_H
#define FO_ENGINE_IPC_H

#include "base/error.h"
#include "finops/arrow.h"

/*
 * Writes the whole stream to fd, batch by batch, with its end mark. Consumes the stream (releases it).
 * Columns that are dictionaries (ENUM) are written as text; one inside a list, map or struct is
 * FINOPS_E_UNSUPPORTED. A reader that went away is FINOPS_E_IO: sockets raise no signal, for pipes the caller
 * ignores SIGPIPE, or wants it.
 */
finops_code fo_ipc_write(int fd, struct ArrowArrayStream *stream, finops_error **err);
/*
 * A stream that reads IPC from fd, which it owns from here on, also on failure, and closes on release. Its
 * get_next fails when the bytes end before the end mark.
 */
finops_code fo_ipc_read(int fd, struct ArrowArrayStream *ret, finops_error **err);

/*
 * The same for a descriptor that does not block: `wait` is called when there is nothing to read and gives 0
 * when there is, else the errno the stream is to end with. `arg` must outlive the stream.
 */
typedef int (*fo_ipc_wait)(void *arg, int fd);
finops_code fo_ipc_read_waiting(int fd, fo_ipc_wait wait, void *arg, struct ArrowArrayStream *ret,
                                finops_error **err);

#endif
