/*
 * Content that is signed while it goes out, chunk by chunk, with its checksum behind it: it is gone through
 * once, and what others change on the way is refused before the object is there.
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "storage/s3/s3_internal.h"

#define CHUNK (64u << 10)
#define SIGNATURE ";chunk-signature="
#define TRAILER "x-amz-trailer-signature:"
#define HEX (FO_SHA256_HEX - 1)

struct s3_chunks {
    fo_sigv4_chunks sign;
    char first[FO_SHA256_HEX]; /* what the first chunk goes on from */
    s3_request *r;
    uint64_t value; /* checksum so far */
    size_t at;      /* bytes of the body that were signed */
    fo_str frame;   /* what goes out between bytes of the body */
    size_t frame_at;
    const char *data; /* then these */
    size_t data_n;
    bool ended;
};

static bool
has_trailer(const s3_request *r)
{
    return r->sum <= S3_SUM_CRC32C;
}

const char *
s3_chunks_payload(const s3_request *r)
{
    return has_trailer(r) ? FO_SIGV4_CHUNKED_TRAILER : FO_SIGV4_CHUNKED;
}

void
s3_chunks_headers(s3_request *r)
{
    FO_AUTO(fo_str_done) fo_str encoding = FO_STR_MAX(S3_TEXT_MAX);
    fo_headers *h = &r->headers;

    fo_str_add(&encoding, S3_CHUNKED);
    for (size_t i = 0; i < h->n; i++) {
        if (strcmp(h->items[i].name, "content-encoding") != 0)
            continue;
        fo_str_addf(&encoding, ",%s", h->items[i].value); /* the object's own stays */
        h->items[i] = h->items[--h->n];
        break;
    }
    fo_headers_take(h, "content-encoding", &encoding);
    fo_headers_addf(h, "x-amz-decoded-content-length", "%zu", r->body_size);
    if (has_trailer(r))
        fo_headers_add(h, "x-amz-trailer", s3_sum_header(r->sum));
}

/* ---- the frames ---- */

static size_t
digits(size_t n)
{
    size_t d = 1;

    while (n >>= 4)
        d++;
    return d;
}

static size_t
frame_size(size_t n)
{
    return digits(n) + strlen(SIGNATURE) + HEX + 2 + (n > 0 ? n + 2 : 0);
}

size_t
s3_chunks_size(const s3_request *r)
{
    size_t rest = r->body_size % CHUNK;
    size_t n =
        r->body_size / CHUNK * frame_size(CHUNK) + (rest > 0 ? frame_size(rest) : 0) + frame_size(0) + 2;
    size_t value = r->sum == S3_SUM_CRC64NVME ? 12 : 8; /* of 8 bytes or 4, in base64 */

    if (!has_trailer(r))
        return n;
    return n + strlen(s3_sum_header(r->sum)) + 1 + value + 2 + strlen(TRAILER) + HEX + 2;
}

static bool
put_trailer(s3_chunks *c)
{
    FO_AUTO(fo_str_done) fo_str value = FO_STR_MAX(S3_TEXT_MAX), text = FO_STR_MAX(S3_TEXT_MAX);
    const char *name = s3_sum_header(c->r->sum);

    s3_sum_of_number(c->r->sum, c->value, &value);
    fo_str_addf(&text, "%s:%s\n", name, fo_str_z(&value));
    if (!fo_str_ok(&value) || !fo_str_ok(&text) ||
        fo_sigv4_trailer(&c->sign, fo_str_z(&text), NULL) != FINOPS_OK)
        return false;
    fo_str_addf(&c->frame, "%s:%s\r\n" TRAILER "%s\r\n", name, fo_str_z(&value), c->sign.last);
    c->r->sum_value = c->value;
    return true;
}

/* The chunk after those that are out; the one without bytes ends the body. */
static bool
next_chunk(s3_chunks *c)
{
    size_t left = c->r->body_size - c->at;
    size_t n = left < CHUNK ? left : CHUNK;

    c->data = (const char *)c->r->body + c->at;
    c->data_n = n;
    c->frame.len = c->frame_at = 0;
    if (fo_sigv4_chunk(&c->sign, c->data, n, NULL) != FINOPS_OK)
        return false;
    if (n > 0 && has_trailer(c->r))
        c->value = s3_sum_update(c->r->sum, c->value, c->data, n);
    fo_str_addf(&c->frame, "%s%zx" SIGNATURE "%s\r\n", c->at > 0 ? "\r\n" : "", n, c->sign.last);
    c->at += n;
    if (n == 0) {
        c->ended = true;
        if (has_trailer(c->r) && !put_trailer(c))
            return false;
        fo_str_add(&c->frame, "\r\n");
    }
    return fo_str_ok(&c->frame);
}

/* ---- the source ---- */

static size_t
take(void *buffer, size_t room, const char *from, size_t n)
{
    size_t copied = n < room ? n : room;

    memcpy(buffer, from, copied);
    return copied;
}

static size_t
on_next(void *arg, char *buffer, size_t n)
{
    s3_chunks *c = arg;
    size_t done = 0;

    while (done < n) {
        size_t got;

        if (c->frame_at == c->frame.len && c->data_n == 0) {
            if (c->ended)
                break;
            if (!next_chunk(c))
                return FO_HTTP_SOURCE_FAILED;
        }
        if (c->frame_at < c->frame.len) {
            got = take(buffer + done, n - done, c->frame.data + c->frame_at, c->frame.len - c->frame_at);
            c->frame_at += got;
        } else {
            got = take(buffer + done, n - done, c->data, c->data_n);
            c->data += got;
            c->data_n -= got;
        }
        done += got;
    }
    return done;
}

static bool
on_restart(void *arg)
{
    s3_chunks *c = arg;

    memcpy(c->sign.last, c->first, sizeof(c->first));
    c->value = 0;
    c->at = c->frame.len = c->frame_at = c->data_n = 0;
    c->ended = false;
    return true;
}

finops_code
s3_chunks_begin(s3_storage *s, s3_request *r, const fo_sigv4_request *sign, const fo_sigv4_headers *headers,
                fo_http_source *ret, finops_error **err)
{
    s3_chunks *c;
    finops_code rc;

    s3_chunks_free(r->chunks);
    c = r->chunks = fo_zalloc(sizeof(*c));
    if (!c)
        return fo_error_oom(err);
    c->r = r;
    c->frame = FO_STR_MAX(S3_TEXT_MAX);
    rc = fo_sigv4_chunks_begin(s->signer, sign, headers, &c->sign, err);
    if (rc != FINOPS_OK)
        return rc;
    memcpy(c->first, c->sign.last, sizeof(c->first));
    *ret = (fo_http_source){ .next = on_next, .restart = on_restart, .arg = c };
    return FINOPS_OK;
}

void
s3_chunks_free(s3_chunks *chunks)
{
    if (!chunks)
        return;
    fo_sigv4_chunks_done(&chunks->sign);
    fo_str_done(&chunks->frame);
    fo_free(chunks);
}
