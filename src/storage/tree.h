/*
 * Listings where keys are paths of files: folder by folder, names sorted as bytes with a '/' behind those of
 * folders, so that keys come in order. The driver opens folders and tells their names; prefix, children and
 * start_after are kept here, and so is the memory that a folder of very many names may take: then the lowest
 * are held, and it is read again for the rest.
 */
#ifndef FO_STORAGE_TREE_H
#define FO_STORAGE_TREE_H

#include "base/error.h"
#include "finops/sys/storage_driver.h"

#define FO_TREE_NAMES_MAX ((size_t)4 << 20)

typedef struct fo_tree_names fo_tree_names;

typedef struct fo_tree {
    void *arg;        /* of all below */
    size_t note_size; /* bytes the driver keeps with each name */
    size_t names_max; /* bytes of the names of one folder that are held at once */
    /* Opens a folder: `path` is "a/b", or "" for the root, and `parent` the folder it lies in or NULL for the
     * first one, whose path may be no key. *ret stays NULL when it is not there (any more), or a link. */
    finops_code (*enter)(void *arg, void *parent, const char *path, void **ret, finops_error **err);
    void (*leave)(void *arg, void *folder);
    /* Tells all names of it but "." and "..", from the first one each time. */
    finops_code (*names)(void *arg, void *folder, fo_tree_names *to, finops_error **err);
    /* What is to be told of a file; *ret has its key and nothing else. *ret_is stays false for what is no
     * object. The texts live until the next call. */
    finops_code (*look)(void *arg, void *folder, const char *name, const void *note, finops_object *ret,
                        bool *ret_is, finops_error **err);
    /* Whether there is a file anywhere below a folder: one without is no prefix of any key. */
    finops_code (*has_object)(void *arg, void *folder, const char *path, bool *ret, finops_error **err);
} fo_tree;

/* One name; hidden ones and those that are not asked for are left out here. `note` has note_size bytes. */
finops_code fo_tree_name(fo_tree_names *to, const char *name, bool is_folder, const void *note,
                         finops_error **err);

finops_code fo_tree_list(const fo_tree *tree, const finops_list *list, finops_each_object each, void *arg,
                         finops_error **err);

#endif
