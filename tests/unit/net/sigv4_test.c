/* Signatures against those Amazon publishes: the suite of vectors of its client libraries, whose names the
 * rows keep, and the examples of the documentation of S3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "net/sigv4.h"

/* Path and query escaped as they go out, paths normalised where the suite does. */
typedef struct vector {
    const char *name, *method, *path, *query;
    fo_http_header headers[5];
    const char *body;
    bool tell_payload;
    const char *token;
    const char *header_form, *query_form; /* the signatures */
} vector;

/* https://github.com/awslabs/aws-c-auth/tree/main/tests/aws-signing-test-suite/v4 */
static const vector vectors[] = {
    { "get-header-key-duplicate",
      "GET",
      "/",
      NULL,
      { { "My-Header1", "value2" }, { "My-Header1", "value2" }, { "My-Header1", "value1" } },
      NULL,
      false,
      NULL,
      "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
      "3349ee0b81b4b589da0ff28a395c3591e04de515651dd74f298fa992d1507a97" },
    { "get-header-value-multiline",
      "GET",
      "/",
      NULL,
      { { "My-Header1", "value1\n  value2\n     value3" } },
      NULL,
      false,
      NULL,
      "cfd34249e4b1c8d6b91ef74165d41a32e5fab3306300901bb65a51a73575eefd",
      "e6f5def831211aca02987a44b96826706278c7bc078112ae0263659c5b2f2d56" },
    { "get-header-value-order",
      "GET",
      "/",
      NULL,
      { { "My-Header1", "value4" },
        { "My-Header1", "value1" },
        { "My-Header1", "value3" },
        { "My-Header1", "value2" } },
      NULL,
      false,
      NULL,
      "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
      "313720e71ca6202fdcfa9b20f88de01a4eb0638a83c833b1c184359a4eda864e" },
    { "get-header-value-trim",
      "GET",
      "/",
      NULL,
      { { "My-Header1", " value1" }, { "My-Header2", " \"a   b   c\"" } },
      NULL,
      false,
      NULL,
      "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
      "e7bb0fd515e125e1aec2ecc4c0c17484fb06f6846b927c35e46005dd3df3acd4" },
    { "get-relative-normalized",
      "GET",
      "/",
      NULL,
      { { 0 } },
      NULL,
      false,
      NULL,
      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
      "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d" },
    { "get-relative-relative-normalized",
      "GET",
      "/",
      NULL,
      { { 0 } },
      NULL,
      false,
      NULL,
      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
      "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d" },
    { "get-relative-relative-unnormalized",
      "GET",
      "/example1/example2/../..",
      NULL,
      { { 0 } },
      NULL,
      false,
      NULL,
      "dc33e0856fd4baca4d7aa2146c38958283844764f38c74252a333df5e613003b",
      "b45db0bfd1cf15003493b733e33aa208dd981bd0e63037a6ed953f71d2118a16" },
    { "get-relative-unnormalized",
      "GET",
      "/example/..",
      NULL,
      { { 0 } },
      NULL,
      false,
      NULL,
      "eca7ead57bb5aa5c8e28007acd4ff04e1ff9a0ff3b237ec1554a184887ff9282",
      "cbcb213b928a077e43275df47b500f1dfaa864ab3f5a18f6b95f4ff0938167ee" },
    { "get-slash-dot-slash-normalized",
      "GET",
      "/",
      NULL,
      { { 0 } },
      NULL,
      false,
      NULL,
      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
      "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d" },
    { "get-slash-dot-slash-unnormalized",
      "GET",
      "/./",
      NULL,
      { { 0 } },
      NULL,
      false,
      NULL,
      "68714168e6557f8f2de0ef956fc24dc2593a4bd2961f8df51898d8a134695145",
      "a9b13e8f3484d9505bf1a6f347219f8f35b0fe8f128ceea597efc146a3dfe90c" },
    { "get-slash-normalized",
      "GET",
      "/",
      NULL,
      { { 0 } },
      NULL,
      false,
      NULL,
      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
      "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d" },
    { "get-slash-pointless-dot-normalized",
      "GET",
      "/example",
      NULL,
      { { 0 } },
      NULL,
      false,
      NULL,
      "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5",
      "35034b1a0bdd969f346975386daf8aedfd4976573b8348cf4f67eaa41c5857de" },
    { "get-slash-pointless-dot-unnormalized",
      "GET",
      "/./example",
      NULL,
      { { 0 } },
      NULL,
      false,
      NULL,
      "beb03f223f7deae4146464f06e29eebbee9c8afbe15c290cf07aa8b119e14cff",
      "72b11f16d9530b18204bfb71f2d6ab085894c0ed8d352730a6e76234c58b5e10" },
    { "get-slash-unnormalized",
      "GET",
      "//",
      NULL,
      { { 0 } },
      NULL,
      false,
      NULL,
      "c88bcd3d312d75078c0cd961d6deae3f4c754924b01669efcfcb439fd5e5b76e",
      "b2a9542809db687769200f56a844a03f2bd0291d6eb90232d5101c6a579446cd" },
    { "get-slashes-normalized",
      "GET",
      "/example/",
      NULL,
      { { 0 } },
      NULL,
      false,
      NULL,
      "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
      "c1834e8fb0307243711f0f907f6ab7311ed300d87f13792d7ee4da89ab93e082" },
    { "get-slashes-unnormalized",
      "GET",
      "//example//",
      NULL,
      { { 0 } },
      NULL,
      false,
      NULL,
      "87cca117541a147f6df867677d98a7d80dff226d2bfca9e4ffa899665623c7e5",
      "822a5a9ba28072c5ab2bb4a6307d0c88276d40e49fec6b724c03fb4d4ba60fc2" },
    { "get-space-normalized",
      "GET",
      "/example%20space/",
      NULL,
      { { 0 } },
      NULL,
      false,
      NULL,
      "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
      "7a1f416954786484c9824d93c1f26ef64acb9b1b6c9154d08c9f07d0e394abf6" },
    { "get-space-unnormalized",
      "GET",
      "/example%20space/",
      NULL,
      { { 0 } },
      NULL,
      false,
      NULL,
      "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
      "7a1f416954786484c9824d93c1f26ef64acb9b1b6c9154d08c9f07d0e394abf6" },
    { "get-unreserved",
      "GET",
      "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
      NULL,
      { { 0 } },
      NULL,
      false,
      NULL,
      "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
      "95968482db1b9e0fadef6efc1bd24689f77c77d9ef56919c96a28cc92e0d6005" },
    { "get-utf8",
      "GET",
      "/%E1%88%B4",
      NULL,
      { { 0 } },
      NULL,
      false,
      NULL,
      "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
      "10eae3f14a260bd3911cc6d008d3c576d143b05b62f09782a7a4b37f52178e44" },
    { "get-vanilla",
      "GET",
      "/",
      NULL,
      { { 0 } },
      NULL,
      false,
      NULL,
      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
      "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d" },
    { "get-vanilla-empty-query-key",
      "GET",
      "/",
      "Param1=value1",
      { { 0 } },
      NULL,
      false,
      NULL,
      "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
      "49096700cbbaa5753443850f40df10f904fc2fdb544dc9512203cc77c471a9de" },
    { "get-vanilla-query",
      "GET",
      "/",
      NULL,
      { { 0 } },
      NULL,
      false,
      NULL,
      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
      "e93c787ed7f371d5c6b165c1b38ede9550f4dce4144713e844b25b7192d3865d" },
    { "get-vanilla-query-order-encoded",
      "GET",
      "/",
      "Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
      { { 0 } },
      NULL,
      false,
      NULL,
      "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
      "c5f1848ceec943ac2ca68ee720460c23aaae30a2300586597ada94c4a65e4787" },
    { "get-vanilla-query-order-key-case",
      "GET",
      "/",
      "Param2=value2&Param1=value1",
      { { 0 } },
      NULL,
      false,
      NULL,
      "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
      "86012e2c9ad4d77369f5d81c11f75158aae4f895a085212cc6d3f923d300bed5" },
    { "get-vanilla-query-unreserved",
      "GET",
      "/",
      "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~"
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
      { { 0 } },
      NULL,
      false,
      NULL,
      "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
      "8e76a88a7433637b12778d5592799b29ad21ecd6cf6325051c21d86f0acda2bf" },
    { "get-vanilla-utf8-query",
      "GET",
      "/",
      "%E1%88%B4=bar",
      { { 0 } },
      NULL,
      false,
      NULL,
      "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
      "0bdd809b1519ac4f0c1dc3540e2cc46bd0c7f778eda408b2ebf3b913d21ff600" },
    { "get-vanilla-with-session-token",
      "GET",
      "/",
      NULL,
      { { 0 } },
      NULL,
      false,
      "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267",
      "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
      "7ff2b50b376cb4d151970630573d6291dc128cc5c2a12ffb237f73cc53f67b6c" },
    { "post-header-key-case",
      "POST",
      "/",
      NULL,
      { { 0 } },
      NULL,
      false,
      NULL,
      "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
      "2ce6e6d2e0cf2f9d1b55fafec88cd20574c31dc2e7631979f71ba2310083e95b" },
    { "post-header-key-sort",
      "POST",
      "/",
      NULL,
      { { "My-Header1", "value1" } },
      NULL,
      false,
      NULL,
      "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
      "c09d07e0d55871f10f2a6d350d994acf6825a3cae70673d7def55616e6119dd7" },
    { "post-header-value-case",
      "POST",
      "/",
      NULL,
      { { "My-Header1", "VALUE1" } },
      NULL,
      false,
      NULL,
      "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
      "0698bc9e4f7f9139065ba2909c0e99da257e8e2a42492a097bcd46d792391fed" },
    { "post-sts-header-before",
      "POST",
      "/",
      NULL,
      { { 0 } },
      NULL,
      false,
      "AQoDYXdzEPT//////////"
      "wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/"
      "qkPpKPi/"
      "kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6"
      "d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/"
      "oLxBA==",
      "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
      "46c2e3c63c1dbe7d39f8ada16fe7f001c1f56c5791441565323677f96308871c" },
    { "post-vanilla",
      "POST",
      "/",
      NULL,
      { { 0 } },
      NULL,
      false,
      NULL,
      "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
      "2ce6e6d2e0cf2f9d1b55fafec88cd20574c31dc2e7631979f71ba2310083e95b" },
    { "post-vanilla-empty-query-value",
      "POST",
      "/",
      "Param1=value1",
      { { 0 } },
      NULL,
      false,
      NULL,
      "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
      "a9ef26247f293bffe40eeff86a0480ba8c14d31503b2e0c3399e3a16bf1a3682" },
    { "post-vanilla-query",
      "POST",
      "/",
      "Param1=value1",
      { { 0 } },
      NULL,
      false,
      NULL,
      "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
      "a9ef26247f293bffe40eeff86a0480ba8c14d31503b2e0c3399e3a16bf1a3682" },
    { "post-x-www-form-urlencoded",
      "POST",
      "/",
      NULL,
      { { "Content-Type", "application/x-www-form-urlencoded" }, { "Content-Length", "13" } },
      "Param1=value1",
      true,
      NULL,
      "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
      "89a40deed0f26f9461242825a082d2222717248abc7ab41f552ad84a94ad46e9" },
    { "post-x-www-form-urlencoded-parameters",
      "POST",
      "/",
      NULL,
      { { "Content-Type", "application/x-www-form-urlencoded; charset=utf-8" }, { "Content-Length", "13" } },
      "Param1=value1",
      true,
      NULL,
      "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
      "0dbeb9b026c7b6675f266b8427efec9b4fa8b1f6ef1477d717aea231106eab4d" },
};

