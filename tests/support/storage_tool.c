/*
 * Drives one storage driver for tests in Python: JSON objects in, one a line, and one answer out for each.
 *
 *     storage_tool s3 bucket=b endpoint_url=http://... <<< '{"op": "put", "key": "a", "data": "aGk="}'
 *
 * Bytes are base64. {"op": "many", "ops": [...]} does them at once, each on a thread. The parts of an upload
 * are the "parts" of the operation.
 */
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "builtins.h"
#include "config/config.h"
#include "conformance/storage.h"
#include "storage/object.h"
#include "storage/storage.h"

typedef struct tool {
    const finops_storage_driver *driver;
    void *self;
    void *config;
} tool;

static const char *
text(const json_t *op, const char *name)
{
    return json_string_value(json_object_get(op, name));
}

static int64_t
number(const json_t *op, const char *name, int64_t otherwise)
{
    const json_t *v = json_object_get(op, name);

    return json_is_integer(v) ? (int64_t)json_integer_value(v) : otherwise;
}

static bool
truth(const json_t *op, const char *name)
{
    return json_is_true(json_object_get(op, name));
}

static void
set_text(json_t *o, const char *name, const char *value)
{
    if (value)
        (void)json_object_set_new(o, name, json_stringn_nocheck(value, strlen(value)));
}

static void
set_bytes(json_t *o, const char *name, const fo_str *bytes)
{
    FO_AUTO(fo_str_done) fo_str text64 = FO_STR_MAX((size_t)1 << 30);

    fo_base64(&text64, bytes->data, bytes->len);
    set_text(o, name, fo_str_z(&text64));
}

static json_t *
object_json(const finops_object *o)
{
    json_t *j = json_object(), *meta = json_object();

    set_text(j, "key", o->key);
    (void)json_object_set_new(j, "is_prefix", json_boolean(o->is_prefix));
    (void)json_object_set_new(j, "size", json_integer(o->size));
    (void)json_object_set_new(j, "modified_us", json_integer(o->modified_us));
    set_text(j, "version", o->version);
    set_text(j, "etag", o->etag);
    set_text(j, "checksum", o->checksum);
    set_text(j, "content_type", o->content_type);
    set_text(j, "content_encoding", o->content_encoding);
    set_text(j, "cache_control", o->cache_control);
    for (size_t i = 0; i < o->n_metadata; i++)
        set_text(meta, o->metadata[i].name, o->metadata[i].value);
    (void)json_object_set_new(j, "metadata", meta);
    return j;
}

static void
set_object(json_t *answer, finops_object *o)
{
    (void)json_object_set_new(answer, "object", object_json(o));
    finops_object_done(o);
}

#define METADATA_MAX 32

/* Borrows the texts of `op`. */
static finops_put
put_of(const json_t *op, finops_metadata *metadata)
{
    finops_put put = { .key = text(op, "key"),
                       .size = -1,
                       .content_type = text(op, "content_type"),
                       .content_encoding = text(op, "content_encoding"),
                       .cache_control = text(op, "cache_control"),
                       .create_only = truth(op, "create_only"),
                       .if_version = text(op, "if_version"),
                       .metadata = metadata };
    const char *name;
    json_t *value;

    json_object_foreach(json_object_get(op, "metadata"), name, value) if (put.n_metadata < METADATA_MAX)
        metadata[put.n_metadata++] = (finops_metadata){ name, json_string_value(value) };
    return put;
}

/* ---- operations ---- */

static finops_code
do_stat(tool *t, const json_t *op, json_t *answer, finops_error **err)
{
    finops_object o;
    finops_code rc = t->driver->stat(t->self, text(op, "key"), NULL, &o, err);

    if (rc == FINOPS_OK)
        set_object(answer, &o);
    return rc;
}

