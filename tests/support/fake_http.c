/* Sockets and threads of the scripted server. A failure of the machine's own ends the test program. */
#include "support/fake_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4096

struct fake_http_conn {
    fake_http *server;
    pthread_t thread;
    int fd;
    int then;
    char *in; /* received and not yet handled */
    size_t in_n, in_cap;
};

struct fake_http {
    int fd;
    int port;
    char url[64];
    pthread_t thread;
    pthread_mutex_t lock;
    int stopping;
    fake_http_handler handler;
    void *arg;
    fake_http_conn *conns[CONNECTIONS_MAX];
    unsigned n_conns;
    char **requests;
    unsigned n_requests;
    const fake_http_step *steps;
    size_t n_steps, step;
    char problem[2000];
};

static void
need(int ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    abort();
}

static void *
more(void *old, size_t n)
{
    void *p = realloc(old, n);

    need(p != NULL, "realloc");
    return p;
}

/* ---- reading a request ---- */

/* 0: the client is gone. */
static int
conn_fill(fake_http_conn *c)
{
    ssize_t n;

    if (c->in_cap - c->in_n < 65537) {
        c->in_cap = c->in_cap * 2 + 131072;
        c->in = more(c->in, c->in_cap);
    }
    n = recv(c->fd, c->in + c->in_n, c->in_cap - c->in_n - 1, 0);
    if (n <= 0)
        return 0;
    c->in_n += (size_t)n;
    c->in[c->in_n] = '\0';
    return 1;
}

static size_t
content_length(const char *head, size_t n)
{
    static const char name[] = "\r\ncontent-length:";
    size_t length = 0;

    for (size_t i = 0; i + sizeof(name) < n; i++) {
        if (strncasecmp(head + i, name, sizeof(name) - 1) != 0)
            continue;
        for (i += sizeof(name) - 1; head[i] == ' '; i++)
            ;
        for (; head[i] >= '0' && head[i] <= '9'; i++)
            length = length * 10 + (size_t)(head[i] - '0');
        break;
    }
    return length;
}

/* Bytes of the request at the front of `in`; 0: the client is gone. */
static size_t
conn_request(fake_http_conn *c)
{
    size_t head_n, want;
    char *end;

    while (c->in_n == 0 || (end = strstr(c->in, "\r\n\r\n")) == NULL)
        if (!conn_fill(c))
            return 0;
    head_n = (size_t)(end - c->in) + 4;
    want = head_n + content_length(c->in, head_n);
    while (c->in_n < want)
        if (!conn_fill(c))
            return 0;
    return want;
}

static char *
remember(fake_http *s, const char *request, size_t n)
{
    char *copy = more(NULL, n + 1);

    memcpy(copy, request, n);
    copy[n] = '\0';
    (void)pthread_mutex_lock(&s->lock);
    s->requests = more(s->requests, (s->n_requests + 1) * sizeof(*s->requests));
    s->requests[s->n_requests++] = copy;
    (void)pthread_mutex_unlock(&s->lock);
    return copy;
}

static void
conn_end(fake_http_conn *c)
{
    struct linger reset = { .l_onoff = 1, .l_linger = 0 };
    char sink[4096];

    if (c->then == FAKE_HTTP_STALL)
        while (recv(c->fd, sink, sizeof(sink), 0) > 0)
            ;
    if (c->then == FAKE_HTTP_CUT)
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    (void)pthread_mutex_lock(&c->server->lock);
    (void)close(c->fd);
    c->fd = -1;
    (void)pthread_mutex_unlock(&c->server->lock);
    free(c->in);
}

static void *
conn_main(void *arg)
{
    fake_http_conn *c = arg;
    size_t n;

    while (c->then == FAKE_HTTP_KEEP && (n = conn_request(c)) > 0) {
        char *request = remember(c->server, c->in, n);

        memmove(c->in, c->in + n, c->in_n - n + 1);
        c->in_n -= n;
        c->server->handler(c, request, n, c->server->arg);
    }
    conn_end(c);
    return NULL;
}

/* ---- the server ---- */

static void *
server_main(void *arg)
{
    fake_http *s = arg;
    int one = 1;

    for (;;) {
        int fd = accept(s->fd, NULL, NULL);
        fake_http_conn *c;

        if (fd < 0 && errno == EINTR)
            continue;
        (void)pthread_mutex_lock(&s->lock);
        if (fd < 0 || s->stopping || s->n_conns == CONNECTIONS_MAX) {
            (void)pthread_mutex_unlock(&s->lock);
            if (fd >= 0)
                (void)close(fd);
            return NULL;
        }
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        c = more(NULL, sizeof(*c));
        *c = (fake_http_conn){ .server = s, .fd = fd };
        s->conns[s->n_conns++] = c;
        need(pthread_create(&c->thread, NULL, conn_main, c) == 0, "pthread_create");
        (void)pthread_mutex_unlock(&s->lock);
    }
}

fake_http *
fake_http_start(fake_http_handler handler, void *arg)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t n = sizeof(address);
    fake_http *s = calloc(1, sizeof(*s));

    need(s != NULL, "calloc");
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->handler = handler;
    s->arg = arg;
    (void)pthread_mutex_init(&s->lock, NULL);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(s->fd >= 0, "socket");
    need(bind(s->fd, (struct sockaddr *)&address, sizeof(address)) == 0, "bind");
    need(listen(s->fd, 512) == 0, "listen");
    need(getsockname(s->fd, (struct sockaddr *)&address, &n) == 0, "getsockname");
    s->port = ntohs(address.sin_port);
    (void)snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d", s->port);
    need(pthread_create(&s->thread, NULL, server_main, s) == 0, "pthread_create");
    return s;
}

