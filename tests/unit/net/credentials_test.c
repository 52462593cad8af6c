/* Where credentials come from, in which order, and when they are renewed. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "net/credentials.h"
#include "net/http_fixture.h"

#include "support/lateness.h"

#define SECOND 1000000LL

/* ---- an environment of the test's own ---- */

static const char *names[16], *values[16];
static size_t n_names;

static const char *
env(const char *name)
{
    for (size_t i = 0; i < n_names; i++)
        if (strcmp(names[i], name) == 0)
            return values[i];
    return NULL;
}

static void
set(const char *name, const char *value)
{
    assert_true(n_names < FO_COUNT(names));
    names[n_names] = name;
    values[n_names++] = value;
}

static char home[] = "/tmp/finops-net-XXXXXX";
static char aws[64], sso[64];

static void
write_file(const char *name, const char *text)
{
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/%s", home, name);
    assert_int_equal(fo_file_write_atomic(path, text, strlen(text), 0600, NULL), FINOPS_OK);
}

static int
group_setup(void **state)
{
    (void)state;
    if (!mkdtemp(home))
        return -1;
    (void)snprintf(aws, sizeof(aws), "%s/.aws", home);
    (void)snprintf(sso, sizeof(sso), "%s/.aws/sso/cache", home);
    return fo_mkdirs(sso, NULL) == FINOPS_OK ? 0 : -1;
}

static int
group_teardown(void **state)
{
    FO_AUTO(fo_strv_done) fo_strv all = FO_STRV_INIT;
    static const char *const folders[] = { "/.aws/sso/cache", "/.aws/sso", "/.aws", "" };
    char path[200];

    (void)state;
    (void)fo_walk(home, &all, NULL);
    for (size_t i = 0; i < all.n; i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", home, all.items[i]);
        (void)unlink(path);
    }
    for (size_t i = 0; i < FO_COUNT(folders); i++) {
        (void)snprintf(path, sizeof(path), "%s%s", home, folders[i]);
        (void)rmdir(path);
    }
    return 0;
}

static int
setup(void **state)
{
    (void)state;
    n_names = 0;
    set("HOME", home);
    set("AWS_EC2_METADATA_DISABLED", "true");
    write_file(".aws/config", "");
    write_file(".aws/credentials", "");
    fo_clock_fix(1700000000 * SECOND); /* 2023-11-14T22:13:20Z */
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    fo_clock_fix(-1);
    return 0;
}

static fo_aws_chain *
chain_of(http_fixture *f, const fo_aws_options *given)
{
    fo_aws_options options = given ? *given : (fo_aws_options){ 0 };
    fo_aws_chain *chain = NULL;

    options.http = f->client;
    options.env = env;
    assert_int_equal(fo_aws_chain_new(&options, &chain, NULL), FINOPS_OK);
    return chain;
}

/* "id/secret/token from source", or the error. */
static void
expect_keys(fo_aws_chain *chain, const char *want)
{
    FO_AUTO(finops_error_freep) finops_error *err = NULL;
    FO_AUTO(fo_aws_keys_releasep) const fo_aws_keys *k = NULL;
    char have[1000];

    if (fo_aws_chain_keys(chain, NULL, &k, &err) == FINOPS_OK)
        (void)snprintf(have, sizeof(have), "%s/%s/%s from %s", k->keys.access_key_id,
                       k->keys.secret_access_key, k->keys.session_token ? k->keys.session_token : "",
                       k->source);
    else
        (void)snprintf(have, sizeof(have), "%s: %s", finops_code_name(finops_error_code(err)),
                       finops_error_text(err));
    assert_string_equal(have, want);
}

static void
expect_found(const fo_aws_options *options, const char *want)
{
    http_fixture f;
    fo_aws_chain *chain;

    fixture_open(&f, fake_http_script(NULL, 0), NULL);
    chain = chain_of(&f, options);
    expect_keys(chain, want);
    fo_aws_chain_free(chain);
    fixture_close(&f);
}

/* ---- the order ---- */

