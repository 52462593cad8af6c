/*
 * Storage: the front door to every place a file can live.
 *
 * A finops_storage is a bucket and a prefix in it, behind its layers. It is cheap to open, touches the
 * network when first used, and may be used from any number of threads at once. Keys are relative to the
 * prefix. What a backend lacks is FINOPS_E_UNSUPPORTED ("presign is not supported by local"), told before
 * anything is sent.
 *
 * Every `call` may be NULL, and ends with FINOPS_E_TIMEOUT or FINOPS_E_CANCELLED leaving nothing half done.
 */
#ifndef FINOPS_STORAGE_H
#define FINOPS_STORAGE_H

#include "finops/registry.h"
#include "finops/sys/storage_driver.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct finops_storage finops_storage;

/*
 * Opens a place by its address: "s3://bucket/prefix", "file:///folder", "az://container/prefix", or a
 * folder's path. settings are options of the driver ("region") and of the layers ("retry.attempts",
 * "cache.folder"); they are checked against the option tables first. The registry must outlive the storage.
 */
FINOPS_API finops_code finops_storage_open(finops_registry *registry, const char *address,
                                           const finops_setting *settings, size_t n_settings,
                                           finops_storage **ret, finops_error **err);
/* Readers and writers are closed before. NULL is fine. */
FINOPS_API void finops_storage_close(finops_storage *storage);
/* "s3". Borrowed. */
FINOPS_API const char *finops_storage_get_backend_type(const finops_storage *storage);
/* "s3://bucket/prefix", without secrets. Borrowed. */
FINOPS_API const char *finops_storage_address(const finops_storage *storage);
/* FINOPS_STORAGE_* of the whole stack. */
FINOPS_API uint64_t finops_storage_features(const finops_storage *storage);

/* How a file is moved. Zero stands for the default. */
typedef struct finops_transfer {
    uint64_t part_size;  /* at least so many bytes; grows with the object so that the parts suffice; 8 MiB */
    uint64_t single_max; /* up to here in one request; 16 MiB */
    unsigned parallel;   /* parts at once; 4 */
    bool durable;        /* a file that was written outlives a crash of the machine */
    int64_t size;        /* of the object that is downloaded, as a listing told it; 0: not known */
} finops_transfer;

/*
 * A local file to an object, in parts when it is large. put->size is taken from the file. *ret (may be NULL)
 * owns its texts. The file may not change meanwhile: FINOPS_E_DATA when it did.
 */
FINOPS_API finops_code finops_storage_upload_file(finops_storage *storage, const char *file,
                                                  const finops_put *put, const finops_transfer *transfer,
                                                  finops_object *ret, finops_error **err);
/*
 * An object to a local file, of which nothing is seen before it is complete and its checksum, where there is
 * one, is right. Ranges are read in parallel, all of the version seen first.
 */
FINOPS_API finops_code finops_storage_download_file(finops_storage *storage, const finops_get *get,
                                                    const char *file, const finops_transfer *transfer,
                                                    finops_object *ret, finops_error **err);
/* Objects by key, in order of their bytes. */
FINOPS_API finops_code finops_storage_list_files(finops_storage *storage, const finops_list *list,
                                                 finops_each_object each, void *arg, finops_error **err);
/* What is not there is gone. */
FINOPS_API finops_code finops_storage_delete_file(finops_storage *storage, const finops_remove *remove,
                                                  finops_error **err);
/* Any number of keys; FINOPS_E_PARTIAL when some are left, each told to `each` (may be NULL). */
FINOPS_API finops_code finops_storage_delete_many(finops_storage *storage, const char *const *keys, size_t n,
                                                  const finops_call *call, finops_each_removed each,
                                                  void *arg, finops_error **err);
/* Everything whose key begins with the prefix, which may not be empty. *ret_n (may be NULL): how many. */
FINOPS_API finops_code finops_storage_delete_prefix(finops_storage *storage, const char *prefix,
                                                    const finops_call *call, uint64_t *ret_n,
                                                    finops_error **err);

/* *ret owns its texts. */
FINOPS_API finops_code finops_storage_stat(finops_storage *storage, const char *key, const finops_call *call,
                                           finops_object *ret, finops_error **err);
/* The reader resumes where a connection broke off, never with another version's bytes. */
FINOPS_API finops_code finops_storage_read(finops_storage *storage, const finops_get *get,
                                           finops_reader **ret, finops_error **err);
/* The whole of a small object, with a NUL after it: free() *ret_data. FINOPS_E_DATA when it is larger than
 * `max`. *ret (may be NULL) owns its texts. */
FINOPS_API finops_code finops_storage_read_all(finops_storage *storage, const finops_get *get, size_t max,
                                               char **ret_data, size_t *ret_n, finops_object *ret,
                                               finops_error **err);
/* A whole object from memory. */
FINOPS_API finops_code finops_storage_put(finops_storage *storage, const finops_put *put, const void *data,
                                          size_t n, finops_object *ret, finops_error **err);
/* An object piece by piece, of unknown length perhaps. Memory: (parallel + 1) parts. */
FINOPS_API finops_code finops_storage_write(finops_storage *storage, const finops_put *put,
                                            const finops_transfer *transfer, finops_writer **ret,
                                            finops_error **err);
/* An upload whose parts the caller makes and numbers. */
FINOPS_API finops_code finops_storage_upload(finops_storage *storage, const finops_put *put,
                                             finops_upload **ret, finops_error **err);

/* By the service, without the bytes coming here; finops_storage_copy_to() is for where it cannot. Onto itself
 * is FINOPS_E_ARGUMENT. */
FINOPS_API finops_code finops_storage_copy(finops_storage *storage, const finops_copy *copy,
                                           finops_object *ret, finops_error **err);
/* Atomic where the backend can; else copied, verified and then removed, so that a failure leaves the source.
 */
FINOPS_API finops_code finops_storage_move(finops_storage *storage, const finops_copy *move,
                                           finops_error **err);
/* From one storage to another, through here; content type and metadata go along. */
FINOPS_API finops_code finops_storage_copy_to(finops_storage *from, const char *from_key, finops_storage *to,
                                              const finops_put *put, const finops_transfer *transfer,
                                              finops_object *ret, finops_error **err);
/* An address that lets its bearer read or write one object for a while. free() *ret_url. */
FINOPS_API finops_code finops_storage_presign(finops_storage *storage, const finops_presign *presign,
                                              char **ret_url, finops_error **err);
/* Unfinished uploads that were begun before: told to `each` (may be NULL), and removed unless it says no. */
FINOPS_API finops_code finops_storage_sweep(finops_storage *storage, const char *prefix,
                                            int64_t begun_before_us, const finops_call *call,
                                            finops_each_object each, void *arg, finops_error **err);

/*
 * The helper of old programs: a local file into a bucket, with the credentials of the environment.
 * Deprecated: finops_storage_open() and finops_storage_upload_file() do the same for every place.
 */
FINOPS_API finops_code finops_upload_to_s3(const char *file, const char *bucket, const char *key,
                                           finops_error **err) __attribute__((deprecated));

#ifdef __cplusplus
}
#endif
#endif
