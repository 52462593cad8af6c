/* The driver of SFTP: what it can be told, and its slots. */
#include "storage/sftp/driver.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "storage/host.h"
#include "storage/object.h"
#include "storage/sftp/driver_internal.h"

#define SECOND 1000000

static const finops_option sf_options[] = {
    { "host", FINOPS_OPT_STRING, offsetof(fo_sftp_settings, host), .flags = FINOPS_OPT_REQUIRED,
      .arg = "HOST", .help = "Host name or address of the server; also user@host:port" },
    { "folder", FINOPS_OPT_STRING, offsetof(fo_sftp_settings, folder), .value = "", .arg = "FOLDER",
      .help = "Folder that holds the objects, below the user's home folder unless it begins with /" },
    { "port", FINOPS_OPT_INT, offsetof(fo_sftp_settings, port), .value = "22", .min = 1, .max = 65535,
      .help = "Port of the server" },
    { "user", FINOPS_OPT_STRING, offsetof(fo_sftp_settings, user), .arg = "NAME",
      .help = "User to log in as; the user of this machine when not set" },
    { "password", FINOPS_OPT_STRING, offsetof(fo_sftp_settings, password), .flags = FINOPS_OPT_SECRET,
      .help = "Password of the user, where there is no key" },
    { "private_key", FINOPS_OPT_STRING, offsetof(fo_sftp_settings, private_key), .arg = "FILE",
      .help = "File with the private key to log in with (RSA, ECDSA or Ed25519)" },
    { "private_key_passphrase", FINOPS_OPT_STRING, offsetof(fo_sftp_settings, private_key_passphrase),
      .flags = FINOPS_OPT_SECRET, .needs = "private_key", .help = "Passphrase of private_key" },
    { "agent", FINOPS_OPT_BOOL, offsetof(fo_sftp_settings, agent), .value = "true",
      .help = "Without private_key: offer the keys of the agent that SSH_AUTH_SOCK names" },
    { "known_hosts", FINOPS_OPT_STRING, offsetof(fo_sftp_settings, known_hosts),
      .value = "~/.ssh/known_hosts", .arg = "FILE",
      .help = "File with the keys of the hosts that are known" },
    { "host_key", FINOPS_OPT_LIST, offsetof(fo_sftp_settings, host_key), .arg = "FINGERPRINT",
      .help = "Fingerprints (SHA256:...), of which the host's key must have one; known_hosts is not asked" },
    { "host_key_checking", FINOPS_OPT_ENUM, offsetof(fo_sftp_settings, host_key_checking), .value = "strict",
      .allow = "strict accept-new off",
      .help =
          "What becomes of a host that is not known: refused, noted in known_hosts, or taken for granted" },
    { "connect_timeout", FINOPS_OPT_INT, offsetof(fo_sftp_settings, connect_timeout), .value = "15", .min = 1,
      .max = 3600, .help = "Seconds until a connection must stand, logged in" },
    { "stall_timeout", FINOPS_OPT_INT, offsetof(fo_sftp_settings, stall_timeout), .value = "60", .min = 1,
      .max = 86400, .help = "Seconds without a byte after which a connection is given up" },
    { "connections", FINOPS_OPT_INT, offsetof(fo_sftp_settings, connections), .value = "4", .min = 1,
      .max = SFTP_LINKS_MAX, .help = "Connections at once; each carries any number of requests" },
    { "durable", FINOPS_OPT_BOOL, offsetof(fo_sftp_settings, durable), .value = "true",
      .help = "Have the server sync what was written, where it can (fsync@openssh.com)" },
    { 0 }
};

static void
target_done(sf_target *t)
{
    fo_free(t->host);
    fo_free(t->user);
    fo_free(t->password);
    fo_free(t->private_key);
    fo_free(t->private_key_passphrase);
    fo_free(t->known_hosts);
    for (char **pin = t->host_key; pin && *pin; pin++)
        fo_free(*pin);
    fo_free(t->host_key);
}

static void
sf_close(void *self)
{
    sf_storage *s = self;

    if (!s)
        return;
    sf_pool_close(s);
    fo_folders_done(&s->folders);
    (void)pthread_mutex_destroy(&s->lock);
    (void)pthread_cond_destroy(&s->changed);
    target_done(&s->target);
    fo_free(s->folder);
    fo_free(s->real);
    fo_free(s);
}

/* ---- what it is told ---- */

static finops_code
take_host(sf_target *t, const char *text, finops_error **err)
{
    FO_AUTO(fo_storage_host_done) fo_storage_host h = { 0 };
    finops_code rc = fo_storage_host_parse(text, &h, err);

    if (rc != FINOPS_OK)
        return rc;
    t->host = FO_TAKE(h.host);
    if (h.port)
        t->port = h.port;
    if (h.user) {
        fo_free(t->user);
        t->user = FO_TAKE(h.user);
    }
    return FINOPS_OK;
}

static char *
own_name(void)
{
    char buffer[4096];
    struct passwd entry, *found = NULL;

    if (getpwuid_r(getuid(), &entry, buffer, sizeof(buffer), &found) == 0 && found)
        return fo_strdup(found->pw_name);
    return fo_strdup("root");
}

static bool
copy_text(char **to, const char *from)
{
    if (from && from[0])
        *to = fo_strdup(from);
    return !from || !from[0] || *to;
}

