/* What the files of the compression layer share. */
#ifndef FO_STORAGE_COMPRESS_INTERNAL_H
#define FO_STORAGE_COMPRESS_INTERNAL_H

#include <pthread.h>

#include "storage/layers/compress.h"
#include "storage/layers/frames.h"

#define FO_TABLES_KEPT 64

/* Metadata of a compressed object, where the storage keeps any. Never seen above this layer. */
#define FO_CODEC_NAME "finops-codec"
#define FO_CODEC_SIZE "finops-size"

/* What is known of an object, so that the next range of it is one request. */
typedef struct fo_kept_table {
    char *key, *version;
    fo_codec codec; /* NONE: it is not compressed */
    int64_t plain, stored;
    fo_frames frames;
} fo_kept_table;

typedef struct fo_compress_self {
    fo_pass pass;
    fo_codec codec;
    int level;
    size_t min_size;
    uint64_t limit;
    pthread_mutex_t lock; /* of what follows */
    fo_kept_table kept[FO_TABLES_KEPT];
} fo_compress_self;

/* Never compressed, whatever is in it, so that nobody has to look: "x.parquet". */
bool fo_compress_passes(const char *key);
/* The layer's own metadata is taken out; the checksum is of the stored bytes. */
void fo_compress_show(finops_object *object, int64_t size);

finops_code fo_compress_read(void *self, const finops_get *get, finops_reader **ret, finops_error **err);
/* The size of an object, by its table: one or two requests. */
finops_code fo_compress_size(fo_compress_self *self, const finops_get *get, int64_t *ret, finops_error **err);
finops_code fo_compress_put(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
                            finops_error **err);
finops_code fo_compress_write(void *self, const finops_put *put, finops_writer **ret, finops_error **err);

#endif
