/* Packets of SFTP version 3: numbers, and how they are put together and taken apart. */
#ifndef FO_STORAGE_SFTP_WIRE_H
#define FO_STORAGE_SFTP_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum {
    SFTP_INIT = 1,
    SFTP_VERSION = 2,
    SFTP_OPEN = 3,
    SFTP_CLOSE = 4,
    SFTP_READ = 5,
    SFTP_WRITE = 6,
    SFTP_LSTAT = 7,
    SFTP_FSTAT = 8,
    SFTP_SETSTAT = 9,
    SFTP_OPENDIR = 11,
    SFTP_READDIR = 12,
    SFTP_REMOVE = 13,
    SFTP_MKDIR = 14,
    SFTP_RMDIR = 15,
    SFTP_REALPATH = 16,
    SFTP_STAT = 17,
    SFTP_RENAME = 18,
    SFTP_STATUS = 101,
    SFTP_HANDLE = 102,
    SFTP_DATA = 103,
    SFTP_NAME = 104,
    SFTP_ATTRS = 105,
    SFTP_EXTENDED = 200
};

enum { /* of a status */
       SFTP_FX_OK = 0,
       SFTP_FX_EOF = 1,
       SFTP_FX_NO_SUCH_FILE = 2,
       SFTP_FX_PERMISSION_DENIED = 3,
       SFTP_FX_FAILURE = 4,
       SFTP_FX_BAD_MESSAGE = 5,
       SFTP_FX_NO_CONNECTION = 6,
       SFTP_FX_CONNECTION_LOST = 7,
       SFTP_FX_OP_UNSUPPORTED = 8
};

enum { /* of an open */
       SFTP_FXF_READ = 1,
       SFTP_FXF_WRITE = 2,
       SFTP_FXF_CREAT = 8,
       SFTP_FXF_EXCL = 0x20
};

/* What is known of a file; `known` has the bits of the fields that were told. */
enum { SFTP_KNOWN_SIZE = 1, SFTP_KNOWN_MODE = 4, SFTP_KNOWN_TIMES = 8 };
typedef struct sf_attrs {
    uint32_t known;
    uint64_t size;
    uint32_t mode; /* as st_mode */
    uint32_t atime, mtime;
} sf_attrs;

void sf_add_u32(fo_str *s, uint32_t n);
void sf_add_u64(fo_str *s, uint64_t n);
void sf_add_bytes(fo_str *s, const void *p, size_t n);
void sf_add_text(fo_str *s, const char *text);

/* What is left of a packet; `bad` once it was too short. */
typedef struct sf_view {
    const unsigned char *p;
    size_t n;
    bool bad;
} sf_view;

uint32_t sf_u32(const unsigned char p[4]);
uint32_t sf_take_u32(sf_view *v);
uint64_t sf_take_u64(sf_view *v);
/* Borrowed of the packet. */
const char *sf_take_bytes(sf_view *v, size_t *ret_n);
void sf_take_attrs(sf_view *v, sf_attrs *ret);

#endif
