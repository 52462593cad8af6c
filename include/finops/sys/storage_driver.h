/*
 * What a storage backend is: one const struct of this type, in the table of built-ins or returned by a
 * plugin.
 *
 * A driver speaks to one service and does every call once: it classifies failures (finops_code) and does
 * nothing about them. Retry, circuit breaker, limits, cache, compression and encryption are layers around it,
 * each a struct of this type, too; splitting a large object into parts and reading one in parallel is done in
 * front of them, finops/storage.h.
 *
 * A *storage* (`self`) stands for one configuration, a bucket and a prefix in it. Every function of it may be
 * called from any number of threads at once. A *reader* and a *writer* belong to one thread at a time, an
 * *upload* as it says below. Nothing is shared between two storages.
 *
 * Keys are UTF-8 of 1 to 1,024 bytes, relative to the prefix, and are kept byte for byte or refused with
 * FINOPS_E_ARGUMENT; nothing is normalised. The front door has checked length and UTF-8. Every call may be
 * NULL. What comes in is borrowed for the call, what `ret_...` gives belongs to the caller; outputs are
 * written on success and untouched on failure.
 *
 * Codes: FINOPS_E_NOT_FOUND (no such object), _EXISTS (create-only lost), _PRECONDITION (another version),
 * _UNCHANGED, _RANGE, _DENIED, _AUTH, _THROTTLED, _TRANSIENT, _TIMEOUT, _CORRUPT, _ARGUMENT (a key or size
 * the service cannot have), _UNSUPPORTED, _CONFIG (no such bucket), _IO (disk).
 */
#ifndef FINOPS_SYS_STORAGE_DRIVER_H
#define FINOPS_SYS_STORAGE_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "finops/error.h"
#include "finops/sys/call.h"
#include "finops/sys/option.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of this header. A driver built against an older one loads as long as the upper 16 bits are the same. */
#define FINOPS_STORAGE_ABI 0x00010000u

#define FINOPS_STORAGE_KEY_MAX 1024

/* What a storage can do. Each bit is a set of tests of the conformance suite that it must pass; what has no
 * bit is refused with FINOPS_E_UNSUPPORTED, never emulated silently. */
enum {
    FINOPS_STORAGE_FLAT_KEYS = 1 << 0,   /* any key, "a" beside "a/b"; without it keys are paths of files */
    FINOPS_STORAGE_CREATE_ONLY = 1 << 1, /* finops_put.create_only */
    FINOPS_STORAGE_IF_VERSION = 1 << 2,  /* finops_put.if_version */
    FINOPS_STORAGE_REMOVE_IF = 1 << 3,   /* finops_remove.if_version */
    FINOPS_STORAGE_UNLESS_VERSION = 1 << 4, /* finops_get.unless_version; if_version is for all */
    FINOPS_STORAGE_METADATA = 1 << 5,       /* user metadata and content type come back */
    FINOPS_STORAGE_CHECKSUM = 1 << 6,       /* the service checks what it is sent, and keeps the checksum */
    FINOPS_STORAGE_PARTS = 1 << 7,          /* `upload` */
    FINOPS_STORAGE_PARTS_IN_ORDER = 1 << 8, /* one after the other, ascending */
    FINOPS_STORAGE_COPY = 1 << 9,           /* `copy`, without the bytes coming here */
    FINOPS_STORAGE_MOVE = 1 << 10,          /* `move`, atomic */
    FINOPS_STORAGE_PRESIGN = 1 << 11,
    FINOPS_STORAGE_SWEEP = 1 << 12,  /* `sweep` */
    FINOPS_STORAGE_SUFFIX = 1 << 13, /* a suffix is read in one request */
    FINOPS_STORAGE_REMOTE = 1 << 14, /* a service that may be down */
    /* Parts of an upload that was closed stay, unseen, until they are swept: the service cannot remove them. */
    FINOPS_STORAGE_PARTS_STAY = 1 << 15
};

typedef struct finops_metadata {
    const char *name; /* lower case ASCII letters, digits, '-' */
    const char *value;
} finops_metadata;

/*
 * What is known of an object. In a listing some of it is not: NULL, or -1 for numbers. The texts are borrowed
 * from who gives it; finops_object_copy() makes one that owns them.
 */