static bool
copy_pins(sf_target *t, char *const *pins)
{
    size_t n = 0;

    while (pins && pins[n])
        n++;
    if (n == 0)
        return true;
    t->host_key = fo_array(n + 1, sizeof(char *));
    for (size_t i = 0; t->host_key && i < n; i++) {
        t->host_key[i] = fo_strdup(pins[i]);
        if (!t->host_key[i])
            return false;
    }
    return t->host_key != NULL;
}

static finops_code
target_make(sf_target *t, const fo_sftp_settings *settings, finops_error **err)
{
    finops_code rc;

    t->port = (unsigned)settings->port;
    t->agent = settings->agent;
    t->connect_us = settings->connect_timeout * SECOND;
    t->stall_us = settings->stall_timeout * SECOND;
    t->checking = fo_streq(settings->host_key_checking, "off")          ? SFTP_HOST_OFF
                  : fo_streq(settings->host_key_checking, "accept-new") ? SFTP_HOST_ACCEPT_NEW
                                                                        : SFTP_HOST_STRICT;
    if (!copy_text(&t->user, settings->user) || !copy_text(&t->password, settings->password) ||
        !copy_text(&t->private_key, settings->private_key) ||
        !copy_text(&t->private_key_passphrase, settings->private_key_passphrase) ||
        !copy_text(&t->known_hosts, settings->known_hosts) || !copy_pins(t, settings->host_key))
        return fo_error_oom(err);
    rc = take_host(t, settings->host, err);
    if (rc == FINOPS_OK && !t->user) {
        t->user = own_name();
        if (!t->user)
            rc = fo_error_oom(err);
    }
    return rc;
}

/* Without '/' at its end; "." and ".." are for the server to make sense of. */
static char *
folder_make(const char *folder)
{
    size_t n = strlen(folder);

    while (n > 1 && folder[n - 1] == '/')
        n--;
    return fo_strndup(folder, n);
}

static finops_code
sf_open(const void *config, void **ret_self, finops_error **err)
{
    const fo_sftp_settings *settings = config;
    pthread_condattr_t clock;
    sf_storage *s;
    finops_code rc;

    if (!settings->host || !settings->host[0])
        return fo_error_set(err, FINOPS_E_CONFIG, "host is not set");
    s = fo_zalloc(sizeof(*s));
    if (!s)
        return fo_error_oom(err);
    (void)pthread_mutex_init(&s->lock, NULL);
    fo_folders_init(&s->folders);
    (void)pthread_condattr_init(&clock);
    (void)pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&s->changed, &clock);
    (void)pthread_condattr_destroy(&clock);
    s->connections = settings->connections > 0 ? (unsigned)settings->connections : 1;
    s->durable = settings->durable;
    s->folder = folder_make(settings->folder ? settings->folder : "");
    rc = s->folder ? target_make(&s->target, settings, err) : fo_error_oom(err);
    if (rc != FINOPS_OK) {
        sf_close(s);
        return rc;
    }
    *ret_self = s;
    return FINOPS_OK;
}

/* Before the first connection it is what most servers have. */
static uint64_t
sf_features(void *self)
{
    return FINOPS_STORAGE_UNLESS_VERSION | FINOPS_STORAGE_PARTS | FINOPS_STORAGE_SWEEP |
           FINOPS_STORAGE_SUFFIX | FINOPS_STORAGE_REMOTE |
           (sf_has(self, SFTP_EXT_LINK) ? FINOPS_STORAGE_CREATE_ONLY : 0u) |
           (sf_has(self, SFTP_EXT_COPY) ? FINOPS_STORAGE_COPY : 0u) |
           (sf_has(self, SFTP_EXT_RENAME) ? FINOPS_STORAGE_MOVE : 0u);
}

static finops_code
sf_stat(void *self, const char *key, const finops_call *call, finops_object *ret, finops_error **err)
{
    char version[SFTP_VERSION_TEXT];
    sf_storage *s = self;
    sf_lease *lease = NULL;
    finops_object object;
    sf_attrs a;
    finops_code rc = fo_file_key_check(key, err);

    if (rc == FINOPS_OK)
        rc = fo_call_check(call, err);
    if (rc == FINOPS_OK)
        rc = sf_acquire(s, call, &lease, err);
    if (rc == FINOPS_OK)
        rc = sf_look(s, lease->link, key, call, &a, err);
    sf_release(s, lease);
    if (rc != FINOPS_OK)
        return rc;
    if (!S_ISREG(a.mode)) /* a folder, a pipe: it is there, and no object */
        return fo_error_set(err, FINOPS_E_NOT_FOUND, "%s is no file", key);
    object = sf_object(key, &a, version);
    return finops_object_copy(&object, ret, err);
}

const finops_storage_driver fo_sftp_driver = {
    .abi = FINOPS_STORAGE_ABI,
    .size = sizeof(finops_storage_driver),
    .name = "sftp",
    .version = FINOPS_VERSION,
    .summary = "A folder of an SFTP server",
    .options = sf_options,
    .config_size = sizeof(fo_sftp_settings),
    .place_option = "host",
    .prefix_option = "folder",
    .open = sf_open,
    .close = sf_close,
    .features = sf_features,
    .stat = sf_stat,
    .list = sf_list,
    .read = sf_read,
    .put = sf_put,
    .remove = sf_remove,
    .upload = sf_upload_begin,
    .remove_many = sf_remove_many,
    .copy = sf_copy,
    .move = sf_move,
    .sweep = sf_sweep,
};
