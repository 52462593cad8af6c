/*
 * What a storage of files remembers of its folders: which were seen a moment ago, and which it made itself,
 * so that they can go again when they are empty. Any thread. Nothing here is needed: what is forgotten is
 * looked at again, and an empty folder stays.
 */
#ifndef FO_STORAGE_FOLDERS_H
#define FO_STORAGE_FOLDERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#define FO_FOLDERS_SLOTS 1024

typedef struct fo_folder fo_folder;
typedef struct fo_folders {
    pthread_mutex_t lock;
    fo_folder *slots[FO_FOLDERS_SLOTS];
    unsigned n;
} fo_folders;

void fo_folders_init(fo_folders *folders);
void fo_folders_done(fo_folders *folders);
/* Folders are paths of n bytes, "a/b" for the key "a/b/c". */
bool fo_folders_known(fo_folders *folders, const char *path, size_t n);
/* It is there now, and perhaps made by us. */
void fo_folders_note(fo_folders *folders, const char *path, size_t n, bool made);
/* Those a key lies in may not be there any more. */
void fo_folders_forget(fo_folders *folders, const char *key);
/* Whether it was made by us; from now on it was not. */
bool fo_folders_take_made(fo_folders *folders, const char *path);

#endif
