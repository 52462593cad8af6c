/* The Unix socket beside a database file, and the bytes that cross it. */
#ifndef FO_DATABASE_DUCKDB_SOCKET_H
#define FO_DATABASE_DUCKDB_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/str.h"

#define FO_SOCKET_REQUEST_MAX ((size_t)16 << 20)
#define FO_SOCKET_PARAMS_MAX 65535

/*
 * A listening socket at "<database_path>.sock" ("finops-<16 hex of the name's SHA-256>.sock" beside a
 * database whose name has more than 75 bytes), replacing a stale one; the caller holds the database's lock.
 */
finops_code fo_socket_listen(const char *database_path, int *ret_fd, finops_error **err);
/* FINOPS_E_NOT_FOUND when nobody listens, FINOPS_E_DENIED when it is neither this user, root nor the file's
 * owner. */
finops_code fo_socket_connect(const char *database_path, int *ret_fd, finops_error **err);
void fo_socket_remove(const char *database_path);

bool fo_socket_send(int fd, const void *p, size_t n);
bool fo_socket_receive(int fd, void *p, size_t n); /* exactly n bytes */

/* Request and refusal, see serve.h. ret_params gets NULL items for SQL NULL. */
bool fo_socket_send_request(int fd, const char *sql, const char *const *params, size_t n);
finops_code fo_socket_receive_request(int fd, fo_str *ret_sql, fo_strv *ret_params, finops_error **err);
void fo_socket_send_refusal(int fd, const finops_error *refusal);
/* Reads the first byte of an answer; 'R' gives FINOPS_OK with the rows to follow, 'E' the error it carries.
 */
finops_code fo_socket_receive_answer(int fd, finops_error **err);

#endif
