/* What signing one request takes: ninja tests/sigv4_bench, then tests/sigv4_bench. */
#include <stdio.h>

#include "base/clock.h"
#include "net/sigv4.h"

#define TIMES 100000

int
main(void)
{
    const fo_sigv4_keys keys = { "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                                 "a-session-token" };
    const fo_http_header headers[] = { { "if-match", "\"e\"" }, { "range", "bytes=0-1023" } };
    fo_sigv4 *signer = fo_sigv4_new();
    int64_t begun = fo_clock_monotonic();

    for (int i = 0; i < TIMES && signer; i++) {
        fo_sigv4_headers h;
        const fo_sigv4_request r = { .method = "GET",
                                     .host = "bucket.s3.eu-central-1.amazonaws.com",
                                     .path = "/system%3Daws/table%3Dcur/part-00000.parquet",
                                     .query = "versionId=null",
                                     .headers = headers,
                                     .n_headers = 2,
                                     .payload = FO_SIGV4_EMPTY,
                                     .tell_payload = true,
                                     .region = "eu-central-1",
                                     .service = "s3",
                                     .keys = &keys,
                                     .now_us = 1700000000000000 + i };

        if (fo_sigv4_sign(signer, &r, &h, NULL) != FINOPS_OK)
            return 1;
        fo_sigv4_headers_done(&h);
    }
    printf("%.2f us a request\n", (double)(fo_clock_monotonic() - begun) / TIMES);
    fo_sigv4_free(signer);
    return 0;
}
