/* What an answer says; its packet is here, and nobody else looks at it. */
#include <string.h>

#include "storage/sftp/link_internal.h"

static sf_view
view_of(const sf_request *r)
{
    return (sf_view){ .p = (const unsigned char *)r->body, .n = r->body ? r->n : 0 };
}

int
sf_status_of(const sf_request *request)
{
    sf_view v = view_of(request);
    uint32_t status = sf_take_u32(&v);

    return request->type == SFTP_STATUS && !v.bad && status < 1000 ? (int)status : -1;
}

static finops_code
code_of(int status)
{
    switch (status) {
    case SFTP_FX_NO_SUCH_FILE:
        return FINOPS_E_NOT_FOUND;
    case SFTP_FX_PERMISSION_DENIED:
        return FINOPS_E_DENIED;
    case SFTP_FX_BAD_MESSAGE: /* so OpenSSH calls a name that is too long */
        return FINOPS_E_ARGUMENT;
    case SFTP_FX_NO_CONNECTION:
    case SFTP_FX_CONNECTION_LOST:
        return FINOPS_E_TRANSIENT;
    case SFTP_FX_OP_UNSUPPORTED:
        return FINOPS_E_UNSUPPORTED;
    default:
        return FINOPS_E_IO;
    }
}

static finops_code
odd_answer(const sf_request *r, const char *what, const char *path, finops_error **err)
{
    return fo_error_set(err, FINOPS_E_CORRUPT,
                        "%s %s: the server's answer (type %u, %zu bytes) makes no sense", what, path, r->type,
                        r->n);
}

finops_code
sf_result(const sf_request *request, const char *what, const char *path, finops_error **err)
{
    sf_view v = view_of(request);
    int status = sf_status_of(request);
    const char *text;
    size_t n;

    if (status == SFTP_FX_OK)
        return FINOPS_OK;
    if (status < 0)
        return odd_answer(request, what, path, err);
    (void)sf_take_u32(&v);
    text = sf_take_bytes(&v, &n);
    if (n == 0 || !fo_utf8_valid(text, n, NULL))
        return fo_error_set(err, code_of(status), "%s %s: the server says %d", what, path, status);
    return fo_error_set(err, code_of(status), "%s %s: the server says %d, %.*s", what, path, status,
                        (int)(n < 200 ? n : 200), text);
}

finops_code
sf_result_handle(sf_request *request, const char *what, const char *path, sf_handle *ret, finops_error **err)
{
    sf_view v = view_of(request);
    const char *text;
    size_t n;

    if (request->type != SFTP_HANDLE)
        return sf_status_of(request) == SFTP_FX_OK ? odd_answer(request, what, path, err)
                                                   : sf_result(request, what, path, err);
    text = sf_take_bytes(&v, &n);
    if (v.bad || n > sizeof(ret->text))
        return odd_answer(request, what, path, err);
    memcpy(ret->text, text, n);
    ret->n = n;
    request->opens = false;
    return FINOPS_OK;
}

finops_code
sf_result_attrs(const sf_request *request, const char *what, const char *path, sf_attrs *ret,
                finops_error **err)
{
    sf_view v = view_of(request);

    if (request->type != SFTP_ATTRS)
        return sf_status_of(request) == SFTP_FX_OK ? odd_answer(request, what, path, err)
                                                   : sf_result(request, what, path, err);
    sf_take_attrs(&v, ret);
    return v.bad ? odd_answer(request, what, path, err) : FINOPS_OK;
}

finops_code
sf_result_data(const sf_request *request, const char *path, size_t *ret_n, finops_error **err)
{
    int status = sf_status_of(request);

    if (request->type == SFTP_DATA && !request->body && request->n > 0) {
        *ret_n = request->n;
        return FINOPS_OK;
    }
    if (status == SFTP_FX_EOF) {
        *ret_n = 0;
        return FINOPS_OK;
    }
    return status > 0 ? sf_result(request, "read", path, err) : odd_answer(request, "read", path, err);
}

finops_code
sf_result_names(const sf_request *request, const char *what, const char *path, sf_view *ret,
                uint32_t *ret_count, finops_error **err)
{
    sf_view v = view_of(request);

    if (sf_status_of(request) == SFTP_FX_EOF) {
        *ret_count = 0;
        return FINOPS_OK;
    }
    if (request->type != SFTP_NAME)
        return sf_status_of(request) == SFTP_FX_OK ? odd_answer(request, what, path, err)
                                                   : sf_result(request, what, path, err);
    *ret_count = sf_take_u32(&v);
    *ret = v;
    return v.bad ? odd_answer(request, what, path, err) : FINOPS_OK;
}