static void
what_is_given_goes_before_all(void **state)
{
    const fo_aws_options given = { .access_key_id = "gid", .secret_access_key = "gs", .session_token = "gt" };
    const fo_aws_options half = { .access_key_id = "gid" };

    (void)state;
    set("AWS_ACCESS_KEY_ID", "eid");
    set("AWS_SECRET_ACCESS_KEY", "es");
    expect_found(&given, "gid/gs/gt from configuration");
    expect_found(NULL, "eid/es/ from environment");
    expect_found(&half,
                 "config: access_key_id and secret_access_key belong together: secret_access_key is missing");
}

static void
a_profile_that_is_given_goes_before_the_environment(void **state)
{
    const fo_aws_options given = { .profile = "p" };

    (void)state;
    set("AWS_ACCESS_KEY_ID", "eid");
    set("AWS_SECRET_ACCESS_KEY", "es");
    write_file(".aws/credentials", "[p]\naws_access_key_id = pid\naws_secret_access_key=ps # of p\n");
    expect_found(&given, "pid/ps/ from profile");
}

static void
the_file_of_credentials_goes_before_the_other(void **state)
{
    (void)state;
    write_file(".aws/config",
               "[default]\r\nregion = eu-west-3\r\naws_access_key_id = cid\r\naws_secret_access_key = cs\r\n"
               "s3 =\r\n  aws_access_key_id = nested\r\n[profile empty]\r\n");
    expect_found(NULL, "cid/cs/ from profile");
    write_file(".aws/credentials", "# all\n[default]\naws_access_key_id = id\naws_secret_access_key = s\n"
                                   "aws_session_token = t\n");
    expect_found(NULL, "id/s/t from profile");
    set("AWS_PROFILE", "empty");
    expect_found(NULL, "config: profile empty says nothing of credentials");
    values[n_names - 1] = "other";
    expect_found(NULL, "config: there is no profile other in ~/.aws/config and ~/.aws/credentials");
}

static void
nothing_found_says_where_was_looked(void **state)
{
    (void)state;
    expect_found(
        NULL, "auth: no AWS credentials: none in the configuration, the environment, ~/.aws, a container or "
              "this machine");
}

static void
the_region_comes_from_the_environment_or_the_profile(void **state)
{
    FO_AUTO(fo_freep) char *region = NULL;
    const fo_aws_options o = { .env = env };

    (void)state;
    assert_int_equal(fo_aws_region(&o, &region, NULL), FINOPS_OK);
    assert_null(region);
    write_file(".aws/config", "[profile x]\nregion=sa-east-1\n");
    set("AWS_PROFILE", "x");
    assert_int_equal(fo_aws_region(&o, &region, NULL), FINOPS_OK);
    assert_string_equal(region, "sa-east-1");
    fo_freep(&region);
    set("AWS_DEFAULT_REGION", "eu-west-1");
    assert_int_equal(fo_aws_region(&o, &region, NULL), FINOPS_OK);
    assert_string_equal(region, "eu-west-1");
}

/* ---- processes ---- */

static void
a_process_prints_them(void **state)
{
    (void)state;
    write_file(
        ".aws/config",
        "[default]\ncredential_process = printf '{\"Version\":1,\"AccessKeyId\":\"%s\",\"SecretAccessKey\":"
        "\"b c\",\"SessionToken\":\"t\",\"Expiration\":\"2023-11-14T23:13:20Z\"}' \"a\"\\ x\n");
    expect_found(NULL, "a x/b c/t from process");
    write_file(".aws/config", "[default]\ncredential_process = sh -c 'echo secret; exit 3'\n");
    expect_found(NULL, "auth: credential_process: sh ended with status 3");
    write_file(".aws/config", "[default]\ncredential_process = echo {}\n");
    expect_found(NULL,
                 "auth: credential_process: its output: the answer has no AccessKeyId and SecretAccessKey");
    write_file(".aws/config", "[default]\ncredential_process = /does/not/exist\n");
    expect_found(NULL, "not_found: credential_process: start /does/not/exist: no such file or directory");
    write_file(".aws/config", "[default]\ncredential_process = 'open\n");
    expect_found(NULL, "config: credential_process: a command with an open quote, or none");
}

static bool
later(void *arg)
{
    return fo_clock_monotonic() >= *(const int64_t *)arg;
}

