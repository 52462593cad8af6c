/* Checksums as S3 writes them: base64 of the number, highest byte first.
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html */
#include <string.h>

#include "base/crc.h"
#include "base/hash.h"
#include "base/mem.h"
#include "storage/s3/s3_internal.h"

#define KINDS 2 /* that are numbers */

static const struct kind {
    const char *header, *name, *prefix;
    size_t bytes;
} kinds[] = {
    [S3_SUM_CRC64NVME] = { "x-amz-checksum-crc64nvme", "CRC64NVME", "crc64nvme:", 8 },
    [S3_SUM_CRC32C] = { "x-amz-checksum-crc32c", "CRC32C", "crc32c:", 4 },
    [S3_SUM_MD5] = { "content-md5", NULL, "md5:", 16 },
    [S3_SUM_NONE] = { 0 },
};

s3_sum
s3_sum_now(const s3_storage *s)
{
    return s->sum <= S3_SUM_CRC32C && atomic_load(&s->knows_no_sums) ? S3_SUM_MD5 : s->sum;
}

const char *
s3_sum_header(s3_sum sum)
{
    return kinds[sum].header;
}

const char *
s3_sum_name(s3_sum sum)
{
    return kinds[sum].name;
}

uint64_t
s3_sum_update(s3_sum sum, uint64_t value, const void *data, size_t n)
{
    return sum == S3_SUM_CRC64NVME ? fo_crc64nvme(value, data, n) : fo_crc32c((uint32_t)value, data, n);
}

void
s3_sum_of_number(s3_sum sum, uint64_t value, fo_str *ret)
{
    unsigned char bytes[8];
    size_t n = kinds[sum].bytes;

    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)(value >> (8 * (n - 1 - i)));
    fo_base64(ret, bytes, n);
}

finops_code
s3_sum_make(s3_sum sum, const void *data, size_t n, fo_str *ret, finops_error **err)
{
    unsigned char md5[FO_SHA256_BYTES];
    size_t md5_n;
    finops_code rc;

    if (sum != S3_SUM_MD5) {
        s3_sum_of_number(sum, s3_sum_update(sum, 0, data, n), ret);
        return fo_str_check(ret, err);
    }
    rc = fo_digest(FO_MD5, data, n, md5, &md5_n, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_base64(ret, md5, md5_n);
    return fo_str_check(ret, err);
}

finops_code
s3_sum_add(const s3_storage *s, s3_request *r, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_MAX(S3_TEXT_MAX);
    s3_sum sum = s3_sum_now(s);
    finops_code rc;

    if (sum == S3_SUM_NONE)
        return FINOPS_OK;
    rc = s3_sum_make(sum, r->body, r->body_size, &text, err);
    if (rc != FINOPS_OK)
        return rc;
    r->with_sums = r->with_sums || s3_sum_name(sum) != NULL;
    fo_headers_take(&r->headers, s3_sum_header(sum), &text);
    return FINOPS_OK;
}

bool
s3_sum_text(s3_sum sum, const char *base64, fo_str *ret)
{
    FO_AUTO(fo_str_done) fo_str bytes = FO_STR_MAX(S3_TEXT_MAX);
    char hex[FO_SHA256_HEX];

    /* "abc=-3" is a sum of the sums of three parts. */
    if (strchr(base64, '-') || !fo_base64_decode(&bytes, base64) || bytes.len != kinds[sum].bytes)
        return false;
    fo_hex(bytes.data, bytes.len, hex);
    fo_str_addf(ret, "%s%s", kinds[sum].prefix, hex);
    return true;
}
