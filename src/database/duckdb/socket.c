/* The Unix socket beside a database file, and the bytes that cross it. */
#include "database/duckdb/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"

#define REQUEST_MAGIC "FOQ1"
#define REQUEST_WITH_PARAMS "FOQ2"
#define DATABASE_NAME_MAX                                                                                    \
    75 /* with "/proc/self/fd/<number>/" and ".sock" around it, it fits a socket's address */
#define REFUSAL_TEXT_MAX ((uint32_t)1 << 20)

/* The socket's name in the database's folder: "<database>.sock", or the same for a database whose name is too
 * long for that. */
static char *
socket_name(const char *base)
{
    char hex[FO_SHA256_HEX];

    if (strlen(base) <= DATABASE_NAME_MAX)
        return fo_format("%s.sock", base);
    if (fo_sha256_hex(base, strlen(base), hex, NULL) != FINOPS_OK)
        return NULL;
    return fo_format("finops-%.16s.sock", hex);
}

static char *
socket_path(const char *database_path)
{
    const char *base = fo_path_base(database_path);
    FO_AUTO(fo_freep) char *name = socket_name(base);

    return name ? fo_format("%.*s%s", (int)(base - database_path), database_path, name) : NULL;
}

/*
 * A socket's path may take 107 bytes only, a database's path any length: the address goes through the
 * folder's descriptor in /proc. *ret_dir must stay open until bind or connect is done.
 */
static finops_code
socket_address(const char *database_path, struct sockaddr_un *ret, int *ret_dir, finops_error **err)
{
    FO_AUTO(fo_freep)
    char *folder = fo_format("%.*s", (int)(fo_path_base(database_path) - database_path), database_path);
    FO_AUTO(fo_freep) char *name = socket_name(fo_path_base(database_path));
    *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };

    if (!folder || !name)
        return fo_error_oom(err);
    int dir = open(*folder ? folder : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return fo_error_errno(err, errno, "open folder %s", folder);
    int n = snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", dir, name);
    if (n < 0 || (size_t)n >= sizeof(ret->sun_path)) {
        close(dir);
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "the name %s is too long for a socket", name);
    }
    *ret_dir = dir;
    return FINOPS_OK;
}

void
fo_socket_remove(const char *database_path)
{
    FO_AUTO(fo_freep) char *path = socket_path(database_path);
    struct stat info;

    if (path && lstat(path, &info) == 0 && S_ISSOCK(info.st_mode))
        unlink(path); /* a file of the user that happens to have the name stays */
}

finops_code
fo_socket_listen(const char *database_path, int *ret_fd, finops_error **err)
{
    struct sockaddr_un address;
    int dir;
    finops_code rc = socket_address(database_path, &address, &dir, err);

    if (rc != FINOPS_OK)
        return rc;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fo_socket_remove(database_path);
    /* fchmod before bind gives the file its mode from the start: there is no moment when others may connect.
     */
    if (fd < 0 || fchmod(fd, 0600) != 0 ||
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        chmod(address.sun_path, 0600) != 0 || listen(fd, 16) != 0) {
        int why = errno;
        if (fd >= 0)
            close(fd);
        close(dir);
        return fo_error_errno(err, why, "listen at %s.sock", database_path);
    }
    close(dir);
    *ret_fd = fd;
    return FINOPS_OK;
}

/*
 * In a folder others may write to, anyone can put a socket in the place of ours: what answers must run as
 * this user, as root or as the owner of the database file.
 */
static bool
socket_trusted(int fd, const char *database_path)
{
    struct ucred peer;
    struct stat info;
    socklen_t size = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return false;
    return peer.uid == geteuid() || peer.uid == 0 ||
           (stat(database_path, &info) == 0 && info.st_uid == peer.uid);
}