static int64_t
process_is_late(void *arg)
{
    const fo_aws_keys *keys;
    int64_t when = fo_clock_monotonic() + 150000;
    const finops_call call = { .cancelled = later, .arg = &when };

    assert_int_equal(fo_aws_chain_keys(arg, &call, &keys, NULL), FINOPS_E_CANCELLED);
    return fo_clock_monotonic() - when;
}

static void
a_process_that_hangs_is_killed_when_the_call_is_over(void **state)
{
    http_fixture f;
    fo_aws_chain *chain;

    (void)state;
    write_file(".aws/config", "[default]\ncredential_process = sleep 60\n");
    fixture_open(&f, fake_http_script(NULL, 0), NULL);
    chain = chain_of(&f, NULL);
    assert_in_time(process_is_late, chain, 100000);
    fo_aws_chain_free(chain);
    fixture_close(&f);
}

/* ---- services ---- */

#define STS_ANSWER(id, end)                                                                                  \
    "<AssumeRoleResponse "                                                                                   \
    "xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult><Credentials>"                    \
    "<AccessKeyId>" id                                                                                       \
    "</AccessKeyId><SecretAccessKey>s&amp;s</SecretAccessKey><SessionToken>t</SessionToken>"                 \
    "<Expiration>" end "</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"

#define SERVED(f, ...)                                                                                       \
    static const fake_http_step script_[] = { __VA_ARGS__ };                                                 \
    http_fixture f;                                                                                          \
    fo_aws_chain *chain;                                                                                     \
    fixture_open(&f, fake_http_script(script_, FO_COUNT(script_)), NULL);                                    \
    set("AWS_ENDPOINT_URL_STS", fake_http_url(f.server));                                                    \
    set("AWS_ENDPOINT_URL_SSO", fake_http_url(f.server))

static void
a_web_identity_is_changed_for_a_role(void **state)
{
    char token[100];
    SERVED(
        f,
        { .expect =
              "POST / HTTP\ncontent-type: application/x-www-form-urlencoded\n"
              "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr"
              "&RoleSessionName=finops&WebIdentityToken=the.token",
          .status = "200 OK",
          .body = STS_ANSWER("wid", "2023-11-14T23:13:20Z") });

    (void)state;
    (void)snprintf(token, sizeof(token), "%s/token", home);
    write_file("token", "the.token\n");
    set("AWS_ROLE_ARN", "arn:aws:iam::1:role/r");
    set("AWS_WEB_IDENTITY_TOKEN_FILE", token);
    chain = chain_of(&f, NULL);
    expect_keys(chain, "wid/s&s/t from role");
    assert_null(strcasestr(fake_http_request(f.server, 0), "authorization"));
    fo_aws_chain_free(chain);
    fixture_close(&f);
}

static void
roles_are_taken_on_one_by_another(void **state)
{
    SERVED(f,
           { .expect = "RoleArn=arn%3Ainner\nauthorization: AWS4-HMAC-SHA256 Credential=base/\n"
                       "/eu-west-1/sts/aws4_request\nExternalId=x%20y\nDurationSeconds=900",
             .status = "200 OK",
             .body = STS_ANSWER("first", "2023-11-14T23:13:20Z") },
           { .expect = "RoleArn=arn%3Aouter\nCredential=first/\nx-amz-security-token: t\n"
                       "RoleSessionName=me\n/us-east-1/sts/",
             .status = "200 OK",
             .body = STS_ANSWER("second", "2023-11-14T23:13:20Z") });

    (void)state;
    write_file(".aws/config",
               "[profile outer]\nrole_arn = arn:outer\nsource_profile = inner\nrole_session_name = me\n"
               "[profile inner]\nrole_arn = arn:inner\nsource_profile = base\nexternal_id = x y\n"
               "duration_seconds = 900\nregion = eu-west-1\n"
               "[profile base]\naws_access_key_id = base\naws_secret_access_key = bs\n");
    set("AWS_PROFILE", "outer");
    chain = chain_of(&f, NULL);
    expect_keys(chain, "second/s&s/t from role");
    fo_aws_chain_free(chain);
    fixture_close(&f);
}

