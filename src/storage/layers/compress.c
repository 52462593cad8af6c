/*
 * Objects are stored compressed and read as they were; frames.h has the layout. What is compressed already,
 * by its name, its type or its first bytes, is stored as it is.
 *
 * In a listing the size of an object is not known (-1) unless its name says that it was left alone.
 */
#include "storage/layers/compress.h"

#include <string.h>

#include "base/str.h"
#include "storage/layers/compress_internal.h"

static const finops_option compress_options[] = {
    { "format", FINOPS_OPT_ENUM, offsetof(fo_compress_config, format), .value = "none",
      .allow = "none gzip zstd", .help = "Compress what is written; what was written is read either way." },
    { "level", FINOPS_OPT_INT, offsetof(fo_compress_config, level), .value = "3", .min = 1, .max = 19,
      .help = "How hard zstd tries." },
    { "min_size", FINOPS_OPT_SIZE, offsetof(fo_compress_config, min_size), .value = "1KiB",
      .help = "Smaller objects are stored as they are." },
    { "limit", FINOPS_OPT_SIZE, offsetof(fo_compress_config, limit), .value = "1TiB",
      .help = "Objects that would become larger than this are not read: a compressed bomb." },
    { 0 },
};

bool
fo_compress_passes(const char *key)
{
    static const char *const endings[] = { ".gz",   ".tgz",    ".zst",  ".bz2",  ".xz",      ".lz4",
                                           ".br",   ".snappy", ".zip",  ".7z",   ".parquet", ".orc",
                                           ".avro", ".png",    ".jpg",  ".jpeg", ".webp",    ".mp4",
                                           ".pdf",  ".xlsx",   ".docx", ".jar",  ".whl" };

    for (size_t i = 0; i < FO_COUNT(endings); i++)
        if (fo_ends(key, endings[i]))
            return true;
    return false;
}

void
fo_compress_show(finops_object *object, int64_t size)
{
    fo_object_hide(object, FO_CODEC_NAME);
    fo_object_hide(object, FO_CODEC_SIZE);
    object->size = size;
    object->checksum = NULL;
}

static uint64_t
compress_features(void *self)
{
    const fo_compress_self *c = self;

    return (FO_BELOW(c, features)(FO_SELF(c)) | FINOPS_STORAGE_SUFFIX) & ~c->pass.less;
}

/* The size by the object's metadata. False: it takes a look at the object. */
static bool
size_told(const fo_compress_self *c, const finops_object *object, int64_t *ret)
{
    const char *text = fo_object_metadata(object, FO_CODEC_SIZE);
    unsigned long long n;

    if (text && fo_parse_u64(text, &n) && n <= INT64_MAX) {
        *ret = (int64_t)n;
        return true;
    }
    *ret = object->size;
    return !fo_object_metadata(object, FO_CODEC_NAME) &&
           (fo_stage_features(&c->pass.below) & FINOPS_STORAGE_METADATA) != 0;
}

static finops_code
compress_stat(void *self, const char *key, const finops_call *call, finops_object *ret, finops_error **err)
{
    fo_compress_self *c = self;
    finops_object object = { 0 };
    int64_t size = 0;
    finops_code rc = FO_BELOW(c, stat)(FO_SELF(c), key, call, &object, err);

    if (rc != FINOPS_OK)
        return rc;
    if (!fo_compress_passes(key)) {
        const finops_get get = { .key = key, .if_version = object.version, .call = call };
        if (!size_told(c, &object, &size))
            rc = fo_compress_size(c, &get, &size, err);
        if (rc == FINOPS_OK)
            fo_compress_show(&object, size);
    }
    if (rc == FINOPS_OK)
        *ret = object;
    else
        finops_object_done(&object);
    return rc;
}

typedef struct listing {
    finops_each_object each;
    void *arg;
} listing;

