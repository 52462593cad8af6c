/* What ships with the program is found from where the program lies, so that an installation can be moved. */
#include <assert.h>
#include <errno.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

/* The folder the running program lies in, with its last '/'. */
static finops_code
program_folder(fo_str *ret, finops_error **err)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path));

    if (n < 0)
        return fo_error_errno(err, errno, "find where the program lies");
    while (n > 0 && path[n - 1] != '/')
        n--;
    fo_str_addn(ret, path, (size_t)n);
    return fo_str_check(ret, err);
}

finops_code
fo_program_place(const char *name, fo_str *ret, finops_error **err)
{
    static const char *const places[] = { "", "../lib/finops/" };
    FO_AUTO(fo_str_done) fo_str folder = FO_STR_INIT;
    FO_AUTO(fo_str_done) fo_str path = FO_STR_INIT;
    finops_code rc;

    assert(name && ret);

    rc = program_folder(&folder, err);
    for (size_t i = 0; rc == FINOPS_OK && i < FO_COUNT(places); i++) {
        fo_str_clear(&path);
        fo_str_addf(&path, "%s%s%s", fo_str_z(&folder), places[i], name);
        rc = fo_str_check(&path, err);
        if (rc == FINOPS_OK && access(path.data, X_OK) == 0)
            break;
    }
    if (rc != FINOPS_OK)
        return rc;
    fo_str_add(ret, fo_str_z(&path));
    return fo_str_check(ret, err);
}
