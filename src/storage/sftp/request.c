/* Requests by what they carry. */
#include <assert.h>

#include "base/mem.h"
#include "storage/sftp/link_internal.h"

finops_code
sf_send(sf_link *link, uint8_t type, const fo_str *body, sf_request **ret, finops_error **err)
{
    return sf_link_send(link, type, body, NULL, 0, NULL, 0, ret, err);
}

finops_code
sf_send_read(sf_link *link, const sf_handle *handle, uint64_t offset, void *into, size_t n, sf_request **ret,
             finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;

    assert(n <= SFTP_BLOCK);
    sf_add_bytes(&body, handle->text, handle->n);
    sf_add_u64(&body, offset);
    sf_add_u32(&body, (uint32_t)n);
    return sf_link_send(link, SFTP_READ, &body, NULL, 0, into, n, ret, err);
}

finops_code
sf_send_write(sf_link *link, const sf_handle *handle, uint64_t offset, const void *data, size_t n,
              sf_request **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;

    assert(n <= SFTP_BLOCK);
    sf_add_bytes(&body, handle->text, handle->n);
    sf_add_u64(&body, offset);
    sf_add_u32(&body, (uint32_t)n);
    return sf_link_send(link, SFTP_WRITE, &body, data, n, NULL, 0, ret, err);
}

finops_code
sf_send_path(sf_link *link, uint8_t type, const char *path, sf_request **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;

    sf_add_text(&body, path);
    if (type == SFTP_OPEN || type == SFTP_MKDIR)
        sf_add_u32(&body, 0);
    return sf_send(link, type, &body, ret, err);
}

finops_code
sf_send_open(sf_link *link, const char *path, uint32_t flags, sf_request **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;

    sf_add_text(&body, path);
    sf_add_u32(&body, flags);
    sf_add_u32(&body, 0); /* no attributes: those of the user's umask */
    return sf_send(link, SFTP_OPEN, &body, ret, err);
}

finops_code
sf_send_handle(sf_link *link, uint8_t type, const sf_handle *handle, sf_request **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;

    if (type == SFTP_EXTENDED)
        sf_add_text(&body, "fsync@openssh.com");
    sf_add_bytes(&body, handle->text, handle->n);
    return sf_send(link, type, &body, ret, err);
}

finops_code
sf_send_two(sf_link *link, uint8_t type, const char *extension, const char *from, const char *to,
            sf_request **ret, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str body = FO_STR_INIT;

    if (extension)
        sf_add_text(&body, extension);
    sf_add_text(&body, from);
    sf_add_text(&body, to);
    return sf_send(link, type, &body, ret, err);
}