static bool
listed(const finops_object *object, void *arg)
{
    const listing *l = arg;
    finops_object shown = *object;

    if (!object->is_prefix && !fo_compress_passes(object->key)) {
        shown.size = -1;
        shown.checksum = NULL;
    }
    return l->each(&shown, l->arg);
}

static finops_code
compress_list(void *self, const finops_list *list, finops_each_object each, void *arg, finops_error **err)
{
    fo_compress_self *c = self;
    listing l = { each, arg };

    return FO_BELOW(c, list)(FO_SELF(c), list, listed, &l, err);
}

/* What is copied to a name that is never looked into would be read as it is stored. */
static finops_code
names_fit(const finops_copy *copy, finops_error **err)
{
    if (fo_compress_passes(copy->from) == fo_compress_passes(copy->to))
        return FINOPS_OK;
    return fo_error_set(err, FINOPS_E_UNSUPPORTED,
                        "%s and %s: one name says that it is compressed, the other does not", copy->from,
                        copy->to);
}

static finops_code
compress_copy(void *self, const finops_copy *copy, finops_object *ret, finops_error **err)
{
    fo_compress_self *c = self;
    finops_code rc = names_fit(copy, err);

    if (rc == FINOPS_OK)
        rc = FO_BELOW(c, copy)(FO_SELF(c), copy, ret, err);
    if (rc == FINOPS_OK && ret)
        fo_compress_show(ret, -1);
    return rc;
}

static finops_code
compress_move(void *self, const finops_copy *move, finops_error **err)
{
    fo_compress_self *c = self;
    finops_code rc = names_fit(move, err);

    return rc == FINOPS_OK ? FO_BELOW(c, move)(FO_SELF(c), move, err) : rc;
}

static const finops_storage_driver slots = {
    .features = compress_features,
    .stat = compress_stat,
    .list = compress_list,
    .read = fo_compress_read,
    .put = fo_compress_put,
    .copy = compress_copy,
    .move = compress_move,
};

static void
compress_done(void *self)
{
    fo_compress_self *c = self;

    for (size_t i = 0; i < FO_TABLES_KEPT; i++) {
        fo_free(c->kept[i].key);
        fo_free(c->kept[i].version);
        fo_frames_done(&c->kept[i].frames);
    }
    (void)pthread_mutex_destroy(&c->lock);
}

static finops_code
compress_wrap(const void *config, const char *address, fo_stage below, fo_stage *ret, finops_error **err)
{
    const fo_compress_config *config_ = config;
    finops_code rc = FINOPS_OK;
    fo_compress_self *c;

    (void)address;
    if (!config_->format || fo_streq(config_->format, "none")) {
        *ret = below;
        return FINOPS_OK;
    }
    c = fo_pass_new(&fo_compress_layer, sizeof(*c), &slots, below, &rc, err);
    if (!c)
        return rc;
    (void)pthread_mutex_init(&c->lock, NULL);
    c->pass.done = compress_done;
    /* A part alone has no place in a table; a checksum or a signed address would be of the stored bytes. */
    c->pass.less = FINOPS_STORAGE_PARTS | FINOPS_STORAGE_PARTS_IN_ORDER | FINOPS_STORAGE_PARTS_STAY |
                   FINOPS_STORAGE_CHECKSUM | FINOPS_STORAGE_PRESIGN;
    c->pass.driver.upload = NULL;
    c->pass.driver.presign = NULL;
    c->pass.driver.write = fo_compress_write;
    c->codec = fo_streq(config_->format, "gzip") ? FO_CODEC_GZIP : FO_CODEC_ZSTD;
    c->level = (int)config_->level;
    c->min_size = (size_t)config_->min_size;
    c->limit = config_->limit ? config_->limit : UINT64_MAX;
    *ret = fo_pass_stage(&c->pass);
    return FINOPS_OK;
}

const fo_layer fo_compress_layer = {
    .name = "compress",
    .options = compress_options,
    .config_size = sizeof(fo_compress_config),
    .wrap = compress_wrap,
};