static void
sign_one(fo_sigv4 *signer, const vector *v)
{
    const fo_sigv4_keys keys = { "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", v->token };
    FO_AUTO(fo_sigv4_headers_done) fo_sigv4_headers signed_headers;
    FO_AUTO(fo_str_done) fo_str query = FO_STR_INIT;
    char payload[FO_SHA256_HEX];
    fo_sigv4_request r = { .method = v->method,
                           .host = "example.amazonaws.com",
                           .path = v->path,
                           .query = v->query,
                           .headers = v->headers,
                           .payload = payload,
                           .tell_payload = v->tell_payload,
                           .region = "us-east-1",
                           .service = "service",
                           .keys = &keys };

    while (r.n_headers < FO_COUNT(v->headers) && v->headers[r.n_headers].name)
        r.n_headers++;
    assert_true(fo_time_parse("2015-08-30T12:36:00Z", 20, &r.now_us));
    assert_int_equal(fo_sha256_hex(v->body ? v->body : "", v->body ? strlen(v->body) : 0, payload, NULL),
                     FINOPS_OK);

    assert_int_equal(fo_sigv4_sign(signer, &r, &signed_headers, NULL), FINOPS_OK);
    if (!strstr(fo_str_z(&signed_headers.authorization), v->header_form))
        fail_msg("%s: %s", v->name, fo_str_z(&signed_headers.authorization));
    assert_string_equal(signed_headers.date, "20150830T123600Z");
    assert_int_equal(fo_sigv4_presign(signer, &r, 3600, &query, NULL), FINOPS_OK);
    if (!fo_ends(fo_str_z(&query), v->query_form))
        fail_msg("%s: %s", v->name, fo_str_z(&query));
}