static void
a_role_that_is_refused_says_why(void **state)
{
    SERVED(
        f,
        { .status = "403 Forbidden",
          .body =
              "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>not you</Message>"
              "</Error></ErrorResponse>" });

    (void)state;
    write_file(".aws/config", "[default]\nrole_arn = arn:r\ncredential_source = Environment\n");
    set("AWS_PROFILE", "default");
    chain = chain_of(&f, &(fo_aws_options){ .profile = "default" });
    set("AWS_ACCESS_KEY_ID", "eid");
    set("AWS_SECRET_ACCESS_KEY", "es");
    expect_keys(chain, "auth: assume role arn:r: the token service answered 403 AccessDenied: not you");
    fo_aws_chain_free(chain);
    fixture_close(&f);
}

static void
profiles_that_lead_nowhere_are_refused(void **state)
{
    const fo_aws_options a = { .profile = "a" }, m = { .profile = "m" }, n = { .profile = "n" };

    (void)state;
    write_file(".aws/config", "[profile a]\nrole_arn = r\nsource_profile = b\n[profile b]\nrole_arn = r\n"
                              "source_profile = a\n[profile m]\nrole_arn = r\nmfa_serial = x\n"
                              "[profile n]\nrole_arn = r\n");
    expect_found(&a, "config: profile a: its source_profile leads back to it");
    expect_found(&m, "unsupported: profile m: mfa_serial asks for a code that nobody can type here");
    expect_found(
        &n, "config: profile n: role_arn needs source_profile, credential_source or web_identity_token_file");
}

static void
a_single_sign_on_is_changed_for_a_role(void **state)
{
    SERVED(f, { .expect = "GET /federation/credentials?role_name=Reader&account_id=123 \n"
                          "x-amz-sso_bearer_token: tok\r\n",
                .status = "200 OK",
                .body = "{\"roleCredentials\":{\"accessKeyId\":\"sid\",\"secretAccessKey\":\"ss\","
                        "\"sessionToken\":\"st\","
                        "\"expiration\":1700003600000}}" });

    (void)state;
    write_file(".aws/config", "[default]\nsso_session = corp\nsso_account_id = 123\nsso_role_name = Reader\n"
                              "[sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://x\n");
    /* The SHA-1 of "corp". */
    write_file(".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json",
               "{\"accessToken\":\"tok\",\"expiresAt\":\"2023-11-14T23:13:20Z\"}");
    chain = chain_of(&f, NULL);
    expect_keys(chain, "sid/ss/st from single sign-on");
    fo_aws_chain_free(chain);
    fo_clock_fix(1700007200 * SECOND);
    chain = chain_of(&f, NULL);
    expect_keys(chain, "auth: profile default: the single sign-on has expired");
    fo_aws_chain_free(chain);
    fixture_close(&f);
}

#define LOCAL_ANSWER(id, end)                                                                                \
    "{\"Code\":\"Success\",\"AccessKeyId\":\"" id                                                            \
    "\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"" end "\"}"

static void
a_container_has_a_service(void **state)
{
    char url[200];
    SERVED(f, { .expect = "GET /creds?a=b HTTP/1.1\nauthorization: Basic x\r\n",
                .status = "200 OK",
                .body = LOCAL_ANSWER("cid", "2023-11-14T23:13:20Z") });

    (void)state;
    (void)snprintf(url, sizeof(url), "%s/creds?a=b", fake_http_url(f.server));
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
    set("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic x");
    chain = chain_of(&f, NULL);
    expect_keys(chain, "cid/s/t from container");
    fo_aws_chain_free(chain);
    fixture_close(&f);
}

static void
a_container_service_elsewhere_is_not_asked(void **state)
{
    static const char *const wrong[] = { "http://example.com/", "http://127.0.0.1.evil.test/",
                                         "http://10.0.0.1/",    "http://user@127.0.0.1/",
                                         "ftp://127.0.0.1/",    "nonsense" };

    (void)state;
    for (size_t i = 0; i < FO_COUNT(wrong); i++) {
        (void)setup(NULL);
        set("AWS_CONTAINER_CREDENTIALS_FULL_URI", wrong[i]);
        expect_found(
            NULL,
            "config: AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, this machine, or an address of a "
            "container's service");
    }
}

