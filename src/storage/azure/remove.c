/* Removing, one by one and in batches: https://learn.microsoft.com/rest/api/storageservices/blob-batch */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "storage/azure/azure_internal.h"
#include "storage/object.h"

#define BATCH_MAX 256
#define BOUNDARY "batch_finops_7c1d2e0a9b"

/* A version that is asked for of nothing: some answer that it is not this one. */
static bool
is_gone(azure_storage *s, const finops_remove *remove)
{
    FO_AUTO(finops_object_done) finops_object o = { 0 };

    return azure_stat(s, remove->key, remove->call, &o, NULL) == FINOPS_E_NOT_FOUND;
}

finops_code
azure_remove(void *self, const finops_remove *remove, finops_error **err)
{
    FO_AUTO(azure_request_done)
    azure_request r = { .method = "DELETE", .key = remove->key, .call = remove->call };
    finops_error *why = NULL;
    finops_code rc;

    fo_headers_add_version(&r.headers, "if-match", remove->if_version);
    rc = azure_send_only(self, &r, &why);
    if (rc == FINOPS_E_NOT_FOUND ||
        (rc == FINOPS_E_PRECONDITION && strcmp(r.code, "ConditionNotMet") == 0 && is_gone(self, remove))) {
        finops_error_free(FO_TAKE(why));
        rc = FINOPS_OK;
    }
    if (rc != FINOPS_OK && err)
        *err = why;
    else
        finops_error_free(why);
    return rc;
}

/* ---- a batch ---- */

static void
add_lines(fo_str *body, const fo_headers *headers)
{
    for (size_t i = 0; i < headers->n; i++)
        fo_str_addf(body, "%s: %s\r\n", headers->items[i].name, headers->items[i].value);
}

/* One request in the body of another, signed by itself; x-ms-version is the other's. */
static finops_code
add_one(azure_storage *s, size_t index, const char *key, const finops_call *call, fo_str *body,
        finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str url = FO_STR_MAX(AZURE_TEXT_MAX);
    FO_AUTO(fo_headers_done) fo_headers headers = { 0 };
    azure_signed sign = { .method = "DELETE" };
    finops_code rc = azure_place(s, key, &url, err);

    if (rc != FINOPS_OK)
        return rc;
    sign.path = strchr(strstr(url.data, "://") + 3, '/');
    rc = azure_authorize(s->auth, &sign, call, &headers, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_str_addf(body,
                "--" BOUNDARY "\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
                "Content-ID: %zu\r\n\r\nDELETE %s%s%s HTTP/1.1\r\n",
                index, sign.path, s->auth->kind == AZURE_BY_SAS ? "?" : "",
                s->auth->kind == AZURE_BY_SAS ? s->auth->sas : "");
    add_lines(body, &headers);
    fo_str_add(body, "Content-Length: 0\r\n\r\n");
    return FINOPS_OK;
}

typedef struct batch {
    azure_storage *s;
    const char *const *keys;
    size_t n;
    size_t first; /* index of keys[0] among the caller's */
    bool told[BATCH_MAX];
    finops_each_removed each;
    void *arg;
} batch;

/* The value of a header in text that ends at `end`; *ret_n bytes. */
static const char *
value_in(const char *text, const char *end, const char *name, size_t *ret_n)
{
    size_t n = strlen(name);

    while (text < end) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));

        if (!line_end)
            line_end = end;
        if ((size_t)(line_end - text) > n && strncasecmp(text, name, n) == 0 && text[n] == ':') {
            text += n + 1;
            while (text < line_end && *text == ' ')
                text++;
            while (line_end > text && (line_end[-1] == '\r' || line_end[-1] == ' '))
                line_end--;
            *ret_n = (size_t)(line_end - text);
            return text;
        }
        text = line_end + 1;
    }
    return NULL;
}

static size_t
number(const char *text, size_t n)
{
    size_t v = 0;

    for (size_t i = 0; i < n && fo_is_digit(text[i]) && v < BATCH_MAX; i++)
        v = v * 10 + (size_t)(text[i] - '0');
    return v;
}

/* One part of the answer: whose it is, and what became of it. */
static void
tell_one(batch *b, const char *part, const char *end)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    size_t id_n = 0, code_n = 0, index;
    const char *id = value_in(part, end, "Content-ID", &id_n);
    const char *status = memmem(part, (size_t)(end - part), "HTTP/1.1 ", 9);
    const char *code = value_in(part, end, "x-ms-error-code", &code_n);
    char name[64] = "";
    finops_code rc;

    index = id && id_n > 0 ? number(id, id_n) : b->n;
    if (index >= b->n || b->told[index] || !status)
        return;
    b->told[index] = true;
    if (code)
        (void)snprintf(name, sizeof(name), "%.*s", (int)code_n, code);
    status += 9;
    if (number(status, 1) == 2) {
        b->each(b->first + index, NULL, b->arg);
        return;
    }
    rc = azure_code_of((int)(number(status, 1) * 100 + number(status + 1, 2)), name);
    if (rc != FINOPS_E_NOT_FOUND)
        fo_error_set(&err, rc, "azure DELETE %s/%s%s: %.3s %s", b->s->container, b->s->prefix, b->keys[index],
                     status, name);
    b->each(b->first + index, err, b->arg);
}

