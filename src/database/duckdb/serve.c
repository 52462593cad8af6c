/* The writer's side of the socket: one thread accepts, one thread a request. */
#include "database/duckdb/serve.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "database/duckdb/socket.h"
#include "engine/ipc.h"

#define CLIENTS_MAX 32
#define REQUEST_TIMEOUT_S 10
#define ACCEPT_PAUSE_MS 100 /* when there is no descriptor for a reader */

struct fo_server {
    fo_engine *engine;
    char *path;
    int listener;
    int stop_event;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    unsigned clients;         /* under lock */
    int sockets[CLIENTS_MAX]; /* under lock; of the clients, -1: free */
    fo_cancel cancel;         /* asks the running queries to end */
};

typedef struct serve_client {
    fo_server *server;
    unsigned slot; /* in server->sockets */
} serve_client;

static bool
serve_peer_allowed(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

/* Reads the request and sends the rows; whatever fails before the first row is sent as a refusal. */
static finops_code
serve_answer(fo_server *server, int fd, finops_error **err)
{
    FO_AUTO(fo_conn_closep) fo_conn *conn = NULL;
    FO_AUTO(fo_str_done) fo_str sql = FO_STR_MAX(FO_SOCKET_REQUEST_MAX);
    FO_AUTO(fo_strv_done) fo_strv params = FO_STRV_INIT;
    struct ArrowArrayStream stream = { 0 };
    finops_code rc = fo_socket_receive_request(fd, &sql, &params, err);

    if (rc == FINOPS_OK)
        rc = fo_conn_open(server->engine, &conn, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_conn_set_cancel(conn, &server->cancel);
    rc = fo_conn_exec(conn, "BEGIN TRANSACTION READ ONLY",
                      err); /* whatever a statement hides, it writes no table */
    if (rc == FINOPS_OK)
        rc = fo_read_only_check(conn, fo_str_z(&sql), err);
    if (rc == FINOPS_OK)
        rc = fo_conn_stream(conn, fo_str_z(&sql), (const fo_param *)params.items, params.n, &stream, err);
    if (rc != FINOPS_OK)
        return rc;
    if (fo_socket_send(fd, "R", 1))
        fo_ipc_write(fd, &stream, NULL); /* the reader sees a cut stream and says so */
    else
        stream.release(&stream);
    return FINOPS_OK;
}

/* Takes a free slot for the connection; CLIENTS_MAX when there is none. */
static unsigned
serve_admit(fo_server *server, int fd)
{
    unsigned slot = 0;

    pthread_mutex_lock(&server->lock);
    while (slot < CLIENTS_MAX && server->sockets[slot] >= 0)
        slot++;
    if (slot < CLIENTS_MAX) {
        server->sockets[slot] = fd;
        server->clients++;
    }
    pthread_mutex_unlock(&server->lock);
    return slot;
}

static void
serve_dismiss(fo_server *server, unsigned slot)
{
    pthread_mutex_lock(&server->lock);
    close(server->sockets[slot]);
    server->sockets[slot] = -1;
    server->clients--;
    pthread_cond_broadcast(&server->idle);
    pthread_mutex_unlock(&server->lock);
}

static void *
serve_client_run(void *arg)
{
    serve_client client = *(serve_client *)arg;
    FO_AUTO(finops_error_freep) finops_error *refusal = NULL;
    int fd = client.server->sockets[client.slot];

    fo_free(arg);
    if (serve_peer_allowed(fd) && serve_answer(client.server, fd, &refusal) != FINOPS_OK)
        fo_socket_send_refusal(fd, refusal);
    serve_dismiss(client.server, client.slot);
    return NULL;
}

static void
serve_refuse(int fd)
{
    FO_AUTO(finops_error_freep) finops_error *refusal = NULL;

    fo_error_set(&refusal, FINOPS_E_BUSY, "the process that writes the database has too many readers");
    fo_socket_send_refusal(fd, refusal);
    close(fd);
}

static void
serve_accept(fo_server *server)
{
    struct timeval limit = { .tv_sec = REQUEST_TIMEOUT_S };
    pthread_attr_t detached;
    pthread_t thread;
    int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0) {
        /* Without a free descriptor it stays in the queue: asking again at once would take a whole core. */
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            (void)poll(&(struct pollfd){ .fd = server->stop_event, .events = POLLIN }, 1, ACCEPT_PAUSE_MS);
        return;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    unsigned slot = serve_admit(server, fd);
    if (slot == CLIENTS_MAX) {
        serve_refuse(fd);
        return;
    }
    serve_client *client = fo_alloc(sizeof(*client));
    if (client)
        *client = (serve_client){ .server = server, .slot = slot };
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    if (!client || pthread_create(&thread, &detached, serve_client_run, client) != 0) {
        fo_free(client);
        serve_dismiss(server, slot);
    }
    pthread_attr_destroy(&detached);
}

static void *
serve_run(void *arg)
{
    fo_server *server = arg;
    struct pollfd polled[] = { { .fd = server->listener, .events = POLLIN },
                               { .fd = server->stop_event, .events = POLLIN } };

    for (;;) {
        if (poll(polled, FO_COUNT(polled), -1) < 0 && errno != EINTR)
            return NULL;
        if (polled[1].revents)
            return NULL;
        if (polled[0].revents)
            serve_accept(server);
    }
}

/* Signals are the main thread's business; a reader that goes away must not end the writer. */
static int
serve_spawn(fo_server *server)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&server->thread, NULL, serve_run, server);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed;
}

