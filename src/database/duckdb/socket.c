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

bool
fo_socket_send_request(int fd, const char *sql)
{
    unsigned char head[8];
    size_t n = strlen(sql);

    if (n > FO_SOCKET_REQUEST_MAX)
        return false;
    memcpy(head, REQUEST_MAGIC, 4);
    socket_put_u32(head + 4, (uint32_t)n);
    return fo_socket_send(fd, head, sizeof(head)) && fo_socket_send(fd, sql, n);
}

finops_code
fo_socket_receive_request(int fd, fo_str *ret_sql, finops_error **err)
{
    unsigned char head[8];

    if (!fo_socket_receive(fd, head, sizeof(head)) || memcmp(head, REQUEST_MAGIC, 4) != 0)
        return fo_error_set(err, FINOPS_E_DATA, "the request is none of ours");
    uint32_t n = socket_get_u32(head + 4);
    if (n > FO_SOCKET_REQUEST_MAX)
        return fo_error_set(err, FINOPS_E_DATA, "the statement has %u bytes, more than %zu", n,
                            FO_SOCKET_REQUEST_MAX);
    FO_AUTO(fo_freep) char *sql = fo_alloc((size_t)n + 1);
    if (!sql)
        return fo_error_oom(err);
    if (!fo_socket_receive(fd, sql, n))
        return fo_error_set(err, FINOPS_E_DATA, "the request ends early");
    fo_str_addn(ret_sql, sql, n);
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
