/*
 * Keys where objects are files: paths of them, the same rules for every such driver. And the names of files
 * on their way in, which lie beside their target and which no listing shows.
 */
#ifndef FO_STORAGE_FILE_KEY_H
#define FO_STORAGE_FILE_KEY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

#define FO_FILE_HIDDEN ".finops~" /* begins the names that are ours */
#define FO_FILE_NAME_MAX 255      /* bytes of a name */
#define FO_FILE_TEMPORARY (FO_FILE_NAME_MAX + 1)

/* FINOPS_E_ARGUMENT: an empty part, "." or "..", a hidden name, or longer than a name can be. */
finops_code fo_file_key_check(const char *key, finops_error **err);

static inline bool
fo_file_is_hidden(const char *name)
{
    return fo_starts(name, FO_FILE_HIDDEN);
}

/* A new name for a file that is to become `target`, a key's last part. */
void fo_file_temporary(const char *target, char name[FO_FILE_TEMPORARY]);
/* Whether a name is one of these, when it was begun, and what of the target's name is in it. */
bool fo_file_temporary_parse(const char *name, int64_t *ret_begun_us, const char **ret_target);

#endif
