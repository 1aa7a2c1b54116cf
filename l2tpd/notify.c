/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "l2tpd/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int notify_fd = -1;

void notify_open(void)
{
	const char *name = getenv("NOTIFY_SOCKET");
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len = name ? strlen(name) : 0;

	if (len > 1 && len < sizeof(un.sun_path) && (name[0] == '/' || name[0] == '@')) {
		memcpy(un.sun_path, name, len);
		/* @ stands for the NUL of an abstract name, which ends with its length. */
		if (name[0] == '@')
			un.sun_path[0] = '\0';
		else
			len++;
		notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (notify_fd >= 0 && connect(notify_fd, (struct sockaddr *)&un,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0) {
			close(notify_fd);
			notify_fd = -1;
		}
	}
	unsetenv("NOTIFY_SOCKET");
}

void notify_send(const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	if (notify_fd < 0)
		return;
	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* What is cut is the end of a STATUS. */
	if (n > 0)
		(void)!send(notify_fd, text, MIN((size_t)n, sizeof(text) - 1), MSG_NOSIGNAL | MSG_DONTWAIT);
}
