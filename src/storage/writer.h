/* The writer of stages that take whole objects and parts; see writer.c. */
#ifndef FO_STORAGE_WRITER_H
#define FO_STORAGE_WRITER_H

#include "storage/stage.h"

#define FO_PART_SIZE ((uint64_t)8 << 20)
#define FO_SINGLE_MAX ((uint64_t)16 << 20)
#define FO_PARALLEL 4u
#define FO_PARALLEL_MAX 64u
#define FO_PARTS_TARGET 0.95 /* of the parts a service takes: a file may grow while it is read */

/* What a transfer is with its defaults; from may be NULL. */
finops_transfer fo_transfer_whole(const finops_transfer *from);

/*
 * The whole of finops_storage_download_file() but the file, which is open; what it held is gone. `label` is
 * for messages, transfer may be NULL.
 */
finops_code fo_storage_download_fd(finops_storage *storage, const finops_get *get, int fd, const char *label,
                                   const finops_transfer *transfer, finops_object *ret, finops_error **err);

/*
 * Size of part `number` (from 1) of an object of `size` bytes (negative: unknown), so that the parts a
 * service takes suffice. A multiple of its part_unit.
 */
uint64_t fo_part_size(const finops_transfer *transfer, const finops_upload *upload, int64_t size,
                      unsigned number);

/*
 * Room for the next bytes of a writer that fo_stage_write() gave, to be filled without a copy, and what was
 * filled. False: this writer has none (a layer's), write() is the way.
 */
bool fo_writer_space(finops_writer *writer, void **ret, size_t *ret_n, finops_code *ret_rc,
                     finops_error **err);
void fo_writer_advance(finops_writer *writer, size_t n);

#endif
