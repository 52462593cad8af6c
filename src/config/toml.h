/* The border to the C++ TOML parser: plain C in, plain C out, no exception crosses. */
#ifndef FO_CONFIG_TOML_H
#define FO_CONFIG_TOML_H

#include "config/tree.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum fo_toml_result { FO_TOML_OK, FO_TOML_SYNTAX, FO_TOML_MEMORY } fo_toml_result;

typedef struct fo_toml_problem {
    unsigned line;
    char message[256]; /* never a line of the file: it may hold a secret */
} fo_toml_problem;

/* On FO_TOML_OK *ret_root is a map the caller owns, on FO_TOML_SYNTAX *ret_problem is filled. */
fo_toml_result fo_toml_read(const char *text, size_t n, fo_node **ret_root, fo_toml_problem *ret_problem);

#ifdef __cplusplus
}
#endif
#endif