typedef struct finops_object {
    const char *key;
    bool is_prefix;       /* of a listing with a delimiter: "a/", nothing else is known */
    int64_t size;         /* bytes */
    int64_t modified_us;  /* UTC, microseconds since 1970 */
    const char *version;  /* opaque, changes with the content: for if_version */
    const char *etag;     /* as the service spells it, without quotes */
    const char *checksum; /* "crc64nvme:<16 hex digits>", "crc32c:<8>", "md5:<32>", of the whole object */
    const char *content_type;
    const char *content_encoding;
    const char *cache_control;
    const finops_metadata *metadata;
    size_t n_metadata;
    void *owned; /* by finops_object_copy() */
} finops_object;

/* Provided by the program. *ret owns what it points to, in one block of memory. */
FINOPS_API finops_code finops_object_copy(const finops_object *object, finops_object *ret,
                                          finops_error **err);
/* Frees what a copy owns and zeroes it. NULL is fine. */
FINOPS_API void finops_object_done(finops_object *object);

/* What is to be read. */
typedef struct finops_get {
    const char *key;
    int64_t offset;             /* first byte; with `suffix` unused */
    int64_t length;             /* bytes; negative: to the end. More than there are: those that are there */
    int64_t suffix;             /* the last so many bytes, all when there are fewer; 0: not asked for */
    const char *if_version;     /* FINOPS_E_PRECONDITION when it is another */
    const char *unless_version; /* FINOPS_E_UNCHANGED when it is still this one */
    const finops_call *call;    /* until the reader is closed */
} finops_get;

/* An object on its way in; drivers embed it as first member. */
typedef struct finops_reader {
    finops_object object; /* size is that of the whole object; borrowed until closed */
    int64_t offset;       /* of the first byte that comes */
    int64_t length;       /* bytes that come */
    /* At most n > 0 bytes; *ret_n is 0 at the end only. Fewer bytes than promised are FINOPS_E_TRANSIENT. */
    finops_code (*read)(struct finops_reader *reader, void *buffer, size_t n, size_t *ret_n,
                        finops_error **err);
    /* At any time; what was not read is not transferred. Frees the reader. */
    void (*close)(struct finops_reader *reader);
} finops_reader;

/* What is to be written. */
typedef struct finops_put {
    const char *key;
    int64_t size; /* bytes that will come; negative: unknown */
    const char *content_type;
    const char *content_encoding;
    const char *cache_control;
    const finops_metadata *metadata;
    size_t n_metadata;
    bool create_only;       /* FINOPS_E_EXISTS when it is there */
    const char *if_version; /* FINOPS_E_PRECONDITION unless it is there and this version */
    const finops_call *call;
} finops_put;

/*
 * An object that is sent in parts and visible only when committed; drivers embed it as first member. `part`
 * may be called from several threads at once for different parts, unless FINOPS_STORAGE_PARTS_IN_ORDER; the
 * others from one.
 */
typedef struct finops_upload {
    size_t min_part, max_part; /* bytes of a part; the last may be smaller than min_part */
    unsigned max_parts;
    size_t part_unit; /* all parts but the last have a multiple of so many bytes; 0: any number */
    /* number from 1, offset of its first byte in the object. Sent again, it replaces the one before. */
    finops_code (*part)(struct finops_upload *upload, unsigned number, int64_t offset, const void *data,
                        size_t n, const finops_call *call, finops_error **err);
    /* Makes parts 1..n the object; *ret (may be NULL) has key, size, version, etag. May be called again after
     * FINOPS_E_TRANSIENT and knows its own success. */
    finops_code (*commit)(struct finops_upload *upload, unsigned parts, int64_t size, const finops_call *call,
                          finops_object *ret, finops_error **err);
    /* Frees it; what was not committed leaves nothing behind, as far as the service can be reached
     * (FINOPS_STORAGE_PARTS_STAY: nothing that is seen). */
    void (*close)(struct finops_upload *upload);
} finops_upload;

/* An object on its way out, of unknown length perhaps; for layers that change the bytes. */
typedef struct finops_writer {
    finops_code (*write)(struct finops_writer *writer, const void *data, size_t n, finops_error **err);
    /* *ret as with `put`; may be NULL. */
    finops_code (*commit)(struct finops_writer *writer, finops_object *ret, finops_error **err);
    /* Frees it; without a commit nothing is visible. */
    void (*close)(struct finops_writer *writer);
} finops_writer;

