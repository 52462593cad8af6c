/* credential_process: a program that prints credentials. It is started without a shell.
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/mem.h"
#include "net/credentials_internal.h"
#include "resilience/deadline.h"

#define PROCESS_US 60000000 /* the longest it may take */
#define TICK_MS 50

extern char **environ;

/* Words between blanks; quotes of both kinds and '\' as a shell has them. False: no memory, or an open quote.
 */
static bool
split_words(const char *p, fo_strv *words)
{
    fo_str word = FO_STR_MAX(FO_AWS_FILE_MAX);
    bool good = true;

    while (good) {
        char quote = '\0';

        p += strspn(p, " \t");
        if (!*p)
            break;
        for (; *p && (quote || !strchr(" \t", *p)); p++) {
            if (quote ? *p == quote : strchr("\"'", *p) != NULL)
                quote = quote ? '\0' : *p;
            else if (*p == '\\' && quote != '\'' && p[1])
                fo_str_addc(&word, *++p);
            else
                fo_str_addc(&word, *p);
        }
        good = !quote && fo_str_ok(&word) && fo_strv_add(words, fo_str_z(&word));
        fo_str_clear(&word);
    }
    fo_str_done(&word);
    return good && words->n > 0;
}

/* *ret_fd is what it prints. */
static int
start(char **argv, pid_t *ret_pid, int *ret_fd)
{
    posix_spawn_file_actions_t actions;
    int ends[2], rc;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return errno;
    rc = posix_spawn_file_actions_init(&actions);
    if (rc == 0) {
        rc = posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
        if (rc == 0)
            rc = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (rc == 0)
            rc = posix_spawnp(ret_pid, argv[0], &actions, NULL, argv, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    (void)close(ends[1]);
    if (rc != 0) {
        (void)close(ends[0]);
        return rc;
    }
    *ret_fd = ends[0];
    return 0;
}

/* Until it closes its output, or patience or the call is over. */
static finops_code
collect(int fd, const finops_call *call, fo_str *out, finops_error **err)
{
    int64_t until = fo_deadline_in(PROCESS_US);

    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        char buffer[4096];
        ssize_t n;

        if (call && call->cancelled && call->cancelled(call->arg))
            return fo_error_set(err, FINOPS_E_CANCELLED, "cancelled");
        if (call && fo_deadline_passed(call->deadline_us, fo_clock_monotonic()))
            return fo_error_set(err, FINOPS_E_TIMEOUT, "not done before the deadline");
        if (fo_deadline_passed(until, fo_clock_monotonic()))
            return fo_error_set(err, FINOPS_E_AUTH, "printed nothing for 60 s");
        if (poll(&p, 1, TICK_MS) <= 0)
            continue;
        n = read(fd, buffer, sizeof(buffer));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n == 0 ? fo_str_check(out, err) : fo_error_errno(err, errno, "read what it prints");
        fo_str_addn(out, buffer, (size_t)n);
        explicit_bzero(buffer, sizeof(buffer));
    }
}

/* Its exit status, -1 when it was killed; one that does not end is. */
static int
finish(pid_t pid, bool stop)
{
    int status = 0;

    for (int i = 0; !stop && i < 2000; i += TICK_MS) {
        const struct timespec tick = { .tv_nsec = TICK_MS * 1000000L };
        pid_t got = waitpid(pid, &status, WNOHANG);

        if (got == pid)
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        if (got < 0 && errno != EINTR)
            return -1;
        (void)nanosleep(&tick, NULL);
    }
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return -1;
}

static finops_code
run(const fo_aws_context *context, char **argv, fo_str *out, finops_error **err)
{
    FO_AUTO(fo_fd_closep) int fd = -1;
    pid_t pid;
    int failed = start(argv, &pid, &fd);
    finops_code rc;
    int status;

    if (failed != 0)
        return fo_error_errno(err, failed, "start %s", argv[0]);
    rc = collect(fd, context->call, out, err);
    status = finish(pid, rc != FINOPS_OK);
    if (rc == FINOPS_OK && status != 0)
        return fo_error_set(err, FINOPS_E_AUTH, "%s ended with status %d", argv[0], status);
    return rc == FINOPS_OK ? rc : fo_error_wrap(err, rc, "%s", argv[0]);
}

finops_code
fo_aws_keys_process(const fo_aws_context *context, const char *command, fo_aws_keys **ret, finops_error **err)
{
    FO_AUTO(fo_strv_done) fo_strv words = FO_STRV_INIT;
    FO_AUTO(fo_str_done) fo_str out = FO_STR_MAX(FO_AWS_FILE_MAX);
    FO_AUTO(fo_freep) char **argv = NULL;
    finops_code rc;

    if (!split_words(command, &words))
        return fo_error_set(err, FINOPS_E_CONFIG,
                            "credential_process: a command with an open quote, or none");
    argv = fo_array(words.n + 1, sizeof(*argv));
    if (!argv)
        return fo_error_oom(err);
    memcpy(argv, words.items, words.n * sizeof(*argv));
    rc = run(context, argv, &out, err);
    if (rc == FINOPS_OK)
        rc = fo_aws_keys_json(fo_str_z(&out), out.len, "SessionToken", "its output", "process", ret, err);
    if (out.data)
        explicit_bzero(out.data, out.len);
    return rc == FINOPS_OK ? rc : fo_error_wrap(err, rc, "credential_process");
}
