/*
 * Logging to stderr: one line an event, for people or as JSON. Thread-safe; allocates nothing and keeps
 * errno. The library logs at debug only. Lines over about 8 KB are cut with "...".
 */
#ifndef FO_BASE_LOG_H
#define FO_BASE_LOG_H

#include <stdbool.h>

#include "base/error.h"

typedef enum fo_level { FO_LOG_DEBUG, FO_LOG_INFO, FO_LOG_WARN, FO_LOG_ERROR, FO_LOG_OFF } fo_level;

typedef struct fo_field {
    const char *key;
    const char *value; /* NULL prints as null */
} fo_field;

void fo_log_setup(fo_level level, bool json, bool colour);
bool fo_log_enabled(fo_level level);
/* Parses "debug", "info", "warn", "error", "off". */
bool fo_log_level_parse(const char *s, fo_level *ret);
/* Human: "warning: message key=value". JSON: {"ts":"…Z","level":"warn","message":"…","key":"value"}. */
void fo_log_fields(fo_level level, const fo_field *fields, unsigned n, const char *fmt, ...) FO_PRINTF(4, 5);
void fo_log(fo_level level, const char *fmt, ...) FO_PRINTF(2, 3);
#define fo_debug(...) (fo_log_enabled(FO_LOG_DEBUG) ? fo_log(FO_LOG_DEBUG, __VA_ARGS__) : (void)0)
#define fo_info(...) fo_log(FO_LOG_INFO, __VA_ARGS__)
#define fo_warn(...) fo_log(FO_LOG_WARN, __VA_ARGS__)
/* Logs an error with its causes, and its hint on a line of its own (fields "code" and "hint" in JSON). NULL
 * is fine. */
void fo_log_error(const finops_error *err);

#endif
