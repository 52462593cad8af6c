/*
 * Bill files through the engine's file systems: local paths and s3:// addresses alike.
 *
 * A fo_files belongs to one engine and has a connection of its own, so that worker threads can read while
 * statements run. Every function may be called from any thread.
 */
#ifndef FO_ENGINE_FILES_H
#define FO_ENGINE_FILES_H

#include "config/settings.h"
#include "engine/engine.h"

typedef struct fo_files fo_files;
typedef struct fo_file fo_file;

/*
 * For s3:// addresses `aws` and `network` give endpoint, region, keys, proxy and CA; both may be NULL for
 * local files, and must outlive *ret. Without keys the profile or the usual places of credentials are looked
 * at; FINOPS_E_AUTH when there are none.
 */
finops_code fo_files_open(fo_engine *engine, const fo_aws_settings *aws, const fo_network_settings *network,
                          fo_files **ret, finops_error **err);
void fo_files_close(fo_files *files);
void fo_files_closep(fo_files **files);

/*
 * Lets statements on any connection of the engine read the address, until the fo_files closes. Listing a
 * bucket or opening a file of it does so too.
 */
finops_code fo_files_allow(fo_files *files, const char *address, finops_error **err);

/*
 * Every file below root ("/abs/folder" or "s3://bucket/prefix"), full addresses sorted by bytes, that ends
 * with suffix. A folder that does not exist is FINOPS_E_NOT_FOUND; in S3, which has none, it has no files.
 */
finops_code fo_files_list(fo_files *files, const char *root, const char *suffix, fo_strv *ret,
                          finops_error **err);
/* Whole file of at most max bytes. */
finops_code fo_files_read(fo_files *files, const char *address, size_t max, fo_str *ret, finops_error **err);

finops_code fo_file_open(fo_files *files, const char *address, fo_file **ret, finops_error **err);
int64_t fo_file_size(const fo_file *file);
/*
 * Up to n bytes at the current position; *ret_n is 0 at the end only. A file that grew or shrank since it was
 * opened is an error.
 */
finops_code fo_file_next(fo_file *file, void *buf, size_t n, size_t *ret_n, finops_error **err);
void fo_file_close(fo_file *file);
void fo_file_closep(fo_file **file);

#endif
