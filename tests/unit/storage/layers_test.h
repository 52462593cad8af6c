/* What the tests of layers share: a faulty storage in memory below, and a clock that only moves in sleep. */
#ifndef LAYERS_TEST_H
#define LAYERS_TEST_H

#include <stdio.h>

#include "storage_test.h"

#include "storage/layers/layer.h"
#include "../../support/storage_faulty.h"

static int64_t layers_now_us = 1000000;
static uint32_t layers_asked[64]; /* how long a pause could have been */
static unsigned layers_n_asked;

static inline int64_t
layers_clock(void)
{
    return layers_now_us;
}

static inline void
layers_sleep(int64_t us)
{
    layers_now_us += us;
}

/* The longest pause there may be. */
static inline uint32_t
layers_random(uint32_t n)
{
    layers_asked[layers_n_asked++ % 64] = n - 1;
    return n - 1;
}

static const fo_layer_clock layers_fake_clock = { layers_clock, layers_sleep, layers_random };

/* The stage with a layer around it. */
static inline fo_stage
wrapped(const fo_layer *layer, const void *config, fo_stage below)
{
    finops_error *err = NULL;
    fo_stage ret = { 0 };

    ok(layer->wrap(config, "mem://test", below, &ret, &err), &err);
    return ret;
}

static inline void
put_text(fo_stage s, const char *key, const char *text)
{
    finops_error *err = NULL;
    const finops_put put = { .key = key, .size = (int64_t)strlen(text) };

    ok(s.driver->put(s.self, &put, text, strlen(text), NULL, &err), &err);
}

static inline void
text_is(fo_stage s, const finops_get *get, const char *want)
{
    finops_error *err = NULL;
    finops_reader *reader = NULL;
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    ok(s.driver->read(s.self, get, &reader, &err), &err);
    reader_text(reader, &text);
    assert_string_equal(fo_str_z(&text), want);
}

static inline void
key_text_is(fo_stage s, const char *key, const char *want)
{
    const finops_get get = { .key = key, .length = -1 };

    text_is(s, &get, want);
}

/* n bytes that are the same each time; free() them. */
static inline unsigned char *
some_bytes(size_t n)
{
    unsigned char *bytes = malloc(n + 1);
    unsigned random = 20260101;

    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++) {
        random = random * 1103515245u + 12345u;
        bytes[i] = (unsigned char)(random >> 20);
    }
    return bytes;
}

static inline finops_code
put_bytes(fo_stage s, const char *key, const void *bytes, size_t n, finops_error **err)
{
    const finops_put put = { .key = key, .size = (int64_t)n };

    return s.driver->put(s.self, &put, bytes, n, NULL, err);
}

/* What a read gives, up to `max` bytes; its code. */
static inline finops_code
get_bytes(fo_stage s, const finops_get *get, void *ret, size_t max, size_t *ret_n, finops_error **err)
{
    finops_reader *reader = NULL;
    size_t got = 1;
    finops_code rc = s.driver->read(s.self, get, &reader, err);

    for (*ret_n = 0; rc == FINOPS_OK && got > 0; *ret_n += got) {
        char end;
        bool full = *ret_n == max;
        got = 0;
        rc = reader->read(reader, full ? &end : (char *)ret + *ret_n, full ? 1 : max - *ret_n, &got, err);
        assert_false(full && got > 0);
    }
    if (reader)
        reader->close(reader);
    return rc;
}

#endif
