/* Any text is a manifest or a refusal, and no accepted one names a file outside its export's folder. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "billing/aws/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const fo_manifest *manifest, const char *root)
{
    size_t n = strlen(root);

    if (!manifest->version_id)
        abort();
    for (size_t i = 0; i < manifest->keys.n; i++) {
        const char *key = manifest->keys.items[i];

        if (strncmp(key, root, n) != 0 || key[n] != '/' || strstr(key, "/../") || strchr(key, '\n'))
            abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char export_name[] = "acme", root[] = "cur/acme";
    fo_manifest_place place = { .export_name = export_name, .root = root, .period = "2026-10" };
    finops_error *err = NULL;
    fo_manifest *manifest = NULL;

    if (size == 0)
        return 0;
    place.layout = data[0] & 1 ? FO_LAYOUT_V2 : FO_LAYOUT_V1;
    if (fo_manifest_parse((const char *)data + 1, size - 1, &place, "fuzz", &manifest, &err) == FINOPS_OK)
        check(manifest, root);
    else if (manifest || !err)
        abort();
    fo_manifest_free(manifest);
    finops_error_free(err);
    return 0;
}
