/* Appending to the audit log: one line at a time under a lock of the file, with the hash of the last line. */
#include "database/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#define TAIL_MAX ((size_t)64 << 10) /* a line is shorter by far */
#define PENDING_MAX 1000

struct fo_audit {
    char *path;
    char *user, *host;
    pthread_mutex_t lock;
    int fd;
    dev_t device;
    ino_t inode;
    off_t size;               /* after our last line; a file that has it still is as we left it */
    char prev[FO_SHA256_HEX]; /* of the line that ends there */
    fo_strv pending;          /* lines without their head, not yet written */
    atomic_size_t waiting;    /* of pending */
    bool lost;                /* an event there was no memory for */
};

void
fo_audit_first(char hex[FO_SHA256_HEX])
{
    memset(hex, '0', FO_SHA256_HEX - 1);
    hex[FO_SHA256_HEX - 1] = '\0';
}

/* The name of who runs this, or the number where there is none. */
char *
fo_audit_user(void)
{
    char buffer[4096];
    struct passwd entry, *found = NULL;

    if (getpwuid_r(getuid(), &entry, buffer, sizeof(buffer), &found) == 0 && found)
        return fo_audit_clean(found->pw_name);
    return fo_format("%lu", (unsigned long)getuid());
}

char *
fo_audit_host(void)
{
    char name[256] = "";

    if (gethostname(name, sizeof(name) - 1) != 0 || !*name)
        return fo_strdup("unknown");
    return fo_audit_clean(name);
}

