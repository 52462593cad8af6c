/* What every driver that speaks HTTP can be told of the network; configurations fill it from [network]. */
#ifndef FO_NET_HTTP_OPTIONS_H
#define FO_NET_HTTP_OPTIONS_H

#include "finops/sys/option.h"
#include "net/http.h"

typedef struct fo_http_settings {
    char *proxy;
    char *no_proxy;
    char *ca_file;
    int64_t connect_timeout; /* seconds */
    int64_t stall_timeout;   /* seconds */
} fo_http_settings;

/* Rows of an option table, `member` being the fo_http_settings in the driver's config. */
#define FO_HTTP_OPTIONS(config, member)                                                                      \
    { "proxy",                                                                                               \
      FINOPS_OPT_STRING,                                                                                     \
      offsetof(config, member.proxy),                                                                        \
      .flags = FINOPS_OPT_SECRET,                                                                            \
      .arg = "URL",                                                                                          \
      .help = "Proxy to go through, http://[user:password@]host:port." },                                    \
        { "no_proxy", FINOPS_OPT_STRING, offsetof(config, member.no_proxy), .arg = "HOSTS",                  \
          .help = "Hosts that are reached without the proxy, separated by commas." },                        \
        { "ca_file", FINOPS_OPT_STRING, offsetof(config, member.ca_file), .arg = "FILE",                     \
          .help = "PEM file of the authorities that sign the service's certificate; else the system's." },   \
        { "connect_timeout",                                                                                 \
          FINOPS_OPT_INT,                                                                                    \
          offsetof(config, member.connect_timeout),                                                          \
          .value = "10",                                                                                     \
          .min = 1,                                                                                          \
          .max = 3600,                                                                                       \
          .help = "Seconds until a connection must be there." },                                             \
    {                                                                                                        \
        "stall_timeout", FINOPS_OPT_INT, offsetof(config, member.stall_timeout),                             \
            .value = "30", .min = 1, .max = 3600,                                                            \
            .help = "Seconds without a byte after which a connection is given up."                           \
    }

/* Borrows the texts. `where`: the options that say where the service is. */
static inline fo_http_options
fo_http_options_of(const fo_http_settings *s, const char *where)
{
    return (fo_http_options){ .proxy = s->proxy,
                              .no_proxy = s->no_proxy,
                              .ca_file = s->ca_file,
                              .connect_us = s->connect_timeout * 1000000,
                              .stall_us = s->stall_timeout * 1000000,
                              .where = where };
}

#endif