/* Parts stand between lines of the boundary. */
static finops_code
tell_all(batch *b, const fo_http_exchange *e, const fo_str *answer, finops_error **err)
{
    const char *type = fo_http_header_value(e, "content-type");
    const char *boundary = type ? strstr(type, "boundary=") : NULL;
    FO_AUTO(fo_str_done) fo_str line = FO_STR_MAX(AZURE_TEXT_MAX);
    const char *at, *next, *end = fo_str_z(answer) + answer->len;
    finops_code rc;

    if (!boundary)
        return fo_error_set(err, FINOPS_E_TRANSIENT, "azure batch of %s: the answer has no parts",
                            b->s->container);
    boundary += strlen("boundary=");
    fo_str_addf(&line, "--%.*s", (int)strcspn(boundary + (*boundary == '"'), "\";"),
                boundary + (*boundary == '"'));
    rc = fo_str_check(&line, err);
    if (rc != FINOPS_OK)
        return rc;
    for (at = strstr(fo_str_z(answer), line.data); at; at = next) {
        at += line.len;
        next = memmem(at, (size_t)(end - at), line.data, line.len);
        tell_one(b, at, next ? next : end);
    }
    for (size_t i = 0; i < b->n; i++)
        if (!b->told[i])
            return fo_error_set(err, FINOPS_E_TRANSIENT, "azure batch of %s: the answer tells of some only",
                                b->s->container);
    return FINOPS_OK;
}

static finops_code
send_batch(batch *b, const finops_call *call, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str body = FO_STR_MAX(AZURE_ANSWER_MAX), answer = FO_STR_MAX(AZURE_ANSWER_MAX);
    FO_AUTO(azure_request_done)
    azure_request r = { .method = "POST", .query = "restype=container&comp=batch", .call = call };
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; i < b->n && rc == FINOPS_OK; i++)
        rc = add_one(b->s, i, b->keys[i], call, &body, err);
    fo_str_add(&body, "--" BOUNDARY "--\r\n");
    if (rc == FINOPS_OK)
        rc = fo_str_check(&body, err);
    if (rc != FINOPS_OK)
        return rc;
    r.body = fo_str_z(&body);
    r.body_size = body.len;
    fo_headers_add(&r.headers, "content-type", "multipart/mixed; boundary=" BOUNDARY);
    rc = azure_send(b->s, &r, &e, err);
    if (rc == FINOPS_OK)
        rc = fo_http_body(e, &answer, err);
    return rc == FINOPS_OK ? tell_all(b, e, &answer, err) : rc;
}

static void
nobody(size_t index, const finops_error *err, void *arg)
{
    (void)index;
    (void)err;
    (void)arg;
}

/* A shared access signature may be for less than a batch, and emulators take none in its parts. */
static finops_code
one_by_one(azure_storage *s, const char *const *keys, size_t n, const finops_call *call,
           finops_each_removed each, void *arg, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; i < n && rc == FINOPS_OK; i++) {
        FO_AUTO(finops_error_freep) finops_error *why = NULL;

        rc = fo_call_check(call, err);
        if (rc != FINOPS_OK)
            return rc;
        if (azure_remove(s, &(finops_remove){ .key = keys[i], .call = call }, &why) != FINOPS_OK && !why)
            return fo_error_oom(err); /* a failure that could not be told is none that may be hidden */
        each(i, why, arg);
    }
    return rc;
}

finops_code
azure_remove_many(void *self, const char *const *keys, size_t n, const finops_call *call,
                  finops_each_removed each, void *arg, finops_error **err)
{
    azure_storage *s = self;
    finops_code rc = FINOPS_OK;

    if (s->auth->kind == AZURE_BY_SAS)
        return one_by_one(s, keys, n, call, each ? each : nobody, arg, err);
    for (size_t at = 0; at < n && rc == FINOPS_OK; at += BATCH_MAX) {
        batch b = { .s = s,
                    .keys = keys + at,
                    .n = n - at < BATCH_MAX ? n - at : BATCH_MAX,
                    .first = at,
                    .each = each ? each : nobody,
                    .arg = arg };

        rc = send_batch(&b, call, err);
    }
    return rc;
}
