/* The driver of HDFS: what it can be told, and its slots. */
#include "storage/webhdfs/driver.h"

#include <string.h>

#include "base/mem.h"
#include "storage/host.h"
#include "storage/webhdfs/driver_internal.h"

#define AT(member) offsetof(fo_webhdfs_settings, member)

static const finops_option webhdfs_options[] = {
    { "host", FINOPS_OPT_STRING, AT(host), .flags = FINOPS_OPT_REQUIRED, .arg = "HOST",
      .help = "Host of the name node or of HttpFS; also user@host:port" },
    { "folder", FINOPS_OPT_STRING, AT(folder), .value = "", .arg = "FOLDER",
      .help = "Folder that holds the objects, from the root on" },
    { "port", FINOPS_OPT_INT, AT(port), .min = 0, .max = 65535, .value = "0",
      .help = "Port of its HTTP, not of its RPC; 9870, or 9871 with tls, when not set" },
    { "tls", FINOPS_OPT_BOOL, AT(tls), .value = "false", .help = "Speak HTTPS" },
    { "user", FINOPS_OPT_STRING, AT(user), .arg = "NAME", .env = "HADOOP_USER_NAME",
      .help = "User to work as, where the cluster believes it (user.name)" },
    { "delegation_token", FINOPS_OPT_STRING, AT(delegation_token), .flags = FINOPS_OPT_SECRET,
      .env = "HADOOP_TOKEN", .help = "Delegation token to work with, instead of a user" },
    { "host_map", FINOPS_OPT_LIST, AT(host_map), .arg = "NAME=HOST",
      .help = "Where names of data nodes are reached from here: name=host or name:port=host:port" },
    FO_HTTP_OPTIONS(fo_webhdfs_settings, network),
    { 0 },
};

static void
wh_close(void *self)
{
    wh_storage *s = self;

    if (!s)
        return;
    fo_http_client_free(s->http);
    fo_folders_done(&s->folders);
    fo_free(s->base);
    fo_free(s->folder);
    fo_free(s->who);
    for (char **rule = s->host_map; rule && *rule; rule++)
        fo_free(*rule);
    fo_free(s->host_map);
    fo_free(s);
}

static finops_code
take_place(wh_storage *s, const fo_webhdfs_settings *c, finops_error **err)
{
    FO_AUTO(fo_storage_host_done) fo_storage_host h = { 0 };
    FO_AUTO(fo_str_done) fo_str who = FO_STR_INIT;
    finops_code rc = fo_storage_host_parse(c->host, &h, err);
    unsigned port;

    if (rc != FINOPS_OK)
        return rc;
    port = h.port ? h.port : (unsigned)c->port;
    if (port == 0)
        port = c->tls ? 9871 : 9870;
    s->base = fo_format(strchr(h.host, ':') ? "%s://[%s]:%u/webhdfs/v1" : "%s://%s:%u/webhdfs/v1",
                        c->tls ? "https" : "http", h.host, port);
    if (c->delegation_token && c->delegation_token[0]) {
        fo_str_add(&who, "&delegation=");
        fo_url_escape(&who, c->delegation_token, false);
    } else if (h.user || (c->user && c->user[0])) {
        fo_str_add(&who, "&user.name=");
        fo_url_escape(&who, h.user ? h.user : c->user, false);
    }
    s->who = fo_str_take(&who);
    return s->base && s->who ? FINOPS_OK : fo_error_oom(err);
}

/* "/a/b" of "a/b/", "" of "/" */
static finops_code
take_folder(wh_storage *s, const char *folder, finops_error **err)
{
    size_t n;

    while (folder && *folder == '/')
        folder++;
    n = folder ? strlen(folder) : 0;
    while (n > 0 && folder[n - 1] == '/')
        n--;
    s->folder = n > 0 ? fo_format("/%.*s", (int)n, folder) : fo_strdup("");
    return s->folder ? FINOPS_OK : fo_error_oom(err);
}

static finops_code
take_map(wh_storage *s, char *const *rules, finops_error **err)
{
    size_t n = 0;

    while (rules && rules[n])
        n++;
    s->host_map = fo_array(n + 1, sizeof(char *));
    if (!s->host_map)
        return fo_error_oom(err);
    for (size_t i = 0; i < n; i++) {
        const char *to = strchr(rules[i], '=');

        if (!to || to == rules[i] || !to[1])
            return fo_error_set(err, FINOPS_E_CONFIG, "host_map %s is not name=host", rules[i]);
        s->host_map[i] = fo_strdup(rules[i]);
        if (!s->host_map[i])
            return fo_error_oom(err);
    }
    return FINOPS_OK;
}

static finops_code
wh_open(const void *config, void **ret_self, finops_error **err)
{
    const fo_webhdfs_settings *c = config;
    const fo_http_options network = fo_http_options_of(&c->network, "its host and port");
    wh_storage *s;
    finops_code rc;

    if (!c->host || !c->host[0])
        return fo_error_set(err, FINOPS_E_CONFIG, "host is not set");
    s = fo_zalloc(sizeof(*s));
    if (!s)
        return fo_error_oom(err);
    fo_folders_init(&s->folders);
    rc = take_place(s, c, err);
    if (rc == FINOPS_OK)
        rc = take_folder(s, c->folder, err);
    if (rc == FINOPS_OK)
        rc = take_map(s, c->host_map, err);
    if (rc == FINOPS_OK)
        rc = fo_http_client_new(&network, &s->http, err);
    if (rc != FINOPS_OK) {
        wh_close(s);
        return rc;
    }
    *ret_self = s;
    return FINOPS_OK;
}

/* Until the server has shown that it cannot, it can replace at once. */
static uint64_t
wh_features(void *self)
{
    const wh_storage *s = self;

    return FINOPS_STORAGE_CREATE_ONLY | FINOPS_STORAGE_UNLESS_VERSION | FINOPS_STORAGE_PARTS |
           FINOPS_STORAGE_PARTS_IN_ORDER | FINOPS_STORAGE_SWEEP | FINOPS_STORAGE_SUFFIX |
           FINOPS_STORAGE_REMOTE | (atomic_load(&s->no_replace) ? 0u : FINOPS_STORAGE_MOVE);
}

const finops_storage_driver fo_webhdfs_driver = {
    .abi = FINOPS_STORAGE_ABI,
    .size = sizeof(finops_storage_driver),
    .name = "hdfs",
    .version = FINOPS_VERSION,
    .summary = "A folder in HDFS, through WebHDFS or HttpFS",
    .options = webhdfs_options,
    .config_size = sizeof(fo_webhdfs_settings),
    .schemes = "hdfs webhdfs",
    .place_option = "host",
    .prefix_option = "folder",
    .open = wh_open,
    .close = wh_close,
    .features = wh_features,
    .stat = wh_stat,
    .list = wh_list,
    .read = wh_read,
    .put = wh_put,
    .remove = wh_remove,
    .upload = wh_upload_begin,
    .move = wh_move,
    .sweep = wh_sweep,
};