static finops_code
do_put(tool *t, const json_t *op, json_t *answer, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str data = FO_STR_MAX((size_t)1 << 30);
    finops_metadata metadata[METADATA_MAX];
    const finops_put put = put_of(op, metadata);
    finops_object o;
    finops_code rc;

    (void)fo_base64_decode(&data, text(op, "data") ? text(op, "data") : "");
    rc = t->driver->put(t->self, &put, fo_str_z(&data), data.len, &o, err);
    if (rc == FINOPS_OK)
        set_object(answer, &o);
    return rc;
}

static finops_code
do_get(tool *t, const json_t *op, json_t *answer, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str data = FO_STR_MAX((size_t)1 << 30);
    const finops_get get = { .key = text(op, "key"),
                             .offset = number(op, "offset", 0),
                             .length = number(op, "length", -1),
                             .suffix = number(op, "suffix", 0),
                             .if_version = text(op, "if_version"),
                             .unless_version = text(op, "unless_version") };
    static _Thread_local char buffer[65536];
    finops_reader *reader = NULL;
    size_t n = 1;
    finops_code rc = t->driver->read(t->self, &get, &reader, err);

    if (rc != FINOPS_OK)
        return rc;
    (void)json_object_set_new(answer, "object", object_json(&reader->object));
    (void)json_object_set_new(answer, "offset", json_integer(reader->offset));
    (void)json_object_set_new(answer, "length", json_integer(reader->length));
    while (n > 0 && rc == FINOPS_OK && !truth(op, "leave")) {
        rc = reader->read(reader, buffer, sizeof(buffer), &n, err);
        if (rc == FINOPS_OK && !truth(op, "quiet"))
            fo_str_addn(&data, buffer, n);
    }
    reader->close(reader);
    set_bytes(answer, "data", &data);
    return rc;
}

static bool
add_object(const finops_object *o, void *arg)
{
    return json_array_append_new(arg, object_json(o)) == 0;
}

static finops_code
do_list(tool *t, const json_t *op, json_t *answer, finops_error **err)
{
    const finops_list list = { .prefix = text(op, "prefix") ? text(op, "prefix") : "",
                               .children = truth(op, "children"),
                               .start_after = text(op, "start_after"),
                               .page = (unsigned)number(op, "page", 0) };
    json_t *all = json_array();

    (void)json_object_set_new(answer, "objects", all);
    return t->driver->list(t->self, &list, add_object, all, err);
}

static finops_code
do_remove(tool *t, const json_t *op, json_t *answer, finops_error **err)
{
    const finops_remove remove = { .key = text(op, "key"), .if_version = text(op, "if_version") };

    (void)answer;
    return t->driver->remove(t->self, &remove, err);
}

static void
add_removed(size_t i, const finops_error *err, void *arg)
{
    json_t *one = json_object();

    (void)json_object_set_new(one, "index", json_integer((json_int_t)i));
    set_text(one, "code", err ? finops_code_name(finops_error_code(err)) : "ok");
    (void)json_array_append_new(arg, one);
}

static finops_code
do_remove_many(tool *t, const json_t *op, json_t *answer, finops_error **err)
{
    const json_t *keys = json_object_get(op, "keys");
    size_t n = json_array_size(keys);
    FO_AUTO(fo_freep) const char **list = fo_array(n + 1, sizeof(*list));
    json_t *all = json_array();

    if (!list)
        return fo_error_oom(err);
    for (size_t i = 0; i < n; i++)
        list[i] = json_string_value(json_array_get(keys, i));
    (void)json_object_set_new(answer, "removed", all);
    return t->driver->remove_many(t->self, list, n, NULL, add_removed, all, err);
}

static finops_code
do_copy(tool *t, const json_t *op, json_t *answer, finops_error **err)
{
    const finops_copy copy = { .from = text(op, "from"),
                               .to = text(op, "to"),
                               .create_only = truth(op, "create_only"),
                               .if_version = text(op, "if_version") };
    finops_object o;
    finops_code rc = t->driver->copy(t->self, &copy, &o, err);

    if (rc == FINOPS_OK)
        set_object(answer, &o);
    return rc;
}

