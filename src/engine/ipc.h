/* Arrow IPC streams over a file descriptor (nanoarrow underneath): what `--format arrow` writes and what the socket speaks. */
#ifndef FO_ENGINE_IPC_H
#define FO_ENGINE_IPC_H

#include "base/error.h"
#include "finops/arrow.h"

/* Writes the whole stream to fd, batch by batch. Consumes the stream (releases it). */
finops_code fo_ipc_write(int fd, struct ArrowArrayStream *stream, finops_error **err);
/* A stream that reads IPC from fd, which it owns from here on and closes on release. */
finops_code fo_ipc_read(int fd, struct ArrowArrayStream *ret, finops_error **err);

#endif
