/* Paths as text; nothing here asks the file system but for the working folder. */
#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/path_internal.h"

#define PATH_TEXT_MAX ((size_t)1 << 20)

const char *
fo_path_base(const char *path)
{
    const char *slash;

    assert(path);

    slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool
fo_path_is_below(const char *path)
{
    assert(path);

    for (const char *part = path;; part++) {
        size_t n = strcspn(part, "/");

        if (n == 0 || (n <= 2 && strspn(part, ".") >= n))
            return false;
        part += n;
        if (!*part)
            return true;
    }
}

char *
fo_path_folder(const char *path)
{
    size_t n;

    assert(path);

    n = (size_t)(fo_path_base(path) - path);
    if (n == 0)
        return fo_strdup(".");
    while (n > 1 && path[n - 1] == '/')
        n--;
    return fo_strndup(path, n);
}

char *
fo_path_join(const char *a, const char *b)
{
    size_t n;

    assert(a && b);

    n = strlen(a);
    if (n == 0)
        return fo_strdup(b);
    while (n > 0 && a[n - 1] == '/')
        n--;
    while (*b == '/')
        b++;
    return fo_format("%.*s/%s", (int)n, a, b);
}

/* Adds the parts of `path` to `to`, which is a clean absolute path without a '/' at its end. */
static void
add_parts(fo_str *to, const char *path)
{
    while (*path) {
        const char *end = strchrnul(path, '/');
        size_t n = (size_t)(end - path);

        if (n == 2 && path[0] == '.' && path[1] == '.') {
            while (to->len > 0 && to->data[--to->len] != '/')
                continue;
            if (to->data)
                to->data[to->len] = '\0';
        } else if (n > 0 && !(n == 1 && path[0] == '.')) {
            fo_str_addc(to, '/');
            fo_str_addn(to, path, n);
        }
        path = *end ? end + 1 : end;
    }
}

char *
fo_path_absolute(const char *path)
{
    FO_AUTO(fo_str_done) fo_str s = FO_STR_MAX(PATH_TEXT_MAX);

    assert(path);

    if (path[0] != '/') {
        FO_AUTO(fo_freep) char *here = getcwd(NULL, 0);

        if (!here)
            return NULL;
        add_parts(&s, here);
    }
    add_parts(&s, path);
    if (s.len == 0)
        fo_str_addc(&s, '/');
    return fo_str_take(&s);
}