static void
on_a_machine(http_fixture *f)
{
    (void)setup(NULL);
    values[1] = "false";
    set("AWS_EC2_METADATA_SERVICE_ENDPOINT", fake_http_url(f->server));
}

#define MACHINE_TOKEN                                                                                        \
    {                                                                                                        \
        .expect = "PUT /latest/api/token \nx-aws-ec2-metadata-token-ttl-seconds: 21600\ncontent-length: 0",  \
        .status = "200 OK", .body = "tk"                                                                     \
    }
static void
a_machine_has_a_service_with_tokens(void **state)
{
    const fo_http_options proxied = { .proxy = "http://127.0.0.1:1" };
    SERVED(
        f, MACHINE_TOKEN,
        { .expect = "GET /latest/meta-data/iam/security-credentials/ HTTP\nx-aws-ec2-metadata-token: tk\r\n",
          .status = "200 OK",
          .body = "role-one\n" },
        { .expect = "GET /latest/meta-data/iam/security-credentials/role-one HTTP\nx-aws-ec2-metadata-token: "
                    "tk\r\n",
          .status = "200 OK",
          .body = LOCAL_ANSWER("mid", "2023-11-14T23:13:20Z") });

    (void)state;
    on_a_machine(&f);
    fo_http_client_free(f.client);
    assert_int_equal(fo_http_client_new(&proxied, &f.client, NULL), FINOPS_OK);
    chain = chain_of(&f, NULL);
    expect_keys(chain, "mid/s/t from machine");
    fo_aws_chain_free(chain);
    fixture_close(&f);
}

static void
a_machine_without_a_service_is_passed_over_within_its_second(void **state)
{
    SERVED(f, { .then = FAKE_HTTP_STALL }, { .status = "404 Not Found" });
    int64_t begun;

    (void)state;
    on_a_machine(&f);
    for (int i = 0; i < 2; i++) {
        chain = chain_of(&f, NULL);
        begun = fo_clock_monotonic();
        expect_keys(
            chain,
            "auth: no AWS credentials: none in the configuration, the environment, ~/.aws, a container or "
            "this machine");
        assert_in_range(fo_clock_monotonic() - begun, 0, 1500000);
        fo_aws_chain_free(chain);
    }
    fixture_close(&f);
}

/* ---- renewal ---- */

typedef struct service {
    pthread_mutex_t lock;
    int fetched;
    bool broken;
    unsigned pause_ms;
} service;

static void
container_service(fake_http_conn *conn, const char *request, size_t n, void *arg)
{
    service *s = arg;
    char body[300], end[FO_TIME_TEXT];
    bool broken;

    (void)request;
    (void)n;
    (void)pthread_mutex_lock(&s->lock);
    broken = s->broken;
    (void)snprintf(body, sizeof(body), LOCAL_ANSWER("id%d", "%s"), ++s->fetched,
                   fo_time_format(fo_clock_now() + 3600 * SECOND, end));
    (void)pthread_mutex_unlock(&s->lock);
    fake_http_pause(s->pause_ms);
    if (broken)
        fake_http_reply(conn, "500 Oops", "", "", 0);
    else
        fake_http_reply(conn, "200 OK", "", body, strlen(body));
}

static void
set_broken(service *s, bool broken)
{
    (void)pthread_mutex_lock(&s->lock);
    s->broken = broken;
    (void)pthread_mutex_unlock(&s->lock);
}

static int
fetched(service *s)
{
    int n;

    (void)pthread_mutex_lock(&s->lock);
    n = s->fetched;
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}

