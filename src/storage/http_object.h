/*
 * What drivers that speak HTTP share: headers on their way out, what the headers of an answer say of an
 * object, and the reader of a range.
 */
#ifndef FO_STORAGE_HTTP_OBJECT_H
#define FO_STORAGE_HTTP_OBJECT_H

#include "base/error.h"
#include "base/str.h"
#include "finops/sys/storage_driver.h"
#include "net/http.h"

#define FO_HEADERS_MAX 64

/* What a status that is none of success means by itself, as the stores have it. */
finops_code fo_http_code_of(int status);

/* Headers on their way out; texts that had to be made are its own. */
typedef struct fo_headers {
    fo_http_header items[FO_HEADERS_MAX];
    size_t n;
    fo_strv texts;
    bool too_many, failed; /* more than there is room for; no memory */
} fo_headers;

void fo_headers_add(fo_headers *h, const char *name, const char *value); /* borrowed; NULL: none */
void fo_headers_addf(fo_headers *h, const char *name, const char *fmt, ...) FO_PRINTF(3, 4);
void fo_headers_take(fo_headers *h, const char *name, fo_str *value); /* which is empty then */
/* One entry of metadata under prefix + name. HTTP drops blanks at the ends of a value: FINOPS_E_ARGUMENT. */
finops_code fo_headers_add_metadata(fo_headers *h, const char *prefix, const finops_metadata *m,
                                    finops_error **err);
finops_code fo_headers_check(const fo_headers *h, finops_error **err);
void fo_headers_done(fo_headers *h);

/* "bytes=0-9" as the header of that name; nothing for all of it. A range of no bytes cannot be asked for. */
void fo_headers_add_range(fo_headers *h, const char *name, const finops_get *get);
/* The version in quotes; NULL: none. */
void fo_headers_add_version(fo_headers *h, const char *name, const char *version);

/* How a service spells what it says of an object. */
typedef struct fo_http_spelling {
    const char *metadata; /* what its headers begin with: "x-ms-meta-" */
    /* Changes the rest of such a name to ours; false: it is none of the user's. NULL: all are. */
    bool (*metadata_name)(char *name);
    /* The checksum of the whole as finops_object.checksum has it, appended where it is known. NULL: never. */
    void (*checksum)(const fo_http_exchange *exchange, fo_str *ret);
    const char *version; /* the header that is the version; NULL: the ETag */
    /* The object's own encoding, a part of the header's text or NULL. NULL: all of it. */
    const char *(*encoding)(const char *text);
} fo_http_spelling;

/* Texts live as long as it and the exchange. */
typedef struct fo_http_object {
    finops_object object;
    finops_metadata *metadata;
    size_t cap;
    fo_strv texts;
    const fo_http_spelling *spelling;
    bool failed;
} fo_http_object;

finops_code fo_http_object_make(const fo_http_exchange *exchange, const char *key,
                                const fo_http_spelling *spelling, fo_http_object *ret, finops_error **err);
void fo_http_object_done(fo_http_object *object);

/*
 * Reads what an answer to such a request brings, also where the service sends more than the range; a whole
 * object is checked against its CRC where that is known. Takes over the exchange, on failure too. A response
 * without a body (HEAD) is for a range of no bytes; conditions are checked then.
 */
finops_code fo_http_reader_new(fo_http_exchange *exchange, const finops_get *get,
                               const fo_http_spelling *spelling, bool head, finops_reader **ret,
                               finops_error **err);

/* "https://host[:port][/path]" of what `option` says: without a slash at the end and the port everybody
 * expects. FINOPS_E_CONFIG when it is no such address. */
finops_code fo_http_endpoint(const char *text, const char *option, char **ret, finops_error **err);

#endif