void
fake_http_stop(fake_http *s)
{
    if (!s)
        return;
    (void)pthread_mutex_lock(&s->lock);
    s->stopping = 1;
    (void)shutdown(s->fd, SHUT_RDWR);
    for (unsigned i = 0; i < s->n_conns; i++)
        if (s->conns[i]->fd >= 0)
            (void)shutdown(s->conns[i]->fd, SHUT_RDWR);
    (void)pthread_mutex_unlock(&s->lock);
    (void)pthread_join(s->thread, NULL);
    for (unsigned i = 0; i < s->n_conns; i++) {
        (void)pthread_join(s->conns[i]->thread, NULL);
        free(s->conns[i]);
    }
    for (unsigned i = 0; i < s->n_requests; i++)
        free(s->requests[i]);
    free(s->requests);
    (void)close(s->fd);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

const char *
fake_http_url(const fake_http *s)
{
    return s->url;
}

int
fake_http_port(const fake_http *s)
{
    return s->port;
}

unsigned
fake_http_connections(fake_http *s)
{
    unsigned n;

    (void)pthread_mutex_lock(&s->lock);
    n = s->n_conns;
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}

unsigned
fake_http_requests(fake_http *s)
{
    unsigned n;

    (void)pthread_mutex_lock(&s->lock);
    n = s->n_requests;
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}

const char *
fake_http_request(fake_http *s, unsigned n)
{
    const char *request;

    (void)pthread_mutex_lock(&s->lock);
    request = n < s->n_requests ? s->requests[n] : NULL;
    (void)pthread_mutex_unlock(&s->lock);
    return request;
}

/* ---- answering ---- */

int
fake_http_send(fake_http_conn *c, const void *data, size_t n)
{
    const char *p = data;

    while (n > 0) {
        ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL);

        if (sent <= 0)
            return 0;
        p += sent;
        n -= (size_t)sent;
    }
    return 1;
}

void
fake_http_reply(fake_http_conn *c, const char *status, const char *headers, const void *body, size_t n)
{
    size_t cap = strlen(status) + strlen(headers) + n + 100;
    char *text = more(NULL, cap);
    int head = snprintf(text, cap, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n", status, headers, n);

    if (n > 0)
        memcpy(text + head, body, n);
    (void)fake_http_send(c, text, (size_t)head + n);
    free(text);
}

void
fake_http_then(fake_http_conn *c, int then)
{
    c->then = then;
}

void
fake_http_pause(unsigned ms)
{
    struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

    (void)nanosleep(&t, NULL);
}

/* ---- the script ---- */

static int
has_line(const char *request, const char *line, size_t n)
{
    for (; *request; request++)
        if (strncasecmp(request, line, n) == 0)
            return 1;
    return 0;
}

/* With the lock held. The first problem is the one that counts. */
static void
note_problem(fake_http *s, const char *what, const char *want, const char *request)
{
    if (s->problem[0] == '\0')
        (void)snprintf(s->problem, sizeof(s->problem), "%s: %.500s; the request was: %.1000s", what, want,
                       request);
}

static void
check_lines(fake_http *s, const fake_http_step *step, const char *request)
{
    for (const char *line = step->expect; line && *line;) {
        size_t n = strcspn(line, "\n");

        if (!has_line(request, line, n))
            note_problem(s, "not in the request", line, request);
        line += n + (line[n] == '\n');
    }
}

static void
play(fake_http_conn *c, const char *request, size_t n, void *arg)
{
    fake_http *s = c->server;
    const fake_http_step *step = NULL;

    (void)n;
    (void)arg;
    (void)pthread_mutex_lock(&s->lock);
    if (s->step < s->n_steps) {
        step = &s->steps[s->step++];
        check_lines(s, step, request);
    } else {
        note_problem(s, "a request too many", "", request);
    }
    (void)pthread_mutex_unlock(&s->lock);
    if (!step) {
        fake_http_reply(c, "599 Not In The Script", "", "", 0);
        return;
    }
    if (step->pause_ms)
        fake_http_pause(step->pause_ms);
    if (step->status)
        fake_http_reply(c, step->status, step->headers ? step->headers : "", step->body ? step->body : "",
                        step->body ? strlen(step->body) : 0);
    if (step->raw)
        (void)fake_http_send(c, step->raw, strlen(step->raw));
    c->then = step->then;
}

fake_http *
fake_http_script(const fake_http_step *steps, size_t n)
{
    fake_http *s = fake_http_start(play, NULL);

    (void)pthread_mutex_lock(&s->lock);
    s->steps = steps;
    s->n_steps = n;
    (void)pthread_mutex_unlock(&s->lock);
    return s;
}

const char *
fake_http_problem(fake_http *s)
{
    const char *problem;

    (void)pthread_mutex_lock(&s->lock);
    if (s->step < s->n_steps)
        note_problem(s, "nobody asked for", s->steps[s->step].expect ? s->steps[s->step].expect : "a step",
                     "");
    problem = s->problem[0] ? s->problem : NULL;
    (void)pthread_mutex_unlock(&s->lock);
    return problem;
}
