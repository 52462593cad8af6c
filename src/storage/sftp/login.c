/* Logging in: a key of a file, the agent's keys, the user's own keys, a password. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "storage/sftp/session.h"

#define PROMPTS_MAX 8

char *
sf_home_path(const char *path)
{
    const char *home = getenv("HOME");

    if (!fo_starts(path, "~/") || !home)
        return fo_strdup(path);
    return fo_format("%s%s", home, path + 1);
}

/* One attempt, until the server has answered it. */
typedef int (*attempt_fn)(const sf_target *t, ssh_session session, ssh_key key);

static int
by_nothing(const sf_target *t, ssh_session session, ssh_key key)
{
    (void)t, (void)key;
    return ssh_userauth_none(session, NULL);
}

static int
by_key(const sf_target *t, ssh_session session, ssh_key key)
{
    (void)t;
    return ssh_userauth_publickey(session, NULL, key);
}

static int
by_agent(const sf_target *t, ssh_session session, ssh_key key)
{
    (void)t, (void)key;
    return ssh_userauth_agent(session, NULL);
}

static int
by_password(const sf_target *t, ssh_session session, ssh_key key)
{
    (void)key;
    return ssh_userauth_password(session, NULL, t->password);
}

/* Every question whose answer is not shown is one for the password. */
static int
by_prompts(const sf_target *t, ssh_session session, ssh_key key)
{
    int rc = ssh_userauth_kbdint(session, NULL, NULL);

    (void)key;
    for (unsigned i = 0; rc == SSH_AUTH_INFO && i < PROMPTS_MAX; i++) {
        for (unsigned k = 0; k < (unsigned)ssh_userauth_kbdint_getnprompts(session); k++) {
            char shown = 0;

            (void)ssh_userauth_kbdint_getprompt(session, k, &shown);
            if (ssh_userauth_kbdint_setanswer(session, k, shown ? "" : t->password) < 0)
                return SSH_AUTH_ERROR;
        }
        rc = ssh_userauth_kbdint(session, NULL, NULL);
    }
    return rc == SSH_AUTH_INFO ? SSH_AUTH_DENIED : rc;
}

/* *ret_in: nothing more is asked for. FINOPS_OK also when this was refused. */
static finops_code
attempt(const sf_target *t, ssh_session session, attempt_fn how, ssh_key key, const sf_limits *limits,
        bool *ret_in, finops_error **err)
{
    int answer;

    while ((answer = how(t, session, key)) == SSH_AUTH_AGAIN) {
        finops_code rc = sf_session_pause(session, limits, err);

        if (rc != FINOPS_OK)
            return rc;
    }
    *ret_in = answer == SSH_AUTH_SUCCESS;
    if (answer == SSH_AUTH_ERROR && !ssh_is_connected(session))
        return fo_error_set(err, FINOPS_E_AUTH, "log in as %s: the server has hung up: %s", t->user,
                            ssh_get_error(session));
    return FINOPS_OK;
}

/* ---- keys ---- */

/* Instead of a question on the terminal. */
static int
no_question(const char *prompt, char *buf, size_t len, int echo, int verify, void *arg)
{
    (void)prompt, (void)buf, (void)len, (void)echo, (void)verify, (void)arg;
    return -1;
}

static finops_code
key_load(const char *path, const char *passphrase, ssh_key *ret, finops_error **err)
{
    struct stat st;
    int rc;

    if (stat(path, &st) != 0) {
        (void)fo_error_errno(err, errno, "private_key %s", path);
        return fo_error_wrap(err, FINOPS_E_CONFIG, "log in");
    }
    if (st.st_mode & (S_IRWXG | S_IRWXO)) {
        (void)fo_error_set(err, FINOPS_E_CONFIG, "private_key %s can be read by others", path);
        fo_error_hint(err, "chmod 600 %s", path);
        return FINOPS_E_CONFIG;
    }
    rc = ssh_pki_import_privkey_file(path, passphrase, no_question, NULL, ret);
    if (rc == SSH_OK)
        return FINOPS_OK;
    return fo_error_set(err, FINOPS_E_CONFIG,
                        passphrase ? "private_key %s cannot be opened with private_key_passphrase"
                                   : "private_key %s is no key, or needs private_key_passphrase",
                        path);
}

