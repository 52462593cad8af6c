/* What libcurl says went wrong, as one of our codes. */
#include "net/http_internal.h"

/* https://curl.se/libcurl/c/libcurl-errors.html; what is not here may go better the next time. */
static finops_code
code_of(CURLcode cc)
{
    switch (cc) {
    case CURLE_OPERATION_TIMEDOUT:
        return FINOPS_E_TIMEOUT;
    case CURLE_OUT_OF_MEMORY:
    case CURLE_ABORTED_BY_CALLBACK: /* a source of a body, which fails for want of memory only */
        return FINOPS_E_MEMORY;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_NOT_BUILT_IN:
        return FINOPS_E_CONFIG;
    case CURLE_URL_MALFORMAT:
        return FINOPS_E_ARGUMENT;
    default:
        return FINOPS_E_TRANSIENT;
    }
}

static void
hint(const fo_http_client *c, finops_error **err, CURLcode cc)
{
    if (cc == CURLE_PEER_FAILED_VERIFICATION)
        fo_error_hint(err,
                      "set network.ca_file to the certificate of the authority that signed the server's");
    if (cc == CURLE_COULDNT_CONNECT || cc == CURLE_COULDNT_RESOLVE_HOST || cc == CURLE_COULDNT_RESOLVE_PROXY)
        fo_error_hint(err, "check the address of the service, such as %s, and network.proxy", c->where_from);
    if (cc == CURLE_SSL_CACERT_BADFILE)
        fo_error_hint(err, "network.ca_file must be readable and hold certificates in PEM form");
}

finops_code
fo_http_failure(fo_http_exchange *e, finops_error **err)
{
    const char *text = e->problem[0] ? e->problem : curl_easy_strerror(e->result);
    finops_code code = code_of(e->result);
    bool lower =
        fo_is_alpha(text[0]) && fo_is_alpha(text[1]) && text[1] == fo_lower(text[1]); /* "SSL" stays */
    long proxy_status = 0;

    e->failed = true;
    if (e->result == CURLE_OK)
        return fo_error_set(err, FINOPS_E_TRANSIENT, "%s: no response came", fo_str_z(&e->where));
    if (e->result == CURLE_WRITE_ERROR)
        return e->head_too_long
                   ? fo_error_set(err, FINOPS_E_DATA, "%s: the response's head is longer than %u KiB",
                                  fo_str_z(&e->where), FO_HTTP_HEAD_MAX >> 10)
                   : fo_error_oom(err);
    if (code == FINOPS_E_MEMORY)
        return fo_error_oom(err);

    /* A proxy that will not have us will not have us the next time; one that cannot reach the server may. */
    (void)curl_easy_getinfo(e->easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
    if (proxy_status >= 400 && proxy_status < 500 && proxy_status != 408 && proxy_status != 429) {
        fo_error_set(err, FINOPS_E_CONFIG, "%s: the proxy answered %ld", fo_str_z(&e->where), proxy_status);
        fo_error_hint(err, "check network.proxy, and the user and the password in it");
        return FINOPS_E_CONFIG;
    }
    (void)fo_error_set(err, code, "%s: %c%s", fo_str_z(&e->where), lower ? fo_lower(text[0]) : text[0],
                       text[0] ? text + 1 : "");
    hint(e->client, err, e->result);
    return code;
}
