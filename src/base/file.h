/* Local files: small whole reads, atomic whole writes, folders. */
#ifndef FO_BASE_FILE_H
#define FO_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

/* Reads a regular file of at most max bytes into *ret (appended). FINOPS_E_DATA when it is larger,
 * FINOPS_E_UNSUPPORTED when it is a folder, pipe or device. */
finops_code fo_file_read(const char *path, size_t max, fo_str *ret, finops_error **err);
/* Temporary file beside it, fsync, rename, fsync of the folder: the target is old or new. mode & ~umask, e.g.
 * 0644. Temporary files of the same target that are older than an hour, of killed processes, are removed. */
finops_code fo_file_write_atomic(const char *path, const void *p, size_t n, unsigned mode,
                                 finops_error **err);
/*
 * The same piece by piece: a file beside the target, written through `fd` as the caller likes. Nothing is
 * seen under the target's name before the commit; done() removes what was not committed. Without `durable`
 * nothing is synced: after a crash of the machine the target may be old, new or empty.
 */
typedef struct fo_file_new {
    int fd;
    char *path, *temporary;
} fo_file_new;
#define FO_FILE_NEW_INIT ((fo_file_new){ .fd = -1 })
finops_code fo_file_new_begin(fo_file_new *new, const char *path, unsigned mode, finops_error **err);
finops_code fo_file_new_commit(fo_file_new *new, bool durable, finops_error **err);
void fo_file_new_done(fo_file_new *new);

/* mkdir -p of a folder (0777 & ~umask for each new one). */
finops_code fo_mkdirs(const char *path, finops_error **err);
/* mkdir -p of the folder a path lies in. */
finops_code fo_mkdirs_for(const char *path, finops_error **err);
/* Absolute, without "." and "..", links unresolved; the path need not exist. NULL: no memory. */
char *fo_path_absolute(const char *path);
char *fo_path_join(const char *a, const char *b); /* one '/' between; b alone when a is ""; NULL: no memory */
const char *fo_path_base(const char *path);       /* after the last '/' */
/* Leads to something below the folder it begins in: no empty part, "." or ".." is in it. What came from
 * elsewhere must be so. */
bool fo_path_is_below(const char *path);
/* Where a folder that ships with the program is, appended: `name` beside the program when it is there (a
 * build folder), else ../lib/finops/`name` from there (an installation), which need not exist. */
finops_code fo_program_place(const char *name, fo_str *ret, finops_error **err);
/* Files below root (regular files, links to files followed, no link to a folder followed), each
 * "sub/dir/name" relative to root, sorted by bytes; they replace what *ret held. FINOPS_E_NOT_FOUND when root
 * is no folder. */
finops_code fo_walk(const char *root, fo_strv *ret, finops_error **err);

#endif
