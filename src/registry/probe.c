/*
 * A plugin is tried in a process of its own first: what crashes there is reported, and nothing else happens.
 *
 * A library cannot start its program again, so the process is a fork, and loads the plugin itself. After a
 * fork of a program with threads POSIX promises async-signal-safe functions only; glibc promises more: its
 * allocator and its loader are usable in the child (both are reset in fork()). What other threads of ours
 * could hold is the lock of the plugin list, which is taken before the fork. Where a lock of someone else
 * stands in the way all the same, the child does not return and is given up at the deadline: the plugin is
 * reported as hanging, the program is not.
 *
 * The child says how far it came, one line a message: "S<stage>", "P<problem>", and "E" at the end.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "registry/registry_internal.h"

#define SAID_MAX ((size_t)256 << 10) /* bytes of what a child says */
#define LOOK_MS 20                   /* how often a stop or the end of the child is looked for */

/* The child. */

static int said_fd = -1; /* of the child alone, which has one thread */

static void
say(char kind, const char *text)
{
    char line[2048];
    size_t n = 0;

    line[n++] = kind;
    for (; *text && n < sizeof(line) - 1; text++)
        line[n++] = (unsigned char)*text < 0x20 ? ' ' : *text;
    line[n++] = '\n';
    for (size_t done = 0; done < n;) {
        ssize_t now = write(said_fd, line + done, n - done);

        if (now < 0 && errno != EINTR)
            _exit(1);
        done += now > 0 ? (size_t)now : 0;
    }
}

static void
say_stage(const char *text, void *arg)
{
    (void)arg;
    say('S', text);
}

static void
say_problem(const char *text, void *arg)
{
    (void)arg;
    say('P', text);
}

/* A plugin that calls exit() must not run what the program registered for its own end. */
static void
leave(int status, void *arg)
{
    (void)arg;
    _exit(status);
}

/* Crashes end the process at once and leave nothing behind: no handler of the program, no core file. */
static void
isolate(int64_t limit_us)
{
    static const int signals[] = { SIGSEGV, SIGBUS, SIGFPE,  SIGILL, SIGABRT, SIGTRAP, SIGSYS, SIGALRM,
                                   SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD };
    struct rlimit none = { 0, 0 };
    sigset_t nothing;
    int null;

    for (size_t i = 0; i < FO_COUNT(signals); i++)
        (void)signal(signals[i], SIG_DFL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigemptyset(&nothing);
    (void)sigprocmask(SIG_SETMASK, &nothing, NULL);
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0);                 /* a core that is piped to a program knows no limit */
    (void)setpgid(0, 0);                             /* ended together with whatever it starts */
    (void)alarm((unsigned)(limit_us / 1000000) + 2); /* should the parent be gone */
    (void)on_exit(leave, NULL);

    said_fd = fcntl(said_fd, F_DUPFD, 4); /* above all that is replaced here */
    null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd <= 2 && null >= 0; fd++)
        (void)dup2(null, fd);
    (void)dup2(said_fd, 3);
    said_fd = 3;
    (void)close_range(4, ~0U, 0); /* connections of the program stay its own */
}

static _Noreturn void
child(const char *path, int fd, int64_t limit_us)
{
    const fo_plugin_observer observer = { .problem = say_problem, .stage = say_stage };
    finops_error *err = NULL;
    fo_plugin *plugin = NULL;
    finops_code rc;

    said_fd = fd;
    isolate(limit_us);
    fo_plugins_unlock(); /* taken before the fork */
    rc = fo_plugin_load(path, &observer, &plugin, &err);
    if (rc != FINOPS_OK && rc != FINOPS_E_DATA) /* what is no problem of the plugin was not told yet */
        say('P', finops_error_text(err));
    if (rc == FINOPS_OK) {
        say('S', "when it is unloaded");
        fo_plugin_unref(plugin);
    }
    say('E', "");
    _exit(0);
}

/* The parent. */

typedef struct probe {
    const char *path;
    const atomic_bool *stop;
    fo_each_problem each;
    void *arg;
    int64_t end_us;
    int64_t limit_us;
    pid_t pid;
    int fd;
    bool ended; /* the child */
    bool gone;  /* and someone else asked how */
    int status;
} probe;

static bool
is_stopped(const probe *p)
{
    return p->stop && atomic_load(p->stop);
}

/* Whether the child has ended. It is left to be waited for, so that its number stays its own. When the
 * program ignores SIGCHLD nobody learns how it ended. */
static bool
has_ended(probe *p)
{
    siginfo_t info = { 0 };

    if (p->ended)
        return true;
    p->gone = waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 && errno == ECHILD;
    p->ended = p->gone || info.si_pid == p->pid;
    return p->ended;
}

