/* The driver of files: what it can be told, and its slots. */
#include "storage/local/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/mem.h"
#include "storage/local/driver_internal.h"
#include "storage/object.h"
#include "storage/tree.h"

#define FEATURES                                                                                             \
    (FINOPS_STORAGE_CREATE_ONLY | FINOPS_STORAGE_IF_VERSION | FINOPS_STORAGE_REMOVE_IF |                     \
     FINOPS_STORAGE_UNLESS_VERSION | FINOPS_STORAGE_PARTS | FINOPS_STORAGE_COPY | FINOPS_STORAGE_MOVE |      \
     FINOPS_STORAGE_SWEEP | FINOPS_STORAGE_SUFFIX)

static const finops_option local_options[] = {
    { "path", FINOPS_OPT_STRING, offsetof(fo_local_settings, path), .flags = FINOPS_OPT_REQUIRED,
      .arg = "FOLDER", .help = "Folder that holds the objects; made when the first is written" },
    { "links", FINOPS_OPT_ENUM, offsetof(fo_local_settings, links), .value = "inside", .allow = "inside all",
      .help = "Which symbolic links are followed: to files below the folder, or to any file" },
    { "durable", FINOPS_OPT_BOOL, offsetof(fo_local_settings, durable), .value = "true",
      .help = "Wait until what was written would outlive a crash of the machine" },
    { 0 }
};

static void
local_close(void *self)
{
    local_storage *l = self;

    if (!l)
        return;
    fo_free(l->root);
    fo_free(l);
}

static finops_code
local_open(const void *config, void **ret_self, finops_error **err)
{
    const fo_local_settings *settings = config;
    local_storage *l;

    if (!settings->path || !settings->path[0])
        return fo_error_set(err, FINOPS_E_CONFIG, "path is not set");
    l = fo_zalloc(sizeof(*l));
    if (!l)
        return fo_error_oom(err);
    l->root = fo_path_absolute(settings->path);
    if (!l->root) {
        fo_free(l);
        return fo_error_oom(err);
    }
    l->links_all = fo_streq(settings->links, "all");
    l->durable = settings->durable;
    l->names_max = FO_TREE_NAMES_MAX;
    *ret_self = l;
    return FINOPS_OK;
}

static uint64_t
local_features(void *self)
{
    return FEATURES | (local_keeps_attributes(self) ? FINOPS_STORAGE_METADATA : 0u);
}

static finops_code
local_stat(void *self, const char *key, const finops_call *call, finops_object *ret, finops_error **err)
{
    local_storage *l = self;
    FO_AUTO(fo_fd_closep) int fd = -1;
    FO_AUTO(local_meta_done) local_meta meta = { 0 };
    struct stat st = { 0 };
    finops_code rc = fo_file_key_check(key, err);

    if (rc == FINOPS_OK)
        rc = fo_call_check(call, err);
    if (rc != FINOPS_OK)
        return rc;
    rc = local_file_open(l, key, &fd, &st, err);
    if (rc == FINOPS_E_ARGUMENT) /* a folder, a pipe: it is there, and no object */
        return fo_error_wrap(err, FINOPS_E_NOT_FOUND, "no object");
    if (rc == FINOPS_OK)
        rc = local_meta_read(l, fd, &st, key, &meta, err);
    return rc == FINOPS_OK ? finops_object_copy(&meta.object, ret, err) : rc;
}

const finops_storage_driver fo_local_driver = {
    .abi = FINOPS_STORAGE_ABI,
    .size = sizeof(finops_storage_driver),
    .name = "local",
    .version = FINOPS_VERSION,
    .summary = "A folder of this machine, or one that is mounted here",
    .options = local_options,
    .config_size = sizeof(fo_local_settings),
    .schemes = "file",
    .prefix_option = "path",
    .open = local_open,
    .close = local_close,
    .features = local_features,
    .stat = local_stat,
    .list = local_list,
    .read = local_read,
    .put = local_put,
    .remove = local_remove,
    .upload = local_upload_begin,
    .copy = local_copy,
    .move = local_move,
    .sweep = local_sweep,
};