static void
serve(http_fixture *f, service *s)
{
    static char url[100];

    *s = (service){ .lock = PTHREAD_MUTEX_INITIALIZER };
    fixture_open(f, fake_http_start(container_service, s), NULL);
    (void)snprintf(url, sizeof(url), "%s/", fake_http_url(f->server));
    set("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
}

static void
they_are_renewed_ahead_of_their_end(void **state)
{
    http_fixture f;
    service s;
    fo_aws_chain *chain;

    (void)state;
    serve(&f, &s);
    chain = chain_of(&f, NULL);
    expect_keys(chain, "id1/s/t from container");
    fo_clock_fix((1700000000 + 3299) * SECOND);
    expect_keys(chain, "id1/s/t from container");
    fo_clock_fix((1700000000 + 3301) * SECOND);
    expect_keys(chain, "id2/s/t from container");
    fo_aws_chain_free(chain);
    fixture_close(&f);
}

static void
a_renewal_that_fails_keeps_those_still_good(void **state)
{
    http_fixture f;
    service s;
    fo_aws_chain *chain;

    (void)state;
    serve(&f, &s);
    chain = chain_of(&f, NULL);
    expect_keys(chain, "id1/s/t from container");
    set_broken(&s, true);
    fo_clock_fix((1700000000 + 3301) * SECOND);
    expect_keys(chain, "id1/s/t from container");
    expect_keys(chain, "id1/s/t from container");
    assert_int_equal(fetched(&s), 2); /* not again at once */
    fo_clock_fix((1700000000 + 3600) * SECOND);
    expect_keys(chain, "transient: the container's service answered 500");
    set_broken(&s, false);
    expect_keys(chain, "id4/s/t from container");
    fo_aws_chain_free(chain);
    fixture_close(&f);
}

static void
expired_ones_are_fetched_again_once(void **state)
{
    http_fixture f;
    service s;
    fo_aws_chain *chain;
    const fo_aws_keys *a, *b;

    (void)state;
    serve(&f, &s);
    chain = chain_of(&f, NULL);
    assert_int_equal(fo_aws_chain_keys(chain, NULL, &a, NULL), FINOPS_OK);
    assert_int_equal(fo_aws_chain_keys(chain, NULL, &b, NULL), FINOPS_OK);
    assert_ptr_equal(a, b);
    assert_true(fo_aws_chain_expired(chain, a));
    expect_keys(chain, "id2/s/t from container");
    assert_true(fo_aws_chain_expired(chain, b)); /* of the same: told already */
    expect_keys(chain, "id2/s/t from container");
    fo_aws_keys_release(a);
    fo_aws_keys_release(b);
    fo_aws_chain_free(chain);
    fixture_close(&f);
}

static void *
ask_keys(void *arg)
{
    const fo_aws_keys *keys = NULL;
    bool good = fo_aws_chain_keys(arg, NULL, &keys, NULL) == FINOPS_OK;

    fo_aws_keys_release(keys);
    return good ? NULL : arg;
}

static void
many_callers_make_one_fetch(void **state)
{
    http_fixture f;
    service s;
    fo_aws_chain *chain;
    pthread_t threads[16];
    void *failed;

    (void)state;
    serve(&f, &s);
    s.pause_ms = 100;
    chain = chain_of(&f, NULL);
    for (size_t i = 0; i < FO_COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_keys, chain), 0);
    for (size_t i = 0; i < FO_COUNT(threads); i++) {
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(fetched(&s), 1);
    fo_aws_chain_free(chain);
    fixture_close(&f);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_is_given_goes_before_all),
        T(a_profile_that_is_given_goes_before_the_environment),
        T(the_file_of_credentials_goes_before_the_other),
        T(nothing_found_says_where_was_looked),
        T(the_region_comes_from_the_environment_or_the_profile),
        T(a_process_prints_them),
        T(a_process_that_hangs_is_killed_when_the_call_is_over),
        T(a_web_identity_is_changed_for_a_role),
        T(roles_are_taken_on_one_by_another),
        T(a_role_that_is_refused_says_why),
        T(profiles_that_lead_nowhere_are_refused),
        T(a_single_sign_on_is_changed_for_a_role),
        T(a_container_has_a_service),
        T(a_container_service_elsewhere_is_not_asked),
        T(a_machine_has_a_service_with_tokens),
        T(a_machine_without_a_service_is_passed_over_within_its_second),
        T(they_are_renewed_ahead_of_their_end),
        T(a_renewal_that_fails_keeps_those_still_good),
        T(expired_ones_are_fetched_again_once),
        T(many_callers_make_one_fetch),
    };

    return cmocka_run_group_tests_name("net/credentials", tests, group_setup, group_teardown);
}