finops_code
fo_socket_connect(const char *database_path, int *ret_fd, finops_error **err)
{
    struct sockaddr_un address;
    int dir;
    finops_code rc = socket_address(database_path, &address, &dir, err);

    if (rc != FINOPS_OK)
        return rc;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failed = fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ? errno : 0;
    close(dir);
    if (!failed && !socket_trusted(fd, database_path))
        failed = EPERM;
    if (!failed) {
        *ret_fd = fd;
        return FINOPS_OK;
    }
    if (fd >= 0)
        close(fd);
    if (failed == ECONNREFUSED)
        failed = ENOENT; /* the socket of a process that was killed */
    return fo_error_errno(err, failed, "connect to %s.sock", database_path);
}

bool
fo_socket_send(int fd, const void *p, size_t n)
{
    const char *at = p;

    while (n > 0) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        at += sent;
        n -= (size_t)sent;
    }
    return true;
}

bool
fo_socket_receive(int fd, void *p, size_t n)
{
    char *at = p;

    while (n > 0) {
        ssize_t got = recv(fd, at, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        at += got;
        n -= (size_t)got;
    }
    return true;
}

static void
socket_put_u32(unsigned char *p, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> (8 * i));
}

static uint32_t
socket_get_u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* A text with its length before it; NULL is the longest length. */
static bool
socket_send_text(int fd, const char *text)
{
    unsigned char head[4];
    size_t n = text ? strlen(text) : 0;

    if (n > FO_SOCKET_REQUEST_MAX)
        return false;
    socket_put_u32(head, text ? (uint32_t)n : UINT32_MAX);
    return fo_socket_send(fd, head, sizeof(head)) && fo_socket_send(fd, text, n);
}

bool
fo_socket_send_request(int fd, const char *sql, const char *const *params, size_t n)
{
    unsigned char head[4];
    bool ok;

    if (n > FO_SOCKET_PARAMS_MAX)
        return false;
    ok = fo_socket_send(fd, n ? REQUEST_WITH_PARAMS : REQUEST_MAGIC, 4) && socket_send_text(fd, sql);
    if (!ok || n == 0)
        return ok;
    socket_put_u32(head, (uint32_t)n);
    ok = fo_socket_send(fd, head, sizeof(head));
    for (size_t i = 0; ok && i < n; i++)
        ok = socket_send_text(fd, params[i]);
    return ok;
}

static finops_code
socket_receive_u32(int fd, uint32_t *ret, finops_error **err)
{
    unsigned char head[4];

    if (!fo_socket_receive(fd, head, sizeof(head)))
        return fo_error_set(err, FINOPS_E_DATA, "the request ends early");
    *ret = socket_get_u32(head);
    return FINOPS_OK;
}

/* *ret is NULL for the text that is none. *io_left: bytes that the request may still have. */
static finops_code
socket_receive_part(int fd, size_t *io_left, char **ret, finops_error **err)
{
    FO_AUTO(fo_freep) char *text = NULL;
    uint32_t n = 0;
    finops_code rc = socket_receive_u32(fd, &n, err);

    *ret = NULL;
    if (rc != FINOPS_OK || n == UINT32_MAX)
        return rc;
    if (n > *io_left)
        return fo_error_set(err, FINOPS_E_DATA, "the statement has %u bytes, more than %zu", n,
                            FO_SOCKET_REQUEST_MAX);
    *io_left -= n;
    text = fo_zalloc((size_t)n + 1);
    if (!text)
        return fo_error_oom(err);
    if (!fo_socket_receive(fd, text, n))
        return fo_error_set(err, FINOPS_E_DATA, "the request ends early");
    *ret = FO_TAKE(text);
    return FINOPS_OK;
}

static finops_code
socket_receive_params(int fd, size_t left, fo_strv *ret, finops_error **err)
{
    uint32_t n = 0;
    finops_code rc = socket_receive_u32(fd, &n, err);

    if (rc == FINOPS_OK && n > FO_SOCKET_PARAMS_MAX)
        rc = fo_error_set(err, FINOPS_E_DATA, "the statement has %u parameters", n);
    if (rc == FINOPS_OK && !fo_grow((void **)&ret->items, &ret->cap, n, sizeof(*ret->items)))
        rc = fo_error_oom(err);
    for (uint32_t i = 0; rc == FINOPS_OK && i < n; i++) {
        rc = socket_receive_part(fd, &left, &ret->items[i], err);
        if (rc == FINOPS_OK)
            ret->n++;
    }
    return rc;
}