static finops_code
with_file(const sf_target *t, ssh_session session, const sf_limits *limits, bool *ret_in, finops_error **err)
{
    FO_AUTO(fo_freep) char *path = sf_home_path(t->private_key);
    ssh_key key = NULL;
    finops_code rc;

    if (!path)
        return fo_error_oom(err);
    rc = key_load(path, t->private_key_passphrase, &key, err);
    if (rc == FINOPS_OK)
        rc = attempt(t, session, by_key, key, limits, ret_in, err);
    ssh_key_free(key);
    return rc;
}

/* Those of the user's own that can be opened without asking. */
static finops_code
with_own_keys(const sf_target *t, ssh_session session, const sf_limits *limits, bool *ret_in,
              finops_error **err)
{
    static const char *const names[] = { "~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa" };
    finops_code rc = FINOPS_OK;

    for (size_t i = 0; i < FO_COUNT(names) && rc == FINOPS_OK && !*ret_in; i++) {
        FO_AUTO(fo_freep) char *path = sf_home_path(names[i]);
        ssh_key key = NULL;

        if (!path)
            return fo_error_oom(err);
        if (key_load(path, NULL, &key, NULL) == FINOPS_OK)
            rc = attempt(t, session, by_key, key, limits, ret_in, err);
        ssh_key_free(key);
    }
    return rc;
}

static finops_code
with_keys(const sf_target *t, ssh_session session, const sf_limits *limits, bool *ret_in, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (t->private_key)
        return with_file(t, session, limits, ret_in, err);
    if (t->agent)
        rc = attempt(t, session, by_agent, NULL, limits, ret_in, err);
    if (rc == FINOPS_OK && !*ret_in && !t->password)
        rc = with_own_keys(t, session, limits, ret_in, err);
    return rc;
}

/* SSH_AUTH_METHOD_* the server still takes. */
static unsigned
methods_of(ssh_session session)
{
    return (unsigned)ssh_userauth_list(session, NULL);
}

static finops_code
refused(const sf_target *t, ssh_session session, finops_error **err)
{
    unsigned methods = methods_of(session);

    (void)fo_error_set(err, FINOPS_E_AUTH, "log in as %s: refused; the server takes%s%s%s", t->user,
                       methods & SSH_AUTH_METHOD_PUBLICKEY ? " keys" : "",
                       methods & SSH_AUTH_METHOD_PASSWORD ? " passwords" : "",
                       methods & SSH_AUTH_METHOD_INTERACTIVE ? " answers to prompts" : "");
    if (!t->private_key && !t->password)
        fo_error_hint(err, "set private_key or password, or add a key to the agent");
    return FINOPS_E_AUTH;
}

finops_code
sf_login(const sf_target *target, ssh_session session, const sf_limits *limits, finops_error **err)
{
    bool in = false;
    finops_code rc = attempt(target, session, by_nothing, NULL, limits, &in, err);

    if (rc == FINOPS_OK && !in && methods_of(session) & SSH_AUTH_METHOD_PUBLICKEY)
        rc = with_keys(target, session, limits, &in, err);
    if (rc == FINOPS_OK && !in && target->password && methods_of(session) & SSH_AUTH_METHOD_PASSWORD)
        rc = attempt(target, session, by_password, NULL, limits, &in, err);
    if (rc == FINOPS_OK && !in && target->password && methods_of(session) & SSH_AUTH_METHOD_INTERACTIVE)
        rc = attempt(target, session, by_prompts, NULL, limits, &in, err);
    if (rc != FINOPS_OK || in)
        return rc;
    return refused(target, session, err);
}
