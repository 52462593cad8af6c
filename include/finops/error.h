/*
 * Errors: what every function of finops returns and what it says when it fails.
 *
 * A function that can fail returns a finops_code and takes a `finops_error **err` as its last parameter.
 * `err` may be NULL; where it is not, *err must be NULL on entry and is set on failure to an error the caller
 * frees with finops_error_free(). Outputs are untouched on failure.
 */
#ifndef FINOPS_ERROR_H
#define FINOPS_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef FINOPS_API
#define FINOPS_API __attribute__((visibility("default")))
#endif

typedef enum finops_code {
    FINOPS_OK = 0,
    FINOPS_E_ARGUMENT,     /* a caller's mistake: NULL, out of range, wrong state */
    FINOPS_E_USAGE,        /* a command line that cannot be understood */
    FINOPS_E_CONFIG,       /* a configuration that cannot be used */
    FINOPS_E_MEMORY,       /* no memory */
    FINOPS_E_IO,           /* the operating system refused a read, write or other file operation */
    FINOPS_E_NOT_FOUND,    /* file, object, table or export does not exist */
    FINOPS_E_EXISTS,       /* exists and must not */
    FINOPS_E_DENIED,       /* not permitted */
    FINOPS_E_AUTH,         /* credentials missing, wrong or expired */
    FINOPS_E_THROTTLED,    /* the service asks to slow down */
    FINOPS_E_TRANSIENT,    /* a remote failure that a retry may mend */
    FINOPS_E_TIMEOUT,      /* a deadline passed */
    FINOPS_E_CANCELLED,    /* the user stopped it */
    FINOPS_E_BUSY,         /* another process holds it */
    FINOPS_E_CORRUPT,      /* stored bytes are not what they should be: truncated, bad checksum */
    FINOPS_E_DATA,         /* input that breaks its format's rules */
    FINOPS_E_UNSUPPORTED,  /* not supported by this backend, format or build */
    FINOPS_E_DATABASE,     /* the database refused a statement */
    FINOPS_E_PARTIAL,      /* part of the work was done, the rest failed and said why */
    FINOPS_E_DRIFT,        /* numbers that must agree do not */
    FINOPS_E_INTERNAL,     /* our own mistake */
    FINOPS_E_PRECONDITION, /* it is not the version that was asked for */
    FINOPS_E_UNCHANGED,    /* it is still the version the caller has */
    FINOPS_E_RANGE,        /* the range asked for lies outside */
    FINOPS_E_BREAKER_OPEN, /* left alone for a while after it failed too often */
    FINOPS_E_COUNT_        /* number of codes; not a code */
} finops_code;

typedef struct finops_error finops_error;

/* The code's stable name, e.g. "not_found". Never NULL; "unknown" for a value that is no code. */
FINOPS_API const char *finops_code_name(finops_code code);

/* The exit status a command ends with: 0 done, 1 failed, 2 usage or configuration, 3 partly done. */
FINOPS_API int finops_code_exit_status(finops_code code);

/* The HTTP status a server answers with. */
FINOPS_API int finops_code_http_status(finops_code code);

/* Whether the same call may succeed when tried again. */
FINOPS_API bool finops_code_retryable(finops_code code);

/* The code of an error; FINOPS_OK for NULL. */
FINOPS_API finops_code finops_error_code(const finops_error *err);

/* The whole message with its causes, e.g. "read manifest a.json: file does not exist". Borrowed; "" for NULL.
 */
FINOPS_API const char *finops_error_text(const finops_error *err);

/* What to do next, or NULL. Borrowed. */
FINOPS_API const char *finops_error_hint(const finops_error *err);

/*
 * When the same call may be made again, microseconds from when it failed: what the service said
 * (Retry-After), 0 when nothing had been sent yet, -1 when nobody knows.
 */
FINOPS_API int64_t finops_error_retry_after(const finops_error *err);

/* Frees the error. NULL is fine. */
FINOPS_API void finops_error_free(finops_error *err);

#ifdef __cplusplus
}
#endif
#endif
