/* Paths, the part only base needs. */
#ifndef FO_BASE_PATH_INTERNAL_H
#define FO_BASE_PATH_INTERNAL_H

/* The folder a path lies in: "." for a bare name, "/" for "/x". NULL: no memory. */
char *fo_path_folder(const char *path);

#endif
