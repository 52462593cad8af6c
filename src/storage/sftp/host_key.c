/* Whether the host is the one that is meant: by the fingerprint it was pinned to, or by known_hosts. */
#include <string.h>

#include "base/mem.h"
#include "storage/sftp/session.h"

/* "SHA256:..." of the key the host has shown; free with ssh_string_free_char(). */
static finops_code
fingerprint(ssh_session session, char **ret, const char **ret_type, finops_error **err)
{
    ssh_key key = NULL;
    unsigned char *hash = NULL;
    size_t n = 0;

    if (ssh_get_server_publickey(session, &key) != SSH_OK)
        return fo_error_set(err, FINOPS_E_TRANSIENT, "the host has shown no key");
    *ret_type = ssh_key_type_to_char(ssh_key_type(key));
    if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &n) == 0) {
        *ret = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, n);
        ssh_clean_pubkey_hash(&hash);
    }
    ssh_key_free(key);
    return *ret ? FINOPS_OK : fo_error_oom(err);
}

static bool
is_pinned(char *const *pins, const char *shown)
{
    for (; *pins; pins++)
        if (strcmp(*pins, shown) == 0 || (!strchr(*pins, ':') && strcmp(*pins, strchr(shown, ':') + 1) == 0))
            return true;
    return false;
}

static finops_code
refuse(const sf_target *t, const char *type, const char *shown, const char *why, finops_error **err)
{
    return fo_error_set(err, FINOPS_E_CONFIG, "the %s key %s of %s %s", type, shown, t->host, why);
}

static finops_code
unknown(const sf_target *t, ssh_session session, const char *type, const char *shown, finops_error **err)
{
    if (t->checking == SFTP_HOST_ACCEPT_NEW) {
        if (ssh_session_update_known_hosts(session) == SSH_OK)
            return FINOPS_OK;
        return fo_error_set(err, FINOPS_E_IO, "the key of %s cannot be noted in %s: %s", t->host,
                            t->known_hosts, ssh_get_error(session));
    }
    (void)refuse(t, type, shown, "is not known", err);
    fo_error_hint(err, "if it is the right one, pin it with host_key = \"%s\", or add it to %s", shown,
                  t->known_hosts);
    return FINOPS_E_CONFIG;
}

static finops_code
look_up(const sf_target *t, ssh_session session, const char *type, const char *shown, finops_error **err)
{
    switch (ssh_session_is_known_server(session)) {
    case SSH_KNOWN_HOSTS_OK:
        return FINOPS_OK;
    case SSH_KNOWN_HOSTS_CHANGED:
        (void)refuse(t, type, shown, "is not the one that is known", err);
        fo_error_hint(err, "somebody may be listening; a host that was set up anew is removed from %s",
                      t->known_hosts);
        return FINOPS_E_CONFIG;
    case SSH_KNOWN_HOSTS_OTHER:
        return refuse(t, type, shown, "is of another type than the one that is known", err);
    case SSH_KNOWN_HOSTS_UNKNOWN:
    case SSH_KNOWN_HOSTS_NOT_FOUND:
        return unknown(t, session, type, shown, err);
    default:
        return fo_error_set(err, FINOPS_E_CONFIG, "%s cannot be read: %s", t->known_hosts,
                            ssh_get_error(session));
    }
}

finops_code
sf_host_check(const sf_target *target, ssh_session session, finops_error **err)
{
    char *shown = NULL;
    const char *type = "";
    finops_code rc = FINOPS_OK;

    if (target->checking == SFTP_HOST_OFF && !target->host_key)
        return FINOPS_OK;
    rc = fingerprint(session, &shown, &type, err);
    if (rc != FINOPS_OK)
        return rc;
    if (!target->host_key)
        rc = look_up(target, session, type, shown, err);
    else if (!is_pinned(target->host_key, shown))
        rc = refuse(target, type, shown, "is not the one that host_key asks for", err);
    ssh_string_free_char(shown);
    return rc;
}
