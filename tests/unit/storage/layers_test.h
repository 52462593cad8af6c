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

#endif
