/*
 * A real OpenSSH server for unit tests, on a free port of 127.0.0.1, with keys of its own in a folder of its
 * own; it lets in who runs the test.
 */
#ifndef TESTS_SUPPORT_SSHD_H
#define TESTS_SUPPORT_SSHD_H

#include <stdbool.h>
#include <sys/types.h>

typedef struct test_sshd {
    char folder[64]; /* keys, configuration, log; "root" in it is for objects */
    int port;
    pid_t pid;
    char fingerprint[80]; /* of the host's key */
} test_sshd;

/* sftp: arguments of the SFTP server, such as "-P hardlink"; more: further lines of the configuration. Both
 * may be NULL. False: there is no OpenSSH here. */
bool test_sshd_start(test_sshd *s, const char *sftp, const char *more);
/* Once more on the same port, after a stop. */
bool test_sshd_again(test_sshd *s);
/* Ends the server and every connection of it. */
void test_sshd_stop(test_sshd *s);
void test_sshd_done(test_sshd *s); /* stops it and removes the folder */
/* A path in the folder; good until the next but seven. */
const char *test_sshd_path(const test_sshd *s, const char *name);
/* A key pair; type "ed25519", "rsa" or "ecdsa", passphrase "" for none. Who has it is let in. */
bool test_sshd_key(const test_sshd *s, const char *type, const char *name, const char *passphrase);

#endif
