/* Inside of instances and links. */
#ifndef FO_DATABASE_DUCKDB_INSTANCE_INTERNAL_H
#define FO_DATABASE_DUCKDB_INSTANCE_INTERNAL_H

#include <pthread.h>

#include "database/duckdb/instance.h"
#include "database/duckdb/serve.h"

typedef enum instance_state { INSTANCE_OPENING, INSTANCE_OPEN, INSTANCE_CLOSING } instance_state;

typedef struct fo_name_lock fo_name_lock; /* lock.c */

/* All but engine is guarded by the lock of instance.c; engine stays as it is while the instance is open. */
struct fo_instance {
    char *path;             /* NULL: in memory */
    const char *checkpoint; /* static text */
    bool read_only;
    instance_state state;
    bool concluding; /* one thread is about to close it, which it does unless somebody comes */
    fo_engine *engine;
    fo_server *server;
    unsigned writers; /* links that may write */
    unsigned busy;    /* reading links in the middle of something */
    unsigned visits;  /* counts the links that came */
    fo_link *readers; /* reading links that are attached */
    fo_name_lock *locks;
    fo_strv keep;
    fo_instance *next;
};

struct fo_link {
    const fo_duckdb_settings *settings; /* borrowed */
    const fo_instance_plan *plan;       /* borrowed; NULL: the file is the engine's own */
    char *path;                         /* NULL: in memory */
    bool read_only;
    unsigned depth;        /* brackets that are open */
    fo_instance *instance; /* NULL: detached, or rows come from another process */
    fo_conn *conn;         /* of the instance; only its thread's while depth is not 0 */
    bool transaction;      /* a reader's statement runs in a transaction of its own */
    fo_cancel stop;        /* of what runs without a connection: waiting, and rows of another process */
    fo_link *next;         /* in the instance's list of readers */
};

/* instance.c */

extern pthread_mutex_t fo_instances_lock;

/* Waits for a change of any instance or lock, 20 ms at most. The lock is held, and dropped meanwhile. */
void fo_instances_wait(void);
/* Asks the call, without the lock, which is held. */
bool fo_instances_cancelled(const finops_call *call);
/* The lock is held. */
void fo_link_join(fo_link *link, fo_instance *instance);
/* Attaches the link, or leaves it detached when another process answers for the file. */
finops_code fo_link_attach(fo_link *link, const finops_call *call, finops_error **err);
/* The link leaves its instance, which closes when nobody is left. The lock is held and dropped meanwhile. */
void fo_link_detach(fo_link *link);
/* Closes the instance when nobody needs it open. The lock is held and dropped meanwhile. */
void fo_instance_settle(fo_instance *instance);

/* lock.c: gives up the locks of a writer. The lock of the instances is held. */
void fo_link_unlock_all(const fo_link *link);

#endif
