/*
 * Signature Version 4 of Amazon Web Services, and of what is compatible with it.
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
 *
 * A signer keeps the key it derived for the day; any thread. Addresses are signed as they go out: path and
 * query are escaped by the caller, every byte but the unreserved ones, and never changed here.
 */
#ifndef FO_NET_SIGV4_H
#define FO_NET_SIGV4_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "net/http.h"

#define FO_SIGV4_UNSIGNED "UNSIGNED-PAYLOAD"
#define FO_SIGV4_EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" /* of no bytes */
#define FO_SIGV4_CHUNKED "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
#define FO_SIGV4_CHUNKED_TRAILER FO_SIGV4_CHUNKED "-TRAILER"
#define FO_SIGV4_HEADERS 64 /* at most, and as many parameters of a query */

typedef struct fo_sigv4 fo_sigv4;

typedef struct fo_sigv4_keys {
    const char *access_key_id;
    const char *secret_access_key;
    const char *session_token; /* NULL or "": none */
} fo_sigv4_keys;

typedef struct fo_sigv4_request {
    const char *method;
    const char *host;              /* "host[:port]" as the header says it: without the port of the scheme */
    const char *path;              /* "/a%20b" */
    const char *query;             /* "uploads&prefix=a%2F"; NULL: none */
    const fo_http_header *headers; /* all are signed */
    size_t n_headers;
    const char *payload; /* SHA-256 of the body in hex, FO_SIGV4_UNSIGNED, or one of those in chunks */
    bool tell_payload;   /* x-amz-content-sha256, which S3 asks for */
    const char *region, *service;
    const fo_sigv4_keys *keys;
    int64_t now_us;
} fo_sigv4_request;

/* What goes out beside the request's own headers. The items point into it and into the request. */
typedef struct fo_sigv4_headers {
    fo_http_header items[4];
    size_t n;
    char date[17];
    fo_str authorization;
} fo_sigv4_headers;

/* The signatures of a body in chunks: each goes on from the one before it, the first from the request's. */
typedef struct fo_sigv4_chunks {
    unsigned char key[FO_SHA256_BYTES];
    char date[17];
    char *scope;
    char last[FO_SHA256_HEX]; /* the signature made last */
} fo_sigv4_chunks;

fo_sigv4 *fo_sigv4_new(void); /* NULL: no memory */
void fo_sigv4_free(fo_sigv4 *signer);

finops_code fo_sigv4_sign(fo_sigv4 *signer, const fo_sigv4_request *request, fo_sigv4_headers *ret,
                          finops_error **err);
void fo_sigv4_headers_done(fo_sigv4_headers *headers);
/* The query that lets its bearer do the request for so many seconds, appended; FO_SIGV4_UNSIGNED is usual. */
finops_code fo_sigv4_presign(fo_sigv4 *signer, const fo_sigv4_request *request, int64_t seconds, fo_str *ret,
                             finops_error **err);

/* After the request was signed with FO_SIGV4_CHUNKED or FO_SIGV4_CHUNKED_TRAILER.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html */
finops_code fo_sigv4_chunks_begin(fo_sigv4 *signer, const fo_sigv4_request *request,
                                  const fo_sigv4_headers *headers, fo_sigv4_chunks *ret, finops_error **err);
/* The next chunk of the body; n = 0 ends it. */
finops_code fo_sigv4_chunk(fo_sigv4_chunks *chunks, const void *data, size_t n, finops_error **err);
/* The headers after the last chunk, "name:value\n" each, sorted. */
finops_code fo_sigv4_trailer(fo_sigv4_chunks *chunks, const char *text, finops_error **err);
void fo_sigv4_chunks_done(fo_sigv4_chunks *chunks);

#endif
