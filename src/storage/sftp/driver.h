/*
 * Storage on an SFTP server: https://datatracker.ietf.org/doc/html/draft-ietf-secsh-filexfer-02 (version 3,
 * what every server speaks) over libssh, with OpenSSH's extensions where the server has them.
 *
 * Keys are paths below a folder of the server, by the rules of storage/file_key.h. No folder on the way to an
 * object may be a symbolic link; an object may be one that leads to a file below the folder. An object is
 * written under a temporary name beside its target and then renamed: with posix-rename@openssh.com that
 * replaces what is there at once. A server without it can be given new objects only, since all else would
 * leave a moment without any: replacing one is FINOPS_E_UNSUPPORTED there. Create-only needs
 * hardlink@openssh.com, copying copy-data.
 *
 * A version is the size and the time of change in seconds, more is not told; we never give an object the time
 * of the one it replaces. Nothing else guards against writers that are not ours.
 */
#ifndef FO_STORAGE_SFTP_DRIVER_H
#define FO_STORAGE_SFTP_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "finops/sys/storage_driver.h"

typedef struct fo_sftp_settings {
    char *host; /* or user@host:port, as an address has it */
    char *folder;
    int64_t port;
    char *user;
    char *password;
    char *private_key;
    char *private_key_passphrase;
    bool agent;
    char *known_hosts;
    char **host_key;
    char *host_key_checking;
    int64_t connect_timeout, stall_timeout; /* seconds */
    int64_t connections;
    bool durable;
} fo_sftp_settings;

extern const finops_storage_driver fo_sftp_driver;

#endif
