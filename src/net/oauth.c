/* Tokens, and those who ask for them. */
#include "net/oauth.h"

#include <assert.h>
#include <jansson.h>
#include <stdatomic.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "finops/sys/plugin.h"
#include "net/renewal.h"

#define SECOND INT64_C(1000000)
#define LIFE_UNKNOWN 300 /* seconds a token is used whose end nobody tells */
#define NUMBER_MAX (INT64_MAX / SECOND / 2)

typedef struct token {
    atomic_uint held;
    char *text;
} token;

struct fo_oauth {
    fo_oauth_fetch fetch;
    void *arg;
    fo_renewal *renewal;
};

static void
token_hold(void *value)
{
    atomic_fetch_add(&((token *)value)->held, 1);
}

static void
token_release(void *value)
{
    token *t = value;

    if (atomic_fetch_sub(&t->held, 1) > 1)
        return;
    explicit_bzero(t->text, strlen(t->text));
    fo_free(t->text);
    fo_free(t);
}

static finops_code
token_fetch(void *arg, const finops_call *call, void **ret, int64_t *ret_expires_us, finops_error **err)
{
    fo_oauth *o = arg;
    fo_str text = FO_STR_MAX(FO_TOKEN_MAX);
    token *t = fo_zalloc(sizeof(*t));
    finops_code rc = t ? o->fetch(o->arg, call, &text, ret_expires_us, err) : fo_error_oom(err);

    if (rc == FINOPS_OK) {
        t->text = fo_str_take(&text);
        rc = t->text ? FINOPS_OK : fo_error_oom(err);
    }
    fo_str_done(&text);
    if (rc != FINOPS_OK) {
        fo_free(t);
        return rc;
    }
    atomic_init(&t->held, 1);
    *ret = t;
    return FINOPS_OK;
}

static const fo_renewal_ops token_ops = {
    .fetch = token_fetch, .hold = token_hold, .release = token_release, .what = "tokens"
};

fo_oauth *
fo_oauth_new(fo_oauth_fetch fetch, void *arg)
{
    fo_oauth *o = fo_zalloc(sizeof(*o));

    assert(fetch);

    if (!o)
        return NULL;
    o->fetch = fetch;
    o->arg = arg;
    o->renewal = fo_renewal_new(&token_ops, o);
    if (!o->renewal) {
        fo_free(o);
        return NULL;
    }
    return o;
}

void
fo_oauth_free(fo_oauth *o)
{
    if (!o)
        return;
    fo_renewal_free(o->renewal);
    fo_free(o);
}

finops_code
fo_oauth_get(fo_oauth *o, const finops_call *call, fo_str *ret, finops_error **err)
{
    void *value = NULL;
    finops_code rc;

    assert(o && ret);

    rc = fo_renewal_get(o->renewal, call, &value, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_str_add(ret, ((token *)value)->text);
    token_release(value);
    return fo_str_check(ret, err);
}

static bool
is_text(const void *value, const void *meant)
{
    return strcmp(((const token *)value)->text, meant) == 0;
}

void
fo_oauth_expired(fo_oauth *o, const char *text)
{
    assert(o && text);
    fo_renewal_drop(o->renewal, is_text, text);
}

/* ---- asking ---- */

void
fo_oauth_field(fo_str *form, const char *name, const char *value)
{
    if (!value || !*value)
        return;
    fo_str_addf(form, "%s%s=", form->len > 0 ? "&" : "", name);
    fo_url_escape(form, value, false);
}

/* Some services write numbers as texts. -1: there is none that could be one of seconds. */
static int64_t
number_of(const json_t *json, const char *name)
{
    const json_t *v = json_object_get(json, name);
    unsigned long long n;

    if (json_is_integer(v) && json_integer_value(v) >= 0)
        n = (unsigned long long)json_integer_value(v);
    else if (!json_is_string(v) || !fo_parse_u64(json_string_value(v), &n))
        return -1;
    return n < NUMBER_MAX ? (int64_t)n : -1;
}

/* Azure's machines say 410 while their service is being renewed. */
static finops_code
code_of(int status)
{
    if (status == 429)
        return FINOPS_E_THROTTLED;
    return status >= 500 || status == 408 || status == 410 ? FINOPS_E_TRANSIENT : FINOPS_E_AUTH;
}

/* The service's words have no secrets in them; those that follow a line break are numbers for its support. */
static finops_code
refused(const fo_http_exchange *e, const json_t *json, const char *who, finops_error **err)
{
    int status = fo_http_status(e);
    int64_t after = fo_http_retry_after(e);
    const char *what = json_string_value(json_object_get(json, "error"));
    const char *why = json_string_value(json_object_get(json, "error_description"));
    size_t n = why ? strcspn(why, "\r\n") : 0;
    finops_code rc = code_of(status);

    rc = fo_error_set(err, rc, "%s answered %d%s%.60s%s%.*s", who, status, what ? " " : "", what ? what : "",
                      why ? ": " : "", (int)(n < 300 ? n : 300), why ? why : "");
    if (err && after >= 0)
        finops_error_set_retry_after(*err, after);
    return rc;
}

static finops_code
take_token(const json_t *json, const char *who, fo_str *ret, int64_t *ret_expires_us, finops_error **err)
{
    const char *text = json_string_value(json_object_get(json, "access_token"));
    int64_t in = number_of(json, "expires_in"), on = number_of(json, "expires_on");

    if (!text || !*text)
        return fo_error_set(err, FINOPS_E_AUTH, "%s answered without a token", who);
    fo_str_add(ret, text);
    if (in < 0 && on > 0)
        *ret_expires_us = on * SECOND;
    else
        *ret_expires_us = fo_clock_now() + (in >= 0 ? in : LIFE_UNKNOWN) * SECOND;
    return fo_str_check(ret, err);
}

finops_code
fo_oauth_ask(fo_http_client *http, const fo_http_request *request, const char *who, fo_str *ret,
             int64_t *ret_expires_us, finops_error **err)
{
    FO_AUTO(fo_http_endp) fo_http_exchange *e = NULL;
    FO_AUTO(fo_str_done) fo_str answer = FO_STR_MAX(FO_TOKEN_MAX);
    finops_code rc = fo_http_begin(http, request, &e, err);
    json_t *json;

    if (rc == FINOPS_OK)
        rc = fo_http_body(e, &answer, err);
    if (rc != FINOPS_OK)
        return fo_error_wrap(err, rc, "%s", who);
    json = json_loadb(fo_str_z(&answer), answer.len, 0, NULL);
    rc = fo_http_status(e) == 200 ? take_token(json, who, ret, ret_expires_us, err)
                                  : refused(e, json, who, err);
    json_decref(json);
    if (answer.data)
        explicit_bzero(answer.data, answer.len);
    return rc;
}
