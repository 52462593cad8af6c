/*
 * Storage in HDFS through WebHDFS or HttpFS:
 * https://hadoop.apache.org/docs/stable/hadoop-project-dist/hadoop-hdfs/WebHDFS.html
 *
 * Keys are paths below a folder, by the rules of storage/file_key.h. Bytes go in two steps, by asking the
 * name node, which names the data node to send them to or to have them from. An object is written under a
 * temporary name beside its target and renamed, over what is there at once; a server that cannot do that
 * (HttpFS) can be given new objects only. A version is the file's number, size and time.
 */
#ifndef FO_STORAGE_WEBHDFS_DRIVER_H
#define FO_STORAGE_WEBHDFS_DRIVER_H

#include <stdbool.h>
#include <stdint.h>

#include "finops/sys/storage_driver.h"
#include "net/http_options.h"

typedef struct fo_webhdfs_settings {
    char *host; /* or user@host:port, as an address has it */
    char *folder;
    int64_t port;
    bool tls;
    char *user;
    char *delegation_token;
    char **host_map;
    fo_http_settings network;
} fo_webhdfs_settings;

extern const finops_storage_driver fo_webhdfs_driver;

#endif