finops_code
fo_server_start(fo_engine *engine, const char *database_path, fo_server **ret, finops_error **err)
{
    fo_server *server = fo_zalloc(sizeof(*server));

    if (!server)
        return fo_error_oom(err);
    server->engine = engine;
    server->path = fo_strdup(database_path);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->idle, NULL);
    server->stop_event = eventfd(0, EFD_CLOEXEC);
    server->listener = -1;
    for (unsigned i = 0; i < CLIENTS_MAX; i++)
        server->sockets[i] = -1;
    finops_code rc = server->path ? FINOPS_OK : fo_error_oom(err);
    if (rc == FINOPS_OK && server->stop_event < 0)
        rc = fo_error_errno(err, errno, "make an event");
    if (rc == FINOPS_OK)
        rc = fo_socket_listen(database_path, &server->listener, err);
    if (rc == FINOPS_OK) {
        int failed = serve_spawn(server);
        if (failed)
            rc = fo_error_errno(err, failed, "start a thread");
    }
    if (rc == FINOPS_OK) {
        *ret = server;
        return FINOPS_OK;
    }
    if (server->listener >= 0) {
        close(server->listener);
        fo_socket_remove(database_path);
    }
    if (server->stop_event >= 0)
        close(server->stop_event);
    fo_free(server->path);
    fo_free(server);
    return rc;
}

/* Waits until no client runs; false when the time is up. */
static bool
serve_wait_idle(fo_server *server, int ms)
{
    struct timespec until;
    int rc = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&server->lock);
    while (server->clients > 0 && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&server->idle, &server->lock, &until);
    bool idle = server->clients == 0;
    pthread_mutex_unlock(&server->lock);
    return idle;
}

/* Ends what still runs: queries are interrupted, and a reader that no longer takes its rows is cut off. */
static void
serve_cut_off(fo_server *server)
{
    fo_cancel_request(&server->cancel);
    pthread_mutex_lock(&server->lock);
    for (unsigned i = 0; i < CLIENTS_MAX; i++)
        if (server->sockets[i] >= 0)
            shutdown(server->sockets[i], SHUT_RDWR);
    pthread_mutex_unlock(&server->lock);
    while (!serve_wait_idle(server, 1000))
        ;
}

void
fo_server_stop(fo_server *server, int patience_ms)
{
    uint64_t one = 1;

    if (!server)
        return;
    if (write(server->stop_event, &one, sizeof(one)) != sizeof(one))
        pthread_cancel(server->thread); /* an eventfd takes eight bytes always; this is for the compiler */
    pthread_join(server->thread, NULL);
    close(server->listener);
    fo_socket_remove(server->path);
    if (!serve_wait_idle(server, patience_ms))
        serve_cut_off(server);
    close(server->stop_event);
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->idle);
    fo_free(server->path);
    fo_free(server);
}