finops_code
fo_socket_receive_request(int fd, fo_str *ret_sql, fo_strv *ret_params, finops_error **err)
{
    FO_AUTO(fo_freep) char *sql = NULL;
    size_t left = FO_SOCKET_REQUEST_MAX;
    char magic[4];
    bool params;
    finops_code rc;

    if (!fo_socket_receive(fd, magic, sizeof(magic)))
        return fo_error_set(err, FINOPS_E_DATA, "the request is none of ours");
    params = memcmp(magic, REQUEST_WITH_PARAMS, sizeof(magic)) == 0;
    if (!params && memcmp(magic, REQUEST_MAGIC, sizeof(magic)) != 0)
        return fo_error_set(err, FINOPS_E_DATA, "the request is none of ours");
    rc = socket_receive_part(fd, &left, &sql, err);
    if (rc == FINOPS_OK && !sql)
        rc = fo_error_set(err, FINOPS_E_DATA, "the request has no statement");
    if (rc == FINOPS_OK && params)
        rc = socket_receive_params(fd, left, ret_params, err);
    if (rc != FINOPS_OK)
        return rc;
    fo_str_add(ret_sql, sql);
    return fo_str_check(ret_sql, err);
}

void
fo_socket_send_refusal(int fd, const finops_error *refusal)
{
    const char *text = finops_error_text(refusal);
    const char *hint = finops_error_hint(refusal) ? finops_error_hint(refusal) : "";
    unsigned char head[13] = { 'E' };

    socket_put_u32(head + 1, (uint32_t)finops_error_code(refusal));
    socket_put_u32(head + 5, (uint32_t)strlen(text));
    socket_put_u32(head + 9, (uint32_t)strlen(hint));
    if (fo_socket_send(fd, head, sizeof(head)) && fo_socket_send(fd, text, strlen(text)))
        fo_socket_send(fd, hint, strlen(hint));
}

static finops_code
socket_receive_text(int fd, uint32_t n, char **ret, finops_error **err)
{
    FO_AUTO(fo_freep) char *text = n <= REFUSAL_TEXT_MAX ? fo_zalloc((size_t)n + 1) : NULL;

    if (!text)
        return fo_error_oom(err);
    if (!fo_socket_receive(fd, text, n))
        return fo_error_set(err, FINOPS_E_TRANSIENT,
                            "the process that writes the database stopped answering");
    *ret = FO_TAKE(text);
    return FINOPS_OK;
}

finops_code
fo_socket_receive_answer(int fd, finops_error **err)
{
    FO_AUTO(fo_freep) char *text = NULL;
    FO_AUTO(fo_freep) char *hint = NULL;
    unsigned char kind, head[12];

    if (!fo_socket_receive(fd, &kind, 1))
        return fo_error_set(err, FINOPS_E_TRANSIENT,
                            "the process that writes the database stopped answering");
    if (kind == 'R')
        return FINOPS_OK;
    if (kind != 'E' || !fo_socket_receive(fd, head, sizeof(head)))
        return fo_error_set(err, FINOPS_E_TRANSIENT,
                            "the process that writes the database sent no answer of ours");
    finops_code rc = socket_receive_text(fd, socket_get_u32(head + 4), &text, err);
    if (rc == FINOPS_OK)
        rc = socket_receive_text(fd, socket_get_u32(head + 8), &hint, err);
    if (rc != FINOPS_OK)
        return rc;
    uint32_t code = socket_get_u32(head);
    rc = code > 0 && code < FINOPS_E_COUNT_ ? (finops_code)code : FINOPS_E_INTERNAL;
    fo_error_set(err, rc, "%s", text);
    if (*hint)
        fo_error_hint(err, "%s", hint);
    return rc;
}