static finops_code
file_open(fo_audit *a, finops_error **err)
{
    struct stat st;

    fo_fd_closep(&a->fd);
    a->fd = open(a->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (a->fd < 0 || fstat(a->fd, &st) != 0)
        return fo_error_errno(err, errno, "open audit log %s", a->path);
    if (!S_ISREG(st.st_mode))
        return fo_error_set(err, FINOPS_E_UNSUPPORTED, "audit log %s is no file", a->path);
    a->device = st.st_dev;
    a->inode = st.st_ino;
    a->size = -1;
    return FINOPS_OK;
}

finops_code
fo_audit_open(const char *path, fo_audit **ret, finops_error **err)
{
    fo_audit *a = fo_zalloc(sizeof(*a));
    finops_code rc;

    if (!a)
        return fo_error_oom(err);
    a->fd = -1;
    atomic_init(&a->waiting, 0);
    (void)pthread_mutex_init(&a->lock, NULL);
    a->path = fo_path_absolute(path);
    a->user = fo_audit_user();
    a->host = fo_audit_host();
    rc = a->path && a->user && a->host ? fo_mkdirs_for(a->path, err) : fo_error_oom(err);
    if (rc == FINOPS_OK)
        rc = file_open(a, err);
    if (rc != FINOPS_OK) {
        fo_audit_close(a);
        return rc;
    }
    *ret = a;
    return FINOPS_OK;
}

/* The hash of the last line of a file of `size` bytes. *ret_torn: it has no end, its writer was killed. */
static finops_code
tail_hash(const fo_audit *a, off_t size, char hex[FO_SHA256_HEX], bool *ret_torn, finops_error **err)
{
    char tail[TAIL_MAX];
    size_t want = size < (off_t)sizeof(tail) ? (size_t)size : sizeof(tail), end, start;
    ssize_t got;

    *ret_torn = false;
    fo_audit_first(hex);
    if (size == 0)
        return FINOPS_OK;
    got = pread(a->fd, tail, want, size - (off_t)want);
    if (got != (ssize_t)want)
        return fo_error_errno(err, got < 0 ? errno : EIO, "read audit log %s", a->path);
    *ret_torn = tail[want - 1] != '\n';
    end = *ret_torn ? want : want - 1;
    start = end;
    while (start > 0 && tail[start - 1] != '\n')
        start--;
    if (start == 0 && (size_t)size > want)
        return fo_error_set(err, FINOPS_E_CORRUPT, "the last line of audit log %s has no beginning", a->path);
    return fo_sha256_hex(tail + start, end - start, hex, err);
}

/* All or nothing: half a line is cut off again. */
static finops_code
line_append(fo_audit *a, const fo_str *line, off_t size, finops_error **err)
{
    ssize_t n = write(a->fd, line->data, line->len);
    int errnum = n < 0 ? errno : ENOSPC;

    if (n == (ssize_t)line->len)
        return FINOPS_OK;
    if (n > 0 && ftruncate(a->fd, size) != 0)
        errnum = errno;
    return fo_error_errno(err, errnum, "write audit log %s", a->path);
}

/* With the file locked. */
static finops_code
line_write(fo_audit *a, const char *body, finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str line = FO_STR_INIT;
    char hash[FO_SHA256_HEX];
    struct stat st;
    bool torn = false;
    size_t start;
    finops_code rc = FINOPS_OK;

    if (fstat(a->fd, &st) != 0)
        return fo_error_errno(err, errno, "read audit log %s", a->path);
    if (st.st_size != a->size)
        rc = tail_hash(a, st.st_size, a->prev, &torn, err);
    if (rc != FINOPS_OK)
        return rc;
    if (torn)
        fo_str_addc(&line, '\n');
    start = line.len;
    fo_str_addf(&line, FO_AUDIT_HEAD "%s\"%s", a->prev, body);
    rc = fo_str_check(&line, err);
    if (rc == FINOPS_OK)
        rc = fo_sha256_hex(line.data + start, line.len - start, hash, err);
    fo_str_addc(&line, '\n');
    if (rc == FINOPS_OK)
        rc = fo_str_check(&line, err);
    a->size = -1;
    if (rc == FINOPS_OK)
        rc = line_append(a, &line, st.st_size, err);
    if (rc != FINOPS_OK)
        return rc;
    a->size = st.st_size + (off_t)line.len;
    memcpy(a->prev, hash, sizeof(hash));
    return FINOPS_OK;
}

/* The log may have been moved away (rotated): what follows goes into a new one. */
static finops_code
file_current(fo_audit *a, finops_error **err)
{
    struct stat st;

    if (a->fd >= 0 && stat(a->path, &st) == 0 && st.st_dev == a->device && st.st_ino == a->inode)
        return FINOPS_OK;
    return file_open(a, err);
}

static void
pending_drop(fo_audit *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fo_free(a->pending.items[i]);
    memmove(a->pending.items, a->pending.items + n, (a->pending.n - n) * sizeof(*a->pending.items));
    a->pending.n -= n;
    atomic_store(&a->waiting, a->pending.n);
}

/* Writes what is pending. With the mutex held. */
static finops_code
flush(fo_audit *a, finops_error **err)
{
    finops_code rc = file_current(a, err);
    size_t n = 0;

    if (rc != FINOPS_OK)
        return rc;
    while (flock(a->fd, LOCK_EX) != 0)
        if (errno != EINTR)
            return fo_error_errno(err, errno, "lock audit log %s", a->path);
    while (rc == FINOPS_OK && n < a->pending.n) {
        rc = line_write(a, a->pending.items[n], err);
        n += rc == FINOPS_OK;
    }
    (void)flock(a->fd, LOCK_UN);
    pending_drop(a, n);
    return rc;
}

finops_code
fo_audit_ready(fo_audit *a, finops_error **err)
{
    finops_code rc = FINOPS_OK;

    if (atomic_load(&a->waiting) == 0)
        return FINOPS_OK;
    (void)pthread_mutex_lock(&a->lock);
    if (a->pending.n > 0)
        rc = flush(a, err);
    if (rc == FINOPS_OK && a->lost)
        rc = fo_error_oom(err);
    (void)pthread_mutex_unlock(&a->lock);
    if (rc != FINOPS_OK)
        fo_error_hint(err, "nothing is changed while changes cannot be recorded");
    return rc;
}

char *
fo_audit_clean(const char *text)
{
    FO_AUTO(fo_str_done) fo_str s = FO_STR_INIT;
    size_t n = strlen(text);

    for (size_t i = 0; i < n;) {
        uint32_t point;
        unsigned len = fo_utf8_decode(text + i, n - i, &point);

        if (len == 0)
            fo_str_addc(&s, '?');
        else
            fo_str_addn(&s, text + i, len);
        i += len ? len : 1;
    }
    return fo_str_take(&s);
}

void
fo_audit_text(fo_str *s, const char *key, const char *text)
{
    size_t n = strlen(text);

    fo_str_addf(s, "\"%s\":\"", key);
    for (size_t i = 0; i < n;) {
        uint32_t point;
        unsigned len = fo_utf8_decode(text + i, n - i, &point);

        if (len == 0)
            fo_str_addc(s, '?');
        else if (point < 0x20 || point == 0x7f)
            fo_str_addf(s, "\\u%04x", (unsigned)point);
        else if (point == '"' || point == '\\')
            fo_str_addf(s, "\\%c", (char)point);
        else
            fo_str_addn(s, text + i, len);
        i += len ? len : 1;
    }
    fo_str_addc(s, '"');
}

static void
text_add(fo_str *s, const char *key, const char *text)
{
    fo_str_addc(s, ',');
    fo_audit_text(s, key, text);
}

static char *
body_make(const fo_audit *a, const fo_audit_event *e)
{
    fo_str s = FO_STR_MAX(FO_AUDIT_LINE_MAX);
    char time[FO_TIME_TEXT], *body;

    text_add(&s, "time", fo_time_format(fo_clock_now(), time));
    text_add(&s, "user", a->user);
    text_add(&s, "host", a->host);
    fo_str_addf(&s, ",\"pid\":%ld", (long)getpid());
    text_add(&s, "backend", e->backend);
    text_add(&s, "operation", e->operation);
    if (e->object && *e->object)
        text_add(&s, "object", e->object);
    if (e->rows >= 0)
        fo_str_addf(&s, ",\"rows\":%lld", (long long)e->rows);
    fo_str_addf(&s, ",\"ms\":%.3f", (double)e->micros / 1000);
    text_add(&s, "outcome", finops_code_name(e->outcome));
    fo_str_addc(&s, '}');
    body = fo_str_take(&s);
    fo_str_done(&s);
    return body;
}

void
fo_audit_add(fo_audit *a, const fo_audit_event *event)
{
    char *body = body_make(a, event);

    (void)pthread_mutex_lock(&a->lock);
    if (!body || a->pending.n >= PENDING_MAX || !fo_strv_take(&a->pending, body))
        a->lost = true;
    if (a->pending.n > 0)
        (void)flush(a, NULL);
    atomic_store(&a->waiting, a->pending.n + (a->lost ? 1 : 0));
    (void)pthread_mutex_unlock(&a->lock);
}

void
fo_audit_close(fo_audit *a)
{
    if (!a)
        return;
    if (a->pending.n > 0)
        (void)flush(a, NULL);
    if (a->pending.n > 0 || a->lost)
        fo_warn("%zu changes could not be recorded in audit log %s", a->pending.n + (a->lost ? 1 : 0),
                a->path);
    fo_strv_done(&a->pending);
    fo_fd_closep(&a->fd);
    (void)pthread_mutex_destroy(&a->lock);
    fo_free(a->path);
    fo_free(a->user);
    fo_free(a->host);
    fo_free(a);
}
