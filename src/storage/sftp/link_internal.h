/* What the files of a connection share: link.c moves bytes, handshake.c begins and ends it, request.c and
 * answer.c know what is in packets. */
#ifndef FO_STORAGE_SFTP_LINK_INTERNAL_H
#define FO_STORAGE_SFTP_LINK_INTERNAL_H

#include "storage/sftp/link.h"
#include "storage/sftp/session.h"

#define SFTP_TABLE 256 /* a power of two */
#define SFTP_HEAD 9    /* length, type, number */
#define SFTP_PACKET_MAX ((uint32_t)4 << 20)

struct sf_request {
    sf_link *link;
    sf_request *next; /* in the table */
    uint32_t id;
    uint8_t type; /* of the answer; 0: none yet */
    bool opens;   /* its answer is a handle */
    bool dropped;
    void *into; /* of a read; NULL for others */
    size_t room;
    char *body; /* of any other answer */
    size_t n;   /* bytes of either */
};

typedef struct sf_waiter sf_waiter;

struct sf_link {
    const sf_target *target;
    ssh_session session;
    ssh_channel channel;
    unsigned extensions;
    int wake; /* eventfd: ends the pump's poll */
    pthread_mutex_t lock;
    bool pumping, polling;
    sf_waiter *waiters;
    finops_code dead; /* FINOPS_OK while it lives */
    char *why;
    int64_t moved_us; /* when a byte last went either way */
    fo_str out;       /* packets, of which `sent` bytes are with the library */
    size_t sent;
    uint32_t last_id;
    sf_request *table[SFTP_TABLE];
    size_t pending;
    /* the packet that is being read */
    unsigned char head[SFTP_HEAD + 4];
    size_t n_head;
    sf_request *to;
    size_t got;
};

/* ---- link.c; with the lock held, or before others know the link ---- */

/* Every request fails from now on. */
void sf_link_kill(sf_link *link, finops_code code, const char *why);
finops_code sf_link_error(const sf_link *link, finops_error **err);
/* As much of what is queued as the server's window and the socket take. */
void sf_link_push(sf_link *link);
/* Bytes of the channel until there are `want`; false: there are not, yet or any more. */
bool sf_link_fill(sf_link *link, void *into, size_t want, size_t *have);
/* Sends and receives until `request` is answered, a slice of time is over, or others are to have their turn.
 */
void sf_link_pump(sf_link *link, const sf_request *request);

/* ---- link.c; without it ---- */

/* Queues a packet: the body, and data behind it; `into` is where the data of a read goes. */
finops_code sf_link_send(sf_link *link, uint8_t type, const fo_str *body, const void *data, size_t n,
                         void *into, size_t room, sf_request **ret, finops_error **err);

#endif
