/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void random_bytes(void *p, size_t n)
{
	uint8_t *at = p;

	while (n) {
		ssize_t got = getrandom(at, n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			abort();
		at += got;
		n -= (size_t)got;
	}
}

bool str_copy(char *dst, size_t n, const char *src)
{
	size_t len = strnlen(src, n);

	if (len < n) {
		memcpy(dst, src, len + 1);
		return true;
	}
	memcpy(dst, src, n - 1);
	dst[n - 1] = '\0';
	return false;
}

void str_escape(char *dst, size_t cap, const void *src, size_t n)
{
	static const char hex[] = "0123456789abcdef";
	const uint8_t *s = src;
	size_t o = 0;

	for (size_t i = 0; i < n; i++) {
		bool plain = s[i] >= 0x20 && s[i] < 0x7f && s[i] != '"' && s[i] != '\\';

		if (o + (plain ? 1 : 4) >= cap)
			break;
		if (plain) {
			dst[o++] = (char)s[i];
			continue;
		}
		dst[o++] = '\\';
		dst[o++] = 'x';
		dst[o++] = hex[s[i] >> 4];
		dst[o++] = hex[s[i] & 15];
	}
	if (cap)
		dst[o] = '\0';
}

bool parse_uint(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		unsigned d = (unsigned)(*s - '0');

		if (d > 9 || v > (UINT64_MAX - d) / 10)
			return false;
		v = v * 10 + d;
	}
	if (v < min || v > max)
		return false;
	*ret = v;
	return true;
}

bool parent_lives(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.pid == getppid();
}

int fd_setup(int fd)
{
	int fl = fcntl(fd, F_GETFL);

	if (fl < 0 || fcntl(fd, F_SETFL, fl | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	return 0;
}

int read_all(int fd, size_t max, char **ret_buf, size_t *ret_len)
{
	size_t n = 0, cap = 4096;
	char *buf = malloc(cap);
	bool pipe = false;
	int err = 0;

	if (!buf)
		return -ENOMEM;
	while (n <= max) {
		size_t room = MIN(cap - n, max + 1 - n);
		ssize_t got = pipe ? read(fd, buf + n, room) : pread(fd, buf + n, room, (off_t)n);

		if (got < 0 && errno == ESPIPE && !pipe) {
			pipe = true;
			continue;
		}
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			err = -errno;
		if (got <= 0)
			break;
		n += (size_t)got;
		if (n == cap) {
			/* Not realloc(): it may leave a copy behind. */
			char *bigger = malloc(cap * 2);

			if (!bigger) {
				err = -ENOMEM;
				break;
			}
			memcpy(bigger, buf, n);
			explicit_bzero(buf, n);
			free(buf);
			buf = bigger;
			cap *= 2;
		}
	}
	if (err) {
		explicit_bzero(buf, n);
		free(buf);
		return err;
	}
	*ret_buf = buf;
	*ret_len = n;
	return 0;
}
