/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small things that every folder uses. */
#ifndef CULVERT_UTIL_H
#define CULVERT_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define N_ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

#ifndef MIN
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#endif

/* The object of type T whose member m is at p. */
#define CONTAINER_OF(p, T, m) ((T *)((char *)(p) - offsetof(T, m)))

/* Milliseconds of CLOCK_MONOTONIC; never goes back, counts no wall-clock steps. */
uint64_t now_ms(void);

/* Fill p with n bytes of getrandom(2).  Aborts where the kernel has none: no
 * key may ever be made from anything else. */
void random_bytes(void *p, size_t n);

/* Copy the string src to dst of size n, cut where too long; always ends in
 * NUL.  Returns false when it was cut. */
bool str_copy(char *dst, size_t n, const char *src);

/*
 * Write n bytes of a peer's text to dst of size cap so that a log or a
 * terminal shows no control byte: printable ASCII but '"' and '\' as it is,
 * the rest as \xHH.  Always ends in NUL; cut where too long.
 */
void str_escape(char *dst, size_t cap, const void *src, size_t n);

/* A whole decimal number in [min, max] or false; nothing else may follow it. */
MUST_USE bool parse_uint(const char *s, uint64_t min, uint64_t max, uint64_t *ret);

/*
 * Is the process at the other end of fd (a socket pair made by it) still our
 * parent?  Asked after PR_SET_PDEATHSIG, for a parent that died before.
 */
bool parent_lives(int fd);

/*
 * All of a file from its beginning, or of a pipe: up to max + 1 bytes, so that the
 * caller sees "too many".  0, *ret_buf (the caller's, to free) and *ret_len, or -errno.
 * What was read lies nowhere else in memory: it may be a secret.
 */
MUST_USE int read_all(int fd, size_t max, char **ret_buf, size_t *ret_len);

/* Set O_NONBLOCK and FD_CLOEXEC.  0 or -errno. */
MUST_USE int fd_setup(int fd);

#endif