/* What is to be listed. */
typedef struct finops_list {
    const char *prefix;      /* begins the keys, cut anywhere: "ab" lists "abc/x"; "" all */
    bool children;           /* up to the next '/' only: objects, and prefixes that end with '/' */
    const char *start_after; /* keys (and prefixes of `children`) above it, by bytes; NULL: all */
    unsigned page;           /* keys asked for at once; 0: as the service likes */
    const finops_call *call;
} finops_list;

/* False ends the listing. The object is borrowed for the call, in which the storage may not be used. */
typedef bool (*finops_each_object)(const finops_object *object, void *arg);

typedef struct finops_remove {
    const char *key;
    const char *if_version; /* FINOPS_E_PRECONDITION when it is there and another */
    const finops_call *call;
} finops_remove;

/* What became of one of many; err is borrowed and NULL when it is gone. */
typedef void (*finops_each_removed)(size_t index, const finops_error *err, void *arg);

typedef struct finops_copy {
    const char *from, *to;
    bool create_only;
    const char *if_version; /* of `from` */
    const finops_call *call;
} finops_copy;

typedef struct finops_presign {
    const char *key;
    bool put;                /* to write; else to read */
    int64_t seconds;         /* that it is good for */
    const finops_call *call; /* credentials may have to be fetched */
} finops_presign;

typedef struct finops_storage_driver {
    uint32_t abi;                 /* FINOPS_STORAGE_ABI */
    uint32_t size;                /* sizeof(finops_storage_driver) it was built with */
    const char *name;             /* "s3": storage_backend = "s3", s3://bucket/prefix */
    const char *version;          /* of the driver, "1.0.0" */
    const char *summary;          /* one sentence for `finops storage backends` */
    const finops_option *options; /* what it can be told */
    size_t config_size;           /* bytes the table fills in for open() */
    const char *schemes;          /* of addresses, separated by blanks; NULL: its name */
    /* The options that an address fills: of "s3://bucket/some/prefix" "bucket" and "prefix". NULL: there is
     * no such part. */
    const char *place_option;
    const char *prefix_option;

    /* Required. */

    /* Takes what it needs of the config and touches no network or file yet. */
    finops_code (*open)(const void *config, void **ret_self, finops_error **err);
    /* All readers, writers and uploads are closed before. NULL is fine. */
    void (*close)(void *self);
    uint64_t (*features)(void *self); /* FINOPS_STORAGE_* */
    /* *ret owns its texts: finops_object_done(). */
    finops_code (*stat)(void *self, const char *key, const finops_call *call, finops_object *ret,
                        finops_error **err);
    /* By bytes, ascending, each once. Nothing there is no failure. */
    finops_code (*list)(void *self, const finops_list *list, finops_each_object each, void *arg,
                        finops_error **err);
    finops_code (*read)(void *self, const finops_get *get, finops_reader **ret, finops_error **err);
    /* A whole object from memory: others see the old one or the new one. *ret (may be NULL) has key, size,
     * version, etag, and the checksum where there is one. */
    finops_code (*put)(void *self, const finops_put *put, const void *data, size_t n, finops_object *ret,
                       finops_error **err);
    /* What is not there is gone. */
    finops_code (*remove)(void *self, const finops_remove *remove, finops_error **err);

    /* Optional. NULL: the front door does it the general way or answers FINOPS_E_UNSUPPORTED. */

    finops_code (*upload)(void *self, const finops_put *put, finops_upload **ret, finops_error **err);
    /* Only layers that change the bytes need it; general way: put, or an upload. */
    finops_code (*write)(void *self, const finops_put *put, finops_writer **ret, finops_error **err);
    /* At most 1,000 keys in one request. The call's own failure is one of all keys not told yet. */
    finops_code (*remove_many)(void *self, const char *const *keys, size_t n, const finops_call *call,
                               finops_each_removed each, void *arg, finops_error **err);
    finops_code (*copy)(void *self, const finops_copy *copy, finops_object *ret, finops_error **err);
    finops_code (*move)(void *self, const finops_copy *move, finops_error **err);
    finops_code (*presign)(void *self, const finops_presign *presign, char **ret_url, finops_error **err);
    /* Unfinished uploads and temporary files below the prefix that were begun before: told to `each` (may be
     * NULL; key, size, modified), and removed unless it returns false. */
    finops_code (*sweep)(void *self, const char *prefix, int64_t begun_before_us, const finops_call *call,
                         finops_each_object each, void *arg, finops_error **err);
} finops_storage_driver;

#ifdef __cplusplus
}
#endif
#endif
