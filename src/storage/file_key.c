/* Keys that are paths of files, and the names of files on their way in. */
#include "storage/file_key.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "finops/sys/storage_driver.h"

/* ".finops~<begun, microseconds>~<random>~<target>" in hexadecimal digits */
#define BEGUN_DIGITS 14
#define RANDOM_DIGITS 8
#define NAME_HEAD (sizeof(FO_FILE_HIDDEN) - 1 + BEGUN_DIGITS + 1 + RANDOM_DIGITS + 1)

static const char *
part_problem(const char *part, size_t n)
{
    if (n == 0)
        return "has an empty part";
    if (n > FO_FILE_NAME_MAX)
        return "has a part of more than 255 bytes";
    if (part[0] == '.' && (n == 1 || (n == 2 && part[1] == '.')))
        return "has a part \".\" or \"..\"";
    if (n >= strlen(FO_FILE_HIDDEN) && memcmp(part, FO_FILE_HIDDEN, strlen(FO_FILE_HIDDEN)) == 0)
        return "has a part that begins with " FO_FILE_HIDDEN;
    return NULL;
}

finops_code
fo_file_key_check(const char *key, finops_error **err)
{
    const char *part = key, *end;

    if (strlen(key) > FINOPS_STORAGE_KEY_MAX)
        return fo_error_set(err, FINOPS_E_ARGUMENT, "the key is longer than %d bytes",
                            FINOPS_STORAGE_KEY_MAX);
    for (;; part = end + 1) {
        const char *problem;

        end = strchrnul(part, '/');
        problem = part_problem(part, (size_t)(end - part));
        if (problem)
            return fo_error_set(err, FINOPS_E_ARGUMENT, "the key %s, which a path of a file cannot have",
                                problem);
        if (!*end)
            return FINOPS_OK;
    }
}

void
fo_file_temporary(const char *target, char name[FO_FILE_TEMPORARY])
{
    uint32_t number = 0;

    if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
        number = (uint32_t)fo_clock_monotonic();
    (void)snprintf(name, FO_FILE_TEMPORARY, "%s%0*llx~%0*x~%.*s", FO_FILE_HIDDEN, BEGUN_DIGITS,
                   (unsigned long long)fo_clock_now(), RANDOM_DIGITS, number,
                   (int)(FO_FILE_NAME_MAX - NAME_HEAD), target);
}

bool
fo_file_temporary_parse(const char *name, int64_t *ret_begun_us, const char **ret_target)
{
    const char *p = name + sizeof(FO_FILE_HIDDEN) - 1;
    uint64_t begun = 0;

    if (!fo_file_is_hidden(name) || strlen(name) < NAME_HEAD)
        return false;
    for (int i = 0; i < BEGUN_DIGITS; i++, p++) {
        const char *digit = memchr("0123456789abcdef", *p, 16);

        if (!digit)
            return false;
        begun = begun * 16 + (fo_is_digit(*p) ? (uint64_t)(*p - '0') : (uint64_t)(*p - 'a') + 10);
    }
    if (*p != '~' || p[1 + RANDOM_DIGITS] != '~')
        return false;
    *ret_begun_us = (int64_t)begun;
    *ret_target = p + 2 + RANDOM_DIGITS;
    return true;
}
