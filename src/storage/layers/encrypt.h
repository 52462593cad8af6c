/* What the layer is told; see encrypt.c. */
#ifndef FO_STORAGE_ENCRYPT_LAYER_H
#define FO_STORAGE_ENCRYPT_LAYER_H

#include "storage/layers/layer.h"

typedef struct fo_encrypt_config {
    char *key;      /* "name:key"; seals what is written */
    char *key_file; /* a line each; the first seals when there is no `key` */
} fo_encrypt_config;

#endif