static finops_code
do_presign(tool *t, const json_t *op, json_t *answer, finops_error **err)
{
    const finops_presign presign = { .key = text(op, "key"),
                                     .put = truth(op, "put"),
                                     .seconds = number(op, "seconds", 60) };
    FO_AUTO(fo_freep) char *url = NULL;
    finops_code rc = t->driver->presign(t->self, &presign, &url, err);

    set_text(answer, "url", url);
    return rc;
}

static finops_code
do_sweep(tool *t, const json_t *op, json_t *answer, finops_error **err)
{
    json_t *all = json_array();

    (void)json_object_set_new(answer, "objects", all);
    return t->driver->sweep(t->self, text(op, "prefix") ? text(op, "prefix") : "",
                            number(op, "before_us", fo_clock_now() + 1000000), NULL, add_object, all, err);
}

/* Where a part begins in the object. */
static int64_t
offset_of(const json_t *parts, size_t index)
{
    int64_t offset = 0;

    for (size_t i = 0; i < index; i++) {
        FO_AUTO(fo_str_done) fo_str data = FO_STR_MAX((size_t)1 << 30);

        (void)fo_base64_decode(&data, json_string_value(json_array_get(parts, i)));
        offset += (int64_t)data.len;
    }
    return offset;
}

/* Parts are sent in the order of "order" (numbers from 1), or as they stand. "stop": closed without a commit.
 */
static finops_code
do_upload(tool *t, const json_t *op, json_t *answer, finops_error **err)
{
    finops_metadata metadata[METADATA_MAX];
    const finops_put put = put_of(op, metadata);
    const json_t *parts = json_object_get(op, "parts"), *order = json_object_get(op, "order");
    size_t n = json_array_size(parts);
    finops_upload *u = NULL;
    int64_t size = 0;
    finops_object o;
    finops_code rc = t->driver->upload(t->self, &put, &u, err);

    if (rc != FINOPS_OK)
        return rc;
    for (size_t i = 0; i < n && rc == FINOPS_OK; i++) {
        FO_AUTO(fo_str_done) fo_str data = FO_STR_MAX((size_t)1 << 30);
        size_t number_of = order ? (size_t)json_integer_value(json_array_get(order, i)) : i + 1;

        (void)fo_base64_decode(&data, json_string_value(json_array_get(parts, number_of - 1)));
        size += (int64_t)data.len;
        rc = u->part(u, (unsigned)number_of, offset_of(parts, number_of - 1), fo_str_z(&data), data.len, NULL,
                     err);
    }
    if (rc == FINOPS_OK && !truth(op, "stop")) {
        rc = u->commit(u, (unsigned)n, size, NULL, &o, err);
        if (rc == FINOPS_OK)
            set_object(answer, &o);
    }
    u->close(u);
    return rc;
}

/* "keys" got over and over by "threads" at once: the seconds it takes. */
typedef struct bench {
    tool *t;
    const json_t *op;
    size_t n, next;
    pthread_mutex_t lock;
    int failed;
} bench;

static void *
bench_thread(void *arg)
{
    bench *b = arg;
    const json_t *keys = json_object_get(b->op, "keys");
    FO_AUTO(fo_str_done) fo_str data = FO_STR_MAX((size_t)1 << 30);
    static _Thread_local char buffer[65536];

    (void)fo_base64_decode(&data, text(b->op, "data") ? text(b->op, "data") : "");
    for (;;) {
        finops_reader *reader = NULL;
        finops_code rc;
        size_t i, n = 1;

        (void)pthread_mutex_lock(&b->lock);
        i = b->next++;
        (void)pthread_mutex_unlock(&b->lock);
        if (i >= b->n)
            return NULL;
        const char *key = json_string_value(json_array_get(keys, i));
        if (truth(b->op, "put")) {
            const finops_put put = { .key = key, .size = (int64_t)data.len };

            rc = b->t->driver->put(b->t->self, &put, data.data, data.len, NULL, NULL);
        } else {
            const finops_get get = { .key = key, .length = -1 };

            rc = b->t->driver->read(b->t->self, &get, &reader, NULL);
            while (rc == FINOPS_OK && n > 0)
                rc = reader->read(reader, buffer, sizeof(buffer), &n, NULL);
            if (reader)
                reader->close(reader);
        }
        if (rc != FINOPS_OK) {
            (void)pthread_mutex_lock(&b->lock);
            b->failed++;
            (void)pthread_mutex_unlock(&b->lock);
        }
    }
}

