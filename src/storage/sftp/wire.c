/* Packets of SFTP version 3. */
#include "storage/sftp/wire.h"

#include <endian.h>
#include <string.h>

#define KNOWN_OWNER 2u
#define KNOWN_EXTENDED 0x80000000u

void
sf_add_u32(fo_str *s, uint32_t n)
{
    n = htobe32(n);
    fo_str_addn(s, (const char *)&n, sizeof(n));
}

void
sf_add_u64(fo_str *s, uint64_t n)
{
    n = htobe64(n);
    fo_str_addn(s, (const char *)&n, sizeof(n));
}

void
sf_add_bytes(fo_str *s, const void *p, size_t n)
{
    sf_add_u32(s, (uint32_t)n);
    fo_str_addn(s, p, n);
}

void
sf_add_text(fo_str *s, const char *text)
{
    sf_add_bytes(s, text, strlen(text));
}

uint32_t
sf_u32(const unsigned char p[4])
{
    uint32_t n;

    memcpy(&n, p, sizeof(n));
    return be32toh(n);
}

uint32_t
sf_take_u32(sf_view *v)
{
    uint32_t n;

    if (v->n < 4) {
        v->bad = true;
        v->n = 0;
        return 0;
    }
    n = sf_u32(v->p);
    v->p += 4;
    v->n -= 4;
    return n;
}

uint64_t
sf_take_u64(sf_view *v)
{
    uint64_t high = sf_take_u32(v);

    return high << 32 | sf_take_u32(v);
}

const char *
sf_take_bytes(sf_view *v, size_t *ret_n)
{
    size_t n = sf_take_u32(v);
    const char *p = (const char *)v->p;

    if (v->bad || n > v->n) {
        v->bad = true;
        v->n = *ret_n = 0;
        return "";
    }
    v->p += n;
    v->n -= n;
    *ret_n = n;
    return p;
}

void
sf_take_attrs(sf_view *v, sf_attrs *ret)
{
    size_t n;

    *ret = (sf_attrs){ .known = sf_take_u32(v) };
    if (ret->known & SFTP_KNOWN_SIZE)
        ret->size = sf_take_u64(v);
    if (ret->known & KNOWN_OWNER)
        (void)sf_take_u64(v);
    if (ret->known & SFTP_KNOWN_MODE)
        ret->mode = sf_take_u32(v);
    if (ret->known & SFTP_KNOWN_TIMES) {
        ret->atime = sf_take_u32(v);
        ret->mtime = sf_take_u32(v);
    }
    if (ret->known & KNOWN_EXTENDED)
        for (uint32_t i = sf_take_u32(v); i > 0 && !v->bad; i--) {
            (void)sf_take_bytes(v, &n);
            (void)sf_take_bytes(v, &n);
        }
}
