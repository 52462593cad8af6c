/* Checksums: what the service keeps is what we count, and that is what others count. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/crc.h"
#include "conformance/storage/probe.h"

/* That it is the checksum of these bytes; one of a kind we do not count is taken as it is. */
static bool
is_sum_of(fo_probe *p, const finops_object *o, const void *data, size_t n)
{
    char want[40] = "";

    if (!fo_probe_true(p, o->checksum != NULL, "no checksum of %s", o->key))
        return false;
    if (fo_starts(o->checksum, "crc64nvme:"))
        (void)snprintf(want, sizeof(want), "crc64nvme:%016" PRIx64, fo_crc64nvme(0, data, n));
    else if (fo_starts(o->checksum, "crc32c:"))
        (void)snprintf(want, sizeof(want), "crc32c:%08" PRIx32, fo_crc32c(0, data, n));
    else
        return fo_probe_true(p, fo_starts(o->checksum, "md5:") && strlen(o->checksum) == 36,
                             "the checksum is %s", o->checksum);
    return fo_probe_true(p, strcmp(o->checksum, want) == 0, "the checksum is %s, not %s", o->checksum, want);
}

static bool
of_a_put(fo_probe *p)
{
    FO_AUTO(finops_object_done) finops_object told = { 0 };
    FO_AUTO(finops_object_done) finops_object there = { 0 };
    const char *key = fo_probe_key(p, "a");
    finops_error *err = NULL;

    return fo_probe_ok(p, fo_probe_put_raw(p, &(finops_put){ .key = key }, "123456789", &told, &err), &err,
                       "put") &&
           fo_probe_stat(p, key, &there) && is_sum_of(p, &there, "123456789", 9) &&
           (!told.checksum || is_sum_of(p, &told, "123456789", 9));
}

static bool
of_parts(fo_probe *p)
{
    FO_AUTO(finops_object_done) finops_object there = { 0 };
    FO_AUTO(fo_freep) unsigned char *data = fo_alloc(11 * p->unit);
    const char *key = fo_probe_key(p, "a");

    if (!data)
        return fo_ruling_fail(&p->ruling, "no memory");
    fo_probe_bytes(data, 11 * p->unit, 0, 1);
    return fo_probe_write(p, &(finops_put){ .key = key, .size = -1 }, &p->parts, 11 * p->unit,
                          (size_t)p->unit, 1, NULL) &&
           fo_probe_stat(p, key, &there) && is_sum_of(p, &there, data, 11 * p->unit);
}

static bool
of_a_copy(fo_probe *p)
{
    FO_AUTO(finops_object_done) finops_object there = { 0 };
    const char *from = fo_probe_key(p, "from"), *to = fo_probe_key(p, "to");
    finops_error *err = NULL;

    return fo_probe_put(p, from, "123456789") &&
           fo_probe_ok(p,
                       finops_storage_copy(p->storage,
                                           &(finops_copy){ .from = from, .to = to, .call = &p->call }, NULL,
                                           &err),
                       &err, "copy") &&
           fo_probe_stat(p, to, &there) && is_sum_of(p, &there, "123456789", 9);
}

static bool
known_values(fo_probe *p)
{
    static const char text[] = "123456789";
    uint32_t crc32 = fo_crc32c_combine(fo_crc32c(0, text, 4), fo_crc32c(0, text + 4, 5), 5);
    uint64_t crc64 = fo_crc64nvme_combine(fo_crc64nvme(0, text, 4), fo_crc64nvme(0, text + 4, 5), 5);

    return fo_probe_true(p, fo_crc32c(0, text, 9) == 0xE3069283u && crc32 == 0xE3069283u,
                         "CRC-32C is %08" PRIx32 ", in two parts %08" PRIx32, fo_crc32c(0, text, 9), crc32) &&
           fo_probe_true(p,
                         fo_crc64nvme(0, text, 9) == UINT64_C(0xAE8B14860A799888) &&
                             crc64 == UINT64_C(0xAE8B14860A799888),
                         "CRC-64/NVME is %016" PRIx64 ", in two parts %016" PRIx64, fo_crc64nvme(0, text, 9),
                         crc64);
}

static const fo_probe_case cases[] = {
    { "I2 the checksum of an object is kept", FINOPS_STORAGE_CHECKSUM, of_a_put, 0 },
    { "I2 the checksum of an object in parts is that of the whole", FINOPS_STORAGE_CHECKSUM, of_parts, 0 },
    { "I2 a copy has the checksum of its original", FINOPS_STORAGE_CHECKSUM | FINOPS_STORAGE_COPY, of_a_copy,
      0 },
    { "I5 checksums are those the world knows, whole and combined", 0, known_values, 0 },
};

const fo_probe_area fo_probes_integrity = { "integrity", cases, FO_COUNT(cases) };