static finops_code
do_bench(tool *t, const json_t *op, json_t *answer, finops_error **err)
{
    bench b = {
        .t = t, .op = op, .n = json_array_size(json_object_get(op, "keys")), .lock = PTHREAD_MUTEX_INITIALIZER
    };
    size_t n = (size_t)number(op, "threads", 16);
    FO_AUTO(fo_freep) pthread_t *threads = fo_array(n, sizeof(*threads));
    int64_t begun = fo_clock_monotonic();

    for (size_t i = 0; i < n; i++)
        if (!threads || pthread_create(&threads[i], NULL, bench_thread, &b) != 0)
            return fo_error_oom(err);
    for (size_t i = 0; i < n; i++)
        (void)pthread_join(threads[i], NULL);
    (void)json_object_set_new(answer, "ms", json_real((double)(fo_clock_monotonic() - begun) / 1e3));
    (void)json_object_set_new(answer, "failed", json_integer(b.failed));
    return FINOPS_OK;
}

static json_t *run(tool *t, const json_t *op);

typedef struct one {
    pthread_t thread;
    tool *t;
    const json_t *op;
    json_t *answer;
} one;

static void *
one_thread(void *arg)
{
    one *o = arg;

    o->answer = run(o->t, o->op);
    return NULL;
}

static finops_code
do_many(tool *t, const json_t *op, json_t *answer, finops_error **err)
{
    const json_t *ops = json_object_get(op, "ops");
    size_t n = json_array_size(ops);
    FO_AUTO(fo_freep) one *all = fo_array(n + 1, sizeof(*all));
    json_t *answers = json_array();

    for (size_t i = 0; i < n; i++) {
        if (!all)
            return fo_error_oom(err);
        all[i] = (one){ .t = t, .op = json_array_get(ops, i) };
        if (pthread_create(&all[i].thread, NULL, one_thread, &all[i]) != 0)
            abort();
    }
    for (size_t i = 0; i < n; i++) {
        (void)pthread_join(all[i].thread, NULL);
        (void)json_array_append_new(answers, all[i].answer);
    }
    (void)json_object_set_new(answer, "answers", answers);
    return FINOPS_OK;
}

static void
add_case(const fo_case_result *r, void *arg)
{
    json_t *told = json_object();

    set_text(told, "area", r->area);
    set_text(told, "name", r->name);
    set_text(told, "outcome", fo_case_outcome_name(r->outcome));
    set_text(told, "why", r->why);
    (void)json_object_set_new(told, "seconds", json_real(r->seconds));
    (void)json_array_append_new(arg, told);
}

/* Puts every layer on top that there is, with its defaults. */
static finops_code
wrap(fo_stage *stage, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; fo_layers[i] && rc == FINOPS_OK; i++) {
        void *config = fo_zalloc(fo_layers[i]->config_size + 1);

        if (!config)
            return fo_error_oom(err);
        rc = fo_option_defaults(fo_layers[i]->options, config, err);
        if (rc == FINOPS_OK)
            rc = fo_layers[i]->wrap(config, "tool", *stage, stage, err);
        fo_option_clear(fo_layers[i]->options, config);
        fo_free(config);
    }
    return rc;
}

