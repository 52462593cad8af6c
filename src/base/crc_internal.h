/* The checksums by the processor's own instructions. */
#ifndef FO_BASE_CRC_INTERNAL_H
#define FO_BASE_CRC_INTERNAL_H

#include <stddef.h>
#include <stdint.h>

#define FO_CRC_BLOCK 64 /* least bytes that crc64nvme takes */

/* NULL: not on this processor. Sums are without the complement before and after. */
typedef struct fo_crc_fast {
    /* Of the first *ret_done bytes. */
    uint32_t (*crc32c)(uint32_t sum, const unsigned char *p, size_t n, size_t *ret_done);
    /* Returns how many of the bytes `rest` stands for: its sum, begun with 0, is theirs. */
    size_t (*crc64nvme)(uint64_t sum, const unsigned char *p, size_t n, unsigned char rest[16]);
} fo_crc_fast;

fo_crc_fast fo_crc_fast_here(void);

/* x^n modulo the polynomial, bits reflected. */
uint32_t fo_crc32c_power(uint64_t n);
uint64_t fo_crc64nvme_power(uint64_t n);

/* As fo_crc32c() and fo_crc64nvme(), by the tables alone: what the others are compared with. */
uint32_t fo_crc32c_plain(uint32_t sum, const void *data, size_t n);
uint64_t fo_crc64nvme_plain(uint64_t sum, const void *data, size_t n);

#endif