/* With all it started. */
static void
end_child(probe *p)
{
    if (p->gone)
        return;
    (void)kill(-p->pid, SIGKILL);
    if (!p->ended)
        (void)kill(p->pid, SIGKILL); /* it may not have come as far as a group of its own */
    while (waitpid(p->pid, &p->status, 0) < 0 && errno == EINTR)
        continue;
}

/* Takes what is there to read. False: there will be no more. */
static bool
read_some(const probe *p, fo_str *said)
{
    char buf[4096];
    ssize_t n = read(p->fd, buf, sizeof(buf));

    if (n > 0 && said->len + (size_t)n <= SAID_MAX)
        fo_str_addn(said, buf, (size_t)n);
    return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

/* Until the child has ended, or has no time left. The pipe's end alone tells nothing: others may hold it. */
static void
listen_to_child(probe *p, fo_str *said)
{
    bool open = true;

    while (fo_clock_monotonic() < p->end_us && !is_stopped(p)) {
        struct pollfd fd = { .fd = open ? p->fd : -1, .events = POLLIN };
        bool last = has_ended(p);
        int n = poll(&fd, 1, last ? 0 : open ? LOOK_MS : 1);

        if (n > 0)
            open = read_some(p, said);
        else if (last)
            return;
        if (!open && last)
            return;
    }
}

static void
how_it_ended(const probe *p, const char *stage)
{
    FO_AUTO(fo_str_done) fo_str text = FO_STR_INIT;

    if (!p->ended)
        fo_str_addf(&text, "it takes longer than %lld s %s", (long long)(p->limit_us / 1000000), stage);
    else if (p->gone)
        fo_str_addf(&text, "it ends the process %s", stage);
    else if (WIFSIGNALED(p->status))
        fo_str_addf(&text, "it crashes %s (signal %d)", stage, WTERMSIG(p->status));
    else
        fo_str_addf(&text, "it ends the process %s (exit status %d)", stage, WEXITSTATUS(p->status));
    p->each(fo_str_ok(&text) ? fo_str_z(&text) : "it does not load", p->arg);
}

/* What the child said. */
static finops_code
judge(const probe *p, char *said, finops_error **err)
{
    const char *stage = "before it is loaded";
    unsigned problems = 0;
    bool complete = false;
    char *next;

    for (char *line = said; line && *line; line = next) {
        next = strchr(line, '\n');
        if (!next)
            break; /* cut off */
        *next++ = '\0';
        if (line[0] == 'S') {
            stage = line + 1;
        } else if (line[0] == 'P') {
            problems++;
            p->each(line + 1, p->arg);
        } else if (line[0] == 'E') {
            complete = true;
        }
    }
    if (!complete)
        how_it_ended(p, stage);
    if (!complete || problems > 0)
        return fo_error_set(err, FINOPS_E_DATA, "plugin %s cannot be used", p->path);
    return FINOPS_OK;
}

static finops_code
start(probe *p, finops_error **err)
{
    int ends[2];
    int errnum;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return fo_error_errno(err, errno, "try plugin %s", p->path);
    fo_plugins_lock();
    p->pid = fork();
    if (p->pid == 0)
        child(p->path, ends[1], p->limit_us);
    errnum = errno;
    fo_plugins_unlock();
    (void)close(ends[1]);
    p->fd = ends[0];
    return p->pid > 0 ? FINOPS_OK : fo_error_errno(err, errnum, "start a process to try plugin %s", p->path);
}

finops_code
fo_plugin_probe(const char *path, int64_t limit_us, const atomic_bool *stop, fo_each_problem each, void *arg,
                finops_error **err)
{
    FO_AUTO(fo_str_done) fo_str said = FO_STR_MAX(SAID_MAX);
    FO_AUTO(fo_fd_closep) int fd = -1;
    FO_AUTO(fo_freep) char *text = NULL;
    probe p = { .path = path, .stop = stop, .each = each, .arg = arg, .limit_us = limit_us, .fd = -1 };
    finops_code rc;

    assert(path && each && limit_us > 0);

    p.end_us = fo_clock_monotonic() + limit_us;
    rc = start(&p, err);
    fd = p.fd;
    if (rc != FINOPS_OK)
        return rc;
    listen_to_child(&p, &said);
    (void)has_ended(&p);
    end_child(&p);
    if (is_stopped(&p))
        return fo_error_set(err, FINOPS_E_CANCELLED, "try plugin %s: stopped", path);
    text = fo_str_take(&said);
    return text ? judge(&p, text, err) : fo_error_oom(err);
}
