/*
 * The checksums of object stores: CRC-32C and CRC-64/NVME, of "123456789" E3069283 and AE8B14860A799888.
 *
 * Each begins with 0 and goes on where it stopped: sum = fo_crc32c(sum, p, n).
 */
#ifndef FO_BASE_CRC_H
#define FO_BASE_CRC_H

#include <stddef.h>
#include <stdint.h>

uint32_t fo_crc32c(uint32_t sum, const void *data, size_t n);
uint64_t fo_crc64nvme(uint64_t sum, const void *data, size_t n);
/* Of A followed by B, from the sum of each and the bytes of B. */
uint32_t fo_crc32c_combine(uint32_t a, uint32_t b, uint64_t n_b);
uint64_t fo_crc64nvme_combine(uint64_t a, uint64_t b, uint64_t n_b);

#endif