static void
the_vectors_of_the_suite_are_signed_alike(void **state)
{
    fo_sigv4 *signer = fo_sigv4_new();

    (void)state;
    assert_non_null(signer);
    for (size_t i = 0; i < FO_COUNT(vectors); i++)
        sign_one(signer, &vectors[i]);
    fo_sigv4_free(signer);
}

/* ---- https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html ---- */

static const fo_sigv4_keys s3_keys = { "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                                       NULL };

static fo_sigv4_request
s3_request(const char *method, const char *path, const char *query)
{
    fo_sigv4_request r = { .method = method,
                           .host = "examplebucket.s3.amazonaws.com",
                           .path = path,
                           .query = query,
                           .payload = FO_SIGV4_EMPTY,
                           .tell_payload = true,
                           .region = "us-east-1",
                           .service = "s3",
                           .keys = &s3_keys };

    assert_true(fo_time_parse("2013-05-24T00:00:00Z", 20, &r.now_us));
    return r;
}

static void
expect_authorization(const fo_sigv4_request *r, const char *want)
{
    fo_sigv4 *signer = fo_sigv4_new();
    fo_sigv4_headers h;

    assert_non_null(signer);
    assert_int_equal(fo_sigv4_sign(signer, r, &h, NULL), FINOPS_OK);
    assert_string_equal(h.items[h.n - 1].name, "authorization");
    assert_string_equal(h.items[h.n - 1].value, want);
    fo_sigv4_headers_done(&h);
    fo_sigv4_free(signer);
}

#define SCOPE                                                                                                \
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, SignedHeaders="

static void
the_examples_of_s3_are_signed_alike(void **state)
{
    const fo_http_header range = { "Range", "bytes=0-9" };
    const fo_http_header put[] = { { "Date", "Fri, 24 May 2013 00:00:00 GMT" },
                                   { "x-amz-storage-class", "REDUCED_REDUNDANCY" } };
    fo_sigv4_request r = s3_request("GET", "/test.txt", NULL);

    (void)state;
    r.headers = &range;
    r.n_headers = 1;
    expect_authorization(&r,
                         SCOPE "host;range;x-amz-content-sha256;x-amz-date, "
                               "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
    r = s3_request("PUT", "/test%24file.text", NULL);
    r.headers = put;
    r.n_headers = 2;
    r.payload = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";
    expect_authorization(&r,
                         SCOPE "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class, "
                               "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
    r = s3_request("GET", "/", "lifecycle");
    expect_authorization(&r,
                         SCOPE "host;x-amz-content-sha256;x-amz-date, "
                               "Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    r = s3_request("GET", "/", "max-keys=2&prefix=J");
    expect_authorization(&r,
                         SCOPE "host;x-amz-content-sha256;x-amz-date, "
                               "Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void
the_example_of_a_presigned_address_is_signed_alike(void **state)
{
    FO_AUTO(fo_str_done) fo_str query = FO_STR_INIT;
    fo_sigv4_request r = s3_request("GET", "/test.txt", NULL);
    fo_sigv4 *signer = fo_sigv4_new();

    (void)state;
    assert_non_null(signer);
    r.payload = FO_SIGV4_UNSIGNED;
    assert_int_equal(fo_sigv4_presign(signer, &r, 86400, &query, NULL), FINOPS_OK);
    assert_string_equal(
        fo_str_z(&query),
        "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1"
        "%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
    fo_sigv4_free(signer);
}

static void
the_key_follows_the_day_the_region_and_the_secret(void **state)
{
    fo_sigv4 *one = fo_sigv4_new();
    fo_sigv4_keys keys = s3_keys;
    fo_sigv4_request r = s3_request("GET", "/a", NULL);

    (void)state;
    assert_non_null(one);
    r.keys = &keys;
    for (int i = 0; i < 4; i++) {
        fo_sigv4 *fresh = fo_sigv4_new();
        fo_sigv4_headers a, b;

        assert_non_null(fresh);
        assert_int_equal(fo_sigv4_sign(one, &r, &a, NULL), FINOPS_OK);
        assert_int_equal(fo_sigv4_sign(fresh, &r, &b, NULL), FINOPS_OK);
        assert_string_equal(fo_str_z(&a.authorization), fo_str_z(&b.authorization));
        fo_sigv4_headers_done(&a);
        fo_sigv4_headers_done(&b);
        fo_sigv4_free(fresh);
        if (i == 0)
            r.now_us += 86400000000;
        else if (i == 1)
            r.region = "eu-central-1";
        else
            keys.secret_access_key = "another";
    }
    fo_sigv4_free(one);
}

/* https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html and .../sigv4-streaming-trailers.html:
 * 66,560 times the letter a, in chunks of 64 KiB. */
static void
expect_chunks(bool trailer, const char *const want[5])
{
    static const fo_http_header headers[] = { { "x-amz-storage-class", "REDUCED_REDUNDANCY" },
                                              { "Content-Encoding", "aws-chunked" },
                                              { "x-amz-decoded-content-length", "66560" },
                                              { "Content-Length", "66824" } },
                                trailing[] = { { "x-amz-storage-class", "REDUCED_REDUNDANCY" },
                                               { "Content-Encoding", "aws-chunked" },
                                               { "x-amz-decoded-content-length", "66560" },
                                               { "x-amz-trailer", "x-amz-checksum-crc32c" } };
    FO_AUTO(fo_sigv4_chunks_done) fo_sigv4_chunks c;
    FO_AUTO(fo_freep) char *body = fo_alloc(65536);
    fo_sigv4 *signer = fo_sigv4_new();
    fo_sigv4_request r = s3_request("PUT", "/examplebucket/chunkObject.txt", NULL);
    fo_sigv4_headers h;

    assert_true(signer && body);
    memset(body, 'a', 65536);
    r.host = "s3.amazonaws.com";
    r.payload = trailer ? FO_SIGV4_CHUNKED_TRAILER : FO_SIGV4_CHUNKED;
    r.headers = trailer ? trailing : headers;
    r.n_headers = 4;
    assert_int_equal(fo_sigv4_sign(signer, &r, &h, NULL), FINOPS_OK);
    assert_int_equal(fo_sigv4_chunks_begin(signer, &r, &h, &c, NULL), FINOPS_OK);
    assert_string_equal(c.last, want[0]);
    assert_int_equal(fo_sigv4_chunk(&c, body, 65536, NULL), FINOPS_OK);
    assert_string_equal(c.last, want[1]);
    assert_int_equal(fo_sigv4_chunk(&c, body, 1024, NULL), FINOPS_OK);
    assert_string_equal(c.last, want[2]);
    assert_int_equal(fo_sigv4_chunk(&c, "", 0, NULL), FINOPS_OK);
    assert_string_equal(c.last, want[3]);
    if (trailer) {
        assert_int_equal(fo_sigv4_trailer(&c, "x-amz-checksum-crc32c:sOO8/Q==\n", NULL), FINOPS_OK);
        assert_string_equal(c.last, want[4]);
    }
    fo_sigv4_headers_done(&h);
    fo_sigv4_free(signer);
}

static void
the_examples_of_chunks_are_signed_alike(void **state)
{
    static const char *const plain[] = { "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
                                         "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
                                         "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
                                         "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
                                         NULL },
                             *const trailed[] = {
                                 "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e",
                                 "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
                                 "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
                                 "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
                                 "d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435"
                             };

    (void)state;
    expect_chunks(false, plain);
    expect_chunks(true, trailed);
}

static void
signing_survives_every_failed_allocation(void **state)
{
    fo_sigv4_request r = s3_request("GET", "/a", "b=c");
    finops_code rc;
    unsigned n = 0;

    (void)state;
    do {
        fo_sigv4 *signer = fo_sigv4_new();
        fo_sigv4_headers h;

        assert_non_null(signer);
        fo_mem_fail_at(++n);
        rc = fo_sigv4_sign(signer, &r, &h, NULL);
        assert_int_equal(rc, fo_mem_failed() ? FINOPS_E_MEMORY : FINOPS_OK);
        fo_sigv4_headers_done(&h);
        fo_sigv4_free(signer);
    } while (rc != FINOPS_OK);
    fo_mem_fail_at(0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_suite_are_signed_alike),
        cmocka_unit_test(the_examples_of_s3_are_signed_alike),
        cmocka_unit_test(the_example_of_a_presigned_address_is_signed_alike),
        cmocka_unit_test(the_examples_of_chunks_are_signed_alike),
        cmocka_unit_test(the_key_follows_the_day_the_region_and_the_secret),
        cmocka_unit_test(signing_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests_name("net/sigv4", tests, NULL, NULL);
}
