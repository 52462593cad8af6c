/* A real OpenSSH server for unit tests. */
#include "sshd.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_TRIES 500

static void
nap(void)
{
    (void)nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

const char *
test_sshd_path(const test_sshd *s, const char *name)
{
    static char paths[8][256];
    static unsigned next;
    char *path = paths[next++ % 8];

    (void)snprintf(path, 256, "%s/%s", s->folder, name);
    return path;
}

static const char *
program(void)
{
    static const char *const places[] = { "/usr/sbin/sshd", "/usr/bin/sshd", "/usr/local/sbin/sshd" };

    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

static pid_t
start(const char *const *args, const char *out)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    if (out) {
        int fd = open(out, O_WRONLY | O_CREAT | O_APPEND, 0600);

        (void)dup2(fd, 1);
        (void)dup2(fd, 2);
    }
    (void)execvp(args[0], (char *const *)(unsigned long)args);
    _exit(127);
}

static bool
run(const char *const *args, const char *out)
{
    int status = -1;
    pid_t pid = start(args, out);

    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool
append(const char *to, const char *from)
{
    FILE *in = fopen(from, "re"), *out = fopen(to, "ae");
    char line[4096];
    bool good = in && out;

    while (good && fgets(line, sizeof(line), in))
        good = fputs(line, out) >= 0;
    if (in)
        (void)fclose(in);
    return out && fclose(out) == 0 && good;
}

bool
test_sshd_key(const test_sshd *s, const char *type, const char *name, const char *passphrase)
{
    const char *path = test_sshd_path(s, name);
    const char *const args[] = { "ssh-keygen", "-q", "-t", type, "-N", passphrase, "-f", path, NULL };
    char public[300];

    (void)snprintf(public, sizeof(public), "%s.pub", path);
    return run(args, "/dev/null") && append(test_sshd_path(s, "authorized_keys"), public);
}

/* "256 SHA256:... comment (ED25519)" */
static bool
read_fingerprint(test_sshd *s)
{
    const char *const args[] = { "ssh-keygen", "-l", "-f", test_sshd_path(s, "host.pub"), NULL };
    const char *out = test_sshd_path(s, "fingerprint");
    FILE *f = run(args, out) ? fopen(out, "re") : NULL;
    bool good = f && fscanf(f, "%*d %79s", s->fingerprint) == 1;

    if (f)
        (void)fclose(f);
    return good;
}

static int
free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), port = 0;

    if (bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 && getsockname(fd, (struct sockaddr *)&a, &n) == 0)
        port = ntohs(a.sin_port);
    (void)close(fd);
    return port;
}

static bool
answers(int port)
{
    const struct sockaddr_in a = { .sin_family = AF_INET,
                                   .sin_port = htons((uint16_t)port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0;

    (void)close(fd);
    return good;
}

static bool
write_configuration(const test_sshd *s, const char *sftp, const char *more)
{
    FILE *f = fopen(test_sshd_path(s, "sshd_config"), "we");

    if (!f)
        return false;
    (void)fprintf(f,
                  "Port %d\nListenAddress 127.0.0.1\nHostKey %s/host\nPidFile none\n"
                  "AuthorizedKeysFile %s/authorized_keys\nStrictModes no\nPermitRootLogin yes\n"
                  "PasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 100\n"
                  "LogLevel VERBOSE\nSubsystem sftp internal-sftp %s\n%s\n",
                  s->port, s->folder, s->folder, sftp ? sftp : "", more ? more : "");
    return fclose(f) == 0;
}

bool
test_sshd_again(test_sshd *s)
{
    const char *const args[] = { program(), "-D", "-e", "-f", test_sshd_path(s, "sshd_config"), NULL };

    s->pid = start(args, test_sshd_path(s, "log"));
    for (int i = 0; s->pid > 0 && i < READY_TRIES; i++) {
        if (answers(s->port))
            return true;
        if (waitpid(s->pid, NULL, WNOHANG) == s->pid)
            break;
        nap();
    }
    (void)fprintf(stderr, "sshd is not ready: see %s\n", test_sshd_path(s, "log"));
    s->pid = 0;
    return false;
}

bool
test_sshd_start(test_sshd *s, const char *sftp, const char *more)
{
    *s = (test_sshd){ .folder = "/tmp/finops-sshd-XXXXXX" };
    if (!program())
        return false;
    if (geteuid() == 0)
        (void)mkdir("/run/sshd", 0755);
    s->port = free_port();
    return mkdtemp(s->folder) && mkdir(test_sshd_path(s, "root"), 0755) == 0 &&
           test_sshd_key(s, "ed25519", "host", "") && unlink(test_sshd_path(s, "authorized_keys")) == 0 &&
           test_sshd_key(s, "ed25519", "id", "") && read_fingerprint(s) &&
           write_configuration(s, sftp, more) && test_sshd_again(s);
}

static pid_t
parent_of(pid_t pid)
{
    char path[64];
    FILE *f;
    int parent = 0;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    f = fopen(path, "re");
    if (f && fscanf(f, "%*d (%*[^)]) %*c %d", &parent) != 1)
        parent = 0;
    if (f)
        (void)fclose(f);
    return parent;
}

/* Each connection is served by processes of their own, which would outlive the server. */
static void
kill_with_children(pid_t pid)
{
    DIR *proc = opendir("/proc");
    const struct dirent *e;

    (void)kill(pid, SIGSTOP);
    while (proc && (e = readdir(proc)) != NULL) {
        int child = 0;

        if (sscanf(e->d_name, "%d", &child) == 1 && child > 0 && parent_of(child) == pid)
            kill_with_children(child);
    }
    if (proc)
        (void)closedir(proc);
    (void)kill(pid, SIGKILL);
}

void
test_sshd_stop(test_sshd *s)
{
    if (s->pid > 0) {
        kill_with_children(s->pid);
        (void)waitpid(s->pid, NULL, 0);
    }
    s->pid = 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void
test_sshd_done(test_sshd *s)
{
    test_sshd_stop(s);
    if (!strstr(s->folder, "XXXXXX"))
        (void)nftw(s->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
