/* A driver over HTTP and the server that plays a script for it; what the tests of such drivers share. */
#ifndef STORAGE_SCRIPTED_H
#define STORAGE_SCRIPTED_H

#include "storage_test.h"

#include "config/config.h"
#include "support/fake_http.h"

typedef struct scripted {
    const finops_storage_driver *driver;
    fake_http *server;
    void *self;        /* the storage, once it was opened */
    finops_error *err; /* for the test; freed at the end */
} scripted;

static inline scripted
scripted_server(const finops_storage_driver *driver, const fake_http_step *steps, size_t n)
{
    return (scripted){ .driver = driver, .server = fake_http_script(steps, n) };
}

/* With these options; the storage that was opened before is closed. */
static inline void
scripted_open(scripted *s, const finops_setting *settings, size_t n)
{
    void *config = fo_zalloc(s->driver->config_size);

    assert_non_null(config);
    s->driver->close(FO_TAKE(s->self));
    ok(fo_option_fill(s->driver->options, s->driver->name, settings, n, config, &s->err), &s->err);
    ok(s->driver->open(config, &s->self, &s->err), &s->err);
    fo_option_clear(s->driver->options, config);
    fo_free(config);
}

/* That all went as written. */
static inline void
scripted_end(scripted *s)
{
    const char *problem = fake_http_problem(s->server);

    if (problem)
        print_error("%s\n", problem);
    assert_null(problem);
    finops_error_freep(&s->err);
    s->driver->close(s->self);
    fake_http_stop(s->server);
}

#endif