/* The conformance suite over another storage of the same options; "layers": behind them all. */
static finops_code
do_conform(tool *t, const json_t *op, json_t *answer, finops_error **err)
{
    json_t *cases = json_array();
    const fo_storage_conformance_options options = {
        .filter = text(op, "filter"), .with_long = truth(op, "long"), .each = add_case, .arg = cases
    };
    FO_AUTO(finops_storage_closep) finops_storage *storage = NULL;
    fo_conformance_summary summary = { 0 };
    fo_stage stage = { .driver = t->driver };
    finops_code rc = t->driver->open(t->config, &stage.self, err);

    (void)json_object_set_new(answer, "cases", cases);
    if (rc == FINOPS_OK && truth(op, "layers"))
        rc = wrap(&stage, err);
    if (rc == FINOPS_OK)
        rc = fo_storage_over(&stage, "tool", &storage, err);
    if (rc == FINOPS_OK)
        rc = fo_storage_conformance_run(storage, &options, &summary, err);
    if (summary.hung[0]) /* its thread still has the storage */
        (void)FO_TAKE(storage);
    return rc;
}

static const struct verb {
    const char *name;
    finops_code (*run)(tool *t, const json_t *op, json_t *answer, finops_error **err);
} verbs[] = {
    { "stat", do_stat },       { "put", do_put },         { "get", do_get },
    { "list", do_list },       { "remove", do_remove },   { "remove_many", do_remove_many },
    { "copy", do_copy },       { "presign", do_presign }, { "sweep", do_sweep },
    { "upload", do_upload },   { "bench", do_bench },     { "many", do_many },
    { "conform", do_conform },
};

static json_t *
run(tool *t, const json_t *op)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    json_t *answer = json_object();
    finops_code rc = FINOPS_E_USAGE;

    for (size_t i = 0; i < FO_COUNT(verbs); i++)
        if (fo_streq(verbs[i].name, text(op, "op")))
            rc = verbs[i].run(t, op, answer, &err);
    set_text(answer, "code", rc == FINOPS_OK ? "ok" : finops_code_name(rc));
    set_text(answer, "error", err ? finops_error_text(err) : NULL);
    set_text(answer, "hint", finops_error_hint(err));
    if (err && finops_error_retry_after(err) >= 0)
        (void)json_object_set_new(answer, "retry_after_us", json_integer(finops_error_retry_after(err)));
    return answer;
}

static finops_code
open_tool(tool *t, char **argv, finops_error **err)
{
    finops_setting settings[64];
    size_t n = 0;
    finops_code rc;

    for (size_t i = 0; fo_storage_builtin[i]; i++)
        if (strcmp(fo_storage_builtin[i]->name, argv[1]) == 0)
            t->driver = fo_storage_builtin[i];
    if (!t->driver)
        return fo_error_set(err, FINOPS_E_USAGE, "there is no driver %s", argv[1]);
    for (char **a = argv + 2; *a && n < FO_COUNT(settings); a++) {
        char *equal = strchr(*a, '=');

        if (!equal)
            return fo_error_set(err, FINOPS_E_USAGE, "no option: %s", *a);
        *equal = '\0';
        settings[n++] = (finops_setting){ *a, equal + 1 };
    }
    t->config = fo_zalloc(t->driver->config_size);
    if (!t->config)
        return fo_error_oom(err);
    rc = fo_option_fill(t->driver->options, t->driver->name, settings, n, t->config, err);
    return rc == FINOPS_OK ? t->driver->open(t->config, &t->self, err) : rc;
}

int
main(int argc, char **argv)
{
    finops_error *err = NULL;
    tool t = { 0 };
    char *line = NULL;
    size_t cap = 0;

    if (argc < 2)
        return 2;
    if (open_tool(&t, argv, &err) != FINOPS_OK) {
        fprintf(stderr, "%s\n", finops_error_text(err));
        finops_error_free(err);
        return 2;
    }
    while (getline(&line, &cap, stdin) > 0) {
        json_t *op = json_loads(line, JSON_ALLOW_NUL, NULL);
        json_t *answer = run(&t, op);

        (void)json_dumpf(answer, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
        (void)putchar('\n');
        (void)fflush(stdout);
        json_decref(answer);
        json_decref(op);
    }
    free(line);
    t.driver->close(t.self);
    fo_option_clear(t.driver->options, t.config);
    fo_free(t.config);
    return 0;
}
