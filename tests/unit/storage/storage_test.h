/* What the tests of storage share. */
#ifndef STORAGE_TEST_H
#define STORAGE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/str.h"
#include "finops/sys/storage_driver.h"

/* That it succeeded; else the test fails with what the error says. */
static inline void
ok(finops_code rc, finops_error **err)
{
    if (rc != FINOPS_OK)
        fail_msg("%s: %s", finops_code_name(rc), finops_error_text(*err));
    assert_null(*err);
}

/* That it failed so, and said something. */
static inline void
fails(finops_code rc, finops_code want, finops_error **err)
{
    if (rc != want)
        fail_msg("%s, not %s: %s", finops_code_name(rc), finops_code_name(want), finops_error_text(*err));
    assert_true(finops_error_text(*err)[0] != '\0');
    finops_error_freep(err);
}

/* All that a reader gives; closes it. */
static inline void
reader_text(finops_reader *reader, fo_str *ret)
{
    finops_error *err = NULL;
    char block[7];
    size_t n = 0;

    fo_str_clear(ret);
    do {
        ok(reader->read(reader, block, sizeof(block), &n, &err), &err);
        fo_str_addn(ret, block, n);
    } while (n > 0);
    reader->close(reader);
}

/* Keys of a listing, one after another with a blank behind each. */
static inline bool
keys_add(const finops_object *object, void *arg)
{
    fo_str_add(arg, object->key);
    fo_str_addc(arg, ' ');
    return true;
}

#endif
