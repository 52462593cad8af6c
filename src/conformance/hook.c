/* Runs one program and waits. What it prints goes into memory: a server it starts may keep a pipe open. */
#include "conformance/hook.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/str.h"

#define LOOK_NS 5000000
#define SAID_MAX 600 /* of what it printed: the end says most */

extern char **environ;

const char *
fo_hook_missing(const char *folder, const char *const *names)
{
    for (; names && *names; names++) {
        FO_AUTO(fo_freep) char *path = folder ? fo_format("%s/%s", folder, *names) : NULL;
        struct stat st;

        if (!path || stat(path, &st) != 0 || !S_ISREG(st.st_mode) || access(path, X_OK) != 0)
            return *names;
    }
    return NULL;
}

/* In a group of its own: Ctrl-C is ours, and it ends together with what it started. */
static int
start(const char *path, char *const *argv, int said, pid_t *ret)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    int errnum;

    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    (void)posix_spawn_file_actions_init(&files);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setflags(&attributes,
                                   POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setsigdefault(&attributes, &all);
    errnum = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (!errnum)
        errnum = posix_spawn_file_actions_adddup2(&files, said, 1);
    if (!errnum)
        errnum = posix_spawn_file_actions_adddup2(&files, said, 2);
    if (!errnum)
        errnum = posix_spawn_file_actions_addclosefrom_np(&files, 3);
    if (!errnum)
        errnum = posix_spawn(ret, path, &files, &attributes, argv, environ);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&files);
    return errnum;
}

/* False: it took too long and was ended. */
static bool
wait_for(pid_t pid, int *ret_status)
{
    const struct timespec pause = { .tv_nsec = LOOK_NS };
    int64_t until = fo_clock_monotonic() + FO_HOOK_US;
    pid_t got;

    while ((got = waitpid(pid, ret_status, WNOHANG)) == 0 && fo_clock_monotonic() < until)
        (void)nanosleep(&pause, NULL);
    if (got != 0)
        return true;
    (void)kill(-pid, SIGKILL);
    while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR)
        continue;
    return false;
}

static void
read_said(int fd, char ret[SAID_MAX + 1])
{
    off_t size = lseek(fd, 0, SEEK_END);
    ssize_t n = pread(fd, ret, SAID_MAX, size > SAID_MAX ? size - SAID_MAX : 0);

    while (n > 0 && strchr(" \n", ret[n - 1]))
        n--;
    ret[n > 0 ? n : 0] = '\0';
}

static finops_code
verdict(const char *path, bool in_time, int status, int said, finops_error **err)
{
    char text[SAID_MAX + 1];

    if (in_time && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return FINOPS_OK;
    read_said(said, text);
    if (!in_time)
        return fo_error_set(err, FINOPS_E_TIMEOUT, "hook %s: no end after %d s%s%s", path,
                            (int)(FO_HOOK_US / 1000000), text[0] ? ": " : "", text);
    if (WIFSIGNALED(status))
        return fo_error_set(err, FINOPS_E_IO, "hook %s: ended by signal %d%s%s", path, WTERMSIG(status),
                            text[0] ? ": " : "", text);
    return fo_error_set(err, FINOPS_E_IO, "hook %s: exit status %d%s%s", path, WEXITSTATUS(status),
                        text[0] ? ": " : "", text);
}

/* posix_spawn wants texts it could change, and does not. */
static char *
argument(const char *text)
{
    union {
        const char *in;
        char *out;
    } both = { .in = text };

    return both.out;
}

finops_code
fo_hook_run(const char *folder, const char *name, const char *schema, const char *table, finops_error **err)
{
    FO_AUTO(fo_freep) char *path = NULL;
    FO_AUTO(fo_fd_closep) int said = -1;
    int errnum, status = 0;
    bool in_time;
    pid_t pid = -1;

    assert(folder && name && schema && table);

    path = fo_format("%s/%s", folder, name);
    if (!path)
        return fo_error_oom(err);
    said = memfd_create("finops hook", MFD_CLOEXEC);
    if (said < 0)
        return fo_error_errno(err, errno, "a place for what hook %s prints", path);
    char *const argv[] = { path, argument(schema), argument(table), NULL };
    errnum = start(path, argv, said, &pid);
    if (errnum)
        return fo_error_errno(err, errnum, "run hook %s", path);
    in_time = wait_for(pid, &status);
    return verdict(path, in_time, status, said, err);
}
